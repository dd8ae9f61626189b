//! The frame that the built-in codecs share: a version, then column names, then the bytes of each column.
//!
//! Layout, little endian: version `u8`, number of value columns `u16`, for each its name as `u16` length and UTF-8;
//! then the timestamps and each value column as `u32` length and bytes.

use super::{CodecError, MAX_COLUMN_NAME, check_size};
use crate::table::Table;

const VERSION: u8 = 1;

/// Writes the frame around columns that `column` encodes.
pub(super) fn encode(
    table: &Table,
    timestamps: impl FnOnce(&[u64]) -> Result<Vec<u8>, CodecError>,
    mut values: impl FnMut(&[f64]) -> Result<Vec<u8>, CodecError>,
) -> Result<Vec<u8>, CodecError> {
    check_size(table.len(), table.columns().len())?;
    let mut out = vec![VERSION];
    let count = u16::try_from(table.columns().len()).map_err(|_| CodecError::TooLarge)?;
    out.extend(count.to_le_bytes());
    for column in table.columns() {
        let length = u16::try_from(column.name().len()).map_err(|_| CodecError::TooLarge)?;
        out.extend(length.to_le_bytes());
        out.extend(column.name().as_bytes());
    }
    put(&mut out, &timestamps(table.timestamps_ms())?)?;
    for column in table.columns() {
        put(&mut out, &values(column.values())?)?;
    }
    Ok(out)
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), CodecError> {
    let length = u32::try_from(bytes.len()).map_err(|_| CodecError::TooLarge)?;
    out.extend(length.to_le_bytes());
    out.extend(bytes);
    Ok(())
}

/// Reads the frame; the closures decode exactly `rows` numbers from a column's bytes.
pub(super) fn decode(
    body: &[u8],
    rows: u32,
    timestamps: impl FnOnce(&[u8], usize) -> Result<Vec<u64>, CodecError>,
    mut values: impl FnMut(&[u8], usize) -> Result<Vec<f64>, CodecError>,
) -> Result<Table, CodecError> {
    let mut rest = body;
    let [version] = take::<1>(&mut rest)?;
    if version != VERSION {
        return Err(CodecError::corrupt("unknown version"));
    }
    let count = usize::from(u16::from_le_bytes(take(&mut rest)?));
    let rows = rows as usize;
    check_size(rows, count)?;
    let mut names = Vec::with_capacity(count);
    for _ in 0..count {
        let length = usize::from(u16::from_le_bytes(take(&mut rest)?));
        if length > MAX_COLUMN_NAME {
            return Err(CodecError::corrupt("a column name is too long"));
        }
        let name = std::str::from_utf8(split(&mut rest, length)?).map_err(CodecError::corrupt)?;
        names.push(name.to_owned());
    }
    let timestamps = timestamps(column(&mut rest)?, rows)?;
    let mut columns = Vec::with_capacity(count);
    for name in names {
        columns.push((name, values(column(&mut rest)?, rows)?));
    }
    if !rest.is_empty() {
        return Err(CodecError::corrupt("bytes after the last column"));
    }
    Table::from_columns(timestamps, columns).map_err(CodecError::corrupt)
}

fn column<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], CodecError> {
    let length = u32::from_le_bytes(take(rest)?);
    split(rest, length as usize)
}

fn split<'a>(rest: &mut &'a [u8], at: usize) -> Result<&'a [u8], CodecError> {
    let (head, tail) = rest.split_at_checked(at).ok_or_else(|| CodecError::corrupt("it ends too early"))?;
    *rest = tail;
    Ok(head)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], CodecError> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or_else(|| CodecError::corrupt("it ends too early"))?;
    *rest = tail;
    Ok(*head)
}
