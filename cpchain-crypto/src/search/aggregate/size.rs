//! How long messages of a table are: what a planner needs.

use super::{AggregateIndex, wire};
use crate::hash::Digest;

impl AggregateIndex {
    /// Names the present state of the table: a query is for one state.
    pub fn state(&self) -> Digest {
        wire::view(&self.table, self.heads.iter().copied())
    }

    /// Bytes of every query.
    pub const fn query_len(&self) -> usize {
        self.table.query_len()
    }

    /// Bytes of every answer for the present state.
    pub const fn answer_len(&self) -> usize {
        self.table.answer_len(self.heads.len())
    }
}
