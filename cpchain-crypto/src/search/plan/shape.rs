//! Who answers, and how many queries each is sent.

use super::PlanError;

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Engine {
    /// The keyword search (K).
    Keyword,
    /// The predicate scan (A).
    Scan,
    /// The scan of several writers' records (A2).
    Shared,
    /// The public catalogue of postings (B).
    Catalogue,
    /// The table of counts and sums.
    Aggregate,
}

impl Engine {
    /// All of them, in the order in which a plan asks.
    pub const ALL: [Self; 5] = [Self::Keyword, Self::Catalogue, Self::Scan, Self::Shared, Self::Aggregate];

    /// A word for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keyword => "keyword",
            Self::Scan => "scan",
            Self::Shared => "shared",
            Self::Catalogue => "public",
            Self::Aggregate => "totals",
        }
    }
}

/// What hosts see of a plan: queries to each engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Shape {
    /// Queries to the keyword search.
    pub keyword: usize,
    /// Queries to the scan.
    pub scan: usize,
    /// Queries to the scan of several writers' records.
    pub shared: usize,
    /// Queries to the public catalogue.
    pub catalogue: usize,
    /// Queries to the table of counts and sums.
    pub aggregate: usize,
}

impl Shape {
    /// Queries to this engine.
    pub const fn of(&self, engine: Engine) -> usize {
        match engine {
            Engine::Keyword => self.keyword,
            Engine::Scan => self.scan,
            Engine::Shared => self.shared,
            Engine::Catalogue => self.catalogue,
            Engine::Aggregate => self.aggregate,
        }
    }

    pub(super) const fn put(&mut self, engine: Engine, queries: usize) {
        match engine {
            Engine::Keyword => self.keyword = queries,
            Engine::Scan => self.scan = queries,
            Engine::Shared => self.shared = queries,
            Engine::Catalogue => self.catalogue = queries,
            Engine::Aggregate => self.aggregate = queries,
        }
    }

    /// Queries to all.
    pub fn total(&self) -> usize {
        Engine::ALL.iter().fold(0, |sum: usize, engine| sum.saturating_add(self.of(*engine)))
    }
}

/// How plans are made to look alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Padding {
    /// The queries to each engine are rounded up to a power of two; an engine that is not needed is not asked.
    #[default]
    Rounded,
    /// Every plan sends as many to each engine whose table is there. What needs more is refused: the one setting with which a host learns that something
    /// was asked, and no more.
    Exactly(Shape),
}

impl Padding {
    /// The queries that are sent. `there`: engines whose tables are there.
    pub(super) fn of(self, needed: Shape, there: impl Fn(Engine) -> bool) -> Result<Shape, PlanError> {
        let mut shape = Shape::default();
        for engine in Engine::ALL.into_iter().filter(|engine| there(*engine)) {
            let asked = needed.of(engine);
            let queries = match self {
                Self::Rounded if asked == 0 => 0,
                Self::Rounded => asked.next_power_of_two(),
                Self::Exactly(allowed) if asked > allowed.of(engine) => {
                    return Err(PlanError::Padding { engine, needed: asked, allowed: allowed.of(engine) });
                }
                Self::Exactly(allowed) => allowed.of(engine),
            };
            shape.put(engine, queries);
        }
        // What no record can match looks like a question, too.
        if self == Self::Rounded && shape.total() == 0 {
            let first = Engine::ALL.into_iter().find(|engine| there(*engine));
            first.into_iter().for_each(|engine| shape.put(engine, 1));
        }
        Ok(shape)
    }
}
