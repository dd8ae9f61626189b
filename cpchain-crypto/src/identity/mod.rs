//! Who somebody is, which key speaks for them, what is attested about them, and who acts for a device that cannot.
//!
//! White paper 3.1.4 asks for decentralised identifiers that their owners control, for devices that reproduce their keys
//! instead of storing them, for privacy when an attribute is shown, and for edge nodes that help devices that are too small.
//!
//! | you want to | take |
//! | --- | --- |
//! | name a key | [`Did`], a `did:key`; [`Did::document`] resolves it |
//! | change a key and keep the name | [`Rotation`], [`Revocation`], folded by [`KeyHistory`] |
//! | attest attributes, and show some of them | [`credential`] (feature `alloc` to issue), [`presentation`] |
//! | let a gateway act for devices | [`delegation`] |
//! | give a device keys that it does not store | [`KeySource`], [`DeviceIdentity`]; `KeyFile` (feature `std`), [`puf`] |
//!
//! Every record has a fixed layout that starts with `CPI1` and its kind, and golden bytes in `testdata/` (`golden_*` in
//! `tests/identity_*.rs`). Decoders read any bytes without a panic (`any_bytes_never_panic` there).

mod bch;
pub mod credential;
pub mod delegation;
mod device;
mod did;
mod document;
#[cfg(feature = "did-document")]
mod document_json;
#[cfg(feature = "alloc")]
mod held;
mod history;
#[cfg(feature = "alloc")]
mod issue;
#[cfg(feature = "std")]
mod key_file;
mod key_record;
mod layout;
pub mod presentation;
pub mod puf;
mod speaker;
mod withdrawal;

#[cfg(feature = "did-document")]
pub use document_json::{DocumentError, MAX_DOCUMENT_LEN};
#[cfg(feature = "std")]
pub use key_file::{KeyFile, KeyFileError};
pub use {
    device::{DeviceIdentity, KeySource, KeySourceError},
    did::{Did, DidError},
    document::{DidDocument, DocumentForm},
    history::{ForkEvidence, HistoryError, KeyHistory, NoSpeaker},
    key_record::{
        KeyRecord, REVOCATION_LEN, ROTATION_LEN, Revocation, RevocationReason, Rotation, SignedRevocation,
        SignedRotation, WrongSigner,
    },
    layout::RecordError,
    speaker::Speaker,
};
