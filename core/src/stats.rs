//! Counters of a handle, which are always on, and the totals of a client.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only its handle changes and any thread can read.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn sub(&self, count: u64) {
        self.0.fetch_sub(count, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Combines the values of two handles: counts and gauges are added, a time is the later one.
fn sum(left: u64, right: u64) -> u64 {
    left.saturating_add(right)
}

fn latest(left: u64, right: u64) -> u64 {
    left.max(right)
}

/// Returns what remains of a count after its handle is gone; of a gauge, nothing.
fn stays(count: u64) -> u64 {
    count
}

fn goes(_gauge: u64) -> u64 {
    0
}

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident: $add:ident, $after:ident;)+) => {
        #[derive(Debug, Default)]
        pub(crate) struct Counters { $(pub(crate) $name: Counter),+ }

        /// A snapshot of the counters of a producer, consumer or reader, or of all handles that a client opened. Counts
        /// cover the time since it was opened.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Stats { $($(#[doc = $doc])+ pub $name: u64),+ }

        /// Each counter with its meaning.
        const MEANINGS: &[(&str, &str)] = &[$((stringify!($name), concat!($($doc),+))),+];

        impl Counters {
            pub(crate) fn snapshot(&self) -> Stats {
                Stats { $($name: self.$name.get()),+ }
            }
        }

        impl Stats {
            fn plus(self, other: Stats) -> Stats {
                Stats { $($name: $add(self.$name, other.$name)),+ }
            }

            /// Returns the values that still count after the handle is gone.
            fn without_gauges(self) -> Stats {
                Stats { $($name: $after(self.$name)),+ }
            }

            /// Returns the counters as a JSON object, with the names of the fields.
            pub fn to_json(&self) -> String {
                let mut map = serde_json::Map::new();
                $(map.insert(stringify!($name).into(), self.$name.into());)+
                serde_json::Value::Object(map).to_string()
            }
        }
    };
}

counters! {
    /// Messages written for the first time.
    sent: sum, stays;
    /// Messages written again after a disconnect.
    resent: sum, stays;
    /// Sends that ended with a receipt.
    receipts: sum, stays;
    /// Sends that ended with an error.
    send_errors: sum, stays;
    /// Gauge: messages accepted and not ended.
    in_flight: sum, goes;
    /// Messages received, redeliveries included.
    received: sum, stays;
    /// Payload bytes received.
    received_bytes: sum, stays;
    /// Payload bytes accepted for sending.
    sent_bytes: sum, stays;
    /// Messages whose acknowledgement was sent.
    acked: sum, stays;
    /// Messages whose negative acknowledgement was sent.
    nacked: sum, stays;
    /// Acknowledgements that were not sent because they could no longer count: their connection is gone, or they were
    /// given twice.
    acks_dropped: sum, stays;
    /// Messages redelivered at or below a cumulative acknowledgement: acknowledged at once, and not delivered.
    covered: sum, stays;
    /// Messages received that could not be decrypted.
    undecryptable: sum, stays;
    /// Messages received with a redelivery count above zero.
    redelivered: sum, stays;
    /// Gauge: messages of the present connections delivered and not acknowledged.
    unacked: sum, goes;
    /// Gauge: in pull mode, messages requested and not delivered yet.
    permits: sum, goes;
    /// Gauge: received messages that wait for the application.
    queued: sum, goes;
    /// Gauge: the bytes of their frames.
    queued_bytes: sum, goes;
    /// Copies of messages stored in the retry letter topic by `reconsume_later`.
    retry_letters: sum, stays;
    /// Copies stored in the dead letter topic after too many calls of `reconsume_later`. Those that the server stores
    /// there itself are not counted.
    dead_letters: sum, stays;
    /// Handlers that failed: an error, an exception or a panic.
    handler_errors: sum, stays;
    /// How often the server's window was full of messages that the application holds unacknowledged.
    stalls: sum, stays;
    /// Messages without a value (tombstones) found to have stopped the server's delivery.
    tombstones: sum, stays;
    /// Connections made.
    connections: sum, stays;
    /// Connections made after the first of each session.
    reconnects: sum, stays;
    /// Frames that do not belong to the protocol.
    malformed: sum, stays;
    /// Frames that belong to the protocol and to nothing that was asked, such as a second receipt.
    unexpected: sum, stays;
    /// Connections made through a proxy.
    proxied_connections: sum, stays;
    /// Connections on which the server agreed to `websocket_compression`.
    compressed_connections: sum, stays;
    /// Bytes read from the connections: WebSocket frames, after compression and before TLS.
    wire_received_bytes: sum, stays;
    /// Bytes written to the connections.
    wire_sent_bytes: sum, stays;
    /// Milliseconds since 1970 UTC of the last pong, 0 before the first.
    last_pong_ms: latest, stays;
}

/// Returns the page `docs/statistics.md`.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Statistics\n\n\
         Producers, consumers and readers always count, at the cost of one addition each. A client returns the sum over\n\
         all handles that it opened, closed ones included. The names are the same in Rust (`stats()`, the fields of\n\
         `Stats`), C (`stargate_producer_stats_json` and its counterparts, a flat JSON object) and Python (`stats()`,\n\
         attributes).\n\n\
         Counts start at 0 when the handle is opened and only grow. A gauge is the present value. A counter that does not\n\
         apply to a handle is 0.\n\n\
         `make docs` generates this page from `core/src/stats.rs`; do not edit it.\n\n\
         | counter | meaning |\n|---|---|\n",
    );
    for (name, meaning) in MEANINGS {
        page += &format!("| `{name}` | {} |\n", meaning.trim());
    }
    page
}

/// The counters of all handles that a client opened.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    handles: Vec<Arc<Counters>>,
    /// The counts of handles that are gone.
    past: Stats,
}

impl Totals {
    pub(crate) fn add(&mut self, counters: &Arc<Counters>) {
        self.settle();
        self.handles.push(counters.clone());
    }

    pub(crate) fn snapshot(&mut self) -> Stats {
        self.settle();
        self.handles.iter().fold(self.past, |sum, counters| sum.plus(counters.snapshot()))
    }

    /// Drops counters that no handle or connection uses any more, and keeps their counts.
    fn settle(&mut self) {
        let past = &mut self.past;
        self.handles.retain(|counters| {
            let lives = Arc::strong_count(counters) > 1;
            if !lives {
                *past = past.plus(counters.snapshot().without_gauges());
            }
            lives
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_snapshot_and_its_json_have_what_was_counted() {
        let counters = Counters::default();
        counters.sent.add(3);
        counters.in_flight.add(2);
        counters.in_flight.sub(1);
        let stats = counters.snapshot();
        assert_eq!((stats.sent, stats.in_flight), (3, 1));
        let json: serde_json::Value = serde_json::from_str(&stats.to_json()).unwrap();
        assert_eq!(json["in_flight"], 1);
    }
    #[test]
    fn a_total_keeps_the_counts_of_handles_that_are_gone_and_not_their_gauges() {
        let mut totals = Totals::default();
        let (gone, here) = (Arc::new(Counters::default()), Arc::new(Counters::default()));
        totals.add(&gone);
        totals.add(&here);
        for counters in [&gone, &here] {
            counters.sent.add(2);
            counters.in_flight.add(1);
        }
        gone.last_pong_ms.set(7);
        here.last_pong_ms.set(5);
        let both = totals.snapshot();
        assert_eq!((both.sent, both.in_flight, both.last_pong_ms), (4, 2, 7));
        drop(gone);
        let one = totals.snapshot();
        assert_eq!((one.sent, one.in_flight, one.last_pong_ms), (4, 1, 7));
        assert_eq!(totals.handles.len(), 1);
    }
}
