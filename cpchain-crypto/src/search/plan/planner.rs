//! From an expression to queries and a formula over their answers.

use alloc::{
    collections::BTreeMap,
    string::{String, ToString as _},
    vec::Vec,
};

use super::{
    Engine, EngineCost, Explain, Leaf, Padding, PlanError, Rates, Shape, Tables,
    figure::FigurePlan,
    formula::Formula,
    leaves::{Ask, Atom, Normal, OfColumn, OfTerms, normal},
};
use crate::search::{
    Predicate, Term,
    language::{Expression, FigureKind, Question, Schema},
};

/// Queries of a plan, at most.
const MAX_QUERIES: usize = 1024;

/// How plans are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Pages that are asked for of each term, 1 to 64. A page has [`Lookup::PAGE`](crate::search::keyword::Lookup::PAGE) records of each segment.
    pub pages: u32,
    /// How the numbers of queries are rounded.
    pub padding: Padding,
    /// For estimates, and for the choice between engines that index the same field.
    pub rates: Rates,
}

impl Default for Options {
    /// Two pages, rounded.
    fn default() -> Self {
        Self { pages: 2, padding: Padding::Rounded, rates: Rates::default() }
    }
}

/// How an expression is answered.
///
/// ```
/// use cpchain_crypto::{Key, SystemEntropy};
/// use cpchain_crypto::search::{Field, FieldKind, Language, Term, language::Schema, plan::{Options, Plan, PlanError, Tables}};
/// use cpchain_crypto::search::keyword::{KeywordIndex, ParameterSet, Posting};
///
/// let schema = Schema::new().text("log", Language::English)?.keyword(Field::new("device", FieldKind::Integer)?)?;
/// let index = KeywordIndex::new(Key::generate(&mut SystemEntropy)?, ParameterSet::Bucket1K, 4)?;
/// let tables = Tables::new().with_keyword(&index);
/// let asked = schema.parse("log:(door) OR device:17");
/// assert!(asked.is_err());
/// let plan = Plan::new(&schema.parse("door AND NOT device:17")?, &schema, &tables, &Options::default())?;
/// assert_eq!(plan.shape().keyword, 1);
/// assert!(plan.explain().to_string().contains("keyword queries: 1;"));
/// // All records but some: of how many?
/// let alone = schema.parse("NOT device:17")?;
/// assert_eq!(Plan::new(&alone, &schema, &tables, &Options::default()).err(), Some(PlanError::Universe));
/// assert!(Plan::new(&alone, &schema, &tables.with_records(100), &Options::default()).is_ok());
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Plan {
    pub(super) wanted: Wanted,
    pub(super) formula: Formula,
    /// Each once.
    pub(super) terms: Vec<AskedTerm>,
    /// A predicate for each column; each question once.
    pub(super) scans: Vec<Vec<Predicate>>,
    pub(super) pages: u32,
    pub(super) fetches: usize,
    pub(super) columns: usize,
    /// The states that it is for.
    pub(super) tables: Tables,
    shape: Shape,
    explain: Explain,
}

/// A term that is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AskedTerm {
    pub(super) term: Term,
    pub(super) engine: Engine,
    pub(super) field: String,
}

/// What is done with the records that match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    Records,
    Count,
    /// No records are asked for.
    Totals(FigurePlan),
}

impl Plan {
    /// Plans an expression for tables in their present state. Nothing is sent.
    ///
    /// # Errors
    /// [`PlanError`], which says what to do.
    pub fn new(
        expression: &Expression,
        schema: &Schema,
        tables: &Tables,
        options: &Options,
    ) -> Result<Self, PlanError> {
        Self::of(Some(expression), Wanted::Records, schema, tables, options)
    }

    /// Plans a question: records, or a figure. A figure is read from the table of counts and sums if that has it; a count without steps is
    /// otherwise that of the records found.
    ///
    /// # Errors
    /// [`PlanError`], which says what to do.
    pub fn ask(question: &Question, schema: &Schema, tables: &Tables, options: &Options) -> Result<Self, PlanError> {
        let figure = match question {
            Question::Records(expression) => return Self::new(expression, schema, tables, options),
            Question::Figure(figure) => figure,
        };
        match (FigurePlan::new(figure, schema, tables.aggregate.as_ref()), &figure.of) {
            (Ok(plan), _) => {
                let mut plan = Self::of(None, Wanted::Totals(plan), schema, tables, options)?;
                let why = "the table of counts and sums has it";
                plan.explain.leaves =
                    alloc::vec![Leaf { condition: figure.to_string(), engine: Some(Engine::Aggregate), why }];
                Ok(plan)
            }
            (Err(PlanError::NoFigure { .. }), Some(of))
                if figure.kind == FigureKind::Count && figure.step_ms.is_none() =>
            {
                Self::of(Some(of), Wanted::Count, schema, tables, options)
            }
            (Err(error), _) => Err(error),
        }
    }

    fn of(
        expression: Option<&Expression>,
        wanted: Wanted,
        schema: &Schema,
        tables: &Tables,
        options: &Options,
    ) -> Result<Self, PlanError> {
        if tables.shared.is_some() && (tables.scan.is_some() || tables.keyword.is_some() || tables.catalogue.is_some())
        {
            return Err(PlanError::Numbering);
        }
        if tables.scanned().is_some_and(|(_, scan)| scan.digits != schema.digits()) {
            return Err(PlanError::Columns);
        }
        let pages = options.pages.clamp(1, 64);
        let mut planner = Planner {
            tables,
            options,
            pages,
            columns: schema.digits().len(),
            terms: Vec::new(),
            scans: Vec::new(),
            leaves: Vec::new(),
        };
        let formula = match expression {
            Some(expression) => planner.formula(normal(schema, tables, expression)?),
            None => Formula::Nothing,
        };
        if formula.is_inverted() && tables.records().is_none() {
            return Err(PlanError::Universe);
        }
        let fetches = tables.keyword.as_ref().map_or(1, |table| table.fetches);
        let mut needed = Shape {
            keyword: planner.lookups_of(Engine::Keyword).div_ceil(fetches),
            catalogue: planner.lookups_of(Engine::Catalogue),
            aggregate: usize::from(matches!(wanted, Wanted::Totals(_))),
            ..Shape::default()
        };
        if let Some((engine, _)) = tables.scanned() {
            needed.put(engine, planner.scans.len());
        }
        if needed.total() > MAX_QUERIES {
            return Err(PlanError::TooLarge);
        }
        let shape = options.padding.of(needed, |engine| tables.of(engine).is_some())?;
        if shape.total() > MAX_QUERIES {
            return Err(PlanError::TooLarge);
        }
        let (rates, padding) = (options.rates, options.padding);
        let asked = Engine::ALL.into_iter().filter(|engine| shape.of(*engine) > 0);
        let cost = |engine| EngineCost::new(tables, &rates, engine, needed.of(engine), shape.of(engine));
        let costs = asked.filter_map(cost).collect();
        Ok(Self {
            wanted,
            formula,
            explain: Explain::new(tables, planner.leaves, costs, padding, rates),
            terms: planner.terms,
            scans: planner.scans,
            pages,
            fetches,
            columns: planner.columns,
            tables: tables.clone(),
            shape,
        })
    }

    /// What hosts will see.
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// What it costs and shows.
    pub const fn explain(&self) -> &Explain {
        &self.explain
    }

    /// The figure that is read from the table of counts and sums.
    pub(super) const fn figure(&self) -> Option<&FigurePlan> {
        if let Wanted::Totals(figure) = &self.wanted { Some(figure) } else { None }
    }
}

struct Planner<'a> {
    tables: &'a Tables,
    options: &'a Options,
    pages: u32,
    columns: usize,
    terms: Vec<AskedTerm>,
    scans: Vec<Vec<Predicate>>,
    leaves: Vec<Leaf>,
}

impl Planner<'_> {
    /// Pages that are looked up by an engine.
    fn lookups_of(&self, engine: Engine) -> usize {
        let terms = self.terms.iter().filter(|asked| asked.engine == engine).count();
        terms.saturating_mul(self.pages as usize)
    }

    fn formula(&mut self, normal: Normal) -> Formula {
        match normal {
            Normal::Leaf { .. } => self.all(alloc::vec![normal]),
            Normal::All(parts) => self.all(parts),
            Normal::Any(parts) => self.any(parts),
        }
    }

    /// Conditions on columns that all must hold share scans.
    fn all(&mut self, parts: Vec<Normal>) -> Formula {
        let mut flat = Vec::new();
        flatten(parts, true, &mut flat);
        let scanned = flat.iter().any(|part| matches!(part, Normal::Leaf { atom, .. } if must_scan(atom)));
        let mut slots: Vec<BTreeMap<usize, Predicate>> = Vec::new();
        let mut formulas = Vec::new();
        for part in flat {
            let (atom, negated) = match part {
                Normal::Leaf { atom, negated } => (atom, negated),
                other => {
                    formulas.push(self.formula(other));
                    continue;
                }
            };
            let Some(of) = self.choose(&atom, scanned) else {
                formulas.push(self.lookups(atom, negated));
                continue;
            };
            if of.ask.is_empty() {
                formulas.push(if negated { Formula::Everything } else { Formula::Nothing });
                continue;
            }
            match (of.ask.predicates().as_slice(), negated) {
                ([one], false) => put(&mut slots, of.column, one.clone()),
                (several, true) => several
                    .iter()
                    .for_each(|one| put(&mut slots, of.column, Predicate::Not(alloc::boxed::Box::new(one.clone())))),
                (several, false) => {
                    let scans = several.iter().map(|one| self.scan(&BTreeMap::from([(of.column, one.clone())])));
                    let scans = scans.collect();
                    formulas.push(Formula::Any(scans));
                }
            }
        }
        formulas.extend(slots.iter().map(|slot| self.scan(slot)));
        Formula::joined(formulas, true)
    }

    /// Values of one column of which any may hold become a set.
    fn any(&mut self, parts: Vec<Normal>) -> Formula {
        let mut flat = Vec::new();
        flatten(parts, false, &mut flat);
        let scanned = flat.iter().any(|part| matches!(part, Normal::Leaf { atom, .. } if must_scan(atom)));
        let mut sets: BTreeMap<usize, Vec<u16>> = BTreeMap::new();
        let mut formulas = Vec::new();
        for part in flat {
            let Normal::Leaf { atom, negated: false } = part else {
                formulas.push(self.formula(part));
                continue;
            };
            let Some(OfColumn { ask: Ask::OneOf(_), .. }) = &atom.scan else {
                formulas.push(self.formula(Normal::Leaf { atom, negated: false }));
                continue;
            };
            match self.choose(&atom, scanned) {
                Some(OfColumn { column, ask: Ask::OneOf(numbers) }) => {
                    sets.entry(*column).or_default().extend_from_slice(numbers);
                }
                _ => formulas.push(self.lookups(atom, false)),
            }
        }
        for (column, mut numbers) in sets {
            numbers.sort_unstable();
            numbers.dedup();
            for predicate in Ask::OneOf(numbers).predicates() {
                formulas.push(self.scan(&BTreeMap::from([(column, predicate)])));
            }
        }
        Formula::joined(formulas, false)
    }

    /// What a scan is asked for this condition, or none if it is looked up.
    fn choose<'a>(&mut self, atom: &'a Atom, scanned: bool) -> Option<&'a OfColumn> {
        let scan = self.tables.scanned().map(|(engine, _)| engine);
        let by_terms = atom.terms.as_ref().map(|of| of.engine);
        let (engine, why) = match (&atom.scan, &atom.terms) {
            (Some(of), _) if of.ask.is_empty() => (None, "no record can have it"),
            (Some(_), None) => (scan, "a column has it"),
            (None, _) if by_terms == Some(Engine::Catalogue) => (by_terms, "the public catalogue has it"),
            (None, _) => (by_terms, "the keyword index has it"),
            (Some(_), Some(_)) if scanned => (scan, "both have it, and its column is scanned anyway"),
            (Some(_), Some(terms)) if self.terms_are_cheaper(terms) => {
                (by_terms, "both have it, and looking it up is cheaper")
            }
            (Some(_), Some(_)) => (scan, "both have it, and scanning is cheaper"),
        };
        self.leaves.push(Leaf { condition: atom.text.clone(), engine, why });
        atom.scan.as_ref().filter(|_| engine.is_none() || engine == scan)
    }

    fn terms_are_cheaper(&self, of: &OfTerms) -> bool {
        let (tables, rates) = (self.tables, &self.options.rates);
        let fetches = if of.engine == Engine::Keyword { tables.keyword.map_or(1, |table| table.fetches) } else { 1 };
        let queries = (of.terms.len() * self.pages as usize).div_ceil(fetches);
        let seconds = |engine, queries| EngineCost::new(tables, rates, engine, queries, queries);
        let scan = tables.scanned().and_then(|(engine, _)| seconds(engine, 1));
        match (seconds(of.engine, queries), scan) {
            (Some(terms), Some(scan)) => terms.seconds(rates) <= scan.seconds(rates),
            _ => true,
        }
    }

    fn lookups(&mut self, atom: Atom, negated: bool) -> Formula {
        let Some(OfTerms { engine, terms, all }) = atom.terms else { return Formula::Nothing };
        let parts = terms.into_iter().map(|term| {
            let place = self.terms.iter().position(|known| known.term == term && known.engine == engine);
            Formula::Term(place.unwrap_or_else(|| {
                self.terms.push(AskedTerm { term, engine, field: atom.field.clone() });
                self.terms.len() - 1
            }))
        });
        let formula = Formula::joined(parts.collect(), all);
        if negated { Formula::Not(alloc::boxed::Box::new(formula)) } else { formula }
    }

    fn scan(&mut self, slot: &BTreeMap<usize, Predicate>) -> Formula {
        let question: Vec<Predicate> =
            (0..self.columns).map(|column| slot.get(&column).cloned().unwrap_or(Predicate::Any)).collect();
        let place = self.scans.iter().position(|known| *known == question);
        Formula::Scan(place.unwrap_or_else(|| {
            self.scans.push(question);
            self.scans.len() - 1
        }))
    }
}

fn must_scan(atom: &Atom) -> bool {
    atom.terms.is_none() && atom.scan.as_ref().is_some_and(|of| !of.ask.is_empty())
}

/// Parts of parts of the same kind, in order.
fn flatten(parts: Vec<Normal>, all: bool, out: &mut Vec<Normal>) {
    for part in parts {
        match part {
            Normal::All(inner) if all => flatten(inner, all, out),
            Normal::Any(inner) if !all => flatten(inner, all, out),
            other => out.push(other),
        }
    }
}

/// Into the first scan that asks this column nothing yet, or a range that both can share.
fn put(slots: &mut Vec<BTreeMap<usize, Predicate>>, column: usize, predicate: Predicate) {
    for slot in slots.iter_mut() {
        match (slot.get(&column), &predicate) {
            (None, _) => {
                slot.insert(column, predicate);
                return;
            }
            (Some(Predicate::Between { low: a, high: b }), Predicate::Between { low, high }) => {
                let both = Predicate::Between { low: *a.max(low), high: *b.min(high) };
                slot.insert(column, both);
                return;
            }
            (Some(there), _) if *there == predicate => return,
            _ => {}
        }
    }
    slots.push(BTreeMap::from([(column, predicate)]));
}
