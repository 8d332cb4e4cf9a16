//! A producer's connection. Messages are stored, singly or in batches, and confirmed in order.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use super::faults::{Fault, Op};
use super::ids::{Id, from_base64};
use super::ledger::Message;
use super::names::base_topic;
use super::outbox::{End, Outbox, detail};
use super::shared::Shared;
use super::time::parse_iso;
use super::topics::Refusal;
use super::upgrade::{Batching, ProducerWanted};
use super::wire::{self, ProducerMessage, Unusable};

/// The broker's `maxMessageSize`.
const MAX_MESSAGE: usize = 5_242_880;
/// The client's `batchingMaxBytes`.
const MAX_BATCH_BYTES: usize = 128 * 1024;

/// A topic, or one partition of it.
struct Target {
    topic: Arc<str>,
    next_sequence: i64,
    gathered: Vec<(Message, Confirm)>,
    bytes: usize,
}

/// How to confirm a message once it is stored.
struct Confirm {
    context: Option<String>,
    fault: Option<Fault>,
}

pub(super) struct Producer {
    pub(super) label: Arc<str>,
    /// When to store the pending batch.
    pub(super) due: Option<Instant>,
    conn: u64,
    name: Arc<str>,
    targets: Vec<Target>,
    batching: Option<Batching>,
    round_robin: bool,
    murmur: bool,
    turn: usize,
    encryption_keys: Option<serde_json::Map<String, Value>>,
}

impl Producer {
    pub(super) fn connect(shared: &Shared, conn: u64, wanted: ProducerWanted) -> Result<Producer, Refusal> {
        let refused = |refusal: Refusal| Refusal {
            reason: format!("Failed to create producer/consumer: {}", refusal.reason),
            ..refusal
        };
        shared.broker(|broker, now| {
            let topics = broker.resolve(&wanted.topic).map_err(refused)?;
            let name = wanted.name.unwrap_or_else(|| broker.generate_name("standalone-0-"));
            let name: Arc<str> = Arc::from(name);
            let mut targets = Vec::new();
            for topic in topics {
                let last = match broker.add_producer(&topic, &name, conn) {
                    Ok(last) => last,
                    Err(refusal) => {
                        broker.disconnect(conn, now);
                        return Err(refused(refusal));
                    }
                };
                let next_sequence = wanted.initial_sequence.unwrap_or(last).wrapping_add(1);
                targets.push(Target { topic, next_sequence, gathered: Vec::new(), bytes: 0 });
            }
            Ok(Producer {
                label: Arc::from(wanted.topic),
                due: None,
                conn,
                name,
                turn: conn as usize,
                targets,
                batching: wanted.batching,
                round_robin: wanted.round_robin,
                murmur: wanted.murmur,
                encryption_keys: wanted.encryption_keys,
            })
        })
    }

    pub(super) fn on_text(&mut self, shared: &Shared, text: &str, outbox: &mut Outbox) {
        let fault = shared.faults.take(Op::Send, &self.label);
        let request = wire::producer_message(text);
        let context = match &request {
            Ok(Some(message)) => message.context.clone(),
            _ => None,
        };
        if fault.is_some() && (outbox.strike(fault.as_ref()) || self.refuse(&fault, &context, outbox)) {
            self.log(shared, context.as_deref(), fault.as_ref());
            return;
        }
        let message = match request {
            Ok(Some(message)) => message,
            Ok(None) => {
                let text = "Cannot read field \"context\" because \"sendRequest\" is null";
                return self.error(shared, 7, text, &Confirm { context, fault }, outbox);
            }
            Err(Unusable::Malformed(text)) => {
                return self.error(shared, 3, &text, &Confirm { context, fault }, outbox);
            }
            Err(Unusable::Uncaught(text)) => {
                self.log(shared, None, fault.as_ref());
                // the pending batch and the pending receipts are lost
                return outbox.end(End::Close(Some(1011), text));
            }
        };
        let confirm = Confirm { context, fault };
        let message = match self.build(shared, message) {
            Ok(message) => message,
            Err(text) => return self.error(shared, 7, &text, &confirm, outbox),
        };
        self.send(shared, message, confirm, outbox);
    }

    /// Refuses a message if a fault says so.
    fn refuse(&self, fault: &Option<Fault>, context: &Option<String>, outbox: &mut Outbox) -> bool {
        let Some(Fault::SendError(code, text)) = fault else { return false };
        let text = text.as_deref().unwrap_or("org.apache.pulsar.client.api.PulsarClientException: scripted fault");
        let context = context.as_deref().filter(|_| *code != 3);
        outbox.text(&wire::send_error(*code, text, context));
        true
    }

    fn error(&self, shared: &Shared, code: u8, text: &str, confirm: &Confirm, outbox: &mut Outbox) {
        let context = confirm.context.as_deref();
        outbox.reply(&wire::send_error(code, text, context.filter(|_| code != 3)), confirm.fault.as_ref());
        self.log(shared, context, confirm.fault.as_ref());
    }

    fn log(&self, shared: &Shared, context: Option<&str>, fault: Option<&Fault>) {
        shared.log(Op::Send, &self.label, "producer", self.conn, detail(context.unwrap_or(""), fault));
    }

    /// Builds a message. `Err` is the text of a `send-error:7`.
    fn build(&self, shared: &Shared, message: ProducerMessage) -> Result<Message, String> {
        let Some(payload) = message.payload else {
            let text = "Cannot invoke \"String.getBytes(java.nio.charset.Charset)\" because \"src\" is null";
            return Err(text.to_owned());
        };
        let payload = from_base64(&payload).map_err(|text| format!("Invalid Base64 message-payload error={text}"))?;
        let event_time = match &message.event_time {
            None => 0,
            Some(text) => parse_iso(text)?,
        };
        let now = shared.clock.now_ms();
        let deliver_at = match (message.deliver_at, message.deliver_after_ms) {
            (at @ 1.., _) => at as u64,
            (_, after @ 1..) => now.saturating_add(after as u64),
            _ => 0,
        };
        Ok(Message {
            payload: Some(payload),
            key: message.key,
            properties: message.properties,
            event_time,
            deliver_at,
            publish_time: now,
            producer: Arc::clone(&self.name),
            sequence: 0,
            encryption: self.encryption(
                message.encryption_param,
                message.compression_type,
                message.uncompressed_size,
            )?,
        })
    }

    /// Returns the producer's encryption metadata of a message. `Err` is the text of a `send-error:7`.
    fn encryption(
        &self,
        parameter: Option<String>,
        compression: Option<String>,
        uncompressed: Option<i64>,
    ) -> Result<Option<Value>, String> {
        let Some(keys) = &self.encryption_keys else { return Ok(None) };
        let parameter = parameter.unwrap_or_default();
        from_base64(&parameter).map_err(|text| format!("Invalid Base64 encryptionParam error={text}"))?;
        if uncompressed.is_some() != compression.as_ref().is_some_and(|name| name != "NONE" || uncompressed.is_some()) {
            let text = "the params compressionType and uncompressedMessageSize should both empty or both non-empty";
            return Err(text.to_owned());
        }
        Ok(Some(json!({
            "keys": keys,
            "param": parameter,
            "compressionType": compression.as_deref().unwrap_or("NONE"),
            "uncompressedMessageSize": uncompressed.unwrap_or(0),
            "batchSize": null,
        })))
    }

    fn send(&mut self, shared: &Shared, mut message: Message, confirm: Confirm, outbox: &mut Outbox) {
        let size = message.payload.as_ref().map_or(0, Vec::len);
        if size > MAX_MESSAGE {
            let text = format!(
                "org.apache.pulsar.client.api.PulsarClientException$InvalidMessageException: The producer {} of the \
                 topic {} sends a  message with {size} bytes that exceeds {MAX_MESSAGE} bytes",
                self.name, self.label
            );
            return self.error(shared, 8, &text, &confirm, outbox);
        }
        if self.encryption_keys.as_ref().is_some_and(|keys| keys.len() > 1) {
            // A bug of Pulsar 4.0.8, which keeps only the last of several keys.
            let text = "org.apache.pulsar.client.api.PulsarClientException: java.lang.NullPointerException: Cannot invoke \
                        \"java.lang.CharSequence.length()\" because \"seq\" is null";
            return self.error(shared, 8, text, &confirm, outbox);
        }
        if let Some(batching) = self.batching
            && batching.max_pending > 0
            && self.targets.iter().map(|target| target.gathered.len()).sum::<usize>() >= batching.max_pending
        {
            let text = "org.apache.pulsar.client.api.PulsarClientException$ProducerQueueIsFullError: Producer send \
                        queue is full";
            return self.error(shared, 8, text, &confirm, outbox);
        }
        self.take_up_partitions(shared);
        let index = self.route(message.key.as_deref());
        let Some(target) = self.targets.get_mut(index) else { return };
        message.sequence = target.next_sequence;
        target.next_sequence = target.next_sequence.wrapping_add(1);
        let Some(batching) = self.batching else {
            return self.store(shared, index, vec![(message, confirm)], false, outbox);
        };
        if message.deliver_at > 0 {
            // a message with a delay is never part of a batch, and does not overtake one
            self.flush_target(shared, index, outbox);
            return self.store(shared, index, vec![(message, confirm)], false, outbox);
        }
        // a fault that ends the connection after the message is stored does not wait for a batch
        let at_once = matches!(confirm.fault, Some(Fault::DropAfter | Fault::HalfFrame));
        target.gathered.push((message, confirm));
        target.bytes += size;
        if at_once || target.gathered.len() >= batching.max_messages || target.bytes >= MAX_BATCH_BYTES {
            self.flush_target(shared, index, outbox);
        } else if self.due.is_none() {
            self.due = Some(Instant::now() + batching.delay);
        }
    }

    /// Adds the partitions that the topic got meanwhile. A real proxy looks for them once a minute.
    fn take_up_partitions(&mut self, shared: &Shared) {
        if self.targets.first().is_none_or(|target| target.topic == self.label) {
            return;
        }
        shared.broker(|broker, _| {
            let count = broker.partitioned.get(&*self.label).copied().unwrap_or(0);
            for index in self.targets.len()..count as usize {
                let topic: Arc<str> = Arc::from(format!("{}-partition-{index}", self.label));
                let Ok(last) = broker.add_producer(&topic, &self.name, self.conn) else { return };
                let next_sequence = last.wrapping_add(1);
                self.targets.push(Target { topic, next_sequence, gathered: Vec::new(), bytes: 0 });
            }
        });
    }

    fn route(&mut self, key: Option<&str>) -> usize {
        let count = self.targets.len().max(1);
        match key {
            _ if count == 1 => 0,
            Some(key) if self.murmur => murmur3(key.as_bytes()) as usize % count,
            Some(key) => java_hash(key) as usize % count,
            None => {
                if self.round_robin {
                    self.turn = self.turn.wrapping_add(1);
                }
                self.turn % count
            }
        }
    }

    pub(super) fn flush_due(&mut self, shared: &Shared, outbox: &mut Outbox, now: Instant) {
        if self.due.is_some_and(|due| due <= now) && !outbox.is_done() {
            self.flush(shared, outbox);
        }
    }

    /// Stores the pending batch.
    pub(super) fn flush(&mut self, shared: &Shared, outbox: &mut Outbox) {
        self.due = None;
        for index in 0..self.targets.len() {
            self.flush_target(shared, index, outbox);
        }
    }

    fn flush_target(&mut self, shared: &Shared, index: usize, outbox: &mut Outbox) {
        let Some(target) = self.targets.get_mut(index) else { return };
        target.bytes = 0;
        let mut gathered = std::mem::take(&mut target.gathered);
        if !gathered.is_empty() {
            // a batch of one is sent as a single message
            let batch = gathered.len() > 1;
            // and a larger batch has one publish time for all messages
            let published = gathered[0].0.publish_time;
            gathered.iter_mut().for_each(|(message, _)| message.publish_time = published);
            self.store(shared, index, gathered, batch, outbox);
        }
    }

    fn store(
        &self,
        shared: &Shared,
        index: usize,
        messages: Vec<(Message, Confirm)>,
        batch: bool,
        outbox: &mut Outbox,
    ) {
        let Some(target) = self.targets.get(index) else { return };
        let (messages, confirms): (Vec<_>, Vec<_>) = messages.into_iter().unzip();
        let resent = confirms.iter().any(|confirm| confirm.fault == Some(Fault::Resent));
        let stored = shared.broker(|broker, now| {
            if resent {
                broker.publish(&target.topic, messages.clone(), batch, now)?;
            }
            broker.publish(&target.topic, messages, batch, now)
        });
        for (at, confirm) in confirms.iter().enumerate() {
            match &stored {
                Ok(id) => {
                    let batch_index = if batch { at as i32 } else { -1 };
                    // a producer on one partition of a topic does not know that it is a partition
                    let partition = if *target.topic == *self.label { -1 } else { id.partition };
                    let id = Id { batch: batch_index, partition, ..*id };
                    let context = match &confirm.fault {
                        Some(Fault::NoContext) => None,
                        Some(Fault::WrongContext) => Some("a context that nobody sent"),
                        _ => confirm.context.as_deref(),
                    };
                    outbox.reply(&wire::receipt(id.encode(), context), confirm.fault.as_ref());
                    self.log(shared, confirm.context.as_deref(), confirm.fault.as_ref());
                }
                Err(text) => self.error(shared, 8, text, confirm, outbox),
            }
        }
    }
}

/// Returns Java's `String.hashCode` without its sign.
fn java_hash(text: &str) -> u32 {
    text.encode_utf16().fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit))) & 0x7fff_ffff
}

/// Returns Pulsar's `Murmur3_32Hash`: 32 bits, seed 0, without the sign.
fn murmur3(bytes: &[u8]) -> u32 {
    let mix = |word: u32| word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let (words, rest) = bytes.as_chunks::<4>();
    let mut hash = 0u32;
    for word in words {
        hash = (hash ^ mix(u32::from_le_bytes(*word))).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    if !rest.is_empty() {
        hash ^= mix(rest.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte)));
    }
    hash ^= bytes.len() as u32;
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    (hash ^ hash >> 16) & 0x7fff_ffff
}

/// Chooses the partition for a message from outside of any connection, as a producer would.
pub(super) fn partition_of(topics: &[Arc<str>], key: Option<&str>, turn: usize) -> Option<Arc<str>> {
    let index = match key {
        Some(key) => java_hash(key) as usize,
        None => turn,
    };
    topics.get(index % topics.len().max(1)).cloned().filter(|topic| !base_topic(topic).is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_hashed_as_java_hashes_them() {
        assert_eq!(java_hash("hello"), 99_162_322);
        // "polygenelubricants".hashCode() is Integer.MIN_VALUE
        assert_eq!(java_hash("polygenelubricants"), 0);
        assert_eq!(murmur3(b""), 0);
        assert_eq!(murmur3(b"hello"), 0x248b_fa47);
        assert_eq!(murmur3(b"hello, world"), 0x149b_bb7f);
    }
}
