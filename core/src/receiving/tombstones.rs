//! Looks for the message over which the proxy fell.
//!
//! The proxy's delivery stops for good at a message without a value, a tombstone, which only native clients send, and
//! nothing on the connection tells. So when a handle has been silent for a while, what comes next in the topic is looked at.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{Receiving, Tells};
use crate::admin::{Admin, Position, StoredMessage};
use crate::error::{Error, ErrorKind, Result};
use crate::message::MessageId;
use crate::status;

/// After this silence the place where the handle is is looked at, and again at this interval.
const SILENCE: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_secs(30);
/// The REST API is not there, or not for us.
const REFUSED: Duration = Duration::from_secs(600);
/// Behind a tombstone there may be more of them.
const NEXT: Duration = Duration::from_secs(1);
/// Most that a look may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A tombstone that holds up a session.
pub(crate) struct Tombstone {
    pub(crate) session: usize,
    pub(crate) id: MessageId,
    /// Why it cannot be passed over without something else.
    pub(crate) stuck: Option<&'static str>,
}

impl Tombstone {
    /// The one in the entry of a subscription, which is passed over as a whole.
    pub(crate) fn of_entry(session: usize, entry: &[StoredMessage]) -> Option<Tombstone> {
        let found = entry.iter().rfind(|message| message.is_null())?;
        let alone = entry.iter().all(StoredMessage::is_null);
        let stuck = (!alone).then_some("it is in a batch with messages that have one");
        Some(Tombstone { session, id: found.message().id().clone(), stuck })
    }
}

/// A consumer or a reader, as it is kept by its owner.
pub(crate) trait Stoppable: Send + Sync + Sized + 'static {
    type Command: Tells;
    fn receiving(&self) -> &Receiving<Self::Command>;
    /// The tombstones that are next in line.
    fn tombstones(&self, admin: &Admin) -> impl Future<Output = Result<Vec<Tombstone>>> + Send;
    fn go(self: &Arc<Self>, to: &Position) -> impl Future<Output = Result<()>> + Send;
}

/// Watches a handle for as long as it lives. Nothing is kept alive meanwhile.
pub(crate) fn watch<H: Stoppable>(handle: &Arc<H>, skips: bool) {
    let weak = Arc::downgrade(handle);
    handle.receiving().client.runtime.spawn(async move {
        let (mut wait, mut received, mut told) = (SILENCE, 0, Vec::new());
        loop {
            tokio::time::sleep(wait).await;
            let Some(handle) = Weak::upgrade(&weak) else { return };
            let receiving = handle.receiving();
            if receiving.status.iter().any(|status| status.borrow().ended.is_some()) {
                return;
            }
            let stats = receiving.counters.snapshot();
            // What waits for the application would be let go with a new beginning.
            let silent = stats.received == received && stats.queued == 0;
            if !silent || !status::are_connected(&receiving.status) {
                (received, wait) = (stats.received, SILENCE);
                continue;
            }
            wait = look(&handle, skips, &mut told).await.unwrap_or_else(|error| {
                receiving.log.write(crate::log::Level::Debug, &format!("no look for tombstones: {error}"));
                if error.is_retriable() { AGAIN } else { REFUSED }
            });
        }
    });
}

/// Looks, tells and, if so wanted, passes over; when to look again.
async fn look<H: Stoppable>(handle: &Arc<H>, skips: bool, told: &mut Vec<MessageId>) -> Result<Duration> {
    let receiving = handle.receiving();
    let found = tokio::time::timeout(PATIENCE, handle.tombstones(&receiving.client.admin())).await;
    let found = found.unwrap_or_else(|_| Err(Error::new(ErrorKind::Timeout, "no answer")))?;
    let new = found.iter().filter(|tombstone| !told.contains(&tombstone.id)).collect::<Vec<_>>();
    for Tombstone { session, id, stuck } in new {
        let what = match stuck {
            Some(why) if skips => format!(", and cannot be skipped: {why}"),
            _ if skips => ", and is skipped".to_owned(),
            _ => "; skip_tombstones or a seek goes on behind it".to_owned(),
        };
        if let Some(reporter) = receiving.reporters[*session].upgrade() {
            reporter.fell(&format!(
                "the server's delivery stopped at message {id}, which has no value (a tombstone){what}"
            ));
        }
    }
    *told = found.iter().map(|tombstone| tombstone.id.clone()).collect();
    let mut wait = AGAIN;
    for tombstone in found.into_iter().filter(|tombstone| skips && tombstone.stuck.is_none()) {
        handle.go(&Position::After(tombstone.id)).await?;
        wait = NEXT;
    }
    Ok(wait)
}
