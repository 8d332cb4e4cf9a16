//! `topics`, `subscriptions`, `namespaces` and `tenants`: the REST API.

use std::io::{self, BufRead, IsTerminal, Write};

use serde_json::{Value, json};
use stargate_core::admin::{Position, TenantInfo};
use stargate_core::blocking::Admin;
use stargate_core::options::Roles;
use stargate_core::{Persistence, Result as CoreResult};

use crate::args::{self, Confirmation, Connection, Listing, Namespaces, Subscriptions, Tenants, Topics};
use crate::exit::{DONE, Ended, Failure};
use crate::place::{self, Place};
use crate::stdout;

fn open(connection: &Connection) -> Result<Admin, Failure> {
    let (client, _) = connection.open(Roles::CONNECTION)?;
    Ok(client.admin())
}

/// `topics`
pub(crate) fn topics(connection: &Connection, wanted: &args::Admin<Topics>) -> Ended {
    let admin = open(connection)?;
    match &wanted.wanted {
        Topics::Ls { namespace } => {
            let mut topics = admin.partitioned_topics(namespace, Persistence::Persistent)?;
            let mut others = admin.topics(namespace, Persistence::Persistent)?;
            // The partitions of those above are topics, too.
            others.retain(|topic| !topics.iter().any(|whole| is_partition(topic, whole)));
            topics.append(&mut others);
            topics.sort();
            list(wanted.output, &topics)
        }
        Topics::Create { topic, partitions: None } => done(admin.create_topic(topic)),
        Topics::Create { topic, partitions: Some(number) } => done(admin.create_partitioned_topic(topic, *number)),
        Topics::Delete { topic, force, confirmation } => {
            confirm(confirmation, &format!("topic {topic} with its messages"))?;
            done(admin.delete_topic(topic, *force))
        }
        Topics::Stats { topic } => {
            let parts = admin.partitions(topic)?;
            let stats = admin.topic_stats(topic)?;
            let backlogs = stats.subscriptions.iter();
            let mut rows = vec![
                ("partitions".to_owned(), parts.to_string()),
                ("messages in".to_owned(), stats.msg_in_counter.to_string()),
                ("bytes in".to_owned(), stats.bytes_in_counter.to_string()),
                ("bytes stored".to_owned(), stats.storage_size.to_string()),
                ("messages in a second".to_owned(), format!("{:.1}", stats.msg_rate_in)),
                ("messages out a second".to_owned(), format!("{:.1}", stats.msg_rate_out)),
                ("producers".to_owned(), stats.publishers.len().to_string()),
            ];
            rows.extend(backlogs.map(|(name, held)| (format!("backlog of {name}"), held.msg_backlog.to_string())));
            show(wanted.output, &rows, &stats.raw)
        }
    }
}

/// `subscriptions`
pub(crate) fn subscriptions(connection: &Connection, wanted: &args::Admin<Subscriptions>) -> Ended {
    let admin = open(connection)?;
    match &wanted.wanted {
        Subscriptions::Ls { topic } => list(wanted.output, &admin.subscriptions(topic)?),
        Subscriptions::Create { topic, subscription, from } => {
            let begin = position(from)?;
            done(admin.create_subscription(topic, subscription, &begin))
        }
        Subscriptions::Delete { topic, subscription, force, confirmation } => {
            confirm(confirmation, &format!("subscription {subscription} of {topic}"))?;
            done(admin.delete_subscription(topic, subscription, *force))
        }
        Subscriptions::Stats { topic, subscription } => {
            let stats = admin.topic_stats(topic)?;
            let Some(held) = stats.subscriptions.get(subscription) else {
                return Err(Failure::failed(format!("{topic} has no subscription {subscription}")));
            };
            let rows = [
                ("type", held.kind.clone()),
                ("backlog", held.msg_backlog.to_string()),
                ("unacknowledged", held.unacked_messages.to_string()),
                ("delayed", held.msg_delayed.to_string()),
                ("messages out a second", format!("{:.1}", held.msg_rate_out)),
                ("consumers", held.consumers.len().to_string()),
            ];
            let whole: Value = parsed(&stats.raw)?;
            show(wanted.output, &named(rows), &whole["subscriptions"][subscription].to_string())
        }
    }
}

/// `namespaces`
pub(crate) fn namespaces(connection: &Connection, wanted: &args::Admin<Namespaces>) -> Ended {
    let admin = open(connection)?;
    match &wanted.wanted {
        Namespaces::Ls { tenant } => list(wanted.output, &admin.namespaces(tenant)?),
        Namespaces::Create { namespace } => done(admin.create_namespace(namespace, None)),
        Namespaces::Delete { namespace, confirmation } => {
            confirm(confirmation, &format!("namespace {namespace}"))?;
            done(admin.delete_namespace(namespace))
        }
        Namespaces::Stats { namespace } => {
            let policies = admin.namespace_policies(namespace)?;
            let default = || "the broker's".to_owned();
            let retention = policies.retention.as_ref();
            let kept = retention.map(|kept| format!("{} minutes, {} MB", kept.time_in_minutes, kept.size_in_mb));
            let rows = [
                ("retention", kept.unwrap_or_else(default)),
                ("time to live", policies.message_ttl.map_or_else(default, |ttl| format!("{} s", ttl.as_secs()))),
                ("deduplication", policies.deduplication.map_or_else(default, |on| on.to_string())),
                ("bundles", policies.bundles.to_string()),
            ];
            show(wanted.output, &named(rows), &policies.raw)
        }
    }
}

/// `tenants`
pub(crate) fn tenants(connection: &Connection, wanted: &args::Admin<Tenants>) -> Ended {
    let admin = open(connection)?;
    match &wanted.wanted {
        Tenants::Ls => list(wanted.output, &admin.tenants()?),
        Tenants::Create { tenant, clusters, admin_roles } => {
            let info = TenantInfo {
                allowed_clusters: clusters.clone(),
                admin_roles: admin_roles.clone(),
                ..TenantInfo::default()
            };
            done(admin.create_tenant(tenant, &info))
        }
        Tenants::Delete { tenant, confirmation } => {
            confirm(confirmation, &format!("tenant {tenant}"))?;
            done(admin.delete_tenant(tenant))
        }
        Tenants::Stats { tenant } => {
            let info = admin.tenant(tenant)?;
            let rows = [("clusters", info.allowed_clusters.join(", ")), ("admin roles", info.admin_roles.join(", "))];
            show(wanted.output, &named(rows), &info.raw)
        }
    }
}

fn is_partition(topic: &str, whole: &str) -> bool {
    let number = topic.strip_prefix(whole).and_then(|rest| rest.strip_prefix("-partition-"));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn position(from: &str) -> Result<Position, Failure> {
    Ok(match place::parse("--from", from)? {
        Place::Earliest => Position::Earliest,
        Place::Latest => Position::Latest,
        Place::Id(id) => Position::At(id),
        Place::Time(time) => Position::Time(time),
        Place::Last(_) => {
            return Err(Failure::usage("--from: expected earliest, latest, an id, a time or an age (-1h)"));
        }
    })
}

fn done(outcome: CoreResult<()>) -> Ended {
    outcome?;
    Ok(DONE)
}

/// Asks on the terminal whether something may be deleted.
fn confirm(confirmation: &Confirmation, what: &str) -> Result<(), Failure> {
    if confirmation.yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(format!("to delete {what} without being asked, give -y")));
    }
    let mut answer = String::new();
    // Where the question cannot be written, the answer is no.
    let asked = write!(io::stderr(), "Delete {what}? [y/N] ").and_then(|()| io::stdin().lock().read_line(&mut answer));
    match asked.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
        true => Ok(()),
        false => Err(Failure::failed(format!("{what} was not deleted"))),
    }
}

fn list(output: Listing, names: &[String]) -> Ended {
    let text = match output {
        Listing::Table => names.iter().map(|name| format!("{name}\n")).collect(),
        Listing::Json => format!("{}\n", json!(names)),
    };
    stdout::print(text.as_bytes())
}

fn named<const N: usize>(rows: [(&str, String); N]) -> Vec<(String, String)> {
    rows.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Prints names and values in columns, or the broker's own words.
fn show(output: Listing, rows: &[(String, String)], raw: &str) -> Ended {
    let text = match output {
        Listing::Table => {
            let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
            rows.iter().map(|(name, value)| format!("{name:width$}  {value}").trim_end().to_owned() + "\n").collect()
        }
        Listing::Json => format!("{}\n", parsed(raw)?),
    };
    stdout::print(text.as_bytes())
}

fn parsed(raw: &str) -> Result<Value, Failure> {
    serde_json::from_str(raw).map_err(|error| Failure::failed(format!("the answer of the broker is no JSON: {error}")))
}
