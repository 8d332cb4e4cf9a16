//! Messages to send, received messages, and their ids.

pub(crate) mod batch;
pub(crate) mod batch_acks;
mod id;
mod outgoing;
mod received;

pub use self::id::MessageId;
pub(crate) use self::id::varint;
pub use self::outgoing::{OutgoingMessage, Receipt};
pub use self::received::Message;
pub(crate) use self::received::{Origin, RECONSUME_TIMES};
