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

/// All candidates, their ancestors as bit sets, and the slots that they are for.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) blocks: Vec<Candidate>,
    pub(super) slots: Vec<Slot>,
    ancestors: Vec<u64>,
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
        let mut world = Self { blocks: vec![genesis], slots, ancestors: vec![1] };
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
            let twice = !slot.closing && (place + 1 < world.slots.len() || place == 0);
            for parent in parents {
                for second in [false, true].into_iter().take(1 + usize::from(twice)) {
                    world.push(place, slot, parent, second);
                }
            }
        }
        assert!(world.blocks.len() <= 64, "a bit set has room for 64 blocks");
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
        let line = self.ancestors.get(parent).copied().unwrap_or_default() | 1 << self.blocks.len();
        self.blocks.push(Candidate { slot: Some(place), height: slot.height, parent, second, name });
        self.ancestors.push(line);
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

    /// Whether one of the two is an ancestor of the other, or both are the same.
    pub(super) fn agree(&self, a: usize, b: usize) -> bool {
        let above = |a: usize, b: usize| self.ancestors.get(a).is_some_and(|line| line >> b & 1 == 1);
        above(a, b) || above(b, a)
    }
}
