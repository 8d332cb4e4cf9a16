//! The frames of Pulsar's WebSocket API: JSON texts.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use base64_simd::STANDARD;
use bytes::Bytes;
use serde::Deserialize;

use super::scan::{self, MessageText, ReceiptText};
use super::time;
use crate::error::{Error, ErrorKind, Result};
use crate::message::{Message, MessageId, Origin, OutgoingMessage};
use crate::topic::TopicName;

/// A message to send, complete except for its context. The payload is encoded only when the frame is written into the
/// buffer of the socket. So a message in flight is kept as the application passed it.
#[derive(Debug, Default)]
pub(crate) struct OpenFrame {
    payload: Bytes,
    /// The JSON between payload and context.
    attributes: String,
    /// The key of the only connections on which a consumer can decrypt the payload.
    key: Option<ConnectionKey>,
}

/// The parameter `encryptionKeys` of a producer's connection: the data key that encrypts its messages, in the forms
/// that permitted readers can unwrap. Keys are compared by identity, not by text.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionKey(Arc<str>);

impl ConnectionKey {
    pub(crate) fn new(parameter: String) -> ConnectionKey {
        ConnectionKey(parameter.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for ConnectionKey {
    fn eq(&self, other: &ConnectionKey) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

const HEAD: &str = r#"{"payload":""#;
const BEFORE_CONTEXT: &str = r#","context":""#;
const END: &str = r#""}"#;
/// The maximum length of a context with the closing brace.
const TAIL_BYTES: usize = BEFORE_CONTEXT.len() + MOST_DIGITS + END.len();
const MOST_DIGITS: usize = 20;

impl OpenFrame {
    /// Encodes `message`, or returns an error if it does not fit into a frame of `limit` bytes.
    pub(crate) fn encode(message: OutgoingMessage, limit: usize) -> Result<OpenFrame> {
        message.check()?;
        let frame = OpenFrame { attributes: attributes(&message), payload: message.payload, key: None };
        let bytes = frame.bytes();
        if bytes > limit {
            return Err(Error::new(
                ErrorKind::TooBig,
                format!(
                    "a payload of {} bytes makes a frame of {bytes} bytes, over the server's limit of {limit} \
                     (its webSocketMaxTextFrameSize; option max_message_frame_bytes); the largest payload is about {} bytes",
                    frame.payload.len(),
                    limit.saturating_sub(TAIL_BYTES + 14) / 4 * 3,
                ),
            ));
        }
        Ok(frame)
    }

    /// Returns the frame with the fields of encryption, for connections with this key.
    pub(crate) fn encrypted(mut self, fields: &str, key: ConnectionKey) -> OpenFrame {
        self.attributes.push_str(fields);
        self.key = Some(key);
        self
    }

    pub(crate) fn key(&self) -> Option<&ConnectionKey> {
        self.key.as_ref()
    }

    /// Returns the maximum size of the frame.
    pub(crate) fn bytes(&self) -> usize {
        HEAD.len() + STANDARD.encoded_length(self.payload.len()) + 1 + self.attributes.len() + TAIL_BYTES
    }

    /// Returns how many bytes of the message are kept.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.payload.len() + self.attributes.len()
    }

    /// Returns the complete frame.
    pub(crate) fn close(&self, context: u64) -> Frame<'_> {
        Frame::Send(self, context)
    }
}

/// Returns all of a message except the payload.
fn attributes(message: &OutgoingMessage) -> String {
    let mut json = String::new();
    if let Some(key) = &message.key {
        json.push_str(r#","key":"#);
        push_string(&mut json, key);
    }
    if !message.properties.is_empty() {
        json.push_str(r#","properties":{"#);
        for (index, (name, value)) in message.properties.iter().enumerate() {
            if index > 0 {
                json.push(',');
            }
            push_string(&mut json, name);
            json.push(':');
            push_string(&mut json, value);
        }
        json.push('}');
    }
    if let Some(millis) = message.event_time {
        json.push_str(&format!(r#","eventTime":"{}""#, time::format(millis)));
    }
    if let Some(millis) = message.deliver_at {
        json.push_str(&format!(r#","deliverAt":{millis}"#));
    }
    if let Some(delay) = message.deliver_after.filter(|delay| delay.as_millis() > 0) {
        json.push_str(&format!(r#","deliverAfterMs":{}"#, delay.as_millis()));
    }
    if !message.replication_clusters.is_empty() {
        json.push_str(r#","replicationClusters":["#);
        for (index, cluster) in message.replication_clusters.iter().enumerate() {
            if index > 0 {
                json.push(',');
            }
            push_string(&mut json, cluster);
        }
        json.push(']');
    }
    json
}

/// A frame to write next.
#[derive(Debug)]
pub(crate) enum Frame<'a> {
    /// A message with its context.
    Send(&'a OpenFrame, u64),
    Ack(MessageId),
    Nack(MessageId),
    Permit(usize),
    IsEndOfTopic,
    Unsubscribe,
}

const ACK: &str = r#"{"messageId":""#;
const NACK: &str = r#"{"type":"negativeAcknowledge","messageId":""#;
const PERMIT: &str = r#"{"type":"permit","permitMessages":"#;
const IS_END_OF_TOPIC: &str = r#"{"type":"isEndOfTopic"}"#;
const UNSUBSCRIBE: &str = r#"{"type":"unsubscribe"}"#;

impl Frame<'_> {
    /// Returns how many bytes [`Frame::write`] writes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Frame::Send(frame, context) => frame.bytes() - MOST_DIGITS + Decimal::new(*context).as_str().len(),
            Frame::Ack(id) => ACK.len() + id.as_str().len() + END.len(),
            Frame::Nack(id) => NACK.len() + id.as_str().len() + END.len(),
            Frame::Permit(messages) => PERMIT.len() + Decimal::new(*messages as u64).as_str().len() + 1,
            Frame::IsEndOfTopic => IS_END_OF_TOPIC.len(),
            Frame::Unsubscribe => UNSUBSCRIBE.len(),
        }
    }

    /// Appends the text, which is valid UTF-8, to `out`.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Frame::Send(frame, context) => {
                push_all(out, &[HEAD]);
                STANDARD.encode_append(&frame.payload, out);
                push_all(out, &["\"", &frame.attributes, BEFORE_CONTEXT, Decimal::new(*context).as_str(), END]);
            }
            Frame::Ack(id) => push_all(out, &[ACK, id.as_str(), END]),
            Frame::Nack(id) => push_all(out, &[NACK, id.as_str(), END]),
            Frame::Permit(messages) => push_all(out, &[PERMIT, Decimal::new(*messages as u64).as_str(), "}"]),
            Frame::IsEndOfTopic => push_all(out, &[IS_END_OF_TOPIC]),
            Frame::Unsubscribe => push_all(out, &[UNSUBSCRIBE]),
        }
    }

    /// Returns the text of the frame.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn text(&self) -> String {
        let mut out = Vec::new();
        self.write(&mut out);
        assert_eq!(out.len(), self.len());
        String::from_utf8(out).expect("frames are UTF-8")
    }
}

fn push_all(out: &mut Vec<u8>, texts: &[&str]) {
    texts.iter().for_each(|text| out.extend_from_slice(text.as_bytes()));
}

/// A number in decimal digits, without the formatting machinery: each message contains one.
struct Decimal {
    digits: [u8; MOST_DIGITS],
    from: usize,
}

impl Decimal {
    fn new(mut number: u64) -> Decimal {
        let mut decimal = Decimal { digits: [0; MOST_DIGITS], from: MOST_DIGITS };
        loop {
            decimal.from -= 1;
            decimal.digits[decimal.from] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return decimal;
            }
        }
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.digits[self.from..]).unwrap_or_default()
    }
}

fn push_string(json: &mut String, text: &str) {
    // Writing JSON to memory cannot fail.
    json.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// The server's answer to a send frame.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The context of the frame. The server omits it when it could not read the frame.
    pub(crate) context: Option<u64>,
    pub(crate) outcome: Result<MessageId>,
}

/// A text that is copied only if it has escapes. Inside an `Option`, serde would copy a bare `Cow`.
#[derive(Deserialize)]
struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);

impl std::ops::Deref for Borrowed<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

#[derive(Deserialize)]
struct WireAnswer<'a> {
    #[serde(borrow)]
    result: Cow<'a, str>,
    #[serde(borrow, rename = "messageId")]
    message_id: Option<Borrowed<'a>>,
    #[serde(borrow, rename = "errorMsg")]
    error: Option<Borrowed<'a>>,
    #[serde(borrow)]
    context: Option<Borrowed<'a>>,
}

pub(crate) fn parse_answer(text: &str) -> Result<Answer> {
    if let Some(ReceiptText { id, context }) = scan::receipt(text)
        && let Ok(id) = id.parse()
    {
        return Ok(Answer { context: Some(context), outcome: Ok(id) });
    }
    parse_any_answer(text)
}

/// Parses an answer with the JSON parser, with fields in any order and any escapes.
pub(crate) fn parse_any_answer(text: &str) -> Result<Answer> {
    let wire: WireAnswer<'_> =
        serde_json::from_str(text).map_err(|error| not_pulsar("a receipt", text).caused_by(error))?;
    let context = wire.context.as_deref().and_then(|context| context.parse().ok());
    let outcome = match (&*wire.result, wire.message_id) {
        ("ok", Some(id)) => Ok(id.parse().map_err(|error| not_pulsar("a receipt", text).caused_by(error))?),
        ("ok", None) => return Err(not_pulsar("a receipt with a messageId", text)),
        (result, _) => Err(send_error(result, wire.error.as_deref().unwrap_or_default())),
    };
    Ok(Answer { context, outcome })
}

/// Returns the error of a `send-error:N`. Only the name of a Java class in the text identifies the kind of an error 8.
fn send_error(result: &str, text: &str) -> Error {
    let exception = text.split(':').next().unwrap_or_default();
    let kind = match exception.rsplit(['$', '.']).next().unwrap_or_default() {
        "TimeoutException" => ErrorKind::Timeout,
        "ProducerQueueIsFullError" => ErrorKind::QueueFull,
        "TopicTerminatedException" => ErrorKind::TopicTerminated,
        "InvalidMessageException" => ErrorKind::TooBig,
        "TopicDoesNotExistException" | "NotFoundException" => ErrorKind::NotFound,
        "AuthorizationException" => ErrorKind::Authorization,
        _ => ErrorKind::Broker,
    };
    Error::new(kind, format!("the server answered {result}: {text}")).with_broker_text(text)
}

/// A frame from the server to a consumer or reader.
#[derive(Debug)]
pub(crate) enum Received {
    Message(Box<Message>),
    EndOfTopic(bool),
}

#[derive(Deserialize)]
struct WireMessage<'a> {
    #[serde(borrow, rename = "messageId")]
    id: Option<Borrowed<'a>>,
    #[serde(borrow)]
    payload: Option<Borrowed<'a>>,
    #[serde(default)]
    properties: Option<BTreeMap<String, String>>,
    #[serde(borrow, rename = "publishTime")]
    publish_time: Option<Borrowed<'a>>,
    #[serde(borrow, rename = "eventTime")]
    event_time: Option<Borrowed<'a>>,
    key: Option<String>,
    #[serde(default, rename = "redeliveryCount")]
    redelivery_count: i64,
    #[serde(borrow, rename = "encryptionContext")]
    encryption_context: Option<&'a serde_json::value::RawValue>,
    #[serde(rename = "endOfTopic")]
    end_of_topic: Option<EndOfTopic>,
}

/// The documentation specifies a string; the server sends a boolean.
#[derive(Deserialize)]
#[serde(untagged)]
enum EndOfTopic {
    Flag(bool),
    Word(String),
}

pub(crate) fn parse_received(text: &str, topic: &Arc<TopicName>, origin: Origin) -> Result<Received> {
    match scan::message(text).and_then(|scanned| scanned_message(scanned, text, topic, origin)) {
        Some(message) => Ok(Received::Message(Box::new(message))),
        None => parse_any_received(text, topic, origin),
    }
}

fn scanned_message(scanned: MessageText<'_>, text: &str, topic: &Arc<TopicName>, origin: Origin) -> Option<Message> {
    Some(Message {
        id: scanned.id.parse().ok()?,
        topic: topic.clone(),
        payload: Bytes::from(STANDARD.decode_to_vec(scanned.payload).ok()?),
        key: scanned.key.map(str::to_owned),
        properties: scanned.properties,
        publish_time: time::parse(scanned.publish_time),
        event_time: scanned.event_time.and_then(time::parse),
        redelivery_count: scanned.redelivery_count,
        encryption_context: None,
        batch: None,
        origin: Origin { frame_bytes: text.len(), ..origin },
    })
}

/// Parses a frame with the JSON parser, with fields in any order and any escapes.
pub(crate) fn parse_any_received(text: &str, topic: &Arc<TopicName>, origin: Origin) -> Result<Received> {
    let wire: WireMessage<'_> =
        serde_json::from_str(text).map_err(|error| not_pulsar("a message", text).caused_by(error))?;
    if let Some(end) = wire.end_of_topic {
        return Ok(Received::EndOfTopic(match end {
            EndOfTopic::Flag(flag) => flag,
            EndOfTopic::Word(word) => word.eq_ignore_ascii_case("true"),
        }));
    }
    let (Some(id), Some(payload)) = (wire.id, wire.payload) else {
        return Err(not_pulsar("a message with messageId and payload", text));
    };
    let id = id.parse().map_err(|error| not_pulsar("a message", text).caused_by(error))?;
    let payload =
        STANDARD.decode_to_vec(payload.as_bytes()).map_err(|error| not_pulsar("a message", text).caused_by(error))?;
    Ok(Received::Message(Box::new(Message {
        id,
        topic: topic.clone(),
        payload: Bytes::from(payload),
        key: wire.key,
        properties: wire.properties.unwrap_or_default(),
        publish_time: wire.publish_time.as_deref().and_then(time::parse),
        event_time: wire.event_time.as_deref().and_then(time::parse),
        redelivery_count: u32::try_from(wire.redelivery_count).unwrap_or(0),
        encryption_context: wire.encryption_context.map(|raw| raw.get().to_owned()),
        batch: None,
        origin: Origin { frame_bytes: text.len(), ..origin },
    })))
}

fn not_pulsar(expected: &str, text: &str) -> Error {
    // A payload can contain anything, so the error quotes only the start.
    let start: String = text.chars().take(24).filter(|c| !c.is_control()).collect();
    Error::new(
        ErrorKind::Protocol,
        format!("expected {expected}, got {} bytes of something else, beginning {start:?}", text.len()),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 1_048_576;

    fn topic() -> Arc<TopicName> {
        Arc::new("t".parse().unwrap())
    }

    fn message(text: &str) -> Message {
        match parse_received(text, &topic(), Origin::default()).unwrap() {
            Received::Message(message) => *message,
            Received::EndOfTopic(_) => panic!("no message: {text}"),
        }
    }

    #[test]
    fn a_full_message_is_encoded_as_the_server_reads_it() {
        let outgoing = OutgoingMessage::new("hello")
            .key("k\"1")
            .property("a", "b")
            .context("not on the wire")
            .event_time_ms(1_704_164_645_678)
            .deliver_after(Duration::from_secs(2))
            .replication_clusters(["us"]);
        assert_eq!(
            OpenFrame::encode(outgoing, LIMIT).unwrap().close(7).text(),
            r#"{"payload":"aGVsbG8=","key":"k\"1","properties":{"a":"b"},"eventTime":"2024-01-02T03:04:05.678Z","deliverAfterMs":2000,"replicationClusters":["us"],"context":"7"}"#
        );
    }

    #[test]
    fn the_largest_frame_is_at_the_limit_and_not_over_it() {
        let largest = (LIMIT - TAIL_BYTES - 14) / 4 * 3;
        let frame = OpenFrame::encode(OutgoingMessage::new(vec![0; largest]), LIMIT).unwrap();
        assert!(frame.close(u64::MAX).text().len() <= LIMIT);
        let error = OpenFrame::encode(OutgoingMessage::new(vec![0; largest + 3]), LIMIT).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooBig);
        assert!(error.to_string().contains(&format!("about {largest} bytes")), "{error}");
    }

    #[test]
    fn a_frame_of_exactly_the_limit_fits() {
        let bytes = OpenFrame::encode(OutgoingMessage::new("x"), LIMIT).unwrap().bytes();
        assert!(OpenFrame::encode(OutgoingMessage::new("x"), bytes).is_ok());
        assert!(OpenFrame::encode(OutgoingMessage::new("x"), bytes - 1).is_err());
    }

    #[test]
    fn no_delay_is_not_on_the_wire() {
        let outgoing = OutgoingMessage::new("x").deliver_after(Duration::ZERO);
        assert_eq!(OpenFrame::encode(outgoing, LIMIT).unwrap().close(0).text(), r#"{"payload":"eA==","context":"0"}"#);
    }

    #[test]
    fn what_is_no_frame_of_pulsar_is_described_and_nothing_else() {
        for text in [r#"{"result":"ok"}"#, r#"{"result":1}"#, r#"{"messageId":"CAUQATAA"}"#] {
            let error = parse_answer(text).err().or_else(|| parse_any_received_text(text).err()).unwrap();
            let told = error.to_string();
            assert!(told.contains("something else, beginning") && !told.contains("formatting an argument"), "{told}");
        }
    }

    fn parse_any_received_text(text: &str) -> Result<Received> {
        parse_any_received(text, &Arc::new("t".parse()?), Origin::default())
    }

    #[test]
    fn receipts_recorded_from_a_broker_are_read() {
        let answer =
            parse_answer(r#"{"result":"ok","messageId":"CAUQATAA","context":"1","errorCode":0,"schemaVersion":0}"#)
                .unwrap();
        assert_eq!((answer.context, answer.outcome.unwrap().to_string()), (Some(1), "5:1:-1:-1".to_owned()));
        let answer =
            parse_answer(r#"{"result":"send-error:3","errorMsg":"Unexpected character","errorCode":0}"#).unwrap();
        assert_eq!((answer.context, answer.outcome.unwrap_err().kind()), (None, ErrorKind::Broker));
    }

    #[test]
    fn send_errors_have_the_kind_of_the_exception_in_their_text() {
        for (class, kind) in [
            ("TimeoutException", ErrorKind::Timeout),
            ("ProducerQueueIsFullError", ErrorKind::QueueFull),
            ("TopicTerminatedException", ErrorKind::TopicTerminated),
            ("InvalidMessageException", ErrorKind::TooBig),
            ("SomethingNew", ErrorKind::Broker),
        ] {
            let text = format!("org.apache.pulsar.client.api.PulsarClientException${class}: words");
            let error = send_error("send-error:8", &text);
            assert_eq!((error.kind(), error.broker_text()), (kind, Some(text.as_str())));
        }
    }

    #[test]
    fn messages_recorded_from_a_broker_are_read() {
        let full = message(
            r#"{"messageId":"CBMQADAA","payload":"aGVsbG8=","properties":{"a":"b"},"publishTime":"2026-11-24T08:27:35.453Z","redeliveryCount":2,"eventTime":"2024-01-02T02:04:05.678Z","key":"k1"}"#,
        );
        assert_eq!(full.payload().as_ref(), b"hello");
        assert_eq!((full.key(), full.redelivery_count()), (Some("k1"), 2));
        assert_eq!(full.properties()["a"], "b");
        assert_eq!(full.event_time_ms(), Some(1_704_161_045_678));
        let bare =
            message(r#"{"messageId":"CBMQATAA","payload":"","properties":{},"publishTime":"?","redeliveryCount":0}"#);
        assert!(bare.payload().is_empty() && bare.key().is_none() && bare.publish_time().is_none());
    }

    #[test]
    fn the_encryption_context_is_kept_as_it_is() {
        let context = r#"{"keys":{"k":{"keyValue":"a2s=","metadata":{}}},"param":"aXY="}"#;
        let text = format!(r#"{{"messageId":"CBMQATAA","payload":"","encryptionContext":{context}}}"#);
        assert_eq!(message(&text).encryption_context(), Some(context));
    }

    #[test]
    fn end_of_topic_is_a_boolean_or_its_word() {
        for (text, end) in [(r#"{"endOfTopic":true}"#, true), (r#"{"endOfTopic":"false"}"#, false)] {
            assert!(matches!(
                parse_received(text, &topic(), Origin::default()).unwrap(),
                Received::EndOfTopic(found) if found == end
            ));
        }
    }

    #[test]
    fn frames_as_the_server_writes_them_are_scanned_and_others_are_parsed() {
        let id = "CBMQADAA";
        let scanned = [
            format!(r#"{{"messageId":"{id}","payload":"","properties":{{}},"publishTime":"?","redeliveryCount":0}}"#),
            format!(
                r#"{{"messageId":"{id}","payload":"eA==","properties":{{"a":"b","é":""}},"publishTime":"2026-11-24T08:27:35.4Z","redeliveryCount":12,"eventTime":"2024-01-02T02:04:05Z","key":"k ü"}}"#
            ),
        ];
        for text in &scanned {
            assert!(scan::message(text).is_some(), "{text}");
            assert!(same_received(text), "{text}");
        }
        for (change, to) in [
            ("\"messageId\"", " \"messageId\""),
            ("k ü", "k\\n"),
            ("k ü", "k\n"),
            ("\"b\"", "null"),
            (":12", ":012"),
            (":12", ":-1"),
            (":12", ":4294967296"),
            ("k ü\"}", "k ü\"} "),
            ("\"key\":\"k ü\"", "\"key\":null"),
        ] {
            let text = scanned[1].replace(change, to);
            assert!(scan::message(&text).is_none(), "{text}");
            assert!(same_received(&text), "{text}");
        }
        // The scanner accepts these, and the code that reads the parts refuses them.
        for (change, to) in
            [("eA==", "eA=\\u003d"), ("eA==", "eB=="), ("eA==", "eA"), ("eA==", "e*=="), (id, "AAAA"), ("Z\"", "\"")]
        {
            assert!(same_received(&scanned[1].replace(change, to)), "{change}");
        }
        let receipt = format!(r#"{{"result":"ok","messageId":"{id}","context":"1","errorCode":0,"schemaVersion":0}}"#);
        assert!(scan::receipt(&receipt).is_some());
        for (change, to) in [(r#""1""#, r#""01""#), (r#""1""#, "1"), (":0}", ":0,\"x\":[]}"), (id, "A"), ("ok", "nok")]
        {
            assert!(same_answer(&receipt.replace(change, to)), "{change}");
        }
    }

    /// Returns whether the scanner, with its fallback, and the parser alone agree on a text.
    fn same_received(text: &str) -> bool {
        let all = |read: Result<Received>| match read {
            Ok(Received::Message(message)) => Ok((
                message.id.as_str().to_owned(),
                message.payload,
                (message.key, message.properties, message.encryption_context),
                (message.publish_time, message.event_time, message.redelivery_count),
                message.origin,
            )),
            Ok(Received::EndOfTopic(end)) => Err(end.to_string()),
            Err(error) => Err(error.to_string()),
        };
        all(parse_received(text, &topic(), Origin::default()))
            == all(parse_any_received(text, &topic(), Origin::default()))
    }

    fn same_answer(text: &str) -> bool {
        let all = |read: Result<Answer>| match read {
            Ok(Answer { context, outcome }) => {
                Ok((context, outcome.map(|id| id.as_str().to_owned()).map_err(|error| error.to_string())))
            }
            Err(error) => Err(error.to_string()),
        };
        all(parse_answer(text)) == all(parse_any_answer(text))
    }

    /// Decodes with the slower, strict crate.
    fn careful_base64(text: &str) -> Option<Vec<u8>> {
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).ok()
    }

    /// Generates a JSON string with or without escaped quotes, complete or malformed.
    fn word() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => "[ -!#-\\[\\]-~é]{0,12}",
            1 => "\\PC{0,6}",
            1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| STANDARD.encode_to_string(bytes)),
            1 => Just("\\u0041\\\"".to_owned()),
            1 => Just("2026-11-24T08:27:35.453Z".to_owned()),
            1 => Just("\u{1}".to_owned()),
        ]
    }

    proptest! {
        #[test]
        fn the_scanner_and_the_parser_read_the_same(
            payload in prop_oneof![prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| STANDARD.encode_to_string(bytes)), word()],
            id in prop_oneof![Just("CBMQADAA".to_owned()), word()],
            properties in prop::collection::vec((word(), word()), 0..3),
            times in (word(), prop::option::of(word())),
            key in prop::option::of(word()),
            count in prop_oneof![(0u32..20).prop_map(|count| count.to_string()), "-?[0-9]{0,21}", "[0-9.e]{1,4}"],
            spoilt in prop::option::of((any::<prop::sample::Index>(), "[ -~]")),
        ) {
            let pairs: Vec<_> = properties.iter().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
            let (published, happened) = times;
            let happened = happened.map_or_else(String::new, |time| format!(",\"eventTime\":\"{time}\""));
            let key = key.map_or_else(String::new, |key| format!(",\"key\":\"{key}\""));
            let mut texts = [
                format!(
                    r#"{{"messageId":"{id}","payload":"{payload}","properties":{{{}}},"publishTime":"{published}","redeliveryCount":{count}{happened}{key}}}"#,
                    pairs.join(",")
                ),
                format!(r#"{{"result":"ok","messageId":"{id}","context":"{count}","errorCode":0,"schemaVersion":{count}}}"#),
            ];
            if let Some((at, with)) = spoilt {
                for text in &mut texts {
                    let places: Vec<_> = text.char_indices().map(|(place, _)| place).collect();
                    let place = places[at.index(places.len())];
                    text.insert_str(place, &with);
                }
            }
            prop_assert!(same_received(&texts[0]), "{}", texts[0]);
            prop_assert!(same_answer(&texts[1]), "{}", texts[1]);
        }

        #[test]
        fn base64_is_read_strictly(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            cut in 0usize..4,
            spoilt in prop::option::of((any::<prop::sample::Index>(), "[ -~]")),
        ) {
            let mut text = STANDARD.encode_to_string(&bytes);
            prop_assert_eq!(careful_base64(&text), Some(bytes));
            text.truncate(text.len().saturating_sub(cut));
            if let Some((at, with)) = spoilt.filter(|_| !text.is_empty()) {
                let at = at.index(text.len());
                text.replace_range(at..=at, &with);
            }
            prop_assert_eq!(careful_base64(&text), STANDARD.decode_to_vec(&text).ok());
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,200}") {
            let _ = parse_answer(&text);
            let _ = parse_received(&text, &topic(), Origin::default());
        }

        #[test]
        fn what_is_sent_is_what_the_server_would_read(
            payload in prop::collection::vec(any::<u8>(), 0..200),
            key in prop::option::of("\\PC{0,20}"),
            properties in prop::collection::btree_map("\\PC{0,10}", "\\PC{0,10}", 0..4),
        ) {
            let mut outgoing = OutgoingMessage::new(payload.clone());
            outgoing.key = key.clone();
            outgoing.properties = properties.clone();
            let frame = OpenFrame::encode(outgoing, LIMIT).unwrap();
            let most = frame.bytes();
            let text = frame.close(3).text();
            prop_assert!(text.len() <= most);
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(careful_base64(json["payload"].as_str().unwrap()).unwrap(), payload);
            prop_assert_eq!(json.get("key").and_then(|key| key.as_str()).map(str::to_owned), key);
            prop_assert_eq!(&json["context"], "3");
            if !properties.is_empty() {
                prop_assert_eq!(json["properties"].clone(), serde_json::json!(properties));
            }
        }
    }
}
