//! Topics and their partitions.

use std::time::SystemTime;

use hyper::Method;
use serde::Deserialize;

use super::stats::TopicStats;
use super::{Admin, JsonId, millis};
use crate::error::Result;
use crate::message::MessageId;

impl Admin {
    /// How many partitions a topic has, 0 for one without. `NotFound` when it does not exist.
    pub async fn partitions(&self, topic: impl AsRef<str>) -> Result<u32> {
        #[derive(Deserialize)]
        struct Metadata {
            partitions: u32,
        }
        let call = self.call_topic("count the partitions of", Method::GET, topic, "/partitions")?;
        call.json::<Metadata>().await.map(|metadata| metadata.partitions)
    }

    /// The id of the last message; `None` when the topic has none. Of a topic with partitions each is to be asked by
    /// itself: `{topic}-partition-0` and so on.
    ///
    /// The entry after a truncation, or of a topic without messages that was loaded anew, is not a message but the place
    /// before the next; a reader that starts after it misses nothing.
    pub async fn last_message_id(&self, topic: impl AsRef<str>) -> Result<Option<MessageId>> {
        let call = self.call_topic("ask for the last message of", Method::GET, topic, "/lastMessageId")?;
        call.json::<JsonId>().await.map(JsonId::into_id)
    }

    /// The id of the first message that was published at `time` or later; if there is none, of the place after the last
    /// message. Of a topic with partitions each is to be asked by itself.
    pub async fn message_id_at(&self, topic: impl AsRef<str>, time: SystemTime) -> Result<Option<MessageId>> {
        let rest = format!("/messageid/{}", millis(time));
        let call = self.call_topic("look for a time in", Method::GET, topic, &rest)?;
        call.json::<JsonId>().await.map(JsonId::into_id)
    }

    /// The statistics of a topic without partitions, or of one partition.
    pub async fn topic_stats(&self, topic: impl AsRef<str>) -> Result<TopicStats> {
        let rest = "/stats?getPreciseBacklog=true";
        self.call_topic("read the statistics of", Method::GET, topic, rest)?.with_raw().await
    }
}
