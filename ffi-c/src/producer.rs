//! The producer: sends messages to one topic.

use std::ffi::{c_char, c_void};
use std::mem::offset_of;
use std::time::{Duration, Instant};

use stargate_core::{DeliveryReport, ErrorKind, MessageId, OutgoingMessage, Producer, Receipt, Result, blocking};

use crate::client::stargate_client;
use crate::error::{self, STARGATE_OK, stargate_error, stargate_status};
use crate::options::{options_or_default, stargate_options};
use crate::util::boundary::{self, Out, Sized_, enter, invalid};
use crate::util::completion::{Done, show, stargate_done_fn};
use crate::util::handle::{self, Handle, OfProcess};
use crate::util::user_data::UserData;
use crate::util::values::{
    Text, flat, owned_string, stargate_bytes, stargate_destroy_fn, stargate_property, stargate_str,
    stargate_string_free,
};
use crate::util::{handle_ops, time};

/// Sends messages to one topic. It reconnects by itself, and sends accepted messages that have no receipt again.
pub struct stargate_producer {
    _private: [u8; 0],
}

// SAFETY: `stargate_producer_open` gives nothing else to C.
unsafe impl Handle for stargate_producer {
    type Inner = OfProcess<Producer>;
}

/// A message to send. Everything that it points to belongs to the caller, and is copied before the call returns.
///
/// Begin with STARGATE_OUTGOING_INIT, which sets `struct_size` and leaves everything else out.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stargate_outgoing {
    /// sizeof(stargate_outgoing).
    pub struct_size: usize,
    /// The content.
    pub payload: stargate_bytes,
    /// The key, or NULL: decides the partition, and the consumer of a key_shared subscription.
    pub key: *const c_char,
    /// The application's properties. If two have the same name, the last one counts.
    pub properties: *const stargate_property,
    /// How many there are.
    pub property_count: usize,
    /// A text of the application, or NULL. The receipt returns it; it is not sent.
    pub context: *const c_char,
    /// The application's time of the event, in milliseconds since 1970 UTC, or 0.
    pub event_time_ms: i64,
    /// Deliver not before this time, in milliseconds since 1970 UTC, or 0. Works on shared and key_shared subscriptions.
    pub deliver_at_ms: i64,
    /// Deliver this many milliseconds later, or 0. Not together with deliver_at_ms.
    pub deliver_after_ms: i64,
    /// Names of the clusters to replicate to, and to no others; NULL for what the namespace says. The one name
    /// "__local__" keeps the message in the cluster that it is sent to.
    pub replication_clusters: *const *const c_char,
    /// How many there are.
    pub replication_cluster_count: usize,
}

// SAFETY: numbers and pointers, of which zero and NULL mean "not given".
unsafe impl Sized_ for stargate_outgoing {
    const FIRST_SIZE: usize = offset_of!(stargate_outgoing, replication_cluster_count) + size_of::<usize>();
}

/// The core's message for one of C.
///
/// # Safety
/// `from` is NULL or begins with its size, and what it points to is valid.
unsafe fn outgoing(from: *const stargate_outgoing, parameter: &str) -> Result<OutgoingMessage> {
    // SAFETY: the caller's promise.
    unsafe {
        let from = boundary::sized(from, parameter)?;
        let mut message = OutgoingMessage::new(from.payload.get(format_args!("{parameter}.payload"))?.to_vec());
        if let Some(key) = boundary::optional_text(from.key, format_args!("{parameter}.key"))? {
            message = message.key(key);
        }
        for property in boundary::items(from.properties, from.property_count, format_args!("{parameter}.properties"))? {
            let name = boundary::text(property.key, format_args!("{parameter}.properties[].key"))?;
            message =
                message.property(name, boundary::text(property.value, format_args!("{parameter}.properties[].value"))?);
        }
        if let Some(context) = boundary::optional_text(from.context, format_args!("{parameter}.context"))? {
            message = message.context(context);
        }
        message = timed(message, parameter, from.event_time_ms, from.deliver_at_ms, from.deliver_after_ms)?;
        let clusters = boundary::items(
            from.replication_clusters,
            from.replication_cluster_count,
            format_args!("{parameter}.replication_clusters"),
        )?;
        if !clusters.is_empty() {
            let clusters: Result<Vec<&str>> = clusters
                .iter()
                .map(|cluster| boundary::text(*cluster, format_args!("{parameter}.replication_clusters[]")))
                .collect();
            message = message.replication_clusters(clusters?);
        }
        Ok(message)
    }
}

/// A message with those of the times that are not 0. `parameter` is the struct that has them, or empty.
fn timed(
    mut message: OutgoingMessage,
    parameter: &str,
    event_time_ms: i64,
    deliver_at_ms: i64,
    deliver_after_ms: i64,
) -> Result<OutgoingMessage> {
    if event_time_ms != 0 {
        message = message.event_time_ms(event_time_ms);
    }
    if deliver_at_ms != 0 {
        message = message.deliver_at_ms(deliver_at_ms);
    }
    if deliver_after_ms != 0 {
        let dot = if parameter.is_empty() { "" } else { "." };
        let delay = u64::try_from(deliver_after_ms)
            .map_err(|_| invalid(format!("{parameter}{dot}deliver_after_ms is negative")))?;
        message = message.deliver_after(Duration::from_millis(delay));
    }
    Ok(message)
}

/// Opens a producer, and waits until it is connected unless the option lazy is set. NULL `options` are the client's
/// options and the defaults. The option connect_timeout bounds the attempt at each host; `timeout_ms` bounds the whole
/// call, and -1 adds no bound.
///
/// Thread-safe; blocks. Errors: STARGATE_CONNECT, STARGATE_AUTHENTICATION, STARGATE_AUTHORIZATION, STARGATE_NOT_FOUND
/// (tenant or namespace), STARGATE_BUSY (the name is in use, and still is after two seconds),
/// STARGATE_INVALID_ARGUMENT, STARGATE_TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_producer_open(
    client: *mut stargate_client,
    topic: *const c_char,
    options: *const stargate_options,
    timeout_ms: i64,
    out: *mut *mut stargate_producer,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let client = handle::inner(client, "client")?.get()?;
            let topic = boundary::text(topic, "topic")?;
            let opened = client.producer(topic, options_or_default(options));
            let producer = blocking::wait(opened, time::timeout(timeout_ms)?)
                .map_err(|error| error.during("open producer").on_topic(topic))?;
            out.set(handle::into_raw(OfProcess::new(producer)));
            Ok(())
        })
    }
}

/// Opens a producer as `stargate_producer_open` does, but does not wait. It calls `on_done` exactly once, with the
/// producer or the error, unless this call fails. A close of the client ends it with STARGATE_CLOSED.
///
/// Thread-safe; never blocks. Errors: STARGATE_INVALID_ARGUMENT. To `on_done`: as `stargate_producer_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_producer_open_async(
    client: *mut stargate_client,
    topic: *const c_char,
    options: *const stargate_options,
    timeout_ms: i64,
    on_done: stargate_done_fn,
    user_data: *mut c_void,
    destroy: stargate_destroy_fn,
    error: *mut *mut stargate_error,
) -> stargate_status {
    let user_data = UserData::new(user_data, destroy);
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let client = handle::inner(client, "client")?.get()?;
            let topic = boundary::text(topic, "topic")?.to_owned();
            let (done, timeout) = (Done::new(on_done, user_data)?, time::timeout(timeout_ms)?);
            let (opening, shown, options) = (client.clone(), topic.clone(), options_or_default(options));
            let open = async move { opening.producer(topic, options).await };
            client.complete_with(open, timeout, move |opened| {
                let opened = opened.map_err(|error| error.during("open producer").on_topic(&shown));
                done.opened::<stargate_producer>(opened.map(OfProcess::new));
            })
        })
    }
}

/// Sends a message and waits for its receipt, within `timeout_ms`, or with -1 within the option send_timeout. On
/// success `*out_message_id` is the message's id, to free with `stargate_string_free`. It is NULL for a duplicate: a
/// message sent twice to a namespace with deduplication. `out_message_id` may be NULL.
///
/// Thread-safe; blocks. Errors: STARGATE_TIMEOUT, STARGATE_TOO_BIG, STARGATE_QUEUE_FULL, STARGATE_BROKER,
/// STARGATE_OUTCOME_UNKNOWN, STARGATE_TOPIC_TERMINATED, STARGATE_CLOSED, STARGATE_INVALID_ARGUMENT;
/// STARGATE_WOULD_DEADLOCK where callbacks run, if it had to wait for room that later callbacks release.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_producer_send(
    producer: *mut stargate_producer,
    message: *const stargate_outgoing,
    timeout_ms: i64,
    out_message_id: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::optional(out_message_id, std::ptr::null_mut());
            let producer = handle_ops::of(producer)?;
            let message = outgoing(message, "message")?;
            let timeout = time::timeout(timeout_ms)?;
            let receipt = blocking::wait(send(producer, message, timeout), None)?;
            if out.is_wanted() {
                out.set(id_for_c(&receipt)?);
            }
            Ok(())
        })
    }
}

async fn send(producer: &Producer, message: OutgoingMessage, timeout: Option<Duration>) -> Result<Receipt> {
    match timeout {
        Some(timeout) => producer.enqueue_within(message, timeout).await?.await,
        None => producer.send(message).await,
    }
}

/// The id of a receipt; NULL for a duplicate, whose id the broker does not report.
fn id_for_c(receipt: &Receipt) -> Result<*mut c_char> {
    if receipt.is_duplicate() { Ok(std::ptr::null_mut()) } else { owned_string(receipt.message_id().as_str()) }
}

/// How a send with a callback ended. It is valid for the call that receives it.
#[repr(C)]
pub struct stargate_delivery_report {
    /// The size of this struct in the library that runs; later versions append fields.
    pub struct_size: usize,
    /// Why the message has no receipt, or NULL: the broker has it.
    pub error: *const stargate_error,
    /// The message's id; `ptr` is NULL after an error, and for a duplicate.
    pub message_id: stargate_str,
    /// The context that the application gave the message; `ptr` is NULL if it gave none.
    pub context: stargate_str,
    /// 1 when the broker had the message already, because it was sent twice to a namespace with deduplication; else 0.
    pub duplicate: i32,
}

/// Receives the outcome of a send, once, on the client's callback thread.
pub type stargate_delivery_report_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, sent: *const stargate_delivery_report)>;

/// Accepts a message, and calls `on_sent` exactly once: on its receipt, failure or timeout (option send_timeout), or
/// when a close gives it up. While max_pending_msg or max_pending_bytes is reached, the call waits for room: at most
/// `timeout_ms`, or with -1 at most send_timeout. With 0, or with the option when_full=fail, it returns
/// STARGATE_QUEUE_FULL at once. Messages accepted one after the other are stored in that order.
///
/// Room is released where callbacks run. So in a callback of the client, and on the thread that polled its callbacks
/// last, the call does not wait, and returns STARGATE_WOULD_DEADLOCK at once if there is no room: give it a `timeout_ms`
/// of 0 there.
///
/// Without STARGATE_OK the message was not accepted and `on_sent` is not called; `destroy` runs in any case.
///
/// Thread-safe; blocks while there is no room. Errors: STARGATE_QUEUE_FULL, STARGATE_TIMEOUT (no room),
/// STARGATE_WOULD_DEADLOCK (no room, where callbacks run), STARGATE_TOO_BIG, STARGATE_CLOSED, STARGATE_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_producer_send_async(
    producer: *mut stargate_producer,
    message: *const stargate_outgoing,
    timeout_ms: i64,
    on_sent: stargate_delivery_report_fn,
    user_data: *mut c_void,
    destroy: stargate_destroy_fn,
    error: *mut *mut stargate_error,
) -> stargate_status {
    let user_data = UserData::new(user_data, destroy);
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let producer = handle_ops::of(producer)?;
            let message = outgoing(message, "message")?;
            let on_sent = on_sent.ok_or_else(|| invalid("on_sent is NULL"))?;
            let timeout = time::timeout(timeout_ms)?;
            let callback = move |sent: DeliveryReport| report(sent, |sent| on_sent(user_data.get(), sent));
            blocking::wait(producer.send_if_room(message, timeout, callback), None)
        })
    }
}

/// Receives the end of a flat send, once, on the client's callback thread. `message_id` is the message's id, in UTF-8 and
/// without a 0 at its end; it is NULL after an error, and for a duplicate. `error` is NULL with STARGATE_OK. Both live
/// for the call.
pub type stargate_sent_fn = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        status: stargate_status,
        message_id: *const c_char,
        message_id_len: usize,
        error: *const stargate_error,
    ),
>;

/// Accepts a message as `stargate_producer_send_async` does, without a struct: for languages to which nested structs are
/// dear. `key` may be NULL, for none. `properties` are names and values in turn, each with a 0 at its end, such as
/// "color\0red\0size\0L\0"; `properties_len` counts all of these bytes. A time of 0 is not given. It calls `on_sent`
/// exactly once, unless this call fails.
///
/// Thread-safe; blocks while there is no room, but not with a `timeout_ms` of 0. Errors: as `stargate_producer_send_async`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_producer_send_flat_async(
    producer: *mut stargate_producer,
    payload: *const c_void,
    payload_len: usize,
    key: *const c_char,
    key_len: usize,
    properties: *const c_char,
    properties_len: usize,
    event_time_ms: i64,
    deliver_at_ms: i64,
    deliver_after_ms: i64,
    timeout_ms: i64,
    on_sent: stargate_sent_fn,
    user_data: *mut c_void,
    destroy: stargate_destroy_fn,
    error: *mut *mut stargate_error,
) -> stargate_status {
    let user_data = UserData::new(user_data, destroy);
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let producer = handle_ops::of(producer)?;
            let on_sent = on_sent.ok_or_else(|| invalid("on_sent is NULL"))?;
            let payload = boundary::items(payload.cast::<u8>(), payload_len, "payload")?;
            let mut message = OutgoingMessage::new(payload.to_vec());
            if !key.is_null() {
                message = message.key(boundary::text_of(key, key_len, "key")?);
            }
            let message = with_properties(message, boundary::text_of(properties, properties_len, "properties")?)?;
            let message = timed(message, "", event_time_ms, deliver_at_ms, deliver_after_ms)?;
            let callback = move |sent: DeliveryReport| {
                let receipt = sent.result.as_ref().ok().filter(|receipt| !receipt.is_duplicate());
                let id = receipt.map(|receipt| receipt.message_id().clone());
                let (id, id_len) = flat(id.as_ref().map(MessageId::as_str));
                show(sent.result.err(), false, |status, error| on_sent(user_data.get(), status, id, id_len, error));
            };
            blocking::wait(producer.send_if_room(message, time::timeout(timeout_ms)?, callback), None)
        })
    }
}

/// Adds the properties in `text`: names and values in turn, each with a 0 at its end.
fn with_properties(mut message: OutgoingMessage, text: &str) -> Result<OutgoingMessage> {
    if !text.is_empty() && !text.ends_with('\0') {
        return Err(invalid("properties: expected a 0 at the end"));
    }
    let mut parts = text.split_terminator('\0');
    while let Some(name) = parts.next() {
        let value = parts.next().ok_or_else(|| invalid(format!("properties: the name {name:?} has no value")))?;
        message = message.property(name, value);
    }
    Ok(message)
}

/// Receives the ends of the messages of a `stargate_producer_send_many_async`, once, on the client's callback thread: the
/// status of the first that failed, or STARGATE_OK, and the result of each. The results live for the call.
pub type stargate_sent_many_fn = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        status: stargate_status,
        results: *const stargate_send_result,
        count: usize,
    ),
>;

/// Accepts messages of an array in their order as long as there is room, as write(2) accepts bytes: `*accepted` is how
/// many. It calls `on_sent` exactly once, with the results of these in the same order, when the last of them has its
/// receipt or has failed. `timeout_ms` bounds the wait of each for room, as in `stargate_producer_send_async`. They keep
/// their room until `on_sent` begins, unless the call itself waits for it.
///
/// STARGATE_OK means that at least one was accepted: give the others again later. Without STARGATE_OK none was, and
/// `on_sent` is not called; the error is that of the first message. The call checks all arguments before it accepts any.
///
/// Thread-safe; blocks while there is no room, but not with a `timeout_ms` of 0. Errors: as `stargate_producer_send_async`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_producer_send_many_async(
    producer: *mut stargate_producer,
    messages: *const stargate_outgoing,
    count: usize,
    timeout_ms: i64,
    accepted: *mut usize,
    on_sent: stargate_sent_many_fn,
    user_data: *mut c_void,
    destroy: stargate_destroy_fn,
    error: *mut *mut stargate_error,
) -> stargate_status {
    let user_data = UserData::new(user_data, destroy);
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let accepted = Out::new(accepted, 0, "accepted")?;
            let producer = handle_ops::of(producer)?;
            if count == 0 {
                return Err(invalid("count is 0: expected 1 message at least"));
            }
            let messages = batch(messages, count)?;
            let on_sent = on_sent.ok_or_else(|| invalid("on_sent is NULL"))?;
            let callback = move |outcomes: Vec<Result<Receipt>>| {
                let mut results: Vec<stargate_send_result> = outcomes.iter().map(result_of).collect();
                let failed = outcomes.into_iter().find_map(Result::err);
                let status = failed.map_or(STARGATE_OK, |error| error.kind().code());
                on_sent(user_data.get(), status, results.as_ptr(), results.len());
                stargate_send_results_free(results.as_mut_ptr(), results.len());
            };
            let many = producer.send_many_with(messages, time::timeout(timeout_ms)?, callback);
            accepted.set(blocking::wait(many, None)?);
            Ok(())
        })
    }
}

/// Waits, without holding a thread, until there is room for a message whose payload, key and properties have `bytes`
/// together, then calls `on_done`, exactly once, unless this call fails. Use it after STARGATE_QUEUE_FULL, and send again
/// in `on_done`. Another sender may be faster; then send and wait again.
///
/// Thread-safe; never blocks. Errors: STARGATE_INVALID_ARGUMENT. To `on_done`: STARGATE_CLOSED, STARGATE_TIMEOUT, or what
/// ended the producer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_producer_room_async(
    producer: *mut stargate_producer,
    bytes: usize,
    timeout_ms: i64,
    on_done: stargate_done_fn,
    user_data: *mut c_void,
    destroy: stargate_destroy_fn,
    error: *mut *mut stargate_error,
) -> stargate_status {
    let user_data = UserData::new(user_data, destroy);
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let producer = handle_ops::of(producer)?;
            let (done, timeout) = (Done::new(on_done, user_data)?, time::timeout(timeout_ms)?);
            let (waiting, topic) = (producer.clone(), producer.topic().to_string());
            let room = async move { waiting.wait_room(bytes).await };
            producer.complete_with(room, timeout, move |room| {
                done.ended(room.map_err(|error| error.during("wait for room to send to").on_topic(&topic)));
            })
        })
    }
}

/// Shows the end of a send to C.
fn report(sent: DeliveryReport, callback: impl FnOnce(*const stargate_delivery_report)) {
    let id = match &sent.result {
        Ok(receipt) if !receipt.is_duplicate() => Some(Text::new(receipt.message_id().as_str())),
        _ => None,
    };
    let context = sent.context.map(Text::new);
    let duplicate = sent.result.as_ref().is_ok_and(Receipt::is_duplicate);
    let error = sent.result.err().map(error::Inner::new);
    let view = |text: &Option<Text>| text.as_ref().map_or(stargate_str::NONE, Text::view);
    callback(&stargate_delivery_report {
        struct_size: size_of::<stargate_delivery_report>(),
        error: error.as_ref().map_or(std::ptr::null(), error::Inner::as_ptr),
        message_id: view(&id),
        context: view(&context),
        duplicate: i32::from(duplicate),
    });
}

/// How one message of a batch ended. `stargate_send_results_free` frees what it points to.
#[repr(C)]
pub struct stargate_send_result {
    /// STARGATE_OK when the broker has it.
    pub status: stargate_status,
    /// The message's id, or NULL after an error and for a duplicate.
    pub message_id: *mut c_char,
    /// Why it has no receipt, or NULL.
    pub error: *mut stargate_error,
}

/// Sends `count` messages in their order, many in flight at a time, and waits for all of their receipts, within
/// `timeout_ms`, or with -1 within the option send_timeout for each. `results` may be NULL, or has room for `count`
/// results. All are written; free them with `stargate_send_results_free`.
///
/// Returns the status of the first message that failed, or STARGATE_OK if the broker has them all. It checks the
/// arguments before it sends anything. If the call itself fails, each result has its status, and no error of its own:
/// `*error` is why.
///
/// Thread-safe; blocks. Errors: as `stargate_producer_send`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_producer_send_batch(
    producer: *mut stargate_producer,
    messages: *const stargate_outgoing,
    count: usize,
    timeout_ms: i64,
    results: *mut stargate_send_result,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them; `results` has `count` places.
    unsafe {
        enter(error, || {
            write_results(results, count, || {
                let producer = handle_ops::of(producer)?;
                let batch = batch(messages, count)?;
                blocking::wait(send_all(producer, batch, time::timeout(timeout_ms)?), None)
            })
        })
    }
}

/// Sends `count` messages, as `stargate_producer_send_batch` does, over a connection of their own, which is closed in
/// any case. `url` is that of a producer, "ws://host:port/ws/v2/producer/persistent/tenant/namespace/topic", with the
/// server's query parameters if any; `options` are those of connections and producers. `results` may be NULL. If the
/// connection fails, each result has the status of the call, and no error of its own: `*error` is why.
///
/// Thread-safe; blocks. Errors: as `stargate_producer_open` and `stargate_producer_send`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_produce(
    url: *const c_char,
    messages: *const stargate_outgoing,
    count: usize,
    options: *const stargate_options,
    timeout_ms: i64,
    results: *mut stargate_send_result,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them; `results` has `count` places.
    unsafe {
        enter(error, || {
            write_results(results, count, || {
                let url = boundary::text(url, "url")?;
                let batch = batch(messages, count)?;
                let produced = stargate_core::produce(url, batch, options_or_default(options));
                blocking::wait(produced, time::timeout(timeout_ms)?)
            })
        })
    }
}

/// The result for C, which frees what it points to.
fn result_of(outcome: &Result<Receipt>) -> stargate_send_result {
    let (status, message_id, error) = match outcome {
        // An id is base64, so there is no 0 in it.
        Ok(receipt) => (STARGATE_OK, id_for_c(receipt).unwrap_or(std::ptr::null_mut()), std::ptr::null_mut()),
        Err(error) => (error.kind().code(), std::ptr::null_mut(), error::into_raw(error.clone())),
    };
    stargate_send_result { status, message_id, error }
}

/// Sends, and writes for C how each message ended; the error of the call, or that of the first message that failed. If
/// the call failed, each message has its status.
///
/// # Safety
/// `results` is NULL or has `count` places.
unsafe fn write_results(
    results: *mut stargate_send_result,
    count: usize,
    send: impl FnOnce() -> Result<Vec<Result<Receipt>>>,
) -> Result<()> {
    // SAFETY: the caller's promise.
    let fail = |kind: ErrorKind| unsafe { write_each(results, (0..count).map(|_| failed(kind))) };
    // After a panic they can be freed.
    fail(ErrorKind::Internal);
    let outcomes = send().inspect_err(|error| fail(error.kind()))?;
    // SAFETY: the caller's promise; there is an outcome for each message.
    unsafe { write_each(results, outcomes.iter().map(result_of)) };
    outcomes.into_iter().find_map(Result::err).map_or(Ok(()), Err)
}

/// The result of a message of a call that failed, whose error belongs to the call.
fn failed(kind: ErrorKind) -> stargate_send_result {
    stargate_send_result { status: kind.code(), message_id: std::ptr::null_mut(), error: std::ptr::null_mut() }
}

/// # Safety
/// `results` is NULL or has a place for each of `all`.
unsafe fn write_each(results: *mut stargate_send_result, all: impl Iterator<Item = stargate_send_result>) {
    if results.is_null() {
        return;
    }
    for (index, result) in all.enumerate() {
        // SAFETY: the caller's promise.
        unsafe { results.add(index).write(result) };
    }
}

/// The messages of an array whose items have the size that the first of them says.
///
/// # Safety
/// `messages` is NULL or has `count` items that begin with their size.
unsafe fn batch(messages: *const stargate_outgoing, count: usize) -> Result<Vec<OutgoingMessage>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the caller's promise; an array of C has items of one size.
    unsafe {
        let stride = boundary::sized(messages, "messages")?.struct_size;
        (0..count)
            .map(|index| {
                let item = messages.cast::<u8>().add(index * stride).cast();
                outgoing(item, &format!("messages[{index}]"))
            })
            .collect()
    }
}

async fn send_all(
    producer: &Producer,
    messages: Vec<OutgoingMessage>,
    timeout: Option<Duration>,
) -> Result<Vec<Result<Receipt>>> {
    let Some(timeout) = timeout else { return Ok(producer.send_all(messages).await) };
    let begun = Instant::now();
    let mut accepted = Vec::new();
    for message in messages {
        accepted.push(producer.enqueue_within(message, timeout.saturating_sub(begun.elapsed())).await);
    }
    let mut results = Vec::new();
    for pending in accepted {
        results.push(match pending {
            Ok(pending) => pending.await,
            Err(error) => Err(error),
        });
    }
    Ok(results)
}

/// Frees what `count` results point to, and clears them. The array itself is the caller's.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_send_results_free(results: *mut stargate_send_result, count: usize) {
    if results.is_null() {
        return;
    }
    for index in 0..count {
        // SAFETY: the array has `count` results of a batch, each freed once, by the rules of the header.
        unsafe {
            let result = &mut *results.add(index);
            stargate_string_free(std::mem::replace(&mut result.message_id, std::ptr::null_mut()));
            error::stargate_error_free(std::mem::replace(&mut result.error, std::ptr::null_mut()));
        }
    }
}

/// Waits until every message accepted before has its receipt or has failed. The last callbacks may not have run yet;
/// `stargate_producer_close` waits for those too.
///
/// Thread-safe; blocks. Errors: STARGATE_TIMEOUT, STARGATE_CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_producer_flush(
    producer: *mut stargate_producer,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let producer = handle_ops::of(producer)?;
            blocking::wait(producer.flush(), time::timeout(timeout_ms)?)
                .map_err(|error| error.during("flush").on_topic(&producer.topic().to_string()))
        })
    }
}

/// Waits as `stargate_producer_flush` does, without holding a thread, then calls `on_done`, exactly once, unless this call
/// fails. The callbacks of the messages run before it.
///
/// Thread-safe; never blocks. Errors: STARGATE_INVALID_ARGUMENT. To `on_done`: STARGATE_TIMEOUT, STARGATE_CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_producer_flush_async(
    producer: *mut stargate_producer,
    timeout_ms: i64,
    on_done: stargate_done_fn,
    user_data: *mut c_void,
    destroy: stargate_destroy_fn,
    error: *mut *mut stargate_error,
) -> stargate_status {
    let user_data = UserData::new(user_data, destroy);
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let producer = handle_ops::of(producer)?;
            let (done, timeout) = (Done::new(on_done, user_data)?, time::timeout(timeout_ms)?);
            let topic = producer.topic().to_string();
            producer.flush_with(timeout, move |flushed| {
                done.ended(flushed.map_err(|error| error.during("flush").on_topic(&topic)));
            })
        })
    }
}

/// Returns the full name of the topic. `ptr` is NULL for NULL.
///
/// Thread-safe. A view of the producer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_producer_topic(producer: *const stargate_producer) -> stargate_str {
    // SAFETY: NULL or live, by the rules of the header.
    unsafe { handle_ops::topic(producer) }
}

/// Waits until the handle is connected, for example after an open with the option lazy.
///
/// Thread-safe; blocks. Errors: STARGATE_TIMEOUT, or the error that ended the handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_producer_wait_connected(
    producer: *mut stargate_producer,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { handle_ops::wait_connected(producer, timeout_ms, error) }
}

/// Returns 1 if the producer is connected now, otherwise 0; 0 for NULL.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_producer_is_connected(producer: *const stargate_producer) -> i32 {
    // SAFETY: NULL or live, by the rules of the header.
    unsafe { handle_ops::is_connected(producer) }
}

/// Returns the counters of the handle as a JSON object in `*out`. Free it with `stargate_string_free`.
///
/// Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_producer_stats_json(
    producer: *const stargate_producer,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { handle_ops::stats_json(producer, out, error) }
}

/// Accepts no more messages, waits until those in flight have ended and their callbacks have run, and closes the
/// connection. Messages still in flight after `timeout_ms` fail, and so does this call. After STARGATE_OK no callback
/// of this producer runs any more. The caller still frees the producer.
///
/// Thread-safe; blocks. May be called more than once, and in a callback; it does not wait for that callback. Errors:
/// STARGATE_TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_producer_close(
    producer: *mut stargate_producer,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { handle_ops::close(producer, timeout_ms, error) }
}

/// Closes the producer as `stargate_producer_close` does, but does not wait. It calls `on_done` exactly once, after every
/// other callback of the producer, unless this call fails. The caller still frees the producer.
///
/// Thread-safe; never blocks. May be called in a callback. Errors: STARGATE_INVALID_ARGUMENT. To `on_done`:
/// STARGATE_TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_producer_close_async(
    producer: *mut stargate_producer,
    timeout_ms: i64,
    on_done: stargate_done_fn,
    user_data: *mut c_void,
    destroy: stargate_destroy_fn,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { handle_ops::close_async(producer, timeout_ms, on_done, UserData::new(user_data, destroy), error) }
}

/// Frees a producer, and closes it first if it is open. It does not wait for receipts, but for callbacks. NULL does
/// nothing.
///
/// Thread-safe; waits for callbacks. May be called in a callback; it does not wait for that callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_producer_free(producer: *mut stargate_producer) {
    // SAFETY: NULL or live, and freed once, by the rules of the header.
    unsafe { handle_ops::free(producer) }
}

/// Frees a producer as `stargate_producer_free` does, but never waits, and runs nothing of the application on this thread. It
/// is for finalizers. The producer is closed in the background: messages in flight fail, and their
/// callbacks still run where callbacks do. NULL does nothing.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_producer_release(producer: *mut stargate_producer) {
    // SAFETY: NULL or live, and freed once, by the rules of the header.
    unsafe { handle_ops::release(producer) }
}
