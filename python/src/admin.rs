//! Pulsar's REST API. The classes in Python give types to what goes through here as texts and comes back as JSON, since a
//! class of its own for each of the core's types would say everything a third time.

use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::json;
use stargate_core::admin::{
    Answer, BacklogPolicy, BacklogQuota, BacklogQuotaKind, Position, Retention, StoredMessage, TenantInfo,
};
use stargate_core::{self as core, Error, ErrorKind, InitialPosition, Persistence, Result};

use crate::message::{Message, MessageId};
use crate::operation::made;

/// What an operation gives.
pub(crate) enum Reply {
    Nothing,
    Json(String),
    Ids(Vec<Option<core::MessageId>>),
    /// The messages of an entry, or nothing where there is none.
    Stored(Option<Vec<StoredMessage>>),
    Answer(Answer),
}

impl Reply {
    fn json(value: impl serde::Serialize) -> Reply {
        Reply::Json(json!(value).to_string())
    }

    pub(crate) fn into_python(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self {
            Reply::Nothing => Ok(py.None()),
            Reply::Json(text) => text.into_py_any(py),
            Reply::Ids(ids) => {
                let ids: PyResult<Vec<_>> =
                    ids.into_iter().map(|id| id.map(|id| made(py, MessageId::new(id))).transpose()).collect();
                ids?.into_py_any(py)
            }
            Reply::Stored(None) => Ok(py.None()),
            Reply::Stored(Some(messages)) => {
                let messages: PyResult<Vec<_>> = messages.into_iter().map(|stored| tuple(py, stored)).collect();
                messages?.into_py_any(py)
            }
            Reply::Answer(answer) => (answer.status, PyBytes::new(py, &answer.body)).into_py_any(py),
        }
    }
}

/// The fields of `StoredMessage`, in their order.
fn tuple(py: Python<'_>, stored: StoredMessage) -> PyResult<Py<PyAny>> {
    let (producer, sequence) = (stored.producer_name().to_owned(), stored.sequence_id());
    let (null, encrypted) = (stored.is_null(), stored.is_encrypted());
    let message = made(py, Message::new(stored.into_message()))?;
    (message, producer, sequence, null, encrypted).into_py_any(py)
}

/// The arguments of an operation, which the class in Python gives in the order of the core's parameters.
pub(crate) struct Arguments(pub(crate) Vec<Option<String>>);

impl Arguments {
    fn optional(&self, at: usize) -> Option<&str> {
        self.0.get(at)?.as_deref()
    }

    fn text(&self, at: usize) -> &str {
        self.optional(at).unwrap_or_default()
    }

    fn parsed<T: FromStr>(&self, at: usize) -> Result<T> {
        let text = self.text(at);
        text.parse().map_err(|_| invalid(format!("{text} is not in the range of Pulsar")))
    }

    fn seconds(&self, at: usize) -> Result<Duration> {
        self.parsed(at).map(Duration::from_secs)
    }

    fn time(&self, at: usize) -> Result<SystemTime> {
        self.parsed(at).map(|millis| UNIX_EPOCH + Duration::from_millis(millis))
    }

    fn persistence(&self, at: usize) -> Persistence {
        if self.text(at) == "true" { Persistence::Persistent } else { Persistence::NonPersistent }
    }

    fn begin(&self, at: usize) -> Result<InitialPosition> {
        match self.text(at) {
            "earliest" => Ok(InitialPosition::Earliest),
            "latest" => Ok(InitialPosition::Latest),
            other => Err(invalid(format!("expected earliest or latest, got {other:?}"))),
        }
    }

    /// `earliest`, `latest`, or what it is with its value behind a colon.
    fn position(&self, at: usize) -> Result<Position> {
        match self.text(at).split_once(':').unwrap_or((self.text(at), "")) {
            ("earliest", _) => Ok(Position::Earliest),
            ("latest", _) => Ok(Position::Latest),
            ("at", id) => id.parse().map(Position::At),
            ("after", id) => id.parse().map(Position::After),
            (_, millis) => {
                let millis = millis.parse().map_err(|_| invalid("the time is before 1970"))?;
                Ok(Position::Time(UNIX_EPOCH + Duration::from_millis(millis)))
            }
        }
    }

    fn json<T: serde::de::DeserializeOwned>(&self, at: usize) -> Result<T> {
        serde_json::from_str(self.text(at)).map_err(|error| invalid(error.to_string()))
    }

    fn quota_kind(&self, at: usize) -> Result<BacklogQuotaKind> {
        let word = self.text(at);
        BacklogQuotaKind::from_word(word)
            .ok_or_else(|| invalid(format!("expected destination_storage or message_age, got {word:?}")))
    }

    fn quota(&self) -> Result<BacklogQuota> {
        let word = self.text(3);
        let policy = BacklogPolicy::from_word(word).ok_or_else(|| {
            let words = "producer_request_hold, producer_exception or consumer_backlog_eviction";
            invalid(format!("expected {words}, got {word:?}"))
        })?;
        Ok(BacklogQuota { kind: self.quota_kind(1)?, limit: self.parsed(2)?, policy })
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}

/// Does what `operation` names.
pub(crate) async fn perform(admin: core::Admin, operation: String, arguments: Arguments) -> Result<Reply> {
    let outcome = perform_one(&admin, &operation, &arguments).await;
    outcome.map_err(|error| error.during(&operation.replace('_', " ")))
}

async fn perform_one(admin: &core::Admin, operation: &str, given: &Arguments) -> Result<Reply> {
    let (first, second) = (given.text(0), given.text(1));
    Ok(match operation {
        "request" => Reply::Answer(admin.request(first, second, given.optional(2)).await?),

        "clusters" => Reply::json(admin.clusters().await?),
        "broker_version" => Reply::json(admin.broker_version().await?),
        "check_health" => nothing(admin.check_health().await?),

        "tenants" => Reply::json(admin.tenants().await?),
        "tenant" => Reply::Json(admin.tenant(first).await?.raw),
        "create_tenant" => nothing(admin.create_tenant(first, &given.json::<TenantInfo>(1)?).await?),
        "update_tenant" => nothing(admin.update_tenant(first, &given.json::<TenantInfo>(1)?).await?),
        "delete_tenant" => nothing(admin.delete_tenant(first).await?),
        "ensure_tenant" => Reply::json(admin.ensure_tenant(first, &given.json::<TenantInfo>(1)?).await?),

        "namespaces" => Reply::json(admin.namespaces(first).await?),
        "namespace_policies" => Reply::Json(admin.namespace_policies(first).await?.raw),
        "create_namespace" => {
            let bundles = given.optional(1).map(|_| given.parsed(1)).transpose()?;
            nothing(admin.create_namespace(first, bundles).await?)
        }
        "delete_namespace" => nothing(admin.delete_namespace(first).await?),
        "ensure_namespace" => Reply::json(admin.ensure_namespace(first).await?),
        "retention" => Reply::json(admin.retention(first).await?),
        "set_retention" => {
            let retention = Retention { time_in_minutes: given.parsed(1)?, size_in_mb: given.parsed(2)? };
            nothing(admin.set_retention(first, &retention).await?)
        }
        "remove_retention" => nothing(admin.remove_retention(first).await?),
        "message_ttl" => Reply::json(admin.message_ttl(first).await?.map(|ttl| ttl.as_secs())),
        "set_message_ttl" => nothing(admin.set_message_ttl(first, given.seconds(1)?).await?),
        "remove_message_ttl" => nothing(admin.remove_message_ttl(first).await?),
        "deduplication" => Reply::json(admin.deduplication(first).await?),
        "set_deduplication" => nothing(admin.set_deduplication(first, given.parsed(1)?).await?),
        "remove_deduplication" => nothing(admin.remove_deduplication(first).await?),
        "backlog_quotas" => {
            let quotas = admin.backlog_quotas(first).await?.into_iter();
            let quotas = quotas.map(|quota| (quota.kind.as_str(), quota.limit, quota.policy.as_str()));
            Reply::json(quotas.collect::<Vec<_>>())
        }
        "set_backlog_quota" => nothing(admin.set_backlog_quota(first, &given.quota()?).await?),
        "remove_backlog_quota" => nothing(admin.remove_backlog_quota(first, given.quota_kind(1)?).await?),

        "topics" => Reply::json(admin.topics(first, given.persistence(1)).await?),
        "partitioned_topics" => Reply::json(admin.partitioned_topics(first, given.persistence(1)).await?),
        "create_topic" => nothing(admin.create_topic(first).await?),
        "create_partitioned_topic" => nothing(admin.create_partitioned_topic(first, given.parsed(1)?).await?),
        "ensure_topic" => Reply::json(admin.ensure_topic(first).await?),
        "ensure_partitioned_topic" => Reply::json(admin.ensure_partitioned_topic(first, given.parsed(1)?).await?),
        "grow_partitions" => nothing(admin.grow_partitions(first, given.parsed(1)?).await?),
        "partitions" => Reply::json(admin.partitions(first).await?),
        "delete_topic" => nothing(admin.delete_topic(first, given.parsed(1)?).await?),
        "terminate_topic" => Reply::Ids(admin.terminate_topic(first).await?),
        "compact_topic" => nothing(admin.compact_topic(first).await?),
        "compaction_status" => Reply::Json(admin.compaction_status(first).await?.raw),
        "unload_topic" => nothing(admin.unload_topic(first).await?),
        "truncate_topic" => nothing(admin.truncate_topic(first).await?),
        "topic_stats" => Reply::Json(admin.topic_stats(first).await?.raw),
        "internal_stats" => Reply::Json(admin.internal_stats(first).await?.raw),
        "last_message_id" => Reply::Ids(vec![admin.last_message_id(first).await?]),
        "message_id_at" => Reply::Ids(vec![admin.message_id_at(first, given.time(1)?).await?]),
        "read_entry" => Reply::Stored(Some(admin.read_entry(first, &second.parse()?).await?)),
        "examine_message" => Reply::Stored(admin.examine_message(first, given.begin(1)?, given.parsed(2)?).await?),

        "subscriptions" => Reply::json(admin.subscriptions(first).await?),
        "create_subscription" => nothing(admin.create_subscription(first, second, &given.position(2)?).await?),
        "ensure_subscription" => Reply::json(admin.ensure_subscription(first, second, &given.position(2)?).await?),
        "delete_subscription" => nothing(admin.delete_subscription(first, second, given.parsed(2)?).await?),
        "seek" => nothing(admin.seek(first, second, &given.position(2)?).await?),
        "skip" => nothing(admin.skip(first, second, given.parsed(2)?).await?),
        "skip_all" => nothing(admin.skip_all(first, second).await?),
        "expire_messages" => Reply::json(admin.expire_messages(first, second, given.seconds(2)?).await?),
        "expire_messages_until" => {
            Reply::json(admin.expire_messages_until(first, second, &given.text(2).parse()?).await?)
        }
        "expire_all_messages" => Reply::json(admin.expire_all_messages(first, given.seconds(1)?).await?),
        "peek_entry" => Reply::Stored(admin.peek_entry(first, second, given.parsed(2)?).await?),
        "peek" => Reply::Stored(Some(admin.peek(first, second, given.parsed(2)?).await?)),
        "subscription_properties" => Reply::json(admin.subscription_properties(first, second).await?),
        "set_subscription_properties" => {
            nothing(admin.set_subscription_properties(first, second, &given.json(2)?).await?)
        }
        "analyze_backlog" => Reply::Json(admin.analyze_backlog(first, second).await?.raw),
        other => return Err(Error::new(ErrorKind::Internal, format!("there is no operation {other:?}"))),
    })
}

fn nothing((): ()) -> Reply {
    Reply::Nothing
}
