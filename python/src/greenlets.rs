//! Waiting where greenlets share a thread (gevent, eventlet): a wait that blocked the thread would block all of them,
//! so Python's own patched `select` waits, and runs the others meanwhile.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use stargate_core::Result;

use crate::errors::exception;

/// The longest that one `select` waits.
const LONG: Duration = Duration::from_secs(60);

/// Python's function of a descriptor and seconds; set once, when threads turn out to be greenlets.
static SELECT: OnceLock<Py<PyAny>> = OnceLock::new();

/// Has everything that waits do so in `select(descriptor, seconds)`, which says whether the descriptor can be read.
#[pyfunction]
pub(crate) fn wait_in(select: Py<PyAny>) {
    let _ = SELECT.set(select);
}

/// Returns whether threads are greenlets.
pub(crate) fn are_used() -> bool {
    SELECT.get().is_some()
}

/// Waits until a descriptor is readable, at most for `limit`; returns whether it is.
pub(crate) fn readable(py: Python<'_>, descriptor: i32, limit: Duration) -> PyResult<bool> {
    match SELECT.get() {
        Some(select) => select.call1(py, (descriptor, limit.min(LONG).as_secs_f64()))?.extract(py),
        None => Ok(false),
    }
}

/// Wakes a greenlet from another thread.
struct WakePipe {
    write_end: UnixStream,
    read_end: UnixStream,
}

impl WakePipe {
    fn new() -> std::io::Result<WakePipe> {
        let (write_end, read_end) = UnixStream::pair()?;
        write_end.set_nonblocking(true)?;
        read_end.set_nonblocking(true)?;
        Ok(WakePipe { write_end, read_end })
    }

    fn drain(&self) {
        let _ = (&self.read_end).read(&mut [0; 64]);
    }
}

impl Wake for WakePipe {
    fn wake(self: Arc<Self>) {
        // A full pipe wakes it already.
        let _ = (&self.write_end).write(&[0]);
    }
}

/// Runs a future of the core until it is done, or until `deadline`; then the answer is `None`.
pub(crate) fn wait<T: Send>(
    py: Python<'_>,
    future: impl Future<Output = Result<T>> + Send,
    deadline: Option<Instant>,
) -> PyResult<Option<T>> {
    // On the heap: the stack of a greenlet that waits is moved away, and other threads may point into the future.
    let mut future = Box::pin(future);
    let pipe = Arc::new(WakePipe::new()?);
    let waker = Waker::from(pipe.clone());
    loop {
        pipe.drain();
        match py.detach(|| future.as_mut().poll(&mut Context::from_waker(&waker))) {
            Poll::Ready(outcome) => return outcome.map(Some).map_err(|error| exception(py, &error)),
            Poll::Pending => {}
        }
        let left = deadline.map_or(LONG, |deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return Ok(None);
        }
        readable(py, pipe.read_end.as_raw_fd(), left)?;
    }
}
