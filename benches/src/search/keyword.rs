//! The keyword search (engine K): its table is answered from whole, at rest in memory.

use std::{convert::Infallible, hint::black_box};

use cpchain_crypto::{
    Key, SeededEntropy,
    counter::{CounterStore, Loaded, Mark, SealCounter},
    search::{
        Kernel, SearchClient, SearchError, SearchServer, Term,
        keyword::{KeywordClient, KeywordIndex, KeywordServer, Lookup, ParameterSet, Posting, Shard},
    },
};

use crate::{
    measure::{Clock, Effort, measure},
    report::Figure,
};

/// Queries that are answered in one pass.
const BATCH: usize = 8;
const GIB: u64 = 1 << 30;

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

/// Owner, asker and host of one table.
struct Table {
    client: KeywordClient<Memory>,
    host: KeywordServer,
    entropy: SeededEntropy,
    postings: usize,
    term: Term,
}

impl Table {
    /// `postings` records, each with a term of its own; and figures about making it.
    fn new(postings: usize) -> Result<(Self, Vec<Figure>), SearchError> {
        let mut entropy = SeededEntropy::new(&[1; 32]);
        let all: Vec<Posting> = (0..postings as u64)
            .map(|record| Posting { term: Term::new("serial number", &record.to_le_bytes()), record })
            .collect();
        let mut index = KeywordIndex::new(Key::from_bytes([2; 32]), ParameterSet::Bucket1K, 1)?;
        let mut host = KeywordServer::new(index.table(), Shard::WHOLE, GIB);
        let params = format!("postings={postings}");
        let start = Clock::now();
        let update = index.append(&all, &mut entropy)?;
        let append = start.elapsed_nanos() / postings as f64;
        let start = Clock::now();
        host.apply(&update)?;
        let apply = start.elapsed_nanos() / postings as f64;
        let figures = vec![
            Figure::count("search::keyword_append", format!("{params} of=posting hint=computed"), "ns", append),
            Figure::count("search::keyword_apply", format!("{params} of=posting"), "ns", apply),
            Figure::count("search::keyword_bytes", format!("{params} of=table"), "bytes", host.bytes() as f64),
            Figure::count(
                "search::keyword_bytes",
                format!("{params} of=client"),
                "bytes",
                index.to_bytes().len() as f64,
            ),
        ];
        let Ok(counter) = SealCounter::open(Memory) else { unreachable!("the store does not fail") };
        let client = KeywordClient::new(index, Key::from_bytes([3; 32]), counter);
        let term = all.last().ok_or(SearchError::Shape)?.term;
        Ok((Self { client, host, entropy, postings, term }, figures))
    }

    fn params(&self) -> String {
        format!("postings={}", self.postings)
    }

    fn query(&mut self) -> Result<Vec<u8>, SearchError> {
        let lookup = Lookup { term: self.term, page: 0 };
        self.client.query(&[lookup], &mut self.entropy).map(|(query, _)| query)
    }

    /// One query, and a batch in one pass: nanoseconds a posting, and gigabytes of table a second.
    fn answers(&mut self, effort: Effort, goals: bool) -> Result<Vec<Figure>, SearchError> {
        let queries = (0..BATCH).map(|_| self.query()).collect::<Result<Vec<_>, _>>()?;
        let mut figures = Vec::new();
        for count in [1, BATCH] {
            let asked: Vec<&[u8]> = queries.iter().take(count).map(Vec::as_slice).collect();
            let sample = measure(effort, || self.host.answer_batch(&asked));
            let params = format!("{} batch={count}", self.params());
            let rate = Figure::rate("search::keyword_table", &params, &sample, self.host.bytes() as f64 * count as f64);
            let sample = sample.divided_by((self.postings * count) as f64);
            let posting = Figure::nanoseconds("search::keyword_posting", params, &sample);
            if goals {
                figures.extend([posting.at_most(3.5), rate.not_below(if count == 1 { 15.0 } else { 30.0 })]);
            } else {
                figures.extend([posting, rate]);
            }
        }
        Ok(figures)
    }

    /// The same query by every kernel of this processor.
    fn kernels(mut self, effort: Effort) -> Result<Vec<Figure>, SearchError> {
        let (query, mut figures) = (self.query()?, Vec::new());
        for kernel in Kernel::available() {
            self.host = self.host.with_kernel(kernel);
            let sample = measure(effort, || self.host.answer(&query)).divided_by(self.postings as f64);
            let params = format!("postings={} kernel={}", self.postings, kernel.name());
            figures.push(Figure::nanoseconds("search::keyword_posting", params, &sample));
        }
        Ok(figures)
    }

    /// What the client does: before the question, with it, and with the answer.
    fn client(&mut self, effort: Effort) -> Result<Vec<Figure>, SearchError> {
        let params = self.params();
        let prepare = measure(effort, || self.client.prepare(&mut self.entropy));
        let (mut queries, mut reads, mut lengths) = (Vec::new(), Vec::new(), (0, 0));
        while self.client.prepared() > 0 && queries.len() < 200 {
            let start = Clock::now();
            let (query, pending) = self.client.query(&[Lookup { term: self.term, page: 0 }], &mut self.entropy)?;
            queries.push(start.elapsed_nanos());
            let answer = self.host.answer(&query)?;
            lengths = (query.len(), answer.len());
            let start = Clock::now();
            black_box(self.client.decode(pending, &answer)?);
            reads.push(start.elapsed_nanos());
        }
        Ok(vec![
            Figure::nanoseconds("search::keyword_prepare", &params, &prepare),
            Figure::nanoseconds("search::keyword_query", format!("{params} prepared=yes"), &queries.into()),
            Figure::nanoseconds("search::keyword_decode", &params, &reads.into()),
            Figure::count("search::keyword_bytes", format!("{params} of=query"), "bytes", lengths.0 as f64),
            Figure::count("search::keyword_bytes", format!("{params} of=answer"), "bytes", lengths.1 as f64)
                .at_most(4352.0),
        ])
    }
}

pub(super) fn keyword(effort: Effort, mut progress: impl FnMut(&str)) -> Result<Vec<Figure>, SearchError> {
    progress("search::keyword, 2²⁰ postings");
    let (mut table, mut figures) = Table::new(1 << 20)?;
    figures.extend(table.answers(effort, true)?);
    progress("search::keyword, the client");
    figures.extend(table.client(effort)?);
    progress("search::keyword, every kernel");
    figures.extend(table.kernels(effort)?);
    if effort == Effort::Full {
        progress("search::keyword, a table larger than any cache");
        let (mut table, made) = Table::new(6 << 20)?;
        figures.extend(made);
        figures.extend(table.answers(effort, true)?);
    }
    Ok(figures)
}
