//! What who takes a message over signs for who handed it over.

use alloc::vec::Vec;

use cpchain_crypto::{Digest, Domain, PublicKey, Signature, Signer};

use super::{Envelope, RelayError};

/// Most receipts of other envelopes that one names.
pub const MAX_KNOWN: usize = 8;

const VERSION: u8 = 1;
const SIGNS: Domain = Domain::new("cpchain/consensus/relay-receipt/v1");
const NAMES: Domain = Domain::new("cpchain/consensus/relay-receipt-id/v1");

/// A receipt.
///
/// # Bytes
/// Version 1; then 32 each: envelope, giver, relay, the receipt of the hop before (zero if the relay is the origin); the number of other
/// receipts (1), their digests, ascending, 32 each; signature (64).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    envelope: Digest,
    giver: PublicKey,
    relay: PublicKey,
    previous: Digest,
    known: Vec<Digest>,
    signature: Signature,
}

impl Receipt {
    /// Signs for a message that `relay` hands over: `previous` is the receipt that the relay itself gave, or nothing if it is the origin.
    /// `known` are receipts that the giver has seen, see [`Dag::heads`](super::Dag::heads).
    ///
    /// # Errors
    /// [`RelayError::TooManyKnown`]; [`RelayError::Broken`] if `previous` is no receipt of this relay for this envelope.
    pub fn sign(
        envelope: &Envelope,
        giver: &dyn Signer,
        relay: PublicKey,
        previous: Option<&Self>,
        known: &[Digest],
    ) -> Result<Self, RelayError> {
        let id = envelope.id();
        let leads = match previous {
            Some(previous) => previous.giver == relay && previous.envelope == id,
            None => relay == envelope.origin(),
        };
        if !leads {
            return Err(RelayError::Broken);
        }
        let mut known = known.to_vec();
        known.sort_unstable();
        known.dedup();
        if known.len() > MAX_KNOWN {
            return Err(RelayError::TooManyKnown);
        }
        let previous = previous.map_or(Digest::ZERO, Self::id);
        let (giver_key, signature) = (giver.public_key(), Signature([0; 64]));
        let mut receipt = Self { envelope: id, giver: giver_key, relay, previous, known, signature };
        receipt.signature = giver.sign(SIGNS, &receipt.signed());
        Ok(receipt)
    }

    fn signed(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(130 + 32 * self.known.len());
        bytes.push(VERSION);
        for part in [&self.envelope.0, &self.giver.0, &self.relay.0, &self.previous.0] {
            bytes.extend_from_slice(part);
        }
        // At most MAX_KNOWN.
        bytes.push(self.known.len() as u8);
        self.known.iter().for_each(|digest| bytes.extend_from_slice(&digest.0));
        bytes
    }

    /// The bytes to send.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.signed().as_slice(), &self.signature.0].concat()
    }

    /// Reads a receipt and checks its signature.
    ///
    /// # Errors
    /// [`RelayError::Malformed`], [`RelayError::Signature`].
    pub fn open(bytes: &[u8]) -> Result<Self, RelayError> {
        let (receipt, rest) = Self::split(bytes).ok_or(RelayError::Malformed)?;
        if !rest.is_empty() {
            return Err(RelayError::Malformed);
        }
        receipt.giver.verify(SIGNS, &receipt.signed(), &receipt.signature).map_err(|_| RelayError::Signature)?;
        Ok(receipt)
    }

    /// Reads the receipt that the bytes begin with, and gives the rest.
    pub(super) fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let ([VERSION], rest) = bytes.split_first_chunk()? else { return None };
        let (names, rest) = rest.split_first_chunk::<128>()?;
        let [envelope, giver, relay, previous] = names.as_chunks::<32>().0 else { return None };
        let (&count, rest) = rest.split_first()?;
        let count = usize::from(count);
        if count > MAX_KNOWN {
            return None;
        }
        let (known, rest) = rest.split_at_checked(32 * count)?;
        let known: Vec<_> = known.as_chunks::<32>().0.iter().copied().map(Digest).collect();
        if !known.is_sorted_by(|a, b| a < b) {
            return None;
        }
        let (signature, rest) = rest.split_first_chunk()?;
        let receipt = Self {
            envelope: Digest(*envelope),
            giver: PublicKey(*giver),
            relay: PublicKey(*relay),
            previous: Digest(*previous),
            known,
            signature: Signature(*signature),
        };
        Some((receipt, rest))
    }

    /// What others name it by: a digest of what was signed.
    pub fn id(&self) -> Digest {
        Digest::of(NAMES, &[&self.signed()])
    }

    /// The [id](Envelope::id) of the envelope.
    pub const fn envelope(&self) -> Digest {
        self.envelope
    }

    /// Who took the message over.
    pub const fn giver(&self) -> PublicKey {
        self.giver
    }

    /// Who handed it over.
    pub const fn relay(&self) -> PublicKey {
        self.relay
    }

    /// The receipt that the relay itself gave; none if it is the origin.
    pub fn previous(&self) -> Option<Digest> {
        (self.previous != Digest::ZERO).then_some(self.previous)
    }

    /// All receipts that it names.
    pub fn names(&self) -> impl Iterator<Item = Digest> + '_ {
        self.previous().into_iter().chain(self.known.iter().copied())
    }
}
