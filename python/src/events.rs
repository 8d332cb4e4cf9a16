//! The queue between the library's threads and Python: what Python has to hear of, in batches.
//!
//! A thread of the library pushes and, when nobody was woken yet, wakes; it never touches the interpreter. A thread
//! that Python made takes whatever has gathered, in one crossing.

use std::collections::BTreeMap;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use stargate_core::{CryptoKeyReader, EncryptionKeyInfo, ForkSafe, Level, LogSink, StateChange};

use crate::errors::exception;
use crate::greenlets;

/// How long a producer or consumer waits for Python to give a key.
const KEY_LIMIT: Duration = Duration::from_secs(60);
/// Log records that are kept for a Python that does not come for them.
const MAX_LOG_RECORDS: usize = 1000;

/// The value of an operation that is done; it is made Python's when Python takes it.
pub(crate) trait Finished: Send {
    /// Returns the value, or the exception.
    fn into_python(self: Box<Self>, py: Python<'_>) -> PyResult<Py<PyAny>>;

    /// Nobody waits for it any more.
    fn discard(self: Box<Self>) {}
}

/// The value of [`Events::mark`].
struct Mark;

impl Finished for Mark {
    fn into_python(self: Box<Self>, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(py.None())
    }
}

/// One thing that Python has to hear of.
enum Event {
    /// An operation is done, and somebody holds a future of it.
    Done {
        future: Arc<Py<PyAny>>,
        value: Box<dyn Finished>,
    },
    Log {
        level: Level,
        target: String,
        text: String,
    },
    State {
        listener: Arc<Py<PyAny>>,
        change: StateChange,
    },
    /// A connection needs a token, and waits for it.
    Token {
        supplier: Arc<Py<PyAny>>,
        name: &'static str,
        answer: mpsc::Sender<std::result::Result<String, String>>,
    },
    /// A producer or consumer needs a key, and waits for it.
    Key {
        reader: Arc<Py<PyAny>>,
        request: KeyRequest,
        answer: mpsc::Sender<KeyAnswered>,
    },
}

/// What a key reader of Python is asked for.
pub(crate) struct KeyRequest {
    name: String,
    /// `None` for the public key.
    metadata: Option<BTreeMap<String, String>>,
}

type KeyAnswered = std::result::Result<EncryptionKeyInfo, String>;

pub(crate) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
    /// For an event loop, which waits for a byte here instead. It lives as long as anybody may still write to it.
    pipe: Option<(PipeReader, PipeWriter)>,
}

#[derive(Default)]
struct State {
    events: Vec<Event>,
    log_records: usize,
    log_records_lost: u64,
    closed: bool,
}

impl Queue {
    /// Nothing of Python runs under the lock, so a poisoned one is as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, event: Event) {
        let mut state = self.state();
        if state.closed {
            // Dropped outside of the lock: a reference to a Python object may be in it.
            drop(state);
            return;
        }
        if matches!(event, Event::Log { .. }) {
            if state.log_records == MAX_LOG_RECORDS {
                state.log_records_lost += 1;
                return;
            }
            state.log_records += 1;
        }
        state.events.push(event);
        let first = state.events.len() == 1;
        drop(state);
        if first {
            self.wake();
        }
    }

    fn wake(&self) {
        self.arrived.notify_all();
        if let Some((_, writer)) = &self.pipe {
            // One byte for each time that the queue was empty, so the pipe cannot be full.
            let _ = (&*writer).write(&[0]);
        }
    }

    /// Waits until there is something, or no more comes, or the time in seconds is over.
    fn waited(&self, timeout: f64) -> MutexGuard<'_, State> {
        let deadline = Instant::now() + Duration::try_from_secs_f64(timeout).unwrap_or_default();
        let mut state = self.state();
        while state.events.is_empty() && !state.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.arrived.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    /// Queues the end of an operation.
    pub(crate) fn done(&self, future: Arc<Py<PyAny>>, value: Box<dyn Finished>) {
        self.push(Event::Done { future, value });
    }

    pub(crate) fn state_changed(&self, listener: Arc<Py<PyAny>>, change: StateChange) {
        self.push(Event::State { listener, change });
    }

    /// Has Python ask `supplier` for a text, such as a token, and waits for the answer. `name` is what the log calls
    /// it.
    pub(crate) fn token(
        &self,
        supplier: Arc<Py<PyAny>>,
        name: &'static str,
        limit: Duration,
    ) -> std::result::Result<String, Box<dyn std::error::Error + Send + Sync>> {
        let (answer, answered) = mpsc::channel();
        self.push(Event::Token { supplier, name, answer });
        match answered.recv_timeout(limit) {
            Ok(token) => token.map_err(Into::into),
            Err(_) => Err("it gave no answer".into()),
        }
    }
}

/// A key reader of the application, asked through a queue.
pub(crate) struct KeyReader {
    queue: Arc<Queue>,
    reader: Arc<Py<PyAny>>,
}

impl KeyReader {
    pub(crate) fn new(queue: Arc<Queue>, reader: Py<PyAny>) -> KeyReader {
        KeyReader { queue, reader: Arc::new(reader) }
    }

    fn ask(
        &self,
        request: KeyRequest,
    ) -> std::result::Result<EncryptionKeyInfo, Box<dyn std::error::Error + Send + Sync>> {
        let (answer, answered) = mpsc::channel();
        self.queue.push(Event::Key { reader: self.reader.clone(), request, answer });
        match answered.recv_timeout(KEY_LIMIT) {
            Ok(key) => key.map_err(Into::into),
            Err(_) => Err("the key reader gave no answer".into()),
        }
    }
}

impl CryptoKeyReader for KeyReader {
    fn public_key(
        &self,
        name: &str,
    ) -> std::result::Result<EncryptionKeyInfo, Box<dyn std::error::Error + Send + Sync>> {
        self.ask(KeyRequest { name: name.to_owned(), metadata: None })
    }

    fn private_key(
        &self,
        name: &str,
        metadata: &BTreeMap<String, String>,
    ) -> std::result::Result<EncryptionKeyInfo, Box<dyn std::error::Error + Send + Sync>> {
        self.ask(KeyRequest { name: name.to_owned(), metadata: Some(metadata.clone()) })
    }
}

impl LogSink for Queue {
    fn log(&self, level: Level, target: &str, text: &str) {
        self.push(Event::Log { level, target: target.to_owned(), text: text.to_owned() });
    }
}

/// A queue of things that Python has to hear of; see `stargate._events`.
#[pyclass(frozen, module = "stargate._native")]
pub(crate) struct Events {
    queue: ForkSafe<Arc<Queue>>,
}

impl Events {
    pub(crate) fn queue(&self) -> Arc<Queue> {
        Arc::clone(&self.queue)
    }

    /// Where threads are greenlets, waits here until something has happened, so that nothing is left to wait for.
    fn wait_as_greenlet(&self, py: Python<'_>, timeout: f64) -> PyResult<f64> {
        let Some((reader, _)) = self.queue.pipe.as_ref().filter(|_| greenlets::are_used()) else { return Ok(timeout) };
        let limit = Duration::try_from_secs_f64(timeout).unwrap_or_default();
        if greenlets::readable(py, reader.as_raw_fd(), limit)? {
            let mut reader: &PipeReader = reader;
            let _ = reader.read(&mut [0; 64]);
        }
        Ok(0.0)
    }
}

#[pymethods]
impl Events {
    /// With `pipe`, an event loop can wait for it through `fileno`.
    #[new]
    #[pyo3(signature = (pipe = false))]
    fn new(pipe: bool) -> PyResult<Events> {
        let pipe = if pipe { Some(std::io::pipe()?) } else { None };
        let queue = Queue { state: Mutex::default(), arrived: Condvar::new(), pipe };
        Ok(Events { queue: ForkSafe::new(Arc::new(queue)) })
    }

    /// Returns the descriptor that is readable while events are queued; -1 without a pipe.
    fn fileno(&self) -> i32 {
        self.queue.pipe.as_ref().map_or(-1, |(reader, _)| reader.as_raw_fd())
    }

    /// Takes what has happened, in the thread of the event loop; `readable` says that `fileno` is.
    fn drain<'py>(&self, py: Python<'py>, readable: bool) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        if !self.queue.is_ours() {
            return Ok(Vec::new());
        }
        let queue = self.queue();
        let (events, lost) = py.detach(|| {
            if let Some((reader, _)) = queue.pipe.as_ref().filter(|_| readable) {
                // More bytes than one are wake-ups that came too late to be needed.
                let _ = (&*reader).read(&mut [0; 64]);
            }
            take(queue.state())
        });
        tell(py, events, lost)
    }

    /// Waits until something has happened, for `timeout` seconds, and takes nothing; false after `close`.
    fn ready(&self, py: Python<'_>, timeout: f64) -> bool {
        let queue = self.queue();
        py.detach(|| !queue.waited(timeout).closed)
    }

    /// Waits until something has happened, for `timeout` seconds, and gives all of it as tuples: `("done", future,
    /// value, exception)`, `("log", level, target, text)`, `("state", listener, change, exception)`, `("token",
    /// supplier, answer, None)`, `("key", reader, answer, (name, metadata))`. `None` after `close`, when nothing is
    /// left.
    fn wait<'py>(&self, py: Python<'py>, timeout: f64) -> PyResult<Option<Vec<Bound<'py, PyTuple>>>> {
        let queue = self.queue();
        let timeout = self.wait_as_greenlet(py, timeout)?;
        let taken = py.detach(|| {
            let state = queue.waited(timeout);
            (!state.closed || !state.events.is_empty()).then(|| take(state))
        });
        taken.map(|(events, lost)| tell(py, events, lost)).transpose()
    }

    /// Completes `future` once everything in the queue now has been reported.
    fn mark(&self, py: Python<'_>, future: Py<PyAny>) {
        if self.queue.is_ours() {
            let queue = self.queue();
            py.detach(|| queue.done(Arc::new(future), Box::new(Mark)));
        }
    }

    /// Takes in nothing more, and ends the waits.
    fn close(&self, py: Python<'_>) {
        if !self.queue.is_ours() {
            return;
        }
        let queue = self.queue();
        py.detach(|| {
            queue.state().closed = true;
            queue.wake();
        });
    }
}

fn take(mut state: MutexGuard<'_, State>) -> (Vec<Event>, u64) {
    state.log_records = 0;
    let lost = std::mem::take(&mut state.log_records_lost);
    (std::mem::take(&mut state.events), lost)
}

fn tell<'py>(py: Python<'py>, events: Vec<Event>, lost: u64) -> PyResult<Vec<Bound<'py, PyTuple>>> {
    let mut told = Vec::with_capacity(events.len());
    for event in events {
        told.push(match event {
            Event::Done { future, value } => {
                // A future that was cancelled wants no value; what it would have got must not be lost.
                if future.call_method0(py, "done")?.is_truthy(py)? {
                    value.discard();
                    continue;
                }
                let (value, error) = match value.into_python(py) {
                    Ok(value) => (Some(value), None),
                    Err(error) => (None, Some(error)),
                };
                ("done", future.clone_ref(py), value, error).into_pyobject(py)?
            }
            Event::Log { level, target, text } => ("log", level as i32, target, text).into_pyobject(py)?,
            Event::State { listener, change } => {
                let error = change.error.as_ref().map(|error| exception(py, error));
                let retry_in = change.retry_in.map(|delay| delay.as_secs_f64());
                let parts = (
                    change.state.name(),
                    change.topic.to_string(),
                    change.host,
                    change.session,
                    error,
                    retry_in,
                    change.proxy,
                );
                ("state", listener.clone_ref(py), parts, py.None()).into_pyobject(py)?
            }
            Event::Token { supplier, name, answer } => {
                ("token", supplier.clone_ref(py), TokenAnswer { answer }, name).into_pyobject(py)?
            }
            Event::Key { reader, request, answer } => {
                let wanted = (request.name, request.metadata);
                ("key", reader.clone_ref(py), KeyAnswer { answer }, wanted).into_pyobject(py)?
            }
        });
    }
    if lost > 0 {
        let text = format!("{lost} log records were lost: they came faster than Python took them");
        told.push(("log", Level::Warn as i32, "client", text).into_pyobject(py)?);
    }
    Ok(told)
}

/// Where the answer of a key reader goes.
#[pyclass(frozen, module = "stargate._native")]
pub(crate) struct KeyAnswer {
    answer: mpsc::Sender<KeyAnswered>,
}

#[pymethods]
impl KeyAnswer {
    /// Returns the key in PEM and its metadata, or why there is none.
    #[pyo3(signature = (key, metadata, error = None))]
    fn give(&self, key: Option<Vec<u8>>, metadata: BTreeMap<String, String>, error: Option<String>) {
        let key = key.ok_or_else(|| error.unwrap_or_else(|| "the key reader gave no key".into()));
        let info = |key| {
            metadata
                .into_iter()
                .fold(EncryptionKeyInfo::new(key), |info, (name, value)| info.with_metadata(name, value))
        };
        // A producer or consumer that gave up does not wait any more.
        let _ = self.answer.send(key.map(info));
    }
}

/// Where the answer of a token supplier goes.
#[pyclass(frozen, module = "stargate._native")]
pub(crate) struct TokenAnswer {
    answer: mpsc::Sender<std::result::Result<String, String>>,
}

#[pymethods]
impl TokenAnswer {
    /// Returns the token, or why there is none.
    #[pyo3(signature = (token, error = None))]
    fn give(&self, token: Option<String>, error: Option<String>) {
        let answer = token.ok_or_else(|| error.unwrap_or_else(|| "it gave no token".into()));
        // A connection that gave up does not wait any more.
        let _ = self.answer.send(answer);
    }
}
