//! The keys under which supervisors hold producers, consumers and readers.

use std::fmt;

use crate::error::Result;
use crate::options::Roles;
use crate::topic::{Persistence, TopicName};

/// The kinds of components of a supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Component {
    /// A producer.
    Producer,
    /// A consumer.
    Consumer,
    /// A reader.
    Reader,
}

impl Component {
    /// Returns the name of this kind in configurations.
    pub fn as_str(self) -> &'static str {
        match self {
            Component::Producer => "producer",
            Component::Consumer => "consumer",
            Component::Reader => "reader",
        }
    }

    pub(super) fn roles(self) -> Roles {
        match self {
            Component::Producer => Roles::PRODUCER,
            Component::Consumer => Roles::CONSUMER,
            Component::Reader => Roles::READER,
        }
    }
}

/// The key under which a supervisor holds a producer, consumer or reader.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegistryKey {
    pub(super) supervisor: String,
    pub(super) component: Component,
    pub(super) topic: TopicName,
    pub(super) subscription: Option<String>,
}

/// Returns the key of the producer of a persistent topic in the supervisor `default`; methods of the key change these.
pub fn registry_key(tenant: &str, namespace: &str, topic: &str) -> Result<RegistryKey> {
    Ok(RegistryKey {
        supervisor: "default".to_owned(),
        component: Component::Producer,
        topic: TopicName::new(Persistence::Persistent, tenant, namespace, topic)?,
        subscription: None,
    })
}

impl RegistryKey {
    /// Creates the key of a component of this supervisor for a topic.
    pub fn new(supervisor: impl Into<String>, component: Component, topic: TopicName) -> RegistryKey {
        RegistryKey { supervisor: supervisor.into(), component, topic, subscription: None }
    }

    /// Sets the name of the supervisor.
    #[must_use]
    pub fn name(mut self, supervisor: impl Into<String>) -> RegistryKey {
        self.supervisor = supervisor.into();
        self
    }

    /// Sets the kind of the component.
    #[must_use]
    pub fn component(mut self, component: Component) -> RegistryKey {
        self.component = component;
        self
    }

    /// Sets whether the topic is persistent.
    pub fn persistence(mut self, persistence: Persistence) -> Result<RegistryKey> {
        let (tenant, namespace, topic) = (self.topic.tenant(), self.topic.namespace(), self.topic.local_name());
        self.topic = TopicName::new(persistence, tenant, namespace, topic)?;
        Ok(self)
    }

    /// Sets the subscription of the consumer. A key without one finds the consumer of a topic that has only one.
    #[must_use]
    pub fn subscription(mut self, subscription: impl Into<String>) -> RegistryKey {
        self.subscription = Some(subscription.into());
        self
    }

    pub(super) fn finds(&self, other: &RegistryKey) -> bool {
        let subscription = self.subscription.is_none() || self.subscription == other.subscription;
        self.component == other.component && self.topic == other.topic && subscription
    }

    /// Returns its parts as a JSON object: `supervisor`, `component`, `topic`, and `subscription` of a consumer.
    pub fn to_json(&self) -> String {
        let mut parts = serde_json::json!({
            "supervisor": self.supervisor,
            "component": self.component.as_str(),
            "topic": self.topic.to_string(),
        });
        if let Some(subscription) = &self.subscription {
            parts["subscription"] = subscription.as_str().into();
        }
        parts.to_string()
    }
}

impl fmt::Display for RegistryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.component.as_str(), self.topic)?;
        if let Some(subscription) = &self.subscription {
            write!(f, " on {subscription}")?;
        }
        write!(f, " in supervisor {:?}", self.supervisor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_without_subscription_finds_any() {
        let key = registry_key("a", "b", "c").unwrap().component(Component::Consumer);
        assert!(key.finds(&key.clone().subscription("s")));
        assert!(!key.clone().subscription("r").finds(&key.clone().subscription("s")));
        assert!(!key.finds(&key.clone().component(Component::Reader)));
    }
}
