//! The producer's side: compresses and encrypts payloads before they become frames.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::compression::Codec;
use super::data_key::DataKey;
use super::keys::KeySource;
use crate::error::Result;
use crate::log::{Level, Log};
use crate::message::OutgoingMessage;
use crate::options::Resolved;
use crate::proto::frame::{ConnectionKey, OpenFrame};

/// Random nonces may eventually repeat. After this many messages the probability is still negligible (one in 2^37).
const MESSAGES_A_KEY: u64 = 1 << 30;
/// When to retry a new data key after the public key could not be fetched.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// Encrypts the messages of a producer. It renews its data key periodically, as the other clients do.
pub(crate) struct Sealer {
    keys: KeySource,
    name: String,
    codec: Option<Codec>,
    renewal: Duration,
    current: Mutex<Current>,
    renewing: tokio::sync::Mutex<()>,
    log: Log,
}

#[derive(Clone)]
struct Current {
    key: Arc<Sealing>,
    due: Instant,
}

struct Sealing {
    data_key: DataKey,
    connection_key: ConnectionKey,
    messages: AtomicU64,
}

impl Sealer {
    /// Fetches the public key, so that opening the producer reports an unusable key.
    pub(crate) async fn open(keys: KeySource, options: &Resolved, log: Log) -> Result<Sealer> {
        let name = options.encryption_key.clone().unwrap_or_default();
        let renewal = options.encryption_key_renewal;
        let key = generate(&keys, &name).await?;
        Ok(Sealer {
            codec: Codec::of(options.compression_type),
            current: Mutex::new(Current { key, due: Instant::now() + renewal }),
            renewing: tokio::sync::Mutex::new(()),
            keys,
            name,
            renewal,
            log,
        })
    }

    /// Returns the key that the first connection sends to the proxy.
    pub(crate) fn connection_key(&self) -> ConnectionKey {
        self.current().key.connection_key.clone()
    }

    /// Encrypts the payload of `message`, and returns its frame.
    pub(crate) async fn frame(&self, mut message: OutgoingMessage, limit: usize) -> Result<OpenFrame> {
        let key = self.key().await?;
        let size = message.payload.len();
        let compressed = self.codec.and_then(|codec| Some((codec, codec.compress(&message.payload)?)));
        let (codec, mut payload) = match compressed {
            Some((codec, compressed)) => (Some(codec), compressed),
            None => (None, message.payload.to_vec()),
        };
        let nonce = key.data_key.encrypt(&mut payload)?;
        message.payload = payload.into();
        let mut fields = format!(r#","encryptionParam":"{}""#, STANDARD.encode(nonce));
        if let Some(codec) = codec {
            fields.push_str(&format!(r#","compressionType":"{}","uncompressedMessageSize":{size}"#, codec.name()));
        }
        let frame = OpenFrame::encode(message, limit.saturating_sub(fields.len()))?;
        Ok(frame.encrypted(&fields, key.connection_key.clone()))
    }

    fn current(&self) -> Current {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the data key for the next message.
    async fn key(&self) -> Result<Arc<Sealing>> {
        if let Some(key) = self.usable() {
            return Ok(key);
        }
        let _one_at_a_time = self.renewing.lock().await;
        if let Some(key) = self.usable() {
            return Ok(key);
        }
        let old = self.current().key;
        let (key, due) = match generate(&self.keys, &self.name).await {
            Ok(key) => (key, self.renewal),
            // An unavailable vault is no reason to stop: the data key is old, but still secure.
            Err(error) if old.messages.load(Ordering::Relaxed) < MESSAGES_A_KEY => {
                let text = format!("the data key could not be renewed and is used on: {}", error.message());
                self.log.write(Level::Warn, &text);
                (old, self.renewal.min(TRY_AGAIN))
            }
            Err(error) => return Err(error),
        };
        let current = Current { key: key.clone(), due: Instant::now() + due };
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = current;
        key.messages.fetch_add(1, Ordering::Relaxed);
        Ok(key)
    }

    fn usable(&self) -> Option<Arc<Sealing>> {
        let Current { key, due } = self.current();
        let used = key.messages.fetch_add(1, Ordering::Relaxed);
        (used < MESSAGES_A_KEY && Instant::now() < due).then_some(key)
    }
}

async fn generate(keys: &KeySource, name: &str) -> Result<Arc<Sealing>> {
    let (data_key, wrapped, metadata) = keys.generate(name).await?;
    let parameter = json!({ name: { "keyValue": STANDARD.encode(wrapped), "metadata": metadata } }).to_string();
    let connection_key = ConnectionKey::new(STANDARD.encode(parameter));
    Ok(Arc::new(Sealing { data_key, connection_key, messages: AtomicU64::new(0) }))
}
