//! The consumer: takes part in a subscription, through a handler or by receiving, and acknowledges.

mod acknowledge;
mod open;
mod position;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::client::inner::Child;
use crate::driver::SessionCommand;
use crate::error::{Error, ErrorKind, Result};
use crate::message::{Message, MessageId};
use crate::outcome::Outcome;
use crate::proto::consumer::Command;
use crate::receiver::processors::Handler;
use crate::receiver::{IntoCommand, Receiver, Ticket, receiver_methods};
use crate::stats::Stats;
use crate::status;
use crate::topic::TopicName;

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

impl Topics {
    /// Returns the names of the topics; none of a pattern.
    fn names(&self) -> &[TopicName] {
        match self {
            Topics::One(topic) => std::slice::from_ref(topic),
            Topics::Several(topics) => topics,
            Topics::Pattern(_) => &[],
        }
    }
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
            let _ = status::ended(&status::running(&receiver.status()[1..own]), "acknowledgements were not sent").await;
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
