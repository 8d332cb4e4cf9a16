/*
 * One thread does it all: an epoll loop, in which a timer sends a message every 10 ms and a handler counts what comes
 * back. No callback runs anywhere else, so nothing here is locked.
 *
 *     ./poll_loop [ws://localhost:8080]       (or PULSAR_URL in the environment)
 */
#define _POSIX_C_SOURCE 200809L
#include <stargate.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGES = 100, TIMEOUT_MS = 10000 };

typedef struct {
    int stored;
    int handled;
} counts;

static void check(stargate_status status, stargate_error *error)
{
    if (status == STARGATE_OK)
        return;
    fprintf(stderr, "%s: %s\n", stargate_status_name(status), stargate_error_message(error).ptr);
    exit(1);
}

static void on_sent(void *user_data, const stargate_delivery_report *sent)
{
    counts *all = user_data;

    if (sent->error == NULL)
        all->stored++;
    else
        fprintf(stderr, "not stored: %s\n", stargate_error_message(sent->error).ptr);
}

static int32_t handle(void *state, const stargate_message *message)
{
    counts *all = state;

    (void)message;
    all->handled++;
    return STARGATE_ACK;
}

static void watch(int loop, int descriptor)
{
    struct epoll_event event;

    memset(&event, 0, sizeof event);
    event.events = EPOLLIN;
    event.data.fd = descriptor;
    if (epoll_ctl(loop, EPOLL_CTL_ADD, descriptor, &event) != 0) {
        perror("epoll_ctl");
        exit(1);
    }
}

int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : getenv("PULSAR_URL");
    stargate_options *options = stargate_options_new();
    stargate_client *client = NULL;
    stargate_producer *producer = NULL;
    stargate_consumer *consumer = NULL;
    stargate_error *error = NULL;
    stargate_handler handler = STARGATE_HANDLER_INIT;
    struct itimerspec every_10_ms = {{0, 10 * 1000 * 1000}, {0, 1}};
    int loop = epoll_create1(EPOLL_CLOEXEC), timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    int32_t callbacks = -1;
    counts all = {0, 0};
    char topic[64];
    int sent = 0;

    snprintf(topic, sizeof topic, "example-poll-%ld", (long)time(NULL));
    check(stargate_options_poll_callbacks(options, &error), error);
    check(stargate_client_new(url != NULL ? url : "ws://localhost:8080", options, &client, &error), error);
    check(stargate_client_event_fd(client, &callbacks, &error), error);
    check(stargate_consumer_open(client, topic, "example", NULL, TIMEOUT_MS, &consumer, &error), error);
    handler.handle = handle;
    check(stargate_consumer_listen(consumer, &handler, &all, NULL, &error), error);
    check(stargate_producer_open(client, topic, NULL, TIMEOUT_MS, &producer, &error), error);

    watch(loop, callbacks);
    watch(loop, timer);
    timerfd_settime(timer, 0, &every_10_ms, NULL);
    while (all.stored < MESSAGES || all.handled < MESSAGES) {
        struct epoll_event events[2];
        int ready = epoll_wait(loop, events, 2, TIMEOUT_MS), i;

        if (ready <= 0) {
            fprintf(stderr, "nothing happened in %d ms\n", TIMEOUT_MS);
            return 1;
        }
        for (i = 0; i < ready; i++) {
            if (events[i].data.fd == callbacks) {
                check(stargate_client_poll(client, 0, NULL, &error), error);
            } else {
                char expirations[8];
                if (read(timer, expirations, sizeof expirations) > 0 && sent < MESSAGES) {
                    stargate_outgoing message = STARGATE_OUTGOING_INIT;
                    message.payload.ptr = "tick";
                    message.payload.len = 4;
                    /* 0: a loop does not wait for room; a full queue would be an error here. */
                    check(stargate_producer_send_async(producer, &message, 0, on_sent, &all, NULL, &error), error);
                    sent++;
                }
            }
        }
    }
    printf("sent %d, stored %d, handled %d, all on one thread\n", sent, all.stored, all.handled);
    check(stargate_client_close(client, TIMEOUT_MS, &error), error);
    stargate_producer_free(producer);
    stargate_consumer_free(consumer);
    stargate_client_free(client);
    stargate_options_free(options);
    close(timer);
    close(loop);
    return 0;
}
