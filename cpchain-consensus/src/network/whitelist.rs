//! The white list of white paper 2.6.3: under attack only members are heard.
//!
//! A pure state machine: it is told about load and time, and says whether the list is on.
//!
//! - Overload for longer than a set time turns it on (`overload_must_last`).
//! - It turns off after calm, after a maximum time, or by hand (`calm_time_and_hand_turn_it_off`).
//! - By hand it is on or off until [`WhiteList::Auto`] (`the_hand_wins`).

use std::time::Duration;

use super::limits::WhiteListRules;

/// What the operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhiteList {
    /// The load decides.
    #[default]
    Auto,
    /// Only members are heard, until told otherwise.
    On,
    /// Everybody is heard, until told otherwise.
    Off,
}

#[derive(Debug, Clone)]
pub(super) struct WhiteListState {
    rules: WhiteListRules,
    wish: WhiteList,
    /// Since when it is on by load.
    on: Option<Duration>,
    /// Since when there is overload, or calm, without a break.
    overload: Option<Duration>,
    calm: Option<Duration>,
}

impl WhiteListState {
    pub(super) const fn new(rules: WhiteListRules) -> Self {
        Self { rules, wish: WhiteList::Auto, on: None, overload: None, calm: None }
    }

    /// Whether only members are heard.
    pub(super) const fn is_on(&self) -> bool {
        match self.wish {
            WhiteList::Auto => self.on.is_some(),
            WhiteList::On => true,
            WhiteList::Off => false,
        }
    }

    /// By hand. Back to [`WhiteList::Auto`] the load is judged anew.
    pub(super) const fn wish(&mut self, wish: WhiteList) {
        (self.wish, self.on, self.overload, self.calm) = (wish, None, None, None);
    }

    /// The load at a time. Call it at an interval well below the times of the rules.
    pub(super) fn observe(&mut self, overloaded: bool, now: Duration) {
        let since = |start: &mut Option<Duration>, is: bool| {
            *start = is.then(|| start.unwrap_or(now));
            start.map(|start| now.saturating_sub(start))
        };
        let overload = since(&mut self.overload, overloaded);
        let calm = since(&mut self.calm, !overloaded);
        match self.on {
            None if overload.is_some_and(|lasts| lasts >= self.rules.overload) => self.on = Some(now),
            Some(on)
                if calm.is_some_and(|lasts| lasts >= self.rules.calm)
                    || now.saturating_sub(on) >= self.rules.longest =>
            {
                // Overload that goes on must last again before it comes back.
                (self.on, self.overload) = (None, None);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: WhiteListRules = WhiteListRules {
        overload: Duration::from_secs(5),
        calm: Duration::from_secs(30),
        longest: Duration::from_secs(600),
        connections: 50,
    };

    fn run(state: &mut WhiteListState, overloaded: bool, seconds: std::ops::Range<u64>) -> Vec<u64> {
        let on = |second: &u64| {
            state.observe(overloaded, Duration::from_secs(*second));
            state.is_on()
        };
        seconds.filter(on).collect()
    }

    #[test]
    fn overload_must_last() {
        let mut state = WhiteListState::new(RULES);
        for start in [0, 10, 20] {
            assert!(run(&mut state, true, start..start + 5).is_empty());
            assert!(run(&mut state, false, start + 5..start + 6).is_empty(), "a break starts the count again");
        }
        assert_eq!(run(&mut state, true, 30..37), [35, 36]);
    }

    #[test]
    fn calm_time_and_hand_turn_it_off() {
        let mut state = WhiteListState::new(RULES);
        run(&mut state, true, 0..10);
        assert!(state.is_on());
        assert_eq!(run(&mut state, false, 10..50).last(), Some(&39), "calm since second 10");
        run(&mut state, true, 50..56);
        assert!(state.is_on());
        let on = run(&mut state, true, 56..700);
        assert!(!on.contains(&655) && !on.contains(&660), "600 seconds after second 55");
        assert!(on.contains(&661), "overload that goes on turns it on again");
        state.wish(WhiteList::Off);
        assert!(!state.is_on());
    }

    #[test]
    fn the_hand_wins() {
        let mut state = WhiteListState::new(RULES);
        state.wish(WhiteList::On);
        assert_eq!(run(&mut state, false, 0..1000).len(), 1000);
        state.wish(WhiteList::Off);
        assert!(run(&mut state, true, 1000..1100).is_empty());
        state.wish(WhiteList::Auto);
        assert_eq!(run(&mut state, true, 1100..1106), [1105]);
    }
}
