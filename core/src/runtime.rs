//! The private tokio runtime, one for all clients of the process. It is created with the first client and dropped with
//! the last.

use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use crate::error::{Error, ErrorKind, Result};
use crate::fork::{self, PerProcess};

/// Two threads serve thousands of connections; handlers never run here.
const THREADS: usize = 2;
/// For name look-ups, token files and token suppliers.
const BLOCKING_THREADS: usize = 8;
/// How long an idle thread for blocking work is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(365 * 24 * 3600);
/// How long a thread waits until the others exist.
const START_LIMIT: Duration = Duration::from_secs(2);

/// Created with the first client.
static SHARED: PerProcess<Mutex<Weak<Runtime>>> = PerProcess::new();

thread_local! {
    static IS_IO_THREAD: Cell<bool> = const { Cell::new(false) };
    static IS_BLOCKED: Cell<bool> = const { Cell::new(false) };
}

pub(crate) struct Runtime {
    /// Empty only during the drop.
    tokio: Option<tokio::runtime::Runtime>,
    /// The number of forks that led to its process.
    made_after: u32,
}

impl Runtime {
    /// Returns the runtime of this process.
    pub(crate) fn shared() -> Result<Arc<Runtime>> {
        let mut shared = SHARED.get().lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = shared.upgrade() {
            return Ok(runtime);
        }
        let tokio = start().map_err(|error| {
            let text = "the library's threads could not be started; a limit on threads or descriptors may be reached";
            Error::new(ErrorKind::Internal, text).caused_by(error)
        })?;
        let runtime = Arc::new(Runtime { tokio: Some(tokio), made_after: fork::forks() });
        *shared = Arc::downgrade(&runtime);
        Ok(runtime)
    }

    /// Fails if a fork has happened since: a handle does not work in the child, because its threads and sockets are the
    /// parent's.
    pub(crate) fn check_fork(&self) -> Result<()> {
        fork::check(self.made_after)
    }

    pub(crate) fn handle(&self) -> Option<&Handle> {
        self.tokio.as_ref().map(tokio::runtime::Runtime::handle)
    }

    /// Spawns a task. It is boxed, so that tokio's code for tasks is compiled once and not for each type of task.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(handle) = self.handle() {
            let task: BoxFuture<'static, ()> = Box::pin(task);
            handle.spawn(task);
        }
    }
}

/// Starts tokio with all of its threads, or fails.
fn start() -> io::Result<tokio::runtime::Runtime> {
    // tokio panics if it cannot start a thread. So check first that there are enough.
    try_threads(THREADS + 1)?;
    let barrier = Arc::new(StartBarrier::default());
    let started = catch_unwind(AssertUnwindSafe(|| {
        let waiting = barrier.clone();
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .max_blocking_threads(BLOCKING_THREADS)
            // tokio queues blocking work if it cannot start another thread, but panics if it has none at all. So the
            // one that starts here is kept.
            .thread_keep_alive(KEEP_ALIVE)
            .thread_name("stargate-io")
            .on_thread_start(move || {
                IS_IO_THREAD.set(true);
                waiting.pass();
            })
            .enable_io()
            .enable_time()
            .build()?;
        // Dropped before `tokio` if this unwinds: tokio's drop waits for the threads.
        let _give_up = GiveUpOnDrop(&barrier);
        drop(tokio.handle().spawn_blocking(|| ()));
        barrier.open();
        Ok(tokio)
    }));
    let tokio = started.unwrap_or_else(|_| Err(io::Error::other("the system gives no more threads")))?;
    match barrier.is_open() {
        true => Ok(tokio),
        false => {
            tokio.shutdown_background();
            Err(io::Error::new(io::ErrorKind::TimedOut, "the threads took too long to start"))
        }
    }
}

/// Fails if the system does not provide `count` threads at once.
fn try_threads(count: usize) -> io::Result<()> {
    let released = Arc::new(Mutex::new(()));
    let held = released.lock().unwrap_or_else(PoisonError::into_inner);
    let mut threads = Vec::new();
    let mut outcome = Ok(());
    for _ in 0..count {
        let released = released.clone();
        let waits = move || drop(released.lock());
        match thread::Builder::new().name("stargate-try".into()).stack_size(64 * 1024).spawn(waits) {
            Ok(thread) => threads.push(thread),
            Err(error) => outcome = Err(error),
        }
    }
    drop(held);
    for thread in threads {
        let _ = thread.join();
    }
    outcome
}

/// A barrier where tokio's threads wait until all of them exist. If tokio panics because it cannot start one, the
/// unwinding waits for the existing ones. So these give up after a while, and end.
#[derive(Default)]
struct StartBarrier {
    state: Mutex<Start>,
    changed: Condvar,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Start {
    #[default]
    Waiting,
    Open,
    GivenUp,
}

impl StartBarrier {
    fn pass(&self) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = |state: &mut Start| *state == Start::Waiting;
        let (mut state, _) =
            self.changed.wait_timeout_while(state, START_LIMIT, waiting).unwrap_or_else(PoisonError::into_inner);
        if *state != Start::Open {
            *state = Start::GivenUp;
            drop(state);
            self.changed.notify_all();
            // Ends only this thread, without the report of a panic.
            resume_unwind(Box::new("the runtime could not be started"));
        }
    }

    fn open(&self) {
        self.change(Start::Open);
    }

    /// Changes the state, which is final once open or given up.
    fn change(&self, to: Start) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *state == Start::Waiting {
            *state = to;
        }
        drop(state);
        self.changed.notify_all();
    }

    fn is_open(&self) -> bool {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) == Start::Open
    }
}

struct GiveUpOnDrop<'a>(&'a StartBarrier);

impl Drop for GiveUpOnDrop<'_> {
    fn drop(&mut self) {
        self.0.change(Start::GivenUp);
    }
}

/// Spawns a task on the library's threads, which exist at least until it ends; it must not block. Intended for bindings
/// whose event loops cannot poll. With a client, use [`crate::Client::spawn`], which checks for a fork.
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Result<()> {
    let runtime = Runtime::shared()?;
    let kept = runtime.clone();
    runtime.spawn(async move {
        task.await;
        drop(kept);
    });
    Ok(())
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let Some(tokio) = self.tokio.take() else { return };
        if self.check_fork().is_ok() {
            // Without waiting: the last handle may be dropped on a thread of the runtime itself.
            tokio.shutdown_background();
        } else {
            std::mem::forget(tokio);
        }
    }
}

/// Runs `future` on this thread and returns its output. Returns an error if `timeout` expires first; `None` waits
/// without limit.
///
/// It needs no runtime on the calling thread, and works inside any other runtime. On a thread of the private runtime it
/// would block the very work it waits for, so it is an error there.
pub(crate) fn block_on<T>(
    future: impl Future<Output = T>,
    timeout: Option<std::time::Duration>,
) -> Result<std::result::Result<T, Elapsed>> {
    use std::task::{Context, Poll, Wake, Waker};

    /// The flag keeps the wake-up: a thread has one token to unpark, and a wait inside the future may take it.
    struct Unpark {
        thread: thread::Thread,
        woken: AtomicBool,
    }
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.woken.store(true, Ordering::Release);
            self.thread.unpark();
        }
    }

    let deadline = timeout.and_then(|timeout| std::time::Instant::now().checked_add(timeout));
    let mut future = std::pin::pin!(future);
    let unpark = Arc::new(Unpark { thread: thread::current(), woken: AtomicBool::new(false) });
    let waker = Waker::from(unpark.clone());
    let mut cx = Context::from_waker(&waker);
    if IS_IO_THREAD.get() {
        return Err(Error::new(
            ErrorKind::WouldDeadlock,
            "a blocking call on a thread of the library's runtime would wait for itself; use the async form",
        ));
    }
    let _blocked = Blocked(IS_BLOCKED.replace(true));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Ok(Ok(output));
        }
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(std::time::Instant::now()));
            match left {
                Some(Duration::ZERO) => return Ok(Err(Elapsed)),
                _ if unpark.woken.load(Ordering::Acquire) => {}
                Some(left) => thread::park_timeout(left),
                None => thread::park(),
            }
            if unpark.woken.swap(false, Ordering::AcqRel) {
                break;
            }
        }
    }
}

/// Restores what [`is_blocked`] said before.
struct Blocked(bool);

impl Drop for Blocked {
    fn drop(&mut self) {
        IS_BLOCKED.set(self.0);
    }
}

/// Returns whether the calling thread is in [`block_on`], and does nothing else until that ends.
pub(crate) fn is_blocked() -> bool {
    IS_BLOCKED.get()
}

/// Returns whether the calling thread is one of the library's runtime.
pub(crate) fn is_io_thread() -> bool {
    IS_IO_THREAD.get()
}

/// Returns the moment after `timeout` from now. A timeout too long to represent means without limit.
pub(crate) fn deadline_in(timeout: std::time::Duration) -> std::time::Instant {
    const LONG: std::time::Duration = std::time::Duration::from_secs(100 * 365 * 24 * 3600);
    std::time::Instant::now() + timeout.min(LONG)
}

/// Runs work that may block, on a thread of the runtime intended for it, where [`block_on`] is allowed.
pub(crate) fn may_block<T>(work: impl FnOnce() -> T) -> T {
    let before = IS_IO_THREAD.replace(false);
    let done = work();
    IS_IO_THREAD.set(before);
    done
}

/// The timeout of [`block_on`] has expired.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Elapsed;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_share_a_runtime_that_goes_with_the_last() {
        let first = Runtime::shared().unwrap();
        let second = Runtime::shared().unwrap();
        assert!(Arc::ptr_eq(&first, &second));
    }

    #[test]
    fn a_thread_that_is_not_let_through_gives_up_and_so_do_the_others() {
        let barrier = Arc::new(StartBarrier::default());
        drop(GiveUpOnDrop(&barrier));
        let passing = barrier.clone();
        assert!(thread::spawn(move || passing.pass()).join().is_err());
        barrier.open();
        assert!(!barrier.is_open());
    }

    #[test]
    fn waiting_ends_with_the_timeout() {
        assert_eq!(block_on(std::future::pending::<()>(), Some(Duration::from_millis(5))).unwrap(), Err(Elapsed));
        assert_eq!(block_on(async { 3 }, None).unwrap(), Ok(3));
    }

    #[test]
    fn a_wait_inside_of_another_does_not_take_its_wake_up() {
        use std::task::Poll;

        let mut polls = 0;
        let outer = std::future::poll_fn(|cx| {
            polls += 1;
            if polls > 1 {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            // Parks with the token of the wake-up above.
            let inner = block_on(std::future::pending::<()>(), Some(Duration::from_millis(5)));
            assert_eq!(inner.unwrap(), Err(Elapsed));
            Poll::Pending
        });
        let begun = std::time::Instant::now();
        assert_eq!(block_on(outer, Some(Duration::from_secs(10))).unwrap(), Ok(()));
        assert!(begun.elapsed() < Duration::from_secs(5), "its own wake-up did not end it");
    }

    #[test]
    fn waiting_on_a_runtime_thread_is_an_error_and_not_a_deadlock() {
        let runtime = Runtime::shared().unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            let _ = sender.send(block_on(std::future::pending::<()>(), None).map(|_| ()));
        });
        let error = receiver.recv().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldDeadlock);
    }
}
