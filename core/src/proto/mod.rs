//! The protocol without input or output. Frames and the time go in; frames to write, events and the next deadline come
//! out.
//!
//! Nothing here uses tokio, sockets, clocks or randomness. So tests can cover every sequence of disconnects, timeouts
//! and answers in simulated time. [`session`] handles the life of a connection. A role handles what flows over it:
//! [`producer`], [`consumer`] or [`reader`].

pub(crate) mod ack_batcher;
pub(crate) mod backoff;
pub(crate) mod consumer;
pub(crate) mod frame;
mod idle;
mod liveness;
pub(crate) mod pending_requests;
pub(crate) mod permits;
pub(crate) mod producer;
pub(crate) mod reader;
mod restart;
mod scan;
pub(crate) mod session;
pub(crate) mod time;
pub(crate) mod unacked;

#[cfg(test)]
mod tests;

/// Time since the session began. Monotonic, and supplied by the caller.
pub(crate) type Moment = std::time::Duration;

/// Returns the earliest of some deadlines.
pub(crate) fn earliest(deadlines: impl IntoIterator<Item = Option<Moment>>) -> Option<Moment> {
    deadlines.into_iter().flatten().min()
}
