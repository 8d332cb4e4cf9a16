/* What is opened and closed leaves nothing behind: no file descriptor, no thread. */
#include "testing.h"

#include <stargate_mock.h>

#include <dirent.h>

static int entries(const char *folder)
{
    DIR *dir = opendir(folder);
    int count = 0;

    CHECK(dir != NULL);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static int32_t handle(void *state, const stargate_message *message)
{
    (void)message;
    counter_add(state);
    return STARGATE_ACK;
}

static void on_sent(void *data, const stargate_delivery_report *sent)
{
    CHECK(sent->error == NULL);
    counter_add(data);
}

/* A client with everything, used and closed. */
static void cycle(int number, const char *url, const char *topic)
{
    char subscription[16];
    stargate_client *client = NULL;
    stargate_producer *producer = NULL;
    stargate_consumer *consumer = NULL;
    stargate_reader *reader = NULL;
    stargate_error *error = NULL;
    stargate_handler handler = STARGATE_HANDLER_INIT;
    stargate_outgoing message = text_message("x");
    counter handled = COUNTER_INIT, sent = COUNTER_INIT;

    /* One of its own: a broker may hold an exclusive one for a moment after its consumer has gone. */
    snprintf(subscription, sizeof subscription, "s%d", number);
    handler.handle = handle;
    OK(stargate_client_new(url, NULL, &client, &error));
    OK(stargate_producer_open(client, topic, NULL, TIMEOUT_MS, &producer, &error));
    OK(stargate_consumer_open(client, topic, subscription, NULL, TIMEOUT_MS, &consumer, &error));
    OK(stargate_consumer_listen(consumer, &handler, &handled, NULL, &error));
    OK(stargate_reader_open(client, topic, NULL, TIMEOUT_MS, &reader, &error));
    OK(stargate_producer_send_async(producer, &message, -1, on_sent, &sent, NULL, &error));
    counter_wait(&handled, 1);
    OK(stargate_client_close(client, TIMEOUT_MS, &error));
    CHECK(counter_get(&sent) == 1);
    stargate_reader_free(reader);
    stargate_consumer_free(consumer);
    stargate_producer_free(producer);
    stargate_client_free(client);
}

/* Runs so many cycles, and looks at what they left. */
static void cycles(int count, const char *url, const char *topic)
{
    int descriptors, threads, i;
    double limit;

    descriptors = entries("/proc/self/fd");
    threads = entries("/proc/self/task");
    for (i = 0; i < count; i++)
        cycle(i, url, topic);
    /* Threads end on their own; nothing waits for them. */
    limit = seconds() + 10;
    while ((entries("/proc/self/fd") > descriptors || entries("/proc/self/task") > threads) && seconds() < limit)
        sleep_ms(10);
    printf("%d cycles: descriptors %d -> %d, threads %d -> %d\n", count, descriptors, entries("/proc/self/fd"), threads,
           entries("/proc/self/task"));
    CHECK(entries("/proc/self/fd") <= descriptors);
    CHECK(entries("/proc/self/task") <= threads);
}

TEST(a_hundred_cycles_leave_no_descriptor_and_no_thread)
{
    char topic[64];

    strcpy(topic, new_topic());
    cycles(100, broker(), topic);
}

TEST(a_thousand_cycles_on_the_mock_leave_no_descriptor_and_no_thread)
{
    stargate_mock *mock = NULL;
    stargate_error *error = NULL;

    OK(stargate_mock_start(NULL, &mock, &error));
    cycles(1000, stargate_mock_url(mock).ptr, "orders");
    stargate_mock_free(mock);
}
