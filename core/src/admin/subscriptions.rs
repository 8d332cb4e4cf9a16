//! Subscriptions: where they stand, and moving them.

use std::time::UNIX_EPOCH;

use hyper::Method;

use super::messages::{StoredMessage, unpack};
use super::{Admin, Call, Position, id_body, millis};
use crate::error::{Error, ErrorKind, Result};
use crate::message::MessageId;
use crate::topic::{TopicName, percent_encode};

impl Admin {
    /// The names of the subscriptions of a topic, of all its partitions together.
    pub async fn subscriptions(&self, topic: impl AsRef<str>) -> Result<Vec<String>> {
        self.call_topic("list the subscriptions of", Method::GET, topic, "/subscriptions")?.json().await
    }

    /// Moves a subscription: its next message is the one at `to`. Consumers that are connected are disconnected by the
    /// broker, and this library's connect again by themselves.
    ///
    /// On a topic with partitions, `Earliest`, `Latest` and `Time` move all of them, and an id moves the partition that it
    /// belongs to. `At` an id in a batch begins within the batch.
    pub async fn seek(&self, topic: impl AsRef<str>, subscription: &str, to: &Position) -> Result<()> {
        let call = |topic: &str, rest: &str| self.call_of("seek", Method::POST, topic, subscription, rest);
        let topic = topic.as_ref();
        match to {
            Position::Earliest => call(topic, &format!("/resetcursor/{}", millis(UNIX_EPOCH)))?.done().await,
            Position::Latest => call(topic, "/skip_all")?.done().await,
            Position::Time(time) => call(topic, &format!("/resetcursor/{}", millis(*time)))?.done().await,
            Position::At(id) => call(&of_partition(topic, id)?, "/resetcursor")?.body(&id_body(id, false)).done().await,
            Position::After(id) => {
                call(&of_partition(topic, id)?, "/resetcursor")?.body(&id_body(id, true)).done().await
            }
        }
    }

    /// Lets a subscription pass over its next `count` entries; a batch is one entry. Not for topics with partitions.
    pub async fn skip(&self, topic: impl AsRef<str>, subscription: &str, count: u64) -> Result<()> {
        self.call_of("skip", Method::POST, topic, subscription, &format!("/skip/{count}"))?.done().await
    }

    /// Lets a subscription pass over everything that is stored.
    pub async fn skip_all(&self, topic: impl AsRef<str>, subscription: &str) -> Result<()> {
        self.call_of("skip all", Method::POST, topic, subscription, "/skip_all")?.done().await
    }

    /// The messages of the entry at `position`, counted from 1, among those that a subscription has not acknowledged;
    /// they stay as they are. More than one when the entry is a batch; `None` past the end. Not for topics with
    /// partitions, but for each of them.
    pub async fn peek_entry(
        &self,
        topic: impl AsRef<str>,
        subscription: &str,
        position: u64,
    ) -> Result<Option<Vec<StoredMessage>>> {
        if position == 0 {
            return Err(Error::invalid("position: the first message is at 1, not at 0").during("peek"));
        }
        let call = self.call_of("peek", Method::GET, topic, subscription, &format!("/position/{position}"))?;
        match call.stored().await {
            Ok(messages) => Ok(Some(messages)),
            Err(error) if is_past_the_end(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The next `count` messages that a subscription has not acknowledged, without taking them: one request an entry.
    pub async fn peek(&self, topic: impl AsRef<str>, subscription: &str, count: usize) -> Result<Vec<StoredMessage>> {
        let mut messages = Vec::new();
        for position in 1.. {
            if messages.len() >= count {
                break;
            }
            match self.peek_entry(&topic, subscription, position).await? {
                Some(entry) => messages.extend(entry),
                None => break,
            }
        }
        messages.truncate(count);
        Ok(messages)
    }

    /// About a subscription; `rest` follows its name in the path.
    fn call_of(
        &self,
        operation: &str,
        method: Method,
        topic: impl AsRef<str>,
        subscription: &str,
        rest: &str,
    ) -> Result<Call<'_>> {
        if subscription.is_empty() {
            return Err(Error::invalid("the name of the subscription is empty").during(operation));
        }
        let rest = format!("/subscription/{}{rest}", percent_encode(subscription));
        self.call_topic(&format!("{operation} {subscription:?} of"), method, topic, &rest)
    }
}

impl Call<'_> {
    /// The messages in the answer.
    async fn stored(&self) -> Result<Vec<StoredMessage>> {
        let response = self.response().await?;
        match &self.topic {
            Some(topic) => unpack(topic, &response).map_err(|error| self.named(error)),
            None => Ok(Vec::new()),
        }
    }
}

/// A subscription that is not there is a 404 as well.
fn is_past_the_end(error: &Error) -> bool {
    error.kind() == ErrorKind::NotFound && error.broker_text().is_some_and(|text| text.contains("Message not found"))
}

/// An id of a partition is one of a position in that partition's own topic.
fn of_partition(topic: &str, id: &MessageId) -> Result<String> {
    let name: TopicName = topic.parse()?;
    Ok(match id.partition() {
        Some(index) if name.partition_index().is_none() => name.partition(index).to_string(),
        _ => name.to_string(),
    })
}
