use cpchain_consensus::ChainId;
use cpchain_crypto::{Signer, SigningKey};
use proptest::prelude::*;

use super::*;
use crate::vehicles::{Arm, Turn};

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn id(seed: u8) -> PublicKey {
    key(seed).public_key()
}

fn says(seed: u8, number: u64, say: Say) -> Message {
    Message::sign(ChainId::new("test", b""), &key(seed), number, say)
}

/// Vehicles 1 to 6, gateways 11 to 14.
fn junction() -> Junction {
    Junction::new(Rule { vehicles: (1..7).map(id).collect(), gateways: (11..15).map(id).collect(), patience: 3 })
}

fn movement(from: Arm, turn: Turn) -> Movement {
    Movement { from, turn }
}

fn ask(seed: u8, number: u64, from: Arm, turn: Turn) -> Message {
    says(seed, number, Say::Ask(movement(from, turn)))
}

#[test]
fn a_request_gets_the_first_slot_that_takes_it() {
    let mut junction = junction();
    let straight = |seed, from| ask(seed, 1, from, Turn::Straight);
    let asks = [straight(1, Arm::South), straight(2, Arm::East), straight(3, Arm::North), straight(4, Arm::West)];
    let events = junction.apply(Height(1), &asks);
    let slots: Vec<_> = events
        .iter()
        .filter_map(|(vehicle, event)| match event {
            Event::Granted { slot, .. } => Some((*vehicle, *slot)),
            _ => None,
        })
        .collect();
    assert_eq!(slots, [(id(1), 1), (id(2), 2), (id(3), 1), (id(4), 2)], "opposite movements share a slot");
    let opened: BTreeSet<_> = events.iter().filter(|(_, e)| *e == Event::Opened).map(|(v, _)| *v).collect();
    assert_eq!(opened, [id(1), id(3)].into());
    // Nobody joins the open slot.
    assert!(matches!(
        junction.apply(Height(2), &[ask(5, 1, Arm::South, Turn::Right)])[..],
        [(_, Event::Granted { slot: 3, .. })]
    ));
    // A second request while there is a place changes nothing.
    assert_eq!(junction.apply(Height(3), &[ask(5, 2, Arm::West, Turn::Right)]), []);
    assert_eq!(junction.apply(Height(4), &[says(2, 2, Say::Enter)]), [], "its slot is not open");
    let events = junction.apply(Height(5), &[says(1, 2, Say::Leave), says(3, 2, Say::Leave), says(2, 3, Say::Renew)]);
    assert_eq!(events[..2], [(id(1), Event::Left), (id(3), Event::Left)]);
    assert!(events.contains(&(id(2), Event::Opened)));
}

#[test]
fn slots_are_bounded() {
    let vehicles: Vec<_> = (0..=64).map(|seed| SigningKey::from_seed(&[100 + seed; 32])).collect();
    let rule =
        Rule { vehicles: vehicles.iter().map(Signer::public_key).collect(), gateways: [id(11)].into(), patience: 100 };
    let (mut junction, chain) = (Junction::new(rule), ChainId::new("test", b""));
    let asks: Vec<_> =
        vehicles.iter().map(|key| Message::sign(chain, key, 1, Say::Ask(movement(Arm::South, Turn::Left)))).collect();
    let events = junction.apply(Height(1), &asks);
    assert_eq!(events.iter().filter(|(_, event)| matches!(event, Event::Granted { .. })).count(), 64);
    assert_eq!(events.iter().filter(|(_, event)| *event == Event::Full).count(), 1);
}

#[test]
fn a_silent_vehicle_loses_its_slot() {
    let mut junction = junction();
    let asks = [ask(1, 1, Arm::South, Turn::Left), ask(2, 1, Arm::West, Turn::Straight)];
    junction.apply(Height(1), &asks);
    for height in 2..=4 {
        assert_eq!(junction.apply(Height(height), &[says(2, height, Say::Renew)]), []);
    }
    let events = junction.apply(Height(5), &[]);
    assert_eq!(events, [(id(1), Event::Lost), (id(2), Event::Opened)]);
    assert_eq!(junction.apply(Height(6), &[says(1, 2, Say::Enter)]), [], "too late");
}

#[test]
fn a_silent_vehicle_in_the_crossing_keeps_it_shut() {
    let mut junction = junction();
    junction.apply(Height(1), &[ask(1, 1, Arm::South, Turn::Left)]);
    assert_eq!(junction.apply(Height(2), &[says(1, 2, Say::Enter)]), [(id(1), Event::Entered)]);
    junction.apply(Height(3), &[ask(2, 1, Arm::West, Turn::Straight), says(11, 1, Say::Clear(id(1)))]);
    let renewed = |height| [says(2, height, Say::Renew)];
    assert_eq!(junction.apply(Height(6), &renewed(6)), []);
    // One gateway may lie, and a vehicle is no gateway.
    assert_eq!(junction.apply(Height(7), &[says(11, 2, Say::Clear(id(1))), says(3, 1, Say::Clear(id(1)))]), []);
    assert_eq!(junction.apply(Height(8), &[says(11, 3, Say::Clear(id(1)))]), []);
    let events = junction.apply(Height(9), &[says(12, 1, Say::Clear(id(1)))]);
    assert_eq!(events, [(id(1), Event::Lost), (id(2), Event::Opened)]);
}

#[test]
fn replays_and_strangers_change_nothing() {
    let mut junction = junction();
    let first = ask(1, 5, Arm::South, Turn::Left);
    junction.apply(Height(1), std::slice::from_ref(&first));
    junction.apply(Height(2), &[says(1, 6, Say::Leave)]);
    let before = junction.digest();
    assert_eq!(
        junction.apply(Height(3), &[first, ask(1, 6, Arm::East, Turn::Left), ask(9, 1, Arm::East, Turn::Left)]),
        []
    );
    assert_eq!(junction.digest(), before);
}

proptest! {
    #[test]
    fn no_two_conflicting_movements_share_a_slot(
        blocks in prop::collection::vec(prop::collection::vec((1u8..7, 0u8..5, 0usize..12), 0..6), 1..30)
    ) {
        let mut junction = junction();
        let mut number = 0;
        for (height, block) in (1..).zip(blocks) {
            let messages: Vec<_> = block
                .into_iter()
                .map(|(seed, kind, at)| {
                    number += 1;
                    let say = match kind {
                        0 | 1 => Say::Ask(Movement::all().nth(at).unwrap()),
                        2 => Say::Renew,
                        3 => Say::Enter,
                        _ => Say::Leave,
                    };
                    says(seed, number, say)
                })
                .collect();
            let mut other = junction.clone();
            junction.apply(Height(height), &messages);
            other.apply(Height(height), &messages);
            prop_assert_eq!(junction.digest(), other.digest());
            for vehicles in junction.slots.values() {
                prop_assert!(!vehicles.is_empty());
                for (a, one) in vehicles {
                    for (b, two) in vehicles {
                        prop_assert!(a == b || !one.movement.conflicts(two.movement));
                    }
                }
            }
            // Only vehicles of the open slot drive.
            for (slot, vehicles) in &junction.slots {
                prop_assert!(*slot == junction.opened || vehicles.values().all(|place| !place.inside));
            }
            prop_assert_eq!(junction.places.len(), junction.slots.values().map(BTreeMap::len).sum::<usize>());
        }
    }
}
