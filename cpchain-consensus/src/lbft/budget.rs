//! How many bytes of blocks a node holds above its final height. Counts bound everything else that it holds: votes and
//! certificates have a most that they weigh.
//!
//! - A block counts for the proposer that sealed it, whoever hands it over. Blocks that no certificate stands on and that this
//!   node did not vote for are held up to [`WAITING`] bytes, and up to [`WAITING_OF_ONE`] of one proposer. What is furthest
//!   from H goes first, so that the block at H stays; its proposer sends it again, and a certificate pulls it
//!   (`a_proposer_fills_no_more_than_its_share`, `held_bytes_are_bounded_and_the_chain_goes_on`).
//! - A block that a certificate stands on, or that this node sent PREPARE for, is never dropped: it may be the only copy of
//!   what the chain goes on from. So while nothing becomes final there must not be more and more of them: a validator that
//!   holds [`UNFINAL`] bytes of such sends no PREPARE for another block that is not small, and asks for what became
//!   final (`a_validator_prepares_no_more_than_it_can_hold`); proposers make small blocks long before
//!   (`blocks_are_small_while_nothing_is_final`), so the chain goes on.
//! - A decoded block does not keep the message that brought it (`a_block_does_not_keep_a_larger_message`).

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use cpchain_crypto::{Digest, PublicKey};

use super::{
    block::{Block, MAX_HEADER},
    engine::{CATCH_UP, Held, Lbft},
    lanes::AHEAD,
    message::MAX_PAYLOAD,
};

/// Most bytes of blocks that nothing vouches for.
pub(crate) const WAITING: usize = 32 << 20;
/// And of those that one proposer sealed.
pub(crate) const WAITING_OF_ONE: usize = 8 << 20;
/// With so many bytes of blocks that something vouches for, only small ones are voted for.
pub(crate) const UNFINAL: usize = 16 << 20;
/// A payload that is always voted for.
pub(crate) const SMALL: usize = 16 << 10;
/// Most bytes of blocks that a node holds above its final height, as long as no more than `f` validators are Byzantine:
/// those that wait; those that it sent PREPARE for; those that others did, of which each is on `f + 1` honest nodes and so
/// all together weigh less than what two may hold; and, while it catches up, the largest blocks at 64 heights and the ranges
/// that wait.
pub const MAX_HELD: usize = WAITING + 3 * UNFINAL + CATCH_UP as usize * MAX_PAYLOAD + AHEAD;
/// Heights without a final block after which proposers make small blocks. A height has at most two blocks that something
/// vouches for, so before that no validator with the same final height holds [`UNFINAL`] bytes.
const PATIENCE: u64 = 8;

// A validator with the same final height as a proposer that keeps to its room never finds the block too heavy.
const _: () = assert!((2 * (PATIENCE as usize - 1) + 1) * (MAX_PAYLOAD + MAX_HEADER) <= UNFINAL);

pub(crate) fn weight(block: &Block) -> usize {
    block.payload().len() + MAX_HEADER
}

impl Lbft {
    /// Bytes of the blocks above the last final height that this node keeps: a bound for tests and metrics.
    pub fn held_bytes(&self) -> usize {
        self.lanes.bytes() + self.waiting_bytes()
    }

    fn waiting_bytes(&self) -> usize {
        self.blocks.values().map(|held| weight(&held.block)).sum()
    }

    /// Drops what is over the bounds, furthest from H first.
    pub(crate) fn shed(&mut self) {
        if self.waiting_bytes() <= WAITING_OF_ONE {
            return;
        }
        let vouched = self.vouched();
        let current = self.height.0;
        let place = |(digest, held): (&Digest, &Held)| {
            let height = held.block.height();
            let proposer = self.committee.proposer(height);
            let waits = proposer != self.me && !vouched.contains(digest);
            waits.then(|| (height.0.abs_diff(current), *digest, proposer, weight(&held.block)))
        };
        let mut waiting: Vec<_> = self.blocks.iter().filter_map(place).collect();
        waiting.sort_unstable();
        let (mut total, mut of_one) = (0, BTreeMap::<PublicKey, usize>::new());
        for (_, digest, proposer, weight) in waiting {
            let own = of_one.entry(proposer).or_default();
            if total + weight > WAITING || *own + weight > WAITING_OF_ONE {
                self.blocks.remove(&digest);
            } else {
                total += weight;
                *own += weight;
            }
        }
    }

    /// Held blocks that a certificate stands on, and those that this node sent PREPARE for.
    fn vouched(&self) -> BTreeSet<Digest> {
        let mut vouched = BTreeSet::new();
        let certified = self.rounds.values().flat_map(|round| [&round.prepared, &round.committed]).flatten();
        for certificate in certified {
            let mut digest = certificate.digest;
            while let Some(held) = self.blocks.get(&digest).filter(|_| !vouched.contains(&digest)) {
                vouched.insert(digest);
                digest = held.block.header().parent;
            }
        }
        vouched.extend(self.blocks.iter().filter(|(_, held)| held.logged).map(|(digest, _)| *digest));
        vouched
    }

    /// Whether PREPARE for this block would have this node hold too much for as long as nothing is final.
    pub(crate) fn is_too_heavy(&self, digest: &Digest) -> bool {
        let heavy = self.blocks.get(digest).filter(|held| held.block.payload().len() > SMALL && !held.logged);
        heavy.is_some_and(|held| {
            // Most of the time all that is held is less.
            self.waiting_bytes() > UNFINAL && {
                let vouched = self.vouched();
                let others = vouched.iter().filter(|other| *other != digest).filter_map(|other| self.blocks.get(other));
                weight(&held.block) + others.map(|held| weight(&held.block)).sum::<usize>() > UNFINAL
            }
        })
    }

    /// Most bytes of an own payload at H.
    pub(crate) fn room(&self) -> usize {
        if self.height.0.saturating_sub(self.tip.height.0) > PATIENCE { SMALL } else { MAX_PAYLOAD }
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
