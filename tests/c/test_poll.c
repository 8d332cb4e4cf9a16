/* Callbacks and handlers in the application's own loop, by a file descriptor in epoll. */
#include "testing.h"

#include <sys/epoll.h>
#include <unistd.h>

enum { MESSAGES = 200 };

/* Everything here is of one thread: plain numbers, no locks. */
typedef struct {
    pthread_t thread;
    stargate_consumer *consumer;
    int states;
    int sent;
    int handled;
    int wrong;
    int made;
    int dropped;
    int destroyed;
} application;

static void here(application *app)
{
    CHECK(pthread_equal(app->thread, pthread_self()));
}

static void on_state(void *data, const stargate_state_change *change)
{
    application *app = data;

    here(app);
    (void)change;
    app->states++;
}

static void on_sent(void *data, const stargate_delivery_report *sent)
{
    application *app = data;

    here(app);
    CHECK(sent->error == NULL);
    app->sent++;
}

static stargate_status make(void *data, uint32_t processor, void **state)
{
    application *app = data;

    here(app);
    (void)processor;
    app->made++;
    *state = app;
    return STARGATE_OK;
}

static int32_t handle(void *state, const stargate_message *message)
{
    application *app = state;
    char text[16];

    here(app);
    snprintf(text, sizeof text, "%d", app->handled++);
    if (!is_text(stargate_message_payload(message), text))
        app->wrong++;
    return STARGATE_ACK;
}

static void drop(void *state)
{
    application *app = state;

    here(app);
    app->dropped++;
}

static void destroyed(void *data)
{
    application *app = data;

    app->destroyed++;
}

static stargate_client *new_polled_client(application *app)
{
    stargate_options *options = stargate_options_new();
    stargate_client *client = NULL;
    stargate_error *error = NULL;

    OK(stargate_options_poll_callbacks(options, &error));
    if (app != NULL)
        OK(stargate_options_on_state(options, on_state, app, NULL, &error));
    OK(stargate_client_new(broker(), options, &client, &error));
    stargate_options_free(options);
    return client;
}

TEST(callbacks_and_handlers_run_in_an_epoll_loop)
{
    application app = {pthread_self(), NULL, 0, 0, 0, 0, 0, 0, 0};
    stargate_client *client = new_polled_client(&app);
    stargate_handler handler = {sizeof handler, make, handle, drop};
    stargate_error *error = NULL;
    const char *topic = new_topic();
    stargate_producer *producer = new_producer(client, topic);
    struct epoll_event event;
    int32_t descriptor = -1;
    int epoll = epoll_create1(EPOLL_CLOEXEC), i;
    double limit = seconds() + 30;
    size_t served = 0;

    OK(stargate_client_event_fd(client, &descriptor, &error));
    CHECK(descriptor >= 0);
    memset(&event, 0, sizeof event);
    event.events = EPOLLIN;
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0);

    OK(stargate_consumer_open(client, topic, "s", NULL, TIMEOUT_MS, &app.consumer, &error));
    OK(stargate_consumer_listen(app.consumer, &handler, &app, destroyed, &error));
    CHECK(app.made == 1 && app.states == 0);
    for (i = 0; i < MESSAGES; i++) {
        char text[16];
        stargate_outgoing message = text_message((snprintf(text, sizeof text, "%d", i), text));
        OK(stargate_producer_send_async(producer, &message, -1, on_sent, &app, NULL, &error));
    }
    sleep_ms(200);
    /* Receipts are here, and nothing has run. */
    CHECK(app.sent == 0 && app.handled == 0);
    while ((app.sent < MESSAGES || app.handled < MESSAGES) && seconds() < limit) {
        CHECK(epoll_wait(epoll, &event, 1, 10000) == 1);
        OK(stargate_client_poll(client, 0, &served, &error));
    }
    CHECK(app.sent == MESSAGES && app.handled == MESSAGES && app.wrong == 0 && app.states >= 2);

    /* Nothing is due, and the descriptor says so. */
    OK(stargate_client_poll(client, 50, &served, &error));
    CHECK(served == 0 && epoll_wait(epoll, &event, 1, 0) == 0);

    /* A close runs what is due itself. */
    OK(stargate_consumer_close(app.consumer, TIMEOUT_MS, &error));
    CHECK(app.dropped == 1 && app.destroyed == 1);
    OK(stargate_client_close(client, TIMEOUT_MS, &error));
    FAILS(STARGATE_CLOSED, "poll callbacks", stargate_client_poll(client, -1, NULL, &error));
    stargate_consumer_free(app.consumer);
    stargate_producer_free(producer);
    stargate_client_free(client);
    close(epoll);
}

static int32_t close_and_poll(void *state, const stargate_message *message)
{
    application *app = state;
    stargate_error *error = NULL;

    (void)message;
    OK(stargate_consumer_close(app->consumer, TIMEOUT_MS, &error));
    app->handled++;
    return STARGATE_ACK;
}

TEST(a_polled_consumer_may_be_closed_in_its_handler_and_its_acknowledgement_counts)
{
    application app = {pthread_self(), NULL, 0, 0, 0, 0, 0, 0, 0};
    stargate_client *client = new_polled_client(NULL);
    stargate_handler handler = {sizeof handler, NULL, close_and_poll, NULL};
    stargate_error *error = NULL;
    stargate_outgoing message = text_message("x");
    stargate_message *received = NULL;
    const char *topic = new_topic();
    stargate_producer *producer = new_producer(client, topic);
    double limit = seconds() + 30;
    int i;

    OK(stargate_consumer_open(client, topic, "s", NULL, TIMEOUT_MS, &app.consumer, &error));
    OK(stargate_consumer_listen(app.consumer, &handler, &app, destroyed, &error));
    OK(stargate_producer_send(producer, &message, -1, NULL, &error));
    while (app.destroyed == 0 && seconds() < limit)
        OK(stargate_client_poll(client, 100, NULL, &error));
    CHECK(app.handled == 1 && app.destroyed == 1);
    for (i = 0; i < 3; i++)
        OK(stargate_client_poll(client, 100, NULL, &error));
    stargate_consumer_free(app.consumer);
    OK(stargate_consumer_open(client, topic, "s", NULL, TIMEOUT_MS, &app.consumer, &error));
    CHECK(stargate_consumer_receive(app.consumer, 1000, &received, &error) == STARGATE_TIMEOUT);
    stargate_consumer_free(app.consumer);
    stargate_producer_free(producer);
    stargate_client_free(client);
}

static void count_failed(void *data, const stargate_delivery_report *sent)
{
    CHECK(sent->error != NULL);
    counter_add(data);
}

TEST(a_polled_producer_freed_with_sends_in_flight_calls_each_back)
{
    enum { SENDS = 20 };
    stargate_options *options = stargate_options_new();
    stargate_client *client = NULL;
    stargate_producer *producer = NULL;
    stargate_error *error = NULL;
    stargate_outgoing message = text_message("x");
    counter gone = COUNTER_INIT;
    int i;

    OK(stargate_options_poll_callbacks(options, &error));
    OK(stargate_options_set(options, "lazy", "true", &error));
    OK(stargate_client_new("ws://127.0.0.1:9", options, &client, &error));
    OK(stargate_producer_open(client, "t", NULL, -1, &producer, &error));
    for (i = 0; i < SENDS; i++) {
        OK(stargate_producer_send_async(producer, &message, 0, count_failed, &gone, count_destroy, &error));
    }
    stargate_producer_free(producer);
    CHECK(counter_get(&gone) == 2 * SENDS);
    stargate_client_free(client);
    stargate_options_free(options);
}

typedef struct {
    stargate_client *client;
    counter inside;
    counter released;
} held;

static void hold(void *data, const stargate_delivery_report *sent)
{
    held *held = data;

    (void)sent;
    counter_add(&held->inside);
    counter_wait(&held->released, 1);
}

static void count_sent(void *data, const stargate_delivery_report *sent)
{
    (void)sent;
    counter_add(data);
}

static void *poll_once(void *data)
{
    held *held = data;
    stargate_error *error = NULL;

    OK(stargate_client_poll(held->client, TIMEOUT_MS, NULL, &error));
    return NULL;
}

static void *release(void *data)
{
    held *held = data;

    sleep_ms(100);
    counter_add(&held->released);
    return NULL;
}

TEST(a_close_runs_what_a_thread_that_polled_once_has_left)
{
    held held = {new_polled_client(NULL), COUNTER_INIT, COUNTER_INIT};
    stargate_error *error = NULL;
    stargate_outgoing message = text_message("x");
    stargate_producer *producer = new_producer(held.client, new_topic());
    counter sent = COUNTER_INIT;
    pthread_t polls, releases;

    OK(stargate_producer_send_async(producer, &message, -1, hold, &held, NULL, &error));
    pthread_create(&polls, NULL, poll_once, &held);
    counter_wait(&held.inside, 1);
    OK(stargate_producer_send_async(producer, &message, -1, count_sent, &sent, count_destroy, &error));
    OK(stargate_producer_flush(producer, TIMEOUT_MS, &error));
    pthread_create(&releases, NULL, release, &held);
    OK(stargate_producer_close(producer, TIMEOUT_MS, &error));
    CHECK(counter_get(&sent) == 2);
    pthread_join(polls, NULL);
    pthread_join(releases, NULL);
    stargate_producer_free(producer);
    stargate_client_free(held.client);
}

TEST(a_client_with_a_thread_for_callbacks_cannot_be_polled)
{
    stargate_client *client = NULL;
    stargate_error *error = NULL;
    int32_t descriptor = 0;

    OK(stargate_client_new("ws://127.0.0.1:9", NULL, &client, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "thread", stargate_client_poll(client, 0, NULL, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "thread", stargate_client_event_fd(client, &descriptor, &error));
    CHECK(descriptor == -1);
    stargate_client_free(client);
}
