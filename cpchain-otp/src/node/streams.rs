//! Live streams: the chain of heads that an owner announced, and those who follow it.
//!
//! Keys in the backend, under `streams/<owner>/<stream>/`: `<number>` for each head, and `end`, written last, which says where
//! they begin and holds the newest. `streams/index` lists the streams. A head is durable before its owner is told so.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use cpchain_crypto::{Digest, PublicKey};
use prost::Message as _;
use tokio::sync::watch;

use super::{fragments::internal, serve::Inner};
use crate::{
    access::may_follow,
    backend::{Backend, get, put},
    records::{Grant, StreamHead},
    signed::Signed,
    transport::ByteStream,
    wire::{FrameError, Refusal, RefusalCode, Reply, StreamEnd, Told, reply, write_message},
};

/// Bounds of the live streams of a node.
#[derive(Debug, Clone)]
pub struct StreamsConfig {
    /// Streams that are taken in.
    pub max_streams: usize,
    /// Heads of a stream that are kept; the oldest are forgotten.
    pub max_heads: u64,
    /// Followers at a time, and a quarter of them of one key. Each holds one of the node's streams.
    pub max_followers: usize,
    /// A follower hears that the node is alive at least so often.
    pub heartbeat: Duration,
}

impl Default for StreamsConfig {
    /// 1024 streams of 65,536 heads, 128 followers, a heartbeat each 10 s.
    fn default() -> Self {
        Self { max_streams: 1024, max_heads: 65_536, max_followers: 128, heartbeat: Duration::from_secs(10) }
    }
}

/// One stream: its newest head, once it was read.
struct Live {
    end: tokio::sync::Mutex<Option<End>>,
    /// How many heads came since the node started: wakes followers.
    came: watch::Sender<u64>,
}

#[derive(Clone)]
struct End {
    first: u64,
    newest: Signed<StreamHead>,
}

pub(super) struct Streams {
    pub(super) config: StreamsConfig,
    backend: Arc<dyn Backend>,
    live: Mutex<HashMap<(PublicKey, Digest), Arc<Live>>>,
    /// One at a time enters a new stream into the index.
    index: tokio::sync::Mutex<()>,
    followers: Arc<Mutex<HashMap<PublicKey, usize>>>,
}

impl Streams {
    pub(super) fn new(backend: Arc<dyn Backend>, config: StreamsConfig) -> Self {
        Self {
            config,
            backend,
            live: Mutex::default(),
            index: tokio::sync::Mutex::default(),
            followers: Arc::default(),
        }
    }

    /// The state of a stream that is in the index, or is about to be.
    fn live(&self, owner: PublicKey, stream: Digest) -> Arc<Live> {
        let mut live = lock(&self.live);
        // Streams that nobody uses at the moment are read again when somebody does.
        if live.len() > self.config.max_streams {
            live.retain(|_, one| Arc::strong_count(one) > 1);
        }
        let new = || Arc::new(Live { end: tokio::sync::Mutex::default(), came: watch::Sender::new(0) });
        live.entry((owner, stream)).or_insert_with(new).clone()
    }

    async fn end(&self, folder: &str, end: &mut Option<End>) -> Result<(), Refusal> {
        if end.is_none()
            && let Some(bytes) = get(self.backend.as_ref(), &format!("{folder}/end"), 1024).await.map_err(internal)?
        {
            let read = StreamEnd::decode(bytes).map_err(internal)?;
            *end = Some(End { first: read.first, newest: Signed::from_bytes(&read.newest).map_err(internal)? });
        }
        Ok(())
    }

    /// The newest head that is known.
    pub(super) async fn newest(&self, owner: PublicKey, stream: Digest) -> Result<Option<Signed<StreamHead>>, Refusal> {
        let live = self.live(owner, stream);
        let mut end = live.end.lock().await;
        self.end(&folder(&owner, &stream), &mut end).await?;
        Ok(end.as_ref().map(|end| end.newest.clone()))
    }

    /// Takes a head if it follows the newest one; the same head again changes nothing.
    pub(super) async fn announce(&self, head: Signed<StreamHead>) -> Result<(), Refusal> {
        let conflict = |detail: String| Refusal::new(RefusalCode::Conflict, detail);
        let folder = folder(&head.owner, &head.stream);
        let live = self.live(head.owner, head.stream);
        let mut end = live.end.lock().await;
        self.end(&folder, &mut end).await?;
        let first = match end.as_ref() {
            None => {
                self.enter(&head).await?;
                head.sequence
            }
            Some(end) if head.sequence <= end.newest.sequence => {
                let known = self.head(&folder, head.sequence).await?;
                return match known.is_none_or(|known| known.id() == head.id()) {
                    true => Ok(()),
                    false => Err(conflict(format!("another head {} is known", head.sequence))),
                };
            }
            Some(end) if head.sequence > end.newest.sequence + 1 => {
                return Err(conflict(format!("announce head {} first", end.newest.sequence + 1)));
            }
            Some(end) if head.previous != end.newest.id() => {
                return Err(conflict("the head does not follow the one that is known".into()));
            }
            Some(end) => end.first,
        };
        let backend = self.backend.as_ref();
        put(backend, &format!("{folder}/{}", head.sequence), head.to_bytes()).await.map_err(internal)?;
        let kept = head.sequence.saturating_add(1).saturating_sub(self.config.max_heads.max(1)).max(first);
        let record = StreamEnd { first: kept, newest: head.to_bytes() };
        put(backend, &format!("{folder}/end"), record.encode_to_vec().into()).await.map_err(internal)?;
        for old in first..kept {
            backend.delete(&format!("{folder}/{old}")).await.map_err(internal)?;
        }
        *end = Some(End { first: kept, newest: head });
        live.came.send_modify(|came| *came = came.wrapping_add(1));
        Ok(())
    }

    /// Enters a stream into the list of those that are taken in.
    async fn enter(&self, head: &StreamHead) -> Result<(), Refusal> {
        const ENTRY: usize = 64;
        let _alone = self.index.lock().await;
        let most = self.config.max_streams.saturating_mul(ENTRY);
        let known = get(self.backend.as_ref(), "streams/index", most as u64).await.map_err(internal)?;
        let mut known = known.unwrap_or_default().to_vec();
        let entry = [head.owner.0, head.stream.0].concat();
        if known.chunks(ENTRY).any(|one| one == entry) {
            return Ok(());
        }
        if known.len() >= most {
            return Err(Refusal::new(RefusalCode::Quota, "this node takes no more streams"));
        }
        known.extend(entry);
        put(self.backend.as_ref(), "streams/index", known.into()).await.map_err(internal)
    }

    async fn head(&self, folder: &str, sequence: u64) -> Result<Option<Signed<StreamHead>>, Refusal> {
        let bytes = get(self.backend.as_ref(), &format!("{folder}/{sequence}"), 1024).await.map_err(internal)?;
        bytes.map(|bytes| Signed::from_bytes(&bytes).map_err(internal)).transpose()
    }

    /// A place for one more follower, given back when dropped.
    fn place(&self, caller: PublicKey) -> Result<Place, Refusal> {
        let mut followers = lock(&self.followers);
        let all: usize = followers.values().sum();
        let most = self.config.max_followers;
        let mine = followers.entry(caller).or_default();
        if all >= most || *mine >= most.div_ceil(4) {
            return Err(Refusal::new(RefusalCode::Quota, "too many followers"));
        }
        *mine += 1;
        Ok(Place { followers: self.followers.clone(), caller })
    }
}

struct Place {
    followers: Arc<Mutex<HashMap<PublicKey, usize>>>,
    caller: PublicKey,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut followers = lock(&self.followers);
        if let Some(mine) = followers.get_mut(&self.caller) {
            *mine = mine.saturating_sub(1);
        }
        followers.retain(|_, count| *count > 0);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn folder(owner: &PublicKey, stream: &Digest) -> String {
    format!("streams/{}/{stream}", Digest(owner.0))
}

/// Why following ended.
pub(super) enum Ended {
    Refused(Refusal),
    Stream(FrameError),
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Inner {
    pub(super) fn streams(&self) -> Result<&Streams, Refusal> {
        self.streams.as_ref().ok_or_else(|| Refusal::new(RefusalCode::Unsupported, "this node keeps no live streams"))
    }

    /// Tells the caller each head from `next` on, as long as it may know them and stays.
    pub(super) async fn follow(
        &self,
        caller: PublicKey,
        owner: PublicKey,
        stream: Digest,
        mut next: u64,
        grant: Option<Signed<Grant>>,
        io: &mut dyn ByteStream,
    ) -> Result<(), Ended> {
        let streams = self.streams()?;
        let _place = streams.place(caller)?;
        let folder = folder(&owner, &stream);
        // Who may not know the newest head hears nothing, not even that there is such a stream.
        let newest = streams.newest(owner, stream).await?;
        let unknown = || Refusal::new(RefusalCode::NotFound, "no such stream here");
        let newest = newest.ok_or_else(unknown)?;
        let live = streams.live(owner, stream);
        let mut came = live.came.subscribe();
        let mut told = false;
        loop {
            let (first, last) = match live.end.lock().await.as_ref() {
                Some(end) => (end.first, end.newest.sequence),
                None => (newest.sequence, newest.sequence),
            };
            // Followers ask for the head before the one they need, to compare.
            if next.saturating_add(1) == first {
                next = first;
            }
            if next < first {
                let detail = format!("heads before {first} are not kept here");
                return Err(Refusal::new(RefusalCode::NotFound, detail).into());
            }
            let head = if next <= last { streams.head(&folder, next).await? } else { None };
            // Before the first word, and for each head: grants expire and are revoked while somebody follows.
            let judged = head.as_ref().unwrap_or(&newest);
            if head.is_some() || !told {
                let revocations = self.parts.grants.revocations(&owner).await;
                may_follow(&self.scene(caller).await, judged, grant.as_ref(), revocations.as_ref())?;
            }
            let bytes = match &head {
                Some(head) => head.to_bytes(),
                None if !told => Bytes::new(),
                None => match tokio::time::timeout(streams.config.heartbeat, came.changed()).await {
                    Ok(_) => continue,
                    Err(_) => Bytes::new(),
                },
            };
            told = true;
            let message = Reply { body: Some(reply::Body::Told(Told { head: bytes })) };
            let write = self.in_time(self.config.stall_timeout, write_message(io, &message));
            write.await.map_err(Ended::Stream)?;
            next = next.saturating_add(u64::from(head.is_some()));
        }
    }
}

/// Reads what a `Follow` names.
pub(super) fn names(owner: &[u8], stream: &[u8]) -> Result<(PublicKey, Digest), Refusal> {
    let owner = PublicKey::from_slice(owner).ok_or_else(|| Refusal::malformed("an owner has 32 bytes"))?;
    let stream = Digest::from_slice(stream).ok_or_else(|| Refusal::malformed("a stream has 32 bytes"))?;
    Ok((owner, stream))
}

/// Reads the body of a lookup for a stream's newest head: owner and stream.
pub(super) fn head_key(key: &[u8]) -> Result<(PublicKey, Digest), Refusal> {
    let (owner, stream) = key.split_at_checked(32).ok_or_else(|| Refusal::malformed("owner and stream"))?;
    names(owner, stream)
}
