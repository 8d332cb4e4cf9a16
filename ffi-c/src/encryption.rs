//! The keys of end-to-end encryption, by a function of the application; key files are options.

use std::collections::BTreeMap;
use std::ffi::{c_char, c_void};

use stargate_core::{CryptoKeyReader, EncryptionKeyInfo, Result};

use crate::error::{STARGATE_OK, stargate_error, stargate_status};
use crate::options::{inner_mut, stargate_options};
use crate::util::boundary::{self, enter, invalid};
use crate::util::handle::Handle;
use crate::util::user_data::UserData;
use crate::util::values::{Text, stargate_destroy_fn, stargate_property, stargate_str};

/// Requests the public key, with which a producer encrypts.
pub const STARGATE_PUBLIC_KEY: i32 = 0;
/// Requests the private key, with which a consumer decrypts.
pub const STARGATE_PRIVATE_KEY: i32 = 1;

/// Where a key function puts its key. It lives for the call of that function.
pub struct stargate_key {
    _private: [u8; 0],
}

/// What a key function has given so far.
#[derive(Default)]
pub(crate) struct Given {
    key: Option<EncryptionKeyInfo>,
    metadata: Vec<(String, String)>,
}

// SAFETY: `KeyFunction::ask` gives nothing else to C.
unsafe impl Handle for stargate_key {
    type Inner = Given;
}

/// # Safety
/// `key` is NULL or that of a call of a key function that has not returned.
unsafe fn given<'a>(key: *mut stargate_key) -> Result<&'a mut Given> {
    // SAFETY: the caller's promise.
    unsafe { key.cast::<Given>().as_mut() }.ok_or_else(|| invalid("key is NULL"))
}

/// Sets the key: PEM of `length` bytes, RSA or on the curve P-256, P-384 or P-521. A public key is a `PUBLIC KEY`; a
/// private key, without a passphrase, a `PRIVATE KEY`, `RSA PRIVATE KEY` or `EC PRIVATE KEY`. The library copies it,
/// and wipes the copy after use.
///
/// In the call of the key function. Errors: STARGATE_INVALID_ARGUMENT for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_key_set(
    key: *mut stargate_key,
    pem: *const c_char,
    length: usize,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            boundary::reference(pem, "pem")?;
            given(key)?.key = Some(EncryptionKeyInfo::new(boundary::items(pem.cast::<u8>(), length, "pem")?.to_vec()));
            Ok(())
        })
    }
}

/// Adds one entry to the metadata of a public key. The entries travel with each message, unencrypted, and reach the key
/// function that supplies the private key. An example is the version of the key.
///
/// In the call of the key function. Errors: STARGATE_INVALID_ARGUMENT for NULL and for what is not UTF-8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_key_add_metadata(
    key: *mut stargate_key,
    name: *const c_char,
    value: *const c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let entry = (boundary::text(name, "name")?.to_owned(), boundary::text(value, "value")?.to_owned());
            given(key)?.metadata.push(entry);
            Ok(())
        })
    }
}

/// Supplies the key with this name through `stargate_key_set` and returns STARGATE_OK. Any other status means that
/// there is no such key. `half` is STARGATE_PUBLIC_KEY or STARGATE_PRIVATE_KEY; for a private key `metadata` are the
/// `metadata_count` entries that came with the message. All of it lives for the call.
///
/// It runs on a thread of the library that may block. The library requests the public key when a producer is opened and
/// for each new data key. It requests a private key when a message arrives under a data key that it does not know yet.
pub type stargate_key_fn = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        half: i32,
        name: stargate_str,
        metadata: *const stargate_property,
        metadata_count: usize,
        key: *mut stargate_key,
    ) -> stargate_status,
>;

type KeyFn = unsafe extern "C" fn(
    *mut c_void,
    i32,
    stargate_str,
    *const stargate_property,
    usize,
    *mut stargate_key,
) -> stargate_status;

/// Asks `keys` for the keys of end-to-end encryption, instead of the options that name key files. For the options of a
/// producer, which needs encryption_key too, or of a consumer, which then decrypts; see docs/encryption.md.
///
/// For one thread at a time. Errors: STARGATE_INVALID_ARGUMENT for NULL. `destroy` runs after an error too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_options_on_key(
    options: *mut stargate_options,
    keys: stargate_key_fn,
    user_data: *mut c_void,
    destroy: stargate_destroy_fn,
    error: *mut *mut stargate_error,
) -> stargate_status {
    let user_data = UserData::new(user_data, destroy);
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let options = inner_mut(options)?;
            let function = keys.ok_or_else(|| invalid("keys is NULL"))?;
            *options = std::mem::take(options).crypto_key_reader(KeyFunction { function, user_data });
            Ok(())
        })
    }
}

/// A key reader in C.
struct KeyFunction {
    function: KeyFn,
    user_data: UserData,
}

type Answer = std::result::Result<EncryptionKeyInfo, Box<dyn std::error::Error + Send + Sync>>;

impl KeyFunction {
    fn ask(&self, half: i32, name: &str, metadata: &BTreeMap<String, String>) -> Answer {
        let name = Text::new(name);
        let texts: Vec<_> =
            metadata.iter().map(|(key, value)| (Text::new(key.as_str()), Text::new(value.as_str()))).collect();
        let properties: Vec<_> = texts
            .iter()
            .map(|(key, value)| stargate_property { key: key.view().ptr, value: value.view().ptr })
            .collect();
        let mut given = Given::default();
        let key = (&raw mut given).cast::<stargate_key>();
        // SAFETY: it is a function of the application, called as its type says; what it is given lives until it
        // returns.
        let status = unsafe {
            (self.function)(self.user_data.get(), half, name.view(), properties.as_ptr(), properties.len(), key)
        };
        if status != STARGATE_OK {
            return Err(format!("the key function returned {status}").into());
        }
        let key = given.key.ok_or("the key function returned STARGATE_OK and gave no key")?;
        Ok(given.metadata.into_iter().fold(key, |key, (name, value)| key.with_metadata(name, value)))
    }
}

impl CryptoKeyReader for KeyFunction {
    fn public_key(&self, name: &str) -> Answer {
        self.ask(STARGATE_PUBLIC_KEY, name, &BTreeMap::new())
    }

    fn private_key(&self, name: &str, metadata: &BTreeMap<String, String>) -> Answer {
        self.ask(STARGATE_PRIVATE_KEY, name, metadata)
    }
}
