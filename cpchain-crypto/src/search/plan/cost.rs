//! What a plan costs and shows, before anything is sent.

use alloc::{string::String, vec::Vec};
use core::fmt;

use super::{Engine, Padding};
#[cfg(feature = "tfhe")]
use crate::search::scan::{BLOCK_RECORDS, ScanIndex};
use crate::{hash::Digest, search::keyword::KeywordIndex};

/// The keyword table, as far as a planner must know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeywordCost {
    pub(super) state: Digest,
    pub(super) fetches: usize,
    table_len: usize,
    query_len: usize,
    answer_len: usize,
    segments: usize,
}

/// The scan table, as far as a planner must know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanCost {
    pub(super) state: Digest,
    pub(super) digits: Vec<u8>,
    blocks: usize,
    block_records: usize,
    records: u64,
    query_len: usize,
    answer_len: usize,
}

/// The tables that can be asked, in their present state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables {
    pub(super) keyword: Option<KeywordCost>,
    pub(super) scan: Option<ScanCost>,
    records: Option<u64>,
}

impl Tables {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// With this keyword table.
    pub fn with_keyword(mut self, index: &KeywordIndex) -> Self {
        self.keyword = Some(KeywordCost {
            state: index.state(),
            fetches: index.table().fetches(),
            table_len: index.table_len(),
            query_len: index.query_len(),
            answer_len: index.answer_len(),
            segments: index.segments().len(),
        });
        self
    }

    /// With this scan table, whose records are the universe.
    #[cfg(feature = "tfhe")]
    pub fn with_scan(mut self, index: &ScanIndex) -> Self {
        self.scan = Some(ScanCost {
            state: index.state(),
            digits: index.digits(),
            blocks: index.blocks(),
            block_records: BLOCK_RECORDS,
            records: index.records(),
            query_len: index.query_len(),
            answer_len: index.answer_len(),
        });
        self
    }

    /// Records are numbered from 0 to below this: what `NOT` is taken from if there is no scan table.
    pub const fn with_records(mut self, records: u64) -> Self {
        self.records = Some(records);
        self
    }

    /// The number of records, as far as it is known.
    pub fn records(&self) -> Option<u64> {
        self.scan.as_ref().map(|scan| scan.records).or(self.records)
    }
}

/// How fast hosts and lines are. The defaults are figures of one core of a server and a line of 100 Mbit/s; replace them by yours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Bytes of a keyword table that a host multiplies in a second: `lab search` prints it.
    pub keyword_bytes: f64,
    /// Nanoseconds that a host takes for a digit of a record in a scan, for blocks are full or not.
    pub scan_nanos: f64,
    /// Nanoseconds that a host takes for reading a scan query, a digit.
    pub scan_query_nanos: f64,
    /// Bytes that pass the line in a second.
    pub line_bytes: f64,
}

impl Default for Rates {
    fn default() -> Self {
        Self { keyword_bytes: 13e9, scan_nanos: 2.5, scan_query_nanos: 1.2e6, line_bytes: 12.5e6 }
    }
}

/// What an engine is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EngineCost {
    /// Queries that are sent.
    pub queries: usize,
    /// Queries among them that ask for something; the host cannot tell which.
    pub needed: usize,
    /// Bytes of each query.
    pub query_len: usize,
    /// Bytes of each answer.
    pub answer_len: usize,
    /// Nanoseconds that the host computes for each query, as the rates say.
    pub host_nanos: f64,
}

impl EngineCost {
    pub(super) fn keyword(table: &KeywordCost, rates: &Rates, needed: usize, queries: usize) -> Self {
        let host_nanos = table.table_len as f64 * table.fetches as f64 / rates.keyword_bytes * 1e9;
        Self { queries, needed, query_len: table.query_len, answer_len: table.answer_len, host_nanos }
    }

    pub(super) fn scan(table: &ScanCost, rates: &Rates, needed: usize, queries: usize) -> Self {
        let digits = f64::from(table.digits.iter().map(|digits| u32::from(*digits)).sum::<u32>());
        let host_nanos =
            digits * (rates.scan_query_nanos + rates.scan_nanos * table.blocks as f64 * table.block_records as f64);
        Self { queries, needed, query_len: table.query_len, answer_len: table.answer_len, host_nanos }
    }

    /// Bytes of all queries.
    pub const fn up(&self) -> usize {
        self.queries * self.query_len
    }

    /// Bytes of all answers.
    pub const fn down(&self) -> usize {
        self.queries * self.answer_len
    }

    /// Seconds for the host and the line.
    pub fn seconds(&self, rates: &Rates) -> f64 {
        self.queries as f64 * self.host_nanos / 1e9 + (self.up() + self.down()) as f64 / rates.line_bytes
    }
}

/// A condition, and who answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The condition as it is written.
    pub condition: String,
    /// Who answers; none if no record can meet it.
    pub engine: Option<Engine>,
    /// Why.
    pub why: &'static str,
}

/// What a plan costs and shows. Prints as a text for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    /// Each condition, in the order of the expression.
    pub leaves: Vec<Leaf>,
    /// What the keyword search is asked.
    pub keyword: Option<EngineCost>,
    /// What the scan is asked.
    pub scan: Option<EngineCost>,
    /// How the numbers of queries were rounded.
    pub padding: Padding,
    /// With what the times were estimated.
    pub rates: Rates,
    pub(super) segments: usize,
    pub(super) table_len: usize,
    pub(super) blocks: usize,
    pub(super) block_records: usize,
    pub(super) digits: usize,
}

impl Explain {
    pub(super) fn sizes(mut self, tables: &Tables) -> Self {
        if let Some(table) = &tables.keyword {
            (self.segments, self.table_len) = (table.segments, table.table_len);
        }
        if let Some(table) = &tables.scan {
            (self.blocks, self.block_records) = (table.blocks, table.block_records);
            self.digits = table.digits.iter().map(|digits| usize::from(*digits)).sum();
        }
        self
    }

    /// Bytes of all queries.
    pub fn up(&self) -> usize {
        self.costs().map(EngineCost::up).sum()
    }

    /// Bytes of all answers.
    pub fn down(&self) -> usize {
        self.costs().map(EngineCost::down).sum()
    }

    /// Seconds that hosts and line take, one after the other, as the rates say.
    pub fn seconds(&self) -> f64 {
        self.costs().map(|cost| cost.seconds(&self.rates)).sum()
    }

    fn costs(&self) -> impl Iterator<Item = &EngineCost> {
        self.keyword.iter().chain(&self.scan)
    }
}

impl fmt::Display for Explain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "asks")?;
        for leaf in &self.leaves {
            let engine = match leaf.engine {
                Some(Engine::Keyword) => "keyword",
                Some(Engine::Scan) => "scan",
                None => "nobody",
            };
            writeln!(f, "  {engine:8}{}  ({})", leaf.condition, leaf.why)?;
        }
        writeln!(f, "costs")?;
        for (name, cost) in [("keyword", &self.keyword), ("scan", &self.scan)] {
            let Some(cost) = cost else { continue };
            let (query, answer) = (cost.query_len.div_ceil(1024), cost.answer_len.div_ceil(1024));
            let (queries, host) = (cost.queries, cost.host_nanos / 1e6);
            writeln!(f, "  {name:8}{queries} × (query {query} KiB, answer {answer} KiB, host {host:.1} ms)")?;
        }
        let (up, down) = (self.up().div_ceil(1024), self.down().div_ceil(1024));
        writeln!(f, "  in all  {up} KiB up, {down} KiB down, about {:.2} s", self.seconds())?;
        writeln!(f, "shows to the hosts")?;
        if let Some(cost) = &self.keyword {
            let (segments, table_len) = (self.segments, self.table_len.div_ceil(1024));
            writeln!(f, "  keyword queries: {}; segments: {segments}, of {table_len} KiB together", cost.queries)?;
        }
        if let Some(cost) = &self.scan {
            let (blocks, records, digits) = (self.blocks, self.block_records, self.digits);
            let queries = cost.queries;
            writeln!(f, "  scan queries: {queries}; blocks: {blocks}, of {records} records; digits: {digits}")?;
        }
        let needed: usize = self.costs().map(|cost| cost.needed).sum();
        let queries: usize = self.costs().map(|cost| cost.queries).sum();
        writeln!(
            f,
            "  not shown: fields, values, matches, how they are combined; that {needed} of {queries} queries ask for something"
        )
    }
}
