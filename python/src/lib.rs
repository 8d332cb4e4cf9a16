//! The native half of the Python package `stargate`: thin classes over the core, used by the typed ones of the package.
//!
//! Two rules hold throughout. No thread of the library ever runs Python: whatever Python has to hear of goes into an
//! [`events::Events`] queue, which Python's own threads and event loops drain. And no lock is taken and nothing is
//! waited for while this thread is attached to the interpreter, so that no two locks can ever wait for each other.

#![cfg_attr(not(test), warn(clippy::unwrap_used))]

use pyo3::prelude::*;

mod admin;
mod client;
mod convert;
mod errors;
mod events;
mod greenlets;
mod handle;
mod message;
mod mock;
mod operation;
mod producer;
mod receiver;
mod wait;

/// The native half of `stargate`; private.
#[pymodule(gil_used = false)]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::client::Client;
    #[pymodule_export]
    use crate::events::{Events, KeyAnswer, TokenAnswer};
    #[pymodule_export]
    use crate::greenlets::wait_in;
    #[pymodule_export]
    use crate::message::{Message, MessageId};
    #[pymodule_export]
    use crate::mock::MockBroker;
    #[pymodule_export]
    use crate::operation::Operation;
    #[pymodule_export]
    use crate::producer::{Producer, Receipts, produce, produce_async};
    #[pymodule_export]
    use crate::receiver::{Consumer, Reader};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::have_the_heap_kept();
        crate::errors::prepare(module.py())?;
        // The first time of a message would import `datetime`, in which a fork of another thread could catch it.
        let _ = std::time::SystemTime::UNIX_EPOCH.into_pyobject(module.py())?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }

    /// The table of options as JSON: an array of objects with key, aliases, type, range, choices, default, roles and
    /// doc.
    #[pyfunction]
    fn describe_options() -> String {
        stargate_core::options::describe()
    }

    /// Every kind of error, as (name, code, retriable).
    #[pyfunction]
    fn error_kinds() -> Vec<(&'static str, i32, bool)> {
        stargate_core::ErrorKind::ALL.iter().map(|kind| (kind.name(), kind.code(), kind.is_retriable())).collect()
    }
}

/// glibc returns what is free at the end of its heap to the system as soon as that is 128 KiB, so that the `bytes` of
/// large messages come and go by page faults. It keeps twice the size of the largest block that was mapped for itself
/// and freed, as most programs free one at some time; see docs/performance-notes.md for what it saves.
fn have_the_heap_kept() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(1024 * 1024)));
}
