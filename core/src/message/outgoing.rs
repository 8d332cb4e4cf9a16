//! Messages to send, and their receipts.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::MessageId;
use crate::error::{Error, Result};

/// The name by which Pulsar's clients say that a message is not replicated.
const NO_CLUSTER: &str = "__local__";

/// A message to send: a payload, and its metadata.
///
/// ```
/// use stargate_core::OutgoingMessage;
///
/// let bare: OutgoingMessage = "payload".into();
/// let keyed: OutgoingMessage = ("key", "payload").into();
/// let full = OutgoingMessage::new("payload").key("key").property("origin", "shop").context("order 17");
/// # let _ = (bare, keyed, full);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OutgoingMessage {
    pub(crate) payload: Bytes,
    pub(crate) key: Option<String>,
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) context: Option<String>,
    pub(crate) event_time: Option<i64>,
    pub(crate) deliver_at: Option<i64>,
    pub(crate) deliver_after: Option<Duration>,
    pub(crate) replication_clusters: Vec<String>,
}

impl OutgoingMessage {
    /// Creates a message with this content.
    pub fn new(payload: impl Into<Bytes>) -> OutgoingMessage {
        OutgoingMessage { payload: payload.into(), ..OutgoingMessage::default() }
    }

    /// Creates a message with a value as JSON. Fails if the value has no form in JSON, such as a map whose keys are no
    /// texts.
    pub fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<OutgoingMessage> {
        let content = serde_json::to_vec(value);
        content
            .map(OutgoingMessage::new)
            .map_err(|error| Error::invalid("the value has no form in JSON").caused_by(error))
    }

    /// Returns the size of the content in bytes.
    pub fn payload_len(&self) -> usize {
        self.payload.len()
    }

    /// Sets the key, which selects the partition, and the consumer of a key_shared subscription.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> OutgoingMessage {
        self.key = Some(key.into());
        self
    }

    /// Adds a property.
    #[must_use]
    pub fn property(mut self, name: impl Into<String>, value: impl Into<String>) -> OutgoingMessage {
        self.properties.insert(name.into(), value.into());
        self
    }

    /// Sets a value of the application that the receipt returns. It is not sent.
    #[must_use]
    pub fn context(mut self, context: impl Into<String>) -> OutgoingMessage {
        self.context = Some(context.into());
        self
    }

    /// Sets the application's time of the event; kept to the millisecond, and not before 1970.
    #[must_use]
    pub fn event_time(self, time: SystemTime) -> OutgoingMessage {
        let millis = to_epoch_millis(time);
        self.event_time_ms(millis)
    }

    /// Sets the application's time of the event, in milliseconds since 1970 UTC.
    #[must_use]
    pub fn event_time_ms(mut self, millis: i64) -> OutgoingMessage {
        self.event_time = Some(millis);
        self
    }

    /// Sets the time before which the broker does not deliver the message. Works on shared and key_shared
    /// subscriptions; the others deliver at once.
    #[must_use]
    pub fn deliver_at(self, time: SystemTime) -> OutgoingMessage {
        let millis = to_epoch_millis(time);
        self.deliver_at_ms(millis)
    }

    /// As [`OutgoingMessage::deliver_at`], but in milliseconds since 1970 UTC.
    #[must_use]
    pub fn deliver_at_ms(mut self, millis: i64) -> OutgoingMessage {
        self.deliver_at = Some(millis);
        self
    }

    /// Delays delivery by this much. Works on shared and key_shared subscriptions; the others deliver at once.
    #[must_use]
    pub fn deliver_after(mut self, delay: Duration) -> OutgoingMessage {
        self.deliver_after = Some(delay);
        self
    }

    /// Restricts replication to these clusters, which the namespace must name.
    #[must_use]
    pub fn replication_clusters(mut self, clusters: impl IntoIterator<Item = impl Into<String>>) -> OutgoingMessage {
        self.replication_clusters = clusters.into_iter().map(Into::into).collect();
        self
    }

    /// Keeps the message in the cluster that it is sent to. It takes the place of
    /// [`OutgoingMessage::replication_clusters`].
    #[must_use]
    pub fn disable_replication(self) -> OutgoingMessage {
        self.replication_clusters([NO_CLUSTER])
    }

    /// Rejects what the server would misunderstand or crash on.
    pub(crate) fn check(&self) -> Result<()> {
        // 9999-12-31T23:59:59.999Z, the last time that the wire format can express with a year of four digits
        const LAST: i64 = 253_402_300_799_999;
        for (name, time) in [("event_time", self.event_time), ("deliver_at", self.deliver_at)] {
            if time.is_some_and(|millis| !(1..=LAST).contains(&millis)) {
                return Err(Error::invalid(format!("{name}: expected a time after 1970 and before the year 10000")));
            }
        }
        if self.deliver_at.is_some() && self.deliver_after.is_some() {
            return Err(Error::invalid("deliver_at and deliver_after exclude each other: give one of them"));
        }
        if self.deliver_after.is_some_and(|delay| delay.as_millis() > LAST as u128) {
            return Err(Error::invalid("deliver_after: expected a delay that ends before the year 10000"));
        }
        Ok(())
    }
}

fn to_epoch_millis(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis),
    }
}

impl From<&str> for OutgoingMessage {
    fn from(payload: &str) -> OutgoingMessage {
        OutgoingMessage::new(payload.to_owned())
    }
}

impl From<String> for OutgoingMessage {
    fn from(payload: String) -> OutgoingMessage {
        OutgoingMessage::new(payload)
    }
}

impl From<&[u8]> for OutgoingMessage {
    fn from(payload: &[u8]) -> OutgoingMessage {
        OutgoingMessage::new(payload.to_vec())
    }
}

impl From<Vec<u8>> for OutgoingMessage {
    fn from(payload: Vec<u8>) -> OutgoingMessage {
        OutgoingMessage::new(payload)
    }
}

impl From<Bytes> for OutgoingMessage {
    fn from(payload: Bytes) -> OutgoingMessage {
        OutgoingMessage::new(payload)
    }
}

impl<K: Into<String>, P: Into<OutgoingMessage>> From<(K, P)> for OutgoingMessage {
    fn from((key, payload): (K, P)) -> OutgoingMessage {
        payload.into().key(key)
    }
}

/// The receipt of a message that the broker has stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub(crate) message_id: MessageId,
    pub(crate) duplicate: bool,
    pub(crate) context: Option<String>,
}

impl Receipt {
    /// Returns the id of the message. Meaningless if [`Receipt::is_duplicate`].
    pub fn message_id(&self) -> &MessageId {
        &self.message_id
    }

    /// Returns whether the broker had the message already, because this client or the server sent it twice; it is
    /// stored once. Only for namespaces with deduplication enabled.
    pub fn is_duplicate(&self) -> bool {
        self.duplicate
    }

    /// Returns the context that the application gave the message.
    pub fn context(&self) -> Option<&str> {
        self.context.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_the_wire_cannot_say_are_refused() {
        assert!(OutgoingMessage::new("x").event_time(UNIX_EPOCH - Duration::from_secs(1)).check().is_err());
        assert!(OutgoingMessage::new("x").deliver_at_ms(i64::MAX).check().is_err());
        assert!(OutgoingMessage::new("x").deliver_at_ms(1).deliver_after(Duration::ZERO).check().is_err());
        assert!(OutgoingMessage::new("x").event_time(SystemTime::now()).check().is_ok());
    }
}
