//! Preview leaves: a look at the goods that the seller cannot choose.
//!
//! The seller commits to a manifest's leaf root ([`PreviewOffer`]). The first block after that one draws the leaves, once for
//! each manifest of that seller ([`draw_leaves`]); the seller opens exactly these ([`PreviewOpening`]), and whoever reads the log sees their plaintext.
//! A leaf's key opens that leaf and no other, so that nothing else is given away. Junk is seen; a leaf that is not as committed cannot be
//! opened at all, and the catalogue shows a preview that was drawn and never opened.

use cpchain_crypto::{Digest, Domain, Entropy, PublicKey, SeededEntropy, block::LeafSecrets};

use super::operation::{ListingError, ListingId};
use crate::{
    escrow::{LeafEvidence, OpenedAs, open_leaf},
    listing::Listing,
};

/// How many leaves are opened unless the seller says otherwise; also the most.
pub const PREVIEW_LEAVES: u8 = 4;
/// Longest ciphertext of a leaf: 4,096 bytes and a tag.
const MAX_SEALED_LEAF: usize = 4096 + 16;
/// Deepest path: a tree of 2⁴⁰ leaves.
const MAX_PATH: usize = 40;
const DRAW: Domain = Domain::new("cpchain/market/preview-draw/v1");

/// A seller's word on what its listing sells, before anybody knows which leaves it will have to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviewOffer {
    /// The listing.
    pub listing: ListingId,
    /// Hash of the manifest; that of the listing if it names one.
    pub manifest: Digest,
    /// Merkle root over all leaf commitments of the manifest.
    pub leaf_root: Digest,
    /// How many leaves are under the root.
    pub leaf_count: u64,
    /// How many of them are to be opened: 1 to [`PREVIEW_LEAVES`], and not more than there are.
    pub leaves: u8,
}

impl PreviewOffer {
    pub(super) fn validate(&self) -> Result<(), ListingError> {
        let fits = self.leaves > 0 && self.leaves <= PREVIEW_LEAVES && u64::from(self.leaves) <= self.leaf_count;
        if fits { Ok(()) } else { Err(ListingError::TooLong { field: "leaves" }) }
    }

    /// Can it be made for this content of the listing?
    pub fn fits(&self, content: &Listing) -> bool {
        content.manifest.is_none_or(|manifest| manifest == self.manifest)
    }
}

/// One leaf of a preview, opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedLeaf {
    /// The leaf with its path to the root.
    pub evidence: LeafEvidence,
    /// Its key and salt, which open this leaf and no other.
    pub secrets: LeafSecrets,
}

/// The seller opens the leaves that were drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewOpening {
    /// The listing.
    pub listing: ListingId,
    /// Of which manifest.
    pub manifest: Digest,
    /// The drawn leaves in the order of the draw.
    pub leaves: Vec<OpenedLeaf>,
}

/// Why an opening shows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PreviewError {
    /// Not the leaves that were drawn.
    #[error("these are not the leaves that the chain drew: open exactly those, in the order of the draw")]
    OtherLeaves,
    /// A leaf is not under the root, or of another stream.
    #[error("leaf {0} is not one that the manifest commits to")]
    NotCommitted(u64),
    /// A leaf does not open to what the manifest commits to.
    #[error("leaf {0} does not open to what the manifest commits to")]
    NotAsCommitted(u64),
}

impl PreviewOpening {
    pub(super) fn validate(&self) -> Result<(), ListingError> {
        let small =
            |leaf: &OpenedLeaf| leaf.evidence.sealed.len() <= MAX_SEALED_LEAF && leaf.evidence.path.len() <= MAX_PATH;
        let count = !self.leaves.is_empty() && self.leaves.len() <= usize::from(PREVIEW_LEAVES);
        if count && self.leaves.iter().all(small) { Ok(()) } else { Err(ListingError::TooLong { field: "leaves" }) }
    }

    /// Checks every leaf against `offer` and the draw, and gives their plaintexts in order: what anybody can do who reads the log.
    ///
    /// # Errors
    /// [`PreviewError`].
    pub fn open(
        &self,
        offer: &PreviewOffer,
        stream: Digest,
        seller: &PublicKey,
        randomness: Digest,
    ) -> Result<Vec<Vec<u8>>, PreviewError> {
        let drawn = draw_leaves(offer, seller, randomness);
        if !drawn.iter().copied().eq(self.leaves.iter().map(|leaf| leaf.evidence.index)) {
            return Err(PreviewError::OtherLeaves);
        }
        let opened = self.leaves.iter().map(|leaf| {
            let (root, count) = (offer.leaf_root, offer.leaf_count);
            match open_leaf(&leaf.evidence, &leaf.secrets, stream, root, count) {
                OpenedAs::Committed(plain) => Ok(plain),
                OpenedAs::NotInManifest => Err(PreviewError::NotCommitted(leaf.evidence.index)),
                OpenedAs::Otherwise => Err(PreviewError::NotAsCommitted(leaf.evidence.index)),
            }
        });
        opened.collect()
    }
}

/// The places of the leaves that `seller` has to open, in order: `offer.leaves` different ones, without bias, out of a BLAKE3 stream
/// seeded by the randomness of the block after the offer, the seller and the manifest. The leaf root is not in the seed: a second
/// root for the same manifest draws nothing new.
///
/// ```
/// use cpchain_crypto::{Digest, PublicKey};
/// use cpchain_market::listing::{ListingId, PreviewOffer, draw_leaves};
/// let digest = Digest([1; 32]);
/// let offer = PreviewOffer { listing: ListingId(digest), manifest: digest, leaf_root: digest, leaf_count: 1000, leaves: 4 };
/// let drawn = draw_leaves(&offer, &PublicKey([2; 32]), Digest([3; 32]));
/// assert_eq!(drawn.len(), 4);
/// assert!(drawn.iter().all(|place| *place < 1000));
/// ```
pub fn draw_leaves(offer: &PreviewOffer, seller: &PublicKey, randomness: Digest) -> Vec<u64> {
    let wanted = u64::from(offer.leaves).min(offer.leaf_count);
    let mut stream = SeededEntropy::new(&Digest::of(DRAW, &[&randomness.0, &seller.0, &offer.manifest.0]).0);
    let mut drawn = Vec::new();
    // The bias of a 128-bit number modulo a 64-bit one is below 2⁻⁶⁴.
    while (drawn.len() as u64) < wanted {
        let mut bytes = [0; 16];
        if stream.fill(&mut bytes).is_err() {
            break;
        }
        let Some(place) = u128::from_be_bytes(bytes).checked_rem(u128::from(offer.leaf_count)) else { break };
        let place = place as u64;
        if !drawn.contains(&place) {
            drawn.push(place);
        }
    }
    drawn
}
