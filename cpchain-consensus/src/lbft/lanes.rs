//! Catching up from several peers at once. One lane goes up from the last final block ([`sync`](super::sync)); beside it other
//! peers are asked for parts further up, of a chain that a C-certificate at the top proves to be there.
//!
//! - A part is a run of ranges, and each range proves itself: hash links inside and a C-certificate of the term at its end
//!   make it final whatever lies below. So it is checked when it comes, waits for what is below it, and who lies costs one range
//!   and its lane (`parts_come_from_several_peers`, `liars_slow_and_silent_peers_hold_nobody_up`).
//! - A lane that brings nothing for a retry interval ends, and so does one that the lane from below has reached; its peer is not
//!   asked for parts again until this node has caught up or nothing comes at all (same tests).
//! - What waits has at most [`AHEAD`] bytes: no more is asked for than fits, and what does not fit is dropped
//!   (`what_waits_is_bounded`).
//! - Parts may overlap where heights were impeached, and are cut where they meet (`parts_are_joined_where_they_meet`).

use alloc::{collections::BTreeMap, vec, vec::Vec};

use cpchain_crypto::PublicKey;

use super::{
    budget::weight,
    committee::MAX_VALIDATORS,
    engine::{Lbft, Want},
    message::{MAX_PIECES, Message, Pull, Range},
};
use crate::ids::Height;

/// Peers that are asked for parts further up.
const LANES: usize = 3;
/// Most bytes of ranges that wait for what is below them.
pub(crate) const AHEAD: usize = 24 << 20;
/// Most heights above the last final one at which a part ends.
const HORIZON: u64 = 1 << 16;

/// Most peers that are remembered as bringing nothing.
const MOST_IDLE: usize = 2 * MAX_VALIDATORS;

/// What one peer was asked for.
#[derive(Debug, Clone)]
struct Lane {
    peer: PublicKey,
    /// Where its next range begins.
    next: Height,
    until: Height,
    /// Ranges of the answer under way.
    pieces: u32,
    /// Something came since the last retry.
    came: bool,
    /// Opened since the last retry.
    young: bool,
}

/// The parts that are asked for, and those that wait.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lanes {
    open: Vec<Lane>,
    /// Proved ranges, by the height that they stand on.
    ahead: BTreeMap<Height, Range>,
    /// Heights and bytes of the last range that came.
    last: Option<(u64, usize)>,
    /// Whom the lane from below asked last.
    below: Option<PublicKey>,
    /// Who brought nothing.
    idle: Vec<PublicKey>,
}

fn bytes(range: &Range) -> usize {
    range.blocks.iter().map(|block| weight(block)).sum()
}

/// The height that a range stands on.
fn stands_on(range: &Range) -> Option<Height> {
    range.blocks.first().map(|block| block.header().parent_height)
}

impl Lanes {
    /// Bytes of blocks that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.ahead.values().map(bytes).sum()
    }

    /// As if a lane had brought it.
    #[cfg(test)]
    pub(crate) fn wait_for_test(&mut self, below: Height, range: Range) {
        self.ahead.insert(below, range);
    }

    /// A range came that is proved.
    pub(crate) fn measure(&mut self, range: &Range) {
        let heights = stands_on(range).map_or(1, |below| range.certificate.height.0.saturating_sub(below.0));
        self.last = Some((heights.max(1), bytes(range)));
    }

    pub(crate) fn ask_below(&mut self, peer: PublicKey) {
        self.below = Some(peer);
    }

    /// Whom to ask for the next range from below while others are busy with parts of their own: the one that brought the last.
    pub(crate) fn below(&self) -> Option<PublicKey> {
        self.below.filter(|peer| !self.open.is_empty() && !self.is_idle(peer))
    }

    /// The peer brings nothing that counts.
    pub(crate) fn shun(&mut self, peer: PublicKey) {
        self.open.retain(|lane| lane.peer != peer);
        if !self.idle.contains(&peer) {
            if self.idle.len() >= MOST_IDLE {
                self.idle.clear();
            }
            self.idle.push(peer);
        }
    }

    pub(crate) fn is_below(&self, peer: Option<PublicKey>) -> bool {
        peer.is_some() && self.below == peer
    }

    /// Whether it costs an interval to ask this peer, as far as is known.
    pub(crate) fn is_idle(&self, peer: &PublicKey) -> bool {
        self.idle.contains(peer)
    }

    /// Leaves out who brought nothing, and who was asked last, unless nobody else is there.
    pub(crate) fn prefer(&self, list: &mut Vec<PublicKey>) {
        let keep = |list: &mut Vec<PublicKey>, is_good: &dyn Fn(&PublicKey) -> bool| {
            if list.iter().any(is_good) {
                list.retain(is_good);
            }
        };
        keep(list, &|key| !self.is_idle(key));
        keep(list, &|key| self.below != Some(*key));
    }

    /// At the retry interval. `came` is whether anything came from below that was to come. Gives whether anything came at all.
    pub(crate) fn retry(&mut self, came: bool) -> bool {
        let any = came || self.open.iter().any(|lane| lane.came);
        if !any {
            // Whoever is left knows nothing more: the others may again.
            self.idle.clear();
        }
        let silent = self.open.iter().filter(|lane| !lane.came && !lane.young).map(|lane| lane.peer);
        let silent: Vec<_> = silent.chain(self.below.filter(|_| !came)).collect();
        silent.into_iter().for_each(|peer| self.shun(peer));
        self.open.iter_mut().for_each(|lane| (lane.came, lane.young) = (false, false));
        any
    }

    /// The lowest height above `tip` that is asked for or waits; the lane from below goes up to it.
    fn lowest(&self) -> Option<Height> {
        let ahead = self.ahead.keys().next().map(|below| below.next());
        self.open.iter().map(|lane| lane.next).chain(ahead).min()
    }

    /// How many ranges the lane from below asks for, of so many that it may.
    pub(crate) fn pieces_below(&self, tip: Height, most: u32) -> u32 {
        let Some((lowest, (heights, _))) = self.lowest().zip(self.last) else { return most };
        let gap = lowest.0.saturating_sub(tip.0.saturating_add(1)).div_ceil(heights);
        most.min(u32::try_from(gap).unwrap_or(u32::MAX)).max(1)
    }

    /// What is asked for or waits, lowest first.
    fn taken(&self) -> Vec<(Height, Height)> {
        let ahead = self.ahead.iter().map(|(below, range)| (below.next(), range.certificate.height));
        let mut taken: Vec<_> = self.open.iter().map(|lane| (lane.next, lane.until)).chain(ahead).collect();
        taken.sort_unstable();
        taken
    }

    /// The lowest part that nobody was asked for, from `from` up to `top`, at most so many heights.
    fn gap(&self, from: Height, top: Height, most: u64) -> Option<(Height, Height)> {
        let mut from = from;
        let mut end = top;
        for (first, last) in self.taken() {
            if first > from {
                end = end.min(Height(first.0.saturating_sub(1)));
                break;
            }
            from = from.max(last.next());
        }
        let end = end.min(Height(from.0.saturating_add(most.saturating_sub(1))));
        (from <= end).then_some((from, end))
    }

    /// Ranges that a new part may have, for what waits and is asked for to stay within the bound.
    fn room(&self, each: usize, most: u32) -> u32 {
        let asked: usize = self.open.iter().map(|lane| each.saturating_mul(lane.pieces as usize)).sum();
        let left = AHEAD.saturating_sub(self.bytes()).saturating_sub(asked) / each.max(1);
        // What is left is for the other lanes too.
        u32::try_from(left / (LANES - self.open.len().min(LANES - 1))).unwrap_or(u32::MAX).min(most)
    }
}

impl Lbft {
    /// The tip has reached a part that is under way: that is the lane from below now.
    pub(crate) fn join_lanes(&mut self) {
        let from = self.tip.height.next();
        if self.asked_range().is_some() || self.over {
            return;
        }
        let joins = |lane: &Lane| lane.next <= from && lane.until >= from && (lane.came || lane.young);
        if let Some(place) = self.lanes.open.iter().position(joins) {
            let lane = self.lanes.open.swap_remove(place);
            self.lanes.below = Some(lane.peer);
            self.asked.insert(Want::Range(from));
        }
    }

    /// Asks for parts further up, once ranges come from below.
    pub(crate) fn open_lanes(&mut self) {
        let tip = self.tip.height;
        // What the lane from below has reached is its own.
        let reached: Vec<_> =
            self.lanes.open.iter().filter(|lane| lane.next <= tip.next()).map(|lane| (lane.peer, lane.came)).collect();
        for (peer, came) in reached {
            if came { self.lanes.open.retain(|lane| lane.peer != peer) } else { self.lanes.shun(peer) }
        }
        let Some((heights, each)) = self.lanes.last else { return };
        while self.lanes.open.len() < LANES {
            let pieces = self.lanes.room(each, self.pieces);
            let below = Height(tip.0.saturating_add(1).saturating_add(heights.saturating_mul(u64::from(self.pieces))));
            let top = self.covered.min(Height(tip.0.saturating_add(HORIZON)));
            let most = heights.saturating_mul(u64::from(pieces));
            let Some((next, until)) = self.lanes.gap(below, top, most).filter(|_| pieces > 0) else { return };
            let Some(peer) = self.lane_peer() else { return };
            self.lanes.open.push(Lane { peer, next, until, pieces, came: false, young: true });
            self.ask_lane(peer);
        }
    }

    /// Whether anyone else may be asked for what the lane from below waits for.
    pub(crate) fn has_other_peer(&self) -> bool {
        let mut keys = self.heard.iter().chain(self.committee.validators());
        keys.any(|key| *key != self.me && self.lanes.below != Some(*key) && !self.lanes.is_idle(key))
    }

    /// Someone with no lane: who brought news of late, then whoever signed for what is to be fetched, then the others.
    fn lane_peer(&self) -> Option<PublicKey> {
        let top = self.rounds.get(&self.covered).and_then(|round| round.committed.as_ref());
        let signers = top.into_iter().flat_map(|top| top.signers()).filter_map(|place| self.committee.validator(place));
        let others = self.committee.validators().iter().copied();
        let busy = |key: &PublicKey| {
            *key == self.me
                || self.lanes.below == Some(*key)
                || self.lanes.idle.contains(key)
                || self.lanes.open.iter().any(|lane| lane.peer == *key)
        };
        self.heard.iter().copied().chain(signers).chain(others).find(|key| !busy(key))
    }

    fn ask_lane(&mut self, peer: PublicKey) {
        let Some(lane) = self.lanes.open.iter().find(|lane| lane.peer == peer) else { return };
        let pull = Pull { range: Some(lane.next), pieces: lane.pieces.min(MAX_PIECES), ..Pull::default() };
        self.send(vec![peer], Message::Pull(pull));
    }

    /// A range that does not stand on the last final block. Gives it back if no lane asked for it.
    pub(crate) fn take_ahead(&mut self, range: Range) -> Option<Range> {
        let (Some(from), Some(below)) = (self.neighbour, stands_on(&range)) else { return Some(range) };
        let first = range.blocks.first().map_or(below, |block| block.height());
        let asked = |lane: &&mut Lane| lane.peer == from && below < lane.next && lane.next <= first;
        if below <= self.tip.height || self.lanes.open.iter_mut().find(asked).is_none() {
            return Some(range);
        }
        let parent = range.blocks.first().map_or(self.tip.digest, |block| block.header().parent);
        if !self.is_proved(&range, (below, parent)) {
            self.lanes.shun(from);
            return None;
        }
        self.lanes.measure(&range);
        let (more, end, size) = (range.more, range.certificate.height, bytes(&range));
        if self.lanes.bytes().saturating_add(size) > AHEAD {
            self.lanes.open.retain(|lane| lane.peer != from);
            return None;
        }
        self.lanes.ahead.entry(below).or_insert(range);
        let (heights, _) = self.lanes.last.unwrap_or((1, 0));
        let joined = self.lanes.ahead.contains_key(&end);
        let next = end.next();
        self.lanes.open.retain_mut(|lane| {
            if lane.peer != from {
                return true;
            }
            (lane.next, lane.came) = (next, true);
            let left = lane.until.next().0.saturating_sub(next.0).div_ceil(heights);
            lane.pieces = u32::try_from(left).unwrap_or(1).max(1);
            left > 0 && !joined
        });
        if !more {
            self.ask_lane(from);
        }
        None
    }

    /// What waited for the block that is final now.
    pub(crate) fn take_waiting(&mut self) {
        while let Some((below, _)) = self.lanes.ahead.first_key_value().filter(|(below, _)| **below <= self.tip.height)
        {
            let below = *below;
            let Some(mut range) = self.lanes.ahead.remove(&below) else { return };
            if !self.cut_to_tip(&mut range) {
                continue;
            }
            // What the lane from below waits for may be far below now.
            self.asked.retain(|want| !matches!(want, Want::Range(_)));
            self.take_next(range);
        }
    }
}
