//! Storing an object: cut, code, place, publish the holders. Any length passes through in flat memory.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use cpchain_crypto::{Digest, Signer};
use futures::{StreamExt, TryStreamExt, stream, stream::FuturesOrdered};
use tokio::{io::AsyncRead, sync::OnceCell};

use super::{
    ClientError, Coders, Progress, StorageClient,
    place::{Group, Placed},
    source::Source,
};
use crate::{
    chunk::Lease,
    erasure::{ErasureError, ErasureParams},
    network::{CHUNKS_PER_PAGE, ChunkTransport, Dht, Holders, MAX_RECORD_LIFE_MS, Receipt, SignedRecord, now_ms},
    object::{ChunkList, ChunkRef, ObjectRef},
};

/// Records that are published at once.
const PARALLEL_RECORDS: usize = 8;

/// An object that is in the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// What a reader must know to get and verify it.
    pub object: ObjectRef,
    /// The holders' signed words, in the order of chunks and shards; what an audit asks about.
    pub receipts: Vec<Receipt>,
    /// Who holds which shard, one entry per [`CHUNKS_PER_PAGE`] chunks; also in the DHT, signed by the owner.
    pub holders: Vec<Holders>,
}

/// A chunk that is in the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredChunk {
    /// Its number in its object.
    pub number: u64,
    /// Is it of the [index](crate::object) of the object?
    pub of_index: bool,
    /// Its hashes.
    pub reference: ChunkRef,
    /// The holders' signed words, in the order of shards.
    pub receipts: Vec<Receipt>,
}

/// A chunk whose shards have receipts.
struct PlacedChunk {
    length: usize,
    reference: ChunkRef,
    placed: Placed,
}

/// What a put remembers of an object, and of its index: 3 KiB a page of 64 chunks of 10/30.
#[derive(Default)]
struct Part {
    /// Chunks that are placed.
    done: u64,
    /// Where the chunks of the page that is being read are placed.
    group: Option<Arc<Group>>,
    /// Holders of the page that is being placed, and bodies of the records of those before.
    open: Holders,
    full: Vec<Bytes>,
}

impl<D: Dht, T: ChunkTransport> StorageClient<D, T> {
    /// Codes `bytes`, spreads the shards over the storage nodes, and publishes who holds them under the key of `owner`.
    ///
    /// `bytes` should be sealed: nodes see them. Putting the same bytes again extends the lease. Cancelling leaves shards
    /// behind that are collected when their lease ends. Up to 1 GiB; [`put_reader`](Self::put_reader) takes more.
    ///
    /// # Errors
    /// [`ClientError::TooFewPlaced`] when fewer than data + 70 % of the other shards of a chunk were taken,
    /// [`ClientError::LeaseRefused`], [`ClientError::Dht`], [`ClientError::Erasure`].
    pub async fn put_object(
        &self,
        owner: &dyn Signer,
        bytes: Bytes,
        params: ErasureParams,
        lease: Lease,
    ) -> Result<Stored, ClientError> {
        let length = bytes.len() as u64;
        if length > super::MAX_IN_MEMORY {
            return Err(ErasureError::TooLong.into());
        }
        let mut receipts = Vec::new();
        let source = Source::memory(bytes, params);
        let keep = |chunk: StoredChunk| receipts.extend(chunk.receipts);
        let (object, pages) = self.put(owner, source, Some(length), params, lease, keep).await?;
        let holders = pages.iter().map(|page| Holders::decode(page)).collect::<Result<_, _>>()?;
        Ok(Stored { object, receipts, holders })
    }

    /// [`put_object`](Self::put_object) for an object of any length, up to [`ObjectRef::longest`], with a few chunks in memory
    /// at a time. Each chunk, with its receipts, goes to `on_chunk` in order once it is placed.
    ///
    /// # Errors
    /// As `put_object`, and [`ClientError::Io`] when the reader fails.
    pub async fn put_reader<R: AsyncRead + Unpin + Send>(
        &self,
        owner: &dyn Signer,
        reader: R,
        params: ErasureParams,
        lease: Lease,
        on_chunk: impl FnMut(StoredChunk) + Send,
    ) -> Result<ObjectRef, ClientError> {
        let (object, _) = self.put(owner, Source::reader(reader, params), None, params, lease, on_chunk).await?;
        Ok(object)
    }

    async fn put<R: AsyncRead + Unpin + Send>(
        &self,
        owner: &dyn Signer,
        mut source: Source<R>,
        length: Option<u64>,
        params: ErasureParams,
        lease: Lease,
        mut on_chunk: impl FnMut(StoredChunk) + Send,
    ) -> Result<(ObjectRef, Vec<Bytes>), ClientError> {
        let coders = Coders::new(params);
        let mut list = ChunkList::new(params);
        let (mut own, mut index) = (Part::default(), Part::default());
        let (mut read, mut bytes_done, mut is_all_read) = (0, 0, false);
        let mut under_way = FuturesOrdered::new();
        let parallel = self.config.parallel_chunks.max(1);
        loop {
            // A slow source does not hold up what is under way, nor the other way round.
            tokio::select! {
                chunk = source.next(), if !is_all_read && under_way.len() < parallel => match chunk? {
                    Some(chunk) => {
                        under_way.push_back(self.put_chunk(own.group(read, &chunk), chunk, &coders, lease));
                        read += 1;
                    }
                    None => is_all_read = true,
                },
                Some(placed) = under_way.next() => {
                    let placed: PlacedChunk = placed?;
                    bytes_done += placed.length as u64;
                    let full = list.push(placed.reference.clone());
                    let hosts = own.placed(placed, params, false, &mut on_chunk)?;
                    self.report(Progress { bytes_done, bytes: length, chunks_done: own.done, hosts });
                    for chunk in full {
                        self.put_index(chunk, &mut index, &mut list, &coders, lease, &mut on_chunk).await?;
                    }
                },
                else => break,
            }
        }
        drop(under_way);
        if let Some(last) = list.end() {
            self.put_index(last, &mut index, &mut list, &coders, lease, &mut on_chunk).await?;
        }
        let (root, length) = source.finish();
        let object = list.finish(root, length);
        if let Some(of) = &object.index {
            self.publish_holders(owner, &of.root, &index.pages()?, lease).await?;
        }
        let pages = own.pages()?;
        self.publish_holders(owner, &root, &pages, lease).await?;
        Ok((object, pages))
    }

    async fn put_index(
        &self,
        chunk: Bytes,
        index: &mut Part,
        list: &mut ChunkList,
        coders: &Coders,
        lease: Lease,
        on_chunk: &mut (impl FnMut(StoredChunk) + Send),
    ) -> Result<(), ClientError> {
        let placed = self.put_chunk(index.group(index.done, &chunk), chunk, coders, lease).await?;
        list.push_index(placed.reference.clone());
        index.placed(placed, coders.params(), true, on_chunk)?;
        Ok(())
    }

    async fn put_chunk(
        &self,
        group: Arc<Group>,
        chunk: Bytes,
        coders: &Coders,
        lease: Lease,
    ) -> Result<PlacedChunk, ClientError> {
        let length = chunk.len();
        let coded = coders.run(move |coder| coder.encode(chunk)).await??;
        let placed = self.place_chunk(&group, &coded, coders.params(), lease).await?;
        Ok(PlacedChunk { length, reference: coded.reference, placed })
    }

    pub(super) async fn publish_holders(
        &self,
        owner: &dyn Signer,
        root: &Digest,
        pages: &[Bytes],
        lease: Lease,
    ) -> Result<(), ClientError> {
        let now = now_ms();
        let expires = lease.0.min(now.saturating_add(MAX_RECORD_LIFE_MS));
        // The time as the number: a later put replaces an earlier one without asking what it was.
        let sign = |(page, body): (u32, &Bytes)| {
            let key = Holders::key(owner.public_key(), root, page);
            SignedRecord::sign(owner, key.kind, &key.name, now, expires, body.clone())
        };
        let records: Vec<_> = (0u32..).zip(pages).map(sign).collect::<Result<_, _>>()?;
        let puts = records.into_iter().map(|record| async move { self.put_record(&record).await });
        stream::iter(puts).buffer_unordered(PARALLEL_RECORDS).try_for_each(|_| async { Ok(()) }).await
    }
}

impl Part {
    /// The group of chunk `number`: a new one with the first chunk of each page.
    fn group(&mut self, number: u64, chunk: &Bytes) -> Arc<Group> {
        if number.is_multiple_of(CHUNKS_PER_PAGE as u64) {
            self.group = None;
        }
        let new = || Arc::new(Group { anchor: Digest::content(chunk), nodes: OnceCell::new() });
        Arc::clone(self.group.get_or_insert_with(new))
    }

    /// Notes who holds the next chunk, tells `on_chunk`, and returns the number of nodes.
    fn placed(
        &mut self,
        chunk: PlacedChunk,
        params: ErasureParams,
        of_index: bool,
        on_chunk: &mut impl FnMut(StoredChunk),
    ) -> Result<usize, ClientError> {
        let holder = |shard: u8| chunk.placed.get(&usize::from(shard)).map(Receipt::holder);
        let holders: Vec<_> = (0..params.total()).map(holder).collect();
        let hosts = holders.iter().flatten().collect::<HashSet<_>>().len();
        self.open.chunks.push(holders);
        if self.open.chunks.len() == CHUNKS_PER_PAGE {
            self.close()?;
        }
        let receipts = chunk.placed.into_values().collect();
        on_chunk(StoredChunk { number: self.done, of_index, reference: chunk.reference, receipts });
        self.done += 1;
        Ok(hosts)
    }

    fn close(&mut self) -> Result<(), ClientError> {
        self.full.push(self.open.encode()?.into());
        self.open.chunks.clear();
        Ok(())
    }

    fn pages(mut self) -> Result<Vec<Bytes>, ClientError> {
        if !self.open.chunks.is_empty() {
            self.close()?;
        }
        Ok(self.full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_has_a_group_of_its_own() {
        let mut part = Part::default();
        let chunks: Vec<Bytes> = (0..130u32).map(|n| Bytes::copy_from_slice(&n.to_le_bytes())).collect();
        for (number, chunk) in (0u64..).zip(&chunks) {
            let first = &chunks[number as usize / CHUNKS_PER_PAGE * CHUNKS_PER_PAGE];
            assert_eq!(part.group(number, chunk).anchor, Digest::content(first));
        }
    }
}
