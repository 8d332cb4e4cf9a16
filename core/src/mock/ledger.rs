//! The storage of a topic: messages, and the entries that contain them.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde_json::Value;

use super::ids::Id;
use super::names::base_topic;

/// A stored message.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// `None` is a null value, a tombstone.
    pub(super) payload: Option<Vec<u8>>,
    pub(super) key: Option<String>,
    pub(super) properties: BTreeMap<String, String>,
    /// Milliseconds since 1970; 0 means none.
    pub(super) event_time: i64,
    pub(super) deliver_at: u64,
    pub(super) publish_time: u64,
    pub(super) producer: Arc<str>,
    pub(super) sequence: i64,
    /// The data that a consumer needs to decrypt an encrypted message.
    pub(super) encryption: Option<Value>,
}

/// The unit that the broker stores and acknowledges: a message, or a batch.
pub(super) struct Entry {
    pub(super) messages: Vec<Arc<Message>>,
    pub(super) batch: bool,
}

impl Entry {
    pub(super) fn deliver_at(&self) -> u64 {
        self.messages.first().map_or(0, |message| message.deliver_at)
    }

    /// Returns the hash of the key. Each message without a key has its own.
    pub(super) fn key_hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        if let Some(message) = self.messages.first() {
            match &message.key {
                Some(key) => key.hash(&mut hasher),
                None => (&message.producer, message.sequence).hash(&mut hasher),
            }
        }
        hasher.finish()
    }
}

/// The messages of a topic.
pub(super) struct Ledger {
    pub(super) topic: Arc<str>,
    pub(super) ledger: i64,
    /// -1 for a topic that is not a partition.
    pub(super) partition: i32,
    pub(super) persistent: bool,
    pub(super) entries: Vec<Entry>,
}

impl Ledger {
    pub(super) fn id(&self, entry: usize, batch: i32, size: i32) -> Id {
        if self.persistent {
            Id { ledger: self.ledger, entry: entry as i64, partition: self.partition, batch, size }
        } else {
            Id { ledger: 0, entry: 0, partition: self.partition, batch, size }
        }
    }

    pub(super) fn base(&self) -> &str {
        base_topic(&self.topic)
    }

    /// Returns the position of an id: its entry, or the beginning or end if the id is from another ledger.
    pub(super) fn position(&self, id: Id) -> usize {
        if id.ledger < self.ledger || (id.ledger == self.ledger && id.entry < 0) {
            0
        } else if id.ledger > self.ledger {
            self.entries.len()
        } else {
            usize::try_from(id.entry).unwrap_or(usize::MAX).min(self.entries.len())
        }
    }
}
