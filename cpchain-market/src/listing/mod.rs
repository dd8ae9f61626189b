//! Listings: what is for sale, said by its seller under a signature.
//!
//! A market never registers anybody. A seller signs an [`Operation`] (publish, update, withdraw); whoever receives the
//! bytes checks them with [`SignedOperation::from_bytes`], so that a value of that type is always a verified one.
//!
//! Rules, and the tests that hold them:
//! 1. The id of an operation is a hash of its signed bytes under a domain of its own; fields cannot be shifted into
//!    each other (`fields_cannot_be_shifted_into_each_other`; the original hashed a plain concatenation).
//! 2. A listing keeps the id of the operation that published it; each update is a new revision of it with a higher
//!    sequence number, by the same seller. A withdrawal is final (`updates_follow_the_rule`).
//! 3. Signed bytes are kept as received and never encoded again (`signed_bytes_are_kept_as_received`).
//! 4. Everything is bounded before it is stored, and no bytes make a decoder panic (`any_bytes_never_panic`).
//! 5. Prices are integers (the original used floats).
//!
//! The same envelope carries what else parties say in public:
//!
//! | action | by | says |
//! | --- | --- | --- |
//! | [`Want`](Action::Want) | a buyer | what it would buy, for how much at most, until which block; taken back by a withdrawal |
//! | [`Answer`](Action::Answer) | a seller | which listing or object it offers for that |
//! | [`Rate`](Action::Rate) | a buyer who bought | how good an order was |
//! | [`OfferPreview`](Action::OfferPreview), [`OpenPreview`](Action::OpenPreview) | a seller | a look at leaves that the chain draws |
//!
//! What these make of the log is told by the [`book`](crate::book).

mod content;
mod messages;
mod operation;
mod preview;
mod rating;
pub mod rule;
mod wanted;
mod wire;

pub use content::{
    Listing, MAX_CATEGORY, MAX_DESCRIPTION, MAX_PROXIES, MAX_SAMPLES, MAX_TAG, MAX_TAGS, MAX_TITLE, MAX_URI, Unit,
};
pub use operation::{Action, ListingError, ListingId, MAX_OPERATION_LEN, Operation, RevisionId, SignedOperation};
pub use preview::{OpenedLeaf, PREVIEW_LEAVES, PreviewError, PreviewOffer, PreviewOpening, draw_leaves};
pub use rating::{MAX_RATING_TEXT, MAX_SCORE, Rating};
pub use wanted::{Answer, Offered, Wanted};
