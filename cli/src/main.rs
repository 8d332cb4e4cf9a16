//! `stargate`: Pulsar topics in a shell.

mod args;
mod consume;
mod escapes;
mod exit;
mod format;
mod lines;
mod place;
mod produce;
mod read;
mod receipts;
mod record;
mod signal;
mod stdout;

use std::process::ExitCode;

use clap::Parser;

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
    }
}
