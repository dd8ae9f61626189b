//! Which engine answers which condition, and how conditions share queries.

use alloc::{collections::BTreeMap, vec::Vec};

use super::{
    super::{
        Engine, EngineCost, Leaf, Tables,
        formula::Formula,
        leaves::{Ask, Atom, Normal, OfColumn, OfTerms},
    },
    AskedTerm, Options,
};
use crate::search::Predicate;

/// What is asked so far, while an expression is taken apart.
pub(super) struct Planner<'a> {
    pub(super) tables: &'a Tables,
    pub(super) options: &'a Options,
    pub(super) pages: u32,
    pub(super) columns: usize,
    pub(super) terms: Vec<AskedTerm>,
    pub(super) scans: Vec<Vec<Predicate>>,
    pub(super) leaves: Vec<Leaf>,
}

impl Planner<'_> {
    /// Pages that are looked up by an engine.
    pub(super) fn lookups_of(&self, engine: Engine) -> usize {
        let terms = self.terms.iter().filter(|asked| asked.engine == engine).count();
        terms.saturating_mul(self.pages as usize)
    }

    /// What the answers have to do with each other.
    pub(super) fn formula(&mut self, normal: Normal) -> Formula {
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
