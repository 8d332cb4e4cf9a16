//! `consume`: the messages of a subscription, printed or given to a program, and acknowledged.

use std::collections::HashSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use stargate_core::admin::Position;
use stargate_core::blocking::Consumer;
use stargate_core::options::Roles;
use stargate_core::{Message, Options};

use crate::connection::{CLOSE, Connection};
use crate::exit::{self, Ended, Failure, say};
use crate::format::{Output, Printer};
use crate::place::{self, Place};
use crate::read::Until;
use crate::receiving::{BATCH, within_tick};
use crate::signal::interrupted;
use crate::stdout::{Stop, ended};

/// When a message is acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ack {
    /// After it was written to standard output
    Printed,
    /// Never
    None,
}

#[derive(Args)]
pub(crate) struct Consume {
    /// The topic: orders, tenant/namespace/orders or in full
    topic: String,
    /// The subscription
    #[arg(short = 's', value_name = "SUB")]
    subscription: String,
    /// The type of the subscription: exclusive (the default), shared, failover or key_shared
    #[arg(short = 't', value_name = "TYPE")]
    kind: Option<String>,
    /// End when the subscription has no more messages
    #[arg(short = 'e')]
    end: bool,
    /// When a message is acknowledged
    #[arg(long, value_enum, default_value_t = Ack::Printed)]
    ack: Ack,
    /// Run this shell command for each message instead of printing it: the payload is its standard input;
    /// STARGATE_TOPIC, STARGATE_MESSAGE_ID, STARGATE_KEY and STARGATE_PROPERTY_NAME are set. Exit code 0 acknowledges,
    /// any other asks for the message again
    #[arg(long, value_name = "CMD", conflicts_with_all = ["ack", "output", "format"])]
    exec: Option<String>,
    /// Where a new subscription begins, earliest or latest; an id, a time or an age (-1h) moves the subscription there
    #[arg(long, value_name = "PLACE", allow_hyphen_values = true)]
    from: Option<String>,
    /// Delete the subscription at the end
    #[arg(long)]
    unsubscribe: bool,
    #[command(flatten)]
    until: Until,
    #[command(flatten)]
    output: Output,
}

/// How often the broker is asked whether the subscription has more.
const ASK: Duration = Duration::from_millis(500);

/// `consume`
pub(crate) fn run(connection: &Connection, wanted: &Consume) -> Ended {
    ended(consume(connection, wanted))
}

fn consume(connection: &Connection, wanted: &Consume) -> Result<u8, Stop> {
    let (client, mut options) = connection.open(Roles::CONSUMER)?;
    let from = wanted.from.as_deref().map(|from| place::parse("--from", from)).transpose()?;
    if from.is_some() {
        connection.refuse("initial_position", "give --from alone")?;
    }
    let move_to = start(from, &mut options)?;
    if let Some(kind) = &wanted.kind {
        connection.refuse("subscription_type", "give -t alone")?;
        options.set("subscription_type", kind)?;
    }
    let printer = Printer::new(&wanted.output)?;
    let consumer = client.consumer(&wanted.topic, &wanted.subscription, options)?;
    if let Some(position) = move_to {
        consumer.seek(&position)?;
    }
    let mut consuming = Consuming { consumer, wanted, printer, taken: 0, kept: HashSet::new() };
    let mut outcome = consuming.run();
    if wanted.unsubscribe && outcome.as_ref().err().is_none_or(Stop::is_closed_pipe) {
        outcome = consuming.consumer.unsubscribe(CLOSE).map_err(Stop::from).and(outcome);
    }
    // Acknowledgements of what was printed are sent in any case.
    let closed = client.close(CLOSE);
    if interrupted() {
        say(&format!("{} messages received", consuming.taken));
    }
    let code = outcome?;
    closed?;
    Ok(code)
}

/// Sets where a new subscription begins, or moves this one.
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
    /// The entries that were not acknowledged on purpose. The broker counts a batch as one entry.
    kept: HashSet<(u64, u64, Option<u32>)>,
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

    /// Returns the messages that have arrived, or arrive within a moment; none when the topic has ended.
    fn take(&self) -> Result<Option<Vec<Message>>, Stop> {
        let batch = if self.wanted.exec.is_some() { 1 } else { BATCH };
        let room = self.wanted.until.count.map_or(batch, |count| batch.min((count - self.taken) as usize));
        Ok(within_tick(self.consumer.as_async().receive_many(room))?)
    }

    fn handle(&mut self, batch: &[Message]) -> Result<(), Stop> {
        let (wanted, others): (Vec<_>, Vec<_>) = batch.iter().partition(|message| self.printer.wants(message));
        // They are for others, or for later; unanswered they would block the subscription.
        for message in others {
            self.keep(message);
            self.consumer.nack(message)?;
        }
        self.taken += wanted.len() as u64;
        if let Some(command) = &self.wanted.exec {
            return wanted.into_iter().try_for_each(|message| self.exec(command, message));
        }
        for message in &wanted {
            self.printer.print(message)?;
        }
        self.printer.out.flush()?;
        for message in wanted {
            match self.wanted.ack {
                Ack::Printed => self.consumer.ack(message)?,
                Ack::None => self.keep(message),
            }
        }
        Ok(())
    }

    fn keep(&mut self, message: &Message) {
        let id = message.id();
        self.kept.insert((id.ledger(), id.entry(), id.partition()));
    }

    /// What is not acknowledged on purpose stays in the backlog.
    fn is_caught_up(&self) -> Result<bool, Stop> {
        Ok(self.consumer.backlog()? <= self.kept.len() as u64)
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

/// Returns the variables of a message, without those that contain NUL.
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
