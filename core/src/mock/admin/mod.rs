//! The part of Pulsar's REST API that a client of this kind uses: `/admin/v2`.

mod entries;
mod namespaces;
mod schemas;
mod stats;
mod subscriptions;

use std::sync::Arc;

use serde_json::{Value, json};

use super::http::{Request, Response, url_decode};
use super::names::base_topic;
use super::shared::Shared;
use super::topics::{Broker, Start, Topic};
use super::wire;

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
        ("GET", ["brokers", "version"]) => Response::new(200, "text/plain", shared.options.version.clone()),
        ("GET", ["clusters"]) => ok(json!(["standalone"])),
        (_, ["tenants", rest @ ..]) => namespaces::tenants(broker, request, rest),
        (_, ["namespaces", rest @ ..]) => namespaces::namespaces(broker, request, rest),
        (_, ["schemas", rest @ ..]) => schemas::answer(broker, now, request, rest),
        (_, [domain @ ("persistent" | "non-persistent"), tenant, namespace, rest @ ..]) => {
            topics(broker, now, request, domain, &format!("{tenant}/{namespace}"), rest)
        }
        _ => reason(404, "HTTP 404 Not Found"),
    })
}

fn ok(body: Value) -> Response {
    Response::new(200, "application/json", wire::json(&body))
}

fn done() -> Response {
    Response::new(204, "application/json", "")
}

fn reason(status: u16, text: &str) -> Response {
    Response::new(status, "application/json", wire::json(&json!({ "reason": text })))
}

fn not_allowed() -> Response {
    reason(405, "HTTP 405 Method Not Allowed")
}

/// Returns the JSON body; `None` for an empty one, `Err` for invalid JSON.
fn body(request: &Request) -> Result<Option<Value>, Response> {
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
        ("GET", ["partitioned-stats"]) if partitioned => {
            let mut stats = stats::of_topic(broker, &topic);
            if request.parameter("perPartition") == Some("true") {
                let names = broker.existing(&topic).into_iter().map(|partition| partition.log.topic.to_string());
                stats["partitions"] = names.map(|name| (name.clone(), stats::of_topic(broker, &name))).collect();
            }
            ok(stats)
        }
        ("GET", ["partitioned-stats"]) => reason(404, &format!("Partitioned Topic {topic} not found")),
        ("POST", ["terminate", "partitions"]) if partitioned => {
            broker.terminate(&topic);
            let ids = broker.existing(&topic).into_iter();
            let ids = ids.map(|topic| (topic.log.partition.to_string(), last_id(topic)));
            ok(Value::Object(ids.collect()))
        }
        // As on a real broker, which decodes this part of the path once more.
        (_, ["subscription", subscription, ..]) if url_decode(subscription).is_none() => {
            reason(500, "URLDecoder: Illegal hex characters in escape (%) pattern")
        }
        ("PUT", ["subscription", subscription]) => {
            subscriptions::create(broker, request, &topic, &url_decode(subscription).unwrap_or_default())
        }
        _ if !exists && !partitioned => reason(404, &format!("Topic {topic} not found")),
        ("GET", ["stats"]) if partitioned => reason(404, &format!("Topic {topic} not found")),
        ("GET", ["stats"]) => ok(stats::of_topic(broker, &topic)),
        ("GET", ["partitioned-internalStats"]) if partitioned => {
            let partitions = broker.existing(&topic).into_iter();
            let partitions: Value =
                partitions.map(|topic| (topic.log.topic.to_string(), stats::internal(topic))).collect();
            ok(
                json!({ "metadata": { "partitions": broker.partitioned[&topic], "deleted": false }, "partitions": partitions }),
            )
        }
        ("GET", ["internalStats"]) if !partitioned => ok(stats::internal(&broker.topics[topic.as_str()])),
        ("GET", ["internalStats" | "partitioned-internalStats"]) => reason(404, &format!("Topic {topic} not found")),
        ("GET", ["lastMessageId"]) if partitioned => reason(404, &format!("Topic {topic} not found")),
        ("GET", ["lastMessageId"]) => ok(broker.topics.get(topic.as_str()).map_or(Value::Null, last_id)),
        ("GET", ["messageid", _] | ["examinemessage"] | ["ledger", _, "entry", _]) if partitioned => {
            reason(405, "It is not allowed on a partitioned topic, please try do it on specific topic partition")
        }
        ("GET", ["messageid", time]) => {
            let Ok(time) = time.parse::<u64>() else { return reason(404, "HTTP 404 Not Found") };
            let Some(found) = broker.topics.get(topic.as_str()) else { return not_allowed() };
            let entry = subscriptions::entry_at(&found.log, time);
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
        ("GET", ["ledger", ledger, "entry", entry]) => {
            let Some(Topic { log, .. }) = broker.topics.get(topic.as_str()) else { return not_allowed() };
            match entry.parse() {
                _ if ledger.parse() != Ok(log.ledger) => reason(404, "Message id not found"),
                Ok(entry) if entry < log.entries.len() => entries::stored(log, entry),
                _ => reason(500, "Incorrect parameter input"),
            }
        }
        ("GET", ["examinemessage"]) => {
            let Some(Topic { log, .. }) = broker.topics.get(topic.as_str()) else { return not_allowed() };
            let count = log.entries.len();
            if count == 0 {
                return reason(412, "Could not examine messages due to the total message is zero");
            }
            let position = request.parameter("messagePosition").and_then(|n| n.parse::<usize>().ok()).unwrap_or(1);
            let place = position.clamp(1, count) - 1;
            match request.parameter("initialPosition").unwrap_or("latest") {
                "earliest" => entries::stored(log, place),
                // The broker counts on past the first entry, and cannot read what it finds there.
                "latest" if position > count => reason(500, "Incorrect parameter input error code: -14"),
                "latest" => entries::stored(log, count - 1 - place),
                _ => reason(412, "Invalid initialPosition"),
            }
        }
        ("GET", ["compaction"]) if partitioned => reason(404, &format!("Topic {topic} not found")),
        ("GET", ["compaction"]) => {
            let compacted = broker.topics.get(topic.as_str()).is_some_and(|topic| topic.compacted);
            ok(json!({ "status": if compacted { "SUCCESS" } else { "NOT_RUN" }, "lastError": "" }))
        }
        ("PUT", ["compaction"]) => {
            of_topics(broker, &topic, |broker, name| {
                if let Some(topic) = broker.topics.get_mut(name) {
                    topic.compacted = true;
                }
            });
            done()
        }
        ("DELETE", ["truncate"]) => {
            // The ledger that is being written stays, and this mock has no other.
            of_topics(broker, &topic, |broker, name| {
                if let Some(Topic { log, subscriptions, .. }) = broker.topics.get_mut(name) {
                    subscriptions.values_mut().for_each(|held| held.skip(usize::MAX, log));
                }
            });
            done()
        }
        ("POST", ["all_subscription", "expireMessages", age]) => {
            let names: Vec<Arc<str>> = broker.existing(&topic).iter().map(|topic| topic.log.topic.clone()).collect();
            match age.parse() {
                Ok(age) => subscriptions::expire_older(broker, now, &names, |_| true, age),
                Err(_) => reason(404, "HTTP 404 Not Found"),
            }
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
            subscriptions::answer(broker, now, request, &topic, &url_decode(subscription).unwrap_or_default(), rest)
        }
        _ => reason(404, "HTTP 404 Not Found"),
    }
}

fn of_topics(broker: &mut Broker, topic: &str, change: impl Fn(&mut Broker, &str)) {
    let names: Vec<Arc<str>> = broker.existing(topic).iter().map(|topic| topic.log.topic.clone()).collect();
    names.iter().for_each(|name| change(broker, name));
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
        let text = match plain {
            true => format!("Topic has {connected} connected producers/consumers"),
            false => "Topic has active producers/subscriptions".to_owned(),
        };
        return reason(412, &text);
    }
    broker.delete(topic);
    done()
}

fn partitions(broker: &mut Broker, request: &Request, topic: &str) -> Response {
    if request.method == "GET" && request.parameter("checkAllowAutoCreation") == Some("true") {
        broker.create_partitioned_on_demand(topic);
    }
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

fn last_id(topic: &Topic) -> Value {
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

/// Returns where a new subscription starts, from the body of its request.
fn start_of(body: Option<Value>) -> Option<Start> {
    match body {
        None => Some(Start::Latest),
        Some(Value::String(text)) if text == "earliest" => Some(Start::Earliest),
        Some(Value::String(text)) if text == "latest" => Some(Start::Latest),
        Some(Value::Object(id)) => {
            let number = |name: &str| id.get(name)?.as_i64();
            let (ledger, entry) = (number("ledgerId")?, number("entryId")?);
            let batch = number("batchIndex").and_then(|index| i32::try_from(index).ok()).unwrap_or(-1);
            Some(Start::After(super::ids::Id { ledger, entry, partition: -1, batch, size: 0 }))
        }
        Some(_) => None,
    }
}
