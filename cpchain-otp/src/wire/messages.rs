//! Prost messages, as in `proto/otp.proto`. Signed records are carried as the bytes that were signed.

use bytes::Bytes;

/// One question to a node.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Request {
    /// Protocol version of the caller, [`super::VERSION`].
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// What is asked.
    #[prost(oneof = "request::Body", tags = "2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12")]
    pub body: Option<request::Body>,
}

/// Parts of [`Request`].
pub mod request {
    /// The kinds of request.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Body {
        /// Bytes of an object.
        #[prost(message, tag = "2")]
        Get(super::Get),
        /// A call of a service.
        #[prost(message, tag = "3")]
        Call(super::Call),
        /// A signed record.
        #[prost(message, tag = "4")]
        Lookup(super::Lookup),
        /// A key fragment to hold.
        #[prost(message, tag = "5")]
        Deposit(super::Deposit),
        /// A capsule to re-encrypt.
        #[prost(message, tag = "6")]
        Reencrypt(super::Reencrypt),
        /// A new object of a stream.
        #[prost(message, tag = "7")]
        Announce(crate::wire::Announce),
        /// The objects of a stream, as they come.
        #[prost(message, tag = "8")]
        Follow(crate::wire::Follow),
        /// An inbox for the caller.
        #[prost(message, tag = "9")]
        OpenInbox(crate::wire::OpenInbox),
        /// A letter for an inbox.
        #[prost(message, tag = "10")]
        Post(crate::wire::Post),
        /// A letter from the caller's inbox.
        #[prost(message, tag = "11")]
        Collect(crate::wire::Collect),
        /// A letter arrived.
        #[prost(message, tag = "12")]
        Confirm(crate::wire::Confirm),
    }
}

/// Asks for bytes of an object.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Get {
    /// BLAKE3 root, 32 bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub root: Bytes,
    /// First byte.
    #[prost(uint64, tag = "2")]
    pub start: u64,
    /// End, exclusive; absent: to the end of the object.
    #[prost(uint64, optional, tag = "3")]
    pub end: Option<u64>,
    /// A signed read grant ([`SignedRecord`] bytes); empty for public objects.
    #[prost(bytes = "bytes", tag = "4")]
    pub grant: Bytes,
}

/// Calls a service of the host; `len` raw bytes follow once the node is ready.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Call {
    /// Name of the service.
    #[prost(string, tag = "1")]
    pub service: String,
    /// Length of the request that follows.
    #[prost(uint64, tag = "2")]
    pub len: u64,
}

/// Asks for a signed record.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Lookup {
    /// Which one.
    #[prost(oneof = "lookup::What", tags = "1, 2, 3, 4, 5")]
    pub what: Option<lookup::What>,
}

/// Parts of [`Lookup`].
pub mod lookup {
    /// The kinds of record.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum What {
        /// The node's own descriptor (any value).
        #[prost(bool, tag = "1")]
        Descriptor(bool),
        /// The registration `owner key (32 bytes) + name`.
        #[prost(bytes = "bytes", tag = "2")]
        Registration(bytes::Bytes),
        /// The label of an object root (32 bytes).
        #[prost(bytes = "bytes", tag = "3")]
        Label(bytes::Bytes),
        /// The newest head of a stream, `owner key (32 bytes) + stream (32 bytes)`.
        #[prost(bytes = "bytes", tag = "4")]
        Head(bytes::Bytes),
        /// A delivery record, `recipient key (32 bytes) + hash of the sealed letter (32 bytes)`.
        #[prost(bytes = "bytes", tag = "5")]
        Delivery(bytes::Bytes),
    }
}

/// Hands a key fragment over for keeping, under a paid grant.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Deposit {
    /// The signed re-encryption grant.
    #[prost(bytes = "bytes", tag = "1")]
    pub grant: Bytes,
    /// Key tree node whose capsule the fragment re-encrypts, 5 bytes.
    #[prost(bytes = "bytes", tag = "2")]
    pub node: Bytes,
    /// The key fragment.
    #[prost(bytes = "bytes", tag = "3")]
    pub fragment: Bytes,
}

/// Asks for re-encryption of a capsule under a deposited fragment.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Reencrypt {
    /// The signed re-encryption grant.
    #[prost(bytes = "bytes", tag = "1")]
    pub grant: Bytes,
    /// Key tree node, 5 bytes.
    #[prost(bytes = "bytes", tag = "2")]
    pub node: Bytes,
    /// The capsule.
    #[prost(bytes = "bytes", tag = "3")]
    pub capsule: Bytes,
}

/// One answer.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Reply {
    /// What is answered.
    #[prost(oneof = "reply::Body", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10")]
    pub body: Option<reply::Body>,
}

/// Parts of [`Reply`].
pub mod reply {
    /// The kinds of reply.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Body {
        /// No, and why.
        #[prost(message, tag = "1")]
        Refused(super::Refused),
        /// The range follows.
        #[prost(message, tag = "2")]
        Opened(super::Opened),
        /// The answer of a service follows.
        #[prost(message, tag = "3")]
        Answer(super::Answer),
        /// A signed record.
        #[prost(message, tag = "4")]
        Found(super::Found),
        /// The fragment is held.
        #[prost(message, tag = "5")]
        Held(super::Held),
        /// A capsule fragment.
        #[prost(message, tag = "6")]
        Fragment(super::Fragment),
        /// The call may be sent.
        #[prost(message, tag = "7")]
        Ready(super::Ready),
        /// A head of a stream that is followed.
        #[prost(message, tag = "8")]
        Told(crate::wire::Told),
        /// The letter lies in the inbox.
        #[prost(message, tag = "9")]
        Posted(crate::wire::Posted),
        /// A letter, or none.
        #[prost(message, tag = "10")]
        Collected(crate::wire::Collected),
    }
}

/// A refusal.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Refused {
    /// A [`super::RefusalCode`] by number.
    #[prost(uint32, tag = "1")]
    pub code: u32,
    /// For people; at most 256 bytes are kept.
    #[prost(string, tag = "2")]
    pub detail: String,
}

/// The range is found and allowed.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Opened {
    /// Claimed size of the whole object in bytes.
    #[prost(uint64, tag = "1")]
    pub size: u64,
}

/// A service has answered.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Answer {
    /// Length of the answer that follows.
    #[prost(uint64, tag = "1")]
    pub len: u64,
}

/// A record that was looked up.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Found {
    /// [`SignedRecord`] bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub record: Bytes,
}

/// A fragment is held until the grant ends.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Held {}

/// A re-encrypted capsule.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Fragment {
    /// The capsule fragment.
    #[prost(bytes = "bytes", tag = "1")]
    pub capsule_fragment: Bytes,
}

/// The service exists and takes a call of this length: send it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Ready {}

/// The caller has verified the range that a receipt names.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Acknowledge {
    /// The caller's signature over the body of the receipt.
    #[prost(bytes = "bytes", tag = "1")]
    pub signature: Bytes,
}

/// Bytes and the signature over them.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SignedRecord {
    /// The body, as signed.
    #[prost(bytes = "bytes", tag = "1")]
    pub body: Bytes,
    /// Ed25519, 64 bytes.
    #[prost(bytes = "bytes", tag = "2")]
    pub signature: Bytes,
}

/// Body of a registration.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Registration {
    /// Owner key, 32 bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub owner: Bytes,
    /// Name under the owner.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Root that the name means.
    #[prost(bytes = "bytes", tag = "3")]
    pub root: Bytes,
    /// Counts up with each change.
    #[prost(uint64, tag = "4")]
    pub sequence: u64,
}

/// Body of a label.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Label {
    /// Owner key.
    #[prost(bytes = "bytes", tag = "1")]
    pub owner: Bytes,
    /// Object root.
    #[prost(bytes = "bytes", tag = "2")]
    pub root: Bytes,
    /// Stream id.
    #[prost(bytes = "bytes", tag = "3")]
    pub stream: Bytes,
    /// First interval in the object.
    #[prost(uint32, tag = "4")]
    pub from: u32,
    /// End of the intervals, exclusive.
    #[prost(uint32, tag = "5")]
    pub to: u32,
    /// Anyone may read the ciphertext.
    #[prost(bool, tag = "6")]
    pub public: bool,
}

/// Body of a grant.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Grant {
    /// Owner key.
    #[prost(bytes = "bytes", tag = "1")]
    pub owner: Bytes,
    /// Key of who may.
    #[prost(bytes = "bytes", tag = "2")]
    pub grantee: Bytes,
    /// Stream id.
    #[prost(bytes = "bytes", tag = "3")]
    pub stream: Bytes,
    /// First interval.
    #[prost(uint32, tag = "4")]
    pub from: u32,
    /// End of the intervals, exclusive.
    #[prost(uint32, tag = "5")]
    pub to: u32,
    /// Proxy ids, 32 bytes each, ascending; none: any proxy.
    #[prost(bytes = "bytes", repeated, tag = "6")]
    pub proxies: Vec<Bytes>,
    /// 1 read, 2 re-encrypt.
    #[prost(uint32, tag = "7")]
    pub kind: u32,
    /// End, ms since 1970 UTC, exclusive.
    #[prost(uint64, optional, tag = "8")]
    pub expires_ms: Option<u64>,
    /// End, chain height, exclusive.
    #[prost(uint64, optional, tag = "9")]
    pub expires_height: Option<u64>,
    /// The order that pays for it, 32 bytes; empty for free grants.
    #[prost(bytes = "bytes", tag = "10")]
    pub order: Bytes,
    /// Tells grants of equal content apart.
    #[prost(uint64, tag = "11")]
    pub nonce: u64,
}

/// Body of a revocation list.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Revocations {
    /// Owner key.
    #[prost(bytes = "bytes", tag = "1")]
    pub owner: Bytes,
    /// Counts up with each list.
    #[prost(uint64, tag = "2")]
    pub sequence: u64,
    /// Grant ids, 32 bytes each, ascending, one after the other.
    #[prost(bytes = "bytes", tag = "3")]
    pub grants: Bytes,
}

/// Body of a proxy descriptor.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Descriptor {
    /// Proxy key.
    #[prost(bytes = "bytes", tag = "1")]
    pub key: Bytes,
    /// Addresses, as the transport reads them.
    #[prost(string, repeated, tag = "2")]
    pub addresses: Vec<String>,
    /// Counts up with each change.
    #[prost(uint64, tag = "3")]
    pub sequence: u64,
    /// End of validity, ms since 1970 UTC.
    #[prost(uint64, tag = "4")]
    pub expires_ms: u64,
}

/// Body of a receipt.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Receipt {
    /// Proxy key.
    #[prost(bytes = "bytes", tag = "1")]
    pub proxy: Bytes,
    /// Caller key.
    #[prost(bytes = "bytes", tag = "2")]
    pub caller: Bytes,
    /// Object root.
    #[prost(bytes = "bytes", tag = "3")]
    pub root: Bytes,
    /// First byte served.
    #[prost(uint64, tag = "4")]
    pub start: u64,
    /// End of the bytes served, exclusive.
    #[prost(uint64, tag = "5")]
    pub end: u64,
    /// Id of the grant that allowed it; empty for public objects.
    #[prost(bytes = "bytes", tag = "6")]
    pub grant: Bytes,
    /// When, ms since 1970 UTC.
    #[prost(uint64, tag = "7")]
    pub at_ms: u64,
}

/// A receipt and the caller's acknowledgement, to show to a judge of reputation.
#[derive(Clone, PartialEq, prost::Message)]
pub struct WitnessedReceipt {
    /// [`SignedRecord`] bytes of the receipt.
    #[prost(bytes = "bytes", tag = "1")]
    pub receipt: Bytes,
    /// The caller's signature.
    #[prost(bytes = "bytes", tag = "2")]
    pub acknowledgement: Bytes,
}
