//! A folder that loses what was not synced, and power cuts between any two of its operations.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::counter::{CounterError, SealCounter};

/// What survives a power cut: the names as they were at the last sync, with any part of the changes since then, in any
/// choice; contents are on the disk once written, or torn.
#[derive(Default, Clone)]
struct Unreliable {
    durable: BTreeMap<String, Vec<u8>>,
    /// Changes of names since the last sync: what was written under the name, `None` for removed.
    pending: Vec<Vec<(String, Option<Vec<u8>>)>>,
    /// Operations until the power is cut.
    left: usize,
}

fn cut() -> io::Error {
    io::Error::other("power cut")
}

impl Unreliable {
    fn step(&mut self) -> io::Result<()> {
        self.left = self.left.checked_sub(1).ok_or_else(cut)?;
        Ok(())
    }

    fn now(&self) -> BTreeMap<String, Vec<u8>> {
        apply(self.durable.clone(), self.pending.iter())
    }

    /// What is there after a power cut: bit i of `kept` keeps change i.
    fn after_cut(&self, kept: u64) -> Self {
        let chosen =
            self.pending.iter().enumerate().filter(|(i, _)| kept >> (i % 64) & 1 == 1).map(|(_, change)| change);
        Self { durable: apply(self.durable.clone(), chosen), pending: Vec::new(), left: 0 }
    }
}

fn apply<'a>(
    mut names: BTreeMap<String, Vec<u8>>,
    changes: impl Iterator<Item = &'a Vec<(String, Option<Vec<u8>>)>>,
) -> BTreeMap<String, Vec<u8>> {
    for (name, content) in changes.flatten() {
        match content {
            Some(bytes) => names.insert(name.clone(), bytes.clone()),
            None => names.remove(name),
        };
    }
    names
}

impl Folder for Unreliable {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.now().into_keys().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.now().remove(name).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        // Cut in the middle: the file is torn.
        if self.step().is_err() {
            self.pending.push(vec![(name.to_owned(), Some(bytes[..bytes.len() / 2].to_vec()))]);
            return Err(cut());
        }
        self.pending.push(vec![(name.to_owned(), Some(bytes.to_vec()))]);
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.step()?;
        let bytes = self.read(from)?;
        self.pending.push(vec![(from.to_owned(), None), (to.to_owned(), Some(bytes))]);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.step()?;
        self.pending.push(vec![(name.to_owned(), None)]);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.step()?;
        self.durable = self.now();
        self.pending.clear();
        Ok(())
    }
}

impl CounterStore for Unreliable {
    type Error = io::Error;

    fn load(&mut self) -> io::Result<Loaded> {
        load(self)
    }

    fn store(&mut self, mark: &Mark) -> io::Result<()> {
        store(self, mark)
    }
}

/// One run: after how many operations the power is cut, which changes then survive, how many are reserved ahead, and what
/// is asked for.
type Life = (usize, u64, u64, Vec<u8>);

fn live(lives: Vec<Life>) -> Result<(), TestCaseError> {
    let mut seen = BTreeSet::new();
    let mut disk = Unreliable::default();
    for (left, kept, ahead, calls) in lives {
        disk.left = left;
        let mut counter = SealCounter::open(disk).unwrap().reserve_ahead(ahead.try_into().unwrap());
        for call in calls {
            let slot = match call % 8 {
                0 => counter.begin_interval().map(|_| None),
                1 => counter.claim(u64::from(call / 8)).map(Some),
                _ => counter.next().map(Some),
            };
            match slot {
                Ok(Some(slot)) => prop_assert!(seen.insert((slot.interval(), slot.index())), "{slot:?}"),
                Ok(None) => {}
                // A failed disk may be asked again; here it stays failed.
                Err(error) => prop_assert!(matches!(error, CounterError::Store(_))),
            }
        }
        disk = counter.into_store().after_cut(kept);
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_slot_is_handed_out_twice_by_files_that_lose_power(
        lives in prop::collection::vec((0usize..40, any::<u64>(), 1u64..5, prop::collection::vec(any::<u8>(), 0..12)), 1..12)
    ) {
        live(lives)?;
    }

    #[test]
    fn marks_round_trip_and_damage_is_seen(interval: u32, unreserved: u64, bit in 0..LEN * 8, cut in 0..LEN) {
        let mark = Mark { interval: IntervalId(interval), unreserved };
        let mut bytes = to_bytes(&mark);
        prop_assert_eq!(from_bytes(&bytes), Some(mark));
        prop_assert_eq!(from_bytes(&bytes[..cut]), None);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(from_bytes(&bytes), None);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        prop_assert_eq!(from_bytes(&bytes), None);
    }
}

/// Every place where the power can be cut in a short life, with all and with none of the unsynced changes kept.
#[test]
fn every_place_of_a_power_cut() {
    let calls = vec![2, 2, 0, 2, 1, 2, 0, 0, 2];
    for left in 0..60 {
        for kept in [0, u64::MAX, 0x5555_5555_5555_5555, 0xaaaa_aaaa_aaaa_aaaa] {
            let life = (left, kept, 1, calls.clone());
            live(vec![life.clone(), life, (1000, 0, 1, calls.clone())]).unwrap();
        }
    }
}

#[test]
fn golden_file() {
    let bytes = to_bytes(&Mark { interval: IntervalId(7), unreserved: 258 });
    assert_eq!(bytes[..16], *b"CPN1\x07\0\0\0\x02\x01\0\0\0\0\0\0");
    let hex: String = bytes[16..].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "e82b91da06c64d4826d237b4208168bac3b40c703696863b80256cc0e42cfe19");
    assert_eq!(name(IntervalId(7)), "interval-00000007");
    assert_eq!(number("interval-7"), None);
    assert_eq!(number("interval-+0000007"), None);
}
