//! Carries out a scenario of `table/` with the Rust library. The README there describes the steps and what each prints.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use stargate_core::admin::Position;
use stargate_core::blocking::{Client, Consumer, Producer, Reader};
use stargate_core::mock::{Mock, MockOptions};
use stargate_core::{
    Error, ErrorKind, HandlerResult, Message, MessageId, Options, Outcome as Decision, OutgoingMessage, Topics,
};

const PATIENCE: Duration = Duration::from_secs(10);
const MOMENT: Duration = Duration::from_millis(100);
const DEFAULT: &str = "persistent://public/default/";

/// The outcome of a step. An error of the library is part of the transcript; any other ends the scenario.
type Outcome = Result<String, Box<dyn std::error::Error>>;

/// Carries out a scenario, at a broker or on a mock, and returns the transcript.
pub(crate) fn run(path: &Path, url: Option<&str>) -> Outcome {
    let text = std::fs::read_to_string(path)?;
    let mut interpreter = Interpreter::new(path.parent().unwrap_or(path), url)?;
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        interpreter.step(&Step::parse(line)?)?;
    }
    interpreter.end()
}

/// A line of a scenario.
struct Step<'a> {
    verb: &'a str,
    handle: &'a str,
    given: Vec<(&'a str, Vec<u8>)>,
}

impl<'a> Step<'a> {
    fn parse(line: &'a str) -> Result<Step<'a>, Box<dyn std::error::Error>> {
        let (verb, mut rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut step = Step { verb, handle: "", given: Vec::new() };
        while !rest.is_empty() {
            let end = rest.find([' ', '=']).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            let Some(value) = after.strip_prefix('=') else {
                step.handle = word;
                rest = after.trim_start();
                continue;
            };
            let (bytes, length) = match value.strip_prefix('"') {
                Some(quoted) => unquote(quoted).map(|(bytes, length)| (bytes, length + 1))?,
                None => {
                    let length = value.find(' ').unwrap_or(value.len());
                    (value.as_bytes()[..length].to_vec(), length)
                }
            };
            step.given.push((word, bytes));
            rest = value[length..].trim_start();
        }
        Ok(step)
    }

    fn get(&self, name: &str) -> Option<&[u8]> {
        self.given.iter().find(|(known, _)| *known == name).map(|(_, value)| &value[..])
    }

    fn bytes(&self, name: &str) -> Result<&[u8], String> {
        self.get(name).ok_or_else(|| format!("the step {} needs {name}=", self.verb))
    }

    fn text(&self, name: &str) -> Result<&str, Box<dyn std::error::Error>> {
        Ok(std::str::from_utf8(self.bytes(name)?)?)
    }

    fn number(&self, name: &str, default: usize) -> Result<usize, Box<dyn std::error::Error>> {
        if self.get(name).is_none() {
            return Ok(default);
        }
        Ok(self.text(name)?.parse()?)
    }

    fn time(&self, name: &str) -> Result<Duration, Box<dyn std::error::Error>> {
        if self.get(name).is_none() {
            return Ok(PATIENCE);
        }
        Ok(Duration::from_millis(self.text(name)?.trim_end_matches("ms").parse()?))
    }
}

/// Returns what stands before the closing quote, and the length of its text with that quote.
fn unquote(text: &str) -> Result<(Vec<u8>, usize), Box<dyn std::error::Error>> {
    let (mut bytes, mut at) = (Vec::new(), 0);
    loop {
        match &text.as_bytes()[at..] {
            [b'"', ..] => return Ok((bytes, at + 1)),
            [b'\\', b'x', ..] => {
                bytes.push(u8::from_str_radix(text.get(at + 2..at + 4).ok_or("a short escape")?, 16)?);
                at += 4;
            }
            [b'\\', byte, ..] => {
                bytes.push(*byte);
                at += 2;
            }
            [byte, ..] => {
                bytes.push(*byte);
                at += 1;
            }
            [] => return Err("a quote is not closed".into()),
        }
    }
}

fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in bytes {
        let _ = match byte {
            b'"' | b'\\' => write!(text, "\\{}", char::from(*byte)),
            0x20..0x7f => write!(text, "{}", char::from(*byte)),
            _ => write!(text, "\\x{byte:02x}"),
        };
    }
    text + "\""
}

fn payload_text(payload: &[u8]) -> String {
    if payload.len() <= 64 {
        return quoted(payload);
    }
    let hash = payload.iter().fold(0u32, |hash, byte| hash.wrapping_mul(31).wrapping_add((*byte).into()));
    format!("<{} bytes, hash {hash:08x}>", payload.len())
}

fn error_text(error: &Error) -> String {
    format!("error {}: {error}", error.kind().name())
}

/// What callbacks write and steps wait for.
struct Log<T> {
    entries: Mutex<Vec<T>>,
    changed: Condvar,
}

impl<T> Log<T> {
    fn new() -> Arc<Log<T>> {
        Arc::new(Log { entries: Mutex::new(Vec::new()), changed: Condvar::new() })
    }

    fn push(&self, entry: T) {
        self.entries.lock().unwrap().push(entry);
        self.changed.notify_all();
    }

    /// Waits until the entries are as expected, or time is over.
    fn wait_until(&self, wanted: impl Fn(&[T]) -> bool) -> MutexGuard<'_, Vec<T>> {
        let entries = self.entries.lock().unwrap();
        self.changed.wait_timeout_while(entries, PATIENCE, |entries| !wanted(entries)).unwrap().0
    }
}

/// How many of PREFIX1 to PREFIXcount are among the payloads, and whether each came first after the one before it.
fn progress(payloads: &[Vec<u8>], prefix: &[u8], count: usize) -> String {
    let wanted: Vec<Vec<u8>> = (1..=count).map(|number| numbered(prefix, number)).collect();
    let mut seen = BTreeSet::new();
    let first: Vec<&Vec<u8>> =
        payloads.iter().filter(|payload| payload.starts_with(prefix) && seen.insert(*payload)).collect();
    let there = wanted.iter().filter(|payload| seen.contains(payload)).count();
    match there == count {
        true if first.iter().copied().eq(&wanted) => format!("all {count}, in order"),
        true => format!("all {count}, out of order"),
        false => format!("{there} of {count}"),
    }
}

fn numbered(prefix: &[u8], number: usize) -> Vec<u8> {
    [prefix, number.to_string().as_bytes()].concat()
}

enum Native {
    Producer(Producer),
    Consumer(Consumer),
    Reader(Reader),
}

/// Calls a method that consumers and readers have.
macro_rules! receiver {
    ($handle:expr, $receiver:ident => $call:expr) => {
        match &$handle.native {
            Native::Consumer($receiver) => $call,
            Native::Reader($receiver) => $call,
            Native::Producer(_) => return Err("a producer cannot do this".into()),
        }
    };
}

/// Calls a method that all handles have.
macro_rules! any {
    ($handle:expr, $native:ident => $call:expr) => {
        match &$handle.native {
            Native::Producer($native) => $call,
            Native::Consumer($native) => $call,
            Native::Reader($native) => $call,
        }
    };
}

/// A producer, consumer or reader under its name in the scenario.
struct Handle {
    native: Native,
    states: Arc<Log<&'static str>>,
    /// The payloads that a handler or `drain` has seen.
    seen: Arc<Log<Vec<u8>>>,
    /// How many messages of `send_async` were accepted, and how those that have ended did.
    accepted: usize,
    ended: Arc<Log<&'static str>>,
    received: Vec<Message>,
    in_hand: Vec<Message>,
}

impl Handle {
    fn producer(&self) -> Result<&Producer, &'static str> {
        let Native::Producer(producer) = &self.native else { return Err("this handle is no producer") };
        Ok(producer)
    }

    fn consumer(&self) -> Result<&Consumer, &'static str> {
        let Native::Consumer(consumer) = &self.native else { return Err("this handle is no consumer") };
        Ok(consumer)
    }

    fn reader(&self) -> Result<&Reader, &'static str> {
        let Native::Reader(reader) = &self.native else { return Err("this handle is no reader") };
        Ok(reader)
    }

    /// Returns the last message that was received with the payload of a step.
    fn message(&self, step: &Step<'_>) -> Result<Message, Box<dyn std::error::Error>> {
        let payload = step.bytes("payload")?;
        let found = self.received.iter().rev().find(|message| message.payload() == payload);
        Ok(found.ok_or("no message has this payload")?.clone())
    }

    fn settled(&mut self, message: &Message) {
        self.in_hand.retain(|kept| kept.id() != message.id());
    }
}

struct Interpreter<'a> {
    folder: &'a Path,
    /// Begins the name of each topic of this run.
    run: String,
    mock: Option<Mock>,
    host: String,
    client: Client,
    handles: BTreeMap<String, Handle>,
    ids: BTreeMap<Vec<u8>, MessageId>,
    transcript: String,
}

impl<'a> Interpreter<'a> {
    fn new(folder: &'a Path, url: Option<&str>) -> Result<Interpreter<'a>, Box<dyn std::error::Error>> {
        let mock = match url {
            Some(_) => None,
            None => Some(Mock::start(MockOptions::default())?),
        };
        let url = url.map(str::to_owned).or_else(|| mock.as_ref().map(Mock::url)).unwrap_or_default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        Ok(Interpreter {
            folder,
            run: format!("{:x}-{:x}-", std::process::id(), now.as_nanos()),
            mock,
            host: url.split_once("://").map_or("", |(_, host)| host).to_owned(),
            client: Client::new(&url, Options::new())?,
            handles: BTreeMap::new(),
            ids: BTreeMap::new(),
            transcript: String::new(),
        })
    }

    fn end(mut self) -> Outcome {
        self.client.close(PATIENCE)?;
        self.show("end");
        Ok(self.transcript)
    }

    fn show(&mut self, line: &str) {
        self.transcript += &line.replace(&self.run, "").replace(&self.host, "BROKER");
        self.transcript.push('\n');
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), Box<dyn std::error::Error>> {
        let outcome = match self.outcome(step) {
            Ok(outcome) if outcome.is_empty() => "ok".to_owned(),
            Ok(outcome) => outcome,
            Err(error) => error_text(error.downcast_ref::<Error>().ok_or(error.to_string())?),
        };
        if step.verb != "on" {
            let space = if step.handle.is_empty() { "" } else { " " };
            self.show(&format!("{}{space}{}: {outcome}", step.verb, step.handle));
        }
        Ok(())
    }

    fn outcome(&mut self, step: &Step<'_>) -> Outcome {
        match step.verb {
            "on" => {}
            "producer" | "consumer" | "reader" => self.open(step)?,
            "close" => any!(self.handle(step)?, native => native.close(step.time("timeout")?))?,
            "close_client" => self.client.close(PATIENCE)?,
            "states" => return self.states(step),
            "stats" => return self.stats(step),
            "send" => self.send(step)?,
            "send_async" => return self.send_async(step),
            "receipts" => return self.receipts(step),
            "flush" => self.handle(step)?.producer()?.flush(Some(PATIENCE))?,
            "receive" | "receive_many" => return self.receive(step),
            "interrupt" => return self.interrupt(step),
            "drain" => return self.drain(step),
            "read_to_end" => return self.read_to_end(step),
            "available" => return Ok(yes_or_no(self.handle(step)?.reader()?.has_message_available()?)),
            "end_of_topic" => {
                let handle = self.handle(step)?;
                return Ok(yes_or_no(until(true, || {
                    Ok(receiver!(handle, native => native.is_end_of_topic(Some(PATIENCE))?))
                })?));
            }
            "compare" => return self.compare(step),
            "seek" => self.seek(step)?,
            "ack" => self.ack(step)?,
            "ack_cumulative" => {
                let handle = self.handle(step)?;
                handle.consumer()?.ack_cumulative(&handle.message(step)?)?;
            }
            "nack" => {
                let handle = self.handle(step)?;
                let message = handle.message(step)?;
                handle.consumer()?.nack(&message)?;
                handle.settled(&message);
            }
            "reconsume_later" => {
                let handle = self.handle(step)?;
                let message = handle.message(step)?;
                handle.consumer()?.reconsume_later(&message, step.time("delay")?)?;
                handle.settled(&message);
            }
            "backlog" => {
                let wanted = step.number("count", 0)? as u64;
                let handle = self.handle(step)?;
                return Ok(until(wanted, || Ok(handle.consumer()?.backlog()?))?.to_string());
            }
            "unsubscribe" => self.handle(step)?.consumer()?.unsubscribe(PATIENCE)?,
            "listen" => self.listen(step)?,
            "handled" => return self.handled(step),
            _ => return self.on_the_mock(step),
        }
        Ok(String::new())
    }

    // What the parameters stand for.

    fn handle(&mut self, step: &Step<'_>) -> Result<&mut Handle, String> {
        self.handles.get_mut(step.handle).ok_or_else(|| format!("there is no handle {:?}", step.handle))
    }

    fn full_name(&self, name: &str) -> String {
        if name.contains('/') { name.to_owned() } else { format!("{DEFAULT}{}{name}", self.run) }
    }

    fn topic(&self, step: &Step<'_>) -> Outcome {
        Ok(self.full_name(step.text("topic")?))
    }

    fn options(&self, step: &Step<'_>) -> Result<Options, Box<dyn std::error::Error>> {
        let mut options = Options::new();
        for (key, _) in step.given.iter().filter(|(key, _)| !["topic", "subscription"].contains(key)) {
            let value = step.text(key)?;
            let time = value.strip_suffix("ms").filter(|number| number.parse::<u64>().is_ok());
            if let Some(payload) = value.strip_prefix('@') {
                options.set(key, self.id(payload.as_bytes())?.as_str())?;
            } else if value.starts_with("./") {
                options.set(key, &self.folder.join(value).display().to_string())?;
            } else {
                options.set(key, time.unwrap_or(value))?;
            }
        }
        Ok(options)
    }

    fn id(&self, payload: &[u8]) -> Result<&MessageId, &'static str> {
        self.ids.get(payload).ok_or("no message was sent with this payload")
    }

    // Handles.

    fn open(&mut self, step: &Step<'_>) -> Result<(), Box<dyn std::error::Error>> {
        let states = Log::new();
        let log = states.clone();
        let options = self.options(step)?.on_state(move |change| log.push(change.state.name()));
        let native = match step.verb {
            "producer" => Native::Producer(self.client.producer(self.topic(step)?, options)?),
            "reader" => Native::Reader(self.client.reader(self.topic(step)?, options)?),
            _ => Native::Consumer(self.consumer(step, options)?),
        };
        let (seen, ended) = (Log::new(), Log::new());
        let handle = Handle { native, states, seen, accepted: 0, ended, received: Vec::new(), in_hand: Vec::new() };
        self.handles.insert(step.handle.to_owned(), handle);
        Ok(())
    }

    fn consumer(&self, step: &Step<'_>, options: Options) -> Result<Consumer, Box<dyn std::error::Error>> {
        let subscription = step.text("subscription")?;
        let names: Vec<String> = step.text("topic")?.split(',').map(|name| self.full_name(name)).collect();
        if let [name] = &names[..] {
            return Ok(self.client.consumer(name, subscription, options)?);
        }
        let topics = names.iter().map(|name| name.parse()).collect::<stargate_core::Result<_>>();
        let topics = topics.map_err(|error: Error| error.during("open consumer"))?;
        Ok(self.client.consumer_of(Topics::Several(topics), subscription, options)?)
    }

    fn states(&mut self, step: &Step<'_>) -> Outcome {
        let count = step.number("count", 1)?;
        let states = self.handle(step)?.states.wait_until(|states| states.len() >= count);
        Ok(states.iter().take(count).copied().collect::<Vec<_>>().join(" "))
    }

    fn stats(&mut self, step: &Step<'_>) -> Outcome {
        let stats = any!(self.handle(step)?, native => native.stats()).to_json();
        let stats: serde_json::Value = serde_json::from_str(&stats)?;
        let counters = step.text("counters")?.split(',').map(|name| format!("{name}={}", stats[name]));
        Ok(counters.collect::<Vec<_>>().join(" "))
    }

    // Producers.

    fn send(&mut self, step: &Step<'_>) -> Result<(), Box<dyn std::error::Error>> {
        let payload = step.bytes("payload")?.to_vec();
        let mut message = OutgoingMessage::new(payload.repeat(step.number("repeat", 1)?));
        if step.get("key").is_some() {
            message = message.key(step.text("key")?);
        }
        if step.get("event_time").is_some() {
            message = message.event_time_ms(step.text("event_time")?.parse()?);
        }
        for (key, _) in &step.given {
            if let Some(name) = key.strip_prefix("property.") {
                message = message.property(name, step.text(key)?);
            }
        }
        let receipt = self.handle(step)?.producer()?.send(message, None)?;
        self.ids.insert(payload, receipt.message_id().clone());
        Ok(())
    }

    fn send_async(&mut self, step: &Step<'_>) -> Outcome {
        let (count, repeat) = (step.number("count", 1)?, step.number("repeat", 1)?);
        let handle = self.handle(step)?;
        for number in 1..=count {
            let payload = numbered(step.bytes("payload")?, number).repeat(repeat);
            let ended = handle.ended.clone();
            let sent = handle.producer()?.send_with(payload, move |report| {
                ended.push(report.result.map_or_else(|error| error.kind().name(), |_| "ok"));
            });
            if let Err(error) = sent {
                return Ok(format!("accepted {}, then {}", number - 1, error_text(&error)));
            }
            handle.accepted += 1;
        }
        Ok(format!("accepted {count}"))
    }

    fn receipts(&mut self, step: &Step<'_>) -> Outcome {
        let handle = self.handle(step)?;
        let accepted = std::mem::take(&mut handle.accepted);
        let mut ended = std::mem::take(&mut *handle.ended.wait_until(|ended| ended.len() == accepted));
        ended.resize(accepted, "missing");
        let mut counts: BTreeMap<(bool, &str), usize> = BTreeMap::new();
        for kind in ended {
            *counts.entry((kind != "ok", kind)).or_default() += 1;
        }
        let counts = counts.iter().map(|((_, kind), count)| format!("{kind} {count}"));
        Ok(counts.collect::<Vec<_>>().join(", "))
    }

    // Receiving.

    fn receive(&mut self, step: &Step<'_>) -> Outcome {
        let (count, timeout) = (step.number("count", 1)?, step.time("timeout")?);
        let handle = self.handle(step)?;
        let mut messages = Vec::new();
        let mut end = None;
        while messages.len() < count && end.is_none() {
            let more = match step.verb {
                "receive" => receiver!(handle, native => native.receive(Some(timeout))).map(|message| vec![message]),
                _ => receiver!(handle, native => native.receive_many(count - messages.len(), timeout)),
            };
            match more {
                Ok(more) if !more.is_empty() => messages.extend(more),
                Err(error) if error.kind() != ErrorKind::Timeout => end = Some(error_text(&error)),
                _ => end = Some("nothing".to_owned()),
            }
        }
        handle.received.extend(messages.iter().cloned());
        handle.in_hand.extend(messages.iter().cloned());
        let counted = (!messages.is_empty()).then(|| messages.len().to_string());
        let outcome = counted.into_iter().chain(end).collect::<Vec<_>>().join(", then ");
        Ok(self.with_messages(outcome, &messages, step.get("order").is_some()))
    }

    fn interrupt(&mut self, step: &Step<'_>) -> Outcome {
        let received = receiver!(self.handle(step)?, native => thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(MOMENT);
                native.interrupt()
            });
            native.receive(Some(PATIENCE))
        }));
        match received {
            Ok(_) => Ok("received".to_owned()),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok("interrupted".to_owned()),
            Err(error) => Err(error.into()),
        }
    }

    fn with_messages(&self, outcome: String, messages: &[Message], in_any_order: bool) -> String {
        let mut lines: Vec<String> = messages.iter().map(|message| self.message_line(message)).collect();
        if in_any_order {
            lines.sort();
        }
        lines.insert(0, outcome);
        lines.join("\n")
    }

    fn message_line(&self, message: &Message) -> String {
        let topic = message.topic().to_string().replace(DEFAULT, "").replace(&self.run, "");
        let mut line = format!("  {topic}: {}", payload_text(message.payload()));
        let mut add = |name: &str, value: String| line += &format!(" {name}={value}");
        if let Some(key) = message.key() {
            add("key", quoted(key.as_bytes()));
        }
        if let Some(millis) = message.event_time_ms() {
            add("event_time", millis.to_string());
        }
        let counts = [("redelivered", message.redelivery_count()), ("reconsumed", message.reconsume_times())];
        for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            add(name, count.to_string());
        }
        for (name, value) in message.properties() {
            if !name.starts_with(|first: char| first.is_ascii_uppercase()) {
                add(&format!("property.{name}"), quoted(value.as_bytes()));
            }
        }
        line
    }

    fn drain(&mut self, step: &Step<'_>) -> Outcome {
        let (prefix, count) = (step.bytes("payload")?, step.number("count", 1)?);
        let handle = self.handle(step)?;
        let consumer = handle.consumer()?;
        let mut deadline = Instant::now() + PATIENCE;
        loop {
            let progress = progress(&handle.seen.wait_until(|_| true), prefix, count);
            if progress.starts_with("all") {
                return Ok(progress);
            }
            let message = match consumer.receive(Some(deadline.saturating_duration_since(Instant::now()))) {
                Err(error) if error.kind() == ErrorKind::Timeout => return Ok(progress),
                received => received?,
            };
            consumer.ack(&message)?;
            if !handle.seen.wait_until(|_| true).iter().any(|payload| payload == message.payload()) {
                deadline = Instant::now() + PATIENCE;
            }
            handle.seen.push(message.payload().to_vec());
        }
    }

    fn read_to_end(&mut self, step: &Step<'_>) -> Outcome {
        let messages: Vec<Message> =
            self.handle(step)?.reader()?.until_caught_up()?.collect::<stargate_core::Result<_>>()?;
        Ok(self.with_messages(messages.len().to_string(), &messages, false))
    }

    fn compare(&mut self, step: &Step<'_>) -> Outcome {
        let message = self.handle(step)?.message(step)?;
        let same = message.id() == self.id(step.bytes("payload")?)?;
        Ok(if same { "same id" } else { "different id" }.to_owned())
    }

    fn seek(&mut self, step: &Step<'_>) -> Result<(), Box<dyn std::error::Error>> {
        let to = match step.text("to")? {
            "earliest" => Position::Earliest,
            "latest" => Position::Latest,
            id if step.get("after").is_some() => Position::After(self.id(&id.as_bytes()[1..])?.clone()),
            id => Position::At(self.id(&id.as_bytes()[1..])?.clone()),
        };
        Ok(receiver!(self.handle(step)?, native => native.seek(&to))?)
    }

    fn ack(&mut self, step: &Step<'_>) -> Result<(), Box<dyn std::error::Error>> {
        let handle = self.handle(step)?;
        let messages = match step.get("payload") {
            Some(_) => vec![handle.message(step)?],
            None => handle.in_hand.clone(),
        };
        for message in messages {
            handle.consumer()?.ack(&message)?;
            handle.settled(&message);
        }
        Ok(())
    }

    // Handlers.

    fn listen(&mut self, step: &Step<'_>) -> Result<(), Box<dyn std::error::Error>> {
        let payload = |name: &str| step.get(name).map(<[u8]>::to_vec);
        let [nack, fail, reconsume] = ["nack_once", "fail_once", "reconsume_once"].map(payload);
        let handle = self.handle(step)?;
        let seen = handle.seen.clone();
        let handle_one = move |message: &Message| -> HandlerResult {
            let payload = message.payload().to_vec();
            let first = !seen.wait_until(|_| true).contains(&payload);
            seen.push(payload.clone());
            match Some(payload).filter(|_| first) {
                None => Ok(Decision::Ack),
                payload if payload == nack => Ok(Decision::Nack),
                payload if payload == fail => Err("this handler fails once".into()),
                payload if payload == reconsume => Ok(Decision::ReconsumeLater(Duration::from_millis(100))),
                _ => Ok(Decision::Ack),
            }
        };
        Ok(receiver!(handle, native => native.listen(move |_| Ok(handle_one.clone())))?)
    }

    fn handled(&mut self, step: &Step<'_>) -> Outcome {
        let handle = self.handle(step)?;
        if step.get("calls").is_some() {
            let calls = step.number("calls", 1)?;
            let mut counts: BTreeMap<&[u8], usize> = BTreeMap::new();
            let seen = handle.seen.wait_until(|seen| seen.len() >= calls);
            for payload in &*seen {
                *counts.entry(payload).or_default() += 1;
            }
            let counts = counts.iter().map(|(payload, count)| format!("{} {count}", payload_text(payload)));
            return Ok(counts.collect::<Vec<_>>().join(", "));
        }
        let (prefix, count) = (step.bytes("payload")?, step.number("count", 1)?);
        let seen = handle.seen.wait_until(|seen| progress(seen, prefix, count).starts_with("all"));
        Ok(progress(&seen, prefix, count))
    }

    // The mock broker.

    fn on_the_mock(&mut self, step: &Step<'_>) -> Outcome {
        let topic = step.get("topic").map(|_| self.topic(step)).transpose()?;
        let topic = topic.as_deref();
        let one = topic.ok_or("this step needs topic=");
        let count = if step.get("count") == Some(b"all") { usize::MAX } else { step.number("count", 1)? };
        let mock = self.mock.as_ref().ok_or_else(|| format!("there is no step {} on a real broker", step.verb))?;
        match step.verb {
            "fault" => mock.fault(step.text("op")?, topic, step.text("fault")?, count)?,
            "down" => mock.set_up(false)?,
            "up" => mock.set_up(true)?,
            "cut" => drop(mock.drop_connections(topic)?),
            "wait" if mock.wait(step.text("op")?, topic, count, PATIENCE)? => {}
            "wait" => return Err(Error::new(ErrorKind::Timeout, "it did not happen").into()),
            "stored" => return Ok(mock.messages(one?)?.len().to_string()),
            "partitions" => mock.create_partitioned(one?, count.try_into()?)?,
            "deduplicate" => mock.set_deduplication(step.text("namespace")?, true)?,
            "terminate" => mock.terminate(one?)?,
            verb => return Err(format!("there is no step {verb}").into()),
        }
        Ok(String::new())
    }
}

fn yes_or_no(answer: bool) -> String {
    if answer { "yes" } else { "no" }.to_owned()
}

/// Asks until the answer is the wanted one, or time is over; returns the last answer.
fn until<T: PartialEq>(
    wanted: T,
    mut ask: impl FnMut() -> Result<T, Box<dyn std::error::Error>>,
) -> Result<T, Box<dyn std::error::Error>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask()?;
        if answer == wanted || Instant::now() > deadline {
            return Ok(answer);
        }
        thread::sleep(Duration::from_millis(20));
    }
}
