//! How long messages of a table are: what a planner needs.

use super::{index::KeywordIndex, wire::KeywordTable};
use crate::hash::Digest;

impl KeywordIndex {
    /// Names the present state of the table: a query is for one state.
    pub fn state(&self) -> Digest {
        self.view()
    }

    /// Bytes of all buckets: what a host multiplies for each fetch.
    pub fn table_len(&self) -> usize {
        self.buckets() * self.table.parameters().bucket_len()
    }

    /// Bytes of every query for the present state.
    pub fn query_len(&self) -> usize {
        2 + KeywordTable::LEN + 32 + 16 + 4 * self.buckets() * self.table.fetches()
    }

    /// Bytes of every answer.
    pub fn answer_len(&self) -> usize {
        let words = self.segments.len() * self.table.fetches() * self.table.parameters().bucket_len();
        2 + KeywordTable::LEN + 32 + 16 + 9 + 4 * words
    }

    fn buckets(&self) -> usize {
        self.segments.iter().map(|segment| segment.head.buckets as usize).sum()
    }
}
