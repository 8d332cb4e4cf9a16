//! The clusters and their brokers.

use std::ffi::c_char;

use super::call;
use super::strings::stargate_strings;
use crate::client::stargate_client;
use crate::error::{stargate_error, stargate_status};

/// Returns the names of the clusters that this one knows, its own included. For `stargate_strings_free`.
///
/// Thread-safe; blocks. Errors: those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_clusters(
    client: *mut stargate_client,
    timeout_ms: i64,
    out: *mut *mut stargate_strings,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { call::names(client, timeout_ms, out, error, async |admin| admin.clusters().await) }
}

/// Returns the version of Pulsar that a broker runs, such as "4.0.8". For `stargate_string_free`.
///
/// Thread-safe; blocks. Errors: those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_broker_version(
    client: *mut stargate_client,
    timeout_ms: i64,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { call::text(client, timeout_ms, out, error, async |admin| admin.broker_version().await) }
}

/// Asks a broker to write a message and to read it back; it may take seconds.
///
/// Thread-safe; blocks. Errors: those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_check_health(
    client: *mut stargate_client,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { call::done(client, timeout_ms, error, async |admin| admin.check_health().await) }
}
