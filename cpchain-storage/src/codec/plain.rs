//! Columns as they are, 8 bytes a number.

use super::{Codec, CodecError, columns};
use crate::table::Table;

/// Codec 0: no compression.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plain;

impl Codec for Plain {
    fn id(&self) -> u16 {
        0
    }

    fn encode(&self, table: &Table) -> Result<Vec<u8>, CodecError> {
        columns::encode(
            table,
            |times| Ok(times.iter().flat_map(|time| time.to_le_bytes()).collect()),
            |values| Ok(values.iter().flat_map(|value| value.to_bits().to_le_bytes()).collect()),
        )
    }

    fn decode(&self, body: &[u8], rows: u32) -> Result<Table, CodecError> {
        columns::decode(body, rows, words, |bytes, rows| {
            Ok(words(bytes, rows)?.into_iter().map(f64::from_bits).collect())
        })
    }
}

fn words(bytes: &[u8], rows: usize) -> Result<Vec<u64>, CodecError> {
    let (words, rest) = bytes.as_chunks::<8>();
    if words.len() != rows || !rest.is_empty() {
        return Err(CodecError::corrupt("a column has another number of readings than the header says"));
    }
    Ok(words.iter().map(|word| u64::from_le_bytes(*word)).collect())
}
