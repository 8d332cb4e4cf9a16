//! A TCP socket that can be told not to announce every packet.

use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// So much is announced in a rest as well, which grows the socket's buffer to twice that if it was smaller.
#[cfg(target_os = "linux")]
const PLENTY: libc::c_int = 128 * 1024;

pub(crate) struct Tcp {
    stream: TcpStream,
    /// There may be something to read of which the runtime was not told.
    rests: bool,
}

impl Tcp {
    pub(crate) fn new(stream: TcpStream) -> Tcp {
        Tcp { stream, rests: false }
    }

    /// In a rest the system announces nothing that arrives, unless it is plenty; whoever reads finds it all the same.
    pub(crate) fn rest(&mut self, rests: bool) {
        if std::mem::replace(&mut self.rests, rests) == rests {
            return;
        }
        #[cfg(target_os = "linux")]
        {
            use std::os::fd::AsRawFd;
            let mark = if rests { PLENTY } else { 1 };
            // SAFETY: the descriptor is open, and the option takes an int of this length.
            unsafe {
                libc::setsockopt(
                    self.stream.as_raw_fd(),
                    libc::SOL_SOCKET,
                    libc::SO_RCVLOWAT,
                    (&raw const mark).cast(),
                    size_of::<libc::c_int>() as libc::socklen_t,
                );
            }
        }
    }
}

impl AsyncRead for Tcp {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.rests {
            match (&*SockRef::from(&self.stream)).read(buffer.initialize_unfilled()) {
                Ok(read) => {
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

// No vectored writes: Rust makes them with writev, which has no MSG_NOSIGNAL, and a program in C may die of the SIGPIPE.
impl AsyncWrite for Tcp {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
