//! The byte stream of a connection: TCP, and TLS over it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

use super::tcp::Tcp;

/// A connection to a server, in layers.
pub(crate) enum Link {
    Plain(Tcp),
    /// TLS over another link.
    Tls(Box<TlsStream<Link>>),
    /// A link preceded by bytes that were read too early.
    Ahead(Box<Ahead>),
}

/// Bytes that were read before the link had a reader, and the link.
pub(crate) struct Ahead {
    bytes: Bytes,
    link: Link,
}

impl Link {
    /// Returns the link with `bytes` before what it still receives.
    pub(super) fn behind(self, bytes: Vec<u8>) -> Link {
        match bytes.is_empty() {
            true => self,
            false => Link::Ahead(Box::new(Ahead { bytes: bytes.into(), link: self })),
        }
    }

    pub(crate) fn tcp(&mut self) -> &mut Tcp {
        match self {
            Link::Plain(tcp) => tcp,
            Link::Tls(stream) => stream.get_mut().0.tcp(),
            Link::Ahead(ahead) => ahead.link.tcp(),
        }
    }
}

macro_rules! delegate {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Link::Plain($stream) => $call,
            Link::Tls($stream) => $call,
            Link::Ahead(ahead) => {
                let $stream = &mut ahead.link;
                $call
            }
        }
    };
}

impl AsyncRead for Link {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Link::Ahead(ahead) = &mut *self
            && !ahead.bytes.is_empty()
        {
            let count = ahead.bytes.len().min(buffer.remaining());
            buffer.put_slice(&ahead.bytes.split_to(count));
            return Poll::Ready(Ok(()));
        }
        delegate!(self, stream => Pin::new(stream).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Link {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        delegate!(self, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
