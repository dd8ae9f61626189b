//! How identity records are laid out: `CPI1`, the kind, three bytes that each kind uses, then fixed fields, little endian.

use crate::{hash::Digest, sign::PublicKey, sign::Signature};

use super::did::Did;

/// Bytes before the fields of a record.
pub(super) const HEADER_LEN: usize = 8;
const MAGIC: [u8; 4] = *b"CPI1";

/// Why bytes are not the identity record that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Shorter or longer than a record of this kind.
    #[error("the record is cut short, or bytes follow it")]
    Length,
    /// Another kind or version, or reserved bytes that are not zero.
    #[error("not an identity record of a kind and version that this build reads")]
    Format,
    /// A field breaks its documented bounds.
    #[error("the record's field `{0}` is out of its bounds")]
    Field(&'static str),
}

/// What a record is; the number stands in its fifth byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Rotation = 1,
    Revocation = 2,
    Delegation = 3,
    Withdrawal = 4,
    Credential = 5,
    #[cfg(feature = "alloc")]
    HeldCredential = 6,
    Presentation = 7,
    PufHelper = 8,
}

/// The eight bytes that every record starts with.
pub(super) fn header(kind: Kind, [a, b, c]: [u8; 3]) -> [u8; HEADER_LEN] {
    let [m, n, o, p] = MAGIC;
    [m, n, o, p, kind as u8, a, b, c]
}

/// Lays fields into `N` bytes one after another. What would not fit is left out; each record's round trip test holds the sum.
pub(super) struct Writer<const N: usize> {
    bytes: [u8; N],
    at: usize,
}

impl<const N: usize> Writer<N> {
    pub(super) const fn new() -> Self {
        Self { bytes: [0; N], at: 0 }
    }

    pub(super) fn put(mut self, field: &[u8]) -> Self {
        let end = self.at.saturating_add(field.len());
        if let Some(place) = self.bytes.get_mut(self.at..end) {
            place.copy_from_slice(field);
        }
        self.at = end;
        self
    }

    pub(super) fn finish(self) -> [u8; N] {
        debug_assert_eq!(self.at, N);
        self.bytes
    }
}

/// Takes fields off borrowed bytes; nothing is read past the end.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Starts after the header, whose three own bytes are returned.
    pub(super) fn open(bytes: &'a [u8], kind: Kind) -> Result<([u8; 3], Self), RecordError> {
        let mut reader = Self(bytes);
        let head: [u8; HEADER_LEN] = reader.array()?;
        let [_, _, _, _, _, a, b, c] = head;
        if head != header(kind, [a, b, c]) {
            return Err(RecordError::Format);
        }
        Ok(([a, b, c], reader))
    }

    pub(super) fn bare(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn array<const K: usize>(&mut self) -> Result<[u8; K], RecordError> {
        let (head, tail) = self.0.split_first_chunk::<K>().ok_or(RecordError::Length)?;
        self.0 = tail;
        Ok(*head)
    }

    pub(super) fn slice(&mut self, length: usize) -> Result<&'a [u8], RecordError> {
        let (head, tail) = self.0.split_at_checked(length).ok_or(RecordError::Length)?;
        self.0 = tail;
        Ok(head)
    }

    pub(super) fn u64(&mut self) -> Result<u64, RecordError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn key(&mut self) -> Result<PublicKey, RecordError> {
        self.array().map(PublicKey)
    }

    pub(super) fn did(&mut self) -> Result<Did, RecordError> {
        self.key().map(Did::from)
    }

    pub(super) fn digest(&mut self) -> Result<Digest, RecordError> {
        self.array().map(Digest)
    }

    pub(super) fn signature(&mut self) -> Result<Signature, RecordError> {
        self.array().map(Signature)
    }

    pub(super) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(super) fn end(self) -> Result<(), RecordError> {
        if self.0.is_empty() { Ok(()) } else { Err(RecordError::Length) }
    }
}
