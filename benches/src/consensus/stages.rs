//! Where the processor's time goes: what a node's parts are asked to do, each call on the clock of its thread.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use cpchain_consensus::{
    Ancestors, Application, FinalBlock, Height, InvalidPayload, Term,
    lbft::{Certificate, Committee, Evidence, FinalEntry, Record, Restored},
    storage::{Storage, StorageError},
};
use cpchain_crypto::{Digest, Domain, PublicKey, Signature, Signer};
use hdrhistogram::Histogram;

use crate::measure::Clock;

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Submit,
    Propose,
    Verify,
    Execute,
    Log,
    Sign,
}

impl Stage {
    pub(crate) const ALL: [Self; 6] = [Self::Submit, Self::Propose, Self::Verify, Self::Execute, Self::Log, Self::Sign];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Submit => "taking in",
            Self::Propose => "making blocks",
            Self::Verify => "judging blocks",
            Self::Execute => "executing",
            Self::Log => "log",
            Self::Sign => "signing votes",
        }
    }
}

/// Nanoseconds of each stage, and how long blocks took.
#[derive(Debug)]
pub(crate) struct Stages {
    nanos: [AtomicU64; Stage::ALL.len()],
    /// Microseconds from the making of an own block to its finality here, of blocks that were made since `count_from`.
    agreement: Mutex<Histogram<u64>>,
}

/// A histogram of microseconds, up to ten minutes, with three digits.
#[allow(clippy::expect_used, reason = "it refuses other bounds and digits alone (`histograms_hold_minutes`)")]
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("bounds that it takes")
}

impl Stages {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { nanos: Default::default(), agreement: Mutex::new(histogram()) })
    }

    pub(crate) fn time<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let clock = Clock::now();
        let result = work();
        if let Some(nanos) = self.nanos.get(stage as usize) {
            nanos.fetch_add(clock.elapsed_nanos() as u64, Ordering::Relaxed);
        }
        result
    }

    /// Seconds of each stage up to now.
    pub(crate) fn seconds(&self) -> BTreeMap<String, f64> {
        let read = |stage: Stage| self.nanos.get(stage as usize).map_or(0, |nanos| nanos.load(Ordering::Relaxed));
        Stage::ALL.into_iter().map(|stage| (stage.name().to_owned(), read(stage) as f64 / 1e9)).collect()
    }

    /// Times from making a block to its finality, and from now on those of later blocks.
    pub(crate) fn take_agreement(&self) -> Histogram<u64> {
        let mut held = self.agreement.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut held, histogram())
    }
}

/// An application on the clock.
pub(crate) struct Timed<A> {
    inner: A,
    stages: Arc<Stages>,
    made: BTreeMap<Height, Instant>,
    me: PublicKey,
}

impl<A> Timed<A> {
    pub(crate) fn new(inner: A, me: PublicKey, stages: Arc<Stages>) -> Self {
        Self { inner, stages, made: BTreeMap::new(), me }
    }
}

impl<A: Application> Application for Timed<A> {
    fn submit(&mut self, transaction: Bytes) -> Result<(), InvalidPayload> {
        self.stages.time(Stage::Submit, || self.inner.submit(transaction))
    }

    fn submit_all(&mut self, transactions: Vec<Bytes>) -> Vec<Result<(), InvalidPayload>> {
        self.stages.time(Stage::Submit, || self.inner.submit_all(transactions))
    }

    fn propose(&mut self, height: Height, ancestors: Ancestors<'_>, max_bytes: usize) -> Bytes {
        // Before the block is made: what the proposer does is part of the time to its finality.
        let begun = Instant::now();
        let payload = self.stages.time(Stage::Propose, || self.inner.propose(height, ancestors, max_bytes));
        self.made.insert(height, begun);
        payload
    }

    fn is_idle(&self, payload: &Bytes) -> bool {
        self.inner.is_idle(payload)
    }

    fn verify(&mut self, height: Height, ancestors: Ancestors<'_>, payload: &Bytes) -> Result<(), InvalidPayload> {
        self.stages.time(Stage::Verify, || self.inner.verify(height, ancestors, payload))
    }

    fn finalised(&mut self, block: &FinalBlock) -> Digest {
        let state = self.stages.time(Stage::Execute, || self.inner.finalised(block));
        let made = self.made.remove(&block.height);
        if let Some(made) = made.filter(|_| block.proposer == self.me && !block.impeached) {
            let micros = u64::try_from(made.elapsed().as_micros()).unwrap_or(u64::MAX);
            let mut held = self.stages.agreement.lock().unwrap_or_else(PoisonError::into_inner);
            held.saturating_record(micros.max(1));
        }
        state
    }

    fn next_committee(&mut self, ended: &Committee) -> Committee {
        self.inner.next_committee(ended)
    }

    fn is_next(&self, key: &PublicKey) -> bool {
        self.inner.is_next(key)
    }

    fn last_height(&self) -> Height {
        self.inner.last_height()
    }
}

/// A store on the clock of the thread that writes.
pub(crate) struct TimedStorage {
    pub(crate) inner: Box<dyn Storage>,
    pub(crate) stages: Arc<Stages>,
}

impl Storage for TimedStorage {
    fn append(&mut self, records: &[Record], sync: bool) -> Result<(), StorageError> {
        self.stages.time(Stage::Log, || self.inner.append(records, sync))
    }
    fn restore(&self) -> Result<Restored, StorageError> {
        self.inner.restore()
    }
    fn final_entry(&self, height: Height) -> Result<Option<FinalEntry>, StorageError> {
        self.inner.final_entry(height)
    }
    fn committee(&self, term: Term) -> Result<Option<Committee>, StorageError> {
        self.inner.committee(term)
    }
    fn handover(&self, term: Term) -> Result<Option<Certificate>, StorageError> {
        self.inner.handover(term)
    }
    fn evidence(&self) -> Result<Vec<Evidence>, StorageError> {
        self.inner.evidence()
    }
    fn height_of(&self, digest: &Digest) -> Result<Option<Height>, StorageError> {
        self.inner.height_of(digest)
    }
}

/// A key on the clock.
pub(crate) struct TimedSigner<S> {
    pub(crate) inner: S,
    pub(crate) stages: Arc<Stages>,
}

impl<S: Signer> Signer for TimedSigner<S> {
    fn public_key(&self) -> PublicKey {
        self.inner.public_key()
    }

    fn sign(&self, domain: Domain, message: &[u8]) -> Signature {
        self.stages.time(Stage::Sign, || self.inner.sign(domain, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_hold_minutes() {
        let mut held = histogram();
        held.saturating_record(300_000_000);
        assert!(held.value_at_quantile(0.5).abs_diff(300_000_000) < 1_000_000);
    }

    #[test]
    fn what_a_stage_takes_is_counted_for_it_alone() {
        let stages = Stages::new();
        stages.time(Stage::Verify, || (0..200_000_u64).map(std::hint::black_box).sum::<u64>());
        let seconds = stages.seconds();
        assert!(seconds["judging blocks"] > 0.0);
        assert_eq!(seconds["executing"], 0.0);
    }
}
