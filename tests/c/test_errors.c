/* Every error has a kind to act on, and a text that names the cause; and it comes within its time. */
#include "testing.h"

TEST(a_host_that_does_not_answer)
{
    stargate_client *client = NULL;
    stargate_producer *producer = NULL;
    stargate_error *error = NULL;
    double begun = seconds();

    OK(stargate_client_new("ws://127.0.0.1:9", NULL, &client, &error));
    FAILS(STARGATE_CONNECT, "127.0.0.1:9", stargate_producer_open(client, "orders", NULL, 10000, &producer, &error));
    CHECK(producer == NULL);
    stargate_client_free(client);
    OK(stargate_client_new("ws://no-such-host.invalid:8080", NULL, &client, &error));
    FAILS(STARGATE_CONNECT, "no-such-host.invalid",
          stargate_producer_open(client, "orders", NULL, 10000, &producer, &error));
    stargate_client_free(client);
    CHECK(seconds() - begun < 20);
}

TEST(an_open_ends_within_its_time)
{
    stargate_options *options = stargate_options_new();
    stargate_client *client = NULL;
    stargate_producer *producer = NULL;
    stargate_error *error = NULL;
    double begun = seconds();

    /* Retried without limit, because with `lazy` the first attempt may fail. */
    OK(stargate_options_set(options, "lazy", "true", &error));
    OK(stargate_client_new("ws://127.0.0.1:9", options, &client, &error));
    OK(stargate_producer_open(client, "orders", NULL, 10000, &producer, &error));
    FAILS(STARGATE_TIMEOUT, "connect to persistent://public/default/orders",
          stargate_producer_wait_connected(producer, 300, &error));
    CHECK(seconds() - begun < 10);
    stargate_producer_free(producer);
    stargate_client_free(client);
    stargate_options_free(options);
}

TEST(a_namespace_that_is_missing)
{
    stargate_client *client = new_client();
    stargate_producer *producer = NULL;
    stargate_consumer *consumer = NULL;
    stargate_reader *reader = NULL;
    stargate_error *error = NULL;
    const char *topic = "persistent://public/nowhere/orders";

    CHECK(stargate_producer_open(client, topic, NULL, TIMEOUT_MS, &producer, &error) == STARGATE_NOT_FOUND);
    CHECK(stargate_error_http_status(error) == 404);
    CHECK(!stargate_error_is_retriable(error));
    CHECK(strcmp(stargate_error_topic(error).ptr, topic) == 0);
    CHECK(strstr(stargate_error_message(error).ptr, topic) != NULL);
    printf("%s\n", stargate_error_message(error).ptr);
    stargate_error_free(error);
    FAILS(STARGATE_NOT_FOUND, topic, stargate_consumer_open(client, topic, "s", NULL, TIMEOUT_MS, &consumer, &error));
    FAILS(STARGATE_NOT_FOUND, topic, stargate_reader_open(client, topic, NULL, TIMEOUT_MS, &reader, &error));
    stargate_client_free(client);
}

TEST(an_exclusive_subscription_in_use)
{
    stargate_client *client = new_client();
    stargate_consumer *first = NULL, *second = NULL;
    stargate_error *error = NULL;
    const char *topic = new_topic();

    OK(stargate_consumer_open(client, topic, "mine", NULL, TIMEOUT_MS, &first, &error));
    CHECK(stargate_consumer_open(client, topic, "mine", NULL, TIMEOUT_MS, &second, &error) == STARGATE_BUSY);
    CHECK(strstr(stargate_error_message(error).ptr, topic) != NULL);
    CHECK(stargate_error_http_status(error) == 409 && stargate_error_is_retriable(error));
    printf("%s\n", stargate_error_message(error).ptr);
    stargate_error_free(error);
    CHECK(second == NULL);
    stargate_consumer_free(first);
    stargate_client_free(client);
}

TEST(a_message_of_2_mb)
{
    enum { SIZE = 2 * 1024 * 1024 };
    stargate_client *client = new_client();
    stargate_producer *producer = new_producer(client, new_topic());
    stargate_error *error = NULL;
    stargate_outgoing message = STARGATE_OUTGOING_INIT, small = text_message("small");
    char *payload = calloc(1, SIZE);

    message.payload.ptr = payload;
    message.payload.len = SIZE;
    FAILS(STARGATE_TOO_BIG, "1048576", stargate_producer_send(producer, &message, TIMEOUT_MS, NULL, &error));
    /* The connection is none the worse for it. */
    OK(stargate_producer_send(producer, &small, TIMEOUT_MS, NULL, &error));
    free(payload);
    stargate_producer_free(producer);
    stargate_client_free(client);
}

static void ignore_log(void *data, int32_t level, stargate_str target, stargate_str text)
{
    (void)data, (void)level, (void)target, (void)text;
}

TEST(options_that_are_not_acceptable)
{
    stargate_options *options = stargate_options_new();
    stargate_client *client = NULL;
    stargate_producer *producer = NULL;
    stargate_error *error = NULL;

    FAILS(STARGATE_INVALID_ARGUMENT, "\"ack_timeout\"", stargate_options_set(options, "ack_timout", "1", &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "(see docs/configuration.md#queue_size)",
          stargate_options_set(options, "queue_size", "0", &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "from 1 to 1000", stargate_options_set(options, "queue_size", "0", &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "max_level is 7",
          stargate_options_on_log(options, 7, ignore_log, NULL, NULL, &error));
    OK(stargate_client_new("ws://127.0.0.1:9", NULL, &client, &error));
    OK(stargate_options_set(options, "queue_size", "10", &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "applies to consumer, reader",
          stargate_producer_open(client, "t", options, 1000, &producer, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "timeout_ms is -2",
          stargate_producer_open(client, "t", NULL, -2, &producer, &error));
    stargate_client_free(client);
    FAILS(STARGATE_INVALID_ARGUMENT, "it has no scheme", stargate_client_new("http//x", NULL, &client, &error));
    CHECK(client == NULL);
    stargate_options_free(options);
}

/* What goes wrong on the first day says what was wrong, and what would be right. */
TEST(a_beginners_mistakes_are_named)
{
    static const struct {
        const char *url, *topic;
        stargate_status status;
        const char *wrong, *right;
    } mistakes[] = {
        {"localhost:8080", "t", STARGATE_INVALID_ARGUMENT, "\"localhost:8080\"", "expected ws://host:port"},
        {"pulsar://localhost:6650", "t", STARGATE_INVALID_ARGUMENT, "the binary protocol", "expected ws://host:port"},
        {"ws://localhost:8080/ws/v2", "t", STARGATE_INVALID_ARGUMENT, "its path", "give the address before /ws"},
        {"ws://me:secret@localhost", "t", STARGATE_INVALID_ARGUMENT, "credentials", "use auth_token"},
        {"ws://127.0.0.1:9", "t", STARGATE_CONNECT, "127.0.0.1:9", "Connection refused"},
        {NULL, "persistant://public/default/t", STARGATE_INVALID_ARGUMENT, "persistant://", "persistent://"},
        {NULL, "public/t", STARGATE_INVALID_ARGUMENT, "\"public/t\"", "tenant/namespace/topic"},
        {NULL, "public/defualt/t", STARGATE_NOT_FOUND, "public/defualt", "Namespace not found"},
    };
    size_t i;

    for (i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        stargate_client *client = NULL;
        stargate_producer *producer = NULL;
        stargate_error *error = NULL;
        const char *url = mistakes[i].url != NULL ? mistakes[i].url : broker();
        stargate_status status = stargate_client_new(url, NULL, &client, &error);

        if (status == STARGATE_OK)
            status = stargate_producer_open(client, mistakes[i].topic, NULL, TIMEOUT_MS, &producer, &error);
        testing_expect(__FILE__, __LINE__, url, mistakes[i].status, mistakes[i].wrong, status, error);
        testing_expect(__FILE__, __LINE__, url, mistakes[i].status, mistakes[i].right, status, error);
        CHECK(strstr(stargate_error_message(error).ptr, "secret") == NULL);
        stargate_error_free(error);
        stargate_client_free(client);
    }
}

TEST(text_that_is_not_utf8)
{
    stargate_options *options = stargate_options_new();
    stargate_client *client = NULL;
    stargate_producer *producer = NULL;
    stargate_consumer *consumer = NULL;
    stargate_error *error = NULL;
    stargate_outgoing message = text_message("x");
    const stargate_property bad_value = {"k", "\xff"};
    const char *bad = "a\xff"
                      "b";

    FAILS(STARGATE_INVALID_ARGUMENT, "key is not UTF-8", stargate_options_set(options, bad, "1", &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "value is not UTF-8", stargate_options_set(options, "name", bad, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "url is not UTF-8", stargate_client_new(bad, NULL, &client, &error));
    OK(stargate_options_set(options, "lazy", "true", &error));
    OK(stargate_client_new("ws://127.0.0.1:9", options, &client, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "topic is not UTF-8",
          stargate_producer_open(client, bad, NULL, 0, &producer, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "subscription is not UTF-8",
          stargate_consumer_open(client, "t", bad, NULL, 0, &consumer, &error));
    OK(stargate_producer_open(client, "t", NULL, -1, &producer, &error));
    message.key = bad;
    FAILS(STARGATE_INVALID_ARGUMENT, "message.key is not UTF-8",
          stargate_producer_send(producer, &message, 0, NULL, &error));
    message.key = NULL;
    message.properties = &bad_value;
    message.property_count = 1;
    FAILS(STARGATE_INVALID_ARGUMENT, "message.properties[].value is not UTF-8",
          stargate_producer_send(producer, &message, 0, NULL, &error));
    message.properties = NULL;
    FAILS(STARGATE_INVALID_ARGUMENT, "message.properties is NULL",
          stargate_producer_send(producer, &message, 0, NULL, &error));
    message.property_count = 0;
    message.replication_clusters = &bad;
    message.replication_cluster_count = 1;
    FAILS(STARGATE_INVALID_ARGUMENT, "message.replication_clusters[] is not UTF-8",
          stargate_producer_send(producer, &message, 0, NULL, &error));
    message.replication_clusters = NULL;
    FAILS(STARGATE_INVALID_ARGUMENT, "message.replication_clusters is NULL",
          stargate_producer_send(producer, &message, 0, NULL, &error));
    stargate_producer_free(producer);
    stargate_client_free(client);
    stargate_options_free(options);
}

TEST(a_size_that_no_memory_holds)
{
    stargate_options *options = stargate_options_new();
    stargate_client *client = NULL;
    stargate_producer *producer = NULL;
    stargate_error *error = NULL;
    stargate_outgoing message = text_message("x");

    OK(stargate_options_set(options, "lazy", "true", &error));
    OK(stargate_client_new("ws://127.0.0.1:9", options, &client, &error));
    OK(stargate_producer_open(client, "t", NULL, -1, &producer, &error));
    message.payload.len = (size_t)-1;
    FAILS(STARGATE_INVALID_ARGUMENT, "message.payload", stargate_producer_send(producer, &message, 0, NULL, &error));
    stargate_producer_free(producer);
    stargate_client_free(client);
    stargate_options_free(options);
}

TEST(an_error_is_not_needed)
{
    stargate_client *client = NULL;

    CHECK(stargate_client_new("nonsense://", NULL, &client, NULL) == STARGATE_INVALID_ARGUMENT);
    CHECK(client == NULL);
    CHECK(stargate_error_status(NULL) == STARGATE_OK && stargate_error_message(NULL).ptr[0] == 0);
}
