//! One component of a supervisor: opened, watched, and reopened when it fails.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::registry::RegistryKey;
use crate::consumer::Consumer;
use crate::error::{Error, Result};
use crate::log::{Level, Log};
use crate::producer::Producer;
use crate::reader::Reader;

/// The wait before a failed component is reopened.
const RESTART_AFTER: Duration = Duration::from_millis(500);

/// The handle of a component, as it is open now.
#[derive(Clone)]
pub(super) enum Handle {
    Producer(Producer),
    Consumer(Consumer),
    Reader(Reader),
}

impl Handle {
    /// Waits until it ends; returns the error if it failed, `None` if it was closed.
    async fn failed(&self) -> Option<Error> {
        match self {
            Handle::Producer(producer) => producer.failed().await,
            Handle::Consumer(consumer) => consumer.failed().await,
            Handle::Reader(reader) => reader.failed().await,
        }
    }
}

pub(super) type Opening = Pin<Box<dyn Future<Output = Result<Handle>> + Send>>;
pub(super) type Open = Arc<dyn Fn() -> Opening + Send + Sync>;

/// Watches one component and reopens it.
pub(super) struct Watch {
    pub(super) key: RegistryKey,
    pub(super) open: Open,
    pub(super) current: watch::Sender<Result<Handle>>,
    pub(super) max_restarts: usize,
    pub(super) window: Duration,
    pub(super) log: Log,
}

impl Watch {
    pub(super) async fn run(self, mut handle: Handle, mut closing: watch::Receiver<bool>) {
        let mut restarts = VecDeque::new();
        loop {
            let failed = tokio::select! {
                failed = handle.failed() => failed,
                _ = closing.wait_for(|closing| *closing) => None,
            };
            // Closed by the application, or with the supervisor.
            let Some(mut error) = failed else { return };
            handle = loop {
                self.log.write(Level::Error, &format!("{} failed: {error}", self.key));
                let now = Instant::now();
                restarts.retain(|at| now.duration_since(*at) < self.window);
                if restarts.len() >= self.max_restarts {
                    let often = format!("gave up {} after {} restarts", self.key, restarts.len());
                    self.log.write(Level::Error, &often);
                    let _ = self.current.send_replace(Err(error));
                    return;
                }
                restarts.push_back(now);
                let _ = self.current.send_replace(Err(error.clone()));
                let opened = async {
                    tokio::time::sleep(RESTART_AFTER).await;
                    (self.open)().await
                };
                let opened = tokio::select! {
                    opened = opened => opened,
                    _ = closing.wait_for(|closing| *closing) => return,
                };
                match opened {
                    Ok(handle) => {
                        self.log.write(Level::Warn, &format!("{} was restarted", self.key));
                        let _ = self.current.send_replace(Ok(handle.clone()));
                        break handle;
                    }
                    Err(again) => error = again,
                }
            };
        }
    }
}
