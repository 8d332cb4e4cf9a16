//! An open WebSocket. Beyond the upgrade, this is the only file that uses the WebSocket crate.
//!
//! Unfragmented text frames, the hot path, bypass the crate in both directions. The receive buffer parses them and the
//! send buffer takes them, without a copy in between (see docs/performance-notes.md). So do compressed messages, of
//! which the crate knows nothing. The crate handles everything else, including violations of the protocol.

use std::borrow::Cow;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::{Sink, Stream as _};
use rustls::crypto::SecureRandom;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Bytes, Message, Utf8Bytes};

use super::deflate::Deflate;
use super::recv_buffer::{Next, RecvBuffer};
use crate::error::{Error, ErrorKind, Result};
use crate::net::link::Link;
use crate::net::tls_errors::io_error;
use crate::proto::frame::Frame;
use crate::stats::Counters;

/// What a socket returns to the driver.
pub(crate) enum Incoming<'a> {
    Text {
        text: Cow<'a, str>,
        /// How many bytes of payload carried it.
        carried: usize,
    },
    Pong,
    /// A binary message, which is not part of the protocol.
    Malformed(Error),
    /// A ping, which the socket answers by itself.
    Other,
    /// The connection has ended, for this reason.
    End(Error),
}

/// How many bytes are buffered before a write, and before the socket accepts no more.
const FULL: usize = 128 * 1024;

/// The first byte of a frame that is the last and only part of a text, and the bit that means that it is compressed.
const TEXT: u8 = 0x81;
const DEFLATED: u8 = 0x40;

/// The connection as the WebSocket crate sees it. The crate reads the bytes that are passed through to it. What it
/// writes (pongs, pings, the close frame) joins the text frames in one buffer, in order and as whole frames.
struct FramedIo<L> {
    link: L,
    recv: RecvBuffer,
    out: Vec<u8>,
    /// How many bytes of `out` have been written.
    sent: usize,
    masks: Masks,
    /// Compresses messages, if that was negotiated.
    deflate: Option<Box<Deflate>>,
    /// A text before its compression.
    text: Vec<u8>,
    /// The counters of the handle whose connection it is.
    counters: Arc<Counters>,
}

impl<L: AsyncRead + AsyncWrite + Unpin> FramedIo<L> {
    fn new(link: L, recv: RecvBuffer, deflate: Option<Box<Deflate>>) -> FramedIo<L> {
        let random = rustls::crypto::ring::default_provider().secure_random;
        let masks = Masks { random, pool: Vec::new() };
        FramedIo { link, recv, out: Vec::new(), sent: 0, masks, deflate, text: Vec::new(), counters: Arc::default() }
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
        self.counters.wire_received_bytes.add(bytes as u64);
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
        if self.push_deflated(frame, length, mask) {
            return Ok(());
        }
        self.out.reserve(14 + length);
        self.push_header(TEXT, length, mask);
        let start = self.out.len();
        frame.write(&mut self.out);
        debug_assert_eq!(self.out.len() - start, length);
        apply_mask(&mut self.out[start..], mask);
        Ok(())
    }

    /// Appends a compressed text frame. Returns false, and appends nothing, if the text is sent as it is.
    fn push_deflated(&mut self, frame: &Frame<'_>, length: usize, mask: [u8; 4]) -> bool {
        let Some(deflate) = self.deflate.as_mut().filter(|deflate| deflate.deflater.applies_to(length)) else {
            return false;
        };
        self.text.clear();
        frame.write(&mut self.text);
        let mut deflated = Vec::with_capacity(length / 2);
        if !deflate.deflater.deflate(&self.text, &mut deflated) {
            return false;
        }
        self.push_header(TEXT | DEFLATED, deflated.len(), mask);
        let start = self.out.len();
        self.out.extend_from_slice(&deflated);
        apply_mask(&mut self.out[start..], mask);
        self.text.shrink_to(2 * FULL);
        true
    }

    /// Appends the header of a frame. The highest bit of the length means that the frame is masked.
    fn push_header(&mut self, first: u8, length: usize, mask: [u8; 4]) {
        self.out.push(first);
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
    }

    /// Inflates the payload of a frame. Returns true at the end of its message.
    fn inflate(&mut self, payload: Range<usize>, text: bool, last: bool) -> Result<bool> {
        let payload = self.recv.take_deflated(payload, text, last);
        self.deflate.as_mut().map_or(Ok(false), |deflate| deflate.inflater.inflate(payload, last))
    }

    /// Returns the message that has just been inflated.
    fn inflated(&mut self, text: bool, carried: usize) -> Incoming<'_> {
        let message = self.deflate.as_mut().map_or(&[][..], |deflate| deflate.inflater.message());
        match std::str::from_utf8(message) {
            _ if !text => binary(message.len()),
            Ok(text) => Incoming::Text { text: text.into(), carried },
            Err(error) => Incoming::End(broken(error.into())),
        }
    }

    /// Writes everything buffered.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.out.len() {
            match ready!(Pin::new(&mut self.link).poll_write(cx, &self.out[self.sent..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => {
                    self.sent += written;
                    self.counters.wire_sent_bytes.add(written as u64);
                }
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
    pub(crate) async fn new(link: L, arrived: Vec<u8>, max_frame_bytes: usize, deflate: Option<Deflate>) -> Socket<L> {
        // For the frames that pass through: pings, pongs and the fragments of a large message.
        let config = WebSocketConfig::default()
            .read_buffer_size(4 * 1024)
            .max_message_size(Some(max_frame_bytes))
            .max_frame_size(Some(max_frame_bytes));
        let recv = RecvBuffer::new(arrived, max_frame_bytes, deflate.is_some());
        let framed = FramedIo::new(link, recv, deflate.map(Box::new));
        Socket(WebSocketStream::from_raw_socket(framed, Role::Client, Some(config)).await)
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Incoming<'_>> {
        let text = loop {
            match self.0.get_mut().recv.next() {
                Next::Text(text) => break text,
                Next::Deflated { payload, text, last } => {
                    let carried = payload.len();
                    match self.0.get_mut().inflate(payload, text, last) {
                        Ok(true) => return Poll::Ready(self.0.get_mut().inflated(text, carried)),
                        Ok(false) => {}
                        Err(error) => return Poll::Ready(Incoming::End(error)),
                    }
                }
                Next::Interrupted => return Poll::Ready(Incoming::End(interrupted())),
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
        let carried = text.len();
        Poll::Ready(match self.0.get_mut().recv.take_text(text) {
            Ok(text) => Incoming::Text { text: text.into(), carried },
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

    /// Returns whether the server agreed to compression.
    pub(crate) fn deflates(&self) -> bool {
        self.0.get_ref().deflate.is_some()
    }

    /// Counts the bytes of the connection in the counters of a handle from now on.
    pub(crate) fn count_in(&mut self, counters: &Arc<Counters>) {
        self.0.get_mut().counters = counters.clone();
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
        Some(Ok(Message::Text(text))) => Incoming::Text { carried: text.len(), text: text.as_str().to_owned().into() },
        Some(Ok(Message::Pong(_))) => Incoming::Pong,
        Some(Ok(Message::Binary(bytes))) => binary(bytes.len()),
        Some(Ok(Message::Close(frame))) => Incoming::End(closed(frame)),
        Some(Ok(_)) => Incoming::Other,
        Some(Err(error)) => Incoming::End(broken(error)),
        None => Incoming::End(cut_off()),
    }
}

fn binary(bytes: usize) -> Incoming<'static> {
    let text = format!("expected text, got a binary frame of {bytes} bytes");
    Incoming::Malformed(Error::new(ErrorKind::Protocol, text))
}

/// Returns the error for a message that begins within another.
fn interrupted() -> Error {
    Error::new(ErrorKind::Protocol, "the server began a message within a compressed one that it had not ended")
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

/// Entrances for fuzzing.
#[cfg(feature = "fuzzing")]
pub(crate) mod heard {
    use std::task::Waker;

    use tokio::io::{Join, Sink, join, sink};

    use super::*;

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
            Incoming::Text { text, .. } => {
                assert!(text.len() <= LIMIT);
                format!("text {text}")
            }
            Incoming::Pong => "pong".to_owned(),
            Incoming::Other => "other".to_owned(),
            // The crate alone replaces a code that is not allowed with its own.
            Incoming::End(error) if replaced(&error) => "closed with a code that is not allowed".to_owned(),
            Incoming::Malformed(error) | Incoming::End(error) => format!("{error:?}"),
        });
        ends
    }

    type Link<'a> = Join<Pieces<'a>, Sink>;

    fn link(bytes: &[u8], piece: usize) -> Link<'_> {
        join(Pieces(bytes, piece.max(1), false), sink())
    }

    /// Returns what this file reads from a server's bytes, in pieces of at most `piece`.
    pub(crate) fn here(bytes: &[u8], piece: usize, deflate: Option<Deflate>) -> Vec<String> {
        let mut opening = Box::pin(Socket::<Link<'_>>::new(link(bytes, piece), Vec::new(), LIMIT, deflate));
        let mut socket = until_ready(|cx| opening.as_mut().poll(cx));
        let mut heard = Vec::new();
        while !until_ready(|cx| socket.poll_next(cx).map(|incoming| note(&mut heard, incoming))) {}
        heard
    }

    /// Returns what the crate alone reads.
    pub(crate) fn alone(bytes: &[u8], piece: usize) -> Vec<String> {
        let config = WebSocketConfig::default().max_message_size(Some(LIMIT)).max_frame_size(Some(LIMIT));
        let mut opening = Box::pin(WebSocketStream::from_raw_socket(link(bytes, piece), Role::Client, Some(config)));
        let mut socket = until_ready(|cx| opening.as_mut().poll(cx));
        let mut heard = Vec::new();
        while !note(&mut heard, incoming(until_ready(|cx| Pin::new(&mut socket).poll_next(cx)))) {}
        heard
    }

    /// Returns what a connection agrees on that compresses, each message by itself or not.
    pub(crate) fn agreed(reset: bool) -> Deflate {
        Deflate::agreed(reset, LIMIT)
    }

    /// Returns the texts as frames of a server that compresses, each in parts of at most `part` bytes, with pings between.
    pub(crate) fn frames(texts: &[&str], part: usize, reset: bool) -> Vec<u8> {
        let Deflate { mut deflater, .. } = agreed(reset);
        let mut bytes = Vec::new();
        for text in texts {
            let mut deflated = Vec::new();
            let compressed = deflater.deflate(text.as_bytes(), &mut deflated);
            let payload = if compressed { &deflated } else { text.as_bytes() };
            let mut first = if compressed { 0x41 } else { 0x01 };
            let mut parts = payload.chunks(part.clamp(1, 125)).peekable();
            while let Some(part) = parts.next() {
                let last = if parts.peek().is_none() { 0x80 } else { 0 };
                bytes.extend_from_slice(&[first | last, part.len() as u8]);
                bytes.extend_from_slice(part);
                bytes.extend_from_slice(&[0x89, 0]);
                first = 0;
            }
        }
        bytes
    }
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
            let link = Link::Plain(Tcp::new(TcpStream::from_std(client).unwrap()));
            FramedIo::new(link, RecvBuffer::new(Vec::new(), 0, false), None)
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
