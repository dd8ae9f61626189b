//! Elections: from candidates and a seed to the proposers of a term, in the order of their turns (white paper 2.3).
//!
//! # Specification
//! Seats: [`Seats`]. Each step draws from one [`Generator`] of the seed, in this order:
//! 1. The candidates are sorted by (RPT, key), lowest first. The lower half is the first ⌊N / 2⌋ of them, the upper half the
//!    rest. A key that is given twice counts once, with its lowest RPT.
//! 2. From the lower half [`Seats::lower`] are drawn, then [`Seats::upper`] from the upper half. A draw takes a number r below
//!    the sum of the weights that are left, and the first candidate, in the sorted order, at which the sum of the weights
//!    up to and with its own is above r; that candidate is out then. The weight is the RPT; if all that are left weigh 0,
//!    each weighs 1. A half with fewer candidates than seats is drawn empty.
//! 3. If these are fewer than `lower + upper`, the first default proposers that are not elected follow them, up to that number.
//! 4. For each pair of these, in order, one default proposer that has no seat yet: of those m that are left, in the order of their
//!    list, the one at the place of a number below m. Then a number below 3 says where it stands: before, between or
//!    after the two.
//!
//! # Tests that hold it
//! - The bytes of whole elections: `elections_are_pinned` (`tests/dpor_golden.rs`).
//! - One key, one seat, whatever the candidates and the default proposers are: `nobody_has_two_seats`. The original could
//!   give a candidate that is a default proposer two.
//! - N = 0, 1, 2, ties, zero weights: `few_candidates_leave_no_seat_empty`, `nobody_is_left_out_of_a_tie`,
//!   `zero_weights_are_drawn_alike`. The original ended the node on a sum of zero.
//! - Draws match weights: `draws_match_the_weights` (chi-squared); the last of three equal weights is drawn as often as the first,
//!   which in the original it never was.
//!
//! N candidates cost O(N log N) for the order, and O(log N) for each seat.

use alloc::{collections::BTreeSet, vec::Vec};

use cpchain_crypto::PublicKey;

use super::{generator::Generator, reputation::Reputation, weights::Weights};
use crate::lbft::MAX_PROPOSERS;

/// Why an election cannot be held: faults of the chain's settings, never of candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ElectionError {
    /// The number of seats is not one that a committee can have.
    #[error("a committee has 1 to 4 proposers, or a multiple of 3 that is at most {MAX_PROPOSERS}")]
    Seats,
    /// Fewer default proposers than seats.
    #[error("the default proposers must be at least as many as the seats, each listed once")]
    Defaults,
}

/// How the seats of a committee are divided.
///
/// | proposers | lower half | upper half | default proposers |
/// | --- | --- | --- | --- |
/// | 12 | 2 | 6 | 4 |
/// | 3·k, above 4 | ⌊2·k / 4⌋ | 2·k less those | k |
/// | n ≤ 4 | ⌊n / 2⌋ | n less those | 0 |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seats {
    lower: usize,
    upper: usize,
    defaults: usize,
}

impl Seats {
    /// The seats of a committee of so many proposers.
    ///
    /// # Errors
    /// [`ElectionError::Seats`].
    pub const fn of(proposers: usize) -> Result<Self, ElectionError> {
        match proposers {
            1..=4 => Ok(Self { lower: proposers / 2, upper: proposers - proposers / 2, defaults: 0 }),
            5..=MAX_PROPOSERS if proposers.is_multiple_of(3) => {
                let (elected, defaults) = (proposers / 3 * 2, proposers / 3);
                Ok(Self { lower: elected / 4, upper: elected - elected / 4, defaults })
            }
            _ => Err(ElectionError::Seats),
        }
    }

    /// Seats for the lower half.
    pub const fn lower(&self) -> usize {
        self.lower
    }

    /// Seats for the upper half.
    pub const fn upper(&self) -> usize {
        self.upper
    }

    /// Seats that default proposers always have.
    pub const fn defaults(&self) -> usize {
        self.defaults
    }

    /// All seats.
    pub const fn total(&self) -> usize {
        self.lower + self.upper + self.defaults
    }
}

/// Holds elections for a chain: its seats and its default proposers.
///
/// ```
/// use cpchain_consensus::dpor::{election::{Election, Seats}, reputation::Reputation};
/// use cpchain_crypto::PublicKey;
/// let defaults = (0..12).map(|i| PublicKey([i; 32])).collect();
/// let election = Election::new(Seats::of(12)?, defaults)?;
/// let candidates: Vec<_> = (100..200).map(|i| (PublicKey([i; 32]), Reputation(50 * i as u32))).collect();
/// let proposers = election.hold(&candidates, &[7; 32]);
/// assert_eq!(proposers.len(), 12);
/// assert_eq!(proposers.iter().filter(|key| key.0[0] < 12).count(), 4);
/// # Ok::<(), cpchain_consensus::dpor::election::ElectionError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Election {
    seats: Seats,
    defaults: Vec<PublicKey>,
}

impl Election {
    /// Elections with these seats. The order of the default proposers counts.
    ///
    /// # Errors
    /// [`ElectionError::Defaults`].
    pub fn new(seats: Seats, defaults: Vec<PublicKey>) -> Result<Self, ElectionError> {
        let different: BTreeSet<_> = defaults.iter().collect();
        if different.len() < seats.total() || different.len() < defaults.len() {
            return Err(ElectionError::Defaults);
        }
        Ok(Self { seats, defaults })
    }

    /// The seats.
    pub const fn seats(&self) -> Seats {
        self.seats
    }

    /// The default proposers.
    pub fn defaults(&self) -> &[PublicKey] {
        &self.defaults
    }

    /// The proposers of a term, in the order of their turns: always [`Seats::total`] different keys.
    pub fn hold(&self, candidates: &[(PublicKey, Reputation)], seed: &[u8; 32]) -> Vec<PublicKey> {
        let mut generator = Generator::new(seed);
        let sorted = ordered(candidates);
        let (low, high) = sorted.split_at(sorted.len() / 2);
        let mut elected = draw(low, self.seats.lower, &mut generator);
        elected.extend(draw(high, self.seats.upper, &mut generator));

        let seated: BTreeSet<_> = elected.iter().copied().collect();
        let mut free: Vec<_> = self.defaults.iter().copied().filter(|key| !seated.contains(key)).collect();
        let missing = (self.seats.lower + self.seats.upper).saturating_sub(elected.len());
        elected.extend(free.drain(..missing.min(free.len())));
        if self.seats.defaults == 0 {
            return elected;
        }

        let mut proposers = Vec::with_capacity(self.seats.total());
        for pair in elected.chunks(2) {
            let start = proposers.len();
            proposers.extend_from_slice(pair);
            // At least as many are free as there are pairs: `Election::new` saw to it.
            let place = generator.below(free.len() as u64) as usize;
            let at = generator.below(pair.len() as u64 + 1) as usize;
            if place < free.len() {
                proposers.insert(start + at, free.remove(place));
            }
        }
        proposers
    }
}

/// Sorted by (RPT, key), each key once.
fn ordered(candidates: &[(PublicKey, Reputation)]) -> Vec<(Reputation, PublicKey)> {
    let mut sorted = candidates.to_vec();
    sorted.sort_unstable();
    sorted.dedup_by_key(|(key, _)| *key);
    let mut sorted: Vec<_> = sorted.into_iter().map(|(key, reputation)| (reputation, key)).collect();
    sorted.sort_unstable();
    sorted
}

fn draw(half: &[(Reputation, PublicKey)], seats: usize, generator: &mut Generator) -> Vec<PublicKey> {
    let mut weights = Weights::new(half.iter().map(|(reputation, _)| reputation.0));
    (0..seats).map_while(|_| weights.draw(generator)).filter_map(|place| half.get(place).map(|(_, key)| *key)).collect()
}

#[cfg(test)]
#[path = "election_tests.rs"]
mod tests;
