//! A TCP socket whose writes raise no SIGPIPE. Rust programs ignore that signal, but it ends a C program that contains
//! the mock. The standard library writes with MSG_NOSIGNAL, except for vectored writes, so the mock uses none.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

pub(super) struct Socket(TcpStream);

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Socket {
        // without it, small frames wait for the client's delayed acknowledgement
        let _ = stream.set_nodelay(true);
        Socket(stream)
    }

    /// Makes the socket end with a TCP reset.
    pub(super) fn reset_at_end(&self) {
        // if the option cannot be set, the connection still ends
        let _ = self.0.set_zero_linger();
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

/// `poll_write_vectored` is the trait's default, which calls `poll_write`.
impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// A TCP or TLS stream.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {
    /// Ends the connection with a TCP reset.
    fn reset(self: Box<Self>);
}

impl Io for Socket {
    fn reset(self: Box<Self>) {
        self.reset_at_end();
    }
}

impl Io for TlsStream<Socket> {
    fn reset(self: Box<Self>) {
        self.get_ref().0.reset_at_end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_written_in_parts() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        assert!(stream.is_write_vectored(), "then this type is of no use");
        assert!(!Socket::new(stream).is_write_vectored());
    }
}
