//! Plans from the outside: exact over both engines, alike to hosts, and never partial.
#![cfg(feature = "search")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod readings;

use std::{collections::BTreeSet, convert::Infallible};

use cpchain_crypto::{
    Key, SeededEntropy,
    counter::{CounterStore, Loaded, Mark, SealCounter},
    search::{
        SearchError, SearchServer,
        keyword::{KeywordClient, KeywordIndex, KeywordServer, ParameterSet, Posting, Shard},
        language::Expression,
        plan::{Engine, Found, Indexes, Options, Padding, Plan, PlanError, Request, RunError, Searcher, Shape},
        scan::{ScanIndex, ScanServer},
    },
};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use readings::{Reading, expression, reading, schema};

/// A counter for one run: nothing is asked after it.
struct Memory;

impl CounterStore for Memory {
    type Error = Infallible;

    fn load(&mut self) -> Result<Loaded, Infallible> {
        Ok(Loaded::Fresh)
    }

    fn store(&mut self, _: &Mark) -> Result<(), Infallible> {
        Ok(())
    }
}

struct World {
    records: Vec<Reading>,
    indexes: Indexes<Memory>,
    keyword: KeywordServer,
    scan: ScanServer,
    entropy: SeededEntropy,
}

impl World {
    fn new(records: Vec<Reading>, fetches: usize) -> Self {
        let mut index = KeywordIndex::new(Key::from_bytes([1; 32]), ParameterSet::Bucket1K, fetches).unwrap();
        let mut scan = ScanIndex::new(Key::from_bytes([2; 32]), &schema().digits()).unwrap();
        let mut entropy = SeededEntropy::new(&[3; 32]);
        let mut hosts = (KeywordServer::new(index.table(), Shard::WHOLE, 1 << 24), ScanServer::new(scan.table(), 4));
        let (mut postings, mut columns) = (Vec::new(), vec![Vec::new(); 4]);
        for (record, reading) in (0..).zip(&records) {
            let indexed = schema().index(&reading.fields()).unwrap();
            postings.extend(indexed.terms.into_iter().map(|term| Posting { term, record }));
            columns.iter_mut().zip(indexed.columns).for_each(|(column, number)| column.push(number));
        }
        hosts.0.apply(&index.append(&postings, &mut entropy).unwrap()).unwrap();
        let columns: Vec<&[u16]> = columns.iter().map(Vec::as_slice).collect();
        for update in scan.append(&columns, &mut entropy).unwrap() {
            hosts.1.apply(&update).unwrap();
        }
        let client = KeywordClient::new(index, Key::from_bytes([4; 32]), SealCounter::open(Memory).unwrap());
        let indexes = Indexes::new().with_keyword(client).with_scan(scan);
        Self { records, indexes, keyword: hosts.0, scan: hosts.1, entropy }
    }

    fn random(runner: &mut TestRunner, records: usize, fetches: usize) -> Self {
        let records = prop::collection::vec(reading(), records).new_tree(runner).unwrap().current();
        Self::new(records, fetches)
    }

    fn plan(&self, text: &str, options: &Options) -> Result<Plan, PlanError> {
        Plan::new(&schema().parse(text).unwrap(), &schema(), &self.indexes.tables(), options)
    }

    fn answer(&self, request: &Request) -> Vec<u8> {
        match request.engine {
            Engine::Keyword => self.keyword.answer(&request.query).unwrap(),
            _ => self.scan.answer(&request.query).unwrap(),
        }
    }

    fn requests(&mut self, searcher: &mut Searcher) -> Vec<Request> {
        let mut next = || searcher.next(&mut self.indexes, &mut self.entropy).unwrap();
        core::iter::from_fn(&mut next).collect()
    }

    fn run(&mut self, plan: Plan) -> Result<Vec<u64>, RunError> {
        let mut searcher = Searcher::new(plan);
        while let Some(request) = searcher.next(&mut self.indexes, &mut self.entropy)? {
            let answer = self.answer(&request);
            searcher.take(&self.indexes, request.number, &answer)?;
        }
        searcher.finish().map(|found| found.records().unwrap())
    }

    fn plain(&self, expression: &Expression) -> Vec<u64> {
        let matches = |reading: &Reading| schema().matches(expression, &reading.fields()).unwrap();
        (0..).zip(&self.records).filter(|(_, reading)| matches(reading)).map(|(number, _)| number).collect()
    }

    /// Asks, and compares with the plaintext.
    fn agrees(&mut self, expression: &Expression) {
        let options = Options { pages: 16, ..Options::default() };
        let plan = Plan::new(expression, &schema(), &self.indexes.tables(), &options).unwrap();
        let explain = plan.explain().to_string();
        assert_eq!(self.run(plan), Ok(self.plain(expression)), "{expression}\n{explain}");
    }
}

fn runner(seed: u8) -> TestRunner {
    TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]))
}

#[test]
fn random_expressions_agree_with_plaintext() {
    let mut runner = runner(1);
    let mut world = World::random(&mut runner, 300, 8);
    for _ in 0..3 {
        let expression = expression().new_tree(&mut runner).unwrap().current();
        world.agrees(&expression);
    }
}

#[test]
fn conditions_share_scans_and_go_to_the_engine_that_has_them() {
    let world = World::random(&mut runner(2), 50, 4);
    let needed = |text: &str| {
        let plan = world.plan(text, &Options { pages: 1, ..Options::default() }).unwrap();
        let explain = plan.explain().clone();
        let needed = |engine| explain.cost(engine).map_or(0, |cost| cost.needed);
        (needed(Engine::Keyword), needed(Engine::Scan))
    };
    for (text, queries) in [
        ("temperature:>20 status:ok time:<2026-02-01", (0, 1)),
        ("temperature:>20 NOT status:ok", (0, 1)),
        ("temperature:>20 temperature:<25", (0, 1)),
        ("NOT (status:ok OR temperature:>20)", (0, 1)),
        ("temperature:>20 OR time:<2026-02-01", (0, 2)),
        ("status:ok OR status:fault", (0, 1)),
        ("temperature:>20 NOT temperature:21", (0, 2)),
        ("temperature:(1 2 3 4 5 6)", (0, 1)),
        ("temperature:(1 2 3 4 5 6 7)", (0, 2)),
        ("temperature:(20 20.1 20.2 20.3 20.4 20.5 20.6)", (0, 1)),
        // Looking it up is cheaper, but not if its column is scanned anyway.
        ("room:kitchen", (1, 0)),
        ("room:kitchen status:ok", (0, 1)),
        ("room:kitchen serial:7 door", (1, 0)),
        ("room:k*", (0, 1)),
        ("device:D-*", (1, 0)),
        ("door door door log:door", (1, 0)),
        // What no record can have is asked for nowhere.
        ("temperature:>1000", (0, 0)),
        ("temperature:>1000 OR status:ok", (0, 1)),
        ("temperature:>1000 AND serial:7", (1, 0)),
    ] {
        assert_eq!(needed(text), queries, "{text}");
    }
    let refused = world.plan("device:D-12*", &Options::default());
    assert!(matches!(refused, Err(PlanError::NotIndexed { .. })));
    // Seven terms and two pages are 14 lookups, in four queries of four.
    let words = world.plan("log:\"door window opened closed alarm 21.5\" serial:1", &Options::default()).unwrap();
    assert_eq!(words.shape(), Shape { keyword: 4, ..Shape::default() });
}

#[test]
fn plans_of_one_shape_look_alike() {
    let mut world = World::random(&mut runner(3), 80, 2);
    let exactly = Options {
        pages: 1,
        padding: Padding::Exactly(Shape { keyword: 3, scan: 2, ..Shape::default() }),
        ..Options::default()
    };
    let texts = [
        "serial:1",
        "temperature:>1000",
        "status:ok OR temperature:<0",
        "NOT room:lab status:low",
        "serial:3 device:D-1",
    ];
    let mut seen = BTreeSet::new();
    for text in texts {
        let plan = world.plan(text, &exactly).unwrap();
        assert_eq!(plan.shape(), Shape { keyword: 3, scan: 2, ..Shape::default() }, "{text}");
        let mut searcher = Searcher::new(plan);
        let requests = world.requests(&mut searcher);
        seen.insert(requests.iter().map(|request| (request.engine, request.query.len())).collect::<Vec<_>>());
        for request in requests {
            searcher.take(&world.indexes, request.number, &world.answer(&request)).unwrap();
        }
        let plain = world.plain(&schema().parse(text).unwrap());
        assert_eq!(searcher.finish(), Ok(Found::Records(plain)), "{text}");
    }
    assert_eq!(seen.len(), 1, "hosts see the same of all of them");
    let more = world.plan("temperature:>1 OR time:<2026-02-01 OR NOT status:ok", &exactly);
    assert_eq!(more.err(), Some(PlanError::Padding { engine: Engine::Scan, needed: 3, allowed: 2 }));
    // Rounded up: three are four.
    let rounded = world.plan("temperature:>1 OR time:<2026-02-01 OR NOT status:ok", &Options::default()).unwrap();
    assert_eq!(rounded.shape(), Shape { scan: 4, ..Shape::default() });
}

#[test]
fn explain_foretells_lengths() {
    let mut world = World::random(&mut runner(4), 60, 3);
    let plan = world.plan("door temperature:>20", &Options::default()).unwrap();
    let explain = plan.explain().clone();
    assert_eq!(explain.leaves.len(), 3);
    let mut searcher = Searcher::new(plan);
    let (mut up, mut down) = (0, 0);
    for request in world.requests(&mut searcher) {
        let answer = world.answer(&request);
        let cost = explain.cost(request.engine).unwrap();
        assert_eq!((request.query.len(), answer.len()), (cost.query_len, cost.answer_len));
        (up, down) = (up + request.query.len(), down + answer.len());
    }
    assert_eq!((up, down), (explain.up(), explain.down()));
    assert!(explain.seconds() > 0.0);
    let text = explain.to_string();
    for part in
        ["scan    temperature:[20.1 TO *]  (a column has it)", "keyword log:door", "scan queries: 1; blocks: 1,"]
    {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn nothing_partial_is_returned() {
    let mut world = World::random(&mut runner(5), 60, 1);
    let text = "door OR temperature:>20";
    let mut searcher = Searcher::new(world.plan(text, &Options { pages: 3, ..Options::default() }).unwrap());
    let requests = world.requests(&mut searcher);
    // Two terms of three pages are six lookups, rounded up to eight queries, and one scan.
    assert_eq!(requests.len(), 9);
    let answers: Vec<_> = requests.iter().map(|request| world.answer(request)).collect();
    let take = |searcher: &mut Searcher, number, answer: &[u8]| searcher.take(&world.indexes, number, answer);
    // A query of nothing is judged like any other.
    for number in [0, 7, 8] {
        let mut changed = answers[number].clone();
        let last = changed.len() - 1;
        changed[last] ^= 0x80;
        assert_eq!(take(&mut searcher, number, &changed), Err(RunError::Search(SearchError::Tampered)), "{number}");
        // Its key is gone.
        assert_eq!(take(&mut searcher, number, &answers[number]), Err(RunError::NotAsked));
    }
    for (number, answer) in answers.iter().enumerate().take(7).skip(1) {
        take(&mut searcher, number, answer).unwrap();
    }
    assert_eq!(take(&mut searcher, 1, &answers[1]), Err(RunError::NotAsked), "answered already");
    assert_eq!(take(&mut searcher, 99, &answers[1]), Err(RunError::NotAsked));
    // Refused ones are asked again, under other keys.
    let again = world.requests(&mut searcher);
    assert_eq!(again.iter().map(|request| request.number).collect::<Vec<_>>(), [0, 7, 8]);
    assert!(again.iter().all(|request| request.query != requests[request.number].query));
    for request in &again[..2] {
        searcher.take(&world.indexes, request.number, &world.answer(request)).unwrap();
    }
    assert_eq!(searcher.finish(), Err(RunError::Missing { missing: 1 }));
    // A table that was changed since.
    let mut searcher = Searcher::new(world.plan(text, &Options::default()).unwrap());
    world.indexes.keyword_mut().unwrap().index_mut().append(&[], &mut world.entropy).unwrap();
    assert_eq!(searcher.next(&mut world.indexes, &mut world.entropy), Err(RunError::Changed));
    let mut none = Indexes::<Memory>::new();
    assert_eq!(searcher.next(&mut none, &mut world.entropy), Err(RunError::NoIndex(Engine::Keyword)));
}

#[test]
fn a_popular_term_is_refused() {
    let mut world = World::random(&mut runner(6), 200, 4);
    let asked = schema().parse("log:door").unwrap();
    assert!(world.plain(&asked).len() > 16);
    let plan = world.plan("log:door", &Options { pages: 2, ..Options::default() }).unwrap();
    assert_eq!(world.run(plan), Err(RunError::MorePages { field: "log".to_owned(), pages: 2 }));
    world.agrees(&asked);
}

#[test]
fn tables_and_schema_must_fit() {
    let world = World::random(&mut runner(7), 20, 1);
    let other = cpchain_crypto::search::language::Schema::new();
    let expression = schema().parse("status:ok").unwrap();
    let options = Options::default();
    assert_eq!(Plan::new(&expression, &other, &world.indexes.tables(), &options).err(), Some(PlanError::Columns));
    let keyword = world.indexes.keyword().unwrap();
    let tables = cpchain_crypto::search::plan::Tables::new().with_keyword(keyword.index());
    assert!(matches!(Plan::new(&expression, &schema(), &tables, &options), Err(PlanError::NotIndexed { .. })));
    let unknown = Plan::new(&expression, &other, &tables, &options);
    assert!(matches!(unknown, Err(PlanError::Field { .. })));
    // A room is found by keyword if there is no other table.
    assert!(Plan::new(&schema().parse("room:lab").unwrap(), &schema(), &tables, &options).is_ok());
    // An expression that no text could give.
    let mut deep = expression;
    for _ in 0..200 {
        deep = Expression::Not(Box::new(deep));
    }
    let refused = Plan::new(&deep, &schema(), &world.indexes.tables(), &options);
    assert_eq!(refused.err(), Some(PlanError::TooLarge));
}
