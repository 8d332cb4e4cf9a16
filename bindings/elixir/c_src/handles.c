#include "handles.h"

static ErlNifResourceType *handle_types[HANDLE_KINDS];
static ErlNifResourceType *received_type;
static ErlNifResourceType *payload_type;

/* Larger payloads are not copied: the binary refers to the message. */
#define COPIED 4096

static void release(ErlNifEnv *env, void *object)
{
    struct handle *handle = object;

    (void)env;
    switch (handle->kind) {
    case CLIENT:
        lib.stargate_client_release(handle->client);
        break;
    case PRODUCER:
        lib.stargate_producer_release(handle->producer);
        break;
    case CONSUMER:
        lib.stargate_consumer_release(handle->consumer);
        break;
    case READER:
        lib.stargate_reader_release(handle->reader);
        break;
    case MOCK:
        lib.stargate_mock_release(handle->mock);
        break;
    case HANDLE_KINDS:
        break;
    }
}

/* A process that waits in a receive has died: end the receive, so that it takes no message. */
static void waiting_process_died(ErlNifEnv *env, void *object, ErlNifPid *pid, ErlNifMonitor *monitor)
{
    struct handle *handle = object;

    (void)env, (void)pid, (void)monitor;
    if (handle->kind == CONSUMER)
        lib.stargate_consumer_interrupt(handle->consumer, NULL);
    else if (handle->kind == READER)
        lib.stargate_reader_interrupt(handle->reader, NULL);
}

static void free_received(ErlNifEnv *env, void *object)
{
    struct received *received = object;

    (void)env;
    if (!received->settled && received->from != NULL && received->from->kind == CONSUMER)
        lib.stargate_consumer_nack(received->from->consumer, received->message, NULL);
    lib.stargate_message_free(received->message);
    if (received->from != NULL)
        enif_release_resource(received->from);
}

static void free_payload(ErlNifEnv *env, void *object)
{
    (void)env;
    lib.stargate_message_free(*(stargate_message **)object);
}

int handles_load(ErlNifEnv *env)
{
    static const char *const NAMES[] = {"client", "producer", "consumer", "reader", "mock"};
    ErlNifResourceTypeInit handle = {.dtor = release, .down = waiting_process_died};
    ErlNifResourceTypeInit received = {.dtor = free_received};
    ErlNifResourceTypeInit payload = {.dtor = free_payload};

    for (int kind = 0; kind < HANDLE_KINDS; kind++)
        handle_types[kind] = enif_open_resource_type_x(env, NAMES[kind], &handle, ERL_NIF_RT_CREATE, NULL);
    received_type = enif_open_resource_type_x(env, "received", &received, ERL_NIF_RT_CREATE, NULL);
    payload_type = enif_open_resource_type_x(env, "payload", &payload, ERL_NIF_RT_CREATE, NULL);
    return handle_types[MOCK] != NULL && received_type != NULL && payload_type != NULL;
}

ERL_NIF_TERM handle_term(ErlNifEnv *env, enum handle_kind kind, void *pointer)
{
    struct handle *handle = enif_alloc_resource(handle_types[kind], sizeof *handle);

    handle->kind = kind;
    handle->any = pointer;
    ERL_NIF_TERM term = enif_make_resource(env, handle);
    enif_release_resource(handle);
    return term;
}

struct handle *get_handle(ErlNifEnv *env, ERL_NIF_TERM term, enum handle_kind kind)
{
    void *object;

    return enif_get_resource(env, term, handle_types[kind], &object) ? object : NULL;
}

struct handle *get_any_handle(ErlNifEnv *env, ERL_NIF_TERM term)
{
    struct handle *handle = NULL;

    for (int kind = 0; kind < HANDLE_KINDS && handle == NULL; kind++)
        handle = get_handle(env, term, kind);
    return handle;
}

struct received *get_received(ErlNifEnv *env, ERL_NIF_TERM term)
{
    void *object;

    return enif_get_resource(env, term, received_type, &object) ? object : NULL;
}

/* ---- messages ---- */

static ERL_NIF_TERM payload_term(ErlNifEnv *env, const stargate_message *message, const stargate_message_fields *fields)
{
    if (fields->payload_len <= COPIED)
        return bytes_term(env, fields->payload, fields->payload_len);
    /* A message of its own, so that a process that keeps the payload does not keep the message. */
    stargate_message **kept = enif_alloc_resource(payload_type, sizeof *kept);
    *kept = lib.stargate_message_clone(message);
    ERL_NIF_TERM term =
        enif_make_resource_binary(env, kept, lib.stargate_message_payload(*kept).ptr, fields->payload_len);
    enif_release_resource(kept);
    return term;
}

static ERL_NIF_TERM properties_term(ErlNifEnv *env, const stargate_message_fields *fields)
{
    ERL_NIF_TERM map = enif_make_new_map(env);

    for (size_t i = 0; i < fields->property_count; i++) {
        const stargate_property_fields *property = &fields->properties[i];
        enif_make_map_put(env, map, bytes_term(env, property->key, property->key_len),
                          bytes_term(env, property->value, property->value_len), &map);
    }
    return map;
}

static ERL_NIF_TERM time_term(ErlNifEnv *env, int64_t time_ms)
{
    return time_ms == 0 ? atoms.nil : enif_make_int64(env, time_ms);
}

static ERL_NIF_TERM received_term(ErlNifEnv *env, stargate_message *message, struct handle *from)
{
    struct received *received = enif_alloc_resource(received_type, sizeof *received);

    *received = (struct received){.message = message, .from = from};
    if (from != NULL)
        enif_keep_resource(from);
    ERL_NIF_TERM term = enif_make_resource(env, received);
    enif_release_resource(received);
    return term;
}

ERL_NIF_TERM messages_term(ErlNifEnv *env, stargate_message **messages, size_t count, struct handle *from)
{
    ERL_NIF_TERM list = enif_make_list(env, 0);
    const char *topic = NULL;
    size_t topic_len = 0;
    ERL_NIF_TERM topic_term = atoms.nil;

    for (size_t i = count; i-- > 0;) {
        stargate_message_fields fields;
        lib.stargate_messages_view(&messages[i], 1, &fields, sizeof fields, NULL);
        if (topic == NULL || fields.topic != topic || fields.topic_len != topic_len) {
            topic = fields.topic;
            topic_len = fields.topic_len;
            topic_term = text_term(env, topic, topic_len);
        }
        ERL_NIF_TERM parts[] = {
            payload_term(env, messages[i], &fields),
            text_term(env, fields.id, fields.id_len),
            topic_term,
            text_term(env, fields.key, fields.key_len),
            properties_term(env, &fields),
            time_term(env, fields.publish_time_ms),
            time_term(env, fields.event_time_ms),
            enif_make_uint(env, fields.redelivery_count),
            enif_make_uint(env, fields.reconsume_times),
            text_term(env, fields.encryption_context, fields.encryption_context_len),
            fields.is_encrypted ? atoms.true_ : atoms.false_,
            received_term(env, messages[i], from),
        };
        list = enif_make_list_cell(env, enif_make_tuple_from_array(env, parts, sizeof parts / sizeof *parts), list);
    }
    return list;
}
