//! `topics`

use clap::Subcommand;
use serde_json::json;
use stargate_core::Persistence;
use stargate_core::blocking::Admin;

use super::{Confirmation, done, facts, open};
use crate::connection::Connection;
use crate::exit::Ended;
use crate::listing;

#[derive(Subcommand)]
pub(crate) enum Topics {
    /// List the topics of a namespace
    Ls {
        /// The namespace: tenant/namespace
        #[arg(default_value = "public/default")]
        namespace: String,
    },
    /// Print the partitions, the last message id and the subscriptions of a topic
    Get {
        /// The topic: orders, tenant/namespace/orders or in full
        topic: String,
    },
    /// Create a topic
    Create {
        /// The topic: orders, tenant/namespace/orders or in full
        topic: String,
        /// The number of partitions; without it the topic has none
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        partitions: Option<u32>,
    },
    /// Delete a topic with its messages
    Delete {
        /// The topic: orders, tenant/namespace/orders or in full
        topic: String,
        /// Delete it also while it has producers and consumers, with its subscriptions
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// Delete the messages of a topic, whether or not they are acknowledged
    Clear {
        /// The topic: orders, tenant/namespace/orders or in full
        topic: String,
        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// Print the statistics of a topic
    Stats {
        /// The topic: orders, tenant/namespace/orders or in full
        topic: String,
    },
}

/// `topics`
pub(crate) fn run(connection: &Connection, wanted: &super::Admin<Topics>) -> Ended {
    let admin = open(connection)?;
    match &wanted.wanted {
        Topics::Ls { namespace } => {
            let mut topics = admin.partitioned_topics(namespace, Persistence::Persistent)?;
            let mut others = admin.topics(namespace, Persistence::Persistent)?;
            // The partitions of those above are topics, too.
            others.retain(|topic| !topics.iter().any(|whole| is_partition(topic, whole)));
            topics.append(&mut others);
            topics.sort();
            listing::names(wanted.output, "topic", &topics)
        }
        Topics::Get { topic } => get(&admin, topic, wanted.output),
        Topics::Create { topic, partitions: None } => done(admin.create_topic(topic)),
        Topics::Create { topic, partitions: Some(number) } => done(admin.create_partitioned_topic(topic, *number)),
        Topics::Delete { topic, force, confirmation } => {
            confirmation.ask(&format!("Delete topic {topic} with its messages?"))?;
            done(admin.delete_topic(topic, *force))
        }
        Topics::Clear { topic, confirmation } => {
            confirmation.ask(&format!("Delete all messages of topic {topic}?"))?;
            done(admin.truncate_topic(topic))
        }
        Topics::Stats { topic } => {
            let parts = admin.partitions(topic)?;
            let stats = admin.topic_stats(topic)?;
            let backlogs = stats.subscriptions.iter();
            let mut rows = facts([
                ("partitions", parts.to_string()),
                ("messages in", stats.msg_in_counter.to_string()),
                ("bytes in", stats.bytes_in_counter.to_string()),
                ("bytes stored", stats.storage_size.to_string()),
                ("messages in a second", format!("{:.1}", stats.msg_rate_in)),
                ("messages out a second", format!("{:.1}", stats.msg_rate_out)),
                ("producers", stats.publishers.len().to_string()),
            ]);
            rows.extend(backlogs.map(|(name, held)| (format!("backlog of {name}"), held.msg_backlog.to_string())));
            listing::facts(wanted.output, &rows, &stats.raw)
        }
    }
}

fn get(admin: &Admin, topic: &str, output: listing::Listing) -> Ended {
    let partitions = admin.partitions(topic)?;
    // Each partition has a last message of its own.
    let last = match partitions {
        0 => admin.last_message_id(topic)?.map(|id| id.as_str().to_owned()),
        _ => None,
    };
    let subscriptions = admin.subscriptions(topic)?;
    let raw = json!({"partitions": partitions, "last_message_id": last, "subscriptions": subscriptions});
    let rows = facts([
        ("partitions", partitions.to_string()),
        ("last message id", last.unwrap_or_default()),
        ("subscriptions", subscriptions.join(" ")),
    ]);
    listing::facts(output, &rows, &raw.to_string())
}

fn is_partition(topic: &str, whole: &str) -> bool {
    let number = topic.strip_prefix(whole).and_then(|rest| rest.strip_prefix("-partition-"));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}
