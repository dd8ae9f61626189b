//! The proofs of a claim, found on threads of their own.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use cpchain_consensus::ledger::dpor::admission::{Work, find};
use cpchain_crypto::{Digest, PublicKey};

/// Tries between two looks at whether the answer is still wanted: the memory proof's take milliseconds each.
const TRIES: u64 = 8;

/// Finds a nonce for a proof of admission on a blocking thread. `None` once `stale` says that the block is too old, or if the search
/// was dropped.
///
/// Dropping the future ends the search.
pub async fn prove(
    work: Work,
    account: PublicKey,
    block: Digest,
    bits: u32,
    stale: impl Fn() -> bool + Send + 'static,
) -> Option<u64> {
    let unwanted = Unwanted(Arc::default());
    let flag = unwanted.0.clone();
    let search = move || {
        let tries = (0..u64::MAX).step_by(TRIES as usize);
        let wanted = tries.take_while(|_| !flag.load(Ordering::Relaxed) && !stale());
        wanted.into_iter().find_map(|from| find(work, &account, &block, bits, from..from.saturating_add(TRIES)))
    };
    tokio::task::spawn_blocking(search).await.ok().flatten()
}

/// Ends the search when the one who waits for it goes.
struct Unwanted(Arc<AtomicBool>);

impl Drop for Unwanted {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cpchain_consensus::ledger::dpor::admission::holds;

    use super::*;

    #[tokio::test]
    async fn a_search_finds_gives_up_and_ends_with_its_owner() {
        let (account, block) = (PublicKey([1; 32]), Digest([2; 32]));
        let nonce = prove(Work::Cpu, account, block, 10, || false).await.unwrap();
        assert!(holds(Work::Cpu, &account, &block, nonce, 10));
        assert_eq!(prove(Work::Cpu, account, block, 256, || true).await, None, "a stale block");
        // Nobody waits for it any more: the thread ends, and drops what it holds.
        let held = Arc::new(());
        let copy = held.clone();
        let search = prove(Work::Cpu, account, block, 256, move || Arc::strong_count(&copy) == 0);
        tokio::time::timeout(Duration::from_millis(50), search).await.unwrap_err();
        for _ in 0..200 {
            if Arc::strong_count(&held) == 1 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the thread goes on");
    }
}
