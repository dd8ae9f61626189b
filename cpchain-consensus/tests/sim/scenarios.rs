//! The traces that showed which rules a literal reading of the paper lacks: each must heal here.

use cpchain_consensus::{
    Height,
    lbft::{Kind, Message, State},
};

use crate::{
    byzantine::Behaviour,
    world::{Links, World, carries, is_vote},
};

fn proposal_at(message: &Message, height: u64) -> bool {
    matches!(message, Message::Propose(proposal) if proposal.block.height() == Height(height))
}

fn heals(world: &mut World, above: Height) {
    let goal = Height(above.0 + 3);
    let end = world.now + 30_000;
    while world.judge.finals().last().is_none_or(|block| block.height < goal) {
        assert!(world.now < end, "nothing final above {above} thirty seconds later");
        world.run_until(world.now + 100);
    }
}

/// Validators 0 and 1 PREPARE; validator 3 shows its PREPARE to 0 alone, and is silent after `until`; validator 2 does
/// not see the proposal. So 0 alone has the P-certificate of height 1, COMMITs, and may no longer ask to impeach; 1 and 2
/// are too few to. What 0 sends of certificates is lost until then.
fn only_one_holds_the_certificate(until: u64) -> World {
    let mut world = World::new(1, 4, 3, 0);
    world.filter = Some(Box::new(move |now, from, to, message| {
        let hidden = from == 3 && !(to == 0 && is_vote(message, Kind::Prepare, 1) && now < until);
        let unseen = to == 2 && proposal_at(message, 1) && now < until;
        let lost = from == 0 && carries(message, Kind::Prepare, 1) && now < until;
        !(hidden || unseen || lost)
    }));
    world.start();
    world
}

#[test]
fn l1_certificates_survive_a_crash() {
    let mut world = only_one_holds_the_certificate(1_500);
    world.run_until(600);
    assert_eq!(world.core(0).state(Height(1)), State::Commit);
    assert_eq!([world.core(1).height(), world.core(2).height()], [Height(1); 2]);
    world.crash_at(700, 0, 900);
    world.run_until(1_700);
    assert!(world.core(0).height() >= Height(2), "its certificate came back from the log");
    heals(&mut world, Height(1));
}

#[test]
fn l3_a_lost_certificate_is_sent_again() {
    let mut world = only_one_holds_the_certificate(1_500);
    world.run_until(1_400);
    assert_eq!([world.core(1).height(), world.core(2).height()], [Height(1); 2]);
    heals(&mut world, Height(1));
}

/// Heights pass by P-certificates alone while validator 2 is away; then 3 falls silent and 2 comes back heights behind.
#[test]
fn l4_a_certificate_of_a_later_height_jumps() {
    let mut world = World::new(2, 4, 3, 0);
    world.filter = Some(Box::new(|now, from, to, message| {
        let early = now < 2_000;
        let commit = matches!(message, Message::Vote(vote) if vote.kind == Kind::Commit);
        let away = [from, to].contains(&2) && early;
        let silent = from == 3 && !early;
        !(away || silent || early && commit)
    }));
    world.start();
    world.run_until(1_990);
    let ahead = world.core(0).height();
    assert!(ahead >= Height(3), "{ahead}");
    assert_eq!((world.core(2).height(), world.core(0).final_height()), (Height(1), Height::GENESIS));
    world.run_until(2_600);
    assert!(world.core(2).height() >= ahead);
    assert!(world.core(2).state(Height(2)) == State::Idle || world.core(2).final_height() >= Height(2));
    heals(&mut world, ahead);
}

/// Two validators time out a little too early at every height, after their PREPARE: no impeach certificate, no
/// C-certificate, and the heights pass. The timer must grow with the distance from the last final height.
#[test]
fn l5_timers_grow_while_nothing_is_final() {
    let mut farthest = 0;
    for seed in 0..10 {
        let mut world = World::new(seed, 4, 3, 0);
        world.links = Links { delay: 60, loss: 0, twice: 0 };
        (world.members[0].timeout, world.members[1].timeout) = (190, 190);
        world.members[3].behaviour = Behaviour::Silent;
        world.start();
        while world.lowest_honest_final(3) < Height(6) {
            assert!(world.now < 60_000, "seed {seed}: timers that never grow stop the chain");
            world.run_until(world.now + 50);
            farthest = farthest.max(world.core(0).height().0 - 1 - world.core(0).final_height().0);
        }
    }
    assert!(farthest >= 3, "the scenario must reach heights without finality: {farthest}");
}

/// The P-certificate comes before the block, and the timer would run out while the block is fetched: the validator enters
/// the next height at once and COMMITs at the lower one when the block is here.
#[test]
fn l7_commit_waits_for_the_block_and_not_for_the_timer() {
    let mut world = World::new(4, 4, 3, 0);
    (world.members[5].behaviour, world.members[6].behaviour) = (Behaviour::Silent, Behaviour::Silent);
    world.filter = Some(Box::new(|now, from, to, message| {
        let block = matches!(message, Message::Propose(_) | Message::Block(_));
        let unseen = to == 2 && block && now < 2_500;
        let gone = from == 3 && !is_vote(message, Kind::Prepare, 1);
        !(unseen || gone)
    }));
    world.start();
    world.run_until(1_000);
    assert!(world.core(2).height() >= Height(2), "it left height 1 without the block");
    assert_eq!(world.core(2).state(Height(1)), State::Idle);
    assert_eq!(world.core(0).final_height(), Height::GENESIS);
    world.run_until(4_000);
    assert!(world.core(0).final_height() >= Height(1), "the late COMMIT completes the C-certificate");
    assert!(world.judge.finals().next().is_some_and(|first| !first.impeached));
}

/// Validator 0 alone gets a quorum of PREPAREs, the others time out. A P-certificate and an impeach certificate at one
/// height: normal, and the next proposer may stand on either.
#[test]
fn both_certificates_at_one_height() {
    for seed in 0..10 {
        let mut world = World::new(seed, 4, 3, 0);
        world.filter = Some(Box::new(|now, from, to, message| {
            let early = now < 1_500;
            let hidden = (from == 3 && to != 0 || to == 3) && is_vote(message, Kind::Prepare, 1);
            let unseen = to == 2 && proposal_at(message, 1);
            let lost = from == 0 && carries(message, Kind::Prepare, 1);
            !(early && (hidden || unseen || lost))
        }));
        world.start();
        world.run_until(1_600);
        let certified = |kind| world.judge.certified.contains_key(&(Height(1), kind));
        assert!(certified(Kind::Prepare) && certified(Kind::ImpeachPrepare), "seed {seed}");
        heals(&mut world, Height(1));
        assert_eq!(world.evidence, 0, "PREPARE with IMPEACH PREPARE is normal");
    }
}

/// Everyone is cut off for long, while the chain goes on for the others: catching up is by ranges, in order, bounded.
#[test]
fn a_late_follower_catches_up() {
    let mut world = World::new(5, 4, 3, 1);
    world.pause = 20;
    world.filter = Some(Box::new(|now, from, to, _| now > 20_000 || ![from, to].contains(&7)));
    world.start();
    world.run_until(20_000);
    let (behind, ahead) = (world.core(7).final_height(), world.core(0).final_height());
    assert!(behind == Height::GENESIS && ahead > Height(150), "{ahead}");
    world.run_until(26_000);
    assert!(world.core(7).final_height() > ahead, "{} of {ahead}", world.core(7).final_height());
}

/// Five and seven validators: the quorum is n - f, and f silent ones change nothing.
#[test]
fn other_sizes_than_3f_plus_1() {
    for (validators, silent) in [(1, 0), (2, 0), (3, 0), (5, 1), (6, 1), (7, 2)] {
        let mut world = World::new(6, validators, 2, 0);
        for member in 0..silent {
            world.members[member].behaviour = Behaviour::Silent;
        }
        world.start();
        heals(&mut world, Height::GENESIS);
        assert!(world.judge.finals().all(|block| !block.impeached), "n = {validators}");
    }
}

/// With more than f silent nothing may become final, and nothing breaks.
#[test]
fn without_a_quorum_nothing_is_final() {
    let mut world = World::new(7, 4, 2, 0);
    (world.members[0].behaviour, world.members[1].behaviour) = (Behaviour::Silent, Behaviour::Silent);
    world.start();
    world.run_until(20_000);
    assert_eq!(world.judge.finals().count(), 0);
}
