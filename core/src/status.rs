//! The states of the sessions of a handle, for waiting, for listeners and for the log.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use crate::client::inner::ClientInner;
use crate::connection_state::{ConnectionState, StateChange, StateListener};
use crate::driver::Route;
use crate::error::{Error, ErrorKind, Result};
use crate::log::{Level, Log};
use crate::options::Resolved;
use crate::proto::session::Change;
use crate::stats::Counters;
use crate::topic::TopicName;

/// The status of a session.
#[derive(Debug, Clone)]
pub(crate) struct Status {
    pub(crate) state: ConnectionState,
    /// The error that it ended with, once it has ended.
    pub(crate) ended: Option<Error>,
    /// Whether something was still in flight when it ended.
    pub(crate) unfinished: bool,
}

/// Where a connection leads, and through which proxy.
#[derive(Debug, Default)]
struct Address {
    host: String,
    proxy: Option<String>,
}

impl Address {
    fn of(route: &Route, index: usize) -> Address {
        let Some(host) = route.hosts.get(index) else { return Address::default() };
        let proxy = route.access.dialer.via.proxies.choose(host).ok().flatten().map(ToString::to_string);
        Address { host: host.to_string(), proxy }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.proxy {
            Some(proxy) => write!(f, "{} through {proxy}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

/// Reports the changes of one session to its status, the log and the listener.
pub(crate) struct Reporter {
    client: Arc<ClientInner>,
    topic: Arc<TopicName>,
    session: usize,
    status: watch::Sender<Status>,
    listener: Option<StateListener>,
    counters: Arc<Counters>,
    /// Whether the log already says that the server declined compression.
    told_plain: AtomicBool,
    log: Log,
}

impl Reporter {
    pub(crate) fn new(
        client: &Arc<ClientInner>,
        topic: &Arc<TopicName>,
        session: usize,
        options: &Resolved,
        counters: &Arc<Counters>,
    ) -> (Reporter, watch::Receiver<Status>) {
        let (status, watcher) =
            watch::channel(Status { state: ConnectionState::Connecting, ended: None, unfinished: false });
        let reporter = Reporter {
            client: client.clone(),
            topic: topic.clone(),
            session,
            status,
            listener: options.given.on_state.clone(),
            counters: counters.clone(),
            told_plain: AtomicBool::new(false),
            log: Log::new(topic.to_string(), options.given.log.clone()),
        };
        (reporter, watcher)
    }

    pub(crate) fn callbacks(&self) -> &crate::callbacks::Callbacks {
        &self.client.callbacks
    }

    /// Marks a session that ends with an error, before the application receives that error: a close from now on does not
    /// report it again.
    pub(crate) fn announce(&self, change: &Change) {
        if let Change::Ended { error: Some(_), .. } = change {
            self.status.send_if_modified(|status| {
                status.state = ConnectionState::Failed;
                false
            });
        }
    }

    pub(crate) fn changed(&self, change: Change, route: &Route) {
        let address = |index: usize| Address::of(route, index);
        match change {
            Change::Connecting { host: index } => {
                self.log.write(Level::Debug, &format!("connecting to {}", address(index)));
                self.update(ConnectionState::Connecting, address(index), None, None);
            }
            Change::Connected { host: index, connection } => {
                self.counters.connections.add(1);
                if connection > 1 {
                    self.counters.reconnects.add(1);
                }
                let address = address(index);
                self.counters.proxied_connections.add(address.proxy.is_some().into());
                self.log.write(Level::Info, &format!("connected to {address}"));
                self.update(ConnectionState::Connected, address, None, None);
            }
            Change::Disconnected { host: index, error, retry_in, intended } => {
                let level = if intended { Level::Info } else { Level::Warn };
                self.log.write(level, &format!("{}: {error}; next attempt in {retry_in:?}", address(index)));
                self.update(ConnectionState::Disconnected, address(index), Some(error), Some(retry_in));
            }
            Change::Ended { error, unfinished } => {
                let state = match &error {
                    Some(error) => {
                        self.log.write(Level::Error, &format!("ended: {error}"));
                        ConnectionState::Failed
                    }
                    None => {
                        self.log.write(Level::Debug, "closed");
                        ConnectionState::Closed
                    }
                };
                let ended = Some(error.clone().unwrap_or_else(Error::closed));
                // Before the status: a task that waits for the end may stop the callbacks after it.
                self.notify(state, Address::default(), error, None);
                self.status.send_replace(Status { state, ended, unfinished });
            }
            Change::Malformed { error } => {
                self.counters.malformed.add(1);
                self.log.write(Level::Warn, &format!("a frame was skipped: {error}"));
            }
        }
    }

    /// Reports that the server's window is full of messages that the application holds.
    pub(crate) fn stalled(&self, unacked: usize) {
        let text = format!("the server sends no more: {unacked} messages are delivered and not acknowledged");
        self.log.write(Level::Warn, &text);
        self.notify(ConnectionState::Stalled, Address::default(), Some(Error::new(ErrorKind::Timeout, text)), None);
    }

    /// Reports that the server's delivery stopped for good at a message without a value.
    pub(crate) fn fell(&self, text: &str) {
        self.counters.tombstones.add(1);
        self.log.write(Level::Error, text);
        self.notify(ConnectionState::Stalled, Address::default(), Some(Error::new(ErrorKind::Broker, text)), None);
    }

    pub(crate) fn ponged(&self, at: SystemTime) {
        let millis = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        self.counters.last_pong_ms.set(millis);
    }

    /// Reports the answer of a server to the offer of compression. A refusal is logged once.
    pub(crate) fn compressed(&self, accepted: bool) {
        if accepted {
            self.counters.compressed_connections.add(1);
        } else if !self.told_plain.swap(true, Ordering::Relaxed) {
            self.log.write(Level::Info, "the server declines websocket_compression: messages are not compressed");
        }
    }

    pub(crate) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    fn update(&self, state: ConnectionState, address: Address, error: Option<Error>, retry_in: Option<Duration>) {
        self.status.send_modify(|status| status.state = state);
        self.notify(state, address, error, retry_in);
    }

    fn notify(
        &self,
        state: ConnectionState,
        Address { host, proxy }: Address,
        error: Option<Error>,
        retry_in: Option<Duration>,
    ) {
        if let Some(listener) = self.listener.clone() {
            let (topic, session) = (self.topic.clone(), self.session);
            let change = StateChange { state, topic, host, proxy, session, error, retry_in };
            self.client.callbacks.run(move || listener(&change));
        }
    }
}

/// Returns whether every session is connected now.
pub(crate) fn are_connected(sessions: &[watch::Receiver<Status>]) -> bool {
    sessions.iter().all(|session| session.borrow().state == ConnectionState::Connected)
}

/// Waits until every session is connected; returns the error of the first that ends instead.
pub(crate) async fn connected(sessions: &[watch::Receiver<Status>]) -> Result<()> {
    for session in sessions {
        let mut session = session.clone();
        let settled = |status: &Status| status.state == ConnectionState::Connected || status.ended.is_some();
        let status = session.wait_for(settled).await.map_err(|_| gone())?.clone();
        if let Some(error) = status.ended {
            return Err(error);
        }
    }
    Ok(())
}

/// A session that a close has to wait for.
pub(crate) struct Running {
    session: watch::Receiver<Status>,
    /// Whether the application may know already that it failed.
    has_failed: bool,
}

/// Returns the sessions that have not ended.
pub(crate) fn running(sessions: &[watch::Receiver<Status>]) -> Vec<Running> {
    let runs = |session: &watch::Receiver<Status>| {
        let status = session.borrow();
        let has_failed = status.state == ConnectionState::Failed;
        status.ended.is_none().then(|| Running { session: session.clone(), has_failed })
    };
    sessions.iter().filter_map(runs).collect()
}

/// Waits until every session has ended. Fails with `what` if something was still in flight, because the time ran out or
/// because the session failed meanwhile.
pub(crate) async fn ended(running: &[Running], what: &str) -> Result<()> {
    let mut outcome = Ok(());
    for Running { session, has_failed } in running {
        let mut session = session.clone();
        let Ok(status) = session.wait_for(|status| status.ended.is_some()).await.map(|status| status.clone()) else {
            continue;
        };
        if status.unfinished && !has_failed && outcome.is_ok() {
            outcome = Err(match status.ended.filter(|_| status.state == ConnectionState::Failed) {
                Some(error) => Error::new(error.kind(), format!("it failed, and {what}")).caused_by(error),
                None => Error::new(ErrorKind::Timeout, format!("the time ran out, and {what}")),
            });
        }
    }
    outcome
}

/// Waits until one session failed, or all have ended; returns the error of the one that failed.
pub(crate) async fn failed(sessions: &[watch::Receiver<Status>]) -> Option<Error> {
    let waits = sessions.iter().map(|session| {
        let mut session = session.clone();
        Box::pin(async move {
            let status = session.wait_for(|status| status.ended.is_some()).await.ok()?.clone();
            status.ended.filter(|_| status.state == ConnectionState::Failed)
        })
    });
    let mut waits: Vec<_> = waits.collect();
    while !waits.is_empty() {
        let (failed, _, others) = futures_util::future::select_all(waits).await;
        if failed.is_some() {
            return failed;
        }
        waits = others;
    }
    None
}

/// Returns the error of a session whose task ended without a report: its runtime was shut down, or it panicked.
pub(crate) fn gone() -> Error {
    Error::new(ErrorKind::Internal, "the session's task is gone")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Options, Roles};
    use crate::runtime::block_on;
    use crate::topic::Endpoint;

    /// Returns the outcome of a close that begins before or after the application receives the error of the session.
    fn close_of_one_that_fails(is_announced: bool) -> Result<()> {
        let client = Arc::new(ClientInner::new("ws://localhost:1", Options::new()).unwrap());
        let topic: Arc<TopicName> = Arc::new("t".parse().unwrap());
        let options = client.options_for(&Options::new(), Roles::PRODUCER).unwrap();
        let route = client.route(Endpoint::Producer((*topic).clone()), &options, Roles::PRODUCER).unwrap();
        let (reporter, status) = Reporter::new(&client, &topic, 0, &options, &Arc::default());
        let failed = Change::Ended { error: Some(Error::closed()), unfinished: true };
        if is_announced {
            reporter.announce(&failed);
        }
        let running = running(&[status]);
        assert_eq!(running.len(), 1, "a close waits until it has ended");
        reporter.changed(failed, &route);
        block_on(ended(&running, "messages are left"), None).unwrap().unwrap()
    }

    #[test]
    fn a_close_does_not_report_a_failure_that_the_application_received_before() {
        let error = close_of_one_that_fails(false).unwrap_err();
        assert!(error.to_string().contains("it failed, and messages are left"), "{error}");
        assert!(close_of_one_that_fails(true).is_ok());
    }
}
