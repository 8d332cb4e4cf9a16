//! The broker's state without any input or output: namespaces, topics, their messages and their clients.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Value, json};

use super::ids::Id;
use super::ledger::{Entry, Ledger, Message};
use super::names::{base_topic, full_name, namespace_of, remote_error};
use super::pattern::Pattern;
use super::schemas::Versions;
use super::subscription::{ConsumerSettings, Delivery, Kind, Subscription};
use super::timers::{Timers, What};

/// How many entries a broker with its default configuration stores before it notes the sequence ids again.
const NOTED_EVERY: usize = 1000;

pub(super) struct Topic {
    pub(super) log: Ledger,
    pub(super) terminated: bool,
    /// A compaction was requested; it has no effect.
    pub(super) compacted: bool,
    pub(super) subscriptions: BTreeMap<Arc<str>, Subscription>,
    /// By connection.
    pub(super) producers: BTreeMap<u64, Arc<str>>,
    /// What the cursor of deduplication holds: the sequence ids when the last thousand of entries was full.
    pub(super) noted_sequence: HashMap<Arc<str>, i64>,
    /// The last sequence id of every producer, if the namespace deduplicates.
    pub(super) last_sequence: HashMap<Arc<str>, i64>,
}

/// A refused upgrade.
#[derive(Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) reason: String,
}

impl Refusal {
    pub(super) fn new(status: u16, reason: impl Into<String>) -> Refusal {
        Refusal { status, reason: reason.into() }
    }
}

/// Why a message was not stored: the prefix of Pulsar's exception and its text.
pub(super) type PublishError = String;

/// Where a consumer or a reader begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Start {
    Earliest,
    Latest,
    After(Id),
}

/// The topics of a consumer.
#[derive(Clone, Debug)]
pub(super) enum Interest {
    Topics(Vec<String>),
    Pattern(Pattern),
}

struct Receiver {
    settings: ConsumerSettings,
    subscription: Arc<str>,
    /// The names it asked for, of which some may be partitioned topics; none with a pattern.
    names: Vec<String>,
    topics: Vec<Arc<str>>,
    /// The topic that is first in turn for the next message, so that none starves.
    turn: usize,
    pattern: Option<(Pattern, Start)>,
}

pub(super) struct Policies {
    /// The policies, as the REST API shows them.
    pub(super) shown: serde_json::Map<String, Value>,
}

impl Default for Policies {
    fn default() -> Policies {
        let shown = [("bundles", json!({ "numBundles": 4 })), ("backlog_quota_map", json!({}))];
        Policies { shown: shown.map(|(key, value)| (key.to_owned(), value)).into_iter().collect() }
    }
}

impl Policies {
    pub(super) fn deduplicates(&self) -> bool {
        self.shown.get("deduplicationEnabled") == Some(&Value::Bool(true))
    }

    /// Returns the number of partitions of a topic created on demand; `None` for a topic without.
    fn default_partitions(&self) -> Option<u32> {
        let set = self.shown.get("autoTopicCreationOverride")?;
        let count = set.get("defaultNumPartitions")?.as_u64()?;
        (set.get("topicType")?.as_str()? == "partitioned").then_some(u32::try_from(count).ok()?)
    }

    pub(super) fn deduplicate(&mut self, on: bool) {
        self.shown.insert("deduplicationEnabled".to_owned(), Value::Bool(on));
    }
}

pub(super) struct Broker {
    pub(super) auto_create: bool,
    /// The permissions of each tenant, as the REST API shows them.
    pub(super) tenants: BTreeMap<String, Value>,
    pub(super) namespaces: BTreeMap<String, Policies>,
    pub(super) topics: HashMap<Arc<str>, Topic>,
    pub(super) partitioned: BTreeMap<String, u32>,
    /// By `tenant/namespace/topic`.
    pub(super) schemas: BTreeMap<String, Versions>,
    pub(super) timers: Timers,
    receivers: HashMap<u64, Receiver>,
    ledgers: i64,
    names: u64,
}

/// Returns the permissions of a tenant for which nothing else was set.
pub(super) fn any_tenant() -> Value {
    json!({ "adminRoles": [], "allowedClusters": ["standalone"] })
}

impl Broker {
    pub(super) fn new(auto_create: bool) -> Broker {
        let namespaces = ["public/default", "public/functions", "pulsar/system"];
        Broker {
            auto_create,
            tenants: ["public", "pulsar"].map(|name| (name.to_owned(), any_tenant())).into(),
            namespaces: namespaces.map(|name| (name.to_owned(), Policies::default())).into(),
            topics: HashMap::new(),
            partitioned: BTreeMap::new(),
            schemas: BTreeMap::new(),
            timers: Timers::default(),
            receivers: HashMap::new(),
            ledgers: 0,
            names: 0,
        }
    }

    /// Returns an unused name, as the broker assigns it to a producer or a consumer without one.
    pub(super) fn generate_name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    // topics

    /// Returns the topics of a name: itself, or its partitions. Creates it where that is allowed.
    pub(super) fn resolve(&mut self, topic: &str) -> Result<Vec<Arc<str>>, Refusal> {
        if !self.namespaces.contains_key(namespace_of(topic)) {
            return Err(Refusal::new(404, remote_error("Namespace not found")));
        }
        if let Some(partitions) = self.partitioned.get(topic) {
            return Ok((0..*partitions).map(|index| Arc::from(format!("{topic}-partition-{index}"))).collect());
        }
        if let Some((name, _)) = self.topics.get_key_value(topic) {
            return Ok(vec![Arc::clone(name)]);
        }
        let base = base_topic(topic);
        let is_partition = self.partitioned.contains_key(base);
        if !self.auto_create || (is_partition && base != topic) {
            // a partition beyond the last one is refused without a text
            let text = if is_partition { String::new() } else { format!("Topic {topic} does not exist") };
            return Err(Refusal::new(404, remote_error(&text)));
        }
        if self.create_partitioned_on_demand(topic) {
            return self.resolve(topic);
        }
        Ok(vec![self.create(topic)])
    }

    /// Creates a partitioned topic if its namespace creates such topics on demand. Returns whether it did.
    pub(super) fn create_partitioned_on_demand(&mut self, topic: &str) -> bool {
        let policies = self.namespaces.get(namespace_of(topic));
        let Some(count) = policies.and_then(Policies::default_partitions).filter(|_| self.auto_create) else {
            return false;
        };
        let is_new = base_topic(topic) == topic && self.existing(topic).is_empty();
        if is_new {
            self.set_partitions(topic, count);
        }
        is_new
    }

    /// Creates a topic without checking that this is allowed. A pattern that matches, and a consumer of the topic of
    /// which it is a partition, subscribe to it immediately.
    pub(super) fn create(&mut self, topic: &str) -> Arc<str> {
        if let Some((name, _)) = self.topics.get_key_value(topic) {
            return Arc::clone(name);
        }
        let name: Arc<str> = Arc::from(topic);
        self.ledgers += 1;
        let partition = match base_topic(topic) {
            base if base.len() == topic.len() => -1,
            base => topic[base.len() + "-partition-".len()..].parse().unwrap_or(-1),
        };
        let log = Ledger {
            topic: Arc::clone(&name),
            ledger: self.ledgers,
            partition,
            persistent: topic.starts_with("persistent:"),
            entries: Vec::new(),
        };
        self.topics.insert(
            Arc::clone(&name),
            Topic {
                log,
                terminated: false,
                compacted: false,
                subscriptions: BTreeMap::new(),
                producers: BTreeMap::new(),
                noted_sequence: HashMap::new(),
                last_sequence: HashMap::new(),
            },
        );
        let base = base_topic(topic);
        let fits = |receiver: &Receiver| {
            let is_partition = base != topic && receiver.names.iter().any(|name| name == base);
            is_partition || receiver.pattern.as_ref().is_some_and(|(pattern, _)| pattern.matches(topic))
        };
        let fits: Vec<u64> =
            self.receivers.iter().filter(|(_, receiver)| fits(receiver)).map(|(conn, _)| *conn).collect();
        for conn in fits {
            // a subscription to a new topic has no other consumer that could cause a refusal
            let _ = self.attach(conn, &name);
        }
        name
    }

    /// Creates a partitioned topic or adds partitions to it.
    pub(super) fn set_partitions(&mut self, topic: &str, partitions: u32) {
        self.partitioned.insert(topic.to_owned(), partitions);
        for index in 0..partitions {
            self.create(&format!("{topic}-partition-{index}"));
        }
    }

    /// Deletes a topic. Clients connected to it receive nothing more.
    pub(super) fn delete(&mut self, topic: &str) -> bool {
        let partitions = self.partitioned.remove(topic);
        for index in 0..partitions.unwrap_or(0) {
            self.topics.remove(format!("{topic}-partition-{index}").as_str());
        }
        self.schemas.remove(topic.split_once("://").map_or(topic, |(_, name)| name));
        self.topics.remove(topic).is_some() || partitions.is_some()
    }

    /// Returns the existing topics of a name, without creating any.
    pub(super) fn existing(&self, topic: &str) -> Vec<&Topic> {
        match self.partitioned.get(topic) {
            Some(partitions) => (0..*partitions)
                .filter_map(|index| self.topics.get(format!("{topic}-partition-{index}").as_str()))
                .collect(),
            None => self.topics.get(topic).into_iter().collect(),
        }
    }

    pub(super) fn terminate(&mut self, topic: &str) -> bool {
        let names: Vec<_> = self.existing(topic).iter().map(|topic| Arc::clone(&topic.log.topic)).collect();
        for name in &names {
            if let Some(topic) = self.topics.get_mut(name) {
                topic.terminated = true;
            }
        }
        !names.is_empty()
    }

    // producers

    /// Connects a producer to one topic and returns its last sequence id.
    pub(super) fn add_producer(&mut self, topic: &str, name: &Arc<str>, conn: u64) -> Result<i64, Refusal> {
        self.create(topic);
        let Some(found) = self.topics.get_mut(topic) else { return Err(Refusal::new(500, "no such topic")) };
        if found.terminated {
            let text = "org.apache.pulsar.broker.service.BrokerServiceException$TopicTerminatedException: Topic was \
                        already terminated";
            return Err(Refusal::new(503, remote_error(text)));
        }
        if found.producers.values().any(|connected| connected == name) {
            let text = format!(
                "org.apache.pulsar.broker.service.BrokerServiceException$NamingException: Producer with name '{name}' \
                 is already connected to topic '{topic}'"
            );
            return Err(Refusal::new(409, remote_error(&text)));
        }
        found.producers.insert(conn, Arc::clone(name));
        Ok(found.last_sequence.get(name).copied().unwrap_or(-1))
    }

    /// Stores one message, or a batch as one entry. Returns the id of the entry.
    pub(super) fn publish(
        &mut self,
        topic: &str,
        messages: Vec<Message>,
        batch: bool,
        now: u64,
    ) -> Result<Id, PublishError> {
        let deduplicate = self.namespaces.get(namespace_of(topic)).is_some_and(Policies::deduplicates);
        self.create(topic);
        let Some(found) = self.topics.get_mut(topic) else { return Err("no such topic".to_owned()) };
        if found.terminated {
            return Err("org.apache.pulsar.client.api.PulsarClientException$TopicTerminatedException: Topic was \
                        terminated"
                .to_owned());
        }
        if deduplicate && let (Some(first), Some(last)) = (messages.first(), messages.last()) {
            let known = found.last_sequence.entry(Arc::clone(&first.producer)).or_insert(-1);
            if first.sequence <= *known {
                return Ok(Id { partition: found.log.partition, ..Id::DUPLICATE });
            }
            *known = last.sequence;
        }
        let messages: Vec<_> = messages.into_iter().map(Arc::new).collect();
        let id = found.log.id(found.log.entries.len(), -1, 0);
        if found.log.persistent {
            found.log.entries.push(Entry { messages, batch });
            if deduplicate && found.log.entries.len().is_multiple_of(NOTED_EVERY) {
                found.noted_sequence = found.last_sequence.clone();
            }
            self.dispatch(topic, now);
        } else {
            let entry = Entry { messages, batch };
            found.subscriptions.values_mut().for_each(|subscription| subscription.offer(&entry, &found.log));
        }
        Ok(id)
    }

    /// Delivers what every subscription of a topic can deliver.
    pub(super) fn dispatch(&mut self, topic: &str, now: u64) {
        if let Some(found) = self.topics.get_mut(topic) {
            for subscription in found.subscriptions.values_mut() {
                subscription.dispatch(&found.log, now, &mut self.timers);
            }
        }
        self.bury(topic, now);
    }

    /// Publishes entries that were delivered too often to their dead letter topic.
    fn bury(&mut self, topic: &str, now: u64) {
        let mut letters = Vec::new();
        let Some(found) = self.topics.get_mut(topic) else { return };
        for subscription in found.subscriptions.values_mut().filter(|subscription| !subscription.dead.is_empty()) {
            for dead in std::mem::take(&mut subscription.dead) {
                let Some(entry) = found.log.entries.get(dead.entry) else { continue };
                for (at, message) in entry.messages.iter().enumerate() {
                    let batch = if entry.batch { format!(":{at}") } else { String::new() };
                    let origin = format!("{}:{}:{}{batch}", found.log.ledger, dead.entry, found.log.partition);
                    let mut properties = message.properties.clone();
                    properties.insert("REAL_TOPIC".into(), found.log.topic.to_string());
                    properties.insert("REAL_SUBSCRIPTION".into(), subscription.name.to_string());
                    properties.insert("ORIGIN_MESSAGE_ID".into(), origin.clone());
                    properties.insert("ORIGIN_MESSAGE_IDY_TIME".into(), origin);
                    let letter = Message {
                        payload: message.payload.clone(),
                        key: message.key.clone(),
                        properties,
                        event_time: message.event_time,
                        deliver_at: 0,
                        publish_time: now,
                        producer: Arc::from(format!("{}-{}-DLQ", found.log.topic, subscription.name)),
                        sequence: dead.entry as i64,
                        // A dead letter keeps the payload unchanged, and loses its keys.
                        encryption: None,
                    };
                    letters.push((dead.topic.clone(), letter));
                }
            }
        }
        for (topic, letter) in letters {
            let Ok(topic) = full_name(&topic) else { continue };
            // a terminated dead letter topic loses the letter, as on a real broker
            let _ = self.publish(&topic, vec![letter], false, now);
        }
    }

    // consumers and readers

    /// Subscribes a connection and returns the topics it is attached to.
    pub(super) fn subscribe(
        &mut self,
        interest: Interest,
        subscription: &str,
        start: Start,
        settings: ConsumerSettings,
        now: u64,
    ) -> Result<Vec<Arc<str>>, Refusal> {
        let conn = settings.conn;
        let (mut topics, mut asked) = (Vec::new(), Vec::new());
        let mut pattern = None;
        match interest {
            Interest::Topics(names) => {
                for name in &names {
                    topics.extend(self.resolve(name)?);
                }
                asked = names;
            }
            Interest::Pattern(wanted) => {
                let mut found: Vec<_> = self.topics.keys().filter(|name| wanted.matches(name)).cloned().collect();
                found.sort();
                topics = found;
                pattern = Some((wanted, start));
            }
        }
        let subscription: Arc<str> = Arc::from(subscription);
        let receiver = Receiver { settings, subscription, names: asked, topics: Vec::new(), turn: 0, pattern };
        self.receivers.insert(conn, receiver);
        for topic in &topics {
            if let Err(reason) = self.attach_at(conn, topic, start) {
                self.disconnect(conn, now);
                return Err(Refusal::new(409, remote_error(&reason)));
            }
        }
        for topic in &topics {
            self.dispatch(topic, now);
        }
        Ok(topics)
    }

    fn attach(&mut self, conn: u64, topic: &Arc<str>) -> Result<(), String> {
        // a topic created after the pattern was subscribed is read from its beginning
        self.attach_at(conn, topic, Start::Earliest)
    }

    fn attach_at(&mut self, conn: u64, topic: &Arc<str>, start: Start) -> Result<(), String> {
        let (Some(receiver), Some(found)) = (self.receivers.get_mut(&conn), self.topics.get_mut(topic)) else {
            return Ok(());
        };
        let (position, skip) = match start {
            Start::Earliest => (0, None),
            Start::Latest => (found.log.entries.len(), None),
            Start::After(id) if id.ledger == found.log.ledger && id.entry >= 0 => {
                let entry = found.log.position(id);
                // Without an index in it, the batch is delivered whole.
                let whole = found.log.entries.get(entry).filter(|entry| entry.batch);
                match (id.batch, whole) {
                    (-1, Some(_)) => (entry, None),
                    (batch, Some(whole)) if batch < whole.messages.len() as i32 - 1 => (entry, Some((entry, batch))),
                    _ => (found.log.entries.len().min(entry + 1), None),
                }
            }
            Start::After(id) => (found.log.position(id), None),
        };
        let settings = receiver.settings.clone();
        let name = Arc::clone(&receiver.subscription);
        let subscription = found
            .subscriptions
            .entry(Arc::clone(&name))
            .or_insert_with(|| Subscription::new(name, settings.kind, settings.durable, position));
        subscription.add_consumer(settings, skip, &found.log)?;
        receiver.topics.push(Arc::clone(topic));
        Ok(())
    }

    /// Returns the next message for a connection that is `demand` messages short.
    pub(super) fn next(&mut self, conn: u64, demand: usize, now: u64) -> Option<Delivery> {
        let receiver = self.receivers.get_mut(&conn)?;
        let count = receiver.topics.len();
        for step in 0..count {
            let index = (receiver.turn + step) % count;
            let Some(topic) = self.topics.get_mut(&receiver.topics[index]) else { continue };
            let Some(subscription) = topic.subscriptions.get_mut(&receiver.subscription) else { continue };
            if let Some(delivery) = subscription.next(conn, demand, &topic.log, now, &mut self.timers) {
                receiver.turn = index + 1;
                let unburied = !subscription.dead.is_empty();
                if unburied {
                    let name = Arc::clone(&topic.log.topic);
                    self.bury(&name, now);
                }
                return Some(delivery);
            }
        }
        None
    }

    /// Handles an acknowledgement of a message of this topic. `delivered_here` means by the connection that received
    /// it.
    pub(super) fn acknowledge(&mut self, conn: u64, topic: &str, id: Id, delivered_here: bool, now: u64) {
        let Some(receiver) = self.receivers.get(&conn) else { return };
        let Some(found) = self.topics.get_mut(topic) else { return };
        let known = id.ledger == found.log.ledger && id.entry >= 0 && (id.entry as usize) < found.log.entries.len();
        if let Some(subscription) = found.subscriptions.get_mut(&receiver.subscription).filter(|_| known) {
            subscription.acknowledge_from(conn, id, delivered_here);
            // with Key_Shared, messages may have waited for the key
            subscription.dispatch(&found.log, now, &mut self.timers);
        }
    }

    pub(super) fn refuse(&mut self, conn: u64, topic: &str, id: Id, now: u64) {
        let Some(receiver) = self.receivers.get(&conn) else { return };
        let Some(found) = self.topics.get_mut(topic).filter(|topic| id.ledger == topic.log.ledger) else { return };
        if let (Some(subscription), Ok(entry)) =
            (found.subscriptions.get_mut(&receiver.subscription), usize::try_from(id.entry))
        {
            subscription.refuse(conn, entry, &found.log, now, &mut self.timers);
        }
    }

    /// Deletes the subscription. Returns `false` if it no longer exists or has another consumer.
    pub(super) fn unsubscribe(&mut self, conn: u64) -> bool {
        let Some(receiver) = self.receivers.get(&conn) else { return false };
        let mut done = false;
        for name in &receiver.topics {
            let Some(topic) = self.topics.get_mut(name) else { continue };
            let Some(subscription) = topic.subscriptions.get(&receiver.subscription) else { continue };
            if subscription.consumers.len() != 1 || subscription.consumers[0].settings.conn != conn {
                return false;
            }
            topic.subscriptions.remove(&receiver.subscription);
            done = true;
        }
        self.receivers.remove(&conn);
        done
    }

    /// Returns whether every topic of the connection is terminated and completely acknowledged.
    pub(super) fn has_ended(&self, conn: u64) -> bool {
        let Some(receiver) = self.receivers.get(&conn) else { return false };
        !receiver.topics.is_empty()
            && receiver.topics.iter().all(|name| {
                self.topics.get(name).is_some_and(|topic| {
                    let subscription = topic.subscriptions.get(&receiver.subscription);
                    topic.terminated && subscription.is_some_and(|subscription| subscription.backlog(&topic.log) == 0)
                })
            })
    }

    /// Handles the end of a connection: releases its producer's name, and redistributes its messages.
    pub(super) fn disconnect(&mut self, conn: u64, now: u64) {
        if let Some(receiver) = self.receivers.remove(&conn) {
            for name in &receiver.topics {
                let Some(topic) = self.topics.get_mut(name) else { continue };
                let Some(subscription) = topic.subscriptions.get_mut(&receiver.subscription) else { continue };
                subscription.remove_consumer(conn, &topic.log);
                if subscription.consumers.is_empty() && !subscription.durable {
                    topic.subscriptions.remove(&receiver.subscription);
                }
                self.dispatch(name, now);
            }
        }
        for topic in self.topics.values_mut() {
            topic.producers.remove(&conn);
        }
    }

    // time

    /// Runs what is due.
    pub(super) fn tick(&mut self, now: u64) {
        let mut again: BTreeMap<(Arc<str>, Arc<str>, u64), Vec<usize>> = BTreeMap::new();
        let mut touched = BTreeSet::new();
        for timer in self.timers.take_due(now) {
            let Some(topic) = self.topics.get_mut(&timer.topic) else { continue };
            let Some(subscription) = topic.subscriptions.get_mut(&timer.subscription) else { continue };
            touched.insert(Arc::clone(&timer.topic));
            let (conn, entry) = match timer.what {
                What::Delayed { entry } => {
                    subscription.release(entry);
                    continue;
                }
                What::AckTimeout { conn, entry, stamp } if !subscription.ack_is_due(conn, entry, stamp) => continue,
                What::AckTimeout { conn, entry, .. } | What::Nack { conn, entry } => (conn, entry),
            };
            again.entry((timer.topic, timer.subscription, conn)).or_default().push(entry);
        }
        for ((topic, subscription, conn), entries) in again {
            let Some(topic) = self.topics.get_mut(&topic) else { continue };
            if let Some(subscription) = topic.subscriptions.get_mut(&subscription) {
                subscription.redeliver(conn, &entries, &topic.log);
            }
        }
        for topic in touched {
            self.dispatch(&topic, now);
        }
    }

    /// Creates or moves a subscription from outside, as the REST API does.
    pub(super) fn create_subscription(&mut self, topic: &str, name: &str, start: Start) -> bool {
        let Some(found) = self.topics.get_mut(topic) else { return false };
        let position = match start {
            Start::Earliest => 0,
            Start::Latest => found.log.entries.len(),
            Start::After(id) => found.log.position(id),
        };
        let name: Arc<str> = Arc::from(name);
        if found.subscriptions.contains_key(&name) {
            return false;
        }
        let subscription = Subscription::new(Arc::clone(&name), Kind::Exclusive, true, position);
        found.subscriptions.insert(name, subscription);
        true
    }
}
