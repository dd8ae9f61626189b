//! The search index, in tantivy.
//!
//! Ranking: BM25 over title, tags, category, description and facts (period, unit, seller, URI), a term counting with its best
//! field and a little of the others, all terms summed. A term that is in no listing is taken for a typo: the terms of the
//! dictionary nearest to it stand in for it, at a lower weight.

use std::{collections::BTreeMap, ops::Bound, path::Path};

use cpchain_crypto::{Did, Digest};
use tantivy::{
    Index, IndexReader, IndexWriter, ReloadPolicy, Searcher, TantivyDocument, TantivyError, Term,
    collector::TopDocs,
    directory::MmapDirectory,
    query::{
        AllQuery, BooleanQuery, BoostQuery, DisjunctionMaxQuery, FuzzyTermQuery, Occur, Query as TantivyQuery,
        RangeQuery, TermQuery,
    },
    schema::{BytesOptions, Field, INDEXED, IndexRecordOption, STRING, Schema, TextFieldIndexing, TextOptions, Value},
};

use super::{CatalogError, Entry, Hit, query::Query, words};
use crate::{
    listing::{Listing, ListingId},
    units::Amount,
};

/// The least that tantivy takes; one indexing thread.
const MEMORY: usize = 15_000_000;
const ANALYSER: &str = "market/v1";
/// Terms of a query that count.
const MAX_TERMS: usize = 32;
/// Dictionary terms that stand in for a typo.
const MAX_EXPANSIONS: usize = 8;
const TYPO_WEIGHT: f32 = 0.6;
/// What the fields beside the best one add.
const TIE_BREAKER: f32 = 0.2;

struct Fields {
    id: Field,
    /// Searched text and its weight.
    text: [(Field, f32); 5],
    category: Field,
    unit: Field,
    seller: Field,
    price: Field,
    period: Field,
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

    /// Replaces the listings of `entries` and commits under `label`. Nothing of it stays after an error.
    pub(super) fn apply<'a>(
        &mut self,
        entries: impl Iterator<Item = Result<std::borrow::Cow<'a, Entry>, CatalogError>>,
        label: &str,
    ) -> Result<(), CatalogError> {
        let applied = self.write(entries, label);
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
        entries: impl Iterator<Item = Result<std::borrow::Cow<'a, Entry>, CatalogError>>,
        label: &str,
    ) -> Result<(), CatalogError> {
        for entry in entries {
            let entry = entry?;
            let id = entry.operation.listing_id();
            self.writer.delete_term(Term::from_field_bytes(self.fields.id, &id.0.0));
            if let Some(listing) = entry.operation.content() {
                let document = self.document(&entry, id, listing);
                self.writer.add_document(document).map_err(failed)?;
            }
        }
        let mut commit = self.writer.prepare_commit().map_err(failed)?;
        commit.set_payload(label);
        commit.commit().map_err(failed)?;
        self.label = Some(label.to_owned());
        self.reader.reload().map_err(failed)
    }

    fn document(&self, entry: &Entry, id: ListingId, listing: &Listing) -> TantivyDocument {
        let seller = entry.operation.operation().seller;
        let [title, tags, category, description, facts] = self.fields.text.map(|(field, _)| field);
        let mut document = TantivyDocument::new();
        document.add_bytes(self.fields.id, &id.0.0);
        document.add_text(title, &listing.title);
        listing.tags.iter().for_each(|tag| document.add_text(tags, tag));
        document.add_text(category, &listing.category);
        document.add_text(description, &listing.description);
        let period = words::period(listing.period_ms);
        document.add_text(facts, format!("{} {period} {} {}", listing.unit.name(), Did::from(seller), listing.uri));
        document.add_text(self.fields.category, listing.category.to_lowercase());
        document.add_text(self.fields.unit, listing.unit.name());
        document.add_bytes(self.fields.seller, &seller.0);
        document.add_bytes(self.fields.price, &listing.price.0.to_be_bytes());
        document.add_u64(self.fields.period, listing.period_ms);
        document
    }

    pub(super) fn search(&self, query: &Query) -> Result<Vec<Hit>, CatalogError> {
        let searcher = self.reader.searcher();
        let mut clauses = vec![(Occur::Must, self.words(&searcher, &query.text)?)];
        clauses.extend(self.filters(query).into_iter().map(|filter| {
            let silent: Box<dyn TantivyQuery> = Box::new(BoostQuery::new(filter, 0.0));
            (Occur::Must, silent)
        }));
        let top = TopDocs::with_limit(query.limit).order_by_score();
        let found = searcher.search(&BooleanQuery::new(clauses), &top).map_err(failed)?;
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

    fn words(&self, searcher: &Searcher, text: &str) -> Result<Box<dyn TantivyQuery>, CatalogError> {
        let mut any = Vec::new();
        let terms = words::terms(text, MAX_TERMS);
        if terms.is_empty() {
            return Ok(Box::new(AllQuery));
        }
        for term in terms {
            if self.is_known(searcher, &term)? {
                any.push(self.term(&term));
            } else {
                for near in self.near(searcher, &term)? {
                    any.push(Box::new(BoostQuery::new(self.term(&near), TYPO_WEIGHT)));
                }
            }
        }
        Ok(Box::new(BooleanQuery::union(any)))
    }

    /// The term in any field.
    fn term(&self, term: &str) -> Box<dyn TantivyQuery> {
        let fields = self.fields.text.iter().map(|(field, weight)| {
            let query = TermQuery::new(Term::from_field_text(*field, term), IndexRecordOption::WithFreqs);
            Box::new(BoostQuery::new(Box::new(query), *weight)) as Box<dyn TantivyQuery>
        });
        Box::new(DisjunctionMaxQuery::with_tie_breaker(fields.collect(), TIE_BREAKER))
    }

    fn is_known(&self, searcher: &Searcher, term: &str) -> Result<bool, CatalogError> {
        for (field, _) in &self.fields.text {
            if searcher.doc_freq(&Term::from_field_text(*field, term)).map_err(failed)? > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The nearest terms of the dictionary: one edit away, or two for long words if there is none at one. Numbers have no typos.
    fn near(&self, searcher: &Searcher, term: &str) -> Result<Vec<String>, CatalogError> {
        let length = term.chars().count();
        if length < 4 || term.chars().any(|c| c.is_ascii_digit()) {
            return Ok(Vec::new());
        }
        for distance in 1..=if length < 7 { 1 } else { 2 } {
            let mut found: BTreeMap<String, u64> = BTreeMap::new();
            for (field, _) in &self.fields.text {
                let fuzzy = FuzzyTermQuery::new(Term::from_field_text(*field, term), distance, true);
                for segment in searcher.segment_readers() {
                    let inverted = segment.inverted_index(*field).map_err(failed)?;
                    let automaton = fuzzy.automaton().map_err(failed)?;
                    let mut stream = inverted.terms().search(automaton).into_stream().map_err(io)?;
                    while stream.advance() {
                        if let Ok(near) = core::str::from_utf8(stream.key()) {
                            *found.entry(near.to_owned()).or_default() += u64::from(stream.value().doc_freq);
                        }
                    }
                }
            }
            if !found.is_empty() {
                let mut found: Vec<_> = found.into_iter().collect();
                found.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
                return Ok(found.into_iter().take(MAX_EXPANSIONS).map(|(near, _)| near).collect());
            }
        }
        Ok(Vec::new())
    }

    fn filters(&self, query: &Query) -> Vec<Box<dyn TantivyQuery>> {
        let mut filters: Vec<Box<dyn TantivyQuery>> = Vec::new();
        let exact = |term| Box::new(TermQuery::new(term, IndexRecordOption::Basic));
        if let Some(range) = &query.price {
            let bound =
                |amount: &Amount| Bound::Included(Term::from_field_bytes(self.fields.price, &amount.0.to_be_bytes()));
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
        filters
    }
}

fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let indexing = TextFieldIndexing::default().set_tokenizer(ANALYSER).set_index_option(IndexRecordOption::WithFreqs);
    let text = TextOptions::default().set_indexing_options(indexing);
    let fields = Fields {
        id: schema.add_bytes_field("id", BytesOptions::default().set_indexed().set_stored()),
        text: [
            (schema.add_text_field("title", text.clone()), 3.0),
            (schema.add_text_field("tags", text.clone()), 2.5),
            (schema.add_text_field("category_text", text.clone()), 1.5),
            (schema.add_text_field("description", text.clone()), 1.0),
            (schema.add_text_field("facts", text), 1.0),
        ],
        category: schema.add_text_field("category", STRING),
        unit: schema.add_text_field("unit", STRING),
        seller: schema.add_bytes_field("seller", BytesOptions::default().set_indexed()),
        price: schema.add_bytes_field("price", BytesOptions::default().set_indexed()),
        period: schema.add_u64_field("period", INDEXED),
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
