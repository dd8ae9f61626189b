//! The [`Disk`] of a real store: a folder, locked while the store is open.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, IoSlice, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::disk::{Disk, PACK_HEADER, PackFile, io_error};
use crate::{chunk::StoreError, durable::sync_dir};

const LOCK: &str = "lock";
const CATALOG: &str = "catalog";
const NEW_CATALOG: &str = "catalog.new";

#[derive(Debug)]
pub(super) struct Folder {
    dir: PathBuf,
    writable: bool,
    /// Locked by the operating system while this lives.
    _lock: Option<File>,
}

impl Folder {
    /// Makes the folder if need be, and locks it for this store alone.
    pub(super) fn open(dir: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(dir).map_err(io_error("making the store's folder"))?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(dir.join(LOCK));
        let lock = lock.map_err(io_error("making the lock file"))?;
        locked(lock.try_lock())?;
        Ok(Self { dir: dir.to_path_buf(), writable: true, _lock: Some(lock) })
    }

    /// Changes nothing in the folder; refused while a store has it open.
    pub(super) fn read_only(dir: &Path) -> Result<Self, StoreError> {
        let lock = match File::open(dir.join(LOCK)) {
            Ok(lock) => {
                locked(lock.try_lock_shared())?;
                Some(lock)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(io_error("opening the lock file")(error)),
        };
        Ok(Self { dir: dir.to_path_buf(), writable: false, _lock: lock })
    }

    fn path(&self, pack: u32) -> PathBuf {
        self.dir.join(format!("{pack:08}.pack"))
    }
}

fn locked(result: Result<(), TryLockError>) -> Result<(), StoreError> {
    match result {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(TryLockError::Error(source)) => Err(io_error("locking the folder")(source)),
    }
}

impl Disk for Folder {
    fn list(&self) -> io::Result<Vec<u32>> {
        let mut packs = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".pack")).and_then(|n| n.parse().ok());
            packs.extend(number.filter(|number| self.path(*number).file_name() == Some(&name)));
        }
        Ok(packs)
    }

    fn open(&self, pack: u32) -> io::Result<Arc<dyn PackFile>> {
        let file = OpenOptions::new().read(true).write(self.writable).open(self.path(pack))?;
        Ok(Arc::new(file))
    }

    fn create(&self, pack: u32) -> io::Result<Arc<dyn PackFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        match options.clone().create_new(true).open(self.path(pack)) {
            Ok(file) => Ok(Arc::new(file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let file = options.open(self.path(pack))?;
                if file.metadata()?.len() > PACK_HEADER {
                    return Err(error);
                }
                Ok(Arc::new(file))
            }
            Err(error) => Err(error),
        }
    }

    fn delete(&self, pack: u32) -> io::Result<()> {
        std::fs::remove_file(self.path(pack))
    }

    fn sync_names(&self) -> io::Result<()> {
        sync_dir(&self.dir)
    }

    fn read_catalog(&self) -> io::Result<Option<Vec<u8>>> {
        match std::fs::read(self.dir.join(CATALOG)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn replace_catalog(&self, bytes: &[u8]) -> io::Result<()> {
        let new = self.dir.join(NEW_CATALOG);
        let mut file = File::create(&new)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        std::fs::rename(&new, self.dir.join(CATALOG))?;
        sync_dir(&self.dir)
    }
}

impl PackFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    #[cfg(unix)]
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buffer, offset)
    }

    #[cfg(windows)]
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match std::os::windows::fs::FileExt::seek_read(self, buffer, offset)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => {
                    buffer = buffer.get_mut(n..).unwrap_or_default();
                    offset += n as u64;
                }
            }
        }
        Ok(())
    }

    fn write_all_at(&self, parts: &[&[u8]], offset: u64) -> io::Result<()> {
        let mut file = self;
        file.seek(SeekFrom::Start(offset))?;
        let mut slices: Vec<_> = parts.iter().filter(|part| !part.is_empty()).map(|part| IoSlice::new(part)).collect();
        let mut slices = slices.as_mut_slice();
        while !slices.is_empty() {
            match file.write_vectored(slices) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut slices, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        Self::set_len(self, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
