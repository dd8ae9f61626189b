//! What a condition is for each engine.

use alloc::{
    string::{String, ToString as _},
    vec,
    vec::Vec,
};

use super::{Engine, PlanError, Tables};
use crate::search::{
    Field, FieldKind, Predicate, SearchError, Term,
    language::{Column, Condition, Content, Expression, Literal, Schema, SchemaField, Test},
};

/// Values of a set that a scan tells apart in any case.
const SET: usize = 6;
/// From this many values on, neighbours are asked for as a range.
const RUN: usize = 4;

/// A condition, as each engine would answer it; at least one would.
pub(super) struct Atom {
    /// As it is written.
    pub(super) text: String,
    pub(super) field: String,
    pub(super) scan: Option<OfColumn>,
    pub(super) terms: Option<OfTerms>,
}

/// What is asked of a column.
pub(super) struct OfColumn {
    pub(super) column: usize,
    pub(super) ask: Ask,
}

/// Numbers of a column: empty if no record can have them.
#[derive(Clone)]
pub(super) enum Ask {
    Between(u16, u16),
    OneOf(Vec<u16>),
}

/// What is asked of the keyword index or the public catalogue.
pub(super) struct OfTerms {
    /// The keyword search, or the public catalogue.
    pub(super) engine: Engine,
    pub(super) terms: Vec<Term>,
    /// All of them, or any.
    pub(super) all: bool,
}

/// An expression whose negations stand at its leaves.
pub(super) enum Normal {
    Leaf { atom: Atom, negated: bool },
    All(Vec<Normal>),
    Any(Vec<Normal>),
}

/// Checks an expression and pushes negations down.
pub(super) fn normal(schema: &Schema, tables: &Tables, expression: &Expression) -> Result<Normal, PlanError> {
    let mut reader = Reader { schema, tables, tests: 0 };
    reader.read(expression, false, 0)
}

struct Reader<'a> {
    schema: &'a Schema,
    tables: &'a Tables,
    tests: usize,
}

impl Reader<'_> {
    fn read(&mut self, expression: &Expression, negated: bool, depth: usize) -> Result<Normal, PlanError> {
        // A level of parentheses holds at most OR, AND and NOT.
        if depth > 4 * Expression::MAX_DEPTH {
            return Err(PlanError::TooLarge);
        }
        let mut several = |parts: &[Expression]| -> Result<Vec<Normal>, PlanError> {
            parts.iter().map(|part| self.read(part, negated, depth + 1)).collect()
        };
        Ok(match (expression, negated) {
            (Expression::All(parts), false) | (Expression::Any(parts), true) => Normal::All(several(parts)?),
            (Expression::Any(parts), false) | (Expression::All(parts), true) => Normal::Any(several(parts)?),
            (Expression::Not(inner), _) => self.read(inner, !negated, depth + 1)?,
            (Expression::Test(test), _) => {
                self.tests += 1;
                if self.tests > Expression::MAX_TESTS {
                    return Err(PlanError::TooLarge);
                }
                Normal::Leaf { atom: self.atom(test)?, negated }
            }
        })
    }

    fn atom(&self, test: &Test) -> Result<Atom, PlanError> {
        let name = &test.field;
        let field = self.schema.field(name).ok_or_else(|| PlanError::Field { field: name.clone() })?;
        let wrong = |why| PlanError::Condition { field: name.clone(), why };
        if matches!(&test.condition, Condition::OneOf(values) if values.len() > Expression::MAX_SET) {
            return Err(PlanError::TooLarge);
        }
        let scan = match (field.content(), field.column(), field.scale()) {
            (Content::Typed(typed), Some(column), Some(scale)) if self.tables.scanned().is_some() => {
                let ask =
                    of_column(scale, typed, &test.condition).ok_or_else(|| wrong("its kind has no such values"))?;
                Some(OfColumn { column, ask })
            }
            _ => None,
        };
        let engine = if field.is_published() { Engine::Catalogue } else { Engine::Keyword };
        let terms = match field.by_keyword() && self.tables.of(engine).is_some() {
            true => of_terms(field, engine, &test.condition).map_err(|_| wrong("its kind has no such values"))?,
            false => None,
        };
        if terms.is_some() && engine == Engine::Catalogue && self.tables.catalogue.is_some_and(|of| !of.has_postings) {
            return Err(PlanError::NotPostings);
        }
        if scan.is_none() && terms.is_none() {
            let why = match &test.condition {
                Condition::Prefix(_) => "prefixes are answered by a column, and by terms for lengths that were indexed",
                Condition::Between { .. } => "ranges are answered by a column of a scan table",
                _ => "open the table that has it",
            };
            return Err(PlanError::NotIndexed { field: name.clone(), why });
        }
        Ok(Atom { text: test.to_string(), field: name.clone(), scan, terms })
    }
}

/// What is asked of a column; none if its field has no such values.
pub(super) fn of_column(column: &Column, typed: &Field, condition: &Condition) -> Option<Ask> {
    Some(match condition {
        Condition::Words(_) => return None,
        Condition::Equal(literal) => {
            literal_fits(typed, literal).then_some(())?;
            Ask::OneOf(column.equal(typed, literal).into_iter().collect())
        }
        Condition::OneOf(literals) => {
            literals.iter().all(|literal| literal_fits(typed, literal)).then_some(())?;
            let mut numbers: Vec<u16> = literals.iter().filter_map(|literal| column.equal(typed, literal)).collect();
            numbers.sort_unstable();
            numbers.dedup();
            Ask::OneOf(numbers)
        }
        Condition::Prefix(prefix) => {
            matches!(typed.kind(), FieldKind::Category).then_some(())?;
            Ask::OneOf(column.begins(prefix))
        }
        Condition::Between { low, high } => {
            let bounds = [low, high].into_iter().flatten();
            bounds.map(|bound| bound.steps(typed).ok()).collect::<Option<Vec<_>>>()?;
            (!matches!(typed.kind(), FieldKind::Category)).then_some(())?;
            match column.between(typed, low.as_ref(), high.as_ref()) {
                Some(Predicate::Between { low, high }) => Ask::Between(low, high),
                _ => Ask::OneOf(Vec::new()),
            }
        }
    })
}

fn literal_fits(typed: &Field, literal: &Literal) -> bool {
    typed.term(literal.value()).is_ok()
}

fn of_terms(field: &SchemaField, engine: Engine, condition: &Condition) -> Result<Option<OfTerms>, SearchError> {
    Ok(match condition {
        Condition::Words(text) => {
            let Content::Text(language) = field.content() else { return Err(SearchError::Value) };
            let terms: Vec<Term> = language.terms(field.name(), text).into_iter().collect();
            if terms.is_empty() {
                return Err(SearchError::Value);
            }
            Some(OfTerms { engine, terms, all: true })
        }
        Condition::Equal(literal) => Some(OfTerms { engine, terms: vec![field.term(literal)?], all: true }),
        Condition::OneOf(literals) => {
            let terms = literals.iter().map(|literal| field.term(literal)).collect::<Result<_, _>>()?;
            Some(OfTerms { engine, terms, all: false })
        }
        Condition::Prefix(prefix) => field.prefix(prefix).map(|term| OfTerms { engine, terms: vec![term], all: true }),
        Condition::Between { .. } => None,
    })
}

impl Ask {
    pub(super) const fn is_empty(&self) -> bool {
        match self {
            Self::Between(low, high) => *low > *high,
            Self::OneOf(numbers) => numbers.is_empty(),
        }
    }

    /// Predicates whose union it is: one, but for scattered sets.
    pub(super) fn predicates(&self) -> Vec<Predicate> {
        let numbers = match self {
            Self::Between(low, high) => return vec![Predicate::Between { low: *low, high: *high }],
            Self::OneOf(numbers) => numbers,
        };
        let (mut out, mut single) = (Vec::new(), Vec::new());
        for run in numbers.chunk_by(|a, b| a.checked_add(1) == Some(*b)) {
            match (run.first(), run.last()) {
                (Some(low), Some(high)) if run.len() >= RUN || run.len() == numbers.len() => {
                    out.push(Predicate::Between { low: *low, high: *high });
                }
                _ => single.extend_from_slice(run),
            }
        }
        out.extend(single.chunks(SET).map(|set| match set {
            [one] => Predicate::Equal(*one),
            set => Predicate::OneOf(set.to_vec()),
        }));
        out
    }
}
