//! A subscription: its cursor, its consumers, which message goes to which consumer, and redeliveries.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use tokio::sync::Notify;

use super::ids::Id;
use super::ledger::{Entry, Ledger, Message};
use super::timers::{Timer, Timers, What};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Exclusive,
    Shared,
    Failover,
    KeyShared,
}

impl Kind {
    pub(super) fn parse(text: &str) -> Option<Kind> {
        Some(match text {
            "Exclusive" => Kind::Exclusive,
            "Shared" => Kind::Shared,
            "Failover" => Kind::Failover,
            "Key_Shared" => Kind::KeyShared,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Exclusive => "Exclusive",
            Kind::Shared => "Shared",
            Kind::Failover => "Failover",
            Kind::KeyShared => "Key_Shared",
        }
    }

    /// Returns whether the type supports several active consumers. Only such types have single redeliveries, redelivery
    /// counts, dead letters and delays.
    fn many_active(self) -> bool {
        matches!(self, Kind::Shared | Kind::KeyShared)
    }
}

/// A message being delivered to a consumer.
#[derive(Clone)]
pub(super) struct Delivery {
    pub(super) topic: Arc<str>,
    pub(super) id: Id,
    pub(super) redeliveries: u32,
    pub(super) message: Arc<Message>,
    /// Whether no more messages of the entry follow.
    pub(super) last: bool,
}

/// The settings that a consumer requested.
#[derive(Clone)]
pub(super) struct ConsumerSettings {
    pub(super) conn: u64,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) durable: bool,
    pub(super) priority: i32,
    pub(super) queue_size: usize,
    pub(super) ack_timeout: u64,
    pub(super) nack_delay: u64,
    pub(super) max_redeliveries: Option<u32>,
    pub(super) dead_letter_topic: Option<String>,
    /// Whether it acknowledges everything it delivers.
    pub(super) reader: bool,
    pub(super) wake: Arc<Notify>,
}

pub(super) struct Consumer {
    pub(super) settings: ConsumerSettings,
    /// The messages that the proxy's embedded client has prefetched.
    queue: VecDeque<Delivery>,
    /// With a queue size of 0, the number of messages that the session is waiting for.
    demand: usize,
    /// Messages of a batch entry that this connection has not acknowledged, by entry.
    batches: HashMap<usize, HashSet<i32>>,
    /// For a reader that starts after this message of its first batch.
    skip: Option<(usize, i32)>,
}

impl Consumer {
    fn has_room(&self) -> bool {
        self.queue.len() < if self.settings.queue_size == 0 { self.demand } else { self.settings.queue_size }
    }

    /// Prefetches the messages of an entry.
    fn take(&mut self, stored: &Entry, entry: usize, redeliveries: u32, ledger: &Ledger) {
        let size = stored.messages.len();
        for (at, message) in stored.messages.iter().enumerate() {
            let (batch, batch_size) = if stored.batch { (at as i32, size as i32) } else { (-1, 0) };
            if self.skip.is_some_and(|(first, after)| first == entry && batch <= after) {
                continue;
            }
            self.queue.push_back(Delivery {
                topic: Arc::clone(&ledger.topic),
                id: ledger.id(entry, batch, batch_size),
                redeliveries,
                message: Arc::clone(message),
                last: at + 1 == size,
            });
        }
        self.settings.wake.notify_one();
    }

    pub(super) fn prefetched(&self) -> usize {
        self.queue.len()
    }
}

struct Pending {
    conn: u64,
    /// Distinguishes this delivery from earlier and later ones of the same entry.
    stamp: u64,
    key: u64,
}

/// An entry that was delivered too often, and its destination.
pub(super) struct DeadLetter {
    pub(super) entry: usize,
    pub(super) topic: String,
}

pub(super) struct Subscription {
    pub(super) name: Arc<str>,
    pub(super) kind: Kind,
    pub(super) durable: bool,
    pub(super) consumers: Vec<Consumer>,
    pub(super) dead: Vec<DeadLetter>,
    /// Every entry below is acknowledged.
    mark: usize,
    acked: BTreeSet<usize>,
    read: usize,
    replay: BTreeSet<usize>,
    pending: HashMap<usize, Pending>,
    redeliveries: HashMap<usize, u32>,
    delayed: BTreeSet<usize>,
    active: Option<u64>,
    turn: usize,
    stamps: u64,
    pub(super) properties: BTreeMap<String, String>,
}

impl Subscription {
    pub(super) fn new(name: Arc<str>, kind: Kind, durable: bool, position: usize) -> Subscription {
        Subscription {
            name,
            kind,
            durable,
            consumers: Vec::new(),
            dead: Vec::new(),
            mark: position,
            acked: BTreeSet::new(),
            read: position,
            replay: BTreeSet::new(),
            pending: HashMap::new(),
            redeliveries: HashMap::new(),
            delayed: BTreeSet::new(),
            active: None,
            turn: 0,
            stamps: 0,
            properties: BTreeMap::new(),
        }
    }

    pub(super) fn backlog(&self, ledger: &Ledger) -> usize {
        ledger.entries.len().saturating_sub(self.mark + self.acked.len())
    }

    pub(super) fn delayed(&self) -> usize {
        self.delayed.len()
    }

    pub(super) fn unacked_of(&self, conn: u64) -> usize {
        self.pending.values().filter(|pending| pending.conn == conn).count()
    }

    pub(super) fn is_acked(&self, entry: usize) -> bool {
        entry < self.mark || self.acked.contains(&entry)
    }

    /// Returns the `n`-th unacknowledged entry, counted from 1.
    pub(super) fn unacked_entry(&self, ledger: &Ledger, n: usize) -> Option<usize> {
        (self.mark..ledger.entries.len()).filter(|entry| !self.acked.contains(entry)).nth(n.checked_sub(1)?)
    }

    fn consumer(&mut self, conn: u64) -> Option<&mut Consumer> {
        self.consumers.iter_mut().find(|consumer| consumer.settings.conn == conn)
    }

    // consumers

    /// Adds a consumer. `Err` is the broker's reason for a 409.
    pub(super) fn add_consumer(
        &mut self,
        settings: ConsumerSettings,
        skip: Option<(usize, i32)>,
        ledger: &Ledger,
    ) -> Result<(), String> {
        if self.consumers.is_empty() {
            self.kind = settings.kind;
        } else if self.kind != settings.kind {
            let (active, connecting) = (self.kind.name(), settings.kind.name());
            return Err(format!(
                "Subscription is of different type. Active subscription type of '{active}' is different than the \
                 connecting consumer's type '{connecting}'."
            ));
        } else if self.kind == Kind::Exclusive {
            return Err("Exclusive consumer is already connected".to_owned());
        }
        let consumer = Consumer { settings, queue: VecDeque::new(), demand: 0, batches: HashMap::new(), skip };
        self.consumers.push(consumer);
        self.elect(ledger.partition);
        Ok(())
    }

    pub(super) fn remove_consumer(&mut self, conn: u64, ledger: &Ledger) {
        self.consumers.retain(|consumer| consumer.settings.conn != conn);
        if self.consumers.is_empty() || !self.kind.many_active() {
            if self.active == Some(conn) || self.consumers.is_empty() {
                self.active = None;
                self.rewind();
            }
            self.elect(ledger.partition);
        } else {
            let held: Vec<usize> =
                self.pending.iter().filter(|(_, pending)| pending.conn == conn).map(|(entry, _)| *entry).collect();
            // for the next consumer this is not a redelivery
            for entry in held {
                self.pending.remove(&entry);
                self.replay.insert(entry);
            }
        }
    }

    /// Elects the consumer that receives the messages of an exclusive or failover subscription. Among those of the best
    /// priority, it prefers the current one, or else the first by name. Partitions are spread over all consumers.
    fn elect(&mut self, partition: i32) {
        if self.kind.many_active() {
            return;
        }
        let mut candidates: Vec<_> = self
            .consumers
            .iter()
            .map(|consumer| (consumer.settings.priority, &consumer.settings.name, consumer.settings.conn))
            .collect();
        candidates.sort();
        let best = candidates.first().map_or(0, |candidate| candidate.0);
        candidates.retain(|candidate| candidate.0 == best);
        let stays = |conn: &u64| partition < 0 && candidates.iter().any(|candidate| candidate.2 == *conn);
        let index = if candidates.is_empty() { 0 } else { partition.max(0) as usize % candidates.len() };
        let elected = self.active.filter(stays).or(candidates.get(index).map(|candidate| candidate.2));
        if elected != self.active {
            self.active = elected;
            self.rewind();
        }
    }

    /// Prepares to deliver everything unacknowledged as if for the first time.
    fn rewind(&mut self) {
        self.read = self.mark;
        self.pending.clear();
        self.replay.clear();
        self.delayed.clear();
        self.redeliveries.clear();
    }

    // delivery

    /// Delivers to the consumers as much as they have room for.
    pub(super) fn dispatch(&mut self, ledger: &Ledger, now: u64, timers: &mut Timers) {
        match self.kind {
            Kind::Exclusive | Kind::Failover => {
                let active = self.active;
                let Some(index) = self.consumers.iter().position(|consumer| Some(consumer.settings.conn) == active)
                else {
                    return;
                };
                while self.read < ledger.entries.len() && self.consumers[index].has_room() {
                    let entry = self.read;
                    self.read += 1;
                    if !self.is_acked(entry) {
                        self.give(entry, index, 0, ledger);
                    }
                }
            }
            Kind::Shared => {
                while let Some(index) = self.next_in_turn() {
                    let Some(entry) = self.next_entry(ledger, now, timers) else { return };
                    if !self.is_dead(entry, index, ledger) {
                        self.turn = index + 1;
                        self.give(entry, index, 0, ledger);
                    }
                }
            }
            Kind::KeyShared => self.dispatch_by_key(ledger, now, timers),
        }
    }

    fn next_in_turn(&self) -> Option<usize> {
        let count = self.consumers.len();
        (0..count)
            .map(|step| (self.turn + step) % count)
            .filter(|index| self.consumers[*index].has_room())
            .min_by_key(|index| (self.consumers[*index].settings.priority, (index + count - self.turn % count) % count))
    }

    fn next_entry(&mut self, ledger: &Ledger, now: u64, timers: &mut Timers) -> Option<usize> {
        if let Some(entry) = self.replay.pop_first() {
            return Some(entry);
        }
        self.next_new(ledger, now, timers)
    }

    fn next_new(&mut self, ledger: &Ledger, now: u64, timers: &mut Timers) -> Option<usize> {
        while self.read < ledger.entries.len() {
            let entry = self.read;
            self.read += 1;
            let deliver_at = ledger.entries[entry].deliver_at();
            if self.is_acked(entry) {
                continue;
            }
            if deliver_at > now {
                self.delayed.insert(entry);
                timers.add(deliver_at, self.timer(ledger, What::Delayed { entry }));
                continue;
            }
            return Some(entry);
        }
        None
    }

    /// Dispatches for Key_Shared: a key stays with one consumer, and waits while another consumer has messages of it.
    fn dispatch_by_key(&mut self, ledger: &Ledger, now: u64, timers: &mut Timers) {
        const LOOK_AHEAD: usize = 1000;
        if !self.consumers.iter().any(Consumer::has_room) {
            return;
        }
        let mut holders: HashMap<u64, u64> = HashMap::new();
        if self.consumers.len() > 1 {
            holders.extend(self.pending.values().map(|pending| (pending.key, pending.conn)));
        }
        let mut blocked = HashSet::new();
        for entry in self.replay.clone() {
            if self.give_by_key(entry, &mut holders, &mut blocked, ledger) {
                self.replay.remove(&entry);
            }
        }
        while self.replay.len() < LOOK_AHEAD && self.consumers.iter().any(Consumer::has_room) {
            let Some(entry) = self.next_new(ledger, now, timers) else { return };
            if !self.give_by_key(entry, &mut holders, &mut blocked, ledger) {
                self.replay.insert(entry);
            }
        }
    }

    fn give_by_key(
        &mut self,
        entry: usize,
        holders: &mut HashMap<u64, u64>,
        blocked: &mut HashSet<u64>,
        ledger: &Ledger,
    ) -> bool {
        let key = ledger.entries[entry].key_hash();
        let owner = (0..self.consumers.len()).max_by_key(|index| {
            let mut hasher = DefaultHasher::new();
            (self.consumers[*index].settings.conn, key).hash(&mut hasher);
            hasher.finish()
        });
        let Some(index) = owner else { return false };
        let conn = self.consumers[index].settings.conn;
        let held_elsewhere = holders.get(&key).is_some_and(|holder| *holder != conn);
        if blocked.contains(&key) || held_elsewhere || !self.consumers[index].has_room() {
            blocked.insert(key);
            return false;
        }
        if !self.is_dead(entry, index, ledger) {
            holders.insert(key, conn);
            self.give(entry, index, key, ledger);
        }
        true
    }

    fn give(&mut self, entry: usize, index: usize, key: u64, ledger: &Ledger) {
        self.stamps += 1;
        let redeliveries = self.redeliveries.get(&entry).copied().unwrap_or(0);
        let consumer = &mut self.consumers[index];
        let stored = &ledger.entries[entry];
        consumer.take(stored, entry, redeliveries, ledger);
        if stored.batch {
            consumer.batches.insert(entry, (0..stored.messages.len() as i32).collect());
        }
        self.pending.insert(entry, Pending { conn: consumer.settings.conn, stamp: self.stamps, key });
    }

    /// Delivers without storing: a non-persistent topic drops messages that no consumer has room for.
    pub(super) fn offer(&mut self, entry: &Entry, ledger: &Ledger) {
        let index = match self.kind {
            Kind::Exclusive | Kind::Failover => {
                self.consumers.iter().position(|consumer| Some(consumer.settings.conn) == self.active)
            }
            Kind::Shared | Kind::KeyShared => self.next_in_turn(),
        };
        let Some(index) = index.filter(|index| self.consumers[*index].has_room()) else { return };
        self.turn = index + 1;
        self.consumers[index].take(entry, 0, 0, ledger);
    }

    /// Returns the next prefetched message for a consumer that is `demand` messages short.
    pub(super) fn next(
        &mut self,
        conn: u64,
        demand: usize,
        ledger: &Ledger,
        now: u64,
        timers: &mut Timers,
    ) -> Option<Delivery> {
        let consumer = self.consumer(conn)?;
        if consumer.settings.queue_size == 0 {
            consumer.demand = demand;
            self.dispatch(ledger, now, timers);
        }
        let consumer = self.consumer(conn)?;
        let delivery = consumer.queue.pop_front()?;
        consumer.demand = consumer.demand.saturating_sub(1);
        let (reader, ack_timeout) = (consumer.settings.reader, consumer.settings.ack_timeout);
        let entry = delivery.id.entry as usize;
        if reader {
            if delivery.last {
                self.acknowledge(entry);
            }
        } else if ack_timeout > 0
            && let Some(pending) = self.pending.get(&entry)
        {
            let what = What::AckTimeout { conn, entry, stamp: pending.stamp };
            timers.add(now + ack_timeout, self.timer(ledger, what));
        }
        self.dispatch(ledger, now, timers);
        Some(delivery)
    }

    fn timer(&self, ledger: &Ledger, what: What) -> Timer {
        Timer { topic: Arc::clone(&ledger.topic), subscription: Arc::clone(&self.name), what }
    }

    // acknowledgements

    /// Handles an acknowledgement from a connection. A batch entry is done when this connection has acknowledged all of
    /// it.
    pub(super) fn acknowledge_from(&mut self, conn: u64, id: Id, delivered_here: bool) {
        let entry = id.entry as usize;
        if id.batch >= 0 && id.size > 1 {
            let Some(consumer) = self.consumer(conn).filter(|_| delivered_here) else { return };
            let Some(left) = consumer.batches.get_mut(&entry) else { return };
            left.remove(&id.batch);
            if !left.is_empty() {
                return;
            }
            consumer.batches.remove(&entry);
        }
        self.acknowledge(entry);
    }

    pub(super) fn acknowledge(&mut self, entry: usize) {
        if self.is_acked(entry) {
            return;
        }
        self.acked.insert(entry);
        while self.acked.remove(&self.mark) {
            self.mark += 1;
        }
        self.read = self.read.max(self.mark);
        self.pending.remove(&entry);
        self.replay.remove(&entry);
        self.delayed.remove(&entry);
        self.redeliveries.remove(&entry);
    }

    /// Handles a negative acknowledgement: ends the entry's ack timeout, and redelivers it after the consumer's delay.
    pub(super) fn refuse(&mut self, conn: u64, entry: usize, ledger: &Ledger, now: u64, timers: &mut Timers) {
        let Some(delay) = self.consumer(conn).map(|consumer| consumer.settings.nack_delay) else { return };
        self.stamps += 1;
        if let Some(pending) = self.pending.get_mut(&entry).filter(|pending| pending.conn == conn) {
            pending.stamp = self.stamps;
        }
        timers.add(now + delay, self.timer(ledger, What::Nack { conn, entry }));
    }

    pub(super) fn ack_is_due(&self, conn: u64, entry: usize, stamp: u64) -> bool {
        self.pending.get(&entry).is_some_and(|pending| pending.conn == conn && pending.stamp == stamp)
    }

    /// Handles the end of an entry's delay.
    pub(super) fn release(&mut self, entry: usize) {
        if self.delayed.remove(&entry) {
            self.replay.insert(entry);
        }
    }

    /// Redelivers these entries or, where only one consumer is active, everything unacknowledged.
    pub(super) fn redeliver(&mut self, conn: u64, entries: &[usize], ledger: &Ledger) {
        if self.kind.many_active() {
            for entry in entries {
                if self.pending.get(entry).is_some_and(|pending| pending.conn == conn) {
                    self.redeliver_one(*entry, conn, ledger);
                }
            }
        } else if self.active == Some(conn) && entries.iter().any(|entry| !self.is_acked(*entry)) {
            self.rewind();
            if let Some(consumer) = self.consumer(conn) {
                consumer.queue.clear();
                consumer.batches.clear();
            }
        }
    }

    fn redeliver_one(&mut self, entry: usize, conn: u64, ledger: &Ledger) {
        let times = self.redeliveries.get(&entry).copied().unwrap_or(0);
        let name = Arc::clone(&self.name);
        let Some(consumer) = self.consumer(conn) else { return };
        // messages that the session has not taken yet are withdrawn, so that they are not delivered twice
        consumer.queue.retain(|delivery| delivery.id.entry as usize != entry);
        consumer.batches.remove(&entry);
        if consumer.settings.max_redeliveries.is_some_and(|max| times >= max) {
            let topic = dead_letter_topic(&consumer.settings, &name, ledger);
            self.dead.push(DeadLetter { entry, topic });
            self.acknowledge(entry);
        } else {
            self.pending.remove(&entry);
            self.replay.insert(entry);
            self.redeliveries.insert(entry, times + 1);
        }
    }

    /// Returns whether the entry was redelivered more often than its next consumer allows, and so becomes a dead
    /// letter.
    fn is_dead(&mut self, entry: usize, index: usize, ledger: &Ledger) -> bool {
        let times = self.redeliveries.get(&entry).copied().unwrap_or(0);
        let settings = &self.consumers[index].settings;
        if settings.max_redeliveries.is_none_or(|max| times <= max) {
            return false;
        }
        let topic = dead_letter_topic(settings, &self.name, ledger);
        self.dead.push(DeadLetter { entry, topic });
        self.acknowledge(entry);
        true
    }

    /// Returns the first unacknowledged entry, and the next entry to deliver.
    pub(super) fn positions(&self) -> (usize, usize) {
        (self.mark, self.read)
    }

    /// Moves the cursor. The consumers stay, and their prefetched messages are discarded.
    pub(super) fn seek(&mut self, position: usize) {
        self.mark = position;
        self.acked.clear();
        self.rewind();
        for consumer in &mut self.consumers {
            consumer.queue.clear();
            consumer.batches.clear();
        }
    }

    /// Acknowledges the next `n` entries.
    pub(super) fn skip(&mut self, n: usize, ledger: &Ledger) {
        for _ in 0..n.min(self.backlog(ledger)) {
            let entry = (self.mark..).find(|entry| !self.acked.contains(entry)).unwrap_or(self.mark);
            self.acknowledge(entry);
            for consumer in &mut self.consumers {
                consumer.queue.retain(|delivery| delivery.id.entry as usize != entry);
            }
        }
    }
}

fn dead_letter_topic(settings: &ConsumerSettings, subscription: &str, ledger: &Ledger) -> String {
    match &settings.dead_letter_topic {
        Some(topic) => topic.clone(),
        None => format!("{}-{subscription}-DLQ", ledger.base()),
    }
}
