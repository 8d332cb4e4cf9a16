//! The same handles without futures: each call blocks its thread, within the given timeout.
//!
//! A timeout of `None` waits without limit. When the timeout expires, the call fails with [`ErrorKind::Timeout`]; a
//! message of a send then stays in flight and may still be stored. Every call may be used inside a callback or a
//! handler. In a callback, one that could only wait for other callbacks fails with [`ErrorKind::WouldDeadlock`].

mod admin;

use std::time::{Duration, Instant};

pub use self::admin::{Admin, TopicWalk};
use crate::admin::Position;
use crate::consumer::Topics;
use crate::error::{Error, ErrorKind, Result};
use crate::message::{Message, MessageId, OutgoingMessage, Receipt};
use crate::options::Options;
use crate::producer::DeliveryReport;
use crate::receiver::processors::Handler;
use crate::runtime::{block_on, deadline_in};
use crate::stats::Stats;
use crate::topic::TopicName;

/// Runs a future of this library, or any other that needs no runtime of its own, on the calling thread.
pub fn wait<T>(future: impl Future<Output = Result<T>>, timeout: Option<Duration>) -> Result<T> {
    block_on(future, timeout)?.unwrap_or_else(|_| {
        let limit = timeout.unwrap_or_default();
        Err(Error::new(ErrorKind::Timeout, format!("not done within {limit:?}")))
    })
}

/// As [`crate::Client`], but its calls block.
#[derive(Debug, Clone)]
pub struct Client(crate::client::Client);

impl Client {
    /// Creates a client; see [`crate::Client::new`].
    pub fn new(url: &str, options: Options) -> Result<Client> {
        crate::client::Client::new(url, options).map(Client)
    }

    /// Returns the same client with futures.
    pub fn as_async(&self) -> &crate::client::Client {
        &self.0
    }

    /// Opens a producer; see [`crate::Client::producer`]. It takes at most `connect_timeout` for each host.
    pub fn producer(&self, topic: impl AsRef<str>, options: Options) -> Result<Producer> {
        wait(self.0.producer(topic, options), None).map(Producer)
    }

    /// Opens a consumer; see [`crate::Client::consumer`].
    pub fn consumer(
        &self,
        topic: impl AsRef<str>,
        subscription: impl AsRef<str>,
        options: Options,
    ) -> Result<Consumer> {
        wait(self.0.consumer(topic, subscription, options), None).map(Consumer)
    }

    /// Opens a consumer of several topics or a pattern; see [`crate::Client::consumer_of`].
    pub fn consumer_of(&self, topics: Topics, subscription: impl AsRef<str>, options: Options) -> Result<Consumer> {
        wait(self.0.consumer_of(topics, subscription, options), None).map(Consumer)
    }

    /// Opens a reader; see [`crate::Client::reader`].
    pub fn reader(&self, topic: impl AsRef<str>, options: Options) -> Result<Reader> {
        wait(self.0.reader(topic, options), None).map(Reader)
    }

    /// Closes the client and all its handles; see [`crate::Client::close`].
    pub fn close(&self, timeout: Duration) -> Result<()> {
        wait(self.0.close(timeout), None)
    }
}

/// Sends messages over a connection of their own; see [`crate::produce`].
pub fn produce<M: Into<OutgoingMessage>>(
    url: &str,
    messages: impl IntoIterator<Item = M>,
    options: Options,
) -> Result<Vec<Result<Receipt>>> {
    wait(crate::one_shot::produce(url, messages, options), None)
}

/// As [`crate::Producer`], but its calls block.
#[derive(Debug, Clone)]
pub struct Producer(crate::producer::Producer);

impl Producer {
    /// Returns the same producer with futures.
    pub fn as_async(&self) -> &crate::producer::Producer {
        &self.0
    }

    /// Returns the topic.
    pub fn topic(&self) -> &TopicName {
        self.0.topic()
    }

    /// Sends a message and waits for its receipt; see [`crate::Producer::send`]. A timeout takes the place of
    /// `send_timeout`.
    pub fn send(&self, message: impl Into<OutgoingMessage>, timeout: Option<Duration>) -> Result<Receipt> {
        let sent = async {
            match timeout {
                Some(timeout) => self.0.enqueue_within(message, timeout).await?.await,
                None => self.0.send(message).await,
            }
        };
        wait(sent, None)
    }

    /// Sends messages in order, many in flight at a time; see [`crate::Producer::send_all`].
    pub fn send_all<M: Into<OutgoingMessage>>(
        &self,
        messages: impl IntoIterator<Item = M>,
    ) -> Result<Vec<Result<Receipt>>> {
        wait(async { Ok(self.0.send_all(messages).await) }, None)
    }

    /// Accepts a message, and calls a callback with its result; see [`crate::Producer::send_with`]. Blocks while no
    /// slot is free.
    pub fn send_with(
        &self,
        message: impl Into<OutgoingMessage>,
        callback: impl FnOnce(DeliveryReport) + Send + 'static,
    ) -> Result<()> {
        wait(self.0.send_with(message, callback), None)
    }

    /// Waits until every message accepted before has completed; see [`crate::Producer::flush`].
    pub fn flush(&self, timeout: Option<Duration>) -> Result<()> {
        wait(self.0.flush(), timeout)
    }

    /// Waits until the producer is connected; see [`crate::Producer::wait_connected`].
    pub fn wait_connected(&self, timeout: Option<Duration>) -> Result<()> {
        wait(self.0.wait_connected(), timeout)
    }

    /// Returns the counters; see [`crate::Producer::stats`].
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }

    /// Closes the producer, after the messages in flight have completed; see [`crate::Producer::close`].
    pub fn close(&self, timeout: Duration) -> Result<()> {
        wait(self.0.close(timeout), None)
    }
}

macro_rules! receiver {
    ($name:ident of $core:ty) => {
        impl $name {
            /// Returns the same handle with futures.
            pub fn as_async(&self) -> &$core {
                &self.0
            }

            /// Returns the topic.
            pub fn topic(&self) -> &TopicName {
                self.0.topic()
            }

            /// Waits for the next message.
            pub fn receive(&self, timeout: Option<Duration>) -> Result<Message> {
                wait(self.0.receive(), timeout)
            }

            /// Waits until `max` messages have arrived or the timeout expires; returns those that have arrived. None is
            /// not an error.
            pub fn receive_many(&self, max: usize, timeout: Duration) -> Result<Vec<Message>> {
                let deadline = deadline_in(timeout);
                let mut messages = Vec::new();
                while messages.len() < max {
                    let left = deadline.saturating_duration_since(Instant::now());
                    match wait(self.0.receive_many(max - messages.len()), Some(left)) {
                        Ok(more) => messages.extend(more),
                        Err(error) if error.kind() == ErrorKind::Timeout => break,
                        // The messages that were taken belong to the caller; the next call reports the error.
                        Err(_) if !messages.is_empty() => break,
                        Err(error) => return Err(error),
                    }
                }
                Ok(messages)
            }

            /// Ends every receive that waits now, from any thread; see [`crate::Consumer::interrupt`].
            pub fn interrupt(&self) -> Result<()> {
                self.0.interrupt()
            }

            /// Runs a handler on every message; see [`crate::Consumer::listen`].
            pub fn listen<H: Handler>(&self, init: impl Fn(usize) -> Result<H> + Send + Sync + 'static) -> Result<()> {
                self.0.listen(init)
            }

            /// Returns whether the topic was terminated and everything in it has been processed.
            pub fn is_end_of_topic(&self, timeout: Option<Duration>) -> Result<bool> {
                wait(self.0.is_end_of_topic(), timeout)
            }

            /// Waits until it is connected.
            pub fn wait_connected(&self, timeout: Option<Duration>) -> Result<()> {
                wait(self.0.wait_connected(), timeout)
            }

            /// Returns the counters.
            pub fn stats(&self) -> Stats {
                self.0.stats()
            }

            /// Closes it gracefully, within a timeout.
            pub fn close(&self, timeout: Duration) -> Result<()> {
                wait(self.0.close(timeout), None)
            }
        }
    };
}

/// As [`crate::Consumer`], but its calls block.
#[derive(Debug, Clone)]
pub struct Consumer(crate::consumer::Consumer);

receiver!(Consumer of crate::consumer::Consumer);

impl Consumer {
    /// Acknowledges a message; see [`crate::Consumer::ack`].
    pub fn ack(&self, message: &Message) -> Result<()> {
        self.0.ack(message)
    }

    /// Acknowledges a message by its id; see [`crate::Consumer::ack_id`].
    pub fn ack_id(&self, id: &MessageId) -> Result<()> {
        self.0.ack_id(id)
    }

    /// Acknowledges a message and all before it; see [`crate::Consumer::ack_cumulative`].
    pub fn ack_cumulative(&self, message: &Message) -> Result<()> {
        self.0.ack_cumulative(message)
    }

    /// Acknowledges everything up to an id; see [`crate::Consumer::ack_cumulative_id`].
    pub fn ack_cumulative_id(&self, id: &MessageId) -> Result<()> {
        self.0.ack_cumulative_id(id)
    }

    /// Requests redelivery of a message; see [`crate::Consumer::nack`].
    pub fn nack(&self, message: &Message) -> Result<()> {
        self.0.nack(message)
    }

    /// Requests redelivery of a message by its id; see [`crate::Consumer::nack_id`].
    pub fn nack_id(&self, id: &MessageId) -> Result<()> {
        self.0.nack_id(id)
    }

    /// Schedules redelivery of a message after `delay`; see [`crate::Consumer::reconsume_later`]. Takes at most the 30
    /// s of a send.
    pub fn reconsume_later(&self, message: &Message, delay: Duration) -> Result<()> {
        wait(self.0.reconsume_later(message, delay), None)
    }

    /// Moves the subscription; see [`crate::Consumer::seek`].
    pub fn seek(&self, to: &Position) -> Result<()> {
        wait(self.0.seek(to), None)
    }

    /// Returns how many messages the subscription has not acknowledged; see [`crate::Consumer::backlog`].
    pub fn backlog(&self) -> Result<u64> {
        wait(self.0.backlog(), None)
    }

    /// Returns the ids of the last messages of the topic; see [`crate::Consumer::last_message_ids`].
    pub fn last_message_ids(&self) -> Result<Vec<MessageId>> {
        wait(self.0.last_message_ids(), None)
    }

    /// Requests `messages` in addition to the window; see [`crate::Consumer::permit`].
    pub fn permit(&self, messages: u32) -> Result<()> {
        self.0.permit(messages)
    }

    /// Deletes the subscription and closes the consumer; see [`crate::Consumer::unsubscribe`].
    pub fn unsubscribe(&self, timeout: Duration) -> Result<()> {
        wait(self.0.unsubscribe(timeout), None)
    }
}

/// As [`crate::Reader`], but its calls block.
#[derive(Debug, Clone)]
pub struct Reader(crate::reader::Reader);

receiver!(Reader of crate::reader::Reader);

impl Reader {
    /// Moves to another position in the topic; see [`crate::Reader::seek`].
    pub fn seek(&self, to: &Position) -> Result<()> {
        wait(self.0.seek(to), None)
    }

    /// Returns the ids of the last messages of the topic; see [`crate::Reader::last_message_ids`].
    pub fn last_message_ids(&self) -> Result<Vec<MessageId>> {
        wait(self.0.last_message_ids(), None)
    }

    /// Returns whether the topic has a message not received yet; see [`crate::Reader::has_message_available`].
    pub fn has_message_available(&self) -> Result<bool> {
        wait(self.0.has_message_available(), None)
    }

    /// Marks where the topic ends now; see [`crate::Reader::mark_end`].
    pub fn mark_end(&self) -> Result<()> {
        wait(self.0.mark_end(), None)
    }

    /// Returns whether everything up to the mark was received; see [`crate::Reader::is_caught_up`].
    pub fn is_caught_up(&self) -> bool {
        self.0.is_caught_up()
    }

    /// Waits for the next message before the mark; see [`crate::Reader::receive_before_end`].
    pub fn receive_before_end(&self, timeout: Option<Duration>) -> Result<Option<Message>> {
        wait(self.0.receive_before_end(), timeout)
    }

    /// Returns the messages up to the end as it is now; see [`crate::Reader::until_caught_up`]. An error of receiving
    /// ends them.
    pub fn until_caught_up(&self) -> Result<impl Iterator<Item = Result<Message>>> {
        let mut stored = Some(wait(self.0.until_caught_up(), None)?);
        Ok(std::iter::from_fn(move || {
            let next = wait(stored.as_mut()?.next(), None).transpose();
            if !matches!(next, Some(Ok(_))) {
                stored = None;
            }
            next
        }))
    }
}
