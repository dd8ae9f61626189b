//! The one rule by which every market turns the log of operations into the same set of listings.

use cpchain_crypto::PublicKey;

use super::operation::{Action, ListingError, SignedOperation};

/// What is known about a listing before an operation on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Who published it.
    pub seller: PublicKey,
    /// The highest sequence number applied so far.
    pub sequence: u64,
    /// It was taken down.
    pub withdrawn: bool,
}

impl From<&SignedOperation> for Known {
    /// What the last operation that was applied to a listing says about it.
    fn from(last: &SignedOperation) -> Self {
        let operation = last.operation();
        Self { seller: operation.seller, sequence: operation.sequence, withdrawn: last.content().is_none() }
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
    /// Another seller's listing.
    #[error("the listing belongs to another seller")]
    NotSeller,
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

/// Does `operation` change the listing of which `known` is known?
///
/// # Errors
/// The [`Skip`] reason if it does not.
pub fn decide(known: Option<&Known>, operation: &SignedOperation) -> Result<(), Skip> {
    let signed = operation.operation();
    match (&signed.action, known) {
        (Action::Publish(_), None) => Ok(()),
        (Action::Publish(_), Some(_)) => Err(Skip::Exists),
        (_, None) => Err(Skip::Unknown),
        (_, Some(known)) if known.seller != signed.seller => Err(Skip::NotSeller),
        (_, Some(known)) if known.withdrawn => Err(Skip::Withdrawn),
        (_, Some(known)) if signed.sequence <= known.sequence => {
            Err(Skip::Stale { given: signed.sequence, current: known.sequence })
        }
        _ => Ok(()),
    }
}
