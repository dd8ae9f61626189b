//! Operations on listings, signed and verified.

use core::fmt;

use cpchain_crypto::{Digest, Domain, PublicKey, Signature, SignatureError, Signer, batch::Batch};

use super::{
    content::Listing,
    preview::{PreviewOffer, PreviewOpening},
    rating::Rating,
    wanted::{Answer, Wanted},
    wire,
};

/// Longest signed operation, in bytes.
pub const MAX_OPERATION_LEN: usize = 32 * 1024;

const VERSION: u8 = 1;
const HEAD: usize = 1 + 64;
const SIGNED: Domain = Domain::new("cpchain/market/operation/v1");
const ID: Domain = Domain::new("cpchain/market/operation-id/v1");

/// Names a listing through all its revisions: the id of the operation that published it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListingId(pub Digest);

/// Names one signed operation, and with it one revision of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RevisionId(pub Digest);

impl fmt::Display for ListingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for RevisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why bytes are not an operation that a market accepts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListingError {
    /// A field or the whole is over its bound.
    #[error("{field} is over its bound: shorten it")]
    TooLong {
        /// Which field.
        field: &'static str,
    },
    /// A text is blank where it must not be, or holds control characters.
    #[error("{field} is blank or holds control characters: write plain text")]
    Text {
        /// Which field.
        field: &'static str,
    },
    /// The same entry twice.
    #[error("{field} holds an entry twice: list each once")]
    Repeated {
        /// Which field.
        field: &'static str,
    },
    /// The end of the data is not after its start.
    #[error("the time range ends before it starts: give an end after the start, or 0 for data that goes on")]
    TimeRange,
    /// What is done once has number 0, an update or withdrawal a higher one.
    #[error("sequence number {0} does not fit the action: publish with 0, then count up")]
    Sequence(u64),
    /// A score out of range.
    #[error("score {0} is not one of 1 to {most}", most = super::rating::MAX_SCORE)]
    Score(u8),
    /// The bytes are not an operation of this version.
    #[error("not a listing operation that this build reads: {0}")]
    Format(&'static str),
    /// The seller did not sign these bytes.
    #[error("the seller's signature is refused: {0}")]
    Signature(#[from] SignatureError),
}

/// What a seller, or a buyer, wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Puts a new listing up.
    Publish(Listing),
    /// Replaces the content of a listing.
    Update {
        /// Which listing.
        listing: ListingId,
        /// All of its new content.
        content: Listing,
    },
    /// Takes a listing down for good, or what was wanted.
    Withdraw {
        /// Which listing.
        listing: ListingId,
    },
    /// Says what the signer would buy.
    Want(Wanted),
    /// Answers what somebody wants.
    Answer(Answer),
    /// Rates what the signer bought.
    Rate(Rating),
    /// Commits to a manifest, so that preview leaves are drawn.
    OfferPreview(PreviewOffer),
    /// Opens the leaves that were drawn.
    OpenPreview(PreviewOpening),
}

/// An action in the name of a seller, before it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Who acts: the key that signs. A seller, but for [`Action::Want`] and [`Action::Rate`], which are a buyer's.
    pub seller: PublicKey,
    /// 0 to publish, want, rate and preview; above that of every earlier operation on the same listing to update or withdraw
    /// it; above that of the same seller's last answer to answer again.
    pub sequence: u64,
    /// What is to be done.
    pub action: Action,
}

/// An operation that its seller signed, checked, with the bytes as they were received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedOperation {
    bytes: Vec<u8>,
    operation: Operation,
    id: RevisionId,
}

impl Operation {
    /// Signs the operation.
    ///
    /// ```
    /// use cpchain_crypto::{Digest, Signer, SigningKey};
    /// use cpchain_market::{Amount, listing::{Action, Listing, Operation, SignedOperation, Unit}};
    /// let seller = SigningKey::from_seed(&[1; 32]);
    /// let listing = Listing {
    ///     title: "Hourly weather of Seattle".into(), description: "Temperature and wind".into(),
    ///     tags: vec!["weather".into()], category: "climate".into(), price: Amount(5), unit: Unit::Interval,
    ///     period_ms: 3_600_000, from_ms: 1_262_304_000_000, to_ms: 0, samples: vec![], uri: String::new(),
    ///     proxies: vec![], stream: Digest([1; 32]), manifest: None, created_ms: 1_700_000_000_000,
    /// };
    /// let action = Action::Publish(listing);
    /// let signed = Operation { seller: seller.public_key(), sequence: 0, action }.sign(&seller)?;
    /// // What any market does with the bytes it receives:
    /// assert_eq!(SignedOperation::from_bytes(signed.as_bytes())?, signed);
    /// # Ok::<(), cpchain_market::listing::ListingError>(())
    /// ```
    ///
    /// # Errors
    /// [`ListingError`] when a bound is broken or `signer` is not the seller.
    pub fn sign(&self, signer: &dyn Signer) -> Result<SignedOperation, ListingError> {
        if signer.public_key() != self.seller {
            return Err(SignatureError::Mismatch.into());
        }
        let body = wire::encode(self);
        let signature = signer.sign(SIGNED, &body);
        let mut bytes = Vec::with_capacity(HEAD + body.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&signature.0);
        bytes.extend_from_slice(&body);
        SignedOperation::from_bytes(&bytes)
    }

    /// The listing's content after this operation; `None` for a withdrawal and for what is no listing.
    pub const fn content(&self) -> Option<&Listing> {
        match &self.action {
            Action::Publish(listing) | Action::Update { content: listing, .. } => Some(listing),
            _ => None,
        }
    }

    /// What the signer wants to buy, if this says so.
    pub const fn wanted(&self) -> Option<&Wanted> {
        if let Action::Want(wanted) = &self.action { Some(wanted) } else { None }
    }

    /// Reads signed bytes of which it is known that their signature holds.
    #[cfg(feature = "catalog")]
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, ListingError> {
        wire::decode(parts(bytes)?.1)
    }

    fn validate(&self) -> Result<(), ListingError> {
        match &self.action {
            Action::Publish(listing) if self.sequence == 0 => listing.validate(),
            Action::Update { content, .. } if self.sequence > 0 => content.validate(),
            Action::Withdraw { .. } if self.sequence > 0 => Ok(()),
            Action::Answer(answer) => answer.validate(),
            Action::Want(wanted) if self.sequence == 0 => wanted.validate(),
            Action::Rate(rating) if self.sequence == 0 => rating.validate(),
            Action::OfferPreview(offer) if self.sequence == 0 => offer.validate(),
            Action::OpenPreview(opening) if self.sequence == 0 => opening.validate(),
            _ => Err(ListingError::Sequence(self.sequence)),
        }
    }
}

impl SignedOperation {
    /// Decodes and verifies: format, bounds, signature.
    ///
    /// # Errors
    /// [`ListingError`], naming what is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ListingError> {
        let (signature, body) = parts(bytes)?;
        let operation = wire::decode(body)?;
        operation.validate()?;
        operation.seller.verify(SIGNED, body, &signature)?;
        Ok(Self { bytes: bytes.to_vec(), operation, id: id_of(body) })
    }

    /// [`from_bytes`](Self::from_bytes) for many at once: the same answers for about half the work.
    ///
    /// ```
    /// # use cpchain_crypto::{Digest, Signer, SigningKey};
    /// # use cpchain_market::listing::{Action, ListingId, Operation, SignedOperation};
    /// # let seller = SigningKey::from_seed(&[1; 32]);
    /// # let action = Action::Withdraw { listing: ListingId(Digest([1; 32])) };
    /// # let signed = Operation { seller: seller.public_key(), sequence: 1, action }.sign(&seller)?;
    /// let answers = SignedOperation::from_many([signed.as_bytes(), b"junk"]);
    /// assert_eq!(answers[0], Ok(signed));
    /// assert!(answers[1].is_err());
    /// # Ok::<(), cpchain_market::listing::ListingError>(())
    /// ```
    pub fn from_many<'a>(all: impl IntoIterator<Item = &'a [u8]>) -> Vec<Result<Self, ListingError>> {
        let mut batch = Batch::new();
        let mut places = Vec::new();
        let mut answers: Vec<_> = all
            .into_iter()
            .enumerate()
            .map(|(place, bytes)| {
                let (signature, body) = parts(bytes)?;
                let operation = wire::decode(body)?;
                operation.validate()?;
                batch.push(operation.seller, SIGNED, body, signature);
                places.push(place);
                Ok(Self { bytes: bytes.to_vec(), operation, id: id_of(body) })
            })
            .collect();
        if batch.verify().is_err() {
            for place in batch.invalid() {
                let answer = places.get(place).and_then(|place| answers.get_mut(*place));
                if let Some(answer) = answer
                    && let Ok(refused) = answer
                {
                    *answer = Self::from_bytes(&refused.bytes);
                }
            }
        }
        answers
    }

    /// The bytes as they were received: version, signature, body.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What was signed.
    pub const fn operation(&self) -> &Operation {
        &self.operation
    }

    /// The id of this operation. Two signatures over the same body have the same id.
    pub const fn id(&self) -> RevisionId {
        self.id
    }

    /// The listing, or what is wanted, that it is about; for a rating, which names an order instead, its own id.
    pub const fn listing_id(&self) -> ListingId {
        match &self.operation.action {
            Action::Publish(_) | Action::Want(_) | Action::Rate(_) => ListingId(self.id.0),
            Action::Update { listing, .. } | Action::Withdraw { listing } => *listing,
            Action::Answer(answer) => answer.wanted,
            Action::OfferPreview(offer) => offer.listing,
            Action::OpenPreview(opening) => opening.listing,
        }
    }

    /// What the signer wants to buy, if this says so.
    pub const fn wanted(&self) -> Option<&Wanted> {
        self.operation.wanted()
    }

    /// The listing's content after this operation; `None` for a withdrawal and for what is no listing.
    pub const fn content(&self) -> Option<&Listing> {
        self.operation.content()
    }
}

/// Signature and body of an operation's bytes.
fn parts(bytes: &[u8]) -> Result<(Signature, &[u8]), ListingError> {
    if bytes.len() > MAX_OPERATION_LEN {
        return Err(ListingError::TooLong { field: "operation" });
    }
    let (&version, rest) = bytes.split_first().ok_or(ListingError::Format("no bytes"))?;
    if version != VERSION {
        return Err(ListingError::Format("unknown version"));
    }
    let (signature, body) = rest.split_first_chunk::<64>().ok_or(ListingError::Format("no signature"))?;
    Ok((Signature(*signature), body))
}

fn id_of(body: &[u8]) -> RevisionId {
    RevisionId(Digest::of(ID, &[body]))
}
