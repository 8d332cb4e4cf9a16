//! `namespaces`

use clap::Subcommand;

use super::{Confirmation, done, facts, open};
use crate::connection::Connection;
use crate::exit::Ended;
use crate::listing;

#[derive(Subcommand)]
pub(crate) enum Namespaces {
    /// List the namespaces of a tenant
    Ls {
        /// The tenant
        #[arg(default_value = "public")]
        tenant: String,
    },
    /// Create a namespace
    Create {
        /// The namespace: tenant/namespace
        namespace: String,
    },
    /// Delete a namespace, which has to be empty
    Delete {
        /// The namespace: tenant/namespace
        namespace: String,
        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// Print the policies of a namespace
    #[command(visible_alias = "get")]
    Stats {
        /// The namespace: tenant/namespace
        namespace: String,
    },
}

/// `namespaces`
pub(crate) fn run(connection: &Connection, wanted: &super::Admin<Namespaces>) -> Ended {
    let admin = open(connection)?;
    match &wanted.wanted {
        Namespaces::Ls { tenant } => listing::names(wanted.output, "namespace", &admin.namespaces(tenant)?),
        Namespaces::Create { namespace } => done(admin.create_namespace(namespace, None)),
        Namespaces::Delete { namespace, confirmation } => {
            confirmation.ask(&format!("Delete namespace {namespace}?"))?;
            done(admin.delete_namespace(namespace))
        }
        Namespaces::Stats { namespace } => {
            let policies = admin.namespace_policies(namespace)?;
            let default = || "the broker's".to_owned();
            let retention = policies.retention.as_ref();
            let kept = retention.map(|kept| format!("{} minutes, {} MB", kept.time_in_minutes, kept.size_in_mb));
            let rows = facts([
                ("retention", kept.unwrap_or_else(default)),
                ("time to live", policies.message_ttl.map_or_else(default, |ttl| format!("{} s", ttl.as_secs()))),
                ("deduplication", policies.deduplication.map_or_else(default, |on| on.to_string())),
                ("bundles", policies.bundles.to_string()),
            ]);
            listing::facts(wanted.output, &rows, &policies.raw)
        }
    }
}
