//! What Python gives, as what the core takes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyException, PyTypeError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyString, PyTuple};
use stargate_core::{Error, ErrorKind, Options, OutgoingMessage, Result};

use crate::errors::exception;
use crate::events::Events;

/// What goes with a payload: key, properties, event_time and deliver_at in milliseconds since 1970, deliver_after in
/// milliseconds, replication clusters.
pub(crate) type Extras =
    (Option<String>, Option<BTreeMap<String, String>>, Option<i64>, Option<i64>, Option<u64>, Option<Vec<String>>);

/// A message to send. What the caller may change afterwards is copied; large `bytes`, which nobody can change, are
/// kept.
pub(crate) fn outgoing(payload: &Bound<'_, PyAny>, extras: Option<Extras>) -> PyResult<OutgoingMessage> {
    let mut message = OutgoingMessage::new(bytes_of(payload)?);
    let Some((key, properties, event_time, deliver_at, deliver_after, clusters)) = extras else {
        return Ok(message);
    };
    if let Some(key) = key {
        message = message.key(key);
    }
    for (name, value) in properties.into_iter().flatten() {
        message = message.property(name, value);
    }
    if let Some(millis) = event_time {
        message = message.event_time_ms(millis);
    }
    if let Some(millis) = deliver_at {
        message = message.deliver_at_ms(millis);
    }
    if let Some(millis) = deliver_after {
        message = message.deliver_after(Duration::from_millis(millis));
    }
    if let Some(clusters) = clusters {
        message = message.replication_clusters(clusters);
    }
    Ok(message)
}

/// Returns one of many messages to send, from a payload or a tuple of a payload and its extras.
pub(crate) fn outgoing_item(item: &Bound<'_, PyAny>) -> PyResult<OutgoingMessage> {
    match item.cast::<PyTuple>() {
        Ok(tuple) => outgoing(&tuple.get_item(0)?, Some(tuple.get_item(1)?.extract()?)),
        Err(_) => outgoing(item, None),
    }
}

/// As `outgoing_item`, but what is wrong with the item is an error of its own. Only what is no `Exception`, as Ctrl-C, is
/// raised.
pub(crate) fn outgoing_or_error(item: &Bound<'_, PyAny>) -> PyResult<Result<OutgoingMessage>> {
    match outgoing_item(item) {
        Err(error) if error.is_instance_of::<PyException>(item.py()) => {
            let why = error.value(item.py()).to_string();
            Ok(Err(Error::new(ErrorKind::InvalidArgument, why)))
        }
        outcome => outcome.map(Ok),
    }
}

/// Copying less than this costs less than keeping the object.
const LARGE: usize = 4 * 1024;

pub(crate) fn bytes_of(payload: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    if let Ok(bytes) = payload.cast::<PyBytes>() {
        return Ok(match bytes.as_bytes() {
            content if content.len() < LARGE => Bytes::copy_from_slice(content),
            _ => Bytes::from_owner(PyBackedBytes::from(bytes.clone())),
        });
    }
    if let Ok(text) = payload.cast::<PyString>() {
        return Ok(text.to_cow()?.into_owned().into_bytes().into());
    }
    let name = || payload.get_type().name().map_or_else(|_| "something else".into(), |name| name.to_string());
    let buffer = PyBuffer::<u8>::get(payload).map_err(|_| {
        PyTypeError::new_err(format!("a payload is bytes, bytearray, a memoryview of bytes, or str; got {}", name()))
    })?;
    Ok(buffer.to_vec(payload.py())?.into())
}

/// Options from checked pairs of key and text, and from the functions of the application.
pub(crate) fn options(
    py: Python<'_>,
    pairs: Vec<(String, String)>,
    on_state: Option<(Py<Events>, Py<PyAny>)>,
) -> PyResult<Options> {
    let mut options = Options::new();
    for (key, value) in pairs {
        options.set(&key, &value).map_err(|error| exception(py, &error))?;
    }
    if let Some((events, listener)) = on_state {
        let (queue, listener) = (events.get().queue(), Arc::new(listener));
        options = options.on_state(move |change| queue.state_changed(listener.clone(), change.clone()));
    }
    Ok(options)
}
