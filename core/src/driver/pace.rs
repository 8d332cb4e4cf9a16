//! When to read again: frames that come one by one are left in the socket for a moment, and read together.
//!
//! The server writes each frame by itself. A client that reads each at once is woken for each, and wakes whoever waits for
//! it each time: on a machine that both share that takes more from the server than it gains. So in a stream of frames
//! reading rests for a millisecond after each lot. It does not where anybody would wait for it: not after a silence, not
//! when little is expected, and not when the server is so fast that it would have to wait for us.

use std::time::Duration;

use crate::proto::Moment;

/// How long a rest is, and how close frames are that make a stream.
const REST: Duration = Duration::from_millis(1);
/// How many frames the server must still be free to send for a rest not to hold it up.
const ENOUGH: usize = 64;
/// How long to go without rests after one that was too long, at first and at most.
const SPELL: Duration = Duration::from_millis(16);
const LONGEST_SPELL: Duration = Duration::from_millis(256);

#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Reading rests until then.
    until: Option<Moment>,
    /// What is read next is the lot of a rest.
    rested: bool,
    /// What was read of this lot so far.
    frames: usize,
    /// When the last frames came.
    last: Option<Moment>,
    /// No rests before this.
    awake_until: Moment,
    spell: Duration,
}

impl Pace {
    /// Whether reading rests now.
    pub(crate) fn rests(&mut self, now: Moment) -> bool {
        match self.until {
            Some(until) if now < until => true,
            Some(_) => {
                self.until = None;
                self.rested = true;
                false
            }
            None => false,
        }
    }

    /// When it ends.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.until
    }

    /// A frame was read.
    pub(crate) fn took(&mut self) {
        self.frames += 1;
    }

    /// All that was there was read; `expected` more frames may come before the server waits for us. Whether a rest begins.
    pub(crate) fn took_all(&mut self, now: Moment, expected: usize) -> bool {
        let rested = std::mem::take(&mut self.rested);
        let frames = std::mem::take(&mut self.frames);
        if frames == 0 {
            return false;
        }
        let streams = rested || self.last.is_some_and(|last| now.saturating_sub(last) < REST);
        self.last = Some(now);
        if rested && frames > expected / 2 {
            self.spell = (2 * self.spell).clamp(SPELL, LONGEST_SPELL);
            self.awake_until = now + self.spell;
        } else if rested {
            self.spell = Duration::ZERO;
        }
        if streams && expected >= ENOUGH && now >= self.awake_until {
            self.until = Some(now + REST);
        }
        self.until.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_micros(100);

    /// A lot of so many frames; whether a rest follows.
    fn take(pace: &mut Pace, at: Moment, frames: usize, expected: usize) -> bool {
        (0..frames).for_each(|_| pace.took());
        pace.took_all(at, expected)
    }

    /// Two frames close to each other, of a stream in which this many more may come; whether a rest followed.
    fn streams(pace: &mut Pace, at: Moment, expected: usize) -> bool {
        take(pace, at, 1, expected);
        take(pace, at + STEP, 1, expected)
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
        assert!(pace.rests(until - STEP));
        assert!(!pace.rests(until));
        assert!(take(&mut pace, until, 30, 1000), "it goes on");
        assert!(!pace.rests(until + REST));
        assert!(!take(&mut pace, until + REST, 0, 1000), "nothing came");
        assert!(!take(&mut pace, until + 3 * REST, 1, 1000), "what comes now comes after a silence");
    }

    #[test]
    fn nobody_waits_for_a_rest_when_little_is_expected() {
        assert!(!streams(&mut Pace::default(), REST, ENOUGH - 1));
        assert!(streams(&mut Pace::default(), REST, ENOUGH));
    }

    #[test]
    fn a_server_that_had_to_wait_is_read_without_rests_for_longer_and_longer() {
        let (mut pace, mut now) = (Pace::default(), REST);
        for (frames, spell) in [(501, SPELL), (600, 2 * SPELL), (1000, 4 * SPELL)] {
            assert!(streams(&mut pace, now, 1000));
            now += STEP + REST;
            assert!(!pace.rests(now));
            assert!(!take(&mut pace, now, frames, 1000));
            assert!(!streams(&mut pace, now + spell - 2 * STEP, 1000), "{spell:?} are not over");
            now += spell;
        }
        // A rest that held up nobody, and the next spell is a short one again.
        assert!(streams(&mut pace, now, 1000));
        now += STEP + REST;
        assert!(!pace.rests(now) && take(&mut pace, now, 40, 1000));
        now += REST;
        assert!(!pace.rests(now) && !take(&mut pace, now, 900, 1000));
        assert!(streams(&mut pace, now + SPELL, 1000));
    }
}
