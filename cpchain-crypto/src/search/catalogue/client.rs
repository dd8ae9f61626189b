//! The reader: asks for one entry, and checks what comes back against the listing.

use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicBool, Ordering};

use zeroize::Zeroizing;

use super::{
    block, gadget, keys,
    lattice::{Pair, Polynomial, Secret},
    listing::{self, Catalogue, Layout, Listing},
    page::{Page, Payload},
    parameters::{ANSWER_WIRE_BITS, COLUMNS, DEGREE, FOLD_WIRE_BITS, KEY_WIRE_BITS, ROOT_WIRE_BITS, ROOTS},
    publisher,
    wire::{self, Kind, Reader},
};
use crate::{
    entropy::Entropy,
    hash::Digest,
    search::{SearchClient, SearchError, Term},
};

/// What is asked of a catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// The entry of this number, from 0.
    Position(u64),
    /// The entry of this term.
    Keyword(Term),
}

/// A reader of one catalogue. Needs the [`Listing`] from where it is published, and nothing else.
///
/// Its evaluation keys go to a host before the first query. The secret behind them serves all queries of this reader, so a host can tell
/// that they come from one; [`renew`](Self::renew) takes a new one.
pub struct CatalogueClient {
    listing: Listing,
    session: Arc<Session>,
    keys: Vec<u8>,
}

struct Session {
    secret: Secret,
    name: Digest,
    /// An answer did not open: nothing is asked under this secret again.
    spent: AtomicBool,
}

/// What remains with the reader while a query is out. Dropped, it is wiped with the last one of its secret.
pub struct Pending {
    session: Arc<Session>,
    listing: Listing,
    page: u32,
    wanted: Wanted,
}

impl CatalogueClient {
    /// Bytes of the evaluation keys.
    pub const KEYS_LEN: usize = keys::KEYS_LEN;

    /// A reader with a fresh secret.
    ///
    /// # Errors
    /// [`SearchError::Entropy`].
    pub fn new(listing: Listing, entropy: &mut dyn Entropy) -> Result<Self, SearchError> {
        let (session, keys) = session(entropy)?;
        Ok(Self { listing, session, keys })
    }

    /// The version that is asked for.
    pub const fn listing(&self) -> Listing {
        self.listing
    }

    /// What a host needs before the first query: 324 KiB. Says nothing about what is asked.
    pub fn evaluation_keys(&self) -> &[u8] {
        &self.keys
    }

    /// Goes on to a newer version that was published.
    ///
    /// # Errors
    /// [`SearchError::OtherTable`]; [`SearchError::Stale`] for an older version; [`SearchError::Tampered`] for another listing of the same version: one of
    /// the two was not published by the publisher.
    pub fn follow(&mut self, listing: Listing) -> Result<(), SearchError> {
        if listing.catalogue != self.listing.catalogue {
            return Err(SearchError::OtherTable);
        }
        if listing.version < self.listing.version {
            return Err(SearchError::Stale);
        }
        if listing.version == self.listing.version && listing != self.listing {
            return Err(SearchError::Tampered);
        }
        self.listing = listing;
        Ok(())
    }

    /// Takes a fresh secret: after an answer was refused ([`SearchError::Spent`]), or so that a host cannot tell this reader from others. The keys go to
    /// the hosts anew.
    ///
    /// # Errors
    /// [`SearchError::Entropy`].
    pub fn renew(&mut self, entropy: &mut dyn Entropy) -> Result<(), SearchError> {
        (self.session, self.keys) = session(entropy)?;
        Ok(())
    }
}

fn session(entropy: &mut dyn Entropy) -> Result<(Arc<Session>, Vec<u8>), SearchError> {
    let secret = Secret::generate(entropy)?;
    let (masks, bodies) = secret.encrypt(&gadget::evaluation_keys(&secret), entropy)?;
    let mut keys = wire::start(Kind::Keys, keys::KEYS_LEN);
    keys.extend(masks);
    wire::pack_rounded(&mut keys, &bodies, KEY_WIRE_BITS);
    let name = keys::name(&keys);
    Ok((Arc::new(Session { secret, name, spent: AtomicBool::new(false) }), keys))
}

impl SearchClient for CatalogueClient {
    type Question = Wanted;
    type Pending = Pending;
    /// The entry; `None` for a term that the catalogue does not have, which is as proven as an entry.
    type Found = Option<Vec<u8>>;

    /// Also [`SearchError::Value`] for a position that there is not, or any question to a catalogue of nothing; [`SearchError::Shape`] for a question that its layout does not
    /// answer; [`SearchError::Spent`] after a refused answer.
    fn query(&mut self, wanted: &Wanted, entropy: &mut dyn Entropy) -> Result<(Vec<u8>, Pending), SearchError> {
        if self.session.spent.load(Ordering::Acquire) {
            return Err(SearchError::Spent);
        }
        let listing = self.listing;
        let page = page(&listing, wanted)?;
        let (row, column) = block::place(page as usize);
        let column = page as usize / block::BLOCK_PAGES * COLUMNS + column;
        let secret = &self.session.secret;
        let mut plain = gadget::roots(row);
        let mut all = Zeroizing::new(Vec::with_capacity((ROOTS + 2 * listing.fold_bits()) * DEGREE));
        all.append(&mut plain);
        for bit in 0..listing.fold_bits() {
            for half in gadget::fold_bit(column >> bit & 1 == 1, secret) {
                all.extend_from_slice(&half);
            }
        }
        let (masks, bodies) = secret.encrypt(&all, entropy)?;
        let mut out = wire::start(Kind::Query, listing.query_len());
        out.extend(listing.catalogue.to_bytes());
        out.extend(listing.digest().0);
        out.extend(self.session.name.0);
        out.extend(masks);
        let (roots, bits) = bodies.split_at_checked(ROOTS * DEGREE).unwrap_or((&bodies, &[]));
        wire::pack_rounded(&mut out, roots, ROOT_WIRE_BITS);
        for (half, bits) in bits.chunks_exact(DEGREE).zip(FOLD_WIRE_BITS.iter().cycle()) {
            wire::pack_rounded(&mut out, half, *bits);
        }
        Ok((out, Pending { session: self.session.clone(), listing, page, wanted: *wanted }))
    }

    fn decode(&self, pending: Pending, answer: &[u8]) -> Result<Option<Vec<u8>>, SearchError> {
        let listing = &pending.listing;
        let mut reader = Reader::open_for(Kind::Answer, &listing.catalogue, answer)?;
        if reader.take()? != listing.digest().0 {
            return Err(SearchError::Stale);
        }
        let ciphertext = read_ciphertext(&mut reader)?;
        let mut roots = Vec::with_capacity(listing.blocks());
        for _ in 0..listing.blocks() {
            roots.push(Digest(reader.take()?));
        }
        reader.end()?;
        // Nothing so far depended on the secret.
        if listing::root(&roots) != listing.root {
            return Err(SearchError::Tampered);
        }
        match open(&pending, &ciphertext, &roots) {
            Some(payload) => Ok(entry(&pending, &payload)),
            None => {
                pending.session.spent.store(true, Ordering::Release);
                Err(SearchError::Tampered)
            }
        }
    }
}

/// The page of what is wanted.
fn page(listing: &Listing, wanted: &Wanted) -> Result<u32, SearchError> {
    let catalogue = &listing.catalogue;
    match (catalogue.layout(), wanted) {
        (Layout::Position, Wanted::Position(position)) if *position < listing.entries => {
            u32::try_from(position / catalogue.page_entries() as u64).map_err(|_| SearchError::Value)
        }
        (Layout::Keyword, Wanted::Keyword(term)) if listing.pages > 0 => Ok(catalogue.find(term, listing.pages).0),
        (Layout::Position, Wanted::Position(_)) | (Layout::Keyword, Wanted::Keyword(_)) => Err(SearchError::Value),
        _ => Err(SearchError::Shape),
    }
}

fn read_ciphertext(reader: &mut Reader<'_>) -> Result<Pair<Polynomial>, SearchError> {
    let mut both = Vec::with_capacity(2 * DEGREE);
    for bits in ANSWER_WIRE_BITS {
        reader.polynomials(1, bits, &mut both)?;
    }
    let (pair, _) = both.as_chunks::<DEGREE>().0.as_chunks::<2>();
    pair.first().copied().ok_or(reader.error())
}

/// The entries of the page that was asked for, if the answer has them.
fn open(pending: &Pending, ciphertext: &Pair<Polynomial>, roots: &[Digest]) -> Option<Payload> {
    let phases = pending.session.secret.phase(ciphertext);
    let page = pending.page as usize;
    let root = *roots.get(page / block::BLOCK_PAGES)?;
    Page::from_phases(phases.as_slice()).open(page % block::BLOCK_PAGES, root)
}

fn entry(pending: &Pending, payload: &Payload) -> Option<Vec<u8>> {
    let catalogue: &Catalogue = &pending.listing.catalogue;
    match &pending.wanted {
        Wanted::Position(position) => {
            let at = position % catalogue.page_entries() as u64;
            payload.chunks_exact(catalogue.entry_len()).nth(at as usize).map(<[u8]>::to_vec)
        }
        Wanted::Keyword(term) => {
            let (_, wanted) = catalogue.find(term, pending.listing.pages);
            let mut slots = publisher::slots(catalogue, payload);
            slots.find(|(tag, _)| **tag == wanted).map(|(_, value)| value.to_vec())
        }
    }
}

impl core::fmt::Debug for CatalogueClient {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "CatalogueClient({:?})", self.listing)
    }
}

impl core::fmt::Debug for Pending {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Pending(version {})", self.listing.version)
    }
}
