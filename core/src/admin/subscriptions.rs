//! Subscriptions: their positions, and moving them.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use hyper::Method;
use serde::Deserialize;
use serde_json::json;

use super::messages::{StoredMessage, unpack};
use super::{Admin, Call, Position, id_body, keeps_raw, millis};
use crate::error::{Error, ErrorKind, Result};
use crate::message::MessageId;
use crate::topic::{TopicName, percent_encode};

/// The broker's analysis of the backlog of a subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct BacklogAnalysis {
    /// Entries read; a batch is one entry.
    pub entries: u64,
    /// Messages in them.
    pub messages: u64,
    /// Whether the broker stopped at its limits of entries or time, before the end.
    pub aborted: bool,
    /// The broker's complete answer, in JSON.
    #[serde(skip)]
    pub raw: String,
}

keeps_raw!(BacklogAnalysis);

impl Admin {
    /// Returns the names of the subscriptions of a topic, of all its partitions together.
    pub async fn subscriptions(&self, topic: impl AsRef<str>) -> Result<Vec<String>> {
        self.call_topic("list the subscriptions of", Method::GET, topic, "/subscriptions")?.json().await
    }

    /// Creates a subscription that begins at a position. Also creates the topic where brokers create topics on demand.
    /// Fails with [`ErrorKind::Busy`] if the name exists. On a partitioned topic only `Earliest` and `Latest` are
    /// allowed.
    pub async fn create_subscription(
        &self,
        topic: impl AsRef<str>,
        subscription: &str,
        begin: &Position,
    ) -> Result<()> {
        if let Position::At(id) | Position::After(id) = begin {
            check_partition(&topic, id)?;
        }
        let body = match begin {
            Position::Earliest => json!("earliest"),
            Position::Latest => json!("latest"),
            Position::At(id) | Position::After(id) => id_body(id, false),
            Position::Time(time) => match self.message_id_at(&topic, *time).await? {
                Some(id) => id_body(&id, false),
                None => json!("latest"),
            },
        };
        self.call_of("create", Method::PUT, &topic, subscription, "")?.body(&body).done().await?;
        match begin {
            // A new subscription cannot begin "after" an id.
            Position::After(_) => self.seek(&topic, subscription, begin).await,
            _ => Ok(()),
        }
    }

    /// Creates a subscription unless it exists, and returns whether it was created. An existing one keeps its position.
    pub async fn ensure_subscription(
        &self,
        topic: impl AsRef<str>,
        subscription: &str,
        begin: &Position,
    ) -> Result<bool> {
        let topic = topic.as_ref();
        super::ensured(|| self.create_subscription(topic, subscription, begin)).await
    }

    /// Deletes a subscription. Fails with [`ErrorKind::Busy`] if it has consumers, unless `force` disconnects them.
    /// Consumers of this library reconnect and create it again.
    pub async fn delete_subscription(&self, topic: impl AsRef<str>, subscription: &str, force: bool) -> Result<()> {
        self.call_of("delete", Method::DELETE, topic, subscription, &format!("?force={force}"))?.done().await
    }

    /// Moves a subscription, so that its next message is the one at `to`. The broker disconnects its consumers, and
    /// those of this library reconnect by themselves.
    ///
    /// On a partitioned topic, `Earliest`, `Latest` and `Time` move all partitions, and an id moves the partition that
    /// it belongs to. Batches are indivisible. `At` any message in one, and `After` any but the last, starts at its
    /// first message.
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

    /// Skips the next `count` entries of a subscription; a batch is one entry. Not available for partitioned topics.
    pub async fn skip(&self, topic: impl AsRef<str>, subscription: &str, count: u64) -> Result<()> {
        self.call_of("skip", Method::POST, topic, subscription, &format!("/skip/{count}"))?.done().await
    }

    /// Skips all stored messages of a subscription.
    pub async fn skip_all(&self, topic: impl AsRef<str>, subscription: &str) -> Result<()> {
        self.call_of("skip all", Method::POST, topic, subscription, "/skip_all")?.done().await
    }

    /// Acknowledges everything older than `age`, in whole seconds, for a subscription. The broker completes this after
    /// its answer. Returns `false` if it does not start, because nothing is old enough or an expiry is already running.
    pub async fn expire_messages(&self, topic: impl AsRef<str>, subscription: &str, age: Duration) -> Result<bool> {
        let rest = format!("/expireMessages/{}", age.as_secs());
        begun(self.call_of("expire messages of", Method::POST, topic, subscription, &rest)?.done().await)
    }

    /// Acknowledges everything up to and including the message `id`, like [`Admin::expire_messages`]. Not available for
    /// partitioned topics.
    pub async fn expire_messages_until(
        &self,
        topic: impl AsRef<str>,
        subscription: &str,
        id: &MessageId,
    ) -> Result<bool> {
        check_partition(&topic, id)?;
        let call = self.call_of("expire messages of", Method::POST, topic, subscription, "/expireMessages")?;
        begun(call.body(&id_body(id, false)).done().await)
    }

    /// Acknowledges everything older than `age` for all subscriptions of a topic, like [`Admin::expire_messages`].
    pub async fn expire_all_messages(&self, topic: impl AsRef<str>, age: Duration) -> Result<bool> {
        let rest = format!("/all_subscription/expireMessages/{}", age.as_secs());
        begun(self.call_topic("expire messages of", Method::POST, topic, &rest)?.done().await)
    }

    /// Returns the messages of the entry at `position`, counted from 1, among those that a subscription has not
    /// acknowledged. The messages stay unacknowledged. An entry that is a batch has several; `None` past the end. For a
    /// partitioned topic, query each partition.
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

    /// Returns the next `count` messages that a subscription has not acknowledged, without consuming them. Sends one
    /// request per entry.
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

    /// Returns the properties of a subscription.
    pub async fn subscription_properties(
        &self,
        topic: impl AsRef<str>,
        subscription: &str,
    ) -> Result<BTreeMap<String, String>> {
        self.call_of("read the properties of", Method::GET, topic, subscription, "/properties")?.json().await
    }

    /// Replaces the properties of a subscription.
    pub async fn set_subscription_properties(
        &self,
        topic: impl AsRef<str>,
        subscription: &str,
        properties: &BTreeMap<String, String>,
    ) -> Result<()> {
        let call = self.call_of("set the properties of", Method::PUT, topic, subscription, "/properties")?;
        call.body(&json!(properties)).done().await
    }

    /// Makes the broker read and count the backlog of a subscription, and returns the result. This can take long, and
    /// reads old messages from storage. For a partitioned topic, query each partition.
    pub async fn analyze_backlog(&self, topic: impl AsRef<str>, subscription: &str) -> Result<BacklogAnalysis> {
        let call = self.call_of("analyze the backlog of", Method::POST, topic, subscription, "/analyzeBacklog")?;
        call.with_raw().await
    }

    /// Prepares a request about a subscription; `rest` follows its name in the path.
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
        // Encoded twice because, unlike the name of the topic, the broker decodes this part of the path twice.
        let rest = format!("/subscription/{}{rest}", percent_encode(&percent_encode(subscription)));
        self.call_topic(&format!("{operation} {subscription:?} of"), method, topic, &rest)
    }
}

/// Returns whether the operation started. The broker answers "not issued" if there is nothing to do.
fn begun(outcome: Result<()>) -> Result<bool> {
    match outcome {
        Err(error) if error.http_status() == Some(409) => Ok(false),
        outcome => outcome.map(|()| true),
    }
}

impl Call<'_> {
    /// Returns the messages in the answer.
    pub(super) async fn stored(&self) -> Result<Vec<StoredMessage>> {
        let response = self.response().await?;
        match &self.topic {
            Some(topic) => unpack(topic, &response).map_err(|error| self.named(error)),
            None => Ok(Vec::new()),
        }
    }
}

/// Returns whether the error means the end of the backlog. A missing subscription is a 404 as well.
fn is_past_the_end(error: &Error) -> bool {
    error.kind() == ErrorKind::NotFound && error.broker_text().is_some_and(|text| text.contains("Message not found"))
}

/// Returns the topic to request for an id: an id with a partition is a position in the topic of that partition.
fn of_partition(topic: &str, id: &MessageId) -> Result<String> {
    let name: TopicName = topic.parse()?;
    id.check_partition(&name)?;
    Ok(match id.partition() {
        Some(index) if name.partition_index().is_none() => name.partition(index).to_string(),
        _ => name.to_string(),
    })
}

/// Fails if the id belongs to another partition than the topic.
pub(super) fn check_partition(topic: impl AsRef<str>, id: &MessageId) -> Result<()> {
    id.check_partition(&topic.as_ref().parse()?)
}
