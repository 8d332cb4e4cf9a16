//! What the launcher offers: the cluster's addresses, and a way to kill its parts.

use std::process::Command;
use std::time::Duration;

use stargate_core::Options;
use stargate_core::admin::Retention;
use stargate_core::blocking::Client;

use crate::waiting::unique;

pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is set by pulsar.py run --brokers 2 --proxies 2"))
}

/// The value of a variable that sets how much a test does.
pub(crate) fn number_of(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The hosts of a list of `ws://` addresses as one URL.
pub(crate) fn together(addresses: &str) -> String {
    format!("ws://{}", addresses.replace("ws://", ""))
}

pub(crate) fn brokers() -> Vec<String> {
    variable("PULSAR_BROKER_URLS").split(',').map(str::to_owned).collect()
}

pub(crate) fn proxies() -> Vec<String> {
    variable("PULSAR_PROXY_URLS").split(',').map(str::to_owned).collect()
}

pub(crate) fn control(what: &str) {
    let command = format!("{} {what} --state '{}' >/dev/null", variable("PULSAR_CTL"), variable("PULSAR_STATE"));
    assert!(Command::new("sh").args(["-c", &command]).status().expect("a shell").success(), "{command}");
}

pub(crate) fn client(url: &str) -> Client {
    // The server's idle timeout is 15 s here.
    let quick = Options::new()
        .backoff_max(Duration::from_millis(500))
        .ping_interval(Duration::from_secs(5))
        .pong_timeout(Duration::from_secs(5));
    Client::new(url, quick).expect("the options are right")
}

/// A client of the brokers' REST API, which asks another broker when one is away.
pub(crate) fn administrator() -> Client {
    client(&together(&variable("PULSAR_BROKER_URLS")))
}

/// Which broker serves `topic`, counted from 0.
pub(crate) fn owner(admin: &Client, topic: &str) -> usize {
    let path = format!("/lookup/v2/topic/persistent/{}", topic.trim_start_matches("persistent://"));
    let answer = admin.admin().request("GET", &path, None).expect("some broker knows the owner");
    let port = |url: &str| url.trim_end_matches('/').rsplit(':').next().map(str::to_owned);
    let found: serde_json::Value = serde_json::from_slice(&answer.body).expect("a look-up answers JSON");
    let wanted = port(found["httpUrl"].as_str().expect("the owner has an address"));
    brokers().iter().position(|url| port(url) == wanted).expect("the owner is one of ours")
}

/// A namespace of its own, in which the broker drops duplicates, in a few bundles that both brokers share. It keeps what is
/// acknowledged for readers, which have no subscription that would hold it while they are disconnected.
pub(crate) fn namespace(admin: &Client) -> String {
    let namespace = format!("public/{}", unique("cluster"));
    admin.admin().create_namespace(&namespace, Some(4)).expect("the namespace is made");
    admin.admin().set_deduplication(&namespace, true).expect("the policy is set");
    let all = Retention { time_in_minutes: -1, size_in_mb: -1 };
    admin.admin().set_retention(&namespace, &all).expect("the policy is set");
    namespace
}
