//! The consumer: takes part in a subscription, by a handler or by receiving, and acknowledges.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::client::{Child, ClientInner};
use crate::delivery::processors::{Handler, Outcome, Settle};
use crate::error::{Error, Result};
use crate::message::{Message, MessageId};
use crate::options::{Options, Roles};
use crate::proto::consumer::{Command, ConsumerRole, Settings};
use crate::receiving::{Receiving, Ticket};
use crate::stats::Stats;
use crate::status;
use crate::topic::{Endpoint, Persistence, TopicName};

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

/// Takes part in a subscription. Cheap to clone; when the last clone is dropped its connections are dropped too, and
/// what is not acknowledged is delivered again to whoever comes.
#[derive(Clone)]
pub struct Consumer {
    inner: Arc<Inner>,
}

struct Inner {
    receiving: Receiving<Command<Ticket>>,
    subscription: String,
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
        let consumer = Consumer::spawn(client, topics, subscription, options).map_err(named)?;
        if !options.or(&client.options).bool("lazy") {
            status::connected(&consumer.inner.receiving.status).await.map_err(named)?;
        }
        Ok(consumer)
    }

    fn spawn(client: &Arc<ClientInner>, topics: Topics, subscription: &str, options: &Options) -> Result<Consumer> {
        client.check_open()?;
        if subscription.is_empty() {
            return Err(Error::invalid("the subscription's name is empty"));
        }
        let options = client.options_for(options, Roles::CONSUMER)?;
        let (endpoint, list, topic) = endpoint_of(topics, subscription)?;
        let mut route = client.route(endpoint, &options, Roles::CONSUMER)?;
        // Ids of several topics do not tell which of them they are in, and count on their own connection only. With
        // several connections nobody could tell which of them an id came from.
        let acks_travel = list.is_none() && options.count("connections") == 1;
        let one_id = topic.persistence() == Persistence::NonPersistent;
        route.query.extend(list);
        let connections = options.count("connections");
        // A subscription without a position forgets what was in flight, and what is not persistent is nowhere stored.
        let durable = options.text("subscription_mode").as_deref() != Some("non_durable");
        let mut receiving = Receiving::new(client, Arc::new(topic), &options, durable && !one_id);
        for session in 0..connections {
            let settings = Settings {
                topic: receiving.topic.clone(),
                session,
                pull: options.bool("pull_mode"),
                window: options.count("queue_size"),
                acks_travel,
                one_id,
            };
            let role = ConsumerRole::new(settings, receiving.counters.clone());
            receiving.add(role, route.clone(), &options);
        }
        let inner = Arc::new(Inner { receiving: receiving.sealed(), subscription: subscription.to_owned() });
        let child: Arc<dyn Child> = inner.clone();
        client.adopt(Arc::downgrade(&child))?;
        Ok(Consumer { inner })
    }

    /// The topic; of several, the first; for a pattern, a name that stands for it.
    pub fn topic(&self) -> &TopicName {
        &self.inner.receiving.topic
    }

    /// The subscription.
    pub fn subscription(&self) -> &str {
        &self.inner.subscription
    }

    /// Waits for the next message. Dropping the future loses nothing.
    pub async fn receive(&self) -> Result<Message> {
        loop {
            let received = self.receive_many(1).await?;
            if let Some(message) = received.into_iter().next() {
                return Ok(message);
            }
        }
    }

    /// Waits for the next message, and takes up to `max` that are here. Dropping the future loses nothing.
    pub async fn receive_many(&self, max: usize) -> Result<Vec<Message>> {
        let taken = self.inner.receiving.take(max).await?;
        Ok(self.took(taken))
    }

    /// Takes up to `max` messages that are here, without waiting; none is no error.
    pub fn try_receive_many(&self, max: usize) -> Result<Vec<Message>> {
        let taken = self.inner.receiving.try_take(max)?;
        Ok(self.took(taken))
    }

    fn took(&self, messages: Vec<Message>) -> Vec<Message> {
        let sessions = self.inner.receiving.sessions.len();
        for session in 0..sessions {
            let new = |message: &&Message| message.origin.session == session && !message.origin.counted;
            let count = messages.iter().filter(new).count();
            if count > 0 {
                self.inner.receiving.tell(session, Command::Finished { messages: count });
            }
        }
        messages
    }

    /// Puts back messages that were received and could not be given to the application. Made for bindings whose waits
    /// can be cancelled after the message was taken.
    pub fn put_back(&self, messages: Vec<Message>) {
        self.inner.receiving.inbox.put_back(0, messages);
    }

    /// Runs a handler on every message, on as many threads as `processors` says. `init` makes the handler of each
    /// processor, on its thread, and is given the processor's number; an error of any of them is returned here.
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
        self.inner.receiving.listen(init, self.settling())
    }

    /// As [`Consumer::listen`] for a client with [`Options::poll_callbacks`]: the handlers are made here, and run in
    /// [`Client::poll_callbacks`](crate::Client::poll_callbacks).
    pub fn listen_polled<H: Handler + Send>(
        &self,
        init: impl Fn(usize) -> Result<H> + Send + Sync + 'static,
    ) -> Result<()> {
        self.inner.receiving.listen_polled(init, &self.settling())
    }

    /// Whether the client's callbacks are polled, so that [`Consumer::listen_polled`] is the way to listen.
    pub fn is_polled(&self) -> bool {
        self.inner.receiving.client.callbacks.is_polled()
    }

    /// Tells the connection of a message what its handler decided.
    fn settling(&self) -> Settle {
        let sessions = self.inner.receiving.sessions.clone();
        Arc::new(move |message, outcome| {
            if let Some(orders) = sessions.get(message.origin.session) {
                let _ = orders.send(crate::driver::Order::Do(settled(message, outcome)));
            }
        })
    }

    /// Hands the messages to handlers that run on threads of the caller, instead of [`Consumer::listen`]: made for
    /// bindings to languages whose code must run on threads of their own. Gives the number of processors and the number
    /// of lanes; processor `n` takes from lane `n % lanes` with [`Consumer::take_work`], tells how each message
    /// ended with [`Consumer::settle`], and ends when `take_work` fails.
    pub fn begin_work(&self) -> Result<(usize, usize)> {
        self.inner.receiving.claim()?;
        Ok((self.inner.receiving.processor_count, self.inner.receiving.inbox.lanes()))
    }

    /// Waits for one to `max` messages of a lane; dropping the future loses nothing. The connection is told of each when
    /// it is settled, so what is taken counts as unfinished until then.
    pub async fn take_work(&self, lane: usize, max: usize) -> Result<Vec<Message>> {
        self.inner.receiving.client.runtime.check_fork()?;
        let taken = self.inner.receiving.inbox.take(lane, max.max(1)).await;
        taken.map_err(|error| self.inner.receiving.name(error, "receive from"))
    }

    /// How a message ended that [`Consumer::take_work`] gave.
    pub fn settle(&self, message: &Message, outcome: Outcome) {
        self.inner.receiving.tell(message.origin.session, settled(message, outcome));
    }

    /// Counts a handler that failed, in [`Stats::handler_errors`].
    pub fn count_handler_error(&self) {
        self.inner.receiving.inbox.count_handler_error();
    }

    /// Delivers no more: whoever waits in [`Consumer::take_work`] or receives gets the error that the handle is closed.
    /// The connection stays, for the outcomes of what was taken, until the handle is closed.
    pub fn stop_work(&self) {
        self.inner.receiving.inbox.close();
    }

    /// Acknowledges a message. Nothing answers an acknowledgement on this API: one that is lost with the connection
    /// means that the message comes again. Fails only when the consumer has ended.
    pub fn ack(&self, message: &Message) -> Result<()> {
        self.check_alive(message.origin.session, "acknowledge to")?;
        let (id, connection) = (message.id.clone(), Some(message.origin.connection));
        self.inner.receiving.tell(message.origin.session, Command::Ack { id, connection, finished: false });
        Ok(())
    }

    /// Acknowledges a message by its id, as after [`Outcome::Continue`]. It counts when the message was delivered on
    /// the present connection, or was neither batched nor in a partition.
    pub fn ack_id(&self, id: &MessageId) -> Result<()> {
        self.each_session(|| Command::Ack { id: id.clone(), connection: None, finished: false })
    }

    /// Asks for a message to be delivered again, after `negative_ack_delay`.
    pub fn nack(&self, message: &Message) -> Result<()> {
        self.check_alive(message.origin.session, "acknowledge to")?;
        let id = message.id.clone();
        self.inner.receiving.tell(message.origin.session, Command::Nack { id, finished: false });
        Ok(())
    }

    /// Asks for a message to be delivered again, by its id; counts when the present connection delivered it.
    pub fn nack_id(&self, id: &MessageId) -> Result<()> {
        self.each_session(|| Command::Nack { id: id.clone(), finished: false })
    }

    fn check_alive(&self, session: usize, operation: &str) -> Result<()> {
        let receiving = &self.inner.receiving;
        receiving.check_alive(session).map_err(|error| receiving.name(error, operation))
    }

    fn each_session(&self, command: impl Fn() -> Command<Ticket>) -> Result<()> {
        for session in 0..self.inner.receiving.sessions.len() {
            self.check_alive(session, "acknowledge to")?;
            self.inner.receiving.tell(session, command());
        }
        Ok(())
    }

    /// In pull mode, asks for `messages` more than the window gives by itself, on each connection.
    pub fn permit(&self, messages: u32) -> Result<()> {
        if !(1..=100_000).contains(&messages) {
            return Err(self.inner.receiving.name(
                Error::invalid(format!("permit {messages}: expected 1 to 100000 messages")),
                "ask for messages of",
            ));
        }
        self.each_session(|| Command::Permit { messages: messages as usize })
    }

    /// Whether the topic was terminated and everything in it has been acknowledged.
    pub async fn is_end_of_topic(&self) -> Result<bool> {
        let answers =
            self.inner.receiving.ask(|sender| Command::IsEndOfTopic { ticket: Ticket::EndOfTopic(sender) }).await;
        let answers = answers.map_err(|error| self.inner.receiving.name(error, "ask the end of"))?;
        Ok(answers.into_iter().all(|end| end))
    }

    /// Deletes the subscription and closes the consumer. Fails when other consumers are on the subscription; this one
    /// then goes on.
    pub async fn unsubscribe(&self, timeout: Duration) -> Result<()> {
        let asked = async {
            let first = &self.inner.receiving.sessions[..1];
            // Consumers of the subscription have to go before it can be deleted, our own others too.
            for other in &self.inner.receiving.sessions[1..] {
                let _ = other.send(crate::driver::Order::Close { linger: timeout });
            }
            status::ended(&self.inner.receiving.status[1..]).await;
            // The broker may not have let go of the others at once; then the next connection asks again.
            let others = self.inner.receiving.sessions.len() - 1;
            let mut tries = if others == 0 { 1 } else { others + 2 };
            loop {
                let (sender, receiver) = tokio::sync::oneshot::channel();
                let command = Command::Unsubscribe { ticket: Ticket::Unsubscribe(sender) };
                first[0].send(crate::driver::Order::Do(command)).map_err(|_| status::gone())?;
                let outcome = receiver.await.unwrap_or_else(|_| Err(status::gone()));
                tries -= 1;
                if outcome.is_ok() || tries == 0 {
                    return outcome;
                }
                status::connected(&self.inner.receiving.status[..1]).await?;
            }
        };
        self.inner.receiving.client.runtime.check_fork()?;
        let timed = {
            let _inside = self.inner.receiving.client.runtime.handle().map(|handle| handle.enter());
            tokio::time::timeout(timeout, asked)
        };
        let outcome = timed.await.unwrap_or_else(|_| {
            Err(Error::new(crate::ErrorKind::Timeout, "the server did not confirm that the subscription was deleted"))
        });
        outcome.map_err(|error| self.inner.receiving.name(error, "unsubscribe from"))?;
        self.close(timeout).await
    }

    /// Waits until it is connected; the error that ended it if it cannot be.
    pub async fn wait_connected(&self) -> Result<()> {
        self.inner.receiving.wait_connected().await
    }

    /// Waits until it has ended; the error when it failed, nothing when it was closed.
    pub(crate) async fn failed(&self) -> Option<Error> {
        status::failed(&self.inner.receiving.status).await
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        self.inner.receiving.counters.snapshot()
    }

    /// Stops delivery, lets handlers finish what they have, sends the acknowledgements, and closes the connections.
    /// After `Ok` no handler runs. May be called anywhere, and more than once; in the handler itself it returns at once
    /// and the guarantee holds when the handler returns.
    pub async fn close(&self, timeout: Duration) -> Result<()> {
        self.inner.clone().close_within(timeout).await
    }
}

fn settled(message: &Message, outcome: Outcome) -> Command<Ticket> {
    let (id, connection) = (message.id.clone(), Some(message.origin.connection));
    match outcome {
        Outcome::Ack => Command::Ack { id, connection, finished: true },
        Outcome::Nack => Command::Nack { id, finished: true },
        Outcome::Continue => Command::Finished { messages: 1 },
    }
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer")
            .field("topic", &self.inner.receiving.topic.to_string())
            .field("subscription", &self.inner.subscription)
            .finish_non_exhaustive()
    }
}

impl Child for Inner {
    fn close_within(self: Arc<Self>, timeout: Duration) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> {
        Box::pin(async move { self.receiving.close(timeout, "close consumer of").await })
    }
}

type Parameter = (&'static str, String);

/// The endpoint, its list of topics as a query parameter, and the topic to name the consumer by.
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
            Ok((Endpoint::MultiTopicConsumer { subscription }, Some(("topics", list)), first))
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
            let topic = TopicName::new(crate::Persistence::Persistent, tenant, namespace, &name.replace('/', "."))?;
            Ok((Endpoint::MultiTopicConsumer { subscription }, Some(("topicsPattern", full)), topic))
        }
    }
}
