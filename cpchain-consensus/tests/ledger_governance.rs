//! Votes of economy nodes and of validators, and what passed ones do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod governance_common;
mod ledger_common;

use std::collections::BTreeSet;

use bytes::Bytes;
use cpchain_consensus::{
    Application, Height, Outdated, Term,
    lbft::Committee,
    ledger::{
        Amount, Transfer,
        dpor::{PoolCall, SOFTWARE},
        governance::{Action, Governance, GovernanceError, GovernanceSettings, Parameter, ProposalId, Status},
    },
};
use cpchain_crypto::PublicKey;
use governance_common::{Chain, LONGEST, NOTICE, TERM, VALIDATORS, settings, votes};
use ledger_common::id;
use proptest::{prelude::*, test_runner::TestRunner};

const BITS: Action = Action::Set(Parameter::CpuBits, 3);

/// Economy deposits of the first accounts, in CPC.
fn chain(deposits: &[u64]) -> Chain {
    let mut chain = Chain::new(&[]);
    for (from, cpc) in (1..).zip(deposits) {
        chain.put(from, *cpc).unwrap();
    }
    chain
}

#[test]
fn a_vote_needs_a_quorum_and_a_majority() {
    // Of 1,000: votes in favour and against, by deposits of 150, 50, 100, 700.
    let cases: [(&[u8], &[u8], Status); 6] = [
        (&[1], &[], Status::Lapsed),
        (&[1, 2], &[], Status::Passed),
        (&[], &[1, 2], Status::Rejected),
        (&[], &[], Status::Lapsed),
        (&[1], &[3], Status::Rejected),
        (&[4], &[1, 2, 3], Status::Passed),
    ];
    for (yes, no, status) in cases {
        let mut chain = chain(&[150, 50, 100, 700]);
        let id = chain.propose(1, BITS, 8).unwrap();
        for (voters, approve) in [(yes, true), (no, false)] {
            for from in voters {
                chain.vote(*from, id, approve).unwrap();
            }
        }
        let until = chain.proposal(id).until;
        chain.run_to(until.0 - 1);
        assert_eq!(chain.proposal(id).status, Status::Open);
        chain.run(&[]);
        assert_eq!(chain.proposal(id).status, status, "{yes:?} {no:?}");
        assert_eq!(chain.votes.parameter(Parameter::CpuBits), (status == Status::Passed).then_some(3));
        assert!(chain.vote(1, id, true).unwrap_err().contains("has ended"));
    }
}

#[test]
fn who_may_propose_what() {
    let mut chain = chain(&[19, 20]);
    let refused = |result: Result<ProposalId, String>, reason: &str| {
        let error = result.unwrap_err();
        assert!(error.contains(reason), "{error}");
    };
    refused(chain.propose(1, BITS, 5), "only an economy node");
    refused(chain.propose(3, BITS, 5), "only an economy node");
    refused(chain.propose(2, Action::AddValidator(id(205)), 5), "only a validator");
    refused(chain.propose(201, BITS, 5), "only an economy node");
    refused(chain.propose(2, BITS, 0), "ends after this height");
    refused(chain.propose(2, BITS, LONGEST + 1), "ends after this height");
    refused(chain.propose(2, Action::Set(Parameter::CpuBits, 33), 5), "bounds");
    refused(chain.propose(2, Action::Set(Parameter::RNodeDeposit, 0), 5), "bounds");
    refused(chain.propose(2, Action::AdmitIndustry { account: id(3), weight: 999 }, 5), "1000 to 10000");
    let from = Height(chain.next().0 + 5 + NOTICE - 1);
    refused(chain.propose(2, Action::SoftUpdate { version: 2, from }, 5), "an update counts from");
    let id = chain.propose(2, BITS, 5).unwrap();
    assert!(chain.vote(1, id, true).unwrap_err().contains("only an economy node"));
    assert!(chain.vote(2, ProposalId(9), true).unwrap_err().contains("no such proposal"));
    assert!(chain.call(2, Governance::KIND, Bytes::from_static(b"vote")).unwrap_err().contains("neither"));
    assert_eq!(chain.vote(2, id, true), Ok(()));
}

#[test]
fn a_deposit_that_votes_stays() {
    let mut chain = chain(&[100, 100]);
    let id_a = chain.propose(1, BITS, 12).unwrap();
    let id_b = chain.propose(1, BITS, 3).unwrap();
    chain.vote(1, id_a, true).unwrap();
    chain.vote(1, id_b, true).unwrap();
    let until = chain.proposal(id_a).until;
    assert_eq!(chain.votes.locked_until(&id(1)), Some(until), "the later of the two");
    assert!(chain.take(1, 1).unwrap_err().contains(&format!("stays up to height {until}")));
    assert_eq!(chain.take(2, 100), Ok(()), "who did not vote is free");
    // More may come, and counts when the vote is cast again.
    chain.put(1, 50).unwrap();
    assert_eq!(chain.proposal(id_a).yes, Amount::cpc(100).0);
    chain.vote(1, id_a, true).unwrap();
    assert_eq!(chain.proposal(id_a).yes, Amount::cpc(150).0);
    chain.run_to(until.0 - 1);
    assert!(chain.take(1, 150).unwrap_err().contains("stays"));
    assert_eq!(chain.take(1, 150), Ok(()));
}

#[test]
fn a_vote_may_be_changed() {
    let mut chain = chain(&[100, 300]);
    let proposal = chain.propose(1, BITS, 9).unwrap();
    chain.vote(1, proposal, true).unwrap();
    chain.vote(2, proposal, true).unwrap();
    chain.vote(2, proposal, false).unwrap();
    let counted = chain.proposal(proposal);
    assert_eq!((counted.yes, counted.no), (Amount::cpc(100).0, Amount::cpc(300).0));
    assert_eq!(chain.votes.vote(proposal, &id(2)), Some((false, Amount::cpc(300).0)));
    chain.run_to(counted.until.0);
    assert_eq!(chain.proposal(proposal).status, Status::Rejected);
}

#[test]
fn a_deposit_is_returned_or_forfeited() {
    let mut chain = chain(&[100, 900]);
    let balance = |chain: &Chain| chain.ledger.balance(&id(1));
    let (before, supply) = (balance(&chain), chain.ledger.supply());
    let lapsing = chain.propose(1, BITS, 3).unwrap();
    assert_eq!(before.checked_sub(balance(&chain)), Some(Amount::cpc(10)));
    chain.vote(1, lapsing, true).unwrap();
    chain.run_to(chain.proposal(lapsing).until.0);
    assert_eq!((chain.proposal(lapsing).status, chain.votes.public_vault()), (Status::Lapsed, Amount::cpc(10)));
    for approve in [true, false] {
        let before = balance(&chain);
        let proposal = chain.propose(1, BITS, 3).unwrap();
        chain.vote(2, proposal, approve).unwrap();
        chain.run_to(chain.proposal(proposal).until.0);
        assert_eq!((balance(&chain), chain.votes.public_vault()), (before, Amount::cpc(10)));
    }
    // What was forfeited is everybody's: a vote spends it, once.
    let spend = Action::Spend { to: id(6), amount: Amount::cpc(7) };
    for (status, left) in [(Status::Passed, 3), (Status::Void, 3)] {
        let proposal = chain.propose(2, spend, 3).unwrap();
        chain.vote(2, proposal, true).unwrap();
        chain.run_to(chain.proposal(proposal).until.0);
        assert_eq!((chain.proposal(proposal).status, chain.votes.public_vault()), (status, Amount::cpc(left)));
    }
    assert_eq!((chain.ledger.balance(&id(6)), chain.ledger.supply()), (Amount::cpc(1_007), supply));
}

#[test]
fn a_parameter_counts_from_the_end_of_its_vote() {
    let mut chain = chain(&[900]);
    assert_eq!(chain.pool(2, PoolCall::Join(Amount::cpc(100))), Ok(()));
    chain.pass(Action::Set(Parameter::RNodeDeposit, Amount::cpc(150).0));
    assert!(chain.pool(3, PoolCall::Join(Amount::cpc(149))).unwrap_err().contains("at least 150 CPC"));
    assert_eq!(chain.pool(3, PoolCall::Join(Amount::cpc(150))), Ok(()));
    let small = chain.claim(2, (2, 0));
    assert!(chain.stand(2, small).unwrap_err().contains("150 CPC, 100 are left"));
    chain.pass(Action::Set(Parameter::CpuBits, 10));
    let easy = loop {
        let claim = chain.claim(3, (2, 0));
        let block = chain.view.recent_block(claim.cpu.1).unwrap();
        let work = cpchain_consensus::ledger::dpor::admission::Work::Cpu;
        if !cpchain_consensus::ledger::dpor::admission::holds(work, &id(3), &block, claim.cpu.0, 10) {
            break claim;
        }
        chain.run(&[]);
    };
    assert!(chain.stand(3, easy).unwrap_err().contains("does not hold"));
    let hard = chain.claim(3, (10, 0));
    assert_eq!(chain.stand(3, hard), Ok(()));
}

#[test]
fn a_soft_update_gates_claims() {
    let mut chain = chain(&[900]);
    assert_eq!(chain.pool(2, PoolCall::Join(Amount::cpc(100))), Ok(()));
    let from = Height(chain.next().0 + 2 + NOTICE + 4);
    chain.pass(Action::SoftUpdate { version: 4, from });
    chain.run_to(from.0 - 2);
    assert_eq!(chain.votes.updates(), [None, None]);
    chain.run(&[]);
    assert_eq!((chain.next(), chain.votes.updates()), (from, [Some((4, from)), None]));
    let old = chain.claim(2, (2, 0));
    assert!(chain.stand(2, old).unwrap_err().contains("software 4 is the oldest"));
    assert_eq!(chain.dpor.outdated(), None, "it follows on");
    let new = cpchain_consensus::ledger::dpor::Claim { software: 4, ..chain.claim(2, (2, 0)) };
    assert_eq!(chain.stand(2, new), Ok(()));
    // A version never goes back.
    let later = Height(chain.next().0 + 2 + NOTICE);
    let back = chain.pass(Action::SoftUpdate { version: 3, from: later });
    chain.run_to(later.0);
    assert_eq!((chain.proposal(back).status, chain.votes.updates()[0]), (Status::Passed, Some((4, from))));
}

#[test]
fn a_hard_update_stops_old_nodes() {
    let mut chain = chain(&[900]);
    let from = Height(chain.next().0 + 2 + NOTICE);
    chain.pass(Action::HardUpdate { version: SOFTWARE + 1, from });
    chain.run_to(from.0 - 2);
    assert_eq!(chain.dpor.outdated(), None);
    chain.run(&[]);
    let outdated = Outdated { runs: SOFTWARE, needs: SOFTWARE + 1, from };
    assert_eq!(chain.dpor.outdated(), Some(outdated));
    assert!(outdated.to_string().contains("update it"));
    // The same state under newer software goes on.
    chain.dpor = chain.dpor.with_software(SOFTWARE + 1);
    assert_eq!(chain.dpor.outdated(), None);
}

#[test]
fn an_industry_node_stands_by_vote_alone() {
    let mut chain = chain(&[900]);
    chain.run(&[]);
    let no_proof = cpchain_consensus::ledger::dpor::Claim {
        cpu: (0, Height(9_000)),
        memory: (0, Height(9_000)),
        ..chain.claim(6, (0, 0))
    };
    assert!(chain.stand(6, no_proof).unwrap_err().contains("only an RNode"));
    chain.pass(Action::AdmitIndustry { account: id(6), weight: 6_000 });
    assert_eq!(chain.votes.industry(&id(6)).map(|weight| weight.0), Some(6_000));
    chain.run_to(TERM * 2);
    assert_eq!(chain.stand(6, no_proof), Ok(()));
    let stands = |chain: &Chain, term| chain.view.standing(Term(term)).iter().any(|s| s.account == id(6));
    assert!(stands(&chain, 3));
    chain.run_to(TERM * 4);
    assert!(chain.view.proposers(Term(6)).unwrap().contains(&id(6)));
    // And it serves, although it has no deposit.
    chain.run_to(TERM * 7);
    assert_eq!(chain.view.record(&id(6)).blocks, 1);
    // A vote takes it away as well, before the election.
    assert_eq!(chain.stand(6, no_proof), Ok(()));
    assert!(stands(&chain, 8));
    chain.pass(Action::RemoveIndustry(id(6)));
    assert!(!stands(&chain, 8));
    chain.run_to(TERM * 9);
    assert!(!chain.view.proposers(Term(11)).unwrap().contains(&id(6)));
    let again = chain.pass(Action::RemoveIndustry(id(6)));
    assert_eq!(chain.proposal(again).status, Status::Void);
}

fn validators(chain: &Chain, term: u64) -> Vec<PublicKey> {
    chain.votes.members(Term(term)).unwrap().validators
}

/// The committee that the engine is given, from the one of genesis on.
fn committees(chain: &mut Chain, terms: u64) -> Committee {
    let first = settings().first_proposers().to_vec();
    let mut committee = Committee::new(chain.ledger.chain_id(), Term(0), VALIDATORS.map(id).to_vec(), first).unwrap();
    committee = committee.until(Height(TERM)).unwrap();
    for _ in 0..terms {
        committee = chain.dpor.next_committee(&committee);
    }
    committee
}

#[test]
fn validators_decide_on_validators() {
    let mut chain = Chain::new(&[]);
    let add = chain.propose(201, Action::AddValidator(id(205)), 9).unwrap();
    assert!(chain.vote(1, add, true).unwrap_err().contains("only a validator"));
    for from in [201, 202] {
        assert_eq!(chain.vote(from, add, true), Ok(()));
        assert_eq!(chain.vote(from, add, true), Ok(()), "one vote each, however often");
    }
    assert_eq!((chain.proposal(add).yes, chain.proposal(add).status), (2, Status::Open));
    chain.run_to(6);
    assert_eq!(chain.vote(203, add, true), Ok(()));
    assert_eq!(chain.proposal(add).status, Status::Passed, "three of four decide at once");
    assert!(chain.vote(204, add, false).unwrap_err().contains("has ended"));
    chain.run_to(2 * TERM);
    assert_eq!(validators(&chain, 1), VALIDATORS.map(id));
    let five = [201, 202, 203, 204, 205].map(id);
    assert_eq!(validators(&chain, 2), five);
    let committee = committees(&mut chain, 2);
    assert_eq!((committee.term(), committee.validators()), (Term(2), five.as_slice()));

    // The new one votes; who left does not count any more. Of five, four are more than two thirds.
    let (remove, late) = (Action::RemoveValidator(id(202)), Action::AddValidator(id(206)));
    let remove = chain.propose(205, remove, 9).unwrap();
    let late = chain.propose(202, late, 20).unwrap();
    for from in [202, 203, 205] {
        chain.vote(from, late, true).unwrap();
        chain.vote(from, remove, from != 202).unwrap();
    }
    for from in [201, 204] {
        chain.vote(from, remove, true).unwrap();
    }
    assert_eq!(chain.proposal(remove).status, Status::Passed);
    chain.run_to(4 * TERM);
    assert_eq!(validators(&chain, 4), [201, 203, 204, 205].map(id));
    assert!(chain.vote(202, late, true).unwrap_err().contains("only a validator"));
    chain.vote(203, late, true).unwrap();
    assert_eq!((chain.proposal(late).yes, chain.proposal(late).status), (2, Status::Open));
    chain.run_to(chain.proposal(late).until.0);
    assert_eq!(chain.proposal(late).status, Status::Lapsed, "two of four are no quorum");
    assert_eq!(chain.votes.public_vault(), Amount::cpc(10));
}

#[test]
fn validators_can_say_no() {
    let mut chain = Chain::new(&[]);
    let add = chain.propose(201, Action::AddValidator(id(205)), 9).unwrap();
    for (from, approve) in [(201, true), (202, false), (203, false)] {
        chain.vote(from, add, approve).unwrap();
    }
    chain.run_to(chain.proposal(add).until.0);
    assert_eq!((chain.proposal(add).status, chain.votes.public_vault()), (Status::Rejected, Amount::ZERO));
    // Who is one already cannot become one.
    let again = chain.propose(201, Action::AddValidator(id(202)), 9).unwrap();
    for from in [201, 202, 203] {
        chain.vote(from, again, true).unwrap();
    }
    assert_eq!(chain.proposal(again).status, Status::Void);
}

#[test]
fn a_height_ends_few_votes() {
    let mut chain = chain(&[700]);
    let until = Height(chain.next().0 + LONGEST - 1);
    let mut opened = 0;
    let refused = loop {
        match chain.propose(1, BITS, until.0 - chain.next().0) {
            Ok(_) => opened += 1,
            Err(error) => break error,
        }
    };
    assert!(opened == 16 && refused.contains("take another one"), "{opened}: {refused}");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let list = |keys: &[u8]| GovernanceSettings::new(keys.iter().map(|i| id(*i)).collect());
    assert_eq!(list(&[]), Err(GovernanceError::Validators));
    assert_eq!(list(&[1, 1]), Err(GovernanceError::Validators));
    for wrong in [
        GovernanceSettings { quorum: 1_001, ..votes() },
        GovernanceSettings { approval: 1_001, ..votes() },
        GovernanceSettings { longest: 0, ..votes() },
        GovernanceSettings { archive: 0, ..votes() },
    ] {
        assert_eq!(wrong.check(), Err(GovernanceError::Range));
    }
    // Each number reaches the id of the chain.
    let id_of = |own: GovernanceSettings| {
        let settings = settings().with_governance(own).unwrap();
        settings.found(cpchain_consensus::ledger::Genesis::new()).chain_id("votes")
    };
    let all = [
        votes(),
        GovernanceSettings { quorum: 201, ..votes() },
        GovernanceSettings { approval: 671, ..votes() },
        GovernanceSettings { cut: 1, ..votes() },
        GovernanceSettings { bar: 1, ..votes() },
        GovernanceSettings { notice: 9, ..votes() },
        GovernanceSettings { fee: Amount(1), ..votes() },
        GovernanceSettings { deposit: Amount(1), ..votes() },
        GovernanceSettings { impeachments: 7, ..votes() },
        GovernanceSettings { archive: 7, ..votes() },
        list(&[201, 202, 203]).unwrap(),
    ];
    let ids: BTreeSet<_> = all.iter().map(|own| id_of(own.clone()).0).collect();
    assert_eq!(ids.len(), all.len());
}

#[derive(Debug, Clone)]
enum Step {
    Put(u8, u64),
    Take(u8, u64),
    Propose(u8, u8, u64),
    Vote(u8, u64, bool),
    Pay(u8, u8, u64),
    Impeach,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let voter = || prop_oneof![1u8..4, 201u8..205];
    let step = prop_oneof![
        2 => (1u8..4, 1u64..400).prop_map(|(from, cpc)| Step::Put(from, cpc)),
        1 => (1u8..4, 1u64..400).prop_map(|(from, cpc)| Step::Take(from, cpc)),
        2 => (voter(), 0u8..8, 1u64..8).prop_map(|(from, what, heights)| Step::Propose(from, what, heights)),
        6 => (voter(), 0u64..4, prop::bool::weighted(0.7)).prop_map(|(from, back, yes)| Step::Vote(from, back, yes)),
        1 => (1u8..4, 1u8..5, 1u64..200).prop_map(|(from, to, cpc)| Step::Pay(from, to, cpc)),
        1 => Just(Step::Impeach),
    ];
    prop::collection::vec(step, 20..60)
}

fn action(chain: &Chain, what: u8) -> Action {
    let from = Height(chain.next().0 + 8 + NOTICE);
    match what {
        0 => BITS,
        1 => Action::SoftUpdate { version: 2, from },
        2 => Action::HardUpdate { version: 2, from },
        3 => Action::AdmitIndustry { account: id(5), weight: 5_000 },
        4 => Action::RemoveIndustry(id(5)),
        5 => Action::Spend { to: id(4), amount: Amount::cpc(12) },
        6 => Action::AddValidator(id(205)),
        _ => Action::RemoveValidator(id(203)),
    }
}

fn take(chain: &mut Chain, step: &Step) {
    let _ = match step {
        Step::Put(from, cpc) => chain.put(*from, *cpc),
        Step::Take(from, cpc) => chain.take(*from, *cpc),
        Step::Propose(from, what, heights) => chain.propose(*from, action(chain, *what), *heights).map(drop),
        Step::Vote(from, back, approve) => {
            let last = chain.votes.proposals(None, usize::MAX).len() as u64;
            chain.vote(*from, ProposalId(last.saturating_sub(1 + back)), *approve)
        }
        Step::Pay(from, to, cpc) => {
            let transfer = Transfer { to: id(*to), amount: Amount::cpc(*cpc) };
            chain.call(*from, Transfer::KIND, transfer.encode())
        }
        Step::Impeach => {
            chain.impeach();
            Ok(())
        }
    };
}

/// Whatever is sent: money stays, no vote counts more than there is, two ledgers agree, and every state of a proposal is reached.
#[test]
fn random_votes_conserve_money_and_agree() {
    let mut seen = BTreeSet::new();
    let config = ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() };
    let rng = proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let seen_ref = std::cell::RefCell::new(&mut seen);
    let outcome = runner.run(&steps(), |steps| {
        let (mut one, mut two) = (Chain::new(&[1]), Chain::new(&[1]));
        let supply = one.ledger.supply();
        for step in &steps {
            take(&mut one, step);
            take(&mut two, step);
            prop_assert_eq!(one.ledger.height_and_root(), two.ledger.height_and_root());
            prop_assert_eq!(one.ledger.supply(), supply);
            let present = validators(&one, one.term().0);
            prop_assert!(present.len() >= 2);
            for (_, proposal) in one.votes.proposals(None, usize::MAX) {
                seen_ref.borrow_mut().insert(proposal.status);
                let most = match proposal.action {
                    Action::AddValidator(_) | Action::RemoveValidator(_) => 5,
                    _ => one.economy.total().0,
                };
                prop_assert!(proposal.status != Status::Open || proposal.yes + proposal.no <= most);
                prop_assert!(proposal.status != Status::Open || proposal.until >= one.next());
            }
        }
        Ok(())
    });
    outcome.unwrap();
    let all = [Status::Open, Status::Passed, Status::Rejected, Status::Lapsed, Status::Void];
    assert_eq!(seen, all.into_iter().collect());
}
