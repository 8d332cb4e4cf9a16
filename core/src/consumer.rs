//! The consumer: takes part in a subscription, through a handler or by receiving, and acknowledges.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::admin::{Admin, Position, SubscriptionStats};
use crate::client::inner::{Child, ClientInner};
use crate::driver::{Route, SessionCommand};
use crate::error::{Error, ErrorKind, Result};
use crate::initial_position;
use crate::log::Level;
use crate::message::{Message, MessageId};
use crate::options::{Options, Resolved, Roles, SubscriptionMode};
use crate::outcome::Outcome;
use crate::proto::consumer::{Command, ConsumerRole, Settings};
use crate::query::Query;
use crate::receiver::processors::Handler;
use crate::receiver::{
    self, IntoCommand, ReadPosition, Receiver, Ticket, Tombstone, TombstoneWatched, receiver_methods,
};
use crate::retry::{self, RetryLetters};
use crate::stats::Stats;
use crate::status;
use crate::topic::{Endpoint, Persistence, TopicName};

/// How long the client waits for grouped acknowledgements; the proxy groups them for less.
const GROUPING: Duration = Duration::from_millis(250);

/// What a consumer subscribes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topics {
    /// One topic; all of its partitions, if it has any.
    One(TopicName),
    /// Several topics.
    Several(Vec<TopicName>),
    /// Every persistent topic whose full name matches this regular expression, now and later:
    /// `persistent://public/default/orders-.*`.
    Pattern(String),
}

/// Takes part in a subscription. Cheap to clone. When the last clone is dropped its connections are dropped too, and
/// unacknowledged messages are redelivered to other consumers.
#[derive(Clone)]
pub struct Consumer {
    inner: Arc<Inner>,
}

struct Inner {
    receiver: Receiver<Command<Ticket>>,
    subscription: String,
    /// Why cumulative acknowledgement is not possible, if it is not.
    not_cumulative: Option<&'static str>,
    /// The topics; empty for a pattern.
    topics: Vec<TopicName>,
    /// Whether the subscription has a position of its own.
    has_place: bool,
    /// Whether the client found that the topic has partitions; it never stops having them.
    partitioned: AtomicBool,
}

impl Consumer {
    pub(crate) async fn open(
        client: &Arc<ClientInner>,
        topics: Topics,
        subscription: &str,
        options: &Options,
    ) -> Result<Consumer> {
        let shown = match &topics {
            Topics::One(topic) => topic.to_string(),
            Topics::Several(topics) => topics.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
            Topics::Pattern(pattern) => pattern.clone(),
        };
        let named = |error: Error| error.during("open consumer").on_topic(&shown);
        let resolved = client.options_for(options, Roles::CONSUMER).map_err(named)?;
        // A lazy consumer does not wait for the REST API either.
        if !resolved.lazy && !subscription.is_empty() {
            let stored: Vec<&TopicName> = match &topics {
                Topics::One(topic) => vec![topic],
                Topics::Several(topics) => topics.iter().collect(),
                Topics::Pattern(_) => Vec::new(),
            };
            initial_position::ensure(client, &stored, subscription, &resolved).await.map_err(named)?;
        }
        let consumer = Consumer::spawn(client, topics, subscription, options).map_err(named)?;
        if !resolved.lazy {
            status::connected(&consumer.inner.receiver.status()).await.map_err(named)?;
        }
        Ok(consumer)
    }

    fn spawn(client: &Arc<ClientInner>, topics: Topics, subscription: &str, options: &Options) -> Result<Consumer> {
        client.check_open()?;
        if subscription.is_empty() {
            return Err(Error::invalid("the subscription's name is empty"));
        }
        let mut options = client.options_for(options, Roles::CONSUMER)?;
        let names = match &topics {
            Topics::One(topic) => vec![topic.clone()],
            Topics::Several(topics) => topics.clone(),
            Topics::Pattern(_) => Vec::new(),
        };
        let (endpoint, list, topic) = endpoint_of(topics, subscription)?;
        let retry = options.enable_retry;
        if retry && list.is_some() {
            return Err(Error::invalid(
                "enable_retry is for one topic: a copy has to say which topic its message is of",
            ));
        }
        if retry {
            options = RetryLetters::complete(options, &topic, subscription);
        }
        let mut route = client.route(endpoint, &options, Roles::CONSUMER)?;
        if client.keys(&options).is_some() {
            // The proxy forwards encrypted messages, and this client applies the option itself.
            route.query.set(Query::CRYPTO_FAILURE_ACTION, "CONSUME");
        }
        // Ids of several topics do not name their topic, and are valid on their own connection only. With several
        // connections the client cannot tell which one delivered an id.
        let acks_travel = list.is_none() && options.connections == 1 && !retry;
        let one_id = topic.persistence() == Persistence::NonPersistent;
        let not_cumulative = not_cumulative(&options, list.is_some(), one_id);
        if let Some((name, topics)) = list {
            route.query.set(name, topics);
        }
        // A subscription without a position forgets what was in flight, and the broker does not store non-persistent
        // messages.
        let durable = options.subscription_mode == SubscriptionMode::Durable;
        let mut receiver = Receiver::new(client, Arc::new(topic), &options, durable && !one_id);
        let kind = options.subscription_type.as_str();
        if options.max_redeliver_count.is_some() && (kind == "exclusive" || kind == "failover") {
            let why = format!(
                "max_redeliver_count has no effect on a subscription of type {kind}: the broker counts no redeliveries \
                 there; use shared or key_shared"
            );
            receiver.log.write(Level::Warn, &why);
        }
        let add = |receiver: &Receiver<Command<Ticket>>, topic: Arc<TopicName>, route: Route| {
            let settings = Settings {
                topic: topic.clone(),
                session: receiver.sessions.len(),
                pull: options.pull_mode,
                window: options.queue_size as usize,
                acks_travel,
                one_id,
            };
            let role = ConsumerRole::new(settings, receiver.counters.clone());
            receiver.add(&topic, role, route, &options);
        };
        for _ in 0..options.connections {
            let topic = receiver.topic.clone();
            add(&receiver, topic, route.clone());
        }
        if retry {
            let letters = RetryLetters::new(client, &options, &receiver.topic, subscription, &receiver.counters)?;
            let topic = letters.topic().clone();
            receiver.retry = Some(Arc::new(letters));
            route.endpoint = Endpoint::Consumer { topic: topic.clone(), subscription: subscription.to_owned() };
            // Another consumer of the subscription may have sent copies before this one subscribed.
            route.query.set(Query::INITIAL_POSITION, "Earliest");
            add(&receiver, Arc::new(topic), route);
        }
        let inner = Arc::new(Inner {
            receiver,
            subscription: subscription.to_owned(),
            not_cumulative,
            topics: names,
            has_place: durable && !one_id,
            partitioned: AtomicBool::new(false),
        });
        let child: Arc<dyn Child> = inner.clone();
        client.adopt(Arc::downgrade(&child), &inner.receiver.counters)?;
        if inner.has_place && inner.topics.len() == 1 {
            receiver::watch(&inner, &options);
        }
        Ok(Consumer { inner })
    }

    /// Returns the topic; of several, the first; for a pattern, a name that stands for it.
    pub fn topic(&self) -> &TopicName {
        &self.inner.receiver.topic
    }

    /// Returns the name of the subscription.
    pub fn subscription(&self) -> &str {
        &self.inner.subscription
    }

    /// Requests the deletion over one connection; after a refusal, over its next one, up to `tries` times.
    async fn delete_subscription(&self, session: usize, mut tries: usize) -> Result<()> {
        let receiver = &self.inner.receiver;
        loop {
            let (sender, answer) = tokio::sync::oneshot::channel();
            let command = Command::Unsubscribe { ticket: Ticket::Unsubscribe(sender) };
            let commands = receiver.sessions.get(session).ok_or_else(status::gone)?;
            commands.send(SessionCommand::Role(command)).map_err(|_| status::gone())?;
            let outcome = answer.await.unwrap_or_else(|_| Err(status::gone()));
            // A session that ended meanwhile reports why.
            receiver.check_alive(session)?;
            tries -= 1;
            if outcome.is_ok() || tries == 0 {
                return outcome;
            }
            status::connected(&receiver.status()[session..=session]).await?;
        }
    }

    receiver_methods!();

    /// Runs a handler on every message, on as many threads as `processors` says. `init` makes the handler of each
    /// processor, on its thread, and receives the processor's number. This call returns an error of any of them.
    ///
    /// A handler and receiving exclude each other.
    ///
    /// ```no_run
    /// # async fn run(consumer: stargate_core::Consumer) -> stargate_core::Result<()> {
    /// use stargate_core::{HandlerResult, Message, Outcome};
    ///
    /// consumer.listen(|processor| {
    ///     let mut seen = 0; // the state of this processor
    ///     Ok(move |message: &Message| -> HandlerResult {
    ///         seen += 1;
    ///         println!("{processor}: {seen}. {:?}", message.payload());
    ///         Ok(Outcome::Ack)
    ///     })
    /// })
    /// # }
    /// ```
    pub fn listen<H: Handler>(&self, init: impl Fn(usize) -> Result<H> + Send + Sync + 'static) -> Result<()> {
        self.inner.receiver.listen(init)
    }

    /// Acknowledges a message. The WebSocket API does not answer acknowledgements: if one is lost with the connection,
    /// the message is redelivered. Fails only if the consumer has ended.
    pub fn ack(&self, message: &Message) -> Result<()> {
        self.check_alive(message.origin.session, "acknowledge to")?;
        self.inner.receiver.tell_lazily(message.origin.session, Command::from_outcome(message, Outcome::Ack, false));
        Ok(())
    }

    /// Acknowledges a message by its id, as after [`Outcome::Continue`]. It takes effect if the current connection
    /// delivered the message, or if the message was neither batched nor in a partition.
    pub fn ack_id(&self, id: &MessageId) -> Result<()> {
        self.check_partition(id, "acknowledge to")?;
        self.each_session(|session| match self.inner.receiver.batches.find(session, id) {
            Some(batch) => Command::from_batch_outcome(&batch, id, Outcome::Ack, false),
            None => Command::Ack { id: id.clone(), connection: None, finished: false },
        })
    }

    /// Acknowledges a message and all before it that this consumer received. On a partitioned topic those are the
    /// messages of its partition. For exclusive and failover subscriptions of one topic; an error otherwise.
    ///
    /// If the connection is lost before all acknowledgements are sent, the messages are redelivered. The consumer then
    /// acknowledges them without delivering them (counted in [`Stats::covered`]). The WebSocket API has no cumulative
    /// acknowledgement, so it costs one frame for each message, as [`Consumer::ack`] of each of them would. With
    /// several processors it also acknowledges messages that another handler is still working on.
    pub fn ack_cumulative(&self, message: &Message) -> Result<()> {
        self.acknowledge_through(message.origin.session, &message.id)
    }

    /// As [`Consumer::ack_cumulative`], but with an id, which may also be one of an earlier consumer of the
    /// subscription. The consumer acknowledges messages at or below it without delivering them.
    pub fn ack_cumulative_id(&self, id: &MessageId) -> Result<()> {
        self.check_partition(id, "acknowledge cumulatively to")?;
        self.acknowledge_through(0, id)
    }

    fn acknowledge_through(&self, session: usize, id: &MessageId) -> Result<()> {
        let operation = "acknowledge cumulatively to";
        self.check_alive(session, operation)?;
        let why = match self.inner.not_cumulative {
            // The ids of earliest and latest in the binary protocol, which name no message.
            None if id.ledger() >= i64::MAX as u64 => Some("earliest and latest are no ids of messages"),
            why => why,
        };
        if let Some(why) = why {
            return Err(self.inner.receiver.name(Error::invalid(why), operation));
        }
        let id = match self.inner.receiver.batches.find(session, id) {
            // The frame is acknowledged with the last of its messages.
            Some(batch) => batch.ack_through(id),
            None => id.clone(),
        };
        self.inner.receiver.tell_lazily(session, Command::AckCumulative { id });
        Ok(())
    }

    /// Requests redelivery of a message, after `negative_ack_delay`.
    pub fn nack(&self, message: &Message) -> Result<()> {
        self.check_alive(message.origin.session, "acknowledge to")?;
        self.inner.receiver.tell_lazily(message.origin.session, Command::from_outcome(message, Outcome::Nack, false));
        Ok(())
    }

    /// Requests redelivery of a message by its id. It takes effect if the current connection delivered the message.
    pub fn nack_id(&self, id: &MessageId) -> Result<()> {
        self.check_partition(id, "acknowledge to")?;
        self.each_session(|session| match self.inner.receiver.batches.find(session, id) {
            Some(batch) => Command::from_batch_outcome(&batch, id, Outcome::Nack, false),
            None => Command::Nack { id: id.clone(), finished: false },
        })
    }

    /// Schedules redelivery of a message after `delay`. It stores a copy in the retry letter topic, which this consumer
    /// consumes too, and acknowledges the message when the copy is stored. Needs the option `enable_retry`.
    ///
    /// After `max_redeliver_count` copies ([`Message::reconsume_times`]) the message goes to the dead letter topic
    /// instead. Copies carry the properties of Pulsar's own clients (`REAL_TOPIC`, `ORIGIN_MESSAGE_ID`,
    /// `RECONSUMETIMES` and so on), and the two topics have the same names. After an error the message is as it was,
    /// unacknowledged.
    pub async fn reconsume_later(&self, message: &Message, delay: Duration) -> Result<()> {
        let operation = "reconsume later from";
        let session = message.origin.session;
        self.check_alive(session, operation)?;
        let receiver = &self.inner.receiver;
        let name = |error| receiver.name(error, operation);
        let retry = receiver.retry.as_ref().ok_or_else(|| name(retry::not_enabled()))?;
        let commands = receiver.sessions.get(session).ok_or_else(|| name(status::gone()))?;
        let (id, connection) = (message.id.clone(), Some(message.origin.connection));
        let acknowledge = move |stored: &Result<()>| {
            if stored.is_ok() {
                let _ = commands.send(SessionCommand::Role(Command::Ack { id, connection, finished: false }));
            }
        };
        retry.stored(message, delay, acknowledge).await.map_err(name)
    }

    /// Moves the subscription: the next message is the one at `to`. Uses Pulsar's REST API.
    ///
    /// Once it returns, no message from before the seek is delivered and the connections are re-established. Whatever
    /// the application still does with messages from before the seek has no effect, acknowledgements included. Other
    /// consumers of the subscription are moved with it; messages that they received may be redelivered.
    ///
    /// Batches are indivisible: a seek to any message in one starts at its first. On a partitioned topic an id moves
    /// its partition. With several topics all of them move, and only to [`Earliest`](Position::Earliest),
    /// [`Latest`](Position::Latest) or a [`Time`](Position::Time). A consumer of a pattern cannot seek. Nor can one of
    /// a subscription without a position: not durable, or of a topic that is not persistent. Retry letters stay where
    /// they are.
    pub async fn seek(&self, to: &Position) -> Result<()> {
        let receiver = &self.inner.receiver;
        let name = |error| receiver.name(error, "seek in");
        self.check_alive(0, "seek in")?;
        let refused = match (self.inner.topics.len(), to) {
            _ if !self.inner.has_place => {
                Some("a subscription that is not durable, or not of a persistent topic, has no place")
            }
            (0, _) => Some("the topics of a pattern are moved one by one, with Admin::seek"),
            (2.., Position::At(_) | Position::After(_)) => Some("an id does not tell which of several topics it is in"),
            _ => None,
        };
        if let Some(why) = refused {
            return Err(name(Error::invalid(why)));
        }
        if let Position::At(id) | Position::After(id) = to {
            self.check_partition(id, "seek in")?;
        }
        let mut seeks = receiver.seeks.lock().await;
        *seeks += 1;
        self.go(to).await
    }

    /// Moves the subscription, then re-establishes the connections.
    async fn go(&self, to: &Position) -> Result<()> {
        let receiver = &self.inner.receiver;
        self.let_acks_arrive().await;
        let admin = Admin::new(&receiver.client);
        for topic in &self.inner.topics {
            admin.seek(topic.to_string(), &self.inner.subscription, to).await?;
        }
        let own = receiver.sessions.len() - usize::from(receiver.retry.is_some());
        for session in 0..own {
            let restarted =
                receiver.restart(session, ReadPosition::Unknown, false, |ticket| Command::Restart { ticket }).await;
            restarted.map_err(|error| receiver.name(error, "seek in"))?;
        }
        Ok(())
    }

    /// Waits until the proxy has sent the acknowledgements that it groups for 100 ms; one that arrives after a seek
    /// would partly undo it. An answer to a question asked after them shows that the proxy has received them all.
    async fn let_acks_arrive(&self) {
        let receiver = &self.inner.receiver;
        let Some(runtime) = receiver.client.runtime.handle().filter(|_| self.stats().received > 0) else { return };
        let (sender, done) = tokio::sync::oneshot::channel();
        let answers = receiver.questions(|sender| Command::IsEndOfTopic { ticket: Ticket::EndOfTopic(sender) });
        runtime.spawn(async move {
            // Without a connection there is no answer, and no acknowledgement on its way.
            let _ = tokio::time::timeout(Duration::from_secs(1), futures_util::future::join_all(answers)).await;
            tokio::time::sleep(GROUPING).await;
            let _ = sender.send(());
        });
        let _ = done.await;
    }

    /// Returns how many messages the subscription has not acknowledged, those being processed included; 0 means caught
    /// up. It is the broker's count, in which a batch is one, for all topics and partitions together. Uses Pulsar's
    /// REST API; not for a pattern.
    pub async fn backlog(&self) -> Result<u64> {
        let receiver = &self.inner.receiver;
        if self.inner.topics.is_empty() {
            let why = "the topics of a pattern are looked at one by one, with Admin::topic_stats";
            return Err(receiver.name(Error::invalid(why), "ask for the backlog of"));
        }
        let mut backlog = 0;
        for topic in &self.inner.topics {
            let stats = Admin::new(&receiver.client).topic_stats(topic.to_string()).await?;
            let held = stats.subscriptions.get(&self.inner.subscription);
            backlog += held.map_or(0, |held| u64::try_from(held.msg_backlog).unwrap_or(0));
        }
        Ok(backlog)
    }

    /// Returns the ids of the last messages of the topic, one for each partition that has any. Uses Pulsar's REST API;
    /// for a consumer of one topic.
    pub async fn last_message_ids(&self) -> Result<Vec<MessageId>> {
        let receiver = &self.inner.receiver;
        let [topic] = &self.inner.topics[..] else {
            let why = "ids do not tell which of several topics they are in: ask for each, with Admin::last_message_id";
            return Err(receiver.name(Error::invalid(why), "ask for the last messages of"));
        };
        let admin = Admin::new(&receiver.client);
        let parts = topic.parts(admin.partitions(topic.to_string()).await?);
        let mut ids = Vec::new();
        for part in parts {
            ids.extend(admin.last_message_id(part.to_string()).await?);
        }
        Ok(ids)
    }

    fn check_alive(&self, session: usize, operation: &str) -> Result<()> {
        let receiver = &self.inner.receiver;
        receiver.check_alive(session).map_err(|error| receiver.name(error, operation))
    }

    /// Fails if this consumer can never have received the id, because it consumes another partition. Retry letters have
    /// a topic of their own.
    fn check_partition(&self, id: &MessageId, operation: &str) -> Result<()> {
        let receiver = &self.inner.receiver;
        match &self.inner.topics[..] {
            [topic] if receiver.retry.is_none() => {
                id.check_partition(topic).map_err(|error| receiver.name(error, operation))
            }
            _ => Ok(()),
        }
    }

    fn each_session(&self, command: impl Fn(usize) -> Command<Ticket>) -> Result<()> {
        for session in 0..self.inner.receiver.sessions.len() {
            self.check_alive(session, "acknowledge to")?;
            self.inner.receiver.tell(session, command(session));
        }
        Ok(())
    }

    /// Requests `messages` in addition to the window, on each connection, in pull mode.
    pub fn permit(&self, messages: u32) -> Result<()> {
        if !(1..=100_000).contains(&messages) {
            return Err(self.inner.receiver.name(
                Error::invalid(format!("permit {messages}: expected 1 to 100000 messages")),
                "ask for messages of",
            ));
        }
        self.each_session(|_| Command::Permit { messages: messages as usize })
    }

    /// Returns whether the topic was terminated and everything in it has been acknowledged.
    pub async fn is_end_of_topic(&self) -> Result<bool> {
        self.inner.receiver.is_end_of_topic().await
    }

    /// Deletes the subscription and closes the consumer. Fails if the subscription has other consumers; this one then
    /// continues.
    pub async fn unsubscribe(&self, timeout: Duration) -> Result<()> {
        let receiver = &self.inner.receiver;
        self.check_alive(0, "unsubscribe from")?;
        let retry = usize::from(receiver.retry.is_some());
        let own = receiver.sessions.len() - retry;
        let asked = async {
            // All consumers must leave the subscription before it can be deleted, the other sessions of this one too.
            for other in &receiver.sessions.all()[1..own] {
                let _ = other.send(SessionCommand::Close { linger: timeout });
            }
            let _ = status::ended(&receiver.status()[1..own], "acknowledgements were not sent").await;
            // The broker may not have removed the others yet; then the next connection asks again.
            self.delete_subscription(0, if own == 1 { 1 } else { own + 1 }).await?;
            // No other consumer needs the retry letters.
            if retry > 0 { self.delete_subscription(own, 1).await } else { Ok(()) }
        };
        let timed = {
            let _inside = self.inner.receiver.client.runtime.handle().map(|handle| handle.enter());
            tokio::time::timeout(timeout, asked)
        };
        let outcome = timed.await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Timeout, "the server did not confirm that the subscription was deleted"))
        });
        outcome.map_err(|error| self.inner.receiver.name(error, "unsubscribe from"))?;
        self.close(timeout).await
    }

    /// Stops delivery, lets handlers finish what they have, sends the acknowledgements, and closes the connections.
    /// After `Ok` no handler runs. It may be called anywhere, and more than once. In the handler itself it returns at
    /// once, and the guarantee holds when the handler returns.
    pub async fn close(&self, timeout: Duration) -> Result<()> {
        self.inner.clone().close_within(timeout).await
    }
}

impl Inner {
    /// Returns the tombstone in the first entry that the subscription has not acknowledged, in a topic without
    /// partitions.
    async fn next_tombstone(&self, topic: &str, admin: &Admin) -> Result<Option<Tombstone>> {
        let entry = admin.peek_entry(topic, &self.subscription, 1).await?;
        Ok(Tombstone::of_entry(0, &entry.unwrap_or_default()))
    }
}

impl TombstoneWatched for Inner {
    type Command = Command<Ticket>;

    fn receiver(&self) -> &Receiver<Command<Ticket>> {
        &self.receiver
    }

    /// Returns a tombstone only if it is the first message that the subscription has not acknowledged, so that skipping
    /// it skips nothing else. And only if no other consumer can have received it, since native consumers read it well.
    async fn tombstones(&self, admin: &Admin) -> Result<Vec<Tombstone>> {
        let own = self.receiver.sessions.len() - usize::from(self.receiver.retry.is_some());
        let is_ours = |held: &SubscriptionStats| held.consumers.len() == own;
        let topic = self.topics[0].to_string();
        let mut found = Vec::new();
        if !self.partitioned.load(Ordering::Relaxed) {
            match self.next_tombstone(&topic, admin).await {
                Ok(None) => return Ok(found),
                Ok(Some(tombstone)) => {
                    let stats = admin.topic_stats(&topic).await?;
                    found.extend(stats.subscriptions.get(&self.subscription).is_some_and(is_ours).then_some(tombstone));
                    return Ok(found);
                }
                Err(error) if error.http_status() != Some(405) => return Err(error),
                // The broker answers this for a single partition only.
                Err(_) => self.partitioned.store(true, Ordering::Relaxed),
            }
        }
        for (part, stats) in admin.partitioned_stats(&topic).await?.partitions {
            let held = stats.subscriptions.get(&self.subscription);
            if held.is_some_and(|held| held.msg_backlog > 0 && is_ours(held)) {
                found.extend(self.next_tombstone(&part, admin).await?);
            }
        }
        Ok(found)
    }

    async fn skip_past(self: &Arc<Self>, tombstone: MessageId) -> Result<()> {
        Consumer { inner: self.clone() }.go(&Position::After(tombstone)).await
    }
}

impl IntoCommand for Command<Ticket> {
    const TRACKS_POSITION: bool = false;

    fn on_taken(messages: &[Message]) -> impl Iterator<Item = Self> {
        let frames = messages.iter().filter(|message| !message.origin.in_same_frame).count();
        std::iter::once(Command::Finished { messages: frames })
    }

    fn on_outcome(message: &Message, outcome: Outcome) -> Self {
        // The first message of a frame stands for the frame.
        Command::from_outcome(message, outcome, !message.origin.in_same_frame)
    }

    fn is_end_of_topic(ticket: Ticket) -> Self {
        Command::IsEndOfTopic { ticket }
    }
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer")
            .field("topic", &self.inner.receiver.topic.to_string())
            .field("subscription", &self.inner.subscription)
            .finish_non_exhaustive()
    }
}

impl Child for Inner {
    fn close_within(self: Arc<Self>, timeout: Duration) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> {
        Box::pin(async move { self.receiver.close(timeout, "close consumer of").await })
    }
}

/// Returns why cumulative acknowledgement is not possible; `None` if it is.
fn not_cumulative(options: &Resolved, several_topics: bool, one_id: bool) -> Option<&'static str> {
    if options.subscription_type.is_shared() {
        Some(
            "a cumulative acknowledgement is for exclusive and failover subscriptions: consumers that share one are \
              given messages in between",
        )
    } else if several_topics {
        Some(
            "the server does not tell the topic of a message to a consumer of several, so nobody knows what comes before \
              it: use a consumer of each topic",
        )
    } else if one_id {
        Some("messages of a topic that is not persistent all have the same id, so none comes before another")
    } else {
        None
    }
}

type Parameter = (&'static str, String);

/// Returns the endpoint, its list of topics as a query parameter, and the topic that names the consumer.
fn endpoint_of(topics: Topics, subscription: &str) -> Result<(Endpoint, Option<Parameter>, TopicName)> {
    let subscription = subscription.to_owned();
    match topics {
        Topics::One(topic) => Ok((Endpoint::Consumer { topic: topic.clone(), subscription }, None, topic)),
        Topics::Several(topics) => {
            let Some(first) = topics.first().cloned() else {
                return Err(Error::invalid("the list of topics is empty"));
            };
            if let Some(comma) = topics.iter().find(|topic| topic.local_name().contains(',')) {
                return Err(Error::invalid(format!("{comma}: a topic with a comma cannot be in a list")));
            }
            let list = topics.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            Ok((Endpoint::MultiTopicConsumer { subscription }, Some((Query::TOPICS, list)), first))
        }
        Topics::Pattern(pattern) => {
            let full = match (pattern.contains("://"), pattern.matches('/').count()) {
                (true, _) => pattern.clone(),
                (false, 2) => format!("persistent://{pattern}"),
                (false, _) => format!("persistent://public/default/{pattern}"),
            };
            let Some(rest) = full.strip_prefix("persistent://") else {
                return Err(Error::invalid(format!(
                    "pattern {pattern:?}: expected persistent://tenant/namespace/pattern"
                )));
            };
            let parts: Vec<&str> = rest.splitn(3, '/').collect();
            let [tenant, namespace, name] = parts[..] else {
                return Err(Error::invalid(format!(
                    "pattern {pattern:?}: expected persistent://tenant/namespace/pattern"
                )));
            };
            let topic = TopicName::new(Persistence::Persistent, tenant, namespace, &name.replace('/', "."))?;
            Ok((Endpoint::MultiTopicConsumer { subscription }, Some((Query::TOPICS_PATTERN, full)), topic))
        }
    }
}
