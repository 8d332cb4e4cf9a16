//! Whole sessions in simulated time, against a model of the server that keeps every promise of the protocol and breaks
//! the connection wherever it may.

mod connection;
mod consuming;
mod producing;
mod reading;

use std::time::Duration;

use proptest::prelude::ProptestConfig;

use super::Moment;
use super::session::{Action, Change, Policy, Role, Session};
use crate::error::{Error, ErrorKind};
use crate::query::Query;

/// Returns the configuration for two thousand sequences of steps, or as many as `PROPTEST_CASES` says.
fn cases() -> ProptestConfig {
    let default = ProptestConfig::default();
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => default,
        None => ProptestConfig { cases: 2_000, ..default },
    }
}

fn policy() -> Policy {
    Policy::LOCAL
}

fn broken() -> Error {
    Error::new(ErrorKind::Connect, "the connection broke")
}

/// Drives a session: keeps the time, and records what the session requested.
struct World<R> {
    session: Session<R>,
    now: Moment,
    /// The query of the latest unanswered attempt to connect.
    attempt: Option<Query>,
    hosts_tried: Vec<usize>,
    pings: usize,
    closes: usize,
    changes: Vec<Change>,
}

impl<R: Role> World<R> {
    fn new(role: R, policy: Policy) -> World<R> {
        let mut world = World {
            session: Session::new(role, policy),
            now: Moment::ZERO,
            attempt: None,
            hosts_tried: Vec::new(),
            pings: 0,
            closes: 0,
            changes: Vec::new(),
        };
        world.session.start();
        world.act();
        world
    }

    fn act(&mut self) {
        while let Some(action) = self.session.poll_action() {
            match action {
                Action::Connect { host } => {
                    self.hosts_tried.push(host);
                    let mut query = Query::default();
                    self.session.connect_query(&mut query);
                    self.attempt = Some(query);
                }
                Action::Ping => self.pings += 1,
                Action::Close => self.closes += 1,
                Action::Drop => self.attempt = None,
            }
        }
        self.changes.extend(std::iter::from_fn(|| self.session.poll_change()));
        if let Some(deadline) = self.session.poll_timeout() {
            // The timeout handles everything that is due with it.
            assert!(deadline >= self.now, "a deadline in the past: {deadline:?} at {:?}", self.now);
        }
    }

    /// Answers the current attempt, if there is one, and returns its query.
    fn connect(&mut self) -> Option<Query> {
        let query = self.attempt.take()?;
        self.session.handle_connected(self.now);
        self.act();
        Some(query)
    }

    fn fail(&mut self, error: Error) {
        if self.attempt.take().is_some() {
            self.session.handle_connect_failed(self.now, error);
            self.act();
        }
    }

    fn disconnect(&mut self) {
        self.session.handle_disconnected(self.now, broken());
        self.act();
    }

    fn command(&mut self, command: R::Command) {
        self.session.handle_command(self.now, command);
        self.act();
    }

    fn receive(&mut self, text: &str) {
        self.session.handle_text(self.now, text);
        self.act();
    }

    /// Advances the time, stopping at each deadline on the way.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        // A delay may be zero, but not repeatedly.
        let mut at_once = 0;
        while let Some(deadline) = self.session.poll_timeout().filter(|deadline| *deadline <= until) {
            self.now = deadline;
            self.session.handle_timeout(self.now);
            self.act();
            at_once = if self.session.poll_timeout() == Some(deadline) { at_once + 1 } else { 0 };
            assert!(at_once < 5, "a deadline that does not go away: {deadline:?}");
        }
        self.now = until;
    }

    fn written(&mut self) -> Vec<String> {
        let mut frames = Vec::new();
        while let Some(frame) = self.session.poll_frame() {
            frames.push(frame.text());
        }
        self.session.handle_written(self.now);
        self.act();
        frames
    }

    fn events(&mut self) -> Vec<R::Event> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }

    /// Returns the errors of the disconnects so far.
    fn disconnections(&self) -> Vec<Error> {
        let error = |change: &Change| match change {
            Change::Disconnected { error, .. } => Some(error.clone()),
            _ => None,
        };
        self.changes.iter().filter_map(error).collect()
    }

    /// Returns how the session ended.
    fn ended(&self) -> Option<ErrorKind> {
        self.session.ended().map(Error::kind)
    }
}
