//! Votes alone, as free as the rules leave them: no current height, no timer, no knowledge.
//!
//! An honest validator may PREPARE, COMMIT or ask to impeach at any height, at any moment and in any order, as soon as the
//! honest votes together with all Byzantine ones make the certificate possible that the vote needs. Every order of
//! delivery, every loss, jump and restart from a durable log is a behaviour of this model. Every proposer is Byzantine:
//! two blocks on every admissible parent, which covers honest ones.

use std::collections::BTreeSet;

use stateright::{Model, Property};

use super::{
    search::reached,
    tally::{Start, Tally, VoteRules},
    world::World,
};

/// What one honest validator has said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Ballot {
    /// Bit set of blocks.
    prepares: u64,
    /// For each slot the block; 0 is none.
    commits: [u8; 4],
    /// Bit set of slots.
    impeaches: u8,
}

/// One vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cast {
    /// PREPARE of a validator for a block.
    Prepare(usize, usize),
    /// COMMIT of a validator for a block.
    Commit(usize, usize),
    /// IMPEACH PREPARE of a validator at a height.
    Impeach(usize, usize),
}

/// The model, one ballot for each honest validator. Small: it is for the shortest traces of mutants.
#[derive(Debug, Clone)]
pub struct Votes {
    rules: VoteRules,
    world: World,
}

impl Votes {
    /// `heights` heights (at most four) under these rules.
    pub fn new(rules: VoteRules, heights: u8) -> Self {
        assert!((1..=4).contains(&heights), "one to four heights");
        Self { rules, world: World::one_term(heights) }
    }

    fn tally(&self, state: &[Ballot]) -> Tally {
        let mut tally = Tally::new(&self.world);
        for ballot in state {
            for (block, votes) in tally.prepares.iter_mut().enumerate() {
                *votes += u8::from(ballot.prepares >> block & 1 == 1);
            }
            for block in ballot.commits.into_iter().filter(|block| *block != 0) {
                tally.commits.get_mut(usize::from(block)).into_iter().for_each(|votes| *votes += 1);
            }
            for (slot, votes) in tally.impeaches.iter_mut().enumerate() {
                *votes += u8::from(ballot.impeaches >> slot & 1 == 1);
            }
        }
        tally
    }

    fn fork(&self, state: &[Ballot]) -> Option<(usize, usize)> {
        self.tally(state).fork(&self.world, &self.rules, Start::FinalAtTheEnd, 0)
    }

    /// Every state that it reaches, counted as [`Counts`](super::Counts) counts.
    pub fn reached(self) -> BTreeSet<Vec<u8>> {
        reached(self, |model, state| model.project(state))
    }

    /// Counts by block and slot, as [`Counts`](super::Counts) has them.
    fn project(&self, state: &[Ballot]) -> Vec<u8> {
        let tally = self.tally(state);
        let mut counts = tally.prepares.get(1..).unwrap_or_default().to_vec();
        for (slot, impeaches) in tally.impeaches.iter().enumerate().take(self.world.slots.len().saturating_sub(1)) {
            let commits = self.world.of_slot(slot).filter_map(|block| tally.commits.get(block)).sum();
            counts.extend([commits, *impeaches]);
        }
        counts
    }

    fn votes_of(&self, tally: &Tally, who: usize, ballot: &Ballot, actions: &mut Vec<Cast>) {
        let top = self.world.slots.len().saturating_sub(1);
        for slot in 0..self.world.slots.len() {
            let voted = self.world.of_slot(slot).any(|block| ballot.prepares >> block & 1 == 1);
            let committed = ballot.commits.get(slot).is_some_and(|block| *block != 0);
            let impeached = ballot.impeaches >> slot & 1 == 1;
            for block in self.world.of_slot(slot) {
                let again = ballot.prepares >> block & 1 == 1 || voted && self.rules.one_prepare;
                let justified = || tally.justified(&self.world, &self.rules, Start::FinalAtTheEnd, 0, block);
                if (slot < top || self.rules.last_votes) && !again && justified() {
                    actions.push(Cast::Prepare(who, block));
                }
                let free = self.rules.commit_after_impeach || !impeached;
                if slot < top && !committed && free && tally.certified(&self.rules, block) {
                    actions.push(Cast::Commit(who, block));
                }
            }
            if slot < top && !impeached && (self.rules.impeach_after_commit || !committed) {
                actions.push(Cast::Impeach(who, slot));
            }
        }
    }
}

impl Model for Votes {
    type State = Vec<Ballot>;
    type Action = Cast;

    fn init_states(&self) -> Vec<Self::State> {
        vec![vec![Ballot::default(); usize::from(self.rules.honest)]]
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Cast>) {
        let tally = self.tally(state);
        for (who, ballot) in state.iter().enumerate() {
            self.votes_of(&tally, who, ballot, actions);
        }
    }

    fn next_state(&self, state: &Self::State, action: Cast) -> Option<Self::State> {
        let mut next = state.clone();
        match action {
            Cast::Prepare(who, block) => next.get_mut(who)?.prepares |= 1 << block,
            Cast::Commit(who, block) => {
                let slot = self.world.block(block)?.slot?;
                *next.get_mut(who)?.commits.get_mut(slot)? = u8::try_from(block).ok()?;
            }
            Cast::Impeach(who, slot) => next.get_mut(who)?.impeaches |= 1 << slot,
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("no fork", |model: &Self, state: &Vec<Ballot>| model.fork(state).is_none())]
    }

    fn format_action(&self, action: &Cast) -> String {
        let height = |block: usize| self.world.block(block).map_or(0, |block| block.height);
        match *action {
            Cast::Prepare(who, block) => {
                format!("V{} PREPARE({}, {})", who + 1, height(block), self.world.name(block))
            }
            Cast::Commit(who, block) => format!("V{} COMMIT({}, {})", who + 1, height(block), self.world.name(block)),
            Cast::Impeach(who, slot) => format!("V{} IMPEACH PREPARE({})", who + 1, slot + 1),
        }
    }
}

impl super::Told for Votes {
    fn verdict(&self, state: &Self::State) -> String {
        let name = |(a, b)| {
            format!("{} and {} are final, or become it, on different chains", self.world.name(a), self.world.name(b))
        };
        self.fork(state).map(name).unwrap_or_default()
    }
}
