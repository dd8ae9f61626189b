//! Weights that are drawn and taken out: a Fenwick tree, O(log N) for each draw.

use alloc::vec::Vec;

use super::generator::Generator;

/// What is left to be drawn.
pub(crate) struct Weights {
    /// What each still weighs; `None` once drawn.
    left: Vec<Option<u32>>,
    /// Node i, counted from 1, holds the sum of the i & −i weights that end with the i-th.
    sums: Vec<u64>,
    total: u64,
    count: usize,
}

impl Weights {
    pub(crate) fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        let left: Vec<_> = weights.into_iter().map(Some).collect();
        let count = left.len();
        let mut new = Self { left, sums: Vec::new(), total: 0, count };
        new.build();
        new
    }

    /// The sums of what is left, in O(N).
    fn build(&mut self) {
        self.sums.clear();
        self.sums.push(0);
        self.sums.extend(self.left.iter().map(|weight| u64::from(weight.unwrap_or(0))));
        // At most 2³² weights below 2³² fit.
        self.total = self.sums.iter().sum();
        for node in 1..self.sums.len() {
            let sum = self.sums.get(node).copied().unwrap_or(0);
            if let Some(parent) = self.sums.get_mut(node + (node & node.wrapping_neg())) {
                *parent += sum;
            }
        }
    }

    /// Draws one by its weight and takes it out; `None` if none is left. If all that are left weigh nothing, each weighs 1.
    pub(crate) fn draw(&mut self, generator: &mut Generator) -> Option<usize> {
        if self.count == 0 {
            return None;
        }
        if self.total == 0 {
            self.left.iter_mut().flatten().for_each(|weight| *weight = 1);
            self.build();
        }
        let place = self.at(generator.below(self.total));
        let weight = u64::from(self.left.get_mut(place)?.take()?);
        self.total -= weight;
        self.count -= 1;
        let mut node = place + 1;
        while let Some(sum) = self.sums.get_mut(node) {
            *sum -= weight;
            node += node & node.wrapping_neg();
        }
        Some(place)
    }

    /// The place whose weight covers `point`: the sum of those before it is at most `point`, with its own it is above.
    fn at(&self, mut point: u64) -> usize {
        let mut place = 0;
        let mut step = self.left.len().checked_ilog2().map_or(0, |log| 1 << log);
        while step > 0 {
            if let Some(sum) = self.sums.get(place + step).filter(|sum| **sum <= point) {
                point -= sum;
                place += step;
            }
            step /= 2;
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against the rule by a walk over all.
        #[test]
        fn draws_are_those_of_the_definition(weights in prop::collection::vec(0u32..5, 0..40), seed: [u8; 32]) {
            let mut drawn = Weights::new(weights.iter().copied());
            let (mut ours, mut plain) = (Generator::new(&seed), Generator::new(&seed));
            let mut left: Vec<(usize, u64)> = weights.iter().map(|w| u64::from(*w)).enumerate().collect();
            while !left.is_empty() {
                if left.iter().all(|(_, weight)| *weight == 0) {
                    left.iter_mut().for_each(|(_, weight)| *weight = 1);
                }
                let mut point = plain.below(left.iter().map(|(_, weight)| weight).sum());
                let index = left.iter().position(|(_, weight)| {
                    let hit = point < *weight;
                    point = point.saturating_sub(*weight);
                    hit
                });
                let (place, _) = left.remove(index.unwrap());
                prop_assert_eq!(drawn.draw(&mut ours), Some(place));
            }
            prop_assert_eq!(drawn.draw(&mut ours), None);
        }
    }

    #[test]
    fn the_largest_weights_do_not_wrap() {
        let mut weights = Weights::new([u32::MAX; 1000]);
        let mut generator = Generator::new(&[3; 32]);
        let mut drawn: Vec<_> = (0..1000).filter_map(|_| weights.draw(&mut generator)).collect();
        drawn.sort_unstable();
        assert_eq!(drawn, (0..1000).collect::<Vec<_>>());
    }
}
