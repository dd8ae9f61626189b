//! A counter in a folder of files: the name proves the interval, the content the index.
//!
//! The folder holds `interval-<number>`, 8 digits in hex, for the interval in use. It is replaced as a whole: written aside,
//! synced, renamed, the folder synced. The file of the interval before is removed only after that, and the highest number rules.
//! A file whose content is damaged still proves by its name that no later interval was used.

use std::{
    fs::File,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::{CounterStore, Loaded, Mark};
use crate::{
    hash::{Digest, Domain},
    key_tree::IntervalId,
};

const SUM: Domain = Domain::new("cpchain/crypto/counter-file/v1");
const MAGIC: [u8; 4] = *b"CPN1";
/// Magic, interval, first unreserved index, checksum.
const LEN: usize = 4 + 4 + 8 + 32;
const PREFIX: &str = "interval-";
const ASIDE: &str = "new";
const LOCK: &str = "lock";

/// Why the folder is of no use.
#[derive(Debug, thiserror::Error)]
pub enum FileCounterError {
    /// Another counter has the folder open.
    #[error("the folder is in use by another counter")]
    InUse,
    /// The disk refused.
    #[error("{doing} failed: {source}")]
    Io {
        /// What was about to be done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// The operations that a counter needs, so that tests can cut the power between any two of them.
pub(super) trait Folder {
    fn names(&self) -> io::Result<Vec<String>>;
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;
    /// Writes a file and syncs its content.
    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&mut self, name: &str) -> io::Result<()>;
    /// Syncs the names.
    fn sync(&mut self) -> io::Result<()>;
}

/// A [`CounterStore`] in a folder of its own, which it locks.
///
/// ```
/// use cpchain_crypto::counter::{FileCounter, SealCounter};
/// # let folder = tempfile::tempdir()?;
/// let mut counter = SealCounter::open(FileCounter::open(folder.path())?)?;
/// assert_eq!(counter.next()?.index(), 0);
/// drop(counter);
/// let mut counter = SealCounter::open(FileCounter::open(folder.path())?)?;
/// assert_eq!(counter.next()?.index(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FileCounter {
    folder: Disk,
    lock: File,
}

impl FileCounter {
    /// Opens the folder, or makes it. A folder that is new begins at interval 0: if the folder of a stream that ever sealed
    /// anything is gone, use [`SealCounter::recover`](super::SealCounter::recover).
    ///
    /// # Errors
    /// [`FileCounterError`].
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, FileCounterError> {
        let path = folder.as_ref();
        let failed = |source| FileCounterError::Io { doing: "opening the folder of the counter", source };
        std::fs::create_dir_all(path).map_err(failed)?;
        let lock = File::create(path.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(FileCounterError::InUse),
            Err(std::fs::TryLockError::Error(source)) => return Err(failed(source)),
        }
        let mut folder = Disk(path.to_path_buf());
        folder.sync().map_err(failed)?;
        // The name of a folder that was made lies in the folder above, and several may have been made.
        for (level, above) in path.canonicalize().map_err(failed)?.ancestors().skip(1).enumerate() {
            match Disk(above.to_path_buf()).sync() {
                Err(error) if level > 0 && is_not_ours(&error) => break,
                synced => synced.map_err(failed)?,
            }
        }
        Ok(Self { folder, lock })
    }
}

impl Drop for FileCounter {
    /// Closing alone would leave the lock to a child process that is just being started and still has the file.
    fn drop(&mut self) {
        self.lock.unlock().ok();
    }
}

/// Says this that nothing was made in a folder, and nothing above it?
fn is_not_ours(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem, Unsupported};
    matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem | InvalidInput | Unsupported)
}

impl CounterStore for FileCounter {
    type Error = FileCounterError;

    fn load(&mut self) -> Result<Loaded, FileCounterError> {
        load(&self.folder).map_err(|source| FileCounterError::Io { doing: "reading the counter", source })
    }

    fn store(&mut self, mark: &Mark) -> Result<(), FileCounterError> {
        store(&mut self.folder, mark).map_err(|source| FileCounterError::Io { doing: "writing the counter", source })
    }
}

pub(super) fn load(folder: &impl Folder) -> io::Result<Loaded> {
    let Some(interval) = folder.names()?.iter().filter_map(|name| number(name)).max() else { return Ok(Loaded::Fresh) };
    let bytes = folder.read(&name(interval))?;
    Ok(match from_bytes(&bytes) {
        Some(mark) if mark.interval == interval => Loaded::Proven(mark),
        _ => Loaded::Unproven(interval),
    })
}

pub(super) fn store(folder: &mut impl Folder, mark: &Mark) -> io::Result<()> {
    folder.write(ASIDE, &to_bytes(mark))?;
    folder.rename(ASIDE, &name(mark.interval))?;
    folder.sync()?;
    for older in folder.names()?.iter().filter(|name| number(name).is_some_and(|number| number < mark.interval)) {
        folder.remove(older)?;
    }
    Ok(())
}

fn name(interval: IntervalId) -> String {
    format!("{PREFIX}{:08x}", interval.0)
}

fn number(text: &str) -> Option<IntervalId> {
    let interval = u32::from_str_radix(text.strip_prefix(PREFIX)?, 16).ok().map(IntervalId)?;
    (name(interval) == text).then_some(interval)
}

pub(super) fn to_bytes(mark: &Mark) -> [u8; LEN] {
    let mut out = [0; LEN];
    let interval = mark.interval.0.to_le_bytes();
    let unreserved = mark.unreserved.to_le_bytes();
    let sum = Digest::of(SUM, &[&MAGIC, &interval, &unreserved]);
    let parts: [&[u8]; 4] = [&MAGIC, &interval, &unreserved, &sum.0];
    for (to, from) in out.iter_mut().zip(parts.iter().flat_map(|part| part.iter())) {
        *to = *from;
    }
    out
}

pub(super) fn from_bytes(bytes: &[u8]) -> Option<Mark> {
    let (magic, rest) = bytes.split_first_chunk::<4>()?;
    let (interval, rest) = rest.split_first_chunk::<4>()?;
    let unreserved = rest.first_chunk::<8>()?;
    let mark =
        Mark { interval: IntervalId(u32::from_le_bytes(*interval)), unreserved: u64::from_le_bytes(*unreserved) };
    (*magic == MAGIC && to_bytes(&mark) == bytes).then_some(mark)
}

/// The real one.
#[derive(Debug)]
struct Disk(PathBuf);

impl Folder for Disk {
    fn names(&self) -> io::Result<Vec<String>> {
        let entries = std::fs::read_dir(&self.0)?;
        entries.filter_map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).transpose()).collect()
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        std::fs::read(self.0.join(name))
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create(self.0.join(name))?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.0.join(from), self.0.join(to))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.0.join(name))
    }

    #[cfg(unix)]
    fn sync(&mut self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }

    /// Elsewhere a folder cannot be opened; there the rename itself is in the journal of the file system.
    #[cfg(not(unix))]
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
