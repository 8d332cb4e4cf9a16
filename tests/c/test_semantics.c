/* What subscriptions, readers, topics and credentials mean, as far as a broker has a say in it. */
#include "semantics.h"

#include <time.h>

/* ---- consumers ---- */

TEST(pull_mode_never_has_more_in_hand_than_its_window)
{
    stargate_client *client = new_client();
    const char *topic = new_topic();
    stargate_consumer *consumer =
        consume(client, topic, OPTIONS("pull_mode", "true", "queue_size", "8", "initial_position", "earliest"));
    int i;

    send_numbers(client, topic, 0, 100);
    EVENTUALLY(stat_of(consumer, "queued") == 8);
    for (i = 0; i < 100; i++) {
        CHECK(take(consumer) == i);
        CHECK(stat_of(consumer, "queued") <= 8);
    }
    CHECK(stat_of(consumer, "received") == 100);
    close_consumer(consumer);
    stargate_client_free(client);
}

TEST(poison_goes_to_the_dead_letter_topic)
{
    stargate_client *client = new_client();
    stargate_consumer *consumer, *graves;
    stargate_message *message = NULL;
    stargate_error *error = NULL;
    const char *topic = new_topic();
    char dead_letters[80];
    int again;

    snprintf(dead_letters, sizeof dead_letters, "%s-graves", topic);
    /* First, because a topic without a subscription keeps nothing. */
    graves = consume(client, dead_letters, OPTIONS("initial_position", "earliest"));
    consumer = consume(client, topic,
                       OPTIONS("subscription_type", "shared", "initial_position", "earliest", "negative_ack_delay",
                               "100", "max_redeliver_count", "2", "dead_letter_topic", dead_letters));
    send_with(client, topic, 7, 8, 10, NULL);
    for (again = 0; again <= 2; again++) {
        OK(stargate_consumer_receive(consumer, TIMEOUT_MS, &message, &error));
        CHECK(number_of(message) == 7 && stargate_message_redelivery_count(message) == (uint32_t)again);
        OK(stargate_consumer_nack(consumer, message, &error));
        stargate_message_free(message);
    }
    OK(stargate_consumer_receive(graves, TIMEOUT_MS, &message, &error));
    CHECK(number_of(message) == 7 && strcmp(stargate_message_key(message).ptr, "7") == 0);
    CHECK(strstr(stargate_message_property(message, "REAL_TOPIC").ptr, topic) != NULL);
    stargate_message_free(message);
    CHECK(take_within(consumer, QUIET_MS) == -1);
    close_consumer(consumer);
    close_consumer(graves);
    stargate_client_free(client);
}

TEST(shared_consumers_split_the_messages)
{
    stargate_client *client = new_client();
    stargate_consumer *consumers[2];
    const char *topic = new_topic();
    int seen[100] = {0}, of[2] = {0, 0};
    int i, number;

    for (i = 0; i < 2; i++)
        consumers[i] = consume(
            client, topic, OPTIONS("subscription_type", "shared", "queue_size", "10", "initial_position", "earliest"));
    send_numbers(client, topic, 0, 100);
    for (i = 0; of[0] + of[1] < 100; i = !i) {
        number = take_within(consumers[i], 50);
        if (number >= 0) {
            CHECK(number < 100 && ++seen[number] == 1);
            of[i]++;
        }
    }
    CHECK(of[0] > 0 && of[1] > 0);
    for (i = 0; i < 2; i++)
        close_consumer(consumers[i]);
    stargate_client_free(client);
}

TEST(a_failover_consumer_takes_over)
{
    stargate_client *client = new_client();
    const char *topic = new_topic();
    /* With one priority for both, the broker would choose between them by a hash. */
    stargate_consumer *first = consume(
        client, topic, OPTIONS("subscription_type", "failover", "priority", "0", "initial_position", "earliest"));
    stargate_consumer *second = consume(
        client, topic, OPTIONS("subscription_type", "failover", "priority", "1", "initial_position", "earliest"));
    int i;

    send_numbers(client, topic, 0, 10);
    for (i = 0; i < 5; i++)
        CHECK(take(first) == i);
    CHECK(take_within(second, QUIET_MS) == -1);
    close_consumer(first);
    for (; i < 10; i++)
        CHECK(take(second) == i);
    close_consumer(second);
    stargate_client_free(client);
}

enum { KEYS = 20 };

TEST(of_key_shared_consumers_each_key_has_one)
{
    stargate_client *client = new_client();
    stargate_consumer *consumers[2];
    const char *topic = new_topic();
    int last[KEYS] = {0}, owner[KEYS] = {0}, of[2] = {0, 0};
    int i, number, key;

    for (i = 0; i < 2; i++)
        consumers[i] =
            consume(client, topic, OPTIONS("subscription_type", "key_shared", "initial_position", "earliest"));
    send_with(client, topic, 1, 1 + MOST, KEYS, NULL);
    for (i = 0; of[0] + of[1] < MOST; i = !i) {
        while ((number = take_within(consumers[i], 100)) >= 0) {
            key = number % KEYS;
            CHECK(owner[key] == 0 || owner[key] == i + 1);
            CHECK(number > last[key]);
            owner[key] = i + 1;
            last[key] = number;
            of[i]++;
        }
    }
    CHECK(of[0] > 0 && of[1] > 0);
    for (i = 0; i < 2; i++)
        close_consumer(consumers[i]);
    stargate_client_free(client);
}

typedef struct {
    counter handled;
    int counts[4]; /* of each processor, whose state it is */
    int last[KEYS], wrong;
    int *owner[KEYS];
} ordered;

static ordered all = {COUNTER_INIT, {0}, {0}, 0, {NULL}};

static stargate_status init_count(void *counts, uint32_t processor, void **state)
{
    CHECK(processor < 4);
    *state = (int *)counts + processor;
    return STARGATE_OK;
}

static int32_t handle_in_order(void *state, const stargate_message *message)
{
    int number = number_of(message), key = number % KEYS;

    pthread_mutex_lock(&all.handled.lock);
    if (number <= all.last[key] || (all.owner[key] != NULL && all.owner[key] != state))
        all.wrong++;
    all.last[key] = number;
    all.owner[key] = state;
    ++*(int *)state;
    pthread_mutex_unlock(&all.handled.lock);
    counter_add(&all.handled);
    return STARGATE_ACK;
}

TEST(with_ordering_by_key_each_key_stays_with_one_processor_in_order)
{
    stargate_client *client = new_client();
    const char *topic = new_topic();
    stargate_consumer *consumer = consume(client, topic,
                                          OPTIONS("subscription_type", "key_shared", "processors", "4", "ordering",
                                                  "key", "initial_position", "earliest"));
    stargate_handler handler = STARGATE_HANDLER_INIT;
    stargate_error *error = NULL;
    int i;

    handler.init = init_count;
    handler.handle = handle_in_order;
    OK(stargate_consumer_listen(consumer, &handler, all.counts, NULL, &error));
    send_with(client, topic, 1, 1 + MOST, KEYS, NULL);
    counter_wait(&all.handled, MOST);
    close_consumer(consumer);
    CHECK(all.wrong == 0);
    for (i = 0; i < 4; i++)
        CHECK(all.counts[i] < MOST);
    stargate_client_free(client);
}

TEST(the_initial_position_is_earliest_or_latest)
{
    stargate_client *client = new_client();
    const char *topic = new_topic();
    stargate_consumer *from_start, *from_end = NULL;
    stargate_error *error = NULL;
    int i;

    send_numbers(client, topic, 0, 2);
    from_start = consume(client, topic, OPTIONS("initial_position", "earliest"));
    OK(stargate_consumer_open(client, topic, "at the end", NULL, TIMEOUT_MS, &from_end, &error));
    send_numbers(client, topic, 2, 4);
    for (i = 0; i < 4; i++)
        CHECK(take(from_start) == i);
    CHECK(take(from_end) == 2 && take(from_end) == 3);
    close_consumer(from_start);
    close_consumer(from_end);
    stargate_client_free(client);
}

TEST(a_non_durable_subscription_goes_with_its_consumer)
{
    stargate_client *client = new_client();
    const char *topic = new_topic();
    stargate_consumer *consumer =
        consume(client, topic, OPTIONS("subscription_mode", "non_durable", "initial_position", "earliest"));

    CHECK(has_subscriptions(topic));
    send_numbers(client, topic, 0, 2);
    CHECK(take(consumer) == 0 && take(consumer) == 1);
    close_consumer(consumer);
    EVENTUALLY(!has_subscriptions(topic));
    stargate_client_free(client);
}

TEST(a_delayed_message_waits_on_a_shared_subscription)
{
    stargate_client *client = new_client();
    const char *topic = new_topic();
    stargate_consumer *consumer = consume(client, topic, OPTIONS("subscription_type", "shared"));
    stargate_producer *producer = new_producer(client, topic);
    stargate_outgoing late = text_message("1"), now = text_message("0"), at = text_message("2");
    stargate_error *error = NULL;
    double begun = seconds();

    late.deliver_after_ms = -1;
    FAILS(STARGATE_INVALID_ARGUMENT, "message.deliver_after_ms is negative",
          stargate_producer_send(producer, &late, TIMEOUT_MS, NULL, &error));
    late.deliver_after_ms = 2000;
    /* The broker looks once a second, and may be a second early. */
    at.deliver_at_ms = (int64_t)(time(NULL) + 5) * 1000;
    OK(stargate_producer_send(producer, &late, TIMEOUT_MS, NULL, &error));
    OK(stargate_producer_send(producer, &at, TIMEOUT_MS, NULL, &error));
    OK(stargate_producer_send(producer, &now, TIMEOUT_MS, NULL, &error));
    CHECK(take(consumer) == 0);
    CHECK(take(consumer) == 1);
    CHECK(seconds() - begun > 1.9);
    CHECK(take(consumer) == 2);
    CHECK(seconds() - begun > 2.9);
    close_consumer(consumer);
    stargate_producer_free(producer);
    stargate_client_free(client);
}

TEST(a_partitioned_topic_is_one_consumer_and_one_reader)
{
    stargate_client *client = new_client();
    const char *topic = new_topic();
    stargate_consumer *consumer;
    stargate_reader *reader;
    int consumed[30] = {0}, read[30] = {0};
    int i;

    change_topic("PUT", topic, "partitions", "3");
    consumer = consume(client, topic, OPTIONS("initial_position", "earliest"));
    send_with(client, topic, 0, 30, 0, OPTIONS("routing_mode", "round_robin"));
    reader = read_from(client, topic, "earliest");
    for (i = 0; i < 30; i++) {
        consumed[take(consumer)]++;
        read[read_one(reader)]++;
    }
    for (i = 0; i < 30; i++)
        CHECK(consumed[i] == 1 && read[i] == 1);
    close_consumer(consumer);
    stargate_reader_free(reader);
    stargate_client_free(client);
}

/* Reads up to the present end; returns how many messages there were, and adds up their numbers. */
static int read_to_the_end(stargate_reader *reader, int *sum)
{
    stargate_message *message = NULL;
    stargate_error *error = NULL;
    int count = 0;

    *sum = 0;
    OK(stargate_reader_mark_end(reader, TIMEOUT_MS, &error));
    for (;;) {
        OK(stargate_reader_receive_before_end(reader, TIMEOUT_MS, &message, &error));
        if (message == NULL)
            return count;
        *sum += number_of(message);
        stargate_message_free(message);
        count++;
    }
}

TEST(partitions_that_a_topic_gets_are_read_too)
{
    stargate_client *client = new_client();
    stargate_reader *reader;
    stargate_error *error = NULL;
    char topic[64], part[80];
    int sum, available = 0;

    strcpy(topic, new_topic());
    change_topic("PUT", topic, "partitions", "1");
    send_numbers(client, topic, 0, 3);
    reader = read_from(client, topic, "earliest");
    CHECK(read_to_the_end(reader, &sum) == 3 && sum == 0 + 1 + 2);
    change_topic("POST", topic, "partitions", "2");
    snprintf(part, sizeof part, "%s-partition-1", topic);
    send_numbers(client, part, 10, 13);
    OK(stargate_reader_has_message_available(reader, TIMEOUT_MS, &available, &error));
    CHECK(available);
    CHECK(read_to_the_end(reader, &sum) == 3 && sum == 10 + 11 + 12);
    stargate_reader_free(reader);
    stargate_client_free(client);
}

TEST(a_reader_opens_before_its_partitioned_topic_exists)
{
    stargate_client *client = new_client();
    stargate_reader *reader;
    char namespace[80], path[128], topic[128];
    int sum;

    snprintf(namespace, sizeof namespace, "public/%s", new_topic());
    snprintf(path, sizeof path, "namespaces/%s", namespace);
    change("PUT", path, "");
    snprintf(path, sizeof path, "namespaces/%s/autoTopicCreation", namespace);
    change("POST", path,
           "{\"allowAutoTopicCreation\": true, \"topicType\": \"partitioned\", \"defaultNumPartitions\": 3}");
    snprintf(topic, sizeof topic, "persistent://%s/early", namespace);
    reader = read_from(client, topic, "earliest");
    CHECK(read_to_the_end(reader, &sum) == 0);
    snprintf(topic, sizeof topic, "persistent://%s/early-partition-2", namespace);
    send_numbers(client, topic, 1, 4);
    CHECK(read_to_the_end(reader, &sum) == 3 && sum == 1 + 2 + 3);
    stargate_reader_free(reader);
    stargate_client_free(client);
}

/* Receives a number, and acknowledges all but 0. */
static int take_all_but_0(stargate_consumer *consumer)
{
    stargate_message *message = NULL;
    stargate_error *error = NULL;
    int number;

    OK(stargate_consumer_receive(consumer, TIMEOUT_MS, &message, &error));
    number = number_of(message);
    if (number > 0)
        OK(stargate_consumer_ack(consumer, message, &error));
    stargate_message_free(message);
    return number;
}

TEST(a_message_that_is_never_acknowledged_does_not_stop_the_others)
{
    stargate_client *client = new_client();
    const char *topic = new_topic();
    stargate_consumer *consumer =
        consume(client, topic, OPTIONS("subscription_type", "shared", "ack_timeout", "1000", "queue_size", "2"));
    double until;
    int seen[70] = {0}, left = 69, number;

    send_numbers(client, topic, 0, 1);
    /* More often than the window has places. */
    for (number = 0; number < 3; number++)
        CHECK(take_all_but_0(consumer) == 0);
    send_numbers(client, topic, 1, 70);
    until = seconds() + 60;
    while (left > 0) {
        CHECK(seconds() < until);
        number = take_all_but_0(consumer);
        left -= number > 0 && seen[number]++ == 0;
    }
    close_consumer(consumer);
    stargate_client_free(client);
}

TEST(several_connections_share_one_subscription)
{
    stargate_client *client = new_client();
    const char *topic = new_topic();
    stargate_consumer *consumer = consume(
        client, topic,
        OPTIONS("subscription_type", "shared", "connections", "3", "queue_size", "20", "initial_position", "earliest"));
    int seen[MOST] = {0};
    int i;

    CHECK(stat_of(consumer, "connections") == 3);
    send_numbers(client, topic, 0, MOST);
    for (i = 0; i < MOST; i++)
        seen[take(consumer)]++;
    for (i = 0; i < MOST; i++)
        CHECK(seen[i] == 1);
    close_consumer(consumer);
    stargate_client_free(client);
}

TEST(an_unsubscribe_deletes_the_subscription)
{
    stargate_client *client = new_client();
    const char *topic = new_topic();
    stargate_consumer *consumer = consume(client, topic, OPTIONS("initial_position", "earliest"));
    stargate_error *error = NULL;

    CHECK(has_subscriptions(topic));
    OK(stargate_consumer_unsubscribe(consumer, TIMEOUT_MS, &error));
    CHECK(!has_subscriptions(topic));
    close_consumer(consumer);
    stargate_client_free(client);
}

/* ---- producers ---- */

static void count_duplicate(void *duplicates, const stargate_delivery_report *sent)
{
    CHECK(sent->error == NULL);
    if (sent->duplicate)
        counter_add(duplicates);
}

TEST(effectively_once_stores_no_second_copy)
{
    stargate_client *client = new_client();
    const char *name = new_topic();
    char path[128], topic[128];
    counter duplicates = COUNTER_INIT;
    stargate_consumer *consumer;
    stargate_error *error = NULL;
    const char *texts[] = {"0", "1", "2"};
    int attempt, i;

    snprintf(path, sizeof path, "namespaces/public/%s", name);
    change("PUT", path, "");
    snprintf(path, sizeof path, "namespaces/public/%s/deduplication", name);
    change("POST", path, "true");
    snprintf(topic, sizeof topic, "persistent://public/%s/t", name);
    consumer = consume(client, topic, OPTIONS("initial_position", "earliest"));
    for (attempt = 0; attempt < 2; attempt++) {
        stargate_options *options = OPTIONS("name", "p", "effectively_once", "true", "initial_seq_id", "-1");
        stargate_producer *producer = NULL;

        OK(stargate_producer_open(client, topic, options, TIMEOUT_MS, &producer, &error));
        for (i = 0; i < 3; i++) {
            stargate_outgoing message = text_message(texts[i]);
            OK(stargate_producer_send_async(producer, &message, TIMEOUT_MS, count_duplicate, &duplicates, NULL,
                                            &error));
        }
        OK(stargate_producer_close(producer, TIMEOUT_MS, &error));
        stargate_producer_free(producer);
        stargate_options_free(options);
        CHECK(counter_get(&duplicates) == 3 * attempt);
    }
    send_numbers(client, topic, 3, 4); /* by another producer: it comes right after the only copy of the others */
    for (i = 0; i < 4; i++)
        CHECK(take(consumer) == i);
    close_consumer(consumer);
    stargate_client_free(client);
}

/* ---- readers, and the end ---- */

TEST(a_reader_begins_at_the_latest)
{
    stargate_client *client = new_client();
    const char *topic = new_topic();
    stargate_reader *reader;

    send_numbers(client, topic, 0, 2);
    reader = read_from(client, topic, "latest");
    send_numbers(client, topic, 2, 4);
    CHECK(read_one(reader) == 2 && read_one(reader) == 3);
    stargate_reader_free(reader);
    stargate_client_free(client);
}

TEST(a_reader_begins_after_an_id)
{
    stargate_client *client = new_client();
    const char *topic = new_topic();
    stargate_producer *producer = new_producer(client, topic);
    stargate_outgoing message = text_message("0");
    stargate_reader *reader;
    stargate_error *error = NULL;
    char *id = NULL;

    OK(stargate_producer_send(producer, &message, TIMEOUT_MS, &id, &error));
    send_numbers(client, topic, 1, 3);
    reader = read_from(client, topic, id);
    CHECK(read_one(reader) == 1 && read_one(reader) == 2);
    stargate_string_free(id);
    stargate_producer_free(producer);
    stargate_reader_free(reader);
    stargate_client_free(client);
}

static int has_ended(stargate_consumer *consumer)
{
    stargate_error *error = NULL;
    int32_t ended = 0;

    OK(stargate_consumer_is_end_of_topic(consumer, TIMEOUT_MS, &ended, &error));
    return ended;
}

TEST(a_terminated_topic_ends_for_a_consumer)
{
    stargate_client *client = new_client();
    const char *topic = new_topic();
    stargate_consumer *consumer = consume(client, topic, OPTIONS("initial_position", "earliest"));

    send_numbers(client, topic, 0, 2);
    CHECK(!has_ended(consumer));
    change_topic("POST", topic, "terminate", "");
    CHECK(take(consumer) == 0 && take(consumer) == 1);
    EVENTUALLY(has_ended(consumer));
    close_consumer(consumer);
    stargate_client_free(client);
}

static int has_ended_for(stargate_reader *reader)
{
    stargate_error *error = NULL;
    int32_t ended = 0;

    OK(stargate_reader_is_end_of_topic(reader, TIMEOUT_MS, &ended, &error));
    return ended;
}

TEST(a_terminated_topic_ends_for_a_reader)
{
    stargate_client *client = new_client();
    const char *topic = new_topic();
    stargate_reader *reader;

    send_numbers(client, topic, 0, 2);
    reader = read_from(client, topic, "earliest");
    CHECK(read_one(reader) == 0 && read_one(reader) == 1);
    CHECK(!has_ended_for(reader));
    change_topic("POST", topic, "terminate", "");
    EVENTUALLY(has_ended_for(reader));
    stargate_reader_free(reader);
    stargate_client_free(client);
}

/* ---- TLS and tokens, on the broker that `pulsar.py run --secure` starts beside the plain one ---- */

static stargate_options *trusting(void)
{
    return OPTIONS("tls_ca_file", needed("PULSAR_SECURE_CA_FILE"));
}

/* Sends a message, if the broker lets it. Frees the options. */
static stargate_status try_with(stargate_options *options, stargate_error **error)
{
    stargate_outgoing message = text_message("x");
    stargate_producer *producer = NULL;
    stargate_client *client = NULL;
    stargate_status status = stargate_client_new(needed("PULSAR_SECURE_WSS_URL"), options, &client, error);

    if (status == STARGATE_OK)
        status = stargate_producer_open(client, new_topic(), NULL, TIMEOUT_MS, &producer, error);
    if (status == STARGATE_OK)
        status = stargate_producer_send(producer, &message, TIMEOUT_MS, NULL, error);
    stargate_producer_free(producer);
    stargate_client_free(client);
    stargate_options_free(options);
    return status;
}

static void set(stargate_options *options, const char *key, const char *value)
{
    stargate_error *error = NULL;

    OK(stargate_options_set(options, key, value, &error));
}

static stargate_status supply(void *token, char *buffer, size_t capacity, size_t *length)
{
    *length = strlen(token);
    if (*length > capacity)
        return STARGATE_TOO_BIG;
    memcpy(buffer, token, *length);
    return STARGATE_OK;
}

TEST(a_right_token_is_let_in_from_wherever_it_comes)
{
    const char *token = needed("PULSAR_SECURE_TOKEN");
    char path[] = "/tmp/stargate-token-XXXXXX", copy[4096];
    stargate_options *options = trusting();
    stargate_error *error = NULL;
    FILE *file = fdopen(mkstemp(path), "w");

    set(options, "auth_token", token);
    OK(try_with(options, &error));
    CHECK(file != NULL && fprintf(file, "%s\n", token) > 0 && fclose(file) == 0);
    options = trusting();
    set(options, "auth_token_file", path);
    OK(try_with(options, &error));
    unlink(path);
    snprintf(copy, sizeof copy, "%s", token);
    options = trusting();
    OK(stargate_options_on_token(options, supply, copy, NULL, &error));
    OK(try_with(options, &error));
}

TEST(a_wrong_token_is_refused_with_401)
{
    stargate_options *options = trusting();
    stargate_error *error = NULL;

    set(options, "auth_token", needed("PULSAR_SECURE_TOKEN_WRONG"));
    CHECK(try_with(options, &error) == STARGATE_AUTHENTICATION);
    CHECK(stargate_error_http_status(error) == 401);
    CHECK(strstr(stargate_error_message(error).ptr, needed("PULSAR_SECURE_TOKEN_WRONG")) == NULL);
    stargate_error_free(error);
    FAILS(STARGATE_AUTHENTICATION, "401", try_with(trusting(), &error));
}

TEST(a_role_without_rights_is_refused_with_403)
{
    stargate_options *options = trusting();
    stargate_error *error = NULL;

    set(options, "auth_token", needed("PULSAR_SECURE_TOKEN_OTHER"));
    FAILS(STARGATE_AUTHORIZATION, "403", try_with(options, &error));
}

TEST(a_port_of_another_protocol_is_named)
{
    const char *urls[] = {needed("PULSAR_SECURE_WSS_URL"), needed("PULSAR_URL"), needed("PULSAR_BINARY_URL")};
    const char *schemes[] = {"ws", "wss", "ws"};
    const char *asks[] = {"is it the HTTP port?", "is it the port for wss://?", "is it the HTTP port?"};
    size_t i;

    for (i = 0; i < 3; i++) {
        stargate_client *client = NULL;
        stargate_producer *producer = NULL;
        stargate_error *error = NULL;
        char url[256];

        snprintf(url, sizeof url, "%s%s", schemes[i], strchr(urls[i], ':'));
        OK(stargate_client_new(url, NULL, &client, &error));
        CHECK(stargate_producer_open(client, "t", NULL, TIMEOUT_MS, &producer, &error) != STARGATE_OK);
        printf("%s\n", stargate_error_message(error).ptr);
        CHECK(strstr(stargate_error_message(error).ptr, asks[i]) != NULL);
        stargate_error_free(error);
        stargate_client_free(client);
    }
}

TEST(a_server_that_is_not_trusted_is_not_talked_to)
{
    stargate_options *options = OPTIONS("auth_token", needed("PULSAR_SECURE_TOKEN"));
    stargate_error *error = NULL;

    FAILS(STARGATE_AUTHENTICATION, "tls_ca_file", try_with(options, &error));
    /* Unless one insists. */
    OK(try_with(OPTIONS("auth_token", needed("PULSAR_SECURE_TOKEN"), "tls_insecure", "true"), &error));
}

TEST(a_client_certificate_is_an_identity)
{
    stargate_options *options = trusting();
    stargate_error *error = NULL;

    set(options, "tls_cert_file", needed("PULSAR_SECURE_CLIENT_CERT"));
    set(options, "tls_key_file", needed("PULSAR_SECURE_CLIENT_KEY"));
    OK(try_with(options, &error));
}

typedef struct {
    counter lines, leaks, destroyed;
} log_watch;

static void watch_log(void *data, int32_t level, stargate_str target, stargate_str text)
{
    log_watch *watch = data;

    (void)level;
    (void)target;
    if (strstr(text.ptr, getenv("PULSAR_SECURE_TOKEN")) != NULL
        || strstr(text.ptr, getenv("PULSAR_SECURE_TOKEN_WRONG")) != NULL)
        counter_add(&watch->leaks);
    counter_add(&watch->lines);
}

static void end_watch(void *data)
{
    log_watch *watch = data;

    counter_add(&watch->destroyed);
}

TEST(no_token_is_logged)
{
    const char *tokens[] = {needed("PULSAR_SECURE_TOKEN"), needed("PULSAR_SECURE_TOKEN_WRONG")};
    log_watch watch = {COUNTER_INIT, COUNTER_INIT, COUNTER_INIT};
    stargate_error *error = NULL;
    size_t i;

    for (i = 0; i < 2; i++) {
        stargate_options *options = trusting();

        set(options, "auth_token", tokens[i]);
        OK(stargate_options_on_log(options, STARGATE_LOG_DEBUG, watch_log, &watch, end_watch, &error));
        CHECK((try_with(options, &error) == STARGATE_OK) == (i == 0));
        stargate_error_free(error);
        error = NULL;
    }
    counter_wait(&watch.destroyed, 2);
    CHECK(counter_get(&watch.lines) > 0 && counter_get(&watch.leaks) == 0);
}
