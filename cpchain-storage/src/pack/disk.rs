//! What packs ask of a disk, and the folder that gives it.
//!
//! All of the store's writing goes through these two traits, so that the tests can put a disk under it that forgets what was
//! not synced, tears writes, fills up and fails to read.

use std::{fmt, io, sync::Arc};

use crate::chunk::StoreError;

/// Bytes of the header of a pack: magic, version, number, checksum.
pub(crate) const PACK_HEADER: u64 = 16;
const MAGIC: [u8; 6] = *b"CPPACK";
const VERSION: u16 = 1;

/// A folder of packs.
pub(crate) trait Disk: fmt::Debug + Send + Sync {
    /// The numbers of the packs that are there.
    fn list(&self) -> io::Result<Vec<u32>>;
    /// A pack that is there.
    fn open(&self, pack: u32) -> io::Result<Arc<dyn PackFile>>;
    /// A new, empty pack. What a failed attempt left under its name is taken over.
    fn create(&self, pack: u32) -> io::Result<Arc<dyn PackFile>>;
    /// Takes a pack away.
    fn delete(&self, pack: u32) -> io::Result<()>;
    /// Makes names durable: without it, a new pack may be gone after a power cut, or a deleted one back.
    fn sync_names(&self) -> io::Result<()>;
    /// The catalog, if there is one.
    fn read_catalog(&self) -> io::Result<Option<Vec<u8>>>;
    /// Replaces the catalog: after a power cut there is the old one or the new one. Durable when it returns.
    fn replace_catalog(&self, bytes: &[u8]) -> io::Result<()>;
}

/// One pack.
pub(crate) trait PackFile: fmt::Debug + Send + Sync {
    fn len(&self) -> io::Result<u64>;
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all parts, one behind the other. Only one call at a time.
    fn write_all_at(&self, parts: &[&[u8]], offset: u64) -> io::Result<()>;
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes what was written durable, and the length with it.
    fn sync(&self) -> io::Result<()>;
}

/// Names what was about to be done when the disk refused.
pub(crate) fn io_error(doing: &'static str) -> impl FnOnce(io::Error) -> StoreError {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    move |source| match source.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => StoreError::Full { doing },
        _ => StoreError::Io { doing, source },
    }
}

pub(crate) fn len(file: &dyn PackFile) -> Result<u64, StoreError> {
    file.len().map_err(io_error("reading the length of a pack"))
}

/// Magic, version, number and the first four bytes of the hash of those.
fn header(version: u16, pack: u32) -> [u8; PACK_HEADER as usize] {
    let mut header = [0; PACK_HEADER as usize];
    let (front, sum) = header.split_at_mut(12);
    let fields = [&MAGIC[..], &version.to_le_bytes(), &pack.to_le_bytes()];
    front.iter_mut().zip(fields.into_iter().flatten()).for_each(|(to, from)| *to = *from);
    sum.iter_mut().zip(cpchain_crypto::Digest::content(front).0).for_each(|(to, from)| *to = from);
    header
}

/// Makes a new pack; it and its name are durable when this returns.
pub(crate) fn create(disk: &dyn Disk, pack: u32) -> Result<Arc<dyn PackFile>, StoreError> {
    let file = disk.create(pack).map_err(io_error("making a pack"))?;
    write_header(&*file, pack)?;
    disk.sync_names().map_err(io_error("syncing the folder"))?;
    Ok(file)
}

pub(crate) fn write_header(file: &dyn PackFile, pack: u32) -> Result<(), StoreError> {
    file.write_all_at(&[&header(VERSION, pack)], 0).map_err(io_error("writing a pack header"))?;
    file.sync().map_err(io_error("syncing a new pack"))
}

/// Refuses a pack of another version. A damaged header does no harm, the frames stand for themselves.
pub(crate) fn check_version(file: &dyn PackFile, pack: u32) -> Result<(), StoreError> {
    let mut found = [0; PACK_HEADER as usize];
    if file.read_exact_at(&mut found, 0).is_err() {
        return Ok(());
    }
    let version = u16::from_le_bytes([found[6], found[7]]);
    if version != VERSION && found == header(version, pack) {
        return Err(StoreError::Version { pack, version });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_header() {
        assert_eq!(header(1, 7), *b"CPPACK\x01\0\x07\0\0\0\x3e\xdc\x4a\x53");
    }
}
