//! The WebSocket upgrade: its request and its response.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::access::{Access, USER_AGENT};
use super::dial::{dial, within};
use super::link::Link;
use super::refusal::refused;
use super::tls_errors::io_error;
use super::websocket::Socket;
use crate::error::{Error, ErrorKind, Result};
use crate::topic::Host;

/// The longest head of a response, and the longest error page, that is read.
const MAX_RESPONSE: usize = 64 * 1024;

/// Opens a WebSocket to `path` (query included) on `host`.
pub(crate) async fn connect(host: Host, path: String, access: Access) -> Result<Socket> {
    let upgrade = async {
        let authorization = access.auth.header().await?;
        let mut link = dial(&host, &access).await?;
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
