//! What the ledger's state holds, and what it does not hold, shown to a light client by a root and a few hundred bytes.
//!
//! The state of the default ledger is a map of byte keys to values under one root (`ledger`, feature of that name). This module
//! checks proofs about it, and builds without `std`.
//!
//! # The tree
//! - The path of an entry is a digest of its key: 256 bits, from the highest bit of the first byte on.
//! - A subtree without entries is the zero digest; with one entry it is that entry's leaf, a digest of path and digest of the
//!   value; with more it is a digest of its two halves, left (bit 0) and right.
//!
//! So a root has one value, or none, for each key: two proofs that say different things about one key need a collision of BLAKE3.
//!
//! # Where the root comes from
//! Each payload begins with a [`PayloadHead`]: the root after the height below the block. A validator executes the block's ancestors, final
//! or not, and votes for no block that names another root, so a certificate over a block certifies it. A light client takes headers
//! and a certificate into a [`LightClient`](crate::lbft::LightClient), then the [`HeadProof`] of one of the blocks, then proofs of keys:
//! [`CertifiedState`]. No payload is needed, since its digest is a tree whose first leaf has the head.
//!
//! Why the root is that of the height below, and not of some height that is final: nodes hear of finality at different times, and
//! heights may pass by P-certificates alone up to the end of a term, so no number of heights back is executed as final by every
//! validator that may have to vote. What the ancestors of a block lead to is the same for all.
//!
//! # Rules, and the tests that hold them
//! - What is there is provable with its value alone, what is not there as absent alone (`tests/ledger_proofs.rs`:
//!   `every_key_is_proved_as_what_it_is`).
//! - A proof of one key, root or value proves no other, and no bit of its bytes may change
//!   (`a_changed_proof_proves_nothing`).
//! - A block that names another root is illicit, wherever the tip of the validator is (`tests/ledger.rs`: `verify_refuses_another_root`;
//!   `tests/elections.rs`: `wrong_states_are_impeached_and_nothing_else`, `a_validator_judges_states_wherever_its_tip_is`).
//! - From certificates alone to an identity, a balance, an absence (`tests/light_client.rs`:
//!   `a_light_client_resolves_an_identity_from_certificates_alone`); a head shows one payload's head and no other
//!   (`the_head_of_any_payload_is_shown_and_no_other`).
//! - Arbitrary bytes are refused or decode to what encodes to them; a proof has at most [`MAX_PROOF_BYTES`]
//!   (`arbitrary_bytes_are_read_or_refused`).
//!
//! ```
//! # #[cfg(feature = "ledger")] {
//! use cpchain_consensus::{ledger::{Amount, Genesis, Ledger}, proof::{AccountState, StateKey, StateProof}};
//! use cpchain_crypto::PublicKey;
//! let (alice, bob) = (PublicKey([1; 32]), PublicKey([2; 32]));
//! let genesis = Genesis::new().account(alice, Amount::cpc(10));
//! let ledger = Ledger::builder(genesis.chain_id("example"), genesis).build().unwrap();
//!
//! // A full node answers with bytes:
//! let answer = ledger.view().prove(&StateKey::account(&alice));
//! let (value, bytes) = (answer.value.unwrap(), answer.proof.to_bytes());
//!
//! // A light client has the root from a quorum, and checks:
//! let proof = StateProof::from_bytes(&bytes).unwrap();
//! assert!(proof.verify(&answer.root, &StateKey::account(&alice), Some(&value)).is_ok());
//! assert_eq!(AccountState::from_value(&value).unwrap().balance, Amount::cpc(10).0);
//! assert!(proof.verify(&answer.root, &StateKey::account(&bob), None).is_err());
//! let absent = ledger.view().prove(&StateKey::account(&bob)).proof;
//! assert!(absent.verify(&answer.root, &StateKey::account(&bob), None).is_ok());
//! # }
//! ```

mod certified;
mod hashes;
mod head;
mod key;
mod standing;

use alloc::vec::Vec;

use cpchain_crypto::Digest;

pub use certified::{CertifiedState, Uncertified};
pub(crate) use hashes::{bit, leaf, node, path, value};
pub use head::{HeadProof, MAX_HEAD_BYTES, PayloadHead};
pub use key::{AccountState, StateKey};
pub use standing::{KeyStanding, MalformedStanding};

const VERSION: u8 = 1;
const PRESENT: u8 = 0;
const EMPTY: u8 = 1;
const OTHER: u8 = 2;

/// Levels of the tree: the bits of a path.
const LEVELS: usize = 256;
const HEAD_BYTES: usize = 4;
const DIGEST_BYTES: usize = 32;
/// Bytes of the longest proof. One of a state with a million entries has about 700.
pub const MAX_PROOF_BYTES: usize = HEAD_BYTES + (LEVELS + 2) * DIGEST_BYTES;

/// The proof does not show that of this root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the proof does not show this of that root; ask for one under the root that you hold")]
pub struct ProofError;

/// That a key has a value under a root, or has none.
///
/// # Bytes
/// Version 1; kind: 0 present, 1 absent before an empty place, 2 absent before another leaf; the number of siblings, 2 bytes
/// big-endian, at most 256; the siblings, 32 bytes each, from the root down; for kind 2 the path of the other leaf and the digest of
/// its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateProof {
    pub(crate) siblings: Vec<Digest>,
    pub(crate) end: End,
}

/// What stands at the end of the key's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The key's own leaf.
    Present,
    /// Nothing.
    Empty,
    /// The leaf of another key that begins alike.
    Other { path: Digest, value: Digest },
}

impl StateProof {
    /// Checks that under `root` the key has this value or, for `None`, no value.
    ///
    /// # Errors
    /// [`ProofError`] if the proof does not show that.
    pub fn verify(&self, root: &Digest, key: &StateKey, claimed: Option<&[u8]>) -> Result<(), ProofError> {
        let own = path(key.as_bytes());
        let end = match (self.end, claimed) {
            (End::Present, Some(bytes)) => leaf(&own, &value(bytes)),
            (End::Empty, None) => Digest::ZERO,
            (End::Other { path, value }, None) if path != own && self.is_on(&own, &path) => leaf(&path, &value),
            _ => return Err(ProofError),
        };
        if self.siblings.len() > LEVELS {
            return Err(ProofError);
        }
        let found = self.siblings.iter().enumerate().rev().fold(end, |below, (level, sibling)| {
            if bit(&own, level) { node(sibling, &below) } else { node(&below, sibling) }
        });
        if found == *root { Ok(()) } else { Err(ProofError) }
    }

    /// Do two paths agree as far down as the siblings reach?
    fn is_on(&self, a: &Digest, b: &Digest) -> bool {
        (0..self.siblings.len()).all(|level| bit(a, level) == bit(b, level))
    }

    /// The bytes to send.
    pub fn to_bytes(&self) -> Vec<u8> {
        let kind = match self.end {
            End::Present => PRESENT,
            End::Empty => EMPTY,
            End::Other { .. } => OTHER,
        };
        // At most 256.
        let count = (self.siblings.len() as u16).to_be_bytes();
        let mut bytes = Vec::with_capacity(HEAD_BYTES + (self.siblings.len() + 2) * DIGEST_BYTES);
        bytes.extend_from_slice(&[VERSION, kind]);
        bytes.extend_from_slice(&count);
        self.siblings.iter().for_each(|sibling| bytes.extend_from_slice(sibling.as_ref()));
        if let End::Other { path, value } = self.end {
            bytes.extend_from_slice(path.as_ref());
            bytes.extend_from_slice(value.as_ref());
        }
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) gave; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let ([version, kind, high, low], rest) = bytes.split_first_chunk::<HEAD_BYTES>()?;
        let count = usize::from(u16::from_be_bytes([*high, *low]));
        let ends = if *kind == OTHER { 2 } else { 0 };
        let (digests, []) = rest.as_chunks::<DIGEST_BYTES>() else { return None };
        if *version != VERSION || count > LEVELS || digests.len() != count + ends {
            return None;
        }
        let (siblings, end) = digests.split_at_checked(count)?;
        let end = match (*kind, end) {
            (PRESENT, []) => End::Present,
            (EMPTY, []) => End::Empty,
            (OTHER, [path, value]) => End::Other { path: Digest(*path), value: Digest(*value) },
            _ => return None,
        };
        Some(Self { siblings: siblings.iter().copied().map(Digest).collect(), end })
    }
}
