//! The consumer: takes part in a subscription, by a handler or by receiving, and acknowledges.

use std::ffi::{c_char, c_void};
use std::time::Duration;

use stargate_core::{Consumer, MessageId, Result, TopicName, Topics, blocking};

use crate::client::stargate_client;
use crate::error::{stargate_error, stargate_status};
use crate::message::stargate_message;
use crate::options::{options_or_default, stargate_options};
use crate::util::boundary::{self, Out, enter, enter_or};
use crate::util::handle::{self, Handle, OfProcess};
use crate::util::handler::stargate_handler;
use crate::util::values::{Text, stargate_destroy_fn, stargate_str};
use crate::util::{handle_ops, receiving, seek, time};

/// Takes part in a subscription. Messages come to a handler, or are received; never both. What is not acknowledged is
/// delivered again. It reconnects by itself.
pub struct stargate_consumer {
    _private: [u8; 0],
}

// SAFETY: the open functions give nothing else to C.
unsafe impl Handle for stargate_consumer {
    type Inner = OfProcess<Consumer>;
}

/// What the three ways to open have in common.
///
/// # Safety
/// Pointers are NULL or as the rules of the header want them.
unsafe fn open(
    client: *mut stargate_client,
    topics: impl FnOnce() -> Result<(Topics, String)>,
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

/// Opens a consumer of one topic, and waits until it is connected unless the option lazy is set. The subscription is
/// created when it does not exist. NULL options are the client's and the defaults. Each host is tried for the option
/// connect_timeout; `timeout_ms` bounds the whole, and -1 adds no bound.
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
    unsafe {
        let topics = || {
            let topic: TopicName = boundary::text(topic, "topic")?.parse()?;
            let shown = topic.to_string();
            Ok((Topics::One(topic), shown))
        };
        open(client, topics, subscription, options, timeout_ms, out, error)
    }
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
    unsafe {
        let topics = || {
            let names = boundary::items(topics, topic_count, "topics")?.iter();
            let names: Vec<TopicName> =
                names.map(|name| boundary::text(*name, "topics[]")?.parse()).collect::<Result<_>>()?;
            let shown = names.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            Ok((Topics::Several(names), shown))
        };
        open(client, topics, subscription, options, timeout_ms, out, error)
    }
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
    unsafe {
        let topics = || {
            let pattern = boundary::text(pattern, "pattern")?;
            Ok((Topics::Pattern(pattern.to_owned()), pattern.to_owned()))
        };
        open(client, topics, subscription, options, timeout_ms, out, error)
    }
}

/// Waits for the next message, which is then the caller's to free and to acknowledge. Nothing within `timeout_ms` gives
/// STARGATE_TIMEOUT, and no error object.
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

/// Waits for the next message, and gives up to `max` that are there: `out` has `max` places, of which `*out_count` are
/// written, and `stargate_messages_free` frees them. Nothing within `timeout_ms` gives STARGATE_TIMEOUT, and no error
/// object.
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

/// Runs a handler on every message, on as many threads as the option processors says, until the consumer is closed. It
/// returns when each processor has made its state. After an error the consumer is of no more use if a processor had
/// begun.
///
/// Receiving and a handler exclude each other, and there can be one handler. Thread-safe. Errors:
/// STARGATE_INVALID_ARGUMENT, STARGATE_CLOSED, or what `init` returned. `destroy` runs then, too; otherwise when the
/// consumer was closed and every processor has ended.
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

/// Acknowledges a message. It does not wait: the server does not answer acknowledgements. If one is lost with its
/// connection, the message is redelivered. The message still has to be freed.
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

/// Acknowledges a message by its id, as after STARGATE_CONTINUE. It counts when the message was delivered on the
/// present connection, or was neither batched nor in a partition.
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
/// partition. For exclusive and failover subscriptions of one topic. What a lost connection did not carry any more is
/// redelivered, acknowledged then, and not delivered. It costs one frame for each message, as acknowledging each of
/// them would. The message still has to be freed.
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

/// As `stargate_consumer_ack_cumulative` with an id, which may also be one of an earlier consumer of the
/// subscription: what comes at or below it is acknowledged and not handed out.
///
/// Thread-safe. Errors: as there, and STARGATE_INVALID_ARGUMENT for text that is no message id.
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

/// Requests redelivery of a message, after the option negative_ack_delay. The message still has to be freed.
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

/// Requests redelivery of a message by its id; counts when the present connection delivered it.
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

/// Schedules redelivery of a message after `delay_ms`: stores a copy in the retry letter topic, which this consumer
/// consumes too, and acknowledges the message when the copy is stored. Needs the option enable_retry. A message that
/// came back max_redeliver_count times (`stargate_message_reconsume_times`) goes to the dead letter topic instead.
/// After an error the message is as it was, unacknowledged; after STARGATE_TIMEOUT the copy may still be stored, and
/// the message acknowledged then. The message still has to be freed.
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
/// id in base64, or with `after` 1 the one after that message. Once it returns, no message from before is delivered.
/// Other consumers of the subscription are moved with it. On a partitioned topic an id moves its partition; several
/// topics move to the ends and times only; not for patterns, nor for subscriptions that are not durable.
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

/// As `stargate_consumer_seek`, to the first message that was published at `time_ms` (since 1970 UTC) or later.
///
/// Thread-safe; blocks. Errors: as there.
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

/// The ids of the last messages of the topic, one for each partition that has any, as a JSON array of texts in `*out`
/// for `stargate_string_free`.
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

/// Returns how many messages the subscription has not acknowledged, those in hand included, in `*out`: 0 is caught up.
/// It is the broker's count, in which a batch is one. Not for patterns.
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

/// With the option pull_mode, asks for `messages` (1 to 100000) more than the window gives by itself, on each
/// connection.
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

/// Deletes the subscription and closes the consumer. When other consumers are on the subscription it fails, and this
/// one goes on.
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
/// Thread-safe; blocks, since the server is asked. Errors: STARGATE_TIMEOUT, STARGATE_CLOSED.
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

/// The full name of its topic; of several topics, of the first of them, and for a pattern, a name that stands for it.
/// `ptr` is NULL for NULL.
///
/// Thread-safe. A view of the consumer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_topic(consumer: *const stargate_consumer) -> stargate_str {
    // SAFETY: NULL or live, by the rules of the header.
    unsafe { handle_ops::topic(consumer) }
}

/// The name of its subscription. `ptr` is NULL for NULL.
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

/// Waits until it is connected, as after an open with the option lazy.
///
/// Thread-safe; blocks. Errors: STARGATE_TIMEOUT, or what ended it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_wait_connected(
    consumer: *mut stargate_consumer,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { handle_ops::wait_connected(consumer, timeout_ms, error) }
}

/// 1 when it is connected now, with all of its connections, otherwise 0; 0 for NULL.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_is_connected(consumer: *const stargate_consumer) -> i32 {
    // SAFETY: NULL or live, by the rules of the header.
    unsafe { handle_ops::is_connected(consumer) }
}

/// Its counters as a JSON object, in `*out` for `stargate_string_free`.
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

/// Stops delivery, lets handlers finish what they have, sends the acknowledgements, and closes the connections, within
/// `timeout_ms`. After STARGATE_OK no handler runs, and every `drop` and `destroy` of one has run. The handle still has
/// to be freed.
///
/// Thread-safe; blocks. May be called more than once, and in the handler itself: there it does not wait for it, and the
/// promise holds when the handler returns. Errors: STARGATE_TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_close(
    consumer: *mut stargate_consumer,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { handle_ops::close(consumer, timeout_ms, error) }
}

/// Frees a consumer, closing it first if that was not done: it waits for a handler that runs, and for nothing else.
/// NULL does nothing.
///
/// Thread-safe; may be called in the handler itself, for which it then does not wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_consumer_free(consumer: *mut stargate_consumer) {
    // SAFETY: NULL or live, and freed once, by the rules of the header.
    unsafe { handle_ops::free(consumer) }
}
