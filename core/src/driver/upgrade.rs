//! The WebSocket upgrade: its request and its response.

use std::pin::{Pin, pin};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::http1::Parts;
use hyper::header::{AUTHORIZATION, CONNECTION, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY};
use hyper::header::{SEC_WEBSOCKET_VERSION, UPGRADE, USER_AGENT};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::access::Access;
use super::refusal::refused;
use super::websocket::Socket;
use crate::error::{Error, ErrorKind, Result};
use crate::net::dial::dial;
use crate::net::http1::{self, Response, broken};
use crate::net::link::Link;
use crate::net::steps::Steps;
use crate::net::{self};
use crate::topic::Host;

/// How much of an error page is read, and for how long.
const MAX_PAGE: usize = 64 * 1024;
const PAGE_TIME: Duration = Duration::from_secs(5);

/// Opens a WebSocket to `path` (query included) on `host`. A 401 is believed once another credential was refused too, or
/// there is no other.
pub(crate) async fn connect(host: Host, path: String, access: Access) -> Result<Socket> {
    let authorization = access.auth.header(access.timeout).await?;
    let refused = match attempt(&host, &path, &access, authorization.clone()).await {
        Err(error) if error.http_status() == Some(401) => error,
        outcome => return outcome,
    };
    if !access.auth.renew(authorization.as_deref()) {
        return Err(refused);
    }
    let authorization = access.auth.header(access.timeout).await?;
    attempt(&host, &path, &access, authorization).await
}

async fn attempt(host: &Host, path: &str, access: &Access, authorization: Option<String>) -> Result<Socket> {
    let steps = Steps::default();
    steps.within(access.timeout, upgrade(host, path, access, authorization, &steps)).await
}

async fn upgrade(
    host: &Host,
    path: &str,
    access: &Access,
    authorization: Option<String>,
    steps: &Steps,
) -> Result<Socket> {
    let link = dial(host, &access.dialer, steps).await?;
    steps.enter(format!("{host} did not answer the WebSocket upgrade"));
    let key = generate_key();
    let request = request(host, path, access, authorization, &key)?;
    match exchange(link, request, host, access).await? {
        Answer::Switched { accept, parts } => {
            if accept.as_deref() != Some(derive_accept_key(key.as_bytes()).as_str()) {
                let wrong = format!("{host} answered the WebSocket upgrade without the right Sec-WebSocket-Accept");
                return Err(Error::new(ErrorKind::Protocol, wrong));
            }
            Ok(Socket::new(parts.io.into_inner(), parts.read_buf.to_vec(), access.max_frame_bytes).await)
        }
        Answer::Other(response) => Err(refused(&response, &access.auth.explain(response.status))),
    }
}

type Request = hyper::Request<String>;

fn request(host: &Host, path: &str, access: &Access, authorization: Option<String>, key: &str) -> Result<Request> {
    let mut builder = hyper::Request::builder()
        .uri(format!("{}{path}", access.prefix))
        .header(HOST, host.authority(access.dialer.tls.is_some()))
        .header(USER_AGENT, net::USER_AGENT)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_VERSION, "13")
        .header(SEC_WEBSOCKET_KEY, key);
    if let Some(value) = authorization {
        builder = builder.header(AUTHORIZATION, value);
    }
    builder
        .body(String::new())
        .map_err(|error| Error::invalid("the request for the upgrade cannot be made").caused_by(error))
}

enum Answer {
    /// The connection is a WebSocket's from here on.
    Switched {
        accept: Option<String>,
        parts: Parts<TokioIo<Link>>,
    },
    Other(Response),
}

/// Sends the request and reads the response.
async fn exchange(link: Link, request: Request, host: &Host, access: &Access) -> Result<Answer> {
    let failed = |error| broken(host, access.dialer.tls.is_some(), error);
    let (mut sender, connection) = http1::builder().handshake(TokioIo::new(link)).await.map_err(failed)?;
    let mut connection = Driven { running: pin!(connection.without_shutdown()), ended: None };
    let response = connection.during(sender.send_request(request)).await.map_err(failed)?;
    let (head, body) = response.into_parts();
    if head.status == hyper::StatusCode::SWITCHING_PROTOCOLS {
        let accept = head.headers.get(SEC_WEBSOCKET_ACCEPT).and_then(|value| value.to_str().ok()).map(str::to_owned);
        return Ok(Answer::Switched { accept, parts: connection.finish().await.map_err(failed)? });
    }
    let body = connection.during(read_page(body)).await;
    Ok(Answer::Other(Response { status: head.status.as_u16(), headers: head.headers, body: body.into() }))
}

/// The work of a connection, which has to run while its response is waited for.
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

/// The page, as far as it comes: one that is cut off is better than none.
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
