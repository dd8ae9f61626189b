//! The catalog: which packs there should be, and how long the full ones are. Never needed to read a chunk; without it, a
//! pack that vanished could not be told from one that compaction deleted.
//!
//! Layout, little endian: magic `CPCAT1`, two zero bytes, number of packs `u32`; per pack its number `u32` and its length
//! `u64` (0: still being written); first 8 bytes of the BLAKE3 hash of all that. Replaced as a whole.

use std::collections::BTreeMap;

use cpchain_crypto::Digest;

use super::{
    disk::{Disk, io_error},
    report::Damage,
};
use crate::chunk::StoreError;

const MAGIC: [u8; 8] = *b"CPCAT1\0\0";
const ENTRY: usize = 12;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Catalog {
    packs: BTreeMap<u32, u64>,
    /// Changed since it was written.
    dirty: bool,
}

impl Catalog {
    /// The folder's catalog; `None` if it has none that is whole.
    pub(super) fn read(disk: &dyn Disk) -> Option<Self> {
        let packs = Self::from_bytes(&disk.read_catalog().ok()??)?;
        Some(Self { packs, dirty: false })
    }

    /// Writes it if it has changed. What failed is tried again by the next call.
    pub(super) fn save(&mut self, disk: &dyn Disk) -> Result<(), StoreError> {
        if self.dirty {
            disk.replace_catalog(&self.to_bytes()).map_err(io_error("writing the catalog"))?;
            self.dirty = false;
        }
        Ok(())
    }

    /// The packs that should be there, with the length of those that are full.
    pub(super) fn packs(&self) -> impl Iterator<Item = (u32, Option<u64>)> + '_ {
        self.packs.iter().map(|(pack, len)| (*pack, (*len > 0).then_some(*len)))
    }

    /// What is not there of the packs, given the lengths of those that are.
    pub(super) fn missing(&self, len_of: impl Fn(u32) -> Option<u64>) -> impl Iterator<Item = Damage> {
        self.packs().filter_map(move |(pack, len)| {
            let there = len_of(pack);
            let offset = there.unwrap_or(0);
            let length = len.unwrap_or(offset).saturating_sub(offset);
            (length > 0 || there.is_none()).then_some(Damage { pack, offset, length, chunk: None })
        })
    }

    pub(super) fn contains(&self, pack: u32) -> bool {
        self.packs.contains_key(&pack)
    }

    /// Enters a pack that is being written.
    pub(super) fn begin(&mut self, pack: u32) {
        if !self.contains(pack) {
            self.packs.insert(pack, 0);
            self.dirty = true;
        }
    }

    /// Enters the length of a full pack.
    pub(super) fn seal(&mut self, pack: u32, len: u64) {
        self.dirty |= self.packs.insert(pack, len) != Some(len);
    }

    pub(super) fn remove(&mut self, pack: u32) {
        self.dirty |= self.packs.remove(&pack).is_some();
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend((self.packs.len() as u32).to_le_bytes());
        for (pack, len) in &self.packs {
            out.extend(pack.to_le_bytes());
            out.extend(len.to_le_bytes());
        }
        let sum = Digest::content(&out);
        out.extend(sum.0.iter().take(8));
        out
    }

    fn from_bytes(bytes: &[u8]) -> Option<BTreeMap<u32, u64>> {
        let (front, sum) = bytes.split_last_chunk::<8>()?;
        if Digest::content(front).0.first_chunk::<8>() != Some(sum) {
            return None;
        }
        let (count, entries) = front.strip_prefix(&MAGIC)?.split_first_chunk::<4>()?;
        let (entries, rest) = entries.as_chunks::<ENTRY>();
        if !rest.is_empty() || entries.len() != u32::from_le_bytes(*count) as usize {
            return None;
        }
        let entry = |entry: &[u8; ENTRY]| {
            let (pack, len) = entry.split_first_chunk::<4>()?;
            Some((u32::from_le_bytes(*pack), u64::from_le_bytes(len.try_into().ok()?)))
        };
        entries.iter().map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn golden_catalog() {
        let mut catalog = Catalog::default();
        catalog.seal(1, 500);
        catalog.begin(2);
        let hex: String = catalog.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, include_str!("../../testdata/catalog.hex").trim());
    }

    proptest! {
        #[test]
        fn catalogs_round_trip_and_no_flipped_bit_passes(packs: BTreeMap<u32, u64>, at: prop::sample::Index) {
            let catalog = Catalog { packs, dirty: true };
            let mut bytes = catalog.to_bytes();
            prop_assert_eq!(Catalog::from_bytes(&bytes), Some(catalog.packs));
            let bit = at.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Catalog::from_bytes(&bytes), None);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Catalog::from_bytes(&bytes);
        }
    }
}
