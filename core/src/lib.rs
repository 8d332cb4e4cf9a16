//! An Apache Pulsar client over Pulsar's WebSocket API.
