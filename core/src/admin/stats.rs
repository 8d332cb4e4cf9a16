//! Statistics of topics, as far as they are the same for all; the rest is in the broker's own text.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::keeps_raw;

/// The statistics of a topic, or of all partitions of one together.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct TopicStats {
    /// Messages published a second.
    pub msg_rate_in: f64,
    /// Messages delivered a second.
    pub msg_rate_out: f64,
    /// Bytes published a second.
    pub msg_throughput_in: f64,
    /// Bytes delivered a second.
    pub msg_throughput_out: f64,
    /// Messages published since the broker loaded the topic.
    pub msg_in_counter: u64,
    /// Bytes published since the broker loaded the topic.
    pub bytes_in_counter: u64,
    /// Bytes stored, as they are in one copy.
    pub storage_size: i64,
    /// Bytes that a subscription has still to acknowledge.
    pub backlog_size: i64,
    /// The producers, in no order. Readers and consumers are in `subscriptions`.
    pub publishers: Vec<PublisherStats>,
    /// The subscriptions by name; a reader that is connected is one too, with a name of its own.
    pub subscriptions: BTreeMap<String, SubscriptionStats>,
    /// For a topic with partitions, the statistics of each that were asked for, by the full name of the partition.
    pub partitions: BTreeMap<String, TopicStats>,
    /// Everything that the broker said, in JSON; empty for a partition among others.
    #[serde(skip)]
    pub raw: String,
}

keeps_raw!(TopicStats, InternalStats);

/// How a broker stores a topic: its ledgers and the cursors of its subscriptions.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct InternalStats {
    /// Entries written since the broker loaded the topic; a batch is one entry.
    pub entries_added_counter: u64,
    /// Entries that are stored.
    pub number_of_entries: u64,
    /// Bytes that are stored.
    pub total_size: u64,
    /// The last entry that is safely stored, `ledger:entry`; the entry is -1 in a ledger without any.
    pub last_confirmed_entry: String,
    /// `LedgerOpened`, `ClosedLedger`, `Terminated` and others.
    pub state: String,
    /// The ledgers, the oldest first; the last one is being written, and has no numbers yet.
    pub ledgers: Vec<Ledger>,
    /// The positions of the subscriptions by their names.
    pub cursors: BTreeMap<String, Cursor>,
    /// For a topic with partitions, those of each, by the full name of the partition; then the rest is empty.
    pub partitions: BTreeMap<String, InternalStats>,
    /// Everything that the broker said, in JSON; empty for a partition among others.
    #[serde(skip)]
    pub raw: String,
}

/// A ledger in [`InternalStats`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Ledger {
    /// Its number, the first part of a message id.
    pub ledger_id: u64,
    /// How many entries it has.
    pub entries: u64,
    /// How many bytes it has.
    pub size: u64,
    /// Whether it was moved to a cheaper storage.
    pub offloaded: bool,
}

/// Where a subscription stands, in [`InternalStats`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Cursor {
    /// Everything up to this entry is acknowledged, `ledger:entry`.
    pub mark_delete_position: String,
    /// The next entry to be delivered, `ledger:entry`.
    pub read_position: String,
    /// What is acknowledged beyond, as ranges in the broker's writing.
    pub individually_deleted_messages: String,
}

/// A producer in [`TopicStats`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct PublisherStats {
    /// Its name.
    pub producer_name: String,
    /// Messages published a second.
    pub msg_rate_in: f64,
    /// The address of the client, here that of the WebSocket proxy.
    pub address: String,
}

/// A subscription in [`TopicStats`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct SubscriptionStats {
    /// Messages not acknowledged, those in delivery included. The broker estimates: with batches it counts them as
    /// entries unless it was asked to be precise, as [`Admin::topic_stats`](super::Admin::topic_stats) does.
    pub msg_backlog: i64,
    /// Messages delivered and not acknowledged yet; counted for shared and key_shared subscriptions.
    pub unacked_messages: u64,
    /// Messages that wait for their time.
    pub msg_delayed: u64,
    /// Messages delivered a second.
    pub msg_rate_out: f64,
    /// Messages redelivered a second.
    pub msg_rate_redeliver: f64,
    /// `Exclusive`, `Shared`, `Failover` or `Key_Shared`; empty before the first consumer.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it outlives its consumers.
    #[serde(rename = "isDurable")]
    pub is_durable: bool,
    /// Whether the broker holds back from the consumers because too much is unacknowledged.
    #[serde(rename = "blockedSubscriptionOnUnackedMsgs")]
    pub is_blocked: bool,
    /// The consumers that are connected.
    pub consumers: Vec<ConsumerStats>,
}

/// A consumer in [`SubscriptionStats`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ConsumerStats {
    /// Its name.
    pub consumer_name: String,
    /// How many messages it may still be sent.
    pub available_permits: i64,
    /// Messages delivered to it and not acknowledged yet.
    pub unacked_messages: u64,
    /// Messages delivered a second.
    pub msg_rate_out: f64,
    /// The address of the client, here that of the WebSocket proxy.
    pub address: String,
}
