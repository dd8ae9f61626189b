//! Carrying out a plan: queries out, answers in.

use alloc::{vec, vec::Vec};

use super::{Engine, Plan, RecordSet, RunError};
#[cfg(feature = "tfhe")]
use crate::search::{
    Predicate,
    scan::{self, ScanIndex},
};
use crate::{
    counter::CounterStore,
    entropy::Entropy,
    search::{
        SearchClient as _, SearchError,
        keyword::{self, KeywordClient, Lookup, Page},
    },
};

/// The indexes that a plan asks, at the side of their owner.
#[derive(Debug)]
pub struct Indexes<S> {
    keyword: Option<KeywordClient<S>>,
    #[cfg(feature = "tfhe")]
    scan: Option<ScanIndex>,
}

impl<S> Default for Indexes<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Indexes<S> {
    /// None.
    pub const fn new() -> Self {
        Self {
            keyword: None,
            #[cfg(feature = "tfhe")]
            scan: None,
        }
    }

    /// With this keyword index.
    pub fn with_keyword(mut self, client: KeywordClient<S>) -> Self {
        self.keyword = Some(client);
        self
    }

    /// With this scan table.
    #[cfg(feature = "tfhe")]
    pub fn with_scan(mut self, index: ScanIndex) -> Self {
        self.scan = Some(index);
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

    /// The scan table.
    #[cfg(feature = "tfhe")]
    pub const fn scan(&self) -> Option<&ScanIndex> {
        self.scan.as_ref()
    }

    /// The scan table, for appending.
    #[cfg(feature = "tfhe")]
    pub const fn scan_mut(&mut self) -> Option<&mut ScanIndex> {
        self.scan.as_mut()
    }
}

impl<S: CounterStore> Indexes<S> {
    /// What a planner must know of them.
    pub fn tables(&self) -> super::Tables {
        let mut tables = super::Tables::new();
        if let Some(client) = &self.keyword {
            tables = tables.with_keyword(client.index());
        }
        #[cfg(feature = "tfhe")]
        if let Some(index) = &self.scan {
            tables = tables.with_scan(index);
        }
        tables
    }
}

/// A query to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Which one: its answer is taken under this number.
    pub number: usize,
    /// To whom.
    pub engine: Engine,
    /// The bytes.
    pub query: Vec<u8>,
}

/// Carries out a plan. [`next`](Self::next) gives one query after another, [`take`](Self::take) takes answers in any order, and
/// [`finish`](Self::finish) the result. Several queries may be out at a time; each that is takes the memory of its key.
pub struct Searcher {
    plan: Plan,
    legs: Vec<Leg>,
}

/// A query and what became of it.
enum Leg {
    /// To be made. A keyword query for these lookups, none for nothing; a scan of this number, none for nothing.
    Keyword(Vec<(usize, Lookup)>),
    #[cfg_attr(not(feature = "tfhe"), allow(dead_code))]
    Scan(Option<usize>),
    /// Sent.
    KeywordOut(Vec<(usize, Lookup)>, keyword::Pending),
    #[cfg(feature = "tfhe")]
    ScanOut(Option<usize>, scan::Pending),
    /// Answered.
    Pages(Vec<(usize, Lookup)>, Vec<Page>),
    #[cfg_attr(not(feature = "tfhe"), allow(dead_code))]
    Records(Option<usize>, Vec<u64>),
}

impl Searcher {
    /// Begins to carry out a plan.
    pub fn new(plan: Plan) -> Self {
        let lookups: Vec<(usize, Lookup)> = (0..)
            .zip(&plan.terms)
            .flat_map(|(place, (term, _))| Lookup::pages(*term, plan.pages).into_iter().map(move |page| (place, page)))
            .collect();
        let mut asked = lookups.chunks(plan.fetches.max(1)).map(<[_]>::to_vec);
        let shape = plan.shape();
        let mut legs: Vec<Leg> = (0..shape.keyword).map(|_| Leg::Keyword(asked.next().unwrap_or_default())).collect();
        legs.extend((0..shape.scan).map(|place| Leg::Scan(Some(place).filter(|place| *place < plan.scans.len()))));
        Self { plan, legs }
    }

    /// The plan.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The next query that was not made, or none. It is consumed durably before it is returned.
    ///
    /// # Errors
    /// [`RunError::NoIndex`], [`RunError::Changed`], [`RunError::Search`]; it may be tried again.
    pub fn next<S: CounterStore>(
        &mut self,
        indexes: &mut Indexes<S>,
        entropy: &mut dyn Entropy,
    ) -> Result<Option<Request>, RunError> {
        let waiting = |leg: &Leg| matches!(leg, Leg::Keyword(_) | Leg::Scan(_));
        let mut legs = self.legs.iter_mut().enumerate();
        let Some((number, leg)) = legs.find(|(_, leg)| waiting(leg)) else { return Ok(None) };
        let states = self.plan.states;
        match leg {
            Leg::Keyword(lookups) => {
                let client = indexes.keyword.as_mut().ok_or(RunError::NoIndex(Engine::Keyword))?;
                if states.0 != Some(client.index().state()) {
                    return Err(RunError::Changed);
                }
                let asked: Vec<Lookup> = lookups.iter().map(|(_, lookup)| *lookup).collect();
                let (query, pending) = client.query(&asked, entropy)?;
                let lookups = core::mem::take(lookups);
                *leg = Leg::KeywordOut(lookups, pending);
                Ok(Some(Request { number, engine: Engine::Keyword, query }))
            }
            #[cfg(feature = "tfhe")]
            Leg::Scan(place) => {
                let index = indexes.scan.as_mut().ok_or(RunError::NoIndex(Engine::Scan))?;
                if states.1 != Some(index.state()) {
                    return Err(RunError::Changed);
                }
                let nothing = vec![Predicate::Any; self.plan.columns];
                let question = place.and_then(|place| self.plan.scans.get(place)).unwrap_or(&nothing);
                let (query, pending) = index.query(question, entropy)?;
                *leg = Leg::ScanOut(*place, pending);
                Ok(Some(Request { number, engine: Engine::Scan, query }))
            }
            _ => Err(RunError::NoIndex(Engine::Scan)),
        }
    }

    /// Takes the answer to a query. If it is refused, [`next`](Self::next) makes a new query for the same: send it to another host, and tell
    /// the first one nothing.
    ///
    /// # Errors
    /// [`RunError::NotAsked`], [`RunError::NoIndex`]; [`RunError::Search`] for an answer that is refused.
    pub fn take<S: CounterStore>(
        &mut self,
        indexes: &Indexes<S>,
        number: usize,
        answer: &[u8],
    ) -> Result<(), RunError> {
        let leg = self.legs.get_mut(number).ok_or(RunError::NotAsked)?;
        match core::mem::replace(leg, Leg::Scan(None)) {
            Leg::KeywordOut(lookups, pending) => {
                let client = indexes.keyword.as_ref().ok_or(RunError::NoIndex(Engine::Keyword));
                match client.and_then(|client| Ok(client.decode(pending, answer)?)) {
                    Ok(pages) => *leg = Leg::Pages(lookups, pages),
                    Err(error) => {
                        *leg = Leg::Keyword(lookups);
                        return Err(error);
                    }
                }
            }
            #[cfg(feature = "tfhe")]
            Leg::ScanOut(place, pending) => {
                *leg = Leg::Scan(place);
                let index = indexes.scan.as_ref().ok_or(RunError::NoIndex(Engine::Scan))?;
                *leg = Leg::Records(place, index.decode(pending, answer)?);
            }
            other => {
                *leg = other;
                return Err(RunError::NotAsked);
            }
        }
        Ok(())
    }

    /// The records that match, ascending.
    ///
    /// # Errors
    /// [`RunError::Missing`], [`RunError::MorePages`].
    pub fn finish(self) -> Result<Vec<u64>, RunError> {
        let answered = |leg: &&Leg| matches!(leg, Leg::Pages(..) | Leg::Records(..));
        let missing = self.legs.len() - self.legs.iter().filter(answered).count();
        if missing > 0 {
            return Err(RunError::Missing { missing });
        }
        let mut of_terms = vec![Vec::new(); self.plan.terms.len()];
        let mut of_scans = vec![RecordSet::EMPTY; self.plan.scans.len()];
        for leg in self.legs {
            match leg {
                Leg::Pages(lookups, pages) => {
                    for ((place, lookup), page) in lookups.iter().zip(pages) {
                        if page.more && lookup.page + 1 == self.plan.pages {
                            let field = self.plan.terms.get(*place).map(|(_, field)| field.clone());
                            let (field, pages) = (field.unwrap_or_default(), self.plan.pages);
                            return Err(RunError::MorePages { field, pages });
                        }
                        if let Some(records) = of_terms.get_mut(*place) {
                            records.extend(page.records);
                        }
                    }
                }
                Leg::Records(Some(place), records) => {
                    if let Some(of_scan) = of_scans.get_mut(place) {
                        *of_scan = RecordSet::of(records);
                    }
                }
                _ => {}
            }
        }
        let of_terms: Vec<RecordSet> = of_terms.into_iter().map(RecordSet::of).collect();
        let set = self.plan.formula.evaluate(&of_terms, &of_scans).ok_or(SearchError::Incomplete)?;
        Ok(set.numbers(self.plan.records).ok_or(SearchError::Incomplete)?)
    }
}

impl core::fmt::Debug for Searcher {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Searcher({:?})", self.plan.shape())
    }
}
