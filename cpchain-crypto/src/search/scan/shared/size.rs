//! What a planner needs to know of a shared table, and how records of several writers are numbered in a row.

use alloc::vec::Vec;

use super::{Match, SharedReader, WriterId};
use crate::{
    hash::Digest,
    search::scan::wire::{Masks, QueryHead},
};

/// The records of the writers that are believed, one writer behind the other in the order in which they joined: for sets of them.
///
/// The numbers are those of one state of the table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Numbering {
    /// Each with the number of its first record, and how many it has.
    writers: Vec<(WriterId, u64, u64)>,
}

impl Numbering {
    /// Records of all writers.
    pub fn records(&self) -> u64 {
        self.writers.last().map_or(0, |(_, first, count)| first + count)
    }

    /// The number of a match; none for a writer or a record that there is not.
    pub fn number(&self, found: &Match) -> Option<u64> {
        let of_writer = self.writers.iter().find(|(writer, ..)| *writer == found.writer);
        of_writer.filter(|(_, _, count)| found.record < *count).map(|(_, first, _)| first + found.record)
    }

    /// The match of a number.
    pub fn named(&self, number: u64) -> Option<Match> {
        let place = self.writers.partition_point(|(_, first, _)| *first <= number).checked_sub(1)?;
        let (writer, first, count) = self.writers.get(place)?;
        let record = number.checked_sub(*first).filter(|record| record < count)?;
        Some(Match { writer: *writer, record })
    }
}

impl<S> SharedReader<S> {
    /// Names the state that was learned last: a query is for one state.
    pub const fn state(&self) -> Digest {
        self.view
    }

    /// Base-16 digits of each field.
    pub fn digits(&self) -> Vec<u8> {
        self.table.fields().collect()
    }

    /// Blocks that a host goes through for each query.
    pub fn blocks(&self) -> usize {
        self.writers.iter().map(|writer| writer.entries.len()).sum()
    }

    /// Bytes of every query in the shape of this reader.
    pub fn query_len(&self) -> usize {
        self.table.query_len(self.shape)
    }

    /// Bytes of every answer for the present state, in the shape of this reader.
    pub fn answer_len(&self) -> usize {
        self.table.answer_len(QueryHead { shape: self.shape, masks: Masks::Fresh }, self.blocks())
    }

    /// How records are numbered in the present state.
    pub fn numbering(&self) -> Numbering {
        let (mut writers, mut first) = (Vec::new(), 0u64);
        for writer in self.writers.iter().filter(|writer| writer.believed) {
            let count = writer.entries.iter().map(|entry| u64::from(entry.records)).sum();
            // Writers without records would share a number.
            if count > 0 {
                writers.push((writer.id, first, count));
                first += count;
            }
        }
        Numbering { writers }
    }
}
