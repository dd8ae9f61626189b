//! Which chunks an object has and who holds their shards, page by page: from its reference, or from its index.

use std::sync::Arc;

use bytes::Bytes;
use cpchain_crypto::{Digest, PublicKey};

use super::{ClientError, Coders, StorageClient};
use crate::{
    erasure::{ErasureError, ErasureParams},
    network::{CHUNKS_PER_PAGE, ChunkTransport, Dht, Holders, place},
    object::{CHUNK_LEN, ChunkRef, ObjectRef},
};

const PAGE: u64 = CHUNKS_PER_PAGE as u64;

/// Up to [`CHUNKS_PER_PAGE`] chunks of an object, and who holds their shards as far as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its number; its first chunk is chunk `64 * number`.
    pub number: u64,
    /// The chunks.
    pub chunks: Vec<ChunkRef>,
    /// As the owner published them, else where the placement rule would have put them.
    pub holders: Holders,
}

impl Page {
    /// What its shards are [placed](place) by: the root of its first chunk.
    pub fn anchor(&self) -> Digest {
        self.chunks.first().map_or(Digest::ZERO, |chunk| chunk.root)
    }
}

/// The pages of one object; keeps what it has last seen of the index, so that neighbours cost one lookup.
pub(super) struct Layout<'a, D, T> {
    client: &'a StorageClient<D, T>,
    owner: PublicKey,
    object: &'a ObjectRef,
    coders: Arc<Coders>,
    index_page: Option<Arc<Page>>,
    index_chunks: Vec<(u64, Bytes)>,
}

impl<'a, D: Dht, T: ChunkTransport> Layout<'a, D, T> {
    pub(super) fn new(client: &'a StorageClient<D, T>, owner: PublicKey, object: &'a ObjectRef) -> Self {
        let coders = Arc::new(Coders::new(object.params));
        Self { client, owner, object, coders, index_page: None, index_chunks: Vec::new() }
    }

    /// Page `number` of the object.
    pub(super) async fn page(&mut self, number: u64) -> Result<Page, ClientError> {
        let Some(index) = &self.object.index else { return self.listed(self.object, number).await };
        let count = ObjectRef::chunk_count(self.object.length);
        let first = number.checked_mul(PAGE).filter(|first| *first < count).ok_or(ErasureError::Reference)?;
        let entries = self.object.entries(first, count.min(first + PAGE));
        let mut bytes = Vec::new();
        for chunk in entries.start / CHUNK_LEN as u64..=(entries.end - 1) / CHUNK_LEN as u64 {
            let of = self.index_chunk(index, chunk).await?;
            let start = chunk * CHUNK_LEN as u64;
            let part =
                entries.start.saturating_sub(start) as usize..(entries.end - start).min(of.len() as u64) as usize;
            bytes.extend_from_slice(of.get(part).ok_or(ErasureError::Reference)?);
        }
        let chunks = ChunkRef::read_entries(&bytes, self.object.params);
        self.with_holders(self.object, number, chunks).await
    }

    /// A page of an object that lists its chunks itself.
    async fn listed(&self, object: &ObjectRef, number: u64) -> Result<Page, ClientError> {
        let chunks = usize::try_from(number).ok().and_then(|number| object.chunks.chunks(CHUNKS_PER_PAGE).nth(number));
        self.with_holders(object, number, chunks.ok_or(ErasureError::Reference)?.to_vec()).await
    }

    async fn with_holders(&self, object: &ObjectRef, number: u64, chunks: Vec<ChunkRef>) -> Result<Page, ClientError> {
        let mut page = Page { number, chunks, holders: Holders::default() };
        let record = u32::try_from(number).map_err(|_| ErasureError::Reference)?;
        let published = self.client.get_record(&Holders::key(self.owner, &object.root, record)).await?;
        page.holders = match published.and_then(|record| Holders::from_record(&record).ok()) {
            Some(holders) => holders,
            None => {
                let placed = self.client.likely_holders(&page.anchor(), object.params).await?;
                Holders { chunks: vec![placed; page.chunks.len()] }
            }
        };
        Ok(page)
    }

    /// Chunk `number` of the index.
    async fn index_chunk(&mut self, index: &ObjectRef, number: u64) -> Result<Bytes, ClientError> {
        if let Some((_, chunk)) = self.index_chunks.iter().find(|(of, _)| *of == number) {
            return Ok(chunk.clone());
        }
        let page = match &self.index_page {
            Some(page) if page.number == number / PAGE => Arc::clone(page),
            _ => {
                let page = Arc::new(self.listed(index, number / PAGE).await?);
                Arc::clone(self.index_page.insert(page))
            }
        };
        let length = index.chunk_len(number as usize).ok_or(ErasureError::Reference)?;
        let fetched = self.client.fetch(&page, (number % PAGE) as usize, length, 0..length, &self.coders).await?;
        let chunk: Bytes = fetched.pieces.concat().into();
        // A page of entries may lie in two chunks.
        if self.index_chunks.len() == 2 {
            self.index_chunks.remove(0);
        }
        self.index_chunks.push((number, chunk.clone()));
        Ok(chunk)
    }
}

impl<D: Dht, T: ChunkTransport> StorageClient<D, T> {
    /// Page `number` of the chunks of an object that `owner` has put: what a repairer or an auditor goes through.
    ///
    /// # Errors
    /// [`ClientError::Erasure`] if there is no such page, [`ClientError::Dht`]; of a long object as
    /// [`get_object`](Self::get_object).
    pub async fn page(&self, owner: PublicKey, object: &ObjectRef, number: u64) -> Result<Page, ClientError> {
        Layout::new(self, owner, object).page(number).await
    }

    /// Who holds the shards of an object, page by page: as its owner published it, else where the placement rule would have
    /// put them.
    ///
    /// # Errors
    /// As [`page`](Self::page).
    pub async fn holders(&self, owner: PublicKey, object: &ObjectRef) -> Result<Vec<Holders>, ClientError> {
        let mut layout = Layout::new(self, owner, object);
        let mut pages = Vec::new();
        for number in 0..ObjectRef::chunk_count(object.length).div_ceil(PAGE) {
            pages.push(layout.page(number).await?.holders);
        }
        Ok(pages)
    }

    /// Where the placement rule puts the shards of a page now.
    pub(super) async fn likely_holders(
        &self,
        anchor: &Digest,
        params: ErasureParams,
    ) -> Result<Vec<Option<PublicKey>>, ClientError> {
        let nodes = self.nodes(anchor).await?;
        let placed = place(anchor, usize::from(params.total()), &nodes).unwrap_or_default();
        Ok(placed.into_iter().map(Some).collect())
    }
}
