//! Sizes, and what happens beyond what the protocol stands.

use cpchain_consensus::{
    Height,
    lbft::{Kind, Message},
    sim::{Failure, Links, Nemesis, Passing, Scenario, Violation, actors},
};

use crate::{calm, core, heals, ms, run_until, up_to};

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

/// Of two proposers one floods its heights with the largest blocks, with a false impeacher and a crash beside it: no honest node
/// ever holds more than its share of them, and the chain goes on.
#[test]
fn held_bytes_are_bounded_and_the_chain_goes_on() {
    let mut world = calm(3, 4, 2, 1)
        .byzantine(5, || Box::<actors::BulkyProposer>::default())
        .byzantine(0, || Box::<actors::FalseImpeacher>::default())
        .at(ms(2_000), Nemesis::Crash { node: 2, down: ms(1_000) })
        .world()
        .unwrap();
    let mut most = 0;
    for tenth in 1..=100 {
        run_until(&mut world, tenth * 100);
        let held = (0..world.nodes()).filter(|node| world.is_honest(*node)).filter_map(|node| world.core(node));
        most = held.map(|core| core.held_bytes()).max().unwrap_or_default().max(most);
    }
    println!("{most} bytes at most");
    assert!(most > 4 << 20, "the flood arrives: {most}");
    assert!(most < 10 << 20, "8 MiB of one proposer, and what others sealed: {most}");
    let reached = world.judge().final_height();
    assert!(reached > Height(10), "{reached}");
    heals(&mut world, reached);
}

/// Forty validators, of which a third is Byzantine in every way that there is and proposers equivocate, on links that lose: what
/// each tells a few of reaches all.
#[test]
fn large_committees_lose_no_liveness() {
    for seed in 0..3 {
        let mut scenario =
            Scenario::new(seed).members(31, 4, 2).links(Links { loss: 300, ..up_to(60) }).goal(12, ms(60_000));
        for (member, actor) in actors::VALIDATORS.iter().cycle().take(10).enumerate() {
            scenario = scenario.byzantine(member * 3, *actor);
        }
        scenario = scenario.byzantine(31, || Box::new(actors::EquivocatingProposer));
        scenario.run().unwrap();
    }
}

/// Sixteen of thirty-one validators get no votes at all for ten seconds, only certificates and blocks: they go on with the others.
#[test]
fn a_certificate_that_one_node_has_reaches_all() {
    let deaf = |p: Passing<'_>| p.to >= 16 || !matches!(p.message, Message::Vote(vote) if vote.kind == Kind::Prepare);
    let mut world = calm(5, 31, 2, 0).retry(ms(60_000)).filter(deaf).world().unwrap();
    run_until(&mut world, 10_000);
    let heights: Vec<_> = (0..31).map(|node| core(&world, node).height().0).collect();
    let (low, high) = (heights.iter().min().unwrap(), heights.iter().max().unwrap());
    assert!(*high > 15 && high - low <= 1, "{heights:?}");
    assert_eq!(world.judge().impeached(), 0);
}

/// A follower of thirty-one validators hears of every height, and not from all of them.
#[test]
fn few_validators_publish_what_all_have() {
    use std::sync::{Arc, Mutex};
    let heard: Arc<Mutex<std::collections::BTreeMap<Height, std::collections::BTreeSet<usize>>>> = Arc::default();
    let notes = heard.clone();
    let mut world = calm(5, 31, 2, 1)
        .filter(move |p| {
            if let Message::Certificate(certificate) = p.message
                && (certificate.kind, p.to) == (Kind::Commit, 33)
                && p.from < 31
            {
                notes.lock().unwrap().entry(certificate.height).or_default().insert(p.from);
            }
            true
        })
        .world()
        .unwrap();
    run_until(&mut world, 10_000);
    let final_height = core(&world, 33).final_height();
    assert!(final_height > Height(15), "{final_height}");
    let heard = heard.lock().unwrap();
    let counts: Vec<_> =
        (1..final_height.0).map(|height| heard.get(&Height(height)).map_or(0, |from| from.len())).collect();
    // Eight, and now and then the answer to a pull.
    assert!(counts.iter().all(|count| (1..=10).contains(count)), "{counts:?}");
}
