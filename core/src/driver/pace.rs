//! When to read again: frames that come one by one are left in the socket for a moment, and read together.
//!
//! The server writes each frame by itself. A client that reads each at once is woken for each, and wakes whoever waits for
//! it each time: on a machine that both share that takes more from the server than it gains. So in a stream of frames
//! reading rests after each lot: for a millisecond, or until half of what the server may send before it waits for us is
//! there, or plenty. It does not where anybody would wait for it: not after a silence, and not when little is expected.

use std::time::Duration;

use crate::proto::Moment;

/// How long a rest is, and how close frames are that make a stream.
const REST: Duration = Duration::from_millis(1);
/// How many frames the server must still be free to send for a rest not to hold it up.
const ENOUGH: usize = 64;
/// So many bytes end a rest, whatever is expected.
const PLENTY: usize = 512 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Reading rests until then.
    until: Option<Moment>,
    /// What is read next is the lot of a rest.
    rested: bool,
    /// What was read of this lot so far, and how long it was.
    frames: usize,
    bytes: usize,
    /// When the last frames came.
    last: Option<Moment>,
}

impl Pace {
    /// Whether reading rests now; `plenty` tells whether what came in the rest is to end it.
    pub(crate) fn rests(&mut self, now: Moment, plenty: impl FnOnce() -> bool) -> bool {
        let Some(until) = self.until else { return false };
        if now < until && !plenty() {
            return true;
        }
        self.until = None;
        self.rested = true;
        false
    }

    /// When it ends.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.until
    }

    /// A frame of this length was read.
    pub(crate) fn took(&mut self, bytes: usize) {
        self.frames += 1;
        self.bytes += bytes;
    }

    /// All that was there was read; `expected` more frames may come before the server waits for us. If a rest begins, how many
    /// bytes are to end it: half of what is expected, or plenty.
    pub(crate) fn took_all(&mut self, now: Moment, expected: usize) -> Option<usize> {
        let rested = std::mem::take(&mut self.rested);
        let frames = std::mem::take(&mut self.frames);
        let bytes = std::mem::take(&mut self.bytes);
        if frames == 0 {
            return None;
        }
        let streams = rested || self.last.is_some_and(|last| now.saturating_sub(last) < REST);
        self.last = Some(now);
        if !streams || expected < ENOUGH {
            return None;
        }
        self.until = Some(now + REST);
        Some((expected / 2).saturating_mul(bytes / frames).min(PLENTY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_micros(100);

    /// A lot of so many frames of 100 bytes; whether a rest follows.
    fn take(pace: &mut Pace, at: Moment, frames: usize, expected: usize) -> bool {
        (0..frames).for_each(|_| pace.took(100));
        pace.took_all(at, expected).is_some()
    }

    /// Two frames close to each other, of a stream in which this many more may come; whether a rest followed.
    fn streams(pace: &mut Pace, at: Moment, expected: usize) -> bool {
        take(pace, at, 1, expected);
        take(pace, at + STEP, 1, expected)
    }

    fn little() -> bool {
        false
    }

    #[test]
    fn what_comes_after_a_silence_is_read_at_once() {
        let mut pace = Pace::default();
        for number in 0..5 {
            assert!(!take(&mut pace, 2 * REST * number, 1, 1000), "no stream");
        }
        assert_eq!(pace.deadline(), None);
    }

    #[test]
    fn a_stream_is_read_a_millisecond_at_a_time_until_it_ends() {
        let mut pace = Pace::default();
        assert!(streams(&mut pace, REST, 1000));
        let until = REST + STEP + REST;
        assert_eq!(pace.deadline(), Some(until));
        assert!(pace.rests(until - STEP, little));
        assert!(!pace.rests(until, little));
        assert!(take(&mut pace, until, 30, 1000), "it goes on");
        assert!(!pace.rests(until + REST, little));
        assert!(!take(&mut pace, until + REST, 0, 1000), "nothing came");
        assert!(!take(&mut pace, until + 3 * REST, 1, 1000), "what comes now comes after a silence");
    }

    #[test]
    fn a_rest_ends_before_its_time_when_there_is_plenty() {
        let mut pace = Pace::default();
        assert!(streams(&mut pace, REST, 1000));
        let now = REST + 2 * STEP;
        assert!(pace.rests(now, little) && !pace.rests(now, || true));
        assert_eq!(pace.deadline(), None);
        assert!(!pace.rests(now, little), "it is over until all was read");
        assert!(take(&mut pace, now, 500, 1000), "and the next one follows");
    }

    #[test]
    fn plenty_is_half_of_what_is_expected_but_no_more_than_fits_the_caches() {
        for (bytes, expected, plenty) in [(100, 1000, 50_000), (1000, 64, 32_000), (90_000, 100, PLENTY)] {
            let mut pace = Pace::default();
            take(&mut pace, REST, 1, expected);
            pace.took(bytes);
            pace.took(bytes);
            assert_eq!(pace.took_all(REST + STEP, expected), Some(plenty));
        }
    }

    #[test]
    fn nobody_waits_for_a_rest_when_little_is_expected() {
        assert!(!streams(&mut Pace::default(), REST, ENOUGH - 1));
        assert!(streams(&mut Pace::default(), REST, ENOUGH));
    }
}
