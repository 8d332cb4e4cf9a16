//! The protocol without input or output: frames and the time go in; frames to write, events and the next deadline come out.
//!
//! Nothing here knows tokio, sockets, clocks or randomness, so that every sequence of disconnects, timeouts and answers
//! can be tested in simulated time. [`session`] is the life of a connection; what flows over it is the business of a
//! role: [`producer`], [`consumer`] or [`reader`].

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

/// Time since the session began. Monotonic, and given from outside.
pub(crate) type Moment = std::time::Duration;

/// The earliest of some deadlines.
pub(crate) fn earliest(deadlines: impl IntoIterator<Item = Option<Moment>>) -> Option<Moment> {
    deadlines.into_iter().flatten().min()
}
