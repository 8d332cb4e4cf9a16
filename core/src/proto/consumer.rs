//! Tracks a consumer's delivered but unacknowledged messages, and the server's window over them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::ack_batcher::AckBatcher;
use super::frame::{Frame, Received, parse_received};
use super::pending_requests::{PendingRequests, Request};
use super::permits::Permits;
use super::restart::Restart;
use super::session::Role;
use super::unacked::{Delivered, Unacked};
use super::{Moment, earliest};
use crate::error::{Error, ErrorKind, Result};
use crate::message::batch_acks::{Batch, BatchAck};
use crate::message::{Message, MessageId, Origin};
use crate::outcome::Outcome;
use crate::query::Query;
use crate::stats::Counters;
use crate::topic::TopicName;

/// How long the window may be full, with all its messages held by the application, before the client reports a stall.
const STALL_AFTER: Duration = Duration::from_secs(10);
/// How long acknowledgements may take to be sent after all handles were dropped.
const PARTING: Duration = Duration::from_secs(1);
/// Maximum number of acknowledgements kept for the next connection; dropping the excess only causes redeliveries.
const MOST_TRAVELLING: usize = 10_000;
/// How many ids acknowledged without a message are remembered, so that an id acknowledged twice is sent once.
const REMEMBERED: usize = 100;

/// Commands to a consumer. `T` is the caller's token for a request, returned with its answer.
pub(crate) enum Command<T> {
    /// Acknowledges a message. `connection` is known for a message, but not for a stored id. `finished` is set when the
    /// acknowledgement also ends the handling of the message.
    Ack {
        id: MessageId,
        connection: Option<u64>,
        finished: bool,
    },
    /// Acknowledges everything delivered up to this message, including what of it is redelivered later.
    AckCumulative {
        id: MessageId,
    },
    Nack {
        id: MessageId,
        finished: bool,
    },
    /// Reports that the application has taken or handled this many messages.
    Finished {
        messages: usize,
    },
    /// Requests permits beyond the window, as the application asks for them.
    Permit {
        messages: usize,
    },
    /// Keeps the acknowledgements that are made from now on, because the subscription is about to be moved: one that
    /// arrives afterwards would undo a part of that. A restart drops them.
    HoldAcks,
    /// Sends the acknowledgements that were kept, because the subscription was not moved.
    ReleaseAcks,
    /// Restarts at another position in the topic: earlier messages no longer count, and a new connection delivers what
    /// follows.
    Restart {
        ticket: T,
    },
    IsEndOfTopic {
        ticket: T,
    },
    /// Deletes the subscription.
    Unsubscribe {
        ticket: T,
    },
}

impl<T> Command<T> {
    /// Returns the command for the outcome of a message, which may be one of several in a frame. `finished` is set when
    /// it also ends the handling of the frame.
    pub(crate) fn from_outcome(message: &Message, outcome: Outcome, finished: bool) -> Command<T> {
        let (id, connection) = (message.id.clone(), Some(message.origin.connection));
        match (&message.batch, outcome) {
            (Some(batch), outcome) => Command::from_batch_outcome(batch, &id, outcome, finished),
            (None, Outcome::Ack) => Command::Ack { id, connection, finished },
            // A message that could not be kept for later counts as failed.
            (None, Outcome::Nack | Outcome::ReconsumeLater(_)) => Command::Nack { id, finished },
            (None, Outcome::Continue) => Command::Finished { messages: usize::from(finished) },
        }
    }

    /// Like [`Command::from_outcome`], for the message with this id in a batch, which is acknowledged as a whole.
    pub(crate) fn from_batch_outcome(batch: &Batch, id: &MessageId, outcome: Outcome, finished: bool) -> Command<T> {
        let index = id.batch_index().map_or(0, |index| index as usize);
        let ack = match outcome {
            Outcome::Ack => batch.ack(index),
            Outcome::Nack | Outcome::ReconsumeLater(_) => batch.nack(index),
            Outcome::Continue => BatchAck::Nothing,
        };
        let id = batch.id.clone();
        match ack {
            BatchAck::Ack => Command::Ack { id, connection: Some(batch.connection), finished },
            BatchAck::Nack => Command::Nack { id, finished },
            BatchAck::Nothing => Command::Finished { messages: usize::from(finished) },
        }
    }
}

/// Events of a consumer or a reader.
pub(crate) enum Event<T> {
    Message(Box<Message>),
    EndOfTopic(T, Result<bool>),
    Unsubscribed(T, Result<()>),
    /// No more messages arrive from this connection or an earlier one.
    Restarted(T, u64),
    /// The server sends no more messages until some of this many unacknowledged messages are acknowledged.
    Stalled {
        unacked: usize,
    },
}

impl<T> Event<T> {
    pub(super) fn restarted((ticket, last): (T, u64)) -> Event<T> {
        Event::Restarted(ticket, last)
    }
}

/// The options that a consumer uses.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The topic name reported to the application.
    pub(crate) topic: Arc<TopicName>,
    pub(crate) session: usize,
    pub(crate) pull: bool,
    pub(crate) window: usize,
    /// Whether an acknowledgement may take effect on another connection than the one that delivered the message. It may
    /// not for partitioned topics, nor for several topics at once.
    pub(crate) acks_travel: bool,
    /// Whether all messages have the same id, because the topic is not persistent.
    pub(crate) one_id: bool,
    /// Whether the subscription delivers to several consumers at a time.
    pub(crate) shared: bool,
}

pub(crate) struct ConsumerRole<T> {
    settings: Settings,
    connection: u64,
    connected: bool,
    unacked: Unacked,
    /// The unreadable frames of this connection. If they were messages, the server counts them too.
    unreadable: usize,
    /// Messages received since the client gave up a connection because of an unreadable frame.
    readable: Option<usize>,
    /// Messages delivered, and not yet taken or handled by the application.
    in_hand: usize,
    permits: Permits,
    acks: AckBatcher,
    control: VecDeque<Frame<'static>>,
    /// Acknowledgements made while disconnected, which the next connection can still send.
    travelling: VecDeque<MessageId>,
    /// Ids of earlier connections that this one has already acknowledged.
    travelled: VecDeque<MessageId>,
    requests: PendingRequests<T>,
    restart: Restart<T>,
    events: VecDeque<Event<T>>,
    stalled_at: Option<Moment>,
    counters: Arc<Counters>,
}

impl<T> ConsumerRole<T> {
    pub(crate) fn new(settings: Settings, counters: Arc<Counters>) -> ConsumerRole<T> {
        ConsumerRole {
            permits: Permits::new(settings.window),
            acks: AckBatcher::new(settings.window),
            settings,
            connection: 0,
            connected: false,
            unacked: Unacked::default(),
            unreadable: 0,
            readable: None,
            in_hand: 0,
            control: VecDeque::new(),
            travelling: VecDeque::new(),
            travelled: VecDeque::new(),
            requests: PendingRequests::new(),
            restart: Restart::new(),
            events: VecDeque::new(),
            stalled_at: None,
            counters,
        }
    }

    /// Returns whether the server still accepts an acknowledgement of a message that an earlier connection delivered.
    fn travels(&self, id: &MessageId) -> bool {
        self.settings.acks_travel && id.batch_index().is_none() && id.partition().is_none()
    }

    fn ack(&mut self, now: Moment, id: MessageId, connection: Option<u64>) {
        if self.take(&id) {
            self.send_ack(now, id);
        } else if (self.connected && connection == Some(self.connection))
            || !self.travels(&id)
            || connection.is_some_and(|connection| connection <= self.restart.last)
        {
            self.counters.acks_dropped.add(1);
        } else if self.connected {
            self.travel(now, id);
        } else {
            self.travelling.push_back(id);
            if self.travelling.len() > MOST_TRAVELLING {
                self.travelling.pop_front();
                self.counters.acks_dropped.add(1);
            }
        }
        self.watch_window(now);
    }

    fn send_ack(&mut self, now: Moment, id: MessageId) {
        self.acks.push(now, Frame::Ack(id));
        self.counters.acked.add(1);
    }

    /// Releases the extra slot of a redelivered message that is still unacknowledged. Causes are `ack_timeout`, a
    /// negative acknowledgement of another message on an exclusive subscription, and an unload. The server counts both
    /// deliveries against its window, and one acknowledgement releases one slot. An acknowledgement of the id before
    /// all messages releases the other: the server counts it, and the broker finds nothing to acknowledge.
    fn give_place_back(&mut self) {
        if !self.settings.pull {
            self.control.push_back(Frame::Ack(MessageId::before_all()));
        }
    }

    fn ack_through(&mut self, now: Moment, id: &MessageId) {
        let taken = self.unacked.take_through(id);
        if taken.is_none() {
            self.counters.acks_dropped.add(1);
        }
        for id in taken.unwrap_or_default() {
            self.counters.unacked.sub(1);
            self.send_ack(now, id);
        }
        self.watch_window(now);
    }

    /// Acknowledges a message that an earlier connection delivered.
    fn travel(&mut self, now: Moment, id: MessageId) {
        // The server opens its window for each acknowledgement, even for a redundant one.
        if self.travelled.contains(&id) {
            self.counters.acks_dropped.add(1);
            return;
        }
        self.acks.push(now, Frame::Ack(id.clone()));
        self.counters.acked.add(1);
        self.travelled.push_back(id);
        if self.travelled.len() > REMEMBERED {
            self.travelled.pop_front();
        }
    }

    fn nack(&mut self, now: Moment, id: MessageId) {
        if self.take(&id) {
            self.acks.push(now, Frame::Nack(id));
            self.counters.nacked.add(1);
        } else {
            // The broker redelivers unacknowledged messages of an earlier connection by itself.
            self.counters.acks_dropped.add(1);
        }
        self.watch_window(now);
    }

    /// Removes one message with this id and returns whether it was unacknowledged.
    fn take(&mut self, id: &MessageId) -> bool {
        let taken = self.unacked.take(id);
        self.counters.unacked.sub(u64::from(taken));
        taken
    }

    fn finished(&mut self, messages: usize) {
        if messages == 0 {
            return;
        }
        self.in_hand = self.in_hand.saturating_sub(messages);
        if self.settings.pull {
            self.permits.finished(messages);
            self.ask();
        }
    }

    fn ask(&mut self) {
        if !self.connected {
            return;
        }
        if let Some(messages) = self.permits.ask() {
            self.control.push_back(Frame::Permit(messages));
        }
        self.counters.permits.set(self.permits.granted() as u64);
    }

    fn watch_window(&mut self, now: Moment) {
        let taken = self.unacked.frames() + self.unreadable;
        let full = !self.settings.pull && self.connected && taken >= self.settings.window;
        if !(full && self.in_hand == 0) {
            self.stalled_at = None;
        } else {
            self.stalled_at.get_or_insert(now + STALL_AFTER);
        }
    }
}

impl<T> Role for ConsumerRole<T> {
    type Command = Command<T>;
    type Event = Event<T>;

    fn connect_query(&mut self, _query: &mut Query) {}

    fn handle_connected(&mut self, now: Moment, connection: u64) {
        self.connection = connection;
        self.connected = true;
        // First, so that the server has less to redeliver.
        self.travelled.clear();
        for id in std::mem::take(&mut self.travelling) {
            self.travel(now, id);
        }
        self.acks.flush();
        if self.settings.pull {
            self.permits.connected();
            self.ask();
        }
    }

    fn handle_disconnected(&mut self, _now: Moment, _why: &Error) {
        self.connected = false;
        self.stalled_at = None;
        self.control.clear();
        for ticket in self.requests.disconnected() {
            let refused = Error::new(
                ErrorKind::Broker,
                "the server dropped the connection instead: are there other consumers on the subscription, or is it gone?",
            );
            self.events.push_back(Event::Unsubscribed(ticket, Err(refused)));
        }
        let lost = self.acks.clear();
        if self.restart.wanted().is_some() {
            self.acks.release();
        }
        self.counters.acks_dropped.add(lost as u64);
        self.counters.unacked.sub(self.unacked.frames() as u64);
        self.unacked.disconnected();
        self.unreadable = 0;
        self.events.extend(self.restart.disconnected().map(Event::restarted));
    }

    fn handle_text(&mut self, now: Moment, text: &str) -> Result<()> {
        let origin = Origin { session: self.settings.session, connection: self.connection, ..Origin::default() };
        match parse_received(text, &self.settings.topic, origin)? {
            Received::EndOfTopic(end) => {
                match self.requests.answered() {
                    Some((ticket, Request::EndOfTopic)) => self.events.push_back(Event::EndOfTopic(ticket, Ok(end))),
                    Some((ticket, Request::Unsubscribe)) => self.events.push_back(Event::Unsubscribed(ticket, Ok(()))),
                    None => self.counters.unexpected.add(1),
                }
                return Ok(());
            }
            Received::Message(message) => {
                self.counters.received.add(1);
                self.counters.received_bytes.add(message.payload.len() as u64);
                if message.redelivery_count > 0 {
                    self.counters.redelivered.add(1);
                }
                let Delivered { covered, again } = self.unacked.deliver(&message.id, self.settings.one_id);
                if again {
                    self.give_place_back();
                } else {
                    self.counters.unacked.add(1);
                }
                self.in_hand += 1;
                self.readable = self.readable.map(|messages| messages + 1);
                if self.settings.pull {
                    self.permits.delivered();
                    self.counters.permits.set(self.permits.granted() as u64);
                }
                if covered {
                    // The application has finished with it; the earlier acknowledgement was not delivered.
                    self.counters.covered.add(1);
                    self.finished(1);
                    self.ack(now, message.id, Some(self.connection));
                } else {
                    self.acks.expect(now);
                    self.events.push_back(Event::Message(message));
                }
            }
        }
        self.watch_window(now);
        Ok(())
    }

    fn handle_unreadable(&mut self, now: Moment) -> bool {
        // The frame may have been a message. It would hold its slot in the window, and not be redelivered on this
        // connection. If the same happens within a window, the topic contains it, and another connection does not help.
        if self.readable.is_none_or(|messages| messages >= self.settings.window) {
            self.readable = Some(0);
            return true;
        }
        self.unreadable += 1;
        if self.settings.pull {
            self.permits.delivered();
            self.permits.finished(1);
            self.ask();
        }
        self.watch_window(now);
        false
    }

    fn handle_command(&mut self, now: Moment, command: Command<T>) {
        match command {
            Command::Ack { id, connection, finished } => {
                self.finished(usize::from(finished));
                self.ack(now, id, connection);
            }
            Command::AckCumulative { id } => self.ack_through(now, &id),
            Command::Nack { id, finished } => {
                self.finished(usize::from(finished));
                self.nack(now, id);
            }
            Command::Finished { messages } => {
                self.finished(messages);
                self.watch_window(now);
            }
            Command::Permit { messages } => {
                if self.connected && self.settings.pull && messages > 0 {
                    self.permits.granted_besides(messages);
                    self.control.push_back(Frame::Permit(messages));
                }
            }
            Command::HoldAcks => self.control.extend(self.acks.hold()),
            Command::ReleaseAcks => self.acks.release(),
            Command::Restart { ticket } => {
                self.unacked.forget_through();
                self.counters.acks_dropped.add((self.acks.clear() + self.travelling.len()) as u64);
                self.travelling.clear();
                if !self.connected {
                    self.acks.release();
                }
                self.events.extend(self.restart.begin(ticket, self.connection, self.connected).map(Event::restarted));
            }
            Command::IsEndOfTopic { ticket } => self.requests.push(ticket, Request::EndOfTopic),
            Command::Unsubscribe { ticket } if !self.connected => {
                // If kept, it would be carried out later, after the caller has long given up.
                let why = Error::new(ErrorKind::Connect, "there is no connection now; the subscription is as it was");
                self.events.push_back(Event::Unsubscribed(ticket, Err(why)));
            }
            Command::Unsubscribe { ticket } => {
                self.acks.flush();
                self.requests.push(ticket, Request::Unsubscribe);
            }
        }
    }

    fn poll_timeout(&self) -> Option<Moment> {
        earliest([self.acks.poll_timeout(), self.stalled_at])
    }

    fn handle_timeout(&mut self, now: Moment) {
        self.acks.handle_timeout(now);
        if self.stalled_at.is_some_and(|at| now >= at) {
            self.counters.stalls.add(1);
            self.events.push_back(Event::Stalled { unacked: self.unacked.frames() });
            // Once for each stall: the next change starts the watch again.
            self.stalled_at = Some(Moment::MAX);
        }
    }

    fn poll_frame(&mut self) -> Option<Frame<'_>> {
        self.control.pop_front().or_else(|| self.acks.pop()).or_else(|| self.requests.pop_frame())
    }

    fn poll_event(&mut self) -> Option<Event<T>> {
        self.events.pop_front()
    }

    fn wake_threshold(&self) -> usize {
        self.acks.wake_threshold()
    }

    fn held_by_server(&self) -> Option<&'static str> {
        (!self.settings.shared).then_some("the subscription")
    }

    fn wants_reconnect(&self) -> Option<&'static str> {
        self.restart.wanted()
    }

    fn receive_window(&self) -> usize {
        self.settings.window
    }

    fn is_idle(&self) -> bool {
        self.acks.is_empty() && self.control.is_empty() && self.travelling.is_empty()
    }

    fn handle_discarded(&mut self, messages: usize) {
        self.in_hand = self.in_hand.saturating_sub(messages);
        self.permits.finished(messages);
    }

    fn drop_linger(&self) -> Duration {
        if self.is_idle() { Duration::ZERO } else { PARTING }
    }

    fn flush(&mut self) {
        self.acks.flush();
    }

    fn handle_ended(&mut self, error: &Error) {
        let lost = self.acks.clear() + self.travelling.len();
        self.travelling.clear();
        self.counters.acks_dropped.add(lost as u64);
        self.events.extend(self.restart.disconnected().map(Event::restarted));
        for (ticket, request) in self.requests.drain() {
            self.events.push_back(match request {
                Request::EndOfTopic => Event::EndOfTopic(ticket, Err(error.clone())),
                Request::Unsubscribe => Event::Unsubscribed(ticket, Err(error.clone())),
            });
        }
    }
}
