//! The evaluation keys of clients, as a host keeps them: few, and made room for seldom.

use alloc::{collections::BTreeMap, vec::Vec};
use core::sync::atomic::{AtomicU64, Ordering};

use super::{
    expand::EvaluationKeys,
    lattice,
    parameters::{EXPANSION_LEVELS, EXPANSION_STEPS, KEY_WIRE_BITS},
    wire::{self, Kind, Reader},
};
use crate::{
    hash::{Digest, Domain},
    search::SearchError,
};

const KEYS: Domain = Domain::new("cpchain/crypto/search/catalogue-keys/v1");
const MINUTE_MS: u64 = 60_000;

/// Bytes of a client's evaluation keys.
pub(super) const KEYS_LEN: usize = 2 + 32 + EXPANSION_STEPS * EXPANSION_LEVELS * wire::packed_len(KEY_WIRE_BITS);

/// What a host does for clients that it does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyLimits {
    /// Clients whose keys are kept, 864 KiB each. Those that asked longest ago make room.
    pub clients: usize,
    /// New keys that are taken in a minute, whoever sends them.
    pub per_minute: u32,
}

impl Default for KeyLimits {
    /// 64 clients, 60 a minute.
    fn default() -> Self {
        Self { clients: 64, per_minute: 60 }
    }
}

struct Kept {
    keys: EvaluationKeys,
    /// When it was last asked with: a count of uses.
    used: AtomicU64,
}

/// The keys of the clients that asked last.
pub(super) struct Cache {
    limits: KeyLimits,
    kept: BTreeMap<[u8; 32], Kept>,
    uses: AtomicU64,
    /// When the minute began that is counted, and what was taken since.
    minute: (u64, u32),
}

/// What queries name a client's keys by.
pub(super) fn name(bytes: &[u8]) -> Digest {
    Digest::of(KEYS, &[bytes])
}

impl Cache {
    pub(super) const fn new(limits: KeyLimits) -> Self {
        Self { limits, kept: BTreeMap::new(), uses: AtomicU64::new(1), minute: (0, 0) }
    }

    pub(super) fn register(&mut self, bytes: &[u8], now_ms: u64) -> Result<(), SearchError> {
        let mut reader = Reader::begin(Kind::Keys, bytes)?;
        if bytes.len() != KEYS_LEN {
            return Err(reader.error());
        }
        let name = name(bytes);
        if let Some(kept) = self.kept.get(&name.0) {
            self.touch(kept);
            return Ok(());
        }
        let (began, taken) = self.minute;
        let (began, taken) = if now_ms.saturating_sub(began) < MINUTE_MS { (began, taken) } else { (now_ms, 0) };
        if taken >= self.limits.per_minute || self.limits.clients == 0 {
            return Err(SearchError::TooOften);
        }
        self.minute = (began, taken + 1);
        let masks = reader.take()?;
        let mut bodies = Vec::new();
        reader.polynomials(EXPANSION_STEPS * EXPANSION_LEVELS, KEY_WIRE_BITS, &mut bodies)?;
        reader.end()?;
        let keys = EvaluationKeys::new(&lattice::decompress(masks, &bodies));
        while self.kept.len() >= self.limits.clients {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.used.load(Ordering::Relaxed));
            let Some(oldest) = oldest.map(|(name, _)| *name) else { break };
            self.kept.remove(&oldest);
        }
        let kept = Kept { keys, used: AtomicU64::new(0) };
        self.touch(&kept);
        self.kept.insert(name.0, kept);
        Ok(())
    }

    pub(super) fn get(&self, name: &[u8; 32]) -> Result<&EvaluationKeys, SearchError> {
        let kept = self.kept.get(name).ok_or(SearchError::UnknownKeys)?;
        self.touch(kept);
        Ok(&kept.keys)
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    fn touch(&self, kept: &Kept) {
        kept.used.store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }
}
