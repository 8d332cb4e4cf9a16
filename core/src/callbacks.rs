//! Where the application's callbacks run, so that a slow one stops no socket: on a thread of their own, or wherever the
//! application polls for them.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};

use crate::error::{Error, ErrorKind, Result};
use crate::fork;
use crate::log::{Level, Log};
use crate::runtime;

/// What runs once.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Callbacks of one client, one after the other and in order.
pub(crate) struct Callbacks {
    shared: Arc<Shared>,
    /// The thread was started.
    begun: AtomicBool,
    /// The number of forks that led to its process.
    made_after: u32,
    log: Log,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Wakes those in [`Callbacks::passed`] when a thread has polled.
    polled: Notify,
    /// Where the application polls: what its event loop waits for. Otherwise there is a thread.
    wake_fd: Option<WakeFd>,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// The thread, from the first job to the close; or the one that polls, while it does.
    thread: Option<ThreadId>,
    /// The thread on which the application polled last.
    poller: Option<ThreadId>,
    running: bool,
    closed: bool,
    /// How many jobs are still to come, even after the close.
    promised: usize,
}

impl State {
    /// Whether nothing is left to run, now and later.
    fn is_over(&self) -> bool {
        self.closed && self.jobs.is_empty() && self.promised == 0
    }
}

impl Shared {
    /// No callback runs under the lock, so a poisoned one is as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the application that there is nothing left to poll for: its next poll says so.
    fn tell_end(&self, state: &State) {
        if let Some(wake_fd) = self.wake_fd.as_ref().filter(|_| state.is_over()) {
            wake_fd.signal();
        }
    }

    /// Queues jobs, and tells the application if it polls and had nothing to poll for.
    fn queue(&self, state: &mut State, jobs: impl IntoIterator<Item = Job>) {
        let idle = state.jobs.is_empty();
        state.jobs.extend(jobs);
        if let Some(wake_fd) = self.wake_fd.as_ref().filter(|_| idle) {
            wake_fd.signal();
        }
    }
}

impl Callbacks {
    pub(crate) fn new(log: Log) -> Callbacks {
        Callbacks::with(log, None)
    }

    /// Callbacks that run in [`Callbacks::poll`] only.
    pub(crate) fn polled(log: Log) -> Result<Callbacks> {
        Ok(Callbacks::with(log, Some(WakeFd::new()?)))
    }

    fn with(log: Log, wake_fd: Option<WakeFd>) -> Callbacks {
        let shared = Shared { state: Mutex::default(), changed: Condvar::new(), polled: Notify::new(), wake_fd };
        Callbacks { shared: Arc::new(shared), begun: AtomicBool::new(false), made_after: fork::forks(), log }
    }

    pub(crate) fn is_polled(&self) -> bool {
        self.shared.wake_fd.is_some()
    }

    /// Readable while there is something to poll for.
    #[cfg(unix)]
    pub(crate) fn fd(&self) -> Option<std::os::fd::RawFd> {
        self.shared.wake_fd.as_ref().map(WakeFd::fd)
    }

    /// Runs the callbacks that are due, on this thread, and waits for the first of them until `deadline` (`None`: without
    /// limit); how many ran. What becomes due meanwhile is for the next time, so that this ends.
    pub(crate) fn poll(&self, deadline: Option<Instant>) -> Result<usize> {
        self.shared.state().poller = Some(thread::current().id());
        self.serve(deadline)
    }

    /// As [`Callbacks::poll`], but for a caller that waits for callbacks, on any thread.
    pub(crate) fn serve(&self, deadline: Option<Instant>) -> Result<usize> {
        let Some(wake_fd) = &self.shared.wake_fd else {
            return Err(Error::invalid(
                "the client runs its callbacks on a thread; polling them is an option of its own",
            ));
        };
        let mut state = self.shared.state();
        if state.thread == Some(thread::current().id()) {
            let inside = "polling in a callback would wait for that callback";
            return Err(Error::new(ErrorKind::WouldDeadlock, inside));
        }
        while state.thread.is_some() || state.jobs.is_empty() {
            if state.is_over() {
                return Err(Error::closed());
            }
            state = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return Ok(0),
                Some(left) => self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        state.thread = Some(thread::current().id());
        let due = state.jobs.len();
        state = run_due(&self.shared, state, &self.log);
        state.thread = None;
        if state.jobs.is_empty() && !state.is_over() {
            wake_fd.clear();
        }
        drop(state);
        self.shared.changed.notify_all();
        self.shared.polled.notify_waiters();
        Ok(due)
    }

    /// Runs `job` on the callback thread, which begins with the first one, or where the application polls.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) {
        self.run_all(&mut vec![Box::new(job)]);
    }

    /// Runs all of them, in their order, as [`Callbacks::run`] does one.
    pub(crate) fn run_all(&self, jobs: &mut Vec<Job>) {
        if jobs.is_empty() {
            return;
        }
        let mut state = self.shared.state();
        if state.is_over() && state.thread.is_none() {
            drop(state);
            // After the close no job may run. Dropping a job reports that to its caller.
            jobs.clear();
            return;
        }
        self.shared.queue(&mut state, jobs.drain(..));
        if !self.is_polled()
            && let Err(error) = self.start_thread(&mut state)
        {
            // Only where nobody made sure of the thread. The jobs stay, and the next one tries again.
            self.log.write(Level::Error, &error.to_string());
        }
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Makes sure that callbacks can run, before anything is accepted that ends with one.
    pub(crate) fn begin(&self) -> Result<()> {
        if self.is_polled() || self.begun.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut state = self.shared.state();
        if state.closed { Ok(()) } else { self.start_thread(&mut state) }
    }

    /// Promises one job, which runs even if the client is closed in the meantime.
    pub(crate) fn promise(&self) -> Result<Promise> {
        let mut state = self.shared.state();
        if !self.is_polled() {
            self.start_thread(&mut state)?;
        }
        state.promised += 1;
        Ok(Promise { shared: self.shared.clone() })
    }

    /// The thread lives from now to the close; after the close, until what was promised has run.
    fn start_thread(&self, state: &mut State) -> Result<()> {
        if state.thread.is_some() {
            return Ok(());
        }
        let (shared, log) = (self.shared.clone(), self.log.clone());
        let started = thread::Builder::new().name("stargate-callback".into()).spawn(move || serve(&shared, &log));
        let thread = started.map_err(|error| {
            let text = "the thread for callbacks could not be started; a limit on threads may be reached";
            Error::new(ErrorKind::Internal, text).caused_by(error)
        })?;
        state.thread = Some(thread.thread().id());
        self.begun.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the calling thread runs a callback now.
    pub(crate) fn is_callback_thread(&self) -> bool {
        self.shared.state().thread == Some(thread::current().id())
    }

    /// Whether no callback would run while the calling thread waits: it runs one now, or is blocked and the one that
    /// polls.
    pub(crate) fn wait_for_caller(&self) -> bool {
        let (state, caller) = (self.shared.state(), Some(thread::current().id()));
        state.thread == caller || self.is_polled() && state.poller == caller && runtime::is_blocked()
    }

    /// Waits until every job given before has run, without holding a thread. On the callback thread itself it does not
    /// wait, since the job that asks is one of them. Polled callbacks it runs itself, unless another thread does. A
    /// thread of the library never runs them, and waits until the application has polled them.
    pub(crate) async fn passed(&self) {
        let serves = self.is_polled() && !runtime::is_io_thread();
        let (done, mut passed) = oneshot::channel();
        {
            let state = self.shared.state();
            let idle = !state.running && state.jobs.is_empty();
            if idle || state.thread == Some(thread::current().id()) {
                return;
            }
        }
        self.run(move || {
            let _ = done.send(());
        });
        loop {
            let polled = self.shared.polled.notified();
            if serves {
                // Once: this runs the mark, and what becomes due meanwhile is behind it.
                let _ = self.serve(Some(Instant::now()));
            }
            tokio::select! {
                biased;
                // The mark has run, or was dropped because nothing runs any more.
                _ = &mut passed => return,
                // The mark came too late for that poll, which may have been the last.
                () = polled => {}
            }
        }
    }

    /// Lets the thread end when it has run what is there.
    pub(crate) fn close(&self) {
        let mut state = self.shared.state();
        state.closed = true;
        self.shared.tell_end(&state);
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl Drop for Callbacks {
    fn drop(&mut self) {
        // A thread that does not exist in a child may hold the lock.
        if fork::check(self.made_after).is_ok() {
            self.close();
        }
    }
}

/// A job that is still to come.
pub(crate) struct Promise {
    shared: Arc<Shared>,
}

impl Promise {
    /// Runs the promised job where the callbacks run.
    pub(crate) fn keep(self, job: impl FnOnce() + Send + 'static) {
        let job: Job = Box::new(job);
        self.shared.queue(&mut self.shared.state(), [job]);
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.promised -= 1;
        self.shared.tell_end(&state);
        drop(state);
        self.shared.changed.notify_all();
    }
}

/// Runs the jobs that are due now, without the lock.
fn run_due<'a>(shared: &'a Shared, mut state: MutexGuard<'a, State>, log: &Log) -> MutexGuard<'a, State> {
    state.running = true;
    let due = std::mem::take(&mut state.jobs);
    drop(state);
    for job in due {
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            log.write(Level::Error, "a callback panicked");
        }
    }
    state = shared.state();
    state.running = false;
    state
}

/// A descriptor that is readable while jobs wait. All of this happens under the lock of the state.
struct WakeFd {
    #[cfg(unix)]
    ends: (std::os::unix::net::UnixStream, std::os::unix::net::UnixStream),
}

#[cfg(unix)]
impl WakeFd {
    fn new() -> Result<WakeFd> {
        let make = || {
            let ends = std::os::unix::net::UnixStream::pair()?;
            ends.0.set_nonblocking(true)?;
            ends.1.set_nonblocking(true)?;
            Ok(WakeFd { ends })
        };
        make().map_err(|error: std::io::Error| {
            Error::new(ErrorKind::Internal, "no descriptor to poll callbacks by").caused_by(error)
        })
    }

    fn fd(&self) -> std::os::fd::RawFd {
        std::os::fd::AsRawFd::as_raw_fd(&self.ends.0)
    }

    fn signal(&self) {
        // Full means that it rings already.
        let _ = std::io::Write::write(&mut &self.ends.1, &[1]);
    }

    fn clear(&self) {
        let mut signals = [0; 64];
        while matches!(std::io::Read::read(&mut &self.ends.0, &mut signals), Ok(1..)) {}
    }
}

#[cfg(not(unix))]
impl WakeFd {
    fn new() -> Result<WakeFd> {
        Err(Error::invalid("callbacks can be polled on Unix only"))
    }

    fn signal(&self) {}

    fn clear(&self) {}
}

fn serve(shared: &Shared, log: &Log) {
    let mut state = shared.state();
    loop {
        if !state.jobs.is_empty() {
            state = run_due(shared, state, log);
        } else if state.is_over() {
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
    use std::mem::ManuallyDrop;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    /// Whether all that was given before has run within a time.
    fn passed_within(callbacks: &Callbacks, limit: Duration) -> bool {
        crate::runtime::block_on(callbacks.passed(), Some(limit)).unwrap().is_ok()
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
        assert!(passed_within(&callbacks, Duration::from_secs(60)));
        assert_eq!(*seen.lock().unwrap(), [0, 1, 2, 4, 5, 6, 7, 8, 9]);
    }

    /// A loop that sleeps on the descriptor would wait forever otherwise.
    #[cfg(unix)]
    #[test]
    fn a_loop_is_woken_for_the_end() {
        let signalled = |callbacks: &Callbacks| {
            let wake_fd = callbacks.shared.wake_fd.as_ref().unwrap();
            matches!(std::io::Read::read(&mut &wake_fd.ends.0, &mut [0; 64]), Ok(1..))
        };
        let callbacks = Callbacks::polled(Log::new("test", None)).unwrap();
        let promise = callbacks.promise().unwrap();
        callbacks.close();
        assert!(!signalled(&callbacks), "a job is still to come");
        callbacks.shared.queue(&mut callbacks.shared.state(), [Box::new(|| ()) as Job]);
        assert_eq!(callbacks.poll(Some(soon())).unwrap(), 1);
        assert!(!signalled(&callbacks));
        drop(promise);
        assert!(signalled(&callbacks));
        assert_eq!(callbacks.poll(Some(soon())).unwrap_err().kind(), ErrorKind::Closed);

        let idle = Callbacks::polled(Log::new("test", None)).unwrap();
        idle.close();
        assert!(signalled(&idle));
    }

    #[test]
    fn the_mark_passes_after_what_was_given_before() {
        let callbacks = Callbacks::new(Log::new("test", None));
        let (release, blocked) = std::sync::mpsc::channel::<()>();
        callbacks.run(move || {
            let _ = blocked.recv();
        });
        assert!(!passed_within(&callbacks, Duration::from_millis(5)));
        release.send(()).unwrap();
        assert!(passed_within(&callbacks, Duration::from_secs(60)));
    }

    #[test]
    fn polled_callbacks_run_where_they_are_polled_and_nowhere_else() {
        let callbacks = Callbacks::polled(Log::new("test", None)).unwrap();
        let (sender, ran) = std::sync::mpsc::channel();
        for _ in 0..2 {
            let sender = sender.clone();
            callbacks.run(move || sender.send(thread::current().id()).unwrap());
        }
        assert!(ran.recv_timeout(Duration::from_millis(20)).is_err());
        assert_eq!(callbacks.poll(Some(soon())).unwrap(), 2);
        assert!(ran.try_iter().all(|thread| thread == thread::current().id()));
        assert_eq!(callbacks.poll(Some(Instant::now())).unwrap(), 0);
        callbacks.run(|| {});
        assert!(passed_within(&callbacks, Duration::from_secs(60)));
        callbacks.close();
        assert_eq!(callbacks.poll(None).unwrap_err().kind(), ErrorKind::Closed);
    }

    #[test]
    fn one_that_waits_runs_what_is_due_once_another_thread_has_polled() {
        let callbacks = Arc::new(Callbacks::polled(Log::new("test", None)).unwrap());
        let ((inside, is_inside), (release, blocked)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel::<()>());
        callbacks.run(move || {
            inside.send(()).unwrap();
            let _ = blocked.recv();
        });
        let polling = callbacks.clone();
        let polls = thread::spawn(move || polling.poll(Some(soon())).unwrap());
        is_inside.recv().unwrap();
        let (sender, ran) = std::sync::mpsc::channel();
        callbacks.run(move || sender.send(()).unwrap());
        assert!(!passed_within(&callbacks, Duration::from_millis(5)));
        let releases = thread::spawn(move || {
            thread::sleep(Duration::from_millis(50));
            release.send(()).unwrap();
        });
        assert!(passed_within(&callbacks, Duration::from_secs(10)));
        assert_eq!((ran.try_recv(), polls.join().unwrap()), (Ok(()), 1));
        releases.join().unwrap();
    }

    #[test]
    fn one_that_waits_does_not_wait_for_callbacks_that_cause_the_next() {
        fn again(callbacks: Arc<Callbacks>, runs: Arc<std::sync::atomic::AtomicUsize>) {
            if runs.fetch_add(1, Ordering::SeqCst) < 100 {
                callbacks.clone().run(move || again(callbacks, runs));
            }
        }
        let callbacks = Arc::new(Callbacks::polled(Log::new("test", None)).unwrap());
        let runs = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        again(callbacks.clone(), runs.clone());
        assert!(passed_within(&callbacks, Duration::from_secs(10)));
        assert_eq!(runs.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_promised_job_runs_after_the_close_and_the_poll_ends_after_it() {
        let callbacks = Callbacks::new(Log::new("test", None));
        let promise = callbacks.promise().unwrap();
        callbacks.close();
        let (sender, ran) = std::sync::mpsc::channel();
        let late = callbacks.promise().unwrap();
        let also = sender.clone();
        promise.keep(move || also.send(1).unwrap());
        assert_eq!(ran.recv_timeout(Duration::from_secs(60)), Ok(1));
        late.keep(move || sender.send(2).unwrap());
        assert_eq!(ran.recv_timeout(Duration::from_secs(60)), Ok(2));

        let polled = Callbacks::polled(Log::new("test", None)).unwrap();
        let (kept, dropped) = (polled.promise().unwrap(), polled.promise().unwrap());
        polled.close();
        kept.keep(|| ());
        assert_eq!(polled.poll(Some(soon())).unwrap(), 1);
        assert_eq!(polled.poll(Some(Instant::now())).unwrap(), 0);
        drop(dropped);
        assert_eq!(polled.poll(None).unwrap_err().kind(), ErrorKind::Closed);
    }

    #[test]
    fn a_child_drops_callbacks_without_the_lock_of_a_parents_thread() {
        let callbacks = ManuallyDrop::new(Callbacks::new(Log::new("test", None)));
        let shared = callbacks.shared.clone();
        let _held = shared.state();
        assert!(crate::fork::tests::in_child(|| {
            drop(ManuallyDrop::into_inner(callbacks));
            true
        }));
    }

    #[test]
    fn polling_in_a_callback_is_an_error_and_not_a_deadlock() {
        let callbacks = Arc::new(Callbacks::polled(Log::new("test", None)).unwrap());
        let inner = callbacks.clone();
        callbacks.run(move || assert_eq!(inner.poll(None).unwrap_err().kind(), ErrorKind::WouldDeadlock));
        assert_eq!(callbacks.poll(Some(soon())).unwrap(), 1);
    }
}
