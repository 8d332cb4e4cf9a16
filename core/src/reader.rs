//! The reader: reads a topic from a position, without a subscription.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::admin::Admin;
use crate::client::{Child, ClientInner};
use crate::delivery::processors::{Handler, Outcome};
use crate::error::{Error, Result};
use crate::message::Message;
use crate::options::{Options, Roles};
use crate::proto::reader::{Command, ReaderRole};
use crate::receiving::{Receiving, Tells, Ticket, receiver_methods};
use crate::stats::Stats;
use crate::status;
use crate::topic::{Endpoint, TopicName};

/// Reads a topic from `starting_message`: `earliest`, `latest` or after an id. A reconnect goes on after the last message
/// received, with neither a gap nor a replay. Cheap to clone; it ends with its last clone.
#[derive(Clone)]
pub struct Reader {
    inner: Arc<Inner>,
}

struct Inner {
    receiving: Receiving<Command<Ticket>>,
}

impl Reader {
    pub(crate) async fn open(client: &Arc<ClientInner>, topic: &str, options: &Options) -> Result<Reader> {
        let topic: TopicName = topic.parse().map_err(|error: Error| error.during("open reader"))?;
        let shown = topic.to_string();
        let named = |error: Error| error.during("open reader").on_topic(&shown);
        let reader = Reader::spawn(client, topic, options).await.map_err(named)?;
        if !options.or(&client.options).bool("lazy") {
            status::connected(&reader.inner.receiving.status).await.map_err(named)?;
        }
        Ok(reader)
    }

    async fn spawn(client: &Arc<ClientInner>, topic: TopicName, options: &Options) -> Result<Reader> {
        client.check_open()?;
        let options = client.options_for(options, Roles::READER)?;
        let route = client.route(Endpoint::Reader(topic.clone()), &options, Roles::READER)?;
        let start = options.text("starting_message").unwrap_or_default();
        let advisor = Admin::advisor(client, &options)?;
        let partitions = advisor.partitions(topic.to_string()).await.unwrap_or(0);
        if partitions > 0 && start != "earliest" && start != "latest" {
            return Err(Error::invalid(format!(
                "the topic has {partitions} partitions, and an id is a position in one of them: \
                 read {} and so on, or begin at earliest or latest",
                topic.partition(0)
            )));
        }
        let parts: Vec<TopicName> = match partitions {
            0 => vec![topic.clone()],
            count => (0..count).map(|index| topic.partition(index)).collect(),
        };
        let window = options.count("queue_size");
        let mut receiving = Receiving::new(client, Arc::new(topic), &options, false);
        // A connection that breaks before the first message could not go on from `latest` without a gap.
        let positions = futures_util::future::join_all(parts.iter().map(|part| async {
            match start.as_str() {
                "latest" => match advisor.last_message_id(part.to_string()).await {
                    Ok(Some(last)) => last.as_str().to_owned(),
                    Ok(None) => "earliest".to_owned(),
                    Err(_) => start.clone(),
                },
                _ => start.clone(),
            }
        }));
        for (session, (part, position)) in parts.iter().cloned().zip(positions.await).enumerate() {
            let (topic, counters) = (receiving.topic.clone(), receiving.counters.clone());
            let role = ReaderRole::new(topic, part.clone(), session, position, window, counters);
            let mut route = route.clone();
            route.endpoint = Endpoint::Reader(part);
            let shown = receiving.topic.clone();
            receiving.add(&shown, role, route, &options);
        }
        let inner = Arc::new(Inner { receiving: receiving.sealed() });
        let child: Arc<dyn Child> = inner.clone();
        client.adopt(Arc::downgrade(&child), &inner.receiving.counters)?;
        Ok(Reader { inner })
    }

    /// The topic.
    pub fn topic(&self) -> &TopicName {
        &self.inner.receiving.topic
    }

    receiver_methods!();

    /// Runs a handler on every message, as [`Consumer::listen`](crate::Consumer::listen) does. Every outcome means that
    /// the reader goes on: a reader acknowledges nothing.
    pub fn listen<H: Handler>(&self, init: impl Fn(usize) -> Result<H> + Send + Sync + 'static) -> Result<()> {
        self.inner.receiving.listen(init)
    }

    /// Whether the topic was terminated and everything in it has been read.
    pub async fn is_end_of_topic(&self) -> Result<bool> {
        self.inner.receiving.is_end_of_topic().await
    }

    /// Stops delivery, lets handlers finish what they have, and closes the connections. May be called anywhere, and more
    /// than once; see [`Consumer::close`](crate::Consumer::close).
    pub async fn close(&self, timeout: Duration) -> Result<()> {
        self.inner.clone().close_within(timeout).await
    }
}

impl Tells for Command<Ticket> {
    fn taken(messages: &[Message]) -> impl Iterator<Item = Self> {
        messages.iter().map(|message| Command::settled(message, Outcome::Ack))
    }

    /// Every outcome means that the reader goes on.
    fn settled(message: &Message, _outcome: Outcome) -> Self {
        Command::Finished { id: message.id.clone(), connection: message.origin.connection }
    }

    fn is_end_of_topic(ticket: Ticket) -> Self {
        Command::IsEndOfTopic { ticket }
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("topic", &self.inner.receiving.topic.to_string()).finish_non_exhaustive()
    }
}

impl Child for Inner {
    fn close_within(self: Arc<Self>, timeout: Duration) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> {
        Box::pin(async move { self.receiving.close(timeout, "close reader of").await })
    }
}
