//! The proposer: one block for each of its heights, logged before it leaves, the same one again until the height passes.

use alloc::sync::Arc;

use bytes::Bytes;
use cpchain_crypto::Digest;

use super::{
    block::Block,
    certificate::Certificate,
    engine::{Lbft, Lineage},
    io::{Output, Record},
    message::{MAX_PAYLOAD, Message, Proposal},
};
use crate::ids::Height;

impl Lbft {
    /// Whether the current height is this node's to fill and still empty.
    pub(crate) fn my_turn(&self) -> bool {
        self.fault.is_none()
            && !self.over
            && self.goes_on()
            && self.committee.proposer(self.height) == self.me
            && self.rounds.get(&self.height).is_none_or(|round| !round.own_seal)
    }

    /// The highest certified height below H from which every height up to H is impeached: any justified parent is valid,
    /// an honest proposer takes this one. `None` while a certificate is missing.
    pub(crate) fn best_parent(&self) -> Option<(Height, Digest)> {
        let mut height = Height(self.height.0.saturating_sub(1));
        while height > self.tip.height {
            let round = self.rounds.get(&height)?;
            if let Some(certificate) = round.certified() {
                return Some((height, certificate.digest));
            }
            round.impeached.as_ref()?;
            height = Height(height.0.saturating_sub(1));
        }
        Some((self.tip.height, self.tip.digest))
    }

    /// Offers the height to the driver once everything that a block needs is here.
    pub(crate) fn offer(&mut self) {
        if self.offered == Some(self.height) || !self.my_turn() {
            return;
        }
        let Some((height, digest)) = self.best_parent() else { return };
        if matches!(self.lineage(height, digest), Lineage::Whole(_)) {
            self.offered = Some(self.height);
            self.outputs.push(Output::MayPropose { height: self.height });
        }
    }

    pub(crate) fn build(&mut self, height: Height) {
        if height != self.height || !self.my_turn() {
            return;
        }
        // If something came in between that it would stand on and that is not here, the height is offered again.
        self.offered = None;
        let Some((parent_height, parent)) = self.best_parent() else { return };
        if let Lineage::Whole(chain) = self.lineage(parent_height, parent) {
            self.offered = Some(height);
            self.building = Some((height, parent_height, parent));
            if self.is_closing(height) {
                self.seal(height, Bytes::new());
                return;
            }
            let ancestors = self.ancestors(&chain, height);
            self.outputs.push(Output::BuildPayload { height, ancestors, room: self.room() });
        }
    }

    pub(crate) fn seal(&mut self, height: Height, payload: Bytes) {
        let Some((wanted, parent_height, parent)) = self.building.take() else { return };
        if wanted != height || height != self.height || !self.my_turn() || payload.len() > MAX_PAYLOAD {
            return;
        }
        let block = Block::seal(&self.committee, &*self.signer, height, parent_height, parent, payload);
        let block = Arc::new(block);
        self.records.push(Record::Sealed(block.clone()));
        self.rounds.entry(height).or_default().own_seal = true;
        self.take_block(block.clone());
        self.propose(block);
    }

    /// Sends the block with what justifies it.
    pub(crate) fn propose(&mut self, block: Arc<Block>) {
        let header = block.header();
        let below = Height(header.height.0.saturating_sub(1));
        let parent = if header.parent_height == self.tip.height {
            self.tip.certificate.clone()
        } else {
            self.rounds.get(&header.parent_height).and_then(|round| round.certified().cloned())
        };
        let impeachment: Option<Certificate> = (header.parent_height < below)
            .then(|| self.rounds.get(&below).and_then(|round| round.impeached.clone()))
            .flatten();
        let to = self.audience();
        self.send(to, Message::Propose(Proposal { block, parent, impeachment }));
    }
}
