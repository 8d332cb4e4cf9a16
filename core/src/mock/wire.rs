//! The JSON of the WebSocket API, parsed as Jackson does and written as Pulsar does.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// Why a frame could not be used.
#[derive(Debug, PartialEq)]
pub(super) enum Unusable {
    /// Not JSON, or JSON of the wrong shape.
    Malformed(String),
    /// A Java exception that the handler does not catch: Jetty closes with 1011 and this text.
    Uncaught(String),
}

/// A frame to a producer.
#[derive(Debug, Default, PartialEq)]
pub(super) struct ProducerMessage {
    pub(super) payload: Option<String>,
    pub(super) properties: BTreeMap<String, String>,
    pub(super) context: Option<String>,
    pub(super) key: Option<String>,
    pub(super) event_time: Option<String>,
    pub(super) deliver_at: i64,
    pub(super) deliver_after_ms: i64,
    pub(super) encryption_param: Option<String>,
    pub(super) compression_type: Option<String>,
    pub(super) uncompressed_size: Option<i64>,
}

/// A frame to a consumer or a reader.
#[derive(Debug, Default, PartialEq)]
pub(super) struct ConsumerCommand {
    pub(super) kind: Option<String>,
    pub(super) message_id: Option<String>,
    pub(super) permits: Option<i32>,
}

/// Parses a producer's message. `Ok(None)` is JSON's `null`, which Jackson turns into a null object.
pub(super) fn producer_message(text: &str) -> Result<Option<ProducerMessage>, Unusable> {
    let Some(fields) = document(text)? else { return Ok(None) };
    let mut message = ProducerMessage::default();
    for (name, value) in fields {
        match name.as_str() {
            "payload" => message.payload = string(&name, value)?,
            "context" => message.context = string(&name, value)?,
            "key" => message.key = string(&name, value)?,
            "eventTime" => message.event_time = string(&name, value)?,
            "properties" => message.properties = properties(value)?,
            "deliverAt" => message.deliver_at = long(&name, value)?,
            "deliverAfterMs" => message.deliver_after_ms = long(&name, value)?,
            "encryptionParam" => message.encryption_param = string(&name, value)?,
            // an unknown constant is null
            "compressionType" => {
                let known = ["NONE", "LZ4", "ZLIB", "ZSTD", "SNAPPY"];
                message.compression_type = string(&name, value)?.filter(|name| known.contains(&name.as_str()));
            }
            "uncompressedMessageSize" if !value.is_null() => {
                message.uncompressed_size = Some(long(&name, value)?);
            }
            // parsed by Jackson, and so validated, and then ignored by Pulsar
            "sequenceId" => drop(long(&name, value)?),
            "replicationClusters" if !matches!(value, Value::Array(_) | Value::Null) => {
                return mismatch("java.util.ArrayList<java.lang.String>", &value);
            }
            _ => {}
        }
    }
    Ok(Some(message))
}

/// Parses a consumer's command. `Ok(None)` is JSON's `null`.
pub(super) fn consumer_command(text: &str) -> Result<Option<ConsumerCommand>, Unusable> {
    let Some(fields) = document(text)? else { return Ok(None) };
    let mut command = ConsumerCommand::default();
    for (name, value) in fields {
        match name.as_str() {
            "type" => command.kind = string(&name, value)?,
            "messageId" => command.message_id = string(&name, value)?,
            // an Integer, for which an empty string is null
            "permitMessages" if !value.is_null() && value != "" => {
                let wide = long(&name, value)?;
                let Ok(permits) = i32::try_from(wide) else {
                    return Err(Unusable::Malformed(format!("Numeric value ({wide}) out of range of int")));
                };
                command.permits = Some(permits);
            }
            _ => {}
        }
    }
    Ok(Some(command))
}

/// Returns the first JSON document of the text, and ignores whatever follows it.
fn document(text: &str) -> Result<Option<serde_json::Map<String, Value>>, Unusable> {
    match serde_json::Deserializer::from_str(text).into_iter::<Value>().next() {
        None => Err(Unusable::Malformed("No content to map due to end-of-input".into())),
        Some(Err(error)) => Err(Unusable::Malformed(format!("Unexpected character or end-of-input: {error}"))),
        Some(Ok(Value::Null)) => Ok(None),
        Some(Ok(Value::Object(fields))) => Ok(Some(fields)),
        Some(Ok(other)) => mismatch("org.apache.pulsar.websocket.data", &other),
    }
}

fn mismatch<T>(wanted: &str, value: &Value) -> Result<T, Unusable> {
    let found = match value {
        Value::Null => "Null value",
        Value::Bool(_) => "Boolean value",
        Value::Number(_) => "Number value",
        Value::String(_) => "String value",
        Value::Array(_) => "Array value",
        Value::Object(_) => "Object value",
    };
    Err(Unusable::Malformed(format!("Cannot deserialize value of type `{wanted}` from {found}")))
}

/// Converts as Jackson does: numbers and booleans to strings.
fn string(name: &str, value: Value) -> Result<Option<String>, Unusable> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Bool(flag) => Ok(Some(flag.to_string())),
        other => mismatch(&format!("java.lang.String` of `{name}"), &other),
    }
}

/// Converts as Jackson does: parses numbers in strings, truncates fractions, and returns 0 for null and an empty
/// string.
fn long(name: &str, value: Value) -> Result<i64, Unusable> {
    match value {
        Value::Null => Ok(0),
        Value::Number(ref number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Ok(whole),
            (None, Some(fraction)) if fraction.abs() < 9.2e18 => Ok(fraction as i64),
            _ => Err(Unusable::Malformed(format!("Numeric value ({number}) out of range of long"))),
        },
        Value::String(ref text) if text.trim().is_empty() => Ok(0),
        Value::String(ref text) => match text.trim().parse() {
            Ok(whole) => Ok(whole),
            Err(_) => mismatch(&format!("long` of `{name}"), &value),
        },
        other => mismatch(&format!("long` of `{name}"), &other),
    }
}

fn properties(value: Value) -> Result<BTreeMap<String, String>, Unusable> {
    match value {
        Value::Null => Ok(BTreeMap::new()),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| match string("properties", value)? {
                Some(text) => Ok((name, text)),
                None => Err(Unusable::Uncaught(format!("Need Non-Null value for key: {name}"))),
            })
            .collect(),
        other => mismatch("java.util.LinkedHashMap<java.lang.String,java.lang.String>", &other),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProducerAck<'a> {
    result: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_msg: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a str>,
    error_code: u8,
    schema_version: u8,
}

/// A frame to a consumer or a reader: one message.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConsumerMessage<'a> {
    pub(super) message_id: String,
    pub(super) payload: String,
    pub(super) properties: &'a BTreeMap<String, String>,
    pub(super) publish_time: String,
    pub(super) redelivery_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) event_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) encryption_context: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<&'a str>,
}

/// Returns the receipt of a stored message.
pub(super) fn receipt(message_id: String, context: Option<&str>) -> String {
    json(&ProducerAck {
        result: "ok",
        message_id: Some(message_id),
        error_msg: None,
        context,
        error_code: 0,
        schema_version: 0,
    })
}

/// Returns the refusal of a message: `send-error:code`.
pub(super) fn send_error(code: u8, text: &str, context: Option<&str>) -> String {
    let result = format!("send-error:{code}");
    json(&ProducerAck {
        result: &result,
        message_id: None,
        error_msg: Some(text),
        context,
        error_code: 0,
        schema_version: 0,
    })
}

pub(super) fn json(value: &impl Serialize) -> String {
    // strings, numbers and maps with string keys: serialization cannot fail
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn producer_frames_are_read_with_jacksons_leniency() {
        let message = producer_message(
            r#"{"payload":"YQ==","properties":{"n":1,"t":true},"context":7,"deliverAfterMs":"20","x":[]} trailing"#,
        )
        .unwrap()
        .unwrap();
        assert_eq!(message.context.as_deref(), Some("7"));
        assert_eq!(message.properties["n"], "1");
        assert_eq!(message.deliver_after_ms, 20);
        assert_eq!(producer_message("null"), Ok(None));
    }

    #[test]
    fn wrong_shapes_are_malformed_and_a_null_property_is_uncaught() {
        for bad in ["", "{", "[]", "1", r#"{"context":{}}"#, r#"{"properties":[]}"#, r#"{"sequenceId":"x"}"#] {
            assert!(matches!(producer_message(bad), Err(Unusable::Malformed(_))), "{bad}");
        }
        let uncaught = Unusable::Uncaught("Need Non-Null value for key: n".into());
        assert_eq!(producer_message(r#"{"payload":"YQ==","properties":{"n":null}}"#), Err(uncaught));
    }

    #[test]
    fn permits_are_32_bit_numbers() {
        let permits = |text: &str| consumer_command(text).map(|command| command.and_then(|command| command.permits));
        assert_eq!(permits(r#"{"type":"permit","permitMessages":"5"}"#), Ok(Some(5)));
        assert_eq!(permits(r#"{"type":"permit","permitMessages":-1}"#), Ok(Some(-1)));
        assert_eq!(permits(r#"{"type":"permit"}"#), Ok(None));
        assert_eq!(permits(r#"{"type":"permit","permitMessages":""}"#), Ok(None));
        assert!(permits(r#"{"permitMessages":2147483648}"#).is_err());
        assert!(permits(r#"{"permitMessages":"x"}"#).is_err());
    }

    #[test]
    fn replies_are_the_bytes_of_a_real_broker() {
        assert_eq!(
            receipt("CAUQATAA".into(), Some("c1")),
            r#"{"result":"ok","messageId":"CAUQATAA","context":"c1","errorCode":0,"schemaVersion":0}"#
        );
        assert_eq!(
            send_error(3, "no", None),
            r#"{"result":"send-error:3","errorMsg":"no","errorCode":0,"schemaVersion":0}"#
        );
    }
}
