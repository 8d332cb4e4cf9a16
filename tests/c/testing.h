/*
 * What every test uses. A test is a TEST(name) { ... } in a file of its kind; ctest runs each in a process of its own.
 */
#ifndef STARGATE_TESTING_H
#define STARGATE_TESTING_H

#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include <stargate.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { TIMEOUT_MS = 20000 };

/* Registers the function that follows. */
void testing_register(const char *name, void (*test)(void));
#define TEST(name)                                                 \
    static void name(void);                                        \
    __attribute__((constructor)) static void register_##name(void) \
    {                                                              \
        testing_register(#name, name);                             \
    }                                                              \
    static void name(void)

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                                \
        }                                                                           \
    } while (0)

/* A call whose last argument is &error, with `stargate_error *error = NULL;` in scope. */
#define OK(call)                                                                                               \
    do {                                                                                                       \
        stargate_status ok_status = (call);                                                                    \
        if (ok_status != STARGATE_OK) {                                                                        \
            fprintf(stderr, "%s:%d: %s: %s: %s\n", __FILE__, __LINE__, #call, stargate_status_name(ok_status), \
                    stargate_error_message(error).ptr);                                                        \
            exit(1);                                                                                           \
        }                                                                                                      \
        CHECK(error == NULL);                                                                                  \
    } while (0)

/* A call that fails with a status and a text that has `part` in it; frees and clears `error`. */
#define FAILS(wanted, part, call)                                            \
    do {                                                                     \
        stargate_status got = (call);                                        \
        testing_expect(__FILE__, __LINE__, #call, wanted, part, got, error); \
        stargate_error_free(error);                                          \
        error = NULL;                                                        \
    } while (0)
void testing_expect(const char *file, int line, const char *call, stargate_status wanted, const char *part,
                    stargate_status got, const stargate_error *error);

/* A variable of the environment; without it the test is skipped. */
const char *needed(const char *name);
/* The broker's URL; without one the test is skipped. */
const char *broker(void);
/* A topic that nobody used before; the text lives until the next call. */
const char *new_topic(void);
stargate_client *new_client(void);
stargate_producer *new_producer(stargate_client *client, const char *topic);
stargate_outgoing text_message(const char *text);
int is_text(stargate_bytes payload, const char *text);
double seconds(void);
void sleep_ms(int ms);

/* A count that one thread raises and another waits for. */
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int count;
} counter;
#define COUNTER_INIT {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0}
void counter_add(counter *counter);
int counter_get(counter *counter);
/* Ends the test when the count is not `count` in 30 seconds. */
void counter_wait(counter *counter, int count);
/* A destroy function that counts. */
void count_destroy(void *counter);

#ifdef __cplusplus
}
#endif
#endif
