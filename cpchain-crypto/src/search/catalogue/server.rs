//! The host: keeps the pages, transformed, and answers.

use alloc::vec::Vec;

use super::{
    block::{self, BLOCK_PAGES, Pages},
    expand, fold, gadget,
    keys::{Cache, KeyLimits},
    lattice::{self, Pair, Polynomial},
    listing::{Catalogue, Listing},
    parameters::{ANSWER_WIRE_BITS, FOLD_WIRE_BITS, ROOT_WIRE_BITS, ROOTS},
    table::{Change, Table},
    wire::{self, Kind, Reader},
};
use crate::search::{Kernel, SearchError, SearchServer};

/// A part of the work of an answer, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// The query was read, and what it encrypts of the fold transformed.
    Read,
    /// Its roots became selectors.
    Expand,
    /// The pages were multiplied with the selectors and added up.
    Select,
    /// One column was chosen. The inverse transforms are in it.
    Fold,
    /// The answer was written.
    Write,
}

/// A host of one catalogue. Holds nothing that is secret.
///
/// Memory: 12 KiB for each page, plus 864 KiB for each client whose keys are kept.
pub struct CatalogueServer {
    table: Table,
    pages: Pages,
    roots: Vec<u8>,
    max_blocks: usize,
    kernel: Kernel,
    keys: Cache,
}

/// A query that was read.
struct Asked {
    keys: [u8; 32],
    roots: Vec<Pair<Polynomial>>,
    bits: Vec<Pair<Polynomial>>,
}

impl CatalogueServer {
    /// An empty host for at most `max_blocks` blocks of 256 pages, three mebibytes each (and at most 128, whatever is given).
    pub fn new(catalogue: Catalogue, max_blocks: usize, limits: KeyLimits) -> Self {
        Self {
            table: Table::new(catalogue),
            pages: Pages::new(),
            roots: Vec::new(),
            max_blocks,
            kernel: Kernel::best(),
            keys: Cache::new(limits),
        }
    }

    /// Computes with this kernel in place of the best.
    pub const fn with_kernel(mut self, kernel: Kernel) -> Self {
        self.kernel = kernel;
        self
    }

    /// The version that is served.
    pub const fn listing(&self) -> Listing {
        self.table.listing
    }

    /// Bytes of the transformed pages: what every query reads.
    pub fn bytes(&self) -> usize {
        self.pages.bytes()
    }

    /// Clients whose keys are kept.
    pub fn clients(&self) -> usize {
        self.keys.len()
    }

    /// Takes the evaluation keys of a client, who sends them once, and again after [`SearchError::UnknownKeys`]. `now_ms` is any clock that does not go back.
    ///
    /// # Errors
    /// [`SearchError::Format`]; [`SearchError::TooOften`] for more new keys in a minute than the limits allow.
    pub fn register(&mut self, keys: &[u8], now_ms: u64) -> Result<(), SearchError> {
        self.keys.register(keys, now_ms)
    }

    /// The state as bytes: listing and entries. Keys of clients are not in it: they send them again.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.table.to_bytes()
    }

    /// The inverse of [`to_bytes`](Self::to_bytes): hashes and transforms the pages.
    ///
    /// # Errors
    /// [`SearchError::Format`]; [`SearchError::Full`] for more than `max_blocks`; [`SearchError::Tampered`] if entries and listing do not belong together.
    pub fn from_bytes(bytes: &[u8], max_blocks: usize, limits: KeyLimits) -> Result<Self, SearchError> {
        let table = Table::from_bytes(bytes, max_blocks)?;
        let mut server = Self::new(table.listing.catalogue(), max_blocks, limits);
        let blocks = (0..table.listing.blocks()).collect();
        server.table = table;
        server.refresh(blocks);
        Ok(server)
    }

    /// Answers a query, and tells when each part of the work is done.
    ///
    /// # Errors
    /// As [`answer`](SearchServer::answer).
    pub fn answer_observed(&self, query: &[u8], mut done: impl FnMut(Stage)) -> Result<Vec<u8>, SearchError> {
        let asked = self.read(query)?;
        let keys = self.keys.get(&asked.keys)?;
        let bits = gadget::factors(self.kernel, &asked.bits);
        let (bits, _) = bits.as_chunks::<2>();
        done(Stage::Read);
        let selectors = expand::expand(&asked.roots, keys, self.kernel);
        done(Stage::Expand);
        let columns = block::select(&self.pages, &selectors, self.kernel);
        done(Stage::Select);
        let chosen = fold::fold(&columns, bits, self.kernel);
        done(Stage::Fold);
        let listing = &self.table.listing;
        let mut out = wire::start(Kind::Answer, listing.answer_len());
        out.extend(listing.catalogue.to_bytes());
        out.extend(listing.digest().0);
        for (polynomial, bits) in chosen.iter().zip(ANSWER_WIRE_BITS) {
            wire::pack_rounded(&mut out, polynomial, bits);
        }
        out.extend(&self.roots);
        done(Stage::Write);
        Ok(out)
    }

    fn read(&self, query: &[u8]) -> Result<Asked, SearchError> {
        let listing = &self.table.listing;
        let mut reader = Reader::open_for(Kind::Query, &listing.catalogue, query)?;
        if reader.take()? != listing.digest().0 || listing.pages == 0 {
            return Err(SearchError::Stale);
        }
        if query.len() != listing.query_len() {
            return Err(reader.error());
        }
        let (keys, masks) = (reader.take()?, reader.take()?);
        let mut bodies = Vec::new();
        reader.polynomials(ROOTS, ROOT_WIRE_BITS, &mut bodies)?;
        for _ in 0..listing.fold_bits() {
            for bits in FOLD_WIRE_BITS {
                reader.polynomials(1, bits, &mut bodies)?;
            }
        }
        reader.end()?;
        let mut roots = lattice::decompress(masks, &bodies);
        let bits = roots.split_off(ROOTS.min(roots.len()));
        Ok(Asked { keys, roots, bits })
    }

    /// Transforms the pages of these blocks.
    fn refresh(&mut self, blocks: Vec<usize>) {
        self.pages.grow(self.table.listing.blocks());
        for page in blocks.into_iter().flat_map(|block| block * BLOCK_PAGES..(block + 1) * BLOCK_PAGES) {
            if let Some(bytes) = self.table.page(page) {
                self.pages.put(page, &bytes, self.kernel);
            }
        }
        self.roots = self.table.roots().iter().flat_map(|root| root.0).collect();
    }
}

impl SearchServer for CatalogueServer {
    /// Checks the update against the version that it claims to lead to; what is false changes nothing ([`SearchError::Tampered`]).
    fn apply(&mut self, update: &[u8]) -> Result<(), SearchError> {
        let change = Change::read(update)?;
        let version = self.table.listing.version;
        if change.listing.catalogue != self.table.listing.catalogue {
            return Err(SearchError::OtherTable);
        }
        if change.listing.version <= version {
            return Ok(());
        }
        if change.listing.version > version.saturating_add(1) {
            return Err(SearchError::NotNext { blocks: version });
        }
        if change.listing.pages < self.table.listing.pages {
            return Err(Kind::Update.error());
        }
        if change.listing.blocks() > self.max_blocks {
            return Err(SearchError::Full { most: self.max_blocks as u32 });
        }
        let blocks = self.table.apply(change)?;
        self.refresh(blocks);
        Ok(())
    }

    /// Also [`SearchError::UnknownKeys`]: then the client sends its keys, and the same query again.
    fn answer(&self, query: &[u8]) -> Result<Vec<u8>, SearchError> {
        self.answer_observed(query, |_| ())
    }
}

impl core::fmt::Debug for CatalogueServer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "CatalogueServer({:?}, {} clients)", self.table.listing, self.keys.len())
    }
}
