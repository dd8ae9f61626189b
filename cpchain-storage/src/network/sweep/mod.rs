//! Keeping records where they belong: region by region of the key space, not record by record.
//!
//! libp2p-kad's own replication collects all records in memory at each interval, looks each up on its own and sends each in
//! full to every keeper. Here a node walks its records in the order of the key space. One lookup shows the twenty nodes around
//! a record; for the whole region that they cover, the keepers of each record follow by arithmetic. Each keeper is offered the
//! list of what it should have, 24 bytes a record, and is given only what it wants.
//!
//! | rule | test |
//! | --- | --- |
//! | A lookup serves all records for which it shows the closest nodes | `a_region_has_its_keepers_among_the_found` |
//! | Records reach nodes that came closer or lost them; those that are there already are not sent | `a_sweep_brings_records_to_newcomers_and_sends_nothing_twice` |
//! | What a neighbour has just spread is passed over, but never twice in a row, so that nobody can hold a record back | `a_record_that_is_being_spread_is_noted_once` |
//! | A node lets go of a record only when all of its keepers have it and it is none of them | `records_that_others_keep_are_let_go` |
//! | Frames and pages are bounded, whatever the number of records | `requests_are_bounded` |

mod region;
mod task;

pub(crate) use self::task::{Page, Settled, Sweep, run};

/// Records that are looked at together.
pub(crate) const PAGE: usize = 4096;

/// What a sweep did: [`NodeHandle::sweep`](super::NodeHandle::sweep).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SweepReport {
    /// Records that were looked after.
    pub records: u64,
    /// Records that were passed over, because a neighbour had just spread them.
    pub passed_over: u64,
    /// Lookups in the DHT: one for each region.
    pub lookups: u64,
    /// Requests sent, lookups apart.
    pub requests: u64,
    /// Bytes of these requests.
    pub bytes: u64,
    /// Copies that nodes did not have and took.
    pub copies: u64,
    /// Records that are now kept by others alone.
    pub let_go: u64,
}
