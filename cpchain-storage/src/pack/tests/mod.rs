//! The store on a disk that fails: power cuts, full disks, damage. What needs real files is in the crate's `tests` folder.

mod damage;
mod fault;
mod full;
mod model;
mod power_cut;

use bytes::Bytes;

/// Chunk `n`, like no other, of up to 5,000 bytes.
fn chunk(n: u64) -> Bytes {
    (0..n * 131 % 5000).map(|i| (i * 7 + n) as u8).chain(n.to_le_bytes()).collect::<Vec<_>>().into()
}

/// How often a test repeats what it does: `STORE_ROUNDS`, or less.
fn rounds(default: u64) -> u64 {
    std::env::var("STORE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(default)
}
