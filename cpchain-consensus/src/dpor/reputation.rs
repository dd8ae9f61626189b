//! Reputation (RPT): what the ledger knows of a candidate, as one number (white paper 5.1.2).
//!
//! # Rules, and the tests that hold them
//! - Each dimension is a percentile rank among the candidates of one election: with the values sorted from high to low, and `i` the
//!   index of the first equal one, the rank is ⌊(N − i) · 100 / N⌋. The best has 100, equal values the better rank of
//!   theirs (`the_example_of_the_specification`, `ranks_are_those_of_the_definition`).
//! - RPT = 50·AB + 15·TX + 10·PR + 15·DC + 10·BM, from 0 to 10,000 (`the_weights_are_those_of_the_white_paper`).
//! - Then · max(0, 9 − k) / 9, rounded down, where k is the number of the candidate's heights that were impeached in the last
//!   [`IMPEACHMENT_WINDOW`] heights (`impeachments_take_ninths`).
//! - No RPT is below [`FLOOR`]; this comes last (same test), so every candidate can be drawn.
//! - Whole numbers alone. The original used 32-bit floats in consensus code, and left two dimensions at zero
//!   (`data_and_proxy_count`).
//!
//! Ranking costs O(N log N).

use alloc::vec::Vec;

/// Heights over which transactions and own blocks are counted.
pub const ACTIVITY_WINDOW: u64 = 100;
/// Heights over which impeachments are counted.
pub const IMPEACHMENT_WINDOW: u64 = 10_000;
/// Impeachments in the window from which on only [`FLOOR`] is left.
pub const FORGIVEN: u64 = 9;
/// The RPT of the least reputable candidate.
pub const FLOOR: Reputation = Reputation(1_000);

/// A reputation: [`FLOOR`] to 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Reputation(pub u32);

/// What the ledger holds about a candidate at a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Record {
    /// What it can spend, in 10⁻¹⁸ CPC: deposits do not count.
    pub balance: u128,
    /// Transactions that it sent in the last [`ACTIVITY_WINDOW`] heights.
    pub transactions: u64,
    /// Whether it is registered as a proxy.
    pub is_proxy: bool,
    /// Trades that it witnessed, as a proxy, to a good end.
    pub trades: u64,
    /// Vouchers of data that it published.
    pub vouchers: u64,
    /// Sales of its data that were settled.
    pub sales: u64,
    /// Blocks of its own that became final in the last [`ACTIVITY_WINDOW`] heights.
    pub blocks: u64,
    /// Heights of its own that were impeached in the last [`IMPEACHMENT_WINDOW`] heights.
    pub impeached: u64,
}

impl Record {
    /// PR before ranking: 10 for a registered proxy and 5 for each trade, at most 100.
    pub const fn proxy_points(&self) -> u64 {
        if !self.is_proxy {
            return 0;
        }
        min(10u64.saturating_add(self.trades.saturating_mul(5)), 100)
    }

    /// DC before ranking: 3 for each voucher, at most 30, and 5 for each sale, at most 70.
    pub const fn data_points(&self) -> u64 {
        min(self.vouchers.saturating_mul(3), 30) + min(self.sales.saturating_mul(5), 70)
    }
}

/// How a reputation came about: the five dimensions, each 0 to 100, and the penalty.
///
/// ```
/// use cpchain_consensus::dpor::reputation::{Record, Reputation, scores};
/// let rich = Record { balance: 10, ..Record::default() };
/// let scores = scores(&[rich, Record::default()]);
/// // Both are first in what neither did.
/// assert_eq!((scores[0].balance, scores[1].balance), (100, 50));
/// assert_eq!(scores[1].reputation(), Reputation(50 * 50 + 50 * 100));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scores {
    /// AB, account balance.
    pub balance: u32,
    /// TX, transactions.
    pub transactions: u32,
    /// PR, proxy reputation.
    pub proxy: u32,
    /// DC, data contribution.
    pub data: u32,
    /// BM, blockchain maintenance.
    pub maintenance: u32,
    /// Impeached heights, as in [`Record::impeached`].
    pub impeached: u64,
}

#[cfg(feature = "ledger")]
impl Reputation {
    /// What is left of it after so many impeached heights, without a floor.
    pub(crate) const fn after(self, impeached: u64) -> Self {
        let kept = self.0 as u64 * FORGIVEN.saturating_sub(impeached) / FORGIVEN;
        // Not above what it was.
        Self(kept as u32)
    }
}

impl Scores {
    /// The weighted sum, less the penalty, not below [`FLOOR`].
    pub const fn reputation(&self) -> Reputation {
        let sum = 50 * self.balance as u64
            + 15 * self.transactions as u64
            + 10 * self.proxy as u64
            + 15 * self.data as u64
            + 10 * self.maintenance as u64;
        let kept = sum * FORGIVEN.saturating_sub(self.impeached) / FORGIVEN;
        // The sum is at most 10,000 for ranks up to 100.
        if kept < FLOOR.0 as u64 { FLOOR } else { Reputation(kept as u32) }
    }
}

/// The scores of all candidates of one election, in their order.
pub fn scores(candidates: &[Record]) -> Vec<Scores> {
    let balance = ranks(candidates, |record| record.balance);
    let transactions = ranks(candidates, |record| record.transactions);
    let proxy = ranks(candidates, Record::proxy_points);
    let data = ranks(candidates, Record::data_points);
    let maintenance = ranks(candidates, |record| record.blocks);
    let dimensions = balance.into_iter().zip(transactions).zip(proxy).zip(data).zip(maintenance);
    candidates
        .iter()
        .zip(dimensions)
        .map(|(record, ((((balance, transactions), proxy), data), maintenance))| Scores {
            balance,
            transactions,
            proxy,
            data,
            maintenance,
            impeached: record.impeached,
        })
        .collect()
}

/// The percentile rank of each candidate by one value.
fn ranks<V: Ord + Copy>(candidates: &[Record], value: impl Fn(&Record) -> V) -> Vec<u32> {
    let count = candidates.len() as u64;
    let mut sorted: Vec<(V, usize)> = candidates.iter().map(&value).zip(0..).collect();
    sorted.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
    let mut ranks = alloc::vec![0; candidates.len()];
    let mut first: Option<(V, u64)> = None;
    for (index, (value, place)) in (0u64..).zip(sorted) {
        let start = match first {
            Some((equal, start)) if equal == value => start,
            _ => index,
        };
        first = Some((value, start));
        if let Some(rank) = ranks.get_mut(place) {
            // At most 100.
            *rank = ((count - start) * 100 / count) as u32;
        }
    }
    ranks
}

const fn min(a: u64, b: u64) -> u64 {
    if a < b { a } else { b }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with_balances(balances: &[u128]) -> Vec<Record> {
        balances.iter().map(|balance| Record { balance: *balance, ..Record::default() }).collect()
    }

    #[test]
    fn the_example_of_the_specification() {
        let scores = scores(&with_balances(&[10, 10, 5, 0]));
        assert_eq!(scores.iter().map(|s| s.balance).collect::<Vec<_>>(), [100, 100, 50, 25]);
        // All equal in the four other dimensions: 100 each, 50 · 100 points.
        assert_eq!(scores.iter().map(|s| s.reputation().0).collect::<Vec<_>>(), [10_000, 10_000, 7_500, 6_250]);
    }

    #[test]
    fn degenerate_numbers_of_candidates() {
        assert_eq!(scores(&[]), []);
        assert_eq!(scores(&with_balances(&[0]))[0].reputation(), Reputation(10_000));
        let two = scores(&with_balances(&[0, 1]));
        assert_eq!((two[0].balance, two[1].balance), (50, 100));
    }

    #[test]
    fn the_weights_are_those_of_the_white_paper() {
        let none = Scores { balance: 0, transactions: 0, proxy: 0, data: 0, maintenance: 0, impeached: 0 };
        let of = |scores: Scores| scores.reputation().0;
        assert_eq!(of(Scores { balance: 100, ..none }), 5_000);
        // 10 and 15 a point, above the floor.
        assert_eq!(of(Scores { balance: 50, transactions: 100, ..none }), 4_000);
        assert_eq!(of(Scores { balance: 50, proxy: 100, ..none }), 3_500);
        assert_eq!(of(Scores { balance: 50, data: 100, ..none }), 4_000);
        assert_eq!(of(Scores { balance: 50, maintenance: 100, ..none }), 3_500);
        assert_eq!(of(none), 1_000);
    }

    #[test]
    fn impeachments_take_ninths() {
        let all = Scores { balance: 100, transactions: 100, proxy: 100, data: 100, maintenance: 100, impeached: 0 };
        let of = |impeached| Scores { impeached, ..all }.reputation().0;
        let expected = [10_000, 8_888, 7_777, 6_666, 5_555, 4_444, 3_333, 2_222, 1_111, 1_000, 1_000];
        assert_eq!((0..=10).map(of).collect::<Vec<_>>(), expected);
        assert_eq!(of(u64::MAX), 1_000);
    }

    /// In the original both were constants.
    #[test]
    fn data_and_proxy_count() {
        let proxy = |is_proxy, trades| Record { is_proxy, trades, ..Record::default() }.proxy_points();
        let points = [proxy(false, 9), proxy(true, 0), proxy(true, 1), proxy(true, 18), proxy(true, u64::MAX)];
        assert_eq!(points, [0, 10, 15, 100, 100]);
        let data = |vouchers, sales| Record { vouchers, sales, ..Record::default() }.data_points();
        let points = [data(1, 0), data(10, 0), data(99, 0), data(0, 1), data(10, 14), data(u64::MAX, u64::MAX)];
        assert_eq!(points, [3, 30, 30, 5, 100, 100]);

        let active = Record { is_proxy: true, trades: 2, vouchers: 4, sales: 1, ..Record::default() };
        let scores = scores(&[active, Record::default()]);
        assert_eq!((scores[0].proxy, scores[0].data), (100, 100));
        assert_eq!((scores[1].proxy, scores[1].data), (50, 50));
    }

    proptest! {
        #[test]
        fn ranks_are_those_of_the_definition(balances in prop::collection::vec(0u128..20, 0..60)) {
            let scores = scores(&with_balances(&balances));
            let count = balances.len();
            for (balance, scores) in balances.iter().zip(scores) {
                let above = balances.iter().filter(|other| *other > balance).count();
                prop_assert_eq!(scores.balance as usize, (count - above) * 100 / count);
            }
        }

        #[test]
        fn every_reputation_is_in_range(fields: [u64; 7], balance: u128, is_proxy: bool) {
            let [transactions, trades, vouchers, sales, blocks, impeached, _] = fields;
            let record = Record { balance, transactions, is_proxy, trades, vouchers, sales, blocks, impeached };
            for scores in scores(&[record, Record::default(), record]) {
                prop_assert!((1_000..=10_000).contains(&scores.reputation().0));
            }
        }
    }
}
