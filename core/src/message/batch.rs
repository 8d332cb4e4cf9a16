//! A batch, as producers of the binary protocol write it: several messages in one payload, each after its metadata. The
//! proxy splits batches, except encrypted ones; the REST API never does.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::varint;
use crate::error::{Error, ErrorKind, Result};

/// A message of a batch. Publish time and redelivery count are those of the batch.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Single {
    /// Its index in the batch.
    pub(crate) index: usize,
    pub(crate) payload: Bytes,
    pub(crate) key: Option<String>,
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) event_time: Option<i64>,
    pub(crate) sequence_id: Option<i64>,
    /// It has no payload, which differs from an empty one.
    pub(crate) null: bool,
}

/// Returns the messages of a batch of `count`, without those that compaction has removed.
///
/// Each consists of the length of its metadata in four bytes, its metadata (`SingleMessageMetadata` of Pulsar's
/// protocol), and its payload.
pub(crate) fn unpack(batch: &Bytes, count: usize) -> Result<Vec<Single>> {
    let bad = |index: usize| {
        Error::new(ErrorKind::Protocol, format!("a batch of {count} messages cannot be read from message {index} on"))
    };
    let mut rest = batch.clone();
    let mut messages = Vec::new();
    for index in 0..count {
        let next = single(&mut rest).ok_or_else(|| bad(index))?;
        messages.extend(next.map(|message| Single { index, ..message }));
    }
    if !rest.is_empty() {
        return Err(bad(count));
    }
    Ok(messages)
}

/// Takes the next message; `Some(None)` for one that compaction has removed.
fn single(rest: &mut Bytes) -> Option<Option<Single>> {
    let length = u32::from_be_bytes(*take(rest, 4)?.first_chunk()?);
    let metadata = take(rest, length as usize)?;
    let mut fields = &metadata[..];
    let mut message = Single::default();
    let (mut size, mut left_out) = (None, false);
    while let Some(field) = field(&mut fields)? {
        match field {
            (1, Value::Bytes(pair)) => {
                let (name, value) = property(pair)?;
                message.properties.insert(name, value);
            }
            (2, Value::Bytes(key)) => message.key = Some(text(key)),
            (3, Value::Number(bytes)) => size = usize::try_from(bytes).ok(),
            (4, Value::Number(flag)) => left_out = flag != 0,
            (5, Value::Number(millis)) => message.event_time = (millis != 0).then_some(millis as i64),
            (8, Value::Number(id)) => message.sequence_id = Some(id as i64),
            (9, Value::Number(flag)) => message.null = flag != 0,
            _ => {}
        }
    }
    message.payload = take(rest, size?)?;
    Some((!left_out).then_some(message))
}

fn take(rest: &mut Bytes, bytes: usize) -> Option<Bytes> {
    (bytes <= rest.len()).then(|| rest.split_to(bytes))
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// Returns the next field of a protobuf message; `Some(None)` at its end.
fn field<'a>(rest: &mut &'a [u8]) -> Option<Option<(u64, Value<'a>)>> {
    if rest.is_empty() {
        return Some(None);
    }
    let tag = varint(rest)?;
    let value = match tag & 7 {
        0 => Value::Number(varint(rest)?),
        2 => {
            let length = usize::try_from(varint(rest)?).ok()?;
            let (bytes, after) = rest.split_at_checked(length)?;
            *rest = after;
            Value::Bytes(bytes)
        }
        wide @ (1 | 5) => {
            let (bytes, after) = rest.split_at_checked(if wide == 1 { 8 } else { 4 })?;
            *rest = after;
            Value::Bytes(bytes)
        }
        _ => return None,
    };
    Some(Some((tag >> 3, value)))
}

/// Reads a `KeyValue`.
fn property(mut pair: &[u8]) -> Option<(String, String)> {
    let (mut name, mut value) = (String::new(), String::new());
    while let Some(field) = field(&mut pair)? {
        match field {
            (1, Value::Bytes(bytes)) => name = text(bytes),
            (2, Value::Bytes(bytes)) => value = text(bytes),
            _ => {}
        }
    }
    Some((name, value))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns a batch, written as the official client writes it.
    pub(crate) fn pack(messages: &[(&str, &str, &[u8])]) -> Vec<u8> {
        let mut batch = Vec::new();
        for (key, property, payload) in messages {
            let pair = [&[10, 1, b'p', 18, property.len() as u8], property.as_bytes()].concat();
            let mut metadata =
                [&[10, pair.len() as u8], &pair[..], &[18, key.len() as u8], key.as_bytes(), &[24]].concat();
            let mut size = payload.len();
            while size >= 0x80 {
                metadata.push(size as u8 | 0x80);
                size >>= 7;
            }
            metadata.push(size as u8);
            batch.extend((metadata.len() as u32).to_be_bytes());
            batch.extend(metadata);
            batch.extend(*payload);
        }
        batch
    }

    #[test]
    fn a_message_recorded_from_the_official_client_is_read() {
        let recorded =
            b"\x00\x00\x00\x17\x0a\x06\x0a\x01i\x12\x010\x12\x02k0\x18\x03\x28\x80\xd0\x95\xff\xbc1\x40\x00one";
        let messages = unpack(&Bytes::from_static(recorded), 1).unwrap();
        let properties = BTreeMap::from([("i".to_owned(), "0".to_owned())]);
        let expected = Single {
            index: 0,
            payload: "one".into(),
            key: Some("k0".into()),
            properties,
            event_time: Some(1_700_000_000_000),
            sequence_id: Some(0),
            null: false,
        };
        assert_eq!(messages, [expected]);
    }

    #[test]
    fn what_compaction_left_out_keeps_its_place() {
        let mut batch = b"\x00\x00\x00\x04\x18\x01\x20\x01x".to_vec();
        batch.extend(b"\x00\x00\x00\x02\x18\x01y");
        let messages = unpack(&batch.into(), 2).unwrap();
        assert_eq!(messages, [Single { index: 1, payload: "y".into(), ..Single::default() }]);
    }

    #[test]
    fn a_batch_that_is_too_short_or_too_long_is_an_error() {
        let batch = Bytes::from(pack(&[("a", "1", b"one"), ("b", "2", b"two")]));
        assert_eq!(unpack(&batch, 2).unwrap().len(), 2);
        for count in [0, 1, 3, usize::MAX] {
            assert!(unpack(&batch, count).is_err(), "{count}");
        }
        for cut in 0..batch.len() {
            assert!(unpack(&batch.slice(..cut), 2).is_err(), "{cut}");
        }
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(
            messages in prop::collection::vec(("[a-z]{0,9}", "\\PC{0,9}", prop::collection::vec(any::<u8>(), 0..300)), 0..9)
        ) {
            let packed: Vec<_> = messages.iter().map(|(key, value, payload)| (key.as_str(), value.as_str(), &payload[..])).collect();
            let unpacked = unpack(&pack(&packed).into(), messages.len()).unwrap();
            for ((key, value, payload), single) in messages.iter().zip(&unpacked) {
                prop_assert_eq!(single.key.as_ref(), Some(key));
                prop_assert_eq!(&single.properties["p"], value);
                prop_assert_eq!(&single.payload, payload);
            }
        }

        #[test]
        fn junk_never_panics(junk in prop::collection::vec(any::<u8>(), 0..200), count in 0usize..5) {
            let _ = unpack(&junk.into(), count);
        }
    }
}
