//! Cores that leave a rule out, in the same random scenarios: the invariants must find each, or the sweeps prove little.

use cpchain_consensus::{
    lbft::Rule,
    sim::{Chaos, Failure, Scenario, Violation},
};

/// The first seed below `seeds` in which the mutant breaks an invariant.
fn found(seeds: u64, mutant: impl Fn(Scenario) -> Scenario) -> Option<(u64, Violation)> {
    (0..seeds).find_map(|seed| match mutant(Scenario::chaos(Chaos::Small, seed)).run() {
        Err(Failure::Violation { violation, .. }) => Some((seed, violation)),
        _ => None,
    })
}

/// [`Rule::OnePrepare`] is not among them: a second block under the seal impeaches at once, so that a core that would PREPARE it
/// too never gets there. Nor is [`Rule::CommitExcludesImpeach`]: it takes the timer of a height that was left, and a driver
/// with one timer has none. The model checker reaches both.
#[test]
fn safety_rules_are_missed() {
    for rule in [Rule::ParentCertified, Rule::SkippedImpeached, Rule::ImpeachExcludesCommit] {
        let outcome = found(3_000, |scenario| scenario.without(&[rule]));
        println!("without {rule:?}: {outcome:?}");
        let (_, violation) = outcome.expect("a seed finds the mutant");
        assert!(!matches!(violation, Violation::Stalled { .. }), "{rule:?} is about safety");
    }
}

/// The paper's number: f + 1 endorsements impeach.
#[test]
fn impeachment_by_f_plus_1_is_found() {
    let (seed, violation) = found(3_000, |scenario| scenario.quorums(3, 2)).expect("a seed finds the mutant");
    println!("impeachment by two of four: seed {seed}, {violation}");
}

/// A network that loses what is said once.
#[test]
fn certificates_that_are_sent_once_stall() {
    let (seed, violation) =
        found(3_000, |scenario| scenario.without(&[Rule::RepeatCertificates])).expect("a seed finds the mutant");
    println!("without repetition: seed {seed}, {violation}");
    assert!(matches!(violation, Violation::Stalled { .. }), "{violation}");
}
