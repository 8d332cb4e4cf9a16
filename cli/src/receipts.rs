//! Sends lines, and collects their receipts: counts them, prints ids, and remembers the lines that have none.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use stargate_core::blocking::{self, Client, Producer};
use stargate_core::{ErrorKind, OutgoingMessage, Receipt};

use crate::connection::CLOSE;
use crate::exit::{self, Ended, Failure, say};
use crate::progress::Progress;
use crate::signal::{self, interrupted};
use crate::stdout::SideOutput;

/// A message, or why a line is none.
pub(crate) type Made = Result<OutgoingMessage, String>;

/// Which line of which source.
#[derive(Debug)]
pub(crate) struct Place {
    /// Its name, which the places in one source share.
    pub(crate) source: Arc<str>,
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
    source: Arc<str>,
    first: u64,
    last: u64,
    why: Missing,
}

/// What became of all lines. Those without a receipt are named as they come, so that they take no memory.
#[derive(Default)]
struct Tally {
    stored: u64,
    /// The last lines that have none; the next one may belong to them.
    missing: Option<Run>,
    /// Whether the server refused any of it.
    was_refused: bool,
}

impl Tally {
    fn add(&mut self, place: Place, why: Missing) {
        self.was_refused |= why.refused;
        if let Some(run) = &mut self.missing
            && Arc::ptr_eq(&run.source, &place.source)
            && run.last + 1 == place.number
            && run.why == why
        {
            run.last = place.number;
            return;
        }
        self.report();
        self.missing = Some(Run { source: place.source, first: place.number, last: place.number, why });
    }

    /// Names the lines that are still to be named.
    fn report(&mut self) {
        let Some(Run { source, first, last, why }) = self.missing.take() else { return };
        match first == last {
            true => say(&format!("{source}, line {first}: no receipt: {}", why.text)),
            false => say(&format!("{source}, lines {first} to {last}: no receipt: {}", why.text)),
        }
    }
}

/// Sends lines, with a place for each.
pub(crate) struct Sending<'a> {
    producer: &'a Producer,
    ends: Sender<End>,
    collecting: JoinHandle<(Tally, Result<(), Failure>)>,
    /// Where the lines come from, for the report.
    source: Arc<str>,
    pace: Option<Pace>,
    /// Whether a line ended without a receipt.
    failed: Arc<AtomicBool>,
}

impl<'a> Sending<'a> {
    /// Begins to collect receipts.
    pub(crate) fn start(
        producer: &'a Producer,
        total: Option<u64>,
        quiet: bool,
        mut on_receipt: impl OnReceipt,
    ) -> Sending<'a> {
        let (ends, received) = channel();
        let failed = Arc::new(AtomicBool::new(false));
        let noted = failed.clone();
        let progress = Progress::start(total, quiet);
        let collecting = thread::spawn(move || collected(&received, &mut on_receipt, &progress, &noted));
        Sending { producer, ends, collecting, source: Arc::default(), pace: None, failed }
    }

    /// Sends at most this many messages a second.
    pub(crate) fn limit_rate(&mut self, rate: Option<f64>) {
        self.pace = rate.map(Pace::new);
    }

    /// Begins with a source of lines.
    pub(crate) fn begin(&mut self, source: &str) {
        self.source = source.into();
    }

    /// Returns whether a line is known to have no receipt.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Hands a message over. An error is one after which nothing more can be sent.
    pub(crate) fn send(&mut self, number: u64, message: Made) -> Result<(), Failure> {
        let message = match message {
            Ok(message) => message,
            Err(text) => {
                self.end(number, Missing { text, refused: false });
                return Ok(());
            }
        };
        if let Some(pace) = &mut self.pace {
            pace.wait();
        }
        let (ends, place) = (self.ends.clone(), self.place(number));
        let sent = self.producer.as_async().send_inline(message, move |report| {
            // The collector is there until the last sender has gone.
            let _ = ends.send(End { place, result: report.result.map_err(Missing::from) });
        });
        let Err(error) = blocking::wait(sent, None) else { return Ok(()) };
        let is_of_message = matches!(
            error.kind(),
            ErrorKind::TooBig
                | ErrorKind::InvalidArgument
                | ErrorKind::Timeout
                | ErrorKind::QueueFull
                | ErrorKind::Crypto
        );
        self.end(number, error.into());
        match is_of_message {
            true => Ok(()),
            false => Err(Failure::failed("nothing after that line was sent")),
        }
    }

    fn end(&self, number: u64, why: Missing) {
        // The collector is there until the last sender has gone.
        let _ = self.ends.send(End { place: self.place(number), result: Err(why) });
    }

    fn place(&self, number: u64) -> Place {
        Place { source: self.source.clone(), number }
    }

    /// Waits for the receipts, reports what has none, and closes the client. `taken` is how the intake ended.
    pub(crate) fn finish(self, taken: Result<(), Failure>, client: &Client) -> Ended {
        let Sending { producer, ends, collecting, failed, .. } = self;
        drop(ends);
        let flushed = producer.flush(None);
        let (tally, handled) = collecting.join().map_err(|_| Failure::failed("the receipts could not be counted"))?;
        let outcome = taken.and(handled);
        let is_complete = !failed.load(Ordering::Relaxed);
        if !is_complete || outcome.is_err() || interrupted() {
            say(&format!("{} messages stored", tally.stored));
        }
        if tally.was_refused {
            if let Err(why) = outcome {
                why.say();
            }
            return Ok(exit::REFUSED);
        }
        outcome?;
        if !is_complete {
            return Ok(exit::FAILED);
        }
        flushed?;
        client.close(CLOSE)?;
        Ok(if interrupted() { exit::INTERRUPTED } else { exit::DONE })
    }
}

/// A schedule of equal distances. A delay is made up for, for a second at most.
pub(crate) struct Pace {
    next: Instant,
    distance: Duration,
}

impl Pace {
    pub(crate) fn new(rate: f64) -> Pace {
        Pace { next: Instant::now(), distance: Duration::from_secs_f64(1.0 / rate) }
    }

    /// Waits for the time of the next message, or for Ctrl-C.
    fn wait(&mut self) {
        let now = Instant::now();
        if let Some(left) = self.next.checked_duration_since(now) {
            signal::sleep(left);
        }
        let behind = now.checked_sub(Duration::from_secs(1)).unwrap_or(now);
        self.next = self.next.max(behind) + self.distance;
    }
}

/// What happens at each receipt, besides counting it.
pub(crate) trait OnReceipt: Send + 'static {
    /// The line with this number has its receipt.
    fn stored(&mut self, number: u64, receipt: &Receipt);
    /// No more receipts are there for the moment.
    fn pause(&mut self) {}
    /// There will be no more. Returns what failed at any of them.
    fn end(&mut self) -> Result<(), Failure>;
}

/// Prints the id of each stored message.
pub(crate) struct PrintIds {
    out: SideOutput,
    outcome: Result<(), Failure>,
}

impl PrintIds {
    /// Prints to standard output if that is wanted.
    pub(crate) fn new(wanted: bool) -> Result<PrintIds, Failure> {
        Ok(PrintIds { out: SideOutput::new(wanted)?, outcome: Ok(()) })
    }

    /// Keeps the first error for the end; the messages go on.
    fn keep(&mut self, printed: Result<(), Failure>) {
        if self.outcome.is_ok() {
            self.outcome = printed;
        }
    }
}

impl OnReceipt for PrintIds {
    fn stored(&mut self, _: u64, receipt: &Receipt) {
        if self.out.is_wanted() {
            let printed = self.out.write(format!("{}\n", receipt.message_id().as_str()).as_bytes());
            self.keep(printed);
        }
    }

    fn pause(&mut self) {
        let flushed = self.out.flush();
        self.keep(flushed);
    }

    fn end(&mut self) -> Result<(), Failure> {
        self.pause();
        mem::replace(&mut self.outcome, Ok(()))
    }
}

fn collected(
    ends: &Receiver<End>,
    on_receipt: &mut impl OnReceipt,
    progress: &Progress,
    failed: &AtomicBool,
) -> (Tally, Result<(), Failure>) {
    let mut tally = Tally::default();
    loop {
        let end = match ends.try_recv() {
            Err(TryRecvError::Empty) => {
                on_receipt.pause();
                ends.recv().ok()
            }
            end => end.ok(),
        };
        let Some(End { place, result }) = end else { break };
        match result {
            Ok(receipt) => {
                tally.stored += 1;
                progress.add(1);
                on_receipt.stored(place.number, &receipt);
            }
            Err(why) => {
                failed.store(true, Ordering::Relaxed);
                tally.add(place, why);
            }
        }
    }
    tally.report();
    (tally, on_receipt.end())
}
