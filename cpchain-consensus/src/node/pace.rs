//! When a proposer speaks: not sooner than the block interval, and when idle not before the idle interval.

use std::time::Duration;

use tokio::time::Instant;

use crate::ids::Height;

#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    idle: Duration,
    /// When the current height was entered: about when the block below it was certified.
    entered: Instant,
    turn: Option<Turn>,
}

#[derive(Debug)]
struct Turn {
    height: Height,
    /// An empty payload is not sealed before this.
    idle_until: Instant,
    /// When to ask the application next; none while it has nothing and the idle interval is to pass.
    ask_at: Instant,
}

impl Pace {
    pub(super) fn new(interval: Duration, idle: Duration) -> Self {
        Self { interval, idle, entered: Instant::now(), turn: None }
    }

    pub(super) fn entered(&mut self, height: Height, now: Instant) {
        self.entered = now;
        self.turn = self.turn.take().filter(|turn| turn.height == height);
    }

    pub(super) fn may_propose(&mut self, height: Height, now: Instant) {
        let ask_at = now.max(self.entered + self.interval);
        self.turn = Some(Turn { height, idle_until: self.entered + self.idle, ask_at });
    }

    /// When [`due`](Self::due) should be asked.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        self.turn.as_ref().map(|turn| turn.ask_at)
    }

    /// The height to propose at, if it is time. If nothing comes of it, the next time is an idle interval later.
    pub(super) fn due(&mut self, now: Instant) -> Option<Height> {
        let turn = self.turn.as_mut().filter(|turn| turn.ask_at <= now)?;
        turn.ask_at = now + self.idle;
        Some(turn.height)
    }

    /// Whether a payload is to be sealed now. An empty one waits for the idle interval or for work.
    pub(super) fn seal(&mut self, height: Height, empty: bool, now: Instant) -> bool {
        match &mut self.turn {
            Some(turn) if turn.height == height && empty && now < turn.idle_until => {
                turn.ask_at = turn.idle_until;
                false
            }
            _ => {
                self.turn = None;
                true
            }
        }
    }

    /// The application has something to order.
    pub(super) fn work(&mut self, now: Instant) {
        let soonest = now.max(self.entered + self.interval);
        if let Some(turn) = &mut self.turn {
            turn.ask_at = turn.ask_at.min(soonest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn idle_waits_and_work_wakes() {
        let (fast, slow) = (Duration::from_millis(100), Duration::from_secs(1));
        let start = Instant::now();
        let mut pace = Pace::new(fast, slow);
        pace.entered(Height(1), start);
        pace.may_propose(Height(1), start);
        assert_eq!(pace.due(start), None);
        assert_eq!(pace.wake_at(), Some(start + fast));
        let now = start + fast;
        assert_eq!(pace.due(now), Some(Height(1)));
        assert!(!pace.seal(Height(1), true, now), "an empty block waits");
        assert_eq!(pace.wake_at(), Some(start + slow));
        pace.work(now);
        assert_eq!(pace.due(now), Some(Height(1)));
        assert!(pace.seal(Height(1), false, now));
        assert_eq!(pace.wake_at(), None);
        pace.may_propose(Height(1), now);
        assert!(pace.seal(Height(1), true, start + slow), "an empty block after the idle interval");
    }
}
