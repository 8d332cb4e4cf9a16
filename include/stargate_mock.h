/*
 * A Pulsar broker for the tests of your own programs, inside of libstargate: no JVM, no network, no waiting.
 *
 * This file is generated from ffi-c/src/mock.rs; do not edit it. The rules at the top of stargate.h hold here, too, apart
 * from one: this header may change in a minor version, and CHANGELOG says how.
 *
 *     stargate_mock *mock = NULL;
 *
 *     stargate_mock_start(NULL, &mock, &error);
 *     stargate_client_new(stargate_mock_url(mock).ptr, NULL, &client, &error);
 *     stargate_mock_fault(mock, "send", "orders", "no-receipt", 1, &error);
 *     ... what you want to test ...
 *     stargate_mock_wait(mock, "ack", "orders", 1, 5000, &error);
 *     stargate_mock_free(mock);
 */

#ifndef STARGATE_MOCK_H
#define STARGATE_MOCK_H

#include <stddef.h>
#include <stdint.h>
#include "stargate.h"

/** A broker as a real one is: stargate_mock_options options = STARGATE_MOCK_OPTIONS_INIT; */
#define STARGATE_MOCK_OPTIONS_INIT \
    { sizeof(stargate_mock_options), 0, 0, NULL, NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, 0 }


/**
 * An in-memory Pulsar broker on a real socket at 127.0.0.1, which produces on request the faults of a real one. Any
 * WebSocket client can use it, other processes too.
 */
typedef struct stargate_mock stargate_mock;

/**
 * The options of a mock broker. Begin with STARGATE_MOCK_OPTIONS_INIT; 0 and NULL stand for a real broker's defaults.
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
     * 1: connecting to a topic that is missing does not create it.
     */
    int32_t no_auto_create_topics;
    /**
     * The token that may do everything; without one, clients need not authenticate.
     */
    const char *token;
    /**
     * A token that is known and may do nothing (HTTP 403).
     */
    const char *forbidden_token;
    /**
     * Serve TLS with this certificate chain (PEM file); needs tls_key_file.
     */
    const char *tls_cert_file;
    /**
     * The private key (PEM file).
     */
    const char *tls_key_file;
    /**
     * Largest message in bytes, as Pulsar's webSocketMaxTextFrameSize; 0 is 1,048,576.
     */
    size_t max_text_size;
    /**
     * Milliseconds without traffic after which the connection is closed with 1001; 0 is Pulsar's 300,000.
     */
    int64_t idle_timeout_ms;
    /**
     * Accept client certificates of this CA (PEM file) in place of a token.
     */
    const char *tls_client_ca_file;
    /**
     * The user of HTTP Basic authentication that may do everything; needs basic_password.
     */
    const char *basic_user;
    /**
     * The password of basic_user.
     */
    const char *basic_password;
    /**
     * Be an OAuth2 issuer with this client, at `stargate_mock_oauth2_issuer_url`, and accept its tokens; needs
     * oauth2_client_secret.
     */
    const char *oauth2_client_id;
    /**
     * The secret of oauth2_client_id.
     */
    const char *oauth2_client_secret;
    /**
     * Accept tokens of the issuer for this audience only.
     */
    const char *oauth2_audience;
    /**
     * Milliseconds for which a token of the issuer is valid; 0 is an hour.
     */
    int64_t oauth2_token_life_ms;
    /**
     * The version of Pulsar that it plays; NULL is 4.0.8. Before 4 it lacks what those WebSocket proxies lack: consumers
     * of several topics, encryption on the client, and the initial position of a subscription.
     */
    const char *pulsar_version;
    /**
     * 1: decline the compression of WebSockets (permessage-deflate) that clients offer.
     */
    int32_t no_websocket_compression;
} stargate_mock_options;

/**
 * A message as the broker stored it. It is valid for the call that receives it.
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
 * Receives a stored message, in the call that it is passed to.
 */
typedef void (*stargate_mock_visit_fn)(void *user_data, const struct stargate_mock_message *message);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Starts a broker. NULL `options` are the defaults: any free port, no authentication, no TLS.
 *
 * Thread-safe. Errors: STARGATE_INVALID_ARGUMENT (options, TLS files), STARGATE_CONNECT (the port is taken).
 */
stargate_status stargate_mock_start(const struct stargate_mock_options *options,
                                    struct stargate_mock **out,
                                    stargate_error **error);

/**
 * Returns the service URL of a mock, "ws://127.0.0.1:PORT" or "wss://...", for `stargate_client_new`. `ptr` is NULL
 * for NULL.
 *
 * Thread-safe. A view of the mock.
 */
stargate_str stargate_mock_url(const struct stargate_mock *mock);

/**
 * Returns the URL of the REST API of a mock, "http://127.0.0.1:PORT". `ptr` is NULL for NULL.
 *
 * Thread-safe. A view of the mock.
 */
stargate_str stargate_mock_http_url(const struct stargate_mock *mock);

/**
 * Returns the URL of the OAuth2 issuer that a mock is with the option oauth2_client_id,
 * "http://127.0.0.1:PORT/oauth2", for the option oauth2_issuer_url of a client. `ptr` is NULL for NULL.
 *
 * Thread-safe. A view of the mock.
 */
stargate_str stargate_mock_oauth2_issuer_url(const struct stargate_mock *mock);

/**
 * Stores a message as if a producer had sent it; its context and replication_clusters mean nothing here. A payload
 * whose ptr is NULL makes a tombstone, a message without a value, which only native clients can send; an empty payload
 * has a ptr. The broker creates the topic if it does not exist. On a partitioned topic the key selects the partition.
 * `*out_message_id` is its id, to free with `stargate_string_free`; `out_message_id` may be NULL.
 *
 * Thread-safe. Errors: STARGATE_INVALID_ARGUMENT, STARGATE_NOT_FOUND (namespace), STARGATE_BROKER (the topic is
 * terminated).
 */
stargate_status stargate_mock_publish(struct stargate_mock *mock,
                                      const char *topic,
                                      const stargate_outgoing *message,
                                      char **out_message_id,
                                      stargate_error **error);

/**
 * Calls `visit` for everything that a topic holds, acknowledged or not, partition after partition and in order, on
 * this thread and before it returns. Their number goes to `*count`. `visit` and `count` may be NULL.
 *
 * Thread-safe. Errors: STARGATE_NOT_FOUND for a topic that nobody created or used.
 */
stargate_status stargate_mock_messages(struct stargate_mock *mock,
                                       const char *topic,
                                       stargate_mock_visit_fn visit,
                                       void *user_data,
                                       size_t *count,
                                       stargate_error **error);

/**
 * Returns the messages of a topic as JSON in `*out`, to free with `stargate_string_free`: an array of objects with
 * "topic", "message_id", "payload" (in base64, or null), "key" (or null), "properties", "event_time_ms",
 * "publish_time_ms", "deliver_at_ms", "producer_name", "sequence_id" and "batch" (null, or its place in its batch and
 * the batch's size).
 *
 * Thread-safe. Errors: STARGATE_NOT_FOUND, STARGATE_INVALID_ARGUMENT.
 */
stargate_status stargate_mock_messages_json(struct stargate_mock *mock,
                                            const char *topic,
                                            char **out,
                                            stargate_error **error);

/**
 * Returns how many messages (a batch counts as one) a subscription has not acknowledged.
 *
 * Thread-safe. Errors: STARGATE_NOT_FOUND, STARGATE_INVALID_ARGUMENT.
 */
stargate_status stargate_mock_backlog(struct stargate_mock *mock,
                                      const char *topic,
                                      const char *subscription,
                                      size_t *out,
                                      stargate_error **error);

/**
 * Creates a namespace ("tenant/namespace") and its tenant. "public/default" is there from the start.
 *
 * Thread-safe. Errors: STARGATE_INVALID_ARGUMENT.
 */
stargate_status stargate_mock_create_namespace(struct stargate_mock *mock,
                                               const char *name,
                                               stargate_error **error);

/**
 * Creates a topic with partitions.
 *
 * Thread-safe. Errors: STARGATE_INVALID_ARGUMENT, STARGATE_BROKER.
 */
stargate_status stargate_mock_create_partitioned(struct stargate_mock *mock,
                                                 const char *topic,
                                                 uint32_t partitions,
                                                 stargate_error **error);

/**
 * Creates a durable subscription, at the beginning of the topic if `earliest` is not 0, otherwise at its end. Messages
 * then wait for a consumer that is opened later. The broker creates the topic if it does not exist.
 *
 * Thread-safe. Errors: STARGATE_BROKER (it exists), STARGATE_NOT_FOUND, STARGATE_INVALID_ARGUMENT.
 */
stargate_status stargate_mock_create_subscription(struct stargate_mock *mock,
                                                  const char *topic,
                                                  const char *subscription,
                                                  int32_t earliest,
                                                  stargate_error **error);

/**
 * Enables deduplication in a namespace such as "public/default", or disables it if `on` is 0. With it the broker drops
 * messages whose sequence id it has seen.
 *
 * Thread-safe. Errors: STARGATE_NOT_FOUND.
 */
stargate_status stargate_mock_set_deduplication(struct stargate_mock *mock,
                                                const char *name,
                                                int32_t on,
                                                stargate_error **error);

/**
 * Ends a topic: nothing more can be sent to it, and consumers learn that it has ended once they have everything.
 *
 * Thread-safe. Errors: STARGATE_NOT_FOUND, STARGATE_INVALID_ARGUMENT.
 */
stargate_status stargate_mock_terminate(struct stargate_mock *mock,
                                        const char *topic,
                                        stargate_error **error);

/**
 * Deletes a topic by force. Connected clients are not notified, and the next message to it creates it again.
 *
 * Thread-safe. Errors: STARGATE_NOT_FOUND, STARGATE_INVALID_ARGUMENT.
 */
stargate_status stargate_mock_delete_topic(struct stargate_mock *mock,
                                           const char *topic,
                                           stargate_error **error);

/**
 * Scripts a fault: it happens the next `count` times that `op` happens on `topic` (NULL `topic`: any), first in first
 * out; SIZE_MAX means without limit.
 *
 * Operations: "connect", "send", "ack", "nack", "permit", "receive", "ping", "close", "unsubscribe", "end_of_topic",
 * and "http", for which the topic is a path. Faults, each where it makes sense: "http:STATUS[:reason]",
 * "send-error:N[:text]", "close[:CODE[:reason]]", "close-empty", "drop", "drop-after", "reset", "half-frame",
 * "garbage", "binary", "delay:MS", "no-context", "wrong-context", "no-receipt", "duplicate", "resent", "lost-ack",
 * "no-pong", "stall".
 *
 * Thread-safe. Errors: STARGATE_INVALID_ARGUMENT.
 */
stargate_status stargate_mock_fault(struct stargate_mock *mock,
                                    const char *op,
                                    const char *topic,
                                    const char *fault,
                                    size_t count,
                                    stargate_error **error);

/**
 * Returns how many faults have not happened yet; 0 for NULL.
 *
 * Thread-safe.
 */
size_t stargate_mock_faults_left(const struct stargate_mock *mock);

/**
 * Forgets the faults that have not happened yet.
 *
 * Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for NULL.
 */
stargate_status stargate_mock_clear_faults(struct stargate_mock *mock, stargate_error **error);

/**
 * Takes the broker down (`up` is 0) or up again. Down, connections are dropped and new ones refused; its data and its
 * port stay.
 *
 * Thread-safe. Errors: STARGATE_BROKER.
 */
stargate_status stargate_mock_set_up(struct stargate_mock *mock,
                                     int32_t up,
                                     stargate_error **error);

/**
 * Drops the connections about a topic (NULL `topic`: all), without a close frame. `*out` is how many there were; `out`
 * may be NULL.
 *
 * Thread-safe. Errors: STARGATE_INVALID_ARGUMENT.
 */
stargate_status stargate_mock_drop_connections(struct stargate_mock *mock,
                                               const char *topic,
                                               size_t *out,
                                               stargate_error **error);

/**
 * Returns how many WebSocket connections are open; 0 for NULL.
 *
 * Thread-safe.
 */
size_t stargate_mock_connections(const struct stargate_mock *mock);

/**
 * Waits until `op` (as in `stargate_mock_fault`, and "disconnect") has happened `at_least` times on `topic` (NULL
 * `topic`: any) since the start or the last `stargate_mock_clear_requests`. It replaces sleeps in tests.
 *
 * Thread-safe; blocks. Errors: STARGATE_TIMEOUT, with how often it did happen; STARGATE_INVALID_ARGUMENT.
 */
stargate_status stargate_mock_wait(struct stargate_mock *mock,
                                   const char *op,
                                   const char *topic,
                                   size_t at_least,
                                   int64_t timeout_ms,
                                   stargate_error **error);

/**
 * Returns how often `op` has happened on `topic` (NULL `topic`: any) since the start or the last
 * `stargate_mock_clear_requests`.
 *
 * Thread-safe. Errors: STARGATE_INVALID_ARGUMENT.
 */
stargate_status stargate_mock_count(struct stargate_mock *mock,
                                    const char *op,
                                    const char *topic,
                                    size_t *out,
                                    stargate_error **error);

/**
 * Returns what clients did and received, in order and at most the last 100,000, as JSON in `*out`, to free with
 * `stargate_string_free`: an array of objects with "at_ms" (since the start), "op", "topic", "role" (producer,
 * consumer, reader, admin), "connection" (counted from 1) and "detail" (the status of an upgrade, the context of a
 * send, the id of an acknowledgement ...).
 *
 * Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for NULL.
 */
stargate_status stargate_mock_requests_json(struct stargate_mock *mock,
                                            char **out,
                                            stargate_error **error);

/**
 * Empties that list, and counts from zero again.
 *
 * Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for NULL.
 */
stargate_status stargate_mock_clear_requests(struct stargate_mock *mock, stargate_error **error);

/**
 * Ends the broker and every connection to it. NULL does nothing.
 *
 * Thread-safe.
 */
void stargate_mock_free(struct stargate_mock *mock);

/**
 * Ends the broker and every connection to it, as `stargate_mock_free` does, but in the background: it never waits. It is
 * for finalizers. NULL does nothing.
 *
 * Thread-safe.
 */
void stargate_mock_release(struct stargate_mock *mock);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* STARGATE_MOCK_H */
