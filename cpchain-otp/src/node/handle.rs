//! Starting and holding a node.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use cpchain_crypto::{PublicKey, Signer, key_tree::TreeNode};
use tokio::{sync::Semaphore, task::JoinSet};

use super::{NodeConfig, NodeParts, inbox::Inboxes, quota::Quotas, serve::Inner, streams::Streams};
use crate::{
    objects::Objects,
    records::{Grant, ProxyDescriptor, ProxyId},
    signed::{RecordError, Signed},
    transport::{Transport, TransportError},
    wire::Refusal,
};

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The transport failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The signing key is not the key of the transport.
    #[error("the node must sign with the key that its transport shows")]
    KeyMismatch,
    /// The descriptor cannot be signed: too many or too long addresses.
    #[error("the node's descriptor is not valid: {0}")]
    Descriptor(#[from] RecordError),
}

/// Starts proxy nodes.
#[derive(Debug)]
pub struct ProxyNode;

impl ProxyNode {
    /// Starts a node over the default transport, under the key of a 32-byte seed.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use cpchain_otp::{NodeConfig, NodeParts, ProxyNode, access::{MemoryGrants, MemoryRegistry}, backend::MemoryBackend};
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let parts = NodeParts::new(
    ///     Arc::new(MemoryBackend::new()), Arc::new(MemoryRegistry::new()), Arc::new(MemoryGrants::new()),
    /// );
    /// let node = ProxyNode::start(NodeConfig::default(), &[7; 32], parts).await?;
    /// assert!(node.address().starts_with("/ip4/127.0.0.1/tcp/"));
    /// node.stop().await;
    /// # Ok::<(), cpchain_otp::NodeError>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`NodeError`].
    #[cfg(feature = "network")]
    pub async fn start(config: NodeConfig, seed: &[u8; 32], parts: NodeParts) -> Result<NodeHandle, NodeError> {
        let tcp = crate::transport::TcpConfig { listen: Some(config.listen.clone()), ..Default::default() };
        let transport = Arc::new(crate::transport::TcpTransport::start(seed, tcp).await?);
        Self::over(transport, Arc::new(cpchain_crypto::SigningKey::from_seed(seed)), config, parts)
    }

    /// Starts a node over any transport, on the current tokio runtime.
    ///
    /// # Errors
    /// [`NodeError::KeyMismatch`] unless the signer has the key that the transport shows.
    pub fn over(
        transport: Arc<dyn Transport>,
        signer: Arc<dyn Signer>,
        config: NodeConfig,
        parts: NodeParts,
    ) -> Result<NodeHandle, NodeError> {
        if signer.public_key() != transport.local_key() {
            return Err(NodeError::KeyMismatch);
        }
        let objects = Objects::new(parts.backends.clone(), parts.source.clone(), config.objects.clone());
        let quotas = Quotas::new(config.quota, "bytes");
        let addresses = transport.addresses();
        let streams = parts.streams.clone().map(|(backend, config)| Streams::new(backend, config));
        let inboxes = parts.inboxes.clone().map(|(backend, config)| Inboxes::new(backend, config));
        let inner = Arc::new(Inner { config, parts, objects, signer, addresses, quotas, streams, inboxes });
        inner.descriptor()?;
        let task = tokio::spawn(accept(inner.clone(), transport.clone()));
        Ok(NodeHandle { inner, transport, task })
    }
}

async fn accept(inner: Arc<Inner>, transport: Arc<dyn Transport>) {
    let permits = Arc::new(Semaphore::new(inner.config.max_streams));
    let mut streams = JoinSet::new();
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        let Some(channel) = transport.accept().await else { return };
        let inner = inner.clone();
        streams.spawn(async move {
            inner.serve(channel).await;
            drop(permit);
        });
        while streams.try_join_next().is_some() {}
    }
}

/// A running node. It stops when dropped.
pub struct NodeHandle {
    inner: Arc<Inner>,
    transport: Arc<dyn Transport>,
    task: tokio::task::JoinHandle<()>,
}

impl NodeHandle {
    /// The node's key.
    pub fn key(&self) -> PublicKey {
        self.inner.key()
    }

    /// The node's id.
    pub fn id(&self) -> ProxyId {
        self.key().into()
    }

    /// The first address; empty if the transport does not listen.
    pub fn address(&self) -> String {
        self.inner.addresses.first().cloned().unwrap_or_default()
    }

    /// A fresh descriptor: its bytes go into a DHT under [`id`](Self::id), signed anew before it expires.
    ///
    /// # Errors
    /// [`RecordError`] if the addresses do not fit.
    pub fn descriptor(&self) -> Result<Signed<ProxyDescriptor>, RecordError> {
        self.inner.descriptor()
    }

    /// The node's objects, to add some or take some away.
    pub fn objects(&self) -> &Objects {
        &self.inner.objects
    }

    /// Holds a key fragment that arrived another way than over OTP (by the chain, say), under the same rules.
    ///
    /// # Errors
    /// A [`Refusal`], as a depositor over OTP would get it.
    pub async fn deposit(&self, grant: &Signed<Grant>, node: TreeNode, fragment: Bytes) -> Result<(), Refusal> {
        self.inner.deposit(grant, node, fragment).await
    }

    /// Closes every connection and waits until the node has ended.
    pub async fn stop(mut self) {
        self.transport.close();
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for NodeHandle {
    fn drop(&mut self) {
        self.transport.close();
        self.task.abort();
    }
}

impl fmt::Debug for NodeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeHandle").field("key", &self.key()).field("address", &self.address()).finish_non_exhaustive()
    }
}
