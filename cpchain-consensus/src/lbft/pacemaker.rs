//! How long to wait for a proposer.

use core::time::Duration;

use crate::ids::Height;

/// The timer is `base · 2^level`, capped. The level is at least the heights entered since the last final one, less two,
/// and comes down by one with each final block (test `grows_without_finality_and_comes_down_by_halves`).
#[derive(Debug, Clone)]
pub(crate) struct Pacemaker {
    base: Duration,
    cap: Duration,
    level: u32,
}

impl Pacemaker {
    pub(crate) const fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap, level: 0 }
    }

    /// The timer for a height that is entered while `last_final` is the last final one.
    pub(crate) fn entered(&mut self, height: Height, last_final: Height) -> Duration {
        let distance = height.0.saturating_sub(1).saturating_sub(last_final.0).saturating_sub(2);
        // Beyond the level that reaches the cap it would only take longer to come down.
        let top = (0..31).find(|level| self.base.saturating_mul(1 << level) >= self.cap).unwrap_or(31);
        self.level = self.level.max(u32::try_from(distance).unwrap_or(u32::MAX)).min(top);
        self.base.saturating_mul(1 << self.level).min(self.cap.max(self.base))
    }

    pub(crate) const fn final_block(&mut self) {
        self.level = self.level.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_without_finality_and_comes_down_by_halves() {
        let second = Duration::from_secs(1);
        let mut pace = Pacemaker::new(second, second * 20);
        let mut enter = |h, last| pace.entered(Height(h), Height(last)).as_secs();
        assert_eq!([enter(1, 0), enter(2, 0), enter(3, 0), enter(4, 0), enter(5, 0)], [1, 1, 1, 2, 4]);
        assert_eq!([enter(6, 0), enter(7, 0), enter(80, 0)], [8, 16, 20]);
        // However long it took, a few final blocks bring it down.
        (0..5).for_each(|_| pace.final_block());
        assert_eq!(pace.entered(Height(81), Height(80)), second);
        let mut pace = Pacemaker::new(second, second * 20);
        pace.entered(Height(6), Height(0));
        let mut after = vec![];
        for h in 7..11 {
            pace.final_block();
            after.push(pace.entered(Height(h), Height(h - 1)).as_secs());
        }
        assert_eq!(after, [4, 2, 1, 1]);
    }
}
