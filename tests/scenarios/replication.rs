//! Two standalone clusters that replicate a namespace to each other, set up through REST alone.
//!
//! Needs what `pulsar.py run --remote` offers; `python3 tests/suites.py replication` starts it.

mod waiting;

use std::sync::Mutex;
use std::time::Duration;

use serde_json::json;
use stargate_core::admin::TenantInfo;
use stargate_core::blocking::{Client, Consumer};
use stargate_core::{ErrorKind, InitialPosition, Message, Options, OutgoingMessage};

use waiting::{PATIENCE, eventually, unique};

/// The name of each cluster, and the prefix of its variables.
const CLUSTERS: [(&str, &str); 2] = [("standalone", "PULSAR_"), ("remote", "PULSAR_REMOTE_")];

fn variable(prefix: &str, name: &str) -> String {
    let name = format!("{prefix}{name}");
    std::env::var(&name).unwrap_or_else(|_| panic!("{name} is set by pulsar.py run --remote"))
}

/// Two clusters with a client of each, and a topic in a namespace that they replicate.
struct World {
    clients: [Client; 2],
    topic: String,
}

impl World {
    fn new() -> World {
        // Two tests at once would both find that the clusters do not know each other.
        static SETUP: Mutex<()> = Mutex::new(());
        let _one = SETUP.lock();
        let clients = CLUSTERS
            .map(|(_, prefix)| Client::new(&variable(prefix, "URL"), Options::new()).expect("the options are right"));
        let names: Vec<String> = CLUSTERS.iter().map(|(name, _)| (*name).to_owned()).collect();
        let (tenant, namespace) = (unique("geo"), unique("ns"));
        let namespace = format!("{tenant}/{namespace}");
        for (here, client) in clients.iter().enumerate() {
            let admin = client.admin();
            let put = |method: &str, path: &str, body: &serde_json::Value| {
                admin.request(method, path, Some(&body.to_string())).expect("the broker does it")
            };
            let (other, prefix) = CLUSTERS[1 - here];
            let addresses = json!({
                "serviceUrl": variable(prefix, "HTTP_URL"),
                "brokerServiceUrl": variable(prefix, "BINARY_URL"),
            });
            // The other test may have named it before.
            let known = admin.request("GET", &format!("/admin/v2/clusters/{other}"), None).is_ok();
            put(if known { "POST" } else { "PUT" }, &format!("/admin/v2/clusters/{other}"), &addresses);
            let allowed = TenantInfo { allowed_clusters: names.clone(), ..TenantInfo::default() };
            admin.create_tenant(&tenant, &allowed).expect("the tenant is made");
            admin.create_namespace(&namespace, None).expect("the namespace is made");
            put("POST", &format!("/admin/v2/namespaces/{namespace}/replication"), &json!(names));
        }
        World { clients, topic: format!("persistent://{namespace}/orders") }
    }

    fn consumer(&self, cluster: usize) -> Consumer {
        let earliest = Options::new().initial_position(InitialPosition::Earliest);
        self.clients[cluster].consumer(&self.topic, "s", earliest).expect("the consumer opens")
    }

    /// Sends messages to a cluster.
    fn send(&self, cluster: usize, messages: impl IntoIterator<Item = OutgoingMessage>) {
        let producer = self.clients[cluster].producer(&self.topic, Options::new()).expect("the producer opens");
        for message in messages {
            producer.send(message, Some(PATIENCE)).expect("it is stored");
        }
    }
}

/// Receives and acknowledges so many messages.
fn receive(consumer: &Consumer, count: usize) -> Vec<Message> {
    let next = |_| {
        let message = consumer.receive(Some(PATIENCE)).expect("a message is replicated");
        consumer.ack(&message).expect("the consumer lives");
        message
    };
    (0..count).map(next).collect()
}

fn texts(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| std::str::from_utf8(message.payload()).expect("text")).collect()
}

#[test]
#[ignore = "needs two clusters, at PULSAR_URL and PULSAR_REMOTE_URL"]
fn a_message_arrives_whole_in_the_other_cluster_and_names_its_origin() {
    let world = World::new();
    for (here, (name, _)) in CLUSTERS.iter().enumerate() {
        let (near, far) = (world.consumer(here), world.consumer(1 - here));
        let sent = format!("from {name}");
        world.send(here, [OutgoingMessage::new(sent.clone()).key("k").property("p", "q").event_time_ms(1_000)]);
        for (cluster, consumer, origin) in [(here, &near, None), (1 - here, &far, Some(*name))] {
            let message = consumer.receive(Some(PATIENCE)).expect("it is there");
            assert_eq!((texts(std::slice::from_ref(&message))[0], message.key()), (sent.as_str(), Some("k")));
            assert_eq!((message.properties()["p"].as_str(), message.event_time_ms()), ("q", Some(1_000)));
            // Only the REST API shows where a message is from.
            let stored = world.clients[cluster].admin().peek(&world.topic, "s", 1).expect("it is stored");
            assert_eq!(stored[0].replicated_from(), origin, "in cluster {cluster}");
            consumer.ack(&message).expect("the consumer lives");
        }
        // It does not come back from there.
        let again = near.receive(Some(Duration::from_secs(1))).map_err(|error| error.kind());
        assert!(matches!(again, Err(ErrorKind::Timeout)), "{again:?}");
    }
}

#[test]
#[ignore = "needs two clusters, at PULSAR_URL and PULSAR_REMOTE_URL"]
fn a_message_goes_where_its_sender_says() {
    let world = World::new();
    let (near, far) = (world.consumer(0), world.consumer(1));
    // Replication keeps the order, so what is not there before the last message never arrives.
    let messages = [
        OutgoingMessage::new("nowhere").disable_replication(),
        OutgoingMessage::new("here").replication_clusters(["standalone"]),
        OutgoingMessage::new("there").replication_clusters(["remote"]),
        OutgoingMessage::new("everywhere"),
    ];
    world.send(0, messages);
    assert_eq!(texts(&receive(&near, 4)), ["nowhere", "here", "there", "everywhere"]);
    assert_eq!(texts(&receive(&far, 2)), ["there", "everywhere"]);
    eventually("all is acknowledged", || far.backlog().is_ok_and(|left| left == 0));
}
