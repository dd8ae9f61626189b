//! Latencies between real places.

use super::random::Random;

/// Round trips between places: what a committee that is spread over the world pays.
#[derive(Debug)]
pub struct Regions {
    /// Where members are; member `i` is at place `i % places`.
    pub names: &'static [&'static str],
    /// Round trips in tenths of a millisecond, row by row.
    round_trips: &'static [&'static [u32]],
}

/// Ten AWS regions on six continents: medians (p50) of round trips between them over TCP as published by cloudping.co,
/// snapshot of 2025, mean of both directions.
pub static AWS: Regions = Regions {
    names: &[
        "us-east-2",
        "us-west-2",
        "sa-east-1",
        "eu-west-1",
        "eu-central-1",
        "af-south-1",
        "ap-south-1",
        "ap-southeast-1",
        "ap-northeast-1",
        "ap-southeast-2",
    ],
    round_trips: &[
        &[54, 508, 1257, 805, 1037, 2378, 2023, 2040, 1360, 1883],
        &[508, 32, 1746, 1184, 1426, 2741, 2222, 1606, 984, 1411],
        &[1257, 1746, 33, 1782, 2045, 3372, 3010, 3278, 2586, 3121],
        &[805, 1184, 1782, 32, 272, 1594, 1256, 1788, 2024, 2557],
        &[1037, 1426, 2045, 272, 40, 1553, 1291, 1608, 2273, 2515],
        &[2378, 2741, 3372, 1594, 1553, 45, 2728, 3154, 3573, 4088],
        &[2023, 2222, 3010, 1256, 1291, 2728, 32, 641, 1338, 1548],
        &[2040, 1606, 3278, 1788, 1608, 3154, 641, 37, 708, 948],
        &[1360, 984, 2586, 2024, 2273, 3573, 1338, 708, 28, 1064],
        &[1883, 1411, 3121, 2557, 2515, 4088, 1548, 948, 1064, 41],
    ],
};

impl Regions {
    /// Half a round trip between the places of two members, in microseconds.
    pub fn one_way(&self, from: usize, to: usize) -> u64 {
        let places = self.names.len().max(1);
        let row = self.round_trips.get(from % places);
        let trip = row.and_then(|row| row.get(to % places)).copied().unwrap_or(0);
        u64::from(trip) * 50
    }

    /// One way with up to `percent` on top.
    pub(crate) fn sample(&self, from: usize, to: usize, percent: u32, random: &mut Random) -> u64 {
        let base = self.one_way(from, to);
        base + random.below(base.saturating_mul(u64::from(percent)) / 100 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_square_and_symmetric() {
        let places = AWS.names.len();
        assert_eq!(AWS.round_trips.len(), places);
        for from in 0..places {
            assert_eq!(AWS.round_trips[from].len(), places);
            for to in 0..places {
                assert_eq!(AWS.one_way(from, to), AWS.one_way(to, from), "{from} {to}");
                assert!(AWS.one_way(from, to) >= AWS.one_way(from, from), "{from} {to}");
            }
        }
        // Ohio to Tokyo: 136 ms and back.
        assert_eq!(AWS.one_way(0, 8), 68_000);
    }
}
