//! Every point of the protocol at which a connection can break or a server can misbehave, crossed with each role and
//! each policy: the promise that holds there is kept, and nothing hangs.
//!
//! Tables of cases on the mock broker; each case has a topic of its own, and a table fails with the names of all cases
//! that do.

mod old_proxy;
mod waiting;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use stargate_core::admin::Position;
use stargate_core::blocking::{Client, Consumer, Producer, Reader};
use stargate_core::mock::{Mock, MockMessage, MockOptions, Op, Request};
use stargate_core::{
    DeliveryReport, Error, ErrorKind, HandlerResult, InitialPosition, Level, Message, OnDisconnect, Options, Outcome,
    Result, Stats, SubscriptionType,
};

use waiting::{PATIENCE, eventually, unique};

/// Most messages in flight, or delivered and not acknowledged.
const WINDOW: usize = 4;
/// What flows after a fault: three windows, so that a place lost in each would stop it.
const MORE: usize = 3 * WINDOW;
/// No case takes longer.
const CASE_LIMIT: Duration = Duration::from_secs(60);

type Case = (String, Box<dyn FnOnce() + Send>);

/// Runs the cases, several at a time because most of their time is waiting, and names those that failed.
fn run(cases: Vec<Case>) {
    let (count, begun) = (cases.len(), Instant::now());
    let queue = Mutex::new(cases);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some((name, case)) = { queue.lock().unwrap().pop() } {
                    let (done, finished) = mpsc::channel();
                    std::thread::spawn(move || {
                        let outcome = catch_unwind(AssertUnwindSafe(case));
                        let _ = done.send(outcome.map_err(|panic| {
                            let text = panic.downcast_ref::<String>().cloned();
                            text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                                .unwrap_or_default()
                        }));
                    });
                    match finished.recv_timeout(CASE_LIMIT) {
                        Ok(Ok(())) => {}
                        Ok(Err(text)) => failures.lock().unwrap().push(format!("{name}: {text}")),
                        Err(_) => failures.lock().unwrap().push(format!("{name}: hangs")),
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {count} cases failed:\n{}", failures.len(), failures.join("\n"));
    #[allow(clippy::print_stdout)] // how many there were is worth a look
    {
        println!("{count} cases in {:?}", begun.elapsed());
    }
}

/// Namespaces: without deduplication, and with.
const PLAIN: &str = "public/default";
const ONCE: &str = "public/once";

fn mock() -> Arc<Mock> {
    // A connection that is stalled holds its producer's name, or its exclusive subscription, until the server gives it up.
    let options = MockOptions { idle_timeout: Duration::from_secs(2), ..MockOptions::default() };
    let mock = Mock::start(options).unwrap();
    mock.create_namespace(ONCE).unwrap();
    mock.set_deduplication(ONCE, true).unwrap();
    Arc::new(mock)
}

fn topic(namespace: &str) -> String {
    format!("persistent://{namespace}/{}", unique("fault"))
}

/// Whether the fault leaves the peer silent, so that only a ping finds out.
fn is_silent(fault: &str) -> bool {
    matches!(fault, "stall" | "no-pong")
}

fn client(mock: &Mock, fault: &str) -> Client {
    let quick = Options::new().backoff_min(Duration::from_millis(1)).backoff_max(Duration::from_millis(20));
    let options = match is_silent(fault) {
        true => quick.ping_interval(Duration::from_millis(100)).pong_timeout(Duration::from_millis(300)),
        false => quick,
    };
    Client::new(&mock.url(), options).unwrap()
}

/// Faults after which the connection is gone, and those that a ping finds.
const BREAKS: [&str; 13] = [
    "close:1000",
    "close:1001",
    "close:1003",
    "close:1006",
    "close-empty",
    "close:1009",
    "close:1011",
    "close:4000",
    "drop",
    "drop-after",
    "reset",
    "half-frame",
    "stall",
];

fn breaks(fault: &str) -> bool {
    BREAKS.contains(&fault)
}

fn number(payload: &[u8]) -> usize {
    std::str::from_utf8(payload).unwrap().parse().unwrap()
}

fn stored(mock: &Mock, topic: &str) -> Vec<usize> {
    let stored = mock.messages(topic).unwrap();
    stored.iter().map(|message| number(message.payload.as_deref().unwrap())).collect()
}

fn firsts(numbers: &[usize]) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    numbers.iter().copied().filter(|number| seen.insert(*number)).collect()
}

// producers

#[derive(Clone, Copy, Debug, PartialEq)]
enum Sending {
    Resend,
    Lazy,
    KeepTrying,
    MaxReconnects,
    Fail,
    Once,
}

impl Sending {
    const ALL: [Sending; 6] =
        [Sending::Resend, Sending::Lazy, Sending::KeepTrying, Sending::MaxReconnects, Sending::Fail, Sending::Once];

    fn options(self) -> Options {
        let options = Options::new().max_pending_msg(WINDOW as u32);
        match self {
            Sending::Resend => options,
            Sending::Lazy => options.lazy(true),
            Sending::KeepTrying => options.keep_trying(true),
            Sending::MaxReconnects => options.max_reconnects(10_000),
            Sending::Fail => options.on_disconnect(OnDisconnect::Fail),
            Sending::Once => options.name("p").effectively_once(true),
        }
    }

    fn namespace(self) -> &'static str {
        if self == Sending::Once { ONCE } else { PLAIN }
    }
}

/// Sends `numbers`; each ends exactly once, and this is how.
fn send(producer: &Producer, numbers: std::ops::Range<usize>) -> Vec<Option<ErrorKind>> {
    let (sender, ends) = mpsc::channel();
    let count = numbers.len();
    for number in numbers.clone() {
        let sender = sender.clone();
        let told = move |sent: DeliveryReport| {
            let _ = sender.send((number, sent.result.err().map(|error| error.kind())));
        };
        producer.send_with(number.to_string(), told).unwrap();
    }
    drop(sender);
    let mut outcomes = vec![None; count];
    // The channel closes when the last callback has been called or dropped: a second call would be seen here.
    while let Ok((number, outcome)) = ends.recv_timeout(PATIENCE) {
        let place = &mut outcomes[number - numbers.start];
        assert!(place.replace(outcome).is_none(), "message {number} ended twice");
    }
    outcomes.into_iter().map(|outcome| outcome.expect("each send ends")).collect()
}

/// A message, `fault` on one of the next, and what the policy promises then.
fn a_send_fails(mock: &Mock, sending: Sending, fault: &str) {
    let client = client(mock, fault);
    let topic = topic(sending.namespace());
    // What has no answer ends by its timeout, so that one is short; nothing else here may come near it.
    let unanswered = matches!(
        fault,
        "garbage" | "binary" | "no-context" | "wrong-context" | "no-receipt" | "send-error:3" | "no-pong" | "stall"
    );
    let timeout = Duration::from_millis(if is_silent(fault) {
        10_000
    } else if unanswered {
        800
    } else {
        20_000
    });
    let producer = client.producer(&topic, sending.options().send_timeout(timeout)).unwrap();
    assert_eq!(send(&producer, 0..2), [None, None]);
    mock.fault("send", Some(&topic), fault, 1).unwrap();
    let first = send(&producer, 2..2 + WINDOW);
    let second = send(&producer, 2 + WINDOW..2 + WINDOW + MORE);
    assert_eq!(second, vec![None; MORE], "all is well after the fault");
    let failed: Vec<ErrorKind> = first.iter().flatten().copied().collect();
    let stored = stored(mock, &topic);
    let stats = producer.stats();

    assert!(firsts(&stored).is_sorted(), "order: {stored:?}");
    for (index, outcome) in first.iter().enumerate() {
        assert!(outcome.is_some() || stored.contains(&(index + 2)), "{} has a receipt and is not stored", index + 2);
    }
    let by_the_proxy = usize::from(fault == "resent" && sending != Sending::Once);
    if matches!(sending, Sending::Once | Sending::Fail) || !breaks(fault) {
        assert_eq!(stored.len() - firsts(&stored).len(), by_the_proxy, "nothing twice but by the proxy: {stored:?}");
    }
    match (fault, sending) {
        // The message that the mock refused is not stored, and all others are.
        ("send-error:7" | "send-error:8", _) => {
            assert_eq!(failed, [ErrorKind::Broker]);
            assert_eq!(stored.len(), 2 + WINDOW + MORE - 1);
        }
        // A refusal that does not say whose it is.
        ("send-error:3", _) => assert_eq!(failed, [ErrorKind::Timeout]),
        ("garbage" | "binary" | "no-context" | "wrong-context" | "no-receipt", _) => {
            assert_eq!(failed, [ErrorKind::Timeout]);
            assert_eq!(stored.len(), 2 + WINDOW + MORE, "it was stored all the same");
        }
        ("no-pong" | "delay:300" | "duplicate" | "resent", Sending::Fail) => {
            assert!(failed.iter().all(|kind| *kind == ErrorKind::OutcomeUnknown), "{failed:?}");
        }
        (_, Sending::Fail) => {
            assert!(!failed.is_empty(), "the fault struck");
            assert!(failed.iter().all(|kind| *kind == ErrorKind::OutcomeUnknown), "{failed:?}");
        }
        _ => assert_eq!(failed, [], "each is sent again"),
    }
    if breaks(fault) {
        assert_eq!(stats.reconnects, 1, "{stats:?}");
        assert_eq!(stats.resent > 0, sending != Sending::Fail, "{stats:?}");
    } else if !(is_silent(fault) || (sending == Sending::Once && fault.starts_with("send-error"))) {
        assert_eq!((stats.reconnects, stats.resent), (0, 0), "{stats:?}");
    }
    assert_eq!(stats.in_flight, 0);
    assert_eq!((stats.receipts + stats.send_errors) as usize, 2 + WINDOW + MORE);
    assert_eq!(stats.send_errors as usize, failed.len());
    match fault {
        "duplicate" => assert_eq!(stats.unexpected, 1),
        "garbage" | "binary" | "no-context" | "wrong-context" | "send-error:3" => assert_eq!(stats.malformed, 1),
        _ => {}
    }
    client.close(PATIENCE).unwrap();
    if fault != "stall" {
        // A connection that is stalled holds its producer's name for a while.
        // The name is in use until the server has noticed the end of the connection before.
        let early = |request: &Request| request.detail.starts_with("409");
        let connects =
            mock.requests().into_iter().filter(|request| request.op == Op::Connect && *request.topic == topic);
        assert_eq!(connects.filter(|request| !early(request)).count() as u64, stats.connections);
    }
}

#[test]
fn a_send_that_goes_wrong_ends_once_and_costs_no_other() {
    let mock = mock();
    let others = [
        "no-pong",
        "garbage",
        "binary",
        "no-context",
        "wrong-context",
        "no-receipt",
        "duplicate",
        "resent",
        "delay:300",
        "send-error:3",
        "send-error:7",
        "send-error:8",
    ];
    let mut cases: Vec<Case> = Vec::new();
    for sending in Sending::ALL {
        for fault in BREAKS.into_iter().chain(others) {
            let mock = mock.clone();
            cases.push((format!("send {fault} {sending:?}"), Box::new(move || a_send_fails(&mock, sending, fault))));
        }
    }
    run(cases);
}

/// With deduplication by number, a receipt that got lost leaves a number that is used and not confirmed; the numbers of
/// what follows must be right over the next disconnect all the same.
#[test]
fn a_lost_receipt_before_a_disconnect_loses_no_message_of_a_numbered_producer() {
    let mock = mock();
    let mut cases: Vec<Case> = Vec::new();
    for lost in ["no-receipt", "garbage", "binary", "wrong-context"] {
        for ended_before in [false, true] {
            let mock = mock.clone();
            let case = move || {
                let (client, topic) = (client(&mock, lost), topic(ONCE));
                let timeout = Duration::from_millis(if ended_before { 500 } else { 5_000 });
                let options = Sending::Once.options().max_pending_msg(100).send_timeout(timeout);
                let producer = client.producer(&topic, options).unwrap();
                mock.fault("send", Some(&topic), lost, 1).unwrap();
                let first = if ended_before {
                    send(&producer, 0..5)
                } else {
                    for number in 0..5 {
                        producer.send_with(number.to_string(), |_| {}).unwrap();
                    }
                    eventually("the others have receipts", || producer.stats().receipts == 4);
                    Vec::new()
                };
                mock.drop_connections(Some(&topic)).unwrap();
                assert_eq!(send(&producer, 5..10), [None; 5]);
                assert_eq!(stored(&mock, &topic), (0..10).collect::<Vec<_>>());
                assert_eq!(first.iter().flatten().count(), usize::from(ended_before));
                assert_eq!(producer.stats().in_flight, 0);
            };
            cases.push((format!("{lost} ended_before={ended_before}"), Box::new(case)));
        }
    }
    run(cases);
}

// consumers and readers

#[derive(Clone, Copy, Debug, PartialEq)]
enum Receiving {
    Handler,
    Receive,
    PullHandler,
    PullReceive,
    Reader,
    ReaderHandler,
}

/// What was received, by whichever way.
enum Receiver {
    Consumer(Consumer, Option<mpsc::Receiver<usize>>),
    Reader(Reader, Option<mpsc::Receiver<usize>>),
}

impl Receiving {
    const ALL: [Receiving; 6] = [
        Receiving::Handler,
        Receiving::Receive,
        Receiving::PullHandler,
        Receiving::PullReceive,
        Receiving::Reader,
        Receiving::ReaderHandler,
    ];

    fn is_reader(self) -> bool {
        matches!(self, Receiving::Reader | Receiving::ReaderHandler)
    }

    fn is_pull(self) -> bool {
        matches!(self, Receiving::PullHandler | Receiving::PullReceive)
    }

    fn options(self) -> Options {
        let options = Options::new().queue_size(WINDOW as u32);
        match self.is_reader() {
            true => options.starting_message("earliest"),
            false => options.initial_position(InitialPosition::Earliest).pull_mode(self.is_pull()),
        }
    }

    fn policies(self) -> Vec<&'static str> {
        let mut policies = vec!["default", "lazy", "keep_trying", "max_reconnects"];
        if !self.is_reader() {
            policies.extend(["failover", "shared", "key_shared"]);
        }
        policies
    }

    fn policy(self, policy: &str) -> Options {
        let options = self.options();
        match policy {
            "lazy" => options.lazy(true),
            "keep_trying" => options.keep_trying(true),
            // Enough for the time that a server takes to find out that a connection is dead.
            "max_reconnects" => options.max_reconnects(10_000),
            "failover" => options.subscription_type(SubscriptionType::Failover),
            "shared" => options.subscription_type(SubscriptionType::Shared),
            "key_shared" => options.subscription_type(SubscriptionType::KeyShared),
            _ => options,
        }
    }

    fn open(self, client: &Client, topic: &str, more: Options) -> Result<Receiver> {
        let (sender, handled) = mpsc::channel();
        let init = move |_| {
            let sender = sender.clone();
            Ok(move |message: &Message| -> HandlerResult {
                sender.send(number(message.payload()))?;
                Ok(Outcome::Ack)
            })
        };
        let with_handler = matches!(self, Receiving::Handler | Receiving::PullHandler | Receiving::ReaderHandler);
        let handled = with_handler.then_some(handled);
        Ok(match self.is_reader() {
            true => {
                let reader = client.reader(topic, more)?;
                if with_handler {
                    reader.listen(init)?;
                }
                Receiver::Reader(reader, handled)
            }
            false => {
                let consumer = client.consumer(topic, "s", more)?;
                if with_handler {
                    consumer.listen(init)?;
                }
                Receiver::Consumer(consumer, handled)
            }
        })
    }
}

impl Receiver {
    /// The next message, acknowledged where there is anything to acknowledge.
    fn next(&self, limit: Duration) -> Result<Option<usize>> {
        let timeout = |error: Error| match error.kind() {
            ErrorKind::Timeout => Ok(None),
            _ => Err(error),
        };
        match self {
            Receiver::Consumer(_, Some(handled)) | Receiver::Reader(_, Some(handled)) => {
                Ok(handled.recv_timeout(limit).ok())
            }
            Receiver::Consumer(consumer, None) => match consumer.receive(Some(limit)) {
                Ok(message) => {
                    consumer.ack(&message)?;
                    Ok(Some(number(message.payload())))
                }
                Err(error) => timeout(error),
            },
            Receiver::Reader(reader, None) => match reader.receive(Some(limit)) {
                Ok(message) => Ok(Some(number(message.payload()))),
                Err(error) => timeout(error),
            },
        }
    }

    /// Receives until each of `0..until` has come, in the order of their first coming; everything that came.
    fn all(&self, until: usize) -> Vec<usize> {
        let (mut came, mut seen) = (Vec::new(), BTreeSet::new());
        while seen.len() < until {
            let number = self.next(Duration::from_secs(15)).unwrap();
            let number = number.unwrap_or_else(|| panic!("no more came after {came:?}; {:?}", self.stats()));
            seen.insert(number);
            came.push(number);
        }
        came
    }

    fn stats(&self) -> Stats {
        match self {
            Receiver::Consumer(consumer, _) => consumer.stats(),
            Receiver::Reader(reader, _) => reader.stats(),
        }
    }

    fn wait_connected(&self) -> Result<()> {
        match self {
            Receiver::Consumer(consumer, _) => consumer.wait_connected(Some(PATIENCE)),
            Receiver::Reader(reader, _) => reader.wait_connected(Some(PATIENCE)),
        }
    }
}

fn publish(mock: &Mock, topic: &str, numbers: std::ops::Range<usize>) {
    for number in numbers {
        mock.publish(topic, MockMessage::new(number.to_string())).unwrap();
    }
}

/// A window of messages, `fault` at `op` of the next, three windows more; what the role promises then.
fn a_receiver_goes_on(mock: &Mock, receiving: Receiving, policy: &str, op: &str, fault: &str) {
    let more = receiving.policy(policy);
    let (client, topic) = (client(mock, fault), topic(PLAIN));
    publish(mock, &topic, 0..WINDOW);
    let receiver = receiving.open(&client, &topic, more).unwrap();
    assert_eq!(receiver.all(WINDOW), (0..WINDOW).collect::<Vec<_>>());
    if !receiving.is_reader() {
        eventually("the first are acknowledged", || mock.backlog(&topic, "s").unwrap() == 0);
    }
    mock.fault(op, Some(&topic), fault, 1).unwrap();
    publish(mock, &topic, WINDOW..WINDOW + MORE);
    let (mut came, mut seen) = (Vec::new(), BTreeSet::new());
    while seen.len() < MORE {
        let next = receiver.next(Duration::from_secs(15)).unwrap();
        let next = next.unwrap_or_else(|| panic!("no more came after {came:?}; {:?}", receiver.stats()));
        seen.insert(next);
        came.push(next);
    }
    let stats = receiver.stats();
    // A shared subscription keeps no order: redelivered messages arrive in between.
    assert!(firsts(&came).is_sorted() || policy.contains("shared"), "order: {came:?}");
    if receiving.is_reader() && fault != "duplicate" {
        assert_eq!(firsts(&came), came, "a reader replays nothing");
    }
    if !receiving.is_reader() {
        if fault == "lost-ack" {
            // The client cannot notice the loss: the message is redelivered on the next connection.
            eventually("one is not acknowledged", || mock.backlog(&topic, "s").unwrap() == 1);
            mock.drop_connections(Some(&topic)).unwrap();
            assert!(receiver.next(PATIENCE).unwrap().is_some_and(|number| seen.contains(&number)));
        }
        eventually("everything is acknowledged", || mock.backlog(&topic, "s").unwrap() == 0);
        eventually("nothing is counted as unacknowledged", || receiver.stats().unacked == 0);
    }
    if breaks(fault) {
        assert!(stats.reconnects >= 1, "{stats:?}");
    }
    if matches!(fault, "delay:200" | "duplicate") {
        assert_eq!(stats.reconnects, 0, "{stats:?}");
    }
    if fault == "duplicate" {
        assert_eq!(came.len(), MORE + 1, "{came:?}");
    }
    assert_eq!(stats.handler_errors, 0);
    client.close(PATIENCE).unwrap();
}

fn receiving_cases(op: &'static str, faults: &[&'static str], roles: &[Receiving]) -> Vec<Case> {
    let mock = mock();
    let mut cases: Vec<Case> = Vec::new();
    for receiving in roles.iter().copied() {
        for fault in faults.iter().copied() {
            for policy in receiving.policies() {
                let mock = mock.clone();
                let case = move || a_receiver_goes_on(&mock, receiving, policy, op, fault);
                cases.push((format!("{op} {fault} {receiving:?} {policy}"), Box::new(case)));
            }
        }
    }
    cases
}

#[test]
fn a_delivery_that_goes_wrong_comes_again_and_costs_no_place_in_the_window() {
    let faults: Vec<_> = BREAKS.into_iter().chain(["no-pong", "garbage", "binary", "duplicate", "delay:200"]).collect();
    run(receiving_cases("receive", &faults, &Receiving::ALL));
}

#[test]
fn an_acknowledgement_that_goes_wrong_costs_nothing_but_a_redelivery() {
    let faults: Vec<_> = BREAKS.into_iter().chain(["no-pong", "garbage", "lost-ack", "delay:200"]).collect();
    run(receiving_cases("ack", &faults, &Receiving::ALL));
}

#[test]
fn a_permit_that_goes_wrong_stops_no_pull() {
    let faults: Vec<_> = BREAKS.into_iter().chain(["no-pong", "garbage", "delay:200"]).collect();
    run(receiving_cases("permit", &faults, &[Receiving::PullHandler, Receiving::PullReceive]));
}

#[test]
fn a_negative_acknowledgement_that_goes_wrong_brings_the_message_again_all_the_same() {
    let mock = mock();
    let mut cases: Vec<Case> = Vec::new();
    for fault in BREAKS.into_iter().chain(["no-pong", "garbage", "lost-ack", "delay:200"]) {
        for pull in [false, true] {
            for kind in [SubscriptionType::Exclusive, SubscriptionType::Shared] {
                let mock = mock.clone();
                let case = move || {
                    let (client, topic) = (client(&mock, fault), topic(PLAIN));
                    let options = if pull { Receiving::PullReceive } else { Receiving::Receive }.options();
                    let options = options.subscription_type(kind).negative_ack_delay(Duration::from_millis(50));
                    let consumer = client.consumer(&topic, "s", options).unwrap();
                    mock.fault("nack", Some(&topic), fault, 1).unwrap();
                    publish(&mock, &topic, 0..1);
                    let refused = consumer.receive(Some(PATIENCE)).unwrap();
                    consumer.nack(&refused).unwrap();
                    if fault == "lost-ack" {
                        eventually("it is lost", || mock.count(Op::Nack, Some(&topic)) == Ok(1));
                        mock.drop_connections(Some(&topic)).unwrap();
                    }
                    let again = consumer.receive(Some(PATIENCE)).unwrap();
                    assert_eq!(again.id(), refused.id());
                    consumer.ack(&again).unwrap();
                    publish(&mock, &topic, 1..1 + MORE);
                    let receiver = Receiver::Consumer(consumer, None);
                    let (mut seen, limit) = (BTreeSet::from([0]), Duration::from_secs(15));
                    while seen.len() < 1 + MORE {
                        seen.insert(receiver.next(limit).unwrap().expect("more comes"));
                    }
                    eventually("everything is acknowledged", || mock.backlog(&topic, "s").unwrap() == 0);
                };
                cases.push((format!("nack {fault} pull={pull} {}", kind.as_str()), Box::new(case)));
            }
        }
    }
    run(cases);
}

#[test]
fn a_ping_that_goes_wrong_is_a_disconnect_at_most() {
    let faults = [
        "no-pong",
        "no-receipt",
        "stall",
        "drop",
        "drop-after",
        "reset",
        "close:1000",
        "close:1011",
        "half-frame",
        "garbage",
        "duplicate",
        "delay:100",
    ];
    let mock = mock();
    let mut cases: Vec<Case> = Vec::new();
    let pinging = |mock: &Mock| client(mock, "no-pong");
    for fault in faults {
        for receiving in Receiving::ALL {
            let mock = mock.clone();
            let case = move || {
                let (client, topic) = (pinging(&mock), topic(PLAIN));
                let receiver = receiving.open(&client, &topic, receiving.options()).unwrap();
                let connects = || mock.count(Op::Connect, Some(&topic)).unwrap();
                mock.fault("ping", Some(&topic), fault, 1).unwrap();
                eventually("it is pinged", || mock.count(Op::Ping, Some(&topic)).unwrap() >= 1);
                if !matches!(fault, "duplicate" | "delay:100" | "garbage" | "no-receipt") {
                    eventually("it connects again", || connects() >= 2);
                }
                publish(&mock, &topic, 0..MORE);
                assert_eq!(firsts(&receiver.all(MORE)), (0..MORE).collect::<Vec<_>>());
                if matches!(fault, "duplicate" | "delay:100" | "no-receipt") {
                    assert_eq!(connects(), 1);
                }
            };
            cases.push((format!("ping {fault} {receiving:?}"), Box::new(case)));
        }
        for sending in Sending::ALL {
            let mock = mock.clone();
            let case = move || {
                let (client, topic) = (pinging(&mock), topic(sending.namespace()));
                let producer = client.producer(&topic, sending.options()).unwrap();
                mock.fault("ping", Some(&topic), fault, 1).unwrap();
                eventually("it is pinged", || mock.count(Op::Ping, Some(&topic)).unwrap() >= 1);
                if !matches!(fault, "duplicate" | "delay:100" | "garbage" | "no-receipt") {
                    eventually("it connects again", || producer.stats().reconnects >= 1);
                }
                producer.wait_connected(Some(PATIENCE)).unwrap();
                let outcomes = send(&producer, 0..MORE);
                if sending != Sending::Fail {
                    assert_eq!(outcomes, [None; MORE]);
                }
                assert!(firsts(&stored(&mock, &topic)).is_sorted());
            };
            cases.push((format!("ping {fault} {sending:?}"), Box::new(case)));
        }
    }
    run(cases);
}

// connecting

/// What the server does to an upgrade, and the kind of error that it is.
const REFUSALS: [(&str, ErrorKind); 15] = [
    ("http:400", ErrorKind::InvalidArgument),
    ("http:401", ErrorKind::Authentication),
    ("http:403", ErrorKind::Authorization),
    ("http:404", ErrorKind::NotFound),
    ("http:409", ErrorKind::Busy),
    ("http:429", ErrorKind::Broker),
    ("http:500", ErrorKind::Broker),
    ("http:503", ErrorKind::Broker),
    ("http:504", ErrorKind::Broker),
    ("drop", ErrorKind::Connect),
    ("reset", ErrorKind::Connect),
    ("half-frame", ErrorKind::Connect),
    ("garbage", ErrorKind::Protocol),
    ("stall", ErrorKind::Timeout),
    ("delay:3000", ErrorKind::Timeout),
];

/// A handle of any role, and whether it works.
enum Any {
    Producer(Producer),
    Receiver(Receiver),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    Sending(Sending),
    Receiving(Receiving),
}

impl Role {
    fn all() -> Vec<Role> {
        let sending = [Sending::Resend, Sending::Fail, Sending::Once].map(Role::Sending);
        sending.into_iter().chain(Receiving::ALL.map(Role::Receiving)).collect()
    }

    fn topic(self) -> String {
        match self {
            Role::Sending(sending) => topic(sending.namespace()),
            Role::Receiving(_) => topic(PLAIN),
        }
    }

    fn open(self, client: &Client, topic: &str, policy: Policy) -> Result<Any> {
        Ok(match self {
            Role::Sending(sending) => Any::Producer(client.producer(topic, policy.set(sending.options()))?),
            Role::Receiving(receiving) => {
                Any::Receiver(receiving.open(client, topic, policy.set(receiving.options()))?)
            }
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Policy {
    Default,
    Lazy,
    KeepTrying,
    LazyKeepTrying,
    /// Two failures in a row are the end.
    TwoReconnects,
    LazyTwoReconnects,
}

impl Policy {
    const ALL: [Policy; 6] = [
        Policy::Default,
        Policy::Lazy,
        Policy::KeepTrying,
        Policy::LazyKeepTrying,
        Policy::TwoReconnects,
        Policy::LazyTwoReconnects,
    ];

    fn set(self, options: Options) -> Options {
        let options = options.lazy(self.is_lazy()).keep_trying(self.keeps_trying());
        if matches!(self, Policy::TwoReconnects | Policy::LazyTwoReconnects) {
            return options.max_reconnects(2);
        }
        options
    }

    fn is_lazy(self) -> bool {
        matches!(self, Policy::Lazy | Policy::LazyKeepTrying | Policy::LazyTwoReconnects)
    }

    fn keeps_trying(self) -> bool {
        matches!(self, Policy::KeepTrying | Policy::LazyKeepTrying)
    }
}

impl Any {
    /// Three windows of messages go through it.
    fn works(&self, mock: &Mock, topic: &str) {
        match self {
            Any::Producer(producer) => assert_eq!(send(producer, 0..MORE), [None; MORE]),
            Any::Receiver(receiver) => {
                receiver.wait_connected().unwrap();
                publish(mock, topic, 0..MORE);
                assert_eq!(firsts(&receiver.all(MORE)), (0..MORE).collect::<Vec<_>>());
            }
        }
    }

    /// Checks that it has ended, or ends soon, and that every use reports this kind.
    fn ends(&self, kind: ErrorKind) {
        let soon = Some(Duration::from_millis(100));
        let has_ended = || match self {
            Any::Producer(producer) => producer.wait_connected(soon),
            Any::Receiver(Receiver::Consumer(consumer, _)) => consumer.wait_connected(soon),
            Any::Receiver(Receiver::Reader(reader, _)) => reader.wait_connected(soon),
        };
        // A wait that is over without an end is a timeout too, but one of no connection.
        let is_end = |error: &Error| error.kind() == kind && error.topic().is_some();
        eventually("it ends", || has_ended().is_err_and(|error| is_end(&error)));
        let error = match self {
            Any::Producer(producer) => {
                let error = producer.send("0", Some(PATIENCE)).unwrap_err();
                producer.flush(Some(PATIENCE)).unwrap();
                assert_eq!(producer.stats().in_flight, 0);
                error
            }
            Any::Receiver(Receiver::Consumer(consumer, None)) => consumer.receive(Some(PATIENCE)).unwrap_err(),
            Any::Receiver(Receiver::Reader(reader, None)) => reader.receive(Some(PATIENCE)).unwrap_err(),
            Any::Receiver(_) => has_ended().unwrap_err(),
        };
        assert_eq!(error.kind(), kind, "{error}");
    }
}

fn connecting(mock: &Mock, fault: &str) -> Client {
    let client = client(mock, fault).as_async().url().to_string();
    let options = Options::new().backoff_min(Duration::from_millis(1)).backoff_max(Duration::from_millis(20));
    // Long enough for a machine that is busy, where no timeout is wanted.
    let timeout = if matches!(fault, "stall" | "delay:3000") { 300 } else { 20_000 };
    Client::new(&client, options.connect_timeout(Duration::from_millis(timeout))).unwrap()
}

/// Whether a status ends a handle that would otherwise try again.
fn is_final(fault: &str) -> bool {
    matches!(fault, "http:400" | "http:401" | "http:403" | "http:404")
}

#[test]
fn a_first_connection_that_fails_ends_a_handle_or_is_tried_again_as_its_options_say() {
    let mock = mock();
    let mut cases: Vec<Case> = Vec::new();
    for role in Role::all() {
        for policy in Policy::ALL {
            for (fault, kind) in REFUSALS {
                let mock = mock.clone();
                let case = move || {
                    let (client, topic) = (connecting(&mock, fault), role.topic());
                    mock.fault("connect", Some(&topic), fault, 1).unwrap();
                    let opened = role.open(&client, &topic, policy);
                    if !policy.is_lazy() && kind != ErrorKind::Busy {
                        // The first attempt is taken at its word, unless its place may be free in a moment.
                        let error = opened.err().expect("the first attempt fails");
                        assert_eq!(error.kind(), kind, "{error}");
                        assert!(error.to_string().contains(&topic), "{error}");
                        role.open(&client, &topic, policy).unwrap().works(&mock, &topic);
                    } else if is_final(fault) && !policy.keeps_trying() {
                        opened.unwrap().ends(kind);
                        role.open(&client, &topic, policy).unwrap().works(&mock, &topic);
                    } else {
                        opened.unwrap().works(&mock, &topic);
                    }
                };
                cases.push((format!("connect {fault} {role:?} {policy:?}"), Box::new(case)));
            }
        }
    }
    run(cases);
}

#[test]
fn a_reconnect_that_fails_ends_a_handle_or_is_tried_again_as_its_options_say() {
    let mock = mock();
    let mut cases: Vec<Case> = Vec::new();
    for role in Role::all() {
        for policy in [Policy::Default, Policy::KeepTrying, Policy::TwoReconnects] {
            for (fault, kind) in REFUSALS {
                for failures in [1, 2] {
                    let mock = mock.clone();
                    let case = move || {
                        let (client, topic) = (connecting(&mock, fault), role.topic());
                        let handle = role.open(&client, &topic, policy).unwrap();
                        mock.fault("connect", Some(&topic), fault, failures).unwrap();
                        mock.drop_connections(Some(&topic)).unwrap();
                        let given_up = policy == Policy::TwoReconnects && failures == 2;
                        if given_up || (is_final(fault) && !policy.keeps_trying()) {
                            handle.ends(kind);
                        } else {
                            // Whatever is sent meanwhile must not meet the connection that is about to be found dead.
                            let connects = || mock.count(Op::Connect, Some(&topic)).unwrap();
                            eventually("it has connected again", || connects() >= 2 + failures);
                            handle.works(&mock, &topic);
                        }
                    };
                    cases.push((format!("reconnect {failures} {fault} {role:?} {policy:?}"), Box::new(case)));
                }
            }
        }
    }
    run(cases);
}

// questions and the end

#[test]
fn the_question_for_the_end_of_a_topic_is_answered_over_any_fault() {
    let mock = mock();
    let mut cases: Vec<Case> = Vec::new();
    for receiving in [Receiving::Receive, Receiving::PullReceive, Receiving::Reader] {
        for fault in BREAKS.into_iter().chain(["no-pong", "garbage", "binary", "duplicate", "delay:200"]) {
            let mock = mock.clone();
            let case = move || {
                let (client, topic) = (client(&mock, fault), topic(PLAIN));
                let receiver = receiving.open(&client, &topic, receiving.options()).unwrap();
                mock.fault("end_of_topic", Some(&topic), fault, 1).unwrap();
                let is_end = |receiver: &Receiver| match receiver {
                    Receiver::Consumer(consumer, _) => consumer.is_end_of_topic(Some(PATIENCE)),
                    Receiver::Reader(reader, _) => reader.is_end_of_topic(Some(PATIENCE)),
                };
                assert!(!is_end(&receiver).unwrap());
                mock.terminate(&topic).unwrap();
                eventually("it has ended", || is_end(&receiver).unwrap());
                eventually("it was counted", || receiver.stats().unexpected == u64::from(fault == "duplicate"));
            };
            cases.push((format!("end_of_topic {fault} {receiving:?}"), Box::new(case)));
        }
    }
    run(cases);
}

#[test]
fn an_unsubscribe_that_the_connection_does_not_survive_is_an_error_and_the_consumer_goes_on() {
    let mock = mock();
    let mut cases: Vec<Case> = Vec::new();
    for receiving in [Receiving::Receive, Receiving::Handler, Receiving::PullReceive, Receiving::PullHandler] {
        for fault in ["close:1000", "close:1011", "drop", "reset", "stall", "garbage", "half-frame", "delay:200"] {
            let mock = mock.clone();
            let case = move || {
                let (client, topic) = (client(&mock, fault), topic(PLAIN));
                let receiver = receiving.open(&client, &topic, receiving.options()).unwrap();
                mock.fault("unsubscribe", Some(&topic), fault, 1).unwrap();
                let Receiver::Consumer(consumer, _) = &receiver else { unreachable!() };
                let unsubscribed = consumer.unsubscribe(PATIENCE);
                if fault == "delay:200" {
                    unsubscribed.unwrap();
                    assert!(mock.backlog(&topic, "s").is_err(), "it is gone");
                    return;
                }
                // Done before the connection broke, or not: it is not confirmed.
                assert_eq!(unsubscribed.unwrap_err().kind(), ErrorKind::Broker);
                Any::Receiver(receiver).works(&mock, &topic);
            };
            cases.push((format!("unsubscribe {fault} {receiving:?}"), Box::new(case)));
        }
    }
    run(cases);
}

#[test]
fn a_close_ends_in_time_and_leaves_nothing_behind_whatever_the_server_does_about_it() {
    let mock = mock();
    let mut cases: Vec<Case> = Vec::new();
    for fault in ["drop", "drop-after", "reset", "no-receipt", "stall", "close:1011", "delay:3000", "no-pong"] {
        for role in Role::all() {
            let mock = mock.clone();
            let case = move || {
                let (client, topic) = (connecting(&mock, fault), role.topic());
                let handle = role.open(&client, &topic, Policy::Default).unwrap();
                handle.works(&mock, &topic);
                mock.fault("close", Some(&topic), fault, 1).unwrap();
                let begun = Instant::now();
                match &handle {
                    Any::Producer(producer) => producer.close(PATIENCE),
                    Any::Receiver(Receiver::Consumer(consumer, _)) => consumer.close(PATIENCE),
                    Any::Receiver(Receiver::Reader(reader, _)) => reader.close(PATIENCE),
                }
                .unwrap();
                assert!(begun.elapsed() < PATIENCE / 2, "{:?}", begun.elapsed());
                if let Any::Receiver(Receiver::Consumer(..)) = handle {
                    assert_eq!(mock.backlog(&topic, "s"), Ok(0), "acknowledgements go out before the close frame");
                }
            };
            cases.push((format!("close {fault} {role:?}"), Box::new(case)));
        }
    }
    run(cases);
}

// tombstones

/// Looks soon, so that nobody waits for it here.
fn watching(options: Options) -> Options {
    options.tombstone_check_interval(Duration::from_millis(200))
}

fn null() -> MockMessage {
    MockMessage { payload: None, ..MockMessage::default() }
}

#[test]
fn a_message_without_a_value_is_found_out_and_skipped_if_so_wanted() {
    let mock = mock();
    let mut cases: Vec<Case> = Vec::new();
    for skips in [true, false] {
        for receiving in [Receiving::Receive, Receiving::PullReceive, Receiving::Reader] {
            for batched in [false, true] {
                let mock = mock.clone();
                let case = move || {
                    let (client, topic) = (client(&mock, "no-pong"), topic(PLAIN));
                    let options = watching(receiving.options().skip_tombstones(skips));
                    let receiver = receiving.open(&client, &topic, options).unwrap();
                    // An empty value is one.
                    for payload in ["first", ""] {
                        mock.publish(&topic, MockMessage::new(payload)).unwrap();
                    }
                    match batched {
                        false => drop((mock.publish(&topic, null()).unwrap(), mock.publish(&topic, null()).unwrap())),
                        true => drop(mock.publish_batch(&topic, vec![null(), null()]).unwrap()),
                    }
                    mock.publish(&topic, MockMessage::new("last")).unwrap();
                    let payloads = |count| -> Vec<String> {
                        let next = || match &receiver {
                            Receiver::Consumer(consumer, _) => {
                                let message = consumer.receive(Some(PATIENCE)).unwrap();
                                consumer.ack(&message).unwrap();
                                message
                            }
                            Receiver::Reader(reader, _) => reader.receive(Some(PATIENCE)).unwrap(),
                        };
                        (0..count).map(|_| String::from_utf8(next().payload().to_vec()).unwrap()).collect()
                    };
                    assert_eq!(payloads(2), ["first", ""]);
                    if skips {
                        assert_eq!(payloads(1), ["last"]);
                    } else {
                        eventually("it is found out", || receiver.stats().tombstones == 1);
                        assert_eq!(receiver.stats().received, 2);
                    }
                };
                cases.push((format!("skips {skips} batched {batched} {receiving:?}"), Box::new(case)));
            }
        }
    }
    run(cases);
}

#[test]
fn what_shares_a_batch_with_a_message_without_a_value_is_not_skipped_with_it() {
    let mock = mock();
    let (client, topic) = (client(&mock, "no-pong"), topic(PLAIN));
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = told.clone();
    let options = watching(Receiving::Receive.options().skip_tombstones(true)).on_state(move |change| {
        seen.lock().unwrap().extend(change.error.as_ref().map(|error| (error.kind(), error.to_string())));
    });
    let consumer = client.consumer(&topic, "s", options).unwrap();
    mock.publish_batch(&topic, vec![null(), MockMessage::new("kept")]).unwrap();
    eventually("it is found out", || consumer.stats().tombstones == 1);
    eventually("it is reported", || !told.lock().unwrap().is_empty());
    let (kind, text) = told.lock().unwrap()[0].clone();
    assert_eq!(kind, ErrorKind::Broker);
    assert!(text.contains("cannot be skipped: it is in a batch"), "{text}");
    assert_eq!(mock.backlog(&topic, "s").unwrap(), 1, "of entries");
}

#[test]
fn a_message_without_a_value_in_a_partition_is_found_out_and_skipped() {
    let mock = mock();
    let (client, topic) = (client(&mock, "no-pong"), topic(PLAIN));
    mock.create_partitioned(&topic, 3).unwrap();
    let consumer = client.consumer(&topic, "s", watching(Receiving::Receive.options().skip_tombstones(true))).unwrap();
    let part = format!("{topic}-partition-1");
    for message in [MockMessage::new("a"), null(), MockMessage::new("b"), null(), MockMessage::new("c")] {
        mock.publish(&part, message).unwrap();
    }
    for expected in ["a", "b", "c"] {
        let message = consumer.receive(Some(PATIENCE)).unwrap();
        assert_eq!(payload(&message), expected);
        consumer.ack(&message).unwrap();
    }
    assert_eq!(consumer.stats().tombstones, 2);
}

/// Whatever a topic ends with.
#[derive(Clone, Copy, Debug)]
enum Ending {
    One,
    Two,
    /// All of the last entry.
    Batch,
    /// The last of the last entry.
    InBatch,
    /// There is nothing else in it.
    Only,
    /// Of one of three partitions.
    Partition,
}

impl Ending {
    const ALL: [Ending; 6] =
        [Ending::One, Ending::Two, Ending::Batch, Ending::InBatch, Ending::Only, Ending::Partition];

    /// Fills the topic; the payloads that it has.
    fn publish(self, mock: &Mock, topic: &str) -> Vec<&'static str> {
        let value = |payload| MockMessage::new(payload).key(payload);
        let one = |message| drop(mock.publish(topic, message).unwrap());
        let payloads = match self {
            Ending::Only => vec![],
            _ => vec!["a", "b", "c"],
        };
        if let Ending::Partition = self {
            mock.create_partitioned(topic, 3).unwrap();
        }
        for payload in payloads.iter().skip(usize::from(matches!(self, Ending::InBatch))) {
            one(value(*payload));
        }
        match self {
            Ending::One | Ending::Only => one(null()),
            Ending::Two => (0..2).for_each(|_| one(null())),
            Ending::Batch => drop(mock.publish_batch(topic, vec![null(), null()]).unwrap()),
            Ending::InBatch => drop(mock.publish_batch(topic, vec![value("a"), null()]).unwrap()),
            Ending::Partition => drop(mock.publish(&format!("{topic}-partition-1"), null()).unwrap()),
        }
        payloads
    }
}

fn payload(message: &Message) -> String {
    String::from_utf8(message.payload().to_vec()).unwrap()
}

fn read_to_the_end(reader: &Reader) -> Result<Vec<String>> {
    let mut read: Vec<String> =
        reader.until_caught_up()?.map(|message| Ok(payload(&message?))).collect::<Result<_>>()?;
    read.sort_unstable();
    Ok(read)
}

#[test]
fn reading_to_the_end_ends_where_the_last_message_is_a_tombstone_that_is_skipped() {
    let mock = mock();
    let mut cases: Vec<Case> = Vec::new();
    for ending in Ending::ALL {
        for sought in [false, true] {
            let mock = mock.clone();
            let case = move || {
                let (client, topic) = (client(&mock, "no-pong"), topic(PLAIN));
                let payloads = ending.publish(&mock, &topic);
                let options = watching(Receiving::Reader.options().skip_tombstones(true));
                let reader = client.reader(&topic, options).unwrap();
                if sought {
                    assert_eq!(read_to_the_end(&reader).unwrap(), payloads);
                    reader.seek(&Position::Earliest).unwrap();
                }
                assert_eq!(read_to_the_end(&reader).unwrap(), payloads);
                assert!(!reader.has_message_available().unwrap());
                mock.publish(&topic, MockMessage::new("more")).unwrap();
                assert_eq!(read_to_the_end(&reader).unwrap(), ["more"]);
            };
            cases.push((format!("{ending:?} sought {sought}"), Box::new(case)));
        }
    }
    run(cases);
}

#[test]
fn reading_to_the_end_fails_at_a_tombstone_that_is_not_skipped_and_goes_on_after_a_seek() {
    let mock = mock();
    let mut cases: Vec<Case> = Vec::new();
    for ending in Ending::ALL {
        let mock = mock.clone();
        let case = move || {
            let (client, topic) = (client(&mock, "no-pong"), topic(PLAIN));
            let payloads = ending.publish(&mock, &topic);
            let reader = client.reader(&topic, watching(Receiving::Reader.options())).unwrap();
            reader.mark_end().unwrap();
            let mut read = Vec::new();
            let error = loop {
                match reader.receive_before_end(Some(PATIENCE)) {
                    Ok(message) => read.push(payload(&message.expect("the tombstone is not passed over"))),
                    Err(error) => break error,
                }
            };
            read.sort_unstable();
            assert_eq!(read, payloads, "what comes before it, and from other partitions, comes first");
            assert_eq!(error.kind(), ErrorKind::Broker);
            let text = error.to_string();
            assert!(text.contains("skip_tombstones or a seek") && text.contains(&topic), "{text}");
            // Every call reports it, until a seek moves the reader.
            assert_eq!(reader.receive_before_end(Some(PATIENCE)).unwrap_err().kind(), ErrorKind::Broker);
            let last = reader.last_message_ids().unwrap();
            let end = last.iter().find(|id| text.contains(&id.to_string())).or_else(|| last.last());
            reader.seek(&Position::After(end.unwrap().clone())).unwrap();
            assert!(reader.receive_before_end(Some(PATIENCE)).unwrap().is_none());
        };
        cases.push((format!("{ending:?}"), Box::new(case)));
    }
    run(cases);
}

#[test]
fn waits_for_the_end_that_are_given_up_lose_nothing() {
    let mock = mock();
    let (client, topic) = (client(&mock, "no-pong"), topic(PLAIN));
    let reader = client.reader(&topic, watching(Receiving::Reader.options().skip_tombstones(true))).unwrap();
    let publisher = {
        let (mock, topic) = (mock.clone(), topic.clone());
        // Marked with the last, so that none of them is past the mark.
        for number in 0..200 {
            mock.publish(&topic, MockMessage::new(number.to_string())).unwrap();
        }
        mock.publish(&topic, null()).unwrap();
        reader.mark_end().unwrap();
        reader.seek(&Position::Earliest).unwrap();
        std::thread::spawn(move || mock.drop_connections(Some(&topic)).unwrap())
    };
    let (mut read, begun) = (Vec::new(), Instant::now());
    loop {
        // Mostly too short for anything to come.
        match reader.receive_before_end(Some(Duration::from_micros(50))) {
            Ok(Some(message)) => read.push(number(message.payload())),
            Ok(None) => break,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Timeout),
        }
        assert!(begun.elapsed() < CASE_LIMIT, "it hangs after {read:?}");
    }
    publisher.join().unwrap();
    assert_eq!(read, (0..200).collect::<Vec<_>>());
}

/// A reader that has taken `first` and is being looked for the tombstone behind it, which takes so long that something else
/// happens meanwhile.
fn reader_that_is_looked_for(mock: &Mock, client: &Client, topic: &str) -> (Reader, Message) {
    let reader = client.reader(topic, watching(Receiving::Reader.options().skip_tombstones(true))).unwrap();
    mock.publish(topic, MockMessage::new("first")).unwrap();
    let first = reader.receive(Some(PATIENCE)).unwrap();
    // The three questions of the look.
    mock.fault("http", None, "delay:300", 3).unwrap();
    let asked = || mock.count(Op::Http, None).unwrap();
    let before = asked();
    mock.publish(topic, null()).unwrap();
    eventually("it looks", || asked() > before);
    assert_eq!(reader.stats().tombstones, 0);
    (reader, first)
}

#[test]
fn what_is_put_back_before_a_tombstone_is_skipped_is_not_skipped_with_it() {
    let mock = mock();
    let (client, topic) = (client(&mock, "no-pong"), topic(PLAIN));
    let (reader, first) = reader_that_is_looked_for(&mock, &client, &topic);
    reader.as_async().put_back(vec![first]);
    mock.publish(&topic, MockMessage::new("last")).unwrap();
    eventually("it is skipped", || reader.stats().queued == 2);
    let read: Vec<String> = reader.receive_many(2, PATIENCE).unwrap().iter().map(payload).collect();
    assert_eq!(read, ["first", "last"]);
}

#[test]
fn a_seek_of_the_application_is_not_undone_by_a_skip() {
    let mock = mock();
    let (client, topic) = (client(&mock, "no-pong"), topic(PLAIN));
    let (reader, _) = reader_that_is_looked_for(&mock, &client, &topic);
    reader.seek(&Position::Earliest).unwrap();
    eventually("the look is over", || mock.faults_left() == 0);
    // A skip would come now, and let go of what has arrived.
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(reader.stats().tombstones, 0);
    assert_eq!(payload(&reader.receive(Some(PATIENCE)).unwrap()), "first");
}

/// A consumer that acknowledged messages up to the second of five and holds the others, and a seek to the first that takes
/// as long as the answer of the REST API: the messages arrive again on the connection from before.
fn during_a_seek(mock: &Mock, fault: &str, act: impl FnOnce(&Consumer, &[Message])) -> (Consumer, Result<()>) {
    let (client, topic) = (client(mock, "no-pong"), topic(PLAIN));
    let consumer = client.consumer(&topic, "s", Receiving::Receive.options().queue_size(100)).unwrap();
    for number in 0..5 {
        mock.publish(&topic, MockMessage::new(number.to_string())).unwrap();
    }
    let messages = consumer.receive_many(5, PATIENCE).unwrap();
    consumer.ack_cumulative(&messages[1]).unwrap();
    eventually("two are acknowledged", || mock.backlog(&topic, "s").unwrap() == 3);
    mock.fault("http", None, fault, 1).unwrap();
    let outcome = std::thread::scope(|scope| {
        let seeking = scope.spawn(|| consumer.seek(&Position::Earliest));
        // The client asks this before it moves the subscription.
        eventually("the seek has begun", || mock.count(Op::EndOfTopic, Some(&topic)).unwrap() == 1);
        act(&consumer, &messages);
        seeking.join().unwrap()
    });
    (consumer, outcome)
}

#[test]
fn acknowledgements_during_a_seek_do_not_undo_a_part_of_it() {
    let mock = mock();
    let (consumer, outcome) = during_a_seek(&mock, "delay:500", |consumer, messages| {
        eventually("it arrives again", || consumer.stats().received >= 10);
        consumer.ack(&messages[3]).unwrap();
    });
    outcome.unwrap();
    let again: Vec<String> = consumer.receive_many(5, PATIENCE).unwrap().iter().map(payload).collect();
    assert_eq!(again, ["0", "1", "2", "3", "4"]);
    assert_eq!(mock.backlog(&consumer.topic().to_string(), "s").unwrap(), 5);
}

#[test]
fn acknowledgements_during_a_seek_that_fails_are_sent() {
    let mock = mock();
    let (consumer, outcome) =
        during_a_seek(&mock, "http:403", |consumer, messages| consumer.ack(&messages[3]).unwrap());
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Authorization);
    let topic = consumer.topic().to_string();
    eventually("the fourth is acknowledged too", || mock.backlog(&topic, "s").unwrap() == 2);
}

#[test]
fn however_many_handles_are_silent_a_client_asks_ten_times_a_second() {
    const HANDLES: usize = 300;
    let mock = mock();
    let client = client(&mock, "drop");
    let interval = Options::new().tombstone_check_interval(Duration::from_millis(50)).lazy(true);
    let topic = topic(PLAIN);
    let handles: Vec<Consumer> =
        (0..HANDLES).map(|number| client.consumer(&topic, format!("s{number}"), interval.clone()).unwrap()).collect();
    eventually("all are connected", || handles.iter().all(|handle| handle.as_async().is_connected()));
    let asked = || mock.count(Op::Http, None).unwrap();
    let (before, begun) = (asked(), Instant::now());
    std::thread::sleep(Duration::from_secs(3));
    let (requests, seconds) = (asked() - before, begun.elapsed().as_secs_f64());
    let rate = requests as f64 / seconds;
    assert!((5.0..=10.5).contains(&rate), "{rate:.1} requests a second");
    // And no look costs more than one, where there is nothing to find.
    let asked: Vec<_> = mock.requests().into_iter().filter(|request| request.op == Op::Http).collect();
    assert!(asked.iter().all(|request| request.topic.ends_with("/position/1")), "{:?}", asked.last());
    drop(handles);
    let (left, begun) = (mock.count(Op::Http, None).unwrap(), Instant::now());
    std::thread::sleep(Duration::from_secs(1));
    assert!(mock.count(Op::Http, None).unwrap() - left <= 2, "after {:?}", begun.elapsed());
}

#[test]
fn a_close_frame_is_reported_as_what_it_is() {
    let mock = mock();
    for (fault, expected) in [
        ("close-empty", "closed the connection with an empty close frame"),
        ("close:1011:", "closed the connection (1011); next attempt"),
        ("close:1001:bye", "(1001) (an idle connection, or a server that shuts down): bye"),
        ("close:0:x", "(0) (a code that no close frame may carry): x"),
        ("close:1005:", "(1005) (a code that no close frame may carry); next attempt"),
        ("close:1006:y", "(1006) (a code that no close frame may carry): y"),
        ("close:1015:z", "(1015) (a code that no close frame may carry): z"),
        ("close:2999:z", "(2999) (a code that no close frame may carry): z"),
        ("close:65535:z", "(65535) (a code that no close frame may carry): z"),
        ("close:4999:own", "(4999): own"),
        ("drop-after", "ended the connection without a close frame"),
    ] {
        let (topic, lines) = (topic(PLAIN), Arc::new(Mutex::new(Vec::new())));
        let told = lines.clone();
        let log = move |_: Level, _: &str, text: &str| told.lock().unwrap().push(text.to_owned());
        mock.fault("connect", Some(&topic), fault, 1).unwrap();
        let options = Options::new().backoff_min(Duration::from_millis(1)).log_sink(log);
        let _reader = client(&mock, fault).reader(&topic, options).unwrap();
        let is_told = || lines.lock().unwrap().iter().any(|line| line.contains(expected));
        let until = Instant::now() + PATIENCE;
        while !is_told() {
            assert!(Instant::now() < until, "{fault}: {:?}", lines.lock().unwrap());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
