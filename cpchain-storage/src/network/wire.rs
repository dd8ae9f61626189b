//! Messages of the chunk protocol, `/cpchain/chunk/1`; described in `proto/network.proto`.
//!
//! A frame is a message after its length (u32, little endian, at most [`MAX_FRAME_BYTES`]). Answers come in the
//! order of the requests of their substream.
//!
//! | rule | test |
//! | --- | --- |
//! | Counts and lengths are checked before the store or a key is touched | `requests_are_bounded` |
//! | Arbitrary bytes are refused without a panic | `arbitrary_frames_never_panic` |

use bytes::Bytes;
use prost::Message;

use super::records::{Point, TAG_BYTES};
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
/// Bytes of a record in an offer.
const OFFER_BYTES: usize = 16 + TAG_BYTES;
/// Most records in one offer.
pub(crate) const MAX_OFFER: usize = 1024;
/// Most records that are given at once; each is verified.
pub(crate) const MAX_GIVE: usize = 64;
/// Bytes of records that a client gives at once, apart from a single larger one.
pub(crate) const MAX_GIVE_BYTES: usize = 128 << 10;
/// The largest slice: a whole chunk, and 64 bytes for each of its 1023 inner nodes.
const MAX_SLICE_BYTES: usize = 8 + MAX_CHUNK_LEN + 64 * (MAX_CHUNK_LEN / LEAF_LEN as usize - 1);
/// The largest slice of one leaf: that of a chunk of 1 MiB.
const MAX_LEAF_SLICE_BYTES: usize = 8 + LEAF_LEN as usize + 64 * (MAX_CHUNK_LEN / LEAF_LEN as usize).ilog2() as usize;
/// The largest frame: a slice of a whole chunk with its overhead; a full put or the receipts for it are shorter.
pub(crate) const MAX_FRAME_BYTES: usize = MAX_SLICE_BYTES + 1024;

/// What a client asks of a storage node.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ChunkRequest {
    #[prost(oneof = "Ask", tags = "1, 2, 3, 4, 5, 6, 7, 8")]
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
    #[prost(message, tag = "7")]
    Offer(OfferRecords),
    #[prost(message, tag = "8")]
    Give(GiveRecords),
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

/// Which of these DHT records do you not have in this version?
#[derive(Clone, PartialEq, Message)]
pub(crate) struct OfferRecords {
    /// Per record the first 16 bytes of SHA-256 of its key, and the first 8 bytes of BLAKE3 of its encoding.
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) items: Vec<u8>,
}

impl OfferRecords {
    pub(crate) fn items(records: &[(Point, u64)]) -> Vec<u8> {
        records.iter().flat_map(|(point, tag)| point.0.to_be_bytes().into_iter().chain(tag.to_le_bytes())).collect()
    }

    pub(crate) fn read(&self) -> impl Iterator<Item = (Point, u64)> {
        self.items.chunks_exact(OFFER_BYTES).filter_map(|item| {
            let (point, tag) = item.split_first_chunk()?;
            Some((Point(u128::from_be_bytes(*point)), u64::from_le_bytes(*tag.first_chunk()?)))
        })
    }
}

/// Keep these DHT records.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct GiveRecords {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(crate) records: Vec<Bytes>,
}

/// What a storage node answers.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ChunkResponse {
    #[prost(oneof = "Answer", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9")]
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
    #[prost(message, tag = "8")]
    Offer(OfferReply),
    #[prost(message, tag = "9")]
    Give(GiveReply),
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

/// One answer per record, in the order of the offer.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct OfferReply {
    #[prost(bool, repeated, tag = "1")]
    pub(crate) wanted: Vec<bool>,
}

/// One answer per record, in the order of the request: is it kept now?
#[derive(Clone, PartialEq, Message)]
pub(crate) struct GiveReply {
    #[prost(bool, repeated, tag = "1")]
    pub(crate) taken: Vec<bool>,
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
            Ask::Offer(offer) => {
                offer.items.len().is_multiple_of(OFFER_BYTES)
                    && (1..=MAX_OFFER).contains(&(offer.items.len() / OFFER_BYTES))
            }
            Ask::Give(give) => (1..=MAX_GIVE).contains(&give.records.len()),
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
            Answer::Offer(offer) => offer.wanted.len() <= MAX_OFFER,
            Answer::Give(give) => give.taken.len() <= MAX_GIVE,
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
        let offer = |count: usize| OfferRecords { items: OfferRecords::items(&vec![(Point(7), 9); count]) };
        assert!(parse(Ask::Offer(offer(MAX_OFFER))) && offer(3).read().all(|item| item == (Point(7), 9)));
        assert!(!parse(Ask::Offer(offer(0))) && !parse(Ask::Offer(offer(MAX_OFFER + 1))));
        assert!(!parse(Ask::Offer(OfferRecords { items: vec![0; 25] })));
        let give = |count| parse(Ask::Give(GiveRecords { records: vec![Bytes::from_static(b"r"); count] }));
        assert!(give(MAX_GIVE) && !give(0) && !give(MAX_GIVE + 1));
        assert!(ChunkRequest::parse(Bytes::new()).is_none());
    }

    #[test]
    fn the_largest_messages_fit_a_frame() {
        assert_eq!(MAX_FRAME_BYTES, 1_115_080, "`docs/protocol.md` says so");
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
