//! What the broker counts.

use std::ffi::c_char;

use super::call;
use crate::client::stargate_client;
use crate::error::{stargate_error, stargate_status};
use crate::util::boundary::text;

/// Returns the statistics of a topic, or of all its partitions together and of each, in the broker's JSON. For
/// `stargate_string_free`.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_topic_stats(
    client: *mut stargate_client,
    topic: *const c_char,
    timeout_ms: i64,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::text(client, timeout_ms, out, error, async |admin| {
            Ok(admin.topic_stats(text(topic, "topic")?).await?.raw)
        })
    }
}

/// Returns how the broker stores a topic, or each of its partitions, in the broker's JSON. For `stargate_string_free`.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_internal_stats(
    client: *mut stargate_client,
    topic: *const c_char,
    timeout_ms: i64,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::text(client, timeout_ms, out, error, async |admin| {
            Ok(admin.internal_stats(text(topic, "topic")?).await?.raw)
        })
    }
}

/// Returns what the backlog of a subscription holds, in the broker's JSON: entries, messages, aborted and others. The
/// broker reads the whole backlog to count, which can take long. For `stargate_string_free`.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_analyze_backlog(
    client: *mut stargate_client,
    topic: *const c_char,
    subscription: *const c_char,
    timeout_ms: i64,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::text(client, timeout_ms, out, error, async |admin| {
            Ok(admin.analyze_backlog(text(topic, "topic")?, text(subscription, "subscription")?).await?.raw)
        })
    }
}
