use cpchain_crypto::{Digest, Domain, PublicKey};
use prost::Message as _;

use super::{bytes, digest, key};
use crate::{
    signed::{Record, RecordError},
    wire,
};

/// Longest body of a letter, in bytes.
pub const MAX_LETTER: usize = 32 * 1024;

/// What is inside a sealed letter: only the recipient reads it, and knows who wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Who wrote it.
    pub sender: PublicKey,
    /// To whom: a letter that is sealed anew to somebody else is not a letter to him.
    pub recipient: PublicKey,
    /// When it was written, ms since 1970 UTC, as the sender says.
    pub sent_ms: u64,
    /// Random: two letters of the same words are two letters.
    pub nonce: Digest,
    /// The words, at most [`MAX_LETTER`] bytes.
    pub body: bytes::Bytes,
}

impl Record for Letter {
    const DOMAIN: Domain = Domain::new("cpchain/otp/letter/v1");
    const MAX_LEN: usize = MAX_LETTER + 256;

    fn signer(&self) -> PublicKey {
        self.sender
    }

    fn to_body(&self) -> Vec<u8> {
        wire::Letter {
            sender: bytes(self.sender.0),
            recipient: bytes(self.recipient.0),
            sent_ms: self.sent_ms,
            nonce: bytes(self.nonce),
            body: self.body.clone(),
        }
        .encode_to_vec()
    }

    fn from_body(body: &[u8]) -> Result<Self, RecordError> {
        let read = wire::Letter::decode(body).map_err(|_| RecordError::Malformed("not a letter"))?;
        if read.body.len() > MAX_LETTER {
            return Err(RecordError::Malformed("the letter is too long"));
        }
        Ok(Self {
            sender: key(&read.sender)?,
            recipient: key(&read.recipient)?,
            sent_ms: read.sent_ms,
            nonce: digest(&read.nonce)?,
            body: read.body,
        })
    }
}

/// A proxy's word that a sealed letter lies durably in a recipient's inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Custody {
    /// Who keeps it.
    pub proxy: PublicKey,
    /// For whom.
    pub recipient: PublicKey,
    /// BLAKE3 hash of the sealed bytes.
    pub letter: Digest,
    /// Since when, ms since 1970 UTC.
    pub at_ms: u64,
    /// It is kept until fetched, and no longer than this, ms since 1970 UTC.
    pub until_ms: u64,
}

impl Record for Custody {
    const DOMAIN: Domain = Domain::new("cpchain/otp/custody/v1");
    const MAX_LEN: usize = 256;

    fn signer(&self) -> PublicKey {
        self.proxy
    }

    fn to_body(&self) -> Vec<u8> {
        wire::Custody {
            proxy: bytes(self.proxy.0),
            recipient: bytes(self.recipient.0),
            letter: bytes(self.letter),
            at_ms: self.at_ms,
            until_ms: self.until_ms,
        }
        .encode_to_vec()
    }

    fn from_body(body: &[u8]) -> Result<Self, RecordError> {
        let read = wire::Custody::decode(body).map_err(|_| RecordError::Malformed("not a custody record"))?;
        Ok(Self {
            proxy: key(&read.proxy)?,
            recipient: key(&read.recipient)?,
            letter: digest(&read.letter)?,
            at_ms: read.at_ms,
            until_ms: read.until_ms,
        })
    }
}

/// A recipient's word that a letter arrived: the proxy may forget it, the sender may see this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Who got it.
    pub recipient: PublicKey,
    /// BLAKE3 hash of the sealed bytes.
    pub letter: Digest,
    /// Did it open, and was it a letter to this recipient? If not, it was thrown away.
    pub opened: bool,
    /// When, ms since 1970 UTC.
    pub at_ms: u64,
}

impl Record for Delivery {
    const DOMAIN: Domain = Domain::new("cpchain/otp/delivery/v1");
    const MAX_LEN: usize = 128;

    fn signer(&self) -> PublicKey {
        self.recipient
    }

    fn to_body(&self) -> Vec<u8> {
        wire::Delivery {
            recipient: bytes(self.recipient.0),
            letter: bytes(self.letter),
            opened: self.opened,
            at_ms: self.at_ms,
        }
        .encode_to_vec()
    }

    fn from_body(body: &[u8]) -> Result<Self, RecordError> {
        let read = wire::Delivery::decode(body).map_err(|_| RecordError::Malformed("not a delivery record"))?;
        Ok(Self {
            recipient: key(&read.recipient)?,
            letter: digest(&read.letter)?,
            opened: read.opened,
            at_ms: read.at_ms,
        })
    }
}
