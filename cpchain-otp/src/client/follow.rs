//! Following a live stream over one or several proxies: drives [`Tail`].

use std::{
    collections::VecDeque,
    fmt,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use cpchain_crypto::{Digest, PublicKey, key_tree::NodeSeed};
use tokio::{sync::mpsc, task::JoinSet};

use super::{Client, ClientError, Fetch, FetchError};
use crate::{
    records::{Grant, StreamHead},
    signed::Signed,
    tail::{Fork, Heard, Position, Tail},
    wire::{Refusal, Reply, Told, reply, request},
};

/// Heads that wait for the application; then the proxies wait.
const QUEUE: usize = 16;
/// A proxy that broke off or refused is asked again after this, and twice as long each time up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// The keys are not to be had: not paid for, or no longer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the keys of these intervals are withheld: {0}")]
pub struct Withheld(pub String);

/// Where the keys of a stream's intervals come from, as they are paid for: a market, an escrow, a friend.
#[async_trait]
pub trait IntervalKeys: Send + Sync {
    /// Waits until the keys of these intervals are there: seeds of key tree nodes that cover them. May be asked for the same
    /// intervals again. Must not change anything when the wait is given up.
    ///
    /// # Errors
    /// [`Withheld`] if they will not come. The follower stops at this object, and asks again when it is called again.
    async fn keys(&self, stream: &Digest, intervals: Range<u32>) -> Result<Vec<NodeSeed>, Withheld>;
}

/// Why following does not go on. Each is an answer to one call of [`Follow::next`]: the next call tries again from the same
/// object; only a fork stays.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The owner contradicts itself.
    #[error(transparent)]
    Fork(#[from] Fork),
    /// No proxy lets this client follow.
    #[error("no proxy lets this client follow: {}", .0.iter().map(|(key, why)| format!("{key:?} {why}")).collect::<Vec<_>>().join("; "))]
    Refused(Vec<(PublicKey, Refusal)>),
    /// The object of the next head cannot be had.
    #[error(transparent)]
    Object(#[from] FetchError),
    /// The keys of the next object are withheld.
    #[error(transparent)]
    Withheld(#[from] Withheld),
}

/// One object of a stream: complete and proven.
#[derive(Debug)]
pub struct Arrival {
    /// What the owner said about it.
    pub head: Signed<StreamHead>,
    /// The sealed bytes.
    pub object: Bytes,
    /// Seeds that open its intervals, from [`IntervalKeys`]; empty without one.
    pub seeds: Vec<NodeSeed>,
    /// Where to go on after this object. Keep it once the object is processed.
    pub position: Position,
}

/// A live stream as it arrives: each object once and in order, across reconnects and proxies. Made by [`Client::follow`].
///
/// Proxies are asked from the first call of [`next`](Self::next) on, all at the same time; whichever tells first is believed, for
/// heads are signed by the owner, and the others are compared with it.
pub struct Follow {
    plan: Plan,
    position: Position,
    state: Option<State>,
}

/// What is followed, and how.
struct Plan {
    clients: Vec<Client>,
    owner: PublicKey,
    stream: Digest,
    grant: Option<Signed<Grant>>,
    keys: Option<Arc<dyn IntervalKeys>>,
    limit: usize,
}

/// What a proxy told: a head, or that it broke off or refused.
type News = (usize, Result<Signed<StreamHead>, Option<Refusal>>);

struct State {
    tail: Tail,
    /// What proxies are asked from when they are connected anew.
    next: Arc<AtomicU64>,
    news: mpsc::Receiver<News>,
    _links: JoinSet<()>,
    refusals: Vec<Option<Refusal>>,
    queue: VecDeque<Signed<StreamHead>>,
    /// The object on its way.
    fetch: Option<(Fetch, BytesMut)>,
    fork: Option<Fork>,
}

impl Client {
    /// Follows a stream of an owner from its first object on.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use cpchain_crypto::{Digest, Signer, SigningKey};
    /// use cpchain_otp::{
    ///     Client, NodeConfig, NodeParts, ProxyNode, Signed, StreamsConfig, access::{MemoryGrants, MemoryRegistry},
    ///     backend::MemoryBackend, records::{Label, StreamHead},
    /// };
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (registry, disk) = (Arc::new(MemoryRegistry::new()), Arc::new(MemoryBackend::new()));
    /// let parts = NodeParts::new(disk.clone(), registry.clone(), Arc::new(MemoryGrants::new()));
    /// let parts = parts.streams(disk, StreamsConfig::default());
    /// let node = ProxyNode::start(NodeConfig::default(), &[1; 32], parts).await?;
    ///
    /// // The owner seals an object, labels it, and announces it as the first of a stream.
    /// let (owner, stream) = (SigningKey::from_seed(&[2; 32]), Digest::content(b"kitchen"));
    /// let root = node.objects().insert("sealed readings".into()).await?;
    /// let label = Label { owner: owner.public_key(), root, stream, intervals: 0..1, public: true };
    /// registry.label(Signed::sign(label, &owner)?)?;
    /// let head = StreamHead { public: true, ..StreamHead::after(None, owner.public_key(), stream, root, 0..1) };
    /// Client::connect(&node.address(), &[2; 32]).await?.announce(&Signed::sign(head, &owner)?).await?;
    ///
    /// let subscriber = Client::connect(&node.address(), &[3; 32]).await?;
    /// let mut follow = subscriber.follow(owner.public_key(), stream);
    /// assert_eq!(follow.next().await?.object, "sealed readings");
    /// # Ok(())
    /// # }
    /// ```
    pub fn follow(&self, owner: PublicKey, stream: Digest) -> Follow {
        let plan = Plan { clients: vec![self.clone()], owner, stream, grant: None, keys: None, limit: 64 << 20 };
        Follow { plan, position: Position::default(), state: None }
    }
}

impl Follow {
    /// Follows over this proxy too.
    pub fn or(mut self, client: &Client) -> Self {
        self.plan.clients.push(client.clone());
        self
    }

    /// Goes on after what arrived before.
    pub fn from(mut self, position: Position) -> Self {
        self.position = position;
        self
    }

    /// Shows this grant, to follow and to read.
    pub fn grant(mut self, grant: Signed<Grant>) -> Self {
        self.plan.grant = Some(grant);
        self
    }

    /// Waits for the keys of each object and gives them with it.
    pub fn keys(mut self, keys: Arc<dyn IntervalKeys>) -> Self {
        self.plan.keys = Some(keys);
        self
    }

    /// The largest object that is taken, in bytes; 64 MiB unless set.
    pub fn limit(mut self, bytes: usize) -> Self {
        self.plan.limit = bytes;
        self
    }

    /// Where it stands: after the last object that [`next`](Self::next) gave.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The next object; waits until there is one. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`FollowError`].
    pub async fn next(&mut self) -> Result<Arrival, FollowError> {
        let state = self.state.get_or_insert_with(|| self.plan.start(self.position));
        let arrival = state.advance(&self.plan).await?;
        self.position = arrival.position;
        Ok(arrival)
    }
}

impl Plan {
    fn start(&self, position: Position) -> State {
        let (sender, news) = mpsc::channel(QUEUE);
        let next = Arc::new(AtomicU64::new(position.next));
        let mut links = JoinSet::new();
        for (source, client) in self.clients.iter().enumerate() {
            let follow = crate::wire::Follow {
                owner: Bytes::copy_from_slice(&self.owner.0),
                stream: Bytes::copy_from_slice(&self.stream.0),
                next: 0,
                grant: self.grant.as_ref().map(Signed::to_bytes).unwrap_or_default(),
            };
            links.spawn(listen(source, client.clone(), follow, next.clone(), sender.clone()));
        }
        State {
            tail: Tail::new(self.owner, self.stream, position),
            next,
            news,
            _links: links,
            refusals: vec![None; self.clients.len()],
            queue: VecDeque::new(),
            fetch: None,
            fork: None,
        }
    }

    fn fetch(&self, root: Digest) -> Option<Fetch> {
        let (first, others) = self.clients.split_first()?;
        let fetch = others.iter().fold(first.fetch(root), Fetch::or);
        Some(match &self.grant {
            Some(grant) => fetch.grant(grant.clone()),
            None => fetch,
        })
    }
}

impl State {
    async fn advance(&mut self, plan: &Plan) -> Result<Arrival, FollowError> {
        loop {
            if let Some(head) = self.queue.front().cloned() {
                let object = self.object(plan, head.root).await?;
                let seeds = match &plan.keys {
                    Some(keys) => keys.keys(&plan.stream, head.intervals.clone()).await?,
                    None => Vec::new(),
                };
                self.fetch = None;
                self.queue.pop_front();
                let position = Position { next: head.sequence.saturating_add(1), last: Some(head.id()) };
                return Ok(Arrival { head, object, seeds, position });
            }
            if let Some(fork) = &self.fork {
                return Err(fork.clone().into());
            }
            let Some((source, news)) = self.news.recv().await else { return Err(FollowError::Refused(Vec::new())) };
            let refusal = match news {
                Ok(head) => {
                    match self.tail.hear(head) {
                        Ok(Heard::Next(head)) => {
                            self.next.store(head.sequence.saturating_add(1), Ordering::SeqCst);
                            self.queue.push_back(*head);
                        }
                        Ok(Heard::Known | Heard::Astray) => {}
                        Err(fork) => self.fork = Some(fork),
                    }
                    None
                }
                Err(refusal) => refusal,
            };
            if let Some(known) = self.refusals.get_mut(source) {
                *known = refusal;
            }
            if self.refusals.iter().all(Option::is_some) {
                let keys = plan.clients.iter().map(|client| client.proxy().key);
                return Err(FollowError::Refused(
                    keys.zip(self.refusals.iter_mut().filter_map(Option::take)).collect(),
                ));
            }
        }
    }

    /// The whole object, from any of the proxies; it stays until its keys are there.
    async fn object(&mut self, plan: &Plan, root: Digest) -> Result<Bytes, FollowError> {
        // Out of `self` while it waits: a fetch that is given up in the middle starts over, with no byte of before.
        let fetch = self.fetch.take().or_else(|| plan.fetch(root).map(|fetch| (fetch, BytesMut::new())));
        let Some((mut fetch, mut bytes)) = fetch else { return Err(FollowError::Refused(Vec::new())) };
        let error = loop {
            match fetch.next().await {
                Ok(Some(piece)) if bytes.len().saturating_add(piece.len()) > plan.limit => {
                    break FetchError::TooLarge(plan.limit);
                }
                Ok(Some(piece)) => bytes.extend_from_slice(&piece),
                // Kept, for the keys may be long in coming.
                Ok(None) => {
                    let object = bytes.clone().freeze();
                    self.fetch = Some((fetch, bytes));
                    return Ok(object);
                }
                Err(error) => break error,
            }
        };
        Err(error.into())
    }
}

/// Hears one proxy, connected anew whenever it breaks off, until the follower is gone.
async fn listen(
    source: usize,
    client: Client,
    mut follow: crate::wire::Follow,
    next: Arc<AtomicU64>,
    news: mpsc::Sender<News>,
) {
    let mut pause = PAUSE;
    loop {
        // The last head again, to compare: so a history that was exchanged is found after a restart too.
        follow.next = next.load(Ordering::SeqCst).saturating_sub(1);
        let ask = request::Body::Follow(follow.clone());
        let refusal = match hear(source, &client, ask, &news, &mut pause).await {
            Err(ClientError::Refused(refusal)) => Some(refusal),
            Err(error) => {
                tracing::debug!(%error, "a followed proxy broke off");
                None
            }
            Ok(()) => None,
        };
        if news.send((source, Err(refusal))).await.is_err() {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
    }
}

async fn hear(
    source: usize,
    client: &Client,
    ask: request::Body,
    news: &mpsc::Sender<News>,
    pause: &mut Duration,
) -> Result<(), ClientError> {
    let mut link = client.link().await?;
    let mut body = link.ask(ask).await?;
    loop {
        let reply::Body::Told(Told { head }) = body else { return Err(ClientError::Unexpected) };
        *pause = PAUSE;
        if !head.is_empty() && news.send((source, Ok(Signed::from_bytes(&head)?))).await.is_err() {
            return Ok(());
        }
        let reply: Reply = link.read_message().await?;
        body = match reply.body {
            Some(reply::Body::Refused(refused)) => return Err(Refusal::from_wire(refused).into()),
            Some(body) => body,
            None => return Err(ClientError::Unexpected),
        };
    }
}

impl fmt::Debug for Follow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follow")
            .field("stream", &self.plan.stream)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
