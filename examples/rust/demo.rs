//! Produces 1,000 messages, consumes them with a handler that acknowledges, and reads them again from the earliest.
//!
//! `cargo run --example demo [URL]`; the URL is that of the broker's HTTP port, or `PULSAR_URL`, or ws://localhost:8080.

#![allow(clippy::print_stdout, clippy::print_stderr)] // it is a program for a terminal

use std::process::ExitCode;
use std::sync::mpsc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use stargate_core::blocking::Client;
use stargate_core::{HandlerResult, InitialPosition, Message, Options, Outcome, Result};

const COUNT: usize = 1_000;
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let argument = std::env::args().nth(1).or_else(|| std::env::var("PULSAR_URL").ok());
    let url = argument.unwrap_or_else(|| "ws://localhost:8080".to_owned());
    match run(&url) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("rust: a count is off");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("rust: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(url: &str) -> Result<bool> {
    let client = Client::new(url, Options::new())?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let topic = format!("persistent://public/default/demo-rust-{now}");

    // A handler runs on a thread of the library; what it returns decides what becomes of the message.
    let (handled, all_handled) = mpsc::channel();
    let options = Options::new().initial_position(InitialPosition::Earliest);
    let consumer = client.consumer(&topic, "demo", options)?;
    consumer.listen(move |_processor| {
        let handled = handled.clone();
        Ok(move |message: &Message| -> HandlerResult {
            handled.send(message.payload().clone())?;
            Ok(Outcome::Ack)
        })
    })?;

    // Many sends are in flight at a time; each has its own result, in the order of the messages.
    let producer = client.producer(&topic, Options::new())?;
    let sent = producer.send_all((0..COUNT).map(|number| format!("message {number}")))?;
    let stored = sent.iter().filter(|result| result.is_ok()).count();
    println!("rust: produced {stored} messages to {topic}");

    let consumed = (0..COUNT)
        .take_while(|number| {
            let payload = all_handled.recv_timeout(PATIENCE);
            payload.is_ok_and(|payload| payload == format!("message {number}"))
        })
        .count();
    println!("rust: consumed {consumed} messages in order, each acknowledged by the handler");

    let reader = client.reader(&topic, Options::new().starting_message("earliest"))?;
    let read = reader.receive_many(COUNT, PATIENCE)?.len();
    println!("rust: read {read} messages again from the earliest");

    client.close(PATIENCE)?;
    Ok([stored, consumed, read] == [COUNT; 3])
}
