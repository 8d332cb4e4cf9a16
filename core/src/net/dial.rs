//! From a host to a connection: TCP, TLS. Whatever goes to a server (WebSockets, REST, OAuth2) goes through here.

use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::addresses;
use super::link::Link;
use super::steps::Steps;
use super::tcp::Tcp;
use super::tls_errors::io_error;
use crate::error::{Error, ErrorKind, Result};
use crate::topic::Host;

/// How hosts are dialed.
#[derive(Debug, Clone)]
pub(crate) struct Dialer {
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
    /// The name to ask for and to verify, instead of the host's.
    pub(crate) server_name: Option<ServerName<'static>>,
    /// The URL has a path prefix, as those of gateways have.
    pub(crate) is_gateway: bool,
}

/// Opens a connection to `host`, and asks nothing of it yet. It has no limit of time of its own.
pub(crate) async fn dial(host: &Host, dialer: &Dialer, steps: &Steps) -> Result<Link> {
    let link = connect(host, steps).await.map_err(|error| hinted(error, host, dialer))?;
    match &dialer.tls {
        Some(config) => secure(link, host, dialer.server_name.as_ref(), config, steps).await,
        None => Ok(link),
    }
}

/// Behind a gateway Pulsar's own ports are seldom right.
fn hinted(error: Error, host: &Host, dialer: &Dialer) -> Error {
    let pulsars = if dialer.tls.is_some() { 8443 } else { 8080 };
    match dialer.is_gateway && host.port == pulsars {
        true => error.adding(" (Pulsar's port, when the URL names none; gateways often listen on 443 or 80)"),
        false => error,
    }
}

async fn connect(host: &Host, steps: &Steps) -> Result<Link> {
    let stream = addresses::connect(host, steps).await?;
    let failed = |error| Error::new(ErrorKind::Connect, format!("{host} could not be reached")).caused_by(error);
    stream.set_nodelay(true).map_err(failed)?;
    Ok(Link::Plain(Tcp::new(stream)))
}

/// TLS with `host` over `link`.
async fn secure(
    link: Link,
    host: &Host,
    name: Option<&ServerName<'static>>,
    config: &Arc<rustls::ClientConfig>,
    steps: &Steps,
) -> Result<Link> {
    let own = || ServerName::try_from(host.name_without_zone().to_owned());
    let name = name.cloned().map_or_else(own, Ok).map_err(|error| {
        Error::invalid(format!("{host}: not a name that a certificate can have (option tls_server_name)"))
            .caused_by(error)
    })?;
    steps.enter(format!("{host} did not finish the TLS handshake"));
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            let cut = format!("{host} ended the connection in the TLS handshake: is it the port for wss://?");
            Error::new(ErrorKind::Connect, cut)
        }
        _ => io_error(&format!("no TLS with {host}"), error),
    };
    let stream = TlsConnector::from(config.clone()).connect(name, link).await.map_err(failed)?;
    Ok(Link::Tls(Box::new(stream)))
}
