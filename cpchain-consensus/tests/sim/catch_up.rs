//! Who was away catches up from several peers at once, whatever one of them does.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use cpchain_consensus::{
    Ancestors, Application, FinalBlock, Height, InvalidPayload,
    lbft::Message,
    sim::{Cut, Links, Nemesis, Scenario, actors},
};
use cpchain_crypto::Digest;

use crate::{core, ms, up_to};

/// The follower behind seven validators and two proposers.
const LATE: usize = 9;
const AWAY: u64 = 1_500;
/// Heights with large blocks.
const LARGE: u64 = 200;

/// Blocks of 40 KB, so that a range has 26 of them; then empty ones.
#[derive(Default)]
struct Filling {
    last: Height,
}

impl Application for Filling {
    fn submit(&mut self, _: Bytes) -> Result<(), InvalidPayload> {
        Ok(())
    }

    fn propose(&mut self, height: Height, _: Ancestors<'_>, room: usize) -> Bytes {
        let length = if height.0 <= LARGE { room.min(40_000) } else { 0 };
        vec![height.0 as u8; length].into()
    }

    fn verify(&mut self, _: Height, _: Ancestors<'_>, _: &Bytes) -> Result<(), InvalidPayload> {
        Ok(())
    }

    fn finalised(&mut self, block: &FinalBlock) -> Digest {
        self.last = block.height;
        block.digest
    }

    fn last_height(&self) -> Height {
        self.last
    }
}

/// Virtual milliseconds until the late one has what was final when it came back, and the ranges that each member sent it. Every
/// member sends two megabytes a second then, of eight that are to come.
fn race(bend: impl Fn(Scenario) -> Scenario) -> (u64, BTreeMap<usize, usize>) {
    let served: Arc<Mutex<BTreeMap<usize, usize>>> = Arc::default();
    let counts = served.clone();
    let others = || (0..LATE).collect();
    let scenario = Scenario::new(8)
        .members(7, 2, 1)
        .retry(ms(1_000))
        .pause(ms(0))
        .links(up_to(4))
        .application(|_| Box::<Filling>::default())
        .at(ms(0), Nemesis::Cut(Cut { from: others(), to: [LATE].into() }))
        .at(ms(AWAY), Nemesis::Mend)
        .at(ms(AWAY), Nemesis::Links(Links { bandwidth: Some(2_000_000), ..up_to(20) }))
        .filter(move |p| {
            if matches!(p.message, Message::Range(_)) && p.to == LATE {
                *counts.lock().unwrap().entry(p.from).or_default() += 1;
            }
            true
        });
    let mut world = bend(scenario).world().unwrap();
    world.run_until(ms(AWAY)).unwrap();
    let goal = world.judge().final_height();
    assert!(goal > Height(LARGE), "{goal}");
    while core(&world, LATE).final_height() < goal {
        world.run_until(world.now() + ms(20)).unwrap();
        assert!(world.now() < ms(AWAY + 60_000), "at {} of {goal}", core(&world, LATE).final_height());
    }
    let millis = world.now().as_millis() as u64 - AWAY;
    let served = served.lock().unwrap().clone();
    println!("{goal} blocks in {millis} ms: {served:?}");
    (millis, served)
}

#[test]
fn ranges_come_from_several_members() {
    let (millis, served) = race(|scenario| scenario);
    assert!(millis < 3_000, "one member alone would take four seconds: {millis} ms");
    let sum: usize = served.values().sum();
    assert!(served.len() >= 4, "{served:?}");
    assert!(served.values().all(|count| *count <= sum / 2), "{served:?}");
}

/// One of them is slow, one lies, one says nothing.
#[test]
fn slow_lying_and_silent_members_hold_nobody_up() {
    let (good, _) = race(|scenario| scenario);
    let slow = |scenario: Scenario| scenario.at(ms(AWAY), Nemesis::Slow { node: 2, by: ms(2_000) });
    let lying = |scenario: Scenario| scenario.byzantine(0, || Box::new(actors::LyingPeer));
    let silent = |scenario: Scenario| scenario.byzantine(1, || Box::new(actors::Silent));
    let (time, _) = race(|scenario| slow(lying(silent(scenario))));
    assert!(time < good + 3_000, "{time} ms, {good} with none of them");
}
