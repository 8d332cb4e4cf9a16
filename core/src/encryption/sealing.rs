//! The producer's side: compresses and encrypts payloads before they become frames.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::compression::Codec;
use super::data_key::DataKey;
use super::keys::KeySource;
use crate::error::{Error, Result};
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
    codec: Option<Codec>,
    data_keys: Arc<DataKeys>,
}

/// The data key, and what renews it.
struct DataKeys {
    source: KeySource,
    name: String,
    renewal: Duration,
    current: Mutex<Current>,
    /// Locked while the key is being renewed.
    renewing: Arc<tokio::sync::Mutex<()>>,
    log: Log,
}

#[derive(Clone)]
struct Current {
    key: Arc<Sealing>,
    due: Instant,
    /// Why the latest renewal failed.
    failed: Option<Error>,
}

struct Sealing {
    data_key: DataKey,
    connection_key: ConnectionKey,
    messages: AtomicU64,
}

impl Sealer {
    /// Fetches the public key, so that opening the producer reports an unusable key.
    pub(crate) async fn open(source: KeySource, options: &Resolved, log: Log) -> Result<Sealer> {
        let name = options.encryption_key.clone().unwrap_or_default();
        let renewal = options.encryption_key_renewal;
        let key = generate(&source, &name).await?;
        let current = Mutex::new(Current { key, due: Instant::now() + renewal, failed: None });
        let data_keys = DataKeys { source, name, renewal, current, renewing: Arc::default(), log };
        Ok(Sealer { codec: Codec::of(options.compression_type), data_keys: Arc::new(data_keys) })
    }

    /// Returns the key that the first connection sends to the proxy.
    pub(crate) fn connection_key(&self) -> ConnectionKey {
        self.data_keys.current().key.connection_key.clone()
    }

    /// Encrypts the payload of `message`, and returns its frame.
    pub(crate) async fn frame(&self, mut message: OutgoingMessage, limit: usize) -> Result<OpenFrame> {
        let key = self.data_keys.next().await?;
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
}

impl DataKeys {
    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self) -> Current {
        self.lock().clone()
    }

    /// Returns the data key for the next message. A key that is due stays in use while it is renewed in the background:
    /// it is old, but still secure. So no send waits for a vault, and none that gives up ends the renewal.
    async fn next(self: &Arc<DataKeys>) -> Result<Arc<Sealing>> {
        let Current { key, due, .. } = self.current();
        let is_secure = key.messages.fetch_add(1, Ordering::Relaxed) < MESSAGES_A_KEY;
        if is_secure && Instant::now() < due {
            return Ok(key);
        }
        if let Ok(renewing) = self.renewing.clone().try_lock_owned() {
            let keys = self.clone();
            let old = key.clone();
            self.source.spawn(async move {
                keys.renew(&old).await;
                drop(renewing);
            });
        }
        if is_secure {
            return Ok(key);
        }
        drop(self.renewing.lock().await);
        let renewed = self.current();
        match renewed.failed {
            Some(error) => Err(error),
            None => {
                renewed.key.messages.fetch_add(1, Ordering::Relaxed);
                Ok(renewed.key)
            }
        }
    }

    /// Replaces the data key, unless another renewal was faster.
    async fn renew(&self, old: &Arc<Sealing>) {
        if !Arc::ptr_eq(&self.current().key, old) {
            return;
        }
        let outcome = generate(&self.source, &self.name).await;
        let mut current = self.lock();
        match outcome {
            Ok(key) => *current = Current { key, due: Instant::now() + self.renewal, failed: None },
            Err(error) => {
                let text = format!("the data key could not be renewed: {}", error.message());
                current.due = Instant::now() + self.renewal.min(TRY_AGAIN);
                current.failed = Some(error);
                drop(current);
                self.log.write(Level::Warn, &text);
            }
        }
    }
}

async fn generate(keys: &KeySource, name: &str) -> Result<Arc<Sealing>> {
    let (data_key, wrapped, metadata) = keys.generate(name).await?;
    let parameter = json!({ name: { "keyValue": STANDARD.encode(wrapped), "metadata": metadata } }).to_string();
    let connection_key = ConnectionKey::new(STANDARD.encode(parameter));
    Ok(Arc::new(Sealing { data_key, connection_key, messages: AtomicU64::new(0) }))
}

#[cfg(all(test, feature = "mock"))]
mod tests {
    use super::super::PemKeyReader;
    use super::super::data_key::tests::PUBLIC;
    use super::*;
    use crate::options::Options;
    use crate::runtime::{Runtime, block_on};

    #[test]
    fn a_data_key_that_is_used_up_is_waited_for() {
        let runtime = Runtime::shared().unwrap();
        let reader = PemKeyReader::new().with_public_key("k", PUBLIC);
        let options = Options::new().encryption_key("k").crypto_key_reader(reader).resolve();
        let source = KeySource::new(&options, runtime.handle().unwrap()).unwrap();
        let open = Sealer::open(source, &options, Log::new("test", None));
        let sealer = block_on(open, None).unwrap().unwrap().unwrap();
        let first = sealer.data_keys.current().key;
        first.messages.store(MESSAGES_A_KEY, Ordering::Relaxed);
        let next = block_on(sealer.data_keys.next(), None).unwrap().unwrap().unwrap();
        assert!(!Arc::ptr_eq(&first, &next));
        assert_eq!(next.messages.load(Ordering::Relaxed), 1);
    }
}
