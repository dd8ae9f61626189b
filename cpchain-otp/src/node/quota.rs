//! Bytes, or letters, per caller and window, in bounded memory.

use std::{collections::HashMap, sync::Mutex, sync::PoisonError};

use cpchain_crypto::PublicKey;

use super::Quota;
use crate::wire::{Refusal, RefusalCode};

/// More callers than this in one window are refused until the next.
const MAX_CALLERS: usize = 65_536;

#[derive(Debug)]
pub(super) struct Quotas {
    quota: Option<Quota>,
    /// What is counted, in words.
    unit: &'static str,
    used: Mutex<(u64, HashMap<PublicKey, u64>)>,
}

impl Quotas {
    pub(super) fn new(quota: Option<Quota>, unit: &'static str) -> Self {
        Self { quota, unit, used: Mutex::default() }
    }

    /// Takes so many from the caller's share of the current window.
    pub(super) fn charge(&self, caller: PublicKey, bytes: u64, now_ms: u64) -> Result<(), Refusal> {
        let Some(quota) = self.quota else { return Ok(()) };
        let window = now_ms / quota.window_ms.max(1);
        let refuse = || Refusal::new(RefusalCode::Quota, format!("at most {} {} per window", quota.bytes, self.unit));
        let mut guard = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let (current, used) = &mut *guard;
        if *current != window {
            *current = window;
            used.clear();
        }
        if used.len() >= MAX_CALLERS && !used.contains_key(&caller) {
            return Err(refuse());
        }
        let mine = used.entry(caller).or_default();
        let total = mine.checked_add(bytes).filter(|total| *total <= quota.bytes).ok_or_else(refuse)?;
        *mine = total;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_per_caller_and_window() {
        let quotas = Quotas::new(Some(Quota { bytes: 10, window_ms: 100 }), "bytes");
        let (a, b) = (PublicKey([1; 32]), PublicKey([2; 32]));
        assert!(quotas.charge(a, 6, 0).is_ok());
        assert_eq!(quotas.charge(a, 6, 99).unwrap_err().code, RefusalCode::Quota);
        assert!(quotas.charge(a, 4, 99).is_ok());
        assert!(quotas.charge(b, 10, 99).is_ok());
        assert!(quotas.charge(a, 10, 100).is_ok());
        assert!(quotas.charge(a, u64::MAX, 100).is_err());
    }
}
