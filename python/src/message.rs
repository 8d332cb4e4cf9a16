//! Messages and their ids as Python objects.

use std::ffi::c_int;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::OnceLock;
use std::time::SystemTime;

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};
use stargate_core::{self as core, ForkSafe};

use crate::errors::exception;

/// The bytes of the two positions that no message has, as the other Pulsar clients write them.
const EARLIEST: (u64, u64) = (u64::MAX, u64::MAX);
const LATEST: (u64, u64) = (i64::MAX as u64, i64::MAX as u64);

/// Declared in their order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Position {
    Earliest,
    At(core::MessageId),
    Latest,
}

/// The position of a message in its topic: ordered, hashable and picklable.
///
/// `MessageId.earliest` and `MessageId.latest` are the positions before the first and after the last message.
///
/// Examples:
///     >>> first, second = producer.send_many([b"a", b"b"])
///     >>> first < second < stargate.MessageId.latest
///     True
///     >>> kept = first.to_bytes()
///     >>> stargate.MessageId.from_bytes(kept) == stargate.MessageId.from_base64(first.to_base64()) == first
///     True
#[pyclass(frozen, module = "stargate")]
#[derive(Clone)]
pub(crate) struct MessageId {
    position: Position,
}

impl MessageId {
    pub(crate) fn new(id: core::MessageId) -> MessageId {
        MessageId { position: Position::At(id) }
    }

    /// Returns the id of a message, to acknowledge it; the ends of a topic are refused.
    pub(crate) fn of_message(&self) -> Option<&core::MessageId> {
        match &self.position {
            Position::At(id) => Some(id),
            _ => None,
        }
    }

    fn of_end((ledger, entry): (u64, u64)) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (tag, mut value) in [(0x08, ledger), (0x10, entry)] {
            bytes.push(tag);
            while value >= 0x80 {
                bytes.push(value as u8 | 0x80);
                value >>= 7;
            }
            bytes.push(value as u8);
        }
        bytes
    }

    fn bytes(&self) -> Vec<u8> {
        match &self.position {
            Position::Earliest => MessageId::of_end(EARLIEST),
            Position::At(id) => id.to_bytes(),
            Position::Latest => MessageId::of_end(LATEST),
        }
    }
}

#[pymethods]
impl MessageId {
    /// The position before the first message that is still stored.
    #[classattr]
    fn earliest() -> MessageId {
        MessageId { position: Position::Earliest }
    }

    /// The position after the last message.
    #[classattr]
    fn latest() -> MessageId {
        MessageId { position: Position::Latest }
    }

    /// Returns the id from what `to_bytes` wrote, or another Pulsar client's `serialize`.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, data: &[u8]) -> PyResult<MessageId> {
        let id = core::MessageId::from_bytes(data).map_err(|error| exception(py, &error))?;
        let position = match (id.ledger(), id.entry()) {
            EARLIEST => Position::Earliest,
            LATEST => Position::Latest,
            _ => Position::At(id),
        };
        Ok(MessageId { position })
    }

    /// Returns the id from what `to_base64` wrote.
    #[staticmethod]
    fn from_base64(py: Python<'_>, text: &str) -> PyResult<MessageId> {
        let id: core::MessageId = text.parse().map_err(|error| exception(py, &error))?;
        MessageId::from_bytes(py, &id.to_bytes())
    }

    /// Returns the id as bytes: `MessageIdData` of Pulsar's protocol.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.bytes())
    }

    /// Returns the id as text: the base64 of its bytes.
    fn to_base64(&self, py: Python<'_>) -> PyResult<String> {
        match &self.position {
            Position::At(id) => Ok(id.as_str().to_owned()),
            _ => {
                let id = core::MessageId::from_bytes(&self.bytes()).map_err(|error| exception(py, &error))?;
                Ok(id.as_str().to_owned())
            }
        }
    }

    /// What the option `starting_message` takes.
    fn _starting(&self) -> String {
        match &self.position {
            Position::Earliest => "earliest".into(),
            Position::At(id) => id.as_str().to_owned(),
            Position::Latest => "latest".into(),
        }
    }

    /// The ledger that holds the message; -1 where there is none.
    #[getter]
    fn ledger(&self) -> i64 {
        self.of_message().map_or(-1, |id| id.ledger() as i64)
    }

    /// The entry in the ledger; -1 where there is none.
    #[getter]
    fn entry(&self) -> i64 {
        self.of_message().map_or(-1, |id| id.entry() as i64)
    }

    /// The partition, or `None` for a topic without partitions.
    #[getter]
    fn partition(&self) -> Option<u32> {
        self.of_message()?.partition()
    }

    /// The place in its batch, or `None` for a message that was not batched.
    #[getter]
    fn batch_index(&self) -> Option<u32> {
        self.of_message()?.batch_index()
    }

    /// Whether the broker had the message already, because it was sent twice; it then tells no position. Only
    /// where the namespace has deduplication enabled.
    #[getter]
    fn is_duplicate(&self) -> bool {
        self.of_message().is_some_and(|id| (id.ledger(), id.entry()) == EARLIEST)
    }

    fn __richcmp__(&self, other: &Bound<'_, PyAny>, op: pyo3::basic::CompareOp) -> PyResult<Py<PyAny>> {
        let py = other.py();
        match other.cast::<MessageId>() {
            Ok(other) => {
                let answer = op.matches(self.position.cmp(&other.get().position));
                Ok(answer.into_pyobject(py)?.to_owned().into_any().unbind())
            }
            Err(_) => Ok(py.NotImplemented()),
        }
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.position.hash(&mut hasher);
        hasher.finish()
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.to_bytes(py)
    }

    fn __str__(&self) -> String {
        match &self.position {
            Position::Earliest => "earliest".into(),
            Position::At(id) => id.to_string(),
            Position::Latest => "latest".into(),
        }
    }

    fn __repr__(&self) -> String {
        match &self.position {
            Position::At(id) => format!("MessageId({id})"),
            _ => format!("MessageId.{}", self.__str__()),
        }
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let py = slf.py();
        let read = slf.getattr("from_bytes")?;
        Ok((read, PyTuple::new(py, [slf.get().to_bytes(py)])?))
    }
}

/// A message received by a consumer or a reader.
///
/// Examples:
///     >>> message_id = producer.send(b"one pizza", key="anna", properties={"size": "l"})
///     >>> message = consumer.receive(timeout=5)
///     >>> message.data, message.key, message.properties
///     (b'one pizza', 'anna', {'size': 'l'})
///     >>> message.id == message_id
///     True
#[pyclass(frozen, module = "stargate")]
pub(crate) struct Message {
    pub(crate) inner: ForkSafe<core::Message>,
    /// Made at the first look: who acknowledges unread does not pay for it.
    data: OnceLock<Py<PyBytes>>,
}

impl Message {
    pub(crate) fn new(message: core::Message) -> Message {
        Message { inner: ForkSafe::new(message), data: OnceLock::new() }
    }

    pub(crate) fn list(py: Python<'_>, messages: Vec<core::Message>) -> PyResult<Vec<Py<Message>>> {
        messages.into_iter().map(|message| Py::new(py, Message::new(message))).collect()
    }
}

#[pymethods]
impl Message {
    /// The content.
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> &Bound<'py, PyBytes> {
        if self.data.get().is_none() {
            // Made outside of the cell: nothing that could let another thread run, and fork, happens while it is being
            // set.
            let made = PyBytes::new(py, self.inner.payload()).unbind();
            let _ = self.data.set(made);
        }
        self.data.wait().bind(py)
    }

    /// Its position in the topic.
    #[getter]
    fn id(&self) -> MessageId {
        MessageId::new(self.inner.id().clone())
    }

    /// The full name of the topic that was subscribed to or read. For a consumer of several topics or a pattern the
    /// server does not tell which of them it was, and this is the first topic, or the pattern.
    #[getter]
    fn topic(&self) -> String {
        self.inner.topic().to_string()
    }

    /// The key, or `None`.
    #[getter]
    fn key(&self) -> Option<&str> {
        self.inner.key()
    }

    /// The application's properties, in a dict of the caller's own.
    #[getter]
    fn properties<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let properties = PyDict::new(py);
        for (name, value) in self.inner.properties() {
            properties.set_item(name, value)?;
        }
        Ok(properties)
    }

    /// When the broker stored it: an aware `datetime` in UTC.
    #[getter]
    fn publish_time(&self) -> Option<SystemTime> {
        self.inner.publish_time()
    }

    /// The time that the application gave it, or `None`: an aware `datetime` in UTC.
    #[getter]
    fn event_time(&self) -> Option<SystemTime> {
        self.inner.event_time()
    }

    /// How often it was delivered before. The broker counts on shared and key_shared subscriptions only.
    #[getter]
    fn redelivery_count(&self) -> u32 {
        self.inner.redelivery_count()
    }

    /// How often the application has had it again from the retry letter topic.
    #[getter]
    fn reconsume_times(&self) -> u32 {
        self.inner.reconsume_times()
    }

    /// How the payload was encrypted, as the server's JSON, for a message that came encrypted and where the server
    /// hands it on: to consumers with a key of their own, or with `crypto_failure_action="consume"`.
    #[getter]
    fn encryption_context(&self) -> Option<&str> {
        self.inner.encryption_context()
    }

    /// Whether the payload is still encrypted. Only `crypto_failure_action="consume"` lets such messages through.
    #[getter]
    fn is_encrypted(&self) -> bool {
        self.inner.is_encrypted()
    }

    fn __len__(&self) -> usize {
        self.inner.payload().len()
    }

    /// Returns the content without a copy, for `memoryview(message)` and all that take a buffer.
    ///
    /// # Safety
    /// Called by the interpreter, with a view to fill.
    unsafe fn __getbuffer__(message: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let payload = message.get().inner.payload();
        // SAFETY: the view keeps the message, which keeps its payload where it is and never changes it.
        let filled = unsafe {
            ffi::PyBuffer_FillInfo(
                view,
                message.as_ptr(),
                payload.as_ptr().cast_mut().cast(),
                payload.len().cast_signed(),
                1,
                flags,
            )
        };
        if filled == 0 { Ok(()) } else { Err(PyErr::fetch(message.py())) }
    }

    /// Returns true, for an empty message too.
    fn __bool__(&self) -> bool {
        true
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let key = self.inner.key().map(|key| PyString::new(py, key).repr().map(|key| format!(" key={key}")));
        let key = key.transpose()?.unwrap_or_default();
        let topic = self.inner.topic();
        Ok(format!("<Message {} of {topic}:{key} {} bytes>", self.inner.id(), self.inner.payload().len()))
    }

    /// Refuses to pickle: a message belongs to its connection, so only its parts can leave the process.
    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("a Message cannot be pickled; pickle its data, key, properties and id"))
    }
}
