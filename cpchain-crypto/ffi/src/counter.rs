//! What must survive a power cut: which intervals may have been used.
//!
//! Before the first block of an interval is sealed, the record says that the interval is used, and the caller's
//! `store` has said that the record is durable. A restart begins with an interval that the record does not name, so no
//! interval key ever seals a block number twice, whatever was lost (`tests/counter.rs`). One write per interval is
//! enough, which a flash page bears for decades.
//!
//! Bytes, little endian: magic, four zero bytes, first unused interval, block number of the write, and 8 bytes of a
//! hash over the stream and the rest (torn and foreign records are seen).

use core::ffi::{c_int, c_void};

use cpchain_crypto::{Digest, Domain};

use crate::{CPC_COUNTER_LEN, CPC_COUNTER_NONE, Status};

/// Reads the record that was stored last into `record` (`len` is `CPC_COUNTER_LEN`) and answers 0; answers
/// `CPC_COUNTER_NONE` only if nothing was ever stored; any other answer is a failure.
pub type LoadFn = Option<unsafe extern "C" fn(user: *mut c_void, record: *mut u8, len: usize) -> c_int>;

/// Replaces the stored record and answers 0 once it would survive a power cut; any other answer is a failure.
pub type StoreFn = Option<unsafe extern "C" fn(user: *mut c_void, record: *const u8, len: usize) -> c_int>;

const MAGIC: [u8; 4] = *b"CPK1";
const CHECK: Domain = Domain::new("cpchain/crypto-ffi/counter/v1");
/// One after the last interval.
pub(crate) const END: u64 = 1 << 32;

/// The content of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counter {
    /// The first interval that was never used.
    pub(crate) unused: u64,
    /// Blocks that the stream had when this was written.
    pub(crate) blocks: u64,
}

impl Counter {
    pub(crate) fn to_bytes(self, stream: &Digest) -> [u8; CPC_COUNTER_LEN] {
        let [a, b, c, d, e, f, g, h] = self.unused.to_le_bytes();
        let [i, j, k, l, m, n, o, p] = self.blocks.to_le_bytes();
        let [s, t, u, v] = MAGIC;
        let front = [s, t, u, v, 0, 0, 0, 0, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p];
        let mut out = [0; CPC_COUNTER_LEN];
        let (head, tail) = out.split_at_mut(front.len());
        head.copy_from_slice(&front);
        tail.copy_from_slice(&check(stream, &front));
        out
    }

    pub(crate) fn from_bytes(stream: &Digest, bytes: &[u8; CPC_COUNTER_LEN]) -> Option<Self> {
        let (front, sum) = bytes.split_last_chunk::<8>()?;
        let (head, rest) = front.split_first_chunk::<8>()?;
        let (unused, rest) = rest.split_first_chunk::<8>()?;
        let blocks = rest.first_chunk::<8>()?;
        let [s, t, u, v] = MAGIC;
        if *head != [s, t, u, v, 0, 0, 0, 0] || *sum != check(stream, front) {
            return None;
        }
        let counter = Self { unused: u64::from_le_bytes(*unused), blocks: u64::from_le_bytes(*blocks) };
        Some(counter).filter(|counter| counter.unused <= END)
    }
}

fn check(stream: &Digest, front: &[u8]) -> [u8; 8] {
    let digest = Digest::of(CHECK, &[&stream.0, front]);
    digest.0.first_chunk::<8>().copied().unwrap_or_default()
}

/// The caller's store.
#[derive(Clone, Copy)]
pub(crate) struct Store {
    pub(crate) load: unsafe extern "C" fn(*mut c_void, *mut u8, usize) -> c_int,
    pub(crate) store: unsafe extern "C" fn(*mut c_void, *const u8, usize) -> c_int,
    pub(crate) user: *mut c_void,
}

impl Store {
    /// The record of this stream, if one was ever stored.
    pub(crate) fn load(&self, stream: &Digest) -> Result<Option<Counter>, Status> {
        let mut record = [0; CPC_COUNTER_LEN];
        // SAFETY: who configured the callback promised that it may be called with its `user`; the record is ours and as long as said.
        match unsafe { (self.load)(self.user, record.as_mut_ptr(), record.len()) } {
            0 => Counter::from_bytes(stream, &record).map(Some).ok_or(Status::Counter),
            CPC_COUNTER_NONE => Ok(None),
            _ => Err(Status::Store),
        }
    }

    /// Makes the record durable.
    pub(crate) fn store(&self, stream: &Digest, counter: Counter) -> Result<(), Status> {
        let record = counter.to_bytes(stream);
        // SAFETY: who configured the callback promised that it may be called with its `user`; the record is ours and as long as said.
        match unsafe { (self.store)(self.user, record.as_ptr(), record.len()) } {
            0 => Ok(()),
            _ => Err(Status::Store),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn records_round_trip_and_damage_is_seen(unused in 0..=END, blocks: u64, bit in 0..CPC_COUNTER_LEN * 8) {
            let stream = Digest([7; 32]);
            let counter = Counter { unused, blocks };
            let mut bytes = counter.to_bytes(&stream);
            prop_assert_eq!(Counter::from_bytes(&stream, &bytes), Some(counter));
            prop_assert_eq!(Counter::from_bytes(&Digest([8; 32]), &bytes), None);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Counter::from_bytes(&stream, &bytes), None);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: [u8; CPC_COUNTER_LEN]) {
            let _ = Counter::from_bytes(&Digest::ZERO, &bytes);
        }
    }

    #[test]
    fn golden_record() {
        // A device in the field reads what an older library stored.
        let bytes = Counter { unused: 3, blocks: 14 }.to_bytes(&Digest([1; 32]));
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(text, include_str!("../testdata/counter.hex").trim());
    }
}
