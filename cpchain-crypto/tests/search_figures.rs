//! Figures, public catalogues and several writers' tables, as the planner takes them and refuses them.
#![cfg(feature = "search")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod readings;

use std::convert::Infallible;

use cpchain_crypto::{
    Key, SeededEntropy, Signer, SigningKey,
    counter::{CounterStore, Loaded, Mark, SealCounter},
    search::{
        Field, FieldKind, SearchServer, Term, Value,
        aggregate::{AggregateIndex, AggregateServer, Bins},
        catalogue::{Catalogue, CatalogueClient, CataloguePublisher, Layout},
        keyword::{KeywordIndex, Page, ParameterSet, Posting},
        language::{Cell, Column, Problem, Question, Schema, SchemaError, Summary},
        plan::{Engine, Found, Indexes, Options, Plan, PlanError, Searcher, Tables},
        scan::{
            ScanIndex,
            shared::{SharedReader, SharedServer, SharedTable, SharedWriter},
        },
    },
};
use proptest::prelude::*;
use readings::{HOUR, START, expression, schema};

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

fn field(name: &str, kind: FieldKind) -> Field {
    Field::new(name, kind).unwrap()
}

/// Power by temperature, in hours.
fn power() -> Schema {
    let celsius = field("temperature", FieldKind::Integer);
    let numbers = Column::numbers(Value::Integer(-10), 2).unwrap();
    let watts = field("power", FieldKind::Decimal { places: 1 });
    let time = field("time", FieldKind::Timestamp { step_ms: HOUR });
    let summary = Summary::new((celsius, numbers), (watts, Value::Decimal(-100.0)), (time, START, HOUR)).unwrap();
    Schema::new().text("log", cpchain_crypto::search::Language::Whole).unwrap().summary(summary).unwrap()
}

/// Six hours: in hour h one reading of each temperature from −10 to 39 and one without, of h watts, half of them negative.
fn totals() -> (AggregateIndex, AggregateServer, SeededEntropy) {
    let (schema, mut entropy) = (power(), SeededEntropy::new(&[1; 32]));
    let summary = schema.summarised().unwrap();
    // None, and every ten degrees.
    let edges: Vec<u16> = [0, 1, 11, 21, 31, 41].into();
    let mut index = AggregateIndex::new(Key::from_bytes([2; 32]), Bins::new(&edges).unwrap()).unwrap();
    let mut host = AggregateServer::new(index.table(), 100);
    let mut hours = vec![Vec::new(); 6];
    for hour in 0..6 {
        for degrees in -10..=40 {
            let watts = if degrees % 2 == 0 { hour as f64 } else { -(hour as f64) };
            let mut record =
                vec![("power", Value::Decimal(watts)), ("time", Value::Timestamp(START + hour * i64::from(HOUR)))];
            record.extend((degrees < 40).then_some(("temperature", Value::Integer(degrees))));
            let cell = summary.cell(&record).unwrap();
            hours[cell.interval].push((cell.number, cell.value));
        }
    }
    let tallies: Vec<_> = hours.into_iter().map(|hour| index.bins().tally(hour).unwrap()).collect();
    for update in index.append(&tallies, &mut entropy).unwrap() {
        host.apply(&update).unwrap();
    }
    (index, host, entropy)
}

#[test]
fn figures_are_those_of_the_readings() {
    let (index, host, mut entropy) = totals();
    let schema = power();
    let mut indexes = Indexes::<Memory>::new().with_aggregate(index);
    let mut ask = |text: &str| {
        let question = schema.ask(text).unwrap();
        let plan = Plan::ask(&question, &schema, &indexes.tables(), &Options::default()).unwrap();
        let explain = plan.explain().clone();
        assert_eq!(explain.leaves[0].engine, Some(Engine::Aggregate));
        let mut searcher = Searcher::new(plan);
        let request = searcher.next(&mut indexes, &mut entropy).unwrap().unwrap();
        assert_eq!(searcher.next(&mut indexes, &mut entropy).unwrap(), None);
        let answer = host.answer(&request.query).unwrap();
        let cost = explain.cost(Engine::Aggregate).unwrap();
        assert_eq!((request.query.len(), answer.len()), (cost.query_len, cost.answer_len));
        searcher.take(&indexes, request.number, &answer).unwrap();
        match searcher.finish().unwrap() {
            Found::Totals(totals) => totals,
            other => panic!("{other:?}"),
        }
    };
    let counts =
        |totals: &[cpchain_crypto::search::plan::Interval]| totals.iter().map(|of| of.count).collect::<Vec<_>>();
    assert_eq!(counts(&ask("COUNT")), [6 * 51]);
    assert_eq!(counts(&ask("COUNT BY 2h WHERE temperature:[0 TO 9]")), [20, 20, 20]);
    assert_eq!(counts(&ask("COUNT WHERE NOT temperature:[* TO *]")), [6]);
    // An even day's half: the ends of a day lie on a step of twelve hours.
    let half = ask("COUNT BY 12h WHERE temperature:[20 TO *]");
    assert_eq!(
        (half.len(), half[0].count, half[0].from_ms, half[0].to_ms),
        (1, 120, START, START + 12 * i64::from(HOUR))
    );
    // From 0 to 39 as many are even as odd; without a temperature there is one more reading of h.
    let sums: Vec<f64> = ask("SUM(power) BY 1h").iter().map(|of| of.sum()).collect();
    assert_eq!(sums, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    let none = ask("MEAN(power) BY 1h WHERE NOT temperature:[* TO *]");
    assert_eq!(
        none.iter().map(|of| of.mean()).collect::<Vec<_>>(),
        (0..6).map(|h| Some(f64::from(h))).collect::<Vec<_>>()
    );
    let later = ask(
        "COUNT BY 1h WHERE time:[2026-01-01T02:00 TO 2026-01-01T03:00] AND (temperature:<0 OR temperature:[20 TO 29])",
    );
    assert_eq!(counts(&later), [20, 20]);
    assert_eq!(later[0].from_ms, START + 2 * i64::from(HOUR));
    assert_eq!(counts(&ask("COUNT WHERE time:<2026-01-01")), [0], "before the first");
    assert_eq!(ask("MEAN(power) WHERE time:<2026-01-01")[0].mean(), None);
}

#[test]
fn figures_that_no_table_has_are_refused() {
    let (index, ..) = totals();
    let (schema, tables) = (power(), Tables::new().with_aggregate(&index));
    let refused = |text: &str| match Plan::ask(&schema.ask(text).unwrap(), &schema, &tables, &Options::default()) {
        Err(PlanError::NoFigure { why }) => why,
        other => panic!("{text}: {other:?}"),
    };
    for (text, part) in [
        ("SUM(temperature)", "another field"),
        ("COUNT BY 90m", "multiple"),
        ("COUNT BY 1h WHERE temperature:[0 TO 5]", "within a bin"),
        ("COUNT BY 1h WHERE log:door", "another field"),
        ("COUNT BY 1h WHERE temperature:5 OR time:>2026-01-01T02:00", "beside the others"),
        ("COUNT BY 1h WHERE time:(2026-01-01 2026-01-01T05:00)", "one range"),
    ] {
        assert!(refused(text).contains(part), "{text}: {}", refused(text));
    }
    let none = Plan::ask(&schema.ask("COUNT").unwrap(), &schema, &Tables::new(), &Options::default());
    assert!(matches!(none, Err(PlanError::NoFigure { .. })));
    // A count without steps is that of the records, if these can be found.
    let keyword = KeywordIndex::new(Key::from_bytes([1; 32]), ParameterSet::Bucket1K, 1).unwrap();
    let tables = tables.with_keyword(&keyword);
    let plan = Plan::ask(&schema.ask("COUNT WHERE log:door").unwrap(), &schema, &tables, &Options::default()).unwrap();
    assert_eq!((plan.shape().keyword, plan.shape().aggregate), (2, 0));
}

#[test]
fn summaries_are_checked() {
    let celsius = || (field("temperature", FieldKind::Integer), Column::numbers(Value::Integer(0), 1).unwrap());
    let watts = || (field("power", FieldKind::Integer), Value::Integer(0));
    let time = || field("time", FieldKind::Timestamp { step_ms: HOUR });
    let refused = |value, time| Summary::new(celsius(), value, time).unwrap_err();
    assert_eq!(refused(watts(), (time(), START, HOUR / 2)), SchemaError::Interval);
    assert_eq!(refused(watts(), (time(), START + 1, HOUR)), SchemaError::Interval);
    assert_eq!(refused(watts(), (time(), START, 0)), SchemaError::Interval);
    assert_eq!(
        refused((field("a", FieldKind::Category), Value::Category("b")), (time(), START, HOUR)),
        SchemaError::Kind
    );
    assert_eq!(refused(watts(), (field("n", FieldKind::Integer), 0, HOUR)), SchemaError::Kind);
    let summary = Summary::new(celsius(), watts(), (time(), START, HOUR)).unwrap();
    let at = |at| ("time", Value::Timestamp(at));
    let cell = summary.cell(&[("power", Value::Integer(5)), at(START + 3 * i64::from(HOUR) + 1)]).unwrap();
    assert_eq!(cell, Cell { interval: 3, number: 0, value: 5 });
    for record in [
        vec![at(START)],
        vec![("power", Value::Integer(5))],
        vec![("power", Value::Integer(-1)), at(START)],
        vec![("power", Value::Integer(1)), at(START - 1)],
        vec![("power", Value::Integer(1)), at(START), ("temperature", Value::Integer(15))],
    ] {
        assert!(summary.cell(&record).is_err(), "{record:?}");
    }
    assert_eq!(Schema::new().summary(summary.clone()).unwrap().summary(summary), Err(SchemaError::Twice));
    assert_eq!(Schema::new().published("log"), Err(SchemaError::Published));
}

proptest! {
    #[test]
    fn questions_are_read_as_they_are_printed(of in prop::option::of(expression()), step in prop::option::of(1u64..=1000), unit in 0usize..4, sum: bool) {
        let schema = schema();
        let figure = format!(
            "{}{}{}",
            if sum { "MEAN(temperature)" } else { "COUNT" },
            step.map_or_else(String::new, |step| format!(" BY {step}{}", ["m", "h", "d", "w"][unit])),
            of.as_ref().map_or_else(String::new, |of| format!(" WHERE {of}"))
        );
        let asked = schema.ask(&figure).unwrap();
        prop_assert_eq!(asked.expression(), of.as_ref());
        prop_assert_eq!(schema.ask(&asked.to_string()), Ok(asked));
    }

    #[test]
    fn any_text_is_asked_or_refused(text in "(COUNT|SUM|MEAN|BY|WHERE|[ ()0-9dhx:*]|temperature|log|[ -~ü]){0,12}") {
        let schema = schema();
        match schema.ask(&text) {
            Ok(question) => prop_assert_eq!(schema.ask(&question.to_string()), Ok(question)),
            Err(error) => prop_assert!(error.at() <= text.len()),
        }
    }

    #[test]
    fn entries_of_postings_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(Page { records, .. }) = Catalogue::posted_page(Some(&bytes)) {
            prop_assert_eq!(bytes.len(), Catalogue::POSTED_ENTRY);
            prop_assert_eq!(records.len(), usize::from(bytes[0] & 0x7f));
        }
    }
}

#[test]
fn wrong_figures_say_where() {
    let schema = schema();
    for (text, at, part) in [
        ("SUM(colour)", 4, "no field `colour`"),
        ("MEAN(room) BY 1h", 5, "only numbers"),
        ("COUNT BY 1y", 9, "a step"),
        ("COUNT BY 0h", 9, "a step"),
        ("SUM(temperature BY 1h", 16, ") behind"),
        ("COUNT BY 1h door", 12, "BY, WHERE"),
        ("COUNT WHERE", 11, "a condition"),
    ] {
        let error = schema.ask(text).unwrap_err();
        assert!(error.at() == at && error.to_string().contains(part), "{text}: {error}");
    }
    // Words of texts: in small letters, in quotes, or before something else.
    for text in ["count", "\"COUNT\"", "COUNT door", "SUM", "COUNT AND door"] {
        assert!(matches!(schema.ask(text), Ok(Question::Records(_))), "{text}");
    }
    assert!(matches!(schema.ask("COUNT BY").unwrap_err().problem(), Problem::Expected(_)));
}

#[test]
fn tables_that_do_not_go_together_are_refused() {
    let identity = SigningKey::from_seed(&[5; 32]);
    let shared = SharedTable::new(identity.public_key(), &schema().digits()).unwrap();
    let counter = SealCounter::open(Memory).unwrap();
    let reader = SharedReader::new(identity, shared, Key::from_bytes([3; 32]), counter).unwrap();
    let scan = ScanIndex::new(Key::from_bytes([4; 32]), &schema().digits()).unwrap();
    let asked = schema().parse("status:ok").unwrap();
    let both = Tables::new().with_shared(&reader).with_scan(&scan);
    let plan = |schema: &Schema, tables: &Tables| {
        Plan::new(&asked, schema, tables, &Options::default()).map(|plan| plan.shape())
    };
    assert_eq!(plan(&schema(), &both), Err(PlanError::Numbering));
    let alone = plan(&schema(), &Tables::new().with_shared(&reader)).unwrap();
    assert_eq!((alone.shared, alone.scan), (1, 0));
    // A catalogue by position has one entry for a number, and no terms.
    let published = schema().published("note").unwrap();
    let words = published.parse("note:door").unwrap();
    let listing = |catalogue| CataloguePublisher::new(catalogue).listing();
    let catalogue = |catalogue| CatalogueClient::new(listing(catalogue), &mut SeededEntropy::new(&[7; 32])).unwrap();
    let by_position = catalogue(Catalogue::new(b"a", Layout::Position, Catalogue::POSTED_ENTRY).unwrap());
    let plan = |client| Plan::new(&words, &published, &Tables::new().with_catalogue(client), &Options::default());
    assert_eq!(plan(&by_position).err(), Some(PlanError::NotPostings));
    let postings = catalogue(Catalogue::of_postings(b"a").unwrap());
    let explain = plan(&postings).unwrap().explain().to_string();
    for part in ["public  note:door  (the public catalogue has it)", "public queries: 2;", "come from one reader"] {
        assert!(explain.contains(part), "{part} is not in\n{explain}");
    }
    // A word that is published is not looked for elsewhere.
    let keyword = KeywordIndex::new(Key::from_bytes([1; 32]), ParameterSet::Bucket1K, 1).unwrap();
    let elsewhere = Plan::new(&words, &published, &Tables::new().with_keyword(&keyword), &Options::default());
    assert!(matches!(elsewhere, Err(PlanError::NotIndexed { .. })));
    let posting = |record| Posting { term: Term::new("a", b"b"), record };
    let mut publisher = CataloguePublisher::new(Catalogue::of_postings(b"a").unwrap());
    assert!(publisher.post(&[posting(1 << 40)], 0).is_err());
}

#[test]
fn a_writer_who_is_refused_is_told_and_has_no_part() {
    let mut entropy = SeededEntropy::new(&[1; 32]);
    let schema =
        Schema::new().column(field("status", FieldKind::Category), Column::names(&["ok", "fault"]).unwrap()).unwrap();
    let identity = SigningKey::from_seed(&[5; 32]);
    let table = SharedTable::new(identity.public_key(), &schema.digits()).unwrap();
    let mut host = SharedServer::new(table, 8);
    let mut ids = Vec::new();
    for column in [[1, 2, 1], [2, 2, 1], [1, 1, 2]] {
        let (mut writer, announcement) = SharedWriter::join(table, &mut entropy).unwrap();
        host.apply(&announcement).unwrap();
        let mut block = writer.append(&[&column], &mut entropy).unwrap().remove(0);
        if ids.len() == 1 {
            // The second one sends rubbish in the rows of both names: 15 rows of 4 KiB end a block. What is not asked for is not seen.
            let row = block.len() - 15 * 4096;
            block[row + 10] ^= 1;
            block[row + 4096 + 10] ^= 1;
        }
        host.apply(&block).unwrap();
        ids.push(writer.id());
    }
    let counter = SealCounter::open(Memory).unwrap();
    let mut reader = SharedReader::new(identity, table, Key::from_bytes([3; 32]), counter).unwrap();
    reader.learn(&host.directory()).unwrap();
    assert_eq!(reader.numbering().records(), 9);
    let numbering = reader.numbering();
    for number in 0..9 {
        assert_eq!(numbering.number(&numbering.named(number).unwrap()), Some(number));
    }
    assert_eq!(numbering.named(9), None);
    let mut indexes = Indexes::new().with_shared(reader);
    let mut ask = |text: &str| {
        let question = schema.ask(text).unwrap();
        let mut searcher =
            Searcher::new(Plan::ask(&question, &schema, &indexes.tables(), &Options::default()).unwrap());
        while let Some(request) = searcher.next(&mut indexes, &mut entropy).unwrap() {
            searcher.take(&indexes, request.number, &host.answer(&request.query).unwrap()).unwrap();
        }
        searcher.finish()
    };
    for text in ["status:ok", "NOT status:fault"] {
        let Found::Shared(found) = ask(text).unwrap() else { panic!("records by writer") };
        assert_eq!(found.refused, [ids[1]]);
        let matches: Vec<_> = found.matches.iter().map(|found| (found.writer, found.record)).collect();
        assert_eq!(matches, [(ids[0], 0), (ids[0], 2), (ids[2], 0), (ids[2], 1)], "{text}");
    }
    assert!(ask("COUNT WHERE status:ok").is_err(), "a count would be too low");
}
