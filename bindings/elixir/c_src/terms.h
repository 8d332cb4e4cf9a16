/* Terms of Erlang from what the library gives, and the other way round. */
#ifndef STARGATE_NIF_TERMS_H
#define STARGATE_NIF_TERMS_H

#include <erl_nif.h>

#include "library.h"

/* Atoms that are no status, state or level; (name in C, text). */
#define OTHER_ATOMS(X)                        \
    X(nil, "nil")                             \
    X(true_, "true")                          \
    X(false_, "false")                        \
    X(error, "error")                         \
    X(infinity, "infinity")                   \
    X(badarg, "badarg")                       \
    X(missing, "missing")                     \
    X(incomplete, "incomplete")               \
    X(incompatible, "incompatible")           \
    X(unknown, "unknown")                     \
    X(topic, "topic")                         \
    X(topics, "topics")                       \
    X(pattern, "pattern")                     \
    X(log, "log")                             \
    X(state, "state")                         \
    X(token, "token")                         \
    X(headers, "headers")                     \
    X(key, "key")                             \
    X(public_key, "public")                   \
    X(private_key, "private")                 \
    X(stargate_log, "stargate_log")           \
    X(stargate_question, "stargate_question") \
    X(struct_, "__struct__")                  \
    X(exception, "__exception__")             \
    X(broker_text, "broker_text")             \
    X(http_status, "http_status")             \
    X(kind, "kind")                           \
    X(message, "message")                     \
    X(retriable, "retriable")                 \
    X(host, "host")                           \
    X(proxy, "proxy")                         \
    X(retry_in, "retry_in")                   \
    X(session, "session")                     \
    X(Error, "Elixir.Stargate.Error")         \
    X(StateChange, "Elixir.Stargate.StateChange")

struct atoms {
#define DECLARE(name, text) ERL_NIF_TERM name;
    OTHER_ATOMS(DECLARE)
#undef DECLARE
    ERL_NIF_TERM ok;
};

extern struct atoms atoms;

void terms_load(ErlNifEnv *env);

ERL_NIF_TERM status_term(stargate_status status);
ERL_NIF_TERM state_term(int32_t state);
ERL_NIF_TERM level_term(int32_t level);

/* A binary with a copy of these bytes. */
ERL_NIF_TERM bytes_term(ErlNifEnv *env, const void *bytes, size_t length);

/* A text, or nil where there is none. */
ERL_NIF_TERM text_term(ErlNifEnv *env, const char *text, size_t length);
ERL_NIF_TERM str_term(ErlNifEnv *env, stargate_str text);

/* A %Stargate.Error{}. The error is borrowed, and may be NULL. */
ERL_NIF_TERM error_struct(ErlNifEnv *env, stargate_status status, const stargate_error *error);

/* {error, %Stargate.Error{}}; or the bare atom of an outcome without an error: timeout, interrupted. */
ERL_NIF_TERM failure(ErlNifEnv *env, stargate_status status, const stargate_error *error);

/* The same, and frees the error. */
ERL_NIF_TERM failure_taken(ErlNifEnv *env, stargate_status status, stargate_error *error);

ERL_NIF_TERM success(ErlNifEnv *env, ERL_NIF_TERM value);

/* {error, %Stargate.Error{kind: :invalid_argument}} for what cannot be passed to C. */
ERL_NIF_TERM refusal(ErlNifEnv *env, const char *text);

/* The refusal of what needs the library before it is open. */
ERL_NIF_TERM not_started(ErlNifEnv *env);

/* Reads a number of milliseconds, or infinity as -1. */
int get_timeout(ErlNifEnv *env, ERL_NIF_TERM term, int64_t *timeout_ms);

/* Memory for the texts of one call: all of it is freed at once. */
struct arena {
    struct block *last;
};

void *arena_take(struct arena *arena, size_t size);
void arena_free(struct arena *arena);

/* Copies a text with a 0 at its end; NULL if it is no binary, or has a 0 in it. */
char *get_text(ErlNifEnv *env, ERL_NIF_TERM term, struct arena *arena);

/* Copies a list of texts; 0 if it is none. */
int get_texts(ErlNifEnv *env, ERL_NIF_TERM list, struct arena *arena, const char *const **texts, size_t *count);

/* Copies a list of pairs of texts; 0 if it is none. */
int get_properties(ErlNifEnv *env, ERL_NIF_TERM list, struct arena *arena, const stargate_property **properties,
                   size_t *count);

/*
 * Reads a message to send: a payload, or {Payload, Key, Properties, EventTime, DeliverAt, DeliverAfter, Clusters}, with
 * nil for what is not given. The payload stays where it is. Returns what is wrong, or NULL.
 */
const char *get_outgoing(ErlNifEnv *env, ERL_NIF_TERM term, struct arena *arena, stargate_outgoing *message);

/* Reads a list of them. */
const char *get_outgoings(ErlNifEnv *env, ERL_NIF_TERM list, struct arena *arena, stargate_outgoing **messages,
                          size_t *count);

#endif
