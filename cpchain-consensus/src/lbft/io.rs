//! What goes into the core and what comes out of it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use cpchain_crypto::{Digest, PublicKey};

use super::{
    block::Block,
    certificate::{Certificate, Vote},
    committee::Committee,
    evidence::Evidence,
    message::{Message, Pull},
};
use crate::{
    application::{FinalBlock, InvalidPayload},
    ids::{Height, Term},
};

/// Something that happened outside.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "one lives at a time")]
pub enum Input {
    /// A message arrived. `from` is the neighbour that handed it over, which need not be its author.
    Message {
        /// The neighbour.
        from: PublicKey,
        /// What it sent.
        message: Message,
    },
    /// The timer that [`Output::StartTimer`] asked for has run out.
    Timeout {
        /// The height that it was started for; an old one is ignored.
        height: Height,
    },
    /// The retry interval has passed: repeat what may have been lost.
    Retry,
    /// After [`Output::MayPropose`]: now is a good time to propose.
    Propose {
        /// The height that was offered; an old one is ignored.
        height: Height,
    },
    /// The answer to [`Output::BuildPayload`].
    Payload {
        /// The height that it was built for.
        height: Height,
        /// What the application wants ordered; longer than the limit and it is ignored.
        payload: Bytes,
    },
    /// The answer to [`Output::Verify`].
    Verified {
        /// The block that was judged.
        digest: Digest,
        /// The application's judgement.
        verdict: Result<(), InvalidPayload>,
    },
    /// The answer to [`Output::TermEnded`]: who serves the next term.
    NextTerm(Committee),
}

/// Something that the driver does, **in the order given**.
#[derive(Debug, Clone)]
pub enum Output {
    /// Append these records; always the first output of a step. With `sync` they, and all before them, are durable
    /// before the next output is carried out.
    Persist {
        /// What to log.
        records: Vec<Record>,
        /// Whether something that leaves next relies on it.
        sync: bool,
    },
    /// Send to these nodes, best effort.
    Send {
        /// The receivers; never this node itself.
        to: Vec<PublicKey>,
        /// What to send.
        message: Message,
    },
    /// Spread to every node, best effort.
    Gossip(Message),
    /// The current height changed.
    Entered {
        /// The new one.
        height: Height,
    },
    /// Start the one timer of this node, in place of the one before.
    StartTimer {
        /// The height that it is for.
        height: Height,
        /// How long it runs.
        after: Duration,
    },
    /// Ask the application about a payload, then input [`Input::Verified`].
    Verify {
        /// The height of the block.
        height: Height,
        /// The block.
        digest: Digest,
        /// What becomes final with it below it: each height above the last final one, impeached ones too, lowest first.
        ancestors: Vec<FinalBlock>,
        /// What to judge.
        payload: Bytes,
    },
    /// It is this node's turn: input [`Input::Propose`] when a block is wanted.
    MayPropose {
        /// The height.
        height: Height,
    },
    /// Ask the application for a payload, then input [`Input::Payload`].
    BuildPayload {
        /// The height to fill.
        height: Height,
        /// What becomes final with it below it: each height above the last final one, impeached ones too, lowest first.
        ancestors: Vec<FinalBlock>,
        /// Most bytes of the payload; less than [`MAX_PAYLOAD`](super::MAX_PAYLOAD) while nothing becomes final.
        room: usize,
    },
    /// The next height is final: execute it. Each height comes once, in order.
    Finalised(FinalEntry),
    /// The last height of the term is final and was given out. Ask the application who serves the next term, then input
    /// [`Input::NextTerm`]. Until then the node only serves.
    TermEnded(Committee),
    /// Answer a PULL from the final blocks in storage.
    Serve {
        /// Who asked.
        to: PublicKey,
        /// What it asked for and the core no longer holds.
        pull: Pull,
    },
    /// Somebody signed what excludes each other.
    Evidence(Evidence),
    /// A neighbour sent what no honest node sends.
    Blame {
        /// The neighbour.
        peer: PublicKey,
        /// Why, for the log.
        reason: &'static str,
    },
    /// This node stops voting and proposing; it goes on to serve. Reported once.
    Fault(Fault),
}

/// What the core wants to find again after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// An own vote.
    Vote(Vote),
    /// A block that this node sealed.
    Sealed(Arc<Block>),
    /// A block that an own vote vouches for.
    Block(Arc<Block>),
    /// A certificate above the last final block.
    Certificate(Certificate),
    /// A final height. Votes, seals, blocks and certificates of its term at or below it may be forgotten; if it
    /// is the last height of its term, those of closing heights too.
    Final(FinalEntry),
    /// Who serves a term that began. Never forgotten.
    Committee(Committee),
    /// A quorum of HANDOVERs of an ended term. Never forgotten; the first one of a term stays.
    Handover(Certificate),
    /// Why this node stopped voting, for ever. Never forgotten; the first one stays.
    Fault(Fault),
    /// Proof against a member. Never forgotten; one for each key, term, height and pair of kinds.
    Evidence(Evidence),
}

impl Record {
    /// The term and height that it is about, unless it is about neither.
    pub fn place(&self) -> Option<(Term, Height)> {
        match self {
            Self::Vote(vote) => Some((vote.term, vote.height)),
            Self::Sealed(block) | Self::Block(block) => Some((block.header().term, block.height())),
            Self::Certificate(certificate) | Self::Handover(certificate) => {
                Some((certificate.term, certificate.height))
            }
            Self::Final(entry) => Some((entry.term, entry.block.height)),
            Self::Committee(committee) => Some((committee.term(), committee.first())),
            Self::Evidence(evidence) => Some((evidence.first.0.term, evidence.first.0.height)),
            Self::Fault(_) => None,
        }
    }

    /// Whether losing it could make this node contradict itself: own votes and seals, and that it is to be silent.
    pub const fn is_promise(&self) -> bool {
        matches!(self, Self::Vote(_) | Self::Sealed(_) | Self::Fault(_))
    }
}

/// A final height with what proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalEntry {
    /// The term that it belongs to.
    pub term: Term,
    /// For the application.
    pub block: FinalBlock,
    /// The block as its proposer sealed it; none when the height was impeached.
    pub sealed: Option<Arc<Block>>,
    /// The best certificate that this node holds for the height: a C-certificate; or a P-certificate when a higher
    /// block made it final; or an impeach certificate. None if it never saw one.
    pub certificate: Option<Certificate>,
    /// At the last height of a term, what made it final.
    pub closing: Option<Closing>,
}

impl FinalEntry {
    /// What a node that lacks this height needs, blocks before what certifies them.
    pub fn messages(&self) -> impl Iterator<Item = Message> + '_ {
        let closing = self.closing.iter().flat_map(|closing| &closing.blocks);
        let blocks = self.sealed.iter().chain(closing).cloned().map(Message::Block);
        let end = self.closing.iter().map(|closing| &closing.certificate);
        let end = end.filter(|end| self.certificate.as_ref() != Some(end));
        blocks.chain(self.certificate.iter().chain(end).cloned().map(Message::Certificate))
    }
}

/// What made the last height of a term final: a C-certificate at it or at a closing height above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// The chain of closing blocks, lowest first: the first stands on the last block of the term, the certificate is for the
    /// last. None if the certificate is for the last height itself.
    pub blocks: Vec<Arc<Block>>,
    /// A C-certificate of the term's committee.
    pub certificate: Certificate,
}

/// What [`Record`]s leave behind: the state to start from.
#[derive(Debug, Clone, Default)]
pub struct Restored {
    /// The committee of the last term that began after the first one.
    pub committee: Option<Committee>,
    /// The committee of the term before that, if the log has it.
    pub ended: Option<Committee>,
    /// The last hand-over that the log has.
    pub handover: Option<Certificate>,
    /// Why the node stopped voting.
    pub fault: Option<Fault>,
    /// The last final height.
    pub tip: Option<FinalEntry>,
    /// Own votes above it.
    pub votes: Vec<Vote>,
    /// Own seals above it.
    pub sealed: Vec<Arc<Block>>,
    /// Blocks above it.
    pub blocks: Vec<Arc<Block>>,
    /// Certificates above it.
    pub certificates: Vec<Certificate>,
}

/// Why a node stopped voting: more than `f` validators are faulty, or this node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Two certificates that cannot both exist.
    #[error("contradicting certificates at height {0}: more than f validators are faulty")]
    Contradiction(Height),
    /// A quorum prepared a block that the own application refuses.
    #[error("a quorum prepared a block at height {0} that the own application refuses: compare its version and state")]
    OwnCheck(Height),
    /// The own key signed a vote that is not in the own log.
    #[error(
        "the own key voted at height {0} and the log does not know: the log was lost or the key runs twice; use a new key"
    )]
    LostLog(Height),
    /// The application named a committee that cannot be the one of the next term, or another one than a quorum of the ended term.
    #[error(
        "the application gave a committee for term {0} that does not follow the ended one (see Committee::follows) or \
         that its validators do not hand over to: compare the application's version and state"
    )]
    Committee(Term),
}

impl Fault {
    /// The disk format: a number, then the height or term (8, big endian).
    pub(crate) fn to_bytes(self) -> [u8; 9] {
        let (number, about) = match self {
            Self::Contradiction(height) => (1, height.0),
            Self::OwnCheck(height) => (2, height.0),
            Self::LostLog(height) => (3, height.0),
            Self::Committee(term) => (4, term.0),
        };
        let mut bytes = [number; 9];
        bytes.iter_mut().skip(1).zip(about.to_be_bytes()).for_each(|(slot, byte)| *slot = byte);
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (number, about) = bytes.split_first()?;
        let about = u64::from_be_bytes(about.try_into().ok()?);
        match number {
            1 => Some(Self::Contradiction(Height(about))),
            2 => Some(Self::OwnCheck(Height(about))),
            3 => Some(Self::LostLog(Height(about))),
            4 => Some(Self::Committee(Term(about))),
            _ => None,
        }
    }
}
