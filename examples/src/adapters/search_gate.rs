//! Who may ask a host of indexes how much: a query makes the host go through its whole table, so strangers are bounded.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use cpchain_crypto::PublicKey;
use cpchain_otp::{Refusal, RefusalCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// More callers than this are remembered only if the oldest can be forgotten.
const MAX_CALLERS: usize = 65_536;

/// Bounds of queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchLimits {
    /// Bytes of a query.
    pub query_bytes: usize,
    /// Queries that one caller may make at once after a pause, and in each `window`.
    pub queries: u32,
    /// The time in which a caller's queries come back.
    pub window: Duration,
    /// Queries that are computed at a time.
    pub at_once: usize,
    /// Queries that wait for that, of all callers.
    pub waiting: usize,
    /// Queries of one caller that wait or are computed.
    pub of_caller: usize,
}

impl Default for SearchLimits {
    /// 16 MiB, 600 queries a minute and caller, two at a time, 64 waiting, 16 of one caller.
    fn default() -> Self {
        let window = Duration::from_secs(60);
        Self { query_bytes: 16 << 20, queries: 600, window, at_once: 2, waiting: 64, of_caller: 16 }
    }
}

/// Counts what callers ask.
pub(super) struct SearchGate {
    limits: SearchLimits,
    callers: Mutex<HashMap<PublicKey, Caller>>,
    room: Arc<Semaphore>,
    turn: Arc<Semaphore>,
}

struct Caller {
    /// Queries that it may still make, in parts of one.
    left: f64,
    at: Instant,
    inside: Arc<Semaphore>,
}

/// A place at the table. Given back when it is dropped.
pub(super) struct Place {
    _inside: OwnedSemaphorePermit,
    _room: OwnedSemaphorePermit,
    _turn: OwnedSemaphorePermit,
}

impl SearchGate {
    pub(super) fn new(limits: SearchLimits) -> Self {
        let room = Arc::new(Semaphore::new(limits.at_once + limits.waiting));
        Self { limits, callers: Mutex::default(), room, turn: Arc::new(Semaphore::new(limits.at_once.max(1))) }
    }

    /// Waits for a place, or is refused: nobody waits behind a full queue.
    pub(super) async fn enter(&self, caller: PublicKey, bytes: usize) -> Result<Place, Refusal> {
        if bytes > self.limits.query_bytes {
            return Err(Refusal::new(RefusalCode::TooLarge, "the query is longer than this host takes"));
        }
        let inside = self.charge(caller, Instant::now())?;
        let busy = |_| Refusal::new(RefusalCode::Quota, "too many queries at a time: wait for answers, then ask again");
        let inside = inside.try_acquire_owned().map_err(busy)?;
        let room = self.room.clone().try_acquire_owned().map_err(busy)?;
        let stopping = |_| Refusal::new(RefusalCode::Internal, "the host is stopping");
        let turn = self.turn.clone().acquire_owned().await.map_err(stopping)?;
        Ok(Place { _inside: inside, _room: room, _turn: turn })
    }

    /// Takes one query from the caller's share.
    fn charge(&self, caller: PublicKey, now: Instant) -> Result<Arc<Semaphore>, Refusal> {
        let most = f64::from(self.limits.queries);
        let refused = || Refusal::new(RefusalCode::Quota, "too many queries: wait a minute, then ask again");
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if callers.len() >= MAX_CALLERS && !callers.contains_key(&caller) {
            // Who paused for a whole window has all of its share, so nothing is lost.
            callers.retain(|_, known| now.saturating_duration_since(known.at) < self.limits.window);
            if callers.len() >= MAX_CALLERS {
                return Err(refused());
            }
        }
        let of_caller = self.limits.of_caller;
        let caller = callers.entry(caller).or_insert_with(|| Caller {
            left: most,
            at: now,
            inside: Arc::new(Semaphore::new(of_caller)),
        });
        let back = now.saturating_duration_since(caller.at).as_secs_f64() / self.limits.window.as_secs_f64() * most;
        (caller.left, caller.at) = ((caller.left + back).min(most), now);
        if caller.left < 1.0 {
            return Err(refused());
        }
        caller.left -= 1.0;
        Ok(caller.inside.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: PublicKey = PublicKey([1; 32]);
    const B: PublicKey = PublicKey([2; 32]);

    fn limits() -> SearchLimits {
        let window = Duration::from_secs(60);
        SearchLimits { query_bytes: 100, queries: 3, window, at_once: 1, waiting: 1, of_caller: 2 }
    }

    #[test]
    fn shares_are_per_caller_and_come_back() {
        let (gate, start) = (SearchGate::new(limits()), Instant::now());
        let code = |caller, seconds| gate.charge(caller, start + Duration::from_secs(seconds)).err().map(|r| r.code);
        assert_eq!([code(A, 0), code(A, 0), code(A, 0)], [None; 3]);
        assert_eq!(code(A, 19), Some(RefusalCode::Quota));
        assert_eq!(code(B, 19), None);
        assert_eq!(code(A, 40), None);
        assert_eq!([code(A, 400), code(A, 400), code(A, 400)], [None; 3]);
        assert_eq!(code(A, 400), Some(RefusalCode::Quota), "no more than a share is saved up");
    }

    #[tokio::test]
    async fn queues_are_bounded() {
        let gate = SearchGate::new(limits());
        assert_eq!(gate.enter(A, 101).await.err().map(|r| r.code), Some(RefusalCode::TooLarge));
        let first = gate.enter(A, 100).await.unwrap();
        let mut second = Box::pin(gate.enter(B, 100));
        let waits = tokio::time::timeout(Duration::from_millis(20), &mut second).await;
        assert!(waits.is_err(), "one at a time");
        let third = gate.enter(B, 100).await;
        assert_eq!(third.err().map(|r| r.code), Some(RefusalCode::Quota), "one is computed, one waits");
        drop(first);
        let second = second.await.unwrap();
        drop(second);
        assert!(gate.enter(B, 100).await.is_ok());
    }
}
