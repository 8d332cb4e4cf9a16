//! The mock broker, seen from a socket: each rule of the wire that a real 4.0.8 broker was observed to follow.
#![cfg(feature = "mock")]

#[path = "mock_suite/client.rs"]
mod client;
#[path = "mock_suite/consumer.rs"]
mod consumer;
#[path = "mock_suite/faults.rs"]
mod faults;
#[path = "mock_suite/flow.rs"]
mod flow;
#[path = "mock_suite/http.rs"]
mod http;
#[path = "mock_suite/producer.rs"]
mod producer;
#[path = "mock_suite/reader.rs"]
mod reader;
#[path = "mock_suite/redelivery.rs"]
mod redelivery;
