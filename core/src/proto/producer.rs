//! Tracks a producer's messages in flight. Every accepted message ends exactly once, and disconnects do not change the
//! order.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::frame::{ConnectionKey, Frame, OpenFrame, parse_answer};
use super::session::Role;
use super::{Moment, earliest};
use crate::error::{Error, ErrorKind, Result};
use crate::message::MessageId;
use crate::query::Query;
use crate::stats::Counters;

/// Commands to a producer. `T` is the caller's token for a message, returned with its outcome. `H` is the slot that the
/// message holds until nothing is kept of it.
pub(crate) enum Command<T, H> {
    Send {
        frame: OpenFrame,
        ticket: T,
        hold: H,
        deadline: Option<Moment>,
    },
    /// Requests an answer when everything accepted before has ended.
    Flush {
        ticket: T,
    },
    /// Answers [`Event::InDoubt`].
    Judge {
        stored: bool,
    },
}

/// How long a message may be in doubt. A broker that was killed takes most of a minute until its REST API answers.
pub(crate) const DOUBT: Duration = Duration::from_secs(60);

/// The outcome of a command.
pub(crate) enum Event<T, H> {
    /// The outcome of a message. The hold is returned once nothing is kept of the message.
    Sent(T, Result<Stored>, Option<H>),
    Flushed(T, Result<()>),
    /// The broker dropped a message as a duplicate, and it is unclear of what. It is a duplicate from this run if the
    /// newest message under the producer's name has one of these sequence ids. It is from an earlier run if that has a
    /// higher one.
    InDoubt(RangeInclusive<i64>),
}

/// A message that the broker has stored.
#[derive(Debug, PartialEq)]
pub(crate) struct Stored {
    pub(crate) id: MessageId,
    pub(crate) duplicate: bool,
}

/// How the producer treats messages in flight when the connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resend {
    /// Sends them again.
    Again,
    /// Reports their outcome as unknown.
    Never,
    /// Sends them again with their original sequence ids, so that the broker drops what it has stored. `chosen` is set
    /// when the library chose the first id. A caller that chose it may want to learn what is already stored.
    Numbered { first: i64, chosen: bool },
}

/// What it means that the broker drops a message as a duplicate. It does so when the producer's name has already
/// been used with this sequence id or a higher one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Duplicates {
    /// The message is stored: the broker has stored a message of this run, so its highest id belongs to this run. This
    /// holds at a first attempt too, because the server resends what was in flight when it loses its own connection.
    Stored,
    /// The message is not stored: the name was used with higher ids before, so the clock has since gone back.
    Lost,
    /// Either of the above.
    Unclear,
}

struct Entry<T, H> {
    /// Empty once the message has ended.
    frame: OpenFrame,
    hold: Option<H>,
    /// Taken when the outcome is reported. An entry can outlive that; see [`ProducerRole::handle_timeout`].
    ticket: Option<T>,
    /// Whether it was written on the current connection.
    written: bool,
    /// The number of writes, over all connections.
    attempts: u32,
    /// The outcome is final.
    ended: bool,
    /// The broker refused it, so whether its sequence id was used is unknown.
    refused: bool,
}

impl<T, H> Entry<T, H> {
    /// Returns whether to send the message. An ended message is not sent, unless its number has been used and must be
    /// used again. Otherwise the next message would get that number, and the broker would drop it as a duplicate.
    fn is_to_be_sent(&self, numbered: bool) -> bool {
        !self.ended || (numbered && self.attempts > 0 && !self.refused)
    }
}

pub(crate) struct ProducerRole<T, H> {
    /// Entries in order of acceptance. The context of an entry on the wire is `first_context` plus its index.
    entries: VecDeque<Entry<T, H>>,
    first_context: u64,
    /// Index of the next entry to write.
    next: usize,
    deadlines: BinaryHeap<Reverse<(Moment, u64)>>,
    flushes: VecDeque<(u64, T)>,
    events: VecDeque<Event<T, H>>,
    resend: Resend,
    /// In [`Resend::Numbered`], the sequence id of the first entry that was attempted and is still queued.
    sequence: i64,
    duplicates: Duplicates,
    /// The contexts and ids of messages that the broker dropped as duplicates on this connection, while it is unclear
    /// what that means.
    doubts: Vec<(u64, MessageId)>,
    doubt_until: Option<Moment>,
    /// All messages before this context have used their numbers: one of them, or the one before it, has a receipt.
    passed: u64,
    /// In [`Resend::Numbered`], a message failed, and only a reconnect makes the count of sequence ids certain again.
    resync: bool,
    /// The sequence id after which the caller wants the first connection to begin. A later connection must not begin
    /// there again: the broker would drop new messages as duplicates.
    first_connection: Option<i64>,
    named: bool,
    /// The key of this connection, or of the next.
    key: Option<ConnectionKey>,
    /// The next message needs another key than this connection's.
    rekey: bool,
    /// When the current connection opened.
    connected: Option<Moment>,
    failed: Option<Error>,
    /// Why the latest attempt to connect failed, until one succeeds.
    unreachable: Option<Error>,
    counters: Arc<Counters>,
}

impl<T, H> ProducerRole<T, H> {
    pub(crate) fn new(resend: Resend, first_connection: Option<i64>, counters: Arc<Counters>) -> ProducerRole<T, H> {
        let sequence = match resend {
            Resend::Numbered { first, .. } => first,
            _ => 0,
        };
        ProducerRole {
            entries: VecDeque::new(),
            first_context: 0,
            next: 0,
            deadlines: BinaryHeap::new(),
            flushes: VecDeque::new(),
            events: VecDeque::new(),
            resend,
            sequence,
            duplicates: match resend {
                Resend::Numbered { chosen: true, .. } => Duplicates::Unclear,
                _ => Duplicates::Stored,
            },
            doubts: Vec::new(),
            doubt_until: None,
            passed: 0,
            resync: false,
            first_connection,
            named: false,
            key: None,
            rekey: false,
            connected: None,
            failed: None,
            unreachable: None,
            counters,
        }
    }

    /// Sets whether the application has chosen the producer's name, which the server grants to one producer at a time.
    pub(crate) fn with_name(self, named: bool) -> ProducerRole<T, H> {
        ProducerRole { named, ..self }
    }

    /// Sets the first key, for end-to-end encryption.
    pub(crate) fn with_key(self, key: Option<ConnectionKey>) -> ProducerRole<T, H> {
        ProducerRole { key, ..self }
    }

    fn numbered(&self) -> bool {
        matches!(self.resend, Resend::Numbered { .. })
    }

    /// Ends a message. With `kept`, its outcome is reported, and the producer still sends it again to use its number.
    fn end(&mut self, index: usize, outcome: Result<Stored>, kept: bool) {
        let numbered = self.numbered();
        let Some(entry) = self.entries.get_mut(index) else { return };
        let mut hold = None;
        if !kept {
            entry.ended = true;
            hold = entry.hold.take();
            // It may have to stay queued behind others, but releases its memory. The exception is a message with a
            // number that may have to be used again.
            if !numbered || entry.attempts == 0 || entry.refused {
                entry.frame = OpenFrame::default();
            }
        }
        if let Some(ticket) = entry.ticket.take() {
            self.counters.in_flight.sub(1);
            match &outcome {
                Ok(_) => self.counters.receipts.add(1),
                Err(_) => self.counters.send_errors.add(1),
            }
            self.events.push_back(Event::Sent(ticket, outcome, hold));
        }
    }

    /// Handles a message dropped as a duplicate that may or may not be stored. The next receipt resolves that, or a
    /// check of what is stored.
    fn doubt(&mut self, now: Moment, context: u64, id: MessageId) {
        if self.doubts.iter().any(|(other, _)| *other == context) {
            self.counters.unexpected.add(1);
            return;
        }
        self.doubts.push((context, id));
        if self.doubt_until.is_none() {
            self.doubt_until = Some(now + DOUBT);
            let Resend::Numbered { first, .. } = self.resend else { return };
            let highest = self.sequence + self.entries.len() as i64;
            self.events.push_back(Event::InDoubt(first..=highest));
        }
    }

    /// Ends the messages in doubt.
    fn end_doubts(&mut self, outcome: impl Fn(MessageId) -> Result<Stored>) {
        self.doubt_until = None;
        for (context, id) in std::mem::take(&mut self.doubts) {
            if let Some(index) = self.index_of(context) {
                self.end(index, outcome(id), false);
            }
        }
    }

    /// Removes ended messages at the front, and answers the flushes that waited for them.
    fn trim(&mut self) {
        while self.entries.front().is_some_and(|entry| entry.ended) {
            if self.entries.pop_front().is_some_and(|entry| entry.attempts > 0) {
                self.sequence += 1;
            }
            self.first_context += 1;
            self.next = self.next.saturating_sub(1);
        }
        // For a flush, a message that timed out counts as ended, although a numbered producer still resends it.
        let waiting = self.entries.iter().position(|entry| entry.ticket.is_some()).unwrap_or(self.entries.len());
        let reached = self.first_context + waiting as u64;
        while self.flushes.front().is_some_and(|(until, _)| *until <= reached) {
            if let Some((_, ticket)) = self.flushes.pop_front() {
                self.events.push_back(Event::Flushed(ticket, Ok(())));
            }
        }
    }

    /// Returns the error of a message that did not end before its deadline.
    fn late(&self, entry: &Entry<T, H>, deadline: Moment) -> Error {
        let late = Error::new(ErrorKind::Timeout, self.why_late(entry, deadline));
        match &self.unreachable {
            Some(error) => late.caused_by(error.clone()),
            None => late,
        }
    }

    /// Returns what delayed a message past its `deadline`.
    fn why_late(&self, entry: &Entry<T, H>, deadline: Moment) -> &'static str {
        let connected = self.connected.is_some_and(|since| since < deadline);
        match (entry.attempts > 0, connected) {
            (false, false) => "the time ran out before the message was sent: there was no connection",
            (false, true) if self.resync || self.rekey => {
                "the time ran out before the message was sent: a new connection had to be made for it"
            }
            (false, true) => {
                "the time ran out before the message was sent: it waited for the server to read what was sent before it"
            }
            (true, _) if entry.written => "the time ran out before the receipt came: the message may be stored or not",
            (true, false) => {
                "the time ran out while the connection was being restored: the message may be stored or not"
            }
            (true, true) => "the time ran out before the message was sent again: it may be stored or not",
        }
    }

    /// Ends the message that is too big for the server, if that is why the server closed the connection. Sending it
    /// again would fail again. The producer resends the others.
    fn end_too_big(&mut self, why: &Error) {
        if why.close_code() != Some(1009) {
            return;
        }
        let text = why.broker_text().unwrap_or_default();
        let limit = text.rsplit_once('[').and_then(|(_, rest)| rest.split_once(']')?.0.parse::<usize>().ok());
        // Without the limit, the message cannot be identified; all are sent again, until their timeout.
        let Some(limit) = limit else { return };
        for index in 0..self.entries.len() {
            let entry = &self.entries[index];
            let bytes = entry.frame.bytes();
            if entry.written && !entry.ended && bytes > limit {
                let too_big = Error::new(
                    ErrorKind::TooBig,
                    format!(
                        "the server closed the connection over a frame of {bytes} bytes (option max_message_frame_bytes)"
                    ),
                );
                self.end(index, Err(too_big.with_broker_text(text)), false);
            }
        }
    }

    fn index_of(&self, context: u64) -> Option<usize> {
        let index = usize::try_from(context.checked_sub(self.first_context)?).ok()?;
        (index < self.entries.len()).then_some(index)
    }

    /// Returns the bytes of all messages that are kept, and the number of deadlines.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> (usize, usize) {
        (self.entries.iter().map(|entry| entry.frame.kept()).sum(), self.deadlines.len())
    }

    /// Returns how many messages have not ended yet.
    #[cfg(test)]
    pub(crate) fn in_flight(&self) -> usize {
        self.entries.iter().filter(|entry| entry.ticket.is_some()).count()
    }
}

fn lost_as_a_duplicate() -> Error {
    Error::new(
        ErrorKind::Broker,
        "the broker dropped the message as a duplicate: the producer name has been used with higher sequence ids; choose \
         another name, or a larger initial_seq_id",
    )
}

fn unclear_duplicate(kind: ErrorKind) -> Error {
    Error::new(
        kind,
        "the broker dropped the message as a duplicate before the producer had a receipt: either the message is stored, \
         and the server sent it twice, or the producer name has been used with higher sequence ids, and it is not; the \
         REST API (option admin_url) did not tell which",
    )
}

impl<T, H> Role for ProducerRole<T, H> {
    type Command = Command<T, H>;
    type Event = Event<T, H>;

    fn connect_query(&mut self, query: &mut Query) {
        let numbered = self.numbered();
        if let Some(first) = self.entries.iter().find(|entry| entry.is_to_be_sent(numbered)) {
            self.key = first.frame.key().cloned();
        }
        if numbered {
            // The server assigns the following id to the next message.
            query.set(Query::INITIAL_SEQUENCE_ID, (self.sequence - 1).to_string());
            query.set(Query::SEND_TIMEOUT, "0");
        } else if let Some(id) = self.first_connection {
            query.set(Query::INITIAL_SEQUENCE_ID, id.to_string());
        }
        if let Some(key) = &self.key {
            query.set(Query::ENCRYPTION_KEYS, key.as_str());
        }
    }

    fn handle_connected(&mut self, now: Moment, _connection: u64) {
        self.connected = Some(now);
        self.unreachable = None;
        self.next = 0;
        self.resync = false;
        self.rekey = false;
        self.first_connection = None;
    }

    fn handle_unreachable(&mut self, error: &Error) {
        self.unreachable = Some(error.clone());
    }

    fn handle_disconnected(&mut self, _now: Moment, why: &Error) {
        self.connected = None;
        self.end_too_big(why);
        for index in 0..self.entries.len() {
            let entry = &mut self.entries[index];
            if std::mem::take(&mut entry.written) && self.resend == Resend::Never && !entry.ended {
                let lost = Error::new(
                    ErrorKind::OutcomeUnknown,
                    "the connection broke before the receipt, so the message may be stored or not",
                );
                self.end(index, Err(lost.caused_by(why.clone())), false);
            }
        }
        self.next = 0;
        // They are sent and answered again.
        self.doubts.clear();
        self.doubt_until = None;
        self.trim();
    }

    fn handle_text(&mut self, now: Moment, text: &str) -> Result<()> {
        let answer = parse_answer(text)?;
        let Some(context) = answer.context else {
            // Without a context, the message cannot be identified. The server can always read our contexts, so this is
            // a bug somewhere. The message concerned ends with its timeout.
            let why = answer.outcome.err().map(|error| error.message().to_owned()).unwrap_or_default();
            return Err(Error::new(ErrorKind::Protocol, format!("a receipt without a context: {why}")));
        };
        let Some(index) = self.index_of(context) else {
            self.counters.unexpected.add(1);
            return Ok(());
        };
        let entry = &self.entries[index];
        if entry.ended || !entry.written {
            // A message written again only to use its number is confirmed again.
            if !(entry.written && entry.attempts > 1 && self.numbered()) {
                self.counters.unexpected.add(1);
            }
            return Ok(());
        }
        let outcome = match answer.outcome {
            Ok(id) if id.is_duplicate_sentinel() => {
                self.passed = self.passed.max(context);
                match self.duplicates {
                    Duplicates::Stored => Ok(Stored { id, duplicate: true }),
                    Duplicates::Lost => Err(lost_as_a_duplicate()),
                    Duplicates::Unclear => {
                        self.doubt(now, context, id);
                        return Ok(());
                    }
                }
            }
            Ok(id) => {
                self.duplicates = Duplicates::Stored;
                self.end_doubts(|id| Ok(Stored { id, duplicate: true }));
                self.passed = self.passed.max(context);
                Ok(Stored { id, duplicate: false })
            }
            Err(error) => {
                if self.numbered() {
                    self.entries[index].refused = true;
                    self.resync = true;
                }
                Err(error)
            }
        };
        if outcome.is_ok() {
            // Their failures have been reported, and the broker accepts their numbers no more.
            for entry in self.entries.range_mut(..index).filter(|entry| entry.ticket.is_none()) {
                entry.ended = true;
                entry.hold = None;
            }
        }
        self.end(index, outcome, false);
        self.trim();
        Ok(())
    }

    fn handle_command(&mut self, now: Moment, command: Command<T, H>) {
        match command {
            Command::Send { frame, ticket, hold, deadline } => {
                self.counters.in_flight.add(1);
                let context = self.first_context + self.entries.len() as u64;
                let (ticket, hold) = (Some(ticket), Some(hold));
                let entry = Entry { frame, hold, ticket, written: false, attempts: 0, ended: false, refused: false };
                self.entries.push_back(entry);
                if let Some(error) = self.failed.clone() {
                    self.end(self.entries.len() - 1, Err(error), false);
                    self.trim();
                    return;
                }
                if deadline.is_some_and(|deadline| deadline <= now) {
                    let late = "the time was over before the message could be sent; it was not sent";
                    self.end(self.entries.len() - 1, Err(Error::new(ErrorKind::Timeout, late)), false);
                    self.trim();
                    return;
                }
                if let Some(deadline) = deadline {
                    // Most messages end long before their deadline. Without this, the deadlines of `send_timeout` would
                    // accumulate.
                    if self.deadlines.len() > 2 * self.entries.len() + 64 {
                        let first = self.first_context;
                        self.deadlines.retain(|Reverse((_, context))| *context >= first);
                    }
                    self.deadlines.push(Reverse((deadline, context)));
                }
            }
            Command::Flush { ticket } => {
                let until = self.first_context + self.entries.len() as u64;
                self.flushes.push_back((until, ticket));
                self.trim();
            }
            // A receipt that arrived in the meantime takes precedence.
            Command::Judge { stored } if self.duplicates == Duplicates::Unclear => {
                self.duplicates = if stored { Duplicates::Stored } else { Duplicates::Lost };
                self.end_doubts(|id| match stored {
                    true => Ok(Stored { id, duplicate: true }),
                    false => Err(lost_as_a_duplicate()),
                });
                self.trim();
            }
            Command::Judge { .. } => {}
        }
    }

    fn poll_timeout(&self) -> Option<Moment> {
        earliest([self.deadlines.peek().map(|Reverse((at, _))| *at), self.doubt_until])
    }

    fn handle_timeout(&mut self, now: Moment) {
        let mut any = false;
        if self.doubt_until.is_some_and(|until| now >= until) {
            self.end_doubts(|_| Err(unclear_duplicate(ErrorKind::OutcomeUnknown)));
            any = true;
        }
        while let Some(Reverse((at, context))) = self.deadlines.peek().copied() {
            if now < at {
                break;
            }
            self.deadlines.pop();
            let Some(index) = self.index_of(context) else { continue };
            let entry = &self.entries[index];
            if entry.ended || entry.ticket.is_none() {
                continue;
            }
            let attempted = entry.attempts > 0;
            let error = match self.doubts.iter().any(|(other, _)| *other == context) {
                true => unclear_duplicate(ErrorKind::Timeout),
                false => self.late(entry, at),
            };
            // The numbers of the messages after it depend on resending this one, unless one of them is stored. While
            // disconnected, the next connection may already have been asked to begin at this number.
            let needed = !(self.entries[index].written && context < self.passed);
            self.end(index, Err(error), attempted && self.numbered() && needed);
            any = true;
        }
        if any {
            self.trim();
        }
    }

    fn poll_frame(&mut self) -> Option<Frame<'_>> {
        if self.resync {
            return None;
        }
        let numbered = self.numbered();
        let index = self.next + self.entries.range(self.next..).position(|entry| entry.is_to_be_sent(numbered))?;
        let entry = &mut self.entries[index];
        if entry.frame.key() != self.key.as_ref() {
            self.rekey = true;
            return None;
        }
        self.next = index + 1;
        match entry.attempts {
            0 => self.counters.sent.add(1),
            _ => self.counters.resent.add(1),
        }
        entry.attempts += 1;
        entry.written = true;
        Some(entry.frame.close(self.first_context + index as u64))
    }

    fn poll_event(&mut self) -> Option<Event<T, H>> {
        self.events.pop_front()
    }

    fn held_by_server(&self) -> Option<&'static str> {
        self.named.then_some("the producer's name")
    }

    fn wants_reconnect(&self) -> Option<&'static str> {
        let why = match (self.resync, self.rekey) {
            (true, _) => "to be certain of the sequence ids",
            (_, true) => "with a new data key",
            _ => return None,
        };
        (!self.entries.iter().any(|entry| entry.written && !entry.ended)).then_some(why)
    }

    fn receive_window(&self) -> usize {
        self.next
    }

    fn is_idle(&self) -> bool {
        !self.entries.iter().any(|entry| entry.ticket.is_some())
    }

    fn handle_ended(&mut self, error: &Error) {
        self.failed = Some(error.clone());
        for index in 0..self.entries.len() {
            let outcome = match self.entries[index].attempts > 0 {
                true => Error::new(
                    ErrorKind::OutcomeUnknown,
                    "the producer ended before the receipt, so the message may be stored or not",
                )
                .caused_by(error.clone()),
                false => error.clone(),
            };
            self.end(index, Err(outcome), false);
        }
        self.trim();
    }
}
