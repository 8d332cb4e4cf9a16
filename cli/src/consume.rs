//! `consume`: the messages of a subscription, printed or given to a program, and acknowledged.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use stargate_core::admin::Position;
use stargate_core::blocking::{Consumer, wait};
use stargate_core::options::Roles;
use stargate_core::{ErrorKind, Message, MessageId, Options};

use crate::args::{Ack, Connection, Consume};
use crate::exit::{self, Ended, Failure, say};
use crate::place::{self, Place};
use crate::read::{BATCH, Printer, TICK};
use crate::signal::interrupted;
use crate::stdout::{Stop, ended};

const CLOSE: Duration = Duration::from_secs(10);
/// How often the broker is asked whether the subscription has more.
const ASK: Duration = Duration::from_millis(500);

/// `consume`
pub(crate) fn run(connection: &Connection, wanted: &Consume) -> Ended {
    ended(consume(connection, wanted))
}

fn consume(connection: &Connection, wanted: &Consume) -> Result<u8, Stop> {
    let (client, mut options) = connection.open(Roles::CONSUMER)?;
    let from = wanted.from.as_deref().map(|from| place::parse("--from", from)).transpose()?;
    let move_to = start(from, &mut options)?;
    if let Some(kind) = &wanted.kind {
        options.set("subscription_type", kind)?;
    }
    let printer = Printer::new(wanted.output.format.as_deref(), wanted.output.output)?;
    let consumer = client.consumer(&wanted.topic, &wanted.subscription, options)?;
    if let Some(position) = move_to {
        consumer.seek(&position)?;
    }
    let mut consuming = Consuming { consumer, wanted, printer, taken: 0, entries: 0, last: None };
    let outcome = consuming.run();
    // Acknowledgements of what was printed are sent in any case.
    let closed = client.close(CLOSE);
    if interrupted() {
        say(&format!("{} messages received", consuming.taken));
    }
    let code = outcome?;
    closed?;
    Ok(code)
}

/// Where a new subscription begins, or where this one is moved to.
fn start(from: Option<Place>, options: &mut Options) -> Result<Option<Position>, Failure> {
    match from {
        None => {}
        Some(Place::Earliest) => options.set("initial_position", "earliest")?,
        Some(Place::Latest) => options.set("initial_position", "latest")?,
        Some(Place::Id(id)) => return Ok(Some(Position::At(id))),
        Some(Place::Time(time)) => return Ok(Some(Position::Time(time))),
        Some(Place::Last(_)) => {
            return Err(Failure::usage(
                "--from: a number of messages is for read and tail; consume takes an age (-1h)",
            ));
        }
    }
    Ok(None)
}

struct Consuming<'a> {
    consumer: Consumer,
    wanted: &'a Consume,
    printer: Printer,
    taken: u64,
    /// Entries taken: the broker counts a batch as one.
    entries: u64,
    last: Option<MessageId>,
}

impl Consuming<'_> {
    fn run(&mut self) -> Result<u8, Stop> {
        let (mut arrived, mut asked) = (Instant::now(), Instant::now());
        while !interrupted() {
            if self.wanted.until.count.is_some_and(|count| self.taken >= count) {
                return Ok(exit::DONE);
            }
            let Some(batch) = self.take()? else { return Ok(exit::DONE) };
            if !batch.is_empty() {
                self.handle(&batch)?;
                arrived = Instant::now();
            } else if self.wanted.until.timeout.is_some_and(|timeout| arrived.elapsed() >= timeout) {
                return Ok(if self.taken == 0 { exit::NOTHING } else { exit::DONE });
            } else if self.wanted.end && asked.elapsed() >= ASK {
                asked = Instant::now();
                if self.is_caught_up()? {
                    return Ok(exit::DONE);
                }
            }
        }
        Ok(exit::INTERRUPTED)
    }

    /// What is there, or comes within a moment; nothing when the topic has ended.
    fn take(&self) -> Result<Option<Vec<Message>>, Stop> {
        let batch = if self.wanted.exec.is_some() { 1 } else { BATCH };
        let room = self.wanted.until.count.map_or(batch, |count| batch.min((count - self.taken) as usize));
        match wait(self.consumer.as_async().receive_many(room), Some(TICK)) {
            Err(error) if error.kind() == ErrorKind::Timeout => Ok(Some(Vec::new())),
            Err(error) if error.kind() == ErrorKind::EndOfTopic => Ok(None),
            outcome => Ok(outcome.map(Some)?),
        }
    }

    fn handle(&mut self, batch: &[Message]) -> Result<(), Stop> {
        self.count(batch);
        if let Some(command) = &self.wanted.exec {
            return batch.iter().try_for_each(|message| self.exec(command, message));
        }
        for message in batch {
            self.printer.print(message)?;
        }
        self.printer.out.flush()?;
        if self.wanted.ack == Ack::Printed {
            batch.iter().try_for_each(|message| self.consumer.ack(message))?;
        }
        Ok(())
    }

    fn count(&mut self, batch: &[Message]) {
        self.taken += batch.len() as u64;
        for message in batch {
            let place = |id: &MessageId| (id.ledger(), id.entry(), id.partition());
            if self.last.as_ref().map(place) != Some(place(message.id())) {
                self.entries += 1;
            }
            self.last = Some(message.id().clone());
        }
    }

    /// What is not acknowledged on purpose stays in the backlog.
    fn is_caught_up(&self) -> Result<bool, Stop> {
        let kept = if self.wanted.exec.is_none() && self.wanted.ack == Ack::None { self.entries } else { 0 };
        Ok(self.consumer.backlog()? <= kept)
    }

    /// Runs the program on a message.
    fn exec(&self, command: &str, message: &Message) -> Result<(), Stop> {
        let mut child = Command::new("sh")
            .args(["-c", command])
            .envs(variables(message))
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|error| Failure::failed(format!("--exec: sh cannot be started: {error}")))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program may end without having read all; its exit code says how it went.
            let _ = stdin.write_all(message.payload());
        }
        let status = child.wait().map_err(|error| Failure::failed(format!("--exec: {error}")))?;
        if status.success() {
            return Ok(self.consumer.ack(message)?);
        }
        say(&format!("--exec: {status}; message {} will be delivered again", message.id().as_str()));
        Ok(self.consumer.nack(message)?)
    }
}

/// The variables of a message. One cannot hold NUL, and such a one is left out.
fn variables(message: &Message) -> Vec<(String, String)> {
    let property = |name: &String| {
        let name = name.to_uppercase().replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
        format!("STARGATE_PROPERTY_{name}")
    };
    let mut variables = vec![
        ("STARGATE_TOPIC".to_owned(), message.topic().to_string()),
        ("STARGATE_MESSAGE_ID".to_owned(), message.id().as_str().to_owned()),
        ("STARGATE_KEY".to_owned(), message.key().unwrap_or_default().to_owned()),
    ];
    variables.extend(message.properties().iter().map(|(name, value)| (property(name), value.clone())));
    variables.retain(|(_, value)| !value.contains('\0'));
    variables
}
