//! `did:key` identifiers of Ed25519 keys (W3C did:key, multicodec `ed25519-pub` 0xed, multibase base58btc).

use core::{fmt, str::FromStr};

use crate::sign::PublicKey;

/// The base58 text of 34 bytes: 46 or 47 characters, as the first two bytes are not zero.
const TEXT: usize = 48;
const MULTICODEC_ED25519: [u8; 2] = [0xed, 0x01];
const MULTICODEC_X25519: [u8; 2] = [0xec, 0x01];
const PREFIX: &str = "did:key:z";

/// A text that is not the `did:key` of an Ed25519 key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DidError {
    /// It does not start with `did:key:z`.
    #[error("not a did:key in base58btc: it must start with `did:key:z`")]
    NotDidKey,
    /// The text after the prefix is not base58, or not of the right length.
    #[error("the identifier of the did:key is not base58 text of 34 bytes")]
    BadEncoding,
    /// Another key type than Ed25519.
    #[error("the did:key is not of an Ed25519 key (multicodec 0xed01)")]
    NotEd25519,
    /// The key is no usable point of the curve, so that there is no DID document of it.
    #[error("the key of the did:key is no usable point of the curve")]
    NotOnCurve,
}

/// A decentralised identifier: here always the `did:key` of an Ed25519 key, so that it resolves to itself.
///
/// ```
/// use cpchain_crypto::{Did, PublicKey};
/// let did: Did = "did:key:z6MkehRgf7yJbgaGfYsdoAsKdBPE3dj2CYhowQdcjqSJgvVd".parse()?;
/// assert_eq!(did.to_string(), "did:key:z6MkehRgf7yJbgaGfYsdoAsKdBPE3dj2CYhowQdcjqSJgvVd");
/// assert_eq!(Did::from(did.public_key()), did);
/// # Ok::<(), cpchain_crypto::DidError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Did(PublicKey);

impl Did {
    /// The key that the identifier names.
    pub const fn public_key(&self) -> PublicKey {
        self.0
    }
}

impl From<PublicKey> for Did {
    fn from(key: PublicKey) -> Self {
        Self(key)
    }
}

/// A public key as multibase text: `z` and base58btc of the multicodec prefix and the 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MultibaseKey([u8; 34]);

impl MultibaseKey {
    pub(super) fn ed25519(key: &[u8; 32]) -> Self {
        Self::new(MULTICODEC_ED25519, key)
    }

    pub(super) fn x25519(key: &[u8; 32]) -> Self {
        Self::new(MULTICODEC_X25519, key)
    }

    fn new(codec: [u8; 2], key: &[u8; 32]) -> Self {
        let mut raw = [0; 34];
        let (head, tail) = raw.split_at_mut(2);
        head.copy_from_slice(&codec);
        tail.copy_from_slice(key);
        Self(raw)
    }
}

impl fmt::Display for MultibaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; TEXT];
        let length = bs58::encode(self.0).onto(text.as_mut_slice()).map_err(|_| fmt::Error)?;
        let text = text.get(..length).and_then(|t| core::str::from_utf8(t).ok()).ok_or(fmt::Error)?;
        write!(f, "z{text}")
    }
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "did:key:{}", MultibaseKey::ed25519(&self.0.0))
    }
}

impl FromStr for Did {
    type Err = DidError;

    fn from_str(text: &str) -> Result<Self, DidError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(DidError::NotDidKey)?;
        if encoded.len() > TEXT {
            return Err(DidError::BadEncoding);
        }
        let mut raw = [0; 34];
        match bs58::decode(encoded).onto(raw.as_mut_slice()) {
            Ok(34) => {}
            _ => return Err(DidError::BadEncoding),
        }
        match raw.split_first_chunk::<2>() {
            Some((&MULTICODEC_ED25519, key)) => PublicKey::from_slice(key).map(Self).ok_or(DidError::BadEncoding),
            _ => Err(DidError::NotEd25519),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_the_did_key_specification() {
        // https://w3c-ccg.github.io/did-key-spec/ : Ed25519 test vectors.
        for text in [
            "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp",
            "did:key:z6MkjchhfUsD6mmvni8mCdXHw216Xrm9bQe2mBH1P5RDjVJG",
            "did:key:z6MknGc3ocHs3zdPiJbnaaqDi58NGb4pk1Sp9WxWufuXSdxf",
        ] {
            assert_eq!(text.parse::<Did>().unwrap().to_string(), text);
        }
        let did: Did = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp".parse().unwrap();
        assert_eq!(did.public_key().to_string(), "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29");
    }

    #[test]
    fn wrong_texts_are_refused() {
        assert_eq!("did:web:example".parse::<Did>(), Err(DidError::NotDidKey));
        assert_eq!("did:key:z".parse::<Did>(), Err(DidError::BadEncoding));
        assert_eq!("did:key:z0OIl".parse::<Did>(), Err(DidError::BadEncoding));
        // An X25519 key of the same specification.
        let x25519 = "did:key:z6LSeu9HkTHSfLLeUs2nnzUSNedgDUevfNQgQjQC23ZCit6F";
        assert_eq!(x25519.parse::<Did>(), Err(DidError::NotEd25519));
        let missing = format!("did:key:z{}", "1".repeat(47));
        assert_eq!(missing.parse::<Did>(), Err(DidError::BadEncoding));
        let long = format!("did:key:z{}", "1".repeat(1000));
        assert_eq!(long.parse::<Did>(), Err(DidError::BadEncoding));
    }
}
