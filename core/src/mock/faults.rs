//! Scripted faults: what fails, where, and how often. First in, first out.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::MockError;
use super::names::{base_topic, full_name};

/// An action of a client or the broker, at which a fault can happen, and which [`Mock::wait`](super::Mock::wait)
/// counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// `connect`: the upgrade of a producer, consumer or reader.
    Connect,
    /// `send`: a message from a producer.
    Send,
    /// `ack`: an acknowledgement from a consumer or a reader.
    Ack,
    /// `nack`: a negative acknowledgement.
    Nack,
    /// `permit`: permits from a consumer in pull mode.
    Permit,
    /// `receive`: a message delivered to a consumer or a reader.
    Receive,
    /// `ping`: a ping from a client.
    Ping,
    /// `close`: a close frame from a client.
    Close,
    /// `unsubscribe`: a request to delete the subscription.
    Unsubscribe,
    /// `end_of_topic`: a request whether the topic has ended.
    EndOfTopic,
    /// `http`: a request to the REST API.
    Http,
    /// `disconnect`: the end of a WebSocket session, by either side. Logged and counted, never faulted.
    Disconnect,
}

const OPS: [(&str, Op); 12] = [
    ("connect", Op::Connect),
    ("send", Op::Send),
    ("ack", Op::Ack),
    ("nack", Op::Nack),
    ("permit", Op::Permit),
    ("receive", Op::Receive),
    ("ping", Op::Ping),
    ("close", Op::Close),
    ("unsubscribe", Op::Unsubscribe),
    ("end_of_topic", Op::EndOfTopic),
    ("http", Op::Http),
    ("disconnect", Op::Disconnect),
];

impl Op {
    /// Returns the name used in scripts and logs.
    pub fn name(self) -> &'static str {
        OPS.iter().find(|(_, op)| *op == self).map_or("", |(name, _)| name)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for Op {
    type Err = MockError;

    fn from_str(text: &str) -> Result<Op, MockError> {
        OPS.iter().find(|(name, _)| *name == text).map(|(_, op)| *op).ok_or_else(|| {
            let names: Vec<_> = OPS.iter().map(|(name, _)| *name).collect();
            MockError::invalid(format!("unknown operation {text:?}; there are {}", names.join(", ")))
        })
    }
}

/// A fault. Parsed from text such as `http:503`, `send-error:8:Queue is full`, `close:1011:reason` or `drop`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `http:STATUS[:reason]`: refuse with this status, in Jetty's HTML for an upgrade, in JSON for the REST API.
    Http(u16, Option<String>),
    /// `send-error:N[:text]`: do not store the message, and answer with this error.
    SendError(u8, Option<String>),
    /// `close[:CODE[:reason]]`: only close with this code (1011 by default).
    Close(u16, String),
    /// `close-empty`: only close with a close frame that has no code.
    CloseEmpty,
    /// `drop`: do nothing and end the TCP connection without a close frame.
    Drop,
    /// `drop-after`: do it, but end the TCP connection without a reply and without a close frame.
    DropAfter,
    /// `reset`: do nothing and reset the TCP connection.
    Reset,
    /// `half-frame`: do it, send half of the reply, and end the TCP connection.
    HalfFrame,
    /// `garbage`: do it, and send text that is not JSON in place of the reply.
    Garbage,
    /// `binary`: do it, and send the reply in a binary frame.
    Binary,
    /// `delay:MS`: do it this many milliseconds late. For an operation with a reply, delay the reply and everything
    /// after it.
    Delay(Duration),
    /// `no-context`: store the message, and omit the context from the receipt.
    NoContext,
    /// `wrong-context`: store the message, and put a context that was never sent in the receipt.
    WrongContext,
    /// `no-receipt`: do it, and send no reply.
    NoReceipt,
    /// `duplicate`: send the reply, or deliver the message, twice.
    Duplicate,
    /// `resent`: store the message, and send it again. A proxy does that if it loses its own connection to the broker
    /// before the receipt. The message is stored twice; with deduplication once, and its receipt is that of a
    /// duplicate.
    Resent,
    /// `lost-ack`: accept the command, but without effect. An acknowledgement, positive or negative, still opens the
    /// window, as with a proxy that loses it on the way to the broker. A permit or an unsubscribe is lost entirely.
    LostAck,
    /// `no-pong`: answer no ping on this connection from now on.
    NoPong,
    /// `stall`: neither read nor write on this connection from now on, and keep it open.
    Stall,
}

impl FromStr for Fault {
    type Err = MockError;

    fn from_str(text: &str) -> Result<Fault, MockError> {
        let mut parts = text.splitn(3, ':');
        let (name, first, second) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        let number = |what: &str, value: Option<&str>, range: std::ops::RangeInclusive<u64>| {
            let parsed = value.and_then(|value| value.parse::<u64>().ok()).filter(|value| range.contains(value));
            parsed.ok_or_else(|| {
                let (low, high) = (range.start(), range.end());
                MockError::invalid(format!("fault {text:?} needs {what} from {low} to {high}, as in {name}:{low}"))
            })
        };
        let with_parameters = match name {
            "http" => Fault::Http(number("a status", first, 300..=599)? as u16, second.map(str::to_owned)),
            "send-error" => Fault::SendError(number("an error", first, 0..=255)? as u8, second.map(str::to_owned)),
            "close" => {
                let code = first.map_or(Ok(1011), |_| number("a close code", first, 0..=65_535))?;
                Fault::Close(code as u16, second.unwrap_or("scripted fault").to_owned())
            }
            "delay" if second.is_none() => {
                Fault::Delay(Duration::from_millis(number("milliseconds", first, 0..=3_600_000)?))
            }
            _ => match SIMPLE.iter().find(|(simple, _)| *simple == text) {
                Some((_, fault)) => fault.clone(),
                None => {
                    let names: Vec<_> = SIMPLE.iter().map(|(name, _)| *name).collect();
                    return Err(MockError::invalid(format!(
                        "unknown fault {text:?}; there are http:STATUS, send-error:N, close:CODE, delay:MS, {}",
                        names.join(", ")
                    )));
                }
            },
        };
        Ok(with_parameters)
    }
}

const SIMPLE: [(&str, Fault); 15] = [
    ("close-empty", Fault::CloseEmpty),
    ("drop", Fault::Drop),
    ("drop-after", Fault::DropAfter),
    ("reset", Fault::Reset),
    ("half-frame", Fault::HalfFrame),
    ("garbage", Fault::Garbage),
    ("binary", Fault::Binary),
    ("no-context", Fault::NoContext),
    ("wrong-context", Fault::WrongContext),
    ("no-receipt", Fault::NoReceipt),
    ("duplicate", Fault::Duplicate),
    ("resent", Fault::Resent),
    ("lost-ack", Fault::LostAck),
    ("no-pong", Fault::NoPong),
    ("stall", Fault::Stall),
];

impl Fault {
    /// Returns whether this fault can apply to this operation.
    pub fn fits(&self, op: Op) -> bool {
        let replies = matches!(op, Op::Send | Op::Receive | Op::EndOfTopic | Op::Ping | Op::Close);
        match self {
            _ if op == Op::Disconnect => false,
            Fault::Http(..) => matches!(op, Op::Connect | Op::Http),
            Fault::SendError(..) | Fault::NoContext | Fault::WrongContext | Fault::Resent => op == Op::Send,
            Fault::Close(..) | Fault::CloseEmpty | Fault::NoPong => op != Op::Http,
            Fault::Duplicate => replies && op != Op::Close,
            Fault::Binary => matches!(op, Op::Send | Op::Receive | Op::EndOfTopic),
            Fault::NoReceipt => replies,
            Fault::LostAck => matches!(op, Op::Ack | Op::Nack | Op::Permit | Op::Unsubscribe),
            Fault::Garbage | Fault::HalfFrame => op != Op::Close,
            Fault::Drop | Fault::DropAfter | Fault::Reset | Fault::Delay(_) | Fault::Stall => true,
        }
    }
}

/// Returns where an operation happens, from the caller's name for it: a topic's full name, or a path of the REST API.
pub(super) fn place(op: Op, topic: Option<&str>) -> Result<Option<String>, MockError> {
    match op {
        Op::Http => Ok(topic.map(str::to_owned)),
        _ => topic.map(full_name).transpose(),
    }
}

struct Scripted {
    op: Op,
    topic: Option<String>,
    fault: Fault,
    left: usize,
}

/// The faults that have not happened yet.
#[derive(Default)]
pub(super) struct Faults {
    queue: Mutex<VecDeque<Scripted>>,
    /// A count, so that the path without faults takes no lock.
    scripted: AtomicUsize,
}

impl Faults {
    pub(super) fn add(&self, op: Op, topic: Option<&str>, fault: Fault, count: usize) -> Result<(), MockError> {
        if !fault.fits(op) {
            return Err(MockError::invalid(format!("fault {fault:?} means nothing at operation {op}")));
        }
        if count == 0 {
            return Err(MockError::invalid(format!("fault {fault:?} at operation {op} needs a count of at least 1")));
        }
        let topic = place(op, topic)?;
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push_back(Scripted { op, topic, fault, left: count });
        self.scripted.store(queue.len(), Ordering::Release);
        Ok(())
    }

    /// Takes the next fault for this operation on this topic.
    pub(super) fn take(&self, op: Op, topic: &str) -> Option<Fault> {
        if self.scripted.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let at = queue.iter().position(|scripted| {
            scripted.op == op
                && scripted.topic.as_deref().is_none_or(|wanted| wanted == topic || wanted == base_topic(topic))
        })?;
        let scripted = &mut queue[at];
        let fault = scripted.fault.clone();
        if scripted.left != usize::MAX {
            scripted.left -= 1;
        }
        if scripted.left == 0 {
            queue.remove(at);
            self.scripted.store(queue.len(), Ordering::Release);
        }
        Some(fault)
    }

    pub(super) fn left(&self) -> usize {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.iter().fold(0, |sum, scripted| sum.saturating_add(scripted.left))
    }

    pub(super) fn clear(&self) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.clear();
        self.scripted.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_from_text_and_bad_ones_say_what_is_right() {
        assert_eq!("http:503".parse(), Ok(Fault::Http(503, None)));
        assert_eq!("http:503:a: b".parse(), Ok(Fault::Http(503, Some("a: b".into()))));
        assert_eq!("close".parse(), Ok(Fault::Close(1011, "scripted fault".into())));
        assert_eq!("delay:250".parse(), Ok(Fault::Delay(Duration::from_millis(250))));
        for (bad, says) in
            [("http", "a status"), ("http:9", "300 to 599"), ("explode", "half-frame"), ("drop:1", "drop")]
        {
            let error = bad.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn faults_come_first_in_first_out_and_only_where_they_belong() {
        let faults = Faults::default();
        faults.add(Op::Send, Some("a"), Fault::Drop, 2).unwrap();
        faults.add(Op::Send, None, Fault::Stall, 1).unwrap();
        assert_eq!(faults.left(), 3);
        assert_eq!(faults.take(Op::Ack, "persistent://public/default/a"), None);
        assert_eq!(faults.take(Op::Send, "persistent://public/default/a-partition-1"), Some(Fault::Drop));
        assert_eq!(faults.take(Op::Send, "persistent://public/default/b"), Some(Fault::Stall));
        assert_eq!(faults.take(Op::Send, "persistent://public/default/b"), None);
        assert_eq!(faults.take(Op::Send, "persistent://public/default/a"), Some(Fault::Drop));
        assert_eq!(faults.left(), 0);
    }

    #[test]
    fn a_fault_that_means_nothing_there_is_refused() {
        let faults = Faults::default();
        assert!(faults.add(Op::Ack, None, Fault::SendError(8, None), 1).is_err());
        assert!(faults.add(Op::Send, None, Fault::Http(500, None), 1).is_err());
        assert!(faults.add(Op::Send, None, Fault::Drop, 0).is_err());
    }
}
