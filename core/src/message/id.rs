//! The ids of messages.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, Result};
use crate::topic::TopicName;

/// The position of a message in its topic: ordered within a topic or partition, and equal however it was obtained.
///
/// On the wire an id is base64 of the protobuf message `MessageIdData`. The ids that producer and consumer receive for
/// one message can differ as text, since the producer does not know the size of the batch. So ids are compared by the
/// position that they name.
#[derive(Clone)]
pub struct MessageId {
    ledger: u64,
    entry: u64,
    partition: i32,
    batch_index: i32,
    /// The text from the server, because an acknowledgement has to repeat fields that the client does not interpret.
    wire: Wire,
}

/// The text of an id. The ids that brokers write fit in `Short`, which needs no allocation: every message has an id.
#[derive(Clone)]
enum Wire {
    Short { text: [u8; Wire::SHORT], length: u8 },
    Long(Box<str>),
}

impl Wire {
    const SHORT: usize = 30;

    fn new(text: &str) -> Wire {
        match u8::try_from(text.len()) {
            Ok(length) if text.len() <= Wire::SHORT => {
                let mut short = [0; Wire::SHORT];
                short[..text.len()].copy_from_slice(text.as_bytes());
                Wire::Short { text: short, length }
            }
            _ => Wire::Long(text.into()),
        }
    }

    fn as_str(&self) -> &str {
        match self {
            Wire::Short { text, length } => std::str::from_utf8(&text[..usize::from(*length)]).unwrap_or_default(),
            Wire::Long(text) => text,
        }
    }
}

impl MessageId {
    /// Returns the ledger that holds the message.
    pub fn ledger(&self) -> u64 {
        self.ledger
    }

    /// Returns the entry in the ledger.
    pub fn entry(&self) -> u64 {
        self.entry
    }

    /// Returns the partition, or `None` for a topic without partitions.
    pub fn partition(&self) -> Option<u32> {
        u32::try_from(self.partition).ok()
    }

    /// Returns the index in its batch, or `None` for a message that was not batched.
    pub fn batch_index(&self) -> Option<u32> {
        u32::try_from(self.batch_index).ok()
    }

    /// Returns the id in base64, as the server wrote it; [`str::parse`] reads it.
    pub fn as_str(&self) -> &str {
        self.wire.as_str()
    }

    /// Returns the id as bytes, `MessageIdData` of Pulsar's protocol; other Pulsar clients call this its serialised
    /// form.
    pub fn to_bytes(&self) -> Vec<u8> {
        STANDARD.decode(self.as_str()).unwrap_or_default()
    }

    /// Reads an id from bytes that [`MessageId::to_bytes`], or another Pulsar client, wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<MessageId> {
        MessageId::read(bytes, || Wire::new(&STANDARD.encode(bytes)))
    }

    /// Reads the fields; `wire` returns the text of the same bytes.
    fn read(bytes: &[u8], wire: impl FnOnce() -> Wire) -> Result<MessageId> {
        let bad = || Error::invalid("message id: expected the bytes of a Pulsar MessageIdData");
        let (mut ledger, mut entry, mut partition, mut batch_index) = (0, 0, -1, -1);
        let mut seen = (false, false);
        let mut rest = bytes;
        while !rest.is_empty() {
            let tag = varint(&mut rest).ok_or_else(bad)?;
            match (tag >> 3, tag & 7) {
                (field, 0) => {
                    let value = varint(&mut rest).ok_or_else(bad)?;
                    // protobuf writes a negative int32 as ten bytes of sign extension; the cast takes the lower half
                    match field {
                        1 => (ledger, seen.0) = (value, true),
                        2 => (entry, seen.1) = (value, true),
                        3 => partition = value as i32,
                        4 => batch_index = value as i32,
                        _ => {}
                    }
                }
                (_, 1) => rest = rest.get(8..).ok_or_else(bad)?,
                (_, 2) => {
                    let length = varint(&mut rest).and_then(|length| usize::try_from(length).ok()).ok_or_else(bad)?;
                    rest = rest.get(length..).ok_or_else(bad)?;
                }
                (_, 5) => rest = rest.get(4..).ok_or_else(bad)?,
                _ => return Err(bad()),
            }
        }
        if seen != (true, true) {
            return Err(bad());
        }
        Ok(MessageId { ledger, entry, partition, batch_index, wire: wire() })
    }

    /// Returns the id of a position.
    pub(crate) fn at(ledger: u64, entry: u64, partition: i32, batch_index: i32) -> MessageId {
        let mut bytes = Vec::new();
        for (field, value) in [(1, ledger), (2, entry), (3, partition as i64 as u64), (4, batch_index as i64 as u64)] {
            if field <= 2 || value != u64::MAX {
                bytes.push(field << 3);
                push_varint(&mut bytes, value);
            }
        }
        MessageId { ledger, entry, partition, batch_index, wire: Wire::new(&STANDARD.encode(bytes)) }
    }

    /// Returns a position after which this message is the next one.
    pub(crate) fn before(&self) -> MessageId {
        match (self.batch_index, self.entry) {
            (1.., _) => MessageId::at(self.ledger, self.entry, self.partition, self.batch_index - 1),
            // After all of the previous entry, if it is a batch; without a batch index the broker would deliver that
            // entry again.
            (_, 1..) => MessageId::at(self.ledger, self.entry - 1, self.partition, i32::MAX),
            // Before the first entry of its ledger.
            _ => MessageId::at(self.ledger, u64::MAX, self.partition, -1),
        }
    }

    /// Returns the position before all messages of every topic.
    pub(crate) fn before_all() -> MessageId {
        MessageId::at(u64::MAX, u64::MAX, -1, -1)
    }

    /// Fails if `topic` names a partition, and this id is of another one.
    pub(crate) fn check_partition(&self, topic: &TopicName) -> Result<()> {
        match (topic.partition_index(), self.partition()) {
            (Some(own), Some(other)) if own != other => Err(Error::invalid(format!(
                "message id {self} is of partition {other}, and {topic} is partition {own}: use the topic of partition \
                 {other}, or the topic without -partition-{own}"
            ))),
            _ => Ok(()),
        }
    }

    /// Returns whether it is the sentinel -1:-1, with which the broker confirms a message that it had already.
    pub(crate) fn is_duplicate_sentinel(&self) -> bool {
        self.ledger == u64::MAX && self.entry == u64::MAX
    }

    fn key(&self) -> (u64, u64, i32, i32) {
        (self.ledger, self.entry, self.partition, self.batch_index)
    }
}

/// Returns the next number of a protobuf message.
pub(crate) fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn push_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

impl FromStr for MessageId {
    type Err = Error;

    fn from_str(text: &str) -> Result<MessageId> {
        let bad = || Error::invalid(format!("message id {text:?}: expected base64"));
        // The usual id is decoded on the stack: one is read for each message.
        let mut short = [0; Wire::SHORT];
        if text.len() <= Wire::SHORT {
            let length = STANDARD.decode_slice(text, &mut short).map_err(|_| bad())?;
            // Base64 is decoded strictly here, so encoding the bytes would give the same text.
            return MessageId::read(&short[..length], || Wire::new(text));
        }
        let bytes = STANDARD.decode(text).map_err(|_| bad())?;
        MessageId::read(&bytes, || Wire::new(text))
    }
}

impl PartialEq for MessageId {
    fn eq(&self, other: &MessageId) -> bool {
        self.key() == other.key()
    }
}

impl Eq for MessageId {}

impl Hash for MessageId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialOrd for MessageId {
    fn partial_cmp(&self, other: &MessageId) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Orders ids within a topic or partition; across partitions the order is fixed, but not one of time.
impl Ord for MessageId {
    fn cmp(&self, other: &MessageId) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// Writes `ledger:entry:partition:batch_index`, with -1 for what does not apply; the form of Pulsar's own tools.
impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}:{}", self.ledger as i64, self.entry as i64, self.partition, self.batch_index)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(text: &str) -> MessageId {
        text.parse().unwrap()
    }

    #[test]
    fn ids_recorded_from_a_broker_are_read() {
        assert_eq!(id("CAUQATAA").to_string(), "5:1:-1:-1");
        assert_eq!(id("CC8QACAAMAU=").to_string(), "47:0:-1:0");
        assert!(id("CP///////////wEQ////////////ATAA").is_duplicate_sentinel());
    }

    #[test]
    fn a_producers_and_a_consumers_id_of_one_message_are_equal() {
        assert_eq!(id("CC8QACAAMAA="), id("CC8QACAAMAU="));
    }

    #[test]
    fn ids_are_in_the_order_of_the_topic() {
        assert!(id("CAUQATAA") < id("CC8QACAAMAU="));
    }

    #[test]
    fn what_is_no_id_is_an_error() {
        for text in ["", "!!", "AAAA", "CAU=", "CP////////////////8="] {
            assert!(text.parse::<MessageId>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_what_is_read_is_written_the_same(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(id) = MessageId::from_bytes(&bytes) {
                prop_assert_eq!(id.to_bytes(), bytes);
                prop_assert_eq!(&id, &id.as_str().parse::<MessageId>().unwrap());
            }
        }
    }
}
