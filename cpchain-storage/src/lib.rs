//! Keep sealed blocks of a stream so that they survive their hosts.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod chunk;
pub mod codec;
mod durable;
pub mod erasure;
pub mod gateway;
pub mod index;
pub mod manifest;
mod object;
pub mod pack;
pub mod reader;
mod stream;
mod table;
pub mod voucher;
mod wire;

#[cfg(feature = "network")]
pub mod client;
#[cfg(feature = "network")]
pub mod network;

pub use {
    chunk::{ChunkId, ChunkStore, Lease, MAX_CHUNK_LEN, StoreError},
    codec::{Codec, CodecError, CodecRegistry},
    erasure::{CodedChunk, Coder, ErasureError, ErasureParams, encode_object, encode_stream},
    gateway::{Gateway, GatewayError, StreamConfig, Upload},
    manifest::{Manifest, ManifestBody, ManifestError, ManifestHead},
    object::{CHUNK_LEN, ChunkRef, MAX_OBJECT_LEN, MIN_SHARD_LEN, ObjectRef, ObjectRefError},
    pack::{PackOptions, PackStore},
    reader::{KeySource, ReadError, read_blocks, read_object},
    stream::{MAX_NAME_LEN, StreamId, StreamNameError},
    table::{Column, Reading, Table, TableError},
    voucher::{AccessRights, Voucher, VoucherError, VoucherSink},
};
