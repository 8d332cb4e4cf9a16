//! `produce`: lines in, receipts out.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use stargate_core::Options;
use stargate_core::options::Roles;

use crate::connection::Connection;
use crate::exit::{Ended, Failure};
use crate::lines::{self, Line, Lines};
use crate::receipts::{PrintIds, Sending};
use crate::record::{Form, Records};
use crate::signal::{UntilInterrupted, interrupted};
use crate::stdout::SideOutput;
use crate::values::{Separator, duration, property, rate, separator};

#[derive(Args)]
pub(crate) struct Produce {
    /// The topic: orders, tenant/namespace/orders or in full
    topic: String,
    /// What ends a message, with the escapes \n \r \t \0 \\ \xNN
    #[arg(short = 'D', value_name = "SEP", default_value = "\\n", value_parser = separator)]
    delimiter: Separator,
    /// Read these files instead of standard input
    #[arg(short = 'l', value_name = "FILE", num_args = 1.., conflicts_with = "messages")]
    files: Vec<PathBuf>,
    /// Each file of -l is one message
    #[arg(long, requires = "files", conflicts_with_all = ["delimiter", "key_separator", "json"])]
    file_per_message: bool,
    /// Send this text instead of standard input; may be repeated. In it, in -k and in the values of -p, {{ n }} is
    /// the number, {{ time }} the time in ms since 1970 and {{ uuid }} a random UUID
    #[arg(short = 'm', value_name = "TEXT", allow_hyphen_values = true)]
    messages: Vec<String>,
    /// Each line is JSON: {"key", "payload" or "payload_base64", "properties", "event_time"}
    #[arg(short = 'J', conflicts_with_all = ["key_separator", "key"])]
    json: bool,
    /// What is before this separator is the key of the message
    #[arg(short = 'K', value_name = "SEP", value_parser = separator, conflicts_with = "key")]
    key_separator: Option<Separator>,
    /// The key of every message
    #[arg(short = 'k', value_name = "KEY", allow_hyphen_values = true)]
    key: Option<String>,
    /// A property of every message; may be repeated
    #[arg(short = 'p', value_name = "NAME=VALUE", value_parser = property)]
    properties: Vec<(String, String)>,
    /// Send each text of -m N times
    #[arg(short = 'n', value_name = "N", requires = "messages", value_parser = clap::value_parser!(u64).range(1..))]
    times: Option<u64>,
    /// Send at most this many messages a second
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
    /// Deliver each message this long after it was sent (10s, 5m, 1h), to shared subscriptions
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    deliver_after: Option<Duration>,
    /// Let the broker store messages in batches
    #[arg(long)]
    batch: bool,
    /// Let the broker compress messages: lz4, zlib, zstd or snappy
    #[arg(long, value_name = "TYPE")]
    compression: Option<String>,
    /// Also copy the input to standard output
    #[arg(short = 'T', long, conflicts_with_all = ["print_ids", "messages"])]
    tee: bool,
    /// Print the id of each stored message
    #[arg(long)]
    print_ids: bool,
}

/// Sends everything, waits for the receipts and names what has none.
pub(crate) fn run(connection: &Connection, wanted: &Produce) -> Ended {
    let (client, mut options) = connection.open(Roles::PRODUCER)?;
    apply(connection, wanted, &mut options)?;
    let limit = connection.message_limit()?;
    let producer = client.producer(&wanted.topic, options)?;
    let mut sending = Sending::start(&producer, None, connection.quiet, PrintIds::new(wanted.print_ids)?);
    sending.limit_rate(wanted.rate);
    let tee = SideOutput::new(wanted.tee)?;
    let mut intake = Intake { wanted, records: records(wanted), sending, limit, tee };
    let taken = intake.take_all().and_then(|()| intake.tee.flush());
    intake.sending.finish(taken, &client)
}

fn apply(connection: &Connection, wanted: &Produce, options: &mut Options) -> Result<(), Failure> {
    if wanted.batch {
        connection.refuse("batch_enabled", "--batch sets it")?;
        options.set("batch_enabled", "true")?;
    }
    if let Some(kind) = &wanted.compression {
        connection.refuse("compression_type", "--compression sets it")?;
        options.set("compression_type", kind)?;
    }
    Ok(())
}

fn records(wanted: &Produce) -> Records<'_> {
    let form = match &wanted.key_separator {
        Some(separator) => Form::Keyed(separator.0.clone()),
        None if wanted.json => Form::Json,
        None => Form::Plain,
    };
    Records { form, key: wanted.key.as_deref(), properties: &wanted.properties, delay: wanted.deliver_after }
}

struct Intake<'a> {
    wanted: &'a Produce,
    records: Records<'a>,
    sending: Sending<'a>,
    /// No payload above this fits into a frame.
    limit: usize,
    tee: SideOutput,
}

impl Intake<'_> {
    fn take_all(&mut self) -> Result<(), Failure> {
        let wanted = self.wanted;
        if !wanted.messages.is_empty() {
            return self.take_texts();
        }
        if wanted.files.is_empty() {
            self.sending.begin("standard input");
            let unreadable = |error: io::Error| Failure::failed(format!("standard input: {error}"));
            let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(unreadable)?;
            return self.take_lines(File::from(stdin));
        }
        for path in &wanted.files {
            if interrupted() {
                break;
            }
            self.sending.begin(&path.display().to_string());
            if wanted.file_per_message {
                self.take_file(path)?;
            } else {
                self.take_lines(File::open(path).map_err(|error| unreadable(path, &error))?)?;
            }
        }
        Ok(())
    }

    fn take_texts(&mut self) -> Result<(), Failure> {
        self.sending.begin("-m");
        let mut sent = 0;
        for text in &self.wanted.messages {
            for number in 1..=self.wanted.times.unwrap_or(1) {
                if interrupted() {
                    return Ok(());
                }
                sent += 1;
                self.sending.send(sent, self.records.of_text(text, number))?;
            }
        }
        Ok(())
    }

    fn take_file(&mut self, path: &Path) -> Result<(), Failure> {
        let bytes = fs::read(path).map_err(|error| unreadable(path, &error))?;
        self.tee.write(&bytes)?;
        let message = match bytes.len() > self.limit {
            true => Err(too_long(bytes.len() as u64, self.limit)),
            false => self.records.message(bytes, 1),
        };
        self.sending.send(1, message)
    }

    fn take_lines(&mut self, file: File) -> Result<(), Failure> {
        let delimiter = &self.wanted.delimiter.0;
        let limit = if self.wanted.json { lines::of_json(self.limit) } else { self.limit };
        let mut lines = Lines::new(UntilInterrupted(file), delimiter, limit);
        let mut number = 0;
        loop {
            // The copy has a line before the command waits for the next one.
            if self.tee.is_wanted() && !lines.has_next() {
                self.tee.flush()?;
            }
            let next = lines.next();
            let unreadable =
                |error| Failure::failed(format!("{}, after line {number}: {error}", self.sending.source()));
            let Some((line, ended)) = next.map_err(unreadable)? else { return Ok(()) };
            // The rest of a line that was being written is not a message.
            if interrupted() && !ended {
                return Ok(());
            }
            number += 1;
            let message = match line {
                Line::Bytes(bytes) => {
                    self.tee.write(&bytes)?;
                    self.tee.write(if ended { delimiter } else { b"" })?;
                    self.records.message(bytes, number)
                }
                Line::TooLong(length) => Err(too_long(length, self.limit)),
            };
            self.sending.send(number, message)?;
            if interrupted() {
                return Ok(());
            }
        }
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("{}: {error}", path.display()))
}

/// Describes a message that fits into no frame.
pub(crate) fn too_long(length: u64, limit: usize) -> String {
    format!("{length} bytes are more than the limit of {limit} for a message (max_message_frame_bytes)")
}
