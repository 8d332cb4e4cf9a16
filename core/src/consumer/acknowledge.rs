//! Acknowledges messages, requests their redelivery, and sends them to the retry letter topic.

use std::time::Duration;

use super::Consumer;
use crate::driver::SessionCommand;
use crate::error::{Error, Result};
use crate::message::{Message, MessageId};
use crate::outcome::Outcome;
use crate::proto::consumer::Command;
use crate::retry;
use crate::status;

impl Consumer {
    /// Acknowledges a message. The WebSocket API does not answer acknowledgements: if one is lost with the connection,
    /// the message is redelivered. Fails only if the consumer has ended.
    pub fn ack(&self, message: &Message) -> Result<()> {
        self.check_alive(message.origin.session, "acknowledge to")?;
        self.inner.receiver.tell_lazily(message.origin.session, Command::from_outcome(message, Outcome::Ack, false));
        Ok(())
    }

    /// Acknowledges messages, each as [`Consumer::ack`] does. After an error, those before the one that it names are
    /// acknowledged.
    pub fn ack_many<'a>(&self, messages: impl IntoIterator<Item = &'a Message>) -> Result<()> {
        messages.into_iter().try_for_each(|message| self.ack(message))
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
        let copied = message.clone();
        let acknowledge = move |stored: &Result<()>| {
            if stored.is_ok() {
                let _ = commands.send(SessionCommand::Role(Command::from_outcome(&copied, Outcome::Ack, false)));
            }
        };
        retry.stored(message, delay, acknowledge).await.map_err(name)
    }
}
