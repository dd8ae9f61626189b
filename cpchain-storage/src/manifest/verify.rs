//! What a buyer checks before it offers: manifest against object, without a key.

use cpchain_crypto::{
    BlockError, Digest,
    block::{LeafCommitment, SealedBlock},
    merkle,
};

use super::{BlockEntry, COMMITMENT_LEN, Manifest};

/// Why an object is not the one that the manifest describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    /// The object has another length.
    #[error("the object has {found} bytes, its manifest says {expected}")]
    Length {
        /// Said.
        expected: u64,
        /// There.
        found: u64,
    },
    /// The object's bytes are not the signed ones: fetch it again, from another host.
    #[error("the object is not the one that the manifest names: fetch it from another host")]
    Root,
    /// The bytes are the signed ones, yet a block is not what the manifest says: the owner's fault.
    #[error("block {index} is not what the manifest says ({what}): do not buy")]
    Block {
        /// The block.
        index: u64,
        /// What differs.
        what: &'static str,
    },
    /// A block that is not one.
    #[error("block {index} does not parse: {source}")]
    Parse {
        /// The block.
        index: u64,
        /// Why.
        source: BlockError,
    },
    /// The list of commitments does not have the signed root: a bad leaf could not be proven.
    #[error("the leaf commitments do not have the root that the manifest names: do not buy")]
    LeafRoot,
}

/// An object that is exactly what its manifest says.
#[derive(Debug, Clone)]
pub struct VerifiedUpload<'a> {
    blocks: Vec<SealedBlock<'a>>,
    commitments: Vec<LeafCommitment>,
    leaves: Vec<Digest>,
}

impl Manifest {
    /// Checks that `object` is what this manifest describes: length, root, every block's place, hash, header and
    /// chain, the list of commitments and its root.
    ///
    /// # Errors
    /// [`UploadError`]; all but `Length` and `Root` are the owner's doing.
    pub fn verify<'a>(&self, object: &'a [u8]) -> Result<VerifiedUpload<'a>, UploadError> {
        let body = self.body();
        if object.len() as u64 != body.object.length {
            return Err(UploadError::Length { expected: body.object.length, found: object.len() as u64 });
        }
        if Digest::content(object) != body.object.root {
            return Err(UploadError::Root);
        }
        let (sealed, list) =
            object.split_at_checked(body.commitments_offset() as usize).ok_or(UploadError::LeafRoot)?;
        let stream = body.stream.digest();
        let mut rest = sealed;
        let mut blocks: Vec<SealedBlock<'a>> = Vec::with_capacity(body.blocks.len());
        for entry in &body.blocks {
            let wrong = |what| UploadError::Block { index: entry.index, what };
            let (bytes, after) = rest.split_at_checked(entry.length as usize).ok_or(wrong("length"))?;
            rest = after;
            let block =
                SealedBlock::parse(bytes).map_err(|source| UploadError::Parse { index: entry.index, source })?;
            if block.header().stream != stream {
                return Err(wrong("stream"));
            }
            check_entry(entry, &block).map_err(wrong)?;
            if blocks.last().is_some_and(|last| last.hash() != block.header().previous) {
                return Err(wrong("chain"));
            }
            blocks.push(block);
        }
        let commitments: Vec<_> =
            list.chunks_exact(COMMITMENT_LEN as usize).filter_map(LeafCommitment::from_bytes).collect();
        let places =
            blocks.iter().flat_map(|block| block.leaves().zip(0u32..).map(move |(sealed, i)| (block, i, sealed)));
        let leaves: Vec<_> = places
            .zip(&commitments)
            .map(|((block, leaf, sealed), commitment)| commitment.merkle_leaf(block.header(), leaf, sealed))
            .collect();
        if leaves.len() != body.leaf_count as usize || merkle::root(&leaves) != body.leaf_root {
            return Err(UploadError::LeafRoot);
        }
        Ok(VerifiedUpload { blocks, commitments, leaves })
    }
}

/// Is the block the one that the entry describes? `Err` says what differs.
pub(crate) fn check_entry(entry: &BlockEntry, block: &SealedBlock<'_>) -> Result<(), &'static str> {
    let header = block.header();
    if header.index != entry.index {
        Err("index")
    } else if header.interval != entry.interval {
        Err("interval")
    } else if header.start_ms != entry.start_ms {
        Err("start")
    } else if header.count != entry.count {
        Err("count")
    } else if block.hash() != entry.hash {
        Err("hash")
    } else {
        Ok(())
    }
}

impl<'a> VerifiedUpload<'a> {
    /// The blocks in order.
    pub fn blocks(&self) -> &[SealedBlock<'a>] {
        &self.blocks
    }

    /// The commitments of all leaves, in the order of blocks and leaves.
    pub fn commitments(&self) -> &[LeafCommitment] {
        &self.commitments
    }

    /// Place under the leaf root of leaf `leaf` of the block at `position` in [`blocks`](Self::blocks).
    pub fn leaf_index(&self, position: usize, leaf: u32) -> Option<u64> {
        let block = self.blocks.get(position)?;
        if leaf >= block.header().leaf_count() {
            return None;
        }
        let before: u64 = self.blocks.iter().take(position).map(|b| u64::from(b.header().leaf_count())).sum();
        Some(before + u64::from(leaf))
    }

    /// The path from the leaf at `leaf_index` to the leaf root, for
    /// [`merkle::verify`](cpchain_crypto::merkle::verify): with it a judge is shown a bad leaf.
    pub fn leaf_path(&self, leaf_index: u64) -> Option<Vec<Digest>> {
        merkle::path(&self.leaves, usize::try_from(leaf_index).ok()?)
    }
}
