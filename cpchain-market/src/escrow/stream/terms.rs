//! What a buyer of a stream offers.

use super::super::terms::{MAX_PROXIES_DRAWN, Terms, TermsError};
use crate::{
    listing::{Listing, ListingId, RevisionId, Unit},
    units::Amount,
};

use super::events::Ask;

/// A buyer's offer for intervals of a stream, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamTerms {
    /// The listing; one that sells by [`Unit::Stream`] or [`Unit::Interval`].
    pub listing: ListingId,
    /// The revision of it that the buyer has read.
    pub revision: RevisionId,
    /// The first interval.
    pub first: u32,
    /// How many intervals at most, 1 or more.
    pub count: u32,
    /// What the seller gets for each interval.
    pub price: Amount,
    /// What each posting proxy gets for each interval.
    pub fee: Amount,
    /// What the buyer loses by a false complaint: an interval's price at least, since a complaint publishes that interval's key.
    pub bond: Amount,
    /// t: proxies whose fragments open an interval's key.
    pub threshold: u8,
    /// n: proxies drawn, for all intervals.
    pub proxies: u8,
    /// Makes two otherwise equal offers of one buyer differ.
    pub nonce: u64,
}

impl StreamTerms {
    /// What one interval costs the buyer at most: its price and a fee for each proxy. `None` on overflow.
    pub fn interval(&self) -> Option<Amount> {
        self.price.checked_add(self.fee.checked_mul(u128::from(self.proxies))?)
    }

    /// What the buyer locks: all intervals and the bond. `None` on overflow.
    pub fn locked(&self) -> Option<Amount> {
        self.interval()?.checked_mul(u128::from(self.count))?.checked_add(self.bond)
    }

    /// The terms of the order that the interval at `place` of the stream is.
    pub(super) fn order(&self, place: u32, ask: &Ask) -> Terms {
        let first = self.first.saturating_add(place);
        Terms {
            listing: self.listing,
            revision: self.revision,
            intervals: first..first.saturating_add(1),
            manifest: ask.manifest,
            leaf_root: ask.leaf_root,
            leaf_count: ask.leaf_count,
            price: self.price,
            fee: self.fee,
            bond: self.bond,
            buyer_key: ask.buyer_key.clone(),
            threshold: self.threshold,
            proxies: self.proxies,
            nonce: self.nonce,
        }
    }

    /// Checks the offer alone.
    ///
    /// # Errors
    /// [`TermsError`], naming the first rule that it breaks.
    pub fn validate(&self) -> Result<(), TermsError> {
        if [self.price, self.fee, self.bond].into_iter().any(|amount| amount > Amount::LIMIT) {
            return Err(TermsError::Amount);
        }
        if self.locked().is_none_or(|all| all > Amount::LIMIT) {
            return Err(TermsError::Amount);
        }
        if self.bond < self.price {
            return Err(TermsError::Bond);
        }
        if self.threshold == 0 || self.threshold > self.proxies || self.proxies > MAX_PROXIES_DRAWN {
            return Err(TermsError::Threshold { most: usize::from(MAX_PROXIES_DRAWN) });
        }
        if self.count == 0 || self.first.checked_add(self.count).is_none() {
            return Err(TermsError::Range);
        }
        Ok(())
    }

    /// Checks the offer against the listing's current content.
    pub(super) fn fit(&self, listing: &Listing) -> Result<(), TermsError> {
        if listing.unit == Unit::File {
            return Err(TermsError::Listing);
        }
        if self.price < listing.price {
            return Err(TermsError::BelowListing { asked: listing.price });
        }
        if usize::from(self.proxies) > listing.proxies.len() {
            return Err(TermsError::Threshold { most: listing.proxies.len() });
        }
        Ok(())
    }
}
