//! Operations that go on while Python does something else: what an event loop starts, and may cancel.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use pyo3::prelude::*;
use stargate_core as core;

use crate::errors::exception;
use crate::events::{Finished, Queue};

type Work = Pin<Box<dyn Future<Output = Box<dyn Finished>> + Send>>;

/// A future of the core that a task of the library polls. It can be taken away from the task, and then it is certain
/// that nothing of it happens any more.
struct Running {
    work: Option<Work>,
    task: Option<Waker>,
}

/// An operation under way.
#[pyclass(frozen, module = "stargate._native")]
pub(crate) struct Operation {
    running: Arc<Mutex<Running>>,
}

#[pymethods]
impl Operation {
    /// Drops it. False if it was done already, or had done what cannot be undone.
    fn cancel(&self, py: Python<'_>) -> bool {
        py.detach(|| {
            let mut running = lock(&self.running);
            let (work, task) = (running.work.take(), running.task.take());
            drop(running);
            // The task ends when it finds nothing to do.
            task.into_iter().for_each(Waker::wake);
            work.is_some()
        })
    }
}

fn lock(running: &Mutex<Running>) -> std::sync::MutexGuard<'_, Running> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

fn poll(running: &Mutex<Running>, cx: &mut Context<'_>) -> Poll<Option<Box<dyn Finished>>> {
    let mut running = lock(running);
    let Some(work) = &mut running.work else { return Poll::Ready(None) };
    match work.as_mut().poll(cx) {
        Poll::Ready(value) => {
            running.work = None;
            Poll::Ready(Some(value))
        }
        Poll::Pending => {
            running.task = Some(cx.waker().clone());
            Poll::Pending
        }
    }
}

/// Starts `work`, whose value goes to `future` through `queue`. `None` when it was done at once.
///
/// It is polled here first, so that operations begin in the order in which they were started.
pub(crate) fn start(
    py: Python<'_>,
    client: &core::Client,
    queue: Arc<Queue>,
    future: Py<PyAny>,
    work: impl Future<Output = Box<dyn Finished>> + Send + 'static,
) -> PyResult<Option<Operation>> {
    let running = Arc::new(Mutex::new(Running { work: Some(Box::pin(work)), task: None }));
    let future = Arc::new(future);
    let begun = py.detach(|| {
        match poll(&running, &mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(value)) => queue.done(future, value),
            Poll::Ready(None) => {}
            Poll::Pending => {
                let running = running.clone();
                client.spawn(async move {
                    if let Some(value) = std::future::poll_fn(|cx| poll(&running, cx)).await {
                        queue.done(future, value);
                    }
                })?;
                return Ok(true);
            }
        }
        Ok(false)
    });
    match begun {
        Ok(goes_on) => Ok(goes_on.then_some(Operation { running })),
        Err(error) => Err(exception(py, &error)),
    }
}

/// The outcome of an operation as a Python value, made by `convert`.
pub(crate) struct Value<T, F> {
    outcome: core::Result<T>,
    convert: F,
}

impl<T, F> Finished for Value<T, F>
where
    T: Send,
    F: FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send,
{
    fn into_python(self: Box<Self>, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self.outcome {
            Ok(value) => (self.convert)(py, value),
            Err(error) => Err(exception(py, &error)),
        }
    }
}

/// What an operation that gave `outcome` has for Python.
pub(crate) fn value<T, F>(outcome: core::Result<T>, convert: F) -> Box<dyn Finished>
where
    T: Send + 'static,
    F: FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
{
    Box::new(Value { outcome, convert })
}

/// What an operation without a value has for Python.
pub(crate) fn nothing(outcome: core::Result<()>) -> Box<dyn Finished> {
    value(outcome, |py, ()| Ok(py.None()))
}

/// Nothing for now: the value comes to the future by another way.
pub(crate) struct Later;

impl Finished for Later {
    fn into_python(self: Box<Self>, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(py.None())
    }
}
