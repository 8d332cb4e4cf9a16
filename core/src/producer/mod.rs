//! The producer: accepts messages, keeps a bounded number in flight, and completes each exactly once.

mod open;
mod sink;

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use crate::client::inner::{Child, ClientInner};
use crate::driver::{CommandSender, SessionCommand};
use crate::encryption::Sealer;
use crate::error::{Error, ErrorKind, Result};
use crate::message::{OutgoingMessage, Receipt};
use crate::operations::{Operations, within};
use crate::options::WhenFull;
use crate::proto::frame::OpenFrame;
use crate::proto::producer::Command;
use crate::runtime::deadline_in;
use crate::stats::{Counters, Stats};
use crate::status::{self, Status};
use crate::topic::TopicName;

/// Sends messages to one topic. Cheap to clone. When the last clone is dropped without [`Producer::close`], messages in
/// flight complete with [`ErrorKind::OutcomeUnknown`].
#[derive(Clone)]
pub struct Producer {
    inner: Arc<Inner>,
}

struct Inner {
    client: Arc<ClientInner>,
    topic: Arc<TopicName>,
    commands: CommandSender<Command<Ticket, Room>>,
    status: [watch::Receiver<Status>; 1],
    messages: Arc<Semaphore>,
    /// The bound in bytes, in units of [`BYTES_UNIT`].
    bytes: Arc<Semaphore>,
    bytes_units: u32,
    when_full: WhenFull,
    send_timeout: Option<Duration>,
    /// How many messages wait for their callbacks, which release their slots.
    callbacks_due: Arc<AtomicUsize>,
    max_frame: usize,
    /// Encrypts payloads; only with end-to-end encryption.
    sealer: Option<Sealer>,
    begun: Instant,
    counters: Arc<Counters>,
    operations: Operations,
    /// Whether a close has reported unfinished messages already; later ones do not repeat it.
    told_left: AtomicBool,
}

/// The shortest wait for room. A send that does not wait at all has another error.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// The unit of the bound in bytes: a semaphore grants at most `u32::MAX` permits at once.
const BYTES_UNIT: usize = 1024;

/// What the producer keeps of a message, or of a flush, until it completes.
enum Ticket {
    Message { completion: Completion, context: Option<String> },
    Flush(oneshot::Sender<Result<()>>),
}

type Room = (OwnedSemaphorePermit, OwnedSemaphorePermit);

/// How long a send may take.
#[derive(Clone, Copy, Default)]
struct Limits {
    /// From the call to the receipt, in place of `send_timeout`.
    whole: Option<Duration>,
    /// For a free slot; zero does not wait.
    room: Option<Duration>,
}

/// Counts a message until its callback begins.
struct CallbackDue(Arc<AtomicUsize>);

impl CallbackDue {
    fn new(count: &Arc<AtomicUsize>) -> CallbackDue {
        count.fetch_add(1, Ordering::Relaxed);
        CallbackDue(count.clone())
    }
}

impl Drop for CallbackDue {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The callback of a message, called when the message has completed.
type SendCallback = Box<dyn FnOnce(DeliveryReport) + Send>;

enum Completion {
    /// With the batch that the message is called back with, if any.
    Future(oneshot::Sender<Result<Receipt>>, Option<Arc<Batch>>),
    /// Runs on the client's callback thread.
    Callback(SendCallback),
    /// Runs on the thread of the connection.
    Inline(SendCallback),
}

/// The slots of messages with one callback, from their completion until that callback begins.
#[derive(Default)]
struct Batch(Mutex<Held>);

#[derive(Default)]
struct Held {
    room: Option<Room>,
    /// Another message of the batch waits for a slot: those that have completed give theirs.
    gives_way: bool,
}

impl Batch {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the slot of a message, or returns it to be released.
    fn keep(&self, room: Option<Room>) -> Option<Room> {
        let mut held = self.held();
        if held.gives_way {
            return room;
        }
        merge(&mut held.room, room);
        None
    }

    fn release(&self) {
        let room = self.held().room.take();
        drop(room);
    }

    fn give_way(&self, gives_way: bool) {
        self.held().gives_way = gives_way;
        if gives_way {
            self.release();
        }
    }
}

/// Merges the permits of two messages.
fn merge(all: &mut Option<Room>, more: Option<Room>) {
    match (all, more) {
        (Some((messages, bytes)), Some(more)) => {
            messages.merge(more.0);
            bytes.merge(more.1);
        }
        (all, more) => *all = all.take().or(more),
    }
}

/// The result of a send with a callback.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeliveryReport {
    /// The receipt, or the error of a message without one.
    pub result: Result<Receipt>,
    /// The context that the application gave the message.
    pub context: Option<String>,
}

/// The future receipt of a message that was accepted. Dropping it does not cancel the message.
pub struct Pending {
    receiver: oneshot::Receiver<Result<Receipt>>,
    topic: Arc<TopicName>,
}

impl Future for Pending {
    type Output = Result<Receipt>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Receipt>> {
        Pin::new(&mut self.receiver).poll(cx).map(|outcome| {
            outcome.unwrap_or_else(|_| Err(status::gone().during("send to").on_topic(&self.topic.to_string())))
        })
    }
}

impl Producer {
    /// Returns the topic.
    pub fn topic(&self) -> &TopicName {
        &self.inner.topic
    }

    /// Sends a message and waits for its receipt.
    ///
    /// The call completes within `send_timeout`, the wait for a free slot included. Dropping the future after its first
    /// poll does not cancel an accepted message.
    pub async fn send(&self, message: impl Into<OutgoingMessage>) -> Result<Receipt> {
        self.enqueue(message).await?.await
    }

    /// Accepts a message, waiting for a free slot, and returns its receipt as a future. Use it to keep many messages in
    /// flight.
    ///
    /// Messages accepted one after the other are stored in that order.
    pub async fn enqueue(&self, message: impl Into<OutgoingMessage>) -> Result<Pending> {
        self.enqueue_in(message.into(), Limits::default(), None).await
    }

    /// As [`Producer::enqueue`], but with a timeout of its own instead of `send_timeout`.
    pub async fn enqueue_within(&self, message: impl Into<OutgoingMessage>, timeout: Duration) -> Result<Pending> {
        self.enqueue_in(message.into(), Limits { whole: Some(timeout), ..Limits::default() }, None).await
    }

    async fn enqueue_in(&self, message: OutgoingMessage, limits: Limits, batch: Option<Arc<Batch>>) -> Result<Pending> {
        let (sender, receiver) = oneshot::channel();
        self.submit(message, Completion::Future(sender, batch), limits).await?;
        Ok(Pending { receiver, topic: self.inner.topic.clone() })
    }

    /// Sends messages in order, many in flight at a time; returns one result for each, in the same order.
    ///
    /// `send_timeout` bounds each message from the moment the producer starts to send it. So while the broker does not
    /// answer, the call takes that long for every `max_pending_msg` messages.
    pub async fn send_all<M: Into<OutgoingMessage>>(
        &self,
        messages: impl IntoIterator<Item = M>,
    ) -> Vec<Result<Receipt>> {
        let mut pending = Vec::new();
        for message in messages {
            pending.push(self.enqueue(message).await);
        }
        join_all(pending.into_iter().map(|accepted| async move {
            match accepted {
                Ok(pending) => pending.await,
                Err(error) => Err(error),
            }
        }))
        .await
    }

    /// Accepts a message, waiting for a free slot, and calls `callback` with its result, exactly once, on the client's
    /// callback thread. If this returns an error, the callback is not called.
    ///
    /// A callback releases the slot of its message. So this does not wait in a callback of the client: without a free
    /// slot it fails there with [`ErrorKind::WouldDeadlock`], and so does every other send while callbacks are due. Nor
    /// does it block the thread that polls the callbacks.
    pub async fn send_with(
        &self,
        message: impl Into<OutgoingMessage>,
        callback: impl FnOnce(DeliveryReport) + Send + 'static,
    ) -> Result<()> {
        self.send_if_room(message, None, callback).await
    }

    /// As [`Producer::send_with`], but waits for a free slot for at most `timeout`, if one is given. Zero does not wait:
    /// without a free slot the call fails with [`ErrorKind::QueueFull`].
    pub async fn send_if_room(
        &self,
        message: impl Into<OutgoingMessage>,
        timeout: Option<Duration>,
        callback: impl FnOnce(DeliveryReport) + Send + 'static,
    ) -> Result<()> {
        let client = &self.inner.client;
        let ready = client.runtime.check_fork().and_then(|()| client.callbacks.begin());
        ready.map_err(|error| self.inner.name(error, "send to"))?;
        let due = CallbackDue::new(&self.inner.callbacks_due);
        let callback = move |sent| {
            drop(due);
            callback(sent);
        };
        let limits = Limits { room: timeout, ..Limits::default() };
        self.submit(message.into(), Completion::Callback(Box::new(callback)), limits).await
    }

    /// Accepts messages in order as long as there is room, and returns how many. Calls `callback` with the results of
    /// these, in order, exactly once, when the last has completed. `timeout` bounds the wait of each for room; with
    /// `None`, `send_timeout` bounds it, and zero does not wait.
    ///
    /// Returns the error of the first message if that is not accepted; the callback is then not called.
    pub async fn send_many_with(
        &self,
        messages: Vec<OutgoingMessage>,
        timeout: Option<Duration>,
        callback: impl FnOnce(Vec<Result<Receipt>>) + Send + 'static,
    ) -> Result<usize> {
        let client = &self.inner.client;
        let ready = client.runtime.check_fork().and_then(|()| client.callbacks.begin());
        ready.map_err(|error| self.inner.name(error, "send to"))?;
        let (mut pending, batch) = (Vec::with_capacity(messages.len()), Arc::new(Batch::default()));
        let limits = Limits { room: timeout, ..Limits::default() };
        for message in messages {
            match self.enqueue_in(message, limits, Some(batch.clone())).await {
                Ok(accepted) => pending.push(accepted),
                Err(error) if pending.is_empty() => return Err(error),
                // The caller sends the others again, and finds the error there.
                Err(_) => break,
            }
        }
        let accepted = pending.len();
        let receipts = async move { Ok(join_all(pending).await) };
        let due = CallbackDue::new(&self.inner.callbacks_due);
        let callback = move |receipts: Result<_>| {
            batch.release();
            drop(due);
            callback(receipts.unwrap_or_else(|error| vec![Err(error); accepted]));
        };
        self.inner.operations.start_to_end(&client.runtime, &client.callbacks, receipts, callback)?;
        Ok(accepted)
    }

    /// As [`Producer::send_with`], but the callback runs on the thread of the connection, and must neither block nor
    /// panic. Made for bindings that have a queue of their own.
    pub async fn send_inline(
        &self,
        message: impl Into<OutgoingMessage>,
        callback: impl FnOnce(DeliveryReport) + Send + 'static,
    ) -> Result<()> {
        self.submit(message.into(), Completion::Inline(Box::new(callback)), Limits::default()).await
    }

    /// As [`Producer::send_inline`], but with a timeout of its own instead of `send_timeout`.
    pub async fn send_inline_within(
        &self,
        message: impl Into<OutgoingMessage>,
        timeout: Duration,
        callback: impl FnOnce(DeliveryReport) + Send + 'static,
    ) -> Result<()> {
        let limits = Limits { whole: Some(timeout), ..Limits::default() };
        self.submit(message.into(), Completion::Inline(Box::new(callback)), limits).await
    }

    /// Waits until there is room for a message whose payload, key and properties have `bytes` together. With the option
    /// `when_full=fail`, call it after [`ErrorKind::QueueFull`] and send again. Another sender may be faster; messages
    /// of several senders that wait so are not kept in order.
    pub async fn wait_room(&self, bytes: usize) -> Result<()> {
        let inner = &*self.inner;
        let name = |error: Error| inner.name(error, "wait for room to send to");
        inner.client.runtime.check_fork().map_err(name)?;
        let ended = |_| name(inner.ended());
        // A frame is longer than its message: base64, JSON and escapes.
        let units = inner.units(bytes.saturating_mul(2).saturating_add(BYTES_UNIT));
        if inner.messages.available_permits() == 0 || inner.bytes.available_permits() < units as usize {
            inner.check_wait().map_err(name)?;
        }
        let _one = inner.messages.acquire().await.map_err(ended)?;
        let _many = inner.bytes.acquire_many(units).await.map_err(ended)?;
        Ok(())
    }

    /// Waits until every message accepted before has completed, with a receipt or an error. The last callbacks of
    /// [`Producer::send_with`] may not have run yet; [`Producer::flush_with`] and [`Producer::close`] wait for those too.
    pub async fn flush(&self) -> Result<()> {
        let fail = |error: Error| error.during("flush").on_topic(&self.inner.topic.to_string());
        self.inner.client.runtime.check_fork().map_err(fail)?;
        let (sender, receiver) = oneshot::channel();
        self.inner
            .commands
            .send(SessionCommand::Role(Command::Flush { ticket: Ticket::Flush(sender) }))
            .map_err(|_| fail(status::gone()))?;
        receiver.await.unwrap_or_else(|_| Err(status::gone())).map_err(fail)
    }

    /// As [`Producer::flush`], but calls `callback` with the result, after those of the messages; with
    /// [`ErrorKind::Timeout`] after `timeout`, if one is given.
    pub fn flush_with(
        &self,
        timeout: Option<Duration>,
        callback: impl FnOnce(Result<()>) + Send + 'static,
    ) -> Result<()> {
        let (inner, flushing) = (&self.inner, self.clone());
        // A close ends what is in flight, and so this too.
        let flush = within(timeout, async move { flushing.flush().await });
        inner.operations.start_to_end(&inner.client.runtime, &inner.client.callbacks, flush, callback)
    }

    /// Runs `operation`, such as a future of this library, on the library's threads. Then calls `callback` with its
    /// result, exactly once, on the client's callback thread. The operation ends with
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) when the producer is closed, and with
    /// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) after `timeout`, if one is given.
    ///
    /// If this returns an error, the callback is not called.
    pub fn complete_with<T: Send + 'static>(
        &self,
        operation: impl Future<Output = Result<T>> + Send + 'static,
        timeout: Option<Duration>,
        callback: impl FnOnce(Result<T>) + Send + 'static,
    ) -> Result<()> {
        let client = &self.inner.client;
        self.inner.operations.start(&client.runtime, &client.callbacks, operation, timeout, callback)
    }

    /// As [`Producer::close`], but calls `callback` with the result, after all its other callbacks.
    pub fn close_with(&self, timeout: Duration, callback: impl FnOnce(Result<()>) + Send + 'static) -> Result<()> {
        let client = &self.inner.client;
        let closing = self.clone();
        let close = async move { closing.close(timeout).await };
        client.operations.start_to_end(&client.runtime, &client.callbacks, close, callback)
    }

    /// Waits until the producer is connected; returns the error that ended it if it cannot connect.
    pub async fn wait_connected(&self) -> Result<()> {
        self.inner.client.runtime.check_fork()?;
        status::connected(&self.inner.status).await.map_err(|error| self.inner.name(error, "connect to"))
    }

    /// Returns whether the producer is connected now.
    pub fn is_connected(&self) -> bool {
        // In a child after a fork, threads of the parent may hold its locks.
        self.inner.client.runtime.check_fork().is_ok() && status::are_connected(&self.inner.status)
    }

    /// Returns the counters.
    pub fn stats(&self) -> Stats {
        self.inner.counters.snapshot()
    }

    /// Accepts no more messages, waits until those in flight have completed, and closes the connection.
    ///
    /// Messages that have not completed within `timeout` complete with an error, and so does this call. After `Ok` no
    /// callback runs any more. It may be called anywhere, and more than once; in a callback of the client it does not
    /// wait for that callback.
    pub async fn close(&self, timeout: Duration) -> Result<()> {
        self.inner.clone().close_within(timeout).await
    }

    /// Returns whether the producer has ended, so that every send would fail.
    pub(crate) fn has_ended(&self) -> bool {
        self.inner.status[0].borrow().ended.is_some()
    }

    /// Waits until the producer has ended; returns the error if it failed, `None` if it was closed.
    pub(crate) async fn failed(&self) -> Option<Error> {
        status::failed(&self.inner.status).await
    }

    async fn submit(&self, mut message: OutgoingMessage, completion: Completion, limits: Limits) -> Result<()> {
        let inner = &*self.inner;
        let name = |error: Error| inner.name(error, "send to");
        inner.client.runtime.check_fork().map_err(name)?;
        let context = message.context.take();
        let payload_bytes = message.payload_len() as u64;
        let frame = match &inner.sealer {
            None => OpenFrame::encode(message, inner.max_frame),
            Some(sealer) => inner.in_time(limits.room, sealer.frame(message, inner.max_frame)).await,
        };
        let frame = frame.map_err(name)?;
        // Without a deadline where the sum overflows: a time that far ahead never comes.
        let whole = limits.whole.or(inner.send_timeout);
        let deadline = whole.and_then(|whole| inner.begun.elapsed().checked_add(whole));
        let batch = match &completion {
            Completion::Future(_, batch) => batch.as_deref(),
            Completion::Callback(_) | Completion::Inline(_) => None,
        };
        let room = self.room(frame.bytes(), Limits { whole, ..limits }, batch).await.map_err(name)?;
        inner.counters.sent_bytes.add(payload_bytes);
        let ticket = Ticket::Message { completion, context };
        inner
            .commands
            .send(SessionCommand::Role(Command::Send { frame, ticket, hold: room, deadline }))
            .map_err(|_| name(status::gone()))
    }

    /// Reserves a slot among the messages in flight, for a message of `batch` if there is one.
    async fn room(&self, bytes: usize, limits: Limits, batch: Option<&Batch>) -> Result<Room> {
        let inner = &*self.inner;
        let units = inner.units(bytes);
        let ended = || inner.ended();
        let closed = |error: tokio::sync::TryAcquireError| match error {
            tokio::sync::TryAcquireError::Closed => Some(ended()),
            tokio::sync::TryAcquireError::NoPermits => None,
        };
        // Reserve both at once, or wait for both in order: no message overtakes one that waits.
        match inner.messages.clone().try_acquire_owned() {
            Ok(one) => match inner.bytes.clone().try_acquire_many_owned(units) {
                Ok(many) => return Ok((one, many)),
                Err(error) => closed(error).map_or(Ok(()), Err)?,
            },
            Err(error) => closed(error).map_or(Ok(()), Err)?,
        }
        if inner.when_full == WhenFull::Fail || limits.room == Some(Duration::ZERO) {
            return Err(no_room(Duration::ZERO));
        }
        inner.check_wait()?;
        let wait = async {
            let one = inner.messages.clone().acquire_owned().await.map_err(|_| ended())?;
            let many = inner.bytes.clone().acquire_many_owned(units).await.map_err(|_| ended())?;
            Ok((one, many))
        };
        let limit = [limits.whole, limits.room].into_iter().flatten().min();
        let give_way = |gives_way| batch.into_iter().for_each(|batch| batch.give_way(gives_way));
        give_way(true);
        let room = inner.in_time(limit.map(|limit| limit.max(SHORTEST_WAIT)), wait).await;
        give_way(false);
        room
    }
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer").field("topic", &self.inner.topic.to_string()).finish_non_exhaustive()
    }
}

/// The error of a message that found no room within `limit`; without any time, the error says that the queue is full.
fn no_room(limit: Duration) -> Error {
    if limit.is_zero() {
        let full = "as many messages are in flight as max_pending_msg or max_pending_bytes allow";
        return Error::new(ErrorKind::QueueFull, full);
    }
    let full = "the time ran out while as many messages were in flight as the bounds allow; it was not sent";
    Error::new(ErrorKind::Timeout, full)
}

impl Inner {
    /// Returns the permits for a frame; one that is larger than the bound waits until nothing else is in flight.
    fn units(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(BYTES_UNIT)).unwrap_or(u32::MAX).min(self.bytes_units)
    }

    /// Returns an error while callbacks are due and wait for this thread: they may hold the room that a send waits for.
    fn check_wait(&self) -> Result<()> {
        if self.callbacks_due.load(Ordering::Relaxed) == 0 || !self.client.callbacks.wait_for_caller() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::WouldDeadlock,
            "as many messages are in flight as max_pending_msg or max_pending_bytes allow, and a send in a callback, \
             or on the thread that polls callbacks, would wait for callbacks that run after it: send with a timeout of \
             0, or on another thread",
        ))
    }

    /// Waits for room, or for a data key, for at most `limit`.
    async fn in_time<T>(&self, limit: Option<Duration>, wait: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(limit) = limit else { return wait.await };
        let timed = {
            let _inside = self.client.runtime.handle().map(|handle| handle.enter());
            tokio::time::timeout(limit, wait)
        };
        timed.await.unwrap_or_else(|_| Err(no_room(limit)))
    }

    /// Returns why nothing is accepted any more.
    fn ended(&self) -> Error {
        self.status[0].borrow().ended.clone().unwrap_or_else(Error::closed)
    }

    fn name(&self, error: Error, operation: &str) -> Error {
        error.during(operation).on_topic(&self.topic.to_string())
    }
}

impl Child for Inner {
    fn close_within(self: Arc<Self>, timeout: Duration) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> {
        Box::pin(async move {
            self.client.runtime.check_fork()?;
            let deadline = deadline_in(timeout);
            let running = status::running(&self.status);
            // Sends that wait for a slot fail now; accepted messages continue.
            self.messages.close();
            self.bytes.close();
            let _ = self.commands.send(SessionCommand::Close { linger: timeout });
            let ended = status::ended(&running, "each message in flight ended with an error").await;
            self.operations.cancel();
            let operations_ended = self.client.operations_ended(&self.operations, deadline).await;
            // After `Ok` no callback of this producer runs any more.
            let passed = operations_ended && self.client.callbacks_passed(deadline).await;
            match ended {
                Err(left) if !self.told_left.swap(true, Ordering::Relaxed) => Err(self.name(left, "close producer of")),
                _ if passed => Ok(()),
                _ => Err(self.name(Error::new(ErrorKind::Timeout, "a callback still runs"), "close producer of")),
            }
        })
    }
}
