//! What a node needs of the place where its records lie, and the form of it in memory.

use std::{collections::HashMap, io};

use bytes::Bytes;

/// Where a record lies on a shelf. Only the shelf knows what the number means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(pub u64);

/// What a shelf found when it was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loaded {
    /// Whole records.
    pub records: u64,
    /// Bytes in which no whole record was found. Neighbours and owners bring back what was in them.
    pub damaged_bytes: u64,
}

/// Those who know which records on a shelf still count.
pub trait Tenant {
    /// Is this record still looked for at `place`?
    fn lives_at(&self, record: &[u8], place: Place) -> bool;

    /// From now on the record lies at `to`.
    fn moved(&mut self, record: &[u8], to: Place);
}

/// Keeps the bytes of records. Calls come from one task, block it, and must be short.
///
/// [`RecordLog`](super::RecordLog) is the one on disk.
pub trait RecordShelf: Send + 'static {
    /// Goes through all whole records with the `origin` that they were added with. Called once, before anything else. A
    /// record that was freed may come back; the caller knows the newest of each key.
    ///
    /// # Errors
    /// What the disk said.
    fn load(&mut self, each: &mut dyn FnMut(Place, u32, Bytes)) -> io::Result<Loaded>;

    /// Keeps a record. Once it returns, the record survives the end of the process.
    ///
    /// # Errors
    /// What the disk said. Nothing was kept then, and later calls may succeed.
    fn add(&mut self, origin: u32, record: &[u8]) -> io::Result<Place>;

    /// The bytes at a place, or `None` if they are no longer what was added.
    ///
    /// # Errors
    /// What the disk said.
    fn get(&self, place: Place) -> io::Result<Option<Bytes>>;

    /// The record of `length` bytes at this place counts no more.
    fn free(&mut self, place: Place, length: usize);

    /// Does a bounded piece of cleaning up, if there is any to do.
    ///
    /// # Errors
    /// What the disk said; nothing is lost.
    fn tidy(&mut self, tenant: &mut dyn Tenant) -> io::Result<()>;

    /// Work that makes all that was added so far survive a power cut; run beside the node's task, once a second at most.
    /// `None`: there is nothing to do.
    fn sync(&mut self) -> Option<Box<dyn FnOnce() -> io::Result<()> + Send>>;

    /// Bytes taken, freed ones included.
    fn bytes(&self) -> u64;
}

/// Keeps records in memory: for tests, and for nodes whose neighbours bring everything back.
#[derive(Debug, Default)]
pub struct MemoryShelf {
    records: HashMap<Place, Bytes>,
    next: u64,
    bytes: u64,
}

impl RecordShelf for MemoryShelf {
    fn load(&mut self, _: &mut dyn FnMut(Place, u32, Bytes)) -> io::Result<Loaded> {
        Ok(Loaded::default())
    }

    fn add(&mut self, _: u32, record: &[u8]) -> io::Result<Place> {
        let place = Place(self.next);
        self.next += 1;
        self.bytes += record.len() as u64;
        self.records.insert(place, Bytes::copy_from_slice(record));
        Ok(place)
    }

    fn get(&self, place: Place) -> io::Result<Option<Bytes>> {
        Ok(self.records.get(&place).cloned())
    }

    fn free(&mut self, place: Place, _: usize) {
        if let Some(record) = self.records.remove(&place) {
            self.bytes -= record.len() as u64;
        }
    }

    fn tidy(&mut self, _: &mut dyn Tenant) -> io::Result<()> {
        Ok(())
    }

    fn sync(&mut self) -> Option<Box<dyn FnOnce() -> io::Result<()> + Send>> {
        None
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }
}
