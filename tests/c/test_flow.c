/* Ten thousand messages of 1 KiB: none lost, and their order kept. */
#include "testing.h"

enum { MESSAGES = 10000, SIZE = 1024 };

typedef struct {
    counter sent;
    counter destroyed;
    int failed;
} sending;

static void on_sent(void *data, const stargate_delivery_report *sent)
{
    sending *all = data;

    if (sent->error != NULL || sent->message_id.len == 0)
        all->failed++;
    counter_add(&all->sent);
}

static void produce(stargate_client *client, const char *topic)
{
    stargate_producer *producer = new_producer(client, topic);
    stargate_error *error = NULL;
    sending all = {COUNTER_INIT, COUNTER_INIT, 0};
    char payload[SIZE];
    int i;

    memset(payload, 'x', sizeof payload);
    for (i = 0; i < MESSAGES; i++) {
        stargate_outgoing message = STARGATE_OUTGOING_INIT;
        memcpy(payload, &i, sizeof i);
        message.payload.ptr = payload;
        message.payload.len = sizeof payload;
        OK(stargate_producer_send_async(producer, &message, -1, on_sent, &all, NULL, &error));
    }
    OK(stargate_producer_close(producer, TIMEOUT_MS, &error));
    CHECK(counter_get(&all.sent) == MESSAGES);
    CHECK(all.failed == 0);
    stargate_producer_free(producer);
}

typedef struct {
    counter handled;
    int wrong;
} handling;

static int32_t handle(void *state, const stargate_message *message)
{
    handling *all = state;
    stargate_bytes payload = stargate_message_payload(message);
    int number = -1;

    if (payload.len == SIZE)
        memcpy(&number, payload.ptr, sizeof number);
    if (number != counter_get(&all->handled))
        all->wrong++;
    counter_add(&all->handled);
    return STARGATE_ACK;
}

TEST(a_handler_gets_10000_messages_in_order)
{
    stargate_client *client = new_client();
    stargate_consumer *consumer = NULL, *again = NULL;
    stargate_message *message = NULL;
    stargate_error *error = NULL;
    stargate_handler handler = STARGATE_HANDLER_INIT;
    handling all = {COUNTER_INIT, 0};
    const char *topic = new_topic();
    double begun = seconds();

    handler.handle = handle;
    OK(stargate_consumer_open(client, topic, "s", NULL, TIMEOUT_MS, &consumer, &error));
    OK(stargate_consumer_listen(consumer, &handler, &all, NULL, &error));
    produce(client, topic);
    counter_wait(&all.handled, MESSAGES);
    CHECK(all.wrong == 0);
    printf("%d messages of %d bytes there and back in %.2f s\n", MESSAGES, SIZE, seconds() - begun);
    OK(stargate_consumer_close(consumer, TIMEOUT_MS, &error));
    stargate_consumer_free(consumer);

    /* All of them are acknowledged: nothing is redelivered. */
    OK(stargate_consumer_open(client, topic, "s", NULL, TIMEOUT_MS, &again, &error));
    CHECK(stargate_consumer_receive(again, 1000, &message, &error) == STARGATE_TIMEOUT);
    stargate_consumer_free(again);
    stargate_client_free(client);
}

TEST(a_reader_gets_10000_messages_in_order)
{
    stargate_client *client = new_client();
    stargate_options *options = stargate_options_new();
    stargate_reader *reader = NULL;
    stargate_error *error = NULL;
    stargate_handler handler = STARGATE_HANDLER_INIT;
    handling all = {COUNTER_INIT, 0};
    const char *topic = new_topic();

    handler.handle = handle;
    produce(client, topic);
    OK(stargate_options_set(options, "starting_message", "earliest", &error));
    OK(stargate_reader_open(client, topic, options, TIMEOUT_MS, &reader, &error));
    OK(stargate_reader_listen(reader, &handler, &all, NULL, &error));
    counter_wait(&all.handled, MESSAGES);
    CHECK(all.wrong == 0);
    OK(stargate_reader_close(reader, TIMEOUT_MS, &error));
    stargate_reader_free(reader);
    stargate_options_free(options);
    stargate_client_free(client);
}
