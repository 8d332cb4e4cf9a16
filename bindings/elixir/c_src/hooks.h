/* Options, and the functions of an application that the library calls through them. */
#ifndef STARGATE_NIF_HOOKS_H
#define STARGATE_NIF_HOOKS_H

#include "terms.h"

int hooks_load(ErlNifEnv *env);

/*
 * Makes options of a JSON object and a list of {state, Pid, Tag}, {log, Pid, Level}, {token, Pid, Fun},
 * {headers, Pid, Fun} and {key, Pid, Fun}. Returns STARGATE_OK, or fails with *error. Free the options.
 */
stargate_status options_from(ErlNifEnv *env, ERL_NIF_TERM json, ERL_NIF_TERM hooks, stargate_options **options,
                             stargate_error **error);

/* Answers a question: a text, or nil for none. */
ERL_NIF_TERM question_answer(ErlNifEnv *env, ERL_NIF_TERM question, ERL_NIF_TERM answer);

#endif
