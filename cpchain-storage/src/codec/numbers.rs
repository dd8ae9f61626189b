//! Whole columns of numbers through `pco`, and back from bytes that nobody vouches for.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pco::{
    ChunkConfig, DeltaSpec, FULL_BATCH_N,
    data_types::Number,
    metadata::DeltaEncoding,
    standalone::{DecompressorItem, FileDecompressor, simple_compress},
};

use super::CodecError;

/// The encoder's largest lookback window has 2^15 numbers; the format allows 2^24.
const MAX_WINDOW_LOG: u32 = 15;

pub(super) fn compress<T: Number>(numbers: &[T], delta: DeltaSpec) -> Result<Vec<u8>, CodecError> {
    simple_compress(numbers, &ChunkConfig::default().with_delta_spec(delta)).map_err(CodecError::corrupt)
}

/// Exactly `rows` numbers.
pub(super) fn decompress<T: Number + Default>(bytes: &[u8], rows: usize) -> Result<Vec<T>, CodecError> {
    // The closure owns all that it changes, so nothing half-changed can be seen after a panic.
    catch_unwind(AssertUnwindSafe(|| decompress_bounded(bytes, rows)))
        .unwrap_or_else(|_| Err(CodecError::corrupt("the decoder gave up")))
}

fn decompress_bounded<T: Number + Default>(bytes: &[u8], rows: usize) -> Result<Vec<T>, CodecError> {
    let wrong_count = || CodecError::corrupt("a column has another number of readings than the header says");
    let (file, mut rest) = FileDecompressor::new(bytes).map_err(CodecError::corrupt)?;
    let mut numbers: Vec<T> = Vec::new();
    loop {
        let mut chunk = match file.chunk_decompressor::<T, _>(rest).map_err(CodecError::corrupt)? {
            DecompressorItem::Chunk(chunk) => chunk,
            DecompressorItem::EndOfData(after) if after.is_empty() && numbers.len() == rows => return Ok(numbers),
            DecompressorItem::EndOfData(_) => return Err(wrong_count()),
        };
        // The window is not allocated before the first read.
        if let DeltaEncoding::Lookback { config, .. } = &chunk.meta().delta_encoding
            && config.window_n_log > MAX_WINDOW_LOG
        {
            return Err(CodecError::corrupt("its lookback window is larger than any encoder makes"));
        }
        let start = numbers.len();
        let end = start.checked_add(chunk.n()).filter(|end| *end <= rows).ok_or_else(wrong_count)?;
        // Grown batch by batch: a chunk must yield readings before it gets memory for more.
        while numbers.len() < end {
            let at = numbers.len();
            numbers.resize(end.min(at + FULL_BATCH_N), T::default());
            let batch = numbers.get_mut(at..).unwrap_or_default();
            let read = chunk.read(batch).map_err(CodecError::corrupt)?.n_processed;
            if read != batch.len() {
                return Err(CodecError::corrupt("a column ends too early"));
            }
        }
        rest = chunk.into_src();
    }
}
