use std::sync::Arc;

use cpchain_crypto::{Digest, PublicKey};

use super::{Actor, Stage};
use crate::{
    ids::Height,
    lbft::{Block, MAX_PAYLOAD, Message},
};

/// Seals two blocks of the largest payload for each of its next heights, so that whoever keeps all that it is sent runs out of
/// memory. Its own turns otherwise pass as an honest proposer's do.
#[derive(Debug, Clone, Default)]
pub struct BulkyProposer {
    sealed: Height,
}

impl Actor for BulkyProposer {
    fn name(&self) -> &'static str {
        "bulky proposer"
    }

    fn says(&mut self, stage: &mut Stage<'_>, to: &[PublicKey], message: Message) {
        if let Message::Propose(proposal) = &message {
            let current = proposal.block.height();
            let first = self.sealed.next().max(current.next());
            self.sealed = Height(current.0 + 16);
            let turns = (first.0..=self.sealed.0).map(Height).filter(|height| stage.is_my_turn(*height));
            for height in turns.collect::<Vec<_>>() {
                for twice in 0..2 {
                    let payload = vec![twice; MAX_PAYLOAD].into();
                    let below = Height(height.0 - 1);
                    let block = Block::seal(stage.committee, stage.signer, height, below, Digest([twice; 32]), payload);
                    stage.send(to, Message::Block(Arc::new(block)));
                }
            }
        }
        stage.send(to, message);
    }
}
