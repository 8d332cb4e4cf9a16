//! Lines of a file or a pipe, as bytes, with a bound on their length.

use std::io::{self, BufRead, BufReader, Read};

/// How many bytes of a line of JSON stand for one byte of a payload, at most: `\u0000`.
const JSON: usize = 6;
/// Bytes of a line of JSON besides its payload.
const BESIDES: usize = 1 << 20;

/// Returns the limit for lines of JSON whose payloads have this one.
pub(crate) fn of_json(limit: usize) -> usize {
    limit.saturating_mul(JSON).saturating_add(BESIDES)
}

/// A line without its delimiter.
#[derive(Debug, PartialEq)]
pub(crate) enum Line {
    Bytes(Vec<u8>),
    /// Longer than the limit; this many bytes.
    TooLong(u64),
}

/// Reads lines. What follows the last delimiter is a line when it has any bytes.
pub(crate) struct Lines<'a, R> {
    from: BufReader<R>,
    delimiter: &'a [u8],
    limit: usize,
}

impl<'a, R: Read> Lines<'a, R> {
    /// Creates a reader of lines; the delimiter has at least one byte.
    pub(crate) fn new(from: R, delimiter: &'a [u8], limit: usize) -> Lines<'a, R> {
        Lines { from: BufReader::with_capacity(256 * 1024, from), delimiter, limit }
    }

    /// Returns whether the next line can be read without waiting for the file.
    pub(crate) fn has_next(&self) -> bool {
        self.delimiter.last().is_some_and(|last| self.from.buffer().contains(last))
    }

    /// Returns the next line, and whether its delimiter was there; nothing at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<(Line, bool)>> {
        let Some(&last) = self.delimiter.last() else { return Ok(None) };
        let room = self.limit + self.delimiter.len();
        let (mut line, mut dropped) = (Vec::new(), 0);
        loop {
            let taken = (&mut self.from).take((room + 1 - line.len()) as u64).read_until(last, &mut line)?;
            let ended = line.ends_with(self.delimiter);
            if ended {
                line.truncate(line.len() - self.delimiter.len());
            } else if taken != 0 {
                if line.len() > room {
                    // Its end may be the beginning of the delimiter.
                    dropped += line.drain(..line.len() - (self.delimiter.len() - 1)).len() as u64;
                }
                continue;
            }
            let length = dropped + line.len() as u64;
            return Ok(match length {
                0 if !ended => None,
                _ if length > self.limit as u64 => Some((Line::TooLong(length), ended)),
                _ => Some((Line::Bytes(line), ended)),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8], delimiter: &[u8], limit: usize) -> Vec<Line> {
        let mut lines = Lines::new(text, delimiter, limit);
        std::iter::from_fn(|| lines.next().unwrap()).map(|(line, _)| line).collect()
    }

    fn bytes(text: &[u8]) -> Line {
        Line::Bytes(text.to_vec())
    }

    #[test]
    fn lines_keep_their_bytes() {
        assert_eq!(all(b"a\0\n\n\xff", b"\n", 9), [bytes(b"a\0"), bytes(b""), bytes(b"\xff")]);
        assert_eq!(all(b"a\n", b"\n", 9), [bytes(b"a")]);
        assert_eq!(all(b"", b"\n", 9), []);
        assert_eq!(all(b"a;b;;c", b";;", 9), [bytes(b"a;b"), bytes(b"c")]);
    }

    #[test]
    fn a_long_line_is_skipped_and_counted() {
        let text = [b"x".repeat(1000), b"\r\nok\r\n".to_vec(), b"y".repeat(11)].concat();
        assert_eq!(all(&text, b"\r\n", 10), [Line::TooLong(1000), bytes(b"ok"), Line::TooLong(11)]);
        assert_eq!(all(b"0123456789\n", b"\n", 10), [bytes(b"0123456789")]);
    }
}
