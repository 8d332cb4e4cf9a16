#include "hooks.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

/* A process, and a tag or a function to send with what it receives. */
struct hook {
    ErlNifEnv *env;
    ErlNifPid pid;
    ERL_NIF_TERM value;
};

static struct hook *hook_new(ErlNifPid pid, ERL_NIF_TERM value)
{
    struct hook *hook = enif_alloc(sizeof *hook);

    hook->env = enif_alloc_env();
    hook->pid = pid;
    hook->value = enif_make_copy(hook->env, value);
    return hook;
}

static void hook_destroy(void *user_data)
{
    struct hook *hook = user_data;

    enif_free_env(hook->env);
    enif_free(hook);
}

/* 0 if there is no such process any more. */
static int hook_send(struct hook *hook, ErlNifEnv *env, ERL_NIF_TERM message)
{
    int sent = enif_send(NULL, &hook->pid, env, message);

    enif_free_env(env);
    return sent;
}

/* ---- what the library reports ---- */

static void on_state(void *user_data, const stargate_state_change *change)
{
    struct hook *hook = user_data;
    ErlNifEnv *env = enif_alloc_env();
    ERL_NIF_TERM keys[] = {atoms.struct_,  atoms.error,   atoms.host,  atoms.proxy,
                           atoms.retry_in, atoms.session, atoms.state, atoms.topic};
    ERL_NIF_TERM values[] = {
        atoms.StateChange,
        change->error ? error_struct(env, lib.stargate_error_status(change->error), change->error) : atoms.nil,
        change->host.len ? str_term(env, change->host) : atoms.nil,
        change->proxy.len ? str_term(env, change->proxy) : atoms.nil,
        change->retry_in_ms < 0 ? atoms.nil : enif_make_int64(env, change->retry_in_ms),
        enif_make_uint(env, change->session),
        state_term(change->state),
        str_term(env, change->topic),
    };
    ERL_NIF_TERM map;

    enif_make_map_from_arrays(env, keys, values, sizeof keys / sizeof *keys, &map);
    hook_send(hook, env, enif_make_tuple2(env, enif_make_copy(env, hook->value), map));
}

static void on_log(void *user_data, int32_t level, stargate_str target, stargate_str text)
{
    ErlNifEnv *env = enif_alloc_env();

    hook_send(user_data, env,
              enif_make_tuple4(env, atoms.stargate_log, level_term(level), str_term(env, target), str_term(env, text)));
}

/* ---- what the library asks ---- */

/* How long a process may take for an answer. The library itself waits no longer than connect_timeout. */
#define PATIENCE_SECONDS 60

struct question {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int answered;
    ErlNifBinary text;
    int has_text;
};

static ErlNifResourceType *question_type;

static void free_question(ErlNifEnv *env, void *object)
{
    struct question *question = object;

    (void)env;
    if (question->has_text)
        enif_release_binary(&question->text);
    pthread_cond_destroy(&question->changed);
    pthread_mutex_destroy(&question->lock);
}

int hooks_load(ErlNifEnv *env)
{
    ErlNifResourceTypeInit init = {.dtor = free_question};

    question_type = enif_open_resource_type_x(env, "question", &init, ERL_NIF_RT_CREATE, NULL);
    return question_type != NULL;
}

/* Sends {stargate_question, Fun, About, Question} and waits for the answer. Release what it returns. */
static struct question *ask(struct hook *hook, ErlNifEnv *env, ERL_NIF_TERM about)
{
    struct question *question = enif_alloc_resource(question_type, sizeof *question);
    struct timespec until;

    memset(question, 0, sizeof *question);
    pthread_mutex_init(&question->lock, NULL);
    pthread_cond_init(&question->changed, NULL);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_SECONDS;
    int sent = hook_send(hook, env,
                         enif_make_tuple4(env, atoms.stargate_question, enif_make_copy(env, hook->value), about,
                                          enif_make_resource(env, question)));
    pthread_mutex_lock(&question->lock);
    while (sent && !question->answered && pthread_cond_timedwait(&question->changed, &question->lock, &until) == 0)
        continue;
    question->answered = 1;
    pthread_mutex_unlock(&question->lock);
    return question;
}

ERL_NIF_TERM question_answer(ErlNifEnv *env, ERL_NIF_TERM term, ERL_NIF_TERM answer)
{
    void *object;
    ErlNifBinary text;

    if (!enif_get_resource(env, term, question_type, &object))
        return enif_make_badarg(env);
    struct question *question = object;
    pthread_mutex_lock(&question->lock);
    if (!question->answered && enif_inspect_binary(env, answer, &text)
        && enif_alloc_binary(text.size, &question->text)) {
        memcpy(question->text.data, text.data, text.size);
        question->has_text = 1;
    }
    question->answered = 1;
    pthread_cond_signal(&question->changed);
    pthread_mutex_unlock(&question->lock);
    return atoms.ok;
}

static stargate_status write_answer(struct hook *hook, ERL_NIF_TERM about, char *buffer, size_t capacity,
                                    size_t *length)
{
    struct question *question = ask(hook, enif_alloc_env(), about);
    stargate_status status = STARGATE_AUTHENTICATION;

    if (question->has_text) {
        *length = question->text.size;
        status = *length > capacity ? STARGATE_TOO_BIG : STARGATE_OK;
        if (status == STARGATE_OK)
            memcpy(buffer, question->text.data, *length);
    }
    enif_release_resource(question);
    return status;
}

static stargate_status on_token(void *user_data, char *buffer, size_t capacity, size_t *length)
{
    return write_answer(user_data, atoms.token, buffer, capacity, length);
}

static stargate_status on_headers(void *user_data, char *buffer, size_t capacity, size_t *length)
{
    return write_answer(user_data, atoms.headers, buffer, capacity, length);
}

static stargate_status on_key(void *user_data, int32_t half, stargate_str name, const stargate_property *metadata,
                              size_t metadata_count, stargate_key *key)
{
    ErlNifEnv *env = enif_alloc_env();
    ERL_NIF_TERM map = enif_make_new_map(env);
    stargate_status status = STARGATE_CRYPTO;

    for (size_t i = 0; i < metadata_count; i++)
        enif_make_map_put(env, map, bytes_term(env, metadata[i].key, strlen(metadata[i].key)),
                          bytes_term(env, metadata[i].value, strlen(metadata[i].value)), &map);
    struct question *question =
        ask(user_data, env,
            enif_make_tuple4(env, atoms.key, half == STARGATE_PUBLIC_KEY ? atoms.public_key : atoms.private_key,
                             str_term(env, name), map));
    if (question->has_text)
        status = lib.stargate_key_set(key, (const char *)question->text.data, question->text.size, NULL);
    enif_release_resource(question);
    return status;
}

/* ---- options ---- */

static stargate_status set_hook(ErlNifEnv *env, ERL_NIF_TERM term, stargate_options *options, stargate_error **error)
{
    const ERL_NIF_TERM *part;
    ErlNifPid pid;
    int arity, level;

    if (!enif_get_tuple(env, term, &arity, &part) || arity != 3 || !enif_get_local_pid(env, part[1], &pid))
        return STARGATE_INVALID_ARGUMENT;
    struct hook *hook = hook_new(pid, part[2]);
    if (enif_is_identical(part[0], atoms.state))
        return lib.stargate_options_on_state(options, on_state, hook, hook_destroy, error);
    if (enif_is_identical(part[0], atoms.token))
        return lib.stargate_options_on_token(options, on_token, hook, hook_destroy, error);
    if (enif_is_identical(part[0], atoms.headers))
        return lib.stargate_options_on_headers(options, on_headers, hook, hook_destroy, error);
    if (enif_is_identical(part[0], atoms.key))
        return lib.stargate_options_on_key(options, on_key, hook, hook_destroy, error);
    if (enif_is_identical(part[0], atoms.log) && enif_get_int(env, part[2], &level))
        return lib.stargate_options_on_log(options, level, on_log, hook, hook_destroy, error);
    hook_destroy(hook);
    return STARGATE_INVALID_ARGUMENT;
}

stargate_status options_from(ErlNifEnv *env, ERL_NIF_TERM json, ERL_NIF_TERM hooks, stargate_options **options,
                             stargate_error **error)
{
    struct arena arena = {0};
    ERL_NIF_TERM hook;
    const char *text = get_text(env, json, &arena);
    stargate_status status = STARGATE_INVALID_ARGUMENT;

    *options = lib.stargate_options_new();
    *error = NULL;
    if (text != NULL)
        status = lib.stargate_options_set_json(*options, text, error);
    while (status == STARGATE_OK && enif_get_list_cell(env, hooks, &hook, &hooks))
        status = set_hook(env, hook, *options, error);
    arena_free(&arena);
    return status;
}
