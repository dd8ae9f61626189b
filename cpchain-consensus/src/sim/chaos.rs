//! Random scenarios: a seed chooses sizes, links, Byzantine members, twins and a schedule of faults.

use std::time::Duration;

use super::{
    actors,
    links::{Cut, Group, Latency, Links},
    random::Random,
    scenario::Scenario,
    schedule::Nemesis,
};

/// Which random scenarios a seed stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chaos {
    /// Four validators of which one may be Byzantine or run twice, three proposers of which two may be Byzantine, 20
    /// blocks, crashes, partitions: small, for many seeds.
    Small,
    /// One to ten validators, all fault kinds at once: loss, duplicates, reordering, one-way cuts, slow members, clocks,
    /// disks, crashes between outputs.
    Everything,
}

const MS: u64 = 1_000;

fn ms(count: u64) -> Duration {
    Duration::from_micros(count * MS)
}

impl Scenario {
    /// The scenario that this seed stands for.
    pub fn chaos(kind: Chaos, seed: u64) -> Self {
        let random = Random::new(seed ^ 0x0063_6861_6f73 ^ (kind as u64) << 56);
        match kind {
            Chaos::Small => small(random, seed),
            Chaos::Everything => everything(random, seed),
        }
    }
}

fn small(mut random: Random, seed: u64) -> Scenario {
    let quiet = 1_500;
    let mut scenario = Scenario::new(seed)
        .members(4, 3, 0)
        .timeout(ms(300), ms(5_000))
        .retry(ms(120))
        .pause(ms(20))
        .quiet_at(ms(quiet))
        .goal(20, Duration::from_secs(60));
    if random.chance(5_000) {
        let (low, high) = (random.between(1, 20), random.between(20, 150));
        let links = Links::good(Latency::Between(ms(low), ms(high)));
        let loss = random.below(2) as u32 * random.below(2_000) as u32;
        scenario = scenario.links(Links { loss, ..links }).at(ms(quiet), Nemesis::Links(Links::default()));
    }
    let bad = random.below(4) as usize;
    scenario = match random.below(8) {
        0 => scenario,
        1..=3 => twins(scenario, &mut random, bad, 7, quiet),
        _ => byzantine(scenario, &mut random, bad, actors::VALIDATORS),
    };
    for proposer in 4..6 {
        if random.chance(5_000) {
            scenario = byzantine(scenario, &mut random, proposer, actors::PROPOSERS);
        }
    }
    for _ in 0..random.below(4) {
        scenario = crash(scenario, &mut random, 7, quiet);
    }
    if random.chance(3_000) {
        scenario = scenario.at(ms(0), Nemesis::CrashBetween(random.between(1, 60) as u32));
    }
    for _ in 0..random.below(3) {
        scenario = split(scenario, &mut random, 7, quiet);
    }
    scenario
}

fn everything(mut random: Random, seed: u64) -> Scenario {
    let quiet = 4_000;
    let sizes = [1_usize, 2, 3, 4, 4, 4, 5, 6, 7, 7, 10];
    let validators = random.pick(&sizes).copied().unwrap_or(4);
    let proposers = random.between(2, 4) as usize;
    let followers = random.below(3) as usize;
    let members = validators + proposers + followers;
    let mut scenario = Scenario::new(seed)
        .members(validators, proposers, followers)
        .timeout(ms(random.between(400, 1_200)), ms(20_000))
        .retry(ms(random.between(100, 400)))
        .pause(ms(random.between(0, 150)))
        .sync(ms(random.below(12)))
        .links(links(&mut random))
        .quiet_at(ms(quiet))
        .goal(20, Duration::from_secs(180))
        .at(ms(quiet), Nemesis::Links(Links::default()));
    scenario = match random.below(4) {
        0 => scenario.changing_terms(random.between(1, 8)),
        1 => scenario.terms(random.between(1, 8)),
        _ => scenario,
    };
    if random.chance(3_000) {
        let (time, links) = (ms(random.below(quiet)), links(&mut random));
        scenario = scenario.at(time, Nemesis::Links(links));
    }
    let mut bad = random.below((validators as u64).saturating_sub(1) / 3 + 1) as usize;
    if bad > 0 && random.chance(2_500) {
        bad -= 1;
        scenario = twins(scenario, &mut random, bad, members, quiet);
    }
    for member in 0..bad {
        scenario = byzantine(scenario, &mut random, member, actors::VALIDATORS);
    }
    // At least one proposer stays honest.
    for proposer in validators..(validators + proposers).saturating_sub(1) {
        if random.chance(4_000) {
            scenario = byzantine(scenario, &mut random, proposer, actors::PROPOSERS);
        }
    }
    // Where followers take their turns as validators, this one could be one too many.
    if followers > 0 && random.chance(2_000) && !scenario.rotates {
        scenario = scenario.byzantine(members - 1, || Box::new(actors::LyingPeer));
    }
    if random.chance(4_000) {
        let (time, chance) = (ms(random.below(quiet)), random.between(1, 60) as u32);
        scenario = scenario.at(time, Nemesis::CrashBetween(chance));
    }
    for _ in 0..random.below(6) {
        let (time, node) = (ms(random.below(quiet)), random.below(members as u64) as usize);
        scenario = match random.below(7) {
            0 => crash(scenario, &mut random, members, quiet),
            1 => split(scenario, &mut random, members, quiet),
            2 => {
                let cut = Cut { from: half(&mut random, members), to: half(&mut random, members) };
                scenario.at(time, Nemesis::Cut(cut))
            }
            3 => scenario.at(time, Nemesis::Slow { node, by: ms(random.below(600)) }),
            4 => {
                let by = i64::try_from(random.below(20_000 * MS)).unwrap_or(0) - 5_000_000;
                scenario.at(time, Nemesis::ClockJump { node, by })
            }
            5 => {
                let parts_per_million = random.below(1_400_000) as i32 - 700_000;
                scenario.at(time, Nemesis::ClockDrift { node, parts_per_million })
            }
            _ => scenario.at(time, Nemesis::DiskFails { node, down: ms(random.below(2_000)) }),
        };
    }
    scenario
}

fn links(random: &mut Random) -> Links {
    let (low, high) = (random.between(1, 60), random.between(60, 400));
    Links {
        latency: Latency::Between(ms(low), ms(high)),
        loss: random.below(2) as u32 * random.below(3_000) as u32,
        duplicate: random.below(2) as u32 * random.below(2_000) as u32,
        reorder: random.below(2) as u32 * random.below(1_000) as u32,
        bandwidth: random.chance(2_000).then(|| random.between(100_000, 2_000_000)),
    }
}

fn byzantine(scenario: Scenario, random: &mut Random, member: usize, list: &[actors::MakeActor]) -> Scenario {
    match random.pick(list) {
        Some(actor) => scenario.byzantine(member, *actor),
        None => scenario,
    }
}

/// Two copies of a member; for a time each hears one side of the network, and sides change.
fn twins(scenario: Scenario, random: &mut Random, member: usize, members: usize, quiet: u64) -> Scenario {
    let mut scenario = scenario.twin(member);
    let mut time = 0;
    while time < quiet {
        let sides = random.next();
        let on = |side: u64, copy: usize| -> Group {
            let others = (0..members).filter(|node| *node != member && sides >> node & 1 == side);
            others.chain([copy]).collect()
        };
        let (one, other) = (on(0, member), on(1, members));
        let next = time + random.between(200, 1_500);
        // The honest hear each other in some rounds, so that the chain goes on while the twins contradict each other.
        scenario = if random.chance(5_000) {
            scenario.partition(ms(time), ms(next.min(quiet)), one, other)
        } else {
            let cut = |a: &Group, b: usize| {
                [
                    Nemesis::Cut(Cut { from: a.clone(), to: [b].into() }),
                    Nemesis::Cut(Cut { from: [b].into(), to: a.clone() }),
                ]
            };
            let cuts = cut(&other, member).into_iter().chain(cut(&one, members));
            let cutting = cuts.fold(scenario, |scenario, fault| scenario.at(ms(time), fault));
            cutting.at(ms(next.min(quiet)), Nemesis::Mend)
        };
        time = next + 1;
    }
    scenario
}

fn crash(scenario: Scenario, random: &mut Random, members: usize, quiet: u64) -> Scenario {
    let (node, time, down) = (random.below(members as u64) as usize, random.below(quiet), random.below(quiet / 2));
    scenario.at(ms(time), Nemesis::Crash { node, down: ms(down) })
}

fn split(scenario: Scenario, random: &mut Random, members: usize, quiet: u64) -> Scenario {
    let sides = random.next();
    let on = |side: u64| -> Group { (0..members).filter(|node| sides >> node & 1 == side).collect() };
    let from = random.below(quiet);
    let to = (from + random.below(quiet)).min(quiet);
    scenario.partition(ms(from), ms(to), on(0), on(1))
}

fn half(random: &mut Random, members: usize) -> Group {
    let sides = random.next();
    (0..members).filter(|node| sides >> node & 1 == 1).collect()
}
