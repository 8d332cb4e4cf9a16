//! The producer: sends messages to one topic.

use std::ffi::{c_char, c_void};
use std::mem::offset_of;
use std::time::{Duration, Instant};

use stargate_core::{DeliveryReport, Error, ErrorKind, OutgoingMessage, Producer, Receipt, Result, blocking};

use crate::client::stargate_client;
use crate::error::{self, STARGATE_OK, stargate_error, stargate_status};
use crate::options::{options_or_default, stargate_options};
use crate::util::boundary::{self, Out, Sized_, enter, invalid};
use crate::util::handle::{self, Handle, OfProcess};
use crate::util::user_data::UserData;
use crate::util::values::{
    Text, owned_string, stargate_bytes, stargate_destroy_fn, stargate_property, stargate_str, stargate_string_free,
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
    /// Names of the clusters to replicate to, and to no others; NULL for what the namespace says.
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
        if from.event_time_ms != 0 {
            message = message.event_time_ms(from.event_time_ms);
        }
        if from.deliver_at_ms != 0 {
            message = message.deliver_at_ms(from.deliver_at_ms);
        }
        if from.deliver_after_ms != 0 {
            let delay = u64::try_from(from.deliver_after_ms)
                .map_err(|_| invalid(format!("{parameter}.deliver_after_ms is negative")))?;
            message = message.deliver_after(Duration::from_millis(delay));
        }
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

/// Sends a message and waits for its receipt, within `timeout_ms`, or with -1 within the option send_timeout. On
/// success `*out_message_id` is the message's id, to free with `stargate_string_free`. It is NULL for a duplicate: a
/// message sent twice to a namespace with deduplication. `out_message_id` may be NULL.
///
/// Thread-safe; blocks. Errors: STARGATE_TIMEOUT, STARGATE_TOO_BIG, STARGATE_QUEUE_FULL, STARGATE_BROKER,
/// STARGATE_OUTCOME_UNKNOWN, STARGATE_TOPIC_TERMINATED, STARGATE_CLOSED, STARGATE_INVALID_ARGUMENT.
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
/// Without STARGATE_OK the message was not accepted and `on_sent` is not called; `destroy` runs in any case.
///
/// Thread-safe; blocks while there is no room. Errors: STARGATE_QUEUE_FULL, STARGATE_TIMEOUT (no room),
/// STARGATE_TOO_BIG, STARGATE_CLOSED, STARGATE_INVALID_ARGUMENT.
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
            let callback = move |sent: DeliveryReport| tell(sent, |sent| on_sent(user_data.get(), sent));
            blocking::wait(producer.send_with(message, callback), timeout).map_err(|error| match error.kind() {
                ErrorKind::Timeout if timeout_ms == 0 => {
                    let full = "as many messages are in flight as max_pending_msg or max_pending_bytes allow";
                    Error::new(ErrorKind::QueueFull, full).during("send to").on_topic(&producer.topic().to_string())
                }
                _ => error.during("send to").on_topic(&producer.topic().to_string()),
            })
        })
    }
}

/// Shows the end of a send to C.
fn tell(sent: DeliveryReport, callback: impl FnOnce(*const stargate_delivery_report)) {
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
/// arguments before it sends anything.
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
            nothing_sent(results, count);
            let producer = handle_ops::of(producer)?;
            let batch = batch(messages, count)?;
            let timeout = time::timeout(timeout_ms)?;
            let outcomes = blocking::wait(send_all(producer, batch, timeout), None)?;
            write_results(outcomes, results)
        })
    }
}

/// Sends `count` messages, as `stargate_producer_send_batch` does, over a connection of their own, which is closed in
/// any case. `url` is that of a producer, "ws://host:port/ws/v2/producer/persistent/tenant/namespace/topic", with the
/// server's query parameters if any; `options` are those of connections and producers, or NULL.
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
            nothing_sent(results, count);
            let url = boundary::text(url, "url")?;
            let batch = batch(messages, count)?;
            let produced = stargate_core::produce(url, batch, options_or_default(options));
            write_results(blocking::wait(produced, time::timeout(timeout_ms)?)?, results)
        })
    }
}

/// What stands in the results when nothing was sent.
///
/// # Safety
/// `results` is NULL or has `count` places.
unsafe fn nothing_sent(results: *mut stargate_send_result, count: usize) {
    if results.is_null() {
        return;
    }
    for index in 0..count {
        // SAFETY: the caller's promise.
        unsafe {
            results.add(index).write(stargate_send_result {
                status: ErrorKind::InvalidArgument.code(),
                message_id: std::ptr::null_mut(),
                error: std::ptr::null_mut(),
            });
        }
    }
}

/// Writes the results for C; the error of the first message that failed.
///
/// # Safety
/// `results` is NULL or has a place for each outcome.
unsafe fn write_results(outcomes: Vec<Result<Receipt>>, results: *mut stargate_send_result) -> Result<()> {
    let mut failed = None;
    for (index, outcome) in outcomes.into_iter().enumerate() {
        if !results.is_null() {
            let (status, message_id, error) = match &outcome {
                Ok(receipt) => (STARGATE_OK, id_for_c(receipt)?, std::ptr::null_mut()),
                Err(error) => (error.kind().code(), std::ptr::null_mut(), error::into_raw(error.clone())),
            };
            // SAFETY: the caller's promise.
            unsafe { results.add(index).write(stargate_send_result { status, message_id, error }) };
        }
        failed = failed.or(outcome.err());
    }
    failed.map_or(Ok(()), Err)
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

/// Frees a producer, and closes it first if it is open. It does not wait for receipts, but for callbacks. NULL does
/// nothing.
///
/// Thread-safe. May be called in a callback; it does not wait for that callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_producer_free(producer: *mut stargate_producer) {
    // SAFETY: NULL or live, and freed once, by the rules of the header.
    unsafe { handle_ops::free(producer) }
}
