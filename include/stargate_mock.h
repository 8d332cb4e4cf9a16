/*
 * The mock broker of stargate, for tests of applications: a Pulsar broker at 127.0.0.1 with everything in memory, which
 * does on request what a real one does at the worst moment. It is part of libstargate.
 *
 * This file is generated from ffi-c/src/mock.rs (UPDATE_HEADER=1 cargo test -p stargate-ffi --test header); do not edit it.
 *
 * Unlike stargate.h it may change in a minor version; the CHANGELOG says so then. A library built without the feature
 * `mock` does not have these functions.
 *
 *     stargate_mock *mock = NULL;
 *     stargate_error *error = NULL;
 *
 *     stargate_mock_start(NULL, &mock, &error);
 *     stargate_mock_fault(mock, "send", "orders", "no-receipt", 1, &error);  -- stored, and never confirmed
 *     run_the_application(stargate_mock_url(mock).ptr);
 *     stargate_mock_wait(mock, "send", "orders", 2, 5000, &error);           -- so it was sent again
 *     stargate_mock_free(mock);
 *
 * The rules at the top of stargate.h hold here too. A topic is `name`, `tenant/namespace/name` or a full name. Missing
 * topics, subscriptions and namespaces are STARGATE_NOT_FOUND; what makes no sense is STARGATE_INVALID_ARGUMENT; what the
 * broker cannot do in its present state is STARGATE_BROKER. All functions are thread-safe.
 *
 * docs/TESTING.md has the operations, the faults, whole examples, and what the mock does not do.
 */

#ifndef STARGATE_MOCK_H
#define STARGATE_MOCK_H

#include "stargate.h"

/** The defaults: stargate_mock_options options = STARGATE_MOCK_OPTIONS_INIT; */
#define STARGATE_MOCK_OPTIONS_INIT { sizeof(stargate_mock_options), 0, NULL, NULL, NULL, NULL, NULL, 0, 0 }


/**
 * A running broker.
 */
typedef struct stargate_mock stargate_mock;

/**
 * How a broker is to be. Begin with STARGATE_MOCK_OPTIONS_INIT, which sets `struct_size` and leaves everything else to the
 * defaults.
 */
typedef struct stargate_mock_options {
    /**
     * sizeof(stargate_mock_options).
     */
    size_t struct_size;
    /**
     * The port at 127.0.0.1; 0 is any free one.
     */
    uint16_t port;
    /**
     * The token that every client must have, or NULL: nobody has to authenticate. Without it the answer is 401.
     */
    const char *token;
    /**
     * A token that is known and may do nothing, or NULL: the answer to it is 403.
     */
    const char *forbidden_token;
    /**
     * File of the certificate chain in PEM, or NULL; with it and the key the broker serves TLS and nothing else.
     */
    const char *tls_certificates;
    /**
     * File of its private key in PEM, or NULL.
     */
    const char *tls_key;
    /**
     * File of the CA, in PEM, of whose client certificates are as good as the token, or NULL.
     */
    const char *tls_client_ca;
    /**
     * Bytes of the longest message on the wire, beyond which the close code is 1009; 0 is Pulsar's 1,048,576.
     */
    size_t max_text_size;
    /**
     * Milliseconds without traffic after which the close code is 1001; 0 is Pulsar's 300,000.
     */
    int64_t idle_timeout_ms;
} stargate_mock_options;

/**
 * A message as the broker stored it. All of it lives for the call that it is given to.
 */
typedef struct stargate_mock_message {
    /**
     * The size of this struct in the library that runs; later versions append fields.
     */
    size_t struct_size;
    /**
     * The full name of the topic; of a partitioned one, the partition.
     */
    stargate_str topic;
    /**
     * The id as a consumer gets it.
     */
    stargate_str message_id;
    /**
     * The content; `ptr` is NULL for a null value, which only native clients send.
     */
    stargate_bytes payload;
    /**
     * The key; `ptr` is NULL when it has none.
     */
    stargate_str key;
    /**
     * The properties, in the order of their names.
     */
    const stargate_property *properties;
    /**
     * How many there are.
     */
    size_t property_count;
    /**
     * The application's time, in milliseconds since 1970 UTC, or 0.
     */
    int64_t event_time_ms;
    /**
     * When it was stored, in milliseconds since 1970 UTC.
     */
    int64_t publish_time_ms;
    /**
     * Before this time shared and key_shared subscriptions do not deliver it, in milliseconds since 1970 UTC, or 0.
     */
    int64_t deliver_at_ms;
    /**
     * The producer's name, given or generated.
     */
    stargate_str producer_name;
    /**
     * The sequence id that the broker keeps for it.
     */
    int64_t sequence_id;
} stargate_mock_message;

/**
 * Is shown a stored message.
 */
typedef void (*stargate_mock_visit_fn)(void *user_data, const struct stargate_mock_message *message);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Starts a broker; NULL for the defaults. Free it with `stargate_mock_free`, which ends it.
 *
 * Errors: STARGATE_BUSY when the port is taken, STARGATE_INVALID_ARGUMENT for options and TLS files.
 */
stargate_status stargate_mock_start(const struct stargate_mock_options *options_or_null,
                                    struct stargate_mock **out,
                                    stargate_error **error);

/**
 * Ends the broker and every connection to it. NULL does nothing.
 */
void stargate_mock_free(struct stargate_mock *mock);

/**
 * The service URL: "ws://127.0.0.1:PORT", or "wss:..." with TLS. A view that lives as long as the mock.
 */
stargate_str stargate_mock_url(const struct stargate_mock *mock);

/**
 * The URL of the REST API: "http://127.0.0.1:PORT", or "https:..." with TLS. A view that lives as long as the mock.
 */
stargate_str stargate_mock_http_url(const struct stargate_mock *mock);

/**
 * Stores a message as if a producer had sent it, and gives its id in `*out_message_id`, for `stargate_string_free`;
 * `out_message_id` may be NULL. The topic is created if need be; of a partitioned one the key picks the partition. The
 * fields `context` and `replication_clusters` mean nothing here.
 *
 * Errors: STARGATE_NOT_FOUND (tenant or namespace), STARGATE_BROKER (the topic is terminated).
 */
stargate_status stargate_mock_publish(struct stargate_mock *mock,
                                      const char *topic,
                                      const stargate_outgoing *message,
                                      char **out_message_id,
                                      stargate_error **error);

/**
 * Calls `visit` for everything that a topic holds, acknowledged or not, partition after partition and in order, on this
 * thread and before it returns. Their number goes to `*count_or_null`. `visit` may be NULL too.
 *
 * Errors: STARGATE_NOT_FOUND for a topic that nobody created or used.
 */
stargate_status stargate_mock_messages(struct stargate_mock *mock,
                                       const char *topic,
                                       stargate_mock_visit_fn visit,
                                       void *user_data,
                                       size_t *count_or_null,
                                       stargate_error **error);

/**
 * The same as JSON, in `*out`, for `stargate_string_free`: an array of objects with "topic", "message_id", "payload" (in
 * base64, or null), "key" (or null), "properties", "event_time_ms", "publish_time_ms", "deliver_at_ms", "producer_name",
 * "sequence_id" and "batch" (null, or its place in its batch and the batch's size).
 */
stargate_status stargate_mock_messages_json(struct stargate_mock *mock,
                                            const char *topic,
                                            char **out,
                                            stargate_error **error);

/**
 * How many messages a subscription has not acknowledged, all partitions together; a batch counts as one.
 *
 * Errors: STARGATE_NOT_FOUND when there is no such subscription on the topic.
 */
stargate_status stargate_mock_backlog(struct stargate_mock *mock,
                                      const char *topic,
                                      const char *subscription,
                                      size_t *count,
                                      stargate_error **error);

/**
 * Creates a partitioned topic, or gives one more partitions.
 *
 * Errors: STARGATE_BROKER when the topic exists and cannot have that many.
 */
stargate_status stargate_mock_create_partitioned(struct stargate_mock *mock,
                                                 const char *topic,
                                                 uint32_t partitions,
                                                 stargate_error **error);

/**
 * Creates a durable subscription, at the beginning of the topic if `earliest` is not 0, otherwise at its end; so that
 * messages can wait for a consumer that has not come yet. The topic is created if need be.
 *
 * Errors: STARGATE_BROKER when it exists already.
 */
stargate_status stargate_mock_create_subscription(struct stargate_mock *mock,
                                                  const char *topic,
                                                  const char *subscription,
                                                  int32_t earliest,
                                                  stargate_error **error);

/**
 * Creates a namespace, "tenant/namespace", and its tenant. "public/default" is there from the start.
 */
stargate_status stargate_mock_create_namespace(struct stargate_mock *mock,
                                               const char *name,
                                               stargate_error **error);

/**
 * Whether a namespace, such as "public/default", drops messages whose sequence id it has seen: on if not 0.
 */
stargate_status stargate_mock_set_deduplication(struct stargate_mock *mock,
                                                const char *name,
                                                int32_t on,
                                                stargate_error **error);

/**
 * Ends a topic: nothing more can be sent, and consumers learn that it has ended once they have everything.
 */
stargate_status stargate_mock_terminate(struct stargate_mock *mock,
                                        const char *topic,
                                        stargate_error **error);

/**
 * Deletes a topic by force. Nobody connected is told, and the next message to it creates it anew.
 */
stargate_status stargate_mock_delete_topic(struct stargate_mock *mock,
                                           const char *topic,
                                           stargate_error **error);

/**
 * Scripts a fault for the next `count` times (SIZE_MAX: for ever) that `op` happens on `topic` (NULL: on any), first in
 * first out. For the operation "http" the topic is a path of the REST API.
 *
 * Operations: connect send ack nack permit receive ping close unsubscribe end_of_topic http.
 *
 * Faults: http:STATUS[:reason] send-error:N[:text] close[:CODE[:reason]] delay:MS drop drop-after reset half-frame garbage
 * binary no-context wrong-context no-receipt duplicate lost-ack no-pong stall. docs/TESTING.md says what each does.
 *
 * Errors: STARGATE_INVALID_ARGUMENT for names that do not exist, with those that do, and for a fault that means nothing
 * at that operation.
 */
stargate_status stargate_mock_fault(struct stargate_mock *mock,
                                    const char *op,
                                    const char *topic_or_null,
                                    const char *fault,
                                    size_t count,
                                    stargate_error **error);

/**
 * How many faults have not happened yet.
 */
size_t stargate_mock_faults_left(const struct stargate_mock *mock);

/**
 * Forgets the faults that have not happened yet.
 */
void stargate_mock_clear_faults(struct stargate_mock *mock);

/**
 * Takes the broker down if `up` is 0, and up again if not. Down, connections are dropped and new ones refused; its
 * port and all that it holds stay.
 */
stargate_status stargate_mock_set_up(struct stargate_mock *mock,
                                     int32_t up,
                                     stargate_error **error);

/**
 * Drops the connections about a topic (NULL: all) without a close frame, and gives their number in `*count`, which may be
 * NULL.
 */
stargate_status stargate_mock_drop_connections(struct stargate_mock *mock,
                                               const char *topic_or_null,
                                               size_t *count_or_null,
                                               stargate_error **error);

/**
 * How many connections of producers, consumers and readers are open.
 */
size_t stargate_mock_connections(const struct stargate_mock *mock);

/**
 * Waits until `op` (see `stargate_mock_fault`, and "disconnect") has happened `at_least` times on `topic` (NULL: on any)
 * since the start or the last `stargate_mock_clear_requests`. Tests that use it need no sleep.
 *
 * Blocks. Errors: STARGATE_TIMEOUT, with an error that says how often it did happen.
 */
stargate_status stargate_mock_wait(struct stargate_mock *mock,
                                   const char *op,
                                   const char *topic_or_null,
                                   size_t at_least,
                                   int64_t timeout_ms,
                                   stargate_error **error);

/**
 * How often `op` has happened on `topic` (NULL: on any) since the start or the last `stargate_mock_clear_requests`.
 */
stargate_status stargate_mock_count(struct stargate_mock *mock,
                                    const char *op,
                                    const char *topic_or_null,
                                    size_t *count,
                                    stargate_error **error);

/**
 * What clients did and got, in order, at most the last 100,000, as JSON in `*out`, for `stargate_string_free`: an array of
 * objects with "at_ms" (since the start), "op", "topic", "role" (producer, consumer, reader, admin), "connection" (counted
 * from 1) and "detail" (the status of an upgrade, the context of a send, the id of an acknowledgement ...).
 */
stargate_status stargate_mock_requests_json(struct stargate_mock *mock,
                                            char **out,
                                            stargate_error **error);

/**
 * Empties that log, and counts from zero again.
 */
void stargate_mock_clear_requests(struct stargate_mock *mock);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* STARGATE_MOCK_H */
