//! A new subscription that is to begin at the earliest message, on a proxy that ignores the option.
//!
//! The WebSocket API knows `subscriptionInitialPosition` since Pulsar 4.0. A proxy before that ignores it without a word,
//! and the subscription would miss what was stored before. There the client makes it through the REST API first.

use std::sync::Arc;

use crate::admin::{Admin, Position};
use crate::client::inner::ClientInner;
use crate::error::{ErrorKind, Result};
use crate::options::{InitialPosition, Resolved, SubscriptionMode};
use crate::topic::{Persistence, TopicName};

/// The first major version whose proxies know the parameter.
const KNOWN_SINCE: u32 = 4;

/// Makes the subscription at the earliest message of each topic, where the proxy would not; does nothing where it is there
/// already, and where the REST API does not tell the version.
pub(crate) async fn ensure(
    client: &Arc<ClientInner>,
    topics: &[TopicName],
    subscription: &str,
    options: &Resolved,
) -> Result<()> {
    let earliest = options.initial_position == InitialPosition::Earliest;
    // A subscription that is not durable begins with its consumer, and must not be left behind.
    if !earliest || options.subscription_mode != SubscriptionMode::Durable || topics.is_empty() {
        return Ok(());
    }
    let admin = Admin::advisor(client, options)?;
    let version = client.broker_version.get_or_try_init(|| admin.broker_version()).await;
    if version.ok().and_then(|version| major(version)).is_none_or(|major| major >= KNOWN_SINCE) {
        return Ok(());
    }
    for topic in topics.iter().filter(|topic| topic.persistence() == Persistence::Persistent) {
        match admin.create_subscription(topic.to_string(), subscription, &Position::Earliest).await {
            Err(error) if error.kind() != ErrorKind::Busy => {
                return Err(error.adding(" (proxies before Pulsar 4.0 ignore initial_position, so the subscription is made through the REST API)"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn major(version: &str) -> Option<u32> {
    version.split('.').next()?.parse().ok()
}
