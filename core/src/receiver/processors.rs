//! The threads that run a handler: each has its own state, and takes one message at a time.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::watch;

use super::inbox::Inbox;
use crate::error::{Error, ErrorKind, Result};
use crate::log::{Level, Log};
use crate::message::Message;
use crate::outcome::{Outcome, Settle};
use crate::runtime::block_on;

/// The result of a handler. An error is logged, and its message negatively acknowledged.
pub type HandlerResult = std::result::Result<Outcome, Box<dyn std::error::Error + Send + Sync>>;

/// Handles the messages of one processor. Closures of the shape `FnMut(&Message) -> HandlerResult` implement it.
///
/// A handler runs on a thread of its own and may block. It is created on that thread, and dropped there.
pub trait Handler: 'static {
    /// Handles one message.
    fn handle(&mut self, message: &Message) -> HandlerResult;
}

impl<F: FnMut(&Message) -> HandlerResult + 'static> Handler for F {
    fn handle(&mut self, message: &Message) -> HandlerResult {
        self(message)
    }
}

/// The running processors of one handle.
pub(crate) struct Processors {
    /// How many threads have not ended.
    running: watch::Sender<usize>,
    /// Distinguishes the threads of this handle from all others.
    id: usize,
    go: watch::Sender<bool>,
}

thread_local! {
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

impl Processors {
    /// Starts `count` threads on `inbox`, and waits until each has created its handler. They start to take messages
    /// with [`Processors::begin`].
    pub(crate) fn start<H: Handler>(
        inbox: &Arc<Inbox>,
        count: usize,
        init: impl Fn(usize) -> Result<H> + Send + Sync + 'static,
        settle: Settle,
        log: &Log,
    ) -> Result<Processors> {
        let init = Arc::new(init);
        let (ready, all_ready) = std::sync::mpsc::channel::<Result<()>>();
        // No thread takes a message before every handler was created: if one fails, no message has been taken.
        let go = watch::Sender::new(false);
        let running = watch::Sender::new(0);
        let id = Arc::as_ptr(inbox) as usize;
        let mut failed = None;
        for processor in 0..count {
            let (inbox, init, settle, log) = (inbox.clone(), init.clone(), settle.clone(), log.clone());
            let (ready, done, mut told) = (ready.clone(), running.clone(), go.subscribe());
            running.send_modify(|count| *count += 1);
            let body = move || {
                CURRENT.set(id);
                let mut all_made = || {
                    // If they never begin, the sender is dropped.
                    let told = block_on(told.wait_for(|go| *go), None);
                    told.is_ok_and(|told| told.is_ok_and(|told| told.is_ok()))
                };
                serve(processor, &inbox, &*init, &settle, &log, &ready, &mut all_made);
                // The application's objects are dropped before the end of the thread is reported.
                drop((init, settle));
                done.send_modify(|count| *count -= 1);
            };
            if let Err(error) = thread::Builder::new().name(format!("stargate-{processor}")).spawn(body) {
                running.send_modify(|count| *count -= 1);
                failed = Some(Error::new(ErrorKind::Internal, "no thread for a processor").caused_by(error));
                break;
            }
        }
        drop(ready);
        let failed = failed.or_else(|| all_ready.iter().take(count).find_map(Result::err));
        failed.map_or(Ok(Processors { running, id, go }), Err)
    }

    /// Lets the handlers begin.
    pub(crate) fn begin(&self) {
        self.go.send_replace(true);
    }

    /// Returns whether the calling thread is one of these processors.
    pub(crate) fn is_current(&self) -> bool {
        CURRENT.get() == self.id
    }

    /// Waits until every thread has ended; the queue must be closed first.
    pub(crate) fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut running = self.running.subscribe();
        async move {
            // A closed channel also means that no threads are left.
            let _ = running.wait_for(|count| *count == 0).await;
        }
    }
}

fn serve<H: Handler>(
    processor: usize,
    inbox: &Inbox,
    init: &(impl Fn(usize) -> Result<H> + Send + Sync),
    settle: &Settle,
    log: &Log,
    ready: &std::sync::mpsc::Sender<Result<()>>,
    all_made: &mut dyn FnMut() -> bool,
) {
    let made = catch_unwind(AssertUnwindSafe(|| init(processor)));
    let made = made.unwrap_or_else(|panic| {
        Err(Error::new(ErrorKind::Internal, format!("the handler's init panicked: {}", panic_text(&*panic))))
    });
    let mut handler = match made {
        Ok(handler) => handler,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    let _ = ready.send(Ok(()));
    let lane = processor % inbox.lanes();
    let begin = all_made();
    // One at a time, so that a slow processor holds no message that another could process.
    while begin && let Ok(Ok(Ok(messages))) = block_on(inbox.take(lane, 1), None) {
        for message in messages {
            let outcome = decide(&mut handler, &message, inbox, log);
            settle(&message, outcome);
        }
    }
    if catch_unwind(AssertUnwindSafe(|| drop(handler))).is_err() {
        log.write(Level::Error, "the handler panicked when it was dropped");
    }
}

/// Runs a handler on a message. If the handler fails, its message is negatively acknowledged, and nothing else is
/// affected.
pub(crate) fn decide(handler: &mut impl Handler, message: &Message, inbox: &Inbox, log: &Log) -> Outcome {
    let why = match catch_unwind(AssertUnwindSafe(|| handler.handle(message))) {
        Ok(Ok(outcome)) => return outcome,
        Ok(Err(error)) => format!("the handler failed on message {}: {error}", message.id()),
        Err(panic) => format!("the handler panicked on message {}: {}", message.id(), panic_text(&*panic)),
    };
    log.write(Level::Error, &why);
    inbox.count_handler_error();
    Outcome::Nack
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no text)")
}

/// Waits for the handlers of a close, for at most `limit`; returns whether they ended.
pub(crate) async fn ended_within(processors: &Processors, runtime: &tokio::runtime::Handle, limit: Duration) -> bool {
    let sleep = {
        let _inside = runtime.enter();
        tokio::time::timeout(limit, processors.ended())
    };
    sleep.await.is_ok()
}
