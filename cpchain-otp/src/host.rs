//! What a host may plug into its node: sources of objects, re-encryption, services, a place for receipts.

use async_trait::async_trait;
use bytes::Bytes;
use cpchain_crypto::{Digest, PublicKey};
use futures::stream::BoxStream;

use crate::{backend::BackendError, records::WitnessedReceipt, wire::Refusal};

/// The bytes of an object, piece by piece and in order.
pub type ByteSource = BoxStream<'static, Result<Bytes, BackendError>>;

/// Where a proxy gets an object that it does not hold: a DHT, another proxy, an archive.
///
/// What it gives is checked against the root before anyone sees it, and kept in the node's first backend.
#[async_trait]
pub trait ObjectSource: Send + Sync {
    /// The bytes of the object; `None` if this source does not have it.
    ///
    /// # Errors
    /// [`BackendError`] if it might have it and cannot say.
    async fn fetch(&self, root: &Digest) -> Result<Option<ByteSource>, BackendError>;
}

/// Turns bytes that are at hand into a [`ByteSource`].
pub fn byte_source(bytes: Bytes) -> ByteSource {
    Box::pin(futures::stream::once(async move { Ok(bytes) }))
}

/// A capsule or key fragment that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot re-encrypt: {0}")]
pub struct ReencryptError(pub String);

/// Re-encrypts capsules. Capsules and fragments are opaque here; the proxy sees neither key nor plaintext.
pub trait Reencryptor: Send + Sync {
    /// The capsule fragment of `capsule` under `key_fragment`. May take milliseconds: it runs apart from the network.
    ///
    /// # Errors
    /// [`ReencryptError`] if one of them is not well formed or they do not belong together.
    fn reencrypt(&self, capsule: &[u8], key_fragment: &[u8]) -> Result<Vec<u8>, ReencryptError>;
}

/// A request and response service that a host offers over its node, such as an encrypted index.
///
/// Both sides are bounded by [`NodeConfig::max_call`](crate::NodeConfig::max_call).
#[async_trait]
pub trait Service: Send + Sync {
    /// The name that callers use, at most 64 bytes.
    fn name(&self) -> &str;

    /// Answers a request of an authenticated caller.
    ///
    /// # Errors
    /// A [`Refusal`], which the caller gets as it is.
    async fn call(&self, caller: PublicKey, request: Bytes) -> Result<Bytes, Refusal>;
}

/// Takes acknowledged receipts: the proxy's proof of its service, which earns reputation.
#[async_trait]
pub trait ReceiptSink: Send + Sync {
    /// Keeps a receipt.
    async fn keep(&self, receipt: WitnessedReceipt);
}
