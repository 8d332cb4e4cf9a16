//! Messages as they are stored, and their ids.

use std::ffi::c_char;

use stargate_core::{InitialPosition, MessageId};

use super::call;
use crate::client::stargate_client;
use crate::error::{stargate_error, stargate_status};
use crate::message::stargate_message;
use crate::util::boundary::{count, invalid, text};
use crate::util::time;

/// As C gets it: there may be none.
pub(super) fn id_text(id: Option<MessageId>) -> Option<String> {
    id.map(|id| id.as_str().to_owned())
}

/// Returns the id of the last message; NULL if the topic has none. For a partitioned topic, query each partition. For
/// `stargate_string_free`.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_last_message_id(
    client: *mut stargate_client,
    topic: *const c_char,
    timeout_ms: i64,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::text(client, timeout_ms, out, error, async |admin| {
            admin.last_message_id(text(topic, "topic")?).await.map(id_text)
        })
    }
}

/// Returns the id of the first message published at `time_ms` or later; if there is none, of the position after the
/// last message. For `stargate_string_free`.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_message_id_at(
    client: *mut stargate_client,
    topic: *const c_char,
    time_ms: i64,
    timeout_ms: i64,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::text(client, timeout_ms, out, error, async |admin| {
            admin.message_id_at(text(topic, "topic")?, time::since_epoch("time_ms", time_ms)?).await.map(id_text)
        })
    }
}

/// Returns the messages of the entry that holds a message: the message itself, or its batch. `out` has room for `max`
/// messages.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_read_entry(
    client: *mut stargate_client,
    topic: *const c_char,
    message_id: *const c_char,
    timeout_ms: i64,
    max: usize,
    out: *mut *mut stargate_message,
    out_count: *mut usize,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::messages(client, timeout_ms, max, out, out_count, error, async |admin| {
            let id = text(message_id, "message_id")?.parse()?;
            admin.read_entry(text(topic, "topic")?, &id).await
        })
    }
}

/// Returns the messages of the entry at `nth`, counted from 1 at "earliest" or "latest"; none if the topic has none.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_examine_message(
    client: *mut stargate_client,
    topic: *const c_char,
    start: *const c_char,
    nth: i64,
    timeout_ms: i64,
    max: usize,
    out: *mut *mut stargate_message,
    out_count: *mut usize,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::messages(client, timeout_ms, max, out, out_count, error, async |admin| {
            let start = match text(start, "start")? {
                "earliest" => InitialPosition::Earliest,
                "latest" => InitialPosition::Latest,
                other => return Err(invalid(format!("start {other:?}: expected earliest or latest"))),
            };
            let entry = admin.examine_message(text(topic, "topic")?, start, count("nth", nth)?).await?;
            Ok(entry.unwrap_or_default())
        })
    }
}

/// Returns the next messages that a subscription has not acknowledged, without consuming them. It takes one request for
/// each entry. `out` has room for `max` messages; `*out_count` is how many were written. Free them with
/// `stargate_messages_free`.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_peek(
    client: *mut stargate_client,
    topic: *const c_char,
    subscription: *const c_char,
    timeout_ms: i64,
    max: usize,
    out: *mut *mut stargate_message,
    out_count: *mut usize,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::messages(client, timeout_ms, max, out, out_count, error, async |admin| {
            admin.peek(text(topic, "topic")?, text(subscription, "subscription")?, max).await
        })
    }
}

/// Returns the messages of the entry at `nth`, counted from 1, among those that a subscription has not acknowledged,
/// without consuming them. It is one message, or the first `max` of a batch; none past the end. For a partitioned
/// topic, query each partition.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_peek_entry(
    client: *mut stargate_client,
    topic: *const c_char,
    subscription: *const c_char,
    nth: i64,
    timeout_ms: i64,
    max: usize,
    out: *mut *mut stargate_message,
    out_count: *mut usize,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::messages(client, timeout_ms, max, out, out_count, error, async |admin| {
            let entry =
                admin.peek_entry(text(topic, "topic")?, text(subscription, "subscription")?, count("nth", nth)?);
            Ok(entry.await?.unwrap_or_default())
        })
    }
}
