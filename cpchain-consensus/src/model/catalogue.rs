//! The mutants: each leaves out one rule, and each is found.

use super::{
    event::Log,
    machine::Setup,
    tally::{Start, VoteRules},
    universe::NextTerm,
};
use crate::lbft::Rule;

/// Rules of votes with one left out; the last has five validators.
pub fn vote_mutants(byzantine: u8) -> Vec<(&'static str, VoteRules)> {
    let rules = VoteRules::new(4, byzantine);
    let five = VoteRules { quorum: 3, impeach_quorum: 3, ..VoteRules::new(5, byzantine) };
    vec![
        ("the paper: f+1 impeach, and no exclusion", VoteRules::paper(4, byzantine)),
        ("f+1 impeach", VoteRules { impeach_quorum: 2, ..rules.clone() }),
        (
            "COMMIT and IMPEACH PREPARE at one height",
            VoteRules { impeach_after_commit: true, commit_after_impeach: true, ..rules.clone() },
        ),
        ("IMPEACH PREPARE after COMMIT", VoteRules { impeach_after_commit: true, ..rules.clone() }),
        ("COMMIT after IMPEACH PREPARE", VoteRules { commit_after_impeach: true, ..rules.clone() }),
        ("skipped heights need no impeachment", VoteRules { skipped_impeached: false, ..rules.clone() }),
        ("the parent needs no certificate", VoteRules { parent_certified: false, ..rules.clone() }),
        ("two PREPAREs at a height", VoteRules { one_prepare: false, ..rules }),
        ("n = 5 with a quorum of 2f+1 = 3", five),
    ]
}

/// Real cores with one safety rule left out; each forks within two heights.
///
/// [`Rule::OnePrepare`] is not among them: its mutant makes two P-certificates at one height, and the core that sees both stops
/// (`two_prepares_make_two_certificates`).
pub fn core_mutants() -> Vec<(&'static str, Setup)> {
    let setup = Setup { forks_only: true, symmetric: false, ..Setup::new(4, 2) };
    let drop = |rule| Setup { dropped: vec![rule], ..setup.clone() };
    let impeach = Setup { rules: VoteRules { impeach_quorum: 2, ..VoteRules::new(4, 1) }, ..setup.clone() };
    let five = VoteRules { quorum: 3, impeach_quorum: 3, ..VoteRules::new(5, 1) };
    vec![
        ("f+1 impeach", impeach),
        ("IMPEACH PREPARE after COMMIT", drop(Rule::CommitExcludesImpeach)),
        ("COMMIT after IMPEACH PREPARE", drop(Rule::ImpeachExcludesCommit)),
        ("skipped heights need no impeachment", drop(Rule::SkippedImpeached)),
        ("the parent needs no certificate", Setup { symmetric: true, ..drop(Rule::ParentCertified) }),
        ("n = 5 with a quorum of 2f+1 = 3", Setup { rules: five, ..setup.clone() }),
    ]
}

/// Literal readings of the rules that stop the chain for ever; each has a state that a timely network does not bring on.
pub fn literal_readings() -> Vec<(&'static str, Setup)> {
    let setup = |heights| Setup { symmetric: false, timely_one_in: 1, ..Setup::new(4, heights) };
    let drop = |heights, rule| Setup { dropped: vec![rule], ..setup(heights) };
    let forgetful = Setup { restarts: 1, log: Log::NoCertificates, ..setup(1) };
    let jump = Setup { timely_one_in: 20, symmetric: true, ..drop(2, Rule::Jump) };
    vec![
        ("L1: certificates are not durable", forgetful),
        ("L3: certificates are forwarded once", drop(1, Rule::RepeatCertificates)),
        ("L4: a certificate of a later height lets nobody jump", jump),
        ("L7: rows are events, the timer runs while a block is fetched", drop(1, Rule::RowsAreConditions)),
    ]
}

/// Real cores at the boundary of two terms with one rule left out, for [`Quotient`](super::Quotient); and what each violates first.
pub fn boundary_mutants() -> Vec<(&'static str, Setup, &'static str)> {
    const FORK: &str = "no fork";
    let setup = |closing| Setup { forks_only: true, ..Setup::boundary(1, closing, 1) };
    let drop = |closing, rule| Setup { dropped: vec![rule], ..setup(closing) };
    let next = |change: fn(&mut NextTerm)| {
        let mut setup = setup(1);
        setup.next.as_mut().into_iter().for_each(change);
        setup
    };
    let fewer = Setup { rules: VoteRules { end_quorum: 2, ..VoteRules::new(4, 1) }, ..setup(1) };
    vec![
        (
            "no closing heights",
            Setup { timely_one_in: 1, ..drop(1, Rule::ClosingHeights) },
            "a timely network recovers",
        ),
        ("the next term starts with a P-certificate", drop(1, Rule::EndIsFinal), FORK),
        ("f+1 COMMITs end a term", fewer, FORK),
        ("members of the old term vote in the next", next(|next| next.old_members_vote = true), FORK),
        (
            "votes do not name their term",
            Setup { forks_only: false, ..drop(1, Rule::TermIsSigned) },
            "no honest core stops",
        ),
        (
            "f HANDOVERs prove the next committee",
            Setup { forks_only: false, ..next(|next| next.handover_quorum = 1) },
            "a hand-over names who serves, and no other",
        ),
    ]
}

/// Ways to start the next term too early; each forks.
pub const fn early_starts() -> [(&'static str, Start, u8); 2] {
    [
        ("the next term starts on any final block", Start::AnyFinal, 1),
        ("the next term starts with a P-certificate", Start::Certified, 2),
    ]
}
