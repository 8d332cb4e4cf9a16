//! `stargate`: Pulsar topics in a shell.

mod admin;
mod args;
mod consume;
mod escapes;
mod exit;
mod format;
mod lines;
mod mock;
mod place;
mod produce;
mod read;
mod receipts;
mod record;
mod signal;
mod stdout;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::args::{Arguments, Command};
use crate::exit::{Ended, Failure};

fn main() -> ExitCode {
    exit::code(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Ended {
    signal::watch().map_err(|error| Failure::failed(format!("signals cannot be caught: {error}")))?;
    let connection = &arguments.connection;
    match &arguments.command {
        Command::Produce(wanted) => produce::run(connection, wanted),
        Command::Read(wanted) => read::run(connection, wanted),
        Command::Tail(wanted) => read::tail(connection, wanted),
        Command::Consume(wanted) => consume::run(connection, wanted),
        Command::Topics(wanted) => admin::topics(connection, wanted),
        Command::Subscriptions(wanted) => admin::subscriptions(connection, wanted),
        Command::Namespaces(wanted) => admin::namespaces(connection, wanted),
        Command::Tenants(wanted) => admin::tenants(connection, wanted),
        Command::Mock(wanted) => mock::run(wanted),
        Command::Completion { shell } => stdout::print(&completion(*shell)),
        Command::Version => stdout::print(format!("stargate {}\n", env!("CARGO_PKG_VERSION")).as_bytes()),
    }
}

fn completion(shell: clap_complete::Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "stargate", &mut script);
    script
}
