//! The arguments, and the options of the library that follow from them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use stargate_core::blocking::Client;
use stargate_core::options::{Kind, Roles, find};
use stargate_core::{Level, Options};

use crate::escapes;
use crate::exit::{Failure, say};

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
    #[arg(
        long,
        env = "STARGATE_URL",
        default_value = "ws://localhost:8080",
        global = true,
        help_heading = "Connection",
        hide_env_values = true
    )]
    url: String,
    /// Sets an option of the library, such as -X tls_ca_file=ca.pem; a secret is read from a file: -X auth_token=@FILE.
    /// A token may also be in the variable STARGATE_TOKEN
    #[arg(short = 'X', value_name = "OPTION=VALUE", global = true, help_heading = "Connection")]
    options: Vec<String>,
    /// Say on standard error what happens to connections; without it, only what is wrong with them
    #[arg(short = 'v', long, global = true, help_heading = "Connection")]
    verbose: bool,
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
    /// List, create, delete and look at topics
    Topics(Admin<Topics>),
    /// List, create, delete and look at the subscriptions of a topic
    Subscriptions(Admin<Subscriptions>),
    /// List, create, delete and look at namespaces
    Namespaces(Admin<Namespaces>),
    /// List, create, delete and look at tenants
    Tenants(Admin<Tenants>),
    /// Run a broker for tests, in memory, and print its URL
    Mock(Mock),
    /// Print the completions for a shell
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the version
    Version,
}

#[derive(Args)]
pub(crate) struct Produce {
    /// The topic: orders, tenant/namespace/orders or in full
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
    /// The topic: orders, tenant/namespace/orders or in full
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
    /// The topic: orders, tenant/namespace/orders or in full
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
    /// The topic: orders, tenant/namespace/orders or in full
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

/// What is asked of the REST API, and how the answer is printed.
#[derive(Args)]
pub(crate) struct Admin<T: Subcommand> {
    /// How the answer is printed
    #[arg(short = 'o', value_enum, default_value_t = Listing::Table, global = true)]
    pub(crate) output: Listing,
    #[command(subcommand)]
    pub(crate) wanted: T,
}

/// A way to print an answer.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Listing {
    /// Lines; names and values of statistics in columns
    Table,
    /// JSON, for statistics the whole answer of the broker
    Json,
}

/// A deletion is asked about first.
#[derive(Args)]
pub(crate) struct Confirmation {
    /// Do not ask; needed where standard input is no terminal
    #[arg(short = 'y', long)]
    pub(crate) yes: bool,
}

#[derive(Subcommand)]
pub(crate) enum Topics {
    /// List the topics of a namespace
    Ls {
        #[arg(default_value = "public/default")]
        namespace: String,
    },
    /// Create a topic
    Create {
        topic: String,
        /// The number of partitions; without it the topic has none
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        partitions: Option<u32>,
    },
    /// Delete a topic with its messages
    Delete {
        topic: String,
        /// Also while it has producers and consumers, with its subscriptions
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// Print the statistics of a topic
    Stats { topic: String },
}

#[derive(Subcommand)]
pub(crate) enum Subscriptions {
    /// List the subscriptions of a topic
    Ls { topic: String },
    /// Create a subscription
    Create {
        topic: String,
        subscription: String,
        /// Where it begins: earliest, latest, a message id, a time or an age (-1h)
        #[arg(long, default_value = "latest", allow_hyphen_values = true)]
        from: String,
    },
    /// Delete a subscription
    Delete {
        topic: String,
        subscription: String,
        /// Also while it has consumers
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// Print the backlog and the consumers of a subscription
    Stats { topic: String, subscription: String },
}

#[derive(Subcommand)]
pub(crate) enum Namespaces {
    /// List the namespaces of a tenant
    Ls {
        #[arg(default_value = "public")]
        tenant: String,
    },
    /// Create a namespace
    Create { namespace: String },
    /// Delete a namespace, which has to be empty
    Delete {
        namespace: String,
        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// Print the policies of a namespace
    Stats { namespace: String },
}

#[derive(Subcommand)]
pub(crate) enum Tenants {
    /// List the tenants
    Ls,
    /// Create a tenant
    Create {
        tenant: String,
        /// A cluster that it may use; may be repeated; without it, all
        #[arg(long = "cluster", value_name = "NAME")]
        clusters: Vec<String>,
        /// A role that may administer it; may be repeated
        #[arg(long = "admin-role", value_name = "ROLE")]
        admin_roles: Vec<String>,
    },
    /// Delete a tenant, which has to be empty
    Delete {
        tenant: String,
        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// Print the clusters and roles of a tenant
    Stats { tenant: String },
}

#[derive(Args)]
pub(crate) struct Mock {
    /// The port at 127.0.0.1; 0 is any free one
    #[arg(long, default_value_t = 8080)]
    pub(crate) port: u16,
    /// Create a topic with partitions; may be repeated
    #[arg(long, value_name = "TOPIC=N", value_parser = partitioned)]
    pub(crate) partitioned: Vec<(String, u32)>,
}

fn partitioned(text: &str) -> Result<(String, u32), String> {
    let parts = text.rsplit_once('=').and_then(|(topic, number)| Some((topic.to_owned(), number.parse().ok()?)));
    parts.ok_or_else(|| "expected TOPIC=N".to_owned())
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
        let least = if self.verbose { Level::Info } else { Level::Warn };
        let of_client = of_client.log_sink(move |level: Level, target: &str, text: &str| {
            if level <= least {
                say(&format!("{target}: {text}"));
            }
        });
        Ok((Client::new(&self.url, of_client)?, of_handle))
    }

    /// Refuses `-X` for what the command has an argument for, of which one would be ignored.
    pub(crate) fn refuse(&self, key: &str, argument: &str) -> Result<(), Failure> {
        let given = |option: &String| option.split_once('=').is_some_and(|(name, _)| name == key);
        match self.options.iter().any(given) {
            true => Err(Failure::usage(format!("-X {key}: this command has the argument {argument} for it"))),
            false => Ok(()),
        }
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
