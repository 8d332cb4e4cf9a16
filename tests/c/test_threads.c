/* When the system gives no more threads: an error instead of a hang or a loss, and a later attempt works. */
#define _GNU_SOURCE
#include "testing.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of the threads that are asked for from now on, these are refused: `count` of them from number `first`, counted
 * from 1. */
static atomic_int asked, first, count;

static void refuse(int from, int many)
{
    atomic_store(&asked, 0);
    atomic_store(&first, from);
    atomic_store(&count, many);
}

/* The library finds this one before that of libc. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument)
{
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    int number = atomic_fetch_add(&asked, 1) + 1;

    if (number >= atomic_load(&first) && number < atomic_load(&first) + atomic_load(&count))
        return EAGAIN;
    *(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
    return create(thread, attributes, body, argument);
}

typedef struct {
    counter sent, destroyed, states;
    int accepted;
} told;

static void on_sent(void *data, const stargate_delivery_report *sent)
{
    CHECK(sent->error == NULL);
    counter_add(&((told *)data)->sent);
}

static void on_state(void *data, const stargate_state_change *change)
{
    (void)change;
    counter_add(&((told *)data)->states);
}

static void sent_destroyed(void *data)
{
    counter_add(&((told *)data)->destroyed);
}

static int32_t acknowledge(void *state, const stargate_message *message)
{
    (void)state, (void)message;
    return STARGATE_ACK;
}

/* Frees the error of a step that failed. */
static int refused(stargate_status status, stargate_error **error)
{
    if (status == STARGATE_OK)
        return 0;
    CHECK(strstr(stargate_error_message(*error).ptr, "thread") != NULL);
    stargate_error_free(*error);
    *error = NULL;
    return 1;
}

/* A client with everything; whether any of it was refused. What was accepted ends exactly once. */
static int everything(const char *topic)
{
    told all = {COUNTER_INIT, COUNTER_INIT, COUNTER_INIT, 0};
    stargate_client *client = NULL;
    stargate_producer *producer = NULL;
    stargate_consumer *consumer = NULL;
    stargate_options *options = stargate_options_new();
    stargate_handler handler = STARGATE_HANDLER_INIT;
    stargate_error *error = NULL;
    stargate_outgoing message = text_message("x");
    int refusals = 0, number;

    handler.handle = acknowledge;
    OK(stargate_options_on_state(options, on_state, &all, NULL, &error));
    if (refused(stargate_client_new(broker(), NULL, &client, &error), &error)) {
        stargate_options_free(options);
        return 1;
    }
    refusals += refused(stargate_producer_open(client, topic, options, TIMEOUT_MS, &producer, &error), &error);
    refusals += refused(stargate_consumer_open(client, topic, "s", NULL, TIMEOUT_MS, &consumer, &error), &error);
    if (consumer != NULL)
        refusals += refused(stargate_consumer_listen(consumer, &handler, NULL, NULL, &error), &error);
    for (number = 0; number < 5 && producer != NULL; number++) {
        stargate_status status =
            stargate_producer_send_async(producer, &message, TIMEOUT_MS, on_sent, &all, sent_destroyed, &error);

        all.accepted += status == STARGATE_OK;
        refusals += refused(status, &error);
    }
    OK(stargate_client_close(client, TIMEOUT_MS, &error));
    CHECK(counter_get(&all.sent) == all.accepted);
    CHECK(counter_get(&all.destroyed) == (producer == NULL ? 0 : 5));
    CHECK(producer == NULL || counter_get(&all.states) > 0);
    stargate_consumer_free(consumer);
    stargate_producer_free(producer);
    stargate_client_free(client);
    stargate_options_free(options);
    return refusals > 0;
}

/* Runs everything while threads are refused, and again when they are not: in a child, which has no threads yet. */
static void with_refused(const char *topic, int from, int many)
{
    double limit = seconds() + 60;
    int status = 0;
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        refuse(from, many);
        everything(topic);
        CHECK(atomic_load(&asked) >= from);
        refuse(0, 0);
        CHECK(!everything(topic));
        _exit(0);
    }
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (seconds() > limit)
            kill(child, SIGKILL);
        sleep_ms(1);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fprintf(stderr, "with %d threads refused from number %d\n", many, from);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Three that are tried, two for input and output, one for blocking work, one for callbacks, one for a handler. */
enum { THREADS = 8 };

TEST(a_thread_that_is_refused_once_is_an_error_and_the_next_attempt_works)
{
    char topic[64];
    int number;

    strcpy(topic, new_topic());
    for (number = 1; number <= THREADS; number++)
        with_refused(topic, number, 1);
}

TEST(no_more_threads_at_all_are_an_error_and_a_later_attempt_works)
{
    char topic[64];
    int number;

    strcpy(topic, new_topic());
    for (number = 1; number <= THREADS; number++)
        with_refused(topic, number, 1000);
}
