/* What an application can do about messages besides taking them one by one. */
#include "semantics.h"

TEST(a_cumulative_acknowledgement_ends_all_up_to_its_message)
{
    stargate_client *client = new_client();
    const char *topic = new_topic();
    stargate_consumer *consumer = consume(client, topic, OPTIONS("initial_position", "earliest"));
    stargate_consumer *shared = NULL;
    stargate_options *options;
    stargate_message *messages[10];
    size_t count = 0, i;
    stargate_error *error = NULL;

    send_numbers(client, topic, 0, 10);
    for (i = 0; i < 10; i += count)
        OK(stargate_consumer_receive_many(consumer, 10 - i, TIMEOUT_MS, messages + i, &count, &error));
    OK(stargate_consumer_ack_cumulative(consumer, messages[3], &error));
    OK(stargate_consumer_ack_cumulative_id(consumer, stargate_message_id(messages[6]).ptr, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "message id", stargate_consumer_ack_cumulative_id(consumer, "!", &error));
    close_consumer(consumer);

    /* What was not acknowledged is redelivered. A proxy releases a consumer a moment after it has closed. */
    options = OPTIONS("subscription_type", "shared");
    for (i = 0; i < 100 && shared == NULL; i++) {
        if (stargate_consumer_open(client, topic, "s", options, TIMEOUT_MS, &shared, NULL) == STARGATE_BUSY)
            sleep_ms(50);
    }
    stargate_options_free(options);
    CHECK(shared != NULL);
    for (i = 7; i < 10; i++)
        CHECK(take(shared) == (int)i);
    FAILS(STARGATE_INVALID_ARGUMENT, "exclusive and failover",
          stargate_consumer_ack_cumulative(shared, messages[9], &error));
    stargate_messages_free(messages, 10);
    close_consumer(shared);
    stargate_client_free(client);
}

static void send_text(stargate_client *client, const char *topic, const char *text)
{
    stargate_producer *producer = new_producer(client, topic);
    stargate_outgoing message = text_message(text);
    stargate_error *error = NULL;

    OK(stargate_producer_send(producer, &message, TIMEOUT_MS, NULL, &error));
    OK(stargate_producer_close(producer, TIMEOUT_MS, &error));
    stargate_producer_free(producer);
}

TEST(a_message_wanted_later_comes_back_and_goes_to_the_dead_letters_in_the_end)
{
    stargate_client *client = new_client();
    const char *topic = new_topic();
    char dead_letters[256];
    stargate_consumer *graves, *consumer, *plain;
    stargate_message *message = NULL;
    stargate_error *error = NULL;
    unsigned times;

    snprintf(dead_letters, sizeof dead_letters, "%s-s-DLQ", topic);
    /* First, because a topic without a subscription keeps nothing. */
    graves = consume(client, dead_letters, OPTIONS("initial_position", "earliest"));
    consumer = consume(client, topic,
                       OPTIONS("subscription_type", "shared", "enable_retry", "true", "max_redeliver_count", "2"));
    send_text(client, topic, "poison");
    for (times = 0; times < 3; times++) {
        OK(stargate_consumer_receive(consumer, TIMEOUT_MS, &message, &error));
        CHECK(stargate_message_reconsume_times(message) == times);
        OK(stargate_consumer_reconsume_later(consumer, message, 0, TIMEOUT_MS, &error));
        stargate_message_free(message);
    }
    OK(stargate_consumer_receive(graves, TIMEOUT_MS, &message, &error));
    CHECK(is_text(stargate_message_payload(message), "poison"));
    CHECK(stargate_message_reconsume_times(message) == 3);
    CHECK(stat_of(consumer, "retry_letters") == 2 && stat_of(consumer, "dead_letters") == 1);

    plain = consume(client, new_topic(), NULL);
    FAILS(STARGATE_INVALID_ARGUMENT, "enable_retry",
          stargate_consumer_reconsume_later(plain, message, 0, TIMEOUT_MS, &error));
    stargate_message_free(message);
    close_consumer(plain);
    close_consumer(graves);
    close_consumer(consumer);
    stargate_client_free(client);
}

static int32_t once_more(void *state, const stargate_message *message)
{
    if (stargate_message_reconsume_times(message) == 0)
        return stargate_message_reconsume_later(message, 100);
    counter_add(state);
    return STARGATE_ACK;
}

TEST(a_message_refused_by_its_id_comes_again)
{
    stargate_client *client = new_client();
    const char *topic = new_topic();
    stargate_consumer *consumer =
        consume(client, topic, OPTIONS("subscription_type", "shared", "negative_ack_delay", "100"));
    stargate_message *message = NULL;
    stargate_error *error = NULL;

    FAILS(STARGATE_INVALID_ARGUMENT, "max is 0",
          stargate_consumer_receive_many(consumer, 0, TIMEOUT_MS, &message, &(size_t){9}, &error));
    send_text(client, topic, "7");
    OK(stargate_consumer_receive(consumer, TIMEOUT_MS, &message, &error));
    OK(stargate_consumer_nack_id(consumer, stargate_message_id(message).ptr, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "message id", stargate_consumer_nack_id(consumer, "!", &error));
    stargate_message_free(message);
    CHECK(take(consumer) == 7 && stat_of(consumer, "redelivered") == 1);
    close_consumer(consumer);
    stargate_client_free(client);
}

TEST(a_handler_may_want_a_message_later)
{
    stargate_client *client = new_client();
    const char *topic = new_topic();
    stargate_consumer *consumer =
        consume(client, topic, OPTIONS("subscription_type", "shared", "enable_retry", "true"));
    stargate_handler handler = STARGATE_HANDLER_INIT;
    counter back = COUNTER_INIT;
    stargate_error *error = NULL;

    handler.handle = once_more;
    OK(stargate_consumer_listen(consumer, &handler, &back, NULL, &error));
    send_text(client, topic, "a");
    send_text(client, topic, "b");
    counter_wait(&back, 2);
    EVENTUALLY(stat_of(consumer, "acked") == 4);
    close_consumer(consumer);
    stargate_client_free(client);
}

TEST(a_consumer_goes_to_any_place)
{
    stargate_client *client = new_client();
    const char *topic = new_topic();
    stargate_consumer *consumer = consume(client, topic, OPTIONS("initial_position", "earliest"));
    stargate_message *message = NULL;
    stargate_error *error = NULL;
    uint64_t backlog = 99;
    char *ids = NULL, second[64];
    int i;

    send_numbers(client, topic, 0, 5);
    CHECK(take(consumer) == 0);
    OK(stargate_consumer_receive(consumer, TIMEOUT_MS, &message, &error));
    snprintf(second, sizeof second, "%s", stargate_message_id(message).ptr);
    stargate_message_free(message);
    OK(stargate_consumer_seek(consumer, second, 1, TIMEOUT_MS, &error));
    for (i = 2; i < 5; i++)
        CHECK(take(consumer) == i);
    OK(stargate_consumer_seek(consumer, second, 0, TIMEOUT_MS, &error));
    CHECK(take(consumer) == 1);
    OK(stargate_consumer_seek_time(consumer, 0, TIMEOUT_MS, &error));
    CHECK(take(consumer) == 0);
    OK(stargate_consumer_seek(consumer, "latest", 0, TIMEOUT_MS, &error));
    OK(stargate_consumer_backlog(consumer, TIMEOUT_MS, &backlog, &error));
    CHECK(backlog == 0);
    OK(stargate_consumer_last_message_ids_json(consumer, TIMEOUT_MS, &ids, &error));
    CHECK(strncmp(ids, "[\"", 2) == 0);
    stargate_string_free(ids);
    FAILS(STARGATE_INVALID_ARGUMENT, "after", stargate_consumer_seek(consumer, "latest", 1, TIMEOUT_MS, &error));
    close_consumer(consumer);
    stargate_client_free(client);
}

TEST(a_reader_reads_until_it_is_caught_up)
{
    stargate_client *client = new_client();
    const char *topic = new_topic();
    stargate_reader *reader;
    stargate_message *message = NULL;
    stargate_error *error = NULL;
    int32_t more = 0;
    char *ids = NULL;
    int round, number;

    send_numbers(client, topic, 0, 10);
    reader = read_from(client, topic, "earliest");
    OK(stargate_reader_has_message_available(reader, TIMEOUT_MS, &more, &error));
    CHECK(more == 1);
    for (round = 0; round < 2; round++) {
        number = 0;
        OK(stargate_reader_mark_end(reader, TIMEOUT_MS, &error));
        while (stargate_reader_receive_before_end(reader, TIMEOUT_MS, &message, &error) == STARGATE_OK
               && message != NULL) {
            CHECK(number_of(message) == number++);
            stargate_message_free(message);
        }
        CHECK(error == NULL && number == 10 && stargate_reader_is_caught_up(reader));
        OK(stargate_reader_has_message_available(reader, TIMEOUT_MS, &more, &error));
        CHECK(more == 0);
        OK(stargate_reader_seek(reader, "earliest", 0, TIMEOUT_MS, &error));
    }
    OK(stargate_reader_seek_time(reader, 0, TIMEOUT_MS, &error));
    CHECK(read_one(reader) == 0);
    OK(stargate_reader_last_message_ids_json(reader, TIMEOUT_MS, &ids, &error));
    stargate_string_free(ids);
    OK(stargate_reader_close(reader, TIMEOUT_MS, &error));
    stargate_reader_free(reader);
    stargate_client_free(client);
}
