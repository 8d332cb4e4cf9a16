//! An open WebSocket. Beyond the upgrade, this is the only file that uses the WebSocket crate.
//!
//! Unfragmented text frames, the hot path, bypass the crate in both directions. The receive buffer parses them and the
//! send buffer takes them, without a copy in between (see docs/performance-notes.md). The crate handles everything
//! else, including violations of the protocol.

use std::borrow::Cow;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::{Sink, Stream as _};
use rustls::crypto::SecureRandom;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Bytes, Message, Utf8Bytes};

use super::recv_buffer::{Next, RecvBuffer};
use crate::error::{Error, ErrorKind, Result};
use crate::net::link::Link;
use crate::net::tls_errors::io_error;
use crate::proto::frame::Frame;

/// What a socket returns to the driver.
pub(crate) enum Incoming<'a> {
    Text(Cow<'a, str>),
    Pong,
    /// A binary frame, which is not part of the protocol.
    Malformed(Error),
    /// A ping, which the socket answers by itself.
    Other,
    /// The connection has ended, for this reason.
    End(Error),
}

/// How many bytes are buffered before a write, and before the socket accepts no more.
const FULL: usize = 128 * 1024;

/// The connection as the WebSocket crate sees it. The crate reads the bytes that are passed through to it. What it
/// writes (pongs, pings, the close frame) joins the text frames in one buffer, in order and as whole frames.
struct FramedIo<L> {
    link: L,
    recv: RecvBuffer,
    out: Vec<u8>,
    /// How many bytes of `out` have been written.
    sent: usize,
    masks: Masks,
}

impl<L: AsyncRead + AsyncWrite + Unpin> FramedIo<L> {
    fn new(link: L, recv: RecvBuffer) -> FramedIo<L> {
        let random = rustls::crypto::ring::default_provider().secure_random;
        FramedIo { link, recv, out: Vec::new(), sent: 0, masks: Masks { random, pool: Vec::new() } }
    }

    /// Reads more of what arrives; returns false at the end of the connection.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut room = ReadBuf::new(self.recv.spare_capacity_mut());
        let Poll::Ready(outcome) = Pin::new(&mut self.link).poll_read(cx, &mut room) else {
            self.recv.shrink();
            return Poll::Pending;
        };
        let bytes = room.filled().len();
        self.recv.advance(bytes);
        Poll::Ready(outcome.map(|()| bytes > 0))
    }

    /// Appends a text frame, masked as a client must (RFC 6455, 5.2 and 5.3).
    fn push(&mut self, frame: &Frame<'_>) -> Result<()> {
        let mask = self.masks.next()?;
        if self.sent > 0 {
            self.out.drain(..self.sent);
            self.sent = 0;
        }
        let length = frame.len();
        self.out.reserve(14 + length);
        self.out.push(0x81); // the last and only part of a text
        // The highest bit: masked.
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(length @ ..126), _) => self.out.push(0x80 | length),
            (_, Ok(length)) => {
                self.out.push(0x80 | 126);
                self.out.extend_from_slice(&length.to_be_bytes());
            }
            _ => {
                self.out.push(0x80 | 127);
                self.out.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        self.out.extend_from_slice(&mask);
        let start = self.out.len();
        frame.write(&mut self.out);
        debug_assert_eq!(self.out.len() - start, length);
        apply_mask(&mut self.out[start..], mask);
        Ok(())
    }

    /// Writes everything buffered.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.out.len() {
            match ready!(Pin::new(&mut self.link).poll_write(cx, &self.out[self.sent..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.sent += written,
            }
        }
        self.out.clear();
        self.sent = 0;
        // Does not retain the capacity that one large message needed.
        self.out.shrink_to(2 * FULL);
        Poll::Ready(Ok(()))
    }
}

fn apply_mask(bytes: &mut [u8], mask: [u8; 4]) {
    let (words, rest) = bytes.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    rest.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
}

/// Keys for masks, which must be unpredictable. They come from the system's randomness, many at a time.
struct Masks {
    random: &'static dyn SecureRandom,
    pool: Vec<u8>,
}

impl Masks {
    fn next(&mut self) -> Result<[u8; 4]> {
        if self.pool.is_empty() {
            self.pool.resize(512, 0);
            let failed = |_| Error::new(ErrorKind::Internal, "the system gives no random numbers");
            self.random.fill(&mut self.pool).map_err(failed)?;
        }
        let at = self.pool.len() - 4;
        let mut mask = [0; 4];
        mask.copy_from_slice(&self.pool[at..]);
        self.pool.truncate(at);
        Ok(mask)
    }
}

impl<L: AsyncRead + AsyncWrite + Unpin> AsyncRead for FramedIo<L> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.recv.next() != Next::Passthrough {
                return Poll::Pending;
            }
            let copied = self.recv.copy_passthrough(buffer.initialize_unfilled());
            buffer.advance(copied);
            if copied > 0 || !ready!(self.poll_fill(cx))? {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<L: AsyncRead + AsyncWrite + Unpin> AsyncWrite for FramedIo<L> {
    fn poll_write(mut self: Pin<&mut Self>, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.out.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.link).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.link).poll_shutdown(cx)
    }
}

/// An open WebSocket.
pub(crate) struct Socket<L = Link>(WebSocketStream<FramedIo<L>>);

impl<L: AsyncRead + AsyncWrite + Unpin> Socket<L> {
    /// Creates a socket from a connection after the upgrade and the bytes that arrived with the response.
    pub(crate) async fn new(link: L, arrived: Vec<u8>, max_frame_bytes: usize) -> Socket<L> {
        // For the frames that pass through: pings, pongs and the fragments of a large message.
        let config = WebSocketConfig::default()
            .read_buffer_size(4 * 1024)
            .max_message_size(Some(max_frame_bytes))
            .max_frame_size(Some(max_frame_bytes));
        let framed = FramedIo::new(link, RecvBuffer::new(arrived, max_frame_bytes));
        Socket(WebSocketStream::from_raw_socket(framed, Role::Client, Some(config)).await)
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Incoming<'_>> {
        let text = loop {
            match self.0.get_mut().recv.next() {
                Next::Text(text) => break text,
                Next::Passthrough => match self.poll_passthrough(cx) {
                    Poll::Pending if self.0.get_mut().recv.next() != Next::Passthrough => {}
                    next => return next,
                },
                Next::NeedMore => match ready!(self.0.get_mut().poll_fill(cx)) {
                    Ok(true) => {}
                    Ok(false) => return Poll::Ready(Incoming::End(cut_off())),
                    Err(error) => return Poll::Ready(Incoming::End(broken(error.into()))),
                },
            }
        };
        Poll::Ready(match self.0.get_mut().recv.take_text(text) {
            Ok(text) => Incoming::Text(text.into()),
            Err(error) => Incoming::End(broken(error.into())),
        })
    }

    /// Returns the next item that is not an unfragmented text.
    fn poll_passthrough(&mut self, cx: &mut Context<'_>) -> Poll<Incoming<'static>> {
        let next = ready!(Pin::new(&mut self.0).poll_next(cx));
        if let (Some(Ok(Message::Close(Some(_)))), Some((code, reason))) = (&next, self.0.get_ref().recv.close_frame())
        {
            return Poll::Ready(Incoming::End(closed_with(code, &reason)));
        }
        Poll::Ready(incoming(next))
    }

    /// Returns ready when the send buffer has room for one more frame.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let framed = self.0.get_mut();
        if framed.out.len() - framed.sent < FULL {
            return Poll::Ready(Ok(()));
        }
        framed.poll_drain(cx).map_err(|error| broken(error.into()))
    }

    pub(crate) fn push_frame(&mut self, frame: &Frame<'_>) -> Result<()> {
        self.0.get_mut().push(frame)
    }

    fn push(&mut self, message: Message) -> Result<()> {
        Pin::new(&mut self.0).start_send(message).map_err(broken)
    }

    pub(crate) fn push_ping(&mut self) -> Result<()> {
        self.push(Message::Ping(Bytes::new()))
    }

    pub(crate) fn push_close(&mut self) -> Result<()> {
        self.push(Message::Close(Some(CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::from_static("") })))
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx).map_err(broken)
    }
}

impl Socket {
    /// Sets how many bytes must arrive before the socket wakes the driver; `None` for any number.
    pub(crate) fn set_recv_low_water(&mut self, low_water: Option<usize>) {
        self.0.get_mut().link.tcp().set_recv_low_water(low_water);
    }

    /// Returns ready when that many bytes have arrived.
    pub(crate) fn poll_low_water(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.get_mut().link.tcp().poll_low_water(cx)
    }
}

/// Converts what the crate has read.
fn incoming(next: Option<tungstenite::Result<Message>>) -> Incoming<'static> {
    match next {
        Some(Ok(Message::Text(text))) => Incoming::Text(text.as_str().to_owned().into()),
        Some(Ok(Message::Pong(_))) => Incoming::Pong,
        Some(Ok(Message::Binary(bytes))) => Incoming::Malformed(Error::new(
            ErrorKind::Protocol,
            format!("expected text, got a binary frame of {} bytes", bytes.len()),
        )),
        Some(Ok(Message::Close(frame))) => Incoming::End(closed(frame)),
        Some(Ok(_)) => Incoming::Other,
        Some(Err(error)) => Incoming::End(broken(error)),
        None => Incoming::End(cut_off()),
    }
}

/// Returns the error for a connection that ended without a close frame.
fn cut_off() -> Error {
    Error::new(ErrorKind::Connect, "the server ended the connection without a close frame")
}

/// Returns the error for a close frame; `None` is an empty one.
fn closed(frame: Option<CloseFrame>) -> Error {
    match frame {
        Some(frame) => closed_with(frame.code.into(), frame.reason.as_str()),
        None => Error::new(
            ErrorKind::Connect,
            "the server closed the connection with an empty close frame: no code, no reason",
        ),
    }
}

fn closed_with(code: u16, reason: &str) -> Error {
    let hint = match code {
        1001 => " (an idle connection, or a server that shuts down)",
        1009 => " (a message over the server's limit)",
        _ if !CloseCode::from(code).is_allowed() => " (a code that no close frame may carry)",
        _ => "",
    };
    let reason_given = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    Error::new(ErrorKind::Connect, format!("the server closed the connection ({code}){hint}{reason_given}"))
        .with_broker_text(reason)
        .with_close_code(code)
}

fn broken(error: tungstenite::Error) -> Error {
    use tungstenite::Error as Ws;
    match error {
        Ws::ConnectionClosed | Ws::AlreadyClosed => cut_off(),
        Ws::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => cut_off(),
        Ws::Io(error) => io_error("the connection broke", error),
        Ws::Capacity(error) => Error::new(
            ErrorKind::Protocol,
            "the server sent a frame over the limit of this client (option max_frame_bytes)",
        )
        .caused_by(error),
        other => Error::new(ErrorKind::Protocol, "the connection broke").caused_by(other),
    }
}

/// Returns what is read from a server's bytes, in pieces of at most `piece`: by this file, and by the crate alone. For
/// fuzzing.
#[cfg(feature = "fuzzing")]
pub(crate) fn heard(bytes: &[u8], piece: usize) -> [Vec<String>; 2] {
    use std::task::Waker;

    use tokio::io::{Join, Sink, join, sink};

    const LIMIT: usize = 1 << 20;

    /// Bytes in pieces; every second read is pending.
    struct Pieces<'a>(&'a [u8], usize, bool);

    impl AsyncRead for Pieces<'_> {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            self.2 = !self.2;
            if self.2 {
                return Poll::Pending;
            }
            let (piece, rest) = self.0.split_at(self.1.min(self.0.len()).min(buffer.remaining()));
            buffer.put_slice(piece);
            self.0 = rest;
            Poll::Ready(Ok(()))
        }
    }

    fn until_ready<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(outcome) = poll(&mut cx) {
                return outcome;
            }
        }
    }

    fn replaced(error: &Error) -> bool {
        let by_the_crate = error.close_code() == Some(1002) && error.broker_text() == Some("Protocol violation");
        by_the_crate || error.close_code().is_some_and(|code| !CloseCode::from(code).is_allowed())
    }

    /// Records an item; returns true at the end.
    fn note(heard: &mut Vec<String>, incoming: Incoming<'_>) -> bool {
        let ends = matches!(incoming, Incoming::End(_));
        heard.push(match incoming {
            Incoming::Text(text) => format!("text {text}"),
            Incoming::Pong => "pong".to_owned(),
            Incoming::Other => "other".to_owned(),
            // The crate alone replaces a code that is not allowed with its own.
            Incoming::End(error) if replaced(&error) => "closed with a code that is not allowed".to_owned(),
            Incoming::Malformed(error) | Incoming::End(error) => format!("{error:?}"),
        });
        ends
    }

    let link = || join(Pieces(bytes, piece.max(1), false), sink());
    let mut here = Box::pin(Socket::<Join<Pieces<'_>, Sink>>::new(link(), Vec::new(), LIMIT));
    let mut here = until_ready(|cx| here.as_mut().poll(cx));
    let config = WebSocketConfig::default().max_message_size(Some(LIMIT)).max_frame_size(Some(LIMIT));
    let mut alone = Box::pin(WebSocketStream::from_raw_socket(link(), Role::Client, Some(config)));
    let mut alone = until_ready(|cx| alone.as_mut().poll(cx));
    let mut heard = [Vec::new(), Vec::new()];
    while !until_ready(|cx| here.poll_next(cx).map(|incoming| note(&mut heard[0], incoming))) {}
    while !note(&mut heard[1], incoming(until_ready(|cx| Pin::new(&mut alone).poll_next(cx)))) {}
    heard
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;
    use tokio_tungstenite::tungstenite::WebSocket;

    use super::*;
    use crate::message::OutgoingMessage;
    use crate::net::tcp::Tcp;
    use crate::proto::frame::OpenFrame;

    /// Compares frames written here with what the WebSocket crate reads from them as a server.
    #[test]
    fn what_is_written_is_what_a_server_reads() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_nonblocking(true).unwrap();
        let mut framed = {
            let _inside = runtime.enter();
            FramedIo::new(Link::Plain(Tcp::new(TcpStream::from_std(client).unwrap())), RecvBuffer::new(Vec::new(), 0))
        };
        // The lengths around which the header changes, and a large one that the socket does not accept at once.
        let texts: Vec<String> = [0, 40, 60, 63, 64, 90, 1_000, 49_000, 49_107, 49_110, 70_000, 900_000]
            .iter()
            .map(|payload| {
                let message = OutgoingMessage::new(vec![7; *payload]).key("k\u{e9}");
                let open = OpenFrame::encode(message, 2_000_000).unwrap();
                let frame = open.close(12);
                framed.push(&frame).unwrap();
                frame.text()
            })
            .collect();
        assert!(texts.iter().any(|text| text.len() < 126) && texts.iter().any(|text| text.len() > 65_535));
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut socket = WebSocket::from_raw_socket(stream, Role::Server, None);
            texts.iter().all(|text| matches!(socket.read().unwrap(), Message::Text(read) if read.as_str() == text))
        });
        runtime.block_on(std::future::poll_fn(|cx| framed.poll_drain(cx))).unwrap();
        assert!(server.join().unwrap());
        assert!(framed.out.is_empty() && framed.out.capacity() <= 2 * FULL);
    }

    #[test]
    fn masks_are_not_repeated() {
        let random = rustls::crypto::ring::default_provider().secure_random;
        let mut masks = Masks { random, pool: Vec::new() };
        let taken: std::collections::HashSet<_> = (0..1_000).map(|_| masks.next().unwrap()).collect();
        // Two of a thousand 32-bit numbers are equal once in eight thousand runs.
        assert!(taken.len() >= 998);
    }
}
