/* The mock broker through its own header: none of these needs another broker. */
#include <stargate_mock.h> /* first, and twice: it must stand alone */
#include <stargate_mock.h>

#include "testing.h"

static stargate_mock *new_mock(void)
{
    stargate_mock *mock = NULL;
    stargate_error *error = NULL;

    OK(stargate_mock_start(NULL, &mock, &error));
    return mock;
}

static stargate_client *client_of(const stargate_mock *mock)
{
    stargate_client *client = NULL;
    stargate_error *error = NULL;

    OK(stargate_client_new(stargate_mock_url(mock).ptr, NULL, &client, &error));
    return client;
}

static void publish(stargate_mock *mock, const char *topic, const char *text)
{
    stargate_outgoing message = text_message(text);
    stargate_error *error = NULL;

    OK(stargate_mock_publish(mock, topic, &message, NULL, &error));
}

static size_t stored(stargate_mock *mock, const char *topic)
{
    stargate_error *error = NULL;
    size_t count = 0;

    OK(stargate_mock_messages(mock, topic, NULL, NULL, &count, &error));
    return count;
}

static int is_view(stargate_str view, const char *text)
{
    return view.ptr != NULL && view.len == strlen(text) && strcmp(view.ptr, text) == 0;
}

TEST(a_mock_has_urls_and_nothing_in_it)
{
    stargate_mock *mock = new_mock();
    stargate_error *error = NULL;
    size_t count = 1;

    CHECK(strncmp(stargate_mock_url(mock).ptr, "ws://127.0.0.1:", 15) == 0);
    CHECK(strncmp(stargate_mock_http_url(mock).ptr, "http://127.0.0.1:", 17) == 0);
    CHECK(stargate_mock_connections(mock) == 0 && stargate_mock_faults_left(mock) == 0);
    FAILS(STARGATE_NOT_FOUND, "no topic persistent://public/default/t",
          stargate_mock_messages(mock, "t", NULL, NULL, &count, &error));
    CHECK(count == 0);
    stargate_mock_free(mock);
}

static void see_one(void *data, const stargate_mock_message *message)
{
    ++*(int *)data;
    CHECK(message->struct_size == sizeof *message);
    CHECK(is_view(message->topic, "persistent://public/default/t"));
    CHECK(message->message_id.len > 0 && message->producer_name.len > 0);
    CHECK(is_text(message->payload, "hello"));
    CHECK(is_view(message->key, "k"));
    CHECK(message->property_count == 2);
    CHECK(strcmp(message->properties[0].key, "a") == 0 && strcmp(message->properties[0].value, "1") == 0);
    CHECK(strcmp(message->properties[1].key, "b") == 0 && strcmp(message->properties[1].value, "2") == 0);
    CHECK(message->event_time_ms == 1234 && message->publish_time_ms > 1600000000000);
    CHECK(message->deliver_at_ms == message->publish_time_ms + 60000);
}

TEST(a_published_message_is_stored_whole_and_comes_back_three_ways)
{
    stargate_mock *mock = new_mock();
    stargate_error *error = NULL;
    stargate_outgoing message = text_message("hello");
    const stargate_property properties[] = {{"b", "2"}, {"a", "1"}};
    char *id = NULL, *json = NULL;
    size_t count = 0;
    int seen = 0;

    message.key = "k";
    message.properties = properties;
    message.property_count = 2;
    message.event_time_ms = 1234;
    message.deliver_after_ms = 60000;
    OK(stargate_mock_publish(mock, "t", &message, &id, &error));
    CHECK(id != NULL && strlen(id) > 0);
    OK(stargate_mock_messages(mock, "public/default/t", see_one, &seen, &count, &error));
    CHECK(seen == 1 && count == 1);
    OK(stargate_mock_messages_json(mock, "persistent://public/default/t", &json, &error));
    CHECK(strstr(json, "\"payload\":\"aGVsbG8=\"") != NULL && strstr(json, id) != NULL);
    CHECK(strstr(json, "\"event_time_ms\":1234") != NULL && strstr(json, "\"batch\":null") != NULL);
    stargate_string_free(json);
    stargate_string_free(id);
    message.deliver_at_ms = 1;
    FAILS(STARGATE_INVALID_ARGUMENT, "both", stargate_mock_publish(mock, "t", &message, NULL, &error));
    message.deliver_after_ms = 0; /* long ago: at once */
    OK(stargate_mock_publish(mock, "t", &message, NULL, &error));
    message.struct_size = 3;
    FAILS(STARGATE_INVALID_ARGUMENT, "struct_size", stargate_mock_publish(mock, "t", &message, NULL, &error));
    message = text_message("x");
    FAILS(STARGATE_NOT_FOUND, "no namespace \"no/such\"",
          stargate_mock_publish(mock, "no/such/t", &message, NULL, &error));
    stargate_mock_free(mock);
}

TEST(text_that_is_not_utf8_names_its_parameter)
{
    static const char bad[] = "\xff";
    stargate_mock *mock = new_mock();
    stargate_mock *other = NULL;
    stargate_mock_options options = STARGATE_MOCK_OPTIONS_INIT;
    stargate_error *error = NULL;
    stargate_outgoing message = text_message("x");
    size_t count = 0;

    FAILS(STARGATE_INVALID_ARGUMENT, "topic is not UTF-8", stargate_mock_publish(mock, bad, &message, NULL, &error));
    message.key = bad;
    FAILS(STARGATE_INVALID_ARGUMENT, "message.key is not", stargate_mock_publish(mock, "t", &message, NULL, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "subscription is not", stargate_mock_backlog(mock, "t", bad, &count, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "op is not UTF-8", stargate_mock_fault(mock, bad, NULL, "drop", 1, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "topic is not", stargate_mock_fault(mock, "send", bad, "drop", 1, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "fault is not UTF-8", stargate_mock_fault(mock, "send", NULL, bad, 1, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "name is not UTF-8", stargate_mock_create_namespace(mock, bad, &error));
    options.token = bad;
    FAILS(STARGATE_INVALID_ARGUMENT, "options.token is not", stargate_mock_start(&options, &other, &error));
    stargate_mock_free(mock);
}

TEST(options_are_checked_and_a_port_is_taken_once)
{
    stargate_mock *mock = new_mock(), *other = NULL;
    stargate_mock_options options = STARGATE_MOCK_OPTIONS_INIT;
    stargate_error *error = NULL;

    options.port = (uint16_t)atoi(strrchr(stargate_mock_url(mock).ptr, ':') + 1);
    FAILS(STARGATE_CONNECT, "start the mock broker", stargate_mock_start(&options, &other, &error));
    CHECK(other == NULL);
    options.port = 0;
    options.tls_cert_file = "/there/is/none.pem";
    FAILS(STARGATE_INVALID_ARGUMENT, "need each other", stargate_mock_start(&options, &other, &error));
    options.tls_key_file = "/there/is/none.pem";
    FAILS(STARGATE_INVALID_ARGUMENT, "none.pem", stargate_mock_start(&options, &other, &error));
    options.tls_cert_file = options.tls_key_file = NULL;
    options.idle_timeout_ms = -1;
    FAILS(STARGATE_INVALID_ARGUMENT, "idle_timeout_ms", stargate_mock_start(&options, &other, &error));
    options.struct_size = 1;
    FAILS(STARGATE_INVALID_ARGUMENT, "struct_size", stargate_mock_start(&options, &other, &error));
    stargate_mock_free(mock);
}

static stargate_status good_authorization(void *data, char *buffer, size_t capacity, size_t *length)
{
    static const char line[] = "Authorization: Bearer good\nX-Other: 1\n";

    (void)data;
    *length = sizeof line - 1;
    if (capacity < *length)
        return STARGATE_TOO_BIG;
    memcpy(buffer, line, *length);
    return STARGATE_OK;
}

static stargate_status bad_header(void *data, char *buffer, size_t capacity, size_t *length)
{
    (void)data, (void)capacity;
    *length = 9;
    memcpy(buffer, "Host: bad", *length);
    return STARGATE_OK;
}

TEST(headers_of_the_application_reach_the_server)
{
    stargate_mock *mock = NULL;
    stargate_mock_options with_token = STARGATE_MOCK_OPTIONS_INIT;
    stargate_client *client = NULL;
    stargate_producer *producer = NULL;
    stargate_error *error = NULL;
    char *body = NULL;
    int32_t status = 0;
    int way;

    with_token.token = "good";
    OK(stargate_mock_start(&with_token, &mock, &error));
    for (way = 0; way < 3; way++) {
        stargate_options *options = stargate_options_new();

        if (way == 0)
            OK(stargate_options_header(options, "Authorization", "Bearer good", &error));
        else if (way == 1)
            OK(stargate_options_set(options, "headers", "X-Other: 1\nAuthorization: Bearer good", &error));
        else
            OK(stargate_options_on_headers(options, good_authorization, NULL, NULL, &error));
        OK(stargate_client_new(stargate_mock_url(mock).ptr, options, &client, &error));
        OK(stargate_producer_open(client, "t", NULL, TIMEOUT_MS, &producer, &error));
        OK(stargate_admin_request(client, "GET", "clusters", NULL, TIMEOUT_MS, &status, &body, &error));
        stargate_string_free(body);
        stargate_producer_free(producer);
        FAILS(STARGATE_INVALID_ARGUMENT, "header \"host\" belongs to the connection",
              stargate_options_header(options, "Host", "secret", &error));
        FAILS(STARGATE_INVALID_ARGUMENT, "header \"x-key\"", stargate_options_header(options, "X-Key", "a\nb", &error));
        FAILS(STARGATE_INVALID_ARGUMENT, "headers is NULL",
              stargate_options_on_headers(options, NULL, NULL, NULL, &error));
        OK(stargate_options_on_headers(options, bad_header, NULL, NULL, &error));
        FAILS(STARGATE_AUTHENTICATION, "belongs to the connection",
              stargate_producer_open(client, "t", options, TIMEOUT_MS, &producer, &error));
        stargate_client_free(client);
        stargate_options_free(options);
    }
    stargate_mock_free(mock);
}

TEST(tokens_and_sizes_are_what_the_options_say)
{
    stargate_mock *mock = NULL;
    stargate_mock_options options = STARGATE_MOCK_OPTIONS_INIT;
    stargate_options *given = stargate_options_new();
    stargate_client *client = NULL;
    stargate_producer *producer = NULL;
    stargate_error *error = NULL;
    char text[3000], *body = NULL;
    int32_t status = 0;
    stargate_outgoing message = STARGATE_OUTGOING_INIT;

    options.token = "good";
    options.forbidden_token = "poor";
    options.max_text_size = 2000;
    OK(stargate_mock_start(&options, &mock, &error));
    client = client_of(mock);
    FAILS(STARGATE_AUTHENTICATION, "(401): Authentication required; no token was given (option auth_token",
          stargate_producer_open(client, "t", NULL, TIMEOUT_MS, &producer, &error));
    FAILS(STARGATE_AUTHENTICATION, "no token was given",
          stargate_admin_request(client, "GET", "clusters", NULL, TIMEOUT_MS, &status, &body, &error));
    OK(stargate_options_set(given, "auth_token", "of nobody", &error));
    FAILS(STARGATE_AUTHENTICATION, "without \"Bearer\"",
          stargate_producer_open(client, "t", given, TIMEOUT_MS, &producer, &error));
    OK(stargate_options_set(given, "auth_token", "nobodys", &error));
    FAILS(STARGATE_AUTHENTICATION, "the token that was given is not accepted",
          stargate_producer_open(client, "t", given, TIMEOUT_MS, &producer, &error));
    OK(stargate_options_set(given, "auth_token", "poor", &error));
    FAILS(STARGATE_AUTHORIZATION, "403", stargate_producer_open(client, "t", given, TIMEOUT_MS, &producer, &error));
    OK(stargate_options_set(given, "auth_token", "good", &error));
    OK(stargate_producer_open(client, "t", given, TIMEOUT_MS, &producer, &error));
    memset(text, 'x', sizeof text);
    message.payload.ptr = text;
    message.payload.len = sizeof text;
    /* The client knows another limit, so the message goes out, and the broker closes the connection. */
    FAILS(STARGATE_TOO_BIG, "closed the connection",
          stargate_producer_send(producer, &message, TIMEOUT_MS, NULL, &error));
    OK(stargate_mock_wait(mock, "disconnect", "t", 1, TIMEOUT_MS, &error));
    message.payload.len = 1000;
    OK(stargate_producer_send(producer, &message, TIMEOUT_MS, NULL, &error));
    stargate_producer_free(producer);
    stargate_client_free(client);
    stargate_options_free(given);
    stargate_mock_free(mock);
}

TEST(a_connection_that_says_nothing_for_too_long_is_closed)
{
    stargate_mock *mock = NULL;
    stargate_mock_options options = STARGATE_MOCK_OPTIONS_INIT;
    stargate_client *client;
    stargate_producer *producer = NULL;
    stargate_error *error = NULL;

    options.idle_timeout_ms = 50;
    OK(stargate_mock_start(&options, &mock, &error));
    client = client_of(mock);
    OK(stargate_producer_open(client, "t", NULL, TIMEOUT_MS, &producer, &error));
    OK(stargate_mock_wait(mock, "disconnect", "t", 1, TIMEOUT_MS, &error));
    stargate_producer_free(producer);
    stargate_client_free(client);
    stargate_mock_free(mock);
}

TEST(an_old_pulsar_lacks_consumers_of_several_topics)
{
    stargate_mock *mock = NULL;
    stargate_mock_options options = STARGATE_MOCK_OPTIONS_INIT;
    stargate_client *client;
    stargate_consumer *consumer = NULL;
    stargate_error *error = NULL;
    const char *topics[] = {"t", "u"};

    options.pulsar_version = "3.0.0";
    OK(stargate_mock_start(&options, &mock, &error));
    client = client_of(mock);
    FAILS(STARGATE_NOT_FOUND, "need a WebSocket proxy of Pulsar 4.0",
          stargate_consumer_open_topics(client, topics, 2, "s", NULL, TIMEOUT_MS, &consumer, &error));
    stargate_client_free(client);
    stargate_mock_free(mock);
}

TEST(faults_are_scripted_used_up_and_cleared)
{
    stargate_mock *mock = new_mock();
    stargate_client *client = client_of(mock);
    stargate_producer *producer = NULL;
    stargate_error *error = NULL;
    stargate_outgoing message = text_message("x");
    size_t count = 0;

    FAILS(STARGATE_INVALID_ARGUMENT, "unknown operation \"sned\"; there are connect, send",
          stargate_mock_fault(mock, "sned", NULL, "drop", 1, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "unknown fault \"explode\"",
          stargate_mock_fault(mock, "send", NULL, "explode", 1, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "means nothing at operation ack",
          stargate_mock_fault(mock, "ack", NULL, "http:500", 1, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "at least 1", stargate_mock_fault(mock, "ack", NULL, "drop", 0, &error));

    OK(stargate_mock_fault(mock, "connect", "t", "http:503", 1, &error));
    FAILS(STARGATE_BROKER, "503", stargate_producer_open(client, "t", NULL, TIMEOUT_MS, &producer, &error));
    CHECK(stargate_mock_faults_left(mock) == 0);
    producer = new_producer(client, "t");
    OK(stargate_mock_fault(mock, "send", "t", "send-error:8:no room", 1, &error));
    FAILS(STARGATE_BROKER, "no room", stargate_producer_send(producer, &message, TIMEOUT_MS, NULL, &error));
    OK(stargate_mock_fault(mock, "send", NULL, "no-receipt", SIZE_MAX, &error));
    CHECK(stargate_mock_faults_left(mock) > 1000000);
    OK(stargate_mock_clear_faults(mock, &error));
    CHECK(stargate_mock_faults_left(mock) == 0);
    OK(stargate_producer_send(producer, &message, TIMEOUT_MS, NULL, &error));
    CHECK(stored(mock, "t") == 1);
    OK(stargate_mock_count(mock, "send", "t", &count, &error));
    CHECK(count == 2);
    stargate_producer_free(producer);
    stargate_client_free(client);
    stargate_mock_free(mock);
}

TEST(waiting_tells_how_often_it_happened)
{
    stargate_mock *mock = new_mock();
    stargate_client *client = client_of(mock);
    stargate_producer *producer = new_producer(client, "t");
    stargate_outgoing message = text_message("x");
    stargate_error *error = NULL;
    char *json = NULL;

    OK(stargate_mock_wait(mock, "connect", "t", 1, 0, &error));
    CHECK(stargate_mock_connections(mock) == 1);
    FAILS(STARGATE_TIMEOUT, "send on t happened 0 times within 50 ms, not 2",
          stargate_mock_wait(mock, "send", "t", 2, 50, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "timeout_ms", stargate_mock_wait(mock, "send", NULL, 2, -2, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "operation", stargate_mock_wait(mock, "", NULL, 2, 0, &error));
    OK(stargate_producer_send(producer, &message, TIMEOUT_MS, NULL, &error));
    OK(stargate_mock_wait(mock, "send", NULL, 1, -1, &error));
    OK(stargate_mock_requests_json(mock, &json, &error));
    CHECK(strstr(json, "\"op\":\"send\"") != NULL && strstr(json, "\"role\":\"producer\"") != NULL);
    stargate_string_free(json);
    OK(stargate_mock_clear_requests(mock, &error));
    OK(stargate_mock_requests_json(mock, &json, &error));
    CHECK(strcmp(json, "[]") == 0);
    stargate_string_free(json);
    stargate_producer_free(producer);
    OK(stargate_mock_wait(mock, "disconnect", "t", 1, TIMEOUT_MS, &error));
    stargate_client_free(client);
    stargate_mock_free(mock);
}

TEST(a_backlog_shrinks_as_messages_are_acknowledged)
{
    stargate_mock *mock = new_mock();
    stargate_client *client = client_of(mock);
    stargate_consumer *consumer = NULL;
    stargate_message *message = NULL;
    stargate_error *error = NULL;
    size_t count = 0;

    FAILS(STARGATE_NOT_FOUND, "no subscription \"s\"", stargate_mock_backlog(mock, "t", "s", &count, &error));
    OK(stargate_mock_create_subscription(mock, "t", "s", 0, &error));
    FAILS(STARGATE_BROKER, "exists", stargate_mock_create_subscription(mock, "t", "s", 0, &error));
    publish(mock, "t", "one");
    publish(mock, "t", "two");
    OK(stargate_mock_create_subscription(mock, "t", "late", 0, &error));
    OK(stargate_mock_create_subscription(mock, "t", "early", 1, &error));
    OK(stargate_mock_backlog(mock, "t", "late", &count, &error));
    CHECK(count == 0);
    OK(stargate_mock_backlog(mock, "t", "early", &count, &error));
    CHECK(count == 2);
    OK(stargate_consumer_open(client, "t", "s", NULL, TIMEOUT_MS, &consumer, &error));
    OK(stargate_consumer_receive(consumer, TIMEOUT_MS, &message, &error));
    CHECK(is_text(stargate_message_payload(message), "one"));
    OK(stargate_consumer_ack(consumer, message, &error));
    OK(stargate_mock_wait(mock, "ack", "t", 1, TIMEOUT_MS, &error));
    OK(stargate_mock_backlog(mock, "t", "s", &count, &error));
    CHECK(count == 1);
    stargate_message_free(message);
    stargate_consumer_free(consumer);
    stargate_client_free(client);
    stargate_mock_free(mock);
}

TEST(topics_are_partitioned_terminated_and_deleted)
{
    stargate_mock *mock = new_mock();
    stargate_client *client = client_of(mock);
    stargate_producer *producer = NULL;
    stargate_error *error = NULL;
    stargate_outgoing message = text_message("x");
    size_t dropped = 0, count = 0;

    OK(stargate_mock_create_partitioned(mock, "p", 3, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "0 partitions", stargate_mock_create_partitioned(mock, "q", 0, &error));
    FAILS(STARGATE_BROKER, "cannot get 2", stargate_mock_create_partitioned(mock, "p", 2, &error));
    publish(mock, "p", "1");
    publish(mock, "p", "2");
    CHECK(stored(mock, "p") == 2);

    FAILS(STARGATE_NOT_FOUND, "no/such", stargate_producer_open(client, "no/such/t", NULL, -1, &producer, &error));
    OK(stargate_mock_create_namespace(mock, "no/such", &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "tenant/namespace", stargate_mock_create_namespace(mock, "such", &error));
    producer = new_producer(client, "no/such/t");
    OK(stargate_producer_send(producer, &message, TIMEOUT_MS, NULL, &error));
    OK(stargate_mock_drop_connections(mock, "no/such/t", &dropped, &error));
    CHECK(dropped == 1);
    OK(stargate_mock_drop_connections(mock, "other", &dropped, &error));
    CHECK(dropped == 0);
    OK(stargate_producer_send(producer, &message, TIMEOUT_MS, NULL, &error));
    OK(stargate_mock_terminate(mock, "no/such/t", &error));
    FAILS(STARGATE_NOT_FOUND, "no topic", stargate_mock_terminate(mock, "nowhere", &error));
    FAILS(STARGATE_TOPIC_TERMINATED, "terminated",
          stargate_producer_send(producer, &message, TIMEOUT_MS, NULL, &error));
    FAILS(STARGATE_BROKER, "erminated", stargate_mock_publish(mock, "no/such/t", &message, NULL, &error));
    CHECK(stored(mock, "no/such/t") == 2);
    OK(stargate_mock_delete_topic(mock, "no/such/t", &error));
    FAILS(STARGATE_NOT_FOUND, "no topic", stargate_mock_messages(mock, "no/such/t", NULL, NULL, &count, &error));
    FAILS(STARGATE_NOT_FOUND, "no namespace", stargate_mock_set_deduplication(mock, "a/b", 1, &error));
    stargate_producer_free(producer);
    stargate_client_free(client);
    stargate_mock_free(mock);
}

/* What ended by itself has told so to all that was in flight, and leaves nothing for a close to complain about. */
TEST(closing_what_has_ended_is_no_error)
{
    stargate_mock *mock = new_mock();
    stargate_client *client = client_of(mock);
    stargate_producer *producer = new_producer(client, "t");
    stargate_consumer *consumer = NULL;
    stargate_reader *reader = NULL;
    stargate_error *error = NULL;
    stargate_outgoing message = text_message("x");
    size_t dropped = 0;
    int round;

    OK(stargate_consumer_open(client, "t", "s", NULL, TIMEOUT_MS, &consumer, &error));
    OK(stargate_reader_open(client, "t", NULL, TIMEOUT_MS, &reader, &error));
    OK(stargate_mock_fault(mock, "connect", "t", "http:401", 3, &error));
    OK(stargate_mock_drop_connections(mock, "t", &dropped, &error));
    CHECK(dropped == 3);
    while (stargate_producer_wait_connected(producer, TIMEOUT_MS, &error) == STARGATE_OK)
        sleep_ms(1);
    CHECK(stargate_error_status(error) == STARGATE_AUTHENTICATION);
    stargate_error_free(error);
    error = NULL;
    FAILS(STARGATE_AUTHENTICATION, "401", stargate_producer_send(producer, &message, TIMEOUT_MS, NULL, &error));
    for (round = 0; round < 2; round++) {
        OK(stargate_producer_close(producer, 0, &error));
        OK(stargate_consumer_close(consumer, TIMEOUT_MS, &error));
        OK(stargate_reader_close(reader, TIMEOUT_MS, &error));
    }
    OK(stargate_client_close(client, TIMEOUT_MS, &error));
    stargate_reader_free(reader);
    stargate_consumer_free(consumer);
    stargate_producer_free(producer);
    stargate_client_free(client);
    stargate_mock_free(mock);
}

/* What a sender counts, and what the broker holds. */
enum { ORDERS = 5000 };
typedef struct {
    counter confirmed;
    int failed;
} receipts;

static void on_sent(void *data, const stargate_delivery_report *sent)
{
    receipts *all = data;

    if (sent->error != NULL)
        all->failed++;
    counter_add(&all->confirmed);
}

static void *send_orders(void *data)
{
    stargate_producer *producer = ((void **)data)[0];
    stargate_error *error = NULL;
    int i;

    for (i = 0; i < ORDERS; i++) {
        char text[32];
        stargate_outgoing message = STARGATE_OUTGOING_INIT;

        message.payload.ptr = text;
        message.payload.len = (size_t)snprintf(text, sizeof text, "%d", i);
        OK(stargate_producer_send_async(producer, &message, -1, on_sent, ((void **)data)[1], NULL, &error));
    }
    return NULL;
}

static void tick(void *data, const stargate_mock_message *message)
{
    char text[32] = "";

    memcpy(text, message->payload.ptr, message->payload.len);
    ((int *)data)[atoi(text)]++;
}

/* Sends from a thread, kills the broker in the middle, starts it again; gives how many are stored while it is down. */
static size_t orders_with_an_outage(stargate_mock *mock, stargate_producer *producer, int *times)
{
    receipts all = {COUNTER_INIT, 0};
    void *data[2];
    stargate_error *error = NULL;
    pthread_t sender;
    size_t middle;
    int i;

    data[0] = producer;
    data[1] = &all;
    CHECK(pthread_create(&sender, NULL, send_orders, data) == 0);
    OK(stargate_mock_wait(mock, "send", "orders", 500, TIMEOUT_MS, &error));
    OK(stargate_mock_set_up(mock, 0, &error));
    middle = stored(mock, "orders");
    OK(stargate_mock_wait(mock, "disconnect", "orders", 1, TIMEOUT_MS, &error));
    CHECK(stargate_mock_connections(mock) == 0);
    OK(stargate_mock_set_up(mock, 1, &error));
    counter_wait(&all.confirmed, ORDERS);
    pthread_join(sender, NULL);
    CHECK(all.failed == 0);
    OK(stargate_mock_messages(mock, "orders", tick, times, NULL, &error));
    for (i = 0; i < ORDERS; i++)
        CHECK(times[i] > 0);
    return middle;
}

TEST(a_broker_killed_in_mid_send_loses_nothing)
{
    static int times[ORDERS];
    stargate_mock *mock = new_mock();
    stargate_client *client = client_of(mock);
    stargate_producer *producer = new_producer(client, "orders");
    size_t middle = orders_with_an_outage(mock, producer, times);

    printf("%d stored when the broker was killed, %d in the end\n", (int)middle, (int)stored(mock, "orders"));
    CHECK(middle >= 500 && middle < ORDERS);
    stargate_producer_free(producer);
    stargate_client_free(client);
    stargate_mock_free(mock);
}

TEST(a_broker_killed_in_mid_send_stores_nothing_twice_with_effectively_once)
{
    static int times[ORDERS];
    stargate_mock *mock = new_mock();
    stargate_client *client = client_of(mock);
    stargate_options *options = stargate_options_new();
    stargate_producer *producer = NULL;
    stargate_error *error = NULL;

    OK(stargate_mock_set_deduplication(mock, "public/default", 1, &error));
    OK(stargate_options_set(options, "effectively_once", "true", &error));
    OK(stargate_options_set(options, "producer_name", "till", &error));
    OK(stargate_producer_open(client, "orders", options, TIMEOUT_MS, &producer, &error));
    orders_with_an_outage(mock, producer, times);
    CHECK(stored(mock, "orders") == ORDERS);
    stargate_producer_free(producer);
    stargate_options_free(options);
    stargate_client_free(client);
    stargate_mock_free(mock);
}

TEST(two_mocks_are_two_brokers_and_may_go_before_their_clients)
{
    stargate_mock *one = new_mock(), *two = new_mock();
    stargate_client *client = client_of(one);
    stargate_producer *producer = new_producer(client, "t");
    stargate_error *error = NULL;
    stargate_outgoing message = text_message("x");
    size_t count = 0;

    OK(stargate_producer_send(producer, &message, TIMEOUT_MS, NULL, &error));
    CHECK(stored(one, "t") == 1);
    FAILS(STARGATE_NOT_FOUND, "no topic", stargate_mock_messages(two, "t", NULL, NULL, &count, &error));
    stargate_mock_free(one);
    FAILS(STARGATE_TIMEOUT, "t", stargate_producer_send(producer, &message, 100, NULL, &error));
    stargate_producer_free(producer);
    stargate_client_free(client);
    stargate_mock_free(two);
}

TEST(a_mock_is_a_broker)
{
    stargate_mock *mock = new_mock();
    stargate_client *client = client_of(mock);
    stargate_producer *producer = new_producer(client, "orders");
    stargate_consumer *consumer = NULL;
    stargate_message *message = NULL;
    stargate_error *error = NULL;
    const stargate_property property = {"from", "test"};
    stargate_outgoing sent = text_message("one pizza");
    size_t backlog = 9;
    char *text = NULL;
    int i;

    CHECK(strstr(stargate_mock_url(mock).ptr, "ws://127.0.0.1:") == stargate_mock_url(mock).ptr);
    CHECK(strstr(stargate_mock_http_url(mock).ptr, "http://127.0.0.1:") == stargate_mock_http_url(mock).ptr);
    OK(stargate_consumer_open(client, "orders", "billing", NULL, TIMEOUT_MS, &consumer, &error));
    OK(stargate_producer_send(producer, &sent, TIMEOUT_MS, NULL, &error));
    sent.key = "k";
    sent.properties = &property;
    sent.property_count = 1;
    OK(stargate_mock_publish(mock, "orders", &sent, &text, &error));
    CHECK(text != NULL);
    stargate_string_free(text);
    OK(stargate_mock_backlog(mock, "orders", "billing", &backlog, &error));
    CHECK(backlog == 2);
    for (i = 0; i < 2; i++) {
        OK(stargate_consumer_receive(consumer, TIMEOUT_MS, &message, &error));
        CHECK(is_text(stargate_message_payload(message), "one pizza"));
        CHECK((stargate_message_key(message).ptr != NULL) == (i == 1));
        CHECK((stargate_message_property(message, "from").ptr != NULL) == (i == 1));
        OK(stargate_consumer_ack(consumer, message, &error));
        stargate_message_free(message);
    }
    OK(stargate_mock_wait(mock, "ack", "orders", 2, TIMEOUT_MS, &error));
    OK(stargate_mock_backlog(mock, "orders", "billing", &backlog, &error));
    CHECK(backlog == 0);
    CHECK(stargate_mock_connections(mock) == 2);
    OK(stargate_mock_requests_json(mock, &text, &error));
    CHECK(text[0] == '[' && strstr(text, "\"send\"") != NULL);
    stargate_string_free(text);
    stargate_consumer_free(consumer);
    stargate_producer_free(producer);
    stargate_client_free(client);
    stargate_mock_free(mock);
}

TEST(a_mock_fails_as_it_is_told)
{
    stargate_mock *mock = new_mock();
    stargate_client *client = client_of(mock);
    stargate_producer *producer = NULL;
    stargate_error *error = NULL;
    stargate_outgoing message = text_message("x");
    size_t dropped = 0;

    OK(stargate_mock_fault(mock, "connect", "orders", "http:403", 1, &error));
    CHECK(stargate_mock_faults_left(mock) == 1);
    FAILS(STARGATE_AUTHORIZATION, "403", stargate_producer_open(client, "orders", NULL, TIMEOUT_MS, &producer, &error));
    CHECK(stargate_mock_faults_left(mock) == 0);
    producer = new_producer(client, "orders");
    OK(stargate_mock_fault(mock, "send", NULL, "send-error:8:Queue is full", 1, &error));
    FAILS(STARGATE_BROKER, "Queue is full", stargate_producer_send(producer, &message, TIMEOUT_MS, NULL, &error));

    /* A connection that breaks between a message and its receipt: it is sent again. */
    OK(stargate_mock_fault(mock, "send", NULL, "drop-after", 1, &error));
    OK(stargate_producer_send(producer, &message, TIMEOUT_MS, NULL, &error));
    OK(stargate_mock_wait(mock, "connect", "orders", 3, TIMEOUT_MS, &error));
    OK(stargate_mock_drop_connections(mock, NULL, &dropped, &error));
    CHECK(dropped == 1);
    OK(stargate_producer_send(producer, &message, TIMEOUT_MS, NULL, &error));

    OK(stargate_mock_set_up(mock, 0, &error));
    FAILS(STARGATE_TIMEOUT, "send to", stargate_producer_send(producer, &message, 200, NULL, &error));
    OK(stargate_mock_set_up(mock, 1, &error));
    OK(stargate_producer_send(producer, &message, TIMEOUT_MS, NULL, &error));

    FAILS(STARGATE_INVALID_ARGUMENT, "mock broker", stargate_mock_fault(mock, "ack", NULL, "http:500", 1, &error));
    FAILS(STARGATE_TIMEOUT, "unsubscribe", stargate_mock_wait(mock, "unsubscribe", NULL, 1, 10, &error));
    stargate_producer_free(producer);
    stargate_client_free(client);
    stargate_mock_free(mock);
}

TEST(a_mock_has_tokens_namespaces_and_partitions)
{
    stargate_mock_options mock_options = STARGATE_MOCK_OPTIONS_INIT;
    stargate_options *options = stargate_options_new();
    stargate_mock *mock = NULL;
    stargate_client *client;
    stargate_producer *producer = NULL;
    stargate_consumer *consumer = NULL;
    stargate_message *message = NULL;
    stargate_error *error = NULL;
    stargate_outgoing sent = text_message("x");
    double limit = seconds() + 20;
    int32_t end = 0;

    mock_options.token = "secret";
    OK(stargate_mock_start(&mock_options, &mock, &error));
    client = client_of(mock);
    FAILS(STARGATE_AUTHENTICATION, "401", stargate_producer_open(client, "t", NULL, TIMEOUT_MS, &producer, &error));
    OK(stargate_options_set(options, "auth_token", "secret", &error));
    OK(stargate_producer_open(client, "t", options, TIMEOUT_MS, &producer, &error));
    stargate_producer_free(producer);

    FAILS(STARGATE_NOT_FOUND, "acme/shop",
          stargate_producer_open(client, "persistent://acme/shop/t", options, TIMEOUT_MS, &producer, &error));
    OK(stargate_mock_create_namespace(mock, "acme/shop", &error));
    OK(stargate_mock_create_partitioned(mock, "persistent://acme/shop/t", 3, &error));
    OK(stargate_producer_open(client, "persistent://acme/shop/t", options, TIMEOUT_MS, &producer, &error));
    OK(stargate_producer_send(producer, &sent, TIMEOUT_MS, NULL, &error));
    stargate_producer_free(producer);

    /* A topic that ends. */
    OK(stargate_options_set(options, "initial_position", "earliest", &error));
    OK(stargate_mock_publish(mock, "ending", &sent, NULL, &error));
    OK(stargate_consumer_open(client, "ending", "s", options, TIMEOUT_MS, &consumer, &error));
    OK(stargate_mock_terminate(mock, "ending", &error));
    OK(stargate_consumer_receive(consumer, TIMEOUT_MS, &message, &error));
    OK(stargate_consumer_ack(consumer, message, &error));
    stargate_message_free(message);
    while (!end && seconds() < limit)
        OK(stargate_consumer_is_end_of_topic(consumer, TIMEOUT_MS, &end, &error));
    CHECK(end == 1);
    stargate_consumer_free(consumer);
    stargate_client_free(client);
    stargate_mock_free(mock);
    stargate_options_free(options);
}

/* Ends the producer of a supervisor: its connection breaks, and the next answer is one that does not heal. */
static void fail_producer(stargate_mock *mock, stargate_producer *producer)
{
    stargate_error *error = NULL;

    OK(stargate_mock_fault(mock, "connect", "t", "http:404", 1, &error));
    OK(stargate_mock_drop_connections(mock, "t", NULL, &error));
    while (stargate_producer_wait_connected(producer, TIMEOUT_MS, NULL) == STARGATE_OK)
        sleep_ms(1);
}

TEST(a_supervised_producer_is_opened_again_and_stays_down_when_it_fails_too_often)
{
    stargate_mock *mock = new_mock();
    stargate_error *error = NULL;
    stargate_supervisor *supervisor = NULL;
    stargate_producer *first = NULL, *second = NULL;
    stargate_outgoing message = text_message("x");
    char json[256];

    snprintf(json, sizeof json,
             "{\"name\": \"down\", \"host\": \"%s\", \"max_restarts\": 1, \"max_seconds\": 60,"
             " \"producer\": {\"topic\": \"t\"}}",
             strstr(stargate_mock_url(mock).ptr, "//") + 2);
    OK(stargate_supervisor_start(json, NULL, TIMEOUT_MS, &supervisor, &error));
    OK(stargate_supervisor_producer(supervisor, "t", &first, &error));
    fail_producer(mock, first);
    while (stargate_supervisor_producer(supervisor, "t", &second, NULL) != STARGATE_OK
           || stargate_producer_send(second, &message, TIMEOUT_MS, NULL, NULL) != STARGATE_OK) {
        stargate_producer_free(second);
        second = NULL;
        sleep_ms(1);
    }
    fail_producer(mock, second);
    stargate_producer_free(first);
    first = NULL;
    while (stargate_supervisor_producer(supervisor, "t", &first, NULL) == STARGATE_OK) {
        stargate_producer_free(first);
        first = NULL;
        sleep_ms(1);
    }
    FAILS(STARGATE_NOT_FOUND, "404", stargate_supervisor_producer(supervisor, "t", &first, &error));
    OK(stargate_supervisor_close(supervisor, TIMEOUT_MS, &error));
    stargate_producer_free(second);
    stargate_supervisor_free(supervisor);
    stargate_mock_free(mock);
}

/* A reader of a topic with one message and a tombstone, which it looks for soon. */
static stargate_reader *reader_of_a_tombstone(stargate_mock *mock, stargate_client *client, const char *skips,
                                              char **id)
{
    stargate_outgoing tombstone = STARGATE_OUTGOING_INIT;
    stargate_options *options = stargate_options_new();
    stargate_reader *reader = NULL;
    stargate_error *error = NULL;

    publish(mock, "t", "first");
    OK(stargate_mock_publish(mock, "t", &tombstone, id, &error));
    OK(stargate_options_set(options, "starting_message", "earliest", &error));
    OK(stargate_options_set(options, "tombstone_check_interval", "100", &error));
    OK(stargate_options_set(options, "skip_tombstones", skips, &error));
    OK(stargate_reader_open(client, "t", options, TIMEOUT_MS, &reader, &error));
    stargate_options_free(options);
    return reader;
}

TEST(reading_to_the_end_ends_at_a_tombstone_that_is_skipped_and_fails_at_one_that_is_not)
{
    const char *skips;
    int round;

    for (round = 0; round < 2; round++) {
        stargate_mock *mock = new_mock();
        stargate_client *client = client_of(mock);
        stargate_message *message = NULL;
        stargate_error *error = NULL;
        stargate_reader *reader;
        char *id = NULL;

        skips = round == 0 ? "true" : "false";
        reader = reader_of_a_tombstone(mock, client, skips, &id);
        OK(stargate_reader_mark_end(reader, TIMEOUT_MS, &error));
        CHECK(stargate_reader_receive_before_end(reader, TIMEOUT_MS, &message, &error) == STARGATE_OK);
        CHECK(is_text(stargate_message_payload(message), "first"));
        stargate_message_free(message);
        CHECK(stargate_reader_receive_before_end(reader, 0, &message, &error) == STARGATE_TIMEOUT && error == NULL);
        if (round == 1) {
            FAILS(STARGATE_BROKER, "skip_tombstones or a seek",
                  stargate_reader_receive_before_end(reader, TIMEOUT_MS, &message, &error));
            OK(stargate_reader_seek(reader, id, 1, TIMEOUT_MS, &error));
        }
        message = (stargate_message *)&message;
        OK(stargate_reader_receive_before_end(reader, TIMEOUT_MS, &message, &error));
        CHECK(message == NULL && stargate_reader_is_caught_up(reader));
        stargate_string_free(id);
        stargate_reader_free(reader);
        stargate_client_free(client);
        stargate_mock_free(mock);
    }
}
