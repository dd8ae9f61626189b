//! What a listing says.

use cpchain_crypto::{Digest, PublicKey};

use super::operation::ListingError;
use crate::units::Amount;

/// Longest title, in bytes.
pub const MAX_TITLE: usize = 200;
/// Longest description, in bytes.
pub const MAX_DESCRIPTION: usize = 16 * 1024;
/// Most tags.
pub const MAX_TAGS: usize = 16;
/// Longest tag, in bytes.
pub const MAX_TAG: usize = 64;
/// Longest category, in bytes.
pub const MAX_CATEGORY: usize = 64;
/// Longest transfer URI, in bytes.
pub const MAX_URI: usize = 2048;
/// Most sample roots.
pub const MAX_SAMPLES: usize = 16;
/// Most proxies that a listing allows.
pub const MAX_PROXIES: usize = 64;

/// What the price buys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// All that the manifest lists, at once.
    File,
    /// One encryption interval; a range of them costs as many times the price.
    Interval,
    /// One encryption interval of a stream that goes on; bought interval after interval.
    Stream,
}

impl Unit {
    /// The word for it: `file`, `interval` or `stream`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Interval => "interval",
            Self::Stream => "stream",
        }
    }
}

/// What is for sale and on which terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// One line, 1 to [`MAX_TITLE`] bytes.
    pub title: String,
    /// Free text, up to [`MAX_DESCRIPTION`] bytes.
    pub description: String,
    /// Labels, each 1 to [`MAX_TAG`] bytes, no two the same.
    pub tags: Vec<String>,
    /// One word or phrase to filter by, up to [`MAX_CATEGORY`] bytes.
    pub category: String,
    /// Price of one [`Unit`], at most [`Amount::LIMIT`].
    pub price: Amount,
    /// What the price buys.
    pub unit: Unit,
    /// Milliseconds that one block of readings spans (3,600,000 is hourly); 0 when the data is no time series.
    pub period_ms: u64,
    /// First moment of the data, milliseconds since 1970-01-01 UTC.
    pub from_ms: u64,
    /// First moment after the data; 0 when it goes on.
    pub to_ms: u64,
    /// Roots of free samples.
    pub samples: Vec<Digest>,
    /// Where the sealed data is served from: an `otp:` URI, opaque to the market.
    pub uri: String,
    /// The proxies from which the chain draws those of an order.
    pub proxies: Vec<PublicKey>,
    /// The stream that the data belongs to.
    pub stream: Digest,
    /// Hash of the manifest or voucher; `None` for a stream whose uploads are still to come.
    pub manifest: Option<Digest>,
    /// When the seller wrote this, milliseconds since 1970-01-01 UTC: makes two otherwise equal listings differ.
    pub created_ms: u64,
}

impl Listing {
    /// Checks every bound.
    ///
    /// # Errors
    /// [`ListingError::TooLong`], [`ListingError::Text`], [`ListingError::Repeated`] or [`ListingError::TimeRange`]
    /// naming the field.
    pub fn validate(&self) -> Result<(), ListingError> {
        line("title", &self.title, MAX_TITLE)?;
        if self.title.trim().is_empty() {
            return Err(ListingError::Text { field: "title" });
        }
        within("description", self.description.len(), MAX_DESCRIPTION)?;
        if self.description.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return Err(ListingError::Text { field: "description" });
        }
        within("tags", self.tags.len(), MAX_TAGS)?;
        for tag in &self.tags {
            line("tags", tag, MAX_TAG)?;
            if tag.trim().is_empty() {
                return Err(ListingError::Text { field: "tags" });
            }
        }
        line("category", &self.category, MAX_CATEGORY)?;
        line("uri", &self.uri, MAX_URI)?;
        within("samples", self.samples.len(), MAX_SAMPLES)?;
        within("proxies", self.proxies.len(), MAX_PROXIES)?;
        if repeats(&self.tags) {
            return Err(ListingError::Repeated { field: "tags" });
        }
        if repeats(&self.proxies) {
            return Err(ListingError::Repeated { field: "proxies" });
        }
        if self.price > Amount::LIMIT {
            return Err(ListingError::TooLong { field: "price" });
        }
        if self.to_ms != 0 && self.to_ms <= self.from_ms {
            return Err(ListingError::TimeRange);
        }
        Ok(())
    }

    /// What `intervals` encryption intervals of this listing cost: a file has one price, whatever its length.
    /// `None` on overflow.
    pub const fn quote(&self, intervals: u32) -> Option<Amount> {
        match self.unit {
            Unit::File => Some(self.price),
            Unit::Interval | Unit::Stream => self.price.checked_mul(intervals as u128),
        }
    }
}

pub(super) fn within(field: &'static str, length: usize, most: usize) -> Result<(), ListingError> {
    if length > most { Err(ListingError::TooLong { field }) } else { Ok(()) }
}

pub(super) fn line(field: &'static str, text: &str, most: usize) -> Result<(), ListingError> {
    within(field, text.len(), most)?;
    if text.chars().any(char::is_control) { Err(ListingError::Text { field }) } else { Ok(()) }
}

pub(super) fn repeats<T: Ord>(items: &[T]) -> bool {
    let mut seen = std::collections::BTreeSet::new();
    !items.iter().all(|item| seen.insert(item))
}
