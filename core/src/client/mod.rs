//! The client, which opens everything for an application.

pub(crate) mod inner;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::inner::ClientInner;
use crate::admin::Admin;
use crate::consumer::{Consumer, Topics};
use crate::error::{Error, Result};
use crate::operations;
use crate::options::Options;
use crate::producer::Producer;
use crate::reader::Reader;
use crate::runtime::deadline_in;
use crate::stats::Stats;
use crate::topic::ServiceUrl;

/// A client of a Pulsar cluster. Cheap to clone; all clones share one client.
///
/// Creating a client opens no connection. Each producer, consumer and reader has its own connection, which connects,
/// pings and reconnects by itself.
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
    /// Creates a client for the servers at `url`: `ws://host:port` or `wss://host:port`, with several hosts separated
    /// by commas. Everything that the client opens inherits `options`.
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

    /// Returns the proxy that the WebSockets of this client use, such as `http://squid:3128`, without its user and
    /// password. Returns `None` if no host uses one. Some hosts may use a proxy and others not; a
    /// [`StateChange`](crate::StateChange) has the proxy of each connection.
    pub fn proxy(&self) -> Option<String> {
        self.inner.proxy()
    }

    /// Opens a producer, and waits for its connection unless `lazy` is set.
    ///
    /// Returns the error of the first attempt: a host that does not answer, a missing namespace, a name in use, or an
    /// option that the table or the server refuses.
    pub async fn producer(&self, topic: impl AsRef<str>, options: Options) -> Result<Producer> {
        Producer::open(&self.inner, topic.as_ref(), &options).await
    }

    /// Opens a consumer of one topic, and waits for its connection unless `lazy` is set. Creates the subscription if it
    /// does not exist.
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

    /// Returns the counters of everything opened through this client, including handles that are closed. Counts cover
    /// the time since the client was created; gauges show the current state.
    pub fn stats(&self) -> Stats {
        match self.inner.runtime.check_fork() {
            Ok(()) => self.inner.totals().snapshot(),
            // A thread that does not exist in this process may hold the lock.
            Err(_) => Stats::default(),
        }
    }

    /// Spawns a task on the library's threads; it must not block. Intended for bindings whose event loops cannot poll.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Result<()> {
        self.inner.runtime.check_fork()?;
        self.inner.runtime.spawn(task);
        Ok(())
    }

    /// Runs the due callbacks on this thread and returns how many ran. Requires [`Options::poll_callbacks`]. Waits at
    /// most `timeout` for the first of them (`None`: without limit). Returns
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) after the close, when none is left.
    pub fn poll_callbacks(&self, timeout: Option<Duration>) -> Result<usize> {
        self.inner.runtime.check_fork()?;
        let deadline = timeout.map(deadline_in);
        self.inner.callbacks.poll(deadline).map_err(|error| error.during("poll callbacks"))
    }

    /// Returns a descriptor that is readable while callbacks are due, for an event loop. Requires
    /// [`Options::poll_callbacks`]. The client owns it; do not read from it.
    #[cfg(unix)]
    pub fn callbacks_fd(&self) -> Option<std::os::fd::RawFd> {
        self.inner.callbacks.fd()
    }

    /// Runs `operation`, such as a future of this library, on the library's threads. Then calls `callback` with its
    /// result, exactly once, on the client's callback thread. The operation ends with
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) when the client is closed, and with
    /// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) after `timeout`, if one is given.
    ///
    /// If this returns an error, the callback is not called.
    pub fn complete_with<T: Send + 'static>(
        &self,
        operation: impl Future<Output = Result<T>> + Send + 'static,
        timeout: Option<Duration>,
        callback: impl FnOnce(Result<T>) + Send + 'static,
    ) -> Result<()> {
        let client = &self.inner;
        client.operations.start(&client.runtime, &client.callbacks, operation, timeout, callback)
    }

    /// As [`Client::close`], but calls `callback` with the result, after every other callback of the client.
    pub fn close_with(&self, timeout: Duration, callback: impl FnOnce(Result<()>) + Send + 'static) -> Result<()> {
        let closing = self.clone();
        let close = async move { closing.close(timeout).await };
        operations::complete(&self.inner.runtime, &self.inner.callbacks, close, callback, None)
    }

    /// Closes everything opened through this client, each with its own close. After `Ok` no callback runs any more. May
    /// be called anywhere, even in a callback, and more than once.
    pub async fn close(&self, timeout: Duration) -> Result<()> {
        self.inner.close(timeout).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("url", &self.inner.url.to_string()).finish_non_exhaustive()
    }
}
