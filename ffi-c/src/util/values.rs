//! Plain values that C and Rust exchange: views, text that C owns, and what the structs of the header are made of.

use std::ffi::{c_char, c_void};
use std::ptr;

use stargate_core::Result;

use crate::util::boundary::{enter_or, invalid};

/// A view of UTF-8 text, living as long as what it was taken from. `ptr[len]` is 0, so it is a C string too, unless the
/// text itself has a 0 in it. `ptr` is NULL when there is no such text, as for a message without a key.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stargate_str {
    /// The first byte, or NULL.
    pub ptr: *const c_char,
    /// The number of bytes, without the 0 at the end.
    pub len: usize,
}

impl stargate_str {
    pub(crate) const NONE: stargate_str = stargate_str { ptr: ptr::null(), len: 0 };
}

/// A view of bytes, living as long as what it was taken from. `ptr` may be NULL when `len` is 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stargate_bytes {
    /// The first byte.
    pub ptr: *const c_void,
    /// The number of bytes.
    pub len: usize,
}

impl stargate_bytes {
    pub(crate) const NONE: stargate_bytes = stargate_bytes { ptr: ptr::null(), len: 0 };

    pub(crate) fn view(bytes: &[u8]) -> stargate_bytes {
        stargate_bytes { ptr: bytes.as_ptr().cast(), len: bytes.len() }
    }

    /// # Safety
    /// `ptr` has `len` bytes that do not change while `'a` lasts.
    pub(crate) unsafe fn get<'a>(self, parameter: impl std::fmt::Display) -> Result<&'a [u8]> {
        // SAFETY: the caller's promise.
        unsafe { crate::util::boundary::items(self.ptr.cast(), self.len, parameter) }
    }
}

/// One property of a message to send.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stargate_property {
    /// Its name: UTF-8, not NULL.
    pub key: *const c_char,
    /// Its value: UTF-8, not NULL.
    pub value: *const c_char,
}

/// Ends the life of a `user_data` pointer. Called exactly once, after the last call of the callback it was registered
/// with, on any thread; also when registering failed. NULL when there is nothing to do.
pub type stargate_destroy_fn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// Text that views are taken of: it ends with a 0.
pub(crate) struct Text(Box<[u8]>);

impl Text {
    pub(crate) fn new(text: impl AsRef<str>) -> Text {
        Text([text.as_ref().as_bytes(), &[0]].concat().into())
    }

    /// For a `OnceBox`, which no thread ever waits for: a child after a fork may ask for a text that a thread of its parent
    /// was making.
    pub(crate) fn boxed(text: impl AsRef<str>) -> Box<Text> {
        Box::new(Text::new(text))
    }

    pub(crate) fn view(&self) -> stargate_str {
        stargate_str { ptr: self.0.as_ptr().cast(), len: self.0.len() - 1 }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0[..self.0.len() - 1]
    }
}

/// A text without a 0 at its end; NULL when there is none.
pub(crate) fn flat(text: Option<&str>) -> (*const c_char, usize) {
    text.map_or((ptr::null(), 0), |text| (text.as_ptr().cast(), text.len()))
}

/// Returns a text that C owns until `stargate_string_free`.
pub(crate) fn owned_string(text: &str) -> Result<*mut c_char> {
    let text = std::ffi::CString::new(text).map_err(|_| invalid("the text has a 0 in it"))?;
    Ok(text.into_raw())
}

/// Frees a text that a function gave through a `char **`. NULL does nothing.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_string_free(string: *mut c_char) {
    enter_or((), || {
        if !string.is_null() {
            // SAFETY: by the rules it came from `owned_string`, and is freed once.
            drop(unsafe { std::ffi::CString::from_raw(string) });
        }
    });
}
