//! Catching up: the final chain in ranges, each proved by one certificate at its end and hash links inside.
//!
//! - A range counts only if it was asked for, and is checked when it comes, so a peer that lies costs one range and
//!   is blamed; the next range is asked of another (`a_lying_peer_costs_one_range`).
//! - Once ranges come, other peers are asked for parts further up meanwhile: see [`lanes`](super::lanes).
//! - An answer has several ranges, one behind the other, and more of them each time that all came: a link with a long way
//!   is kept busy, a slow or lossy one is not flooded (`answers_grow_while_they_come_whole`).
//! - Whoever lacks more than a few heights asks for ranges alone; single heights only when none came for
//!   a retry interval (`who_has_no_ranges_is_asked_for_heights`, `a_range_under_way_at_the_retry_is_waited_for`).
//! - Word of a later term, which nobody here can check, has ranges asked for too, but nothing less for that
//!   (`word_of_a_later_term_brings_ranges`, `a_made_up_later_term_keeps_nothing_back`).

use alloc::{sync::Arc, vec::Vec};

use cpchain_crypto::Digest;

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
        if !self.is_current(range.certificate.term) {
            return;
        }
        let Some(mut range) = self.take_ahead(range) else { return };
        let Some(asked) = self.asked_range() else { return };
        let tip = (self.tip.height, self.tip.digest);
        let below = range.blocks.first().map_or(tip, |first| (first.header().parent_height, first.header().parent));
        // A piece that overtook the one before it: who leaves one out on purpose costs what a silent peer costs.
        if below.0 > tip.0 {
            return;
        }
        // What another node answered sooner.
        if !range.blocks.is_empty() && range.certificate.height <= tip.0 {
            if !range.more && self.lanes.is_below(self.neighbour) {
                self.asked.remove(&asked);
            }
            return;
        }
        self.asked.remove(&asked);
        let stands = below.0 == tip.0;
        if !self.is_proved(&range, if stands { tip } else { below }) {
            return;
        }
        self.ranged = true;
        self.lanes.measure(&range);
        if range.more {
            // Nothing is asked for: it is on its way.
            self.asked.insert(Want::Range(range.certificate.height.next()));
        } else {
            self.pieces = self.pieces.saturating_mul(2).min(MAX_PIECES);
        }
        if self.cut_to_tip(&mut range) {
            self.take_next(range);
        }
        self.take_waiting();
    }

    /// The range that is waited for. The tip may have passed its beginning by other messages.
    pub(crate) fn asked_range(&self) -> Option<Want> {
        self.asked.iter().find(|want| matches!(want, Want::Range(_))).copied()
    }

    /// Leaves out of a proved range what is final here. Whether what is left is news.
    pub(crate) fn cut_to_tip(&mut self, range: &mut Range) -> bool {
        range.blocks.retain(|block| block.height() > self.tip.height);
        let Some(first) = range.blocks.first().map(|block| *block.header()) else { return false };
        let stands = (first.parent_height, first.parent) == (self.tip.height, self.tip.digest);
        if !stands {
            // Both ends are certified in this term.
            self.stop(Fault::Contradiction(first.height));
        }
        stands
    }

    /// A proved range that stands on the last final block.
    pub(crate) fn take_next(&mut self, range: Range) {
        let Range { blocks, certificate, .. } = range;
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

    /// Whether these blocks are one chain from this parent on, all sealed, with a C-certificate of the last. If not,
    /// the sender is blamed.
    pub(crate) fn is_proved(&mut self, range: &Range, parent: (Height, Digest)) -> bool {
        let Range { blocks, certificate, .. } = range;
        let end = blocks.last().map(|block| (block.height(), block.digest()));
        let ends = certificate.kind == Kind::Commit && end == Some((certificate.height, certificate.digest));
        if !ends || !self.is_chain(blocks, parent) {
            self.blame("a range that is not the next piece of the chain");
            return false;
        }
        if certificate.verify(&self.committee, &self.cache).is_err() || !self.are_sealed(blocks) {
            self.blame("a range that is not proved");
            return false;
        }
        true
    }

    /// Whether these are one chain of this term, from this parent on.
    fn is_chain(&self, blocks: &[Arc<Block>], parent: (Height, Digest)) -> bool {
        let mut parent = parent;
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
        let open = self.asked_range();
        let came = core::mem::take(&mut self.ranged);
        let any = self.lanes.retry(came || open.is_none());
        self.no_ranges = open.is_some() && !came && !any;
        if open.is_some() {
            // An answer is to fit into an interval.
            self.pieces = if came { (self.pieces / 2).max(1) } else { 1 };
        }
        self.waited = came && !(self.waited && self.has_other_peer());
        open.filter(|_| self.waited)
    }
}

#[cfg(test)]
#[path = "lanes_tests.rs"]
mod parts;
#[cfg(test)]
#[path = "sync_tests.rs"]
mod tests;
