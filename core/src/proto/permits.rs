//! Permits in pull mode: how many messages the server may still send.

/// Keeps requested plus held messages at the window, and requests permits in batches.
#[derive(Debug)]
pub(crate) struct Permits {
    window: usize,
    /// Permits requested on this connection, and not yet used by a delivery.
    granted: usize,
    /// Messages delivered on any connection, and not finished by the application.
    in_hand: usize,
}

impl Permits {
    pub(crate) fn new(window: usize) -> Permits {
        Permits { window: window.max(1), granted: 0, in_hand: 0 }
    }

    /// Resets the permits: a new connection inherits none from the previous one.
    pub(crate) fn connected(&mut self) {
        self.granted = 0;
    }

    /// Adds permits that the application requested beyond the window.
    pub(crate) fn granted_besides(&mut self, messages: usize) {
        self.granted += messages;
    }

    pub(crate) fn delivered(&mut self) {
        // A server that sends more than was requested must not make the count wrap.
        self.granted = self.granted.saturating_sub(1);
        self.in_hand += 1;
    }

    pub(crate) fn finished(&mut self, messages: usize) {
        self.in_hand = self.in_hand.saturating_sub(messages);
    }

    pub(crate) fn granted(&self) -> usize {
        self.granted
    }

    /// Returns how many permits to request now, if any. Never zero: the server would deliver one message and record a
    /// debt.
    pub(crate) fn ask(&mut self) -> Option<usize> {
        let room = self.window.saturating_sub(self.granted + self.in_hand);
        let batch = (self.window / 4).max(1);
        if room == 0 || (room < batch && self.granted > 0) {
            return None;
        }
        self.granted += room;
        Some(room)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_window_is_asked_for_once_and_again_as_work_is_finished() {
        let mut permits = Permits::new(8);
        assert_eq!(permits.ask(), Some(8));
        assert_eq!(permits.ask(), None);
        (0..8).for_each(|_| permits.delivered());
        assert_eq!(permits.ask(), None, "nothing is finished yet");
        permits.finished(1);
        assert_eq!(permits.ask(), Some(1), "nothing else is on its way");
        permits.finished(1);
        assert_eq!(permits.ask(), None, "one is still on its way, and one is no full batch");
        permits.finished(1);
        assert_eq!(permits.ask(), Some(2));
    }

    proptest! {
        #[test]
        fn permits_never_leak_and_are_never_below_one(window in 1usize..20, steps in prop::collection::vec(0u8..4, 0..400)) {
            let mut permits = Permits::new(window);
            let (mut on_the_way, mut in_hand) = (0usize, 0usize);
            for step in steps {
                match step {
                    0 => {
                        if let Some(count) = permits.ask() {
                            prop_assert!(count >= 1);
                            on_the_way += count;
                        }
                    }
                    1 if on_the_way > 0 => {
                        permits.delivered();
                        on_the_way -= 1;
                        in_hand += 1;
                    }
                    2 if in_hand > 0 => {
                        permits.finished(1);
                        in_hand -= 1;
                    }
                    3 => {
                        permits.connected();
                        on_the_way = 0;
                    }
                    _ => {}
                }
                prop_assert!(on_the_way + in_hand <= window);
                prop_assert_eq!(permits.granted(), on_the_way);
            }
            // in every case: once all messages are finished, the whole window is open again
            permits.connected();
            permits.finished(in_hand);
            prop_assert_eq!(permits.ask(), Some(window));
        }
    }
}
