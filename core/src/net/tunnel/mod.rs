//! Tunnels through proxies: CONNECT of HTTP, and SOCKS5, over any connection that leads to the proxy.

mod http;
mod socks;

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::error::{Error, ErrorKind, Result};
use crate::proxy::{Proxy, Scheme};
use crate::topic::Host;

/// Opens a tunnel to `target` on `stream`, which leads to `proxy`: to `address` where there is one, otherwise the proxy
/// looks the name up. Returns the bytes of the target that came with the answer.
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

/// What a proxy refuses for good: another attempt would end in the same way.
fn refused(kind: ErrorKind, message: String) -> Error {
    Error::new(kind, message).not_retriable()
}
