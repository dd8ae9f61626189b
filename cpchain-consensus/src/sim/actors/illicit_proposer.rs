use std::sync::Arc;

use cpchain_crypto::PublicKey;

use super::{Actor, Stage};
use crate::lbft::{Block, Message, Proposal};

/// Seals payloads that the application refuses.
#[derive(Debug, Clone, Copy, Default)]
pub struct IllicitProposer;

impl Actor for IllicitProposer {
    fn name(&self) -> &'static str {
        "illicit proposer"
    }

    fn says(&mut self, stage: &mut Stage<'_>, to: &[PublicKey], message: Message) {
        match message {
            Message::Propose(proposal) if stage.is_my_turn(proposal.block.height()) => {
                let header = *proposal.block.header();
                let payload = b"this is not what the rules allow".as_slice().into();
                let (height, parent_height, parent) = (header.height, header.parent_height, header.parent);
                let block = Block::seal(stage.committee, stage.signer, height, parent_height, parent, payload);
                stage.send(to, Message::Propose(Proposal { block: Arc::new(block), ..proposal }));
            }
            other => stage.send(to, other),
        }
    }
}
