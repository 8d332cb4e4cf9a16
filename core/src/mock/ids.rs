//! Message ids as the server writes them: protobuf `MessageIdData` in base64.
//!
//! Deliberately separate from the client's codec: a mock that shared it would share its mistakes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(super) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Decodes like Java's `Base64.getDecoder()`, with Java's error text. Padding may be missing, but not partially.
pub(super) fn from_base64(text: &str) -> Result<Vec<u8>, String> {
    // the common case, and the fast one
    STANDARD.decode(text).or_else(|_| from_unusual_base64(text))
}

fn from_unusual_base64(text: &str) -> Result<Vec<u8>, String> {
    let source: Vec<char> = text.chars().collect();
    if source.len() < 2 {
        return Err("Input byte[] should at least have 2 bytes for base64 bytes".to_owned());
    }
    let (mut bytes, mut bits, mut shift, mut at) = (Vec::new(), 0u32, 18i32, 0);
    while let Some(&letter) = source.get(at) {
        at += 1;
        let value = match letter {
            'A'..='Z' => letter as u32 - 'A' as u32,
            'a'..='z' => letter as u32 - 'a' as u32 + 26,
            '0'..='9' => letter as u32 - '0' as u32 + 52,
            '+' => 62,
            '/' => 63,
            '=' => {
                let second_is_missing = shift == 6 && source.get(at) != Some(&'=');
                if second_is_missing || shift == 18 {
                    return Err("Input byte array has wrong 4-byte ending unit".to_owned());
                }
                at += usize::from(shift == 6);
                break;
            }
            // characters outside ISO 8859-1 have already become question marks, and a byte is signed
            ' '..='~' => return Err(format!("Illegal base64 character {:x}", letter as u32)),
            '\u{80}'..='\u{ff}' => return Err(format!("Illegal base64 character -{:x}", 256 - letter as u32)),
            '\u{100}'.. => return Err("Illegal base64 character 3f".to_owned()),
            control => return Err(format!("Illegal base64 character {:x}", control as u32)),
        };
        bits |= value << shift;
        shift -= 6;
        if shift < 0 {
            bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
            (bits, shift) = (0, 18);
        }
    }
    match shift {
        12 => return Err("Last unit does not have enough valid bits".to_owned()),
        6 => bytes.push((bits >> 16) as u8),
        0 => bytes.extend_from_slice(&[(bits >> 16) as u8, (bits >> 8) as u8]),
        _ => {}
    }
    if at < source.len() {
        return Err(format!("Input byte array has incorrect ending byte at {at}"));
    }
    Ok(bytes)
}

/// The position of a message. `partition` and `batch` are -1 where they do not apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id {
    pub(super) ledger: i64,
    pub(super) entry: i64,
    pub(super) partition: i32,
    pub(super) batch: i32,
    pub(super) size: i32,
}

impl Id {
    /// The id that a producer receives for a message that deduplication dropped.
    pub(super) const DUPLICATE: Id = Id { ledger: -1, entry: -1, partition: -1, batch: -1, size: 0 };

    pub(super) fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(24);
        put(&mut bytes, 1, self.ledger as u64);
        put(&mut bytes, 2, self.entry as u64);
        if self.partition >= 0 {
            put(&mut bytes, 3, self.partition as u64);
        }
        if self.batch >= 0 {
            put(&mut bytes, 4, self.batch as u64);
        }
        put(&mut bytes, 6, self.size as u64);
        to_base64(&bytes)
    }

    /// Decodes an id; `None` if the bytes are not a message id.
    pub(super) fn decode(bytes: &[u8]) -> Option<Id> {
        let mut id = Id { ledger: 0, entry: 0, partition: -1, batch: -1, size: 0 };
        let (mut rest, mut has_ledger, mut has_entry) = (bytes, false, false);
        while !rest.is_empty() {
            let tag = take(&mut rest)?;
            let (field, wire) = (tag >> 3, tag & 7);
            match wire {
                0 => {
                    let value = take(&mut rest)?;
                    match field {
                        0 => return None,
                        1 => (id.ledger, has_ledger) = (value as i64, true),
                        2 => (id.entry, has_entry) = (value as i64, true),
                        3 => id.partition = value as i32,
                        4 => id.batch = value as i32,
                        6 => id.size = value as i32,
                        _ => {}
                    }
                }
                1 => rest = rest.get(8..)?,
                2 => {
                    let length = usize::try_from(take(&mut rest)?).ok()?;
                    rest = rest.get(length..)?;
                }
                5 => rest = rest.get(4..)?,
                _ => return None,
            }
        }
        (has_ledger && has_entry).then_some(id)
    }
}

fn put(bytes: &mut Vec<u8>, field: u64, mut value: u64) {
    bytes.push((field << 3) as u8);
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_the_bytes_a_real_broker_sends() {
        let plain = Id { ledger: 19, entry: 0, partition: -1, batch: -1, size: 0 };
        assert_eq!(plain.encode(), "CBMQADAA");
        let produced = Id { ledger: 47, entry: 0, partition: -1, batch: 0, size: 0 };
        assert_eq!(produced.encode(), "CC8QACAAMAA=");
        assert_eq!(Id { size: 5, ..produced }.encode(), "CC8QACAAMAU=");
        assert_eq!(Id::DUPLICATE.encode(), "CP///////////wEQ////////////ATAA");
    }

    #[test]
    fn ids_survive_a_round_trip_and_junk_is_refused() {
        for id in [Id::DUPLICATE, Id { ledger: i64::MAX, entry: 7, partition: 300, batch: 2, size: 5 }] {
            assert_eq!(Id::decode(&from_base64(&id.encode()).unwrap()), Some(id));
        }
        assert_eq!(Id::decode(&[0, 0, 0]), None);
        assert_eq!(Id::decode(&[]), None);
        assert_eq!(Id::decode(&[8, 1]), None);
    }

    #[test]
    fn base64_is_read_as_java_reads_it() {
        assert_eq!(from_base64("aGk").unwrap(), b"hi");
        assert_eq!(from_base64("aGk=").unwrap(), b"hi");
        assert_eq!(from_base64("").unwrap(), b"");
        assert_eq!(from_base64("YR==").unwrap(), b"a", "stray bits are ignored");
        assert_eq!(from_base64("YWJjZA").unwrap(), b"abcd");
        assert_eq!(from_base64("!!").unwrap_err(), "Illegal base64 character 21");
        assert_eq!(from_base64("!").unwrap_err(), "Input byte[] should at least have 2 bytes for base64 bytes");
        assert_eq!(from_base64("YQ=").unwrap_err(), "Input byte array has wrong 4-byte ending unit");
        assert_eq!(from_base64("YWJjZ").unwrap_err(), "Last unit does not have enough valid bits");
        assert_eq!(from_base64("YQ==YQ==").unwrap_err(), "Input byte array has incorrect ending byte at 4");
        assert_eq!(from_base64("aé").unwrap_err(), "Illegal base64 character -17");
        assert_eq!(from_base64("_-8=").unwrap_err(), "Illegal base64 character 5f");
    }
}
