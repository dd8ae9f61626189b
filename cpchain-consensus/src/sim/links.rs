//! The network between members: latency, loss, duplicates, reordering, bandwidth, cuts.

use std::time::Duration;

use super::{micros, random::Random, regions::Regions};

/// How long a message is under way.
#[derive(Debug, Clone, Copy)]
pub enum Latency {
    /// Always this.
    Constant(Duration),
    /// Anything between the two: messages overtake each other.
    Between(Duration, Duration),
    /// That between the places of the two members, and up to so many percent on top.
    Regions(&'static Regions, u32),
}

/// What every link is like. Chances are in ten thousand.
#[derive(Debug, Clone, Copy)]
pub struct Links {
    /// How long a message is under way.
    pub latency: Latency,
    /// The chance that a message is lost.
    pub loss: u32,
    /// The chance that it arrives twice.
    pub duplicate: u32,
    /// The chance that it is held back by up to a second, so that many others overtake it.
    pub reorder: u32,
    /// Bytes a second that a member can send; its messages queue up behind each other. `None` for no limit.
    pub bandwidth: Option<u64>,
}

const HELD_BACK: u64 = 1_000_000;

impl Links {
    /// Links with this latency and no faults.
    pub const fn good(latency: Latency) -> Self {
        Self { latency, loss: 0, duplicate: 0, reorder: 0, bandwidth: None }
    }

    pub(crate) fn sample(&self, from: usize, to: usize, random: &mut Random) -> u64 {
        let delay = match self.latency {
            Latency::Constant(delay) => micros(delay),
            Latency::Between(low, high) => random.between(micros(low), micros(high)),
            Latency::Regions(table, percent) => table.sample(from, to, percent, random),
        };
        let held = if random.chance(self.reorder) { random.below(HELD_BACK) } else { 0 };
        delay.saturating_add(held).max(1)
    }

    /// Microseconds that a message of this size occupies the sender's uplink.
    pub(crate) fn occupies(&self, bytes: usize) -> u64 {
        let Some(rate) = self.bandwidth else { return 0 };
        (bytes as u64).saturating_mul(1_000_000) / rate.max(1)
    }
}

impl Default for Links {
    /// Between 5 and 20 ms, no faults.
    fn default() -> Self {
        Self::good(Latency::Between(Duration::from_millis(5), Duration::from_millis(20)))
    }
}

/// A set of nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group(Vec<bool>);

impl Group {
    /// Whether this node is in it.
    pub fn contains(&self, node: usize) -> bool {
        self.0.get(node).copied().unwrap_or(false)
    }
}

impl FromIterator<usize> for Group {
    fn from_iter<I: IntoIterator<Item = usize>>(nodes: I) -> Self {
        let mut group = Vec::new();
        for node in nodes {
            if node >= group.len() {
                group.resize(node + 1, false);
            }
            if let Some(slot) = group.get_mut(node) {
                *slot = true;
            }
        }
        Self(group)
    }
}

impl<const N: usize> From<[usize; N]> for Group {
    fn from(nodes: [usize; N]) -> Self {
        nodes.into_iter().collect()
    }
}

/// No message passes from one group to the other. One way: two of them make a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Messages from these
    pub from: Group,
    /// do not reach these.
    pub to: Group,
}

impl Cut {
    pub(crate) fn stops(&self, from: usize, to: usize) -> bool {
        self.from.contains(from) && self.to.contains(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_have_a_direction() {
        let cut = Cut { from: [0, 2].into(), to: [1].into() };
        assert!(cut.stops(0, 1) && cut.stops(2, 1));
        assert!(!cut.stops(1, 0) && !cut.stops(0, 2) && !cut.stops(9, 1));
    }

    #[test]
    fn bandwidth_is_bytes_a_second() {
        let links = Links { bandwidth: Some(1_000_000), ..Links::default() };
        assert_eq!(links.occupies(2_000), 2_000);
        assert_eq!(Links::default().occupies(2_000), 0);
    }
}
