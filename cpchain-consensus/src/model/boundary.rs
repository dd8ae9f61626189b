//! What holds where one term ends and the next begins, asked of all validators together.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use super::{
    automaton::Facts,
    tally::{Tally, VoteRules},
    universe::Universe,
};
use crate::{
    ids::Height,
    lbft::{Certificate, Committee, Kind},
};

/// Answers of a light client, by the number of honest HANDOVERs for each base.
#[derive(Debug, Default)]
pub(super) struct Asked(Mutex<HashMap<Vec<u8>, Vec<bool>>>);

impl Asked {
    /// Whether a light client takes the committee of each base, and last one of nobody's application, from a certificate with
    /// all HANDOVERs that were given for it.
    fn answers(&self, universe: &Universe, handovers: &[u8]) -> Vec<bool> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answers) = known.get(handovers) {
            return answers.clone();
        }
        let Some(old) = universe.old() else { return Vec::new() };
        let taken = |next: &Committee, votes: u8| {
            let signers = (0..usize::from(votes)).chain(universe.byzantine.clone());
            let said = (Kind::Handover, Height(universe.world.last.into()), next.digest());
            let votes: Vec<_> = signers.filter_map(|place| universe.vote(old, place, said)).collect();
            let proof = Certificate::from_votes(old, said.0, said.1, said.2, &votes);
            universe.light_client(next, &proof).is_ok()
        };
        let on = |base: &usize| Some((universe.next_on(*base)?, handovers.get(*base).copied().unwrap_or_default()));
        let named = universe.bases.iter().filter_map(on).map(|(next, votes)| taken(next, votes));
        let answers: Vec<_> = named.chain([taken(&old.again(), 0)]).collect();
        known.insert(handovers.to_vec(), answers.clone());
        answers
    }
}

/// The honest validators and their votes.
pub(super) struct Boundary<'a> {
    pub(super) universe: &'a Universe,
    pub(super) rules: &'a VoteRules,
    pub(super) tally: &'a Tally,
    pub(super) facts: &'a [Facts],
}

impl Boundary<'_> {
    /// Whether the old committee made a block final that ends its term on this base.
    fn ended_on(&self, base: usize) -> bool {
        let world = &self.universe.world;
        let ends = |block: &usize| world.ends(*block) && world.on_chain(*block) == base;
        (1..world.blocks.len()).filter(ends).any(|block| self.tally.committed(world, self.rules, block))
    }

    /// Whoever is in the next term holds the last height of the old one final, by a C-certificate of the old committee.
    pub(super) fn waits(&self) -> bool {
        let last = u64::from(self.universe.world.last);
        let ready = |facts: &Facts| facts.final_height >= last && facts.base.is_some_and(|base| self.ended_on(base));
        self.facts.iter().filter(|facts| facts.term == 1).all(ready)
    }

    /// A light client takes the committee that follows, with a quorum's HANDOVERs, and no other.
    pub(super) fn names_one(&self, asked: &Asked) -> bool {
        let mut answers = asked.answers(self.universe, &self.tally.handovers);
        let foreign = answers.pop().unwrap_or(true);
        let right = |(base, taken): (&usize, bool)| {
            let votes = self.tally.handovers.get(*base).copied().unwrap_or_default() + self.rules.byzantine;
            if taken { self.ended_on(*base) } else { votes < self.rules.quorum }
        };
        !foreign && self.universe.bases.iter().zip(answers).all(right)
    }

    /// Some validator is in the next term by a closing block, and nothing was final at the last height.
    pub(super) fn closed(&self) -> bool {
        let world = &self.universe.world;
        let last = |block: &usize| world.ends(*block) && world.on_chain(*block) == *block;
        let at_last = (1..world.blocks.len()).filter(last).any(|b| self.tally.committed(world, self.rules, b));
        !at_last && self.facts.iter().any(|facts| facts.term == 1)
    }

    /// A validator of the old term is still in it when others have voted in the next.
    pub(super) fn both_vote(&self) -> bool {
        let world = &self.universe.world;
        let next = (1..world.blocks.len()).filter(|block| world.term_of(*block) == 1);
        let voted = next.filter_map(|block| self.tally.prepares.get(block)).any(|votes| *votes > 0);
        voted && self.facts.iter().any(|facts| facts.term == 0 && facts.open)
    }
}
