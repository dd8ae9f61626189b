//! Repair: anybody who knows the ids of an object's shards rebuilds those that are lost, from any that are enough, without a key.
//!
//! A [`Group`] is up to 64 chunks of an object whose shards are placed alike. The [`Repairer`] has its holders prove a leaf of
//! every shard, and when a chunk has fewer than [`threshold`] shards left (24 of 10/30) it fetches as many as are enough,
//! codes the rest again, and hands them to new hosts, until all are held again.
//!
//! A [`Watch`] keeps a list of objects and repairs them, sweep after sweep: what a node does for those it cares for.
//!
//! **How readers find what a stranger has repaired.** The record of the holders is signed by the owner, so nobody else can
//! correct it. Instead the rule of placement is kept: shard j of a group belongs to the nodes closest to
//! [`shard_point`](crate::network::shard_point)`(anchor, j)`. A repairer chooses among the [`NEAREST`] of them; whoever misses
//! shard j asks the [`ASKED`] nearest whether they hold it (one lookup a shard, one request a node). A repairer then has those
//! that say so prove it; a reader fetches it from them and verifies it as ever. No word of a stranger is believed on the way, so no record of repairers is needed, and no
//! repairer can hide shards or lead readers astray. The owner's next renewal writes the new holders into its record.
//!
//! | rule | test |
//! | --- | --- |
//! | Nothing is rebuilt before it is due; then all that is missing is | `repair_waits_until_it_is_due` |
//! | A rebuilt shard goes to a near node that holds least of the group, of an operator that holds least; suspects come last | `the_near_node_with_least_gets_the_shard`, `suspects_come_last` |
//! | A new host proves its shard before it counts: a receipt alone is a promise | `thirty_percent_byzantine_lose_nothing` |
//! | A holder that is silent is asked once more before its shards count as lost, and once more for a shard that is needed | `a_slow_moment_of_its_holders_is_no_reason_to_rebuild`, `a_repair_asks_busy_holders_for_their_shards_again` |
//! | What was fetched is verified by shard and chunk, and what was coded again by the owner's ids | `tests/network/repair.rs` |
//! | A repaired object is found and read although its record still names the hosts that are gone | `tests/network/repair.rs` |
//! | A sweep visits every object it knows, and one that fails does not hold up the others | `a_watch_keeps_objects_alive` |
//! | 60 nodes, 30 % killed at once, twice, with repair between; 30 % Byzantine; 1,000 flipped bits: every object is back | `tests/trial` |

mod driver;
mod group;
mod locate;
mod loss;
mod plan;
mod survey;
mod watch;

pub use {
    driver::{RepairConfig, RepairError, Repaired, Repairer},
    group::{Group, GroupChunk},
    loss::{loss_among, loss_probability},
    plan::{Missing, targets, threshold},
    survey::Survey,
    watch::{MAX_WATCHED, Sweep, Watch, WatchFull},
};
pub(crate) use {
    group::Wanted,
    locate::{Claims, find},
};

/// A rebuilt shard goes to one of so many nodes closest to its point.
pub const NEAREST: usize = 16;
/// So many nodes closest to a shard's point are asked for it: more than [`NEAREST`], because no two nodes know the same others.
pub const ASKED: usize = 32;
