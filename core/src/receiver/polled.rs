//! Handlers of a client whose callbacks are polled: they run on the thread that polls, and on no thread of the library.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::inbox::Inbox;
use super::processors::{Handler, decide};
use crate::client::inner::ClientInner;
use crate::error::Result;
use crate::log::{Level, Log};
use crate::outcome::Settle;

/// The handlers of one consumer or reader.
#[derive(Clone)]
pub(crate) struct PolledProcessors {
    all: Vec<Arc<dyn LetGo>>,
}

trait LetGo: Send + Sync {
    /// Drops the handler, unless it is running.
    fn let_go(&self);
}

struct Processor<H, I> {
    /// The handler, until it is dropped, and the function that created it, whose state the handler may use.
    handler: Mutex<Option<(H, Arc<I>)>>,
    log: Log,
}

impl<H: Send, I: Send + Sync> LetGo for Processor<H, I> {
    fn let_go(&self) {
        let Ok(mut handler) = self.handler.try_lock() else { return };
        let taken = handler.take();
        drop(handler);
        if catch_unwind(AssertUnwindSafe(|| drop(taken))).is_err() {
            self.log.write(Level::Error, "the handler panicked when it was dropped");
        }
    }
}

/// The maximum number of messages that one processor has scheduled at a time; more would only make a close wait longer.
const AT_ONCE: usize = 16;

impl PolledProcessors {
    /// Creates `count` handlers on this thread, and runs their messages as callbacks of the client.
    pub(crate) fn start<H: Handler + Send>(
        client: &Arc<ClientInner>,
        inbox: &Arc<Inbox>,
        count: usize,
        init: impl Fn(usize) -> Result<H> + Send + Sync + 'static,
        settle: &Settle,
        log: &Log,
    ) -> Result<PolledProcessors> {
        let init = Arc::new(init);
        let mut made = Vec::new();
        for number in 0..count {
            let handler = init(number)?;
            made.push(Processor { handler: Mutex::new(Some((handler, init.clone()))), log: log.clone() });
        }
        let mut all: Vec<Arc<dyn LetGo>> = Vec::new();
        for (number, processor) in made.into_iter().enumerate() {
            let processor = Arc::new(processor);
            all.push(processor.clone());
            client.runtime.spawn(serve(
                client.clone(),
                inbox.clone(),
                number % inbox.lanes(),
                processor,
                settle.clone(),
            ));
        }
        Ok(PolledProcessors { all })
    }

    /// Drops the handlers; one that is running is dropped when it has returned.
    pub(crate) fn let_go(&self) {
        self.all.iter().for_each(|processor| processor.let_go());
    }
}

/// Schedules the messages of a lane as callbacks, some at a time and in order, until there are no more.
async fn serve<H: Handler + Send, I: Send + Sync + 'static>(
    client: Arc<ClientInner>,
    inbox: Arc<Inbox>,
    lane: usize,
    processor: Arc<Processor<H, I>>,
    settle: Settle,
) {
    while let Ok(messages) = inbox.take(lane, AT_ONCE).await {
        let mut last = None;
        for message in messages {
            let (done, handled) = oneshot::channel();
            let (inbox, processor, settle) = (inbox.clone(), processor.clone(), settle.clone());
            client.callbacks.run(move || {
                let mut handler = processor.handler.lock().unwrap_or_else(PoisonError::into_inner);
                // Without a handler the broker redelivers the message to another consumer.
                if let Some((handler, _)) = handler.as_mut() {
                    let outcome = decide(handler, &message, &inbox, &processor.log);
                    settle(&message, outcome);
                }
                let _ = done.send(());
            });
            last = Some(handled);
        }
        if let Some(handled) = last {
            // A callback is dropped without running if the client is closed; the next take fails then.
            let _ = handled.await;
        }
    }
    client.callbacks.run(move || processor.let_go());
}
