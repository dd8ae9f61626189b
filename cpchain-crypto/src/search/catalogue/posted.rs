//! Records of terms as entries of a public catalogue: what the keyword search is to an owner, for anyone and without a key.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use super::{Catalogue, CataloguePublisher, Layout, Wanted};
use crate::{
    hash::{Digest, Domain},
    search::{
        SearchError, Term,
        keyword::{Lookup, Page, Posting},
    },
};

const PAGE: Domain = Domain::new("cpchain/crypto/search/catalogue-posted/v1");
/// Bytes of a record's number.
const RECORD: usize = 5;
/// The bit of an entry's first byte that says that there is another page; the others count its records.
const MORE: u8 = 0x80;

impl Catalogue {
    /// Bytes of an entry that is a page of postings: a count, and eight record numbers below 2⁴⁰.
    pub const POSTED_ENTRY: usize = 1 + Lookup::PAGE * RECORD;

    /// A catalogue of postings: which records have a term?
    ///
    /// ```
    /// use cpchain_crypto::{SystemEntropy, search::{Language, SearchClient, SearchServer}};
    /// use cpchain_crypto::search::catalogue::{Catalogue, CatalogueClient, CataloguePublisher, CatalogueServer, KeyLimits, Wanted};
    /// use cpchain_crypto::search::keyword::{Lookup, Page, Posting};
    ///
    /// let mut publisher = CataloguePublisher::new(Catalogue::of_postings(b"titles")?);
    /// let terms = Language::English.terms("title", "Weather of Seattle");
    /// let postings: Vec<_> = terms.iter().map(|term| Posting { term: *term, record: 7 }).collect();
    /// let update = publisher.post(&postings, 100)?;
    /// let mut host = CatalogueServer::new(publisher.listing().catalogue(), 1, KeyLimits::default());
    /// host.apply(&update)?;
    ///
    /// let mut entropy = SystemEntropy;
    /// let mut client = CatalogueClient::new(publisher.listing(), &mut entropy)?;
    /// host.register(client.evaluation_keys(), 0)?;
    /// let lookup = Lookup { term: *terms.first().ok_or("no word")?, page: 0 };
    /// let (query, pending) = client.query(&Wanted::posted(&lookup), &mut entropy)?;
    /// let found = client.decode(pending, &host.answer(&query)?)?;
    /// assert_eq!(Catalogue::posted_page(found.as_deref())?, Page { records: vec![7], more: false });
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// None: the length fits.
    pub fn of_postings(name: &[u8]) -> Result<Self, SearchError> {
        Self::new(name, Layout::Keyword, Self::POSTED_ENTRY)
    }

    /// Do its entries have the shape of postings?
    pub fn has_postings(&self) -> bool {
        self.layout() == Layout::Keyword && self.entry_len() == Self::POSTED_ENTRY
    }

    /// Reads an entry; none is a page of nothing.
    ///
    /// # Errors
    /// [`SearchError::Format`] for an entry that is none of postings.
    pub fn posted_page(entry: Option<&[u8]>) -> Result<Page, SearchError> {
        let Some(entry) = entry else { return Ok(Page { records: Vec::new(), more: false }) };
        let format = SearchError::Format { what: "page of postings" };
        let (&head, numbers) = entry.split_first().filter(|_| entry.len() == Self::POSTED_ENTRY).ok_or(format)?;
        let count = usize::from(head & !MORE);
        if count > Lookup::PAGE {
            return Err(format);
        }
        let number = |bytes: &[u8; RECORD]| bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let records = numbers.as_chunks().0.iter().take(count).map(number).collect();
        Ok(Page { records, more: head & MORE != 0 })
    }
}

impl Wanted {
    /// A page of the records of a term, of a catalogue of postings.
    pub fn posted(lookup: &Lookup) -> Self {
        Self::Keyword(page_term(&lookup.term, lookup.page))
    }
}

impl CataloguePublisher {
    /// Publishes all records of these terms, in pages of eight, in the place of those that the terms had; the update for the hosts.
    /// `room`: terms that will be published in the end, as for [`insert`](Self::insert).
    ///
    /// # Errors
    /// As [`insert`](Self::insert), and [`SearchError::Value`] for a record number of 2⁴⁰ or more.
    pub fn post(&mut self, postings: &[Posting], room: u64) -> Result<Vec<u8>, SearchError> {
        let mut records: BTreeMap<Term, BTreeSet<u64>> = BTreeMap::new();
        for posting in postings {
            if posting.record >> (8 * RECORD) != 0 {
                return Err(SearchError::Value);
            }
            records.entry(posting.term).or_default().insert(posting.record);
        }
        let mut entries = Vec::new();
        for (term, records) in &records {
            let records: Vec<u64> = records.iter().copied().collect();
            let pages = records.chunks(Lookup::PAGE);
            let last = pages.len().saturating_sub(1);
            for (number, page) in pages.enumerate() {
                let page_number = u32::try_from(number).map_err(|_| SearchError::TooMany)?;
                entries.push((page_term(term, page_number), entry(page, number < last)));
            }
        }
        let entries: Vec<(Term, &[u8])> = entries.iter().map(|(term, entry)| (*term, entry.as_slice())).collect();
        self.insert(&entries, room)
    }
}

fn entry(records: &[u64], more: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(Catalogue::POSTED_ENTRY);
    out.push(records.len() as u8 | if more { MORE } else { 0 });
    out.extend(records.iter().flat_map(|record| record.to_le_bytes().into_iter().take(RECORD)));
    out.resize(Catalogue::POSTED_ENTRY, 0);
    out
}

fn page_term(term: &Term, page: u32) -> Term {
    let Digest(hash) = Digest::of(PAGE, &[term.as_bytes(), &page.to_le_bytes()]);
    Term::new("posted/v1", &hash)
}
