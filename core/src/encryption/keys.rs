//! The sources of keys: the application's key reader, or PEM files.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::runtime::Handle;
use zeroize::Zeroizing;

use super::context::WrappedKey;
use super::data_key::DataKey;
use super::failed;
use crate::crypto_key_reader::{CryptoKeyReader, EncryptionKeyInfo, Failure};
use crate::error::{Error, Result};
use crate::options::Resolved;

/// A key reader for PEM texts and files, by name. Each use reads a file again, so you can replace a key by replacing
/// its file.
///
/// ```
/// use stargate_core::PemKeyReader;
///
/// let keys = PemKeyReader::new()
///     .with_public_key_file("billing", "/etc/keys/billing.pub.pem")
///     .with_private_key_file("billing", "/run/secrets/billing.pem");
/// ```
#[derive(Clone, Default)]
pub struct PemKeyReader {
    public: BTreeMap<String, Pem>,
    private: BTreeMap<String, Pem>,
}

#[derive(Clone)]
enum Pem {
    Text(Zeroizing<Vec<u8>>),
    File(PathBuf),
}

impl Pem {
    fn read(&self) -> std::result::Result<EncryptionKeyInfo, Failure> {
        match self {
            Pem::Text(text) => Ok(EncryptionKeyInfo { key: text.clone(), metadata: BTreeMap::new() }),
            Pem::File(path) => match std::fs::read(path) {
                Ok(pem) => Ok(EncryptionKeyInfo::new(pem)),
                Err(error) => Err(format!("{}: {error}", path.display()).into()),
            },
        }
    }
}

impl PemKeyReader {
    /// Creates a reader without keys.
    pub fn new() -> PemKeyReader {
        PemKeyReader::default()
    }

    /// Adds a public key, in PEM.
    #[must_use]
    pub fn with_public_key(mut self, name: impl Into<String>, pem: impl Into<Vec<u8>>) -> PemKeyReader {
        self.public.insert(name.into(), Pem::Text(Zeroizing::new(pem.into())));
        self
    }

    /// Adds a private key, in PEM.
    #[must_use]
    pub fn with_private_key(mut self, name: impl Into<String>, pem: impl Into<Vec<u8>>) -> PemKeyReader {
        self.private.insert(name.into(), Pem::Text(Zeroizing::new(pem.into())));
        self
    }

    /// Adds the file of a public key.
    #[must_use]
    pub fn with_public_key_file(mut self, name: impl Into<String>, path: impl AsRef<Path>) -> PemKeyReader {
        self.public.insert(name.into(), Pem::File(path.as_ref().to_owned()));
        self
    }

    /// Adds the file of a private key.
    #[must_use]
    pub fn with_private_key_file(mut self, name: impl Into<String>, path: impl AsRef<Path>) -> PemKeyReader {
        self.private.insert(name.into(), Pem::File(path.as_ref().to_owned()));
        self
    }
}

impl CryptoKeyReader for PemKeyReader {
    fn public_key(&self, name: &str) -> std::result::Result<EncryptionKeyInfo, Failure> {
        self.public.get(name).ok_or("there is no such public key")?.read()
    }

    fn private_key(&self, name: &str, _: &BTreeMap<String, String>) -> std::result::Result<EncryptionKeyInfo, Failure> {
        self.private.get(name).ok_or("there is no such private key")?.read()
    }
}

impl fmt::Debug for PemKeyReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (public, private): (Vec<_>, Vec<_>) = (self.public.keys().collect(), self.private.keys().collect());
        f.debug_struct("PemKeyReader").field("public", &public).field("private", &private).finish()
    }
}

/// The keys of a handle, from the source that its options specify.
#[derive(Clone)]
pub(crate) struct KeySource {
    reader: Arc<dyn CryptoKeyReader>,
    runtime: Handle,
}

/// The key files of the options, which serve every name.
struct Files {
    public: Option<Pem>,
    private: Option<Pem>,
}

impl CryptoKeyReader for Files {
    fn public_key(&self, _: &str) -> std::result::Result<EncryptionKeyInfo, Failure> {
        self.public.as_ref().ok_or("the option encryption_public_key_file is not set")?.read()
    }

    fn private_key(&self, _: &str, _: &BTreeMap<String, String>) -> std::result::Result<EncryptionKeyInfo, Failure> {
        self.private.as_ref().ok_or("the option encryption_private_key_file is not set")?.read()
    }
}

impl KeySource {
    /// Returns the source of the keys; `None` if the options do not configure encryption.
    pub(crate) fn new(options: &Resolved, runtime: &Handle) -> Option<KeySource> {
        let file = |path: &Option<String>| path.as_ref().map(|path| Pem::File(path.into()));
        let reader = options.given.crypto_key_reader.clone().or_else(|| {
            let (public, private) =
                (file(&options.encryption_public_key_file), file(&options.encryption_private_key_file));
            (public.is_some() || private.is_some())
                .then(|| Arc::new(Files { public, private }) as Arc<dyn CryptoKeyReader>)
        })?;
        Some(KeySource { reader, runtime: runtime.clone() })
    }

    /// Generates a data key. Returns it with its wrapping, and the metadata of the public key that wraps it.
    pub(super) async fn generate(&self, name: &str) -> Result<(DataKey, Vec<u8>, BTreeMap<String, String>)> {
        let asked = name.to_owned();
        let made = self.blocking(move |reader| {
            let EncryptionKeyInfo { key, metadata } = reader.public_key(&asked).map_err(unavailable)?;
            let (data_key, wrapped) = DataKey::generate(&key)?;
            Ok((data_key, wrapped, metadata))
        });
        made.await.map_err(|error| named("public", name, &error))
    }

    /// Returns the data key in a wrapping.
    pub(super) async fn unwrap(&self, wrapped: WrappedKey) -> Result<DataKey> {
        let name = wrapped.name.clone();
        let unwrapped = self.blocking(move |reader| {
            let EncryptionKeyInfo { key, .. } =
                reader.private_key(&wrapped.name, &wrapped.metadata).map_err(unavailable)?;
            DataKey::unwrap(&key, &wrapped.bytes)
        });
        unwrapped.await.map_err(|error| named("private", &name, &error))
    }

    /// Runs a task that goes on without its caller.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }

    /// Runs work where it may block: key readers access files and vaults, and RSA takes milliseconds.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn CryptoKeyReader) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let reader = self.reader.clone();
        let lost = |_| Err(failed("the key reader panicked, or the client is gone"));
        self.runtime.spawn_blocking(move || work(&*reader)).await.unwrap_or_else(lost)
    }
}

fn unavailable(why: Failure) -> Error {
    failed(format!("it could not be fetched: {why}"))
}

fn named(half: &str, name: &str, error: &Error) -> Error {
    failed(format!("{half} key {name:?}: {}", error.message()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_never_shown() {
        let info = EncryptionKeyInfo::new("s3cret").with_metadata("version", "1");
        let reader = PemKeyReader::new().with_private_key("billing", "s3cret");
        let shown = format!("{info:?} {reader:?}");
        assert!(shown.contains("version") && shown.contains("billing"));
        assert!(!shown.contains("s3cret") && !shown.contains(&format!("{:?}", b"s3cret")), "{shown}");
    }

    #[test]
    fn a_missing_key_and_a_missing_file_are_named() {
        let reader = PemKeyReader::new().with_public_key_file("lost", "/nowhere/key.pem");
        assert!(reader.public_key("other").unwrap_err().to_string().contains("no such public key"));
        assert!(reader.public_key("lost").unwrap_err().to_string().contains("/nowhere/key.pem"));
    }
}
