//! Who tells whom of certificates. Everybody telling everybody costs n² certificates a height, and a certificate has about n
//! signatures.
//!
//! - Votes go to every validator, so in a network that delivers each puts a certificate together by itself. Whoever does
//!   so passes it on at once to a few: a part of the ring of validators that turns with the height, and the next
//!   proposers. Who enters by such a message passes it on in turn, so one node that alone was shown the last vote is
//!   heard by all within a few steps (`a_certificate_that_one_node_has_reaches_all`).
//! - Every validator hears of each height from as many others, and from other ones at the next
//!   (`every_validator_hears_from_as_many`); so a few that keep silent silence nobody for long.
//! - Whoever does not get on tells all, at every retry interval: progress rests on that alone, the rest is speed
//!   (`l3_a_lost_certificate_is_sent_again`, `large_committees_lose_no_liveness`).
//! - VALIDATE is for those who get no COMMITs. A few validators in turn publish it; the network spreads what they publish, and
//!   a height of which nobody hears is final with the next one (`few_validators_publish_what_all_have`).
//! - A committee of up to [`FANOUT`] + 1 validators has no one to spare: there everybody tells everybody.

use alloc::vec::Vec;

use cpchain_crypto::PublicKey;

use super::engine::{LOOK_AHEAD, Lbft};
use crate::ids::Height;

/// Validators that one node tells at once.
pub(crate) const FANOUT: usize = 8;

impl Lbft {
    /// Who hears at once of the certificate that let this node into H: its part of the ring, and the proposers of H and the
    /// next heights.
    pub(crate) fn nearby(&self) -> Vec<PublicKey> {
        let validators = self.committee.validators();
        if validators.len() <= FANOUT + 1 {
            return self.audience();
        }
        let place = |list: &[PublicKey]| list.iter().position(|key| *key == self.me);
        let place = place(validators).or_else(|| place(self.committee.proposers())).unwrap_or(0);
        let steps = ring(validators.len(), self.height);
        let ring = steps.filter_map(|step| validators.get((place + step) % validators.len()).copied());
        self.without_me(ring.chain(self.next_proposers()))
    }

    /// Proposers of the current and the next heights.
    pub(crate) fn next_proposers(&self) -> impl Iterator<Item = PublicKey> + '_ {
        (0..=LOOK_AHEAD).map(|ahead| self.committee.proposer(Height(self.height.0.saturating_add(ahead))))
    }

    /// Whether this node publishes the VALIDATE of this height.
    pub(crate) fn speaks(&self, height: Height) -> bool {
        let validators = self.committee.validators().len();
        // Those that validator 0 would tell.
        let told = |place| ring(validators, height).any(|step| step == usize::from(place));
        validators <= FANOUT + 1 || self.index.is_some_and(told)
    }
}

/// How far along a ring of so many validators the ones are that are told at this height.
fn ring(validators: usize, height: Height) -> impl Iterator<Item = usize> {
    let others = validators.saturating_sub(1).max(1);
    let (count, apart) = (FANOUT.min(others), (others / FANOUT).max(1));
    let turn = usize::try_from(height.0 % others as u64).unwrap_or(0);
    (0..count).map(move |place| 1 + (turn + place * apart) % others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_validator_hears_from_as_many() {
        for validators in [2_usize, 4, 9, 10, 16, 31, 100, 256] {
            let others = validators - 1;
            let mut met = vec![0; validators];
            for height in 0..others as u64 {
                let steps: Vec<_> = ring(validators, Height(height)).collect();
                let mut distinct = steps.clone();
                distinct.sort_unstable();
                distinct.dedup();
                assert_eq!(distinct.len(), FANOUT.min(others), "n = {validators}");
                // Equal steps for all: whoever is `step` before a validator tells it, so it hears from as many as are told.
                steps.iter().for_each(|step| met[*step] += 1);
            }
            assert_eq!(met[0], 0, "nobody tells itself");
            let each = FANOUT.min(others);
            assert!(met[1..].iter().all(|times| *times == each), "n = {validators}: {met:?}");
        }
    }
}
