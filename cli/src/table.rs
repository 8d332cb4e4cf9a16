//! `table`: the newest message of each key.

use std::collections::BTreeMap;
use std::io::Write;

use clap::Args;
use serde_json::{Value, json};
use stargate_core::blocking::{Client, Reader};
use stargate_core::options::Roles;
use stargate_core::{Message, OutgoingMessage};

use crate::connection::{CLOSE, Connection};
use crate::exit::{self, Ended, Failure};
use crate::format::payload_field;
use crate::listing::{self, Listing};
use crate::progress::Progress;
use crate::receiving::{BATCH, next_before_end, within_tick};
use crate::signal::interrupted;
use crate::stdout::{Stdout, Stop, ended};

/// Print the newest message of each key.
///
/// All that is stored is read. An empty payload deletes its key, and messages without a key are skipped.
#[derive(Args)]
pub(crate) struct Table {
    /// The topic: orders, tenant/namespace/orders or in full
    topic: String,
    /// Print only the payload of this key; exit code 3 if there is none
    key: Option<String>,
    /// Go on with changes: a line of JSON for each
    #[arg(long, conflicts_with = "output")]
    watch: bool,
    /// Delete this key: send an empty payload for it
    #[arg(long, value_name = "KEY", conflicts_with_all = ["key", "watch", "output"])]
    delete: Option<String>,
    /// How the table is printed
    #[arg(short = 'o', value_enum, default_value_t = Listing::Table)]
    output: Listing,
}

/// `table`
pub(crate) fn run(connection: &Connection, wanted: &Table) -> Ended {
    match &wanted.delete {
        Some(key) => delete(connection, &wanted.topic, key),
        None => ended(view(connection, wanted)),
    }
}

fn delete(connection: &Connection, topic: &str, key: &str) -> Ended {
    let (client, options) = connection.open(Roles::PRODUCER)?;
    client.producer(topic, options)?.send(OutgoingMessage::new("").key(key), None)?;
    client.close(CLOSE)?;
    Ok(exit::DONE)
}

fn view(connection: &Connection, wanted: &Table) -> Result<u8, Stop> {
    connection.refuse("starting_message", "table always begins with the earliest message")?;
    let (client, mut options) = connection.open(Roles::READER)?;
    options.set("starting_message", "earliest")?;
    let reader = client.reader(&wanted.topic, options)?;
    reader.mark_end()?;
    let table = load(&reader, wanted.key.as_deref(), connection.quiet)?;
    if interrupted() {
        return Ok(exit::INTERRUPTED);
    }
    let mut out = Stdout::new()?;
    match &wanted.key {
        _ if wanted.watch => {
            for (key, message) in &table {
                change(&mut out, key, message)?;
            }
            out.flush()?;
            drop(table);
            return watch(&client, &reader, &mut out, wanted.key.as_deref());
        }
        Some(key) => {
            let Some(message) = table.get(key) else { return Ok(exit::NOTHING) };
            out.write_all(message.payload())?;
            out.write_all(b"\n")?;
            out.flush()?;
        }
        None => print(wanted.output, &table)?,
    }
    client.close(CLOSE)?;
    Ok(exit::DONE)
}

/// Reads what is stored, and keeps the newest message of each key that is wanted.
fn load(reader: &Reader, only: Option<&str>, quiet: bool) -> Result<BTreeMap<String, Message>, Stop> {
    let progress = Progress::start(None, quiet);
    let mut table = BTreeMap::new();
    while let Some(message) = next_before_end(reader)? {
        progress.add(1);
        let Some(key) = message.key().filter(|key| only.is_none_or(|only| only == *key)) else { continue };
        match message.payload().is_empty() {
            true => table.remove(key),
            false => table.insert(key.to_owned(), message),
        };
    }
    Ok(table)
}

fn print(output: Listing, table: &BTreeMap<String, Message>) -> Result<(), Failure> {
    if output == Listing::Json {
        let rows: Vec<Value> = table.iter().map(|(key, message)| object(key, message)).collect();
        return crate::stdout::print(format!("{}\n", json!(rows)).as_bytes()).map(drop);
    }
    let row = |(key, message): (&String, &Message)| {
        vec![key.clone(), String::from_utf8_lossy(message.payload()).into_owned()]
    };
    listing::rows(output, &["key", "payload"], &table.iter().map(row).collect::<Vec<_>>()).map(drop)
}

fn object(key: &str, message: &Message) -> Value {
    let mut object = json!({"key": key, "id": message.id().as_str(), "publish_time": message.publish_time_ms()});
    let (name, payload) = payload_field(message.payload());
    object[name] = if message.payload().is_empty() { Value::Null } else { payload };
    object
}

fn change(out: &mut Stdout, key: &str, message: &Message) -> std::io::Result<()> {
    writeln!(out, "{}", object(key, message))
}

/// Prints each change, until Ctrl-C.
fn watch(client: &Client, reader: &Reader, out: &mut Stdout, only: Option<&str>) -> Result<u8, Stop> {
    while !interrupted() {
        let Some(batch) = within_tick(reader.as_async().receive_many(BATCH))? else { return Ok(exit::DONE) };
        for message in &batch {
            if let Some(key) = message.key().filter(|key| only.is_none_or(|only| only == *key)) {
                change(out, key, message)?;
            }
        }
        out.flush()?;
    }
    client.close(CLOSE)?;
    Ok(exit::INTERRUPTED)
}
