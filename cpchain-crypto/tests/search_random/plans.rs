//! The language over all engines: random expressions and figures, planned, carried out, and compared with what they mean.

use cpchain_crypto::{
    Signer, SigningKey,
    search::{
        Field, FieldKind, SearchServer, Value,
        aggregate::{AggregateIndex, AggregateServer, Bins},
        catalogue::{Catalogue, CatalogueClient, CataloguePublisher, CatalogueServer, KeyLimits},
        keyword::{KeywordClient, KeywordIndex, KeywordServer, ParameterSet, Posting, Shard},
        language::{Column, Expression, Question, Schema, Summary},
        plan::{Engine, Found, Indexes, Interval, Options, Plan, PlanError, Searcher},
        scan::{
            ScanIndex, ScanServer, Shape,
            shared::{Match, SharedReader, SharedServer, SharedTable, SharedWriter, WriterId},
        },
    },
};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::{
    dice::{Dice, Memory},
    readings::{HOUR, Reading, START, expression, reading, schema},
};

const DAY: i64 = 24 * HOUR as i64;
/// Edges of bins: no temperature, and every ten degrees from −40 on.
const DEGREES: i64 = 100;
const WHOLE: [&str; 4] = ["log", "note", "device", "serial"];

/// Who has the terms and the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Served {
    /// K and A, and a table of counts and sums.
    Owner,
    /// B and A.
    Public,
    /// A2.
    Writers,
}

struct World {
    schema: Schema,
    records: Vec<Reading>,
    /// By writer, in the order of records.
    writers: Vec<(WriterId, usize)>,
    indexes: Indexes<Memory>,
    hosts: Vec<(Engine, Box<dyn SearchServer>)>,
}

fn summary() -> Summary {
    let field = |name, kind| Field::new(name, kind).unwrap();
    let cut = field("temperature", FieldKind::Decimal { places: 1 });
    let numbers = Column::numbers(Value::Decimal(-40.0), 3).unwrap();
    let time = field("time", FieldKind::Timestamp { step_ms: HOUR });
    let value = (field("serial", FieldKind::Integer), Value::Integer(-3));
    Summary::new((cut, numbers), value, (time, START, DAY as u32)).unwrap()
}

impl World {
    fn new(dice: &mut Dice, served: Served, records: Vec<Reading>) -> Self {
        let mut schema = schema().summary(summary()).unwrap();
        if served == Served::Public {
            schema = WHOLE.iter().fold(schema, |schema, name| schema.published(name).unwrap());
            schema = schema.published("room").unwrap();
        }
        let (indexes, hosts) = (Indexes::new(), Vec::new());
        let mut world = Self { schema, records, writers: Vec::new(), indexes, hosts };
        match served {
            Served::Owner => {
                world.keyword(dice);
                world.scan(dice);
                world.totals(dice);
            }
            Served::Public => {
                world.catalogue(dice);
                world.scan(dice);
            }
            Served::Writers => world.shared(dice),
        }
        world
    }

    fn postings(&self, published: bool) -> Vec<Posting> {
        let of_record = |(record, reading): (u64, &Reading)| {
            let indexed = self.schema.index(&reading.fields()).unwrap();
            let terms = if published { indexed.published } else { indexed.terms };
            terms.into_iter().map(move |term| Posting { term, record })
        };
        (0..).zip(&self.records).flat_map(of_record).collect()
    }

    fn columns(&self, records: &[Reading]) -> Vec<Vec<u16>> {
        let mut columns = vec![Vec::new(); self.schema.digits().len()];
        for reading in records {
            let indexed = self.schema.index(&reading.fields()).unwrap();
            columns.iter_mut().zip(indexed.columns).for_each(|(column, number)| column.push(number));
        }
        columns
    }

    fn keyword(&mut self, dice: &mut Dice) {
        let fetches = dice.of(&[1, 4, 8]);
        let mut index = KeywordIndex::new(dice.key(), ParameterSet::Bucket1K, fetches).unwrap();
        let mut host = KeywordServer::new(index.table(), Shard::WHOLE, 1 << 26);
        host.apply(&index.append(&self.postings(false), dice.entropy()).unwrap()).unwrap();
        let client = KeywordClient::new(index, dice.key(), Memory::counter());
        self.indexes = std::mem::take(&mut self.indexes).with_keyword(client);
        self.hosts.push((Engine::Keyword, Box::new(host)));
    }

    fn catalogue(&mut self, dice: &mut Dice) {
        let mut publisher = CataloguePublisher::new(Catalogue::of_postings(&dice.bytes::<8>()).unwrap());
        let mut host = CatalogueServer::new(publisher.listing().catalogue(), 8, KeyLimits::default());
        host.apply(&publisher.post(&self.postings(true), 0).unwrap()).unwrap();
        let client = CatalogueClient::new(publisher.listing(), dice.entropy()).unwrap();
        host.register(client.evaluation_keys(), 0).unwrap();
        self.indexes = std::mem::take(&mut self.indexes).with_catalogue(client);
        self.hosts.push((Engine::Catalogue, Box::new(host)));
    }

    fn scan(&mut self, dice: &mut Dice) {
        let mut index = ScanIndex::new(dice.key(), &self.schema.digits()).unwrap();
        let mut host = ScanServer::new(index.table(), 4);
        let columns = self.columns(&self.records);
        let columns: Vec<&[u16]> = columns.iter().map(Vec::as_slice).collect();
        for update in index.append(&columns, dice.entropy()).unwrap() {
            host.apply(&update).unwrap();
        }
        self.indexes = std::mem::take(&mut self.indexes).with_scan(index);
        self.hosts.push((Engine::Scan, Box::new(host)));
    }

    fn shared(&mut self, dice: &mut Dice) {
        let identity = SigningKey::from_seed(&dice.bytes());
        let table = SharedTable::new(identity.public_key(), &self.schema.digits()).unwrap();
        let mut host = SharedServer::new(table, 8);
        let count = 1 + dice.below(3) as usize;
        for records in self.records.chunks(self.records.len().div_ceil(count)) {
            let (mut writer, announcement) = SharedWriter::join(table, dice.entropy()).unwrap();
            host.apply(&announcement).unwrap();
            let columns = self.columns(records);
            let columns: Vec<&[u16]> = columns.iter().map(Vec::as_slice).collect();
            for block in writer.append(&columns, dice.entropy()).unwrap() {
                host.apply(&block).unwrap();
            }
            self.writers.push((writer.id(), records.len()));
        }
        let reader = SharedReader::new(identity, table, dice.key(), Memory::counter()).unwrap();
        let mut reader = reader.in_shape(Shape::Classes);
        reader.learn(&host.directory()).unwrap();
        self.indexes = std::mem::take(&mut self.indexes).with_shared(reader);
        self.hosts.push((Engine::Shared, Box::new(host)));
    }

    fn totals(&mut self, dice: &mut Dice) {
        let edges: Vec<u16> = [0].into_iter().chain((0..40).map(|ten| (ten * DEGREES + 1) as u16)).collect();
        let mut index = AggregateIndex::new(dice.key(), Bins::new(&edges).unwrap()).unwrap();
        let mut host = AggregateServer::new(index.table(), 200);
        let mut days = vec![Vec::new(); 167];
        for reading in &self.records {
            let cell = summary().cell(&reading.fields()).unwrap();
            days[cell.interval].push((cell.number, cell.value));
        }
        let tallies: Vec<_> = days.into_iter().map(|day| index.bins().tally(day).unwrap()).collect();
        for update in index.append(&tallies, dice.entropy()).unwrap() {
            host.apply(&update).unwrap();
        }
        self.indexes = std::mem::take(&mut self.indexes).with_aggregate(index);
        self.hosts.push((Engine::Aggregate, Box::new(host)));
    }

    /// What is found, and how many queries that took.
    fn found(&mut self, dice: &mut Dice, plan: Plan) -> (Found, usize) {
        let (mut searcher, mut queries) = (Searcher::new(plan), 0);
        while let Some(request) = searcher.next(&mut self.indexes, dice.entropy()).unwrap() {
            let host = self.hosts.iter().find(|(engine, _)| *engine == request.engine).unwrap();
            let answer = host.1.answer(&request.query).unwrap();
            searcher.take(&self.indexes, request.number, &answer).unwrap();
            queries += 1;
        }
        (searcher.finish().unwrap(), queries)
    }

    fn matching(&self, expression: &Expression) -> Vec<u64> {
        let matches = |reading: &Reading| self.schema.matches(expression, &reading.fields()).unwrap();
        (0..).zip(&self.records).filter(|(_, reading)| matches(reading)).map(|(number, _)| number).collect()
    }

    /// What the plaintext has.
    fn plain(&self, question: &Question) -> Found {
        let figure = match question {
            Question::Figure(figure) => figure,
            Question::Records(expression) => {
                let matching = self.matching(expression);
                if self.writers.is_empty() {
                    return Found::Records(matching);
                }
                let mut matches = Vec::new();
                let mut first = 0;
                for (writer, count) in &self.writers {
                    let of_writer = matching.iter().filter(|number| (first..first + *count as u64).contains(*number));
                    matches.extend(of_writer.map(|number| Match { writer: *writer, record: number - first }));
                    first += *count as u64;
                }
                let refused = Vec::new();
                return Found::Shared(cpchain_crypto::search::scan::shared::SharedFound { matches, refused });
            }
        };
        let all = || (0..self.records.len() as u64).collect();
        let matching = figure.of.as_ref().map_or_else(all, |of| self.matching(of));
        let Some(step) = figure.step_ms.map(|step| step as i64) else { return Found::Count(matching.len() as u64) };
        let mut totals: Vec<Interval> = Vec::new();
        for from_ms in (START.div_euclid(step) * step..START + 167 * DAY).step_by(step as usize) {
            let of_step = |number: &&u64| (from_ms..from_ms + step).contains(&self.records[**number as usize].time);
            let values =
                matching.iter().filter(of_step).map(|number| i128::from(self.records[*number as usize].serial));
            let (count, steps) = values.fold((0, 0), |(count, sum), value| (count + 1, sum + value));
            totals.push(Interval { from_ms, to_ms: from_ms + step, count, steps, per_unit: 1 });
        }
        Found::Totals(totals)
    }
}

/// A figure that the table of counts and sums has.
fn figure(dice: &mut Dice) -> String {
    let kind = dice.of(&["COUNT", "SUM(serial)", "MEAN(serial)"]);
    let step = dice.of(&["1d", "2d", "1w", "3w"]);
    let (a, b) = (dice.below(20) as i64, dice.below(20) as i64);
    // From the first tenth of one bin to the last of another.
    let (low, high) = (a.min(b) * 10 - 40, a.max(b) * 10 - 30);
    let range = format!("temperature:[{low} TO {high}}}");
    let of = match dice.below(4) {
        0 => String::new(),
        1 => format!(" WHERE {range}"),
        2 => format!(" WHERE NOT {range}"),
        _ => format!(" WHERE temperature:[* TO -20.1] OR {range}"),
    };
    format!("{kind} BY {step}{of}")
}

pub fn ask(dice: &mut Dice, queries: usize) {
    let mut runner =
        TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &dice.bytes::<32>()));
    let served = dice.of(&[Served::Owner, Served::Owner, Served::Public, Served::Writers]);
    let count = if served == Served::Public { dice.size(8, 64) } else { dice.size(64, 512) };
    let records = prop::collection::vec(reading(), count).new_tree(&mut runner).unwrap().current();
    let mut world = World::new(dice, served, records);
    // As many pages as the most usual word takes.
    let pages = (count as u32).div_ceil(8);
    let options = Options { pages: if served == Served::Public { pages } else { pages.min(64) }, ..Options::default() };
    let mut asked = 0;
    while asked < queries {
        let expression = expression().new_tree(&mut runner).unwrap().current();
        let question = match (served, dice.below(4)) {
            (Served::Owner, 0) => world.schema.ask(&figure(dice)).unwrap(),
            (Served::Owner | Served::Writers, 1) => world.schema.ask(&format!("COUNT WHERE {expression}")).unwrap(),
            _ => Question::Records(expression),
        };
        let plan = match Plan::ask(&question, &world.schema, &world.indexes.tables(), &options) {
            // No table has it, or more lookups than a plan may have: nothing was sent.
            Err(PlanError::NotIndexed { .. } | PlanError::TooLarge) => continue,
            other => other.unwrap(),
        };
        if served == Served::Public && plan.shape().catalogue > 64 {
            continue;
        }
        let explain = plan.explain().to_string();
        let (found, sent) = world.found(dice, plan);
        let found = match found {
            // One interval for all time; of a count, the sum is not asked.
            Found::Totals(totals) if question_step(&question).is_none() => Found::Count(totals[0].count),
            found => found,
        };
        assert_eq!(found, world.plain(&question), "{question}\n{explain}");
        asked += sent;
    }
}

fn question_step(question: &Question) -> Option<u64> {
    if let Question::Figure(figure) = question { figure.step_ms } else { None }
}
