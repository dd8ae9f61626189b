//! The publisher: makes the pages of a catalogue, and the updates that bring hosts to each version.

use alloc::{collections::BTreeMap, vec::Vec};

use super::{
    block::BLOCK_PAGES,
    listing::{COUNT, Catalogue, Layout, Listing, TAG},
    page::{PAYLOAD, Payload},
    parameters::MAX_BLOCKS,
    table::Table,
};
use crate::search::{SearchError, Term};

/// Who publishes a catalogue: entries in, updates for hosts and a listing for readers out. There is no secret: whoever has the listing's
/// place of publication decides what readers believe.
///
/// An update that was made but not stored with [`to_bytes`](Self::to_bytes) is lost: store first, then send and publish.
pub struct CataloguePublisher {
    table: Table,
}

impl CataloguePublisher {
    /// A catalogue of nothing yet.
    pub fn new(catalogue: Catalogue) -> Self {
        Self { table: Table::new(catalogue) }
    }

    /// What to publish.
    pub const fn listing(&self) -> Listing {
        self.table.listing
    }

    /// Adds entries behind those that there are, and returns the update: its length is that of the new pages.
    ///
    /// # Errors
    /// [`SearchError::Shape`] for a catalogue by keyword; [`SearchError::Value`] for an entry of another length; [`SearchError::Full`]. Nothing is added then.
    pub fn append(&mut self, entries: &[&[u8]]) -> Result<Vec<u8>, SearchError> {
        let first = self.table.listing.entries;
        let numbered: Vec<_> = (first..).zip(entries.iter().copied()).collect();
        self.place(&numbered, first.saturating_add(entries.len() as u64))
    }

    /// Puts entries in the place of others, and returns the update: a page for each.
    ///
    /// # Errors
    /// As [`append`](Self::append), and [`SearchError::Value`] for a position that there is not.
    pub fn replace(&mut self, entries: &[(u64, &[u8])]) -> Result<Vec<u8>, SearchError> {
        let count = self.table.listing.entries;
        if entries.iter().any(|(position, _)| *position >= count) {
            return Err(SearchError::Value);
        }
        self.place(entries, count)
    }

    /// Adds entries by their terms, replacing those of the same terms, and returns the update. The first call makes the pages: for `room` entries or as many as are
    /// given, if these are more. Later calls keep the number of pages.
    ///
    /// # Errors
    /// [`SearchError::Shape`] for a catalogue by position; [`SearchError::Value`] for an entry of another length; [`SearchError::TooMany`] if a page has no room left:
    /// publish under another name with more room; [`SearchError::Full`]. Nothing is added then.
    pub fn insert(&mut self, entries: &[(Term, &[u8])], room: u64) -> Result<Vec<u8>, SearchError> {
        let old = self.table.listing;
        let pages = if old.pages > 0 { old.pages } else { pages_for(&old.catalogue, room.max(entries.len() as u64))? };
        self.rewrite(entries.iter().map(|(term, value)| (*term, Some(*value))), pages)
    }

    /// Takes entries out by their terms, if they are there, and returns the update.
    ///
    /// # Errors
    /// [`SearchError::Shape`] for a catalogue by position.
    pub fn remove(&mut self, terms: &[Term]) -> Result<Vec<u8>, SearchError> {
        self.rewrite(terms.iter().map(|term| (*term, None)), self.table.listing.pages)
    }

    /// The state: listing and entries.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.table.to_bytes()
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`SearchError::Format`]; [`SearchError::Tampered`] if entries and listing do not belong together.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SearchError> {
        Table::from_bytes(bytes, MAX_BLOCKS).map(|table| Self { table })
    }

    fn place(&mut self, entries: &[(u64, &[u8])], count: u64) -> Result<Vec<u8>, SearchError> {
        let catalogue = self.table.listing.catalogue;
        if catalogue.layout() != Layout::Position {
            return Err(SearchError::Shape);
        }
        let (per_page, length) = (catalogue.page_entries() as u64, catalogue.entry_len());
        let pages = u32::try_from(count.div_ceil(per_page)).map_err(|_| FULL)?;
        let mut changed: BTreeMap<u32, Payload> = BTreeMap::new();
        for (position, entry) in entries {
            let (page, at) = (u32::try_from(position / per_page).map_err(|_| FULL)?, position % per_page);
            let payload =
                changed.entry(page).or_insert_with(|| self.table.payload(page).copied().unwrap_or([0; PAYLOAD]));
            let to = payload.chunks_exact_mut(length).nth(at as usize).filter(|to| to.len() == entry.len());
            to.ok_or(SearchError::Value)?.copy_from_slice(entry);
        }
        self.commit(changed, count, pages)
    }

    fn rewrite<'a>(
        &mut self,
        entries: impl Iterator<Item = (Term, Option<&'a [u8]>)>,
        pages: u32,
    ) -> Result<Vec<u8>, SearchError> {
        let catalogue = self.table.listing.catalogue;
        if catalogue.layout() != Layout::Keyword {
            return Err(SearchError::Shape);
        }
        let mut count = self.table.listing.entries;
        let mut changed: BTreeMap<u32, BTreeMap<[u8; TAG], Vec<u8>>> = BTreeMap::new();
        for (term, value) in entries {
            if value.is_some_and(|value| value.len() != catalogue.entry_len()) {
                return Err(SearchError::Value);
            }
            let (page, tag) = catalogue.find(&term, pages);
            let slots = changed.entry(page).or_insert_with(|| {
                let slots = self.table.payload(page).map(|payload| slots(&catalogue, payload));
                slots.into_iter().flatten().map(|(tag, value)| (*tag, value.to_vec())).collect()
            });
            let before = slots.len() as u64;
            match value {
                Some(value) => slots.insert(tag, value.to_vec()),
                None => slots.remove(&tag),
            };
            count = count + slots.len() as u64 - before;
        }
        let mut payloads = BTreeMap::new();
        for (page, slots) in changed {
            if slots.len() > catalogue.page_entries() {
                return Err(SearchError::TooMany);
            }
            let mut payload = [0; PAYLOAD];
            let bytes = slots.iter().flat_map(|(tag, value)| tag.iter().chain(value));
            let count = (slots.len() as u16).to_le_bytes();
            payload.iter_mut().zip(count.iter().chain(bytes)).for_each(|(to, byte)| *to = *byte);
            // A term that is taken out of a catalogue without pages names none.
            if page < pages {
                payloads.insert(page, payload);
            }
        }
        self.commit(payloads, count, pages)
    }

    fn commit(&mut self, changed: BTreeMap<u32, Payload>, entries: u64, pages: u32) -> Result<Vec<u8>, SearchError> {
        let change = self.table.next(changed.into_iter().collect(), entries, pages)?;
        let bytes = change.to_bytes();
        self.table.apply(change)?;
        Ok(bytes)
    }
}

const FULL: SearchError = SearchError::Full { most: MAX_BLOCKS as u32 };

/// The tags and values of a page.
pub(super) fn slots<'a>(
    catalogue: &Catalogue,
    payload: &'a Payload,
) -> impl Iterator<Item = (&'a [u8; TAG], &'a [u8])> {
    let (count, slots) = payload.split_first_chunk::<COUNT>().unwrap_or((&[0; COUNT], &[]));
    let count = usize::from(u16::from_le_bytes(*count));
    slots.chunks_exact(TAG + catalogue.entry_len()).take(count).filter_map(|slot| slot.split_first_chunk::<TAG>())
}

/// So many that chance fills none: a page gets m entries on average, six standard deviations below what it holds.
fn pages_for(catalogue: &Catalogue, entries: u64) -> Result<u32, SearchError> {
    let holds = catalogue.page_entries() as u64;
    let average = (1..=holds).take_while(|m| m + 6 * m.isqrt() + 6 <= holds).last().unwrap_or(1);
    let pages = u32::try_from(entries.div_ceil(average).max(1)).map_err(|_| FULL)?;
    if pages as usize <= MAX_BLOCKS * BLOCK_PAGES { Ok(pages) } else { Err(FULL) }
}

impl core::fmt::Debug for CataloguePublisher {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "CataloguePublisher({:?})", self.table.listing)
    }
}
