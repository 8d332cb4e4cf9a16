//! From the socket to the application: bounded queues, threads for handlers, a thread for callbacks.

pub(crate) mod callbacks;
pub(crate) mod inbox;
pub(crate) mod polled;
pub(crate) mod processors;
