//! `restore`: a dumped file, to a topic.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

use clap::Args;
use serde::{Deserialize, Serialize};
use stargate_core::Receipt;
use stargate_core::options::Roles;

use crate::connection::Connection;
use crate::exit::{self, Ended, Failure, say};
use crate::lines::{self, Line, Lines};
use crate::produce::too_long;
use crate::receipts::{OnReceipt, Sending};
use crate::record;
use crate::signal::{UntilInterrupted, interrupted};
use crate::values::rate;

/// How often the place is written down.
const SAVE: Duration = Duration::from_millis(500);

/// Send a dumped file to a topic; go on where an earlier run stopped.
///
/// Keys, properties, event times and the order are kept; ids and publish times are new. The number of lines that the
/// broker has confirmed is kept in FILE.restored until all are. After a failure, run the same command again: it goes on
/// at the first line without a receipt. Lines after it that were confirmed already are sent again; no line is lost.
#[derive(Args)]
pub(crate) struct Restore {
    /// The topic: orders, tenant/namespace/orders or in full
    topic: String,
    /// The file, of `stargate dump` or `read -o jsonl`
    file: PathBuf,
    /// Send at most this many messages a second
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
}

/// Which part of which file is in which topic.
#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct State {
    url: String,
    topic: String,
    /// The size of the file, and when it was last changed, in nanoseconds: otherwise it is another file.
    bytes: u64,
    #[serde(default)]
    modified: u128,
    /// The lines from the first one on that have receipts.
    lines: u64,
}

/// `restore`
pub(crate) fn run(connection: &Connection, wanted: &Restore) -> Ended {
    let path = &wanted.file;
    let failed = |error: io::Error| Failure::failed(format!("{}: {error}", path.display()));
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        // Its lines are counted before they are sent, and a pipe can be read only once.
        let why = "restore needs a regular file; send what a pipe gives with produce -J";
        return Err(Failure::usage(format!("{}: {why}", path.display())));
    }
    let bytes = metadata.len();
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let modified = modified.unwrap_or_default().as_nanos();
    let (url, topic) = (connection.address()?.to_owned(), wanted.topic.clone());
    let mut state = State { url, topic, bytes, modified, lines: 0 };
    let kept = path.with_added_extension("restored");
    state.lines = earlier(&kept, &state)?;
    if state.lines > 0 {
        say(&format!("goes on at line {}", state.lines + 1));
    }
    let skipped = state.lines;
    let total = count_lines(path).map_err(failed)?.saturating_sub(skipped);

    let (client, options) = connection.open(Roles::PRODUCER)?;
    let limit = connection.message_limit()?;
    let producer = client.producer(&wanted.topic, options)?;
    let keeper = Keeper { path: kept.clone(), state, later: BTreeSet::new(), saved: Instant::now(), failed: false };
    let mut sending = Sending::start(&producer, Some(total), connection.quiet, keeper);
    sending.limit_rate(wanted.rate);
    sending.begin(&path.display().to_string());
    let taken = send(file, skipped, limit, &mut sending);
    let code = sending.finish(taken, &client);
    match code {
        Ok(exit::DONE) => remove(&kept)?,
        _ => say("to go on, run the same command again"),
    }
    code
}

/// Sends all lines after those that were sent earlier, as long as none fails.
fn send(file: File, skipped: u64, limit: usize, sending: &mut Sending<'_>) -> Result<(), Failure> {
    let mut lines = Lines::new(UntilInterrupted(file), b"\n", lines::of_json(limit));
    let mut number = 0;
    loop {
        let next = lines.next();
        let unreadable = |error| Failure::failed(format!("{}, after line {number}: {error}", sending.source()));
        let Some((line, ended)) = next.map_err(unreadable)? else { return Ok(()) };
        if interrupted() && !ended {
            return Ok(());
        }
        number += 1;
        if number <= skipped {
            continue;
        }
        let message = match line {
            Line::Bytes(bytes) => record::json(&bytes),
            Line::TooLong(length) => Err(too_long(length, limit)),
        };
        sending.send(number, message)?;
        // What comes after a line that is missing would be out of order.
        if interrupted() || sending.has_failed() {
            return Ok(());
        }
    }
}

/// Writes down which lines have receipts.
struct Keeper {
    path: PathBuf,
    state: State,
    /// Lines with receipts, after one that has none yet.
    later: BTreeSet<u64>,
    saved: Instant,
    failed: bool,
}

impl OnReceipt for Keeper {
    fn stored(&mut self, number: u64, _: &Receipt) {
        self.later.insert(number);
        while self.later.remove(&(self.state.lines + 1)) {
            self.state.lines += 1;
        }
        if self.saved.elapsed() >= SAVE {
            self.save();
        }
    }

    fn pause(&mut self) {
        if self.saved.elapsed() >= SAVE {
            self.save();
        }
    }

    fn end(&mut self) -> Result<(), Failure> {
        self.save();
        Ok(())
    }
}

impl Keeper {
    fn save(&mut self) {
        self.saved = Instant::now();
        let new = self.path.with_added_extension("new");
        let text = serde_json::to_string(&self.state).unwrap_or_default();
        let written = fs::write(&new, text + "\n").and_then(|()| fs::rename(&new, &self.path));
        if let Err(error) = written
            && !self.failed
        {
            self.failed = true;
            say(&format!("{}: {error}: a later run will begin at an earlier line", self.path.display()));
        }
    }
}

/// Returns how many lines an earlier run has sent.
fn earlier(kept: &Path, now: &State) -> Result<u64, Failure> {
    let text = match fs::read_to_string(kept) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        text => text.map_err(|error| Failure::failed(format!("{}: {error}", kept.display())))?,
    };
    let remedy = format!("to send the file from its beginning, remove {}", kept.display());
    let state: State = serde_json::from_str(&text)
        .map_err(|error| Failure::failed(format!("{}: {error}; {remedy}", kept.display())))?;
    let was = State { lines: now.lines, ..state };
    match was == *now {
        true => Ok(state.lines),
        false => Err(Failure::failed(format!(
            "{}: an earlier run sent {} lines of another file, of {} bytes, to {} at {}; {remedy}",
            kept.display(),
            state.lines,
            was.bytes,
            was.topic,
            was.url
        ))),
    }
}

fn remove(kept: &Path) -> Result<(), Failure> {
    match fs::remove_file(kept) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Failure::failed(format!("{}: {error}", kept.display())))
        }
        _ => Ok(()),
    }
}

/// Counts the lines of a file, for the progress.
fn count_lines(path: &Path) -> io::Result<u64> {
    let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
    let mut count = 0;
    loop {
        let bytes = file.fill_buf()?;
        if bytes.is_empty() {
            return Ok(count);
        }
        count += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        let length = bytes.len();
        file.consume(length);
    }
}
