//! `tenants`

use clap::Subcommand;
use stargate_core::admin::TenantInfo;

use super::{Confirmation, done, facts, open};
use crate::connection::Connection;
use crate::exit::Ended;
use crate::listing;

#[derive(Subcommand)]
pub(crate) enum Tenants {
    /// List the tenants
    Ls,
    /// Create a tenant
    Create {
        /// The tenant
        tenant: String,
        /// A cluster that it may use; may be repeated; without it, all
        #[arg(long = "cluster", value_name = "NAME")]
        clusters: Vec<String>,
        /// A role that may administer it; may be repeated
        #[arg(long = "admin-role", value_name = "ROLE")]
        admin_roles: Vec<String>,
    },
    /// Delete a tenant, which has to be empty
    Delete {
        /// The tenant
        tenant: String,
        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// Print the clusters and roles of a tenant
    #[command(visible_alias = "get")]
    Stats {
        /// The tenant
        tenant: String,
    },
}

/// `tenants`
pub(crate) fn run(connection: &Connection, wanted: &super::Admin<Tenants>) -> Ended {
    let admin = open(connection)?;
    match &wanted.wanted {
        Tenants::Ls => listing::names(wanted.output, "tenant", &admin.tenants()?),
        Tenants::Create { tenant, clusters, admin_roles } => {
            let info = TenantInfo {
                allowed_clusters: clusters.clone(),
                admin_roles: admin_roles.clone(),
                ..TenantInfo::default()
            };
            done(admin.create_tenant(tenant, &info))
        }
        Tenants::Delete { tenant, confirmation } => {
            confirmation.ask(&format!("Delete tenant {tenant}?"))?;
            done(admin.delete_tenant(tenant))
        }
        Tenants::Stats { tenant } => {
            let info = admin.tenant(tenant)?;
            let rows =
                facts([("clusters", info.allowed_clusters.join(", ")), ("admin roles", info.admin_roles.join(", "))]);
            listing::facts(wanted.output, &rows, &info.raw)
        }
    }
}
