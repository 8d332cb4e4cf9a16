//! A TCP socket that can be configured not to notify the driver of every packet.

use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

pub(crate) struct Tcp {
    stream: TcpStream,
    /// SO_RCVLOWAT: how many bytes must arrive before the kernel reports them. Above one, there may be readable bytes
    /// that the runtime is not aware of.
    low_water: usize,
}

impl Tcp {
    pub(crate) fn new(stream: TcpStream) -> Tcp {
        Tcp { stream, low_water: 1 }
    }

    /// Sets how many bytes must arrive before the kernel reports them; `None` for any. A read returns fewer bytes as
    /// well.
    pub(crate) fn set_recv_low_water(&mut self, low_water: Option<usize>) {
        // A power of two, so that it rarely changes.
        let low_water = low_water.map_or(1, |bytes| 1 << bytes.max(1).ilog2());
        if std::mem::replace(&mut self.low_water, low_water) == low_water {
            return;
        }
        #[cfg(target_os = "linux")]
        {
            use std::os::fd::AsRawFd;
            let low_water = libc::c_int::try_from(low_water).unwrap_or(libc::c_int::MAX);
            // SAFETY: the descriptor is open, and the option takes an int of this length.
            unsafe {
                libc::setsockopt(
                    self.stream.as_raw_fd(),
                    libc::SOL_SOCKET,
                    libc::SO_RCVLOWAT,
                    (&raw const low_water).cast(),
                    size_of::<libc::c_int>() as libc::socklen_t,
                );
            }
        }
    }

    /// Returns ready when that many bytes have arrived; never where the system has no low-water mark.
    pub(crate) fn poll_low_water(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if cfg!(target_os = "linux") { self.stream.poll_read_ready(cx).map(drop) } else { Poll::Pending }
    }
}

impl AsyncRead for Tcp {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let announced = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if announced.is_ready() || self.low_water == 1 {
            return announced;
        }
        match (&*SockRef::from(&self.stream)).read(buffer.initialize_unfilled()) {
            Ok(read) => {
                buffer.advance(read);
                Poll::Ready(Ok(()))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

// No vectored writes: Rust uses writev for them, which lacks MSG_NOSIGNAL, and the SIGPIPE may end a C program.
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;
    use std::time::Duration;

    use tokio::io::AsyncReadExt;
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    async fn arrived(tcp: &mut Tcp) {
        poll_fn(|cx| tcp.poll_low_water(cx)).await;
    }

    #[tokio::test]
    async fn below_the_mark_bytes_are_read_without_being_announced() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut tcp = Tcp::new(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
        let (mut server, _) = listener.accept().unwrap();
        let mut bytes = [0; 10_000];
        // The initial readiness that the runtime assumes.
        let nothing = poll_fn(|cx| Poll::Ready(Pin::new(&mut tcp).poll_read(cx, &mut ReadBuf::new(&mut bytes)))).await;
        assert!(nothing.is_pending());

        tcp.set_recv_low_water(Some(5_000));
        server.write_all(&[1; 100]).unwrap();
        assert!(timeout(SOON, arrived(&mut tcp)).await.is_err(), "100 bytes are little");
        assert_eq!(tcp.read(&mut bytes).await.unwrap(), 100);

        server.write_all(&[1; 6_000]).unwrap();
        arrived(&mut tcp).await;
        assert_eq!(tcp.read(&mut bytes).await.unwrap(), 6_000);

        // The kernel reports bytes below the mark when the mark is lowered.
        server.write_all(&[1; 100]).unwrap();
        assert!(timeout(SOON, arrived(&mut tcp)).await.is_err());
        tcp.set_recv_low_water(None);
        assert_eq!(tcp.read(&mut bytes).await.unwrap(), 100);
    }
}
