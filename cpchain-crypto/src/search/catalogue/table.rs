//! The pages of a catalogue with their hashes: what publisher and host have alike.

use alloc::{vec, vec::Vec};

use super::{
    block::BLOCK_PAGES,
    listing::{self, Catalogue, Listing},
    page::{PAYLOAD, Page, Payload, Tree},
    parameters::MAX_BLOCKS,
    wire::{self, Kind, Reader},
};
use crate::{hash::Digest, search::SearchError};

/// A version of a catalogue, whole.
pub(super) struct Table {
    pub(super) listing: Listing,
    /// A multiple of a block's, the last ones perhaps empty.
    payloads: Vec<Payload>,
    trees: Vec<Tree>,
}

/// Pages that change, in ascending order, and the version that this leads to.
pub(super) struct Change {
    pub(super) listing: Listing,
    pub(super) pages: Vec<(u32, Payload)>,
}

impl Change {
    const PAGE: usize = 4 + PAYLOAD;

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = wire::start(Kind::Update, Listing::BODY + self.pages.len() * Self::PAGE);
        out.extend(self.listing.body());
        for (number, payload) in &self.pages {
            out.extend(number.to_le_bytes());
            out.extend(payload);
        }
        out
    }

    /// Reads and bounds it; whether it follows, and is true, is for the table to judge.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, SearchError> {
        let mut reader = Reader::begin(Kind::Update, bytes)?;
        let listing = Listing::read(&mut reader)?;
        let mut pages: Vec<(u32, Payload)> = Vec::with_capacity(reader.rest().len() / Self::PAGE);
        while !reader.rest().is_empty() {
            let number = u32::from_le_bytes(reader.take()?);
            let ascending = pages.last().is_none_or(|(last, _)| *last < number);
            if !ascending || number >= listing.pages {
                return Err(reader.error());
            }
            pages.push((number, reader.take()?));
        }
        Ok(Self { listing, pages })
    }
}

impl Table {
    pub(super) fn new(catalogue: Catalogue) -> Self {
        Self { listing: Listing::empty(catalogue), payloads: Vec::new(), trees: Vec::new() }
    }

    /// The entries of a page that exists.
    pub(super) fn payload(&self, page: u32) -> Option<&Payload> {
        self.payloads.get(page as usize)
    }

    /// A page as it is fetched.
    pub(super) fn page(&self, number: usize) -> Option<Page> {
        let tree = self.trees.get(number / BLOCK_PAGES)?;
        Some(Page::new(self.payloads.get(number)?, &tree.path(number % BLOCK_PAGES)))
    }

    /// The roots of the blocks.
    pub(super) fn roots(&self) -> Vec<Digest> {
        self.trees.iter().map(Tree::root).collect()
    }

    /// What follows from these pages: the next version with its root.
    pub(super) fn next(&self, pages: Vec<(u32, Payload)>, entries: u64, count: u32) -> Result<Change, SearchError> {
        if count as usize > MAX_BLOCKS * BLOCK_PAGES {
            return Err(SearchError::Full { most: MAX_BLOCKS as u32 });
        }
        let version = self.listing.version.checked_add(1).ok_or(SearchError::TooMany)?;
        let listing = Listing { version, entries, pages: count, ..self.listing };
        let mut change = Change { listing, pages };
        change.listing.root = self.after(&change).root;
        Ok(change)
    }

    /// Takes a change whose root is true, and returns the blocks that changed. Otherwise nothing happens.
    pub(super) fn apply(&mut self, change: Change) -> Result<Vec<usize>, SearchError> {
        let After { root, blocks, payloads } = self.after(&change);
        if root != change.listing.root {
            return Err(SearchError::Tampered);
        }
        self.payloads.resize(change.listing.blocks() * BLOCK_PAGES, [0; PAYLOAD]);
        for (to, payload) in self.payloads.chunks_exact_mut(BLOCK_PAGES).enumerate().filter_map(|(at, pages)| {
            let place = blocks.iter().position(|(block, _)| *block == at)?;
            Some((pages, payloads.get(place)?))
        }) {
            to.copy_from_slice(payload);
        }
        let numbers = blocks.iter().map(|(block, _)| *block).collect();
        for (block, tree) in blocks {
            match self.trees.get_mut(block) {
                Some(place) => *place = tree,
                None => self.trees.push(tree),
            }
        }
        self.listing = change.listing;
        Ok(numbers)
    }

    /// The changed blocks as they would be. Blocks that come new are among them, filled or not.
    fn after(&self, change: &Change) -> After {
        let count = change.listing.blocks();
        let mut changes = change.pages.as_slice();
        let (mut blocks, mut all) = (Vec::new(), Vec::new());
        for block in 0..count {
            let end = changes.partition_point(|(number, _)| (*number as usize) < (block + 1) * BLOCK_PAGES);
            let (here, rest) = changes.split_at_checked(end).unwrap_or((changes, &[]));
            changes = rest;
            if here.is_empty() && block < self.trees.len() {
                continue;
            }
            let mut payloads = vec![[0; PAYLOAD]; BLOCK_PAGES];
            let old = self.payloads.get(block * BLOCK_PAGES..(block + 1) * BLOCK_PAGES);
            old.into_iter().for_each(|old| payloads.copy_from_slice(old));
            for (number, payload) in here {
                if let Some(to) = payloads.get_mut(*number as usize % BLOCK_PAGES) {
                    *to = *payload;
                }
            }
            blocks.push((block, Tree::new(&payloads)));
            all.push(payloads);
        }
        let mut roots = self.roots();
        roots.resize(count, Digest::ZERO);
        for (block, tree) in &blocks {
            if let Some(root) = roots.get_mut(*block) {
                *root = tree.root();
            }
        }
        After { root: listing::root(&roots), blocks, payloads: all }
    }

    /// Listing and entries: hashes are made anew when they are read.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let pages = self.payloads.iter().take(self.listing.pages as usize);
        let mut out = wire::start(Kind::Stored, Listing::BODY + pages.len() * PAYLOAD);
        out.extend(self.listing.body());
        pages.for_each(|payload| out.extend(payload));
        out
    }

    /// The inverse of [`to_bytes`](Self::to_bytes): checks that entries and listing belong together.
    pub(super) fn from_bytes(bytes: &[u8], max_blocks: usize) -> Result<Self, SearchError> {
        let mut reader = Reader::begin(Kind::Stored, bytes)?;
        let listing = Listing::read(&mut reader)?;
        if listing.blocks() > max_blocks {
            return Err(SearchError::Full { most: max_blocks as u32 });
        }
        if reader.rest().len() != listing.pages as usize * PAYLOAD {
            return Err(reader.error());
        }
        let mut pages = Vec::with_capacity(listing.pages as usize);
        for number in 0..listing.pages {
            pages.push((number, reader.take()?));
        }
        let mut table = Self::new(listing.catalogue);
        table.apply(Change { listing, pages })?;
        Ok(table)
    }
}

/// Changed blocks with their numbers, their pages, and the root over all blocks.
struct After {
    root: Digest,
    blocks: Vec<(usize, Tree)>,
    payloads: Vec<Vec<Payload>>,
}
