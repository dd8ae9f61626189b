//! Free transactions and fees: three a day of ten heights, two in a window of two, then 1 CPC.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod ledger_common;

use bytes::Bytes;
use cpchain_consensus::{
    Application, Height,
    ledger::{Amount, Fees, Genesis, Ledger, LedgerView, Nonce, Outcome, Refusal, Transaction, block_transactions},
};
use cpchain_crypto::PublicKey;
use ledger_common::{block, chain, id, pay, payload, run, signed};
use proptest::prelude::*;

const PROPOSER: PublicKey = PublicKey([9; 32]);

fn fees() -> Fees {
    Fees { free: 3, day: 10, rate: 2, window: 2, fee: Amount::cpc(1) }
}

/// Accounts 1 and 2 with 5 CPC each.
fn genesis() -> Genesis {
    fees().found(Genesis::new().account(id(1), Amount::cpc(5)).account(id(2), Amount::cpc(5)))
}

fn ledger() -> (Ledger, LedgerView) {
    let ledger = Ledger::builder(chain(), genesis()).fees(fees()).build().unwrap();
    let view = ledger.view();
    (ledger, view)
}

/// A transfer of the smallest amount to itself: it moves nothing, so what is missing is the fee.
fn idle(from: u8, nonce: u64) -> Transaction {
    pay(from, nonce, from, Amount(1))
}

fn to(ledger: &mut Ledger, height: u64) {
    while ledger.last_height().0 < height {
        run(ledger, &[]);
    }
}

#[test]
fn a_day_has_its_free_transactions() {
    let (mut ledger, view) = ledger();
    let expected = [(1, 0), (3, 0), (5, 0), (7, 1), (10, 2), (11, 2), (13, 2), (15, 2), (17, 3), (31, 3)];
    for (nonce, (height, paid)) in (0..).zip(expected) {
        to(&mut ledger, height - 1);
        run(&mut ledger, &[idle(1, nonce)]);
        assert_eq!(view.balance(&id(1)), Amount::cpc(5 - paid), "height {height}");
    }
}

#[test]
fn a_burst_pays() {
    let (mut ledger, view) = ledger();
    run(&mut ledger, &[idle(1, 0), idle(1, 1), idle(1, 2)]);
    assert_eq!(view.balance(&id(1)), Amount::cpc(4), "the third in a window");
    // The window has two heights; the next one is free again, until the day's are used up.
    run(&mut ledger, &[idle(2, 0)]);
    run(&mut ledger, &[idle(2, 1)]);
    assert_eq!(view.balance(&id(2)), Amount::cpc(5));
}

#[test]
fn the_proposer_has_the_fees() {
    let (mut ledger, view) = ledger();
    run(&mut ledger, &[idle(1, 0), idle(1, 1), idle(1, 2), idle(1, 3), idle(2, 0)]);
    assert_eq!((view.balance(&PROPOSER), view.held(Fees::KIND, b"block")), (Amount::cpc(2), Amount::ZERO));
    // Also of what fails.
    let failing = pay(1, 4, 2, Amount::cpc(100));
    run(&mut ledger, std::slice::from_ref(&failing));
    assert!(matches!(view.receipt(&failing.id()).unwrap().outcome, Outcome::Failed(_)));
    assert_eq!((view.balance(&PROPOSER), view.balance(&id(1))), (Amount::cpc(3), Amount::cpc(2)));
    // Nobody takes or makes them otherwise.
    let asked = signed(2, 1, Fees::KIND, Bytes::new());
    run(&mut ledger, std::slice::from_ref(&asked));
    assert!(matches!(view.receipt(&asked.id()).unwrap().outcome, Outcome::Failed(_)));
}

#[test]
fn who_cannot_pay_is_refused() {
    let (mut ledger, view) = ledger();
    let all: Vec<_> = (0..8).map(|nonce| idle(1, nonce)).collect();
    run(&mut ledger, &all);
    // Two are free, five are paid, the eighth is not.
    let refused = view.receipt(&all[7].id()).unwrap().outcome;
    assert_eq!(refused, Outcome::Refused(Refusal::Fee { needed: Amount::cpc(1), available: Amount::ZERO }));
    assert_eq!((view.nonce(&id(1)), view.balance(&id(1))), (Some(Nonce(7)), Amount::ZERO));
    // It may come again when it is free: the first transaction of the next day.
    to(&mut ledger, 10);
    run(&mut ledger, &[pay(2, 0, 1, Amount(1)), all[7].clone()]);
    assert!(view.receipt(&all[7].id()).unwrap().is_applied());
    assert_eq!(view.nonce(&id(1)), Some(Nonce(8)));
}

#[test]
fn what_cannot_be_paid_is_not_proposed() {
    let (mut ledger, view) = ledger();
    run(&mut ledger, &[pay(1, 0, 2, Amount::cpc(5)), idle(1, 1)]);
    for nonce in 2..4 {
        ledger.submit(idle(1, nonce).bytes().clone()).unwrap();
    }
    ledger.submit(idle(2, 0).bytes().clone()).unwrap();
    let proposed = |ledger: &mut Ledger| {
        let next = ledger.last_height().next();
        let list = block_transactions(&ledger.propose(next, &[], 1 << 20)).unwrap();
        list.iter().map(|transaction| transaction.sender()).collect::<Vec<_>>()
    };
    assert_eq!(view.balance(&id(1)), Amount::ZERO);
    // Its window is used up; in the next one it may again.
    assert_eq!(proposed(&mut ledger), [id(2)]);
    run(&mut ledger, &[]);
    assert!(proposed(&mut ledger).contains(&id(1)));
}

#[test]
fn fees_are_part_of_the_chains_id() {
    let id_of = |fees: Fees| fees.found(Genesis::new()).chain_id("fees");
    let others = [
        Fees { free: 4, ..fees() },
        Fees { day: 11, ..fees() },
        Fees { rate: 3, ..fees() },
        Fees { window: 3, ..fees() },
        Fees { fee: Amount(1), ..fees() },
    ];
    assert!(others.iter().all(|other| id_of(*other) != id_of(fees())));
    // Lengths of 0 are 1, so that no height divides by zero.
    let zero = Fees { day: 0, window: 0, ..fees() };
    let mut ledger = Ledger::builder(chain(), genesis()).fees(zero).build().unwrap();
    run(&mut ledger, &[idle(1, 0)]);
    assert_eq!(ledger.last_height(), Height(1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn random_histories_with_fees_conserve_money(
        blocks in prop::collection::vec(prop::collection::vec((1..4u8, 1..5u8, 0..3u64, 0..2u64), 0..8), 1..16),
    ) {
        let ((mut one, view), (mut other, _)) = (ledger(), ledger());
        let supply = genesis().supply().unwrap();
        for (height, plans) in (1..).zip(blocks) {
            let mut list: Vec<Transaction> = Vec::new();
            for (from, to, cpc, ahead) in plans {
                let in_block = list.iter().filter(|transaction| transaction.sender() == id(from)).count() as u64;
                let nonce = view.nonce(&id(from)).unwrap_or_default().0 + in_block + ahead;
                list.push(pay(from, nonce, to, Amount::cpc(cpc)));
            }
            let block = block(height, payload(&list));
            prop_assert_eq!(one.finalised(&block), other.finalised(&block));
            prop_assert_eq!(view.supply(), supply);
            prop_assert_eq!(view.held(Fees::KIND, b"block"), Amount::ZERO);
        }
    }
}
