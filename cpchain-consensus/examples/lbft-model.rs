//! Prints what the model checker finds: `cargo run --release -p cpchain-consensus --no-default-features --features model
//! --example lbft-model -- [paper|votes|mutants|boundary|core|literal|large|boundary-large]`;
//! without an argument all but the last two.
//!
//! `paper` prints the shortest fork that the white paper's literal rule allows, beside the search under the rules of this
//! project that finds none.

use std::process::ExitCode;

use cpchain_consensus::model::{
    Counts, Found, Machine, Quotient, Setup, Start, VoteRules, Votes, boundary_mutants, core_mutants, early_starts,
    literal_readings, search, vote_mutants,
};

const LIMIT: usize = 400_000_000;

fn show(name: &str, found: &Found) {
    let violated = |(name, _): &&(&str, Vec<String>)| !found.normal.contains(name);
    let broken: Vec<_> = found.traces.iter().filter(violated).collect();
    println!("{name}: {found}{}", if broken.is_empty() { ", every property holds" } else { "" });
    for (property, trace) in broken {
        println!("  violated: {property}");
        trace.iter().for_each(|line| println!("    {line}"));
    }
}

fn paper() {
    show("the paper's literal rule, n = 4, one Byzantine (V4)", &search(Votes::new(VoteRules::paper(4, 1), 2), LIMIT));
    show("the rules of this project, n = 4, one Byzantine", &search(Counts::new(VoteRules::new(4, 1), 2), LIMIT));
}

fn votes() {
    let sizes = [(4, 1, 3, true), (4, 0, 3, true), (4, 1, 4, false), (5, 1, 3, true), (6, 1, 3, true), (7, 2, 3, true)];
    for (n, byzantine, heights, last_votes) in sizes {
        let rules = VoteRules { last_votes, ..VoteRules::new(n, byzantine) };
        let found = search(Counts::new(rules, heights), LIMIT);
        show(&format!("votes, n = {n}, {byzantine} Byzantine, {heights} heights"), &found);
    }
}

fn mutants() {
    for (name, rules) in vote_mutants(1) {
        show(&format!("votes, {name}"), &search(Votes::new(rules, 2), LIMIT));
    }
    for (name, setup) in core_mutants() {
        core(&format!("real core, {name}"), setup);
    }
}

fn boundary() {
    let rules = VoteRules { last_votes: false, ..VoteRules::new(4, 1) };
    for (last, closing, next) in [(1, 0, 1), (1, 1, 2), (1, 2, 1), (2, 1, 1)] {
        let name = format!("two terms, L = {last}, {closing} closing heights, {next} of the next term");
        let found = search(Counts::two_terms(rules.clone(), last, closing, next, Start::FinalAtTheEnd), LIMIT);
        show(&name, &found);
    }
    for (name, start, last) in early_starts() {
        show(name, &search(Counts::two_terms(rules.clone(), last, 1, 1, start), LIMIT));
    }
    terms(Setup { timely_one_in: 100, ..Setup::boundary(1, 1, 1) });
    terms(Setup { timely_one_in: 1000, restarts: 1, ..Setup::boundary(1, 1, 1) });
    for (name, setup, _) in boundary_mutants() {
        let Some(model) = Quotient::of(setup) else { continue };
        show(&format!("real core, {name}"), &search(model, LIMIT));
    }
}

fn terms(setup: Setup) {
    let Some(next) = setup.next else { return };
    let (last, closing, heights, restarts) = (setup.heights, next.closing, next.heights, setup.restarts);
    let Some(model) = Quotient::of(setup) else { return };
    let found = search(model.clone(), LIMIT);
    let name = format!("real core, two terms, L = {last}, closing {closing}, next {heights}, restarts {restarts}");
    show(&name, &found);
    println!("  {} states of one validator, {} timely runs", model.validator_states(), model.timely_runs());
}

/// Minutes each.
fn boundary_large() {
    for (last, closing, next) in [(1, 2, 1), (1, 1, 2), (2, 1, 1)] {
        terms(Setup { timely_one_in: 5000, ..Setup::boundary(last, closing, next) });
    }
}

fn core(name: &str, setup: Setup) {
    let Some(model) = Machine::new(setup) else { return };
    let found = search(model.clone(), LIMIT);
    show(name, &found);
    println!("  {} states of one validator, {} timely runs", model.validator_states(), model.timely_runs());
}

fn cores() {
    let (one, two) = (Setup::new(4, 1), Setup::new(4, 2));
    let wild = Setup { wild: true, restarts: 1, timely_one_in: 20, ..one };
    core("real core, 1 height, everything at any time, one restart, a timely run from one state in 20", wild);
    core("real core, 2 heights, a timely run from one state in 100", Setup { timely_one_in: 100, ..two });
    quotient(4, 1, 3);
    quotient(7, 2, 2);
}

fn quotient(n: u8, byzantine: u8, heights: u8) {
    let Some(model) = Quotient::new(n, byzantine, heights) else { return };
    show(&format!("real core, n = {n}, {byzantine} Byzantine, {heights} heights"), &search(model, LIMIT));
}

fn large() {
    quotient(4, 0, 3);
    core("real core, 2 heights, a timely run from every state", Setup { timely_one_in: 1, ..Setup::new(4, 2) });
    let restarts = Setup { restarts: 1, timely_one_in: 100, ..Setup::new(4, 2) };
    core("real core, 2 heights, one restart, a timely run from one state in 100", restarts);
    quotient(7, 2, 3);
    quotient(4, 1, 4);
}

fn literal() {
    for (name, setup) in literal_readings() {
        core(name, setup);
    }
}

fn main() -> ExitCode {
    let groups: [(&str, fn()); 8] = [
        ("paper", paper),
        ("votes", votes),
        ("mutants", mutants),
        ("boundary", boundary),
        ("core", cores),
        ("literal", literal),
        ("large", large),
        ("boundary-large", boundary_large),
    ];
    let Some(wanted) = std::env::args().nth(1) else {
        groups.iter().filter(|(name, _)| !name.ends_with("large")).for_each(|(_, group)| group());
        return ExitCode::SUCCESS;
    };
    let Some((_, group)) = groups.iter().find(|(name, _)| *name == wanted) else {
        eprintln!("lbft-model: no such group; take one of {}", groups.map(|(name, _)| name).join(", "));
        return ExitCode::FAILURE;
    };
    group();
    ExitCode::SUCCESS
}
