//! What is repaired together.

use std::collections::BTreeSet;

use cpchain_crypto::{Digest, PublicKey};

use crate::{chunk::ChunkId, erasure::ErasureParams, network::Holders, object::ChunkRef};

/// Chunks of an object whose shards are placed alike, and who is said to hold them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What the placement rule goes by.
    pub anchor: Digest,
    /// How the chunks are coded.
    pub params: ErasureParams,
    /// The chunks.
    pub chunks: Vec<GroupChunk>,
    /// Who is said to hold which shard: a hint.
    pub holders: Holders,
}

/// One chunk of a [`Group`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupChunk {
    /// Its hashes.
    pub reference: ChunkRef,
    /// Its bytes.
    pub length: usize,
}

/// One shard of a [`Group`]: its chunk's index, its own, its id and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) chunk: usize,
    pub(crate) place: u8,
    pub(crate) shard: ChunkId,
    pub(crate) length: u32,
}

impl Group {
    /// The nodes that are said to hold shards, each once.
    pub fn hosts(&self) -> BTreeSet<PublicKey> {
        self.holders.chunks.iter().flatten().flatten().copied().collect()
    }

    /// All shards, chunk by chunk.
    pub(crate) fn shards(&self) -> impl Iterator<Item = Wanted> + '_ {
        self.chunks.iter().enumerate().flat_map(move |(chunk, of)| {
            let length = u32::try_from(self.params.shard_len(of.length)).unwrap_or(u32::MAX);
            (0..=u8::MAX).zip(&of.reference.shards).map(move |(place, shard)| Wanted {
                chunk,
                place,
                shard: *shard,
                length,
            })
        })
    }
}
