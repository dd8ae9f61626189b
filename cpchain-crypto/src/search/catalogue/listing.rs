//! What is published about a catalogue: enough to ask, and to check every answer.

use alloc::vec::Vec;

use super::{
    block::BLOCK_PAGES,
    page::PAYLOAD,
    parameters::{COLUMNS, MAX_BLOCKS, ParameterSet, ROWS},
    wire::{self, Kind, Reader},
};
use crate::{
    hash::{Digest, Domain},
    search::{self, SearchError, Term, wire::About},
};

const NAME: Domain = Domain::new("cpchain/crypto/search/catalogue/v1");
const ROOTS: Domain = Domain::new("cpchain/crypto/search/catalogue-roots/v1");
const LISTING: Domain = Domain::new("cpchain/crypto/search/catalogue-listing/v1");
const KEYWORD: Domain = Domain::new("cpchain/crypto/search/catalogue-keyword/v1");

/// Bytes by which an entry's keyword is told from others of its page.
pub(super) const TAG: usize = 16;
/// Bytes in front of the entries of a page, when they are found by keyword: how many there are.
pub(super) const COUNT: usize = 2;

/// How an entry is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Layout {
    /// By its number: entries stand one after another.
    Position = 1,
    /// By a [`Term`]: a public hash of it names the page, which has room for as many entries as chance brings there.
    Keyword = 2,
}

/// What publisher, readers and hosts agree on about a catalogue. Public: 36 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Catalogue {
    id: Digest,
    layout: Layout,
    entry_len: u16,
}

impl Catalogue {
    /// Bytes of an entry, at most, when it is found by position. What is longer goes to a store, and its hash into the catalogue.
    pub const MAX_ENTRY: usize = PAYLOAD;
    /// Bytes of an entry, at most, when it is found by keyword: pages of fewer than 13 entries would be filled too unevenly.
    pub const MAX_KEYED_ENTRY: usize = (PAYLOAD - COUNT) / 13 - TAG;
    pub(super) const LEN: usize = 36;

    /// A catalogue with this name, whose entries have all this many bytes.
    ///
    /// # Errors
    /// [`SearchError::Shape`] for entries of no bytes, or too many.
    pub fn new(name: &[u8], layout: Layout, entry_len: usize) -> Result<Self, SearchError> {
        let id = Digest::of(NAME, &[name, &[layout as u8], &(entry_len as u64).to_le_bytes()]);
        Self::checked(id, layout, entry_len)
    }

    fn checked(id: Digest, layout: Layout, entry_len: usize) -> Result<Self, SearchError> {
        let most = match layout {
            Layout::Position => Self::MAX_ENTRY,
            Layout::Keyword => Self::MAX_KEYED_ENTRY,
        };
        if entry_len == 0 || entry_len > most {
            return Err(SearchError::Shape);
        }
        Ok(Self { id, layout, entry_len: entry_len as u16 })
    }

    /// Hash of name, layout and length.
    pub const fn id(&self) -> Digest {
        self.id
    }

    /// How entries are found.
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// Bytes of an entry.
    pub const fn entry_len(&self) -> usize {
        self.entry_len as usize
    }

    /// The parameters.
    pub const fn parameters(&self) -> ParameterSet {
        ParameterSet::Page2560
    }

    /// Entries that fit into a page.
    pub const fn page_entries(&self) -> usize {
        match self.layout {
            Layout::Position => PAYLOAD / self.entry_len as usize,
            Layout::Keyword => (PAYLOAD - COUNT) / (TAG + self.entry_len as usize),
        }
    }

    /// Which of so many pages has this term, and by which tag.
    pub(super) fn find(&self, term: &Term, pages: u32) -> (u32, [u8; TAG]) {
        let Digest(hash) = Digest::of(KEYWORD, &[&self.id.0, term.as_bytes()]);
        let ([head, tag], _) = hash.as_chunks::<TAG>() else { return (0, [0; TAG]) };
        let number = u128::from_le_bytes(*head) >> 64;
        (((number * u128::from(pages)) >> 64) as u32, *tag)
    }

    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        let [low, high] = self.entry_len.to_le_bytes();
        let tail = [ParameterSet::Page2560 as u8, self.layout as u8, low, high];
        out.iter_mut().zip(self.id.0.into_iter().chain(tail)).for_each(|(to, byte)| *to = byte);
        out
    }
}

impl About for Catalogue {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.to_bytes());
    }

    fn get<K: search::wire::Kind>(reader: &mut search::wire::Reader<'_, K>) -> Result<Self, SearchError> {
        let id = Digest(reader.take()?);
        let [set, layout, low, high] = reader.take()?;
        let layout = match layout {
            1 => Layout::Position,
            2 => Layout::Keyword,
            _ => return Err(reader.error()),
        };
        if set != ParameterSet::Page2560 as u8 {
            return Err(reader.error());
        }
        Self::checked(id, layout, usize::from(u16::from_le_bytes([low, high]))).map_err(|_| reader.error())
    }
}

/// A version of a catalogue: 86 bytes to publish, for instance in the description that readers find it by. Whoever has it knows whether an answer is true.
///
/// ```
/// use cpchain_crypto::search::catalogue::{Catalogue, CataloguePublisher, Layout, Listing};
/// let mut publisher = CataloguePublisher::new(Catalogue::new(b"stations", Layout::Position, 4)?);
/// publisher.append(&[b"roof", b"yard"])?;
/// let listing = Listing::from_bytes(&publisher.listing().to_bytes())?;
/// assert_eq!((listing.version(), listing.entries()), (1, 2));
/// # Ok::<(), cpchain_crypto::search::SearchError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Listing {
    pub(super) catalogue: Catalogue,
    pub(super) version: u32,
    pub(super) entries: u64,
    pub(super) pages: u32,
    pub(super) root: Digest,
}

impl Listing {
    /// Bytes of a listing.
    pub const LEN: usize = 2 + Self::BODY;
    pub(super) const BODY: usize = Catalogue::LEN + 48;

    /// A catalogue of nothing yet.
    pub(super) fn empty(catalogue: Catalogue) -> Self {
        Self { catalogue, version: 0, entries: 0, pages: 0, root: root(&[]) }
    }

    /// Of which catalogue.
    pub const fn catalogue(&self) -> Catalogue {
        self.catalogue
    }

    /// The number of updates that led here.
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// Entries that there are.
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// Pages that there are.
    pub const fn pages(&self) -> u32 {
        self.pages
    }

    pub(super) const fn blocks(&self) -> usize {
        (self.pages as usize).div_ceil(BLOCK_PAGES)
    }

    /// Bits that choose a column.
    pub(super) const fn fold_bits(&self) -> usize {
        super::fold::bits_for(self.blocks() * COLUMNS)
    }

    /// Bytes of a query for this version.
    pub const fn query_len(&self) -> usize {
        use super::parameters::{FOLD_WIRE_BITS, ROOT_WIRE_BITS, ROOTS};
        let [mask, body] = FOLD_WIRE_BITS;
        let bit = wire::packed_len(mask) + wire::packed_len(body);
        2 + Catalogue::LEN + 32 + 32 + 32 + ROOTS * wire::packed_len(ROOT_WIRE_BITS) + self.fold_bits() * bit
    }

    /// Bytes of an answer for this version.
    pub const fn answer_len(&self) -> usize {
        let [mask, body] = super::parameters::ANSWER_WIRE_BITS;
        2 + Catalogue::LEN + 32 + wire::packed_len(mask) + wire::packed_len(body) + 32 * self.blocks()
    }

    /// What queries and answers name the version by.
    pub(super) fn digest(&self) -> Digest {
        Digest::of(LISTING, &[&self.body()])
    }

    pub(super) fn body(&self) -> [u8; Self::BODY] {
        let mut out = [0; Self::BODY];
        let catalogue = self.catalogue.to_bytes();
        let parts = [
            catalogue.as_slice(),
            &self.version.to_le_bytes(),
            &self.entries.to_le_bytes(),
            &self.pages.to_le_bytes(),
            &self.root.0,
        ];
        out.iter_mut().zip(parts.into_iter().flatten()).for_each(|(to, byte)| *to = *byte);
        out
    }

    /// The listing as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = wire::start(Kind::Listing, Self::BODY);
        out.extend(self.body());
        out
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`SearchError::Format`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SearchError> {
        let mut reader = Reader::begin(Kind::Listing, bytes)?;
        let listing = Self::read(&mut reader)?;
        reader.end()?;
        Ok(listing)
    }

    /// Reads and bounds it.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, SearchError> {
        let listing = Self {
            catalogue: Catalogue::get(reader)?,
            version: u32::from_le_bytes(reader.take()?),
            entries: u64::from_le_bytes(reader.take()?),
            pages: u32::from_le_bytes(reader.take()?),
            root: Digest(reader.take()?),
        };
        let room = u64::from(listing.pages) * listing.catalogue.page_entries() as u64;
        if listing.pages as usize > MAX_BLOCKS * ROWS * COLUMNS || listing.entries > room {
            return Err(reader.error());
        }
        Ok(listing)
    }
}

/// The root over those of the blocks.
pub(super) fn root(blocks: &[Digest]) -> Digest {
    let bytes: Vec<u8> = blocks.iter().flat_map(|digest| digest.0).collect();
    Digest::of(ROOTS, &[&bytes])
}
