//! Messages as they are stored, read without a subscription: what `peek` and its relatives answer.

use std::sync::Arc;

use super::http::Response;
use crate::error::{Error, ErrorKind, Result};
use crate::message::{Message, MessageId, Origin};
use crate::proto::{batch, time};
use crate::topic::TopicName;

/// A message as the broker stores it, with what consumers are not told.
#[derive(Debug, Clone)]
pub struct StoredMessage {
    message: Message,
    producer_name: String,
    sequence_id: i64,
    null: bool,
    encrypted: bool,
}

impl StoredMessage {
    /// The message. It was delivered to nobody, so there is nothing to acknowledge.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// The message without the rest.
    pub fn into_message(self) -> Message {
        self.message
    }

    /// The name of the producer, given by the application or by the broker.
    pub fn producer_name(&self) -> &str {
        &self.producer_name
    }

    /// The producer's number of the message, by which the broker knows duplicates.
    pub fn sequence_id(&self) -> i64 {
        self.sequence_id
    }

    /// Whether it has no value at all, which in a compacted topic deletes its key; its payload is empty.
    pub fn is_null(&self) -> bool {
        self.null
    }

    /// Whether the payload is encrypted. Then a batch is one message here, since nobody can look into it.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }
}

/// The messages of the entry in a response: one, or those of a batch.
pub(super) fn unpack(topic: &TopicName, response: &Response) -> Result<Vec<StoredMessage>> {
    let bad = |what: &str| Error::new(ErrorKind::Protocol, format!("{what} of the stored message cannot be read"));
    let head = |name: &str| response.headers.get(name).and_then(|value| value.to_str().ok());
    let is = |name: &str| head(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let (ledger, entry) = head("x-pulsar-message-id")
        .and_then(|id| {
            let mut parts = id.split(':').map(str::parse);
            Some((parts.next()?.ok()?, parts.next()?.ok()?))
        })
        .ok_or_else(|| bad("the id"))?;
    let partition = topic.partition_index().map_or(-1, |index| index as i32);
    let millis = |name: &str| head(name).and_then(time::parse);
    let properties = response.headers.get("x-pulsar-property");
    let properties = properties.and_then(|value| serde_json::from_slice(value.as_bytes()).ok());
    let key = response.headers.get("x-pulsar-partition-key");
    let whole = StoredMessage {
        message: Message {
            id: MessageId::at(ledger, entry, partition, -1),
            topic: Arc::new(topic.clone()),
            payload: response.body.clone(),
            key: key.map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned()),
            properties: properties.unwrap_or_default(),
            publish_time: millis("x-pulsar-publish-time"),
            event_time: millis("x-pulsar-event-time"),
            redelivery_count: 0,
            encryption_context: None,
            batch: None,
            origin: Origin::default(),
        },
        producer_name: head("x-pulsar-producer-name").unwrap_or_default().to_owned(),
        sequence_id: head("x-pulsar-sequence-id").and_then(|id| id.parse().ok()).unwrap_or(-1),
        null: is("x-pulsar-null-value"),
        encrypted: is("x-pulsar-is-encrypted"),
    };
    let Some(count) = head("x-pulsar-num-batch-message").filter(|_| !whole.encrypted) else { return Ok(vec![whole]) };
    let singles = count.parse().ok().and_then(|count| batch::unpack(&response.body, count).ok());
    let messages = singles.ok_or_else(|| bad("the batch"))?.into_iter().map(|single| {
        let mut stored = whole.clone();
        stored.message.id = MessageId::at(ledger, entry, partition, single.index as i32);
        stored.message.payload = single.payload;
        stored.message.key = single.key;
        stored.message.properties = single.properties;
        stored.message.event_time = single.event_time;
        stored.sequence_id = single.sequence_id.unwrap_or(whole.sequence_id + single.index as i64);
        stored.null = single.null;
        stored
    });
    Ok(messages.collect())
}
