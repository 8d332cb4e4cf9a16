//! Topics and their partitions.

use std::ffi::c_char;

use stargate_core::Persistence;

use super::call;
use super::messages::id_text;
use super::strings::stargate_strings;
use crate::client::stargate_client;
use crate::error::{stargate_error, stargate_status};
use crate::util::boundary::{count, text};

fn persistence(persistent: i32) -> Persistence {
    if persistent != 0 { Persistence::Persistent } else { Persistence::NonPersistent }
}

/// Returns the full names of the persistent topics of a namespace, or with `persistent` 0 of the non-persistent ones.
/// Each partition is listed by itself, in no order. The broker sends them in one answer, however many there are. For
/// `stargate_strings_free`.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_topics(
    client: *mut stargate_client,
    namespace_name: *const c_char,
    persistent: i32,
    timeout_ms: i64,
    out: *mut *mut stargate_strings,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::names(client, timeout_ms, out, error, async |admin| {
            admin.topics(text(namespace_name, "namespace_name")?, persistence(persistent)).await
        })
    }
}

/// Returns the full names of the partitioned topics of a namespace. For `stargate_strings_free`.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_partitioned_topics(
    client: *mut stargate_client,
    namespace_name: *const c_char,
    persistent: i32,
    timeout_ms: i64,
    out: *mut *mut stargate_strings,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::names(client, timeout_ms, out, error, async |admin| {
            admin.partitioned_topics(text(namespace_name, "namespace_name")?, persistence(persistent)).await
        })
    }
}

/// Creates a topic without partitions.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, STARGATE_BUSY, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_create_topic(
    client: *mut stargate_client,
    topic: *const c_char,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { call::done(client, timeout_ms, error, async |admin| admin.create_topic(text(topic, "topic")?).await) }
}

/// Creates a topic with partitions.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, STARGATE_BUSY, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_create_partitioned_topic(
    client: *mut stargate_client,
    topic: *const c_char,
    partitions: i32,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::done(client, timeout_ms, error, async |admin| {
            admin.create_partitioned_topic(text(topic, "topic")?, count("partitions", partitions)?).await
        })
    }
}

/// Creates a topic without partitions unless one of this name exists; `*out` is 1 if it was created, otherwise 0.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_ensure_topic(
    client: *mut stargate_client,
    topic: *const c_char,
    timeout_ms: i64,
    out: *mut i32,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::number(client, timeout_ms, out, error, async |admin| admin.ensure_topic(text(topic, "topic")?).await)
    }
}

/// Creates a topic with this number of partitions, or adds partitions up to it; `*out` is 1 if anything changed,
/// otherwise 0.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_ensure_partitioned_topic(
    client: *mut stargate_client,
    topic: *const c_char,
    partitions: i32,
    timeout_ms: i64,
    out: *mut i32,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::number(client, timeout_ms, out, error, async |admin| {
            admin.ensure_partitioned_topic(text(topic, "topic")?, count("partitions", partitions)?).await
        })
    }
}

/// Adds partitions to those that a topic has, up to `partitions`; they cannot become fewer.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_grow_partitions(
    client: *mut stargate_client,
    topic: *const c_char,
    partitions: i32,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::done(client, timeout_ms, error, async |admin| {
            admin.grow_partitions(text(topic, "topic")?, count("partitions", partitions)?).await
        })
    }
}

/// Returns how many partitions a topic has, 0 for one without.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_partitions(
    client: *mut stargate_client,
    topic: *const c_char,
    timeout_ms: i64,
    out: *mut i32,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::number(client, timeout_ms, out, error, async |admin| {
            let partitions = admin.partitions(text(topic, "topic")?).await?;
            Ok(i32::try_from(partitions).unwrap_or(i32::MAX))
        })
    }
}

/// Deletes a topic with all its partitions, messages and subscriptions. A topic with connected clients is
/// STARGATE_BUSY, unless `force` disconnects them.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, STARGATE_BUSY, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_delete_topic(
    client: *mut stargate_client,
    topic: *const c_char,
    force: i32,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::done(client, timeout_ms, error, async |admin| admin.delete_topic(text(topic, "topic")?, force != 0).await)
    }
}

/// Terminates a topic: nothing can be published any more. Returns the ids of the last message of the topic, or of each
/// of its partitions. For `stargate_strings_free`.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_terminate_topic(
    client: *mut stargate_client,
    topic: *const c_char,
    timeout_ms: i64,
    out: *mut *mut stargate_strings,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::names(client, timeout_ms, out, error, async |admin| {
            let last = admin.terminate_topic(text(topic, "topic")?).await?;
            Ok(last.into_iter().map(id_text).collect::<Vec<_>>())
        })
    }
}

/// Starts the compaction of a topic, or of all its partitions.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, STARGATE_BUSY, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_compact_topic(
    client: *mut stargate_client,
    topic: *const c_char,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { call::done(client, timeout_ms, error, async |admin| admin.compact_topic(text(topic, "topic")?).await) }
}

/// Returns how far a compaction is, in JSON: status and lastError. For a partitioned topic, query each partition.
/// For `stargate_string_free`.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_compaction_status(
    client: *mut stargate_client,
    topic: *const c_char,
    timeout_ms: i64,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::text(client, timeout_ms, out, error, async |admin| {
            Ok(admin.compaction_status(text(topic, "topic")?).await?.raw)
        })
    }
}

/// Unloads a topic from its broker; the next use loads it again, maybe on another broker.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_unload_topic(
    client: *mut stargate_client,
    topic: *const c_char,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { call::done(client, timeout_ms, error, async |admin| admin.unload_topic(text(topic, "topic")?).await) }
}

/// Acknowledges everything for all subscriptions, and deletes all stored ledgers except the one being written.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_truncate_topic(
    client: *mut stargate_client,
    topic: *const c_char,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { call::done(client, timeout_ms, error, async |admin| admin.truncate_topic(text(topic, "topic")?).await) }
}
