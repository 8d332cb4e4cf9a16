//! Operations that go on while Python does something else: what an event loop starts, and may cancel.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use pyo3::prelude::*;
use pyo3::{PyClass, PyClassInitializer};
use stargate_core::{self as core, ForkSafe};

use crate::errors::exception;
use crate::events::{Events, Finished, Queue};

/// What an operation has for Python when it is done; `None` when that comes by another way.
pub(crate) type Done = Option<Box<dyn Finished>>;

type Work = Pin<Box<dyn Future<Output = Done> + Send>>;

/// What a thread of the library runs for an operation.
type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

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
fn poll(running: &Mutex<Running>, waiter: &Waiter, cx: &mut Context<'_>) -> Poll<()> {
    let mut running = lock(running);
    let Some(work) = &mut running.work else { return Poll::Ready(()) };
    match work.as_mut().poll(cx) {
        Poll::Ready(done) => {
            running.work = None;
            if let Some(value) = done {
                waiter.clone().done(value);
            }
            Poll::Ready(())
        }
        Poll::Pending => {
            running.task = Some(cx.waker().clone());
            Poll::Pending
        }
    }
}

/// The future of an event loop that waits for an operation, and the queue through which that tells it. Python gives the
/// two as a tuple.
#[derive(Clone)]
pub(crate) struct Waiter {
    queue: Arc<Queue>,
    future: Arc<Py<PyAny>>,
}

impl<'a, 'py> FromPyObject<'a, 'py> for Waiter {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Waiter> {
        let (events, future): (Bound<'py, Events>, Py<PyAny>) = given.extract()?;
        Ok(Waiter { queue: events.get().queue(), future: Arc::new(future) })
    }
}

impl Waiter {
    /// Gives the future its value, for work that does so by itself.
    pub(crate) fn done(self, value: Box<dyn Finished>) {
        self.queue.done(self.future, value);
    }

    /// Starts `work` on the threads of the library; its value goes to the future.
    pub(crate) fn start(
        self,
        py: Python<'_>,
        client: &core::Client,
        work: impl Future<Output = Done> + Send + 'static,
    ) -> PyResult<Operation> {
        self.start_on(py, Box::pin(work), |task| client.spawn(task))
    }

    /// As [`Waiter::start`], for an operation of the core whose value `convert` makes Python's.
    pub(crate) fn value<T: Send + 'static>(
        self,
        py: Python<'_>,
        client: &core::Client,
        operation: impl Future<Output = core::Result<T>> + Send + 'static,
        convert: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> PyResult<Operation> {
        self.start(py, client, async move { value(operation.await, convert) })
    }

    /// As [`Waiter::start`], for an operation of the core without a value.
    pub(crate) fn nothing(
        self,
        py: Python<'_>,
        client: &core::Client,
        operation: impl Future<Output = core::Result<()>> + Send + 'static,
    ) -> PyResult<Operation> {
        self.start(py, client, async move { nothing(operation.await) })
    }

    /// As [`Waiter::start`], for work that makes its own client.
    pub(crate) fn start_alone(
        self,
        py: Python<'_>,
        work: impl Future<Output = Done> + Send + 'static,
    ) -> PyResult<Operation> {
        self.start_on(py, Box::pin(work), core::spawn)
    }

    /// As [`Waiter::start`], but begins here: operations begin in the order in which they were started. `None` when
    /// that was all.
    pub(crate) fn start_in_order(
        self,
        py: Python<'_>,
        client: &core::Client,
        work: impl Future<Output = Done> + Send + 'static,
    ) -> PyResult<Option<Operation>> {
        let mut work: Work = Box::pin(work);
        match py.detach(|| work.as_mut().poll(&mut Context::from_waker(Waker::noop()))) {
            Poll::Ready(done) => {
                if let Some(value) = done {
                    py.detach(|| self.done(value));
                }
                Ok(None)
            }
            Poll::Pending => self.start_on(py, work, |task| client.spawn(task)).map(Some),
        }
    }

    fn start_on(
        self,
        py: Python<'_>,
        work: Work,
        spawn: impl FnOnce(Task) -> core::Result<()> + Send,
    ) -> PyResult<Operation> {
        let running = Arc::new(Mutex::new(Running { work: Some(work), task: None }));
        let operation = Operation { running: ForkSafe::new(running.clone()) };
        let task: Task = Box::pin(std::future::poll_fn(move |cx| poll(&running, &self, cx)));
        py.detach(|| spawn(task)).map(|()| operation).map_err(|error| exception(py, &error))
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

/// Converts an object of a class of stargate into a value.
pub(crate) fn made<T>(py: Python<'_>, object: T) -> PyResult<Py<PyAny>>
where
    T: Into<PyClassInitializer<T>> + PyClass,
{
    Ok(Py::new(py, object)?.into_any())
}
