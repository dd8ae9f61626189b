//! How long messages of a table are: what a planner needs.

use super::{index::ScanIndex, wire};
use crate::hash::Digest;

impl ScanIndex {
    /// Names the present state of the table: a query is for one state.
    pub fn state(&self) -> Digest {
        wire::view(&self.table, self.blocks.iter().map(|block| block.head))
    }

    /// Base-16 digits of each field.
    pub fn digits(&self) -> &[u8] {
        &self.fields
    }

    /// Blocks that a host goes through for each query.
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Bytes of every query.
    pub const fn query_len(&self) -> usize {
        self.table.query_len()
    }

    /// Bytes of every answer for the present state.
    pub fn answer_len(&self) -> usize {
        self.table.answer_len(self.blocks.len())
    }
}
