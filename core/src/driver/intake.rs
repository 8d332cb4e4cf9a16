//! What has arrived from a WebSocket's server: plain text frames are read where they lie, all others are the WebSocket crate's.
//!
//! Pulsar writes a text frame in one part and without a mask, and such frames are all that comes in numbers. Whatever else comes
//! (pings, pongs, the close frame, messages in several parts, and all that RFC 6455 forbids) is lent to the crate byte by
//! byte, which makes of it what it would have made without this.

use std::ops::Range;
use std::str::Utf8Error;

/// The room for what arrives, at the least and unless a single frame needs more.
const LEAST: usize = 4 * 1024;
const ROOM: usize = 256 * 1024;

/// Who is to read what comes next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// A whole text is there, at this place: `take_text`.
    Text(Range<usize>),
    /// The crate: `lend`.
    Crate,
    /// Nobody before more has arrived.
    Nobody,
}

#[derive(Debug)]
pub(crate) struct Intake {
    /// Initialised throughout; what has arrived and is not read is from `start` to `end`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The most that `end` was since nothing more was there.
    most: usize,
    /// The last read filled all the room there was.
    brimful: bool,
    /// How much of what is there or comes is the crate's.
    lent: u64,
    /// Within a message of several parts, which are all the crate's.
    parts: bool,
    /// Longer texts are the crate's, which refuses them.
    limit: usize,
}

impl Intake {
    /// One in which this has arrived already.
    pub(crate) fn new(arrived: Vec<u8>, limit: usize) -> Intake {
        let end = arrived.len();
        let mut buffer = arrived;
        buffer.resize(end.max(LEAST), 0);
        Intake { buffer, start: 0, end, most: end, brimful: false, lent: 0, parts: false, limit }
    }

    pub(crate) fn turn(&mut self) -> Turn {
        if self.lent > 0 {
            return Turn::Crate;
        }
        let there = &self.buffer[self.start..self.end];
        let [first, second, rest @ ..] = there else { return Turn::Nobody };
        let masked = second & 0x80 != 0;
        let (mut header, length) = match (second & 0x7f, rest) {
            (126, [a, b, ..]) => (4, u64::from(u16::from_be_bytes([*a, *b]))),
            (127, [a, b, c, d, e, f, g, h, ..]) => (10, u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h])),
            (126 | 127, _) => return Turn::Nobody,
            (length, _) => (2, u64::from(length)),
        };
        // The last and only part of a text, and no reserved bits.
        let plain = *first == 0x81 && !masked && !self.parts && length <= self.limit as u64;
        if plain {
            let (from, length) = (self.start + header, length as usize);
            return if self.end - from >= length { Turn::Text(from..from + length) } else { Turn::Nobody };
        }
        let (last, operation) = (first & 0x80 != 0, first & 0x0f);
        if operation < 8 {
            self.parts = !last;
        }
        header += if masked { 4 } else { 0 };
        self.lent = length.saturating_add(header as u64);
        Turn::Crate
    }

    /// The text that is at this place.
    pub(crate) fn take_text(&mut self, place: Range<usize>) -> Result<&str, Utf8Error> {
        self.start = place.end;
        std::str::from_utf8(&self.buffer[place])
    }

    /// Gives the crate what is there of what is its own, as far as there is room; the number of bytes.
    pub(crate) fn lend(&mut self, room: &mut [u8]) -> usize {
        let own = usize::try_from(self.lent).unwrap_or(usize::MAX);
        let bytes = own.min(self.end - self.start).min(room.len());
        room[..bytes].copy_from_slice(&self.buffer[self.start..self.start + bytes]);
        self.start += bytes;
        self.lent -= bytes as u64;
        bytes
    }

    /// Where what arrives next is to be put; never empty.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.start > 0 && self.buffer.len() - self.end < self.buffer.len() / 2 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        // For a frame it grows as that arrives: a length is only what the server says.
        if self.end == self.buffer.len() || (self.brimful && self.buffer.len() < ROOM) {
            self.buffer.resize(2 * self.buffer.len(), 0);
        }
        &mut self.buffer[self.end..]
    }

    /// So many bytes were put there.
    pub(crate) fn arrived(&mut self, bytes: usize) {
        self.end += bytes;
        self.most = self.most.max(self.end);
        self.brimful = self.end == self.buffer.len();
    }

    /// Nothing more is there: room that was not needed goes, by halves.
    pub(crate) fn pause(&mut self) {
        let most = std::mem::take(&mut self.most);
        if self.start == self.end && self.buffer.len() > LEAST && most <= self.buffer.len() / 4 {
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

    /// A frame as a server writes it.
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

    /// The texts that are there.
    fn take_texts(intake: &mut Intake) -> Vec<String> {
        let mut texts = Vec::new();
        while let Turn::Text(place) = intake.turn() {
            texts.push(intake.take_text(place).unwrap().to_owned());
        }
        texts
    }

    /// Has these bytes arrive, as many at a time as there is room for and no more than `piece`.
    fn arrive(intake: &mut Intake, mut bytes: &[u8], piece: usize) -> Vec<String> {
        let mut texts = Vec::new();
        while !bytes.is_empty() {
            let room = intake.room();
            let taken = room.len().min(bytes.len()).min(piece);
            room[..taken].copy_from_slice(&bytes[..taken]);
            intake.arrived(taken);
            bytes = &bytes[taken..];
            texts.extend(take_texts(intake));
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
            assert!(arrive(&mut Intake::new(Vec::new(), LIMIT), &bytes, piece) == texts, "by {piece}");
        }
        // What came with the answer to the upgrade.
        let mut intake = Intake::new(bytes[..20_000].to_vec(), LIMIT);
        let mut read = take_texts(&mut intake);
        read.extend(arrive(&mut intake, &bytes[20_000..], 5_000));
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
            // Not allowed between parts, and so not a plain text.
            [frame(0x01, b"in"), frame(0x81, b"parts")].concat(),
        ];
        for other in others {
            let mut intake = Intake::new([&other[..], &frame(0x81, b"after")].concat(), LIMIT);
            let mut lent = Vec::new();
            while intake.turn() == Turn::Crate {
                let mut room = [0; 1_000];
                let bytes = intake.lend(&mut room);
                lent.extend_from_slice(&room[..bytes]);
            }
            assert!(lent == other, "{:?}", &other[..4]);
            assert_eq!(take_texts(&mut intake), ["after"]);
        }
    }

    #[test]
    fn room_grows_with_a_stream_and_with_a_frame_and_goes_when_it_is_not_needed() {
        let mut intake = Intake::new(Vec::new(), LIMIT);
        arrive(&mut intake, &frame(0x81, &[b'x'; 1_000]).repeat(3), 1_003);
        assert_eq!(intake.buffer.len(), LEAST, "frames one by one");
        arrive(&mut intake, &frame(0x81, &[b'x'; 1_000]).repeat(2_000), usize::MAX);
        assert_eq!(intake.buffer.len(), ROOM, "a stream");
        arrive(&mut intake, &frame(0x81, &[b'x'; 600_000]), usize::MAX);
        assert_eq!(intake.buffer.len(), 4 * ROOM, "a large frame");
        intake.pause();
        assert_eq!(intake.buffer.len(), 4 * ROOM, "it was needed");
        for _ in 0..20 {
            intake.pause();
        }
        assert_eq!(intake.buffer.len(), LEAST);
        // A length by itself takes no room.
        arrive(&mut intake, &[0x81, 127, 0, 0, 0, 0, 0, 15, 0, 0], 10);
        assert_eq!((intake.turn(), intake.room().len()), (Turn::Nobody, LEAST - 10));
    }
}
