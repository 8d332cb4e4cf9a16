//! An Apache Pulsar client over Pulsar's WebSocket API.

#[cfg(feature = "mock")]
pub mod mock;
