//! The messages of `proto/storage.proto`, derived in source. Typed values are made from them with every bound checked.

/// A signed message: `body` is kept and verified as received, never encoded again.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Signed {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) body: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) signature: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ObjectRef {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) root: Vec<u8>,
    #[prost(uint64, tag = "2")]
    pub(crate) length: u64,
    #[prost(uint32, tag = "3")]
    pub(crate) data_shards: u32,
    #[prost(uint32, tag = "4")]
    pub(crate) total_shards: u32,
    #[prost(message, repeated, tag = "5")]
    pub(crate) chunks: Vec<ChunkRef>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ChunkRef {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) root: Vec<u8>,
    /// 32 bytes a shard, in order.
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) shards: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ManifestBody {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) owner: Vec<u8>,
    #[prost(string, tag = "3")]
    pub(crate) stream_name: String,
    #[prost(uint64, tag = "4")]
    pub(crate) upload: u64,
    #[prost(uint64, tag = "5")]
    pub(crate) period_ms: u64,
    #[prost(message, repeated, tag = "6")]
    pub(crate) blocks: Vec<BlockEntry>,
    #[prost(message, repeated, tag = "7")]
    pub(crate) intervals: Vec<IntervalEntry>,
    #[prost(message, optional, tag = "8")]
    pub(crate) object: Option<ObjectRef>,
    #[prost(bytes = "vec", tag = "9")]
    pub(crate) leaf_root: Vec<u8>,
    #[prost(uint32, tag = "10")]
    pub(crate) leaf_count: u32,
    #[prost(bytes = "vec", tag = "11")]
    pub(crate) previous: Vec<u8>,
    #[prost(uint64, tag = "12")]
    pub(crate) expires_ms: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct BlockEntry {
    #[prost(uint64, tag = "1")]
    pub(crate) index: u64,
    #[prost(uint32, tag = "2")]
    pub(crate) interval: u32,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) hash: Vec<u8>,
    #[prost(uint64, tag = "4")]
    pub(crate) offset: u64,
    #[prost(uint32, tag = "5")]
    pub(crate) length: u32,
    #[prost(uint64, tag = "6")]
    pub(crate) start_ms: u64,
    #[prost(uint32, tag = "7")]
    pub(crate) count: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct IntervalEntry {
    #[prost(uint32, tag = "1")]
    pub(crate) interval: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) key_commitment: Vec<u8>,
}

/// What the DHT holds of a manifest: the signed bytes, or the object that they are in.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ManifestHead {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) inline: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    pub(crate) object: Option<ObjectRef>,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) hash: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct VoucherBody {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) owner: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) stream: Vec<u8>,
    #[prost(uint64, tag = "4")]
    pub(crate) upload: u64,
    #[prost(bytes = "vec", tag = "5")]
    pub(crate) manifest: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    pub(crate) block_root: Vec<u8>,
    #[prost(bytes = "vec", tag = "7")]
    pub(crate) leaf_root: Vec<u8>,
    #[prost(uint32, tag = "8")]
    pub(crate) leaf_count: u32,
    #[prost(bytes = "vec", tag = "9")]
    pub(crate) previous: Vec<u8>,
    #[prost(uint32, tag = "10")]
    pub(crate) access: u32,
}
