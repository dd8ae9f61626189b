//! The light client: one connection to one proxy is enough.
//!
//! A [`Client`] needs neither a chain node nor a DHT. Everything that it hands over is verified first: object bytes
//! against their root, records against their signers.

mod connect;
mod exchange;
mod fetch;
mod follow;
mod inbox;
mod striped;

pub use connect::{Client, ClientConfig};
pub use fetch::{Fetch, FetchError};
pub use follow::{Arrival, Follow, FollowError, IntervalKeys, Withheld};
pub use inbox::{Inbox, InboxError, Received};
pub use striped::StripedFetch;

use crate::{
    signed::RecordError,
    transport::TransportError,
    wire::{FrameError, Refusal},
};

/// Why a request to a proxy failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The proxy cannot be reached.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The stream broke, or its bytes are not the protocol.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The proxy refused.
    #[error("the proxy refused: {0}")]
    Refused(#[from] Refusal),
    /// A record does not hold, or is not the one that was asked for.
    #[error("the proxy sent a bad record: {0}")]
    Record(#[from] RecordError),
    /// The proxy answered something else.
    #[error("the proxy answered something that was not asked")]
    Unexpected,
    /// The answer is above the limit.
    #[error("the answer has {found} bytes, at most {most} are taken")]
    TooLarge {
        /// Its length.
        found: u64,
        /// [`ClientConfig::max_call`].
        most: u64,
    },
}

impl From<std::io::Error> for ClientError {
    fn from(error: std::io::Error) -> Self {
        Self::Frame(error.into())
    }
}
