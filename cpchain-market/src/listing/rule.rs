//! The one rule by which every market turns the log of operations into the same set of listings.

use cpchain_crypto::PublicKey;

use super::{
    operation::{Action, ListingError, SignedOperation},
    preview::PreviewError,
};
use crate::units::Height;

/// What is known about a listing before an operation on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Who published it.
    pub seller: PublicKey,
    /// The highest sequence number applied so far.
    pub sequence: u64,
    /// It was taken down.
    pub withdrawn: bool,
    /// It is no listing but something wanted.
    pub wanted: bool,
}

impl From<&SignedOperation> for Known {
    /// What the last operation that was applied to a listing says about it.
    fn from(last: &SignedOperation) -> Self {
        let operation = last.operation();
        Self {
            seller: operation.seller,
            sequence: operation.sequence,
            withdrawn: matches!(operation.action, Action::Withdraw { .. }),
            wanted: operation.wanted().is_some(),
        }
    }
}

/// Why an operation in the log changes nothing. Every market skips the same ones for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Skip {
    /// The bytes are no valid operation.
    #[error("not a valid operation: {0}")]
    Invalid(#[from] ListingError),
    /// This listing was published before.
    #[error("the listing is there already")]
    Exists,
    /// There is no such listing.
    #[error("no such listing: publish it first")]
    Unknown,
    /// Somebody else's listing.
    #[error("the listing belongs to another seller")]
    NotSeller,
    /// A listing where something wanted is named, or the other way round.
    #[error("this can be done to a listing or to something wanted, and it is the other")]
    Kind,
    /// What is wanted is over.
    #[error("it was wanted until block {0}: nobody can answer any more")]
    Expired(Height),
    /// The answer names a listing that is not the answering seller's, or costs more than the buyer pays.
    #[error("the answer does not fit what is wanted: {0}")]
    Answer(&'static str),
    /// The rating names an order that did not end, or never was.
    #[error("no such order has ended: rate an order once it is settled")]
    NoTrade,
    /// The order was not settled, so that there is nothing to rate.
    #[error("the order was not settled")]
    NotSold,
    /// Somebody else bought it.
    #[error("only the buyer of an order rates it")]
    NotBuyer,
    /// The order was rated before.
    #[error("the order has been rated")]
    Rated,
    /// This seller's leaves of this manifest were committed to before: the first draw stands.
    #[error("a preview of this manifest was offered before: its leaves are drawn once")]
    Drawn,
    /// No such preview waits to be drawn or opened.
    #[error("there is no preview that waits for this")]
    NoPreview,
    /// The opened leaves are not as drawn and committed.
    #[error(transparent)]
    Preview(#[from] PreviewError),
    /// The chain's record contradicts what it said before.
    #[error("a record of the chain that says nothing new or nothing readable")]
    Record,
    /// The sequence number is not above the last one.
    #[error("sequence number {given} is not above {current}: sign again with a higher one")]
    Stale {
        /// The number in the operation.
        given: u64,
        /// The number of the listing.
        current: u64,
    },
    /// The listing was withdrawn, which is final.
    #[error("the listing was withdrawn: publish a new one")]
    Withdrawn,
}

/// Does `operation` change the listing, or what is wanted, of which `known` is known? For publishing, wanting, updating and withdrawing;
/// what the other actions need is known to the [`book`](crate::book).
///
/// # Errors
/// The [`Skip`] reason if it does not.
pub fn decide(known: Option<&Known>, operation: &SignedOperation) -> Result<(), Skip> {
    let signed = operation.operation();
    match (&signed.action, known) {
        (Action::Publish(_) | Action::Want(_), None) => Ok(()),
        (Action::Publish(_) | Action::Want(_), Some(_)) => Err(Skip::Exists),
        (_, None) => Err(Skip::Unknown),
        (_, Some(known)) if known.seller != signed.seller => Err(Skip::NotSeller),
        (_, Some(known)) if known.withdrawn => Err(Skip::Withdrawn),
        (Action::Update { .. }, Some(known)) if known.wanted => Err(Skip::Kind),
        (_, Some(known)) if signed.sequence <= known.sequence => {
            Err(Skip::Stale { given: signed.sequence, current: known.sequence })
        }
        _ => Ok(()),
    }
}
