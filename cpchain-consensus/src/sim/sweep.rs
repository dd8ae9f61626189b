//! Many seeds at once.

use std::{
    num::NonZeroUsize,
    ops::Range,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::scenario::{Failure, Scenario};

/// What a sweep over many seeds added up to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Runs that passed.
    pub runs: u64,
    /// Final heights, over all runs.
    pub heights: u64,
    /// Those of them that were impeached.
    pub impeached: u64,
    /// Proofs of misbehaviour that honest nodes reported.
    pub evidence: u64,
    /// Processes that died.
    pub crashes: u64,
    /// Events.
    pub events: u64,
}

/// Runs a scenario for each of these seeds, on so many threads, until one fails. `progress` hears the number of runs so far, on
/// any thread.
///
/// # Errors
/// The [`Failure`] of the lowest seed that failed before all threads had stopped.
pub fn sweep(
    seeds: Range<u64>,
    threads: NonZeroUsize,
    scenario: impl Fn(u64) -> Scenario + Sync,
    progress: impl Fn(u64) + Sync,
) -> Result<Sweep, Failure> {
    let (next, done, stop) = (AtomicU64::new(seeds.start), AtomicU64::new(0), AtomicBool::new(false));
    let total: Mutex<(Sweep, Option<(u64, Failure)>)> = Mutex::default();
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            let outcome = scenario(seed).run();
            let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
            let (sum, failure) = &mut *total;
            match outcome {
                Ok(world) => {
                    sum.runs += 1;
                    sum.heights += world.judge().final_height().0;
                    sum.impeached += world.judge().impeached();
                    sum.evidence += world.statistics().evidence;
                    sum.crashes += world.statistics().crashes;
                    sum.events += world.statistics().events;
                }
                Err(error) => {
                    if failure.as_ref().is_none_or(|(lowest, _)| seed < *lowest) {
                        *failure = Some((seed, error));
                    }
                    stop.store(true, Ordering::Relaxed);
                }
            }
            drop(total);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.get() {
            scope.spawn(work);
        }
        work();
    });
    let (sum, failure) = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    failure.map_or(Ok(sum), |(_, failure)| Err(failure))
}
