//! The protobuf messages, as in `proto/lbft.proto`. Nothing here is checked: see [`message`](super::message).

use alloc::vec::Vec;
use bytes::Bytes;

/// Everything that travels between nodes.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Envelope {
    /// What it is.
    #[prost(oneof = "Body", tags = "1, 2, 3, 4, 5, 6")]
    pub(crate) body: Option<Body>,
}

/// The cases of [`Envelope`].
#[derive(Clone, PartialEq, prost::Oneof)]
#[allow(clippy::large_enum_variant, reason = "one lives at a time")]
pub(crate) enum Body {
    /// PROPOSE.
    #[prost(message, tag = "1")]
    Propose(Propose),
    /// PREPARE, COMMIT, IMPEACH PREPARE.
    #[prost(message, tag = "2")]
    Vote(Vote),
    /// CERTIFICATE, IMPEACH COMMIT, VALIDATE, by kind.
    #[prost(message, tag = "3")]
    Certificate(Certificate),
    /// An answer to PULL.
    #[prost(message, tag = "4")]
    Block(Block),
    /// PULL.
    #[prost(message, tag = "5")]
    Pull(Pull),
    /// An answer to PULL.
    #[prost(message, tag = "6")]
    Range(Range),
}

/// What a block's digest commits to.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Header {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) chain_id: Bytes,
    #[prost(uint64, tag = "2")]
    pub(crate) term: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) height: u64,
    #[prost(uint64, tag = "4")]
    pub(crate) parent_height: u64,
    #[prost(bytes = "bytes", tag = "5")]
    pub(crate) parent_digest: Bytes,
    #[prost(bytes = "bytes", tag = "6")]
    pub(crate) payload_digest: Bytes,
}

/// A block under its proposer's seal; the header is kept as the bytes that were hashed.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Block {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) header: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) payload: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) seal: Bytes,
}

/// One vote.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Vote {
    #[prost(uint64, tag = "1")]
    pub(crate) term: u64,
    #[prost(enumeration = "KindNumber", tag = "2")]
    pub(crate) kind: i32,
    #[prost(uint64, tag = "3")]
    pub(crate) height: u64,
    #[prost(bytes = "bytes", tag = "4")]
    pub(crate) digest: Bytes,
    #[prost(uint32, tag = "5")]
    pub(crate) signer: u32,
    #[prost(bytes = "bytes", tag = "6")]
    pub(crate) signature: Bytes,
}

/// A quorum of votes.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Certificate {
    #[prost(uint64, tag = "1")]
    pub(crate) term: u64,
    #[prost(enumeration = "KindNumber", tag = "2")]
    pub(crate) kind: i32,
    #[prost(uint64, tag = "3")]
    pub(crate) height: u64,
    #[prost(bytes = "bytes", tag = "4")]
    pub(crate) digest: Bytes,
    #[prost(bytes = "bytes", tag = "5")]
    pub(crate) signers: Bytes,
    #[prost(bytes = "bytes", tag = "6")]
    pub(crate) signatures: Bytes,
}

/// A block with its justification.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Propose {
    #[prost(message, optional, tag = "1")]
    pub(crate) block: Option<Block>,
    #[prost(message, optional, tag = "2")]
    pub(crate) parent: Option<Certificate>,
    #[prost(message, optional, tag = "3")]
    pub(crate) impeachment: Option<Certificate>,
}

/// What the sender wants to have.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Pull {
    #[prost(uint64, repeated, tag = "1")]
    pub(crate) heights: Vec<u64>,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub(crate) digests: Vec<Bytes>,
    #[prost(uint64, tag = "3")]
    pub(crate) range: u64,
    #[prost(uint32, tag = "4")]
    pub(crate) pieces: u32,
}

/// A piece of the final chain.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Range {
    #[prost(message, repeated, tag = "1")]
    pub(crate) blocks: Vec<Block>,
    #[prost(message, optional, tag = "2")]
    pub(crate) certificate: Option<Certificate>,
    #[prost(bool, tag = "3")]
    pub(crate) more: bool,
}

/// Who serves a term.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Committee {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) chain_id: Bytes,
    #[prost(uint64, tag = "2")]
    pub(crate) term: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) first: u64,
    #[prost(uint64, optional, tag = "4")]
    pub(crate) last: Option<u64>,
    #[prost(bytes = "bytes", repeated, tag = "5")]
    pub(crate) validators: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "6")]
    pub(crate) proposers: Vec<Bytes>,
}

/// What ended a term.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Closing {
    #[prost(message, repeated, tag = "1")]
    pub(crate) blocks: Vec<Block>,
    #[prost(message, optional, tag = "2")]
    pub(crate) certificate: Option<Certificate>,
}

/// A final block as it is stored.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct FinalRecord {
    #[prost(uint64, tag = "1")]
    pub(crate) height: u64,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) digest: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) parent: Bytes,
    #[prost(bytes = "bytes", tag = "4")]
    pub(crate) proposer: Bytes,
    #[prost(message, optional, tag = "5")]
    pub(crate) block: Option<Block>,
    #[prost(message, optional, tag = "6")]
    pub(crate) certificate: Option<Certificate>,
    #[prost(uint64, tag = "7")]
    pub(crate) term: u64,
    #[prost(message, optional, tag = "8")]
    pub(crate) closing: Option<Closing>,
}

/// The numbers of the kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum KindNumber {
    Unspecified = 0,
    Seal = 1,
    Prepare = 2,
    Commit = 3,
    ImpeachPrepare = 4,
    Handover = 5,
}
