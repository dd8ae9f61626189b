//! What a buyer offers.

use core::ops::Range;

use cpchain_crypto::{Digest, key_tree};

use crate::{
    listing::{Listing, ListingId, RevisionId},
    units::Amount,
};

/// Most proxies drawn for one order.
pub const MAX_PROXIES_DRAWN: u8 = 16;
/// Most key-tree nodes in one grant: the cover of any range of 2³² intervals fits.
pub const MAX_NODES: usize = 64;
/// Longest public or secret key of the re-encryption scheme, in bytes.
pub const MAX_KEY: usize = 128;
/// Longest capsule, in bytes.
pub const MAX_CAPSULE: usize = 512;
/// Longest capsule fragment, in bytes.
pub const MAX_FRAGMENT: usize = 1024;
/// Longest bundle of key fragments sealed to one proxy, in bytes: a proxy must be able to show it in a transaction.
pub const MAX_SEALED: usize = 16 * 1024;
/// Longest proof that a sealed key fragment is bad, in bytes.
pub const MAX_PROOF: usize = 64 * 1024;

/// A buyer's offer: what it buys, for how much, and to which key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The listing.
    pub listing: ListingId,
    /// The revision of it that the buyer has read.
    pub revision: RevisionId,
    /// The encryption intervals bought: first, and first after the last.
    pub intervals: Range<u32>,
    /// Hash of the manifest that lists the sealed blocks of these intervals; that of the listing if it names one.
    pub manifest: Digest,
    /// Merkle root over all leaf commitments of that manifest. The seller stands by it when it accepts.
    pub leaf_root: Digest,
    /// How many leaves are under the root.
    pub leaf_count: u64,
    /// What the seller gets.
    pub price: Amount,
    /// What each posting proxy gets.
    pub fee: Amount,
    /// What the buyer loses by a false complaint: the price at least, since a complaint publishes a key.
    pub bond: Amount,
    /// Public re-encryption key made for this order alone, so that revealing its secret harms no other order.
    pub buyer_key: Vec<u8>,
    /// t: proxies whose fragments open the keys.
    pub threshold: u8,
    /// n: proxies drawn.
    pub proxies: u8,
    /// Makes two otherwise equal offers of one buyer differ.
    pub nonce: u64,
}

/// Why an offer cannot stand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    /// An amount is over [`Amount::LIMIT`].
    #[error("an amount is over the limit of {}", Amount::LIMIT)]
    Amount,
    /// Less than the listing asks.
    #[error("the listing asks {asked}: offer that or more")]
    BelowListing {
        /// The listed price of these intervals.
        asked: Amount,
    },
    /// The bond is below the price.
    #[error("the buyer's bond must be the price at least")]
    Bond,
    /// t and n do not fit each other, the listing or the bound.
    #[error("ask for 1 ≤ t ≤ n ≤ {most} proxies")]
    Threshold {
        /// The most that this listing and the bound allow.
        most: usize,
    },
    /// No interval is bought.
    #[error("the range of intervals is empty")]
    Range,
    /// The buyer's key is missing or too long.
    #[error("the buyer's key has 1 to {MAX_KEY} bytes")]
    Key,
    /// No leaf, so that nothing could be proven.
    #[error("the manifest must have a leaf at least")]
    Leaves,
    /// Another listing, revision or manifest than the one shown.
    #[error("the offer is for another listing, revision or manifest: read the current one and offer again")]
    Listing,
    /// A seller cannot buy from itself.
    #[error("buyer and seller are the same key")]
    SameParty,
}

impl Terms {
    /// Price, fees and bond: what the buyer locks. `None` on overflow.
    pub fn locked(&self) -> Option<Amount> {
        self.price.checked_add(self.fees()?)?.checked_add(self.bond)
    }

    /// All fees together. `None` on overflow.
    pub fn fees(&self) -> Option<Amount> {
        self.fee.checked_mul(u128::from(self.proxies))
    }

    /// What each drawn proxy must have at stake, rounded up.
    ///
    /// The n − t + 1 proxies that a buyer must win over to get keys off the chain lose together 1.5 times the price,
    /// and the fees of the t − 1 that may have posted, which are paid from these stakes.
    pub fn stake(&self) -> Amount {
        let silent = u128::from(self.proxies.saturating_sub(self.threshold)) + 1;
        let price = self.price.0.saturating_mul(3).div_ceil(2);
        let fees = self.fee.0.saturating_mul(u128::from(self.threshold.saturating_sub(1)));
        Amount(price.saturating_add(fees).div_ceil(silent))
    }

    /// The key-tree nodes that a grant must bring, in order.
    pub fn nodes(&self) -> impl Iterator<Item = key_tree::TreeNode> {
        key_tree::cover(self.intervals.clone())
    }

    /// Checks the offer alone.
    ///
    /// # Errors
    /// [`TermsError`], naming the first rule that it breaks.
    pub fn validate(&self) -> Result<(), TermsError> {
        if [self.price, self.fee, self.bond].into_iter().any(|amount| amount > Amount::LIMIT) {
            return Err(TermsError::Amount);
        }
        if self.bond < self.price {
            return Err(TermsError::Bond);
        }
        if self.threshold == 0 || self.threshold > self.proxies || self.proxies > MAX_PROXIES_DRAWN {
            return Err(TermsError::Threshold { most: usize::from(MAX_PROXIES_DRAWN) });
        }
        if self.intervals.is_empty() {
            return Err(TermsError::Range);
        }
        if self.buyer_key.is_empty() || self.buyer_key.len() > MAX_KEY {
            return Err(TermsError::Key);
        }
        if self.leaf_count == 0 {
            return Err(TermsError::Leaves);
        }
        Ok(())
    }

    /// Checks the offer against the listing's current content.
    pub(super) fn fit(&self, listing: &Listing) -> Result<(), TermsError> {
        let count = self.intervals.end.saturating_sub(self.intervals.start);
        let asked = listing.quote(count).ok_or(TermsError::Amount)?;
        if self.price < asked {
            return Err(TermsError::BelowListing { asked });
        }
        if listing.manifest.is_some_and(|manifest| manifest != self.manifest) {
            return Err(TermsError::Listing);
        }
        if usize::from(self.proxies) > listing.proxies.len() {
            return Err(TermsError::Threshold { most: listing.proxies.len() });
        }
        Ok(())
    }
}
