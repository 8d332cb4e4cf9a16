//! Checks that the peer is alive: it must answer a periodic ping in time.

use std::time::Duration;

use super::{Moment, earliest};

#[derive(Debug)]
pub(crate) struct Liveness {
    interval: Duration,
    timeout: Duration,
    next_ping: Moment,
    /// When the current ping counts as unanswered, unless something arrives first.
    answer_by: Option<Moment>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PingAction {
    Nothing,
    Ping,
    Dead,
}

impl Liveness {
    pub(crate) fn new(interval: Duration, timeout: Duration, now: Moment) -> Liveness {
        Liveness { interval, timeout, next_ping: now + interval, answer_by: None }
    }

    /// Handles anything that arrived: the peer is alive.
    pub(crate) fn handle_activity(&mut self) {
        self.answer_by = None;
    }

    /// Returns what to do now. While `reads_paused`, the driver does not read the socket, so no answer can be missed
    /// either.
    pub(crate) fn handle_timeout(&mut self, now: Moment, reads_paused: bool) -> PingAction {
        if reads_paused {
            self.answer_by = self.answer_by.map(|_| now + self.timeout);
        }
        if self.answer_by.is_some_and(|by| now >= by) {
            return PingAction::Dead;
        }
        if now < self.next_ping {
            return PingAction::Nothing;
        }
        self.next_ping = now + self.interval;
        self.answer_by.get_or_insert(now + self.timeout);
        PingAction::Ping
    }

    pub(crate) fn poll_timeout(&self) -> Moment {
        earliest([Some(self.next_ping), self.answer_by]).unwrap_or(self.next_ping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn silence_after_a_ping_is_death_and_not_before() {
        let mut liveness = Liveness::new(30 * S, 10 * S, Duration::ZERO);
        assert_eq!(liveness.handle_timeout(29 * S, false), PingAction::Nothing);
        assert_eq!(liveness.handle_timeout(30 * S, false), PingAction::Ping);
        assert_eq!(liveness.poll_timeout(), 40 * S);
        assert_eq!(liveness.handle_timeout(39 * S, false), PingAction::Nothing);
        assert_eq!(liveness.handle_timeout(40 * S, false), PingAction::Dead);
    }

    #[test]
    fn further_pings_do_not_put_off_the_answer_to_the_first() {
        let mut liveness = Liveness::new(10 * S, 25 * S, Duration::ZERO);
        for seconds in [10, 20, 30] {
            assert_eq!(liveness.handle_timeout(seconds * S, false), PingAction::Ping);
        }
        assert_eq!(liveness.handle_timeout(35 * S, false), PingAction::Dead);
    }

    #[test]
    fn any_frame_is_an_answer() {
        let mut liveness = Liveness::new(30 * S, 10 * S, Duration::ZERO);
        assert_eq!(liveness.handle_timeout(30 * S, false), PingAction::Ping);
        liveness.handle_activity();
        assert_eq!(liveness.handle_timeout(59 * S, false), PingAction::Nothing);
        assert_eq!(liveness.handle_timeout(60 * S, false), PingAction::Ping);
    }

    #[test]
    fn a_full_queue_is_not_taken_for_a_dead_peer() {
        let mut liveness = Liveness::new(30 * S, 10 * S, Duration::ZERO);
        assert_eq!(liveness.handle_timeout(30 * S, true), PingAction::Ping);
        assert_eq!(liveness.handle_timeout(45 * S, true), PingAction::Nothing);
        assert_eq!(liveness.handle_timeout(56 * S, false), PingAction::Dead);
    }
}
