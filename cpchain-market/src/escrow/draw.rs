//! The draw of proxies: by chain randomness, weighted by reputation, in integers.
//!
//! Rule. The candidates are those that the listing allows, with enough free stake, the buyer excluded; sorted by key, each once. The
//! weight of one is its reputation, 1 at least. A BLAKE3 stream seeded by (randomness, order id) gives 16-byte big-endian numbers; one
//! at or above the largest multiple of the total weight is thrown away, the next taken modulo the total; it
//! falls on one candidate, who is drawn and leaves the pool. Repeated until `n` are drawn.

use cpchain_crypto::{Digest, Domain, Entropy, PublicKey, SeededEntropy};

use super::order::OrderId;
use crate::units::Amount;

const DRAW: Domain = Domain::new("cpchain/market/draw/v1");

/// A proxy that may be drawn, as the chain sees it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Its key.
    pub proxy: PublicKey,
    /// Its reputation; 0 counts as 1.
    pub reputation: u64,
    /// What it has staked and not yet locked.
    pub free_stake: Amount,
}

/// Draws `n` of `candidates` (fewer if there are not so many), in the order of the draw.
///
/// ```
/// use cpchain_crypto::{Digest, PublicKey};
/// use cpchain_market::{Amount, escrow::{Candidate, OrderId, draw}};
/// let candidate = |i| Candidate { proxy: PublicKey([i; 32]), reputation: 10, free_stake: Amount(1) };
/// let all: Vec<_> = (1..=8).map(candidate).collect();
/// let drawn = draw(&all, 3, Digest([7; 32]), OrderId(Digest([9; 32])));
/// assert_eq!(drawn.len(), 3);
/// assert_eq!(drawn, draw(&all, 3, Digest([7; 32]), OrderId(Digest([9; 32]))));
/// ```
pub fn draw(candidates: &[Candidate], n: usize, randomness: Digest, order: OrderId) -> Vec<PublicKey> {
    let mut pool: Vec<(PublicKey, u128)> =
        candidates.iter().map(|c| (c.proxy, u128::from(c.reputation.max(1)))).collect();
    pool.sort_unstable();
    pool.dedup_by_key(|(key, _)| *key);
    let mut stream = SeededEntropy::new(&Digest::of(DRAW, &[&randomness.0, &order.0.0]).0);
    let mut drawn = Vec::with_capacity(n.min(pool.len()));
    while drawn.len() < n && !pool.is_empty() {
        let total: u128 = pool.iter().map(|(_, weight)| weight).sum();
        let Some(mut point) = below(total, &mut stream) else { break };
        let hit = pool.iter().position(|(_, weight)| match point.checked_sub(*weight) {
            Some(rest) => {
                point = rest;
                false
            }
            None => true,
        });
        let Some(hit) = hit else { break };
        drawn.push(pool.remove(hit).0);
    }
    drawn
}

/// A number below `total` without bias. A throw misses with probability below 2⁻⁵⁸, as totals are below 2⁷⁰.
fn below(total: u128, stream: &mut SeededEntropy) -> Option<u128> {
    let limit = u128::MAX - u128::MAX.checked_rem(total)?;
    loop {
        let mut bytes = [0; 16];
        stream.fill(&mut bytes).ok()?;
        let number = u128::from_be_bytes(bytes);
        if number < limit {
            return number.checked_rem(total);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(i: u8, reputation: u64) -> Candidate {
        Candidate { proxy: PublicKey([i; 32]), reputation, free_stake: Amount(0) }
    }

    fn seed(i: u32) -> Digest {
        Digest::content(&i.to_le_bytes())
    }

    #[test]
    fn nobody_is_drawn_twice_and_order_of_candidates_does_not_matter() {
        let mut all: Vec<_> = (1..=9).map(|i| candidate(i, u64::from(i))).collect();
        let order = OrderId(seed(1));
        let first = draw(&all, 5, seed(2), order);
        all.reverse();
        all.push(candidate(3, 3));
        assert_eq!(draw(&all, 5, seed(2), order), first);
        assert_eq!(first.iter().collect::<std::collections::BTreeSet<_>>().len(), 5);
        assert_eq!(draw(&all, 50, seed(2), order).len(), 9);
        assert!(draw(&[], 3, seed(2), order).is_empty());
    }

    #[test]
    fn weight_follows_reputation() {
        let all = [candidate(1, 0), candidate(2, 1), candidate(3, 8)];
        let mut hits = [0u32; 4];
        for i in 0..10_000 {
            let drawn = draw(&all, 1, seed(i), OrderId(Digest::ZERO));
            hits[drawn[0].0[0] as usize] += 1;
        }
        // Expected 1000, 1000, 8000; five standard deviations are 150 and 200.
        assert!(hits[1].abs_diff(1000) < 150 && hits[2].abs_diff(1000) < 150, "{hits:?}");
        assert!(hits[3].abs_diff(8000) < 200, "{hits:?}");
    }

    #[test]
    fn extreme_weights_do_not_overflow() {
        let all: Vec<_> = (0..64).map(|i| candidate(i, u64::MAX)).collect();
        assert_eq!(draw(&all, 64, seed(3), OrderId(Digest::ZERO)).len(), 64);
    }

    #[test]
    fn golden_draw() {
        let all: Vec<_> = (1..=8).map(|i| candidate(i, u64::from(i) * 10)).collect();
        let drawn: Vec<_> = draw(&all, 5, Digest([7; 32]), OrderId(Digest([9; 32]))).iter().map(|k| k.0[0]).collect();
        assert_eq!(format!("{drawn:?}"), include_str!("../../testdata/draw.txt").trim());
    }
}
