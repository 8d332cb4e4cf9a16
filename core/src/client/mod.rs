//! The client: what an application opens everything through.

pub(crate) mod inner;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::inner::ClientInner;
use crate::admin::Admin;
use crate::consumer::{Consumer, Topics};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::producer::Producer;
use crate::reader::Reader;
use crate::runtime::deadline_in;
use crate::stats::Stats;
use crate::topic::ServiceUrl;

/// A client of a Pulsar cluster. Cheap to clone; all clones are one client.
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

impl Client {
    /// Creates a client for the servers at `url` (`ws://host:port`, `wss://host:port`, several hosts separated by
    /// commas) with connection options, which all that it opens inherits.
    ///
    /// Fails on a bad URL or option, and on TLS files that cannot be used.
    pub fn new(url: &str, options: Options) -> Result<Client> {
        let inner = ClientInner::new(url, options).map_err(|error| error.during("new client"))?;
        Ok(Client { inner: Arc::new(inner) })
    }

    /// Returns the hosts of this client.
    pub fn url(&self) -> &ServiceUrl {
        &self.inner.url
    }

    /// Returns the proxy through which the WebSockets of this client go, such as `http://squid:3128`, without its user
    /// and password; `None` if every host is reached directly. Of several hosts some may be reached directly and some
    /// not; a [`StateChange`](crate::StateChange) has the proxy of each connection.
    pub fn proxy(&self) -> Option<String> {
        self.inner.proxy()
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

    /// Returns the REST API of the cluster.
    pub fn admin(&self) -> Admin {
        Admin::new(&self.inner)
    }

    /// Returns the counters of all that was opened through this client, those that are gone included: counts since the
    /// client was made, and the gauges of what is there now.
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
    /// most for `timeout` (`None`: without limit); how many ran. [`ErrorKind::Closed`](crate::ErrorKind::Closed) after the close, when none is left.
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
        self.inner.close(timeout).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("url", &self.inner.url.to_string()).finish_non_exhaustive()
    }
}
