//! A scan table of several writers, from the outside.
#![cfg(feature = "search")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use cpchain_crypto::{
    Digest, Key, SeededEntropy, Signer, SigningKey,
    counter::{CounterStore, Loaded, Mark, SealCounter},
    search::{
        Predicate, SearchClient, SearchError, SearchServer,
        scan::{
            Shape,
            shared::{Match, SharedFound, SharedReader, SharedServer, SharedTable, SharedWriter},
        },
    },
};
use proptest::prelude::*;

struct Memory(Option<Mark>);

impl CounterStore for Memory {
    type Error = std::convert::Infallible;

    fn load(&mut self) -> Result<Loaded, Self::Error> {
        Ok(self.0.map_or(Loaded::Fresh, Loaded::Proven))
    }

    fn store(&mut self, mark: &Mark) -> Result<(), Self::Error> {
        self.0 = Some(*mark);
        Ok(())
    }
}

fn identity() -> SigningKey {
    SigningKey::from_seed(&[5; 32])
}

fn reader(table: SharedTable) -> SharedReader<Memory> {
    let counter = SealCounter::open(Memory(None)).unwrap();
    SharedReader::new(identity(), table, Key::from_bytes([6; 32]), counter).unwrap().in_shape(Shape::Ranges)
}

struct World {
    table: SharedTable,
    host: SharedServer,
    reader: SharedReader<Memory>,
    writers: Vec<SharedWriter>,
    announcements: Vec<Vec<u8>>,
    entropy: SeededEntropy,
}

impl World {
    fn new(fields: &[u8], writers: usize) -> Self {
        let table = SharedTable::new(identity().public_key(), fields).unwrap();
        let mut entropy = SeededEntropy::new(&[3; 32]);
        let mut host = SharedServer::new(table, 8);
        let (mut all, mut announcements) = (Vec::new(), Vec::new());
        for _ in 0..writers {
            let (writer, announcement) = SharedWriter::join(table, &mut entropy).unwrap();
            host.apply(&announcement).unwrap();
            all.push(writer);
            announcements.push(announcement);
        }
        Self { table, host, reader: reader(table), writers: all, announcements, entropy }
    }

    fn append(&mut self, writer: usize, columns: &[&[u16]]) -> Vec<Vec<u8>> {
        let blocks = self.writers[writer].append(columns, &mut self.entropy).unwrap();
        blocks.iter().for_each(|block| self.host.apply(block).unwrap());
        blocks
    }

    fn ask(&mut self, question: &[Predicate]) -> Result<SharedFound, SearchError> {
        let (query, pending) = self.reader.query(question, &mut self.entropy)?;
        self.reader.decode(pending, &self.host.answer(&query)?)
    }

    fn found(&self, writer: usize, records: &[u64]) -> Vec<Match> {
        records.iter().map(|record| Match { writer: self.writers[writer].id(), record: *record }).collect()
    }
}

fn all_above(low: u16) -> [Predicate; 1] {
    [Predicate::Between { low, high: u16::MAX }]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn writers_and_readers_agree_with_plaintext(
        columns in prop::collection::vec(prop::collection::vec(any::<u16>(), 1..500), 1..4), bounds: (u16, u16),
    ) {
        let mut world = World::new(&[4], columns.len());
        // The last writer writes first.
        for (writer, column) in columns.iter().enumerate().rev() {
            world.append(writer, &[column]);
        }
        world.reader.learn(&world.host.directory()).unwrap();
        let question = Predicate::Between { low: bounds.0.min(bounds.1), high: bounds.0.max(bounds.1) };
        let mut matches = Vec::new();
        for (writer, column) in columns.iter().enumerate() {
            let records = (0u64..).zip(column).filter(|(_, value)| question.matches(**value)).map(|(at, _)| at);
            matches.extend(world.found(writer, &records.collect::<Vec<_>>()));
        }
        prop_assert_eq!(world.reader.records(), columns.iter().map(|column| column.len() as u64).sum::<u64>());
        prop_assert_eq!(world.ask(&[question]), Ok(SharedFound { matches, refused: vec![] }));
    }
}

#[test]
fn a_growing_block_and_stored_states() {
    let mut world = World::new(&[2], 2);
    world.append(0, &[&[1, 2]]);
    world.append(1, &[&[9]]);
    world.writers[0] = SharedWriter::from_bytes(&world.writers[0].to_bytes()).unwrap();
    let update = world.writers[0].reseal_last(&[&[1, 2, 8]], &mut world.entropy).unwrap();
    world.host.apply(&update).unwrap();
    world.host.apply(&update).unwrap();
    world.host = SharedServer::from_bytes(&world.host.to_bytes(), 8).unwrap();
    assert_eq!((world.host.blocks(), world.writers[0].records()), (2, 3));
    world.reader.learn(&world.host.directory()).unwrap();
    let matches = [world.found(0, &[2]), world.found(1, &[0])].concat();
    assert_eq!(world.ask(&all_above(5)), Ok(SharedFound { matches, refused: vec![] }));
}

#[test]
fn a_writer_reads_only_its_own() {
    let mut world = World::new(&[1], 2);
    world.append(0, &[&[7]]);
    // The state of a writer has its own key, and the host's bytes have neither.
    let states: Vec<_> = world.writers.iter().map(SharedWriter::to_bytes).collect();
    let key = |state: &[u8]| state[2 + 34 + 32..][..32].to_vec();
    assert_ne!(key(&states[0]), key(&states[1]));
    let stored = world.host.to_bytes();
    for state in &states {
        assert!(!stored.windows(32).any(|window| window == key(state)));
    }
    // Another reader opens no announcement.
    let other = SigningKey::from_seed(&[9; 32]);
    let counter = SealCounter::open(Memory(None)).unwrap();
    assert_eq!(
        SharedReader::new(other, world.table, Key::from_bytes([6; 32]), counter).unwrap_err(),
        SearchError::OtherTable
    );
}

#[test]
fn what_the_host_makes_up_is_refused() {
    let mut world = World::new(&[1], 2);
    world.append(0, &[&[7, 8]]);
    world.append(1, &[&[9]]);
    let (directory, head) = (world.host.directory(), 2 + 34);
    let boxed = world.announcements[0].len() - head;
    let refused = vec![world.writers[0].id()];
    // Number, version, salt, count and tag of the first writer's block.
    for at in [4, 8, 24, 28, 43] {
        let mut world = World::new(&[1], 2);
        world.append(0, &[&[7, 8]]);
        world.append(1, &[&[9]]);
        let mut changed = directory.clone();
        changed[head + boxed + 4 + at] ^= 1;
        world.reader.learn(&changed).unwrap();
        // A host that computes as it says: the same change in its own state.
        let mut stored = world.host.to_bytes();
        stored[head + boxed + 4 + at] ^= 1;
        if at >= 24 {
            world.host = SharedServer::from_bytes(&stored, 8).unwrap();
            let wanted = SharedFound { matches: world.found(1, &[0]), refused: refused.clone() };
            assert_eq!(world.ask(&all_above(0)), Ok(wanted), "{at}");
        } else {
            assert!(world.ask(&all_above(0)).is_err());
        }
    }
    // Rows of a block that are not the writer's.
    let mut stored = world.host.to_bytes();
    let length = stored.len();
    stored[length - 30_000] ^= 1;
    stored[length - 60_000] ^= 1;
    world.host = SharedServer::from_bytes(&stored, 8).unwrap();
    world.reader.learn(&directory).unwrap();
    let found = world.ask(&all_above(1)).unwrap();
    assert_eq!((found.matches, found.refused), (world.found(0, &[0, 1]), vec![world.writers[1].id()]));
}

#[test]
fn a_directory_does_not_go_back() {
    let mut world = World::new(&[1], 2);
    world.append(0, &[&[7]]);
    world.append(1, &[&[9]]);
    let (old, old_host) = (world.host.directory(), world.host.to_bytes());
    let update = world.writers[0].reseal_last(&[&[7, 8]], &mut world.entropy).unwrap();
    world.host.apply(&update).unwrap();
    world.reader.learn(&world.host.directory()).unwrap();
    let new_host = std::mem::replace(&mut world.host, SharedServer::from_bytes(&old_host, 8).unwrap());
    // A query for the new state is refused by the old host; and what the old host tells is not believed of that writer.
    assert_eq!(world.ask(&all_above(0)), Err(SearchError::Stale));
    world.reader.learn(&old).unwrap();
    let wanted = SharedFound { matches: world.found(1, &[0]), refused: vec![world.writers[0].id()] };
    assert_eq!(world.ask(&all_above(0)), Ok(wanted));
    // A writer that was seen cannot be left out.
    let only = World::new(&[1], 1);
    assert_eq!(world.reader.learn(&only.host.directory()), Err(SearchError::Tampered));
    // A reader that was restarted knows as much.
    let seen = world.reader.seen();
    world.reader = reader(world.table).with_seen(&seen).unwrap();
    assert_eq!((world.reader.seen(), world.reader.records()), (seen, 0));
    world.reader.learn(&old).unwrap();
    assert_eq!(world.ask(&all_above(0)).unwrap().refused, [world.writers[0].id()]);
    assert_eq!(world.reader.learn(&only.host.directory()), Err(SearchError::Tampered));
    world.host = new_host;
    world.reader.learn(&world.host.directory()).unwrap();
    let matches = [world.found(0, &[0, 1]), world.found(1, &[0])].concat();
    assert_eq!(world.ask(&all_above(0)), Ok(SharedFound { matches, refused: vec![] }));
}

#[test]
fn a_replayed_answer_is_refused() {
    let mut world = World::new(&[1], 2);
    world.append(0, &[&[7, 8]]);
    world.append(1, &[&[9]]);
    world.reader.learn(&world.host.directory()).unwrap();
    let (first, _) = world.reader.query(&all_above(1), &mut world.entropy).unwrap();
    let replayed = world.host.answer(&first).unwrap();
    // The same question again: nobody's records are believed, and nobody's absences.
    let (_, pending) = world.reader.query(&all_above(1), &mut world.entropy).unwrap();
    let refused = world.writers.iter().map(SharedWriter::id).collect();
    assert_eq!(world.reader.decode(pending, &replayed), Ok(SharedFound { matches: vec![], refused }));
}

/// What a directory names and an answer leaves out is not taken for absent.
#[test]
fn a_truncated_table_is_refused() {
    let mut world = World::new(&[1], 2);
    world.append(0, &[&[7, 8]]);
    world.append(1, &[&[9]]);
    world.reader.learn(&world.host.directory()).unwrap();
    let (query, pending) = world.reader.query(&all_above(1), &mut world.entropy).unwrap();
    let answer = world.host.answer(&query).unwrap();
    let of_block = answer.len() - (answer.len() - 100) / 2;
    let mut shorter = answer.clone();
    shorter.truncate(of_block);
    assert!(world.reader.decode(pending, &shorter).is_err());
    // Zeros in its place: the first writer is believed, the other one named.
    let (query, pending) = world.reader.query(&all_above(1), &mut world.entropy).unwrap();
    let mut answer = world.host.answer(&query).unwrap();
    answer[of_block..].fill(0);
    let found = world.reader.decode(pending, &answer).unwrap();
    assert_eq!((found.matches, found.refused), (world.found(0, &[0, 1]), vec![world.writers[1].id()]));
    // A host that lost it says so.
    let mut less = SharedServer::new(world.table, 8);
    world.announcements.iter().for_each(|announcement| less.apply(announcement).unwrap());
    let (query, _) = world.reader.query(&all_above(1), &mut world.entropy).unwrap();
    assert_eq!(less.answer(&query), Err(SearchError::Stale));
}

#[test]
fn rubbish_spoils_its_writer_alone() {
    let mut world = World::new(&[1], 1);
    world.append(0, &[&[7]]);
    // An announcement that is no box, and a block under a key that nobody knows.
    let mut announcement = world.announcements[0].clone();
    announcement[80] ^= 1;
    world.host.apply(&announcement).unwrap();
    let (mut writer, joined) = SharedWriter::join(world.table, &mut world.entropy).unwrap();
    world.host.apply(&joined).unwrap();
    let mut block = writer.append(&[&[7]], &mut world.entropy).unwrap().remove(0);
    let length = block.len();
    block[length - 20_000] ^= 1;
    block[length - 40_000] ^= 1;
    world.host.apply(&block).unwrap();
    world.reader.learn(&world.host.directory()).unwrap();
    let found = world.ask(&all_above(1)).unwrap();
    assert_eq!(found.matches, world.found(0, &[0]));
    assert!(found.refused.len() == 2 && found.refused.contains(&writer.id()));
}

#[test]
fn what_does_not_belong_is_refused() {
    let mut world = World::new(&[1], 1);
    let blocks = world.append(0, &[&[7]]);
    let other = World::new(&[2], 1);
    assert_eq!(world.host.apply(&other.announcements[0]), Err(SearchError::OtherTable));
    assert_eq!(world.reader.learn(&other.host.directory()), Err(SearchError::OtherTable));
    // A block of a writer that nobody announced, and more blocks than there is room for.
    let mut empty = SharedServer::new(world.table, 0);
    assert_eq!(empty.apply(&blocks[0]), Err(SearchError::OtherTable));
    empty.apply(&world.announcements[0]).unwrap();
    assert_eq!(empty.apply(&blocks[0]), Err(SearchError::Full { most: 0 }));
    assert_eq!(SharedTable::new(identity().public_key(), &[5]).unwrap_err(), SearchError::Shape);
}

/// Messages of one small table.
fn messages() -> (World, [Vec<u8>; 6]) {
    let mut world = World::new(&[1], 1);
    let block = world.append(0, &[&[3, 4]]).remove(0);
    let state = world.writers[0].to_bytes().to_vec();
    let directory = world.host.directory();
    world.reader.learn(&directory).unwrap();
    let all = [world.announcements[0].clone(), block, directory, world.host.to_bytes(), state, world.reader.seen()];
    (world, all)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn shared_decoders_take_any_bytes(
        which in 0usize..6, cut in prop::option::of(any::<prop::sample::Index>()),
        change in prop::option::of((any::<prop::sample::Index>(), 1u8..)), noise in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let (mut world, all) = messages();
        let mut bytes = all[which].clone();
        if let Some((at, with)) = change {
            let at = if with & 1 == 0 { at.index(bytes.len()) } else { at.index(300.min(bytes.len())) };
            bytes[at] ^= with;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        for bytes in [&bytes, &noise] {
            // Whoever asks has another key, and nothing of the host's state.
            prop_assert!(world.host.answer(bytes).is_err());
            let (_query, pending) = world.reader.query(&all_above(0), &mut world.entropy).unwrap();
            prop_assert!(world.reader.decode(pending, bytes).is_err());
            let _ = world.host.apply(bytes);
            let _ = world.reader.learn(bytes);
            let _ = SharedWriter::from_bytes(bytes);
            if let Ok(reader) = reader(world.table).with_seen(bytes) {
                prop_assert_eq!(&reader.seen(), bytes);
            }
            if let Ok(host) = SharedServer::from_bytes(bytes, 2) {
                prop_assert_eq!(&host.to_bytes(), bytes);
            }
            prop_assert!(world.host.blocks() <= 8);
        }
    }
}

#[test]
fn golden_bytes() {
    let (_, all) = messages();
    let mut lines = String::new();
    for (name, bytes) in ["announcement", "block", "directory", "host", "writer", "reader"].iter().zip(&all) {
        lines += &format!("{name} {} {}\n", bytes.len(), Digest::content(bytes));
    }
    assert_eq!(lines, include_str!("../testdata/scan_shared.txt"));
}
