//! Connects to a host: TCP, a tunnel if there is a proxy, TLS. Every connection to a server (WebSockets, REST, OAuth2)
//! is made here.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::addresses;
use super::link::Link;
use super::steps::Steps;
use super::tcp::Tcp;
use super::tls_errors::{handshake_error, proxy_handshake_error};
use super::tunnel;
use crate::error::{Error, ErrorKind, Result};
use crate::options::Resolved;
use crate::proxy::{Protocol, Proxies, Proxy, Scheme};
use crate::topic::Host;

/// The proxies that connections use.
#[derive(Debug, Clone)]
pub(crate) struct Via {
    pub(crate) proxies: Proxies,
    /// The TLS configuration for the connection to an `https://` proxy.
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl Via {
    /// Returns the proxies that `options` configure for `protocol`, with TLS or without. They come from the environment
    /// if the options refer to it.
    pub(crate) fn new(options: &Resolved, protocol: Protocol, tls: bool) -> Result<Via> {
        let environment = options.given.environment.clone().unwrap_or_default();
        let exceptions = options.no_proxy.as_deref();
        let proxies = Proxies::new(&options.proxy, exceptions, &environment, protocol, tls)?;
        let tls = proxies.need_tls().then(|| crate::tls::proxy_config(options)).transpose()?;
        Ok(Via { proxies, tls })
    }
}

/// How to dial hosts.
#[derive(Debug, Clone)]
pub(crate) struct Dialer {
    pub(crate) via: Via,
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
    /// The name to send and to verify, instead of the host's.
    pub(crate) server_name: Option<ServerName<'static>>,
    /// Whether the URL has a path prefix, as those of gateways have.
    pub(crate) is_gateway: bool,
}

/// Opens a connection to `host` and sends no request yet. The caller limits the time.
pub(crate) async fn dial(host: &Host, dialer: &Dialer, steps: &Steps) -> Result<Link> {
    let link = match dialer.via.proxies.choose(host)? {
        Some(proxy) => through(proxy, host, &dialer.via, steps).await,
        None => connect(host, steps).await,
    };
    let link = link.map_err(|error| hinted(error, host, dialer))?;
    match &dialer.tls {
        Some(config) => secure(link, host, dialer.server_name.as_ref(), config, handshake_error, steps).await,
        None => Ok(link),
    }
}

/// Adds a hint, because Pulsar's own ports are rarely right behind a gateway.
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

/// Opens a tunnel through `proxy`. A `socks5://` proxy receives each address of the host in turn.
async fn through(proxy: &Proxy, host: &Host, via: &Via, steps: &Steps) -> Result<Link> {
    if proxy.scheme != Scheme::Socks5 {
        return tunnel(proxy, host, None, via, steps).await.map_err(Error::said_by_proxy);
    }
    let addresses = addresses::look_up(host, steps)
        .await
        .map_err(|error| error.adding("; with socks5h:// the proxy looks it up"))?;
    let mut outcome = Err(Error::new(ErrorKind::Connect, format!("{host} has no address")));
    for address in addresses {
        outcome = tunnel(proxy, host, Some(address), via, steps).await.map_err(Error::said_by_proxy);
        if outcome.as_ref().err().is_none_or(|error| error.kind() != ErrorKind::Connect) {
            break;
        }
    }
    outcome
}

async fn tunnel(proxy: &Proxy, host: &Host, address: Option<SocketAddr>, via: &Via, steps: &Steps) -> Result<Link> {
    let aside = format!(" (the proxy of {}, for {host})", proxy.source);
    steps.remark(&aside);
    let mut link = connect(&proxy.host, steps).await.map_err(|error| error.adding(&aside))?;
    if let Some(config) = via.tls.as_ref().filter(|_| proxy.scheme == Scheme::Https) {
        let secured = secure(link, &proxy.host, None, config, proxy_handshake_error, steps).await;
        link = secured.map_err(|error| error.adding(&aside))?;
    }
    steps.remark("");
    steps.enter(format!("the proxy {proxy} did not open a tunnel to {host}"));
    let early = tunnel::open(&mut link, proxy, host, address).await?;
    Ok(link.behind(early))
}

/// Starts TLS with `host` over `link`; `failed` creates the error of a failed handshake.
async fn secure(
    link: Link,
    host: &Host,
    name: Option<&ServerName<'static>>,
    config: &Arc<rustls::ClientConfig>,
    failed: fn(&Host, io::Error) -> Error,
    steps: &Steps,
) -> Result<Link> {
    let own = || ServerName::try_from(host.name_without_zone().to_owned());
    let name = name.cloned().map_or_else(own, Ok).map_err(|error| {
        Error::invalid(format!("{host}: not a name that a certificate can have (option tls_server_name)"))
            .caused_by(error)
    })?;
    steps.enter(format!("{host} did not finish the TLS handshake"));
    let stream = TlsConnector::from(config.clone()).connect(name, link).await.map_err(|error| failed(host, error))?;
    Ok(Link::Tls(Box::new(stream)))
}
