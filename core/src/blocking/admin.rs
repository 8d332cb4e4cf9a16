//! The REST API without futures.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::wait;
use crate::admin::{
    Answer, BacklogAnalysis, BacklogQuota, BacklogQuotaKind, CompactionStatus, InternalStats, NamespacePolicies,
    Position, Retention, Schema, SchemaCompatibility, StoredMessage, TenantInfo, TopicStats,
};
use crate::error::Result;
use crate::message::MessageId;
use crate::options::InitialPosition;
use crate::topic::Persistence;

/// As [`crate::Admin`], but each call blocks its thread, for `admin_timeout` at most.
#[derive(Debug, Clone)]
pub struct Admin(crate::admin::Admin);

impl crate::blocking::Client {
    /// Returns the REST API through this client; see [`crate::Client::admin`].
    pub fn admin(&self) -> Admin {
        Admin(self.as_async().admin())
    }
}

macro_rules! blocking {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)+) => {
        impl Admin {
            /// Returns the same API with futures.
            pub fn as_async(&self) -> &crate::admin::Admin {
                &self.0
            }

            $(#[doc = concat!("As [`crate::Admin::", stringify!($name), "`].")]
            pub fn $name(&self, $($argument: $type),*) -> Result<$result> {
                wait(self.0.$name($($argument),*), None)
            })+
        }
    };
}

blocking! {
    request(method: &str, path: &str, body: Option<&str>) -> Answer;

    clusters() -> Vec<String>;
    broker_version() -> String;
    check_health() -> ();

    tenants() -> Vec<String>;
    tenant(name: &str) -> TenantInfo;
    create_tenant(name: &str, info: &TenantInfo) -> ();
    update_tenant(name: &str, info: &TenantInfo) -> ();
    delete_tenant(name: &str) -> ();
    ensure_tenant(name: &str, info: &TenantInfo) -> bool;

    namespaces(tenant: &str) -> Vec<String>;
    namespace_policies(namespace: &str) -> NamespacePolicies;
    create_namespace(namespace: &str, bundles: Option<u32>) -> ();
    delete_namespace(namespace: &str) -> ();
    ensure_namespace(namespace: &str) -> bool;
    retention(namespace: &str) -> Option<Retention>;
    set_retention(namespace: &str, retention: &Retention) -> ();
    remove_retention(namespace: &str) -> ();
    message_ttl(namespace: &str) -> Option<Duration>;
    set_message_ttl(namespace: &str, ttl: Duration) -> ();
    remove_message_ttl(namespace: &str) -> ();
    deduplication(namespace: &str) -> Option<bool>;
    set_deduplication(namespace: &str, enabled: bool) -> ();
    remove_deduplication(namespace: &str) -> ();
    backlog_quotas(namespace: &str) -> Vec<BacklogQuota>;
    set_backlog_quota(namespace: &str, quota: &BacklogQuota) -> ();
    remove_backlog_quota(namespace: &str, kind: BacklogQuotaKind) -> ();

    topics(namespace: &str, persistence: Persistence) -> Vec<String>;
    partitioned_topics(namespace: &str, persistence: Persistence) -> Vec<String>;
    create_topic(topic: impl AsRef<str>) -> ();
    create_partitioned_topic(topic: impl AsRef<str>, partitions: u32) -> ();
    ensure_topic(topic: impl AsRef<str>) -> bool;
    ensure_partitioned_topic(topic: impl AsRef<str>, partitions: u32) -> bool;
    grow_partitions(topic: impl AsRef<str>, partitions: u32) -> ();
    partitions(topic: impl AsRef<str>) -> u32;
    delete_topic(topic: impl AsRef<str>, force: bool) -> ();
    terminate_topic(topic: impl AsRef<str>) -> Vec<Option<MessageId>>;
    compact_topic(topic: impl AsRef<str>) -> ();
    compaction_status(topic: impl AsRef<str>) -> CompactionStatus;
    unload_topic(topic: impl AsRef<str>) -> ();
    truncate_topic(topic: impl AsRef<str>) -> ();
    topic_stats(topic: impl AsRef<str>) -> TopicStats;
    internal_stats(topic: impl AsRef<str>) -> InternalStats;
    last_message_id(topic: impl AsRef<str>) -> Option<MessageId>;
    message_id_at(topic: impl AsRef<str>, time: SystemTime) -> Option<MessageId>;
    read_entry(topic: impl AsRef<str>, id: &MessageId) -> Vec<StoredMessage>;
    examine_message(topic: impl AsRef<str>, from: InitialPosition, position: u64) -> Option<Vec<StoredMessage>>;

    subscriptions(topic: impl AsRef<str>) -> Vec<String>;
    create_subscription(topic: impl AsRef<str>, subscription: &str, begin: &Position) -> ();
    ensure_subscription(topic: impl AsRef<str>, subscription: &str, begin: &Position) -> bool;
    delete_subscription(topic: impl AsRef<str>, subscription: &str, force: bool) -> ();
    seek(topic: impl AsRef<str>, subscription: &str, to: &Position) -> ();
    skip(topic: impl AsRef<str>, subscription: &str, count: u64) -> ();
    skip_all(topic: impl AsRef<str>, subscription: &str) -> ();
    expire_messages(topic: impl AsRef<str>, subscription: &str, age: Duration) -> bool;
    expire_messages_until(topic: impl AsRef<str>, subscription: &str, id: &MessageId) -> bool;
    expire_all_messages(topic: impl AsRef<str>, age: Duration) -> bool;
    peek_entry(topic: impl AsRef<str>, subscription: &str, position: u64) -> Option<Vec<StoredMessage>>;
    peek(topic: impl AsRef<str>, subscription: &str, count: usize) -> Vec<StoredMessage>;
    subscription_properties(topic: impl AsRef<str>, subscription: &str) -> BTreeMap<String, String>;
    set_subscription_properties(
        topic: impl AsRef<str>,
        subscription: &str,
        properties: &BTreeMap<String, String>
    ) -> ();
    analyze_backlog(topic: impl AsRef<str>, subscription: &str) -> BacklogAnalysis;

    schema(topic: impl AsRef<str>, version: Option<u64>) -> Schema;
    schemas(topic: impl AsRef<str>) -> Vec<Schema>;
    upload_schema(topic: impl AsRef<str>, schema: &Schema) -> u64;
    delete_schema(topic: impl AsRef<str>) -> ();
    test_schema_compatibility(topic: impl AsRef<str>, schema: &Schema) -> SchemaCompatibility;
}

impl Admin {
    /// As [`crate::Admin::walk_topics`], but returns an iterator.
    pub fn walk_topics(&self, tenant: Option<&str>) -> TopicWalk {
        TopicWalk(self.0.walk_topics(tenant))
    }
}

/// As [`crate::admin::TopicWalk`], but an iterator.
#[derive(Debug)]
pub struct TopicWalk(crate::admin::TopicWalk);

impl Iterator for TopicWalk {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Result<String>> {
        wait(async { Ok(self.0.next().await) }, None).unwrap_or_else(|error| Some(Err(error)))
    }
}
