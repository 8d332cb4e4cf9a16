#include "terms.h"

#include <string.h>

#include "atoms.h"

struct atoms atoms;

struct named {
    int32_t number;
    const char *text;
    ERL_NIF_TERM atom;
};

#define ROW(number, name) {number, #name, 0},
static struct named statuses[] = {STARGATE_STATUSES(ROW)};
static struct named states[] = {STARGATE_STATES(ROW)};
static struct named levels[] = {STARGATE_LOG_LEVELS(ROW)};
#undef ROW

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void load(ErlNifEnv *env, struct named *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rows[i].atom = enif_make_atom(env, rows[i].text);
}

static ERL_NIF_TERM find(const struct named *rows, size_t count, int32_t number)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].number == number)
            return rows[i].atom;
    return atoms.unknown;
}

void terms_load(ErlNifEnv *env)
{
#define MAKE(name, text) atoms.name = enif_make_atom(env, text);
    OTHER_ATOMS(MAKE)
#undef MAKE
    atoms.ok = enif_make_atom(env, "ok");
    load(env, statuses, COUNT(statuses));
    load(env, states, COUNT(states));
    load(env, levels, COUNT(levels));
}

ERL_NIF_TERM status_term(stargate_status status)
{
    return find(statuses, COUNT(statuses), status);
}

ERL_NIF_TERM state_term(int32_t state)
{
    return find(states, COUNT(states), state);
}

ERL_NIF_TERM level_term(int32_t level)
{
    return find(levels, COUNT(levels), level);
}

/* ---- to terms ---- */

ERL_NIF_TERM bytes_term(ErlNifEnv *env, const void *bytes, size_t length)
{
    ERL_NIF_TERM term;
    unsigned char *copy = enif_make_new_binary(env, length, &term);

    if (length > 0)
        memcpy(copy, bytes, length);
    return term;
}

ERL_NIF_TERM text_term(ErlNifEnv *env, const char *text, size_t length)
{
    return text == NULL ? atoms.nil : bytes_term(env, text, length);
}

ERL_NIF_TERM str_term(ErlNifEnv *env, stargate_str text)
{
    return text_term(env, text.ptr, text.len);
}

static ERL_NIF_TERM error_of(ErlNifEnv *env, ERL_NIF_TERM kind, const stargate_error_fields *fields)
{
    ERL_NIF_TERM keys[] = {atoms.exception, atoms.struct_, atoms.broker_text, atoms.http_status,
                           atoms.kind,      atoms.message, atoms.retriable,   atoms.topic};
    ERL_NIF_TERM values[] = {
        atoms.true_,
        atoms.Error,
        text_term(env, fields->broker_text, fields->broker_text_len),
        fields->http_status ? enif_make_int(env, fields->http_status) : atoms.nil,
        kind,
        text_term(env, fields->message, fields->message_len),
        fields->is_retriable ? atoms.true_ : atoms.false_,
        text_term(env, fields->topic, fields->topic_len),
    };
    ERL_NIF_TERM map;

    enif_make_map_from_arrays(env, keys, values, COUNT(keys), &map);
    return map;
}

ERL_NIF_TERM error_struct(ErlNifEnv *env, stargate_status status, const stargate_error *error)
{
    stargate_error_fields fields;

    lib.stargate_error_view(error, &fields, sizeof fields);
    if (fields.message_len == 0) {
        fields.message = lib.stargate_status_name(status);
        fields.message_len = strlen(fields.message);
    }
    return error_of(env, status_term(status), &fields);
}

ERL_NIF_TERM failure(ErlNifEnv *env, stargate_status status, const stargate_error *error)
{
    if (error == NULL && (status == STARGATE_TIMEOUT || status == STARGATE_INTERRUPTED))
        return status_term(status);
    return enif_make_tuple2(env, atoms.error, error_struct(env, status, error));
}

ERL_NIF_TERM failure_taken(ErlNifEnv *env, stargate_status status, stargate_error *error)
{
    ERL_NIF_TERM term = failure(env, status, error);

    lib.stargate_error_free(error);
    return term;
}

ERL_NIF_TERM success(ErlNifEnv *env, ERL_NIF_TERM value)
{
    return enif_make_tuple2(env, atoms.ok, value);
}

ERL_NIF_TERM refusal(ErlNifEnv *env, const char *text)
{
    stargate_error_fields fields = {.message = text, .message_len = strlen(text)};

    return enif_make_tuple2(env, atoms.error, error_of(env, status_term(STARGATE_INVALID_ARGUMENT), &fields));
}

ERL_NIF_TERM not_started(ErlNifEnv *env)
{
    return refusal(env, "the application :stargate is not started");
}

/* ---- from terms ---- */

int get_timeout(ErlNifEnv *env, ERL_NIF_TERM term, int64_t *timeout_ms)
{
    ErlNifSInt64 number;

    if (enif_is_identical(term, atoms.infinity)) {
        *timeout_ms = -1;
        return 1;
    }
    if (!enif_get_int64(env, term, &number) || number < 0)
        return 0;
    *timeout_ms = number;
    return 1;
}

struct block {
    struct block *before;
    max_align_t bytes[];
};

void *arena_take(struct arena *arena, size_t size)
{
    struct block *block = enif_alloc(sizeof *block + size);

    block->before = arena->last;
    arena->last = block;
    return block->bytes;
}

void arena_free(struct arena *arena)
{
    while (arena->last != NULL) {
        struct block *block = arena->last;
        arena->last = block->before;
        enif_free(block);
    }
}

char *get_text(ErlNifEnv *env, ERL_NIF_TERM term, struct arena *arena)
{
    ErlNifBinary text;

    if (!enif_inspect_binary(env, term, &text) || memchr(text.data, 0, text.size) != NULL)
        return NULL;
    char *copy = arena_take(arena, text.size + 1);
    memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    return copy;
}

int get_texts(ErlNifEnv *env, ERL_NIF_TERM list, struct arena *arena, const char *const **texts, size_t *count)
{
    ERL_NIF_TERM head;
    unsigned length;

    if (!enif_get_list_length(env, list, &length))
        return 0;
    const char **copies = arena_take(arena, (length + 1) * sizeof *copies);
    for (size_t i = 0; enif_get_list_cell(env, list, &head, &list); i++)
        if ((copies[i] = get_text(env, head, arena)) == NULL)
            return 0;
    *texts = copies;
    *count = length;
    return 1;
}

int get_properties(ErlNifEnv *env, ERL_NIF_TERM list, struct arena *arena, const stargate_property **properties,
                   size_t *count)
{
    ERL_NIF_TERM head;
    const ERL_NIF_TERM *pair;
    unsigned length;
    int arity;

    if (!enif_get_list_length(env, list, &length))
        return 0;
    stargate_property *copies = arena_take(arena, (length + 1) * sizeof *copies);
    for (size_t i = 0; enif_get_list_cell(env, list, &head, &list); i++) {
        if (!enif_get_tuple(env, head, &arity, &pair) || arity != 2)
            return 0;
        copies[i].key = get_text(env, pair[0], arena);
        copies[i].value = get_text(env, pair[1], arena);
        if (copies[i].key == NULL || copies[i].value == NULL)
            return 0;
    }
    *properties = copies;
    *count = length;
    return 1;
}

static int get_number(ErlNifEnv *env, ERL_NIF_TERM term, int64_t *number)
{
    ErlNifSInt64 found;

    if (enif_is_identical(term, atoms.nil))
        return 1;
    if (!enif_get_int64(env, term, &found))
        return 0;
    *number = found;
    return 1;
}

const char *get_outgoing(ErlNifEnv *env, ERL_NIF_TERM term, struct arena *arena, stargate_outgoing *message)
{
    ErlNifBinary payload;
    const ERL_NIF_TERM *part;
    int arity;

    *message = (stargate_outgoing)STARGATE_OUTGOING_INIT;
    if (enif_inspect_binary(env, term, &payload)) {
        message->payload = (stargate_bytes){payload.data, payload.size};
        return NULL;
    }
    if (!enif_get_tuple(env, term, &arity, &part) || arity != 7 || !enif_inspect_binary(env, part[0], &payload))
        return "payload: expected a binary";
    message->payload = (stargate_bytes){payload.data, payload.size};
    if (!enif_is_identical(part[1], atoms.nil) && (message->key = get_text(env, part[1], arena)) == NULL)
        return "key: expected a text without U+0000";
    if (!enif_is_empty_list(env, part[2])
        && !get_properties(env, part[2], arena, &message->properties, &message->property_count))
        return "properties: expected texts without U+0000";
    if (!get_number(env, part[3], &message->event_time_ms) || !get_number(env, part[4], &message->deliver_at_ms)
        || !get_number(env, part[5], &message->deliver_after_ms))
        return "event_time, deliver_at and deliver_after: expected milliseconds in 64 bits";
    if (!enif_is_empty_list(env, part[6])
        && !get_texts(env, part[6], arena, &message->replication_clusters, &message->replication_cluster_count))
        return "replication_clusters: expected texts without U+0000";
    return NULL;
}

const char *get_outgoings(ErlNifEnv *env, ERL_NIF_TERM list, struct arena *arena, stargate_outgoing **messages,
                          size_t *count)
{
    ERL_NIF_TERM head;
    unsigned length;

    if (!enif_get_list_length(env, list, &length))
        return "messages: expected a list";
    *messages = arena_take(arena, (length + 1) * sizeof **messages);
    *count = length;
    for (size_t i = 0; enif_get_list_cell(env, list, &head, &list); i++) {
        const char *wrong = get_outgoing(env, head, arena, &(*messages)[i]);
        if (wrong != NULL)
            return wrong;
    }
    return NULL;
}
