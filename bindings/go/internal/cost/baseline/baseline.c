/* The work of ../main.go in C: baseline URL MESSAGES */
#define _POSIX_C_SOURCE 200809L
#include <stargate.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double cpu(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void check(stargate_status status, stargate_error *error)
{
	if (status == STARGATE_OK)
		return;
	fprintf(stderr, "%s: %s\n", stargate_status_name(status), stargate_error_message(error).ptr);
	exit(1);
}

static void on_sent(void *user_data, stargate_status status, const char *id, size_t length, const stargate_error *error)
{
	(void)id;
	(void)length;
	(void)error;
	if (status != STARGATE_OK)
		++*(int *)user_data;
}

int main(int argc, char **argv)
{
	stargate_client *client = NULL;
	stargate_producer *producer = NULL;
	stargate_consumer *consumer = NULL;
	stargate_options *options = stargate_options_new();
	stargate_error *error = NULL;
	char payload[100], topic[64];
	int count, failed = 0, i;
	double used, began;

	if (argc < 3)
		return 2;
	count = atoi(argv[2]);
	memset(payload, 'x', sizeof payload);
	snprintf(topic, sizeof topic, "cost-c-%d", (int)getpid());
	check(stargate_client_new(argv[1], NULL, &client, &error), error);
	used = cpu();
	began = now();
	check(stargate_producer_open(client, topic, NULL, -1, &producer, &error), error);
	for (i = 0; i < count; i++)
		check(stargate_producer_send_flat_async(producer, payload, sizeof payload, NULL, 0, NULL, 0, 0, 0, 0, -1,
		                                        on_sent, &failed, NULL, &error), error);
	check(stargate_producer_close(producer, -1, &error), error);
	printf("c  %-32s %5.2f us CPU a message, %8.0f a second\n", "send, a callback each", (cpu() - used) / count,
	       count / (now() - began));
	used = cpu();
	began = now();
	check(stargate_options_set(options, "initial_position", "earliest", &error), error);
	check(stargate_consumer_open(client, topic, "cost", options, -1, &consumer, &error), error);
	for (i = 0; i < count; i++) {
		stargate_message *message = NULL;

		check(stargate_consumer_receive(consumer, -1, &message, &error), error);
		check(stargate_consumer_ack(consumer, message, &error), error);
		stargate_message_free(message);
	}
	check(stargate_consumer_close(consumer, -1, &error), error);
	printf("c  %-32s %5.2f us CPU a message, %8.0f a second\n", "receive and ack", (cpu() - used) / count,
	       count / (now() - began));
	stargate_options_free(options);
	stargate_producer_free(producer);
	stargate_consumer_free(consumer);
	stargate_client_free(client);
	return failed != 0;
}
