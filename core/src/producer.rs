//! The producer: accepts messages, keeps a bounded number in flight, and completes each exactly once.

use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use crate::admin::Admin;
use crate::callbacks::Job;
use crate::client::inner::{Child, ClientInner};
use crate::driver::{CommandSender, Driver, EventSink, Route, SessionCommand, WeakCommandSender};
use crate::duplicates::Duplicates;
use crate::encryption::Sealer;
use crate::error::{Error, ErrorKind, Result};
use crate::log::Log;
use crate::message::{OutgoingMessage, Receipt};
use crate::options::{OnDisconnect, Options, Roles, WhenFull};
use crate::proto::frame::OpenFrame;
use crate::proto::producer::{Command, Event, ProducerRole, Resend, Stored};
use crate::proto::session::{Change, Session};
use crate::query::Query;
use crate::runtime::deadline_in;
use crate::stats::{Counters, Stats};
use crate::status::{self, Reporter, Status};
use crate::topic::{Endpoint, TopicName};

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
    max_frame: usize,
    /// Encrypts payloads; only with end-to-end encryption.
    sealer: Option<Sealer>,
    begun: Instant,
    counters: Arc<Counters>,
    /// Whether a close has reported unfinished messages already; later ones do not repeat it.
    told_left: AtomicBool,
}

/// The unit of the bound in bytes: a semaphore grants at most `u32::MAX` permits at once.
const BYTES_UNIT: usize = 1024;

/// How many callbacks release their slots at once.
const CALLBACK_BATCH: usize = 16;

/// What the producer keeps of a message, or of a flush, until it completes.
enum Ticket {
    Message { completion: Completion, context: Option<String> },
    Flush(oneshot::Sender<Result<()>>),
}

type Room = (OwnedSemaphorePermit, OwnedSemaphorePermit);

/// The callback of a message, called when the message has completed.
type SendCallback = Box<dyn FnOnce(DeliveryReport) + Send>;

enum Completion {
    Future(oneshot::Sender<Result<Receipt>>),
    /// Runs on the client's callback thread.
    Callback(SendCallback),
    /// Runs on the thread of the connection.
    Inline(SendCallback),
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
    pub(crate) async fn open(client: &Arc<ClientInner>, topic: &str, options: &Options) -> Result<Producer> {
        let named = |error: Error| error.during("open producer").on_topic(topic);
        let topic_name: TopicName = topic.parse().map_err(|error: Error| error.during("open producer"))?;
        let merged = options.or(&client.options).resolve();
        if merged.effectively_once {
            let advisor = Admin::advisor(client, &merged).map_err(named)?;
            if advisor.partitions(topic).await.is_ok_and(|partitions| partitions > 0) {
                let many = "effectively_once needs a topic without partitions: each partition counts for itself";
                return Err(named(Error::invalid(many)));
            }
        }
        let sealer = Producer::sealer(client, &topic_name, options).await.map_err(named)?;
        let producer = Producer::spawn(client, topic_name, options, sealer).map_err(named)?;
        if !merged.lazy {
            status::connected(&producer.inner.status)
                .await
                .map_err(|error| error.during("open producer").on_topic(&producer.inner.topic.to_string()))?;
        }
        Ok(producer)
    }

    async fn sealer(client: &Arc<ClientInner>, topic: &TopicName, options: &Options) -> Result<Option<Sealer>> {
        client.check_open()?;
        let options = client.options_for(options, Roles::PRODUCER)?;
        let Some(keys) = client.keys(&options) else { return Ok(None) };
        Sealer::open(keys, &options, Log::new(topic.to_string(), options.given.log.clone())).await.map(Some)
    }

    fn spawn(
        client: &Arc<ClientInner>,
        topic: TopicName,
        options: &Options,
        sealer: Option<Sealer>,
    ) -> Result<Producer> {
        client.check_open()?;
        let options = client.options_for(options, Roles::PRODUCER)?;
        let mut route = client.route(Endpoint::Producer(topic.clone()), &options, Roles::PRODUCER)?;
        let topic = Arc::new(topic);
        let counters: Arc<Counters> = Arc::default();
        let resend = if options.effectively_once {
            // Larger than any id of an earlier run under this name, unless the clock was set back; then the broker
            // reports it.
            let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64);
            match options.initial_seq_id {
                Some(id) => Resend::Numbered { first: id.saturating_add(1), chosen: false },
                None => Resend::Numbered { first: clock, chosen: true },
            }
        } else {
            match options.on_disconnect {
                OnDisconnect::Resend => Resend::Again,
                OnDisconnect::Fail => Resend::Never,
            }
        };
        // The server's own bound applies with batching only, and must not be below ours.
        if !options.batch_enabled {
            route.query.unset(Query::MAX_PENDING_MESSAGES);
        }
        // The proxy cannot compress what it cannot read; the sealer has compressed it.
        if sealer.is_some() {
            route.query.unset(Query::COMPRESSION_TYPE);
        }
        let (commands, command_receiver) = CommandSender::new();
        let (reporter, status) = Reporter::new(client, &topic, 0, &options, &counters);
        let bytes_units =
            u32::try_from(options.max_pending_bytes.cast_unsigned().div_ceil(BYTES_UNIT as u64)).unwrap_or(u32::MAX);
        let messages = Arc::new(Semaphore::new(options.max_pending_msg as usize));
        let bytes = Arc::new(Semaphore::new(bytes_units as usize));
        let duplicates = match options.effectively_once {
            true => Some(Duplicates::new(client, &options, &topic)?),
            false => None,
        };
        let sink = ProducerSink {
            reporter,
            client: client.clone(),
            commands: commands.downgrade(),
            duplicates,
            futures: Vec::new(),
            inline: Vec::new(),
            room: None,
            callbacks: Vec::new(),
            jobs: Vec::new(),
            topic: topic.clone(),
            messages: messages.clone(),
            bytes: bytes.clone(),
        };
        route.query.unset(Query::INITIAL_SEQUENCE_ID);
        let role = ProducerRole::new(resend, options.initial_seq_id, counters.clone())
            .with_key(sealer.as_ref().map(Sealer::connection_key));
        let session = Session::new(role, client.policy(&options, 0));
        let begun = Instant::now();
        client.runtime.spawn(Driver::run(session, command_receiver, sink, route, begun));
        let send_timeout = options.send_timeout;
        let inner = Arc::new(Inner {
            client: client.clone(),
            topic,
            commands,
            status: [status],
            messages,
            bytes,
            bytes_units,
            when_full: options.when_full,
            send_timeout: (!send_timeout.is_zero()).then_some(send_timeout),
            max_frame: options.max_message_frame_bytes as usize,
            sealer,
            begun,
            counters,
            told_left: AtomicBool::new(false),
        });
        let child: Arc<dyn Child> = inner.clone();
        client.adopt(Arc::downgrade(&child), &inner.counters)?;
        Ok(Producer { inner })
    }

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
        let (sender, receiver) = oneshot::channel();
        self.submit(message.into(), Completion::Future(sender), None).await?;
        Ok(Pending { receiver, topic: self.inner.topic.clone() })
    }

    /// As [`Producer::enqueue`], but with a timeout of its own instead of `send_timeout`.
    pub async fn enqueue_within(&self, message: impl Into<OutgoingMessage>, timeout: Duration) -> Result<Pending> {
        let (sender, receiver) = oneshot::channel();
        self.submit(message.into(), Completion::Future(sender), Some(timeout)).await?;
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
    pub async fn send_with(
        &self,
        message: impl Into<OutgoingMessage>,
        callback: impl FnOnce(DeliveryReport) + Send + 'static,
    ) -> Result<()> {
        let client = &self.inner.client;
        let ready = client.runtime.check_fork().and_then(|()| client.callbacks.begin());
        ready.map_err(|error| self.inner.name(error, "send to"))?;
        self.submit(message.into(), Completion::Callback(Box::new(callback)), None).await
    }

    /// As [`Producer::send_with`], but the callback runs on the thread of the connection, and must neither block nor
    /// panic. Made for bindings that have a queue of their own.
    pub async fn send_inline(
        &self,
        message: impl Into<OutgoingMessage>,
        callback: impl FnOnce(DeliveryReport) + Send + 'static,
    ) -> Result<()> {
        self.submit(message.into(), Completion::Inline(Box::new(callback)), None).await
    }

    /// As [`Producer::send_inline`], but with a timeout of its own instead of `send_timeout`.
    pub async fn send_inline_within(
        &self,
        message: impl Into<OutgoingMessage>,
        timeout: Duration,
        callback: impl FnOnce(DeliveryReport) + Send + 'static,
    ) -> Result<()> {
        self.submit(message.into(), Completion::Inline(Box::new(callback)), Some(timeout)).await
    }

    /// Waits until every message accepted before has completed, with a receipt or an error.
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

    async fn submit(
        &self,
        mut message: OutgoingMessage,
        completion: Completion,
        timeout: Option<Duration>,
    ) -> Result<()> {
        let inner = &*self.inner;
        let name = |error: Error| inner.name(error, "send to");
        inner.client.runtime.check_fork().map_err(name)?;
        let context = message.context.take();
        let payload_bytes = message.payload_len() as u64;
        let frame = match &inner.sealer {
            None => OpenFrame::encode(message, inner.max_frame),
            Some(sealer) => sealer.frame(message, inner.max_frame).await,
        };
        let frame = frame.map_err(name)?;
        // Without a deadline where the sum overflows: a time that far ahead never comes.
        let limit = timeout.or(inner.send_timeout);
        let deadline = limit.and_then(|limit| inner.begun.elapsed().checked_add(limit));
        let room = self.room(frame.bytes(), limit).await.map_err(name)?;
        inner.counters.sent_bytes.add(payload_bytes);
        let ticket = Ticket::Message { completion, context };
        inner
            .commands
            .send(SessionCommand::Role(Command::Send { frame, ticket, hold: room, deadline }))
            .map_err(|_| name(status::gone()))
    }

    /// Reserves a slot among the messages in flight.
    async fn room(&self, bytes: usize, limit: Option<Duration>) -> Result<Room> {
        let inner = &*self.inner;
        let units = u32::try_from(bytes.div_ceil(BYTES_UNIT)).unwrap_or(u32::MAX).min(inner.bytes_units);
        let ended = || inner.status[0].borrow().ended.clone().unwrap_or_else(Error::closed);
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
        if inner.when_full == WhenFull::Fail {
            return Err(Error::new(
                ErrorKind::QueueFull,
                "as many messages are in flight as max_pending_msg or max_pending_bytes allow",
            ));
        }
        let wait = async {
            let one = inner.messages.clone().acquire_owned().await.map_err(|_| ended())?;
            let many = inner.bytes.clone().acquire_many_owned(units).await.map_err(|_| ended())?;
            Ok((one, many))
        };
        let Some(limit) = limit else { return wait.await };
        let timed = {
            let _inside = inner.client.runtime.handle().map(|handle| handle.enter());
            tokio::time::timeout(limit, wait)
        };
        timed.await.unwrap_or_else(|_| {
            let full = "the time ran out while as many messages were in flight as the bounds allow; it was not sent";
            Err(Error::new(ErrorKind::Timeout, full))
        })
    }
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer").field("topic", &self.inner.topic.to_string()).finish_non_exhaustive()
    }
}

impl Inner {
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
            // After `Ok` no callback of this producer runs any more.
            if !self.client.callbacks_passed(deadline).await {
                return Err(self.name(Error::new(ErrorKind::Timeout, "a callback still runs"), "close producer of"));
            }
            match ended {
                Err(left) if !self.told_left.swap(true, Ordering::Relaxed) => Err(self.name(left, "close producer of")),
                _ => Ok(()),
            }
        })
    }
}

struct ProducerSink {
    reporter: Reporter,
    client: Arc<ClientInner>,
    commands: WeakCommandSender<Command<Ticket, Room>>,
    /// Checks duplicates; only with `effectively_once`.
    duplicates: Option<Duplicates>,
    /// Receipts that are reported together when a batch of frames has been read, so that a waiting task wakes up once.
    futures: Vec<(oneshot::Sender<Result<Receipt>>, Result<Receipt>)>,
    inline: Vec<(SendCallback, DeliveryReport)>,
    callbacks: Vec<(SendCallback, DeliveryReport, Option<Room>)>,
    jobs: Vec<Job>,
    /// The slots that are released with them.
    room: Option<Room>,
    topic: Arc<TopicName>,
    messages: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
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

impl ProducerSink {
    /// Checks, outside the session, whether a message that the broker dropped as a duplicate is stored.
    fn judge(&self, ids: RangeInclusive<i64>) {
        let Some(duplicates) = self.duplicates.clone() else { return };
        let commands = self.commands.clone();
        self.client.runtime.spawn(async move {
            let Some(stored) = duplicates.are_stored(ids).await else { return };
            if let Some(commands) = commands.upgrade() {
                // A session that has ended has no message in doubt.
                let _ = commands.send(SessionCommand::Role(Command::Judge { stored }));
            }
        });
    }

    /// Runs the callbacks. A completed message keeps its slot until its callback runs, so that callbacks slower than
    /// the broker slow the sender down. The slots of a batch are released with its first callback, so that the sender
    /// does not wake up for each.
    fn call_back(&mut self) {
        for batch in self.callbacks.chunks_mut(CALLBACK_BATCH) {
            let mut room = None;
            batch.iter_mut().for_each(|(_, _, more)| merge(&mut room, more.take()));
            batch[0].2 = room;
        }
        let jobs = self.callbacks.drain(..).map(|(callback, sent, room)| -> Job {
            Box::new(move || {
                drop(room);
                callback(sent);
            })
        });
        self.jobs.extend(jobs);
        self.reporter.callbacks().run_all(&mut self.jobs);
    }
}

impl EventSink<Event<Ticket, Room>> for ProducerSink {
    fn handle_event(&mut self, event: Event<Ticket, Room>) {
        match event {
            Event::Sent(Ticket::Message { completion, context }, outcome, room) => {
                let result = match outcome {
                    Ok(Stored { id, duplicate }) => Ok(Receipt { message_id: id, duplicate, context: context.clone() }),
                    Err(error) => Err(error.during("send to").on_topic(&self.topic.to_string())),
                };
                match completion {
                    Completion::Future(sender) => self.futures.push((sender, result)),
                    Completion::Inline(callback) => self.inline.push((callback, DeliveryReport { result, context })),
                    Completion::Callback(callback) => {
                        self.callbacks.push((callback, DeliveryReport { result, context }, room));
                        return;
                    }
                }
                merge(&mut self.room, room);
            }
            Event::Flushed(Ticket::Flush(sender), outcome) => {
                // The messages that the flush waited for are reported first.
                self.flush();
                let _ = sender.send(outcome);
            }
            Event::InDoubt(ids) => self.judge(ids),
            Event::Sent(Ticket::Flush(_), ..) | Event::Flushed(Ticket::Message { .. }, _) => {
                debug_assert!(false, "the state machine gave a ticket to the wrong event");
            }
        }
    }

    fn handle_change(&mut self, change: Change, route: &Route) {
        if matches!(change, Change::Ended { .. }) {
            self.messages.close();
            self.bytes.close();
            // A task that learns of the end has received the result of every message before.
            self.flush();
        }
        self.reporter.changed(change, route);
    }

    fn flush(&mut self) {
        self.inline.drain(..).for_each(|(callback, sent)| callback(sent));
        // The oldest last: a task that waits for it, and wakes up with it, finds the others completed as well.
        for (sender, result) in self.futures.drain(..).rev() {
            // A caller that dropped the future does not need the receipt.
            let _ = sender.send(result);
        }
        self.call_back();
        // All at once, so that a task that waits for a slot wakes up once.
        self.room = None;
    }

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn handle_pong(&mut self, at: SystemTime) {
        self.reporter.ponged(at);
    }
}
