/*
 * Carries out a scenario of tests/scenarios/table with the C library: scenario SCENARIO [URL]
 *
 * The README there describes the steps and what each of them prints.
 */
#define _POSIX_C_SOURCE 200809L
#include <stargate_mock.h>

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000, MOST_PARAMETERS = 32, WORD = 64, LINE = 4096 };

static const char DEFAULT[] = "persistent://public/default/";

/* Ends the program: the scenario cannot be carried out. */
static void give_up(const char *what, const char *which)
{
    fprintf(stderr, "%s %s\n", what, which);
    exit(2);
}

/* Bytes that grow. There is always a 0 behind them. */
typedef struct {
    char *at;
    size_t length;
} buffer;

/* The room that a buffer of this length has: it doubles, so that a long text is not copied for each addition. */
static size_t room(size_t length)
{
    size_t bytes = 16;

    while (bytes <= length)
        bytes *= 2;
    return bytes;
}

static void add_bytes(buffer *to, const void *bytes, size_t length)
{
    if (to->at == NULL || room(to->length) < room(to->length + length))
        to->at = realloc(to->at, room(to->length + length));
    if (to->at == NULL)
        give_up("there is no memory", "");
    if (length > 0)
        memcpy(to->at + to->length, bytes, length);
    to->length += length;
    to->at[to->length] = 0;
}

__attribute__((format(printf, 2, 3))) static void add(buffer *to, const char *format, ...)
{
    char line[LINE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    add_bytes(to, line, strlen(line));
}

static void clear(buffer *buffer)
{
    free(buffer->at);
    buffer->at = NULL;
    buffer->length = 0;
}

static int same(buffer one, const void *bytes, size_t length)
{
    return one.length == length && (length == 0 || memcmp(one.at, bytes, length) == 0);
}

/* A list of bytes. */
typedef struct {
    buffer *at;
    size_t count;
} list;

static buffer *append(list *to, const void *bytes, size_t length)
{
    buffer *last;

    to->at = realloc(to->at, (to->count + 1) * sizeof *to->at);
    if (to->at == NULL)
        give_up("there is no memory", "");
    last = &to->at[to->count++];
    memset(last, 0, sizeof *last);
    add_bytes(last, bytes, length);
    return last;
}

static int contains(const list *in, const void *bytes, size_t length)
{
    size_t i;

    for (i = 0; i < in->count; i++)
        if (same(in->at[i], bytes, length))
            return 1;
    return 0;
}

static void clear_list(list *list)
{
    size_t i;

    for (i = 0; i < list->count; i++)
        clear(&list->at[i]);
    free(list->at);
    memset(list, 0, sizeof *list);
}

static int by_bytes(const void *left, const void *right)
{
    const buffer *one = left, *other = right;
    size_t common = one->length < other->length ? one->length : other->length;
    int order = memcmp(one->at, other->at, common);

    return order != 0 ? order : (one->length > other->length) - (one->length < other->length);
}

static void sort(list *list)
{
    if (list->count > 0)
        qsort(list->at, list->count, sizeof *list->at, by_bytes);
}

/* ---- A line of a scenario ---- */

typedef struct {
    char verb[WORD];
    char handle[WORD];
    struct {
        char name[WORD];
        buffer value;
    } given[MOST_PARAMETERS];
    size_t count;
} step;

static const char *copy_until(const char *from, const char *ends, char *to)
{
    size_t length = strcspn(from, ends);

    if (length >= WORD)
        give_up("a word is too long:", from);
    memcpy(to, from, length);
    to[length] = 0;
    return from + length;
}

/* Reads what stands after a quote, and returns what stands after the next one. */
static const char *unquote(const char *from, buffer *to)
{
    for (; *from != '"'; from++) {
        char byte = *from;
        if (*from == 0)
            give_up("a quote is not closed", "");
        if (*from == '\\' && from[1] == 'x' && from[2] != 0 && from[3] != 0) {
            char digits[3] = {0};
            memcpy(digits, from + 2, 2);
            byte = (char)strtol(digits, NULL, 16);
            from += 3;
        } else if (*from == '\\') {
            byte = *++from;
        }
        add_bytes(to, &byte, 1);
    }
    return from + 1;
}

static void parse(const char *line, step *step)
{
    char word[WORD];

    memset(step, 0, sizeof *step);
    line = copy_until(line, " ", step->verb);
    while (*line == ' ') {
        line = copy_until(line + 1, " =", word);
        if (*line != '=') {
            strcpy(step->handle, word);
            continue;
        }
        if (step->count == MOST_PARAMETERS)
            give_up("too many parameters:", step->verb);
        buffer *value = &step->given[step->count].value;
        strcpy(step->given[step->count++].name, word);
        add_bytes(value, "", 0);
        line++;
        if (*line == '"') {
            line = unquote(line + 1, value);
        } else {
            add_bytes(value, line, strcspn(line, " "));
            line += value->length;
        }
    }
}

static const buffer *get(const step *step, const char *name)
{
    size_t i;

    for (i = 0; i < step->count; i++)
        if (strcmp(step->given[i].name, name) == 0)
            return &step->given[i].value;
    return NULL;
}

static const buffer *needed(const step *step, const char *name)
{
    const buffer *value = get(step, name);

    if (value == NULL)
        give_up("a step needs", name);
    return value;
}

static long long number(const step *step, const char *name, long long otherwise)
{
    const buffer *value = get(step, name);

    return value == NULL ? otherwise : strtoll(value->at, NULL, 10);
}

static size_t count_of(const step *step)
{
    const buffer *value = get(step, "count");

    return value != NULL && strcmp(value->at, "all") == 0 ? (size_t)-1 : (size_t)number(step, "count", 1);
}

static int64_t timeout_of(const step *step)
{
    return number(step, "timeout", PATIENCE_MS);
}

/* ---- What callbacks write and steps wait for: all of it under one lock ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

typedef struct handle {
    struct handle *next;
    char name[WORD];
    stargate_producer *producer;
    stargate_consumer *consumer;
    stargate_reader *reader;
    /* the names of the states it has had */
    list states;
    /* the payloads that a handler or `drain` has seen */
    list seen;
    /* how many messages of `send_async` were accepted, and the kinds in which they have ended */
    size_t accepted;
    list ended;
    stargate_message **received;
    char *in_hand;
    size_t received_count;
    buffer nack_once, fail_once, reconsume_once;
} handle;

static void note(list *to, const void *bytes, size_t length)
{
    pthread_mutex_lock(&lock);
    append(to, bytes, length);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void note_text(list *to, const char *text)
{
    note(to, text, strlen(text));
}

/* What a step waits for. */
typedef struct {
    const list *list;
    size_t count;
    const buffer *prefix;
} wanted;

static void progress(const list *payloads, const buffer *prefix, size_t count, buffer *out)
{
    list first = {0};
    size_t i, there = 0;
    int in_order = 1;

    for (i = 0; i < payloads->count; i++) {
        buffer payload = payloads->at[i];
        if (payload.length >= prefix->length && memcmp(payload.at, prefix->at, prefix->length) == 0
            && !contains(&first, payload.at, payload.length))
            append(&first, payload.at, payload.length);
    }
    for (i = 0; i < count; i++) {
        buffer expected = {0};
        add_bytes(&expected, prefix->at, prefix->length);
        add(&expected, "%zu", i + 1);
        there += (size_t)contains(&first, expected.at, expected.length);
        in_order &= i < first.count && same(expected, first.at[i].at, first.at[i].length);
        clear(&expected);
    }
    if (there < count)
        add(out, "%zu of %zu", there, count);
    else
        add(out, "all %zu, %s order", count, in_order && first.count == count ? "in" : "out of");
    clear_list(&first);
}

static int is_so(const wanted *wanted)
{
    buffer text = {0};
    int all;

    if (wanted->prefix == NULL)
        return wanted->list->count >= wanted->count;
    progress(wanted->list, wanted->prefix, wanted->count, &text);
    all = strncmp(text.at, "all", 3) == 0;
    clear(&text);
    return all;
}

/* Waits until it is so or time is over, and goes on with the lock. */
static void wait_and_lock(const list *list, size_t count, const buffer *prefix)
{
    wanted wanted = {list, count, prefix};
    struct timespec limit;
    int late = 0;

    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += PATIENCE_MS / 1000;
    pthread_mutex_lock(&lock);
    while (!is_so(&wanted) && !late)
        late = pthread_cond_timedwait(&changed, &lock, &limit);
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void pause_ms(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&time, NULL);
}

/* ---- The scenario ---- */

static char run[WORD];
static const char *host;
static const char *folder;
static stargate_client *client;
static stargate_mock *mock;
static handle *handles;
/* payloads, each with the id of its message after it */
static list ids;

static handle *handle_of(const step *step)
{
    handle *found;

    for (found = handles; found != NULL; found = found->next)
        if (strcmp(found->name, step->handle) == 0)
            return found;
    give_up("there is no handle", step->handle);
    return NULL;
}

static void full_name(const char *name, size_t length, buffer *out)
{
    if (memchr(name, '/', length) == NULL)
        add(out, "%s%s", DEFAULT, run);
    add_bytes(out, name, length);
}

/* The full name of the parameter `topic`, or nothing. */
static buffer topic_of(const step *step)
{
    const buffer *name = get(step, "topic");
    buffer topic = {0};

    if (name != NULL)
        full_name(name->at, name->length, &topic);
    return topic;
}

static const char *id_of(const char *payload, size_t length)
{
    size_t i;

    for (i = ids.count; i > 0; i -= 2)
        if (same(ids.at[i - 2], payload, length))
            return ids.at[i - 1].at;
    give_up("no message was sent with the payload", payload);
    return NULL;
}

/* The last message that was received with the payload of the step. */
static size_t message_of(const handle *handle, const step *step)
{
    const buffer *payload = needed(step, "payload");
    size_t i;

    for (i = handle->received_count; i > 0; i--) {
        stargate_bytes bytes = stargate_message_payload(handle->received[i - 1]);
        if (same(*payload, bytes.ptr, bytes.len))
            return i - 1;
    }
    give_up("no message was received with the payload", payload->at);
    return 0;
}

/* ---- What is printed ---- */

static void add_quoted(buffer *out, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    size_t i;

    add(out, "\"");
    for (i = 0; i < length; i++) {
        if (at[i] == '"' || at[i] == '\\')
            add(out, "\\%c", at[i]);
        else
            add(out, at[i] >= 0x20 && at[i] < 0x7f ? "%c" : "\\x%02x", at[i]);
    }
    add(out, "\"");
}

static void add_payload(buffer *out, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    uint32_t hash = 0;
    size_t i;

    if (length <= 64) {
        add_quoted(out, bytes, length);
        return;
    }
    for (i = 0; i < length; i++)
        hash = hash * 31 + at[i];
    add(out, "<%zu bytes, hash %08x>", length, (unsigned)hash);
}

static void add_kind(buffer *out, stargate_status status)
{
    const char *name = stargate_status_name(status) + strlen("STARGATE_");

    for (; *name != 0; name++)
        add(out, "%c", *name >= 'A' && *name <= 'Z' ? *name - 'A' + 'a' : *name);
}

static void add_error(buffer *out, stargate_status status, const stargate_error *error)
{
    stargate_str text = stargate_error_message(error);

    add(out, "error ");
    add_kind(out, status);
    add(out, ": ");
    add_bytes(out, text.ptr, text.len);
}

static void add_without(buffer *out, const char *from, const char *gone, const char *instead)
{
    const char *found;

    while ((found = strstr(from, gone)) != NULL) {
        add_bytes(out, from, (size_t)(found - from));
        add(out, "%s", instead);
        from = found + strlen(gone);
    }
    add_bytes(out, from, strlen(from));
}

static void show(const char *line)
{
    buffer without_run = {0}, without_host = {0};

    add_without(&without_run, line, run, "");
    add_without(&without_host, without_run.at, host, "BROKER");
    puts(without_host.at);
    fflush(stdout);
    clear(&without_run);
    clear(&without_host);
}

static void message_line(const stargate_message *message, list *lines)
{
    const char *topic = stargate_message_topic(message).ptr;
    stargate_bytes payload = stargate_message_payload(message);
    stargate_str key = stargate_message_key(message), value;
    size_t i;
    buffer *line = append(lines, "  ", 2);

    add_without(line, topic, DEFAULT, "");
    add(line, ": ");
    add_payload(line, payload.ptr, payload.len);
    if (key.ptr != NULL) {
        add(line, " key=");
        add_quoted(line, key.ptr, key.len);
    }
    if (stargate_message_event_time_ms(message) != 0)
        add(line, " event_time=%lld", (long long)stargate_message_event_time_ms(message));
    if (stargate_message_redelivery_count(message) > 0)
        add(line, " redelivered=%u", (unsigned)stargate_message_redelivery_count(message));
    if (stargate_message_reconsume_times(message) > 0)
        add(line, " reconsumed=%u", (unsigned)stargate_message_reconsume_times(message));
    for (i = 0; stargate_message_property_at(message, i, &key, &value); i++) {
        if (key.len > 0 && *key.ptr >= 'A' && *key.ptr <= 'Z')
            continue;
        add(line, " property.%s=", key.ptr);
        add_quoted(line, value.ptr, value.len);
    }
}

/* ---- The steps: each writes its outcome, or nothing for "ok" ---- */

static void on_state(void *user_data, const stargate_state_change *change)
{
    static const char *const names[] = {"connecting", "connected", "disconnected", "closed", "failed", "stalled"};
    handle *handle = user_data;

    note_text(&handle->states, names[change->state]);
}

static stargate_status set_options(const step *step, handle *handle, stargate_options *options, stargate_error **error)
{
    stargate_status status = stargate_options_on_state(options, on_state, handle, NULL, error);
    size_t i;

    for (i = 0; i < step->count && status == STARGATE_OK; i++) {
        const char *name = step->given[i].name;
        buffer value = {0};
        if (strcmp(name, "topic") == 0 || strcmp(name, "subscription") == 0)
            continue;
        if (strncmp(step->given[i].value.at, "./", 2) == 0)
            add(&value, "%s/", folder);
        add(&value, "%s", step->given[i].value.at);
        if (*value.at == '@') {
            status = stargate_options_set(options, name, id_of(value.at + 1, value.length - 1), error);
        } else {
            size_t digits = strspn(value.at, "0123456789");
            if (digits > 0 && strcmp(value.at + digits, "ms") == 0)
                value.at[digits] = 0;
            status = stargate_options_set(options, name, value.at, error);
        }
        clear(&value);
    }
    return status;
}

static stargate_status open_consumer(const step *step, const stargate_options *options, handle *handle,
                                     stargate_error **error)
{
    const char *names = needed(step, "topic")->at;
    const char *topics[MOST_PARAMETERS];
    const char *subscription = needed(step, "subscription")->at;
    list list = {0};
    stargate_status status;
    size_t i;

    for (; names != NULL && list.count < MOST_PARAMETERS; names = strchr(names, ',') ? strchr(names, ',') + 1 : NULL)
        full_name(names, strcspn(names, ","), append(&list, "", 0));
    for (i = 0; i < list.count; i++)
        topics[i] = list.at[i].at;
    if (list.count == 1)
        status =
            stargate_consumer_open(client, topics[0], subscription, options, PATIENCE_MS, &handle->consumer, error);
    else
        status = stargate_consumer_open_topics(client, topics, list.count, subscription, options, PATIENCE_MS,
                                               &handle->consumer, error);
    clear_list(&list);
    return status;
}

static stargate_status do_open(const step *step, buffer *out, stargate_error **error)
{
    stargate_options *options = stargate_options_new();
    handle *opened = calloc(1, sizeof *opened);
    buffer topic = topic_of(step);
    stargate_status status;

    (void)out;
    if (opened == NULL)
        give_up("there is no memory", "");
    strcpy(opened->name, step->handle);
    opened->next = handles;
    handles = opened;
    status = set_options(step, opened, options, error);
    if (status == STARGATE_OK && strcmp(step->verb, "producer") == 0)
        status = stargate_producer_open(client, topic.at, options, PATIENCE_MS, &opened->producer, error);
    else if (status == STARGATE_OK && strcmp(step->verb, "reader") == 0)
        status = stargate_reader_open(client, topic.at, options, PATIENCE_MS, &opened->reader, error);
    else if (status == STARGATE_OK)
        status = open_consumer(step, options, opened, error);
    stargate_options_free(options);
    clear(&topic);
    return status;
}

static stargate_status do_close(const step *step, buffer *out, stargate_error **error)
{
    handle *handle = handle_of(step);

    (void)out;
    if (handle->producer != NULL)
        return stargate_producer_close(handle->producer, timeout_of(step), error);
    if (handle->reader != NULL)
        return stargate_reader_close(handle->reader, timeout_of(step), error);
    return stargate_consumer_close(handle->consumer, timeout_of(step), error);
}

static stargate_status do_close_client(const step *step, buffer *out, stargate_error **error)
{
    (void)step;
    (void)out;
    return stargate_client_close(client, PATIENCE_MS, error);
}

static stargate_status do_states(const step *step, buffer *out, stargate_error **error)
{
    handle *handle = handle_of(step);
    size_t i;

    (void)error;
    wait_and_lock(&handle->states, count_of(step), NULL);
    for (i = 0; i < count_of(step) && i < handle->states.count; i++)
        add(out, "%s%s", i > 0 ? " " : "", handle->states.at[i].at);
    pthread_mutex_unlock(&lock);
    return STARGATE_OK;
}

static stargate_status do_stats(const step *step, buffer *out, stargate_error **error)
{
    const char *names = needed(step, "counters")->at;
    handle *handle = handle_of(step);
    char *json = NULL;
    stargate_status status = handle->producer != NULL ? stargate_producer_stats_json(handle->producer, &json, error)
                             : handle->reader != NULL ? stargate_reader_stats_json(handle->reader, &json, error)
                                                      : stargate_consumer_stats_json(handle->consumer, &json, error);

    while (status == STARGATE_OK && *names != 0) {
        buffer key = {0};
        const char *found;
        add(&key, "\"%.*s\":", (int)strcspn(names, ","), names);
        found = strstr(json, key.at);
        if (found == NULL)
            give_up("there is no counter", key.at);
        add(out, "%s%.*s=%lld", out->length > 0 ? " " : "", (int)key.length - 3, key.at + 1,
            strtoll(found + key.length, NULL, 10));
        names += key.length - 3;
        names += *names == ',';
        clear(&key);
    }
    stargate_string_free(json);
    return status;
}

static void add_repeated(buffer *payload, const step *step, const buffer *once)
{
    long long i;

    for (i = number(step, "repeat", 1); i > 0; i--)
        add_bytes(payload, once->at, once->length);
}

static stargate_status do_send(const step *step, buffer *out, stargate_error **error)
{
    stargate_property properties[MOST_PARAMETERS];
    stargate_outgoing message = STARGATE_OUTGOING_INIT;
    const buffer *once = needed(step, "payload"), *key = get(step, "key");
    buffer payload = {0};
    char *id = NULL;
    stargate_status status;
    size_t i;

    (void)out;
    add_repeated(&payload, step, once);
    message.payload.ptr = payload.at;
    message.payload.len = payload.length;
    message.key = key == NULL ? NULL : key->at;
    message.event_time_ms = number(step, "event_time", 0);
    message.properties = properties;
    for (i = 0; i < step->count; i++) {
        if (strncmp(step->given[i].name, "property.", 9) != 0)
            continue;
        properties[message.property_count].key = step->given[i].name + 9;
        properties[message.property_count++].value = step->given[i].value.at;
    }
    status = stargate_producer_send(handle_of(step)->producer, &message, -1, &id, error);
    if (status == STARGATE_OK) {
        append(&ids, once->at, once->length);
        append(&ids, id, strlen(id));
    }
    stargate_string_free(id);
    clear(&payload);
    return status;
}

static void on_sent(void *user_data, const stargate_delivery_report *report)
{
    handle *handle = user_data;
    buffer kind = {0};

    if (report->error == NULL)
        add(&kind, "ok");
    else
        add_kind(&kind, stargate_error_status(report->error));
    note(&handle->ended, kind.at, kind.length);
    clear(&kind);
}

static stargate_status do_send_async(const step *step, buffer *out, stargate_error **error)
{
    handle *handle = handle_of(step);
    size_t i, count = count_of(step);

    for (i = 0; i < count; i++) {
        stargate_outgoing message = STARGATE_OUTGOING_INIT;
        buffer once = {0}, payload = {0};
        stargate_status status;
        add_bytes(&once, needed(step, "payload")->at, needed(step, "payload")->length);
        add(&once, "%zu", i + 1);
        add_repeated(&payload, step, &once);
        message.payload.ptr = payload.at;
        message.payload.len = payload.length;
        status = stargate_producer_send_async(handle->producer, &message, -1, on_sent, handle, NULL, error);
        clear(&once);
        clear(&payload);
        if (status != STARGATE_OK) {
            add(out, "accepted %zu, then ", i);
            add_error(out, status, *error);
            return STARGATE_OK;
        }
        handle->accepted++;
    }
    add(out, "accepted %zu", count);
    return STARGATE_OK;
}

/* Writes each entry with how often it is there, "NAME N" each. */
static void add_counts(buffer *out, list *list, int payloads)
{
    size_t i, count = 0;

    sort(list);
    for (i = 0; i < list->count; i++) {
        buffer entry = list->at[i];
        count++;
        if (i + 1 < list->count && same(entry, list->at[i + 1].at, list->at[i + 1].length))
            continue;
        add(out, "%s", out->length > 0 ? ", " : "");
        if (payloads)
            add_payload(out, entry.at, entry.length);
        else
            add(out, "%s", entry.at);
        add(out, " %zu", count);
        count = 0;
    }
}

static stargate_status do_receipts(const step *step, buffer *out, stargate_error **error)
{
    handle *handle = handle_of(step);
    list failed = {0};
    size_t i, good = 0;

    (void)error;
    wait_and_lock(&handle->ended, handle->accepted, NULL);
    for (i = handle->ended.count; i < handle->accepted; i++)
        append(&failed, "missing", 7);
    for (i = 0; i < handle->ended.count; i++) {
        buffer kind = handle->ended.at[i];
        if (same(kind, "ok", 2))
            good++;
        else
            append(&failed, kind.at, kind.length);
    }
    clear_list(&handle->ended);
    handle->accepted = 0;
    pthread_mutex_unlock(&lock);
    if (good > 0)
        add(out, "ok %zu", good);
    add_counts(out, &failed, 0);
    clear_list(&failed);
    return STARGATE_OK;
}

static stargate_status do_flush(const step *step, buffer *out, stargate_error **error)
{
    (void)out;
    return stargate_producer_flush(handle_of(step)->producer, PATIENCE_MS, error);
}

static void keep(handle *handle, stargate_message *message)
{
    size_t count = handle->received_count + 1;

    handle->received = realloc(handle->received, count * sizeof *handle->received);
    handle->in_hand = realloc(handle->in_hand, count);
    if (handle->received == NULL || handle->in_hand == NULL)
        give_up("there is no memory", "");
    handle->received[count - 1] = message;
    handle->in_hand[count - 1] = 1;
    handle->received_count = count;
}

static stargate_status receive_one(handle *handle, int64_t timeout, stargate_message **message, stargate_error **error)
{
    return handle->reader != NULL ? stargate_reader_receive(handle->reader, timeout, message, error)
                                  : stargate_consumer_receive(handle->consumer, timeout, message, error);
}

static stargate_status receive_some(handle *handle, size_t max, int64_t timeout, stargate_message **messages,
                                    size_t *count, stargate_error **error)
{
    return handle->reader != NULL
               ? stargate_reader_receive_many(handle->reader, max, timeout, messages, count, error)
               : stargate_consumer_receive_many(handle->consumer, max, timeout, messages, count, error);
}

/* Writes the messages from number `first` on, each in a line. */
static void add_messages(buffer *out, const handle *handle, size_t first, int in_any_order)
{
    list lines = {0};
    size_t i;

    for (i = first; i < handle->received_count; i++)
        message_line(handle->received[i], &lines);
    if (in_any_order)
        sort(&lines);
    for (i = 0; i < lines.count; i++)
        add(out, "\n%s", lines.at[i].at);
    clear_list(&lines);
}

static stargate_status do_receive(const step *step, buffer *out, stargate_error **error)
{
    handle *handle = handle_of(step);
    size_t i, more, first = handle->received_count, left = count_of(step);
    int many = strcmp(step->verb, "receive_many") == 0;
    stargate_message **messages = calloc(left, sizeof *messages);
    stargate_status status = STARGATE_OK;

    if (messages == NULL)
        give_up("there is no memory", "");
    while (left > 0 && status == STARGATE_OK) {
        more = 1;
        status = many ? receive_some(handle, left, timeout_of(step), messages, &more, error)
                      : receive_one(handle, timeout_of(step), messages, error);
        for (i = 0; i < more && status == STARGATE_OK; i++)
            keep(handle, messages[i]);
        left -= status == STARGATE_OK ? more : 0;
    }
    free(messages);
    if (handle->received_count > first)
        add(out, "%zu%s", handle->received_count - first, status == STARGATE_OK ? "" : ", then ");
    if (status == STARGATE_TIMEOUT)
        add(out, "nothing");
    else if (status != STARGATE_OK)
        add_error(out, status, *error);
    add_messages(out, handle, first, get(step, "order") != NULL);
    return STARGATE_OK;
}

static stargate_status do_read_to_end(const step *step, buffer *out, stargate_error **error)
{
    handle *handle = handle_of(step);
    size_t first = handle->received_count;
    stargate_message *message = NULL;
    stargate_status status = stargate_reader_mark_end(handle->reader, PATIENCE_MS, error);

    while (status == STARGATE_OK) {
        status = stargate_reader_receive_before_end(handle->reader, PATIENCE_MS, &message, error);
        if (status != STARGATE_OK || message == NULL)
            break;
        keep(handle, message);
    }
    if (status == STARGATE_OK) {
        add(out, "%zu", handle->received_count - first);
        add_messages(out, handle, first, 0);
    }
    return status;
}

/* A receive, and how it ended. */
typedef struct waiting {
    handle *handle;
    stargate_status status;
    stargate_error *error;
} waiting;

static void *wait_for_one(void *data)
{
    waiting *waiting = data;
    stargate_message *message = NULL;

    waiting->status = receive_one(waiting->handle, PATIENCE_MS, &message, &waiting->error);
    stargate_message_free(message);
    return NULL;
}

static stargate_status do_interrupt(const step *step, buffer *out, stargate_error **error)
{
    waiting waiting = {handle_of(step), STARGATE_OK, NULL};
    pthread_t thread;

    if (pthread_create(&thread, NULL, wait_for_one, &waiting) != 0)
        give_up("no thread can be made for", step->verb);
    pause_ms(100);
    if (waiting.handle->reader != NULL)
        stargate_reader_interrupt(waiting.handle->reader, NULL);
    else
        stargate_consumer_interrupt(waiting.handle->consumer, NULL);
    pthread_join(thread, NULL);
    if (waiting.status != STARGATE_OK && waiting.status != STARGATE_INTERRUPTED) {
        *error = waiting.error;
        return waiting.status;
    }
    add(out, waiting.status == STARGATE_OK ? "received" : "interrupted");
    return STARGATE_OK;
}

static stargate_status do_drain(const step *step, buffer *out, stargate_error **error)
{
    handle *handle = handle_of(step);
    wanted wanted = {&handle->seen, count_of(step), needed(step, "payload")};
    int64_t deadline = now_ms() + PATIENCE_MS;
    stargate_status status = STARGATE_OK;

    while (!is_so(&wanted)) {
        stargate_message *message = NULL;
        stargate_bytes payload;
        int64_t left = deadline - now_ms();
        status = stargate_consumer_receive(handle->consumer, left > 0 ? left : 0, &message, error);
        if (status != STARGATE_OK)
            break;
        payload = stargate_message_payload(message);
        if (!contains(&handle->seen, payload.ptr, payload.len))
            deadline = now_ms() + PATIENCE_MS;
        append(&handle->seen, payload.ptr, payload.len);
        status = stargate_consumer_ack(handle->consumer, message, error);
        stargate_message_free(message);
        if (status != STARGATE_OK)
            return status;
    }
    if (status != STARGATE_OK && status != STARGATE_TIMEOUT)
        return status;
    progress(&handle->seen, wanted.prefix, wanted.count, out);
    return STARGATE_OK;
}

static stargate_status do_available(const step *step, buffer *out, stargate_error **error)
{
    int32_t available = 0;
    stargate_status status =
        stargate_reader_has_message_available(handle_of(step)->reader, PATIENCE_MS, &available, error);

    add(out, available ? "yes" : "no");
    return status;
}

static stargate_status do_end_of_topic(const step *step, buffer *out, stargate_error **error)
{
    handle *handle = handle_of(step);
    int64_t deadline = now_ms() + PATIENCE_MS;
    stargate_status status = STARGATE_OK;
    int32_t ended = 0;

    while (status == STARGATE_OK && !ended && now_ms() < deadline) {
        status = handle->reader != NULL
                     ? stargate_reader_is_end_of_topic(handle->reader, PATIENCE_MS, &ended, error)
                     : stargate_consumer_is_end_of_topic(handle->consumer, PATIENCE_MS, &ended, error);
        pause_ms(ended ? 0 : 20);
    }
    add(out, ended ? "yes" : "no");
    return status;
}

static stargate_status do_backlog(const step *step, buffer *out, stargate_error **error)
{
    handle *handle = handle_of(step);
    uint64_t backlog = 0, count = (uint64_t)number(step, "count", 0);
    int64_t deadline = now_ms() + PATIENCE_MS;
    stargate_status status = stargate_consumer_backlog(handle->consumer, PATIENCE_MS, &backlog, error);

    while (status == STARGATE_OK && backlog != count && now_ms() < deadline) {
        pause_ms(20);
        status = stargate_consumer_backlog(handle->consumer, PATIENCE_MS, &backlog, error);
    }
    add(out, "%llu", (unsigned long long)backlog);
    return status;
}

static stargate_status do_compare(const step *step, buffer *out, stargate_error **error)
{
    handle *handle = handle_of(step);
    const buffer *payload = needed(step, "payload");
    stargate_str id = stargate_message_id(handle->received[message_of(handle, step)]);

    (void)error;
    add(out, strcmp(id.ptr, id_of(payload->at, payload->length)) == 0 ? "same id" : "different id");
    return STARGATE_OK;
}

static stargate_status do_seek(const step *step, buffer *out, stargate_error **error)
{
    handle *handle = handle_of(step);
    const buffer *to = needed(step, "to");
    const char *position = *to->at == '@' ? id_of(to->at + 1, to->length - 1) : to->at;
    int32_t after = get(step, "after") != NULL;

    (void)out;
    return handle->reader != NULL ? stargate_reader_seek(handle->reader, position, after, PATIENCE_MS, error)
                                  : stargate_consumer_seek(handle->consumer, position, after, PATIENCE_MS, error);
}

static stargate_status do_ack(const step *step, buffer *out, stargate_error **error)
{
    handle *handle = handle_of(step);
    stargate_message **messages;
    stargate_status status;
    size_t i, count = 0;

    (void)out;
    if (get(step, "payload") != NULL) {
        i = message_of(handle, step);
        handle->in_hand[i] = 0;
        return stargate_consumer_ack(handle->consumer, handle->received[i], error);
    }
    messages = malloc((handle->received_count + 1) * sizeof *messages);
    if (messages == NULL)
        give_up("there is no memory for", step->verb);
    for (i = 0; i < handle->received_count; i++) {
        if (handle->in_hand[i])
            messages[count++] = handle->received[i];
        handle->in_hand[i] = 0;
    }
    status = stargate_consumer_ack_many(handle->consumer, messages, count, error);
    free(messages);
    return status;
}

static stargate_status do_ack_cumulative(const step *step, buffer *out, stargate_error **error)
{
    handle *handle = handle_of(step);

    (void)out;
    return stargate_consumer_ack_cumulative(handle->consumer, handle->received[message_of(handle, step)], error);
}

static stargate_status do_nack(const step *step, buffer *out, stargate_error **error)
{
    handle *handle = handle_of(step);
    size_t message = message_of(handle, step);

    (void)out;
    handle->in_hand[message] = 0;
    return stargate_consumer_nack(handle->consumer, handle->received[message], error);
}

static stargate_status do_reconsume_later(const step *step, buffer *out, stargate_error **error)
{
    handle *handle = handle_of(step);
    size_t message = message_of(handle, step);

    (void)out;
    handle->in_hand[message] = 0;
    return stargate_consumer_reconsume_later(handle->consumer, handle->received[message], number(step, "delay", 0),
                                             PATIENCE_MS, error);
}

static stargate_status do_unsubscribe(const step *step, buffer *out, stargate_error **error)
{
    (void)out;
    return stargate_consumer_unsubscribe(handle_of(step)->consumer, PATIENCE_MS, error);
}

static int is_it(buffer wanted, stargate_bytes payload)
{
    return wanted.at != NULL && same(wanted, payload.ptr, payload.len);
}

static int32_t work(void *state, const stargate_message *message)
{
    handle *handle = state;
    stargate_bytes payload = stargate_message_payload(message);
    int first;

    pthread_mutex_lock(&lock);
    first = !contains(&handle->seen, payload.ptr, payload.len);
    pthread_mutex_unlock(&lock);
    note(&handle->seen, payload.ptr, payload.len);
    if (first && (is_it(handle->nack_once, payload) || is_it(handle->fail_once, payload)))
        return STARGATE_NACK;
    if (first && is_it(handle->reconsume_once, payload))
        return stargate_message_reconsume_later(message, 100);
    return STARGATE_ACK;
}

static void copy_parameter(const step *step, const char *name, buffer *to)
{
    if (get(step, name) != NULL)
        add_bytes(to, get(step, name)->at, get(step, name)->length);
}

static stargate_status do_listen(const step *step, buffer *out, stargate_error **error)
{
    handle *handle = handle_of(step);
    stargate_handler handler = STARGATE_HANDLER_INIT;

    (void)out;
    copy_parameter(step, "nack_once", &handle->nack_once);
    copy_parameter(step, "fail_once", &handle->fail_once);
    copy_parameter(step, "reconsume_once", &handle->reconsume_once);
    handler.handle = work;
    return handle->reader != NULL ? stargate_reader_listen(handle->reader, &handler, handle, NULL, error)
                                  : stargate_consumer_listen(handle->consumer, &handler, handle, NULL, error);
}

static stargate_status do_handled(const step *step, buffer *out, stargate_error **error)
{
    handle *handle = handle_of(step);

    (void)error;
    if (get(step, "calls") != NULL) {
        wait_and_lock(&handle->seen, (size_t)number(step, "calls", 1), NULL);
        add_counts(out, &handle->seen, 1);
    } else {
        wait_and_lock(&handle->seen, count_of(step), needed(step, "payload"));
        progress(&handle->seen, needed(step, "payload"), count_of(step), out);
    }
    pthread_mutex_unlock(&lock);
    return STARGATE_OK;
}

static stargate_status do_mock(const step *step, buffer *out, stargate_error **error)
{
    buffer topic = topic_of(step);
    const char *verb = step->verb;
    stargate_status status = STARGATE_OK;
    size_t stored = 0;

    if (mock == NULL)
        give_up("on a real broker there is no step", verb);
    if (strcmp(verb, "fault") == 0)
        status = stargate_mock_fault(mock, needed(step, "op")->at, topic.at, needed(step, "fault")->at, count_of(step),
                                     error);
    else if (strcmp(verb, "down") == 0 || strcmp(verb, "up") == 0)
        status = stargate_mock_set_up(mock, strcmp(verb, "up") == 0, error);
    else if (strcmp(verb, "cut") == 0)
        status = stargate_mock_drop_connections(mock, topic.at, NULL, error);
    else if (strcmp(verb, "wait") == 0)
        status = stargate_mock_wait(mock, needed(step, "op")->at, topic.at, count_of(step), PATIENCE_MS, error);
    else if (strcmp(verb, "stored") == 0)
        status = stargate_mock_messages(mock, topic.at, NULL, NULL, &stored, error);
    else if (strcmp(verb, "partitions") == 0)
        status = stargate_mock_create_partitioned(mock, topic.at, (uint32_t)count_of(step), error);
    else if (strcmp(verb, "deduplicate") == 0)
        status = stargate_mock_set_deduplication(mock, needed(step, "namespace")->at, 1, error);
    else if (strcmp(verb, "terminate") == 0)
        status = stargate_mock_terminate(mock, topic.at, error);
    if (strcmp(verb, "stored") == 0)
        add(out, "%zu", stored);
    clear(&topic);
    return status;
}

static const struct {
    const char *verb;
    stargate_status (*carry_out)(const step *step, buffer *out, stargate_error **error);
} verbs[] = {
    {"producer", do_open},
    {"consumer", do_open},
    {"reader", do_open},
    {"close", do_close},
    {"close_client", do_close_client},
    {"states", do_states},
    {"stats", do_stats},
    {"send", do_send},
    {"send_async", do_send_async},
    {"receipts", do_receipts},
    {"flush", do_flush},
    {"receive", do_receive},
    {"receive_many", do_receive},
    {"read_to_end", do_read_to_end},
    {"interrupt", do_interrupt},
    {"drain", do_drain},
    {"available", do_available},
    {"end_of_topic", do_end_of_topic},
    {"backlog", do_backlog},
    {"compare", do_compare},
    {"seek", do_seek},
    {"ack", do_ack},
    {"ack_cumulative", do_ack_cumulative},
    {"nack", do_nack},
    {"reconsume_later", do_reconsume_later},
    {"unsubscribe", do_unsubscribe},
    {"listen", do_listen},
    {"handled", do_handled},
    {"fault", do_mock},
    {"down", do_mock},
    {"up", do_mock},
    {"cut", do_mock},
    {"wait", do_mock},
    {"stored", do_mock},
    {"partitions", do_mock},
    {"deduplicate", do_mock},
    {"terminate", do_mock},
};

static void carry_out(const step *step)
{
    buffer line = {0}, outcome = {0};
    stargate_error *error = NULL;
    stargate_status status;
    size_t i = 0;

    while (i < sizeof verbs / sizeof *verbs && strcmp(verbs[i].verb, step->verb) != 0)
        i++;
    if (i == sizeof verbs / sizeof *verbs)
        give_up("there is no step", step->verb);
    status = verbs[i].carry_out(step, &outcome, &error);
    add(&line, "%s%s%s: ", step->verb, *step->handle != 0 ? " " : "", step->handle);
    if (status != STARGATE_OK)
        add_error(&line, status, error);
    else if (outcome.length > 0)
        add_bytes(&line, outcome.at, outcome.length);
    else
        add(&line, "ok");
    show(line.at);
    stargate_error_free(error);
    clear(&line);
    clear(&outcome);
}

static void begin(const char *scenario, const char *url)
{
    stargate_error *error = NULL;
    struct timespec now;
    static char path[LINE];

    snprintf(path, sizeof path, "%s", scenario);
    folder = strrchr(path, '/') == NULL ? "." : path;
    if (strrchr(path, '/') != NULL)
        *strrchr(path, '/') = 0;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(run, sizeof run, "%lx-%llx-", (long)getpid(), (long long)now.tv_sec * 1000000000 + now.tv_nsec);
    if (url == NULL && stargate_mock_start(NULL, &mock, &error) != STARGATE_OK)
        give_up("there is no mock broker:", stargate_error_message(error).ptr);
    url = url == NULL ? stargate_mock_url(mock).ptr : url;
    host = strstr(url, "://") == NULL ? url : strstr(url, "://") + 3;
    if (stargate_client_new(url, NULL, &client, &error) != STARGATE_OK)
        give_up("there is no client:", stargate_error_message(error).ptr);
}

/* Closes and frees everything, so that a leak checker finds nothing. */
static void end(void)
{
    stargate_error *error = NULL;

    if (stargate_client_close(client, PATIENCE_MS, &error) != STARGATE_OK)
        give_up("the client cannot be closed:", stargate_error_message(error).ptr);
    show("end");
    while (handles != NULL) {
        handle *handle = handles;
        handles = handle->next;
        stargate_producer_free(handle->producer);
        stargate_consumer_free(handle->consumer);
        stargate_reader_free(handle->reader);
        stargate_messages_free(handle->received, handle->received_count);
        free(handle->received);
        free(handle->in_hand);
        clear_list(&handle->states);
        clear_list(&handle->seen);
        clear_list(&handle->ended);
        clear(&handle->nack_once);
        clear(&handle->fail_once);
        clear(&handle->reconsume_once);
        free(handle);
    }
    clear_list(&ids);
    stargate_client_free(client);
    stargate_mock_free(mock);
}

int main(int argc, char **argv)
{
    static char line[LINE];
    FILE *file;

    if (argc < 2)
        give_up("scenario SCENARIO [URL]", "");
    file = fopen(argv[1], "r");
    if (file == NULL)
        give_up(argv[1], strerror(errno));
    begin(argv[1], argc > 2 ? argv[2] : NULL);
    while (fgets(line, sizeof line, file) != NULL) {
        step step;
        size_t i;
        line[strcspn(line, "\n")] = 0;
        if (*line == 0 || *line == '#' || strncmp(line, "on ", 3) == 0)
            continue;
        parse(line, &step);
        carry_out(&step);
        for (i = 0; i < step.count; i++)
            clear(&step.given[i].value);
    }
    fclose(file);
    end();
    return 0;
}
