//! Requests to Pulsar's REST API. They try the hosts in turn, follow redirects to trusted hosts, and open connections
//! in the same way as WebSockets.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::Method;
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;

use crate::auth::Credentials;
use crate::driver::access::Access;
use crate::driver::cookies::Jar;
use crate::driver::redirect::MAX_REDIRECTS;
use crate::error::{Error, ErrorKind, Result};
use crate::net::dial::dial;
pub(crate) use crate::net::http1::Response;
use crate::net::http1::{self, broken};
use crate::net::steps::Steps;
use crate::options::Resolved;
use crate::proxy::Protocol;
use crate::runtime::Runtime;
use crate::topic::{Host, ServiceUrl};

/// How long a connection may be idle and still be used again. Jetty closes it after 30 s. If the server closes it in
/// the very moment of a request, the outcome of a write is unknown.
const IDLE: Duration = Duration::from_secs(10);

/// A request, without the host.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Includes the query.
    pub(crate) path: String,
    /// JSON.
    pub(crate) body: Option<String>,
}

/// Why there is no response, and whether the client may try another host.
enum Failure {
    /// The request was not sent.
    Unsent(Error),
    /// The request was sent, and its outcome is unknown.
    Lost(Error),
    /// Another host would fail as well.
    Final(Error),
}

/// The servers of the REST API, and one idle connection to them.
pub(crate) struct Http {
    runtime: Arc<Runtime>,
    tls: bool,
    hosts: Vec<Host>,
    /// The index in `hosts` of the host to ask first: the one that answered last, or the one after a host that did not.
    first: AtomicUsize,
    access: Access,
    timeout: Duration,
    idle: Mutex<Option<Idle>>,
}

struct Idle {
    host: Host,
    since: Instant,
    sender: SendRequest<String>,
}

impl Http {
    /// Creates the access without opening a connection. Fails on options that cannot be used.
    pub(crate) fn new(
        runtime: Arc<Runtime>,
        service: &ServiceUrl,
        credentials: &Credentials,
        jar: &Arc<Jar>,
        options: &Resolved,
    ) -> Result<Http> {
        let own: Option<ServiceUrl> = options
            .admin_url
            .as_deref()
            .map(|url| url.parse().map_err(|error: Error| Error::option("admin_url", error)))
            .transpose()?;
        let url = own.as_ref().unwrap_or(service);
        let mut access = Access::new(url, credentials, jar, options, Protocol::Http)?;
        access.trust.add(service);
        Ok(Http {
            runtime,
            tls: url.is_tls(),
            hosts: url.hosts().to_vec(),
            first: AtomicUsize::new(0),
            access,
            timeout: options.admin_timeout,
            idle: Mutex::new(None),
        })
    }

    /// Returns the explanation to append to the message of a server that answers 401.
    pub(crate) fn explain(&self, status: u16) -> String {
        self.access.explain(status)
    }

    /// Sends a request, and waits at most `limit` and `admin_timeout`. It runs on the library's runtime, because the
    /// caller may be on another runtime or on none. Dropping the future abandons the request.
    pub(crate) async fn send(self: &Arc<Http>, request: Request, limit: Duration) -> Result<Response> {
        let (mut sender, answer) = oneshot::channel();
        let http = self.clone();
        self.runtime.spawn(async move {
            let steps = Steps::default();
            let (first, limit) = (http.first.load(Ordering::Relaxed), http.timeout.min(limit));
            let limited = tokio::time::timeout(limit, http.ask(first, &request, limit, &steps));
            let outcome = tokio::select! {
                outcome = limited => outcome,
                () = sender.closed() => return,
            };
            let _ = sender.send(outcome.unwrap_or_else(|_| {
                http.move_on(first);
                let late = steps.late(limit, "admin_timeout");
                Err(match request.method.is_safe() {
                    true => late,
                    false => late.adding("; it may have been carried out all the same"),
                })
            }));
        });
        answer.await.unwrap_or_else(|_| Err(Error::closed()))
    }

    /// Closes the idle connection.
    pub(crate) fn close(&self) {
        self.idle().take();
    }

    /// Lets later requests begin at the host after `index`, unless another one has answered meanwhile.
    fn move_on(&self, index: usize) {
        let next = (index + 1) % self.hosts.len().max(1);
        let _ = self.first.compare_exchange(index, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Tries the hosts in turn. A query gives each an equal part of the time that is left. A request that changes
    /// something goes to another host only if it certainly reached none.
    async fn ask(&self, first: usize, request: &Request, limit: Duration, steps: &Steps) -> Result<Response> {
        let (count, begun) = (self.hosts.len(), Instant::now());
        let mut outcome = Err(Error::invalid("there is no host to ask"));
        for tried in 0..count {
            let index = (first + tried) % count;
            let followed = self.follow(&self.hosts[index], request, steps);
            let left = count - tried;
            let answer = if request.method.is_safe() && left > 1 {
                let part = limit.saturating_sub(begun.elapsed()) / u32::try_from(left).unwrap_or(u32::MAX);
                let late = |_| Err(Failure::Lost(steps.late(part, "admin_timeout, for one of several hosts")));
                tokio::time::timeout(part, followed).await.unwrap_or_else(late)
            } else {
                followed.await
            };
            outcome = match answer {
                // A gateway without a broker, or a broker that is starting or stopping.
                Ok(response) if matches!(response.status, 502..=504) => {
                    self.move_on(index);
                    match request.method.is_safe() {
                        true => Ok(response),
                        false => return Ok(response),
                    }
                }
                Ok(response) => {
                    self.first.store(index, Ordering::Relaxed);
                    return Ok(response);
                }
                Err(Failure::Unsent(error)) => Err(error),
                Err(Failure::Lost(error)) if request.method.is_safe() => Err(error),
                Err(Failure::Lost(error)) => {
                    self.move_on(index);
                    let unknown = "the connection broke before the answer came; it may have been carried out";
                    return Err(Error::new(ErrorKind::OutcomeUnknown, unknown).caused_by(error));
                }
                Err(Failure::Final(error)) => return Err(error),
            };
        }
        outcome
    }

    /// Sends a request to a host, and to those it redirects to with the same method, body and authorization.
    async fn follow(&self, host: &Host, request: &Request, steps: &Steps) -> std::result::Result<Response, Failure> {
        let (mut host, mut path) = (host.clone(), format!("{}{}", self.access.prefix, request.path));
        for _ in 0..=MAX_REDIRECTS {
            let response = self.exchange(&host, &path, request, steps).await?;
            if !(300..400).contains(&response.status) {
                return Ok(response);
            }
            (host, path) = self.access.trust.follow(&host, &response).map_err(Failure::Final)?;
        }
        let round = format!("redirected {MAX_REDIRECTS} times, at last to {host}, and no end to it");
        Err(Failure::Final(Error::new(ErrorKind::Protocol, round)))
    }

    /// Sends a request, and repeats it if the server refused the credential and another one is available.
    async fn exchange(
        &self,
        host: &Host,
        path: &str,
        request: &Request,
        steps: &Steps,
    ) -> std::result::Result<Response, Failure> {
        let auth = &self.access.auth;
        let header = async || {
            steps.enter(auth.unfinished());
            // The limit already applies to the whole request.
            auth.header(Duration::MAX).await.map_err(Failure::Final)
        };
        let authorization = header().await?;
        let response = self.exchange_with(host, path, request, authorization.as_deref(), steps).await?;
        if response.status != 401 || !auth.renew(authorization.as_deref()) {
            return Ok(response);
        }
        let authorization = header().await?;
        self.exchange_with(host, path, request, authorization.as_deref(), steps).await
    }

    async fn exchange_with(
        &self,
        host: &Host,
        path: &str,
        request: &Request,
        authorization: Option<&str>,
        steps: &Steps,
    ) -> std::result::Result<Response, Failure> {
        loop {
            let rested = self.take_idle(host).await;
            let reused = rested.is_some();
            let mut sender = match rested {
                Some(sender) => sender,
                None => self.connect(host, steps).await.map_err(Failure::Unsent)?,
            };
            let message = self.message(host, path, request, authorization, steps).await.map_err(Failure::Final)?;
            steps.enter(format!("{host} did not answer the request"));
            match sender.try_send_request(message).await {
                Ok(response) => {
                    let response = self.read(host, response).await.map_err(Failure::Lost)?;
                    self.access.heard(host, path, &response.headers);
                    *self.idle() = Some(Idle { host: host.clone(), since: Instant::now(), sender });
                    return Ok(response);
                }
                Err(mut error) => {
                    let unsent = error.take_message().is_some();
                    // The server may have closed an idle connection in the same moment.
                    if reused && (unsent || request.method.is_safe()) {
                        continue;
                    }
                    let error = broken(host, self.tls, error.into_error());
                    return Err(if unsent { Failure::Unsent(error) } else { Failure::Lost(error) });
                }
            }
        }
    }

    async fn message(
        &self,
        host: &Host,
        path: &str,
        request: &Request,
        authorization: Option<&str>,
        steps: &Steps,
    ) -> Result<hyper::Request<String>> {
        let unusable =
            |error: hyper::http::Error| Error::invalid(format!("{path:?} cannot be asked for")).caused_by(error);
        let mut message = hyper::Request::builder()
            .method(request.method.clone())
            .uri(path)
            .body(request.body.clone().unwrap_or_default())
            .map_err(unusable)?;
        let headers = message.headers_mut();
        *headers = self.access.headers(host, path, authorization, steps).await?;
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        if request.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Ok(message)
    }

    async fn connect(&self, host: &Host, steps: &Steps) -> Result<SendRequest<String>> {
        let link = steps.within(self.access.timeout, dial(host, &self.access.dialer, steps)).await?;
        let failed = |error| broken(host, self.tls, error);
        let (sender, connection) = http1::builder().handshake(TokioIo::new(link)).await.map_err(failed)?;
        tokio::spawn(async move {
            // The requests on the connection receive its outcome.
            let _ = connection.await;
        });
        Ok(sender)
    }

    async fn read(&self, host: &Host, response: hyper::Response<Incoming>) -> Result<Response> {
        let (head, body) = response.into_parts();
        let body = http1::read(host, self.tls, body, self.access.max_frame_bytes, " (option max_frame_bytes)").await?;
        Ok(Response { status: head.status.as_u16(), headers: head.headers, body })
    }

    async fn take_idle(&self, host: &Host) -> Option<SendRequest<String>> {
        let usable = |idle: &mut Idle| idle.host == *host && idle.since.elapsed() < IDLE;
        let mut idle = self.idle().take_if(usable)?;
        idle.sender.ready().await.ok().map(|()| idle.sender)
    }

    fn idle(&self) -> MutexGuard<'_, Option<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
