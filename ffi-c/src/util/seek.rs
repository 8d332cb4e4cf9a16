//! Positions in a topic, and the calls of consumers and readers about them.

use std::ffi::c_char;

use stargate_core::admin::Position;
use stargate_core::{Consumer, MessageId, Reader, Result, blocking};

use crate::error::{stargate_error, stargate_status};
use crate::util::boundary::{self, Out, enter, invalid};
use crate::util::handle::{Handle, OfProcess};
use crate::util::handle_ops::{self, Opened};
use crate::util::time;
use crate::util::values::owned_string;

/// A handle of the core that can go elsewhere in its topic.
pub(crate) trait Seeks: Opened {
    fn seek(&self, to: &Position) -> impl Future<Output = Result<()>>;
    fn last_message_ids(&self) -> impl Future<Output = Result<Vec<MessageId>>>;
}

macro_rules! seeks {
    ($($type:ident)+) => {$(
        impl Seeks for $type {
            fn seek(&self, to: &Position) -> impl Future<Output = Result<()>> {
                $type::seek(self, to)
            }

            fn last_message_ids(&self) -> impl Future<Output = Result<Vec<MessageId>>> {
                $type::last_message_ids(self)
            }
        }
    )+};
}

seeks! { Consumer Reader }

/// Parses "earliest", "latest" or a message id; with `after`, the position after that message.
pub(crate) fn position_of(text: &str, after: i32) -> Result<Position> {
    match (text, after) {
        ("earliest", 0) => Ok(Position::Earliest),
        ("latest", 0) => Ok(Position::Latest),
        ("earliest" | "latest", _) => Err(invalid(format!("after: expected 0 with {text}"))),
        (id, 0) => id.parse().map(Position::At),
        (id, _) => id.parse().map(Position::After),
    }
}

/// # Safety
/// `handle` is NULL or live, `position` NULL or a text; `error` is NULL or may be written.
pub(crate) unsafe fn seek<H, T>(
    handle: *const H,
    position: *const c_char,
    after: i32,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status
where
    H: Handle<Inner = OfProcess<T>>,
    T: Seeks + 'static,
{
    // SAFETY: the caller's promise.
    unsafe {
        enter(error, || {
            let handle = handle_ops::of(handle)?;
            let position = position_of(boundary::text(position, "position")?, after)?;
            blocking::wait(handle.seek(&position), time::timeout(timeout_ms)?)
        })
    }
}

/// # Safety
/// As [`seek`].
pub(crate) unsafe fn seek_time<H, T>(
    handle: *const H,
    time_ms: i64,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status
where
    H: Handle<Inner = OfProcess<T>>,
    T: Seeks + 'static,
{
    // SAFETY: the caller's promise.
    unsafe {
        enter(error, || {
            let handle = handle_ops::of(handle)?;
            let position = Position::Time(time::since_epoch("time_ms", time_ms)?);
            blocking::wait(handle.seek(&position), time::timeout(timeout_ms)?)
        })
    }
}

/// # Safety
/// As [`seek`]; `out` is NULL or may be written.
pub(crate) unsafe fn last_message_ids_json<H, T>(
    handle: *const H,
    timeout_ms: i64,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status
where
    H: Handle<Inner = OfProcess<T>>,
    T: Seeks + 'static,
{
    // SAFETY: the caller's promise.
    unsafe {
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let ids = blocking::wait(handle_ops::of(handle)?.last_message_ids(), time::timeout(timeout_ms)?)?;
            let quoted: Vec<String> = ids.iter().map(|id| format!("\"{}\"", id.as_str())).collect();
            out.set(owned_string(&format!("[{}]", quoted.join(",")))?);
            Ok(())
        })
    }
}
