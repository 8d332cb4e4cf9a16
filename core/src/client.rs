//! The client: where the servers are, how to get in, and everything that was opened through it.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::admin::Admin;
use crate::admin::http::Http;
use crate::auth::Auth;
use crate::callbacks::Callbacks;
use crate::consumer::{Consumer, Topics};
use crate::driver::Route;
use crate::driver::transport::Access;
use crate::encryption::KeySource;
use crate::error::{Error, ErrorKind, Result};
use crate::log::Log;
use crate::options::{Options, Roles};
use crate::producer::Producer;
use crate::proto::session::Policy;
use crate::reader::Reader;
use crate::receiver::RateLimiter;
use crate::runtime::{Runtime, deadline_in};
use crate::stats::{Counters, Stats, Totals};
use crate::topic::{Endpoint, ServiceUrl};

type Closing = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// What a client closes when it is closed.
pub(crate) trait Child: Send + Sync {
    fn close_within(self: Arc<Self>, timeout: Duration) -> Closing;
}

/// The way to a Pulsar cluster. Cheap to clone; all clones are one client.
///
/// Making a client opens no connection: each producer, consumer and reader has its own, which connects, pings and
/// reconnects by itself.
///
/// ```no_run
/// use stargate_core::{Client, Options};
///
/// # async fn run() -> stargate_core::Result<()> {
/// let client = Client::new("ws://localhost:8080", Options::new())?;
/// let producer = client.producer("orders", Options::new()).await?;
/// let receipt = producer.send("hello").await?;
/// println!("stored as {}", receipt.message_id());
/// client.close(std::time::Duration::from_secs(10)).await
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<ClientInner>,
}

pub(crate) struct ClientInner {
    pub(crate) url: ServiceUrl,
    pub(crate) options: Options,
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) callbacks: Callbacks,
    pub(crate) admin: Arc<Http>,
    /// At which its handles look for tombstones.
    pub(crate) limiter: Arc<RateLimiter>,
    children: Mutex<Vec<Weak<dyn Child>>>,
    totals: Mutex<Totals>,
    closed: AtomicBool,
}

impl Client {
    /// A client for the servers at `url` (`ws://host:port`, `wss://host:port`, several hosts after commas) with
    /// connection options, which all that it opens inherits.
    ///
    /// Fails on a bad URL or option, and on TLS files that cannot be used.
    pub fn new(url: &str, options: Options) -> Result<Client> {
        let create = || {
            let url: ServiceUrl = url.parse()?;
            options.check(Roles::CONNECTION)?;
            let runtime = Runtime::shared()?;
            let inner = ClientInner {
                // Files are looked at now, when somebody is there to read the error.
                admin: Arc::new(Http::new(runtime.clone(), &url, &options)?),
                runtime,
                callbacks: match options.polled {
                    true => Callbacks::polled(Log::new("client", options.log.clone()))?,
                    false => Callbacks::new(Log::new("client", options.log.clone())),
                },
                limiter: Arc::default(),
                children: Mutex::default(),
                totals: Mutex::default(),
                closed: AtomicBool::new(false),
                url,
                options,
            };
            Ok(Client { inner: Arc::new(inner) })
        };
        create().map_err(|error: Error| error.during("new client"))
    }

    /// The hosts of this client.
    pub fn url(&self) -> &ServiceUrl {
        &self.inner.url
    }

    /// Opens a producer, and waits for its connection unless `lazy` is set.
    ///
    /// The error is that of the first attempt: a host that does not answer, a missing namespace, a name in use, or an
    /// option that the table or the server refuses.
    pub async fn producer(&self, topic: impl AsRef<str>, options: Options) -> Result<Producer> {
        Producer::open(&self.inner, topic.as_ref(), &options).await
    }

    /// Opens a consumer of one topic, and waits for its connection unless `lazy` is set. The subscription is created
    /// when it does not exist.
    pub async fn consumer(
        &self,
        topic: impl AsRef<str>,
        subscription: impl AsRef<str>,
        options: Options,
    ) -> Result<Consumer> {
        let topic = topic.as_ref().parse().map_err(|error: Error| error.during("open consumer"))?;
        Consumer::open(&self.inner, Topics::One(topic), subscription.as_ref(), &options).await
    }

    /// Opens a consumer of several topics, or of all persistent topics that match a pattern, on one connection.
    pub async fn consumer_of(
        &self,
        topics: Topics,
        subscription: impl AsRef<str>,
        options: Options,
    ) -> Result<Consumer> {
        Consumer::open(&self.inner, topics, subscription.as_ref(), &options).await
    }

    /// Opens a reader, and waits for its connection unless `lazy` is set. On a partitioned topic it has one connection
    /// for each partition.
    pub async fn reader(&self, topic: impl AsRef<str>, options: Options) -> Result<Reader> {
        Reader::open(&self.inner, topic.as_ref(), &options).await
    }

    /// The counters of all that was opened through this client, those that are gone included: counts since the client was
    /// made, and the gauges of what is there now.
    pub fn stats(&self) -> Stats {
        match self.inner.runtime.check_fork() {
            Ok(()) => self.inner.totals().snapshot(),
            // The lock may be held by a thread that does not exist in this process.
            Err(_) => Stats::default(),
        }
    }

    /// Runs a task on the library's threads; it must not block. Made for bindings, whose event loops cannot poll.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Result<()> {
        self.inner.runtime.check_fork()?;
        self.inner.runtime.spawn(task);
        Ok(())
    }

    /// With [`Options::poll_callbacks`], runs the callbacks that are due on this thread, waiting for the first of them at
    /// most for `timeout` (`None` is for ever); how many ran. [`ErrorKind::Closed`] after the close, when none is left.
    pub fn poll_callbacks(&self, timeout: Option<Duration>) -> Result<usize> {
        self.inner.runtime.check_fork()?;
        let deadline = timeout.map(deadline_in);
        self.inner.callbacks.poll(deadline).map_err(|error| error.during("poll callbacks"))
    }

    /// With [`Options::poll_callbacks`], a descriptor that is readable while callbacks are due, for an event loop. It is
    /// the client's, and not to be read from.
    #[cfg(unix)]
    pub fn callbacks_fd(&self) -> Option<std::os::fd::RawFd> {
        self.inner.callbacks.fd()
    }

    /// Closes everything that was opened through this client, in the way of each; after `Ok` no callback runs any more.
    /// May be called anywhere, also in a callback, and more than once.
    pub async fn close(&self, timeout: Duration) -> Result<()> {
        self.inner.runtime.check_fork()?;
        let deadline = deadline_in(timeout);
        let children: Vec<Arc<dyn Child>> = {
            let children = self.inner.children();
            // Under the lock: whatever is being opened is either here already, or finds the client closed.
            self.inner.closed.store(true, Ordering::SeqCst);
            children.iter().filter_map(Weak::upgrade).collect()
        };
        let closings = children.into_iter().map(|child| child.close_within(timeout));
        let outcomes = futures_util::future::join_all(closings).await;
        let passed = self.inner.callbacks_passed(deadline.max(deadline_in(Duration::from_millis(100)))).await;
        self.inner.callbacks.close();
        self.inner.admin.close();
        if let Some(error) = outcomes.into_iter().find_map(Result::err) {
            return Err(error);
        }
        if !passed {
            return Err(Error::new(ErrorKind::Timeout, "a callback still runs").during("close client"));
        }
        Ok(())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("url", &self.inner.url.to_string()).finish_non_exhaustive()
    }
}

impl ClientInner {
    pub(crate) fn admin(self: &Arc<ClientInner>) -> Admin {
        Client { inner: self.clone() }.admin()
    }

    /// For questions that are in no hurry, and many.
    pub(crate) fn unhurried_admin(self: &Arc<ClientInner>) -> Admin {
        self.admin().unhurried()
    }

    /// Whether anything can still be opened.
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

    fn totals(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client closes `child` with itself, and counts what it counts; fails when it is closed already.
    pub(crate) fn adopt(&self, child: Weak<dyn Child>, counters: &Arc<Counters>) -> Result<()> {
        let mut children = self.children();
        self.check_open()?;
        children.retain(|other| other.strong_count() > 0);
        children.push(child);
        self.totals().add(counters);
        Ok(())
    }

    /// The client's options under those of a handle.
    pub(crate) fn options_for(&self, options: &Options, role: Roles) -> Result<Options> {
        let merged = options.or(&self.options);
        merged.check_handle(role)?;
        Ok(merged)
    }

    /// Waits, until `deadline`, for the callbacks that are due already; whether they have run.
    pub(crate) async fn callbacks_passed(&self, deadline: Instant) -> bool {
        let Some(runtime) = self.runtime.handle() else { return true };
        let timed = {
            let _inside = runtime.enter();
            tokio::time::timeout_at(deadline.into(), self.callbacks.passed())
        };
        timed.await.is_ok()
    }

    pub(crate) fn route(&self, endpoint: Endpoint, options: &Options, role: Roles) -> Result<Route> {
        Ok(Route {
            hosts: self.url.hosts().to_vec(),
            access: access(&self.url, options)?,
            endpoint,
            query: options.query(role),
        })
    }

    /// Where the keys of end-to-end encryption come from, if the options ask for it.
    pub(crate) fn keys(&self, options: &Options) -> Option<KeySource> {
        KeySource::new(options, self.runtime.handle()?)
    }

    pub(crate) fn policy(&self, options: &Options, session: usize) -> Policy {
        Policy {
            hosts: self.url.hosts().len(),
            first_host: session,
            lazy: options.bool("lazy"),
            keep_trying: options.bool("keep_trying"),
            max_reconnects: u32::try_from(options.int("max_reconnects")).unwrap_or(0),
            ping_interval: options.millis("ping_interval"),
            pong_timeout: options.millis("pong_timeout"),
            backoff_min: options.millis("backoff_min"),
            backoff_max: options.millis("backoff_max"),
            // Randomly keyed, which is all the randomness that jitter needs.
            seed: RandomState::new().hash_one(session),
        }
    }
}

/// How to reach the servers of a URL.
pub(crate) fn access(url: &ServiceUrl, options: &Options) -> Result<Access> {
    Ok(Access {
        tls: url.is_tls().then(|| crate::tls::client_config(options)).transpose()?,
        auth: Auth::new(options),
        timeout: options.millis("connect_timeout"),
        max_frame_bytes: options.count("max_frame_bytes"),
    })
}
