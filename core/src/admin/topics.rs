//! Topics and their partitions.

use std::collections::{BTreeMap, VecDeque};
use std::time::SystemTime;

use hyper::Method;
use serde::Deserialize;
use serde_json::json;

use super::messages::StoredMessage;
use super::namespaces::namespace_path;
use super::stats::{InternalStats, TopicStats};
use super::subscriptions::check_partition;
use super::{Admin, Call, JsonId, keeps_raw, millis};
use crate::error::{Error, ErrorKind, Result};
use crate::message::MessageId;
use crate::options::InitialPosition;
use crate::topic::Persistence;

/// How far the compaction of a topic is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct CompactionStatus {
    /// `NOT_RUN`, `RUNNING`, `SUCCESS` or `ERROR`.
    pub status: String,
    /// Why the last one failed; empty if it did not.
    pub last_error: String,
    /// What the broker said, in JSON.
    #[serde(skip)]
    pub raw: String,
}

keeps_raw!(CompactionStatus);

impl Admin {
    /// Returns the full names of the topics of a namespace that a broker stores, or of those that it does not; each
    /// partition by itself, and in no order. It is one answer of the broker, however many there are:
    /// [`Admin::walk_topics`] takes the namespaces of a tenant, or of all, one by one.
    pub async fn topics(&self, namespace: &str, persistence: Persistence) -> Result<Vec<String>> {
        self.call_list("list the topics of", namespace, persistence, "")?.json().await
    }

    /// Returns the full names of the topics with partitions of a namespace. It is one answer of the broker.
    pub async fn partitioned_topics(&self, namespace: &str, persistence: Persistence) -> Result<Vec<String>> {
        self.call_list("list the partitioned topics of", namespace, persistence, "/partitioned")?.json().await
    }

    /// All topics of a tenant, or of all tenants: asks for the next namespace when the topics of one have been taken.
    pub fn walk_topics(&self, tenant: Option<&str>) -> TopicWalk {
        TopicWalk {
            admin: self.clone(),
            tenants: tenant.map(|tenant| VecDeque::from([tenant.to_owned()])),
            namespaces: VecDeque::new(),
            topics: VecDeque::new(),
        }
    }

    /// Creates a topic without partitions. [`ErrorKind::Busy`] if there is one of this name.
    pub async fn create_topic(&self, topic: impl AsRef<str>) -> Result<()> {
        self.call_topic("create", Method::PUT, topic, "")?.done().await
    }

    /// Creates a topic with partitions. [`ErrorKind::Busy`] if there is one of this name.
    pub async fn create_partitioned_topic(&self, topic: impl AsRef<str>, partitions: u32) -> Result<()> {
        self.call_topic("create", Method::PUT, topic, "/partitions")?.body(&json!(partitions)).done().await
    }

    /// Creates a topic without partitions unless there is one of this name, and returns whether it was created.
    pub async fn ensure_topic(&self, topic: impl AsRef<str>) -> Result<bool> {
        let topic = topic.as_ref();
        super::ensured(|| self.create_topic(topic)).await
    }

    /// Creates a topic with so many partitions, or adds to those that it has; returns whether anything changed. An error
    /// if there is one of this name without partitions.
    pub async fn ensure_partitioned_topic(&self, topic: impl AsRef<str>, partitions: u32) -> Result<bool> {
        let topic = topic.as_ref();
        if super::ensured(|| self.create_partitioned_topic(topic, partitions)).await? {
            return Ok(true);
        }
        match self.partitions(topic).await? {
            0 => {
                let plain = Error::invalid("there is one of this name without partitions");
                Err(plain.during("create").on_topic(topic))
            }
            there if there < partitions => self.grow_partitions(topic, partitions).await.map(|()| true),
            _ => Ok(false),
        }
    }

    /// Adds partitions to those that a topic has, up to `partitions`; they cannot become fewer. Which key goes to which
    /// partition changes with it.
    pub async fn grow_partitions(&self, topic: impl AsRef<str>, partitions: u32) -> Result<()> {
        self.call_topic("add partitions to", Method::POST, topic, "/partitions")?.body(&json!(partitions)).done().await
    }

    /// Returns how many partitions a topic has, 0 for one without. [`ErrorKind::NotFound`] when it does not exist.
    pub async fn partitions(&self, topic: impl AsRef<str>) -> Result<u32> {
        self.count_partitions(topic, "/partitions").await
    }

    /// As [`Admin::partitions`], for a handle that is being opened: where the broker creates partitioned topics on demand, it
    /// creates this one.
    pub(crate) async fn partitions_to_open(&self, topic: impl AsRef<str>) -> Result<u32> {
        self.count_partitions(topic, "/partitions?checkAllowAutoCreation=true").await
    }

    async fn count_partitions(&self, topic: impl AsRef<str>, rest: &str) -> Result<u32> {
        #[derive(Deserialize)]
        struct Metadata {
            partitions: u32,
        }
        let call = self.call_topic("count the partitions of", Method::GET, topic, rest)?;
        call.json::<Metadata>().await.map(|metadata| metadata.partitions)
    }

    /// Deletes a topic with all its partitions, messages and subscriptions. One that somebody is connected to is
    /// [`ErrorKind::Busy`], unless `force` disconnects them; a client that reconnects creates the topic again, where brokers
    /// make topics by themselves.
    pub async fn delete_topic(&self, topic: impl AsRef<str>, force: bool) -> Result<()> {
        let call = |rest: &str| self.call_topic("delete", Method::DELETE, &topic, &format!("{rest}?force={force}"));
        either(call("")?, 409, call("/partitions")?).await.map(drop)
    }

    /// Ends a topic: nothing can be published any more, and what is there can be read. The last message of the topic, or
    /// of each of its partitions in their order; `None` for one without messages.
    pub async fn terminate_topic(&self, topic: impl AsRef<str>) -> Result<Vec<Option<MessageId>>> {
        let call = |rest: &str| self.call_topic("terminate", Method::POST, &topic, rest);
        let answer = either(call("/terminate")?, 405, call("/terminate/partitions")?).await?;
        if answer.of_partitions() {
            let ids = answer.json::<BTreeMap<i32, JsonId>>()?.into_iter();
            // Which partition it is stands beside the id, and not in it.
            return Ok(ids.map(|(partition_index, id)| JsonId { partition_index, ..id }.into_id()).collect());
        }
        Ok(vec![answer.json::<JsonId>()?.into_id()])
    }

    /// Begins the compaction of a topic, or of all its partitions: of each key only the last message remains for those
    /// who read compacted. [`ErrorKind::Busy`] while one runs.
    pub async fn compact_topic(&self, topic: impl AsRef<str>) -> Result<()> {
        self.call_topic("compact", Method::PUT, topic, "/compaction")?.done().await
    }

    /// Returns how far a compaction is. For a partitioned topic, query each partition.
    pub async fn compaction_status(&self, topic: impl AsRef<str>) -> Result<CompactionStatus> {
        self.call_topic("ask for the compaction of", Method::GET, topic, "/compaction")?.with_raw().await
    }

    /// Lets the broker close a topic and all connections to it; the next use loads it again, maybe on another broker.
    pub async fn unload_topic(&self, topic: impl AsRef<str>) -> Result<()> {
        self.call_topic("unload", Method::PUT, topic, "/unload")?.done().await
    }

    /// Acknowledges everything for all subscriptions, and deletes what is stored, retained or not, but for the ledger that
    /// is being written.
    pub async fn truncate_topic(&self, topic: impl AsRef<str>) -> Result<()> {
        self.call_topic("truncate", Method::DELETE, topic, "/truncate")?.done().await
    }

    /// Returns the statistics of a topic; of one with partitions those of all together, and of each.
    pub async fn topic_stats(&self, topic: impl AsRef<str>) -> Result<TopicStats> {
        let call = |rest: &str| {
            self.call_topic("read the statistics of", Method::GET, &topic, &format!("{rest}getPreciseBacklog=true"))
        };
        either(call("/stats?")?, 404, call("/partitioned-stats?perPartition=true&")?).await?.with_raw()
    }

    /// As [`Admin::topic_stats`] of a topic with partitions, in one request.
    pub(crate) async fn partitioned_stats(&self, topic: impl AsRef<str>) -> Result<TopicStats> {
        let rest = "/partitioned-stats?perPartition=true&getPreciseBacklog=true";
        self.call_topic("read the statistics of", Method::GET, topic, rest)?.with_raw().await
    }

    /// Returns how the broker stores a topic, or each of its partitions.
    pub async fn internal_stats(&self, topic: impl AsRef<str>) -> Result<InternalStats> {
        let call = |rest: &str| self.call_topic("read the internal statistics of", Method::GET, &topic, rest);
        either(call("/internalStats")?, 404, call("/partitioned-internalStats")?).await?.with_raw()
    }

    /// Returns the id of the last message; `None` when the topic has none. For a partitioned topic, query each
    /// partition: `{topic}-partition-0` and so on.
    pub async fn last_message_id(&self, topic: impl AsRef<str>) -> Result<Option<MessageId>> {
        let call = self.call_topic("ask for the last message of", Method::GET, topic, "/lastMessageId")?;
        call.json::<JsonId>().await.map(JsonId::into_id)
    }

    /// Returns the id of the first message that was published at `time` or later; if there is none, of the position after
    /// the last message. For a partitioned topic, query each partition.
    pub async fn message_id_at(&self, topic: impl AsRef<str>, time: SystemTime) -> Result<Option<MessageId>> {
        let rest = format!("/messageid/{}", millis(time));
        let call = self.call_topic("look for a time in", Method::GET, topic, &rest)?;
        call.json::<JsonId>().await.map(JsonId::into_id)
    }

    /// Returns the messages of the entry that holds a message: itself, or the batch that it is in. Not for topics with
    /// partitions, but for each of them.
    pub async fn read_entry(&self, topic: impl AsRef<str>, id: &MessageId) -> Result<Vec<StoredMessage>> {
        check_partition(&topic, id)?;
        let rest = format!("/ledger/{}/entry/{}", id.ledger(), id.entry());
        self.call_topic("read a message of", Method::GET, topic, &rest)?.stored().await
    }

    /// Returns the messages of the entry at `position`, counted from 1 at the first or the last that is stored; `None`
    /// when the topic has none. Past the other end it is the one at that end. Not for topics with partitions, but for
    /// each.
    pub async fn examine_message(
        &self,
        topic: impl AsRef<str>,
        from: InitialPosition,
        position: u64,
    ) -> Result<Option<Vec<StoredMessage>>> {
        let rest = format!("/examinemessage?initialPosition={}&messagePosition={position}", from.as_str());
        let call = self.call_topic("examine a message of", Method::GET, topic, &rest)?;
        match call.stored().await {
            Err(error) if error.http_status() == Some(412) && position > 0 => Ok(None),
            outcome => outcome.map(Some),
        }
    }

    fn call_list(&self, operation: &str, namespace: &str, persistence: Persistence, rest: &str) -> Result<Call<'_>> {
        let operation = format!("{operation} {namespace:?}");
        let path = format!("{}/{}{rest}", persistence.as_str(), namespace_path(namespace)?);
        Ok(self.call(&operation, Method::GET, &path))
    }
}

/// An answer with the question that it belongs to.
struct Answered<'a> {
    call: Call<'a>,
    text: String,
    second: bool,
}

impl Answered<'_> {
    fn of_partitions(&self) -> bool {
        self.second
    }

    fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        self.call.read(&self.text)
    }

    fn with_raw<T: serde::de::DeserializeOwned + super::Raw>(self) -> Result<T> {
        let mut value: T = self.json()?;
        value.keep(self.text);
        Ok(value)
    }
}

/// Pulsar has two paths for many things, one for topics without partitions and one for those with; the first one answers
/// with `status` to a topic of the second kind. What the topic is not costs no request.
async fn either<'a>(first: Call<'a>, status: u16, second: Call<'a>) -> Result<Answered<'a>> {
    let refused = match first.text().await {
        Ok(text) => return Ok(Answered { call: first, text, second: false }),
        Err(error) if error.http_status() == Some(status) => error,
        Err(error) => return Err(error),
    };
    match second.text().await {
        Ok(text) => Ok(Answered { call: second, text, second: true }),
        // Then it is not a topic of the second kind either, and the first answer was meant as it is.
        Err(error) if matches!(error.http_status(), Some(404 | 409)) => Err(refused),
        Err(error) => Err(error),
    }
}

/// The topics of [`Admin::walk_topics`]. It holds the names of one namespace at a time.
#[derive(Debug)]
pub struct TopicWalk {
    admin: Admin,
    /// `None` before they were asked for.
    tenants: Option<VecDeque<String>>,
    namespaces: VecDeque<String>,
    topics: VecDeque<String>,
}

impl TopicWalk {
    /// Returns the full name of the next topic, each partition by itself; `None` when that was all. After an error the
    /// next call continues after what could not be listed. What is deleted meanwhile is left out.
    pub async fn next(&mut self) -> Option<Result<String>> {
        loop {
            if let Some(topic) = self.topics.pop_front() {
                return Some(Ok(topic));
            }
            let Some(tenants) = &mut self.tenants else {
                match self.admin.tenants().await {
                    Ok(tenants) => self.tenants = Some(tenants.into()),
                    Err(error) => {
                        self.tenants = Some(VecDeque::new());
                        return Some(Err(error));
                    }
                }
                continue;
            };
            let listed = if let Some(namespace) = self.namespaces.pop_front() {
                self.list(&namespace).await.map(|topics| self.topics = topics)
            } else {
                let tenant = tenants.pop_front()?;
                self.admin.namespaces(&tenant).await.map(|namespaces| self.namespaces = namespaces.into())
            };
            match listed {
                Err(error) if error.kind() != ErrorKind::NotFound => return Some(Err(error)),
                _ => {}
            }
        }
    }

    async fn list(&self, namespace: &str) -> Result<VecDeque<String>> {
        let mut topics = VecDeque::from(self.admin.topics(namespace, Persistence::Persistent).await?);
        topics.extend(self.admin.topics(namespace, Persistence::NonPersistent).await?);
        Ok(topics)
    }
}
