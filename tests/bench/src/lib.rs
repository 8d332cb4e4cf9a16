//! What every Rust client of the benchmark shares: the workload it was asked for, payloads, and what is measured.
//!
//! A client gets its workload on the command line, runs it for a warm-up and then for the time to be measured, and
//! prints one JSON object. `bench.py` starts the clients; those in other languages take and print the same.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use bytes::Bytes;

/// What a client is to do.
#[derive(Debug, Clone)]
pub struct Workload {
    /// `send`, `receive`, `read`, `idle` or `fill`.
    pub role: String,
    /// `ws://host:port`, `wss://host:port`, or `pulsar://host:port` for the binary protocol.
    pub url: String,
    /// A name without tenant and namespace; on the sink/source server `bytes-N` says how large its messages are.
    pub topic: String,
    pub subscription: String,
    /// Bytes of a payload.
    pub size: usize,
    /// Messages in flight when sending; the receiver queue otherwise.
    pub window: u32,
    pub connections: u32,
    pub warmup: Duration,
    pub seconds: Duration,
    /// All the messages there are to receive, or 0; how many to `fill` a topic with.
    pub limit: u64,
    pub batched: bool,
    pub shared: bool,
    pub pull: bool,
    pub ca: Option<String>,
    /// Which way of its library the client takes, where there is more than one.
    pub api: String,
}

impl Workload {
    /// The command line: the role, then `--name value` pairs and flags.
    pub fn from_args() -> Workload {
        let mut arguments = std::env::args().skip(1);
        let mut workload = Workload {
            role: arguments.next().unwrap_or_else(|| usage("no role")),
            url: String::new(),
            topic: "bytes-100".into(),
            subscription: "bench".into(),
            size: 100,
            window: 1000,
            connections: 1,
            warmup: Duration::from_millis(300),
            seconds: Duration::from_secs(1),
            limit: 0,
            batched: false,
            shared: false,
            pull: false,
            ca: None,
            api: String::new(),
        };
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| usage(&format!("{name} needs a value")));
            match name.as_str() {
                "--url" => workload.url = value(),
                "--topic" => workload.topic = value(),
                "--subscription" => workload.subscription = value(),
                "--size" => workload.size = number(&value()),
                "--window" => workload.window = number(&value()),
                "--connections" => workload.connections = number(&value()),
                "--warmup" => workload.warmup = Duration::from_secs_f64(number(&value())),
                "--seconds" => workload.seconds = Duration::from_secs_f64(number(&value())),
                "--limit" => workload.limit = number(&value()),
                "--ca" => workload.ca = Some(value()),
                "--api" => workload.api = value(),
                "--batched" => workload.batched = true,
                "--shared" => workload.shared = true,
                "--pull" => workload.pull = true,
                _ => usage(&format!("unknown argument {name}")),
            }
        }
        workload
    }

    /// The query parameters of the WebSocket API, for clients that write their own URLs.
    pub fn query(&self) -> String {
        let mut query = match self.role.as_str() {
            "send" => String::new(),
            "read" => format!("messageId=earliest&receiverQueueSize={}", self.window),
            _ => format!("receiverQueueSize={}&subscriptionInitialPosition=Earliest", self.window),
        };
        if self.batched {
            query += "batchingEnabled=true&batchingMaxMessages=1000&batchingMaxPublishDelay=1";
        }
        if self.shared {
            query += "&subscriptionType=Shared";
        }
        if self.pull {
            query += "&pullMode=true";
        }
        query
    }
}

fn usage(problem: &str) -> ! {
    panic!("{problem}; expected: ROLE --url URL [--topic T] [--size N] ... as in src/lib.rs")
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| usage(&format!("{text:?} is not a number")))
}

fn nanos() -> u128 {
    std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos())
}

/// Random payloads, each different from those before it: slices of one random buffer.
pub struct Payloads {
    random: Bytes,
    size: usize,
}

/// Where the next payload begins, and the range of beginnings; without a common divisor, so that all are used.
const STEP: usize = 6_101;
const RANGE: usize = 1 << 16;

impl Payloads {
    pub fn new(size: usize) -> Payloads {
        let mut state = nanos() as u64 | 1;
        let next = || {
            // xorshift64*
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 56) as u8
        };
        Payloads { random: std::iter::repeat_with(next).take(size + RANGE).collect(), size }
    }

    pub fn get(&self, number: u64) -> Bytes {
        let begin = (number as usize).wrapping_mul(STEP) % RANGE;
        self.random.slice(begin..begin + self.size)
    }
}

/// Counts messages, leaves those of the warm-up out, and says when it is enough.
pub struct Meter {
    warmup: Duration,
    seconds: Duration,
    limit: u64,
    size: usize,
    total: u64,
    unchecked: u64,
    first: Option<Instant>,
    begin: Option<Sample>,
    end: Option<Sample>,
    latencies: Vec<u32>,
    oldest: usize,
}

#[derive(Clone, Copy)]
struct Sample {
    at: Instant,
    messages: u64,
    cpu: f64,
    resident: u64,
}

/// The number of messages between two reads of the clock.
const CHECK: u64 = 16;
const SAMPLES: usize = 1 << 15;

impl Meter {
    pub fn new(workload: &Workload) -> Meter {
        Meter {
            warmup: workload.warmup,
            seconds: workload.seconds,
            limit: workload.limit,
            size: workload.size,
            total: 0,
            unchecked: 0,
            first: None,
            begin: None,
            end: None,
            latencies: Vec::new(),
            oldest: 0,
        }
    }

    /// `messages` more were sent and confirmed, or received; whether to go on.
    pub fn done(&mut self, messages: u64) -> bool {
        self.total += messages;
        self.unchecked += messages;
        let last = self.limit > 0 && self.total >= self.limit;
        if self.unchecked < CHECK && !last && self.total > CHECK {
            return true;
        }
        self.unchecked = 0;
        let now = Instant::now();
        let first = *self.first.get_or_insert(now);
        match self.begin {
            None if now - first >= self.warmup || (self.limit > 0 && self.total >= self.limit / 5) => {
                self.latencies.clear();
                self.oldest = 0;
                self.begin = Some(sample(self.total));
            }
            Some(begin) if now - begin.at >= self.seconds || last => self.end = Some(sample(self.total)),
            _ => {}
        }
        self.end.is_none()
    }

    /// Notes how long one message took. The last of very many count, so that this takes no memory that grows.
    pub fn latency(&mut self, taken: Duration) {
        let micros = u32::try_from(taken.as_micros()).unwrap_or(u32::MAX);
        match self.latencies.len() < SAMPLES {
            true => self.latencies.push(micros),
            false => self.latencies[self.oldest] = micros,
        }
        self.oldest = (self.oldest + 1) % SAMPLES;
    }

    /// One JSON object on the standard output.
    pub fn report(&mut self) {
        let (Some(begin), Some(end)) = (self.begin, self.end) else { panic!("the workload ended in the warm-up") };
        let messages = end.messages - begin.messages;
        let seconds = (end.at - begin.at).as_secs_f64();
        let mut line = format!(
            r#"{{"messages":{messages},"seconds":{seconds:.6},"rate":{:.1},"mb":{:.2},"cpu":{:.4},"peak_mb":{:.2},"grown_mb":{:.2}"#,
            messages as f64 / seconds,
            messages as f64 * self.size as f64 / seconds / 1e6,
            (end.cpu - begin.cpu) / messages as f64 * 1e6,
            status_kib("VmHWM") as f64 / 1024.0,
            (end.resident as f64 - begin.resident as f64) / 1024.0,
        );
        if !self.latencies.is_empty() {
            self.latencies.sort_unstable();
            let at = |part: f64| f64::from(self.latencies[(self.latencies.len() as f64 * part) as usize]) / 1000.0;
            let _ = write!(line, r#","p50":{:.3},"p99":{:.3}"#, at(0.50), at(0.99));
        }
        println!("{line}}}");
    }
}

fn sample(messages: u64) -> Sample {
    Sample { at: Instant::now(), messages, cpu: cpu_seconds(), resident: status_kib("VmRSS") }
}

/// The seconds of processor that this process has used.
pub fn cpu_seconds() -> f64 {
    // SAFETY: a zeroed rusage is valid, and getrusage only fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// A number of `/proc/self/status`; 0 where there is none.
pub fn status_kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
