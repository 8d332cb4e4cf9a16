//! Read coalescing: under a steady stream the driver leaves frames in the socket for a moment and reads them in
//! batches.
//!
//! The server writes each frame separately. A client that reads each at once wakes up for each, and wakes the
//! application for each. On a machine shared with the server, that costs the server more than it gains. So after each
//! batch of a stream the driver pauses reading for [`MAX_DELAY`], or until half of the receive window or
//! [`MAX_LOW_WATER`] bytes have arrived. It does not pause where the application would wait for it: after a silence, or
//! when the window is small.

use std::time::Duration;

use crate::proto::Moment;

/// The longest pause, and the longest gap between the frames of a stream.
const MAX_DELAY: Duration = Duration::from_millis(1);
/// The smallest receive window with which a pause does not delay the server.
const MIN_WINDOW: usize = 64;
/// This many bytes end a pause, regardless of the window.
const MAX_LOW_WATER: usize = 512 * 1024;

#[derive(Debug, Default)]
pub(crate) struct ReadCoalescer {
    /// When the current pause ends.
    until: Option<Moment>,
    /// The next batch arrived during a pause.
    waited: bool,
    /// The number of frames read in this batch so far, and their total length.
    frames: usize,
    bytes: usize,
    /// When the last batch was read.
    last: Option<Moment>,
}

impl ReadCoalescer {
    /// Returns whether reading is paused. `arrived` returns whether enough has arrived to end the pause.
    pub(crate) fn should_wait(&mut self, now: Moment, arrived: impl FnOnce() -> bool) -> bool {
        let Some(until) = self.until else { return false };
        if now < until && !arrived() {
            return true;
        }
        self.until = None;
        self.waited = true;
        false
    }

    /// Returns when the pause ends.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.until
    }

    /// Records a frame of this length as read.
    pub(crate) fn on_frame(&mut self, bytes: usize) {
        self.frames += 1;
        self.bytes += bytes;
    }

    /// Handles a drained socket; the server may send `window` more frames. If a pause begins, returns the low-water
    /// mark: how many bytes end it early.
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

    /// Reads a batch of frames of 100 bytes; returns whether a pause follows.
    fn take(coalescer: &mut ReadCoalescer, at: Moment, frames: usize, window: usize) -> bool {
        (0..frames).for_each(|_| coalescer.on_frame(100));
        coalescer.on_drained(at, window).is_some()
    }

    /// Reads two frames close to each other; returns whether a pause followed.
    fn streams(coalescer: &mut ReadCoalescer, at: Moment, window: usize) -> bool {
        take(coalescer, at, 1, window);
        take(coalescer, at + STEP, 1, window)
    }

    fn little() -> bool {
        false
    }

    #[test]
    fn a_frame_after_a_silence_is_read_at_once() {
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
    fn a_pause_ends_early_when_enough_has_arrived() {
        let mut coalescer = ReadCoalescer::default();
        assert!(streams(&mut coalescer, MAX_DELAY, 1000));
        let now = MAX_DELAY + 2 * STEP;
        assert!(coalescer.should_wait(now, little) && !coalescer.should_wait(now, || true));
        assert_eq!(coalescer.deadline(), None);
        assert!(!coalescer.should_wait(now, little), "it is over until all was read");
        assert!(take(&mut coalescer, now, 500, 1000), "and the next one follows");
    }

    #[test]
    fn the_low_water_mark_is_half_a_window_and_no_more_than_fits_the_caches() {
        for (bytes, window, arrived) in [(100, 1000, 50_000), (1000, 64, 32_000), (90_000, 100, MAX_LOW_WATER)] {
            let mut coalescer = ReadCoalescer::default();
            take(&mut coalescer, MAX_DELAY, 1, window);
            coalescer.on_frame(bytes);
            coalescer.on_frame(bytes);
            assert_eq!(coalescer.on_drained(MAX_DELAY + STEP, window), Some(arrived));
        }
    }

    #[test]
    fn a_small_window_is_never_paused_for() {
        assert!(!streams(&mut ReadCoalescer::default(), MAX_DELAY, MIN_WINDOW - 1));
        assert!(streams(&mut ReadCoalescer::default(), MAX_DELAY, MIN_WINDOW));
    }
}
