//! Carrying out a plan: queries out, answers in.

use alloc::{collections::BTreeMap, vec, vec::Vec};

use super::{
    Engine, Found, Indexes, Plan, RecordSet, RunError,
    leg::{Answer, Ask, Leg},
    planner::Wanted,
};
use crate::search::scan::shared::{SharedFound, WriterId};
use crate::{
    counter::CounterStore,
    entropy::Entropy,
    search::{
        SearchError,
        keyword::{Lookup, Page},
    },
};

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

impl Searcher {
    /// Begins to carry out a plan.
    pub fn new(plan: Plan) -> Self {
        let lookups = |engine: Engine| -> Vec<(usize, Lookup)> {
            let of_engine = (0..).zip(&plan.terms).filter(|(_, asked)| asked.engine == engine);
            let pages = |(place, asked): (usize, &super::planner::AskedTerm)| {
                Lookup::pages(asked.term, plan.pages).into_iter().map(move |page| (place, page))
            };
            of_engine.flat_map(pages).collect()
        };
        let (keyword, catalogue) = (lookups(Engine::Keyword), lookups(Engine::Catalogue));
        let mut keyword = keyword.chunks(plan.fetches.max(1)).map(<[_]>::to_vec);
        let mut catalogue = catalogue.into_iter();
        let (shape, scanner) = (plan.shape(), plan.tables.scanned().map(|(engine, _)| engine));
        let mut asks = Vec::with_capacity(shape.total());
        for engine in Engine::ALL {
            for number in 0..shape.of(engine) {
                let place = Some(number).filter(|number| *number < plan.scans.len() && scanner == Some(engine));
                asks.push(match engine {
                    Engine::Keyword => Ask::Keyword(keyword.next().unwrap_or_default()),
                    Engine::Catalogue => Ask::Catalogue(catalogue.next()),
                    Engine::Scan | Engine::Shared => Ask::Scan(engine, place),
                    Engine::Aggregate => Ask::Aggregate,
                });
            }
        }
        Self { plan, legs: asks.into_iter().map(Leg::Waiting).collect() }
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
        let mut waiting = self.legs.iter_mut().enumerate();
        let Some((number, leg)) = waiting.find(|(_, leg)| matches!(leg, Leg::Waiting(_))) else { return Ok(None) };
        let Leg::Waiting(ask) = leg else { return Ok(None) };
        let (query, out) = ask.make(&self.plan, indexes, entropy)?;
        let ask = core::mem::replace(ask, Ask::Aggregate);
        let engine = ask.engine();
        *leg = Leg::Out(ask, out);
        Ok(Some(Request { number, engine, query }))
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
        match core::mem::replace(leg, Leg::Waiting(Ask::Aggregate)) {
            Leg::Out(ask, out) => match out.read(indexes, answer) {
                Ok(answer) => {
                    *leg = Leg::Answered(ask, answer);
                    Ok(())
                }
                Err(error) => {
                    *leg = Leg::Waiting(ask);
                    Err(error)
                }
            },
            other => {
                *leg = other;
                Err(RunError::NotAsked)
            }
        }
    }

    /// What was found.
    ///
    /// # Errors
    /// [`RunError::Missing`], [`RunError::MorePages`]; [`SearchError::Tampered`] for a count to which a refused writer's records would belong.
    pub fn finish(self) -> Result<Found, RunError> {
        let answered = |leg: &&Leg| matches!(leg, Leg::Answered(..));
        let missing = self.legs.len() - self.legs.iter().filter(answered).count();
        if missing > 0 {
            return Err(RunError::Missing { missing });
        }
        let Self { plan, legs } = self;
        let mut answers = Answers::new(&plan);
        legs.into_iter().for_each(|leg| answers.put(leg));
        answers.found()
    }
}

/// Answers, put together.
struct Answers<'a> {
    plan: &'a Plan,
    /// The pages of each term, by number.
    pages: Vec<BTreeMap<u32, Page>>,
    scans: Vec<RecordSet>,
    refused: Vec<WriterId>,
    totals: Vec<crate::search::aggregate::Totals>,
}

impl<'a> Answers<'a> {
    fn new(plan: &'a Plan) -> Self {
        Self {
            plan,
            pages: vec![BTreeMap::new(); plan.terms.len()],
            scans: vec![RecordSet::EMPTY; plan.scans.len()],
            refused: Vec::new(),
            totals: Vec::new(),
        }
    }

    fn put(&mut self, leg: Leg) {
        match leg {
            Leg::Answered(Ask::Keyword(lookups), Answer::Pages(pages)) => self.put_pages(lookups, pages),
            Leg::Answered(Ask::Catalogue(lookup), Answer::Pages(pages)) => {
                self.put_pages(lookup.into_iter().collect(), pages);
            }
            Leg::Answered(Ask::Scan(_, place), Answer::Records(records)) => self.put_scan(place, records),
            Leg::Answered(Ask::Scan(_, place), Answer::Shared(found)) => {
                let numbering = self.plan.tables.shared.as_ref().map(|table| &table.numbering);
                let number = |found| numbering.and_then(|numbering| numbering.number(found));
                self.put_scan(place, found.matches.iter().filter_map(number).collect());
                // Also of queries of nothing: who is refused there is refused.
                let new = found.refused.into_iter().filter(|writer| !self.refused.contains(writer));
                let new: Vec<WriterId> = new.collect();
                self.refused.extend(new);
            }
            Leg::Answered(Ask::Aggregate, Answer::Totals(totals)) => self.totals = totals,
            _ => {}
        }
    }

    fn put_pages(&mut self, lookups: Vec<(usize, Lookup)>, pages: Vec<Page>) {
        for ((place, lookup), page) in lookups.into_iter().zip(pages) {
            if let Some(of_term) = self.pages.get_mut(place) {
                of_term.insert(lookup.page, page);
            }
        }
    }

    fn put_scan(&mut self, place: Option<usize>, records: Vec<u64>) {
        if let Some(of_scan) = place.and_then(|place| self.scans.get_mut(place)) {
            *of_scan = RecordSet::of(records);
        }
    }

    /// The records of each term: page by page, as long as one says that there is another.
    fn terms(&self) -> Result<Vec<RecordSet>, RunError> {
        let mut terms = Vec::with_capacity(self.pages.len());
        for (asked, pages) in self.plan.terms.iter().zip(&self.pages) {
            let (mut records, mut more) = (Vec::new(), true);
            for page in pages.values().take_while(|page| core::mem::replace(&mut more, page.more)) {
                records.extend_from_slice(&page.records);
            }
            if more {
                return Err(RunError::MorePages { field: asked.field.clone(), pages: self.plan.pages });
            }
            terms.push(RecordSet::of(records));
        }
        Ok(terms)
    }

    fn found(self) -> Result<Found, RunError> {
        if let Some(figure) = self.plan.figure() {
            return Ok(Found::Totals(figure.read(&self.totals)));
        }
        let set = self.plan.formula.evaluate(&self.terms()?, &self.scans).ok_or(SearchError::Incomplete)?;
        let numbers = set.numbers(self.plan.tables.records()).ok_or(SearchError::Incomplete)?;
        if let Some(table) = &self.plan.tables.shared {
            let believed = numbers.into_iter().filter_map(|number| table.numbering.named(number));
            let matches = believed.filter(|found| !self.refused.contains(&found.writer)).collect();
            let found = SharedFound { matches, refused: self.refused };
            return match self.plan.wanted {
                Wanted::Count if !found.refused.is_empty() => Err(SearchError::Tampered.into()),
                Wanted::Count => Ok(Found::Count(found.matches.len() as u64)),
                _ => Ok(Found::Shared(found)),
            };
        }
        Ok(match self.plan.wanted {
            Wanted::Count => Found::Count(numbers.len() as u64),
            _ => Found::Records(numbers),
        })
    }
}

impl core::fmt::Debug for Searcher {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Searcher({:?})", self.plan.shape())
    }
}
