//! When to dial a peer again: soon at first, then less and less often.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(5);

/// The attempts at one peer. It has no clock: times are since any fixed point.
#[derive(Debug, Clone, Default)]
pub(super) struct Backoff {
    failures: u32,
    not_before: Duration,
}

impl Backoff {
    /// Whether to dial now.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        now >= self.not_before
    }

    /// An attempt failed, or a link broke. `spread` (any byte of the peer's key) keeps many nodes from dialling together.
    pub(super) fn failed(&mut self, spread: u8, now: Duration) {
        let pause = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        // Up to a quarter longer.
        self.not_before = now + pause + pause.saturating_mul(u32::from(spread)) / 1024;
    }

    /// The link stands.
    pub(super) fn linked(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_cap_and_start_over() {
        let mut backoff = Backoff::default();
        assert!(backoff.is_due(Duration::ZERO));
        let mut now = Duration::ZERO;
        let mut pauses = Vec::new();
        for _ in 0..8 {
            backoff.failed(0, now);
            assert!(!backoff.is_due(now));
            pauses.push((backoff.not_before - now).as_millis());
            now = backoff.not_before;
            assert!(backoff.is_due(now));
        }
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 5000, 5000, 5000]);
        backoff.linked();
        backoff.failed(255, now);
        assert_eq!((backoff.not_before - now).as_millis(), 312, "spread over a quarter");
    }
}
