//! Messages as consumers and readers get them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::MessageId;
use super::batch_acks::Batch;
use crate::error::{Error, ErrorKind, Result};
use crate::topic::TopicName;

/// The property in which a retry letter counts how often its message was wanted again; Pulsar's name.
pub(crate) const RECONSUME_TIMES: &str = "RECONSUMETIMES";

/// A message received by a consumer or a reader.
///
/// The server does not tell the producer's name, the sequence id or the schema version over this API.
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
    /// The frame that it came in with others.
    pub(crate) batch: Option<Arc<Batch>>,
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
    /// It was taken once and put back: the connection already knows that it is finished.
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
        self.properties.get(RECONSUME_TIMES).and_then(|times| times.parse().ok()).unwrap_or(0)
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
