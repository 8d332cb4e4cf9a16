//! The reader: reads a topic from a position, without a subscription.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::client::{Child, ClientInner};
use crate::delivery::processors::{Handler, Outcome, Settle};
use crate::driver::Order;
use crate::error::{Error, Result};
use crate::lookup;
use crate::message::Message;
use crate::options::{Options, Roles};
use crate::proto::reader::{Command, ReaderRole};
use crate::receiving::{Receiving, Ticket};
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
        let partitions = lookup::partitions(client, &route, &topic).await.unwrap_or(0);
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
            let last = if start == "latest" { lookup::last_position(client, &route, part).await } else { None };
            last.unwrap_or_else(|| start.clone())
        }));
        for (session, (part, position)) in parts.iter().cloned().zip(positions.await).enumerate() {
            let (topic, counters) = (receiving.topic.clone(), receiving.counters.clone());
            let role = ReaderRole::new(topic, part.clone(), session, position, window, counters);
            let mut route = route.clone();
            route.endpoint = Endpoint::Reader(part);
            receiving.add(role, route, &options);
        }
        let inner = Arc::new(Inner { receiving: receiving.sealed() });
        let child: Arc<dyn Child> = inner.clone();
        client.adopt(Arc::downgrade(&child))?;
        Ok(Reader { inner })
    }

    /// The topic.
    pub fn topic(&self) -> &TopicName {
        &self.inner.receiving.topic
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
        for message in messages.iter().filter(|message| !message.origin.counted) {
            self.inner.receiving.tell(message.origin.session, finished(message));
        }
        messages
    }

    /// Puts back messages that were received and could not be given to the application. Made for bindings whose waits
    /// can be cancelled after the message was taken.
    pub fn put_back(&self, messages: Vec<Message>) {
        self.inner.receiving.inbox.put_back(0, messages);
    }

    /// Runs a handler on every message, as [`Consumer::listen`](crate::Consumer::listen) does. Every outcome means that
    /// the reader goes on: a reader acknowledges nothing.
    pub fn listen<H: Handler>(&self, init: impl Fn(usize) -> Result<H> + Send + Sync + 'static) -> Result<()> {
        self.inner.receiving.listen(init, self.settling())
    }

    /// As [`Reader::listen`] for a client with [`Options::poll_callbacks`]: the handlers are made here, and run in
    /// [`Client::poll_callbacks`](crate::Client::poll_callbacks).
    pub fn listen_polled<H: Handler + Send>(
        &self,
        init: impl Fn(usize) -> Result<H> + Send + Sync + 'static,
    ) -> Result<()> {
        self.inner.receiving.listen_polled(init, &self.settling())
    }

    /// Whether the client's callbacks are polled, so that [`Reader::listen_polled`] is the way to listen.
    pub fn is_polled(&self) -> bool {
        self.inner.receiving.client.callbacks.is_polled()
    }

    /// Tells the connection of a message what its handler decided.
    fn settling(&self) -> Settle {
        let sessions = self.inner.receiving.sessions.clone();
        Arc::new(move |message, _| {
            if let Some(orders) = sessions.get(message.origin.session) {
                let _ = orders.send(Order::Do(finished(message)));
            }
        })
    }

    /// Hands the messages to handlers that run on threads of the caller, instead of [`Reader::listen`]: made for
    /// bindings to languages whose code must run on threads of their own. Gives the number of processors and the number
    /// of lanes; processor `n` takes from lane `n % lanes` with [`Reader::take_work`], tells how each message
    /// ended with [`Reader::settle`], and ends when `take_work` fails.
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

    /// How a message ended that [`Reader::take_work`] gave.
    pub fn settle(&self, message: &Message, outcome: Outcome) {
        let _ = outcome; // every outcome means that the reader goes on
        self.inner.receiving.tell(message.origin.session, finished(message));
    }

    /// Counts a handler that failed, in [`Stats::handler_errors`].
    pub fn count_handler_error(&self) {
        self.inner.receiving.inbox.count_handler_error();
    }

    /// Delivers no more: whoever waits in [`Reader::take_work`] or receives gets the error that the handle is closed.
    /// The connection stays, for the outcomes of what was taken, until the handle is closed.
    pub fn stop_work(&self) {
        self.inner.receiving.inbox.close();
    }

    /// Whether the topic was terminated and everything in it has been read.
    pub async fn is_end_of_topic(&self) -> Result<bool> {
        let answers =
            self.inner.receiving.ask(|sender| Command::IsEndOfTopic { ticket: Ticket::EndOfTopic(sender) }).await;
        let answers = answers.map_err(|error| self.inner.receiving.name(error, "ask the end of"))?;
        Ok(answers.into_iter().all(|end| end))
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

    /// Stops delivery, lets handlers finish what they have, and closes the connections. May be called anywhere, and more
    /// than once; see [`Consumer::close`](crate::Consumer::close).
    pub async fn close(&self, timeout: Duration) -> Result<()> {
        self.inner.clone().close_within(timeout).await
    }
}

fn finished(message: &Message) -> Command<Ticket> {
    Command::Finished { id: message.id.clone(), connection: message.origin.connection }
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
