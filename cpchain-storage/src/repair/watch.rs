//! The objects that a node cares for, repaired sweep after sweep.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use cpchain_crypto::{Digest, PublicKey};

use crate::{
    chunk::Lease,
    client::{ClientError, StorageClient},
    network::{ChunkTransport, Dht, now_ms},
    object::ObjectRef,
};

/// The most objects of one [`Watch`].
pub const MAX_WATCHED: usize = 1 << 16;

/// No room for another object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("65536 objects are watched already: remove some, or watch the others from another node")]
pub struct WatchFull;

/// An object, whose it is, and until when it is to live.
#[derive(Debug, Clone)]
struct Watched {
    owner: PublicKey,
    object: ObjectRef,
    lease: Lease,
}

/// What a sweep has done.
#[derive(Debug, Default)]
pub struct Sweep {
    /// Objects visited.
    pub objects: usize,
    /// Shards rebuilt.
    pub rebuilt: usize,
    /// Objects that could not be looked at or repaired, by their roots; they are visited again.
    pub failed: Vec<(Digest, ClientError)>,
}

/// A list of objects and the client that repairs them. Needs no key.
#[derive(Debug)]
pub struct Watch<D, T = D> {
    client: StorageClient<D, T>,
    watched: Mutex<BTreeMap<Digest, Watched>>,
}

impl<D: Dht, T: ChunkTransport> Watch<D, T> {
    /// An empty list.
    pub fn new(client: StorageClient<D, T>) -> Self {
        Self { client, watched: Mutex::default() }
    }

    /// Watches an object until its lease ends. Adding it again replaces owner and lease.
    ///
    /// # Errors
    /// [`WatchFull`].
    pub fn add(&self, owner: PublicKey, object: ObjectRef, lease: Lease) -> Result<(), WatchFull> {
        let mut watched = self.lock();
        if watched.len() >= MAX_WATCHED && !watched.contains_key(&object.root) {
            return Err(WatchFull);
        }
        watched.insert(object.root, Watched { owner, object, lease });
        Ok(())
    }

    /// Watches an object no longer; was it watched?
    pub fn remove(&self, root: &Digest) -> bool {
        self.lock().remove(root).is_some()
    }

    /// How many objects are watched.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Is none watched?
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Visits every object once, repairs what is due, and forgets those whose lease has ended.
    ///
    /// `randomness` is 32 bytes that hosts could not know before. Cancelling is safe.
    pub async fn sweep(&self, randomness: &[u8; 32]) -> Sweep {
        let now = now_ms();
        self.lock().retain(|_, watched| watched.lease.0 > now);
        let mut sweep = Sweep::default();
        let mut after = None;
        while let Some((root, watched)) = self.next(after) {
            after = Some(root);
            sweep.objects += 1;
            let Watched { owner, object, lease } = watched;
            match self.client.repair_object(owner, &object, lease, randomness).await {
                Ok(groups) => sweep.rebuilt += groups.iter().map(|group| group.receipts.len()).sum::<usize>(),
                Err(why) => sweep.failed.push((root, why)),
            }
        }
        sweep
    }

    /// Sweeps for ever, with a pause after each; `randomness` is asked for 32 new bytes before each, `done` is told of it.
    pub async fn run(
        &self,
        pause: Duration,
        mut randomness: impl FnMut() -> [u8; 32] + Send,
        mut done: impl FnMut(Sweep) + Send,
    ) {
        loop {
            done(self.sweep(&randomness()).await);
            tokio::time::sleep(pause).await;
        }
    }

    fn next(&self, after: Option<Digest>) -> Option<(Digest, Watched)> {
        let watched = self.lock();
        let mut rest = watched
            .range((after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded), std::ops::Bound::Unbounded));
        rest.next().map(|(root, watched)| (*root, watched.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Digest, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
