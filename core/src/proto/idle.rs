//! Detects connections that break whenever they are idle: the sign of a gateway that closes idle connections.

use std::time::Duration;

use super::Moment;

/// A shorter silence does not count as idle.
const SHORTEST: Duration = Duration::from_millis(500);

/// How long a connection has neither read nor written, and how long the previous one had when it broke.
#[derive(Debug, Default)]
pub(crate) struct Idle {
    quiet_since: Moment,
    /// A frame was queued for writing.
    wrote: bool,
    /// The silence after which the previous connection broke.
    before: Option<Duration>,
}

impl Idle {
    /// Handles data read, or the start of the connection.
    pub(crate) fn handle_traffic(&mut self, now: Moment) {
        self.quiet_since = now;
    }

    pub(crate) fn handle_frame(&mut self) {
        self.wrote = true;
    }

    pub(crate) fn handle_written(&mut self, now: Moment) {
        if std::mem::take(&mut self.wrote) {
            self.quiet_since = now;
        }
    }

    /// Handles a broken connection. Returns an explanation if the previous one broke after the same silence.
    pub(crate) fn handle_lost(&mut self, now: Moment, ping_interval: Duration) -> Option<String> {
        let quiet = now.saturating_sub(self.quiet_since);
        let before = self.before.replace(quiet).filter(|before| *before >= SHORTEST)?;
        let apart = quiet.abs_diff(before);
        (quiet >= SHORTEST && apart <= (before / 5).max(Duration::from_millis(250))).then(|| {
            format!(
                "; like the connection before, it broke after {:.1} s without traffic: does a gateway close idle \
                 connections? ping_interval ({ping_interval:?}) has to be shorter then",
                quiet.as_secs_f64()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_silence_twice_is_told_and_nothing_else() {
        let s = Duration::from_secs_f64;
        for (silences, told) in [
            (&[60.0, 60.1][..], true),
            (&[60.0, 3.0], false),
            (&[60.0], false),
            (&[0.1, 0.1], false),
            (&[60.0, 1.0, 60.0], false),
            (&[1.0, 60.0, 60.0], true),
        ] {
            let mut idle = Idle::default();
            let mut now = Moment::ZERO;
            let mut said = None;
            for silence in silences {
                now += s(5.0);
                idle.handle_traffic(now);
                idle.handle_frame();
                now += s(1.0);
                idle.handle_written(now);
                now += s(*silence);
                idle.handle_written(now);
                said = idle.handle_lost(now, s(30.0));
            }
            assert_eq!(said.is_some(), told, "{silences:?}: {said:?}");
            assert!(said.is_none_or(|said| said.contains("ping_interval (30s)")));
        }
    }
}
