//! Namespaces and their policies.

use std::ffi::c_char;

use serde_json::{Value, json};
use stargate_core::Result;
use stargate_core::admin::{BacklogPolicy, BacklogQuota, BacklogQuotaKind, Retention};

use super::call;
use super::strings::stargate_strings;
use crate::client::stargate_client;
use crate::error::{stargate_error, stargate_status};
use crate::util::boundary::{count, invalid, text};
use crate::util::time;

fn quota_kind(word: &str) -> Result<BacklogQuotaKind> {
    BacklogQuotaKind::from_word(word)
        .ok_or_else(|| invalid(format!("kind {word:?}: expected destination_storage or message_age")))
}

fn backlog_policy(word: &str) -> Result<BacklogPolicy> {
    BacklogPolicy::from_word(word).ok_or_else(|| {
        let words = "producer_request_hold, producer_exception or consumer_backlog_eviction";
        invalid(format!("policy {word:?}: expected {words}"))
    })
}

/// Returns the names of a tenant's namespaces, "tenant/namespace" each. The broker sends them in one answer, however
/// many there are. For `stargate_strings_free`.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_namespaces(
    client: *mut stargate_client,
    tenant: *const c_char,
    timeout_ms: i64,
    out: *mut *mut stargate_strings,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::names(client, timeout_ms, out, error, async |admin| admin.namespaces(text(tenant, "tenant")?).await)
    }
}

/// Returns the policies of a namespace, in the broker's JSON. For `stargate_string_free`.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_namespace_policies(
    client: *mut stargate_client,
    namespace_name: *const c_char,
    timeout_ms: i64,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::text(client, timeout_ms, out, error, async |admin| {
            Ok(admin.namespace_policies(text(namespace_name, "namespace_name")?).await?.raw)
        })
    }
}

/// Creates a namespace, "tenant/namespace", with this number of bundles, or with 0 the broker's default.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, STARGATE_BUSY, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_create_namespace(
    client: *mut stargate_client,
    namespace_name: *const c_char,
    bundles: i32,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::done(client, timeout_ms, error, async |admin| {
            let bundles = Some(count("bundles", bundles)?).filter(|bundles| *bundles > 0);
            admin.create_namespace(text(namespace_name, "namespace_name")?, bundles).await
        })
    }
}

/// Deletes a namespace that has no topics.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, STARGATE_BUSY, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_delete_namespace(
    client: *mut stargate_client,
    namespace_name: *const c_char,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::done(client, timeout_ms, error, async |admin| {
            admin.delete_namespace(text(namespace_name, "namespace_name")?).await
        })
    }
}

/// Creates a namespace unless it exists; `*out` is 1 if it was created, otherwise 0.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_ensure_namespace(
    client: *mut stargate_client,
    namespace_name: *const c_char,
    timeout_ms: i64,
    out: *mut i32,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::number(client, timeout_ms, out, error, async |admin| {
            admin.ensure_namespace(text(namespace_name, "namespace_name")?).await
        })
    }
}

/// Returns the retention of a namespace in JSON: retentionTimeInMinutes and retentionSizeInMB; NULL if it is not set.
/// For `stargate_string_free`.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_retention(
    client: *mut stargate_client,
    namespace_name: *const c_char,
    timeout_ms: i64,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::text(client, timeout_ms, out, error, async |admin| {
            let set = admin.retention(text(namespace_name, "namespace_name")?).await?;
            Ok(set.map(|retention| json!(retention).to_string()))
        })
    }
}

/// Sets how long and how much the broker keeps of messages that every subscription has acknowledged. If both are 0 it
/// keeps nothing; -1 is without limit.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_set_retention(
    client: *mut stargate_client,
    namespace_name: *const c_char,
    minutes: i64,
    megabytes: i64,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::done(client, timeout_ms, error, async |admin| {
            let retention = Retention { time_in_minutes: minutes, size_in_mb: megabytes };
            admin.set_retention(text(namespace_name, "namespace_name")?, &retention).await
        })
    }
}

/// Returns after how many seconds a message counts as acknowledged, whether it is or not; -1 if that is not set.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_message_ttl(
    client: *mut stargate_client,
    namespace_name: *const c_char,
    timeout_ms: i64,
    out: *mut i32,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::number(client, timeout_ms, out, error, async |admin| {
            let set = admin.message_ttl(text(namespace_name, "namespace_name")?).await?;
            Ok(set.map_or(-1, |ttl| i32::try_from(ttl.as_secs()).unwrap_or(i32::MAX)))
        })
    }
}

/// Sets after how many seconds a message counts as acknowledged, whether it is or not; 0 for never.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_set_message_ttl(
    client: *mut stargate_client,
    namespace_name: *const c_char,
    ttl_seconds: i64,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::done(client, timeout_ms, error, async |admin| {
            let ttl = time::seconds("ttl_seconds", ttl_seconds)?;
            admin.set_message_ttl(text(namespace_name, "namespace_name")?, ttl).await
        })
    }
}

/// Checks whether the broker drops messages that a producer sent before: 1 or 0; -1 if that is not set.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_deduplication(
    client: *mut stargate_client,
    namespace_name: *const c_char,
    timeout_ms: i64,
    out: *mut i32,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::number(client, timeout_ms, out, error, async |admin| {
            let set = admin.deduplication(text(namespace_name, "namespace_name")?).await?;
            Ok(set.map_or(-1, i32::from))
        })
    }
}

/// Enables (1) or disables (0) deduplication: the broker drops messages that a producer sent before.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_set_deduplication(
    client: *mut stargate_client,
    namespace_name: *const c_char,
    enabled: i32,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::done(client, timeout_ms, error, async |admin| {
            admin.set_deduplication(text(namespace_name, "namespace_name")?, enabled != 0).await
        })
    }
}

/// Returns the backlog quotas that are set, as a JSON array of objects with kind, limit and policy. For
/// `stargate_string_free`.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_backlog_quotas(
    client: *mut stargate_client,
    namespace_name: *const c_char,
    timeout_ms: i64,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::text(client, timeout_ms, out, error, async |admin| {
            let quotas = admin.backlog_quotas(text(namespace_name, "namespace_name")?).await?;
            let quotas = quotas.iter().map(
                |quota| json!({ "kind": quota.kind.as_str(), "limit": quota.limit, "policy": quota.policy.as_str() }),
            );
            Ok(quotas.collect::<Value>().to_string())
        })
    }
}

/// Sets how much backlog a topic may hold. `kind` is "destination_storage" with `limit` in bytes, or "message_age" with
/// `limit` in seconds; -1 is without limit. `policy` is "producer_request_hold", "producer_exception" or
/// "consumer_backlog_eviction".
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_set_backlog_quota(
    client: *mut stargate_client,
    namespace_name: *const c_char,
    kind: *const c_char,
    limit: i64,
    policy: *const c_char,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::done(client, timeout_ms, error, async |admin| {
            let quota = BacklogQuota {
                kind: quota_kind(text(kind, "kind")?)?,
                limit,
                policy: backlog_policy(text(policy, "policy")?)?,
            };
            admin.set_backlog_quota(text(namespace_name, "namespace_name")?, &quota).await
        })
    }
}

/// Restores the broker's default for "retention", "message_ttl", "deduplication", "destination_storage" or
/// "message_age" (the last two are backlog quotas).
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_remove_policy(
    client: *mut stargate_client,
    namespace_name: *const c_char,
    policy: *const c_char,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::done(client, timeout_ms, error, async |admin| {
            let namespace = text(namespace_name, "namespace_name")?;
            match text(policy, "policy")? {
                "retention" => admin.remove_retention(namespace).await,
                "message_ttl" => admin.remove_message_ttl(namespace).await,
                "deduplication" => admin.remove_deduplication(namespace).await,
                quota => admin.remove_backlog_quota(namespace, quota_kind(quota)?).await,
            }
        })
    }
}
