//! What the chain itself writes into the log.

use cpchain_crypto::{Digest, PublicKey};

use super::wire;
use crate::{
    escrow::{Effect, Order, OrderId, Outcome, State, StreamOrder, StreamState},
    listing::ListingId,
    units::Amount,
};

/// How an order ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TradeEnd {
    /// Taken back, or never answered.
    Cancelled,
    /// Too few proxies posted.
    Refunded,
    /// Sold.
    Settled,
    /// The seller did not grant, granted badly, or sold bad data.
    SellerFault,
}

/// An order that ended, as the chain's escrow knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TradeRecord {
    /// Which order.
    pub order: OrderId,
    /// What was for sale.
    pub listing: ListingId,
    /// Who bought.
    pub buyer: PublicKey,
    /// Who sold.
    pub seller: PublicKey,
    /// How it ended.
    pub end: TradeEnd,
    /// Encryption intervals that were paid for.
    pub intervals: u32,
    /// What the seller got for them.
    pub paid: Amount,
    /// The buyer complained, and its proof did not hold.
    pub false_complaint: bool,
}

impl TradeRecord {
    /// The record of an order that the step with these effects ended; `None` if it goes on.
    ///
    /// ```
    /// # use cpchain_market::{book::TradeRecord, escrow::Order};
    /// # fn after(order: &Order) {
    /// if let Some(step) = order.tick(cpchain_market::Height(1_000)) {
    ///     let ended = TradeRecord::of(&step.order, &step.effects);
    ///     assert_eq!(ended.is_some(), step.order.state().is_final());
    /// }
    /// # }
    /// ```
    pub fn of(order: &Order, effects: &[Effect]) -> Option<Self> {
        let end = match order.state() {
            State::Cancelled => TradeEnd::Cancelled,
            State::Refunded => TradeEnd::Refunded,
            State::Settled => TradeEnd::Settled,
            State::SellerFault => TradeEnd::SellerFault,
            State::Offered | State::Accepted | State::Granted | State::Delivered => return None,
        };
        let terms = order.terms();
        let intervals =
            if end == TradeEnd::Settled { terms.intervals.end.saturating_sub(terms.intervals.start) } else { 0 };
        let (order_id, listing) = (order.id(), terms.listing);
        Some(Self {
            order: order_id,
            listing,
            buyer: order.buyer(),
            seller: order.seller(),
            end,
            intervals,
            paid: if end == TradeEnd::Settled { terms.price } else { Amount::ZERO },
            false_complaint: lied(effects),
        })
    }

    /// The record of a stream order that the step with these effects ended; `None` if it goes on.
    pub fn of_stream(order: &StreamOrder, effects: &[Effect]) -> Option<Self> {
        let intervals = order.settled();
        let end = match order.state() {
            StreamState::Stopped if intervals > 0 => TradeEnd::Settled,
            StreamState::Stopped => TradeEnd::Cancelled,
            StreamState::Refunded => TradeEnd::Refunded,
            StreamState::SellerFault => TradeEnd::SellerFault,
            StreamState::Offered
            | StreamState::Open
            | StreamState::Asked
            | StreamState::Granted
            | StreamState::Delivered => return None,
        };
        Some(Self {
            order: order.id(),
            listing: order.terms().listing,
            buyer: order.buyer(),
            seller: order.seller(),
            end,
            intervals,
            paid: order.terms().price.checked_mul(u128::from(intervals)).unwrap_or(Amount::LIMIT),
            false_complaint: lied(effects),
        })
    }

    /// Something was paid for, so that the buyer may rate it.
    pub const fn is_sale(&self) -> bool {
        self.intervals > 0
    }
}

fn lied(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Reputation { outcome: Outcome::FalseComplaint, .. }))
}

/// The chain's randomness for a preview, out of the block after the seller's offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviewDraw {
    /// Whose preview.
    pub seller: PublicKey,
    /// Of which manifest.
    pub manifest: Digest,
    /// What [`draw_leaves`](crate::listing::draw_leaves) is seeded with.
    pub randomness: Digest,
}

/// What the chain writes into the log in its own name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainRecord {
    /// An order ended.
    Trade(TradeRecord),
    /// Leaves of a preview were drawn.
    Draw(PreviewDraw),
}

/// Bytes that are no record of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a record of the chain that this build reads: {0}")]
pub struct RecordError(pub(super) &'static str);

impl ChainRecord {
    /// The bytes as they stand in the log: a version byte and the message of `proto/book.proto`.
    pub fn to_bytes(&self) -> Vec<u8> {
        wire::record_to_bytes(self)
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    ///
    /// ```
    /// use cpchain_crypto::{Digest, PublicKey};
    /// use cpchain_market::book::{ChainRecord, PreviewDraw};
    /// let draw = PreviewDraw { seller: PublicKey([1; 32]), manifest: Digest([2; 32]), randomness: Digest([3; 32]) };
    /// let record = ChainRecord::Draw(draw);
    /// assert_eq!(ChainRecord::from_bytes(&record.to_bytes())?, record);
    /// # Ok::<(), cpchain_market::book::RecordError>(())
    /// ```
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        wire::record_from_bytes(bytes)
    }
}
