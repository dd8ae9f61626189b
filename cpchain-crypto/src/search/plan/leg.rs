//! One query of a plan: made, sent, answered.

use alloc::vec::Vec;
use alloc::{boxed::Box, vec};

use super::{Engine, Indexes, Plan, RunError};
use crate::search::{
    Predicate, SearchError, Term,
    aggregate::{self, Totals},
    catalogue::{self, Catalogue, Wanted},
    scan::{
        self,
        shared::{SharedFound, SharedPending},
    },
};
use crate::{
    counter::CounterStore,
    entropy::Entropy,
    search::{
        SearchClient as _,
        keyword::{self, Lookup, Page},
    },
};

/// What a query is for; without a place it is for nothing, and looks the same.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    /// Lookups, each with the place of its term.
    Keyword(Vec<(usize, Lookup)>),
    /// One lookup.
    Catalogue(Option<(usize, Lookup)>),
    /// The scan of this place, by one engine or the other.
    Scan(Engine, Option<usize>),
    /// The plan's figure, if it has one.
    Aggregate,
}

/// What became of it.
pub(super) enum Leg {
    /// To be made.
    Waiting(Ask),
    /// Sent.
    Out(Ask, Out),
    /// Answered.
    Answered(Ask, Answer),
}

/// The half of a query that stays here.
pub(super) enum Out {
    Keyword(keyword::Pending),
    Catalogue(catalogue::Pending),
    Scan(scan::Pending),
    Shared(SharedPending),
    Aggregate(Box<aggregate::Pending>),
}

/// What an engine found.
pub(super) enum Answer {
    /// A page for each lookup.
    Pages(Vec<Page>),
    Records(Vec<u64>),
    Shared(SharedFound),
    Totals(Vec<Totals>),
}

impl Ask {
    pub(super) const fn engine(&self) -> Engine {
        match self {
            Self::Keyword(_) => Engine::Keyword,
            Self::Catalogue(_) => Engine::Catalogue,
            Self::Scan(engine, _) => *engine,
            Self::Aggregate => Engine::Aggregate,
        }
    }

    /// Makes the query, if the table is in the state that the plan was made for.
    pub(super) fn make<S: CounterStore>(
        &self,
        plan: &Plan,
        indexes: &mut Indexes<S>,
        entropy: &mut dyn Entropy,
    ) -> Result<(Vec<u8>, Out), RunError> {
        let engine = self.engine();
        let (none, planned) = (RunError::NoIndex(engine), plan.tables.of(engine).map(|table| table.state));
        // The state in which the index is.
        let tables = indexes.tables();
        let state = tables.of(engine).map(|table| table.state);
        if state.is_none() {
            return Err(none);
        }
        if state != planned {
            return Err(RunError::Changed);
        }
        let question = |place: &Option<usize>| {
            let asked = place.and_then(|place| plan.scans.get(place)).cloned();
            asked.unwrap_or_else(|| vec![Predicate::Any; plan.columns])
        };
        Ok(match self {
            Self::Keyword(lookups) => {
                let asked: Vec<Lookup> = lookups.iter().map(|(_, lookup)| *lookup).collect();
                let (query, pending) = indexes.keyword.as_mut().ok_or(none)?.query(&asked, entropy)?;
                (query, Out::Keyword(pending))
            }
            Self::Catalogue(lookup) => {
                let wanted = match lookup {
                    Some((_, lookup)) => Wanted::posted(lookup),
                    None => {
                        let mut random = [0; 16];
                        entropy.fill(&mut random).map_err(SearchError::Entropy)?;
                        Wanted::Keyword(Term::new("nothing", &random))
                    }
                };
                let (query, pending) = indexes.catalogue.as_mut().ok_or(none)?.query(&wanted, entropy)?;
                (query, Out::Catalogue(pending))
            }
            Self::Scan(Engine::Shared, place) => {
                let (query, pending) = indexes.shared.as_mut().ok_or(none)?.query(&question(place), entropy)?;
                (query, Out::Shared(pending))
            }
            Self::Scan(_, place) => {
                let (query, pending) = indexes.scan.as_mut().ok_or(none)?.query(&question(place), entropy)?;
                (query, Out::Scan(pending))
            }
            Self::Aggregate => {
                let index = indexes.aggregate.as_ref().ok_or(none)?;
                let nothing = || vec![false; index.bins().edges().len()];
                let asked = plan.figure().map_or_else(nothing, |figure| figure.bins.clone());
                let (query, pending) = index.ask(asked, entropy)?;
                (query, Out::Aggregate(Box::new(pending)))
            }
        })
    }
}

impl Out {
    /// Reads the answer.
    pub(super) fn read<S: CounterStore>(self, indexes: &Indexes<S>, answer: &[u8]) -> Result<Answer, RunError> {
        let none = RunError::NoIndex;
        Ok(match self {
            Self::Keyword(pending) => {
                let client = indexes.keyword.as_ref().ok_or(none(Engine::Keyword))?;
                Answer::Pages(client.decode(pending, answer)?)
            }
            Self::Catalogue(pending) => {
                let client = indexes.catalogue.as_ref().ok_or(none(Engine::Catalogue))?;
                let entry = client.decode(pending, answer)?;
                Answer::Pages(vec![Catalogue::posted_page(entry.as_deref())?])
            }
            Self::Scan(pending) => {
                let index = indexes.scan.as_ref().ok_or(none(Engine::Scan))?;
                Answer::Records(index.decode(pending, answer)?)
            }
            Self::Shared(pending) => {
                let reader = indexes.shared.as_ref().ok_or(none(Engine::Shared))?;
                Answer::Shared(reader.decode(pending, answer)?)
            }
            Self::Aggregate(pending) => {
                let index = indexes.aggregate.as_ref().ok_or(none(Engine::Aggregate))?;
                Answer::Totals(index.decode(*pending, answer)?)
            }
        })
    }
}
