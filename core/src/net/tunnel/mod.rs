//! Tunnels through proxies: HTTP CONNECT and SOCKS5, over any connection to the proxy.

mod http;
mod socks;

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::error::{Error, ErrorKind, Result};
use crate::proxy::{Proxy, Scheme};
use crate::topic::Host;

/// Opens a tunnel to `target` on `stream`, which leads to `proxy`. It leads to `address` if given; otherwise the proxy
/// resolves the name. Returns the bytes of the target that arrived with the response.
pub(super) async fn open<S>(
    stream: &mut S,
    proxy: &Proxy,
    target: &Host,
    address: Option<SocketAddr>,
) -> Result<Vec<u8>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match proxy.scheme {
        Scheme::Http | Scheme::Https => http::connect(stream, proxy, target).await,
        Scheme::Socks5 | Scheme::Socks5h => socks::connect(stream, proxy, target, address).await.map(|()| Vec::new()),
    }
}

/// Returns the error of a permanent refusal: another attempt would fail in the same way.
fn refused(kind: ErrorKind, message: String) -> Error {
    Error::new(kind, message).not_retriable()
}
