//! What travels between nodes, decoded and bounded.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use cpchain_crypto::{Digest, Signature};
use prost::Message as _;

use super::{
    block::Block,
    certificate::{Certificate, Vote},
    statement::Kind,
    wire,
};
use crate::ids::{Height, Term};

/// Most bytes of a payload.
pub const MAX_PAYLOAD: usize = 1 << 20;
/// Most bytes of an encoded message: a block of the largest payload with two certificates of the largest committee.
pub const MAX_MESSAGE: usize = MAX_PAYLOAD + (64 << 10);
/// Most heights, and most digests, in one PULL.
pub const MAX_PULL: usize = 64;
/// Most blocks in one RANGE; their payloads together have at most [`MAX_PAYLOAD`] bytes.
pub const MAX_RANGE: usize = 192;
/// Most RANGEs in the answer to one PULL.
pub const MAX_PIECES: u32 = 16;

/// Bytes that are no message of this protocol; blame the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than [`MAX_MESSAGE`].
    #[error("the message has {0} bytes, more than {MAX_MESSAGE}")]
    TooLong(usize),
    /// Not the protobuf encoding of a known message.
    #[error("not a known message")]
    Malformed,
    /// A field of the wrong length, an unknown kind, or a list over its cap.
    #[error("a field of the message is out of its bounds")]
    Bounds,
}

/// A block with the certificates that justify it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The block under its proposer's seal.
    pub block: Arc<Block>,
    /// Certifies the parent; none when the parent is genesis.
    pub parent: Option<Certificate>,
    /// Impeaches the height below, when the parent is lower.
    pub impeachment: Option<Certificate>,
}

/// What the sender wants to have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pull {
    /// Certificates, and final blocks, at these heights.
    pub heights: Vec<Height>,
    /// Blocks with these digests.
    pub digests: Vec<Digest>,
    /// The final chain from this height on.
    pub range: Option<Height>,
    /// Most [`Range`]s that the answer may have, each standing on the one before; 0 is one, and no answer has more than
    /// [`MAX_PIECES`].
    pub pieces: u32,
}

/// A piece of the final chain: one certificate proves all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// Lowest first, each the parent of the next; at the end of a term with its closing blocks.
    pub blocks: Vec<Arc<Block>>,
    /// A C-certificate of the last of them.
    pub certificate: Certificate,
    /// Whether the next piece follows in the same answer. A hint: a lie costs what a lost message costs.
    pub more: bool,
}

/// Every message of LBFT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// PROPOSE.
    Propose(Proposal),
    /// PREPARE, COMMIT or IMPEACH PREPARE.
    Vote(Vote),
    /// CERTIFICATE (of PREPAREs), IMPEACH COMMIT (of IMPEACH PREPAREs) or VALIDATE (of COMMITs).
    Certificate(Certificate),
    /// A block that was asked for.
    Block(Arc<Block>),
    /// PULL.
    Pull(Pull),
    /// A piece of the final chain that was asked for.
    Range(Range),
}

impl Message {
    /// The bytes for the wire, at most [`MAX_MESSAGE`].
    pub fn encode(&self) -> Bytes {
        let body = match self {
            Self::Propose(proposal) => wire::Body::Propose(wire::Propose {
                block: Some(proposal.block.to_wire()),
                parent: proposal.parent.as_ref().map(Certificate::to_wire),
                impeachment: proposal.impeachment.as_ref().map(Certificate::to_wire),
            }),
            Self::Vote(vote) => wire::Body::Vote(vote_to_wire(vote)),
            Self::Certificate(certificate) => wire::Body::Certificate(certificate.to_wire()),
            Self::Block(block) => wire::Body::Block(block.to_wire()),
            Self::Pull(pull) => wire::Body::Pull(wire::Pull {
                heights: pull.heights.iter().map(|h| h.0).collect(),
                digests: pull.digests.iter().map(|d| Bytes::copy_from_slice(&d.0)).collect(),
                range: pull.range.map_or(0, |height| height.0),
                pieces: pull.pieces,
            }),
            Self::Range(range) => wire::Body::Range(wire::Range {
                blocks: range.blocks.iter().map(|block| block.to_wire()).collect(),
                certificate: Some(range.certificate.to_wire()),
                more: range.more,
            }),
        };
        wire::Envelope { body: Some(body) }.encode_to_vec().into()
    }

    /// Reads a message. Signatures are not looked at.
    ///
    /// # Errors
    /// [`DecodeError`] for anything that no honest node sends.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_MESSAGE {
            return Err(DecodeError::TooLong(bytes.len()));
        }
        let length = bytes.len();
        let envelope = wire::Envelope::decode(bytes).map_err(|_| DecodeError::Malformed)?;
        match envelope.body.ok_or(DecodeError::Malformed)? {
            wire::Body::Propose(wire) => Ok(Self::Propose(Proposal {
                block: read_block(wire.block.ok_or(DecodeError::Malformed)?, length)?,
                parent: wire.parent.map(read_certificate).transpose()?,
                impeachment: wire.impeachment.map(read_certificate).transpose()?,
            })),
            wire::Body::Vote(wire) => vote_from_wire(wire).map(Self::Vote).ok_or(DecodeError::Bounds),
            wire::Body::Certificate(wire) => read_certificate(wire).map(Self::Certificate),
            wire::Body::Block(wire) => read_block(wire, length).map(Self::Block),
            wire::Body::Pull(wire) => {
                if wire.heights.len() > MAX_PULL || wire.digests.len() > MAX_PULL {
                    return Err(DecodeError::Bounds);
                }
                let digests = wire.digests.iter().map(|d| Digest::from_slice(d)).collect::<Option<_>>();
                let heights = wire.heights.into_iter().map(Height).collect();
                let range = Some(Height(wire.range)).filter(|height| *height > Height::GENESIS);
                let digests = digests.ok_or(DecodeError::Bounds)?;
                Ok(Self::Pull(Pull { heights, digests, range, pieces: wire.pieces }))
            }
            wire::Body::Range(wire) => {
                if wire.blocks.len() > MAX_RANGE {
                    return Err(DecodeError::Bounds);
                }
                let blocks = wire.blocks.into_iter().map(|wire| read_block(wire, length)).collect::<Result<_, _>>()?;
                let certificate = read_certificate(wire.certificate.ok_or(DecodeError::Malformed)?)?;
                Ok(Self::Range(Range { blocks, certificate, more: wire.more }))
            }
        }
    }
}

fn read_certificate(wire: wire::Certificate) -> Result<Certificate, DecodeError> {
    Certificate::from_wire(wire).ok_or(DecodeError::Bounds)
}

/// Reads a block of a message of this length.
fn read_block(mut wire: wire::Block, length: usize) -> Result<Arc<Block>, DecodeError> {
    if wire.payload.len() > MAX_PAYLOAD {
        return Err(DecodeError::Bounds);
    }
    // A slice keeps the whole message, padding and other blocks included: only one that is most of it may.
    if wire.payload.len() < length / 2 {
        wire.payload = Bytes::copy_from_slice(&wire.payload);
    }
    Block::from_wire(wire).map(Arc::new).ok_or(DecodeError::Bounds)
}

pub(crate) fn vote_to_wire(vote: &Vote) -> wire::Vote {
    wire::Vote {
        term: vote.term.0,
        kind: vote.kind as i32,
        height: vote.height.0,
        digest: Bytes::copy_from_slice(&vote.digest.0),
        signer: u32::from(vote.signer),
        signature: Bytes::copy_from_slice(&vote.signature.0),
    }
}

pub(crate) fn vote_from_wire(wire: wire::Vote) -> Option<Vote> {
    Some(Vote {
        term: Term(wire.term),
        kind: Kind::from_number(wire.kind).filter(|kind| *kind != Kind::Seal)?,
        height: Height(wire.height),
        digest: Digest::from_slice(&wire.digest)?,
        signer: u16::try_from(wire.signer).ok()?,
        signature: Signature::from_slice(&wire.signature)?,
    })
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
