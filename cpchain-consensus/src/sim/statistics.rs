//! What a run counted.

use std::{collections::BTreeMap, time::Duration};

use crate::ids::Height;

/// Counters and times of one run, in virtual time.
#[derive(Debug, Clone, Default)]
pub struct Statistics {
    /// Events handled.
    pub events: u64,
    /// Messages put on links, one for each receiver.
    pub sent: u64,
    /// Their encoded bytes.
    pub bytes: u64,
    /// Messages that reached a node that was up.
    pub delivered: u64,
    /// Processes that died.
    pub crashes: u64,
    /// Proofs of misbehaviour that honest nodes reported.
    pub evidence: u64,
    /// How often honest nodes blamed a neighbour.
    pub blamed: u64,
    proposed: BTreeMap<Height, u64>,
    first_final: BTreeMap<Height, u64>,
    finality: Vec<u64>,
}

impl Statistics {
    pub(crate) fn proposed(&mut self, now: u64, height: Height) {
        self.proposed.entry(height).or_insert(now);
    }

    pub(crate) fn finalised(&mut self, now: u64, height: Height, sample: bool) {
        self.first_final.entry(height).or_insert(now);
        if let Some(proposed) = self.proposed.get(&height).filter(|_| sample) {
            self.finality.push(now.saturating_sub(*proposed));
        }
    }

    /// Times from the first sending of a block to its finality, one for each honest validator and block, shortest first.
    pub fn finality(&self) -> Vec<Duration> {
        let mut samples = self.finality.clone();
        samples.sort_unstable();
        samples.into_iter().map(Duration::from_micros).collect()
    }

    /// Times between heights that become final for the first time anywhere, shortest first.
    pub fn intervals(&self) -> Vec<Duration> {
        let times = || self.first_final.values();
        let mut gaps: Vec<_> = times().zip(times().skip(1)).map(|(a, b)| b.saturating_sub(*a)).collect();
        gaps.sort_unstable();
        gaps.into_iter().map(Duration::from_micros).collect()
    }

    /// The value below which this share of sorted samples lies, in ten thousandths; zero if there are none.
    pub fn quantile(sorted: &[Duration], in_ten_thousand: usize) -> Duration {
        let last = sorted.len().saturating_sub(1);
        sorted.get(last * in_ten_thousand.min(10_000) / 10_000).copied().unwrap_or_default()
    }
}
