//! For which records a lookup shows the keepers.

use crate::network::records::Point;

/// Nodes that a lookup returns if there are so many.
const FOUND: usize = 20;

/// The last point of the region, around `of`, whose closest `replication` nodes are among those `found` by a lookup of `of`.
///
/// All nodes that have more bits in common with `of` than the furthest found one are found. If these are enough, they keep all
/// that has those bits in common.
pub(super) fn end(of: Point, found: &[Point], replication: usize) -> Point {
    if found.len() < FOUND {
        // That is the whole network.
        return Point(u128::MAX);
    }
    let common = |point: &Point| point.distance(of).leading_zeros();
    let shortest = found.iter().map(common).min().unwrap_or(0);
    let inside = found.iter().filter(|point| common(point) > shortest).count();
    // With too few inside, some keepers lie outside: those closest to `of`, and so to what has three more bits in common.
    let bits = if inside >= replication { shortest + 1 } else { shortest + 4 };
    Point(of.0 | u128::MAX.checked_shr(bits).unwrap_or(0))
}

/// The `count` nodes that keep what lies at a point.
pub(super) fn keepers(at: Point, nodes: &[Point], count: usize) -> Vec<usize> {
    let mut order: Vec<_> = nodes.iter().enumerate().map(|(index, node)| (node.distance(at), index)).collect();
    if order.len() > count && count > 0 {
        order.select_nth_unstable(count - 1);
        order.truncate(count);
    }
    order.into_iter().map(|(_, index)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(seed: u64, count: u64) -> Vec<Point> {
        let hash = |n: u64| blake3::hash(&(seed * 1_000_003 + n).to_le_bytes());
        (0..count).map(|n| Point::from_hash(hash(n).as_bytes())).collect()
    }

    #[test]
    fn a_region_has_its_keepers_among_the_found() {
        let (mut regions, mut wrong, mut asked) = (0, 0, 0);
        for seed in 0..20 {
            let nodes = points(seed, 300);
            let mut records = points(seed + 1000, 3000);
            records.sort_unstable();
            let mut at = 0;
            while let Some(first) = records.get(at) {
                let mut found = nodes.clone();
                found.sort_unstable_by_key(|node| node.distance(*first));
                found.truncate(FOUND);
                let end = end(*first, &found, 8);
                assert!(end >= *first);
                regions += 1;
                while at < records.len() && records[at] <= end {
                    let mut shown: Vec<_> = keepers(records[at], &found, 8).iter().map(|index| found[*index]).collect();
                    let mut right: Vec<_> = keepers(records[at], &nodes, 8).iter().map(|index| nodes[*index]).collect();
                    shown.sort_unstable();
                    right.sort_unstable();
                    wrong += right.iter().filter(|node| !shown.contains(node)).count();
                    asked += 8;
                    at += 1;
                }
            }
        }
        assert!(wrong * 200 < asked, "{wrong} of {asked} keepers were not found");
        assert!(regions < 20 * 80, "{regions} lookups for 20 times 3000 records");
    }

    #[test]
    fn a_small_network_is_one_region() {
        let nodes = points(1, 19);
        assert_eq!(end(Point(5), &nodes, 8), Point(u128::MAX));
        assert_eq!(keepers(Point(5), &nodes, 100).len(), 19);
        assert!(keepers(Point(5), &[], 8).is_empty());
    }
}
