//! The status numbers and the error object.

use std::ffi::c_char;

use stargate_core::{Error, ErrorKind};

use crate::util::boundary::{enter_or, write_fields};
use crate::util::handle::{self, Handle};
use crate::util::values::{Text, stargate_str};

/// The outcome of a call: 0 for success; positive for outcomes that a correct program meets in normal running (time
/// over, closed, end of topic); negative for faults. Later versions may add numbers: treat an unknown one as a fault.
pub type stargate_status = i32;

/// Success.
pub const STARGATE_OK: stargate_status = 0;
/// The time limit passed. If a send was already written, the message may still be stored.
pub const STARGATE_TIMEOUT: stargate_status = 1;
/// The handle was closed, by the caller or by an error reported earlier.
pub const STARGATE_CLOSED: stargate_status = 2;
/// The topic was terminated and everything in it has been read.
pub const STARGATE_END_OF_TOPIC: stargate_status = 3;
/// The application interrupted the receive, which took no message; the handle goes on.
pub const STARGATE_INTERRUPTED: stargate_status = 4;
/// An argument or an option was not acceptable; nothing was done.
pub const STARGATE_INVALID_ARGUMENT: stargate_status = -1;
/// No host could be reached, or a connection broke and could not be restored.
pub const STARGATE_CONNECT: stargate_status = -2;
/// The server rejected the client's credentials (HTTP 401, or TLS).
pub const STARGATE_AUTHENTICATION: stargate_status = -3;
/// The server accepted the credentials and refuses the operation (HTTP 403).
pub const STARGATE_AUTHORIZATION: stargate_status = -4;
/// The tenant, the namespace or the topic does not exist (HTTP 404).
pub const STARGATE_NOT_FOUND: stargate_status = -5;
/// Another client holds the subscription or the producer name (HTTP 409).
pub const STARGATE_BUSY: stargate_status = -6;
/// As many messages are in flight as max_pending_msg or max_pending_bytes allow.
pub const STARGATE_QUEUE_FULL: stargate_status = -7;
/// The message is larger than the server's limit for one frame or one message.
pub const STARGATE_TOO_BIG: stargate_status = -8;
/// The broker refused or failed the operation; its own words are in stargate_error_broker_text.
pub const STARGATE_BROKER: stargate_status = -9;
/// The peer sent something that is not Pulsar's WebSocket API.
pub const STARGATE_PROTOCOL: stargate_status = -10;
/// The connection broke after the message was written and before its receipt: it may be stored or not.
pub const STARGATE_OUTCOME_UNKNOWN: stargate_status = -11;
/// The topic was terminated: nothing can be published to it any more.
pub const STARGATE_TOPIC_TERMINATED: stargate_status = -12;
/// The handle belongs to the process before fork; open a new client in the child.
pub const STARGATE_FORKED: stargate_status = -13;
/// The wait could never end, because the calling thread would have to do the work that it waits for.
pub const STARGATE_WOULD_DEADLOCK: stargate_status = -14;
/// A key of end-to-end encryption could not be fetched or used, or a payload could not be encrypted or decrypted.
pub const STARGATE_CRYPTO: stargate_status = -15;
/// A fault of the library itself, or a callback that broke its contract.
pub const STARGATE_INTERNAL: stargate_status = -99;

/// Every number beside the kind of the core that it stands for, and its name in C.
const STATUSES: [(stargate_status, ErrorKind, &str); 20] = [
    (STARGATE_TIMEOUT, ErrorKind::Timeout, "STARGATE_TIMEOUT\0"),
    (STARGATE_CLOSED, ErrorKind::Closed, "STARGATE_CLOSED\0"),
    (STARGATE_END_OF_TOPIC, ErrorKind::EndOfTopic, "STARGATE_END_OF_TOPIC\0"),
    (STARGATE_INTERRUPTED, ErrorKind::Interrupted, "STARGATE_INTERRUPTED\0"),
    (STARGATE_INVALID_ARGUMENT, ErrorKind::InvalidArgument, "STARGATE_INVALID_ARGUMENT\0"),
    (STARGATE_CONNECT, ErrorKind::Connect, "STARGATE_CONNECT\0"),
    (STARGATE_AUTHENTICATION, ErrorKind::Authentication, "STARGATE_AUTHENTICATION\0"),
    (STARGATE_AUTHORIZATION, ErrorKind::Authorization, "STARGATE_AUTHORIZATION\0"),
    (STARGATE_NOT_FOUND, ErrorKind::NotFound, "STARGATE_NOT_FOUND\0"),
    (STARGATE_BUSY, ErrorKind::Busy, "STARGATE_BUSY\0"),
    (STARGATE_QUEUE_FULL, ErrorKind::QueueFull, "STARGATE_QUEUE_FULL\0"),
    (STARGATE_TOO_BIG, ErrorKind::TooBig, "STARGATE_TOO_BIG\0"),
    (STARGATE_BROKER, ErrorKind::Broker, "STARGATE_BROKER\0"),
    (STARGATE_PROTOCOL, ErrorKind::Protocol, "STARGATE_PROTOCOL\0"),
    (STARGATE_OUTCOME_UNKNOWN, ErrorKind::OutcomeUnknown, "STARGATE_OUTCOME_UNKNOWN\0"),
    (STARGATE_TOPIC_TERMINATED, ErrorKind::TopicTerminated, "STARGATE_TOPIC_TERMINATED\0"),
    (STARGATE_FORKED, ErrorKind::Forked, "STARGATE_FORKED\0"),
    (STARGATE_WOULD_DEADLOCK, ErrorKind::WouldDeadlock, "STARGATE_WOULD_DEADLOCK\0"),
    (STARGATE_CRYPTO, ErrorKind::Crypto, "STARGATE_CRYPTO\0"),
    (STARGATE_INTERNAL, ErrorKind::Internal, "STARGATE_INTERNAL\0"),
];

// A number that drifts from the core's does not compile, nor does a kind that is missing here.
const _: () = {
    assert!(STATUSES.len() == ErrorKind::ALL.len());
    let mut index = 0;
    while index < STATUSES.len() {
        assert!(STATUSES[index].0 == STATUSES[index].1 as i32);
        assert!(STATUSES[index].0 == ErrorKind::ALL[index] as i32);
        index += 1;
    }
};

/// Returns the name of a status, such as "STARGATE_TIMEOUT"; "STARGATE_UNKNOWN" for a number that this version does not
/// have.
///
/// Thread-safe. The text is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn stargate_status_name(status: stargate_status) -> *const c_char {
    let found = STATUSES.iter().find(|(number, _, _)| *number == status).map(|(_, _, name)| *name);
    let name = if status == STARGATE_OK { "STARGATE_OK\0" } else { found.unwrap_or("STARGATE_UNKNOWN\0") };
    name.as_ptr().cast()
}

/// Why a call failed: what was being done, to which topic, and every cause that is known.
///
/// The caller that received it through a `stargate_error **` frees it; one passed to a callback lives for that call.
pub struct stargate_error {
    _private: [u8; 0],
}

/// What is behind a `stargate_error`.
pub(crate) struct Inner {
    error: Error,
    message: Text,
    topic: Option<Text>,
    broker_text: Option<Text>,
}

// SAFETY: `into_raw` below and callbacks give nothing else to C.
unsafe impl Handle for stargate_error {
    type Inner = Inner;
}

impl Inner {
    pub(crate) fn new(error: Error) -> Inner {
        Inner {
            message: Text::new(error.to_string()),
            topic: error.topic().map(Text::new),
            broker_text: error.broker_text().map(Text::new),
            error,
        }
    }

    /// For a callback, as long as this lives.
    pub(crate) fn as_ptr(&self) -> *const stargate_error {
        std::ptr::from_ref(self).cast()
    }
}

/// An error for C to free.
pub(crate) fn into_raw(error: Error) -> *mut stargate_error {
    handle::into_raw(Inner::new(error))
}

/// Returns the kind of failure, for programs to act on. STARGATE_OK for NULL.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_error_status(error: *const stargate_error) -> stargate_status {
    // SAFETY: NULL or live, by the rules of the header.
    enter_or(STARGATE_OK, || unsafe { handle::optional(error) }.map_or(STARGATE_OK, |inner| inner.error.kind().code()))
}

/// Returns the full description on one line: the operation, the topic and every cause, such as "send to
/// persistent://public/default/orders: proxy closed the connection (1009): ...". Empty for NULL.
///
/// Thread-safe. A view of the error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_error_message(error: *const stargate_error) -> stargate_str {
    const EMPTY: stargate_str = stargate_str { ptr: c"".as_ptr(), len: 0 };
    // SAFETY: NULL or live, by the rules of the header.
    enter_or(EMPTY, || unsafe { handle::optional(error) }.map_or(EMPTY, |inner| inner.message.view()))
}

/// Returns the full name of the topic concerned; `ptr` is NULL if there is none, and for NULL.
///
/// Thread-safe. A view of the error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_error_topic(error: *const stargate_error) -> stargate_str {
    // SAFETY: NULL or live, by the rules of the header.
    view(unsafe { handle::optional(error) }, |inner| inner.topic.as_ref())
}

/// Returns the server's own words: the errorMsg of a receipt, the reason of a close, or the message of an HTTP error
/// page. `ptr` is NULL if there are none, and for NULL.
///
/// Thread-safe. A view of the error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_error_broker_text(error: *const stargate_error) -> stargate_str {
    // SAFETY: NULL or live, by the rules of the header.
    view(unsafe { handle::optional(error) }, |inner| inner.broker_text.as_ref())
}

fn view(error: Option<&Inner>, part: impl FnOnce(&Inner) -> Option<&Text>) -> stargate_str {
    enter_or(stargate_str::NONE, || error.and_then(part).map_or(stargate_str::NONE, Text::view))
}

/// Returns the HTTP status with which the server refused the connection, or 0.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_error_http_status(error: *const stargate_error) -> i32 {
    // SAFETY: NULL or live, by the rules of the header.
    enter_or(0, || unsafe { handle::optional(error) }.and_then(|inner| inner.error.http_status()).map_or(0, i32::from))
}

/// Returns 1 if the same call may succeed later without a change by the caller, otherwise 0. After STARGATE_TIMEOUT and
/// STARGATE_OUTCOME_UNKNOWN a second send can store the message twice.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_error_is_retriable(error: *const stargate_error) -> i32 {
    // SAFETY: NULL or live, by the rules of the header.
    enter_or(0, || unsafe { handle::optional(error) }.map_or(0, |inner| i32::from(inner.error.is_retriable())))
}

/// Everything that an error holds, flat: for languages to which a struct by value, or a call for each field, is costly. What
/// it points to lives as long as the error. Texts are UTF-8, and no 0 ends them; a missing one is NULL.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stargate_error_fields {
    /// The full description, as `stargate_error_message` returns it.
    pub message: *const c_char,
    /// The number of bytes of the description.
    pub message_len: usize,
    /// The full name of the topic concerned, or NULL.
    pub topic: *const c_char,
    /// The number of bytes of the topic's name.
    pub topic_len: usize,
    /// The server's own words, or NULL.
    pub broker_text: *const c_char,
    /// The number of bytes of the server's words.
    pub broker_text_len: usize,
    /// The kind of failure.
    pub status: stargate_status,
    /// The HTTP status with which the server refused the connection, or 0.
    pub http_status: i32,
    /// 1 if the same call may succeed later without a change by the caller, otherwise 0.
    pub is_retriable: i32,
}

impl stargate_error_fields {
    fn of(inner: Option<&Inner>) -> stargate_error_fields {
        let view = |text: Option<&Text>| text.map_or(stargate_str::NONE, Text::view);
        let message = view(inner.map(|inner| &inner.message));
        let topic = view(inner.and_then(|inner| inner.topic.as_ref()));
        let broker_text = view(inner.and_then(|inner| inner.broker_text.as_ref()));
        let error = inner.map(|inner| &inner.error);
        stargate_error_fields {
            message: message.ptr,
            message_len: message.len,
            topic: topic.ptr,
            topic_len: topic.len,
            broker_text: broker_text.ptr,
            broker_text_len: broker_text.len,
            status: error.map_or(STARGATE_OK, |error| error.kind().code()),
            http_status: error.and_then(Error::http_status).map_or(0, i32::from),
            is_retriable: error.map_or(0, |error| error.is_retriable().into()),
        }
    }
}

/// Writes what an error holds to `*fields`, which has `size` bytes, sizeof(stargate_error_fields): a library with more
/// fields writes no more than that, and one with fewer sets the rest to 0. For NULL the status is STARGATE_OK and there
/// are no texts.
///
/// Thread-safe. A view of the error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_error_view(
    error: *const stargate_error,
    fields: *mut stargate_error_fields,
    size: usize,
) {
    enter_or((), || {
        if !fields.is_null() {
            // SAFETY: NULL or live, by the rules of the header, and `fields` has `size` bytes.
            unsafe { write_fields(fields.cast(), size, &stargate_error_fields::of(handle::optional(error))) }
        }
    });
}

/// Frees an error that came through a `stargate_error **`. NULL does nothing.
///
/// Thread-safe, but not while another thread reads the same error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_error_free(error: *mut stargate_error) {
    // SAFETY: NULL or live, and freed once, by the rules of the header.
    enter_or((), || drop(unsafe { handle::take(error) }));
}
