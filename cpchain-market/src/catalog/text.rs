//! The search index, in tantivy.
//!
//! All text of a listing is in one field, a word of the title three times, a tag twice: BM25 over one posting list a term. That is a third
//! of the index that a field for each of them takes, and a search skips whole blocks of listings that cannot be among the best.
//! Names that are not text (seller, URI) are in a field of their own, asked for terms that no text has.
//! Numbers that are compared (price, period) are columns: a filter reads those of the listings found, not a list of all prices.
//!
//! A term that is in no listing is taken for a typo: the terms of the dictionary nearest to it stand in for it, at a lower weight.

use std::{borrow::Cow, collections::BTreeMap, net::Ipv6Addr, ops::Bound, path::Path};

use cpchain_crypto::{Did, Digest};
use tantivy::{
    Index, IndexReader, IndexWriter, ReloadPolicy, Searcher, TantivyDocument, TantivyError, Term,
    collector::TopDocs,
    directory::MmapDirectory,
    query::{AllQuery, BooleanQuery, BoostQuery, FuzzyTermQuery, Occur, Query as TantivyQuery, RangeQuery, TermQuery},
    schema::{BytesOptions, FAST, Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions, Value},
};

use super::{
    CatalogError, Hit,
    query::{Kind, Query},
    words,
};
use crate::{
    listing::{Listing, ListingId, Operation, Wanted},
    units::{Amount, Height},
};

/// The least that tantivy takes; one indexing thread.
const MEMORY: usize = 15_000_000;
const ANALYSER: &str = "market/v2";
/// How often a word of the title counts, and a tag.
const TITLE: usize = 3;
const TAG: usize = 2;
/// Terms of a query that count.
const MAX_TERMS: usize = 32;
/// Dictionary terms that stand in for a typo.
const MAX_EXPANSIONS: usize = 8;
const TYPO_WEIGHT: f32 = 0.6;

/// What the index is told of one listing.
pub(super) struct Change<'a> {
    pub(super) id: ListingId,
    pub(super) operation: Cow<'a, Operation>,
    /// The index may hold an earlier revision.
    pub(super) replaces: bool,
}

struct Fields {
    id: Field,
    /// What people wrote.
    text: Field,
    /// Unit, seller, URI.
    facts: Field,
    category: Field,
    unit: Field,
    seller: Field,
    price: Field,
    period: Field,
    /// All words of something wanted.
    wish: Field,
    /// First block in which something wanted is over; offers have none.
    until: Field,
}

pub(super) struct TextIndex {
    fields: Fields,
    writer: IndexWriter,
    reader: IndexReader,
    /// What the last commit was labelled with.
    label: Option<String>,
}

impl TextIndex {
    pub(super) fn open(path: &Path) -> Result<Self, CatalogError> {
        std::fs::create_dir_all(path).map_err(|error| CatalogError::Io(error.to_string()))?;
        let (schema, fields) = schema();
        let directory = MmapDirectory::open(path).map_err(|error| CatalogError::Io(error.to_string()))?;
        let index = Index::open_or_create(directory, schema).map_err(failed)?;
        index.tokenizers().register(ANALYSER, words::analyser());
        let label = index.load_metas().map_err(failed)?.payload;
        let writer = index.writer_with_num_threads(1, MEMORY).map_err(failed)?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().map_err(failed)?;
        Ok(Self { fields, writer, reader, label })
    }

    pub(super) fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// Makes the changes and commits under `label`. Nothing of it stays after an error.
    pub(super) fn apply<'a>(
        &mut self,
        changes: impl Iterator<Item = Result<Change<'a>, CatalogError>>,
        label: &str,
    ) -> Result<(), CatalogError> {
        let applied = self.write(changes, label);
        if applied.is_err() {
            self.writer.rollback().map_err(failed)?;
        }
        applied
    }

    /// Forgets everything; counts with the next [`apply`](Self::apply).
    pub(super) fn clear(&mut self) -> Result<(), CatalogError> {
        self.writer.delete_all_documents().map(drop).map_err(failed)
    }

    fn write<'a>(
        &mut self,
        changes: impl Iterator<Item = Result<Change<'a>, CatalogError>>,
        label: &str,
    ) -> Result<(), CatalogError> {
        for change in changes {
            let Change { id, operation, replaces } = change?;
            if replaces {
                self.writer.delete_term(Term::from_field_bytes(self.fields.id, &id.0.0));
            }
            let document = match (operation.content(), operation.wanted()) {
                (Some(listing), _) => self.document(id, &operation, listing),
                (None, Some(wanted)) => self.wish(id, &operation, wanted),
                (None, None) => continue,
            };
            self.writer.add_document(document).map_err(failed)?;
        }
        let mut commit = self.writer.prepare_commit().map_err(failed)?;
        commit.set_payload(label);
        commit.commit().map_err(failed)?;
        self.label = Some(label.to_owned());
        self.reader.reload().map_err(failed)
    }

    fn document(&self, id: ListingId, operation: &Operation, listing: &Listing) -> TantivyDocument {
        let (seller, text) = (operation.seller, self.fields.text);
        let mut document = TantivyDocument::new();
        document.add_bytes(self.fields.id, &id.0.0);
        (0..TITLE).for_each(|_| document.add_text(text, &listing.title));
        listing.tags.iter().for_each(|tag| (0..TAG).for_each(|_| document.add_text(text, tag)));
        document.add_text(text, &listing.category);
        document.add_text(text, &listing.description);
        let period = words::period(listing.period_ms);
        document.add_text(text, period);
        let facts = format!("{} {} {}", listing.unit.name(), Did::from(seller), listing.uri);
        document.add_text(self.fields.facts, facts);
        document.add_text(self.fields.category, listing.category.to_lowercase());
        document.add_text(self.fields.unit, listing.unit.name());
        document.add_bytes(self.fields.seller, &seller.0);
        document.add_ip_addr(self.fields.price, column(listing.price));
        document.add_u64(self.fields.period, listing.period_ms);
        document
    }

    fn wish(&self, id: ListingId, operation: &Operation, wanted: &Wanted) -> TantivyDocument {
        let (buyer, text) = (operation.seller, self.fields.wish);
        let mut document = TantivyDocument::new();
        document.add_bytes(self.fields.id, &id.0.0);
        (0..TITLE).for_each(|_| document.add_text(text, &wanted.title));
        wanted.tags.iter().for_each(|tag| (0..TAG).for_each(|_| document.add_text(text, tag)));
        let facts = [&wanted.category, &wanted.description, words::period(wanted.period_ms), wanted.unit.name()];
        facts.iter().for_each(|words| document.add_text(text, words));
        document.add_text(text, Did::from(buyer).to_string());
        document.add_text(self.fields.category, wanted.category.to_lowercase());
        document.add_text(self.fields.unit, wanted.unit.name());
        document.add_bytes(self.fields.seller, &buyer.0);
        document.add_ip_addr(self.fields.price, column(wanted.max_price));
        document.add_u64(self.fields.period, wanted.period_ms);
        document.add_u64(self.fields.until, wanted.until.0);
        document
    }

    /// The `limit` listings that fit best, or what is wanted and not over at `now`.
    pub(super) fn search(&self, query: &Query, limit: usize, now: Height) -> Result<Vec<Hit>, CatalogError> {
        let searcher = self.reader.searcher();
        let fields: &[Field] = match query.kind {
            Kind::Offers => &[self.fields.text, self.fields.facts],
            Kind::Wanted => &[self.fields.wish],
        };
        let words = self.words(&searcher, &query.text, fields)?;
        let filters = self.filters(query, words.is_none(), now);
        let words = words.unwrap_or_else(|| Box::new(AllQuery));
        // Blocks are skipped where the terms stand alone.
        let asked = if filters.is_empty() {
            words
        } else {
            let silent = |filter| Box::new(BoostQuery::new(filter, 0.0)) as Box<dyn TantivyQuery>;
            let filters = filters.into_iter().map(|(occur, filter)| (occur, silent(filter)));
            Box::new(BooleanQuery::new([(Occur::Must, words)].into_iter().chain(filters).collect()))
        };
        let top = TopDocs::with_limit(limit).order_by_score();
        let found = searcher.search(&asked, &top).map_err(failed)?;
        let mut hits = Vec::with_capacity(found.len());
        for (score, address) in found {
            let document: TantivyDocument = searcher.doc(address).map_err(failed)?;
            let id = document.get_first(self.fields.id).and_then(|value| value.as_bytes()).and_then(Digest::from_slice);
            let id = id.ok_or_else(|| CatalogError::Broken("an index entry without an id".into()))?;
            hits.push(Hit { id: ListingId(id), score });
        }
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
        Ok(hits)
    }

    /// `None` if the text has no word.
    fn words(
        &self,
        searcher: &Searcher,
        text: &str,
        fields: &[Field],
    ) -> Result<Option<Box<dyn TantivyQuery>>, CatalogError> {
        let mut any = Vec::new();
        let terms = words::terms(text, MAX_TERMS);
        if terms.is_empty() {
            return Ok(None);
        }
        for term in terms {
            match field_of(searcher, fields, &term)? {
                Some(field) => any.push(whole(field, &term)),
                None => {
                    let nearest = fields.first().map(|field| near(searcher, *field, &term)).transpose()?;
                    any.extend(nearest.into_iter().flatten().map(|(field, near)| {
                        Box::new(BoostQuery::new(whole(field, &near), TYPO_WEIGHT)) as Box<dyn TantivyQuery>
                    }));
                }
            }
        }
        Ok(Some(Box::new(BooleanQuery::union(any))))
    }

    /// `any` if no word keeps what is wanted out of what is offered.
    fn filters(&self, query: &Query, any: bool, now: Height) -> Vec<(Occur, Box<dyn TantivyQuery>)> {
        let mut filters: Vec<Box<dyn TantivyQuery>> = Vec::new();
        let until = |from| {
            let from = Bound::Excluded(Term::from_field_u64(self.fields.until, from));
            Box::new(RangeQuery::new(from, Bound::Unbounded)) as Box<dyn TantivyQuery>
        };
        if query.kind == Kind::Wanted {
            filters.push(until(now.0));
        }
        let exact = |term| Box::new(TermQuery::new(term, IndexRecordOption::Basic));
        if let Some(range) = &query.price {
            let bound = |amount: &Amount| Bound::Included(Term::from_field_ip_addr(self.fields.price, column(*amount)));
            filters.push(Box::new(RangeQuery::new(bound(range.start()), bound(range.end()))));
        }
        if let Some(range) = &query.period {
            let bound = |ms: &u64| Bound::Included(Term::from_field_u64(self.fields.period, *ms));
            filters.push(Box::new(RangeQuery::new(bound(range.start()), bound(range.end()))));
        }
        if let Some(category) = &query.category {
            filters.push(exact(Term::from_field_text(self.fields.category, &category.to_lowercase())));
        }
        if let Some(seller) = &query.seller {
            filters.push(exact(Term::from_field_bytes(self.fields.seller, &seller.0)));
        }
        if let Some(unit) = query.unit {
            filters.push(exact(Term::from_field_text(self.fields.unit, unit.name())));
        }
        let mut filters: Vec<_> = filters.into_iter().map(|filter| (Occur::Must, filter)).collect();
        if query.kind == Kind::Offers && any {
            let all = Bound::Included(Term::from_field_u64(self.fields.until, 0));
            filters.push((Occur::MustNot, Box::new(RangeQuery::new(all, Bound::Unbounded))));
        }
        filters
    }
}

/// Where a term is to be looked for; `None` if no listing has it.
fn field_of(searcher: &Searcher, fields: &[Field], term: &str) -> Result<Option<Field>, CatalogError> {
    for field in fields {
        if searcher.doc_freq(&Term::from_field_text(*field, term)).map_err(failed)? > 0 {
            return Ok(Some(*field));
        }
    }
    Ok(None)
}

/// The nearest terms of a field's dictionary: one edit away, or two for long words if there is none at one. Numbers have no typos.
fn near(searcher: &Searcher, field: Field, term: &str) -> Result<Vec<(Field, String)>, CatalogError> {
    let length = term.chars().count();
    if length < 4 || term.chars().any(|c| c.is_ascii_digit()) {
        return Ok(Vec::new());
    }
    for distance in 1..=if length < 7 { 1 } else { 2 } {
        let mut found: BTreeMap<String, u64> = BTreeMap::new();
        let fuzzy = FuzzyTermQuery::new(Term::from_field_text(field, term), distance, true);
        for segment in searcher.segment_readers() {
            let inverted = segment.inverted_index(field).map_err(failed)?;
            let automaton = fuzzy.automaton().map_err(failed)?;
            let mut stream = inverted.terms().search(automaton).into_stream().map_err(io)?;
            while stream.advance() {
                if let Ok(near) = core::str::from_utf8(stream.key()) {
                    *found.entry(near.to_owned()).or_default() += u64::from(stream.value().doc_freq);
                }
            }
        }
        if !found.is_empty() {
            let mut found: Vec<_> = found.into_iter().collect();
            found.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            return Ok(found.into_iter().take(MAX_EXPANSIONS).map(|(near, _)| (field, near)).collect());
        }
    }
    Ok(Vec::new())
}

fn whole(field: Field, term: &str) -> Box<dyn TantivyQuery> {
    Box::new(TermQuery::new(Term::from_field_text(field, term), IndexRecordOption::WithFreqs))
}

/// tantivy's one column of 128 bits is the one for addresses.
fn column(amount: Amount) -> Ipv6Addr {
    Ipv6Addr::from(amount.0)
}

fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    // Frequencies and no positions: nobody asks for phrases.
    let words = TextFieldIndexing::default().set_tokenizer(ANALYSER).set_index_option(IndexRecordOption::WithFreqs);
    let names = words.clone().set_fieldnorms(false);
    // Never scored, so that lengths are of no use.
    let exact = TextFieldIndexing::default().set_fieldnorms(false).set_index_option(IndexRecordOption::Basic);
    let exact = TextOptions::default().set_indexing_options(exact.set_tokenizer("raw"));
    let fields = Fields {
        id: schema.add_bytes_field("id", BytesOptions::default().set_indexed().set_stored()),
        text: schema.add_text_field("text", TextOptions::default().set_indexing_options(words)),
        wish: schema.add_text_field("wish", TextOptions::default().set_indexing_options(names.clone())),
        until: schema.add_u64_field("until", FAST),
        facts: schema.add_text_field("facts", TextOptions::default().set_indexing_options(names)),
        category: schema.add_text_field("category", exact.clone()),
        unit: schema.add_text_field("unit", exact),
        seller: schema.add_bytes_field("seller", BytesOptions::default().set_indexed()),
        price: schema.add_ip_addr_field("price", FAST),
        period: schema.add_u64_field("period", FAST),
    };
    (schema.build(), fields)
}

fn failed(error: TantivyError) -> CatalogError {
    match error {
        TantivyError::IoError(error) => CatalogError::Io(error.to_string()),
        other => CatalogError::Broken(other.to_string()),
    }
}

fn io(error: std::io::Error) -> CatalogError {
    CatalogError::Io(error.to_string())
}
