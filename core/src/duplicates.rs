//! Finds out whether a message that the broker dropped as a duplicate is stored, from the newest messages in the topic.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::admin::Admin;
use crate::client::inner::ClientInner;
use crate::error::Result;
use crate::options::{InitialPosition, Resolved};
use crate::proto::producer::DOUBT;
use crate::topic::TopicName;

/// How many entries, the newest first, are searched for one of the producer's.
const DEPTH: usize = 1000;

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
        let newest = tokio::time::timeout(DOUBT, self.newest()).await.ok()??;
        (newest >= *ids.start()).then(|| ids.contains(&newest))
    }

    /// Returns the sequence id of the newest message under the name.
    async fn newest(&self) -> Option<i64> {
        let topic = self.topic.to_string();
        let stored = retried(|| self.admin.internal_stats(&topic)).await?.number_of_entries;
        // Counted from the first entry, because more of them may be stored meanwhile.
        for position in (1..=stored).rev().take(DEPTH) {
            let entry = retried(|| self.admin.examine_message(&topic, InitialPosition::Earliest, position)).await??;
            if let Some(newest) = entry.last().filter(|newest| newest.producer_name() == &*self.name) {
                return Some(newest.sequence_id());
            }
        }
        None
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
