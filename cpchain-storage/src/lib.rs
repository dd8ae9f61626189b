//! Keep sealed blocks of a stream so that they survive their hosts.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod chunk;
pub mod erasure;
mod object;
mod wire;

#[cfg(feature = "network")]
pub mod client;
#[cfg(feature = "network")]
pub mod network;

pub use {
    chunk::{ChunkId, ChunkStore, Lease, MAX_CHUNK_LEN, StoreError},
    erasure::{CodedChunk, Coder, ErasureError, ErasureParams, encode_object, encode_stream},
    object::{CHUNK_LEN, ChunkRef, MAX_OBJECT_LEN, MIN_SHARD_LEN, ObjectRef, ObjectRefError},
};
