//! The predicate scan from the outside: exact, of constant length, and refusing what it can see to be false.
#![cfg(feature = "search")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use cpchain_crypto::{
    Digest, Key, SeededEntropy,
    counter::{CounterStore, Loaded, Mark, SealCounter},
    search::{
        FixedPoint, Kernel, Predicate, SearchClient, SearchError, SearchServer,
        scan::{BLOCK_RECORDS, ScanClient, ScanIndex, ScanServer, Shape, Table},
    },
};
use proptest::prelude::*;

struct World {
    owner: ScanIndex,
    host: ScanServer,
    entropy: SeededEntropy,
}

impl World {
    fn new(fields: &[u8]) -> Self {
        let owner = ScanIndex::new(Key::from_bytes([8; 32]), fields).unwrap();
        let host = ScanServer::new(owner.table(), 8);
        Self { owner, host, entropy: SeededEntropy::new(&[3; 32]) }
    }

    fn append(&mut self, columns: &[&[u16]]) {
        for update in self.owner.append(columns, &mut self.entropy).unwrap() {
            self.host.apply(&update).unwrap();
        }
    }

    fn ask(&mut self, question: &[Predicate]) -> Result<Vec<u64>, SearchError> {
        let (query, pending) = self.owner.query(question, &mut self.entropy)?;
        self.owner.decode(pending, &self.host.answer(&query)?)
    }
}

/// A counter that is remembered, or rolled back, as a test wants it.
#[derive(Clone)]
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

fn asker(index: ScanIndex, counter: Memory) -> ScanClient<Memory> {
    ScanClient::new(index, Key::from_bytes([4; 32]), SealCounter::open(counter).unwrap())
}

fn plain(columns: &[&[u16]], question: &[Predicate]) -> Vec<u64> {
    let all = |record: usize| question.iter().zip(columns).all(|(predicate, column)| predicate.matches(column[record]));
    (0..columns[0].len()).filter(|record| all(*record)).map(|record| record as u64).collect()
}

/// Readings like those of a thermometer: many alike, some at the ends.
fn readings(count: usize) -> Vec<u16> {
    (0..count as u32).map(|i| if i % 97 == 0 { (i * 7919) as u16 } else { 0x0200 + (i * 31 % 400) as u16 }).collect()
}

#[test]
fn the_ends_of_every_predicate() {
    let mut world = World::new(&[4]);
    let mut column = readings(8760);
    column[..4].copy_from_slice(&[0, 1, u16::MAX - 1, u16::MAX]);
    world.append(&[&column]);
    for predicate in [
        Predicate::Any,
        Predicate::Not(Predicate::Any.into()),
        Predicate::Equal(0),
        Predicate::Equal(u16::MAX),
        Predicate::Between { low: 0, high: u16::MAX },
        Predicate::Between { low: 0x0210, high: 0x0210 },
        Predicate::Between { low: 0x01ff, high: 0x0200 },
        Predicate::Between { low: 0x2345, high: 0x2344 },
        Predicate::Between { low: 1, high: u16::MAX - 1 },
        Predicate::Prefix { value: 0x0230, free: 5 },
        Predicate::OneOf(vec![0, 0x0201, 0x0299, 0x1234, 0xfffe, u16::MAX]),
    ] {
        let wanted = plain(&[&column], std::slice::from_ref(&predicate));
        assert_eq!(world.ask(std::slice::from_ref(&predicate)), Ok(wanted), "{predicate:?}");
    }
}

fn predicate() -> impl Strategy<Value = Predicate> {
    prop_oneof![
        Just(Predicate::Any),
        any::<u16>().prop_map(Predicate::Equal),
        any::<(u16, u16)>().prop_map(|(a, b)| Predicate::Between { low: a.min(b), high: a.max(b) }),
        (0x01f0u16..0x0400, 0u16..300).prop_map(|(low, more)| Predicate::Between { low, high: low + more }),
        (any::<u16>(), 0u8..=16).prop_map(|(value, free)| Predicate::Prefix { value, free }),
        prop::collection::vec(any::<u16>(), 0..=6).prop_map(Predicate::OneOf),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_tables_and_predicates_agree_with_plaintext(
        first in prop::collection::vec(any::<u16>(), 1..3000),
        question in (predicate(), predicate()),
        seed: u64,
    ) {
        let mut world = World::new(&[4, 2]);
        if seed % 2 == 0 {
            world.owner = ScanIndex::with_hint(Key::from_bytes([8; 32]), &[4, 2]).unwrap();
        }
        let small: Vec<u16> = first.iter().map(|value| (value ^ seed as u16) & 0xff).collect();
        // Two appends: two blocks, neither full.
        let half = first.len() / 2;
        world.append(&[&first[..half], &small[..half]]);
        world.append(&[&first[half..], &small[half..]]);
        let question = [question.0, question.1];
        let wanted = plain(&[&first, &small], &question);
        prop_assert_eq!(world.ask(&question), Ok(wanted.clone()));
        // The same by way of the counter, with the hint if there is one, by every kernel.
        let (host, mut entropy) = (world.host, world.entropy);
        let mut asker = asker(world.owner, Memory(None));
        for kernel in Kernel::available() {
            let host = ScanServer::from_bytes(&host.to_bytes(), 8).unwrap().with_kernel(kernel);
            let (query, pending) = asker.query(&question, &mut entropy).unwrap();
            prop_assert_eq!(asker.decode(pending, &host.answer(&query).unwrap()), Ok(wanted.clone()));
        }
    }
}

#[test]
fn more_than_a_block_and_a_growing_last_block() {
    let mut world = World::new(&[3]);
    let column: Vec<u16> = readings(BLOCK_RECORDS + 1000).iter().map(|value| value & 0xfff).collect();
    world.append(&[&column]);
    assert_eq!((world.host.blocks(), world.owner.records()), (2, column.len() as u64));
    let question = [Predicate::Between { low: 0x210, high: 0x23f }];
    assert_eq!(world.ask(&question), Ok(plain(&[&column], &question)));
    // The last block grows by 500 records.
    let grown: Vec<u16> = column.iter().copied().chain((0..500).map(|i| 0x200 + i)).collect();
    let update = world.owner.reseal_last(&[&grown[BLOCK_RECORDS..]], &mut world.entropy).unwrap();
    world.host.apply(&update).unwrap();
    assert_eq!(world.ask(&question), Ok(plain(&[&grown], &question)));
}

#[test]
fn physical_values() {
    let mut world = World::new(&[4]);
    let celsius = FixedPoint::new(10, -500).unwrap();
    let column: Vec<u16> = [-7.5, 0.0, 18.2, 18.3, 41.0].map(|value| celsius.encode(value).unwrap()).to_vec();
    world.append(&[&column]);
    assert_eq!(world.ask(&[celsius.between(-10.0, 18.2).unwrap()]), Ok(vec![0, 1, 2]));
}

#[test]
fn stale_states_are_refused() {
    let mut world = World::new(&[2]);
    world.append(&[&[1, 2, 3]]);
    let question = [Predicate::Equal(2)];
    // The host is ahead of the query.
    let (query, pending) = world.owner.query(&question, &mut world.entropy).unwrap();
    let answer = world.host.answer(&query).unwrap();
    let update = world.owner.reseal_last(&[&[1, 2, 3, 2]], &mut world.entropy).unwrap();
    assert_eq!(world.owner.decode(pending, &answer), Ok(vec![1]));
    let (new_query, new_pending) = world.owner.query(&question, &mut world.entropy).unwrap();
    assert_eq!(world.host.answer(&new_query), Err(SearchError::Stale));
    world.host.apply(&update).unwrap();
    assert_eq!(world.host.answer(&query), Err(SearchError::Stale));
    // An answer of another state is seen too.
    assert_eq!(world.owner.decode(new_pending, &answer), Err(SearchError::Stale));
    // Repeating an update changes nothing; leaving one out is refused.
    world.host.apply(&update).unwrap();
    assert_eq!(world.ask(&question), Ok(vec![1, 3]));
    world.owner.append(&[&[4]], &mut world.entropy).unwrap();
    let later = world.owner.append(&[&[5]], &mut world.entropy).unwrap();
    assert_eq!(world.host.apply(&later[0]), Err(SearchError::NotNext { blocks: 1 }));
}

#[test]
fn bytes_of_another_table_are_refused() {
    let mut world = World::new(&[2]);
    world.append(&[&[1]]);
    let mut other = ScanIndex::new(Key::from_bytes([9; 32]), &[2]).unwrap();
    let update = other.append(&[&[1]], &mut world.entropy).unwrap();
    assert_eq!(world.host.apply(&update[0]), Err(SearchError::OtherTable));
    let (query, _pending) = other.query(&[Predicate::Any], &mut world.entropy).unwrap();
    assert_eq!(world.host.answer(&query), Err(SearchError::OtherTable));
    let (query, _pending) = world.owner.query(&[Predicate::Any], &mut world.entropy).unwrap();
    let (_query, pending) = other.query(&[Predicate::Any], &mut world.entropy).unwrap();
    assert_eq!(other.decode(pending, &world.host.answer(&query).unwrap()), Err(SearchError::OtherTable));
    assert_eq!(
        ScanIndex::from_bytes(Key::from_bytes([9; 32]), &world.owner.to_bytes()).unwrap_err(),
        SearchError::OtherTable
    );
}

#[test]
fn false_answers_are_refused() {
    let mut world = World::new(&[2]);
    world.append(&[&readings(500).iter().map(|value| value & 0xff).collect::<Vec<_>>()]);
    let question = [Predicate::Between { low: 0x20, high: 0x9f }];
    for forge in 0..4 {
        let (query, pending) = world.owner.query(&question, &mut world.entropy).unwrap();
        let mut answer = world.host.answer(&query).unwrap();
        let head = 2 + 34 + 32 + 2;
        match forge {
            // Nothing selected.
            0 => answer[head..].fill(0),
            // One byte of a mask: the error spreads over half of the coefficients.
            1 => answer[head + 999] ^= 0x40,
            // The answer to another query: another key.
            2 => {
                let (other, _pending) = world.owner.query(&question, &mut world.entropy).unwrap();
                answer = world.host.answer(&other).unwrap();
            }
            // The host computes over other rows: a block of the same table with other bytes. (Rows that the question leaves out may be anything.)
            _ => {
                let mut stored = world.host.to_bytes();
                let length = stored.len();
                stored[length - 120_000..].fill(0x5a);
                let host = ScanServer::from_bytes(&stored, 8).unwrap();
                answer = host.answer(&query).unwrap();
            }
        }
        assert_eq!(world.owner.decode(pending, &answer), Err(SearchError::Tampered), "forgery {forge}");
    }
}

/// Every coefficient of an answer, with and without a hint: a well-formed difference anywhere is seen.
#[test]
fn a_bit_cannot_be_turned() {
    for hint in [false, true] {
        let mut world = World::new(&[1]);
        if hint {
            world.owner = ScanIndex::with_hint(Key::from_bytes([8; 32]), &[1]).unwrap();
        }
        world.owner = world.owner.in_shape(Shape::Products);
        world.append(&[&[3, 4, 5, 3]]);
        let mut asker = asker(world.owner, Memory(None));
        // Bodies have three bytes; the upper two are the bits of 16 records.
        let start = 2 + 34 + 32 + 2 + if hint { 0 } else { 2048 * 32 / 8 };
        for (coefficient, slot) in [(0, 0), (0, 1), (0, 7), (0, 15), (1, 3), (2043, 8), (2044, 0), (2047, 15)] {
            let (query, pending) = asker.query(&[Predicate::Equal(3)], &mut world.entropy).unwrap();
            let mut answer = world.host.answer(&query).unwrap();
            answer[start + 3 * coefficient + 1 + slot / 8] ^= 1 << (slot % 8);
            assert_eq!(asker.decode(pending, &answer), Err(SearchError::Tampered), "{coefficient}, {slot}");
        }
        let (query, pending) = asker.query(&[Predicate::Equal(3)], &mut world.entropy).unwrap();
        assert_eq!(asker.decode(pending, &world.host.answer(&query).unwrap()), Ok(vec![0, 3]));
    }
}

#[test]
fn no_query_is_used_twice() {
    let index = || ScanIndex::with_hint(Key::from_bytes([8; 32]), &[1]).unwrap().in_shape(Shape::Products);
    let query = |asker: &mut ScanClient<Memory>, entropy: &mut SeededEntropy| {
        asker.query(&[Predicate::Equal(3)], entropy).unwrap().0
    };
    let mut entropy = SeededEntropy::new(&[1; 32]);
    let mut first = asker(index(), Memory(None));
    let queries = [query(&mut first, &mut entropy), query(&mut first, &mut SeededEntropy::new(&[1; 32]))];
    // Entropy that repeats, and a counter that goes on.
    assert_ne!(queries[0], queries[1]);
    // A counter that was rolled back, and entropy that goes on.
    assert!(!queries.contains(&query(&mut asker(index(), Memory(None)), &mut entropy)));
    // A crash after the number was consumed: the next one is taken.
    let (_, counter) = first.into_parts();
    let mark =
        Memory(Some(Mark { interval: cpchain_crypto::key_tree::IntervalId(0), unreserved: counter_after(counter) }));
    assert!(!queries.contains(&query(&mut asker(index(), mark), &mut SeededEntropy::new(&[1; 32]))));
}

/// What the next slot's index is.
fn counter_after(mut counter: SealCounter<Memory>) -> u64 {
    counter.next().unwrap().index()
}

#[test]
fn a_shape_refuses_what_it_cannot_ask() {
    let mut world = World::new(&[4]);
    world.append(&[&[0x1234, 0x1240, 7, 0]]);
    for (shape, predicate, wanted) in [
        (Shape::Products, Predicate::Between { low: 0x1235, high: 0x2000 }, Err(SearchError::Predicate)),
        (Shape::Products, Predicate::Prefix { value: 0x1230, free: 4 }, Ok(vec![0])),
        (Shape::Ranges, Predicate::Between { low: 0x1235, high: 0x2000 }, Ok(vec![1])),
        (Shape::Ranges, Predicate::OneOf(vec![1, 0x1234, 0x3333, 0x4444, 0x5555]), Err(SearchError::Predicate)),
        (Shape::Classes, Predicate::OneOf(vec![0, 0x1234, 0x3333, 0x4444, 0x5555, 0x6666, 0x7777]), Ok(vec![0, 3])),
    ] {
        world.owner = world.owner.in_shape(shape);
        assert_eq!(world.ask(&[predicate]), wanted, "{shape:?}");
    }
}

#[test]
fn lengths_do_not_depend_on_content() {
    let lengths = |column: &[u16], predicate: Predicate| {
        let mut world = World::new(&[4]);
        let update = world.owner.append(&[column], &mut world.entropy).unwrap().remove(0);
        world.host.apply(&update).unwrap();
        let (query, _pending) = world.owner.query(&[predicate], &mut world.entropy).unwrap();
        (update.len(), query.len(), world.host.answer(&query).unwrap().len())
    };
    let one = lengths(&[7], Predicate::Any);
    let many = lengths(&readings(8760), Predicate::OneOf(vec![3, 9000, 77]));
    assert_eq!(one, many);
    assert!(one.1 <= 2_100_000, "query of {} bytes", one.1);
}

#[test]
fn sealing_twice_shares_no_pad() {
    let mut world = World::new(&[1]);
    // The owner's state is lost, and the same block is sealed with other records.
    let state = world.owner.to_bytes();
    let first = world.owner.append(&[&[1; 40]], &mut world.entropy).unwrap().remove(0);
    let mut restored = ScanIndex::from_bytes(Key::from_bytes([8; 32]), &state).unwrap();
    let second = restored.append(&[&[1; 40]], &mut world.entropy).unwrap().remove(0);
    let body = 2 + 34 + 24;
    let same = first[body..].iter().zip(&second[body..]).filter(|(a, b)| a == b).count();
    // Independent bytes agree once in 256.
    assert!(same < (first.len() - body) / 128, "{same}");
}

#[test]
fn stored_states_answer_as_before() {
    let mut world = World::new(&[2]);
    world.append(&[&[5, 6, 7, 6]]);
    world.owner = ScanIndex::from_bytes(Key::from_bytes([8; 32]), &world.owner.to_bytes()).unwrap();
    world.host = ScanServer::from_bytes(&world.host.to_bytes(), 8).unwrap();
    assert_eq!(world.ask(&[Predicate::Equal(6)]), Ok(vec![1, 3]));
    assert_eq!(Table::from_bytes(&world.owner.table().to_bytes()), Ok(world.host.table()));
}

#[test]
fn shapes_and_values_are_checked() {
    let key = || Key::from_bytes([8; 32]);
    for fields in [&[][..], &[0], &[5], &[1, 1, 1, 1, 1]] {
        assert_eq!(ScanIndex::new(key(), fields).unwrap_err(), SearchError::Shape);
    }
    let mut world = World::new(&[2, 1]);
    let entropy = &mut world.entropy;
    assert_eq!(world.owner.append(&[&[1]], entropy).unwrap_err(), SearchError::Shape);
    assert_eq!(world.owner.append(&[&[1], &[1, 2]], entropy).unwrap_err(), SearchError::Shape);
    assert_eq!(world.owner.append(&[&[256], &[1]], entropy).unwrap_err(), SearchError::Value);
    assert_eq!(world.owner.append(&[&[255], &[16]], entropy).unwrap_err(), SearchError::Value);
    assert_eq!(world.owner.reseal_last(&[&[1], &[1]], entropy).unwrap_err(), SearchError::Shape);
    assert_eq!(world.owner.query(&[Predicate::Any], entropy).unwrap_err(), SearchError::Shape);
    let mut full = ScanServer::new(world.owner.table(), 0);
    let update = world.owner.append(&[&[1], &[1]], entropy).unwrap().remove(0);
    assert_eq!(full.apply(&update), Err(SearchError::Full { most: 0 }));
}

/// Messages of one small table.
struct Messages {
    owner: ScanIndex,
    host: ScanServer,
    all: [Vec<u8>; 5],
}

static MESSAGES: std::sync::LazyLock<Messages> = std::sync::LazyLock::new(|| {
    let mut world = World::new(&[1]);
    let update = world.owner.append(&[&[3, 4]], &mut world.entropy).unwrap().remove(0);
    world.host.apply(&update).unwrap();
    let (query, _pending) = world.owner.query(&[Predicate::Any], &mut world.entropy).unwrap();
    let answer = world.host.answer(&query).unwrap();
    let all = [update, query, answer, world.host.to_bytes(), world.owner.to_bytes()];
    Messages { owner: world.owner, host: world.host, all }
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decoders_take_any_bytes(
        which in 0usize..5, cut in prop::option::of(any::<prop::sample::Index>()),
        change in prop::option::of((any::<prop::sample::Index>(), 1u8..)), noise in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let messages = &*MESSAGES;
        let mut bytes = messages.all[which].clone();
        if let Some((at, with)) = change {
            // Half of the changes hit the first bytes, where the structure is.
            let at = if with & 1 == 0 { at.index(bytes.len()) } else { at.index(80.min(bytes.len())) };
            bytes[at] ^= with;
        }
        match cut {
            Some(cut) => bytes.truncate(cut.index(bytes.len())),
            None if which == 0 => bytes.extend(&noise),
            None => {}
        }
        for bytes in [&bytes, &noise] {
            let _ = ScanServer::from_bytes(bytes, 2);
            let _ = ScanServer::new(messages.owner.table(), 2).apply(bytes);
            let _ = ScanIndex::from_bytes(Key::from_bytes([8; 32]), bytes);
            if let Ok(answer) = messages.host.answer(bytes) {
                prop_assert_eq!(answer.len(), messages.all[2].len());
            }
            let mut entropy = SeededEntropy::new(&[1; 32]);
            let mut owner = ScanIndex::from_bytes(Key::from_bytes([8; 32]), &messages.all[4]).unwrap();
            let (_query, pending) = owner.query(&[Predicate::Any], &mut entropy).unwrap();
            // The answer was made for another key, so nothing of it may pass.
            prop_assert!(messages.owner.decode(pending, bytes).is_err());
        }
    }
}

#[test]
fn golden_bytes() {
    // Blocks are stored, and owner and host may be of different builds. A change here needs a new version.
    let mut lines = String::new();
    for (name, bytes) in ["block", "query"].iter().zip(&MESSAGES.all) {
        lines += &format!("{name} {} {}\n", bytes.len(), Digest::content(bytes));
    }
    let hex: String = MESSAGES.all[4].iter().map(|byte| format!("{byte:02x}")).collect();
    lines += &format!("index {hex}\n");
    assert_eq!(lines, include_str!("../testdata/scan.txt"));
}
