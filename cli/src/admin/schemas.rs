//! `schemas`

use std::path::PathBuf;

use clap::Subcommand;
use stargate_core::admin::{Schema, SchemaCompatibility};
use stargate_core::blocking::Admin;

use super::{Confirmation, done, open};
use crate::connection::Connection;
use crate::exit::{DONE, Ended, Failure};
use crate::listing::{self, Listing};
use crate::stdout;

#[derive(Subcommand)]
pub(crate) enum Schemas {
    /// List the versions of the schema of a topic
    Ls {
        /// The topic: orders, tenant/namespace/orders or in full
        topic: String,
    },
    /// Print the definition of a schema
    Get {
        /// The topic: orders, tenant/namespace/orders or in full
        topic: String,
        /// The version; without it, the newest
        #[arg(long, value_name = "N")]
        version: Option<u64>,
    },
    /// Give a topic a schema, or a new version of it
    Create {
        /// The topic: orders, tenant/namespace/orders or in full
        topic: String,
        /// The file with its definition, for JSON and AVRO an Avro record
        file: PathBuf,
        /// The type: JSON, AVRO, PROTOBUF, STRING, ...
        #[arg(long = "type", value_name = "TYPE", default_value = "JSON")]
        kind: String,
        /// Only ask whether the broker would accept it; if not, exit with 1
        #[arg(long)]
        dry_run: bool,
    },
    /// Delete all versions of the schema of a topic
    Delete {
        /// The topic: orders, tenant/namespace/orders or in full
        topic: String,
        #[command(flatten)]
        confirmation: Confirmation,
    },
}

/// `schemas`
pub(crate) fn run(connection: &Connection, wanted: &super::Admin<Schemas>) -> Ended {
    let admin = open(connection)?;
    match &wanted.wanted {
        Schemas::Ls { topic } => list(&admin, topic, wanted.output),
        Schemas::Get { topic, version } => {
            let schema = admin.schema(topic, *version)?;
            let text = match wanted.output {
                Listing::Json => listing::parsed(&schema.raw)?.to_string(),
                _ => schema.definition,
            };
            stdout::print(format!("{text}\n").as_bytes())
        }
        Schemas::Create { topic, file, kind, dry_run } => {
            let definition = std::fs::read_to_string(file)
                .map_err(|error| Failure::failed(format!("{}: {error}", file.display())))?;
            let schema = Schema::new(&kind.to_uppercase(), definition.trim());
            match dry_run {
                true => check(&admin.test_schema_compatibility(topic, &schema)?),
                false => done(admin.upload_schema(topic, &schema).map(drop)),
            }
        }
        Schemas::Delete { topic, confirmation } => {
            confirmation.ask(&format!("Delete the schema of {topic}?"))?;
            done(admin.delete_schema(topic))
        }
    }
}

fn list(admin: &Admin, topic: &str, output: Listing) -> Ended {
    let row = |schema: Schema| vec![schema.version.to_string(), schema.schema_type, schema.definition];
    let rows: Vec<Vec<String>> = admin.schemas(topic)?.into_iter().map(row).collect();
    listing::rows(output, &["version", "type", "definition"], &rows)
}

/// Fails if the broker would refuse the schema.
fn check(answer: &SchemaCompatibility) -> Ended {
    let SchemaCompatibility { compatible, strategy, reason, .. } = answer;
    match (compatible, reason.is_empty()) {
        (true, _) => Ok(DONE),
        (false, true) => {
            Err(Failure::failed(format!("the broker would refuse it: it is not compatible under {strategy}")))
        }
        (false, false) => Err(Failure::failed(format!("the broker would refuse it: it is not compatible ({reason})"))),
    }
}
