//! The mock broker; see `stargate.testing`.

use std::collections::BTreeMap;
use std::time::Duration;

use pyo3::prelude::*;
use stargate_core as core;
use stargate_core::mock::{Mock as Broker, MockError, MockMessage, MockOptions, StoredMessage};

use crate::errors::invalid;
use crate::held::Held;
use crate::message::MessageId;

/// A broker on a real socket, with everything in memory.
#[pyclass(frozen, module = "stargate._native")]
pub(crate) struct Mock {
    broker: Held<Broker>,
}

/// A message as the broker stored it: topic, id, payload, key, properties, event time in milliseconds, producer's name.
type Stored = (String, MessageId, Option<Vec<u8>>, Option<String>, BTreeMap<String, String>, i64, String);

fn id_of(py: Python<'_>, text: &str) -> PyResult<MessageId> {
    let id: core::MessageId = text.parse().map_err(|error| crate::errors::exception(py, &error))?;
    Ok(MessageId::new(id))
}

fn told<T>(py: Python<'_>, outcome: Result<T, MockError>) -> PyResult<T> {
    outcome.map_err(|error| invalid(py, &error.to_string()))
}

#[pymethods]
impl Mock {
    /// Starts a broker.
    #[new]
    fn new(
        py: Python<'_>,
        port: u16,
        tokens: Vec<String>,
        max_text_size: usize,
        auto_create_topics: bool,
    ) -> PyResult<Mock> {
        let options = MockOptions { port, tokens, max_text_size, auto_create_topics, ..MockOptions::default() };
        let broker = py.detach(|| Broker::start(options))?;
        Ok(Mock { broker: Held::new(broker) })
    }

    fn url(&self) -> String {
        self.broker.url()
    }

    fn http_url(&self) -> String {
        self.broker.http_url()
    }

    fn publish(
        &self,
        py: Python<'_>,
        topic: &str,
        payload: Option<Vec<u8>>,
        key: Option<String>,
        properties: BTreeMap<String, String>,
    ) -> PyResult<MessageId> {
        let message = MockMessage { payload, key, properties, ..MockMessage::default() };
        let id = told(py, py.detach(|| self.broker.publish(topic, message)))?;
        id_of(py, &id)
    }

    fn messages(&self, py: Python<'_>, topic: &str) -> PyResult<Vec<Stored>> {
        let stored = told(py, py.detach(|| self.broker.messages(topic)))?;
        let row = |message: StoredMessage| {
            let id = id_of(py, &message.message_id)?;
            let StoredMessage { topic, payload, key, properties, event_time, producer_name, .. } = message;
            Ok((topic, id, payload, key, properties, event_time, producer_name))
        };
        stored.into_iter().map(row).collect()
    }

    fn backlog(&self, py: Python<'_>, topic: &str, subscription: &str) -> PyResult<usize> {
        told(py, py.detach(|| self.broker.backlog(topic, subscription)))
    }

    fn create_namespace(&self, py: Python<'_>, namespace: &str) -> PyResult<()> {
        told(py, py.detach(|| self.broker.create_namespace(namespace)))
    }

    fn create_partitioned(&self, py: Python<'_>, topic: &str, partitions: u32) -> PyResult<()> {
        told(py, py.detach(|| self.broker.create_partitioned(topic, partitions)))
    }

    fn terminate(&self, py: Python<'_>, topic: &str) -> PyResult<()> {
        told(py, py.detach(|| self.broker.terminate(topic)))
    }

    fn fault(&self, py: Python<'_>, op: &str, fault: &str, topic: Option<&str>, count: Option<usize>) -> PyResult<()> {
        told(py, py.detach(|| self.broker.fault(op, topic, fault, count.unwrap_or(usize::MAX))))
    }

    fn faults_left(&self, py: Python<'_>) -> usize {
        py.detach(|| self.broker.faults_left())
    }

    fn clear_faults(&self, py: Python<'_>) {
        py.detach(|| self.broker.clear_faults());
    }

    fn set_up(&self, py: Python<'_>, up: bool) -> PyResult<()> {
        told(py, py.detach(|| self.broker.set_up(up)))
    }

    fn drop_connections(&self, py: Python<'_>, topic: Option<&str>) -> PyResult<usize> {
        told(py, py.detach(|| self.broker.drop_connections(topic)))
    }

    fn requests(&self, py: Python<'_>) -> String {
        py.detach(|| self.broker.requests_json())
    }

    fn clear_requests(&self, py: Python<'_>) {
        py.detach(|| self.broker.clear_requests());
    }

    fn wait(
        &self,
        py: Python<'_>,
        op: &str,
        topic: Option<&str>,
        at_least: usize,
        milliseconds: u64,
    ) -> PyResult<bool> {
        let limit = Duration::from_millis(milliseconds);
        told(py, py.detach(|| self.broker.wait(op, topic, at_least, limit)))
    }

    fn connections(&self, py: Python<'_>) -> usize {
        py.detach(|| self.broker.connections())
    }

    fn stop(&self, py: Python<'_>) {
        if self.broker.is_ours() {
            py.detach(|| self.broker.stop());
        }
    }
}
