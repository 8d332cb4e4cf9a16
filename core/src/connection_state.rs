//! The states of a connection, and what a state listener receives.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::topic::TopicName;

/// The state of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum ConnectionState {
    /// An attempt is under way.
    Connecting = 0,
    /// Connected, and attached to the topic.
    Connected = 1,
    /// Lost, or the attempt failed; another attempt follows.
    Disconnected = 2,
    /// Closed by the application.
    Closed = 3,
    /// Ended by a permanent error.
    Failed = 4,
    /// Connected, but the server sends no more: it waits for acknowledgements, or stopped at a message without a value
    /// (see the error, of kind `Broker`).
    Stalled = 5,
}

impl ConnectionState {
    /// Returns the name in `snake_case`.
    pub fn name(self) -> &'static str {
        match self {
            ConnectionState::Connecting => "connecting",
            ConnectionState::Connected => "connected",
            ConnectionState::Disconnected => "disconnected",
            ConnectionState::Closed => "closed",
            ConnectionState::Failed => "failed",
            ConnectionState::Stalled => "stalled",
        }
    }
}

/// What a state listener receives.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StateChange {
    /// The new state.
    pub state: ConnectionState,
    /// The topic of the producer, consumer or reader.
    pub topic: Arc<TopicName>,
    /// The host of the connection, as `name:port`.
    pub host: String,
    /// The proxy of the connection, such as `http://squid:3128`, without its user; `None` for a direct one.
    pub proxy: Option<String>,
    /// Which of the handle's connections it is; 0 when it has one.
    pub session: usize,
    /// The reason, for [`ConnectionState::Disconnected`], [`ConnectionState::Failed`] and [`ConnectionState::Stalled`].
    pub error: Option<Error>,
    /// The delay before the next attempt, for [`ConnectionState::Disconnected`].
    pub retry_in: Option<Duration>,
}

/// Called at each change of state, on the client's callback thread.
pub type StateListener = Arc<dyn Fn(&StateChange) + Send + Sync>;
