//! One leaf: its secrets, what is published about it, sealing and opening it.

use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{BlockHeader, HEADER_LEN};
use crate::{
    aead::{Aead, AeadError, ChaCha20Poly1305, Key, Nonce, TAG_LEN, Tag},
    hash::{Digest, Domain},
    key_tree::IntervalKey,
};

const LEAF_KEY_HASH: Domain = Domain::new("cpchain/crypto/leaf-key/v2");
const LEAF_PLAIN_HASH: Domain = Domain::new("cpchain/crypto/leaf-plain/v1");
const LEAF_CIPHER_HASH: Domain = Domain::new("cpchain/crypto/leaf-cipher/v1");
const LEAF_HASH: Domain = Domain::new("cpchain/crypto/leaf/v1");
const LEAF_SECRETS: &str = "cpchain/crypto/leaf-secrets/v1";

/// What opens one leaf and proves what was in it: never reused, so it can be shown to a judge.
///
/// Wiped when dropped, never printed, compared in constant time.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct LeafSecrets {
    /// The key of the leaf.
    pub key: Key,
    /// Salt of the plaintext hash: low-entropy readings cannot be guessed from it.
    pub salt: [u8; 32],
}

/// What the owner publishes about a leaf before any sale: 64 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeafCommitment {
    /// Hash of the leaf key and the salt: no other salt can be shown for this leaf.
    pub key: Digest,
    /// Hash of salt and plaintext.
    pub plain: Digest,
}

impl Clone for LeafSecrets {
    fn clone(&self) -> Self {
        Self { key: Key::from_bytes(*self.key.expose()), salt: self.salt }
    }
}

impl PartialEq for LeafSecrets {
    fn eq(&self, other: &Self) -> bool {
        (self.key.expose().ct_eq(other.key.expose()) & self.salt.ct_eq(&other.salt)).into()
    }
}

impl Eq for LeafSecrets {}

impl fmt::Debug for LeafSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeafSecrets(..)")
    }
}

impl LeafSecrets {
    /// Derives key and salt of a leaf from the interval key.
    pub fn derive(interval: &IntervalKey, block: u64, leaf: u32) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(LEAF_SECRETS);
        hasher.update(interval.expose());
        hasher.update(&block.to_le_bytes());
        hasher.update(&leaf.to_le_bytes());
        let mut reader = hasher.finalize_xof();
        let (mut key, mut salt) = ([0; 32], [0; 32]);
        reader.fill(&mut key);
        reader.fill(&mut salt);
        Self { key: Key::from_bytes(key), salt }
    }

    /// The commitment to these secrets and this plaintext.
    pub fn commit(&self, plain: &[u8]) -> LeafCommitment {
        LeafCommitment { key: self.key_hash(), plain: self.plain_hash(plain) }
    }

    /// The hash that binds key and salt. Without the salt in it, whoever knows the key could make up a salt with which
    /// an honest leaf looks like another plaintext.
    pub fn key_hash(&self) -> Digest {
        Digest::of(LEAF_KEY_HASH, &[self.key.expose(), &self.salt])
    }

    /// The hash that binds the plaintext.
    pub fn plain_hash(&self, plain: &[u8]) -> Digest {
        Digest::of(LEAF_PLAIN_HASH, &[&self.salt, plain])
    }

    /// Decrypts one sealed leaf (ciphertext and tag) in place and returns its plaintext part.
    ///
    /// # Errors
    /// [`AeadError`] if the key does not open it at this place of this block.
    pub fn open<'a>(&self, header: &BlockHeader, leaf: u32, sealed: &'a mut [u8]) -> Result<&'a mut [u8], AeadError> {
        let (plain, tag) = sealed.split_last_chunk_mut::<TAG_LEN>().ok_or(AeadError)?;
        self.open_detached(header, leaf, plain, &Tag(*tag))?;
        Ok(plain)
    }

    pub(super) fn open_detached(
        &self,
        header: &BlockHeader,
        leaf: u32,
        sealed: &mut [u8],
        tag: &Tag,
    ) -> Result<(), AeadError> {
        let nonce = Nonce::counter(header.index, leaf);
        ChaCha20Poly1305::new(&self.key).open(&nonce, &associated(header, leaf), sealed, tag)
    }

    pub(super) fn seal(&self, header: &BlockHeader, leaf: u32, plain: &mut [u8]) -> Result<Tag, AeadError> {
        let nonce = Nonce::counter(header.index, leaf);
        ChaCha20Poly1305::new(&self.key).seal(&nonce, &associated(header, leaf), plain)
    }
}

impl LeafCommitment {
    /// The 64 bytes as they stand in a manifest.
    pub fn to_bytes(&self) -> [u8; 64] {
        let mut out = [0; 64];
        let (key, plain) = out.split_at_mut(32);
        key.copy_from_slice(&self.key.0);
        plain.copy_from_slice(&self.plain.0);
        out
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (key, plain) = bytes.split_at_checked(32)?;
        Some(Self { key: Digest::from_slice(key)?, plain: Digest::from_slice(plain)? })
    }

    /// The Merkle leaf that binds this commitment to the ciphertext at its place: what a dispute is judged by.
    pub fn merkle_leaf(&self, header: &BlockHeader, leaf: u32, sealed: &[u8]) -> Digest {
        let cipher = Digest::of(LEAF_CIPHER_HASH, &[sealed]);
        Digest::of(LEAF_HASH, &[&header.to_bytes(), &leaf.to_le_bytes(), &cipher.0, &self.key.0, &self.plain.0])
    }
}

fn associated(header: &BlockHeader, leaf: u32) -> [u8; HEADER_LEN + 4] {
    let mut out = [0; HEADER_LEN + 4];
    let (head, tail) = out.split_at_mut(HEADER_LEN);
    head.copy_from_slice(&header.to_bytes());
    tail.copy_from_slice(&leaf.to_le_bytes());
    out
}
