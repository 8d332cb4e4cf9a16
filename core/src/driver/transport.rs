//! From a host to an open WebSocket: name look-up, TCP, TLS, upgrade. The only file that knows the WebSocket crate.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{Sink, Stream as _};
use rustls::crypto::SecureRandom;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Bytes, Message};

use super::tcp::Tcp;
use crate::auth::Auth;
use crate::error::{Error, ErrorKind, Result};
use crate::proto::Text;
use crate::proto::frame::Frame;
use crate::topic::Host;

/// The longest head of a response, and the longest error page, that is read.
const MAX_RESPONSE: usize = 64 * 1024;

pub(crate) const USER_AGENT: &str = concat!("stargate/", env!("CARGO_PKG_VERSION"));

/// How to reach a server and be let in.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
    pub(crate) auth: Auth,
    pub(crate) timeout: Duration,
    pub(crate) max_frame_bytes: usize,
}

/// A TCP connection, encrypted or not.
pub(crate) enum Link {
    Plain(Tcp),
    Tls(Box<TlsStream<Tcp>>),
}

impl Link {
    fn tcp(&mut self) -> &mut Tcp {
        match self {
            Link::Plain(tcp) => tcp,
            Link::Tls(stream) => stream.get_mut().0,
        }
    }
}

macro_rules! delegate {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Link::Plain($stream) => $call,
            Link::Tls($stream) => $call,
        }
    };
}

impl AsyncRead for Link {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
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

/// What a socket gives to the driver.
pub(crate) enum Incoming {
    Text(Text),
    Pong,
    /// A binary frame, which is not part of the protocol.
    Malformed(Error),
    /// A ping, which is answered by itself.
    Other,
    /// The connection has ended, for this reason.
    End(Error),
}

/// How much waits before it is written, and before no more is taken.
const FULL: usize = 128 * 1024;

/// The connection as the WebSocket crate has it: what that writes (pongs, pings, the close frame) joins the text frames
/// in one buffer, whole frames in one order, and goes out with them.
///
/// Text frames are written into the buffer here, base64 and mask in place. Through the crate each would be a text of its
/// own first, copied into a buffer like this one; see docs/PERFORMANCE.md.
struct Pipe {
    link: Link,
    out: Vec<u8>,
    /// How much of `out` is written.
    sent: usize,
    masks: Masks,
}

impl Pipe {
    fn new(link: Link) -> Pipe {
        let random = rustls::crypto::ring::default_provider().secure_random;
        Pipe { link, out: Vec::new(), sent: 0, masks: Masks { random, pool: Vec::new() } }
    }

    /// Appends a text frame, masked as a client has to (RFC 6455, 5.2 and 5.3).
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

    /// Writes all that waits.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.out.len() {
            match ready!(Pin::new(&mut self.link).poll_write(cx, &self.out[self.sent..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.sent += written,
            }
        }
        self.out.clear();
        self.sent = 0;
        // One large message is no reason to keep its room.
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

/// Keys for masks, which must not be predictable: taken from the system's randomness, many at a time.
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

impl AsyncRead for Pipe {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.link).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Pipe {
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
pub(crate) struct Socket(WebSocketStream<Pipe>);

impl Socket {
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        Pin::new(&mut self.0).poll_next(cx).map(|next| match next {
            Some(Ok(Message::Text(text))) => Incoming::Text(text),
            Some(Ok(Message::Pong(_))) => Incoming::Pong,
            Some(Ok(Message::Binary(bytes))) => Incoming::Malformed(Error::new(
                ErrorKind::Protocol,
                format!("expected text, got a binary frame of {} bytes", bytes.len()),
            )),
            Some(Ok(Message::Close(frame))) => Incoming::End(closed(frame)),
            Some(Ok(_)) => Incoming::Other,
            Some(Err(error)) => Incoming::End(broken(error)),
            None => Incoming::End(closed(None)),
        })
    }

    /// In a rest, nobody is to be woken for what arrives until it is so many bytes.
    pub(crate) fn rest(&mut self, plenty: Option<usize>) {
        self.0.get_mut().link.tcp().rest(plenty);
    }

    /// Whether it is; if not, `cx` is woken when it is.
    pub(crate) fn has_plenty(&mut self, cx: &mut Context<'_>) -> bool {
        self.0.get_mut().link.tcp().has_plenty(cx)
    }

    /// Whether there is room for one more frame.
    pub(crate) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let pipe = self.0.get_mut();
        if pipe.out.len() - pipe.sent < FULL {
            return Poll::Ready(Ok(()));
        }
        pipe.poll_drain(cx).map_err(|error| broken(error.into()))
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
        self.push(Message::Close(Some(CloseFrame { code: CloseCode::Normal, reason: Text::from_static("") })))
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx).map_err(broken)
    }
}

fn closed(frame: Option<CloseFrame>) -> Error {
    let Some(frame) = frame else {
        return Error::new(ErrorKind::Connect, "the server ended the connection without a close frame");
    };
    let code = u16::from(frame.code);
    let hint = match code {
        1001 => " (an idle connection, or a server that shuts down)",
        1009 => " (a message over the server's limit)",
        _ => "",
    };
    let reason = frame.reason.as_str();
    Error::new(ErrorKind::Connect, format!("the server closed the connection ({code}){hint}: {reason}"))
        .with_broker_text(reason)
        .with_close_code(code)
}

fn broken(error: tungstenite::Error) -> Error {
    use tungstenite::Error as Ws;
    match error {
        Ws::ConnectionClosed | Ws::AlreadyClosed => closed(None),
        Ws::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => closed(None),
        Ws::Io(error) => io_error("the connection broke", error),
        Ws::Capacity(error) => Error::new(
            ErrorKind::Protocol,
            "the server sent a frame over the limit of this client (option max_frame_bytes)",
        )
        .caused_by(error),
        other => Error::new(ErrorKind::Protocol, "the connection broke").caused_by(other),
    }
}

/// TLS hides its errors in those of input and output; one about certificates is a question of identity.
fn io_error(what: &str, error: io::Error) -> Error {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(why)) => Error::new(
            ErrorKind::Authentication,
            format!("the server's certificate is not accepted: {why:?} (option tls_ca_file names the CA to trust)"),
        ),
        Some(rustls::Error::AlertReceived(alert)) => Error::new(
            ErrorKind::Authentication,
            format!("the server ended the TLS handshake with {alert:?}: does it accept the client's certificate?"),
        ),
        Some(rustls::Error::InvalidMessage(_)) => {
            Error::new(ErrorKind::Connect, format!("{what}: is it the port for wss://?")).caused_by(error)
        }
        _ => Error::new(ErrorKind::Connect, what).caused_by(error),
    }
}

async fn reach(host: &Host, tls: Option<&Arc<rustls::ClientConfig>>) -> Result<Link> {
    let failed = |error| io_error(&format!("{host} could not be reached"), error);
    let tcp = tokio::net::TcpStream::connect((host.name.as_str(), host.port)).await.map_err(failed)?;
    tcp.set_nodelay(true).map_err(failed)?;
    let tcp = Tcp::new(tcp);
    let Some(config) = tls else { return Ok(Link::Plain(tcp)) };
    let name = ServerName::try_from(host.name.clone())
        .map_err(|error| Error::invalid(format!("{host}: not a name that a certificate can have")).caused_by(error))?;
    let stream = TlsConnector::from(config.clone())
        .connect(name, tcp)
        .await
        .map_err(|error| io_error(&format!("no TLS with {host}"), error))?;
    Ok(Link::Tls(Box::new(stream)))
}

async fn within<T>(limit: Duration, host: &Host, work: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(outcome) => outcome,
        Err(_) => {
            let late = format!("{host} did not answer within {limit:?} (option connect_timeout)");
            Err(Error::new(ErrorKind::Timeout, late))
        }
    }
}

/// Opens a WebSocket to `path` (query included) on `host`.
pub(crate) async fn connect(host: Host, path: String, access: Access) -> Result<Socket> {
    let upgrade = async {
        let authorization = access.auth.header().await?;
        let mut link = reach(&host, access.tls.as_ref()).await?;
        let key = generate_key();
        let mut request = request_head(&path, &host, authorization.as_deref());
        request.push_str("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
        request.push_str(&format!("Sec-WebSocket-Key: {key}\r\n\r\n"));
        let (head, rest) = exchange(&mut link, &request, &host).await?;
        if head.status != 101 {
            let body = read_body(&mut link, &head, rest).await;
            return Err(refused(head.status, &String::from_utf8_lossy(&body), access.auth.explain(head.status)));
        }
        if head.accept.as_deref() != Some(derive_accept_key(key.as_bytes()).as_str()) {
            let wrong = format!("{host} answered the WebSocket upgrade without the right Sec-WebSocket-Accept");
            return Err(Error::new(ErrorKind::Protocol, wrong));
        }
        let config = WebSocketConfig::default()
            .read_buffer_size(32 * 1024)
            .max_message_size(Some(access.max_frame_bytes))
            .max_frame_size(Some(access.max_frame_bytes));
        Ok(Socket(WebSocketStream::from_partially_read(Pipe::new(link), rest, Role::Client, Some(config)).await))
    };
    within(access.timeout, &host, upgrade).await
}

/// Opens a connection to `host` without asking for anything yet.
pub(crate) async fn open(host: &Host, access: &Access) -> Result<Link> {
    within(access.timeout, host, reach(host, access.tls.as_ref())).await
}

fn request_head(path: &str, host: &Host, authorization: Option<&str>) -> String {
    let mut head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {USER_AGENT}\r\n");
    if let Some(value) = authorization {
        head.push_str(&format!("Authorization: {value}\r\n"));
    }
    head
}

struct Head {
    status: u16,
    accept: Option<String>,
    content_length: Option<usize>,
}

/// Writes the request and reads the head of the response, and whatever came with it.
async fn exchange(link: &mut Link, request: &str, host: &Host) -> Result<(Head, Vec<u8>)> {
    let failed = |error| io_error(&format!("{host} broke off during the upgrade"), error);
    link.write_all(request.as_bytes()).await.map_err(failed)?;
    link.flush().await.map_err(failed)?;
    let not_http = || Error::new(ErrorKind::Protocol, format!("{host} does not speak HTTP: is it the HTTP port?"));
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let read = link.read_buf(&mut buffer).await.map_err(failed)?;
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        match response.parse(&buffer) {
            Ok(httparse::Status::Complete(length)) => {
                let header = |name: &str| {
                    let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
                    found.and_then(|header| std::str::from_utf8(header.value).ok()).map(str::trim).map(str::to_owned)
                };
                let head = Head {
                    status: response.code.unwrap_or(0),
                    accept: header("sec-websocket-accept"),
                    content_length: header("content-length").and_then(|length| length.parse().ok()),
                };
                return Ok((head, buffer.split_off(length)));
            }
            Ok(httparse::Status::Partial) if read > 0 && buffer.len() < MAX_RESPONSE => {}
            Ok(httparse::Status::Partial) if read == 0 => {
                let cut = format!("{host} ended the connection during the upgrade: is it the HTTP port?");
                return Err(Error::new(ErrorKind::Connect, cut));
            }
            _ => return Err(not_http()),
        }
    }
}

/// The body, as far as it comes; an error page that is cut off is better than none.
async fn read_body(link: &mut Link, head: &Head, mut body: Vec<u8>) -> Vec<u8> {
    let wanted = head.content_length.unwrap_or(MAX_RESPONSE).min(MAX_RESPONSE);
    while body.len() < wanted {
        match tokio::time::timeout(Duration::from_secs(5), link.read_buf(&mut body)).await {
            Ok(Ok(read)) if read > 0 => {}
            _ => break,
        }
    }
    body
}

/// The error of an upgrade that was not answered with 101.
pub(crate) fn refused(status: u16, page: &str, explanation: &str) -> Error {
    let reason = page_message(page);
    let kind = match status {
        400 => ErrorKind::InvalidArgument,
        401 => ErrorKind::Authentication,
        403 => ErrorKind::Authorization,
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Busy,
        // Readers answer 500 to everything, and a terminated topic is a 503: only the text tells.
        _ if reason.contains("TopicTerminated") => ErrorKind::TopicTerminated,
        _ if reason.contains("not found") || reason.contains("NotFound") => ErrorKind::NotFound,
        _ => ErrorKind::Broker,
    };
    // The broker's own sentence is inside a JSON-like text inside the page.
    let sentence = reason
        .split_once("\"errorMsg\":\"")
        .and_then(|(_, rest)| rest.split_once("\",").or_else(|| rest.split_once('"')))
        .map_or(reason.as_str(), |(sentence, _)| sentence);
    let sentence = if sentence.is_empty() { "no reason given" } else { sentence };
    Error::new(kind, format!("the server refused the connection ({status}): {sentence}{explanation}"))
        .with_http_status(status)
        .with_broker_text(reason)
}

/// The message in Jetty's error page.
pub(crate) fn page_message(page: &str) -> String {
    let cell = page.split_once("<th>MESSAGE:</th><td>").and_then(|(_, rest)| rest.split_once("</td>"));
    let title = || page.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    let text = cell.or_else(title).map_or("", |(text, _)| text);
    let entities = [("&quot;", "\""), ("&apos;", "'"), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
    entities.iter().fold(text.trim().to_owned(), |text, (entity, character)| text.replace(entity, character))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;
    use tokio_tungstenite::tungstenite::WebSocket;

    use super::*;
    use crate::message::Outgoing;
    use crate::proto::frame::OpenFrame;

    /// Frames written here, as the WebSocket crate reads them on the side of a server.
    #[test]
    fn what_is_written_is_what_a_server_reads() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_nonblocking(true).unwrap();
        let mut pipe = {
            let _inside = runtime.enter();
            Pipe::new(Link::Plain(Tcp::new(TcpStream::from_std(client).unwrap())))
        };
        // The lengths around which the header changes, and a large one that the socket does not take at once.
        let texts: Vec<String> = [0, 40, 60, 63, 64, 90, 1_000, 49_000, 49_107, 49_110, 70_000, 900_000]
            .iter()
            .map(|payload| {
                let message = Outgoing::new(vec![7; *payload]).key("k\u{e9}");
                let open = OpenFrame::encode(message, 2_000_000).unwrap();
                let frame = open.close(12);
                pipe.push(&frame).unwrap();
                frame.text()
            })
            .collect();
        assert!(texts.iter().any(|text| text.len() < 126) && texts.iter().any(|text| text.len() > 65_535));
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut socket = WebSocket::from_raw_socket(stream, Role::Server, None);
            texts.iter().all(|text| matches!(socket.read().unwrap(), Message::Text(read) if read.as_str() == text))
        });
        runtime.block_on(std::future::poll_fn(|cx| pipe.poll_drain(cx))).unwrap();
        assert!(server.join().unwrap());
        assert!(pipe.out.is_empty() && pipe.out.capacity() <= 2 * FULL);
    }

    #[test]
    fn masks_are_not_repeated() {
        let random = rustls::crypto::ring::default_provider().secure_random;
        let mut masks = Masks { random, pool: Vec::new() };
        let taken: std::collections::HashSet<_> = (0..1_000).map(|_| masks.next().unwrap()).collect();
        // Two of a thousand numbers of 32 bits are alike once in eight thousand times.
        assert!(taken.len() >= 998);
    }

    fn page(status: u16, message: &str) -> String {
        format!(
            "<html><head><title>Error {status} {message}</title></head><body>\
             <tr><th>MESSAGE:</th><td>{message}</td></tr></body></html>"
        )
    }

    #[test]
    fn refusals_have_the_kind_of_their_status_and_the_brokers_sentence() {
        let text = "Failed to create producer/consumer: {&quot;errorMsg&quot;:&quot;Exclusive consumer is already \
                    connected&quot;,&quot;reqId&quot;:1, &quot;remote&quot;:&quot;x&quot;}";
        let error = refused(409, &page(409, text), "");
        assert_eq!((error.kind(), error.http_status()), (ErrorKind::Busy, Some(409)));
        assert_eq!(
            error.to_string(),
            "the server refused the connection (409): Exclusive consumer is already connected"
        );
        assert!(error.broker_text().unwrap().contains("\"reqId\":1"));
    }

    #[test]
    fn a_readers_500_and_a_producers_503_are_told_apart_by_their_text() {
        let missing = "Failed to create reader: {&quot;errorMsg&quot;:&quot;Namespace not found&quot;}";
        assert_eq!(refused(500, &page(500, missing), "").kind(), ErrorKind::NotFound);
        let terminated = "BrokerServiceException$TopicTerminatedException: Topic was already terminated";
        assert_eq!(refused(503, &page(503, terminated), "").kind(), ErrorKind::TopicTerminated);
        assert_eq!(refused(503, "", "").kind(), ErrorKind::Broker);
    }

    #[test]
    fn a_page_of_another_shape_still_gives_its_title() {
        assert_eq!(page_message("<title>Error 401 Unauthorized</title>"), "Error 401 Unauthorized");
        assert_eq!(page_message("gateway down"), "");
    }
}
