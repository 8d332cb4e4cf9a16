//! Encrypts the bytes of a data key with a public key in PEM. Uses RSA-OAEP with SHA-1 and MGF1, as all Pulsar clients
//! do, or an elliptic curve, as the Java client does.

use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::{DecodePrivateKey, DecodePublicKey, PrivateKeyInfoRef, SubjectPublicKeyInfoRef};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};
use sha1::Sha1;
use zeroize::Zeroizing;

use super::elliptic::{self, Curve};
use super::failed;
use crate::error::{Error, Result};

/// Encrypts `bytes` for the owner of the private half of the key in `pem`.
pub(super) fn wrap(pem: &[u8], bytes: &[u8]) -> Result<Vec<u8>> {
    let der = SubjectPublicKeyInfoDer::from_pem_slice(pem)
        .map_err(|_| unusable("expected PEM with the section PUBLIC KEY, as `openssl pkey -pubout` writes it"))?;
    let info = SubjectPublicKeyInfoRef::try_from(&der[..]).map_err(malformed)?;
    if let Some(curve) = Curve::of(&info.algorithm).map_err(unusable)? {
        let wrapped = curve.wrap(info.subject_public_key.raw_bytes(), bytes);
        return wrapped.ok_or_else(|| unusable("it is no point on its curve"));
    }
    let key = rsa::PublicKey::from_public_key_der(&der).map_err(other_or_malformed)?;
    key.oaep_encrypt::<Sha1>(bytes).map_err(|error| failed("the data key").caused_by(error))
}

/// Decrypts `wrapped` with the private key in `pem`.
pub(super) fn unwrap(pem: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let der = PrivateKeyDer::from_pem_slice(pem).map_err(|_| {
        unusable(
            "expected PEM with the section PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY, and no passphrase, as `openssl genrsa` \
             writes it",
        )
    })?;
    let unwrapped = match &der {
        PrivateKeyDer::Pkcs8(der) => {
            let info = PrivateKeyInfoRef::try_from(der.secret_pkcs8_der()).map_err(malformed)?;
            match Curve::of(&info.algorithm).map_err(unusable)? {
                Some(curve) => on_curve(info.private_key.as_bytes(), Some(curve), wrapped)?,
                None => {
                    oaep(&rsa::PrivateKey::from_pkcs8_der(der.secret_pkcs8_der()).map_err(other_or_malformed)?, wrapped)
                }
            }
        }
        PrivateKeyDer::Pkcs1(der) => {
            oaep(&rsa::PrivateKey::from_pkcs1_der(der.secret_pkcs1_der()).map_err(malformed)?, wrapped)
        }
        PrivateKeyDer::Sec1(der) => on_curve(der.secret_sec1_der(), None, wrapped)?,
        _ => return Err(unusable(OTHER)),
    };
    unwrapped.ok_or_else(|| failed("the data key is not for this private key, or was changed on its way"))
}

fn oaep(key: &rsa::PrivateKey, wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    key.oaep_decrypt::<Sha1>(wrapped).map(Zeroizing::new).ok()
}

fn on_curve(der: &[u8], curve: Option<Curve>, wrapped: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let (secret, named) = elliptic::secret(der).ok_or_else(|| unusable("it is not well formed"))?;
    let curve = curve.or(named).ok_or_else(|| unusable(elliptic::UNKNOWN))?;
    Ok(curve.unwrap(secret, wrapped))
}

const OTHER: &str = "it is neither an RSA key nor one on an elliptic curve";

fn unusable(why: &str) -> Error {
    failed(format!("it cannot be used: {why}"))
}

fn malformed(error: impl std::error::Error) -> Error {
    unusable(&format!("it is not well formed ({error})"))
}

/// Returns the error for a key of another algorithm. The errors of RSA name that algorithm in their own way, and not
/// the required one.
fn other_or_malformed(error: impl std::error::Error) -> Error {
    let text = error.to_string();
    match text.contains("OID") || text.contains("algorithm") {
        true => unusable(OTHER),
        false => malformed(error),
    }
}
