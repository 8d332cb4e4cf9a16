/*
 * stargate: an Apache Pulsar client over Pulsar's WebSocket API.
 *
 * This file is generated from the Rust sources of ffi-c (UPDATE_HEADER=1 cargo test -p stargate-ffi --test header); do
 * not edit it. Link with -lstargate (pkg-config stargate, or find_package(stargate)).
 *
 *     stargate_client *client = NULL;
 *     stargate_producer *producer = NULL;
 *     stargate_error *error = NULL;
 *     stargate_outgoing message = STARGATE_OUTGOING_INIT;
 *
 *     message.payload.ptr = "hello";
 *     message.payload.len = 5;
 *     if (stargate_client_new("ws://localhost:8080", NULL, &client, &error) == STARGATE_OK
 *         && stargate_producer_open(client, "orders", NULL, -1, &producer, &error) == STARGATE_OK
 *         && stargate_producer_send(producer, &message, -1, NULL, &error) == STARGATE_OK)
 *         puts("sent");
 *     else
 *         fprintf(stderr, "%s\n", stargate_error_message(error).ptr);
 *     stargate_producer_free(producer);
 *     stargate_client_free(client);
 *     stargate_error_free(error);
 *
 * THE RULES
 *
 * Ownership
 *  O1  _new, _open, _clone and receives give you something to free; the _free of its type frees it. _free(NULL) does
 *      nothing.
 *  O2  What you pass is borrowed for the call and copied if it is kept, the payload too. No call takes over an argument,
 *      whether it succeeds or not; user_data is the exception, see O6.
 *  O3  Results are written on STARGATE_OK; otherwise they are set to NULL or 0, so that code which always frees is right.
 *  O4  stargate_str and stargate_bytes are views, and live as long as what they were taken from. So do the pointers in
 *      the _fields structs, whose texts have lengths and no 0 at their end. Text is UTF-8. A text in a char * result ends
 *      with stargate_string_free, never with free().
 *  O5  The order in which handles are freed does not matter: what a client opened goes on when the client is freed.
 *  O6  A user_data pointer comes with a destroy function (NULL if it needs none), which runs exactly once, after the last
 *      call of the callback and on any thread; also when the call that registers it fails. So never free user_data
 *      yourself after passing it.
 *  O7  A handle or a message that a callback receives without const is yours to free; an error, an array and what is
 *      const live for that call.
 *  O8  _release is a _free that never waits and runs nothing of yours on its thread, for finalizers. What it gives up is
 *      closed in the background without time to linger; destroy tells when that is over.
 *
 * Errors
 *  E1  A call that can fail returns a stargate_status: 0 for success, positive for what a correct program meets in normal
 *      running (time over, closed, interrupted), negative for faults. Treat a number you do not know as a fault.
 *  E2  The last parameter, stargate_error **, may be NULL. If not, it is overwritten: with NULL on STARGATE_OK, otherwise
 *      with an error to free. One exception: a receive that ends with STARGATE_TIMEOUT, because nothing came, or with
 *      STARGATE_INTERRUPTED leaves NULL.
 *  E3  The error holds the kind, a text with operation, topic and all causes, the server's own words, the HTTP status and
 *      whether to try again. There is no "last error" of a thread.
 *  E4  NULL where it is not allowed, text that is not UTF-8 and unknown options are STARGATE_INVALID_ARGUMENT, and the text
 *      names the parameter. A fault of the library itself is STARGATE_INTERNAL; it never ends the process.
 *
 * Callbacks
 *  C1  Callbacks (sends, states, the ends of _async calls) run on one thread of the client, one after the other and in
 *      order; handlers run on the threads of their consumer or reader. None of these carries sockets: a callback may
 *      block as long as it likes, and pings go on meanwhile.
 *  C2  Inside a callback every function may be called, blocking ones, close and free too.
 *  C3  When a close returned STARGATE_OK, no callback of that handle runs or will run. After STARGATE_TIMEOUT this is not
 *      so yet; call it again.
 *  C4  Close and free in the handle's own callback do not wait for that callback; C3 holds once it returns.
 *  C5  Each _async call that returned STARGATE_OK gets exactly one call, never inside of itself; one that did not gets
 *      none. A close ends what its handle still waits for with STARGATE_CLOSED, and C3 covers those calls. If a client
 *      with polled callbacks is freed and nobody polls, only destroy runs.
 *  C6  Free without close is a close with no time to linger, which then waits for a callback that runs. So do not free
 *      a handle while you hold what its callback waits for.
 *  C7  Callbacks must not unwind: no C++ exception, no longjmp.
 *  C8  With stargate_options_poll_callbacks all of C1 runs inside of stargate_client_poll instead, on your thread, and
 *      a file descriptor tells your event loop when. A close and a free then run what is due themselves.
 *  C9  The log function may be called from any thread, until its destroy has run, and must not block.
 *
 * Threads
 *      Every function may be called on every handle from any thread at any time, except that a stargate_options is for one
 *      thread at a time, and that nobody may use a handle or an error while it is freed, or after.
 *
 * Time
 *      timeout_ms is in milliseconds on a clock that is never set: -1 waits without limit, 0 does not wait. Everything
 *      that can block has one. Points in time are milliseconds since 1970 UTC.
 *
 * Fork
 *      Handles belong to the process that opened them. In a child after fork() every call on them gives STARGATE_FORKED,
 *      and a free sends nothing, waits for nothing and runs no destroy. A new client in the child works.
 *
 * Options
 *      Options are texts: stargate_options_set(options, "queue_size", "100", &error). docs/configuration.md and
 *      stargate_options_describe() have them all. They are checked, and unknown ones are errors.
 *
 * Declarations
 *  D1  A type says whose something is. T * and const T * are borrowed (O2); T ** receives one to free with the _free of T,
 *      char ** a text to free with stargate_string_free. The first parameter of a _free or _release is taken.
 *  D2  Numbers and views are written through int32_t *, size_t *, uint64_t * and stargate_str *.
 *  D3  Text is const char *, and ends with a 0; a size_t length (text_len for text) after it says that it need not. A
 *      size_t count makes a pointer an array; T ** with a size_t max is an array of that room, of which *out_count is
 *      filled.
 *  D4  What may be NULL says so. Always may: options (the defaults), error, user_data, destroy, an array without items,
 *      and everything in a call that cannot fail. The error of a callback is NULL after a success.
 *  D5  Each function says which threads may call it, whether it blocks, and its errors: "Thread-safe; blocks" is bounded
 *      by timeout_ms, and "Thread-safe; waits for callbacks" waits for those that run (C6).
 *      stargate.abi.json has all of this for programs that write bindings.
 *
 * ABI
 *      Handles are opaque. A struct that you fill begins with struct_size, and may grow at its end; what your header does
 *      not have counts as not given. Statuses are int32_t. The library's SONAME changes when the ABI breaks.
 */

#ifndef STARGATE_H
#define STARGATE_H

#include <stddef.h>
#include <stdint.h>

/** The version of this header. The library that runs may be another: see stargate_version. */
#define STARGATE_VERSION "0.1.0"
#define STARGATE_VERSION_MAJOR 0
#define STARGATE_VERSION_MINOR 1
#define STARGATE_VERSION_PATCH 0
/** The same as one number, 0xMMmmpp00, for the preprocessor and stargate_version_compatible. */
#define STARGATE_VERSION_NUMBER 0x00010000u

/** An outgoing message with nothing in it: stargate_outgoing message = STARGATE_OUTGOING_INIT; */
#define STARGATE_OUTGOING_INIT { sizeof(stargate_outgoing), { NULL, 0 }, NULL, NULL, 0, NULL, 0, 0, 0, NULL, 0 }
/** A handler with no function yet: stargate_handler handler = STARGATE_HANDLER_INIT; */
#define STARGATE_HANDLER_INIT { sizeof(stargate_handler), NULL, NULL, NULL }


/**
 * Requests the public key, with which a producer encrypts.
 */
#define STARGATE_PUBLIC_KEY 0

/**
 * Requests the private key, with which a consumer decrypts.
 */
#define STARGATE_PRIVATE_KEY 1

/**
 * A permanent failure.
 */
#define STARGATE_LOG_ERROR 1

/**
 * A problem that the library is handling, such as a lost connection.
 */
#define STARGATE_LOG_WARN 2

/**
 * A change of state, for operators.
 */
#define STARGATE_LOG_INFO 3

/**
 * Details, for developers.
 */
#define STARGATE_LOG_DEBUG 4

/**
 * An attempt to connect is under way.
 */
#define STARGATE_STATE_CONNECTING 0

/**
 * Connected, and attached to the topic.
 */
#define STARGATE_STATE_CONNECTED 1

/**
 * The connection is lost, or the attempt failed; another attempt follows.
 */
#define STARGATE_STATE_DISCONNECTED 2

/**
 * Closed by the application.
 */
#define STARGATE_STATE_CLOSED 3

/**
 * Ended by a permanent error.
 */
#define STARGATE_STATE_FAILED 4

/**
 * Connected, but the server delivers nothing: it waits for acknowledgements, or stopped at a message without a value
 * (then the error is `STARGATE_BROKER`).
 */
#define STARGATE_STATE_STALLED 5

/**
 * The message is done: acknowledge it.
 */
#define STARGATE_ACK 0

/**
 * The application acknowledges the message later, by its id.
 */
#define STARGATE_CONTINUE 1

/**
 * The message could not be handled: the broker redelivers it after the option negative_ack_delay.
 */
#define STARGATE_NACK 2

/**
 * The retry letter topic redelivers the message after the delay that was passed to `stargate_message_reconsume_later`.
 */
#define STARGATE_RECONSUME_LATER 3

/**
 * A client of a Pulsar cluster. It opens no connection itself: each producer, consumer and reader has its own.
 */
typedef struct stargate_client stargate_client;

/**
 * Consumes the messages of a subscription, through a handler or through receives, never both. The broker redelivers
 * messages that are not acknowledged. A consumer reconnects by itself.
 */
typedef struct stargate_consumer stargate_consumer;

/**
 * Why a call failed: what was being done, to which topic, and every cause that is known.
 *
 * The caller that received it through a `stargate_error **` frees it; one passed to a callback lives for that call.
 */
typedef struct stargate_error stargate_error;

/**
 * Where a key function puts its key. It lives for the call of that function.
 */
typedef struct stargate_key stargate_key;

/**
 * A received message. The caller frees a message that a receive returned. One passed to a handler lives for that call;
 * `stargate_message_clone` keeps it. All accessors return views that live as long as the message.
 */
typedef struct stargate_message stargate_message;

/**
 * A set of options, for a client or for what it opens. Functions that take a set copy it: one set serves many calls
 * and may be freed right after them. Only one thread may use a set at a time.
 */
typedef struct stargate_options stargate_options;

/**
 * Sends messages to one topic. It reconnects by itself, and sends accepted messages that have no receipt again.
 */
typedef struct stargate_producer stargate_producer;

/**
 * Reads a topic from the option starting_message ("earliest", "latest" or after an id), without a subscription. After
 * a reconnect it continues after the last message, with neither a gap nor a replay.
 */
typedef struct stargate_reader stargate_reader;

/**
 * A list of texts, such as the names of topics.
 */
typedef struct stargate_strings stargate_strings;

/**
 * A named set of producers, consumers and readers. Connections reconnect by themselves; a supervisor reopens what
 * ended with a permanent error, and leaves down what fails too often.
 */
typedef struct stargate_supervisor stargate_supervisor;

/**
 * The outcome of a call: 0 for success; positive for outcomes that a correct program meets in normal running (time
 * over, closed, end of topic); negative for faults. Later versions may add numbers: treat an unknown one as a fault.
 */
typedef int32_t stargate_status;

/**
 * A view of UTF-8 text, living as long as what it was taken from. `ptr[len]` is 0, so it is a C string too, unless the
 * text itself has a 0 in it. `ptr` is NULL when there is no such text, as for a message without a key.
 */
typedef struct stargate_str {
    /**
     * The first byte, or NULL.
     */
    const char *ptr;
    /**
     * The number of bytes, without the 0 at the end.
     */
    size_t len;
} stargate_str;

/**
 * One property of a message to send.
 */
typedef struct stargate_property {
    /**
     * Its name: UTF-8, not NULL.
     */
    const char *key;
    /**
     * Its value: UTF-8, not NULL.
     */
    const char *value;
} stargate_property;

/**
 * Receives the full name of a topic, which is valid for this call. Returns 0 to continue, anything else to end the
 * walk. It runs in the call that it is passed to.
 */
typedef int32_t (*stargate_topic_fn)(void *user_data, struct stargate_str topic);

/**
 * Receives the end of an asynchronous open, close, flush or wait, once, on the client's callback thread. `handle` is
 * the producer, consumer or reader that an open gave; cast it, and free it later. It is NULL for other calls, and
 * unless `status` is STARGATE_OK. `error` is NULL with STARGATE_OK; it lives for the call.
 */
typedef void (*stargate_done_fn)(void *user_data,
                                 stargate_status status,
                                 void *handle,
                                 const struct stargate_error *error);

/**
 * Ends the life of a `user_data` pointer. Called exactly once, after the last call of the callback it was registered
 * with, on any thread; also when registering failed. NULL when there is nothing to do.
 */
typedef void (*stargate_destroy_fn)(void *user_data);

/**
 * Receives the messages of an asynchronous receive, once, on the client's callback thread. The array `messages` lives
 * for the call; free its `count` messages, there or later. `count` is 0 unless `status` is STARGATE_OK. `error` lives
 * for the call; it is NULL with STARGATE_OK, STARGATE_TIMEOUT and STARGATE_INTERRUPTED.
 */
typedef void (*stargate_received_fn)(void *user_data,
                                     stargate_status status,
                                     struct stargate_message **messages,
                                     size_t count,
                                     const struct stargate_error *error);

/**
 * A handler of messages. The option processors (1 by default) sets how many threads of the library run it, each with a
 * state of its own. `init` makes the state, `handle` receives it with each message, one message at a time, and `drop`
 * ends it.
 *
 * Begin with STARGATE_HANDLER_INIT, which sets `struct_size`.
 */
typedef struct stargate_handler {
    /**
     * sizeof(stargate_handler).
     */
    size_t struct_size;
    /**
     * Makes the state of processor number `processor` in `*state`, on that processor's thread, and returns
     * STARGATE_OK. With polled callbacks there are no such threads: `init` runs in the listen call, the others in the
     * poll. The listen call fails with any other status that it returns. If NULL, `user_data` is the state of all
     * processors.
     */
    stargate_status (*init)(void *user_data, uint32_t processor, void **state);
    /**
     * Handles a message, which lives for this call, and returns STARGATE_ACK, STARGATE_CONTINUE, STARGATE_NACK or what
     * `stargate_message_reconsume_later` gives. It may block, and may call any function. A reader acknowledges
     * nothing, so for a reader every outcome means "continue". Not NULL.
     */
    int32_t (*handle)(void *state, const struct stargate_message *message);
    /**
     * Ends the state of a processor, on its thread, after its last message. May be NULL.
     */
    void (*drop)(void *state);
} stargate_handler;

/**
 * Supplies the key with this name through `stargate_key_set` and returns STARGATE_OK. Any other status means that
 * there is no such key. `half` is STARGATE_PUBLIC_KEY or STARGATE_PRIVATE_KEY; for a private key `metadata` are the
 * `metadata_count` entries that came with the message. All of it lives for the call.
 *
 * It runs on a thread of the library that may block. The library requests the public key when a producer is opened and
 * for each new data key. It requests a private key when a message arrives under a data key that it does not know yet.
 */
typedef stargate_status (*stargate_key_fn)(void *user_data,
                                           int32_t half,
                                           struct stargate_str name,
                                           const struct stargate_property *metadata,
                                           size_t metadata_count,
                                           struct stargate_key *key);

/**
 * Everything that an error holds, flat: for languages to which a struct by value, or a call for each field, is costly. What
 * it points to lives as long as the error. Texts are UTF-8, and no 0 ends them; a missing one is NULL.
 */
typedef struct stargate_error_fields {
    /**
     * The full description, as `stargate_error_message` returns it.
     */
    const char *message;
    /**
     * The number of bytes of the description.
     */
    size_t message_len;
    /**
     * The full name of the topic concerned, or NULL.
     */
    const char *topic;
    /**
     * The number of bytes of the topic's name.
     */
    size_t topic_len;
    /**
     * The server's own words, or NULL.
     */
    const char *broker_text;
    /**
     * The number of bytes of the server's words.
     */
    size_t broker_text_len;
    /**
     * The kind of failure.
     */
    stargate_status status;
    /**
     * The HTTP status with which the server refused the connection, or 0.
     */
    int32_t http_status;
    /**
     * 1 if the same call may succeed later without a change by the caller, otherwise 0.
     */
    int32_t is_retriable;
} stargate_error_fields;

/**
 * A view of bytes, living as long as what it was taken from. `ptr` may be NULL when `len` is 0.
 */
typedef struct stargate_bytes {
    /**
     * The first byte.
     */
    const void *ptr;
    /**
     * The number of bytes.
     */
    size_t len;
} stargate_bytes;

/**
 * A property of a message in `stargate_message_fields`. No 0 ends the texts.
 */
typedef struct stargate_property_fields {
    /**
     * Its name, in UTF-8.
     */
    const char *key;
    /**
     * The number of bytes of the name.
     */
    size_t key_len;
    /**
     * Its value, in UTF-8.
     */
    const char *value;
    /**
     * The number of bytes of the value.
     */
    size_t value_len;
} stargate_property_fields;

/**
 * Everything that a message holds, flat: for languages to which a struct by value, or a call for each field, is costly.
 * What it points to lives as long as the message. Texts are UTF-8, and no 0 ends them; a missing one is NULL.
 */
typedef struct stargate_message_fields {
    /**
     * The content.
     */
    const void *payload;
    /**
     * The number of bytes of the content.
     */
    size_t payload_len;
    /**
     * The id in base64, as `stargate_message_id` returns it.
     */
    const char *id;
    /**
     * The number of bytes of the id.
     */
    size_t id_len;
    /**
     * The full name of the topic, as `stargate_message_topic` returns it.
     */
    const char *topic;
    /**
     * The number of bytes of the topic's name.
     */
    size_t topic_len;
    /**
     * The key, or NULL.
     */
    const char *key;
    /**
     * The number of bytes of the key.
     */
    size_t key_len;
    /**
     * The properties, in the order of their names; NULL if there are none.
     */
    const struct stargate_property_fields *properties;
    /**
     * How many there are.
     */
    size_t property_count;
    /**
     * How the payload was encrypted, as `stargate_message_encryption_context` returns it, or NULL.
     */
    const char *encryption_context;
    /**
     * The number of bytes of that text.
     */
    size_t encryption_context_len;
    /**
     * When the broker stored the message, in milliseconds since 1970 UTC; 0 if the server sent no time.
     */
    int64_t publish_time_ms;
    /**
     * The event time that the sender set, in milliseconds since 1970 UTC; 0 if it set none.
     */
    int64_t event_time_ms;
    /**
     * How often it was delivered before.
     */
    uint32_t redelivery_count;
    /**
     * How often the retry letter topic has redelivered it.
     */
    uint32_t reconsume_times;
    /**
     * 1 if the payload is still encrypted, otherwise 0.
     */
    int32_t is_encrypted;
} stargate_message_fields;

/**
 * Receives a log record: its level (STARGATE_LOG_ERROR and so on), what it is about (a topic, or "client"), and one line
 * of text. The texts live for the call. It may come from any thread and must not block; records that the library would
 * write because of what this function does are dropped.
 */
typedef void (*stargate_log_fn)(void *user_data,
                                int32_t level,
                                struct stargate_str target,
                                struct stargate_str text);

/**
 * Writes the token of a connection, without "Bearer", into `buffer` of `capacity` bytes and its length into `*length`,
 * and returns STARGATE_OK. If the buffer is too small, the function returns STARGATE_TOO_BIG with the size that it
 * needs in `*length`, and is called a second time with that capacity. Any other status means that there is no token:
 * the attempt to connect fails, and is repeated.
 *
 * It runs on a thread of the library that may block, within the option connect_timeout.
 */
typedef stargate_status (*stargate_token_fn)(void *user_data,
                                             char *buffer,
                                             size_t capacity,
                                             size_t *length);

/**
 * Writes headers, "Name: value" a line, into `buffer` of `capacity` bytes and their length into `*length`, and returns
 * STARGATE_OK. It behaves as a token function does, the second call with a larger buffer included, and runs on a
 * thread of the library that may block.
 */
typedef stargate_status (*stargate_headers_fn)(void *user_data,
                                               char *buffer,
                                               size_t capacity,
                                               size_t *length);

/**
 * A change of state of a connection. It is valid for the call that receives it.
 */
typedef struct stargate_state_change {
    /**
     * The size of this struct in the library that runs; later versions append fields.
     */
    size_t struct_size;
    /**
     * STARGATE_STATE_CONNECTED and so on.
     */
    int32_t state;
    /**
     * Which of the handle's connections it is; 0 when it has one.
     */
    uint32_t session;
    /**
     * The topic of the producer, consumer or reader.
     */
    struct stargate_str topic;
    /**
     * The host, as "name:port"; empty if the change concerns none.
     */
    struct stargate_str host;
    /**
     * The reason, or NULL.
     */
    const struct stargate_error *error;
    /**
     * Milliseconds until the next attempt, or -1 when none follows.
     */
    int64_t retry_in_ms;
    /**
     * The proxy of the connection, such as "http://squid:3128", without its user; empty for a direct one.
     */
    struct stargate_str proxy;
} stargate_state_change;

/**
 * Receives changes of state, on the client's callback thread.
 */
typedef void (*stargate_state_fn)(void *user_data, const struct stargate_state_change *change);

/**
 * A message to send. Everything that it points to belongs to the caller, and is copied before the call returns.
 *
 * Begin with STARGATE_OUTGOING_INIT, which sets `struct_size` and leaves everything else out.
 */
typedef struct stargate_outgoing {
    /**
     * sizeof(stargate_outgoing).
     */
    size_t struct_size;
    /**
     * The content.
     */
    struct stargate_bytes payload;
    /**
     * The key, or NULL: decides the partition, and the consumer of a key_shared subscription.
     */
    const char *key;
    /**
     * The application's properties. If two have the same name, the last one counts.
     */
    const struct stargate_property *properties;
    /**
     * How many there are.
     */
    size_t property_count;
    /**
     * A text of the application, or NULL. The receipt returns it; it is not sent.
     */
    const char *context;
    /**
     * The application's time of the event, in milliseconds since 1970 UTC, or 0.
     */
    int64_t event_time_ms;
    /**
     * Deliver not before this time, in milliseconds since 1970 UTC, or 0. Works on shared and key_shared subscriptions.
     */
    int64_t deliver_at_ms;
    /**
     * Deliver this many milliseconds later, or 0. Not together with deliver_at_ms.
     */
    int64_t deliver_after_ms;
    /**
     * Names of the clusters to replicate to, and to no others; NULL for what the namespace says. The one name
     * "__local__" keeps the message in the cluster that it is sent to.
     */
    const char *const *replication_clusters;
    /**
     * How many there are.
     */
    size_t replication_cluster_count;
} stargate_outgoing;

/**
 * How a send with a callback ended. It is valid for the call that receives it.
 */
typedef struct stargate_delivery_report {
    /**
     * The size of this struct in the library that runs; later versions append fields.
     */
    size_t struct_size;
    /**
     * Why the message has no receipt, or NULL: the broker has it.
     */
    const struct stargate_error *error;
    /**
     * The message's id; `ptr` is NULL after an error, and for a duplicate.
     */
    struct stargate_str message_id;
    /**
     * The context that the application gave the message; `ptr` is NULL if it gave none.
     */
    struct stargate_str context;
    /**
     * 1 when the broker had the message already, because it was sent twice to a namespace with deduplication; else 0.
     */
    int32_t duplicate;
} stargate_delivery_report;

/**
 * Receives the outcome of a send, once, on the client's callback thread.
 */
typedef void (*stargate_delivery_report_fn)(void *user_data,
                                            const struct stargate_delivery_report *sent);

/**
 * Receives the end of a flat send, once, on the client's callback thread. `message_id` is the message's id, in UTF-8 and
 * without a 0 at its end; it is NULL after an error, and for a duplicate. `error` is NULL with STARGATE_OK. Both live
 * for the call.
 */
typedef void (*stargate_sent_fn)(void *user_data,
                                 stargate_status status,
                                 const char *message_id,
                                 size_t message_id_len,
                                 const struct stargate_error *error);

/**
 * How one message of a batch ended. `stargate_send_results_free` frees what it points to.
 */
typedef struct stargate_send_result {
    /**
     * STARGATE_OK when the broker has it.
     */
    stargate_status status;
    /**
     * The message's id, or NULL after an error and for a duplicate.
     */
    char *message_id;
    /**
     * Why it has no receipt, or NULL.
     */
    struct stargate_error *error;
} stargate_send_result;

/**
 * Receives the ends of the messages of a `stargate_producer_send_many_async`, once, on the client's callback thread: the
 * status of the first that failed, or STARGATE_OK, and the result of each. The results live for the call.
 */
typedef void (*stargate_sent_many_fn)(void *user_data,
                                      stargate_status status,
                                      const struct stargate_send_result *results,
                                      size_t count);

/**
 * Success.
 */
#define STARGATE_OK 0

/**
 * The time limit passed. If a send was already written, the message may still be stored.
 */
#define STARGATE_TIMEOUT 1

/**
 * The handle was closed, by the caller or by an error reported earlier.
 */
#define STARGATE_CLOSED 2

/**
 * The topic was terminated and everything in it has been read.
 */
#define STARGATE_END_OF_TOPIC 3

/**
 * The application interrupted the receive, which took no message; the handle goes on.
 */
#define STARGATE_INTERRUPTED 4

/**
 * An argument or an option was not acceptable; nothing was done.
 */
#define STARGATE_INVALID_ARGUMENT -1

/**
 * No host could be reached, or a connection broke and could not be restored.
 */
#define STARGATE_CONNECT -2

/**
 * The server rejected the client's credentials (HTTP 401, or TLS).
 */
#define STARGATE_AUTHENTICATION -3

/**
 * The server accepted the credentials and refuses the operation (HTTP 403).
 */
#define STARGATE_AUTHORIZATION -4

/**
 * The tenant, the namespace or the topic does not exist (HTTP 404).
 */
#define STARGATE_NOT_FOUND -5

/**
 * Another client holds the subscription or the producer name (HTTP 409).
 */
#define STARGATE_BUSY -6

/**
 * As many messages are in flight as max_pending_msg or max_pending_bytes allow.
 */
#define STARGATE_QUEUE_FULL -7

/**
 * The message is larger than the server's limit for one frame or one message.
 */
#define STARGATE_TOO_BIG -8

/**
 * The broker refused or failed the operation; its own words are in stargate_error_broker_text.
 */
#define STARGATE_BROKER -9

/**
 * The peer sent something that is not Pulsar's WebSocket API.
 */
#define STARGATE_PROTOCOL -10

/**
 * The connection broke after the message was written and before its receipt: it may be stored or not.
 */
#define STARGATE_OUTCOME_UNKNOWN -11

/**
 * The topic was terminated: nothing can be published to it any more.
 */
#define STARGATE_TOPIC_TERMINATED -12

/**
 * The handle belongs to the process before fork; open a new client in the child.
 */
#define STARGATE_FORKED -13

/**
 * The wait could never end, because the calling thread would have to do the work that it waits for.
 */
#define STARGATE_WOULD_DEADLOCK -14

/**
 * A key of end-to-end encryption could not be fetched or used, or a payload could not be encrypted or decrypted.
 */
#define STARGATE_CRYPTO -15

/**
 * A fault of the library itself, or a callback that broke its contract.
 */
#define STARGATE_INTERNAL -99

#ifdef __cplusplus
extern "C" {

#endif // __cplusplus

/** @name Text and version
 * @{ */

/**
 * The version of the library that runs, such as "0.1.0". Compare with `STARGATE_VERSION`.
 *
 * Thread-safe. The text is never freed.
 */
const char *stargate_version(void);

/**
 * Checks whether a program compiled with a header of version `header_version` (pass `STARGATE_VERSION_NUMBER`) can run
 * with this library: 1 if so, 0 if not. Before 1.0 a new minor version breaks, from 1.0 on a new major one.
 *
 * Thread-safe. It never ends the process.
 */
int32_t stargate_version_compatible(uint32_t header_version);

/**
 * Frees a text that a function gave through a `char **`. NULL does nothing.
 *
 * Thread-safe.
 */
void stargate_string_free(char *string);

/** @} */

/** @name Errors
 * @{ */

/**
 * Returns the name of a status, such as "STARGATE_TIMEOUT"; "STARGATE_UNKNOWN" for a number that this version does not
 * have.
 *
 * Thread-safe. The text is never freed.
 */
const char *stargate_status_name(stargate_status status);

/**
 * Returns the kind of failure, for programs to act on. STARGATE_OK for NULL.
 *
 * Thread-safe.
 */
stargate_status stargate_error_status(const struct stargate_error *error);

/**
 * Returns the full description on one line: the operation, the topic and every cause, such as "send to
 * persistent://public/default/orders: proxy closed the connection (1009): ...". Empty for NULL.
 *
 * Thread-safe. A view of the error.
 */
struct stargate_str stargate_error_message(const struct stargate_error *error);

/**
 * Returns the full name of the topic concerned; `ptr` is NULL if there is none, and for NULL.
 *
 * Thread-safe. A view of the error.
 */
struct stargate_str stargate_error_topic(const struct stargate_error *error);

/**
 * Returns the server's own words: the errorMsg of a receipt, the reason of a close, or the message of an HTTP error
 * page. `ptr` is NULL if there are none, and for NULL.
 *
 * Thread-safe. A view of the error.
 */
struct stargate_str stargate_error_broker_text(const struct stargate_error *error);

/**
 * Returns the HTTP status with which the server refused the connection, or 0.
 *
 * Thread-safe.
 */
int32_t stargate_error_http_status(const struct stargate_error *error);

/**
 * Returns 1 if the same call may succeed later without a change by the caller, otherwise 0. After STARGATE_TIMEOUT and
 * STARGATE_OUTCOME_UNKNOWN a second send can store the message twice.
 *
 * Thread-safe.
 */
int32_t stargate_error_is_retriable(const struct stargate_error *error);

/**
 * Writes what an error holds to `*fields`, which has `size` bytes, sizeof(stargate_error_fields): a library with more
 * fields writes no more than that, and one with fewer sets the rest to 0. For NULL the status is STARGATE_OK and there
 * are no texts.
 *
 * Thread-safe. A view of the error.
 */
void stargate_error_view(const struct stargate_error *error,
                         struct stargate_error_fields *fields,
                         size_t size);

/**
 * Frees an error that came through a `stargate_error **`. NULL does nothing.
 *
 * Thread-safe, but not while another thread reads the same error.
 */
void stargate_error_free(struct stargate_error *error);

/** @} */

/** @name Options
 * @{ */

/**
 * Creates an empty set of options: every option has its default. Free it with `stargate_options_free`.
 *
 * Thread-safe. NULL only when memory is exhausted.
 */
struct stargate_options *stargate_options_new(void);

/**
 * Sets an option. Keys, values, units and defaults are those of docs/configuration.md and `stargate_options_describe`;
 * times are in milliseconds. The call checks the value; opening a handle checks which options go together.
 *
 * For one thread at a time. Errors: STARGATE_INVALID_ARGUMENT with the nearest key there is, or with the values that are
 * legal.
 */
stargate_status stargate_options_set(struct stargate_options *options,
                                     const char *key,
                                     const char *value,
                                     struct stargate_error **error);

/**
 * Sets the options of a JSON object, such as {"queue_size": 100, "lazy": true, "headers": {"X-Key": "value"}}, with the
 * keys of `stargate_options_set`. A value is a text, a number or a boolean. After an error no option has changed.
 *
 * For one thread at a time. Errors: STARGATE_INVALID_ARGUMENT for text that is no JSON object, and as
 * `stargate_options_set`.
 */
stargate_status stargate_options_set_json(struct stargate_options *options,
                                          const char *json,
                                          struct stargate_error **error);

/**
 * Adds a header to each WebSocket upgrade and each request to the REST API, such as the API key of a gateway. It may be called
 * again for further ones; the option `headers` takes all of them at once.
 *
 * For one thread at a time. Errors: STARGATE_INVALID_ARGUMENT for a name or a value that cannot be sent, and for headers
 * that belong to the connection.
 */
stargate_status stargate_options_header(struct stargate_options *options,
                                        const char *name,
                                        const char *value,
                                        struct stargate_error **error);

/**
 * Frees a set of options. NULL does nothing. The `destroy` of a function registered in it runs once this set and every
 * handle opened with it are gone.
 *
 * For one thread at a time.
 */
void stargate_options_free(struct stargate_options *options);

/**
 * Returns every option as JSON: an array of objects with "key", "aliases", "type", "range", "choices", "default",
 * "roles" (which of connection, producer, consumer and reader take it), "parameters" (the server's name for it) and
 * "doc".
 *
 * Thread-safe. The text is never freed.
 */
struct stargate_str stargate_options_describe(void);

/**
 * Runs the callbacks and handlers of a client with these options inside `stargate_client_poll`, and on no thread of
 * the library. It is for programs with an event loop. Log and token functions are not affected. It is not a key of
 * `stargate_options_set`, because it depends on how a program is written, not on its configuration.
 *
 * For one thread at a time. Errors: STARGATE_INVALID_ARGUMENT for NULL.
 */
stargate_status stargate_options_poll_callbacks(struct stargate_options *options,
                                                struct stargate_error **error);

/**
 * Sends the log records of whatever is opened with these options to `log`, up to `max_level` (STARGATE_LOG_DEBUG for
 * all). On a client's options it applies to everything that the client opens.
 *
 * For one thread at a time. Errors: STARGATE_INVALID_ARGUMENT for NULL and for a level that does not exist. `destroy`
 * runs after an error too.
 */
stargate_status stargate_options_on_log(struct stargate_options *options,
                                        int32_t max_level,
                                        stargate_log_fn log,
                                        void *user_data,
                                        stargate_destroy_fn destroy,
                                        struct stargate_error **error);

/**
 * Calls `token` for the JSON web token at each connect, so that tokens can expire and be renewed. It replaces the
 * options auth_token and auth_token_file.
 *
 * For one thread at a time. Errors: STARGATE_INVALID_ARGUMENT for NULL. `destroy` runs after an error too.
 */
stargate_status stargate_options_on_token(struct stargate_options *options,
                                          stargate_token_fn token,
                                          void *user_data,
                                          stargate_destroy_fn destroy,
                                          struct stargate_error **error);

/**
 * Calls `headers` for headers at each connect and each request to the REST API. They are added to those set as
 * options, and replace those of the same names.
 *
 * For one thread at a time. Errors: STARGATE_INVALID_ARGUMENT for NULL. `destroy` runs after an error too.
 */
stargate_status stargate_options_on_headers(struct stargate_options *options,
                                            stargate_headers_fn headers,
                                            void *user_data,
                                            stargate_destroy_fn destroy,
                                            struct stargate_error **error);

/**
 * Calls `on_state` whenever a connection of what is opened with these options changes its state. On a client's options
 * it applies to everything that the client opens.
 *
 * For one thread at a time. Errors: STARGATE_INVALID_ARGUMENT for NULL. `destroy` runs after an error too.
 */
stargate_status stargate_options_on_state(struct stargate_options *options,
                                          stargate_state_fn on_state,
                                          void *user_data,
                                          stargate_destroy_fn destroy,
                                          struct stargate_error **error);

/** @} */

/** @name Client
 * @{ */

/**
 * Creates a client for the servers at `url`: "ws://host:port" or "wss://host:port", several hosts separated by commas.
 * `options` are those of connections, inherited by everything that the client opens; NULL for the defaults. It does
 * not connect.
 *
 * Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for a bad URL, option or TLS file.
 */
stargate_status stargate_client_new(const char *url,
                                    const struct stargate_options *options,
                                    struct stargate_client **out,
                                    struct stargate_error **error);

/**
 * Runs the callbacks and handlers that are due, on the calling thread, with `stargate_options_poll_callbacks`. It
 * waits at most `timeout_ms` for the first of them. `*served` is how many ran; 0 is no error. `served` may be NULL.
 *
 * Thread-safe; blocks. One thread at a time runs callbacks. Errors: STARGATE_CLOSED after the close of the client, when
 * none is left; STARGATE_WOULD_DEADLOCK in a callback; STARGATE_INVALID_ARGUMENT for a client that has a thread for
 * callbacks.
 */
stargate_status stargate_client_poll(struct stargate_client *client,
                                     int64_t timeout_ms,
                                     size_t *served,
                                     struct stargate_error **error);

/**
 * Returns in `*out` a file descriptor that is readable while callbacks are due, with
 * `stargate_options_poll_callbacks`. Watch it with poll, epoll, libuv, GLib and the like, and call
 * `stargate_client_poll` when it is readable.
 *
 * It is a socket that does not block. A loop that reads from it may do so, if it polls after each read until nothing is
 * served: the bytes mean nothing, and no more may come for what is due already. Do not write to it. It belongs to the
 * client, and is closed when the client and all of its handles are freed: give a loop that closes it, or that may
 * outlive the client, a dup of it.
 *
 * Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for a client that has a thread for callbacks.
 */
stargate_status stargate_client_event_fd(struct stargate_client *client,
                                         int32_t *out,
                                         struct stargate_error **error);

/**
 * Returns the counters of everything opened through this client, closed handles included, as a JSON object in `*out`.
 * Counts are since the client was created; gauges are of what is open now. Free it with `stargate_string_free`.
 *
 * Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for NULL.
 */
stargate_status stargate_client_stats_json(const struct stargate_client *client,
                                           char **out,
                                           struct stargate_error **error);

/**
 * Returns in `*out` the proxy of this client's WebSockets, such as "http://squid:3128", without its user and password.
 * It is empty if every host is reached directly. Free it with `stargate_string_free`. Of several hosts some may be
 * reached directly; `stargate_state_change` has the proxy of each connection.
 *
 * Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for NULL.
 */
stargate_status stargate_client_proxy(const struct stargate_client *client,
                                      char **out,
                                      struct stargate_error **error);

/**
 * Closes everything opened through this client, each as its own close does, within `timeout_ms`. After STARGATE_OK no
 * callback runs any more. The caller still frees the handles.
 *
 * Thread-safe; blocks. May be called in a callback, and more than once. Errors: STARGATE_TIMEOUT if a handle could not
 * be closed in time.
 */
stargate_status stargate_client_close(struct stargate_client *client,
                                      int64_t timeout_ms,
                                      struct stargate_error **error);

/**
 * Closes the client as `stargate_client_close` does, but does not wait. It calls `on_done` exactly once, after every other
 * callback of the client, unless this call fails. With polled callbacks, poll until then. The caller still frees the
 * handles.
 *
 * Thread-safe; never blocks. May be called in a callback. Errors: STARGATE_INVALID_ARGUMENT. To `on_done`:
 * STARGATE_TIMEOUT if a handle could not be closed in time.
 */
stargate_status stargate_client_close_async(struct stargate_client *client,
                                            int64_t timeout_ms,
                                            stargate_done_fn on_done,
                                            void *user_data,
                                            stargate_destroy_fn destroy,
                                            struct stargate_error **error);

/**
 * Frees a client. NULL does nothing. Handles opened through it continue until they are closed or freed themselves.
 *
 * Thread-safe.
 */
void stargate_client_free(struct stargate_client *client);

/**
 * Frees a client as `stargate_client_free` does, but never waits, and runs nothing of the application on this thread. It
 * is for finalizers. NULL does nothing.
 *
 * Thread-safe.
 */
void stargate_client_release(struct stargate_client *client);

/** @} */

/** @name Producer
 * @{ */

/**
 * Opens a producer, and waits until it is connected unless the option lazy is set. NULL `options` are the client's
 * options and the defaults. The option connect_timeout bounds the attempt at each host; `timeout_ms` bounds the whole
 * call, and -1 adds no bound.
 *
 * Thread-safe; blocks. Errors: STARGATE_CONNECT, STARGATE_AUTHENTICATION, STARGATE_AUTHORIZATION, STARGATE_NOT_FOUND
 * (tenant or namespace), STARGATE_BUSY (the name is in use, and still is after two seconds),
 * STARGATE_INVALID_ARGUMENT, STARGATE_TIMEOUT.
 */
stargate_status stargate_producer_open(struct stargate_client *client,
                                       const char *topic,
                                       const struct stargate_options *options,
                                       int64_t timeout_ms,
                                       struct stargate_producer **out,
                                       struct stargate_error **error);

/**
 * Opens a producer as `stargate_producer_open` does, but does not wait. It calls `on_done` exactly once, with the
 * producer or the error, unless this call fails. A close of the client ends it with STARGATE_CLOSED.
 *
 * Thread-safe; never blocks. Errors: STARGATE_INVALID_ARGUMENT. To `on_done`: as `stargate_producer_open`.
 */
stargate_status stargate_producer_open_async(struct stargate_client *client,
                                             const char *topic,
                                             const struct stargate_options *options,
                                             int64_t timeout_ms,
                                             stargate_done_fn on_done,
                                             void *user_data,
                                             stargate_destroy_fn destroy,
                                             struct stargate_error **error);

/**
 * Sends a message and waits for its receipt, within `timeout_ms`, or with -1 within the option send_timeout. On
 * success `*out_message_id` is the message's id, to free with `stargate_string_free`. It is NULL for a duplicate: a
 * message sent twice to a namespace with deduplication. `out_message_id` may be NULL.
 *
 * Thread-safe; blocks. Errors: STARGATE_TIMEOUT, STARGATE_TOO_BIG, STARGATE_QUEUE_FULL, STARGATE_BROKER,
 * STARGATE_OUTCOME_UNKNOWN, STARGATE_TOPIC_TERMINATED, STARGATE_CLOSED, STARGATE_INVALID_ARGUMENT;
 * STARGATE_WOULD_DEADLOCK where callbacks run, if it had to wait for room that later callbacks release.
 */
stargate_status stargate_producer_send(struct stargate_producer *producer,
                                       const struct stargate_outgoing *message,
                                       int64_t timeout_ms,
                                       char **out_message_id,
                                       struct stargate_error **error);

/**
 * Accepts a message, and calls `on_sent` exactly once: on its receipt, failure or timeout (option send_timeout), or
 * when a close gives it up. While max_pending_msg or max_pending_bytes is reached, the call waits for room: at most
 * `timeout_ms`, or with -1 at most send_timeout. With 0, or with the option when_full=fail, it returns
 * STARGATE_QUEUE_FULL at once. Messages accepted one after the other are stored in that order.
 *
 * Room is released where callbacks run. So in a callback of the client, and on the thread that polled its callbacks
 * last, the call does not wait, and returns STARGATE_WOULD_DEADLOCK at once if there is no room: give it a `timeout_ms`
 * of 0 there.
 *
 * Without STARGATE_OK the message was not accepted and `on_sent` is not called; `destroy` runs in any case.
 *
 * Thread-safe; blocks while there is no room. Errors: STARGATE_QUEUE_FULL, STARGATE_TIMEOUT (no room),
 * STARGATE_WOULD_DEADLOCK (no room, where callbacks run), STARGATE_TOO_BIG, STARGATE_CLOSED, STARGATE_INVALID_ARGUMENT.
 */
stargate_status stargate_producer_send_async(struct stargate_producer *producer,
                                             const struct stargate_outgoing *message,
                                             int64_t timeout_ms,
                                             stargate_delivery_report_fn on_sent,
                                             void *user_data,
                                             stargate_destroy_fn destroy,
                                             struct stargate_error **error);

/**
 * Accepts a message as `stargate_producer_send_async` does, without a struct: for languages to which nested structs are
 * dear. `key` may be NULL, for none. `properties` are names and values in turn, each with a 0 at its end, such as
 * "color\0red\0size\0L\0"; `properties_len` counts all of these bytes. A time of 0 is not given. It calls `on_sent`
 * exactly once, unless this call fails.
 *
 * Thread-safe; blocks while there is no room, but not with a `timeout_ms` of 0. Errors: as `stargate_producer_send_async`.
 */
stargate_status stargate_producer_send_flat_async(struct stargate_producer *producer,
                                                  const void *payload,
                                                  size_t payload_len,
                                                  const char *key,
                                                  size_t key_len,
                                                  const char *properties,
                                                  size_t properties_len,
                                                  int64_t event_time_ms,
                                                  int64_t deliver_at_ms,
                                                  int64_t deliver_after_ms,
                                                  int64_t timeout_ms,
                                                  stargate_sent_fn on_sent,
                                                  void *user_data,
                                                  stargate_destroy_fn destroy,
                                                  struct stargate_error **error);

/**
 * Accepts messages of an array in their order as long as there is room, as write(2) accepts bytes: `*accepted` is how
 * many. It calls `on_sent` exactly once, with the results of these in the same order, when the last of them has its
 * receipt or has failed. `timeout_ms` bounds the wait of each for room, as in `stargate_producer_send_async`. They keep
 * their room until `on_sent` begins, unless the call itself waits for it.
 *
 * STARGATE_OK means that at least one was accepted: give the others again later. Without STARGATE_OK none was, and
 * `on_sent` is not called; the error is that of the first message. The call checks all arguments before it accepts any.
 *
 * Thread-safe; blocks while there is no room, but not with a `timeout_ms` of 0. Errors: as `stargate_producer_send_async`.
 */
stargate_status stargate_producer_send_many_async(struct stargate_producer *producer,
                                                  const struct stargate_outgoing *messages,
                                                  size_t count,
                                                  int64_t timeout_ms,
                                                  size_t *accepted,
                                                  stargate_sent_many_fn on_sent,
                                                  void *user_data,
                                                  stargate_destroy_fn destroy,
                                                  struct stargate_error **error);

/**
 * Waits, without holding a thread, until there is room for a message whose payload, key and properties have `bytes`
 * together, then calls `on_done`, exactly once, unless this call fails. Use it after STARGATE_QUEUE_FULL, and send again
 * in `on_done`. Another sender may be faster; then send and wait again.
 *
 * Thread-safe; never blocks. Errors: STARGATE_INVALID_ARGUMENT. To `on_done`: STARGATE_CLOSED, STARGATE_TIMEOUT, or what
 * ended the producer.
 */
stargate_status stargate_producer_room_async(struct stargate_producer *producer,
                                             size_t bytes,
                                             int64_t timeout_ms,
                                             stargate_done_fn on_done,
                                             void *user_data,
                                             stargate_destroy_fn destroy,
                                             struct stargate_error **error);

/**
 * Sends `count` messages in their order, many in flight at a time, and waits for all of their receipts, within
 * `timeout_ms`, or with -1 within the option send_timeout for each. `results` may be NULL, or has room for `count`
 * results. All are written; free them with `stargate_send_results_free`.
 *
 * Returns the status of the first message that failed, or STARGATE_OK if the broker has them all. It checks the
 * arguments before it sends anything. If the call itself fails, each result has its status, and no error of its own:
 * `*error` is why.
 *
 * Thread-safe; blocks. Errors: as `stargate_producer_send`.
 */
stargate_status stargate_producer_send_batch(struct stargate_producer *producer,
                                             const struct stargate_outgoing *messages,
                                             size_t count,
                                             int64_t timeout_ms,
                                             struct stargate_send_result *results,
                                             struct stargate_error **error);

/**
 * Sends `count` messages, as `stargate_producer_send_batch` does, over a connection of their own, which is closed in
 * any case. `url` is that of a producer, "ws://host:port/ws/v2/producer/persistent/tenant/namespace/topic", with the
 * server's query parameters if any; `options` are those of connections and producers. `results` may be NULL. If the
 * connection fails, each result has the status of the call, and no error of its own: `*error` is why.
 *
 * Thread-safe; blocks. Errors: as `stargate_producer_open` and `stargate_producer_send`.
 */
stargate_status stargate_produce(const char *url,
                                 const struct stargate_outgoing *messages,
                                 size_t count,
                                 const struct stargate_options *options,
                                 int64_t timeout_ms,
                                 struct stargate_send_result *results,
                                 struct stargate_error **error);

/**
 * Frees what `count` results point to, and clears them. The array itself is the caller's.
 *
 * Thread-safe.
 */
void stargate_send_results_free(struct stargate_send_result *results, size_t count);

/**
 * Waits until every message accepted before has its receipt or has failed. The last callbacks may not have run yet;
 * `stargate_producer_close` waits for those too.
 *
 * Thread-safe; blocks. Errors: STARGATE_TIMEOUT, STARGATE_CLOSED.
 */
stargate_status stargate_producer_flush(struct stargate_producer *producer,
                                        int64_t timeout_ms,
                                        struct stargate_error **error);

/**
 * Waits as `stargate_producer_flush` does, without holding a thread, then calls `on_done`, exactly once, unless this call
 * fails. The callbacks of the messages run before it.
 *
 * Thread-safe; never blocks. Errors: STARGATE_INVALID_ARGUMENT. To `on_done`: STARGATE_TIMEOUT, STARGATE_CLOSED.
 */
stargate_status stargate_producer_flush_async(struct stargate_producer *producer,
                                              int64_t timeout_ms,
                                              stargate_done_fn on_done,
                                              void *user_data,
                                              stargate_destroy_fn destroy,
                                              struct stargate_error **error);

/**
 * Returns the full name of the topic. `ptr` is NULL for NULL.
 *
 * Thread-safe. A view of the producer.
 */
struct stargate_str stargate_producer_topic(const struct stargate_producer *producer);

/**
 * Waits until the handle is connected, for example after an open with the option lazy.
 *
 * Thread-safe; blocks. Errors: STARGATE_TIMEOUT, or the error that ended the handle.
 */
stargate_status stargate_producer_wait_connected(struct stargate_producer *producer,
                                                 int64_t timeout_ms,
                                                 struct stargate_error **error);

/**
 * Returns 1 if the producer is connected now, otherwise 0; 0 for NULL.
 *
 * Thread-safe.
 */
int32_t stargate_producer_is_connected(const struct stargate_producer *producer);

/**
 * Returns the counters of the handle as a JSON object in `*out`. Free it with `stargate_string_free`.
 *
 * Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for NULL.
 */
stargate_status stargate_producer_stats_json(const struct stargate_producer *producer,
                                             char **out,
                                             struct stargate_error **error);

/**
 * Accepts no more messages, waits until those in flight have ended and their callbacks have run, and closes the
 * connection. Messages still in flight after `timeout_ms` fail, and so does this call. After STARGATE_OK no callback
 * of this producer runs any more. The caller still frees the producer.
 *
 * Thread-safe; blocks. May be called more than once, and in a callback; it does not wait for that callback. Errors:
 * STARGATE_TIMEOUT.
 */
stargate_status stargate_producer_close(struct stargate_producer *producer,
                                        int64_t timeout_ms,
                                        struct stargate_error **error);

/**
 * Closes the producer as `stargate_producer_close` does, but does not wait. It calls `on_done` exactly once, after every
 * other callback of the producer, unless this call fails. The caller still frees the producer.
 *
 * Thread-safe; never blocks. May be called in a callback. Errors: STARGATE_INVALID_ARGUMENT. To `on_done`:
 * STARGATE_TIMEOUT.
 */
stargate_status stargate_producer_close_async(struct stargate_producer *producer,
                                              int64_t timeout_ms,
                                              stargate_done_fn on_done,
                                              void *user_data,
                                              stargate_destroy_fn destroy,
                                              struct stargate_error **error);

/**
 * Frees a producer, and closes it first if it is open. It does not wait for receipts, but for callbacks. NULL does
 * nothing.
 *
 * Thread-safe; waits for callbacks. May be called in a callback; it does not wait for that callback.
 */
void stargate_producer_free(struct stargate_producer *producer);

/**
 * Frees a producer as `stargate_producer_free` does, but never waits, and runs nothing of the application on this thread. It
 * is for finalizers. The producer is closed in the background: messages in flight fail, and their
 * callbacks still run where callbacks do. NULL does nothing.
 *
 * Thread-safe.
 */
void stargate_producer_release(struct stargate_producer *producer);

/** @} */

/** @name Consumer
 * @{ */

/**
 * Opens a consumer of one topic, and waits until it is connected unless the option lazy is set. The broker creates the
 * subscription if it does not exist. NULL `options` are the client's options and the defaults. The option
 * connect_timeout bounds the attempt at each host; `timeout_ms` bounds the whole call, and -1 adds no bound.
 *
 * Thread-safe; blocks. Errors: STARGATE_CONNECT, STARGATE_AUTHENTICATION, STARGATE_AUTHORIZATION, STARGATE_NOT_FOUND
 * (tenant or namespace), STARGATE_BUSY (an exclusive subscription is in use, and still is after two seconds),
 * STARGATE_INVALID_ARGUMENT, STARGATE_TIMEOUT.
 */
stargate_status stargate_consumer_open(struct stargate_client *client,
                                       const char *topic,
                                       const char *subscription,
                                       const struct stargate_options *options,
                                       int64_t timeout_ms,
                                       struct stargate_consumer **out,
                                       struct stargate_error **error);

/**
 * Opens a consumer of several topics on one connection; otherwise as `stargate_consumer_open`.
 *
 * Thread-safe; blocks. Errors: as `stargate_consumer_open`.
 */
stargate_status stargate_consumer_open_topics(struct stargate_client *client,
                                              const char *const *topics,
                                              size_t topic_count,
                                              const char *subscription,
                                              const struct stargate_options *options,
                                              int64_t timeout_ms,
                                              struct stargate_consumer **out,
                                              struct stargate_error **error);

/**
 * Opens a consumer of every persistent topic whose full name matches a regular expression, now and later, such as
 * "persistent://public/default/orders-.*"; otherwise as `stargate_consumer_open`.
 *
 * Thread-safe; blocks. Errors: as `stargate_consumer_open`.
 */
stargate_status stargate_consumer_open_pattern(struct stargate_client *client,
                                               const char *pattern,
                                               const char *subscription,
                                               const struct stargate_options *options,
                                               int64_t timeout_ms,
                                               struct stargate_consumer **out,
                                               struct stargate_error **error);

/**
 * Opens a consumer as `stargate_consumer_open` does, but does not wait. It calls `on_done` exactly once, with the
 * consumer or the error, unless this call fails. A close of the client ends it with STARGATE_CLOSED.
 *
 * Thread-safe; never blocks. Errors: STARGATE_INVALID_ARGUMENT. To `on_done`: as `stargate_consumer_open`.
 */
stargate_status stargate_consumer_open_async(struct stargate_client *client,
                                             const char *topic,
                                             const char *subscription,
                                             const struct stargate_options *options,
                                             int64_t timeout_ms,
                                             stargate_done_fn on_done,
                                             void *user_data,
                                             stargate_destroy_fn destroy,
                                             struct stargate_error **error);

/**
 * Opens a consumer as `stargate_consumer_open_topics` does; otherwise as `stargate_consumer_open_async`.
 *
 * Thread-safe; never blocks. Errors: STARGATE_INVALID_ARGUMENT. To `on_done`: as `stargate_consumer_open`.
 */
stargate_status stargate_consumer_open_topics_async(struct stargate_client *client,
                                                    const char *const *topics,
                                                    size_t topic_count,
                                                    const char *subscription,
                                                    const struct stargate_options *options,
                                                    int64_t timeout_ms,
                                                    stargate_done_fn on_done,
                                                    void *user_data,
                                                    stargate_destroy_fn destroy,
                                                    struct stargate_error **error);

/**
 * Opens a consumer as `stargate_consumer_open_pattern` does; otherwise as `stargate_consumer_open_async`.
 *
 * Thread-safe; never blocks. Errors: STARGATE_INVALID_ARGUMENT. To `on_done`: as `stargate_consumer_open`.
 */
stargate_status stargate_consumer_open_pattern_async(struct stargate_client *client,
                                                     const char *pattern,
                                                     const char *subscription,
                                                     const struct stargate_options *options,
                                                     int64_t timeout_ms,
                                                     stargate_done_fn on_done,
                                                     void *user_data,
                                                     stargate_destroy_fn destroy,
                                                     struct stargate_error **error);

/**
 * Waits for the next message and returns it in `*out`, for the caller to acknowledge and to free. If none arrives
 * within `timeout_ms`, the result is STARGATE_TIMEOUT without an error object.
 *
 * Receiving and a handler exclude each other. Thread-safe; blocks. Errors: STARGATE_CLOSED, STARGATE_INVALID_ARGUMENT,
 * or what ended the consumer.
 */
stargate_status stargate_consumer_receive(struct stargate_consumer *consumer,
                                          int64_t timeout_ms,
                                          struct stargate_message **out,
                                          struct stargate_error **error);

/**
 * Waits for the next message, and returns it with those that have already arrived, up to `max`. `out` has room for
 * `max` messages; `*out_count` is how many were written. Free them with `stargate_messages_free`. If none arrives
 * within `timeout_ms`, the result is STARGATE_TIMEOUT without an error object.
 *
 * Receiving and a handler exclude each other. Thread-safe; blocks. Errors: as `stargate_consumer_receive`.
 */
stargate_status stargate_consumer_receive_many(struct stargate_consumer *consumer,
                                               size_t max,
                                               int64_t timeout_ms,
                                               struct stargate_message **out,
                                               size_t *out_count,
                                               struct stargate_error **error);

/**
 * Receives as `stargate_consumer_receive_many` does, but does not wait. It calls `on_received` exactly once, with 1 to `max`
 * messages, with STARGATE_TIMEOUT if none arrives within `timeout_ms`, or with what ended it, unless this call fails. A
 * close or a free ends it with STARGATE_CLOSED, and waits for that call. Messages of calls that wait together come in
 * no order.
 *
 * Receiving and a handler exclude each other. Thread-safe; never blocks. Errors: STARGATE_INVALID_ARGUMENT, or what ended
 * the consumer, such as STARGATE_CLOSED. To `on_received`: as `stargate_consumer_receive`.
 */
stargate_status stargate_consumer_receive_async(struct stargate_consumer *consumer,
                                                size_t max,
                                                int64_t timeout_ms,
                                                stargate_received_fn on_received,
                                                void *user_data,
                                                stargate_destroy_fn destroy,
                                                struct stargate_error **error);

/**
 * Ends every receive of the consumer that waits now with STARGATE_INTERRUPTED, which has no error object. If none waits,
 * the next receive ends so, even if messages are there, so that no interrupt comes too early. An interrupted receive
 * takes no message, and the consumer goes on. Handlers are not interrupted.
 *
 * Thread-safe, but not for signal handlers. Errors: STARGATE_INVALID_ARGUMENT for NULL.
 */
stargate_status stargate_consumer_interrupt(struct stargate_consumer *consumer,
                                            struct stargate_error **error);

/**
 * Runs a handler on every message until the consumer is closed. The option processors sets the number of threads. The
 * call returns once each processor has made its state. If it fails after a processor has begun, the consumer is no
 * longer usable.
 *
 * Receiving and a handler exclude each other, and there can be one handler. Thread-safe; waits for callbacks, those of `init`.
 * Errors: STARGATE_INVALID_ARGUMENT, STARGATE_CLOSED, or what `init` returned. `destroy` runs after an error too; otherwise
 * once the consumer is closed and every processor has ended.
 */
stargate_status stargate_consumer_listen(struct stargate_consumer *consumer,
                                         const struct stargate_handler *handler,
                                         void *user_data,
                                         stargate_destroy_fn destroy,
                                         struct stargate_error **error);

/**
 * Acknowledges a message without waiting: the server does not answer acknowledgements. If one is lost with its
 * connection, the broker redelivers the message. The caller still frees the message.
 *
 * Thread-safe. Errors: STARGATE_INVALID_ARGUMENT.
 */
stargate_status stargate_consumer_ack(struct stargate_consumer *consumer,
                                      const struct stargate_message *message,
                                      struct stargate_error **error);

/**
 * Acknowledges `count` messages of an array, each as `stargate_consumer_ack` does. The call checks all arguments before it
 * acknowledges any. The caller still frees the messages.
 *
 * Thread-safe. Errors: STARGATE_INVALID_ARGUMENT; STARGATE_CLOSED, or what ended the consumer.
 */
stargate_status stargate_consumer_ack_many(struct stargate_consumer *consumer,
                                           struct stargate_message *const *messages,
                                           size_t count,
                                           struct stargate_error **error);

/**
 * Acknowledges a message by its id, as after STARGATE_CONTINUE. It takes effect if the current connection delivered
 * the message, or if the message was neither batched nor in a partition.
 *
 * Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for text that is no message id.
 */
stargate_status stargate_consumer_ack_id(struct stargate_consumer *consumer,
                                         const char *message_id,
                                         struct stargate_error **error);

/**
 * Acknowledges a message and all before it that this consumer received; on a partitioned topic, those of its
 * partition. For exclusive and failover subscriptions of one topic. If a connection is lost before it carried all
 * acknowledgements, the broker redelivers those messages; the consumer then acknowledges them without delivering them.
 * It costs one frame for each message, like separate acknowledgements. The caller still frees the message.
 *
 * Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for other subscriptions, several topics, or a topic that is not
 * persistent.
 */
stargate_status stargate_consumer_ack_cumulative(struct stargate_consumer *consumer,
                                                 const struct stargate_message *message,
                                                 struct stargate_error **error);

/**
 * As `stargate_consumer_ack_cumulative`, but takes an id, which may come from an earlier consumer of the subscription.
 * The consumer acknowledges messages at or below it without delivering them.
 *
 * Thread-safe. Errors: as `stargate_consumer_ack_cumulative`, and STARGATE_INVALID_ARGUMENT for text that is no
 * message id.
 */
stargate_status stargate_consumer_ack_cumulative_id(struct stargate_consumer *consumer,
                                                    const char *message_id,
                                                    struct stargate_error **error);

/**
 * Requests redelivery of a message, after the option negative_ack_delay. The caller still frees the message.
 *
 * Thread-safe. Errors: STARGATE_INVALID_ARGUMENT.
 */
stargate_status stargate_consumer_nack(struct stargate_consumer *consumer,
                                       const struct stargate_message *message,
                                       struct stargate_error **error);

/**
 * Requests redelivery of a message by its id, after the option negative_ack_delay. It takes effect if the current
 * connection delivered the message.
 *
 * Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for text that is no message id.
 */
stargate_status stargate_consumer_nack_id(struct stargate_consumer *consumer,
                                          const char *message_id,
                                          struct stargate_error **error);

/**
 * Schedules redelivery of a message after `delay_ms`. It stores a copy in the retry letter topic, which this consumer
 * consumes too, then acknowledges the message. Needs the option enable_retry. A message that was already redelivered
 * max_redeliver_count times (`stargate_message_reconsume_times`) goes to the dead letter topic instead. After an error
 * the message stays unacknowledged. After STARGATE_TIMEOUT the copy may still be stored, and the message then
 * acknowledged. The caller still frees the message.
 *
 * Thread-safe; blocks. Errors: STARGATE_INVALID_ARGUMENT without that option, and those of a send.
 */
stargate_status stargate_consumer_reconsume_later(struct stargate_consumer *consumer,
                                                  const struct stargate_message *message,
                                                  int64_t delay_ms,
                                                  int64_t timeout_ms,
                                                  struct stargate_error **error);

/**
 * Moves to another position in the topic: the next message is the one at `position`, "earliest", "latest" or a message
 * id in base64, or with `after` 1 the one after that message. Once it returns, no message from before the seek is
 * delivered. Other consumers of the subscription move with it. On a partitioned topic an id moves its partition. A
 * consumer of several topics can seek to the ends and to times only. Patterns and non-durable subscriptions cannot
 * seek.
 *
 * Thread-safe; blocks. Errors: STARGATE_INVALID_ARGUMENT, STARGATE_TIMEOUT, and those of the REST API.
 */
stargate_status stargate_consumer_seek(struct stargate_consumer *consumer,
                                       const char *position,
                                       int32_t after,
                                       int64_t timeout_ms,
                                       struct stargate_error **error);

/**
 * As `stargate_consumer_seek`, but to the first message published at or after `time_ms`, in milliseconds since 1970
 * UTC.
 *
 * Thread-safe; blocks. Errors: as `stargate_consumer_seek`.
 */
stargate_status stargate_consumer_seek_time(struct stargate_consumer *consumer,
                                            int64_t time_ms,
                                            int64_t timeout_ms,
                                            struct stargate_error **error);

/**
 * Returns the ids of the last messages of the topic, one for each partition that has any, as a JSON array of texts in
 * `*out`. Free it with `stargate_string_free`.
 *
 * Thread-safe; blocks. Errors: STARGATE_TIMEOUT, and those of the REST API.
 */
stargate_status stargate_consumer_last_message_ids_json(struct stargate_consumer *consumer,
                                                        int64_t timeout_ms,
                                                        char **out,
                                                        struct stargate_error **error);

/**
 * Returns in `*out` how many messages the subscription has not acknowledged, those delivered to the application
 * included. 0 means that it has caught up. The broker counts a batch as one message. Not for patterns.
 *
 * Thread-safe; blocks. Errors: STARGATE_TIMEOUT, and those of the REST API.
 */
stargate_status stargate_consumer_backlog(struct stargate_consumer *consumer,
                                          int64_t timeout_ms,
                                          uint64_t *out,
                                          struct stargate_error **error);

/**
 * Requests `messages` (1 to 100000) in addition to the window, on each connection. For consumers with the option
 * pull_mode.
 *
 * Thread-safe. Errors: STARGATE_INVALID_ARGUMENT.
 */
stargate_status stargate_consumer_permit(struct stargate_consumer *consumer,
                                         uint32_t messages,
                                         struct stargate_error **error);

/**
 * Deletes the subscription and closes the consumer. If the subscription has other consumers, the call fails and this
 * consumer continues.
 *
 * Thread-safe; blocks. Errors: STARGATE_BROKER, STARGATE_TIMEOUT, STARGATE_CLOSED.
 */
stargate_status stargate_consumer_unsubscribe(struct stargate_consumer *consumer,
                                              int64_t timeout_ms,
                                              struct stargate_error **error);

/**
 * Checks whether the topic was terminated and everything in it has been acknowledged: `*out` is 1 or 0.
 *
 * Thread-safe; blocks, since it queries the server. Errors: STARGATE_TIMEOUT, STARGATE_CLOSED.
 */
stargate_status stargate_consumer_is_end_of_topic(struct stargate_consumer *consumer,
                                                  int64_t timeout_ms,
                                                  int32_t *out,
                                                  struct stargate_error **error);

/**
 * Returns the full name of the consumer's topic. For several topics it is that of the first; for a pattern, a name
 * that stands for it. `ptr` is NULL for NULL.
 *
 * Thread-safe. A view of the consumer.
 */
struct stargate_str stargate_consumer_topic(const struct stargate_consumer *consumer);

/**
 * Returns the name of the consumer's subscription. `ptr` is NULL for NULL.
 *
 * Thread-safe. A view of the consumer.
 */
struct stargate_str stargate_consumer_subscription(const struct stargate_consumer *consumer);

/**
 * Waits until the handle is connected, for example after an open with the option lazy.
 *
 * Thread-safe; blocks. Errors: STARGATE_TIMEOUT, or the error that ended the handle.
 */
stargate_status stargate_consumer_wait_connected(struct stargate_consumer *consumer,
                                                 int64_t timeout_ms,
                                                 struct stargate_error **error);

/**
 * Returns 1 if all connections of the handle are up now, otherwise 0; 0 for NULL.
 *
 * Thread-safe.
 */
int32_t stargate_consumer_is_connected(const struct stargate_consumer *consumer);

/**
 * Returns the counters of the handle as a JSON object in `*out`. Free it with `stargate_string_free`.
 *
 * Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for NULL.
 */
stargate_status stargate_consumer_stats_json(const struct stargate_consumer *consumer,
                                             char **out,
                                             struct stargate_error **error);

/**
 * Stops delivery, lets handlers finish their messages, sends the acknowledgements, and closes the connections, within
 * `timeout_ms`. After STARGATE_OK no handler runs, and every `drop` and `destroy` of a handler has run. The caller
 * still frees the consumer.
 *
 * Thread-safe; blocks. May be called more than once, and in the handler itself. There it does not wait for that
 * handler, and the promise holds once the handler returns. Errors: STARGATE_TIMEOUT.
 */
stargate_status stargate_consumer_close(struct stargate_consumer *consumer,
                                        int64_t timeout_ms,
                                        struct stargate_error **error);

/**
 * Closes the consumer as `stargate_consumer_close` does, but does not wait. It calls `on_done` exactly once, after every
 * other callback of the consumer, unless this call fails. The caller still frees the consumer.
 *
 * Thread-safe; never blocks. May be called in a callback. Errors: STARGATE_INVALID_ARGUMENT. To `on_done`:
 * STARGATE_TIMEOUT.
 */
stargate_status stargate_consumer_close_async(struct stargate_consumer *consumer,
                                              int64_t timeout_ms,
                                              stargate_done_fn on_done,
                                              void *user_data,
                                              stargate_destroy_fn destroy,
                                              struct stargate_error **error);

/**
 * Frees a consumer, and closes it first if it is open. It waits for a running handler and for nothing else. NULL does
 * nothing.
 *
 * Thread-safe; waits for callbacks. May be called in the handler itself; it does not wait for that handler.
 */
void stargate_consumer_free(struct stargate_consumer *consumer);

/**
 * Frees a consumer as `stargate_consumer_free` does, but never waits, and runs nothing of the application on this thread. It
 * is for finalizers. The consumer is closed in the background; a handler that runs ends first, and the
 * destroy of its user_data tells when. NULL does nothing.
 *
 * Thread-safe.
 */
void stargate_consumer_release(struct stargate_consumer *consumer);

/** @} */

/** @name Reader
 * @{ */

/**
 * Opens a reader, and waits until it is connected unless the option lazy is set. On a partitioned topic it has one
 * connection for each partition. NULL `options` are the client's options and the defaults. The option connect_timeout
 * bounds the attempt at each host; `timeout_ms` bounds the whole call, and -1 adds no bound.
 *
 * Thread-safe; blocks. Errors: STARGATE_CONNECT, STARGATE_AUTHENTICATION, STARGATE_AUTHORIZATION, STARGATE_NOT_FOUND,
 * STARGATE_INVALID_ARGUMENT, STARGATE_TIMEOUT.
 */
stargate_status stargate_reader_open(struct stargate_client *client,
                                     const char *topic,
                                     const struct stargate_options *options,
                                     int64_t timeout_ms,
                                     struct stargate_reader **out,
                                     struct stargate_error **error);

/**
 * Opens a reader as `stargate_reader_open` does, but does not wait. It calls `on_done` exactly once, with the reader or
 * the error, unless this call fails. A close of the client ends it with STARGATE_CLOSED.
 *
 * Thread-safe; never blocks. Errors: STARGATE_INVALID_ARGUMENT. To `on_done`: as `stargate_reader_open`.
 */
stargate_status stargate_reader_open_async(struct stargate_client *client,
                                           const char *topic,
                                           const struct stargate_options *options,
                                           int64_t timeout_ms,
                                           stargate_done_fn on_done,
                                           void *user_data,
                                           stargate_destroy_fn destroy,
                                           struct stargate_error **error);

/**
 * Waits for the next message and returns it in `*out`, for the caller to free. If none arrives within `timeout_ms`,
 * the result is STARGATE_TIMEOUT without an error object.
 *
 * Receiving and a handler exclude each other. Thread-safe; blocks. Errors: STARGATE_CLOSED, STARGATE_INVALID_ARGUMENT,
 * or what ended the reader.
 */
stargate_status stargate_reader_receive(struct stargate_reader *reader,
                                        int64_t timeout_ms,
                                        struct stargate_message **out,
                                        struct stargate_error **error);

/**
 * Waits for the next message, and returns it with those that have already arrived, up to `max`. `out` has room for
 * `max` messages; `*out_count` is how many were written. Free them with `stargate_messages_free`. If none arrives
 * within `timeout_ms`, the result is STARGATE_TIMEOUT without an error object.
 *
 * Receiving and a handler exclude each other. Thread-safe; blocks. Errors: as `stargate_reader_receive`.
 */
stargate_status stargate_reader_receive_many(struct stargate_reader *reader,
                                             size_t max,
                                             int64_t timeout_ms,
                                             struct stargate_message **out,
                                             size_t *out_count,
                                             struct stargate_error **error);

/**
 * Receives as `stargate_reader_receive_many` does, but does not wait. It calls `on_received` exactly once, with 1 to `max`
 * messages, with STARGATE_TIMEOUT if none arrives within `timeout_ms`, or with what ended it, unless this call fails. A
 * close or a free ends it with STARGATE_CLOSED, and waits for that call. Messages of calls that wait together come in
 * no order.
 *
 * Receiving and a handler exclude each other. Thread-safe; never blocks. Errors: STARGATE_INVALID_ARGUMENT, or what ended
 * the reader, such as STARGATE_CLOSED. To `on_received`: as `stargate_reader_receive`.
 */
stargate_status stargate_reader_receive_async(struct stargate_reader *reader,
                                              size_t max,
                                              int64_t timeout_ms,
                                              stargate_received_fn on_received,
                                              void *user_data,
                                              stargate_destroy_fn destroy,
                                              struct stargate_error **error);

/**
 * Ends every receive of the reader that waits now with STARGATE_INTERRUPTED, which has no error object. If none waits,
 * the next receive ends so, even if messages are there, so that no interrupt comes too early. An interrupted receive
 * takes no message, and the reader goes on. Handlers are not interrupted.
 *
 * Thread-safe, but not for signal handlers. Errors: STARGATE_INVALID_ARGUMENT for NULL.
 */
stargate_status stargate_reader_interrupt(struct stargate_reader *reader,
                                          struct stargate_error **error);

/**
 * Runs a handler on every message until the reader is closed. The option processors sets the number of threads. The
 * call returns once each processor has made its state. If it fails after a processor has begun, the reader is no
 * longer usable.
 *
 * Receiving and a handler exclude each other, and there can be one handler. Thread-safe; waits for callbacks, those of `init`.
 * Errors: STARGATE_INVALID_ARGUMENT, STARGATE_CLOSED, or what `init` returned. `destroy` runs after an error too; otherwise
 * once the reader is closed and every processor has ended.
 */
stargate_status stargate_reader_listen(struct stargate_reader *reader,
                                       const struct stargate_handler *handler,
                                       void *user_data,
                                       stargate_destroy_fn destroy,
                                       struct stargate_error **error);

/**
 * Checks whether the topic was terminated and everything in it has been read: `*out` is 1 or 0.
 *
 * Thread-safe; blocks, since it queries the server. Errors: STARGATE_TIMEOUT, STARGATE_CLOSED.
 */
stargate_status stargate_reader_is_end_of_topic(struct stargate_reader *reader,
                                                int64_t timeout_ms,
                                                int32_t *out,
                                                struct stargate_error **error);

/**
 * Moves to another position in the topic: the next message is the one at `position`, "earliest", "latest" or a message
 * id in base64, or with `after` 1 the one after that message. Once it returns, no message from before the seek is
 * delivered. On a partitioned topic an id moves its partition.
 *
 * Thread-safe; blocks. Errors: STARGATE_INVALID_ARGUMENT, STARGATE_TIMEOUT, and those of the REST API.
 */
stargate_status stargate_reader_seek(struct stargate_reader *reader,
                                     const char *position,
                                     int32_t after,
                                     int64_t timeout_ms,
                                     struct stargate_error **error);

/**
 * As `stargate_reader_seek`, but to the first message published at or after `time_ms`, in milliseconds since 1970 UTC.
 *
 * Thread-safe; blocks. Errors: as `stargate_reader_seek`.
 */
stargate_status stargate_reader_seek_time(struct stargate_reader *reader,
                                          int64_t time_ms,
                                          int64_t timeout_ms,
                                          struct stargate_error **error);

/**
 * Returns the ids of the last messages of the topic, one for each partition that has any, as a JSON array of texts in
 * `*out`. Free it with `stargate_string_free`.
 *
 * Thread-safe; blocks. Errors: STARGATE_TIMEOUT, and those of the REST API.
 */
stargate_status stargate_reader_last_message_ids_json(struct stargate_reader *reader,
                                                      int64_t timeout_ms,
                                                      char **out,
                                                      struct stargate_error **error);

/**
 * Checks whether the topic has a message that the application has not received yet: `*out` is 1 or 0.
 *
 * Thread-safe; blocks, since it queries the broker. Errors: STARGATE_TIMEOUT, and those of the REST API.
 */
stargate_status stargate_reader_has_message_available(struct stargate_reader *reader,
                                                      int64_t timeout_ms,
                                                      int32_t *out,
                                                      struct stargate_error **error);

/**
 * Marks where the topic ends now, to read up to there:
 *
 * stargate_reader_mark_end(reader, 10000, &error); while (stargate_reader_receive_before_end(reader, -1, &message,
 * &error) == STARGATE_OK && message != NULL) { ... stargate_message_free(message); }
 *
 * Thread-safe; blocks, since it queries the broker. Errors: STARGATE_TIMEOUT, STARGATE_CONNECT, and those of the REST
 * API.
 */
stargate_status stargate_reader_mark_end(struct stargate_reader *reader,
                                         int64_t timeout_ms,
                                         struct stargate_error **error);

/**
 * Waits for the next message before the end that `stargate_reader_mark_end` marked, and returns it in `*out` for the
 * caller to free. STARGATE_OK with NULL in `*out` means that the application has received everything up to that end.
 * If none arrives within `timeout_ms`, the result is STARGATE_TIMEOUT without an error object.
 *
 * On a partitioned topic, messages after the mark of one partition may arrive while others have not reached theirs.
 * Where the server's delivery stopped at a message without a value (a tombstone), and the option skip_tombstones is
 * not set, the error is STARGATE_BROKER and names it; `stargate_reader_seek` skips it.
 *
 * Receiving and a handler exclude each other. Thread-safe; blocks. Errors: STARGATE_BROKER, STARGATE_CLOSED,
 * STARGATE_INVALID_ARGUMENT, or what ended the reader.
 */
stargate_status stargate_reader_receive_before_end(struct stargate_reader *reader,
                                                   int64_t timeout_ms,
                                                   struct stargate_message **out,
                                                   struct stargate_error **error);

/**
 * Checks whether the application has taken everything up to the end that `stargate_reader_mark_end` marked: 1 or 0. It
 * sends no request. 1 without a mark, and for NULL; 0 in a child after a fork.
 *
 * Thread-safe.
 */
int32_t stargate_reader_is_caught_up(const struct stargate_reader *reader);

/**
 * Returns the full name of the topic. `ptr` is NULL for NULL.
 *
 * Thread-safe. A view of the reader.
 */
struct stargate_str stargate_reader_topic(const struct stargate_reader *reader);

/**
 * Waits until the handle is connected, for example after an open with the option lazy.
 *
 * Thread-safe; blocks. Errors: STARGATE_TIMEOUT, or the error that ended the handle.
 */
stargate_status stargate_reader_wait_connected(struct stargate_reader *reader,
                                               int64_t timeout_ms,
                                               struct stargate_error **error);

/**
 * Returns 1 if all connections of the handle are up now, otherwise 0; 0 for NULL.
 *
 * Thread-safe.
 */
int32_t stargate_reader_is_connected(const struct stargate_reader *reader);

/**
 * Returns the counters of the handle as a JSON object in `*out`. Free it with `stargate_string_free`.
 *
 * Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for NULL.
 */
stargate_status stargate_reader_stats_json(const struct stargate_reader *reader,
                                           char **out,
                                           struct stargate_error **error);

/**
 * Stops delivery, lets handlers finish their messages, and closes the connections, within `timeout_ms`. After
 * STARGATE_OK no handler runs, and every `drop` and `destroy` of a handler has run. The caller still frees the reader.
 *
 * Thread-safe; blocks. May be called more than once, and in the handler itself. There it does not wait for that
 * handler, and the promise holds once the handler returns. Errors: STARGATE_TIMEOUT.
 */
stargate_status stargate_reader_close(struct stargate_reader *reader,
                                      int64_t timeout_ms,
                                      struct stargate_error **error);

/**
 * Closes the reader as `stargate_reader_close` does, but does not wait. It calls `on_done` exactly once, after every
 * other callback of the reader, unless this call fails. The caller still frees the reader.
 *
 * Thread-safe; never blocks. May be called in a callback. Errors: STARGATE_INVALID_ARGUMENT. To `on_done`:
 * STARGATE_TIMEOUT.
 */
stargate_status stargate_reader_close_async(struct stargate_reader *reader,
                                            int64_t timeout_ms,
                                            stargate_done_fn on_done,
                                            void *user_data,
                                            stargate_destroy_fn destroy,
                                            struct stargate_error **error);

/**
 * Frees a reader, and closes it first if it is open. It waits for a running handler and for nothing else. NULL does
 * nothing.
 *
 * Thread-safe; waits for callbacks. May be called in the handler itself; it does not wait for that handler.
 */
void stargate_reader_free(struct stargate_reader *reader);

/**
 * Frees a reader as `stargate_reader_free` does, but never waits, and runs nothing of the application on this thread. It
 * is for finalizers. The reader is closed in the background; a handler that runs ends first, and the
 * destroy of its user_data tells when. NULL does nothing.
 *
 * Thread-safe.
 */
void stargate_reader_release(struct stargate_reader *reader);

/** @} */

/** @name Messages
 * @{ */

/**
 * Returns the content. Empty for NULL.
 *
 * Thread-safe. A view of the message.
 */
struct stargate_bytes stargate_message_payload(const struct stargate_message *message);

/**
 * Returns the id of a message in base64, to acknowledge it later or to start a reader after it. The ids of one message
 * can differ as text between producer and consumer: compare with `stargate_message_id_compare`.
 *
 * Thread-safe. A view of the message.
 */
struct stargate_str stargate_message_id(const struct stargate_message *message);

/**
 * Returns the full name of the topic that was subscribed to or read. For several topics or a pattern the server does
 * not say which topic it was; this is the first topic, or the pattern.
 *
 * Thread-safe. A view of the message.
 */
struct stargate_str stargate_message_topic(const struct stargate_message *message);

/**
 * Returns the key; `ptr` is NULL if the message has none.
 *
 * Thread-safe. A view of the message.
 */
struct stargate_str stargate_message_key(const struct stargate_message *message);

/**
 * Returns the value of a property; `ptr` is NULL if there is none of that name.
 *
 * Thread-safe. A view of the message.
 */
struct stargate_str stargate_message_property(const struct stargate_message *message,
                                              const char *key);

/**
 * Returns how many properties it has; 0 for NULL.
 *
 * Thread-safe.
 */
size_t stargate_message_property_count(const struct stargate_message *message);

/**
 * Finds the property number `index`, in the order of their names, and returns 1 if there is one, 0 if not. `key` and
 * `value` may be NULL.
 *
 * Thread-safe. Views of the message.
 */
int32_t stargate_message_property_at(const struct stargate_message *message,
                                     size_t index,
                                     struct stargate_str *key,
                                     struct stargate_str *value);

/**
 * Returns when the broker stored the message, in milliseconds since 1970 UTC; 0 if the server sent no time.
 *
 * Thread-safe.
 */
int64_t stargate_message_publish_time_ms(const struct stargate_message *message);

/**
 * Returns the event time that the sender set, in milliseconds since 1970 UTC; 0 if it set none.
 *
 * Thread-safe.
 */
int64_t stargate_message_event_time_ms(const struct stargate_message *message);

/**
 * Returns how often it was delivered before. The broker counts on shared and key_shared subscriptions only.
 *
 * Thread-safe.
 */
uint32_t stargate_message_redelivery_count(const struct stargate_message *message);

/**
 * Returns how often the retry letter topic has redelivered the message; see `stargate_consumer_reconsume_later`.
 *
 * Thread-safe.
 */
uint32_t stargate_message_reconsume_times(const struct stargate_message *message);

/**
 * Returns the outcome with which a handler schedules redelivery after `delay_ms` (below 0 counts as 0), as
 * `stargate_consumer_reconsume_later` does: `return stargate_message_reconsume_later(message, 60000);`. The consumer
 * needs the option enable_retry; without it, and when the copy cannot be stored, it is as STARGATE_NACK.
 *
 * Thread-safe. Always STARGATE_RECONSUME_LATER.
 */
int32_t stargate_message_reconsume_later(const struct stargate_message *message,
                                         int64_t delay_ms);

/**
 * Returns how the payload was encrypted, in the server's JSON, for a message that arrived encrypted, where the server
 * passes it on: to consumers with a key of their own, or with the option crypto_failure_action=consume. `ptr` is NULL
 * otherwise.
 *
 * Thread-safe. A view of the message.
 */
struct stargate_str stargate_message_encryption_context(const struct stargate_message *message);

/**
 * Returns 1 if the payload is still encrypted, otherwise 0; 0 for NULL. Only the option crypto_failure_action=consume
 * lets such messages through.
 *
 * Thread-safe.
 */
int32_t stargate_message_is_encrypted(const struct stargate_message *message);

/**
 * Returns a copy that outlives the call of a handler; free it with `stargate_message_free`. The payload is shared, not
 * copied. NULL for NULL.
 *
 * Thread-safe.
 */
struct stargate_message *stargate_message_clone(const struct stargate_message *message);

/**
 * Frees a message that a receive or a clone returned, not one passed to a handler. NULL does nothing. Freeing does not
 * acknowledge.
 *
 * Thread-safe.
 */
void stargate_message_free(struct stargate_message *message);

/**
 * Frees `count` messages of an array, as `stargate_consumer_receive_many` fills it, and sets its places to NULL. The
 * array itself is the caller's.
 *
 * Thread-safe.
 */
void stargate_messages_free(struct stargate_message **messages,
                            size_t count);

/**
 * Writes what `count` messages of an array hold to `fields`, which has room for `count` structs of `stride` bytes.
 * `stride` is sizeof(stargate_message_fields): a library with more fields writes no more than that, and one with fewer
 * sets the rest to 0. A message passed to a handler can be one of them.
 *
 * Thread-safe. Views of the messages. Errors: STARGATE_INVALID_ARGUMENT.
 */
stargate_status stargate_messages_view(struct stargate_message *const *messages,
                                       size_t count,
                                       struct stargate_message_fields *fields,
                                       size_t stride,
                                       struct stargate_error **error);

/**
 * Compares two message ids by the positions that they name: `*order` is -1, 0 or 1 as `left` is before, at or after
 * `right`. Across the partitions of a topic it is only a fixed order, not one of time.
 *
 * Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for text that is no message id.
 */
stargate_status stargate_message_id_compare(const char *left,
                                            const char *right,
                                            int32_t *order,
                                            struct stargate_error **error);

/**
 * Returns what a message id names: the ledger, the entry in it, the partition, and the place in its batch; the last
 * two are -1 where there is none. `ledger`, `entry`, `partition` and `batch_index` may be NULL.
 *
 * Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for text that is no message id.
 */
stargate_status stargate_message_id_parts(const char *message_id,
                                          uint64_t *ledger,
                                          uint64_t *entry,
                                          int32_t *partition,
                                          int32_t *batch_index,
                                          struct stargate_error **error);

/** @} */

/** @name Supervisor
 * @{ */

/**
 * Starts a supervisor from JSON:
 *
 * {"name": "shop", "host": ["localhost:8080"], "protocol": "ws", "ping_interval": 20000, "producer": {"tenant":
 * "public", "namespace": "default", "topic": "orders", "send_timeout": 5000}, "consumer": [{"topic":
 * "persistent://public/default/orders", "subscription": "billing", "query_params": {"subscription_type": "shared"}}]}
 *
 * `producer`, `consumer` and `reader` are one object or a list. Everything that is not a name or a host is an option.
 * `options` are further options of connections, such as functions, which JSON cannot express; NULL for none. If one
 * component cannot be opened, all are closed.
 *
 * Thread-safe; blocks. Errors: STARGATE_INVALID_ARGUMENT, STARGATE_BUSY when the process has a supervisor of this
 * name, and those of `stargate_producer_open`.
 */
stargate_status stargate_supervisor_start(const char *json,
                                          const struct stargate_options *options,
                                          int64_t timeout_ms,
                                          struct stargate_supervisor **out,
                                          struct stargate_error **error);

/**
 * Returns the running supervisor of this name, to be freed like the one that was started.
 *
 * Thread-safe. Errors: STARGATE_NOT_FOUND.
 */
stargate_status stargate_supervisor_find(const char *name,
                                         struct stargate_supervisor **out,
                                         struct stargate_error **error);

/**
 * Opens one more producer and supervises it. `json` is an object as under `producer` in `stargate_supervisor_start`.
 *
 * Thread-safe; blocks. Errors: STARGATE_INVALID_ARGUMENT, STARGATE_BUSY when there is one of this topic, and those of
 * `stargate_producer_open`.
 */
stargate_status stargate_supervisor_add_producer(struct stargate_supervisor *supervisor,
                                                 const char *json,
                                                 int64_t timeout_ms,
                                                 struct stargate_error **error);

/**
 * Opens one more consumer, gives it a handler, and supervises it: after a restart it has the handler again. `handler`
 * may be NULL, for a consumer to receive from. `destroy` is called with `user_data` once no handler can run any more.
 *
 * Thread-safe; blocks. Errors: as `stargate_supervisor_add_producer`, and those of `stargate_consumer_listen`.
 */
stargate_status stargate_supervisor_add_consumer(struct stargate_supervisor *supervisor,
                                                 const char *json,
                                                 const struct stargate_handler *handler,
                                                 void *user_data,
                                                 stargate_destroy_fn destroy,
                                                 int64_t timeout_ms,
                                                 struct stargate_error **error);

/**
 * Opens one more reader and supervises it, as `stargate_supervisor_add_consumer` does. `handler` may be NULL.
 * After a restart it begins at its `starting_message` again.
 *
 * Thread-safe; blocks. Errors: as `stargate_supervisor_add_consumer`.
 */
stargate_status stargate_supervisor_add_reader(struct stargate_supervisor *supervisor,
                                               const char *json,
                                               const struct stargate_handler *handler,
                                               void *user_data,
                                               stargate_destroy_fn destroy,
                                               int64_t timeout_ms,
                                               struct stargate_error **error);

/**
 * Returns the producer of a topic, as it is now; after a restart it is another one. The caller frees the handle; the
 * producer continues in the supervisor.
 *
 * Thread-safe. Errors: STARGATE_NOT_FOUND, or that of a producer that the supervisor gave up.
 */
stargate_status stargate_supervisor_producer(struct stargate_supervisor *supervisor,
                                             const char *topic,
                                             struct stargate_producer **out,
                                             struct stargate_error **error);

/**
 * Returns the consumer of a topic and subscription, as it is now; see `stargate_supervisor_producer`. `subscription`
 * may be NULL when the topic has one consumer.
 *
 * Thread-safe. Errors: STARGATE_NOT_FOUND, STARGATE_INVALID_ARGUMENT when there are several, or that of a consumer
 * that the supervisor gave up.
 */
stargate_status stargate_supervisor_consumer(struct stargate_supervisor *supervisor,
                                             const char *topic,
                                             const char *subscription,
                                             struct stargate_consumer **out,
                                             struct stargate_error **error);

/**
 * Returns the reader of a topic, as it is now; see `stargate_supervisor_producer`.
 *
 * Thread-safe. Errors: STARGATE_NOT_FOUND, or that of a reader that the supervisor gave up.
 */
stargate_status stargate_supervisor_reader(struct stargate_supervisor *supervisor,
                                           const char *topic,
                                           struct stargate_reader **out,
                                           struct stargate_error **error);

/**
 * Returns what a supervisor holds, as a JSON array of objects with `supervisor`, `component`, `topic` and, of
 * consumers, `subscription`; for `stargate_string_free`.
 *
 * Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for NULL.
 */
stargate_status stargate_supervisor_keys_json(struct stargate_supervisor *supervisor,
                                              char **out,
                                              struct stargate_error **error);

/**
 * Stops restarting and closes everything that the supervisor holds, within `timeout_ms`. Its name can then be used
 * again.
 *
 * Thread-safe; blocks. Errors: as `stargate_client_close`.
 */
stargate_status stargate_supervisor_close(struct stargate_supervisor *supervisor,
                                          int64_t timeout_ms,
                                          struct stargate_error **error);

/**
 * Frees a supervisor. NULL does nothing. It ends when it was closed, or when its last handle is freed; without a close
 * its handlers may run a moment longer.
 *
 * Thread-safe.
 */
void stargate_supervisor_free(struct stargate_supervisor *supervisor);

/**
 * Frees a supervisor as `stargate_supervisor_free` does, but never waits, and runs nothing of the application on this thread. It
 * is for finalizers. NULL does nothing.
 *
 * Thread-safe.
 */
void stargate_supervisor_release(struct stargate_supervisor *supervisor);

/** @} */

/** @name Encryption
 * @{ */

/**
 * Sets the key: PEM of `length` bytes, RSA or on the curve P-256, P-384 or P-521. A public key is a `PUBLIC KEY`; a
 * private key, without a passphrase, a `PRIVATE KEY`, `RSA PRIVATE KEY` or `EC PRIVATE KEY`. The library copies it,
 * and wipes the copy after use.
 *
 * In the call of the key function. Errors: STARGATE_INVALID_ARGUMENT for NULL.
 */
stargate_status stargate_key_set(struct stargate_key *key,
                                 const char *pem,
                                 size_t length,
                                 struct stargate_error **error);

/**
 * Adds one entry to the metadata of a public key. The entries travel with each message, unencrypted, and reach the key
 * function that supplies the private key. An example is the version of the key.
 *
 * In the call of the key function. Errors: STARGATE_INVALID_ARGUMENT for NULL and for what is not UTF-8.
 */
stargate_status stargate_key_add_metadata(struct stargate_key *key,
                                          const char *name,
                                          const char *value,
                                          struct stargate_error **error);

/**
 * Asks `keys` for the keys of end-to-end encryption, instead of the options that name key files. For the options of a
 * producer, which needs encryption_key too, or of a consumer, which then decrypts; see docs/encryption.md.
 *
 * For one thread at a time. Errors: STARGATE_INVALID_ARGUMENT for NULL. `destroy` runs after an error too.
 */
stargate_status stargate_options_on_key(struct stargate_options *options,
                                        stargate_key_fn keys,
                                        void *user_data,
                                        stargate_destroy_fn destroy,
                                        struct stargate_error **error);

/** @} */

/** @name Administration
 * @{ */

/**
 * Sends a request that has no function here, such as ("GET", "/admin/v2/bookies/all", NULL). `body` is JSON, and may
 * be NULL. A path that does not begin with / is one below /admin/v2/. `*out_status` is the HTTP status, and
 * `*out_body` the answer, for `stargate_string_free`. Every status but 2xx is an error.
 *
 * Thread-safe; blocks. Errors: those of the REST API.
 */
stargate_status stargate_admin_request(struct stargate_client *client,
                                       const char *method,
                                       const char *path,
                                       const char *body,
                                       int64_t timeout_ms,
                                       int32_t *out_status,
                                       char **out_body,
                                       struct stargate_error **error);

/** @} */

/** @name Administration: lists of texts
 * @{ */

/**
 * Returns how many texts there are; 0 for NULL.
 *
 * Thread-safe.
 */
size_t stargate_strings_count(const struct stargate_strings *strings);

/**
 * Returns the text at `index`, counted from 0. `ptr` is NULL past the end, for NULL, and where there is no text, such
 * as the last message of an empty partition.
 *
 * Thread-safe. A view of the list.
 */
struct stargate_str stargate_strings_get(const struct stargate_strings *strings,
                                         size_t index);

/**
 * Frees a list. NULL does nothing.
 *
 * Thread-safe.
 */
void stargate_strings_free(struct stargate_strings *strings);

/** @} */

/** @name Administration: clusters and brokers
 * @{ */

/**
 * Returns the names of the clusters that this one knows, its own included. For `stargate_strings_free`.
 *
 * Thread-safe; blocks. Errors: those of the REST API.
 */
stargate_status stargate_admin_clusters(struct stargate_client *client,
                                        int64_t timeout_ms,
                                        struct stargate_strings **out,
                                        struct stargate_error **error);

/**
 * Returns the version of Pulsar that a broker runs, such as "4.0.8". For `stargate_string_free`.
 *
 * Thread-safe; blocks. Errors: those of the REST API.
 */
stargate_status stargate_admin_broker_version(struct stargate_client *client,
                                              int64_t timeout_ms,
                                              char **out,
                                              struct stargate_error **error);

/**
 * Asks a broker to write a message and to read it back; it may take seconds.
 *
 * Thread-safe; blocks. Errors: those of the REST API.
 */
stargate_status stargate_admin_check_health(struct stargate_client *client,
                                            int64_t timeout_ms,
                                            struct stargate_error **error);

/** @} */

/** @name Administration: tenants
 * @{ */

/**
 * Returns the names of the tenants. For `stargate_strings_free`.
 *
 * Thread-safe; blocks. Errors: those of the REST API.
 */
stargate_status stargate_admin_tenants(struct stargate_client *client,
                                       int64_t timeout_ms,
                                       struct stargate_strings **out,
                                       struct stargate_error **error);

/**
 * Returns what a tenant is allowed, in JSON: adminRoles and allowedClusters. For `stargate_string_free`.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_tenant(struct stargate_client *client,
                                      const char *tenant,
                                      int64_t timeout_ms,
                                      char **out,
                                      struct stargate_error **error);

/**
 * Creates a tenant. `admin_roles` and `allowed_clusters` are names separated by commas. NULL `admin_roles` means no role
 * besides the superusers, NULL `allowed_clusters` all existing clusters.
 *
 * Thread-safe; blocks. Errors: STARGATE_BUSY, and those of the REST API.
 */
stargate_status stargate_admin_create_tenant(struct stargate_client *client,
                                             const char *tenant,
                                             const char *admin_roles,
                                             const char *allowed_clusters,
                                             int64_t timeout_ms,
                                             struct stargate_error **error);

/**
 * Replaces what a tenant is allowed; as `stargate_admin_create_tenant`. `admin_roles` may be NULL; with NULL
 * `allowed_clusters` the broker refuses.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_update_tenant(struct stargate_client *client,
                                             const char *tenant,
                                             const char *admin_roles,
                                             const char *allowed_clusters,
                                             int64_t timeout_ms,
                                             struct stargate_error **error);

/**
 * Deletes a tenant that has no namespaces.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, STARGATE_BUSY, and those of the REST API.
 */
stargate_status stargate_admin_delete_tenant(struct stargate_client *client,
                                             const char *tenant,
                                             int64_t timeout_ms,
                                             struct stargate_error **error);

/**
 * Creates a tenant unless it exists; `*out` is 1 if it was created, otherwise 0. An existing tenant stays as it is.
 * `admin_roles` and `allowed_clusters` may be NULL, as in `stargate_admin_create_tenant`.
 *
 * Thread-safe; blocks. Errors: those of the REST API.
 */
stargate_status stargate_admin_ensure_tenant(struct stargate_client *client,
                                             const char *tenant,
                                             const char *admin_roles,
                                             const char *allowed_clusters,
                                             int64_t timeout_ms,
                                             int32_t *out,
                                             struct stargate_error **error);

/** @} */

/** @name Administration: namespaces
 * @{ */

/**
 * Returns the names of a tenant's namespaces, "tenant/namespace" each. The broker sends them in one answer, however
 * many there are. For `stargate_strings_free`.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_namespaces(struct stargate_client *client,
                                          const char *tenant,
                                          int64_t timeout_ms,
                                          struct stargate_strings **out,
                                          struct stargate_error **error);

/**
 * Returns the policies of a namespace, in the broker's JSON. For `stargate_string_free`.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_namespace_policies(struct stargate_client *client,
                                                  const char *namespace_name,
                                                  int64_t timeout_ms,
                                                  char **out,
                                                  struct stargate_error **error);

/**
 * Creates a namespace, "tenant/namespace", with this number of bundles, or with 0 the broker's default.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, STARGATE_BUSY, and those of the REST API.
 */
stargate_status stargate_admin_create_namespace(struct stargate_client *client,
                                                const char *namespace_name,
                                                int32_t bundles,
                                                int64_t timeout_ms,
                                                struct stargate_error **error);

/**
 * Deletes a namespace that has no topics.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, STARGATE_BUSY, and those of the REST API.
 */
stargate_status stargate_admin_delete_namespace(struct stargate_client *client,
                                                const char *namespace_name,
                                                int64_t timeout_ms,
                                                struct stargate_error **error);

/**
 * Creates a namespace unless it exists; `*out` is 1 if it was created, otherwise 0.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_ensure_namespace(struct stargate_client *client,
                                                const char *namespace_name,
                                                int64_t timeout_ms,
                                                int32_t *out,
                                                struct stargate_error **error);

/**
 * Returns the retention of a namespace in JSON: retentionTimeInMinutes and retentionSizeInMB; NULL if it is not set.
 * For `stargate_string_free`.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_retention(struct stargate_client *client,
                                         const char *namespace_name,
                                         int64_t timeout_ms,
                                         char **out,
                                         struct stargate_error **error);

/**
 * Sets how long and how much the broker keeps of messages that every subscription has acknowledged. If both are 0 it
 * keeps nothing; -1 is without limit.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_set_retention(struct stargate_client *client,
                                             const char *namespace_name,
                                             int64_t minutes,
                                             int64_t megabytes,
                                             int64_t timeout_ms,
                                             struct stargate_error **error);

/**
 * Returns after how many seconds a message counts as acknowledged, whether it is or not; -1 if that is not set.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_message_ttl(struct stargate_client *client,
                                           const char *namespace_name,
                                           int64_t timeout_ms,
                                           int32_t *out,
                                           struct stargate_error **error);

/**
 * Sets after how many seconds a message counts as acknowledged, whether it is or not; 0 for never.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_set_message_ttl(struct stargate_client *client,
                                               const char *namespace_name,
                                               int64_t ttl_seconds,
                                               int64_t timeout_ms,
                                               struct stargate_error **error);

/**
 * Checks whether the broker drops messages that a producer sent before: 1 or 0; -1 if that is not set.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_deduplication(struct stargate_client *client,
                                             const char *namespace_name,
                                             int64_t timeout_ms,
                                             int32_t *out,
                                             struct stargate_error **error);

/**
 * Enables (1) or disables (0) deduplication: the broker drops messages that a producer sent before.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_set_deduplication(struct stargate_client *client,
                                                 const char *namespace_name,
                                                 int32_t enabled,
                                                 int64_t timeout_ms,
                                                 struct stargate_error **error);

/**
 * Returns the backlog quotas that are set, as a JSON array of objects with kind, limit and policy. For
 * `stargate_string_free`.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_backlog_quotas(struct stargate_client *client,
                                              const char *namespace_name,
                                              int64_t timeout_ms,
                                              char **out,
                                              struct stargate_error **error);

/**
 * Sets how much backlog a topic may hold. `kind` is "destination_storage" with `limit` in bytes, or "message_age" with
 * `limit` in seconds; -1 is without limit. `policy` is "producer_request_hold", "producer_exception" or
 * "consumer_backlog_eviction".
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_set_backlog_quota(struct stargate_client *client,
                                                 const char *namespace_name,
                                                 const char *kind,
                                                 int64_t limit,
                                                 const char *policy,
                                                 int64_t timeout_ms,
                                                 struct stargate_error **error);

/**
 * Restores the broker's default for "retention", "message_ttl", "deduplication", "destination_storage" or
 * "message_age" (the last two are backlog quotas).
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_remove_policy(struct stargate_client *client,
                                             const char *namespace_name,
                                             const char *policy,
                                             int64_t timeout_ms,
                                             struct stargate_error **error);

/** @} */

/** @name Administration: topics
 * @{ */

/**
 * Returns the full names of the persistent topics of a namespace, or with `persistent` 0 of the non-persistent ones.
 * Each partition is listed by itself, in no order. The broker sends them in one answer, however many there are. For
 * `stargate_strings_free`.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_topics(struct stargate_client *client,
                                      const char *namespace_name,
                                      int32_t persistent,
                                      int64_t timeout_ms,
                                      struct stargate_strings **out,
                                      struct stargate_error **error);

/**
 * Returns the full names of the partitioned topics of a namespace. For `stargate_strings_free`.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_partitioned_topics(struct stargate_client *client,
                                                  const char *namespace_name,
                                                  int32_t persistent,
                                                  int64_t timeout_ms,
                                                  struct stargate_strings **out,
                                                  struct stargate_error **error);

/**
 * Creates a topic without partitions.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, STARGATE_BUSY, and those of the REST API.
 */
stargate_status stargate_admin_create_topic(struct stargate_client *client,
                                            const char *topic,
                                            int64_t timeout_ms,
                                            struct stargate_error **error);

/**
 * Creates a topic with partitions.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, STARGATE_BUSY, and those of the REST API.
 */
stargate_status stargate_admin_create_partitioned_topic(struct stargate_client *client,
                                                        const char *topic,
                                                        int32_t partitions,
                                                        int64_t timeout_ms,
                                                        struct stargate_error **error);

/**
 * Creates a topic without partitions unless one of this name exists; `*out` is 1 if it was created, otherwise 0.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_ensure_topic(struct stargate_client *client,
                                            const char *topic,
                                            int64_t timeout_ms,
                                            int32_t *out,
                                            struct stargate_error **error);

/**
 * Creates a topic with this number of partitions, or adds partitions up to it; `*out` is 1 if anything changed,
 * otherwise 0.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_ensure_partitioned_topic(struct stargate_client *client,
                                                        const char *topic,
                                                        int32_t partitions,
                                                        int64_t timeout_ms,
                                                        int32_t *out,
                                                        struct stargate_error **error);

/**
 * Adds partitions to those that a topic has, up to `partitions`; they cannot become fewer.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_grow_partitions(struct stargate_client *client,
                                               const char *topic,
                                               int32_t partitions,
                                               int64_t timeout_ms,
                                               struct stargate_error **error);

/**
 * Returns how many partitions a topic has, 0 for one without.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_partitions(struct stargate_client *client,
                                          const char *topic,
                                          int64_t timeout_ms,
                                          int32_t *out,
                                          struct stargate_error **error);

/**
 * Deletes a topic with all its partitions, messages and subscriptions. A topic with connected clients is
 * STARGATE_BUSY, unless `force` disconnects them.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, STARGATE_BUSY, and those of the REST API.
 */
stargate_status stargate_admin_delete_topic(struct stargate_client *client,
                                            const char *topic,
                                            int32_t force,
                                            int64_t timeout_ms,
                                            struct stargate_error **error);

/**
 * Terminates a topic: nothing can be published any more. Returns the ids of the last message of the topic, or of each
 * of its partitions. For `stargate_strings_free`.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_terminate_topic(struct stargate_client *client,
                                               const char *topic,
                                               int64_t timeout_ms,
                                               struct stargate_strings **out,
                                               struct stargate_error **error);

/**
 * Starts the compaction of a topic, or of all its partitions.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, STARGATE_BUSY, and those of the REST API.
 */
stargate_status stargate_admin_compact_topic(struct stargate_client *client,
                                             const char *topic,
                                             int64_t timeout_ms,
                                             struct stargate_error **error);

/**
 * Returns how far a compaction is, in JSON: status and lastError. For a partitioned topic, query each partition.
 * For `stargate_string_free`.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_compaction_status(struct stargate_client *client,
                                                 const char *topic,
                                                 int64_t timeout_ms,
                                                 char **out,
                                                 struct stargate_error **error);

/**
 * Unloads a topic from its broker; the next use loads it again, maybe on another broker.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_unload_topic(struct stargate_client *client,
                                            const char *topic,
                                            int64_t timeout_ms,
                                            struct stargate_error **error);

/**
 * Acknowledges everything for all subscriptions, and deletes all stored ledgers except the one being written.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_truncate_topic(struct stargate_client *client,
                                              const char *topic,
                                              int64_t timeout_ms,
                                              struct stargate_error **error);

/**
 * Calls `visit` for all topics of a tenant, or with NULL `tenant` of all, each partition by itself, on this thread and
 * before it returns. It fetches the topics of one namespace at a time, and leaves out what is deleted meanwhile.
 * `timeout_ms` bounds the whole walk. Ending it through `visit` is not an error.
 *
 * Thread-safe; blocks. `visit` may call anything. Errors: STARGATE_TIMEOUT, and those of the REST API.
 */
stargate_status stargate_admin_walk_topics(struct stargate_client *client,
                                           const char *tenant,
                                           int64_t timeout_ms,
                                           stargate_topic_fn visit,
                                           void *user_data,
                                           struct stargate_error **error);

/** @} */

/** @name Administration: subscriptions
 * @{ */

/**
 * Returns the names of the subscriptions of a topic, of all its partitions together. For `stargate_strings_free`.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_subscriptions(struct stargate_client *client,
                                             const char *topic,
                                             int64_t timeout_ms,
                                             struct stargate_strings **out,
                                             struct stargate_error **error);

/**
 * Creates a subscription that starts at `position`: "earliest", "latest" or a message id, with `after` 1 after that
 * message.
 *
 * Thread-safe; blocks. Errors: STARGATE_BUSY, and those of the REST API.
 */
stargate_status stargate_admin_create_subscription(struct stargate_client *client,
                                                   const char *topic,
                                                   const char *subscription,
                                                   const char *position,
                                                   int32_t after,
                                                   int64_t timeout_ms,
                                                   struct stargate_error **error);

/**
 * As `stargate_admin_create_subscription`, but only if it does not exist; `*out` is 1 if it was created, otherwise 0.
 *
 * Thread-safe; blocks. Errors: those of the REST API.
 */
stargate_status stargate_admin_ensure_subscription(struct stargate_client *client,
                                                   const char *topic,
                                                   const char *subscription,
                                                   const char *position,
                                                   int32_t after,
                                                   int64_t timeout_ms,
                                                   int32_t *out,
                                                   struct stargate_error **error);

/**
 * Deletes a subscription. One with consumers is STARGATE_BUSY, unless `force` disconnects them.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, STARGATE_BUSY, and those of the REST API.
 */
stargate_status stargate_admin_delete_subscription(struct stargate_client *client,
                                                   const char *topic,
                                                   const char *subscription,
                                                   int32_t force,
                                                   int64_t timeout_ms,
                                                   struct stargate_error **error);

/**
 * Moves a subscription to `position`: "earliest", "latest" or a message id, with `after` 1 after that message. Its
 * consumers reconnect by themselves. Batches are indivisible: a seek to any message in one starts at its first.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_seek(struct stargate_client *client,
                                    const char *topic,
                                    const char *subscription,
                                    const char *position,
                                    int32_t after,
                                    int64_t timeout_ms,
                                    struct stargate_error **error);

/**
 * Moves a subscription to the first message that was published at `time_ms` or later.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_seek_time(struct stargate_client *client,
                                         const char *topic,
                                         const char *subscription,
                                         int64_t time_ms,
                                         int64_t timeout_ms,
                                         struct stargate_error **error);

/**
 * Skips the next entries of a subscription; a batch is one. Not for topics with partitions.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_skip(struct stargate_client *client,
                                    const char *topic,
                                    const char *subscription,
                                    int64_t entries,
                                    int64_t timeout_ms,
                                    struct stargate_error **error);

/**
 * Skips everything stored, for a subscription.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_skip_all(struct stargate_client *client,
                                        const char *topic,
                                        const char *subscription,
                                        int64_t timeout_ms,
                                        struct stargate_error **error);

/**
 * Acknowledges all older messages for a subscription; the broker does so after it answers. `*out` is 0 if it does not
 * begin, because no message is old enough or it is already doing so; otherwise 1.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_expire_messages(struct stargate_client *client,
                                               const char *topic,
                                               const char *subscription,
                                               int64_t older_than_seconds,
                                               int64_t timeout_ms,
                                               int32_t *out,
                                               struct stargate_error **error);

/**
 * As `stargate_admin_expire_messages`, but up to a message, inclusive.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_expire_messages_until(struct stargate_client *client,
                                                     const char *topic,
                                                     const char *subscription,
                                                     const char *message_id,
                                                     int64_t timeout_ms,
                                                     int32_t *out,
                                                     struct stargate_error **error);

/**
 * As `stargate_admin_expire_messages`, but for all subscriptions of a topic.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_expire_all_messages(struct stargate_client *client,
                                                   const char *topic,
                                                   int64_t older_than_seconds,
                                                   int64_t timeout_ms,
                                                   int32_t *out,
                                                   struct stargate_error **error);

/**
 * Returns the properties of a subscription, as a JSON object of texts. For `stargate_string_free`.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_subscription_properties(struct stargate_client *client,
                                                       const char *topic,
                                                       const char *subscription,
                                                       int64_t timeout_ms,
                                                       char **out,
                                                       struct stargate_error **error);

/**
 * Replaces the properties of a subscription.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_set_subscription_properties(struct stargate_client *client,
                                                           const char *topic,
                                                           const char *subscription,
                                                           const struct stargate_property *properties,
                                                           size_t property_count,
                                                           int64_t timeout_ms,
                                                           struct stargate_error **error);

/** @} */

/** @name Administration: stored messages
 * @{ */

/**
 * Returns the id of the last message; NULL if the topic has none. For a partitioned topic, query each partition. For
 * `stargate_string_free`.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_last_message_id(struct stargate_client *client,
                                               const char *topic,
                                               int64_t timeout_ms,
                                               char **out,
                                               struct stargate_error **error);

/**
 * Returns the id of the first message published at `time_ms` or later; if there is none, of the position after the
 * last message. For `stargate_string_free`.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_message_id_at(struct stargate_client *client,
                                             const char *topic,
                                             int64_t time_ms,
                                             int64_t timeout_ms,
                                             char **out,
                                             struct stargate_error **error);

/**
 * Returns the messages of the entry that holds a message: the message itself, or its batch. `out` has room for `max`
 * messages.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_read_entry(struct stargate_client *client,
                                          const char *topic,
                                          const char *message_id,
                                          int64_t timeout_ms,
                                          size_t max,
                                          struct stargate_message **out,
                                          size_t *out_count,
                                          struct stargate_error **error);

/**
 * Returns the messages of the entry at `nth`, counted from 1 at "earliest" or "latest"; none if the topic has none.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_examine_message(struct stargate_client *client,
                                               const char *topic,
                                               const char *start,
                                               int64_t nth,
                                               int64_t timeout_ms,
                                               size_t max,
                                               struct stargate_message **out,
                                               size_t *out_count,
                                               struct stargate_error **error);

/**
 * Returns the next messages that a subscription has not acknowledged, without consuming them. It takes one request for
 * each entry. `out` has room for `max` messages; `*out_count` is how many were written. Free them with
 * `stargate_messages_free`.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_peek(struct stargate_client *client,
                                    const char *topic,
                                    const char *subscription,
                                    int64_t timeout_ms,
                                    size_t max,
                                    struct stargate_message **out,
                                    size_t *out_count,
                                    struct stargate_error **error);

/**
 * Returns the messages of the entry at `nth`, counted from 1, among those that a subscription has not acknowledged,
 * without consuming them. It is one message, or the first `max` of a batch; none past the end. For a partitioned
 * topic, query each partition.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_peek_entry(struct stargate_client *client,
                                          const char *topic,
                                          const char *subscription,
                                          int64_t nth,
                                          int64_t timeout_ms,
                                          size_t max,
                                          struct stargate_message **out,
                                          size_t *out_count,
                                          struct stargate_error **error);

/** @} */

/** @name Administration: statistics
 * @{ */

/**
 * Returns the statistics of a topic, or of all its partitions together and of each, in the broker's JSON. For
 * `stargate_string_free`.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_topic_stats(struct stargate_client *client,
                                           const char *topic,
                                           int64_t timeout_ms,
                                           char **out,
                                           struct stargate_error **error);

/**
 * Returns how the broker stores a topic, or each of its partitions, in the broker's JSON. For `stargate_string_free`.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_internal_stats(struct stargate_client *client,
                                              const char *topic,
                                              int64_t timeout_ms,
                                              char **out,
                                              struct stargate_error **error);

/**
 * Returns what the backlog of a subscription holds, in the broker's JSON: entries, messages, aborted and others. The
 * broker reads the whole backlog to count, which can take long. For `stargate_string_free`.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_analyze_backlog(struct stargate_client *client,
                                               const char *topic,
                                               const char *subscription,
                                               int64_t timeout_ms,
                                               char **out,
                                               struct stargate_error **error);

/** @} */

/** @name Administration: schemas
 * @{ */

/**
 * Returns a version of the schema of a topic in the broker's JSON: version, type, timestamp, data and properties.
 * `version` -1 is the newest. For `stargate_string_free`.
 *
 * Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
 */
stargate_status stargate_admin_schema(struct stargate_client *client,
                                      const char *topic,
                                      int64_t version,
                                      int64_t timeout_ms,
                                      char **out,
                                      struct stargate_error **error);

/**
 * Returns all versions of the schema of a topic, the oldest first, as a JSON array of objects as
 * `stargate_admin_schema` returns them. For `stargate_string_free`.
 *
 * Thread-safe; blocks. Errors: those of the REST API.
 */
stargate_status stargate_admin_schemas(struct stargate_client *client,
                                       const char *topic,
                                       int64_t timeout_ms,
                                       char **out,
                                       struct stargate_error **error);

/**
 * Uploads a schema as the next version of the schema of a topic, and returns its version. `schema` is an object in
 * JSON as Pulsar's tools take it: type, such as "AVRO", schema, which is the definition, and properties.
 *
 * Thread-safe; blocks. Errors: STARGATE_INVALID_ARGUMENT if it is not compatible, and those of the REST API.
 */
stargate_status stargate_admin_upload_schema(struct stargate_client *client,
                                             const char *topic,
                                             const char *schema,
                                             int64_t timeout_ms,
                                             int32_t *out,
                                             struct stargate_error **error);

/**
 * Deletes all versions of the schema of a topic.
 *
 * Thread-safe; blocks. Errors: those of the REST API.
 */
stargate_status stargate_admin_delete_schema(struct stargate_client *client,
                                             const char *topic,
                                             int64_t timeout_ms,
                                             struct stargate_error **error);

/**
 * Returns whether a schema may become the next version of the schema of a topic, in JSON: compatibility,
 * schemaCompatibilityStrategy, and reason if it may not. `schema` is that of `stargate_admin_upload_schema`. For
 * `stargate_string_free`.
 *
 * Thread-safe; blocks. Errors: those of the REST API.
 */
stargate_status stargate_admin_test_schema_compatibility(struct stargate_client *client,
                                                         const char *topic,
                                                         const char *schema,
                                                         int64_t timeout_ms,
                                                         char **out,
                                                         struct stargate_error **error);

/** @} */

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* STARGATE_H */
