//! An Apache Pulsar client over Pulsar's WebSocket API.
//!
//! One port, the HTTP one, carries everything, so it works through gateways and load balancers. A [`Client`] opens
//! [`Producer`]s, [`Consumer`]s and [`Reader`]s. Each keeps its own connection, reconnects by itself and loses nothing
//! that was accepted. All of it runs on a private runtime: the futures it returns need no runtime of their own.
//! [`blocking`] has the same handles without futures.
//!
//! ```no_run
//! use std::time::Duration;
//! use stargate_core::{Client, HandlerResult, Message, Options, Outcome};
//!
//! # async fn run() -> stargate_core::Result<()> {
//! let client = Client::new("ws://localhost:8080", Options::new())?;
//!
//! let consumer = client.consumer("orders", "billing", Options::new()).await?;
//! consumer.listen(|_processor| {
//!     Ok(|message: &Message| -> HandlerResult {
//!         println!("{:?}", message.payload());
//!         Ok(Outcome::Ack)
//!     })
//! })?;
//!
//! let producer = client.producer("orders", Options::new()).await?;
//! producer.send(("customer 7", "one pizza")).await?;
//!
//! client.close(Duration::from_secs(10)).await
//! # }
//! ```
//!
//! # Layout
//!
//! From top to bottom; no import runs upwards (`docs/architecture.md` lists every file).
//!
//! - [`blocking`], [`Supervisor`], [`produce`]: built from the handles.
//! - `client/`, `producer.rs`, `consumer.rs`, `reader.rs`: the handles.
//! - `receiver/`: the queue, handler threads and positions, between connection and application. `retry.rs` has the
//!   retry letters.
//! - [`admin`]: the REST API; `http.rs` sends its requests.
//! - `driver/`: the task of a connection: look-up, TCP, TLS, upgrade, WebSocket, timer.
//! - `encryption/`: end-to-end encryption.
//! - `proto/`: the protocol as a state machine without I/O: sessions, acknowledgements, permits, reconnects, frames.
//! - [`options`], `auth.rs`, `tls.rs`: the options, and what is built from them.
//! - `message/`, `topic.rs`, `error.rs`, [`stats`]: values.
//! - `mock/`: a broker for tests, which shares no code with the client.

#![cfg_attr(not(test), warn(clippy::unwrap_used))]

/// Compiles the program of the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// Compiles the program of the page on encryption.
#[cfg(doctest)]
#[doc = include_str!("../../docs/encryption.md")]
pub struct Encryption;

/// Compiles the program of the page on OAuth2.
#[cfg(doctest)]
#[doc = include_str!("../../docs/oauth2.md")]
pub struct OAuth2;

pub mod admin;
mod auth;
#[cfg(feature = "benching")]
#[doc(hidden)]
pub mod benching;
mod callbacks;
mod client;
mod connection_state;
mod consumer;
mod crypto_key_reader;
mod driver;
mod duplicates;
mod encryption;
mod error;
mod fork;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod headers;
mod headers_supplier;
mod http;
mod initial_position;
mod limiter;
mod log;
mod message;
#[cfg(feature = "mock")]
pub mod mock;
mod net;
mod one_shot;
mod operations;
pub mod options;
mod outcome;
mod producer;
mod proto;
mod proxy;
mod query;
mod reader;
mod receiver;
mod retry;
mod runtime;
#[doc(hidden)]
pub mod stats;
mod status;
mod supervisor;
mod tls;
mod token_supplier;
mod topic;

pub mod blocking;

pub use admin::Admin;
pub use auth::plugin::plugin_options;
pub use client::Client;
pub use connection_state::{ConnectionState, StateChange, StateListener};
pub use consumer::{Consumer, Topics};
pub use crypto_key_reader::{CryptoKeyReader, EncryptionKeyInfo};
pub use encryption::PemKeyReader;
pub use error::{Error, ErrorKind, Result};
pub use fork::ForkSafe;
pub use headers_supplier::HeadersSupplier;
pub use log::{Level, LogSink};
pub use message::{Message, MessageId, OutgoingMessage, Receipt};
pub use one_shot::produce;
pub use options::{
    AuthTokenIn, CompressionContext, CompressionType, CryptoFailureAction, HashingScheme, InitialPosition,
    OAuth2AuthMethod, OnDisconnect, Options, Ordering, RoutingMode, SubscriptionMode, SubscriptionType,
    WebSocketCompression, WhenFull,
};
pub use outcome::Outcome;
pub use producer::{DeliveryReport, Pending, Producer};
pub use reader::{Reader, UntilCaughtUp};
pub use receiver::processors::{Handler, HandlerResult};
pub use runtime::spawn;
pub use stats::Stats;
pub use supervisor::{Attach, Component, ComponentConfig, RegistryKey, Supervisor, SupervisorConfig, registry_key};
pub use token_supplier::TokenSupplier;
pub use topic::{Persistence, ServiceUrl, TopicName};
