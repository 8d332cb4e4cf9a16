//! Errors of the core as exceptions of `stargate.errors`.

use std::sync::OnceLock;
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use stargate_core::{Error, ErrorKind};

/// The function that makes an exception; the classes are Python's, so that they are typed, documented and picklable.
static MAKE: OnceLock<Py<PyAny>> = OnceLock::new();

/// Finds that function with the import of the module. Later would be too late: a child after a fork would wait for the
/// import that another thread of its parent was in.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    let make = py.import("stargate.errors")?.getattr("_make")?.unbind();
    let _ = MAKE.set(make);
    Ok(())
}

fn make(
    py: Python<'_>,
    kind: ErrorKind,
    text: &str,
    topic: Option<&str>,
    broker_text: Option<&str>,
    http_status: Option<u16>,
    retriable: bool,
) -> PyErr {
    let arguments = (kind.code(), text, topic, broker_text, http_status, retriable);
    match MAKE.get().map(|make| make.bind(py).call1(arguments)) {
        Some(Ok(exception)) => PyErr::from_value(exception),
        Some(Err(error)) => error,
        None => PyRuntimeError::new_err(text.to_owned()),
    }
}

/// Returns the exception for an error.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    make(
        py,
        error.kind(),
        &error.to_string(),
        error.topic(),
        error.broker_text(),
        error.http_status(),
        error.is_retriable(),
    )
}

/// Returns the exception for an invalid argument.
pub(crate) fn invalid(py: Python<'_>, text: &str) -> PyErr {
    make(py, ErrorKind::InvalidArgument, text, None, None, None, false)
}

/// Returns the exception for a wait that timed out.
pub(crate) fn timeout(py: Python<'_>, operation: &str, topic: &str, limit: Option<Duration>) -> PyErr {
    let text = format!("{operation} {topic}: not done within {} s", limit.unwrap_or_default().as_secs_f64());
    make(py, ErrorKind::Timeout, &text, Some(topic), None, None, true)
}
