//! The keyword search from the outside: exact, of constant length, and refusing what is false.
#![cfg(feature = "search")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};

use cpchain_crypto::{
    Key, SeededEntropy,
    counter::{CounterStore, Loaded, Mark, SealCounter},
    search::{
        Kernel, SearchClient, SearchError, SearchServer, Term,
        keyword::{
            KeywordClient, KeywordIndex, KeywordServer, Lookup, Page, ParameterSet, Pending, Posting, Shard,
            add_answers,
        },
    },
};
use proptest::prelude::*;

const KEY: [u8; 32] = [8; 32];
const MAX: u64 = 1 << 24;

/// A store in memory, which may be broken.
#[derive(Clone, Default)]
struct Flash(std::rc::Rc<std::cell::RefCell<(Option<Mark>, bool)>>);

impl CounterStore for Flash {
    type Error = &'static str;

    fn load(&mut self) -> Result<Loaded, Self::Error> {
        Ok(self.0.borrow().0.map_or(Loaded::Fresh, Loaded::Proven))
    }

    fn store(&mut self, mark: &Mark) -> Result<(), Self::Error> {
        let (stored, broken) = &mut *self.0.borrow_mut();
        if *broken {
            return Err("broken");
        }
        *stored = Some(*mark);
        Ok(())
    }
}

struct World {
    client: KeywordClient<Flash>,
    flash: Flash,
    host: KeywordServer,
    entropy: SeededEntropy,
    updates: Vec<Vec<u8>>,
}

fn term(number: u32) -> Term {
    Term::new("number", &number.to_le_bytes())
}

fn posting(number: u32, record: u64) -> Posting {
    Posting { term: term(number), record }
}

impl World {
    fn new(fetches: usize) -> Self {
        let index = KeywordIndex::new(Key::from_bytes(KEY), ParameterSet::Bucket1K, fetches).unwrap();
        let (host, flash) = (KeywordServer::new(index.table(), Shard::WHOLE, MAX), Flash::default());
        let counter = SealCounter::open(flash.clone()).unwrap();
        let client = KeywordClient::new(index, Key::from_bytes([9; 32]), counter);
        Self { client, flash, host, entropy: SeededEntropy::new(&[3; 32]), updates: Vec::new() }
    }

    fn append(&mut self, postings: &[Posting]) {
        let update = self.client.index_mut().append(postings, &mut self.entropy).unwrap();
        self.host.apply(&update).unwrap();
        self.updates.push(update);
    }

    fn query(&mut self, question: &[Lookup]) -> (Vec<u8>, Pending) {
        self.client.query(question, &mut self.entropy).unwrap()
    }

    fn ask(&mut self, question: &[Lookup]) -> Result<Vec<Page>, SearchError> {
        let (query, pending) = self.query(question);
        self.client.decode(pending, &self.host.answer(&query)?)
    }

    /// All records of a term, page by page.
    fn all(&mut self, term: Term) -> Vec<u64> {
        let mut found = BTreeSet::new();
        for page in 0.. {
            let pages = self.ask(&[Lookup { term, page }]).unwrap();
            found.extend(&pages[0].records);
            if !pages[0].more {
                break;
            }
        }
        found.into_iter().collect()
    }
}

#[test]
fn records_of_rare_and_popular_terms() {
    let mut world = World::new(2);
    let popular: Vec<_> = (0..100).map(|record| posting(1, record * 7)).collect();
    let rare: Vec<_> = (0..2000).map(|record| posting(100 + record, u64::from(record))).collect();
    world.append(&[popular.as_slice(), &rare, &popular].concat());
    assert_eq!(world.all(term(1)), (0..100).map(|record| record * 7).collect::<Vec<_>>());
    let two = [Lookup { term: term(1234), page: 0 }, Lookup { term: term(99), page: 0 }];
    let wanted = [Page { records: vec![1134], more: false }, Page { records: vec![], more: false }];
    assert_eq!(world.ask(&two).unwrap(), wanted);
    // A page behind the last, and the last of all.
    for page in [13, u32::MAX] {
        assert_eq!(world.ask(&[Lookup { term: term(1), page }]).unwrap(), [Page { records: vec![], more: false }]);
    }
    let three = Lookup::pages(term(1), 3);
    assert!(matches!(world.client.query(&three, &mut world.entropy), Err(SearchError::Fetches)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_tables_agree_with_plaintext(
        intervals in prop::collection::vec(prop::collection::vec((0u32..400, 0u64..1 << 40), 0..1500), 1..4),
        asked in prop::collection::vec(0u32..450, 4),
        merged in 0usize..4,
        fetches in 1usize..=8,
    ) {
        let mut world = World::new(fetches);
        let mut plain: BTreeMap<u32, BTreeSet<u64>> = BTreeMap::new();
        for interval in &intervals {
            interval.iter().for_each(|(number, record)| plain.entry(*number).or_default().extend([record]));
            world.append(&interval.iter().map(|(number, record)| posting(*number, *record)).collect::<Vec<_>>());
        }
        if merged > 0 && merged <= intervals.len() {
            let updates: Vec<&[u8]> = world.updates[intervals.len() - merged..].iter().map(Vec::as_slice).collect();
            let update = world.client.index_mut().compact(&updates, &mut world.entropy).unwrap();
            world.host.apply(&update).unwrap();
            prop_assert_eq!(world.client.index().segments().len(), intervals.len() - merged + 1);
        }
        for number in asked {
            let wanted: Vec<u64> = plain.get(&number).into_iter().flatten().copied().collect();
            prop_assert_eq!(world.all(term(number)), wanted);
        }
    }
}

/// Every kernel gives the same bytes, and shards in any order and grouping give those of the whole.
#[test]
fn shards_add_up_to_the_whole() {
    let mut world = World::new(2);
    world.append(&(0..3000).map(|n| posting(n, u64::from(n))).collect::<Vec<_>>());
    world.append(&(0..10).map(|n| posting(n, 7000)).collect::<Vec<_>>());
    let (query, pending) = world.query(&[Lookup { term: term(7), page: 0 }]);
    let whole = world.host.answer(&query).unwrap();
    for kernel in Kernel::available() {
        let host = KeywordServer::from_bytes(&world.host.to_bytes(), MAX).unwrap().with_kernel(kernel);
        assert_eq!(host.answer(&query), Ok(whole.clone()));
    }
    let shards: Vec<_> = (0..3)
        .map(|number| {
            let mut shard = KeywordServer::new(world.host.table(), Shard::new(number, 3).unwrap(), MAX);
            world.updates.iter().for_each(|update| shard.apply(update).unwrap());
            assert!(shard.bytes() <= world.host.bytes() / 3 + 2048);
            // After a restart from its own bytes.
            KeywordServer::from_bytes(&shard.to_bytes(), MAX).unwrap()
        })
        .collect();
    let [a, b, c] = [0, 1, 2].map(|number: usize| shards[number].answer(&query).unwrap());
    assert!([&a, &b, &c].iter().all(|part| part.len() == whole.len()));
    let some = add_answers(&[&c, &a]).unwrap();
    assert_eq!(add_answers(&[&some, &a]), Err(SearchError::Stale), "a part twice");
    assert_eq!(add_answers(&[&some, &whole]), Err(SearchError::Stale), "parts of other sizes");
    let all = add_answers(&[&some, &b]).unwrap();
    assert_eq!(world.client.decode(pending, &all).unwrap(), [Page { records: vec![7, 7000], more: false }]);
    // One part is missing.
    let (query, pending) = world.query(&[]);
    let some = add_answers(&[&shards[1].answer(&query).unwrap(), &shards[0].answer(&query).unwrap()]).unwrap();
    assert_eq!(add_answers(&[&some, &a]), Err(SearchError::Stale), "parts of two queries");
    assert_eq!(world.client.decode(pending, &some), Err(SearchError::Incomplete));
    // A shard cannot give an update back.
    assert!(shards[0].update(0).is_none());
    assert_eq!(world.host.update(0).as_ref(), world.updates.first());
}

#[test]
fn a_batch_answers_as_one_by_one() {
    let mut world = World::new(3);
    world.append(&(0..100).map(|n| posting(n, u64::from(n))).collect::<Vec<_>>());
    let queries: Vec<_> = (0..4).map(|n| world.query(&Lookup::pages(term(n), 1)).0).collect();
    let mut asked: Vec<&[u8]> = queries.iter().map(Vec::as_slice).collect();
    asked.insert(2, b"no query");
    let answers = world.host.answer_batch(&asked);
    assert!(answers.iter().zip(&asked).all(|(answer, query)| *answer == world.host.answer(query)));
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 4);
}

/// A changed answer is refused wherever it was changed, also in the fetches that nobody asked for, and also if the term is not there.
#[test]
fn a_host_that_lies_is_seen() {
    let mut world = World::new(2);
    world.append(&(0..500).map(|n| posting(n, u64::from(n))).collect::<Vec<_>>());
    let honest = world.ask(&[Lookup { term: term(9999), page: 0 }]).unwrap();
    assert_eq!(honest, [Page { records: vec![], more: false }]);
    let any = world.query(&[]).0;
    let length = world.host.answer(&any).unwrap().len();
    // Lines of the answer: 93 bytes of head, 4 KiB for each fetch; the top byte of a number decides.
    for at in [0, 1, 2, 40, 70, 84, 85, 93 + 3, 93 + 4096 - 1, 93 + 4096 + 3, length - 1] {
        let (query, pending) = world.query(&[Lookup { term: term(9999), page: 0 }]);
        let mut answer = world.host.answer(&query).unwrap();
        answer[at] ^= 0x80;
        assert!(world.client.decode(pending, &answer).is_err(), "{at}");
    }
    for length in [0, 2, 50, 93, 93 + 4096, length - 4, length - 1, length + 4] {
        let (query, pending) = world.query(&[]);
        let mut answer = world.host.answer(&query).unwrap();
        answer.resize(length, 0);
        assert!(world.client.decode(pending, &answer).is_err(), "{length}");
    }
}

/// The answer to a query is no answer to another, not even of the same question.
#[test]
fn a_replayed_answer_is_refused() {
    let mut world = World::new(2);
    world.append(&(0..500).map(|n| posting(n, u64::from(n))).collect::<Vec<_>>());
    let question = Lookup::pages(term(7), 1);
    let (first, _) = world.query(&question);
    let (_, pending) = world.query(&question);
    let replayed = world.host.answer(&first).unwrap();
    assert_eq!(world.client.decode(pending, &replayed), Err(SearchError::Tampered));
    // Nor with the name of the other: 34 + 2 + 32 bytes stand before it.
    let (second, pending) = world.query(&question);
    let mut renamed = replayed;
    renamed[68..84].copy_from_slice(&second[68..84]);
    assert_eq!(world.client.decode(pending, &renamed), Err(SearchError::Tampered));
}

/// A host that lost buckets, or never had them, and answers as if it had all: nothing of it is believed, of terms that are there or not.
#[test]
fn a_truncated_table_is_refused() {
    let mut world = World::new(1);
    world.append(&(0..500).map(|n| posting(n, u64::from(n))).collect::<Vec<_>>());
    let mut stored = world.host.to_bytes();
    let half = stored.len() - world.host.bytes() as usize / 2;
    stored[half..].fill(0);
    let whole = std::mem::replace(&mut world.host, KeywordServer::from_bytes(&stored, MAX).unwrap());
    // Each sum is over all buckets, so that a few that are missing spoil all answers.
    for number in (0..40).chain(1000..1040) {
        assert_eq!(world.ask(&Lookup::pages(term(number), 1)), Err(SearchError::Tampered), "{number}");
    }
    // The shard of a half alone, also if it says that it is all.
    let mut half = KeywordServer::new(world.client.index().table(), Shard::new(0, 2).unwrap(), MAX);
    half.apply(&world.updates[0]).unwrap();
    let (query, pending) = world.query(&Lookup::pages(term(1000), 1));
    assert!(world.client.decode(pending, &half.answer(&query).unwrap()).is_err());
    // A segment that came later, left out.
    world.host = whole;
    world.append(&[posting(1000, 5)]);
    let (query, pending) = world.query(&Lookup::pages(term(1000), 1));
    let mut answer = world.host.answer(&query).unwrap();
    let length = answer.len();
    answer[length - 4096..].fill(0);
    assert_eq!(world.client.decode(pending, &answer), Err(SearchError::Tampered));
    assert_eq!(world.all(term(1000)), [5]);
}

/// A host that is behind says so; one that hides it and answers from the old buckets is refused.
#[test]
fn an_old_version_is_seen() {
    let mut world = World::new(1);
    world.append(&[posting(1, 10)]);
    let old = KeywordServer::from_bytes(&world.host.to_bytes(), MAX).unwrap();
    let again = world.client.index_mut().compact(&[&world.updates[0].clone()], &mut world.entropy).unwrap();
    let (query, pending) = world.query(&Lookup::pages(term(1), 1));
    assert_eq!(old.answer(&query), Err(SearchError::Stale));
    // It forges the view of the query: the rest is as if it were up to date, for the segment has the same shape.
    let mut forged = query.clone();
    let mut index = KeywordIndex::new(Key::from_bytes(KEY), ParameterSet::Bucket1K, 1).unwrap();
    let lone = index.append(&[posting(1, 10)], &mut SeededEntropy::new(&[3; 32])).unwrap();
    assert_eq!(lone, world.updates[0]);
    let mut asker = KeywordClient::new(index, Key::from_bytes([1; 32]), SealCounter::open(Flash::default()).unwrap());
    let (of_old, _) = asker.query(&[], &mut world.entropy).unwrap();
    forged[36..68].copy_from_slice(&of_old[36..68]);
    let mut answer = old.answer(&forged).unwrap();
    answer[36..68].copy_from_slice(&query[36..68]);
    assert_eq!(world.client.decode(pending, &answer), Err(SearchError::Tampered));
    world.host.apply(&again).unwrap();
    assert_eq!(world.all(term(1)), [10]);
}

#[test]
fn updates_come_in_order_and_within_bounds() {
    let mut world = World::new(1);
    world.append(&[posting(1, 1)]);
    let state = world.host.to_bytes();
    let [a, b] = [2, 3].map(|n| world.client.index_mut().append(&[posting(n, 2)], &mut world.entropy).unwrap());
    assert_eq!(world.host.apply(&b), Err(SearchError::NotNext { blocks: 1 }));
    world.host.apply(&world.updates[0]).unwrap();
    assert_eq!(world.host.to_bytes(), state, "an update that was applied before changes nothing");
    world.host.apply(&a).unwrap();
    assert_eq!(world.host.apply(&b[..b.len() - 1]), Err(SearchError::Format { what: "update of a keyword table" }));
    world.host.apply(&b).unwrap();
    assert_eq!(world.all(term(3)), [2]);
    // A host with room for one segment of 256 buckets.
    let mut small = KeywordServer::new(world.host.table(), Shard::WHOLE, 256 * 1024);
    small.apply(&world.updates[0]).unwrap();
    assert_eq!(small.apply(&a), Err(SearchError::TooMany));
    assert_eq!(KeywordServer::from_bytes(&world.host.to_bytes(), 256 * 1024).err(), Some(SearchError::TooMany));
    // Another table.
    let other = KeywordIndex::new(Key::from_bytes([1; 32]), ParameterSet::Bucket1K, 1).unwrap().table();
    assert_eq!(KeywordServer::new(other, Shard::WHOLE, MAX).apply(&a), Err(SearchError::OtherTable));
    // A record number that does not fit, and a table that is full.
    let index = world.client.index_mut();
    assert_eq!(index.append(&[posting(1, 1 << 40)], &mut world.entropy), Err(SearchError::Value));
    while index.segments().len() < KeywordIndex::MAX_SEGMENTS {
        index.append(&[], &mut world.entropy).unwrap();
    }
    assert_eq!(index.append(&[], &mut world.entropy), Err(SearchError::TooMany));
}

/// The host keeps queries and answers of one length for every question.
#[test]
fn lengths_do_not_depend_on_the_question() {
    let mut world = World::new(4);
    world.append(&(0..300).map(|n| posting(n % 3, u64::from(n))).collect::<Vec<_>>());
    let questions: [&[Lookup]; 4] =
        [&[], &Lookup::pages(term(0), 1), &Lookup::pages(term(0), 4), &Lookup::pages(term(77), 2)];
    let lengths: BTreeSet<_> = questions
        .iter()
        .map(|question| {
            let (query, _) = world.query(question);
            (query.len(), world.host.answer(&query).unwrap().len())
        })
        .collect();
    assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [(84 + 4 * 4 * 256, 93 + 4 * 4096)]);
}

/// With entropy that repeats and a client that crashes after every step, no two queries share a secret; with a counter that was
/// rolled back, fresh entropy sees to it.
#[test]
fn no_query_is_used_twice() {
    let (mut seen, flash) = (BTreeSet::new(), Flash::default());
    let start = |flash: &Flash| {
        let mut world = World::new(1);
        world.append(&[posting(1, 1)]);
        let (index, _) = world.client.into_parts();
        KeywordClient::new(index, Key::from_bytes([9; 32]), SealCounter::open(flash.clone()).unwrap())
    };
    for prepared in [0, 1, 3, 0] {
        let mut client = start(&flash);
        (0..prepared).for_each(|_| client.prepare(&mut SeededEntropy::new(&[4; 32])).unwrap());
        assert_eq!(client.prepared(), prepared);
        for _ in 0..2 {
            let (query, _) = client.query(&Lookup::pages(term(1), 1), &mut SeededEntropy::new(&[4; 32])).unwrap();
            assert!(seen.insert(query[68..].to_vec()));
        }
    }
    // The counter is copied back.
    let copied = Flash::default();
    let mut client = start(&copied);
    let (query, _) = client.query(&Lookup::pages(term(1), 1), &mut SeededEntropy::new(&[5; 32])).unwrap();
    assert!(seen.insert(query[68..].to_vec()));
}

#[test]
fn nothing_is_asked_before_it_is_consumed() {
    let mut world = World::new(1);
    world.append(&[posting(1, 1)]);
    world.client.prepare(&mut world.entropy).unwrap();
    world.flash.0.borrow_mut().1 = true;
    // The one that was consumed before can be sent, no other.
    assert!(world.client.query(&[], &mut world.entropy).is_ok());
    assert_eq!(world.client.query(&[], &mut world.entropy).err(), Some(SearchError::Counter));
    world.flash.0.borrow_mut().1 = false;
    assert_eq!(world.all(term(1)), [1]);
}

/// A change of the index makes prepared queries useless, and a pending one is still read.
#[test]
fn states_change_while_queries_are_out() {
    let mut world = World::new(1);
    world.append(&[posting(1, 1)]);
    world.client.prepare(&mut world.entropy).unwrap();
    let (query, pending) = world.query(&Lookup::pages(term(1), 1));
    world.client.prepare(&mut world.entropy).unwrap();
    let answer = world.host.answer(&query).unwrap();
    world.append(&[posting(1, 2)]);
    assert_eq!(world.client.prepared(), 0);
    assert_eq!(world.client.decode(pending, &answer).unwrap(), [Page { records: vec![1], more: false }]);
    assert_eq!(world.host.answer(&query), Err(SearchError::Stale));
    assert_eq!(world.all(term(1)), [1, 2]);
}

#[test]
fn the_index_comes_back_from_its_bytes() {
    let mut world = World::new(1);
    world.append(&[posting(1, 1)]);
    world.append(&[posting(1, 2)]);
    let bytes = world.client.index().to_bytes();
    assert_eq!(KeywordIndex::from_bytes(Key::from_bytes([1; 32]), &bytes).err(), Some(SearchError::OtherTable));
    for length in [0, 20, 39, 100, bytes.len() - 1] {
        assert!(KeywordIndex::from_bytes(Key::from_bytes(KEY), &bytes[..length]).is_err(), "{length}");
    }
    // A reader to whom the owner gave key and state, with a key and a counter of its own.
    let index = KeywordIndex::from_bytes(Key::from_bytes(KEY), &bytes).unwrap();
    assert_eq!(index.to_bytes(), bytes);
    world.client = KeywordClient::new(index, Key::from_bytes([2; 32]), SealCounter::open(Flash::default()).unwrap());
    assert_eq!(world.all(term(1)), [1, 2]);
    assert!(world.all(term(2)).is_empty());
}
