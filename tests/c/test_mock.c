/* The mock broker as an application's tests use it: faults, waits, and what came in. No real broker takes part. */
#include "testing.h"

#include <stargate_mock.h>

static stargate_mock *new_mock(void)
{
    stargate_mock *mock = NULL;
    stargate_error *error = NULL;

    OK(stargate_mock_start(NULL, &mock, &error));
    return mock;
}

static stargate_client *client_of(stargate_mock *mock)
{
    stargate_client *client = NULL;
    stargate_error *error = NULL;

    OK(stargate_client_new(stargate_mock_url(mock).ptr, NULL, &client, &error));
    return client;
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
