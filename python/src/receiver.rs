//! Consumers and readers.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use stargate_core::{self as core, Outcome, blocking};

use crate::errors::{exception, timeout as timed_out};
use crate::held::Held;
use crate::message::{Message, MessageId};
use crate::wait::{close_limit, limit, wait, wait_within};

/// How long a thread of a handler waits before it looks up; a close wakes it at once.
const NAP: Duration = Duration::from_secs(60);

/// What both classes can do. pyo3 allows one block of methods a class, hence the blocks of their own as an argument.
macro_rules! receiver {
    ($(#[$doc:meta])* $name:ident { $($own:tt)* }) => {
        $(#[$doc])*
        #[pyclass(frozen, module = "stargate._native")]
        pub(crate) struct $name {
            inner: Held<core::$name>,
        }

        impl $name {
            pub(crate) fn new(inner: core::$name) -> $name {
                $name { inner: Held::new(inner) }
            }

            /// Waits until there are `max` messages or the time is over. A signal puts back what was taken.
            fn gather(&self, py: Python<'_>, max: usize, limit: Option<Duration>) -> PyResult<Vec<core::Message>> {
                let taken = Mutex::new(Vec::new());
                let gathering = async {
                    loop {
                        let have = taken.lock().unwrap_or_else(PoisonError::into_inner).len();
                        if have >= max {
                            return Ok(());
                        }
                        let more = match self.inner.receive_many(max - have).await {
                            Ok(more) => more,
                            // What was taken before the end belongs to the caller; the end is told at the next call.
                            Err(_) if have > 0 => return Ok(()),
                            Err(error) => return Err(error),
                        };
                        taken.lock().unwrap_or_else(PoisonError::into_inner).extend(more);
                    }
                };
                let outcome = wait_within(py, gathering, limit);
                let taken = taken.into_inner().unwrap_or_else(PoisonError::into_inner);
                match outcome {
                    Ok(_) => Ok(taken),
                    Err(error) => {
                        py.detach(|| self.inner.put_back(taken));
                        Err(error)
                    }
                }
            }
        }

        #[pymethods]
        impl $name {
            /// The topic's full name.
            fn topic(&self) -> String {
                self.inner.topic().to_string()
            }

            /// Waits for the next message.
            fn receive(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Message> {
                let timeout = limit(py, timeout)?;
                wait_within(py, self.inner.receive(), timeout)?
                    .map(Message::new)
                    .ok_or_else(|| timed_out(py, "receive from", &self.topic(), timeout))
            }

            /// Waits until there are `max` messages or the time is over, and takes what is there.
            fn receive_many(&self, py: Python<'_>, max: usize, timeout: Option<f64>) -> PyResult<Vec<Py<Message>>> {
                let limit = limit(py, timeout)?;
                Message::list(py, self.gather(py, max, limit)?)
            }

            /// Claims the messages for handlers on threads of Python; the numbers of processors and of lanes.
            fn begin_work(&self, py: Python<'_>) -> PyResult<(usize, usize)> {
                py.detach(|| self.inner.begin_work()).map_err(|error| exception(py, &error))
            }

            /// Waits for messages of a lane. Empty after a while without any; an exception when no more will come.
            fn take_work(&self, py: Python<'_>, lane: usize, max: usize) -> PyResult<Vec<Py<Message>>> {
                let taken = py.detach(|| blocking::wait(async { Ok(self.inner.take_work(lane, max).await) }, Some(NAP)));
                match taken {
                    Ok(Ok(messages)) => Message::list(py, messages),
                    Ok(Err(error)) => Err(exception(py, &error)),
                    // The nap is over.
                    Err(_) => Ok(Vec::new()),
                }
            }

            /// How a message of `take_work` ended: "ack", "nack" or "continue".
            fn settle(&self, py: Python<'_>, message: &Bound<'_, Message>, outcome: &str) {
                let outcome = match outcome {
                    "ack" => Outcome::Ack,
                    "nack" => Outcome::Nack,
                    _ => Outcome::Continue,
                };
                let message: &core::Message = &message.get().inner;
                py.detach(|| self.inner.settle(message, outcome));
            }

            /// Counts a handler that failed.
            fn count_handler_error(&self) {
                self.inner.count_handler_error();
            }

            /// Ends the waits of handlers and of receives; outcomes can still be told.
            fn stop_work(&self, py: Python<'_>) {
                if self.inner.is_ours() {
                    py.detach(|| self.inner.stop_work());
                }
            }

            /// Whether the topic was terminated and nothing is left of it.
            fn is_end_of_topic(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
                let timeout = limit(py, timeout)?;
                wait_within(py, self.inner.is_end_of_topic(), timeout)?
                    .ok_or_else(|| timed_out(py, "ask the end of", &self.topic(), timeout))
            }

            /// Waits until it is connected.
            fn wait_connected(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
                let timeout = limit(py, timeout)?;
                wait_within(py, self.inner.wait_connected(), timeout)?
                    .ok_or_else(|| timed_out(py, "connect to", &self.topic(), timeout))
            }

            /// The counters as JSON.
            fn stats(&self) -> String {
                self.inner.stats().to_json()
            }

            /// Sends what is gathered and closes the connections.
            fn close(&self, py: Python<'_>, timeout: f64) -> PyResult<()> {
                let timeout = close_limit(py, timeout)?;
                wait(py, self.inner.close(timeout))
            }

            $($own)*
        }
    };
}

receiver! {
    /// Takes part in a subscription.
    Consumer {
        /// The subscription.
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

        /// In pull mode, asks for more messages than the window gives by itself.
        fn permit(&self, py: Python<'_>, messages: u32) -> PyResult<()> {
            py.detach(|| self.inner.permit(messages)).map_err(|error| exception(py, &error))
        }

        /// Deletes the subscription and closes the consumer.
        fn unsubscribe(&self, py: Python<'_>, timeout: f64) -> PyResult<()> {
            let timeout = close_limit(py, timeout)?;
            wait(py, self.inner.unsubscribe(timeout))
        }
    }
}

receiver! {
    /// Reads a topic from a position.
    Reader {}
}

fn message_of<'a>(py: Python<'_>, id: &'a Bound<'_, MessageId>) -> PyResult<&'a core::MessageId> {
    id.get().of_message().ok_or_else(|| crate::errors::invalid(py, "earliest and latest are no ids of messages"))
}
