//! What an application implements to give the keys of end-to-end encryption.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Gives the keys of end-to-end encryption by their names; Pulsar's `CryptoKeyReader`.
///
/// It runs on a thread of the library and may block, for example on a vault or the network. A producer requests the
/// public key when it is opened and for each new data key, every four hours. A consumer requests a private key when a
/// message arrives under an unknown data key, one at a time.
pub trait CryptoKeyReader: Send + Sync {
    /// The public key that a producer encrypts with. What metadata comes with it goes with each message, and helps
    /// [`CryptoKeyReader::private_key`] to find the other half: a version, for instance. It is not encrypted.
    fn public_key(&self, name: &str) -> std::result::Result<EncryptionKeyInfo, Failure>;

    /// The private key to read with, by the name and the metadata that came with the message.
    fn private_key(
        &self,
        name: &str,
        metadata: &BTreeMap<String, String>,
    ) -> std::result::Result<EncryptionKeyInfo, Failure>;
}

/// A key with its metadata; Pulsar's `EncryptionKeyInfo`. The key is wiped from memory when it is dropped, and never
/// printed.
#[derive(Clone)]
pub struct EncryptionKeyInfo {
    pub(crate) key: Zeroizing<Vec<u8>>,
    pub(crate) metadata: BTreeMap<String, String>,
}

impl EncryptionKeyInfo {
    /// A key in PEM, RSA or on the curve P-256, P-384 or P-521: `PUBLIC KEY`, or without a passphrase `PRIVATE KEY`,
    /// `RSA PRIVATE KEY` or `EC PRIVATE KEY`.
    pub fn new(pem: impl Into<Vec<u8>>) -> EncryptionKeyInfo {
        EncryptionKeyInfo { key: Zeroizing::new(pem.into()), metadata: BTreeMap::new() }
    }

    /// The same with one entry of metadata more. A private key's metadata has no use.
    #[must_use]
    pub fn with_metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> EncryptionKeyInfo {
        self.metadata.insert(name.into(), value.into());
        self
    }
}

impl fmt::Debug for EncryptionKeyInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptionKeyInfo").field("metadata", &self.metadata).finish_non_exhaustive()
    }
}
