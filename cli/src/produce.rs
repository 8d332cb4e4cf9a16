//! `produce`: lines in, receipts out.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::mpsc::Sender;
use std::time::Duration;

use stargate_core::blocking::{self, Producer};
use stargate_core::options::Roles;
use stargate_core::{ErrorKind, OutgoingMessage};

use crate::args::{Connection, Produce};
use crate::exit::{self, Ended, Failure, say};
use crate::lines::{Line, Lines};
use crate::receipts::{End, Missing, Place, collect};
use crate::record::Records;
use crate::signal::{UntilInterrupted, interrupted};

const CLOSE: Duration = Duration::from_secs(10);

/// Sends everything, waits for the receipts and names what has none.
pub(crate) fn run(connection: &Connection, wanted: &Produce) -> Ended {
    let limit = connection.value("max_message_frame_bytes").parse().unwrap_or(usize::MAX / 2);
    let (client, options) = connection.open(Roles::PRODUCER)?;
    let producer = client.producer(&wanted.topic, options)?;
    let (ends, collecting) = collect(wanted.print_ids);
    let mut intake = Intake { producer: &producer, records: Records(wanted), ends, limit, sources: Vec::new() };
    let taken = intake.take_all(wanted);
    let Intake { sources, ends, .. } = intake;
    drop(ends);
    let flushed = producer.flush(None);
    let mut tally = collecting.join().map_err(|_| Failure::failed("the receipts could not be printed"))?;
    tally.report(&sources);
    if !tally.is_complete() || taken.is_err() || interrupted() {
        say(&format!("{} messages stored", tally.stored));
    }
    taken?;
    if !tally.is_complete() {
        return Ok(if tally.was_refused() { exit::REFUSED } else { exit::FAILED });
    }
    flushed?;
    client.close(CLOSE)?;
    Ok(if interrupted() { exit::INTERRUPTED } else { exit::DONE })
}

struct Intake<'a> {
    producer: &'a Producer,
    records: Records<'a>,
    ends: Sender<End>,
    /// No payload above this fits into a frame.
    limit: usize,
    /// Their names, for the report.
    sources: Vec<String>,
}

impl Intake<'_> {
    fn take_all(&mut self, wanted: &Produce) -> Result<(), Failure> {
        if !wanted.messages.is_empty() {
            return self.take_texts(wanted);
        }
        if wanted.files.is_empty() {
            self.sources.push("standard input".to_owned());
            let unreadable = |error: io::Error| Failure::failed(format!("standard input: {error}"));
            let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(unreadable)?;
            return self.take_lines(File::from(stdin), &wanted.delimiter.0);
        }
        for path in &wanted.files {
            self.sources.push(path.display().to_string());
            let file = File::open(path).map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?;
            self.take_lines(file, &wanted.delimiter.0)?;
        }
        Ok(())
    }

    fn take_texts(&mut self, wanted: &Produce) -> Result<(), Failure> {
        self.sources.push("-m".to_owned());
        let mut sent = 0;
        for text in &wanted.messages {
            for number in 1..=wanted.times.unwrap_or(1) {
                if interrupted() {
                    return Ok(());
                }
                sent += 1;
                self.send(sent, self.records.of_text(text, number))?;
            }
        }
        Ok(())
    }

    fn take_lines(&mut self, file: File, delimiter: &[u8]) -> Result<(), Failure> {
        let mut lines = Lines::new(UntilInterrupted(file), delimiter, self.limit);
        let mut number = 0;
        loop {
            let source = self.sources.last().map_or("", String::as_str);
            let unreadable = |error| Failure::failed(format!("{source}, after line {number}: {error}"));
            let Some((line, ended)) = lines.next().map_err(unreadable)? else { return Ok(()) };
            // The rest of a line that was being written is not a message.
            if interrupted() && !ended {
                return Ok(());
            }
            number += 1;
            let message = match line {
                Line::Bytes(bytes) => self.records.message(bytes),
                Line::TooLong(length) => Err(format!(
                    "{length} bytes are more than the limit of {} for a message (max_message_frame_bytes)",
                    self.limit
                )),
            };
            self.send(number, message)?;
            if interrupted() {
                return Ok(());
            }
        }
    }

    /// Hands a message over. An error is one after which nothing more can be sent.
    fn send(&self, number: u64, message: Result<OutgoingMessage, String>) -> Result<(), Failure> {
        let place = Place { source: self.sources.len() - 1, number };
        let missing = |why: Missing| self.end(place, why);
        let message = match message {
            Ok(message) => message,
            Err(text) => {
                missing(Missing { text, refused: false });
                return Ok(());
            }
        };
        let ends = self.ends.clone();
        let sent = self.producer.as_async().send_inline(message, move |report| {
            // The collector is there until the last sender has gone.
            let _ = ends.send(End { place, result: report.result.map_err(Missing::from) });
        });
        let Err(error) = blocking::wait(sent, None) else { return Ok(()) };
        let is_of_message = matches!(
            error.kind(),
            ErrorKind::TooBig
                | ErrorKind::InvalidArgument
                | ErrorKind::Timeout
                | ErrorKind::QueueFull
                | ErrorKind::Crypto
        );
        missing(error.into());
        match is_of_message {
            true => Ok(()),
            false => Err(Failure::failed("nothing after that line was sent")),
        }
    }

    fn end(&self, place: Place, why: Missing) {
        // The collector is there until the last sender has gone.
        let _ = self.ends.send(End { place, result: Err(why) });
    }
}
