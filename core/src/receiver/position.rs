//! The positions up to which the application has taken the messages of each session, and notification of changes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::error::Error;
use crate::message::{Message, MessageId};

/// The position of a session in its topic, for the application.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum ReadPosition {
    /// At the end of the topic when the session connected; the client does not know its id.
    #[default]
    Unknown,
    /// Before the first message that is stored.
    Earliest,
    /// After this message. Without a batch index, the whole batch is still to come; entry -1 is the beginning of a
    /// ledger.
    After(MessageId),
}

impl ReadPosition {
    /// Returns whether the position is after `id` and all messages before it.
    pub(crate) fn has_passed(&self, id: &MessageId) -> bool {
        let ReadPosition::After(at) = self else { return false };
        let order = |id: &MessageId| (id.ledger(), id.entry().wrapping_add(1), id.batch_index());
        order(at) >= order(id)
    }
}

#[derive(Debug, Default)]
struct Session {
    position: ReadPosition,
    /// Messages of this connection and earlier ones are from before a seek.
    before: u64,
    /// The tombstone at which the server's delivery stopped, and which is not skipped.
    stopped: Option<Error>,
}

#[derive(Debug, Default)]
pub(crate) struct ReadPositions {
    sessions: Mutex<Vec<Session>>,
    moved: Notify,
}

impl ReadPositions {
    fn sessions(&self) -> MutexGuard<'_, Vec<Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the position of a session, and wakes the waiting tasks.
    fn change(&self, session: usize, change: impl FnOnce(&mut Session)) {
        if let Some(session) = self.sessions().get_mut(session) {
            change(session);
        }
        self.moved.notify_waiters();
    }

    pub(super) fn add_session(&self) {
        self.sessions().push(Session::default());
    }

    /// Sets where a session starts, unless messages of it have been taken already.
    pub(crate) fn begins_at(&self, session: usize, position: ReadPosition) {
        self.change(session, |session| {
            if session.position == ReadPosition::Unknown {
                session.position = position;
            }
        });
    }

    /// Records that the application has taken messages of one session.
    pub(super) fn take(&self, messages: &[Message]) {
        let Some(last) = messages.last() else { return };
        self.change(last.origin.session, |session| {
            let is_behind = !session.position.has_passed(&last.id);
            if last.origin.connection > session.before && is_behind {
                session.position = ReadPosition::After(last.id.clone());
                session.stopped = None;
            }
        });
    }

    /// Sets the new position of a session after a seek; messages from before that are still taken do not move it.
    pub(super) fn restarted(&self, session: usize, position: ReadPosition, before: u64) {
        self.change(session, |session| *session = Session { position, before, stopped: None });
    }

    pub(super) fn stopped(&self, session: usize, why: Option<Error>) {
        self.change(session, |session| session.stopped = why);
    }

    pub(crate) fn of(&self, session: usize) -> ReadPosition {
        self.sessions().get(session).map(|session| session.position.clone()).unwrap_or_default()
    }

    /// Returns why the server sends nothing more to a session, if that is known.
    pub(crate) fn why_stopped(&self, session: usize) -> Option<Error> {
        self.sessions().get(session).and_then(|session| session.stopped.clone())
    }

    /// Wakes the waiting tasks after a change elsewhere, so that they check again.
    pub(crate) fn wake(&self) {
        self.moved.notify_waiters();
    }

    /// Returns the next change from now on.
    pub(crate) fn moved(&self) -> Notified<'_> {
        self.moved.notified()
    }
}
