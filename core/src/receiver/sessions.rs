//! The sessions of a consumer or a reader; more can be added while it is open.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::time::Duration;

use tokio::sync::watch::Receiver as Watch;

use crate::driver::{CommandSender, SessionCommand};
use crate::status::{Reporter, Status};

/// One session, `C` being its command.
pub(super) struct Entry<C> {
    pub(super) commands: CommandSender<C>,
    pub(super) status: Watch<Status>,
    pub(super) reporter: Weak<Reporter>,
}

struct State<C> {
    entries: Vec<Entry<C>>,
    /// Set once all were closed, to the linger time: a session that is added later is closed too.
    closed: Option<Duration>,
}

pub(crate) struct Sessions<C>(RwLock<State<C>>);

impl<C> Sessions<C> {
    pub(super) fn new() -> Sessions<C> {
        Sessions(RwLock::new(State { entries: Vec::new(), closed: None }))
    }

    fn state(&self) -> RwLockReadGuard<'_, State<C>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State<C>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, entry: Entry<C>) {
        let mut state = self.state_mut();
        if let Some(linger) = state.closed {
            let _ = entry.commands.send(SessionCommand::Close { linger });
        }
        state.entries.push(entry);
    }

    pub(crate) fn len(&self) -> usize {
        self.state().entries.len()
    }

    pub(crate) fn get(&self, session: usize) -> Option<CommandSender<C>> {
        self.state().entries.get(session).map(|entry| entry.commands.clone())
    }

    pub(crate) fn all(&self) -> Vec<CommandSender<C>> {
        self.state().entries.iter().map(|entry| entry.commands.clone()).collect()
    }

    pub(crate) fn status(&self) -> Vec<Watch<Status>> {
        self.state().entries.iter().map(|entry| entry.status.clone()).collect()
    }

    pub(super) fn status_of(&self, session: usize) -> Option<Watch<Status>> {
        self.state().entries.get(session).map(|entry| entry.status.clone())
    }

    pub(super) fn reporter(&self, session: usize) -> Option<Arc<Reporter>> {
        self.state().entries.get(session).and_then(|entry| entry.reporter.upgrade())
    }

    /// Closes every session, and those that are added later.
    pub(super) fn close(&self, linger: Duration) {
        let mut state = self.state_mut();
        state.closed = Some(linger);
        for entry in &state.entries {
            let _ = entry.commands.send(SessionCommand::Close { linger });
        }
    }
}
