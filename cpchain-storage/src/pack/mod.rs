//! Packs: the durable store of chunks. Append-only files hold the truth, an [`IndexStore`] finds things in them.
//!
//! Rules and the tests that hold them (`tests/pack.rs`, `tests/kill.rs`, `tests/sled.rs`):
//! - a put returns after `sync_data` of its pack (and of the folder, for a new pack): nothing acknowledged is lost
//!   (`kill_9_loses_nothing_acknowledged`, `a_torn_tail_is_cut_and_nothing_else`);
//! - puts that wait at the same time share one sync (`puts_from_many_threads_share_syncs`);
//! - every read is checked against its id: damage is a missing chunk, never a wrong one
//!   (`flipped_bits_never_reach_the_caller`);
//! - the index is checked as a whole at open and rebuilt when it is missing, behind, ahead or broken
//!   (`a_lost_index_is_rebuilt`, `a_broken_sled_folder_is_rebuilt`);
//! - a chunk that is put again heals (`a_damaged_chunk_is_healed_by_a_put`);
//! - compaction keeps every live chunk and its lease (`compaction_keeps_what_lives`).

mod commit;
mod compact;
mod doctor;
mod files;
mod frame;
mod scan;
mod store;

pub use self::{
    compact::Compaction,
    doctor::{Damage, DoctorReport},
    store::{PackOptions, PackStats, PackStore},
};
#[cfg(doc)]
use crate::index::IndexStore;
