//! What becomes of a message that the application was given.

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
    /// It failed: the broker delivers it again after `negative_ack_delay`.
    Nack,
    /// The application wants it again after this time: a copy goes to the retry letter topic, or, when it has come back
    /// too often, to the dead letter topic; see [`Consumer::reconsume_later`](crate::Consumer::reconsume_later).
    ReconsumeLater(Duration),
}

/// What a handle does when a handler has decided.
pub(crate) type Settle = Arc<dyn Fn(&Message, Outcome) + Send + Sync>;
