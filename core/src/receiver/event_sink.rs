//! Delivers the messages and events of one session: messages to the queue, answers to their callers.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use super::{ReadPositions, Ticket};
use crate::driver::{EventSink, Route};
use crate::encryption::Opener;
use crate::message::Message;
use crate::proto::consumer::Event;
use crate::proto::session::Change;
use crate::receiver::inbox::Inbox;
use crate::stats::Counters;
use crate::status::{self, Reporter};

pub(super) struct ReceiverSink {
    reporter: Arc<Reporter>,
    inbox: Arc<Inbox>,
    positions: Arc<ReadPositions>,
    arrived: Vec<Message>,
    /// Decrypts messages before they are queued; only with end-to-end encryption.
    opener: Option<Opener>,
    session: usize,
    comes_again: bool,
    /// Called when the session fails.
    close_siblings: Box<dyn Fn() + Send>,
    ended: bool,
}

impl ReceiverSink {
    /// Creates a sink. `comes_again` says that the broker redelivers unacknowledged messages after a disconnect.
    pub(super) fn new(
        reporter: Arc<Reporter>,
        inbox: Arc<Inbox>,
        positions: Arc<ReadPositions>,
        session: usize,
        comes_again: bool,
        opener: Option<Opener>,
        close_siblings: impl Fn() + Send + 'static,
    ) -> ReceiverSink {
        let close_siblings = Box::new(close_siblings);
        ReceiverSink {
            reporter,
            inbox,
            positions,
            arrived: Vec::new(),
            opener,
            session,
            comes_again,
            close_siblings,
            ended: false,
        }
    }
}

impl ReceiverSink {
    /// Decrypts what can be decrypted. Returns whether a key is being fetched, during which the connection is not read.
    fn decrypt(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(opener) = &mut self.opener else { return false };
        let before = self.arrived.len();
        let fetching = opener.poll(cx, &mut self.arrived);
        self.arrived[before..].iter().for_each(|message| self.inbox.read(message));
        fetching
    }
}

impl Drop for ReceiverSink {
    fn drop(&mut self) {
        if !self.ended {
            // The task was torn down or panicked: callers that wait for messages get an error.
            self.inbox.end(status::gone());
        }
    }
}

impl EventSink<Event<Ticket>> for ReceiverSink {
    fn handle_event(&mut self, event: Event<Ticket>) {
        match event {
            Event::Message(message) => match &mut self.opener {
                None => {
                    self.inbox.read(&message);
                    self.arrived.push(*message);
                }
                Some(opener) => opener.push(*message),
            },
            Event::Stalled { unacked } => self.reporter.stalled(unacked),
            Event::EndOfTopic(Ticket::EndOfTopic(sender), outcome) => {
                let _ = sender.send(outcome);
            }
            Event::Unsubscribed(Ticket::Unsubscribe(sender), outcome) => {
                let _ = sender.send(outcome);
            }
            Event::Restarted(Ticket::Restarted { told, position, keeps_put_back }, last) => {
                if let Some(opener) = &mut self.opener {
                    opener.forget();
                }
                let arrived = std::mem::take(&mut self.arrived);
                self.inbox.unread(&arrived);
                if !keeps_put_back {
                    self.inbox.forget_put_back(self.session);
                }
                self.inbox.forget(self.session);
                // Before a message from the new position can be taken, and whether or not the caller still waits.
                self.positions.restarted(self.session, position, last);
                let _ = told.send(());
            }
            Event::Restarted(_, _)
            | Event::EndOfTopic(Ticket::Restarted { .. }, _)
            | Event::Unsubscribed(Ticket::Restarted { .. }, _)
            | Event::EndOfTopic(Ticket::Unsubscribe(_), _)
            | Event::Unsubscribed(Ticket::EndOfTopic(_), _) => {
                debug_assert!(false, "the state machine gave a ticket to the wrong event");
            }
        }
    }

    fn handle_change(&mut self, change: Change, route: &Route) {
        if let Change::Ended { error, .. } = &change {
            self.reporter.announce(&change);
            self.inbox.push(&mut self.arrived);
            self.ended = true;
            match error {
                Some(error) => {
                    self.inbox.end(error.clone());
                    (self.close_siblings)();
                }
                None => self.inbox.end_session(),
            }
        }
        self.reporter.changed(change, route);
    }

    fn handle_disconnected(&mut self) -> usize {
        if !self.comes_again {
            return 0;
        }
        let sealed = self.opener.as_mut().map_or(0, Opener::forget);
        let arrived = std::mem::take(&mut self.arrived);
        self.inbox.unread(&arrived);
        let frames = arrived.iter().filter(|message| !message.origin.in_same_frame).count();
        sealed + frames + self.inbox.forget(self.session)
    }

    fn flush(&mut self) {
        self.inbox.push(&mut self.arrived);
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let fetching = self.decrypt(cx);
        if !fetching && self.inbox.has_room() {
            return Poll::Ready(());
        }
        self.inbox.push(&mut self.arrived);
        if self.inbox.poll_room(cx).is_pending() || fetching { Poll::Pending } else { Poll::Ready(()) }
    }

    fn handle_pong(&mut self, at: SystemTime) {
        self.reporter.ponged(at);
    }

    fn handle_compression(&mut self, accepted: bool) {
        self.reporter.compressed(accepted);
    }

    fn counters(&self) -> &Arc<Counters> {
        self.reporter.counters()
    }
}
