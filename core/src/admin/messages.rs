//! Stored messages, read without a subscription: the results of `peek` and similar operations.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::http::Response;
use crate::message::batch;
use crate::message::{Message, MessageId, Origin};
use crate::proto::time;
use crate::topic::TopicName;

/// A message as the broker stores it, with fields that consumers do not receive.
#[derive(Debug, Clone)]
pub struct StoredMessage {
    message: Message,
    producer_name: String,
    sequence_id: i64,
    null: bool,
    encrypted: bool,
    replicated_from: Option<String>,
}

impl StoredMessage {
    /// Returns the message. It was not delivered to a consumer, so there is nothing to acknowledge.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Returns only the message.
    pub fn into_message(self) -> Message {
        self.message
    }

    /// Returns the name of the producer, given by the application or by the broker.
    pub fn producer_name(&self) -> &str {
        &self.producer_name
    }

    /// Returns the producer's sequence id of the message, by which the broker detects duplicates.
    pub fn sequence_id(&self) -> i64 {
        self.sequence_id
    }

    /// Returns whether the message has no value, which deletes its key in a compacted topic. Its payload is empty.
    pub fn is_null(&self) -> bool {
        self.null
    }

    /// Returns the cluster that the message was sent to, if geo-replication brought it here from another one.
    pub fn replicated_from(&self) -> Option<&str> {
        self.replicated_from.as_deref()
    }

    /// Returns whether the payload is encrypted. If so, a batch appears as one message here, because its content is
    /// unreadable.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }
}

/// Returns the messages of the entry in a response: one, or those of a batch.
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
        replicated_from: head("x-pulsar-replicated-from").map(str::to_owned),
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use hyper::header::{HeaderMap, HeaderName};

    use super::*;

    fn response(headers: &[(&'static str, &str)], body: &[u8]) -> Response {
        let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        Response { status: 200, headers: HeaderMap::from_iter(headers), body: Bytes::copy_from_slice(body) }
    }

    /// Two messages: `a` with key `k` and property `p=q`, and a null value. They include unknown fields, which are
    /// skipped.
    const BATCH: &[u8] =
        b"\0\0\0\x0f\x0a\x06\x0a\x01p\x12\x01q\x12\x01k\x18\x01\x40\x07a\0\0\0\x06\x18\x00\x48\x01\x28\x05";
    const BATCHED: &[(&str, &str)] =
        &[("x-pulsar-message-id", "3:4"), ("x-pulsar-num-batch-message", "2"), ("x-pulsar-sequence-id", "7")];

    #[test]
    fn a_batch_is_unpacked_and_one_that_is_cut_off_is_an_error() {
        let topic: TopicName = "t-partition-2".parse().unwrap();
        let messages = unpack(&topic, &response(BATCHED, BATCH)).unwrap();
        let [first, second] = &messages[..] else { panic!("{messages:?}") };
        assert_eq!(first.message().id(), &MessageId::at(3, 4, 2, 0));
        assert_eq!((&first.message().payload()[..], first.message().key()), (&b"a"[..], Some("k")));
        assert_eq!(first.message().properties(), &BTreeMap::from([("p".to_owned(), "q".to_owned())]));
        assert_eq!((first.sequence_id(), first.is_null()), (7, false));
        assert_eq!((second.sequence_id(), second.is_null(), second.message().event_time_ms()), (8, true, Some(5)));
        for length in 0..BATCH.len() {
            let error = unpack(&topic, &response(BATCHED, &BATCH[..length])).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol, "{length} bytes");
        }
        assert!(unpack(&topic, &response(&BATCHED[1..], BATCH)).is_err(), "without an id");
    }

    #[test]
    fn a_replicated_message_names_its_cluster() {
        let headers = [("x-pulsar-message-id", "3:4"), ("x-pulsar-replicated-from", "east")];
        let topic: TopicName = "t".parse().unwrap();
        assert_eq!(unpack(&topic, &response(&headers, b"x")).unwrap()[0].replicated_from(), Some("east"));
        assert_eq!(unpack(&topic, &response(&headers[..1], b"x")).unwrap()[0].replicated_from(), None);
    }

    #[test]
    fn nobody_looks_into_what_is_encrypted() {
        let encrypted = [BATCHED, &[("x-pulsar-is-encrypted", "true")]].concat();
        let messages = unpack(&"t".parse().unwrap(), &response(&encrypted, BATCH)).unwrap();
        assert_eq!((messages.len(), messages[0].is_encrypted()), (1, true));
        assert_eq!(&messages[0].message().payload()[..], BATCH);
    }
}
