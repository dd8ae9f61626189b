//! What goes into the core and what comes out of it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use cpchain_crypto::{Digest, PublicKey};

use super::{
    block::Block,
    certificate::{Certificate, Vote},
    evidence::Evidence,
    message::{Message, Pull},
};
use crate::{application::FinalBlock, application::InvalidPayload, ids::Height};

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
        /// Heights and payloads of its ancestors above the last final block, lowest first.
        ancestors: Vec<(Height, Bytes)>,
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
        /// Heights and payloads of the ancestors above the last final block, lowest first.
        ancestors: Vec<(Height, Bytes)>,
    },
    /// The next height is final: execute it. Each height comes once, in order.
    Finalised(FinalEntry),
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
    /// A final height; everything logged at or below it may be forgotten.
    Final(FinalEntry),
}

impl Record {
    /// The height that it is about.
    pub fn height(&self) -> Height {
        match self {
            Self::Vote(vote) => vote.height,
            Self::Sealed(block) | Self::Block(block) => block.height(),
            Self::Certificate(certificate) => certificate.height,
            Self::Final(entry) => entry.block.height,
        }
    }

    /// Whether losing it could make this node contradict itself: own votes and seals.
    pub const fn is_promise(&self) -> bool {
        matches!(self, Self::Vote(_) | Self::Sealed(_))
    }
}

/// A final height with what proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalEntry {
    /// For the application.
    pub block: FinalBlock,
    /// The block as its proposer sealed it; none when the height was impeached.
    pub sealed: Option<Arc<Block>>,
    /// The best certificate that this node holds for the height: a C-certificate; or a P-certificate when a higher
    /// block made it final; or an impeach certificate. None if it never saw one.
    pub certificate: Option<Certificate>,
}

/// What [`Record`]s leave behind: the state to start from.
#[derive(Debug, Clone, Default)]
pub struct Restored {
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
}
