//! Giving out final heights: the certified block, its ancestors, and the impeached heights between.

use alloc::sync::Arc;

use bytes::Bytes;

use super::{
    block::{Block, impeach_digest},
    engine::{Lbft, Tip},
    io::{FinalEntry, Output, Record},
};
use crate::{application::FinalBlock, ids::Height};

impl Lbft {
    /// Makes a chain from above the tip final, lowest block first.
    pub(crate) fn deliver(&mut self, chain: &[Arc<Block>]) {
        for block in chain {
            let mut skipped = self.tip.height.next();
            while skipped < block.height() {
                self.deliver_impeached(skipped);
                skipped = skipped.next();
            }
            let height = block.height();
            let certificate = self.rounds.get(&height).and_then(|round| round.certified().cloned());
            let final_block = FinalBlock {
                height,
                digest: block.digest(),
                parent: self.tip.digest,
                proposer: self.committee.proposer(height),
                impeached: false,
                payload: block.payload().clone(),
            };
            self.give(FinalEntry { block: final_block, sealed: Some(block.clone()), certificate: certificate.clone() });
            self.tip = Tip { height, digest: block.digest(), certificate };
            self.pacemaker.final_block();
        }
        let tip = self.tip.height;
        self.rounds.retain(|height, _| *height > tip);
        self.blocks.retain(|_, held| held.block.height() > tip);
    }

    fn deliver_impeached(&mut self, height: Height) {
        let proposer = self.committee.proposer(height);
        let (chain, term) = (self.committee.chain(), self.committee.term());
        let block = FinalBlock {
            height,
            digest: impeach_digest(chain, term, &self.tip.digest, height, &proposer),
            parent: self.tip.digest,
            proposer,
            impeached: true,
            payload: Bytes::new(),
        };
        let certificate = self.rounds.get(&height).and_then(|round| round.impeached.clone());
        self.give(FinalEntry { block, sealed: None, certificate });
    }

    fn give(&mut self, entry: FinalEntry) {
        self.remember(entry.block.height, entry.block.digest);
        self.records.push(Record::Final(entry.clone()));
        self.outputs.push(Output::Finalised(entry));
    }
}
