//! Opaque handles: C sees an incomplete struct, and its pointer is that of a Rust value in a box.

use std::sync::OnceLock;

use stargate_core::{Error, ErrorKind, Result};

use crate::util::boundary;
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
pub(crate) unsafe fn inner<'a, H: Handle>(handle: *const H, parameter: &str) -> Result<&'a H::Inner> {
    #[cfg(test)]
    crate::panic_tests::here();
    // SAFETY: it is one to `Inner` by the promise of `Handle`, and live by the caller's.
    unsafe { boundary::reference(handle.cast::<H::Inner>(), parameter) }
}

/// The same, when a NULL has an answer of its own.
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

/// What belongs to the process that made it: in a child after `fork` its threads and sockets do not exist, its locks may
/// be held by nobody, and dropping it would wait for them.
pub(crate) struct OfProcess<T> {
    value: std::mem::ManuallyDrop<T>,
    /// By how many forks this process has come to be.
    forks: u32,
    /// Somebody else has it, too, so that a free does not close it.
    shared: bool,
    pub(crate) texts: Texts,
}

/// What C has views of, made when it asks.
#[derive(Default)]
pub(crate) struct Texts {
    pub(crate) topic: OnceLock<Text>,
    pub(crate) subscription: OnceLock<Text>,
}

impl<T> OfProcess<T> {
    pub(crate) fn new(value: T) -> OfProcess<T> {
        OfProcess {
            value: std::mem::ManuallyDrop::new(value),
            forks: stargate_core::forks(),
            shared: false,
            texts: Texts::default(),
        }
    }

    /// What goes on when this handle is freed, because a supervisor has it.
    pub(crate) fn shared(value: T) -> OfProcess<T> {
        let mut owned = OfProcess::new(value);
        owned.shared = true;
        owned
    }

    /// The value, where a free has to close it.
    pub(crate) fn to_close(&self) -> Option<&T> {
        self.get().ok().filter(|_| !self.shared)
    }

    /// The value, in the process that made it.
    pub(crate) fn get(&self) -> Result<&T> {
        if self.is_of_this_process() {
            return Ok(&self.value);
        }
        Err(Error::new(
            ErrorKind::Forked,
            "this handle belongs to the process before the fork; open a new client in the child",
        ))
    }

    fn is_of_this_process(&self) -> bool {
        self.forks == stargate_core::forks()
    }
}

impl<T> Drop for OfProcess<T> {
    fn drop(&mut self) {
        if self.is_of_this_process() {
            // SAFETY: dropped once, here.
            unsafe { std::mem::ManuallyDrop::drop(&mut self.value) }
        }
    }
}
