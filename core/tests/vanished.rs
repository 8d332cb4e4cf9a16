//! A connection that vanishes: the server holds the subscription and the producer's name for it until it notices. The
//! client waits, and says what for.
#![cfg(feature = "mock")]

#[path = "../../tests/scenarios/black_hole.rs"]
mod black_hole;
#[path = "../../tests/scenarios/waiting.rs"]
mod waiting;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use black_hole::BlackHole;
use stargate_core::blocking::Client;
use stargate_core::mock::{Mock, MockOptions};
use stargate_core::{ErrorKind, Options, StateChange, SubscriptionType};
use waiting::{PATIENCE, eventually};

const SETTING: &str = "webSocketSessionIdleTimeoutMillis";

/// What a state listener heard.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn options(&self) -> Options {
        let heard = self.0.clone();
        Options::new().on_state(move |change: &StateChange| {
            if let Some(error) = &change.error {
                heard.lock().unwrap().push(error.to_string());
            }
        })
    }

    fn says(&self, parts: &[&str]) -> bool {
        self.0.lock().unwrap().iter().any(|text| parts.iter().all(|part| text.contains(part)))
    }
}

fn client(hole: &BlackHole) -> Client {
    let quick = Options::new()
        .ping_interval(Duration::from_millis(300))
        .pong_timeout(Duration::from_millis(200))
        .backoff_max(Duration::from_millis(200));
    Client::new(&hole.url, quick).unwrap()
}

/// A mock that notices after `idle`.
fn mock(idle: Duration) -> (Mock, BlackHole) {
    let mock = Mock::start(MockOptions { idle_timeout: idle, ..MockOptions::default() }).unwrap();
    let hole = BlackHole::before(&mock.url());
    (mock, hole)
}

#[test]
fn a_consumer_says_since_when_the_subscription_is_held_and_what_to_set() {
    let (_mock, hole) = mock(Duration::from_secs(4));
    let (client, heard) = (client(&hole), Heard::default());
    let consumer = client.consumer("t", "s", heard.options()).unwrap();
    let producer = client.producer("t", Options::new()).unwrap();
    hole.swallow();
    eventually("the silence is reported", || heard.says(&["after a ping", "it holds the subscription"]));
    eventually("the conflict is reported", || {
        heard.says(&["409", "Exclusive consumer is already connected", "this client lost 2 s ago", SETTING])
    });
    let id = producer.send("after the silence", Some(PATIENCE)).unwrap().message_id().clone();
    let received = consumer.receive(Some(PATIENCE)).unwrap();
    assert_eq!(*received.id(), id);
}

#[test]
fn a_send_that_is_late_says_that_the_name_of_its_producer_is_held() {
    let (_mock, hole) = mock(Duration::from_secs(4));
    let client = client(&hole);
    let options = Options::new().name("me").send_timeout(Duration::from_secs(2));
    let producer = client.producer("t", options).unwrap();
    hole.swallow();
    let error = producer.send("in the silence", None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    for part in ["the message may be stored or not", "'me' is already connected", "the producer's name", SETTING] {
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
    eventually("the name is free again", || producer.send("after the silence", None).is_ok());
}

#[test]
fn every_other_type_of_subscription_gets_what_was_held_once_the_server_notices() {
    for kind in [SubscriptionType::Shared, SubscriptionType::KeyShared, SubscriptionType::Failover] {
        let (mock, hole) = mock(Duration::from_secs(2));
        let (near, far) = (client(&hole), Client::new(&mock.url(), Options::new()).unwrap());
        let consumer = near.consumer("t", "s", Options::new().subscription_type(kind)).unwrap();
        let producer = far.producer("t", Options::new()).unwrap();
        hole.swallow();
        for number in 0..10 {
            producer.send((number.to_string(), "held"), None).unwrap();
        }
        let mut missing: BTreeSet<String> = (0..10).map(|number| number.to_string()).collect();
        while !missing.is_empty() {
            let message = consumer.receive(Some(PATIENCE)).unwrap_or_else(|error| panic!("{kind:?}: {error}"));
            consumer.ack(&message).unwrap();
            missing.remove(message.key().unwrap());
        }
    }
}

#[test]
fn a_first_consumer_meets_a_client_that_vanished_and_says_so() {
    let (mock, hole) = mock(Duration::from_secs(60));
    let _gone = client(&hole).consumer("t", "s", Options::new()).unwrap();
    let error = Client::new(&mock.url(), Options::new()).unwrap().consumer("t", "s", Options::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains("for a client that vanished"), "{error}");
}
