/* The answer to a call that does not wait: a message {Tag, Result} to a process. */
#ifndef STARGATE_NIF_REPLIES_H
#define STARGATE_NIF_REPLIES_H

#include "handles.h"

struct reply {
    ErlNifEnv *env;
    ErlNifPid pid;
    ERL_NIF_TERM tag;
    /* The handle that the call is about; kept until the answer. */
    struct handle *handle;
    /* For an open: what it opens. */
    enum handle_kind opens;
    /* For a receive. */
    int monitored;
    ErlNifMonitor monitor;
};

/* `handle` may be NULL. */
struct reply *reply_new(ErlNifPid pid, ERL_NIF_TERM tag, struct handle *handle);

/* Sends {Tag, Result}, with a result made in the environment of the reply. 0 if there is no such process any more. */
int reply_send(struct reply *reply, ERL_NIF_TERM result);

/* The functions for the library. Each call of one is followed by reply_destroy. */
void reply_destroy(void *reply);
void reply_done(void *reply, stargate_status status, void *handle, const stargate_error *error);
void reply_sent(void *reply, const stargate_delivery_report *report);
void reply_sent_many(void *reply, stargate_status status, const stargate_send_result *results, size_t count);
void reply_received(void *reply, stargate_status status, stargate_message **messages, size_t count,
                    const stargate_error *error);

/* A list of {ok, Id} and {error, Error}. */
ERL_NIF_TERM send_results_term(ErlNifEnv *env, const stargate_send_result *results, size_t count);

#endif
