//! A disk that loses unsynced writes when its process dies, and that may fail.

use crate::{
    lbft::Record,
    storage::{MemoryStorage, Storage, StorageError},
};

use super::random::Random;

#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) storage: MemoryStorage,
    /// Batches since the last sync, in order.
    unsynced: Vec<Vec<Record>>,
    /// The next write fails.
    pub(crate) broken: bool,
}

impl Disk {
    pub(crate) fn append(&mut self, records: Vec<Record>, sync: bool) -> Result<(), StorageError> {
        if self.broken {
            return Err(StorageError::Io("the simulated disk is broken".into()));
        }
        self.storage.append(&records, sync)?;
        if sync {
            self.unsynced.clear();
        } else {
            self.unsynced.push(records);
        }
        Ok(())
    }

    /// The process died: of what was not synced a part from the beginning may be there, any part.
    pub(crate) fn crash(&mut self, random: &mut Random) {
        self.storage.crash();
        let kept = random.between(0, self.unsynced.len() as u64) as usize;
        for records in self.unsynced.drain(..).take(kept) {
            // Memory does not fail.
            let _ = self.storage.append(&records, true);
        }
        self.broken = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ids::Height, lbft::Kind, sim::keys::Keys};
    use cpchain_crypto::{Digest, Signer};

    fn vote(height: u64) -> Record {
        let keys = Keys::new(0);
        let signer = keys.signer(0);
        let me = vec![signer.public_key()];
        let chain = crate::ids::ChainId(Digest::ZERO);
        let committee = crate::lbft::Committee::new(chain, crate::ids::Term(0), me.clone(), me).unwrap();
        let height = Height(height);
        Record::Vote(crate::lbft::Vote::cast(&committee, 0, &signer, Kind::Prepare, height, Digest([1; 32])))
    }

    #[test]
    fn a_crash_keeps_what_was_synced_and_a_prefix_of_the_rest() {
        let mut kept = [false; 4];
        for seed in 0..50 {
            let mut disk = Disk::default();
            disk.append(vec![vote(1)], true).unwrap();
            for height in 2..5 {
                disk.append(vec![vote(height)], false).unwrap();
            }
            disk.crash(&mut Random::new(seed));
            let heights: Vec<u64> = disk.storage.restore().unwrap().votes.iter().map(|v| v.height.0).collect();
            assert!((1..=4).map(|n| (1..=n).collect::<Vec<_>>()).any(|prefix| prefix == heights), "{heights:?}");
            kept[heights.len() - 1] = true;
        }
        assert_eq!(kept, [true; 4]);
    }

    #[test]
    fn a_broken_disk_refuses_until_the_restart() {
        let mut disk = Disk { broken: true, ..Disk::default() };
        assert!(disk.append(vec![vote(1)], true).is_err());
        disk.crash(&mut Random::new(0));
        assert!(disk.append(vec![vote(1)], true).is_ok());
    }
}
