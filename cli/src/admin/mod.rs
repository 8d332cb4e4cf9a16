//! Administration: the REST API, one file a subject.

pub(crate) mod namespaces;
pub(crate) mod schemas;
pub(crate) mod subscriptions;
pub(crate) mod tenants;
pub(crate) mod topics;

use std::io::{self, BufRead, IsTerminal, Write};

use clap::{Args, Subcommand};
use stargate_core::Result as CoreResult;
use stargate_core::admin::Position;
use stargate_core::blocking;
use stargate_core::options::Roles;

use crate::connection::Connection;
use crate::exit::{DONE, Ended, Failure};
use crate::listing::Listing;
use crate::place::{self, Place};

/// An operation, and how its answer is printed.
#[derive(Args)]
pub(crate) struct Admin<T: Subcommand> {
    /// How the answer is printed
    #[arg(short = 'o', value_enum, default_value_t = Listing::Table, global = true)]
    output: Listing,
    #[command(subcommand)]
    wanted: T,
}

/// A deletion is asked about first.
#[derive(Args)]
pub(crate) struct Confirmation {
    /// Do not ask; needed where standard input is no terminal
    #[arg(short = 'y', long)]
    yes: bool,
}

impl Confirmation {
    /// Asks on the terminal whether to go on.
    fn ask(&self, question: &str) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            return Err(Failure::usage(format!("{question} Without a terminal to ask on, give -y")));
        }
        let mut answer = String::new();
        // Where the question cannot be written, the answer is no.
        let asked = write!(io::stderr(), "{question} [y/N] ").and_then(|()| io::stdin().lock().read_line(&mut answer));
        match asked.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
            true => Ok(()),
            false => Err(Failure::failed("nothing was changed")),
        }
    }
}

fn open(connection: &Connection) -> Result<blocking::Admin, Failure> {
    let (client, _) = connection.open(Roles::CONNECTION)?;
    Ok(client.admin())
}

fn done(outcome: CoreResult<()>) -> Ended {
    outcome?;
    Ok(DONE)
}

/// Reads where a subscription begins or is moved to.
fn position(argument: &str, text: &str) -> Result<Position, Failure> {
    Ok(match place::parse(argument, text)? {
        Place::Earliest => Position::Earliest,
        Place::Latest => Position::Latest,
        Place::Id(id) => Position::At(id),
        Place::Time(time) => Position::Time(time),
        Place::Last(_) => {
            return Err(Failure::usage(format!(
                "{argument}: expected earliest, latest, an id, a time or an age (-1h)"
            )));
        }
    })
}

fn facts<const N: usize>(rows: [(&str, String); N]) -> Vec<(String, String)> {
    rows.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
