//! Packs: the durable store of chunks. Append-only files hold the truth, an [`IndexStore`] finds things in them.
//!
//! A [`PackStore`] needs a folder and an index, no network and no codec: `default-features = false, features = ["sled"]`
//! (or `"redb"`) is all of it. Call [`PackStore::maintain`] from time to time; it forgets what expired and compacts, in steps
//! that leave a server responsive. `cargo run -p cpchain-storage --example doctor -- FOLDER` examines a folder.
//!
//! # What is promised, and the tests that hold it
//! | promise | tests |
//! | --- | --- |
//! | A put returns after its pack is synced (and the folder, for a new pack): nothing acknowledged is lost by kill -9 | `kill_9_loses_nothing_acknowledged_*` in `tests/kill.rs` |
//! | Nor by a power cut at any point of a put, a renewal, an expiry, a compaction or an open | `pack::tests::power_cut` on a disk that keeps no more than it must; `tests/loop_image.rs` on ext4 |
//! | Puts that wait at the same time share one sync | `puts_from_many_threads_share_syncs` |
//! | Every read is checked against its id: damage is a missing chunk, never a wrong one; a put of it heals | `no_flipped_bit_reaches_the_caller_*`, `a_damaged_chunk_is_healed_by_a_put` |
//! | Whatever is damaged, the store opens, serves what is whole, and names what is lost: [`Recovery`], [`DoctorReport`] | `pack::tests::damage`, `tests/doctor.rs` |
//! | The index is checked as a whole at open; one that is missing, behind, ahead or broken is brought up to date or made again | `tests/index.rs` |
//! | A full disk refuses puts with [`StoreError::Full`], is read, and takes puts again when there is room | `pack::tests::full`, `tests/full_disk.rs` |
//! | An index that cannot be written is kept in memory meanwhile | `an_index_that_cannot_be_written_is_kept_in_memory` |
//! | A failed sync ends all writing until the store is opened again, and no reading | `a_failed_sync_ends_all_writing_and_no_reading` |
//! | Compaction keeps every live chunk and its longest lease, and leaves at most [`PackOptions::max_dead_percent`] dead | `compaction_keeps_what_lives`, `pack::tests::power_cut` |
//! | A chunk that looks like frames hides nothing | `a_chunk_that_looks_like_frames_hides_nothing` |
//!
//! What is not promised: two copies of a folder cannot be merged, and a chunk that was forgotten after its lease may be there
//! again, until the next expiry, when the index was lost.
//!
//! # On the disk
//! All numbers are little endian. A folder holds `lock` (locked by the operating system while a store is open), `catalog`, and
//! packs: `00000001.pack`, `00000002.pack` and so on. Frames are appended to the last one; numbers are not used twice.
//!
//! | pack | bytes |
//! | --- | --- |
//! | `CPPACK` | 6 |
//! | version, 1 | 2 |
//! | number of the pack | 4 |
//! | first bytes of the BLAKE3 hash of the 12 before | 4 |
//! | frames | |
//!
//! | frame | bytes |
//! | --- | --- |
//! | `CPF1` | 4 |
//! | 1: a chunk, 2: a renewal of a lease | 1 |
//! | zero | 3 |
//! | length of the body: 1 to 1,048,576, or 0 for a renewal | 4 |
//! | zero | 4 |
//! | lease, milliseconds since 1970-01-01 UTC | 8 |
//! | id: the BLAKE3 hash of the chunk | 32 |
//! | first bytes of the BLAKE3 hash of the 56 before | 8 |
//! | body | length |
//!
//! A reader goes through the packs by number. The newest whole copy of a chunk counts, with the longest lease of its frames
//! and renewals. Where there is no frame, it searches for the next one; a frame that was found by searching counts only if
//! its body has its hash. What follows the last frame of the last pack was never acknowledged.
//!
//! The catalog says which packs there should be and how long the full ones are, so that a lost pack can be told from a
//! compacted one: `CPCAT1`, two zero bytes, number of packs (4), for each its number (4) and length (8, 0 for the one being
//! written), first 8 bytes of the BLAKE3 hash of all that. It is replaced as a whole, and no chunk needs it.
//!
//! # Order of writing
//! 1. Frames to the pack; sync; new names and the catalog; index; acknowledge. Only then does the index know the frames, with
//!    the end of the last one and a fingerprint of all its entries as its checkpoint.
//! 2. Compaction: live frames to the last pack; sync; index; the old pack leaves the catalog, then the folder.
//! 3. Opening: the index's entries are compared with its fingerprint (every entry is read: time and figures come from
//!    `cargo run --release --bin lab -- store`), then the frames after its checkpoint are read back. Otherwise it is emptied
//!    and all frame headers are read.

mod catalog;
mod commit;
mod compact;
mod disk;
mod doctor;
mod folder;
mod frame;
mod heal;
mod maintain;
mod open;
mod rebuild;
mod report;
mod scan;
mod store;
#[cfg(test)]
mod tests;

pub use self::{
    compact::Compaction,
    doctor::examine_folder,
    maintain::Upkeep,
    report::{Damage, DoctorReport, Findings, IndexState, Recovery},
    store::{PackOptions, PackStats, PackStore},
};
#[cfg(doc)]
use crate::{StoreError, index::IndexStore};
