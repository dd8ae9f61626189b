//! Sealing an upload: counter first, then blocks, object, manifest, voucher, outbox, and the counter again.

use cpchain_crypto::{
    Digest, Signer,
    block::{BlockHeader, SealedBlock, seal},
    key_tree::IntervalId,
    merkle::RootBuilder,
};

use super::{
    Gateway, GatewayError,
    journal::{self, Position},
    outbox::{self, Upload},
};
use crate::{
    erasure::{ErasureError, encode_stream},
    manifest::{BlockEntry, IntervalEntry, Manifest, ManifestBody},
    stream::StreamId,
    voucher::Voucher,
};

/// A block that is compressed and not yet sealed.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) start_ms: u64,
    pub(super) last_ms: u64,
    pub(super) count: u32,
    pub(super) body: Vec<u8>,
}

/// Where a stream goes on after `last`.
pub(super) fn position_after(stream: &StreamId, last: Option<&Upload>, unused: u32) -> Result<Position, GatewayError> {
    let start = Position { next_interval: unused, burnt: unused, ..Position::start(stream.digest()) };
    let Some(last) = last else { return Ok(start) };
    let body = last.manifest.body();
    if body.stream != *stream {
        return Err(GatewayError::OtherStream);
    }
    let (Some(block), Some(interval)) = (body.blocks.last(), body.intervals.last()) else { return Ok(start) };
    let next_interval = interval.interval.0.checked_add(1).ok_or(GatewayError::Exhausted)?.max(unused);
    Ok(Position {
        next_block: block.index.checked_add(1).ok_or(GatewayError::Exhausted)?,
        next_upload: body.upload.checked_add(1).ok_or(GatewayError::Exhausted)?,
        // The readings are sealed, their last time is not public: the source goes on with the next period.
        last_ms: Some(block.start_ms.saturating_add(body.period_ms - 1)),
        next_interval,
        burnt: next_interval,
        block: block.hash,
        manifest: last.manifest.hash(),
        voucher: last.voucher.hash(),
        ..start
    })
}

impl<S: Signer> Gateway<S> {
    /// Compresses the readings at hand into the next block of the upload.
    pub(super) fn close_block(&mut self) -> Result<(), GatewayError> {
        let body = self.codecs.encode(self.config.codec, &self.table)?;
        let last_ms = self.table.timestamps_ms().last().copied().unwrap_or(self.start_ms);
        let count = self.table.len() as u32;
        let block = Pending { start_ms: self.start_ms, last_ms, count, body };
        self.open.close_block(&block)?;
        self.pending_bytes += block.body.len();
        self.pending.push(block);
        self.table.clear();
        self.block_bytes = 0;
        Ok(())
    }

    /// Seals the pending blocks into an upload.
    pub(super) fn seal_upload(&mut self) -> Result<Upload, GatewayError> {
        let blocks = self.pending.len() as u32;
        let intervals = blocks.div_ceil(self.config.blocks_per_interval);
        let first = self.position.next_interval;
        let burnt = first.checked_add(intervals).ok_or(GatewayError::Exhausted)?;
        self.position.burnt = burnt;
        journal::save(&self.dir, &self.position)?;

        let upload = self.make_upload(first)?;
        let body = upload.manifest.body();
        let after = Position {
            next_block: self.position.next_block.checked_add(u64::from(blocks)).ok_or(GatewayError::Exhausted)?,
            next_upload: self.position.next_upload.checked_add(1).ok_or(GatewayError::Exhausted)?,
            last_ms: self.pending.last().map(|block| block.last_ms),
            next_interval: burnt,
            block: body.blocks.last().map_or(self.position.block, |block| block.hash),
            manifest: upload.manifest.hash(),
            voucher: upload.voucher.hash(),
            ..self.position
        };
        outbox::put(&self.dir, &upload)?;
        journal::save(&self.dir, &after)?;
        self.position = after;
        self.pending.clear();
        self.pending_bytes = 0;
        self.open.next_upload(after.next_upload)?;
        tracing::debug!(stream = %self.stream, upload = upload.number(), blocks, bytes = upload.object.len(), "upload");
        Ok(upload)
    }

    fn make_upload(&self, first_interval: u32) -> Result<Upload, GatewayError> {
        let stream = self.stream.digest();
        let (mut object, mut commitments) = (Vec::new(), Vec::new());
        let mut leaves = RootBuilder::default();
        let mut leaf_count = 0u32;
        let (mut entries, mut intervals) = (Vec::new(), Vec::new());
        let mut previous = self.position.block;
        let mut index = self.position.next_block;
        let groups = self.pending.chunks(self.config.blocks_per_interval as usize);
        for (interval, blocks) in (first_interval..).map(IntervalId).zip(groups) {
            let key = self.secret.interval_key(interval);
            intervals.push(IntervalEntry { interval, key_commitment: key.commitment() });
            for block in blocks {
                let header = BlockHeader {
                    stream,
                    index,
                    interval,
                    start_ms: block.start_ms,
                    count: block.count,
                    codec: self.config.codec,
                    body_len: u32::try_from(block.body.len()).map_err(|_| cpchain_crypto::BlockError::TooLong)?,
                    previous,
                };
                let (bytes, of_leaves) = seal(&header, &key, &block.body)?;
                let sealed = SealedBlock::parse(&bytes)?;
                for ((leaf, cipher), commitment) in (0u32..).zip(sealed.leaves()).zip(&of_leaves) {
                    leaves.push(commitment.merkle_leaf(&header, leaf, cipher));
                    commitments.extend(commitment.to_bytes());
                    leaf_count = leaf_count.saturating_add(1);
                }
                previous = sealed.hash();
                entries.push(BlockEntry {
                    index,
                    interval,
                    hash: previous,
                    offset: object.len() as u64,
                    length: u32::try_from(bytes.len()).map_err(|_| cpchain_crypto::BlockError::TooLong)?,
                    start_ms: block.start_ms,
                    count: block.count,
                });
                object.extend_from_slice(&bytes);
                index = index.checked_add(1).ok_or(GatewayError::Exhausted)?;
            }
        }
        object.extend_from_slice(&commitments);
        let coded = encode_stream(object.as_slice(), self.config.erasure, |_| Ok::<(), ErasureError>(()))?;
        let end_ms = self.pending.last().map_or(0, |block| block.last_ms);
        let body = ManifestBody {
            stream: self.stream.clone(),
            upload: self.position.next_upload,
            period_ms: self.config.period_ms,
            blocks: entries,
            intervals,
            object: coded,
            leaf_root: leaves.root(),
            leaf_count,
            previous: self.position.manifest,
            expires_ms: end_ms.saturating_add(self.config.keep_ms),
        };
        let manifest = Manifest::sign(body, &self.signer)?;
        let voucher = Voucher::sign(&manifest, self.position.voucher, self.config.access, &self.signer)?;
        debug_assert!(self.position.next_upload > 0 || self.position.manifest == Digest::ZERO);
        Ok(Upload { manifest, voucher, object: object.into() })
    }
}
