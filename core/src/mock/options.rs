//! How a mock broker is to be.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How [`Mock::start`](super::Mock::start) sets a broker up; `MockOptions::default()` is what a real one is by default.
///
/// ```
/// use stargate_core::mock::MockOptions;
/// let options = MockOptions { tokens: vec!["secret".into()], ..MockOptions::default() };
/// assert_eq!(options.max_text_size, 1_048_576);
/// ```
#[derive(Clone)]
pub struct MockOptions {
    /// Port at 127.0.0.1; 0, the default, is any free one.
    pub port: u16,
    /// Serve TLS, and nothing but TLS, with this certificate.
    pub tls: Option<MockTls>,
    /// Tokens that may do everything. Where this and `forbidden_tokens` are empty, nobody has to authenticate.
    pub tokens: Vec<String>,
    /// Tokens that are known but may do nothing: 403.
    pub forbidden_tokens: Vec<String>,
    /// Pulsar's `webSocketMaxTextFrameSize`, in bytes of a whole message; more is a close with 1009.
    pub max_text_size: usize,
    /// Pulsar's `webSocketSessionIdleTimeoutMillis`: without traffic for this long, a close with 1001.
    pub idle_timeout: Duration,
    /// Pulsar's `webSocketPingDurationSeconds`; `None`, the default, is never.
    pub ping_interval: Option<Duration>,
    /// Pulsar's `allowAutoTopicCreation`: whether connecting to a missing topic creates it.
    pub auto_create_topics: bool,
}

impl Default for MockOptions {
    fn default() -> MockOptions {
        MockOptions {
            port: 0,
            tls: None,
            tokens: Vec::new(),
            forbidden_tokens: Vec::new(),
            max_text_size: 1_048_576,
            idle_timeout: Duration::from_secs(300),
            ping_interval: None,
            auto_create_topics: true,
        }
    }
}

impl fmt::Debug for MockOptions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // tokens are counted, never shown
        out.debug_struct("MockOptions")
            .field("port", &self.port)
            .field("tls", &self.tls)
            .field("tokens", &self.tokens.len())
            .field("forbidden_tokens", &self.forbidden_tokens.len())
            .field("max_text_size", &self.max_text_size)
            .field("idle_timeout", &self.idle_timeout)
            .field("ping_interval", &self.ping_interval)
            .field("auto_create_topics", &self.auto_create_topics)
            .finish()
    }
}

/// Files, in PEM, of the broker's side of TLS.
#[derive(Clone, Debug)]
pub struct MockTls {
    /// The certificate chain, the server's own first.
    pub certificates: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// Accept client certificates of this CA in place of a token. A client need not send one.
    pub client_ca: Option<PathBuf>,
}
