#include "calls.h"

#include "hooks.h"

#include <pthread.h>
#include <string.h>

#define MOST_ARGUMENTS 12

struct call {
    struct reply *reply;
    const struct operation *operation;
    ErlNifEnv *env;
    ERL_NIF_TERM arguments[MOST_ARGUMENTS];
    struct arena arena;
    /* The first argument that is not what it has to be, or NULL. */
    const char *wrong;
};

struct operation {
    const char *name;
    size_t arity;
    ERL_NIF_TERM (*run)(struct call *call);
};

/* ---- arguments ---- */

static void *take_handle(struct call *call, size_t index, const char *name, enum handle_kind kind)
{
    struct handle *handle = get_handle(call->env, call->arguments[index], kind);

    if (handle == NULL)
        call->wrong = name;
    return handle == NULL ? NULL : handle->any;
}

static const stargate_message *take_message(struct call *call, size_t index, const char *name)
{
    struct received *received = get_received(call->env, call->arguments[index]);

    if (received == NULL)
        call->wrong = name;
    return received == NULL ? NULL : received->message;
}

static const char *take_text(struct call *call, size_t index, const char *name, int nullable)
{
    if (nullable && enif_is_identical(call->arguments[index], atoms.nil))
        return NULL;
    const char *text = get_text(call->env, call->arguments[index], &call->arena);
    if (text == NULL)
        call->wrong = name;
    return text;
}

static int64_t take_number(struct call *call, size_t index, const char *name)
{
    ErlNifSInt64 number = 0;

    if (!enif_get_int64(call->env, call->arguments[index], &number))
        call->wrong = name;
    return number;
}

static int64_t take_timeout(struct call *call, size_t index, const char *name)
{
    int64_t timeout_ms = 0;

    if (!get_timeout(call->env, call->arguments[index], &timeout_ms))
        call->wrong = name;
    return timeout_ms;
}

static const stargate_property *take_properties(struct call *call, size_t index, const char *name, size_t *count)
{
    const stargate_property *properties = NULL;

    if (!get_properties(call->env, call->arguments[index], &call->arena, &properties, count))
        call->wrong = name;
    return properties;
}

static stargate_options *take_options(struct call *call, size_t index)
{
    stargate_options *options = NULL;
    stargate_error *error = NULL;

    if (options_from(call->env, call->arguments[index], enif_make_list(call->env, 0), &options, &error) != STARGATE_OK)
        call->wrong = "options";
    lib.stargate_error_free(error);
    return options;
}

/* ---- results ---- */

static ERL_NIF_TERM wrong_argument(struct call *call)
{
    return enif_make_tuple2(call->env, atoms.badarg, bytes_term(call->env, call->wrong, strlen(call->wrong)));
}

static ERL_NIF_TERM string_taken(struct call *call, char *string)
{
    ERL_NIF_TERM term = text_term(call->env, string, string == NULL ? 0 : strlen(string));

    lib.stargate_string_free(string);
    return term;
}

static ERL_NIF_TERM strings_taken(struct call *call, stargate_strings *strings)
{
    ERL_NIF_TERM list = enif_make_list(call->env, 0);

    for (size_t i = lib.stargate_strings_count(strings); i-- > 0;)
        list = enif_make_list_cell(call->env, str_term(call->env, lib.stargate_strings_get(strings, i)), list);
    lib.stargate_strings_free(strings);
    return list;
}

#include "calls_generated.h"

/* ---- those with parameters that no other has ---- */

static ERL_NIF_TERM run_stargate_produce(struct call *call)
{
    stargate_error *error = NULL;
    stargate_outgoing *messages = NULL;
    size_t count = 0;
    const char *url = take_text(call, 0, "url", 0);
    const char *wrong = get_outgoings(call->env, call->arguments[1], &call->arena, &messages, &count);
    stargate_options *options = take_options(call, 2);
    int64_t timeout_ms = take_timeout(call, 3, "timeout");
    ERL_NIF_TERM result;

    if (wrong != NULL)
        result = refusal(call->env, wrong);
    else if (call->wrong != NULL)
        result = wrong_argument(call);
    else {
        stargate_send_result *results = arena_take(&call->arena, (count + 1) * sizeof *results);
        memset(results, 0, (count + 1) * sizeof *results);
        stargate_status status = lib.stargate_produce(url, messages, count, options, timeout_ms, results, &error);
        if (status != STARGATE_OK)
            result = failure_taken(call->env, status, error);
        else
            result = success(call->env, send_results_term(call->env, results, count));
        lib.stargate_send_results_free(results, count);
    }
    lib.stargate_options_free(options);
    return result;
}

/* Receives up to the mark: waits for the first message, and takes what is there. {ok, []} at the mark. */
static ERL_NIF_TERM run_read_before_end(struct call *call)
{
    stargate_reader *reader = take_handle(call, 0, "reader", READER);
    int64_t max = take_number(call, 1, "max");
    int64_t timeout_ms = take_timeout(call, 2, "timeout");
    stargate_error *error = NULL;
    stargate_status status = STARGATE_OK;
    size_t count = 0;

    if (call->wrong != NULL)
        return wrong_argument(call);
    stargate_message **messages = arena_take(&call->arena, (size_t)max * sizeof *messages);
    while (count < (size_t)max) {
        status = lib.stargate_reader_receive_before_end(reader, count ? 0 : timeout_ms, &messages[count], &error);
        if (status != STARGATE_OK || messages[count] == NULL)
            break;
        count++;
    }
    if (status == STARGATE_OK || count > 0) {
        lib.stargate_error_free(error);
        return success(call->env, messages_term(call->env, messages, count, NULL));
    }
    return failure_taken(call->env, status, error);
}

static ERL_NIF_TERM run_stargate_mock_publish(struct call *call)
{
    stargate_mock *mock = take_handle(call, 0, "mock", MOCK);
    const char *topic = take_text(call, 1, "topic", 0);
    stargate_outgoing message;
    const char *wrong = get_outgoing(call->env, call->arguments[2], &call->arena, &message);
    stargate_error *error = NULL;
    char *id = NULL;

    if (call->wrong != NULL)
        return wrong_argument(call);
    if (wrong != NULL)
        return refusal(call->env, wrong);
    stargate_status status = lib.stargate_mock_publish(mock, topic, &message, &id, &error);
    return status == STARGATE_OK ? success(call->env, string_taken(call, id)) : failure_taken(call->env, status, error);
}

static const struct operation OPERATIONS[] = {
    GENERATED_OPERATIONS,
    {"stargate_produce", 4, run_stargate_produce},
    {"read_before_end", 3, run_read_before_end},
    {"stargate_mock_publish", 3, run_stargate_mock_publish},
};

/* ---- threads ---- */

static void *run(void *argument)
{
    struct call *call = argument;
    ERL_NIF_TERM result = call->operation->run(call);

    arena_free(&call->arena);
    reply_send(call->reply, result);
    reply_destroy(call->reply);
    enif_free(call);
    return NULL;
}

static int start_thread(struct call *call)
{
    pthread_attr_t attributes;
    pthread_t thread;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 512 * 1024);
    int failed = pthread_create(&thread, &attributes, run, call);
    pthread_attr_destroy(&attributes);
    return !failed;
}

static const struct operation *find_operation(ErlNifEnv *env, ERL_NIF_TERM name)
{
    char text[64];

    if (enif_get_atom(env, name, text, sizeof text, ERL_NIF_LATIN1))
        for (size_t i = 0; i < sizeof OPERATIONS / sizeof *OPERATIONS; i++)
            if (strcmp(OPERATIONS[i].name, text) == 0)
                return &OPERATIONS[i];
    return NULL;
}

ERL_NIF_TERM call_start(ErlNifEnv *env, ERL_NIF_TERM name, ERL_NIF_TERM tag, ERL_NIF_TERM arguments)
{
    const struct operation *operation = find_operation(env, name);
    unsigned length;
    ErlNifPid self;
    ERL_NIF_TERM head;

    if (operation == NULL || !enif_get_list_length(env, arguments, &length) || length != operation->arity)
        return enif_make_badarg(env);
    if (!library_is_open())
        return not_started(env);
    struct call *call = enif_alloc(sizeof *call);
    memset(call, 0, sizeof *call);
    call->operation = operation;
    call->reply = reply_new(*enif_self(env, &self), tag, NULL);
    call->env = call->reply->env;
    for (size_t i = 0; enif_get_list_cell(env, arguments, &head, &arguments); i++)
        call->arguments[i] = enif_make_copy(call->env, head);
    if (start_thread(call))
        return atoms.ok;
    reply_destroy(call->reply);
    enif_free(call);
    return refusal(env, "the system allows no more threads");
}
