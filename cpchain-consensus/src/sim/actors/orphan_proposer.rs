use std::sync::Arc;

use cpchain_crypto::{Digest, PublicKey};

use super::{Actor, Stage};
use crate::{
    ids::Height,
    lbft::{Block, Message, Proposal},
};

/// Builds on genesis, or on the height above its own parent: the heights between are not impeached, the parent does not
/// exist, and the justification that it sends along is that of another block.
#[derive(Debug, Clone, Copy, Default)]
pub struct OrphanProposer;

impl Actor for OrphanProposer {
    fn name(&self) -> &'static str {
        "orphan proposer"
    }

    fn says(&mut self, stage: &mut Stage<'_>, to: &[PublicKey], message: Message) {
        match message {
            Message::Propose(proposal) if stage.is_my_turn(proposal.block.height()) => {
                let header = *proposal.block.header();
                let (parent_height, parent) = match stage.random.below(3) {
                    0 => (Height::GENESIS, Digest::ZERO),
                    1 => (Height(header.height.0.saturating_sub(1)), Digest([5; 32])),
                    _ => (header.height, header.parent),
                };
                let payload = proposal.block.payload().clone();
                let block = Block::seal(stage.committee, stage.signer, header.height, parent_height, parent, payload);
                stage.send(to, Message::Propose(Proposal { block: Arc::new(block), ..proposal }));
            }
            other => stage.send(to, other),
        }
    }
}
