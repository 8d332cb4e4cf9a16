//! Lists of texts.

use crate::util::boundary::enter_or;
use crate::util::handle::{self, Handle};
use crate::util::values::{Text, stargate_str};

/// A list of texts, such as the names of topics.
pub struct stargate_strings {
    _private: [u8; 0],
}

// SAFETY: the functions below give nothing else to C.
unsafe impl Handle for stargate_strings {
    type Inner = Vec<Option<Text>>;
}

/// Returns how many texts there are; 0 for NULL.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_strings_count(strings: *const stargate_strings) -> usize {
    // SAFETY: NULL or live, by the rules of the header.
    enter_or(0, || unsafe { handle::optional(strings) }.map_or(0, Vec::len))
}

/// Returns the text at `index`, counted from 0. `ptr` is NULL past the end, for NULL, and where there is no text, such
/// as the last message of an empty partition.
///
/// Thread-safe. A view of the list.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_strings_get(strings: *const stargate_strings, index: usize) -> stargate_str {
    enter_or(stargate_str::NONE, || {
        // SAFETY: NULL or live, by the rules of the header.
        let text = unsafe { handle::optional(strings) }.and_then(|strings| strings.get(index)?.as_ref());
        text.map_or(stargate_str::NONE, Text::view)
    })
}

/// Frees a list. NULL does nothing.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_strings_free(strings: *mut stargate_strings) {
    // SAFETY: NULL or live, and freed once, by the rules of the header.
    enter_or((), || drop(unsafe { handle::take(strings) }));
}

pub(super) fn into_raw(texts: impl IntoIterator<Item: Into<Option<String>>>) -> *mut stargate_strings {
    handle::into_raw(texts.into_iter().map(|text| text.into().map(Text::new)).collect())
}
