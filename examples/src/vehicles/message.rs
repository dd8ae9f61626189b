//! What vehicles and gateways say: signed, of one size.

use bytes::Bytes;
use cpchain_consensus::ChainId;
use cpchain_crypto::{Domain, PublicKey, Signature, Signer};

use super::crossing::Movement;

/// Bytes of a message: version, chain (32), speaker (32), number (8), kind, movement, about whom (32), signature (64).
pub const MESSAGE_BYTES: usize = 171;

const VERSION: u8 = 1;
const SIGNED: usize = MESSAGE_BYTES - 64;
const SPEAKS: Domain = Domain::new("cpchain/examples/right-of-way/v1");

/// What is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Say {
    /// A vehicle wants to drive through.
    Ask(Movement),
    /// It is still there.
    Renew,
    /// Its slot is open, and it begins to drive.
    Enter,
    /// It is out of the crossing, or gives its slot back.
    Leave,
    /// A gateway sees that this vehicle, which is silent, no longer stands in the crossing.
    Clear(PublicKey),
}

/// A signed message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who says it.
    pub speaker: PublicKey,
    /// Ascends with each message of a speaker, so that none counts twice.
    pub number: u64,
    /// What is said.
    pub say: Say,
    bytes: Bytes,
}

impl Message {
    /// Signs a message of a chain.
    pub fn sign(chain: ChainId, key: &dyn Signer, number: u64, say: Say) -> Self {
        let speaker = key.public_key();
        let (kind, movement, about) = match say {
            Say::Ask(movement) => (0, movement.to_byte(), PublicKey([0; 32])),
            Say::Renew => (1, 0, PublicKey([0; 32])),
            Say::Enter => (2, 0, PublicKey([0; 32])),
            Say::Leave => (3, 0, PublicKey([0; 32])),
            Say::Clear(vehicle) => (4, 0, vehicle),
        };
        let number_bytes = number.to_be_bytes();
        let signed: [&[u8]; 6] = [&[VERSION], &chain.0.0, &speaker.0, &number_bytes, &[kind, movement], &about.0];
        let signed = signed.concat();
        let signature = key.sign(SPEAKS, &signed);
        Self { speaker, number, say, bytes: [signed.as_slice(), &signature.0].concat().into() }
    }

    /// Reads a message of a chain and checks its signature. `None` for anything that is not the one encoding of a message.
    pub fn open(chain: ChainId, bytes: &Bytes) -> Option<Self> {
        let (signed, signature) = bytes.split_at_checked(SIGNED)?;
        if signed.get(1..33) != Some(&chain.0.0) {
            return None;
        }
        let message = Self::trusted(bytes)?;
        message.speaker.verify(SPEAKS, signed, &Signature::from_slice(signature)?).ok()?;
        Some(message)
    }

    /// Reads a message that was [opened](Self::open) before.
    pub(super) fn trusted(bytes: &Bytes) -> Option<Self> {
        let (signed, signature) = bytes.split_at_checked(SIGNED)?;
        if signed.first() != Some(&VERSION) || signature.len() != 64 {
            return None;
        }
        let (_, rest) = signed.split_at_checked(33)?;
        let (speaker, rest) = rest.split_at_checked(32)?;
        let speaker = PublicKey::from_slice(speaker)?;
        let (number, rest) = rest.split_first_chunk::<8>()?;
        let ([kind, movement], about) = rest.split_first_chunk::<2>()?;
        let about = PublicKey::from_slice(about)?;
        let say = match (kind, movement, about.0 == [0; 32]) {
            (0, movement, true) => Say::Ask(Movement::from_byte(*movement)?),
            (1, 0, true) => Say::Renew,
            (2, 0, true) => Say::Enter,
            (3, 0, true) => Say::Leave,
            (4, 0, _) => Say::Clear(about),
            _ => return None,
        };
        // A copy, so that a kept message does not keep the block that brought it.
        let bytes = Bytes::copy_from_slice(bytes);
        Some(Self { speaker, number: u64::from_be_bytes(*number), say, bytes })
    }

    /// The bytes to send.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::SigningKey;

    use super::*;
    use crate::vehicles::{Arm, Turn};

    #[test]
    fn messages_round_trip_and_every_byte_is_bound() {
        let (chain, key) = (ChainId::new("test", b""), SigningKey::from_seed(&[1; 32]));
        let ask = Say::Ask(Movement { from: Arm::West, turn: Turn::Left });
        for (number, say) in (7..).zip([ask, Say::Renew, Say::Enter, Say::Leave, Say::Clear(PublicKey([9; 32]))]) {
            let message = Message::sign(chain, &key, number, say);
            assert_eq!(message.bytes().len(), MESSAGE_BYTES);
            assert_eq!(Message::open(chain, message.bytes()), Some(message.clone()));
            assert_eq!(Message::open(ChainId::new("other", b""), message.bytes()), None);
            for at in 0..MESSAGE_BYTES {
                let mut bytes = message.bytes().to_vec();
                bytes[at] ^= 1;
                assert_eq!(Message::open(chain, &bytes.into()), None, "byte {at} of {say:?}");
            }
            assert_eq!(Message::open(chain, &message.bytes().slice(1..)), None);
        }
    }
}
