//! The thread that runs the application's callbacks, so that a slow one stops no socket.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::log::{Level, Log};

type Job = Box<dyn FnOnce() + Send>;

/// Callbacks of one client, one after the other and in order.
pub(crate) struct Callbacks {
    shared: Arc<Shared>,
    log: Log,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// The thread, from the first job to the close.
    thread: Option<ThreadId>,
    running: bool,
    closed: bool,
}

impl Shared {
    /// No callback runs under the lock, so a poisoned one is as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Callbacks {
    pub(crate) fn new(log: Log) -> Callbacks {
        Callbacks { shared: Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() }), log }
    }

    /// Runs `job` on the callback thread, which begins with the first one.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) {
        let mut state = self.shared.state();
        if state.closed && state.thread.is_none() {
            drop(state);
            // After the close nothing may run, but whoever is told has to be told: dropping the job does that.
            return;
        }
        state.jobs.push_back(Box::new(job));
        if state.thread.is_none() {
            let shared = self.shared.clone();
            let log = self.log.clone();
            let begun = thread::Builder::new().name("stargate-callback".into()).spawn(move || serve(&shared, &log));
            match begun {
                Ok(thread) => state.thread = Some(thread.thread().id()),
                Err(error) => self.log.write(Level::Error, &format!("no thread for callbacks: {error}")),
            }
        }
        drop(state);
        self.shared.changed.notify_all();
    }

    fn is_callback_thread(&self) -> bool {
        self.shared.state().thread == Some(thread::current().id())
    }

    /// Waits until every job given before has run; false when the time is over first. On the callback thread itself it
    /// does not wait, and is true.
    pub(crate) fn drain(&self, deadline: Instant) -> bool {
        if self.is_callback_thread() {
            return true;
        }
        let mut state = self.shared.state();
        while state.running || !state.jobs.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Waits until every job given before has run, without holding a thread. On the callback thread itself it does not
    /// wait, since the job that asks is one of them.
    pub(crate) async fn passed(&self) {
        let (done, passed) = oneshot::channel();
        {
            let state = self.shared.state();
            let idle = !state.running && state.jobs.is_empty();
            if idle || state.thread.is_none() || state.thread == Some(thread::current().id()) {
                return;
            }
        }
        self.run(move || {
            let _ = done.send(());
        });
        // A mark that was let go was behind nothing.
        let _ = passed.await;
    }

    /// Lets the thread end when it has run what is there.
    pub(crate) fn close(&self) {
        self.shared.state().closed = true;
        self.shared.changed.notify_all();
    }
}

impl Drop for Callbacks {
    fn drop(&mut self) {
        self.close();
    }
}

fn serve(shared: &Shared, log: &Log) {
    let mut state = shared.state();
    loop {
        if let Some(job) = state.jobs.pop_front() {
            state.running = true;
            drop(state);
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                log.write(Level::Error, "a callback panicked");
            }
            state = shared.state();
            state.running = false;
            shared.changed.notify_all();
        } else if state.closed {
            state.thread = None;
            return;
        } else {
            state =
                shared.changed.wait_timeout(state, Duration::from_secs(60)).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[test]
    fn jobs_run_in_order_on_one_thread_and_a_panic_costs_nothing() {
        let callbacks = Callbacks::new(Log::new("test", None));
        let seen = Arc::new(Mutex::new(Vec::new()));
        for number in 0..10 {
            let seen = seen.clone();
            callbacks.run(move || {
                assert_ne!(number, 3, "on purpose");
                seen.lock().unwrap().push(number);
            });
        }
        assert!(callbacks.drain(soon()));
        assert_eq!(*seen.lock().unwrap(), [0, 1, 2, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn the_mark_passes_after_what_was_given_before() {
        let callbacks = Callbacks::new(Log::new("test", None));
        let (release, blocked) = std::sync::mpsc::channel::<()>();
        callbacks.run(move || {
            let _ = blocked.recv();
        });
        let limit = |millis| Some(Duration::from_millis(millis));
        assert!(crate::runtime::block_on(callbacks.passed(), limit(5)).unwrap().is_err());
        release.send(()).unwrap();
        assert!(crate::runtime::block_on(callbacks.passed(), limit(10_000)).unwrap().is_ok());
    }

    #[test]
    fn draining_gives_up_at_its_deadline() {
        let callbacks = Callbacks::new(Log::new("test", None));
        let (release, blocked) = std::sync::mpsc::channel::<()>();
        callbacks.run(move || {
            let _ = blocked.recv();
        });
        assert!(!callbacks.drain(Instant::now() + Duration::from_millis(5)));
        release.send(()).unwrap();
        assert!(callbacks.drain(soon()));
    }
}
