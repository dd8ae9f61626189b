//! What the engine orders and what runs on it meet here: payloads in, final blocks out.

use alloc::{string::String, vec::Vec};
use core::any::Any;

use bytes::Bytes;
use cpchain_crypto::{Digest, PublicKey};

use crate::{ids::Height, lbft::Committee};

/// Why a payload is illicit. Such a block under the proposer's seal gets its proposer impeached, so the answer must
/// be the same on every honest node: a function of the payload and the ancestors alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("illicit payload: {0}")]
pub struct InvalidPayload(pub String);

/// Why an application cannot go on: the chain decided on rules that its software does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "from height {from} on blocks need software version {needs}, this is version {runs}: update it and start it again"
)]
pub struct Outdated {
    /// The version that runs.
    pub runs: u32,
    /// The version that is needed.
    pub needs: u32,
    /// The first height that needs it.
    pub from: Height,
}

/// What would become final with a block, below it and above the last executed height: each height, lowest first, impeached ones
/// too, as [`Application::finalised`] would be given them.
pub type Ancestors<'a> = &'a [FinalBlock];

/// A block that no node will ever take back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalBlock {
    /// Its height.
    pub height: Height,
    /// What certificates commit to. For an impeached height, the digest of its impeach block.
    pub digest: Digest,
    /// The digest of the last final block below it that was proposed (not impeached).
    pub parent: Digest,
    /// Who proposed it, or who was impeached.
    pub proposer: PublicKey,
    /// `true` for the empty block of an impeached height.
    pub impeached: bool,
    /// What the application proposed; empty when impeached.
    pub payload: Bytes,
}

/// The replicated application: it fills blocks, judges them and executes them in order.
///
/// The engine calls it from one task, in this order for each height: [`propose`](Self::propose) (on the proposer),
/// [`verify`](Self::verify), [`finalised`](Self::finalised). After a restart `finalised` is called again for every
/// final block above [`last_height`](Self::last_height).
pub trait Application: Any + Send {
    /// Takes in a transaction from a client or a peer, to be proposed later.
    ///
    /// # Errors
    /// A reason for the sender; the transaction is dropped then, and not passed on.
    fn submit(&mut self, transaction: Bytes) -> Result<(), InvalidPayload>;

    /// Takes in many at once, each as [`submit`](Self::submit) would: an application that checks signatures may check them together.
    fn submit_all(&mut self, transactions: Vec<Bytes>) -> Vec<Result<(), InvalidPayload>> {
        transactions.into_iter().map(|transaction| self.submit(transaction)).collect()
    }

    /// The payload for a new block at `height`, at most `max_bytes` long. May be called again for the same height
    /// after a restart only if the first answer was never logged. An empty payload is a valid answer.
    fn propose(&mut self, height: Height, ancestors: Ancestors<'_>, max_bytes: usize) -> Bytes;

    /// Whether this payload of [`propose`](Self::propose) orders nothing: such a block waits for work, up to the
    /// idle interval of its node.
    fn is_idle(&self, payload: &Bytes) -> bool {
        payload.is_empty()
    }

    /// Is this payload acceptable at `height` after these ancestors?
    ///
    /// The answer must be a function of the payload and of the block's ancestors down to genesis: those given and those executed. It
    /// must not depend on which of them are final already: nodes hear of finality at different times, and a validator whose
    /// check differs from a quorum's stops voting. What the state is after the ancestors given is such a function.
    ///
    /// # Errors
    /// [`InvalidPayload`] if it is illicit.
    fn verify(&mut self, height: Height, ancestors: Ancestors<'_>, payload: &Bytes) -> Result<(), InvalidPayload>;

    /// Executes a final block. Heights come in order, each exactly once per run; the returned digest commits to the state
    /// after it and must be equal on all honest nodes.
    fn finalised(&mut self, block: &FinalBlock) -> Digest;

    /// Who serves the term after `ended`, whose last height was just executed: a function of `ended` and of the state at that
    /// height, equal on all honest nodes. After a restart it may be asked again, also when later heights were executed.
    ///
    /// Without this method the same members serve on, for terms of the same length; a term without a last height never
    /// ends, and nothing is asked.
    fn next_committee(&mut self, ended: &Committee) -> Committee {
        ended.again()
    }

    /// Whether the block after the last one needs other software than this. The driver asks at the start and after each final block;
    /// it stops the node then, before a block is executed by the wrong rules.
    fn outdated(&self) -> Option<Outdated> {
        None
    }

    /// Whether a node of this key, which does not propose now, will in a term that is decided already. It keeps the transactions that it
    /// hears of, so that its first blocks have them. What is final decides, as of now.
    fn is_next(&self, key: &PublicKey) -> bool {
        let _ = key;
        false
    }

    /// The last height that was executed and kept; [`Height::GENESIS`] at the start.
    fn last_height(&self) -> Height;
}
