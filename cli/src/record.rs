//! A line as a message.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use stargate_core::OutgoingMessage;

use crate::args::Produce;

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

/// Makes messages of lines, as the arguments want it.
pub(crate) struct Records<'a>(pub(crate) &'a Produce);

impl Records<'_> {
    /// The message of a line.
    pub(crate) fn message(&self, line: Vec<u8>) -> Result<OutgoingMessage, String> {
        let message = if self.0.json {
            json(&line)?
        } else if let Some(separator) = &self.0.key_separator {
            keyed(line, &separator.0)?
        } else {
            OutgoingMessage::new(line)
        };
        Ok(self.with_properties(message))
    }

    /// The message of a text of `-m`, for the time `number`.
    pub(crate) fn of_text(&self, text: &str, number: u64) -> Result<OutgoingMessage, String> {
        self.message(numbered(text, number).into_bytes()).map(|message| match &self.0.key {
            Some(key) => message.key(numbered(key, number)),
            None => message,
        })
    }

    fn with_properties(&self, mut message: OutgoingMessage) -> OutgoingMessage {
        for (name, value) in &self.0.properties {
            message = message.property(name, value);
        }
        match &self.0.key {
            Some(key) => message.key(key),
            None => message,
        }
    }
}

fn numbered(text: &str, number: u64) -> String {
    text.replace("{{n}}", &number.to_string())
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

fn json(line: &[u8]) -> Result<OutgoingMessage, String> {
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
