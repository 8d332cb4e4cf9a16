//! The receipts of what was sent: counts them, prints ids, and remembers what has none.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};

use stargate_core::{ErrorKind, Receipt};

use crate::exit::say;
use crate::stdout::Stdout;

/// Which line of which source.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) source: usize,
    pub(crate) number: u64,
}

/// How a line ended.
pub(crate) struct End {
    pub(crate) place: Place,
    pub(crate) result: Result<Receipt, Missing>,
}

/// Why a line has no receipt.
#[derive(Debug, PartialEq)]
pub(crate) struct Missing {
    pub(crate) text: String,
    pub(crate) refused: bool,
}

impl From<stargate_core::Error> for Missing {
    fn from(error: stargate_core::Error) -> Missing {
        let refused = matches!(error.kind(), ErrorKind::Authentication | ErrorKind::Authorization);
        Missing { text: error.to_string(), refused }
    }
}

/// Lines one after the other that ended alike.
struct Run {
    source: usize,
    first: u64,
    last: u64,
    why: Missing,
}

/// What became of all lines.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) stored: u64,
    missing: Vec<Run>,
}

impl Tally {
    fn add(&mut self, place: Place, why: Missing) {
        if let Some(run) = self.missing.last_mut()
            && (run.source, run.last + 1) == (place.source, place.number)
            && run.why == why
        {
            run.last = place.number;
            return;
        }
        self.missing.push(Run { source: place.source, first: place.number, last: place.number, why });
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// Whether the server refused any of it.
    pub(crate) fn was_refused(&self) -> bool {
        self.missing.iter().any(|run| run.why.refused)
    }

    /// Names every line that has no receipt.
    pub(crate) fn report(&mut self, sources: &[String]) {
        self.missing.sort_by_key(|run| (run.source, run.first));
        for Run { source, first, last, why } in &self.missing {
            let (name, text) = (&sources[*source], &why.text);
            match first == last {
                true => say(&format!("{name}, line {first}: no receipt: {text}")),
                false => say(&format!("{name}, lines {first} to {last}: no receipt: {text}")),
            }
        }
    }
}

/// Begins to collect. The thread ends when all senders are gone.
pub(crate) fn collect(print_ids: bool) -> (Sender<End>, JoinHandle<Tally>) {
    let (sender, ends) = channel();
    (sender, thread::spawn(move || collected(&ends, print_ids)))
}

fn collected(ends: &Receiver<End>, print_ids: bool) -> Tally {
    let mut tally = Tally::default();
    let mut ids = if print_ids { Stdout::new().ok() } else { None };
    while let Some(End { place, result }) = next(ends, ids.as_mut()) {
        match result {
            Ok(receipt) => {
                tally.stored += 1;
                let printed = ids.as_mut().map(|out| print(out, &receipt));
                // A closed pipe wants no more ids; the messages go on.
                if printed.is_some_and(|printed| printed.is_err()) {
                    ids = None;
                }
            }
            Err(why) => tally.add(place, why),
        }
    }
    tally
}

/// The next end; before it waits it flushes what is printed.
fn next(ends: &Receiver<End>, ids: Option<&mut Stdout>) -> Option<End> {
    match ends.try_recv() {
        Ok(end) => Some(end),
        Err(TryRecvError::Disconnected) => None,
        Err(TryRecvError::Empty) => {
            // An error here is met again at the next id.
            let _ = ids.map(Write::flush);
            ends.recv().ok()
        }
    }
}

fn print(out: &mut Stdout, receipt: &Receipt) -> io::Result<()> {
    writeln!(out, "{}", receipt.message_id().as_str())
}
