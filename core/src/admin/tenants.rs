//! Tenants.

use hyper::Method;
use serde::{Deserialize, Serialize};

use super::{Admin, Call, keeps_raw};
use crate::error::Result;
use crate::topic::percent_encode;

/// The administrators and clusters of a tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TenantInfo {
    /// The roles that may administer it, besides the superusers.
    pub admin_roles: Vec<String>,
    /// The clusters that its namespaces may use. If empty when a tenant is created, all existing clusters.
    pub allowed_clusters: Vec<String>,
    /// The broker's answer, in JSON; never sent.
    #[serde(skip)]
    pub raw: String,
}

keeps_raw!(TenantInfo);

impl Admin {
    /// Returns the names of the tenants.
    pub async fn tenants(&self) -> Result<Vec<String>> {
        self.call("list the tenants", Method::GET, "tenants").json().await
    }

    /// Returns the administrators and clusters of a tenant.
    pub async fn tenant(&self, name: &str) -> Result<TenantInfo> {
        self.call_tenant("read", Method::GET, name).with_raw().await
    }

    /// Creates a tenant. Fails with [`ErrorKind::Busy`](crate::ErrorKind::Busy) if the name exists.
    pub async fn create_tenant(&self, name: &str, info: &TenantInfo) -> Result<()> {
        let mut info = info.clone();
        if info.allowed_clusters.is_empty() {
            info.allowed_clusters = self.clusters().await?;
        }
        self.call_tenant("create", Method::PUT, name).body(&serde_json::json!(info)).done().await
    }

    /// Replaces the administrators and clusters of a tenant.
    pub async fn update_tenant(&self, name: &str, info: &TenantInfo) -> Result<()> {
        self.call_tenant("update", Method::POST, name).body(&serde_json::json!(info)).done().await
    }

    /// Deletes a tenant that has no namespaces.
    pub async fn delete_tenant(&self, name: &str) -> Result<()> {
        self.call_tenant("delete", Method::DELETE, name).done().await
    }

    /// Creates a tenant unless it exists, and returns whether it was created. An existing one stays unchanged.
    pub async fn ensure_tenant(&self, name: &str, info: &TenantInfo) -> Result<bool> {
        super::ensured(|| self.create_tenant(name, info)).await
    }

    fn call_tenant(&self, operation: &str, method: Method, name: &str) -> Call<'_> {
        self.call(&format!("{operation} the tenant {name:?}"), method, &format!("tenants/{}", percent_encode(name)))
    }
}
