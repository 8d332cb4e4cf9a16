//! Tenants and namespaces in the REST API. Policies are stored and shown; only deduplication and the creation of topics
//! on demand have an effect.

use serde_json::{Map, Value, json};

use super::super::http::{Request, Response};
use super::super::names::namespace_of;
use super::super::topics::{Broker, Policies};
use super::{body, done, not_allowed, ok, reason};

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-=:._".contains(letter))
}

pub(super) fn tenants(broker: &mut Broker, request: &Request, rest: &[&str]) -> Response {
    match (request.method.as_str(), rest) {
        ("GET", []) => ok(json!(broker.tenants.keys().collect::<Vec<_>>())),
        ("GET", [tenant]) => match broker.tenants.get(*tenant) {
            Some(info) => ok(info.clone()),
            None => reason(404, "Tenant does not exist"),
        },
        ("PUT", [tenant]) if !is_name(tenant) => reason(412, "Tenant name is not valid"),
        (method @ ("PUT" | "POST"), [tenant]) => {
            let info = match body(request) {
                Ok(info) => info,
                Err(response) => return response,
            };
            let Some(info) = info else { return reason(412, "TenantInfo is null") };
            let clusters = info.get("allowedClusters").and_then(Value::as_array).cloned().unwrap_or_default();
            if clusters.is_empty() {
                return reason(412, "Clusters cannot be empty or blank");
            }
            if clusters.iter().any(|cluster| cluster != "standalone") {
                return reason(412, "Clusters do not exist");
            }
            let known = broker.tenants.contains_key(*tenant);
            if method == "PUT" && known {
                return reason(409, "Tenant already exist");
            }
            if method == "POST" && !known {
                return reason(404, &format!("Tenant {tenant} not found"));
            }
            let roles = info.get("adminRoles").cloned().unwrap_or(json!([]));
            broker.tenants.insert((*tenant).to_owned(), json!({ "adminRoles": roles, "allowedClusters": clusters }));
            done()
        }
        ("DELETE", [tenant]) if !broker.tenants.contains_key(*tenant) => reason(404, "Tenant doesn't exist"),
        ("DELETE", [tenant]) => {
            if broker.namespaces.keys().any(|namespace| namespace.split('/').next() == Some(tenant)) {
                return reason(409, "The tenant still has active namespaces");
            }
            broker.tenants.remove(*tenant);
            done()
        }
        _ => not_allowed(),
    }
}

pub(super) fn namespaces(broker: &mut Broker, request: &Request, rest: &[&str]) -> Response {
    let [tenant, rest @ ..] = rest else { return reason(404, "HTTP 404 Not Found") };
    let [name, rest @ ..] = rest else {
        let of_tenant = |namespace: &&String| namespace.split('/').next() == Some(*tenant);
        return match request.method.as_str() {
            "GET" if !broker.tenants.contains_key(*tenant) => reason(404, "Tenant not found"),
            "GET" => ok(json!(broker.namespaces.keys().filter(of_tenant).collect::<Vec<_>>())),
            _ => not_allowed(),
        };
    };
    if !broker.tenants.contains_key(*tenant) {
        return reason(404, "Tenant does not exist");
    }
    let full = format!("{tenant}/{name}");
    let method = request.method.as_str();
    if (method, rest) == ("PUT", &[]) {
        return create(broker, request, name, full);
    }
    let Some(policies) = broker.namespaces.get_mut(&full) else {
        let deleting = (method, rest) == ("DELETE", &[]);
        let text =
            if deleting { format!("Namespace {full} does not exist.") } else { "Namespace does not exist".into() };
        return reason(404, &text);
    };
    match (method, rest) {
        ("GET", []) => ok(Value::Object(policies.shown.clone())),
        ("DELETE", []) if request.parameter("force") == Some("true") => {
            reason(405, "Broker doesn't allow forced deletion of namespaces")
        }
        ("DELETE", []) => {
            let used = broker.topics.keys().any(|topic| namespace_of(topic) == full)
                || broker.partitioned.keys().any(|topic| namespace_of(topic) == full);
            if used {
                return reason(409, "Cannot delete non empty namespace");
            }
            broker.namespaces.remove(&full);
            done()
        }
        ("GET", ["backlogQuotaMap"]) => ok(policies.shown.get("backlog_quota_map").cloned().unwrap_or(json!({}))),
        ("POST" | "DELETE", ["backlogQuota"]) => quota(policies, request),
        (_, ["retention"]) => policy(policies, request, "retention_policies", check_retention),
        (_, ["messageTTL"]) => policy(policies, request, "message_ttl_in_seconds", |ttl| match ttl.as_i64() {
            Some(0..) => Ok(()),
            _ => Err(reason(412, "Invalid value for message TTL, message TTL must >= 0")),
        }),
        (_, ["deduplication"]) => policy(policies, request, "deduplicationEnabled", |on| match on {
            Value::Bool(_) => Ok(()),
            _ => Err(reason(400, "Cannot read a boolean")),
        }),
        (_, ["autoTopicCreation"]) => policy(policies, request, "autoTopicCreationOverride", |set| {
            let partitioned = set.get("topicType").and_then(Value::as_str) == Some("partitioned");
            match set.get("defaultNumPartitions").and_then(Value::as_i64) {
                Some(1..=10_000) => Ok(()),
                None if !partitioned => Ok(()),
                _ => Err(reason(412, "Invalid configuration for autoTopicCreationOverride")),
            }
        }),
        _ => reason(404, "HTTP 404 Not Found"),
    }
}

fn create(broker: &mut Broker, request: &Request, name: &str, full: String) -> Response {
    if !is_name(name) {
        return reason(412, "Namespace name is not valid");
    }
    if broker.namespaces.contains_key(&full) {
        return reason(409, "Namespace already exists");
    }
    let given = match body(request) {
        Ok(given) => given.unwrap_or(json!({})),
        Err(response) => return response,
    };
    let mut policies = Policies::default();
    if let Some(count) = given.pointer("/bundles/numBundles") {
        policies.shown.insert("bundles".into(), json!({ "numBundles": count }));
    }
    broker.namespaces.insert(full, policies);
    done()
}

/// Handles a policy with a single value: returns it if it is set, and an empty answer if not.
fn policy(
    policies: &mut Policies,
    request: &Request,
    key: &str,
    check: impl Fn(&Value) -> Result<(), Response>,
) -> Response {
    match request.method.as_str() {
        "GET" => {
            policies.shown.get(key).map_or_else(|| Response::new(200, "text/plain", ""), |value| ok(value.clone()))
        }
        "POST" => {
            let value = match body(request) {
                Ok(value) => value.unwrap_or_default(),
                Err(response) => return response,
            };
            if let Err(response) = check(&value) {
                return response;
            }
            policies.shown.insert(key.to_owned(), value);
            done()
        }
        "DELETE" => {
            policies.shown.remove(key);
            done()
        }
        _ => not_allowed(),
    }
}

fn check_retention(retention: &Value) -> Result<(), Response> {
    let limit = |name: &str| retention.get(name).and_then(Value::as_i64).unwrap_or(0);
    match (limit("retentionTimeInMinutes"), limit("retentionSizeInMB")) {
        (..=-2, _) => Err(reason(400, "Invalid retention policy: time limit must be >= -1")),
        (_, ..=-2) => Err(reason(400, "Invalid retention policy: size limit must be >= -1")),
        (0, size) if size != 0 => Err(one_limit()),
        (time, 0) if time != 0 => Err(one_limit()),
        _ => Ok(()),
    }
}

fn one_limit() -> Response {
    reason(
        400,
        "Invalid retention policy: Setting a single time or size limit to 0 is invalid when one of the limits has a \
         non-zero value. Use the value of -1 instead of 0 to ignore a specific limit. To disable retention both limits \
         must be set to 0.",
    )
}

fn quota(policies: &mut Policies, request: &Request) -> Response {
    let kind = request.parameter("backlogQuotaType").unwrap_or("destination_storage").to_owned();
    let given = match body(request) {
        Ok(given) => given.unwrap_or_default(),
        Err(response) => return response,
    };
    let retention = policies.shown.get("retention_policies").and_then(|set| set.get("retentionSizeInMB")?.as_i64());
    let map = policies.shown.entry("backlog_quota_map").or_insert_with(|| Value::Object(Map::new()));
    let Some(map) = map.as_object_mut() else { return not_allowed() };
    if request.method == "DELETE" {
        map.remove(&kind);
        return done();
    }
    let limit = |name: &str, otherwise: i64| given.get(name).and_then(Value::as_i64).unwrap_or(otherwise);
    let (size, time) = (limit("limitSize", 0), limit("limitTime", -1));
    let policy = given.get("policy").and_then(Value::as_str).unwrap_or_default();
    if !["producer_request_hold", "producer_exception", "consumer_backlog_eviction"].contains(&policy) {
        return reason(
            400,
            "Set namespace backlog quota failed because the data validation failed. the attribute policy cannot be null",
        );
    }
    if retention.is_some_and(|megabytes| megabytes > 0 && size >= megabytes * 1024 * 1024) {
        return reason(
            412,
            "Backlog Quota exceeds configured retention quota for namespace. Please increase retention quota and retry",
        );
    }
    map.insert(kind, json!({ "limit": size, "limitSize": size, "limitTime": time, "policy": policy }));
    done()
}
