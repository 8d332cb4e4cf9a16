//! The metadata of an encrypted message: the `encryptionContext` of a frame.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::compression::Codec;
use crate::error::{Error, ErrorKind, Result};

/// How a payload was produced: compressed, if it was, then encrypted.
#[derive(Debug, PartialEq)]
pub(crate) struct Context {
    /// Any of them is sufficient.
    pub(super) keys: Vec<WrappedKey>,
    pub(super) nonce: Vec<u8>,
    pub(super) codec: Option<Codec>,
    pub(super) uncompressed_size: usize,
    /// The number of messages in it, if it is a batch.
    pub(super) batch: Option<usize>,
}

/// The data key, encrypted for one reader of the topic.
#[derive(Debug, PartialEq)]
pub(super) struct WrappedKey {
    pub(super) name: String,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) bytes: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    keys: BTreeMap<String, WireKey>,
    param: String,
    compression_type: Option<String>,
    uncompressed_message_size: Option<i64>,
    batch_size: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireKey {
    key_value: String,
    metadata: Option<BTreeMap<String, String>>,
}

impl Context {
    pub(crate) fn parse(json: &str) -> Result<Context> {
        let bad = |why: &str| Error::new(ErrorKind::Protocol, format!("the encryption context has {why}"));
        let wire: Wire = serde_json::from_str(json).map_err(|error| bad("another form").caused_by(error))?;
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| bad("something else than base64"));
        let count = |number: Option<i64>| usize::try_from(number.unwrap_or(0)).map_err(|_| bad("a negative size"));
        let mut keys = Vec::new();
        for (name, key) in wire.keys {
            keys.push(WrappedKey { name, bytes: decode(&key.key_value)?, metadata: key.metadata.unwrap_or_default() });
        }
        Ok(Context {
            keys,
            nonce: decode(&wire.param)?,
            codec: wire.compression_type.as_deref().map_or(Ok(None), Codec::from_name)?,
            uncompressed_size: count(wire.uncompressed_message_size)?,
            batch: wire.batch_size.map(|size| count(Some(size))).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_context_recorded_from_a_broker_is_read() {
        let json = r#"{"keys":{"a":{"keyValue":"azU=","metadata":{"v":"1"}}},"param":"C2Cv41TabgCsfMFv","compressionType":"LZ4","uncompressedMessageSize":124,"batchSize":3}"#;
        let context = Context::parse(json).unwrap();
        assert_eq!((context.keys[0].name.as_str(), context.keys[0].bytes.as_slice()), ("a", &b"k5"[..]));
        assert_eq!(context.keys[0].metadata["v"], "1");
        assert_eq!((context.nonce.len(), context.uncompressed_size, context.batch), (12, 124, Some(3)));
        assert!(context.codec == Some(Codec::Lz4));
    }

    #[test]
    fn a_context_without_compression_and_batch_is_read() {
        let json = r#"{"keys":{},"param":"","compressionType":"NONE","uncompressedMessageSize":0,"batchSize":null}"#;
        let context = Context::parse(json).unwrap();
        assert!(context.codec.is_none() && context.batch.is_none());
    }

    #[test]
    fn what_is_no_context_is_an_error() {
        for json in [
            "",
            "null",
            "{}",
            r#"{"keys":{"a":{}},"param":""}"#,
            r#"{"keys":{"a":{"keyValue":"!"}},"param":""}"#,
            r#"{"keys":{},"param":"","compressionType":"RAR"}"#,
            r#"{"keys":{},"param":"","batchSize":-1}"#,
            r#"{"keys":{},"param":"","uncompressedMessageSize":-5}"#,
        ] {
            assert_eq!(Context::parse(json).unwrap_err().kind(), ErrorKind::Protocol, "{json}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,200}") {
            let _ = Context::parse(&text);
        }
    }
}
