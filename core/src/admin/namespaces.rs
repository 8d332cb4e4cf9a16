//! Namespaces and their policies.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Admin, Call, keeps_raw};
use crate::error::{Error, Result};
use crate::topic::percent_encode;

/// How long and how much is kept of what every subscription has acknowledged. Both 0 keep nothing, the default; -1 is
/// without limit; one of them 0 and the other not is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Minutes; `retentionTimeInMinutes`.
    #[serde(rename = "retentionTimeInMinutes")]
    pub time_in_minutes: i64,
    /// Megabytes; `retentionSizeInMB`.
    #[serde(rename = "retentionSizeInMB")]
    pub size_in_mb: i64,
}

/// What a backlog quota counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BacklogQuotaKind {
    /// The bytes that a topic holds for its slowest subscription.
    DestinationStorage,
    /// The age of the oldest message that is not acknowledged, in seconds.
    MessageAge,
}

impl BacklogQuotaKind {
    /// Pulsar's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            BacklogQuotaKind::DestinationStorage => "destination_storage",
            BacklogQuotaKind::MessageAge => "message_age",
        }
    }

    /// Returns the kind of this name in Pulsar.
    pub fn from_word(word: &str) -> Option<BacklogQuotaKind> {
        [BacklogQuotaKind::DestinationStorage, BacklogQuotaKind::MessageAge]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

/// What happens when a topic's backlog is over its quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BacklogPolicy {
    /// Producers cannot connect, and those that are connected wait.
    ProducerRequestHold,
    /// Producers cannot connect, and those that are connected get errors.
    ProducerException,
    /// The oldest messages of the slowest subscriptions are acknowledged for them.
    ConsumerBacklogEviction,
}

impl BacklogPolicy {
    const ALL: [BacklogPolicy; 3] =
        [BacklogPolicy::ProducerRequestHold, BacklogPolicy::ProducerException, BacklogPolicy::ConsumerBacklogEviction];

    /// Pulsar's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            BacklogPolicy::ProducerRequestHold => "producer_request_hold",
            BacklogPolicy::ProducerException => "producer_exception",
            BacklogPolicy::ConsumerBacklogEviction => "consumer_backlog_eviction",
        }
    }

    /// Returns the policy of this name in Pulsar.
    pub fn from_word(word: &str) -> Option<BacklogPolicy> {
        BacklogPolicy::ALL.into_iter().find(|policy| policy.as_str() == word)
    }
}

/// A bound of what a topic may hold for subscriptions that do not acknowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BacklogQuota {
    /// What is counted; a namespace has at most one quota of each kind.
    pub kind: BacklogQuotaKind,
    /// Bytes, or seconds, by the kind; -1 is without limit.
    pub limit: i64,
    /// What happens beyond it.
    pub policy: BacklogPolicy,
}

/// The policies of a namespace that are set; the broker's defaults hold where there is `None`.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct NamespacePolicies {
    /// How much is kept of what is acknowledged.
    pub retention: Option<Retention>,
    /// After how long a message counts as acknowledged whether it is or not.
    pub message_ttl: Option<Duration>,
    /// Whether the broker drops messages that a producer sent before.
    pub deduplication: Option<bool>,
    /// The quotas.
    pub backlog_quotas: Vec<BacklogQuota>,
    /// The number of bundles, into which the namespace is divided among the brokers.
    pub bundles: u32,
    /// Everything that the broker said, in JSON.
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

/// Quotas of kinds that later versions may have are left out.
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
    /// Returns the names of a tenant's namespaces, `tenant/namespace` each. It is one answer of the broker, however
    /// many.
    pub async fn namespaces(&self, tenant: &str) -> Result<Vec<String>> {
        let operation = format!("list the namespaces of {tenant:?}");
        self.call(&operation, Method::GET, &format!("namespaces/{}", percent_encode(tenant))).json().await
    }

    /// What is set for a namespace.
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

    /// Creates a namespace, with this number of bundles, or the default of the broker.
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

    /// Returns the retention that is set.
    pub async fn retention(&self, namespace: &str) -> Result<Option<Retention>> {
        self.call_namespace("read the retention of", Method::GET, namespace, "/retention")?.json_or_none().await
    }

    /// Sets the retention; it may not be less than a backlog quota.
    pub async fn set_retention(&self, namespace: &str, retention: &Retention) -> Result<()> {
        let call = self.call_namespace("set the retention of", Method::POST, namespace, "/retention")?;
        call.body(&json!(retention)).done().await
    }

    /// Lets the broker's default hold again.
    pub async fn remove_retention(&self, namespace: &str) -> Result<()> {
        self.call_namespace("remove the retention of", Method::DELETE, namespace, "/retention")?.done().await
    }

    /// Returns the time to live that is set.
    pub async fn message_ttl(&self, namespace: &str) -> Result<Option<Duration>> {
        let call = self.call_namespace("read the time to live of", Method::GET, namespace, "/messageTTL")?;
        call.json_or_none::<u64>().await.map(|seconds| seconds.map(Duration::from_secs))
    }

    /// Sets after how long a message counts as acknowledged, whether it is or not; in whole seconds, 0 for never.
    pub async fn set_message_ttl(&self, namespace: &str, ttl: Duration) -> Result<()> {
        let call = self.call_namespace("set the time to live of", Method::POST, namespace, "/messageTTL")?;
        call.body(&json!(ttl.as_secs())).done().await
    }

    /// Lets the broker's default hold again.
    pub async fn remove_message_ttl(&self, namespace: &str) -> Result<()> {
        self.call_namespace("remove the time to live of", Method::DELETE, namespace, "/messageTTL")?.done().await
    }

    /// Returns whether deduplication is set, and to what.
    pub async fn deduplication(&self, namespace: &str) -> Result<Option<bool>> {
        self.call_namespace("read the deduplication of", Method::GET, namespace, "/deduplication")?.json_or_none().await
    }

    /// Lets the broker drop messages that a producer sent before, or not. Topics that are in use may take a moment.
    pub async fn set_deduplication(&self, namespace: &str, enabled: bool) -> Result<()> {
        let call = self.call_namespace("set the deduplication of", Method::POST, namespace, "/deduplication")?;
        call.body(&json!(enabled)).done().await
    }

    /// Lets the broker's default hold again.
    pub async fn remove_deduplication(&self, namespace: &str) -> Result<()> {
        self.call_namespace("remove the deduplication of", Method::DELETE, namespace, "/deduplication")?.done().await
    }

    /// Returns the backlog quotas that are set.
    pub async fn backlog_quotas(&self, namespace: &str) -> Result<Vec<BacklogQuota>> {
        let call = self.call_namespace("read the backlog quotas of", Method::GET, namespace, "/backlogQuotaMap")?;
        call.json().await.map(quotas)
    }

    /// Sets the backlog quota of its kind; it may not be more than the retention.
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

    /// Lets the broker's default hold again.
    pub async fn remove_backlog_quota(&self, namespace: &str, kind: BacklogQuotaKind) -> Result<()> {
        let rest = format!("/backlogQuota?backlogQuotaType={}", kind.as_str());
        self.call_namespace("remove the backlog quota of", Method::DELETE, namespace, &rest)?.done().await
    }

    /// About a namespace; `rest` follows its name in the path.
    fn call_namespace(&self, operation: &str, method: Method, namespace: &str, rest: &str) -> Result<Call<'_>> {
        let operation = format!("{operation} the namespace {namespace:?}");
        Ok(self.call(&operation, method, &format!("namespaces/{}{rest}", namespace_path(namespace)?)))
    }
}

/// `tenant/namespace`, as two segments of a path.
pub(super) fn namespace_path(namespace: &str) -> Result<String> {
    match namespace.split_once('/') {
        Some((tenant, name)) if !tenant.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok(format!("{}/{}", percent_encode(tenant), percent_encode(name)))
        }
        _ => Err(Error::invalid(format!("namespace {namespace:?}: expected tenant/namespace"))),
    }
}
