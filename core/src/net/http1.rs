//! HTTP/1.1 over a connection with hyper, for upgrades and for REST.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::Builder;

use super::tls_errors::{is_cut, tls_error};
use crate::error::{Error, ErrorKind, Result};
use crate::topic::Host;

/// The maximum number of headers of a response, and the maximum length of its head in bytes.
const MAX_HEADERS: usize = 1_000;
const MAX_HEAD: usize = 256 * 1024;

/// A response, read to its end.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Returns the HTTP configuration of a connection.
pub(crate) fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.max_headers(MAX_HEADERS).max_header_size(MAX_HEAD).title_case_headers(true);
    builder
}

/// Returns the next bytes of a body; `None` at its end.
pub(crate) async fn next_bytes(body: &mut Incoming) -> Option<hyper::Result<Bytes>> {
    loop {
        match poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await? {
            Ok(frame) => {
                if let Ok(bytes) = frame.into_data() {
                    return Some(Ok(bytes));
                }
            }
            Err(error) => return Some(Err(error)),
        }
    }
}

/// Returns the error of a connection on which HTTP failed.
pub(crate) fn broken(host: &Host, tls: bool, error: hyper::Error) -> Error {
    if let Some(error) = tls_error(&format!("{host} broke off"), &error) {
        return error;
    }
    let other_port = if tls { "" } else { " (one with TLS wants wss://)" };
    // hyper's client reports it in no other way.
    if error.is_parse() && error.to_string().contains("too large") {
        let long = format!("{host} answers with a head of more than {MAX_HEAD} bytes or {MAX_HEADERS} headers");
        return Error::new(ErrorKind::Protocol, long);
    }
    if error.is_parse() {
        let odd = format!("{host} does not answer in HTTP: is it the HTTP port?{other_port}");
        return Error::new(ErrorKind::Protocol, odd).caused_by(error);
    }
    if error.is_incomplete_message() || is_cut(&error) {
        let cut = format!("{host} ended the connection without an answer: is it the HTTP port?{other_port}");
        return Error::new(ErrorKind::Connect, cut);
    }
    Error::new(ErrorKind::Connect, format!("{host} broke off")).caused_by(error)
}

/// Reads `body` up to `limit` bytes. Returns an error with `hint` if it is longer.
pub(crate) async fn read(host: &Host, tls: bool, mut body: Incoming, limit: usize, hint: &str) -> Result<Bytes> {
    let mut bytes = Vec::new();
    while let Some(more) = next_bytes(&mut body).await {
        bytes.extend_from_slice(&more.map_err(|error| broken(host, tls, error))?);
        if bytes.len() > limit {
            let long = format!("{host} answers with more than {limit} bytes{hint}");
            return Err(Error::new(ErrorKind::Protocol, long));
        }
    }
    Ok(bytes.into())
}
