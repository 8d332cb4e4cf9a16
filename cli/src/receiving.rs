//! Receiving in short steps, so that Ctrl-C ends the wait.

use std::time::Duration;

use stargate_core::blocking::{Reader, wait};
use stargate_core::{ErrorKind, Message, Result};

use crate::signal::interrupted;

/// How many messages are taken at a time.
pub(crate) const BATCH: usize = 500;
/// How often to check for Ctrl-C.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// Returns the messages that arrive within a tick; `None` when the topic has ended.
pub(crate) fn within_tick(receive: impl Future<Output = Result<Vec<Message>>>) -> Result<Option<Vec<Message>>> {
    within(receive, TICK)
}

/// Returns the messages that arrive in time; `None` when the topic has ended.
pub(crate) fn within(
    receive: impl Future<Output = Result<Vec<Message>>>,
    limit: Duration,
) -> Result<Option<Vec<Message>>> {
    nothing_or_end(wait(receive, Some(limit)).map(Some))
}

/// Returns the messages before the marked end that are there, at most `room`, and waits up to `limit` for the first;
/// `None` at that end, or when the topic has ended.
pub(crate) fn before_end(reader: &Reader, room: usize, limit: Duration) -> Result<Option<Vec<Message>>> {
    let batch = wait(reader.as_async().receive_many_before_end(room), Some(limit));
    nothing_or_end(batch.map(|batch| Some(batch).filter(|batch| !batch.is_empty())))
}

/// Returns the next message before the marked end; `None` at that end, or at Ctrl-C.
pub(crate) fn next_before_end(reader: &Reader) -> Result<Option<Message>> {
    while !interrupted() {
        match reader.receive_before_end(Some(TICK)) {
            Err(error) if error.kind() == ErrorKind::Timeout => {}
            outcome => return outcome,
        }
    }
    Ok(None)
}

fn nothing_or_end(outcome: Result<Option<Vec<Message>>>) -> Result<Option<Vec<Message>>> {
    match outcome {
        Err(error) if error.kind() == ErrorKind::Timeout => Ok(Some(Vec::new())),
        Err(error) if error.kind() == ErrorKind::EndOfTopic => Ok(None),
        outcome => outcome,
    }
}
