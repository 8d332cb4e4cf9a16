//! The state that the handles of a client share: its servers, its credentials, and what is closed with it.

use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;

use crate::auth::{Credentials, plugin};
use crate::callbacks::Callbacks;
use crate::driver::Route;
use crate::driver::access::Access;
use crate::driver::cookies::Jar;
use crate::encryption::KeySource;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Http;
use crate::limiter::RateLimiter;
use crate::log::{Level, Log};
use crate::net::dial::Via;
use crate::operations::Operations;
use crate::options::{Options, Resolved, Roles};
use crate::proto::session::Policy;
use crate::proxy::{Environment, Protocol, Proxies};
use crate::runtime::{self, Runtime, deadline_in};
use crate::stats::{Counters, Totals};
use crate::topic::{Endpoint, ServiceUrl};

/// How long a close waits at least, for operations that need no time to end.
const MOMENT: Duration = Duration::from_millis(100);

type Closing = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// Something that a client closes when it is closed.
pub(crate) trait Child: Send + Sync {
    fn close_within(self: Arc<Self>, timeout: Duration) -> Closing;
}

pub(crate) struct ClientInner {
    pub(crate) url: ServiceUrl,
    pub(crate) options: Options,
    /// The proxies for WebSockets.
    proxies: Proxies,
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) callbacks: Callbacks,
    /// What opens handles, and the closes of handles.
    pub(crate) operations: Operations,
    pub(crate) http: Arc<Http>,
    pub(crate) credentials: Credentials,
    /// The cookies of gateways, if the options enable them.
    pub(crate) jar: Arc<Jar>,
    /// The rate limit of the tombstone checks of its handles.
    pub(crate) limiter: Arc<RateLimiter>,
    /// The version of Pulsar, once the REST API has answered with it.
    pub(crate) broker_version: OnceCell<String>,
    children: Mutex<Vec<Weak<dyn Child>>>,
    totals: Mutex<Totals>,
    closed: AtomicBool,
}

impl ClientInner {
    /// Creates the state without opening a connection. Fails on a bad URL or option, and on TLS files that cannot be
    /// used.
    pub(crate) fn new(url: &str, options: Options) -> Result<ClientInner> {
        let url: ServiceUrl = url.parse()?;
        options.check(Roles::CONNECTION)?;
        let mut options = plugin::expand(options)?;
        options.check(Roles::CONNECTION)?;
        options.environment = Some(Arc::new(Environment::read()));
        let resolved = options.clone().resolve();
        let proxies = Via::new(&resolved, Protocol::WebSocket, url.is_tls())?.proxies;
        proxies.check(url.hosts())?;
        report(&url, &proxies, &Log::new("client", options.log.clone()));
        let credentials = Credentials::new(Log::new("client", options.log.clone()));
        let jar: Arc<Jar> = Arc::default();
        let runtime = Runtime::shared()?;
        Ok(ClientInner {
            // Files are checked now, while the caller can still see the error.
            http: Arc::new(Http::new(runtime.clone(), &url, &credentials, &jar, &resolved)?),
            jar,
            runtime,
            callbacks: match options.polled {
                true => Callbacks::polled(Log::new("client", options.log.clone()))?,
                false => Callbacks::new(Log::new("client", options.log.clone())),
            },
            operations: Operations::default(),
            limiter: Arc::default(),
            broker_version: OnceCell::new(),
            children: Mutex::default(),
            totals: Mutex::default(),
            closed: AtomicBool::new(false),
            credentials,
            url,
            options,
            proxies,
        })
    }

    /// Closes every child, and waits until no callback runs any more.
    pub(crate) async fn close(&self, timeout: Duration) -> Result<()> {
        self.runtime.check_fork()?;
        let deadline = deadline_in(timeout);
        let children: Vec<Arc<dyn Child>> = {
            let children = self.children();
            // Under the lock: a child that is being opened is either registered already, or finds the client closed.
            self.closed.store(true, Ordering::SeqCst);
            children.iter().filter_map(Weak::upgrade).collect()
        };
        self.operations.cancel();
        let closings = children.into_iter().map(|child| child.close_within(timeout));
        let outcomes = futures_util::future::join_all(closings).await;
        let ended = self.operations_ended(&self.operations, deadline).await;
        let passed = ended && self.callbacks_passed(deadline.max(deadline_in(MOMENT))).await;
        self.callbacks.close();
        self.http.close();
        self.credentials.close();
        if let Some(error) = outcomes.into_iter().find_map(Result::err) {
            return Err(error);
        }
        if !passed {
            return Err(Error::new(ErrorKind::Timeout, "a callback still runs").during("close client"));
        }
        Ok(())
    }

    /// Fails if the client is closed.
    pub(crate) fn check_open(&self) -> Result<()> {
        self.runtime.check_fork()?;
        match self.closed.load(Ordering::SeqCst) {
            true => Err(Error::new(ErrorKind::Closed, "the client is closed")),
            false => Ok(()),
        }
    }

    fn children(&self) -> MutexGuard<'_, Vec<Weak<dyn Child>>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn totals(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers `child`, which the client then closes with itself, and its counters. Fails if the client is already
    /// closed.
    pub(crate) fn adopt(&self, child: Weak<dyn Child>, counters: &Arc<Counters>) -> Result<()> {
        let mut children = self.children();
        self.check_open()?;
        children.retain(|other| other.strong_count() > 0);
        children.push(child);
        self.totals().add(counters);
        Ok(())
    }

    /// Returns the options of a handle, with those of the client as defaults.
    pub(crate) fn options_for(&self, options: &Options, role: Roles) -> Result<Resolved> {
        options.check_one_way()?;
        let merged = plugin::expand(options.clone())?.or(&self.options);
        merged.check_handle(role)?;
        if merged.on_state.is_some() {
            self.callbacks.begin()?;
        }
        Ok(merged.resolve())
    }

    /// Returns the proxy of the first host that uses one.
    pub(crate) fn proxy(&self) -> Option<String> {
        self.url.hosts().iter().find_map(|host| self.proxies.choose(host).ok().flatten()).map(ToString::to_string)
    }

    /// Waits, until `deadline`, for the callbacks that are already due. Returns whether they have run.
    pub(crate) async fn callbacks_passed(&self, deadline: Instant) -> bool {
        let Some(runtime) = self.runtime.handle() else { return true };
        let timed = {
            let _inside = runtime.enter();
            tokio::time::timeout_at(deadline.into(), self.callbacks.passed())
        };
        timed.await.is_ok()
    }

    /// Waits, until `deadline` or a moment longer, for operations that were cancelled. Returns whether each has scheduled
    /// its callback.
    pub(crate) async fn operations_ended(&self, operations: &Operations, deadline: Instant) -> bool {
        let Some(runtime) = self.runtime.handle() else { return true };
        let deadline = deadline.max(deadline_in(MOMENT));
        loop {
            let timed = {
                let _inside = runtime.enter();
                tokio::time::timeout(MOMENT.min(deadline.saturating_duration_since(Instant::now())), operations.ended())
            };
            if timed.await.is_ok() {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            // A close among them may wait for a polled callback.
            if !runtime::is_io_thread() {
                let _ = self.callbacks.serve(Some(Instant::now()));
            }
        }
    }

    pub(crate) fn route(&self, endpoint: Endpoint, options: &Resolved, role: Roles) -> Result<Route> {
        Ok(Route {
            hosts: self.url.hosts().to_vec(),
            access: Access::new(&self.url, &self.credentials, &self.jar, options, Protocol::WebSocket)?,
            endpoint,
            query: options.given.query(role),
        })
    }

    /// Returns the source of the keys for end-to-end encryption, if the options enable it.
    pub(crate) fn keys(&self, options: &Resolved) -> Option<KeySource> {
        KeySource::new(options, self.runtime.handle()?)
    }

    pub(crate) fn policy(&self, options: &Resolved, session: usize) -> Policy {
        Policy {
            hosts: self.url.hosts().len(),
            first_host: session,
            lazy: options.lazy,
            keep_trying: options.keep_trying,
            max_reconnects: options.max_reconnects,
            ping_interval: options.ping_interval,
            pong_timeout: options.pong_timeout,
            backoff_min: options.backoff_min,
            backoff_max: options.backoff_max,
            // `RandomState` has random keys, which suffice for jitter.
            seed: RandomState::new().hash_one(session),
        }
    }
}

/// Logs which hosts use a proxy.
fn report(url: &ServiceUrl, proxies: &Proxies, log: &Log) {
    for host in url.hosts() {
        if let Ok(Some(proxy)) = proxies.choose(host) {
            log.write(Level::Info, &format!("{host} is reached through the proxy {proxy} ({})", proxy.source));
        }
    }
    if let [_, ..] = proxies.ignored() {
        let list = proxies.ignored().join(", ");
        log.write(Level::Warn, &format!("entries of the variable no_proxy that mean nothing here: {list}"));
    }
}
