//! Messages in and out, and the ids that name them.

pub(crate) mod batch;
pub(crate) mod batch_acks;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::error::{Error, ErrorKind, Result};
use crate::topic::TopicName;

/// The position of a message in its topic: ordered within a topic or partition, equal however it was obtained.
///
/// On the wire an id is base64 of the protobuf message `MessageIdData`. The producer's id and the consumer's id of one
/// message can differ as text (the producer does not know the size of the batch), so ids are compared by what they name.
#[derive(Clone)]
pub struct MessageId {
    ledger: u64,
    entry: u64,
    partition: i32,
    batch_index: i32,
    /// As the server wrote it, because an acknowledgement has to repeat fields that are not interpreted here.
    wire: Wire,
}

/// The text of an id. What brokers write fits in `Short`, and costs no allocation: every message has an id.
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
    /// The ledger that holds the message.
    pub fn ledger(&self) -> u64 {
        self.ledger
    }

    /// The entry in the ledger.
    pub fn entry(&self) -> u64 {
        self.entry
    }

    /// The partition, or `None` for a topic without partitions.
    pub fn partition(&self) -> Option<u32> {
        u32::try_from(self.partition).ok()
    }

    /// The place in its batch, or `None` for a message that was not batched.
    pub fn batch_index(&self) -> Option<u32> {
        u32::try_from(self.batch_index).ok()
    }

    /// The id in base64, as the server wrote it; [`str::parse`] reads it again.
    pub fn as_str(&self) -> &str {
        self.wire.as_str()
    }

    /// The id as bytes, `MessageIdData` of Pulsar's protocol; what the other Pulsar clients call its serialised form.
    pub fn to_bytes(&self) -> Vec<u8> {
        STANDARD.decode(self.as_str()).unwrap_or_default()
    }

    /// The id from bytes that [`MessageId::to_bytes`], or another Pulsar client, wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<MessageId> {
        MessageId::read(bytes, || Wire::new(&STANDARD.encode(bytes)))
    }

    /// Reads the fields; `wire` gives the text of the same bytes.
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
                    // protobuf writes a negative int32 as ten bytes of sign extension; the cast takes the low half
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

    /// The id of a position.
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

    /// A place after which this message is the next one.
    pub(crate) fn before(&self) -> MessageId {
        match (self.batch_index, self.entry) {
            (1.., _) => MessageId::at(self.ledger, self.entry, self.partition, self.batch_index - 1),
            // Behind all of it, if it is a batch; an id without a place in it would have it come again.
            (_, 1..) => MessageId::at(self.ledger, self.entry - 1, self.partition, i32::MAX),
            // Before the first entry of its ledger.
            _ => MessageId::at(self.ledger, u64::MAX, self.partition, -1),
        }
    }

    /// The sentinel -1:-1 with which the broker confirms a message that it had already.
    pub(crate) fn is_duplicate_sentinel(&self) -> bool {
        self.ledger == u64::MAX && self.entry == u64::MAX
    }

    fn key(&self) -> (u64, u64, i32, i32) {
        (self.ledger, self.entry, self.partition, self.batch_index)
    }
}

/// The next number of a protobuf message.
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
        // The usual id on the stack: one is read for each message.
        let mut short = [0; Wire::SHORT];
        if text.len() <= Wire::SHORT {
            let length = STANDARD.decode_slice(text, &mut short).map_err(|_| bad())?;
            // Base64 is read strictly here, so the text is the one that the bytes would be written as.
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

/// The order in the topic; across the partitions of a topic it is only a fixed order, not one of time.
impl Ord for MessageId {
    fn cmp(&self, other: &MessageId) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// `ledger:entry:partition:batch_index`, with -1 for what does not apply; the form of Pulsar's own tools.
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

/// A message received by a consumer or a reader.
///
/// The server does not tell the producer's name, the sequence id or the schema version over this API.
#[derive(Clone)]
pub struct Message {
    pub(crate) id: MessageId,
    pub(crate) topic: std::sync::Arc<TopicName>,
    pub(crate) payload: Bytes,
    pub(crate) key: Option<String>,
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) publish_time: Option<i64>,
    pub(crate) event_time: Option<i64>,
    pub(crate) redelivery_count: u32,
    pub(crate) encryption_context: Option<String>,
    /// The frame that it came in with others.
    pub(crate) batch: Option<std::sync::Arc<batch_acks::Batch>>,
    pub(crate) origin: Origin,
}

/// Which connection delivered a message: an acknowledgement counts only there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Origin {
    /// The session within its handle.
    pub(crate) session: usize,
    /// The connection of the session, counted from 1.
    pub(crate) connection: u64,
    /// The size of the frame, for the bound of the queue.
    pub(crate) frame_bytes: usize,
    /// It was taken once and put back: the connection has been told already that it is finished.
    pub(crate) permit_returned: bool,
    /// It came in one frame behind another message, which stands for the frame.
    pub(crate) in_same_frame: bool,
    /// It can be read: it was not encrypted, or was decrypted here.
    pub(crate) decrypted: bool,
}

impl Message {
    /// Its position in the topic.
    pub fn id(&self) -> &MessageId {
        &self.id
    }

    /// The topic that was subscribed to or read. For a consumer of several topics or a pattern the server does not tell
    /// which of them it was, and this is the subscription's first topic or pattern.
    pub fn topic(&self) -> &TopicName {
        &self.topic
    }

    /// The content.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The content, read as JSON. A handler that returns the error costs the message a negative acknowledgement, as every
    /// failing handler does.
    ///
    /// ```
    /// # use stargate_core::{HandlerResult, Message, Outcome};
    /// #[derive(serde::Deserialize)]
    /// struct Order {
    ///     pizzas: u32,
    /// }
    ///
    /// fn handle(message: &Message) -> HandlerResult {
    ///     let order: Order = message.json()?;
    ///     println!("{} pizzas", order.pizzas);
    ///     Ok(Outcome::Ack)
    /// }
    /// ```
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.payload).map_err(|error| {
            let text = format!("the content of message {} is not the JSON that was expected", self.id);
            Error::new(ErrorKind::Protocol, text)
                .during("read a message of")
                .on_topic(&self.topic.to_string())
                .caused_by(error)
        })
    }

    /// The key. A key that the producer gave as bytes arrives in base64, and the server does not say so.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The application's properties.
    pub fn properties(&self) -> &BTreeMap<String, String> {
        &self.properties
    }

    /// When the broker stored it; `None` when the server wrote something that is not a time.
    pub fn publish_time(&self) -> Option<SystemTime> {
        self.publish_time.map(from_epoch_millis)
    }

    /// When the broker stored it, in milliseconds since 1970 UTC.
    pub fn publish_time_ms(&self) -> Option<i64> {
        self.publish_time
    }

    /// The time that the application gave it.
    pub fn event_time(&self) -> Option<SystemTime> {
        self.event_time.map(from_epoch_millis)
    }

    /// The time that the application gave it, in milliseconds since 1970 UTC.
    pub fn event_time_ms(&self) -> Option<i64> {
        self.event_time
    }

    /// How often it was delivered before. The broker counts on shared and key_shared subscriptions only.
    pub fn redelivery_count(&self) -> u32 {
        self.redelivery_count
    }

    /// How often the application has had it again from the retry letter topic; see
    /// [`Consumer::reconsume_later`](crate::Consumer::reconsume_later).
    pub fn reconsume_times(&self) -> u32 {
        self.properties.get(crate::retry::RECONSUME_TIMES).and_then(|times| times.parse().ok()).unwrap_or(0)
    }

    /// How the payload was encrypted, as the server's JSON: the keys' names, metadata and data key, the nonce, the
    /// compression. Present on every message that came encrypted, where the server hands them on: to consumers with a key of
    /// their own, or with `crypto_failure_action=consume`.
    pub fn encryption_context(&self) -> Option<&str> {
        self.encryption_context.as_deref()
    }

    /// Whether the payload is still encrypted, and perhaps compressed and a batch; [`Message::encryption_context`] has what
    /// is needed to read it. Only `crypto_failure_action=consume` lets such messages through.
    pub fn is_encrypted(&self) -> bool {
        self.encryption_context.is_some() && !self.origin.decrypted
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("topic", &self.topic.to_string())
            .field("payload_bytes", &self.payload.len())
            .field("key", &self.key)
            .field("redelivery_count", &self.redelivery_count)
            .finish_non_exhaustive()
    }
}

fn from_epoch_millis(millis: i64) -> SystemTime {
    let offset = Duration::from_millis(millis.unsigned_abs());
    if millis < 0 { UNIX_EPOCH - offset } else { UNIX_EPOCH + offset }
}

/// A message to send: a payload, and what goes with it.
///
/// ```
/// use stargate_core::Outgoing;
///
/// let bare: Outgoing = "payload".into();
/// let keyed: Outgoing = ("key", "payload").into();
/// let full = Outgoing::new("payload").key("key").property("origin", "shop").context("order 17");
/// # let _ = (bare, keyed, full);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outgoing {
    pub(crate) payload: Bytes,
    pub(crate) key: Option<String>,
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) context: Option<String>,
    pub(crate) event_time: Option<i64>,
    pub(crate) deliver_at: Option<i64>,
    pub(crate) deliver_after: Option<Duration>,
    pub(crate) replication_clusters: Vec<String>,
}

impl Outgoing {
    /// A message with this content.
    pub fn new(payload: impl Into<Bytes>) -> Outgoing {
        Outgoing { payload: payload.into(), ..Outgoing::default() }
    }

    /// A message with a value as JSON; an error when it has no form in JSON, such as a map whose keys are no texts.
    pub fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<Outgoing> {
        let content = serde_json::to_vec(value);
        content.map(Outgoing::new).map_err(|error| Error::invalid("the value has no form in JSON").caused_by(error))
    }

    /// The size of the content in bytes.
    pub fn payload_len(&self) -> usize {
        self.payload.len()
    }

    /// The key: decides the partition, and the consumer of a key_shared subscription.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Outgoing {
        self.key = Some(key.into());
        self
    }

    /// One property more.
    #[must_use]
    pub fn property(mut self, name: impl Into<String>, value: impl Into<String>) -> Outgoing {
        self.properties.insert(name.into(), value.into());
        self
    }

    /// A value of the application that comes back with the receipt. It is not sent.
    #[must_use]
    pub fn context(mut self, context: impl Into<String>) -> Outgoing {
        self.context = Some(context.into());
        self
    }

    /// The application's time of the event; kept to the millisecond, and not before 1970.
    #[must_use]
    pub fn event_time(self, time: SystemTime) -> Outgoing {
        let millis = to_epoch_millis(time);
        self.event_time_ms(millis)
    }

    /// The application's time of the event, in milliseconds since 1970 UTC.
    #[must_use]
    pub fn event_time_ms(mut self, millis: i64) -> Outgoing {
        self.event_time = Some(millis);
        self
    }

    /// Deliver not before this time. Works on shared and key_shared subscriptions; the others deliver at once.
    #[must_use]
    pub fn deliver_at(self, time: SystemTime) -> Outgoing {
        let millis = to_epoch_millis(time);
        self.deliver_at_ms(millis)
    }

    /// Deliver not before this time, in milliseconds since 1970 UTC.
    #[must_use]
    pub fn deliver_at_ms(mut self, millis: i64) -> Outgoing {
        self.deliver_at = Some(millis);
        self
    }

    /// Deliver this much later. Works on shared and key_shared subscriptions; the others deliver at once.
    #[must_use]
    pub fn deliver_after(mut self, delay: Duration) -> Outgoing {
        self.deliver_after = Some(delay);
        self
    }

    /// Replicate to these clusters only.
    #[must_use]
    pub fn replication_clusters(mut self, clusters: impl IntoIterator<Item = impl Into<String>>) -> Outgoing {
        self.replication_clusters = clusters.into_iter().map(Into::into).collect();
        self
    }

    /// Refuses what the server would misunderstand or die of.
    pub(crate) fn check(&self) -> Result<()> {
        // 9999-12-31T23:59:59.999Z, the last time that the wire's format can say with four digits of year
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

impl From<&str> for Outgoing {
    fn from(payload: &str) -> Outgoing {
        Outgoing::new(payload.to_owned())
    }
}

impl From<String> for Outgoing {
    fn from(payload: String) -> Outgoing {
        Outgoing::new(payload)
    }
}

impl From<&[u8]> for Outgoing {
    fn from(payload: &[u8]) -> Outgoing {
        Outgoing::new(payload.to_vec())
    }
}

impl From<Vec<u8>> for Outgoing {
    fn from(payload: Vec<u8>) -> Outgoing {
        Outgoing::new(payload)
    }
}

impl From<Bytes> for Outgoing {
    fn from(payload: Bytes) -> Outgoing {
        Outgoing::new(payload)
    }
}

impl<K: Into<String>, P: Into<Outgoing>> From<(K, P)> for Outgoing {
    fn from((key, payload): (K, P)) -> Outgoing {
        payload.into().key(key)
    }
}

/// The receipt of a message: the broker has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub(crate) message_id: MessageId,
    pub(crate) duplicate: bool,
    pub(crate) context: Option<String>,
}

impl Receipt {
    /// Where the message is. Meaningless for a [`Receipt::is_duplicate`].
    pub fn message_id(&self) -> &MessageId {
        &self.message_id
    }

    /// Whether the broker had the message already, from an attempt whose receipt was lost (effectively-once producers).
    pub fn is_duplicate(&self) -> bool {
        self.duplicate
    }

    /// The context that the application gave the message.
    pub fn context(&self) -> Option<&str> {
        self.context.as_deref()
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

    #[test]
    fn times_the_wire_cannot_say_are_refused() {
        assert!(Outgoing::new("x").event_time(UNIX_EPOCH - Duration::from_secs(1)).check().is_err());
        assert!(Outgoing::new("x").deliver_at_ms(i64::MAX).check().is_err());
        assert!(Outgoing::new("x").deliver_at_ms(1).deliver_after(Duration::ZERO).check().is_err());
        assert!(Outgoing::new("x").event_time(SystemTime::now()).check().is_ok());
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
