//! One file of a record log: a header, then frames.
//!
//! Header: `CPRECS`, 0, version 1, the number of the file (u32), four zero bytes. Frame: `REC1`, length (u32), origin (u32),
//! the first eight bytes of BLAKE3 over length, origin and record, the record. Numbers are little endian.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    sync::Arc,
};

use bytes::Bytes;

use crate::network::record::MAX_RECORD_BYTES;

/// Bytes before the first frame.
pub(super) const HEADER: usize = 16;
/// Bytes of a frame before its record.
pub(super) const FRAME: usize = 20;
const MAGIC: [u8; 8] = *b"CPRECS\x00\x01";
const MARK: [u8; 4] = *b"REC1";

/// An open file of the log.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) file: Arc<File>,
    /// Where the next frame goes.
    pub(super) end: u64,
    /// Bytes of frames that count.
    pub(super) live: u64,
}

impl Segment {
    pub(super) fn create(path: &Path, number: u32) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        let mut header = [0; HEADER];
        put(&mut header, 0, &MAGIC);
        put(&mut header, 8, &number.to_le_bytes());
        write_at(&file, &header, 0)?;
        Ok(Self { file: Arc::new(file), end: HEADER as u64, live: 0 })
    }

    /// Opens a file and reads it once. `each` hears the offset, origin and bytes of every whole frame; returns the bytes in
    /// which there was none.
    pub(super) fn open(path: &Path, each: &mut dyn FnMut(u32, u32, Bytes)) -> io::Result<(Self, u64)> {
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut content = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        file.read_to_end(&mut content)?;
        if content.starts_with(b"CPRECS") && !content.starts_with(&MAGIC) {
            let why = "the record log was written by a newer version: update";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        let content = Bytes::from(content);
        let (mut at, mut damaged, mut end) = (HEADER, 0, HEADER);
        while at < content.len() {
            match frame(&content, at) {
                Some((origin, record)) => {
                    let length = FRAME + record.len();
                    each(u32::try_from(at).unwrap_or(u32::MAX), origin, record);
                    at += length;
                    end = at;
                }
                None => {
                    let next = next_mark(&content, at + 1);
                    damaged += (next - at) as u64;
                    at = next;
                }
            }
        }
        // A torn tail is written over.
        Ok((Self { file: Arc::new(file), end: end as u64, live: 0 }, damaged))
    }

    /// Appends a frame and returns where it begins.
    pub(super) fn append(&mut self, origin: u32, record: &[u8]) -> io::Result<u32> {
        let length = u32::try_from(record.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let at = u32::try_from(self.end).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut frame = Vec::with_capacity(FRAME + record.len());
        frame.extend_from_slice(&MARK);
        frame.extend_from_slice(&length.to_le_bytes());
        frame.extend_from_slice(&origin.to_le_bytes());
        frame.extend_from_slice(&check(length, origin, record));
        frame.extend_from_slice(record);
        write_at(&self.file, &frame, self.end)?;
        self.end += frame.len() as u64;
        Ok(at)
    }

    /// The record of the frame at `offset`, if it is whole.
    pub(super) fn read(&self, offset: u32) -> io::Result<Option<Bytes>> {
        let mut head = [0; FRAME];
        let at = u64::from(offset);
        if at + FRAME as u64 > self.end {
            return Ok(None);
        }
        read_at(&self.file, &mut head, at)?;
        let length = u32_at(&head, 4).unwrap_or(u32::MAX) as usize;
        if length > MAX_RECORD_BYTES || at + (FRAME + length) as u64 > self.end {
            return Ok(None);
        }
        let mut whole = head.to_vec();
        whole.resize(FRAME + length, 0);
        read_at(&self.file, whole.get_mut(FRAME..).unwrap_or_default(), at + FRAME as u64)?;
        Ok(frame(&Bytes::from(whole), 0).map(|(_, record)| record))
    }

    /// All whole frames again, for a clean-up.
    pub(super) fn frames(&self, each: &mut dyn FnMut(u32, u32, Bytes)) -> io::Result<()> {
        let mut content = vec![0; usize::try_from(self.end).map_err(|_| io::ErrorKind::InvalidData)?];
        read_at(&self.file, &mut content, 0)?;
        let content = Bytes::from(content);
        let mut at = HEADER;
        while at < content.len() {
            match frame(&content, at) {
                Some((origin, record)) => {
                    let length = FRAME + record.len();
                    each(u32::try_from(at).unwrap_or(u32::MAX), origin, record);
                    at += length;
                }
                None => at = next_mark(&content, at + 1),
            }
        }
        Ok(())
    }
}

/// The frame at an offset, if it is whole.
fn frame(content: &Bytes, at: usize) -> Option<(u32, Bytes)> {
    let head = content.get(at..at.checked_add(FRAME)?)?;
    if !head.starts_with(&MARK) {
        return None;
    }
    let (length, origin) = (u32_at(head, 4)?, u32_at(head, 8)?);
    if length as usize > MAX_RECORD_BYTES {
        return None;
    }
    let body = at + FRAME..at.checked_add(FRAME + length as usize)?;
    let record = content.get(body.clone())?;
    (head.get(12..)? == check(length, origin, record)).then(|| (origin, content.slice(body)))
}

fn next_mark(content: &[u8], from: usize) -> usize {
    let rest = content.get(from..).unwrap_or_default();
    rest.windows(MARK.len()).position(|four| four == MARK).map_or(content.len(), |found| from + found)
}

fn check(length: u32, origin: u32, record: &[u8]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&length.to_le_bytes()).update(&origin.to_le_bytes()).update(record);
    let mut check = [0; 8];
    hasher.finalize_xof().fill(&mut check);
    check
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_le_bytes(*four))
}

fn put(target: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(part) = target.get_mut(at..at + bytes.len()) {
        part.copy_from_slice(bytes);
    }
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

#[cfg(not(unix))]
fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    use io::Write;
    let mut file = file;
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)
}

#[cfg(not(unix))]
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    let mut file = file;
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(bytes)
}
