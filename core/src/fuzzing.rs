//! What reads bytes from outside, for fuzzers: one function for each kind of input, which panics where the code does, and
//! where what it read does not hold what was promised. Not part of the API.

use std::sync::Arc;
use std::time::Duration;

use hyper::HeaderMap;

use crate::driver::refusal;
use crate::driver::websocket::heard;
use crate::encryption::{Context, decompress_all};
use crate::error::{Error, ErrorKind};
use crate::message::batch::unpack;
use crate::message::{MessageId, Origin, OutgoingMessage};
use crate::net::http1::Response;
use crate::options::{OPTIONS, Options, Roles};
use crate::proto::Moment;
use crate::proto::consumer::{self, ConsumerRole, Settings};
use crate::proto::frame::{
    Answer, OpenFrame, Received, parse_answer, parse_any_answer, parse_any_received, parse_received,
};
use crate::proto::producer::{self, ProducerRole, Resend};
use crate::proto::reader::{self, ReaderRole};
use crate::proto::session::{Action, Policy, Role, Session};
use crate::topic::{ProducerUrl, ServiceUrl, TopicName};

/// A target by its name, as `fuzz/` and the bounded run have it.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 10] = [
    ("websockets", websockets),
    ("frames", frames),
    ("sends", sends),
    ("sessions", sessions),
    ("message_ids", message_ids),
    ("urls", urls),
    ("topics", topics),
    ("option_values", option_values),
    ("upgrade_pages", upgrade_pages),
    ("encrypted", encrypted),
];

fn text(data: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(data)
}

fn is_short(error: &Error) {
    // Whatever the peer sent is not repeated at length.
    assert!(error.message().len() < 400, "{error}");
}

/// What comes with an encrypted message, and what is in it: its context, a compressed payload, a batch.
pub fn encrypted(data: &[u8]) {
    if let Err(error) = Context::parse(&text(data)) {
        assert_eq!(error.kind(), ErrorKind::Protocol);
        is_short(&error);
    }
    let (size, count) = (data.first().map_or(0, |byte| usize::from(*byte) * 16), data.len() % 4);
    for decompressed in decompress_all(data, size).into_iter().flatten() {
        assert_eq!(decompressed.len(), size);
    }
    if let Ok(messages) = unpack(&data.to_vec().into(), count) {
        assert!(messages.iter().map(|message| message.payload.len()).sum::<usize>() <= data.len());
    }
}

/// What a server writes on a WebSocket, in pieces of as many bytes as the first one says: what is read of it is what the
/// WebSocket crate reads by itself. With compression it is the same however the bytes arrive, and texts that are
/// compressed are read as they were.
pub fn websockets(data: &[u8]) {
    let Some((&piece, bytes)) = data.split_first() else { return };
    let (piece, reset) = (usize::from(piece), piece % 2 == 1);
    assert_eq!(heard::here(bytes, piece, None), heard::alone(bytes, piece));
    let at_once = heard::here(bytes, usize::MAX, Some(heard::agreed(false)));
    assert_eq!(heard::here(bytes, piece, Some(heard::agreed(false))), at_once);
    let text = text(bytes);
    let texts: Vec<&str> = text.split('\n').filter(|text| !text.is_empty()).collect();
    let frames = heard::frames(&texts, piece, reset);
    let mut read = heard::here(&frames, piece, Some(heard::agreed(reset)));
    read.retain(|item| item.starts_with("text "));
    assert_eq!(read, texts.iter().map(|text| format!("text {text}")).collect::<Vec<_>>());
}

/// Frames of the server: receipts and messages.
pub fn frames(data: &[u8]) {
    let text = text(data);
    // What is scanned is what the parser makes of it.
    let shown = |answer: &Answer| (answer.context, answer.outcome.as_ref().ok().map(|id| id.as_str().to_owned()));
    let answer = parse_answer(&text);
    assert_eq!(answer.as_ref().ok().map(shown), parse_any_answer(&text).as_ref().ok().map(shown));
    match answer {
        Ok(answer) => {
            if let Ok(id) = answer.outcome {
                assert_eq!(id.as_str().parse::<MessageId>().ok(), Some(id));
            }
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Protocol);
            is_short(&error);
        }
    }
    let Ok(topic) = "t".parse() else { return };
    let topic = Arc::new(topic);
    let received = parse_received(&text, &topic, Origin::default());
    assert_eq!(
        received.as_ref().ok().map(shown_received),
        parse_any_received(&text, &topic, Origin::default()).as_ref().ok().map(shown_received)
    );
    match received {
        Ok(Received::Message(message)) => {
            assert!(message.payload().len() <= data.len());
            assert_eq!(message.origin.frame_bytes, text.len());
        }
        Ok(Received::EndOfTopic(_)) => {}
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Protocol);
            is_short(&error);
        }
    }
}

/// All that there is in a frame of the server.
fn shown_received(received: &Received) -> String {
    match received {
        Received::EndOfTopic(end) => end.to_string(),
        Received::Message(message) => format!(
            "{message:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            message.id.as_str(),
            message.payload,
            message.properties,
            message.publish_time,
            message.event_time,
            message.encryption_context
        ),
    }
}

/// Messages on their way out: key, property, and the rest is the payload, apart by zero bytes.
pub fn sends(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == 0);
    let mut next = || parts.next().unwrap_or_default();
    let (key, property, payload) = (text(next()), text(next()), next());
    let outgoing = OutgoingMessage::new(payload.to_vec()).key(&*key).property(&*property, &*key);
    let limit = 1_024;
    let Ok(frame) = OpenFrame::encode(outgoing, limit) else { return };
    let json = frame.close(u64::MAX).text();
    assert!(json.len() <= limit);
    let read: serde_json::Value = serde_json::from_str(&json).expect("what is sent is JSON");
    assert_eq!(read["key"], *key);
    assert_eq!(read["properties"][&*property], *key);
    assert_eq!(read["context"], u64::MAX.to_string());
}

/// A session of each role, to which lines are frames; an empty line breaks the connection.
pub fn sessions(data: &[u8]) {
    let Ok(topic) = "t".parse::<TopicName>() else { return };
    let topic = Arc::new(topic);
    let (role, rest) = data.split_first().unwrap_or((&0, &[]));
    match role % 6 {
        kind @ (0 | 1) => {
            let resend = if kind == 0 { Resend::Again } else { Resend::Numbered { first: 0, chosen: true } };
            let send = |ticket| producer::Command::Send {
                frame: OpenFrame::encode(OutgoingMessage::new("x"), 1_024).expect("it is small"),
                ticket,
                hold: (),
                deadline: Some(Duration::from_secs(ticket)),
            };
            play(ProducerRole::new(resend, None, Arc::default()), rest, send);
        }
        kind @ 2..=4 => {
            let settings = Settings {
                topic,
                session: 0,
                pull: kind == 2,
                window: usize::from(kind),
                acks_travel: kind == 3,
                one_id: kind == 4,
                shared: false,
            };
            let ask = |ticket| match ticket % 3 {
                0 => consumer::Command::IsEndOfTopic { ticket },
                1 => consumer::Command::Unsubscribe { ticket },
                _ => consumer::Command::Finished { messages: 1 },
            };
            play(ConsumerRole::new(settings, Arc::default()), rest, ask);
        }
        _ => {
            let role = ReaderRole::new(topic.clone(), (*topic).clone(), 0, "earliest".to_owned(), 2, Arc::default());
            play(role, rest, |ticket| reader::Command::IsEndOfTopic { ticket });
        }
    }
}

fn play<R: Role>(role: R, data: &[u8], command: impl Fn(u64) -> R::Command) {
    let policy = Policy {
        hosts: 1,
        first_host: 0,
        lazy: true,
        keep_trying: true,
        max_reconnects: 0,
        ping_interval: Duration::from_secs(30),
        pong_timeout: Duration::from_secs(10),
        backoff_min: Duration::from_millis(1),
        backoff_max: Duration::from_millis(2),
        seed: 7,
    };
    let mut session = Session::new(role, policy);
    let mut now = Moment::ZERO;
    session.start();
    for (number, line) in data.split(|byte| *byte == b'\n').enumerate() {
        now += Duration::from_millis(250);
        while session.poll_timeout().is_some_and(|at| at <= now) {
            session.handle_timeout(now);
        }
        session.handle_command(now, command(number as u64));
        while let Some(action) = session.poll_action() {
            if matches!(action, Action::Connect { .. }) {
                session.handle_connected(now);
            }
        }
        while session.poll_frame().is_some() {}
        session.handle_written(now);
        match line.is_empty() {
            true => session.handle_disconnected(now, Error::new(ErrorKind::Connect, "the connection broke")),
            false => session.handle_text(now, &text(line)),
        }
        while session.poll_event().is_some() {}
    }
    session.close(now, Duration::ZERO);
    assert!(session.ended().is_some(), "a close without time ends at once");
    assert!(session.is_idle() || session.poll_frame().is_none());
}

/// Message ids as bytes, and as text.
pub fn message_ids(data: &[u8]) {
    let of_bytes = MessageId::from_bytes(data);
    if let Ok(id) = &of_bytes {
        assert_eq!(id.to_bytes(), data);
        assert_eq!(id.as_str().parse::<MessageId>().as_ref().ok(), Some(id));
        let next = MessageId::at(id.ledger(), id.entry().saturating_add(1), -1, -1);
        assert!(*id < next || id.entry() == u64::MAX);
        let _ = (id.partition(), id.batch_index(), id.to_string(), id.is_duplicate_sentinel());
    }
    if let Ok(id) = text(data).parse::<MessageId>() {
        assert_eq!(id.as_str(), text(data));
    }
}

/// Service URLs and producers' URLs.
pub fn urls(data: &[u8]) {
    let text = text(data);
    if let Ok(url) = text.parse::<ServiceUrl>() {
        assert!(!url.hosts().is_empty());
        assert!(url.hosts().iter().all(|host| host.port > 0 && !host.name.is_empty()));
        assert_eq!(url.to_string().parse::<ServiceUrl>().ok(), Some(url));
    }
    if let Ok(url) = text.parse::<ProducerUrl>() {
        assert_eq!(url.topic.to_string().parse::<TopicName>().ok(), Some(url.topic));
        let mut options = Options::new();
        for (name, value) in &url.parameters {
            let _ = options.set_parameter(name, value);
        }
        let _ = options.check(Roles::PRODUCER);
    }
}

/// Names of topics.
pub fn topics(data: &[u8]) {
    let Ok(topic) = text(data).parse::<TopicName>() else { return };
    let path = topic.path();
    assert_eq!(path.split('/').count(), 4, "{path}");
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%/".contains(&byte);
    assert!(path.bytes().all(plain), "{path}");
    assert_eq!(topic.to_string().parse::<TopicName>().ok(), Some(topic));
}

/// Options: the first byte picks the key, what follows up to a line's end is the value, and so on.
pub fn option_values(data: &[u8]) {
    let mut options = Options::new();
    for line in data.split(|byte| *byte == b'\n') {
        let (&key, value) = line.split_first().unwrap_or((&0, &[]));
        let spec = &OPTIONS[usize::from(key) % OPTIONS.len()];
        let value = text(value);
        match options.set(spec.key, &value) {
            Ok(()) => assert!(options.is_set(spec.key)),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::InvalidArgument);
                assert!(error.to_string().contains(spec.key), "{error}");
            }
        }
        // An unknown key is an error that names another.
        assert!(options.set(&format!("{value}?"), "x").is_err());
    }
    for role in [Roles::CONNECTION, Roles::PRODUCER, Roles::CONSUMER, Roles::READER] {
        let _ = options.check(role);
        let _ = options.check_handle(role);
        let _ = options.query(role).to_string();
    }
    if let Some(secret) = options.clone().resolve().auth_token.filter(|secret| secret.len() > 24) {
        assert!(!format!("{options:?}").contains(&secret));
    }
}

/// The page of a refused upgrade; the first two bytes are its status.
pub fn upgrade_pages(data: &[u8]) {
    let (status, page) = data.split_at(data.len().min(2));
    let status = status.iter().fold(0, |status, byte| status << 8 | u16::from(*byte));
    let response = Response { status, headers: HeaderMap::new(), body: page.to_vec().into() };
    let error = refusal::refused(&response, "");
    assert_eq!(error.http_status(), Some(status));
    assert!(error.to_string().contains(&status.to_string()));
}
