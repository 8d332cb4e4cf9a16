//! Subscriptions in the REST API: create, delete, skip, seek and peek.

use serde_json::Value;

use super::admin::{body, done, reason, start_of};
use super::http::{Request, Response};
use super::time::iso;
use super::topics::{Broker, Ledger, Start};
use super::wire;

pub(super) fn create(broker: &mut Broker, request: &Request, topic: &str, subscription: &str) -> Response {
    let start = match body(request).map(start_of) {
        Ok(Some(start)) => start,
        Ok(None) => return Response::new(400, "text/plain", "Invalid value for the position"),
        Err(response) => return response,
    };
    let topics = match broker.resolve(topic) {
        Ok(topics) => topics,
        Err(refusal) => return reason(refusal.status, &refusal.reason),
    };
    let created = topics.iter().filter(|topic| broker.create_subscription(topic, subscription, start)).count();
    if created == 0 { reason(409, "Subscription already exists for topic") } else { done() }
}

pub(super) fn answer(
    broker: &mut Broker,
    now: u64,
    request: &Request,
    topic: &str,
    subscription: &str,
    rest: &[&str],
) -> Response {
    let partitioned = broker.partitioned.contains_key(topic);
    let names: Vec<_> = broker
        .existing(topic)
        .iter()
        .filter(|topic| topic.subscriptions.contains_key(subscription))
        .map(|topic| topic.log.topic.clone())
        .collect();
    if names.is_empty() {
        return reason(404, &format!("Subscription {subscription} not found for topic {topic}"));
    }
    let single_only = || reason(405, "Operation on a partitioned topic is not allowed");
    match (request.method.as_str(), rest) {
        ("DELETE", []) => {
            let force = request.parameter("force") == Some("true");
            let busy = broker
                .existing(topic)
                .iter()
                .any(|topic| topic.subscriptions.get(subscription).is_some_and(|held| !held.consumers.is_empty()));
            if busy && !force {
                return reason(412, "Subscription has active connected consumers");
            }
            for name in &names {
                if let Some(topic) = broker.topics.get_mut(name) {
                    topic.subscriptions.remove(subscription);
                }
            }
            done()
        }
        ("POST", ["skip", _]) if partitioned => single_only(),
        ("POST", ["skip", count]) => match count.parse() {
            Ok(count) => skip(broker, now, &names, subscription, count),
            Err(_) => reason(404, "HTTP 404 Not Found"),
        },
        ("POST", ["skip_all"]) => skip(broker, now, &names, subscription, usize::MAX),
        ("POST", ["resetcursor"]) if partitioned => single_only(),
        ("POST", ["resetcursor"]) => {
            let wanted = match body(request) {
                Ok(wanted) => wanted,
                Err(response) => return response,
            };
            let excluded = wanted.as_ref().and_then(|body| body.get("excluded")).is_some_and(|flag| flag == true);
            let Some(Start::After(id)) = start_of(wanted.filter(Value::is_object)) else {
                return reason(412, "Failed to parse messageId");
            };
            seek(broker, now, &names, subscription, |log| {
                let position = log.position(id);
                if excluded && id.ledger == log.ledger { log.entries.len().min(position + 1) } else { position }
            })
        }
        ("POST", ["resetcursor", time]) => match time.parse() {
            Ok(time) => seek(broker, now, &names, subscription, |log| entry_at(log, time)),
            Err(_) => reason(404, "HTTP 404 Not Found"),
        },
        ("GET", ["position", _]) if partitioned => single_only(),
        ("GET", ["position", n]) => match n.parse() {
            Ok(n @ 1..) => peek(broker, topic, subscription, n),
            _ => reason(500, "Message position must be at least 1"),
        },
        _ => reason(404, "HTTP 404 Not Found"),
    }
}

/// The first entry published at or after a time.
pub(super) fn entry_at(log: &Ledger, time: u64) -> usize {
    log.entries.partition_point(|entry| entry.messages.first().is_some_and(|message| message.publish_time < time))
}

fn skip(broker: &mut Broker, now: u64, names: &[std::sync::Arc<str>], subscription: &str, count: usize) -> Response {
    for name in names {
        if let Some(topic) = broker.topics.get_mut(name)
            && let Some(held) = topic.subscriptions.get_mut(subscription)
        {
            held.skip(count, &topic.log);
        }
        broker.dispatch(name, now);
    }
    done()
}

fn seek(
    broker: &mut Broker,
    now: u64,
    names: &[std::sync::Arc<str>],
    subscription: &str,
    to: impl Fn(&Ledger) -> usize,
) -> Response {
    for name in names {
        if let Some(topic) = broker.topics.get_mut(name) {
            let position = to(&topic.log);
            if let Some(held) = topic.subscriptions.get_mut(subscription) {
                held.seek(position);
            }
        }
        broker.dispatch(name, now);
    }
    done()
}

fn peek(broker: &Broker, topic: &str, subscription: &str, n: usize) -> Response {
    let found = broker.topics.get(topic).and_then(|topic| {
        let held = topic.subscriptions.get(subscription)?;
        let entry = held.unacked_entry(&topic.log, n)?;
        Some((&topic.log, entry))
    });
    let Some((log, entry)) = found else { return reason(404, "Message not found") };
    let held = &log.entries[entry];
    let Some(first) = held.messages.first() else { return reason(404, "Message not found") };
    let mut content = Vec::new();
    if held.batch {
        held.messages.iter().for_each(|message| put_single(&mut content, message));
    } else {
        content.extend_from_slice(first.payload.as_deref().unwrap_or_default());
    }
    let mut response = Response::new(200, "application/octet-stream", content);
    let mut head = |name, value: String| response.headers.push((name, value));
    head("X-Pulsar-Message-ID", format!("{}:{entry}", log.ledger));
    head("X-Pulsar-publish-time", iso(first.publish_time as i64));
    head("X-Pulsar-producer-name", one_line(&first.producer));
    head("X-Pulsar-sequence-id", first.sequence.to_string());
    if held.batch {
        head("X-Pulsar-PROPERTY", "{}".to_owned());
        head("X-Pulsar-num-batch-message", held.messages.len().to_string());
    } else {
        head("X-Pulsar-PROPERTY", one_line(&wire::json(&first.properties)));
        if first.event_time != 0 {
            head("X-Pulsar-event-time", iso(first.event_time));
        }
        if let Some(key) = &first.key {
            head("X-Pulsar-partition-key", one_line(key));
            head("X-Pulsar-partition-key-b64-encoded", "false".to_owned());
        }
    }
    response
}

/// No client's text may end a header.
fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

/// One message of a raw batch: `SingleMessageMetadata` behind its length, and the payload.
fn put_single(out: &mut Vec<u8>, message: &super::topics::Message) {
    let payload = message.payload.as_deref().unwrap_or_default();
    let mut metadata = Vec::new();
    for (name, value) in &message.properties {
        let mut pair = Vec::new();
        put_bytes(&mut pair, 1, name.as_bytes());
        put_bytes(&mut pair, 2, value.as_bytes());
        put_bytes(&mut metadata, 1, &pair);
    }
    if let Some(key) = &message.key {
        put_bytes(&mut metadata, 2, key.as_bytes());
    }
    metadata.push(3 << 3);
    put_varint(&mut metadata, payload.len() as u64);
    metadata.push(8 << 3);
    put_varint(&mut metadata, message.sequence as u64);
    out.extend_from_slice(&(metadata.len() as u32).to_be_bytes());
    out.extend_from_slice(&metadata);
    out.extend_from_slice(payload);
}

fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
