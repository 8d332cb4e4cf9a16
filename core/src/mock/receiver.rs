//! A consumer's or a reader's connection. It delivers messages up to its window or permits, and receives commands.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Notify;

use super::faults::{Fault, Op};
use super::ids::{Id, from_base64, to_base64};
use super::outbox::{End, Outbox, detail};
use super::shared::Shared;
use super::subscription::{ConsumerSettings, Delivery, Kind};
use super::time::iso;
use super::topics::{Interest, Refusal, Start};
use super::upgrade::{ConsumerWanted, IfEncrypted, ReaderWanted};
use super::wire::{self, ConsumerCommand, ConsumerMessage, Unusable};

/// The reason for refusing a queue size of 0 with more than one topic.
const NO_QUEUE: &str = "java.util.concurrent.ExecutionException: java.lang.IllegalArgumentException: Receiver queue size \
                        needs to be greater than 0 for Topics Consumer";

pub(super) struct Receiver {
    pub(super) label: Arc<str>,
    conn: u64,
    reader: bool,
    pull: bool,
    /// A partitioned topic or several topics: acknowledgements work only on the delivering connection.
    many: bool,
    /// The handler's `pendingMessages`: delivered and unacknowledged messages, or, with `pull`, minus the remaining
    /// permits.
    pending: i32,
    /// Delivery continues while `pending` is below.
    window: i32,
    /// How many messages the handler is requesting from its embedded client.
    receives: usize,
    delivered: HashMap<Id, Arc<str>>,
    /// A second copy to deliver, because of a scripted fault.
    again: Option<Delivery>,
    if_encrypted: IfEncrypted,
    /// The handler failed on a tombstone, and requests nothing any more.
    fallen: bool,
}

impl Receiver {
    pub(super) fn consumer(
        shared: &Shared,
        conn: u64,
        wanted: ConsumerWanted,
        wake: Arc<Notify>,
    ) -> Result<Receiver, Refusal> {
        let refused = |refusal: Refusal| Refusal {
            reason: format!("Failed to create producer/consumer: {}", refusal.reason),
            ..refusal
        };
        shared.broker(|broker, now| {
            let many = match &wanted.interest {
                Interest::Topics(names) => {
                    let partitioned = |name: &String| broker.partitioned.contains_key(name);
                    wanted.label != names[0] || names.iter().any(partitioned)
                }
                Interest::Pattern(_) => true,
            };
            if many && wanted.queue_size == 0 {
                return Err(refused(Refusal::new(500, NO_QUEUE)));
            }
            let settings = ConsumerSettings {
                conn,
                name: wanted.name.unwrap_or_else(|| broker.generate_name("consumer-")),
                kind: wanted.kind,
                durable: wanted.durable,
                priority: wanted.priority,
                queue_size: wanted.queue_size,
                ack_timeout: wanted.ack_timeout,
                nack_delay: wanted.nack_delay,
                max_redeliveries: wanted.max_redeliveries,
                dead_letter_topic: wanted.dead_letter_topic,
                reader: false,
                wake,
            };
            broker.subscribe(wanted.interest, &wanted.subscription, wanted.start, settings, now).map_err(refused)?;
            Ok(Receiver {
                label: Arc::from(wanted.label),
                conn,
                reader: false,
                pull: wanted.pull,
                many,
                pending: 0,
                window: if wanted.pull { 0 } else { wanted.queue_size.max(1) as i32 },
                receives: usize::from(!wanted.pull),
                delivered: HashMap::new(),
                again: None,
                if_encrypted: wanted.if_encrypted,
                fallen: false,
            })
        })
    }

    pub(super) fn reader(
        shared: &Shared,
        conn: u64,
        wanted: ReaderWanted,
        wake: Arc<Notify>,
    ) -> Result<Receiver, Refusal> {
        let refused = |reason: String| Refusal::new(500, format!("Failed to create reader: {reason}"));
        shared.broker(|broker, now| {
            let many = broker.partitioned.contains_key(&wanted.topic);
            if many && matches!(wanted.start, Start::After(_)) {
                let class =
                    "java.util.concurrent.ExecutionException: org.apache.pulsar.client.api.PulsarClientException";
                return Err(refused(format!("{class}: The partitioned topic startMessageId is illegal")));
            }
            if many && wanted.queue_size == 0 {
                return Err(refused(NO_QUEUE.to_owned()));
            }
            let number = broker.generate_name("");
            let settings = ConsumerSettings {
                conn,
                name: format!("reader-consumer-{number}"),
                kind: Kind::Exclusive,
                durable: false,
                priority: 0,
                queue_size: wanted.queue_size,
                ack_timeout: 0,
                nack_delay: 0,
                max_redeliveries: None,
                dead_letter_topic: None,
                reader: true,
                wake,
            };
            let subscription = format!("reader-{number:0>10}");
            let interest = Interest::Topics(vec![wanted.topic.clone()]);
            broker
                .subscribe(interest, &subscription, wanted.start, settings, now)
                .map_err(|refusal| refused(refusal.reason))?;
            Ok(Receiver {
                label: Arc::from(wanted.topic),
                conn,
                reader: true,
                pull: false,
                many,
                pending: 0,
                window: wanted.queue_size.max(1) as i32,
                // A reader with a queue of 0 is accepted, and then receives nothing. The same holds for a queue of 1
                // after an id, because the message of that id takes the only slot.
                receives: usize::from(wanted.queue_size > 0),
                delivered: HashMap::new(),
                again: None,
                if_encrypted: wanted.if_encrypted,
                fallen: wanted.queue_size == 0 || wanted.queue_size == 1 && matches!(wanted.start, Start::After(_)),
            })
        })
    }

    pub(super) fn role(&self) -> &'static str {
        if self.reader { "reader" } else { "consumer" }
    }

    // messages

    /// Delivers available messages, as far as the window allows.
    pub(super) fn pump(&mut self, shared: &Shared, outbox: &mut Outbox) {
        while self.receives > 0 && !self.fallen && !outbox.is_done() {
            let next = match self.again.take() {
                Some(copy) => Some((copy, false)),
                None => {
                    let next = shared.broker(|broker, now| broker.next(self.conn, self.receives, now));
                    next.map(|delivery| (delivery, true))
                }
            };
            let Some((delivery, may_fail)) = next else { return };
            self.receives -= 1;
            self.deliver(shared, delivery, may_fail, outbox);
        }
    }

    fn deliver(&mut self, shared: &Shared, delivery: Delivery, may_fail: bool, outbox: &mut Outbox) {
        let message = &delivery.message;
        if message.encryption.is_some() && self.if_encrypted != IfEncrypted::Deliver {
            // The embedded client does not forward it, and the handler continues to request messages.
            self.receives += 1;
            if self.if_encrypted == IfEncrypted::Discard {
                shared.broker(|broker, now| broker.acknowledge(self.conn, &delivery.topic, delivery.id, true, now));
            }
            return;
        }
        let Some(payload) = &message.payload else {
            self.fallen = true;
            return;
        };
        let fault = if may_fail { shared.faults.take(Op::Receive, &delivery.topic) } else { None };
        let id = delivery.id.encode();
        shared.log(Op::Receive, &delivery.topic, self.role(), self.conn, detail(&id, fault.as_ref()));
        if outbox.strike(fault.as_ref()) {
            return;
        }
        if !self.reader {
            self.delivered.insert(delivery.id, Arc::clone(&delivery.topic));
        }
        let text = wire::json(&ConsumerMessage {
            message_id: id,
            payload: to_base64(payload),
            properties: &message.properties,
            publish_time: iso(message.publish_time as i64),
            redelivery_count: delivery.redeliveries,
            event_time: (message.event_time != 0).then(|| iso(message.event_time)),
            // Readers do not receive it, by an omission of the real proxy.
            encryption_context: message.encryption.as_ref().filter(|_| !self.reader),
            key: message.key.as_deref(),
        });
        match fault {
            Some(Fault::Duplicate) => {
                outbox.text(&text);
                self.again = Some(delivery);
            }
            Some(Fault::DropAfter) => {
                outbox.text(&text);
                outbox.end(End::FlushAndDrop);
            }
            fault => outbox.reply(&text, fault.as_ref()),
        }
        self.pending = self.pending.wrapping_add(1);
        if self.pending < self.window {
            self.receives += 1;
        }
    }

    /// Handles an acknowledgement, positive or negative: whatever it contains, it opens the window by one message.
    fn resume(&mut self) {
        if self.pull {
            return;
        }
        if self.pending >= self.window {
            self.receives += 1;
        }
        self.pending = self.pending.wrapping_sub(1);
    }

    // commands

    /// Handles a command. With `may_fail`, scripted faults apply; a command that a fault deferred runs without them.
    pub(super) fn on_text(&mut self, shared: &Shared, text: &str, outbox: &mut Outbox, may_fail: bool) {
        let command = match wire::consumer_command(text) {
            Ok(Some(command)) => command,
            Ok(None) => {
                let text = "Cannot read field \"type\" because \"command\" is null".to_owned();
                return outbox.end(End::Close(Some(1011), text));
            }
            // the handlers close with code 3, which is not valid, so Jetty just drops the connection
            Err(Unusable::Malformed(_) | Unusable::Uncaught(_)) => return outbox.end(End::FlushAndDrop),
        };
        let op = match command.kind.as_deref() {
            Some("isEndOfTopic") => Op::EndOfTopic,
            _ if self.reader => Op::Ack,
            Some("permit") => Op::Permit,
            Some("unsubscribe") => Op::Unsubscribe,
            Some("negativeAcknowledge") => Op::Nack,
            _ => Op::Ack,
        };
        let id = command.message_id.as_deref().and_then(|id| Id::decode(&from_base64(id).ok()?));
        let topic = id.and_then(|id| self.delivered.get(&id)).map_or_else(|| Arc::clone(&self.label), Arc::clone);
        let fault = if may_fail { shared.faults.take(op, &topic) } else { None };
        if !outbox.strike(fault.as_ref()) {
            match fault {
                Some(Fault::Delay(by)) if op != Op::EndOfTopic => {
                    outbox.deferred = Some((std::time::Instant::now() + by, text.to_owned()));
                    return;
                }
                _ => self.act(shared, op, &command, fault.as_ref(), outbox),
            }
            if op != Op::EndOfTopic {
                outbox.strike_after(fault.as_ref());
            }
        }
        let told = match op {
            Op::Permit => command.permits.map(|permits| permits.to_string()),
            _ => command.message_id,
        };
        shared.log(op, &topic, self.role(), self.conn, detail(&told.unwrap_or_default(), fault.as_ref()));
    }

    fn act(&mut self, shared: &Shared, op: Op, command: &ConsumerCommand, fault: Option<&Fault>, outbox: &mut Outbox) {
        let lost = fault == Some(&Fault::LostAck);
        match op {
            Op::EndOfTopic => {
                let ended = shared.broker(|broker, _| broker.has_ended(self.conn));
                outbox.reply(&format!("{{\"endOfTopic\":{ended}}}"), fault);
            }
            Op::Permit => match command.permits {
                _ if lost => {}
                Some(permits) => self.permit(permits),
                None => outbox.end(End::FlushAndDrop),
            },
            Op::Unsubscribe => {
                if !lost && !shared.broker(|broker, _| broker.unsubscribe(self.conn)) {
                    outbox.end(End::FlushAndDrop);
                }
            }
            _ if self.reader => self.resume(),
            _ => self.settle(shared, op, command, lost, outbox),
        }
    }

    fn permit(&mut self, permits: i32) {
        if !self.pull {
            return;
        }
        if self.pending >= 0 {
            self.receives += 1;
        }
        self.pending = self.pending.wrapping_sub(permits);
    }

    /// Handles an acknowledgement, positive or negative.
    fn settle(&mut self, shared: &Shared, op: Op, command: &ConsumerCommand, lost: bool, outbox: &mut Outbox) {
        let Some(text) = &command.message_id else {
            let text = "Cannot invoke \"String.getBytes(java.nio.charset.Charset)\" because \"src\" is null";
            return outbox.end(End::Close(Some(1011), text.to_owned()));
        };
        let bytes = match from_base64(text) {
            Ok(bytes) => bytes,
            Err(text) => return outbox.end(End::Close(Some(1011), text)),
        };
        let Some(id) = Id::decode(&bytes) else { return outbox.end(End::FlushAndDrop) };
        let delivered = self.delivered.get(&id).cloned();
        let topic = match &delivered {
            Some(topic) => Some(topic),
            None if self.many => None,
            None => Some(&self.label),
        };
        if let Some(topic) = topic.filter(|_| !lost) {
            shared.broker(|broker, now| match op {
                Op::Nack => broker.refuse(self.conn, topic, id, now),
                _ => broker.acknowledge(self.conn, topic, id, delivered.is_some(), now),
            });
        }
        self.resume();
    }
}
