//! The tables that can be asked, as far as a planner must know them.

use alloc::vec::Vec;

use super::Engine;
use crate::search::{
    aggregate::AggregateIndex,
    catalogue::CatalogueClient,
    scan::{
        BLOCK_RECORDS, ScanIndex,
        shared::{Numbering, SharedReader},
    },
};
use crate::{hash::Digest, search::keyword::KeywordIndex};

/// The keyword table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeywordTable {
    pub(super) fetches: usize,
    pub(super) table_len: usize,
    pub(super) segments: usize,
    pub(super) table: Table,
}

/// A scan table, of one writer or of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ScanTable {
    pub(super) digits: Vec<u8>,
    pub(super) blocks: usize,
    pub(super) block_records: usize,
    pub(super) records: u64,
    /// Of several writers.
    pub(super) numbering: Numbering,
    pub(super) table: Table,
}

/// A public catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CatalogueTable {
    pub(super) pages: u32,
    pub(super) version: u32,
    pub(super) has_postings: bool,
    pub(super) table: Table,
}

/// A table of counts and sums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AggregateTable {
    /// Where bins begin.
    pub(super) edges: Vec<u16>,
    pub(super) intervals: usize,
    pub(super) table: Table,
}

/// What all have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) state: Digest,
    pub(super) query_len: usize,
    pub(super) answer_len: usize,
}

/// The tables that can be asked, in their present state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables {
    pub(super) keyword: Option<KeywordTable>,
    pub(super) scan: Option<ScanTable>,
    pub(super) shared: Option<ScanTable>,
    pub(super) catalogue: Option<CatalogueTable>,
    pub(super) aggregate: Option<AggregateTable>,
    records: Option<u64>,
}

impl Tables {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// With this keyword table.
    pub fn with_keyword(mut self, index: &KeywordIndex) -> Self {
        let table = Table { state: index.state(), query_len: index.query_len(), answer_len: index.answer_len() };
        let (fetches, segments) = (index.table().fetches(), index.segments().len());
        self.keyword = Some(KeywordTable { fetches, table_len: index.table_len(), segments, table });
        self
    }

    /// With this scan table, whose records are the universe.
    pub fn with_scan(mut self, index: &ScanIndex) -> Self {
        self.scan = Some(ScanTable {
            digits: index.digits(),
            blocks: index.blocks(),
            block_records: BLOCK_RECORDS,
            records: index.records(),
            numbering: Numbering::default(),
            table: Table { state: index.state(), query_len: index.query_len(), answer_len: index.answer_len() },
        });
        self
    }

    /// With the scan table of several writers, in the state that this reader learned last: its records are the universe. It numbers records by
    /// writer, so no other table goes with it.
    pub fn with_shared<S>(mut self, reader: &SharedReader<S>) -> Self {
        let numbering = reader.numbering();
        self.shared = Some(ScanTable {
            digits: reader.digits(),
            blocks: reader.blocks(),
            block_records: BLOCK_RECORDS,
            records: numbering.records(),
            numbering,
            table: Table { state: reader.state(), query_len: reader.query_len(), answer_len: reader.answer_len() },
        });
        self
    }

    /// With this public catalogue of postings ([`Catalogue::of_postings`](crate::search::catalogue::Catalogue::of_postings)).
    pub fn with_catalogue(mut self, client: &CatalogueClient) -> Self {
        let listing = client.listing();
        self.catalogue = Some(CatalogueTable {
            pages: listing.pages(),
            version: listing.version(),
            has_postings: listing.catalogue().has_postings(),
            table: Table {
                state: super::indexes::version(&listing),
                query_len: listing.query_len(),
                answer_len: listing.answer_len(),
            },
        });
        self
    }

    /// With this table of counts and sums.
    pub fn with_aggregate(mut self, index: &AggregateIndex) -> Self {
        self.aggregate = Some(AggregateTable {
            edges: index.bins().edges().to_vec(),
            intervals: index.intervals(),
            table: Table { state: index.state(), query_len: index.query_len(), answer_len: index.answer_len() },
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
        self.scanned().map(|(_, scan)| scan.records).or(self.records)
    }

    /// The table that has the columns.
    pub(super) fn scanned(&self) -> Option<(Engine, &ScanTable)> {
        let shared = self.shared.as_ref().map(|table| (Engine::Shared, table));
        shared.or(self.scan.as_ref().map(|table| (Engine::Scan, table)))
    }

    /// What is common of an engine's table.
    pub(super) fn of(&self, engine: Engine) -> Option<&Table> {
        match engine {
            Engine::Keyword => self.keyword.as_ref().map(|table| &table.table),
            Engine::Scan => self.scan.as_ref().map(|table| &table.table),
            Engine::Shared => self.shared.as_ref().map(|table| &table.table),
            Engine::Catalogue => self.catalogue.as_ref().map(|table| &table.table),
            Engine::Aggregate => self.aggregate.as_ref().map(|table| &table.table),
        }
    }
}
