//! Pulling what is missing, and answering pulls. Each want is asked for once in a retry interval, of one validator, and
//! of another one the next time.

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use cpchain_crypto::{Digest, PublicKey};

use super::{
    engine::{Lbft, Lineage, Want},
    io::Output,
    lanes::Lanes,
    message::{MAX_PULL, Message, Pull},
    round::{Round, State},
};
use crate::ids::Height;

/// Heights asked for at once while catching up.
const STRIDE: u64 = 32;
/// Bytes of payloads after which one answer brings no further block.
const MAX_SERVED: usize = 4 << 20;
/// Most blocks of one pull that only prove something against a proposer.
const MAX_OTHERS: usize = 8;

impl Lbft {
    pub(crate) fn fetch(&mut self) {
        let mut wants = Vec::new();
        if self.over {
            return;
        }
        if self.wants_range() {
            wants.push(Want::Range(self.tip.height.next()));
            // The word of a later term may be made up.
            if !self.is_behind() {
                self.want_final(&mut wants);
            }
        } else {
            self.want_final(&mut wants);
            self.want_later(&mut wants);
        }
        self.want_certified(&mut wants);
        self.want_justification(&mut wants);
        // One range at a time from below, whatever the tip is meanwhile.
        let ranges = self.asked_range().is_some();
        wants.retain(|want| !(self.asked.contains(want) || ranges && matches!(want, Want::Range(_))));
        wants.sort_unstable();
        wants.dedup();
        wants.truncate(MAX_PULL);
        self.want_others(&mut wants);
        if wants.is_empty() {
            return;
        }
        let mut pull = Pull::default();
        for want in wants {
            self.asked.insert(want);
            match want {
                Want::Height(height) => pull.heights.push(height),
                Want::Block(digest) => pull.digests.push(digest),
                Want::Range(from) => {
                    let pieces = self.lanes.pieces_below(self.tip.height, self.pieces);
                    (pull.range, pull.pieces) = (Some(from), pieces);
                }
            }
        }
        let below = self.lanes.below().filter(|_| pull.range.is_some() && self.neighbour.is_some());
        if let Some(source) = below.or_else(|| self.source()) {
            if pull.range.is_some() {
                self.lanes.ask_below(source);
            }
            self.send(vec![source], Message::Pull(pull));
        }
    }

    /// The same of other peers, further up, or an end of it.
    pub(crate) fn spread(&mut self) {
        if self.is_behind() && !self.over {
            if !self.no_ranges {
                self.open_lanes();
            }
        } else {
            self.lanes = Lanes::default();
        }
    }

    /// What a C-certificate made final and is not here: its chain downwards, and the heights upwards from the tip.
    fn want_final(&self, wants: &mut Vec<Want>) {
        let lowest = self.rounds.iter().find_map(|(h, round)| round.committed.as_ref().map(|c| (*h, c.digest)));
        let Some((height, digest)) = lowest else { return };
        self.want_lineage(height, digest, wants);
        if self.covered.0 > self.tip.height.0.saturating_add(1) {
            let bare = |height: &u64| {
                let digest = self.rounds.get(&Height(*height)).and_then(|r| r.certified()).map(|c| c.digest);
                digest.is_none_or(|digest| !self.blocks.contains_key(&digest))
            };
            let heights = (self.tip.height.0.saturating_add(1)..=self.covered.0).take(2 * STRIDE as usize).filter(bare);
            wants.extend(heights.take(STRIDE as usize).map(|height| Want::Height(Height(height))));
        }
    }

    /// A later term has begun: what is left of this one, closing included.
    fn want_later(&self, wants: &mut Vec<Want>) {
        if self.later {
            let next = self.tip.height.0.saturating_add(1);
            let last = self.committee.last().map_or(u64::MAX, |last| last.0).min(next.saturating_add(STRIDE));
            wants.extend((next..=last).map(|height| Want::Height(Height(height))));
        }
    }

    /// Blocks that wait for an own COMMIT, with their ancestors.
    fn want_certified(&self, wants: &mut Vec<Want>) {
        if self.index.is_none() {
            return;
        }
        let waits = |round: &Round| round.armed && round.state != State::Commit;
        for (height, round) in self.rounds.iter().filter(|(height, round)| waits(round) && **height > self.covered) {
            if let Some(certificate) = &round.prepared {
                self.want_lineage(*height, certificate.digest, wants);
            }
        }
    }

    /// What the block at H stands on, and what an own proposal at H would stand on.
    fn want_justification(&self, wants: &mut Vec<Want>) {
        if self.index.is_some() {
            for (digest, _) in self.rounds.get(&self.height).into_iter().flat_map(|round| &round.seals) {
                let Some(header) = self.blocks.get(digest).map(|held| *held.block.header()) else {
                    // There was no room for it.
                    wants.extend(self.candidates().contains(digest).then_some(Want::Block(*digest)));
                    continue;
                };
                if self.is_too_heavy(digest) {
                    wants.push(Want::Range(self.tip.height.next()));
                }
                if header.parent_height < self.tip.height {
                    continue;
                }
                if header.parent_height > self.tip.height {
                    if self.rounds.get(&header.parent_height).and_then(|round| round.certified()).is_none() {
                        wants.push(Want::Height(header.parent_height));
                    }
                    self.want_lineage(header.parent_height, header.parent, wants);
                }
                let skipped = header.parent_height.0.saturating_add(1)..header.height.0;
                let lacks = |h: &u64| self.rounds.get(&Height(*h)).is_none_or(|round| round.impeached.is_none());
                wants.extend(skipped.filter(lacks).take(MAX_PULL).map(|h| Want::Height(Height(h))));
            }
        }
        if self.my_turn() {
            match self.best_parent() {
                Some((height, digest)) => self.want_lineage(height, digest, wants),
                None => {
                    let lacks =
                        |h: &u64| self.rounds.get(&Height(*h)).is_none_or(|r| r.certificates().next().is_none());
                    let below = self.tip.height.0.saturating_add(1)..self.height.0;
                    wants.extend(below.filter(lacks).take(MAX_PULL).map(|h| Want::Height(Height(h))));
                }
            }
        }
    }

    /// Blocks that PREPAREs name beside the one under the seal: two of them impeach their proposer and prove what it did. They
    /// come last and few at a time, since a validator that votes for what does not exist costs a pull.
    fn want_others(&self, wants: &mut Vec<Want>) {
        if self.index.is_none() {
            return;
        }
        let open = self.rounds.iter().filter(|(height, _)| **height > self.covered);
        let others = open.flat_map(|(_, round)| round.others()).map(Want::Block);
        let others = others.filter(|want| !self.asked.contains(want) && !wants.contains(want));
        let others: Vec<_> = others.take(MAX_OTHERS.min(MAX_PULL - wants.len())).collect();
        wants.extend(others);
    }

    fn want_lineage(&self, height: Height, digest: Digest, wants: &mut Vec<Want>) {
        if let Lineage::Missing(digest) = self.lineage(height, digest) {
            wants.push(Want::Block(digest));
        }
    }

    /// The neighbour whose message is being taken in: it has what it speaks of. Without one, in turn: who brought news of
    /// late, which is all that a follower among followers knows; and the signers of the entry certificate, who hold what they
    /// signed for, and then every other validator: a single one may hold what lets the others go on (model checker:
    /// `every_state_recovers_in_a_timely_network`).
    fn source(&mut self) -> Option<PublicKey> {
        if let Some(near) = self.neighbour.filter(|key| *key != self.me) {
            return Some(near);
        }
        self.cursor = self.cursor.wrapping_add(1);
        let turn = self.cursor / 2;
        let pick = |mut list: Vec<PublicKey>| {
            list.retain(|key| *key != self.me);
            self.lanes.prefer(&mut list);
            list.get(turn.checked_rem(list.len())?).copied()
        };
        let entry = self.entry.iter().filter(|entry| entry.term == self.committee.term());
        let signers: Vec<_> =
            entry.flat_map(|c| c.signers()).filter_map(|place| self.committee.validator(place)).collect();
        let others = self.committee.validators().iter().filter(|key| !signers.contains(key));
        let validator = pick(signers.iter().chain(others).copied().collect());
        let heard = pick(self.heard.clone());
        let (first, second) = if self.cursor.is_multiple_of(2) { (heard, validator) } else { (validator, heard) };
        let fresh = |key: &PublicKey| !self.lanes.is_below(Some(*key));
        first.filter(fresh).or_else(|| second.filter(fresh)).or(first).or(second)
    }

    /// Answers from what is held here; the rest is left to the driver's storage.
    pub(crate) fn serve(&mut self, from: PublicKey, pull: &Pull) {
        let range = pull.range.filter(|from| *from <= self.tip.height);
        let mut rest = Pull { range, pieces: range.map_or(0, |_| pull.pieces), ..Pull::default() };
        let mut answers = Vec::new();
        let heights: BTreeSet<_> = pull.heights.iter().take(MAX_PULL).collect();
        for height in heights {
            if *height <= self.tip.height {
                rest.heights.push(*height);
            } else if let Some(round) = self.rounds.get(height) {
                answers.extend(round.certificates().cloned().map(Message::Certificate));
            }
        }
        // Each block once, and no more of them than one answer may weigh: who lacks more asks again.
        let digests: BTreeSet<_> = pull.digests.iter().take(MAX_PULL).collect();
        let mut weight = 0;
        for digest in digests {
            match self.blocks.get(digest) {
                Some(_) if weight > MAX_SERVED => {}
                Some(held) => {
                    weight += held.block.payload().len();
                    answers.push(Message::Block(held.block.clone()));
                }
                None => rest.digests.push(*digest),
            }
        }
        for message in answers {
            self.send(vec![from], message);
        }
        if rest != Pull::default() {
            self.outputs.push(Output::Serve { to: from, pull: rest });
        }
    }
}
