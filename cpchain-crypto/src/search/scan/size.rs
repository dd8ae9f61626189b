//! How long messages of a table are: what a planner needs.

use alloc::vec::Vec;

use super::{
    index::ScanIndex,
    wire::{self, Masks, QueryHead},
};
use crate::hash::Digest;

impl ScanIndex {
    /// Names the present state of the table: a query is for one state.
    pub fn state(&self) -> Digest {
        wire::view(&self.table, self.blocks.iter().map(|block| block.head))
    }

    /// Base-16 digits of each field.
    pub fn digits(&self) -> Vec<u8> {
        self.table.fields().collect()
    }

    /// Blocks that a host goes through for each query.
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Bytes of every query in the shape of this index.
    pub fn query_len(&self) -> usize {
        self.table.query_len(self.shape)
    }

    /// Bytes of every answer for the present state, in the shape of this index: with its masks' sums, as without a hint.
    pub fn answer_len(&self) -> usize {
        self.table.answer_len(QueryHead { shape: self.shape, masks: Masks::Fresh }, self.blocks.len())
    }
}
