//! A host's table on disk: every update is durable before it counts, and a restart does not build anything anew from records.
//!
//! The folder holds one file, `table-<number>`, 8 digits in hex: the table as it was when the file was begun, then one record for each update since.
//! A record is its length, a checksum and its bytes. When the updates outweigh the table they are folded: a file with the next number is
//! written aside, synced, renamed, the folder synced, and only then the old one is removed. The highest number rules.
//!
//! # What is guaranteed, and the tests that hold it
//! - What [`apply`](crate::search::SearchServer::apply) accepted is there after a power cut; what was cut off while it was written is as if it had
//!   never been sent (`a_file_that_ends_anywhere_is_opened`).
//! - A record that is damaged, and not the last, is an error, not a shorter table (`damage_is_not_taken_for_a_torn_end`).
//! - What the table refuses does not stay in the file (`what_is_refused_is_not_kept`).
//! - A folder is open once (`a_folder_is_open_once`). A restart between any two steps of folding finds a whole table (`folding_survives_a_stop`).

use alloc::{format, string::String, vec::Vec};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use super::{SearchError, SearchServer};
use crate::hash::{Digest, Domain};

const SUM: Domain = Domain::new("cpchain/crypto/search/store-record/v1");
const MAGIC: [u8; 4] = *b"CPS1";
const PREFIX: &str = "table-";
const ASIDE: &str = "new";
const LOCK: &str = "lock";
/// Length and checksum of a record.
const RECORD: usize = 8 + 32;
/// Updates are folded when they are larger than this and than the table.
const FOLD: u64 = 8 << 20;

/// A table that can be written down and read back.
pub trait StoredServer: SearchServer + Sized {
    /// The table as bytes.
    fn snapshot(&self) -> Vec<u8>;

    /// The inverse of [`snapshot`](Self::snapshot), into a table with the bounds of `self`.
    ///
    /// # Errors
    /// [`SearchError`] as decoding says.
    fn restore(&self, bytes: &[u8]) -> Result<Self, SearchError>;
}

/// Why a folder is of no use.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another host has the folder open.
    #[error("the folder is in use by another host")]
    InUse,
    /// The content is damaged, or of another table.
    #[error("{file}: {why}: bring a copy back, or let the owner send the table again")]
    Damaged {
        /// Which file.
        file: String,
        /// What is wrong.
        why: SearchError,
    },
    /// The disk refused.
    #[error("{doing} failed: {source}")]
    Io {
        /// What was about to be done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// A table in a folder of its own, which it locks. Serves as the table itself does.
///
/// ```
/// # #[cfg(feature = "search")] {
/// use cpchain_crypto::{Key, SystemEntropy, search::SearchServer};
/// use cpchain_crypto::search::{keyword::{KeywordIndex, KeywordServer, ParameterSet, Shard}, store::HostStore};
///
/// # let folder = tempfile::tempdir()?;
/// let mut index = KeywordIndex::new(Key::generate(&mut SystemEntropy)?, ParameterSet::Bucket1K, 1)?;
/// let empty = || KeywordServer::new(index.table(), Shard::WHOLE, 1 << 30);
/// let mut host = HostStore::open(folder.path(), empty())?;
/// host.apply(&index.append(&[], &mut SystemEntropy)?)?;
/// drop(host);
///
/// let host = HostStore::open(folder.path(), KeywordServer::new(index.table(), Shard::WHOLE, 1 << 30))?;
/// assert_eq!(host.server().applied(), 1);
/// # }
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct HostStore<T> {
    server: T,
    folder: PathBuf,
    number: u32,
    file: File,
    /// Bytes of the file up to the last whole record, and of the table that it begins with.
    length: u64,
    begins: u64,
    lock: File,
}

impl<T: StoredServer> HostStore<T> {
    /// Opens the folder, or makes it. `empty` is the table without content, with the bounds that shall hold.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(folder: impl AsRef<Path>, empty: T) -> Result<Self, StoreError> {
        let folder = folder.as_ref().to_path_buf();
        let failed = doing("opening the folder of a table");
        fs::create_dir_all(&folder).map_err(failed)?;
        let lock = File::create(folder.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(StoreError::InUse),
            Err(fs::TryLockError::Error(source)) => return Err(failed(source)),
        }
        let mut numbers = numbers(&folder).map_err(failed)?;
        numbers.sort_unstable();
        let Some(number) = numbers.pop() else {
            let (file, length) = begin(&folder, 0, &empty.snapshot()).map_err(doing("writing a table"))?;
            return Ok(Self { server: empty, folder, number: 0, file, length, begins: length, lock });
        };
        let path = folder.join(name(number));
        let mut file = OpenOptions::new().read(true).write(true).open(&path).map_err(failed)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(doing("reading a table"))?;
        let damaged = |why| StoreError::Damaged { file: name(number), why };
        let (server, begins, length) = replay(&bytes, &empty).map_err(damaged)?;
        let mut store = Self { server, folder, number, file, length, begins, lock };
        if length < bytes.len() as u64 {
            store.cut().map_err(doing("cutting a torn record off"))?;
        }
        // What a stop while folding left.
        for old in numbers {
            fs::remove_file(store.folder.join(name(old))).map_err(failed)?;
        }
        Ok(store)
    }

    /// The table.
    pub const fn server(&self) -> &T {
        &self.server
    }

    /// Bytes of the file.
    pub const fn len_on_disk(&self) -> u64 {
        self.length
    }

    /// Begins a new file with the table as it is.
    ///
    /// # Errors
    /// [`StoreError::Io`]; the old file stays and serves on.
    pub fn fold(&mut self) -> Result<(), StoreError> {
        let failed = doing("folding a table");
        let number = self.number.checked_add(1).ok_or(io::ErrorKind::StorageFull.into()).map_err(failed)?;
        let (file, length) = begin(&self.folder, number, &self.server.snapshot()).map_err(failed)?;
        let old = core::mem::replace(&mut self.number, number);
        (self.file, self.length, self.begins) = (file, length, length);
        fs::remove_file(self.folder.join(name(old))).map_err(failed)
    }

    fn write(&mut self, update: &[u8]) -> io::Result<u64> {
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.write_all(&record(update))?;
        self.file.sync_data()?;
        Ok(self.length + (RECORD + update.len()) as u64)
    }

    /// Ends the file behind the last whole record.
    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.file.sync_data()
    }
}

impl<T: StoredServer> SearchServer for HostStore<T> {
    /// As the table itself, and durable when it returns.
    ///
    /// # Errors
    /// [`SearchError::Disk`], and what the table refuses.
    fn apply(&mut self, update: &[u8]) -> Result<(), SearchError> {
        let written = self.write(update);
        let applied = written.map_err(|_| SearchError::Disk).and_then(|length| {
            self.server.apply(update)?;
            Ok(length)
        });
        match applied {
            Ok(length) => self.length = length,
            Err(error) => {
                self.cut().map_err(|_| SearchError::Disk)?;
                return Err(error);
            }
        }
        if self.length - self.begins > FOLD.max(self.begins) {
            // The update is durable either way; the next one tries again.
            self.fold().ok();
        }
        Ok(())
    }

    fn answer(&self, query: &[u8]) -> Result<Vec<u8>, SearchError> {
        self.server.answer(query)
    }
}

impl<T> Drop for HostStore<T> {
    /// Closing alone would leave the lock to a child process that is just being started and still has the file.
    fn drop(&mut self) {
        self.lock.unlock().ok();
    }
}

/// The table that a file holds, where its updates begin, and where the last whole one ends.
fn replay<T: StoredServer>(bytes: &[u8], empty: &T) -> Result<(T, u64, u64), SearchError> {
    let format = SearchError::Format { what: "file of a search table" };
    let mut rest = bytes.strip_prefix(&MAGIC).ok_or(format)?;
    let (snapshot, behind) = take(rest)?.ok_or(format)?;
    let mut server = empty.restore(snapshot)?;
    let begins = bytes.len() - behind.len();
    rest = behind;
    while let Some((update, behind)) = take(rest)? {
        match server.apply(update) {
            Ok(()) => rest = behind,
            // Refused, and the host stopped before it could cut it off.
            Err(_) if behind.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok((server, begins as u64, (bytes.len() - rest.len()) as u64))
}

/// A record, and what is behind it.
type Split<'a> = (&'a [u8], &'a [u8]);

/// The next record, and what is behind it; none at the end, or where a record was cut off.
fn take(bytes: &[u8]) -> Result<Option<Split<'_>>, SearchError> {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else { return Ok(None) };
    let Some((sum, rest)) = rest.split_first_chunk::<32>() else { return Ok(None) };
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let Some((body, behind)) = rest.split_at_checked(length) else { return Ok(None) };
    if Digest::of(SUM, &[body]).0 == *sum {
        return Ok(Some((body, behind)));
    }
    // The last one may have been written in part, in any order; one in the middle was whole once.
    if behind.is_empty() { Ok(None) } else { Err(SearchError::Format { what: "record of a search table" }) }
}

fn record(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(RECORD + body.len());
    out.extend((body.len() as u64).to_le_bytes());
    out.extend(Digest::of(SUM, &[body]).0);
    out.extend_from_slice(body);
    out
}

/// Writes a file that begins with this table, aside first.
fn begin(folder: &Path, number: u32, snapshot: &[u8]) -> io::Result<(File, u64)> {
    let aside = folder.join(ASIDE);
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&aside)?;
    let bytes = [MAGIC.as_slice(), &record(snapshot)].concat();
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&aside, folder.join(name(number)))?;
    sync_names(folder)?;
    Ok((file, bytes.len() as u64))
}

#[cfg(unix)]
fn sync_names(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Other systems make names durable themselves.
#[cfg(not(unix))]
fn sync_names(_: &Path) -> io::Result<()> {
    Ok(())
}

fn name(number: u32) -> String {
    format!("{PREFIX}{number:08x}")
}

fn numbers(folder: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let file = entry?.file_name();
        let number = file.to_str().and_then(|name| name.strip_prefix(PREFIX));
        numbers
            .extend(number.filter(|digits| digits.len() == 8).and_then(|digits| u32::from_str_radix(digits, 16).ok()));
    }
    Ok(numbers)
}

const fn doing(doing: &'static str) -> impl Fn(io::Error) -> StoreError + Copy {
    move |source| StoreError::Io { doing, source }
}

impl StoredServer for super::keyword::KeywordServer {
    fn snapshot(&self) -> Vec<u8> {
        self.to_bytes()
    }

    fn restore(&self, bytes: &[u8]) -> Result<Self, SearchError> {
        let restored = Self::from_bytes(bytes, self.max_bytes())?;
        let same = restored.table() == self.table() && restored.shard() == self.shard();
        if same { Ok(restored) } else { Err(SearchError::OtherTable) }
    }
}

impl StoredServer for super::scan::ScanServer {
    fn snapshot(&self) -> Vec<u8> {
        self.to_bytes()
    }

    fn restore(&self, bytes: &[u8]) -> Result<Self, SearchError> {
        let restored = Self::from_bytes(bytes, self.max_blocks())?;
        if restored.table() == self.table() { Ok(restored) } else { Err(SearchError::OtherTable) }
    }
}

impl StoredServer for super::aggregate::AggregateServer {
    fn snapshot(&self) -> Vec<u8> {
        self.to_bytes()
    }

    fn restore(&self, bytes: &[u8]) -> Result<Self, SearchError> {
        let restored = Self::from_bytes(bytes, self.max_intervals())?;
        if restored.table() == self.table() { Ok(restored) } else { Err(SearchError::OtherTable) }
    }
}
