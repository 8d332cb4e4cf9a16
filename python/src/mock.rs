//! The mock broker, for `stargate.testing`.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use stargate_core::mock::{Mock, MockError, MockMessage, MockOAuth2, MockOptions, MockTls, Op};
use stargate_core::{Error, ErrorKind, ForkSafe};

use crate::convert::bytes_of;
use crate::errors::exception;
use crate::greenlets;
use crate::wait::{SLICE, limit};

/// Topic, id in base64, payload, key, properties, event time, publish time and delivery time in milliseconds, producer,
/// sequence id, place and size of the batch.
type Stored<'py> = (
    String,
    String,
    Option<Bound<'py, PyBytes>>,
    Option<String>,
    BTreeMap<String, String>,
    i64,
    u64,
    u64,
    String,
    i64,
    Option<(usize, usize)>,
);

/// Seconds since the start, operation, topic, role, connection, detail.
type Seen = (f64, &'static str, String, &'static str, u64, String);

/// A descriptor that never can be read.
const NOTHING: i32 = -1;

/// A broker at 127.0.0.1.
#[pyclass(frozen, module = "stargate._native")]
pub(crate) struct MockBroker {
    inner: ForkSafe<Mock>,
}

impl MockBroker {
    /// Does something with the mock, detached, since it takes locks.
    fn with<T: Send>(&self, py: Python<'_>, action: impl FnOnce(&Mock) -> T + Send) -> PyResult<T> {
        if !self.inner.is_ours() {
            let text = "this mock broker belongs to the process before the fork";
            return Err(exception(py, &Error::new(ErrorKind::Forked, text)));
        }
        let mock: &Mock = &self.inner;
        Ok(py.detach(|| action(mock)))
    }

    fn attempt<T: Send>(
        &self,
        py: Python<'_>,
        action: impl FnOnce(&Mock) -> Result<T, MockError> + Send,
    ) -> PyResult<T> {
        self.with(py, action)?.map_err(|error| failed(py, &error))
    }
}

fn failed(py: Python<'_>, error: &MockError) -> PyErr {
    let kind = match error {
        MockError::Invalid(_) => ErrorKind::InvalidArgument,
        MockError::NotFound(_) => ErrorKind::NotFound,
        MockError::Failed(_) => ErrorKind::Broker,
    };
    exception(py, &Error::new(kind, error.to_string()))
}

fn not_started(py: Python<'_>, error: &io::Error) -> PyErr {
    let kind = match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::PermissionDenied => ErrorKind::InvalidArgument,
        _ => ErrorKind::Connect,
    };
    exception(py, &Error::new(kind, format!("start the mock broker: {error}")))
}

#[pymethods]
impl MockBroker {
    #[new]
    #[pyo3(signature = (port, tokens, forbidden_tokens, users, oauth2, tls, max_text_size, idle_timeout, ping_interval, auto_create, version, websocket_compression))]
    #[allow(clippy::too_many_arguments)] // those of the mock, which Python gives by name
    fn new(
        py: Python<'_>,
        port: u16,
        tokens: Vec<String>,
        forbidden_tokens: Vec<String>,
        users: Vec<(String, String)>,
        oauth2: Option<(String, String, Option<String>, f64)>,
        tls: Option<(PathBuf, PathBuf, Option<PathBuf>)>,
        max_text_size: usize,
        idle_timeout: Option<f64>,
        ping_interval: Option<f64>,
        auto_create: bool,
        version: String,
        websocket_compression: bool,
    ) -> PyResult<MockBroker> {
        let issuer = |(client_id, client_secret, audience, life)| {
            let token_life = limit(py, Some(life))?.unwrap_or(Duration::MAX);
            Ok::<_, PyErr>(MockOAuth2 { client_id, client_secret, audience, token_life })
        };
        let options = MockOptions {
            port,
            tokens,
            forbidden_tokens,
            users,
            oauth2: oauth2.map(issuer).transpose()?,
            tls: tls.map(|(certificates, key, client_ca)| MockTls { certificates, key, client_ca }),
            max_text_size,
            idle_timeout: limit(py, idle_timeout)?.unwrap_or(Duration::MAX),
            ping_interval: limit(py, ping_interval)?,
            auto_create_topics: auto_create,
            version,
            websocket_compression,
        };
        let started = py.detach(|| Mock::start(options)).map_err(|error| not_started(py, &error))?;
        Ok(MockBroker { inner: ForkSafe::new(started) })
    }

    /// Returns the service URL.
    fn url(&self) -> String {
        self.inner.url()
    }

    /// Returns the URL of the REST API.
    fn http_url(&self) -> String {
        self.inner.http_url()
    }

    /// Returns the URL of its OAuth2 issuer.
    fn oauth2_issuer_url(&self) -> String {
        self.inner.oauth2_issuer_url()
    }

    /// Its port.
    fn port(&self) -> u16 {
        self.inner.port()
    }

    /// Stores messages, each with payload, key, properties, event time and delay in milliseconds; as one batch if there
    /// is not one. The id of the first, in base64.
    #[allow(clippy::type_complexity)]
    fn publish(
        &self,
        py: Python<'_>,
        topic: &str,
        messages: Vec<(Option<Bound<'_, PyAny>>, Option<String>, BTreeMap<String, String>, i64, u64)>,
    ) -> PyResult<String> {
        let messages: PyResult<Vec<MockMessage>> = messages
            .into_iter()
            .map(|(payload, key, properties, event_time, deliver_after_ms)| {
                let payload = payload.map(|payload| bytes_of(&payload).map(Vec::from)).transpose()?;
                Ok(MockMessage { payload, key, properties, event_time, deliver_after_ms, encryption_context: None })
            })
            .collect();
        let mut messages = messages?;
        self.attempt(py, |mock| match messages.len() {
            1 => mock.publish(topic, messages.remove(0)),
            _ => mock.publish_batch(topic, messages),
        })
    }

    /// What a topic holds.
    fn messages<'py>(&self, py: Python<'py>, topic: &str) -> PyResult<Vec<Stored<'py>>> {
        let stored = self.attempt(py, |mock| mock.messages(topic))?;
        let stored = stored.into_iter().map(|message| {
            (
                message.topic,
                message.message_id,
                message.payload.map(|payload| PyBytes::new(py, &payload)),
                message.key,
                message.properties,
                message.event_time,
                message.publish_time,
                message.deliver_at,
                message.producer_name,
                message.sequence_id,
                message.batch,
            )
        });
        Ok(stored.collect())
    }

    /// What a subscription has not acknowledged.
    fn backlog(&self, py: Python<'_>, topic: &str, subscription: &str) -> PyResult<usize> {
        self.attempt(py, |mock| mock.backlog(topic, subscription))
    }

    /// Creates or grows a partitioned topic.
    fn create_partitioned(&self, py: Python<'_>, topic: &str, partitions: u32) -> PyResult<()> {
        self.attempt(py, |mock| mock.create_partitioned(topic, partitions))
    }

    /// Creates a subscription.
    fn create_subscription(&self, py: Python<'_>, topic: &str, subscription: &str, earliest: bool) -> PyResult<()> {
        self.attempt(py, |mock| mock.create_subscription(topic, subscription, earliest))
    }

    /// Creates a namespace.
    fn create_namespace(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        self.attempt(py, |mock| mock.create_namespace(name))
    }

    /// Enables or disables deduplication in a namespace.
    fn set_deduplication(&self, py: Python<'_>, name: &str, on: bool) -> PyResult<()> {
        self.attempt(py, |mock| mock.set_deduplication(name, on))
    }

    /// Ends a topic.
    fn terminate(&self, py: Python<'_>, topic: &str) -> PyResult<()> {
        self.attempt(py, |mock| mock.terminate(topic))
    }

    /// Deletes a topic.
    fn delete_topic(&self, py: Python<'_>, topic: &str) -> PyResult<()> {
        self.attempt(py, |mock| mock.delete_topic(topic))
    }

    /// Scripts a fault; no count means without limit.
    fn fault(&self, py: Python<'_>, op: &str, fault: &str, topic: Option<&str>, count: Option<usize>) -> PyResult<()> {
        self.attempt(py, |mock| mock.fault(op, topic, fault, count.unwrap_or(usize::MAX)))
    }

    /// Faults that have not happened.
    fn faults_left(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(py, Mock::faults_left)
    }

    /// Forgets them.
    fn clear_faults(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, Mock::clear_faults)
    }

    /// Down or up.
    fn set_up(&self, py: Python<'_>, up: bool) -> PyResult<()> {
        self.attempt(py, |mock| mock.set_up(up))
    }

    /// Drops connections, and counts them.
    fn drop_connections(&self, py: Python<'_>, topic: Option<&str>) -> PyResult<usize> {
        self.attempt(py, |mock| mock.drop_connections(topic))
    }

    /// What clients did.
    fn requests(&self, py: Python<'_>) -> PyResult<Vec<Seen>> {
        let all = self.with(py, Mock::requests)?;
        let rows = all.into_iter().map(|request| {
            let at = request.at.as_secs_f64();
            (at, request.op.name(), request.topic.to_string(), request.role, request.connection, request.detail)
        });
        Ok(rows.collect())
    }

    /// Empties that log.
    fn clear_requests(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, Mock::clear_requests)
    }

    /// How often something happened.
    fn count(&self, py: Python<'_>, op: &str, topic: Option<&str>) -> PyResult<usize> {
        let op: Op = op.parse().map_err(|error| failed(py, &error))?;
        self.attempt(py, |mock| mock.count(op, topic))
    }

    /// Waits until something has happened, or the time is over; in slices, so that Ctrl-C ends it.
    fn wait(
        &self,
        py: Python<'_>,
        op: &str,
        topic: Option<&str>,
        at_least: usize,
        timeout: Option<f64>,
    ) -> PyResult<bool> {
        let deadline = limit(py, timeout)?.and_then(|limit| Instant::now().checked_add(limit));
        loop {
            let left = deadline.map_or(SLICE, |deadline| deadline.saturating_duration_since(Instant::now()));
            let slice = if greenlets::are_used() { Duration::ZERO } else { left.min(SLICE) };
            if self.attempt(py, |mock| mock.wait(op, topic, at_least, slice))? {
                return Ok(true);
            }
            greenlets::readable(py, NOTHING, SLICE.min(left))?;
            py.check_signals()?;
            if left < SLICE {
                return Ok(false);
            }
        }
    }

    /// Open sessions.
    fn connections(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(py, Mock::connections)
    }

    /// Ends it.
    fn stop(&self, py: Python<'_>) {
        if self.inner.is_ours() {
            let mock: &Mock = &self.inner;
            py.detach(|| mock.stop());
        }
    }
}
