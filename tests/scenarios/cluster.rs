//! Several real brokers behind several proxies: topics move, their owner dies, brokers restart one after the other. What was
//! acknowledged arrives, in order; an effectively-once producer leaves no duplicate; and the application sees no error.
//!
//! Needs what `pulsar.py run --brokers 2 --bookies 3 --proxies 2` offers; `make cluster` starts it.

mod waiting;

use std::collections::{BTreeSet, HashMap};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use stargate_core::admin::TopicStats;
use stargate_core::blocking::{Client, Consumer, Producer, Reader};
use stargate_core::{
    ErrorKind, HandlerResult, InitialPosition, Message, Options, Outcome, OutgoingMessage, SubscriptionType,
};

use waiting::{PATIENCE, unique};

/// Faults happen one at a time: they act on the brokers that all tests share.
static FAULTS: Mutex<()> = Mutex::new(());

/// How many keys the messages of a producer have, in turn.
const KEYS: u64 = 8;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is set by pulsar.py run --brokers 2 --proxies 2"))
}

/// The hosts of a list of `ws://` addresses as one URL.
fn together(addresses: &str) -> String {
    format!("ws://{}", addresses.replace("ws://", ""))
}

fn brokers() -> Vec<String> {
    variable("PULSAR_BROKER_URLS").split(',').map(str::to_owned).collect()
}

fn control(what: &str) {
    let command = format!("{} {what} --state '{}' >/dev/null", variable("PULSAR_CTL"), variable("PULSAR_STATE"));
    assert!(Command::new("sh").args(["-c", &command]).status().expect("a shell").success(), "{command}");
}

fn client(url: &str) -> Client {
    Client::new(url, Options::new().backoff_max(Duration::from_millis(500))).expect("the options are right")
}

/// A client of the brokers' REST API, which asks another broker when one is away.
fn administrator() -> Client {
    client(&together(&variable("PULSAR_BROKER_URLS")))
}

/// Which broker serves `topic`, counted from 0.
fn owner(admin: &Client, topic: &str) -> usize {
    let path = format!("/lookup/v2/topic/persistent/{}", topic.trim_start_matches("persistent://"));
    let answer = admin.admin().request("GET", &path, None).expect("some broker knows the owner");
    let port = |url: &str| url.trim_end_matches('/').rsplit(':').next().map(str::to_owned);
    let found: serde_json::Value = serde_json::from_slice(&answer.body).expect("a look-up answers JSON");
    let wanted = port(found["httpUrl"].as_str().expect("the owner has an address"));
    brokers().iter().position(|url| port(url) == wanted).expect("the owner is one of ours")
}

/// A namespace of its own, in which the broker drops duplicates, in a few bundles that both brokers share.
fn namespace(admin: &Client) -> String {
    let namespace = format!("public/{}", unique("cluster"));
    admin.admin().create_namespace(&namespace, Some(4)).expect("the namespace is made");
    admin.admin().set_deduplication(&namespace, true).expect("the policy is set");
    namespace
}

/// Numbers of one sender as a receiver saw them.
#[derive(Default)]
struct Seen {
    numbers: BTreeSet<u64>,
    /// The first time each was seen, out of order.
    late: u64,
    repeated: u64,
}

impl Seen {
    fn see(&mut self, number: u64) {
        let out_of_order = self.numbers.last().is_some_and(|last| *last > number);
        match self.numbers.insert(number) {
            true if out_of_order => self.late += 1,
            true => {}
            false => self.repeated += 1,
        }
    }
}

/// What a receiver saw, by key.
type Received = Arc<Mutex<HashMap<String, Seen>>>;

fn note(received: &Received, message: &Message) {
    let number = std::str::from_utf8(message.payload()).expect("digits").trim().parse().expect("a number");
    let key = message.key().unwrap_or_default().to_owned();
    received.lock().unwrap().entry(key).or_default().see(number);
}

/// Who sends and what was acknowledged: numbers by key, and when receipts came.
#[derive(Default)]
struct Sending {
    acknowledged: Mutex<HashMap<String, BTreeSet<u64>>>,
    errors: Mutex<Vec<String>>,
    receipts: Mutex<Vec<Instant>>,
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
                sending.acknowledged.lock().unwrap().entry(key).or_default().insert(number);
                sending.receipts.lock().unwrap().push(Instant::now());
            }
            Err(error) => sending.errors.lock().unwrap().push(format!("{number}: {error}")),
        });
        accepted.expect("the producer lives");
        number += 1;
    }
    producer.flush(Some(Duration::from_secs(120))).expect("every receipt comes");
}

fn consume(client: &Client, topic: &str, kind: SubscriptionType) -> (Consumer, Received) {
    let options = Options::new().subscription_type(kind).initial_position(InitialPosition::Earliest);
    let consumer = client.consumer(topic, unique("subscription"), options).expect("the consumer opens");
    let received = Received::default();
    let noting = received.clone();
    consumer
        .listen(move |_| {
            let noting = noting.clone();
            Ok(move |message: &Message| -> HandlerResult {
                note(&noting, message);
                Ok(Outcome::Ack)
            })
        })
        .expect("it listens");
    (consumer, received)
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

fn count(received: &Received) -> usize {
    received.lock().unwrap().values().map(|seen| seen.numbers.len()).sum()
}

/// Topics with everything that sends and receives on them, over the proxies or the brokers themselves.
struct Flow {
    admin: Client,
    plain: String,
    partitioned: String,
}

impl Flow {
    fn new() -> Flow {
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

    /// Runs senders and receivers while `faults` happen, then checks what arrived; how long senders went without a receipt
    /// around each moment that `faults` returns.
    fn run(&self, url: &str, faults: impl FnOnce(&Flow) -> Vec<Instant>) -> Vec<Duration> {
        let client = client(url);
        let patient = || Options::new().send_timeout(Duration::from_secs(120));
        let once = client.producer(&self.plain, patient().name("once").effectively_once(true)).expect("it opens");
        let least = client.producer(&self.partitioned, patient()).expect("it opens");
        let [of_once, of_least] = [(); 2].map(|()| Arc::new(Sending::default()));

        let mut receivers = Vec::new();
        use SubscriptionType::{Exclusive, Failover, KeyShared, Shared};
        for (kind, ordered) in [(Exclusive, true), (Failover, true), (KeyShared, false), (Shared, false)] {
            let (consumer, received) = consume(&client, &self.plain, kind);
            receivers.push((format!("{kind:?}, plain"), consumer, received, &of_once, ordered));
        }
        let (consumer, received) = consume(&client, &self.partitioned, Failover);
        receivers.push(("Failover, partitioned".into(), consumer, received, &of_least, true));
        let reader = client.reader(&self.plain, Options::new().starting_message("earliest")).expect("it opens");
        let read_again = Received::default();

        let (stop, done) = (AtomicBool::new(false), AtomicBool::new(false));
        let moments = std::thread::scope(|scope| {
            let senders =
                [scope.spawn(|| send(&once, &of_once, &stop)), scope.spawn(|| send(&least, &of_least, &stop))];
            scope.spawn(|| read(&reader, &read_again, || done.load(Ordering::Relaxed)));
            let moments = faults(self);
            std::thread::sleep(Duration::from_secs(2));
            stop.store(true, Ordering::Relaxed);
            for sender in senders {
                sender.join().expect("it sent everything");
            }
            let deadline = Instant::now() + 2 * PATIENCE;
            let complete = |received: &Received, sending: &Sending| {
                count(received) >= sending.acknowledged.lock().unwrap().values().map(BTreeSet::len).sum()
            };
            while Instant::now() < deadline
                && !(complete(&read_again, &of_once)
                    && receivers.iter().all(|(_, _, received, sending, _)| complete(received, sending)))
            {
                std::thread::sleep(Duration::from_millis(50));
            }
            done.store(true, Ordering::Relaxed);
            moments
        });

        for sending in [&of_once, &of_least] {
            let errors = sending.errors.lock().unwrap();
            assert!(errors.is_empty(), "{} sends failed, the first: {}", errors.len(), errors[0]);
        }
        for (what, _, received, sending, ordered) in &receivers {
            check(what, received, sending, *ordered);
        }
        check("reader", &read_again, &of_once, true);
        let repeated: u64 = read_again.lock().unwrap().values().map(|seen| seen.repeated).sum();
        assert_eq!(repeated, 0, "the reader saw stored duplicates of the effectively-once producer");
        client.close(PATIENCE).expect("everything closes");
        let receipts = of_once.receipts.lock().unwrap();
        moments.into_iter().map(|moment| longest_gap(&receipts, moment)).collect()
    }
}

/// Checks that a receiver saw all that was acknowledged, and in order if it promises that.
fn check(what: &str, received: &Received, sending: &Sending, ordered: bool) {
    let received = received.lock().unwrap();
    for (key, numbers) in sending.acknowledged.lock().unwrap().iter() {
        let seen = received.get(key).unwrap_or_else(|| panic!("{what}: nothing of {key}"));
        let missing: Vec<_> = numbers.difference(&seen.numbers).collect();
        assert!(
            missing.is_empty(),
            "{what}: {} of {key} were acknowledged and not received: {missing:?}",
            missing.len()
        );
        assert!(!ordered || seen.late == 0, "{what}: {} of {key} out of order", seen.late);
    }
}

/// The longest time without a receipt in the half minute from `moment` on.
fn longest_gap(receipts: &[Instant], moment: Instant) -> Duration {
    let near = receipts.iter().filter(|at| **at >= moment && **at < moment + PATIENCE);
    let mut last = moment;
    near.map(|at| at.saturating_duration_since(std::mem::replace(&mut last, *at))).max().unwrap_or(PATIENCE)
}

fn report(what: &str, mut gaps: Vec<Duration>) {
    gaps.sort();
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/cluster.txt");
    let line = format!(
        "{what}: {} times, longest wait for a receipt p50 {:.1} s, max {:.1} s\n",
        gaps.len(),
        gaps[gaps.len() / 2].as_secs_f64(),
        gaps[gaps.len() - 1].as_secs_f64()
    );
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    std::fs::write(&file, known + &line).expect("the report is written");
}

fn number_of(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Messages a second of each of the two producers.
fn rate() -> u64 {
    number_of("CLUSTER_RATE", 200)
}

/// How often each fault happens.
fn rounds() -> u64 {
    number_of("CLUSTER_ROUNDS", 1)
}

/// Does `fault` after a second of calm, `rounds()` times; when.
fn repeat(mut fault: impl FnMut()) -> Vec<Instant> {
    let moments = (0..rounds()).map(|_| {
        std::thread::sleep(Duration::from_secs(1));
        let moment = Instant::now();
        fault();
        moment
    });
    moments.collect()
}

#[test]
#[ignore = "needs a cluster at PULSAR_BROKER_URLS"]
fn rest_requests_follow_redirects_to_the_owner() {
    let _one = FAULTS.lock();
    let admin = administrator();
    let namespace = namespace(&admin);
    for number in 0..8 {
        let topic = format!("persistent://{namespace}/redirected-{number}");
        admin.admin().create_topic(&topic).expect("it is made");
        let owner = owner(&admin, &topic);
        let other = brokers()[1 - owner].clone();
        // The client that was given both hosts follows the redirect.
        let both = client(&together(&format!("{other},{}", brokers()[owner])));
        let stats: TopicStats = both.admin().topic_stats(&topic).expect("the owner answers");
        assert_eq!(stats.subscriptions.len(), 0);
        // One that was not told of the owner does not give it its credentials, and says what to set.
        let error = client(&other).admin().topic_stats(&topic).expect_err("the owner is a stranger");
        assert!(error.to_string().contains("admin_trusted_hosts"), "{error}");
    }
}

#[test]
#[ignore = "needs a cluster at PULSAR_BROKER_URLS"]
fn nothing_is_lost_while_topics_move_and_bundles_split() {
    let _one = FAULTS.lock();
    let flow = Flow::new();
    let gaps = flow.run(&together(&variable("PULSAR_PROXY_URLS")), |flow| {
        let namespace = flow.plain.trim_start_matches("persistent://").trim_end_matches("/plain");
        let unload_all = || {
            let admin = flow.admin.admin();
            admin.unload_topic(&flow.plain).expect("it is unloaded");
            for partition in 0..4 {
                admin.unload_topic(format!("{}-partition-{partition}", flow.partitioned)).expect("it is unloaded");
            }
        };
        let mut moments = repeat(unload_all);
        // Each of the four bundles becomes two, and their topics find an owner again.
        for quarter in 0..4u64 {
            let (from, to) = (quarter << 30, ((quarter + 1) << 30).min(0xffff_ffff));
            let path = format!("/admin/v2/namespaces/{namespace}/0x{from:08x}_0x{to:08x}/split?unload=true");
            moments.push(Instant::now());
            flow.admin.admin().request("PUT", &path, None).expect("the bundle is split");
            std::thread::sleep(Duration::from_secs(1));
        }
        moments
    });
    report("unload and split", gaps);
}

#[test]
#[ignore = "needs a cluster at PULSAR_BROKER_URLS"]
fn nothing_is_lost_when_the_owner_is_killed() {
    let _one = FAULTS.lock();
    let flow = Flow::new();
    let gaps = flow.run(&together(&variable("PULSAR_PROXY_URLS")), |flow| {
        repeat(|| {
            let owner = owner(&flow.admin, &flow.plain);
            control(&format!("kill-broker {owner}"));
            // The other one takes the topics when the session of this one has ended.
            std::thread::sleep(Duration::from_secs(12));
            control(&format!("start-broker {owner}"));
        })
    });
    report("owner killed", gaps);
}

#[test]
#[ignore = "needs a cluster at PULSAR_BROKER_URLS"]
fn an_application_sees_no_error_of_a_rolling_restart() {
    let _one = FAULTS.lock();
    let flow = Flow::new();
    // Straight to the brokers, which take their WebSocket service down with them.
    let gaps = flow.run(&together(&variable("PULSAR_BROKER_URLS")), |_| {
        let mut moments = Vec::new();
        for broker in 0..brokers().len() {
            moments.extend(repeat(|| {
                control(&format!("stop-broker {broker}"));
                control(&format!("start-broker {broker}"));
            }));
        }
        moments
    });
    report("rolling restart", gaps);
}

#[test]
#[ignore = "needs a cluster at PULSAR_BROKER_URLS"]
fn nothing_is_lost_when_a_bookie_is_killed() {
    let _one = FAULTS.lock();
    let flow = Flow::new();
    let bookie = AtomicU64::new(0);
    let gaps = flow.run(&together(&variable("PULSAR_PROXY_URLS")), |_| {
        repeat(|| {
            let bookie = bookie.fetch_add(1, Ordering::Relaxed) % 3;
            control(&format!("kill-bookie {bookie}"));
            std::thread::sleep(Duration::from_secs(3));
            control(&format!("start-bookie {bookie}"));
        })
    });
    report("bookie killed", gaps);
}

#[test]
#[ignore = "needs a cluster at PULSAR_BROKER_URLS"]
fn nothing_is_lost_when_a_proxy_is_killed() {
    let _one = FAULTS.lock();
    let flow = Flow::new();
    let proxy = AtomicU64::new(0);
    let gaps = flow.run(&together(&variable("PULSAR_PROXY_URLS")), |_| {
        repeat(|| {
            let proxy = proxy.fetch_add(1, Ordering::Relaxed) % 2;
            control(&format!("kill-proxy {proxy}"));
            std::thread::sleep(Duration::from_secs(2));
            control(&format!("start-proxy {proxy}"));
        })
    });
    report("proxy killed", gaps);
}
