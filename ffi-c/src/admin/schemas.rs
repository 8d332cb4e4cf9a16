//! The schemas of topics.

use std::ffi::c_char;

use stargate_core::Result;
use stargate_core::admin::Schema;

use super::call;
use crate::client::stargate_client;
use crate::error::{stargate_error, stargate_status};
use crate::util::boundary::text;

/// Returns a version of the schema of a topic in the broker's JSON: version, type, timestamp, data and properties.
/// `version` -1 is the newest. For `stargate_string_free`.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_schema(
    client: *mut stargate_client,
    topic: *const c_char,
    version: i64,
    timeout_ms: i64,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::text(client, timeout_ms, out, error, async |admin| {
            Ok(admin.schema(text(topic, "topic")?, u64::try_from(version).ok()).await?.raw)
        })
    }
}

/// Returns all versions of the schema of a topic, the oldest first, as a JSON array of objects as
/// `stargate_admin_schema` returns them. For `stargate_string_free`.
///
/// Thread-safe; blocks. Errors: those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_schemas(
    client: *mut stargate_client,
    topic: *const c_char,
    timeout_ms: i64,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::text(client, timeout_ms, out, error, async |admin| {
            let versions = admin.schemas(text(topic, "topic")?).await?;
            let versions: Vec<&str> = versions.iter().map(|schema| schema.raw.as_str()).collect();
            Ok(format!("[{}]", versions.join(",")))
        })
    }
}

/// Uploads a schema as the next version of the schema of a topic, and returns its version. `schema` is an object in
/// JSON as Pulsar's tools take it: type, such as "AVRO", schema, which is the definition, and properties.
///
/// Thread-safe; blocks. Errors: STARGATE_INVALID_ARGUMENT if it is not compatible, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_upload_schema(
    client: *mut stargate_client,
    topic: *const c_char,
    schema: *const c_char,
    timeout_ms: i64,
    out: *mut i32,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::number(client, timeout_ms, out, error, async |admin| {
            let version = admin.upload_schema(text(topic, "topic")?, &parsed(schema)?).await?;
            Ok(i32::try_from(version).unwrap_or(i32::MAX))
        })
    }
}

/// Deletes all versions of the schema of a topic.
///
/// Thread-safe; blocks. Errors: those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_delete_schema(
    client: *mut stargate_client,
    topic: *const c_char,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { call::done(client, timeout_ms, error, async |admin| admin.delete_schema(text(topic, "topic")?).await) }
}

/// Returns whether a schema may become the next version of the schema of a topic, in JSON: compatibility,
/// schemaCompatibilityStrategy, and reason if it may not. `schema` is that of `stargate_admin_upload_schema`. For
/// `stargate_string_free`.
///
/// Thread-safe; blocks. Errors: those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_test_schema_compatibility(
    client: *mut stargate_client,
    topic: *const c_char,
    schema: *const c_char,
    timeout_ms: i64,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::text(client, timeout_ms, out, error, async |admin| {
            Ok(admin.test_schema_compatibility(text(topic, "topic")?, &parsed(schema)?).await?.raw)
        })
    }
}

/// # Safety
/// `schema` is NULL or a text.
unsafe fn parsed(schema: *const c_char) -> Result<Schema> {
    // SAFETY: the caller's promise.
    Schema::from_json(unsafe { text(schema, "schema") }?)
}
