//! Checks for the tombstone at which the proxy's delivery stopped.
//!
//! The proxy's delivery stops for good at a message without a value, a tombstone, which only native clients send.
//! Nothing on the connection reports it. So when a handle has been silent for a while, the client checks the next
//! message of the topic.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::sleep;

use super::{IntoCommand, Receiver};
use crate::admin::{Admin, StoredMessage};
use crate::error::{Error, ErrorKind, Result};
use crate::log::Level;
use crate::message::MessageId;
use crate::options::Resolved;
use crate::status;

/// The factor from the check interval to the wait after a check.
const AGAIN: u32 = 3;
/// More tombstones may follow: after a skipped one the interval is divided by this.
const NEXT: u32 = 10;
/// The wait if the REST API is not available, or refuses this client.
const REFUSED: Duration = Duration::from_secs(600);
/// A tombstone that blocks a session.
pub(crate) struct Tombstone {
    pub(crate) session: usize,
    pub(crate) id: MessageId,
    /// Why the tombstone cannot be skipped by itself.
    pub(crate) stuck: Option<&'static str>,
}

impl Tombstone {
    /// Returns the tombstone in the next entry of a subscription; an entry is skipped as a whole.
    pub(crate) fn of_entry(session: usize, entry: &[StoredMessage]) -> Option<Tombstone> {
        let found = entry.iter().rfind(|message| message.is_null())?;
        let alone = entry.iter().all(StoredMessage::is_null);
        let stuck = (!alone).then_some("it is in a batch with messages that have one");
        Some(Tombstone { session, id: found.message().id().clone(), stuck })
    }
}

/// A consumer or a reader, as its owner holds it.
pub(crate) trait TombstoneWatched: Send + Sync + Sized + 'static {
    type Command: IntoCommand;
    fn receiver(&self) -> &Receiver<Self::Command>;
    /// Returns the tombstones that are next in line.
    fn tombstones(&self, admin: &Admin) -> impl Future<Output = Result<Vec<Tombstone>>> + Send;
    fn skip_past(self: &Arc<Self>, tombstone: MessageId) -> impl Future<Output = Result<()>> + Send;
}

/// Watches a handle for as long as it lives, if configured. The task does not keep the handle alive.
pub(crate) fn watch<H: TombstoneWatched>(handle: &Arc<H>, options: &Resolved) {
    let interval = options.tombstone_check_interval;
    if interval.is_zero() {
        return;
    }
    let (watched, skips) = (Arc::downgrade(handle), options.skip_tombstones);
    let receiver = handle.receiver();
    let limiter = receiver.client.limiter.clone();
    let mut silence = Silence::default();
    receiver.client.runtime.spawn(async move {
        let (mut wait, mut reported) = (interval, Vec::new());
        loop {
            sleep(jittered(wait)).await;
            wait = interval;
            match silence.of(&watched) {
                Some(true) => {}
                Some(false) => continue,
                None => return,
            }
            // The turn may take long, and the handle may be dropped or active again by then.
            let _turn = limiter.turn().await;
            let Some(handle) = Weak::upgrade(&watched).filter(|_| silence.of(&watched) == Some(true)) else { continue };
            let found = check(&handle, skips, &mut reported).await;
            wait = match found {
                Ok(true) => interval / NEXT,
                Ok(false) => interval * AGAIN,
                Err(error) => {
                    let log = &handle.receiver().log;
                    log.write(Level::Debug, &format!("could not check for tombstones: {error}"));
                    if error.is_retriable() { interval * AGAIN } else { REFUSED.max(interval) }
                }
            };
        }
    });
}

/// What a handle had received at its last check.
#[derive(Default)]
struct Silence {
    received: u64,
}

impl Silence {
    /// Returns whether no message arrived since the last call and none is queued; `None` if the handle is gone.
    fn of<H: TombstoneWatched>(&mut self, handle: &Weak<H>) -> Option<bool> {
        let handle = Weak::upgrade(handle)?;
        let receiver = handle.receiver();
        if receiver.status().iter().any(|status| status.borrow().ended.is_some()) {
            return None;
        }
        let stats = receiver.counters.snapshot();
        let before = std::mem::replace(&mut self.received, stats.received);
        // Skipping reconnects, which would drop the queued messages.
        Some(stats.received == before && stats.queued == 0 && status::are_connected(&receiver.status()))
    }
}

/// Reports tombstones and skips them if configured; returns whether it skipped any.
async fn check<H: TombstoneWatched>(handle: &Arc<H>, skips: bool, reported: &mut Vec<MessageId>) -> Result<bool> {
    let receiver = handle.receiver();
    let seeks = *receiver.seeks.lock().await;
    let found = handle.tombstones(&Admin::new(&receiver.client).unhurried()).await?;
    // The lock keeps the application from seeking meanwhile; if it did before, the tombstones found are out of date.
    let since = receiver.seeks.lock().await;
    if *since != seeks {
        return Ok(false);
    }
    let before = std::mem::take(reported);
    for session in 0..receiver.sessions.len() {
        if found.iter().all(|tombstone| tombstone.session != session) {
            receiver.positions.stopped(session, None);
        }
    }
    let mut passed = false;
    for Tombstone { session, id, stuck } in found {
        reported.push(id.clone());
        let what = match stuck {
            Some(why) if skips => format!(", and cannot be skipped: {why}"),
            _ if skips => ", and is skipped".to_owned(),
            _ => "; skip_tombstones or a seek skips it".to_owned(),
        };
        let text = format!("the server's delivery stopped at message {id}, which has no value (a tombstone){what}");
        if !before.contains(&id)
            && let Some(reporter) = receiver.sessions.reporter(session)
        {
            reporter.fell(&text);
        }
        if skips && stuck.is_none() {
            handle.skip_past(id).await?;
            passed = true;
        } else {
            receiver.positions.stopped(session, Some(Error::new(ErrorKind::Broker, text)));
        }
    }
    Ok(passed)
}

/// Adds up to a quarter, so that handles that were opened together do not check together.
fn jittered(wait: Duration) -> Duration {
    // Randomly keyed, which is random enough here.
    let random = RandomState::new().hash_one(());
    wait.mul_f64(1.0 + (random >> 11) as f64 / (1u64 << 53) as f64 / 4.0)
}
