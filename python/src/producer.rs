//! The producer.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use pyo3::prelude::*;
use stargate_core::{self as core, Outgoing, Receipt, Result};

use crate::convert::{Extras, outgoing, outgoing_item};
use crate::errors::{exception, timeout as timed_out};
use crate::events::{Events, Finished};
use crate::held::Held;
use crate::message::MessageId;
use crate::wait::{close_limit, limit, wait, wait_within};

/// Sends messages to one topic.
#[pyclass(frozen, module = "stargate._native")]
pub(crate) struct Producer {
    inner: Held<core::Producer>,
}

impl Producer {
    pub(crate) fn new(producer: core::Producer) -> Producer {
        Producer { inner: Held::new(producer) }
    }
}

/// The receipt of a send, for a future.
struct Sent(Result<Receipt>);

impl Finished for Sent {
    fn into_python(self: Box<Self>, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let receipt = self.0.map_err(|error| exception(py, &error))?;
        Ok(Py::new(py, MessageId::new(receipt.message_id().clone()))?.into_any())
    }
}

#[pymethods]
impl Producer {
    /// The topic's full name.
    fn topic(&self) -> String {
        self.inner.topic().to_string()
    }

    /// Sends one message and waits for its receipt; `timeout` in seconds takes the place of `send_timeout`.
    fn send(
        &self,
        py: Python<'_>,
        payload: &Bound<'_, PyAny>,
        extras: Option<Extras>,
        timeout: Option<f64>,
    ) -> PyResult<MessageId> {
        let message = outgoing(payload, extras)?;
        let timeout = limit(py, timeout)?;
        let sent = async {
            match timeout {
                Some(timeout) => self.inner.enqueue_within(message, timeout).await?.await,
                None => self.inner.send(message).await,
            }
        };
        wait(py, sent).map(|receipt| MessageId::new(receipt.message_id().clone()))
    }

    /// Accepts one message, waiting for room, and tells `future` through `events` how it ended.
    fn send_nowait(
        &self,
        py: Python<'_>,
        payload: &Bound<'_, PyAny>,
        extras: Option<Extras>,
        events: &Bound<'_, Events>,
        future: Py<PyAny>,
    ) -> PyResult<()> {
        let message = outgoing(payload, extras)?;
        let queue = events.get().queue();
        wait(py, self.inner.send_inline(message, move |sent| queue.done(future, Box::new(Sent(sent.result)))))
    }

    /// Sends messages in their order, many in flight at a time; an id or an exception for each.
    fn send_many(&self, py: Python<'_>, items: Vec<Bound<'_, PyAny>>) -> PyResult<Vec<Py<PyAny>>> {
        let messages = items.iter().map(outgoing_item).collect::<PyResult<Vec<Outgoing>>>()?;
        drop(items);
        let results = wait(py, send_all(&self.inner, messages))?;
        results
            .into_iter()
            .map(|result| match Box::new(Sent(result)).into_python(py) {
                Ok(id) => Ok(id),
                Err(error) => Ok(error.into_value(py).into_any()),
            })
            .collect()
    }

    /// Waits until every message accepted before has ended.
    fn flush(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let timeout = limit(py, timeout)?;
        wait_within(py, self.inner.flush(), timeout)?.ok_or_else(|| timed_out(py, "flush", &self.topic(), timeout))
    }

    /// Waits until it is connected.
    fn wait_connected(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let timeout = limit(py, timeout)?;
        wait_within(py, self.inner.wait_connected(), timeout)?
            .ok_or_else(|| timed_out(py, "connect to", &self.topic(), timeout))
    }

    /// Whether it is connected now.
    fn is_connected(&self) -> bool {
        self.inner.is_connected()
    }

    /// The counters as JSON.
    fn stats(&self) -> String {
        self.inner.stats().to_json()
    }

    /// Sends what is in flight and closes the connection.
    fn close(&self, py: Python<'_>, timeout: f64) -> PyResult<()> {
        let timeout = close_limit(py, timeout)?;
        wait(py, self.inner.close(timeout))
    }
}

/// The results that are there, and who waits for the last.
struct Gathered {
    results: Vec<Option<Result<Receipt>>>,
    missing: usize,
    waiting: Option<Waker>,
}

/// As the core's `send_all`, but waking the waiting thread once, with the last receipt, and not with each.
async fn send_all(producer: &core::Producer, messages: Vec<Outgoing>) -> Result<Vec<Result<Receipt>>> {
    let count = messages.len();
    let gathered = Gathered { results: vec![None; count], missing: count, waiting: None };
    let gathered = Arc::new(Mutex::new(gathered));
    let lock = |gathered: &Arc<Mutex<Gathered>>, index: usize, result| {
        let mut gathered = gathered.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.results[index] = Some(result);
        gathered.missing -= 1;
        let waker = if gathered.missing == 0 { gathered.waiting.take() } else { None };
        drop(gathered);
        waker.into_iter().for_each(Waker::wake);
    };
    for (index, message) in messages.into_iter().enumerate() {
        let shared = gathered.clone();
        let accepted = producer.send_inline(message, move |sent| lock(&shared, index, sent.result)).await;
        if let Err(error) = accepted {
            lock(&gathered, index, Err(error));
        }
    }
    std::future::poll_fn(|cx| {
        let mut gathered = gathered.lock().unwrap_or_else(PoisonError::into_inner);
        if gathered.missing > 0 {
            gathered.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
    let results = std::mem::take(&mut gathered.lock().unwrap_or_else(PoisonError::into_inner).results);
    Ok(results.into_iter().flatten().collect())
}
