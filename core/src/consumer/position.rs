//! Moves the position of a subscription, and says how far it is from the end of the topic.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Consumer, Inner};
use crate::admin::{Admin, Position, SubscriptionStats};
use crate::error::{Error, Result};
use crate::message::MessageId;
use crate::proto::consumer::Command;
use crate::receiver::{ReadPosition, Receiver, Ticket, Tombstone, TombstoneWatched};

/// How long the client waits for grouped acknowledgements; the proxy groups them for less.
const GROUPING: Duration = Duration::from_millis(250);

impl Consumer {
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
        let own = receiver.sessions.len() - usize::from(receiver.retry.is_some());
        let _held = HeldAcks::new(receiver, own);
        self.let_acks_arrive().await;
        let admin = Admin::new(&receiver.client);
        for topic in &self.inner.topics {
            admin.seek(topic.to_string(), &self.inner.subscription, to).await?;
        }
        if let Some(retry) = &receiver.retry {
            retry.forget_stored();
        }
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
            let why = "ask for each topic of a pattern, with Admin::topic_stats";
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
}

/// Keeps the acknowledgements of the first sessions while the subscription moves. They are sent if it was not moved.
struct HeldAcks<'a> {
    receiver: &'a Receiver<Command<Ticket>>,
    sessions: usize,
}

impl HeldAcks<'_> {
    fn new(receiver: &Receiver<Command<Ticket>>, sessions: usize) -> HeldAcks<'_> {
        (0..sessions).for_each(|session| receiver.tell(session, Command::HoldAcks));
        HeldAcks { receiver, sessions }
    }
}

impl Drop for HeldAcks<'_> {
    fn drop(&mut self) {
        (0..self.sessions).for_each(|session| self.receiver.tell(session, Command::ReleaseAcks));
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
