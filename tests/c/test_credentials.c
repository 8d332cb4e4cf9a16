/* OAuth2, Basic and what a client.conf says, on the mock broker, which is an issuer too. */
#include <stargate_mock.h>

#include "testing.h"

static stargate_options *options_of(const char *const *pairs)
{
    stargate_options *options = stargate_options_new();
    stargate_error *error = NULL;

    for (; *pairs != NULL; pairs += 2)
        OK(stargate_options_set(options, pairs[0], pairs[1], &error));
    return options;
}

/* Opens a producer of a client with these options, sends, and asks the REST API. */
static stargate_status exchange(stargate_mock *mock, const char *const *pairs, stargate_error **error)
{
    stargate_options *options = options_of(pairs);
    stargate_client *client = NULL;
    stargate_producer *producer = NULL;
    stargate_outgoing message = text_message("x");
    char *body = NULL;
    int32_t status = 0;
    stargate_status outcome = stargate_client_new(stargate_mock_url(mock).ptr, options, &client, error);

    if (outcome == STARGATE_OK)
        outcome = stargate_producer_open(client, "orders", NULL, TIMEOUT_MS, &producer, error);
    if (outcome == STARGATE_OK)
        outcome = stargate_producer_send(producer, &message, TIMEOUT_MS, NULL, error);
    if (outcome == STARGATE_OK)
        outcome = stargate_admin_request(client, "GET", "clusters", NULL, TIMEOUT_MS, &status, &body, error);
    stargate_string_free(body);
    stargate_producer_free(producer);
    stargate_client_free(client);
    stargate_options_free(options);
    return outcome;
}

static size_t fetches(stargate_mock *mock)
{
    stargate_error *error = NULL;
    size_t count = 0;

    OK(stargate_mock_count(mock, "http", "/oauth2/token", &count, &error));
    return count;
}

TEST(oauth2_tokens_are_fetched_and_renewed)
{
    stargate_mock_options mock_options = STARGATE_MOCK_OPTIONS_INIT;
    stargate_mock *mock = NULL;
    stargate_error *error = NULL;
    const char *pairs[] = {"oauth2_issuer_url",
                           NULL,
                           "oauth2_client_id",
                           "shop",
                           "oauth2_client_secret",
                           "hush",
                           "oauth2_audience",
                           "pulsar",
                           "oauth2_refresh",
                           "0.5",
                           NULL};

    mock_options.oauth2_client_id = "shop";
    mock_options.oauth2_client_secret = "hush";
    mock_options.oauth2_audience = "pulsar";
    OK(stargate_mock_start(&mock_options, &mock, &error));
    pairs[1] = stargate_mock_oauth2_issuer_url(mock).ptr;
    OK(exchange(mock, pairs, &error));
    CHECK(fetches(mock) == 1);
    pairs[7] = "elsewhere";
    FAILS(STARGATE_AUTHENTICATION, "oauth2_audience", exchange(mock, pairs, &error));
    pairs[5] = "s3cret";
    FAILS(STARGATE_AUTHENTICATION, "invalid_client", exchange(mock, pairs, &error));
    stargate_mock_free(mock);

    mock = NULL;
    mock_options.oauth2_token_life_ms = 1500;
    OK(stargate_mock_start(&mock_options, &mock, &error));
    pairs[1] = stargate_mock_oauth2_issuer_url(mock).ptr;
    pairs[5] = "hush";
    pairs[7] = "pulsar";
    {
        stargate_options *options = options_of(pairs);
        stargate_client *client = NULL;
        stargate_producer *producer = NULL;
        stargate_outgoing message = text_message("x");

        OK(stargate_client_new(stargate_mock_url(mock).ptr, options, &client, &error));
        OK(stargate_producer_open(client, "orders", NULL, TIMEOUT_MS, &producer, &error));
        OK(stargate_mock_wait(mock, "http", "/oauth2/token", 3, TIMEOUT_MS, &error));
        OK(stargate_mock_drop_connections(mock, NULL, NULL, &error));
        OK(stargate_producer_send(producer, &message, TIMEOUT_MS, NULL, &error));
        stargate_producer_free(producer);
        stargate_client_free(client);
        stargate_options_free(options);
    }
    stargate_mock_free(mock);
}

TEST(a_user_and_a_password_are_sent)
{
    stargate_mock_options mock_options = STARGATE_MOCK_OPTIONS_INIT;
    stargate_mock *mock = NULL;
    stargate_error *error = NULL;
    const char *right[] = {"basic_user", "mario", "basic_password", "pizza", NULL};
    const char *wrong[] = {"basic_user", "mario", "basic_password", "s3cret", NULL};
    const char *both[] = {"basic_user", "mario", "basic_password", "pizza", "auth_token", "t", NULL};
    const char *plugin[] = {"auth_plugin", "org.apache.pulsar.client.impl.auth.AuthenticationBasic", "auth_params",
                            "{\"userId\": \"mario\", \"password\": \"pizza\"}", NULL};
    const char *unknown[] = {"auth_plugin", "athenz", "auth_params", "x", NULL};

    mock_options.basic_user = "mario";
    FAILS(STARGATE_INVALID_ARGUMENT, "basic_user and options.basic_password need each other",
          stargate_mock_start(&mock_options, &mock, &error));
    mock_options.basic_password = "pizza";
    OK(stargate_mock_start(&mock_options, &mock, &error));
    OK(exchange(mock, right, &error));
    OK(exchange(mock, plugin, &error));
    FAILS(STARGATE_AUTHENTICATION, "the password of \"mario\" is not accepted", exchange(mock, wrong, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "auth_token and basic_user exclude each other", exchange(mock, both, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "\"athenz\" is not supported", exchange(mock, unknown, &error));
    stargate_mock_free(mock);
}

/* Wrong values of the options for proxies, gateways, credentials and compression, and a part of the error. */
TEST(clients_supervisors_and_ad_hoc_producing_refuse_the_same_values)
{
    static const char *const wrong[][3] = {
        {"proxy", "ftp://squid", "option proxy: its scheme"},
        {"no_proxy", "10.0.0.0/99", "no_proxy"},
        {"headers", "Host: x", "belongs to the connection"},
        {"cookies", "maybe", "cookies"},
        {"auth_token_in", "body", "header"},
        {"tls_ca", "x", "expected a text in PEM"},
        {"tls_server_name", "not a name", "tls_server_name"},
        {"oauth2_auth_method", "magic", "client_secret_post"},
        {"oauth2_scope", "s", "needs oauth2_key_file"},
        {"oauth2_refresh", "2", "from 0.1 to 1"},
        {"basic_user", "u", "needs basic_password"},
        {"auth_plugin", "athenz", "need each other"},
        {"websocket_compression", "maybe", "websocket_compression"},
        {"websocket_compression_level", "10", "from 1 to 9"},
        {"websocket_compression_min", "-1", "websocket_compression_min"},
        {"websocket_compression_context", "forget", "keep"},
    };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *key = wrong[i][0], *value = wrong[i][1], *words = wrong[i][2];
        stargate_options *options = stargate_options_new();
        stargate_client *client = NULL;
        stargate_supervisor *supervisor = NULL;
        stargate_error *error = NULL;
        stargate_outgoing message = text_message("x");
        stargate_send_result result = {0};
        char json[256];

        if (stargate_options_set(options, key, value, &error) == STARGATE_OK) {
            FAILS(STARGATE_INVALID_ARGUMENT, words, stargate_client_new("ws://127.0.0.1:1", options, &client, &error));
            FAILS(STARGATE_INVALID_ARGUMENT, words,
                  stargate_produce("ws://127.0.0.1:1/ws/v2/producer/persistent/public/default/t", &message, 1, options,
                                   TIMEOUT_MS, &result, &error));
        } else {
            CHECK(strstr(stargate_error_message(error).ptr, words) != NULL);
            stargate_error_free(error);
            error = NULL;
        }
        snprintf(json, sizeof json, "{\"host\": \"127.0.0.1:1\", \"producer\": {\"topic\": \"t\"}, \"%s\": \"%s\"}",
                 key, value);
        FAILS(STARGATE_INVALID_ARGUMENT, words, stargate_supervisor_start(json, NULL, TIMEOUT_MS, &supervisor, &error));
        stargate_options_free(options);
    }
}
