//! Intervals of a stream from a voucher alone: no list of uploads, no name of the stream, no trust in whoever answers.
//!
//! The voucher names the manifest of its upload by hash, each manifest the one before. They are fetched from the newest back to
//! where the intervals begin; then the blocks of these intervals, and no other bytes, from the shards that hold them.
//!
//! | rule | test |
//! | --- | --- |
//! | The newest manifest is the voucher's, each older one is named by the next; else the fault is named with its upload | `each_fault_on_the_way_has_a_name` |
//! | Blocks are those of the manifest, in order, chained, also from one upload to the next | `intervals_across_uploads_come_from_the_voucher_alone`, `a_block_that_the_owner_signed_wrongly_is_named` |
//! | Nothing is left out in silence: what is after the voucher's upload is an error, not an empty answer | `each_fault_on_the_way_has_a_name` |
//! | Only the bytes of the blocks are fetched | `few_bytes_are_fetched_for_few_intervals` |
//! | Four uploads are read side by side, and returned in order | `uploads_are_read_side_by_side` |

use std::ops::{Bound, Range, RangeBounds};

use bytes::Bytes;
use cpchain_crypto::{block::SealedBlock, key_tree::IntervalId};
use futures::{StreamExt, stream};

use super::{ClientError, StorageClient};
use crate::{
    codec::CodecRegistry,
    manifest::{Manifest, ManifestError},
    network::{ChunkTransport, Dht},
    reader::{KeySource, ReadError, check_order, read_blocks},
    table::Table,
    voucher::{Voucher, VoucherError},
};

/// Manifests that are fetched ahead, and uploads whose blocks are.
const AHEAD: usize = 4;

/// Why intervals were not read.
#[derive(Debug, thiserror::Error)]
pub enum IntervalError {
    /// The network failed, or has too few shards left.
    #[error("upload {upload}: {source}")]
    Network {
        /// The upload that was being fetched.
        upload: u64,
        /// What failed.
        source: ClientError,
    },
    /// Nobody knows the manifest of an upload.
    #[error("the manifest of upload {upload} is not in the network: ask its owner to publish it again")]
    MissingUpload {
        /// Its number.
        upload: u64,
    },
    /// What the owner published as a manifest is none of this upload.
    #[error("the manifest that is published for upload {upload} is not good: {source}")]
    Manifest {
        /// Its number.
        upload: u64,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// The published manifest is not the one that the voucher is about.
    #[error("upload {upload}: {source}")]
    Voucher {
        /// Its number.
        upload: u64,
        /// What differs.
        source: VoucherError,
    },
    /// A manifest is not the one that the next one names.
    #[error("upload {upload} is not followed by the next one: {source}")]
    Chain {
        /// The older of the two.
        upload: u64,
        /// What does not fit.
        source: ManifestError,
    },
    /// Intervals that are not in the voucher's upload nor before it.
    #[error("the voucher reaches to interval {last} only: take a later voucher of the stream")]
    Beyond {
        /// The last interval of its upload.
        last: IntervalId,
    },
    /// There is no block in these intervals.
    #[error("the stream has no block in these intervals")]
    NoBlocks,
    /// The blocks are not what the manifest says: the owner's fault.
    #[error("upload {upload}: {source}")]
    Blocks {
        /// Its number.
        upload: u64,
        /// Which block, and what is wrong with it.
        source: ReadError,
    },
}

/// The verified blocks of some intervals of one upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntervalPart {
    manifest: Manifest,
    intervals: Range<u32>,
    blocks: Vec<Bytes>,
}

impl IntervalPart {
    /// The manifest of the upload.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The sealed blocks, in order.
    pub fn blocks(&self) -> &[Bytes] {
        &self.blocks
    }

    /// The readings in the blocks.
    ///
    /// # Errors
    /// As [`read_blocks`].
    pub fn read(&self, keys: &(impl KeySource + ?Sized), codecs: &CodecRegistry) -> Result<Table, ReadError> {
        read_blocks(&self.manifest, self.intervals.clone(), &self.blocks, keys, codecs)
    }
}

impl<D: Dht, T: ChunkTransport> StorageClient<D, T> {
    /// The blocks of some intervals of a stream, in order, upload by upload: every one is proven to be what the owner signed
    /// for. `voucher` is of the upload that holds the last of them, or of a later one.
    ///
    /// All of them are in memory; [`uploads_of`](Self::uploads_of) and [`read_part`](Self::read_part) take one upload at a time.
    ///
    /// # Errors
    /// [`IntervalError`] says which upload or block is missing or wrong.
    pub async fn read_intervals(
        &self,
        voucher: &Voucher,
        intervals: impl RangeBounds<u32> + Send,
    ) -> Result<Vec<IntervalPart>, IntervalError> {
        let intervals = half_open(&intervals);
        let mut parts: Vec<IntervalPart> = Vec::new();
        let manifests = self.uploads(voucher, &intervals).await?;
        let reads = manifests.iter().map(|manifest| self.read_part(manifest, intervals.clone()));
        let mut read = std::pin::pin!(stream::iter(reads).buffered(AHEAD));
        while let Some(part) = read.next().await {
            let part = part?;
            if let (Some(before), Some(first)) = (parts.last(), part.blocks.first()) {
                let last = before.manifest.body().blocks.last().map(|entry| entry.hash);
                let is_next = SealedBlock::parse(first).is_ok_and(|block| Some(block.header().previous) == last);
                if !is_next {
                    let body = part.manifest.body();
                    let index = body.blocks.first().map_or(0, |entry| entry.index);
                    let source = ReadError::Chain { index };
                    return Err(IntervalError::Blocks { upload: body.upload, source });
                }
            }
            parts.push(part);
        }
        if parts.is_empty() { Err(IntervalError::NoBlocks) } else { Ok(parts) }
    }

    /// The manifests of the uploads that hold blocks of some intervals, oldest first, each proven by the voucher.
    ///
    /// # Errors
    /// [`IntervalError`], but `Blocks` and `NoBlocks`.
    pub async fn uploads_of(
        &self,
        voucher: &Voucher,
        intervals: impl RangeBounds<u32> + Send,
    ) -> Result<Vec<Manifest>, IntervalError> {
        self.uploads(voucher, &half_open(&intervals)).await
    }

    async fn uploads(&self, voucher: &Voucher, intervals: &Range<u32>) -> Result<Vec<Manifest>, IntervalError> {
        let of = *voucher.body();
        let fetch = |upload| async move { (upload, self.manifest_at(of.owner.public_key(), &of.stream, upload).await) };
        let mut fetched = std::pin::pin!(stream::iter((0..=of.upload).rev()).map(fetch).buffered(AHEAD));
        let mut newest_first: Vec<Manifest> = Vec::new();
        let mut next: Option<Manifest> = None;
        while let Some((upload, found)) = fetched.next().await {
            let manifest = match found {
                Ok(Some(manifest)) => manifest,
                Ok(None) => return Err(IntervalError::MissingUpload { upload }),
                Err(ClientError::Manifest(source)) => return Err(IntervalError::Manifest { upload, source }),
                Err(source) => return Err(IntervalError::Network { upload, source }),
            };
            match &next {
                None => {
                    voucher.matches(&manifest).map_err(|source| IntervalError::Voucher { upload, source })?;
                    let last = manifest.body().intervals.last().map_or(IntervalId(0), |entry| entry.interval);
                    if intervals.end != u32::MAX && intervals.end > last.0.saturating_add(1) {
                        return Err(IntervalError::Beyond { last });
                    }
                }
                Some(next) => {
                    next.follows(Some(&manifest)).map_err(|source| IntervalError::Chain { upload, source })?;
                }
            }
            if !manifest.body().blocks_of(intervals.clone()).is_empty() {
                newest_first.push(manifest.clone());
            }
            let first = manifest.body().intervals.first().map_or(0, |entry| entry.interval.0);
            if first <= intervals.start {
                break;
            }
            next = Some(manifest);
        }
        newest_first.reverse();
        Ok(newest_first)
    }

    /// The blocks of some intervals of one upload, whose manifest is taken as proven.
    ///
    /// # Errors
    /// [`IntervalError::Network`], [`IntervalError::NoBlocks`], [`IntervalError::Blocks`].
    pub async fn read_part(
        &self,
        manifest: &Manifest,
        intervals: impl RangeBounds<u32> + Send,
    ) -> Result<IntervalPart, IntervalError> {
        let (body, intervals) = (manifest.body(), half_open(&intervals));
        let upload = body.upload;
        let entries = body.blocks_of(intervals.clone());
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Err(IntervalError::NoBlocks) };
        let range = first.offset..last.offset.saturating_add(u64::from(last.length));
        let bytes = self.get_range(body.stream.owner().public_key(), &body.object, range).await;
        let mut bytes = bytes.map_err(|source| IntervalError::Network { upload, source })?;
        // The manifest's blocks lie one after another, so these are exactly theirs.
        let blocks: Vec<Bytes> =
            entries.iter().map(|entry| bytes.split_to(bytes.len().min(entry.length as usize))).collect();
        check_order(manifest, entries, &blocks).map_err(|source| IntervalError::Blocks { upload, source })?;
        Ok(IntervalPart { manifest: manifest.clone(), intervals, blocks })
    }
}

/// `u32::MAX` as the end stands for an open one.
fn half_open(intervals: &impl RangeBounds<u32>) -> Range<u32> {
    let start = match intervals.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match intervals.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u32::MAX,
    };
    start..end
}
