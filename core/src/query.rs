//! The query parameters of a connection: from the options, from the handle, and from the protocol.

use std::fmt;

use crate::topic::percent_encode;

/// Query parameters by the server's names, each at most once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(&'static str, String)>);

/// The names that code sets or unsets; the others stand in the table of options only.
impl Query {
    pub(crate) const COMPRESSION_TYPE: &'static str = "compressionType";
    pub(crate) const CRYPTO_FAILURE_ACTION: &'static str = "cryptoFailureAction";
    pub(crate) const ENCRYPTION_KEYS: &'static str = "encryptionKeys";
    pub(crate) const INITIAL_POSITION: &'static str = "subscriptionInitialPosition";
    pub(crate) const INITIAL_SEQUENCE_ID: &'static str = "initialSequenceId";
    pub(crate) const MAX_PENDING_MESSAGES: &'static str = "maxPendingMessages";
    pub(crate) const MESSAGE_ID: &'static str = "messageId";
    pub(crate) const QUEUE_SIZE: &'static str = "receiverQueueSize";
    pub(crate) const SEND_TIMEOUT: &'static str = "sendTimeoutMillis";
    pub(crate) const TOPICS: &'static str = "topics";
    pub(crate) const TOPICS_PATTERN: &'static str = "topicsPattern";
}

impl Query {
    /// Adds a parameter, or replaces its value.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<String>) {
        let value = value.into();
        match self.0.iter_mut().find(|(other, _)| *other == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    /// Removes a parameter, if it is there.
    pub(crate) fn unset(&mut self, name: &'static str) {
        self.0.retain(|(other, _)| *other != name);
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
    }
}

/// With the `?` in front; nothing when there are no parameters.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            let separator = if index == 0 { '?' } else { '&' };
            write!(f, "{separator}{name}={}", percent_encode(value))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_there_once_or_not_at_all() {
        let mut query = Query::default();
        assert_eq!(query.to_string(), "");
        query.set(Query::TOPICS, "a");
        query.set(Query::QUEUE_SIZE, "7");
        query.set(Query::TOPICS, "a b");
        assert_eq!(query.to_string(), "?topics=a%20b&receiverQueueSize=7");
        query.unset(Query::TOPICS);
        query.unset(Query::MESSAGE_ID);
        assert_eq!((query.get(Query::TOPICS), query.get(Query::QUEUE_SIZE)), (None, Some("7")));
    }
}
