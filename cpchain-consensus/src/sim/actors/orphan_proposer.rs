use std::sync::Arc;

use cpchain_crypto::{Digest, PublicKey};

use super::{Actor, Stage};
use crate::{
    ids::Height,
    lbft::{Block, Message, Proposal},
    sim::application::Chained,
};

const KEPT: usize = 8;

/// Builds where it may not: beside an earlier block, whose height nobody impeached; on an earlier block that perhaps nobody
/// certified; on a parent that does not exist. The payloads are what the application wants there, and the justification
/// that it sends along is that of another block.
#[derive(Debug, Clone, Default)]
pub struct OrphanProposer {
    heard: Vec<Arc<Block>>,
}

impl Actor for OrphanProposer {
    fn name(&self) -> &'static str {
        "orphan proposer"
    }

    fn hears(&mut self, _: &mut Stage<'_>, message: &Message) -> bool {
        if let Message::Propose(Proposal { block, .. }) | Message::Block(block) = message
            && self.heard.iter().all(|known| known.digest() != block.digest())
        {
            if self.heard.len() >= KEPT {
                self.heard.remove(0);
            }
            self.heard.push(Arc::clone(block));
        }
        true
    }

    fn says(&mut self, stage: &mut Stage<'_>, to: &[PublicKey], message: Message) {
        match message {
            Message::Propose(proposal) if stage.is_my_turn(proposal.block.height()) => {
                let height = proposal.block.height();
                let below: Vec<_> = self.heard.iter().filter(|block| block.height() < height).cloned().collect();
                let (parent_height, parent, mut payload) = match (stage.random.below(5), stage.random.pick(&below)) {
                    (0 | 1, Some(other)) => {
                        let header = other.header();
                        (header.parent_height, header.parent, Chained::state_before(other.payload()).to_vec())
                    }
                    (2 | 3, Some(other)) => {
                        (other.height(), other.digest(), Chained::state_after(other.payload()).to_vec())
                    }
                    _ => (Height(height.0.saturating_sub(1)), Digest([5; 32]), Vec::new()),
                };
                payload.extend_from_slice(b"orphan");
                let block = Block::seal(stage.committee, stage.signer, height, parent_height, parent, payload.into());
                stage.send(to, Message::Propose(Proposal { block: Arc::new(block), ..proposal }));
            }
            other => stage.send(to, other),
        }
    }
}
