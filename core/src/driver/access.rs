//! How the servers are reached, and how they let the client in: for WebSockets and the REST API alike.

use std::time::Duration;

use crate::auth::{Auth, Credentials};
use crate::error::Result;
use crate::net::dial::Dialer;
use crate::options::Resolved;
use crate::topic::ServiceUrl;

/// What the options say about connections.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) dialer: Dialer,
    /// What goes before the paths of Pulsar's APIs.
    pub(crate) prefix: String,
    pub(crate) auth: Auth,
    pub(crate) timeout: Duration,
    pub(crate) max_frame_bytes: usize,
}

impl Access {
    /// How `options` say that the servers of a URL are reached.
    pub(crate) fn new(url: &ServiceUrl, credentials: &Credentials, options: &Resolved) -> Result<Access> {
        Ok(Access {
            dialer: Dialer {
                tls: url.is_tls().then(|| crate::tls::client_config(options)).transpose()?,
                is_gateway: !url.prefix().is_empty(),
            },
            prefix: url.prefix().to_owned(),
            auth: credentials.auth(options)?,
            timeout: options.connect_timeout,
            max_frame_bytes: usize::try_from(options.max_frame_bytes).unwrap_or(usize::MAX),
        })
    }
}
