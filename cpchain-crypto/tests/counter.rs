//! The durable counter over stores that fail, and over real files that are damaged or left by a killed process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;

use cpchain_crypto::{
    counter::{CounterError, CounterStore, Loaded, Mark, SealCounter},
    key_tree::IntervalId,
};
use proptest::prelude::*;

/// How the next call of `store` ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Stored,
    FailedBefore,
    FailedAfter,
    /// Failed, and the mark is damaged.
    Torn,
}

struct Memory {
    loaded: Loaded,
    fates: Vec<Fate>,
    writes: usize,
}

impl Memory {
    fn new(loaded: Loaded) -> Self {
        Self { loaded, fates: Vec::new(), writes: 0 }
    }
}

impl CounterStore for Memory {
    type Error = Fate;

    fn load(&mut self) -> Result<Loaded, Fate> {
        Ok(self.loaded)
    }

    fn store(&mut self, mark: &Mark) -> Result<(), Fate> {
        self.writes += 1;
        let fate = self.fates.pop().unwrap_or(Fate::Stored);
        let before = match self.loaded {
            Loaded::Fresh => IntervalId(0),
            Loaded::Proven(mark) => mark.interval,
            Loaded::Unproven(interval) => interval,
        };
        match fate {
            Fate::FailedBefore => {}
            Fate::Torn => self.loaded = Loaded::Unproven(before.max(mark.interval)),
            Fate::Stored | Fate::FailedAfter => self.loaded = Loaded::Proven(*mark),
        }
        if fate == Fate::Stored { Ok(()) } else { Err(fate) }
    }
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![3 => Just(Fate::Stored), 1 => Just(Fate::FailedBefore), 1 => Just(Fate::FailedAfter), 1 => Just(Fate::Torn)];
    prop::collection::vec(fate, 0..20)
}

proptest! {
    /// The device stops after any call and starts again, and it also tries again without stopping.
    #[test]
    fn no_slot_is_handed_out_twice(lives in prop::collection::vec((fates(), 1u64..6, prop::collection::vec(any::<u8>(), 0..16)), 1..10)) {
        let mut seen = BTreeSet::new();
        let mut store = Memory::new(Loaded::Fresh);
        for (fates, ahead, calls) in lives {
            store.fates = fates;
            let mut counter = SealCounter::open(store).unwrap().reserve_ahead(ahead.try_into().unwrap());
            for call in calls {
                let slot = match call % 8 {
                    0 => counter.begin_interval().map(|_| None),
                    1 => counter.claim(u64::from(call / 8)).map(Some),
                    2 => counter.claim_in_new_interval(u64::from(call / 8)).map(Some),
                    _ => counter.next().map(Some),
                };
                if let Ok(Some(slot)) = slot {
                    prop_assert!(seen.insert((slot.interval(), slot.index())), "{slot:?}");
                }
            }
            store = counter.into_store();
        }
    }
}

fn open(loaded: Loaded) -> SealCounter<Memory> {
    SealCounter::open(Memory::new(loaded)).unwrap()
}

fn mark(interval: u32, unreserved: u64) -> Mark {
    Mark { interval: IntervalId(interval), unreserved }
}

#[test]
fn nothing_is_handed_out_before_it_is_stored() {
    let mut counter = open(Loaded::Fresh);
    let slot = counter.next().unwrap();
    assert_eq!((slot.interval(), slot.index()), (IntervalId(0), 0));
    assert_eq!(counter.into_store().loaded, Loaded::Proven(mark(0, 1)));

    let mut store = Memory::new(Loaded::Fresh);
    store.fates = vec![Fate::FailedBefore];
    let mut counter = SealCounter::open(store).unwrap();
    assert_eq!(counter.next(), Err(CounterError::Store(Fate::FailedBefore)));
    assert_eq!(counter.next().unwrap().index(), 0);
}

#[test]
fn a_restart_goes_on_after_what_was_reserved() {
    let mut counter = open(Loaded::Proven(mark(3, 7))).reserve_ahead(10.try_into().unwrap());
    for index in 7..17 {
        assert_eq!(counter.next().unwrap().index(), index);
    }
    let store = counter.into_store();
    assert_eq!((store.writes, store.loaded), (1, Loaded::Proven(mark(3, 17))));
    let slot = SealCounter::open(store).unwrap().next().unwrap();
    assert_eq!((slot.interval(), slot.index()), (IntervalId(3), 17));
}

#[test]
fn an_unproven_index_costs_its_interval() {
    let slot = open(Loaded::Unproven(IntervalId(3))).next().unwrap();
    assert_eq!((slot.interval(), slot.index()), (IntervalId(4), 0));
}

#[test]
fn a_claim_never_repeats_an_index() {
    let mut counter = open(Loaded::Proven(mark(3, 7)));
    for (index, interval) in [(9, 3), (10, 3), (10, 4), (11, 4), (5, 5)] {
        let slot = counter.claim(index).unwrap();
        assert_eq!((slot.interval(), slot.index()), (IntervalId(interval), index));
    }
    assert_eq!(counter.next().unwrap().index(), 6);
    // What was reserved ahead in this life is still to be had, in the next life no more.
    let mut counter = counter.reserve_ahead(10.try_into().unwrap());
    assert_eq!(counter.claim(20).unwrap().interval(), IntervalId(5));
    assert_eq!(counter.claim(21).unwrap().interval(), IntervalId(5));
    assert_eq!(SealCounter::open(counter.into_store()).unwrap().claim(22).unwrap().interval(), IntervalId(6));
}

#[test]
fn a_new_interval_is_one_in_which_nothing_was_reserved() {
    for (loaded, expected) in [
        (Loaded::Fresh, 0),
        (Loaded::Proven(mark(3, 0)), 3),
        (Loaded::Proven(mark(3, 7)), 4),
        (Loaded::Unproven(IntervalId(3)), 4),
    ] {
        let mut counter = open(loaded).reserve_ahead(2.try_into().unwrap());
        for (index, interval) in [(9, expected), (0, expected + 1)] {
            let slot = counter.claim_in_new_interval(index).unwrap();
            assert_eq!((slot.interval(), slot.index()), (IntervalId(interval), index), "{loaded:?}");
        }
        assert_eq!(counter.claim(1).unwrap().interval(), IntervalId(expected + 1));
        assert_eq!(counter.claim(0).unwrap().interval(), IntervalId(expected + 2));
        let store = counter.into_store();
        assert_eq!((store.writes, store.loaded), (3, Loaded::Proven(mark(expected + 2, 2))), "one write an interval");
    }
}

#[test]
fn what_runs_out_is_an_error() {
    let mut counter = open(Loaded::Proven(mark(u32::MAX, u64::MAX - 1))).reserve_ahead(10.try_into().unwrap());
    assert_eq!(counter.next().unwrap().index(), u64::MAX - 1);
    assert_eq!(counter.next(), Err(CounterError::IntervalFull));
    assert_eq!(counter.claim(u64::MAX), Err(CounterError::IntervalFull));
    assert_eq!(counter.begin_interval(), Err(CounterError::Exhausted));
    assert_eq!(counter.claim(0), Err(CounterError::Exhausted));
    assert_eq!(counter.claim_in_new_interval(0), Err(CounterError::Exhausted));
    let store = Memory::new(Loaded::Unproven(IntervalId(u32::MAX)));
    assert!(matches!(SealCounter::open(store), Err(CounterError::Exhausted)));
}

#[test]
fn a_recovered_counter_begins_above_what_is_known() {
    for (loaded, expected) in [
        (Loaded::Fresh, (8, 0)),
        (Loaded::Proven(mark(3, 7)), (8, 0)),
        (Loaded::Proven(mark(8, 7)), (9, 0)),
        (Loaded::Proven(mark(9, 0)), (10, 0)),
        (Loaded::Unproven(IntervalId(7)), (8, 0)),
        (Loaded::Unproven(IntervalId(8)), (9, 0)),
    ] {
        let mut counter = SealCounter::recover(Memory::new(loaded), IntervalId(8)).unwrap();
        let slot = counter.next().unwrap();
        assert_eq!((slot.interval().0, slot.index()), expected, "{loaded:?}");
    }
}

#[test]
fn a_slot_is_a_nonce() {
    let slot = open(Loaded::Proven(mark(0, 258))).next().unwrap();
    assert_eq!(slot.nonce(3).0, [2, 1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0]);
}

#[cfg(feature = "std")]
mod files {
    use std::{
        io::{BufRead as _, BufReader, Write as _},
        process::{Command, Stdio},
        time::Duration,
    };

    use cpchain_crypto::counter::{FileCounter, FileCounterError};

    use super::*;

    fn open(folder: &std::path::Path) -> SealCounter<FileCounter> {
        SealCounter::open(FileCounter::open(folder).unwrap()).unwrap()
    }

    #[test]
    fn a_damaged_file_costs_its_interval() {
        let folder = tempfile::tempdir().unwrap();
        for interval in 0..20 {
            let slot = open(folder.path()).next().unwrap();
            assert_eq!((slot.interval(), slot.index()), (IntervalId(interval), 0));
            let path = folder.path().join(format!("interval-{interval:08x}"));
            let mut bytes = std::fs::read(&path).unwrap();
            if interval % 2 == 0 {
                bytes[interval as usize] ^= 1;
            } else {
                bytes.truncate(interval as usize);
            }
            std::fs::write(&path, bytes).unwrap();
        }
    }

    #[test]
    fn one_counter_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = open(folder.path());
        assert!(matches!(FileCounter::open(folder.path()), Err(FileCounterError::InUse)));
        drop(first);
        open(folder.path());
    }

    #[test]
    fn only_the_file_of_the_interval_stays() {
        let folder = tempfile::tempdir().unwrap();
        let mut counter = open(folder.path());
        for _ in 0..3 {
            counter.begin_interval().unwrap();
        }
        let mut names: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["interval-00000003", "lock"]);
    }

    const CHILD: &str = "CPCHAIN_TEST_COUNTER_FOLDER";

    /// No test by itself: the process that `a_killed_process_repeats_no_slot` starts and kills.
    #[test]
    #[ignore = "started by a_killed_process_repeats_no_slot"]
    fn child() {
        let Ok(folder) = std::env::var(CHILD) else { return };
        let mut counter = open(folder.as_ref()).reserve_ahead(3.try_into().unwrap());
        let mut out = std::io::stdout();
        for round in 1u64.. {
            if round % 50 == 0 {
                counter.begin_interval().unwrap();
            }
            let slot = counter.next().unwrap();
            writeln!(out, "slot {} {}", slot.interval(), slot.index()).and_then(|()| out.flush()).unwrap();
        }
    }

    #[test]
    fn a_killed_process_repeats_no_slot() {
        let folder = tempfile::tempdir().unwrap();
        let mut seen = BTreeSet::new();
        for life in 0..12u64 {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "files::child", "--ignored", "--nocapture"])
                .env(CHILD, folder.path())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let lines = BufReader::new(child.stdout.take().unwrap());
            let reader = std::thread::spawn(move || lines.lines().map_while(Result::ok).collect::<Vec<_>>());
            std::thread::sleep(Duration::from_millis(30 + life * 7));
            child.kill().unwrap();
            child.wait().unwrap();
            for line in reader.join().unwrap() {
                // The line may be cut by the kill.
                let words: Vec<_> = line.split(' ').collect();
                if let ["slot", interval, index] = words[..] {
                    assert!(seen.insert((interval.to_owned(), index.to_owned())), "{line}");
                }
            }
        }
        assert!(seen.len() > 50, "{} slots in twelve lives", seen.len());
    }
}
