//! A disk in memory that does no more than a disk must: without a sync it keeps of a write what it likes, sector by sector,
//! and of names whether they were there before or after. It loses its power, fills up, and fails to sync or to read on demand.

use std::{
    collections::BTreeMap,
    io,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard},
};

use crate::pack::disk::{Disk, PackFile};

const SECTOR: usize = 512;

/// xorshift64*: a seed repeats a run.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// What is in the cache and what is on the medium.
#[derive(Debug, Default, Clone)]
struct Inode {
    now: Vec<u8>,
    synced: Vec<u8>,
}

impl Inode {
    /// What is left of it: each sector as it was at the last sync, or as it is now, and the length somewhere between.
    fn after_power_cut(&self, random: &mut Random) -> Vec<u8> {
        let (short, long) = (self.now.len().min(self.synced.len()), self.now.len().max(self.synced.len()));
        let len = match random.below(4) {
            0 => self.now.len(),
            1 => self.synced.len(),
            _ => short + random.below((long - short) as u64 + 1) as usize,
        };
        // Mostly new, mostly old, or mixed; in pages or in sectors.
        let (share, unit) = (random.below(5), if random.one_in(2) { SECTOR } else { 8 * SECTOR });
        let mut left = vec![0; len];
        for (n, place) in left.chunks_mut(unit).enumerate() {
            let from = if random.below(4) < share { &self.now } else { &self.synced };
            let from = from.get(n * unit..).unwrap_or_default();
            place.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        }
        left
    }
}

#[derive(Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<u32, usize>,
    synced_names: BTreeMap<u32, usize>,
    catalog: Option<Vec<u8>>,
    /// Operations until the power fails.
    power: Option<u64>,
    /// Bytes that are free.
    space: Option<u64>,
    syncs_fail: bool,
    unreadable: Vec<(u32, Range<u64>)>,
    random: Option<Random>,
}

/// The disk; clones are the same one.
#[derive(Debug, Clone, Default)]
pub(super) struct FaultDisk(Arc<Mutex<State>>);

/// A file on it.
#[derive(Debug, Clone)]
pub(super) struct FaultFile {
    disk: FaultDisk,
    inode: usize,
    pack: u32,
}

fn no_power() -> io::Error {
    io::Error::other("no power")
}

impl State {
    /// Counts an operation that changes something. `Ok(false)`: it is the one during which the power fails.
    fn step(&mut self) -> io::Result<bool> {
        match &mut self.power {
            None => Ok(true),
            Some(0) => Err(no_power()),
            Some(left) => {
                *left -= 1;
                Ok(*left > 0)
            }
        }
    }

    fn chance(&mut self) -> bool {
        self.random.as_mut().is_some_and(|random| random.one_in(2))
    }
}

impl FaultDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Loses its power within the operation that comes after `operations` others.
    pub(super) fn cut_after(&self, operations: u64, random: &mut Random) {
        let mut state = self.state();
        state.power = Some(operations + 1);
        state.random = Some(Random::new(random.below(u64::MAX >> 34)));
    }

    /// How many operations were done since `cut_after(operations)`.
    pub(super) fn has_power(&self) -> bool {
        self.state().power != Some(0)
    }

    /// The disk as it is found when the power is back.
    pub(super) fn after_power_cut(&self, random: &mut Random) -> Self {
        let state = self.state();
        let inodes: Vec<_> = state.inodes.iter().map(|inode| inode.after_power_cut(random)).collect();
        let inodes = inodes.into_iter().map(|left| Inode { now: left.clone(), synced: left }).collect();
        let mut names = state.synced_names.clone();
        for pack in state.names.keys().chain(state.synced_names.keys()) {
            let newest = if random.one_in(2) { &state.names } else { &state.synced_names };
            match newest.get(pack) {
                Some(inode) => names.insert(*pack, *inode),
                None => names.remove(pack),
            };
        }
        let catalog = state.catalog.clone();
        let state = State { inodes, synced_names: names.clone(), names, catalog, ..State::default() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// So many bytes are free; `None`: as many as you like.
    pub(super) fn set_space(&self, space: Option<u64>) {
        self.state().space = space;
    }

    pub(super) fn fail_syncs(&self, fail: bool) {
        self.state().syncs_fail = fail;
    }

    /// The disk cannot read these bytes.
    pub(super) fn spoil(&self, pack: u32, bytes: Range<u64>) {
        self.state().unreadable.push((pack, bytes));
    }

    /// Changes a pack behind the store's back.
    pub(super) fn edit(&self, pack: u32, edit: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let inode = state.names[&pack];
        edit(&mut state.inodes[inode].now);
        state.inodes[inode].synced = state.inodes[inode].now.clone();
    }

    /// Loses a pack.
    pub(super) fn lose(&self, pack: u32) {
        let mut state = self.state();
        state.names.remove(&pack).unwrap();
        state.synced_names.remove(&pack);
    }

    /// Loses or damages the catalog.
    pub(super) fn set_catalog(&self, bytes: Option<Vec<u8>>) {
        self.state().catalog = bytes;
    }

    pub(super) fn packs(&self) -> Vec<u32> {
        self.state().names.keys().copied().collect()
    }

    pub(super) fn pack_len(&self, pack: u32) -> u64 {
        let state = self.state();
        state.inodes[state.names[&pack]].now.len() as u64
    }

    fn make(&self, pack: u32, state: &mut State) -> FaultFile {
        let inode = state.inodes.len();
        state.inodes.push(Inode::default());
        state.names.insert(pack, inode);
        FaultFile { disk: self.clone(), inode, pack }
    }

    /// A file beside the packs, under a number that no pack has.
    #[cfg(feature = "redb")]
    pub(super) fn file(&self, number: u32, is_new: bool) -> FaultFile {
        let mut state = self.state();
        match state.names.get(&number) {
            Some(inode) if !is_new => FaultFile { disk: self.clone(), inode: *inode, pack: number },
            _ => {
                let file = self.make(number, &mut state);
                state.synced_names.insert(number, file.inode);
                file
            }
        }
    }
}

/// Files from this number on are no packs.
pub(super) const OTHERS: u32 = 1 << 31;

impl Disk for FaultDisk {
    fn list(&self) -> io::Result<Vec<u32>> {
        Ok(self.packs().into_iter().filter(|pack| *pack < OTHERS).collect())
    }

    fn open(&self, pack: u32) -> io::Result<Arc<dyn PackFile>> {
        let inode = *self.state().names.get(&pack).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(FaultFile { disk: self.clone(), inode, pack }))
    }

    fn create(&self, pack: u32) -> io::Result<Arc<dyn PackFile>> {
        let mut state = self.state();
        if !state.step()? {
            return Err(no_power());
        }
        Ok(Arc::new(self.make(pack, &mut state)))
    }

    fn delete(&self, pack: u32) -> io::Result<()> {
        let mut state = self.state();
        if state.step()? {
            let inode = state.names.remove(&pack).ok_or(io::ErrorKind::NotFound)?;
            let freed = state.inodes[inode].now.len() as u64;
            state.space = state.space.map(|space| space + freed);
        }
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.step()? {
            state.synced_names = state.names.clone();
            return Ok(());
        }
        Err(no_power())
    }

    fn read_catalog(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.state().catalog.clone())
    }

    fn replace_catalog(&self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        if state.space == Some(0) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if state.step()? || state.chance() {
            state.catalog = Some(bytes.to_vec());
            return Ok(());
        }
        Err(no_power())
    }
}

impl PackFile for FaultFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().inodes[self.inode].now.len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let state = self.disk.state();
        let end = offset + buffer.len() as u64;
        if state.unreadable.iter().any(|(pack, bytes)| *pack == self.pack && bytes.start < end && offset < bytes.end) {
            return Err(io::Error::other("bad sector"));
        }
        let now = &state.inodes[self.inode].now;
        buffer.copy_from_slice(now.get(offset as usize..end as usize).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_all_at(&self, parts: &[&[u8]], offset: u64) -> io::Result<()> {
        let mut bytes = parts.concat();
        let mut state = self.disk.state();
        let mut result = Ok(());
        if !state.step()? {
            let kept = state.random.as_mut().map_or(0, |random| random.below(bytes.len() as u64 + 1));
            bytes.truncate(kept as usize);
            result = Err(no_power());
        }
        let old = state.inodes[self.inode].now.len() as u64;
        if let Some(space) = state.space {
            let fits = (old + space).saturating_sub(offset).min(bytes.len() as u64);
            if fits < bytes.len() as u64 {
                bytes.truncate(fits as usize);
                result = Err(io::ErrorKind::StorageFull.into());
            }
        }
        let now = &mut state.inodes[self.inode].now;
        let end = offset as usize + bytes.len();
        if now.len() < end {
            now.resize(end, 0);
        }
        now[offset as usize..end].copy_from_slice(&bytes);
        let grown = now.len() as u64 - old;
        state.space = state.space.map(|space| space - grown);
        result
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        if state.step()? {
            let now = &mut state.inodes[self.inode].now;
            let freed = (now.len() as u64).saturating_sub(len);
            now.resize(len as usize, 0);
            state.space = state.space.map(|space| space + freed);
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        if state.syncs_fail {
            return Err(io::Error::other("sync failed"));
        }
        let is_done = state.step()?;
        if is_done || state.chance() {
            let inode = &mut state.inodes[self.inode];
            inode.synced = inode.now.clone();
        }
        if is_done { Ok(()) } else { Err(no_power()) }
    }
}

#[cfg(feature = "redb")]
impl redb::StorageBackend for FaultFile {
    fn len(&self) -> io::Result<u64> {
        PackFile::len(self)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        PackFile::set_len(self, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write_all_at(&[data], offset)
    }
}
