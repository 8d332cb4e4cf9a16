//! Connects to hosts, and speaks HTTP on connections: for WebSockets, the REST API and OAuth2 issuers alike.

mod addresses;
pub(crate) mod dial;
pub(crate) mod http1;
pub(crate) mod link;
pub(crate) mod steps;
pub(crate) mod tcp;
pub(crate) mod tls_errors;
mod tunnel;

pub(crate) const USER_AGENT: &str = concat!("stargate/", env!("CARGO_PKG_VERSION"));
