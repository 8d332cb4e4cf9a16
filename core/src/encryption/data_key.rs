//! A data key, which encrypts payloads with AES-256-GCM and is itself encrypted with a reader's public key.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::{failed, wrapping};
use crate::error::Result;

/// The length of an AES-256 key.
const KEY_BYTES: usize = 32;

/// The key that encrypts payloads.
pub(super) struct DataKey(LessSafeKey);

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey")
    }
}

impl DataKey {
    /// Generates a key. Returns it, and its encryption with the public key in `pem`.
    pub(super) fn generate(pem: &[u8]) -> Result<(DataKey, Vec<u8>)> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        random(&mut *bytes)?;
        Ok((DataKey::from_bytes(&*bytes)?, wrapping::wrap(pem, &*bytes)?))
    }

    /// Returns the key in `wrapped`, which was encrypted with the public half of the key in `pem`.
    pub(super) fn unwrap(pem: &[u8], wrapped: &[u8]) -> Result<DataKey> {
        DataKey::from_bytes(&wrapping::unwrap(pem, wrapped)?)
    }

    fn from_bytes(bytes: &[u8]) -> Result<DataKey> {
        let key = UnboundKey::new(&AES_256_GCM, bytes);
        let unusual = |_| failed(format!("a data key of {} bytes; {KEY_BYTES} are expected, for AES-256", bytes.len()));
        key.map(|key| DataKey(LessSafeKey::new(key))).map_err(unusual)
    }

    /// Encrypts in place, appends the tag, and returns the nonce. Nonces are random, as in the other clients, which is
    /// another reason why a key expires after a number of messages.
    pub(super) fn encrypt(&self, payload: &mut Vec<u8>) -> Result<[u8; NONCE_LEN]> {
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce)?;
        let sealed = self.0.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), payload);
        sealed.map(|()| nonce).map_err(|_| failed("the payload could not be encrypted"))
    }

    /// Decrypts. Returns an error if any bit of the nonce, payload or tag has changed.
    pub(super) fn decrypt(&self, nonce: &[u8], payload: &[u8]) -> Result<Vec<u8>> {
        let Ok(nonce) = Nonce::try_assume_unique_for_key(nonce) else {
            return Err(failed(format!("an encryption parameter of {} bytes; {NONCE_LEN} are expected", nonce.len())));
        };
        let mut text = payload.to_vec();
        let opened = self.0.open_in_place(nonce, Aad::empty(), &mut text);
        let bytes =
            opened.map_err(|_| failed("the payload was not encrypted with this data key, or was changed"))?.len();
        text.truncate(bytes);
        Ok(text)
    }
}

fn random(bytes: &mut [u8]) -> Result<()> {
    SystemRandom::new().fill(bytes).map_err(|_| failed("the system gives no random numbers"))
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::LazyLock;

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;
    use crate::error::ErrorKind;

    pub(crate) const PRIVATE: &str = include_str!("../../../tests/keys/rsa.pem");
    pub(crate) const PUBLIC: &str = include_str!("../../../tests/keys/rsa.pub.pem");

    static KEY: LazyLock<DataKey> = LazyLock::new(|| DataKey::from_bytes(&[7; KEY_BYTES]).unwrap());

    #[test]
    fn a_data_key_comes_out_of_its_wrapping() {
        let (key, wrapped) = DataKey::generate(PUBLIC.as_bytes()).unwrap();
        let mut payload = b"one pizza".to_vec();
        let nonce = key.encrypt(&mut payload).unwrap();
        let again = DataKey::unwrap(PRIVATE.as_bytes(), &wrapped).unwrap();
        assert_eq!(again.decrypt(&nonce, &payload).unwrap(), b"one pizza");
    }

    #[test]
    fn a_message_that_openssl_encrypted_is_read() {
        let [wrapped, nonce, payload] = include_str!("../../../tests/keys/known.txt")
            .lines()
            .map(|line| STANDARD.decode(line).unwrap())
            .collect::<Vec<_>>()
            .try_into()
            .unwrap();
        let key = DataKey::unwrap(PRIVATE.as_bytes(), &wrapped).unwrap();
        assert_eq!(key.decrypt(&nonce, &payload).unwrap(), b"encrypted with openssl");
    }

    #[test]
    fn keys_of_either_form_are_read() {
        let (_, wrapped) = DataKey::generate(PUBLIC.as_bytes()).unwrap();
        let pkcs1 = include_str!("../../../tests/keys/rsa.pkcs1.pem");
        assert!(DataKey::unwrap(pkcs1.as_bytes(), &wrapped).is_ok());
    }

    #[test]
    fn a_key_that_cannot_be_used_says_why_and_shows_nothing() {
        for (public, private, expected) in [
            ("junk", "junk", "expected PEM"),
            (
                include_str!("../../../tests/keys/ed25519.pub.pem"),
                include_str!("../../../tests/keys/ed25519.pem"),
                "neither an RSA key nor",
            ),
            (
                include_str!("../../../tests/keys/k256.pub.pem"),
                include_str!("../../../tests/keys/k256.pem"),
                "expected P-256",
            ),
            (PRIVATE, PUBLIC, "expected PEM"),
        ] {
            for error in [
                DataKey::generate(public.as_bytes()).unwrap_err(),
                DataKey::unwrap(private.as_bytes(), &[0; 256]).unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::Crypto);
                assert!(error.to_string().contains(expected), "{error}");
                assert!(!format!("{error:?}").contains("MII"), "{error:?}");
            }
        }
    }

    #[test]
    fn a_wrapping_for_another_key_or_with_a_bit_changed_is_an_error() {
        let (_, wrapped) = DataKey::generate(PUBLIC.as_bytes()).unwrap();
        for bit in (0..wrapped.len() * 8).step_by(97) {
            let mut changed = wrapped.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(DataKey::unwrap(PRIVATE.as_bytes(), &changed).is_err(), "bit {bit}");
        }
        for bytes in [&[][..], &wrapped[1..], &[0; 4096]] {
            assert!(DataKey::unwrap(PRIVATE.as_bytes(), bytes).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_bit_can_be_changed(payload in prop::collection::vec(any::<u8>(), 0..100), place in any::<prop::sample::Index>()) {
            let mut sealed = payload.clone();
            let nonce = KEY.encrypt(&mut sealed).unwrap();
            prop_assert_eq!(KEY.decrypt(&nonce, &sealed).unwrap(), payload);
            let bit = place.index((nonce.len() + sealed.len()) * 8);
            let mut all = [&nonce[..], &sealed].concat();
            all[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(KEY.decrypt(&all[..NONCE_LEN], &all[NONCE_LEN..]).is_err());
        }

        #[test]
        fn junk_is_an_error(nonce in prop::collection::vec(any::<u8>(), 0..20), payload in prop::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(KEY.decrypt(&nonce, &payload).is_err());
        }
    }
}
