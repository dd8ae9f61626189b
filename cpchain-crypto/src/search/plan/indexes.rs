//! The indexes that a plan asks, at the side of whoever asks.

use crate::{counter::CounterStore, search::keyword::KeywordClient};
use crate::{
    hash::{Digest, Domain},
    search::{
        aggregate::AggregateIndex,
        catalogue::{CatalogueClient, Listing},
        scan::{ScanIndex, shared::SharedReader},
    },
};

const VERSION: Domain = Domain::new("cpchain/crypto/search/plan-catalogue/v1");

/// The indexes that a plan asks, at the side of whoever asks. `S` keeps the counters of queries.
#[derive(Debug)]
pub struct Indexes<S> {
    pub(super) keyword: Option<KeywordClient<S>>,
    pub(super) scan: Option<ScanIndex>,
    pub(super) shared: Option<SharedReader<S>>,
    pub(super) catalogue: Option<CatalogueClient>,
    pub(super) aggregate: Option<AggregateIndex>,
}

impl<S> Default for Indexes<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Indexes<S> {
    /// None.
    pub const fn new() -> Self {
        Self { keyword: None, scan: None, shared: None, catalogue: None, aggregate: None }
    }

    /// With this keyword index.
    pub fn with_keyword(mut self, client: KeywordClient<S>) -> Self {
        self.keyword = Some(client);
        self
    }

    /// The keyword index.
    pub const fn keyword(&self) -> Option<&KeywordClient<S>> {
        self.keyword.as_ref()
    }

    /// The keyword index, for appending and for preparing queries.
    pub const fn keyword_mut(&mut self) -> Option<&mut KeywordClient<S>> {
        self.keyword.as_mut()
    }
}

impl<S> Indexes<S> {
    /// With this scan table.
    pub fn with_scan(mut self, index: ScanIndex) -> Self {
        self.scan = Some(index);
        self
    }

    /// With the scan table of several writers that this reader asks.
    pub fn with_shared(mut self, reader: SharedReader<S>) -> Self {
        self.shared = Some(reader);
        self
    }

    /// With the public catalogue of postings that this client asks. Its host has to have the client's evaluation keys.
    pub fn with_catalogue(mut self, client: CatalogueClient) -> Self {
        self.catalogue = Some(client);
        self
    }

    /// With this table of counts and sums.
    pub fn with_aggregate(mut self, index: AggregateIndex) -> Self {
        self.aggregate = Some(index);
        self
    }

    /// The scan table.
    pub const fn scan(&self) -> Option<&ScanIndex> {
        self.scan.as_ref()
    }

    /// The scan table, for appending.
    pub const fn scan_mut(&mut self) -> Option<&mut ScanIndex> {
        self.scan.as_mut()
    }

    /// The reader of several writers' records.
    pub const fn shared(&self) -> Option<&SharedReader<S>> {
        self.shared.as_ref()
    }

    /// The reader of several writers' records, for learning a new state.
    pub const fn shared_mut(&mut self) -> Option<&mut SharedReader<S>> {
        self.shared.as_mut()
    }

    /// The client of the public catalogue.
    pub const fn catalogue(&self) -> Option<&CatalogueClient> {
        self.catalogue.as_ref()
    }

    /// The client of the public catalogue, for following new versions and for renewing its secret.
    pub const fn catalogue_mut(&mut self) -> Option<&mut CatalogueClient> {
        self.catalogue.as_mut()
    }

    /// The table of counts and sums.
    pub const fn aggregate(&self) -> Option<&AggregateIndex> {
        self.aggregate.as_ref()
    }

    /// The table of counts and sums, for appending.
    pub const fn aggregate_mut(&mut self) -> Option<&mut AggregateIndex> {
        self.aggregate.as_mut()
    }
}

impl<S: CounterStore> Indexes<S> {
    /// What a planner must know of them.
    pub fn tables(&self) -> super::Tables {
        let mut tables = super::Tables::new();
        if let Some(client) = &self.keyword {
            tables = tables.with_keyword(client.index());
        }
        {
            tables = self.scan.iter().fold(tables, |tables, index| tables.with_scan(index));
            tables = self.shared.iter().fold(tables, |tables, reader| tables.with_shared(reader));
            tables = self.catalogue.iter().fold(tables, |tables, client| tables.with_catalogue(client));
            tables = self.aggregate.iter().fold(tables, |tables, index| tables.with_aggregate(index));
        }
        tables
    }
}

/// Names a version of a catalogue.
pub(super) fn version(listing: &Listing) -> Digest {
    Digest::of(VERSION, &[&listing.to_bytes()])
}
