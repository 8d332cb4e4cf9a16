//! The reader: reads a topic from a position, without a subscription.

use std::ffi::{c_char, c_void};

use stargate_core::{Reader, blocking};

use crate::client::stargate_client;
use crate::error::{stargate_error, stargate_status};
use crate::message::{self, stargate_message};
use crate::options::{options_or_default, stargate_options};
use crate::util::boundary::{self, Out, enter, enter_or, enter_receive};
use crate::util::completion::{Done, stargate_done_fn, stargate_received_fn};
use crate::util::handle::{self, Handle, OfProcess};
use crate::util::handler::stargate_handler;
use crate::util::user_data::UserData;
use crate::util::values::{stargate_destroy_fn, stargate_str};
use crate::util::{handle_ops, receiving, seek, time};

/// Reads a topic from the option starting_message ("earliest", "latest" or after an id), without a subscription. After
/// a reconnect it continues after the last message, with neither a gap nor a replay.
pub struct stargate_reader {
    _private: [u8; 0],
}

// SAFETY: `stargate_reader_open` gives nothing else to C.
unsafe impl Handle for stargate_reader {
    type Inner = OfProcess<Reader>;
}

/// Opens a reader, and waits until it is connected unless the option lazy is set. On a partitioned topic it has one
/// connection for each partition. NULL `options` are the client's options and the defaults. The option connect_timeout
/// bounds the attempt at each host; `timeout_ms` bounds the whole call, and -1 adds no bound.
///
/// Thread-safe; blocks. Errors: STARGATE_CONNECT, STARGATE_AUTHENTICATION, STARGATE_AUTHORIZATION, STARGATE_NOT_FOUND,
/// STARGATE_INVALID_ARGUMENT, STARGATE_TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_reader_open(
    client: *mut stargate_client,
    topic: *const c_char,
    options: *const stargate_options,
    timeout_ms: i64,
    out: *mut *mut stargate_reader,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let client = handle::inner(client, "client")?.get()?;
            let topic = boundary::text(topic, "topic")?;
            let opened = client.reader(topic, options_or_default(options));
            let reader = blocking::wait(opened, time::timeout(timeout_ms)?)
                .map_err(|error| error.during("open reader").on_topic(topic))?;
            out.set(handle::into_raw(OfProcess::new(reader)));
            Ok(())
        })
    }
}

/// Opens a reader as `stargate_reader_open` does, but does not wait. It calls `on_done` exactly once, with the reader or
/// the error, unless this call fails. A close of the client ends it with STARGATE_CLOSED.
///
/// Thread-safe; never blocks. Errors: STARGATE_INVALID_ARGUMENT. To `on_done`: as `stargate_reader_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_reader_open_async(
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
            let open = async move { opening.reader(topic, options).await };
            client.complete_with(open, timeout, move |opened| {
                let opened = opened.map_err(|error| error.during("open reader").on_topic(&shown));
                done.opened::<stargate_reader>(opened.map(OfProcess::new));
            })
        })
    }
}

/// Waits for the next message and returns it in `*out`, for the caller to free. If none arrives within `timeout_ms`,
/// the result is STARGATE_TIMEOUT without an error object.
///
/// Receiving and a handler exclude each other. Thread-safe; blocks. Errors: STARGATE_CLOSED, STARGATE_INVALID_ARGUMENT,
/// or what ended the reader.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_reader_receive(
    reader: *mut stargate_reader,
    timeout_ms: i64,
    out: *mut *mut stargate_message,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { receiving::receive(reader, timeout_ms, out, error) }
}

/// Waits for the next message, and returns it with those that have already arrived, up to `max`. `out` has room for
/// `max` messages; `*out_count` is how many were written. Free them with `stargate_messages_free`. If none arrives
/// within `timeout_ms`, the result is STARGATE_TIMEOUT without an error object.
///
/// Receiving and a handler exclude each other. Thread-safe; blocks. Errors: as `stargate_reader_receive`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_reader_receive_many(
    reader: *mut stargate_reader,
    max: usize,
    timeout_ms: i64,
    out: *mut *mut stargate_message,
    out_count: *mut usize,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { receiving::receive_many(reader, max, timeout_ms, out, out_count, error) }
}

/// Receives as `stargate_reader_receive_many` does, but does not wait. It calls `on_received` exactly once, with 1 to `max`
/// messages, with STARGATE_TIMEOUT if none arrives within `timeout_ms`, or with what ended it, unless this call fails. A
/// close or a free ends it with STARGATE_CLOSED, and waits for that call. Messages of calls that wait together come in
/// no order.
///
/// Receiving and a handler exclude each other. Thread-safe; never blocks. Errors: STARGATE_INVALID_ARGUMENT, or what ended
/// the reader, such as STARGATE_CLOSED. To `on_received`: as `stargate_reader_receive`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_reader_receive_async(
    reader: *mut stargate_reader,
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
        receiving::receive_async(reader, max, timeout_ms, on_received, user_data, error)
    }
}

/// Ends every receive of the reader that waits now with STARGATE_INTERRUPTED, which has no error object. If none waits,
/// the next receive ends so, even if messages are there, so that no interrupt comes too early. An interrupted receive
/// takes no message, and the reader goes on. Handlers are not interrupted.
///
/// Thread-safe, but not for signal handlers. Errors: STARGATE_INVALID_ARGUMENT for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_reader_interrupt(
    reader: *mut stargate_reader,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { receiving::interrupt(reader, error) }
}

/// Runs a handler on every message until the reader is closed. The option processors sets the number of threads. The
/// call returns once each processor has made its state. If it fails after a processor has begun, the reader is no
/// longer usable.
///
/// Receiving and a handler exclude each other, and there can be one handler. Thread-safe; waits for callbacks, those of `init`.
/// Errors: STARGATE_INVALID_ARGUMENT, STARGATE_CLOSED, or what `init` returned. `destroy` runs after an error too; otherwise
/// once the reader is closed and every processor has ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_reader_listen(
    reader: *mut stargate_reader,
    handler: *const stargate_handler,
    user_data: *mut c_void,
    destroy: stargate_destroy_fn,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { receiving::listen(reader, handler, user_data, destroy, error) }
}

/// Checks whether the topic was terminated and everything in it has been read: `*out` is 1 or 0.
///
/// Thread-safe; blocks, since it queries the server. Errors: STARGATE_TIMEOUT, STARGATE_CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_reader_is_end_of_topic(
    reader: *mut stargate_reader,
    timeout_ms: i64,
    out: *mut i32,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { receiving::is_end_of_topic(reader, timeout_ms, out, error) }
}

/// Moves to another position in the topic: the next message is the one at `position`, "earliest", "latest" or a message
/// id in base64, or with `after` 1 the one after that message. Once it returns, no message from before the seek is
/// delivered. On a partitioned topic an id moves its partition.
///
/// Thread-safe; blocks. Errors: STARGATE_INVALID_ARGUMENT, STARGATE_TIMEOUT, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_reader_seek(
    reader: *mut stargate_reader,
    position: *const c_char,
    after: i32,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { seek::seek(reader, position, after, timeout_ms, error) }
}

/// As `stargate_reader_seek`, but to the first message published at or after `time_ms`, in milliseconds since 1970 UTC.
///
/// Thread-safe; blocks. Errors: as `stargate_reader_seek`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_reader_seek_time(
    reader: *mut stargate_reader,
    time_ms: i64,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { seek::seek_time(reader, time_ms, timeout_ms, error) }
}

/// Returns the ids of the last messages of the topic, one for each partition that has any, as a JSON array of texts in
/// `*out`. Free it with `stargate_string_free`.
///
/// Thread-safe; blocks. Errors: STARGATE_TIMEOUT, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_reader_last_message_ids_json(
    reader: *mut stargate_reader,
    timeout_ms: i64,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { seek::last_message_ids_json(reader, timeout_ms, out, error) }
}

/// Checks whether the topic has a message that the application has not received yet: `*out` is 1 or 0.
///
/// Thread-safe; blocks, since it queries the broker. Errors: STARGATE_TIMEOUT, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_reader_has_message_available(
    reader: *mut stargate_reader,
    timeout_ms: i64,
    out: *mut i32,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::new(out, 0, "out")?;
            let reader = handle_ops::of(reader)?;
            out.set(blocking::wait(reader.has_message_available(), time::timeout(timeout_ms)?)?.into());
            Ok(())
        })
    }
}

/// Marks where the topic ends now, to read up to there:
///
/// stargate_reader_mark_end(reader, 10000, &error); while (stargate_reader_receive_before_end(reader, -1, &message,
/// &error) == STARGATE_OK && message != NULL) { ... stargate_message_free(message); }
///
/// Thread-safe; blocks, since it queries the broker. Errors: STARGATE_TIMEOUT, STARGATE_CONNECT, and those of the REST
/// API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_reader_mark_end(
    reader: *mut stargate_reader,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { enter(error, || blocking::wait(handle_ops::of(reader)?.mark_end(), time::timeout(timeout_ms)?)) }
}

/// Waits for the next message before the end that `stargate_reader_mark_end` marked, and returns it in `*out` for the
/// caller to free. STARGATE_OK with NULL in `*out` means that the application has received everything up to that end.
/// If none arrives within `timeout_ms`, the result is STARGATE_TIMEOUT without an error object.
///
/// On a partitioned topic, messages after the mark of one partition may arrive while others have not reached theirs.
/// Where the server's delivery stopped at a message without a value (a tombstone), and the option skip_tombstones is
/// not set, the error is STARGATE_BROKER and names it; `stargate_reader_seek` skips it.
///
/// Receiving and a handler exclude each other. Thread-safe; blocks. Errors: STARGATE_BROKER, STARGATE_CLOSED,
/// STARGATE_INVALID_ARGUMENT, or what ended the reader.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_reader_receive_before_end(
    reader: *mut stargate_reader,
    timeout_ms: i64,
    out: *mut *mut stargate_message,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter_receive(error, || {
            let out = Out::pointer(out, "out")?;
            let reader = handle_ops::of(reader)?;
            if let Some(message) = blocking::wait(reader.receive_before_end(), time::timeout(timeout_ms)?)? {
                out.set(message::into_raw(message));
            }
            Ok(())
        })
    }
}

/// Checks whether the application has taken everything up to the end that `stargate_reader_mark_end` marked: 1 or 0. It
/// sends no request. 1 without a mark, and for NULL; 0 in a child after a fork.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_reader_is_caught_up(reader: *const stargate_reader) -> i32 {
    enter_or(1, || {
        // SAFETY: NULL or live, by the rules of the header.
        let Some(owned) = (unsafe { handle::optional(reader) }) else { return 1 };
        owned.get().map_or(0, |reader| reader.is_caught_up().into())
    })
}

/// Returns the full name of the topic. `ptr` is NULL for NULL.
///
/// Thread-safe. A view of the reader.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_reader_topic(reader: *const stargate_reader) -> stargate_str {
    // SAFETY: NULL or live, by the rules of the header.
    unsafe { handle_ops::topic(reader) }
}

/// Waits until the handle is connected, for example after an open with the option lazy.
///
/// Thread-safe; blocks. Errors: STARGATE_TIMEOUT, or the error that ended the handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_reader_wait_connected(
    reader: *mut stargate_reader,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { handle_ops::wait_connected(reader, timeout_ms, error) }
}

/// Returns 1 if all connections of the handle are up now, otherwise 0; 0 for NULL.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_reader_is_connected(reader: *const stargate_reader) -> i32 {
    // SAFETY: NULL or live, by the rules of the header.
    unsafe { handle_ops::is_connected(reader) }
}

/// Returns the counters of the handle as a JSON object in `*out`. Free it with `stargate_string_free`.
///
/// Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_reader_stats_json(
    reader: *const stargate_reader,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { handle_ops::stats_json(reader, out, error) }
}

/// Stops delivery, lets handlers finish their messages, and closes the connections, within `timeout_ms`. After
/// STARGATE_OK no handler runs, and every `drop` and `destroy` of a handler has run. The caller still frees the reader.
///
/// Thread-safe; blocks. May be called more than once, and in the handler itself. There it does not wait for that
/// handler, and the promise holds once the handler returns. Errors: STARGATE_TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_reader_close(
    reader: *mut stargate_reader,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { handle_ops::close(reader, timeout_ms, error) }
}

/// Closes the reader as `stargate_reader_close` does, but does not wait. It calls `on_done` exactly once, after every
/// other callback of the reader, unless this call fails. The caller still frees the reader.
///
/// Thread-safe; never blocks. May be called in a callback. Errors: STARGATE_INVALID_ARGUMENT. To `on_done`:
/// STARGATE_TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_reader_close_async(
    reader: *mut stargate_reader,
    timeout_ms: i64,
    on_done: stargate_done_fn,
    user_data: *mut c_void,
    destroy: stargate_destroy_fn,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { handle_ops::close_async(reader, timeout_ms, on_done, UserData::new(user_data, destroy), error) }
}

/// Frees a reader, and closes it first if it is open. It waits for a running handler and for nothing else. NULL does
/// nothing.
///
/// Thread-safe; waits for callbacks. May be called in the handler itself; it does not wait for that handler.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_reader_free(reader: *mut stargate_reader) {
    // SAFETY: NULL or live, and freed once, by the rules of the header.
    unsafe { handle_ops::free(reader) }
}

/// Frees a reader as `stargate_reader_free` does, but never waits, and runs nothing of the application on this thread. It
/// is for finalizers. The reader is closed in the background; a handler that runs ends first, and the
/// destroy of its user_data tells when. NULL does nothing.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_reader_release(reader: *mut stargate_reader) {
    // SAFETY: NULL or live, and freed once, by the rules of the header.
    unsafe { handle_ops::release(reader) }
}
