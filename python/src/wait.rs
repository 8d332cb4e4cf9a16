//! Waiting: detached from the interpreter, and in slices, so that Ctrl-C ends it.

use std::pin::pin;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use stargate_core::{ErrorKind, Result, blocking};

use crate::errors::{exception, invalid, timeout as timed_out};
use crate::greenlets;

/// How long a signal may go unnoticed.
pub(crate) const SLICE: Duration = Duration::from_millis(50);

/// Runs a future of the core until it is done, or for `limit`; then the answer is `None`.
///
/// A signal handler that raises, as that of Ctrl-C does, ends the wait with its exception, and the future is dropped.
pub(crate) fn wait_within<T: Send>(
    py: Python<'_>,
    future: impl Future<Output = Result<T>> + Send,
    limit: Option<Duration>,
) -> PyResult<Option<T>> {
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    if greenlets::are_used() {
        return greenlets::wait(py, future, deadline);
    }
    // The outer result is that of the slice, the inner one that of the operation.
    let mut future = pin!(async { Ok(future.await) });
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let slice = left.map_or(SLICE, |left| left.min(SLICE));
        match py.detach(|| blocking::wait(future.as_mut(), Some(slice))) {
            Ok(outcome) => return outcome.map(Some).map_err(|error| exception(py, &error)),
            Err(error) if error.kind() == ErrorKind::Timeout => {}
            Err(error) => return Err(exception(py, &error)),
        }
        py.check_signals()?;
        if left.is_some_and(|left| left <= SLICE) {
            return Ok(None);
        }
    }
}

/// As [`wait_within`], on a thread of Python that no signal reaches: not in slices.
pub(crate) fn doze<T: Send>(
    py: Python<'_>,
    future: impl Future<Output = Result<T>> + Send,
    limit: Duration,
) -> PyResult<Option<T>> {
    if greenlets::are_used() {
        return greenlets::wait(py, future, Instant::now().checked_add(limit));
    }
    match py.detach(|| blocking::wait(async { Ok(future.await) }, Some(limit))) {
        Ok(outcome) => outcome.map(Some).map_err(|error| exception(py, &error)),
        Err(_) => Ok(None),
    }
}

/// As [`wait_within`], for operations that end by themselves.
pub(crate) fn wait<T: Send>(py: Python<'_>, future: impl Future<Output = Result<T>> + Send) -> PyResult<T> {
    let done = wait_within(py, future, None)?;
    done.ok_or_else(|| invalid(py, "a wait without a limit ended without an outcome"))
}

/// As [`wait_within`], for `timeout` seconds of Python. The exception when they are over names `operation` and `topic`.
pub(crate) fn wait_seconds<T: Send>(
    py: Python<'_>,
    future: impl Future<Output = Result<T>> + Send,
    timeout: Option<f64>,
    operation: &str,
    topic: &str,
) -> PyResult<T> {
    let limit = limit(py, timeout)?;
    wait_within(py, future, limit)?.ok_or_else(|| timed_out(py, operation, topic, limit))
}

/// Seconds as Python gives them; `None` waits without limit.
pub(crate) fn limit(py: Python<'_>, seconds: Option<f64>) -> PyResult<Option<Duration>> {
    let Some(seconds) = seconds else { return Ok(None) };
    if seconds == f64::INFINITY {
        return Ok(None);
    }
    let duration = Duration::try_from_secs_f64(seconds);
    duration.map(Some).map_err(|_| invalid(py, &format!("timeout: expected seconds of 0 or more, got {seconds}")))
}

/// The longest time that is counted; added to now it does not overflow.
const LONG: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Seconds for a close, which always has a limit.
pub(crate) fn close_limit(py: Python<'_>, seconds: f64) -> PyResult<Duration> {
    limit(py, Some(seconds)).map(|limit| limit.map_or(LONG, |limit| limit.min(LONG)))
}
