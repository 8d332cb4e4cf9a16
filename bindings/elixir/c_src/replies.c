#include "replies.h"

#include <string.h>

struct reply *reply_new(ErlNifPid pid, ERL_NIF_TERM tag, struct handle *handle)
{
    struct reply *reply = enif_alloc(sizeof *reply);

    *reply = (struct reply){.env = enif_alloc_env(), .pid = pid, .handle = handle};
    reply->tag = enif_make_copy(reply->env, tag);
    if (handle != NULL)
        enif_keep_resource(handle);
    return reply;
}

int reply_send(struct reply *reply, ERL_NIF_TERM result)
{
    return enif_send(NULL, &reply->pid, reply->env, enif_make_tuple2(reply->env, reply->tag, result));
}

void reply_destroy(void *user_data)
{
    struct reply *reply = user_data;

    enif_free_env(reply->env);
    if (reply->handle != NULL)
        enif_release_resource(reply->handle);
    enif_free(reply);
}

void reply_done(void *user_data, stargate_status status, void *handle, const stargate_error *error)
{
    struct reply *reply = user_data;

    if (status != STARGATE_OK)
        reply_send(reply, failure(reply->env, status, error));
    else if (handle == NULL)
        reply_send(reply, atoms.ok);
    else
        reply_send(reply, success(reply->env, handle_term(reply->env, reply->opens, handle)));
}

void reply_sent(void *user_data, const stargate_delivery_report *report)
{
    struct reply *reply = user_data;

    if (report->error != NULL)
        reply_send(reply, failure(reply->env, lib.stargate_error_status(report->error), report->error));
    else
        reply_send(reply, success(reply->env, str_term(reply->env, report->message_id)));
}

ERL_NIF_TERM send_results_term(ErlNifEnv *env, const stargate_send_result *results, size_t count)
{
    ERL_NIF_TERM list = enif_make_list(env, 0);

    for (size_t i = count; i-- > 0;) {
        const char *id = results[i].message_id;
        ERL_NIF_TERM result = results[i].status == STARGATE_OK
                                  ? success(env, text_term(env, id, id == NULL ? 0 : strlen(id)))
                                  : failure(env, results[i].status, results[i].error);
        list = enif_make_list_cell(env, result, list);
    }
    return list;
}

void reply_sent_many(void *user_data, stargate_status status, const stargate_send_result *results, size_t count)
{
    struct reply *reply = user_data;

    (void)status;
    reply_send(reply, send_results_term(reply->env, results, count));
}

void reply_received(void *user_data, stargate_status status, stargate_message **messages, size_t count,
                    const stargate_error *error)
{
    struct reply *reply = user_data;

    if (reply->monitored)
        enif_demonitor_process(NULL, reply->handle, &reply->monitor);
    if (status != STARGATE_OK) {
        reply_send(reply, failure(reply->env, status, error));
        return;
    }
    reply_send(reply, success(reply->env, messages_term(reply->env, messages, count, reply->handle)));
}
