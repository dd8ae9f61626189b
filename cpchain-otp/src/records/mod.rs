//! What owners and proxies sign.
//!
//! | record | signed by | says |
//! | --- | --- | --- |
//! | [`Registration`] | owner | this name of mine means this root |
//! | [`Label`] | owner | this object holds these intervals of my stream, and who may read its ciphertext |
//! | [`Grant`] | owner | this key may read, or have re-encrypted, these intervals, at these proxies, until then |
//! | [`Revocations`] | owner | these grants of mine hold no more |
//! | [`ProxyDescriptor`] | proxy | this is my key, and here I am |
//! | [`StreamHead`] | owner | this is the next object of my stream, after that one |
//! | [`Letter`] | sender | these are my words to this recipient |
//! | [`Custody`] | proxy | this sealed letter lies in that inbox |
//! | [`Delivery`] | recipient | this sealed letter arrived |
//! | [`Receipt`] | proxy, and acknowledged by the caller | I served this range to this caller |

mod descriptor;
mod grant;
mod head;
mod label;
mod letter;
mod receipt;
mod registration;
mod revocations;

pub use {
    descriptor::{ProxyDescriptor, ProxyId},
    grant::{Grant, GrantError, GrantKind, GrantUse},
    head::StreamHead,
    label::Label,
    letter::{Custody, Delivery, Letter, MAX_LETTER},
    receipt::{Receipt, WitnessedReceipt},
    registration::Registration,
    revocations::Revocations,
};

use cpchain_crypto::{Digest, PublicKey};

use crate::signed::RecordError;

fn key(bytes: &[u8]) -> Result<PublicKey, RecordError> {
    PublicKey::from_slice(bytes).ok_or(RecordError::Malformed("a key has 32 bytes"))
}

fn digest(bytes: &[u8]) -> Result<Digest, RecordError> {
    Digest::from_slice(bytes).ok_or(RecordError::Malformed("a hash has 32 bytes"))
}

/// An optional hash: empty bytes stand for none.
fn optional_digest(bytes: &[u8]) -> Result<Option<Digest>, RecordError> {
    if bytes.is_empty() { Ok(None) } else { digest(bytes).map(Some) }
}

fn intervals(from: u32, to: u32) -> Result<std::ops::Range<u32>, RecordError> {
    if from < to { Ok(from..to) } else { Err(RecordError::Malformed("an interval range is empty")) }
}

fn bytes(digest: impl AsRef<[u8]>) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(digest.as_ref())
}
