//! The head of a payload of the default ledger: what a certificate over a block says about the state, shown without the block's
//! transactions.

use alloc::vec::Vec;

use blake3::hazmat::{ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root};
use cpchain_crypto::{
    Digest,
    vrf::{PROOF_LEN, VrfProof},
};

/// Field 1 of the payload, length-delimited.
const TAG: u8 = 0x0a;
/// Field 1, varint: version 1; field 2, length-delimited, 32 bytes.
const ROOT: [u8; 4] = [0x08, 1, 0x12, 32];
/// Field 3, length-delimited, and its length.
const BEACON: [u8; 2] = [0x1a, PROOF_LEN as u8];
const PLAIN: usize = ROOT.len() + 32;
const WITH_BEACON: usize = PLAIN + BEACON.len() + PROOF_LEN;
/// Bytes that a BLAKE3 leaf holds: the head is always in the first.
const LEAF: usize = 1024;
/// Most levels of the BLAKE3 tree over the largest payload.
const LEVELS: usize = 10;
const VERSION: u8 = 1;
/// Bytes of the longest proof of a head.
pub const MAX_HEAD_BYTES: usize = 2 + LEVELS * 32 + LEAF;

const _: () = assert!(LEAF << LEVELS >= crate::lbft::MAX_PAYLOAD);

/// What every payload of the default ledger begins with: `Head` in `proto/ledger.proto`, in this one encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadHead {
    /// The root of the state after the height below the block's, whatever became of that height.
    pub root: Digest,
    /// What the proposer adds to the seed of the next elections, on a chain that elects its proposers.
    pub beacon: Option<VrfProof>,
}

impl PayloadHead {
    /// Bytes that a head takes in a payload.
    pub const fn size(beacon: bool) -> usize {
        2 + if beacon { WITH_BEACON } else { PLAIN }
    }

    /// The bytes that the payload begins with.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::size(true));
        let size = if self.beacon.is_some() { WITH_BEACON } else { PLAIN };
        bytes.extend_from_slice(&[TAG, size as u8]);
        bytes.extend_from_slice(&ROOT);
        bytes.extend_from_slice(self.root.as_ref());
        if let Some(beacon) = &self.beacon {
            bytes.extend_from_slice(&BEACON);
            bytes.extend_from_slice(&beacon.0);
        }
        bytes
    }

    /// Reads the head of a payload, of which the rest need not be there; `None` if it has none.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let ([TAG, size], rest) = payload.split_first_chunk::<2>()? else { return None };
        let (head, _) = rest.split_at_checked(usize::from(*size))?;
        let (root, beacon) = head.strip_prefix(&ROOT)?.split_first_chunk::<32>()?;
        let beacon = match beacon {
            [] => None,
            _ => Some(VrfProof::from_slice(beacon.strip_prefix(&BEACON)?)?),
        };
        Some(Self { root: Digest(*root), beacon })
    }
}

/// That a payload of some digest begins with these bytes: its first BLAKE3 leaf, and what the tree has beside the way up. At most
/// [`MAX_HEAD_BYTES`], however large the payload is.
///
/// # Bytes
/// Version 1; the number of siblings (1); the siblings, 32 bytes each, from the leaf up; the first 1,024 bytes of the payload, or all of a
/// shorter one, which has no siblings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadProof {
    siblings: Vec<ChainingValue>,
    first: Vec<u8>,
}

impl HeadProof {
    /// Of a payload. Hashes all of it.
    pub fn of(payload: &[u8]) -> Self {
        let mut siblings = Vec::new();
        let mut rest = payload;
        while rest.len() > LEAF {
            // The way always goes left, so what stands right of it begins where its left half ends.
            let left = usize::try_from(left_subtree_len(rest.len() as u64)).unwrap_or(LEAF);
            let (below, right) = rest.split_at_checked(left).unwrap_or((rest, &[]));
            siblings.push(subtree(right, left));
            rest = below;
        }
        siblings.reverse();
        Self { siblings, first: rest.to_vec() }
    }

    /// The digest of the payload that it was made of: [`Header::payload`](crate::lbft::Header::payload) if the proof is true.
    pub fn payload_digest(&self) -> Digest {
        let Some((top, below)) = self.siblings.split_last() else { return Digest::content(&self.first) };
        let leaf = blake3::Hasher::new().update(&self.first).finalize_non_root();
        let left = below.iter().fold(leaf, |left, right| merge_subtrees_non_root(&left, right, Mode::Hash));
        Digest(*merge_subtrees_root(&left, top, Mode::Hash).as_bytes())
    }

    /// The head, if the bytes begin with one.
    pub fn head(&self) -> Option<PayloadHead> {
        PayloadHead::read(&self.first)
    }

    /// The bytes to send.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(2 + self.siblings.len() * 32 + self.first.len());
        bytes.extend_from_slice(&[VERSION, self.siblings.len() as u8]);
        self.siblings.iter().for_each(|sibling| bytes.extend_from_slice(sibling));
        bytes.extend_from_slice(&self.first);
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) gave; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let ([VERSION, count], rest) = bytes.split_first_chunk::<2>()? else { return None };
        let count = usize::from(*count);
        let (siblings, first) = rest.split_at_checked(32 * count)?;
        if count > LEVELS || first.len() > LEAF || count > 0 && first.len() != LEAF {
            return None;
        }
        Some(Self { siblings: siblings.as_chunks::<32>().0.to_vec(), first: first.to_vec() })
    }
}

/// The chaining value of what stands at an offset of the payload, below the root.
fn subtree(bytes: &[u8], offset: usize) -> ChainingValue {
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(offset as u64).update(bytes).finalize_non_root()
}
