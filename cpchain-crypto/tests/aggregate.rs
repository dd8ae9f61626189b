//! Encrypted aggregates from the outside: exact, of constant length, and refusing what is false.
#![cfg(feature = "search")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use cpchain_crypto::{
    Digest, Key, SeededEntropy,
    search::{
        FixedPoint, Predicate, SearchClient, SearchError, SearchServer,
        aggregate::{AggregateIndex, AggregateServer, AggregateTable, Bins, Pending, Tally, Totals},
    },
};
use proptest::prelude::*;

const KEY: [u8; 32] = [8; 32];
const EDGES: [u16; 7] = [3, 10, 11, 200, 5000, 40_000, 65_535];

struct World {
    owner: AggregateIndex,
    host: AggregateServer,
    entropy: SeededEntropy,
    updates: Vec<Vec<u8>>,
}

impl World {
    fn new() -> Self {
        let owner = AggregateIndex::new(Key::from_bytes(KEY), Bins::new(&EDGES).unwrap()).unwrap();
        let host = AggregateServer::new(owner.table(), 300);
        Self { owner, host, entropy: SeededEntropy::new(&[3; 32]), updates: Vec::new() }
    }

    fn append(&mut self, tallies: &[Tally]) {
        for update in self.owner.append(tallies, &mut self.entropy).unwrap() {
            self.host.apply(&update).unwrap();
            self.updates.push(update);
        }
    }

    fn query(&mut self, question: &Predicate) -> (Vec<u8>, Pending) {
        self.owner.query(question, &mut self.entropy).unwrap()
    }

    fn ask(&mut self, question: &Predicate) -> Result<Vec<Totals>, SearchError> {
        let (query, pending) = self.owner.query(question, &mut self.entropy)?;
        self.owner.decode(pending, &self.host.answer(&query)?)
    }
}

fn from(low: u16) -> Predicate {
    Predicate::Between { low, high: u16::MAX }
}

/// So many intervals that differ.
fn tallies(count: u32) -> Vec<Tally> {
    let bins = Bins::new(&EDGES).unwrap();
    let of = |at: u32| (0..at % 9).map(move |i| (3 + (at * 7919 + i * 40_503) as u16 % 65_000, at * 1000 + i));
    (0..count).map(|at| bins.tally(of(at)).unwrap()).collect()
}

fn whole_bins() -> impl Strategy<Value = Predicate> {
    let edge = || prop::sample::select(EDGES.to_vec());
    let simple = prop_oneof![
        Just(Predicate::Any),
        Just(Predicate::Equal(10)),
        Just(Predicate::Equal(u16::MAX)),
        edge().prop_map(from),
        (edge(), edge()).prop_map(|(low, end)| Predicate::Between { low, high: end - 1 }),
    ];
    simple.prop_flat_map(|p| prop_oneof![Just(p.clone()), Just(Predicate::Not(p.into()))])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn aggregates_agree_with_plaintext(
        intervals in prop::collection::vec(prop::collection::vec((3u16.., any::<u32>()), 0..40), 1..110),
        late in prop::collection::vec((3u16.., any::<u32>()), 1..10), at: prop::sample::Index, question in whole_bins(),
    ) {
        let mut intervals = intervals;
        let mut world = World::new();
        let tally = |readings: &[(u16, u32)]| Bins::new(&EDGES).unwrap().tally(readings.iter().copied()).unwrap();
        let half = intervals.len() / 2;
        for part in [&intervals[..half], &intervals[half..]] {
            world.append(&part.iter().map(|readings| tally(readings)).collect::<Vec<_>>());
        }
        // Readings that came late.
        let at = at.index(intervals.len());
        intervals[at].extend(&late);
        let update = world.owner.replace(at, &tally(&intervals[at]), &mut world.entropy).unwrap();
        world.host.apply(&update).unwrap();
        let totals = |readings: &Vec<(u16, u32)>| {
            let matching = readings.iter().filter(|(field, _)| question.matches(*field));
            matching.fold(Totals::default(), |all, (_, value)| all + Totals { count: 1, sum: u64::from(*value) })
        };
        let wanted: Vec<Totals> = intervals.iter().map(totals).collect();
        prop_assert_eq!(world.ask(&question), Ok(wanted.clone()));
        // After a restart of both sides from their own bytes.
        world.host = AggregateServer::from_bytes(&world.host.to_bytes(), 300).unwrap();
        world.owner = AggregateIndex::from_bytes(Key::from_bytes(KEY), &world.owner.to_bytes()).unwrap();
        prop_assert_eq!(world.ask(&question), Ok(wanted));
    }
}

#[test]
fn the_largest_numbers() {
    let edges: Vec<u16> = (0..256).collect();
    let mut owner = AggregateIndex::new(Key::from_bytes(KEY), Bins::new(&edges).unwrap()).unwrap();
    let mut host = AggregateServer::new(owner.table(), 1);
    let most = Totals { count: (1 << 32) - 1, sum: (1 << 49) - 1 };
    for wrong in [Totals { count: 1 << 32, sum: 0 }, Totals { count: 0, sum: 1 << 49 }] {
        assert_eq!(Tally::from_totals(vec![wrong]), Err(SearchError::Value));
    }
    let mut entropy = SeededEntropy::new(&[3; 32]);
    let tally = Tally::from_totals(vec![most; 256]).unwrap();
    host.apply(&owner.append(&[tally], &mut entropy).unwrap()[0]).unwrap();
    let (query, pending) = owner.query(&Predicate::Any, &mut entropy).unwrap();
    let found = owner.decode(pending, &host.answer(&query).unwrap()).unwrap();
    assert_eq!(found, [Totals { count: 256 * most.count, sum: 256 * most.sum }]);
}

#[test]
fn bins_are_checked_and_means_are_physical() {
    for wrong in [&[][..], &[5, 5], &[5, 4], &(0..257).collect::<Vec<u16>>()] {
        assert_eq!(Bins::new(wrong), Err(SearchError::Shape), "{wrong:?}");
    }
    let bins = Bins::new(&EDGES).unwrap();
    assert_eq!(bins.tally([(2, 0)]), Err(SearchError::Value));
    let mut world = World::new();
    world.append(&[bins.tally([(300, 500), (400, 0)]).unwrap()]);
    for parted in [Predicate::Equal(12), from(4), Predicate::Between { low: 10, high: 5000 }] {
        assert_eq!(world.ask(&parted), Err(SearchError::PartsBin), "{parted:?}");
    }
    let found = world.ask(&from(200)).unwrap();
    // Tenths from −50 °C: 0.0 °C and −50.0 °C.
    let mean = found[0].physical_mean(&FixedPoint::new(10, -500).unwrap()).unwrap();
    assert!((mean + 25.0).abs() < 1e-9, "{mean}");
    assert_eq!(Totals::default().mean(), None);
    let other = Bins::new(&[0, 1]).unwrap().tally([]).unwrap();
    assert_eq!(world.owner.append(std::slice::from_ref(&other), &mut world.entropy), Err(SearchError::Shape));
    assert_eq!(world.owner.replace(7, &other, &mut world.entropy), Err(SearchError::Shape));
}

#[test]
fn lengths_do_not_depend_on_content() {
    let mut world = World::new();
    world.append(&tallies(3));
    let lengths = |world: &mut World, question| {
        let (query, _) = world.query(&question);
        (query.len(), world.host.answer(&query).unwrap().len())
    };
    let first = lengths(&mut world, Predicate::Any);
    for question in [Predicate::Not(Predicate::Any.into()), Predicate::Equal(10), from(5000)] {
        assert_eq!(lengths(&mut world, question), first);
    }
    assert!(world.updates.iter().all(|update| update.len() == world.updates[0].len()));
    // One more polynomial for each 102 intervals.
    world.append(&tallies(99));
    assert_eq!(lengths(&mut world, Predicate::Any), first);
    world.append(&tallies(1));
    assert_eq!(lengths(&mut world, Predicate::Any), (first.0, first.1 + 2048 * (32 + 24) / 8));
}

/// Whatever is added to whichever number, and whatever else is computed.
#[test]
fn a_host_that_lies_is_seen() {
    let mut world = World::new();
    world.append(&tallies(5));
    let question = from(11);
    // Heads of an answer are 68 bytes, then 8 KiB of mask, then numbers of three bytes: the top 15 bits are the message.
    let body = 68 + 2048 * 32 / 8;
    let shift = |answer: &mut [u8], limb: usize, by: u32| {
        let at = body + 3 * limb;
        let number = u32::from_le_bytes([answer[at], answer[at + 1], answer[at + 2], 0]).wrapping_add(by << 9);
        answer[at..at + 3].copy_from_slice(&number.to_le_bytes()[..3]);
    };
    for (limb, by) in [(0, 1), (4, 1 << 14), (5, 127), (11, 1), (12, 1), (19, 3), (39, 1 << 14), (100, 1), (2047, 1)] {
        let (query, pending) = world.query(&question);
        let mut answer = world.host.answer(&query).unwrap();
        shift(&mut answer, limb, by);
        assert_eq!(world.owner.decode(pending, &answer), Err(SearchError::Tampered), "{limb} {by}");
    }
    // All intervals, but one of another state under the name of this one.
    let (before, behind) = (AggregateServer::from_bytes(&world.host.to_bytes(), 9).unwrap(), tallies(2).remove(1));
    let update = world.owner.replace(2, &behind, &mut world.entropy).unwrap();
    let (query, pending) = world.query(&question);
    assert_eq!(before.answer(&query), Err(SearchError::Stale));
    world.host.apply(&update).unwrap();
    let view = world.host.answer(&query).unwrap()[36..68].to_vec();
    let mut other = AggregateIndex::from_bytes(Key::from_bytes(KEY), &{
        let mut old = World::new();
        old.append(&tallies(5));
        old.owner.to_bytes()
    })
    .unwrap();
    let old_view = other.query(&question, &mut SeededEntropy::new(&[1; 32])).unwrap().0[36..68].to_vec();
    let mut forged = query;
    forged[36..68].copy_from_slice(&old_view);
    let mut answer = before.answer(&forged).unwrap();
    answer[36..68].copy_from_slice(&view);
    assert_eq!(world.owner.decode(pending, &answer), Err(SearchError::Tampered));
    // The answer to another query.
    let (query, _) = world.query(&question);
    let (_, pending) = world.query(&question);
    assert_eq!(world.owner.decode(pending, &world.host.answer(&query).unwrap()), Err(SearchError::Tampered));
}

#[test]
fn sealing_twice_shares_no_pad() {
    let mut world = World::new();
    let state = world.owner.to_bytes();
    let tally = tallies(8).remove(7);
    world.append(std::slice::from_ref(&tally));
    // A state that was rolled back, and other entropy: the numbers have nothing in common.
    let mut back = AggregateIndex::from_bytes(Key::from_bytes(KEY), &state).unwrap();
    let again = back.append(&[tally], &mut SeededEntropy::new(&[4; 32])).unwrap().remove(0);
    let pairs = again[60..].chunks(2).zip(world.updates[0][60..].chunks(2));
    assert!(pairs.filter(|(a, b)| a == b).count() < 5);
}

#[test]
fn states_and_bytes_are_checked() {
    let mut world = World::new();
    let all = tallies(4);
    world.append(&all[..2]);
    let (old, _) = world.query(&Predicate::Any);
    let [a, b] = world.owner.append(&all[2..], &mut world.entropy).unwrap().try_into().unwrap();
    assert_eq!(world.host.apply(&b), Err(SearchError::NotNext { blocks: 2 }));
    world.host.apply(&a).unwrap();
    assert_eq!(world.host.answer(&old), Err(SearchError::Stale));
    world.host.apply(&b).unwrap();
    // Twice, and an older sealing.
    let newer = world.owner.replace(2, &all[0], &mut world.entropy).unwrap();
    world.host.apply(&newer).unwrap();
    let state = world.host.to_bytes();
    for update in [&a, &b, &newer, &world.updates[0]] {
        world.host.apply(update).unwrap();
    }
    assert_eq!(world.host.to_bytes(), state);
    assert!(matches!(AggregateServer::from_bytes(&state, 3), Err(SearchError::Full { most: 3 })));
    let mut small = AggregateServer::new(world.owner.table(), 1);
    small.apply(&world.updates[0]).unwrap();
    assert_eq!(small.apply(&world.updates[1]), Err(SearchError::Full { most: 1 }));
    let other = AggregateIndex::new(Key::from_bytes([1; 32]), Bins::new(&EDGES).unwrap()).unwrap();
    assert_eq!(AggregateServer::new(other.table(), 1).apply(&a), Err(SearchError::OtherTable));
    let of_other = AggregateIndex::from_bytes(Key::from_bytes([1; 32]), &world.owner.to_bytes());
    assert!(matches!(of_other, Err(SearchError::OtherTable)));
    // A number of 16 bits.
    let mut wide = a;
    wide[61] |= 0x80;
    assert!(matches!(AggregateServer::new(world.owner.table(), 9).apply(&wide), Err(SearchError::Format { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decoders_take_any_bytes(
        which in 0usize..5, cut in prop::option::of(any::<prop::sample::Index>()), at: prop::sample::Index, with in 1u8..,
        noise in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let mut world = World::new();
        world.append(&tallies(2));
        let (query, pending) = world.query(&Predicate::Any);
        let answer = world.host.answer(&query).unwrap();
        let all = [world.updates[0].clone(), query, answer, world.host.to_bytes(), world.owner.to_bytes()];
        let mut bytes = all[which].clone();
        let place = if with & 1 == 0 { at.index(bytes.len()) } else { at.index(80.min(bytes.len())) };
        bytes[place] ^= with;
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        for bytes in [&bytes, &noise] {
            let _ = AggregateTable::from_bytes(bytes);
            let _ = AggregateServer::from_bytes(bytes, 5);
            let _ = AggregateServer::new(world.owner.table(), 5).apply(bytes);
            let _ = AggregateIndex::from_bytes(Key::from_bytes(KEY), bytes);
            if let Ok(answer) = world.host.answer(bytes) {
                prop_assert_eq!(answer.len(), all[2].len());
            }
        }
        // A changed answer is refused, or the change was rounded away.
        if let Ok(totals) = world.owner.decode(pending, &bytes) {
            prop_assert_eq!(which, 2);
            prop_assert_eq!(totals, world.ask(&Predicate::Any).unwrap());
        }
    }
}

#[test]
fn golden_bytes() {
    // Intervals are stored, and owner and host may be of different builds. A change here needs a new version.
    let mut world = World::new();
    world.append(&tallies(2));
    let (query, _) = world.query(&from(11));
    let mut lines = String::new();
    for (name, bytes) in [("interval", &world.updates[1]), ("query", &query), ("server", &world.host.to_bytes())] {
        lines += &format!("{name} {} {}\n", bytes.len(), Digest::content(bytes));
    }
    let hex: String = world.owner.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    lines += &format!("index {hex}\n");
    assert_eq!(lines, include_str!("../testdata/aggregate.txt"), "\n{lines}");
}
