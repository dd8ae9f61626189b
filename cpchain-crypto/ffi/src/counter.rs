//! What must survive a power cut: the C callbacks as the store of a [`SealCounter`].
//!
//! The counter decides; here are only the record and what the caller says about it when a context begins. A new interval
//! and its block numbers, as many as share a key, are reserved by one write before the first block is sealed. Every
//! start takes an interval in which nothing was reserved, so no key seals a number twice, whatever was lost
//! (`tests/counter.rs`). The record is read again before each write, so a second context of the same stream is refused
//! (`two_contexts_of_one_counter_share_no_key`). A flash page bears one write per interval for decades.
//!
//! Bytes, little endian: magic, blocks per interval, interval, four zero bytes, first block number that is not reserved,
//! and 8 bytes of a hash over the stream and the rest (torn and foreign records are seen).

use core::{
    ffi::{c_int, c_void},
    num::NonZeroU32,
};

use cpchain_crypto::{
    Digest, Domain,
    counter::{CounterError, CounterStore, Loaded, Mark, SealCounter},
    key_tree::IntervalId,
};

use crate::{CPC_COUNTER_LEN, CPC_COUNTER_NONE, Status};

/// Reads the record that was stored last into `record` (`len` is `CPC_COUNTER_LEN`) and answers 0; answers
/// `CPC_COUNTER_NONE` only if nothing was ever stored; any other answer is a failure.
pub type LoadFn = Option<unsafe extern "C" fn(user: *mut c_void, record: *mut u8, len: usize) -> c_int>;

/// Replaces the stored record and answers 0 once it would survive a power cut; any other answer is a failure.
pub type StoreFn = Option<unsafe extern "C" fn(user: *mut c_void, record: *const u8, len: usize) -> c_int>;

const MAGIC: [u8; 4] = *b"CPD1";
const CHECK: Domain = Domain::new("cpchain/crypto-ffi/counter/v2");

/// The content of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Record {
    mark: Mark,
    /// How many numbers below the unreserved one were reserved when this was written.
    blocks_per_interval: NonZeroU32,
}

impl Record {
    /// Blocks that the stream had when this was written.
    fn blocks(&self) -> u64 {
        self.mark.unreserved.saturating_sub(self.blocks_per_interval.get().into())
    }

    fn to_bytes(self, stream: &Digest) -> [u8; CPC_COUNTER_LEN] {
        let [a, b, c, d] = self.blocks_per_interval.get().to_le_bytes();
        let [e, f, g, h] = self.mark.interval.0.to_le_bytes();
        let [i, j, k, l, m, n, o, p] = self.mark.unreserved.to_le_bytes();
        let [s, t, u, v] = MAGIC;
        let front = [s, t, u, v, a, b, c, d, e, f, g, h, 0, 0, 0, 0, i, j, k, l, m, n, o, p];
        let mut out = [0; CPC_COUNTER_LEN];
        let (head, tail) = out.split_at_mut(front.len());
        head.copy_from_slice(&front);
        tail.copy_from_slice(&check(stream, &front));
        out
    }

    fn from_bytes(stream: &Digest, bytes: &[u8; CPC_COUNTER_LEN]) -> Option<Self> {
        let (front, sum) = bytes.split_last_chunk::<8>()?;
        let (magic, rest) = front.split_first_chunk::<4>()?;
        let (blocks_per_interval, rest) = rest.split_first_chunk::<4>()?;
        let (interval, rest) = rest.split_first_chunk::<4>()?;
        let (zero, rest) = rest.split_first_chunk::<4>()?;
        let unreserved = rest.first_chunk::<8>()?;
        if *magic != MAGIC || *zero != [0; 4] || *sum != check(stream, front) {
            return None;
        }
        Some(Self {
            mark: Mark {
                interval: IntervalId(u32::from_le_bytes(*interval)),
                unreserved: u64::from_le_bytes(*unreserved),
            },
            blocks_per_interval: NonZeroU32::new(u32::from_le_bytes(*blocks_per_interval))?,
        })
    }
}

fn check(stream: &Digest, front: &[u8]) -> [u8; 8] {
    let digest = Digest::of(CHECK, &[&stream.0, front]);
    digest.0.first_chunk::<8>().copied().unwrap_or_default()
}

/// The caller's store of one stream, and what the caller says when a context begins.
pub(crate) struct Store {
    pub(crate) load: unsafe extern "C" fn(*mut c_void, *mut u8, usize) -> c_int,
    pub(crate) store: unsafe extern "C" fn(*mut c_void, *const u8, usize) -> c_int,
    pub(crate) user: *mut c_void,
    pub(crate) stream: Digest,
    pub(crate) blocks_per_interval: NonZeroU32,
    /// All below it may have been used; 0: the record knows.
    pub(crate) first_interval: IntervalId,
    /// Blocks that the stream has.
    pub(crate) blocks: u64,
    /// What this store wrote last, or tried to.
    pub(crate) attempted: Option<Mark>,
}

impl Store {
    /// The counter over this store: it reserves a whole interval at a time.
    pub(crate) fn open(self) -> Result<SealCounter<Self>, Status> {
        let ahead = self.blocks_per_interval.into();
        Ok(SealCounter::open(self)?.reserve_ahead(ahead))
    }

    /// The record of this stream, if one was ever stored.
    fn read(&self) -> Result<Option<Record>, Status> {
        let mut record = [0; CPC_COUNTER_LEN];
        // SAFETY: who configured the callback promised that it may be called with its `user`; the record is ours and as long as said.
        match unsafe { (self.load)(self.user, record.as_mut_ptr(), record.len()) } {
            0 => Record::from_bytes(&self.stream, &record).map(Some).ok_or(Status::Counter),
            CPC_COUNTER_NONE => Ok(None),
            _ => Err(Status::Store),
        }
    }
}

impl CounterStore for Store {
    type Error = Status;

    fn load(&mut self) -> Result<Loaded, Status> {
        let vouched = Mark { interval: self.first_interval, unreserved: 0 };
        match self.read() {
            Ok(Some(record)) if record.blocks() > self.blocks => Err(Status::Position),
            Ok(Some(record)) if record.mark.interval < vouched.interval => Ok(Loaded::Proven(vouched)),
            Ok(Some(record)) => Ok(Loaded::Proven(record.mark)),
            Ok(None) | Err(Status::Counter) if vouched.interval > IntervalId(0) => Ok(Loaded::Proven(vouched)),
            // Blocks were sealed, so a record was stored: it is gone.
            Ok(None) if self.blocks > 0 => Err(Status::Counter),
            Ok(None) => Ok(Loaded::Fresh),
            Err(status) => Err(status),
        }
    }

    fn store(&mut self, mark: &Mark) -> Result<(), Status> {
        let place = |mark: &Mark| (mark.interval, mark.unreserved);
        match self.read() {
            // Another context of this stream has gone on meanwhile.
            Ok(Some(record)) if place(&record.mark) >= place(mark) && Some(record.mark) != self.attempted => {
                return Err(Status::Counter);
            }
            Err(Status::Store) => return Err(Status::Store),
            // A damaged one is our own that was cut short, or was given up by the caller at the start.
            Ok(_) | Err(_) => {}
        }
        self.attempted = Some(*mark);
        let record = Record { mark: *mark, blocks_per_interval: self.blocks_per_interval }.to_bytes(&self.stream);
        // SAFETY: who configured the callback promised that it may be called with its `user`; the record is ours and as long as said.
        match unsafe { (self.store)(self.user, record.as_ptr(), record.len()) } {
            0 => Ok(()),
            _ => Err(Status::Store),
        }
    }
}

impl From<CounterError<Self>> for Status {
    fn from(error: CounterError<Self>) -> Self {
        match error {
            CounterError::Store(status) => status,
            CounterError::IntervalFull | CounterError::Exhausted => Self::Exhausted,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(blocks_per_interval: u32, interval: u32, unreserved: u64) -> Record {
        let mark = Mark { interval: IntervalId(interval), unreserved };
        Record { mark, blocks_per_interval: NonZeroU32::new(blocks_per_interval).unwrap() }
    }

    proptest! {
        #[test]
        fn records_round_trip_and_damage_is_seen(per in 1u32.., interval: u32, unreserved: u64, bit in 0..CPC_COUNTER_LEN * 8) {
            let stream = Digest([7; 32]);
            let record = record(per, interval, unreserved);
            let mut bytes = record.to_bytes(&stream);
            prop_assert_eq!(Record::from_bytes(&stream, &bytes), Some(record));
            prop_assert_eq!(Record::from_bytes(&Digest([8; 32]), &bytes), None);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Record::from_bytes(&stream, &bytes), None);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: [u8; CPC_COUNTER_LEN], has_good_sum: bool) {
            let mut bytes = bytes;
            if has_good_sum {
                bytes[..4].copy_from_slice(&MAGIC);
                let sum = check(&Digest::ZERO, &bytes[..24]);
                bytes[24..].copy_from_slice(&sum);
            }
            if let Some(record) = Record::from_bytes(&Digest::ZERO, &bytes) {
                prop_assert_eq!(record.to_bytes(&Digest::ZERO), bytes);
            }
        }
    }

    #[test]
    fn golden_record() {
        // A device in the field reads what an older library stored.
        let bytes = record(10, 2, 24).to_bytes(&Digest([1; 32]));
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(text, include_str!("../testdata/counter.hex").trim());
    }

    #[test]
    fn a_record_knows_the_blocks_at_its_write() {
        assert_eq!(record(10, 2, 24).blocks(), 14);
        // Nothing was reserved, or the numbers end: too few is no refusal.
        assert_eq!((record(10, 2, 0).blocks(), record(10, 2, u64::MAX).blocks()), (0, u64::MAX - 10));
    }
}
