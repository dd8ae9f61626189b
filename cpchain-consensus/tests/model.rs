//! The rules hold in every state that the model checker reaches, and each rule that is left out is missed.
//! Run with `--release`: `cargo test --release -p cpchain-consensus --no-default-features --features model --test model`.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;

use cpchain_consensus::{
    lbft::Rule,
    model::{
        Counts, Found, Machine, Quotient, Setup, Start, VoteRules, Votes, boundary_mutants, core_mutants, early_starts,
        literal_readings, search, vote_mutants,
    },
};

const LIMIT: usize = 50_000_000;
const NORMAL: &str = "certified and impeached, which is normal";
const DEAD_END: &str = "the old term ends with nothing final";
const USED_UP: &str = "all heights used up and nothing final";

fn holds(name: &str, found: &Found) {
    let broken: Vec<_> = found.traces.iter().filter(|(property, _)| !found.normal.contains(property)).collect();
    assert!(found.complete && broken.is_empty(), "{name}: {found}\n{broken:#?}");
}

#[test]
fn votes_never_fork() {
    for (n, byzantine, states) in [(4, 1, 21_604), (4, 0, 61_883), (5, 1, 61_883)] {
        let found = search(Counts::new(VoteRules::new(n, byzantine), 3), LIMIT);
        holds(&format!("n = {n}"), &found);
        // Found by an independent program as well.
        assert_eq!(found.states, states);
        assert!(found.trace(NORMAL).is_some(), "both certificates at one height must be reached");
    }
}

#[test]
fn counting_voters_is_an_exact_quotient() {
    for byzantine in [0, 1] {
        let rules = VoteRules::new(4, byzantine);
        let (counted, explicit) = (Counts::new(rules.clone(), 2).reached(), Votes::new(rules, 2).reached());
        assert!(counted.len() > 200);
        assert_eq!(counted, explicit);
    }
}

#[test]
fn every_mutant_of_the_votes_forks() {
    for (name, rules) in vote_mutants(1) {
        let found = search(Votes::new(rules, 2), LIMIT);
        assert!(found.trace("no fork").is_some(), "{name}: {found}");
    }
    // With exclusion, f+1 is safe until the first Byzantine validator: tests without one do not notice.
    let rules = VoteRules { impeach_quorum: 2, ..VoteRules::new(4, 0) };
    holds("f+1 without a Byzantine validator", &search(Votes::new(rules, 2), LIMIT));
}

#[test]
fn the_papers_rule_forks_in_seven_votes() {
    let found = search(Votes::new(VoteRules::paper(4, 1), 2), LIMIT);
    let trace = found.trace("no fork").unwrap();
    assert_eq!(trace.len(), 7 + 1, "{trace:#?}");
}

#[test]
fn two_terms_never_fork() {
    let rules = VoteRules { last_votes: false, ..VoteRules::new(4, 1) };
    for (last, closing, next) in [(1, 1, 2), (2, 1, 1)] {
        let model = Counts::two_terms(rules.clone(), last, closing, next, Start::FinalAtTheEnd);
        holds("two terms", &search(model, LIMIT));
    }
    for (name, start, last) in early_starts() {
        let found = search(Counts::two_terms(rules.clone(), last, 1, 1, start), LIMIT);
        assert!(found.trace("no fork").is_some(), "{name}: {found}");
    }
}

#[test]
fn l6_without_closing_heights_a_term_can_end_for_ever() {
    let rules = VoteRules { last_votes: false, ..VoteRules::new(4, 1) };
    let found = search(Counts::two_terms(rules, 1, 0, 1, Start::FinalAtTheEnd), LIMIT);
    assert!(found.complete && found.trace(DEAD_END).is_some());
    // The real core gets there too; from each such state the next height, which is then a closing one, becomes final.
    let model = Machine::new(Setup { timely_one_in: 1, ..Setup::new(4, 1) }).unwrap();
    let found = search(model, LIMIT);
    assert!(found.trace(USED_UP).is_some());
    holds("every state recovers", &found);
}

#[test]
fn the_core_never_forks_in_three_heights() {
    holds("n = 4", &search(Quotient::new(4, 1, 3).unwrap(), LIMIT));
    holds("n = 7", &search(Quotient::new(7, 2, 2).unwrap(), LIMIT));
}

#[test]
fn the_core_crosses_the_boundary_of_two_terms() {
    let base = Setup { timely_one_in: 100, ..Setup::boundary(1, 1, 1) };
    let restarts = Setup { timely_one_in: 1000, restarts: 1, ..base.clone() };
    for setup in [base, restarts] {
        let model = Quotient::of(setup).unwrap();
        let found = search(model.clone(), LIMIT);
        holds("two terms of the real core", &found);
        for reached in ["a closing height ends the term", "both terms vote at once"] {
            assert!(found.trace(reached).is_some(), "{reached}");
        }
        assert!(model.timely_runs() > 1000, "{}", model.timely_runs());
    }
}

#[test]
fn every_mutant_of_the_boundary_is_found() {
    for (name, setup, violated) in boundary_mutants() {
        let found = search(Quotient::of(setup).unwrap(), LIMIT);
        assert!(found.trace(violated).is_some(), "{name}: {found} {:#?}", found.traces);
    }
}

#[test]
fn f_plus_one_hand_overs_name_no_other_committee() {
    let mut setup = Setup::boundary(1, 1, 1);
    setup.next.as_mut().unwrap().handover_quorum = 2;
    let found = search(Quotient::of(setup).unwrap(), LIMIT);
    // Each proof has an honest HANDOVER then, and that names the right one.
    holds("f+1 HANDOVERs", &found);
}

#[test]
fn the_quotient_reaches_the_votes_that_the_core_reaches() {
    let wild = Setup { wild: true, restarts: 1, ..Setup::new(4, 1) };
    for (setup, heights) in [(Setup::new(4, 1), 1), (wild, 1), (Setup::new(4, 2), 2)] {
        let fine = Machine::new(setup).unwrap().votes_reached();
        let coarse = Quotient::new(4, 1, heights).unwrap().votes_reached();
        assert!(coarse.len() > 20 && fine.is_superset(&coarse));
        // A COMMIT that still waits for its block is one that the quotient has cast: its caster never asks to impeach there.
        let mut most: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for [prepares, commits, impeaches] in &coarse {
            most.entry((prepares, impeaches)).or_default().push(commits);
        }
        for [mut prepares, mut commits, impeaches] in fine {
            // The two blocks of height 1 are 1a and 1b in the order of their first votes; of those that come wild, either.
            if prepares.get(1) == Some(&0) && prepares.get(2) != Some(&0) {
                prepares.swap(1, 2);
                commits.swap(1, 2);
            }
            let covers = |more: &&Vec<u8>| more.iter().zip(&commits).all(|(more, less)| more >= less);
            let covered = most.get(&(&prepares, &impeaches)).is_some_and(|all| all.iter().any(covers));
            assert!(covered, "{heights} heights: {prepares:?} {commits:?} {impeaches:?}");
        }
    }
}

#[test]
fn every_state_recovers_in_a_timely_network() {
    let one = Setup { wild: true, restarts: 1, timely_one_in: 40, ..Setup::new(4, 1) };
    let two = Setup { timely_one_in: 200, ..Setup::new(4, 2) };
    for (setup, at_least) in [(one, 100), (two, 4_000)] {
        let model = Machine::new(setup).unwrap();
        holds("timely", &search(model.clone(), LIMIT));
        assert!(model.timely_runs() > at_least, "{}", model.timely_runs());
    }
}

#[test]
fn every_mutant_of_the_core_forks() {
    for (name, setup) in core_mutants() {
        let found = search(Machine::new(setup).unwrap(), LIMIT);
        assert!(found.trace("no fork").is_some(), "{name}: {found}");
    }
}

#[test]
fn two_prepares_make_two_certificates() {
    let setup = Setup { dropped: vec![Rule::OnePrepare], ..Setup::new(4, 1) };
    let found = search(Machine::new(setup).unwrap(), LIMIT);
    assert!(found.trace("one P-certificate a height").is_some(), "{found}");
}

#[test]
fn every_literal_reading_stops_the_chain() {
    for (name, setup) in literal_readings() {
        let found = search(Machine::new(setup).unwrap(), LIMIT);
        let trace = found.trace("a timely network recovers").unwrap_or_else(|| panic!("{name}: {found}"));
        assert!(trace.last().unwrap().ends_with("for ever"), "{trace:#?}");
    }
}

#[test]
fn validators_are_the_same_automaton_under_every_name() {
    let model = Machine::new(Setup { restarts: 1, ..Setup::new(4, 2) }).unwrap();
    search(model.clone(), 20_000);
    assert!(model.validator_states() > 100);
    assert!(model.same_under_every_name());
}
