//! Minutes of trouble: the broker is killed every 30 s and one of two proxies at random in between, while producers send,
//! a consumer acknowledges and a reader reads. Nothing acknowledged is lost, the order of each producer is kept, an
//! effectively-once producer leaves no duplicate, and memory stays flat.
//!
//! `make soak` runs it for `SOAK_SECONDS` (600).

mod waiting;

use std::collections::HashMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use stargate_core::blocking::{Client, Producer};
use stargate_core::{HandlerResult, InitialPosition, Message, Options, Outcome, OutgoingMessage};

use waiting::{PATIENCE, eventually, unique};

fn control(what: &str) {
    let control = std::env::var("PULSAR_CTL").expect("PULSAR_CTL kills and restarts the broker");
    let state = std::env::var("PULSAR_STATE").expect("PULSAR_STATE says which broker");
    let command = format!("{control} {what} --state '{state}' >/dev/null");
    assert!(Command::new("sh").args(["-c", &command]).status().expect("a shell").success(), "{command}");
}

fn admin(method: &str, path: &str, body: &str) {
    use std::io::{Read, Write};
    let url = std::env::var("PULSAR_URL").expect("PULSAR_URL is the broker");
    let host = url.strip_prefix("ws://").expect("the plain broker");
    let mut stream = std::net::TcpStream::connect(host).expect("the REST API is there");
    let length = body.len();
    write!(
        stream,
        "{method} /admin/v2/{path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .expect("the request is written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer comes");
    assert!(answer.starts_with("HTTP/1.1 20"), "{method} {path}: {answer}");
}

/// Resident memory of this process, in KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the line is there");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
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

/// Sends numbered messages until told to stop; how many were acknowledged.
fn send(producer: &Producer, name: &str, stop: &AtomicBool, confirmed: &AtomicU64) -> u64 {
    let mut next = 0u64;
    while !stop.load(Ordering::Relaxed) {
        let lot =
            (next..next + 50).map(|number| OutgoingMessage::new(format!("{number:>200}")).property("producer", name));
        for result in producer.send_all(lot).expect("the producer lives") {
            result.expect("every send outlives the outages");
        }
        next += 50;
        confirmed.store(next, Ordering::Relaxed);
        // The rate of an application, not of a benchmark.
        std::thread::sleep(Duration::from_millis(20));
    }
    next
}

fn number(message: &Message) -> (String, u64) {
    let text = std::str::from_utf8(message.payload()).expect("text");
    (message.properties()["producer"].clone(), text.trim().parse().expect("a number"))
}

#[test]
#[ignore = "takes minutes; needs a broker and two proxies that may be killed"]
fn nothing_is_lost_in_minutes_of_trouble() {
    let seconds = std::env::var("SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(600);
    let proxies = std::env::var("PULSAR_PROXY_URLS").expect("PULSAR_PROXY_URLS: run with --proxies 2");
    let hosts: Vec<&str> = proxies.split(',').map(|url| url.trim_start_matches("ws://")).collect();
    let options = Options::new().backoff_max(Duration::from_secs(1));
    let client = Client::new(&format!("ws://{}", hosts.join(",")), options).unwrap();
    let namespace = format!("public/{}", unique("soak"));
    admin("PUT", &format!("namespaces/{namespace}"), "");
    admin("POST", &format!("namespaces/{namespace}/deduplication"), "true");
    let topic = format!("persistent://{namespace}/t");

    let seen: Arc<Mutex<HashMap<String, Seen>>> = Arc::default();
    let handled = seen.clone();
    let earliest = Options::new().initial_position(InitialPosition::Earliest);
    let consumer = client.consumer(&topic, "s", earliest).unwrap();
    consumer
        .listen(move |_| {
            let handled = handled.clone();
            Ok(move |message: &Message| -> HandlerResult {
                let (producer, number) = number(message);
                handled.lock().unwrap().entry(producer).or_default().see(number);
                Ok(Outcome::Ack)
            })
        })
        .unwrap();
    let reader = client.reader(&topic, Options::new().starting_message("earliest")).unwrap();
    let patient = || Options::new().send_timeout(Duration::from_secs(300));
    let again = client.producer(&topic, patient().name("again")).unwrap();
    let once = client.producer(&topic, patient().name("once").effectively_once(true)).unwrap();

    let (stop, end) = (AtomicBool::new(false), Instant::now() + Duration::from_secs(seconds));
    let (confirmed_again, confirmed_once) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut read: HashMap<String, Seen> = HashMap::new();
    let mut levels = Vec::new();
    let (sent_again, sent_once) = std::thread::scope(|scope| {
        let sending_again = scope.spawn(|| send(&again, "again", &stop, &confirmed_again));
        let sending_once = scope.spawn(|| send(&once, "once", &stop, &confirmed_once));
        scope.spawn(|| {
            let mut random = seconds ^ 0x9e37_79b9_7f4a_7c15;
            while Instant::now() + Duration::from_secs(45) < end {
                for _ in 0..2 {
                    std::thread::sleep(Duration::from_secs(8));
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let victim = (random >> 60) % hosts.len() as u64;
                    control(&format!("kill-proxy {victim}"));
                    std::thread::sleep(Duration::from_secs(2));
                    control(&format!("start-proxy {victim}"));
                }
                control("kill");
                control("restart");
            }
        });
        while Instant::now() < end {
            for message in reader.receive_many(1000, Duration::from_secs(1)).unwrap() {
                let (producer, number) = number(&message);
                read.entry(producer).or_default().see(number);
            }
            levels.push(memory());
        }
        stop.store(true, Ordering::Relaxed);
        (sending_again.join().unwrap(), sending_once.join().unwrap())
    });

    eventually("the consumer has everything", || {
        let seen = seen.lock().unwrap();
        seen.get("again").is_some_and(|seen| seen.next == sent_again)
            && seen.get("once").is_some_and(|seen| seen.next == sent_once)
    });
    eventually("the reader has everything", || {
        for message in reader.receive_many(1000, Duration::from_millis(100)).unwrap() {
            let (producer, number) = number(&message);
            read.entry(producer).or_default().see(number);
        }
        read["again"].next == sent_again && read["once"].next == sent_once
    });
    assert_eq!(read["once"].duplicates, 0, "the effectively-once producer left duplicates");
    let tenth = levels.len() / 10;
    let (early, late) = (levels[tenth.max(1)], levels[levels.len() - 1]);
    let report = format!(
        "{seconds} s: {sent_again} + {sent_once} messages acknowledged and received, {} + {} reconnects of the producers, \
         {} of the consumer, {} of the reader; duplicates in the topic: {} of `again`, 0 of `once`; memory {early} KiB \
         after a tenth of the time, {late} KiB at the end",
        again.stats().reconnects,
        once.stats().reconnects,
        consumer.stats().reconnects,
        reader.stats().reconnects,
        read["again"].duplicates,
    );
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/soak.txt"), format!("{report}\n")).unwrap();
    assert!(late < early + early / 2 + 4096, "memory grows: {report}");
    client.close(PATIENCE).unwrap();
}
