//! What a market answers to clients who hold it against the chain.

use super::{RemoteMarket, Shown};
use crate::{
    catalog::{Catalog, CatalogError, Query},
    listing::ListingId,
    log::{Cursor, ListingLog, LogError, Origin},
    units::Height,
};

/// Entries of the log that are read at once.
const PAGE: usize = 1000;

/// A market of one's own, as its clients ask it: what its server answers, whatever the transport.
///
/// ```
/// # #[cfg(feature = "catalog")] {
/// use cpchain_market::{Height, MemoryLog, catalog::{Query, TantivyCatalog}, proof::{OwnMarket, RemoteMarket}};
/// let (dir, log) = (tempfile::tempdir()?, MemoryLog::default());
/// let catalog = TantivyCatalog::open(dir.path())?;
/// let market = OwnMarket { catalog: &catalog, log: &log };
/// assert!(market.search(&Query::new("weather"))?.is_empty());
/// assert!(market.block(Height(1))?.is_empty());
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct OwnMarket<'a> {
    /// Its rows and its searches.
    pub catalog: &'a dyn Catalog,
    /// The chain as it reads it.
    pub log: &'a dyn ListingLog,
}

impl RemoteMarket for OwnMarket<'_> {
    fn search(&self, query: &Query) -> Result<Vec<Shown>, LogError> {
        let hits = self.catalog.search(query).map_err(failed)?;
        hits.into_iter().filter_map(|hit| self.listing(hit.id).transpose()).collect()
    }

    fn listing(&self, id: ListingId) -> Result<Option<Shown>, LogError> {
        let entry = self.catalog.get(id).map_err(failed)?;
        Ok(entry.map(|entry| Shown { bytes: entry.operation.as_bytes().to_vec(), at: entry.at }))
    }

    fn block(&self, height: Height) -> Result<Vec<Vec<u8>>, LogError> {
        let (mut from, mut block) = (Cursor { height, index: 0 }, Vec::new());
        loop {
            let page = self.log.read(from, PAGE)?;
            for entry in page.entries.into_iter().filter(|entry| entry.at.height == height) {
                if entry.origin == Origin::Party {
                    block.push(entry.bytes);
                }
            }
            if page.next <= from || page.next.height > height {
                return Ok(block);
            }
            from = page.next;
        }
    }
}

fn failed(error: CatalogError) -> LogError {
    match error {
        CatalogError::Query => LogError::Refused(error.to_string()),
        CatalogError::Broken(_) | CatalogError::Io(_) => LogError::Unavailable(error.to_string()),
    }
}
