//! The consumer: takes part in a subscription, by a handler or by receiving, and acknowledges.

use std::ffi::{c_char, c_void};
use std::time::Duration;

use stargate_core::{Consumer, MessageId, Result, TopicName, Topics, blocking};

use crate::client::stargate_client;
use crate::error::{stargate_error, stargate_status};
use crate::message::{self, stargate_message};
use crate::options::{options_or_default, stargate_options};
use crate::util::boundary::{self, Out, enter, enter_or};
use crate::util::completion::{Done, stargate_done_fn, stargate_received_fn};
use crate::util::handle::{self, Handle, OfProcess};
use crate::util::handler::stargate_handler;
use crate::util::user_data::UserData;
use crate::util::values::{Text, stargate_destroy_fn, stargate_str};
use crate::util::{handle_ops, receiving, seek, time};

/// Consumes the messages of a subscription, through a handler or through receives, never both. The broker redelivers
/// messages that are not acknowledged. A consumer reconnects by itself.
pub struct stargate_consumer {
    _private: [u8; 0],
}

// SAFETY: the open functions give nothing else to C.
unsafe impl Handle for stargate_consumer {
    type Inner = OfProcess<Consumer>;
}

/// What is consumed, and how errors name it.
type Named = (Topics, String);

/// # Safety
/// `topic` is NULL or a text.
unsafe fn one(topic: *const c_char) -> Result<Named> {
    // SAFETY: the caller's promise.
    let topic: TopicName = unsafe { boundary::text(topic, "topic") }?.parse()?;
    let shown = topic.to_string();
    Ok((Topics::One(topic), shown))
}

/// # Safety
/// `topics` is NULL or has `count` texts.
unsafe fn several(topics: *const *const c_char, count: usize) -> Result<Named> {
    // SAFETY: the caller's promise.
    unsafe {
        let names = boundary::items(topics, count, "topics")?.iter();
        let names: Vec<TopicName> =
            names.map(|name| boundary::text(*name, "topics[]")?.parse()).collect::<Result<_>>()?;
        let shown = names.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        Ok((Topics::Several(names), shown))
    }
}

/// # Safety
/// `pattern` is NULL or a text.
unsafe fn matching(pattern: *const c_char) -> Result<Named> {
    // SAFETY: the caller's promise.
    let pattern = unsafe { boundary::text(pattern, "pattern") }?;
    Ok((Topics::Pattern(pattern.to_owned()), pattern.to_owned()))
}

/// What the three ways to open have in common.
///
/// # Safety
/// Pointers are NULL or as the rules of the header want them.
unsafe fn open(
    client: *mut stargate_client,
    topics: impl FnOnce() -> Result<Named>,
    subscription: *const c_char,
    options: *const stargate_options,
    timeout_ms: i64,
    out: *mut *mut stargate_consumer,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: the caller's promise.
    unsafe {
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let client = handle::inner(client, "client")?.get()?;
            let (topics, shown) = topics().map_err(|error| error.during("open consumer"))?;
            let subscription = boundary::text(subscription, "subscription")?;
            let opened = client.consumer_of(topics, subscription, options_or_default(options));
            let consumer = blocking::wait(opened, time::timeout(timeout_ms)?)
                .map_err(|error| error.during("open consumer").on_topic(&shown))?;
            out.set(handle::into_raw(OfProcess::new(consumer)));
            Ok(())
        })
    }
}

/// As [`open`], without waiting.
///
/// # Safety
/// As [`open`].
#[expect(clippy::too_many_arguments, reason = "they are those of the C functions")]
unsafe fn open_async(
    client: *mut stargate_client,
    topics: impl FnOnce() -> Result<Named>,
    subscription: *const c_char,
    options: *const stargate_options,
    timeout_ms: i64,
    on_done: stargate_done_fn,
    user_data: UserData,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: the caller's promise.
    unsafe {
        enter(error, || {
            let client = handle::inner(client, "client")?.get()?;
            let (topics, shown) = topics().map_err(|error| error.during("open consumer"))?;
            let subscription = boundary::text(subscription, "subscription")?.to_owned();
            let (done, timeout) = (Done::new(on_done, user_data)?, time::timeout(timeout_ms)?);
            let (opening, options) = (client.clone(), options_or_default(options));
            let open = async move { opening.consumer_of(topics, subscription, options).await };
            client.complete_with(open, timeout, move |opened| {
                let opened = opened.map_err(|error| error.during("open consumer").on_topic(&shown));
                done.opened::<stargate_consumer>(opened.map(OfProcess::new));
            })
        })
    }
}

/// Opens a consumer of one topic, and waits until it is connected unless the option lazy is set. The broker creates the
/// subscription if it does not exist. NULL `options` are the client's options and the defaults. The option
/// connect_timeout bounds the attempt at each host; `timeout_ms` bounds the whole call, and -1 adds no bound.
///
/// Thread-safe; blocks. Errors: STARGATE_CONNECT, STARGATE_AUTHENTICATION, STARGATE_AUTHORIZATION, STARGATE_NOT_FOUND
/// (tenant or namespace), STARGATE_BUSY (an exclusive subscription is in use, and still is after two seconds),
/// STARGATE_INVALID_ARGUMENT, STARGATE_TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_open(
    client: *mut stargate_client,
    topic: *const c_char,
    subscription: *const c_char,
    options: *const stargate_options,
    timeout_ms: i64,
    out: *mut *mut stargate_consumer,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { open(client, || one(topic), subscription, options, timeout_ms, out, error) }
}

/// Opens a consumer of several topics on one connection; otherwise as `stargate_consumer_open`.
///
/// Thread-safe; blocks. Errors: as `stargate_consumer_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_open_topics(
    client: *mut stargate_client,
    topics: *const *const c_char,
    topic_count: usize,
    subscription: *const c_char,
    options: *const stargate_options,
    timeout_ms: i64,
    out: *mut *mut stargate_consumer,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { open(client, || several(topics, topic_count), subscription, options, timeout_ms, out, error) }
}

/// Opens a consumer of every persistent topic whose full name matches a regular expression, now and later, such as
/// "persistent://public/default/orders-.*"; otherwise as `stargate_consumer_open`.
///
/// Thread-safe; blocks. Errors: as `stargate_consumer_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_open_pattern(
    client: *mut stargate_client,
    pattern: *const c_char,
    subscription: *const c_char,
    options: *const stargate_options,
    timeout_ms: i64,
    out: *mut *mut stargate_consumer,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { open(client, || matching(pattern), subscription, options, timeout_ms, out, error) }
}

/// Opens a consumer as `stargate_consumer_open` does, but does not wait. It calls `on_done` exactly once, with the
/// consumer or the error, unless this call fails. A close of the client ends it with STARGATE_CLOSED.
///
/// Thread-safe; never blocks. Errors: STARGATE_INVALID_ARGUMENT. To `on_done`: as `stargate_consumer_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_open_async(
    client: *mut stargate_client,
    topic: *const c_char,
    subscription: *const c_char,
    options: *const stargate_options,
    timeout_ms: i64,
    on_done: stargate_done_fn,
    user_data: *mut c_void,
    destroy: stargate_destroy_fn,
    error: *mut *mut stargate_error,
) -> stargate_status {
    let user_data = UserData::new(user_data, destroy);
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { open_async(client, || one(topic), subscription, options, timeout_ms, on_done, user_data, error) }
}

/// Opens a consumer as `stargate_consumer_open_topics` does; otherwise as `stargate_consumer_open_async`.
///
/// Thread-safe; never blocks. Errors: STARGATE_INVALID_ARGUMENT. To `on_done`: as `stargate_consumer_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_open_topics_async(
    client: *mut stargate_client,
    topics: *const *const c_char,
    topic_count: usize,
    subscription: *const c_char,
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
        open_async(
            client,
            || several(topics, topic_count),
            subscription,
            options,
            timeout_ms,
            on_done,
            user_data,
            error,
        )
    }
}

/// Opens a consumer as `stargate_consumer_open_pattern` does; otherwise as `stargate_consumer_open_async`.
///
/// Thread-safe; never blocks. Errors: STARGATE_INVALID_ARGUMENT. To `on_done`: as `stargate_consumer_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_open_pattern_async(
    client: *mut stargate_client,
    pattern: *const c_char,
    subscription: *const c_char,
    options: *const stargate_options,
    timeout_ms: i64,
    on_done: stargate_done_fn,
    user_data: *mut c_void,
    destroy: stargate_destroy_fn,
    error: *mut *mut stargate_error,
) -> stargate_status {
    let user_data = UserData::new(user_data, destroy);
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { open_async(client, || matching(pattern), subscription, options, timeout_ms, on_done, user_data, error) }
}

/// Waits for the next message and returns it in `*out`, for the caller to acknowledge and to free. If none arrives
/// within `timeout_ms`, the result is STARGATE_TIMEOUT without an error object.
///
/// Receiving and a handler exclude each other. Thread-safe; blocks. Errors: STARGATE_CLOSED, STARGATE_INVALID_ARGUMENT,
/// or what ended the consumer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_receive(
    consumer: *mut stargate_consumer,
    timeout_ms: i64,
    out: *mut *mut stargate_message,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { receiving::receive(consumer, timeout_ms, out, error) }
}

/// Waits for the next message, and returns it with those that have already arrived, up to `max`. `out` has room for
/// `max` messages; `*out_count` is how many were written. Free them with `stargate_messages_free`. If none arrives
/// within `timeout_ms`, the result is STARGATE_TIMEOUT without an error object.
///
/// Receiving and a handler exclude each other. Thread-safe; blocks. Errors: as `stargate_consumer_receive`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_receive_many(
    consumer: *mut stargate_consumer,
    max: usize,
    timeout_ms: i64,
    out: *mut *mut stargate_message,
    out_count: *mut usize,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { receiving::receive_many(consumer, max, timeout_ms, out, out_count, error) }
}

/// Receives as `stargate_consumer_receive_many` does, but does not wait. It calls `on_received` exactly once, with 1 to `max`
/// messages, with STARGATE_TIMEOUT if none arrives within `timeout_ms`, or with what ended it, unless this call fails. A
/// close or a free ends it with STARGATE_CLOSED, and waits for that call. Messages of calls that wait together come in
/// no order.
///
/// Receiving and a handler exclude each other. Thread-safe; never blocks. Errors: STARGATE_INVALID_ARGUMENT, or what ended
/// the consumer, such as STARGATE_CLOSED. To `on_received`: as `stargate_consumer_receive`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_receive_async(
    consumer: *mut stargate_consumer,
    max: usize,
    timeout_ms: i64,
    on_received: stargate_received_fn,
    user_data: *mut c_void,
    destroy: stargate_destroy_fn,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        let user_data = UserData::new(user_data, destroy);
        receiving::receive_async(consumer, max, timeout_ms, on_received, user_data, error)
    }
}

/// Ends every receive of the consumer that waits now with STARGATE_INTERRUPTED, which has no error object. If none waits,
/// the next receive ends so, even if messages are there, so that no interrupt comes too early. An interrupted receive
/// takes no message, and the consumer goes on. Handlers are not interrupted.
///
/// Thread-safe, but not for signal handlers. Errors: STARGATE_INVALID_ARGUMENT for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_interrupt(
    consumer: *mut stargate_consumer,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { receiving::interrupt(consumer, error) }
}

/// Runs a handler on every message until the consumer is closed. The option processors sets the number of threads. The
/// call returns once each processor has made its state. If it fails after a processor has begun, the consumer is no
/// longer usable.
///
/// Receiving and a handler exclude each other, and there can be one handler. Thread-safe; waits for callbacks, those of `init`.
/// Errors: STARGATE_INVALID_ARGUMENT, STARGATE_CLOSED, or what `init` returned. `destroy` runs after an error too; otherwise
/// once the consumer is closed and every processor has ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_listen(
    consumer: *mut stargate_consumer,
    handler: *const stargate_handler,
    user_data: *mut c_void,
    destroy: stargate_destroy_fn,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { receiving::listen(consumer, handler, user_data, destroy, error) }
}

/// Acknowledges a message without waiting: the server does not answer acknowledgements. If one is lost with its
/// connection, the broker redelivers the message. The caller still frees the message.
///
/// Thread-safe. Errors: STARGATE_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_ack(
    consumer: *mut stargate_consumer,
    message: *const stargate_message,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let consumer = handle_ops::of(consumer)?;
            consumer.ack(handle::inner(message, "message")?.message())
        })
    }
}

/// Acknowledges `count` messages of an array, each as `stargate_consumer_ack` does. The call checks all arguments before it
/// acknowledges any. The caller still frees the messages.
///
/// Thread-safe. Errors: STARGATE_INVALID_ARGUMENT; STARGATE_CLOSED, or what ended the consumer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_ack_many(
    consumer: *mut stargate_consumer,
    messages: *const *mut stargate_message,
    count: usize,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let consumer = handle_ops::of(consumer)?;
            let messages = message::all(messages, count)?;
            consumer.ack_many(messages.iter().map(|inner| inner.message()))
        })
    }
}

/// Acknowledges a message by its id, as after STARGATE_CONTINUE. It takes effect if the current connection delivered
/// the message, or if the message was neither batched nor in a partition.
///
/// Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for text that is no message id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_ack_id(
    consumer: *mut stargate_consumer,
    message_id: *const c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let consumer = handle_ops::of(consumer)?;
            let id: MessageId = boundary::text(message_id, "message_id")?.parse()?;
            consumer.ack_id(&id)
        })
    }
}

/// Acknowledges a message and all before it that this consumer received; on a partitioned topic, those of its
/// partition. For exclusive and failover subscriptions of one topic. If a connection is lost before it carried all
/// acknowledgements, the broker redelivers those messages; the consumer then acknowledges them without delivering them.
/// It costs one frame for each message, like separate acknowledgements. The caller still frees the message.
///
/// Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for other subscriptions, several topics, or a topic that is not
/// persistent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_ack_cumulative(
    consumer: *mut stargate_consumer,
    message: *const stargate_message,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let consumer = handle_ops::of(consumer)?;
            consumer.ack_cumulative(handle::inner(message, "message")?.message())
        })
    }
}

/// As `stargate_consumer_ack_cumulative`, but takes an id, which may come from an earlier consumer of the subscription.
/// The consumer acknowledges messages at or below it without delivering them.
///
/// Thread-safe. Errors: as `stargate_consumer_ack_cumulative`, and STARGATE_INVALID_ARGUMENT for text that is no
/// message id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_ack_cumulative_id(
    consumer: *mut stargate_consumer,
    message_id: *const c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let consumer = handle_ops::of(consumer)?;
            let id: MessageId = boundary::text(message_id, "message_id")?.parse()?;
            consumer.ack_cumulative_id(&id)
        })
    }
}

/// Requests redelivery of a message, after the option negative_ack_delay. The caller still frees the message.
///
/// Thread-safe. Errors: STARGATE_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_nack(
    consumer: *mut stargate_consumer,
    message: *const stargate_message,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let consumer = handle_ops::of(consumer)?;
            consumer.nack(handle::inner(message, "message")?.message())
        })
    }
}

/// Requests redelivery of a message by its id, after the option negative_ack_delay. It takes effect if the current
/// connection delivered the message.
///
/// Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for text that is no message id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_nack_id(
    consumer: *mut stargate_consumer,
    message_id: *const c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let consumer = handle_ops::of(consumer)?;
            let id: MessageId = boundary::text(message_id, "message_id")?.parse()?;
            consumer.nack_id(&id)
        })
    }
}

/// Schedules redelivery of a message after `delay_ms`. It stores a copy in the retry letter topic, which this consumer
/// consumes too, then acknowledges the message. Needs the option enable_retry. A message that was already redelivered
/// max_redeliver_count times (`stargate_message_reconsume_times`) goes to the dead letter topic instead. After an error
/// the message stays unacknowledged. After STARGATE_TIMEOUT the copy may still be stored, and the message then
/// acknowledged. The caller still frees the message.
///
/// Thread-safe; blocks. Errors: STARGATE_INVALID_ARGUMENT without that option, and those of a send.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_reconsume_later(
    consumer: *mut stargate_consumer,
    message: *const stargate_message,
    delay_ms: i64,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let consumer = handle_ops::of(consumer)?;
            let message = handle::inner(message, "message")?.message();
            let delay = Duration::from_millis(u64::try_from(delay_ms).unwrap_or(0));
            blocking::wait(consumer.reconsume_later(message, delay), time::timeout(timeout_ms)?)
                .map_err(|error| error.during("reconsume later from").on_topic(&consumer.topic().to_string()))
        })
    }
}

/// Moves to another position in the topic: the next message is the one at `position`, "earliest", "latest" or a message
/// id in base64, or with `after` 1 the one after that message. Once it returns, no message from before the seek is
/// delivered. Other consumers of the subscription move with it. On a partitioned topic an id moves its partition. A
/// consumer of several topics can seek to the ends and to times only. Patterns and non-durable subscriptions cannot
/// seek.
///
/// Thread-safe; blocks. Errors: STARGATE_INVALID_ARGUMENT, STARGATE_TIMEOUT, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_seek(
    consumer: *mut stargate_consumer,
    position: *const c_char,
    after: i32,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { seek::seek(consumer, position, after, timeout_ms, error) }
}

/// As `stargate_consumer_seek`, but to the first message published at or after `time_ms`, in milliseconds since 1970
/// UTC.
///
/// Thread-safe; blocks. Errors: as `stargate_consumer_seek`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_seek_time(
    consumer: *mut stargate_consumer,
    time_ms: i64,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { seek::seek_time(consumer, time_ms, timeout_ms, error) }
}

/// Returns the ids of the last messages of the topic, one for each partition that has any, as a JSON array of texts in
/// `*out`. Free it with `stargate_string_free`.
///
/// Thread-safe; blocks. Errors: STARGATE_TIMEOUT, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_last_message_ids_json(
    consumer: *mut stargate_consumer,
    timeout_ms: i64,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { seek::last_message_ids_json(consumer, timeout_ms, out, error) }
}

/// Returns in `*out` how many messages the subscription has not acknowledged, those delivered to the application
/// included. 0 means that it has caught up. The broker counts a batch as one message. Not for patterns.
///
/// Thread-safe; blocks. Errors: STARGATE_TIMEOUT, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_backlog(
    consumer: *mut stargate_consumer,
    timeout_ms: i64,
    out: *mut u64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::new(out, 0, "out")?;
            let consumer = handle_ops::of(consumer)?;
            out.set(blocking::wait(consumer.backlog(), time::timeout(timeout_ms)?)?);
            Ok(())
        })
    }
}

/// Requests `messages` (1 to 100000) in addition to the window, on each connection. For consumers with the option
/// pull_mode.
///
/// Thread-safe. Errors: STARGATE_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_permit(
    consumer: *mut stargate_consumer,
    messages: u32,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { enter(error, || handle_ops::of(consumer)?.permit(messages)) }
}

/// Deletes the subscription and closes the consumer. If the subscription has other consumers, the call fails and this
/// consumer continues.
///
/// Thread-safe; blocks. Errors: STARGATE_BROKER, STARGATE_TIMEOUT, STARGATE_CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_unsubscribe(
    consumer: *mut stargate_consumer,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let consumer = handle_ops::of(consumer)?;
            blocking::wait(consumer.unsubscribe(time::limit(timeout_ms)?), None)
        })
    }
}

/// Checks whether the topic was terminated and everything in it has been acknowledged: `*out` is 1 or 0.
///
/// Thread-safe; blocks, since it queries the server. Errors: STARGATE_TIMEOUT, STARGATE_CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_is_end_of_topic(
    consumer: *mut stargate_consumer,
    timeout_ms: i64,
    out: *mut i32,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { receiving::is_end_of_topic(consumer, timeout_ms, out, error) }
}

/// Returns the full name of the consumer's topic. For several topics it is that of the first; for a pattern, a name
/// that stands for it. `ptr` is NULL for NULL.
///
/// Thread-safe. A view of the consumer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_topic(consumer: *const stargate_consumer) -> stargate_str {
    // SAFETY: NULL or live, by the rules of the header.
    unsafe { handle_ops::topic(consumer) }
}

/// Returns the name of the consumer's subscription. `ptr` is NULL for NULL.
///
/// Thread-safe. A view of the consumer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_subscription(consumer: *const stargate_consumer) -> stargate_str {
    enter_or(stargate_str::NONE, || {
        // SAFETY: NULL or live, by the rules of the header.
        let Some(owned) = (unsafe { handle::optional(consumer) }) else { return stargate_str::NONE };
        let name =
            owned.get().map(|consumer| owned.texts.subscription.get_or_init(|| Text::boxed(consumer.subscription())));
        name.map_or(stargate_str::NONE, Text::view)
    })
}

/// Waits until the handle is connected, for example after an open with the option lazy.
///
/// Thread-safe; blocks. Errors: STARGATE_TIMEOUT, or the error that ended the handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_wait_connected(
    consumer: *mut stargate_consumer,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { handle_ops::wait_connected(consumer, timeout_ms, error) }
}

/// Returns 1 if all connections of the handle are up now, otherwise 0; 0 for NULL.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_is_connected(consumer: *const stargate_consumer) -> i32 {
    // SAFETY: NULL or live, by the rules of the header.
    unsafe { handle_ops::is_connected(consumer) }
}

/// Returns the counters of the handle as a JSON object in `*out`. Free it with `stargate_string_free`.
///
/// Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_stats_json(
    consumer: *const stargate_consumer,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { handle_ops::stats_json(consumer, out, error) }
}

/// Stops delivery, lets handlers finish their messages, sends the acknowledgements, and closes the connections, within
/// `timeout_ms`. After STARGATE_OK no handler runs, and every `drop` and `destroy` of a handler has run. The caller
/// still frees the consumer.
///
/// Thread-safe; blocks. May be called more than once, and in the handler itself. There it does not wait for that
/// handler, and the promise holds once the handler returns. Errors: STARGATE_TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_close(
    consumer: *mut stargate_consumer,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { handle_ops::close(consumer, timeout_ms, error) }
}

/// Closes the consumer as `stargate_consumer_close` does, but does not wait. It calls `on_done` exactly once, after every
/// other callback of the consumer, unless this call fails. The caller still frees the consumer.
///
/// Thread-safe; never blocks. May be called in a callback. Errors: STARGATE_INVALID_ARGUMENT. To `on_done`:
/// STARGATE_TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_close_async(
    consumer: *mut stargate_consumer,
    timeout_ms: i64,
    on_done: stargate_done_fn,
    user_data: *mut c_void,
    destroy: stargate_destroy_fn,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { handle_ops::close_async(consumer, timeout_ms, on_done, UserData::new(user_data, destroy), error) }
}

/// Frees a consumer, and closes it first if it is open. It waits for a running handler and for nothing else. NULL does
/// nothing.
///
/// Thread-safe; waits for callbacks. May be called in the handler itself; it does not wait for that handler.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_free(consumer: *mut stargate_consumer) {
    // SAFETY: NULL or live, and freed once, by the rules of the header.
    unsafe { handle_ops::free(consumer) }
}

/// Frees a consumer as `stargate_consumer_free` does, but never waits, and runs nothing of the application on this thread. It
/// is for finalizers. The consumer is closed in the background; a handler that runs ends first, and the
/// destroy of its user_data tells when. NULL does nothing.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_release(consumer: *mut stargate_consumer) {
    // SAFETY: NULL or live, and freed once, by the rules of the header.
    unsafe { handle_ops::release(consumer) }
}
