//! Pulls that wait for their answer. An answer is up to some MiB of reads, and the task that reads them is the one that votes.
//!
//! - One answer is read at a time, in turn with whatever else woke the driver: votes wait for an answer, not for all.
//! - Peers take turns, and each has at most [`WAITING`] pulls in the queue (`peers_take_turns`).
//! - In a retry interval a peer gets at most [`ANSWERS`] answers and [`BYTES`] bytes; what it asks beyond is dropped, as a
//!   network drops messages: it asks again (`a_peer_has_a_budget`).

use std::collections::{HashMap, VecDeque};

use cpchain_crypto::PublicKey;

use crate::lbft::Pull;

/// Pulls of one peer, and of all, that wait.
const WAITING: usize = 64;
const WAITING_OF_ALL: usize = 1024;
/// Answers, and bytes, that one peer gets in a retry interval: catching up at the speed of a fast link stays below.
const ANSWERS: usize = 8192;
const BYTES: usize = 128 << 20;

#[derive(Debug, Default)]
pub(super) struct Serving {
    queue: VecDeque<(PublicKey, Pull)>,
    /// Answers and bytes of this retry interval.
    spent: HashMap<PublicKey, (usize, usize)>,
}

impl Serving {
    /// Takes in a pull, unless its sender has its share.
    pub(super) fn put(&mut self, from: PublicKey, pull: Pull) -> bool {
        let waiting = self.queue.iter().filter(|(key, _)| *key == from).count();
        let (answers, bytes) = self.spent.get(&from).copied().unwrap_or_default();
        let fits = waiting < WAITING && answers.saturating_add(waiting) < ANSWERS && bytes < BYTES;
        if !fits || self.queue.len() >= WAITING_OF_ALL {
            return false;
        }
        // Behind as many of every other peer: the first of each, then the second of each.
        let mut seen: HashMap<PublicKey, usize> = HashMap::new();
        let place = self.queue.iter().position(|(key, _)| {
            let count = seen.entry(*key).or_default();
            *count += 1;
            *count > waiting.saturating_add(1)
        });
        self.queue.insert(place.unwrap_or(self.queue.len()), (from, pull));
        true
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The next to answer.
    pub(super) fn next(&mut self) -> Option<(PublicKey, Pull)> {
        self.queue.pop_front()
    }

    /// An answer of so many bytes has gone to this peer.
    pub(super) fn spend(&mut self, to: PublicKey, bytes: usize) {
        let (answers, sum) = self.spent.entry(to).or_default();
        (*answers, *sum) = (answers.saturating_add(1), sum.saturating_add(bytes));
    }

    /// A retry interval has passed.
    pub(super) fn renew(&mut self) {
        self.spent.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Height;

    fn pull(range: u64) -> Pull {
        Pull { range: Some(Height(range)), ..Pull::default() }
    }

    #[test]
    fn peers_take_turns() {
        let [a, b, c] = [1, 2, 3].map(|byte| PublicKey([byte; 32]));
        let mut serving = Serving::default();
        let taken = (1..=2 * WAITING as u64).filter(|number| serving.put(a, pull(*number))).count();
        assert_eq!(taken, WAITING);
        assert!(serving.put(b, pull(1)) && serving.put(b, pull(2)) && serving.put(c, pull(1)));
        let order: Vec<_> =
            std::iter::from_fn(|| serving.next()).map(|(key, pull)| (key.0[0], pull.range.unwrap().0)).collect();
        assert_eq!(order[..6], [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (1, 3)]);
        assert_eq!(order.len(), WAITING + 3);
        assert!(serving.is_empty());
    }

    #[test]
    fn a_peer_has_a_budget() {
        let [a, b] = [1, 2].map(|byte| PublicKey([byte; 32]));
        let mut serving = Serving::default();
        let answer = |serving: &mut Serving, from, bytes| {
            let taken = serving.put(from, pull(1));
            if let Some((to, _)) = serving.next() {
                serving.spend(to, bytes);
            }
            taken
        };
        assert_eq!((0..2 * ANSWERS).filter(|_| answer(&mut serving, a, 100)).count(), ANSWERS);
        assert_eq!((0..1000).filter(|_| answer(&mut serving, b, BYTES / 4)).count(), 4);
        serving.renew();
        assert!(answer(&mut serving, a, 1) && answer(&mut serving, b, 1));
    }
}
