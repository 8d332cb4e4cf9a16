//! The broker goes down and comes back in the middle of everything, many times: nothing that was acknowledged to a sender
//! is lost, the order is kept, and consumers and readers go on by themselves.
//!
//! In a test program of its own, because a broker that is killed is killed for everybody. The real one is killed with
//! `PULSAR_CTL` and started again on the same data and ports.

mod waiting;

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use stargate_core::blocking::{Client, wait};
use stargate_core::mock::{Mock, MockOptions};
use stargate_core::{
    ComponentConfig, ConnectionState, ErrorKind, HandlerResult, InitialPosition, Message, OnDisconnect, Options,
    Outcome, Producer, Supervisor, SupervisorConfig,
};

use waiting::{PATIENCE, eventually, unique};

/// Something that can be taken down and up again.
trait Outage: Sync {
    fn url(&self) -> String;
    fn down(&self);
    fn up(&self);
}

struct Mocked(Mock);

impl Outage for Mocked {
    fn url(&self) -> String {
        self.0.url()
    }

    fn down(&self) {
        self.0.set_up(false).unwrap();
    }

    fn up(&self) {
        self.0.set_up(true).unwrap();
    }
}

/// One at a time: they share the broker.
static REAL: Mutex<()> = Mutex::new(());

struct Real;

impl Real {
    fn control(&self, what: &str) {
        let control = std::env::var("PULSAR_CTL").expect("PULSAR_CTL kills and restarts the broker");
        let state = std::env::var("PULSAR_STATE").expect("PULSAR_STATE says which broker");
        let command = format!("{control} {what} --state '{state}' >/dev/null");
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success(), "{command}");
    }
}

impl Outage for Real {
    fn url(&self) -> String {
        std::env::var("PULSAR_URL").expect("PULSAR_URL is the WebSocket URL of a broker")
    }

    fn down(&self) {
        self.control("kill");
    }

    fn up(&self) {
        self.control("restart");
    }
}

fn mocked() -> Mocked {
    Mocked(Mock::start(MockOptions::default()).unwrap())
}

fn options() -> Options {
    Options::new().backoff_max(Duration::from_millis(500))
}

/// Produces, consumes and reads through `outages` outages.
fn nothing_acknowledged_is_lost(broker: &dyn Outage, outages: usize) {
    let client = Client::new(&broker.url(), options()).unwrap();
    let topic = unique("outage");
    let (sender, handled) = mpsc::channel();
    let earliest = Options::new().initial_position(InitialPosition::Earliest);
    let consumer = client.consumer(&topic, "s", earliest).unwrap();
    consumer
        .listen(move |_| {
            let sender = sender.clone();
            Ok(move |message: &Message| -> HandlerResult {
                sender.send(message.payload().clone())?;
                Ok(Outcome::Ack)
            })
        })
        .unwrap();
    let reader = client.reader(&topic, Options::new()).unwrap();
    let producer = client.producer(&topic, Options::new().send_timeout(Duration::from_secs(120))).unwrap();

    let stop = AtomicBool::new(false);
    let confirmed = AtomicUsize::new(0);
    let acknowledged = std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let mut acknowledged = Vec::new();
            let mut next = 0usize;
            while !stop.load(Ordering::Relaxed) {
                let lot: Vec<usize> = (next..next + 100).collect();
                next += 100;
                let results = producer.send_all(lot.iter().map(|number| format!("{number:>1024}"))).unwrap();
                for (number, result) in lot.into_iter().zip(results) {
                    result.expect("a send outlives the outage");
                    acknowledged.push(number);
                    confirmed.fetch_add(1, Ordering::Relaxed);
                }
            }
            acknowledged
        });
        for _ in 0..outages {
            let before = confirmed.load(Ordering::Relaxed);
            eventually("messages flow", || confirmed.load(Ordering::Relaxed) > before + 300);
            broker.down();
            broker.up();
        }
        let before = confirmed.load(Ordering::Relaxed);
        eventually("messages flow again", || confirmed.load(Ordering::Relaxed) > before + 300);
        stop.store(true, Ordering::Relaxed);
        sending.join().unwrap()
    });
    assert!(producer.stats().reconnects >= outages as u64);

    let number = |payload: &[u8]| -> usize { std::str::from_utf8(payload).unwrap().trim().parse().unwrap() };
    // Repeats aside, everything arrives in the order in which it was sent.
    let in_order = |numbers: &mut dyn Iterator<Item = usize>| {
        let mut seen = BTreeSet::new();
        let mut firsts = Vec::new();
        while firsts.len() < acknowledged.len() {
            let number = numbers.next().expect("everything acknowledged arrives");
            if seen.insert(number) {
                firsts.push(number);
            }
        }
        assert_eq!(firsts, acknowledged);
    };
    in_order(&mut std::iter::from_fn(|| handled.recv_timeout(PATIENCE).ok().map(|payload| number(&payload))));
    in_order(&mut std::iter::from_fn(|| {
        let message = reader.receive(Some(PATIENCE)).unwrap_or_else(|error| panic!("{error}; {:?}", reader.stats()));
        Some(number(message.payload()))
    }));
    client.close(PATIENCE).unwrap();
}

#[test]
fn nothing_acknowledged_is_lost_with_the_mock() {
    nothing_acknowledged_is_lost(&mocked(), 20);
}

#[test]
#[ignore = "needs a broker at PULSAR_URL that PULSAR_CTL may kill"]
fn nothing_acknowledged_is_lost_with_a_real_broker() {
    let _one = REAL.lock();
    nothing_acknowledged_is_lost(&Real, 2);
}

#[test]
fn with_fail_nothing_is_sent_twice_and_what_is_lost_is_said() {
    let broker = mocked();
    let client = Client::new(&broker.url(), options()).unwrap();
    let topic = unique("outage");
    let producer = client.producer(&topic, Options::new().on_disconnect(OnDisconnect::Fail)).unwrap();
    broker.0.fault("send", None, "drop-after", 1).unwrap();
    let results = producer.send_all((0..50u8).map(|number| vec![number])).unwrap();
    let unknown = results
        .iter()
        .filter(|result| result.as_ref().is_err_and(|error| error.kind() == ErrorKind::OutcomeUnknown))
        .count();
    assert!(unknown >= 1, "{results:?}");
    let stored = broker.0.messages(&topic).unwrap();
    let payloads: BTreeSet<_> = stored.iter().map(|message| message.payload.clone()).collect();
    assert_eq!(payloads.len(), stored.len(), "nothing twice");
    assert!(results.iter().filter(|result| result.is_ok()).count() <= stored.len());
}

#[test]
fn effectively_once_stores_each_message_once_over_lost_receipts() {
    let broker = mocked();
    broker.0.set_deduplication("public/default", true).unwrap();
    let client = Client::new(&broker.url(), options()).unwrap();
    let topic = unique("outage");
    let producer = client.producer(&topic, Options::new().name("p").effectively_once(true)).unwrap();
    for _ in 0..5 {
        broker.0.fault("send", None, "drop-after", 1).unwrap();
        let results = producer.send_all((0..100u8).map(|number| vec![number])).unwrap();
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }
    let stored: Vec<u8> =
        broker.0.messages(&topic).unwrap().into_iter().map(|message| message.payload.unwrap()[0]).collect();
    let sent: Vec<u8> = (0..5).flat_map(|_| 0..100).collect();
    assert_eq!(stored, sent);
    assert!(producer.stats().reconnects >= 5 && producer.stats().resent > 0);
}

#[test]
fn a_listener_hears_of_each_change() {
    let broker = mocked();
    let states = Arc::new(Mutex::new(Vec::new()));
    let heard = states.clone();
    let listening = options().on_state(move |change| heard.lock().unwrap().push((change.state, change.error.clone())));
    let client = Client::new(&broker.url(), Options::new()).unwrap();
    let producer = client.producer(unique("outage"), listening).unwrap();
    broker.down();
    eventually("it is disconnected", || !producer.as_async().is_connected());
    broker.up();
    producer.wait_connected(Some(PATIENCE)).unwrap();
    client.close(PATIENCE).unwrap();
    let states = states.lock().unwrap();
    let kinds: Vec<_> = states.iter().map(|(state, _)| *state).collect();
    use ConnectionState::{Closed, Connected, Connecting, Disconnected};
    assert_eq!(kinds[..4], [Connecting, Connected, Disconnected, Connecting], "{kinds:?}");
    assert_eq!(kinds[kinds.len() - 2..], [Connected, Closed], "{kinds:?}");
    let lost = states[2].1.as_ref().expect("a reason");
    assert_eq!(lost.kind(), ErrorKind::Connect, "{lost}");
}

#[test]
fn every_close_is_a_disconnect_and_none_is_the_end() {
    let broker = mocked();
    let client = Client::new(&broker.url(), options()).unwrap();
    let topic = unique("outage");
    let consumer = client.consumer(&topic, "s", Options::new()).unwrap();
    let producer = client.producer(&topic, Options::new()).unwrap();
    for (number, fault) in ["close:1000", "close:1001", "close:1011", "drop", "half-frame"].iter().enumerate() {
        // The next delivery breaks the connection of the consumer in this way.
        broker.0.fault("receive", None, fault, 1).unwrap();
        producer.send(number.to_string(), Some(PATIENCE)).unwrap();
        let message = consumer.receive(Some(PATIENCE)).unwrap();
        assert_eq!(message.payload().as_ref(), number.to_string().as_bytes(), "{fault}");
        consumer.ack(&message).unwrap();
        eventually("it is acknowledged", || broker.0.backlog(&topic, "s").unwrap() == 0);
    }
    assert_eq!(consumer.stats().reconnects, 5);
}

#[test]
fn a_server_that_falls_silent_is_left() {
    let broker = mocked();
    let quick = options().ping_interval(Duration::from_millis(100)).pong_timeout(Duration::from_millis(200));
    let client = Client::new(&broker.url(), quick).unwrap();
    let producer = client.producer(unique("outage"), Options::new()).unwrap();
    broker.0.fault("ping", None, "no-pong", 1).unwrap();
    eventually("it reconnects", || producer.stats().reconnects == 1);
    producer.send("x", Some(PATIENCE)).unwrap();
    eventually("pings are answered", || producer.stats().last_pong_ms > 0);
}

#[test]
fn one_hundred_start_stop_cycles_leak_nothing() {
    let count = |what: &str| std::fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
    let broker = mocked();
    let cycle = || {
        let client = Client::new(&broker.url(), options()).unwrap();
        let topic = unique("outage");
        let consumer = client.consumer(&topic, "s", Options::new()).unwrap();
        consumer.listen(|_| Ok(|_: &Message| -> HandlerResult { Ok(Outcome::Ack) })).unwrap();
        let producer = client.producer(&topic, Options::new()).unwrap();
        producer.send_with("x", |_| {}).unwrap();
        client.close(PATIENCE).unwrap();
    };
    cycle();
    // The other tests of this program come and go, so it is the level after many cycles that is looked at.
    let (fds, threads) = (count("fd"), count("task"));
    for _ in 0..100 {
        cycle();
    }
    eventually("descriptors are given back", || count("fd") <= fds + 60);
    eventually("threads have ended", || count("task") <= threads + 40);
}

#[test]
fn a_component_that_failed_is_opened_again_and_stays_down_when_it_fails_too_often() {
    let broker = mocked();
    let mut config = SupervisorConfig::new(broker.url());
    config.name = unique("supervisor");
    config.max_restarts = 1;
    config.max_seconds = 60;
    config.options = options();
    let topic = unique("outage");
    config.producers.push(ComponentConfig::new(topic.parse().unwrap()));
    let supervisor = wait(Supervisor::start(config), Some(PATIENCE)).unwrap();
    let key = supervisor.keys().remove(0);
    let ends = |producer: &Producer| eventually("it has ended", || wait(producer.wait_connected(), None).is_err());

    // An answer that does not heal ends the producer, and the supervisor opens another.
    let first = supervisor.producer(&key).unwrap();
    broker.0.fault("connect", Some(&topic), "http:404", 1).unwrap();
    broker.0.drop_connections(Some(&topic)).unwrap();
    ends(&first);
    eventually("it is open again", || supervisor.producer(&key).is_ok_and(|producer| producer.is_connected()));
    let second = supervisor.producer(&key).unwrap();
    wait(second.send("x"), Some(PATIENCE)).unwrap();

    broker.0.fault("connect", Some(&topic), "http:404", 1).unwrap();
    broker.0.drop_connections(Some(&topic)).unwrap();
    ends(&second);
    eventually("it stays down", || supervisor.producer(&key).is_err_and(|error| error.kind() == ErrorKind::NotFound));
    // Its key is free for another try by hand.
    wait(supervisor.add_producer(ComponentConfig::new(topic.parse().unwrap())), Some(PATIENCE)).unwrap();
    wait(supervisor.producer(&key).unwrap().send("y"), Some(PATIENCE)).unwrap();
    wait(supervisor.close(PATIENCE), None).unwrap();
}
