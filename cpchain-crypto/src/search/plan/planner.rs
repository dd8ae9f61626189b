//! From an expression to queries and a formula over their answers.

mod parts;

use alloc::{
    string::{String, ToString as _},
    vec::Vec,
};

use parts::Planner;

use super::{
    Engine, EngineCost, Explain, Leaf, Padding, PlanError, Rates, Shape, Tables, figure::FigurePlan, formula::Formula,
    leaves::normal,
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
