//! Codecs: how the readings of a block become bytes, chosen per stream and recorded in every block header.
//!
//! | id | codec | for |
//! | --- | --- | --- |
//! | 0 | [`Plain`] | columns as they are: for tests and for codecs to be compared with |
//! | 1 | `Pco` (feature `pco`) | numeric columns, compressed without loss |
//! | 2 | `Zstd` (feature `zstd`) | opaque payloads that repeat |
//!
//! Every codec takes every table: opaque payloads stay as they are under 0 and 1, which suits images that are compressed already.
//!
//! Others are registered by the application under ids of its own, from 0x8000 on.
//!
//! Rules and the tests that hold them (`tests/codec.rs`):
//! - every `f64` comes back bit for bit, NaN payloads and signed zeros too (`floats_return_bit_for_bit`);
//! - hostile bytes give an error: no panic, no memory beyond [`MAX_CELLS`] (`hostile_bytes_are_refused`, `a_bomb_of_zstd_is_refused`);
//! - what was written once is read for ever (`golden_vectors`).

mod columns;
#[cfg(feature = "pco")]
mod decimal;
#[cfg(feature = "pco")]
mod numbers;
#[cfg(feature = "pco")]
mod pco;
mod plain;
#[cfg(feature = "pco")]
mod season;
mod varint;
#[cfg(feature = "zstd")]
mod zstd;

use std::{collections::BTreeMap, fmt, sync::Arc};

#[cfg(feature = "pco")]
pub use self::pco::Pco;
pub use self::plain::Plain;
#[cfg(feature = "zstd")]
pub use self::zstd::{MAX_UNPACKED, Zstd};
use crate::table::Table;

/// Readings of the longest block.
pub const MAX_ROWS: u32 = 1 << 20;
/// Columns of the widest table.
pub const MAX_COLUMNS: usize = 1024;
/// Numbers (timestamps too) in the largest table: 128 MiB of them.
pub const MAX_CELLS: usize = 1 << 24;
/// Bytes of the longest column name.
pub const MAX_COLUMN_NAME: usize = 256;

/// Why readings were not encoded, or bytes not decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// No codec of this number is registered.
    #[error("codec {0} is not registered: register it, or update")]
    Unknown(u16),
    /// A codec of this number is there already.
    #[error("codec {0} is registered already")]
    Taken(u16),
    /// More rows or columns than a block holds.
    #[error("a block holds at most 2^20 readings, 1024 columns and 2^24 numbers: shorten the period T")]
    TooLarge,
    /// The bytes are not what this codec writes.
    #[error("the block body is not what its codec writes: {0}")]
    Corrupt(String),
}

impl CodecError {
    fn corrupt(why: impl fmt::Display) -> Self {
        Self::Corrupt(why.to_string())
    }
}

/// Turns tables into bytes and back. Pure: the same table gives bytes that decode to the same table, on every machine.
pub trait Codec: Send + Sync {
    /// The number that stands in block headers.
    fn id(&self) -> u16;

    /// Encodes the readings of a block, in time order.
    ///
    /// # Errors
    /// [`CodecError::TooLarge`].
    fn encode(&self, table: &Table) -> Result<Vec<u8>, CodecError>;

    /// Decodes a body that must hold exactly `rows` readings (at most [`MAX_ROWS`]). The bytes are **not** trusted:
    /// never panics, and takes memory in proportion to what `rows` and the limits above allow.
    ///
    /// # Errors
    /// [`CodecError::Corrupt`], [`CodecError::TooLarge`].
    fn decode(&self, body: &[u8], rows: u32) -> Result<Table, CodecError>;
}

/// The codecs that a reader or a gateway knows, by number.
///
#[cfg_attr(feature = "pco", doc = "```")]
#[cfg_attr(not(feature = "pco"), doc = "```ignore")]
/// use cpchain_storage::{Table, codec::CodecRegistry};
/// let mut table = Table::new(["temperature"])?;
/// table.push(1_262_307_600_000, &[4.0])?;
/// let codecs = CodecRegistry::default();
/// let body = codecs.encode(1, &table)?;
/// assert_eq!(codecs.decode(1, &body, 1)?, table);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct CodecRegistry(BTreeMap<u16, Arc<dyn Codec>>);

impl Default for CodecRegistry {
    /// [`Plain`], and the codecs whose features are on.
    fn default() -> Self {
        let built_in: [Arc<dyn Codec>; _] = [
            Arc::new(Plain),
            #[cfg(feature = "pco")]
            Arc::new(Pco),
            #[cfg(feature = "zstd")]
            Arc::new(Zstd),
        ];
        Self(built_in.into_iter().map(|codec| (codec.id(), codec)).collect())
    }
}

impl fmt::Debug for CodecRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CodecRegistry").field(&self.0.keys().collect::<Vec<_>>()).finish()
    }
}

impl CodecRegistry {
    /// Adds a codec.
    ///
    /// # Errors
    /// [`CodecError::Taken`].
    pub fn register(&mut self, codec: Arc<dyn Codec>) -> Result<(), CodecError> {
        let id = codec.id();
        if self.0.contains_key(&id) {
            return Err(CodecError::Taken(id));
        }
        self.0.insert(id, codec);
        Ok(())
    }

    /// Is there a codec of this number?
    pub fn contains(&self, id: u16) -> bool {
        self.0.contains_key(&id)
    }

    /// Encodes with codec `id`.
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn encode(&self, id: u16, table: &Table) -> Result<Vec<u8>, CodecError> {
        check_size(table.len(), table.columns().len())?;
        self.0.get(&id).ok_or(CodecError::Unknown(id))?.encode(table)
    }

    /// Decodes with codec `id` and checks that there are `rows` rows.
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn decode(&self, id: u16, body: &[u8], rows: u32) -> Result<Table, CodecError> {
        check_size(rows as usize, 0)?;
        let table = self.0.get(&id).ok_or(CodecError::Unknown(id))?.decode(body, rows)?;
        if table.len() != rows as usize {
            return Err(CodecError::corrupt("another number of readings than the header says"));
        }
        Ok(table)
    }
}

fn check_size(rows: usize, columns: usize) -> Result<(), CodecError> {
    if rows > MAX_ROWS as usize || columns > MAX_COLUMNS || rows.saturating_mul(columns + 1) > MAX_CELLS {
        return Err(CodecError::TooLarge);
    }
    Ok(())
}
