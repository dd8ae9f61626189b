use std::sync::Arc;

use cpchain_crypto::{Digest, PublicKey};

use super::{Actor, Stage};
use crate::{
    ids::Height,
    lbft::{Block, Certificate, Message, Pull},
};

/// Answers who catches up with bent blocks, certificates of too few votes, and answers to other questions; now and then with
/// the truth. It also asks for absurd ranges.
#[derive(Debug, Clone, Copy, Default)]
pub struct LyingPeer;

impl Actor for LyingPeer {
    fn name(&self) -> &'static str {
        "lying peer"
    }

    fn says(&mut self, stage: &mut Stage<'_>, to: &[PublicKey], message: Message) {
        // What goes to one member is the answer to a PULL, or a PULL.
        let bent = match message {
            Message::Block(block) if to.len() == 1 && stage.random.chance(8_000) => Message::Block(bent(stage, &block)),
            Message::Certificate(certificate) if to.len() == 1 && stage.random.chance(8_000) => {
                Message::Certificate(too_few(stage, &certificate))
            }
            Message::Range(mut range) if stage.random.chance(8_000) => {
                match range.blocks.pop() {
                    Some(last) if stage.random.chance(5_000) => range.blocks.push(bent(stage, &last)),
                    _ => {}
                }
                Message::Range(range)
            }
            other => other,
        };
        stage.send(to, bent);
    }

    fn ticks(&mut self, stage: &mut Stage<'_>) {
        let heights = (0..40).map(|_| Height(stage.random.below(1_000))).chain([Height(u64::MAX)]).collect();
        let pull = Pull { heights, digests: vec![Digest([3; 32]); 3], range: Some(Height(1)), pieces: u32::MAX };
        let to = stage.some(2_000);
        stage.send(&to, Message::Pull(pull));
    }
}

/// Another payload and another parent, under its own seal.
fn bent(stage: &Stage<'_>, block: &Block) -> Arc<Block> {
    let header = block.header();
    let payload = [block.payload(), &b"bent"[..]].concat();
    let parent_height = Height(header.parent_height.0.saturating_sub(1));
    Arc::new(Block::seal(stage.committee, stage.signer, header.height, parent_height, header.parent, payload.into()))
}

/// The certificate with no more than its own vote in it.
fn too_few(stage: &Stage<'_>, certificate: &Certificate) -> Certificate {
    let Certificate { kind, height, digest, .. } = *certificate;
    let own = stage.vote(kind, height, digest);
    Certificate::from_votes(stage.committee, kind, height, digest, own.iter())
}
