use std::ops::Range;

use cpchain_crypto::{Digest, Domain, PublicKey};
use prost::Message as _;

use super::{bytes, digest, intervals, key};
use crate::{
    signed::{Record, RecordError, Signed},
    wire,
};

/// No stream counts this far; so there is always a next number.
const MAX_SEQUENCE: u64 = u64::MAX / 2;

/// The newest object of a live stream. Heads are a chain: each names the one before, so that none can be left out or exchanged
/// unseen, and two that contradict each other are proof against their owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamHead {
    /// Whose stream.
    pub owner: PublicKey,
    /// The stream.
    pub stream: Digest,
    /// Counts the objects of the stream, from 0; below 2^63.
    pub sequence: u64,
    /// Id ([`Signed::id`]) of the head with the number before; zero for the first.
    pub previous: Digest,
    /// The object.
    pub root: Digest,
    /// Encryption intervals in it.
    pub intervals: Range<u32>,
    /// Anyone may follow. Whether the ciphertext is public, the object's [`Label`](super::Label) says.
    pub public: bool,
}

impl StreamHead {
    /// The head that follows `last`, or the first of a stream.
    pub fn after(
        last: Option<&Signed<StreamHead>>,
        owner: PublicKey,
        stream: Digest,
        root: Digest,
        intervals: Range<u32>,
    ) -> Self {
        let (sequence, previous) = last.map_or((0, Digest::ZERO), |last| (last.sequence.saturating_add(1), last.id()));
        Self { owner, stream, sequence, previous, root, intervals, public: last.is_some_and(|last| last.public) }
    }
}

impl Record for StreamHead {
    const DOMAIN: Domain = Domain::new("cpchain/otp/stream-head/v1");
    const MAX_LEN: usize = 320;

    fn signer(&self) -> PublicKey {
        self.owner
    }

    fn to_body(&self) -> Vec<u8> {
        wire::StreamHead {
            owner: bytes(self.owner.0),
            stream: bytes(self.stream),
            sequence: self.sequence,
            previous: bytes(self.previous),
            root: bytes(self.root),
            from: self.intervals.start,
            to: self.intervals.end,
            public: self.public,
        }
        .encode_to_vec()
    }

    fn from_body(body: &[u8]) -> Result<Self, RecordError> {
        let read = wire::StreamHead::decode(body).map_err(|_| RecordError::Malformed("not a stream head"))?;
        let previous = digest(&read.previous)?;
        if read.sequence > MAX_SEQUENCE {
            return Err(RecordError::Malformed("the number of the head is too high"));
        }
        if (read.sequence == 0) != (previous == Digest::ZERO) {
            return Err(RecordError::Malformed("the first head, and only the first, follows none"));
        }
        Ok(Self {
            owner: key(&read.owner)?,
            stream: digest(&read.stream)?,
            sequence: read.sequence,
            previous,
            root: digest(&read.root)?,
            intervals: intervals(read.from, read.to)?,
            public: read.public,
        })
    }
}
