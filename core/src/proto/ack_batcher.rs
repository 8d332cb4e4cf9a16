//! Batches outgoing acknowledgements, because the proxy wakes up for each write.

use std::collections::VecDeque;
use std::time::Duration;

use super::Moment;
use super::frame::Frame;

/// How long an acknowledgement may wait for others.
const MAX_ACK_DELAY: Duration = Duration::from_millis(1);
/// The largest batch.
const MAX_ACK_BATCH: usize = 100;

/// Frames that wait until the batch is full, or until the first has waited for [`MAX_ACK_DELAY`].
#[derive(Debug)]
pub(crate) struct AckBatcher {
    frames: VecDeque<Frame<'static>>,
    batch_size: usize,
    /// When the batch is sent. `None` when nothing is queued or expected.
    ready_at: Option<Moment>,
    /// Whether queued frames may be sent now.
    ready: bool,
    /// Whether frames are kept until they are released or cleared.
    held: bool,
}

impl AckBatcher {
    /// Creates a batcher for a peer that stops sending after `window` unacknowledged messages.
    pub(crate) fn new(window: usize) -> AckBatcher {
        AckBatcher {
            frames: VecDeque::new(),
            batch_size: (window / 4).clamp(1, MAX_ACK_BATCH),
            ready_at: None,
            ready: false,
            held: false,
        }
    }

    pub(crate) fn push(&mut self, now: Moment, frame: Frame<'static>) {
        self.frames.push_back(frame);
        if self.frames.len() >= self.batch_size {
            self.flush();
        } else {
            self.expect(now);
        }
    }

    /// Starts the delay now: messages were delivered, so acknowledgements will follow.
    pub(crate) fn expect(&mut self, now: Moment) {
        if !self.ready && !self.held {
            self.ready_at.get_or_insert(now + MAX_ACK_DELAY);
        }
    }

    /// Keeps what is pushed from now on. Returns what was queued before.
    pub(crate) fn hold(&mut self) -> VecDeque<Frame<'static>> {
        self.held = true;
        self.ready = false;
        self.ready_at = None;
        std::mem::take(&mut self.frames)
    }

    /// Sends what was kept.
    pub(crate) fn release(&mut self) {
        self.held = false;
        self.flush();
    }

    /// Returns how many more frames fill the batch. A smaller batch is sent at the timeout.
    pub(crate) fn wake_threshold(&self) -> usize {
        match self.ready_at {
            Some(_) => self.batch_size.saturating_sub(self.frames.len()).max(1),
            None => 1,
        }
    }

    /// Sends what is queued without further delay.
    pub(crate) fn flush(&mut self) {
        self.ready = !self.frames.is_empty() && !self.held;
        self.ready_at = None;
    }

    pub(crate) fn handle_timeout(&mut self, now: Moment) {
        if self.ready_at.is_some_and(|at| now >= at) {
            self.flush();
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Moment> {
        self.ready_at
    }

    pub(crate) fn pop(&mut self) -> Option<Frame<'static>> {
        if !self.ready {
            return None;
        }
        let frame = self.frames.pop_front();
        self.ready = !self.frames.is_empty();
        frame
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Drops all queued frames and returns how many there were.
    pub(crate) fn clear(&mut self) -> usize {
        self.ready = false;
        self.ready_at = None;
        let dropped = self.frames.len();
        self.frames.clear();
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(batcher: &mut AckBatcher) -> usize {
        std::iter::from_fn(|| batcher.pop()).count()
    }

    #[test]
    fn a_lone_frame_waits_a_millisecond_and_no_longer() {
        let mut batcher = AckBatcher::new(1000);
        batcher.push(Moment::ZERO, Frame::Permit(1));
        assert_eq!((drain(&mut batcher), batcher.poll_timeout()), (0, Some(MAX_ACK_DELAY)));
        batcher.handle_timeout(MAX_ACK_DELAY);
        assert_eq!((drain(&mut batcher), batcher.poll_timeout()), (1, None));
        batcher.push(MAX_ACK_DELAY, Frame::Permit(2));
        assert_eq!((drain(&mut batcher), batcher.poll_timeout()), (0, Some(2 * MAX_ACK_DELAY)), "and so does the next");
    }

    #[test]
    fn enough_frames_do_not_wait() {
        let mut batcher = AckBatcher::new(8);
        batcher.push(Moment::ZERO, Frame::Permit(1));
        assert_eq!(drain(&mut batcher), 0);
        batcher.push(Moment::ZERO, Frame::Permit(2));
        assert_eq!((drain(&mut batcher), batcher.poll_timeout()), (2, None));
        assert!(batcher.is_empty());
    }

    #[test]
    fn a_window_of_one_never_waits() {
        let mut batcher = AckBatcher::new(1);
        batcher.push(Moment::ZERO, Frame::Permit(1));
        assert_eq!(drain(&mut batcher), 1);
    }
}
