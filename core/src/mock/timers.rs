//! Scheduled actions: redeliveries, and messages with a delay.

use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    Nack { conn: u64, entry: usize },
    AckTimeout { conn: u64, entry: usize, stamp: u64 },
    Delayed { entry: usize },
}

#[derive(Clone, Debug)]
pub(super) struct Timer {
    pub(super) topic: Arc<str>,
    pub(super) subscription: Arc<str>,
    pub(super) what: What,
}

/// In order of time, in milliseconds of the mock's clock.
#[derive(Default)]
pub(super) struct Timers {
    queue: BTreeMap<(u64, u64), Timer>,
    added: u64,
}

impl Timers {
    pub(super) fn add(&mut self, due: u64, timer: Timer) {
        self.added += 1;
        self.queue.insert((due, self.added), timer);
    }

    pub(super) fn next_due(&self) -> Option<u64> {
        self.queue.first_key_value().map(|((due, _), _)| *due)
    }

    pub(super) fn take_due(&mut self, now: u64) -> Vec<Timer> {
        let later = self.queue.split_off(&(now + 1, 0));
        std::mem::replace(&mut self.queue, later).into_values().collect()
    }
}
