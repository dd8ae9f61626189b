//! Messages of the chunk protocol, `/cpchain/chunk/1`; described in `proto/network.proto`.
//!
//! A frame is a message after its length (u32, little endian, at most [`MAX_FRAME_BYTES`]). One request and one answer per substream.
//!
//! | rule | test |
//! | --- | --- |
//! | Counts and lengths are checked before the store or a key is touched | `requests_are_bounded` |
//! | Arbitrary bytes are refused without a panic | `arbitrary_frames_never_panic` |

use bytes::Bytes;
use prost::Message;

use crate::{
    chunk::{ChunkId, MAX_CHUNK_LEN},
    slice::LEAF_LEN,
};

/// The name of the protocol.
pub(crate) const PROTOCOL: &str = "/cpchain/chunk/1";
/// Most shards in one put or has request.
pub const MAX_ITEMS: usize = 64;
/// Most shard bytes in one put request.
pub const MAX_PUT_BYTES: usize = MAX_CHUNK_LEN;
/// The largest slice: a whole chunk, and 64 bytes for each of its 1023 inner nodes.
const MAX_SLICE_BYTES: usize = 8 + MAX_CHUNK_LEN + 64 * (MAX_CHUNK_LEN / LEAF_LEN as usize - 1);
/// The largest slice of one leaf: that of a chunk of 1 MiB.
const MAX_LEAF_SLICE_BYTES: usize = 8 + LEAF_LEN as usize + 64 * (MAX_CHUNK_LEN / LEAF_LEN as usize).ilog2() as usize;
/// The largest frame: a slice of a whole chunk with its overhead; a full put or the receipts for it are shorter.
pub(crate) const MAX_FRAME_BYTES: usize = MAX_SLICE_BYTES + 1024;

/// What a client asks of a storage node.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ChunkRequest {
    #[prost(oneof = "Ask", tags = "1, 2, 3, 4, 5, 6")]
    pub(crate) ask: Option<Ask>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Ask {
    #[prost(message, tag = "1")]
    Put(PutShards),
    #[prost(message, tag = "2")]
    Get(GetShard),
    #[prost(message, tag = "3")]
    Has(HasShards),
    #[prost(message, tag = "4")]
    Slice(GetSlice),
    #[prost(message, tag = "5")]
    Audit(AuditShards),
    #[prost(message, tag = "6")]
    Renew(RenewShards),
}

/// Keep these shards until the lease ends.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PutShards {
    #[prost(uint64, tag = "1")]
    pub(crate) lease_until_ms: u64,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub(crate) shards: Vec<Bytes>,
}

/// Send this shard.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct GetShard {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) id: Vec<u8>,
}

/// Which of these do you hold?
#[derive(Clone, PartialEq, Message)]
pub(crate) struct HasShards {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(crate) ids: Vec<Vec<u8>>,
}

/// Send this range of a shard, with its proof.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct GetSlice {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) id: Vec<u8>,
    #[prost(uint32, tag = "2")]
    pub(crate) offset: u32,
    #[prost(uint32, tag = "3")]
    pub(crate) length: u32,
}

/// Prove that these shards are held, by one leaf of each.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct AuditShards {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(crate) ids: Vec<Vec<u8>>,
    #[prost(uint32, repeated, tag = "2")]
    pub(crate) leaves: Vec<u32>,
}

/// Keep these shards longer, and sign for it.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RenewShards {
    #[prost(uint64, tag = "1")]
    pub(crate) lease_until_ms: u64,
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub(crate) ids: Vec<Vec<u8>>,
}

/// What a storage node answers.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ChunkResponse {
    #[prost(oneof = "Answer", tags = "1, 2, 3, 4, 5, 6, 7")]
    pub(crate) answer: Option<Answer>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Answer {
    #[prost(message, tag = "1")]
    Put(PutReply),
    #[prost(message, tag = "2")]
    Get(GetReply),
    #[prost(message, tag = "3")]
    Has(HasReply),
    #[prost(message, tag = "4")]
    Refused(Refusal),
    #[prost(message, tag = "5")]
    Slice(SliceReply),
    #[prost(message, tag = "6")]
    Audit(AuditReply),
    #[prost(message, tag = "7")]
    Renew(RenewReply),
}

/// One receipt per shard, in the order of the request.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PutReply {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(crate) receipts: Vec<Bytes>,
}

/// The shard, or nothing if it is not held.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct GetReply {
    #[prost(bytes = "bytes", optional, tag = "1")]
    pub(crate) shard: Option<Bytes>,
}

/// One answer per id, in the order of the request.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct HasReply {
    #[prost(bool, repeated, tag = "1")]
    pub(crate) held: Vec<bool>,
}

/// The slice, or nothing if the shard is not held or has no such range.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SliceReply {
    #[prost(bytes = "bytes", optional, tag = "1")]
    pub(crate) slice: Option<Bytes>,
}

/// One slice of one leaf per shard, in the order of the request; empty for one that is not held.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct AuditReply {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(crate) slices: Vec<Bytes>,
}

/// One receipt per shard, in the order of the request; empty for one that is not held.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RenewReply {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(crate) receipts: Vec<Bytes>,
}

/// Why the node did not do it.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Refusal {
    #[prost(enumeration = "RefusalCode", tag = "1")]
    pub(crate) code: i32,
}

/// Why a storage node refused a request. The number is on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum RefusalCode {
    /// A reason that this version does not know.
    Unspecified = 0,
    /// The request does not decode, or a count or length is out of bounds: do not repeat it.
    Malformed = 1,
    /// The lease is over already, or longer than the node gives: ask for another one.
    Lease = 2,
    /// The node's store failed or is full: take another node.
    Store = 3,
    /// Too many requests at once: try again later.
    Busy = 4,
}

impl ChunkRequest {
    /// Decodes a request and checks its bounds.
    pub(crate) fn parse(frame: Bytes) -> Option<Ask> {
        let ask = Self::decode(frame).ok()?.ask?;
        let in_bounds = match &ask {
            Ask::Put(put) => {
                let total: usize = put.shards.iter().map(Bytes::len).sum();
                counted(put.shards.len()) && total <= MAX_PUT_BYTES && put.shards.iter().all(|shard| !shard.is_empty())
            }
            Ask::Get(get) => ChunkId::from_slice(&get.id).is_some(),
            Ask::Has(has) => counted(has.ids.len()) && are_ids(&has.ids),
            Ask::Slice(get) => {
                let end = u64::from(get.offset) + u64::from(get.length);
                ChunkId::from_slice(&get.id).is_some() && get.length > 0 && end <= MAX_CHUNK_LEN as u64
            }
            Ask::Audit(audit) => {
                counted(audit.ids.len()) && are_ids(&audit.ids) && audit.leaves.len() == audit.ids.len()
            }
            Ask::Renew(renew) => counted(renew.ids.len()) && are_ids(&renew.ids),
        };
        in_bounds.then_some(ask)
    }

    pub(crate) fn frame(ask: Ask) -> Bytes {
        Self { ask: Some(ask) }.encode_to_vec().into()
    }
}

impl ChunkResponse {
    /// Decodes an answer and checks its bounds.
    pub(crate) fn parse(frame: Bytes) -> Option<Answer> {
        let answer = Self::decode(frame).ok()?.answer?;
        let in_bounds = match &answer {
            Answer::Put(put) => counted(put.receipts.len()),
            Answer::Get(get) => get.shard.as_ref().is_none_or(|shard| shard.len() <= MAX_CHUNK_LEN),
            Answer::Has(has) => counted(has.held.len()),
            Answer::Refused(_) => true,
            Answer::Slice(get) => get.slice.as_ref().is_none_or(|slice| slice.len() <= MAX_SLICE_BYTES),
            Answer::Audit(audit) => {
                counted(audit.slices.len()) && audit.slices.iter().all(|slice| slice.len() <= MAX_LEAF_SLICE_BYTES)
            }
            Answer::Renew(renew) => counted(renew.receipts.len()),
        };
        in_bounds.then_some(answer)
    }

    pub(crate) fn frame(answer: Answer) -> Bytes {
        Self { answer: Some(answer) }.encode_to_vec().into()
    }

    pub(crate) fn refusal(code: RefusalCode) -> Bytes {
        Self::frame(Answer::Refused(Refusal { code: code as i32 }))
    }
}

fn counted(items: usize) -> bool {
    (1..=MAX_ITEMS).contains(&items)
}

fn are_ids(ids: &[Vec<u8>]) -> bool {
    ids.iter().all(|id| id.len() == 32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::network::receipt::MAX_RECEIPT_BYTES;

    #[test]
    fn requests_are_bounded() {
        let parse = |ask: Ask| ChunkRequest::parse(ChunkRequest::frame(ask)).is_some();
        let put = |shards: Vec<Bytes>| parse(Ask::Put(PutShards { lease_until_ms: 1, shards }));
        assert!(put(vec![Bytes::from_static(b"s"); MAX_ITEMS]));
        assert!(!put(vec![Bytes::from_static(b"s"); MAX_ITEMS + 1]));
        assert!(!put(vec![]));
        assert!(!put(vec![Bytes::new()]));
        assert!(put(vec![vec![0; MAX_PUT_BYTES].into()]));
        assert!(!put(vec![vec![0; MAX_PUT_BYTES].into(), Bytes::from_static(b"s")]));
        assert!(!parse(Ask::Get(GetShard { id: vec![0; 31] })));
        assert!(parse(Ask::Has(HasShards { ids: vec![vec![0; 32]] })));
        assert!(!parse(Ask::Has(HasShards { ids: vec![vec![0; 33]] })));
        assert!(!parse(Ask::Has(HasShards { ids: vec![] })));
        let slice = |offset, length| parse(Ask::Slice(GetSlice { id: vec![0; 32], offset, length }));
        assert!(slice(0, 1) && slice(0, MAX_CHUNK_LEN as u32) && slice(MAX_CHUNK_LEN as u32 - 1, 1));
        assert!(!slice(0, 0) && !slice(1, MAX_CHUNK_LEN as u32) && !slice(u32::MAX, u32::MAX));
        let audit =
            |ids, leaves| parse(Ask::Audit(AuditShards { ids: vec![vec![0; 32]; ids], leaves: vec![0; leaves] }));
        assert!(audit(1, 1) && audit(MAX_ITEMS, MAX_ITEMS));
        assert!(!audit(0, 0) && !audit(1, 2) && !audit(2, 1) && !audit(MAX_ITEMS + 1, MAX_ITEMS + 1));
        let renew = |id, ids| parse(Ask::Renew(RenewShards { lease_until_ms: 1, ids: vec![vec![0; id]; ids] }));
        assert!(renew(32, MAX_ITEMS) && !renew(32, MAX_ITEMS + 1) && !renew(32, 0) && !renew(31, 1));
        assert!(ChunkRequest::parse(Bytes::new()).is_none());
    }

    #[test]
    fn the_largest_messages_fit_a_frame() {
        let put =
            PutShards { lease_until_ms: u64::MAX, shards: vec![vec![0; MAX_PUT_BYTES / MAX_ITEMS].into(); MAX_ITEMS] };
        assert!(ChunkRequest::frame(Ask::Put(put)).len() <= MAX_FRAME_BYTES);
        let reply = PutReply { receipts: vec![vec![0; MAX_RECEIPT_BYTES].into(); MAX_ITEMS] };
        assert!(ChunkResponse::frame(Answer::Put(reply)).len() <= MAX_FRAME_BYTES);
        let reply = GetReply { shard: Some(vec![0; MAX_CHUNK_LEN].into()) };
        assert!(ChunkResponse::frame(Answer::Get(reply)).len() <= MAX_FRAME_BYTES);
        let chunk = vec![7; MAX_CHUNK_LEN];
        let whole = crate::slice::prove(&chunk, 0..MAX_CHUNK_LEN as u64).unwrap();
        assert_eq!(whole.len(), MAX_SLICE_BYTES);
        let reply = ChunkResponse::frame(Answer::Slice(SliceReply { slice: Some(whole.into()) }));
        assert!(reply.len() <= MAX_FRAME_BYTES && ChunkResponse::parse(reply).is_some());
        let leaf = Bytes::from(crate::slice::prove(&chunk, 0..1).unwrap());
        assert_eq!(leaf.len(), MAX_LEAF_SLICE_BYTES);
        let reply = ChunkResponse::frame(Answer::Audit(AuditReply { slices: vec![leaf; MAX_ITEMS] }));
        assert!(reply.len() <= MAX_FRAME_BYTES && ChunkResponse::parse(reply).is_some());
    }

    proptest! {
        #[test]
        fn arbitrary_frames_never_panic(bytes: Vec<u8>) {
            let _ = ChunkRequest::parse(bytes.clone().into());
            let _ = ChunkResponse::parse(bytes.into());
        }
    }
}
