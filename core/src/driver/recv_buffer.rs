//! The receive buffer of a WebSocket. It parses plain text frames in place and passes all others to the WebSocket
//! crate.
//!
//! Pulsar writes a text frame unfragmented and unmasked, and only such frames are frequent. The buffer copies
//! everything else to the crate byte by byte: pings, pongs, the close frame, fragmented messages, and anything RFC 6455
//! forbids. The crate handles these as it would on its own.

use std::borrow::Cow;
use std::ops::Range;
use std::str::Utf8Error;

/// The smallest capacity, and the largest unless a single frame needs more.
const MIN_CAPACITY: usize = 4 * 1024;
const MAX_CAPACITY: usize = 256 * 1024;

/// The longest close frame: two bytes of header and a payload of at most 125 (RFC 6455, 5.5).
const CLOSE_FRAME_BYTES: usize = 127;

/// The next step for the caller.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A complete text has arrived, in this range: call `take_text`.
    Text(Range<usize>),
    /// A complete frame of a compressed message has arrived, with the payload in this range: call `take_deflated`.
    Deflated {
        payload: Range<usize>,
        /// Whether it is a text, not a binary message.
        text: bool,
        /// Whether it is the last frame of its message.
        last: bool,
    },
    /// The server began a message within a compressed one.
    Interrupted,
    /// The next bytes belong to the crate: call `copy_passthrough`.
    Passthrough,
    /// Read more first.
    NeedMore,
}

#[derive(Debug)]
pub(crate) struct RecvBuffer {
    /// Fully initialised. The bytes that have arrived and are not yet consumed are those from `start` to `end`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The highest `end` since the socket was last drained.
    high_water: usize,
    /// Whether the last read filled the spare capacity.
    last_read_full: bool,
    /// How many of the next bytes belong to the crate.
    passthrough: u64,
    /// Whether the buffer is within a fragmented message. All of it belongs to the crate, unless it is compressed.
    fragmented: bool,
    /// Whether the connection negotiated compression.
    deflates: bool,
    /// Whether the buffer is within a fragmented message that is compressed, and whether that is a text.
    deflated: Option<bool>,
    /// The longest text parsed here. Longer ones go to the crate, which refuses them.
    limit: usize,
    /// The bytes of the close frame passed to the crate; `None` before it arrives.
    close_frame: Option<Vec<u8>>,
}

impl RecvBuffer {
    /// Creates a buffer that already contains `arrived`.
    pub(crate) fn new(arrived: Vec<u8>, limit: usize, deflates: bool) -> RecvBuffer {
        let end = arrived.len();
        let mut buffer = arrived;
        buffer.resize(end.max(MIN_CAPACITY), 0);
        RecvBuffer {
            buffer,
            start: 0,
            end,
            high_water: end,
            last_read_full: false,
            passthrough: 0,
            fragmented: false,
            deflates,
            deflated: None,
            limit,
            close_frame: None,
        }
    }

    pub(crate) fn next(&mut self) -> Next {
        if self.passthrough > 0 {
            return Next::Passthrough;
        }
        let there = &self.buffer[self.start..self.end];
        let [first, second, rest @ ..] = there else { return Next::NeedMore };
        let masked = second & 0x80 != 0;
        let (mut header, length) = match (second & 0x7f, rest) {
            (126, [a, b, ..]) => (4, u64::from(u16::from_be_bytes([*a, *b]))),
            (127, [a, b, c, d, e, f, g, h, ..]) => (10, u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h])),
            (126 | 127, _) => return Next::NeedMore,
            (length, _) => (2, u64::from(length)),
        };
        // A text in a single fragment, with no reserved bits.
        let plain = *first == 0x81 && !masked && !self.fragmented && length <= self.limit as u64;
        if plain {
            let (from, length) = (self.start + header, length as usize);
            return if self.end - from >= length { Next::Text(from..from + length) } else { Next::NeedMore };
        }
        let (last, operation) = (first & 0x80 != 0, first & 0x0f);
        let text = match (first & 0x7f, self.deflated) {
            (0x00, text) => text,
            (0x41 | 0x42, None) if self.deflates && !self.fragmented => Some(operation == 1),
            (1..8 | 0x41..0x48, Some(_)) => return Next::Interrupted,
            _ => None,
        };
        if let Some(text) = text.filter(|_| !masked && length <= self.limit as u64) {
            let (from, length) = (self.start + header, length as usize);
            return match self.end - from >= length {
                true => Next::Deflated { payload: from..from + length, text, last },
                false => Next::NeedMore,
            };
        }
        match operation {
            8 if self.close_frame.is_none() => self.close_frame = Some(Vec::new()),
            0..8 => self.fragmented = !last,
            _ => {}
        }
        header += if masked { 4 } else { 0 };
        self.passthrough = length.saturating_add(header as u64);
        Next::Passthrough
    }

    /// Consumes the text in this range and returns it.
    pub(crate) fn take_text(&mut self, text: Range<usize>) -> Result<&str, Utf8Error> {
        self.start = text.end;
        std::str::from_utf8(&self.buffer[text])
    }

    /// Consumes the frame of a compressed message with this payload, and returns the payload.
    pub(crate) fn take_deflated(&mut self, payload: Range<usize>, text: bool, last: bool) -> &[u8] {
        self.start = payload.end;
        self.fragmented = !last;
        self.deflated = (!last).then_some(text);
        &self.buffer[payload]
    }

    /// Copies to the crate those of its bytes that have arrived, as far as `room` allows. Returns how many.
    pub(crate) fn copy_passthrough(&mut self, room: &mut [u8]) -> usize {
        let own = usize::try_from(self.passthrough).unwrap_or(usize::MAX);
        let bytes = own.min(self.end - self.start).min(room.len());
        let copied = &self.buffer[self.start..self.start + bytes];
        room[..bytes].copy_from_slice(copied);
        if let Some(close_frame) = self.close_frame.as_mut().filter(|frame| frame.len() < CLOSE_FRAME_BYTES) {
            close_frame.extend_from_slice(copied);
        }
        self.start += bytes;
        self.passthrough -= bytes as u64;
        bytes
    }

    /// Returns the code and the reason of the close frame as the server wrote them. The crate replaces codes that are
    /// not allowed.
    pub(crate) fn close_frame(&self) -> Option<(u16, Cow<'_, str>)> {
        let [_, _, high, low, reason @ ..] = self.close_frame.as_deref()? else { return None };
        let reason = &reason[..reason.len().min(CLOSE_FRAME_BYTES - 4)];
        Some((u16::from_be_bytes([*high, *low]), String::from_utf8_lossy(reason)))
    }

    /// Returns where to read the next bytes into; never empty.
    pub(crate) fn spare_capacity_mut(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.start > 0 && self.buffer.len() - self.end < self.buffer.len() / 2 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        // For a frame the buffer grows only as the frame arrives: its length is a mere claim of the server.
        if self.end == self.buffer.len() || (self.last_read_full && self.buffer.len() < MAX_CAPACITY) {
            self.buffer.resize(2 * self.buffer.len(), 0);
        }
        &mut self.buffer[self.end..]
    }

    /// Marks this many bytes as read into the spare capacity.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.end += bytes;
        self.high_water = self.high_water.max(self.end);
        self.last_read_full = self.end == self.buffer.len();
    }

    /// Halves a capacity that was not needed. The driver calls this when the socket is drained.
    pub(crate) fn shrink(&mut self) {
        let high_water = std::mem::take(&mut self.high_water);
        if self.start == self.end && self.buffer.len() > MIN_CAPACITY && high_water <= self.buffer.len() / 4 {
            self.buffer.truncate(self.buffer.len() / 2);
            self.buffer.shrink_to_fit();
            (self.start, self.end) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1_000_000;

    /// Returns a frame as a server writes it.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            length @ ..126 => frame.push(length as u8),
            length @ ..65_536 => {
                frame.push(126);
                frame.extend((length as u16).to_be_bytes());
            }
            length => {
                frame.push(127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(payload);
        frame
    }

    /// Returns the complete texts in the buffer.
    fn take_texts(buffer: &mut RecvBuffer) -> Vec<String> {
        let mut texts = Vec::new();
        while let Next::Text(text) = buffer.next() {
            texts.push(buffer.take_text(text).unwrap().to_owned());
        }
        texts
    }

    /// Feeds these bytes, at most `piece` at a time and as far as the buffer has room. Returns the texts.
    fn arrive(buffer: &mut RecvBuffer, mut bytes: &[u8], piece: usize) -> Vec<String> {
        let mut texts = Vec::new();
        while !bytes.is_empty() {
            let room = buffer.spare_capacity_mut();
            let taken = room.len().min(bytes.len()).min(piece);
            room[..taken].copy_from_slice(&bytes[..taken]);
            buffer.advance(taken);
            bytes = &bytes[taken..];
            texts.extend(take_texts(buffer));
        }
        texts
    }

    #[test]
    fn texts_of_all_lengths_are_read_however_they_arrive() {
        let lengths = [0, 1, 125, 126, 4_000, 65_535, 65_536, 90_000, 600_000, 3];
        let texts: Vec<String> =
            lengths.iter().map(|length| "é".repeat(length / 2) + &"x".repeat(length % 2)).collect();
        let bytes: Vec<u8> = texts.iter().flat_map(|text| frame(0x81, text.as_bytes())).collect();
        for piece in [1, 7, 1_000, 100_000, usize::MAX] {
            assert!(arrive(&mut RecvBuffer::new(Vec::new(), LIMIT, false), &bytes, piece) == texts, "by {piece}");
        }
        // Bytes that arrived with the response to the upgrade.
        let mut buffer = RecvBuffer::new(bytes[..20_000].to_vec(), LIMIT, false);
        let mut read = take_texts(&mut buffer);
        read.extend(arrive(&mut buffer, &bytes[20_000..], 5_000));
        assert!(read == texts);
    }

    #[test]
    fn what_is_no_plain_text_is_lent_whole_and_nothing_else() {
        let others = [
            frame(0x89, b"ping"),
            frame(0x8a, b""),
            frame(0x88, b"\x03\xe8bye"),
            frame(0x82, &[0; 70_000]),
            frame(0xc1, b"a reserved bit"),
            [&[0x81, 0x84, 1, 2, 3, 4][..], b"mask"].concat(),
            frame(0x81, &[b'x'; LIMIT + 1]),
            [frame(0x01, b"in"), frame(0x89, b"ping"), frame(0x00, b" three "), frame(0x80, b"parts")].concat(),
            // Not allowed between fragments, and therefore not a plain text.
            [frame(0x01, b"in"), frame(0x81, b"parts")].concat(),
        ];
        for other in others {
            let mut buffer = RecvBuffer::new([&other[..], &frame(0x81, b"after")].concat(), LIMIT, false);
            let mut passthrough = Vec::new();
            while buffer.next() == Next::Passthrough {
                let mut room = [0; 1_000];
                let bytes = buffer.copy_passthrough(&mut room);
                passthrough.extend_from_slice(&room[..bytes]);
            }
            assert!(passthrough == other, "{:?}", &other[..4]);
            assert_eq!(take_texts(&mut buffer), ["after"]);
        }
    }

    #[test]
    fn compressed_frames_are_parsed_only_where_compression_was_negotiated() {
        let bytes =
            [frame(0x41, b"one"), frame(0x89, b"ping"), frame(0x80, b"two"), frame(0xc2, b""), frame(0x81, b"x")];
        let bytes = bytes.concat();
        let mut buffer = RecvBuffer::new(bytes.clone(), LIMIT, true);
        let mut found = Vec::new();
        loop {
            match buffer.next() {
                Next::Deflated { payload, text, last } => {
                    found.push((buffer.take_deflated(payload, text, last).to_vec(), text, last));
                }
                Next::Passthrough => assert_eq!(buffer.copy_passthrough(&mut [0; 100]), 6, "the ping"),
                Next::Text(text) => found.push((buffer.take_text(text).unwrap().into(), true, true)),
                Next::NeedMore => break,
                Next::Interrupted => panic!("nothing is interrupted"),
            }
        }
        let expected: [(&[u8], bool, bool); 4] =
            [(b"one", true, false), (b"two", true, true), (b"", false, true), (b"x", true, true)];
        assert_eq!(found, expected.map(|(payload, text, last)| (payload.to_vec(), text, last)));
        assert_eq!(RecvBuffer::new(bytes, LIMIT, false).next(), Next::Passthrough);
        // Larger than allowed, masked, a bit that nothing gives a meaning, within a message that is not compressed: these
        // belong to the crate, which refuses them.
        for other in [
            frame(0xc1, &[b'x'; LIMIT + 1]),
            [&[0xc1, 0x84, 1, 2, 3, 4][..], b"mask"].concat(),
            frame(0xe1, b"x"),
            frame(0xc9, b"x"),
        ] {
            assert_eq!(RecvBuffer::new(other, LIMIT, true).next(), Next::Passthrough);
        }
        let mut buffer = RecvBuffer::new([frame(0x01, b"in"), frame(0xc1, b"parts")].concat(), LIMIT, true);
        assert_eq!(buffer.next(), Next::Passthrough);
        assert_eq!(buffer.copy_passthrough(&mut [0; 100]), 4);
        assert_eq!(buffer.next(), Next::Passthrough);
        for within in [0x81, 0x01, 0xc1, 0x42, 0xc0] {
            let mut buffer = RecvBuffer::new([frame(0x41, b"in"), frame(within, b"parts")].concat(), LIMIT, true);
            assert_eq!(buffer.next(), Next::Deflated { payload: 2..4, text: true, last: false });
            buffer.take_deflated(2..4, true, false);
            let expected = if within == 0xc0 { Next::Passthrough } else { Next::Interrupted };
            assert_eq!(buffer.next(), expected, "{within:x}");
        }
    }

    #[test]
    fn a_close_frame_is_kept_as_it_was_written_however_it_arrives() {
        for (payload, expected) in [
            (&b"\x03\xeebye"[..], Some((1006, "bye".into()))),
            (b"\x00\x00", Some((0, "".into()))),
            (b"\x03\xe8\xff", Some((1000, "\u{fffd}".into()))),
            (b"x", None),
            (b"", None),
        ] {
            let bytes = [frame(0x89, b"ping"), frame(0x88, payload), frame(0x81, b"after")].concat();
            for piece in [1, 3, 1_000] {
                let mut recv = RecvBuffer::new(Vec::new(), LIMIT, false);
                for arriving in bytes.chunks(piece) {
                    recv.spare_capacity_mut()[..arriving.len()].copy_from_slice(arriving);
                    recv.advance(arriving.len());
                    while recv.next() == Next::Passthrough && recv.copy_passthrough(&mut [0; 2]) > 0 {}
                }
                assert_eq!(recv.close_frame(), expected, "{payload:?} by {piece}");
            }
        }
    }

    #[test]
    fn room_grows_with_a_stream_and_with_a_frame_and_goes_when_it_is_not_needed() {
        let mut buffer = RecvBuffer::new(Vec::new(), LIMIT, false);
        arrive(&mut buffer, &frame(0x81, &[b'x'; 1_000]).repeat(3), 1_003);
        assert_eq!(buffer.buffer.len(), MIN_CAPACITY, "frames one by one");
        arrive(&mut buffer, &frame(0x81, &[b'x'; 1_000]).repeat(2_000), usize::MAX);
        assert_eq!(buffer.buffer.len(), MAX_CAPACITY, "a stream");
        arrive(&mut buffer, &frame(0x81, &[b'x'; 600_000]), usize::MAX);
        assert_eq!(buffer.buffer.len(), 4 * MAX_CAPACITY, "a large frame");
        buffer.shrink();
        assert_eq!(buffer.buffer.len(), 4 * MAX_CAPACITY, "it was needed");
        for _ in 0..20 {
            buffer.shrink();
        }
        assert_eq!(buffer.buffer.len(), MIN_CAPACITY);
        // A length alone allocates nothing.
        arrive(&mut buffer, &[0x81, 127, 0, 0, 0, 0, 0, 15, 0, 0], 10);
        assert_eq!((buffer.next(), buffer.spare_capacity_mut().len()), (Next::NeedMore, MIN_CAPACITY - 10));
    }
}
