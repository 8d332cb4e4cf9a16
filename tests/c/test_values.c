/* What goes in comes out: messages with all that they can carry, options, versions, structs of other sizes. */
#include "testing.h"

#include <stargate_mock.h>

TEST(versions_and_names)
{
    CHECK(strcmp(stargate_version(), STARGATE_VERSION) == 0);
    CHECK(stargate_version_compatible(STARGATE_VERSION_NUMBER));
    CHECK(STARGATE_VERSION_NUMBER
          == (STARGATE_VERSION_MAJOR << 24 | STARGATE_VERSION_MINOR << 16 | STARGATE_VERSION_PATCH << 8));
    CHECK(stargate_version_compatible(STARGATE_VERSION_NUMBER + 0x00000100u));  /* a later patch */
    CHECK(!stargate_version_compatible(STARGATE_VERSION_NUMBER + 0x00010000u)); /* a header that is newer */
    CHECK(!stargate_version_compatible(STARGATE_VERSION_NUMBER + 0x01000000u));
    CHECK(strcmp(stargate_status_name(STARGATE_OK), "STARGATE_OK") == 0);
    CHECK(strcmp(stargate_status_name(STARGATE_BUSY), "STARGATE_BUSY") == 0);
    CHECK(strcmp(stargate_status_name(-12345), "STARGATE_UNKNOWN") == 0);
}

TEST(options_are_described_as_json)
{
    stargate_str text = stargate_options_describe();

    CHECK(text.ptr[text.len] == 0 && strlen(text.ptr) == text.len);
    CHECK(text.ptr[0] == '[' && text.ptr[text.len - 1] == ']');
    CHECK(strstr(text.ptr, "\"negative_ack_delay\"") != NULL);
}

TEST(a_message_comes_as_it_was_sent)
{
    static const unsigned char binary[] = {0, 1, 2, 0xff, 0};
    const stargate_property properties[] = {{"b", "2"}, {"a", "one"}, {"\xc3\xa4", ""}};
    const char *const clusters[] = {"standalone"};
    stargate_client *client = new_client();
    stargate_consumer *consumer = NULL;
    stargate_message *message = NULL, *copy;
    stargate_error *error = NULL;
    stargate_outgoing sent = STARGATE_OUTGOING_INIT;
    stargate_str key, value;
    const char *topic = new_topic();
    char full[128];
    char *id = NULL;
    int32_t order = 9;
    stargate_producer *producer;

    OK(stargate_consumer_open(client, topic, "s", NULL, TIMEOUT_MS, &consumer, &error));
    producer = new_producer(client, topic);
    sent.payload.ptr = binary;
    sent.payload.len = sizeof binary;
    sent.key = "customer 7";
    sent.properties = properties;
    sent.property_count = 3;
    sent.event_time_ms = 1700000000123;
    sent.replication_clusters = clusters; /* the broker's own: it goes nowhere else */
    sent.replication_cluster_count = 1;
    OK(stargate_producer_send(producer, &sent, TIMEOUT_MS, &id, &error));
    CHECK(id != NULL);
    OK(stargate_consumer_receive(consumer, TIMEOUT_MS, &message, &error));

    CHECK(stargate_message_payload(message).len == sizeof binary);
    CHECK(memcmp(stargate_message_payload(message).ptr, binary, sizeof binary) == 0);
    CHECK(strcmp(stargate_message_key(message).ptr, "customer 7") == 0);
    snprintf(full, sizeof full, "persistent://public/default/%s", topic);
    CHECK(strcmp(stargate_message_topic(message).ptr, full) == 0);
    CHECK(stargate_message_property_count(message) == 3);
    CHECK(strcmp(stargate_message_property(message, "a").ptr, "one") == 0);
    CHECK(stargate_message_property(message, "\xc3\xa4").ptr != NULL);
    CHECK(stargate_message_property(message, "c").ptr == NULL);
    CHECK(stargate_message_property_at(message, 0, &key, &value) == 1);
    CHECK(strcmp(key.ptr, "a") == 0 && strcmp(value.ptr, "one") == 0);
    CHECK(stargate_message_property_at(message, 3, &key, NULL) == 0 && key.ptr == NULL);
    CHECK(stargate_message_event_time_ms(message) == 1700000000123);
    CHECK(stargate_message_publish_time_ms(message) > 1700000000123);
    CHECK(stargate_message_redelivery_count(message) == 0);
    CHECK(stargate_message_encryption_context(message).ptr == NULL);
    OK(stargate_message_id_compare(id, stargate_message_id(message).ptr, &order, &error));
    CHECK(order == 0);

    copy = stargate_message_clone(message);
    stargate_message_free(message);
    CHECK(strcmp(stargate_message_key(copy).ptr, "customer 7") == 0);
    OK(stargate_consumer_ack(consumer, copy, &error));
    stargate_message_free(copy);
    stargate_string_free(id);
    OK(stargate_client_close(client, TIMEOUT_MS, &error));
    stargate_producer_free(producer);
    stargate_consumer_free(consumer);
    stargate_client_free(client);
}

TEST(a_message_without_a_key_has_none)
{
    stargate_client *client = new_client();
    stargate_reader *reader = NULL;
    stargate_message *message = NULL;
    stargate_error *error = NULL;
    stargate_outgoing sent = STARGATE_OUTGOING_INIT;
    const char *topic = new_topic();
    stargate_producer *producer = new_producer(client, topic);

    OK(stargate_reader_open(client, topic, NULL, TIMEOUT_MS, &reader, &error));
    OK(stargate_producer_send(producer, &sent, -1, NULL, &error));
    OK(stargate_reader_receive(reader, TIMEOUT_MS, &message, &error));
    CHECK(stargate_message_payload(message).len == 0);
    CHECK(stargate_message_key(message).ptr == NULL && stargate_message_key(message).len == 0);
    CHECK(stargate_message_event_time_ms(message) == 0);
    stargate_message_free(message);
    stargate_reader_free(reader);
    stargate_producer_free(producer);
    stargate_client_free(client);
}

TEST(a_batch_has_a_result_for_each_message_and_is_received_in_order)
{
    enum { COUNT = 50 };
    stargate_client *client = new_client();
    stargate_consumer *consumer = NULL;
    stargate_error *error = NULL;
    stargate_outgoing batch[COUNT];
    stargate_send_result results[COUNT];
    stargate_message *messages[COUNT];
    char texts[COUNT][16];
    const char *topic = new_topic();
    stargate_producer *producer = new_producer(client, topic);
    size_t i, count, received = 0;
    char *huge = calloc(1, 2 * 1024 * 1024);

    OK(stargate_consumer_open(client, topic, "s", NULL, TIMEOUT_MS, &consumer, &error));
    for (i = 0; i < COUNT; i++) {
        snprintf(texts[i], sizeof texts[i], "%d", (int)i);
        batch[i] = text_message(texts[i]);
    }
    OK(stargate_producer_send_batch(producer, batch, COUNT, TIMEOUT_MS, results, &error));
    for (i = 0; i < COUNT; i++)
        CHECK(results[i].status == STARGATE_OK && results[i].message_id != NULL && results[i].error == NULL);
    stargate_send_results_free(results, COUNT);
    while (received < COUNT) {
        OK(stargate_consumer_receive_many(consumer, COUNT, TIMEOUT_MS, messages, &count, &error));
        CHECK(count > 0);
        for (i = 0; i < count; i++) {
            CHECK(is_text(stargate_message_payload(messages[i]), texts[received++]));
            OK(stargate_consumer_ack(consumer, messages[i], &error));
        }
        stargate_messages_free(messages, count);
    }

    /* One that fails does not hold up the others. */
    batch[1].payload.ptr = huge;
    batch[1].payload.len = 2 * 1024 * 1024;
    FAILS(STARGATE_TOO_BIG, topic, stargate_producer_send_batch(producer, batch, 3, -1, results, &error));
    CHECK(results[0].status == STARGATE_OK && results[2].status == STARGATE_OK);
    CHECK(results[1].status == STARGATE_TOO_BIG && stargate_error_status(results[1].error) == STARGATE_TOO_BIG);
    stargate_send_results_free(results, 3);
    CHECK(results[1].error == NULL);
    FAILS(STARGATE_TOO_BIG, topic, stargate_producer_send_batch(producer, batch, 3, TIMEOUT_MS, NULL, &error));
    OK(stargate_producer_send_batch(producer, NULL, 0, -1, NULL, &error));
    free(huge);
    stargate_consumer_free(consumer);
    stargate_producer_free(producer);
    stargate_client_free(client);
}

TEST(nothing_received_is_a_status_without_an_error)
{
    stargate_client *client = new_client();
    stargate_consumer *consumer = NULL;
    stargate_error *error = NULL;
    stargate_message *message = (stargate_message *)&error;
    stargate_message *messages[2];
    size_t count = 9;
    double begun;

    OK(stargate_consumer_open(client, new_topic(), "s", NULL, TIMEOUT_MS, &consumer, &error));
    CHECK(stargate_consumer_receive(consumer, 0, &message, &error) == STARGATE_TIMEOUT);
    CHECK(error == NULL && message == NULL);
    begun = seconds();
    CHECK(stargate_consumer_receive_many(consumer, 2, 200, messages, &count, &error) == STARGATE_TIMEOUT);
    CHECK(error == NULL && count == 0);
    CHECK(seconds() - begun > 0.15 && seconds() - begun < 5);
    OK(stargate_consumer_close(consumer, TIMEOUT_MS, &error));
    FAILS(STARGATE_CLOSED, "receive", stargate_consumer_receive(consumer, 0, &message, &error));
    stargate_consumer_free(consumer);
    stargate_client_free(client);
}

TEST(several_topics_and_a_pattern)
{
    stargate_client *client = new_client();
    stargate_consumer *consumer = NULL;
    stargate_error *error = NULL;
    stargate_message *message = NULL;
    stargate_outgoing one = text_message("one"), two = text_message("two");
    char first[64], second[64], pattern[128];
    const char *names[2];
    stargate_producer *producers[2];
    int i;

    names[0] = strcpy(first, new_topic());
    names[1] = strcpy(second, new_topic());
    producers[0] = new_producer(client, first);
    producers[1] = new_producer(client, second);
    OK(stargate_consumer_open_topics(client, names, 2, "s", NULL, TIMEOUT_MS, &consumer, &error));
    OK(stargate_producer_send(producers[0], &one, -1, NULL, &error));
    OK(stargate_producer_send(producers[1], &two, -1, NULL, &error));
    for (i = 0; i < 2; i++) {
        OK(stargate_consumer_receive(consumer, TIMEOUT_MS, &message, &error));
        stargate_message_free(message);
    }
    stargate_consumer_free(consumer);

    snprintf(pattern, sizeof pattern, "persistent://public/default/%s", first);
    OK(stargate_consumer_open_pattern(client, pattern, "p", NULL, TIMEOUT_MS, &consumer, &error));
    OK(stargate_producer_send(producers[0], &one, -1, NULL, &error));
    OK(stargate_consumer_receive(consumer, TIMEOUT_MS, &message, &error));
    CHECK(is_text(stargate_message_payload(message), "one"));
    stargate_message_free(message);
    stargate_consumer_free(consumer);
    names[1] = NULL;
    FAILS(STARGATE_INVALID_ARGUMENT, "topics[] is NULL",
          stargate_consumer_open_topics(client, names, 2, "s", NULL, 0, &consumer, &error));
    CHECK(consumer == NULL);
    stargate_producer_free(producers[0]);
    stargate_producer_free(producers[1]);
    OK(stargate_client_close(client, TIMEOUT_MS, &error));
    stargate_client_free(client);
}

static int json_has(stargate_status status, char **json, const char *part)
{
    int has = status == STARGATE_OK && strstr(*json, part) != NULL;

    stargate_string_free(*json);
    return has;
}

TEST(statistics_are_json)
{
    stargate_client *client = new_client();
    const char *topic = new_topic();
    stargate_producer *producer = new_producer(client, topic);
    stargate_reader *reader = NULL;
    stargate_consumer *consumer = NULL;
    stargate_outgoing message = text_message("x");
    stargate_message *received = NULL;
    stargate_error *error = NULL;
    char *json = NULL;

    OK(stargate_consumer_open(client, topic, "s", NULL, TIMEOUT_MS, &consumer, &error));
    OK(stargate_reader_open(client, topic, NULL, TIMEOUT_MS, &reader, &error));
    OK(stargate_producer_send(producer, &message, -1, NULL, &error));
    OK(stargate_producer_flush(producer, TIMEOUT_MS, &error));
    OK(stargate_consumer_receive(consumer, TIMEOUT_MS, &received, &error));
    stargate_message_free(received);
    OK(stargate_reader_receive(reader, TIMEOUT_MS, &received, &error));
    stargate_message_free(received);
    CHECK(json_has(stargate_producer_stats_json(producer, &json, &error), &json, "\"receipts\":1"));
    CHECK(json_has(stargate_consumer_stats_json(consumer, &json, &error), &json, "\"received\":1"));
    CHECK(json_has(stargate_reader_stats_json(reader, &json, &error), &json, "\"received\":1"));
    /* The client has the sum, also of what is gone. */
    OK(stargate_producer_close(producer, TIMEOUT_MS, &error));
    stargate_producer_free(producer);
    CHECK(json_has(stargate_client_stats_json(client, &json, &error), &json, "\"receipts\":1"));
    CHECK(json_has(stargate_client_stats_json(client, &json, &error), &json, "\"received\":2"));
    stargate_reader_free(reader);
    stargate_consumer_free(consumer);
    stargate_client_free(client);
}

TEST(handles_say_what_they_are)
{
    stargate_client *client = new_client();
    const char *topic = new_topic();
    stargate_producer *producer = new_producer(client, topic);
    stargate_consumer *consumer = NULL;
    stargate_reader *reader = NULL;
    stargate_error *error = NULL;
    char full[128];

    snprintf(full, sizeof full, "persistent://public/default/%s", topic);
    OK(stargate_consumer_open(client, topic, "s \xc3\xa4", NULL, TIMEOUT_MS, &consumer, &error));
    OK(stargate_reader_open(client, topic, NULL, TIMEOUT_MS, &reader, &error));
    CHECK(strcmp(stargate_producer_topic(producer).ptr, full) == 0);
    CHECK(strcmp(stargate_consumer_topic(consumer).ptr, full) == 0);
    CHECK(strcmp(stargate_reader_topic(reader).ptr, full) == 0);
    CHECK(strcmp(stargate_consumer_subscription(consumer).ptr, "s \xc3\xa4") == 0);
    CHECK(stargate_producer_topic(NULL).ptr == NULL && stargate_consumer_subscription(NULL).ptr == NULL);
    CHECK(stargate_producer_is_connected(producer) == 1 && stargate_producer_is_connected(NULL) == 0);
    CHECK(stargate_consumer_is_connected(consumer) == 1 && stargate_consumer_is_connected(NULL) == 0);
    CHECK(stargate_reader_is_connected(reader) == 1 && stargate_reader_is_connected(NULL) == 0);
    OK(stargate_client_close(client, TIMEOUT_MS, &error));
    CHECK(!stargate_producer_is_connected(producer) && !stargate_consumer_is_connected(consumer));
    CHECK(!stargate_reader_is_connected(reader));
    stargate_reader_free(reader);
    stargate_consumer_free(consumer);
    stargate_producer_free(producer);
    stargate_client_free(client);
}

TEST(an_id_has_parts)
{
    uint64_t ledger = 0, entry = 0;
    int32_t partition = 0, batch_index = 0;
    stargate_error *error = NULL;

    OK(stargate_message_id_parts("CAUQATAA", &ledger, &entry, &partition, &batch_index, &error));
    CHECK(ledger == 5 && entry == 1 && partition == -1 && batch_index == -1);
    OK(stargate_message_id_parts("CAUQATAA", NULL, &entry, NULL, NULL, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "message id",
          stargate_message_id_parts("no id", &ledger, &entry, NULL, NULL, &error));
    CHECK(ledger == 0 && entry == 0);
}

TEST(structs_of_other_sizes)
{
    struct {
        stargate_outgoing known;
        size_t unknown;
    } later;
    stargate_client *client = new_client();
    stargate_producer *producer = new_producer(client, new_topic());
    stargate_error *error = NULL;

    later.known = text_message("from a later header");
    later.known.struct_size = sizeof later;
    later.unknown = 0;
    OK(stargate_producer_send(producer, &later.known, TIMEOUT_MS, NULL, &error));
    later.unknown = 1;
    FAILS(STARGATE_INVALID_ARGUMENT, "what is beyond is not zero",
          stargate_producer_send(producer, &later.known, TIMEOUT_MS, NULL, &error));
    later.known.struct_size = 0;
    FAILS(STARGATE_INVALID_ARGUMENT, "message: struct_size is 0",
          stargate_producer_send(producer, &later.known, TIMEOUT_MS, NULL, &error));
    stargate_producer_free(producer);
    stargate_client_free(client);
}
