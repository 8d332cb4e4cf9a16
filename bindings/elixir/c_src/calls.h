/* Calls that wait: each on a thread of its own, so that none of Erlang's is held. */
#ifndef STARGATE_NIF_CALLS_H
#define STARGATE_NIF_CALLS_H

#include "replies.h"

/* Starts the call of this name, with arguments in a list; the answer is {Tag, Result}. */
ERL_NIF_TERM call_start(ErlNifEnv *env, ERL_NIF_TERM name, ERL_NIF_TERM tag, ERL_NIF_TERM arguments);

#endif
