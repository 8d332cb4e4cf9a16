//! `bench`: the rate and the latencies of a cluster.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use stargate_core::blocking::{Client, Producer, Reader, wait};
use stargate_core::options::Roles;
use stargate_core::{Error, OutgoingMessage};

use crate::connection::{CLOSE, Connection};
use crate::exit::{self, Ended, Failure, say};
use crate::progress::Progress;
use crate::receiving::{BATCH, within_tick};
use crate::signal::{self, interrupted};
use crate::stdout;
use crate::values::rate;

/// How long a message of a round trip may be on its way.
const LOST: Duration = Duration::from_secs(30);
/// The number of the message and that of the run are at the beginning of a payload.
const HEAD: usize = 16;
const BAR: u64 = 50;

/// Measure how fast your cluster stores and delivers messages.
///
/// With --rate, messages have a schedule, and latencies are counted from it: what waits behind a slow message counts as
/// slow, too. The messages stay in the topic, so use a separate topic.
#[derive(Args)]
pub(crate) struct Bench {
    /// What is measured
    what: What,
    /// The topic: orders, tenant/namespace/orders or in full
    topic: String,
    /// How many messages
    #[arg(short = 'n', value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// Bytes of each payload
    #[arg(long, value_name = "BYTES", default_value_t = 100, value_parser = clap::value_parser!(u32).range(16..))]
    size: u32,
    /// Messages a second; without it, as many as there may be in flight
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
    /// How many messages may wait for their receipts at a time; 1 for a round trip without --rate
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    in_flight: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Send, from the schedule to the receipt
    Pub,
    /// Read what is stored; there are no latencies
    Sub,
    /// Send and read back, from the schedule to the delivery
    Rtt,
}

/// What was measured.
struct Measured {
    seconds: f64,
    messages: u64,
    bytes: u64,
    failed: u64,
    /// In microseconds.
    latencies: Option<Histogram<u64>>,
}

/// `bench`
pub(crate) fn run(connection: &Connection, wanted: &Bench) -> Ended {
    let measured = match wanted.what {
        What::Pub => send(connection, wanted)?,
        What::Sub => receive(connection, wanted)?,
        What::Rtt => round_trip(connection, wanted)?,
    };
    let text = match wanted.json {
        true => format!("{}\n", measured.json()),
        false => measured.text(),
    };
    stdout::print(text.as_bytes())?;
    Ok(match (measured.failed, measured.messages) {
        _ if interrupted() => exit::INTERRUPTED,
        (0, 0) => exit::NOTHING,
        (0, _) => exit::DONE,
        _ => exit::FAILED,
    })
}

/// A message that has ended: the time it was due, the time it ended, and how.
type Done = (Instant, Instant, Result<(), Error>);

fn send(connection: &Connection, wanted: &Bench) -> Result<Measured, Failure> {
    let client = connection.client(&[Roles::PRODUCER])?;
    let producer = producer(&client, connection, wanted)?;
    let progress = Progress::start(Some(wanted.count), connection.quiet);
    let (ends, received) = channel::<Done>();
    let collecting = thread::spawn(move || collect(&received, &progress));
    let payload = vec![b'x'; wanted.size as usize];
    let start = Instant::now();
    for number in 0..wanted.count {
        let due = due(start, number, wanted.rate);
        if interrupted() {
            break;
        }
        let ends = ends.clone();
        let sent = producer.as_async().send_inline(OutgoingMessage::new(payload.clone()), move |report| {
            // The collector is there until the last sender has gone.
            let _ = ends.send((due, Instant::now(), report.result.map(drop)));
        });
        wait(sent, None)?;
    }
    drop(ends);
    producer.flush(None)?;
    let (latencies, failed) = collecting.join().map_err(|_| Failure::failed("the receipts could not be counted"))?;
    client.close(CLOSE)?;
    Ok(Measured::new(start.elapsed(), latencies.len(), wanted.size, failed, Some(latencies)))
}

fn collect(received: &Receiver<Done>, progress: &Progress) -> (Histogram<u64>, u64) {
    let (mut latencies, mut failed) = (histogram(), 0);
    for (due, ended, result) in received {
        progress.add(1);
        match result {
            Ok(()) => record(&mut latencies, ended.saturating_duration_since(due)),
            Err(error) => {
                if failed == 0 {
                    say(&error.to_string());
                }
                failed += 1;
            }
        }
    }
    (latencies, failed)
}

fn receive(connection: &Connection, wanted: &Bench) -> Result<Measured, Failure> {
    let client = connection.client(&[Roles::READER])?;
    let reader = reader(&client, connection, wanted, "earliest")?;
    reader.mark_end()?;
    let progress = Progress::start(Some(wanted.count), connection.quiet);
    let (mut messages, mut bytes) = (0, 0);
    let start = Instant::now();
    while messages < wanted.count && !interrupted() && !reader.is_caught_up() {
        let room = BATCH.min(usize::try_from(wanted.count - messages).unwrap_or(BATCH));
        let Some(batch) = within_tick(reader.as_async().receive_many(room))? else { break };
        messages += batch.len() as u64;
        bytes += batch.iter().map(|message| message.payload().len() as u64).sum::<u64>();
        progress.add(batch.len() as u64);
    }
    let seconds = start.elapsed().as_secs_f64();
    client.close(CLOSE)?;
    Ok(Measured { seconds, messages, bytes, failed: 0, latencies: None })
}

fn round_trip(connection: &Connection, wanted: &Bench) -> Result<Measured, Failure> {
    let client = connection.client(&[Roles::PRODUCER, Roles::READER])?;
    let reader = reader(&client, connection, wanted, "latest")?;
    let producer = producer(&client, connection, wanted)?;
    let mut run = [0; 8];
    getrandom::fill(&mut run).map_err(|error| Failure::failed(format!("no random numbers: {error}")))?;
    let progress = Progress::start(Some(wanted.count), connection.quiet);
    let start = Instant::now();
    let mut latencies = histogram();
    // One thread sends on its schedule; what comes back says which one it is.
    let (sent, dues) = channel::<Instant>();
    let (back, returned) = channel::<()>();
    let failed = thread::scope(|scope| -> Result<u64, Failure> {
        let sending = scope.spawn(|| pings(&producer, wanted, start, &run, sent, returned));
        // When each message was due, until it comes back.
        let mut waiting: Vec<Option<Instant>> = Vec::new();
        let (mut sent, mut done, mut moved) = (0, 0, Instant::now());
        while done < wanted.count && !interrupted() && (done == sent || moved.elapsed() < LOST) {
            // Asked first: what was sent before its end is then seen below.
            let has_ended = sending.is_finished();
            let Some(batch) = within_tick(reader.as_async().receive_many(BATCH))? else { break };
            let now = Instant::now();
            waiting.extend(dues.try_iter().map(Some));
            if waiting.len() as u64 > sent {
                (sent, moved) = (waiting.len() as u64, now);
            }
            for message in &batch {
                let number = number(message.payload(), &run).and_then(|number| usize::try_from(number).ok());
                // A message may be delivered twice.
                let Some(due) = number.and_then(|number| waiting.get_mut(number)?.take()) else { continue };
                record(&mut latencies, now.saturating_duration_since(due));
                (done, moved) = (done + 1, now);
                progress.add(1);
                let _ = back.send(()); // the sender may have ended
            }
            if has_ended && done == sent {
                break;
            }
        }
        drop((back, dues));
        let sent = sending.join().map_err(|_| Failure::failed("the messages could not be sent"))??;
        Ok(sent.saturating_sub(done))
    })?;
    if failed > 0 && !interrupted() {
        say(&format!("{failed} messages did not come back"));
    }
    client.close(CLOSE)?;
    Ok(Measured::new(start.elapsed(), latencies.len(), wanted.size, failed, Some(latencies)))
}

/// Sends on schedule, or without a rate each message after the one before came back, until the receiver ends. Returns
/// how many were sent.
fn pings(
    producer: &Producer,
    wanted: &Bench,
    start: Instant,
    run: &[u8; 8],
    sent: Sender<Instant>,
    returned: Receiver<()>,
) -> Result<u64, Failure> {
    for number in 0..wanted.count {
        let due = match wanted.rate {
            Some(rate) => scheduled(start, number, rate),
            None if number > 0 && returned.recv().is_err() => return Ok(number),
            None => Instant::now(),
        };
        while let Some(left) = due.checked_duration_since(Instant::now()) {
            match returned.recv_timeout(left) {
                Err(RecvTimeoutError::Disconnected) => return Ok(number),
                Err(RecvTimeoutError::Timeout) | Ok(()) => {}
            }
        }
        let mut payload = vec![b'x'; wanted.size as usize];
        payload[..8].copy_from_slice(&number.to_be_bytes());
        payload[8..HEAD].copy_from_slice(run);
        if sent.send(due).is_err() {
            return Ok(number);
        }
        wait(producer.as_async().send_inline(OutgoingMessage::new(payload), |_| ()), None)?;
    }
    Ok(wanted.count)
}

/// Returns the number of a message of this run.
fn number(payload: &[u8], run: &[u8; 8]) -> Option<u64> {
    let (number, rest) = payload.split_first_chunk::<8>()?;
    rest.starts_with(run).then(|| u64::from_be_bytes(*number))
}

fn scheduled(start: Instant, number: u64, rate: f64) -> Instant {
    start + Duration::from_secs_f64(number as f64 / rate)
}

/// Waits until a message is due, and returns when that was.
fn due(start: Instant, number: u64, rate: Option<f64>) -> Instant {
    let Some(rate) = rate else { return Instant::now() };
    let due = scheduled(start, number, rate);
    if let Some(left) = due.checked_duration_since(Instant::now()) {
        signal::sleep(left);
    }
    due
}

fn producer(client: &Client, connection: &Connection, wanted: &Bench) -> Result<Producer, Failure> {
    connection.refuse("max_pending_msg", "give --in-flight instead")?;
    let mut options = connection.options(Roles::PRODUCER)?;
    options.set("max_pending_msg", &wanted.in_flight.to_string())?;
    Ok(client.producer(&wanted.topic, options)?)
}

fn reader(client: &Client, connection: &Connection, wanted: &Bench, from: &str) -> Result<Reader, Failure> {
    connection.refuse("starting_message", &format!("this measurement begins with the {from} message"))?;
    let mut options = connection.options(Roles::READER)?;
    options.set("starting_message", from)?;
    Ok(client.reader(&wanted.topic, options)?)
}

/// Latencies in microseconds up to an hour, with three digits.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("the bounds and the precision are valid")
}

fn record(latencies: &mut Histogram<u64>, latency: Duration) {
    latencies.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
}

impl Measured {
    fn new(time: Duration, messages: u64, size: u32, failed: u64, latencies: Option<Histogram<u64>>) -> Measured {
        Measured { seconds: time.as_secs_f64(), messages, bytes: messages * u64::from(size), failed, latencies }
    }

    fn rate(&self) -> f64 {
        self.messages as f64 / self.seconds
    }

    fn json(&self) -> Value {
        let mut json = json!({
            "messages": self.messages,
            "failed": self.failed,
            "bytes": self.bytes,
            "seconds": self.seconds,
            "messages_per_second": self.rate(),
            "bytes_per_second": self.bytes as f64 / self.seconds,
        });
        if let Some(latencies) = &self.latencies {
            let at = |quantile: f64| latencies.value_at_quantile(quantile);
            json["latency_us"] = json!({"p50": at(0.5), "p99": at(0.99), "p99.9": at(0.999), "max": latencies.max()});
        }
        json
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{} messages in {:.2} s: {:.0} a second, {:.2} MB/s",
            self.messages,
            self.seconds,
            self.rate(),
            self.bytes as f64 / self.seconds / 1e6
        );
        if self.failed > 0 {
            text += &format!(", {} failed", self.failed);
        }
        text.push('\n');
        if let Some(latencies) = self.latencies.as_ref().filter(|latencies| !latencies.is_empty()) {
            for (name, value) in [
                ("p50", latencies.value_at_quantile(0.5)),
                ("p99", latencies.value_at_quantile(0.99)),
                ("p99.9", latencies.value_at_quantile(0.999)),
                ("max", latencies.max()),
            ] {
                text += &format!("{name:>9} {:>9}\n", shown(value));
            }
            text += &bars(latencies);
        }
        text
    }
}

fn shown(micros: u64) -> String {
    match micros {
        0..1000 => format!("{micros} \u{b5}s"),
        _ => format!("{:.2} ms", micros as f64 / 1000.0),
    }
}

/// Draws how many messages took less than 1, 2, 5, 10, ... microseconds.
fn bars(latencies: &Histogram<u64>) -> String {
    let mut limits = (0..).flat_map(|power| [1, 2, 5].map(|step| step * 10_u64.pow(power)));
    let mut rows: Vec<(u64, u64)> = Vec::new();
    for value in latencies.iter_recorded() {
        let micros = value.value_iterated_to();
        while rows.last().is_none_or(|(limit, _)| *limit <= micros) {
            let Some(limit) = limits.next() else { break };
            // The bars begin with the fastest message.
            if limit > micros || !rows.is_empty() {
                rows.push((limit, 0));
            }
        }
        if let Some((_, count)) = rows.last_mut() {
            *count += value.count_at_value();
        }
    }
    let most = rows.iter().map(|(_, count)| *count).max().unwrap_or(1);
    let mut text = String::from("\n    under  messages\n");
    for (limit, count) in rows {
        let bar = "#".repeat((count * BAR).div_ceil(most) as usize);
        text += format!("{:>9} {count:>9} {bar}", shown(limit)).trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_in_a_bar() {
        let mut latencies = histogram();
        for micros in [0, 1, 3, 999, 1000, 1_000_000] {
            record(&mut latencies, Duration::from_micros(micros));
        }
        let text = bars(&latencies);
        let counts = text.lines().skip(2).map(|line| line.split_whitespace().nth(2).unwrap().parse::<u64>().unwrap());
        assert_eq!(counts.sum::<u64>(), 6, "{text}");
    }

    #[test]
    fn only_messages_of_the_run_are_counted() {
        let payload = [5_u64.to_be_bytes(), *b"this run"].concat();
        assert_eq!(number(&payload, b"this run"), Some(5));
        assert_eq!((number(&payload, b"that run"), number(b"short", b"this run")), (None, None));
    }
}
