//! The blocks that a votes model knows: every one that some justification could ever allow.

use std::fmt;

/// Genesis, in every [`World`].
pub(super) const GENESIS: usize = 0;

/// A (term, height) that has votes of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) term: u8,
    pub(super) height: u8,
    /// After the last height of the old term: its blocks have no place in the chain.
    pub(super) closing: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// Place in [`World::slots`]; genesis has none.
    pub(super) slot: Option<usize>,
    pub(super) height: u8,
    pub(super) parent: usize,
    /// The other block of an equivocating proposer on the same parent.
    pub(super) second: bool,
    name: String,
}

/// All candidates, and the slots that they are for.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) blocks: Vec<Candidate>,
    pub(super) slots: Vec<Slot>,
    /// L: the last height of the old term, or of all if there is one term.
    pub(super) last: u8,
}

impl World {
    /// Two candidates for every parent at each height of one term, one at the last.
    pub(super) fn one_term(heights: u8) -> Self {
        let slots = (1..=heights).map(|height| Slot { term: 0, height, closing: false });
        Self::new(slots.collect(), heights)
    }

    /// A term that ends at `last`, `closing` heights after it, and `next` heights of the next term.
    pub(super) fn two_terms(last: u8, closing: u8, next: u8) -> Self {
        let old = (1..=last + closing).map(|height| Slot { term: 0, height, closing: height > last });
        let new = (1..=next).map(|height| Slot { term: 1, height: last + height, closing: false });
        Self::new(old.chain(new).collect(), last)
    }

    fn new(slots: Vec<Slot>, last: u8) -> Self {
        let genesis = Candidate { slot: None, height: 0, parent: GENESIS, second: false, name: "G".into() };
        let mut world = Self { blocks: vec![genesis], slots, last };
        for (place, slot) in world.slots.clone().into_iter().enumerate() {
            let below = |block: &Candidate| {
                let under = block.slot.and_then(|place| world.slots.get(place));
                // A new term stands on the old chain, never on a closing block.
                block.height < slot.height
                    && under.is_none_or(|under| under.term == slot.term || !under.closing && block.height <= last)
            };
            let parents: Vec<usize> =
                (0..world.blocks.len()).filter(|at| world.block(*at).is_some_and(below)).collect();
            // Closing blocks are empty: there is one on each parent. Nothing stands on the last height.
            let twice = !slot.closing && (place + 1 < world.slots.len() || place == 0 || slot.term == 1);
            for parent in parents {
                for second in [false, true].into_iter().take(1 + usize::from(twice)) {
                    world.push(place, slot, parent, second);
                }
            }
        }
        let high = world.slots.iter().any(|slot| slot.height > 8) || world.slots.len() > 8;
        assert!(world.blocks.len() <= 64 && !high, "bit sets have room for 64 blocks and 8 slots");
        world
    }

    fn push(&mut self, place: usize, slot: Slot, parent: usize, second: bool) {
        let letter = match (slot.closing, slot.term, second) {
            (true, ..) => "c",
            (_, 0, false) => "a",
            (_, 0, true) => "b",
            (_, _, false) => "A",
            (_, _, true) => "B",
        };
        let below = self.block(parent).map(|block| block.name.clone()).unwrap_or_default();
        let name = if below == "G" && slot.height == 1 {
            format!("1{letter}")
        } else {
            format!("{}{letter}<-{below}", slot.height)
        };
        self.blocks.push(Candidate { slot: Some(place), height: slot.height, parent, second, name });
    }

    pub(super) fn block(&self, block: usize) -> Option<&Candidate> {
        self.blocks.get(block)
    }

    pub(super) fn name(&self, block: usize) -> impl fmt::Display + '_ {
        self.block(block).map_or("?", |block| block.name.as_str())
    }

    /// The candidates of a slot.
    pub(super) fn of_slot(&self, place: usize) -> impl Iterator<Item = usize> + '_ {
        (1..self.blocks.len()).filter(move |at| self.block(*at).is_some_and(|block| block.slot == Some(place)))
    }

    /// Slots of the same term between a block's parent and itself: those that it skips.
    pub(super) fn skipped(&self, block: &Candidate) -> impl Iterator<Item = usize> + '_ {
        let own = block.slot.and_then(|place| self.slots.get(place)).copied();
        let (low, high) = (self.block(block.parent).map_or(0, |parent| parent.height), block.height);
        let between =
            move |slot: &Slot| own.is_some_and(|own| own.term == slot.term) && slot.height > low && slot.height < high;
        self.slots.iter().enumerate().filter(move |(_, slot)| between(slot)).map(|(place, _)| place)
    }

    /// What finality of this block means for the chain: itself, or the last block below the closing heights.
    pub(super) fn on_chain(&self, block: usize) -> usize {
        let closing = |at: &usize| {
            self.block(*at)
                .and_then(|b| b.slot)
                .and_then(|place| self.slots.get(place))
                .is_some_and(|slot| slot.closing)
        };
        let parent = |at: &usize| self.block(*at).map(|block| block.parent);
        std::iter::successors(Some(block), parent).find(|at| !closing(at)).unwrap_or(GENESIS)
    }

    /// The place of a (term, height) that has votes.
    pub(super) fn slot_of(&self, term: u8, height: u64) -> Option<usize> {
        self.slots.iter().position(|slot| (slot.term, u64::from(slot.height)) == (term, height))
    }

    pub(super) fn term_of(&self, block: usize) -> u8 {
        self.block(block).and_then(|block| self.slots.get(block.slot?)).map_or(0, |slot| slot.term)
    }

    /// Whether finality of this block ends the old term: it is of height L or above.
    pub(super) fn ends(&self, block: usize) -> bool {
        let two = self.slots.iter().any(|slot| slot.term == 1);
        two && self.term_of(block) == 0 && self.block(block).is_some_and(|block| block.height >= self.last)
    }

    /// The blocks that the next term could stand on.
    pub(super) fn bases(&self) -> Vec<usize> {
        let old = |at: &usize| self.term_of(*at) == 0 && self.on_chain(*at) == *at;
        (0..self.blocks.len()).filter(old).collect()
    }

    /// The last block of the old term under this one.
    pub(super) fn base(&self, block: usize) -> usize {
        let parent = |at: &usize| self.block(*at).map(|block| block.parent);
        let old = |at: &usize| self.term_of(*at) == 0;
        std::iter::successors(Some(block), parent).find(old).map_or(GENESIS, |block| self.on_chain(block))
    }

    /// What is final with this block, a byte for each height from 1: a block, or [`GENESIS`] for an impeached height; and how
    /// many heights. If the block ends the old term, or `ended` says that something did, up to L.
    fn records(&self, block: usize, ended: bool) -> (u64, u8) {
        let mut top = self.on_chain(block);
        let height = self.block(top).map_or(0, |block| block.height);
        let through = if ended || self.ends(block) { height.max(self.last) } else { height };
        let mut records = 0;
        while let Some(candidate) = self.block(top).filter(|candidate| candidate.height > 0) {
            records |= (top as u64) << (8 * (candidate.height - 1));
            top = candidate.parent;
        }
        (records, through)
    }

    /// Whether both can be final: as far as both speak of a height, they agree on its record. With each comes whether the old
    /// term is known to have ended on it.
    pub(super) fn agree(&self, a: (usize, bool), b: (usize, bool)) -> bool {
        let ((a, through_a), (b, through_b)) = (self.records(a.0, a.1), self.records(b.0, b.1));
        let common = u32::from(8 - through_a.min(through_b).min(8)) * 8;
        (a ^ b).checked_shl(common).unwrap_or_default() == 0
    }
}
