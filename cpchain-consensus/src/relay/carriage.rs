//! One way from origin to destination, as bytes that prove themselves.

use alloc::{collections::BTreeSet, vec::Vec};

use cpchain_crypto::{Digest, PublicKey};

use super::{ENVELOPE_BYTES, Envelope, Receipt, RelayError};
use crate::ids::ChainId;

/// Most relays of a way that is paid.
pub const MAX_HOPS: usize = 8;

/// A way: the envelope and its receipts, the destination's first, the one for the origin last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carriage {
    envelope: Envelope,
    receipts: Vec<Receipt>,
}

impl Carriage {
    /// Checks that the receipts lead from the destination back to the origin.
    ///
    /// # Errors
    /// [`RelayError::Broken`].
    pub(super) fn new(envelope: Envelope, receipts: Vec<Receipt>) -> Result<Self, RelayError> {
        let id = envelope.id();
        let mut expected = (None::<Digest>, envelope.destination);
        let mut seen = BTreeSet::from([envelope.origin()]);
        for receipt in &receipts {
            let (named, giver) = expected;
            let is_named = named.is_none_or(|named| named == receipt.id());
            if receipt.envelope() != id || receipt.giver() != giver || !is_named || !seen.insert(giver) {
                return Err(RelayError::Broken);
            }
            // Zero is no digest of a receipt: behind the first hop nothing may follow.
            expected = (Some(receipt.previous().unwrap_or(Digest::ZERO)), receipt.relay());
        }
        // One receipt more than relays; the last one is for the origin.
        let hops = receipts.len().checked_sub(1).filter(|hops| (1..=MAX_HOPS).contains(hops));
        if hops.is_none() || expected != (Some(Digest::ZERO), envelope.origin()) {
            return Err(RelayError::Broken);
        }
        Ok(Self { envelope, receipts })
    }

    /// The bytes to send: envelope, number of receipts (1), receipts.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.envelope.to_bytes();
        // At most MAX_HOPS and one.
        bytes.push(self.receipts.len() as u8);
        self.receipts.iter().for_each(|receipt| bytes.extend_from_slice(&receipt.to_bytes()));
        bytes
    }

    /// Reads a way of a chain, and checks every signature and every link.
    ///
    /// # Errors
    /// [`RelayError`].
    pub fn open(chain: ChainId, bytes: &[u8]) -> Result<Self, RelayError> {
        match Self::split(chain, bytes)? {
            (carriage, []) => Ok(carriage),
            _ => Err(RelayError::Malformed),
        }
    }

    /// Reads the way that the bytes begin with, and gives the rest.
    pub(super) fn split(chain: ChainId, bytes: &[u8]) -> Result<(Self, &[u8]), RelayError> {
        let (envelope, rest) = bytes.split_at_checked(ENVELOPE_BYTES).ok_or(RelayError::Malformed)?;
        let (&count, mut rest) = rest.split_first().ok_or(RelayError::Malformed)?;
        if usize::from(count) > MAX_HOPS + 1 {
            return Err(RelayError::Malformed);
        }
        let mut receipts = Vec::with_capacity(count.into());
        for _ in 0..count {
            let (receipt, behind) = Receipt::split(rest).ok_or(RelayError::Malformed)?;
            receipts.push(receipt);
            rest = behind;
        }
        // What costs least comes first; the signatures last.
        let envelope = Envelope::open(envelope)?;
        if envelope.chain != chain {
            return Err(RelayError::WrongChain);
        }
        let carriage = Self::new(envelope, receipts)?;
        for receipt in &carriage.receipts {
            Receipt::open(&receipt.to_bytes())?;
        }
        Ok((carriage, rest))
    }

    /// The envelope.
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// What each relay of the way gets, the one nearest to the destination first: equal parts of the reward, and what does not
    /// divide to the first.
    pub fn shares(&self) -> Vec<(PublicKey, u128)> {
        let relays: Vec<_> = self.receipts.iter().skip(1).map(Receipt::giver).collect();
        let count = relays.len().max(1) as u128;
        let (part, rest) = (self.envelope.reward / count, self.envelope.reward % count);
        let first = |index: usize| if index == 0 { rest } else { 0 };
        relays.into_iter().enumerate().map(|(index, relay)| (relay, part + first(index))).collect()
    }
}
