//! Stored messages in the REST API: the body is an entry, and the headers contain its metadata.

use super::super::http::Response;
use super::super::ledger::{Ledger, Message};
use super::super::time::iso;
use super::super::wire;
use super::reason;

/// Returns the entry at an index, as `peek` and similar operations answer.
pub(super) fn stored(log: &Ledger, entry: usize) -> Response {
    let Some((held, first)) = log.entries.get(entry).and_then(|held| Some((held, held.messages.first()?))) else {
        return reason(404, "Message not found");
    };
    let mut content = Vec::new();
    if held.batch {
        held.messages.iter().for_each(|message| put_single(&mut content, message));
    } else {
        content.extend_from_slice(first.payload.as_deref().unwrap_or_default());
    }
    let mut response = Response::new(200, "application/octet-stream", content);
    let mut head = |name, value: String| response.headers.push((name, value));
    head("X-Pulsar-Message-ID", format!("{}:{entry}", log.ledger));
    head("X-Pulsar-publish-time", iso(first.publish_time as i64));
    head("X-Pulsar-producer-name", one_line(&first.producer));
    head("X-Pulsar-sequence-id", first.sequence.to_string());
    if held.batch {
        head("X-Pulsar-PROPERTY", "{}".to_owned());
        head("X-Pulsar-num-batch-message", held.messages.len().to_string());
    } else {
        head("X-Pulsar-PROPERTY", one_line(&wire::json(&first.properties)));
        if first.payload.is_none() {
            head("X-Pulsar-null-value", "true".to_owned());
        }
        if first.event_time != 0 {
            head("X-Pulsar-event-time", iso(first.event_time));
        }
        if let Some(key) = &first.key {
            head("X-Pulsar-partition-key", one_line(key));
            head("X-Pulsar-partition-key-b64-encoded", "false".to_owned());
        }
    }
    response
}

/// Removes line breaks, so that no client's text can end a header.
fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

/// Appends one message of a raw batch: the length of `SingleMessageMetadata`, the metadata and the payload.
fn put_single(out: &mut Vec<u8>, message: &Message) {
    let payload = message.payload.as_deref().unwrap_or_default();
    let mut metadata = Vec::new();
    for (name, value) in &message.properties {
        let mut pair = Vec::new();
        put_bytes(&mut pair, 1, name.as_bytes());
        put_bytes(&mut pair, 2, value.as_bytes());
        put_bytes(&mut metadata, 1, &pair);
    }
    if let Some(key) = &message.key {
        put_bytes(&mut metadata, 2, key.as_bytes());
    }
    metadata.push(3 << 3);
    put_varint(&mut metadata, payload.len() as u64);
    metadata.push(8 << 3);
    put_varint(&mut metadata, message.sequence as u64);
    if message.payload.is_none() {
        metadata.extend([9 << 3, 1]);
    }
    out.extend_from_slice(&(metadata.len() as u32).to_be_bytes());
    out.extend_from_slice(&metadata);
    out.extend_from_slice(payload);
}

fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
