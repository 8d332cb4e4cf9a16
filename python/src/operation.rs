//! Operations that go on while Python does something else: what an event loop starts, and may cancel.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use pyo3::prelude::*;
use pyo3::{PyClass, PyClassInitializer};
use stargate_core::{self as core, ForkSafe};

use crate::errors::exception;
use crate::events::{Finished, Queue};

/// What an operation has for Python when it is done; `None` when that comes by another way.
pub(crate) type Done = Option<Box<dyn Finished>>;

type Work = Pin<Box<dyn Future<Output = Done> + Send>>;

/// A future of the core that a task of the library polls. It can be taken away from the task, and then it is certain
/// that nothing of it happens any more.
struct Running {
    work: Option<Work>,
    task: Option<Waker>,
}

/// An operation under way.
#[pyclass(frozen, module = "stargate._native")]
pub(crate) struct Operation {
    running: ForkSafe<Arc<Mutex<Running>>>,
}

#[pymethods]
impl Operation {
    /// Drops it. False if it was done already; then its value, if it has one, is in the queue.
    fn cancel(&self, py: Python<'_>) -> bool {
        let Ok(running) = self.running.get() else { return true };
        py.detach(|| {
            let mut running = lock(running);
            let (work, task) = (running.work.take(), running.task.take());
            drop(running);
            // The task ends when it finds nothing to do.
            task.into_iter().for_each(Waker::wake);
            work.is_some()
        })
    }
}

fn lock(running: &Mutex<Running>) -> MutexGuard<'_, Running> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Goes on with the work. Its value is in the queue before anybody can see that the work is done.
fn poll(running: &Mutex<Running>, queue: &Queue, future: &Arc<Py<PyAny>>, cx: &mut Context<'_>) -> Poll<()> {
    let mut running = lock(running);
    let Some(work) = &mut running.work else { return Poll::Ready(()) };
    match work.as_mut().poll(cx) {
        Poll::Ready(done) => {
            running.work = None;
            if let Some(value) = done {
                queue.done(future.clone(), value);
            }
            Poll::Ready(())
        }
        Poll::Pending => {
            running.task = Some(cx.waker().clone());
            Poll::Pending
        }
    }
}

/// Starts `work` on the threads of the library; its value goes to `future` through `queue`.
pub(crate) fn start(
    py: Python<'_>,
    client: &core::Client,
    queue: Arc<Queue>,
    future: Arc<Py<PyAny>>,
    work: impl Future<Output = Done> + Send + 'static,
) -> PyResult<Operation> {
    let (operation, task) = begin(queue, future, Box::pin(work));
    py.detach(|| client.spawn(task)).map(|()| operation).map_err(|error| exception(py, &error))
}

/// As [`start`], for work that makes its own client.
pub(crate) fn start_alone(
    py: Python<'_>,
    queue: Arc<Queue>,
    future: Arc<Py<PyAny>>,
    work: impl Future<Output = Done> + Send + 'static,
) -> PyResult<Operation> {
    let (operation, task) = begin(queue, future, Box::pin(work));
    py.detach(|| core::spawn(task)).map(|()| operation).map_err(|error| exception(py, &error))
}

/// An operation, and the task that has to be run for it.
fn begin(queue: Arc<Queue>, future: Arc<Py<PyAny>>, work: Work) -> (Operation, impl Future<Output = ()> + Send) {
    let running = Arc::new(Mutex::new(Running { work: Some(work), task: None }));
    let task = running.clone();
    (Operation { running: ForkSafe::new(running) }, async move {
        std::future::poll_fn(|cx| poll(&task, &queue, &future, cx)).await
    })
}

/// As [`start`], but begins here: operations begin in the order in which they were started. `None` when that was all.
pub(crate) fn start_in_order(
    py: Python<'_>,
    client: &core::Client,
    queue: Arc<Queue>,
    future: Arc<Py<PyAny>>,
    work: impl Future<Output = Done> + Send + 'static,
) -> PyResult<Option<Operation>> {
    let mut work: Work = Box::pin(work);
    match py.detach(|| work.as_mut().poll(&mut Context::from_waker(Waker::noop()))) {
        Poll::Ready(done) => {
            if let Some(value) = done {
                py.detach(|| queue.done(future, value));
            }
            Ok(None)
        }
        Poll::Pending => start(py, client, queue, future, work).map(Some),
    }
}

/// The outcome of an operation as a Python value, made by `convert`.
struct Value<T, F> {
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
pub(crate) fn value<T, F>(outcome: core::Result<T>, convert: F) -> Done
where
    T: Send + 'static,
    F: FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
{
    Some(Box::new(Value { outcome, convert }))
}

/// What an operation without a value has for Python.
pub(crate) fn nothing(outcome: core::Result<()>) -> Done {
    value(outcome, |py, ()| Ok(py.None()))
}

/// An object of a class of ours as a value.
pub(crate) fn made<T>(py: Python<'_>, object: T) -> PyResult<Py<PyAny>>
where
    T: Into<PyClassInitializer<T>> + PyClass,
{
    Ok(Py::new(py, object)?.into_any())
}
