/* What C sees of a proxy. */
#include "proxy.h"

#include <stargate_mock.h>

typedef struct {
    const char *proxy; /* the one that is expected */
    counter connected;
} watch;

static void see(void *data, const stargate_state_change *change)
{
    watch *watch = data;

    if (change->state == STARGATE_STATE_CONNECTED) {
        CHECK(change->proxy.len == strlen(watch->proxy) && strcmp(change->proxy.ptr, watch->proxy) == 0);
        counter_add(&watch->connected);
    }
}

/* Sends a message to the mock with the value `option` of the option proxy, which the library shows as `shown`. */
static void send_one(const stargate_mock *mock, const char *option, const char *shown)
{
    watch watched = {NULL, COUNTER_INIT};
    stargate_outgoing message = text_message("through");
    stargate_options *options = stargate_options_new();
    stargate_client *client = NULL;
    stargate_producer *producer = NULL;
    stargate_error *error = NULL;
    char *proxy = NULL;

    watched.proxy = shown;
    OK(stargate_options_set(options, "proxy", option, &error));
    OK(stargate_options_on_state(options, see, &watched, NULL, &error));
    OK(stargate_client_new(stargate_mock_url(mock).ptr, options, &client, &error));
    OK(stargate_client_proxy(client, &proxy, &error));
    CHECK(strcmp(proxy, shown) == 0);
    stargate_string_free(proxy);
    OK(stargate_producer_open(client, "t", NULL, TIMEOUT_MS, &producer, &error));
    OK(stargate_producer_send(producer, &message, TIMEOUT_MS, NULL, &error));
    counter_wait(&watched.connected, 1);
    OK(stargate_client_close(client, TIMEOUT_MS, &error));
    stargate_producer_free(producer);
    stargate_client_free(client);
    stargate_options_free(options);
}

TEST(a_client_and_its_states_name_the_proxy_without_its_user)
{
    static counter tunnels = COUNTER_INIT;
    stargate_mock *mock = NULL;
    stargate_error *error = NULL;
    char option[64], shown[64];
    int port = proxy_start(&tunnels);

    OK(stargate_mock_start(NULL, &mock, &error));
    snprintf(option, sizeof option, "http://me:secret@127.0.0.1:%d", port);
    snprintf(shown, sizeof shown, "http://127.0.0.1:%d", port);
    send_one(mock, option, shown);
    CHECK(counter_get(&tunnels) == 1);
    send_one(mock, "none", "");
    CHECK(counter_get(&tunnels) == 1);
    stargate_mock_free(mock);
}

TEST(a_proxy_that_refuses_is_named_with_the_remedy)
{
    static counter tunnels = COUNTER_INIT;
    stargate_mock *mock = NULL;
    stargate_options *options = stargate_options_new();
    stargate_client *client = NULL;
    stargate_producer *producer = NULL;
    stargate_error *error = NULL;
    char option[64];

    OK(stargate_mock_start(NULL, &mock, &error));
    snprintf(option, sizeof option, "http://127.0.0.1:%d", proxy_start(&tunnels));
    OK(stargate_options_set(options, "proxy", option, &error));
    OK(stargate_client_new(stargate_mock_url(mock).ptr, options, &client, &error));
    FAILS(STARGATE_AUTHENTICATION, "give a user and password in option proxy",
          stargate_producer_open(client, "t", NULL, TIMEOUT_MS, &producer, &error));
    CHECK(producer == NULL && counter_get(&tunnels) == 0);
    stargate_client_free(client);
    stargate_options_free(options);
    stargate_mock_free(mock);
}
