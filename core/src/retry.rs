//! Retry letters: copies of messages that an application reconsumes later, in a topic that its consumer also consumes.
//! Dead letters are copies of messages that it reconsumed too often. Names and properties are those of Pulsar's own
//! clients.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, oneshot, watch};

use crate::client::inner::ClientInner;
use crate::error::{Error, Result};
use crate::log::{Level, Log};
use crate::message::{Message, MessageId, OutgoingMessage, RECONSUME_TIMES};
use crate::options::{Options, Resolved};
use crate::producer::Producer;
use crate::stats::Counters;
use crate::status;
use crate::topic::TopicName;

/// The default of `max_redeliver_count`, as in the Java client.
const MOST_TIMES: u32 = 16;

// The properties that a copy carries in addition to those of its message.
const DELAY_TIME: &str = "DELAY_TIME";
const REAL_TOPIC: &str = "REAL_TOPIC";
const REAL_SUBSCRIPTION: &str = "REAL_SUBSCRIPTION";
const ORIGIN_MESSAGE_ID: &str = "ORIGIN_MESSAGE_ID";
/// The name under which earlier clients look for the same id.
const ORIGIN_MESSAGE_ID_OLD: &str = "ORIGIN_MESSAGE_IDY_TIME";

/// Sends the copies for one consumer.
pub(crate) struct RetryLetters {
    client: Arc<ClientInner>,
    /// The options of the connections.
    options: Options,
    topic: Arc<TopicName>,
    subscription: String,
    most: u32,
    retry: Letters,
    dead: Letters,
    /// How many copies are in flight.
    under_way: watch::Sender<usize>,
    counters: Arc<Counters>,
    log: Log,
}

/// One of the two topics, and the producer that is opened for its first copy.
struct Letters {
    topic: TopicName,
    producer: Mutex<Option<Producer>>,
}

impl RetryLetters {
    /// Returns the options of a consumer of `topic` with the names of both topics filled in.
    pub(crate) fn complete(options: Resolved, topic: &TopicName, subscription: &str) -> Resolved {
        let name = |suffix| format!("{topic}-{subscription}-{suffix}");
        let mut given = options.given;
        if options.retry_letter_topic.is_none() {
            given = given.retry_letter_topic(&name("RETRY"));
        }
        if options.dead_letter_topic.is_none() {
            given = given.dead_letter_topic(&name("DLQ"));
        }
        if options.max_redeliver_count.is_none() {
            given = given.max_redeliver_count(MOST_TIMES);
        }
        given.resolve()
    }

    /// Creates it for a consumer with these options, which are [complete](RetryLetters::complete).
    pub(crate) fn new(
        client: &Arc<ClientInner>,
        options: &Resolved,
        topic: &Arc<TopicName>,
        subscription: &str,
        counters: &Arc<Counters>,
    ) -> Result<RetryLetters> {
        let letters = |topic: &Option<String>| -> Result<Letters> {
            let topic: TopicName = topic.as_deref().unwrap_or_default().parse()?;
            Ok(Letters { topic, producer: Mutex::new(None) })
        };
        Ok(RetryLetters {
            client: client.clone(),
            options: options.given.of_connection(),
            topic: topic.clone(),
            subscription: subscription.to_owned(),
            most: options.max_redeliver_count.unwrap_or(MOST_TIMES),
            retry: letters(&options.retry_letter_topic)?,
            dead: letters(&options.dead_letter_topic)?,
            under_way: watch::Sender::new(0),
            counters: counters.clone(),
            log: Log::new(topic.to_string(), options.given.log.clone()),
        })
    }

    /// Returns the topic of the retry letters.
    pub(crate) fn topic(&self) -> &TopicName {
        &self.retry.topic
    }

    /// Stores a copy of a message and calls `done` with the outcome, whatever becomes of the caller in the meantime.
    pub(crate) fn store(
        self: &Arc<RetryLetters>,
        message: &Message,
        delay: Duration,
        done: impl FnOnce(Result<()>) + Send + 'static,
    ) {
        let (letters, message) = (self.clone(), message.clone());
        self.under_way.send_modify(|count| *count += 1);
        self.client.runtime.spawn(async move {
            let stored = letters.send(&message, delay).await;
            if let Err(error) = &stored {
                let id = message.id();
                letters.log.write(Level::Warn, &format!("no copy of message {id} for later: {error}"));
            }
            done(stored);
            letters.under_way.send_modify(|count| *count -= 1);
        });
    }

    /// As [`RetryLetters::store`], but waits for the outcome.
    pub(crate) async fn stored(
        self: &Arc<RetryLetters>,
        message: &Message,
        delay: Duration,
        done: impl FnOnce(&Result<()>) + Send + 'static,
    ) -> Result<()> {
        let (sender, outcome) = oneshot::channel();
        self.store(message, delay, move |stored| {
            done(&stored);
            let _ = sender.send(stored);
        });
        outcome.await.unwrap_or_else(|_| Err(status::gone()))
    }

    async fn send(&self, message: &Message, delay: Duration) -> Result<()> {
        let times = message.reconsume_times().saturating_add(1);
        let is_dead = times > self.most;
        let letters = if is_dead { &self.dead } else { &self.retry };
        let mut copy = self.copy_of(message, times, delay);
        if !is_dead && !delay.is_zero() {
            copy = copy.deliver_after(delay);
        }
        letters.producer(&self.client, &self.options).await?.send(copy).await?;
        if is_dead { &self.counters.dead_letters } else { &self.counters.retry_letters }.add(1);
        Ok(())
    }

    fn copy_of(&self, message: &Message, times: u32, delay: Duration) -> OutgoingMessage {
        let id = message.id();
        let mut copy = OutgoingMessage::new(message.payload().clone());
        copy.key = message.key().map(str::to_owned);
        copy.event_time = message.event_time_ms().filter(|time| *time > 0);
        copy.properties = message.properties().clone();
        // A copy of a copy keeps its first origin.
        for (name, value) in [
            (REAL_TOPIC, self.topic.to_string()),
            (REAL_SUBSCRIPTION, self.subscription.clone()),
            (ORIGIN_MESSAGE_ID, origin_id(id)),
            (ORIGIN_MESSAGE_ID_OLD, origin_id(id)),
        ] {
            copy.properties.entry(name.to_owned()).or_insert(value);
        }
        copy.property(RECONSUME_TIMES, times.to_string()).property(DELAY_TIME, delay.as_millis().to_string())
    }

    /// Waits until no copy is in flight.
    pub(crate) async fn idle(&self) {
        let _ = self.under_way.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Closes the producers, in which nothing is in flight any more.
    pub(crate) async fn close(&self, timeout: Duration) {
        for letters in [&self.retry, &self.dead] {
            if let Some(producer) = letters.producer.lock().await.take() {
                let _ = producer.close(timeout).await;
            }
        }
    }
}

impl Letters {
    /// Returns the producer; opens one if there is none yet, or if it has failed for good.
    async fn producer(&self, client: &Arc<ClientInner>, options: &Options) -> Result<Producer> {
        let mut producer = self.producer.lock().await;
        if let Some(open) = producer.as_ref().filter(|open| !open.has_ended()) {
            return Ok(open.clone());
        }
        let opened = Producer::open(client, &self.topic.to_string(), options).await?;
        Ok(producer.insert(opened).clone())
    }
}

/// Returns `ledger:entry:partition`, and for a message of a batch its index: the form in which the Java client writes
/// an id.
fn origin_id(id: &MessageId) -> String {
    let partition = id.partition().map_or(-1, i64::from);
    match id.batch_index() {
        Some(index) => format!("{}:{}:{partition}:{index}", id.ledger(), id.entry()),
        None => format!("{}:{}:{partition}", id.ledger(), id.entry()),
    }
}

/// Returns the error of an application that reconsumes where retry letters are not enabled.
pub(crate) fn not_enabled() -> Error {
    Error::invalid("a retry letter topic needs the option enable_retry, and a shared or key_shared subscription")
}
