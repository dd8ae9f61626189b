//! The records that a node keeps for others: validated at the only door, bounded, fair, and there again after a restart.
//!
//! [`RecordLog`] keeps them in files, [`MemoryShelf`] in memory; both are a [`RecordShelf`], which moves bytes and knows
//! nothing of their meaning. Over it lies one index in memory, some 340 bytes a record as `lab dht --quick` measures it, in the order of the DHT's key
//! space, so that a region of it is one range.
//!
//! # Who may fill a node
//! Keys cost nothing, so neither an owner nor a sender can be believed to be one person. Three rules hold whatever they are:
//!
//! 1. A live record is replaced only by a newer one of its own key. Nothing else pushes it out: a full node refuses.
//! 2. One owner has at most a sixteenth of the room, in records and in bytes.
//! 3. One network (the /24, or the /64 of IPv6, that an address lies in; loopback has no share) brings at most an eighth of the room. To fill a node takes
//!    addresses in eight networks, and what they filled stays theirs until it expires or is replaced by its owner.
//!
//! | rule | test |
//! | --- | --- |
//! | Nothing enters that [`SignedRecord::decode`](super::SignedRecord::decode) refuses, that lies under another key, or that is stale | `only_valid_and_newer_records_enter` |
//! | A full node refuses; live records of others stay | `a_flood_of_owners_pushes_nobody_out` |
//! | An owner and a network have their shares, also after a restart | `an_owner_has_a_share`, `a_network_has_a_share`, `shares_survive_a_restart` |
//! | Expired records are neither read nor counted, by the wall clock | `expired_records_are_gone` |
//! | What was taken in is there after kill -9; a torn or damaged file costs only what was damaged | `tests/records_log.rs` |
//! | Files do not grow with replacements | `replaced_records_leave_the_disk` |
//! | Provider records are not kept | `provider_records_are_refused` |

mod index;
mod log;
mod quota;
mod segment;
mod shelf;
mod store;

pub(crate) use self::{
    index::{Point, TAG_BYTES},
    quota::{Limits, OWN},
    store::ValidatedStore,
};
pub use self::{
    log::RecordLog,
    quota::Share,
    shelf::{Loaded, MemoryShelf, Place, RecordShelf, Tenant},
};
