//! The judge of a run: reads what honest gateways decided, and knows neither the rule nor the program.

use std::collections::{BTreeMap, BTreeSet};

use cpchain_consensus::Height;
use cpchain_crypto::{Digest, PublicKey};

use super::{
    application::Notice,
    crossing::{Arm, Movement, Turn},
    rule::Event,
};

/// The quadrants of each movement and the arm by which it leaves, written out by hand.
const WAYS: [(Arm, Turn, &[&str]); 12] = [
    (Arm::South, Turn::Right, &["from S", "SE", "to E"]),
    (Arm::South, Turn::Straight, &["from S", "SE", "NE", "to N"]),
    (Arm::South, Turn::Left, &["from S", "SE", "NE", "NW", "to W"]),
    (Arm::East, Turn::Right, &["from E", "NE", "to N"]),
    (Arm::East, Turn::Straight, &["from E", "NE", "NW", "to W"]),
    (Arm::East, Turn::Left, &["from E", "NE", "NW", "SW", "to S"]),
    (Arm::North, Turn::Right, &["from N", "NW", "to W"]),
    (Arm::North, Turn::Straight, &["from N", "NW", "SW", "to S"]),
    (Arm::North, Turn::Left, &["from N", "NW", "SW", "SE", "to E"]),
    (Arm::West, Turn::Right, &["from W", "SW", "to S"]),
    (Arm::West, Turn::Straight, &["from W", "SW", "SE", "to E"]),
    (Arm::West, Turn::Left, &["from W", "SW", "SE", "NE", "to N"]),
];

fn crash(a: Movement, b: Movement) -> bool {
    let way = |m: Movement| WAYS.iter().find(|(from, turn, _)| (*from, *turn) == (m.from, m.turn)).map(|way| way.2);
    match (way(a), way(b)) {
        (Some(a), Some(b)) => a.iter().any(|part| b.contains(part)),
        _ => true,
    }
}

/// What it has seen.
#[derive(Debug, Clone, Default)]
pub struct Audit {
    /// By gateway: who has which slot and movement, and whether it is open.
    held: BTreeMap<PublicKey, BTreeMap<PublicKey, (u64, Movement, bool)>>,
    states: BTreeMap<Height, Digest>,
    heights: BTreeMap<PublicKey, Height>,
    /// Pairs of grants that cannot go together; none in a run that is safe.
    pub conflicts: u64,
    /// Gateways that came to another state than the first one at a height, or told heights out of order.
    pub disagreements: u64,
    /// Slots that silent vehicles lost, as the most advanced gateway tells it.
    pub lost: u64,
    seen_lost: BTreeMap<PublicKey, u64>,
}

impl Audit {
    /// Takes in what an honest gateway says.
    pub fn hear(&mut self, notice: &Notice) {
        let expected = self.heights.entry(notice.gateway).or_default();
        if notice.height != expected.next() {
            self.disagreements += 1;
        }
        *expected = notice.height;
        if *self.states.entry(notice.height).or_insert(notice.state) != notice.state {
            self.disagreements += 1;
        }
        let held = self.held.entry(notice.gateway).or_default();
        for (vehicle, event) in &notice.events {
            match event {
                Event::Granted { slot, movement, .. } => {
                    let with = held.values().filter(|(other, way, _)| other == slot && crash(*way, *movement));
                    self.conflicts += with.count() as u64;
                    self.conflicts += u64::from(held.insert(*vehicle, (*slot, *movement, false)).is_some());
                }
                Event::Opened => {
                    if let Some((_, _, open)) = held.get_mut(vehicle) {
                        *open = true;
                    }
                }
                Event::Entered => self.conflicts += u64::from(held.get(vehicle).is_none_or(|(_, _, open)| !open)),
                Event::Left => drop(held.remove(vehicle)),
                Event::Lost => {
                    held.remove(vehicle);
                    let lost = self.seen_lost.entry(notice.gateway).or_default();
                    *lost += 1;
                    self.lost = self.lost.max(*lost);
                }
                Event::Full => {}
            }
        }
        // All that may drive now, in whatever slot the rule says, must be able to.
        let open: BTreeSet<_> =
            held.iter().filter(|(_, place)| place.2).map(|(vehicle, place)| (*vehicle, place.1)).collect();
        for (vehicle, way) in &open {
            self.conflicts += open.iter().filter(|(other, with)| vehicle < other && crash(*way, *with)).count() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_by_hand_says_what_the_crossing_says() {
        for a in Movement::all() {
            for b in Movement::all() {
                assert_eq!(crash(a, b), a.conflicts(b), "{a} and {b}");
            }
        }
    }

    #[test]
    fn faults_are_seen() {
        let (gateway, a, b) = (PublicKey([1; 32]), PublicKey([2; 32]), PublicKey([3; 32]));
        let movement = Movement { from: Arm::South, turn: Turn::Left };
        let granted = |slot| Event::Granted { slot, movement, number: 1 };
        let notice = |gateway, height, state, events: &[(PublicKey, Event)]| Notice {
            gateway,
            height: Height(height),
            state: Digest([state; 32]),
            events: events.to_vec(),
        };
        let mut audit = Audit::default();
        audit.hear(&notice(
            gateway,
            1,
            1,
            &[(a, granted(1)), (b, granted(2)), (a, Event::Opened), (a, Event::Entered)],
        ));
        assert_eq!((audit.conflicts, audit.disagreements), (0, 0));
        let mut same = audit.clone();
        same.hear(&notice(gateway, 2, 1, &[(a, Event::Left), (a, granted(2))]));
        assert_eq!(same.conflicts, 1, "two in one slot");
        let mut both = audit.clone();
        both.hear(&notice(gateway, 2, 1, &[(b, Event::Opened)]));
        assert_eq!(both.conflicts, 1, "two slots open");
        let mut early = audit.clone();
        early.hear(&notice(gateway, 2, 1, &[(b, Event::Entered)]));
        assert_eq!(early.conflicts, 1, "drives before its slot");
        audit.hear(&notice(PublicKey([9; 32]), 1, 2, &[]));
        assert_eq!(audit.disagreements, 1, "another state");
    }
}
