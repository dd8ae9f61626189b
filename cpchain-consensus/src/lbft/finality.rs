//! Giving out final heights: the certified block, its ancestors, and the impeached heights between.

use alloc::{sync::Arc, vec::Vec};

use bytes::Bytes;
use cpchain_crypto::Digest;

use super::{
    block::{Block, impeach_digest},
    certificate::Certificate,
    engine::{Lbft, Tip},
    io::{Closing, FinalEntry, Output, Record},
};
use crate::{application::FinalBlock, ids::Height};

impl Lbft {
    /// Makes a chain from above the tip final, lowest block first. `end` is its C-certificate.
    pub(crate) fn deliver(&mut self, chain: Vec<Arc<Block>>, end: Certificate) {
        let (chain, closing) = self.cut(chain, end.clone());
        let last = self.committee.last().filter(|_| closing.is_some());
        // A final closing block brings the timer down like any other: a term may have none but those.
        closing.iter().flat_map(|closing| &closing.blocks).for_each(|_| self.pacemaker.final_block());
        for (place, block) in chain.iter().enumerate() {
            self.deliver_impeached(block.height(), None);
            self.match_seal(block);
            let is_last = place + 1 == chain.len() && last == Some(block.height());
            let height = block.height();
            let known = self.rounds.get(&height).and_then(|round| round.certified().cloned());
            let certificate = if height == end.height { Some(end.clone()) } else { known };
            let final_block = self.proposed(self.tip.digest, block);
            let closing = closing.clone().filter(|_| is_last);
            let end = closing.as_ref().map(|closing| closing.certificate.clone()).or_else(|| certificate.clone());
            self.tip = Tip { height, digest: block.digest(), certificate: end };
            let (term, sealed) = (self.committee.term(), Some(block.clone()));
            self.give(FinalEntry { term, block: final_block, sealed, certificate, closing });
            self.pacemaker.final_block();
        }
        if let Some(last) = last {
            self.deliver_impeached(last.next(), closing);
            self.end_term();
            return;
        }
        let tip = self.tip.height;
        self.rounds.retain(|height, _| *height > tip);
        self.blocks.retain(|_, held| held.block.height() > tip);
    }

    /// A block of a range did not come the way of others: it may be the second under a seal.
    fn match_seal(&mut self, block: &Block) {
        let round = self.rounds.get_mut(&block.height());
        let evidence = round.and_then(|r| r.note_seal(block.statement(), *block.signature(), &self.committee));
        self.accuse(evidence);
    }

    /// The heights above the tip and below this one. If they are the last of the term, the next term stands on the
    /// record of the last one; until then only blocks are stood on.
    fn deliver_impeached(&mut self, below: Height, mut closing: Option<Closing>) {
        let first = self.tip.height.next().0;
        for height in (first..below.0).map(Height) {
            let block = self.impeached(self.tip.digest, height);
            let certificate = self.rounds.get(&height).and_then(|round| round.impeached.clone());
            let closing = closing.take_if(|_| height.next() == below);
            if let Some(closing) = &closing {
                self.tip = Tip { height, digest: block.digest, certificate: Some(closing.certificate.clone()) };
            }
            self.give(FinalEntry { term: self.committee.term(), block, sealed: None, certificate, closing });
        }
    }

    /// What becomes final with a block at `height` whose ancestors above the tip are these: a function of the block alone.
    pub(crate) fn ancestors(&self, chain: &[Arc<Block>], height: Height) -> Vec<FinalBlock> {
        let (mut parent, mut next) = (self.tip.digest, self.tip.height.next());
        let mut all = Vec::new();
        for block in chain {
            all.extend((next.0..block.height().0).map(|height| self.impeached(parent, Height(height))));
            all.push(self.proposed(parent, block));
            (parent, next) = (block.digest(), block.height().next());
        }
        all.extend((next.0..height.0).map(|height| self.impeached(parent, Height(height))));
        all
    }

    fn proposed(&self, parent: Digest, block: &Block) -> FinalBlock {
        let (height, digest) = (block.height(), block.digest());
        let proposer = self.committee.proposer(height);
        FinalBlock { height, digest, parent, proposer, impeached: false, payload: block.payload().clone() }
    }

    fn impeached(&self, parent: Digest, height: Height) -> FinalBlock {
        let proposer = self.committee.proposer(height);
        let (chain, term) = (self.committee.chain(), self.committee.term());
        let digest = impeach_digest(chain, term, &parent, height, &proposer);
        FinalBlock { height, digest, parent, proposer, impeached: true, payload: Bytes::new() }
    }

    fn give(&mut self, entry: FinalEntry) {
        self.remember(entry.block.height, entry.block.digest);
        self.records.push(Record::Final(entry.clone()));
        self.outputs.push(Output::Finalised(entry));
    }
}
