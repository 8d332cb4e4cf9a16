//! `subscriptions`

use std::io::Write;

use clap::Subcommand;
use stargate_core::Message;
use stargate_core::blocking::Admin;

use super::{Confirmation, done, facts, open, position};
use crate::connection::Connection;
use crate::exit::{self, Ended, Failure};
use crate::format::{Form, Printer};
use crate::listing::{self, Listing};
use crate::stdout::{Stdout, Stop, ended};

#[derive(Subcommand)]
pub(crate) enum Subscriptions {
    /// List the subscriptions of a topic
    Ls {
        /// The topic: orders, tenant/namespace/orders or in full
        topic: String,
    },
    /// Create a subscription
    Create {
        /// The topic: orders, tenant/namespace/orders or in full
        topic: String,
        /// The name of the subscription
        subscription: String,
        /// Where it begins: earliest, latest, a message id, a time or an age (-1h)
        #[arg(long, value_name = "PLACE", default_value = "latest", allow_hyphen_values = true)]
        from: String,
    },
    /// Delete a subscription
    Delete {
        /// The topic: orders, tenant/namespace/orders or in full
        topic: String,
        /// The name of the subscription
        subscription: String,
        /// Delete it also while it has consumers
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// Print the type, the backlog and the consumers of a subscription
    #[command(visible_alias = "get")]
    Stats {
        /// The topic: orders, tenant/namespace/orders or in full
        topic: String,
        /// The name of the subscription
        subscription: String,
    },
    /// Print the next messages of a subscription, and leave them there; -o json prints lines as `read -o jsonl` does
    Peek {
        /// The topic: orders, tenant/namespace/orders or in full
        topic: String,
        /// The name of the subscription
        subscription: String,
        /// How many messages
        #[arg(short = 'n', value_name = "N", default_value_t = 1)]
        count: usize,
    },
    /// Move a subscription: the message at this place is its next one
    Seek {
        /// The topic: orders, tenant/namespace/orders or in full
        topic: String,
        /// The name of the subscription
        subscription: String,
        /// earliest, latest, a message id, a time (2026-11-28T12:30:00Z or ms since 1970) or an age (-1h)
        #[arg(allow_hyphen_values = true)]
        place: String,
    },
    /// Acknowledge the next messages of a subscription unseen
    Skip {
        /// The topic: orders, tenant/namespace/orders or in full
        topic: String,
        /// The name of the subscription
        subscription: String,
        /// How many messages
        count: u64,
    },
    /// Acknowledge all messages of a subscription unseen
    Clear {
        /// The topic: orders, tenant/namespace/orders or in full
        topic: String,
        /// The name of the subscription
        subscription: String,
        #[command(flatten)]
        confirmation: Confirmation,
    },
}

/// `subscriptions`
pub(crate) fn run(connection: &Connection, wanted: &super::Admin<Subscriptions>) -> Ended {
    let admin = open(connection)?;
    match &wanted.wanted {
        Subscriptions::Ls { topic } => listing::names(wanted.output, "subscription", &admin.subscriptions(topic)?),
        Subscriptions::Create { topic, subscription, from } => {
            let begin = position("--from", from)?;
            done(admin.create_subscription(topic, subscription, &begin))
        }
        Subscriptions::Delete { topic, subscription, force, confirmation } => {
            confirmation.ask(&format!("Delete subscription {subscription} of {topic}?"))?;
            done(admin.delete_subscription(topic, subscription, *force))
        }
        Subscriptions::Stats { topic, subscription } => stats(&admin, topic, subscription, wanted.output),
        Subscriptions::Peek { topic, subscription, count } => {
            ended(peek(&admin, topic, subscription, *count, wanted.output))
        }
        Subscriptions::Seek { topic, subscription, place } => {
            done(admin.seek(topic, subscription, &position("the place", place)?))
        }
        Subscriptions::Skip { topic, subscription, count } => done(admin.skip(topic, subscription, *count)),
        Subscriptions::Clear { topic, subscription, confirmation } => {
            confirmation.ask(&format!("Acknowledge all messages of subscription {subscription} of {topic}?"))?;
            done(admin.skip_all(topic, subscription))
        }
    }
}

fn stats(admin: &Admin, topic: &str, subscription: &str, output: Listing) -> Ended {
    let stats = admin.topic_stats(topic)?;
    let Some(held) = stats.subscriptions.get(subscription) else {
        return Err(Failure::failed(format!("{topic} has no subscription {subscription}")));
    };
    let rows = facts([
        ("type", held.kind.clone()),
        ("backlog", held.msg_backlog.to_string()),
        ("unacknowledged", held.unacked_messages.to_string()),
        ("delayed", held.msg_delayed.to_string()),
        ("messages out a second", format!("{:.1}", held.msg_rate_out)),
        ("consumers", held.consumers.len().to_string()),
    ]);
    let whole = listing::parsed(&stats.raw)?;
    listing::facts(output, &rows, &whole["subscriptions"][subscription].to_string())
}

fn peek(admin: &Admin, topic: &str, subscription: &str, count: usize, output: Listing) -> Result<u8, Stop> {
    // A partitioned topic has a backlog in each partition.
    let parts = match admin.partitions(topic)? {
        0 => vec![topic.to_owned()],
        number => (0..number).map(|part| format!("{topic}-partition-{part}")).collect(),
    };
    let mut messages = Vec::new();
    for part in &parts {
        messages.extend(admin.peek(part, subscription, count)?.into_iter().map(|stored| stored.into_message()));
    }
    if parts.len() > 1 {
        messages.sort_by_key(|message| message.publish_time_ms());
    }
    messages.truncate(count);
    if output == Listing::Json {
        let mut printer = Printer::of_form(Form::Jsonl, Stdout::new()?);
        messages.iter().try_for_each(|message| printer.print(message))?;
        printer.out.flush()?;
    } else {
        let rows: Vec<Vec<String>> = messages.iter().map(row).collect();
        listing::rows(output, &["id", "published", "key", "payload"], &rows)?;
    }
    Ok(if messages.is_empty() { exit::NOTHING } else { exit::DONE })
}

fn row(message: &Message) -> Vec<String> {
    vec![
        message.id().as_str().to_owned(),
        message.publish_time_ms().map(|millis| millis.to_string()).unwrap_or_default(),
        message.key().unwrap_or_default().to_owned(),
        String::from_utf8_lossy(message.payload()).into_owned(),
    ]
}
