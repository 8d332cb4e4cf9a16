//! The application's pointer that goes with a callback, and its end.

use std::ffi::c_void;

use crate::util::values::stargate_destroy_fn;

/// A `user_data` pointer with its `destroy`, which runs exactly once: when this is dropped.
pub(crate) struct UserData {
    pointer: *mut c_void,
    destroy: stargate_destroy_fn,
}

// SAFETY: the header's rules say that callbacks and destroy come from any thread, so the application's data is ready
// for that; the library itself never looks at it.
unsafe impl Send for UserData {}
// SAFETY: as above.
unsafe impl Sync for UserData {}

impl UserData {
    pub(crate) fn new(pointer: *mut c_void, destroy: stargate_destroy_fn) -> UserData {
        UserData { pointer, destroy }
    }

    pub(crate) fn get(&self) -> *mut c_void {
        self.pointer
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the application gave this function for this pointer, and a value is dropped once.
            unsafe { destroy(self.pointer) }
        }
    }
}
