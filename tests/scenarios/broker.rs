//! The broker under a scenario, whichever it is.

use std::io::{Read, Write};
use std::net::TcpStream;

use stargate_core::Options;
use stargate_core::blocking::Client;
use stargate_core::mock::{Mock, MockOptions};

use crate::waiting::unique;

pub(crate) struct Broker {
    pub(crate) url: String,
    /// Keeps the mock running.
    _mock: Option<Mock>,
}

impl Broker {
    pub(crate) fn mock() -> Broker {
        let mock = Mock::start(MockOptions::default()).expect("the mock starts");
        Broker { url: mock.url(), _mock: Some(mock) }
    }

    pub(crate) fn real() -> Broker {
        let url = std::env::var("PULSAR_URL").expect("PULSAR_URL is the WebSocket URL of a broker, ws://host:port");
        Broker { url, _mock: None }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.url, Options::new()).expect("the URL is right")
    }

    /// A topic that nobody has used.
    pub(crate) fn topic(&self) -> String {
        format!("persistent://public/default/{}", unique("topic"))
    }

    fn admin(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let host = self.url.strip_prefix("ws://").expect("the plain broker");
        let mut stream = TcpStream::connect(host).expect("the REST API is there");
        let length = body.len();
        write!(
            stream,
            "{method} /admin/v2/{path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
        .expect("the request is written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer comes");
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
        (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }

    fn change(&self, method: &str, path: &str, body: &str) {
        let (status, answer) = self.admin(method, path, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
    }

    /// The namespace `public/{name}`, made for one scenario.
    pub(crate) fn namespace(&self) -> String {
        let namespace = format!("public/{}", unique("ns"));
        self.change("PUT", &format!("namespaces/{namespace}"), "");
        namespace
    }

    pub(crate) fn deduplicate(&self, namespace: &str) {
        self.change("POST", &format!("namespaces/{namespace}/deduplication"), "true");
    }

    pub(crate) fn partitioned_topic(&self, partitions: u32) -> String {
        let topic = self.topic();
        self.change("PUT", &format!("{}/partitions", path(&topic)), &partitions.to_string());
        topic
    }

    pub(crate) fn grow(&self, topic: &str, partitions: u32) {
        self.change("POST", &format!("{}/partitions", path(topic)), &partitions.to_string());
    }

    /// Has topics of a namespace created on demand with so many partitions.
    pub(crate) fn create_partitioned_on_demand(&self, namespace: &str, partitions: u32) {
        let policy = format!(
            r#"{{"allowAutoTopicCreation":true,"topicType":"partitioned","defaultNumPartitions":{partitions}}}"#
        );
        self.change("POST", &format!("namespaces/{namespace}/autoTopicCreation"), &policy);
    }

    pub(crate) fn terminate(&self, topic: &str) {
        self.change("POST", &format!("{}/terminate", path(topic)), "");
    }

    pub(crate) fn subscriptions(&self, topic: &str) -> Vec<String> {
        let (status, answer) = self.admin("GET", &format!("{}/subscriptions", path(topic)), "");
        assert_eq!(status, 200, "{answer}");
        serde_json::from_str(&answer).expect("a list")
    }

    /// Messages that a subscription has not acknowledged.
    pub(crate) fn backlog(&self, topic: &str, subscription: &str) -> u64 {
        let (status, answer) = self.admin("GET", &format!("{}/stats?getPreciseBacklog=true", path(topic)), "");
        assert_eq!(status, 200, "{answer}");
        let stats: serde_json::Value = serde_json::from_str(&answer).expect("statistics");
        stats["subscriptions"][subscription]["msgBacklog"].as_u64().expect("the subscription is there")
    }

    /// How many producers and consumers the broker has on a topic.
    pub(crate) fn attached(&self, topic: &str) -> usize {
        let (status, answer) = self.admin("GET", &format!("{}/stats", path(topic)), "");
        if status == 404 {
            return 0;
        }
        let stats: serde_json::Value = serde_json::from_str(&answer).expect("statistics");
        let producers = stats["publishers"].as_array().map_or(0, Vec::len);
        let of = |subscription: &serde_json::Value| subscription["consumers"].as_array().map_or(0, Vec::len);
        producers + stats["subscriptions"].as_object().map_or(0, |all| all.values().map(of).sum())
    }
}

fn path(topic: &str) -> String {
    topic.replace("://", "/")
}
