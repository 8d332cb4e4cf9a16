//! The state that the connections, timers and handle of a mock share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::faults::{Faults, Op};
use super::log::Log;
use super::names::base_topic;
use super::options::MockOptions;
use super::time::Clock;
use super::topics::Broker;

struct Connection {
    kill: Arc<Notify>,
    /// After the upgrade, its topics: one, or several with commas.
    label: Option<Arc<str>>,
}

/// The state that connections, timers and the handle share.
pub(super) struct Shared {
    pub(super) options: MockOptions,
    pub(super) clock: Clock,
    pub(super) faults: Faults,
    pub(super) requests: Log,
    broker: Mutex<Broker>,
    /// Wakes the timer task when something is due earlier than it expects.
    sooner: Notify,
    connections: Mutex<HashMap<u64, Connection>>,
    gone: Condvar,
    last_connection: AtomicU64,
}

impl Shared {
    pub(super) fn new(mut options: MockOptions) -> Shared {
        // a value meant as "never" must still be an instant, and one meant as "at once" must not spin
        const NEVER: Duration = Duration::from_secs(10 * 365 * 86_400);
        options.idle_timeout = options.idle_timeout.min(NEVER);
        options.ping_interval = options.ping_interval.map(|every| every.clamp(Duration::from_millis(1), NEVER));
        let broker = Broker::new(options.auto_create_topics);
        Shared {
            options,
            clock: Clock::new(),
            faults: Faults::default(),
            requests: Log::default(),
            broker: Mutex::new(broker),
            sooner: Notify::new(),
            connections: Mutex::new(HashMap::new()),
            gone: Condvar::new(),
            last_connection: AtomicU64::new(0),
        }
    }

    /// Runs `run` with the broker's state, and schedules what became due.
    pub(super) fn broker<T>(&self, run: impl FnOnce(&mut Broker, u64) -> T) -> T {
        let mut broker = self.broker.lock().unwrap_or_else(PoisonError::into_inner);
        let before = broker.timers.next_due();
        let result = run(&mut broker, self.clock.now_ms());
        let after = broker.timers.next_due();
        if after.is_some() && (before.is_none() || after < before) {
            self.sooner.notify_one();
        }
        result
    }

    pub(super) fn log(&self, op: Op, topic: &Arc<str>, role: &'static str, connection: u64, detail: String) {
        self.requests.add(super::log::Request {
            at: self.clock.since_start(),
            op,
            topic: Arc::clone(topic),
            role,
            connection,
            detail,
        });
    }

    pub(super) fn http_url(&self) -> String {
        let scheme = if self.options.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.options.port)
    }

    /// Returns the number of open connections; only upgraded ones, if requested.
    pub(super) fn connections(&self, upgraded: bool) -> usize {
        let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.values().filter(|connection| !upgraded || connection.label.is_some()).count()
    }

    /// Drops connections without a close frame, and waits until their tasks end.
    pub(super) fn drop_connections(&self, topic: Option<&str>) -> usize {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let concerns = |connection: &Connection| match (topic, &connection.label) {
            (None, _) => true,
            (Some(topic), Some(label)) => label.split(',').any(|name| name == topic || base_topic(name) == topic),
            (Some(_), None) => false,
        };
        let dropped: Vec<u64> = connections
            .iter()
            .filter(|(_, connection)| concerns(connection))
            .map(|(number, connection)| {
                connection.kill.notify_one();
                *number
            })
            .collect();
        let deadline = Instant::now() + Duration::from_secs(5);
        while dropped.iter().any(|number| connections.contains_key(number)) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            connections = self.gone.wait_timeout(connections, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        dropped.len()
    }

    pub(super) fn forget(&self, number: u64) {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        self.gone.notify_all();
    }

    /// Registers a connection that `kill` ends, and returns its number.
    pub(super) fn connect(&self, kill: Arc<Notify>) -> u64 {
        let number = self.last_connection.fetch_add(1, Ordering::Relaxed) + 1;
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.insert(number, Connection { kill, label: None });
        number
    }

    /// Records that the connection is upgraded, and its topics.
    pub(super) fn label(&self, number: u64, label: Arc<str>) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = connections.get_mut(&number) {
            connection.label = Some(label);
        }
    }
}

/// Runs what is due, when it is due.
pub(super) async fn keep_time(shared: Arc<Shared>) {
    loop {
        let due = shared.broker(|broker, now| {
            broker.tick(now);
            broker.timers.next_due()
        });
        let due = due.map(|due| shared.clock.instant(due));
        tokio::select! {
            () = tokio::time::sleep_until(due.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600)).into()) => {}
            () = shared.sooner.notified() => {}
        }
    }
}
