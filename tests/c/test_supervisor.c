/* Supervisors, and producing without keeping anything. */
#include "testing.h"

#include <stargate_mock.h>

/* The broker's "host:port". */
static const char *host(void)
{
    return strstr(broker(), "://") + 3;
}

TEST(a_supervisor_opens_what_its_json_names)
{
    stargate_error *error = NULL;
    stargate_supervisor *supervisor = NULL, *same = NULL, *second = NULL;
    stargate_producer *producer = NULL;
    stargate_consumer *consumer = NULL;
    stargate_reader *reader = NULL;
    stargate_message *received = NULL;
    stargate_outgoing message = text_message("x");
    char *keys = NULL;
    char json[1024];
    const char *topic = new_topic();

    snprintf(json, sizeof json,
             "{\"name\": \"%s\", \"host\": \"%s\", \"protocol\": \"ws\", \"producer\": {\"topic\": \"%s\"},"
             " \"consumer\": {\"topic\": \"%s\", \"subscription\": \"s\"},"
             " \"reader\": {\"topic\": \"%s\", \"starting_message\": \"earliest\"}}",
             topic, host(), topic, topic, topic);
    OK(stargate_supervisor_start(json, NULL, TIMEOUT_MS, &supervisor, &error));
    FAILS(STARGATE_BUSY, topic, stargate_supervisor_start(json, NULL, TIMEOUT_MS, &second, &error));
    OK(stargate_supervisor_find(topic, &same, &error));
    OK(stargate_supervisor_keys_json(same, &keys, &error));
    CHECK(strstr(keys, "\"component\":\"consumer\"") != NULL && strstr(keys, "\"subscription\":\"s\"") != NULL);
    OK(stargate_supervisor_producer(same, topic, &producer, &error));
    OK(stargate_supervisor_consumer(same, topic, NULL, &consumer, &error));
    OK(stargate_supervisor_reader(same, topic, &reader, &error));
    OK(stargate_producer_send(producer, &message, TIMEOUT_MS, NULL, &error));
    OK(stargate_consumer_receive(consumer, TIMEOUT_MS, &received, &error));
    OK(stargate_consumer_ack(consumer, received, &error));
    stargate_message_free(received);
    OK(stargate_reader_receive(reader, TIMEOUT_MS, &received, &error));
    stargate_message_free(received);
    stargate_consumer_free(consumer);
    FAILS(STARGATE_NOT_FOUND, "on other", stargate_supervisor_consumer(same, topic, "other", &consumer, &error));
    OK(stargate_supervisor_close(supervisor, TIMEOUT_MS, &error));
    FAILS(STARGATE_NOT_FOUND, topic, stargate_supervisor_find(topic, &second, &error));
    stargate_string_free(keys);
    stargate_producer_free(producer);
    stargate_reader_free(reader);
    stargate_supervisor_free(same);
    stargate_supervisor_free(supervisor);
}

TEST(freeing_what_a_supervisor_gave_does_not_close_it)
{
    stargate_error *error = NULL;
    stargate_options *options = stargate_options_new();
    stargate_mock *mock = NULL;
    stargate_supervisor *supervisor = NULL;
    stargate_producer *producer = NULL;
    stargate_consumer *consumer = NULL;
    stargate_message *received = NULL;
    stargate_outgoing message = text_message("x");
    char json[512];
    int i;

    OK(stargate_mock_start(NULL, &mock, &error));
    snprintf(json, sizeof json,
             "{\"name\": \"freeing\", \"host\": \"%s\", \"protocol\": \"ws\", \"producer\": {\"topic\": \"t\"},"
             " \"consumer\": {\"topic\": \"t\", \"subscription\": \"s\"}}",
             strstr(stargate_mock_url(mock).ptr, "://") + 3);
    OK(stargate_options_poll_callbacks(options, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "poll", stargate_supervisor_start(json, options, TIMEOUT_MS, &supervisor, &error));
    OK(stargate_supervisor_start(json, NULL, TIMEOUT_MS, &supervisor, &error));
    for (i = 0; i < 2; i++) {
        OK(stargate_supervisor_producer(supervisor, "t", &producer, &error));
        OK(stargate_supervisor_consumer(supervisor, "t", "s", &consumer, &error));
        OK(stargate_producer_send(producer, &message, TIMEOUT_MS, NULL, &error));
        OK(stargate_consumer_receive(consumer, TIMEOUT_MS, &received, &error));
        stargate_message_free(received);
        stargate_consumer_free(consumer);
        stargate_producer_free(producer);
    }
    CHECK(stargate_mock_connections(mock) == 2);
    OK(stargate_supervisor_close(supervisor, TIMEOUT_MS, &error));
    stargate_supervisor_free(supervisor);
    stargate_mock_free(mock);
    stargate_options_free(options);
}

TEST(mistakes_in_a_configuration_are_named)
{
    stargate_error *error = NULL;
    stargate_supervisor *supervisor = NULL;

    FAILS(STARGATE_INVALID_ARGUMENT, "not JSON", stargate_supervisor_start("{", NULL, 0, &supervisor, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "host is missing", stargate_supervisor_start("{}", NULL, 0, &supervisor, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "\"ping_interval\"",
          stargate_supervisor_start("{\"host\": \"h:1\", \"ping_intervall\": 1}", NULL, 0, &supervisor, &error));
}

static int32_t count(void *state, const stargate_message *message)
{
    (void)message;
    counter_add(state);
    return STARGATE_ACK;
}

TEST(a_supervised_consumer_has_its_handler)
{
    stargate_error *error = NULL;
    stargate_supervisor *supervisor = NULL;
    stargate_producer *producer = NULL;
    stargate_handler handler = STARGATE_HANDLER_INIT;
    stargate_outgoing message = text_message("x");
    counter handled = COUNTER_INIT;
    char json[512];
    const char *topic = new_topic();

    snprintf(json, sizeof json, "{\"name\": \"%s\", \"host\": \"%s\"}", topic, host());
    OK(stargate_supervisor_start(json, NULL, TIMEOUT_MS, &supervisor, &error));
    snprintf(json, sizeof json, "{\"topic\": \"%s\", \"subscription\": \"s\"}", topic);
    handler.handle = count;
    OK(stargate_supervisor_add_consumer(supervisor, json, &handler, &handled, count_destroy, TIMEOUT_MS, &error));
    FAILS(STARGATE_BUSY, "already",
          stargate_supervisor_add_consumer(supervisor, json, NULL, NULL, NULL, TIMEOUT_MS, &error));
    snprintf(json, sizeof json, "{\"topic\": \"%s\"}", topic);
    OK(stargate_supervisor_add_producer(supervisor, json, TIMEOUT_MS, &error));
    OK(stargate_supervisor_producer(supervisor, topic, &producer, &error));
    OK(stargate_producer_send(producer, &message, TIMEOUT_MS, NULL, &error));
    counter_wait(&handled, 1);
    OK(stargate_supervisor_close(supervisor, TIMEOUT_MS, &error));
    stargate_producer_free(producer);
    stargate_supervisor_free(supervisor);
    counter_wait(&handled, 2); /* the handler's data is destroyed, too */
}

TEST(ad_hoc_producing_takes_a_url)
{
    stargate_error *error = NULL;
    stargate_client *client = NULL;
    stargate_reader *reader = NULL;
    stargate_message *received = NULL;
    stargate_options *options = stargate_options_new();
    stargate_outgoing messages[2] = {text_message("one"), text_message("two")};
    stargate_send_result results[2];
    const char *topic = new_topic();
    char url[512];

    snprintf(url, sizeof url, "%s/ws/v2/producer/persistent/public/default/%s", broker(), topic);
    OK(stargate_produce(url, messages, 2, NULL, TIMEOUT_MS, results, &error));
    CHECK(results[0].status == STARGATE_OK && results[1].message_id != NULL);
    stargate_send_results_free(results, 2);
    OK(stargate_client_new(broker(), NULL, &client, &error));
    OK(stargate_options_set(options, "starting_message", "earliest", &error));
    OK(stargate_reader_open(client, topic, options, TIMEOUT_MS, &reader, &error));
    OK(stargate_reader_receive(reader, TIMEOUT_MS, &received, &error));
    CHECK(stargate_message_payload(received).len == 3);
    FAILS(STARGATE_INVALID_ARGUMENT, "/ws/v2/producer/",
          stargate_produce("ws://h:1/ws/v2/consumer/persistent/a/b/c", messages, 2, NULL, 0, results, &error));
    CHECK(results[0].status == STARGATE_INVALID_ARGUMENT && results[1].error == NULL);
    snprintf(url, sizeof url, "%s/ws/v2/producer/persistent/public/nowhere/%s", broker(), topic);
    FAILS(STARGATE_NOT_FOUND, "nowhere", stargate_produce(url, messages, 2, NULL, TIMEOUT_MS, results, &error));
    CHECK(results[0].status == STARGATE_NOT_FOUND && results[1].status == STARGATE_NOT_FOUND);
    CHECK(results[0].message_id == NULL && results[0].error == NULL);
    stargate_message_free(received);
    stargate_options_free(options);
    stargate_reader_free(reader);
    stargate_client_free(client);
}
