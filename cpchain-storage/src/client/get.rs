//! Getting an object back: more shards than needed at once, the first good ones win.

use bytes::{Bytes, BytesMut};
use cpchain_crypto::{Digest, PublicKey};
use futures::{StreamExt, TryStreamExt, stream, stream::FuturesUnordered};
use tokio::time::timeout;

use super::{ClientError, Progress, StorageClient, blocking, score::Deed};
use crate::{
    chunk::ChunkId,
    erasure::{Coder, ErasureError},
    network::{CHUNKS_PER_PAGE, ChunkTransport, Dht, Holders, TransportError, place},
    object::{ChunkRef, MAX_OBJECT_LEN, ObjectRef},
    repair::{Wanted, find},
};

/// A shard that can be asked for.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    place: u8,
    shard: ChunkId,
    holder: PublicKey,
}

impl<D: Dht, T: ChunkTransport> StorageClient<D, T> {
    /// Gets an object that `owner` has put, and verifies every byte of it against `object`.
    ///
    /// The whole object is in memory, up to 1 GiB; [`get_chunk`](Self::get_chunk) takes it in pieces. Cancelling is safe.
    ///
    /// # Errors
    /// [`ClientError::TooFewShards`] when too many holders are gone, [`ClientError::WrongObject`], [`ClientError::Dht`].
    pub async fn get_object(&self, owner: PublicKey, object: &ObjectRef) -> Result<Bytes, ClientError> {
        if object.length > MAX_OBJECT_LEN {
            return Err(ErasureError::TooLong.into());
        }
        let holders = self.holders(owner, object).await?;
        self.get_object_from(object, &holders).await
    }

    /// Gets an object whose holders are known, one entry per [`CHUNKS_PER_PAGE`] chunks, as in [`Stored`](super::Stored).
    ///
    /// # Errors
    /// As [`get_object`](Self::get_object).
    pub async fn get_object_from(&self, object: &ObjectRef, holders: &[Holders]) -> Result<Bytes, ClientError> {
        let chunks = object.chunks.len();
        let fetched = stream::iter(0..chunks)
            .map(|index| self.get_chunk(object, index, holders))
            .buffered(self.config.parallel_chunks.max(1))
            .enumerate()
            .map(|(index, chunk)| {
                self.report(Progress { object: object.root, chunks_done: index + 1, chunks });
                chunk
            });
        let mut fetched: Vec<Bytes> = fetched.try_collect().await?;
        let (root, length) = (object.root, object.length);
        let whole = blocking(move || {
            let whole = match fetched.pop() {
                Some(only) if fetched.is_empty() => only,
                last => {
                    let mut whole = BytesMut::new();
                    fetched.iter().chain(&last).for_each(|chunk| whole.extend_from_slice(chunk));
                    whole.freeze()
                }
            };
            (whole.len() as u64 == length && Digest::content(&whole) == root).then_some(whole)
        })
        .await?;
        whole.ok_or(ClientError::WrongObject)
    }

    /// Who holds the shards of an object: as its owner published it, else where the placement rule would have put them.
    ///
    /// # Errors
    /// [`ClientError::Dht`].
    pub async fn holders(&self, owner: PublicKey, object: &ObjectRef) -> Result<Vec<Holders>, ClientError> {
        let mut pages = Vec::new();
        for (page, chunks) in (0u32..).zip(object.chunks.chunks(CHUNKS_PER_PAGE)) {
            let record = self.dht.get_record(&Holders::key(owner, &object.root, page)).await?;
            let holders = match record.and_then(|record| Holders::from_record(&record).ok()) {
                Some(holders) => holders,
                None => self.likely_holders(object, chunks.len()).await?,
            };
            pages.push(holders);
        }
        Ok(pages)
    }

    async fn likely_holders(&self, object: &ObjectRef, chunks: usize) -> Result<Holders, ClientError> {
        let nodes = self.dht.nodes(&object.root).await?;
        let placed = place(&object.root, usize::from(object.params.total()), &nodes).unwrap_or_default();
        Ok(Holders { chunks: vec![placed.into_iter().map(Some).collect(); chunks] })
    }

    /// Gets and verifies chunk `index` of an object.
    ///
    /// # Errors
    /// As [`get_object`](Self::get_object).
    pub async fn get_chunk(&self, object: &ObjectRef, index: usize, holders: &[Holders]) -> Result<Bytes, ClientError> {
        let (Some(reference), Some(length)) = (object.chunks.get(index), object.chunk_len(index)) else {
            return Err(ErasureError::Reference.into());
        };
        let shard_len = object.params.shard_len(length);
        let needed = usize::from(object.params.data());
        let page = holders.get(index / CHUNKS_PER_PAGE);
        let holders = page.and_then(|page| page.chunks.get(index % CHUNKS_PER_PAGE)).map_or(&[][..], Vec::as_slice);
        let mut candidates: Vec<Candidate> = (0u8..)
            .zip(&reference.shards)
            .zip(holders)
            .filter_map(|((place, shard), holder)| Some(Candidate { place, shard: *shard, holder: (*holder)? }))
            .collect();
        // Data shards come first as long as their holders have behaved.
        candidates.sort_by_key(|candidate| self.scores.penalty(&candidate.holder));

        let mut good: Vec<(u8, Bytes)> = Vec::with_capacity(needed);
        self.collect(candidates, shard_len, needed, &mut good).await;
        if good.len() < needed {
            // Whoever has repaired the object has put its shards where the placement rule looks.
            let missing = self.missing(reference, index, shard_len, &good);
            let found = find(&self.dht, &self.auditor(), &object.root, &missing).await;
            let candidates = found.into_iter().filter_map(|(place, holder)| {
                let shard = *reference.shards.get(usize::from(place))?;
                Some(Candidate { place, shard, holder })
            });
            self.collect(candidates.collect(), shard_len, needed, &mut good).await;
        }
        if good.len() < needed {
            return Err(ClientError::TooFewShards { chunk: index, found: good.len(), needed });
        }
        let (reference, params) = (reference.clone(), object.params);
        Ok(blocking(move || Coder::new(params).decode_chunk(&reference, length, good)).await??)
    }

    fn missing(&self, reference: &ChunkRef, chunk: usize, shard_len: usize, good: &[(u8, Bytes)]) -> Vec<Wanted> {
        let all = (0u8..).zip(&reference.shards);
        let missing = all.filter(|(place, _)| good.iter().all(|(had, _)| had != place));
        let length = u32::try_from(shard_len).unwrap_or(u32::MAX);
        missing.map(|(place, shard)| Wanted { chunk, place, shard: *shard, length }).collect()
    }

    /// Asks candidates, some at once, until `needed` shards are good or nobody is left to ask.
    async fn collect(&self, candidates: Vec<Candidate>, shard_len: usize, needed: usize, good: &mut Vec<(u8, Bytes)>) {
        let mut candidates = candidates.into_iter();
        let mut under_way: FuturesUnordered<_> = candidates
            .by_ref()
            .take(needed.saturating_sub(good.len()) + self.config.extra_shards)
            .map(|candidate| self.get_shard(candidate, shard_len))
            .collect();
        while good.len() < needed {
            match timeout(self.config.hedge_after, under_way.next()).await {
                Ok(Some(Some((place, shard)))) => {
                    // Two may hold the same shard.
                    if good.iter().all(|(had, _)| *had != place) {
                        good.push((place, shard));
                    }
                }
                Ok(Some(None)) => under_way.extend(candidates.next().map(|next| self.get_shard(next, shard_len))),
                Ok(None) => break,
                // Nothing moves: do not wait for the slow ones alone.
                Err(_) => {
                    let more = candidates.by_ref().take(self.config.extra_shards.max(1));
                    under_way.extend(more.map(|next| self.get_shard(next, shard_len)));
                }
            }
        }
    }

    /// A shard, if its holder returns the right bytes in time.
    async fn get_shard(&self, candidate: Candidate, length: usize) -> Option<(u8, Bytes)> {
        let Candidate { place, shard, holder } = candidate;
        let answer = timeout(self.config.shard_timeout, self.transport.get(holder, shard)).await;
        let (deed, bytes) = match answer.unwrap_or(Err(TransportError::Timeout)) {
            Ok(Some(bytes)) if bytes.len() == length && shard.matches(&bytes) => (Deed::Good, Some(bytes)),
            Ok(Some(_)) | Err(TransportError::BadAnswer) => (Deed::Wrong, None),
            Ok(None) => (Deed::Missing, None),
            Err(TransportError::Stopped) => return None,
            Err(_) => (Deed::Failed, None),
        };
        self.scores.record(holder, deed);
        if deed == Deed::Wrong {
            tracing::warn!(node = %holder, %shard, "a storage node returned wrong bytes");
        }
        bytes.map(|bytes| (place, bytes))
    }
}
