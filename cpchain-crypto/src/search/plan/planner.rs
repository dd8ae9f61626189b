//! From an expression to queries and a formula over their answers.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use super::{
    Engine, EngineCost, Explain, Leaf, PlanError, Rates, RecordSet, Tables,
    leaves::{Ask, Atom, Normal, OfColumn, OfTerms, normal},
};
use crate::{
    hash::Digest,
    search::{
        Predicate, Term,
        language::{Expression, Schema},
    },
};

/// Queries of a plan, at most.
const MAX_QUERIES: usize = 1024;

/// How plans are made to look alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Padding {
    /// The queries to each engine are rounded up to a power of two; an engine that is not needed is not asked.
    #[default]
    Rounded,
    /// Every plan sends as many. What needs more is refused: the one setting with which a host learns that something was asked, and no more.
    Exactly {
        /// Queries to the keyword search.
        keyword: usize,
        /// Queries to the scan.
        scan: usize,
    },
}

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

/// What hosts see of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shape {
    /// Queries to the keyword search.
    pub keyword: usize,
    /// Queries to the scan.
    pub scan: usize,
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
    pub(super) formula: Formula,
    /// Each once, with the field that it is of.
    pub(super) terms: Vec<(Term, String)>,
    /// A predicate for each column; each question once.
    pub(super) scans: Vec<Vec<Predicate>>,
    pub(super) pages: u32,
    pub(super) fetches: usize,
    #[cfg_attr(not(feature = "tfhe"), allow(dead_code))]
    pub(super) columns: usize,
    pub(super) records: Option<u64>,
    pub(super) states: (Option<Digest>, Option<Digest>),
    shape: Shape,
    explain: Explain,
}

/// How answers are combined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Formula {
    Nothing,
    Everything,
    /// The records of a term, by its place in the plan.
    Term(usize),
    /// The records that a scan found.
    Scan(usize),
    Not(alloc::boxed::Box<Formula>),
    All(Vec<Formula>),
    Any(Vec<Formula>),
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
        if tables.scan.as_ref().is_some_and(|scan| scan.digits != schema.digits()) {
            return Err(PlanError::Columns);
        }
        let pages = options.pages.clamp(1, 64);
        let normal = normal(schema, (tables.keyword.is_some(), tables.scan.is_some()), expression)?;
        let mut planner = Planner {
            tables,
            options,
            pages,
            columns: schema.digits().len(),
            terms: Vec::new(),
            scans: Vec::new(),
            leaves: Vec::new(),
        };
        let formula = planner.formula(normal);
        if formula.is_inverted() && tables.records().is_none() {
            return Err(PlanError::Universe);
        }
        let fetches = tables.keyword.as_ref().map_or(1, |table| table.fetches);
        let lookups = planner.terms.len().saturating_mul(pages as usize);
        let needed = Shape { keyword: lookups.div_ceil(fetches), scan: planner.scans.len() };
        let shape = padded(needed, tables, options.padding)?;
        if shape.keyword.saturating_add(shape.scan) > MAX_QUERIES {
            return Err(PlanError::TooLarge);
        }
        let (rates, padding) = (options.rates, options.padding);
        let asked = |queries: usize| queries > 0;
        let keyword = tables.keyword.as_ref().filter(|_| asked(shape.keyword));
        let scan = tables.scan.as_ref().filter(|_| asked(shape.scan));
        let explain = Explain {
            leaves: planner.leaves,
            keyword: keyword.map(|table| EngineCost::keyword(table, &rates, needed.keyword, shape.keyword)),
            scan: scan.map(|table| EngineCost::scan(table, &rates, needed.scan, shape.scan)),
            padding,
            rates,
            segments: 0,
            table_len: 0,
            blocks: 0,
            block_records: 0,
            digits: 0,
        };
        Ok(Self {
            formula,
            terms: planner.terms,
            scans: planner.scans,
            pages,
            fetches,
            columns: planner.columns,
            records: tables.records(),
            states: (tables.keyword.as_ref().map(|t| t.state), tables.scan.as_ref().map(|t| t.state)),
            shape,
            explain: explain.sizes(tables),
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
}

fn padded(needed: Shape, tables: &Tables, padding: Padding) -> Result<Shape, PlanError> {
    let round = |queries: usize| if queries == 0 { 0 } else { queries.next_power_of_two() };
    let enough = |engine, needed: usize, allowed: usize| match needed <= allowed {
        true => Ok(allowed),
        false => Err(PlanError::Padding { engine, needed, allowed }),
    };
    Ok(match padding {
        // What no record can match looks like a question, too.
        Padding::Rounded if needed == (Shape { keyword: 0, scan: 0 }) => match tables.keyword {
            Some(_) => Shape { keyword: 1, scan: 0 },
            None => Shape { keyword: 0, scan: usize::from(tables.scan.is_some()) },
        },
        Padding::Rounded => Shape { keyword: round(needed.keyword), scan: round(needed.scan) },
        Padding::Exactly { keyword, scan } => Shape {
            keyword: enough(Engine::Keyword, needed.keyword, tables.keyword.map_or(0, |_| keyword))?,
            scan: enough(Engine::Scan, needed.scan, tables.scan.as_ref().map_or(0, |_| scan))?,
        },
    })
}

struct Planner<'a> {
    tables: &'a Tables,
    options: &'a Options,
    pages: u32,
    columns: usize,
    terms: Vec<(Term, String)>,
    scans: Vec<Vec<Predicate>>,
    leaves: Vec<Leaf>,
}

impl Planner<'_> {
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
        simplified(formulas, true)
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
        simplified(formulas, false)
    }

    /// What a scan is asked for this condition, or none if it is looked up.
    fn choose<'a>(&mut self, atom: &'a Atom, scanned: bool) -> Option<&'a OfColumn> {
        let (engine, why) = match (&atom.scan, &atom.keyword) {
            (Some(of), _) if of.ask.is_empty() => (None, "no record can have it"),
            (Some(_), None) => (Some(Engine::Scan), "a column has it"),
            (None, _) => (Some(Engine::Keyword), "the keyword index has it"),
            (Some(_), Some(_)) if scanned => (Some(Engine::Scan), "both have it, and its column is scanned anyway"),
            (Some(_), Some(terms)) if self.keyword_is_cheaper(terms) => {
                (Some(Engine::Keyword), "both have it, and looking it up is cheaper")
            }
            (Some(_), Some(_)) => (Some(Engine::Scan), "both have it, and scanning is cheaper"),
        };
        self.leaves.push(Leaf { condition: atom.text.clone(), engine, why });
        atom.scan.as_ref().filter(|_| engine != Some(Engine::Keyword))
    }

    fn keyword_is_cheaper(&self, of: &OfTerms) -> bool {
        let (Some(keyword), Some(scan)) = (&self.tables.keyword, &self.tables.scan) else { return true };
        let rates = &self.options.rates;
        let queries = (of.terms.len() * self.pages as usize).div_ceil(keyword.fetches);
        let lookups = EngineCost::keyword(keyword, rates, queries, queries).seconds(rates);
        lookups <= EngineCost::scan(scan, rates, 1, 1).seconds(rates)
    }

    fn lookups(&mut self, atom: Atom, negated: bool) -> Formula {
        let Some(OfTerms { terms, all }) = atom.keyword else { return Formula::Nothing };
        let parts = terms.into_iter().map(|term| {
            let place = self.terms.iter().position(|(known, _)| *known == term);
            Formula::Term(place.unwrap_or_else(|| {
                self.terms.push((term, atom.field.clone()));
                self.terms.len() - 1
            }))
        });
        let formula = simplified(parts.collect(), all);
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
    atom.keyword.is_none() && atom.scan.as_ref().is_some_and(|of| !of.ask.is_empty())
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

/// Without parts that decide nothing.
fn simplified(parts: Vec<Formula>, all: bool) -> Formula {
    let (decides, neutral) = match all {
        true => (Formula::Nothing, Formula::Everything),
        false => (Formula::Everything, Formula::Nothing),
    };
    let mut parts: Vec<Formula> = parts.into_iter().filter(|part| *part != neutral).collect();
    if parts.contains(&decides) {
        return decides;
    }
    match (parts.len(), all) {
        (0, _) => neutral,
        (1, _) => parts.remove(0),
        (_, true) => Formula::All(parts),
        (_, false) => Formula::Any(parts),
    }
}

impl Formula {
    /// Is the result all records but some, whatever the answers are?
    fn is_inverted(&self) -> bool {
        match self {
            Self::Nothing | Self::Term(_) | Self::Scan(_) => false,
            Self::Everything => true,
            Self::Not(inner) => !inner.is_inverted(),
            Self::All(parts) => parts.iter().all(Self::is_inverted),
            Self::Any(parts) => parts.iter().any(Self::is_inverted),
        }
    }

    /// The records, from those of each term and each scan.
    pub(super) fn evaluate(&self, terms: &[RecordSet], scans: &[RecordSet]) -> Option<RecordSet> {
        Some(match self {
            Self::Nothing => RecordSet::EMPTY,
            Self::Everything => RecordSet::ALL,
            Self::Term(place) => terms.get(*place)?.clone(),
            Self::Scan(place) => scans.get(*place)?.clone(),
            Self::Not(inner) => inner.evaluate(terms, scans)?.complement(),
            Self::All(parts) => {
                parts.iter().try_fold(RecordSet::ALL, |all, part| Some(all.and(&part.evaluate(terms, scans)?)))?
            }
            Self::Any(parts) => {
                parts.iter().try_fold(RecordSet::EMPTY, |any, part| Some(any.or(&part.evaluate(terms, scans)?)))?
            }
        })
    }
}
