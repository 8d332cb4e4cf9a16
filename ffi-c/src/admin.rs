//! Pulsar's REST API: one function for each operation, on the client.

use std::collections::BTreeMap;
use std::ffi::c_char;
use std::pin::Pin;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;
use stargate_core::admin::{
    BacklogPolicy, BacklogQuota, BacklogQuotaKind, Position, Retention, StoredMessage, TenantInfo,
};
use stargate_core::{Admin, Error, ErrorKind, InitialPosition, MessageId, Persistence, Result, blocking};

use crate::client::stargate_client;
use crate::error::{stargate_error, stargate_status};
use crate::message::{self, stargate_message};
use crate::util::boundary::{self, Out, enter, enter_or, invalid};
use crate::util::handle::{self, Handle};
use crate::util::time;
use crate::util::values::{Text, owned_string, stargate_property, stargate_str};

/// A list of texts, such as the names of topics.
pub struct stargate_strings {
    _private: [u8; 0],
}

// SAFETY: the functions below give nothing else to C.
unsafe impl Handle for stargate_strings {
    type Inner = Vec<Option<Text>>;
}

/// How many texts there are; 0 for NULL.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_strings_count(strings: *const stargate_strings) -> usize {
    // SAFETY: NULL or live, by the rules of the header.
    enter_or(0, || unsafe { handle::optional(strings) }.map_or(0, Vec::len))
}

/// The text at `index`, counted from 0; `ptr` is NULL past the end, for NULL, and where there is none, as for the last
/// message of an empty partition.
///
/// Thread-safe. A view of the list.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_strings_get(strings: *const stargate_strings, index: usize) -> stargate_str {
    enter_or(stargate_str::NONE, || {
        // SAFETY: NULL or live, by the rules of the header.
        let text = unsafe { handle::optional(strings) }.and_then(|strings| strings.get(index)?.as_ref());
        text.map_or(stargate_str::NONE, Text::view)
    })
}

/// Frees a list. NULL does nothing.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_strings_free(strings: *mut stargate_strings) {
    // SAFETY: NULL or live, and freed once, by the rules of the header.
    enter_or((), || drop(unsafe { handle::take(strings) }));
}

fn list<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> *mut stargate_strings {
    handle::into_raw(texts.into_iter().map(|text| Some(Text::new(text))).collect())
}

/// # Safety
/// `client` is NULL or live while `'a` lasts.
unsafe fn admin(client: *mut stargate_client) -> Result<Admin> {
    // SAFETY: the caller's promise.
    Ok(unsafe { handle::inner(client, "client") }?.get()?.admin())
}

/// Boxed, so that waiting is compiled once for each kind of result and not for each function.
fn wait<'a, T>(work: impl Future<Output = Result<T>> + 'a, timeout_ms: i64) -> Result<T> {
    let work: Pin<Box<dyn Future<Output = Result<T>> + 'a>> = Box::pin(work);
    blocking::wait(work, time::timeout(timeout_ms)?)
}

fn flag(value: bool) -> i32 {
    i32::from(value)
}

fn count(name: &str, value: i32) -> Result<u32> {
    u32::try_from(value).map_err(|_| invalid(format!("{name} is {value}: expected 0 or more")))
}

fn seconds(name: &str, value: i64) -> Result<Duration> {
    u64::try_from(value).map(Duration::from_secs).map_err(|_| invalid(format!("{name} is {value}: expected 0 or more")))
}

fn persistence(persistent: i32) -> Persistence {
    if persistent != 0 { Persistence::Persistent } else { Persistence::NonPersistent }
}

/// "earliest", "latest" or a message id; with `after`, the place behind that message.
fn place_of(text: &str, after: i32) -> Result<Position> {
    match (text, after) {
        ("earliest", 0) => Ok(Position::Earliest),
        ("latest", 0) => Ok(Position::Latest),
        ("earliest" | "latest", _) => Err(invalid(format!("after: expected 0 with {text}"))),
        (id, 0) => id.parse().map(Position::At),
        (id, _) => id.parse().map(Position::After),
    }
}

/// # Safety
/// Both are NULL or end with a NUL, and do not change meanwhile.
unsafe fn tenant_info(admin_roles: *const c_char, allowed_clusters: *const c_char) -> Result<TenantInfo> {
    let words = |text: Option<&str>| -> Vec<String> {
        text.unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    // SAFETY: the caller's promise.
    unsafe {
        Ok(TenantInfo {
            admin_roles: words(boundary::optional_text(admin_roles, "admin_roles")?),
            allowed_clusters: words(boundary::optional_text(allowed_clusters, "allowed_clusters")?),
            ..TenantInfo::default()
        })
    }
}

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

/// Where stored messages go: an array of `max` places.
struct Messages {
    out: *mut *mut stargate_message,
    max: usize,
    count: Out<usize>,
}

impl Messages {
    /// # Safety
    /// `out` is NULL or has `max` places that may be written, and `out_count` is NULL or may be written, while this lives.
    unsafe fn new(out: *mut *mut stargate_message, max: usize, out_count: *mut usize) -> Result<Messages> {
        // SAFETY: the caller's promise.
        let count = unsafe { Out::new(out_count, 0, "out_count") }?;
        if out.is_null() {
            return Err(invalid("out is NULL"));
        }
        if max == 0 {
            return Err(invalid("max is 0: expected 1 or more"));
        }
        Ok(Messages { out, max, count })
    }

    fn set(&self, messages: Vec<StoredMessage>) {
        let count = messages.len().min(self.max);
        for (index, stored) in messages.into_iter().take(count).enumerate() {
            // SAFETY: `new` was promised so many places.
            unsafe { self.out.add(index).write(message::into_raw(stored.into_message())) }
        }
        self.count.set(count);
    }
}

/// Sends a request that has no function here, such as ("GET", "/admin/v2/bookies/all", NULL); `body` is JSON or NULL.
/// A path that does not begin with / is one below /admin/v2/. `*out_status` is the HTTP status, and `*out_body` the
/// answer, for `stargate_string_free`. Every status but 2xx is an error.
///
/// Thread-safe; blocks. Errors: those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_request(
    client: *mut stargate_client,
    method: *const c_char,
    path: *const c_char,
    body: *const c_char,
    timeout_ms: i64,
    out_status: *mut i32,
    out_body: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out_status = Out::new(out_status, 0, "out_status")?;
            let out_body = Out::pointer(out_body, "out_body")?;
            let admin = admin(client)?;
            let method = boundary::text(method, "method")?;
            let path = boundary::text(path, "path")?;
            let body = boundary::optional_text(body, "body")?;
            let found = wait(admin.request(method, path, body), timeout_ms)?;
            let body = String::from_utf8(found.body.into())
                .map_err(|_| Error::new(ErrorKind::Protocol, "the answer is not text"))?;
            out_body.set(owned_string(&body)?);
            out_status.set(i32::from(found.status));
            Ok(())
        })
    }
}

/// The names of the clusters that this one knows, its own included. For `stargate_strings_free`.
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
    unsafe {
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let admin = admin(client)?;
            let found = wait(admin.clusters(), timeout_ms)?;
            out.set(list(found));
            Ok(())
        })
    }
}

/// The version of Pulsar that a broker runs, such as "4.0.8". For `stargate_string_free`.
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
    unsafe {
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let admin = admin(client)?;
            let found = wait(admin.broker_version(), timeout_ms)?;
            out.set(owned_string(&found)?);
            Ok(())
        })
    }
}

/// Asks a broker to write a message and to read it again; it may take seconds.
///
/// Thread-safe; blocks. Errors: those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_check_health(
    client: *mut stargate_client,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let admin = admin(client)?;
            wait(admin.check_health(), timeout_ms)
        })
    }
}

/// The names of the tenants. For `stargate_strings_free`.
///
/// Thread-safe; blocks. Errors: those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_tenants(
    client: *mut stargate_client,
    timeout_ms: i64,
    out: *mut *mut stargate_strings,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let admin = admin(client)?;
            let found = wait(admin.tenants(), timeout_ms)?;
            out.set(list(found));
            Ok(())
        })
    }
}

/// What a tenant is allowed, in JSON: adminRoles and allowedClusters. For `stargate_string_free`.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_tenant(
    client: *mut stargate_client,
    tenant: *const c_char,
    timeout_ms: i64,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let admin = admin(client)?;
            let tenant = boundary::text(tenant, "tenant")?;
            let found = wait(admin.tenant(tenant), timeout_ms)?;
            out.set(owned_string(&found.raw)?);
            Ok(())
        })
    }
}

/// Makes a tenant. `admin_roles` and `allowed_clusters` are names after commas, or NULL: nobody besides the
/// superusers, and all clusters that there are.
///
/// Thread-safe; blocks. Errors: STARGATE_BUSY, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_create_tenant(
    client: *mut stargate_client,
    tenant: *const c_char,
    admin_roles: *const c_char,
    allowed_clusters: *const c_char,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let admin = admin(client)?;
            let tenant = boundary::text(tenant, "tenant")?;
            let info = tenant_info(admin_roles, allowed_clusters)?;
            wait(admin.create_tenant(tenant, &info), timeout_ms)
        })
    }
}

/// Replaces what a tenant is allowed; as `stargate_admin_create_tenant`, but the clusters must be named.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_update_tenant(
    client: *mut stargate_client,
    tenant: *const c_char,
    admin_roles: *const c_char,
    allowed_clusters: *const c_char,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let admin = admin(client)?;
            let tenant = boundary::text(tenant, "tenant")?;
            let info = tenant_info(admin_roles, allowed_clusters)?;
            wait(admin.update_tenant(tenant, &info), timeout_ms)
        })
    }
}

/// Deletes a tenant that has no namespaces.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, STARGATE_BUSY, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_delete_tenant(
    client: *mut stargate_client,
    tenant: *const c_char,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let admin = admin(client)?;
            let tenant = boundary::text(tenant, "tenant")?;
            wait(admin.delete_tenant(tenant), timeout_ms)
        })
    }
}

/// Makes a tenant unless it is there; `*out` is 1 if it was made, otherwise 0. One that is there stays as it is.
///
/// Thread-safe; blocks. Errors: those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_ensure_tenant(
    client: *mut stargate_client,
    tenant: *const c_char,
    admin_roles: *const c_char,
    allowed_clusters: *const c_char,
    timeout_ms: i64,
    out: *mut i32,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::new(out, 0, "out")?;
            let admin = admin(client)?;
            let tenant = boundary::text(tenant, "tenant")?;
            let info = tenant_info(admin_roles, allowed_clusters)?;
            let found = wait(admin.ensure_tenant(tenant, &info), timeout_ms)?;
            out.set(flag(found));
            Ok(())
        })
    }
}

/// The names of a tenant's namespaces, "tenant/namespace" each. It is one answer of the broker, however many. For
/// `stargate_strings_free`.
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
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let admin = admin(client)?;
            let tenant = boundary::text(tenant, "tenant")?;
            let found = wait(admin.namespaces(tenant), timeout_ms)?;
            out.set(list(found));
            Ok(())
        })
    }
}

/// The policies of a namespace, in the broker's JSON. For `stargate_string_free`.
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
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let admin = admin(client)?;
            let namespace_name = boundary::text(namespace_name, "namespace_name")?;
            let found = wait(admin.namespace_policies(namespace_name), timeout_ms)?;
            out.set(owned_string(&found.raw)?);
            Ok(())
        })
    }
}

/// Makes a namespace, "tenant/namespace", divided into so many bundles, or with 0 into as many as the broker likes.
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
        enter(error, || {
            let admin = admin(client)?;
            let namespace_name = boundary::text(namespace_name, "namespace_name")?;
            let bundles = Some(count("bundles", bundles)?).filter(|bundles| *bundles > 0);
            wait(admin.create_namespace(namespace_name, bundles), timeout_ms)
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
        enter(error, || {
            let admin = admin(client)?;
            let namespace_name = boundary::text(namespace_name, "namespace_name")?;
            wait(admin.delete_namespace(namespace_name), timeout_ms)
        })
    }
}

/// Makes a namespace unless it is there; `*out` is 1 if it was made, otherwise 0.
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
        enter(error, || {
            let out = Out::new(out, 0, "out")?;
            let admin = admin(client)?;
            let namespace_name = boundary::text(namespace_name, "namespace_name")?;
            let found = wait(admin.ensure_namespace(namespace_name), timeout_ms)?;
            out.set(flag(found));
            Ok(())
        })
    }
}

/// The retention that is set, in JSON: retentionTimeInMinutes and retentionSizeInMB; NULL where it is not. For
/// `stargate_string_free`.
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
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let admin = admin(client)?;
            let namespace_name = boundary::text(namespace_name, "namespace_name")?;
            let found = wait(admin.retention(namespace_name), timeout_ms)?;
            if let Some(found) = found {
                out.set(owned_string(&json!(found).to_string())?);
            }
            Ok(())
        })
    }
}

/// Sets how long and how much is kept of what every subscription has acknowledged: both 0 keep nothing, -1 is without
/// limit.
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
        enter(error, || {
            let admin = admin(client)?;
            let namespace_name = boundary::text(namespace_name, "namespace_name")?;
            let retention = Retention { time_in_minutes: minutes, size_in_mb: megabytes };
            wait(admin.set_retention(namespace_name, &retention), timeout_ms)
        })
    }
}

/// After how many seconds a message counts as acknowledged, whether it is or not; -1 where that is not set.
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
        enter(error, || {
            let out = Out::new(out, 0, "out")?;
            let admin = admin(client)?;
            let namespace_name = boundary::text(namespace_name, "namespace_name")?;
            let found = wait(admin.message_ttl(namespace_name), timeout_ms)?;
            out.set(found.map_or(-1, |ttl| i32::try_from(ttl.as_secs()).unwrap_or(i32::MAX)));
            Ok(())
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
        enter(error, || {
            let admin = admin(client)?;
            let namespace_name = boundary::text(namespace_name, "namespace_name")?;
            let ttl_seconds = seconds("ttl_seconds", ttl_seconds)?;
            wait(admin.set_message_ttl(namespace_name, ttl_seconds), timeout_ms)
        })
    }
}

/// Whether the broker drops messages that a producer sent before: 1 or 0; -1 where it is not set.
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
        enter(error, || {
            let out = Out::new(out, 0, "out")?;
            let admin = admin(client)?;
            let namespace_name = boundary::text(namespace_name, "namespace_name")?;
            let found = wait(admin.deduplication(namespace_name), timeout_ms)?;
            out.set(found.map_or(-1, flag));
            Ok(())
        })
    }
}

/// Lets the broker drop messages that a producer sent before, or with 0 not.
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
        enter(error, || {
            let admin = admin(client)?;
            let namespace_name = boundary::text(namespace_name, "namespace_name")?;
            wait(admin.set_deduplication(namespace_name, enabled != 0), timeout_ms)
        })
    }
}

/// The backlog quotas that are set, as a JSON array of objects with kind, limit and policy. For
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
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let admin = admin(client)?;
            let namespace_name = boundary::text(namespace_name, "namespace_name")?;
            let found = wait(admin.backlog_quotas(namespace_name), timeout_ms)?;
            let quotas: Vec<_> = found
                .iter()
                .map(|quota| {
                    json!({ "kind": quota.kind.as_str(), "limit": quota.limit, "policy": quota.policy.as_str() })
                })
                .collect();
            out.set(owned_string(&json!(quotas).to_string())?);
            Ok(())
        })
    }
}

/// Bounds what a topic may hold for subscriptions that do not acknowledge. `kind` is "destination_storage", then
/// `limit` is in bytes, or "message_age", then it is in seconds; -1 is without limit. `policy` is
/// "producer_request_hold", "producer_exception" or "consumer_backlog_eviction".
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
        enter(error, || {
            let admin = admin(client)?;
            let namespace_name = boundary::text(namespace_name, "namespace_name")?;
            let kind = boundary::text(kind, "kind")?;
            let policy = boundary::text(policy, "policy")?;
            let quota = BacklogQuota { kind: quota_kind(kind)?, limit, policy: backlog_policy(policy)? };
            wait(admin.set_backlog_quota(namespace_name, &quota), timeout_ms)
        })
    }
}

/// Lets the broker's default hold again for "retention", "message_ttl", "deduplication", "destination_storage" or
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
        enter(error, || {
            let admin = admin(client)?;
            let namespace_name = boundary::text(namespace_name, "namespace_name")?;
            let policy = boundary::text(policy, "policy")?;
            let removed = async {
                match policy {
                    "retention" => admin.remove_retention(namespace_name).await,
                    "message_ttl" => admin.remove_message_ttl(namespace_name).await,
                    "deduplication" => admin.remove_deduplication(namespace_name).await,
                    quota => admin.remove_backlog_quota(namespace_name, quota_kind(quota)?).await,
                }
            };
            wait(removed, timeout_ms)
        })
    }
}

/// The full names of the topics of a namespace that are stored, or with `persistent` 0 of those that are not; each
/// partition by itself, and in no order. It is one answer of the broker, however many. For `stargate_strings_free`.
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
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let admin = admin(client)?;
            let namespace_name = boundary::text(namespace_name, "namespace_name")?;
            let found = wait(admin.topics(namespace_name, persistence(persistent)), timeout_ms)?;
            out.set(list(found));
            Ok(())
        })
    }
}

/// The full names of the topics with partitions of a namespace. For `stargate_strings_free`.
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
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let admin = admin(client)?;
            let namespace_name = boundary::text(namespace_name, "namespace_name")?;
            let found = wait(admin.partitioned_topics(namespace_name, persistence(persistent)), timeout_ms)?;
            out.set(list(found));
            Ok(())
        })
    }
}

/// Makes a topic without partitions.
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
    unsafe {
        enter(error, || {
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            wait(admin.create_topic(topic), timeout_ms)
        })
    }
}

/// Makes a topic with partitions.
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
        enter(error, || {
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let partitions = count("partitions", partitions)?;
            wait(admin.create_partitioned_topic(topic, partitions), timeout_ms)
        })
    }
}

/// Makes a topic without partitions unless there is one of this name; `*out` is 1 if it was made, otherwise 0.
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
        enter(error, || {
            let out = Out::new(out, 0, "out")?;
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let found = wait(admin.ensure_topic(topic), timeout_ms)?;
            out.set(flag(found));
            Ok(())
        })
    }
}

/// Makes a topic with so many partitions, or adds to those that it has; `*out` is 1 if anything had to be done,
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
        enter(error, || {
            let out = Out::new(out, 0, "out")?;
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let partitions = count("partitions", partitions)?;
            let found = wait(admin.ensure_partitioned_topic(topic, partitions), timeout_ms)?;
            out.set(flag(found));
            Ok(())
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
        enter(error, || {
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let partitions = count("partitions", partitions)?;
            wait(admin.grow_partitions(topic, partitions), timeout_ms)
        })
    }
}

/// How many partitions a topic has, 0 for one without.
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
        enter(error, || {
            let out = Out::new(out, 0, "out")?;
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let found = wait(admin.partitions(topic), timeout_ms)?;
            out.set(i32::try_from(found).unwrap_or(i32::MAX));
            Ok(())
        })
    }
}

/// Deletes a topic with all its partitions, messages and subscriptions. One that somebody is connected to is
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
        enter(error, || {
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            wait(admin.delete_topic(topic, force != 0), timeout_ms)
        })
    }
}

/// Ends a topic: nothing can be published any more. The ids of the last message of the topic, or of each of its
/// partitions. For `stargate_strings_free`.
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
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let found = wait(admin.terminate_topic(topic), timeout_ms)?;
            let text = |id: MessageId| Text::new(id.as_str());
            out.set(handle::into_raw(found.into_iter().map(|id| id.map(text)).collect()));
            Ok(())
        })
    }
}

/// Begins the compaction of a topic, or of all its partitions.
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
    unsafe {
        enter(error, || {
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            wait(admin.compact_topic(topic), timeout_ms)
        })
    }
}

/// How far a compaction is, in JSON: status and lastError. Of a topic with partitions each is to be asked by itself.
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
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let found = wait(admin.compaction_status(topic), timeout_ms)?;
            out.set(owned_string(&found.raw)?);
            Ok(())
        })
    }
}

/// Lets the broker close a topic; the next use loads it again, maybe on another broker.
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
    unsafe {
        enter(error, || {
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            wait(admin.unload_topic(topic), timeout_ms)
        })
    }
}

/// Acknowledges everything for all subscriptions, and deletes what is stored but for the ledger that is being written.
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
    unsafe {
        enter(error, || {
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            wait(admin.truncate_topic(topic), timeout_ms)
        })
    }
}

/// The statistics of a topic, or of all its partitions together and of each, in the broker's JSON. For
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
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let found = wait(admin.topic_stats(topic), timeout_ms)?;
            out.set(owned_string(&found.raw)?);
            Ok(())
        })
    }
}

/// How the broker stores a topic, or each of its partitions, in the broker's JSON. For `stargate_string_free`.
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
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let found = wait(admin.internal_stats(topic), timeout_ms)?;
            out.set(owned_string(&found.raw)?);
            Ok(())
        })
    }
}

/// The id of the last message; NULL when the topic has none. Of a topic with partitions each is to be asked by itself.
/// For `stargate_string_free`.
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
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let found = wait(admin.last_message_id(topic), timeout_ms)?;
            if let Some(id) = found {
                out.set(owned_string(id.as_str())?);
            }
            Ok(())
        })
    }
}

/// The id of the first message that was published at `time_ms` or later; if there is none, of the place after the last
/// message. For `stargate_string_free`.
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
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let time_ms = UNIX_EPOCH + Duration::from_millis(seconds("time_ms", time_ms)?.as_secs());
            let found = wait(admin.message_id_at(topic, time_ms), timeout_ms)?;
            if let Some(id) = found {
                out.set(owned_string(id.as_str())?);
            }
            Ok(())
        })
    }
}

/// The messages of the entry that holds a message, itself or the batch that it is in; `out` has `max` places.
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
        enter(error, || {
            let out = Messages::new(out, max, out_count)?;
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let message_id: MessageId = boundary::text(message_id, "message_id")?.parse()?;
            let found = wait(admin.read_entry(topic, &message_id), timeout_ms)?;
            out.set(found);
            Ok(())
        })
    }
}

/// The messages of the entry at `nth`, counted from 1 at "earliest" or "latest"; none when the topic has none.
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
        enter(error, || {
            let out = Messages::new(out, max, out_count)?;
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let start = boundary::text(start, "start")?;
            let start = match start {
                "earliest" => InitialPosition::Earliest,
                "latest" => InitialPosition::Latest,
                other => return Err(invalid(format!("start {other:?}: expected earliest or latest"))),
            };
            let nth = seconds("nth", nth)?.as_secs();
            let found = wait(admin.examine_message(topic, start, nth), timeout_ms)?;
            out.set(found.unwrap_or_default());
            Ok(())
        })
    }
}

/// The names of the subscriptions of a topic, of all its partitions together. For `stargate_strings_free`.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_subscriptions(
    client: *mut stargate_client,
    topic: *const c_char,
    timeout_ms: i64,
    out: *mut *mut stargate_strings,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let found = wait(admin.subscriptions(topic), timeout_ms)?;
            out.set(list(found));
            Ok(())
        })
    }
}

/// Makes a subscription that begins at `position`: "earliest", "latest" or a message id, with `after` 1 behind that
/// message.
///
/// Thread-safe; blocks. Errors: STARGATE_BUSY, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_create_subscription(
    client: *mut stargate_client,
    topic: *const c_char,
    subscription: *const c_char,
    position: *const c_char,
    after: i32,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let subscription = boundary::text(subscription, "subscription")?;
            let position = boundary::text(position, "position")?;
            let place = place_of(position, after)?;
            wait(admin.create_subscription(topic, subscription, &place), timeout_ms)
        })
    }
}

/// As `stargate_admin_create_subscription` unless it is there; `*out` is 1 if it was made, otherwise 0.
///
/// Thread-safe; blocks. Errors: those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_ensure_subscription(
    client: *mut stargate_client,
    topic: *const c_char,
    subscription: *const c_char,
    position: *const c_char,
    after: i32,
    timeout_ms: i64,
    out: *mut i32,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::new(out, 0, "out")?;
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let subscription = boundary::text(subscription, "subscription")?;
            let position = boundary::text(position, "position")?;
            let place = place_of(position, after)?;
            let found = wait(admin.ensure_subscription(topic, subscription, &place), timeout_ms)?;
            out.set(flag(found));
            Ok(())
        })
    }
}

/// Deletes a subscription. One with consumers is STARGATE_BUSY, unless `force` disconnects them.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, STARGATE_BUSY, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_delete_subscription(
    client: *mut stargate_client,
    topic: *const c_char,
    subscription: *const c_char,
    force: i32,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let subscription = boundary::text(subscription, "subscription")?;
            wait(admin.delete_subscription(topic, subscription, force != 0), timeout_ms)
        })
    }
}

/// Moves a subscription to `position`: "earliest", "latest" or a message id, with `after` 1 behind that message. Its
/// consumers connect again by themselves. A batch comes whole.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_seek(
    client: *mut stargate_client,
    topic: *const c_char,
    subscription: *const c_char,
    position: *const c_char,
    after: i32,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let subscription = boundary::text(subscription, "subscription")?;
            let position = boundary::text(position, "position")?;
            let place = place_of(position, after)?;
            wait(admin.seek(topic, subscription, &place), timeout_ms)
        })
    }
}

/// Moves a subscription to the first message that was published at `time_ms` or later.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_seek_time(
    client: *mut stargate_client,
    topic: *const c_char,
    subscription: *const c_char,
    time_ms: i64,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let subscription = boundary::text(subscription, "subscription")?;
            let time_ms = UNIX_EPOCH + Duration::from_millis(seconds("time_ms", time_ms)?.as_secs());
            wait(admin.seek(topic, subscription, &Position::Time(time_ms)), timeout_ms)
        })
    }
}

/// Lets a subscription pass over its next entries; a batch is one. Not for topics with partitions.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_skip(
    client: *mut stargate_client,
    topic: *const c_char,
    subscription: *const c_char,
    entries: i64,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let subscription = boundary::text(subscription, "subscription")?;
            let entries = seconds("entries", entries)?.as_secs();
            wait(admin.skip(topic, subscription, entries), timeout_ms)
        })
    }
}

/// Lets a subscription pass over everything that is stored.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_skip_all(
    client: *mut stargate_client,
    topic: *const c_char,
    subscription: *const c_char,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let subscription = boundary::text(subscription, "subscription")?;
            wait(admin.skip_all(topic, subscription), timeout_ms)
        })
    }
}

/// Acknowledges everything older for a subscription, after the answer. `*out` is 0 when the broker does not begin,
/// because nothing is old enough or it is at it already; otherwise 1.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_expire_messages(
    client: *mut stargate_client,
    topic: *const c_char,
    subscription: *const c_char,
    older_than_seconds: i64,
    timeout_ms: i64,
    out: *mut i32,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::new(out, 0, "out")?;
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let subscription = boundary::text(subscription, "subscription")?;
            let older_than_seconds = seconds("older_than_seconds", older_than_seconds)?;
            let found = wait(admin.expire_messages(topic, subscription, older_than_seconds), timeout_ms)?;
            out.set(flag(found));
            Ok(())
        })
    }
}

/// As `stargate_admin_expire_messages`, up to a message and with it.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_expire_messages_until(
    client: *mut stargate_client,
    topic: *const c_char,
    subscription: *const c_char,
    message_id: *const c_char,
    timeout_ms: i64,
    out: *mut i32,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::new(out, 0, "out")?;
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let subscription = boundary::text(subscription, "subscription")?;
            let message_id: MessageId = boundary::text(message_id, "message_id")?.parse()?;
            let found = wait(admin.expire_messages_until(topic, subscription, &message_id), timeout_ms)?;
            out.set(flag(found));
            Ok(())
        })
    }
}

/// As `stargate_admin_expire_messages`, for all subscriptions of a topic.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_expire_all_messages(
    client: *mut stargate_client,
    topic: *const c_char,
    older_than_seconds: i64,
    timeout_ms: i64,
    out: *mut i32,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::new(out, 0, "out")?;
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let older_than_seconds = seconds("older_than_seconds", older_than_seconds)?;
            let found = wait(admin.expire_all_messages(topic, older_than_seconds), timeout_ms)?;
            out.set(flag(found));
            Ok(())
        })
    }
}

/// The next messages that a subscription has not acknowledged, without taking them: one request an entry. `out` has
/// `max` places, of which `*out_count` are written, and `stargate_messages_free` frees them.
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
        enter(error, || {
            let out = Messages::new(out, max, out_count)?;
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let subscription = boundary::text(subscription, "subscription")?;
            let found = wait(admin.peek(topic, subscription, max), timeout_ms)?;
            out.set(found);
            Ok(())
        })
    }
}

/// The messages of the entry at `nth`, counted from 1, among those that a subscription has not acknowledged, which stay as
/// they are: one, or those of a batch, of which the first `max` are given. None past the end. Not for topics with
/// partitions, but for each of them.
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
        enter(error, || {
            let out = Messages::new(out, max, out_count)?;
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let subscription = boundary::text(subscription, "subscription")?;
            let nth = seconds("nth", nth)?.as_secs();
            let found = wait(admin.peek_entry(topic, subscription, nth), timeout_ms)?;
            out.set(found.unwrap_or_default());
            Ok(())
        })
    }
}

/// The properties of a subscription, as a JSON object of texts. For `stargate_string_free`.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_subscription_properties(
    client: *mut stargate_client,
    topic: *const c_char,
    subscription: *const c_char,
    timeout_ms: i64,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let subscription = boundary::text(subscription, "subscription")?;
            let found = wait(admin.subscription_properties(topic, subscription), timeout_ms)?;
            out.set(owned_string(&json!(found).to_string())?);
            Ok(())
        })
    }
}

/// Replaces the properties of a subscription.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_set_subscription_properties(
    client: *mut stargate_client,
    topic: *const c_char,
    subscription: *const c_char,
    properties: *const stargate_property,
    property_count: usize,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let subscription = boundary::text(subscription, "subscription")?;
            let mut given = BTreeMap::new();
            for property in boundary::items(properties, property_count, "properties")? {
                let value = boundary::text(property.value, "property value")?;
                given.insert(boundary::text(property.key, "property key")?.to_owned(), value.to_owned());
            }
            wait(admin.set_subscription_properties(topic, subscription, &given), timeout_ms)
        })
    }
}

/// Lets the broker read the backlog of a subscription and count what is in it, in the broker's JSON: entries,
/// messages, aborted and others. That can take long. For `stargate_string_free`.
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
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let admin = admin(client)?;
            let topic = boundary::text(topic, "topic")?;
            let subscription = boundary::text(subscription, "subscription")?;
            let found = wait(admin.analyze_backlog(topic, subscription), timeout_ms)?;
            out.set(owned_string(&found.raw)?);
            Ok(())
        })
    }
}
