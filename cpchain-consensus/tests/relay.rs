//! Ways of relayed messages, paid by the ledger.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod ledger_common;

use bytes::Bytes;
use cpchain_consensus::{
    ChainId, Height,
    ledger::{Amount, Ledger, LedgerView, Transaction},
    relay::{Carriage, Dag, Envelope, MAX_BATCH, NOTICE, Order, Receipt, RelayCall, Relays},
};
use cpchain_crypto::{Digest, Signer};
use ledger_common::{chain, draft, genesis, id, key, run, signed};
use proptest::prelude::*;

fn start() -> (Ledger, LedgerView) {
    let ledger = Ledger::builder(chain(), genesis()).module(Relays).build().unwrap();
    let view = ledger.view();
    (ledger, view)
}

fn way_on(chain: ChainId, origin: u8, relays: &[u8], destination: u8, number: u64, expires: u64) -> Carriage {
    let order = Order {
        chain,
        destination: id(destination),
        number,
        expires: Height(expires),
        reward: Amount::cpc(6).0,
        content: Digest::content(b"message"),
    };
    let envelope = Envelope::seal(&key(origin), order);
    let mut dag = Dag::new(chain);
    let mut last: Option<Receipt> = None;
    for giver in relays.iter().chain([&destination]) {
        let relay = last.as_ref().map_or(envelope.origin(), Receipt::giver);
        let receipt = Receipt::sign(&envelope, &key(*giver), relay, last.as_ref(), &[]).unwrap();
        dag.insert(receipt.clone()).unwrap();
        last = Some(receipt);
    }
    dag.witness(envelope.clone()).unwrap();
    dag.carriage(&envelope.id()).unwrap()
}

fn way(origin: u8, relays: &[u8], number: u64) -> Carriage {
    way_on(chain(), origin, relays, 60, number, 900)
}

fn call(seed: u8, nonce: u64, call: &RelayCall) -> Transaction {
    signed(seed, nonce, Relays::KIND, call.encode())
}

fn applied(ledger: &mut Ledger, view: &LedgerView, transaction: Transaction) -> bool {
    run(ledger, std::slice::from_ref(&transaction));
    view.receipt(&transaction.id()).unwrap().is_applied()
}

#[test]
fn the_ledger_pays_each_envelope_once() {
    let (mut ledger, view) = start();
    let supply = view.supply();
    let fund = RelayCall::Fund(id(1), Amount::cpc(10));
    assert!(applied(&mut ledger, &view, call(2, 0, &fund)), "anybody may pay in for an origin");
    let (first, second) = (way(1, &[50, 51], 1), way(1, &[52], 2));
    assert!(applied(&mut ledger, &view, call(3, 0, &RelayCall::settle([&first, &first]))));
    assert_eq!([50, 51].map(|seed| view.balance(&id(seed))), [Amount::cpc(3); 2]);
    // Again; another way of the same envelope; one without money behind it.
    let other = way(1, &[53], 1);
    assert_eq!(other.envelope().id(), first.envelope().id());
    for (nonce, refused) in (1..).zip([&first, &other, &second]) {
        assert!(!applied(&mut ledger, &view, call(3, nonce, &RelayCall::settle([refused]))));
    }
    assert!(applied(&mut ledger, &view, call(2, 1, &fund)));
    // What is paid does not hold up the others of a batch.
    assert!(applied(&mut ledger, &view, call(3, 4, &RelayCall::settle([&first, &second]))));
    assert_eq!(view.balance(&id(52)), Amount::cpc(6));
    assert_eq!(view.held(Relays::KIND, &id(1).0), Amount::cpc(8));
    assert_eq!(view.supply(), supply);
}

#[test]
fn foreign_forged_and_late_ways_are_refused() {
    let (mut ledger, view) = start();
    assert!(applied(&mut ledger, &view, call(1, 0, &RelayCall::Fund(id(1), Amount::cpc(50)))));
    let good = way(1, &[50], 1);
    let mut forged = RelayCall::settle([&good]).encode().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let foreign = RelayCall::settle([&way_on(ChainId::new("side", b""), 1, &[50], 60, 1, 900)]).encode();
    let late = RelayCall::settle([&way_on(chain(), 1, &[50], 60, 1, 1)]).encode();
    let nothing = RelayCall::Settle(Bytes::new()).encode();
    let many = RelayCall::settle(std::iter::repeat_n(&good, MAX_BATCH + 1)).encode();
    for (nonce, payload) in (0..).zip([forged.into(), foreign, late, nothing, many]) {
        let transaction = signed(2, nonce, Relays::KIND, payload);
        assert!(!applied(&mut ledger, &view, transaction), "{nonce}");
    }
    assert_eq!(view.held(Relays::KIND, &id(1).0), Amount::cpc(50));
    assert!(applied(&mut ledger, &view, call(2, 5, &RelayCall::settle([&good]))));
}

#[test]
fn one_hand_moves_its_own_money_alone() {
    let (mut ledger, view) = start();
    // Origin, both relays and destination are of one owner, who funds the origin from account 1.
    assert!(applied(&mut ledger, &view, call(1, 0, &RelayCall::Fund(id(1), Amount::cpc(12)))));
    let ways = [way_on(chain(), 1, &[70, 71], 72, 1, 900), way_on(chain(), 1, &[73], 72, 2, 900)];
    assert!(applied(&mut ledger, &view, call(1, 1, &RelayCall::settle(&ways))));
    let owned = [1, 70, 71, 72, 73].map(|seed| view.balance(&id(seed)));
    assert_eq!(Amount::checked_sum(owned), Some(Amount::cpc(100)), "what it began with");
}

#[test]
fn money_leaves_after_notice_and_paid_envelopes_are_forgotten_when_they_expire() {
    let (mut ledger, view) = start();
    let withdraw = |nonce| call(1, nonce, &RelayCall::Withdraw);
    assert!(applied(&mut ledger, &view, call(1, 0, &RelayCall::Fund(id(1), Amount::cpc(20)))));
    assert!(!applied(&mut ledger, &view, withdraw(1)), "no notice");
    assert!(applied(&mut ledger, &view, call(1, 2, &RelayCall::GiveNotice)));
    let way = way_on(chain(), 1, &[50], 60, 1, 20);
    assert!(applied(&mut ledger, &view, call(2, 0, &RelayCall::settle([&way]))));
    let paid = Relays::paid_key(&way.envelope().id());
    assert!(!applied(&mut ledger, &view, withdraw(3)), "too early");
    for height in 6..=20 {
        assert!(view.get(Relays::KIND, &paid).is_some(), "{height}");
        run(&mut ledger, &[]);
    }
    run(&mut ledger, &[]);
    assert_eq!(view.get(Relays::KIND, &paid), None);
    assert!(!applied(&mut ledger, &view, call(2, 1, &RelayCall::settle([&way]))), "it has expired");
    while view.height().0 < 3 + NOTICE {
        run(&mut ledger, &[]);
    }
    let mut last = draft(4, Relays::KIND, RelayCall::Withdraw.encode());
    last.expires = Height(5_000);
    assert!(applied(&mut ledger, &view, last.sign(&key(1)).unwrap()));
    assert_eq!(view.balance(&key(1).public_key()), Amount::cpc(94));
}

proptest! {
    #[test]
    fn calls_round_trip(bytes: Vec<u8>, tag in 0u8..6, headed: bool) {
        let payload: Bytes = if headed { [&[1, tag][..], &bytes].concat() } else { bytes }.into();
        if let Some(call) = RelayCall::decode(&payload) {
            prop_assert_eq!(call.encode(), payload);
        }
    }
}
