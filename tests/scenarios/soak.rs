//! Minutes of trouble, each fault of [`FAULTS`] in turn: producers send, a consumer acknowledges and a reader reads.
//! Nothing acknowledged is lost, the order of each producer is kept, no send fails, an effectively-once producer leaves no
//! duplicate, and memory and descriptors stay flat.
//!
//! `make soak` runs it for `SOAK_SECONDS` (600).

mod line;
mod waiting;

use std::collections::HashMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use stargate_core::admin::Retention;
use stargate_core::blocking::{Admin, Client, Producer};
use stargate_core::{HandlerResult, InitialPosition, Message, Options, Outcome, OutgoingMessage};

use line::Line;
use waiting::{PATIENCE, eventually, unique};

/// The longest that one fault and the rest after it take.
const ROUND: Duration = Duration::from_secs(30);

type Fault = fn(&Network);

/// What goes wrong, by turns.
const FAULTS: [(&str, Fault); 6] = [
    ("broker killed", Network::kill_broker),
    ("proxy killed", Network::kill_proxy),
    ("topic unloaded every second", Network::unload),
    ("connections cut", Network::cut),
    ("neighbours of the same proxy cut", Network::cut_neighbours),
    ("connections silent", Network::fall_silent),
];

/// The way from the application to the topic.
struct Network {
    admin: Admin,
    topic: String,
    /// The broker, which has the REST API; the proxies have none.
    broker: String,
    lines: Vec<Line>,
    neighbours: Vec<Line>,
}

impl Network {
    fn new() -> Network {
        let urls = std::env::var("PULSAR_PROXY_URLS").expect("PULSAR_PROXY_URLS: run with --proxies 2");
        let lines = || urls.split(',').map(Line::to).collect();
        let broker = std::env::var("PULSAR_URL").expect("PULSAR_URL is the broker");
        let admin = Client::new(&broker, Options::new()).unwrap().admin();
        let namespace = format!("public/{}", unique("soak"));
        admin.create_namespace(&namespace, None).unwrap();
        admin.set_deduplication(&namespace, true).unwrap();
        // For the reader: what the subscriptions have acknowledged is otherwise deleted while it is disconnected.
        admin.set_retention(&namespace, &Retention { time_in_minutes: -1, size_in_mb: -1 }).unwrap();
        Network { admin, topic: format!("persistent://{namespace}/t"), broker, lines: lines(), neighbours: lines() }
    }

    fn client(&self, lines: &[Line]) -> Client {
        let hosts: Vec<&str> = lines.iter().map(|line| line.url.trim_start_matches("ws://")).collect();
        let quick = Options::new()
            .admin_url(&self.broker.replace("ws://", "http://"))
            .backoff_max(Duration::from_secs(1))
            .ping_interval(Duration::from_secs(1))
            .pong_timeout(Duration::from_secs(2));
        Client::new(&format!("ws://{}", hosts.join(",")), quick).unwrap()
    }

    fn kill_broker(&self) {
        control("kill");
        control("restart");
    }

    fn kill_proxy(&self) {
        for victim in 0..self.lines.len() {
            control(&format!("kill-proxy {victim}"));
            sleep(Duration::from_secs(2));
            control(&format!("start-proxy {victim}"));
        }
    }

    fn unload(&self) {
        for _ in 0..10 {
            // Fails while the topic is on its way.
            let _ = self.admin.unload_topic(&self.topic);
            sleep(Duration::from_secs(1));
        }
    }

    fn cut(&self) {
        for _ in 0..5 {
            self.lines.iter().for_each(Line::cut);
            sleep(Duration::from_secs(1));
        }
    }

    fn cut_neighbours(&self) {
        for _ in 0..10 {
            self.neighbours.iter().for_each(Line::cut);
            sleep(Duration::from_secs(1));
        }
    }

    fn fall_silent(&self) {
        for line in &self.lines {
            line.silent_during(|| sleep(Duration::from_secs(6)));
        }
    }
}

fn control(what: &str) {
    let control = std::env::var("PULSAR_CTL").expect("PULSAR_CTL kills and restarts the broker");
    let state = std::env::var("PULSAR_STATE").expect("PULSAR_STATE says which broker");
    let command = format!("{control} {what} --state '{state}' >/dev/null");
    assert!(Command::new("sh").args(["-c", &command]).status().expect("a shell").success(), "{command}");
}

/// Resident memory of this process, in KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the line is there");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Open descriptors of this process.
fn descriptors() -> u64 {
    std::fs::read_dir("/proc/self/fd").expect("Linux").count() as u64
}

/// What arrived of one producer: every number at least once, first occurrences in order.
#[derive(Default)]
struct Seen {
    next: u64,
    duplicates: u64,
}

impl Seen {
    fn see(&mut self, number: u64) {
        match number {
            _ if number < self.next => self.duplicates += 1,
            _ => {
                assert_eq!(number, self.next, "a message is missing or out of order");
                self.next += 1;
            }
        }
    }
}

fn numbered(name: &str, number: u64) -> OutgoingMessage {
    OutgoingMessage::new(format!("{number:>200}")).property("producer", name)
}

/// Sends numbered messages until told to stop; returns how many were acknowledged.
fn send(producer: &Producer, name: &str, stop: &AtomicBool) -> u64 {
    let mut next = 0u64;
    while !stop.load(Ordering::Relaxed) {
        let batch = (next..next + 50).map(|number| numbered(name, number));
        for result in producer.send_all(batch).expect("the producer lives") {
            result.expect("every send outlives the outages");
        }
        next += 50;
        // The rate of an application, not of a benchmark.
        sleep(Duration::from_millis(20));
    }
    next
}

/// Opens a producer a second, each of its own name, and sends three messages; returns the names.
fn come_and_go(client: &Client, topic: &str, options: impl Fn(&str) -> Options, stop: &AtomicBool) -> Vec<String> {
    let mut names = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let name = format!("short-{}", names.len());
        // The proxy may wait longer for its broker than `connect_timeout`.
        let producer = loop {
            match client.producer(topic, options(&name)) {
                Ok(producer) => break producer,
                Err(error) => assert!(error.is_retriable(), "{error}"),
            }
        };
        for number in 0..3 {
            producer.send(numbered(&name, number), None).expect("every send outlives the outages");
        }
        producer.close(4 * PATIENCE).expect("it closes");
        names.push(name);
        sleep(Duration::from_secs(1));
    }
    names
}

/// Sends what nobody counts to another topic, through lines of its own.
fn be_a_neighbour(producer: &Producer, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let _ = producer.send_all((0..20).map(|_| "neighbour"));
        sleep(Duration::from_millis(20));
    }
}

fn see(seen: &mut HashMap<String, Seen>, message: &Message) {
    let text = std::str::from_utf8(message.payload()).expect("text");
    let number = text.trim().parse().expect("a number");
    seen.entry(message.properties()["producer"].clone()).or_default().see(number);
}

/// Whether all of what each producer sent was seen.
fn complete(seen: &HashMap<String, Seen>, sent: &HashMap<String, u64>) -> bool {
    sent.iter().all(|(name, count)| seen.get(name).is_some_and(|seen| seen.next == *count))
}

/// The lowest level of the second tenth and of the last.
fn early_and_late(levels: &[u64]) -> (u64, u64) {
    let tenth = (levels.len() / 10).max(1);
    let lowest = |part: &[u64]| *part.iter().min().expect("a tenth is not empty");
    (lowest(&levels[tenth..2 * tenth]), lowest(&levels[levels.len() - tenth..]))
}

#[test]
#[ignore = "takes minutes; needs a broker and two proxies that may be killed"]
fn nothing_is_lost_in_minutes_of_trouble() {
    let seconds = std::env::var("SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(600);
    let network = Network::new();
    let topic = &network.topic;
    let client = network.client(&network.lines);
    let neighbours = network.client(&network.neighbours);

    let seen: Arc<Mutex<HashMap<String, Seen>>> = Arc::default();
    let handled = seen.clone();
    let earliest = Options::new().initial_position(InitialPosition::Earliest);
    let consumer = client.consumer(topic, "s", earliest).unwrap();
    consumer
        .listen(move |_| {
            let handled = handled.clone();
            Ok(move |message: &Message| -> HandlerResult {
                see(&mut handled.lock().unwrap(), message);
                Ok(Outcome::Ack)
            })
        })
        .unwrap();
    let reader = client.reader(topic, Options::new().starting_message("earliest")).unwrap();
    let patient = |name: &str| Options::new().name(name).send_timeout(Duration::from_secs(300));
    let numbered = |name: &str| patient(name).effectively_once(true);
    let again = client.producer(topic, patient("again")).unwrap();
    let once = client.producer(topic, numbered("once")).unwrap();
    let neighbour = neighbours.producer(format!("{topic}-next"), Options::new()).unwrap();

    let (stop, end) = (AtomicBool::new(false), Instant::now() + Duration::from_secs(seconds));
    let mut read: HashMap<String, Seen> = HashMap::new();
    let (mut memory_levels, mut descriptor_levels) = (Vec::new(), Vec::new());
    let mut rounds = HashMap::new();
    let sent = std::thread::scope(|scope| {
        let sending_again = scope.spawn(|| send(&again, "again", &stop));
        let sending_once = scope.spawn(|| send(&once, "once", &stop));
        let short = scope.spawn(|| come_and_go(&client, topic, numbered, &stop));
        scope.spawn(|| be_a_neighbour(&neighbour, &stop));
        scope.spawn(|| {
            for (name, fault) in FAULTS.iter().cycle() {
                if Instant::now() + ROUND > end {
                    break;
                }
                fault(&network);
                *rounds.entry(*name).or_insert(0) += 1;
                sleep(Duration::from_secs(5));
            }
        });
        while Instant::now() < end {
            for message in reader.receive_many(1000, Duration::from_secs(1)).unwrap() {
                see(&mut read, &message);
            }
            memory_levels.push(memory());
            descriptor_levels.push(descriptors());
        }
        stop.store(true, Ordering::Relaxed);
        let mut sent: HashMap<String, u64> = short.join().unwrap().into_iter().map(|name| (name, 3)).collect();
        sent.insert("again".to_owned(), sending_again.join().unwrap());
        sent.insert("once".to_owned(), sending_once.join().unwrap());
        sent
    });

    eventually("the consumer has everything", || complete(&seen.lock().unwrap(), &sent));
    eventually("the reader has everything", || {
        for message in reader.receive_many(1000, Duration::from_millis(100)).unwrap() {
            see(&mut read, &message);
        }
        complete(&read, &sent)
    });
    let repeated = read["again"].duplicates;
    let duplicates = read.values().map(|seen| seen.duplicates).sum::<u64>() - repeated;
    let (memory_early, memory_late) = early_and_late(&memory_levels);
    let (descriptors_early, descriptors_late) = early_and_late(&descriptor_levels);
    let report = format!(
        "{seconds} s, {rounds:?}: {} + {} messages and {} producers of 3 acknowledged, received and read, no send failed; \
         {} + {} reconnects of the producers, {} of the consumer, {} of the reader; duplicates in the topic: {repeated} of \
         the producer without numbers, {duplicates} of those with; memory {memory_early} KiB in the second tenth of the \
         time, {memory_late} KiB in the last, descriptors {descriptors_early} and {descriptors_late}",
        sent["again"],
        sent["once"],
        sent.len() - 2,
        again.stats().reconnects,
        once.stats().reconnects,
        consumer.stats().reconnects,
        reader.stats().reconnects,
    );
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/soak.txt"), format!("{report}\n")).unwrap();
    assert!(!rounds.is_empty(), "no time for a fault: {report}");
    assert_eq!(duplicates, 0, "an effectively-once producer left duplicates: {report}");
    assert!(memory_late < memory_early + memory_early / 2 + 4096, "memory grows: {report}");
    assert!(descriptors_late < descriptors_early + 50, "descriptors grow: {report}");
    client.close(PATIENCE).unwrap();
}
