//! `stargate`: Pulsar topics in a shell. A library of one function, so that the source of the wheel can contain it.

#![cfg_attr(not(test), warn(clippy::unwrap_used))]

mod admin;
mod bench;
mod check;
mod connection;
mod consume;
mod context;
mod context_file;
mod dump;
mod escapes;
mod exit;
mod filter;
mod format;
mod lines;
mod listing;
mod man;
mod mock;
mod place;
mod produce;
mod progress;
mod read;
mod receipts;
mod receiving;
mod record;
mod restore;
mod signal;
mod stdout;
mod table;
mod template;
mod values;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::connection::Connection;
use crate::exit::{Ended, Failure};
use crate::stdout::Stop;

/// Send, read and administer Apache Pulsar topics, over the HTTP port alone.
///
/// To try it without a broker, run `stargate mock` in one terminal, and in another
///
///     echo hello | stargate produce greetings
///     stargate read greetings -e
///
/// Messages go to standard output; everything else goes to standard error.
///
/// Exit codes: 0 done, 1 error, 2 usage, 3 nothing found in time, 4 refused by the server, 130 Ctrl-C.
#[derive(Parser)]
#[command(name = "stargate", version, max_term_width = 100, verbatim_doc_comment)]
struct Arguments {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Send lines of standard input, of files or of -m, and wait for the receipt of each
    Produce(produce::Produce),
    /// Print the messages of a topic, without a subscription
    Read(read::Read),
    /// Print the last messages of a topic
    Tail(read::Tail),
    /// Print the messages of a subscription, or give them to a program, and acknowledge them
    Consume(consume::Consume),
    /// Print the newest message of each key
    Table(table::Table),
    /// Write a topic to a file
    Dump(dump::Dump),
    /// Send a dumped file to a topic; go on where an earlier run stopped
    Restore(restore::Restore),
    /// List, create, delete and inspect topics
    Topics(admin::Admin<admin::topics::Topics>),
    /// List, create, delete, inspect and move the subscriptions of a topic
    Subscriptions(admin::Admin<admin::subscriptions::Subscriptions>),
    /// List, create, delete and inspect namespaces
    Namespaces(admin::Admin<admin::namespaces::Namespaces>),
    /// List, create, delete and inspect tenants
    Tenants(admin::Admin<admin::tenants::Tenants>),
    /// List, create, delete and inspect the schemas of topics
    Schemas(admin::Admin<admin::schemas::Schemas>),
    /// Find out which step on the way to the broker fails, and what helps
    Check(check::Check),
    /// Measure how fast your cluster stores and delivers messages
    Bench(bench::Bench),
    /// Keep the addresses and options of several clusters under names
    Context(context::Context),
    /// Run a broker for tests, in memory, and print its URL
    Mock(mock::MockBroker),
    /// Print the completions for a shell
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one for each command
    Man {
        /// Write the pages of all commands into this directory
        #[arg(long, value_name = "FOLDER")]
        dir: Option<PathBuf>,
    },
    /// Print the version
    Version,
}

/// Runs the command with the arguments of the process, and returns its exit code.
pub fn main() -> ExitCode {
    exit::code(match Arguments::try_parse() {
        Ok(arguments) => run(&arguments),
        Err(shown) => explain(&shown),
    })
}

/// Prints help or the version, or what is wrong with the arguments.
fn explain(shown: &clap::Error) -> Ended {
    let code = u8::try_from(shown.exit_code()).unwrap_or(exit::FAILED);
    let printed = shown.print().and_then(|()| io::stdout().flush());
    // Where standard error is closed there is no other place for it.
    if shown.use_stderr() { Ok(code) } else { stdout::ended(printed.map(|()| code).map_err(Stop::Output)) }
}

fn run(arguments: &Arguments) -> Ended {
    signal::watch().map_err(|error| Failure::failed(format!("signals cannot be caught: {error}")))?;
    let connection = &arguments.connection;
    match &arguments.command {
        Command::Produce(wanted) => produce::run(connection, wanted),
        Command::Read(wanted) => read::run(connection, wanted),
        Command::Tail(wanted) => read::tail(connection, wanted),
        Command::Consume(wanted) => consume::run(connection, wanted),
        Command::Table(wanted) => table::run(connection, wanted),
        Command::Dump(wanted) => dump::run(connection, wanted),
        Command::Restore(wanted) => restore::run(connection, wanted),
        Command::Topics(wanted) => admin::topics::run(connection, wanted),
        Command::Subscriptions(wanted) => admin::subscriptions::run(connection, wanted),
        Command::Namespaces(wanted) => admin::namespaces::run(connection, wanted),
        Command::Tenants(wanted) => admin::tenants::run(connection, wanted),
        Command::Schemas(wanted) => admin::schemas::run(connection, wanted),
        Command::Check(wanted) => check::run(connection, wanted),
        Command::Bench(wanted) => bench::run(connection, wanted),
        Command::Context(wanted) => context::run(connection, wanted),
        Command::Mock(wanted) => mock::run(wanted),
        Command::Completion { shell } => stdout::print(&completion(*shell)),
        Command::Man { dir } => man::run(Arguments::command(), dir.as_deref()),
        Command::Version => stdout::print(format!("stargate {}\n", env!("CARGO_PKG_VERSION")).as_bytes()),
    }
}

fn completion(shell: clap_complete::Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "stargate", &mut script);
    script
}
