//! A core handle as a Python object holds it: not dropped in a process that did not open it.

use std::mem::ManuallyDrop;
use std::ops::Deref;

/// After a fork the threads that a handle talks to do not exist, and locks they held stay locked for ever; so the child
/// lets it lie instead of dropping it.
pub(crate) struct Held<T> {
    value: ManuallyDrop<T>,
    /// By how many forks this process has come to be.
    forks: u32,
}

impl<T> Held<T> {
    pub(crate) fn new(value: T) -> Held<T> {
        Held { value: ManuallyDrop::new(value), forks: stargate_core::forks() }
    }

    /// Whether this process is the one that made it.
    pub(crate) fn is_ours(&self) -> bool {
        self.forks == stargate_core::forks()
    }
}

impl<T> Deref for Held<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        if self.is_ours() {
            // SAFETY: the value is not used again, since the holder itself is being dropped.
            unsafe { ManuallyDrop::drop(&mut self.value) }
        }
    }
}
