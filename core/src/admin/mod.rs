//! Pulsar's REST API: creates, inspects and changes tenants, namespaces, topics and subscriptions.
//!
//! [`Admin`] has one method for each operation. It tries the hosts of its client, or those of the option `admin_url`,
//! in turn, with the client's TLS and token. A broker that does not own a topic redirects to the one that does. The
//! client follows redirects only to the hosts of the URLs and those in `admin_trusted_hosts`, because it sends the
//! token along.
//!
//! A request that changes something is never sent twice. If its answer is lost, the error is
//! [`ErrorKind::OutcomeUnknown`], or [`ErrorKind::Timeout`] after `admin_timeout`.

mod brokers;
mod messages;
mod namespaces;
mod schemas;
mod stats;
mod subscriptions;
mod tenants;
mod topics;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hyper::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use self::messages::StoredMessage;
pub use self::namespaces::{BacklogPolicy, BacklogQuota, BacklogQuotaKind, NamespacePolicies, Retention};
pub use self::schemas::{Schema, SchemaCompatibility};
pub use self::stats::{ConsumerStats, Cursor, InternalStats, Ledger, PublisherStats, SubscriptionStats, TopicStats};
pub use self::subscriptions::BacklogAnalysis;
pub use self::tenants::TenantInfo;
pub use self::topics::{CompactionStatus, TopicWalk};
use crate::client::inner::ClientInner;
use crate::driver::refusal::{self, server};
use crate::driver::words::shortened;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Http, Request, Response};
use crate::message::MessageId;
use crate::options::Resolved;
use crate::topic::TopicName;

/// The maximum time for an optional request; see [`Admin::advisor`] and [`Admin::unhurried`].
const ADVICE: Duration = Duration::from_secs(5);

/// Administers a Pulsar cluster through its REST API. Cheap to clone; it is closed with its client.
///
/// Topics are named as everywhere: `orders`, `tenant/namespace/orders` or in full. A namespace is `tenant/namespace`.
/// Each call takes at most `admin_timeout`. Dropping its future abandons the request, which may still be carried out.
///
/// ```no_run
/// use stargate_core::{Client, Options};
/// use stargate_core::admin::Position;
///
/// # async fn run() -> stargate_core::Result<()> {
/// let client = Client::new("ws://localhost:8080", Options::new())?;
/// let admin = client.admin();
/// let stats = admin.topic_stats("orders").await?;
/// println!("{} bytes, in full: {}", stats.storage_size, stats.raw);
/// admin.seek("orders", "billing", &Position::Earliest).await
/// # }
/// ```
#[derive(Clone)]
pub struct Admin {
    client: Arc<ClientInner>,
    http: Arc<Http>,
    /// The maximum time for a request, if it is less than `admin_timeout`.
    limit: Duration,
    /// Whether it respects the rate limit of its client.
    unhurried: bool,
}

/// A position in a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// Before the first message that is still stored.
    Earliest,
    /// After the last message.
    Latest,
    /// At this message, which is the next one.
    At(MessageId),
    /// After this message: the following one is next.
    After(MessageId),
    /// At the first message that was published at this time or later.
    Time(SystemTime),
}

/// The response of [`Admin::request`].
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status, from 200 to 299.
    pub status: u16,
    /// The body, mostly JSON.
    pub body: Bytes,
}

impl Admin {
    /// Creates the REST API of a client.
    pub(crate) fn new(client: &Arc<ClientInner>) -> Admin {
        Admin { client: client.clone(), http: client.http.clone(), limit: Duration::MAX, unhurried: false }
    }

    /// Creates the REST API for a handle that is being opened. Its answers are useful but not required: a proxy may
    /// serve only WebSockets. They must not delay the connection.
    pub(crate) fn advisor(client: &Arc<ClientInner>, options: &Resolved) -> Result<Admin> {
        let http = Http::new(client.runtime.clone(), &client.url, &client.credentials, &client.jar, options)?;
        Ok(Admin { client: client.clone(), http: Arc::new(http), limit: ADVICE, unhurried: false })
    }

    /// Returns this API for background requests. They respect the client's rate limit, and do not wait long for an
    /// answer. Must be used on the runtime.
    pub(crate) fn unhurried(mut self) -> Admin {
        self.limit = ADVICE;
        self.unhurried = true;
        self
    }

    /// Sends a request that has no method here, such as `("GET", "/admin/v2/bookies/all", None)`, and returns the
    /// answer. `body` is JSON. A path that does not begin with `/` is relative to `/admin/v2/`.
    ///
    /// Fails like the other methods, on every status except 2xx.
    pub async fn request(&self, method: &str, path: &str, body: Option<&str>) -> Result<Answer> {
        let operation = format!("{method} {}", path.split('?').next().unwrap_or_default());
        let method: Method = method
            .parse()
            .map_err(|_| Error::invalid(format!("{method:?} is no HTTP method")).during("request to the REST API"))?;
        let mut call = self.call(&operation, method, path);
        call.request.body = body.map(str::to_owned);
        let response = call.response().await?;
        Ok(Answer { status: response.status, body: response.body })
    }

    /// Prepares a request. `path` begins with `/`, or is relative to `/admin/v2/`.
    fn call(&self, operation: &str, method: Method, path: &str) -> Call<'_> {
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/admin/v2/{path}") };
        let request = Request { method, path, body: None };
        Call { admin: self, operation: operation.to_owned(), topic: None, request }
    }

    /// Prepares a request about a topic; `rest` follows its name in the path.
    fn call_topic(&self, operation: &str, method: Method, topic: impl AsRef<str>, rest: &str) -> Result<Call<'_>> {
        let topic: TopicName = topic.as_ref().parse().map_err(|error: Error| error.during(operation))?;
        let mut call = self.call(operation, method, &format!("{}{rest}", topic.path()));
        call.topic = Some(topic);
        Ok(call)
    }
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}

/// A request, and how to read its answer.
struct Call<'a> {
    admin: &'a Admin,
    operation: String,
    topic: Option<TopicName>,
    request: Request,
}

impl<'a> Call<'a> {
    fn body(mut self, body: &Value) -> Self {
        self.request.body = Some(body.to_string());
        self
    }

    // Futures that await an answer are boxed, so that each kind is compiled once and not into each operation.

    /// Returns the answer of a successful request.
    fn response(&self) -> BoxFuture<'_, Result<Response>> {
        let sent = async {
            self.admin.client.check_open()?;
            if self.admin.unhurried {
                self.admin.client.limiter.ask().await;
            }
            let response = self.admin.http.send(self.request.clone(), self.admin.limit).await?;
            if (200..300).contains(&response.status) {
                return Ok(response);
            }
            Err(refusal(&response, &self.admin.http.explain(response.status)))
        };
        Box::pin(async { sent.await.map_err(|error| self.named(error)) })
    }

    /// Returns the body of the answer.
    fn text(&self) -> BoxFuture<'_, Result<String>> {
        Box::pin(async {
            let response = self.response().await?;
            String::from_utf8(response.body.into()).map_err(|error| self.named(unexpected(error)))
        })
    }

    fn done(self) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.response().await.map(drop) })
    }

    fn json<T: DeserializeOwned + Send + 'a>(self) -> BoxFuture<'a, Result<T>> {
        Box::pin(async move { self.read(&self.text().await?) })
    }

    /// Parses the answer, which also keeps its own text.
    fn with_raw<T: DeserializeOwned + Raw + Send + 'a>(self) -> BoxFuture<'a, Result<T>> {
        Box::pin(async move {
            let text = self.text().await?;
            let mut value: T = self.read(&text)?;
            value.keep(text);
            Ok(value)
        })
    }

    /// Parses the answer, which is empty for a policy that is not set.
    fn json_or_none<T: DeserializeOwned + Send + 'a>(self) -> BoxFuture<'a, Result<Option<T>>> {
        Box::pin(async move {
            let text = self.text().await?;
            if text.trim().is_empty() { Ok(None) } else { self.read(&text) }
        })
    }

    fn read<T: DeserializeOwned>(&self, text: &str) -> Result<T> {
        serde_json::from_str(text).map_err(|error| self.named(unexpected(error)))
    }

    fn named(&self, error: Error) -> Error {
        let error = error.during(&self.operation);
        match &self.topic {
            Some(topic) => error.on_topic(&topic.to_string()),
            None => error,
        }
    }
}

/// Creates something unless it exists, and returns whether it was created. The request may be repeated, so a lost
/// answer is no reason to give up.
async fn ensured<F: Future<Output = Result<()>>>(create: impl Fn() -> F) -> Result<bool> {
    let outcome = match create().await {
        Err(error) if error.kind() == ErrorKind::OutcomeUnknown => create().await,
        outcome => outcome,
    };
    match outcome {
        Ok(()) => Ok(true),
        Err(error) if error.http_status() == Some(409) && error.message().contains("already exist") => Ok(false),
        Err(error) => Err(error),
    }
}

/// A typed answer that keeps the text it was parsed from.
trait Raw {
    fn keep(&mut self, text: String);
}

macro_rules! keeps_raw {
    ($($type:ty),+) => {$(
        impl crate::admin::Raw for $type {
            fn keep(&mut self, text: String) {
                self.raw = text;
            }
        }
    )+};
}
use keeps_raw;

fn unexpected(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Protocol, "the answer is not what Pulsar's REST API gives").caused_by(error)
}

/// Returns the error for an answer that is not 2xx.
fn refusal(response: &Response, explanation: &str) -> Error {
    let reason = refusal::reason(response);
    // A 500 comes with a page that contains the broker's stack trace, one line of which states the error.
    let sentence = match reason.split_once("Message: ") {
        Some((_, rest)) if reason.contains("Stacktrace") => rest.lines().next().unwrap_or_default(),
        _ => reason.as_str(),
    };
    let sentence = shortened(sentence);
    let status = response.status;
    let server = server(&response.headers, "the broker");
    let error = Error::new(kind_of(status, &reason), format!("{server} refused ({status}): {sentence}{explanation}"))
        .with_http_status(status)
        .with_broker_text(reason.as_str());
    // Something that exists or is not empty will still be so at a retry; concurrent changes are different.
    if status == 409 && !reason.contains("oncurrent") { error.not_retriable() } else { error }
}

fn kind_of(status: u16, reason: &str) -> ErrorKind {
    match status {
        401 => ErrorKind::Authentication,
        403 => ErrorKind::Authorization,
        404 => ErrorKind::NotFound,
        409 if reason.contains("chema") => ErrorKind::InvalidArgument,
        409 => ErrorKind::Busy,
        412 if ["connected", "active", "Busy"].iter().any(|word| reason.contains(word)) => ErrorKind::Busy,
        400 | 405 | 406 | 412 | 415 | 422 => ErrorKind::InvalidArgument,
        _ if reason.contains("TopicTerminated") => ErrorKind::TopicTerminated,
        _ => ErrorKind::Broker,
    }
}

/// An id in the format of the REST API.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonId {
    ledger_id: i64,
    entry_id: i64,
    #[serde(default = "none")]
    partition_index: i32,
    #[serde(default = "none")]
    batch_index: i32,
}

fn none() -> i32 {
    -1
}

impl JsonId {
    /// Returns the id; `None` for the position before the first message.
    fn into_id(self) -> Option<MessageId> {
        let (ledger, entry) = (u64::try_from(self.ledger_id).ok()?, u64::try_from(self.entry_id).ok()?);
        Some(MessageId::at(ledger, entry, self.partition_index, self.batch_index))
    }
}

/// Returns the body that names an id.
fn id_body(id: &MessageId, excluded: bool) -> Value {
    let index = |index: Option<u32>| index.map_or(-1, i64::from);
    serde_json::json!({
        "ledgerId": id.ledger() as i64,
        "entryId": id.entry() as i64,
        "partitionIndex": index(id.partition()),
        "batchIndex": index(id.batch_index()),
        "excluded": excluded,
    })
}

fn millis(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;
    use crate::options::Options;

    /// Awaiting on a multi-threaded runtime requires it.
    #[test]
    fn futures_may_move_between_threads() {
        fn sendable(_: impl Send) {}
        let client = Client::new("ws://localhost:1", Options::new()).unwrap();
        let admin = client.admin();
        sendable(admin.ensure_tenant("t", &TenantInfo::default()));
        sendable(admin.ensure_partitioned_topic("t", 1));
        sendable(admin.ensure_subscription("t", "s", &Position::Latest));
        sendable(admin.walk_topics(None).next());
        sendable(admin.delete_topic("t", true));
        sendable(admin.peek("t", "s", 1));
    }
}
