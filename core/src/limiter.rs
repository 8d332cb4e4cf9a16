//! Limits the background requests of a client's handles to the broker.

use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep_until};

/// The minimum time between the requests of a client.
const GAP: Duration = Duration::from_millis(100);

/// Limits the background requests of all handles of a client: one check at a time, and a maximum rate of requests.
#[derive(Default)]
pub(crate) struct RateLimiter {
    looking: Mutex<()>,
    asked: Mutex<Option<Instant>>,
}

impl RateLimiter {
    /// Waits until no other handle is checking. The guard ends the check.
    pub(crate) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.looking.lock().await
    }

    /// Waits until the next request is allowed.
    pub(crate) async fn ask(&self) {
        let mut asked = self.asked.lock().await;
        if let Some(last) = *asked {
            sleep_until(last + GAP).await;
        }
        *asked = Some(Instant::now());
    }
}
