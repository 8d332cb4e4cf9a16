//! Transcripts of a real broker, replayed against the mock: the client's side of each is carried out again, and what
//! comes back must be what the real broker said, message ids, times and names made comparable.
//!
//! A transcript in `transcripts/` is a list of steps, each with what it `got`. To write one, write its steps; to record
//! it (and all others again):
//!
//! ```text
//! python3 tests/pulsar/pulsar.py run -- env RECORD=1 \
//!     cargo test -p stargate-core --features mock --test replay -- --ignored
//! ```
//!
//! | step | does |
//! |---|---|
//! | `open NAME`, `path` | connects; gets the status, and the reason of a refusal |
//! | `send NAME`, `text` or `json` | sends a text frame |
//! | `read NAME` | waits for the next frame, or the end of the connection |
//! | `quiet NAME` | waits, and hopes to see nothing |
//! | `close NAME` | sends a close frame and waits for the end |
//! | `GET`, `PUT`, `POST` or `DELETE`, `path`, `body` | asks the REST API; gets the status |
//!
//! In paths and frames, `$T` is a topic that nobody has used, and `$m3` the fourth message id that was read, `%m3` the
//! same percent-encoded.

mod waiting;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value, json};
use stargate_core::MessageId;
use stargate_core::mock::{Mock, MockOptions};
use tokio_tungstenite::tungstenite::{Error, HandshakeError, Message, WebSocket, client};

use waiting::unique;

/// How long a frame may take that is to come.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long nothing has to come.
const QUIET: Duration = Duration::from_millis(400);

/// A client that plays one transcript.
struct Player {
    host: String,
    topic: String,
    sockets: BTreeMap<String, WebSocket<TcpStream>>,
    /// The ids that were read, as they are.
    ids: Vec<String>,
    /// Ledgers in the order of their first appearance.
    ledgers: Vec<u64>,
}

impl Player {
    fn new(url: &str) -> Player {
        Player {
            host: url.strip_prefix("ws://").expect("a plain broker").to_owned(),
            topic: unique("replay"),
            sockets: BTreeMap::new(),
            ids: Vec::new(),
            ledgers: Vec::new(),
        }
    }

    fn fill(&self, text: &str) -> String {
        let mut text = text.replace("$T", &self.topic);
        for (index, id) in self.ids.iter().enumerate().rev() {
            let encoded = id.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
            text = text.replace(&format!("$m{index}"), id).replace(&format!("%m{index}"), &encoded);
        }
        text
    }

    fn step(&mut self, step: &Map<String, Value>) -> Value {
        let field = |name: &str| step.get(name).and_then(Value::as_str).map(|text| self.fill(text));
        let (verb, name) = {
            let step = step["do"].as_str().unwrap();
            step.split_once(' ').unwrap_or((step, ""))
        };
        match verb {
            "open" => {
                let path = field("path").expect("a path");
                self.open(name, &path)
            }
            "send" => {
                let text = match step.get("json") {
                    Some(value) => self.fill(&value.to_string()),
                    None => field("text").expect("text or json"),
                };
                self.socket(name).send(Message::text(text)).expect("it is written");
                Value::Null
            }
            "read" => self.read(name, PATIENCE),
            "quiet" => self.read(name, QUIET),
            "close" => {
                let mut socket = self.sockets.remove(name).expect("it is open");
                let _ = socket.close(None);
                socket.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
                while socket.read().is_ok() {}
                Value::Null
            }
            method => {
                let path = field("path").expect("a path");
                self.admin(method, &path, &field("body").unwrap_or_default())
            }
        }
    }

    fn socket(&mut self, name: &str) -> &mut WebSocket<TcpStream> {
        self.sockets.get_mut(name).unwrap_or_else(|| panic!("{name} is not open"))
    }

    fn open(&mut self, name: &str, path: &str) -> Value {
        let stream = TcpStream::connect(&self.host).expect("the broker is there");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        match client(format!("ws://{}{path}", self.host), stream) {
            Ok((socket, _)) => {
                self.sockets.insert(name.to_owned(), socket);
                json!({ "status": 101 })
            }
            Err(HandshakeError::Failure(Error::Http(response))) => {
                let page = response.body().clone().unwrap_or_default();
                let reason = self.comparable(&reason_of(&String::from_utf8_lossy(&page)));
                json!({ "status": response.status().as_u16(), "reason": reason })
            }
            Err(other) => panic!("{path}: {other}"),
        }
    }

    fn read(&mut self, name: &str, limit: Duration) -> Value {
        let socket = self.socket(name);
        socket.get_ref().set_read_timeout(Some(limit)).unwrap();
        loop {
            return match socket.read() {
                Ok(Message::Text(text)) => {
                    let value: Value = serde_json::from_str(&text).expect("the broker sends JSON");
                    if let Some(id) = value["messageId"].as_str() {
                        self.ids.push(id.to_owned());
                    }
                    self.normal(value)
                }
                Ok(Message::Close(frame)) => {
                    let (code, reason) =
                        frame.map_or((0, String::new()), |frame| (frame.code.into(), frame.reason.to_string()));
                    json!({ "close": code, "reason": self.comparable(&reason) })
                }
                Ok(Message::Ping(_) | Message::Pong(_)) => continue,
                Ok(other) => panic!("no frame of this API: {other:?}"),
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => json!("nothing"),
                Err(_) => json!("end"),
            };
        }
    }

    fn admin(&self, method: &str, path: &str, body: &str) -> Value {
        let mut stream = TcpStream::connect(&self.host).expect("the REST API is there");
        let length = body.len();
        write!(
            stream,
            "{method} /admin/v2/{path} HTTP/1.0\r\nHost: x\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
        .expect("the request is written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer comes");
        let status: u16 = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
        json!({ "status": status })
    }

    fn ledger(&mut self, ledger: u64) -> String {
        let known = self.ledgers.iter().position(|other| *other == ledger);
        let index = known.unwrap_or_else(|| {
            self.ledgers.push(ledger);
            self.ledgers.len() - 1
        });
        format!("L{index}")
    }

    /// Ids as `ledger:entry:partition:batch` with the ledgers numbered, times and names left out.
    fn normal(&mut self, mut value: Value) -> Value {
        let receipt_of_no_frame = value["result"] == "send-error:3";
        let Some(object) = value.as_object_mut() else { return value };
        for (key, value) in object.iter_mut() {
            let Some(text) = value.as_str().map(str::to_owned) else {
                if let Some(properties) = value.as_object_mut() {
                    for (key, value) in properties {
                        // of a dead letter: where it was, and when
                        let origin =
                            value.as_str().and_then(|id| id.split_once(':')).filter(|_| key.starts_with("ORIGIN"));
                        if let Some((ledger, rest)) = origin.map(|(ledger, rest)| (ledger.to_owned(), rest.to_owned()))
                        {
                            *value = json!(format!("{}:{rest}", self.ledger(ledger.parse().unwrap())));
                        } else if let Some(text) = value.as_str() {
                            *value = json!(self.comparable(text));
                        }
                    }
                }
                continue;
            };
            *value = match key.as_str() {
                "messageId" => {
                    let id: MessageId = text.parse().expect("a message id");
                    let shown = id.to_string();
                    let (ledger, rest) = shown.split_once(':').unwrap();
                    // the id of what was dropped as a duplicate has no ledger
                    match ledger.parse::<u64>().ok().filter(|ledger| *ledger < 1 << 62) {
                        Some(ledger) => json!(format!("{}:{rest}", self.ledger(ledger))),
                        None => json!("duplicate"),
                    }
                }
                "publishTime" => json!("now"),
                // Jackson's words for what it could not read
                "errorMsg" if receipt_of_no_frame => json!("why"),
                _ => json!(self.comparable(&text)),
            };
        }
        value
    }

    /// Without what is different each time.
    fn comparable(&self, text: &str) -> String {
        let text = text.replace(&self.topic, "$T");
        let without = [",\"reqId\"", "\n at [Source"].iter().filter_map(|mark| text.find(mark)).min();
        // Words of Java about itself, and a refusal whose words depend on who was first to notice the end.
        let marks = ["IndexOutOfBoundsException", "Unclosed group", "TopicTerminatedException"];
        let words = marks.iter().filter_map(|mark| text.find(mark).map(|at| at + mark.len())).min();
        let end = without.into_iter().chain(words).min();
        end.map_or(text.as_str(), |end| &text[..end]).to_owned()
    }
}

/// The message in Jetty's error page.
fn reason_of(page: &str) -> String {
    let cell = page.split_once("MESSAGE:</th><td>").and_then(|(_, rest)| rest.split_once("</td>"));
    let text = cell.map_or("", |(text, _)| text);
    text.replace("&quot;", "\"").replace("&apos;", "'").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "tests", "scenarios", "transcripts"].iter().collect()
}

fn transcripts() -> Vec<(PathBuf, Value)> {
    let files = std::fs::read_dir(folder()).expect("the transcripts are there");
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path, value)
    };
    paths.into_iter().map(read).collect()
}

/// Plays all transcripts at `url`; the differences. With `record`, what comes is written down instead.
fn play(url: impl Fn() -> String, record: bool) {
    let mut differences = Vec::new();
    let mut steps_played = 0;
    for (path, mut transcript) in transcripts() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let mut player = Player::new(&url());
        for (index, step) in transcript["steps"].as_array_mut().expect("steps").iter_mut().enumerate() {
            let step = step.as_object_mut().expect("a step is an object");
            let got = player.step(step);
            steps_played += 1;
            if record {
                if !got.is_null() {
                    step.insert("got".to_owned(), got);
                }
            } else if step.get("got").unwrap_or(&Value::Null) != &got {
                let expected = step.get("got").unwrap_or(&Value::Null);
                differences
                    .push(format!("{name}, step {index} ({}):\n  recorded {expected}\n  got      {got}", step["do"]));
            }
        }
        if record {
            std::fs::write(&path, written(&transcript)).unwrap();
        }
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
    assert!(steps_played > 100, "the transcripts are there");
}

/// One line for each step, so that a difference is a line of a diff.
fn written(transcript: &Value) -> String {
    let steps: Vec<String> = transcript["steps"].as_array().unwrap().iter().map(|step| format!("    {step}")).collect();
    format!("{{\n  \"what\": {},\n  \"steps\": [\n{}\n  ]\n}}\n", transcript["what"], steps.join(",\n"))
}

#[test]
fn the_mock_answers_as_a_real_broker_did() {
    let mock = Mock::start(MockOptions::default()).unwrap();
    play(|| mock.url(), false);
}

#[test]
#[ignore = "needs a broker at PULSAR_URL; RECORD=1 writes down what it says"]
fn a_real_broker_answers_as_recorded() {
    let url = std::env::var("PULSAR_URL").expect("PULSAR_URL is the WebSocket URL of a broker, ws://host:port");
    play(|| url.clone(), std::env::var_os("RECORD").is_some());
}
