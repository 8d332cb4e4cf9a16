//! The consumer's side: decrypts messages in order.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Waking, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::context::{Context, WrappedKey};
use super::data_key::DataKey;
use super::failed;
use super::keys::KeySource;
use crate::error::{Error, ErrorKind, Result};
use crate::log::{Level, Log};
use crate::message::batch::{self, Single};
use crate::message::batch_acks::Batches;
use crate::message::{Message, MessageId};
use crate::options::{CryptoFailureAction, Resolved};
use crate::outcome::{Outcome, Settle};
use crate::stats::Counters;

/// How long an unused data key is kept, as in the other clients.
const KEPT: Duration = Duration::from_secs(4 * 3600);
/// How long a failed fetch of a data key is remembered, so that a backlog under that key causes only one request.
const KEPT_FAILURE: Duration = Duration::from_secs(5);
/// Maximum number of data keys kept; each producer has its own.
const MOST_KEPT: usize = 1_000;

/// Decrypts the messages of one session. The driver polls it before it reads more. While a key is being fetched, the
/// connection is not read, which keeps the order.
pub(crate) struct Opener {
    keys: KeySource,
    action: CryptoFailureAction,
    /// The largest payload that is decompressed.
    most_bytes: usize,
    batches: Arc<Batches>,
    known: HashMap<Vec<u8>, Known>,
    waiting: VecDeque<Message>,
    asking: Option<Asking>,
    /// Reports to the session the outcome of a message that the application does not receive.
    settle: Settle,
    counters: Arc<Counters>,
    log: Log,
}

struct Known {
    key: Result<DataKey>,
    until: Instant,
}

type Asking = Pin<Box<dyn Future<Output = (Vec<u8>, Result<DataKey>)> + Send>>;

/// The result of decrypting a message.
enum Opened {
    Whole(Bytes),
    Batch(Vec<Single>),
    /// This key must be fetched first.
    Unknown(WrappedKey),
}

impl Opener {
    pub(crate) fn new(
        keys: KeySource,
        options: &Resolved,
        batches: Arc<Batches>,
        settle: Settle,
        counters: Arc<Counters>,
        log: Log,
    ) -> Opener {
        Opener {
            keys,
            action: options.crypto_failure_action,
            most_bytes: usize::try_from(options.max_frame_bytes).unwrap_or(usize::MAX),
            batches,
            known: HashMap::new(),
            waiting: VecDeque::new(),
            asking: None,
            settle,
            counters,
            log,
        }
    }

    /// Adds a message to decrypt.
    pub(crate) fn push(&mut self, message: Message) {
        self.waiting.push_back(message);
    }

    /// Discards the messages that are not decrypted yet, and returns how many frames they were.
    pub(crate) fn forget(&mut self) -> usize {
        std::mem::take(&mut self.waiting).len()
    }

    /// Decrypts as many messages as possible. Returns true while a key is being fetched.
    pub(crate) fn poll(&mut self, cx: &mut Waking<'_>, opened: &mut Vec<Message>) -> bool {
        loop {
            if let Some(asking) = &mut self.asking {
                let Poll::Ready((wrapped, key)) = asking.as_mut().poll(cx) else { return true };
                self.asking = None;
                self.remember(wrapped, key);
            }
            let Some(mut message) = self.waiting.pop_front() else { return false };
            match self.open(&message) {
                Ok(Opened::Whole(payload)) => {
                    message.payload = payload;
                    message.origin.decrypted = true;
                    opened.push(message);
                }
                Ok(Opened::Batch(singles)) => self.take_apart(&message, singles, opened),
                Ok(Opened::Unknown(wrapped)) => {
                    let keys = self.keys.clone();
                    self.asking = Some(Box::pin(async move {
                        let bytes = wrapped.bytes.clone();
                        (bytes, keys.unwrap(wrapped).await)
                    }));
                    self.waiting.push_front(message);
                }
                Err(error) => self.fail(message, &error, opened),
            }
        }
    }

    fn open(&mut self, message: &Message) -> Result<Opened> {
        let Some(context) = message.encryption_context() else {
            return Ok(Opened::Whole(message.payload.clone()));
        };
        let mut context = Context::parse(context)?;
        let compressed = match self.decrypt(&mut context, &message.payload)? {
            Ok(text) => text,
            Err(unknown) => return Ok(Opened::Unknown(unknown)),
        };
        let text = match context.codec {
            Some(_) if context.uncompressed_size > self.most_bytes => {
                let (bytes, most) = (context.uncompressed_size, self.most_bytes);
                return Err(Error::new(
                    ErrorKind::Protocol,
                    format!("a payload of {bytes} bytes before compression, over max_frame_bytes of {most}"),
                ));
            }
            Some(codec) => codec.decompress(&compressed, context.uncompressed_size)?,
            None => compressed,
        };
        match context.batch {
            Some(count) => batch::unpack(&text.into(), count).map(Opened::Batch),
            None => Ok(Opened::Whole(text.into())),
        }
    }

    /// Returns the plaintext, or a key that must be fetched first. A message may be encrypted for several readers, and
    /// any key suffices.
    fn decrypt(&mut self, context: &mut Context, payload: &[u8]) -> Result<std::result::Result<Vec<u8>, WrappedKey>> {
        let now = Instant::now();
        let mut why = failed("it comes with no key");
        let mut unknown = None;
        for wrapped in context.keys.drain(..) {
            match self.known.get_mut(&wrapped.bytes).filter(|known| now < known.until) {
                None => unknown = unknown.or(Some(wrapped)),
                Some(Known { key: Err(error), .. }) => why = error.clone(),
                Some(Known { key: Ok(key), until }) => match key.decrypt(&context.nonce, payload) {
                    Ok(text) => {
                        *until = now + KEPT;
                        return Ok(Ok(text));
                    }
                    Err(error) => why = error,
                },
            }
        }
        unknown.map_or(Err(why), |unknown| Ok(Err(unknown)))
    }

    fn remember(&mut self, wrapped: Vec<u8>, key: Result<DataKey>) {
        let now = Instant::now();
        self.known.retain(|_, known| now < known.until);
        if self.known.len() >= MOST_KEPT
            && let Some(oldest) = self.known.iter().min_by_key(|(_, known)| known.until).map(|(bytes, _)| bytes.clone())
        {
            self.known.remove(&oldest);
        }
        let until = now + if key.is_ok() { KEPT } else { KEPT_FAILURE };
        self.known.insert(wrapped, Known { key, until });
    }

    fn take_apart(&mut self, message: &Message, singles: Vec<Single>, opened: &mut Vec<Message>) {
        if singles.is_empty() {
            // Compaction has removed all of it.
            return (self.settle)(message, Outcome::Ack);
        }
        self.counters.received.add(singles.len() as u64 - 1);
        let indexes = singles.iter().map(|single| single.index);
        let (session, connection) = (message.origin.session, message.origin.connection);
        let batch = self.batches.add(session, &message.id, connection, indexes);
        let count = singles.len();
        let frame_bytes = message.origin.frame_bytes / count;
        let partition = message.id.partition().map_or(-1, |partition| partition as i32);
        for (nth, single) in singles.into_iter().enumerate() {
            let mut part = message.clone();
            part.payload = single.payload;
            part.id = MessageId::at(message.id.ledger(), message.id.entry(), partition, single.index as i32);
            part.key = single.key;
            part.properties = single.properties;
            part.event_time = single.event_time;
            part.batch = Some(batch.clone());
            part.origin.decrypted = true;
            part.origin.in_same_frame = nth > 0;
            part.origin.frame_bytes =
                if nth == 0 { frame_bytes + message.origin.frame_bytes % count } else { frame_bytes };
            opened.push(part);
        }
    }

    fn fail(&self, message: Message, error: &Error, opened: &mut Vec<Message>) {
        self.counters.undecryptable.add(1);
        let (what, outcome) = match self.action {
            CryptoFailureAction::Fail => ("it is redelivered after negative_ack_delay", Some(Outcome::Nack)),
            CryptoFailureAction::Discard => ("it is acknowledged and dropped", Some(Outcome::Ack)),
            CryptoFailureAction::Consume => ("it is delivered as it is", None),
        };
        let text = format!("message {} could not be decrypted: {}; {what}", message.id, error.message());
        self.log.write(Level::Error, &text);
        match outcome {
            Some(outcome) => (self.settle)(&message, outcome),
            None => opened.push(message),
        }
    }
}
