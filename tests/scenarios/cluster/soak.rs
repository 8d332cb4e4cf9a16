//! Each fault of a cluster in turn, for as long as `SOAK_SECONDS` says, while memory and descriptors stay flat.

use std::time::{Duration, Instant};

use crate::FAULTS;
use crate::black_hole::BlackHole;
use crate::environment::{brokers, control, number_of, owner, proxies, together};
use crate::flow::{Flow, write};

/// From one fault to the next.
const EVERY: Duration = Duration::from_secs(20);

/// The time between two samples of memory and descriptors.
const SAMPLE: Duration = Duration::from_secs(1);

/// Does a fault, in its round counted from 0.
type Fault = fn(&Flow, &[BlackHole], usize);

/// What goes wrong, by turns. Each fault is over within [`EVERY`].
const KINDS: [(&str, Fault); 7] = [
    ("a proxy killed", |_, _, round| {
        control(&format!("kill-proxy {}", round % 2));
        std::thread::sleep(Duration::from_secs(2));
        control(&format!("start-proxy {}", round % 2));
    }),
    ("topics unloaded", |flow, _, _| {
        let admin = flow.admin.admin();
        // Fails while the topic is on its way.
        let _ = admin.unload_topic(&flow.plain);
        for partition in 0..4 {
            let _ = admin.unload_topic(format!("{}-partition-{partition}", flow.partitioned));
        }
    }),
    ("a bookie killed", |_, _, round| {
        control(&format!("kill-bookie {}", round % 3));
        std::thread::sleep(Duration::from_secs(3));
        control(&format!("start-bookie {}", round % 3));
    }),
    ("a broker restarted", |_, _, round| {
        let broker = round % brokers().len();
        control(&format!("stop-broker {broker}"));
        control(&format!("start-broker {broker}"));
    }),
    ("connections vanished", |_, holes, round| holes[round % holes.len()].swallow()),
    ("the owner killed", |flow, _, _| {
        let owner = owner(&flow.admin, &flow.plain);
        control(&format!("kill-broker {owner}"));
        std::thread::sleep(Duration::from_secs(2));
        control(&format!("start-broker {owner}"));
    }),
    ("both proxies killed", |_, _, _| {
        for proxy in 0..2 {
            control(&format!("kill-proxy {proxy}"));
        }
        for proxy in 0..2 {
            control(&format!("start-proxy {proxy}"));
        }
    }),
];

/// Resident memory in KiB and open descriptors of this process.
fn usage() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the line is there");
    let memory = line.trim().trim_end_matches(" kB").parse().expect("a number");
    (memory, std::fs::read_dir("/proc/self/fd").expect("Linux").count() as u64)
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}

#[test]
#[ignore = "takes an hour; needs a cluster at PULSAR_BROKER_URLS"]
fn soak_nothing_is_lost_in_an_hour_of_faults() {
    let _one = FAULTS.lock();
    let length = Duration::from_secs(number_of("SOAK_SECONDS", 3600));
    let flow = Flow::new();
    let holes: Vec<BlackHole> = proxies().iter().map(|url| BlackHole::before(url)).collect();
    let url = together(&holes.iter().map(|hole| hole.url.clone()).collect::<Vec<_>>().join(","));
    let (mut samples, mut counts) = (Vec::new(), [0; KINDS.len()]);
    let outcomes = flow.run(&url, |flow| {
        let (begun, mut moments) = (Instant::now(), Vec::new());
        std::thread::scope(|scope| {
            let faults = scope.spawn(|| {
                let mut next = begun + EVERY;
                while next + EVERY < begun + length {
                    std::thread::sleep(next.saturating_duration_since(Instant::now()));
                    let kind = moments.len() % KINDS.len();
                    moments.push(Instant::now());
                    KINDS[kind].1(flow, &holes, moments.len() / KINDS.len());
                    counts[kind] += 1;
                    next = Instant::now().max(next + EVERY);
                }
            });
            while begun.elapsed() < length {
                std::thread::sleep(SAMPLE);
                samples.push(usage());
            }
            faults.join().expect("every fault happened");
        });
        moments
    });

    // The first tenth is for everything to reach its size.
    let tenth = (samples.len() / 10).max(1);
    let of = |part: &[(u64, u64)], pick: fn(&(u64, u64)) -> u64| median(part.iter().map(pick).collect());
    let (early, late) = (&samples[tenth..2 * tenth], &samples[samples.len() - tenth..]);
    let [memory_early, memory_late] = [early, late].map(|part| of(part, |(memory, _)| *memory));
    let [files_early, files_late] = [early, late].map(|part| of(part, |(_, files)| *files));
    let kinds: Vec<String> =
        KINDS.iter().zip(counts).map(|((name, _), count)| format!("{name} {count} times")).collect();
    let mut gaps = outcomes.gaps;
    gaps.sort();
    write(&format!(
        "soak of {length:?}: {} messages acknowledged and received; {}; longest wait for a receipt p50 {:.1?}, max {:.1?}; \
         memory {memory_early} KiB in the second tenth, {memory_late} KiB in the last; descriptors {files_early} and \
         {files_late}",
        outcomes.acknowledged,
        kinds.join(", "),
        gaps[gaps.len() / 2],
        gaps[gaps.len() - 1],
    ));
    assert!(memory_late < memory_early + memory_early / 4 + 4096, "memory grows: {memory_early} to {memory_late} KiB");
    assert!(files_late < files_early + files_early / 4 + 16, "descriptors grow: {files_early} to {files_late}");
}
