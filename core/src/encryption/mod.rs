//! End-to-end encryption: the broker and the proxy transport payloads that they cannot read (PIP-290).
//!
//! A producer encrypts each payload with a data key of its own, by AES-256-GCM. It encrypts the data key with the
//! public key of each reader, by RSA-OAEP or ECIES. The proxy receives the encrypted data key when the producer
//! connects, and sends it with each message. The format is that of Pulsar's other clients, so either end can be one of
//! them. `docs/encryption.md` is the user's page.

mod compression;
mod context;
mod data_key;
mod elliptic;
mod keys;
mod opening;
mod sealing;
mod wrapping;

pub use self::keys::PemKeyReader;

pub(crate) use self::keys::KeySource;
pub(crate) use self::opening::Opener;
pub(crate) use self::sealing::Sealer;
#[cfg(feature = "fuzzing")]
pub(crate) use self::{compression::decompress_all, context::Context};

use crate::error::{Error, ErrorKind};

#[cfg(all(test, feature = "mock"))]
mod tests;

fn failed(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Crypto, why)
}
