/* What the tests of semantics share: the broker's REST API, and numbers sent and received. */
#ifndef STARGATE_TESTS_SEMANTICS_H
#define STARGATE_TESTS_SEMANTICS_H

#include "testing.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 200, QUIET_MS = 200 };

/* ---- the broker's REST API ---- */

/* The status of the answer; its body goes to `answer`. */
static inline int rest(const char *method, const char *path, const char *body, char *answer, size_t room)
{
    struct addrinfo wanted, *address = NULL;
    char host[256], port[8], text[8192];
    const char *end;
    size_t length = 0;
    ssize_t count;
    int status = 0;
    int stream;

    CHECK(sscanf(broker(), "ws://%255[^:/]:%7[0-9]", host, port) == 2);
    memset(&wanted, 0, sizeof wanted);
    wanted.ai_socktype = SOCK_STREAM;
    CHECK(getaddrinfo(host, port, &wanted, &address) == 0);
    stream = socket(address->ai_family, address->ai_socktype, address->ai_protocol);
    CHECK(stream >= 0 && connect(stream, address->ai_addr, address->ai_addrlen) == 0);
    freeaddrinfo(address);
    count = snprintf(text, sizeof text,
                     "%s /admin/v2/%s HTTP/1.0\r\nHost: %s\r\nContent-Type: application/json\r\n"
                     "Content-Length: %d\r\n\r\n%s",
                     method, path, host, (int)strlen(body), body);
    CHECK(write(stream, text, (size_t)count) == count);
    while ((count = read(stream, text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)count;
    close(stream);
    text[length] = 0;
    CHECK(sscanf(text, "HTTP/%*s %d", &status) == 1);
    end = strstr(text, "\r\n\r\n");
    CHECK(end != NULL);
    snprintf(answer, room, "%s", end + 4);
    return status;
}

static inline void change(const char *method, const char *path, const char *body)
{
    char answer[1024];
    int status = rest(method, path, body, answer, sizeof answer);

    if (status / 100 != 2) {
        fprintf(stderr, "%s %s: %d %s\n", method, path, status, answer);
        exit(1);
    }
}

/* Of a topic in public/default. */
static inline void change_topic(const char *method, const char *topic, const char *what, const char *body)
{
    char path[256];

    snprintf(path, sizeof path, "persistent/public/default/%s/%s", topic, what);
    change(method, path, body);
}

static inline int has_subscriptions(const char *topic)
{
    char path[256], answer[1024];

    snprintf(path, sizeof path, "persistent/public/default/%s/subscriptions", topic);
    CHECK(rest("GET", path, "", answer, sizeof answer) == 200);
    return strchr(answer, '"') != NULL;
}

/* ---- what the tests share ---- */

#define OPTIONS(...) options_of((const char *const[]){__VA_ARGS__, NULL})
static inline stargate_options *options_of(const char *const *pairs)
{
    stargate_options *options = stargate_options_new();
    stargate_error *error = NULL;

    for (; *pairs != NULL; pairs += 2)
        OK(stargate_options_set(options, pairs[0], pairs[1], &error));
    return options;
}

/* Frees the options, as the next two do. */
static inline stargate_consumer *consume(stargate_client *client, const char *topic, stargate_options *options)
{
    stargate_consumer *consumer = NULL;
    stargate_error *error = NULL;

    OK(stargate_consumer_open(client, topic, "s", options, TIMEOUT_MS, &consumer, &error));
    stargate_options_free(options);
    return consumer;
}

static inline stargate_reader *read_from(stargate_client *client, const char *topic, const char *position)
{
    stargate_options *options = OPTIONS("starting_message", position);
    stargate_reader *reader = NULL;
    stargate_error *error = NULL;

    OK(stargate_reader_open(client, topic, options, TIMEOUT_MS, &reader, &error));
    stargate_options_free(options);
    return reader;
}

/* Sends the numbers from `first` to before `end`; with `keys`, number n under the key n % keys. */
static inline void send_with(stargate_client *client, const char *topic, int first, int end, int keys,
                             stargate_options *options)
{
    static char texts[MOST][12], key_texts[MOST][12];
    static stargate_outgoing messages[MOST];
    static stargate_send_result results[MOST];
    size_t count = (size_t)(end - first), i;
    stargate_producer *producer = NULL;
    stargate_error *error = NULL;

    CHECK(count <= MOST);
    for (i = 0; i < count; i++) {
        snprintf(texts[i], sizeof texts[i], "%d", first + (int)i);
        messages[i] = text_message(texts[i]);
        if (keys > 0) {
            snprintf(key_texts[i], sizeof key_texts[i], "%d", (first + (int)i) % keys);
            messages[i].key = key_texts[i];
        }
    }
    OK(stargate_producer_open(client, topic, options, TIMEOUT_MS, &producer, &error));
    OK(stargate_producer_send_batch(producer, messages, count, TIMEOUT_MS, results, &error));
    for (i = 0; i < count; i++)
        CHECK(results[i].status == STARGATE_OK);
    stargate_send_results_free(results, count);
    OK(stargate_producer_close(producer, TIMEOUT_MS, &error));
    stargate_producer_free(producer);
    stargate_options_free(options);
}

static inline void send_numbers(stargate_client *client, const char *topic, int first, int end)
{
    send_with(client, topic, first, end, 0, NULL);
}

static inline int number_of(const stargate_message *message)
{
    stargate_bytes payload = stargate_message_payload(message);
    char text[12] = "";

    CHECK(payload.len > 0 && payload.len < sizeof text);
    memcpy(text, payload.ptr, payload.len);
    return atoi(text);
}

/* Receives a number and acknowledges it; -1 when none comes in time. */
static inline int take_within(stargate_consumer *consumer, int timeout_ms)
{
    stargate_message *message = NULL;
    stargate_error *error = NULL;
    stargate_status status = stargate_consumer_receive(consumer, timeout_ms, &message, &error);
    int number;

    if (status == STARGATE_TIMEOUT)
        return -1;
    OK(status);
    number = number_of(message);
    OK(stargate_consumer_ack(consumer, message, &error));
    stargate_message_free(message);
    return number;
}

static inline int take(stargate_consumer *consumer)
{
    return take_within(consumer, TIMEOUT_MS);
}

static inline int read_one(stargate_reader *reader)
{
    stargate_message *message = NULL;
    stargate_error *error = NULL;
    int number;

    OK(stargate_reader_receive(reader, TIMEOUT_MS, &message, &error));
    number = number_of(message);
    stargate_message_free(message);
    return number;
}

static inline void close_consumer(stargate_consumer *consumer)
{
    stargate_error *error = NULL;

    OK(stargate_consumer_close(consumer, TIMEOUT_MS, &error));
    stargate_consumer_free(consumer);
}

static inline int stat_of(const stargate_consumer *consumer, const char *name)
{
    stargate_error *error = NULL;
    char *json = NULL, quoted[64];
    const char *found;
    int value;

    OK(stargate_consumer_stats_json(consumer, &json, &error));
    snprintf(quoted, sizeof quoted, "\"%s\":", name);
    found = strstr(json, quoted);
    CHECK(found != NULL);
    value = atoi(found + strlen(quoted));
    stargate_string_free(json);
    return value;
}

/* Asks again and again, until it is so. */
#define EVENTUALLY(condition)                                  \
    do {                                                       \
        double eventually_until = seconds() + 30;              \
        while (!(condition)) {                                 \
            CHECK(seconds() < eventually_until && #condition); \
            sleep_ms(20);                                      \
        }                                                      \
    } while (0)

#endif
