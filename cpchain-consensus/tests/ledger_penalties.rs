//! Evidence and impeachments, and what they cost.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod governance_common;
mod ledger_common;

use cpchain_consensus::{
    ChainId, Height, Term,
    lbft::{Evidence, Kind, Statement},
    ledger::{
        Amount,
        dpor::{PoolCall, RNodes},
        governance::{Governance, GovernanceCall},
    },
};
use cpchain_crypto::{Digest, PublicKey};
use governance_common::{ARCHIVE, BAR, Chain, LOCK, TERM, VALIDATORS};
use ledger_common::{id, key};

fn said(chain: ChainId, kind: Kind, term: u64, height: u64, digest: u8) -> Statement {
    Statement { chain, term: Term(term), kind, height: Height(height), digest: Digest([digest; 32]) }
}

/// Two statements of a kind about two blocks.
fn proof(chain: &Chain, of: u8, kind: Kind, term: u64, height: u64) -> Evidence {
    let [one, two] = [1, 2].map(|digest| said(chain.ledger.chain_id(), kind, term, height, digest));
    Evidence { key: id(of), first: (one, one.sign(&key(of))), second: (two, two.sign(&key(of))) }
}

fn accuse(chain: &mut Chain, from: u8, evidence: Evidence) -> Result<(), String> {
    chain.call(from, Governance::KIND, GovernanceCall::Accuse(Box::new(evidence)).encode())
}

fn deposit(chain: &Chain, of: u8) -> Amount {
    chain.ledger.held(RNodes::KIND, &id(of).0)
}

/// Accounts 1 to 3 are RNodes from genesis, and as they are so few, elected for terms 3 and 4.
fn elected() -> Chain {
    let mut chain = Chain::new(&[1, 2, 3]);
    chain.run_to(3 * TERM);
    assert!(chain.view.proposers(Term(3)).unwrap().contains(&id(1)));
    chain
}

#[test]
fn evidence_is_punished_once() {
    let mut chain = elected();
    let supply = chain.ledger.supply();
    let evidence = proof(&chain, 1, Kind::Seal, 3, 3 * TERM + 1);
    let before = chain.ledger.balance(&id(6));
    assert_eq!(accuse(&mut chain, 6, evidence), Ok(()));
    assert_eq!(chain.ledger.balance(&id(6)), before, "true evidence costs nothing");
    assert_eq!((deposit(&chain, 1), chain.votes.public_vault()), (Amount::cpc(90), Amount::cpc(10)));
    assert_eq!(chain.votes.barred(&id(1)), Some(Term(3 + BAR)));
    // The same again, the two in the other order, and another pair of the same height.
    let turned = Evidence { first: evidence.second, second: evidence.first, ..evidence };
    let third = said(chain.ledger.chain_id(), Kind::Seal, 3, 3 * TERM + 1, 9);
    let other = Evidence { second: (third, third.sign(&key(1))), ..evidence };
    for again in [evidence, turned, other] {
        assert!(accuse(&mut chain, 5, again).unwrap_err().contains("told before"));
    }
    assert_eq!(deposit(&chain, 1), Amount::cpc(90));
    // Another height is another offence.
    let next = proof(&chain, 1, Kind::Seal, 3, 3 * TERM + 2);
    assert_eq!(accuse(&mut chain, 5, next), Ok(()));
    assert_eq!((deposit(&chain, 1), chain.votes.public_vault()), (Amount::cpc(81), Amount::cpc(19)));
    assert_eq!(chain.ledger.supply(), supply);
}

#[test]
fn a_barred_rnode_is_not_elected() {
    let mut chain = elected();
    assert_eq!(chain.stand(2, chain.claim(2, (2, 0))), Ok(()));
    let stands = |chain: &Chain| chain.view.standing(Term(4)).iter().any(|standing| standing.account == id(2));
    assert!(stands(&chain));
    let evidence = proof(&chain, 2, Kind::Seal, 3, 20);
    assert_eq!(accuse(&mut chain, 6, evidence), Ok(()));
    assert!(!stands(&chain));
    // The seat that it had stays its own, and nothing follows it.
    assert!(chain.view.proposers(Term(4)).unwrap().contains(&id(2)));
    chain.run_to(4 * TERM);
    let claim = chain.claim(2, (2, 0));
    assert!(chain.stand(2, claim).unwrap_err().contains("barred from elections up to term 5"));
    chain.run_to(5 * TERM);
    assert!(!chain.view.proposers(Term(7)).unwrap().contains(&id(2)));
    // After its time it stands again, but not on what is left of its deposit.
    chain.run_to(6 * TERM);
    let claim = chain.claim(2, (2, 0));
    assert!(chain.stand(2, claim).unwrap_err().contains("90 are left"));
    chain.run_to(6 * TERM + LOCK);
    assert_eq!(chain.pool(2, PoolCall::Leave), Ok(()));
    assert_eq!(chain.pool(2, PoolCall::Join(Amount::cpc(100))), Ok(()));
    let claim = chain.claim(2, (2, 0));
    assert_eq!(chain.stand(2, claim), Ok(()));
}

#[test]
fn false_evidence_costs_its_sender() {
    let mut chain = elected();
    let supply = chain.ledger.supply();
    let good = proof(&chain, 1, Kind::Seal, 3, 20);
    let of = |chain: &Chain, of, kind| proof(chain, of, kind, 3, 20);
    let other_chain = {
        let [one, two] = [1, 2].map(|digest| said(ChainId(Digest::ZERO), Kind::Seal, 3, 20, digest));
        Evidence { key: id(1), first: (one, one.sign(&key(1))), second: (two, two.sign(&key(1))) }
    };
    let cases = [
        ("a signature of another", Evidence { second: (good.second.0, good.first.1), ..good }),
        ("one statement twice", Evidence { second: good.first, ..good }),
        ("no member", of(&chain, 5, Kind::Seal)),
        ("a proposer does not vote", of(&chain, 1, Kind::Prepare)),
        ("a validator does not seal", of(&chain, VALIDATORS[0], Kind::Seal)),
        ("another chain", other_chain),
    ];
    for (place, (why, evidence)) in (1..).zip(cases) {
        let before = chain.ledger.balance(&id(6));
        assert_eq!(accuse(&mut chain, 6, evidence), Ok(()), "{why}");
        assert_eq!(before.checked_sub(chain.ledger.balance(&id(6))), Some(Amount::cpc(5)), "{why}");
        assert_eq!(chain.votes.public_vault(), Amount::cpc(5 * place), "{why}");
    }
    assert_eq!((deposit(&chain, 1), chain.votes.barred(&id(1))), (Amount::cpc(100), None));
    // Who cannot pay is not heard.
    let all = chain.ledger.balance(&id(5)).checked_sub(Amount::cpc(4)).unwrap();
    let transfer = cpchain_consensus::ledger::Transfer { to: id(4), amount: all };
    chain.call(5, cpchain_consensus::ledger::Transfer::KIND, transfer.encode()).unwrap();
    assert!(accuse(&mut chain, 5, good).unwrap_err().contains("are needed"));
    assert_eq!(accuse(&mut chain, 6, good), Ok(()));
    assert_eq!(chain.ledger.supply(), supply);
}

#[test]
fn an_old_terms_committee_is_checkable() {
    let mut chain = elected();
    // Term 1 had the default proposers; its evidence comes two terms later.
    let default = proof(&chain, 102, Kind::Seal, 1, 8);
    assert_eq!(accuse(&mut chain, 6, default), Ok(()));
    assert_eq!(chain.votes.barred(&id(102)), Some(Term(3 + BAR)));
    let future = proof(&chain, 1, Kind::Seal, 5, 31);
    assert!(accuse(&mut chain, 6, future).unwrap_err().contains("not kept, or not known yet"));
    let early = proof(&chain, 103, Kind::Seal, 3, 20);
    chain.run_to(8 * TERM);
    assert_eq!(chain.term(), Term(8));
    assert!(chain.votes.members(Term(8 - ARCHIVE + 1)).is_some() && chain.votes.members(Term(8 - ARCHIVE)).is_none());
    assert!(accuse(&mut chain, 6, early).unwrap_err().contains("not kept"));
}

fn validators(chain: &Chain) -> Vec<PublicKey> {
    chain.votes.members(chain.term()).unwrap().validators
}

#[test]
fn a_validator_that_contradicts_itself_leaves() {
    let mut chain = Chain::new(&[]);
    chain.run_to(TERM + 1);
    let [commit, impeach] = [(Kind::Commit, 1), (Kind::ImpeachPrepare, 0)]
        .map(|(kind, digest)| said(chain.ledger.chain_id(), kind, 1, TERM + 1, digest));
    let evidence =
        Evidence { key: id(202), first: (commit, commit.sign(&key(202))), second: (impeach, impeach.sign(&key(202))) };
    assert_eq!(accuse(&mut chain, 6, evidence), Ok(()));
    assert_eq!(validators(&chain), VALIDATORS.map(id), "not within the term");
    chain.run_to(2 * TERM);
    assert_eq!(validators(&chain), [201, 203, 204].map(id));
    // All the others as well: more than a third stay, in the order of what was told.
    for of in [201, 203, 204] {
        let evidence = proof(&chain, of, Kind::Prepare, 2, 2 * TERM + 1);
        assert_eq!(accuse(&mut chain, 6, evidence), Ok(()));
    }
    chain.run_to(3 * TERM);
    assert_eq!(validators(&chain), [203, 204].map(id));
    chain.run_to(4 * TERM);
    assert_eq!(validators(&chain), [204].map(id), "who had to wait leaves later");
    chain.run_to(6 * TERM);
    assert_eq!(validators(&chain), [204].map(id), "somebody stays");
}

#[test]
fn who_fails_again_and_again_is_barred() {
    let mut chain = elected();
    let fails = chain.view.proposers(Term(3)).unwrap().into_iter().position(|key| key == id(3)).unwrap() as u64;
    for (term, barred) in [(3, None), (4, Some(Term(4 + BAR)))] {
        let place = chain.view.proposers(Term(term)).unwrap().into_iter().position(|key| key == id(3)).unwrap() as u64;
        chain.run_to(term * TERM + place);
        chain.impeach();
        assert_eq!(chain.votes.barred(&id(3)), barred, "{fails}");
    }
}
