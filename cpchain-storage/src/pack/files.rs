//! The pack files of a store: names, headers, positioned reads and writes, and what must reach the disk.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{chunk::StoreError, durable::sync_dir};

/// Bytes of the header of a pack: magic, version, number.
pub(crate) const PACK_HEADER: u64 = 16;
const MAGIC: [u8; 8] = *b"CPPACK\x00\x01";

/// Names what was about to be done when the disk refused.
pub(crate) fn io_error(doing: &'static str) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Io { doing, source }
}

fn path(dir: &Path, pack: u32) -> PathBuf {
    dir.join(format!("{pack:08}.pack"))
}

/// Opens all packs of a folder, by number.
pub(crate) fn open_all(dir: &Path) -> Result<BTreeMap<u32, Arc<File>>, StoreError> {
    let mut packs = BTreeMap::new();
    for entry in std::fs::read_dir(dir).map_err(io_error("listing the packs"))? {
        let entry = entry.map_err(io_error("listing the packs"))?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".pack")).and_then(|n| n.parse::<u32>().ok());
        let Some(number) = number else { continue };
        let file = OpenOptions::new().read(true).write(true).open(entry.path()).map_err(io_error("opening a pack"))?;
        check_header(&file, number)?;
        packs.insert(number, Arc::new(file));
    }
    Ok(packs)
}

fn check_header(file: &File, pack: u32) -> Result<(), StoreError> {
    let mut header = [0; PACK_HEADER as usize];
    if len(file)? < PACK_HEADER {
        // The file was made, but not its header, when the power went: it holds nothing yet.
        return write_header(file, pack);
    }
    read_exact_at(file, &mut header, 0).map_err(io_error("reading a pack header"))?;
    // A damaged header does no harm, the frames stand for themselves; a whole one of another version does.
    let (magic, _) = header.split_at(MAGIC.len());
    if magic.starts_with(b"CPPACK") && magic != MAGIC {
        let newer = io::Error::new(io::ErrorKind::InvalidData, "the pack was written by a newer version: update");
        return Err(io_error("opening a pack")(newer));
    }
    Ok(())
}

fn write_header(file: &File, pack: u32) -> Result<(), StoreError> {
    let mut header = MAGIC.to_vec();
    header.extend(pack.to_le_bytes());
    header.resize(PACK_HEADER as usize, 0);
    write_all_at(file, &header, 0).map_err(io_error("writing a pack header"))?;
    file.sync_data().map_err(io_error("syncing a new pack"))
}

/// Makes a new pack; it and its name are durable when this returns.
pub(crate) fn create(dir: &Path, pack: u32) -> Result<Arc<File>, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    let file = options.open(path(dir, pack)).map_err(io_error("making a pack"))?;
    write_header(&file, pack)?;
    sync_dir(dir).map_err(io_error("syncing the folder"))?;
    Ok(Arc::new(file))
}

/// Deletes a pack.
pub(crate) fn delete(dir: &Path, pack: u32) -> Result<(), StoreError> {
    std::fs::remove_file(path(dir, pack)).map_err(io_error("deleting a pack"))?;
    sync_dir(dir).map_err(io_error("syncing the folder"))
}

pub(crate) fn len(file: &File) -> Result<u64, StoreError> {
    Ok(file.metadata().map_err(io_error("reading the length of a pack"))?.len())
}

#[cfg(unix)]
pub(crate) fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(unix)]
pub(crate) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
pub(crate) fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                buffer = buffer.get_mut(n..).unwrap_or_default();
                offset += n as u64;
            }
        }
    }
    Ok(())
}

#[cfg(windows)]
pub(crate) fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, bytes, offset)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            n => {
                bytes = bytes.get(n..).unwrap_or_default();
                offset += n as u64;
            }
        }
    }
    Ok(())
}
