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

use stargate_core::admin::{Position, Retention};
use stargate_core::blocking::{Client, wait};
use stargate_core::mock::{Mock, MockMessage, MockOptions};
use stargate_core::{
    ComponentConfig, ConnectionState, ErrorKind, HandlerResult, InitialPosition, Level, Message, OnDisconnect, Options,
    Outcome, Producer, SubscriptionType, Supervisor, SupervisorConfig, WebSocketCompression,
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
fn nothing_acknowledged_is_lost(broker: &dyn Outage, outages: usize, compression: WebSocketCompression) {
    let client = Client::new(&broker.url(), options().websocket_compression(compression)).unwrap();
    let topic = kept(&client);
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
    let stats = producer.stats();
    assert!(stats.reconnects >= outages as u64);
    let compressed = compression == WebSocketCompression::On;
    assert_eq!(stats.compressed_connections, if compressed { stats.connections } else { 0 }, "{stats:?}");

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
    nothing_acknowledged_is_lost(&mocked(), 20, WebSocketCompression::Off);
}

#[test]
fn nothing_acknowledged_is_lost_with_the_mock_and_compression() {
    nothing_acknowledged_is_lost(&mocked(), 10, WebSocketCompression::On);
}

#[test]
#[ignore = "needs a broker at PULSAR_URL that PULSAR_CTL may kill"]
fn nothing_acknowledged_is_lost_with_a_real_broker() {
    let _one = REAL.lock();
    nothing_acknowledged_is_lost(&Real, 2, WebSocketCompression::Off);
}

#[test]
#[ignore = "needs a broker at PULSAR_URL that PULSAR_CTL may kill"]
fn nothing_acknowledged_is_lost_with_a_real_broker_and_compression() {
    let _one = REAL.lock();
    nothing_acknowledged_is_lost(&Real, 1, WebSocketCompression::On);
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

/// What ended by itself has told so to all that was in flight, and leaves nothing for a close to complain about.
#[test]
fn closing_what_has_ended_is_no_error() {
    let broker = mocked();
    let client = Client::new(&broker.url(), options()).unwrap();
    let topic = unique("outage");
    let producer = client.producer(&topic, Options::new()).unwrap();
    let consumer = client.consumer(&topic, "s", Options::new()).unwrap();
    let reader = client.reader(&topic, Options::new().starting_message("earliest")).unwrap();
    producer.send("x", None).unwrap();
    let message = consumer.receive(Some(PATIENCE)).unwrap();
    broker.0.fault("send", Some(&topic), "no-receipt", 1).unwrap();
    let pending = wait(producer.as_async().enqueue("y"), None).unwrap();
    eventually("it is stored", || broker.0.messages(&topic).unwrap().len() == 2);
    broker.0.fault("connect", Some(&topic), "http:401", 3).unwrap();
    broker.0.drop_connections(Some(&topic)).unwrap();
    let refused =
        |result: stargate_core::Result<()>| result.is_err_and(|error| error.kind() == ErrorKind::Authentication);
    eventually("the producer has ended", || refused(producer.wait_connected(Some(PATIENCE))));
    eventually("the consumer has ended", || refused(consumer.wait_connected(Some(PATIENCE))));
    eventually("the reader has ended", || refused(reader.wait_connected(Some(PATIENCE))));
    assert_eq!(wait(pending, Some(PATIENCE)).unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    let _ = consumer.ack(&message);
    for _ in 0..2 {
        producer.close(Duration::ZERO).unwrap();
        consumer.close(Duration::from_secs(1)).unwrap();
        reader.close(Duration::from_secs(1)).unwrap();
    }
    client.close(Duration::from_secs(1)).unwrap();
}

/// Where callbacks are polled, the poll ends after the last callback, that of a receive that begins during the close too.
#[test]
fn a_poll_ends_after_the_callbacks_of_all_receives() {
    let broker = mocked();
    for _ in 0..20 {
        let client = Client::new(&broker.url(), options().poll_callbacks()).unwrap();
        let consumer = client.consumer(unique("outage"), "s", Options::new()).unwrap();
        let (mut begun, ended) = (0, Arc::new(AtomicUsize::new(0)));
        std::thread::scope(|scope| {
            scope.spawn(|| while client.as_async().poll_callbacks(Some(PATIENCE)).is_ok() {});
            let closing = scope.spawn(|| client.close(PATIENCE));
            loop {
                let counted = ended.clone();
                let receive = consumer.as_async().receive_with(1, None, move |_| {
                    counted.fetch_add(1, Ordering::Relaxed);
                });
                if receive.is_err() {
                    break;
                }
                begun += 1;
            }
            closing.join().unwrap().unwrap();
        });
        assert_eq!(ended.load(Ordering::Relaxed), begun);
    }
}

/// A close during which the connection is refused for good does not say that its time ran out.
#[test]
fn a_close_during_which_a_producer_fails_says_why() {
    let broker = mocked();
    let client = Client::new(&broker.url(), options()).unwrap();
    let topic = unique("outage");
    let producer = client.producer(&topic, Options::new()).unwrap();
    broker.down();
    eventually("it is disconnected", || !producer.as_async().is_connected());
    let pending = wait(producer.as_async().enqueue("y"), None).unwrap();
    let closing = std::thread::spawn({
        let producer = producer.clone();
        move || producer.close(PATIENCE)
    });
    broker.0.fault("connect", Some(&topic), "http:401", 1).unwrap();
    broker.up();
    let error = closing.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
    assert!(error.to_string().contains("each message in flight ended with an error"), "{error}");
    assert!(wait(pending, Some(PATIENCE)).is_err());
}

/// A close does not wait until the producers for retry letters are given up, one after the other.
#[test]
fn a_close_ends_with_its_time_while_no_retry_letter_can_be_sent() {
    let broker = mocked();
    let limit = Duration::from_secs(3);
    let client = Client::new(&broker.url(), options().connect_timeout(limit)).unwrap();
    let (topic, letters) = (unique("outage"), 3);
    let shared = Options::new().subscription_type(SubscriptionType::Shared).enable_retry(true);
    let consumer = client.consumer(&topic, "s", shared).unwrap();
    let producer = client.producer(&topic, Options::new()).unwrap();
    producer.send_all((0..letters).map(|number| number.to_string())).unwrap();
    let messages = consumer.receive_many(letters, PATIENCE).unwrap();
    let retry = format!("{topic}-s-RETRY");
    broker.0.fault("connect", Some(&retry), "stall", letters).unwrap();
    std::thread::scope(|scope| {
        for message in &messages {
            scope.spawn(|| consumer.reconsume_later(message, Duration::ZERO).unwrap_err());
        }
        assert!(broker.0.wait("connect", Some(&retry), 2, PATIENCE).unwrap());
        let begun = std::time::Instant::now();
        let _ = consumer.close(Duration::from_millis(100));
        assert!(begun.elapsed() < limit, "it took {:?}", begun.elapsed());
    });
}

/// A send at the very moment at which its producer fails gets the reason, as every later one does.
#[test]
fn a_send_while_a_producer_fails_says_why() {
    let broker = mocked();
    let ((failing, fails), (released, release)) = (mpsc::channel(), mpsc::channel());
    let release = Mutex::new(release);
    let sink = move |_: Level, _: &str, text: &str| {
        if text.starts_with("ended") {
            let _ = failing.send(());
            let _ = release.lock().unwrap().recv_timeout(PATIENCE);
        }
    };
    let client = Client::new(&broker.url(), options().log_sink(sink)).unwrap();
    let topic = unique("outage");
    let producer = client.producer(&topic, Options::new()).unwrap();
    broker.0.fault("connect", Some(&topic), "http:401", 1).unwrap();
    broker.0.drop_connections(Some(&topic)).unwrap();
    fails.recv_timeout(PATIENCE).unwrap();
    let accepted = wait(producer.as_async().enqueue("x"), None);
    released.send(()).unwrap();
    let during = accepted.and_then(|pending| wait(pending, Some(PATIENCE))).unwrap_err();
    let after = producer.send("y", None).unwrap_err();
    assert_eq!((during.kind(), after.kind()), (ErrorKind::Authentication, ErrorKind::Authentication), "{during}");
}

/// Messages of which a copy is in flight, or stored, are redelivered with each connection. They get no second copy.
#[test]
fn retry_letters_do_not_multiply_while_connections_break() {
    const MESSAGES: usize = 200;
    for (disconnects, all) in [(0, false), (1, false), (5, false), (1, true), (5, true)] {
        let broker = mocked();
        let quick = Options::new().backoff_min(Duration::from_millis(1)).backoff_max(Duration::from_millis(20));
        let client = Client::new(&broker.url(), quick).unwrap();
        let topic = unique("outage");
        let letters = format!("{topic}-s-RETRY");
        for number in 0..MESSAGES {
            broker.0.publish(&topic, MockMessage::new(number.to_string())).unwrap();
        }
        // The copies wait for their receipts when the connections break, and some are stored twice.
        broker.0.fault("send", Some(&letters), "delay:600", 1).unwrap();
        if all {
            broker.0.fault("send", Some(&letters), "drop-after", 3).unwrap();
        }
        let shared = Options::new().subscription_type(SubscriptionType::Shared).enable_retry(true);
        let consumer = client.consumer(&topic, "s", shared.initial_position(InitialPosition::Earliest)).unwrap();
        consumer
            .listen(|_| {
                Ok(|message: &Message| -> HandlerResult {
                    let later = Outcome::ReconsumeLater(Duration::from_millis(100));
                    Ok(if message.reconsume_times() < 2 { later } else { Outcome::Ack })
                })
            })
            .unwrap();
        for _ in 0..disconnects {
            std::thread::sleep(Duration::from_millis(100));
            broker.0.drop_connections(if all { None } else { Some(&topic) }).unwrap();
        }
        eventually("all is acknowledged", || {
            broker.0.backlog(&topic, "s") == Ok(0) && broker.0.backlog(&letters, "s") == Ok(0)
        });
        let stored = broker.0.messages(&letters).unwrap();
        let rounds: BTreeSet<_> =
            stored.iter().map(|letter| (letter.payload.clone(), letter.properties["RECONSUMETIMES"].clone())).collect();
        assert_eq!(rounds.len(), 2 * MESSAGES, "none is lost");
        let copied = consumer.stats().retry_letters as usize;
        report(&format!("{disconnects} disconnects (all: {all}): {} letters stored, {copied} sent", stored.len()));
        assert_eq!(copied, 2 * MESSAGES, "{disconnects} disconnects");
        // The producer of the copies sends those again whose receipts were lost.
        assert!(all || stored.len() == 2 * MESSAGES, "{} letters", stored.len());
    }
}

/// A proxy that loses its own connection to the broker, because a topic moves or another client of the proxy is cut,
/// sends again what is in flight there. Nothing breaks for the client.
#[test]
fn a_duplicate_that_the_proxy_made_is_dropped_by_deduplication_only_and_told_as_stored() {
    let broker = mocked();
    broker.0.create_namespace("public/once").unwrap();
    broker.0.set_deduplication("public/once", true).unwrap();
    let client = Client::new(&broker.url(), options()).unwrap();
    let topic = unique("public/once/outage");
    let producer = client.producer(&topic, Options::new().name("p").effectively_once(true)).unwrap();
    // The first of all is in doubt until the broker has been asked.
    for sent in [0, 1] {
        broker.0.fault("send", None, "resent", 3).unwrap();
        let results = producer.send_all((0..10u8).map(|number| vec![number])).unwrap();
        let duplicates: Vec<bool> = results.into_iter().map(|result| result.unwrap().is_duplicate()).collect();
        assert_eq!(duplicates, [[true; 3].as_slice(), &[false; 7]].concat(), "lot {sent}");
    }
    assert_eq!(broker.0.messages(&topic).unwrap().len(), 20);
    let stats = producer.stats();
    assert_eq!((stats.resent, stats.reconnects, stats.send_errors), (0, 0, 0));

    let single = client.producer(&topic, Options::new().name("q").effectively_once(true)).unwrap();
    broker.0.fault("send", None, "resent", 1).unwrap();
    assert!(single.send("x", Some(PATIENCE)).unwrap().is_duplicate(), "the broker has it, and says so when asked");

    let fail = Options::new().on_disconnect(OnDisconnect::Fail);
    let (topic, twice) = (unique("outage"), "without deduplication nothing prevents it");
    broker.0.fault("send", None, "resent", 1).unwrap();
    assert!(client.producer(&topic, fail).unwrap().send("x", Some(PATIENCE)).is_ok());
    assert_eq!(broker.0.messages(&topic).unwrap().len(), 2, "{twice}");
}

/// The message is older than the entries that are searched, but the broker noted its sequence id.
#[test]
fn a_duplicate_among_many_younger_messages_is_told_as_stored() {
    let broker = mocked();
    broker.0.set_deduplication("public/default", true).unwrap();
    let client = Client::new(&broker.url(), options()).unwrap();
    let topic = unique("outage");
    let producer = client.producer(&topic, Options::new().name("p").effectively_once(true)).unwrap();
    broker.0.fault("send", Some(&topic), "no-receipt", 1).unwrap();
    let pending = wait(producer.as_async().enqueue("x"), None).unwrap();
    eventually("it is stored", || broker.0.messages(&topic).unwrap().len() == 1);
    let other = client.producer(&topic, Options::new()).unwrap();
    for result in other.send_all((0..1100u16).map(|number| number.to_string())).unwrap() {
        result.unwrap();
    }
    broker.0.drop_connections(Some(&topic)).unwrap();
    assert!(wait(pending, Some(PATIENCE)).unwrap().is_duplicate());
    assert_eq!(broker.0.messages(&topic).unwrap().len(), 1101);
}

/// Under a name that was used with higher sequence ids the broker drops all, and no receipt says otherwise.
#[test]
fn a_name_with_higher_sequence_ids_is_told() {
    let broker = mocked();
    broker.0.set_deduplication("public/default", true).unwrap();
    let client = Client::new(&broker.url(), options()).unwrap();
    let topic = unique("outage");
    let ahead = Options::new().name("p").effectively_once(true).initial_seq_id(i64::MAX / 2);
    let before = client.producer(&topic, ahead).unwrap();
    before.send("of a clock that is ahead", None).unwrap();
    before.close(PATIENCE).unwrap();
    let producer = client.producer(&topic, Options::new().name("p").effectively_once(true)).unwrap();
    for _ in 0..2 {
        let error = producer.send("x", None).unwrap_err();
        assert!(error.kind() == ErrorKind::Broker && error.to_string().contains("higher sequence ids"), "{error}");
    }
    producer.close(PATIENCE).unwrap();
    assert_eq!(broker.0.messages(&topic).unwrap().len(), 1);
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
    // Other tests of this program run at the same time, so compare the level after many cycles.
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
    eventually("the supervisor gives it up", || {
        supervisor.producer(&key).is_err_and(|error| error.kind() == ErrorKind::NotFound)
    });
    // Its key is free for another try by hand.
    wait(supervisor.add_producer(ComponentConfig::new(topic.parse().unwrap())), Some(PATIENCE)).unwrap();
    wait(supervisor.producer(&key).unwrap().send("y"), Some(PATIENCE)).unwrap();
    wait(supervisor.close(PATIENCE), None).unwrap();
}

/// A number that the environment may set, for longer runs than those of the suites.
fn number_of(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// A topic whose messages stay when they are acknowledged. A reader has no subscription that would hold them while it is
/// disconnected.
fn kept(client: &Client) -> String {
    let (admin, namespace) = (client.admin(), format!("public/{}", unique("kept")));
    admin.create_namespace(&namespace, None).unwrap();
    admin.set_retention(&namespace, &Retention { time_in_minutes: -1, size_in_mb: -1 }).unwrap();
    format!("persistent://{namespace}/outage")
}

/// A namespace with deduplication, and a topic in it that keeps what it stores.
fn deduplicated(client: &Client) -> String {
    let admin = client.admin();
    let namespace = format!("public/{}", unique("once"));
    admin.create_namespace(&namespace, None).unwrap();
    admin.set_deduplication(&namespace, true).unwrap();
    let topic = format!("persistent://{namespace}/t");
    // What no subscription waits for is deleted with the ledger that an unload closes.
    admin.create_subscription(&topic, "s", &Position::Earliest).unwrap();
    topic
}

fn numbered(name: &str) -> Options {
    Options::new().name(name).effectively_once(true).send_timeout(Duration::from_secs(120))
}

/// Fails unless the topic holds each of `expected` once, and nothing else.
fn each_is_stored_once(client: &Client, topic: &str, mut expected: BTreeSet<String>) {
    let reader = client.reader(topic, Options::new().starting_message("earliest")).unwrap();
    for message in reader.until_caught_up().unwrap() {
        let payload = String::from_utf8(message.unwrap().payload().to_vec()).unwrap();
        assert!(expected.remove(&payload), "{payload} is stored twice");
    }
    assert!(expected.is_empty(), "{} with a receipt are not stored, {:?}", expected.len(), expected.first());
}

/// Unloads the topic again and again, while one producer sends many messages in flight and others, each of its own name,
/// come and go with a few. With numbers the broker stores each once, and every receipt says that it is stored: the proxy
/// sends again by itself what was in flight, and hears of the duplicates.
#[test]
#[ignore = "needs a broker at PULSAR_URL"]
fn effectively_once_outlives_unloads_with_a_real_broker() {
    let _one = REAL.lock();
    let (sends, pause) = (number_of("ONCE_SENDS", 10_000), number_of("ONCE_UNLOAD_EVERY_MS", 200) as u64);
    let client = Client::new(&Real.url(), options()).unwrap();
    let topic = deduplicated(&client);
    let many = client.producer(&topic, numbered("many")).unwrap();
    let done = AtomicBool::new(false);
    let running = || !done.load(Ordering::Relaxed);

    let (duplicates, few, unloads) = std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let mut duplicates = 0;
            for first in (0..sends).step_by(500) {
                let lot = (first..sends.min(first + 500)).map(|number| format!("many {number}"));
                for receipt in many.send_all(lot).unwrap() {
                    duplicates += usize::from(receipt.expect("a numbered message is stored").is_duplicate());
                }
            }
            done.store(true, Ordering::Relaxed);
            duplicates
        });
        let coming_and_going = scope.spawn(|| {
            let mut few = BTreeSet::new();
            for round in (0..).take_while(|_| running()) {
                let name = format!("few-{round}");
                let producer = client.producer(&topic, numbered(&name)).unwrap();
                for number in 0..3 {
                    let payload = format!("{name} {number}");
                    producer.send(payload.clone(), None).expect("a numbered message is stored");
                    few.insert(payload);
                }
                producer.close(PATIENCE).unwrap();
            }
            few
        });
        let mut unloads = 0;
        while running() && !sending.is_finished() {
            std::thread::sleep(Duration::from_millis(pause));
            unloads += usize::from(client.admin().unload_topic(&topic).is_ok());
        }
        done.store(true, Ordering::Relaxed);
        (sending.join().unwrap(), coming_and_going.join().unwrap(), unloads)
    });
    let expected: BTreeSet<String> =
        few.iter().cloned().chain((0..sends).map(|number| format!("many {number}"))).collect();
    assert!(unloads > 0, "the topic was never unloaded");
    report(&format!("{unloads} unloads, {} messages, {duplicates} told as duplicates", expected.len()));
    each_is_stored_once(&client, &topic, expected);
    client.close(PATIENCE).unwrap();
}

#[allow(clippy::print_stdout)] // how much happened is worth a look
fn report(what: &str) {
    println!("{what}");
}
