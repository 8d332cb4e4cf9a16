//! How the servers are reached, and how they let the client in: for WebSockets and the REST API alike.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::Auth;
use crate::error::Result;
use crate::options::Options;
use crate::topic::ServiceUrl;

pub(crate) const USER_AGENT: &str = concat!("stargate/", env!("CARGO_PKG_VERSION"));

/// What the options say about connections.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
    /// What goes before the paths of Pulsar's APIs.
    pub(crate) prefix: String,
    pub(crate) auth: Auth,
    pub(crate) timeout: Duration,
    pub(crate) max_frame_bytes: usize,
}

impl Access {
    /// How `options` say that the servers of a URL are reached.
    pub(crate) fn new(url: &ServiceUrl, options: &Options) -> Result<Access> {
        Ok(Access {
            tls: url.is_tls().then(|| crate::tls::client_config(options)).transpose()?,
            prefix: url.prefix().to_owned(),
            auth: Auth::new(options),
            timeout: options.millis("connect_timeout"),
            max_frame_bytes: options.count("max_frame_bytes"),
        })
    }
}
