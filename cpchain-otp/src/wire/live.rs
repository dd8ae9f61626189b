//! Messages of live streams and inboxes, as in `proto/otp.proto`.

use bytes::Bytes;

/// Tells a node of a new object of a stream.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Announce {
    /// [`SignedRecord`](super::SignedRecord) bytes of a stream head.
    #[prost(bytes = "bytes", tag = "1")]
    pub head: Bytes,
}

/// Asks to be told of the objects of a stream.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Follow {
    /// Owner key, 32 bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub owner: Bytes,
    /// Stream id.
    #[prost(bytes = "bytes", tag = "2")]
    pub stream: Bytes,
    /// The first sequence number that is wanted.
    #[prost(uint64, tag = "3")]
    pub next: u64,
    /// A signed read grant; empty for public streams.
    #[prost(bytes = "bytes", tag = "4")]
    pub grant: Bytes,
}

/// One head of a stream that is followed.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Told {
    /// [`SignedRecord`](super::SignedRecord) bytes; empty: nothing new, the node is alive.
    #[prost(bytes = "bytes", tag = "1")]
    pub head: Bytes,
}

/// Opens the caller's inbox at this node.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OpenInbox {}

/// A sealed letter for somebody's inbox.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Post {
    /// Recipient key, 32 bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub recipient: Bytes,
    /// A sealed box.
    #[prost(bytes = "bytes", tag = "2")]
    pub sealed: Bytes,
}

/// A letter lies in the inbox.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Posted {
    /// [`SignedRecord`](super::SignedRecord) bytes of the custody record.
    #[prost(bytes = "bytes", tag = "1")]
    pub custody: Bytes,
}

/// Asks for the next letter of the caller's inbox.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Collect {
    /// Only letters with a number from here on.
    #[prost(uint64, tag = "1")]
    pub from: u64,
}

/// A letter of the caller's inbox.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Collected {
    /// Its number in the inbox.
    #[prost(uint64, tag = "1")]
    pub number: u64,
    /// The sealed box; empty: there is none.
    #[prost(bytes = "bytes", tag = "2")]
    pub sealed: Bytes,
}

/// Says that a letter arrived.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Confirm {
    /// [`SignedRecord`](super::SignedRecord) bytes of the delivery record.
    #[prost(bytes = "bytes", tag = "1")]
    pub delivery: Bytes,
}

/// Body of a stream head.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StreamHead {
    /// Owner key.
    #[prost(bytes = "bytes", tag = "1")]
    pub owner: Bytes,
    /// Stream id.
    #[prost(bytes = "bytes", tag = "2")]
    pub stream: Bytes,
    /// Counts the objects, from 0.
    #[prost(uint64, tag = "3")]
    pub sequence: u64,
    /// Id of the head before; zero for the first.
    #[prost(bytes = "bytes", tag = "4")]
    pub previous: Bytes,
    /// Object root.
    #[prost(bytes = "bytes", tag = "5")]
    pub root: Bytes,
    /// First interval in the object.
    #[prost(uint32, tag = "6")]
    pub from: u32,
    /// End of the intervals, exclusive.
    #[prost(uint32, tag = "7")]
    pub to: u32,
    /// Anyone may follow.
    #[prost(bool, tag = "8")]
    pub public: bool,
}

/// Body of a letter, inside its seal.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Letter {
    /// Sender key.
    #[prost(bytes = "bytes", tag = "1")]
    pub sender: Bytes,
    /// Recipient key.
    #[prost(bytes = "bytes", tag = "2")]
    pub recipient: Bytes,
    /// When, ms since 1970 UTC.
    #[prost(uint64, tag = "3")]
    pub sent_ms: u64,
    /// 32 random bytes.
    #[prost(bytes = "bytes", tag = "4")]
    pub nonce: Bytes,
    /// The words.
    #[prost(bytes = "bytes", tag = "5")]
    pub body: Bytes,
}

/// Body of a custody record.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Custody {
    /// Proxy key.
    #[prost(bytes = "bytes", tag = "1")]
    pub proxy: Bytes,
    /// Recipient key.
    #[prost(bytes = "bytes", tag = "2")]
    pub recipient: Bytes,
    /// Hash of the sealed box.
    #[prost(bytes = "bytes", tag = "3")]
    pub letter: Bytes,
    /// Since when, ms since 1970 UTC.
    #[prost(uint64, tag = "4")]
    pub at_ms: u64,
    /// Until when at most, ms since 1970 UTC.
    #[prost(uint64, tag = "5")]
    pub until_ms: u64,
}

/// Body of a delivery record.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Delivery {
    /// Recipient key.
    #[prost(bytes = "bytes", tag = "1")]
    pub recipient: Bytes,
    /// Hash of the sealed box.
    #[prost(bytes = "bytes", tag = "2")]
    pub letter: Bytes,
    /// It opened and was a letter to the recipient.
    #[prost(bool, tag = "3")]
    pub opened: bool,
    /// When, ms since 1970 UTC.
    #[prost(uint64, tag = "4")]
    pub at_ms: u64,
}

/// On disk: what lies in one inbox.
#[derive(Clone, PartialEq, prost::Message)]
pub struct InboxIndex {
    /// The number of the next letter.
    #[prost(uint64, tag = "1")]
    pub next: u64,
    /// Letters that wait.
    #[prost(message, repeated, tag = "2")]
    pub waiting: Vec<InboxEntry>,
    /// Letters that were delivered: their delivery records are kept for the senders.
    #[prost(message, repeated, tag = "3")]
    pub delivered: Vec<InboxEntry>,
}

/// On disk: one letter of an inbox.
#[derive(Clone, PartialEq, prost::Message)]
pub struct InboxEntry {
    /// Its number.
    #[prost(uint64, tag = "1")]
    pub number: u64,
    /// Hash of the sealed box.
    #[prost(bytes = "bytes", tag = "2")]
    pub letter: Bytes,
    /// Length of the sealed box.
    #[prost(uint64, tag = "3")]
    pub len: u64,
    /// When it came, or was delivered; ms since 1970 UTC.
    #[prost(uint64, tag = "4")]
    pub at_ms: u64,
}

/// On disk: where the heads of a stream begin, and the newest.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StreamEnd {
    /// The first sequence number that is kept.
    #[prost(uint64, tag = "1")]
    pub first: u64,
    /// [`SignedRecord`](super::SignedRecord) bytes of the newest head.
    #[prost(bytes = "bytes", tag = "2")]
    pub newest: Bytes,
}
