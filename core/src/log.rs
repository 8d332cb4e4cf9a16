//! Log records: to `tracing`, and to the sink of a client where it has one.

use std::sync::Arc;

/// The weight of a log record. The numbers are those of C: smaller is more severe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
pub enum Level {
    /// Something failed for good.
    Error = 1,
    /// Something is wrong and is being dealt with, such as a lost connection.
    Warn = 2,
    /// A change of state that an operator wants to see.
    Info = 3,
    /// What a developer wants to see.
    Debug = 4,
}

/// Receives the log records of one client. It is called from threads of the library and must not block.
pub trait LogSink: Send + Sync {
    /// Takes one record; `target` is the topic, or `client`.
    fn log(&self, level: Level, target: &str, text: &str);
}

impl<F: Fn(Level, &str, &str) + Send + Sync> LogSink for F {
    fn log(&self, level: Level, target: &str, text: &str) {
        self(level, target, text);
    }
}

/// Writes the records of one handle.
#[derive(Clone)]
pub(crate) struct Log {
    target: Arc<str>,
    sink: Option<Arc<dyn LogSink>>,
}

impl Log {
    pub(crate) fn new(target: impl Into<Arc<str>>, sink: Option<Arc<dyn LogSink>>) -> Log {
        Log { target: target.into(), sink }
    }

    pub(crate) fn write(&self, level: Level, text: &str) {
        let topic = &*self.target;
        match level {
            Level::Error => tracing::error!(target: "stargate", topic, "{text}"),
            Level::Warn => tracing::warn!(target: "stargate", topic, "{text}"),
            Level::Info => tracing::info!(target: "stargate", topic, "{text}"),
            Level::Debug => tracing::debug!(target: "stargate", topic, "{text}"),
        }
        if let Some(sink) = &self.sink {
            // A sink that panics must not take a socket with it.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| sink.log(level, topic, text)));
        }
    }
}
