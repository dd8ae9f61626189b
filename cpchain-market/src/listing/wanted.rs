//! What a buyer looks for, and what sellers answer.

use cpchain_crypto::Digest;

use super::{
    content::{MAX_CATEGORY, MAX_DESCRIPTION, MAX_TAG, MAX_TAGS, MAX_TITLE, MAX_URI, Unit, line, repeats, within},
    operation::{ListingError, ListingId},
};
use crate::units::{Amount, Height};

/// A buyer's signed wish: data that it would buy, from whom it may be.
///
/// It locks no money: who answers names what can be bought by an order, which does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// One line, 1 to [`MAX_TITLE`] bytes.
    pub title: String,
    /// Free text, up to [`MAX_DESCRIPTION`] bytes.
    pub description: String,
    /// Labels, each 1 to [`MAX_TAG`] bytes, no two the same.
    pub tags: Vec<String>,
    /// One word or phrase to filter by, up to [`MAX_CATEGORY`] bytes.
    pub category: String,
    /// The most that the buyer pays for one [`Unit`], at most [`Amount::LIMIT`].
    pub max_price: Amount,
    /// What that price is for.
    pub unit: Unit,
    /// Milliseconds that one block of readings is to span; 0 for any, or when the data is no time series.
    pub period_ms: u64,
    /// First block in which it is over: answers from there on are skipped, and no search finds it.
    pub until: Height,
    /// When the buyer wrote this, milliseconds since 1970-01-01 UTC: makes two otherwise equal wishes differ.
    pub created_ms: u64,
}

impl Wanted {
    /// Checks every bound.
    ///
    /// # Errors
    /// [`ListingError`] naming the field.
    pub fn validate(&self) -> Result<(), ListingError> {
        line("title", &self.title, MAX_TITLE)?;
        if self.title.trim().is_empty() {
            return Err(ListingError::Text { field: "title" });
        }
        text("description", &self.description, MAX_DESCRIPTION)?;
        within("tags", self.tags.len(), MAX_TAGS)?;
        for tag in &self.tags {
            line("tags", tag, MAX_TAG)?;
            if tag.trim().is_empty() {
                return Err(ListingError::Text { field: "tags" });
            }
        }
        if repeats(&self.tags) {
            return Err(ListingError::Repeated { field: "tags" });
        }
        line("category", &self.category, MAX_CATEGORY)?;
        if self.max_price > Amount::LIMIT {
            return Err(ListingError::TooLong { field: "max_price" });
        }
        Ok(())
    }

    /// It can be answered in the block at `height`.
    pub const fn is_open(&self, height: Height) -> bool {
        height.0 < self.until.0
    }
}

/// What a seller offers to the one who wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offered {
    /// A listing that is up.
    Listing(ListingId),
    /// Data that is in no listing yet.
    Object {
        /// Hash of its manifest.
        manifest: Digest,
        /// Where it is served from, up to [`MAX_URI`] bytes.
        uri: String,
    },
}

/// A seller's answer to a [`Wanted`]. A seller has one answer to each; a later one, of a higher sequence number, replaces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What it answers.
    pub wanted: ListingId,
    /// What is offered.
    pub offered: Offered,
    /// What one unit of it costs, at most [`Wanted::max_price`].
    pub price: Amount,
    /// A few words, up to [`MAX_TITLE`] bytes in one line.
    pub note: String,
}

impl Answer {
    pub(super) fn validate(&self) -> Result<(), ListingError> {
        line("note", &self.note, MAX_TITLE)?;
        if self.price > Amount::LIMIT {
            return Err(ListingError::TooLong { field: "price" });
        }
        match &self.offered {
            Offered::Listing(_) => Ok(()),
            Offered::Object { uri, .. } => line("uri", uri, MAX_URI),
        }
    }
}

/// Text of several lines within its bound.
pub(super) fn text(field: &'static str, text: &str, most: usize) -> Result<(), ListingError> {
    within(field, text.len(), most)?;
    let control = text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'));
    if control { Err(ListingError::Text { field }) } else { Ok(()) }
}
