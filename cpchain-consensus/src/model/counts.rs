//! The votes model as a quotient by counting, and the boundary between two terms.
//!
//! Under the rules a vote at a height depends on the validator's other votes at that height alone, so the number of voters
//! is all that matters: PREPAREs of each block; COMMITs and IMPEACH PREPAREs of each height, together at most one for each
//! honest validator. This is exact, and a test compares it with [`Votes`](super::Votes).
//!
//! With two terms the slots of the old one go on after its last height L (closing heights), and the new one has slots and
//! voters of its own from L + 1. Validators that sit in both sets vote in each on their own: votes carry the term.

use std::collections::BTreeSet;

use stateright::{Model, Property};

use super::{
    search::reached,
    tally::{Start, Tally, VoteRules},
    world::World,
};

/// The counting model.
#[derive(Debug, Clone)]
pub struct Counts {
    rules: VoteRules,
    world: World,
    start: Start,
    /// L; the last height of all when there is one term.
    last: u8,
}

impl Counts {
    /// `heights` heights of one term. The rules are those that exclude: at most one PREPARE, COMMIT or IMPEACH PREPARE.
    pub fn new(rules: VoteRules, heights: u8) -> Self {
        let excludes = rules.one_prepare && !rules.impeach_after_commit && !rules.commit_after_impeach;
        assert!(excludes, "the counts are exact under these rules alone");
        Self { rules, world: World::one_term(heights), start: Start::FinalAtTheEnd, last: heights }
    }

    /// A term that ends at `last` with `closing` heights after it, then `next` heights of a term that starts by `start`.
    pub fn two_terms(rules: VoteRules, last: u8, closing: u8, next: u8, start: Start) -> Self {
        Self { world: World::two_terms(last, closing, next), start, last, ..Self::new(rules, last) }
    }

    /// Every state that it reaches.
    pub fn reached(self) -> BTreeSet<Vec<u8>> {
        reached(self, |_, state| state.clone())
    }

    /// Where the pair (COMMITs, IMPEACH PREPAREs) of a slot stands.
    fn pair(&self, slot: usize) -> usize {
        self.world.blocks.len() - 1 + 2 * slot
    }

    fn tally(&self, state: &[u8]) -> Tally {
        let mut tally = Tally::new(&self.world);
        let at = |place: usize| state.get(place).copied().unwrap_or_default();
        for (block, votes) in tally.prepares.iter_mut().enumerate().skip(1) {
            *votes = at(block - 1);
        }
        for slot in 0..self.world.slots.len().saturating_sub(1) {
            let certified = self.world.of_slot(slot).find(|block| tally.certified(&self.rules, *block));
            if let Some(votes) = certified.and_then(|block| tally.commits.get_mut(block)) {
                *votes = at(self.pair(slot));
            }
            if let Some(votes) = tally.impeaches.get_mut(slot) {
                *votes = at(self.pair(slot) + 1);
            }
        }
        tally
    }

    fn fork(&self, state: &[u8]) -> Option<(usize, usize)> {
        self.tally(state).fork(&self.world, &self.rules, self.start, self.last)
    }

    /// The old term's honest validators have said all they ever will, and no block of height L or above is final or can be
    /// without a Byzantine vote: the new term never starts.
    fn dead_end(&self, state: &[u8]) -> bool {
        let at = |place: usize| state.get(place).copied().unwrap_or_default();
        let old =
            || (0..self.world.slots.len()).filter(|slot| self.world.slots.get(*slot).is_some_and(|s| s.term == 0));
        let spent = |slot: usize| at(self.pair(slot)) + at(self.pair(slot) + 1) == self.rules.honest;
        let short = |slot: usize| {
            let early = self.world.slots.get(slot).is_none_or(|s| s.height < self.last);
            early || at(self.pair(slot)) < self.rules.quorum
        };
        old().all(|slot| spent(slot) && short(slot))
    }
}

impl Model for Counts {
    type State = Vec<u8>;
    /// Which count rises by one.
    type Action = usize;

    fn init_states(&self) -> Vec<Self::State> {
        vec![vec![0; self.pair(self.world.slots.len().saturating_sub(1))]]
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<usize>) {
        let tally = self.tally(state);
        let at = |place: usize| state.get(place).copied().unwrap_or_default();
        let top = self.world.slots.len().saturating_sub(1);
        for slot in 0..=top {
            let cast: u8 = self.world.of_slot(slot).map(|block| at(block - 1)).sum();
            if cast < self.rules.honest && (slot < top || self.rules.last_votes) {
                let free = |b: &usize| tally.justified(&self.world, &self.rules, self.start, self.last, *b);
                actions.extend(self.world.of_slot(slot).filter(free).map(|block| block - 1));
            }
            let place = self.pair(slot);
            if slot < top && at(place) + at(place + 1) < self.rules.honest {
                if self.world.of_slot(slot).any(|block| tally.certified(&self.rules, block)) {
                    actions.push(place);
                }
                actions.push(place + 1);
            }
        }
    }

    fn next_state(&self, state: &Self::State, action: usize) -> Option<Self::State> {
        let mut next = state.clone();
        *next.get_mut(action)? += 1;
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::always("no fork", |model: &Self, state: &Vec<u8>| model.fork(state).is_none()),
            Property::always("one P-certificate a height", |model: &Self, state: &Vec<u8>| {
                model.tally(state).one_certificate(&model.world, &model.rules)
            }),
            Property::always("final or impeached, never both", |model: &Self, state: &Vec<u8>| {
                model.tally(state).final_or_impeached(&model.world, &model.rules)
            }),
            Property::sometimes("certified and impeached, which is normal", |model: &Self, state: &Vec<u8>| {
                model.tally(state).both(&model.world, &model.rules)
            }),
        ];
        if self.world.slots.iter().any(|slot| slot.term == 1) {
            all.push(Property::sometimes("the old term ends with nothing final", |m: &Self, state: &Vec<u8>| {
                m.dead_end(state)
            }));
        }
        all
    }

    fn format_action(&self, action: &usize) -> String {
        let blocks = self.world.blocks.len() - 1;
        if *action < blocks {
            return format!("PREPARE({})", self.world.name(action + 1));
        }
        let (slot, impeach) = ((action - blocks) / 2, (action - blocks) % 2 == 1);
        let height = self.world.slots.get(slot).map_or(0, |slot| slot.height);
        let term = self.world.slots.get(slot).map_or(0, |slot| slot.term);
        format!("{}({height}) in term {term}", if impeach { "IMPEACH PREPARE" } else { "COMMIT" })
    }
}

impl super::Told for Counts {
    fn verdict(&self, state: &Self::State) -> String {
        let name = |(a, b)| {
            format!("{} and {} are final, or become it, on different chains", self.world.name(a), self.world.name(b))
        };
        self.fork(state).map(name).unwrap_or_default()
    }
}
