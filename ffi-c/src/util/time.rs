//! `timeout_ms` of C: -1 waits without limit, 0 does not wait.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use stargate_core::{ErrorKind, Result};

use crate::util::boundary::{count, invalid};

/// For calls that need a limit: as good as none, and small enough to be added to any clock.
const AGES: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// `None` is without limit.
pub(crate) fn timeout(timeout_ms: i64) -> Result<Option<Duration>> {
    match u64::try_from(timeout_ms) {
        Ok(millis) => Ok(Some(Duration::from_millis(millis).min(AGES))),
        Err(_) if timeout_ms == -1 => Ok(None),
        Err(_) => Err(invalid(format!("timeout_ms is {timeout_ms}: expected -1 (no limit), 0 (do not wait) or more"))),
    }
}

/// Returns a timeout for calls that always need one.
pub(crate) fn limit(timeout_ms: i64) -> Result<Duration> {
    Ok(timeout(timeout_ms)?.unwrap_or(AGES))
}

/// Returns a length of time.
pub(crate) fn seconds(parameter: &str, seconds: i64) -> Result<Duration> {
    Ok(Duration::from_secs(count(parameter, seconds)?))
}

/// Returns a moment, in milliseconds since 1970.
pub(crate) fn since_epoch(parameter: &str, millis: i64) -> Result<SystemTime> {
    Ok(UNIX_EPOCH + Duration::from_millis(count(parameter, millis)?))
}

/// What every `_free` does before it lets a handle go: close with no time to linger, then wait for callbacks that run,
/// so that none of them uses what is gone. In such a callback itself this does not wait.
pub(crate) fn close_for_good(close: impl Fn(Duration) -> Result<()>) {
    if close(Duration::ZERO).is_err_and(|error| error.kind() == ErrorKind::Timeout) {
        let _ = close(AGES);
    }
}
