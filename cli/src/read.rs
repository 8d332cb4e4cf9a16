//! `read` and `tail`: messages of a topic without a subscription.

use std::collections::VecDeque;
use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use stargate_core::admin::Position;
use stargate_core::blocking::{Client, Reader};
use stargate_core::options::Roles;
use stargate_core::{InitialPosition, Message, MessageId, Result};

use crate::connection::{CLOSE, Connection};
use crate::exit::{self, Ended, Failure};
use crate::filter::{self, Filter};
use crate::format::{Form, Output, Printer};
use crate::place::{self, Place};
use crate::progress::Progress;
use crate::receiving::{BATCH, TICK, before_end, next_before_end, within};
use crate::signal::interrupted;
use crate::stdout::{Stop, ended};
use crate::values::duration;

/// When to stop.
#[derive(Args, Default)]
pub(crate) struct Until {
    /// End after this many messages
    #[arg(short = 'n', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// End when no message came for this long (2.5s, 10m); when none came at all the exit code is 3
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
}

#[derive(Args)]
pub(crate) struct Read {
    /// The topic: orders, tenant/namespace/orders or in full
    topic: String,
    /// Where to begin: earliest, latest, a message id, a time (2026-11-28T12:30:00Z or ms since 1970), an age (-1h) or
    /// a number of messages before the end (-100)
    #[arg(long, value_name = "PLACE", default_value = "earliest", allow_hyphen_values = true)]
    from: String,
    /// Where to end, that message or time included: a message id, a time or an age
    #[arg(long, value_name = "PLACE", allow_hyphen_values = true)]
    to: Option<String>,
    /// End with the last message that is stored when the command starts
    #[arg(short = 'e')]
    end: bool,
    #[command(flatten)]
    until: Until,
    #[command(flatten)]
    output: Output,
}

#[derive(Args)]
pub(crate) struct Tail {
    /// The topic: orders, tenant/namespace/orders or in full
    topic: String,
    /// How many messages
    #[arg(short = 'n', value_name = "N", default_value_t = 10)]
    count: u32,
    /// Go on with new messages
    #[arg(short = 'f', long)]
    follow: bool,
    /// Print by this pattern; see `stargate help read`
    #[arg(long, value_name = "FORMAT", conflicts_with = "output", allow_hyphen_values = true)]
    format: Option<String>,
    /// How messages are printed
    #[arg(short = 'o', value_enum, default_value_t = Form::Text)]
    output: Form,
    /// Of these messages, only those in whose key (key=REGEX) or property (prop.NAME=REGEX) the pattern is found
    #[arg(long = "filter", value_name = "FIELD=REGEX", value_parser = filter::parse)]
    filters: Vec<Filter>,
}

/// A reader, and what is wanted of it besides where to begin.
pub(crate) struct Reading<'a> {
    pub(crate) client: &'a Client,
    pub(crate) reader: Reader,
    to: Option<Place>,
    end: bool,
    until: &'a Until,
    pub(crate) printer: Printer,
    progress: Progress,
}

/// Where to begin and to end.
pub(crate) struct Range {
    pub(crate) from: Place,
    to: Option<Place>,
    end: bool,
}

impl Range {
    /// Reads the arguments `--from` and `--to`; with `end` nothing new is waited for.
    pub(crate) fn new(from: &str, to: Option<&str>, end: bool) -> std::result::Result<Range, Failure> {
        let to = to.map(end_place).transpose()?;
        Ok(Range { from: place::parse("--from", from)?, end: end || to.is_some(), to })
    }
}

/// `read`
pub(crate) fn run(connection: &Connection, wanted: &Read) -> Ended {
    let range = Range::new(&wanted.from, wanted.to.as_deref(), wanted.end)?;
    ended(
        Printer::new(&wanted.output)
            .and_then(|printer| read(connection, &wanted.topic, range, &wanted.until, printer))
            .map(|(code, _)| code),
    )
}

/// `tail`
pub(crate) fn tail(connection: &Connection, wanted: &Tail) -> Ended {
    let range = Range { from: Place::Last(wanted.count), to: None, end: !wanted.follow };
    let until = Until::default();
    let output = Output { format: wanted.format.clone(), output: wanted.output, filters: wanted.filters.clone() };
    ended(
        Printer::new(&output)
            .and_then(|printer| read(connection, &wanted.topic, range, &until, printer))
            .map(|(code, _)| code),
    )
}

/// Refuses a time in the future: no stored message could end the reading there.
fn end_place(text: &str) -> std::result::Result<Place, Failure> {
    match place::parse("--to", text)? {
        Place::Time(time) if time > SystemTime::now() => Err(Failure::usage(format!("--to {text} is in the future"))),
        place @ (Place::Id(_) | Place::Time(_)) => Ok(place),
        _ => Err(Failure::usage(format!("--to {text}: expected a message id, a time or an age"))),
    }
}

/// Prints the messages of a topic, and returns the exit code and how many were printed.
pub(crate) fn read(
    connection: &Connection,
    topic: &str,
    range: Range,
    until: &Until,
    printer: Printer,
) -> std::result::Result<(u8, u64), Stop> {
    connection.refuse("starting_message", "give --from instead")?;
    let (client, mut options) = connection.open(Roles::READER)?;
    options.set("starting_message", if range.from == Place::Latest { "latest" } else { "earliest" })?;
    let reader = client.reader(topic, options)?;
    let progress = Progress::start(None, connection.quiet);
    let Range { from, to, end } = range;
    let mut reading = Reading { client: &client, reader, to, end, until, printer, progress };
    let code = reading.read_from(&from)?;
    reading.printer.out.flush()?;
    let count = reading.printer.count;
    drop(reading);
    client.close(CLOSE)?;
    Ok((code, count))
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
        while let Some(message) = next_before_end(&self.reader)? {
            if !self.printer.wants(&message) {
                continue;
            }
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

    /// Returns where to begin in each partition for its last messages. An entry holds one message or more.
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
            self.progress.add(batch.len() as u64);
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

    /// Returns the messages that have arrived, or arrive within a moment; none at the end.
    fn take(&mut self) -> std::result::Result<Option<Vec<Message>>, Stop> {
        let left = self.until.count.map(|count| count.saturating_sub(self.printer.count));
        let room = left.map_or(BATCH, |left| BATCH.min(usize::try_from(left).unwrap_or(BATCH)).max(1));
        let receive = |limit| match self.end {
            // Not past the end, even if newer messages are there.
            true => before_end(&self.reader, room, limit),
            false => within(self.reader.as_async().receive_many(room), limit),
        };
        let there = receive(Duration::ZERO)?;
        if there.as_ref().is_none_or(|batch| !batch.is_empty()) {
            return Ok(there);
        }
        self.printer.out.flush()?;
        Ok(receive(TICK)?)
    }
}
