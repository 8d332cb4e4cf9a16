//! From a host to an open WebSocket: name look-up, TCP, TLS, upgrade.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::tcp::Tcp;
use super::websocket::Socket;
use crate::auth::Auth;
use crate::error::{Error, ErrorKind, Result};
use crate::options::Options;
use crate::topic::{Host, ServiceUrl};

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

impl Access {
    /// How `options` say that the servers of a URL are reached.
    pub(crate) fn new(url: &ServiceUrl, options: &Options) -> Result<Access> {
        Ok(Access {
            tls: url.is_tls().then(|| crate::tls::client_config(options)).transpose()?,
            auth: Auth::new(options),
            timeout: options.millis("connect_timeout"),
            max_frame_bytes: options.count("max_frame_bytes"),
        })
    }
}

/// A TCP connection, encrypted or not.
pub(crate) enum Link {
    Plain(Tcp),
    Tls(Box<TlsStream<Tcp>>),
}

impl Link {
    pub(super) fn tcp(&mut self) -> &mut Tcp {
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

/// TLS hides its errors in those of input and output; one about certificates is a question of identity.
pub(super) fn io_error(what: &str, error: io::Error) -> Error {
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
        Ok(Socket::new(link, rest, access.max_frame_bytes).await)
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
    use super::*;

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
