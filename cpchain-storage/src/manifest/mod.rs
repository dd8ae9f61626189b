//! Manifests: what is in one upload of a stream, signed by its owner.
//!
//! The upload's **object** is the sealed blocks one after another, then the list of leaf commitments (64 bytes a leaf,
//! in the order of blocks and leaves). So whoever holds a manifest and its object can check everything that can be
//! checked without a key, before any money moves ([`Manifest::verify`]).
//!
//! Rules and the tests that hold them (`tests/manifest.rs`):
//! - a [`Manifest`] exists only with a good signature and consistent contents (`no_change_of_a_manifest_decodes`);
//! - every byte of the object is bound (`any_flipped_bit_of_the_object_is_found`);
//! - manifests of a stream form a chain (`manifests_form_a_chain`);
//! - a manifest of at most [`MAX_INLINE_LEN`] bytes is its own DHT record, a longer one an object (`heads`).

mod head;
mod verify;

use bytes::Bytes;
use cpchain_crypto::{
    Did, Digest, Domain, PublicKey, Signature, SignatureError, Signer,
    block::{HEADER_LEN, LEAF_LEN, MAX_BODY_LEN},
    key_tree::IntervalId,
    signing_digest,
};
use prost::Message as _;

pub use self::{
    head::{MAX_INLINE_LEN, ManifestHead},
    verify::{UploadError, VerifiedUpload},
};
use crate::{
    object::{ObjectRef, ObjectRefError},
    stream::StreamId,
    wire,
};

pub(crate) use self::verify::check_entry;

const MANIFEST: Domain = Domain::new("cpchain/storage/manifest/v1");
const VERSION: u32 = 1;
/// Bytes of the longest signed manifest: 3 MiB.
pub const MAX_MANIFEST_LEN: usize = 3 << 20;
/// Blocks of the longest upload.
pub const MAX_BLOCKS: usize = 16_384;
/// Bytes of a leaf commitment in the object.
pub(crate) const COMMITMENT_LEN: u64 = 64;
const SEALED_LEAF: u64 = LEAF_LEN as u64 + cpchain_crypto::TAG_LEN as u64;

/// Why a manifest is not one, or does not fit where it was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Longer than [`MAX_MANIFEST_LEN`].
    #[error("a manifest has at most 3 MiB: make shorter uploads")]
    TooLong,
    /// Not a message of this kind.
    #[error("not a manifest: the bytes do not decode")]
    Encoding,
    /// A version that this build does not read.
    #[error("manifest version {0} is not known to this build")]
    Version(u32),
    /// The owner did not sign it.
    #[error("the manifest is not signed by the owner that it names: {0}")]
    Signature(#[from] SignatureError),
    /// The signer is not the owner that the body names.
    #[error("only the owner of the stream signs its manifests")]
    NotOwner,
    /// Signed, but the contents contradict each other.
    #[error("the manifest contradicts itself: {0}")]
    Inconsistent(&'static str),
    /// The description of its object is wrong.
    #[error(transparent)]
    Object(#[from] ObjectRefError),
    /// Not the successor of the manifest that it was compared with.
    #[error("the manifest does not follow the one before: {0}")]
    Chain(&'static str),
}

/// One sealed block of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockEntry {
    /// Place in the stream.
    pub index: u64,
    /// The interval whose key seals it.
    pub interval: IntervalId,
    /// Hash of the sealed block.
    pub hash: Digest,
    /// Where it begins in the object, in bytes.
    pub offset: u64,
    /// Sealed bytes.
    pub length: u32,
    /// Start of its period, milliseconds since 1970-01-01 UTC, a multiple of the stream's period.
    pub start_ms: u64,
    /// Readings inside.
    pub count: u32,
}

impl BlockEntry {
    /// Leaves of the block.
    pub const fn leaf_count(&self) -> u32 {
        (self.length as u64).saturating_sub(HEADER_LEN as u64).div_ceil(SEALED_LEAF) as u32
    }
}

/// One encryption interval of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntervalEntry {
    /// Its number.
    pub interval: IntervalId,
    /// [`IntervalKey::commitment`](cpchain_crypto::key_tree::IntervalKey::commitment) of its key.
    pub key_commitment: Digest,
}

/// The contents of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestBody {
    /// The stream, and with it the owner.
    pub stream: StreamId,
    /// Number of the upload in the stream, from 0.
    pub upload: u64,
    /// The period T of a block, milliseconds.
    pub period_ms: u64,
    /// Its blocks, of consecutive index, from 1 to [`MAX_BLOCKS`].
    pub blocks: Vec<BlockEntry>,
    /// The intervals of these blocks, ascending.
    pub intervals: Vec<IntervalEntry>,
    /// Where the bytes are: sealed blocks, then leaf commitments.
    pub object: ObjectRef,
    /// Merkle root over [`merkle_leaf`](cpchain_crypto::block::LeafCommitment::merkle_leaf) of every leaf, in order.
    pub leaf_root: Digest,
    /// Leaves under that root.
    pub leaf_count: u32,
    /// Hash of the previous manifest, [`Digest::ZERO`] for upload 0.
    pub previous: Digest,
    /// When the leases of the object end, milliseconds since 1970-01-01 UTC.
    pub expires_ms: u64,
}

/// A manifest whose signature and contents have been checked. Keeps its bytes as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    body: ManifestBody,
    bytes: Bytes,
    hash: Digest,
}

impl Manifest {
    /// Checks and signs `body`.
    ///
    /// # Errors
    /// [`ManifestError::NotOwner`] if `signer` is not the owner, `Inconsistent` or `TooLong` for a bad body.
    pub fn sign(body: ManifestBody, signer: &dyn Signer) -> Result<Self, ManifestError> {
        if Did::from(signer.public_key()) != body.stream.owner() {
            return Err(ManifestError::NotOwner);
        }
        body.check()?;
        let encoded = wire::ManifestBody::from(&body).encode_to_vec();
        let signature = signer.sign(MANIFEST, &encoded).0.to_vec();
        let hash = signing_digest(MANIFEST, &encoded);
        let bytes: Bytes = wire::Signed { body: encoded, signature }.encode_to_vec().into();
        if bytes.len() > MAX_MANIFEST_LEN {
            return Err(ManifestError::TooLong);
        }
        Ok(Self { body, bytes, hash })
    }

    /// Reads a manifest and checks signature and contents.
    ///
    /// # Errors
    /// [`ManifestError`] for anything that its owner did not sign, and for contents that contradict each other.
    pub fn decode(bytes: impl Into<Bytes>) -> Result<Self, ManifestError> {
        let bytes = bytes.into();
        if bytes.len() > MAX_MANIFEST_LEN {
            return Err(ManifestError::TooLong);
        }
        let signed = wire::Signed::decode(bytes.clone()).map_err(|_| ManifestError::Encoding)?;
        let signature = Signature::from_slice(&signed.signature).ok_or(ManifestError::Encoding)?;
        let wire = wire::ManifestBody::decode(signed.body.as_slice()).map_err(|_| ManifestError::Encoding)?;
        let owner = PublicKey::from_slice(&wire.owner).ok_or(ManifestError::Encoding)?;
        owner.verify(MANIFEST, &signed.body, &signature)?;
        let body = ManifestBody::try_from(wire)?;
        Ok(Self { body, hash: signing_digest(MANIFEST, &signed.body), bytes })
    }

    /// The signed bytes.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The hash that the voucher carries and the next manifest names: of the signed body.
    pub const fn hash(&self) -> Digest {
        self.hash
    }

    /// The contents.
    pub const fn body(&self) -> &ManifestBody {
        &self.body
    }

    /// Merkle root over the hashes of the sealed blocks, as in the voucher.
    pub fn block_root(&self) -> Digest {
        cpchain_crypto::merkle::root(self.body.blocks.iter().map(|block| &block.hash))
    }

    /// Is this the manifest right after `previous` (`None`: the first of its stream)?
    ///
    /// # Errors
    /// [`ManifestError::Chain`] says what does not fit.
    pub fn follows(&self, previous: Option<&Self>) -> Result<(), ManifestError> {
        let Some(previous) = previous else {
            return match (self.body.upload, self.body.previous) {
                (0, Digest::ZERO) => Ok(()),
                _ => Err(ManifestError::Chain("it is not the first of its stream")),
            };
        };
        let (this, before) = (&self.body, &previous.body);
        let next_block = before.blocks.last().and_then(|block| block.index.checked_add(1));
        let last_interval = before.intervals.last().map(|entry| entry.interval);
        let wrong = if this.stream != before.stream {
            "another stream"
        } else if Some(this.upload) != before.upload.checked_add(1) {
            "an upload is missing, swapped or repeated"
        } else if this.previous != previous.hash {
            "it names another predecessor"
        } else if this.blocks.first().map(|block| block.index) != next_block {
            "blocks are missing or repeated between them"
        } else if this.intervals.first().map(|entry| entry.interval) <= last_interval {
            "an interval is in both"
        } else {
            return Ok(());
        };
        Err(ManifestError::Chain(wrong))
    }
}

impl ManifestBody {
    /// Bytes of the sealed blocks: where the list of commitments begins in the object.
    pub fn commitments_offset(&self) -> u64 {
        self.blocks.last().map_or(0, |block| block.offset.saturating_add(u64::from(block.length)))
    }

    /// The blocks sealed under intervals `first..end`.
    pub fn blocks_of(&self, intervals: std::ops::Range<u32>) -> &[BlockEntry] {
        let from = self.blocks.partition_point(|block| block.interval.0 < intervals.start);
        let to = self.blocks.partition_point(|block| block.interval.0 < intervals.end);
        self.blocks.get(from..to).unwrap_or_default()
    }

    fn check(&self) -> Result<(), ManifestError> {
        let wrong = |why| Err(ManifestError::Inconsistent(why));
        if self.blocks.is_empty() || self.blocks.len() > MAX_BLOCKS {
            return wrong("an upload has 1 to 16384 blocks");
        }
        if self.period_ms == 0 {
            return wrong("the period is zero");
        }
        let (mut offset, mut leaves) = (0u64, 0u64);
        let mut last: Option<&BlockEntry> = None;
        for block in &self.blocks {
            let shortest = HEADER_LEN as u32 + cpchain_crypto::TAG_LEN as u32;
            let longest = u64::from(MAX_BODY_LEN).div_ceil(LEAF_LEN as u64) * SEALED_LEAF + HEADER_LEN as u64;
            if block.length < shortest || u64::from(block.length) > longest {
                return wrong("a block has an impossible length");
            }
            if block.offset != offset {
                return wrong("the blocks do not lie one after another");
            }
            if !block.start_ms.is_multiple_of(self.period_ms) {
                return wrong("a block does not start at a multiple of the period");
            }
            if let Some(last) = last {
                if Some(block.index) != last.index.checked_add(1) {
                    return wrong("block numbers are not consecutive");
                }
                if block.interval < last.interval || block.start_ms < last.start_ms {
                    return wrong("blocks go back in time");
                }
            }
            offset = offset.saturating_add(u64::from(block.length));
            leaves += u64::from(block.leaf_count());
            last = Some(block);
        }
        let mut of_blocks: Vec<_> = self.blocks.iter().map(|block| block.interval).collect();
        of_blocks.dedup();
        if !self.intervals.iter().map(|entry| entry.interval).eq(of_blocks) {
            return wrong("the intervals are not those of the blocks");
        }
        if leaves != u64::from(self.leaf_count) {
            return wrong("the number of leaves is not that of the blocks");
        }
        if self.object.length != offset.saturating_add(leaves * COMMITMENT_LEN) {
            return wrong("the object is not as long as its blocks and commitments");
        }
        if (self.upload == 0) != (self.previous == Digest::ZERO) {
            return wrong("upload 0 and only upload 0 has no predecessor");
        }
        Ok(())
    }
}

impl From<&ManifestBody> for wire::ManifestBody {
    fn from(body: &ManifestBody) -> Self {
        let block = |block: &BlockEntry| wire::BlockEntry {
            index: block.index,
            interval: block.interval.0,
            hash: block.hash.0.to_vec(),
            offset: block.offset,
            length: block.length,
            start_ms: block.start_ms,
            count: block.count,
        };
        let interval = |entry: &IntervalEntry| wire::IntervalEntry {
            interval: entry.interval.0,
            key_commitment: entry.key_commitment.0.to_vec(),
        };
        Self {
            version: VERSION,
            owner: body.stream.owner().public_key().0.to_vec(),
            stream_name: body.stream.name().to_owned(),
            upload: body.upload,
            period_ms: body.period_ms,
            blocks: body.blocks.iter().map(block).collect(),
            intervals: body.intervals.iter().map(interval).collect(),
            object: Some((&body.object).into()),
            leaf_root: body.leaf_root.0.to_vec(),
            leaf_count: body.leaf_count,
            previous: body.previous.0.to_vec(),
            expires_ms: body.expires_ms,
        }
    }
}

impl TryFrom<wire::ManifestBody> for ManifestBody {
    type Error = ManifestError;

    fn try_from(wire: wire::ManifestBody) -> Result<Self, ManifestError> {
        if wire.version != VERSION {
            return Err(ManifestError::Version(wire.version));
        }
        let digest = |bytes: &[u8]| Digest::from_slice(bytes).ok_or(ManifestError::Encoding);
        let owner = PublicKey::from_slice(&wire.owner).ok_or(ManifestError::Encoding)?;
        let stream = StreamId::new(owner.into(), wire.stream_name)
            .map_err(|_| ManifestError::Inconsistent("no stream has this name"))?;
        let blocks = wire.blocks.iter().map(|block| {
            Ok(BlockEntry {
                index: block.index,
                interval: IntervalId(block.interval),
                hash: digest(&block.hash)?,
                offset: block.offset,
                length: block.length,
                start_ms: block.start_ms,
                count: block.count,
            })
        });
        let intervals = wire.intervals.iter().map(|entry| {
            let key_commitment = digest(&entry.key_commitment)?;
            Ok(IntervalEntry { interval: IntervalId(entry.interval), key_commitment })
        });
        let body = Self {
            stream,
            upload: wire.upload,
            period_ms: wire.period_ms,
            blocks: blocks.collect::<Result<_, ManifestError>>()?,
            intervals: intervals.collect::<Result<_, ManifestError>>()?,
            object: wire.object.ok_or(ManifestError::Encoding)?.try_into()?,
            leaf_root: digest(&wire.leaf_root)?,
            leaf_count: wire.leaf_count,
            previous: digest(&wire.previous)?,
            expires_ms: wire.expires_ms,
        };
        body.check()?;
        Ok(body)
    }
}
