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

use super::receipt::MAX_RECEIPT_BYTES;
use crate::chunk::{ChunkId, MAX_CHUNK_LEN};

/// The name of the protocol.
pub(crate) const PROTOCOL: &str = "/cpchain/chunk/1";
/// Most shards in one put or has request.
pub const MAX_ITEMS: usize = 64;
/// Most shard bytes in one put request.
pub const MAX_PUT_BYTES: usize = MAX_CHUNK_LEN;
/// The largest frame: a full put with its overhead, or the receipts for it.
pub(crate) const MAX_FRAME_BYTES: usize = MAX_PUT_BYTES + MAX_ITEMS * MAX_RECEIPT_BYTES;

/// What a client asks of a storage node.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ChunkRequest {
    #[prost(oneof = "Ask", tags = "1, 2, 3")]
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

/// What a storage node answers.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ChunkResponse {
    #[prost(oneof = "Answer", tags = "1, 2, 3, 4")]
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
            Ask::Has(has) => counted(has.ids.len()) && has.ids.iter().all(|id| id.len() == 32),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
    }

    proptest! {
        #[test]
        fn arbitrary_frames_never_panic(bytes: Vec<u8>) {
            let _ = ChunkRequest::parse(bytes.clone().into());
            let _ = ChunkResponse::parse(bytes.into());
        }
    }
}
