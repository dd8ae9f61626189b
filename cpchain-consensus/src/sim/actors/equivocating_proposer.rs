use std::sync::Arc;

use cpchain_crypto::PublicKey;

use super::{Actor, Stage};
use crate::lbft::{Block, Message, Proposal};

/// Seals two blocks for each of its heights, both licit, and shows each to half of the others; now and then both to one.
#[derive(Debug, Clone, Copy, Default)]
pub struct EquivocatingProposer;

impl Actor for EquivocatingProposer {
    fn name(&self) -> &'static str {
        "equivocating proposer"
    }

    fn says(&mut self, stage: &mut Stage<'_>, to: &[PublicKey], message: Message) {
        match message {
            Message::Propose(proposal) if stage.is_my_turn(proposal.block.height()) => {
                let header = proposal.block.header();
                let payload = [proposal.block.payload(), &b"2"[..]].concat();
                let (height, parent_height, parent) = (header.height, header.parent_height, header.parent);
                let second = Block::seal(stage.committee, stage.signer, height, parent_height, parent, payload.into());
                let second = Message::Propose(Proposal { block: Arc::new(second), ..proposal.clone() });
                // The same halves each time, so that most validators hear of one block alone.
                let half = |key: &&PublicKey| (key.0.first().copied().unwrap_or(0) ^ height.0 as u8) & 1 == 0;
                let (mut these, those): (Vec<_>, Vec<_>) = to.iter().partition(half);
                if stage.random.chance(2_000) {
                    these.extend(stage.random.pick(&those).copied());
                }
                stage.send(&these, Message::Propose(proposal));
                stage.send(&those, second);
            }
            other => stage.send(to, other),
        }
    }
}
