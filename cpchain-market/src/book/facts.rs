//! What a market keeps of the log beside the listings.

use cpchain_crypto::{Digest, PublicKey};

use super::{record::TradeRecord, wire};
use crate::{
    escrow::OrderId,
    listing::{Action, ListingId, PreviewOffer, PreviewOpening, Rating, draw_leaves},
    log::Cursor,
    units::Height,
};

/// A verified operation and where it stands in the log.
pub type Placed = crate::catalog::Entry;

/// What a [`Fact`] is about. Sorts as its bytes do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FactKey {
    /// The answer of a seller to something wanted.
    Answer(ListingId, PublicKey),
    /// Totals of an account.
    Account(PublicKey),
    /// That an account took part in the order that ended there.
    History(PublicKey, Cursor, OrderId),
    /// The preview of a manifest in a seller's name.
    Preview(PublicKey, Digest),
    /// What buyers made of a listing.
    Standing(ListingId),
    /// An order that ended.
    Trade(OrderId),
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Of [`FactKey::Answer`].
    Answer(Box<Placed>),
    /// Of [`FactKey::Account`].
    Account(Account),
    /// Of [`FactKey::History`]: the key says all.
    History,
    /// Of [`FactKey::Preview`].
    Preview(Box<Preview>),
    /// Of [`FactKey::Standing`].
    Standing(Standing),
    /// Of [`FactKey::Trade`].
    Trade(Box<Trade>),
}

/// Bytes that are no row of this version, or whose signature does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a row of the book is broken: {0}")]
pub struct FactError(pub(super) String);

/// Ratings added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ratings {
    /// How many.
    pub count: u64,
    /// Of all their scores.
    pub sum: u64,
}

impl Ratings {
    /// The mean score in hundredths, rounded down; `None` without a rating.
    ///
    /// ```
    /// use cpchain_market::book::Ratings;
    /// assert_eq!(Ratings { count: 3, sum: 14 }.mean_hundredths(), Some(466));
    /// assert_eq!(Ratings::default().mean_hundredths(), None);
    /// ```
    pub fn mean_hundredths(&self) -> Option<u64> {
        self.sum.saturating_mul(100).checked_div(self.count)
    }

    pub(super) const fn with(self, score: u8) -> Self {
        Self { count: self.count.saturating_add(1), sum: self.sum.saturating_add(score as u64) }
    }
}

/// What buyers made of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// By buyers who bought.
    pub ratings: Ratings,
    /// Orders in which something was paid for.
    pub sold: u64,
    /// Manifest of the preview that its seller offered last: see [`FactKey::Preview`].
    pub preview: Option<Digest>,
}

/// How orders ended for one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Side {
    /// Sold.
    pub settled: u64,
    /// By the seller's fault.
    pub faults: u64,
    /// Cancelled, or failed by silent proxies.
    pub lapsed: u64,
}

/// Totals of an account, as the chain recorded its orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// Its orders as the seller.
    pub selling: Side,
    /// Its orders as the buyer.
    pub buying: Side,
    /// Its complaints that did not hold.
    pub false_complaints: u64,
    /// What its buyers said of its sales.
    pub ratings: Ratings,
}

/// An order that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trade {
    /// What the chain recorded.
    pub record: TradeRecord,
    /// Where.
    pub at: Cursor,
    /// The buyer's rating, signed.
    pub rated: Option<Placed>,
}

impl Trade {
    /// What the buyer said.
    pub fn rating(&self) -> Option<&Rating> {
        match &self.rated.as_ref()?.operation.operation().action {
            Action::Rate(rating) => Some(rating),
            _ => None,
        }
    }
}

/// A look at the goods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// The seller's commitment: a [`PreviewOffer`].
    pub offered: Placed,
    /// The draw: its randomness and where it stands.
    pub drawn: Option<(Digest, Cursor)>,
    /// The opened leaves, checked: a [`PreviewOpening`].
    pub opened: Option<Placed>,
}

/// How far a preview is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreviewStatus {
    /// Its seller offered none.
    None,
    /// The next block draws.
    Offered,
    /// Drawn at this height and not opened: the longer, the worse for the seller.
    Unopened(Height),
    /// Opened.
    Open,
}

impl Preview {
    /// The commitment.
    pub const fn offer(&self) -> Option<&PreviewOffer> {
        match &self.offered.operation.operation().action {
            Action::OfferPreview(offer) => Some(offer),
            _ => None,
        }
    }

    /// The opened leaves.
    pub fn opening(&self) -> Option<&PreviewOpening> {
        match &self.opened.as_ref()?.operation.operation().action {
            Action::OpenPreview(opening) => Some(opening),
            _ => None,
        }
    }

    /// The leaves that the seller has to open; none before the draw.
    pub fn leaves(&self) -> Vec<u64> {
        let seller = self.offered.operation.operation().seller;
        match (self.offer(), self.drawn) {
            (Some(offer), Some((randomness, _))) => draw_leaves(offer, &seller, randomness),
            _ => Vec::new(),
        }
    }

    /// How far it is.
    pub const fn status(&self) -> PreviewStatus {
        match (self.drawn, &self.opened) {
            (_, Some(_)) => PreviewStatus::Open,
            (Some((_, at)), None) => PreviewStatus::Unopened(at.height),
            (None, None) => PreviewStatus::Offered,
        }
    }
}

impl FactKey {
    /// The key under which a catalogue, or the chain, keeps the row.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Answer(wanted, seller) => [b"a", &wanted.0.0[..], &seller.0].concat(),
            Self::Account(account) => [b"c", &account.0[..]].concat(),
            Self::History(account, at, order) => [b"h", &account.0[..], &place(*at), &order.0.0].concat(),
            Self::Preview(seller, manifest) => [b"p", &seller.0[..], &manifest.0].concat(),
            Self::Standing(listing) => [b"s", &listing.0.0[..]].concat(),
            Self::Trade(order) => [b"t", &order.0.0[..]].concat(),
        }
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`FactError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FactError> {
        let broken = || FactError("a key of no row".into());
        let (tag, rest) = bytes.split_first().ok_or_else(broken)?;
        let (first, rest) = rest.split_first_chunk::<32>().ok_or_else(broken)?;
        let first = Digest(*first);
        let second = || Digest::from_slice(rest).ok_or_else(broken);
        match tag {
            b'a' => Ok(Self::Answer(ListingId(first), PublicKey(second()?.0))),
            b'h' => {
                let (at, order) = rest.split_first_chunk::<12>().ok_or_else(broken)?;
                let order = Digest::from_slice(order).ok_or_else(broken)?;
                Ok(Self::History(PublicKey(first.0), placed(at), OrderId(order)))
            }
            b'p' => Ok(Self::Preview(PublicKey(first.0), second()?)),
            _ if !rest.is_empty() => Err(broken()),
            b'c' => Ok(Self::Account(PublicKey(first.0))),
            b's' => Ok(Self::Standing(ListingId(first))),
            b't' => Ok(Self::Trade(OrderId(first))),
            _ => Err(broken()),
        }
    }
}

impl Fact {
    /// The bytes of the row: a message of `proto/book.proto`.
    pub fn to_bytes(&self) -> Vec<u8> {
        wire::fact_to_bytes(self)
    }

    /// Reads the row of `key`; signatures in it are verified.
    ///
    /// # Errors
    /// [`FactError`].
    pub fn from_bytes(key: &FactKey, bytes: &[u8]) -> Result<Self, FactError> {
        wire::fact_from_bytes(key, bytes)
    }
}

/// Twelve bytes that sort as the cursor does.
fn place(at: Cursor) -> [u8; 12] {
    let mut bytes = [0; 12];
    let (height, index) = bytes.split_at_mut(8);
    height.copy_from_slice(&at.height.0.to_be_bytes());
    index.copy_from_slice(&at.index.to_be_bytes());
    bytes
}

fn placed(bytes: &[u8; 12]) -> Cursor {
    let [a, b, c, d, e, f, g, h, index @ ..] = *bytes;
    Cursor { height: Height(u64::from_be_bytes([a, b, c, d, e, f, g, h])), index: u32::from_be_bytes(index) }
}
