//! One client: sends to its proposer at the times that the plan says, whatever the proposer does, and sees its transactions
//! become final there.
//!
//! A latency runs from the time at which a transaction was meant to be sent, so a proposer that keeps its client waiting
//! does not shorten what is measured. At saturation there is no such time: it runs from the sending.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use cpchain_consensus::node::NodeHandle;
use hdrhistogram::Histogram;

use super::{load::Source, plan::Plan, stages::histogram};

/// How often a client looks at the time.
const TICK: Duration = Duration::from_millis(2);
/// The resolution of the time line.
pub(crate) const BUCKET: Duration = Duration::from_millis(100);
/// Bytes that a client keeps under way at saturation: two full blocks.
const UNDER_WAY: usize = 2 << 20;
const MOST_UNDER_WAY: u64 = 16_000;

/// What a client saw.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Sent, taken by the proposer, and refused, all of what was measured.
    pub(crate) sent: u64,
    pub(crate) refused: u64,
    /// Final within what was measured, whenever it was sent.
    pub(crate) committed: u64,
    /// Microseconds of those that were meant to be sent within what was measured and are final.
    pub(crate) latency: Histogram<u64>,
    /// Final in each bucket since the start.
    pub(crate) line: Vec<u64>,
    /// Whether its transactions ran out before the end.
    pub(crate) ran_out: bool,
}

/// Shared between the sending and the seeing half.
struct Progress {
    sent: AtomicU64,
    settled: AtomicU64,
    refused: AtomicU64,
    /// When each was sent, at saturation.
    times: Mutex<Vec<Instant>>,
}

/// Runs the client of a proposer from `go` to the end of the plan.
pub(crate) async fn run(plan: Arc<Plan>, node: NodeHandle, source: Arc<Source>, go: Instant) -> Seen {
    let progress = Arc::new(Progress {
        sent: AtomicU64::new(0),
        settled: AtomicU64::new(0),
        refused: AtomicU64::new(0),
        times: Mutex::default(),
    });
    let watching = tokio::spawn(watch(plan.clone(), node.clone(), source.clone(), progress.clone(), go));
    let (sent, refused, ran_out) = send(&plan, &node, &source, &progress, go).await;
    let seen = watching.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    Seen { sent, refused, ran_out, ..seen }
}

async fn send(plan: &Plan, node: &NodeHandle, source: &Source, progress: &Progress, go: Instant) -> (u64, u64, bool) {
    let under_way = (UNDER_WAY / source.size().max(1)).clamp(1, MOST_UNDER_WAY as usize) as u64;
    let rate = plan.rate_of_one();
    let mut ticks = tokio::time::interval_at(go.into(), TICK);
    let (mut next, mut before) = (0_u64, (0_u64, 0_u64));
    let mut ran_out = false;
    loop {
        ticks.tick().await;
        let elapsed = go.elapsed();
        if elapsed < plan.warm_up {
            before = (next, progress.refused.load(Relaxed));
        }
        if elapsed >= plan.whole() || ran_out {
            break;
        }
        let due = match rate {
            Some(rate) => ((elapsed.as_secs_f64() * rate) as u64 + 1).saturating_sub(next),
            None => under_way.saturating_sub(next.saturating_sub(progress.settled.load(Relaxed))),
        };
        let batch: Vec<Bytes> = (next..next + due).map_while(|number| source.get(number)).collect();
        ran_out = (batch.len() as u64) < due;
        if batch.is_empty() {
            continue;
        }
        if rate.is_none() {
            let mut times = progress.times.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            times.extend(batch.iter().map(|_| now));
        }
        next += batch.len() as u64;
        progress.sent.store(next, Relaxed);
        let Ok(answers) = node.submit_here(batch).await else { break };
        let refused = answers.iter().filter(|answer| answer.is_err()).count() as u64;
        progress.refused.fetch_add(refused, Relaxed);
        progress.settled.fetch_add(refused, Relaxed);
    }
    (next - before.0, progress.refused.load(Relaxed) - before.1, ran_out)
}

async fn watch(plan: Arc<Plan>, node: NodeHandle, source: Arc<Source>, progress: Arc<Progress>, go: Instant) -> Seen {
    let (me, rate) = (node.key(), plan.rate_of_one());
    let buckets = plan.whole().as_millis().div_ceil(BUCKET.as_millis()) as usize;
    let mut seen =
        Seen { sent: 0, refused: 0, committed: 0, latency: histogram(), line: vec![0; buckets], ran_out: false };
    let mut finals = node.subscribe();
    // What is under way at the end still has its latency counted, if it arrives soon.
    let end = go + plan.whole();
    let patience = end + (plan.duration / 4).min(Duration::from_secs(3));
    // Transfers are read after the run: the processor is the nodes'.
    let mut later: Vec<(Instant, Bytes)> = Vec::new();
    let count = |seen: &mut Seen, at: Instant, payload: &Bytes| {
        let times = progress.times.lock().unwrap_or_else(PoisonError::into_inner);
        let numbers = source.numbers(payload);
        let since = at.saturating_duration_since(go);
        let bucket = (since.as_millis() / BUCKET.as_millis()) as usize;
        if let Some(slot) = seen.line.get_mut(bucket) {
            *slot += numbers.len() as u64;
        }
        if (plan.warm_up..plan.whole()).contains(&since) {
            seen.committed += numbers.len() as u64;
        }
        for number in numbers {
            let meant = match rate {
                Some(rate) => Some(Duration::from_secs_f64(number as f64 / rate)),
                None => times.get(number as usize).map(|at| at.saturating_duration_since(go)),
            };
            if let Some(meant) = meant.filter(|meant| (plan.warm_up..plan.whole()).contains(meant)) {
                seen.latency.saturating_record((since.saturating_sub(meant).as_micros() as u64).max(1));
            }
        }
    };
    while let Ok(Some(entry)) = tokio::time::timeout_at(patience.into(), finals.next()).await {
        let at = Instant::now();
        if entry.block.proposer == me && !entry.block.impeached {
            // Of those that are under way only the number counts now.
            let number = entry.block.payload.len() / source.size().max(1);
            progress.settled.fetch_add(number as u64, Relaxed);
            match &*source {
                Source::Opaque { .. } => count(&mut seen, at, &entry.block.payload),
                Source::Transfers(_) => later.push((at, entry.block.payload.clone())),
            }
        }
        if at >= end && progress.settled.load(Relaxed) >= progress.sent.load(Relaxed) {
            break;
        }
    }
    for (at, payload) in later {
        count(&mut seen, at, &payload);
    }
    seen
}
