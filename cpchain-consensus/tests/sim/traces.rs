//! The traces that showed which rules a literal reading of the paper lacks: each must heal here.

use cpchain_consensus::{
    Height, Term,
    lbft::{Kind, Message, State},
    sim::{Nemesis, Scenario, World, actors},
};

use crate::{calm, carries, core, heals, is_proposal, is_vote, ms, run_until, up_to};

/// Validators 0 and 1 PREPARE; validator 3 shows its PREPARE to 0 alone, and is silent after `until`; validator 2 does
/// not see the proposal. So 0 alone has the P-certificate of height 1, COMMITs, and may no longer ask to impeach; 1 and 2
/// are too few to. What 0 sends of certificates is lost until then.
fn only_one_holds_the_certificate(until: u64) -> Scenario {
    calm(1, 4, 3, 0).filter(move |p| {
        let early = p.now < ms(until);
        let hidden = p.from == 3 && !(p.to == 0 && is_vote(p.message, Kind::Prepare, 1) && early);
        let unseen = p.to == 2 && is_proposal(p.message, 1) && early;
        let lost = p.from == 0 && carries(p.message, Kind::Prepare, 1) && early;
        !(hidden || unseen || lost)
    })
}

#[test]
fn l1_certificates_survive_a_crash() {
    let scenario = only_one_holds_the_certificate(1_500);
    let mut world = scenario.at(ms(700), Nemesis::Crash { node: 0, down: ms(900) }).world().unwrap();
    run_until(&mut world, 600);
    assert_eq!(core(&world, 0).state(Height(1)), State::Commit);
    assert_eq!([core(&world, 1).height(), core(&world, 2).height()], [Height(1); 2]);
    run_until(&mut world, 800);
    assert!(world.core(0).is_none(), "it is down");
    run_until(&mut world, 1_700);
    assert!(core(&world, 0).height() >= Height(2), "its certificate came back from the log");
    heals(&mut world, Height(1));
}

#[test]
fn l3_a_lost_certificate_is_sent_again() {
    let mut world = only_one_holds_the_certificate(1_500).world().unwrap();
    run_until(&mut world, 1_400);
    assert_eq!([core(&world, 1).height(), core(&world, 2).height()], [Height(1); 2]);
    heals(&mut world, Height(1));
}

/// Heights pass by P-certificates alone while validator 2 is away; then 3 falls silent and 2 comes back heights behind.
#[test]
fn l4_a_certificate_of_a_later_height_jumps() {
    let scenario = calm(2, 4, 3, 0).filter(|p| {
        let early = p.now < ms(2_000);
        let commit = matches!(p.message, Message::Vote(vote) if vote.kind == Kind::Commit);
        let away = [p.from, p.to].contains(&2) && early;
        let silent = p.from == 3 && !early;
        !(away || silent || early && commit)
    });
    let mut world = scenario.world().unwrap();
    run_until(&mut world, 1_990);
    let ahead = core(&world, 0).height();
    assert!(ahead >= Height(3), "{ahead}");
    assert_eq!((core(&world, 2).height(), core(&world, 0).final_height()), (Height(1), Height::GENESIS));
    run_until(&mut world, 2_600);
    assert!(core(&world, 2).height() >= ahead);
    assert!(core(&world, 2).state(Height(2)) == State::Idle || core(&world, 2).final_height() >= Height(2));
    heals(&mut world, ahead);
}

/// Two validators time out a little too early at every height, after their PREPARE: no impeach certificate, no
/// C-certificate, and the heights pass. The timer must grow with the distance from the last final height.
#[test]
fn l5_timers_grow_while_nothing_is_final() {
    let mut farthest = 0;
    for seed in 0..10 {
        let scenario = calm(seed, 4, 3, 0)
            .links(up_to(60))
            .timeout_of(0, ms(190))
            .timeout_of(1, ms(190))
            .byzantine(3, || Box::new(actors::Silent));
        let mut world = scenario.world().unwrap();
        let lowest = |world: &World| (0..3).filter_map(|node| world.core(node)).map(|c| c.final_height()).min();
        while lowest(&world) < Some(Height(6)) {
            assert!(world.now() < ms(60_000), "seed {seed}: timers that never grow stop the chain");
            world.run_until(world.now() + ms(50)).unwrap();
            farthest = farthest.max(core(&world, 0).height().0 - 1 - core(&world, 0).final_height().0);
        }
    }
    assert!(farthest >= 3, "the scenario must reach heights without finality: {farthest}");
}

/// The P-certificate comes before the block, and the timer would run out while the block is fetched: the validator enters
/// the next height at once and COMMITs at the lower one when the block is here.
#[test]
fn l7_commit_waits_for_the_block_and_not_for_the_timer() {
    let scenario = calm(4, 4, 3, 0)
        .byzantine(5, || Box::new(actors::Silent))
        .byzantine(6, || Box::new(actors::Silent))
        .filter(|p| {
            let block = matches!(p.message, Message::Propose(_) | Message::Block(_));
            let unseen = p.to == 2 && block && p.now < ms(2_500);
            let gone = p.from == 3 && !is_vote(p.message, Kind::Prepare, 1);
            !(unseen || gone)
        });
    let mut world = scenario.world().unwrap();
    run_until(&mut world, 1_000);
    assert!(core(&world, 2).height() >= Height(2), "it left height 1 without the block");
    assert_eq!(core(&world, 2).state(Height(1)), State::Idle);
    assert_eq!(core(&world, 0).final_height(), Height::GENESIS);
    run_until(&mut world, 4_000);
    assert!(core(&world, 0).final_height() >= Height(1), "the late COMMIT completes the C-certificate");
    assert!(!world.judge().certified(Term(0), Height(1), Kind::ImpeachPrepare));
}

/// Validator 0 alone gets a quorum of PREPAREs, the others time out. A P-certificate and an impeach certificate at one
/// height: normal, and the next proposer may stand on either.
#[test]
fn both_certificates_at_one_height() {
    let mut stood_on = [0; 2];
    for seed in 0..20 {
        let scenario = calm(seed, 4, 3, 0).filter(|p| {
            let early = p.now < ms(1_500);
            let hidden = (p.from == 3 && p.to != 0 || p.to == 3) && is_vote(p.message, Kind::Prepare, 1);
            let unseen = p.to == 2 && is_proposal(p.message, 1);
            let lost = p.from == 0 && carries(p.message, Kind::Prepare, 1);
            !(early && (hidden || unseen || lost))
        });
        let mut world = scenario.world().unwrap();
        run_until(&mut world, 1_600);
        let certified = |kind| world.judge().certified(Term(0), Height(1), kind);
        assert!(certified(Kind::Prepare) && certified(Kind::ImpeachPrepare), "seed {seed}");
        heals(&mut world, Height(1));
        assert_eq!(world.statistics().evidence, 0, "PREPARE with IMPEACH PREPARE is normal");
        stood_on[usize::from(world.judge().impeached() > 0)] += 1;
    }
    assert!(stood_on[1] > 0, "some successor skips height 1: {stood_on:?}");
}

/// Everyone is cut off for long, while the chain goes on for the others: catching up is by ranges, in order, bounded.
#[test]
fn a_late_follower_catches_up() {
    let scenario = calm(5, 4, 3, 1).pause(ms(20)).filter(|p| p.now > ms(20_000) || ![p.from, p.to].contains(&7));
    let mut world = scenario.world().unwrap();
    run_until(&mut world, 20_000);
    let (behind, ahead) = (core(&world, 7).final_height(), core(&world, 0).final_height());
    assert!(behind == Height::GENESIS && ahead > Height(150), "{ahead}");
    run_until(&mut world, 26_000);
    assert!(core(&world, 7).final_height() > ahead, "{} of {ahead}", core(&world, 7).final_height());
}

/// A whole term passes without a final block: its heights are impeached or prepared, and COMMITs are lost. The old committee
/// goes on with closing heights, the first C-certificate there ends the term, and the next one, with another committee,
/// begins at the height after it.
#[test]
fn l6_a_term_without_a_final_block_ends_by_closing_heights() {
    for seed in 0..10 {
        let scenario = calm(seed, 4, 3, 2).changing_terms(5).filter(|p| {
            let commit = matches!(p.message, Message::Vote(vote) if vote.kind == Kind::Commit);
            !(p.now < ms(6_000) && commit)
        });
        let mut world = scenario.world().unwrap();
        run_until(&mut world, 6_000);
        assert_eq!(world.judge().final_height(), Height::GENESIS);
        assert!(core(&world, 0).height() > Height(6), "it is at a closing height: {}", core(&world, 0).height());
        assert_eq!(core(&world, 0).committee().term(), Term(0));
        heals(&mut world, Height(11));
        assert!(core(&world, 0).committee().term() >= Term(2));
    }
}

/// Ten terms of four heights whose committees change, with a validator that votes for everything and members that restart.
#[test]
fn many_terms_with_changing_committees() {
    for seed in 0..10 {
        let mut scenario = calm(seed, 4, 3, 3).changing_terms(4).quiet_at(ms(9_000)).pause(ms(60));
        for round in 0..8 {
            let node = ((seed + 3 * round) % 10) as usize;
            scenario = scenario.at(ms(300 + 1_000 * round), Nemesis::Crash { node, down: ms(600) });
        }
        let scenario = scenario.byzantine(1, || Box::<actors::EquivocatingValidator>::default()).goal(40, ms(90_000));
        let world = scenario.run().unwrap();
        assert!(core(&world, 0).committee().term() >= Term(9));
    }
}
