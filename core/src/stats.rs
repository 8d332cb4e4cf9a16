//! Counters of a handle, always on.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only its handle changes, read from anywhere.
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

macro_rules! counters {
    ($($(#[$doc:meta])+ $name:ident)+) => {
        #[derive(Debug, Default)]
        pub(crate) struct Counters { $(pub(crate) $name: Counter),+ }

        /// The counters of a producer, consumer or reader at one moment. Counts are since it was opened.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Stats { $($(#[$doc])+ pub $name: u64),+ }

        impl Counters {
            pub(crate) fn snapshot(&self) -> Stats {
                Stats { $($name: self.$name.get()),+ }
            }
        }

        impl Stats {
            /// The counters as a JSON object, with the names of the fields.
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
    sent
    /// Messages written again after a disconnect.
    resent
    /// Sends that ended with a receipt.
    receipts
    /// Sends that ended with an error.
    send_errors
    /// Messages accepted and not ended: a gauge.
    in_flight
    /// Messages received, redeliveries included.
    received
    /// Payload bytes received.
    received_bytes
    /// Payload bytes accepted for sending.
    sent_bytes
    /// Messages whose acknowledgement was sent.
    acked
    /// Messages whose negative acknowledgement was sent.
    nacked
    /// Acknowledgements that were not sent, because they could no longer count: their connection is gone, or they were
    /// given twice.
    acks_dropped
    /// Messages received with a redelivery count above zero.
    redelivered
    /// Messages of the present connections delivered and not acknowledged: a gauge.
    unacked
    /// In pull mode, messages asked for and not delivered yet: a gauge.
    permits
    /// Received messages that wait for the application: a gauge.
    queued
    /// The bytes of their frames: a gauge.
    queued_bytes
    /// Handlers that failed: an error, an exception or a panic.
    handler_errors
    /// How often the server's window was full of messages that the application holds unacknowledged.
    stalls
    /// Connections made.
    connections
    /// Connections made after the first of each session.
    reconnects
    /// Frames that do not belong to the protocol.
    malformed
    /// Frames that belong to the protocol and to nothing that was asked, such as a second receipt.
    unexpected
    /// Milliseconds since 1970 UTC of the last pong, 0 before the first.
    last_pong_ms
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
}
