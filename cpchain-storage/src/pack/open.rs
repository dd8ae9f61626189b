//! Opening: which packs there are, whether the index can be believed, and what is lost.

use std::{
    collections::BTreeMap,
    sync::{Mutex, RwLock, atomic::AtomicU64},
};

use super::{
    catalog::Catalog,
    commit::{Committed, Writer},
    disk::{self, Disk, PACK_HEADER, io_error},
    heal::{Cursor, end_of},
    report::{Damage, IndexState, Recovery},
    store::{PackOptions, PackStore, index_error, lock},
};
use crate::{chunk::StoreError, index::IndexStore};

impl<I: IndexStore> PackStore<I> {
    pub(super) fn open_on(disk: Box<dyn Disk>, options: PackOptions, index: I) -> Result<Self, StoreError> {
        let catalog = Catalog::read(&*disk);
        let mut packs = BTreeMap::new();
        for pack in disk.list().map_err(io_error("listing the packs"))? {
            let file = disk.open(pack).map_err(io_error("opening a pack"))?;
            disk::check_version(&*file, pack)?;
            packs.insert(pack, file);
        }
        let mut recovery = Recovery { index: IndexState::Right, ..Recovery::default() };
        let known = catalog.clone().unwrap_or_default();
        let mut lengths = BTreeMap::new();
        for (pack, file) in &packs {
            lengths.insert(*pack, disk::len(&**file)?);
        }
        known.missing(|pack| lengths.get(&pack).copied()).for_each(|damage| recovery.findings.damage(damage));
        let after_all = known.packs().map(|(pack, _)| pack).chain(packs.keys().copied()).max();
        let (pack, file) = match packs.last_key_value() {
            Some((pack, file)) if after_all == Some(*pack) => (*pack, file.clone()),
            // The number of a lost pack is not used again.
            _ => {
                let pack = after_all.unwrap_or(0).checked_add(1).ok_or(StoreError::Poisoned)?;
                (pack, packs.entry(pack).or_insert(disk::create(&*disk, pack)?).clone())
            }
        };
        if disk::len(&*file)? < PACK_HEADER {
            // The pack was made, but not its header, when the power went: it holds nothing yet.
            disk::write_header(&*file, pack)?;
        }
        let mut store = Self {
            writer: Mutex::new(Writer::new(pack, file)),
            committed: Mutex::new(Committed::new(known)),
            forgetting: RwLock::default(),
            round: Mutex::default(),
            files: RwLock::new(packs),
            epoch: AtomicU64::new(0),
            spare_index: RwLock::default(),
            own_index: index,
            disk,
            options,
            recovery: Recovery::default(),
        };
        {
            let mut committed = lock(&store.committed);
            store.recover(&mut committed, &mut recovery, catalog.is_some())?;
        }
        store.recovery = recovery;
        Ok(store)
    }

    /// Makes index, packs and catalog agree.
    fn recover(&self, committed: &mut Committed, recovery: &mut Recovery, has_catalog: bool) -> Result<(), StoreError> {
        let walked = self.walk_index().unwrap_or_default();
        let reach = match walked {
            Some(walk) => {
                (committed.checkpoint, committed.live) = (walk.checkpoint, walk.live);
                match self.catch_up(committed, true, recovery) {
                    Ok(()) => walk.reach,
                    Err(error) => {
                        tracing::warn!(%error, "index failed");
                        self.rebuild_at_open(committed, recovery)?;
                        BTreeMap::new()
                    }
                }
            }
            None => {
                self.rebuild_at_open(committed, recovery)?;
                BTreeMap::new()
            }
        };
        self.settle_tail(committed, recovery)?;
        self.drop_unreachable(committed, recovery, &reach, has_catalog)?;
        self.renew_catalog(committed)
    }

    fn rebuild_at_open(&self, committed: &mut Committed, recovery: &mut Recovery) -> Result<(), StoreError> {
        let was_new = self.index_is_new();
        self.rebuild(committed)?;
        recovery.replayed = committed.checkpoint.entries;
        if !was_new || recovery.replayed > 0 {
            recovery.index = IndexState::Rebuilt;
        }
        Ok(())
    }

    /// Cuts off what was under way when the store ended, and sets the end where frames are appended.
    fn settle_tail(&self, committed: &mut Committed, recovery: &mut Recovery) -> Result<(), StoreError> {
        let mut writer = lock(&self.writer);
        let len = disk::len(&*writer.file)?;
        let end = committed.checkpoint.offset;
        if committed.unreadable || len < end {
            // Nothing is written into a pack that is not understood, and nothing of it is cut off.
            writer.offset = len;
            self.roll(&mut writer)?;
        } else {
            if len > end {
                tracing::warn!(pack = writer.pack, end, "cutting a torn tail");
                let cut = writer.file.set_len(end).and_then(|()| writer.file.sync());
                cut.map_err(io_error("cutting a torn tail"))?;
                recovery.cut = len - end;
            }
            writer.offset = end;
        }
        committed.synced = Some((writer.pack, writer.offset));
        Ok(())
    }

    /// Takes entries out of the index whose place is not there. Those of packs that were deleted on purpose are old, the
    /// others are lost.
    fn drop_unreachable(
        &self,
        committed: &mut Committed,
        recovery: &mut Recovery,
        reach: &BTreeMap<u32, u64>,
        has_catalog: bool,
    ) -> Result<(), StoreError> {
        let mut lengths = BTreeMap::new();
        for (pack, file) in self.packs(..) {
            lengths.insert(pack, disk::len(&*file)?);
        }
        let len = |pack: u32| lengths.get(&pack).copied().unwrap_or(0);
        if reach.iter().all(|(pack, end)| *end <= len(*pack)) {
            return Ok(());
        }
        let mut cursor = Cursor::default();
        loop {
            let hurt = self.with_index(|index| cursor.next(index, |at| end_of(at) > len(at.pack)));
            let hurt = hurt.map_err(index_error)?;
            if hurt.is_empty() {
                return Ok(());
            }
            let others = self.other_copies(&hurt)?;
            for (id, at) in hurt.iter().filter(|(id, _)| !others.contains_key(id)) {
                if has_catalog && !committed.catalog.contains(at.pack) {
                    continue;
                }
                recovery.findings.lose(*id);
                if !recovery.findings.damages.iter().any(|known| known.pack == at.pack) {
                    recovery.findings.damage(Damage { pack: at.pack, offset: len(at.pack), length: 0, chunk: None });
                }
            }
            self.replace(committed, &hurt, &others).map_err(index_error)?;
        }
    }

    /// Writes down which packs there are now.
    fn renew_catalog(&self, committed: &mut Committed) -> Result<(), StoreError> {
        let packs = self.packs(..);
        let gone: Vec<_> = committed.catalog.packs().map(|(pack, _)| pack).collect();
        for pack in gone.into_iter().filter(|pack| packs.iter().all(|(there, _)| there != pack)) {
            committed.catalog.remove(pack);
            committed.live.remove(&pack);
        }
        let active = lock(&self.writer).pack;
        for (pack, file) in &packs {
            if *pack == active {
                committed.catalog.begin(*pack);
            } else {
                committed.catalog.seal(*pack, disk::len(&**file)?);
            }
        }
        if let Err(error) = committed.catalog.save(&*self.disk) {
            tracing::warn!(%error, "catalog not written");
        }
        Ok(())
    }
}
