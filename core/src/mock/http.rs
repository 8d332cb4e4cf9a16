//! HTTP/1.1 by hand, as far as Jetty and a test need it: one request at a time, and Jetty's error pages.

use std::io;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Jetty's limit is 8 KiB; a token in a URL may be longer.
const MAX_HEAD: usize = 64 * 1024;
const MAX_BODY: usize = 8 * 1024 * 1024;

pub(super) struct Request {
    pub(super) method: String,
    /// The path as received, with its escapes.
    pub(super) path: String,
    /// Decoded. The first of duplicate parameters counts.
    pub(super) query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) keep_alive: bool,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn header_has(&self, name: &str, token: &str) -> bool {
        self.header(name).is_some_and(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
    }
}

/// Why no request could be read.
pub(super) enum Unread {
    /// The client closed the connection, or the socket failed.
    Gone,
    /// Not a request: answer with this status, and close.
    Bad(u16),
}

impl From<io::Error> for Unread {
    fn from(_: io::Error) -> Unread {
        Unread::Gone
    }
}

/// Reads one request. The bytes after it stay in the buffer.
pub(super) async fn read_request(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    buffer: &mut BytesMut,
) -> Result<Request, Unread> {
    let (mut request, length) = loop {
        if let Some((request, head, length)) = parse_head(buffer)? {
            buffer.advance(head);
            break (request, length);
        }
        if buffer.len() > MAX_HEAD {
            return Err(Unread::Bad(431));
        }
        if stream.read_buf(buffer).await? == 0 {
            return Err(Unread::Gone);
        }
    };
    if length > MAX_BODY {
        return Err(Unread::Bad(413));
    }
    if length > buffer.len() && request.header_has("Expect", "100-continue") {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    while buffer.len() < length {
        if stream.read_buf(buffer).await? == 0 {
            return Err(Unread::Gone);
        }
    }
    request.body = buffer.split_to(length).to_vec();
    Ok(request)
}

fn parse_head(buffer: &[u8]) -> Result<Option<(Request, usize, usize)>, Unread> {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut parsed = httparse::Request::new(&mut headers);
    let head = match parsed.parse(buffer) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Unread::Bad(400)),
    };
    let headers: Vec<_> = parsed
        .headers
        .iter()
        .map(|header| (header.name.to_owned(), String::from_utf8_lossy(header.value).trim().to_owned()))
        .collect();
    let target = parsed.path.unwrap_or("/");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        method: parsed.method.unwrap_or("GET").to_owned(),
        path: path.to_owned(),
        query: Vec::new(),
        headers,
        body: Vec::new(),
        keep_alive: parsed.version == Some(1),
    };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (url_decode(name), url_decode(value)) else {
            return Err(Unread::Bad(400));
        };
        request.query.push((name, value));
    }
    if url_decode(path).is_none() {
        return Err(Unread::Bad(400));
    }
    if request.header_has("Connection", "close") {
        request.keep_alive = false;
    }
    if request.header("Transfer-Encoding").is_some() {
        return Err(Unread::Bad(411));
    }
    let length = match request.header("Content-Length").map(str::parse) {
        None => 0,
        Some(Ok(length)) => length,
        Some(Err(_)) => return Err(Unread::Bad(400)),
    };
    Ok(Some((request, head, length)))
}

/// Decodes like Java's `URLDecoder`: percent escapes in UTF-8, and a plus as a space. Returns `None` for an invalid
/// escape.
pub(super) fn url_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                (digit(rest.next())? * 16 + digit(rest.next())?) as u8
            }
            other => other,
        });
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

pub(super) struct Response {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Response {
    pub(super) fn new(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Response {
        Response { status, content_type, headers: Vec::new(), body: body.into() }
    }

    /// Returns Jetty's answer to a request that it cannot parse.
    pub(super) fn bad_message(status: u16) -> Response {
        let reason = status_text(status);
        let body = format!("<h1>Bad Message {status}</h1><pre>reason: {reason}</pre>");
        Response::new(status, "text/html;charset=iso-8859-1", body)
    }

    /// Returns Jetty's error page, with the reason in its title and in its table.
    pub(super) fn page(status: u16, reason: &str, uri: &str) -> Response {
        let (reason, uri) = (escape(reason), escape(uri));
        let body = format!(
            "<html>\n<head>\n<meta http-equiv=\"Content-Type\" content=\"text/html;charset=ISO-8859-1\"/>\n\
             <title>Error {status} {reason}</title>\n</head>\n<body><h2>HTTP ERROR {status} {reason}</h2>\n<table>\n\
             <tr><th>URI:</th><td>{uri}</td></tr>\n<tr><th>STATUS:</th><td>{status}</td></tr>\n\
             <tr><th>MESSAGE:</th><td>{reason}</td></tr>\n\
             <tr><th>SERVLET:</th><td>org.apache.pulsar.websocket.WebSocketServlet-mock</td></tr>\n</table>\n\
             <hr/><a href=\"https://eclipse.org/jetty\">Powered by Jetty:// 9.4.58.v20250814</a><hr/>\n\n\
             </body>\n</html>\n"
        );
        let mut response = Response::new(status, "text/html;charset=iso-8859-1", latin1(&body));
        response.headers.push(("Cache-Control", "must-revalidate,no-cache,no-store".to_owned()));
        response
    }

    pub(super) fn encode(&self, keep_alive: bool) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, status_text(self.status));
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.status != 204 {
            head.push_str(&format!("Content-Type: {}\r\nContent-Length: {}\r\n", self.content_type, self.body.len()));
        }
        if !keep_alive {
            head.push_str("Connection: close\r\n");
        }
        head.push_str("Server: Jetty(9.4.58.v20250814)\r\n\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            other => out.push(other),
        }
    }
    out
}

/// Encodes as ISO 8859-1, which the page declares. Other characters become question marks, as in Java.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap_or(b'?')).collect()
}

pub(super) fn status_text(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        204 => "No Content",
        302 => "Found",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        409 => "Conflict",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Payload Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Entity",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_carry_the_reason_escaped() {
        let page = Response::page(409, r#"{"errorMsg":"it's <busy>"}"#, "/ws").encode(false);
        let text = String::from_utf8(page).unwrap();
        assert!(text.starts_with("HTTP/1.1 409 Conflict\r\n"));
        assert!(
            text.contains(
                "<tr><th>MESSAGE:</th><td>{&quot;errorMsg&quot;:&quot;it&apos;s &lt;busy&gt;&quot;}</td></tr>"
            )
        );
    }

    #[test]
    fn urls_are_decoded_as_java_decodes_them() {
        assert_eq!(url_decode("a+b%2B%E4%BD%A0").as_deref(), Some("a b+你"));
        assert_eq!(url_decode("%zz"), None);
        assert_eq!(url_decode("%4"), None);
    }

    #[test]
    fn heads_that_are_not_http_are_bad_and_halves_wait() {
        assert!(matches!(parse_head(b"\x16\x03\x01\x02\x00\x01"), Err(Unread::Bad(400))));
        assert!(matches!(parse_head(b"GET / HTTP/1.1\r\nHost: x\r\n"), Ok(None)));
        let (request, head, length) =
            parse_head(b"PUT /a?x=1&x=2&y HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc").ok().unwrap().unwrap();
        assert_eq!((request.parameter("x"), request.parameter("y"), length), (Some("1"), Some(""), 3));
        assert_eq!(head, 48);
    }
}
