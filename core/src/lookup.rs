//! The two questions that only Pulsar's REST API answers: how many partitions a topic has, and where it ends.
//!
//! A proxy that serves nothing but WebSockets, or a role without rights, gives no answer; then the caller does what
//! can be done without.

use serde::Deserialize;

use crate::client::ClientInner;
use crate::driver::Route;
use crate::driver::transport;
use crate::message::MessageId;
use crate::topic::TopicName;

/// The number of partitions, 0 for a topic without; `None` when it cannot be known.
pub(crate) async fn partitions(client: &ClientInner, route: &Route, topic: &TopicName) -> Option<u32> {
    #[derive(Deserialize)]
    struct Metadata {
        partitions: u32,
    }
    let body = get(client, route, format!("/admin/v2/{}/partitions", topic.path())).await?;
    serde_json::from_slice::<Metadata>(&body).ok().map(|metadata| metadata.partitions)
}

/// The last message of a topic as a position to read on from; `earliest` when it is empty.
pub(crate) async fn last_position(client: &ClientInner, route: &Route, topic: &TopicName) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Last {
        ledger_id: i64,
        entry_id: i64,
        partition_index: i32,
        batch_index: i32,
    }
    let body = get(client, route, format!("/admin/v2/{}/lastMessageId", topic.path())).await?;
    let last: Last = serde_json::from_slice(&body).ok()?;
    if last.entry_id < 0 {
        return Some("earliest".to_owned());
    }
    let id = MessageId::at(last.ledger_id as u64, last.entry_id as u64, last.partition_index, last.batch_index);
    Some(id.as_str().to_owned())
}

/// Asks the hosts in turn until one knows, on the runtime, since the caller may be on no runtime or on another. In a
/// cluster it is the broker that owns the topic, and the others would redirect, which a client with a token does not
/// follow to hosts that it was not told of.
async fn get(client: &ClientInner, route: &Route, path: String) -> Option<Vec<u8>> {
    let (sender, answer) = tokio::sync::oneshot::channel();
    let (hosts, mut access) = (route.hosts.clone(), route.access.clone());
    // An answer is useful and not necessary: it must not hold up the connection that is.
    access.timeout = access.timeout.min(std::time::Duration::from_secs(5));
    client.runtime.spawn(async move {
        for host in hosts {
            if let Ok((200, body)) = transport::get(host, path.clone(), access.clone()).await {
                let _ = sender.send(body);
                return;
            }
        }
    });
    answer.await.ok()
}
