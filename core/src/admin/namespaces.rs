//! Namespaces and their policies.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Admin, Call, keeps_raw};
use crate::error::{Error, Result};
use crate::topic::percent_encode;

/// How long, and how much, a topic keeps messages that every subscription has acknowledged. Both 0, the default, keep
/// nothing; -1 is without limit. Only one of them 0 is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Minutes; `retentionTimeInMinutes`.
    #[serde(rename = "retentionTimeInMinutes")]
    pub time_in_minutes: i64,
    /// Megabytes; `retentionSizeInMB`.
    #[serde(rename = "retentionSizeInMB")]
    pub size_in_mb: i64,
}

/// The quantity that a backlog quota limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BacklogQuotaKind {
    /// The bytes that a topic holds for its slowest subscription.
    DestinationStorage,
    /// The age of the oldest unacknowledged message, in seconds.
    MessageAge,
}

impl BacklogQuotaKind {
    /// Returns Pulsar's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            BacklogQuotaKind::DestinationStorage => "destination_storage",
            BacklogQuotaKind::MessageAge => "message_age",
        }
    }

    /// Returns the kind with this name in Pulsar.
    pub fn from_word(word: &str) -> Option<BacklogQuotaKind> {
        [BacklogQuotaKind::DestinationStorage, BacklogQuotaKind::MessageAge]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

/// What happens when a topic's backlog is over its quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BacklogPolicy {
    /// Producers cannot connect, and connected producers wait.
    ProducerRequestHold,
    /// Producers cannot connect, and connected producers receive errors.
    ProducerException,
    /// The broker acknowledges the oldest messages of the slowest subscriptions.
    ConsumerBacklogEviction,
}

impl BacklogPolicy {
    const ALL: [BacklogPolicy; 3] =
        [BacklogPolicy::ProducerRequestHold, BacklogPolicy::ProducerException, BacklogPolicy::ConsumerBacklogEviction];

    /// Returns Pulsar's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            BacklogPolicy::ProducerRequestHold => "producer_request_hold",
            BacklogPolicy::ProducerException => "producer_exception",
            BacklogPolicy::ConsumerBacklogEviction => "consumer_backlog_eviction",
        }
    }

    /// Returns the policy with this name in Pulsar.
    pub fn from_word(word: &str) -> Option<BacklogPolicy> {
        BacklogPolicy::ALL.into_iter().find(|policy| policy.as_str() == word)
    }
}

/// A limit on what a topic may keep for subscriptions that do not acknowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BacklogQuota {
    /// The quantity that is limited. A namespace has at most one quota of each kind.
    pub kind: BacklogQuotaKind,
    /// Bytes or seconds, depending on the kind; -1 is without limit.
    pub limit: i64,
    /// What happens beyond the limit.
    pub policy: BacklogPolicy,
}

/// The policies set for a namespace. For `None`, the broker's default applies.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct NamespacePolicies {
    /// How long, and how much, topics keep acknowledged messages.
    pub retention: Option<Retention>,
    /// How long until a message counts as acknowledged, even if it is not.
    pub message_ttl: Option<Duration>,
    /// Whether the broker drops duplicates of messages that a producer has already sent.
    pub deduplication: Option<bool>,
    /// The backlog quotas.
    pub backlog_quotas: Vec<BacklogQuota>,
    /// The number of bundles that divide the namespace among the brokers.
    pub bundles: u32,
    /// The broker's complete answer, in JSON.
    pub raw: String,
}

#[derive(Deserialize)]
struct JsonPolicies {
    retention_policies: Option<Retention>,
    message_ttl_in_seconds: Option<u64>,
    #[serde(rename = "deduplicationEnabled")]
    deduplication: Option<bool>,
    #[serde(default)]
    backlog_quota_map: BTreeMap<String, JsonQuota>,
    bundles: Option<JsonBundles>,
    #[serde(skip)]
    raw: String,
}

keeps_raw!(JsonPolicies);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonBundles {
    num_bundles: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonQuota {
    #[serde(default = "without_limit")]
    limit_size: i64,
    #[serde(default = "without_limit")]
    limit_time: i64,
    policy: String,
}

fn without_limit() -> i64 {
    -1
}

/// Converts the quotas, without kinds that only later versions have.
fn quotas(map: BTreeMap<String, JsonQuota>) -> Vec<BacklogQuota> {
    let quota = |(kind, quota): (String, JsonQuota)| {
        let kind = BacklogQuotaKind::from_word(&kind)?;
        let limit = match kind {
            BacklogQuotaKind::DestinationStorage => quota.limit_size,
            BacklogQuotaKind::MessageAge => quota.limit_time,
        };
        Some(BacklogQuota { kind, limit, policy: BacklogPolicy::from_word(&quota.policy)? })
    };
    map.into_iter().filter_map(quota).collect()
}

impl Admin {
    /// Returns the names of a tenant's namespaces, each as `tenant/namespace`. The broker returns all of them in one
    /// answer.
    pub async fn namespaces(&self, tenant: &str) -> Result<Vec<String>> {
        let operation = format!("list the namespaces of {tenant:?}");
        self.call(&operation, Method::GET, &format!("namespaces/{}", percent_encode(tenant))).json().await
    }

    /// Returns the policies set for a namespace.
    pub async fn namespace_policies(&self, namespace: &str) -> Result<NamespacePolicies> {
        let policies: JsonPolicies = self.call_namespace("read", Method::GET, namespace, "")?.with_raw().await?;
        Ok(NamespacePolicies {
            retention: policies.retention_policies,
            message_ttl: policies.message_ttl_in_seconds.map(Duration::from_secs),
            deduplication: policies.deduplication,
            backlog_quotas: quotas(policies.backlog_quota_map),
            bundles: policies.bundles.map_or(0, |bundles| bundles.num_bundles),
            raw: policies.raw,
        })
    }

    /// Creates a namespace with this number of bundles, or with the broker's default.
    pub async fn create_namespace(&self, namespace: &str, bundles: Option<u32>) -> Result<()> {
        let call = self.call_namespace("create", Method::PUT, namespace, "")?;
        match bundles {
            Some(count) => call.body(&json!({ "bundles": { "numBundles": count } })).done().await,
            None => call.done().await,
        }
    }

    /// Deletes a namespace that has no topics.
    pub async fn delete_namespace(&self, namespace: &str) -> Result<()> {
        self.call_namespace("delete", Method::DELETE, namespace, "")?.done().await
    }

    /// Creates a namespace unless it exists, and returns whether it was created.
    pub async fn ensure_namespace(&self, namespace: &str) -> Result<bool> {
        super::ensured(|| self.create_namespace(namespace, None)).await
    }

    /// Returns the retention, if it is set.
    pub async fn retention(&self, namespace: &str) -> Result<Option<Retention>> {
        self.call_namespace("read the retention of", Method::GET, namespace, "/retention")?.json_or_none().await
    }

    /// Sets the retention. It must not be less than a backlog quota.
    pub async fn set_retention(&self, namespace: &str, retention: &Retention) -> Result<()> {
        let call = self.call_namespace("set the retention of", Method::POST, namespace, "/retention")?;
        call.body(&json!(retention)).done().await
    }

    /// Removes the retention, so that the broker's default applies.
    pub async fn remove_retention(&self, namespace: &str) -> Result<()> {
        self.call_namespace("remove the retention of", Method::DELETE, namespace, "/retention")?.done().await
    }

    /// Returns the time to live, if it is set.
    pub async fn message_ttl(&self, namespace: &str) -> Result<Option<Duration>> {
        let call = self.call_namespace("read the time to live of", Method::GET, namespace, "/messageTTL")?;
        call.json_or_none::<u64>().await.map(|seconds| seconds.map(Duration::from_secs))
    }

    /// Sets how long until a message counts as acknowledged, even if it is not. In whole seconds; 0 disables this.
    pub async fn set_message_ttl(&self, namespace: &str, ttl: Duration) -> Result<()> {
        let call = self.call_namespace("set the time to live of", Method::POST, namespace, "/messageTTL")?;
        call.body(&json!(ttl.as_secs())).done().await
    }

    /// Removes the time to live, so that the broker's default applies.
    pub async fn remove_message_ttl(&self, namespace: &str) -> Result<()> {
        self.call_namespace("remove the time to live of", Method::DELETE, namespace, "/messageTTL")?.done().await
    }

    /// Returns whether deduplication is enabled; `None` if it is not set.
    pub async fn deduplication(&self, namespace: &str) -> Result<Option<bool>> {
        self.call_namespace("read the deduplication of", Method::GET, namespace, "/deduplication")?.json_or_none().await
    }

    /// Sets whether the broker drops duplicates of messages that a producer has already sent. Topics in use may take a
    /// moment to adopt it.
    pub async fn set_deduplication(&self, namespace: &str, enabled: bool) -> Result<()> {
        let call = self.call_namespace("set the deduplication of", Method::POST, namespace, "/deduplication")?;
        call.body(&json!(enabled)).done().await
    }

    /// Removes the setting of deduplication, so that the broker's default applies.
    pub async fn remove_deduplication(&self, namespace: &str) -> Result<()> {
        self.call_namespace("remove the deduplication of", Method::DELETE, namespace, "/deduplication")?.done().await
    }

    /// Returns the backlog quotas that are set.
    pub async fn backlog_quotas(&self, namespace: &str) -> Result<Vec<BacklogQuota>> {
        let call = self.call_namespace("read the backlog quotas of", Method::GET, namespace, "/backlogQuotaMap")?;
        call.json().await.map(quotas)
    }

    /// Sets the backlog quota of its kind. It must not be more than the retention.
    pub async fn set_backlog_quota(&self, namespace: &str, quota: &BacklogQuota) -> Result<()> {
        let rest = format!("/backlogQuota?backlogQuotaType={}", quota.kind.as_str());
        let limit = |kind| if quota.kind == kind { quota.limit } else { -1 };
        let body: Value = json!({
            "limitSize": limit(BacklogQuotaKind::DestinationStorage),
            "limitTime": limit(BacklogQuotaKind::MessageAge),
            "policy": quota.policy.as_str(),
        });
        self.call_namespace("set the backlog quota of", Method::POST, namespace, &rest)?.body(&body).done().await
    }

    /// Removes the backlog quota of this kind, so that the broker's default applies.
    pub async fn remove_backlog_quota(&self, namespace: &str, kind: BacklogQuotaKind) -> Result<()> {
        let rest = format!("/backlogQuota?backlogQuotaType={}", kind.as_str());
        self.call_namespace("remove the backlog quota of", Method::DELETE, namespace, &rest)?.done().await
    }

    /// Prepares a request about a namespace; `rest` follows its name in the path.
    fn call_namespace(&self, operation: &str, method: Method, namespace: &str, rest: &str) -> Result<Call<'_>> {
        let operation = format!("{operation} the namespace {namespace:?}");
        Ok(self.call(&operation, method, &format!("namespaces/{}{rest}", namespace_path(namespace)?)))
    }
}

/// Returns `tenant/namespace` as two segments of a path.
pub(super) fn namespace_path(namespace: &str) -> Result<String> {
    match namespace.split_once('/') {
        Some((tenant, name)) if !tenant.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok(format!("{}/{}", percent_encode(tenant), percent_encode(name)))
        }
        _ => Err(Error::invalid(format!("namespace {namespace:?}: expected tenant/namespace"))),
    }
}
