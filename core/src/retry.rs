//! Retry letters: copies of messages that an application reconsumes later, in a topic that its consumer also consumes.
//! Dead letters are copies of messages that it reconsumed too often. Names and properties are those of Pulsar's own
//! clients.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use crate::client::inner::ClientInner;
use crate::error::{Error, Result};
use crate::log::{Level, Log};
use crate::message::{Message, MessageId, OutgoingMessage, RECONSUME_TIMES};
use crate::options::{Options, Resolved};
use crate::producer::Producer;
use crate::stats::Counters;
use crate::status;
use crate::topic::{Persistence, TopicName};

/// The default of `max_redeliver_count`, as in the Java client.
const MOST_TIMES: u32 = 16;

// The properties that a copy carries in addition to those of its message.
const DELAY_TIME: &str = "DELAY_TIME";
const REAL_TOPIC: &str = "REAL_TOPIC";
const REAL_SUBSCRIPTION: &str = "REAL_SUBSCRIPTION";
const ORIGIN_MESSAGE_ID: &str = "ORIGIN_MESSAGE_ID";
/// The name under which earlier clients look for the same id.
const ORIGIN_MESSAGE_ID_OLD: &str = "ORIGIN_MESSAGE_IDY_TIME";

/// How long a stored copy is remembered. A message is redelivered in this time if its acknowledgement was lost.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);
/// The maximum number of stored copies that are remembered.
const MOST_REMEMBERED: usize = 10_000;

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
    copies: Mutex<Copies<Delivery>>,
    /// How many copies are in flight.
    under_way: watch::Sender<usize>,
    /// Ends the opening of producers, and what waits for it.
    closed: watch::Sender<bool>,
    counters: Arc<Counters>,
    log: Log,
}

/// One of the two topics, and the producer that is opened for its first copy.
struct Letters {
    topic: TopicName,
    producer: tokio::sync::Mutex<Option<Producer>>,
}

/// A message and its round. Copies that the broker stored twice are the same.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Original {
    /// Whether it is itself a copy, from the retry letter topic.
    is_letter: bool,
    id: String,
}

/// Receives the outcome of a copy.
type Done = Box<dyn FnOnce(Result<()>) + Send>;

/// A delivery of a message that is to be reconsumed later.
struct Delivery {
    message: Message,
    delay: Duration,
    done: Done,
}

/// The state of a message's copy.
enum Copy<D> {
    /// In flight, with the deliveries that wait for it, the oldest first.
    Pending(Vec<D>),
    Stored,
}

/// The copies in flight and those stored lately, so that a redelivered message gets no second one.
struct Copies<D> {
    by_message: HashMap<Original, Copy<D>>,
    /// The messages whose copies are stored, the oldest first.
    stored: VecDeque<(Instant, Original)>,
}

impl<D> Copies<D> {
    fn new() -> Copies<D> {
        Copies { by_message: HashMap::new(), stored: VecDeque::new() }
    }

    /// Ends a copy that was in flight; returns those that waited for it.
    fn end(&mut self, original: Original, is_stored: bool, now: Instant) -> Vec<D> {
        let ended = match is_stored {
            true => {
                self.stored.push_back((now, original.clone()));
                self.by_message.insert(original, Copy::Stored)
            }
            false => self.by_message.remove(&original),
        };
        let is_old = |at: &Instant| now.duration_since(*at) > REMEMBERED_FOR;
        while self.stored.len() > MOST_REMEMBERED || self.stored.front().is_some_and(|(at, _)| is_old(at)) {
            if let Some((_, oldest)) = self.stored.pop_front() {
                self.by_message.remove(&oldest);
            }
        }
        match ended {
            Some(Copy::Pending(waiting)) => waiting,
            Some(Copy::Stored) | None => Vec::new(),
        }
    }

    /// Forgets the stored copies of messages of the topic itself: the subscription moves, and may deliver them again.
    fn forget_stored(&mut self) {
        self.stored.retain(|(_, original)| original.is_letter);
        self.by_message.retain(|original, copy| original.is_letter || matches!(copy, Copy::Pending(_)));
    }
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
            Ok(Letters { topic, producer: tokio::sync::Mutex::new(None) })
        };
        Ok(RetryLetters {
            client: client.clone(),
            options: options.given.of_connection(),
            topic: topic.clone(),
            subscription: subscription.to_owned(),
            most: options.max_redeliver_count.unwrap_or(MOST_TIMES),
            retry: letters(&options.retry_letter_topic)?,
            dead: letters(&options.dead_letter_topic)?,
            copies: Mutex::new(Copies::new()),
            under_way: watch::Sender::new(0),
            closed: watch::Sender::new(false),
            counters: counters.clone(),
            log: Log::new(topic.to_string(), options.given.log.clone()),
        })
    }

    /// Returns the topic of the retry letters.
    pub(crate) fn topic(&self) -> &TopicName {
        &self.retry.topic
    }

    /// A poisoned lock is usable: the copies are plain data, and no code of the application runs under their lock.
    fn copies(&self) -> MutexGuard<'_, Copies<Delivery>> {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets messages be copied again, because the subscription is moved.
    pub(crate) fn forget_stored(&self) {
        self.copies().forget_stored();
    }

    /// Stores a copy of a message and calls `done` with the outcome, whatever becomes of the caller in the meantime.
    ///
    /// A message that is delivered again although its copy is in flight or stored gets no second one: its
    /// acknowledgement was lost.
    pub(crate) fn store(
        self: &Arc<RetryLetters>,
        message: &Message,
        delay: Duration,
        done: impl FnOnce(Result<()>) + Send + 'static,
    ) {
        if message.topic().persistence() == Persistence::NonPersistent {
            // All messages have one id, and none is redelivered.
            return self.start(message.clone(), delay, done);
        }
        self.deliver(Delivery { message: message.clone(), delay, done: Box::new(done) });
    }

    fn deliver(self: &Arc<RetryLetters>, delivery: Delivery) {
        let original = self.original(&delivery.message);
        let (message, delay) = (delivery.message.clone(), delivery.delay);
        let mut copies = self.copies();
        match copies.by_message.get_mut(&original) {
            Some(Copy::Pending(waiting)) => return waiting.push(delivery),
            Some(Copy::Stored) => {
                drop(copies);
                return (delivery.done)(Ok(()));
            }
            None => copies.by_message.insert(original.clone(), Copy::Pending(vec![delivery])),
        };
        drop(copies);
        let letters = self.clone();
        self.start(message, delay, move |stored| {
            let waiting = letters.copies().end(original, stored.is_ok(), Instant::now());
            for (place, delivery) in waiting.into_iter().enumerate() {
                match &stored {
                    // Those that came since have not been tried.
                    Err(_) if place > 0 => letters.deliver(delivery),
                    outcome => (delivery.done)(outcome.clone()),
                }
            }
        });
    }

    fn original(&self, message: &Message) -> Original {
        let is_letter = *message.topic() == self.retry.topic;
        let property = |name| message.properties().get(name).filter(|_| is_letter);
        let id = match (property(REAL_TOPIC), property(ORIGIN_MESSAGE_ID)) {
            (Some(topic), Some(id)) => format!("{topic} {id} {}", message.reconsume_times()),
            _ => origin_id(message.id()),
        };
        Original { is_letter, id }
    }

    fn start(
        self: &Arc<RetryLetters>,
        message: Message,
        delay: Duration,
        done: impl FnOnce(Result<()>) + Send + 'static,
    ) {
        let letters = self.clone();
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
        let mut closed = self.closed.subscribe();
        let producer = tokio::select! {
            biased;
            _ = closed.wait_for(|closed| *closed) => Err(Error::closed()),
            producer = letters.producer(&self.client, &self.options) => producer,
        };
        producer?.send(copy).await?;
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

    /// Closes the producers until `deadline`. Copies that wait for one fail.
    pub(crate) async fn close(&self, deadline: Instant) {
        self.closed.send_replace(true);
        for letters in [&self.retry, &self.dead] {
            if let Some(producer) = letters.producer.lock().await.take() {
                let _ = producer.close(deadline.saturating_duration_since(Instant::now())).await;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn original(is_letter: bool, number: usize) -> Original {
        Original { is_letter, id: number.to_string() }
    }

    fn end(copies: &mut Copies<()>, original: Original, is_stored: bool, now: Instant) -> usize {
        copies.by_message.insert(original.clone(), Copy::Pending(vec![()]));
        copies.end(original, is_stored, now).len()
    }

    #[test]
    fn a_bounded_number_of_copies_is_remembered_for_a_while() {
        let (mut copies, begun) = (Copies::new(), Instant::now());
        assert_eq!(end(&mut copies, original(false, 0), false, begun), 1);
        assert!(copies.by_message.is_empty(), "one that could not be stored may be tried again");
        for number in 0..=MOST_REMEMBERED {
            assert_eq!(end(&mut copies, original(false, number), true, begun), 1);
        }
        assert_eq!((copies.by_message.len(), copies.stored.len()), (MOST_REMEMBERED, MOST_REMEMBERED));
        end(&mut copies, original(true, 0), true, begun + REMEMBERED_FOR + Duration::from_millis(1));
        assert_eq!((copies.by_message.len(), copies.stored.len()), (1, 1));
    }

    #[test]
    fn a_seek_lets_messages_of_the_topic_be_copied_again() {
        let (mut copies, now) = (Copies::new(), Instant::now());
        end(&mut copies, original(false, 1), true, now);
        end(&mut copies, original(true, 2), true, now);
        copies.by_message.insert(original(false, 3), Copy::Pending(Vec::new()));
        copies.forget_stored();
        assert!(!copies.by_message.contains_key(&original(false, 1)));
        assert_eq!((copies.by_message.len(), copies.stored.len()), (2, 1));
    }

    fn message() -> Message {
        Message {
            id: MessageId::at(1, 2, -1, -1),
            topic: Arc::new("t".parse().unwrap()),
            payload: Vec::new().into(),
            key: None,
            properties: Default::default(),
            publish_time: None,
            event_time: None,
            redelivery_count: 0,
            encryption_context: None,
            batch: None,
            origin: Default::default(),
        }
    }

    #[test]
    fn a_redelivery_that_joined_a_copy_that_failed_is_copied_again() {
        let failures = Arc::new(Mutex::new(0));
        let counted = failures.clone();
        let log = move |_: Level, _: &str, text: &str| {
            if text.contains("no copy of message") {
                *counted.lock().unwrap() += 1;
            }
        };
        // No server is there, so each copy fails.
        let client = Arc::new(ClientInner::new("ws://127.0.0.1:1", Options::new()).unwrap());
        let (topic, options) = (Arc::new("t".parse().unwrap()), Options::new().log_sink(log).enable_retry(true));
        let options = RetryLetters::complete(options.resolve(), &topic, "s");
        let letters = Arc::new(RetryLetters::new(&client, &options, &topic, "s", &Arc::default()).unwrap());
        // The first copy stays in flight until the second delivery has joined it.
        let in_flight = letters.retry.producer.try_lock().unwrap();
        let (sender, ends) = std::sync::mpsc::channel();
        for delivery in ["first", "redelivered"] {
            let sender = sender.clone();
            letters.store(&message(), Duration::ZERO, move |stored| sender.send((delivery, stored.is_ok())).unwrap());
        }
        drop(in_flight);
        let ended: Vec<_> = (0..2).map(|_| ends.recv_timeout(Duration::from_secs(60)).unwrap()).collect();
        assert_eq!(ended, [("first", false), ("redelivered", false)]);
        assert_eq!(*failures.lock().unwrap(), 2, "each delivery was tried");
    }
}
