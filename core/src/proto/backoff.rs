//! The delay before the next attempt: exponential with full jitter, from a seed.

use std::time::Duration;

/// The delays between attempts. Each is random between zero and a bound that doubles, so that the clients of a
/// restarting broker do not all reconnect at once.
#[derive(Debug)]
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
    failures: u32,
    random: u64,
}

impl Backoff {
    pub(crate) fn new(min: Duration, max: Duration, seed: u64) -> Backoff {
        // a xorshift generator never leaves zero
        Backoff { min, max, failures: 0, random: seed | 1 }
    }

    /// Returns the delay after one more failure.
    pub(crate) fn next(&mut self) -> Duration {
        let bound = self.min.saturating_mul(1 << self.failures.min(30)).min(self.max);
        self.failures = self.failures.saturating_add(1);
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let fraction = (self.random >> 11) as f64 / (1u64 << 53) as f64;
        bound.mul_f64(fraction)
    }

    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_stay_under_a_bound_that_doubles_up_to_the_maximum() {
        let (min, max) = (Duration::from_millis(100), Duration::from_secs(10));
        let mut longest = [Duration::ZERO; 12];
        for seed in 0..500u64 {
            let mut backoff = Backoff::new(min, max, 0x9e37_79b9_7f4a_7c15u64.wrapping_mul(seed));
            for (failures, longest) in longest.iter_mut().enumerate() {
                let wait = backoff.next();
                assert!(wait <= (min * (1 << failures)).min(max));
                *longest = wait.max(*longest);
            }
        }
        // the jitter uses the whole range
        assert!(longest[0] > min * 9 / 10 && longest[11] > max * 9 / 10, "{longest:?}");
    }

    #[test]
    fn success_begins_again_with_the_shortest_bound() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10), 7);
        for _ in 0..10 {
            backoff.next();
        }
        backoff.reset();
        assert!(backoff.next() <= Duration::from_millis(100));
    }
}
