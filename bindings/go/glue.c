#define _GNU_SOURCE /* for dladdr */
#include "glue.h"

#include "_cgo_export.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* Calls a function of the library whose last parameter is the error. */
#define RESULT(call, ...)                                        \
	do {                                                     \
		glue_result result = { STARGATE_OK, NULL };      \
		result.status = call(__VA_ARGS__, &result.error); \
		return result;                                   \
	} while (0)

/* The same for consumers and readers. */
#define RECEIVER(operation, kind, handle, ...)                                                       \
	do {                                                                                         \
		if (kind == GLUE_READER)                                                             \
			RESULT(stargate_reader_##operation, (stargate_reader *)handle, __VA_ARGS__); \
		RESULT(stargate_consumer_##operation, (stargate_consumer *)handle, __VA_ARGS__);     \
	} while (0)

/* The same for producers too. */
#define HANDLE(operation, kind, handle, ...)                                                             \
	do {                                                                                             \
		if (kind == GLUE_PRODUCER)                                                               \
			RESULT(stargate_producer_##operation, (stargate_producer *)handle, __VA_ARGS__); \
		RECEIVER(operation, kind, handle, __VA_ARGS__);                                          \
	} while (0)

/* The same for clients too. */
#define ANY(operation, kind, handle, ...)                                                            \
	do {                                                                                         \
		if (kind == GLUE_CLIENT)                                                             \
			RESULT(stargate_client_##operation, (stargate_client *)handle, __VA_ARGS__); \
		HANDLE(operation, kind, handle, __VA_ARGS__);                                        \
	} while (0)

/* ---- the library ---- */

void *glue_open(const char *path, char **reason)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (library == NULL) {
		const char *why = dlerror();

		*reason = strdup(why != NULL ? why : "unknown");
	}
	return library;
}

int glue_compatible(void *library, const char **path, const char **version)
{
	int32_t (*compatible)(uint32_t) = (int32_t (*)(uint32_t))dlsym(library, "stargate_version_compatible");
	const char *(*text)(void) = (const char *(*)(void))dlsym(library, "stargate_version");
	Dl_info where;

	*path = compatible != NULL && dladdr((void *)compatible, &where) ? where.dli_fname : "an unknown path";
	*version = text != NULL ? text() : NULL;
	return compatible != NULL && text != NULL && compatible(STARGATE_VERSION_NUMBER);
}

/* ---- callbacks that end a call ---- */

static void done(void *user_data, stargate_status status, void *handle, const stargate_error *error)
{
	goDone((uintptr_t)user_data, status, handle, (stargate_error *)error);
}

static void sent(void *user_data, stargate_status status, const char *message_id, size_t length,
                 const stargate_error *error)
{
	goSent((uintptr_t)user_data, status, (char *)message_id, length, (stargate_error *)error);
}

static void reported(void *user_data, const stargate_delivery_report *report)
{
	goSent((uintptr_t)user_data, stargate_error_status(report->error), (char *)report->message_id.ptr,
	       report->message_id.len, (stargate_error *)report->error);
}

static void received(void *user_data, stargate_status status, stargate_message **messages, size_t count,
                     const stargate_error *error)
{
	goReceived((uintptr_t)user_data, status, messages, count, (stargate_error *)error);
}

static void destroy(void *user_data)
{
	goDestroy((uintptr_t)user_data);
}

/* ---- handles ---- */

glue_result glue_producer_open(stargate_client *client, const char *topic, const stargate_options *options,
                               int64_t timeout_ms, uintptr_t call)
{
	RESULT(stargate_producer_open_async, client, topic, options, timeout_ms, done, (void *)call, NULL);
}

glue_result glue_consumer_open(stargate_client *client, char **topics, size_t topic_count, int pattern,
                               const char *subscription, const stargate_options *options, int64_t timeout_ms,
                               uintptr_t call)
{
	if (pattern)
		RESULT(stargate_consumer_open_pattern_async, client, topics[0], subscription, options, timeout_ms, done,
		       (void *)call, NULL);
	if (topic_count == 1)
		RESULT(stargate_consumer_open_async, client, topics[0], subscription, options, timeout_ms, done,
		       (void *)call, NULL);
	RESULT(stargate_consumer_open_topics_async, client, (const char *const *)topics, topic_count, subscription,
	       options, timeout_ms, done, (void *)call, NULL);
}

glue_result glue_reader_open(stargate_client *client, const char *topic, const stargate_options *options,
                             int64_t timeout_ms, uintptr_t call)
{
	RESULT(stargate_reader_open_async, client, topic, options, timeout_ms, done, (void *)call, NULL);
}

glue_result glue_close(enum glue_kind kind, void *handle, int64_t timeout_ms)
{
	ANY(close, kind, handle, timeout_ms);
}

glue_result glue_close_async(enum glue_kind kind, void *handle, int64_t timeout_ms, uintptr_t call)
{
	ANY(close_async, kind, handle, timeout_ms, done, (void *)call, NULL);
}

void glue_release(enum glue_kind kind, void *handle)
{
	switch (kind) {
	case GLUE_CLIENT:
		stargate_client_release(handle);
		break;
	case GLUE_PRODUCER:
		stargate_producer_release(handle);
		break;
	case GLUE_CONSUMER:
		stargate_consumer_release(handle);
		break;
	case GLUE_READER:
		stargate_reader_release(handle);
		break;
	}
}

glue_result glue_wait_connected(enum glue_kind kind, void *handle, int64_t timeout_ms)
{
	HANDLE(wait_connected, kind, handle, timeout_ms);
}

int32_t glue_is_connected(enum glue_kind kind, void *handle)
{
	if (kind == GLUE_PRODUCER)
		return stargate_producer_is_connected(handle);
	return kind == GLUE_READER ? stargate_reader_is_connected(handle) : stargate_consumer_is_connected(handle);
}

glue_result glue_stats(enum glue_kind kind, void *handle, char **out)
{
	ANY(stats_json, kind, handle, out);
}

stargate_str glue_topic(enum glue_kind kind, void *handle)
{
	if (kind == GLUE_PRODUCER)
		return stargate_producer_topic(handle);
	return kind == GLUE_READER ? stargate_reader_topic(handle) : stargate_consumer_topic(handle);
}

/* ---- sending ---- */

glue_result glue_send(stargate_producer *producer, const char *payload, size_t payload_len, const char *key,
                      size_t key_len, const char *properties, size_t properties_len, int64_t event_time_ms,
                      int64_t deliver_at_ms, int64_t deliver_after_ms, int64_t timeout_ms, uintptr_t call)
{
	RESULT(stargate_producer_send_flat_async, producer, payload, payload_len, key, key_len, properties, properties_len,
	       event_time_ms, deliver_at_ms, deliver_after_ms, timeout_ms, sent, (void *)call, NULL);
}

/* The text after one that ends with 0. */
static const char *next(const char **texts)
{
	const char *text = *texts;

	*texts += strlen(text) + 1;
	return text;
}

glue_result glue_send_to(stargate_producer *producer, const char *payload, size_t payload_len, const char *key,
                         const char *properties, size_t property_count, const char *clusters, size_t cluster_count,
                         int64_t event_time_ms, int64_t deliver_at_ms, int64_t deliver_after_ms, int64_t timeout_ms,
                         uintptr_t call)
{
	glue_result result = { STARGATE_INTERNAL, NULL };
	stargate_outgoing message = {
		.struct_size = sizeof message,
		.payload = { payload, payload_len },
		.key = key,
		.property_count = property_count,
		.event_time_ms = event_time_ms,
		.deliver_at_ms = deliver_at_ms,
		.deliver_after_ms = deliver_after_ms,
		.replication_cluster_count = cluster_count,
	};
	stargate_property *pairs = calloc(property_count + 1, sizeof *pairs);
	const char **names = calloc(cluster_count + 1, sizeof *names);
	size_t i;

	if (pairs != NULL && names != NULL) {
		for (i = 0; i < property_count; i++) {
			pairs[i].key = next(&properties);
			pairs[i].value = next(&properties);
		}
		for (i = 0; i < cluster_count; i++)
			names[i] = next(&clusters);
		message.properties = pairs;
		message.replication_clusters = names;
		result.status = stargate_producer_send_async(producer, &message, timeout_ms, reported, (void *)call, NULL,
		                                             &result.error);
	}
	free(pairs);
	free(names);
	return result;
}

glue_result glue_room(stargate_producer *producer, size_t bytes, int64_t timeout_ms, uintptr_t call)
{
	RESULT(stargate_producer_room_async, producer, bytes, timeout_ms, done, (void *)call, NULL);
}

glue_result glue_flush(stargate_producer *producer, int64_t timeout_ms, uintptr_t call)
{
	RESULT(stargate_producer_flush_async, producer, timeout_ms, done, (void *)call, NULL);
}

/* ---- receiving ---- */

static glue_result receive_many(enum glue_kind kind, void *handle, size_t max, stargate_message **out, size_t *count)
{
	RECEIVER(receive_many, kind, handle, max, 0, out, count);
}

glue_result glue_receive_now(enum glue_kind kind, void *handle, size_t max, glue_batch *batch)
{
	glue_result result = receive_many(kind, handle, max, batch->messages, &batch->count);

	if (result.status == STARGATE_OK)
		stargate_messages_view(batch->messages, batch->count, batch->fields, sizeof *batch->fields, NULL);
	return result;
}

glue_result glue_receive_before_end(stargate_reader *reader, int64_t timeout_ms, glue_batch *batch)
{
	glue_result result = { STARGATE_OK, NULL };

	result.status = stargate_reader_receive_before_end(reader, timeout_ms, batch->messages, &result.error);
	batch->count = batch->messages[0] != NULL;
	stargate_messages_view(batch->messages, batch->count, batch->fields, sizeof *batch->fields, NULL);
	return result;
}

glue_result glue_receive_async(enum glue_kind kind, void *handle, uintptr_t call)
{
	RECEIVER(receive_async, kind, handle, 1, -1, received, (void *)call, NULL);
}

void glue_interrupt(enum glue_kind kind, void *handle)
{
	if (kind == GLUE_READER)
		stargate_reader_interrupt(handle, NULL);
	else
		stargate_consumer_interrupt(handle, NULL);
}

/* Frees messages that a call took care of. */
static glue_result answered(glue_result result, stargate_message **messages, size_t count)
{
	if (result.status == STARGATE_OK)
		stargate_messages_free(messages, count);
	return result;
}

glue_result glue_ack(stargate_consumer *consumer, uintptr_t message)
{
	return glue_ack_many(consumer, &message, 1);
}

glue_result glue_ack_many(stargate_consumer *consumer, uintptr_t *messages, size_t count)
{
	stargate_message **array = (stargate_message **)messages;
	glue_result result = { STARGATE_OK, NULL };

	if (count == 1)
		result.status = stargate_consumer_ack(consumer, *array, &result.error);
	else
		result.status = stargate_consumer_ack_many(consumer, array, count, &result.error);
	return answered(result, array, count);
}

glue_result glue_nack(stargate_consumer *consumer, uintptr_t message)
{
	stargate_message *one = (stargate_message *)message;
	glue_result result = { STARGATE_OK, NULL };

	result.status = stargate_consumer_nack(consumer, one, &result.error);
	return answered(result, &one, 1);
}

glue_result glue_ack_cumulative(stargate_consumer *consumer, uintptr_t message)
{
	stargate_message *one = (stargate_message *)message;
	glue_result result = { STARGATE_OK, NULL };

	result.status = stargate_consumer_ack_cumulative(consumer, one, &result.error);
	return answered(result, &one, 1);
}

glue_result glue_reconsume_later(stargate_consumer *consumer, uintptr_t message, int64_t delay_ms, int64_t timeout_ms)
{
	stargate_message *one = (stargate_message *)message;
	glue_result result = { STARGATE_OK, NULL };

	result.status = stargate_consumer_reconsume_later(consumer, one, delay_ms, timeout_ms, &result.error);
	return answered(result, &one, 1);
}

void glue_message_free(uintptr_t message)
{
	stargate_message_free((stargate_message *)message);
}

glue_result glue_seek(enum glue_kind kind, void *handle, const char *position, int32_t after, int64_t timeout_ms)
{
	RECEIVER(seek, kind, handle, position, after, timeout_ms);
}

glue_result glue_seek_time(enum glue_kind kind, void *handle, int64_t time_ms, int64_t timeout_ms)
{
	RECEIVER(seek_time, kind, handle, time_ms, timeout_ms);
}

glue_result glue_last_message_ids(enum glue_kind kind, void *handle, int64_t timeout_ms, char **out)
{
	RECEIVER(last_message_ids_json, kind, handle, timeout_ms, out);
}

glue_result glue_is_end_of_topic(enum glue_kind kind, void *handle, int64_t timeout_ms, int32_t *out)
{
	RECEIVER(is_end_of_topic, kind, handle, timeout_ms, out);
}

/* ---- handlers ---- */

static __thread uintptr_t handling;

uintptr_t glue_handling(void)
{
	return handling;
}

static stargate_status init(void *user_data, uint32_t processor, void **state)
{
	*state = (void *)goProcessor((uintptr_t)user_data, processor);
	return *state != NULL ? STARGATE_OK : STARGATE_INTERNAL;
}

static int32_t handle(void *state, const stargate_message *message)
{
	stargate_message *const messages[] = { (stargate_message *)message };
	stargate_message_fields fields;
	uintptr_t before = handling;
	int64_t delay_ms = 0;
	int32_t outcome;

	if (stargate_messages_view(messages, 1, &fields, sizeof fields, NULL) != STARGATE_OK)
		return STARGATE_NACK;
	handling = (uintptr_t)state;
	outcome = goHandle((uintptr_t)state, messages[0], &fields, &delay_ms);
	handling = before;
	return outcome == STARGATE_RECONSUME_LATER ? stargate_message_reconsume_later(message, delay_ms) : outcome;
}

static void drop(void *state)
{
	goDrop((uintptr_t)state);
}

static stargate_handler handler_of(int each)
{
	stargate_handler handler = { sizeof handler, each ? init : NULL, handle, each ? drop : NULL };

	return handler;
}

glue_result glue_listen(enum glue_kind kind, void *receiver, int each, uintptr_t user_data)
{
	stargate_handler handler = handler_of(each);

	RECEIVER(listen, kind, receiver, &handler, (void *)user_data, destroy);
}

glue_result glue_supervise(stargate_supervisor *supervisor, enum glue_kind kind, const char *json, uintptr_t user_data,
                           int64_t timeout_ms)
{
	stargate_handler handler = handler_of(0);
	const stargate_handler *given = user_data != 0 ? &handler : NULL;
	stargate_destroy_fn end = user_data != 0 ? destroy : NULL;

	if (kind == GLUE_READER)
		RESULT(stargate_supervisor_add_reader, supervisor, json, given, (void *)user_data, end, timeout_ms);
	RESULT(stargate_supervisor_add_consumer, supervisor, json, given, (void *)user_data, end, timeout_ms);
}

/* ---- options ---- */

static void logged(void *user_data, int32_t level, stargate_str target, stargate_str text)
{
	goLog((uintptr_t)user_data, level, (char *)target.ptr, target.len, (char *)text.ptr, text.len);
}

static void state_changed(void *user_data, const stargate_state_change *change)
{
	goState((uintptr_t)user_data, (stargate_state_change *)change);
}

static stargate_status token(void *user_data, char *buffer, size_t capacity, size_t *length)
{
	return goToken((uintptr_t)user_data, buffer, capacity, length);
}

static stargate_status headers(void *user_data, char *buffer, size_t capacity, size_t *length)
{
	return goHeaders((uintptr_t)user_data, buffer, capacity, length);
}

static stargate_status key(void *user_data, int32_t half, stargate_str name, const stargate_property *metadata,
                           size_t metadata_count, stargate_key *out)
{
	return goKey((uintptr_t)user_data, half, (char *)name.ptr, name.len, (stargate_property *)metadata,
	             metadata_count, out);
}

glue_result glue_on_log(stargate_options *options, int32_t max_level, uintptr_t value)
{
	RESULT(stargate_options_on_log, options, max_level, logged, (void *)value, destroy);
}

glue_result glue_on_state(stargate_options *options, uintptr_t value)
{
	RESULT(stargate_options_on_state, options, state_changed, (void *)value, destroy);
}

glue_result glue_on_token(stargate_options *options, uintptr_t value)
{
	RESULT(stargate_options_on_token, options, token, (void *)value, destroy);
}

glue_result glue_on_headers(stargate_options *options, uintptr_t value)
{
	RESULT(stargate_options_on_headers, options, headers, (void *)value, destroy);
}

glue_result glue_on_key(stargate_options *options, uintptr_t value)
{
	RESULT(stargate_options_on_key, options, key, (void *)value, destroy);
}
