//! libp2p streams over TCP, noise and yamux. The libp2p identity is the Ed25519 key of this SDK.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use cpchain_crypto::PublicKey;
use futures::StreamExt as _;
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, connection_limits, identity,
    multiaddr::Protocol,
    noise,
    swarm::{
        NetworkBehaviour, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
    tcp, yamux,
};
use libp2p_stream::{Behaviour as Streams, Control, IncomingStreams};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::{Channel, Transport, TransportError};
use crate::wire::PROTOCOL;

/// How [`TcpTransport`] behaves.
#[derive(Debug, Clone)]
pub struct TcpConfig {
    /// Multiaddress to listen on, such as `/ip4/127.0.0.1/tcp/0`; none: a client only.
    pub listen: Option<String>,
    /// A connection without streams is closed after this long.
    pub idle: Duration,
    /// Reaching a peer may take this long.
    pub connect: Duration,
    /// Most connections that others open to this node at a time; one peer may hold 8.
    pub max_incoming: u32,
}

impl Default for TcpConfig {
    fn default() -> Self {
        Self { listen: None, idle: Duration::from_secs(300), connect: Duration::from_secs(10), max_incoming: 1024 }
    }
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    streams: Streams,
    limits: connection_limits::Behaviour,
}

struct Dial {
    peer: PeerId,
    address: Multiaddr,
    done: oneshot::Sender<Result<(), String>>,
}

/// The default transport.
pub struct TcpTransport {
    key: PublicKey,
    control: Control,
    incoming: Mutex<IncomingStreams>,
    addresses: Vec<String>,
    dials: mpsc::Sender<Dial>,
    connect: Duration,
    task: tokio::task::AbortHandle,
    closed: tokio::sync::watch::Sender<bool>,
}

impl TcpTransport {
    /// Starts on the current tokio runtime, under the key of a 32-byte seed. Returns when it listens.
    ///
    /// # Errors
    /// [`TransportError::Address`] for a bad listen address, [`TransportError::Start`] if it cannot be used.
    pub async fn start(seed: &[u8; 32], config: TcpConfig) -> Result<Self, TransportError> {
        let start = |error: &dyn std::fmt::Display| TransportError::Start(error.to_string());
        let keys = identity::Keypair::ed25519_from_bytes(*seed).map_err(|error| start(&error))?;
        let peer = keys.public().to_peer_id();
        let key = key_of(&peer).ok_or_else(|| start(&"the key is not Ed25519"))?;
        let limits = connection_limits::ConnectionLimits::default()
            .with_max_established_incoming(Some(config.max_incoming))
            .with_max_pending_incoming(Some(config.max_incoming))
            .with_max_established_per_peer(Some(8));
        let mut swarm = SwarmBuilder::with_existing_identity(keys)
            .with_tokio()
            .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
            .map_err(|error| start(&error))?
            .with_behaviour(|_| Behaviour {
                streams: Streams::new(),
                limits: connection_limits::Behaviour::new(limits),
            })
            .map_err(|error| start(&error))?
            .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(config.idle))
            .build();
        let mut control = swarm.behaviour().streams.new_control();
        let incoming = control.accept(StreamProtocol::new(PROTOCOL)).map_err(|error| start(&error))?;
        let mut addresses = Vec::new();
        if let Some(listen) = &config.listen {
            let address: Multiaddr = listen.parse().map_err(|_| TransportError::Address(listen.clone()))?;
            swarm.listen_on(address).map_err(|error| start(&error))?;
            let address = listening(&mut swarm).await.map_err(|error| start(&error))?;
            addresses.push(address.with(Protocol::P2p(peer)).to_string());
        }
        let (dials, requests) = mpsc::channel(16);
        let task = tokio::spawn(run(swarm, requests)).abort_handle();
        let closed = tokio::sync::watch::Sender::new(false);
        let incoming = Mutex::new(incoming);
        Ok(Self { key, control, incoming, addresses, dials, connect: config.connect, task, closed })
    }

    async fn reach(&self, peer: PeerId, address: Multiaddr) -> Result<(), String> {
        let (done, result) = oneshot::channel();
        let closed = |_| "closed".to_owned();
        self.dials.send(Dial { peer, address, done }).await.map_err(|_| "closed".to_owned())?;
        result.await.map_err(closed)?
    }
}

async fn listening(swarm: &mut Swarm<Behaviour>) -> Result<Multiaddr, String> {
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::NewListenAddr { address, .. } => return Ok(address),
            SwarmEvent::ListenerClosed { reason: Err(error), .. } => return Err(error.to_string()),
            SwarmEvent::ListenerError { error, .. } => return Err(error.to_string()),
            _ => {}
        }
    }
}

/// Drives the swarm until the last handle is gone or the task is aborted.
async fn run(mut swarm: Swarm<Behaviour>, mut requests: mpsc::Receiver<Dial>) {
    let mut waiting: HashMap<PeerId, Vec<oneshot::Sender<Result<(), String>>>> = HashMap::new();
    loop {
        tokio::select! {
            request = requests.recv() => {
                let Some(Dial { peer, address, done }) = request else { return };
                if swarm.is_connected(&peer) {
                    let _ = done.send(Ok(()));
                    continue;
                }
                let known = waiting.entry(peer).or_default();
                known.push(done);
                if known.len() == 1 {
                    let options = DialOpts::peer_id(peer).addresses(vec![address]).condition(PeerCondition::Always).build();
                    if let Err(error) = swarm.dial(options) {
                        answer(&mut waiting, &peer, &Err(error.to_string()));
                    }
                }
            }
            event = swarm.select_next_some() => match event {
                SwarmEvent::ConnectionEstablished { peer_id, .. } => answer(&mut waiting, &peer_id, &Ok(())),
                SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                    answer(&mut waiting, &peer, &Err(error.to_string()));
                }
                event => tracing::trace!(?event, "swarm"),
            }
        }
    }
}

fn answer(
    waiting: &mut HashMap<PeerId, Vec<oneshot::Sender<Result<(), String>>>>,
    peer: &PeerId,
    result: &Result<(), String>,
) {
    for done in waiting.remove(peer).into_iter().flatten() {
        let _ = done.send(result.clone());
    }
}

/// An Ed25519 peer id contains its key: identity multihash of a protobuf with type 1.
fn key_of(peer: &PeerId) -> Option<PublicKey> {
    let multihash = peer.as_ref();
    let public = identity::PublicKey::try_decode_protobuf(multihash.digest()).ok()?;
    public.try_into_ed25519().ok().map(|key| PublicKey(key.to_bytes()))
}

#[async_trait]
impl Transport for TcpTransport {
    fn local_key(&self) -> PublicKey {
        self.key
    }

    fn addresses(&self) -> Vec<String> {
        self.addresses.clone()
    }

    async fn open(&self, address: &str) -> Result<Channel, TransportError> {
        if *self.closed.borrow() {
            return Err(TransportError::Closed);
        }
        let bad = || TransportError::Address(address.to_owned());
        let target: Multiaddr = address.parse().map_err(|_| bad())?;
        let peer = target.iter().find_map(|part| if let Protocol::P2p(peer) = part { Some(peer) } else { None });
        let peer = peer.ok_or_else(bad)?;
        let key = key_of(&peer).ok_or_else(bad)?;
        let unreachable = |reason| TransportError::Unreachable { address: address.to_owned(), reason };
        let mut control = self.control.clone();
        let attempt = async {
            self.reach(peer, target).await?;
            control.open_stream(peer, StreamProtocol::new(PROTOCOL)).await.map_err(|error| error.to_string())
        };
        let stream = tokio::time::timeout(self.connect, attempt).await;
        let stream = stream.map_err(|_| unreachable("no answer in time".into()))?.map_err(unreachable)?;
        Ok(Channel { peer: key, stream: Box::new(stream) })
    }

    async fn accept(&self) -> Option<Channel> {
        let mut closed = self.closed.subscribe();
        let mut incoming = self.incoming.lock().await;
        loop {
            let next = tokio::select! {
                next = incoming.next() => next,
                _ = closed.wait_for(|closed| *closed) => None,
            };
            let (peer, stream) = next?;
            match key_of(&peer) {
                Some(peer) => return Some(Channel { peer, stream: Box::new(stream) }),
                None => tracing::debug!(%peer, "refused a peer whose key is not Ed25519"),
            }
        }
    }

    fn close(&self) {
        self.closed.send_replace(true);
        self.task.abort();
    }
}

impl Drop for TcpTransport {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl std::fmt::Debug for TcpTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TcpTransport")
            .field("key", &self.key)
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}
