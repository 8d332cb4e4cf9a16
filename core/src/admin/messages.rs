//! Messages as they are stored, read without a subscription: what `peek` and its relatives answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::http::Response;
use crate::error::{Error, ErrorKind, Result};
use crate::message::{Message, MessageId, Origin, varint};
use crate::proto::time;
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
            origin: Origin::default(),
        },
        producer_name: head("x-pulsar-producer-name").unwrap_or_default().to_owned(),
        sequence_id: head("x-pulsar-sequence-id").and_then(|id| id.parse().ok()).unwrap_or(-1),
        null: is("x-pulsar-null-value"),
        encrypted: is("x-pulsar-is-encrypted"),
    };
    let Some(count) = head("x-pulsar-num-batch-message").filter(|_| !whole.encrypted) else { return Ok(vec![whole]) };
    let count: i32 = count.parse().map_err(|_| bad("the batch"))?;
    let mut rest = response.body.clone();
    let mut messages = Vec::new();
    for index in 0..count {
        let (single, payload) = Single::take(&mut rest).ok_or_else(|| bad("the batch"))?;
        // Compaction leaves the place of what it removed.
        if single.compacted_out {
            continue;
        }
        let mut stored = whole.clone();
        stored.message.id = MessageId::at(ledger, entry, partition, index);
        stored.message.payload = payload;
        stored.message.key = single.key;
        stored.message.properties = single.properties;
        stored.message.event_time = single.event_time;
        stored.sequence_id = single.sequence_id.unwrap_or(whole.sequence_id + i64::from(index));
        stored.null = single.null;
        messages.push(stored);
    }
    Ok(messages)
}

/// `SingleMessageMetadata` of Pulsar's protocol.
#[derive(Default)]
struct Single {
    properties: BTreeMap<String, String>,
    key: Option<String>,
    payload_size: usize,
    compacted_out: bool,
    event_time: Option<i64>,
    sequence_id: Option<i64>,
    null: bool,
}

impl Single {
    /// The next message of a batch: its metadata behind their length, and its payload.
    fn take(batch: &mut Bytes) -> Option<(Single, Bytes)> {
        let length = u32::from_be_bytes(batch.get(..4)?.try_into().ok()?) as usize;
        let end = length.checked_add(4)?;
        let mut single = Single::default();
        let mut metadata = batch.get(4..end)?;
        while !metadata.is_empty() {
            match field(&mut metadata)? {
                (1, Field::Bytes(mut pair)) => {
                    let (mut name, mut value) = (String::new(), String::new());
                    while !pair.is_empty() {
                        match field(&mut pair)? {
                            (1, Field::Bytes(bytes)) => name = text(bytes),
                            (2, Field::Bytes(bytes)) => value = text(bytes),
                            _ => {}
                        }
                    }
                    single.properties.insert(name, value);
                }
                (2, Field::Bytes(bytes)) => single.key = Some(text(bytes)),
                (3, Field::Number(size)) => single.payload_size = usize::try_from(size).ok()?,
                (4, Field::Number(flag)) => single.compacted_out = flag != 0,
                (5, Field::Number(time)) => single.event_time = (time != 0).then_some(time as i64),
                (8, Field::Number(id)) => single.sequence_id = Some(id as i64),
                (9, Field::Number(flag)) => single.null = flag != 0,
                _ => {}
            }
        }
        let payload = end..end.checked_add(single.payload_size)?;
        if payload.end > batch.len() {
            return None;
        }
        let content = batch.slice(payload.clone());
        *batch = batch.slice(payload.end..);
        Some((single, content))
    }
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The next field of a protobuf message: its number and its value.
fn field<'a>(bytes: &mut &'a [u8]) -> Option<(u64, Field<'a>)> {
    let tag = varint(bytes)?;
    let length = match tag & 7 {
        0 => return Some((tag >> 3, Field::Number(varint(bytes)?))),
        1 => 8,
        2 => usize::try_from(varint(bytes)?).ok()?,
        5 => 4,
        _ => return None,
    };
    let value = bytes.get(..length)?;
    *bytes = bytes.get(length..)?;
    Some((tag >> 3, Field::Bytes(value)))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
