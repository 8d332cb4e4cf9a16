//! What consumers and readers have in common.

use std::time::Duration;

use stargate_core::{Message, Result, blocking};

use crate::error::{stargate_error, stargate_status};
use crate::message::{self, stargate_message};
use crate::util::boundary::{Out, enter_receive, invalid};
use crate::util::time;

/// Waits for the first message, and gives up to `max` that are there.
///
/// # Safety
/// `out` is NULL or has `max` places; `out_count` and `error` are NULL or may be written.
pub(crate) unsafe fn receive_many<F>(
    max: usize,
    timeout_ms: i64,
    out: *mut *mut stargate_message,
    out_count: *mut usize,
    error: *mut *mut stargate_error,
    take: impl FnOnce(usize) -> Result<F>,
) -> stargate_status
where
    F: Future<Output = Result<Vec<Message>>>,
{
    // SAFETY: the caller's promise; of `out` no more than `max` places are written.
    unsafe {
        enter_receive(error, || {
            let out_count = Out::new(out_count, 0, "out_count")?;
            if out.is_null() {
                return Err(invalid("out is NULL"));
            }
            if max == 0 {
                return Err(invalid("max is 0: expected 1 message at least"));
            }
            let timeout: Option<Duration> = time::timeout(timeout_ms)?;
            let messages = blocking::wait(take(max)?, timeout)?;
            out_count.set(messages.len());
            for (index, message) in messages.into_iter().enumerate() {
                out.add(index).write(message::into_raw(message));
            }
            Ok(())
        })
    }
}
