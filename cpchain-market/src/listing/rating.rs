//! What a buyer says about what it bought.

use super::{operation::ListingError, wanted::text};
use crate::escrow::OrderId;

/// Longest text of a rating, in bytes.
pub const MAX_RATING_TEXT: usize = 1024;
/// The best score; the worst is 1.
pub const MAX_SCORE: u8 = 5;

/// A rating of an order that was settled, signed by its buyer. An order is rated once, and the rating stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rating {
    /// The order.
    pub order: OrderId,
    /// 1 to [`MAX_SCORE`].
    pub score: u8,
    /// Why, up to [`MAX_RATING_TEXT`] bytes.
    pub text: String,
}

impl Rating {
    pub(super) fn validate(&self) -> Result<(), ListingError> {
        if self.score == 0 || self.score > MAX_SCORE {
            return Err(ListingError::Score(self.score));
        }
        text("text", &self.text, MAX_RATING_TEXT)
    }
}
