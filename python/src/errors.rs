//! Errors of the core as exceptions of `stargate.errors`.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use stargate_core::{Error, ErrorKind};

/// The function that makes an exception; the classes are Python's, so that they are typed, documented and picklable.
fn maker(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    MAKE.get_or_try_init(py, || Ok(py.import("stargate.errors")?.getattr("_make")?.unbind()))
        .map(|maker| maker.bind(py))
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
    let made = maker(py).and_then(|make| make.call1(arguments));
    match made {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}

/// The exception for an error.
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

/// The exception for an argument that is not acceptable.
pub(crate) fn invalid(py: Python<'_>, text: &str) -> PyErr {
    make(py, ErrorKind::InvalidArgument, text, None, None, None, false)
}

/// The exception for a wait that was given a limit.
pub(crate) fn timeout(py: Python<'_>, operation: &str, topic: &str, limit: Option<Duration>) -> PyErr {
    let text = format!("{operation} {topic}: not done within {} s", limit.unwrap_or_default().as_secs_f64());
    make(py, ErrorKind::Timeout, &text, Some(topic), None, None, true)
}
