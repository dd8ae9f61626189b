//! Starting a node, and the handle that its owner keeps.

use std::{convert::Infallible, io, ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use cpchain_crypto::{Digest, PublicKey, Signer, SigningKey};
use futures::StreamExt;
use libp2p::{Multiaddr, Swarm, identity::Keypair, swarm::SwarmEvent};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    time::Instant,
};
use tracing::Instrument;

use super::{
    NetworkError,
    behaviour::{Behaviour, Role, swarm},
    clock::now_ms,
    config::NetworkConfig,
    dht::{Dht, DhtError},
    driver::{Command, Driver},
    expiry,
    guard::{Door, Fault, Guard, Server},
    peer::{NodeAddr, peer_id},
    placement::NodeInfo,
    queries::Reply,
    receipt::Receipt,
    record::{RecordError, RecordKey, SignedRecord},
    records::{Limits, MemoryShelf, RecordShelf, ValidatedStore},
    requests::Outgoing,
    serve::Holder,
    sweep::{self, Sweep, SweepReport},
    transport::{Challenge, ChunkTransport, TransportError},
    wire::{
        Answer, Ask, AuditShards, ChunkRequest, ChunkResponse, GetShard, GetSlice, HasShards, MAX_ITEMS, MAX_PUT_BYTES,
        PutShards, RefusalCode, RenewShards,
    },
};
use crate::chunk::{ChunkId, ChunkStore, Lease, MAX_CHUNK_LEN};

/// Commands that wait for a node before its handles have to.
const QUEUE: usize = 256;
/// Requests of one node that are under way at once, well below what one connection carries.
const MAX_OUTGOING: usize = 64;
/// How soon a node that nobody answered tries to join again; then after twice as long, and so on.
const JOIN_PAUSE: Duration = Duration::from_millis(100);

/// Starts nodes. A storage node keeps records and shards for others; a light node only asks.
#[derive(Debug)]
pub struct StorageNode;

/// A running node. Clones are handles of the same node, which ends with [`stop`](Self::stop) or with the last of them.
#[derive(Debug, Clone)]
pub struct NodeHandle {
    id: PublicKey,
    address: Option<NodeAddr>,
    commands: mpsc::Sender<Command>,
    outgoing: Arc<Semaphore>,
    replication: usize,
    lookup_timeout: Duration,
}

impl StorageNode {
    /// Starts a storage node that keeps its shards in `store`, its records in memory, and listens at `listen` (port 0 takes a free one).
    ///
    /// `seed` is the secret of the key that names the node and signs its receipts. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`NetworkError`] when the address cannot be listened at.
    pub async fn start(
        config: NetworkConfig,
        seed: &[u8; 32],
        store: Arc<dyn ChunkStore>,
        listen: Multiaddr,
    ) -> Result<NodeHandle, NetworkError> {
        Self::start_with_records(config, seed, store, Box::<MemoryShelf>::default(), listen).await
    }

    /// [`start`](Self::start), with the records of others on a shelf of your choice: a [`RecordLog`](super::RecordLog) keeps
    /// them over a restart. Reads the whole shelf first.
    ///
    /// # Errors
    /// As `start`, and [`NetworkError::Records`] when the shelf cannot be read.
    pub async fn start_with_records(
        config: NetworkConfig,
        seed: &[u8; 32],
        store: Arc<dyn ChunkStore>,
        records: Box<dyn RecordShelf>,
        listen: Multiaddr,
    ) -> Result<NodeHandle, NetworkError> {
        let limits = Limits { records: config.max_records, bytes: config.max_record_bytes };
        let load = tokio::task::spawn_blocking(move || ValidatedStore::load(limits, records));
        let records = load.await.map_err(io::Error::other).flatten().map_err(NetworkError::Records)?;
        let key = SigningKey::from_seed(seed);
        let kept = Arc::downgrade(&store);
        let holder = Holder { store, key: key.clone(), max_lease: config.max_lease };
        let parts = Parts::new(&config);
        let server =
            Server::new(&config, holder, parts.guard.clone(), parts.commands.0.downgrade(), parts.streams.0.clone());
        let door = Door::new(Arc::new(server));
        let mut swarm = swarm(&config, pair(seed)?, records, &parts.guard, Some(door))?;
        let address = listening(&mut swarm, listen).await?;
        let address = NodeAddr { id: key.public_key(), address };
        tracing::info!(%address, "storage node listens");
        let node = parts.run(&config, Role::Storage, swarm, key.public_key(), Some(address));
        if let Some(interval) = config.expiry_interval {
            tokio::spawn(expiry::run(node.downgrade(), kept, interval));
        }
        if let Some(interval) = config.replication_interval {
            tokio::spawn(sweep::run(node.downgrade(), interval));
        }
        Ok(node)
    }

    /// Starts a light node: it reads, publishes and fetches, but listens nowhere and keeps nothing.
    ///
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`NetworkError`] when the transport cannot be set up.
    pub async fn light(config: NetworkConfig, seed: &[u8; 32]) -> Result<NodeHandle, NetworkError> {
        let key = SigningKey::from_seed(seed).public_key();
        let parts = Parts::new(&config);
        let swarm = swarm(&config, pair(seed)?, ValidatedStore::nothing(), &parts.guard, None)?;
        Ok(parts.run(&config, Role::Light, swarm, key, None))
    }
}

fn pair(seed: &[u8; 32]) -> Result<Keypair, NetworkError> {
    Keypair::ed25519_from_bytes(*seed).map_err(|error| NetworkError::Transport(error.to_string()))
}

async fn listening(swarm: &mut Swarm<Behaviour>, listen: Multiaddr) -> Result<Multiaddr, NetworkError> {
    let failed = |why: String| NetworkError::Listen { address: listen.to_string(), why };
    let listener = swarm.listen_on(listen.clone()).map_err(|error| failed(error.to_string()))?;
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::NewListenAddr { address, .. } => return Ok(address),
            SwarmEvent::ListenerError { listener_id, error } if listener_id == listener => {
                return Err(failed(error.to_string()));
            }
            SwarmEvent::ListenerClosed { listener_id, reason, .. } if listener_id == listener => {
                return Err(failed(format!("{reason:?}")));
            }
            _ => {}
        }
    }
}

/// What the parts of a node are tied together by.
struct Parts {
    commands: (mpsc::Sender<Command>, mpsc::Receiver<Command>),
    streams: (mpsc::Sender<Infallible>, mpsc::Receiver<Infallible>),
    guard: Guard,
}

impl Parts {
    fn new(config: &NetworkConfig) -> Self {
        let guard = Guard::new(config.peer, config.max_buffered_bytes);
        Self { commands: mpsc::channel(QUEUE), streams: mpsc::channel(1), guard }
    }

    fn run(
        self,
        config: &NetworkConfig,
        role: Role,
        swarm: Swarm<Behaviour>,
        id: PublicKey,
        address: Option<NodeAddr>,
    ) -> NodeHandle {
        let ((commands, receiver), (_, streams)) = (self.commands, self.streams);
        let driver = Driver::new(config, role, swarm, receiver, self.guard, streams);
        tokio::spawn(driver.run().instrument(tracing::info_span!("storage_node", %id)));
        let outgoing = Arc::new(Semaphore::new(MAX_OUTGOING));
        let (replication, lookup_timeout) = (config.replication.clamp(1, 20), config.lookup_timeout);
        NodeHandle { id, address, commands, outgoing, replication, lookup_timeout }
    }
}

/// A node that does not live on for this handle.
pub(crate) struct WeakNode {
    node: mpsc::WeakSender<Command>,
    id: PublicKey,
    outgoing: Arc<Semaphore>,
    replication: usize,
    lookup_timeout: Duration,
}

impl WeakNode {
    pub(crate) fn id(&self) -> PublicKey {
        self.id
    }

    /// The node, unless its owner has let go of it.
    pub(crate) fn upgrade(&self) -> Option<NodeHandle> {
        let outgoing = Arc::clone(&self.outgoing);
        let commands = self.node.upgrade()?;
        let (replication, lookup_timeout) = (self.replication, self.lookup_timeout);
        Some(NodeHandle { id: self.id, address: None, commands, outgoing, replication, lookup_timeout })
    }
}

/// Figures of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NodeStats {
    /// Records of others that it keeps.
    pub records: u64,
    /// Their bytes.
    pub record_bytes: u64,
    /// What they take on their shelf, with what waits for a clean-up.
    pub record_disk_bytes: u64,
    /// Peers that it is connected to.
    pub peers: usize,
    /// Peers that were banned since it was started.
    pub bans: u64,
}

impl NodeHandle {
    /// The node's key.
    pub fn id(&self) -> PublicKey {
        self.id
    }

    /// Where others reach the node; `None` for a light one.
    pub fn address(&self) -> Option<&NodeAddr> {
        self.address.as_ref()
    }

    /// Joins the network through some of its nodes, and returns how many nodes are near.
    ///
    /// Nodes that do not answer, or are only just starting, are asked again for as long as
    /// [a lookup may take](NetworkConfig::lookup_timeout).
    ///
    /// # Errors
    /// [`DhtError::NoNodes`] when none of them answers.
    pub async fn join(&self, through: &[NodeAddr]) -> Result<usize, DhtError> {
        let peers: Vec<_> = through.iter().filter_map(|addr| Some((addr.peer()?, addr.address.clone()))).collect();
        let end = Instant::now() + self.lookup_timeout;
        let mut pause = JOIN_PAUSE;
        loop {
            // The routing table forgets an address that failed, so it is told again.
            let joined = self.query(|reply| Command::Join(peers.clone(), reply)).await;
            if joined != Err(DhtError::NoNodes) || peers.is_empty() || Instant::now() + pause >= end {
                return joined;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    /// Sees to it now that the node's records are where they belong; a storage node does so on its own from time to time.
    ///
    /// # Errors
    /// [`DhtError`] when lookups fail; regions that were done before stay done.
    pub async fn sweep(&self) -> Result<SweepReport, DhtError> {
        let mut sweep = Sweep::default();
        while sweep.region(self).await? {}
        Ok(sweep.report)
    }

    /// Figures of the node.
    ///
    /// # Errors
    /// [`DhtError::Stopped`].
    pub async fn stats(&self) -> Result<NodeStats, DhtError> {
        self.query(Command::Stats).await
    }

    /// Was the node stopped, while handles of it are left?
    pub(crate) fn is_stopped(&self) -> bool {
        self.commands.is_closed()
    }

    fn downgrade(&self) -> WeakNode {
        let (node, outgoing) = (self.commands.downgrade(), Arc::clone(&self.outgoing));
        let (replication, lookup_timeout) = (self.replication, self.lookup_timeout);
        WeakNode { node, id: self.id, outgoing, replication, lookup_timeout }
    }

    /// How many nodes keep a record.
    pub(crate) fn replication(&self) -> usize {
        self.replication
    }

    /// Stops the node and closes its connections. Everything under way ends with an error.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.commands.send(Command::Stop(done)).await.is_ok() {
            let _ = stopped.await;
        }
    }

    pub(crate) async fn query<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, DhtError> {
        let (reply, result) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| DhtError::Stopped)?;
        result.await.map_err(|_| DhtError::Stopped)?
    }

    pub(crate) async fn request(&self, node: PublicKey, ask: Ask) -> Result<Answer, TransportError> {
        let peer = peer_id(&node).ok_or(TransportError::Unreachable)?;
        let _permit = self.outgoing.acquire().await.map_err(|_| TransportError::Stopped)?;
        let (reply, result) = oneshot::channel();
        let request = Outgoing { peer, frame: ChunkRequest::frame(ask), looked_up: false, reply };
        self.commands.send(Command::Request(request)).await.map_err(|_| TransportError::Stopped)?;
        let frame = result.await.map_err(|_| TransportError::Stopped)??;
        match ChunkResponse::parse(frame).ok_or_else(|| self.blame(node))? {
            Answer::Refused(refusal) => {
                Err(TransportError::Refused(RefusalCode::try_from(refusal.code).unwrap_or(RefusalCode::Unspecified)))
            }
            answer => Ok(answer),
        }
    }
}

impl NodeHandle {
    /// Notes that a node gave an answer which is proved wrong.
    fn blame(&self, node: PublicKey) -> TransportError {
        if let Some(peer) = peer_id(&node) {
            // A full queue has more urgent things in it.
            let _ = self.commands.try_send(Command::Blame(peer, Fault::WrongAnswer));
        }
        TransportError::BadAnswer
    }
}

impl Dht for NodeHandle {
    async fn put_record(&self, record: &SignedRecord) -> Result<usize, DhtError> {
        // What every node would refuse is refused here, with the reason.
        SignedRecord::decode(record.to_bytes(), now_ms())?;
        let put = self.query(|reply| Command::Put(record.clone(), reply)).await;
        if matches!(put, Err(DhtError::TooFewCopies { .. }))
            && let Ok(Some(known)) = self.get_record(record.key()).await
            && known.supersedes(record)
        {
            return Err(RecordError::Stale { known: known.sequence() }.into());
        }
        put
    }

    async fn get_record(&self, key: &RecordKey) -> Result<Option<SignedRecord>, DhtError> {
        self.query(|reply| Command::Get(key.clone(), reply)).await
    }

    async fn nodes(&self, near: &Digest) -> Result<Vec<NodeInfo>, DhtError> {
        self.query(|reply| Command::Nodes(*near, reply)).await
    }
}

impl ChunkTransport for NodeHandle {
    async fn put(&self, node: PublicKey, shards: &[Bytes], lease: Lease) -> Result<Vec<Receipt>, TransportError> {
        let total: usize = shards.iter().map(Bytes::len).sum();
        if shards.is_empty() || shards.len() > MAX_ITEMS || total > MAX_PUT_BYTES {
            return Err(TransportError::TooMuch);
        }
        let ask = Ask::Put(PutShards { lease_until_ms: lease.0, shards: shards.to_vec() });
        let Answer::Put(reply) = self.request(node, ask).await? else { return Err(TransportError::BadAnswer) };
        if reply.receipts.len() != shards.len() {
            return Err(TransportError::BadAnswer);
        }
        let checked = shards.iter().zip(reply.receipts).map(|(shard, receipt)| {
            let receipt = Receipt::decode(receipt).map_err(|_| self.blame(node))?;
            let fits = receipt.check(node, ChunkId::of(shard), shard.len(), lease.0);
            fits.map(|()| receipt).map_err(|_| self.blame(node))
        });
        checked.collect()
    }

    async fn get(&self, node: PublicKey, shard: ChunkId) -> Result<Option<Bytes>, TransportError> {
        match self.request(node, Ask::Get(GetShard { id: shard.as_bytes().to_vec() })).await? {
            Answer::Get(reply) => Ok(reply.shard),
            _ => Err(TransportError::BadAnswer),
        }
    }

    async fn has(&self, node: PublicKey, shards: &[ChunkId]) -> Result<Vec<bool>, TransportError> {
        if shards.is_empty() || shards.len() > MAX_ITEMS {
            return Err(TransportError::TooMuch);
        }
        let ids = shards.iter().map(|id| id.as_bytes().to_vec()).collect();
        match self.request(node, Ask::Has(HasShards { ids })).await? {
            Answer::Has(reply) if reply.held.len() == shards.len() => Ok(reply.held),
            _ => Err(TransportError::BadAnswer),
        }
    }

    async fn get_slice(
        &self,
        node: PublicKey,
        shard: ChunkId,
        range: Range<u64>,
    ) -> Result<Option<Bytes>, TransportError> {
        let small = |n: u64| u32::try_from(n).map_err(|_| TransportError::TooMuch);
        if range.is_empty() || range.end > MAX_CHUNK_LEN as u64 {
            return Err(TransportError::TooMuch);
        }
        let (offset, length) = (small(range.start)?, small(range.end - range.start)?);
        match self.request(node, Ask::Slice(GetSlice { id: shard.as_bytes().to_vec(), offset, length })).await? {
            Answer::Slice(reply) => Ok(reply.slice),
            _ => Err(TransportError::BadAnswer),
        }
    }

    async fn prove(&self, node: PublicKey, challenges: &[Challenge]) -> Result<Vec<Option<Bytes>>, TransportError> {
        if challenges.is_empty() || challenges.len() > MAX_ITEMS {
            return Err(TransportError::TooMuch);
        }
        let ids = challenges.iter().map(|challenge| challenge.shard.as_bytes().to_vec()).collect();
        let leaves = challenges.iter().map(|challenge| challenge.leaf).collect();
        match self.request(node, Ask::Audit(AuditShards { ids, leaves })).await? {
            Answer::Audit(reply) if reply.slices.len() == challenges.len() => {
                Ok(reply.slices.into_iter().map(|slice| (!slice.is_empty()).then_some(slice)).collect())
            }
            _ => Err(TransportError::BadAnswer),
        }
    }

    async fn renew(
        &self,
        node: PublicKey,
        shards: &[ChunkId],
        lease: Lease,
    ) -> Result<Vec<Option<Receipt>>, TransportError> {
        if shards.is_empty() || shards.len() > MAX_ITEMS {
            return Err(TransportError::TooMuch);
        }
        let ids = shards.iter().map(|id| id.as_bytes().to_vec()).collect();
        let ask = Ask::Renew(RenewShards { lease_until_ms: lease.0, ids });
        let Answer::Renew(reply) = self.request(node, ask).await? else { return Err(TransportError::BadAnswer) };
        if reply.receipts.len() != shards.len() {
            return Err(TransportError::BadAnswer);
        }
        let checked = shards.iter().zip(reply.receipts).map(|(shard, receipt)| {
            if receipt.is_empty() {
                return Ok(None);
            }
            let receipt = Receipt::decode(receipt).map_err(|_| self.blame(node))?;
            let length = usize::try_from(receipt.length()).map_err(|_| TransportError::BadAnswer)?;
            let fits = receipt.check(node, *shard, length, lease.0);
            fits.map(|()| Some(receipt)).map_err(|_| self.blame(node))
        });
        checked.collect()
    }
}
