//! Consumers and readers.

use std::time::Duration;

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use stargate_core::admin::Position;
use stargate_core::{self as core, ForkSafe, Outcome};

use crate::errors::exception;
use crate::events::Finished;
use crate::handle::handle;
use crate::message::{Message, MessageId};
use crate::operation::{Operation, Waiter, nothing};
use crate::wait::{close_limit, doze, limit, wait, wait_seconds, wait_within};

/// How long a thread of a handler waits before it looks up; a close wakes it at once.
const NAP: Duration = Duration::from_secs(60);

/// What both classes can do, besides what every [`handle`] can.
macro_rules! receiver {
    ($(#[$doc:meta])* $name:ident, $Taken:ident { $($own:tt)* }) => {
        /// Messages on their way to an event loop. Those that do not get there go back to the queue.
        struct $Taken {
            messages: Vec<core::Message>,
            from: core::$name,
        }

        impl Finished for $Taken {
            fn into_python(mut self: Box<Self>, py: Python<'_>) -> PyResult<Py<PyAny>> {
                let messages = Message::list(py, std::mem::take(&mut self.messages))?;
                messages.into_py_any(py)
            }
        }

        impl Drop for $Taken {
            fn drop(&mut self) {
                if !self.messages.is_empty() {
                    self.from.put_back(std::mem::take(&mut self.messages));
                }
            }
        }

        impl $Taken {
            fn new(from: &core::$name) -> Box<$Taken> {
                Box::new($Taken { messages: Vec::new(), from: from.clone() })
            }

            /// Waits until there are `min` messages, and takes up to `max`.
            async fn gather(&mut self, min: usize, max: usize) -> core::Result<()> {
                while self.messages.len() < min {
                    match self.from.receive_many(max - self.messages.len()).await {
                        Ok(more) => self.messages.extend(more),
                        Err(error) if self.messages.is_empty() => return Err(error),
                        // What was taken belongs to the caller; the next call reports the end.
                        Err(_) => break,
                    }
                }
                Ok(())
            }
        }

        impl $name {
            /// Returns what was taken, or puts it back: a signal, as that of Ctrl-C, may have come in the same moment.
            fn unless_interrupted<T>(&self, py: Python<'_>, taken: T) -> PyResult<T>
            where
                T: IntoIterator<Item = core::Message> + Send,
            {
                match py.check_signals() {
                    Ok(()) => Ok(taken),
                    Err(signal) => {
                        py.detach(|| self.inner.put_back(taken.into_iter().collect()));
                        Err(signal)
                    }
                }
            }
        }

        handle! {
            $(#[$doc])*
            $name {
                /// Waits for the next message.
                fn receive(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Message> {
                    let message = wait_seconds(py, self.inner.receive(), timeout, "receive from", &self.topic())?;
                    let [message] = self.unless_interrupted(py, [message])?;
                    Ok(Message::new(message))
                }

                /// Waits until there are `max` messages or the time is over, and takes what is there.
                fn receive_many(&self, py: Python<'_>, max: usize, timeout: Option<f64>) -> PyResult<Vec<Py<Message>>> {
                    let limit = limit(py, timeout)?;
                    let mut taken = $Taken::new(&self.inner);
                    match wait_within(py, taken.gather(max, max), limit) {
                        Ok(_) => {
                            let messages = self.unless_interrupted(py, std::mem::take(&mut taken.messages))?;
                            Message::list(py, messages)
                        }
                        // A signal, as that of Ctrl-C, puts back what was taken.
                        Err(error) => py.detach(|| {
                            drop(taken);
                            Err(error)
                        }),
                    }
                }

                /// Takes up to `max` messages that are here, without waiting.
                fn try_receive(&self, py: Python<'_>, max: usize) -> PyResult<Vec<Py<Message>>> {
                    let taken = py.detach(|| self.inner.try_receive_many(max)).map_err(|error| exception(py, &error))?;
                    Message::list(py, taken)
                }

                /// Waits until there are `min` messages or the time is over, and takes up to `max`, for an event loop.
                fn receive_async(
                    &self,
                    py: Python<'_>,
                    min: usize,
                    max: usize,
                    timeout: Option<f64>,
                    waiter: Waiter,
                ) -> PyResult<Operation> {
                    let timeout = limit(py, timeout)?;
                    let mut taken = $Taken::new(&self.inner);
                    waiter.start(py, &self.client, async move {
                        let gathering = taken.gather(min, max);
                        let outcome = match timeout {
                            // A time that is over gives what is there.
                            Some(timeout) => tokio::time::timeout(timeout, gathering).await.unwrap_or(Ok(())),
                            None => gathering.await,
                        };
                        match outcome {
                            Ok(()) => Some(taken as Box<dyn Finished>),
                            Err(error) => nothing(Err(error)),
                        }
                    })
                }

                /// Puts back, in front, what was received and could not be given to the application.
                fn put_back(&self, py: Python<'_>, messages: Vec<Bound<'_, Message>>) {
                    let messages: Vec<core::Message> =
                        messages.iter().map(|message| core::Message::clone(&message.get().inner)).collect();
                    py.detach(|| self.inner.put_back(messages));
                }

                /// Claims the messages for handlers on threads of Python; the numbers of processors and of lanes.
                fn begin_work(&self, py: Python<'_>) -> PyResult<(usize, usize)> {
                    py.detach(|| self.inner.begin_work()).map_err(|error| exception(py, &error))
                }

                /// Waits for messages of a lane. Empty after a while without any; an exception when no more will come.
                fn take_work(&self, py: Python<'_>, lane: usize, max: usize) -> PyResult<Vec<Py<Message>>> {
                    let taken = doze(py, self.inner.take_work(lane, max), NAP)?;
                    Message::list(py, taken.unwrap_or_default())
                }

                /// As `take_work`, for an event loop; without the nap.
                fn take_work_async(&self, py: Python<'_>, lane: usize, max: usize, waiter: Waiter) -> PyResult<Operation> {
                    let receiver = self.inner.clone();
                    waiter.value(py, &self.client, async move { receiver.take_work(lane, max).await }, |py, messages| {
                        Message::list(py, messages)?.into_py_any(py)
                    })
                }

                /// How a message of `take_work` ended: "ack", "nack", "continue", or "reconsume_later" after a delay in
                /// seconds.
                #[pyo3(signature = (message, outcome, delay=0.0))]
                fn settle(
                    &self,
                    py: Python<'_>,
                    message: &Bound<'_, Message>,
                    outcome: &str,
                    delay: f64,
                ) -> PyResult<()> {
                    let outcome = match outcome {
                        "ack" => Outcome::Ack,
                        "nack" => Outcome::Nack,
                        "reconsume_later" => Outcome::ReconsumeLater(limit(py, Some(delay))?.unwrap_or_default()),
                        _ => Outcome::Continue,
                    };
                    let message: &core::Message = &message.get().inner;
                    py.detach(|| self.inner.settle(message, outcome));
                    Ok(())
                }

                /// Counts a handler that failed.
                fn count_handler_error(&self) {
                    self.inner.count_handler_error();
                }

                /// Ends the waits of handlers and of receives; outcomes can still be reported.
                fn stop_work(&self, py: Python<'_>) {
                    if self.inner.is_ours() {
                        py.detach(|| self.inner.stop_work());
                    }
                }

                /// Returns whether the topic was terminated and everything in it has been acknowledged or read.
                fn is_end_of_topic(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
                    wait_seconds(py, self.inner.is_end_of_topic(), timeout, "ask the end of", &self.topic())
                }

                /// As `is_end_of_topic`, for an event loop.
                fn is_end_of_topic_async(&self, py: Python<'_>, waiter: Waiter) -> PyResult<Operation> {
                    let receiver = self.inner.clone();
                    waiter.value(py, &self.client, async move { receiver.is_end_of_topic().await }, |py, end| end.into_py_any(py))
                }

                /// Goes to another place: "earliest", "latest", an id in base64, or a time in milliseconds since 1970
                /// UTC.
                fn seek(&self, py: Python<'_>, place: &str, after: bool, time: Option<i64>) -> PyResult<()> {
                    let place = place_of(py, place, after, time)?;
                    wait(py, self.inner.seek(&place))
                }

                /// As `seek`, for an event loop.
                fn seek_async(
                    &self,
                    py: Python<'_>,
                    place: &str,
                    after: bool,
                    time: Option<i64>,
                    waiter: Waiter,
                ) -> PyResult<Operation> {
                    let (receiver, place) = (self.inner.clone(), place_of(py, place, after, time)?);
                    waiter.nothing(py, &self.client, async move { receiver.seek(&place).await })
                }

                /// Returns the ids of the last messages of the topic.
                fn last_message_ids(&self, py: Python<'_>) -> PyResult<Vec<MessageId>> {
                    let ids = wait(py, self.inner.last_message_ids())?;
                    Ok(ids.into_iter().map(MessageId::new).collect())
                }

                /// As `last_message_ids`, for an event loop.
                fn last_message_ids_async(&self, py: Python<'_>, waiter: Waiter) -> PyResult<Operation> {
                    let receiver = self.inner.clone();
                    waiter.value(py, &self.client, async move { receiver.last_message_ids().await }, |py, ids| {
                        let ids: Vec<MessageId> = ids.into_iter().map(MessageId::new).collect();
                        ids.into_py_any(py)
                    })
                }

                $($own)*
            }
        }
    };
}

receiver! {
    /// Takes part in a subscription.
    Consumer, ConsumerTaken {
        /// Returns the subscription.
        fn subscription(&self) -> String {
            self.inner.subscription().to_owned()
        }

        /// Acknowledges a message.
        fn ack(&self, py: Python<'_>, message: &Bound<'_, Message>) -> PyResult<()> {
            let message: &core::Message = &message.get().inner;
            py.detach(|| self.inner.ack(message)).map_err(|error| exception(py, &error))
        }

        /// Acknowledges a message by its id.
        fn ack_id(&self, py: Python<'_>, id: &Bound<'_, MessageId>) -> PyResult<()> {
            let id = message_of(py, id)?;
            py.detach(|| self.inner.ack_id(id)).map_err(|error| exception(py, &error))
        }

        /// Acknowledges a message and all before it.
        fn ack_cumulative(&self, py: Python<'_>, message: &Bound<'_, Message>) -> PyResult<()> {
            let message: &core::Message = &message.get().inner;
            py.detach(|| self.inner.ack_cumulative(message)).map_err(|error| exception(py, &error))
        }

        /// Acknowledges a message and all before it, by its id.
        fn ack_cumulative_id(&self, py: Python<'_>, id: &Bound<'_, MessageId>) -> PyResult<()> {
            let id = message_of(py, id)?;
            py.detach(|| self.inner.ack_cumulative_id(id)).map_err(|error| exception(py, &error))
        }

        /// Asks for a message to be delivered again.
        fn nack(&self, py: Python<'_>, message: &Bound<'_, Message>) -> PyResult<()> {
            let message: &core::Message = &message.get().inner;
            py.detach(|| self.inner.nack(message)).map_err(|error| exception(py, &error))
        }

        /// Asks for a message to be delivered again, by its id.
        fn nack_id(&self, py: Python<'_>, id: &Bound<'_, MessageId>) -> PyResult<()> {
            let id = message_of(py, id)?;
            py.detach(|| self.inner.nack_id(id)).map_err(|error| exception(py, &error))
        }

        /// Has a message again after a delay in seconds.
        fn reconsume_later(&self, py: Python<'_>, message: &Bound<'_, Message>, delay: f64) -> PyResult<()> {
            let delay = limit(py, Some(delay))?.unwrap_or_default();
            let message: &core::Message = &message.get().inner;
            wait(py, self.inner.reconsume_later(message, delay))
        }

        /// As `reconsume_later`, for an event loop.
        fn reconsume_later_async(
            &self,
            py: Python<'_>,
            message: &Bound<'_, Message>,
            delay: f64,
            waiter: Waiter,
        ) -> PyResult<Operation> {
            let delay = limit(py, Some(delay))?.unwrap_or_default();
            let (consumer, message) = (self.inner.clone(), message.get().inner.clone());
            waiter.nothing(py, &self.client, async move { consumer.reconsume_later(&message, delay).await })
        }

        /// How many messages the subscription has not acknowledged.
        fn backlog(&self, py: Python<'_>) -> PyResult<u64> {
            wait(py, self.inner.backlog())
        }

        /// As `backlog`, for an event loop.
        fn backlog_async(&self, py: Python<'_>, waiter: Waiter) -> PyResult<Operation> {
            let consumer = self.inner.clone();
            waiter.value(py, &self.client, async move { consumer.backlog().await }, |py, count| count.into_py_any(py))
        }

        /// In pull mode, asks for more messages than the window gives by itself.
        fn permit(&self, py: Python<'_>, messages: u32) -> PyResult<()> {
            py.detach(|| self.inner.permit(messages)).map_err(|error| exception(py, &error))
        }

        /// Deletes the subscription and closes the consumer.
        fn unsubscribe(&self, py: Python<'_>, timeout: f64) -> PyResult<()> {
            let timeout = close_limit(py, timeout)?;
            wait(py, self.inner.unsubscribe(timeout))
        }

        /// As `unsubscribe`, for an event loop.
        fn unsubscribe_async(&self, py: Python<'_>, timeout: f64, waiter: Waiter) -> PyResult<Operation> {
            let (consumer, timeout) = (self.inner.clone(), close_limit(py, timeout)?);
            waiter.nothing(py, &self.client, async move { consumer.unsubscribe(timeout).await })
        }
    }
}

receiver! {
    /// Reads a topic from a position.
    Reader, ReaderTaken {
        /// Returns whether there is a message that the application has not received yet.
        fn has_message_available(&self, py: Python<'_>) -> PyResult<bool> {
            wait(py, self.inner.has_message_available())
        }

        /// As `has_message_available`, for an event loop.
        fn has_message_available_async(&self, py: Python<'_>, waiter: Waiter) -> PyResult<Operation> {
            let reader = self.inner.clone();
            waiter.value(py, &self.client, async move { reader.has_message_available().await }, |py, more| {
                more.into_py_any(py)
            })
        }

        /// Marks where the topic ends now.
        fn mark_end(&self, py: Python<'_>) -> PyResult<()> {
            wait(py, self.inner.mark_end())
        }

        /// As `mark_end`, for an event loop.
        fn mark_end_async(&self, py: Python<'_>, waiter: Waiter) -> PyResult<Operation> {
            let reader = self.inner.clone();
            waiter.nothing(py, &self.client, async move { reader.mark_end().await })
        }

        /// Returns whether the application has received everything up to the mark.
        fn is_caught_up(&self) -> bool {
            self.inner.is_caught_up()
        }

        /// Waits for the next message before the mark; nothing when everything up to there was taken.
        fn receive_before_end(&self, py: Python<'_>) -> PyResult<Option<Message>> {
            let message = wait(py, self.inner.receive_before_end())?;
            Ok(self.unless_interrupted(py, message)?.map(Message::new))
        }

        /// As `receive_before_end`, for an event loop, in a list of one or none.
        fn receive_before_end_async(&self, py: Python<'_>, waiter: Waiter) -> PyResult<Operation> {
            let mut taken = ReaderTaken::new(&self.inner);
            waiter.start(py, &self.client, async move {
                match taken.from.receive_before_end().await {
                    Ok(message) => {
                        taken.messages.extend(message);
                        Some(taken as Box<dyn Finished>)
                    }
                    Err(error) => nothing(Err(error)),
                }
            })
        }
    }
}

fn place_of(py: Python<'_>, place: &str, after: bool, time: Option<i64>) -> PyResult<Position> {
    if let Some(millis) = time {
        let millis = u64::try_from(millis).map_err(|_| crate::errors::invalid(py, "to: expected a time after 1970"))?;
        return Ok(Position::Time(std::time::UNIX_EPOCH + Duration::from_millis(millis)));
    }
    match (place, after) {
        ("earliest", false) => Ok(Position::Earliest),
        ("latest", false) => Ok(Position::Latest),
        ("earliest" | "latest", true) => {
            Err(crate::errors::invalid(py, "after: there is nothing after an end of the topic"))
        }
        (id, after) => {
            let id = id.parse().map_err(|error| exception(py, &error))?;
            Ok(if after { Position::After(id) } else { Position::At(id) })
        }
    }
}

fn message_of<'a>(py: Python<'_>, id: &'a Bound<'_, MessageId>) -> PyResult<&'a core::MessageId> {
    id.get().of_message().ok_or_else(|| crate::errors::invalid(py, "earliest and latest are no ids of messages"))
}
