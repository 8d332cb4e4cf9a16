/* Stargate.Native: functions that never wait. What takes time answers with a message {Tag, Result}. */
#include <string.h>

#include "calls.h"
#include "hooks.h"

#define NIF(name) static ERL_NIF_TERM name(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])

/* One message of 1 KiB is a small part of what a scheduler gives a process; a large one is a larger part. */
static void count_bytes(ErlNifEnv *env, size_t bytes)
{
    if (bytes > 16 * 1024)
        enif_consume_timeslice(env, bytes > 1024 * 1024 ? 100 : (int)(bytes / (10 * 1024)));
}

static struct reply *reply_to_self(ErlNifEnv *env, ERL_NIF_TERM tag, struct handle *handle)
{
    ErlNifPid self;

    return reply_new(*enif_self(env, &self), tag, handle);
}

static ERL_NIF_TERM answer(ErlNifEnv *env, stargate_status status, stargate_error *error)
{
    return status == STARGATE_OK ? atoms.ok : failure_taken(env, status, error);
}

/* ---- the library ---- */

NIF(open_library)
{
    struct arena arena = {0};
    const char *path = get_text(env, argv[0], &arena);
    const char *text = "";
    ERL_NIF_TERM result[] = {atoms.ok, atoms.missing, atoms.incomplete, atoms.incompatible};

    (void)argc;
    if (path == NULL)
        return enif_make_badarg(env);
    enum library_status status = library_open(path, &text);
    ERL_NIF_TERM term = enif_make_tuple2(env, result[status], bytes_term(env, text, strlen(text)));
    arena_free(&arena);
    return term;
}

NIF(built_for)
{
    (void)argc, (void)argv;
    return bytes_term(env, STARGATE_VERSION, strlen(STARGATE_VERSION));
}

NIF(describe_options)
{
    (void)argc, (void)argv;
    if (!library_is_open())
        return not_started(env);
    return str_term(env, lib.stargate_options_describe());
}

/* ---- open and close ---- */

NIF(client_new)
{
    struct arena arena = {0};
    const char *url = get_text(env, argv[0], &arena);
    stargate_options *options = NULL;
    stargate_client *client = NULL;
    stargate_error *error = NULL;

    (void)argc;
    if (!library_is_open())
        return arena_free(&arena), not_started(env);
    if (url == NULL)
        return arena_free(&arena), enif_make_badarg(env);
    stargate_status status = options_from(env, argv[1], argv[2], &options, &error);
    if (status == STARGATE_OK)
        status = lib.stargate_client_new(url, options, &client, &error);
    lib.stargate_options_free(options);
    arena_free(&arena);
    return status == STARGATE_OK ? success(env, handle_term(env, CLIENT, client)) : failure_taken(env, status, error);
}

static stargate_status open_consumer(ErlNifEnv *env, stargate_client *client, const ERL_NIF_TERM *source,
                                     const char *subscription, stargate_options *options, int64_t timeout_ms,
                                     struct arena *arena, struct reply *reply, stargate_error **error)
{
    const char *const *topics = NULL;
    size_t count = 0;

    if (enif_is_identical(source[0], atoms.topics)) {
        get_texts(env, source[1], arena, &topics, &count);
        return lib.stargate_consumer_open_topics_async(client, topics, count, subscription, options, timeout_ms,
                                                       reply_done, reply, reply_destroy, error);
    }
    const char *text = get_text(env, source[1], arena);
    if (enif_is_identical(source[0], atoms.pattern))
        return lib.stargate_consumer_open_pattern_async(client, text, subscription, options, timeout_ms, reply_done,
                                                        reply, reply_destroy, error);
    return lib.stargate_consumer_open_async(client, text, subscription, options, timeout_ms, reply_done, reply,
                                            reply_destroy, error);
}

/* open(Client, Tag, Kind, {topic | topics | pattern, Source}, Subscription, Json, Hooks, Timeout) */
NIF(open_handle)
{
    struct handle *client = get_handle(env, argv[0], CLIENT);
    const ERL_NIF_TERM *source;
    stargate_options *options = NULL;
    stargate_error *error = NULL;
    struct arena arena = {0};
    int arity, kind;
    int64_t timeout_ms;

    (void)argc;
    if (client == NULL || !enif_get_int(env, argv[2], &kind) || !enif_get_tuple(env, argv[3], &arity, &source)
        || arity != 2 || !get_timeout(env, argv[7], &timeout_ms))
        return enif_make_badarg(env);
    stargate_status status = options_from(env, argv[5], argv[6], &options, &error);
    if (status == STARGATE_OK) {
        struct reply *reply = reply_to_self(env, argv[1], client);
        const char *text = enif_is_binary(env, source[1]) ? get_text(env, source[1], &arena) : NULL;
        reply->opens = kind;
        if (kind == PRODUCER)
            status = lib.stargate_producer_open_async(client->client, text, options, timeout_ms, reply_done, reply,
                                                      reply_destroy, &error);
        else if (kind == READER)
            status = lib.stargate_reader_open_async(client->client, text, options, timeout_ms, reply_done, reply,
                                                    reply_destroy, &error);
        else
            status = open_consumer(env, client->client, source, get_text(env, argv[4], &arena), options, timeout_ms,
                                   &arena, reply, &error);
    }
    lib.stargate_options_free(options);
    arena_free(&arena);
    return answer(env, status, error);
}

NIF(close_handle)
{
    struct handle *handle = get_any_handle(env, argv[0]);
    stargate_error *error = NULL;
    stargate_status status = STARGATE_OK;
    int64_t timeout_ms;

    (void)argc;
    if (handle == NULL || handle->kind == MOCK || !get_timeout(env, argv[2], &timeout_ms))
        return enif_make_badarg(env);
    struct reply *reply = reply_to_self(env, argv[1], handle);
    if (handle->kind == CLIENT)
        status = lib.stargate_client_close_async(handle->client, timeout_ms, reply_done, reply, reply_destroy, &error);
    else if (handle->kind == PRODUCER)
        status =
            lib.stargate_producer_close_async(handle->producer, timeout_ms, reply_done, reply, reply_destroy, &error);
    else if (handle->kind == CONSUMER)
        status =
            lib.stargate_consumer_close_async(handle->consumer, timeout_ms, reply_done, reply, reply_destroy, &error);
    else
        status = lib.stargate_reader_close_async(handle->reader, timeout_ms, reply_done, reply, reply_destroy, &error);
    return answer(env, status, error);
}

NIF(topic)
{
    struct handle *handle = get_any_handle(env, argv[0]);

    (void)argc;
    if (handle != NULL && handle->kind == PRODUCER)
        return str_term(env, lib.stargate_producer_topic(handle->producer));
    if (handle != NULL && handle->kind == CONSUMER)
        return str_term(env, lib.stargate_consumer_topic(handle->consumer));
    if (handle != NULL && handle->kind == READER)
        return str_term(env, lib.stargate_reader_topic(handle->reader));
    return enif_make_badarg(env);
}

NIF(is_connected)
{
    struct handle *handle = get_any_handle(env, argv[0]);
    int32_t is = 0;

    (void)argc;
    if (handle != NULL && handle->kind == PRODUCER)
        is = lib.stargate_producer_is_connected(handle->producer);
    else if (handle != NULL && handle->kind == CONSUMER)
        is = lib.stargate_consumer_is_connected(handle->consumer);
    else if (handle != NULL && handle->kind == READER)
        is = lib.stargate_reader_is_connected(handle->reader);
    else
        return enif_make_badarg(env);
    return is ? atoms.true_ : atoms.false_;
}

/* ---- send ---- */

/* send(Producer, Pid, Tag, Message): ok, and {Tag, Result} to the process; or at once {error, Error}. */
NIF(send_message)
{
    struct handle *producer = get_handle(env, argv[0], PRODUCER);
    struct arena arena = {0};
    stargate_outgoing message;
    stargate_error *error = NULL;
    ErlNifPid pid;

    (void)argc;
    if (producer == NULL || !enif_get_local_pid(env, argv[1], &pid))
        return enif_make_badarg(env);
    const char *wrong = get_outgoing(env, argv[3], &arena, &message);
    if (wrong != NULL)
        return arena_free(&arena), refusal(env, wrong);
    struct reply *reply = reply_new(pid, argv[2], producer);
    stargate_status status =
        lib.stargate_producer_send_async(producer->producer, &message, 0, reply_sent, reply, reply_destroy, &error);
    arena_free(&arena);
    count_bytes(env, message.payload.len);
    return answer(env, status, error);
}

/* send_many(Producer, Tag, Messages): {ok, Accepted}, and {Tag, Results} to this process; or {error, Error}. */
NIF(send_many)
{
    struct handle *producer = get_handle(env, argv[0], PRODUCER);
    struct arena arena = {0};
    stargate_outgoing *messages = NULL;
    stargate_error *error = NULL;
    size_t count = 0, accepted = 0, bytes = 0;

    (void)argc;
    if (producer == NULL)
        return enif_make_badarg(env);
    const char *wrong = get_outgoings(env, argv[2], &arena, &messages, &count);
    if (wrong != NULL)
        return arena_free(&arena), refusal(env, wrong);
    struct reply *reply = reply_to_self(env, argv[1], producer);
    stargate_status status = lib.stargate_producer_send_many_async(producer->producer, messages, count, 0, &accepted,
                                                                   reply_sent_many, reply, reply_destroy, &error);
    for (size_t i = 0; i < accepted; i++)
        bytes += messages[i].payload.len + 1024;
    arena_free(&arena);
    count_bytes(env, bytes);
    return status == STARGATE_OK ? success(env, enif_make_uint64(env, accepted)) : failure_taken(env, status, error);
}

NIF(flush)
{
    struct handle *producer = get_handle(env, argv[0], PRODUCER);
    stargate_error *error = NULL;
    int64_t timeout_ms;

    (void)argc;
    if (producer == NULL || !get_timeout(env, argv[2], &timeout_ms))
        return enif_make_badarg(env);
    stargate_status status = lib.stargate_producer_flush_async(
        producer->producer, timeout_ms, reply_done, reply_to_self(env, argv[1], producer), reply_destroy, &error);
    return answer(env, status, error);
}

/* room(Producer, Tag, Bytes, Timeout): {Tag, ok} once there is room for a message of so many bytes. */
NIF(room)
{
    struct handle *producer = get_handle(env, argv[0], PRODUCER);
    stargate_error *error = NULL;
    ErlNifUInt64 bytes;
    int64_t timeout_ms;

    (void)argc;
    if (producer == NULL || !enif_get_uint64(env, argv[2], &bytes) || !get_timeout(env, argv[3], &timeout_ms))
        return enif_make_badarg(env);
    stargate_status status =
        lib.stargate_producer_room_async(producer->producer, bytes, timeout_ms, reply_done,
                                         reply_to_self(env, argv[1], producer), reply_destroy, &error);
    return answer(env, status, error);
}

/* ---- receive ---- */

/* receive(Handle, Tag, Max, Timeout): {Tag, {ok, Messages} | timeout | interrupted | {error, Error}} */
NIF(receive_messages)
{
    struct handle *handle = get_any_handle(env, argv[0]);
    stargate_error *error = NULL;
    stargate_status status;
    ErlNifUInt64 max;
    int64_t timeout_ms;

    (void)argc;
    if (handle == NULL || (handle->kind != CONSUMER && handle->kind != READER) || !enif_get_uint64(env, argv[2], &max)
        || !get_timeout(env, argv[3], &timeout_ms))
        return enif_make_badarg(env);
    struct reply *reply = reply_to_self(env, argv[1], handle);
    reply->monitored = enif_monitor_process(env, handle, &reply->pid, &reply->monitor) == 0;
    ErlNifMonitor monitor = reply->monitor;
    int monitored = reply->monitored;
    if (handle->kind == CONSUMER)
        status = lib.stargate_consumer_receive_async(handle->consumer, max, timeout_ms, reply_received, reply,
                                                     reply_destroy, &error);
    else
        status = lib.stargate_reader_receive_async(handle->reader, max, timeout_ms, reply_received, reply,
                                                   reply_destroy, &error);
    if (status != STARGATE_OK && monitored)
        enif_demonitor_process(env, handle, &monitor);
    return answer(env, status, error);
}

NIF(is_caught_up)
{
    struct handle *reader = get_handle(env, argv[0], READER);

    (void)argc;
    if (reader == NULL)
        return enif_make_badarg(env);
    return lib.stargate_reader_is_caught_up(reader->reader) ? atoms.true_ : atoms.false_;
}

/* ---- settle ---- */

typedef stargate_status settle_message(stargate_consumer *, const stargate_message *, stargate_error **);
typedef stargate_status settle_id(stargate_consumer *, const char *, stargate_error **);

/* Settles a message, or what an id names. */
static ERL_NIF_TERM settle(ErlNifEnv *env, const ERL_NIF_TERM argv[], settle_message *by_message, settle_id *by_id)
{
    struct handle *consumer = get_handle(env, argv[0], CONSUMER);
    struct received *received = get_received(env, argv[1]);
    stargate_error *error = NULL;
    stargate_status status;

    if (consumer == NULL)
        return enif_make_badarg(env);
    if (received != NULL) {
        received->settled = 1;
        status = by_message(consumer->consumer, received->message, &error);
    } else {
        struct arena arena = {0};
        const char *id = get_text(env, argv[1], &arena);
        status = by_id(consumer->consumer, id, &error);
        arena_free(&arena);
    }
    return answer(env, status, error);
}

NIF(ack)
{
    (void)argc;
    return settle(env, argv, lib.stargate_consumer_ack, lib.stargate_consumer_ack_id);
}

NIF(nack)
{
    (void)argc;
    return settle(env, argv, lib.stargate_consumer_nack, lib.stargate_consumer_nack_id);
}

NIF(ack_cumulative)
{
    (void)argc;
    return settle(env, argv, lib.stargate_consumer_ack_cumulative, lib.stargate_consumer_ack_cumulative_id);
}

NIF(ack_many)
{
    struct handle *consumer = get_handle(env, argv[0], CONSUMER);
    ERL_NIF_TERM list = argv[1], head;
    stargate_error *error = NULL;
    struct arena arena = {0};
    unsigned length;

    (void)argc;
    if (consumer == NULL || !enif_get_list_length(env, list, &length))
        return enif_make_badarg(env);
    stargate_message **messages = arena_take(&arena, (length + 1) * sizeof *messages);
    for (size_t i = 0; enif_get_list_cell(env, list, &head, &list); i++) {
        struct received *received = get_received(env, head);
        if (received == NULL)
            return arena_free(&arena), enif_make_badarg(env);
        received->settled = 1;
        messages[i] = received->message;
    }
    stargate_status status = lib.stargate_consumer_ack_many(consumer->consumer, messages, length, &error);
    arena_free(&arena);
    return answer(env, status, error);
}

/* The application has the message, and settles it when it likes: it is not lost with what refers to it here. */
NIF(keep)
{
    struct received *received = get_received(env, argv[0]);

    (void)argc;
    if (received == NULL)
        return enif_make_badarg(env);
    received->settled = 1;
    return atoms.ok;
}

/* The same for a list of messages as they were received. */
NIF(keep_all)
{
    ERL_NIF_TERM list = argv[0], head;
    const ERL_NIF_TERM *part;
    int arity;

    (void)argc;
    while (enif_get_list_cell(env, list, &head, &list)) {
        struct received *received =
            enif_get_tuple(env, head, &arity, &part) ? get_received(env, part[arity - 1]) : NULL;
        if (received == NULL)
            return enif_make_badarg(env);
        received->settled = 1;
    }
    return atoms.ok;
}

NIF(permit)
{
    struct handle *consumer = get_handle(env, argv[0], CONSUMER);
    stargate_error *error = NULL;
    unsigned messages;

    (void)argc;
    if (consumer == NULL || !enif_get_uint(env, argv[1], &messages))
        return enif_make_badarg(env);
    return answer(env, lib.stargate_consumer_permit(consumer->consumer, messages, &error), error);
}

/* ---- ids ---- */

NIF(compare_ids)
{
    struct arena arena = {0};
    stargate_error *error = NULL;
    int32_t order = 0;

    (void)argc;
    if (!library_is_open())
        return not_started(env);
    stargate_status status =
        lib.stargate_message_id_compare(get_text(env, argv[0], &arena), get_text(env, argv[1], &arena), &order, &error);
    arena_free(&arena);
    return status == STARGATE_OK ? success(env, enif_make_int(env, order)) : failure_taken(env, status, error);
}

NIF(id_parts)
{
    struct arena arena = {0};
    stargate_error *error = NULL;
    uint64_t ledger = 0, entry = 0;
    int32_t partition = 0, batch_index = 0;

    (void)argc;
    if (!library_is_open())
        return not_started(env);
    stargate_status status = lib.stargate_message_id_parts(get_text(env, argv[0], &arena), &ledger, &entry, &partition,
                                                           &batch_index, &error);
    arena_free(&arena);
    if (status != STARGATE_OK)
        return failure_taken(env, status, error);
    return success(env, enif_make_tuple4(env, enif_make_uint64(env, ledger), enif_make_uint64(env, entry),
                                         enif_make_int(env, partition), enif_make_int(env, batch_index)));
}

/* ---- the mock broker ---- */

#define MOCK_TEXTS(X)     \
    X(token)              \
    X(forbidden_token)    \
    X(tls_cert_file)      \
    X(tls_key_file)       \
    X(tls_client_ca_file) \
    X(basic_user)         \
    X(basic_password)     \
    X(oauth2_client_id) X(oauth2_client_secret) X(oauth2_audience) X(pulsar_version)
#define MOCK_NUMBERS(X)      \
    X(port)                  \
    X(no_auto_create_topics) \
    X(max_text_size) X(idle_timeout_ms) X(oauth2_token_life_ms) X(no_websocket_compression)

static int mock_option(ErlNifEnv *env, const ERL_NIF_TERM *pair, struct arena *arena, stargate_mock_options *options)
{
    char name[32];
    ErlNifSInt64 number = 0;

    if (!enif_get_atom(env, pair[0], name, sizeof name, ERL_NIF_LATIN1))
        return 0;
#define TEXT(field)                \
    if (strcmp(name, #field) == 0) \
        return (options->field = get_text(env, pair[1], arena)) != NULL;
    MOCK_TEXTS(TEXT)
#undef TEXT
#define NUMBER(field)              \
    if (strcmp(name, #field) == 0) \
        return enif_get_int64(env, pair[1], &number) ? (options->field = number, 1) : 0;
    MOCK_NUMBERS(NUMBER)
#undef NUMBER
    return 0;
}

NIF(mock_start)
{
    stargate_mock_options options = STARGATE_MOCK_OPTIONS_INIT;
    stargate_error *error = NULL;
    stargate_mock *mock = NULL;
    struct arena arena = {0};
    ERL_NIF_TERM list = argv[0], head;
    const ERL_NIF_TERM *pair;
    int arity;

    (void)argc;
    if (!library_is_open())
        return not_started(env);
    if (lib.stargate_mock_start == NULL)
        return refusal(env, "this libstargate was built without the mock broker");
    while (enif_get_list_cell(env, list, &head, &list))
        if (!enif_get_tuple(env, head, &arity, &pair) || arity != 2 || !mock_option(env, pair, &arena, &options))
            return arena_free(&arena), enif_make_badarg(env);
    stargate_status status = lib.stargate_mock_start(&options, &mock, &error);
    arena_free(&arena);
    return status == STARGATE_OK ? success(env, handle_term(env, MOCK, mock)) : failure_taken(env, status, error);
}

NIF(mock_urls)
{
    struct handle *mock = get_handle(env, argv[0], MOCK);

    (void)argc;
    if (mock == NULL)
        return enif_make_badarg(env);
    return enif_make_tuple3(env, str_term(env, lib.stargate_mock_url(mock->mock)),
                            str_term(env, lib.stargate_mock_http_url(mock->mock)),
                            str_term(env, lib.stargate_mock_oauth2_issuer_url(mock->mock)));
}

NIF(mock_gauges)
{
    struct handle *mock = get_handle(env, argv[0], MOCK);

    (void)argc;
    if (mock == NULL)
        return enif_make_badarg(env);
    return enif_make_tuple2(env, enif_make_uint64(env, lib.stargate_mock_faults_left(mock->mock)),
                            enif_make_uint64(env, lib.stargate_mock_connections(mock->mock)));
}

/* ---- what Erlang loads ---- */

NIF(start_call)
{
    (void)argc;
    return call_start(env, argv[0], argv[1], argv[2]);
}

NIF(answer_question)
{
    (void)argc;
    return question_answer(env, argv[0], argv[1]);
}

static int load(ErlNifEnv *env, void **data, ERL_NIF_TERM info)
{
    (void)data, (void)info;
    terms_load(env);
    library_keep_caller();
    return handles_load(env) && hooks_load(env) ? 0 : 1;
}

/* Files are read, or a port is opened: a dirty scheduler does that. */
#define READS ERL_NIF_DIRTY_JOB_IO_BOUND

static ErlNifFunc functions[] = {
    {"open_library", 1, open_library, READS},
    {"built_for", 0, built_for, 0},
    {"describe_options", 0, describe_options, 0},
    {"client_new", 3, client_new, READS},
    {"open", 8, open_handle, READS},
    {"close", 3, close_handle, 0},
    {"topic", 1, topic, 0},
    {"connected?", 1, is_connected, 0},
    {"send", 4, send_message, 0},
    {"send_many", 3, send_many, 0},
    {"flush", 3, flush, 0},
    {"room", 4, room, 0},
    {"receive", 4, receive_messages, 0},
    {"caught_up?", 1, is_caught_up, 0},
    {"ack", 2, ack, 0},
    {"nack", 2, nack, 0},
    {"ack_cumulative", 2, ack_cumulative, 0},
    {"ack_many", 2, ack_many, 0},
    {"keep", 1, keep, 0},
    {"keep_all", 1, keep_all, 0},
    {"permit", 2, permit, 0},
    {"compare_ids", 2, compare_ids, 0},
    {"id_parts", 1, id_parts, 0},
    {"start_call", 3, start_call, 0},
    {"answer", 2, answer_question, 0},
    {"mock_start", 1, mock_start, READS},
    {"mock_urls", 1, mock_urls, 0},
    {"mock_gauges", 1, mock_gauges, 0},
};

ERL_NIF_INIT(Elixir.Stargate.Native, functions, load, NULL, NULL, NULL)
