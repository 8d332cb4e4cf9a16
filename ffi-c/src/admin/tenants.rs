//! Tenants.

use std::ffi::c_char;

use stargate_core::Result;
use stargate_core::admin::TenantInfo;

use super::call;
use super::strings::stargate_strings;
use crate::client::stargate_client;
use crate::error::{stargate_error, stargate_status};
use crate::util::boundary::{self, text};

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

/// Returns the names of the tenants. For `stargate_strings_free`.
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
    unsafe { call::names(client, timeout_ms, out, error, async |admin| admin.tenants().await) }
}

/// Returns what a tenant is allowed, in JSON: adminRoles and allowedClusters. For `stargate_string_free`.
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
        call::text(client, timeout_ms, out, error, async |admin| Ok(admin.tenant(text(tenant, "tenant")?).await?.raw))
    }
}

/// Creates a tenant. `admin_roles` and `allowed_clusters` are names separated by commas. NULL `admin_roles` means no role
/// besides the superusers, NULL `allowed_clusters` all existing clusters.
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
        call::done(client, timeout_ms, error, async |admin| {
            admin.create_tenant(text(tenant, "tenant")?, &tenant_info(admin_roles, allowed_clusters)?).await
        })
    }
}

/// Replaces what a tenant is allowed; as `stargate_admin_create_tenant`. `admin_roles` may be NULL; with NULL
/// `allowed_clusters` the broker refuses.
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
        call::done(client, timeout_ms, error, async |admin| {
            admin.update_tenant(text(tenant, "tenant")?, &tenant_info(admin_roles, allowed_clusters)?).await
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
    unsafe { call::done(client, timeout_ms, error, async |admin| admin.delete_tenant(text(tenant, "tenant")?).await) }
}

/// Creates a tenant unless it exists; `*out` is 1 if it was created, otherwise 0. An existing tenant stays as it is.
/// `admin_roles` and `allowed_clusters` may be NULL, as in `stargate_admin_create_tenant`.
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
        call::number(client, timeout_ms, out, error, async |admin| {
            admin.ensure_tenant(text(tenant, "tenant")?, &tenant_info(admin_roles, allowed_clusters)?).await
        })
    }
}
