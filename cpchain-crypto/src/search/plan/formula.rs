//! How answers are combined.

use alloc::{boxed::Box, vec::Vec};

use super::RecordSet;

/// A formula over the records of terms and of scans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Formula {
    Nothing,
    Everything,
    /// The records of a term, by its place in the plan.
    Term(usize),
    /// The records that a scan found.
    Scan(usize),
    Not(Box<Formula>),
    All(Vec<Formula>),
    Any(Vec<Formula>),
}

impl Formula {
    /// Parts joined, without those that decide nothing.
    pub(super) fn joined(parts: Vec<Self>, all: bool) -> Self {
        let (decides, neutral) = match all {
            true => (Self::Nothing, Self::Everything),
            false => (Self::Everything, Self::Nothing),
        };
        let mut parts: Vec<Self> = parts.into_iter().filter(|part| *part != neutral).collect();
        if parts.contains(&decides) {
            return decides;
        }
        match (parts.len(), all) {
            (0, _) => neutral,
            (1, _) => parts.remove(0),
            (_, true) => Self::All(parts),
            (_, false) => Self::Any(parts),
        }
    }

    /// Is the result all records but some, whatever the answers are?
    pub(super) fn is_inverted(&self) -> bool {
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
