//! Fixed fields and pieces with their length in front.

use bytes::Bytes;
use cpchain_crypto::{Digest, PublicKey};
use prost::Message as _;

use super::super::amount::Amount;
use crate::{
    ChainId, Height,
    lbft::{Certificate, wire},
};

/// Reads what [`Writer`] wrote.
pub(super) struct Reader(Bytes);

impl Reader {
    pub(super) const fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    pub(super) fn take(&mut self, length: usize) -> Option<Bytes> {
        (length <= self.0.len()).then(|| self.0.split_to(length))
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.as_ref().try_into().ok()
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn height(&mut self) -> Option<Height> {
        self.number().map(Height)
    }

    pub(super) fn chain(&mut self) -> Option<ChainId> {
        self.array().map(|bytes| ChainId(Digest(bytes)))
    }

    pub(super) fn account(&mut self) -> Option<PublicKey> {
        self.array().map(PublicKey)
    }

    pub(super) fn amount(&mut self) -> Option<Amount> {
        self.array().map(|bytes| Amount(u128::from_be_bytes(bytes)))
    }

    /// A piece with its length in front, two bytes.
    pub(super) fn piece(&mut self) -> Option<Bytes> {
        let length = usize::from(u16::from_be_bytes(self.array()?));
        self.take(length)
    }

    /// At most so many pieces, with their number in front, one byte.
    pub(super) fn pieces(&mut self, most: usize) -> Option<Vec<Bytes>> {
        let [count] = self.array()?;
        (usize::from(count) <= most).then_some(())?;
        (0..count).map(|_| self.piece()).collect()
    }

    /// One of nothing or a piece.
    pub(super) fn option(&mut self) -> Option<Option<Bytes>> {
        match self.array()? {
            [0] => Some(None),
            [1] => self.piece().map(Some),
            _ => None,
        }
    }

    pub(super) fn certificate(&mut self) -> Option<Certificate> {
        let piece = self.piece()?;
        let message = wire::Certificate::decode(piece.clone()).ok()?;
        let certificate = Certificate::from_wire(message)?;
        (certificate.to_wire().encode_to_vec() == *piece).then_some(certificate)
    }

    pub(super) fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// Writes fields one behind the other.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn put(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.extend_from_slice(bytes.as_ref());
        self
    }

    /// What is longer than 64 KiB, and so than a transaction, is written as nothing: its reader refuses it.
    pub(super) fn piece(self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        match u16::try_from(bytes.len()) {
            Ok(length) => self.put(length.to_be_bytes()).put(bytes),
            Err(_) => self.put([0, 0]),
        }
    }

    pub(super) fn pieces(self, pieces: &[Bytes]) -> Self {
        let count = u8::try_from(pieces.len()).unwrap_or(u8::MAX);
        pieces.iter().fold(self.put([count]), Self::piece)
    }

    pub(super) fn option(self, bytes: Option<&[u8]>) -> Self {
        match bytes {
            None => self.put([0]),
            Some(bytes) => self.put([1]).piece(bytes),
        }
    }

    pub(super) fn certificate(self, certificate: &Certificate) -> Self {
        self.piece(certificate.to_wire().encode_to_vec())
    }

    pub(super) fn bytes(self) -> Bytes {
        self.0.into()
    }
}
