//! Operations whose result goes to a callback, in place of a task that waits for it.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;

use crate::callbacks::Callbacks;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::Runtime;

/// The operations of a client or of one handle.
pub(crate) struct Operations {
    /// How many have not scheduled their callback.
    running: watch::Sender<usize>,
    /// Ends those that run, and those that begin later.
    cancelled: watch::Sender<bool>,
}

impl Default for Operations {
    fn default() -> Operations {
        Operations { running: watch::Sender::new(0), cancelled: watch::Sender::new(false) }
    }
}

impl Operations {
    /// Starts an operation that ends with [`ErrorKind::Closed`] when its handle is closed.
    pub(crate) fn start<T: Send + 'static>(
        &self,
        runtime: &Runtime,
        callbacks: &Callbacks,
        operation: impl Future<Output = Result<T>> + Send + 'static,
        timeout: Option<Duration>,
        callback: impl FnOnce(Result<T>) + Send + 'static,
    ) -> Result<()> {
        let mut cancelled = self.cancelled.subscribe();
        let operation = async move {
            tokio::select! {
                biased;
                outcome = within(timeout, operation) => outcome,
                _ = cancelled.wait_for(|cancelled| *cancelled) => Err(Error::closed()),
            }
        };
        self.start_to_end(runtime, callbacks, operation, callback)
    }

    /// Starts an operation that nothing cancels, such as a close.
    pub(crate) fn start_to_end<T: Send + 'static>(
        &self,
        runtime: &Runtime,
        callbacks: &Callbacks,
        operation: impl Future<Output = Result<T>> + Send + 'static,
        callback: impl FnOnce(Result<T>) + Send + 'static,
    ) -> Result<()> {
        // First: a thread that does not exist in this process may hold the lock of the count.
        runtime.check_fork()?;
        let running = Running::new(&self.running);
        complete(runtime, callbacks, operation, callback, Some(running))
    }

    /// Ends the operations that [`Operations::start`] started.
    pub(crate) fn cancel(&self) {
        self.cancelled.send_replace(true);
    }

    /// Waits until each has scheduled its callback.
    pub(crate) async fn ended(&self) {
        // The sender is here, so the channel is open.
        let _ = self.running.subscribe().wait_for(|running| *running == 0).await;
    }
}

/// Runs `operation` on the library's threads, and then `callback` with its result where callbacks run, exactly once.
/// `running` ends when the callback is scheduled.
pub(crate) fn complete<T: Send + 'static>(
    runtime: &Runtime,
    callbacks: &Callbacks,
    operation: impl Future<Output = Result<T>> + Send + 'static,
    callback: impl FnOnce(Result<T>) + Send + 'static,
    running: Option<Running>,
) -> Result<()> {
    runtime.check_fork()?;
    let promise = callbacks.promise()?;
    runtime.spawn(async move {
        let outcome = AssertUnwindSafe(operation).catch_unwind().await;
        let outcome =
            outcome.unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "a fault of the library: a task panicked")));
        promise.keep(move || callback(outcome));
        drop(running);
    });
    Ok(())
}

/// Ends an operation with [`ErrorKind::Timeout`] after `timeout`, if there is one.
pub(crate) async fn within<T>(timeout: Option<Duration>, operation: impl Future<Output = Result<T>>) -> Result<T> {
    let Some(timeout) = timeout else { return operation.await };
    let timed = tokio::time::timeout(timeout, operation).await;
    timed.unwrap_or_else(|_| Err(Error::new(ErrorKind::Timeout, format!("not done within {timeout:?}"))))
}

/// Counts one operation as long as it lives.
pub(crate) struct Running(watch::Sender<usize>);

impl Running {
    fn new(count: &watch::Sender<usize>) -> Running {
        count.send_modify(|running| *running += 1);
        Running(count.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fork::tests::in_child;
    use crate::log::Log;

    #[test]
    fn a_child_begins_nothing_and_takes_no_lock_of_a_parents_thread() {
        let (runtime, callbacks) = (Runtime::shared().unwrap(), Callbacks::new(Log::new("test", None)));
        let operations = Operations::default();
        let _held = operations.running.borrow();
        assert!(in_child(|| {
            let begun = operations.start(&runtime, &callbacks, async { Ok(()) }, None, |_| ());
            begun.is_err_and(|error| error.kind() == ErrorKind::Forked)
        }));
    }
}
