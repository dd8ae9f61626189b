//! Members that do not follow the rules.

use std::sync::Arc;

use cpchain_consensus::{
    Height,
    lbft::{Block, Committee, Kind, Message, Vote},
};
use cpchain_crypto::{Digest, SigningKey};

use crate::random::Random;

/// How a member behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Honest,
    /// Says nothing, ever.
    Silent,
    /// A validator that signs every vote it can think of, and shows each to whom it likes.
    VotesForAll,
    /// A proposer that seals two blocks and shows each to half of the others.
    TwoBlocks,
    /// A proposer of payloads that the application refuses.
    Illicit,
}

/// Votes that a Byzantine validator casts after it has seen a message.
pub(crate) fn votes(
    committee: &Committee,
    index: u16,
    key: &SigningKey,
    seen: &Message,
    random: &mut Random,
) -> Vec<Vote> {
    let (height, digest) = match seen {
        Message::Propose(proposal) => (proposal.block.height(), proposal.block.digest()),
        Message::Vote(vote) => (vote.height, vote.digest),
        Message::Certificate(certificate) => (certificate.height.next(), Digest::ZERO),
        Message::Block(_) | Message::Pull(_) => return Vec::new(),
    };
    let mut kinds = vec![Kind::ImpeachPrepare];
    if digest != Digest::ZERO {
        kinds.extend([Kind::Prepare, Kind::Commit]);
    }
    kinds.retain(|_| random.chance(40));
    let cast = |kind: Kind| {
        let digest = if kind == Kind::ImpeachPrepare { Digest::ZERO } else { digest };
        Vote::cast(committee, index, key, kind, height, digest)
    };
    kinds.into_iter().map(cast).collect()
}

/// Another block for the same place.
pub(crate) fn twin(committee: &Committee, key: &SigningKey, block: &Block) -> Arc<Block> {
    let header = block.header();
    let height: Height = header.height;
    let mut payload = block.payload().to_vec();
    payload.push(b'2');
    Arc::new(Block::seal(committee, key, height, header.parent_height, header.parent, payload.into()))
}
