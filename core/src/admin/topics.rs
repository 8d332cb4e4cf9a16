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

/// The progress of a topic's compaction.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct CompactionStatus {
    /// `NOT_RUN`, `RUNNING`, `SUCCESS` or `ERROR`.
    pub status: String,
    /// Why the last compaction failed; empty if it did not.
    pub last_error: String,
    /// The broker's answer, in JSON.
    #[serde(skip)]
    pub raw: String,
}

keeps_raw!(CompactionStatus);

impl Admin {
    /// Returns the full names of a namespace's topics, persistent or non-persistent. Each partition is separate, and
    /// the order is arbitrary. The broker returns all of them in one answer, however many there are.
    /// [`Admin::walk_topics`] lists the namespaces of a tenant, or of all tenants, one by one.
    pub async fn topics(&self, namespace: &str, persistence: Persistence) -> Result<Vec<String>> {
        self.call_list("list the topics of", namespace, persistence, "")?.json().await
    }

    /// Returns the full names of a namespace's partitioned topics. The broker returns all of them in one answer.
    pub async fn partitioned_topics(&self, namespace: &str, persistence: Persistence) -> Result<Vec<String>> {
        self.call_list("list the partitioned topics of", namespace, persistence, "/partitioned")?.json().await
    }

    /// Walks all topics of a tenant, or of all tenants. Returns a walk that requests the next namespace once the topics
    /// of one have been taken.
    pub fn walk_topics(&self, tenant: Option<&str>) -> TopicWalk {
        TopicWalk {
            admin: self.clone(),
            tenants: tenant.map(|tenant| VecDeque::from([tenant.to_owned()])),
            namespaces: VecDeque::new(),
            topics: VecDeque::new(),
        }
    }

    /// Creates a topic without partitions. Fails with [`ErrorKind::Busy`] if the name exists.
    pub async fn create_topic(&self, topic: impl AsRef<str>) -> Result<()> {
        self.call_topic("create", Method::PUT, topic, "")?.done().await
    }

    /// Creates a topic with partitions. Fails with [`ErrorKind::Busy`] if the name exists.
    pub async fn create_partitioned_topic(&self, topic: impl AsRef<str>, partitions: u32) -> Result<()> {
        self.call_topic("create", Method::PUT, topic, "/partitions")?.body(&json!(partitions)).done().await
    }

    /// Creates a topic without partitions unless the name exists, and returns whether it was created.
    pub async fn ensure_topic(&self, topic: impl AsRef<str>) -> Result<bool> {
        let topic = topic.as_ref();
        super::ensured(|| self.create_topic(topic)).await
    }

    /// Creates a topic with this many partitions, or adds partitions to an existing one. Returns whether anything
    /// changed. Fails if a topic of this name has no partitions.
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

    /// Increases the number of partitions of a topic to `partitions`; it cannot decrease. This changes which partition
    /// a key maps to.
    pub async fn grow_partitions(&self, topic: impl AsRef<str>, partitions: u32) -> Result<()> {
        self.call_topic("add partitions to", Method::POST, topic, "/partitions")?.body(&json!(partitions)).done().await
    }

    /// Returns the number of partitions of a topic, 0 for one without. Fails with [`ErrorKind::NotFound`] if it does
    /// not exist.
    pub async fn partitions(&self, topic: impl AsRef<str>) -> Result<u32> {
        self.count_partitions(topic, "/partitions").await
    }

    /// Returns the number of partitions, like [`Admin::partitions`], for a handle that is being opened. Creates the
    /// topic where the broker creates partitioned topics on demand.
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

    /// Deletes a topic with all its partitions, messages and subscriptions. Fails with [`ErrorKind::Busy`] if a client
    /// is connected to it, unless `force` disconnects the clients. A client that reconnects creates the topic again,
    /// where brokers create topics on demand.
    pub async fn delete_topic(&self, topic: impl AsRef<str>, force: bool) -> Result<()> {
        let call = |rest: &str| self.call_topic("delete", Method::DELETE, &topic, &format!("{rest}?force={force}"));
        either(call("")?, 409, call("/partitions")?).await.map(drop)
    }

    /// Terminates a topic: it accepts no more messages, and those it has stay readable. Returns the last message of the
    /// topic, or of each of its partitions in order; `None` for one without messages.
    pub async fn terminate_topic(&self, topic: impl AsRef<str>) -> Result<Vec<Option<MessageId>>> {
        let call = |rest: &str| self.call_topic("terminate", Method::POST, &topic, rest);
        let answer = either(call("/terminate")?, 405, call("/terminate/partitions")?).await?;
        if answer.of_partitions() {
            let ids = answer.json::<BTreeMap<i32, JsonId>>()?.into_iter();
            // The partition is beside the id, and not in it.
            return Ok(ids.map(|(partition_index, id)| JsonId { partition_index, ..id }.into_id()).collect());
        }
        Ok(vec![answer.json::<JsonId>()?.into_id()])
    }

    /// Starts the compaction of a topic, or of all its partitions. For readers of the compacted topic, only the last
    /// message of each key remains. Fails with [`ErrorKind::Busy`] while a compaction runs.
    pub async fn compact_topic(&self, topic: impl AsRef<str>) -> Result<()> {
        self.call_topic("compact", Method::PUT, topic, "/compaction")?.done().await
    }

    /// Returns the progress of a compaction. For a partitioned topic, query each partition.
    pub async fn compaction_status(&self, topic: impl AsRef<str>) -> Result<CompactionStatus> {
        self.call_topic("ask for the compaction of", Method::GET, topic, "/compaction")?.with_raw().await
    }

    /// Makes the broker close a topic and all connections to it. The next use loads it again, possibly on another
    /// broker.
    pub async fn unload_topic(&self, topic: impl AsRef<str>) -> Result<()> {
        self.call_topic("unload", Method::PUT, topic, "/unload")?.done().await
    }

    /// Acknowledges everything for all subscriptions, and deletes all stored messages, retained or not. The ledger that
    /// is being written stays.
    pub async fn truncate_topic(&self, topic: impl AsRef<str>) -> Result<()> {
        self.call_topic("truncate", Method::DELETE, topic, "/truncate")?.done().await
    }

    /// Returns the statistics of a topic. For a partitioned topic, returns those of all partitions together, and of
    /// each.
    pub async fn topic_stats(&self, topic: impl AsRef<str>) -> Result<TopicStats> {
        let call = |rest: &str| {
            self.call_topic("read the statistics of", Method::GET, &topic, &format!("{rest}getPreciseBacklog=true"))
        };
        either(call("/stats?")?, 404, call("/partitioned-stats?perPartition=true&")?).await?.with_raw()
    }

    /// Returns the statistics of a partitioned topic, like [`Admin::topic_stats`], but in one request.
    pub(crate) async fn partitioned_stats(&self, topic: impl AsRef<str>) -> Result<TopicStats> {
        let rest = "/partitioned-stats?perPartition=true&getPreciseBacklog=true";
        self.call_topic("read the statistics of", Method::GET, topic, rest)?.with_raw().await
    }

    /// Returns how the broker stores a topic, or each of its partitions.
    pub async fn internal_stats(&self, topic: impl AsRef<str>) -> Result<InternalStats> {
        let call = |rest: &str| self.call_topic("read the internal statistics of", Method::GET, &topic, rest);
        either(call("/internalStats")?, 404, call("/partitioned-internalStats")?).await?.with_raw()
    }

    /// Returns the id of the last message; `None` if the topic has none. For a partitioned topic, query each partition:
    /// `{topic}-partition-0` and so on.
    pub async fn last_message_id(&self, topic: impl AsRef<str>) -> Result<Option<MessageId>> {
        let call = self.call_topic("ask for the last message of", Method::GET, topic, "/lastMessageId")?;
        call.json::<JsonId>().await.map(JsonId::into_id)
    }

    /// Returns the id of the first message published at `time` or later. If there is none, returns the position after
    /// the last message. For a partitioned topic, query each partition.
    pub async fn message_id_at(&self, topic: impl AsRef<str>, time: SystemTime) -> Result<Option<MessageId>> {
        let rest = format!("/messageid/{}", millis(time));
        let call = self.call_topic("look for a time in", Method::GET, topic, &rest)?;
        call.json::<JsonId>().await.map(JsonId::into_id)
    }

    /// Returns the messages of the entry that contains a message: the message itself, or its batch. For a partitioned
    /// topic, query each partition.
    pub async fn read_entry(&self, topic: impl AsRef<str>, id: &MessageId) -> Result<Vec<StoredMessage>> {
        check_partition(&topic, id)?;
        let rest = format!("/ledger/{}/entry/{}", id.ledger(), id.entry());
        self.call_topic("read a message of", Method::GET, topic, &rest)?.stored().await
    }

    /// Returns the messages of the entry at `position`, counted from 1 at the first or the last stored entry. Returns
    /// `None` if the topic has none. Past the other end, returns the entry at that end. For a partitioned topic, query
    /// each partition.
    pub async fn examine_message(
        &self,
        topic: impl AsRef<str>,
        from: InitialPosition,
        position: u64,
    ) -> Result<Option<Vec<StoredMessage>>> {
        let examine = async |from: InitialPosition, position: u64| {
            let rest = format!("/examinemessage?initialPosition={}&messagePosition={position}", from.as_str());
            match self.call_topic("examine a message of", Method::GET, &topic, &rest)?.stored().await {
                Err(error) if error.http_status() == Some(412) && position > 0 => Ok(None),
                outcome => outcome.map(Some),
            }
        };
        match examine(from, position).await {
            // The broker tries to read the entry before the first one.
            Err(error) if error.http_status() == Some(500) && from == InitialPosition::Latest && position > 1 => {
                examine(InitialPosition::Earliest, 1).await
            }
            outcome => outcome,
        }
    }

    fn call_list(&self, operation: &str, namespace: &str, persistence: Persistence, rest: &str) -> Result<Call<'_>> {
        let operation = format!("{operation} {namespace:?}");
        let path = format!("{}/{}{rest}", persistence.as_str(), namespace_path(namespace)?);
        Ok(self.call(&operation, Method::GET, &path))
    }
}

/// An answer with the request that it belongs to.
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

/// Sends the first request, and the second if the topic is of the second kind. Pulsar often has two paths, for topics
/// without and with partitions. The first path answers with `status` to a topic of the second kind. A topic of the
/// first kind takes only one request.
async fn either<'a>(first: Call<'a>, status: u16, second: Call<'a>) -> Result<Answered<'a>> {
    let refused = match first.text().await {
        Ok(text) => return Ok(Answered { call: first, text, second: false }),
        Err(error) if error.http_status() == Some(status) => error,
        Err(error) => return Err(error),
    };
    match second.text().await {
        Ok(text) => Ok(Answered { call: second, text, second: true }),
        // The topic is not of the second kind either, so the first answer applies.
        Err(error) if matches!(error.http_status(), Some(404 | 409)) => Err(refused),
        Err(error) => Err(error),
    }
}

/// The topics of [`Admin::walk_topics`]. It keeps the names of one namespace at a time.
#[derive(Debug)]
pub struct TopicWalk {
    admin: Admin,
    /// `None` until the tenants are requested.
    tenants: Option<VecDeque<String>>,
    namespaces: VecDeque<String>,
    topics: VecDeque<String>,
}

impl TopicWalk {
    /// Returns the full name of the next topic, with each partition separate; `None` at the end. After an error, the
    /// next call continues after what could not be listed. Skips what is deleted in the meantime.
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
