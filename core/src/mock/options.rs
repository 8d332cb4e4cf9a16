//! The options of a mock broker.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The options for [`Mock::start`](super::Mock::start). `MockOptions::default()` corresponds to a real broker's
/// defaults.
///
/// ```
/// use stargate_core::mock::MockOptions;
/// let options = MockOptions { tokens: vec!["secret".into()], ..MockOptions::default() };
/// assert_eq!(options.max_text_size, 1_048_576);
/// ```
#[derive(Clone)]
pub struct MockOptions {
    /// The port at 127.0.0.1; 0, the default, means any free port.
    pub port: u16,
    /// Serve only TLS, with this certificate.
    pub tls: Option<MockTls>,
    /// Tokens that permit everything. Without these, `forbidden_tokens`, `users` and `oauth2`, no client has to
    /// authenticate.
    pub tokens: Vec<String>,
    /// Tokens that are known but permit nothing: 403.
    pub forbidden_tokens: Vec<String>,
    /// Users and passwords for HTTP Basic authentication.
    pub users: Vec<(String, String)>,
    /// Accept the tokens of an OAuth2 issuer, and act as one: see
    /// [`Mock::oauth2_issuer_url`](super::Mock::oauth2_issuer_url).
    pub oauth2: Option<MockOAuth2>,
    /// Pulsar's `webSocketMaxTextFrameSize`, in bytes of a whole message. A longer message closes the connection with
    /// 1009.
    pub max_text_size: usize,
    /// Pulsar's `webSocketSessionIdleTimeoutMillis`. Without traffic for this long, the broker closes with 1001.
    pub idle_timeout: Duration,
    /// Pulsar's `webSocketPingDurationSeconds`; `None`, the default, disables pings.
    pub ping_interval: Option<Duration>,
    /// The version of Pulsar that the mock imitates. Before 4, it lacks consumers of several topics, encryption by
    /// clients, and the initial position of a subscription. So do the WebSocket proxies of Pulsar 3.0.0.
    pub version: String,
    /// Pulsar's `allowAutoTopicCreation`: whether connecting to a missing topic creates it.
    pub auto_create_topics: bool,
    /// Whether WebSockets are compressed (permessage-deflate) for clients that offer it, as a real broker does.
    pub websocket_compression: bool,
}

impl Default for MockOptions {
    fn default() -> MockOptions {
        MockOptions {
            port: 0,
            tls: None,
            tokens: Vec::new(),
            forbidden_tokens: Vec::new(),
            users: Vec::new(),
            oauth2: None,
            max_text_size: 1_048_576,
            idle_timeout: Duration::from_secs(300),
            ping_interval: None,
            version: "4.0.8".to_owned(),
            auto_create_topics: true,
            websocket_compression: true,
        }
    }
}

impl MockOptions {
    /// Returns whether it imitates a Pulsar before 4.
    pub(super) fn is_old(&self) -> bool {
        self.version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major < 4)
    }
}

impl fmt::Debug for MockOptions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // tokens and users are counted, but never shown
        out.debug_struct("MockOptions")
            .field("port", &self.port)
            .field("tls", &self.tls)
            .field("tokens", &self.tokens.len())
            .field("forbidden_tokens", &self.forbidden_tokens.len())
            .field("users", &self.users.len())
            .field("oauth2", &self.oauth2)
            .field("max_text_size", &self.max_text_size)
            .field("idle_timeout", &self.idle_timeout)
            .field("ping_interval", &self.ping_interval)
            .field("version", &self.version)
            .field("auto_create_topics", &self.auto_create_topics)
            .field("websocket_compression", &self.websocket_compression)
            .finish()
    }
}

/// PEM files for the broker's side of TLS.
#[derive(Clone, Debug)]
pub struct MockTls {
    /// The certificate chain, beginning with the server's own certificate.
    pub certificates: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// Accept client certificates of this CA instead of a token. Client certificates are optional.
    pub client_ca: Option<PathBuf>,
}

/// An OAuth2 issuer with one client, and the broker's requirements on its tokens.
#[derive(Clone)]
pub struct MockOAuth2 {
    /// The id of the client.
    pub client_id: String,
    /// The secret of the client.
    pub client_secret: String,
    /// The audience that the broker requires in a token; `None` accepts any.
    pub audience: Option<String>,
    /// How long a token is valid; also its `expires_in`.
    pub token_life: Duration,
}

impl MockOAuth2 {
    /// Accepts this client, with any audience and tokens that are valid for an hour.
    pub fn new(client_id: impl Into<String>, client_secret: impl Into<String>) -> MockOAuth2 {
        let token_life = Duration::from_secs(3600);
        MockOAuth2 { client_id: client_id.into(), client_secret: client_secret.into(), audience: None, token_life }
    }
}

impl fmt::Debug for MockOAuth2 {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("MockOAuth2")
            .field("client_id", &self.client_id)
            .field("audience", &self.audience)
            .field("token_life", &self.token_life)
            .finish_non_exhaustive()
    }
}
