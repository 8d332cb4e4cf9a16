//! The client.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use stargate_core::{self as core, Topics};

use crate::convert::options;
use crate::errors::exception;
use crate::events::Events;
use crate::held::Held;
use crate::producer::Producer;
use crate::receiver::{Consumer, Reader};
use crate::wait::{close_limit, wait};

/// How long a connection waits for Python to give a token.
const TOKEN_LIMIT: Duration = Duration::from_secs(60);

type Pairs = Vec<(String, String)>;
type Listener = Option<(Py<Events>, Py<PyAny>)>;

/// The way to a Pulsar cluster.
#[pyclass(frozen, module = "stargate._native")]
pub(crate) struct Client {
    inner: Held<core::Client>,
}

#[pymethods]
impl Client {
    /// `events` gets the log records; `on_state` and `token_supplier` are pairs of a queue and a function.
    #[new]
    fn new(
        py: Python<'_>,
        url: &str,
        pairs: Pairs,
        events: &Bound<'_, Events>,
        on_state: Listener,
        token_supplier: Listener,
    ) -> PyResult<Client> {
        let log = events.get().queue();
        let mut options = options(py, pairs, on_state)?.log_sink(Shared(log));
        if let Some((tokens, supplier)) = token_supplier {
            let (queue, supplier) = (tokens.get().queue(), Arc::new(supplier));
            options = options.token_supplier(move || queue.token(supplier.clone(), TOKEN_LIMIT));
        }
        let made = py.detach(|| core::Client::new(url, options));
        made.map(|client| Client { inner: Held::new(client) }).map_err(|error| exception(py, &error))
    }

    /// The URL, without anything secret.
    fn url(&self) -> String {
        self.inner.url().to_string()
    }

    /// Opens a producer.
    fn producer(&self, py: Python<'_>, topic: &str, pairs: Pairs, on_state: Listener) -> PyResult<Producer> {
        let options = options(py, pairs, on_state)?;
        wait(py, self.inner.producer(topic, options)).map(Producer::new)
    }

    /// Opens a consumer of topics: one, several, or with `pattern` all that match it.
    fn consumer(
        &self,
        py: Python<'_>,
        topics: Vec<String>,
        pattern: bool,
        subscription: &str,
        pairs: Pairs,
        on_state: Listener,
    ) -> PyResult<Consumer> {
        let options = options(py, pairs, on_state)?;
        let opened = match (&topics[..], pattern) {
            ([topic], true) => wait(py, self.inner.consumer_of(Topics::Pattern(topic.clone()), subscription, options)),
            ([topic], false) => wait(py, self.inner.consumer(topic, subscription, options)),
            _ => {
                let parsed: core::Result<Vec<_>> = topics.iter().map(|topic| topic.parse()).collect();
                let topics = parsed.map_err(|error| exception(py, &error))?;
                wait(py, self.inner.consumer_of(Topics::Several(topics), subscription, options))
            }
        };
        opened.map(Consumer::new)
    }

    /// Opens a reader.
    fn reader(&self, py: Python<'_>, topic: &str, pairs: Pairs, on_state: Listener) -> PyResult<Reader> {
        let options = options(py, pairs, on_state)?;
        wait(py, self.inner.reader(topic, options)).map(Reader::new)
    }

    /// Closes everything that was opened through it.
    fn close(&self, py: Python<'_>, timeout: f64) -> PyResult<()> {
        let timeout = close_limit(py, timeout)?;
        wait(py, self.inner.close(timeout))
    }
}

/// A queue as a sink of log records.
struct Shared(Arc<crate::events::Queue>);

impl core::LogSink for Shared {
    fn log(&self, level: core::Level, target: &str, text: &str) {
        self.0.log(level, target, text);
    }
}
