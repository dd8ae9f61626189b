//! Packs: the durable store of chunks.
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
use crate::index::IndexStore;
