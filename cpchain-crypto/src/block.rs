//! Sealed blocks: the readings of one period under one header, encrypted leaf by leaf, chained by hash.
//!
//! A block's body (compressed readings) is cut into leaves of [`LEAF_LEN`] bytes. Leaf `i` is sealed under a key of
//! its own, derived with a salt from (interval key, block index, `i`), so that one leaf can be opened to a judge without opening
//! anything else. The header is bound to every leaf as associated data, together with the leaf's place. The next
//! block's header carries the [`SealedBlock::hash`] of this one (white paper 2.2.1: a chain guards the interval).
//!
//! Bytes: header (fixed [`HEADER_LEN`]), then each leaf's ciphertext followed by its 16-byte tag.

use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{
    aead::{Aead, AeadError, ChaCha20Poly1305, Key, Nonce, TAG_LEN, Tag},
    hash::{Digest, Domain},
    key_tree::{IntervalId, IntervalKey},
};

/// Plaintext bytes in a leaf; the last leaf of a block may be shorter.
pub const LEAF_LEN: usize = 4096;
/// Encoded bytes of a [`BlockHeader`].
pub const HEADER_LEN: usize = 104;
/// Largest body of a block: 64 MiB.
pub const MAX_BODY_LEN: u32 = 64 << 20;

const MAGIC: [u8; 4] = *b"CPB1";
const BLOCK_HASH: Domain = Domain::new("cpchain/crypto/sealed-block/v1");
const LEAF_KEY_HASH: Domain = Domain::new("cpchain/crypto/leaf-key/v2");
const LEAF_PLAIN_HASH: Domain = Domain::new("cpchain/crypto/leaf-plain/v1");
const LEAF_CIPHER_HASH: Domain = Domain::new("cpchain/crypto/leaf-cipher/v1");
const LEAF_HASH: Domain = Domain::new("cpchain/crypto/leaf/v1");
const LEAF_SECRETS: &str = "cpchain/crypto/leaf-secrets/v1";

/// Why bytes are not the sealed block that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Too short, too long, or not the length that the header says.
    #[error("the block has {found} bytes, its header says {expected}")]
    Length {
        /// What the header asks for.
        expected: usize,
        /// What is there.
        found: usize,
    },
    /// Not a header of this format and version.
    #[error("not a sealed block of a version that this build reads")]
    Format,
    /// The body is longer than [`MAX_BODY_LEN`].
    #[error("a block body has at most 64 MiB: use a shorter period T")]
    TooLong,
    /// A leaf does not open under this interval key.
    #[error("leaf {leaf} does not open: wrong interval key, or the block was changed")]
    Sealed {
        /// The first leaf that failed.
        leaf: u32,
    },
    /// There is no such leaf in this block.
    #[error("the block has no leaf {leaf}")]
    NoSuchLeaf {
        /// The leaf asked for.
        leaf: u32,
    },
}

/// What a block says about itself in the clear, bound to every leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockHeader {
    /// The stream that it belongs to (a digest of owner and name).
    pub stream: Digest,
    /// Place in the stream, from 0; also the nonce counter.
    pub index: u64,
    /// The encryption interval whose key seals it.
    pub interval: IntervalId,
    /// Start of the period, milliseconds since 1970-01-01 UTC.
    pub start_ms: u64,
    /// Readings inside.
    pub count: u32,
    /// How the body is compressed; the numbers are those of the codec registry of the stream's owner.
    pub codec: u16,
    /// Bytes of the body before sealing.
    pub body_len: u32,
    /// Hash of the previous sealed block, [`Digest::ZERO`] for the first.
    pub previous: Digest,
}

impl BlockHeader {
    /// Leaves of the block: one at least, also for an empty body.
    pub const fn leaf_count(&self) -> u32 {
        let full = self.body_len.div_ceil(LEAF_LEN as u32);
        if full == 0 { 1 } else { full }
    }

    /// Bytes of the whole sealed block.
    pub const fn sealed_len(&self) -> usize {
        HEADER_LEN + self.body_len as usize + self.leaf_count() as usize * TAG_LEN
    }

    /// The fixed layout, little endian: magic, codec, two zero bytes, count, body length, interval, reserved zero word, index, start, stream, previous.
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        let mut rest = out.as_mut_slice();
        let mut put = |bytes: &[u8]| {
            if let Some((head, tail)) = core::mem::take(&mut rest).split_at_mut_checked(bytes.len()) {
                head.copy_from_slice(bytes);
                rest = tail;
            }
        };
        put(&MAGIC);
        put(&self.codec.to_le_bytes());
        put(&[0, 0]);
        put(&self.count.to_le_bytes());
        put(&self.body_len.to_le_bytes());
        put(&self.interval.0.to_le_bytes());
        put(&[0; 4]);
        put(&self.index.to_le_bytes());
        put(&self.start_ms.to_le_bytes());
        put(&self.stream.0);
        put(&self.previous.0);
        out
    }

    /// Reads a header; the inverse of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`BlockError::Length`], [`BlockError::Format`] or [`BlockError::TooLong`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BlockError> {
        let wrong_length = BlockError::Length { expected: HEADER_LEN, found: bytes.len() };
        let bytes: &[u8; HEADER_LEN] = bytes.try_into().map_err(|_| wrong_length)?;
        let mut rest = bytes.as_slice();
        let magic = take::<4>(&mut rest)?;
        let codec = u16::from_le_bytes(take(&mut rest)?);
        let zero = take::<2>(&mut rest)?;
        let count = u32::from_le_bytes(take(&mut rest)?);
        let body_len = u32::from_le_bytes(take(&mut rest)?);
        let interval = IntervalId(u32::from_le_bytes(take(&mut rest)?));
        let reserved = take::<4>(&mut rest)?;
        let index = u64::from_le_bytes(take(&mut rest)?);
        let start_ms = u64::from_le_bytes(take(&mut rest)?);
        let stream = Digest(take(&mut rest)?);
        let previous = Digest(take(&mut rest)?);
        if magic != MAGIC || zero != [0; 2] || reserved != [0; 4] {
            return Err(BlockError::Format);
        }
        if body_len > MAX_BODY_LEN {
            return Err(BlockError::TooLong);
        }
        Ok(Self { stream, index, interval, start_ms, count, codec, body_len, previous })
    }

    fn leaf_range(&self, leaf: u32) -> Option<core::ops::Range<usize>> {
        if leaf >= self.leaf_count() {
            return None;
        }
        let start = HEADER_LEN + leaf as usize * (LEAF_LEN + TAG_LEN);
        let plain = (self.body_len as usize - leaf as usize * LEAF_LEN).min(LEAF_LEN);
        Some(start..start + plain + TAG_LEN)
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], BlockError> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(BlockError::Format)?;
    *rest = tail;
    Ok(*head)
}

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
        let nonce = Nonce::counter(header.index, leaf);
        ChaCha20Poly1305::new(&self.key).open(&nonce, &associated(header, leaf), plain, &Tag(*tag))?;
        Ok(plain)
    }

    fn seal(&self, header: &BlockHeader, leaf: u32, plain: &mut [u8]) -> Result<Tag, AeadError> {
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

/// A sealed block over borrowed bytes: parsed, its length checked, not yet opened.
#[derive(Debug, Clone, Copy)]
pub struct SealedBlock<'a> {
    header: BlockHeader,
    bytes: &'a [u8],
}

impl<'a> SealedBlock<'a> {
    /// Reads the header and checks the length.
    ///
    /// # Errors
    /// [`BlockError`] as for [`BlockHeader::from_bytes`], and [`BlockError::Length`] for the whole.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BlockError> {
        let too_short = BlockError::Length { expected: HEADER_LEN, found: bytes.len() };
        let header = BlockHeader::from_bytes(bytes.get(..HEADER_LEN).ok_or(too_short)?)?;
        if bytes.len() != header.sealed_len() {
            return Err(BlockError::Length { expected: header.sealed_len(), found: bytes.len() });
        }
        Ok(Self { header, bytes })
    }

    /// What the block says about itself; proven only once a leaf opens.
    pub const fn header(&self) -> &BlockHeader {
        &self.header
    }

    /// The hash that the next block's header carries.
    pub fn hash(&self) -> Digest {
        Digest::of(BLOCK_HASH, &[self.bytes])
    }

    /// The sealed bytes (ciphertext and tag) of one leaf.
    pub fn leaf(&self, leaf: u32) -> Option<&'a [u8]> {
        self.bytes.get(self.header.leaf_range(leaf)?)
    }

    /// All leaves in order.
    pub fn leaves(&self) -> impl Iterator<Item = &'a [u8]> + '_ {
        (0..self.header.leaf_count()).filter_map(|leaf| self.leaf(leaf))
    }

    /// Decrypts the body into `body`, whose length must be the header's `body_len`.
    ///
    /// # Errors
    /// [`BlockError::Sealed`] names the first leaf that does not open; `body` is wiped then.
    pub fn open_into(&self, key: &IntervalKey, body: &mut [u8]) -> Result<(), BlockError> {
        if body.len() != self.header.body_len as usize {
            return Err(BlockError::Length { expected: self.header.body_len as usize, found: body.len() });
        }
        let mut rest = &mut *body;
        let mut failed = None;
        for leaf in 0..self.header.leaf_count() {
            let sealed = self.leaf(leaf).ok_or(BlockError::NoSuchLeaf { leaf })?;
            let Some((cipher, tag)) = sealed.split_last_chunk::<TAG_LEN>() else { return Err(BlockError::Format) };
            let Some((plain, after)) = rest.split_at_mut_checked(cipher.len()) else { return Err(BlockError::Format) };
            plain.copy_from_slice(cipher);
            let secrets = LeafSecrets::derive(key, self.header.index, leaf);
            let aead = ChaCha20Poly1305::new(&secrets.key);
            let nonce = Nonce::counter(self.header.index, leaf);
            if aead.open(&nonce, &associated(&self.header, leaf), plain, &Tag(*tag)).is_err() {
                failed = Some(leaf);
                break;
            }
            rest = after;
        }
        failed.map_or(Ok(()), |leaf| {
            body.zeroize();
            Err(BlockError::Sealed { leaf })
        })
    }

    /// [`open_into`](Self::open_into) a new vector.
    ///
    /// # Errors
    /// As `open_into`.
    #[cfg(feature = "alloc")]
    pub fn open(&self, key: &IntervalKey) -> Result<alloc::vec::Vec<u8>, BlockError> {
        let mut body = alloc::vec![0; self.header.body_len as usize];
        self.open_into(key, &mut body)?;
        Ok(body)
    }
}

/// Seals `body` under `header` into `out` (exactly [`BlockHeader::sealed_len`] bytes) and reports each leaf's
/// commitment in order. Needs no heap.
///
/// The header's `index` must never be sealed twice under one interval key: make the counter durable first.
///
/// # Errors
/// [`BlockError::Length`] if `body` or `out` has not the length that the header says, [`BlockError::TooLong`].
pub fn seal_into(
    header: &BlockHeader,
    key: &IntervalKey,
    body: &[u8],
    out: &mut [u8],
    mut commitment: impl FnMut(LeafCommitment),
) -> Result<(), BlockError> {
    if header.body_len > MAX_BODY_LEN {
        return Err(BlockError::TooLong);
    }
    if body.len() != header.body_len as usize {
        return Err(BlockError::Length { expected: header.body_len as usize, found: body.len() });
    }
    if out.len() != header.sealed_len() {
        return Err(BlockError::Length { expected: header.sealed_len(), found: out.len() });
    }
    let Some((head, mut rest)) = out.split_at_mut_checked(HEADER_LEN) else { return Err(BlockError::Format) };
    head.copy_from_slice(&header.to_bytes());
    let mut chunks = body.chunks(LEAF_LEN);
    for leaf in 0..header.leaf_count() {
        let plain = chunks.next().unwrap_or(&[]);
        let Some((sealed, after)) = rest.split_at_mut_checked(plain.len() + TAG_LEN) else {
            return Err(BlockError::Format);
        };
        let Some((cipher, tag)) = sealed.split_last_chunk_mut::<TAG_LEN>() else { return Err(BlockError::Format) };
        let secrets = LeafSecrets::derive(key, header.index, leaf);
        commitment(secrets.commit(plain));
        cipher.copy_from_slice(plain);
        *tag = secrets.seal(header, leaf, cipher).map_err(|_| BlockError::TooLong)?.0;
        rest = after;
    }
    Ok(())
}

/// [`seal_into`] new vectors: the sealed bytes and the commitments of its leaves.
///
/// ```
/// use cpchain_crypto::{Digest, block::{BlockHeader, SealedBlock, seal}, key_tree::{IntervalId, StreamSecret}};
/// let secret = StreamSecret::from_bytes([1; 32]);
/// let body = b"21.5,21.6,21.4";
/// let header = BlockHeader {
///     stream: Digest::content(b"my stream"), index: 0, interval: IntervalId(0), start_ms: 0,
///     count: 3, codec: 0, body_len: body.len() as u32, previous: Digest::ZERO,
/// };
/// let (bytes, _commitments) = seal(&header, &secret.interval_key(IntervalId(0)), body)?;
/// let block = SealedBlock::parse(&bytes)?;
/// assert_eq!(block.open(&secret.interval_key(IntervalId(0)))?, body);
/// assert!(block.open(&secret.interval_key(IntervalId(1))).is_err());
/// # Ok::<(), cpchain_crypto::BlockError>(())
/// ```
///
/// # Errors
/// As `seal_into`.
#[cfg(feature = "alloc")]
pub fn seal(
    header: &BlockHeader,
    key: &IntervalKey,
    body: &[u8],
) -> Result<(alloc::vec::Vec<u8>, alloc::vec::Vec<LeafCommitment>), BlockError> {
    if header.body_len > MAX_BODY_LEN {
        return Err(BlockError::TooLong);
    }
    let mut out = alloc::vec![0; header.sealed_len()];
    let mut commitments = alloc::vec::Vec::with_capacity(header.leaf_count() as usize);
    seal_into(header, key, body, &mut out, |commitment| commitments.push(commitment))?;
    Ok((out, commitments))
}
