/* What the library opens, as resources: their destructors give it up and never wait. */
#ifndef STARGATE_NIF_HANDLES_H
#define STARGATE_NIF_HANDLES_H

#include "terms.h"

enum handle_kind { CLIENT, PRODUCER, CONSUMER, READER, MOCK, HANDLE_KINDS };

struct handle {
    enum handle_kind kind;
    union {
        void *any;
        stargate_client *client;
        stargate_producer *producer;
        stargate_consumer *consumer;
        stargate_reader *reader;
        stargate_mock *mock;
    };
};

/* A message that was received. The consumer is kept while the message is. */
struct received {
    stargate_message *message;
    struct handle *from;
    /* A message that ends without this is refused: it was on its way to a process that died. */
    int settled;
};

int handles_load(ErlNifEnv *env);

/* Makes a resource of a pointer that is now its own. */
ERL_NIF_TERM handle_term(ErlNifEnv *env, enum handle_kind kind, void *pointer);

/* Returns the handle of one kind, or of any but a message; NULL if it is none. */
struct handle *get_handle(ErlNifEnv *env, ERL_NIF_TERM term, enum handle_kind kind);
struct handle *get_any_handle(ErlNifEnv *env, ERL_NIF_TERM term);
struct received *get_received(ErlNifEnv *env, ERL_NIF_TERM term);

/* A list of messages, which are now its own. `from` is NULL for those that were not received by a consumer. */
ERL_NIF_TERM messages_term(ErlNifEnv *env, stargate_message **messages, size_t count, struct handle *from);

#endif
