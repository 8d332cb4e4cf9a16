//! The arguments, and the options of the library that follow from them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use stargate_core::Options;
use stargate_core::blocking::Client;
use stargate_core::options::{Kind, Roles, find};

use crate::escapes;
use crate::exit::Failure;

/// Pulsar topics in a shell, over Pulsar's WebSocket API.
///
/// Payloads are on standard output, all else is on standard error.
/// Exit codes: 0 done, 1 error, 2 usage, 3 nothing came in time, 4 refused by the server, 130 Ctrl-C.
#[derive(Parser)]
#[command(name = "stargate", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the broker is, and how to talk to it.
#[derive(Args)]
pub(crate) struct Connection {
    /// The broker; several hosts are separated by commas
    #[arg(long, env = "STARGATE_URL", default_value = "ws://localhost:8080", global = true)]
    url: String,
    /// Sets an option of the library, such as -X tls_ca_file=ca.pem; a secret is read from a file: -X auth_token=@FILE.
    /// A token may also be in the variable STARGATE_TOKEN
    #[arg(short = 'X', value_name = "OPTION=VALUE", global = true)]
    options: Vec<String>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Send lines of standard input, of files or of -m, and wait for the receipt of each
    Produce(Produce),
    /// Print messages of a topic without a subscription
    Read(Read),
    /// Print the last messages of a topic
    Tail(Tail),
    /// Print the messages of a subscription, or give them to a program, and acknowledge them
    Consume(Consume),
}

#[derive(Args)]
pub(crate) struct Produce {
    pub(crate) topic: String,
    /// What ends a message, with the escapes \n \r \t \0 \\ \xNN
    #[arg(short = 'D', value_name = "SEP", default_value = "\\n", value_parser = separator)]
    pub(crate) delimiter: Separator,
    /// Read these files instead of standard input
    #[arg(short = 'l', value_name = "FILE", num_args = 1.., conflicts_with = "messages")]
    pub(crate) files: Vec<PathBuf>,
    /// Send this text instead of standard input; may be repeated
    #[arg(short = 'm', value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) messages: Vec<String>,
    /// Each line is JSON: {"key", "payload" or "payload_base64", "properties", "event_time"}
    #[arg(short = 'J', conflicts_with_all = ["key_separator", "key"])]
    pub(crate) json: bool,
    /// What is before this separator is the key of the message
    #[arg(short = 'K', value_name = "SEP", value_parser = separator, conflicts_with = "key")]
    pub(crate) key_separator: Option<Separator>,
    /// The key of every message
    #[arg(short = 'k', value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// A property of every message; may be repeated
    #[arg(short = 'p', value_name = "NAME=VALUE", value_parser = property)]
    pub(crate) properties: Vec<(String, String)>,
    /// Send each text of -m this often; {{n}} in it and in -k is the number, from 1
    #[arg(short = 'n', value_name = "N", requires = "messages", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) times: Option<u64>,
    /// Print the id of each stored message
    #[arg(long)]
    pub(crate) print_ids: bool,
}

/// How a message is printed.
#[derive(Args)]
pub(crate) struct Output {
    /// Print by this pattern: %s payload, %S its length, %k key, %h properties, %t topic, %p partition, %i id, %T publish time
    /// and %E event time in ms, %r redeliveries, %n number from 1, %% percent; with the escapes \n \r \t \0 \\ \xNN
    #[arg(short = 'f', value_name = "FORMAT", conflicts_with = "output")]
    pub(crate) format: Option<String>,
    /// How messages are printed
    #[arg(short = 'o', value_enum, default_value_t = Form::Text)]
    pub(crate) output: Form,
}

/// A way to print a message.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// The payload and a newline
    Text,
    /// A line of JSON, as `produce -J` reads it
    Jsonl,
    /// The payload and nothing else
    Raw,
    /// The payload in hexadecimal digits and a newline
    Hex,
}

/// When to stop.
#[derive(Args)]
pub(crate) struct Until {
    /// End after this many messages
    #[arg(short = 'n', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// End when no message came for this many seconds; when none came at all the exit code is 3
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
}

#[derive(Args)]
pub(crate) struct Read {
    pub(crate) topic: String,
    /// Where to begin: earliest, latest, a message id, a time (2026-11-28T12:30:00Z or ms since 1970), an age (-1h) or a
    /// number of messages before the end (-100)
    #[arg(long, default_value = "earliest", allow_hyphen_values = true)]
    pub(crate) from: String,
    /// Where to end, that message or time included: a message id, a time or an age
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) to: Option<String>,
    /// End with the last message that is stored when the command starts
    #[arg(short = 'e')]
    pub(crate) end: bool,
    #[command(flatten)]
    pub(crate) until: Until,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Args)]
pub(crate) struct Tail {
    pub(crate) topic: String,
    /// How many messages
    #[arg(short = 'n', value_name = "N", default_value_t = 10)]
    pub(crate) count: u32,
    /// Go on with new messages
    #[arg(short = 'f', long)]
    pub(crate) follow: bool,
    /// How messages are printed
    #[arg(short = 'o', value_enum, default_value_t = Form::Text)]
    pub(crate) output: Form,
}

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
    pub(crate) topic: String,
    /// The subscription
    #[arg(short = 's', value_name = "SUB")]
    pub(crate) subscription: String,
    /// The type of the subscription: exclusive, shared, failover or key_shared
    #[arg(short = 't', value_name = "TYPE")]
    pub(crate) kind: Option<String>,
    /// End when the subscription has no more messages
    #[arg(short = 'e')]
    pub(crate) end: bool,
    /// When a message is acknowledged
    #[arg(long, value_enum, default_value_t = Ack::Printed)]
    pub(crate) ack: Ack,
    /// Run this shell command for each message instead of printing it: the payload is its standard input; STARGATE_TOPIC,
    /// STARGATE_MESSAGE_ID, STARGATE_KEY and STARGATE_PROPERTY_NAME are set. Exit code 0 acknowledges, any other asks for the
    /// message again
    #[arg(long, value_name = "CMD", conflicts_with_all = ["ack", "output", "format"])]
    pub(crate) exec: Option<String>,
    /// Where a new subscription begins, earliest or latest; an id, a time or an age (-1h) moves the subscription there
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) from: Option<String>,
    #[command(flatten)]
    pub(crate) until: Until,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// The bytes of a separator.
#[derive(Clone)]
pub(crate) struct Separator(pub(crate) Vec<u8>);

fn separator(text: &str) -> Result<Separator, String> {
    match escapes::bytes(text)? {
        empty if empty.is_empty() => Err("a separator has at least one byte".to_owned()),
        bytes => Ok(Separator(bytes)),
    }
}

fn property(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let expected = "expected a number of seconds, such as 2.5";
    let number: f64 = text.parse().map_err(|_| expected)?;
    Duration::try_from_secs_f64(number).map_err(|_| expected.to_owned())
}

impl Connection {
    /// A client with the options of connections, and the options for a handle of this role.
    pub(crate) fn open(&self, role: Roles) -> Result<(Client, Options), Failure> {
        let (mut of_client, mut of_handle) = (Options::new(), Options::new());
        for option in &self.options {
            let (key, value) =
                option.split_once('=').ok_or_else(|| Failure::usage(format!("-X {option}: expected OPTION=VALUE")))?;
            let spec = find(key)?;
            let value = value_of(key, value, &spec.kind)?;
            if spec.roles.intersects(Roles::CONNECTION) {
                of_client.set(key, &value)?;
            } else if spec.roles.intersects(role) {
                of_handle.set(key, &value)?;
            } else {
                let applies = spec.roles.names().join(" and ");
                return Err(Failure::usage(format!("-X {key}: this option is for a {applies}, not for this command")));
            }
        }
        if let Ok(token) = std::env::var("STARGATE_TOKEN") {
            // Another way to authenticate among the arguments replaces it.
            of_client = of_client.or(&Options::new().auth_token(token.trim()));
        }
        Ok((Client::new(&self.url, of_client)?, of_handle))
    }

    /// The value of an option as given, or its default.
    pub(crate) fn value(&self, key: &str) -> String {
        let given = self.options.iter().rev().find_map(|option| option.strip_prefix(key)?.strip_prefix('='));
        given.or(find(key).ok().map(|spec| spec.default)).unwrap_or_default().to_owned()
    }
}

/// Reads the value of a secret from its file; arguments are seen by every user of the machine.
fn value_of(key: &str, value: &str, kind: &Kind) -> Result<String, Failure> {
    let is_secret = match kind {
        Kind::Secret | Kind::SecretText | Kind::Pem | Kind::Headers => true,
        Kind::Proxy => value.contains('@'),
        _ => false,
    };
    if !is_secret {
        return Ok(value.to_owned());
    }
    let Some(file) = value.strip_prefix('@') else {
        let why = "arguments are seen by other users and kept in the history: put the value into a file";
        return Err(Failure::usage(format!("-X {key}: {why} and give -X {key}=@FILE")));
    };
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::failed(format!("-X {key}: {file} cannot be read: {error}")))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
