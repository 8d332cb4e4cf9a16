#include "testing.h"

#include <time.h>
#include <unistd.h>

enum { MOST_TESTS = 64, SKIPPED = 77 };

static struct {
    const char *name;
    void (*test)(void);
} tests[MOST_TESTS];
static int test_count;

void testing_register(const char *name, void (*test)(void))
{
    if (test_count == MOST_TESTS)
        abort();
    tests[test_count].name = name;
    tests[test_count].test = test;
    test_count++;
}

/* Runs the tests named in the arguments, or all. */
int main(int argc, char **argv)
{
    int run = 0;
    int i;
    int argument;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (i = 0; i < test_count; i++) {
        int wanted = argc < 2;
        for (argument = 1; argument < argc; argument++)
            wanted |= strcmp(argv[argument], tests[i].name) == 0;
        if (!wanted)
            continue;
        tests[i].test();
        printf("ok %s\n", tests[i].name);
        run++;
    }
    if (run == 0)
        fprintf(stderr, "there is no such test\n");
    return run == 0;
}

void testing_expect(const char *file, int line, const char *call, stargate_status wanted, const char *part,
                    stargate_status got, const stargate_error *error)
{
    const char *text = stargate_error_message(error).ptr;

    if (got == wanted && error != NULL && stargate_error_status(error) == wanted && strstr(text, part) != NULL)
        return;
    fprintf(stderr, "%s:%d: %s: expected %s with \"%s\", got %s: %s\n", file, line, call, stargate_status_name(wanted),
            part, stargate_status_name(got), text);
    exit(1);
}

const char *needed(const char *name)
{
    const char *value = getenv(name);

    if (value == NULL) {
        printf("skipped: there is no %s\n", name);
        exit(SKIPPED);
    }
    return value;
}

const char *broker(void)
{
    return needed("PULSAR_URL");
}

const char *new_topic(void)
{
    static char topic[64];
    static int number;
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(topic, sizeof topic, "c-%lx-%lx-%d", (long)now.tv_sec, now.tv_nsec ^ (long)getpid(), number++);
    return topic;
}

stargate_client *new_client(void)
{
    stargate_client *client = NULL;
    stargate_error *error = NULL;

    OK(stargate_client_new(broker(), NULL, &client, &error));
    return client;
}

stargate_producer *new_producer(stargate_client *client, const char *topic)
{
    stargate_producer *producer = NULL;
    stargate_error *error = NULL;

    OK(stargate_producer_open(client, topic, NULL, TIMEOUT_MS, &producer, &error));
    return producer;
}

stargate_outgoing text_message(const char *text)
{
    stargate_outgoing message = STARGATE_OUTGOING_INIT;

    message.payload.ptr = text;
    message.payload.len = strlen(text);
    return message;
}

int is_text(stargate_bytes payload, const char *text)
{
    return payload.len == strlen(text) && memcmp(payload.ptr, text, payload.len) == 0;
}

double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void sleep_ms(int ms)
{
    struct timespec time;

    time.tv_sec = ms / 1000;
    time.tv_nsec = ms % 1000 * 1000000L;
    nanosleep(&time, NULL);
}

void counter_add(counter *counter)
{
    pthread_mutex_lock(&counter->lock);
    counter->count++;
    pthread_cond_broadcast(&counter->changed);
    pthread_mutex_unlock(&counter->lock);
}

int counter_get(counter *counter)
{
    int count;

    pthread_mutex_lock(&counter->lock);
    count = counter->count;
    pthread_mutex_unlock(&counter->lock);
    return count;
}

void counter_wait(counter *counter, int count)
{
    struct timespec limit;
    int late = 0;

    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 30;
    pthread_mutex_lock(&counter->lock);
    while (counter->count < count && !late)
        late = pthread_cond_timedwait(&counter->changed, &counter->lock, &limit);
    if (counter->count != count) {
        fprintf(stderr, "expected a count of %d, got %d\n", count, counter->count);
        exit(1);
    }
    pthread_mutex_unlock(&counter->lock);
}

void count_destroy(void *pointer)
{
    counter_add(pointer);
}
