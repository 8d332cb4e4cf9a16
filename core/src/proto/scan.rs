//! Scans the frames of a server that writes them as Pulsar does: these keys in this order, no spaces, no escapes.
//!
//! For anything else it returns `None`, and the JSON parser reads the frame. Both therefore accept or refuse a frame in
//! the same way. A property test and a fuzz target compare the two. The scanner avoids most of the time that the parser
//! needs.

use std::collections::BTreeMap;

use memchr::{memchr, memchr2};

/// A message with borrowed fields of its frame.
pub(super) struct MessageText<'a> {
    pub(super) id: &'a str,
    /// Base64, not validated.
    pub(super) payload: &'a str,
    pub(super) properties: BTreeMap<String, String>,
    pub(super) publish_time: &'a str,
    pub(super) redelivery_count: u32,
    pub(super) event_time: Option<&'a str>,
    pub(super) key: Option<&'a str>,
}

/// The receipt of a stored message, with borrowed fields of its frame.
pub(super) struct ReceiptText<'a> {
    pub(super) id: &'a str,
    pub(super) context: u64,
}

pub(super) fn message(text: &str) -> Option<MessageText<'_>> {
    let mut rest = Rest(text);
    rest.skip(r#"{"messageId":""#)?;
    let id = rest.plain()?;
    rest.skip(r#","payload":""#)?;
    let payload = rest.unchecked()?;
    rest.skip(r#","properties":{"#)?;
    let properties = rest.properties()?;
    rest.skip(r#","publishTime":""#)?;
    let publish_time = rest.plain()?;
    rest.skip(r#","redeliveryCount":"#)?;
    let redelivery_count = u32::try_from(rest.number()?).ok()?;
    let event_time = rest.skip(r#","eventTime":""#).map_or(Some(None), |()| rest.plain().map(Some))?;
    let key = rest.skip(r#","key":""#).map_or(Some(None), |()| rest.plain().map(Some))?;
    rest.ends()?;
    Some(MessageText { id, payload, properties, publish_time, redelivery_count, event_time, key })
}

pub(super) fn receipt(text: &str) -> Option<ReceiptText<'_>> {
    let mut rest = Rest(text);
    rest.skip(r#"{"result":"ok","messageId":""#)?;
    let id = rest.plain()?;
    rest.skip(r#","context":""#)?;
    let context = rest.number()?;
    rest.skip(r#"","errorCode":"#)?;
    rest.number()?;
    rest.skip(r#","schemaVersion":"#)?;
    rest.number()?;
    rest.ends()?;
    Some(ReceiptText { id, context })
}

/// The unread remainder of the text.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn skip(&mut self, expected: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    fn ends(&self) -> Option<()> {
        (self.0 == "}").then_some(())
    }

    /// Returns the text up to the next quote. The caller must otherwise refuse a backslash and control characters.
    fn unchecked(&mut self) -> Option<&'a str> {
        let end = memchr(b'"', self.0.as_bytes())?;
        let (text, rest) = (&self.0[..end], &self.0[end + 1..]);
        self.0 = rest;
        Some(text)
    }

    /// Returns the remainder of a string without escapes and without characters that JSON requires to be escaped.
    fn plain(&mut self) -> Option<&'a str> {
        let end = memchr2(b'"', b'\\', self.0.as_bytes())?;
        let (text, rest) = self.0.split_at(end);
        self.0 = rest.strip_prefix('"')?;
        (!text.bytes().any(|byte| byte < b' ')).then_some(text)
    }

    /// Returns an unsigned JSON integer of at most 19 digits.
    fn number(&mut self) -> Option<u64> {
        let digits = self.0.bytes().take(20).take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.0.split_at(digits);
        if !(1..20).contains(&digits) || (digits > 1 && number.starts_with('0')) {
            return None;
        }
        self.0 = rest;
        Some(number.bytes().fold(0, |value, digit| value * 10 + u64::from(digit - b'0')))
    }

    fn properties(&mut self) -> Option<BTreeMap<String, String>> {
        let mut properties = BTreeMap::new();
        if self.skip("}").is_some() {
            return Some(properties);
        }
        loop {
            self.skip("\"")?;
            let name = self.plain()?;
            self.skip(":\"")?;
            // The last of duplicate names wins, as for the parser.
            properties.insert(name.to_owned(), self.plain()?.to_owned());
            if self.skip("}").is_some() {
                return Some(properties);
            }
            self.skip(",")?;
        }
    }
}
