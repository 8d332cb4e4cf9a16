//! `read` and `tail`: messages of a topic without a subscription.

use std::collections::VecDeque;
use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

use stargate_core::admin::Position;
use stargate_core::blocking::{Client, Reader, wait};
use stargate_core::options::Roles;
use stargate_core::{ErrorKind, InitialPosition, Message, MessageId, Result};

use crate::args::{Connection, Form, Read, Tail, Until};
use crate::exit::{self, Ended, Failure};
use crate::format::Format;
use crate::place::{self, Place};
use crate::signal::interrupted;
use crate::stdout::{Stdout, Stop, ended};

/// How many messages are taken at a time.
pub(crate) const BATCH: usize = 500;
/// How often Ctrl-C is looked at.
pub(crate) const TICK: Duration = Duration::from_millis(100);
const CLOSE: Duration = Duration::from_secs(10);

/// What is wanted besides where to begin.
struct Reading<'a> {
    client: &'a Client,
    reader: Reader,
    to: Option<Place>,
    end: bool,
    until: &'a Until,
    printer: Printer,
}

/// Prints messages and counts them.
pub(crate) struct Printer {
    pub(crate) out: Stdout,
    format: Format,
    pub(crate) count: u64,
}

impl Printer {
    pub(crate) fn new(pattern: Option<&str>, form: Form) -> std::result::Result<Printer, Stop> {
        Ok(Printer { format: Format::new(pattern, form)?, out: Stdout::new()?, count: 0 })
    }

    pub(crate) fn print(&mut self, message: &Message) -> std::io::Result<()> {
        self.count += 1;
        self.format.write(&mut self.out, message, self.count)
    }
}

/// `read`
pub(crate) fn run(connection: &Connection, wanted: &Read) -> Ended {
    let from = place::parse("--from", &wanted.from)?;
    let to = wanted.to.as_deref().map(end_place).transpose()?;
    let end = wanted.end || to.is_some();
    ended(read(connection, &wanted.topic, &from, |client, reader| {
        let printer = Printer::new(wanted.output.format.as_deref(), wanted.output.output)?;
        Ok(Reading { client, reader, to, end, until: &wanted.until, printer })
    }))
}

/// `tail`
pub(crate) fn tail(connection: &Connection, wanted: &Tail) -> Ended {
    let until = Until { count: None, timeout: None };
    ended(read(connection, &wanted.topic, &Place::Last(wanted.count), |client, reader| {
        let printer = Printer::new(None, wanted.output)?;
        Ok(Reading { client, reader, to: None, end: !wanted.follow, until: &until, printer })
    }))
}

/// What is in the future is not stored yet, so that nothing could be waited for.
fn end_place(text: &str) -> std::result::Result<Place, Failure> {
    match place::parse("--to", text)? {
        Place::Time(time) if time > SystemTime::now() => Err(Failure::usage(format!("--to {text} is in the future"))),
        place @ (Place::Id(_) | Place::Time(_)) => Ok(place),
        _ => Err(Failure::usage(format!("--to {text}: expected a message id, a time or an age"))),
    }
}

fn read<'a>(
    connection: &Connection,
    topic: &str,
    from: &Place,
    reading: impl FnOnce(&'a Client, Reader) -> std::result::Result<Reading<'a>, Stop>,
) -> std::result::Result<u8, Stop> {
    connection.refuse("starting_message", "--from")?;
    let (client, mut options) = connection.open(Roles::READER)?;
    // It lives as long as the process, which ends with the command.
    let client: &'a Client = Box::leak(Box::new(client));
    options.set("starting_message", if *from == Place::Latest { "latest" } else { "earliest" })?;
    let reader = client.reader(topic, options)?;
    let mut reading = reading(client, reader)?;
    let code = reading.read_from(from)?;
    reading.printer.out.flush()?;
    client.close(CLOSE)?;
    Ok(code)
}

impl Reading<'_> {
    fn read_from(&mut self, from: &Place) -> std::result::Result<u8, Stop> {
        if matches!(self.to, Some(Place::Id(_))) && self.partitions()? > 0 {
            let why = "--to with an id is for a topic without partitions: read one partition, such as";
            return Err(Failure::usage(format!("{why} {}-partition-0", self.reader.topic())).into());
        }
        match from {
            Place::Earliest | Place::Latest => {}
            Place::Id(id) => self.reader.seek(&Position::At(id.clone()))?,
            Place::Time(time) => self.reader.seek(&Position::Time(*time))?,
            Place::Last(count) => return self.read_last(*count as usize),
        }
        if self.end {
            self.reader.mark_end()?;
        }
        self.go_on()
    }

    fn partitions(&self) -> Result<u32> {
        self.client.admin().partitions(self.reader.topic().to_string())
    }

    /// Prints the last messages, and goes on where that is wanted.
    fn read_last(&mut self, count: usize) -> std::result::Result<u8, Stop> {
        self.reader.mark_end()?;
        let partitions = self.partitions()?;
        for id in self.starts(partitions, count)? {
            self.reader.seek(&Position::At(id))?;
        }
        let mut last = VecDeque::new();
        while let Some(message) = self.next_before_end()? {
            last.push_back(message);
            if partitions == 0 && last.len() > count {
                last.pop_front();
            }
        }
        last.make_contiguous().sort_by_key(|message| (partitions > 0).then(|| message.publish_time_ms()));
        for message in last.iter().skip(last.len().saturating_sub(count)) {
            if self.is_done() || interrupted() {
                break;
            }
            if !self.is_beyond(message) {
                self.printer.print(message)?;
            }
        }
        match self.end {
            true => Ok(if interrupted() { exit::INTERRUPTED } else { exit::DONE }),
            false => self.go_on(),
        }
    }

    /// Where to begin in each partition for its last messages. An entry holds one message or more.
    fn starts(&self, partitions: u32, count: usize) -> Result<Vec<MessageId>> {
        let topic = self.reader.topic().to_string();
        let parts = match partitions {
            0 => vec![topic],
            _ => (0..partitions).map(|part| format!("{topic}-partition-{part}")).collect(),
        };
        let mut starts = Vec::new();
        for part in parts {
            let entry = self.client.admin().examine_message(part, InitialPosition::Latest, count.max(1) as u64)?;
            starts.extend(entry.unwrap_or_default().first().map(|stored| stored.message().id().clone()));
        }
        Ok(starts)
    }

    fn next_before_end(&self) -> Result<Option<Message>> {
        while !interrupted() {
            match self.reader.receive_before_end(Some(TICK)) {
                Err(error) if error.kind() == ErrorKind::Timeout => {}
                outcome => return outcome,
            }
        }
        Ok(None)
    }

    /// Prints what comes, until it is enough.
    fn go_on(&mut self) -> std::result::Result<u8, Stop> {
        let mut last = Instant::now();
        while !interrupted() {
            if self.is_done() {
                return Ok(exit::DONE);
            }
            let Some(batch) = self.take()? else { return Ok(exit::DONE) };
            if !batch.is_empty() {
                last = Instant::now();
            } else if self.until.timeout.is_some_and(|timeout| last.elapsed() >= timeout) {
                return Ok(if self.printer.count == 0 { exit::NOTHING } else { exit::DONE });
            }
            for message in &batch {
                if !self.is_beyond(message) {
                    self.printer.print(message)?;
                } else if matches!(self.to, Some(Place::Id(_))) {
                    return Ok(exit::DONE);
                }
            }
        }
        Ok(exit::INTERRUPTED)
    }

    fn is_done(&self) -> bool {
        self.until.count.is_some_and(|count| self.printer.count >= count)
    }

    fn is_beyond(&self, message: &Message) -> bool {
        match &self.to {
            Some(Place::Id(id)) => message.id() > id,
            Some(Place::Time(time)) => message.publish_time().is_some_and(|published| published > *time),
            _ => false,
        }
    }

    /// What is there, or comes within a moment; nothing at the end.
    fn take(&mut self) -> std::result::Result<Option<Vec<Message>>, Stop> {
        let room = self.until.count.map_or(BATCH, |count| BATCH.min((count - self.printer.count) as usize));
        let reader = self.reader.as_async();
        if self.end && self.reader.is_caught_up() {
            return Ok(None);
        }
        let there = reader.try_receive_many(room);
        if there.as_ref().is_ok_and(|batch| !batch.is_empty()) {
            return Ok(there.map(Some)?);
        }
        self.printer.out.flush()?;
        let outcome = match self.end {
            true => match self.reader.receive_before_end(Some(TICK)) {
                Ok(None) => return Ok(None),
                Ok(message) => Ok(Vec::from_iter(message)),
                Err(error) => Err(error),
            },
            false => wait(reader.receive_many(room), Some(TICK)),
        };
        match outcome {
            Err(error) if error.kind() == ErrorKind::Timeout => Ok(Some(Vec::new())),
            Err(error) if error.kind() == ErrorKind::EndOfTopic => Ok(None),
            outcome => Ok(outcome.map(Some)?),
        }
    }
}
