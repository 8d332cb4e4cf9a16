//! The producer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use stargate_core::{self as core, ForkSafe, OutgoingMessage, Receipt, Result};

use crate::convert::{Extras, options, outgoing, outgoing_item, outgoing_or_error};
use crate::errors::exception;
use crate::events::Finished;
use crate::handle::handle;
use crate::message::MessageId;
use crate::operation::{Operation, Waiter, value};
use crate::wait::{close_limit, limit, wait, wait_seconds};

/// The receipt of a send, for a future.
struct Sent(Result<Receipt>);

impl Finished for Sent {
    fn into_python(self: Box<Self>, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let receipt = self.0.map_err(|error| exception(py, &error))?;
        Ok(Py::new(py, MessageId::new(receipt.message_id().clone()))?.into_any())
    }
}

handle! {
    /// Sends messages to one topic.
    Producer {
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

        /// Accepts one message, waiting for room, and tells `waiter` how it ended.
        fn send_nowait(
            &self,
            py: Python<'_>,
            payload: &Bound<'_, PyAny>,
            extras: Option<Extras>,
            waiter: Waiter,
        ) -> PyResult<()> {
            let message = outgoing(payload, extras)?;
            wait(py, self.inner.send_inline(message, move |sent| waiter.done(Box::new(Sent(sent.result)))))
        }

        /// As `send`, for an event loop. The operation is the wait for room: once that is over, the send goes on.
        fn send_async(
            &self,
            py: Python<'_>,
            payload: &Bound<'_, PyAny>,
            extras: Option<Extras>,
            timeout: Option<f64>,
            waiter: Waiter,
        ) -> PyResult<Option<Operation>> {
            let message = outgoing(payload, extras)?;
            let timeout = limit(py, timeout)?;
            let (producer, told) = (self.inner.clone(), waiter.clone());
            waiter.start_in_order(py, &self.client, async move {
                let ended = move |sent: core::DeliveryReport| told.done(Box::new(Sent(sent.result)));
                let accepted = match timeout {
                    Some(timeout) => producer.send_inline_within(message, timeout, ended).await,
                    None => producer.send_inline(message, ended).await,
                };
                accepted.err().map(|error| -> Box<dyn Finished> { Box::new(Sent(Err(error))) })
            })
        }

        /// Accepts messages, which have the numbers from `first` on in `receipts`, for an event loop.
        fn accept_async(
            &self,
            py: Python<'_>,
            receipts: &Bound<'_, Receipts>,
            first: usize,
            items: Vec<Bound<'_, PyAny>>,
            waiter: Waiter,
        ) -> PyResult<Operation> {
            let messages = items.iter().map(outgoing_or_error).collect::<PyResult<Vec<_>>>()?;
            let (receipts, producer) = (receipts.get().clone(), self.inner.clone());
            waiter.nothing(py, &self.client, async move { receipts.accept(&producer, first, messages).await })
        }

        /// Waits for all receipts, for an event loop.
        fn receipts_async(&self, py: Python<'_>, receipts: &Bound<'_, Receipts>, waiter: Waiter) -> PyResult<Operation> {
            let receipts = receipts.get().clone();
            waiter.value(py, &self.client, async move { receipts.all().await }, |py, results| {
                results_of(py, results)?.into_py_any(py)
            })
        }

        /// Sends messages in their order, many in flight at a time; an id or an exception for each.
        fn send_many(&self, py: Python<'_>, items: Vec<Bound<'_, PyAny>>) -> PyResult<Vec<Py<PyAny>>> {
            let receipts = Receipts::new(items.len());
            let mut items = items.into_iter().enumerate().peekable();
            while let Some(&(first, _)) = items.peek() {
                // Made ready in batches: what waits for room is not held twice, and Ctrl-C is seen in between.
                let (mut batch, mut bytes) = (Vec::new(), 0);
                while let Some((_, item)) = items.next_if(|_| batch.len() < MAX_BATCH && bytes < MAX_BATCH_BYTES) {
                    let message = outgoing_or_error(&item)?;
                    bytes += message.as_ref().map_or(0, OutgoingMessage::payload_len);
                    batch.push(message);
                }
                wait(py, receipts.accept(&self.inner, first, batch))?;
                py.check_signals()?;
            }
            let results = wait(py, receipts.all())?;
            results_of(py, results)
        }

        /// Waits until every message accepted before has ended.
        fn flush(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
            wait_seconds(py, self.inner.flush(), timeout, "flush", &self.topic())
        }

        /// As `flush`, for an event loop.
        fn flush_async(&self, py: Python<'_>, waiter: Waiter) -> PyResult<Operation> {
            let producer = self.inner.clone();
            waiter.nothing(py, &self.client, async move { producer.flush().await })
        }
    }
}

/// Sends messages to a producer URL over a connection of their own; an id or an exception for each.
#[pyfunction]
pub(crate) fn produce(
    py: Python<'_>,
    url: &str,
    pairs: Vec<(String, String)>,
    items: Vec<Bound<'_, PyAny>>,
) -> PyResult<Vec<Py<PyAny>>> {
    let options = options(py, pairs, None)?;
    let messages = items.iter().map(outgoing_item).collect::<PyResult<Vec<OutgoingMessage>>>()?;
    let results = wait(py, core::produce(url, messages, options))?;
    results_of(py, results)
}

/// As `produce`, for an event loop.
#[pyfunction]
pub(crate) fn produce_async(
    py: Python<'_>,
    url: String,
    pairs: Vec<(String, String)>,
    items: Vec<Bound<'_, PyAny>>,
    waiter: Waiter,
) -> PyResult<Operation> {
    let options = options(py, pairs, None)?;
    let messages = items.iter().map(outgoing_item).collect::<PyResult<Vec<OutgoingMessage>>>()?;
    waiter.start_alone(py, async move {
        value(core::produce(&url, messages, options).await, |py, results| results_of(py, results)?.into_py_any(py))
    })
}

/// An id or an exception for each message. A fork raises an exception for the whole, since it is no message's fault.
fn results_of(py: Python<'_>, results: Vec<Result<Receipt>>) -> PyResult<Vec<Py<PyAny>>> {
    let forked = |error: &core::Error| error.kind() == core::ErrorKind::Forked;
    if let Some(Err(error)) = results.iter().find(|result| result.as_ref().is_err_and(forked)) {
        return Err(exception(py, error));
    }
    results
        .into_iter()
        .map(|result| match Box::new(Sent(result)).into_python(py) {
            Ok(id) => Ok(id),
            Err(error) => Ok(error.into_value(py).into_any()),
        })
        .collect()
}

/// How many messages are made ready at a time, and of how many bytes.
const MAX_BATCH: usize = 64;
const MAX_BATCH_BYTES: usize = 256 * 1024;

/// The results of many sends. A waiting caller is woken once, with the last, and not with each.
#[pyclass(frozen, module = "stargate._native")]
#[derive(Clone)]
pub(crate) struct Receipts(Arc<Mutex<Gathered>>);

pub(crate) struct Gathered {
    results: Vec<Option<Result<Receipt>>>,
    missing: usize,
    waiting: Option<Waker>,
}

#[pymethods]
impl Receipts {
    /// Room for the results of `count` sends.
    #[new]
    fn new(count: usize) -> Receipts {
        Receipts(Arc::new(Mutex::new(Gathered { results: vec![None; count], missing: count, waiting: None })))
    }
}

impl Receipts {
    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, index: usize, result: Result<Receipt>) {
        let mut gathered = self.gathered();
        gathered.results[index] = Some(result);
        gathered.missing -= 1;
        let waker = if gathered.missing == 0 { gathered.waiting.take() } else { None };
        drop(gathered);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Waits until messages are in flight; the first of them has number `first`. An error stands for a message that
    /// cannot be sent.
    async fn accept(
        &self,
        producer: &core::Producer,
        first: usize,
        messages: Vec<Result<OutgoingMessage>>,
    ) -> Result<()> {
        for (index, message) in (first..).zip(messages) {
            let receipts = self.clone();
            let accepted = match message {
                Ok(message) => producer.send_inline(message, move |sent| receipts.set(index, sent.result)).await,
                Err(error) => Err(error),
            };
            if let Err(error) = accepted {
                self.set(index, Err(error));
            }
        }
        Ok(())
    }

    /// Waits until all have ended.
    async fn all(&self) -> Result<Vec<Result<Receipt>>> {
        std::future::poll_fn(|cx| {
            let mut gathered = self.gathered();
            if gathered.missing > 0 {
                gathered.waiting = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
        Ok(std::mem::take(&mut self.gathered().results).into_iter().flatten().collect())
    }
}
