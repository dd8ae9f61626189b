//! What votes allow: certificates, justified blocks, final blocks, forks. Shared by both votes models.

use super::{
    event::Said,
    world::{GENESIS, World},
};

/// The rules that votes obey, or a mutant of them. Votes count from 1 to `honest + byzantine`.
#[derive(Debug, Clone)]
pub struct VoteRules {
    /// Validators that keep the rules.
    pub honest: u8,
    /// Validators that sign anything; their votes count everywhere.
    pub byzantine: u8,
    /// Votes in a P-certificate and in a C-certificate.
    pub quorum: u8,
    /// Votes in a C-certificate that ends a term.
    pub end_quorum: u8,
    /// Votes in an impeach certificate.
    pub impeach_quorum: u8,
    /// IMPEACH PREPARE may follow COMMIT.
    pub impeach_after_commit: bool,
    /// COMMIT may follow IMPEACH PREPARE.
    pub commit_after_impeach: bool,
    /// Every height that a block skips has an impeach certificate.
    pub skipped_impeached: bool,
    /// A block's parent has a P-certificate.
    pub parent_certified: bool,
    /// At most one PREPARE at a height.
    pub one_prepare: bool,
    /// PREPAREs at the last height are cast; otherwise any justified block there counts as one that could be final.
    pub last_votes: bool,
}

impl VoteRules {
    /// The rules of [`lbft`](crate::lbft) for `n` validators.
    pub const fn new(n: u8, byzantine: u8) -> Self {
        let quorum = n - (n - 1) / 3;
        Self {
            honest: n - byzantine,
            byzantine,
            quorum,
            end_quorum: quorum,
            impeach_quorum: quorum,
            impeach_after_commit: false,
            commit_after_impeach: false,
            skipped_impeached: true,
            parent_certified: true,
            one_prepare: true,
            last_votes: true,
        }
    }

    /// The white paper's literal rule: `f + 1` endorsements impeach, and nothing excludes COMMIT.
    pub const fn paper(n: u8, byzantine: u8) -> Self {
        let rules = Self::new(n, byzantine);
        let impeach_quorum = (n - 1) / 3 + 1;
        Self { impeach_quorum, impeach_after_commit: true, commit_after_impeach: true, ..rules }
    }

    /// Honest votes that make a block's certificate possible.
    pub(super) const fn need(&self) -> u8 {
        self.quorum.saturating_sub(self.byzantine)
    }

    pub(super) const fn need_to_end(&self) -> u8 {
        self.end_quorum.saturating_sub(self.byzantine)
    }

    pub(super) const fn need_impeach(&self) -> u8 {
        self.impeach_quorum.saturating_sub(self.byzantine)
    }
}

/// From when the next term's validators may vote, or a mutant of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Start {
    /// With a C-certificate of the old set for a block of height L or above; on the last block of height L or below.
    FinalAtTheEnd,
    /// Mutant: with a C-certificate of any height, genesis included.
    AnyFinal,
    /// Mutant: with a P-certificate of height L or above.
    Certified,
}

/// Honest votes by block, and by slot. HANDOVERs count in the model of the boundary alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Tally {
    pub(super) prepares: Vec<u8>,
    pub(super) commits: Vec<u8>,
    pub(super) impeaches: Vec<u8>,
    /// By the block that the next committee follows from.
    pub(super) handovers: Vec<u8>,
}

impl Tally {
    pub(super) fn new(world: &World) -> Self {
        let blocks = vec![0; world.blocks.len()];
        Self {
            prepares: blocks.clone(),
            commits: blocks.clone(),
            handovers: blocks,
            impeaches: vec![0; world.slots.len()],
        }
    }

    /// Counts these votes.
    pub(super) fn add(&mut self, said: &Said) {
        let add = |votes: &mut [u8], said: u64| {
            votes.iter_mut().enumerate().for_each(|(at, votes)| *votes += u8::from(said >> at & 1 == 1));
        };
        add(&mut self.prepares, said.prepares);
        add(&mut self.commits, said.commits);
        add(&mut self.impeaches, said.impeaches.into());
        add(&mut self.handovers, said.handovers);
    }

    /// PREPAREs, COMMITs and IMPEACH PREPAREs.
    pub(super) fn into_parts(self) -> [Vec<u8>; 3] {
        [self.prepares, self.commits, self.impeaches]
    }

    pub(super) fn certified(&self, rules: &VoteRules, block: usize) -> bool {
        block == GENESIS || self.prepares.get(block).is_some_and(|votes| *votes >= rules.need())
    }

    pub(super) fn impeached(&self, rules: &VoteRules, slot: usize) -> bool {
        self.impeaches.get(slot).is_some_and(|votes| *votes >= rules.need_impeach())
    }

    pub(super) fn committed(&self, world: &World, rules: &VoteRules, block: usize) -> bool {
        let need = if world.ends(block) { rules.need_to_end() } else { rules.need() };
        self.commits.get(block).is_some_and(|votes| *votes >= need)
    }

    /// Whether an honest validator may PREPARE it.
    pub(super) fn justified(&self, world: &World, rules: &VoteRules, start: Start, last: u8, block: usize) -> bool {
        let Some(candidate) = world.block(block) else { return false };
        let skips = !rules.skipped_impeached || world.skipped(candidate).all(|slot| self.impeached(rules, slot));
        // By symmetry the second block on a parent is voted for only after the first was.
        let cast = |at: usize| self.prepares.get(at).is_some_and(|votes| *votes > 0);
        let label = !candidate.second || cast(block - 1) || cast(block);
        let term =
            |at: usize| world.block(at).and_then(|b| b.slot).and_then(|place| world.slots.get(place)).map(|s| s.term);
        let crosses = term(block) == Some(1) && term(candidate.parent) != Some(1);
        let parent = if crosses {
            self.starts(world, rules, start, last, candidate.parent)
        } else {
            !rules.parent_certified || self.certified(rules, candidate.parent)
        };
        parent && skips && label
    }

    /// Whether the new term may stand on this block of the old one.
    fn starts(&self, world: &World, rules: &VoteRules, start: Start, last: u8, base: usize) -> bool {
        let old = (0..world.blocks.len()).filter(|at| {
            let slot = world.block(*at).and_then(|block| block.slot).and_then(|place| world.slots.get(place));
            slot.is_none_or(|slot| slot.term == 0) && world.on_chain(*at) == base
        });
        old.into_iter().any(|at| {
            let end = world.block(at).is_some_and(|block| block.height >= last);
            match start {
                Start::FinalAtTheEnd => end && self.committed(world, rules, at),
                Start::AnyFinal => at == GENESIS || self.committed(world, rules, at),
                Start::Certified => end && self.certified(rules, at),
            }
        })
    }

    /// Blocks that are final, or that nothing but the end of the model keeps from being it.
    pub(super) fn finals(&self, world: &World, rules: &VoteRules, start: Start, last: u8) -> Vec<usize> {
        let top = world.slots.len().saturating_sub(1);
        let may = |at: &usize| {
            if world.block(*at).and_then(|block| block.slot) != Some(top) {
                self.committed(world, rules, *at)
            } else if rules.last_votes {
                self.certified(rules, *at)
            } else {
                self.justified(world, rules, start, last, *at)
            }
        };
        (1..world.blocks.len()).filter(may).collect()
    }

    /// Two of the finals that are not on one chain. Of two candidates at the last height that nobody voted for, at most one
    /// becomes final: those do not count against each other.
    pub(super) fn fork(&self, world: &World, rules: &VoteRules, start: Start, last: u8) -> Option<(usize, usize)> {
        let finals = self.finals(world, rules, start, last);
        let top = world.slots.len().saturating_sub(1);
        let open = |at: usize| !rules.last_votes && world.block(at).and_then(|block| block.slot) == Some(top);
        let pairs = finals.iter().flat_map(|a| finals.iter().map(move |b| (*a, *b)));
        pairs.filter(|(a, b)| !(open(*a) && open(*b))).find(|(a, b)| !world.agree((*a, false), (*b, false)))
    }

    /// Never two P-certificates at one slot.
    pub(super) fn one_certificate(&self, world: &World, rules: &VoteRules) -> bool {
        let voted = world.slots.len().saturating_sub(usize::from(!rules.last_votes));
        (0..voted).all(|slot| world.of_slot(slot).filter(|block| self.certified(rules, *block)).count() <= 1)
    }

    /// Never a C-certificate and an impeach certificate at one slot.
    pub(super) fn final_or_impeached(&self, world: &World, rules: &VoteRules) -> bool {
        (0..world.slots.len()).all(|slot| {
            !self.impeached(rules, slot) || !world.of_slot(slot).any(|block| self.committed(world, rules, block))
        })
    }

    /// A P-certificate and an impeach certificate at one slot: normal.
    pub(super) fn both(&self, world: &World, rules: &VoteRules) -> bool {
        (0..world.slots.len())
            .any(|slot| self.impeached(rules, slot) && world.of_slot(slot).any(|block| self.certified(rules, block)))
    }
}
