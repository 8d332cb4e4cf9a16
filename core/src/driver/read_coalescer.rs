//! When to read again: frames that come one by one are left in the socket for a moment, and read together.
//!
//! The server writes each frame by itself. A client that reads each at once is woken for each, and wakes the task that waits for
//! it each time: on a machine that both share that takes more from the server than it gains. So in a stream of frames
//! reading rests after each lot: for a millisecond, or until half of what the server may send before it waits for us is
//! there, or plenty. It does not where anybody would wait for it: not after a silence, and not when little is expected.

use std::time::Duration;

use crate::proto::Moment;

/// How long a rest is, and how close frames are that make a stream.
const MAX_DELAY: Duration = Duration::from_millis(1);
/// How many frames the server must still be free to send for a rest not to hold it up.
const MIN_WINDOW: usize = 64;
/// So many bytes end a rest, whatever is expected.
const MAX_LOW_WATER: usize = 512 * 1024;

#[derive(Debug, Default)]
pub(crate) struct ReadCoalescer {
    /// Reading rests until then.
    until: Option<Moment>,
    /// What is read next is the lot of a rest.
    waited: bool,
    /// What was read of this lot so far, and how long it was.
    frames: usize,
    bytes: usize,
    /// When the last frames came.
    last: Option<Moment>,
}

impl ReadCoalescer {
    /// Whether reading rests now; `plenty` tells whether what came in the rest is to end it.
    pub(crate) fn should_wait(&mut self, now: Moment, arrived: impl FnOnce() -> bool) -> bool {
        let Some(until) = self.until else { return false };
        if now < until && !arrived() {
            return true;
        }
        self.until = None;
        self.waited = true;
        false
    }

    /// When it ends.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.until
    }

    /// A frame of this length was read.
    pub(crate) fn on_frame(&mut self, bytes: usize) {
        self.frames += 1;
        self.bytes += bytes;
    }

    /// All that was there was read; `expected` more frames may come before the server waits for us. If a rest begins, how many
    /// bytes are to end it: half of what is expected, or plenty.
    pub(crate) fn on_drained(&mut self, now: Moment, window: usize) -> Option<usize> {
        let waited = std::mem::take(&mut self.waited);
        let frames = std::mem::take(&mut self.frames);
        let bytes = std::mem::take(&mut self.bytes);
        if frames == 0 {
            return None;
        }
        let streams = waited || self.last.is_some_and(|last| now.saturating_sub(last) < MAX_DELAY);
        self.last = Some(now);
        if !streams || window < MIN_WINDOW {
            return None;
        }
        self.until = Some(now + MAX_DELAY);
        Some((window / 2).saturating_mul(bytes / frames).min(MAX_LOW_WATER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_micros(100);

    /// A lot of so many frames of 100 bytes; whether a rest follows.
    fn take(coalescer: &mut ReadCoalescer, at: Moment, frames: usize, window: usize) -> bool {
        (0..frames).for_each(|_| coalescer.on_frame(100));
        coalescer.on_drained(at, window).is_some()
    }

    /// Two frames close to each other, of a stream in which this many more may come; whether a rest followed.
    fn streams(coalescer: &mut ReadCoalescer, at: Moment, window: usize) -> bool {
        take(coalescer, at, 1, window);
        take(coalescer, at + STEP, 1, window)
    }

    fn little() -> bool {
        false
    }

    #[test]
    fn what_comes_after_a_silence_is_read_at_once() {
        let mut coalescer = ReadCoalescer::default();
        for number in 0..5 {
            assert!(!take(&mut coalescer, 2 * MAX_DELAY * number, 1, 1000), "no stream");
        }
        assert_eq!(coalescer.deadline(), None);
    }

    #[test]
    fn a_stream_is_read_a_millisecond_at_a_time_until_it_ends() {
        let mut coalescer = ReadCoalescer::default();
        assert!(streams(&mut coalescer, MAX_DELAY, 1000));
        let until = MAX_DELAY + STEP + MAX_DELAY;
        assert_eq!(coalescer.deadline(), Some(until));
        assert!(coalescer.should_wait(until - STEP, little));
        assert!(!coalescer.should_wait(until, little));
        assert!(take(&mut coalescer, until, 30, 1000), "it goes on");
        assert!(!coalescer.should_wait(until + MAX_DELAY, little));
        assert!(!take(&mut coalescer, until + MAX_DELAY, 0, 1000), "nothing came");
        assert!(!take(&mut coalescer, until + 3 * MAX_DELAY, 1, 1000), "what comes now comes after a silence");
    }

    #[test]
    fn a_rest_ends_before_its_time_when_there_is_plenty() {
        let mut coalescer = ReadCoalescer::default();
        assert!(streams(&mut coalescer, MAX_DELAY, 1000));
        let now = MAX_DELAY + 2 * STEP;
        assert!(coalescer.should_wait(now, little) && !coalescer.should_wait(now, || true));
        assert_eq!(coalescer.deadline(), None);
        assert!(!coalescer.should_wait(now, little), "it is over until all was read");
        assert!(take(&mut coalescer, now, 500, 1000), "and the next one follows");
    }

    #[test]
    fn plenty_is_half_of_what_is_expected_but_no_more_than_fits_the_caches() {
        for (bytes, window, arrived) in [(100, 1000, 50_000), (1000, 64, 32_000), (90_000, 100, MAX_LOW_WATER)] {
            let mut coalescer = ReadCoalescer::default();
            take(&mut coalescer, MAX_DELAY, 1, window);
            coalescer.on_frame(bytes);
            coalescer.on_frame(bytes);
            assert_eq!(coalescer.on_drained(MAX_DELAY + STEP, window), Some(arrived));
        }
    }

    #[test]
    fn nobody_waits_for_a_rest_when_little_is_expected() {
        assert!(!streams(&mut ReadCoalescer::default(), MAX_DELAY, MIN_WINDOW - 1));
        assert!(streams(&mut ReadCoalescer::default(), MAX_DELAY, MIN_WINDOW));
    }
}
