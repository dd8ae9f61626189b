//! Columns of numbers compressed by `pco`, without loss.
//!
//! A column's first byte says how it is written.
//!
//! | first byte | column |
//! | --- | --- |
//! | `p` (of `pco!`) | the numbers as they are, in the standalone format of `pco` |
//! | 1, timestamps | evenly spaced: the first and the step, as LEB128 |
//! | 1, values | decimals ([`decimal`](super::decimal)): sensors print 16.4, which is 164 tenths |
//!
//! The decoder of `pco` is fed bytes that a stranger may have made. So the number of readings comes from the block
//! header and is bounded before anything is allocated, each chunk's claim is checked against it, and a panic in the
//! decoder is caught and becomes an error. What the decoder itself allocates is bounded too: a dictionary by the bytes that
//! must follow it, a lookback window by the largest one that the encoder makes.

use pco::DeltaSpec;

use super::{Codec, CodecError, columns, decimal, numbers, varint};
use crate::table::Table;

/// First byte of evenly spaced timestamps, and of decimals.
pub(super) const OURS: u8 = 1;

/// Codec 1: `pco`, a third of the size of general-purpose compression on sensor readings. Opaque payloads stay as they are.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pco;

impl Codec for Pco {
    fn id(&self) -> u16 {
        1
    }

    fn encode(&self, table: &Table) -> Result<Vec<u8>, CodecError> {
        columns::encode(table, encode_times, encode_values)
    }

    fn decode(&self, body: &[u8], rows: u32) -> Result<Table, CodecError> {
        columns::decode(body, rows, decode_times, decode_values)
    }
}

fn encode_times(times: &[u64]) -> Result<Vec<u8>, CodecError> {
    let Some(first) = times.first() else { return numbers::compress(times, DeltaSpec::Auto) };
    let step = times.get(1).map_or(0, |second| second.wrapping_sub(*first));
    if !times.windows(2).all(|pair| matches!(pair, [a, b] if b.wrapping_sub(*a) == step)) {
        return numbers::compress(times, DeltaSpec::Auto);
    }
    let mut out = vec![OURS];
    varint::put(&mut out, *first);
    varint::put(&mut out, step);
    Ok(out)
}

fn decode_times(bytes: &[u8], rows: usize) -> Result<Vec<u64>, CodecError> {
    let Some((&OURS, mut rest)) = bytes.split_first() else { return numbers::decompress(bytes, rows) };
    let (first, step) = (varint::take(&mut rest)?, varint::take(&mut rest)?);
    let last = (rows as u64).checked_sub(1).and_then(|steps| first.checked_add(step.checked_mul(steps)?));
    if last.is_none() || !rest.is_empty() {
        return Err(CodecError::corrupt("timestamps beyond the end of time"));
    }
    Ok((0..rows as u64).map(|row| first + row * step).collect())
}

fn encode_values(values: &[f64]) -> Result<Vec<u8>, CodecError> {
    match decimal::encode(values)? {
        Some(decimals) => Ok(decimals),
        None => numbers::compress(values, DeltaSpec::Auto),
    }
}

fn decode_values(bytes: &[u8], rows: usize) -> Result<Vec<f64>, CodecError> {
    match bytes.split_first() {
        Some((&OURS, rest)) => decimal::decode(rest, rows),
        _ => numbers::decompress(bytes, rows),
    }
}
