//! The client.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use stargate_core::{self as core, ForkSafe, TopicName, Topics};

use crate::admin;
use crate::convert::options;
use crate::errors::exception;
use crate::events::{Events, KeyReader};
use crate::operation::{Operation, Waiter, made, value};
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
    inner: ForkSafe<core::Client>,
}

#[pymethods]
impl Client {
    /// `events` gets the log records; `on_state`, `token_supplier` and `headers_supplier` are pairs of a queue and a function.
    #[new]
    fn new(
        py: Python<'_>,
        url: &str,
        pairs: Pairs,
        events: &Bound<'_, Events>,
        on_state: Listener,
        token_supplier: Listener,
        headers_supplier: Listener,
    ) -> PyResult<Client> {
        let log = events.get().queue();
        let mut options = options(py, pairs, on_state)?.log_sink(Shared(log));
        if let Some((tokens, supplier)) = token_supplier {
            let (queue, supplier) = (tokens.get().queue(), Arc::new(supplier));
            options = options.token_supplier(move || queue.token(supplier.clone(), "the token supplier", TOKEN_LIMIT));
        }
        if let Some((tokens, supplier)) = headers_supplier {
            let (queue, supplier) = (tokens.get().queue(), Arc::new(supplier));
            options = options.headers_supplier(move || {
                let lines = queue.token(supplier.clone(), "the headers supplier", TOKEN_LIMIT)?;
                let pair = |line: &str| {
                    let (name, value) = line.split_once(':').unwrap_or((line, ""));
                    (name.to_owned(), value.to_owned())
                };
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(lines.split('\n').map(pair).collect())
            });
        }
        let made = py.detach(|| core::Client::new(url, options));
        made.map(|client| Client { inner: ForkSafe::new(client) }).map_err(|error| exception(py, &error))
    }

    /// Returns the URL, without secrets.
    fn url(&self) -> String {
        self.inner.url().to_string()
    }

    /// Returns the proxy of its WebSockets, without secrets.
    fn proxy(&self) -> Option<String> {
        self.inner.proxy()
    }

    /// Returns the counters of everything that it opened, as JSON.
    fn stats(&self) -> String {
        self.inner.stats().to_json()
    }

    /// Opens a producer.
    fn producer(
        &self,
        py: Python<'_>,
        topic: &str,
        pairs: Pairs,
        on_state: Listener,
        keys: Listener,
    ) -> PyResult<Producer> {
        let options = with_keys(options(py, pairs, on_state)?, keys);
        wait(py, self.inner.producer(topic, options)).map(|producer| Producer::new(&self.inner, producer))
    }

    /// Opens a consumer of topics: one, several, or with `pattern` all that match it.
    #[allow(clippy::too_many_arguments)] // each is one of Python's
    fn consumer(
        &self,
        py: Python<'_>,
        topics: Vec<String>,
        pattern: bool,
        subscription: &str,
        pairs: Pairs,
        on_state: Listener,
        keys: Listener,
    ) -> PyResult<Consumer> {
        let options = with_keys(options(py, pairs, on_state)?, keys);
        let topics = topics_of(py, topics, pattern)?;
        let opened = wait(py, self.inner.consumer_of(topics, subscription, options));
        opened.map(|consumer| Consumer::new(&self.inner, consumer))
    }

    /// Opens a reader.
    fn reader(&self, py: Python<'_>, topic: &str, pairs: Pairs, on_state: Listener) -> PyResult<Reader> {
        let options = options(py, pairs, on_state)?;
        wait(py, self.inner.reader(topic, options)).map(|reader| Reader::new(&self.inner, reader))
    }

    /// As `producer`, for an event loop.
    fn producer_async(
        &self,
        py: Python<'_>,
        topic: String,
        pairs: Pairs,
        on_state: Listener,
        keys: Listener,
        waiter: Waiter,
    ) -> PyResult<Operation> {
        let options = with_keys(options(py, pairs, on_state)?, keys);
        let client = self.inner.clone();
        waiter.start(py, &self.inner, async move {
            let opened = client.producer(topic, options).await;
            value(opened, move |py, producer| made(py, Producer::new(&client, producer)))
        })
    }

    /// As `consumer`, for an event loop.
    #[allow(clippy::too_many_arguments)] // those of `consumer`, and the waiter
    fn consumer_async(
        &self,
        py: Python<'_>,
        topics: Vec<String>,
        pattern: bool,
        subscription: String,
        pairs: Pairs,
        on_state: Listener,
        keys: Listener,
        waiter: Waiter,
    ) -> PyResult<Operation> {
        let options = with_keys(options(py, pairs, on_state)?, keys);
        let topics = topics_of(py, topics, pattern)?;
        let client = self.inner.clone();
        waiter.start(py, &self.inner, async move {
            let opened = client.consumer_of(topics, subscription, options).await;
            value(opened, move |py, consumer| made(py, Consumer::new(&client, consumer)))
        })
    }

    /// As `reader`, for an event loop.
    fn reader_async(
        &self,
        py: Python<'_>,
        topic: String,
        pairs: Pairs,
        on_state: Listener,
        waiter: Waiter,
    ) -> PyResult<Operation> {
        let options = options(py, pairs, on_state)?;
        let client = self.inner.clone();
        waiter.start(py, &self.inner, async move {
            let opened = client.reader(topic, options).await;
            value(opened, move |py, reader| made(py, Reader::new(&client, reader)))
        })
    }

    /// An operation of the REST API, with its arguments as texts; what it gives is for `stargate.admin` to read.
    fn admin(&self, py: Python<'_>, operation: String, arguments: Vec<Option<String>>) -> PyResult<Py<PyAny>> {
        wait(py, admin::perform(self.inner.admin(), operation, arguments))?.into_python(py)
    }

    /// As `admin`, for an event loop.
    fn admin_async(
        &self,
        py: Python<'_>,
        operation: String,
        arguments: Vec<Option<String>>,
        waiter: Waiter,
    ) -> PyResult<Operation> {
        let performed = admin::perform(self.inner.admin(), operation, arguments);
        waiter.value(py, &self.inner, performed, |py, reply| reply.into_python(py))
    }

    /// Closes everything that was opened through it.
    fn close(&self, py: Python<'_>, timeout: f64) -> PyResult<()> {
        let timeout = close_limit(py, timeout)?;
        wait(py, self.inner.close(timeout))
    }

    /// As `close`, for an event loop.
    fn close_async(&self, py: Python<'_>, timeout: f64, waiter: Waiter) -> PyResult<Operation> {
        let (client, timeout) = (self.inner.clone(), close_limit(py, timeout)?);
        waiter.nothing(py, &self.inner, async move { client.close(timeout).await })
    }
}

/// With the application's key reader, if it has one.
fn with_keys(options: core::Options, keys: Listener) -> core::Options {
    match keys {
        Some((events, reader)) => options.crypto_key_reader(KeyReader::new(events.get().queue(), reader)),
        None => options,
    }
}

/// Returns what a consumer subscribes to.
fn topics_of(py: Python<'_>, topics: Vec<String>, pattern: bool) -> PyResult<Topics> {
    let parse =
        |topic: &String| topic.parse().map_err(|error: core::Error| exception(py, &error.during("open consumer")));
    match &topics[..] {
        [topic] if pattern => Ok(Topics::Pattern(topic.clone())),
        [topic] => parse(topic).map(Topics::One),
        _ => topics.iter().map(parse).collect::<PyResult<Vec<TopicName>>>().map(Topics::Several),
    }
}

/// A queue as a sink of log records.
struct Shared(Arc<crate::events::Queue>);

impl core::LogSink for Shared {
    fn log(&self, level: core::Level, target: &str, text: &str) {
        self.0.log(level, target, text);
    }
}
