//! What the origin seals.

use alloc::vec::Vec;

use cpchain_crypto::{Digest, Domain, PublicKey, Signature, Signer};

use super::RelayError;
use crate::ids::{ChainId, Height};

/// Bytes of an envelope: version 1, chain (32), origin (32), destination (32), number (8), last height (8), reward (16), content
/// (32), signature (64). Numbers are big-endian.
pub const ENVELOPE_BYTES: usize = 225;

const VERSION: u8 = 1;
const SIGNED: usize = ENVELOPE_BYTES - 64;
const SEALS: Domain = Domain::new("cpchain/consensus/relay-envelope/v1");
const NAMES: Domain = Domain::new("cpchain/consensus/relay-envelope-id/v1");

/// What an origin promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// The chain that pays.
    pub chain: ChainId,
    /// Who is to get the message.
    pub destination: PublicKey,
    /// Tells messages of one content apart.
    pub number: u64,
    /// The last height at which the chain pays.
    pub expires: Height,
    /// What all relays of one way get together, in 10⁻¹⁸ CPC.
    pub reward: u128,
    /// [`Digest::content`] of the message.
    pub content: Digest,
}

/// A message's cover, sealed by its origin: an [`Order`], which it dereferences to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    origin: PublicKey,
    order: Order,
    signature: Signature,
}

impl core::ops::Deref for Envelope {
    type Target = Order;

    fn deref(&self) -> &Order {
        &self.order
    }
}

impl Envelope {
    /// Seals an order.
    pub fn seal(origin: &dyn Signer, order: Order) -> Self {
        let mut envelope = Self { origin: origin.public_key(), order, signature: Signature([0; 64]) };
        envelope.signature = origin.sign(SEALS, &envelope.signed());
        envelope
    }

    /// Who sends, and pays.
    pub const fn origin(&self) -> PublicKey {
        self.origin
    }

    fn signed(&self) -> Vec<u8> {
        let (number, expires, reward) =
            (self.number.to_be_bytes(), self.expires.0.to_be_bytes(), self.reward.to_be_bytes());
        let parts: [&[u8]; 8] = [
            &[VERSION],
            &self.chain.0.0,
            &self.origin.0,
            &self.destination.0,
            &number,
            &expires,
            &reward,
            &self.content.0,
        ];
        parts.concat()
    }

    /// The bytes to send.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.signed().as_slice(), &self.signature.0].concat()
    }

    /// Reads an envelope and checks its seal.
    ///
    /// # Errors
    /// [`RelayError::Malformed`], [`RelayError::Signature`].
    pub fn open(bytes: &[u8]) -> Result<Self, RelayError> {
        let envelope = Self::read(bytes).ok_or(RelayError::Malformed)?;
        let signed = bytes.get(..SIGNED).ok_or(RelayError::Malformed)?;
        envelope.origin.verify(SEALS, signed, &envelope.signature).map_err(|_| RelayError::Signature)?;
        Ok(envelope)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let ([VERSION], rest) = bytes.split_first_chunk()? else { return None };
        let (keys, rest) = rest.split_first_chunk::<96>()?;
        let [chain, origin, destination] = keys.as_chunks::<32>().0 else { return None };
        let (number, rest) = rest.split_first_chunk()?;
        let (expires, rest) = rest.split_first_chunk()?;
        let (reward, rest) = rest.split_first_chunk()?;
        let (content, rest) = rest.split_first_chunk()?;
        let order = Order {
            chain: ChainId(Digest(*chain)),
            destination: PublicKey(*destination),
            number: u64::from_be_bytes(*number),
            expires: Height(u64::from_be_bytes(*expires)),
            reward: u128::from_be_bytes(*reward),
            content: Digest(*content),
        };
        Some(Self { origin: PublicKey(*origin), order, signature: Signature::from_slice(rest)? })
    }

    /// What receipts name it by: a digest of what was sealed, so that a second signature is no second envelope.
    pub fn id(&self) -> Digest {
        Digest::of(NAMES, &[&self.signed()])
    }
}
