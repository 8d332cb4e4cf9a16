//! Subscriptions in the REST API: create, delete, skip, seek and peek.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::http::{Request, Response};
use super::super::ledger::Ledger;
use super::super::topics::{Broker, Start, Topic};
use super::{body, done, entries, ok, reason, start_of};

pub(super) fn create(broker: &mut Broker, request: &Request, topic: &str, subscription: &str) -> Response {
    let given = match body(request) {
        Ok(given) => given,
        Err(response) => return response,
    };
    let Some(start) = start_of(given) else {
        return Response::new(400, "text/plain", "Invalid value for the position");
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
                let size = log.entries.get(position).map_or(0, |entry| entry.messages.len() as i32);
                // Positions within a batch do not exist: a batch that is not completely skipped is delivered whole.
                let passed = excluded && id.ledger == log.ledger && (id.batch < 0 || id.batch + 1 >= size);
                if passed { log.entries.len().min(position + 1) } else { position }
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
        ("POST", ["expireMessages"]) if partitioned => single_only(),
        ("POST", ["expireMessages"]) => {
            let wanted = match body(request) {
                Ok(wanted) => wanted,
                Err(response) => return response,
            };
            let Some(Start::After(id)) = start_of(wanted) else { return reason(412, "Failed to parse messageId") };
            expire(
                broker,
                now,
                &names,
                |name| name == subscription,
                |log| log.entries.len().min(log.position(id).saturating_add(usize::from(id.ledger == log.ledger))),
            )
        }
        ("POST", ["expireMessages", age]) => match age.parse::<u64>() {
            Ok(age) => expire_older(broker, now, &names, |name| name == subscription, age),
            Err(_) => reason(404, "HTTP 404 Not Found"),
        },
        ("GET", ["properties"]) => {
            let held = broker.topics.get(&names[0]).and_then(|topic| topic.subscriptions.get(subscription));
            ok(held.map_or_else(|| json!({}), |held| json!(held.properties)))
        }
        ("PUT", ["properties"]) => {
            let properties = match body(request) {
                Ok(given) => serde_json::from_value(given.unwrap_or(json!({}))),
                Err(response) => return response,
            };
            let Ok(properties) = properties else { return Response::new(400, "text/plain", "Expected texts") };
            of_subscription(broker, &names, subscription, |held, _| held.properties.clone_from(&properties));
            done()
        }
        ("POST", ["analyzeBacklog"]) if partitioned => single_only(),
        ("POST", ["analyzeBacklog"]) => {
            let (mut found, mut messages) = (0, 0);
            of_subscription(broker, &names, subscription, |held, log| {
                let waiting = (0..log.entries.len()).filter(|entry| !held.is_acked(*entry));
                for entry in waiting {
                    (found, messages) = (found + 1, messages + log.entries[entry].messages.len());
                }
            });
            ok(json!({
                "entries": found, "messages": messages, "aborted": false,
                "filterAcceptedEntries": found, "filterAcceptedMessages": messages,
                "filterRejectedEntries": 0, "filterRejectedMessages": 0,
                "filterRescheduledEntries": 0, "filterRescheduledMessages": 0,
            }))
        }
        _ => reason(404, "HTTP 404 Not Found"),
    }
}

/// Returns the first entry published at or after a time.
pub(super) fn entry_at(log: &Ledger, time: u64) -> usize {
    log.entries.partition_point(|entry| entry.messages.first().is_some_and(|message| message.publish_time < time))
}

fn of_subscription(
    broker: &mut Broker,
    names: &[Arc<str>],
    subscription: &str,
    mut change: impl FnMut(&mut super::super::subscription::Subscription, &Ledger),
) {
    for name in names {
        if let Some(Topic { log, subscriptions, .. }) = broker.topics.get_mut(name)
            && let Some(held) = subscriptions.get_mut(subscription)
        {
            change(held, log);
        }
    }
}

fn skip(broker: &mut Broker, now: u64, names: &[Arc<str>], subscription: &str, count: usize) -> Response {
    of_subscription(broker, names, subscription, |held, log| held.skip(count, log));
    names.iter().for_each(|name| broker.dispatch(name, now));
    done()
}

fn seek(
    broker: &mut Broker,
    now: u64,
    names: &[Arc<str>],
    subscription: &str,
    to: impl Fn(&Ledger) -> usize,
) -> Response {
    of_subscription(broker, names, subscription, |held, log| held.seek(to(log)));
    names.iter().for_each(|name| broker.dispatch(name, now));
    done()
}

/// Acknowledges everything older than `age` seconds.
pub(super) fn expire_older(
    broker: &mut Broker,
    now: u64,
    names: &[Arc<str>],
    of: impl Fn(&str) -> bool,
    age: u64,
) -> Response {
    expire(broker, now, names, of, |log| entry_at(log, now.saturating_sub(age * 1000)))
}

/// Acknowledges the entries up to `end`. Refuses if none is left, as a real broker nearly at that position does.
fn expire(
    broker: &mut Broker,
    now: u64,
    names: &[Arc<str>],
    of: impl Fn(&str) -> bool,
    end: impl Fn(&Ledger) -> usize,
) -> Response {
    let mut expired = 0;
    for name in names {
        let Some(Topic { log, subscriptions, .. }) = broker.topics.get_mut(name) else { continue };
        for (_, held) in subscriptions.iter_mut().filter(|(name, _)| of(name)) {
            let old = (0..end(log)).filter(|entry| !held.is_acked(*entry)).count();
            held.skip(old, log);
            expired += old;
        }
        broker.dispatch(name, now);
    }
    if expired == 0 {
        return reason(
            409,
            "Expire message by timestamp not issued on topic due to ongoing message expiration not finished or \
             subscription almost catch  up.",
        );
    }
    done()
}

fn peek(broker: &Broker, topic: &str, subscription: &str, n: usize) -> Response {
    let found = broker.topics.get(topic).and_then(|topic| {
        let held = topic.subscriptions.get(subscription)?;
        Some((&topic.log, held.unacked_entry(&topic.log, n)?))
    });
    found.map_or_else(|| reason(404, "Message not found"), |(log, entry)| entries::stored(log, entry))
}
