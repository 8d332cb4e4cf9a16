//! A mock Pulsar broker on a real socket, for tests of this client and of applications that use it.
//!
//! It listens at 127.0.0.1, and speaks Pulsar's WebSocket API and the part of its REST API that a client needs. It
//! keeps everything in memory. On request it fails as a real broker does at the worst moment: see [`Mock::fault`]. It
//! is independent of the rest of the library, and any WebSocket client can use it.
//!
//! ```
//! use stargate_core::mock::{Mock, MockMessage, MockOptions, Op};
//!
//! let mock = Mock::start(MockOptions::default())?;
//! mock.publish("orders", MockMessage::new("hello"))?;
//! assert_eq!(mock.messages("orders")?[0].payload.as_deref(), Some(&b"hello"[..]));
//! assert!(mock.url().starts_with("ws://127.0.0.1:"));
//!
//! mock.fault("connect", Some("orders"), "http:503", 1)?; // the next connection to this topic is refused
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod admin;
mod avro;
mod credentials;
mod deflate;
mod faults;
mod frames;
mod http;
mod ids;
mod issuer;
mod ledger;
mod log;
mod names;
mod options;
mod outbox;
mod pattern;
mod producer;
mod receiver;
mod schemas;
mod server;
mod session;
mod shared;
mod socket;
mod subscription;
mod time;
mod timers;
mod tls;
mod topics;
mod upgrade;
mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};
use tokio::sync::{mpsc, oneshot};

pub use faults::{Fault, Op};
pub use log::Request;
pub use options::{MockOAuth2, MockOptions, MockTls};

use names::{base_topic, full_name};
use server::SetUp;
use shared::Shared;

/// A request to a [`Mock`] that it could not carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MockError {
    /// The request is invalid: a bad topic, operation or fault.
    Invalid(String),
    /// The topic, subscription or namespace does not exist.
    NotFound(String),
    /// The request is not possible now: the topic is terminated, or the port is in use.
    Failed(String),
}

impl MockError {
    fn invalid(text: impl Into<String>) -> MockError {
        MockError::Invalid(text.into())
    }
}

impl fmt::Display for MockError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (MockError::Invalid(text) | MockError::NotFound(text) | MockError::Failed(text)) = self;
        write!(out, "mock broker: {text}")
    }
}

impl std::error::Error for MockError {}

/// A message for [`Mock::publish`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MockMessage {
    /// `None` is a null value. Only native clients can send it, and a real proxy fails on it.
    pub payload: Option<Vec<u8>>,
    /// The partition key.
    pub key: Option<String>,
    /// The properties.
    pub properties: BTreeMap<String, String>,
    /// Milliseconds since 1970; 0 means none.
    pub event_time: i64,
    /// How many milliseconds Shared and Key_Shared subscriptions delay the message.
    pub deliver_after_ms: u64,
    /// For an encrypted payload, its `encryptionContext`, as JSON. With it you can create messages that only native
    /// clients create: an encrypted batch, or one for several keys.
    pub encryption_context: Option<serde_json::Value>,
}

impl MockMessage {
    /// Creates a message with only this payload.
    pub fn new(payload: impl Into<Vec<u8>>) -> MockMessage {
        MockMessage { payload: Some(payload.into()), ..MockMessage::default() }
    }

    /// Sets the partition key.
    pub fn key(mut self, key: impl Into<String>) -> MockMessage {
        self.key = Some(key.into());
        self
    }

    /// Adds a property.
    pub fn property(mut self, name: impl Into<String>, value: impl Into<String>) -> MockMessage {
        self.properties.insert(name.into(), value.into());
        self
    }
}

/// A message as the mock stored it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoredMessage {
    /// The full name of the topic, or of the partition of a partitioned topic.
    pub topic: String,
    /// The id as a consumer receives it: base64 of Pulsar's `MessageIdData`.
    pub message_id: String,
    /// `None` is a null value. In JSON, base64 or null.
    #[serde(serialize_with = "as_base64")]
    pub payload: Option<Vec<u8>>,
    /// The partition key.
    pub key: Option<String>,
    /// The properties.
    pub properties: BTreeMap<String, String>,
    /// Milliseconds since 1970; 0 means none. In JSON `event_time_ms`.
    #[serde(rename = "event_time_ms")]
    pub event_time: i64,
    /// Milliseconds since 1970. In JSON `publish_time_ms`.
    #[serde(rename = "publish_time_ms")]
    pub publish_time: u64,
    /// Shared and Key_Shared subscriptions do not deliver the message before this time, in milliseconds since 1970; 0
    /// means none. In JSON `deliver_at_ms`.
    #[serde(rename = "deliver_at_ms")]
    pub deliver_at: u64,
    /// The producer's name, given or generated.
    pub producer_name: String,
    /// The sequence id that the broker assigned.
    pub sequence_id: i64,
    /// Its index in its batch and the batch's size, if it is part of one.
    pub batch: Option<(usize, usize)>,
}

fn as_base64<S: Serializer>(payload: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    payload.as_ref().map(|payload| STANDARD.encode(payload)).serialize(serializer)
}

/// Returns why a topic is not available, in the proxy's words.
fn missing(broker: &topics::Broker, topic: &str) -> MockError {
    let namespace = names::namespace_of(topic);
    match broker.namespaces.contains_key(namespace) {
        true => MockError::NotFound(format!("no topic {topic}")),
        false => MockError::NotFound(format!("no namespace {namespace:?}")),
    }
}

/// A running mock broker. Dropping it stops it and closes every connection to it.
///
/// It has a runtime of its own, on one thread named `stargate-mock`. Its methods block for a moment at most. They may
/// be called from any thread, with or without a runtime.
pub struct Mock {
    shared: Arc<Shared>,
    port: u16,
    orders: mpsc::UnboundedSender<SetUp>,
    stop: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

impl fmt::Debug for Mock {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // the options contain tokens
        out.debug_struct("Mock").field("url", &self.url()).finish_non_exhaustive()
    }
}

impl Mock {
    /// Starts a broker. Fails if the port is in use or the TLS files cannot be used.
    pub fn start(mut options: MockOptions) -> io::Result<Mock> {
        let tls = options.tls.as_ref().map(tls::acceptor).transpose()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _context = runtime.enter();
            server::bind(options.port)?.listen(1024)?
        };
        let port = listener.local_addr()?.port();
        options.port = port;
        let shared = Arc::new(Shared::new(options));
        let (orders, inbox) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("stargate-mock".to_owned()).spawn(move || {
            runtime.block_on(async move {
                tokio::spawn(shared::keep_time(Arc::clone(&serving)));
                tokio::spawn(server::listen(serving, listener, port, tls, inbox));
                // an error means that the handle has been dropped, which also stops the mock
                let _ = stopped.await;
            });
        })?;
        Ok(Mock { shared, port, orders, stop: Mutex::new(Some((stop, thread))) })
    }

    /// Returns the service URL: `ws://127.0.0.1:PORT`, or `wss://` with TLS.
    pub fn url(&self) -> String {
        let scheme = if self.shared.options.tls.is_some() { "wss" } else { "ws" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Returns the URL of the REST API: `http://127.0.0.1:PORT`, or `https://` with TLS.
    pub fn http_url(&self) -> String {
        self.shared.http_url()
    }

    /// Returns the URL of the built-in OAuth2 issuer, for [`MockOptions::oauth2`].
    pub fn oauth2_issuer_url(&self) -> String {
        format!("{}{}", self.http_url(), issuer::PATH)
    }

    /// Returns the port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    // the content of the broker

    /// Stores a message as if a producer had sent it, and returns its id. Creates the topic, given by its short or full
    /// name, if it does not exist. On a partitioned topic the key chooses the partition.
    pub fn publish(&self, topic: &str, message: MockMessage) -> Result<String, MockError> {
        self.store(topic, vec![message], false)
    }

    /// Stores messages as one batch, as a producer with batching does, and returns the id of the first.
    pub fn publish_batch(&self, topic: &str, messages: Vec<MockMessage>) -> Result<String, MockError> {
        if messages.is_empty() {
            return Err(MockError::invalid("a batch needs a message"));
        }
        self.store(topic, messages, true)
    }

    fn store(&self, topic: &str, messages: Vec<MockMessage>, batch: bool) -> Result<String, MockError> {
        let topic = full_name(topic)?;
        self.shared.broker(|broker, now| {
            let topics = broker.resolve(&topic).map_err(|_| missing(broker, &topic))?;
            let stored: usize = broker.existing(&topic).iter().map(|topic| topic.log.entries.len()).sum();
            let key = messages.first().and_then(|message| message.key.as_deref());
            let Some(target) = producer::partition_of(&topics, key, stored) else {
                return Err(MockError::NotFound(format!("no topic {topic}")));
            };
            let size = messages.len();
            let messages = messages.into_iter().enumerate().map(|(at, message)| ledger::Message {
                payload: message.payload,
                key: message.key,
                properties: message.properties,
                event_time: message.event_time,
                deliver_at: if message.deliver_after_ms > 0 { now.saturating_add(message.deliver_after_ms) } else { 0 },
                publish_time: now,
                // a unique name, so that deduplication accepts it
                producer: Arc::from(format!("stargate-mock-{}-{stored}", now)),
                sequence: at as i64,
                encryption: message.encryption_context,
            });
            let id = broker.publish(&target, messages.collect(), batch, now).map_err(MockError::Failed)?;
            let (batch, size) = if batch { (0, size as i32) } else { (-1, 0) };
            Ok(ids::Id { batch, size, ..id }.encode())
        })
    }

    /// Returns all messages of a topic, acknowledged or not, partition by partition, in order.
    pub fn messages(&self, topic: &str) -> Result<Vec<StoredMessage>, MockError> {
        let topic = full_name(topic)?;
        self.shared.broker(|broker, _| {
            let found = broker.existing(&topic);
            if found.is_empty() {
                return Err(MockError::NotFound(format!("no topic {topic}")));
            }
            let mut stored = Vec::new();
            for log in found.iter().map(|topic| &topic.log) {
                for (entry, held) in log.entries.iter().enumerate() {
                    let size = held.messages.len();
                    for (at, message) in held.messages.iter().enumerate() {
                        let batch = held.batch.then_some((at, size));
                        let id = log.id(entry, batch.map_or(-1, |_| at as i32), batch.map_or(0, |_| size as i32));
                        stored.push(StoredMessage {
                            topic: log.topic.to_string(),
                            message_id: id.encode(),
                            payload: message.payload.clone(),
                            key: message.key.clone(),
                            properties: message.properties.clone(),
                            event_time: message.event_time,
                            publish_time: message.publish_time,
                            deliver_at: message.deliver_at,
                            producer_name: message.producer.to_string(),
                            sequence_id: message.sequence,
                            batch,
                        });
                    }
                }
            }
            Ok(stored)
        })
    }

    /// Returns [`messages`](Mock::messages) as a JSON array, with payloads in base64.
    pub fn messages_json(&self, topic: &str) -> Result<String, MockError> {
        Ok(wire::json(&self.messages(topic)?))
    }

    /// Returns the number of entries that a subscription has not acknowledged, in all partitions together. A batch is
    /// one entry.
    pub fn backlog(&self, topic: &str, subscription: &str) -> Result<usize, MockError> {
        let topic = full_name(topic)?;
        self.shared.broker(|broker, _| {
            let mut counts = broker
                .existing(&topic)
                .into_iter()
                .filter_map(|topic| Some(topic.subscriptions.get(subscription)?.backlog(&topic.log)))
                .peekable();
            match counts.peek() {
                Some(_) => Ok(counts.sum()),
                None => Err(MockError::NotFound(format!("no subscription {subscription:?} on {topic}"))),
            }
        })
    }

    /// Creates a namespace, `tenant/namespace`, and its tenant.
    pub fn create_namespace(&self, namespace: &str) -> Result<(), MockError> {
        let Some((tenant, name)) = namespace
            .split_once('/')
            .filter(|(tenant, name)| !tenant.is_empty() && !name.is_empty() && !name.contains('/'))
        else {
            return Err(MockError::invalid(format!("{namespace:?} is not of the form tenant/namespace")));
        };
        self.shared.broker(|broker, _| {
            broker.tenants.entry(tenant.to_owned()).or_insert_with(topics::any_tenant);
            broker.namespaces.entry(format!("{tenant}/{name}")).or_default();
        });
        Ok(())
    }

    /// Creates a partitioned topic, or adds partitions to one.
    pub fn create_partitioned(&self, topic: &str, partitions: u32) -> Result<(), MockError> {
        let topic = full_name(topic)?;
        if partitions == 0 || partitions > 10_000 || base_topic(&topic) != topic {
            return Err(MockError::invalid(format!("{topic} cannot have {partitions} partitions")));
        }
        self.shared.broker(|broker, _| {
            let now = broker.partitioned.get(&topic).copied();
            if now.is_some_and(|now| now > partitions) || (now.is_none() && !broker.existing(&topic).is_empty()) {
                return Err(MockError::Failed(format!("{topic} exists, and cannot get {partitions} partitions")));
            }
            broker.set_partitions(&topic, partitions);
            Ok(())
        })
    }

    /// Creates a durable subscription at the end of a topic, or at its beginning, as an administrator would.
    pub fn create_subscription(&self, topic: &str, subscription: &str, earliest: bool) -> Result<(), MockError> {
        let topic = full_name(topic)?;
        let start = if earliest { topics::Start::Earliest } else { topics::Start::Latest };
        self.shared.broker(|broker, _| {
            let topics = broker.resolve(&topic).map_err(|_| missing(broker, &topic))?;
            let created = topics.iter().filter(|topic| broker.create_subscription(topic, subscription, start)).count();
            match created {
                0 => Err(MockError::Failed(format!("subscription {subscription:?} exists on {topic}"))),
                _ => Ok(()),
            }
        })
    }

    /// Terminates a topic: it accepts no more messages, and consumers learn that it has ended once they have received
    /// everything.
    pub fn terminate(&self, topic: &str) -> Result<(), MockError> {
        let topic = full_name(topic)?;
        match self.shared.broker(|broker, _| broker.terminate(&topic)) {
            true => Ok(()),
            false => Err(MockError::NotFound(format!("no topic {topic}"))),
        }
    }

    /// Deletes a topic by force. Connected clients are not notified, and the next message to it creates it again.
    pub fn delete_topic(&self, topic: &str) -> Result<(), MockError> {
        let topic = full_name(topic)?;
        match self.shared.broker(|broker, _| broker.delete(&topic)) {
            true => Ok(()),
            false => Err(MockError::NotFound(format!("no topic {topic}"))),
        }
    }

    /// Sets whether a namespace, such as `public/default`, drops messages whose sequence id it has already seen.
    pub fn set_deduplication(&self, namespace: &str, on: bool) -> Result<(), MockError> {
        self.shared.broker(|broker, _| match broker.namespaces.get_mut(namespace) {
            Some(policies) => {
                policies.deduplicate(on);
                Ok(())
            }
            None => Err(MockError::NotFound(format!("no namespace {namespace:?}"))),
        })
    }

    // faults

    /// Scripts a fault for the next `count` times that `op` happens on `topic` (`None`: on any). Faults happen first
    /// in, first out; `usize::MAX` means without limit. See [`Op`] and [`Fault`] for the names. For the operation
    /// `http` the topic is a path.
    ///
    /// ```
    /// # use stargate_core::mock::{Mock, MockOptions};
    /// # let mock = Mock::start(MockOptions::default())?;
    /// mock.fault("send", None, "no-receipt", 2)?; // the next two messages are stored and not confirmed
    /// mock.fault("send", None, "close:1011", 1)?; // and at the third the connection is closed
    /// assert_eq!(mock.faults_left(), 3);
    /// assert!(mock.fault("ack", None, "http:500", 1).is_err()); // an acknowledgement has no status
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fault(&self, op: &str, topic: Option<&str>, fault: &str, count: usize) -> Result<(), MockError> {
        self.add_fault(op.parse()?, topic, fault.parse()?, count)
    }

    /// Scripts a fault like [`fault`](Mock::fault), with types instead of names.
    pub fn add_fault(&self, op: Op, topic: Option<&str>, fault: Fault, count: usize) -> Result<(), MockError> {
        self.shared.faults.add(op, topic, fault, count)
    }

    /// Returns the number of faults that have not happened yet.
    pub fn faults_left(&self) -> usize {
        self.shared.faults.left()
    }

    /// Removes the faults that have not happened yet.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// Stops or restarts the broker. While it is down, it drops connections and refuses new ones; its data and its port
    /// stay.
    pub fn set_up(&self, up: bool) -> Result<(), MockError> {
        let failed = |text: String| MockError::Failed(text);
        let (done, outcome) = std::sync::mpsc::channel();
        self.orders.send(SetUp { up, done }).map_err(|_| failed("the mock has been stopped".to_owned()))?;
        let outcome = outcome.recv().map_err(|_| failed("the mock has been stopped".to_owned()))?;
        outcome.map_err(|error| failed(format!("port {}: {error}", self.port)))?;
        if !up {
            self.shared.drop_connections(None);
        }
        Ok(())
    }

    /// Drops the connections to a topic, or all, without a close frame. Returns their number.
    pub fn drop_connections(&self, topic: Option<&str>) -> Result<usize, MockError> {
        let topic = topic.map(full_name).transpose()?;
        Ok(self.shared.drop_connections(topic.as_deref()))
    }

    // client activity

    /// Returns what clients sent and received, in order: at most the last 100,000 entries.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.all()
    }

    /// Returns [`requests`](Mock::requests) as a JSON array.
    pub fn requests_json(&self) -> String {
        wire::json(&self.requests())
    }

    /// Clears the log and resets its counts to zero.
    pub fn clear_requests(&self) {
        self.shared.requests.clear();
    }

    /// Returns how often something happened on a topic, or on any.
    pub fn count(&self, op: Op, topic: Option<&str>) -> Result<usize, MockError> {
        let topic = faults::place(op, topic)?;
        Ok(self.shared.requests.count(op, topic.as_deref()))
    }

    /// Blocks until `op` has happened `at_least` times on `topic` (`None`: on any), since the start or the last
    /// [`clear_requests`](Mock::clear_requests). Returns `false` if the timeout expires first.
    pub fn wait(&self, op: &str, topic: Option<&str>, at_least: usize, timeout: Duration) -> Result<bool, MockError> {
        let op = op.parse()?;
        let topic = faults::place(op, topic)?;
        Ok(self.shared.requests.wait(op, topic.as_deref(), at_least, timeout))
    }

    /// Returns the number of open WebSocket sessions.
    pub fn connections(&self) -> usize {
        self.shared.connections(true)
    }

    /// Stops the broker and closes every connection. Dropping it does the same.
    pub fn stop(&self) {
        let stopping = self.stop.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((stop, thread)) = stopping {
            drop(stop);
            // the thread cannot join itself, and a panic in it has already been printed
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.stop();
    }
}
