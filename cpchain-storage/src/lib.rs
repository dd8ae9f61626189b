//! Keep sealed blocks of a stream so that they survive their hosts.
//!
//! Readings go in at a [`Gateway`], which seals and signs them as [`Upload`]s. An upload's object is cut into erasure-coded
//! chunks, spread over hosts, and found again by its [`Manifest`]; the hash of the manifest is on the chain in a [`Voucher`].
//! Hosts keep what they are given in a [`PackStore`]. Nobody but the owner, and those it grants keys, can read anything.
//!
//! | you want to | take |
//! | --- | --- |
//! | turn a CSV file or live readings into sealed uploads | [`gateway`]: [`Gateway`], [`gateway::CsvSource`] |
//! | run many sensors in one process, from JSON lines, MQTT or your own source | [`gateway`]: [`gateway::Intake`], [`gateway::Source`] |
//! | choose how readings are compressed, or bring your own way | [`codec`]: [`Codec`], [`CodecRegistry`] |
//! | read sealed blocks back, with every fault named | [`reader`]: [`read_blocks`], [`read_object`] |
//! | know and check what is in an upload before you pay | [`manifest`]: [`Manifest::verify`] |
//! | put its hash on a chain, and check a chain of them | [`voucher`]: [`Voucher`], [`VoucherSink`] |
//! | cut, code, restore and repair objects | [`erasure`]: [`Coder`], [`encode_object`] |
//! | check a part of a chunk without the rest | [`mod@slice`]: [`slice::prove`], [`slice::verify`] |
//! | keep chunks on a disk | [`pack`]: [`PackStore`], over an [`index`] |
//! | run a storage node, publish and find records | `network` (feature `network`) |
//! | put and get objects over nodes | `client` (feature `network`) |
//! | hold hosts to their word | `audit` (feature `network`) |
//! | rebuild what hosts have lost | `repair` (feature `network`) |
//!
//! # What you may implement
//! | trait | promise | ours |
//! | --- | --- | --- |
//! | [`ChunkStore`] | durable and verified chunks | [`PackStore`] |
//! | [`IndexStore`](index::IndexStore) | an index that may be lost; [`index::conformance`] checks yours | [`index::MemoryIndex`], `index::SledIndex`, `index::RedbIndex` |
//! | [`gateway::Source`] | readings of many sensors, again if they were not reported durable | [`gateway::Readings`], `gateway::JsonSource`, `gateway::MqttSource` |
//! | [`Codec`] | lossless, and safe against hostile bytes | [`codec::Plain`], `codec::Pco`, `codec::Zstd` |
//! | [`KeySource`] | keys of intervals | stream secrets, granted seeds, maps of keys |
//! | [`VoucherSink`] | final once it returns, twice is once | your chain client |
//! | `network::Dht` (feature `network`) | small signed records, verified by whoever reads them | `network::NodeHandle`: libp2p-kad |
//! | `network::ChunkTransport` (feature `network`) | shards to and from a host, with signed receipts | `network::NodeHandle`: a libp2p protocol |
//!
//! # Features
//! | feature | adds | default |
//! | --- | --- | --- |
//! | `sled` | `index::SledIndex` | yes |
//! | `redb` | `index::RedbIndex` | no |
//! | `gateway` | [`gateway`] | yes |
//! | `pco` | `codec::Pco`: compressed columns of numbers | yes |
//! | `csv` | `gateway::CsvSource` | yes |
//! | `json` | `gateway::JsonSource` | yes |
//! | `network` | `network` and `client`, over libp2p | yes |
//! | `metrics` | counters and gauges of a node, by the `metrics` facade | no |
//! | `objects` | [`erasure`], [`manifest`], [`voucher`], [`reader`]; comes with `gateway` and `network` | yes |
//! | `zstd` | `codec::Zstd`: compressed opaque payloads; compiles C | no |
//! | `mqtt` | `gateway::MqttSource`, an MQTT 3.1.1 or 5 subscriber | no |
//!
//! Packs and codecs are always there and need none of these. `default-features = false, features = ["sled"]` is the pack store alone,
//! `["pco"]` the codecs alone, `["network"]` the network without compression.
//!
//! # From readings to rows
#![cfg_attr(all(feature = "gateway", feature = "pco"), doc = "```")]
#![cfg_attr(not(all(feature = "gateway", feature = "pco")), doc = "```ignore")]
//! use cpchain_crypto::{SigningKey, key_tree::StreamSecret};
//! use cpchain_storage::{CodecRegistry, Coder, Gateway, Reading, StreamConfig, encode_object, read_object};
//! # let state = tempfile::tempdir()?;
//! let (owner, secret) = (SigningKey::from_seed(&[1; 32]), StreamSecret::from_bytes([2; 32]));
//! let config = StreamConfig::new("roof", ["temperature"]);
//! let mut gateway = Gateway::open(config, secret, owner, CodecRegistry::default(), state.path())?;
//! gateway.push(Reading::new(1_262_307_600_000, vec![4.0]))?;
//! let upload = gateway.finish()?.ok_or("nothing to seal")?;
//!
//! // Thirty shards go to thirty hosts, ten come back.
//! let (object, chunks) = encode_object(&upload.object, upload.manifest.body().object.params)?;
//! assert_eq!(object, upload.manifest.body().object);
//! let left = (5..15).map(|place| (place, chunks[0].shards[usize::from(place)].bytes().clone()));
//! let bytes = Coder::new(object.params).decode_chunk(&object.chunks[0], upload.object.len(), left)?;
//!
//! // A buyer checks before it pays, and reads once it has the key.
//! upload.manifest.verify(&bytes)?;
//! let rows = read_object(&upload.manifest, 0..1, &bytes, &StreamSecret::from_bytes([2; 32]), &CodecRegistry::default())?;
//! assert_eq!(rows.column("temperature"), Some(&[4.0][..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod chunk;
pub mod codec;
mod durable;
pub mod index;
pub mod pack;
pub mod slice;
mod table;

#[cfg(feature = "objects")]
pub mod erasure;
#[cfg(feature = "gateway")]
pub mod gateway;
#[cfg(feature = "objects")]
pub mod manifest;
#[cfg(feature = "objects")]
pub mod object;
#[cfg(feature = "objects")]
pub mod reader;
#[cfg(feature = "objects")]
mod stream;
#[cfg(feature = "objects")]
pub mod voucher;
#[cfg(feature = "objects")]
mod wire;

#[cfg(feature = "network")]
pub mod audit;
#[cfg(feature = "network")]
pub mod client;
#[cfg(feature = "network")]
pub mod network;
#[cfg(feature = "network")]
pub mod repair;

pub use {
    chunk::{ChunkId, ChunkStore, HashedChunk, Lease, MAX_CHUNK_LEN, StoreError},
    codec::{Codec, CodecError, CodecRegistry},
    pack::{PackOptions, PackStore},
    table::{Column, MAX_PAYLOAD_LEN, Reading, Table, TableError},
};

#[cfg(feature = "gateway")]
pub use gateway::{Gateway, GatewayError, StreamConfig, Upload};
#[cfg(feature = "objects")]
pub use {
    erasure::{CodedChunk, Coder, ErasureError, ErasureParams, StreamedChunk, encode_object, encode_stream},
    manifest::{Manifest, ManifestBody, ManifestError, ManifestHead},
    object::{CHUNK_LEN, ChunkRef, MAX_LISTED_CHUNKS, MAX_OBJECT_LEN, MIN_SHARD_LEN, ObjectRef, ObjectRefError},
    reader::{KeySource, ReadError, read_blocks, read_object},
    stream::{MAX_NAME_LEN, StreamId, StreamNameError},
    voucher::{AccessRights, Voucher, VoucherError, VoucherSink},
};
