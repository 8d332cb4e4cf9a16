//! The pending output of a session, and the faults scripted for it.

use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::deflate::Deflater;
use super::faults::Fault;
use super::frames;

/// How a session ends.
#[derive(Debug, PartialEq)]
pub(super) enum End {
    /// With a close frame, and without the pending output: a violation, an uncaught exception.
    Close(Option<u16>, String),
    /// With a close frame, after the pending output.
    FlushAndClose(Option<u16>, String),
    /// Without a close frame, and without the pending output.
    Drop,
    /// Without a close frame, after the pending output.
    FlushAndDrop,
    Reset,
}

/// The pending output of a session, and the faults scripted for it.
#[derive(Default)]
pub(super) struct Outbox {
    pub(super) pending: BytesMut,
    pub(super) writing: BytesMut,
    pub(super) hold: Option<Instant>,
    pub(super) end: Option<End>,
    pub(super) stalled: bool,
    pub(super) no_pong: bool,
    /// Compresses texts, if the connection negotiated it.
    pub(super) deflater: Option<Deflater>,
    /// A command to carry out later. Nothing is read before that.
    pub(super) deferred: Option<(Instant, String)>,
}

impl Outbox {
    pub(super) fn text(&mut self, text: &str) {
        match &mut self.deflater {
            Some(deflater) => {
                frames::encode(&mut self.pending, frames::TEXT | frames::DEFLATED, &deflater.deflate(text.as_bytes()));
            }
            None => frames::encode(&mut self.pending, frames::TEXT, text.as_bytes()),
        }
    }

    pub(super) fn end(&mut self, end: End) {
        self.end.get_or_insert(end);
    }

    /// Returns whether nothing more is to be done for this connection now.
    pub(super) fn is_done(&self) -> bool {
        self.end.is_some() || self.stalled
    }

    /// Applies a fault that happens before the operation. Returns `true` if the operation must not be carried out.
    pub(super) fn strike(&mut self, fault: Option<&Fault>) -> bool {
        match fault {
            Some(Fault::Close(code, reason)) => self.end(End::FlushAndClose(Some(*code), reason.clone())),
            Some(Fault::CloseEmpty) => self.end(End::FlushAndClose(None, String::new())),
            Some(Fault::Drop) => self.end(End::FlushAndDrop),
            Some(Fault::Reset) => self.end(End::Reset),
            Some(Fault::Stall) => self.stalled = true,
            Some(Fault::NoPong) => {
                self.no_pong = true;
                return false;
            }
            _ => return false,
        }
        true
    }

    /// Sends a reply, altered by the fault if there is one.
    pub(super) fn reply(&mut self, text: &str, fault: Option<&Fault>) {
        match fault {
            Some(Fault::NoReceipt) => {}
            Some(Fault::Duplicate) => {
                self.text(text);
                self.text(text);
            }
            Some(Fault::Garbage) => self.text("}{ this is not JSON"),
            Some(Fault::Binary) => frames::encode(&mut self.pending, frames::BINARY, text.as_bytes()),
            Some(Fault::HalfFrame) => self.half(frames::TEXT, text.as_bytes()),
            Some(Fault::DropAfter) => self.end(End::FlushAndDrop),
            Some(Fault::Delay(by)) => {
                self.hold(*by);
                self.text(text);
            }
            _ => self.text(text),
        }
    }

    /// Applies a fault that happens after a command without a reply.
    pub(super) fn strike_after(&mut self, fault: Option<&Fault>) {
        match fault {
            Some(Fault::DropAfter) => self.end(End::FlushAndDrop),
            Some(Fault::Garbage | Fault::HalfFrame) => self.reply(r#"{"messageId":"CBMQADAA"}"#, fault),
            _ => {}
        }
    }

    pub(super) fn half(&mut self, opcode: u8, payload: &[u8]) {
        let mut frame = BytesMut::new();
        frames::encode(&mut frame, opcode, payload);
        self.pending.extend_from_slice(&frame[..frame.len().div_ceil(2)]);
        self.end(End::FlushAndDrop);
    }

    /// Sends the earlier output immediately, and delays the later output.
    pub(super) fn hold(&mut self, by: Duration) {
        if self.hold.is_none() {
            let before = self.pending.split();
            self.writing.unsplit(before);
        }
        self.hold = self.hold.max(Some(Instant::now() + by));
    }

    pub(super) fn release(&mut self, now: Instant) {
        if self.hold.is_some_and(|until| until <= now) {
            self.hold = None;
        }
        if self.hold.is_none() && self.writing.is_empty() {
            std::mem::swap(&mut self.writing, &mut self.pending);
        }
    }
}

/// Returns the log text for an intended failure.
pub(super) fn detail(told: &str, fault: Option<&Fault>) -> String {
    match fault {
        None => told.to_owned(),
        Some(fault) if told.is_empty() => format!("fault {fault:?}"),
        Some(fault) => format!("{told} (fault {fault:?})"),
    }
}
