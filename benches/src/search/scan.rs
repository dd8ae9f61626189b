//! The predicate scan (engine A): all blocks are answered from, at rest in memory.

use std::{convert::Infallible, hint::black_box};

use cpchain_crypto::{
    Entropy, Key, SeededEntropy,
    counter::{CounterStore, Loaded, Mark, SealCounter},
    search::{
        Kernel, Predicate, SearchClient, SearchError, SearchServer,
        scan::{BLOCK_RECORDS, ScanClient, ScanIndex, ScanServer, Shape},
    },
};

use crate::{
    measure::{Clock, Effort, measure},
    report::Figure,
};

/// A counter for one run: nothing is asked after it.
pub(super) struct Memory;

impl CounterStore for Memory {
    type Error = Infallible;

    fn load(&mut self) -> Result<Loaded, Infallible> {
        Ok(Loaded::Fresh)
    }

    fn store(&mut self, _: &Mark) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Owner, asker and host of one table with one 16-bit field.
struct Table {
    client: ScanClient<Memory>,
    host: ScanServer,
    entropy: SeededEntropy,
    records: usize,
    hint: bool,
}

/// Random values.
pub(super) fn column(records: usize, entropy: &mut dyn Entropy) -> Result<Vec<u16>, SearchError> {
    let mut bytes = vec![0; 2 * records];
    entropy.fill(&mut bytes)?;
    Ok(bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect())
}

/// One question of each shape.
pub(super) const SHAPES: [(&str, Shape, Predicate); 3] = [
    ("products", Shape::Products, Predicate::Equal(0xa5c3)),
    ("ranges", Shape::Ranges, Predicate::Between { low: 0x1234, high: 0x1357 }),
    ("classes", Shape::Classes, Predicate::Between { low: 0x1234, high: 0x1357 }),
];

impl Table {
    /// `records` random values; and figures about making it.
    fn new(records: usize, hint: bool) -> Result<(Self, Vec<Figure>), SearchError> {
        let mut entropy = SeededEntropy::new(&[1; 32]);
        let column = column(records, &mut entropy)?;
        let key = Key::from_bytes([2; 32]);
        let mut index = if hint { ScanIndex::with_hint(key, &[4])? } else { ScanIndex::new(key, &[4])? };
        let most = records.div_ceil(BLOCK_RECORDS) as u32;
        let mut host = ScanServer::new(index.table(), most);
        let (mut append, mut apply, mut at_rest) = (0.0, 0.0, 0);
        // Block by block, so that updates do not pile up.
        for part in column.chunks(BLOCK_RECORDS) {
            let start = Clock::now();
            let updates = index.append(&[part], &mut entropy)?;
            append += start.elapsed_nanos();
            let start = Clock::now();
            for update in &updates {
                host.apply(update)?;
                at_rest += update.len();
            }
            apply += start.elapsed_nanos();
        }
        let params = format!("records={records} hint={}", yes(hint));
        let count = records as f64;
        let bytes = |of: &str, bytes: usize| {
            Figure::count("search::scan_bytes", format!("{params} of={of}"), "bytes", bytes as f64)
        };
        let per = |of: &str, bytes: f64| {
            Figure::count("search::scan_millibytes_a_record", format!("{params} of={of}"), "mB", bytes / count * 1000.0)
        };
        let figures = vec![
            Figure::count("search::scan_append", format!("{params} of=record"), "ns", append / count),
            Figure::count("search::scan_apply", format!("{params} of=record"), "ns", apply / count),
            per("rest", at_rest as f64).at_most(8000.0),
            per("memory", host.bytes() as f64),
            bytes("client", index.to_bytes().len()),
        ];
        let Ok(counter) = SealCounter::open(Memory) else { unreachable!("the store does not fail") };
        let client = ScanClient::new(index, Key::from_bytes([3; 32]), counter);
        Ok((Self { client, host, entropy, records, hint }, figures))
    }

    fn ask_in(mut self, shape: Shape) -> Self {
        let (index, counter) = self.client.into_parts();
        self.client = ScanClient::new(index.in_shape(shape), Key::from_bytes([3; 32]), counter);
        self
    }

    /// Query, answer and reading of one question: nanoseconds a record, bytes.
    fn answer(
        &mut self,
        effort: Effort,
        shape: &str,
        question: &Predicate,
        goal: Option<f64>,
    ) -> Result<Vec<Figure>, SearchError> {
        let params = format!("records={} shape={shape} hint={}", self.records, yes(self.hint));
        let question = std::slice::from_ref(question);
        let (query, _pending) = self.client.query(question, &mut self.entropy)?;
        let sample = measure(effort, || self.host.answer(&query)).divided_by(self.records as f64);
        let record = Figure::nanoseconds("search::scan_record", &params, &sample);
        let (mut queries, mut reads, mut lengths) = (Vec::new(), Vec::new(), (0, 0));
        for _ in 0..if effort == Effort::Full { 9 } else { 3 } {
            let start = Clock::now();
            let (query, pending) = self.client.query(question, &mut self.entropy)?;
            queries.push(start.elapsed_nanos());
            let answer = self.host.answer(&query)?;
            lengths = (query.len(), answer.len());
            let start = Clock::now();
            black_box(self.client.decode(pending, &answer)?);
            reads.push(start.elapsed_nanos() / self.records as f64);
        }
        let bytes = |of: &str, bytes: usize| {
            Figure::count("search::scan_bytes", format!("{params} of={of}"), "bytes", bytes as f64)
        };
        Ok(vec![
            goal.map_or(record.clone(), |goal| record.at_most(goal)),
            Figure::nanoseconds("search::scan_query", &params, &queries.into()),
            Figure::nanoseconds("search::scan_decode_record", &params, &reads.into()),
            bytes("query", lengths.0),
            bytes("answer", lengths.1),
        ])
    }

    /// The same query by every kernel of this processor.
    fn kernels(mut self, effort: Effort) -> Result<Vec<Figure>, SearchError> {
        let (query, _pending) = self.client.query(&[Predicate::Equal(7)], &mut self.entropy)?;
        let mut figures = Vec::new();
        for kernel in Kernel::available() {
            self.host = self.host.with_kernel(kernel);
            let sample = measure(effort, || self.host.answer(&query)).divided_by(self.records as f64);
            let params = format!("records={} shape=products kernel={}", self.records, kernel.name());
            figures.push(Figure::nanoseconds("search::scan_record", params, &sample));
        }
        Ok(figures)
    }
}

const fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

pub(super) fn scan(effort: Effort, mut progress: impl FnMut(&str)) -> Result<Vec<Figure>, SearchError> {
    let blocks = if effort == Effort::Full { 32 } else { 8 };
    let mut figures = Vec::new();
    for hint in [false, true] {
        progress("search::scan, making a table");
        let (mut table, made) = Table::new(blocks * BLOCK_RECORDS, hint)?;
        figures.extend(made);
        for (name, shape, question) in &SHAPES {
            progress("search::scan, questions");
            table = table.ask_in(*shape);
            // A range has the same goal as an equality.
            let goal = (*shape != Shape::Classes).then_some(if hint { 2.5 } else { 4.0 });
            figures.extend(table.answer(effort, name, question, goal)?);
        }
        if !hint {
            progress("search::scan, every kernel");
            figures.extend(table.ask_in(Shape::Products).kernels(effort)?);
        }
    }
    Ok(figures)
}
