//! Parses upgrade requests: the path and the query parameters of each endpoint, refused as the handlers refuse them.

use std::time::Duration;

use super::http::{Request, url_decode};
use super::ids::{Id, from_base64};
use super::names::full_name;
use super::pattern::Pattern;
use super::subscription::Kind;
use super::topics::{Interest, Refusal, Start};

#[derive(Debug)]
pub(super) enum Wanted {
    Producer(ProducerWanted),
    Consumer(ConsumerWanted),
    Reader(ReaderWanted),
}

#[derive(Debug)]
pub(super) struct ProducerWanted {
    pub(super) topic: String,
    pub(super) name: Option<String>,
    pub(super) initial_sequence: Option<i64>,
    pub(super) batching: Option<Batching>,
    pub(super) round_robin: bool,
    pub(super) murmur: bool,
    /// The keys that the producer encrypts with itself.
    pub(super) encryption_keys: Option<serde_json::Map<String, serde_json::Value>>,
}

/// The handling of an encrypted message; the mock itself has no keys.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum IfEncrypted {
    Withhold,
    Discard,
    Deliver,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Batching {
    pub(super) max_messages: usize,
    pub(super) delay: Duration,
    /// 0 means no limit.
    pub(super) max_pending: usize,
}

#[derive(Debug)]
pub(super) struct ConsumerWanted {
    pub(super) interest: Interest,
    /// The topic, or the alternative that was given.
    pub(super) label: String,
    pub(super) subscription: String,
    pub(super) kind: Kind,
    pub(super) durable: bool,
    pub(super) start: Start,
    pub(super) queue_size: usize,
    pub(super) pull: bool,
    pub(super) ack_timeout: u64,
    pub(super) nack_delay: u64,
    pub(super) max_redeliveries: Option<u32>,
    pub(super) dead_letter_topic: Option<String>,
    pub(super) name: Option<String>,
    pub(super) priority: i32,
    pub(super) if_encrypted: IfEncrypted,
}

#[derive(Debug)]
pub(super) struct ReaderWanted {
    pub(super) topic: String,
    pub(super) start: Start,
    pub(super) queue_size: usize,
    pub(super) if_encrypted: IfEncrypted,
}

/// Returns the role and topic for the log and the faults, before the request has been parsed.
pub(super) fn label(path: &str) -> (&'static str, String) {
    let parts: Vec<_> = path.split('/').collect();
    let role = match (parts.get(2), parts.get(3)) {
        (Some(&"v2"), Some(&"producer")) => "producer",
        (Some(&"v2" | &"v3"), Some(&"consumer")) => "consumer",
        (Some(&"v2"), Some(&"reader")) => "reader",
        _ => return ("unknown", path.to_owned()),
    };
    match parts.as_slice() {
        [_, _, "v2", _, domain, tenant, namespace, topic, ..] => {
            let topic = url_decode(topic).unwrap_or_default();
            (role, format!("{domain}://{tenant}/{namespace}/{topic}"))
        }
        _ => (role, path.to_owned()),
    }
}

/// Parses a request; `None` if the endpoint does not exist.
pub(super) fn parse(request: &Request, old: bool) -> Option<Result<Wanted, Refusal>> {
    let parts: Vec<&str> = request.path.split('/').collect();
    match parts.as_slice() {
        ["", "ws", "v2", "producer", ..] => Some(producer(request, &parts, old).map(Wanted::Producer)),
        ["", "ws", "v2", "consumer", ..] => Some(consumer(request, &parts, old).map(Wanted::Consumer)),
        ["", "ws", "v2", "reader", ..] => Some(reader(request, &parts).map(Wanted::Reader)),
        ["", "ws", "v3", "consumer", subscription, ..] if !old => {
            Some(many(request, subscription).map(Wanted::Consumer))
        }
        _ => None,
    }
}

fn invalid(text: impl std::fmt::Display) -> Refusal {
    Refusal::new(400, format!("Invalid query params: {text}"))
}

/// Returns the refusal for an exception that the handler does not catch.
fn thrown(text: impl std::fmt::Display) -> Refusal {
    Refusal::new(500, format!("java.lang.IllegalArgumentException: {text}"))
}

fn no_constant(class: &str, value: &str) -> Refusal {
    invalid(format!("No enum constant {class}.{value}"))
}

/// Returns the topic of a v2 path. Tenant and namespace are taken unchanged; the topic is decoded.
fn topic_of(parts: &[&str], topic_parts: &[&str]) -> Result<String, Refusal> {
    let [_, _, _, _, domain, tenant, namespace, ..] = parts else {
        return Err(thrown("Invalid topic name format"));
    };
    if !matches!(*domain, "persistent" | "non-persistent") {
        return Err(Refusal::new(500, "java.lang.IllegalArgumentException"));
    }
    for name in [tenant, namespace] {
        let is_named = |letter: char| letter.is_ascii_alphanumeric() || "-=:._".contains(letter);
        if name.is_empty() || !name.chars().all(is_named) {
            return Err(thrown(format!("Invalid named entity: {name}")));
        }
    }
    let joined = topic_parts.join("/");
    let topic = url_decode(joined.trim_end_matches('/')).unwrap_or_default();
    if topic.is_empty() || topic.starts_with('/') {
        let text = "Topic local name must not be blank.";
        return Err(thrown(format!("Invalid topic name: {domain}://{tenant}/{namespace}/{topic}. {text}")));
    }
    Ok(format!("{domain}://{tenant}/{namespace}/{topic}"))
}

/// Parses like Java's `Integer.parseInt` and `Long.parseLong`.
fn number<T: std::str::FromStr>(value: &str) -> Result<T, Refusal> {
    value.parse().map_err(|_| invalid(format!("For input string: \"{value}\"")))
}

fn flag(request: &Request, name: &str) -> bool {
    request.parameter(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

fn at_least(request: &Request, name: &str, least: i32, otherwise: &str) -> Result<Option<i32>, Refusal> {
    match request.parameter(name).map(number::<i32>).transpose()? {
        Some(value) if value < least => Err(invalid(otherwise)),
        value => Ok(value),
    }
}

fn producer(request: &Request, parts: &[&str], old: bool) -> Result<ProducerWanted, Refusal> {
    let topic = topic_of(parts, parts.get(7..).unwrap_or_default())?;
    let name = request.parameter("producerName").map(str::to_owned);
    if name.as_ref().is_some_and(|name| name.trim().is_empty()) {
        return Err(invalid("producerName cannot be blank"));
    }
    let initial_sequence = request.parameter("initialSequenceId").map(number).transpose()?;
    let murmur = match request.parameter("hashingScheme") {
        None | Some("JavaStringHash") => false,
        Some("Murmur3_32Hash") => true,
        Some(other) => return Err(no_constant("org.apache.pulsar.client.api.HashingScheme", other)),
    };
    at_least(request, "sendTimeoutMillis", 0, "sendTimeout needs to be >= 0")?;
    let mut batching = None;
    if flag(request, "batchingEnabled") {
        let max_messages = request.parameter("batchingMaxMessages").map(number::<i32>).transpose()?.unwrap_or(1000);
        let pending = "maxPendingMessages needs to be >= 0";
        let max_pending = at_least(request, "maxPendingMessages", 0, pending)?.unwrap_or(0);
        let short = "configured value for batch delay must be at least 1ms";
        let delay = at_least(request, "batchingMaxPublishDelay", 1, short)?.unwrap_or(1);
        batching = Some(Batching {
            max_messages: max_messages.max(1) as usize,
            delay: Duration::from_millis(delay as u64),
            max_pending: max_pending as usize,
        });
    }
    let round_robin = match request.parameter("messageRoutingMode") {
        None | Some("SinglePartition" | "CustomPartition") => false,
        Some("RoundRobinPartition") => true,
        Some(other) => return Err(invalid(format!("Invalid messageRoutingMode {other}"))),
    };
    if let Some(other) = request.parameter("compressionType")
        && !matches!(other, "NONE" | "LZ4" | "ZLIB" | "ZSTD" | "SNAPPY")
    {
        return Err(invalid(format!("Invalid compressionType {other}")));
    }
    let mut encryption_keys = None;
    if let Some(keys) = request.parameter("encryptionKeys") {
        let by_client = from_base64(keys).ok().and_then(|json| serde_json::from_slice(&json).ok());
        encryption_keys = by_client.filter(|_| !old);
        if encryption_keys.is_none() {
            let text = "Can't add encryption key without configuring cryptoKeyReaderFactoryClassName";
            return Err(Refusal::new(500, format!("Failed to create producer/consumer: {text}")));
        }
        batching = None;
    }
    Ok(ProducerWanted { topic, name, initial_sequence, batching, round_robin, murmur, encryption_keys })
}

fn consumer(request: &Request, parts: &[&str], old: bool) -> Result<ConsumerWanted, Refusal> {
    let topic = topic_of(parts, parts.get(7..8).unwrap_or_default())?;
    let &[_, _, _, _, _, _, _, _, subscription] = parts else { return Err(invalid("Invalid topic name format")) };
    let mut wanted = consumer_of(request, Interest::Topics(vec![topic.clone()]), topic, subscription)?;
    if old {
        wanted.start = Start::Latest;
    }
    Ok(wanted)
}

fn many(request: &Request, subscription: &str) -> Result<ConsumerWanted, Refusal> {
    let (interest, label) = match (request.parameter("topics"), request.parameter("topicsPattern")) {
        (None, None) => return Err(thrown("Should set topics or topicsPattern")),
        (Some(_), Some(_)) => return Err(thrown("Topics must be null when use topicsPattern")),
        (Some(""), None) | (None, Some("")) => {
            let text = "it should be in the format of <tenant>/<namespace>/<topic> or <topic>";
            return Err(thrown(format!("Invalid short topic name '', {text}")));
        }
        (Some(topics), None) => {
            if topics.split(',').any(|topic| topic.trim().is_empty()) {
                return Err(invalid("topicNames cannot have blank topic"));
            }
            let names: Result<Vec<_>, _> = topics.split(',').map(|topic| full_name(topic.trim())).collect();
            (Interest::Topics(names.map_err(thrown)?), topics)
        }
        (None, Some(pattern)) => (Interest::Pattern(Pattern::parse(pattern).map_err(invalid)?), pattern),
    };
    let label = match &interest {
        Interest::Topics(names) => names.join(","),
        Interest::Pattern(_) => label.to_owned(),
    };
    consumer_of(request, interest, label, subscription)
}

fn consumer_of(
    request: &Request,
    interest: Interest,
    label: String,
    subscription: &str,
) -> Result<ConsumerWanted, Refusal> {
    let subscription = url_decode(subscription).unwrap_or_default();
    if subscription.is_empty() {
        return Err(invalid("Empty subscription name"));
    }
    let kind = match request.parameter("subscriptionType") {
        None => Kind::Exclusive,
        Some(kind) => Kind::parse(kind).ok_or_else(|| invalid(format!("Invalid subscriptionType {kind}")))?,
    };
    let durable = match request.parameter("subscriptionMode") {
        None | Some("Durable") => true,
        Some("NonDurable") => false,
        Some(other) => return Err(invalid(format!("Invalid subscriptionMode {other}"))),
    };
    let start = match request.parameter("subscriptionInitialPosition") {
        None | Some("Latest") => Start::Latest,
        Some("Earliest") => Start::Earliest,
        Some(other) => return Err(invalid(format!("Invalid subscriptionInitialPosition {other}"))),
    };
    let queue_size = at_least(request, "receiverQueueSize", 0, "receiverQueueSize needs to be >= 0")?;
    let ack_timeout = match request.parameter("ackTimeoutMillis").map(number::<i32>).transpose()? {
        Some(timeout) if timeout != 0 && timeout < 1000 => {
            return Err(invalid("Ack timeout should be greater than 1000 ms"));
        }
        timeout => timeout.unwrap_or(0),
    };
    let nack_delay =
        at_least(request, "negativeAckRedeliveryDelay", 0, "redeliveryDelay needs to be >= 0")?.unwrap_or(60_000);
    let max_redeliveries = at_least(request, "maxRedeliverCount", 1, "MaxRedeliverCount must be > 0.")?;
    let dead_letter_topic = request.parameter("deadLetterTopic").map(str::to_owned);
    if dead_letter_topic.is_some() && max_redeliveries.is_none() {
        return Err(invalid("MaxRedeliverCount must be > 0."));
    }
    let name = request.parameter("consumerName").map(str::to_owned);
    if name.as_ref().is_some_and(|name| name.trim().is_empty()) {
        return Err(invalid("consumerName cannot be blank"));
    }
    Ok(ConsumerWanted {
        interest,
        label,
        subscription,
        kind,
        durable,
        start,
        queue_size: queue_size.unwrap_or(1000).min(1000) as usize,
        pull: flag(request, "pullMode"),
        ack_timeout: ack_timeout as u64,
        nack_delay: nack_delay as u64,
        max_redeliveries: max_redeliveries.map(|count| count as u32),
        dead_letter_topic,
        name,
        if_encrypted: if_encrypted(request),
        priority: at_least(request, "priorityLevel", 0, "priorityLevel needs to be >= 0")?.unwrap_or(0),
    })
}

/// Returns the handling of encrypted messages; a bad value is ignored.
fn if_encrypted(request: &Request) -> IfEncrypted {
    match request.parameter("cryptoFailureAction") {
        Some("CONSUME") => IfEncrypted::Deliver,
        Some("DISCARD") => IfEncrypted::Discard,
        _ => IfEncrypted::Withhold,
    }
}

/// Parses a reader's request. Every error with a reader is a 500.
fn reader(request: &Request, parts: &[&str]) -> Result<ReaderWanted, Refusal> {
    let failed = |text: String| Refusal::new(500, format!("Failed to create reader: {text}"));
    let topic = topic_of(parts, parts.get(7..).unwrap_or_default())?;
    let queue_size = match request.parameter("receiverQueueSize") {
        None => 1000,
        Some(value) => match value.parse::<i32>() {
            Ok(size @ 0..) => size.min(1000),
            Ok(_) => return Err(failed("receiverQueueSize needs to be >= 0".into())),
            Err(_) => {
                let text = format!("java.lang.NumberFormatException: For input string: \"{value}\"");
                return Err(Refusal::new(500, text));
            }
        },
    };
    let start = match request.parameter("messageId").unwrap_or("") {
        "earliest" => Start::Earliest,
        blank if blank.trim().is_empty() => Start::Latest,
        "latest" => Start::Latest,
        id => {
            let bytes = from_base64(id).map_err(failed)?;
            let id = Id::decode(&bytes);
            Start::After(id.ok_or_else(|| failed("java.lang.IndexOutOfBoundsException".into()))?)
        }
    };
    Ok(ReaderWanted { topic, start, queue_size: queue_size as usize, if_encrypted: if_encrypted(request) })
}
