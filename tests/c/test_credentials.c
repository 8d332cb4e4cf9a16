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
