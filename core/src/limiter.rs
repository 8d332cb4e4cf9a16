//! How often the handles of a client ask the broker for what nobody waits for.

use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep_until};

/// Between the requests of a client.
const GAP: Duration = Duration::from_millis(100);

/// Bounds what all handles of a client ask of the broker: one look at a time, and so many requests a second.
#[derive(Default)]
pub(crate) struct RateLimiter {
    looking: Mutex<()>,
    asked: Mutex<Option<Instant>>,
}

impl RateLimiter {
    /// Waits until no other handle looks; the guard ends the look.
    pub(crate) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.looking.lock().await
    }

    /// Waits until one more request may be made.
    pub(crate) async fn ask(&self) {
        let mut asked = self.asked.lock().await;
        if let Some(last) = *asked {
            sleep_until(last + GAP).await;
        }
        *asked = Some(Instant::now());
    }
}
