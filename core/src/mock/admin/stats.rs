//! Statistics in the REST API: the part that tests use.

use serde_json::{Value, json};

use super::super::names::namespace_of;
use super::super::topics::{Broker, Topic};

/// Returns the statistics of a topic, of all partitions together.
pub(super) fn of_topic(broker: &Broker, topic: &str) -> Value {
    let mut subscriptions = serde_json::Map::new();
    let mut publishers = Vec::new();
    let (mut messages, mut bytes) = (0, 0);
    let found = broker.existing(topic);
    for topic in &found {
        for message in topic.log.entries.iter().flat_map(|entry| &entry.messages) {
            messages += 1;
            bytes += message.payload.as_ref().map_or(0, Vec::len);
        }
        publishers.extend(topic.producers.iter().map(|(conn, name)| {
            json!({ "producerName": &**name, "producerId": conn, "msgRateIn": 0.0, "accessMode": "Shared" })
        }));
        for (name, held) in &topic.subscriptions {
            let consumers = held.consumers.iter().map(|consumer| {
                json!({
                    "consumerName": consumer.settings.name,
                    "availablePermits": consumer.settings.queue_size.saturating_sub(consumer.prefetched()),
                    "unackedMessages": held.unacked_of(consumer.settings.conn),
                })
            });
            let before = subscriptions.get(&**name).map_or(0, |held| held["msgBacklog"].as_u64().unwrap_or(0));
            let unacked = held.consumers.iter().map(|consumer| held.unacked_of(consumer.settings.conn) as u64);
            subscriptions.insert(
                name.to_string(),
                json!({
                    "type": held.kind.name(),
                    "msgBacklog": held.backlog(&topic.log) as u64 + before,
                    "unackedMessages": unacked.sum::<u64>(),
                    "msgDelayed": held.delayed(),
                    "isDurable": held.durable,
                    "isReplicated": false,
                    "consumers": consumers.collect::<Vec<_>>(),
                }),
            );
        }
    }
    json!({
        "msgInCounter": messages,
        "bytesInCounter": bytes,
        "storageSize": bytes,
        "msgRateIn": 0.0,
        "msgRateOut": 0.0,
        "publishers": publishers,
        "subscriptions": subscriptions,
        "metadata": { "partitions": broker.partitioned.get(topic).copied().unwrap_or(0), "deleted": false },
        "deduplicationStatus": match broker.namespaces.get(namespace_of(topic)) {
            Some(policies) if policies.deduplicates() => "Enabled",
            _ => "Disabled",
        },
    })
}

/// Returns how a topic is stored: here always in one ledger.
pub(super) fn internal(topic: &Topic) -> Value {
    let log = &topic.log;
    let count = log.entries.len();
    let bytes = |entry: &super::super::ledger::Entry| -> usize {
        entry.messages.iter().map(|message| message.payload.as_ref().map_or(0, Vec::len)).sum()
    };
    let size: usize = log.entries.iter().map(bytes).sum();
    let mut cursors: serde_json::Map<String, Value> = topic
        .subscriptions
        .iter()
        .map(|(name, held)| {
            let (mark, read) = held.positions();
            let cursor = json!({
                "markDeletePosition": format!("{}:{}", log.ledger, mark as i64 - 1),
                "readPosition": format!("{}:{read}", log.ledger),
                "individuallyDeletedMessages": "[]",
                "state": "Open",
            });
            (name.to_string(), cursor)
        })
        .collect();
    if !topic.last_sequence.is_empty() {
        let noted: Value = topic.noted_sequence.iter().map(|(name, id)| (name.to_string(), json!(id))).collect();
        cursors.insert("pulsar.dedup".to_owned(), json!({ "state": "Open", "properties": noted }));
    }
    json!({
        "entriesAddedCounter": count,
        "numberOfEntries": count,
        "totalSize": size,
        "lastConfirmedEntry": format!("{}:{}", log.ledger, count as i64 - 1),
        "state": if topic.terminated { "Terminated" } else { "LedgerOpened" },
        "ledgers": [{ "ledgerId": log.ledger, "entries": 0, "size": 0, "offloaded": false }],
        "cursors": cursors,
    })
}
