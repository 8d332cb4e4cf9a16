//! Finds out whether a message that the broker dropped as a duplicate is stored, from the newest messages in the topic and
//! from what the broker notes of older ones.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};

use crate::admin::{Admin, InternalStats};
use crate::client::inner::ClientInner;
use crate::error::Result;
use crate::options::{InitialPosition, Resolved};
use crate::proto::producer::DOUBT;
use crate::topic::TopicName;

/// How many entries, the newest first, are searched for one of the producer's: those that the broker may not have noted
/// yet (`brokerDeduplicationEntriesInterval`).
const DEPTH: usize = 1000;

/// Where the broker notes the highest sequence id of every producer. It deletes no entry that it has not noted.
const NOTES: &str = "pulsar.dedup";

/// How many entries are read at a time.
const AT_ONCE: usize = 8;

/// The pause after a broker that cannot answer; its topic may be moving to another one.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(100);

/// Checks the duplicates of one producer name.
#[derive(Clone)]
pub(crate) struct Duplicates {
    admin: Admin,
    topic: Arc<TopicName>,
    name: Arc<str>,
}

impl Duplicates {
    pub(crate) fn new(client: &Arc<ClientInner>, options: &Resolved, topic: &Arc<TopicName>) -> Result<Duplicates> {
        let name = options.name.as_deref().unwrap_or_default().into();
        Ok(Duplicates { admin: Admin::advisor(client, options)?, topic: topic.clone(), name })
    }

    /// Returns whether the newest message under the name has one of the sequence ids `ids` of this run. It is false if
    /// that message has a higher one. It is `None` if it has a lower one, if there is none, or if the REST API does not
    /// answer in time.
    pub(crate) async fn are_stored(&self, ids: RangeInclusive<i64>) -> Option<bool> {
        let newest = tokio::time::timeout(DOUBT, self.newest(*ids.start())).await.ok()??;
        Some(ids.contains(&newest))
    }

    /// Returns the sequence id of the newest message under the name that is at least `least`. What the broker noted is
    /// read before the entries, which takes longer, and after them, because it notes what it stores a moment later.
    async fn newest(&self, least: i64) -> Option<i64> {
        let topic = self.topic.to_string();
        let stats = || retried(|| self.admin.internal_stats(&topic));
        let noted = |stats: InternalStats| {
            let id = *stats.cursors.get(NOTES)?.properties.get(&*self.name)?;
            (id >= least).then_some(id)
        };
        let before = stats().await?;
        let stored = before.number_of_entries;
        if let Some(id) = noted(before) {
            return Some(id);
        }
        // Counted from the first entry, because more of them may be stored meanwhile.
        let positions = stream::iter((1..=stored).rev().take(DEPTH));
        let mut entries = positions
            .map(|position| {
                let topic = &topic;
                retried(move || self.admin.examine_message(topic, InitialPosition::Earliest, position))
            })
            .buffered(AT_ONCE);
        // Entries that every subscription acknowledged may be deleted meanwhile, all of them too.
        while let Some(Some(Some(entry))) = entries.next().await {
            if let Some(newest) = entry.last().filter(|newest| newest.producer_name() == &*self.name) {
                return Some(newest.sequence_id()).filter(|id| *id >= least);
            }
        }
        noted(stats().await?)
    }
}

/// Asks until there is an answer; returns `None` if there can be none.
async fn retried<T, F: Future<Output = Result<T>>>(ask: impl Fn() -> F) -> Option<T> {
    loop {
        match ask().await {
            Ok(answer) => return Some(answer),
            Err(error) if !error.is_retriable() => return None,
            Err(_) => tokio::time::sleep(BETWEEN_ATTEMPTS).await,
        }
    }
}
