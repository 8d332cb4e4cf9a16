/* The processor time of a message of 100 bytes in C, for a comparison: cost URL COUNT. See cost.js. */

#include <stargate.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static stargate_error *error;
static size_t sent;

static void check(stargate_status status)
{
    if (status != STARGATE_OK) {
        fprintf(stderr, "%s\n", stargate_error_message(error).ptr);
        exit(1);
    }
}

static double used(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

static void on_sent(void *user_data, stargate_status status, const char *id, size_t length, const stargate_error *failed)
{
    (void)user_data, (void)status, (void)id, (void)length, (void)failed;
    sent++;
}

int main(int argc, char **argv)
{
    const size_t count = strtoul(argv[argc - 1], NULL, 10);
    char payload[100] = {0};
    stargate_message *messages[100];
    stargate_client *client;
    stargate_producer *producer;
    stargate_consumer *consumer;
    double begun;
    size_t received;

    check(stargate_client_new(argv[1], NULL, &client, &error));
    check(stargate_consumer_open(client, "cost-in-c", "cost", NULL, 10000, &consumer, &error));
    check(stargate_producer_open(client, "cost-in-c", NULL, 10000, &producer, &error));
    stargate_consumer_free(consumer);

    begun = used();
    for (size_t number = 0; number < count; number++)
        check(stargate_producer_send_flat_async(producer, payload, sizeof payload, NULL, 0, NULL, 0, 0, 0, 0, -1, on_sent,
                                                NULL, NULL, &error));
    check(stargate_producer_close(producer, 60000, &error));
    printf("%.2f", (used() - begun) / count);

    check(stargate_consumer_open(client, "cost-in-c", "cost", NULL, 10000, &consumer, &error));
    begun = used();
    for (size_t total = 0; total < count; total += received) {
        check(stargate_consumer_receive_many(consumer, 100, 10000, messages, &received, &error));
        check(stargate_consumer_ack_many(consumer, messages, received, &error));
        stargate_messages_free(messages, received);
    }
    printf(" %.2f\n", (used() - begun) / count);
    stargate_consumer_free(consumer);
    stargate_producer_free(producer);
    stargate_client_free(client);
    return sent == count ? 0 : 1;
}
