/* Calls that never wait, interrupts, releases and flat structs; each with callbacks on a thread and in the poll. */
#include "testing.h"
#include <stargate_mock.h>

#include <unistd.h>

/* A client of a mock broker of its own, and how its callbacks run. */
typedef struct {
    stargate_mock *mock;
    stargate_client *client;
    int polled;
} world;

/* What the callbacks of one call saw. */
typedef struct {
    counter called, destroyed;
    stargate_status status;
    void *handle;
    stargate_message *messages[16];
    size_t count;
    char text[256];
} outcome;
#define OUTCOME_INIT {COUNTER_INIT, COUNTER_INIT, -1, NULL, {NULL}, 0, ""}

static world new_world(int polled)
{
    world made = {NULL, NULL, polled};
    stargate_options *options = stargate_options_new();
    stargate_error *error = NULL;

    OK(stargate_mock_start(NULL, &made.mock, &error));
    if (polled)
        OK(stargate_options_poll_callbacks(options, &error));
    OK(stargate_client_new(stargate_mock_url(made.mock).ptr, options, &made.client, &error));
    stargate_options_free(options);
    return made;
}

static void end_world(world *ended)
{
    stargate_error *error = NULL;

    OK(stargate_client_close(ended->client, TIMEOUT_MS, &error));
    stargate_client_free(ended->client);
    stargate_mock_free(ended->mock);
}

/* Waits for a count as the world does it. */
static void await(world *in, counter *counted, int count)
{
    double limit = seconds() + 30;

    if (!in->polled) {
        counter_wait(counted, count);
        return;
    }
    while (counter_get(counted) < count) {
        stargate_error *error = NULL;
        stargate_status status = stargate_client_poll(in->client, 100, NULL, &error);
        /* After the close of the client, a destroy may still run where the last callback did. */
        CHECK(status == STARGATE_OK || status == STARGATE_CLOSED);
        stargate_error_free(error);
        CHECK(seconds() < limit);
    }
}

static void keep_error(outcome *out, const stargate_error *error)
{
    stargate_error_fields fields;

    stargate_error_view(error, &fields, sizeof fields);
    CHECK(fields.status == stargate_error_status(error));
    CHECK(fields.message_len == stargate_error_message(error).len);
    if (error != NULL)
        snprintf(out->text, sizeof out->text, "%.*s", (int)fields.message_len, fields.message);
}

static void on_done(void *data, stargate_status status, void *handle, const stargate_error *error)
{
    outcome *out = data;

    CHECK((status == STARGATE_OK) == (error == NULL));
    CHECK(status == STARGATE_OK || handle == NULL);
    out->status = status;
    out->handle = handle;
    keep_error(out, error);
    counter_add(&out->called);
}

static void on_received(void *data, stargate_status status, stargate_message **messages, size_t count,
                        const stargate_error *error)
{
    outcome *out = data;
    size_t i;

    CHECK((status == STARGATE_OK) == (count > 0));
    CHECK((error != NULL) == (status != STARGATE_OK && status != STARGATE_TIMEOUT && status != STARGATE_INTERRUPTED));
    for (i = 0; i < count; i++)
        out->messages[out->count++] = messages[i];
    out->status = status;
    keep_error(out, error);
    counter_add(&out->called);
}

static void on_sent(void *data, stargate_status status, const char *id, size_t id_len, const stargate_error *error)
{
    outcome *out = data;

    CHECK((status == STARGATE_OK) == (id != NULL) && (id != NULL) == (id_len > 0));
    out->status = status;
    keep_error(out, error);
    counter_add(&out->called);
}

static void on_sent_many(void *data, stargate_status status, const stargate_send_result *results, size_t count)
{
    outcome *out = data;
    size_t i;

    for (i = 0; i < count; i++)
        CHECK((results[i].status == STARGATE_OK) == (results[i].message_id != NULL));
    out->status = status;
    out->count = count;
    counter_add(&out->called);
}

static void destroyed(void *data)
{
    counter_add(&((outcome *)data)->destroyed);
}

/* Makes a call that ends with STARGATE_OK and an outcome, waits for that, and gives the handle. */
static void *ended(world *in, outcome *out, stargate_status wanted)
{
    await(in, &out->called, 1);
    await(in, &out->destroyed, 1);
    if (out->status != wanted)
        fprintf(stderr, "%s: %s\n", stargate_status_name(out->status), out->text);
    CHECK(out->status == wanted);
    CHECK(counter_get(&out->called) == 1 && counter_get(&out->destroyed) == 1);
    return out->handle;
}

static stargate_producer *open_producer(world *in, const char *topic, const stargate_options *options)
{
    outcome out = OUTCOME_INIT;
    stargate_error *error = NULL;

    OK(stargate_producer_open_async(in->client, topic, options, TIMEOUT_MS, on_done, &out, destroyed, &error));
    return ended(in, &out, STARGATE_OK);
}

static stargate_consumer *open_consumer(world *in, const char *topic)
{
    outcome out = OUTCOME_INIT;
    stargate_error *error = NULL;

    OK(stargate_consumer_open_async(in->client, topic, "s", NULL, TIMEOUT_MS, on_done, &out, destroyed, &error));
    return ended(in, &out, STARGATE_OK);
}

static stargate_reader *open_reader(world *in, const char *topic)
{
    outcome out = OUTCOME_INIT;
    stargate_error *error = NULL;
    stargate_options *options = stargate_options_new();
    void *reader;

    OK(stargate_options_set_json(options, "{\"starting_message\": \"earliest\"}", &error));
    OK(stargate_reader_open_async(in->client, topic, options, TIMEOUT_MS, on_done, &out, destroyed, &error));
    stargate_options_free(options);
    reader = ended(in, &out, STARGATE_OK);
    return reader;
}

static void publish(world *in, const char *topic, const char *text)
{
    stargate_outgoing message = text_message(text);
    stargate_error *error = NULL;

    OK(stargate_mock_publish(in->mock, topic, &message, NULL, &error));
}

/* The whole job without a call that waits. */
static void everything_without_waiting(int polled)
{
    world in = new_world(polled);
    outcome sent = OUTCOME_INIT, flushed = OUTCOME_INIT, taken = OUTCOME_INIT, read = OUTCOME_INIT;
    outcome closed[4] = {OUTCOME_INIT, OUTCOME_INIT, OUTCOME_INIT, OUTCOME_INIT};
    const char properties[] = "color\0red\0size\0\xc3\xa9";
    const char *both[] = {"t", "u"};
    stargate_error *error = NULL;
    stargate_producer *producer = open_producer(&in, "t", NULL);
    stargate_consumer *consumer = open_consumer(&in, "t"), *several, *all;
    stargate_reader *reader = open_reader(&in, "t");
    stargate_message_fields fields;
    outcome opened = OUTCOME_INIT, matched = OUTCOME_INIT, emptied = OUTCOME_INIT;
    size_t backlog = 1;

    OK(stargate_consumer_open_topics_async(in.client, both, 2, "several", NULL, -1, on_done, &opened, destroyed,
                                           &error));
    several = ended(&in, &opened, STARGATE_OK);
    OK(stargate_consumer_open_pattern_async(in.client, "public/default/.*", "all", NULL, -1, on_done, &matched,
                                            destroyed, &error));
    all = ended(&in, &matched, STARGATE_OK);
    stargate_consumer_release(several);
    stargate_consumer_release(all);

    /* The literal ends with a 0 of its own. */
    OK(stargate_producer_send_flat_async(producer, "hello", 5, "k\0ey", 4, properties, sizeof properties, 7, 0, 0, -1,
                                         on_sent, &sent, destroyed, &error));
    OK(stargate_producer_flush_async(producer, TIMEOUT_MS, on_done, &flushed, destroyed, &error));
    ended(&in, &flushed, STARGATE_OK);
    CHECK(counter_get(&sent.called) == 1 && sent.status == STARGATE_OK);

    OK(stargate_consumer_receive_async(consumer, 16, TIMEOUT_MS, on_received, &taken, destroyed, &error));
    ended(&in, &taken, STARGATE_OK);
    OK(stargate_reader_receive_async(reader, 16, TIMEOUT_MS, on_received, &read, destroyed, &error));
    ended(&in, &read, STARGATE_OK);
    CHECK(taken.count == 1 && read.count == 1);
    OK(stargate_messages_view(taken.messages, 1, &fields, sizeof fields, &error));
    CHECK(fields.payload_len == 5 && memcmp(fields.payload, "hello", 5) == 0);
    CHECK(fields.key_len == 4 && memcmp(fields.key, "k\0ey", 4) == 0);
    CHECK(fields.property_count == 2 && fields.event_time_ms == 7);
    CHECK(fields.properties[1].value_len == 2 && memcmp(fields.properties[1].value, "\xc3\xa9", 2) == 0);
    OK(stargate_consumer_ack_many(consumer, taken.messages, taken.count, &error));
    stargate_messages_free(taken.messages, taken.count);
    stargate_messages_free(read.messages, read.count);

    /* Nothing comes, in time. */
    taken.count = 0;
    {
        outcome late = OUTCOME_INIT;
        OK(stargate_reader_receive_async(reader, 1, 0, on_received, &late, destroyed, &error));
        ended(&in, &late, STARGATE_TIMEOUT);
    }
    OK(stargate_producer_close_async(producer, TIMEOUT_MS, on_done, &closed[0], destroyed, &error));
    OK(stargate_consumer_close_async(consumer, TIMEOUT_MS, on_done, &closed[1], destroyed, &error));
    OK(stargate_reader_close_async(reader, TIMEOUT_MS, on_done, &closed[2], destroyed, &error));
    ended(&in, &closed[0], STARGATE_OK);
    ended(&in, &closed[1], STARGATE_OK);
    ended(&in, &closed[2], STARGATE_OK);
    /* Nothing is in flight after a close, for either flush. */
    OK(stargate_producer_flush(producer, TIMEOUT_MS, &error));
    OK(stargate_producer_flush_async(producer, TIMEOUT_MS, on_done, &emptied, destroyed, &error));
    ended(&in, &emptied, STARGATE_OK);
    OK(stargate_mock_backlog(in.mock, "t", "s", &backlog, &error));
    CHECK(backlog == 0);
    OK(stargate_client_close_async(in.client, TIMEOUT_MS, on_done, &closed[3], destroyed, &error));
    ended(&in, &closed[3], STARGATE_OK);
    FAILS(STARGATE_CLOSED, "closed",
          stargate_reader_receive_async(reader, 1, -1, on_received, &taken, destroyed, &error));
    CHECK(counter_get(&taken.called) == 1 && counter_get(&taken.destroyed) == 2);
    stargate_producer_free(producer);
    stargate_consumer_release(consumer);
    stargate_reader_free(reader);
    stargate_client_release(in.client);
    stargate_mock_release(in.mock);
}

TEST(everything_is_done_without_waiting_on_a_thread)
{
    everything_without_waiting(0);
}

TEST(everything_is_done_without_waiting_in_the_poll)
{
    everything_without_waiting(1);
}

/* A receive that waits ends with the close of its handle, once, however it is closed, and before the close returns. */
static void pending_receives_end(int polled)
{
    world in = new_world(polled);
    outcome out[6] = {OUTCOME_INIT, OUTCOME_INIT, OUTCOME_INIT, OUTCOME_INIT, OUTCOME_INIT, OUTCOME_INIT};
    outcome closed = OUTCOME_INIT;
    stargate_error *error = NULL;
    stargate_consumer *consumer[6];
    int i;

    for (i = 0; i < 6; i++) {
        char topic[8];
        snprintf(topic, sizeof topic, "t%d", i);
        consumer[i] = open_consumer(&in, topic);
        OK(stargate_consumer_receive_async(consumer[i], 1, -1, on_received, &out[i], destroyed, &error));
    }
    OK(stargate_consumer_close(consumer[0], TIMEOUT_MS, &error));
    CHECK(counter_get(&out[0].called) == 1 && out[0].status == STARGATE_CLOSED);
    stargate_consumer_free(consumer[1]);
    CHECK(counter_get(&out[1].called) == 1 && out[1].status == STARGATE_CLOSED);
    CHECK(counter_get(&out[1].destroyed) == 1);
    stargate_consumer_release(consumer[2]);
    ended(&in, &out[2], STARGATE_CLOSED);
    OK(stargate_consumer_close_async(consumer[3], TIMEOUT_MS, on_done, &closed, destroyed, &error));
    ended(&in, &closed, STARGATE_OK);
    CHECK(counter_get(&out[3].called) == 1 && out[3].status == STARGATE_CLOSED);
    OK(stargate_client_close(in.client, TIMEOUT_MS, &error));
    CHECK(counter_get(&out[4].called) == 1 && out[4].status == STARGATE_CLOSED);
    CHECK(counter_get(&out[5].called) == 1 && counter_get(&out[5].destroyed) == 1);
    stargate_consumer_free(consumer[0]);
    for (i = 3; i < 6; i++)
        stargate_consumer_free(consumer[i]);
    end_world(&in);
    for (i = 0; i < 6; i++)
        CHECK(counter_get(&out[i].called) == 1 && counter_get(&out[i].destroyed) == 1);
}

TEST(pending_receives_end_with_their_handle_on_a_thread)
{
    pending_receives_end(0);
}

TEST(pending_receives_end_with_their_handle_in_the_poll)
{
    pending_receives_end(1);
}

/* An open that fails, one that never ends, and arguments that are wrong. */
static void opens_that_fail(int polled)
{
    world in = new_world(polled);
    outcome refused = OUTCOME_INIT, late = OUTCOME_INIT, cancelled = OUTCOME_INIT, wrong = OUTCOME_INIT;
    stargate_error *error = NULL;

    OK(stargate_mock_fault(in.mock, "connect", NULL, "http:403", 1, &error));
    OK(stargate_producer_open_async(in.client, "t", NULL, -1, on_done, &refused, destroyed, &error));
    ended(&in, &refused, STARGATE_AUTHORIZATION);
    CHECK(strstr(refused.text, "open producer persistent://public/default/t") != NULL);

    OK(stargate_mock_fault(in.mock, "connect", NULL, "stall", 2, &error));
    OK(stargate_reader_open_async(in.client, "t", NULL, 50, on_done, &late, destroyed, &error));
    ended(&in, &late, STARGATE_TIMEOUT);
    OK(stargate_consumer_open_async(in.client, "t", "s", NULL, -1, on_done, &cancelled, destroyed, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "on_done is NULL",
          stargate_producer_open_async(in.client, "t", NULL, -1, NULL, &wrong, destroyed, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "timeout_ms",
          stargate_client_close_async(in.client, -2, on_done, &wrong, destroyed, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "on_done is NULL",
          stargate_client_close_async(in.client, 0, NULL, &wrong, destroyed, &error));
    CHECK(counter_get(&wrong.called) == 0 && counter_get(&wrong.destroyed) == 3);
    CHECK(counter_get(&cancelled.called) == 0);
    OK(stargate_client_close(in.client, TIMEOUT_MS, &error));
    CHECK(counter_get(&cancelled.called) == 1 && counter_get(&cancelled.destroyed) == 1);
    CHECK(cancelled.status == STARGATE_CLOSED);
    end_world(&in);
}

TEST(opens_that_fail_say_why_on_a_thread)
{
    opens_that_fail(0);
}

TEST(opens_that_fail_say_why_in_the_poll)
{
    opens_that_fail(1);
}

typedef struct {
    stargate_consumer *consumer;
    stargate_status status;
    counter begun, ended;
} receiving;

static void *receive(void *data)
{
    receiving *self = data;
    stargate_message *message = NULL;
    stargate_error *error = NULL;

    counter_add(&self->begun);
    self->status = stargate_consumer_receive(self->consumer, -1, &message, &error);
    CHECK(message == NULL && error == NULL);
    counter_add(&self->ended);
    return NULL;
}

static void interrupts(int polled)
{
    world in = new_world(polled);
    outcome out = OUTCOME_INIT;
    stargate_error *error = NULL;
    stargate_consumer *consumer = open_consumer(&in, "t");
    stargate_reader *reader = open_reader(&in, "t");
    stargate_message *message = NULL;
    int i;

    /* Whether the receive waits already or not. */
    for (i = 0; i < 50; i++) {
        receiving self = {consumer, 0, COUNTER_INIT, COUNTER_INIT};
        pthread_t thread;

        CHECK(pthread_create(&thread, NULL, receive, &self) == 0);
        counter_wait(&self.begun, 1);
        if (i % 2)
            sleep_ms(2);
        OK(stargate_consumer_interrupt(consumer, &error));
        CHECK(pthread_join(thread, NULL) == 0);
        CHECK(self.status == STARGATE_INTERRUPTED);
    }
    OK(stargate_consumer_receive_async(consumer, 1, -1, on_received, &out, destroyed, &error));
    OK(stargate_consumer_interrupt(consumer, &error));
    ended(&in, &out, STARGATE_INTERRUPTED);

    /* It is kept for the next receive, which takes nothing. */
    publish(&in, "t", "one");
    OK(stargate_consumer_interrupt(consumer, &error));
    OK(stargate_consumer_interrupt(consumer, &error));
    CHECK(stargate_consumer_receive(consumer, TIMEOUT_MS, &message, &error) == STARGATE_INTERRUPTED);
    CHECK(message == NULL && error == NULL);
    OK(stargate_consumer_receive(consumer, TIMEOUT_MS, &message, &error));
    CHECK(is_text(stargate_message_payload(message), "one"));
    stargate_message_free(message);
    OK(stargate_reader_mark_end(reader, TIMEOUT_MS, &error));
    OK(stargate_reader_interrupt(reader, &error));
    CHECK(stargate_reader_receive_before_end(reader, -1, &message, &error) == STARGATE_INTERRUPTED);
    OK(stargate_reader_receive_before_end(reader, TIMEOUT_MS, &message, &error));
    stargate_message_free(message);
    CHECK(strcmp(stargate_status_name(STARGATE_INTERRUPTED), "STARGATE_INTERRUPTED") == 0);
    stargate_reader_free(reader);
    stargate_consumer_free(consumer);
    end_world(&in);
}

TEST(interrupts_end_receives_and_lose_nothing_on_a_thread)
{
    interrupts(0);
}

TEST(interrupts_end_receives_and_lose_nothing_in_the_poll)
{
    interrupts(1);
}

/* A receive cannot keep the order of keys, so it ends at once. */
static void ordered_by_key(int polled)
{
    world in = new_world(polled);
    outcome consumed = OUTCOME_INIT, read = OUTCOME_INIT;
    stargate_options *options = stargate_options_new();
    stargate_error *error = NULL;
    stargate_consumer *consumer = NULL;
    stargate_reader *reader = NULL;

    OK(stargate_options_set_json(options, "{\"processors\": 2, \"ordering\": \"key\"}", &error));
    OK(stargate_consumer_open(in.client, "t", "s", options, TIMEOUT_MS, &consumer, &error));
    OK(stargate_reader_open(in.client, "t", options, TIMEOUT_MS, &reader, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "ordering=key is for a handler",
          stargate_consumer_receive_async(consumer, 1, -1, on_received, &consumed, destroyed, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "ordering=key is for a handler",
          stargate_reader_receive_async(reader, 1, -1, on_received, &read, destroyed, &error));
    CHECK(counter_get(&consumed.called) == 0 && counter_get(&consumed.destroyed) == 1);
    CHECK(counter_get(&read.called) == 0 && counter_get(&read.destroyed) == 1);
    stargate_options_free(options);
    stargate_reader_free(reader);
    stargate_consumer_free(consumer);
    end_world(&in);
}

TEST(receives_with_ordering_by_key_are_refused_at_once_on_a_thread)
{
    ordered_by_key(0);
}

TEST(receives_with_ordering_by_key_are_refused_at_once_in_the_poll)
{
    ordered_by_key(1);
}

static void room(int polled)
{
    world in = new_world(polled);
    outcome many = OUTCOME_INIT, rest = OUTCOME_INIT, refused = OUTCOME_INIT, again = OUTCOME_INIT;
    outcome last = OUTCOME_INIT, none = OUTCOME_INIT;
    stargate_options *options = stargate_options_new();
    stargate_outgoing messages[5];
    stargate_error *error = NULL;
    stargate_producer *producer;
    size_t accepted = 9, i;

    for (i = 0; i < 5; i++)
        messages[i] = text_message("x");
    OK(stargate_options_set_json(options, "{\"max_pending_msg\": 3}", &error));
    producer = open_producer(&in, "t", options);
    stargate_options_free(options);

    /* As many as there is room for; the others later. */
    OK(stargate_mock_fault(in.mock, "send", NULL, "delay:300", 1, &error));
    OK(stargate_producer_send_many_async(producer, messages, 5, 0, &accepted, on_sent_many, &many, destroyed, &error));
    CHECK(accepted == 3);
    FAILS(STARGATE_QUEUE_FULL, "max_pending_msg",
          stargate_producer_send_many_async(producer, messages, 2, 0, &accepted, on_sent_many, &refused, destroyed,
                                            &error));
    FAILS(STARGATE_QUEUE_FULL, "max_pending_msg",
          stargate_producer_send_flat_async(producer, "x", 1, NULL, 0, NULL, 0, 0, 0, 0, 0, on_sent, &refused,
                                            destroyed, &error));
    CHECK(accepted == 0 && counter_get(&refused.called) == 0 && counter_get(&refused.destroyed) == 2);
    OK(stargate_producer_room_async(producer, 1, TIMEOUT_MS, on_done, &again, destroyed, &error));
    ended(&in, &again, STARGATE_OK);
    ended(&in, &many, STARGATE_OK);
    CHECK(many.count == 3);
    OK(stargate_producer_send_many_async(producer, messages + 3, 2, 0, &accepted, on_sent_many, &rest, destroyed,
                                         &error));
    CHECK(accepted == 2);
    ended(&in, &rest, STARGATE_OK);

    FAILS(
        STARGATE_INVALID_ARGUMENT, "count is 0",
        stargate_producer_send_many_async(producer, messages, 0, 0, &accepted, on_sent_many, &none, destroyed, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "no value",
          stargate_producer_send_flat_async(producer, NULL, 0, NULL, 0, "a", 2, 0, 0, 0, 0, on_sent, &none, destroyed,
                                            &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "a 0 at the end",
          stargate_producer_send_flat_async(producer, NULL, 0, NULL, 0, "a", 1, 0, 0, 0, 0, on_sent, &none, destroyed,
                                            &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "key is not UTF-8",
          stargate_producer_send_flat_async(producer, NULL, 0, "\xff", 1, NULL, 0, 0, 0, 0, 0, on_sent, &none,
                                            destroyed, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "deliver_after_ms is negative",
          stargate_producer_send_flat_async(producer, NULL, 0, NULL, 0, NULL, 0, 0, 0, -1, 0, on_sent, &none, destroyed,
                                            &error));
    CHECK(counter_get(&none.called) == 0 && counter_get(&none.destroyed) == 5);

    /* A wait for room ends with the producer. */
    OK(stargate_mock_fault(in.mock, "send", NULL, "no-receipt", 3, &error));
    OK(stargate_producer_send_many_async(producer, messages, 3, 0, &accepted, on_sent_many, &none, destroyed, &error));
    OK(stargate_producer_room_async(producer, 1, -1, on_done, &last, destroyed, &error));
    stargate_producer_free(producer);
    CHECK(counter_get(&last.called) == 1 && last.status == STARGATE_CLOSED);
    CHECK(counter_get(&none.called) == 1 && none.status != STARGATE_OK && none.count == 3);
    end_world(&in);
}

TEST(a_queue_that_is_full_says_when_there_is_room_on_a_thread)
{
    room(0);
}

TEST(a_queue_that_is_full_says_when_there_is_room_in_the_poll)
{
    room(1);
}

/* What a callback that sends saw. */
typedef struct {
    outcome sent;
    stargate_producer *producer;
    stargate_status statuses[5];
    char text[256];
} sender;

/* The first finds room, and the others do not. */
static void send_more(void *data, stargate_status status, const char *id, size_t id_len, const stargate_error *error)
{
    sender *all = data;
    stargate_outgoing message = text_message("x");
    stargate_producer *producer = all->producer;
    stargate_error *why = NULL;
    size_t accepted = 0;

    (void)id, (void)id_len, (void)error;
    CHECK(status == STARGATE_OK);
    all->statuses[0] = stargate_producer_send_flat_async(producer, "x", 1, NULL, 0, NULL, 0, 0, 0, 0, -1, on_sent,
                                                         &all->sent, NULL, NULL);
    all->statuses[1] = stargate_producer_send_flat_async(producer, "x", 1, NULL, 0, NULL, 0, 0, 0, 0, -1, on_sent,
                                                         &all->sent, NULL, &why);
    snprintf(all->text, sizeof all->text, "%s", stargate_error_message(why).ptr);
    stargate_error_free(why);
    all->statuses[2] =
        stargate_producer_send_many_async(producer, &message, 1, -1, &accepted, on_sent_many, &all->sent, NULL, NULL);
    all->statuses[3] = stargate_producer_send(producer, &message, -1, NULL, NULL);
    all->statuses[4] = stargate_producer_send_flat_async(producer, "x", 1, NULL, 0, NULL, 0, 0, 0, 0, 0, on_sent,
                                                         &all->sent, NULL, NULL);
    counter_add(&all->sent.destroyed);
}

static void sends_in_a_callback(int polled)
{
    world in = new_world(polled);
    sender all = {OUTCOME_INIT, NULL, {0}, ""};
    stargate_options *options = stargate_options_new();
    stargate_error *error = NULL;
    int i;

    OK(stargate_options_set_json(options, "{\"max_pending_msg\": 1}", &error));
    all.producer = open_producer(&in, "t", options);
    stargate_options_free(options);
    OK(stargate_producer_send_flat_async(all.producer, "x", 1, NULL, 0, NULL, 0, 0, 0, 0, -1, send_more, &all, NULL,
                                         &error));
    await(&in, &all.sent.destroyed, 1);
    CHECK(all.statuses[0] == STARGATE_OK && strstr(all.text, "in a callback") != NULL);
    for (i = 1; i < 4; i++)
        CHECK(all.statuses[i] == STARGATE_WOULD_DEADLOCK);
    CHECK(all.statuses[4] == STARGATE_QUEUE_FULL);
    await(&in, &all.sent.called, 1);
    stargate_producer_free(all.producer);
    end_world(&in);
}

TEST(a_send_in_a_callback_does_not_wait_for_room_on_a_thread)
{
    sends_in_a_callback(0);
}

TEST(a_send_in_a_callback_does_not_wait_for_room_in_the_poll)
{
    sends_in_a_callback(1);
}

static int32_t slow(void *state, const stargate_message *message)
{
    stargate_message_fields fields;
    stargate_error *error = NULL;

    OK(stargate_messages_view((stargate_message *const *)&message, 1, &fields, sizeof fields, &error));
    CHECK(fields.payload_len == 3);
    counter_add(&((outcome *)state)->called);
    sleep_ms(300);
    return STARGATE_ACK;
}

/* Gives everything up at once, with a handler that runs, messages in flight and waits that are open. */
static void releases(int polled)
{
    world in = new_world(polled);
    outcome handled = OUTCOME_INIT, sent = OUTCOME_INIT, waits = OUTCOME_INIT, later = OUTCOME_INIT;
    stargate_handler handler = {sizeof handler, NULL, slow, NULL};
    stargate_error *error = NULL;
    stargate_producer *producer = open_producer(&in, "t", NULL);
    stargate_consumer *consumer = open_consumer(&in, "u");
    stargate_reader *reader = open_reader(&in, "v");
    double begun;

    publish(&in, "u", "one");
    OK(stargate_consumer_listen(consumer, &handler, &handled, destroyed, &error));
    if (!polled)
        await(&in, &handled.called, 1);
    OK(stargate_reader_receive_async(reader, 1, -1, on_received, &waits, destroyed, &error));
    OK(stargate_mock_fault(in.mock, "send", NULL, "no-receipt", 1, &error));
    OK(stargate_producer_send_flat_async(producer, "x", 1, NULL, 0, NULL, 0, 0, 0, 0, 0, on_sent, &sent, destroyed,
                                         &error));
    begun = seconds();
    stargate_producer_release(producer);
    stargate_consumer_release(consumer);
    stargate_reader_release(reader);
    CHECK(seconds() - begun < 0.25);
    CHECK(counter_get(&handled.destroyed) == 0);
    await(&in, &sent.destroyed, 1);
    CHECK(counter_get(&sent.called) == 1 && sent.status != STARGATE_OK);
    ended(&in, &waits, STARGATE_CLOSED);
    await(&in, &handled.destroyed, 1);

    /* Free and release of what is closed, and of nothing. */
    stargate_client_release(NULL);
    stargate_producer_release(NULL);
    stargate_consumer_release(NULL);
    stargate_reader_release(NULL);
    stargate_supervisor_release(NULL);
    stargate_mock_release(NULL);
    producer = open_producer(&in, "t", NULL);
    OK(stargate_producer_close_async(producer, TIMEOUT_MS, on_done, &later, destroyed, &error));
    stargate_producer_release(producer);
    ended(&in, &later, STARGATE_OK);
    end_world(&in);
}

TEST(releases_never_wait_on_a_thread)
{
    releases(0);
}

TEST(releases_never_wait_in_the_poll)
{
    releases(1);
}

TEST(views_are_what_the_accessors_say_and_grow_with_the_library)
{
    struct {
        stargate_message_fields known;
        unsigned char later[16];
    } wide[2];
    world in = new_world(0);
    stargate_consumer *consumer = open_consumer(&in, "t");
    stargate_message *messages[2] = {NULL, NULL}, *missing[2] = {NULL, NULL};
    stargate_message_fields plain;
    stargate_error_fields fields;
    stargate_property property = {"name", "value"};
    stargate_outgoing message = text_message("two");
    stargate_error *error = NULL, *bad = NULL;
    stargate_client *none = NULL;
    size_t i;

    publish(&in, "t", "one");
    message.key = "key";
    message.properties = &property;
    message.property_count = 1;
    OK(stargate_mock_publish(in.mock, "t", &message, NULL, &error));
    for (i = 0; i < 2; i++)
        OK(stargate_consumer_receive(consumer, TIMEOUT_MS, &messages[i], &error));
    memset(wide, 0xff, sizeof wide);
    OK(stargate_messages_view(messages, 2, &wide[0].known, sizeof wide[0], &error));
    for (i = 0; i < 2; i++) {
        stargate_message_fields *got = &wide[i].known;
        size_t byte;

        CHECK(got->payload == stargate_message_payload(messages[i]).ptr && got->payload_len == 3);
        CHECK(got->id_len == stargate_message_id(messages[i]).len);
        CHECK(memcmp(got->id, stargate_message_id(messages[i]).ptr, got->id_len) == 0);
        CHECK(got->topic_len == stargate_message_topic(messages[i]).len);
        CHECK(memcmp(got->topic, stargate_message_topic(messages[i]).ptr, got->topic_len) == 0);
        CHECK(got->publish_time_ms == stargate_message_publish_time_ms(messages[i]) && got->event_time_ms == 0);
        CHECK(got->redelivery_count == 0 && got->reconsume_times == 0 && got->is_encrypted == 0);
        CHECK(got->encryption_context == NULL && got->encryption_context_len == 0);
        for (byte = 0; byte < sizeof wide[i].later; byte++)
            CHECK(wide[i].later[byte] == 0);
    }
    CHECK(wide[0].known.key == NULL && wide[0].known.properties == NULL && wide[0].known.property_count == 0);
    CHECK(wide[1].known.key_len == 3 && memcmp(wide[1].known.key, "key", 3) == 0);
    CHECK(wide[1].known.property_count == 1 && wide[1].known.properties[0].key_len == 4);
    CHECK(memcmp(wide[1].known.properties[0].value, "value", 5) == 0);

    OK(stargate_messages_view(NULL, 0, NULL, sizeof plain, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "stride is 8", stargate_messages_view(messages, 1, &plain, 8, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "stride is 129", stargate_messages_view(messages, 1, &plain, 129, &error));
    missing[0] = messages[0];
    FAILS(STARGATE_INVALID_ARGUMENT, "messages[1] is NULL",
          stargate_messages_view(missing, 2, &wide[0].known, sizeof wide[0], &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "messages[1] is NULL", stargate_consumer_ack_many(consumer, missing, 2, &error));
    OK(stargate_consumer_ack_many(consumer, NULL, 0, &error));
    OK(stargate_consumer_ack_many(consumer, messages, 2, &error));

    CHECK(stargate_client_new("gopher://x", NULL, &none, &bad) == STARGATE_INVALID_ARGUMENT);
    stargate_error_view(bad, &fields, sizeof fields);
    CHECK(fields.message == stargate_error_message(bad).ptr && fields.message_len == stargate_error_message(bad).len);
    CHECK(fields.status == STARGATE_INVALID_ARGUMENT && fields.is_retriable == 0 && fields.topic == NULL);
    stargate_error_free(bad);
    memset(&fields, 0xff, sizeof fields);
    stargate_error_view(NULL, &fields, sizeof fields);
    CHECK(fields.message == NULL && fields.message_len == 0 && fields.status == STARGATE_OK);
    stargate_messages_free(messages, 2);
    OK(stargate_consumer_close(consumer, TIMEOUT_MS, &error));
    stargate_consumer_free(consumer);
    end_world(&in);
}

TEST(options_are_set_from_json_all_or_none)
{
    stargate_options *options = stargate_options_new();
    stargate_error *error = NULL;

    OK(stargate_options_set_json(options, "{\"lazy\": true, \"queue_size\": 7, \"headers\": {\"X-Key\": \"v\"}}",
                                 &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "queue_size", stargate_options_set_json(options, "{\"queue_sise\": 1}", &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "not JSON", stargate_options_set_json(options, "{", &error));
    stargate_options_free(options);
}

TEST(the_descriptor_can_be_read_from_and_duplicated)
{
    world in = new_world(1);
    outcome out[3] = {OUTCOME_INIT, OUTCOME_INIT, OUTCOME_INIT};
    stargate_error *error = NULL;
    stargate_consumer *consumer = open_consumer(&in, "t");
    int32_t descriptor = -1;
    int copy, i;

    OK(stargate_client_event_fd(in.client, &descriptor, &error));
    copy = dup(descriptor);
    for (i = 0; i < 3; i++) {
        char bytes[64];
        double limit = seconds() + 30;
        size_t served = 1;

        OK(stargate_consumer_receive_async(consumer, 1, -1, on_received, &out[i], destroyed, &error));
        OK(stargate_consumer_interrupt(consumer, &error));
        while (read(copy, bytes, sizeof bytes) <= 0)
            CHECK(seconds() < limit);
        while (served > 0)
            OK(stargate_client_poll(in.client, 0, &served, &error));
        CHECK(counter_get(&out[i].called) == 1);
    }
    stargate_consumer_free(consumer);
    end_world(&in);
    close(copy);
}

/* Calls everything that does not wait in a callback. */
static void call_more(void *data, stargate_status status, stargate_message **messages, size_t count,
                      const stargate_error *error)
{
    outcome *out = data;
    stargate_error *failed = NULL;

    (void)error;
    CHECK(status == STARGATE_OK);
    stargate_messages_free(messages, count);
    CHECK(stargate_consumer_interrupt(out->handle, &failed) == STARGATE_OK);
    CHECK(stargate_consumer_close_async(out->handle, 5000, on_done, out, NULL, &failed) == STARGATE_OK);
}

static void calls_in_callbacks(int polled)
{
    world in = new_world(polled);
    outcome out = OUTCOME_INIT;
    stargate_error *error = NULL;

    out.handle = open_consumer(&in, "t");
    publish(&in, "t", "one");
    {
        stargate_consumer *consumer = out.handle;
        OK(stargate_consumer_receive_async(consumer, 1, -1, call_more, &out, destroyed, &error));
        ended(&in, &out, STARGATE_OK);
        stargate_consumer_free(consumer);
    }
    end_world(&in);
}

TEST(a_callback_may_close_without_waiting_on_a_thread)
{
    calls_in_callbacks(0);
}

TEST(a_callback_may_close_without_waiting_in_the_poll)
{
    calls_in_callbacks(1);
}
