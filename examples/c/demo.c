/*
 * Produces 1,000 messages, consumes them with a handler that acknowledges each, and reads them again from the earliest.
 *
 *     ./demo [ws://localhost:8080]       (or PULSAR_URL in the environment)
 *
 * Exits with 0 when every count is right.
 */
#define _POSIX_C_SOURCE 200809L /* for the clock of the condition variable below */
#include <stargate.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MESSAGES = 1000, TIMEOUT_MS = 30000 };

/* Ends the program when a call failed. The error's text names the operation, the topic and the cause. */
static void check(stargate_status status, stargate_error *error)
{
    if (status == STARGATE_OK)
        return;
    fprintf(stderr, "%s: %s\n", stargate_status_name(status), stargate_error_message(error).ptr);
    exit(1);
}

/* What the producer's callback counts. It runs on a thread of the library; a close is over when it runs no more. */
typedef struct {
    int stored;
    int failed;
} receipts;

static void on_sent(void *user_data, const stargate_delivery_report *sent)
{
    receipts *counts = user_data;
    if (sent->error == NULL) {
        counts->stored++;
    } else {
        fprintf(stderr, "not stored: %s\n", stargate_error_message(sent->error).ptr);
        counts->failed++;
    }
}

static void produce(stargate_client *client, const char *topic)
{
    stargate_producer *producer = NULL;
    stargate_error *error = NULL;
    receipts counts = {0, 0};

    check(stargate_producer_open(client, topic, NULL, TIMEOUT_MS, &producer, &error), error);
    for (int i = 0; i < MESSAGES; i++) {
        char text[32];
        stargate_outgoing message = STARGATE_OUTGOING_INIT;
        message.payload.ptr = text;
        message.payload.len = (size_t)snprintf(text, sizeof text, "message %d", i);
        /* Many are in flight at a time; the call waits only when there is no room for one more. */
        check(stargate_producer_send_async(producer, &message, -1, on_sent, &counts, NULL, &error), error);
    }
    /* A close waits for the receipts and for the callbacks. */
    check(stargate_producer_close(producer, TIMEOUT_MS, &error), error);
    stargate_producer_free(producer);

    printf("produced %d messages, %d failed\n", counts.stored, counts.failed);
    if (counts.stored != MESSAGES)
        exit(1);
}

/* The state of the handler. Its thread counts, and the main thread waits until the count is full. */
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int handled;
    int out_of_order;
} progress;

static int32_t handle(void *state, const stargate_message *message)
{
    progress *seen = state;
    stargate_bytes payload = stargate_message_payload(message);
    char text[32];

    pthread_mutex_lock(&seen->lock);
    snprintf(text, sizeof text, "message %d", seen->handled++);
    if (payload.len != strlen(text) || memcmp(payload.ptr, text, payload.len) != 0)
        seen->out_of_order++;
    pthread_cond_signal(&seen->changed);
    pthread_mutex_unlock(&seen->lock);
    return STARGATE_ACK;
}

static void consume(stargate_consumer *consumer)
{
    stargate_handler handler = STARGATE_HANDLER_INIT;
    stargate_error *error = NULL;
    progress seen = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};
    struct timespec limit;
    int late = 0;

    /* Without an init the user_data is the state of the handler. */
    handler.handle = handle;
    check(stargate_consumer_listen(consumer, &handler, &seen, NULL, &error), error);
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += TIMEOUT_MS / 1000;
    pthread_mutex_lock(&seen.lock);
    while (seen.handled < MESSAGES && !late)
        late = pthread_cond_timedwait(&seen.changed, &seen.lock, &limit);
    pthread_mutex_unlock(&seen.lock);
    /* After this the acknowledgements are sent and no handler runs, so `seen` may go. */
    check(stargate_consumer_close(consumer, TIMEOUT_MS, &error), error);

    printf("consumed %d messages, %d out of order\n", seen.handled, seen.out_of_order);
    if (seen.handled != MESSAGES || seen.out_of_order != 0)
        exit(1);
}

static void read_again(stargate_client *client, const char *topic)
{
    stargate_options *options = stargate_options_new();
    stargate_reader *reader = NULL;
    stargate_error *error = NULL;
    int messages = 0;

    check(stargate_options_set(options, "starting_message", "earliest", &error), error);
    check(stargate_reader_open(client, topic, options, TIMEOUT_MS, &reader, &error), error);
    while (messages < MESSAGES) {
        stargate_message *message = NULL;
        check(stargate_reader_receive(reader, TIMEOUT_MS, &message, &error), error);
        messages++;
        stargate_message_free(message);
    }
    stargate_reader_free(reader);
    stargate_options_free(options);
    printf("read %d messages again from the earliest\n", messages);
}

int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : getenv("PULSAR_URL");
    stargate_client *client = NULL;
    stargate_consumer *consumer = NULL;
    stargate_error *error = NULL;
    char topic[64];

    if (url == NULL)
        url = "ws://localhost:8080";
    if (!stargate_version_compatible(STARGATE_VERSION_NUMBER)) {
        fprintf(stderr, "compiled for stargate %s, running with %s\n", STARGATE_VERSION, stargate_version());
        return 1;
    }
    snprintf(topic, sizeof topic, "example-c-%ld", (long)time(NULL));
    printf("stargate %s, %s, topic %s\n", stargate_version(), url, topic);

    check(stargate_client_new(url, NULL, &client, &error), error);
    /* The subscription begins at the latest message, so it has to be there before the first one. */
    check(stargate_consumer_open(client, topic, "example", NULL, TIMEOUT_MS, &consumer, &error), error);
    produce(client, topic);
    consume(consumer);
    read_again(client, topic);

    stargate_consumer_free(consumer);
    check(stargate_client_close(client, TIMEOUT_MS, &error), error);
    stargate_client_free(client);
    return 0;
}
