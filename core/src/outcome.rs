//! The outcome of a message that the application received.

use std::sync::Arc;
use std::time::Duration;

use crate::message::Message;

/// What a handler decides about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It is done: acknowledge it.
    Ack,
    /// The application acknowledges it later, by its id.
    Continue,
    /// It failed: the broker redelivers it after `negative_ack_delay`.
    Nack,
    /// Redelivery after this delay: a copy goes to the retry letter topic. After too many copies the message goes to
    /// the dead letter topic; see [`Consumer::reconsume_later`](crate::Consumer::reconsume_later).
    ReconsumeLater(Duration),
}

/// Applies the outcome that a handler has decided.
pub(crate) type Settle = Arc<dyn Fn(&Message, Outcome) + Send + Sync>;
