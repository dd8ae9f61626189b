//! Sizes, and what happens beyond what the protocol stands.

use cpchain_consensus::{
    Height,
    sim::{Failure, Scenario, Violation, actors},
};

use crate::{calm, heals, ms, run_until};

/// Five and seven validators: the quorum is n - f, and f silent ones change nothing.
#[test]
fn other_sizes_than_3f_plus_1() {
    for (validators, silent) in [(1, 0), (2, 0), (3, 0), (5, 1), (6, 1), (7, 2)] {
        let mut scenario = calm(6, validators, 2, 0);
        for member in 0..silent {
            scenario = scenario.byzantine(member, || Box::new(actors::Silent));
        }
        let mut world = scenario.world().unwrap();
        heals(&mut world, Height::GENESIS);
        assert_eq!(world.judge().impeached(), 0, "n = {validators}");
    }
}

/// With more than f silent nothing may become final, and nothing breaks.
#[test]
fn without_a_quorum_nothing_is_final() {
    let silent = || -> Box<dyn actors::Actor> { Box::new(actors::Silent) };
    let mut world = calm(7, 4, 2, 0).byzantine(0, silent).byzantine(1, silent).world().unwrap();
    run_until(&mut world, 20_000);
    assert_eq!(world.judge().final_height(), Height::GENESIS);
}

/// Two equivocating validators of four, and proposers that equivocate, while the honest two do not hear each other: more than
/// `f`. The protocol cannot stand it, and the invariants must see that it did not.
#[test]
fn beyond_f_the_chain_forks_and_the_judge_sees_it() {
    let mut forks = 0;
    for seed in 0..40 {
        let outcome = Scenario::new(seed)
            .byzantine(0, || Box::<actors::EquivocatingValidator>::default())
            .byzantine(1, || Box::<actors::EquivocatingValidator>::default())
            .byzantine(4, || Box::new(actors::EquivocatingProposer))
            .byzantine(5, || Box::new(actors::EquivocatingProposer))
            .byzantine(6, || Box::new(actors::EquivocatingProposer))
            .partition(ms(0), ms(10_000), [2].into(), [3].into())
            .quiet_at(ms(10_000))
            .run();
        if let Err(Failure::Violation { violation, .. }) = outcome {
            let seen = matches!(
                violation,
                Violation::TwoCertified { .. }
                    | Violation::CommittedAndImpeached(_)
                    | Violation::Disagreement { .. }
                    | Violation::Fault { .. }
            );
            assert!(seen, "seed {seed}: {violation}");
            forks += 1;
        }
    }
    assert!(forks > 5, "{forks} of 40");
}

/// Progress is an invariant too: a network that stays cut does not pass.
#[test]
fn a_stalled_chain_is_a_failure() {
    let scenario = Scenario::new(1).filter(|p| p.from % 2 == p.to % 2).goal(5, ms(5_000));
    let Err(Failure::Violation { violation: Violation::Stalled { reached, goal, .. }, .. }) = scenario.run() else {
        panic!("it must stall")
    };
    assert!(reached < goal);
}

/// A seed is the whole run: traces are equal to the byte, and other seeds are other runs.
#[test]
fn the_same_seed_repeats_to_the_byte() {
    use cpchain_consensus::sim::Chaos;
    for kind in [Chaos::Small, Chaos::Everything] {
        for seed in [3, 77] {
            let run = |seed| Scenario::chaos(kind, seed).log().run().unwrap();
            let (a, b, other) = (run(seed), run(seed), run(seed + 1));
            assert_eq!(a.trace().lines(), b.trace().lines());
            assert!(a.trace().lines().len() > 100);
            assert_eq!(a.trace().digest(), b.trace().digest());
            assert_ne!(a.trace().digest(), other.trace().digest());
            // A readable trace changes nothing.
            assert_eq!(Scenario::chaos(kind, seed).run().unwrap().trace().digest(), a.trace().digest());
        }
    }
}
