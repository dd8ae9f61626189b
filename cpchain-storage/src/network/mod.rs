//! The storage network: signed records in a DHT, shards on storage nodes.
//!
//! | you want to | take |
//! | --- | --- |
//! | run a storage node | [`StorageNode::start`] over any [`ChunkStore`](crate::ChunkStore) |
//! | reach the network without storing for it | [`StorageNode::light`] |
//! | put and get whole objects | [`StorageClient`](crate::client::StorageClient) |
//! | publish and look up small signed facts | [`SignedRecord`], [`Dht`] |
//! | know what opens an interval | [`Correspondence`] |
//! | hold a node to its word | [`Receipt`] |
//! | bring your own network | implement [`Dht`] and [`ChunkTransport`] |
//!
//! Two protocols, both over TCP, noise and yamux: libp2p-kad as `/cpchain/kad/1` for records of at most 8 KiB, and
//! `/cpchain/chunk/1` for shards, which never enter the DHT. Clients and nodes are named by Ed25519 keys; the key that a
//! node is dialled by is the key that signs its receipts.
//!
//! Records are validated inside the store of each node and again by each reader, writes wait for a majority of the nodes
//! that keep a record, and reads for so many that they meet the last write. Records are kept on a [`RecordShelf`]: with
//! [`RecordLog`] a node that comes back has them at once, with [`MemoryShelf`] its neighbours bring them.

mod behaviour;
mod clock;
mod config;
mod correspondence;
mod dht;
mod driver;
mod expiry;
mod frames;
mod guard;
mod holders;
mod keeper;
mod meter;
mod node;
mod peer;
mod placement;
mod queries;
mod receipt;
mod record;
mod records;
mod requests;
mod serve;
mod sweep;
mod transport;
mod wire;

#[cfg(test)]
mod proto_test;

pub use libp2p::Multiaddr;

pub(crate) use {clock::now_ms, placement::Placer};
pub use {
    config::NetworkConfig,
    correspondence::{Correspondence, MAX_CAPSULE_BYTES},
    dht::{Dht, DhtError},
    guard::PeerLimits,
    holders::{CHUNKS_PER_PAGE, Holders},
    node::{NodeHandle, NodeStats, StorageNode},
    peer::{NodeAddr, NodeAddrError},
    placement::{NodeInfo, OperatorId, place, shard_point},
    receipt::{MAX_RECEIPT_BYTES, Receipt, ReceiptError},
    record::{
        MAX_BODY_BYTES, MAX_NAME_BYTES, MAX_RECORD_BYTES, MAX_RECORD_LIFE_MS, RecordError, RecordKey, RecordKind,
        SignedRecord,
    },
    records::{Loaded, MemoryShelf, Place, RecordLog, RecordShelf, Share, Tenant},
    sweep::SweepReport,
    transport::{Challenge, ChunkTransport, TransportError},
    wire::{MAX_ITEMS, MAX_PUT_BYTES, RefusalCode},
};

/// Why a node could not be started.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The transport could not be set up.
    #[error("the transport could not be set up: {0}")]
    Transport(String),
    /// The address cannot be listened at.
    #[error("cannot listen at {address}: {why}; choose a free port of this machine")]
    Listen {
        /// The address asked for.
        address: String,
        /// What the system said.
        why: String,
    },
    /// The records that were kept cannot be read.
    #[error(
        "the record log cannot be read: {0}; check its folder, or move it away and let neighbours refill a new one"
    )]
    Records(std::io::Error),
}
