//! What consumers and readers have in common: sessions that fill one queue, and callers that take from it.

mod event_sink;
mod handle;
pub(crate) mod inbox;
pub(crate) mod polled;
mod position;
pub(crate) mod processors;
mod sessions;
mod tombstones;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::sync::watch::Receiver as Watch;

use crate::client::inner::ClientInner;
use crate::driver::{CommandSender, Driver, Route, SessionCommand};
use crate::encryption::Opener;
use crate::error::{Error, ErrorKind, Result};
use crate::log::{Level, Log};
use crate::message::Message;
use crate::message::batch_acks::Batches;
use crate::operations::Operations;
use crate::options::{Ordering as KeyOrdering, Resolved};
use crate::outcome::{Outcome, Settle};
use crate::proto::consumer::Event;
use crate::proto::session::{Role, Session};
use crate::receiver::inbox::{Inbox, Waiting};
use crate::receiver::polled::PolledProcessors;
use crate::receiver::processors::{Handler, Processors, ended_within};
use crate::retry::{self, RetryLetters};
use crate::runtime::{self, deadline_in};
use crate::stats::Counters;
use crate::status::{self, Reporter, Status};
use crate::topic::TopicName;

use self::event_sink::ReceiverSink;
pub(crate) use self::handle::receiver_methods;
pub(crate) use self::position::{ReadPosition, ReadPositions};
use self::sessions::{Entry, Sessions};
pub(crate) use self::tombstones::{Tombstone, TombstoneWatched, watch};

/// The caller that waits for the answer to a question.
pub(crate) enum Ticket {
    EndOfTopic(oneshot::Sender<Result<bool>>),
    Unsubscribe(oneshot::Sender<Result<()>>),
    Restarted {
        told: oneshot::Sender<()>,
        position: ReadPosition,
        /// Whether messages that were put back stay, because the new position is after them.
        keeps_put_back: bool,
    },
}

/// Converts what the application does into commands to a session of either kind.
pub(crate) trait IntoCommand: Send + 'static {
    /// Returns the commands, in order, for messages of one session that the application has taken.
    fn on_taken(messages: &[Message]) -> impl Iterator<Item = Self>;
    /// Returns the command for a message that a handler has decided about.
    fn on_outcome(message: &Message, outcome: Outcome) -> Self;
    fn is_end_of_topic(ticket: Ticket) -> Self;
    /// Whether the receiver tracks the position up to which the application has taken messages.
    const TRACKS_POSITION: bool;
}

/// The sessions of a consumer or reader, `C` being their command.
pub(crate) struct Receiver<C> {
    pub(crate) client: Arc<ClientInner>,
    pub(crate) topic: Arc<TopicName>,
    pub(crate) sessions: Arc<Sessions<C>>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) counters: Arc<Counters>,
    /// Stores the messages that the application reconsumes later. Its topic is that of the last session.
    pub(crate) retry: Option<Arc<RetryLetters>>,
    /// The encrypted batches, in one frame each.
    pub(crate) batches: Arc<Batches>,
    /// The positions up to which the application has taken the messages, if they are tracked.
    pub(crate) positions: Arc<ReadPositions>,
    /// The number of seeks; locked during a seek, and while a tombstone is skipped.
    pub(crate) seeks: tokio::sync::Mutex<u64>,
    processors: OnceLock<Processors>,
    polled: OnceLock<PolledProcessors>,
    pub(crate) operations: Operations,
    starting: Mutex<bool>,
    taken_from: AtomicBool,
    /// Whether a close has reported unsent acknowledgements already; later ones do not repeat it.
    told_left: AtomicBool,
    pub(crate) processor_count: usize,
    comes_again: bool,
    pub(crate) log: Log,
}

impl<C: IntoCommand> Receiver<C> {
    /// Creates a receiver without sessions; [`Receiver::add`] adds them.
    ///
    /// `comes_again` says that the broker redelivers unacknowledged messages after a disconnect.
    pub(crate) fn new(
        client: &Arc<ClientInner>,
        topic: Arc<TopicName>,
        options: &Resolved,
        comes_again: bool,
    ) -> Receiver<C> {
        let counters: Arc<Counters> = Arc::default();
        let processor_count = options.processors as usize;
        let lanes = if options.ordering == KeyOrdering::Key { processor_count } else { 1 };
        Receiver {
            client: client.clone(),
            log: Log::new(topic.to_string(), options.given.log.clone()),
            topic,
            sessions: Arc::new(Sessions::new()),
            inbox: Arc::new(Inbox::new(
                lanes,
                usize::try_from(options.queue_bytes).unwrap_or(usize::MAX),
                counters.clone(),
            )),
            comes_again,
            counters,
            retry: None,
            batches: Arc::default(),
            positions: Arc::default(),
            seeks: tokio::sync::Mutex::new(0),
            processors: OnceLock::new(),
            polled: OnceLock::new(),
            operations: Operations::default(),
            starting: Mutex::new(false),
            taken_from: AtomicBool::new(false),
            told_left: AtomicBool::new(false),
            processor_count,
        }
    }

    /// Starts one more session, with the number that `role` was made for; listeners of its state receive `topic`. One
    /// call at a time. If a session fails, the others end too, because nothing would take their messages.
    pub(crate) fn add<R>(&self, topic: &Arc<TopicName>, role: R, route: Route, options: &Resolved)
    where
        R: Role<Command = C, Event = Event<Ticket>> + Send + 'static,
    {
        let number = self.sessions.len();
        let (commands, command_receiver) = CommandSender::new();
        let (reporter, status) = Reporter::new(&self.client, topic, number, options, &self.counters);
        let reporter = Arc::new(reporter);
        self.inbox.open_session();
        self.positions.add_session();
        let opener = self.client.keys(options).map(|keys| {
            let session = commands.downgrade();
            let settle: Settle = Arc::new(move |message, outcome| {
                if let Some(session) = session.upgrade() {
                    let _ = session.send(SessionCommand::Role(C::on_outcome(message, outcome)));
                }
            });
            Opener::new(keys, options, self.batches.clone(), settle, self.counters.clone(), self.log.clone())
        });
        let siblings = Arc::downgrade(&self.sessions);
        let close_siblings = move || {
            if let Some(siblings) = siblings.upgrade() {
                siblings.close(Duration::ZERO);
            }
        };
        let entry = Entry { commands, status, reporter: Arc::downgrade(&reporter) };
        let (inbox, positions) = (self.inbox.clone(), self.positions.clone());
        let sink = ReceiverSink::new(reporter, inbox, positions, number, self.comes_again, opener, close_siblings);
        let session = Session::new(role, self.client.policy(options, number));
        self.client.runtime.spawn(Driver::run(session, command_receiver, sink, route, Instant::now()));
        self.sessions.push(entry);
    }

    /// Returns the status of every session.
    pub(crate) fn status(&self) -> Vec<Watch<Status>> {
        self.sessions.status()
    }

    pub(crate) fn name(&self, error: Error, operation: &str) -> Error {
        error.during(operation).on_topic(&self.topic.to_string())
    }

    /// Returns an error unless the session still accepts commands.
    pub(crate) fn check_alive(&self, session: usize) -> Result<()> {
        self.client.runtime.check_fork()?;
        let ended = self.sessions.status_of(session).and_then(|status| status.borrow().ended.clone());
        ended.map_or(Ok(()), Err)
    }

    /// Sends a command to a session without waking it at once, since acknowledgements leave in batches. A session that
    /// has ended ignores it, and loses nothing: the broker redelivers its messages.
    pub(crate) fn tell_lazily(&self, session: usize, command: C) {
        if let Some(commands) = self.sessions.get(session) {
            let _ = commands.send_lazily(command);
        }
    }

    /// Sends a command to a session, and wakes it.
    pub(crate) fn tell(&self, session: usize, command: C) {
        if let Some(commands) = self.sessions.get(session) {
            let _ = commands.send(SessionCommand::Role(command));
        }
    }

    /// Asks every session of the topic; a session that does not answer has ended.
    pub(crate) fn questions<T>(
        &self,
        question: impl Fn(oneshot::Sender<Result<T>>) -> C,
    ) -> Vec<oneshot::Receiver<Result<T>>> {
        let sessions = self.sessions.all();
        let own = sessions.len() - usize::from(self.retry.is_some());
        let ask = |session: &CommandSender<C>| {
            let (sender, receiver) = oneshot::channel();
            let _ = session.send(SessionCommand::Role(question(sender)));
            receiver
        };
        sessions[..own].iter().map(ask).collect()
    }

    /// As [`Receiver::questions`], but waits for all answers.
    pub(crate) async fn ask<T>(&self, question: impl Fn(oneshot::Sender<Result<T>>) -> C) -> Result<Vec<T>> {
        self.client.runtime.check_fork()?;
        let mut told = Vec::new();
        for answer in self.questions(question) {
            told.push(answer.await.unwrap_or_else(|_| Err(status::gone()))?);
        }
        Ok(told)
    }

    fn check_taking(&self) -> Result<()> {
        self.client.runtime.check_fork()?;
        if *self.starting.lock().unwrap_or_else(PoisonError::into_inner) {
            return Err(Error::invalid("a handler takes the messages; receive and a handler exclude each other"));
        }
        if self.inbox.lanes() > 1 {
            return Err(Error::invalid("ordering=key is for a handler; receive needs ordering=none"));
        }
        self.taken_from.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Waits for one to `max` messages.
    pub(crate) async fn receive(&self, max: usize) -> Result<Vec<Message>> {
        self.receive_up_to(max, |_| false, &mut Waiting::default()).await
    }

    /// As [`Receiver::receive`], but takes nothing after a message for which `is_last` returns true. `waiting` is that of
    /// the receive if it waits already.
    pub(crate) async fn receive_up_to(
        &self,
        max: usize,
        is_last: impl FnMut(&Message) -> bool,
        waiting: &mut Waiting,
    ) -> Result<Vec<Message>> {
        let name = |error| self.name(error, "receive from");
        self.check_taking().map_err(name)?;
        let taken = self.inbox.receive(max.max(1), is_last, waiting).await.map_err(name)?;
        self.took(&taken);
        Ok(taken)
    }

    /// Takes up to `max` queued messages.
    pub(crate) fn try_receive(&self, max: usize) -> Result<Vec<Message>> {
        self.try_receive_up_to(max, |_| false, &mut Waiting::default())
    }

    /// As [`Receiver::try_receive`], but takes nothing after a message for which `is_last` returns true. If it takes
    /// nothing, the receive waits as long as `waiting` is kept.
    pub(crate) fn try_receive_up_to(
        &self,
        max: usize,
        is_last: impl FnMut(&Message) -> bool,
        waiting: &mut Waiting,
    ) -> Result<Vec<Message>> {
        let name = |error| self.name(error, "receive from");
        self.check_taking().map_err(name)?;
        let taken = self.inbox.try_receive(max, is_last, waiting).map_err(name)?;
        self.took(&taken);
        Ok(taken)
    }

    fn took(&self, messages: &[Message]) {
        // The session was notified of messages that were put back when they were first taken.
        let alike = |one: &Message, next: &Message| {
            (one.origin.session, one.origin.permit_returned) == (next.origin.session, next.origin.permit_returned)
        };
        for run in messages.chunk_by(alike).filter(|run| !run[0].origin.permit_returned) {
            reach::<C>(&self.positions, run);
            for command in C::on_taken(run) {
                self.tell_lazily(run[0].origin.session, command);
            }
        }
    }

    /// Reserves the messages for handlers: those of [`Receiver::listen`], or those of a binding.
    pub(crate) fn claim(&self) -> Result<()> {
        let name = |error| self.name(error, "listen to");
        self.client.runtime.check_fork().map_err(name)?;
        let mut starting = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        if *starting {
            return Err(name(Error::invalid("there is a handler already")));
        }
        if self.taken_from.load(Ordering::Relaxed) {
            return Err(name(Error::invalid("messages were received; receive and a handler exclude each other")));
        }
        *starting = true;
        Ok(())
    }

    /// Releases the claim of a handler that did not start; returns `error`.
    fn unclaim(&self, error: Error) -> Error {
        *self.starting.lock().unwrap_or_else(PoisonError::into_inner) = false;
        error
    }

    /// Waits for one to `max` messages of a lane, for a handler of a binding.
    pub(crate) async fn take_work(&self, lane: usize, max: usize) -> Result<Vec<Message>> {
        self.client.runtime.check_fork()?;
        self.inbox.take(lane, max.max(1)).await.map_err(|error| self.name(error, "receive from"))
    }

    pub(crate) fn settle(&self, message: &Message, outcome: Outcome) {
        reach::<C>(&self.positions, std::slice::from_ref(message));
        settle(&self.sessions, self.retry.as_ref(), &self.log, message, outcome);
    }

    /// As [`Receiver::settle`], but for handlers, which must not keep the receiver alive.
    fn settling(&self) -> Settle {
        let (sessions, retry, log) = (self.sessions.clone(), self.retry.clone(), self.log.clone());
        let positions = self.positions.clone();
        Arc::new(move |message, outcome| {
            reach::<C>(&positions, std::slice::from_ref(message));
            settle(&sessions, retry.as_ref(), &log, message, outcome);
        })
    }

    /// Closes the sessions once no retry letter is in flight: a message is acknowledged when its copy is stored.
    fn finish(&self, deadline: Instant) -> impl Future<Output = ()> + Send + 'static {
        let (sessions, retry) = (self.sessions.clone(), self.retry.clone());
        async move {
            if let Some(retry) = &retry {
                let _ = tokio::time::timeout_at(deadline.into(), retry.idle()).await;
            }
            sessions.close(deadline.saturating_duration_since(Instant::now()));
            if let Some(retry) = retry {
                retry.close(deadline).await;
            }
        }
    }

    pub(crate) fn listen<H: Handler>(&self, init: impl Fn(usize) -> Result<H> + Send + Sync + 'static) -> Result<()> {
        let name = |error| self.name(error, "listen to");
        self.claim()?;
        let started = Processors::start(&self.inbox, self.processor_count, init, self.settling(), &self.log);
        let started = started.map_err(|error| self.unclaim(name(error)))?;
        // The claim keeps other callers out. A close from now on finds the processors.
        self.processors.get_or_init(|| started).begin();
        Ok(())
    }

    /// As [`Receiver::listen`], but for a client whose callbacks are polled.
    pub(crate) fn listen_polled<H: Handler + Send>(
        &self,
        init: impl Fn(usize) -> Result<H> + Send + Sync + 'static,
    ) -> Result<()> {
        let name = |error| self.name(error, "listen to");
        self.claim()?;
        let (client, count) = (&self.client, self.processor_count);
        let polled = PolledProcessors::start(client, &self.inbox, count, init, &self.settling(), &self.log);
        let polled = polled.map_err(|error| self.unclaim(name(error)))?;
        let _ = self.polled.set(polled);
        Ok(())
    }

    /// Restarts a session. Once this returns, no message from before is delivered, except those put back, if they stay.
    pub(crate) async fn restart(
        &self,
        session: usize,
        position: ReadPosition,
        keeps_put_back: bool,
        command: impl FnOnce(Ticket) -> C,
    ) -> Result<()> {
        let (told, restarted) = oneshot::channel();
        let command = command(Ticket::Restarted { told, position, keeps_put_back });
        let commands = self.sessions.get(session).ok_or_else(status::gone)?;
        commands.send(SessionCommand::Role(command)).map_err(|_| status::gone())?;
        restarted.await.map_err(|_| status::gone())
    }

    /// Returns whether the topic was terminated and everything in it has been processed.
    pub(crate) async fn is_end_of_topic(&self) -> Result<bool> {
        let answers = self.ask(|sender| C::is_end_of_topic(Ticket::EndOfTopic(sender))).await;
        Ok(answers.map_err(|error| self.name(error, "ask the end of"))?.into_iter().all(|end| end))
    }

    pub(crate) async fn wait_connected(&self) -> Result<()> {
        self.client.runtime.check_fork()?;
        status::connected(&self.status()).await.map_err(|error| self.name(error, "connect to"))
    }

    /// Stops delivery, lets handlers finish what they have, sends the acknowledgements, and closes the connections.
    pub(crate) async fn close(&self, timeout: Duration, operation: &str) -> Result<()> {
        self.client.runtime.check_fork()?;
        let deadline = deadline_in(timeout);
        let running = status::running(&self.status());
        self.inbox.close();
        let mut late = false;
        if let (Some(processors), Some(runtime)) = (self.processors.get(), self.client.runtime.handle()) {
            if processors.is_current() {
                // The handler that closes has not decided about its message yet: the close continues after its
                // decision.
                let (handlers, finish) = (processors.ended(), self.finish(deadline));
                self.client.runtime.spawn(async move {
                    handlers.await;
                    finish.await;
                });
                return Ok(());
            }
            late = !ended_within(processors, runtime, timeout).await;
        }
        if let Some(polled) = self.polled.get() {
            if self.client.callbacks.is_callback_thread() {
                // As above: the callback that closes returns first; it may be a handler with a message.
                let (finish, client) = (self.finish(deadline), self.client.clone());
                self.client.callbacks.run(move || client.runtime.spawn(finish));
                polled.let_go();
                return Ok(());
            }
            late |= !self.client.callbacks_passed(deadline).await;
            if runtime::is_io_thread() {
                // What the application made is dropped where it polls.
                let polled = polled.clone();
                self.client.callbacks.run(move || polled.let_go());
            } else {
                polled.let_go();
            }
        }
        let (finish, (told, finished)) = (self.finish(deadline), oneshot::channel());
        self.client.runtime.spawn(async move {
            finish.await;
            let _ = told.send(());
        });
        let _ = finished.await;
        let ended = status::ended(&running, "acknowledgements were not sent").await;
        self.operations.cancel();
        late |= !self.client.operations_ended(&self.operations, deadline).await;
        late |= !self.client.callbacks_passed(deadline).await;
        if late {
            let runs = Error::new(ErrorKind::Timeout, "a handler or a callback still runs");
            return Err(self.name(runs, operation));
        }
        match ended {
            Err(left) if !self.told_left.swap(true, Ordering::Relaxed) => Err(self.name(left, operation)),
            _ => Ok(()),
        }
    }
}

/// Records that the application has taken messages of a session.
fn reach<C: IntoCommand>(positions: &ReadPositions, messages: &[Message]) {
    if C::TRACKS_POSITION {
        positions.take(messages);
    }
}

/// Sends the outcome of a message to its session. A reconsumed message counts as unfinished until its copy is stored,
/// and is redelivered if storing fails.
fn settle<C: IntoCommand>(
    sessions: &Sessions<C>,
    retry: Option<&Arc<RetryLetters>>,
    log: &Log,
    message: &Message,
    outcome: Outcome,
) {
    let Some(commands) = sessions.get(message.origin.session) else { return };
    match (outcome, retry) {
        (Outcome::ReconsumeLater(delay), Some(retry)) => {
            let (commands, settled) = (commands.clone(), message.clone());
            retry.store(message, delay, move |stored| {
                let outcome = if stored.is_ok() { Outcome::Ack } else { Outcome::Nack };
                let _ = commands.send(SessionCommand::Role(C::on_outcome(&settled, outcome)));
            });
        }
        (Outcome::ReconsumeLater(_), None) => {
            log.write(
                Level::Error,
                &format!("message {} is not kept for later: {}", message.id(), retry::not_enabled()),
            );
            let _ = commands.send(SessionCommand::Role(C::on_outcome(message, Outcome::Nack)));
        }
        _ => drop(commands.send_lazily(C::on_outcome(message, outcome))),
    }
}

impl<C> Drop for Receiver<C> {
    fn drop(&mut self) {
        if self.client.runtime.check_fork().is_err() {
            // A thread that does not exist in this process may hold the queue's lock.
            return;
        }
        // Processors end with the queue, sessions with their command senders.
        self.inbox.close();
    }
}
