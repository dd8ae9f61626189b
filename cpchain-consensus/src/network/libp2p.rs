//! The embedded default: TCP, noise and yamux, direct streams for LBFT, gossipsub for VALIDATE and transactions.

use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use cpchain_crypto::{PublicKey, SigningKey};
use futures::StreamExt as _;
use libp2p::{Multiaddr, PeerId, StreamProtocol, identity, swarm::SwarmEvent};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};

use super::{
    Limits, Network, NetworkControl, Offence, Receipt, Received, Topic, Verdict,
    guard::Guard,
    inbox::Inbox,
    peer::{self, Outgoing},
    swarm::{self, Command},
};
use crate::ids::ChainId;

/// The version of what nodes say to each other. It is part of every name that is negotiated: nodes of different versions
/// refuse each other.
pub const PROTOCOL_VERSION: u32 = 2;

/// Orders that wait for the task that owns the links.
const COMMANDS: usize = 1024;
const LISTEN: Duration = Duration::from_secs(10);

/// The network could not be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// The address cannot be listened on.
    #[error("cannot listen on {0}: {1}; is the port taken?")]
    Listen(Multiaddr, String),
    /// A part of the stack refused its settings.
    #[error("the network stack did not start: {0}")]
    Setup(String),
    /// A key that is not a usable Ed25519 key.
    #[error("{0} is not a usable Ed25519 key, so it cannot be a peer")]
    PeerKey(PublicKey),
}

/// Where to listen and whom to know.
#[derive(Debug, Clone)]
pub struct Libp2pConfig {
    /// The chain; gossip of other chains is not heard.
    pub chain: ChainId,
    /// The address to listen on; port 0 takes a free one.
    pub listen: Multiaddr,
    /// Peers that are dialled, and again when the link breaks.
    pub peers: Vec<(PublicKey, Multiaddr)>,
    /// Who is heard under attack besides the committee: the default proposers.
    pub trusted: Vec<PublicKey>,
    /// The version to speak; [`PROTOCOL_VERSION`], or another one for a chain that was updated on its own.
    pub version: u32,
    /// Bounds of the links.
    pub limits: Limits,
}

impl Libp2pConfig {
    /// No peers yet, this version, default bounds.
    pub fn new(chain: ChainId, listen: Multiaddr) -> Self {
        Self {
            chain,
            listen,
            peers: Vec::new(),
            trusted: Vec::new(),
            version: PROTOCOL_VERSION,
            limits: Limits::default(),
        }
    }
}

/// libp2p links of one node. Its peer id is that of the node's own key, so a link proves who is at the other end.
pub struct Libp2pNetwork {
    address: Multiaddr,
    commands: mpsc::Sender<Command>,
    outgoing: Arc<RwLock<HashMap<PublicKey, Outgoing>>>,
    streams: libp2p_stream::Control,
    protocol: StreamProtocol,
    inbox: Inbox,
    guard: Arc<Guard>,
    tasks: JoinSet<()>,
}

impl Libp2pNetwork {
    /// Listens, and begins to dial the peers.
    ///
    /// # Errors
    /// [`NetworkError`] if the address is taken, or a setting is refused.
    pub async fn start(key: &SigningKey, config: Libp2pConfig) -> Result<Self, NetworkError> {
        let (put, inbox) = Inbox::new();
        let guard = Arc::new(Guard::new(config.limits, config.trusted, put));
        let mut swarm = swarm::build(key, config.chain, config.version, guard.clone())?;
        let failed = |e: &dyn ToString| NetworkError::Listen(config.listen.clone(), e.to_string());
        swarm.listen_on(config.listen.clone()).map_err(|e| failed(&e))?;
        let listening = async {
            loop {
                match swarm.select_next_some().await {
                    SwarmEvent::NewListenAddr { address, .. } => return Ok(address),
                    SwarmEvent::ListenerError { error, .. } => return Err(failed(&error)),
                    SwarmEvent::ListenerClosed { reason, .. } => return Err(failed(&format!("{reason:?}"))),
                    _ => {}
                }
            }
        };
        let address = tokio::time::timeout(LISTEN, listening).await.map_err(|e| failed(&e))??;

        let streams = swarm.behaviour().streams.new_control();
        let protocol = peer::protocol(config.chain, config.version)
            .ok_or_else(|| NetworkError::Setup("the name of the stream protocol is refused".into()))?;
        let (commands, orders) = mpsc::channel(COMMANDS);
        let outgoing: Arc<RwLock<HashMap<PublicKey, Outgoing>>> = Arc::default();
        let incoming = streams.clone().accept(protocol.clone()).map_err(|e| NetworkError::Setup(e.to_string()))?;
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(incoming, guard.clone()));
        let names = swarm::Topics::new(config.chain, config.version);
        tasks.spawn(swarm::run(swarm, names, orders, outgoing.clone(), guard.clone()));
        let mut network = Self { address, commands, outgoing, streams, protocol, inbox, guard, tasks };
        for (key, address) in config.peers {
            network.add_peer(key, address)?;
        }
        Ok(network)
    }

    /// A handle for other tasks.
    pub fn control(&self) -> NetworkControl {
        NetworkControl { guard: self.guard.clone() }
    }

    /// The address that it listens on, with the port that was chosen.
    pub const fn address(&self) -> &Multiaddr {
        &self.address
    }

    /// Gets to know a peer, or its new address; dials it now and whenever the link breaks.
    ///
    /// # Errors
    /// [`NetworkError::PeerKey`] for a key that no peer can have.
    pub fn add_peer(&mut self, key: PublicKey, address: Multiaddr) -> Result<(), NetworkError> {
        self.know(key, Some(address))
    }

    /// Gets to know a peer that will dial this node: messages for it leave as soon as it has.
    ///
    /// # Errors
    /// [`NetworkError::PeerKey`] for a key that no peer can have.
    pub fn expect_peer(&mut self, key: PublicKey) -> Result<(), NetworkError> {
        self.know(key, None)
    }

    fn know(&mut self, key: PublicKey, address: Option<Multiaddr>) -> Result<(), NetworkError> {
        let peer = peer_id(&key).ok_or(NetworkError::PeerKey(key))?;
        self.guard.know(key);
        let mut outgoing = self.outgoing.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let std::collections::hash_map::Entry::Vacant(entry) = outgoing.entry(key) {
            let (out, task) = Outgoing::new(key, peer, self.protocol.clone(), self.streams.clone(), self.guard.clone());
            entry.insert(out);
            self.tasks.spawn(task);
        }
        drop(outgoing);
        if self.commands.try_send(Command::AddPeer { key, peer, address }).is_err() {
            tracing::warn!(%key, "the network is too busy to take a new peer");
        }
        Ok(())
    }

    fn order(&self, command: Command) {
        if self.commands.try_send(command).is_err() {
            tracing::debug!("a message was dropped: the network is behind");
        }
    }
}

#[async_trait]
impl Network for Libp2pNetwork {
    fn send(&mut self, to: &PublicKey, message: Bytes) {
        let outgoing = self.outgoing.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(out) = outgoing.get(to) {
            out.push(message);
        }
    }

    fn reaches(&self, peer: &PublicKey) -> bool {
        let outgoing = self.outgoing.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        outgoing.get(peer).is_some_and(Outgoing::is_connected)
    }

    fn gossip(&mut self, topic: Topic, message: Bytes) {
        self.order(Command::Gossip { topic, message });
    }

    fn judge(&mut self, receipt: Receipt, verdict: Verdict) {
        self.order(Command::Judge { receipt, verdict });
    }

    fn members(&mut self, members: &[PublicKey]) {
        self.guard.set_members(members);
    }

    fn report(&mut self, peer: &PublicKey, offence: Offence) {
        self.guard.report(*peer, offence);
    }

    async fn next(&mut self) -> Option<Received> {
        self.inbox.next().await
    }

    async fn stop(&mut self) {
        self.tasks.shutdown().await;
        self.inbox.close();
    }
}

/// One reader for each peer: a new stream replaces the old one. How many peers there are is bounded where they connect.
async fn accept(mut incoming: libp2p_stream::IncomingStreams, guard: Arc<Guard>) {
    let mut readers = JoinSet::new();
    let mut current: HashMap<PeerId, AbortHandle> = HashMap::new();
    while let Some((peer, stream)) = incoming.next().await {
        while readers.try_join_next().is_some() {}
        current.retain(|_, reader| !reader.is_finished());
        let Some(from) = public_key(&peer) else { continue };
        if let Some(old) = current.remove(&peer) {
            old.abort();
        }
        current.insert(peer, readers.spawn(peer::read(from, stream, guard.clone())));
    }
}

/// The libp2p identity of a key.
pub(super) fn peer_id(key: &PublicKey) -> Option<PeerId> {
    let key = identity::ed25519::PublicKey::try_from_bytes(&key.0).ok()?;
    Some(PeerId::from_public_key(&key.into()))
}

/// The key in a libp2p identity: an Ed25519 peer id is the key itself behind six bytes that name its encoding.
pub(super) fn public_key(peer: &PeerId) -> Option<PublicKey> {
    const PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
    PublicKey::from_slice(peer.to_bytes().strip_prefix(&PREFIX)?)
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::Signer as _;

    use super::*;

    #[test]
    fn peer_ids_are_keys() {
        let key = SigningKey::from_seed(&[5; 32]).public_key();
        let peer = peer_id(&key).unwrap();
        assert_eq!(public_key(&peer), Some(key));
        assert!(peer.to_string().starts_with("12D3KooW"));
    }
}
