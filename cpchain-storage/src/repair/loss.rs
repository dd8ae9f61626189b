//! How likely an object is lost when hosts leave at once: the figures that stand beside the trials.

use crate::erasure::ErasureParams;

/// The probability that a chunk is lost when each of its hosts leaves with probability `leaving`, on its own: the binomial
/// tail of more than `total - data` leaving hosts.
///
/// ```
/// use cpchain_storage::{ErasureParams, repair::loss_probability};
/// let ours = loss_probability(ErasureParams::default(), 0.3);
/// assert!(ours > 5e-6 && ours < 1e-5);
/// // Three copies of everything take the same room.
/// assert!((loss_probability(ErasureParams::new(1, 3)?, 0.3) - 0.027).abs() < 1e-12);
/// # Ok::<(), cpchain_storage::ErasureError>(())
/// ```
pub fn loss_probability(params: ErasureParams, leaving: f64) -> f64 {
    let (data, total) = (u32::from(params.data()), u32::from(params.total()));
    let stay = 1.0 - leaving;
    tail(total - data + 1..=total, |gone| {
        log_binomial(total, gone) + log_power(leaving, gone) + log_power(stay, total - gone)
    })
}

/// The probability that a chunk is lost when `leaving` of `nodes` nodes leave at once and each of its shards is on a node of
/// its own: the hypergeometric tail.
pub fn loss_among(params: ErasureParams, nodes: u32, leaving: u32) -> f64 {
    let (data, total) = (u32::from(params.data()), u32::from(params.total()).min(nodes));
    let leaving = leaving.min(nodes);
    let most = total.min(leaving);
    let first = (total + 1).saturating_sub(data);
    if first > most {
        return 0.0;
    }
    let all = log_binomial(nodes, leaving);
    tail(first..=most, |gone| {
        let others = nodes - total;
        if leaving - gone > others {
            return f64::NEG_INFINITY;
        }
        log_binomial(total, gone) + log_binomial(others, leaving - gone) - all
    })
}

fn tail(gone: std::ops::RangeInclusive<u32>, log_of: impl Fn(u32) -> f64) -> f64 {
    // From the smallest term up, so that nothing is lost in the sum.
    gone.rev().map(|gone| log_of(gone).exp()).sum::<f64>().clamp(0.0, 1.0)
}

fn log_power(base: f64, exponent: u32) -> f64 {
    if exponent == 0 { 0.0 } else { base.ln() * f64::from(exponent) }
}

/// The logarithm of the number of ways to take `take` of `of`.
fn log_binomial(of: u32, take: u32) -> f64 {
    let few = take.min(of.saturating_sub(take));
    (1..=few).map(|i| (f64::from(of - i + 1) / f64::from(i)).ln()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tails_are_those_of_the_tables() {
        let ours = ErasureParams::default();
        let near = |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 1e-6, "{found} {expected}");
        // Computed with fractions of whole numbers.
        near(loss_probability(ours, 0.1), 5.804_893_601e-15);
        near(loss_probability(ours, 0.3), 7.277_835_375e-6);
        near(loss_probability(ours, 0.5), 2.138_697_263e-2);
        near(loss_probability(ErasureParams::new(4, 12).unwrap(), 0.3), 1.691_655_435e-3);
        assert_eq!(loss_probability(ours, 0.0), 0.0);
        assert_eq!(loss_probability(ours, 1.0), 1.0);
    }

    #[test]
    fn so_few_leavers_cannot_lose_anything() {
        let ours = ErasureParams::default();
        assert_eq!(loss_among(ours, 60, 18), 0.0);
        assert_eq!(loss_among(ours, 60, 20), 0.0);
        assert!(loss_among(ours, 60, 21) > 0.0);
        assert!((loss_among(ours, 60, 60) - 1.0).abs() < 1e-9);
        // In a large network it is the binomial.
        let (finite, infinite) = (loss_among(ours, 100_000, 30_000), loss_probability(ours, 0.3));
        assert!((finite / infinite - 1.0).abs() < 0.01, "{finite} {infinite}");
    }
}
