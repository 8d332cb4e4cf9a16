//! The same handles without futures: each call blocks its thread, within the time it is given.
//!
//! A timeout of `None` waits without limit. When the time is over the error is [`ErrorKind::Timeout`]; for a send, the
//! message stays in flight then and may still be stored. Inside a callback or a handler every call may be used.

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

/// As [`crate::Client`].
#[derive(Debug, Clone)]
pub struct Client(crate::client::Client);

impl Client {
    /// As [`crate::Client::new`].
    pub fn new(url: &str, options: Options) -> Result<Client> {
        crate::client::Client::new(url, options).map(Client)
    }

    /// The same client with futures.
    pub fn as_async(&self) -> &crate::client::Client {
        &self.0
    }

    /// As [`crate::Client::producer`]. It takes as long as `connect_timeout` allows for each host.
    pub fn producer(&self, topic: impl AsRef<str>, options: Options) -> Result<Producer> {
        wait(self.0.producer(topic, options), None).map(Producer)
    }

    /// As [`crate::Client::consumer`].
    pub fn consumer(
        &self,
        topic: impl AsRef<str>,
        subscription: impl AsRef<str>,
        options: Options,
    ) -> Result<Consumer> {
        wait(self.0.consumer(topic, subscription, options), None).map(Consumer)
    }

    /// As [`crate::Client::consumer_of`].
    pub fn consumer_of(&self, topics: Topics, subscription: impl AsRef<str>, options: Options) -> Result<Consumer> {
        wait(self.0.consumer_of(topics, subscription, options), None).map(Consumer)
    }

    /// As [`crate::Client::reader`].
    pub fn reader(&self, topic: impl AsRef<str>, options: Options) -> Result<Reader> {
        wait(self.0.reader(topic, options), None).map(Reader)
    }

    /// As [`crate::Client::close`].
    pub fn close(&self, timeout: Duration) -> Result<()> {
        wait(self.0.close(timeout), None)
    }
}

/// As [`crate::produce`].
pub fn produce<M: Into<OutgoingMessage>>(
    url: &str,
    messages: impl IntoIterator<Item = M>,
    options: Options,
) -> Result<Vec<Result<Receipt>>> {
    wait(crate::one_shot::produce(url, messages, options), None)
}

/// As [`crate::Producer`].
#[derive(Debug, Clone)]
pub struct Producer(crate::producer::Producer);

impl Producer {
    /// The same producer with futures.
    pub fn as_async(&self) -> &crate::producer::Producer {
        &self.0
    }

    /// The topic.
    pub fn topic(&self) -> &TopicName {
        self.0.topic()
    }

    /// As [`crate::Producer::send`]; with a timeout, that takes the place of `send_timeout`.
    pub fn send(&self, message: impl Into<OutgoingMessage>, timeout: Option<Duration>) -> Result<Receipt> {
        let sent = async {
            match timeout {
                Some(timeout) => self.0.enqueue_within(message, timeout).await?.await,
                None => self.0.send(message).await,
            }
        };
        wait(sent, None)
    }

    /// As [`crate::Producer::send_all`].
    pub fn send_all<M: Into<OutgoingMessage>>(
        &self,
        messages: impl IntoIterator<Item = M>,
    ) -> Result<Vec<Result<Receipt>>> {
        wait(async { Ok(self.0.send_all(messages).await) }, None)
    }

    /// As [`crate::Producer::send_with`]; blocks while there is no room.
    pub fn send_with(
        &self,
        message: impl Into<OutgoingMessage>,
        callback: impl FnOnce(DeliveryReport) + Send + 'static,
    ) -> Result<()> {
        wait(self.0.send_with(message, callback), None)
    }

    /// As [`crate::Producer::flush`].
    pub fn flush(&self, timeout: Option<Duration>) -> Result<()> {
        wait(self.0.flush(), timeout)
    }

    /// As [`crate::Producer::wait_connected`].
    pub fn wait_connected(&self, timeout: Option<Duration>) -> Result<()> {
        wait(self.0.wait_connected(), timeout)
    }

    /// As [`crate::Producer::stats`].
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }

    /// As [`crate::Producer::close`].
    pub fn close(&self, timeout: Duration) -> Result<()> {
        wait(self.0.close(timeout), None)
    }
}

macro_rules! receiver {
    ($name:ident of $core:ty) => {
        impl $name {
            /// The same with futures.
            pub fn as_async(&self) -> &$core {
                &self.0
            }

            /// The topic.
            pub fn topic(&self) -> &TopicName {
                self.0.topic()
            }

            /// Waits for the next message.
            pub fn receive(&self, timeout: Option<Duration>) -> Result<Message> {
                wait(self.0.receive(), timeout)
            }

            /// Waits until there are `max` messages or the time is over, and takes what is there; none is no error.
            pub fn receive_many(&self, max: usize, timeout: Duration) -> Result<Vec<Message>> {
                let deadline = deadline_in(timeout);
                let mut messages = Vec::new();
                while messages.len() < max {
                    let left = deadline.saturating_duration_since(Instant::now());
                    match wait(self.0.receive_many(max - messages.len()), Some(left)) {
                        Ok(more) => messages.extend(more),
                        Err(error) if error.kind() == ErrorKind::Timeout => break,
                        // What was taken before the end belongs to the caller; the end is told at the next call.
                        Err(_) if !messages.is_empty() => break,
                        Err(error) => return Err(error),
                    }
                }
                Ok(messages)
            }

            /// Runs a handler on every message; see [`crate::Consumer::listen`].
            pub fn listen<H: Handler>(&self, init: impl Fn(usize) -> Result<H> + Send + Sync + 'static) -> Result<()> {
                self.0.listen(init)
            }

            /// Whether the topic was terminated and nothing is left of it.
            pub fn is_end_of_topic(&self, timeout: Option<Duration>) -> Result<bool> {
                wait(self.0.is_end_of_topic(), timeout)
            }

            /// Waits until it is connected.
            pub fn wait_connected(&self, timeout: Option<Duration>) -> Result<()> {
                wait(self.0.wait_connected(), timeout)
            }

            /// The counters.
            pub fn stats(&self) -> Stats {
                self.0.stats()
            }

            /// Closes it gracefully, within a time.
            pub fn close(&self, timeout: Duration) -> Result<()> {
                wait(self.0.close(timeout), None)
            }
        }
    };
}

/// As [`crate::Consumer`].
#[derive(Debug, Clone)]
pub struct Consumer(crate::consumer::Consumer);

receiver!(Consumer of crate::consumer::Consumer);

impl Consumer {
    /// As [`crate::Consumer::ack`].
    pub fn ack(&self, message: &Message) -> Result<()> {
        self.0.ack(message)
    }

    /// As [`crate::Consumer::ack_id`].
    pub fn ack_id(&self, id: &MessageId) -> Result<()> {
        self.0.ack_id(id)
    }

    /// As [`crate::Consumer::ack_cumulative`].
    pub fn ack_cumulative(&self, message: &Message) -> Result<()> {
        self.0.ack_cumulative(message)
    }

    /// As [`crate::Consumer::ack_cumulative_id`].
    pub fn ack_cumulative_id(&self, id: &MessageId) -> Result<()> {
        self.0.ack_cumulative_id(id)
    }

    /// As [`crate::Consumer::nack`].
    pub fn nack(&self, message: &Message) -> Result<()> {
        self.0.nack(message)
    }

    /// As [`crate::Consumer::nack_id`].
    pub fn nack_id(&self, id: &MessageId) -> Result<()> {
        self.0.nack_id(id)
    }

    /// As [`crate::Consumer::reconsume_later`]; takes at most the 30 s of a send.
    pub fn reconsume_later(&self, message: &Message, delay: Duration) -> Result<()> {
        wait(self.0.reconsume_later(message, delay), None)
    }

    /// As [`crate::Consumer::seek`].
    pub fn seek(&self, to: &Position) -> Result<()> {
        wait(self.0.seek(to), None)
    }

    /// As [`crate::Consumer::backlog`].
    pub fn backlog(&self) -> Result<u64> {
        wait(self.0.backlog(), None)
    }

    /// As [`crate::Consumer::last_message_ids`].
    pub fn last_message_ids(&self) -> Result<Vec<MessageId>> {
        wait(self.0.last_message_ids(), None)
    }

    /// As [`crate::Consumer::permit`].
    pub fn permit(&self, messages: u32) -> Result<()> {
        self.0.permit(messages)
    }

    /// As [`crate::Consumer::unsubscribe`].
    pub fn unsubscribe(&self, timeout: Duration) -> Result<()> {
        wait(self.0.unsubscribe(timeout), None)
    }
}

/// As [`crate::Reader`].
#[derive(Debug, Clone)]
pub struct Reader(crate::reader::Reader);

receiver!(Reader of crate::reader::Reader);

impl Reader {
    /// As [`crate::Reader::seek`].
    pub fn seek(&self, to: &Position) -> Result<()> {
        wait(self.0.seek(to), None)
    }

    /// As [`crate::Reader::last_message_ids`].
    pub fn last_message_ids(&self) -> Result<Vec<MessageId>> {
        wait(self.0.last_message_ids(), None)
    }

    /// As [`crate::Reader::has_message_available`].
    pub fn has_message_available(&self) -> Result<bool> {
        wait(self.0.has_message_available(), None)
    }

    /// As [`crate::Reader::mark_end`].
    pub fn mark_end(&self) -> Result<()> {
        wait(self.0.mark_end(), None)
    }

    /// As [`crate::Reader::is_caught_up`].
    pub fn is_caught_up(&self) -> bool {
        self.0.is_caught_up()
    }

    /// As [`crate::Reader::receive_before_end`].
    pub fn receive_before_end(&self, timeout: Option<Duration>) -> Result<Option<Message>> {
        wait(self.0.receive_before_end(), timeout)
    }

    /// As [`crate::Reader::until_caught_up`]; an error of receiving ends it.
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
