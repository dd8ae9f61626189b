//! The power fails in the midst of work, again and again: nothing acknowledged is lost, and the store opens.
//!
//! In full: `STORE_ROUNDS=1000 cargo test --release -p cpchain-storage --features redb --lib power_cut -- --nocapture`

use std::sync::{Arc, Mutex};

use super::{
    fault::{FaultDisk, Random},
    model::{Acknowledged, open},
    rounds,
};
use crate::{
    chunk::ChunkId,
    index::{Change, Checkpoint, IndexError, IndexStore, Location, MemoryIndex},
    pack::IndexState,
};

/// Runs through so many power cuts; `index` opens what is left of the index on what is left of the disk.
fn cut_the_power<I: IndexStore>(name: &str, cuts: u64, mut index: impl FnMut(&FaultDisk, &mut Random) -> I) {
    let (mut puts, mut rebuilt, mut replayed, mut opens) = (0, 0, 0, 0);
    for seed in 0..cuts.div_ceil(5) {
        let mut random = Random::new(seed);
        let mut disk = FaultDisk::default();
        let mut acknowledged = Acknowledged::new();
        for cut in 0..5 {
            let place = format!("{name}, seed {seed}, cut {cut}");
            // Sometimes while it opens.
            let operations = if random.one_in(4) { random.below(12) } else { random.below(400) };
            disk.cut_after(operations, &mut random);
            if let Ok(store) = open(&disk, index(&disk, &mut random)) {
                opens += 1;
                rebuilt += u64::from(store.recovery().index == IndexState::Rebuilt);
                replayed += store.recovery().replayed;
                while acknowledged.work(&store, &mut random).is_ok() && disk.has_power() {}
            }
            disk = disk.after_power_cut(&mut random);
            let store = open(&disk, index(&disk, &mut random)).unwrap_or_else(|error| panic!("{place}: {error}"));
            assert_eq!(store.recovery().findings.lost, 0, "{place}: {:?}", store.recovery());
            acknowledged.check(&store, &place);
            drop(store);
            disk = disk.after_power_cut(&mut random);
        }
        puts += acknowledged.puts;
    }
    println!(
        "{name}: {cuts} power cuts, {puts} puts acknowledged, 0 lost; {rebuilt} of {opens} indexes rebuilt, {replayed} frames read back"
    );
    assert!(puts > cuts, "little was put");
}

#[test]
fn without_an_index() {
    cut_the_power("memory", rounds(25), |_, _| MemoryIndex::default());
}

/// An index whose last changes did not reach the disk.
#[derive(Debug, Default, Clone)]
struct Behind(Arc<Mutex<History>>);

#[derive(Debug, Default)]
struct History {
    index: MemoryIndex,
    /// `None`: it was reset.
    changes: Vec<Option<(Vec<Change>, Checkpoint)>>,
}

impl Behind {
    fn after_power_cut(&self, random: &mut Random) -> Self {
        let old = self.0.lock().unwrap();
        let lost = random.below(40).min(random.below(old.changes.len() as u64 + 1)) as usize;
        let kept = &old.changes[..old.changes.len() - lost];
        let new = Self::default();
        for change in kept {
            match change {
                Some((changes, checkpoint)) => new.apply(changes, checkpoint).unwrap(),
                None => new.reset().unwrap(),
            }
        }
        new
    }
}

impl IndexStore for Behind {
    fn get(&self, id: &ChunkId) -> Result<Option<Location>, IndexError> {
        self.0.lock().unwrap().index.get(id)
    }

    fn apply(&self, changes: &[Change], checkpoint: &Checkpoint) -> Result<(), IndexError> {
        let mut history = self.0.lock().unwrap();
        history.changes.push(Some((changes.to_vec(), *checkpoint)));
        history.index.apply(changes, checkpoint)
    }

    fn checkpoint(&self) -> Result<Option<Checkpoint>, IndexError> {
        self.0.lock().unwrap().index.checkpoint()
    }

    fn page(&self, after: Option<&ChunkId>, limit: usize) -> Result<Vec<(ChunkId, Location)>, IndexError> {
        self.0.lock().unwrap().index.page(after, limit)
    }

    fn reset(&self) -> Result<(), IndexError> {
        let mut history = self.0.lock().unwrap();
        history.changes.push(None);
        history.index.reset()
    }

    fn flush(&self) -> Result<(), IndexError> {
        Ok(())
    }
}

#[test]
fn with_an_index_that_is_behind() {
    let mut last = Behind::default();
    cut_the_power("behind", rounds(25), |disk, random| {
        let is_new_disk = disk.packs().is_empty();
        last = if is_new_disk { Behind::default() } else { last.after_power_cut(random) };
        last.clone()
    });
}

#[cfg(feature = "redb")]
#[test]
fn with_redb_on_the_same_disk() {
    use redb::{Builder, Database, DatabaseError};

    use super::fault::OTHERS;
    use crate::index::{Place, RedbIndex};

    #[derive(Debug)]
    struct OnDisk(FaultDisk);

    impl Place for OnDisk {
        fn open(&self, builder: Builder) -> Result<Database, DatabaseError> {
            builder.create_with_backend(self.0.file(OTHERS, false))
        }

        fn clear(&self) -> Result<(), IndexError> {
            self.0.file(OTHERS, true);
            Ok(())
        }
    }

    /// A disk without power is no reason for a panic of this test.
    #[derive(Debug)]
    struct Redb(Option<RedbIndex>);

    impl Redb {
        fn index(&self) -> Result<&RedbIndex, IndexError> {
            self.0.as_ref().ok_or_else(|| IndexError("no power".to_owned()))
        }
    }

    impl IndexStore for Redb {
        fn get(&self, id: &ChunkId) -> Result<Option<Location>, IndexError> {
            self.index()?.get(id)
        }
        fn apply(&self, changes: &[Change], checkpoint: &Checkpoint) -> Result<(), IndexError> {
            self.index()?.apply(changes, checkpoint)
        }
        fn checkpoint(&self) -> Result<Option<Checkpoint>, IndexError> {
            self.index()?.checkpoint()
        }
        fn page(&self, after: Option<&ChunkId>, limit: usize) -> Result<Vec<(ChunkId, Location)>, IndexError> {
            self.index()?.page(after, limit)
        }
        fn reset(&self) -> Result<(), IndexError> {
            self.index()?.reset()
        }
        fn flush(&self) -> Result<(), IndexError> {
            self.index()?.flush()
        }
    }

    cut_the_power("redb", rounds(25), |disk, _| Redb(RedbIndex::open_at(Box::new(OnDisk(disk.clone()))).ok()));
}

#[cfg(feature = "sled")]
#[test]
fn with_sled_as_it_lay_on_the_disk() {
    use std::path::Path;

    use crate::index::SledIndex;

    // Copied while it is open: what a disk may have of it, if it kept all writes; and pages that it did not keep.
    fn copy(from: &Path, to: &Path, random: &mut Random) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let target = to.join(path.file_name().unwrap());
            if path.is_dir() {
                copy(&path, &target, random);
                continue;
            }
            let mut bytes = std::fs::read(&path).unwrap();
            if random.one_in(2) && !bytes.is_empty() {
                let page = random.below(bytes.len() as u64) as usize / 4096 * 4096;
                bytes.iter_mut().skip(page).take(4096).for_each(|byte| *byte = 0);
            }
            std::fs::write(&target, bytes).unwrap();
        }
    }

    let dir = tempfile::tempdir().unwrap();
    let mut n = 0;
    cut_the_power("sled", rounds(5), |disk, random| {
        let (old, new) = (dir.path().join(n.to_string()), dir.path().join((n + 1).to_string()));
        if old.exists() && !disk.packs().is_empty() {
            copy(&old, &new, random);
            std::fs::remove_dir_all(&old).unwrap();
        }
        n += 1;
        SledIndex::open(&new).unwrap()
    });
}
