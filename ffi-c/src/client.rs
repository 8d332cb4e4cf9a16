//! The client: where the servers are, and everything that is opened through it.

use std::ffi::{c_char, c_void};

use stargate_core::{Client, blocking};

use crate::error::{stargate_error, stargate_status};
use crate::options::{options_or_default, stargate_options};
use crate::util::boundary::{self, Out, enter, enter_or};
use crate::util::completion::{Done, stargate_done_fn};
use crate::util::handle::{self, Handle, OfProcess};
use crate::util::time;
use crate::util::user_data::UserData;
use crate::util::values::{owned_string, stargate_destroy_fn};

/// A client of a Pulsar cluster. It opens no connection itself: each producer, consumer and reader has its own.
pub struct stargate_client {
    _private: [u8; 0],
}

// SAFETY: `stargate_client_new` gives nothing else to C.
unsafe impl Handle for stargate_client {
    type Inner = OfProcess<Client>;
}

/// Creates a client for the servers at `url`: "ws://host:port" or "wss://host:port", several hosts separated by commas.
/// `options` are those of connections, inherited by everything that the client opens; NULL for the defaults. It does
/// not connect.
///
/// Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for a bad URL, option or TLS file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_client_new(
    url: *const c_char,
    options: *const stargate_options,
    out: *mut *mut stargate_client,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let client = Client::new(boundary::text(url, "url")?, options_or_default(options))?;
            out.set(handle::into_raw(OfProcess::new(client)));
            Ok(())
        })
    }
}

/// Runs the callbacks and handlers that are due, on the calling thread, with `stargate_options_poll_callbacks`. It
/// waits at most `timeout_ms` for the first of them. `*served` is how many ran; 0 is no error. `served` may be NULL.
///
/// Thread-safe; blocks. One thread at a time runs callbacks. Errors: STARGATE_CLOSED after the close of the client, when
/// none is left; STARGATE_WOULD_DEADLOCK in a callback; STARGATE_INVALID_ARGUMENT for a client that has a thread for
/// callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_client_poll(
    client: *mut stargate_client,
    timeout_ms: i64,
    served: *mut usize,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let served = Out::optional(served, 0);
            let client = handle::inner(client, "client")?.get()?;
            served.set(client.poll_callbacks(time::timeout(timeout_ms)?)?);
            Ok(())
        })
    }
}

/// Returns in `*out` a file descriptor that is readable while callbacks are due, with
/// `stargate_options_poll_callbacks`. Watch it with poll, epoll, libuv, GLib and the like, and call
/// `stargate_client_poll` when it is readable.
///
/// It is a socket that does not block. A loop that reads from it may do so, if it polls after each read until nothing is
/// served: the bytes mean nothing, and no more may come for what is due already. Do not write to it. It belongs to the
/// client, and is closed when the client and all of its handles are freed: give a loop that closes it, or that may
/// outlive the client, a dup of it.
///
/// Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for a client that has a thread for callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_client_event_fd(
    client: *mut stargate_client,
    out: *mut i32,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::new(out, -1, "out")?;
            let client = handle::inner(client, "client")?.get()?;
            let descriptor = client.callbacks_fd().ok_or_else(|| {
                boundary::invalid("the client runs its callbacks on a thread; see stargate_options_poll_callbacks")
            })?;
            out.set(descriptor);
            Ok(())
        })
    }
}

/// Returns the counters of everything opened through this client, closed handles included, as a JSON object in `*out`.
/// Counts are since the client was created; gauges are of what is open now. Free it with `stargate_string_free`.
///
/// Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_client_stats_json(
    client: *const stargate_client,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let client = handle::inner(client, "client")?.get()?;
            out.set(owned_string(&client.stats().to_json())?);
            Ok(())
        })
    }
}

/// Returns in `*out` the proxy of this client's WebSockets, such as "http://squid:3128", without its user and password.
/// It is empty if every host is reached directly. Free it with `stargate_string_free`. Of several hosts some may be
/// reached directly; `stargate_state_change` has the proxy of each connection.
///
/// Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_client_proxy(
    client: *const stargate_client,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let client = handle::inner(client, "client")?.get()?;
            out.set(owned_string(&client.proxy().unwrap_or_default())?);
            Ok(())
        })
    }
}

/// Closes everything opened through this client, each as its own close does, within `timeout_ms`. After STARGATE_OK no
/// callback runs any more. The caller still frees the handles.
///
/// Thread-safe; blocks. May be called in a callback, and more than once. Errors: STARGATE_TIMEOUT if a handle could not
/// be closed in time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_client_close(
    client: *mut stargate_client,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let client = handle::inner(client, "client")?.get()?;
            blocking::wait(client.close(time::limit(timeout_ms)?), None)
        })
    }
}

/// Closes the client as `stargate_client_close` does, but does not wait. It calls `on_done` exactly once, after every other
/// callback of the client, unless this call fails. With polled callbacks, poll until then. The caller still frees the
/// handles.
///
/// Thread-safe; never blocks. May be called in a callback. Errors: STARGATE_INVALID_ARGUMENT. To `on_done`:
/// STARGATE_TIMEOUT if a handle could not be closed in time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_client_close_async(
    client: *mut stargate_client,
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
            let (done, limit) = (Done::new(on_done, user_data)?, time::limit(timeout_ms)?);
            client.close_with(limit, |closed| done.ended(closed))
        })
    }
}

/// Frees a client. NULL does nothing. Handles opened through it continue until they are closed or freed themselves.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_client_free(client: *mut stargate_client) {
    // SAFETY: NULL or live, and freed once, by the rules of the header.
    enter_or((), || drop(unsafe { handle::take(client) }));
}

/// Frees a client as `stargate_client_free` does, but never waits, and runs nothing of the application on this thread. It
/// is for finalizers. NULL does nothing.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_client_release(client: *mut stargate_client) {
    // SAFETY: NULL or live, and freed once, by the rules of the header.
    unsafe { handle::release(client) }
}
