//! Messages as consumers and readers receive them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::MessageId;
use super::batch_acks::Batch;
use crate::error::{Error, ErrorKind, Result};
use crate::topic::TopicName;

/// The property in which a retry letter counts how often its message was reconsumed; Pulsar's name.
pub(crate) const RECONSUME_TIMES: &str = "RECONSUMETIMES";

/// A message received by a consumer or a reader.
///
/// The WebSocket API does not transmit the producer's name, the sequence id or the schema version.
#[derive(Clone)]
pub struct Message {
    pub(crate) id: MessageId,
    pub(crate) topic: Arc<TopicName>,
    pub(crate) payload: Bytes,
    pub(crate) key: Option<String>,
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) publish_time: Option<i64>,
    pub(crate) event_time: Option<i64>,
    pub(crate) redelivery_count: u32,
    pub(crate) encryption_context: Option<String>,
    /// The frame that it arrived in together with others.
    pub(crate) batch: Option<Arc<Batch>>,
    pub(crate) origin: Origin,
}

/// The connection that delivered a message: an acknowledgement is valid only there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Origin {
    /// The session within its handle.
    pub(crate) session: usize,
    /// The connection of the session, counted from 1.
    pub(crate) connection: u64,
    /// The size of the frame, for the bound of the queue.
    pub(crate) frame_bytes: usize,
    /// The application took it and put it back: the connection already counts it as finished.
    pub(crate) permit_returned: bool,
    /// It arrived in one frame after another message, which stands for the frame.
    pub(crate) in_same_frame: bool,
    /// Its payload is readable: it was not encrypted, or this client decrypted it.
    pub(crate) decrypted: bool,
}

impl Message {
    /// Returns its position in the topic.
    pub fn id(&self) -> &MessageId {
        &self.id
    }

    /// Returns the topic that was subscribed to or read. For a consumer of several topics or a pattern, the server does
    /// not name the topic of a message. Then it is the subscription's first topic, or the pattern.
    pub fn topic(&self) -> &TopicName {
        &self.topic
    }

    /// Returns the content.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// Returns the content, read as JSON. If a handler returns the error, its message is negatively acknowledged, as
    /// after every failing handler.
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

    /// Returns the key. A key that the producer set as bytes arrives in base64, and the server does not mark it.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Returns the application's properties.
    pub fn properties(&self) -> &BTreeMap<String, String> {
        &self.properties
    }

    /// Returns when the broker stored it; `None` if the server wrote something that is not a time.
    pub fn publish_time(&self) -> Option<SystemTime> {
        self.publish_time.map(from_epoch_millis)
    }

    /// Returns when the broker stored it, in milliseconds since 1970 UTC.
    pub fn publish_time_ms(&self) -> Option<i64> {
        self.publish_time
    }

    /// Returns the time that the application gave it.
    pub fn event_time(&self) -> Option<SystemTime> {
        self.event_time.map(from_epoch_millis)
    }

    /// Returns the time that the application gave it, in milliseconds since 1970 UTC.
    pub fn event_time_ms(&self) -> Option<i64> {
        self.event_time
    }

    /// Returns how often it was delivered before. The broker counts on shared and key_shared subscriptions only.
    pub fn redelivery_count(&self) -> u32 {
        self.redelivery_count
    }

    /// Returns how often the application has reconsumed it through the retry letter topic; see
    /// [`Consumer::reconsume_later`](crate::Consumer::reconsume_later).
    pub fn reconsume_times(&self) -> u32 {
        self.properties.get(RECONSUME_TIMES).and_then(|times| times.parse().ok()).unwrap_or(0)
    }

    /// Returns how the payload was encrypted, as the server's JSON: the names, metadata and data key of its keys, the
    /// nonce, the compression. Every message that arrived encrypted has one, if the server forwards it. It does for
    /// consumers with a key of their own, or with `crypto_failure_action=consume`.
    pub fn encryption_context(&self) -> Option<&str> {
        self.encryption_context.as_deref()
    }

    /// Returns whether the payload is still encrypted, and perhaps compressed and a batch.
    /// [`Message::encryption_context`] has what is needed to read it. Only `crypto_failure_action=consume` lets such
    /// messages through.
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
