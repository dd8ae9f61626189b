//! Connecting, and the requests that are one message.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use cpchain_crypto::{Digest, PublicKey, Signer, key_tree::TreeNode};

use super::{ClientError, Fetch};
use crate::{
    records::{Grant, Label, ProxyDescriptor, Registration, StreamHead},
    signed::{RecordError, Signed},
    transport::Transport,
    wire::{Announce, Deposit, Lookup, Reencrypt, lookup, reply, request},
};

/// Bounds of a client.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// A stream without progress is given up after this long.
    pub stall_timeout: Duration,
    /// A service has this long to answer.
    pub call_timeout: Duration,
    /// Longest answer of a service, in bytes.
    pub max_call: usize,
    /// The first pause before a broken source is asked again; doubles each time.
    pub pause: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            stall_timeout: Duration::from_secs(30),
            call_timeout: Duration::from_secs(300),
            max_call: 16 << 20,
            pause: Duration::from_millis(50),
        }
    }
}

/// A client of one proxy. Clones share the connection.
#[derive(Clone)]
pub struct Client {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) signer: Arc<dyn Signer>,
    pub(super) address: String,
    pub(super) config: ClientConfig,
    descriptor: Signed<ProxyDescriptor>,
}

impl Client {
    /// Connects over the default transport, under the key of a 32-byte seed: the key that grants must name.
    ///
    /// # Errors
    /// [`ClientError::Transport`] if nobody with that key is there.
    #[cfg(feature = "network")]
    pub async fn connect(address: &str, seed: &[u8; 32]) -> Result<Self, ClientError> {
        let transport = crate::transport::TcpTransport::start(seed, Default::default()).await?;
        let signer = Arc::new(cpchain_crypto::SigningKey::from_seed(seed));
        Self::over(Arc::new(transport), signer, address, ClientConfig::default()).await
    }

    /// Connects over any transport. The signer must have the transport's key.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect), and [`RecordError::WrongSigner`] for another key.
    pub async fn over(
        transport: Arc<dyn Transport>,
        signer: Arc<dyn Signer>,
        address: &str,
        config: ClientConfig,
    ) -> Result<Self, ClientError> {
        if signer.public_key() != transport.local_key() {
            return Err(RecordError::WrongSigner.into());
        }
        let mut link = super::exchange::Link::open(transport.as_ref(), address, config.stall_timeout).await?;
        let what = Lookup { what: Some(lookup::What::Descriptor(true)) };
        let reply::Body::Found(found) = link.ask(request::Body::Lookup(what)).await? else {
            return Err(ClientError::Unexpected);
        };
        let descriptor = Signed::<ProxyDescriptor>::from_bytes(&found.record)?;
        if descriptor.key != link.peer {
            return Err(RecordError::WrongSigner.into());
        }
        Ok(Self { transport, signer, address: address.to_owned(), config, descriptor })
    }

    /// Connects to another proxy over the same transport and key.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    pub async fn also(&self, address: &str) -> Result<Self, ClientError> {
        Self::over(self.transport.clone(), self.signer.clone(), address, self.config.clone()).await
    }

    /// The key under which the proxy sees this client.
    pub fn key(&self) -> PublicKey {
        self.signer.public_key()
    }

    /// Who the proxy says it is; its key is the one that the transport authenticated.
    pub fn proxy(&self) -> &Signed<ProxyDescriptor> {
        &self.descriptor
    }

    /// Fetches an object, or a range of it. Nothing is sent before the first [`Fetch::next`].
    pub fn fetch(&self, root: Digest) -> Fetch {
        Fetch::new(self.clone(), root)
    }

    /// What a name of an owner means, as far as this proxy knows. The record is verified; whether a newer one exists only
    /// the chain can say: compare `sequence` when several proxies are asked.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `NotFound` if the proxy knows no such name.
    pub async fn registration(&self, owner: &PublicKey, name: &str) -> Result<Signed<Registration>, ClientError> {
        let key = [owner.0.as_slice(), name.as_bytes()].concat();
        let record: Signed<Registration> =
            Signed::from_bytes(&self.look_up(lookup::What::Registration(key.into())).await?)?;
        if record.owner != *owner || record.name != name {
            return Err(ClientError::Unexpected);
        }
        Ok(record)
    }

    /// The label of an object: its owner, stream, intervals.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `NotFound` if the proxy knows none.
    pub async fn label(&self, root: &Digest) -> Result<Signed<Label>, ClientError> {
        let key = Bytes::copy_from_slice(&root.0);
        let record: Signed<Label> = Signed::from_bytes(&self.look_up(lookup::What::Label(key)).await?)?;
        if record.root == *root { Ok(record) } else { Err(ClientError::Unexpected) }
    }

    pub(super) async fn look_up(&self, what: lookup::What) -> Result<Bytes, ClientError> {
        match self.link().await?.ask(request::Body::Lookup(Lookup { what: Some(what) })).await? {
            reply::Body::Found(found) => Ok(found.record),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// The owner's part: tells the proxy of a new object of a stream. When this returns, the proxy has it durably, and followers hear
    /// of it. The same head again changes nothing: announce until it is held.
    ///
    /// # Errors
    /// [`ClientError::Refused`]: `Conflict` if the proxy knows another history or misses heads before this one (see
    /// [`newest_head`](Self::newest_head)), `Unsupported`, `Quota`.
    pub async fn announce(&self, head: &Signed<StreamHead>) -> Result<(), ClientError> {
        let announce = Announce { head: head.to_bytes() };
        match self.link().await?.ask(request::Body::Announce(announce)).await? {
            reply::Body::Held(_) => Ok(()),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// The newest object of a stream of this client's, or of a public one, as far as this proxy knows.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `NotFound` if the proxy knows no such stream, or does not tell this client.
    pub async fn newest_head(&self, owner: &PublicKey, stream: &Digest) -> Result<Signed<StreamHead>, ClientError> {
        let key = [owner.0, stream.0].concat();
        let head: Signed<StreamHead> = Signed::from_bytes(&self.look_up(lookup::What::Head(key.into())).await?)?;
        if head.owner == *owner && head.stream == *stream { Ok(head) } else { Err(ClientError::Unexpected) }
    }

    /// The owner's part: leaves a key fragment for a key tree node with the proxy, under a paid re-encryption grant.
    ///
    /// # Errors
    /// [`ClientError::Refused`]: `Unpaid`, `NoGrant`, `Expired`, `Revoked`, `Unsupported`.
    pub async fn deposit(&self, grant: &Signed<Grant>, node: TreeNode, fragment: Bytes) -> Result<(), ClientError> {
        let node = Bytes::copy_from_slice(&node.to_bytes());
        let deposit = Deposit { grant: grant.to_bytes(), node, fragment };
        match self.link().await?.ask(request::Body::Deposit(deposit)).await? {
            reply::Body::Held(_) => Ok(()),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// The grantee's part: has a capsule re-encrypted. The fragment that comes back proves itself to whoever opens it.
    ///
    /// # Errors
    /// [`ClientError::Refused`]: `NotFound` without a deposited fragment, and as for [`deposit`](Self::deposit).
    pub async fn reencrypt(&self, grant: &Signed<Grant>, node: TreeNode, capsule: Bytes) -> Result<Bytes, ClientError> {
        let node = Bytes::copy_from_slice(&node.to_bytes());
        let asked = Reencrypt { grant: grant.to_bytes(), node, capsule };
        match self.link().await?.ask(request::Body::Reencrypt(asked)).await? {
            reply::Body::Fragment(fragment) => Ok(fragment.capsule_fragment),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// Calls a service of the host.
    ///
    /// # Errors
    /// [`ClientError::Refused`] as the service or the node says, [`ClientError::TooLarge`].
    pub async fn call(&self, service: &str, request: Bytes) -> Result<Bytes, ClientError> {
        let mut link = self.link().await?;
        link.call(service, request, self.config.call_timeout, self.config.max_call).await
    }

    pub(super) async fn link(&self) -> Result<super::exchange::Link, ClientError> {
        super::exchange::Link::open(self.transport.as_ref(), &self.address, self.config.stall_timeout).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("key", &self.key()).field("address", &self.address).finish_non_exhaustive()
    }
}
