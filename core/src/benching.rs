//! The paths that every message takes, for the micro-benchmarks in `benches/`: no socket, no task, no clock. Not part
//! of the API.

use std::sync::Arc;
use std::time::Duration;

use crate::message::{Origin, OutgoingMessage};
use crate::proto::Moment;
use crate::proto::consumer::{self, ConsumerRole, Settings};
use crate::proto::frame::{OpenFrame, Received, parse_answer, parse_any_answer, parse_any_received, parse_received};
use crate::proto::producer::{self, ProducerRole, Resend};
use crate::proto::session::{Policy, Role, Session};
use crate::topic::TopicName;

/// How the server writes a message with `payload`, which is base64.
pub fn message_frame(payload: &str) -> String {
    format!(
        r#"{{"messageId":"CBMQADAA","payload":"{payload}","properties":{{}},"publishTime":"2026-11-24T08:27:35.453Z","redeliveryCount":0}}"#
    )
}

/// How the server answers the message under `context`.
pub fn receipt_frame(context: u64) -> String {
    format!(r#"{{"result":"ok","messageId":"CBMQADAA","context":"{context}","errorCode":0,"schemaVersion":0}}"#)
}

/// Writes a message as a frame at the end of `out`.
pub fn encode(payload: bytes::Bytes, out: &mut Vec<u8>) {
    let frame = OpenFrame::encode(OutgoingMessage::new(payload), 1 << 20).expect("it is small enough");
    frame.close(1_234).write(out);
}

/// Reads messages and receipts of one topic.
pub struct Decoder(Arc<TopicName>);

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder(Arc::new("t".parse().expect("a good name")))
    }
}

impl Decoder {
    /// Reads a message; the size of its payload. By the JSON parser alone when `parser` says so.
    pub fn message(&self, text: &str, parser: bool) -> usize {
        let read = if parser { parse_any_received } else { parse_received };
        match read(text, &self.0, Origin::default()) {
            Ok(Received::Message(message)) => message.payload().len(),
            _ => panic!("no message: {text}"),
        }
    }

    /// Reads a receipt; its context. By the JSON parser alone when `parser` says so.
    pub fn receipt(&self, text: &str, parser: bool) -> Option<u64> {
        let read = if parser { parse_any_answer } else { parse_answer };
        read(text).ok().and_then(|answer| answer.context)
    }
}

fn connected<R: Role>(role: R) -> Session<R> {
    let mut session = Session::new(role, Policy::LOCAL);
    session.start();
    while session.poll_action().is_some() {}
    session.handle_connected(Moment::ZERO);
    while session.poll_change().is_some() {}
    session
}

/// The state machine of a producer.
pub struct Sending(Session<ProducerRole<u64, ()>>, u64);

impl Default for Sending {
    fn default() -> Sending {
        Sending(connected(ProducerRole::new(Resend::Again, None, Arc::default())), 0)
    }
}

impl Sending {
    /// Sends a message, writes it into `out`, and takes its receipt.
    pub fn send(&mut self, payload: bytes::Bytes, out: &mut Vec<u8>) {
        let Sending(session, number) = self;
        let frame = OpenFrame::encode(OutgoingMessage::new(payload), 1 << 20).expect("it is small enough");
        let deadline = Some(Duration::from_secs(30));
        session.handle_command(Moment::ZERO, producer::Command::Send { frame, ticket: *number, hold: (), deadline });
        while let Some(frame) = session.poll_frame() {
            frame.write(out);
        }
        session.handle_text(Moment::ZERO, &receipt_frame(*number));
        assert!(matches!(session.poll_event(), Some(producer::Event::Sent(ticket, Ok(_), _)) if ticket == *number));
        *number += 1;
    }
}

/// The state machine of a consumer.
pub struct Consuming(Session<ConsumerRole<u64>>);

impl Default for Consuming {
    fn default() -> Consuming {
        let topic = Decoder::default().0;
        let settings =
            Settings { topic, session: 0, pull: false, window: 1_000, acks_travel: true, one_id: false, shared: false };
        Consuming(connected(ConsumerRole::new(settings, Arc::default())))
    }
}

impl Consuming {
    /// Takes a message and acknowledges it; the acknowledgements go into `out` when there are enough of them.
    pub fn receive(&mut self, text: &str, out: &mut Vec<u8>) {
        let Consuming(session) = self;
        session.handle_text(Moment::ZERO, text);
        let Some(consumer::Event::Message(message)) = session.poll_event() else { panic!("no message: {text}") };
        let (id, connection) = (message.id.clone(), Some(message.origin.connection));
        session.handle_command(Moment::ZERO, consumer::Command::Ack { id, connection, finished: true });
        while let Some(frame) = session.poll_frame() {
            frame.write(out);
        }
    }
}
