//! Byte streams between authenticated keys.

#[cfg(feature = "network")]
mod tcp;

use async_trait::async_trait;
use cpchain_crypto::PublicKey;
use futures::{AsyncRead, AsyncWrite};

#[cfg(feature = "network")]
pub use tcp::{TcpConfig, TcpTransport};

/// A two-way stream of bytes.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// A stream to a key that the transport has authenticated.
pub struct Channel {
    /// Who is at the other end.
    pub peer: PublicKey,
    /// The stream.
    pub stream: Box<dyn ByteStream>,
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// Why there is no stream.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TransportError {
    /// The text is not an address of this transport.
    #[error("`{0}` is not an address that this transport can reach")]
    Address(String),
    /// Nobody there, or somebody else.
    #[error("cannot reach {address}: {reason}")]
    Unreachable {
        /// Where to.
        address: String,
        /// Why not.
        reason: String,
    },
    /// The transport cannot listen or run here.
    #[error("the transport cannot start: {0}")]
    Start(String),
    /// The transport was closed.
    #[error("the transport is closed")]
    Closed,
}

/// Opens and accepts streams of the protocol [`PROTOCOL`](crate::wire::PROTOCOL).
///
/// The peer's key must be authenticated: access is decided by it.
#[async_trait]
pub trait Transport: Send + Sync {
    /// The key that peers see.
    fn local_key(&self) -> PublicKey;

    /// Addresses under which peers reach this transport; empty if it does not listen.
    fn addresses(&self) -> Vec<String>;

    /// Opens a stream, over a connection that exists or a new one.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn open(&self, address: &str) -> Result<Channel, TransportError>;

    /// The next stream that a peer opens; `None` when the transport is closed.
    async fn accept(&self) -> Option<Channel>;

    /// Closes every connection. Later calls fail with [`TransportError::Closed`].
    fn close(&self);
}
