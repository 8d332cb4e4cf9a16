//! The same without futures.

use std::time::SystemTime;

use super::{Answer, Position, StoredMessage, TopicStats};
use crate::blocking::wait;
use crate::error::Result;
use crate::message::MessageId;

/// As [`crate::Admin`]: each call blocks its thread, for `admin_timeout` at most.
#[derive(Debug, Clone)]
pub struct Admin(crate::Admin);

impl crate::blocking::Client {
    /// As [`crate::Client::admin`].
    pub fn admin(&self) -> Admin {
        Admin(self.as_async().admin())
    }
}

macro_rules! blocking {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)+) => {
        impl Admin {
            /// The same API with futures.
            pub fn as_async(&self) -> &crate::Admin {
                &self.0
            }

            $(#[doc = concat!("As [`crate::Admin::", stringify!($name), "`].")]
            pub fn $name(&self, $($argument: $type),*) -> Result<$result> {
                wait(self.0.$name($($argument),*), None)
            })+
        }
    };
}

blocking! {
    request(method: &str, path: &str, body: Option<&str>) -> Answer;

    partitions(topic: impl AsRef<str>) -> u32;
    last_message_id(topic: impl AsRef<str>) -> Option<MessageId>;
    message_id_at(topic: impl AsRef<str>, time: SystemTime) -> Option<MessageId>;
    topic_stats(topic: impl AsRef<str>) -> TopicStats;

    subscriptions(topic: impl AsRef<str>) -> Vec<String>;
    seek(topic: impl AsRef<str>, subscription: &str, to: &Position) -> ();
    skip(topic: impl AsRef<str>, subscription: &str, count: u64) -> ();
    skip_all(topic: impl AsRef<str>, subscription: &str) -> ();
    peek_entry(topic: impl AsRef<str>, subscription: &str, position: u64) -> Option<Vec<StoredMessage>>;
    peek(topic: impl AsRef<str>, subscription: &str, count: usize) -> Vec<StoredMessage>;
}
