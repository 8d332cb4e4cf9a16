/*
 * What Go cannot say by itself: pointers to its callbacks, numbers as user data, and errors as results.
 *
 * A call that ends later carries the number of a Go value in the table of calls.go.
 */
#ifndef STARGATE_GO_GLUE_H
#define STARGATE_GO_GLUE_H

#include "raw.h"

#include <stdlib.h>

/* How a call ended. A result by value spares Go the allocation of a pointer to one. */
typedef struct glue_result {
	stargate_status status;
	stargate_error *error;
} glue_result;

/* What a handle is. */
enum glue_kind { GLUE_CLIENT, GLUE_PRODUCER, GLUE_CONSUMER, GLUE_READER };

/* ---- the library ---- */

void *glue_open(const char *path, char **reason);
int glue_compatible(void *library, const char **path, const char **version);

/* ---- handles ---- */

glue_result glue_producer_open(stargate_client *client, const char *topic, const stargate_options *options,
                               int64_t timeout_ms, uintptr_t call);
glue_result glue_consumer_open(stargate_client *client, char **topics, size_t topic_count, int pattern,
                               const char *subscription, const stargate_options *options, int64_t timeout_ms,
                               uintptr_t call);
glue_result glue_reader_open(stargate_client *client, const char *topic, const stargate_options *options,
                             int64_t timeout_ms, uintptr_t call);
glue_result glue_close(enum glue_kind kind, void *handle, int64_t timeout_ms);
glue_result glue_close_async(enum glue_kind kind, void *handle, int64_t timeout_ms, uintptr_t call);
void glue_release(enum glue_kind kind, void *handle);
glue_result glue_wait_connected(enum glue_kind kind, void *handle, int64_t timeout_ms);
int32_t glue_is_connected(enum glue_kind kind, void *handle);
glue_result glue_stats(enum glue_kind kind, void *handle, char **out);
stargate_str glue_topic(enum glue_kind kind, void *handle);

/* ---- sending ---- */

/* A message of Go: everything but the payload and the key is in one piece of memory, a 0 after each text. */
glue_result glue_send(stargate_producer *producer, const char *payload, size_t payload_len, const char *key,
                      size_t key_len, const char *properties, size_t properties_len, int64_t event_time_ms,
                      int64_t deliver_at_ms, int64_t deliver_after_ms, int64_t timeout_ms, uintptr_t call);
glue_result glue_send_to(stargate_producer *producer, const char *payload, size_t payload_len, const char *key,
                         const char *properties, size_t property_count, const char *clusters, size_t cluster_count,
                         int64_t event_time_ms, int64_t deliver_at_ms, int64_t deliver_after_ms, int64_t timeout_ms,
                         uintptr_t call);
glue_result glue_room(stargate_producer *producer, size_t bytes, int64_t timeout_ms, uintptr_t call);
glue_result glue_flush(stargate_producer *producer, int64_t timeout_ms, uintptr_t call);

/* ---- receiving ---- */

/* Room for what one call receives. It is memory of C, in which Go need not look for its own pointers. */
enum { GLUE_ROOM = 64 };
typedef struct glue_batch {
	size_t count;
	stargate_message *messages[GLUE_ROOM];
	stargate_message_fields fields[GLUE_ROOM];
} glue_batch;

/* Receives up to `max` messages that are there, and shows what they hold, without waiting. */
glue_result glue_receive_now(enum glue_kind kind, void *handle, size_t max, glue_batch *batch);
/* The next message before the marked end of a reader: count 0 at the end. */
glue_result glue_receive_before_end(stargate_reader *reader, int64_t timeout_ms, glue_batch *batch);
glue_result glue_receive_async(enum glue_kind kind, void *handle, uintptr_t call);
void glue_interrupt(enum glue_kind kind, void *handle);
/* Acknowledge, or the opposite, and free the message unless that failed. */
glue_result glue_ack(stargate_consumer *consumer, uintptr_t message);
glue_result glue_nack(stargate_consumer *consumer, uintptr_t message);
glue_result glue_ack_many(stargate_consumer *consumer, uintptr_t *messages, size_t count);
glue_result glue_ack_cumulative(stargate_consumer *consumer, uintptr_t message);
glue_result glue_reconsume_later(stargate_consumer *consumer, uintptr_t message, int64_t delay_ms, int64_t timeout_ms);
void glue_message_free(uintptr_t message);
glue_result glue_seek(enum glue_kind kind, void *handle, const char *position, int32_t after, int64_t timeout_ms);
glue_result glue_seek_time(enum glue_kind kind, void *handle, int64_t time_ms, int64_t timeout_ms);
glue_result glue_last_message_ids(enum glue_kind kind, void *handle, int64_t timeout_ms, char **out);
glue_result glue_is_end_of_topic(enum glue_kind kind, void *handle, int64_t timeout_ms, int32_t *out);

/* ---- handlers ---- */

/* With `each`, every processor makes a state of its own. */
glue_result glue_listen(enum glue_kind kind, void *handle, int each, uintptr_t handler);
/* Adds a consumer or a reader to a supervisor, with a handler unless `handler` is 0. */
glue_result glue_supervise(stargate_supervisor *supervisor, enum glue_kind kind, const char *json, uintptr_t handler,
                           int64_t timeout_ms);
/* The handler that runs on this thread, or 0. */
uintptr_t glue_handling(void);

/* ---- options ---- */

glue_result glue_on_log(stargate_options *options, int32_t max_level, uintptr_t value);
glue_result glue_on_state(stargate_options *options, uintptr_t value);
glue_result glue_on_token(stargate_options *options, uintptr_t value);
glue_result glue_on_headers(stargate_options *options, uintptr_t value);
glue_result glue_on_key(stargate_options *options, uintptr_t value);

#endif
