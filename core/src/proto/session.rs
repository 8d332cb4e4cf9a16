//! The life of a session: connect, stay alive, come back after a disconnect, end.

use std::collections::VecDeque;
use std::time::Duration;

use super::backoff::Backoff;
use super::frame::Frame;
use super::liveness::{Liveness, PingAction};
use super::{Moment, earliest};
use crate::error::{Error, ErrorKind, Result};

/// How long the peer may take to answer our close frame.
const CLOSE_HANDSHAKE: Duration = Duration::from_secs(1);

/// What flows over a connection: a producer, a consumer or a reader.
pub(crate) trait Role {
    type Command;
    type Event;

    /// Query parameters for the next connection, besides those of the options, which they override.
    fn query(&mut self) -> Vec<(&'static str, String)>;
    fn connected(&mut self, now: Moment, connection: u64);
    fn disconnected(&mut self, now: Moment, why: &Error);
    /// Takes a text frame. An error is a frame that does not belong to the protocol; it is reported and skipped.
    fn frame(&mut self, now: Moment, text: &str) -> Result<()>;
    fn command(&mut self, now: Moment, command: Self::Command);
    fn deadline(&self) -> Option<Moment>;
    fn tick(&mut self, now: Moment);
    /// The next frame to write; asked for only while there is a connection.
    fn poll_frame(&mut self) -> Option<Frame<'_>>;
    fn poll_event(&mut self) -> Option<Self::Event>;
    /// The connection is gone, and so many messages with it that the application has not seen; they come again.
    fn forgotten(&mut self, _messages: usize) {}
    /// Why there is no way to go on after a disconnect, if there is none.
    fn cannot_resume(&self) -> Option<Error> {
        None
    }
    /// How long to stay for what was told just before all handles were dropped.
    fn drop_linger(&self) -> Duration {
        Duration::ZERO
    }
    /// A frame was skipped that nobody can read. Whether a new connection is to bring again what it may have been.
    fn skipped(&mut self, now: Moment) -> bool {
        let _ = now;
        false
    }
    /// Why it needs a new connection, if it does.
    fn wants_reconnect(&self) -> Option<&'static str> {
        None
    }
    /// How many commands that can wait may come before they are looked at; a deadline sees to those that are fewer.
    fn wake_threshold(&self) -> usize {
        1
    }
    /// About how many frames the server may send before it waits for us.
    fn receive_window(&self) -> usize;
    /// Whether nothing is left to do before a close.
    fn is_idle(&self) -> bool;
    /// A close has begun: what waits for company goes out now.
    fn flush(&mut self) {}
    /// The session has ended: everything still open ends with `error`.
    fn abandon(&mut self, error: &Error);
}

/// A server lets go of a consumer or producer a moment after it has answered its close. So a place that is taken (409) at
/// the first attempt is tried again for this long before it is believed.
const TAKEN_FOR: Duration = Duration::from_secs(2);

/// How a session connects and reconnects.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) hosts: usize,
    pub(crate) first_host: usize,
    pub(crate) lazy: bool,
    pub(crate) keep_trying: bool,
    pub(crate) max_reconnects: u32,
    pub(crate) ping_interval: Duration,
    pub(crate) pong_timeout: Duration,
    pub(crate) backoff_min: Duration,
    pub(crate) backoff_max: Duration,
    pub(crate) seed: u64,
}

/// What the driver has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Connect to the host with this index, with the role's present query.
    Connect {
        host: usize,
    },
    Ping,
    /// Send a close frame.
    Close,
    /// Let the connection, or the attempt, go.
    Drop,
}

/// A change of state, for logs and listeners.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Connecting {
        host: usize,
    },
    Connected {
        host: usize,
        connection: u64,
    },
    /// The connection was lost, or an attempt failed; the next attempt is in `retry_in`.
    Disconnected {
        host: usize,
        error: Error,
        retry_in: Duration,
        /// It was given up because a new one is wanted.
        intended: bool,
    },
    /// The end; `unfinished` when something was still in flight, all of which has been told.
    Ended {
        error: Option<Error>,
        unfinished: bool,
    },
    /// A frame that does not belong to the protocol.
    Malformed {
        error: Error,
    },
}

#[derive(Debug)]
enum Phase {
    Idle,
    Waiting {
        until: Moment,
    },
    Connecting,
    Open(Open),
    /// Our close frame is written.
    Closing {
        until: Moment,
    },
    Ended(Error),
}

#[derive(Debug)]
struct Open {
    liveness: Liveness,
    /// Whether the server sent anything of use; only then the next reconnect begins with a short wait again.
    useful: bool,
}

pub(crate) struct Session<R> {
    pub(crate) role: R,
    policy: Policy,
    phase: Phase,
    backoff: Backoff,
    host: usize,
    /// What went wrong with each host since the last connection or wait.
    round: Vec<Error>,
    failures: u32,
    /// When the first attempt found its place taken.
    taken_since: Option<Moment>,
    connections: u64,
    /// Set when a close has begun: until when what is in flight may take.
    linger_until: Option<Moment>,
    /// The driver reads nothing, because the application's queue is full.
    reads_paused: bool,
    actions: VecDeque<Action>,
    changes: VecDeque<Change>,
}

impl<R: Role> Session<R> {
    pub(crate) fn new(role: R, policy: Policy) -> Session<R> {
        Session {
            role,
            phase: Phase::Idle,
            backoff: Backoff::new(policy.backoff_min, policy.backoff_max, policy.seed),
            host: policy.first_host % policy.hosts.max(1),
            round: Vec::new(),
            failures: 0,
            taken_since: None,
            connections: 0,
            linger_until: None,
            reads_paused: false,
            actions: VecDeque::new(),
            changes: VecDeque::new(),
            policy,
        }
    }

    pub(crate) fn start(&mut self) {
        if matches!(self.phase, Phase::Idle) {
            self.connect();
        }
    }

    fn connect(&mut self) {
        self.phase = Phase::Connecting;
        self.changes.push_back(Change::Connecting { host: self.host });
        self.actions.push_back(Action::Connect { host: self.host });
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    /// Why the session ended, once it has.
    pub(crate) fn ended(&self) -> Option<&Error> {
        match &self.phase {
            Phase::Ended(error) => Some(error),
            _ => None,
        }
    }

    pub(crate) fn set_reads_paused(&mut self, reads_paused: bool) {
        self.reads_paused = reads_paused;
    }

    /// The attempt that was asked for succeeded.
    pub(crate) fn connected(&mut self, now: Moment) {
        if !matches!(self.phase, Phase::Connecting) {
            return;
        }
        self.connections += 1;
        self.round.clear();
        self.failures = 0;
        let liveness = Liveness::new(self.policy.ping_interval, self.policy.pong_timeout, now);
        self.phase = Phase::Open(Open { liveness, useful: false });
        self.changes.push_back(Change::Connected { host: self.host, connection: self.connections });
        self.role.connected(now, self.connections);
        self.settle(now);
    }

    /// The attempt that was asked for failed.
    pub(crate) fn connect_failed(&mut self, now: Moment, error: Error) {
        if !matches!(self.phase, Phase::Connecting) {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        let failed_host = self.host;
        self.host = (self.host + 1) % self.policy.hosts.max(1);
        let fatal = self.is_fatal(&error);
        self.round.push(error);
        let all_tried = self.round.len() >= self.policy.hosts;
        if all_tried || fatal {
            let error = all_failed(std::mem::take(&mut self.round));
            let first = self.connections == 0 && !self.policy.lazy;
            let enough = self.policy.max_reconnects > 0 && self.failures >= self.policy.max_reconnects;
            let mut wait = self.backoff.next();
            if first {
                let Some(left) = self.taken_for(now, &error) else { return self.end(Some(error)) };
                wait = wait.min(left);
            }
            if fatal || enough {
                return self.end(Some(error));
            }
            self.phase = Phase::Waiting { until: now + wait };
            self.changes.push_back(Change::Disconnected { host: failed_host, error, retry_in: wait, intended: false });
            self.settle(now);
        } else {
            self.connect();
        }
    }

    /// How much longer a first attempt that finds its place taken is tried again.
    fn taken_for(&mut self, now: Moment, error: &Error) -> Option<Duration> {
        if error.kind() != ErrorKind::Busy {
            return None;
        }
        let until = *self.taken_since.get_or_insert(now) + TAKEN_FOR;
        (now < until).then(|| until - now)
    }

    /// Whether trying again can not help. A conflict or a fault (409, 500) is what a broker shows while it recovers.
    fn is_fatal(&self, error: &Error) -> bool {
        if self.policy.keep_trying {
            return false;
        }
        // A terminated topic is a 503. What a 500 says is not taken at its word: a broker that recovers does not find
        // what it has not loaded yet.
        let terminated = error.kind() == ErrorKind::TopicTerminated;
        terminated || matches!(error.http_status(), Some(400 | 401 | 403 | 404))
    }

    /// The connection is gone, in whatever way.
    pub(crate) fn disconnected(&mut self, now: Moment, error: Error) {
        self.lost(now, error, false);
    }

    fn lost(&mut self, now: Moment, error: Error, intended: bool) {
        match &self.phase {
            Phase::Open(open) => {
                if open.useful {
                    self.backoff.reset();
                }
                self.role.disconnected(now, &error);
                if let Some(stuck) = self.role.cannot_resume() {
                    return self.end(Some(stuck.caused_by(error)));
                }
                let wait = self.backoff.next();
                self.phase = Phase::Waiting { until: now + wait };
                // The next host in turn: this one may be on its way down.
                let host = self.host;
                self.host = (self.host + 1) % self.policy.hosts.max(1);
                self.changes.push_back(Change::Disconnected { host, error, retry_in: wait, intended });
                self.settle(now);
            }
            Phase::Closing { .. } => {
                self.role.disconnected(now, &error);
                self.end(None);
            }
            _ => {}
        }
    }

    /// A text frame arrived.
    pub(crate) fn text(&mut self, now: Moment, text: &str) {
        match &mut self.phase {
            Phase::Open(open) => {
                open.liveness.heard();
                open.useful = true;
            }
            Phase::Closing { .. } => {}
            // Read from a connection that was given up in the meantime.
            _ => return,
        }
        if let Err(error) = self.role.frame(now, text) {
            self.malformed(now, error);
        }
        self.settle(now);
    }

    /// A frame arrived that is not part of the protocol.
    pub(crate) fn malformed(&mut self, now: Moment, error: Error) {
        self.changes.push_back(Change::Malformed { error: error.clone() });
        if self.is_open() && self.role.skipped(now) && self.linger_until.is_none() {
            self.actions.push_back(Action::Drop);
            self.disconnected(now, error);
        }
    }

    /// Something else than a text arrived.
    pub(crate) fn heard(&mut self) {
        if let Phase::Open(open) = &mut self.phase {
            open.liveness.heard();
            // It has lived for as long as it takes to answer a ping.
            open.useful = true;
        }
    }

    pub(crate) fn command(&mut self, now: Moment, command: R::Command) {
        self.role.command(now, command);
        if let Phase::Ended(error) = &self.phase {
            let error = error.clone();
            self.role.abandon(&error);
        }
        self.settle(now);
    }

    /// All handles are gone.
    pub(crate) fn abandoned(&mut self, now: Moment) {
        self.close(now, self.role.drop_linger());
    }

    /// Ends the session when what is in flight is done, or after `linger`.
    pub(crate) fn close(&mut self, now: Moment, linger: Duration) {
        let until = now.saturating_add(linger);
        self.linger_until = earliest([self.linger_until, Some(until)]);
        self.role.flush();
        self.settle(now);
    }

    fn settle(&mut self, now: Moment) {
        // A close needs no certainty any more, unless there is something left to send.
        let needed = self.linger_until.is_none() || !self.role.is_idle();
        if let Some(why) = self.role.wants_reconnect().filter(|_| self.is_open() && needed) {
            self.actions.push_back(Action::Drop);
            self.lost(now, Error::new(ErrorKind::Broker, format!("reconnecting {why}")), true);
        }
        let Some(until) = self.linger_until else { return };
        let over = now >= until;
        match self.phase {
            Phase::Ended(_) | Phase::Closing { .. } => {}
            Phase::Open(_) if self.role.is_idle() && !over => {
                self.actions.push_back(Action::Close);
                self.phase = Phase::Closing { until: now + CLOSE_HANDSHAKE };
            }
            // What is not in flight has nothing to wait for.
            _ if over || self.role.is_idle() => {
                if self.is_open() {
                    self.actions.push_back(Action::Close);
                }
                self.end(None);
            }
            _ => {}
        }
    }

    fn end(&mut self, error: Option<Error>) {
        self.actions.push_back(Action::Drop);
        let why = error.clone().unwrap_or_else(Error::closed);
        let unfinished = !self.role.is_idle();
        self.phase = Phase::Ended(why.clone());
        self.role.abandon(&why);
        self.changes.push_back(Change::Ended { error, unfinished });
    }

    pub(crate) fn deadline(&self) -> Option<Moment> {
        let own = match &self.phase {
            Phase::Waiting { until } | Phase::Closing { until } => Some(*until),
            Phase::Open(open) => Some(open.liveness.deadline()),
            Phase::Idle | Phase::Connecting => None,
            Phase::Ended(_) => return None,
        };
        let linger = self.linger_until.filter(|_| !matches!(self.phase, Phase::Closing { .. }));
        earliest([own, linger, self.role.deadline()])
    }

    pub(crate) fn tick(&mut self, now: Moment) {
        match &mut self.phase {
            Phase::Waiting { until } if now >= *until => self.connect(),
            Phase::Closing { until } if now >= *until => self.end(None),
            Phase::Open(open) => match open.liveness.tick(now, self.reads_paused) {
                PingAction::Nothing => {}
                PingAction::Ping => self.actions.push_back(Action::Ping),
                PingAction::Dead => {
                    let silence = format!("nothing came within {:?} after a ping", self.policy.pong_timeout);
                    self.actions.push_back(Action::Drop);
                    self.disconnected(now, Error::new(ErrorKind::Connect, silence));
                }
            },
            _ => {}
        }
        self.role.tick(now);
        self.settle(now);
    }

    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    pub(crate) fn poll_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    /// The next frame to write; [`Session::wrote`] follows when there is none left or no room.
    pub(crate) fn poll_frame(&mut self) -> Option<Frame<'_>> {
        if self.is_open() { self.role.poll_frame() } else { None }
    }

    /// Frames were written: a close may have waited for that.
    pub(crate) fn wrote(&mut self, now: Moment) {
        self.settle(now);
    }
}

/// One error for the failures of all hosts; the last one gives the kind.
fn all_failed(mut errors: Vec<Error>) -> Error {
    let Some(last) = errors.pop() else { return Error::new(ErrorKind::Internal, "no host was tried") };
    if errors.is_empty() {
        return last;
    }
    errors.push(last.clone());
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let all = Error::new(last.kind(), format!("none of {} hosts: {}", texts.len(), texts.join("; ")));
    let all = match last.http_status() {
        Some(status) => all.with_http_status(status),
        None => all,
    };
    match last.broker_text() {
        Some(text) => all.with_broker_text(text),
        None => all,
    }
}
