//! WebSocket frames, the server's side, written by hand. A faulty server must be able to send half a frame, leave a
//! ping without a pong, or answer an unmasked frame as Jetty does. A library for correct servers does none of that.

use bytes::{Buf, BufMut, BytesMut};

use super::deflate::Inflater;

/// A complete message from the client.
#[derive(Debug, PartialEq)]
pub(super) enum Incoming {
    Text(String),
    Binary,
    Ping(Vec<u8>),
    Pong,
    Close(Option<(u16, String)>),
}

/// Why the server closes: the close code, and the reason in Jetty's words.
#[derive(Debug, PartialEq)]
pub(super) struct Violation {
    pub(super) code: u16,
    pub(super) reason: String,
}

fn violation<T>(code: u16, reason: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { code, reason: reason.into() })
}

pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;
/// RSV1, which `encode` takes with an opcode: the payload is compressed.
pub(super) const DEFLATED: u8 = 0x40;

/// Jetty's limit on a binary message, which Pulsar does not change.
const MAX_BINARY: usize = 65_536;

/// Decodes messages from a buffer, including fragments and masks.
pub(super) struct Decoder {
    max_text: usize,
    fragments: Option<(u8, Vec<u8>)>,
    /// Inflates messages, if the connection negotiated compression.
    inflater: Option<Inflater>,
    /// Whether the present message is compressed.
    deflated: bool,
}

impl Decoder {
    pub(super) fn new(max_text: usize, inflater: Option<Inflater>) -> Decoder {
        Decoder { max_text, fragments: None, inflater, deflated: false }
    }

    /// Returns the next message, or `None` until more bytes arrive.
    pub(super) fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Incoming>, Violation> {
        while let Some(head) = Head::read(buffer)? {
            self.check(&head)?;
            if buffer.len() < head.bytes + head.length {
                return Ok(None);
            }
            buffer.advance(head.bytes);
            let mut payload = buffer.split_to(head.length);
            unmask(&mut payload, head.mask);
            if let Some(message) = self.accept(&head, &payload)? {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// Checks what can be refused by the header alone, before the payload arrives.
    fn check(&self, head: &Head) -> Result<(), Violation> {
        if head.deflated && (self.inflater.is_none() || !matches!(head.opcode, TEXT | BINARY)) {
            return violation(1002, "RSV1 not allowed to be set");
        }
        if head.opcode >= CLOSE {
            if !head.fin {
                return violation(1002, "Fragmented Close Frame [CLOSE]");
            }
            if head.length > 125 {
                return violation(
                    1002,
                    format!("Invalid control frame payload length, [{}] cannot exceed [125]", head.length),
                );
            }
            return Ok(());
        }
        let (opcode, so_far) = match (&self.fragments, head.opcode) {
            (None, 0) => return violation(1002, "CONTINUATION frame without prior !FIN"),
            (Some(_), TEXT | BINARY) => {
                let kind = if head.opcode == TEXT { "TEXT" } else { "BINARY" };
                return violation(1002, format!("Unexpected {kind} frame, was expecting CONTINUATION"));
            }
            (Some((opcode, bytes)), _) => (*opcode, bytes.len()),
            (None, opcode) => (opcode, 0),
        };
        self.fits(opcode, so_far.saturating_add(head.length))
    }

    fn fits(&self, opcode: u8, size: usize) -> Result<(), Violation> {
        let (kind, max) = if opcode == TEXT { ("Text", self.max_text) } else { ("Binary", MAX_BINARY) };
        match size > max {
            true => violation(1009, format!("{kind} message size [{size}] exceeds maximum size [{max}]")),
            false => Ok(()),
        }
    }

    /// Ends a message: inflates it if it is compressed.
    fn end(&mut self, opcode: u8, bytes: Vec<u8>) -> Result<Option<Incoming>, Violation> {
        let Some(inflater) = self.inflater.as_mut().filter(|_| std::mem::take(&mut self.deflated)) else {
            return whole(opcode, bytes).map(Some);
        };
        let Some(message) = inflater.inflate(&bytes, self.max_text) else {
            return violation(1007, "java.util.zip.DataFormatException: invalid block type");
        };
        self.fits(opcode, message.len())?;
        whole(opcode, message).map(Some)
    }

    fn accept(&mut self, head: &Head, payload: &[u8]) -> Result<Option<Incoming>, Violation> {
        match head.opcode {
            PING => return Ok(Some(Incoming::Ping(payload.to_vec()))),
            PONG => return Ok(Some(Incoming::Pong)),
            CLOSE => return close_frame(payload).map(Some),
            _ => {}
        }
        self.deflated |= head.deflated;
        if self.fragments.is_none() && head.fin {
            return self.end(head.opcode, payload.to_vec());
        }
        let (opcode, bytes) = self.fragments.get_or_insert_with(|| (head.opcode, Vec::new()));
        bytes.extend_from_slice(payload);
        if !head.fin {
            return Ok(None);
        }
        let (opcode, bytes) = (*opcode, std::mem::take(bytes));
        self.fragments = None;
        self.end(opcode, bytes)
    }
}

fn whole(opcode: u8, bytes: Vec<u8>) -> Result<Incoming, Violation> {
    if opcode == BINARY {
        return Ok(Incoming::Binary);
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Incoming::Text(text)),
        Err(error) => {
            let byte = error.as_bytes().get(error.utf8_error().valid_up_to()).copied().unwrap_or_default();
            let (high, low) = (format!("{:X}", byte >> 4), format!("{:x}", byte & 15));
            let class = "org.eclipse.jetty.util.Utf8Appendable$NotUtf8Exception";
            violation(1007, format!("{class}: Not valid UTF8! byte {high}{low} in state 0"))
        }
    }
}

fn close_frame(payload: &[u8]) -> Result<Incoming, Violation> {
    match payload {
        [] => Ok(Incoming::Close(None)),
        [_] => violation(1002, "Invalid close frame payload length [1]"),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return violation(1002, format!("Out of range close status code: {code}"));
            }
            match std::str::from_utf8(reason) {
                Ok(reason) => Ok(Incoming::Close(Some((code, reason.to_owned())))),
                Err(_) => violation(1007, "Not valid UTF8!"),
            }
        }
    }
}

struct Head {
    fin: bool,
    /// RSV1.
    deflated: bool,
    opcode: u8,
    mask: [u8; 4],
    length: usize,
    bytes: usize,
}

impl Head {
    fn read(buffer: &[u8]) -> Result<Option<Head>, Violation> {
        let &[first, second, ref rest @ ..] = buffer else { return Ok(None) };
        if first & 0x30 != 0 {
            return violation(1002, "RSV2 not allowed to be set");
        }
        let opcode = first & 0x0f;
        if !matches!(opcode, 0..=2 | 8..=10) {
            return violation(1002, format!("Unknown opcode: {opcode}"));
        }
        if second & 0x80 == 0 {
            return violation(1002, "Client MUST mask all frames (RFC-6455: Section 5.1)");
        }
        let (length, extended) = match second & 0x7f {
            126 => match rest {
                [a, b, ..] => (u64::from(u16::from_be_bytes([*a, *b])), 2),
                _ => return Ok(None),
            },
            127 => match rest.first_chunk::<8>() {
                Some(bytes) => (u64::from_be_bytes(*bytes), 8),
                None => return Ok(None),
            },
            short => (u64::from(short), 0),
        };
        let Ok(length @ 0..=0x7fff_ffff) = usize::try_from(length) else {
            return violation(1009, format!("[int-sane!] cannot handle payload lengths larger than {}", i32::MAX));
        };
        let Some(mask) = rest.get(extended..extended + 4).and_then(|mask| mask.first_chunk::<4>()) else {
            return Ok(None);
        };
        let (fin, deflated) = (first & 0x80 != 0, first & 0x40 != 0);
        Ok(Some(Head { fin, deflated, opcode, mask: *mask, length, bytes: 2 + extended + 4 }))
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let wide = u32::from_ne_bytes(mask);
    let (chunks, rest) = payload.as_chunks_mut::<4>();
    for chunk in chunks {
        *chunk = (u32::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

/// Appends one unmasked frame.
pub(super) fn encode(out: &mut BytesMut, opcode: u8, payload: &[u8]) {
    out.reserve(payload.len() + 10);
    out.put_u8(0x80 | opcode);
    match payload.len() {
        short @ 0..=125 => out.put_u8(short as u8),
        medium @ 126..=65_535 => {
            out.put_u8(126);
            out.put_u16(medium as u16);
        }
        long => {
            out.put_u8(127);
            out.put_u64(long as u64);
        }
    }
    out.put_slice(payload);
}

/// Appends a close frame. The reason is truncated to fit in a control frame.
pub(super) fn encode_close(out: &mut BytesMut, code: Option<u16>, reason: &str) {
    let mut payload = Vec::new();
    if let Some(code) = code {
        payload.extend_from_slice(&code.to_be_bytes());
        let mut end = reason.len().min(123);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        payload.extend_from_slice(&reason.as_bytes()[..end]);
    }
    encode(out, CLOSE, &payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(first: u8, payload: &[u8]) -> BytesMut {
        let mut frame = BytesMut::new();
        encode(&mut frame, 0, payload);
        frame[0] = first;
        frame[1] |= 0x80;
        let head = frame.len() - payload.len();
        let mut out = BytesMut::from(&frame[..head]);
        out.put_slice(&[1, 2, 3, 4]);
        out.extend(payload.iter().zip([1u8, 2, 3, 4].iter().cycle()).map(|(byte, mask)| byte ^ mask));
        out
    }

    fn all(bytes: &[u8]) -> Result<Vec<Incoming>, Violation> {
        let (mut decoder, mut buffer, mut found) = (Decoder::new(1000, None), BytesMut::new(), Vec::new());
        for byte in bytes {
            buffer.put_u8(*byte);
            while let Some(message) = decoder.next(&mut buffer)? {
                found.push(message);
            }
        }
        Ok(found)
    }

    #[test]
    fn messages_come_whole_however_they_were_cut() {
        let mut bytes = masked(0x81, b"hello");
        bytes.extend(masked(0x01, b"frag"));
        bytes.extend(masked(0x89, b"p"));
        bytes.extend(masked(0x80, b"ments"));
        bytes.extend(masked(0x82, &[0xff; 300]));
        bytes.extend(masked(0x88, &[3, 232, b'b', b'y', b'e']));
        let expected = vec![
            Incoming::Text("hello".into()),
            Incoming::Ping(b"p".to_vec()),
            Incoming::Text("fragments".into()),
            Incoming::Binary,
            Incoming::Close(Some((1000, "bye".into()))),
        ];
        assert_eq!(all(&bytes), Ok(expected));
    }

    #[test]
    fn what_jetty_refuses_is_refused_with_its_code() {
        assert_eq!(all(&[0x81, 0x01, b'x']).unwrap_err().code, 1002);
        assert_eq!(all(&masked(0x81, &[0xff])).unwrap_err().code, 1007);
        assert_eq!(all(&masked(0x80, b"x")).unwrap_err().code, 1002);
        assert_eq!(all(&masked(0xc1, b"x")).unwrap_err().code, 1002);
        let large = all(&masked(0x81, &[b'x'; 1001])).unwrap_err();
        assert_eq!(
            large,
            Violation { code: 1009, reason: "Text message size [1001] exceeds maximum size [1000]".into() }
        );
    }
}
