//! From a host to a connection: name look-up, TCP, TLS.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::access::Access;
use super::link::Link;
use super::tcp::Tcp;
use super::tls_errors::io_error;
use crate::error::{Error, ErrorKind, Result};
use crate::topic::Host;

/// Opens a connection to `host`, and asks nothing of it yet.
pub(crate) async fn open(host: &Host, access: &Access) -> Result<Link> {
    within(access.timeout, host, dial(host, access)).await
}

/// Opens a connection to `host`, without a limit of time of its own.
pub(super) async fn dial(host: &Host, access: &Access) -> Result<Link> {
    let link = connect(host).await?;
    match &access.tls {
        Some(config) => secure(link, host, config).await,
        None => Ok(link),
    }
}

/// TCP to one of the addresses of `host`.
async fn connect(host: &Host) -> Result<Link> {
    let failed = |error| io_error(&format!("{host} could not be reached"), error);
    let tcp = tokio::net::TcpStream::connect((host.name.as_str(), host.port)).await.map_err(failed)?;
    tcp.set_nodelay(true).map_err(failed)?;
    Ok(Link::Plain(Tcp::new(tcp)))
}

/// TLS with `host` over `link`.
async fn secure(link: Link, host: &Host, config: &Arc<rustls::ClientConfig>) -> Result<Link> {
    let name = ServerName::try_from(host.name.clone())
        .map_err(|error| Error::invalid(format!("{host}: not a name that a certificate can have")).caused_by(error))?;
    let stream = TlsConnector::from(config.clone())
        .connect(name, link)
        .await
        .map_err(|error| io_error(&format!("no TLS with {host}"), error))?;
    Ok(Link::Tls(Box::new(stream)))
}

pub(super) async fn within<T>(limit: Duration, host: &Host, work: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(outcome) => outcome,
        Err(_) => {
            let late = format!("{host} did not answer within {limit:?} (option connect_timeout)");
            Err(Error::new(ErrorKind::Timeout, late))
        }
    }
}
