//! Elections that must not change: a node that draws otherwise is on another chain. The expected lists come from a second
//! implementation, written from the specification in `dpor::election` and `dpor::generator` alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use cpchain_consensus::dpor::{
    election::{Election, Seats},
    reputation::Reputation,
};
use cpchain_crypto::PublicKey;

/// The twelve default proposers are the keys 200 to 211; the seed counts up from `seed`.
fn elect(proposers: usize, candidates: impl IntoIterator<Item = (u8, u32)>, seed: u8) -> Vec<u8> {
    let key = |number| PublicKey([number; 32]);
    let election = Election::new(Seats::of(proposers).unwrap(), (200..212).map(key).collect()).unwrap();
    let candidates: Vec<_> = candidates.into_iter().map(|(number, weight)| (key(number), Reputation(weight))).collect();
    let seed: [u8; 32] = std::array::from_fn(|i| seed + i as u8);
    election.hold(&candidates, &seed).iter().map(|key| key.0[0]).collect()
}

#[test]
fn elections_are_pinned() {
    let hundred = elect(12, (0..100).map(|i| (i, 1_000 + 90 * u32::from(i))), 0);
    assert_eq!(hundred, [46, 200, 48, 72, 93, 208, 73, 98, 205, 76, 50, 207]);
    let ties = elect(12, (0..50).map(|i| (i, 1_000)), 1);
    assert_eq!(ties, [207, 23, 7, 205, 41, 26, 204, 46, 42, 37, 45, 201]);
    let default_proposers_stand = elect(12, (196..212).map(|i| (i, 1_000 + 7 * u32::from(i))), 2);
    assert_eq!(default_proposers_stand, [198, 205, 203, 209, 206, 210, 200, 208, 207, 201, 204, 211]);
    let two = elect(12, [(1, 1_000), (2, 10_000)], 3);
    assert_eq!(two, [1, 207, 2, 200, 201, 209, 211, 202, 203, 204, 210, 205]);
    let nobody = elect(12, [], 4);
    assert_eq!(nobody, [200, 210, 201, 202, 203, 211, 204, 205, 209, 206, 208, 207]);
    let small = elect(4, (0..30).map(|i| (i, 10_000 - 100 * u32::from(i))), 5);
    assert_eq!(small, [21, 26, 9, 4]);
    let zero_weights = elect(12, (0..20).map(|i| (i, 0)), 6);
    assert_eq!(zero_weights, [205, 6, 2, 202, 11, 13, 18, 10, 206, 17, 12, 208]);
}
