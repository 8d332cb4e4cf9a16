//! The WebSocket upgrade: its request and its response.

use std::pin::{Pin, pin};
use std::time::Duration;

use hyper::HeaderMap;
use hyper::body::Incoming;
use hyper::client::conn::http1::Parts;
use hyper::header::{AUTHORIZATION, CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY};
use hyper::header::{SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_VERSION, UPGRADE};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::access::Access;
use super::deflate;
use super::redirect::MAX_REDIRECTS;
use super::refusal::refused;
use super::websocket::Socket;
use crate::error::{Error, ErrorKind, Result};
use crate::net::dial::dial;
use crate::net::http1::{self, Response, broken};
use crate::net::link::Link;
use crate::net::steps::Steps;
use crate::options::AuthTokenIn;
use crate::topic::{Host, percent_encode};

/// How much of an error page the client reads, and for how long.
const MAX_PAGE: usize = 64 * 1024;
const PAGE_TIME: Duration = Duration::from_secs(5);

const PRODUCERS: &str = "/ws/v2/producer/";
/// The broker refuses such a producer, and the proxy retries for minutes without a response.
const OVER_QUOTA: &str = "; a producer is kept waiting so while the topic is over its backlog quota";

/// Opens a WebSocket to `path` (query included) on `host`.
pub(crate) async fn connect(host: Host, path: String, access: Access) -> Result<Socket> {
    let outcome = authenticated(&host, &path, &access).await;
    access.tried(&host, outcome.is_ok());
    outcome
}

/// Connects, trying another credential after a 401. Returns the 401 once another credential was refused too, or there
/// is no other.
async fn authenticated(host: &Host, path: &str, access: &Access) -> Result<Socket> {
    let authorization = access.auth.header(access.timeout).await?;
    let refused = match attempt(host, path, access, authorization.as_deref()).await {
        Err(error) if error.http_status() == Some(401) => error,
        outcome => return outcome,
    };
    if !access.auth.renew(authorization.as_deref()) {
        return Err(refused);
    }
    let authorization = access.auth.header(access.timeout).await?;
    attempt(host, path, access, authorization.as_deref()).await
}

async fn attempt(host: &Host, path: &str, access: &Access, authorization: Option<&str>) -> Result<Socket> {
    let steps = Steps::default();
    steps.within(access.timeout, upgrade(host, path, access, authorization, &steps)).await
}

/// Sends the upgrade to the host and to those it redirects to.
async fn upgrade(
    host: &Host,
    path: &str,
    access: &Access,
    authorization: Option<&str>,
    steps: &Steps,
) -> Result<Socket> {
    let (mut host, mut path) = (host.clone(), format!("{}{path}", access.prefix));
    for _ in 0..=MAX_REDIRECTS {
        let response = match ask(&host, &path, access, authorization, steps).await? {
            Answer::Switched(socket) => return Ok(*socket),
            Answer::Other(response) => response,
        };
        match response.status {
            307 | 308 => (host, path) = access.trust.follow(&host, &response)?,
            404 if path.contains("/ws/v3/") => return Err(refused(&response, SEVERAL_TOPICS)),
            status => return Err(refused(&response, &access.explain(status))),
        }
    }
    let round = format!("redirected {MAX_REDIRECTS} times, at last to {host}, and no end to it");
    Err(Error::new(ErrorKind::Protocol, round))
}

enum Answer {
    Switched(Box<Socket>),
    Other(Response),
}

async fn ask(host: &Host, path: &str, access: &Access, authorization: Option<&str>, steps: &Steps) -> Result<Answer> {
    let key = generate_key();
    let headers = access.headers(host, path, authorization, steps).await?;
    let request = request(path, access, headers, &key)?;
    let link = dial(host, &access.dialer, steps).await?;
    let quota = if path.contains(PRODUCERS) { OVER_QUOTA } else { "" };
    steps.enter_with_cause(format!("{host} did not answer the WebSocket upgrade"), quota);
    let (response, link) = exchange(link, request, host, access).await?;
    access.heard(host, path, &response.headers);
    let Some(link) = link else { return Ok(Answer::Other(response)) };
    let accept = response.headers.get(SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
    if accept != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
        let wrong = format!("{host} answered the WebSocket upgrade without the right Sec-WebSocket-Accept");
        return Err(Error::new(ErrorKind::Protocol, wrong));
    }
    let deflate = deflate::accept(access.offer, &response.headers, access.max_frame_bytes)
        .map_err(|wrong| Error::new(ErrorKind::Protocol, format!("{host} {wrong}")))?;
    let socket = Socket::new(link.io.into_inner(), link.read_buf.to_vec(), access.max_frame_bytes, deflate).await;
    Ok(Answer::Switched(Box::new(socket)))
}

/// An explanation that a proxy without the path for a consumer of several topics cannot give.
const SEVERAL_TOPICS: &str = " (several topics or a pattern on one consumer need a WebSocket proxy of Pulsar 4.0; with an \
                              older one, open a consumer for each topic)";

type Request = hyper::Request<String>;

fn request(path: &str, access: &Access, mut headers: HeaderMap, key: &str) -> Result<Request> {
    let mut uri = path.to_owned();
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if let (AuthTokenIn::Query, Some(token)) = (access.token_in, bearer) {
        uri.push_str(if path.contains('?') { "&token=" } else { "?token=" });
        uri.push_str(&percent_encode(token));
        headers.remove(AUTHORIZATION);
    }
    let unusable =
        |error: hyper::http::Error| Error::invalid("the request for the upgrade cannot be made").caused_by(error);
    let mut request =
        hyper::Request::builder().uri(uri).header(SEC_WEBSOCKET_KEY, key).body(String::new()).map_err(unusable)?;
    request.headers_mut().extend(headers);
    for (name, value) in [(CONNECTION, "Upgrade"), (UPGRADE, "websocket"), (SEC_WEBSOCKET_VERSION, "13")] {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if let Some(offer) = access.offer {
        request.headers_mut().insert(SEC_WEBSOCKET_EXTENSIONS, offer.header());
    }
    Ok(request)
}

/// Sends the request and reads the response. Also returns the connection if it has become a WebSocket.
async fn exchange(
    link: Link,
    request: Request,
    host: &Host,
    access: &Access,
) -> Result<(Response, Option<Parts<TokioIo<Link>>>)> {
    let failed = |error| broken(host, access.dialer.tls.is_some(), error);
    let (mut sender, connection) = http1::builder().handshake(TokioIo::new(link)).await.map_err(failed)?;
    let mut connection = Driven { running: pin!(connection.without_shutdown()), ended: None };
    let response = connection.during(sender.send_request(request)).await.map_err(failed)?;
    let (head, body) = response.into_parts();
    let response = |body: Vec<u8>| Response { status: head.status.as_u16(), headers: head.headers, body: body.into() };
    if head.status == hyper::StatusCode::SWITCHING_PROTOCOLS {
        return Ok((response(Vec::new()), Some(connection.finish().await.map_err(failed)?)));
    }
    let body = connection.during(read_page(body)).await;
    Ok((response(body), None))
}

/// The future that drives a connection. It must run while the client waits for the response.
struct Driven<'a, F: Future> {
    running: Pin<&'a mut F>,
    ended: Option<F::Output>,
}

impl<F: Future> Driven<'_, F> {
    async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                outcome = &mut work => return outcome,
                ended = self.running.as_mut(), if self.ended.is_none() => self.ended = Some(ended),
            }
        }
    }

    async fn finish(self) -> F::Output {
        match self.ended {
            Some(ended) => ended,
            None => self.running.await,
        }
    }
}

/// Reads as much of the page as arrives: a truncated page is better than none.
async fn read_page(mut body: Incoming) -> Vec<u8> {
    let mut page = Vec::new();
    let reading = async {
        while let Some(Ok(bytes)) = http1::next_bytes(&mut body).await {
            page.extend_from_slice(&bytes[..bytes.len().min(MAX_PAGE - page.len())]);
            if page.len() == MAX_PAGE {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(PAGE_TIME, reading).await;
    page
}
