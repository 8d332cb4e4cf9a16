//! Everything that sends and receives while faults happen, and what is checked afterwards.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use stargate_core::blocking::{Client, Consumer, Producer, Reader};
use stargate_core::{
    ErrorKind, HandlerResult, InitialPosition, Message, Options, Outcome, OutgoingMessage, SubscriptionType,
};

use crate::environment::{administrator, client, namespace, number_of};
use crate::numbers::{Numbers, Seen};
use crate::waiting::{PATIENCE, eventually, unique};

/// How many keys the messages of a producer have, in turn.
const KEYS: u64 = 8;

/// A shorter time without a receipt is not kept.
const GAP: Duration = Duration::from_millis(100);

/// One of so many messages is wanted again later by the consumer of retry letters.
const LATER: u64 = 50;

/// What a receiver saw, by key.
type Received = Arc<Mutex<HashMap<String, Seen>>>;

fn number(message: &Message) -> u64 {
    std::str::from_utf8(message.payload()).expect("digits").trim().parse().expect("a number")
}

fn note(received: &Received, message: &Message) {
    let key = message.key().unwrap_or_default().to_owned();
    received.lock().unwrap().entry(key).or_default().see(number(message) / KEYS);
}

/// What a producer sent: the acknowledged numbers by key, errors, and the times without a receipt.
#[derive(Default)]
struct Sending {
    acknowledged: Mutex<HashMap<String, Numbers>>,
    errors: Mutex<Vec<String>>,
    receipts: Mutex<Receipts>,
}

impl Sending {
    fn count(&self) -> u64 {
        self.acknowledged.lock().unwrap().values().map(Numbers::len).sum()
    }
}

/// The times without a receipt.
#[derive(Default)]
struct Receipts {
    last: Option<Instant>,
    gaps: Vec<(Instant, Instant)>,
}

impl Receipts {
    fn came(&mut self) {
        let now = Instant::now();
        if let Some(last) = self.last.replace(now).filter(|last| now - *last >= GAP) {
            self.gaps.push((last, now));
        }
    }

    /// Returns the longest time without a receipt in the half minute from `moment` on.
    fn longest_gap(&self, moment: Instant) -> Duration {
        let near = self.gaps.iter().filter(|(from, to)| *to > moment && *from < moment + PATIENCE);
        near.map(|(from, to)| *to - *from.max(&moment)).max().unwrap_or_default()
    }
}

/// Sends at [`rate`] until it is stopped, and waits for every receipt.
fn send(producer: &Producer, sending: &Arc<Sending>, stop: &AtomicBool) {
    let (begun, rate) = (Instant::now(), rate());
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let due = begun + Duration::from_micros(number * 1_000_000 / rate);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let (key, sending) = (format!("key {}", number % KEYS), sending.clone());
        let message = OutgoingMessage::new(format!("{number:>100}")).key(key.clone());
        let accepted = producer.send_with(message, move |sent| match sent.result {
            Ok(_) => {
                sending.acknowledged.lock().unwrap().entry(key).or_default().insert(number / KEYS);
                sending.receipts.lock().unwrap().came();
            }
            Err(error) => sending.errors.lock().unwrap().push(format!("{number}: {error}")),
        });
        accepted.expect("the producer lives");
        number += 1;
    }
    // After the callbacks of the messages, which a flush that waits does not wait for.
    let (sender, flushed) = mpsc::channel();
    let patience = Some(Duration::from_secs(120));
    let flush =
        producer.as_async().flush_with(patience, move |flushed| sender.send(flushed).expect("it is waited for"));
    flush.expect("the producer lives");
    flushed.recv().expect("the callback runs").expect("every receipt comes");
}

/// A consumer, and what it saw.
struct Receiver<'a> {
    name: String,
    _consumer: Consumer,
    received: Received,
    sending: &'a Sending,
    ordered: bool,
}

impl<'a> Receiver<'a> {
    fn open(client: &Client, topic: &str, kind: SubscriptionType, sending: &'a Sending) -> Receiver<'a> {
        let handle = |message: &Message, received: &Received| {
            note(received, message);
            Outcome::Ack
        };
        // With key_shared it is the order of each key, as the numbers have it.
        let ordered = kind != SubscriptionType::Shared;
        let options = Options::new().subscription_type(kind);
        Receiver::listen(client, topic, &format!("{kind:?} of {topic}"), options, ordered, sending, handle)
    }

    /// Wants some messages again later.
    fn with_retry_letters(client: &Client, topic: &str, sending: &'a Sending) -> Receiver<'a> {
        let handle = |message: &Message, received: &Received| {
            if message.reconsume_times() == 0 && number(message).is_multiple_of(LATER) {
                return Outcome::ReconsumeLater(Duration::from_millis(500));
            }
            note(received, message);
            Outcome::Ack
        };
        let options = Options::new().subscription_type(SubscriptionType::Shared).enable_retry(true);
        Receiver::listen(client, topic, &format!("retry letters of {topic}"), options, false, sending, handle)
    }

    fn listen(
        client: &Client,
        topic: &str,
        name: &str,
        options: Options,
        ordered: bool,
        sending: &'a Sending,
        handle: impl Fn(&Message, &Received) -> Outcome + Copy + Send + Sync + 'static,
    ) -> Receiver<'a> {
        let options = options.initial_position(InitialPosition::Earliest);
        let consumer = client.consumer(topic, unique("subscription"), options).expect("the consumer opens");
        let received = Received::default();
        let noting = received.clone();
        let listening = consumer.listen(move |_| {
            let noting = noting.clone();
            Ok(move |message: &Message| -> HandlerResult { Ok(handle(message, &noting)) })
        });
        listening.expect("it listens");
        Receiver { name: name.to_owned(), _consumer: consumer, received, sending, ordered }
    }
}

fn read(reader: &Reader, received: &Received, until: impl Fn() -> bool) {
    while !until() {
        match reader.receive(Some(Duration::from_millis(200))) {
            Ok(message) => note(received, &message),
            Err(error) if error.kind() == ErrorKind::Timeout => {}
            Err(error) => panic!("the reader goes on: {error}"),
        }
    }
}

fn is_complete(received: &Received, sending: &Sending) -> bool {
    received.lock().unwrap().values().map(|seen| seen.numbers.len()).sum::<u64>() >= sending.count()
}

/// What a run came to.
pub(crate) struct Outcomes {
    /// The longest time without a receipt after each moment that the faults returned.
    pub(crate) gaps: Vec<Duration>,
    /// The messages that were acknowledged, of both producers.
    pub(crate) acknowledged: u64,
    /// How long they were sent.
    pub(crate) sent_for: Duration,
}

/// Topics with everything that sends and receives on them, over the proxies or the brokers themselves.
pub(crate) struct Flow {
    pub(crate) admin: Client,
    pub(crate) plain: String,
    pub(crate) partitioned: String,
}

impl Flow {
    pub(crate) fn new() -> Flow {
        let admin = administrator();
        let namespace = namespace(&admin);
        let flow = Flow {
            plain: format!("persistent://{namespace}/plain"),
            partitioned: format!("persistent://{namespace}/partitioned"),
            admin,
        };
        flow.admin.admin().create_topic(&flow.plain).expect("the topic is made");
        flow.admin.admin().create_partitioned_topic(&flow.partitioned, 4).expect("the topic is made");
        flow
    }

    /// Runs senders and receivers while `faults` happen, then checks what arrived.
    pub(crate) fn run(&self, url: &str, faults: impl FnOnce(&Flow) -> Vec<Instant>) -> Outcomes {
        let client = client(url);
        let patient = || Options::new().send_timeout(Duration::from_secs(120));
        let once = client.producer(&self.plain, patient().name("once").effectively_once(true)).expect("it opens");
        let least = client.producer(&self.partitioned, patient()).expect("it opens");
        let [of_once, of_least] = [(); 2].map(|()| Arc::new(Sending::default()));

        use SubscriptionType::{Exclusive, Failover, KeyShared, Shared};
        let mut receivers: Vec<_> = [Exclusive, Failover, KeyShared, Shared]
            .map(|kind| Receiver::open(&client, &self.plain, kind, &of_once))
            .into();
        receivers.push(Receiver::open(&client, &self.partitioned, Failover, &of_least));
        receivers.push(Receiver::with_retry_letters(&client, &self.plain, &of_once));
        let reader = client.reader(&self.plain, Options::new().starting_message("earliest")).expect("it opens");
        let read_again = Received::default();

        let begun = Instant::now();
        let (stop, done) = (AtomicBool::new(false), AtomicBool::new(false));
        let (moments, sent_for) = std::thread::scope(|scope| {
            let senders =
                [scope.spawn(|| send(&once, &of_once, &stop)), scope.spawn(|| send(&least, &of_least, &stop))];
            scope.spawn(|| read(&reader, &read_again, || done.load(Ordering::Relaxed)));
            // A wait for a receipt is counted from the receipt before it.
            eventually("receipts come", || of_once.count() > 0 && of_least.count() > 0);
            let moments = faults(self);
            std::thread::sleep(Duration::from_secs(2));
            stop.store(true, Ordering::Relaxed);
            for sender in senders {
                sender.join().expect("it sent everything");
            }
            let sent_for = begun.elapsed();
            let deadline = Instant::now() + 2 * PATIENCE;
            while Instant::now() < deadline
                && !(is_complete(&read_again, &of_once)
                    && receivers.iter().all(|receiver| is_complete(&receiver.received, receiver.sending)))
            {
                std::thread::sleep(Duration::from_millis(50));
            }
            done.store(true, Ordering::Relaxed);
            (moments, sent_for)
        });

        for sending in [&of_once, &of_least] {
            let errors = sending.errors.lock().unwrap();
            assert!(errors.is_empty(), "{} sends failed, the first: {}", errors.len(), errors[0]);
        }
        for Receiver { name, received, sending, ordered, .. } in &receivers {
            check(name, received, sending, *ordered);
        }
        check("reader", &read_again, &of_once, true);
        let repeated: u64 = read_again.lock().unwrap().values().map(|seen| seen.repeated).sum();
        assert_eq!(repeated, 0, "the reader saw stored duplicates of the effectively-once producer");
        client.close(PATIENCE).expect("everything closes");
        let receipts = of_once.receipts.lock().unwrap();
        Outcomes {
            gaps: moments.into_iter().map(|moment| receipts.longest_gap(moment)).collect(),
            acknowledged: of_once.count() + of_least.count(),
            sent_for,
        }
    }
}

/// Checks that a receiver saw all that was acknowledged, and in order if it promises that.
fn check(what: &str, received: &Received, sending: &Sending, ordered: bool) {
    let received = received.lock().unwrap();
    for (key, numbers) in sending.acknowledged.lock().unwrap().iter() {
        let seen = received.get(key).unwrap_or_else(|| panic!("{what}: nothing of {key}"));
        let missing = numbers.missing_from(&seen.numbers);
        assert!(
            missing.is_empty(),
            "{what}: {} of {key} were acknowledged and not received: {missing:?}",
            missing.len()
        );
        assert!(!ordered || seen.late == 0, "{what}: {} of {key} out of order", seen.late);
    }
}

/// Adds a line about the longest waits for a receipt to target/cluster.txt.
pub(crate) fn report(what: &str, outcomes: Outcomes) {
    let (mut gaps, seconds) = (outcomes.gaps, outcomes.sent_for.as_secs_f64());
    gaps.sort();
    let shown = |gap: Duration| match gap < GAP {
        true => format!("less than {:.1} s", GAP.as_secs_f64()),
        false => format!("{:.1} s", gap.as_secs_f64()),
    };
    let (middle, longest) = (shown(gaps[gaps.len() / 2]), shown(gaps[gaps.len() - 1]));
    let rate = outcomes.acknowledged as f64 / seconds;
    write(&format!(
        "{what}: {} times at {rate:.0} messages a second, longest wait for a receipt p50 {middle}, max {longest}",
        gaps.len()
    ));
}

/// Adds a line to target/cluster.txt.
pub(crate) fn write(line: &str) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/cluster.txt");
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    std::fs::write(&file, format!("{known}{line}\n")).expect("the report is written");
}

/// Messages a second of each of the two producers.
fn rate() -> u64 {
    number_of("CLUSTER_RATE", 200)
}

/// How often each fault happens.
fn rounds() -> u64 {
    number_of("CLUSTER_ROUNDS", 1)
}

/// Does `fault` after a second of calm, as often as `CLUSTER_ROUNDS` says; when.
pub(crate) fn repeat(mut fault: impl FnMut()) -> Vec<Instant> {
    let moments = (0..rounds()).map(|_| {
        std::thread::sleep(Duration::from_secs(1));
        let moment = Instant::now();
        fault();
        moment
    });
    moments.collect()
}
