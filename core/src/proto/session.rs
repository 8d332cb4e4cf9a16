//! The life of a session: connect, stay alive, reconnect after a disconnect, end.

use std::collections::VecDeque;
use std::time::Duration;

use super::backoff::Backoff;
use super::frame::Frame;
use super::idle::Idle;
use super::liveness::{Liveness, PingAction};
use super::{Moment, earliest};
use crate::error::{Error, ErrorKind, Result};
use crate::query::Query;

/// How long the peer may take to answer our close frame.
const CLOSE_HANDSHAKE: Duration = Duration::from_secs(1);

/// The traffic of a connection: a producer, a consumer or a reader.
///
/// Only [`Session`] calls these methods. They come in the same kinds as its own:
///
/// - `handle_*` report to the role what happened. `handle_connected` and `handle_disconnected` alternate, beginning
///   with the former. `handle_text` is called only between them. `handle_command`, `handle_timeout` and `flush` may be
///   called at any time. After `handle_ended` only `handle_command` is called, each time followed by another
///   `handle_ended`.
/// - `poll_*` return what to do, one item at a time until `None`. `poll_frame` is called only between
///   `handle_connected` and `handle_disconnected`.
/// - The others are queries. They change nothing, except that `connect_query` may prepare the connection it is for.
pub(crate) trait Role {
    type Command;
    type Event;

    /// Sets the parameters of the next connection that the role determines, in the query that follows from the options.
    fn connect_query(&mut self, query: &mut Query);

    /// Handles the opening of connection number `connection`, counted from 1.
    fn handle_connected(&mut self, now: Moment, connection: u64);
    /// Handles the loss of the connection; the outcome of what was in flight on it is uncertain.
    fn handle_disconnected(&mut self, now: Moment, why: &Error);
    /// Handles that no host could be reached, after which the session waits and tries again.
    fn handle_unreachable(&mut self, _error: &Error) {}
    /// Handles the text of a frame. On an error the frame is not part of the protocol, and the session reports and
    /// skips it.
    fn handle_text(&mut self, now: Moment, text: &str) -> Result<()>;
    /// Handles an unreadable frame that was skipped. Returns whether a new connection is needed to redeliver the
    /// message that it may have been.
    fn handle_unreadable(&mut self, now: Moment) -> bool {
        let _ = now;
        false
    }
    /// Handles that many delivered messages, discarded unseen when the connection broke; the broker redelivers them.
    fn handle_discarded(&mut self, _messages: usize) {}
    fn handle_command(&mut self, now: Moment, command: Self::Command);
    /// Handles the deadline of `poll_timeout`.
    fn handle_timeout(&mut self, now: Moment);
    /// Sends what is held back for a batch, because a close has begun.
    fn flush(&mut self) {}
    /// Handles the end of the session: everything still open ends with `error`.
    fn handle_ended(&mut self, error: &Error);

    /// Returns the next frame to write.
    fn poll_frame(&mut self) -> Option<Frame<'_>>;
    /// Returns the next event for the application.
    fn poll_event(&mut self) -> Option<Self::Event>;
    /// Returns when to call `handle_timeout` at the latest.
    fn poll_timeout(&self) -> Option<Moment>;

    /// Returns whether nothing is left to do before a close.
    fn is_idle(&self) -> bool;
    /// Returns what the server holds for a connection, and grants to no other meanwhile.
    fn held_by_server(&self) -> Option<&'static str> {
        None
    }
    /// Returns why the role cannot continue after this disconnect, if it cannot.
    fn cannot_resume(&self) -> Option<Error> {
        None
    }
    /// Returns why the role needs a new connection, if it does.
    fn wants_reconnect(&self) -> Option<&'static str> {
        None
    }
    /// Returns how long to stay connected for commands sent just before all handles were dropped.
    fn drop_linger(&self) -> Duration {
        Duration::ZERO
    }
    /// Returns how many deferrable commands may be queued before the session's task is woken. A timeout handles fewer.
    fn wake_threshold(&self) -> usize {
        1
    }
    /// Returns about how many frames the server may send before it waits for us.
    fn receive_window(&self) -> usize;
}

/// How long a first attempt retries after a conflict (409). A server releases a consumer or producer a moment after it
/// has answered the close.
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

#[cfg(any(test, feature = "benching"))]
impl Policy {
    /// One host with short waits, for tests and benchmarks.
    pub(crate) const LOCAL: Policy = Policy {
        hosts: 1,
        first_host: 0,
        lazy: true,
        keep_trying: false,
        max_reconnects: 0,
        ping_interval: Duration::from_secs(30),
        pong_timeout: Duration::from_secs(10),
        backoff_min: Duration::from_millis(100),
        backoff_max: Duration::from_secs(10),
        seed: 42,
    };
}

/// An action for the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Connect to the host with this index, with the role's current query.
    Connect {
        host: usize,
    },
    Ping,
    /// Send a close frame.
    Close,
    /// Drop the connection, or the attempt.
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
    /// The connection was lost, or an attempt failed. The next attempt is in `retry_in`.
    Disconnected {
        host: usize,
        error: Error,
        retry_in: Duration,
        /// The session closed the connection because it needs a new one.
        intended: bool,
    },
    /// The session ended. `unfinished` when something was still in flight, all of which has been reported.
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
    /// Whether the server sent anything useful. Only then does the next reconnect begin with a short delay again.
    useful: bool,
}

/// The life of a connection, as a state machine without input or output. It connects, pings, reconnects with backoff
/// and closes; a [`Role`] does the rest. It never blocks, sleeps or reads a clock.
///
/// # Kinds of methods
///
/// As in quinn-proto, a driver moves bytes and time between the outside and this type:
///
/// - **Inputs** report what happened: [`start`](Session::start), `handle_*`, [`close`](Session::close) and
///   [`set_reads_paused`](Session::set_reads_paused). The time that an input takes must never go back.
/// - **Outputs** return what to do: `poll_*`. Each returns one item, and is called until it returns `None`.
/// - **Queries** change nothing: [`ended`](Session::ended), [`is_open`](Session::is_open),
///   [`poll_timeout`](Session::poll_timeout), [`receive_window`](Session::receive_window) and
///   [`wake_threshold`](Session::wake_threshold).
///
/// # Order of calls
///
/// `start` comes first, once. Then, after each round of inputs:
///
/// 1. [`poll_action`](Session::poll_action) until `None`. The driver carries out each action before the next input.
///    For `Connect` it first calls [`connect_query`](Session::connect_query). It answers with one `handle_connected` or
///    `handle_connect_failed`, unless `Drop` withdraws the attempt. `Close` and `Drop` need no answer. If `Drop` closes
///    a connection, the driver reports what was lost with [`handle_discarded`](Session::handle_discarded).
/// 2. [`poll_event`](Session::poll_event), then [`poll_change`](Session::poll_change), so that the application receives
///    what a connection delivered before it learns that the connection is lost.
/// 3. [`poll_frame`](Session::poll_frame) until `None` or until the socket accepts no more, then one
///    [`handle_written`](Session::handle_written), which may allow a close to proceed.
/// 4. [`poll_timeout`](Session::poll_timeout) last, since everything above may move it. At that moment, or later, the
///    driver calls [`handle_timeout`](Session::handle_timeout). It first handles input that has arrived by then: an
///    answer is not late because the process slept.
///
/// When a connection breaks, the driver calls `poll_event` until `None`, then `handle_discarded`, then
/// [`handle_disconnected`](Session::handle_disconnected).
///
/// # What may be called when
///
/// Every method may be called at any time, and has no effect in a phase where it has no meaning. `handle_connected` and
/// `handle_connect_failed` take effect while connecting. `handle_text`, `handle_activity` and `handle_disconnected`
/// take effect while a connection is open or closing. `poll_frame` returns frames while one is open. After
/// [`ended`](Session::ended), commands fail with its error, and `poll_timeout` returns `None`.
pub(crate) struct Session<R> {
    pub(super) role: R,
    policy: Policy,
    phase: Phase,
    backoff: Backoff,
    host: usize,
    /// The errors of each host since the last connection or wait.
    round: Vec<Error>,
    failures: u32,
    /// When the first attempt met a conflict.
    taken_since: Option<Moment>,
    /// When the latest connection was lost.
    lost_at: Option<Moment>,
    connections: u64,
    /// The deadline for what is in flight, set when a close has begun.
    linger_until: Option<Moment>,
    idle: Idle,
    /// Whether the driver has stopped reading because the application's queue is full.
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
            lost_at: None,
            connections: 0,
            linger_until: None,
            idle: Idle::default(),
            reads_paused: false,
            actions: VecDeque::new(),
            changes: VecDeque::new(),
            policy,
        }
    }

    /// Starts to connect. Called once.
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

    /// Returns why the session ended, once it has.
    pub(crate) fn ended(&self) -> Option<&Error> {
        match &self.phase {
            Phase::Ended(error) => Some(error),
            _ => None,
        }
    }

    /// Sets whether reads are paused. While they are, nothing is read from the socket, so a missing answer does not
    /// mean that the peer is dead.
    pub(crate) fn set_reads_paused(&mut self, reads_paused: bool) {
        self.reads_paused = reads_paused;
    }

    /// Handles the success of the requested attempt.
    pub(crate) fn handle_connected(&mut self, now: Moment) {
        if !matches!(self.phase, Phase::Connecting) {
            return;
        }
        self.connections += 1;
        self.round.clear();
        self.failures = 0;
        let liveness = Liveness::new(self.policy.ping_interval, self.policy.pong_timeout, now);
        self.idle.handle_traffic(now);
        self.phase = Phase::Open(Open { liveness, useful: false });
        self.changes.push_back(Change::Connected { host: self.host, connection: self.connections });
        self.role.handle_connected(now, self.connections);
        self.update(now);
    }

    /// Handles the failure of the requested attempt.
    pub(crate) fn handle_connect_failed(&mut self, now: Moment, error: Error) {
        if !matches!(self.phase, Phase::Connecting) {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        let failed_host = self.host;
        self.host = (self.host + 1) % self.policy.hosts.max(1);
        self.round.push(error);
        if self.round.len() >= self.policy.hosts {
            let round = std::mem::take(&mut self.round);
            // Another host may grant what one refuses: a handle ends only when all errors are fatal.
            let fatal = round.iter().all(|error| self.is_fatal(error));
            let error = self.explain_conflict(now, self.all_failed(round));
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
            self.role.handle_unreachable(&error);
            self.changes.push_back(Change::Disconnected { host: failed_host, error, retry_in: wait, intended: false });
            self.update(now);
        } else {
            self.connect();
        }
    }

    /// Appends to a conflict who may be in the way, since when, and what to set. A server that has not noticed the end of
    /// a connection refuses the next one.
    fn explain_conflict(&self, now: Moment, error: Error) -> Error {
        let Some(held) = self.role.held_by_server().filter(|_| error.kind() == ErrorKind::Busy) else { return error };
        let holder = match self.lost_at {
            Some(at) => format!("the connection that this client lost {} s ago", now.saturating_sub(at).as_secs()),
            None => "a client that vanished".to_owned(),
        };
        error.adding(&format!(
            "; if no other client has {held}, the server still holds it for {holder}: in its configuration, \
             webSocketSessionIdleTimeoutMillis (300 s by default) bounds that time, and webSocketPingDurationSeconds has to \
             be off"
        ))
    }

    /// Returns how much longer to retry a first attempt that meets a conflict.
    fn taken_for(&mut self, now: Moment, error: &Error) -> Option<Duration> {
        if error.kind() != ErrorKind::Busy {
            return None;
        }
        let until = *self.taken_since.get_or_insert(now) + TAKEN_FOR;
        (now < until).then(|| until - now)
    }

    /// Returns whether a retry cannot help. A recovering broker answers with a conflict or a fault (409, 500).
    fn is_fatal(&self, error: &Error) -> bool {
        if self.policy.keep_trying {
            return false;
        }
        // A terminated topic is a 503. The text of a 500 is not trusted: a recovering broker does not find what it has
        // not loaded yet.
        let terminated = error.kind() == ErrorKind::TopicTerminated;
        // A 409 is a conflict, or a schema that does not fit.
        let unfit = error.http_status() == Some(409) && error.kind() != ErrorKind::Busy;
        terminated || unfit || error.is_final() || matches!(error.http_status(), Some(400 | 401 | 403 | 404))
    }

    /// Combines the failures of all hosts into one error. Its kind is that of a temporary error, a conflict before any
    /// other, or else of the last.
    fn all_failed(&self, mut errors: Vec<Error>) -> Error {
        let Some(last) = errors.last() else { return Error::new(ErrorKind::Internal, "no host was tried") };
        let temporary = || errors.iter().rev().filter(|error| !self.is_fatal(error));
        let conflict = temporary().find(|error| error.kind() == ErrorKind::Busy);
        let telling = conflict.or_else(|| temporary().next()).unwrap_or(last).clone();
        if errors.len() == 1 {
            return errors.remove(0);
        }
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        telling.with_message(format!("none of {} hosts: {}", texts.len(), texts.join("; ")))
    }

    /// Handles the loss of the connection, whatever its cause.
    pub(crate) fn handle_disconnected(&mut self, now: Moment, error: Error) {
        let is_cut = self.is_open() && error.kind() == ErrorKind::Connect && error.close_code().is_none();
        let hint = if is_cut { self.idle.handle_lost(now, self.policy.ping_interval) } else { None };
        let error = hint.map_or(error.clone(), |hint| error.adding(&hint));
        self.lost(now, error, false);
    }

    fn lost(&mut self, now: Moment, error: Error, intended: bool) {
        match &self.phase {
            Phase::Open(open) => {
                if open.useful {
                    self.backoff.reset();
                }
                self.lost_at = Some(now);
                self.role.handle_disconnected(now, &error);
                if let Some(stuck) = self.role.cannot_resume() {
                    return self.end(Some(stuck.caused_by(error)));
                }
                let wait = self.backoff.next();
                self.phase = Phase::Waiting { until: now + wait };
                // The next host in turn: this one may be shutting down.
                let host = self.host;
                self.host = (self.host + 1) % self.policy.hosts.max(1);
                self.changes.push_back(Change::Disconnected { host, error, retry_in: wait, intended });
                self.update(now);
            }
            Phase::Closing { .. } => {
                self.role.handle_disconnected(now, &error);
                self.end(None);
            }
            _ => {}
        }
    }

    /// Handles a text frame.
    pub(crate) fn handle_text(&mut self, now: Moment, text: &str) {
        match &mut self.phase {
            Phase::Open(open) => {
                open.liveness.handle_activity();
                self.idle.handle_traffic(now);
                open.useful = true;
            }
            Phase::Closing { .. } => {}
            // Read from a connection that was closed in the meantime.
            _ => return,
        }
        if let Err(error) = self.role.handle_text(now, text) {
            self.handle_malformed(now, error);
        }
        self.update(now);
    }

    /// Handles a frame that is not part of the protocol.
    pub(crate) fn handle_malformed(&mut self, now: Moment, error: Error) {
        self.changes.push_back(Change::Malformed { error: error.clone() });
        if self.is_open() && self.role.handle_unreadable(now) && self.linger_until.is_none() {
            self.actions.push_back(Action::Drop);
            self.handle_disconnected(now, error);
        }
    }

    /// Handles the arrival of anything other than text.
    pub(crate) fn handle_activity(&mut self) {
        if let Phase::Open(open) = &mut self.phase {
            open.liveness.handle_activity();
            // It has lived long enough to answer a ping.
            open.useful = true;
        }
    }

    /// Handles a command of the application.
    pub(crate) fn handle_command(&mut self, now: Moment, command: R::Command) {
        self.role.handle_command(now, command);
        if let Phase::Ended(error) = &self.phase {
            let error = error.clone();
            self.role.handle_ended(&error);
        }
        self.update(now);
    }

    /// Handles that all handles have been dropped.
    pub(crate) fn handle_abandoned(&mut self, now: Moment) {
        self.close(now, self.role.drop_linger());
    }

    /// Ends the session when nothing is in flight, or after `linger`.
    pub(crate) fn close(&mut self, now: Moment, linger: Duration) {
        let until = now.saturating_add(linger);
        self.linger_until = earliest([self.linger_until, Some(until)]);
        self.role.flush();
        self.update(now);
    }

    fn update(&mut self, now: Moment) {
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
            // Nothing is in flight, so there is nothing to wait for.
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
        self.role.handle_ended(&why);
        self.changes.push_back(Change::Ended { error, unfinished });
    }

    /// Returns when to call [`Session::handle_timeout`] at the latest.
    pub(crate) fn poll_timeout(&self) -> Option<Moment> {
        let own = match &self.phase {
            Phase::Waiting { until } | Phase::Closing { until } => Some(*until),
            Phase::Open(open) => Some(open.liveness.poll_timeout()),
            Phase::Idle | Phase::Connecting => None,
            Phase::Ended(_) => return None,
        };
        let linger = self.linger_until.filter(|_| !matches!(self.phase, Phase::Closing { .. }));
        earliest([own, linger, self.role.poll_timeout()])
    }

    /// Handles the deadline of [`Session::poll_timeout`]. An earlier call has no effect.
    pub(crate) fn handle_timeout(&mut self, now: Moment) {
        match &mut self.phase {
            Phase::Waiting { until } if now >= *until => self.connect(),
            Phase::Closing { until } if now >= *until => self.end(None),
            Phase::Open(open) => match open.liveness.handle_timeout(now, self.reads_paused) {
                PingAction::Nothing => {}
                PingAction::Ping => {
                    self.idle.handle_traffic(now);
                    self.actions.push_back(Action::Ping);
                }
                PingAction::Dead => {
                    let mut silence = format!("nothing came within {:?} after a ping", self.policy.pong_timeout);
                    if let Some(held) = self.role.held_by_server() {
                        silence += &format!("; until the server notices that, it holds {held} for this connection");
                    }
                    self.actions.push_back(Action::Drop);
                    self.lost(now, Error::new(ErrorKind::Connect, silence), false);
                }
            },
            _ => {}
        }
        self.role.handle_timeout(now);
        self.update(now);
    }

    /// Returns the next action on the connection.
    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Returns the next change of state, for logs and listeners.
    pub(crate) fn poll_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    /// Returns whether nothing is left to do before a close.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn is_idle(&self) -> bool {
        self.role.is_idle()
    }

    /// Returns the next event of the role.
    pub(crate) fn poll_event(&mut self) -> Option<R::Event> {
        self.role.poll_event()
    }

    /// Sets the parameters of the next connection that the role determines, in the query that follows from the options.
    pub(crate) fn connect_query(&mut self, query: &mut Query) {
        self.role.connect_query(query);
    }

    /// Handles that many delivered messages, discarded unseen because the connection is lost.
    pub(crate) fn handle_discarded(&mut self, messages: usize) {
        self.role.handle_discarded(messages);
    }

    /// Returns about how many frames the server may send before it waits for us.
    pub(crate) fn receive_window(&self) -> usize {
        self.role.receive_window()
    }

    /// Returns how many deferrable commands may be queued before the session must be woken.
    pub(crate) fn wake_threshold(&self) -> usize {
        self.role.wake_threshold()
    }

    /// Returns the next frame to write.
    pub(crate) fn poll_frame(&mut self) -> Option<Frame<'_>> {
        let frame = if self.is_open() { self.role.poll_frame() } else { None };
        if frame.is_some() {
            self.idle.handle_frame();
        }
        frame
    }

    /// Handles written frames: a close may have waited for them.
    pub(crate) fn handle_written(&mut self, now: Moment) {
        self.idle.handle_written(now);
        self.update(now);
    }
}
