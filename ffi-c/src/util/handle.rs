//! Opaque handles: C sees an incomplete struct, and its pointer is that of a Rust value in a box.

use std::fmt::Display;

use once_cell::race::OnceBox;
use stargate_core::{ForkSafe, Result};

use crate::util::boundary::{self, enter_or};
use crate::util::values::Text;

/// Ties an opaque struct of the header to the Rust type behind it.
///
/// # Safety
/// Every pointer to `Self` that C holds was made by [`into_raw`], so it is one to `Inner`.
pub(crate) unsafe trait Handle {
    type Inner;
}

/// Gives a value to C.
pub(crate) fn into_raw<H: Handle>(inner: H::Inner) -> *mut H {
    Box::into_raw(Box::new(inner)).cast()
}

/// What a handle stands for.
///
/// # Safety
/// `handle` is NULL or live while `'a` lasts.
pub(crate) unsafe fn inner<'a, H: Handle>(handle: *const H, parameter: impl Display) -> Result<&'a H::Inner> {
    #[cfg(test)]
    crate::panic_tests::here();
    // SAFETY: it is one to `Inner` by the promise of `Handle`, and live by the caller's.
    unsafe { boundary::reference(handle.cast::<H::Inner>(), parameter) }
}

/// Returns what [`inner`] returns, or `None` for NULL.
///
/// # Safety
/// As [`inner`].
pub(crate) unsafe fn optional<'a, H: Handle>(handle: *const H) -> Option<&'a H::Inner> {
    // SAFETY: as in `inner`.
    unsafe { handle.cast::<H::Inner>().as_ref() }
}

/// Takes a handle back from C; NULL gives nothing.
///
/// # Safety
/// `handle` is NULL or live, and nobody uses it any more.
pub(crate) unsafe fn take<H: Handle>(handle: *mut H) -> Option<Box<H::Inner>> {
    if handle.is_null() {
        return None;
    }
    // SAFETY: it was made by `into_raw`, and is taken once by the caller's promise.
    Some(unsafe { Box::from_raw(handle.cast()) })
}

/// Frees a handle in the background, on a thread of the library: what goes with it may take a while.
///
/// # Safety
/// `handle` is NULL or live, and nobody uses it any more.
pub(crate) unsafe fn release<H: Handle<Inner = OfProcess<T>>, T: Send + Sync + 'static>(handle: *mut H) {
    enter_or((), || {
        // SAFETY: the caller's promise.
        let Some(owned) = (unsafe { take(handle) }) else { return };
        // In a child after a fork this only gives memory back.
        if owned.get().is_ok() {
            let _ = stargate_core::spawn(async move { drop(owned) });
        }
    });
}

/// A handle of the core, which belongs to the process that opened it, and what C has of it.
pub(crate) struct OfProcess<T> {
    value: ForkSafe<T>,
    /// Somebody else has it, too, so that a free does not close it.
    shared: bool,
    pub(crate) texts: Texts,
}

/// What C has views of, made when it asks.
#[derive(Default)]
pub(crate) struct Texts {
    pub(crate) topic: OnceBox<Text>,
    pub(crate) subscription: OnceBox<Text>,
}

impl<T> OfProcess<T> {
    pub(crate) fn new(value: T) -> OfProcess<T> {
        OfProcess { value: ForkSafe::new(value), shared: false, texts: Texts::default() }
    }

    /// What goes on when this handle is freed, because a supervisor has it.
    pub(crate) fn shared(value: T) -> OfProcess<T> {
        let mut owned = OfProcess::new(value);
        owned.shared = true;
        owned
    }

    /// Returns the value if a free has to close it.
    pub(crate) fn to_close(&self) -> Option<&T> {
        self.get().ok().filter(|_| !self.shared)
    }

    /// Returns the value, in the process that made it.
    pub(crate) fn get(&self) -> Result<&T> {
        self.value.get()
    }
}
