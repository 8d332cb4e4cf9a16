/*
 * The client in a libuv loop, with everything else that the loop does: a timer sends a message every 10 ms, and a
 * handler counts what comes back. No callback runs on another thread, so nothing here is locked.
 *
 *     ./libuv_loop [ws://localhost:8080]       (or PULSAR_URL in the environment)
 */
#define _POSIX_C_SOURCE 200809L
#include <stargate.h>
#include <uv.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MESSAGES = 100, TIMEOUT_MS = 10000 };

typedef struct {
    stargate_client *client;
    stargate_producer *producer;
    uv_poll_t callbacks;
    uv_timer_t every_10_ms;
    uv_timer_t patience;
    int sent;
    int stored;
    int handled;
} application;

static void check(stargate_status status, stargate_error *error)
{
    if (status == STARGATE_OK)
        return;
    fprintf(stderr, "%s: %s\n", stargate_status_name(status), stargate_error_message(error).ptr);
    exit(1);
}

static void check_uv(int status)
{
    if (status >= 0)
        return;
    fprintf(stderr, "libuv: %s\n", uv_strerror(status));
    exit(1);
}

/* With the last handle closed the loop has nothing to wait for, and uv_run returns. */
static void end_when_done(application *app)
{
    if (app->stored < MESSAGES || app->handled < MESSAGES || uv_is_closing((uv_handle_t *)&app->callbacks))
        return;
    uv_close((uv_handle_t *)&app->callbacks, NULL);
    uv_close((uv_handle_t *)&app->every_10_ms, NULL);
    uv_close((uv_handle_t *)&app->patience, NULL);
}

static void on_sent(void *user_data, const stargate_delivery_report *sent)
{
    application *app = user_data;

    if (sent->error == NULL)
        app->stored++;
    else
        fprintf(stderr, "not stored: %s\n", stargate_error_message(sent->error).ptr);
}

static int32_t handle(void *state, const stargate_message *message)
{
    application *app = state;

    (void)message;
    app->handled++;
    return STARGATE_ACK;
}

/* The descriptor is readable as long as something is due, so it does not matter how much one poll runs. */
static void on_callbacks_due(uv_poll_t *poll, int status, int events)
{
    application *app = poll->data;
    stargate_error *error = NULL;

    (void)events;
    check_uv(status);
    check(stargate_client_poll(app->client, 0, NULL, &error), error);
    end_when_done(app);
}

static void on_timer(uv_timer_t *timer)
{
    application *app = timer->data;
    stargate_outgoing message = STARGATE_OUTGOING_INIT;
    stargate_error *error = NULL;

    message.payload.ptr = "tick";
    message.payload.len = 4;
    /* 0: a loop does not wait for room; a full queue would be an error here. */
    check(stargate_producer_send_async(app->producer, &message, 0, on_sent, app, NULL, &error), error);
    if (++app->sent == MESSAGES)
        uv_timer_stop(timer);
}

static void on_no_patience(uv_timer_t *timer)
{
    (void)timer;
    fprintf(stderr, "it was not done in %d ms\n", TIMEOUT_MS);
    exit(1);
}

int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : getenv("PULSAR_URL");
    stargate_options *options = stargate_options_new();
    stargate_consumer *consumer = NULL;
    stargate_error *error = NULL;
    stargate_handler handler = STARGATE_HANDLER_INIT;
    uv_loop_t loop;
    application app = {0};
    int32_t descriptor = -1;
    char topic[64];

    snprintf(topic, sizeof topic, "example-libuv-%ld", (long)time(NULL));
    check(stargate_options_poll_callbacks(options, &error), error);
    check(stargate_client_new(url != NULL ? url : "ws://localhost:8080", options, &app.client, &error), error);
    check(stargate_client_event_fd(app.client, &descriptor, &error), error);
    check(stargate_consumer_open(app.client, topic, "example", NULL, TIMEOUT_MS, &consumer, &error), error);
    handler.handle = handle;
    check(stargate_consumer_listen(consumer, &handler, &app, NULL, &error), error);
    check(stargate_producer_open(app.client, topic, NULL, TIMEOUT_MS, &app.producer, &error), error);

    check_uv(uv_loop_init(&loop));
    check_uv(uv_poll_init(&loop, &app.callbacks, descriptor));
    check_uv(uv_timer_init(&loop, &app.every_10_ms));
    check_uv(uv_timer_init(&loop, &app.patience));
    app.callbacks.data = app.every_10_ms.data = &app;
    check_uv(uv_poll_start(&app.callbacks, UV_READABLE, on_callbacks_due));
    check_uv(uv_timer_start(&app.every_10_ms, on_timer, 10, 10));
    check_uv(uv_timer_start(&app.patience, on_no_patience, TIMEOUT_MS, 0));
    check_uv(uv_run(&loop, UV_RUN_DEFAULT));
    check_uv(uv_loop_close(&loop));

    printf("sent %d, stored %d, handled %d, all on one thread\n", app.sent, app.stored, app.handled);
    /* Only now: libuv must not watch a descriptor that is gone. The close itself runs what is still due. */
    check(stargate_client_close(app.client, TIMEOUT_MS, &error), error);
    stargate_producer_free(app.producer);
    stargate_consumer_free(consumer);
    stargate_client_free(app.client);
    stargate_options_free(options);
    return 0;
}
