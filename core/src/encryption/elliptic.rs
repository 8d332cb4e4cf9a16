//! Keys on elliptic curves, which Pulsar calls ECDSA keys. Its Java client uses them for ECIES in Bouncy Castle's form.
//!
//! Each wrapping generates an ephemeral key pair. ECDH of its private half with the receiver's public key yields a
//! shared secret. KDF2 with SHA-1 derives from it an HMAC-SHA1 key and as many bytes as are wrapped, which are combined
//! with them by XOR. A wrapping consists of the public half, the combined bytes, and the tag.

use p256::NistP256;
use p256::elliptic_curve::array::typenum::Unsigned;
use p256::elliptic_curve::group::Curve as _;
use p256::elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point};
use p256::elliptic_curve::{AffinePoint, CurveArithmetic, FieldBytesSize, Generate, Group, PublicKey, SecretKey};
use p384::NistP384;
use p521::NistP521;
use ring::hmac;
use rsa::pkcs8::der::asn1::{AnyRef, OctetStringRef};
use rsa::pkcs8::der::{Decode, Reader, TagNumber, Tagged};
use rsa::pkcs8::{AlgorithmIdentifierRef, ObjectIdentifier};
use sha1::{Digest, Sha1};
use zeroize::Zeroizing;

/// The algorithm of a key on an elliptic curve. Its parameters specify the curve.
const ELLIPTIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const TAG_BYTES: usize = 20;
const MAC_KEY_BYTES: usize = 16;

pub(super) const UNKNOWN: &str = "it is on an elliptic curve that is not known here; expected P-256, P-384 or P-521";

/// The curves for which `openssl ecparam` generates keys and which Pulsar's documentation uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

macro_rules! on {
    ($curve:expr, $call:ident($($argument:expr),*)) => {
        match $curve {
            Curve::P256 => $call::<NistP256>($($argument),*),
            Curve::P384 => $call::<NistP384>($($argument),*),
            Curve::P521 => $call::<NistP521>($($argument),*),
        }
    };
}

impl Curve {
    /// Returns the curve of a key; `None` if the key is of another type. If it is on another curve, the error says so.
    pub(super) fn of(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<Option<Curve>, &'static str> {
        match algorithm.oid == ELLIPTIC {
            true => Curve::with(algorithm.parameters).map(Some),
            false => Ok(None),
        }
    }

    /// Returns the curve that parameters name or define by its numbers (`-param_enc explicit`).
    fn with(parameters: Option<AnyRef<'_>>) -> Result<Curve, &'static str> {
        let name = parameters.and_then(|parameters| parameters.decode_as::<ObjectIdentifier>().ok());
        let found = [Curve::P256, Curve::P384, Curve::P521].into_iter().find(|curve| match name {
            Some(name) => name == curve.name(),
            None => parameters.is_some_and(|numbers| on!(*curve, has_generator(numbers.value()))),
        });
        found.ok_or(UNKNOWN)
    }

    fn name(self) -> ObjectIdentifier {
        match self {
            Curve::P256 => ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
            Curve::P384 => ObjectIdentifier::new_unwrap("1.3.132.0.34"),
            Curve::P521 => ObjectIdentifier::new_unwrap("1.3.132.0.35"),
        }
    }

    /// Encrypts `bytes` for the owner of the public key at `point`. Returns `None` if the point is invalid, or without
    /// randomness.
    pub(super) fn wrap(self, point: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
        on!(self, wrap(point, bytes))
    }

    /// Returns the content of a wrapping; `None` if it is for another key, or was altered.
    pub(super) fn unwrap(self, secret: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        on!(self, unwrap(secret, wrapped))
    }
}

/// Returns the secret number in an `EC PRIVATE KEY` (RFC 5915), and the curve if it is specified there.
pub(super) fn secret(der: &[u8]) -> Option<(&[u8], Option<Curve>)> {
    let fields = AnyRef::from_der(der).ok()?.sequence(|reader| {
        let _version = u8::decode(reader)?;
        let secret = <&OctetStringRef>::decode(reader)?.as_bytes();
        Ok::<_, rsa::pkcs8::der::Error>((secret, reader.read_slice(reader.remaining_len())?))
    });
    let (secret, rest) = fields.ok()?;
    // Parameters have a field of their own, tagged 0; the public key after them is not needed here.
    let field = AnyRef::from_der_partial(rest).ok().map(|(field, _)| field);
    let field = field.filter(|field| field.tag().is_context_specific() && field.tag().number() == TagNumber(0));
    let parameters = field.and_then(|field| AnyRef::from_der(field.value()).ok());
    Some((secret, parameters.and_then(|parameters| Curve::with(Some(parameters)).ok())))
}

fn has_generator<C: CurveArithmetic>(parameters: &[u8]) -> bool
where
    AffinePoint<C>: ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let generator = C::ProjectivePoint::generator().to_affine().to_sec1_point(false);
    parameters.windows(generator.len()).any(|window| window == generator.as_bytes())
}

fn wrap<C: CurveArithmetic>(point: &[u8], bytes: &[u8]) -> Option<Vec<u8>>
where
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let receiver = PublicKey::<C>::from_sec1_bytes(point).ok()?;
    let pair = SecretKey::<C>::try_generate().ok()?;
    let mut wrapped = pair.public_key().to_sec1_point(false).as_bytes().to_vec();
    let (key, stream) = agree(&pair, &receiver, &wrapped, bytes.len());
    let combined = xor(bytes, &stream);
    let tag = hmac::sign(&key, &tagged(&combined));
    wrapped.extend_from_slice(&combined);
    wrapped.extend_from_slice(tag.as_ref());
    Some(wrapped)
}

fn unwrap<C: CurveArithmetic>(secret: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>>
where
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let secret = SecretKey::<C>::from_slice(secret).ok()?;
    // Two coordinates, after the byte that indicates this form.
    let (point, rest) = wrapped.split_at_checked(1 + 2 * C::FieldBytesSize::USIZE)?;
    let (combined, tag) = rest.split_at_checked(rest.len().checked_sub(TAG_BYTES)?)?;
    let sender = PublicKey::<C>::from_sec1_bytes(point).ok()?;
    let (key, stream) = agree(&secret, &sender, point, combined.len());
    hmac::verify(&key, &tagged(combined), tag).ok()?;
    Some(Zeroizing::new(xor(combined, &stream)))
}

/// Derives the shared values of both sides: the key of the tag, and `length` bytes to combine by XOR.
fn agree<C: CurveArithmetic>(
    secret: &SecretKey<C>,
    public: &PublicKey<C>,
    point: &[u8],
    length: usize,
) -> (hmac::Key, Zeroizing<Vec<u8>>) {
    let shared = secret.diffie_hellman(public);
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAC_KEY_BYTES + length + TAG_BYTES));
    for counter in 1_u32.. {
        if bytes.len() >= MAC_KEY_BYTES + length {
            break;
        }
        let block = Sha1::new_with_prefix(point).chain_update(shared.raw_secret_bytes());
        bytes.extend_from_slice(&block.chain_update(counter.to_be_bytes()).finalize());
    }
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &bytes[..MAC_KEY_BYTES]);
    (key, Zeroizing::new(bytes[MAC_KEY_BYTES..][..length].to_vec()))
}

/// Returns the input of the tag: the bytes, and the length of an optional text, which is absent.
fn tagged(combined: &[u8]) -> Vec<u8> {
    [combined, &0_u64.to_be_bytes()].concat()
}

fn xor(bytes: &[u8], stream: &[u8]) -> Vec<u8> {
    bytes.iter().zip(stream).map(|(byte, other)| byte ^ other).collect()
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use crate::encryption::wrapping::{unwrap, wrap};

    const KEYS: [(&str, &str); 3] = [
        (include_str!("../../../tests/keys/ec.pub.pem"), include_str!("../../../tests/keys/ec.pem")),
        (include_str!("../../../tests/keys/p384.pub.pem"), include_str!("../../../tests/keys/p384.pem")),
        (include_str!("../../../tests/keys/p521.pub.pem"), include_str!("../../../tests/keys/p521.pem")),
    ];

    #[test]
    fn what_bouncy_castle_wrapped_is_unwrapped() {
        let known = include_str!("../../../tests/keys/known.ecies.txt");
        let wrapped = known.lines().map(|line| STANDARD.decode(line).unwrap());
        let bytes: Vec<u8> = (0..32).collect();
        assert_eq!(known.lines().count(), KEYS.len());
        for ((_, private), wrapped) in KEYS.iter().zip(wrapped) {
            assert_eq!(*unwrap(private.as_bytes(), &wrapped).unwrap(), bytes);
        }
    }

    #[test]
    fn each_wrapping_is_another_and_for_its_key_alone() {
        for (index, (public, private)) in KEYS.iter().enumerate() {
            let [one, other] = [(); 2].map(|()| wrap(public.as_bytes(), b"a data key").unwrap());
            assert_ne!(one, other);
            assert_eq!(&**unwrap(private.as_bytes(), &one).unwrap(), b"a data key");
            let (_, stranger) = KEYS[(index + 1) % KEYS.len()];
            assert!(unwrap(stranger.as_bytes(), &one).is_err());
        }
    }

    #[test]
    fn a_wrapping_with_a_bit_changed_or_cut_off_is_an_error() {
        let (public, private) = KEYS[0];
        let wrapped = wrap(public.as_bytes(), &[7; 32]).unwrap();
        for bit in 0..wrapped.len() * 8 {
            let mut changed = wrapped.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(unwrap(private.as_bytes(), &changed).is_err(), "bit {bit}");
        }
        for length in 0..wrapped.len() {
            assert!(unwrap(private.as_bytes(), &wrapped[..length]).is_err(), "{length} bytes");
        }
    }
}
