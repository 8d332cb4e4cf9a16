//! Pulsar's REST API. The classes in Python give types to what goes through here as texts and comes back as JSON, since a
//! class of its own for each of the core's types would say everything a third time.
//!
//! [`operations`] is the table: a row for each operation that Python may name.

use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::json;
use stargate_core::admin::{
    Answer, BacklogPolicy, BacklogQuota, BacklogQuotaKind, Position, Retention, Schema, StoredMessage, TenantInfo,
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

/// Returns the fields of `StoredMessage`, in order.
fn tuple(py: Python<'_>, stored: StoredMessage) -> PyResult<Py<PyAny>> {
    let (producer, sequence) = (stored.producer_name().to_owned(), stored.sequence_id());
    let (null, encrypted) = (stored.is_null(), stored.is_encrypted());
    let origin = stored.replicated_from().map(str::to_owned);
    let message = made(py, Message::new(stored.into_message()))?;
    (message, producer, sequence, null, encrypted, origin).into_py_any(py)
}

/// Defines `perform_one`, which calls the method of the core that an operation is named after. A row names the
/// arguments, each a method of [`Arguments`] or an arm of [`argument`], and the function that makes the reply.
macro_rules! operations {
    ($($name:ident($($argument:ident),*) => $reply:expr,)*) => {
        async fn perform_one(admin: &core::Admin, operation: &str, mut given: Arguments<'_>) -> Result<Reply> {
            match operation {
                $(stringify!($name) => admin.$name($(argument!(given, $argument)),*).await.map($reply),)*
                other => Err(Error::new(ErrorKind::Internal, format!("there is no operation {other:?}"))),
            }
        }
    };
}

/// The next of the given arguments; those that the core takes by reference are named here.
macro_rules! argument {
    ($given:ident, tenant_info) => {
        &$given.json::<TenantInfo>()?
    };
    ($given:ident, properties) => {
        &$given.json()?
    };
    ($given:ident, retention) => {
        &$given.retention()?
    };
    ($given:ident, quota) => {
        &$given.quota()?
    };
    ($given:ident, schema) => {
        &Schema::from_json($given.text()?)?
    };
    ($given:ident, position) => {
        &$given.position()?
    };
    ($given:ident, id) => {
        &$given.text()?.parse()?
    };
    ($given:ident, $argument:ident) => {
        $given.$argument()?
    };
}

operations! {
    request(text, text, optional) => Reply::Answer,

    clusters() => json,
    broker_version() => json,
    check_health() => nothing,

    tenants() => json,
    tenant(text) => |tenant| Reply::Json(tenant.raw),
    create_tenant(text, tenant_info) => nothing,
    update_tenant(text, tenant_info) => nothing,
    delete_tenant(text) => nothing,
    ensure_tenant(text, tenant_info) => json,

    namespaces(text) => json,
    namespace_policies(text) => |policies| Reply::Json(policies.raw),
    create_namespace(text, optional_number) => nothing,
    delete_namespace(text) => nothing,
    ensure_namespace(text) => json,
    retention(text) => json,
    set_retention(text, retention) => nothing,
    remove_retention(text) => nothing,
    message_ttl(text) => |ttl| json(ttl.map(|ttl| ttl.as_secs())),
    set_message_ttl(text, seconds) => nothing,
    remove_message_ttl(text) => nothing,
    deduplication(text) => json,
    set_deduplication(text, parsed) => nothing,
    remove_deduplication(text) => nothing,
    backlog_quotas(text) => quotas,
    set_backlog_quota(text, quota) => nothing,
    remove_backlog_quota(text, quota_kind) => nothing,

    topics(text, persistence) => json,
    partitioned_topics(text, persistence) => json,
    create_topic(text) => nothing,
    create_partitioned_topic(text, parsed) => nothing,
    ensure_topic(text) => json,
    ensure_partitioned_topic(text, parsed) => json,
    grow_partitions(text, parsed) => nothing,
    partitions(text) => json,
    delete_topic(text, parsed) => nothing,
    terminate_topic(text) => Reply::Ids,
    compact_topic(text) => nothing,
    compaction_status(text) => |status| Reply::Json(status.raw),
    unload_topic(text) => nothing,
    truncate_topic(text) => nothing,
    topic_stats(text) => |stats| Reply::Json(stats.raw),
    internal_stats(text) => |stats| Reply::Json(stats.raw),
    last_message_id(text) => |id| Reply::Ids(vec![id]),
    message_id_at(text, time) => |id| Reply::Ids(vec![id]),
    read_entry(text, id) => |messages| Reply::Stored(Some(messages)),
    examine_message(text, initial_position, parsed) => Reply::Stored,

    subscriptions(text) => json,
    create_subscription(text, text, position) => nothing,
    ensure_subscription(text, text, position) => json,
    delete_subscription(text, text, parsed) => nothing,
    seek(text, text, position) => nothing,
    skip(text, text, parsed) => nothing,
    skip_all(text, text) => nothing,
    expire_messages(text, text, seconds) => json,
    expire_messages_until(text, text, id) => json,
    expire_all_messages(text, seconds) => json,
    peek_entry(text, text, parsed) => Reply::Stored,
    peek(text, text, parsed) => |messages| Reply::Stored(Some(messages)),
    subscription_properties(text, text) => json,
    set_subscription_properties(text, text, properties) => nothing,
    analyze_backlog(text, text) => |analysis| Reply::Json(analysis.raw),

    schema(text, optional_number) => |schema| Reply::Json(schema.raw),
    schemas(text) => all_versions,
    upload_schema(text, schema) => json,
    delete_schema(text) => nothing,
    test_schema_compatibility(text, schema) => |answer| Reply::Json(answer.raw),
}

/// Does what `operation` names. The class in Python gives the arguments in the order of the core's parameters.
pub(crate) async fn perform(admin: core::Admin, operation: String, arguments: Vec<Option<String>>) -> Result<Reply> {
    let outcome = perform_one(&admin, &operation, Arguments(arguments.iter())).await;
    outcome.map_err(|error| error.during(&operation.replace('_', " ")))
}

fn nothing((): ()) -> Reply {
    Reply::Nothing
}

fn json(value: impl serde::Serialize) -> Reply {
    Reply::Json(json!(value).to_string())
}

fn all_versions(schemas: Vec<Schema>) -> Reply {
    let versions: Vec<&str> = schemas.iter().map(|schema| schema.raw.as_str()).collect();
    Reply::Json(format!("[{}]", versions.join(",")))
}

fn quotas(quotas: Vec<BacklogQuota>) -> Reply {
    let quotas = quotas.into_iter().map(|quota| (quota.kind.as_str(), quota.limit, quota.policy.as_str()));
    json(quotas.collect::<Vec<_>>())
}

/// The arguments that are not read yet. Each method reads the next one.
struct Arguments<'a>(std::slice::Iter<'a, Option<String>>);

impl<'a> Arguments<'a> {
    fn optional(&mut self) -> Result<Option<&'a str>> {
        let argument = self.0.next().map(Option::as_deref);
        argument.ok_or_else(|| Error::new(ErrorKind::Internal, "there are too few arguments"))
    }

    fn text(&mut self) -> Result<&'a str> {
        self.optional()?.ok_or_else(|| invalid("expected text, got None"))
    }

    fn parsed<T: FromStr>(&mut self) -> Result<T> {
        parse(self.text()?)
    }

    fn optional_number<T: FromStr>(&mut self) -> Result<Option<T>> {
        self.optional()?.map(parse).transpose()
    }

    fn seconds(&mut self) -> Result<Duration> {
        self.parsed().map(Duration::from_secs)
    }

    fn time(&mut self) -> Result<SystemTime> {
        self.parsed().map(|millis| UNIX_EPOCH + Duration::from_millis(millis))
    }

    fn persistence(&mut self) -> Result<Persistence> {
        Ok(if self.text()? == "true" { Persistence::Persistent } else { Persistence::NonPersistent })
    }

    fn initial_position(&mut self) -> Result<InitialPosition> {
        match self.text()? {
            "earliest" => Ok(InitialPosition::Earliest),
            "latest" => Ok(InitialPosition::Latest),
            other => Err(invalid(format!("expected earliest or latest, got {other:?}"))),
        }
    }

    /// `earliest`, `latest`, or what it is with its value behind a colon.
    fn position(&mut self) -> Result<Position> {
        let text = self.text()?;
        match text.split_once(':').unwrap_or((text, "")) {
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

    fn json<T: serde::de::DeserializeOwned>(&mut self) -> Result<T> {
        serde_json::from_str(self.text()?).map_err(|error| invalid(error.to_string()))
    }

    fn retention(&mut self) -> Result<Retention> {
        Ok(Retention { time_in_minutes: self.parsed()?, size_in_mb: self.parsed()? })
    }

    fn quota_kind(&mut self) -> Result<BacklogQuotaKind> {
        let word = self.text()?;
        BacklogQuotaKind::from_word(word)
            .ok_or_else(|| invalid(format!("expected destination_storage or message_age, got {word:?}")))
    }

    fn quota(&mut self) -> Result<BacklogQuota> {
        let (kind, limit, word) = (self.quota_kind()?, self.parsed()?, self.text()?);
        let policy = BacklogPolicy::from_word(word).ok_or_else(|| {
            let words = "producer_request_hold, producer_exception or consumer_backlog_eviction";
            invalid(format!("expected {words}, got {word:?}"))
        })?;
        Ok(BacklogQuota { kind, limit, policy })
    }
}

fn parse<T: FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| invalid(format!("{text} is not in the range of Pulsar")))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}
