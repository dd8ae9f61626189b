//! What an engine takes for a query: bytes exactly, time as rates say.

use super::{Engine, Tables};

/// How fast hosts and lines are. The defaults are of one core of a server (AMD EPYC with AVX-512, shared with others, November 2026) and a line of 100 Mbit/s; replace
/// them by yours, which `lab search` prints: rows `search::rate of=FIELD`, and `search::keyword_table` for [`keyword_bytes`](Self::keyword_bytes).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Bytes of a keyword table that a host multiplies in a second.
    pub keyword_bytes: f64,
    /// Nanoseconds that a host takes for a digit of a record in a scan, for blocks are full or not.
    pub scan_nanos: f64,
    /// Nanoseconds that a host takes for reading a scan query, a digit.
    pub scan_query_nanos: f64,
    /// Nanoseconds that a host takes for a page of a public catalogue.
    pub catalogue_nanos: f64,
    /// Nanoseconds that a host takes for reading a query to a public catalogue and expanding it.
    pub catalogue_query_nanos: f64,
    /// Nanoseconds that a host takes for a bin of an interval.
    pub aggregate_nanos: f64,
    /// Nanoseconds that a host takes for reading a query of counts and sums, a bin.
    pub aggregate_query_nanos: f64,
    /// Bytes that pass the line in a second.
    pub line_bytes: f64,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            keyword_bytes: 28e9,
            scan_nanos: 1.2,
            scan_query_nanos: 320e3,
            catalogue_nanos: 1550.0,
            catalogue_query_nanos: 6e6,
            aggregate_nanos: 14.0,
            aggregate_query_nanos: 14e3,
            line_bytes: 12.5e6,
        }
    }
}

/// What an engine is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EngineCost {
    /// Who.
    pub engine: Engine,
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
    /// Of so many queries; none without a table.
    pub(super) fn new(tables: &Tables, rates: &Rates, engine: Engine, needed: usize, queries: usize) -> Option<Self> {
        let table = tables.of(engine)?;
        let host_nanos = match engine {
            Engine::Keyword => {
                let keyword = tables.keyword?;
                keyword.table_len as f64 * keyword.fetches as f64 / rates.keyword_bytes * 1e9
            }
            Engine::Scan | Engine::Shared => {
                let scan = if engine == Engine::Scan { tables.scan.as_ref()? } else { tables.shared.as_ref()? };
                let digits = f64::from(scan.digits.iter().map(|digits| u32::from(*digits)).sum::<u32>());
                let records = scan.blocks as f64 * scan.block_records as f64;
                digits * (rates.scan_query_nanos + rates.scan_nanos * records)
            }
            Engine::Catalogue => {
                rates.catalogue_query_nanos + rates.catalogue_nanos * f64::from(tables.catalogue?.pages)
            }
            Engine::Aggregate => {
                let aggregate = tables.aggregate.as_ref()?;
                let bins = aggregate.edges.len() as f64;
                bins * (rates.aggregate_query_nanos + rates.aggregate_nanos * aggregate.intervals as f64)
            }
        };
        let (query_len, answer_len) = (table.query_len, table.answer_len);
        Some(Self { engine, queries, needed, query_len, answer_len, host_nanos })
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
