//! A line as a message.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use stargate_core::OutgoingMessage;

use crate::template;

/// A line of `produce -J`, which is also one of `-o jsonl`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    key: Option<String>,
    payload: Option<String>,
    payload_base64: Option<String>,
    #[serde(default)]
    properties: BTreeMap<String, String>,
    event_time: Option<i64>,
    // what a received message has besides
    #[serde(rename = "id")]
    _id: Option<IgnoredAny>,
    #[serde(rename = "topic")]
    _topic: Option<IgnoredAny>,
    #[serde(rename = "partition")]
    _partition: Option<IgnoredAny>,
    #[serde(rename = "publish_time")]
    _publish_time: Option<IgnoredAny>,
    #[serde(rename = "redeliveries")]
    _redeliveries: Option<IgnoredAny>,
}

/// How lines become messages.
pub(crate) enum Form {
    /// The line is the payload.
    Plain,
    /// The key, this separator and the payload.
    Keyed(Vec<u8>),
    /// JSON.
    Json,
}

/// Makes messages of lines.
pub(crate) struct Records<'a> {
    pub(crate) form: Form,
    pub(crate) key: Option<&'a str>,
    pub(crate) properties: &'a [(String, String)],
    pub(crate) delay: Option<Duration>,
}

impl Records<'_> {
    /// Makes the message of a line.
    pub(crate) fn message(&self, line: Vec<u8>, number: u64) -> Result<OutgoingMessage, String> {
        let mut message = match &self.form {
            Form::Plain => OutgoingMessage::new(line),
            Form::Keyed(separator) => keyed(line, separator)?,
            Form::Json => json(&line)?,
        };
        for (name, value) in self.properties {
            message = message.property(name, template::fill(value, number)?);
        }
        if let Some(key) = self.key {
            message = message.key(template::fill(key, number)?);
        }
        Ok(match self.delay {
            Some(delay) => message.deliver_after(delay),
            None => message,
        })
    }

    /// Makes the message of a text of `-m`, for the time `number`.
    pub(crate) fn of_text(&self, text: &str, number: u64) -> Result<OutgoingMessage, String> {
        self.message(template::fill(text, number)?.into_bytes(), number)
    }
}

/// Without the separator there is no key.
fn keyed(mut line: Vec<u8>, separator: &[u8]) -> Result<OutgoingMessage, String> {
    let Some(at) = line.windows(separator.len()).position(|window| window == separator) else {
        return Ok(OutgoingMessage::new(line));
    };
    let payload = line.split_off(at + separator.len());
    line.truncate(at);
    let key = String::from_utf8(line).map_err(|_| "the key is not UTF-8, as keys of Pulsar have to be")?;
    Ok(OutgoingMessage::new(payload).key(key))
}

/// Reads a line of JSON.
pub(crate) fn json(line: &[u8]) -> Result<OutgoingMessage, String> {
    let read: Json = serde_json::from_slice(line).map_err(|error| format!("not the JSON of a message: {error}"))?;
    let payload = match (read.payload, read.payload_base64) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(text)) => {
            STANDARD.decode(text).map_err(|error| format!("\"payload_base64\" is not base64: {error}"))?
        }
        _ => return Err("expected either \"payload\" or \"payload_base64\"".to_owned()),
    };
    let mut message = OutgoingMessage::new(payload);
    for (name, value) in read.properties {
        message = message.property(name, value);
    }
    if let Some(key) = read.key {
        message = message.key(key);
    }
    Ok(match read.event_time {
        Some(millis) => message.event_time_ms(millis),
        None => message,
    })
}
