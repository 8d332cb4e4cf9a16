//! The log of what clients did, and waiting for entries in it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};

use super::faults::Op;
use super::names::base_topic;

/// A logged event, as returned by [`Mock::requests`](super::Mock::requests).
#[derive(Clone, Debug, Serialize)]
pub struct Request {
    /// The time since the mock was started; in JSON `at_ms`.
    #[serde(rename = "at_ms", serialize_with = "as_millis")]
    pub at: Duration,
    /// The operation.
    #[serde(serialize_with = "as_name")]
    pub op: Op,
    /// The full name of the topic. For a consumer of several topics, its request; for the REST API, the path.
    #[serde(serialize_with = "as_text")]
    pub topic: Arc<str>,
    /// `producer`, `consumer`, `reader`, or `admin`.
    pub role: &'static str,
    /// The number of the connection, counted from 1.
    pub connection: u64,
    /// Details: the status of an upgrade, the context of a send, the message id of an acknowledgement or delivery.
    pub detail: String,
}

fn as_millis<S: Serializer>(at: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(at.as_secs_f64() * 1000.0)
}

fn as_text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

fn as_name<S: Serializer>(op: &Op, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(op.name())
}

/// How many requests the log keeps. Older requests are removed, but still counted.
const KEPT: usize = 100_000;

#[derive(Default)]
struct Inner {
    requests: VecDeque<Request>,
    totals: HashMap<Op, usize>,
    /// Counts by operation and topic, and for a partition also by its partitioned topic.
    counts: HashMap<Op, HashMap<Arc<str>, usize>>,
}

#[derive(Default)]
pub(super) struct Log {
    inner: Mutex<Inner>,
    changed: Condvar,
}

impl Log {
    pub(super) fn add(&self, request: Request) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        *inner.totals.entry(request.op).or_default() += 1;
        let counts = inner.counts.entry(request.op).or_default();
        let base = base_topic(&request.topic);
        if base != &*request.topic {
            *counts.entry(Arc::from(base)).or_default() += 1;
        }
        *counts.entry(Arc::clone(&request.topic)).or_default() += 1;
        if inner.requests.len() == KEPT {
            inner.requests.pop_front();
        }
        inner.requests.push_back(request);
        self.changed.notify_all();
    }

    pub(super) fn all(&self) -> Vec<Request> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.requests.iter().cloned().collect()
    }

    pub(super) fn clear(&self) {
        *self.inner.lock().unwrap_or_else(PoisonError::into_inner) = Inner::default();
    }

    pub(super) fn count(&self, op: Op, topic: Option<&str>) -> usize {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).count(op, topic)
    }

    /// Blocks until it has happened that often, or the timeout expires.
    pub(super) fn wait(&self, op: Op, topic: Option<&str>, at_least: usize, timeout: Duration) -> bool {
        let deadline = Instant::now().checked_add(timeout);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        while inner.count(op, topic) < at_least {
            let left = match deadline {
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
                None => Duration::from_secs(3600),
            };
            if left.is_zero() {
                return false;
            }
            inner = self.changed.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Inner {
    fn count(&self, op: Op, topic: Option<&str>) -> usize {
        let count = match topic {
            Some(topic) => self.counts.get(&op).and_then(|counts| counts.get(topic)),
            None => self.totals.get(&op),
        };
        count.copied().unwrap_or(0)
    }
}
