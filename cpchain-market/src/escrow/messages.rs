//! The messages of `proto/escrow.proto`.

use prost::{Enumeration, Message, Oneof};

use crate::wire::Amount;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Terms {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) listing: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) revision: Vec<u8>,
    #[prost(uint32, tag = "3")]
    pub(super) first_interval: u32,
    #[prost(uint32, tag = "4")]
    pub(super) end_interval: u32,
    #[prost(bytes = "vec", tag = "5")]
    pub(super) manifest: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    pub(super) leaf_root: Vec<u8>,
    #[prost(uint64, tag = "7")]
    pub(super) leaf_count: u64,
    #[prost(message, optional, tag = "8")]
    pub(super) price: Option<Amount>,
    #[prost(message, optional, tag = "9")]
    pub(super) fee: Option<Amount>,
    #[prost(message, optional, tag = "10")]
    pub(super) bond: Option<Amount>,
    #[prost(bytes = "vec", tag = "11")]
    pub(super) buyer_key: Vec<u8>,
    #[prost(uint32, tag = "12")]
    pub(super) threshold: u32,
    #[prost(uint32, tag = "13")]
    pub(super) proxies: u32,
    #[prost(uint64, tag = "14")]
    pub(super) nonce: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct GrantedNode {
    #[prost(uint32, tag = "1")]
    pub(super) depth: u32,
    #[prost(uint32, tag = "2")]
    pub(super) index: u32,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) delegating_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) capsule: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ProxyGrant {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(super) fragment_ids: Vec<Vec<u8>>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) sealed: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Grant {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) verifying_key: Vec<u8>,
    #[prost(message, repeated, tag = "2")]
    pub(super) nodes: Vec<GrantedNode>,
    #[prost(message, repeated, tag = "3")]
    pub(super) proxies: Vec<ProxyGrant>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Fragments {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(super) fragments: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct BadGrant {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) sealed: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) proof: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct LeafEvidence {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) header: Vec<u8>,
    #[prost(uint32, tag = "2")]
    pub(super) leaf: u32,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) sealed: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) commitment: Vec<u8>,
    #[prost(uint64, tag = "5")]
    pub(super) index: u64,
    #[prost(bytes = "vec", tag = "7")]
    pub(super) path: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct BadLeaf {
    #[prost(message, optional, tag = "1")]
    pub(super) leaf: Option<LeafEvidence>,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) key: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) salt: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PostedFragment {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) proxy: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) bytes: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct BadKey {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) secret: Vec<u8>,
    #[prost(uint32, tag = "2")]
    pub(super) node: u32,
    #[prost(message, repeated, tag = "3")]
    pub(super) fragments: Vec<PostedFragment>,
    #[prost(message, optional, tag = "4")]
    pub(super) leaf: Option<LeafEvidence>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Empty {}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Action {
    #[prost(message, tag = "2")]
    Offer(Terms),
    #[prost(message, tag = "3")]
    Cancel(Empty),
    #[prost(message, tag = "4")]
    Accept(Amount),
    #[prost(message, tag = "5")]
    Grant(Grant),
    #[prost(message, tag = "6")]
    Fragments(Fragments),
    #[prost(message, tag = "7")]
    BadGrant(BadGrant),
    #[prost(message, tag = "8")]
    Confirm(Empty),
    #[prost(message, tag = "9")]
    BadLeaf(BadLeaf),
    #[prost(message, tag = "10")]
    BadKey(BadKey),
    #[prost(message, tag = "11")]
    OfferStream(StreamTerms),
    #[prost(message, tag = "12")]
    Ask(Ask),
    #[prost(message, tag = "13")]
    Stop(Empty),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Command {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) order: Vec<u8>,
    #[prost(oneof = "Action", tags = "2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13")]
    pub(super) action: Option<Action>,
    #[prost(bool, tag = "14")]
    pub(super) stream: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct StreamTerms {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) listing: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) revision: Vec<u8>,
    #[prost(uint32, tag = "3")]
    pub(super) first: u32,
    #[prost(uint32, tag = "4")]
    pub(super) count: u32,
    #[prost(message, optional, tag = "5")]
    pub(super) price: Option<Amount>,
    #[prost(message, optional, tag = "6")]
    pub(super) fee: Option<Amount>,
    #[prost(message, optional, tag = "7")]
    pub(super) bond: Option<Amount>,
    #[prost(uint32, tag = "8")]
    pub(super) threshold: u32,
    #[prost(uint32, tag = "9")]
    pub(super) proxies: u32,
    #[prost(uint64, tag = "10")]
    pub(super) nonce: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Ask {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) buyer_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) manifest: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) leaf_root: Vec<u8>,
    #[prost(uint64, tag = "4")]
    pub(super) leaf_count: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(super) enum StreamState {
    Unspecified = 0,
    Offered = 1,
    Open = 2,
    Asked = 3,
    Granted = 4,
    Delivered = 5,
    Stopped = 6,
    Refunded = 7,
    SellerFault = 8,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct StreamOrder {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) buyer: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) seller: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) stream: Vec<u8>,
    #[prost(bytes = "vec", repeated, tag = "5")]
    pub(super) allowed: Vec<Vec<u8>>,
    #[prost(message, optional, tag = "6")]
    pub(super) terms: Option<StreamTerms>,
    #[prost(enumeration = "StreamState", tag = "7")]
    pub(super) state: i32,
    #[prost(uint64, tag = "8")]
    pub(super) deadline: u64,
    #[prost(message, optional, tag = "9")]
    pub(super) seller_bond: Option<Amount>,
    #[prost(message, optional, tag = "10")]
    pub(super) stake: Option<Amount>,
    #[prost(bytes = "vec", repeated, tag = "11")]
    pub(super) drawn: Vec<Vec<u8>>,
    #[prost(uint32, tag = "12")]
    pub(super) settled: u32,
    #[prost(message, optional, tag = "13")]
    pub(super) interval: Option<Order>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(super) enum State {
    Unspecified = 0,
    Offered = 1,
    Accepted = 2,
    Granted = 3,
    Delivered = 4,
    Cancelled = 5,
    Refunded = 6,
    Settled = 7,
    SellerFault = 8,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Slot {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) proxy: Vec<u8>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub(super) fragment_ids: Vec<Vec<u8>>,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) sealed: Vec<u8>,
    #[prost(bytes = "vec", repeated, tag = "4")]
    pub(super) posted: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Order {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) buyer: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) seller: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) stream: Vec<u8>,
    #[prost(bytes = "vec", repeated, tag = "5")]
    pub(super) allowed: Vec<Vec<u8>>,
    #[prost(message, optional, tag = "6")]
    pub(super) terms: Option<Terms>,
    #[prost(enumeration = "State", tag = "7")]
    pub(super) state: i32,
    #[prost(uint64, tag = "8")]
    pub(super) deadline: u64,
    #[prost(message, optional, tag = "9")]
    pub(super) seller_bond: Option<Amount>,
    #[prost(message, optional, tag = "10")]
    pub(super) stake: Option<Amount>,
    #[prost(message, repeated, tag = "11")]
    pub(super) slots: Vec<Slot>,
    #[prost(bytes = "vec", tag = "12")]
    pub(super) verifying_key: Vec<u8>,
    #[prost(message, repeated, tag = "13")]
    pub(super) nodes: Vec<GrantedNode>,
}
