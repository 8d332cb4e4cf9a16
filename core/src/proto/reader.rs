//! Tracks a reader's position, and the permits that keep the server sending.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Moment;
use super::ack_batcher::AckBatcher;
use super::consumer::Event;
use super::frame::{Frame, Received, parse_received};
use super::pending_requests::{PendingRequests, Request};
use super::restart::Restart;
use super::session::Role;
use crate::error::{Error, ErrorKind, Result};
use crate::message::{MessageId, Origin};
use crate::query::Query;
use crate::stats::Counters;
use crate::topic::TopicName;

/// Commands to a reader. `T` is the caller's token for a request, returned with its answer.
pub(crate) enum Command<T> {
    /// Reports that the application has taken or handled this message.
    Finished {
        id: MessageId,
        connection: u64,
    },
    /// Restarts at `earliest`, `latest` or after an id.
    Restart {
        position: String,
        ticket: T,
    },
    IsEndOfTopic {
        ticket: T,
    },
}

pub(crate) struct ReaderRole<T> {
    /// The topic name reported to the application.
    topic: Arc<TopicName>,
    /// The partition that this session reads, or the topic.
    part: TopicName,
    session: usize,
    window: usize,
    /// Where the next connection begins: `earliest`, `latest`, or after the last message received.
    position: String,
    /// The position after which the client gave up a connection because of an unreadable frame.
    given_up_after: Option<String>,
    connection: u64,
    connected: bool,
    credits: AckBatcher,
    /// Whether the last id has a partition that the topic's name does not have.
    merged: bool,
    requests: PendingRequests<T>,
    restart: Restart<T>,
    events: VecDeque<Event<T>>,
    counters: Arc<Counters>,
}

impl<T> ReaderRole<T> {
    /// Creates a reader that begins at `position` and reads at most `window` messages ahead.
    pub(crate) fn new(
        topic: Arc<TopicName>,
        part: TopicName,
        session: usize,
        position: String,
        window: usize,
        counters: Arc<Counters>,
    ) -> ReaderRole<T> {
        ReaderRole {
            topic,
            part,
            session,
            window,
            position,
            given_up_after: None,
            connection: 0,
            connected: false,
            credits: AckBatcher::new(window),
            merged: false,
            requests: PendingRequests::new(),
            restart: Restart::new(),
            events: VecDeque::new(),
            counters,
        }
    }
}

impl<T> Role for ReaderRole<T> {
    type Command = Command<T>;
    type Event = Event<T>;

    fn connect_query(&mut self, query: &mut Query) {
        query.set(Query::MESSAGE_ID, self.position.as_str());
    }

    fn handle_connected(&mut self, _now: Moment, connection: u64) {
        self.connection = connection;
        self.connected = true;
    }

    fn handle_disconnected(&mut self, _now: Moment, _why: &Error) {
        // The next connection has a window of its own; permits for messages of this one would widen it.
        self.connected = false;
        self.credits.clear();
        self.requests.disconnected();
        self.events.extend(self.restart.disconnected().map(Event::restarted));
    }

    fn handle_text(&mut self, now: Moment, text: &str) -> Result<()> {
        let origin = Origin { session: self.session, connection: self.connection, ..Origin::default() };
        match parse_received(text, &self.topic, origin)? {
            Received::EndOfTopic(end) => match self.requests.answered() {
                Some((ticket, _)) => self.events.push_back(Event::EndOfTopic(ticket, Ok(end))),
                None => self.counters.unexpected.add(1),
            },
            Received::Message(message) => {
                self.counters.received.add(1);
                self.counters.received_bytes.add(message.payload.len() as u64);
                // Received messages stay in the queue across a reconnect, so the next connection begins after them.
                self.position = message.id.as_str().to_owned();
                self.merged = message.id.partition().is_some() && !self.part.local_name().contains("-partition-");
                self.credits.expect(now);
                self.events.push_back(Event::Message(message));
            }
        }
        Ok(())
    }

    fn handle_unreadable(&mut self, _now: Moment) -> bool {
        // The frame may have been the next message, and skipping it would leave a gap. If the same happens after the
        // same message, the topic contains it, and only skipping it lets the reader continue.
        let again = self.given_up_after.as_ref() == Some(&self.position);
        self.given_up_after = Some(self.position.clone());
        !again
    }

    fn handle_command(&mut self, now: Moment, command: Command<T>) {
        match command {
            Command::Finished { id, connection } if self.connected && connection == self.connection => {
                // The server treats a reader's acknowledgement as a permit for one more message.
                self.credits.push(now, Frame::Ack(id));
            }
            Command::Finished { .. } => {}
            Command::Restart { position, ticket } => {
                self.position = position;
                self.merged = false;
                self.given_up_after = None;
                self.events.extend(self.restart.begin(ticket, self.connection, self.connected).map(Event::restarted));
            }
            Command::IsEndOfTopic { ticket } => self.requests.push(ticket, Request::EndOfTopic),
        }
    }

    fn poll_timeout(&self) -> Option<Moment> {
        self.credits.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Moment) {
        self.credits.handle_timeout(now);
    }

    fn poll_frame(&mut self) -> Option<Frame<'_>> {
        self.credits.pop().or_else(|| self.requests.pop_frame())
    }

    fn poll_event(&mut self) -> Option<Event<T>> {
        self.events.pop_front()
    }

    fn wake_threshold(&self) -> usize {
        self.credits.wake_threshold()
    }

    fn wants_reconnect(&self) -> Option<&'static str> {
        self.restart.wanted()
    }

    fn receive_window(&self) -> usize {
        self.window
    }

    fn is_idle(&self) -> bool {
        true
    }

    fn cannot_resume(&self) -> Option<Error> {
        self.merged.then(|| {
            Error::new(
                ErrorKind::Connect,
                "the topic has partitions, of which the REST API did not tell when the reader was opened, so there is no \
                 position to go on from; read each partition by its name, or use a host that serves the REST API",
            )
        })
    }

    fn handle_ended(&mut self, error: &Error) {
        self.events.extend(self.restart.disconnected().map(Event::restarted));
        for (ticket, _) in self.requests.drain() {
            self.events.push_back(Event::EndOfTopic(ticket, Err(error.clone())));
        }
    }
}
