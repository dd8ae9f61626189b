//! Getting an object back, all of it or a part, in order and with a few chunks in memory at a time.

use std::{ops::Range, sync::Arc};

use bytes::{Bytes, BytesMut};
use cpchain_crypto::{Digest, PublicKey};
use futures::{Stream, TryStreamExt, stream};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::{ClientError, Coders, MAX_IN_MEMORY, Progress, StorageClient, fetch::Fetched, layout::Layout};
use crate::{
    erasure::ErasureError,
    network::{CHUNKS_PER_PAGE, ChunkTransport, Dht},
    object::{CHUNK_LEN, ObjectRef},
};

const PAGE: u64 = CHUNKS_PER_PAGE as u64;
const CHUNK: u64 = CHUNK_LEN as u64;

impl<D: Dht, T: ChunkTransport> StorageClient<D, T> {
    /// Gets an object that `owner` has put, and verifies every byte of it against `object`.
    ///
    /// The whole object is in memory, up to 1 GiB; [`get_to`](Self::get_to) takes more. Cancelling is safe.
    ///
    /// # Errors
    /// [`ClientError::TooFewShards`] when too many holders are gone, [`ClientError::WrongObject`], [`ClientError::Dht`].
    pub async fn get_object(&self, owner: PublicKey, object: &ObjectRef) -> Result<Bytes, ClientError> {
        let whole = self.get_range(owner, object, 0..object.length).await?;
        let hashed = whole.clone();
        let root = tokio::task::spawn_blocking(move || Digest::content(&hashed)).await;
        match root {
            Ok(root) if root == object.root => Ok(whole),
            Ok(_) => Err(ClientError::WrongObject),
            Err(_) => Err(ClientError::ShuttingDown),
        }
    }

    /// Gets the bytes `range` of an object, up to 1 GiB, from the shards that hold them if those can be had, else from any that
    /// are enough. Every byte is one that the owner signed for.
    ///
    /// # Errors
    /// [`ClientError::Range`]; otherwise as [`get_object`](Self::get_object).
    pub async fn get_range(
        &self,
        owner: PublicKey,
        object: &ObjectRef,
        range: Range<u64>,
    ) -> Result<Bytes, ClientError> {
        let length = range.end.checked_sub(range.start).ok_or(ClientError::Range { length: object.length })?;
        if length > MAX_IN_MEMORY {
            return Err(ErasureError::TooLong.into());
        }
        let mut bytes = BytesMut::with_capacity(length as usize);
        let mut pieces = std::pin::pin!(self.pieces(owner, object, range)?);
        while let Some(part) = pieces.try_next().await? {
            part.iter().for_each(|piece| bytes.extend_from_slice(piece));
        }
        Ok(bytes.freeze())
    }

    /// Gets an object of any length and writes it to `writer`, with a few chunks in memory at a time.
    ///
    /// Every byte is verified before it is written, but that they are all of the object only at the end: after an error, what
    /// was written is no more than its beginning.
    ///
    /// # Errors
    /// As [`get_object`](Self::get_object), and [`ClientError::Io`] when the writer fails.
    pub async fn get_to<W: AsyncWrite + Unpin + Send>(
        &self,
        owner: PublicKey,
        object: &ObjectRef,
        writer: &mut W,
    ) -> Result<(), ClientError> {
        let mut hasher = blake3::Hasher::new();
        let mut pieces = std::pin::pin!(self.pieces(owner, object, 0..object.length)?);
        while let Some(part) = pieces.try_next().await? {
            for piece in part {
                hasher.update(&piece);
                writer.write_all(&piece).await.map_err(ClientError::Io)?;
            }
        }
        writer.flush().await.map_err(ClientError::Io)?;
        if Digest(*hasher.finalize().as_bytes()) == object.root { Ok(()) } else { Err(ClientError::WrongObject) }
    }

    /// The bytes `range` of an object, chunk by chunk, some of them ahead.
    fn pieces<'a>(
        &'a self,
        owner: PublicKey,
        object: &'a ObjectRef,
        range: Range<u64>,
    ) -> Result<impl Stream<Item = Result<Vec<Bytes>, ClientError>> + Send + 'a, ClientError> {
        if range.start > range.end || range.end > object.length {
            return Err(ClientError::Range { length: object.length });
        }
        let all = range.end - range.start;
        let (first, end) = if all == 0 { (0, 0) } else { (range.start / CHUNK, range.end.div_ceil(CHUNK)) };
        let coders = Arc::new(Coders::new(object.params));
        let pages = stream::try_unfold(
            (Layout::new(self, owner, object), first / PAGE),
            move |(mut layout, number)| async move {
                if number >= end.div_ceil(PAGE) {
                    return Ok(None);
                }
                let page = Arc::new(layout.page(number).await?);
                Ok::<_, ClientError>(Some((page, (layout, number + 1))))
            },
        );
        let chunks = pages.map_ok(move |page| {
            let numbers = (page.number * PAGE).max(first)..(page.number * PAGE + PAGE).min(end);
            stream::iter(numbers.map(move |number| Ok((Arc::clone(&page), number))))
        });
        let (mut bytes_done, mut chunks_done) = (0, 0);
        let pieces = chunks
            .try_flatten()
            .map_ok(move |(page, number)| {
                let coders = Arc::clone(&coders);
                let start = number * CHUNK;
                let length = (object.length - start).min(CHUNK);
                let part = (range.start.max(start) - start) as usize..(range.end.min(start + length) - start) as usize;
                async move { self.fetch(&page, (number % PAGE) as usize, length as usize, part, &coders).await }
            })
            .try_buffered(self.config.parallel_chunks.max(1))
            .map_ok(move |Fetched { pieces, hosts }| {
                bytes_done += pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
                chunks_done += 1;
                self.report(Progress { bytes_done, bytes: Some(all), chunks_done, hosts });
                pieces
            });
        Ok(pieces)
    }
}
