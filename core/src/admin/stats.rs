//! Statistics of topics, as far as all topics share them. The broker's own text contains the others.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::keeps_raw;

/// The statistics of a topic, or of all partitions of one together.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct TopicStats {
    /// Messages published per second.
    pub msg_rate_in: f64,
    /// Messages delivered per second.
    pub msg_rate_out: f64,
    /// Bytes published per second.
    pub msg_throughput_in: f64,
    /// Bytes delivered per second.
    pub msg_throughput_out: f64,
    /// Messages published since the broker loaded the topic.
    pub msg_in_counter: u64,
    /// Bytes published since the broker loaded the topic.
    pub bytes_in_counter: u64,
    /// Bytes stored, counting one copy.
    pub storage_size: i64,
    /// Bytes that a subscription has yet to acknowledge.
    pub backlog_size: i64,
    /// The producers, in no particular order. Readers and consumers are in `subscriptions`.
    pub publishers: Vec<PublisherStats>,
    /// The subscriptions by name. A connected reader is also one, with a name of its own.
    pub subscriptions: BTreeMap<String, SubscriptionStats>,
    /// For a partitioned topic, the statistics of each requested partition, by the partition's full name.
    pub partitions: BTreeMap<String, TopicStats>,
    /// The broker's complete answer, in JSON; empty for one of several partitions.
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
    /// The last entry that is safely stored, as `ledger:entry`. In an empty ledger the entry is -1.
    pub last_confirmed_entry: String,
    /// `LedgerOpened`, `ClosedLedger`, `Terminated` and others.
    pub state: String,
    /// The ledgers, the oldest first. The last one is being written, and has no numbers yet.
    pub ledgers: Vec<Ledger>,
    /// The positions of the subscriptions, by name.
    pub cursors: BTreeMap<String, Cursor>,
    /// For a partitioned topic, the statistics of each partition, by its full name. The other fields are then empty.
    pub partitions: BTreeMap<String, InternalStats>,
    /// The broker's complete answer, in JSON; empty for one of several partitions.
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
    /// The number of its entries.
    pub entries: u64,
    /// The number of its bytes.
    pub size: u64,
    /// Whether it was moved to cheaper storage.
    pub offloaded: bool,
}

/// The position of a subscription, in [`InternalStats`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Cursor {
    /// Everything up to this entry is acknowledged, as `ledger:entry`.
    pub mark_delete_position: String,
    /// The next entry to deliver, as `ledger:entry`.
    pub read_position: String,
    /// The acknowledged entries beyond that, as ranges in the broker's notation.
    pub individually_deleted_messages: String,
    /// Numbers that the broker keeps with the position. The cursor `pulsar.dedup` has the highest sequence id of every
    /// producer that wrote before it.
    pub properties: BTreeMap<String, i64>,
}

/// A producer in [`TopicStats`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct PublisherStats {
    /// Its name.
    pub producer_name: String,
    /// Messages published per second.
    pub msg_rate_in: f64,
    /// The address of the client, which here is that of the WebSocket proxy.
    pub address: String,
}

/// A subscription in [`TopicStats`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct SubscriptionStats {
    /// Messages not acknowledged, including those being delivered. The broker's count is an estimate that counts
    /// batches as entries, unless the request asks for precision. [`Admin::topic_stats`](super::Admin::topic_stats)
    /// asks for it.
    pub msg_backlog: i64,
    /// Messages delivered and not yet acknowledged; counted for shared and key_shared subscriptions.
    pub unacked_messages: u64,
    /// Messages whose delivery is delayed.
    pub msg_delayed: u64,
    /// Messages delivered per second.
    pub msg_rate_out: f64,
    /// Messages redelivered per second.
    pub msg_rate_redeliver: f64,
    /// `Exclusive`, `Shared`, `Failover` or `Key_Shared`; empty before the first consumer.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it outlives its consumers.
    #[serde(rename = "isDurable")]
    pub is_durable: bool,
    /// Whether the broker has stopped delivery to the consumers because too many messages are unacknowledged.
    #[serde(rename = "blockedSubscriptionOnUnackedMsgs")]
    pub is_blocked: bool,
    /// The connected consumers.
    pub consumers: Vec<ConsumerStats>,
}

/// A consumer in [`SubscriptionStats`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ConsumerStats {
    /// Its name.
    pub consumer_name: String,
    /// How many more messages the broker may send it.
    pub available_permits: i64,
    /// Messages delivered to it and not yet acknowledged.
    pub unacked_messages: u64,
    /// Messages delivered per second.
    pub msg_rate_out: f64,
    /// The address of the client, which here is that of the WebSocket proxy.
    pub address: String,
}
