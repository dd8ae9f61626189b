//! The frame that the built-in codecs share: a version, then column names, then the bytes of each column.
//!
//! Layout, little endian: version `u8`, number of value columns `u16`, for each its name as `u16` length and UTF-8;
//! then the timestamps and each value column as `u32` length and bytes. Version 2 goes on with the opaque payloads: the length of
//! each as LEB128, then their bytes.

use bytes::Bytes;

use super::{CodecError, MAX_COLUMN_NAME, check_size, varint};
use crate::table::{MAX_PAYLOAD_LEN, Table};

const NUMBERS: u8 = 1;
const PAYLOADS: u8 = 2;

/// Writes the frame around columns that `column` encodes.
pub(super) fn encode(
    table: &Table,
    timestamps: impl FnOnce(&[u64]) -> Result<Vec<u8>, CodecError>,
    mut values: impl FnMut(&[f64]) -> Result<Vec<u8>, CodecError>,
) -> Result<Vec<u8>, CodecError> {
    check_size(table.len(), table.columns().len())?;
    let mut out = vec![if table.payloads().is_some() { PAYLOADS } else { NUMBERS }];
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
    let payloads = table.payloads().unwrap_or_default();
    payloads.iter().for_each(|payload| varint::put(&mut out, payload.len() as u64));
    payloads.iter().for_each(|payload| out.extend_from_slice(payload));
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
    if version != NUMBERS && version != PAYLOADS {
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
    let payloads = if version == PAYLOADS { Some(payloads(&mut rest, rows)?) } else { None };
    if !rest.is_empty() {
        return Err(CodecError::corrupt("bytes after the last column"));
    }
    let table = Table::from_columns(timestamps, columns).map_err(CodecError::corrupt)?;
    match payloads {
        Some(payloads) => table.set_payloads(payloads).map_err(CodecError::corrupt),
        None => Ok(table),
    }
}

fn payloads(rest: &mut &[u8], rows: usize) -> Result<Vec<Bytes>, CodecError> {
    // One length takes one byte at least: no memory for more than there can be.
    let mut lengths = Vec::with_capacity(rows.min(rest.len()));
    for _ in 0..rows {
        let length = usize::try_from(varint::take(rest)?).map_err(CodecError::corrupt)?;
        if length > MAX_PAYLOAD_LEN {
            return Err(CodecError::corrupt("a payload is too long"));
        }
        lengths.push(length);
    }
    lengths.into_iter().map(|length| Ok(Bytes::copy_from_slice(split(rest, length)?))).collect()
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
