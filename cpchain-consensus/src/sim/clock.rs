//! Local clocks that drift and jump.

/// One member's clock. Timers are set on it: a clock that jumps ahead makes them run out early, one that falls back late.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Clock {
    /// How far it is ahead of virtual time, in microseconds, at `since`.
    ahead: i64,
    /// Virtual time of the last change.
    since: u64,
    /// Parts in a million that it runs fast (or slow, below zero).
    drift: i32,
}

impl Clock {
    /// What it shows at this virtual time, in microseconds.
    pub(crate) fn shows(&self, now: u64) -> i64 {
        let gone = i64::try_from(now.saturating_sub(self.since)).unwrap_or(i64::MAX);
        let gained = i128::from(gone) * i128::from(self.drift) / 1_000_000;
        let base = i64::try_from(now).unwrap_or(i64::MAX).saturating_add(self.ahead);
        base.saturating_add(i64::try_from(gained).unwrap_or(i64::MAX))
    }

    /// The virtual time at which it will show this, from now on.
    pub(crate) fn reaches(&self, now: u64, shows: i64) -> u64 {
        let left = i128::from(shows.saturating_sub(self.shows(now)).max(0));
        let rate = i128::from(1_000_000 + i64::from(self.drift.max(-900_000)));
        let wait = (left * 1_000_000 + rate - 1) / rate;
        now.saturating_add(u64::try_from(wait).unwrap_or(u64::MAX))
    }

    pub(crate) fn jump(&mut self, by: i64) {
        self.ahead = self.ahead.saturating_add(by);
    }

    pub(crate) fn set_drift(&mut self, now: u64, drift: i32) {
        let shows = self.shows(now);
        self.ahead = shows.saturating_sub(i64::try_from(now).unwrap_or(i64::MAX));
        (self.since, self.drift) = (now, drift);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drifts_and_jumps() {
        let mut clock = Clock::default();
        clock.set_drift(0, 100_000);
        assert_eq!(clock.shows(1_000_000), 1_100_000);
        assert_eq!(clock.reaches(0, 1_100_000), 1_000_000);
        clock.set_drift(1_000_000, -500_000);
        assert_eq!((clock.shows(1_000_000), clock.shows(2_000_000)), (1_100_000, 1_600_000));
        clock.jump(-100_000);
        assert_eq!(clock.shows(1_000_000), 1_000_000);
        assert_eq!(clock.reaches(1_000_000, 900_000), 1_000_000, "what has passed is now");
    }
}
