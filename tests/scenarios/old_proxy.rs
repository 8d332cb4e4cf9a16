//! A proxy of Pulsar 3.0.0 lacks what those of 4.0 have. What can be done in another way is; the rest is said.

use std::time::Duration;

use stargate_core::blocking::Client;
use stargate_core::mock::{Mock, MockOptions, Op};
use stargate_core::{ErrorKind, InitialPosition, Options, Topics};

const PATIENCE: Duration = Duration::from_secs(10);

fn old() -> (Mock, Client) {
    let mock = Mock::start(MockOptions { version: "3.0.0".into(), ..MockOptions::default() }).unwrap();
    let client = Client::new(&mock.url(), Options::new()).unwrap();
    (mock, client)
}

fn earliest() -> Options {
    Options::new().initial_position(InitialPosition::Earliest)
}

#[test]
fn a_subscription_begins_at_the_earliest_message_on_a_proxy_that_ignores_it() {
    let (_mock, client) = old();
    client.producer("orders", Options::new()).unwrap().send("stored before", Some(PATIENCE)).unwrap();
    let consumer = client.consumer("orders", "s", earliest()).unwrap();
    let message = consumer.receive(Some(PATIENCE)).expect("what was stored before the subscription arrives");
    consumer.ack(&message).unwrap();
    consumer.close(PATIENCE).unwrap();
    // A subscription that is there already stays where it is.
    let again = client.consumer("orders", "s", earliest()).unwrap();
    assert_eq!(again.receive(Some(Duration::from_millis(300))).unwrap_err().kind(), ErrorKind::Timeout);
}

#[test]
fn a_version_that_could_not_be_asked_for_once_is_asked_for_again() {
    let (mock, client) = old();
    mock.fault("http", None, "http:403", 1).unwrap();
    client.consumer("invoices", "s", earliest()).unwrap();
    assert_eq!(mock.faults_left(), 0, "the question struck the fault");
    client.producer("orders", Options::new()).unwrap().send("stored before", Some(PATIENCE)).unwrap();
    let consumer = client.consumer("orders", "s", earliest()).unwrap();
    consumer.receive(Some(PATIENCE)).expect("what was stored before the subscription arrives");
    // And an answer is kept.
    let asked = || mock.count(Op::Http, None).unwrap();
    let before = asked();
    client.consumer("orders", "s2", earliest()).unwrap();
    assert_eq!(asked() - before, 1, "only the subscription is made");
}

#[test]
fn a_subscription_begins_at_the_latest_message_unless_asked() {
    let (_mock, client) = old();
    client.producer("orders", Options::new()).unwrap().send("stored before", Some(PATIENCE)).unwrap();
    let consumer = client.consumer("orders", "s", Options::new()).unwrap();
    assert_eq!(consumer.receive(Some(Duration::from_millis(300))).unwrap_err().kind(), ErrorKind::Timeout);
}

#[test]
fn several_topics_on_an_old_proxy_name_the_version_that_has_them() {
    let (_mock, client) = old();
    let topics = Topics::Several(vec!["a".parse().unwrap(), "b".parse().unwrap()]);
    for topics in [topics, Topics::Pattern("orders-.*".into())] {
        let error = client.consumer_of(topics, "s", earliest()).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("need a WebSocket proxy of Pulsar 4.0"), "{error}");
    }
}

#[test]
fn encryption_on_an_old_proxy_names_the_version_that_has_it() {
    let (_mock, client) = old();
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/keys/rsa.pub.pem");
    let options = Options::new().encryption_key("key").encryption_public_key_file(key);
    let error = client.producer("orders", options).map(drop).unwrap_err();
    assert!(error.to_string().contains("encryption_key needs a WebSocket proxy of Pulsar 4.0"), "{error}");
}
