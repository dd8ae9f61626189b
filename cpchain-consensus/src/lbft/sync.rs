//! Catching up: the final chain in ranges, each proved by one certificate at its end and hash links inside.
//!
//! - A range counts only if it was asked for and stands on the last final block, so a peer that lies costs one range and
//!   is blamed; the next range is asked of another (`a_lying_peer_costs_one_range`).
//! - An answer has several ranges, one behind the other, and more of them each time that all came: a link with a long way
//!   is kept busy, a slow or lossy one is not flooded (`answers_grow_while_they_come_whole`).
//! - Whoever lacks more than a few heights asks for ranges alone; single heights only when none came for
//!   a retry interval (`who_has_no_ranges_is_asked_for_heights`, `a_range_under_way_at_the_retry_is_waited_for`).
//! - Word of a later term, which nobody here can check, has ranges asked for too, but nothing less for that
//!   (`word_of_a_later_term_brings_ranges`, `a_made_up_later_term_keeps_nothing_back`).

use alloc::{sync::Arc, vec::Vec};

use super::{
    block::Block,
    engine::{Check, Held, Lbft, Want},
    io::Fault,
    message::{MAX_PIECES, Range},
    statement::Kind,
};
use crate::ids::Height;

/// With that many heights missing a range is asked for.
const BEHIND: u64 = 3;

impl Lbft {
    /// Whether so much is final elsewhere that ranges are worth it, and they come.
    pub(crate) fn wants_range(&self) -> bool {
        (self.is_behind() || self.later) && !self.no_ranges
    }

    /// Whether so much is proved to be final elsewhere.
    pub(crate) fn is_behind(&self) -> bool {
        self.covered.0.saturating_sub(self.tip.height.0) >= BEHIND
    }

    pub(crate) fn take_range(&mut self, range: Range) {
        let Range { blocks, certificate, more } = range;
        let from = self.tip.height.next();
        if !self.is_current(certificate.term) || !self.asked.contains(&Want::Range(from)) {
            return;
        }
        // The answer to an earlier question, which another node answered sooner; or a piece that overtook the one before it:
        // who leaves one out on purpose costs what a silent peer costs.
        if blocks.first().is_some_and(|first| first.header().parent_height != self.tip.height) {
            return;
        }
        self.asked.remove(&Want::Range(from));
        let end = blocks.last().map(|block| (block.height(), block.digest()));
        let ends = certificate.kind == Kind::Commit && end == Some((certificate.height, certificate.digest));
        if !ends || !self.is_chain(&blocks) {
            self.blame("a range that is not the next piece of the chain");
            return;
        }
        if certificate.verify(&self.committee, &self.cache).is_err() || !self.are_sealed(&blocks) {
            self.blame("a range that is not proved");
            return;
        }
        self.ranged = true;
        if more {
            // Nothing is asked for: it is on its way.
            self.asked.insert(Want::Range(certificate.height.next()));
        } else {
            self.pieces = self.pieces.saturating_mul(2).min(MAX_PIECES);
        }
        let height = certificate.height;
        if height > self.covered {
            // Covering drops blocks far above the tip: these come after it.
            self.take_certificate(certificate);
            let covered = self.covered >= height;
            for block in blocks.into_iter().filter(|_| covered) {
                let held = Held { block: block.clone(), check: Check::New, logged: false };
                self.blocks.entry(block.digest()).or_insert(held);
            }
        } else if self.contradicts(&certificate) {
            self.stop(Fault::Contradiction(certificate.height));
        } else {
            self.hear();
            self.deliver(blocks, certificate);
        }
    }

    /// Whether these are one chain of this term, from the last final block on.
    fn is_chain(&self, blocks: &[Arc<Block>]) -> bool {
        let mut parent = (self.tip.height, self.tip.digest);
        let place = (self.committee.chain(), self.committee.term());
        for block in blocks {
            let header = block.header();
            let empty = block.payload().is_empty() || !self.is_closing(header.height);
            let links = (header.parent_height, header.parent) == parent && header.height > parent.0;
            if (header.chain, header.term) != place || !links || !empty {
                return false;
            }
            parent = (block.height(), block.digest());
        }
        true
    }

    fn are_sealed(&self, blocks: &[Arc<Block>]) -> bool {
        let seals = blocks.iter().map(|b| (self.committee.proposer(b.height()), b.statement(), *b.signature()));
        self.cache.invalid(&seals.collect::<Vec<_>>()).is_empty()
    }

    /// At the retry interval: the range that is still waited for. If ranges came in this interval it may be on its way; but
    /// every second time another peer is asked, so that one that trickles does not hold this node. If none came, none is
    /// asked for in the next interval.
    pub(crate) fn ranges_that_come(&mut self) -> Option<Want> {
        let from: Height = self.tip.height.next();
        let open = Some(Want::Range(from)).filter(|want| self.asked.contains(want));
        let came = core::mem::take(&mut self.ranged);
        self.no_ranges = open.is_some() && !came;
        if open.is_some() {
            // An answer is to fit into an interval.
            self.pieces = if came { (self.pieces / 2).max(1) } else { 1 };
        }
        self.waited = came && !self.waited;
        open.filter(|_| self.waited)
    }
}

#[cfg(test)]
#[path = "sync_tests.rs"]
mod tests;
