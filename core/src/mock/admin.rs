//! The part of Pulsar's REST API that a client of this kind uses: `/admin/v2`.

use serde_json::{Value, json};

use super::http::{Request, Response, url_decode};
use super::names::{base_topic, namespace_of};
use super::server::Shared;
use super::topics::{Broker, Policies, Start};
use super::{admin_subscriptions, wire};

pub(super) fn answer(shared: &Shared, request: &Request) -> Response {
    let decoded: Option<Vec<String>> = request.path.split('/').skip(1).map(url_decode).collect();
    let parts = decoded.unwrap_or_default();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let ["admin", "v2", rest @ ..] = parts.as_slice() else {
        return Response::page(404, "Not Found", &request.path);
    };
    let method = request.method.as_str();
    shared.broker(|broker, now| match (method, rest) {
        ("GET", ["brokers", "health"]) => Response::new(200, "text/plain", "ok"),
        ("GET", ["brokers", "version"]) => Response::new(200, "text/plain", "4.0.8"),
        ("GET", ["clusters"]) => ok(json!(["standalone"])),
        (_, ["tenants", rest @ ..]) => tenants(broker, request, rest),
        (_, ["namespaces", rest @ ..]) => namespaces(broker, request, rest),
        (_, [domain @ ("persistent" | "non-persistent"), tenant, namespace, rest @ ..]) => {
            topics(broker, now, request, domain, &format!("{tenant}/{namespace}"), rest)
        }
        _ => reason(404, "HTTP 404 Not Found"),
    })
}

pub(super) fn ok(body: Value) -> Response {
    Response::new(200, "application/json", wire::json(&body))
}

pub(super) fn done() -> Response {
    Response::new(204, "application/json", "")
}

pub(super) fn reason(status: u16, text: &str) -> Response {
    Response::new(status, "application/json", wire::json(&json!({ "reason": text })))
}

fn not_allowed() -> Response {
    reason(405, "HTTP 405 Method Not Allowed")
}

/// The JSON body; `None` for an empty one, `Err` for one that is no JSON.
pub(super) fn body(request: &Request) -> Result<Option<Value>, Response> {
    if request.body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    if request.header("Content-Type").is_some_and(|kind| !kind.starts_with("application/json")) {
        return Err(reason(415, "HTTP 415 Unsupported Media Type"));
    }
    match serde_json::from_slice(&request.body) {
        Ok(value) => Ok(Some(value)),
        Err(error) => Err(Response::new(400, "text/plain", error.to_string())),
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-=:._".contains(letter))
}

fn tenants(broker: &mut Broker, request: &Request, rest: &[&str]) -> Response {
    match (request.method.as_str(), rest) {
        ("GET", []) => ok(json!(broker.tenants)),
        ("GET", [tenant]) if broker.tenants.contains(*tenant) => {
            ok(json!({ "adminRoles": [], "allowedClusters": ["standalone"] }))
        }
        ("PUT", [tenant]) => {
            let clusters = match body(request) {
                Ok(body) => body.and_then(|body| Some(body.get("allowedClusters")?.as_array()?.len())),
                Err(response) => return response,
            };
            if !is_name(tenant) {
                return reason(412, "Tenant name is not valid");
            }
            if clusters.is_none_or(|count| count == 0) {
                return reason(412, "Clusters cannot be empty or blank");
            }
            if !broker.tenants.insert((*tenant).to_owned()) {
                return reason(409, "Tenant already exist");
            }
            done()
        }
        ("GET" | "POST" | "DELETE", [tenant]) if !broker.tenants.contains(*tenant) => {
            reason(404, "Tenant does not exist")
        }
        ("POST", [_]) => done(),
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

fn namespaces(broker: &mut Broker, request: &Request, rest: &[&str]) -> Response {
    let [tenant, rest @ ..] = rest else { return reason(404, "HTTP 404 Not Found") };
    if !broker.tenants.contains(*tenant) {
        return reason(404, "Tenant does not exist");
    }
    let [name, rest @ ..] = rest else {
        let of_tenant = |namespace: &&String| namespace.split('/').next() == Some(*tenant);
        return match request.method.as_str() {
            "GET" => ok(json!(broker.namespaces.keys().filter(of_tenant).collect::<Vec<_>>())),
            _ => not_allowed(),
        };
    };
    let full = format!("{tenant}/{name}");
    let known = broker.namespaces.contains_key(&full);
    match (request.method.as_str(), rest) {
        ("PUT", []) if !is_name(name) => reason(412, "Namespace name is not valid"),
        ("PUT", []) if known => reason(409, "Namespace already exists"),
        ("PUT", []) => {
            broker.namespaces.insert(full, Policies::default());
            done()
        }
        ("DELETE", []) if !known => reason(404, &format!("Namespace {full} does not exist.")),
        _ if !known => reason(404, "Namespace does not exist"),
        ("GET", []) => {
            let deduplication = broker.namespaces.get(&full).is_some_and(|policies| policies.deduplication);
            ok(json!({ "deduplicationEnabled": deduplication, "bundles": { "numBundles": 4 } }))
        }
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
        ("POST", ["deduplication"]) => match body(request) {
            Ok(Some(Value::Bool(on))) => {
                if let Some(policies) = broker.namespaces.get_mut(&full) {
                    policies.deduplication = on;
                }
                done()
            }
            Ok(_) => reason(400, "Cannot read a boolean"),
            Err(response) => response,
        },
        ("GET", ["deduplication"]) => {
            ok(json!(broker.namespaces.get(&full).is_some_and(|policies| policies.deduplication)))
        }
        ("POST", ["retention" | "messageTTL"]) => match body(request) {
            // accepted, and without effect: the mock forgets nothing
            Ok(_) => done(),
            Err(response) => response,
        },
        _ => reason(404, "HTTP 404 Not Found"),
    }
}

fn topics(broker: &mut Broker, now: u64, request: &Request, domain: &str, namespace: &str, rest: &[&str]) -> Response {
    if !broker.namespaces.contains_key(namespace) {
        let text = if request.method == "GET" { "Namespace does not exist" } else { "Namespace not found" };
        return reason(404, text);
    }
    let prefix = format!("{domain}://{namespace}/");
    let method = request.method.as_str();
    let (topic, rest) = match rest {
        [] if method == "GET" => {
            let mut names: Vec<_> = broker.topics.keys().filter(|name| name.starts_with(&prefix)).collect();
            names.sort();
            return ok(json!(names.iter().map(|name| &***name).collect::<Vec<_>>()));
        }
        ["partitioned"] if method == "GET" => {
            let names = broker.partitioned.keys().filter(|name| name.starts_with(&prefix));
            return ok(json!(names.collect::<Vec<_>>()));
        }
        [] => return not_allowed(),
        [topic, rest @ ..] => (*topic, rest),
    };
    if topic.is_empty() || topic.contains('/') {
        return reason(412, "Topic name is not valid");
    }
    let topic = format!("{prefix}{topic}");
    let partitioned = broker.partitioned.contains_key(&topic);
    let exists = broker.topics.contains_key(topic.as_str());
    let force = request.parameter("force") == Some("true");
    match (method, rest) {
        ("PUT", []) if exists || partitioned => reason(409, "This topic already exists"),
        ("PUT", []) => {
            broker.create(&topic);
            done()
        }
        ("DELETE", []) if partitioned => reason(409, "Topic is a partitioned topic"),
        ("DELETE", [] | ["partitions"]) => delete(broker, &topic, force, rest.is_empty()),
        (_, ["partitions"]) => partitions(broker, request, &topic),
        ("GET", ["partitioned-stats"]) if partitioned => ok(stats(broker, &topic)),
        ("GET", ["partitioned-stats"]) => reason(404, &format!("Partitioned Topic {topic} not found")),
        ("POST", ["terminate", "partitions"]) if partitioned => {
            broker.terminate(&topic);
            let ids = broker.existing(&topic).into_iter();
            let ids = ids.map(|topic| (topic.log.partition.to_string(), last_id(topic)));
            ok(Value::Object(ids.collect()))
        }
        ("PUT", ["subscription", subscription]) => admin_subscriptions::create(broker, request, &topic, subscription),
        _ if !exists && !partitioned => reason(404, &format!("Topic {topic} not found")),
        ("GET", ["stats"]) if partitioned => reason(404, &format!("Topic {topic} not found")),
        ("GET", ["stats"]) => ok(stats(broker, &topic)),
        ("GET", ["lastMessageId"]) if partitioned => reason(404, &format!("Topic {topic} not found")),
        ("GET", ["lastMessageId"]) => ok(broker.topics.get(topic.as_str()).map_or(Value::Null, last_id)),
        ("GET", ["messageid", time]) => {
            let Ok(time) = time.parse::<u64>() else { return reason(404, "HTTP 404 Not Found") };
            let Some(found) = broker.topics.get(topic.as_str()) else { return not_allowed() };
            let entry = admin_subscriptions::entry_at(&found.log, time);
            ok(json!({
                "ledgerId": found.log.ledger, "entryId": entry, "partitionIndex": found.log.partition,
            }))
        }
        ("POST", ["terminate"]) if partitioned => reason(405, "Termination of a partitioned topic is not allowed"),
        ("POST", ["terminate"]) => {
            broker.terminate(&topic);
            ok(broker.topics.get(topic.as_str()).map_or(Value::Null, |topic| {
                json!({ "ledgerId": topic.log.ledger, "entryId": topic.log.entries.len() as i64 - 1,
                        "partitionIndex": topic.log.partition })
            }))
        }
        ("PUT", ["unload"]) => done(),
        ("GET", ["subscriptions"]) => {
            let mut names: Vec<_> = broker
                .existing(&topic)
                .iter()
                .flat_map(|topic| topic.subscriptions.keys().map(|name| name.to_string()))
                .collect();
            names.sort();
            names.dedup();
            ok(json!(names))
        }
        (_, ["subscription", subscription, rest @ ..]) => {
            admin_subscriptions::answer(broker, now, request, &topic, subscription, rest)
        }
        _ => reason(404, "HTTP 404 Not Found"),
    }
}

fn delete(broker: &mut Broker, topic: &str, force: bool, plain: bool) -> Response {
    let connected: usize = broker
        .existing(topic)
        .iter()
        .map(|topic| {
            let consumers: usize = topic.subscriptions.values().map(|held| held.consumers.len()).sum();
            topic.producers.len() + consumers
        })
        .sum();
    let found = if plain { !broker.existing(topic).is_empty() } else { broker.partitioned.contains_key(topic) };
    if !found && !plain && !broker.existing(topic).is_empty() {
        let text = "Instead of calling delete-partitioned-topic please call delete.";
        return reason(409, &format!("{topic} is a non-partitioned topic. {text}"));
    }
    if !found {
        return reason(404, &format!("Topic {topic} not found"));
    }
    if connected > 0 && !force {
        return reason(412, &format!("Topic has {connected} connected producers/consumers"));
    }
    broker.delete(topic);
    done()
}

fn partitions(broker: &mut Broker, request: &Request, topic: &str) -> Response {
    let now = broker.partitioned.get(topic).copied();
    let exists = broker.topics.contains_key(topic);
    let wanted = match body(request) {
        Ok(None) => None,
        Ok(Some(body)) => match body.as_i64() {
            Some(count) => u32::try_from(count).ok(),
            None => return Response::new(400, "text/plain", "Cannot deserialize value of type `int`"),
        },
        Err(response) => return response,
    };
    match (request.method.as_str(), wanted, now) {
        ("GET", ..) if now.is_none() && !exists => reason(404, &format!("Topic {topic} not found")),
        ("GET", _, now) => ok(json!({ "partitions": now.unwrap_or(0), "deleted": false })),
        ("PUT", Some(1..=10_000), Some(_)) => reason(409, "This topic already exists"),
        ("PUT", Some(1..=10_000), None) if exists => reason(409, "This topic already exists"),
        ("PUT", Some(count @ 1..=10_000), None) if base_topic(topic) == topic => {
            broker.set_partitions(topic, count);
            done()
        }
        ("PUT", ..) => reason(406, "Number of partitions should be more than 0"),
        ("POST", _, None) => reason(409, &format!("Topic {topic} is not the partitioned topic.")),
        ("POST", Some(count @ 1..=10_000), Some(now)) if count >= now => {
            broker.set_partitions(topic, count);
            done()
        }
        ("POST", ..) => reason(422, "Number of partitions should be more than existing"),
        _ => not_allowed(),
    }
}

fn last_id(topic: &super::topics::Topic) -> Value {
    let batch = match topic.log.entries.last() {
        Some(entry) if entry.batch => entry.messages.len() as i64 - 1,
        _ => -1,
    };
    json!({
        "ledgerId": topic.log.ledger,
        "entryId": topic.log.entries.len() as i64 - 1,
        "partitionIndex": topic.log.partition,
        "batchIndex": batch,
        "batchSize": 0,
    })
}

/// The part of a topic's statistics that tests look at, all partitions together.
fn stats(broker: &Broker, topic: &str) -> Value {
    let mut subscriptions = serde_json::Map::new();
    let mut publishers = Vec::new();
    let (mut messages, mut bytes) = (0, 0);
    let found = broker.existing(topic);
    for topic in &found {
        for message in topic.log.entries.iter().flat_map(|entry| &entry.messages) {
            messages += 1;
            bytes += message.payload.as_ref().map_or(0, Vec::len);
        }
        publishers.extend(topic.producers.iter().map(|(conn, name)| {
            json!({ "producerName": &**name, "producerId": conn, "msgRateIn": 0.0, "accessMode": "Shared" })
        }));
        for (name, held) in &topic.subscriptions {
            let consumers = held.consumers.iter().map(|consumer| {
                json!({
                    "consumerName": consumer.settings.name,
                    "availablePermits": consumer.settings.queue_size.saturating_sub(consumer.prefetched()),
                    "unackedMessages": held.unacked_of(consumer.settings.conn),
                })
            });
            let before = subscriptions.get(&**name).map_or(0, |held| held["msgBacklog"].as_u64().unwrap_or(0));
            let unacked = held.consumers.iter().map(|consumer| held.unacked_of(consumer.settings.conn) as u64);
            subscriptions.insert(
                name.to_string(),
                json!({
                    "type": held.kind.name(),
                    "msgBacklog": held.backlog(&topic.log) as u64 + before,
                    "unackedMessages": unacked.sum::<u64>(),
                    "msgDelayed": held.delayed(),
                    "isDurable": held.durable,
                    "isReplicated": false,
                    "consumers": consumers.collect::<Vec<_>>(),
                }),
            );
        }
    }
    json!({
        "msgInCounter": messages,
        "bytesInCounter": bytes,
        "storageSize": bytes,
        "msgRateIn": 0.0,
        "msgRateOut": 0.0,
        "publishers": publishers,
        "subscriptions": subscriptions,
        "metadata": { "partitions": broker.partitioned.get(topic).copied().unwrap_or(0), "deleted": false },
        "deduplicationStatus": match broker.namespaces.get(namespace_of(topic)) {
            Some(policies) if policies.deduplication => "Enabled",
            _ => "Disabled",
        },
    })
}

/// Where a new subscription starts, by the body of its request.
pub(super) fn start_of(body: Option<Value>) -> Option<Start> {
    match body {
        None => Some(Start::Latest),
        Some(Value::String(text)) if text == "earliest" => Some(Start::Earliest),
        Some(Value::String(text)) if text == "latest" => Some(Start::Latest),
        Some(Value::Object(id)) => {
            let number = |name: &str| id.get(name)?.as_i64();
            let (ledger, entry) = (number("ledgerId")?, number("entryId")?);
            Some(Start::After(super::ids::Id { ledger, entry, partition: -1, batch: -1, size: 0 }))
        }
        Some(_) => None,
    }
}
