//! What a buyer asks the catalogue.

use core::ops::RangeInclusive;

use cpchain_crypto::PublicKey;

use crate::{
    listing::{SignedOperation, Unit},
    units::{Amount, Height},
};

/// Longest query text, in bytes.
pub const MAX_QUERY: usize = 1024;
/// Most hits of one search.
pub const MAX_HITS: usize = 1000;

/// What a search is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Kind {
    /// What sellers offer.
    #[default]
    Offers,
    /// What buyers want, as long as it can be answered. The price filter then looks at the most that they pay.
    Wanted,
}

/// Words in natural language, and filters that a hit must pass.
///
/// ```
/// use cpchain_market::{Amount, catalog::Query};
/// let query = Query::new("hourly temperature and wind in Seattle")
///     .price(Amount(0)..=Amount(1_000))
///     .category("climate")
///     .limit(5);
/// # let _ = query;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Words in natural language; none means everything that passes the filters.
    pub text: String,
    /// How many hits, 1 to [`MAX_HITS`].
    pub limit: usize,
    /// Only listings with a price in this range.
    pub price: Option<RangeInclusive<Amount>>,
    /// Only listings whose blocks span so many milliseconds.
    pub period: Option<RangeInclusive<u64>>,
    /// Only listings of this category, upper and lower case alike.
    pub category: Option<String>,
    /// Only listings of this seller.
    pub seller: Option<PublicKey>,
    /// Only listings sold by this unit.
    pub unit: Option<Unit>,
    /// Offers, or what is wanted.
    pub kind: Kind,
}

impl Query {
    /// Looks for these words in all fields; without any word, everything that passes the filters is found. 10 hits.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            limit: 10,
            price: None,
            period: None,
            category: None,
            seller: None,
            unit: None,
            kind: Kind::Offers,
        }
    }

    /// How many hits, 1 to [`MAX_HITS`].
    #[must_use]
    pub const fn limit(mut self, hits: usize) -> Self {
        self.limit = hits;
        self
    }

    /// Only listings with a price in this range.
    #[must_use]
    pub const fn price(mut self, range: RangeInclusive<Amount>) -> Self {
        self.price = Some(range);
        self
    }

    /// Only listings whose blocks span so many milliseconds.
    #[must_use]
    pub const fn period_ms(mut self, range: RangeInclusive<u64>) -> Self {
        self.period = Some(range);
        self
    }

    /// Only listings of this category, upper and lower case alike.
    #[must_use]
    pub fn category(mut self, category: impl Into<String>) -> Self {
        self.category = Some(category.into());
        self
    }

    /// Only listings of this seller.
    #[must_use]
    pub const fn seller(mut self, seller: PublicKey) -> Self {
        self.seller = Some(seller);
        self
    }

    /// What buyers want, instead of what sellers offer.
    #[must_use]
    pub const fn wanted(mut self) -> Self {
        self.kind = Kind::Wanted;
        self
    }

    /// Only listings sold by this unit.
    #[must_use]
    pub const fn unit(mut self, unit: Unit) -> Self {
        self.unit = Some(unit);
        self
    }

    /// Does what an operation says pass every filter? A withdrawal passes none, and the words are not looked at.
    pub fn admits(&self, operation: &SignedOperation) -> bool {
        let (price, unit, period, category) = match (self.kind, operation.content(), operation.wanted()) {
            (Kind::Offers, Some(listing), _) => (listing.price, listing.unit, listing.period_ms, &listing.category),
            (Kind::Wanted, _, Some(wish)) => (wish.max_price, wish.unit, wish.period_ms, &wish.category),
            _ => return false,
        };
        self.price.as_ref().is_none_or(|range| range.contains(&price))
            && self.unit.is_none_or(|wanted| wanted == unit)
            && self.period.as_ref().is_none_or(|range| range.contains(&period))
            && self.category.as_ref().is_none_or(|wanted| wanted.to_lowercase() == category.to_lowercase())
            && self.seller.is_none_or(|seller| seller == operation.operation().seller)
    }

    /// A query that finds this listing, or wish, in any catalogue that has it; `None` for a withdrawal and for a wish that is over.
    pub(crate) fn for_listing(operation: &SignedOperation, now: Height) -> Option<Self> {
        let (price, query) = match (operation.content(), operation.wanted()) {
            (Some(listing), _) => (listing.price, Self::new("")),
            (None, Some(wish)) if wish.is_open(now) => (wish.max_price, Self::new("").wanted()),
            _ => return None,
        };
        Some(query.price(price..=price).seller(operation.operation().seller).limit(MAX_HITS))
    }
}
