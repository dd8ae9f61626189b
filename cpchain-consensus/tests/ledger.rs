//! What the ledger promises, by name.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod ledger_common;

use std::slice::from_ref;

use bytes::Bytes;
use cpchain_consensus::{
    Application, ChainId, FinalBlock, Height,
    ledger::{
        Amount, Call, Context, Cursor, Event, EventsPruned, Genesis, GenesisError, Ledger, MAX_VALUE_BYTES, Module,
        ModuleError, Nonce, Outcome, PoolLimits, Refusal, SubmitError, Transaction, TransactionError, Transfer,
    },
};
use cpchain_crypto::Digest;
use ledger_common::*;

const ONE: Amount = Amount::cpc(1);

fn outcome(ledger: &Ledger, transaction: &Transaction) -> Outcome {
    ledger.view().receipt(&transaction.id()).unwrap().outcome
}

#[test]
fn money_moves_from_account_to_account() {
    let mut ledger = ledger();
    let view = ledger.view();
    let transfer = pay(1, 0, 4, Amount::cpc(30));
    assert_eq!(view.nonce(&id(4)), None);
    run(&mut ledger, &[transfer.clone(), pay(4, 0, 2, Amount::cpc(10))]);
    assert_eq!(outcome(&ledger, &transfer), Outcome::Applied);
    assert_eq!([1, 2, 4].map(|i| view.balance(&id(i))), [70, 110, 20].map(Amount::cpc));
    assert_eq!(view.nonce(&id(1)), Some(Nonce(1)));
    assert_eq!(view.supply(), Amount::cpc(350));
}

#[test]
fn money_to_oneself_stays() {
    let mut ledger = ledger();
    run(&mut ledger, &[pay(1, 0, 1, Amount::cpc(100))]);
    assert_eq!(ledger.view().balance(&id(1)), Amount::cpc(100));
}

#[test]
fn an_overspend_is_a_receipt() {
    let mut ledger = ledger();
    let all_and_more = Amount::cpc(100).checked_add(Amount(1)).unwrap();
    let (over, most) = (pay(1, 0, 2, all_and_more), pay(1, 1, 2, Amount(u128::MAX)));
    run(&mut ledger, &[over.clone(), most.clone()]);
    let needed = |needed| ModuleError::InsufficientFunds { needed, available: Amount::cpc(100) };
    assert_eq!(outcome(&ledger, &over), Outcome::Failed(needed(all_and_more)));
    assert_eq!(outcome(&ledger, &most), Outcome::Failed(needed(Amount(u128::MAX))));
    assert_eq!(ledger.view().nonce(&id(1)), Some(Nonce(2)));
    assert_eq!(ledger.view().supply(), Amount::cpc(350));
}

#[test]
fn nothing_and_nonsense_are_not_transferred() {
    let mut ledger = ledger();
    for (nonce, payload) in
        [Transfer { to: id(2), amount: Amount::ZERO }.encode(), Bytes::from_static(b"x")].into_iter().enumerate()
    {
        let transaction = signed(1, nonce as u64, Transfer::KIND, payload);
        assert!(matches!(ledger.admit(transaction.bytes().clone()), Err(SubmitError::Payload(_))));
        run(&mut ledger, from_ref(&transaction));
        assert!(matches!(outcome(&ledger, &transaction), Outcome::Failed(ModuleError::Refused(_))));
    }
}

#[test]
fn replay_in_a_later_block_does_nothing() {
    let mut ledger = ledger();
    let transfer = pay(1, 0, 2, ONE);
    let root = run(&mut ledger, from_ref(&transfer));
    assert_eq!(ledger.admit(transfer.bytes().clone()), Err(SubmitError::Known(transfer.id())));
    let after = ledger.finalised(&block(2, payload(from_ref(&transfer))));
    // The block's end changes the state, the transaction does not.
    assert_ne!(after, root);
    assert_eq!(ledger.view().balance(&id(2)), Amount::cpc(101));
    assert_eq!(ledger.view().receipt(&transfer.id()).unwrap().height, Height(1));

    // Also where the first receipt is forgotten.
    let mut forgetful = Ledger::builder(chain(), genesis()).module(Till).retain(1).build().unwrap();
    run(&mut forgetful, from_ref(&transfer));
    run(&mut forgetful, &[]);
    assert_eq!(forgetful.view().receipt(&transfer.id()), None);
    run(&mut forgetful, from_ref(&transfer));
    assert_eq!(forgetful.view().balance(&id(2)), Amount::cpc(101));
    let wrong = Refusal::WrongNonce { expected: Nonce(1), found: Nonce(0) };
    assert_eq!(outcome(&forgetful, &transfer), Outcome::Refused(wrong));
}

#[test]
fn replay_on_another_chain_is_refused() {
    let mut other = Ledger::builder(genesis().chain_id("another"), genesis()).build().unwrap();
    let transfer = pay(1, 0, 2, ONE);
    assert_eq!(other.admit(transfer.bytes().clone()), Err(SubmitError::Invalid(TransactionError::WrongChain)));
    let root = other.view().height_and_root().1;
    let error = other.verify(Height(1), &[], &payload_on(root, b"", from_ref(&transfer))).unwrap_err();
    assert!(error.0.contains("chain"), "{error}");
    other.finalised(&block(1, payload(from_ref(&transfer))));
    assert_eq!(outcome(&other, &transfer), Outcome::Refused(TransactionError::WrongChain.into()));
}

#[test]
fn a_gap_in_the_nonces_waits() {
    let mut ledger = ledger();
    let (first, second) = (pay(1, 0, 2, ONE), pay(1, 1, 2, ONE));
    run(&mut ledger, from_ref(&second));
    let wrong = Refusal::WrongNonce { expected: Nonce(0), found: Nonce(1) };
    assert_eq!(outcome(&ledger, &second), Outcome::Refused(wrong));
    assert_eq!(ledger.view().nonce(&id(1)), Some(Nonce(0)));
    run(&mut ledger, &[first, second.clone()]);
    assert_eq!(outcome(&ledger, &second), Outcome::Applied);
    assert_eq!(ledger.view().balance(&id(2)), Amount::cpc(102));
}

#[test]
fn a_stranger_is_refused() {
    let mut ledger = ledger();
    let root = ledger.view().height_and_root().1;
    let transfer = pay(8, 0, 1, ONE);
    assert_eq!(ledger.admit(transfer.bytes().clone()), Err(SubmitError::UnknownAccount));
    let mut block = block(1, payload(from_ref(&transfer)));
    block.impeached = true;
    assert_eq!(ledger.finalised(&block), root);
    assert_eq!(outcome(&ledger, &transfer), Outcome::Refused(Refusal::UnknownAccount));
}

#[test]
fn an_unknown_kind_is_refused() {
    let mut ledger = ledger();
    let unknown = signed(1, 0, "unheard-of", b"".as_slice());
    assert_eq!(ledger.admit(unknown.bytes().clone()), Err(SubmitError::UnknownKind("unheard-of".into())));
    run(&mut ledger, from_ref(&unknown));
    assert_eq!(outcome(&ledger, &unknown), Outcome::Refused(Refusal::UnknownKind("unheard-of".into())));
    assert_eq!(ledger.view().nonce(&id(1)), Some(Nonce(0)));
}

#[test]
fn verify_refuses_what_is_illicit() {
    let mut ledger = ledger();
    let good = pay(1, 0, 2, ONE);
    let root = ledger.view().height_and_root().1;
    let payload = |transactions: &[Transaction]| payload_on(root, b"", transactions);
    let verdict = |ledger: &mut Ledger, height, payload: Bytes| {
        ledger.verify(Height(height), &[], &payload).map_err(|error| error.0)
    };
    let says =
        |result: Result<(), String>, what: &str| assert!(result.clone().is_err_and(|e| e.contains(what)), "{result:?}");

    assert_eq!(verdict(&mut ledger, 1, payload(&[])), Ok(()));
    says(verdict(&mut ledger, 1, Bytes::new()), "head");
    assert_eq!(verdict(&mut ledger, 1, payload(from_ref(&good))), Ok(()));
    says(verdict(&mut ledger, 1, payload(&[good.clone(), good.clone()])), "twice");
    // A repeat of an ancestor is left to execution.
    let ancestor = block(1, payload(from_ref(&good)));
    let mut ahead = ledger_common::ledger();
    let after = ahead.finalised(&ancestor);
    let repeat = payload_on(after, b"", from_ref(&good));
    assert_eq!(ledger.verify(Height(2), from_ref(&ancestor), &repeat), Ok(()));
    assert_eq!(ahead.verify(Height(2), &[], &repeat), Ok(()));
    ahead.finalised(&block(2, repeat));
    assert_eq!(outcome(&ahead, &good), Outcome::Applied);
    says(verdict(&mut ledger, 1001, payload(from_ref(&good))), "expired");
    says(verdict(&mut ledger, 1, [payload(&[]).as_ref(), b"garbage"].concat().into()), "malformed");

    // The signature of another transaction under the same key.
    let mut bytes = good.bytes().to_vec();
    let other = pay(1, 1, 2, ONE);
    let tail = bytes.len() - 64;
    bytes.splice(tail.., other.bytes()[other.bytes().len() - 64..].iter().copied());
    let forged = Transaction::decode(bytes.into()).unwrap();
    assert_eq!(forged.id(), good.id());
    says(verdict(&mut ledger, 1, payload(from_ref(&forged))), "signature");
    assert_eq!(ledger.admit(forged.bytes().clone()), Err(TransactionError::BadSignature.into()));
    // A good one in the pool does not vouch for it, and should it become final nothing moves.
    ledger.admit(good.bytes().clone()).unwrap();
    says(verdict(&mut ledger, 1, payload(from_ref(&forged))), "signature");
    ledger.finalised(&block(1, payload(from_ref(&forged))));
    assert_eq!(outcome(&ledger, &forged), Outcome::Refused(TransactionError::BadSignature.into()));
    assert_eq!(ledger.view().balance(&id(2)), Amount::cpc(100));
}

/// Whoever is further or less far on says the same: the root is that of the ancestors, final or not.
#[test]
fn verify_refuses_another_root() {
    let (mut near, mut far) = (ledger(), ledger());
    let genesis = near.view().height_and_root().1;
    let blocks: Vec<_> = (1..=3)
        .map(|height| match height {
            2 => FinalBlock { digest: Digest([2; 32]), ..block(2, Bytes::new()) },
            _ => block(height, payload(&[pay(1, height / 2, 2, ONE)])),
        })
        .collect();
    let mut other = blocks.clone();
    other[0] = block(1, payload(&[pay(2, 0, 1, ONE)]));
    other[2].digest = Digest([3; 32]);
    let roots: Vec<_> = blocks.iter().map(|block| far.finalised(block)).collect();
    let verdict = |ledger: &mut Ledger, ancestors: &[FinalBlock], root: Digest| {
        ledger.verify(Height(4), ancestors, &payload_on(root, b"", &[])).is_ok()
    };
    assert!(verdict(&mut far, &[], roots[2]));
    assert!(verdict(&mut near, &blocks, roots[2]));
    for old in [genesis, roots[0], roots[1], Digest::ZERO] {
        assert!(!verdict(&mut far, &[], old) && !verdict(&mut near, &blocks, old));
    }
    // On another block at height 1 it is another state, and asking leaves no mark.
    assert!(!verdict(&mut near, &other, roots[2]) && verdict(&mut near, &blocks, roots[2]));
    assert!(!verdict(&mut near, &blocks[1..], roots[2]), "a gap below");
    assert_eq!(near.view().height_and_root(), (Height(0), genesis));
    for (block, root) in blocks.iter().zip(roots) {
        assert_eq!(near.finalised(block), root);
        assert!(verdict(&mut near, &blocks[block.height.0 as usize..], far.view().height_and_root().1));
    }
    assert_eq!(till_entries(&near.view()), till_entries(&far.view()));
}

#[test]
fn a_block_is_proposed_verified_and_executed() {
    let mut ledger = ledger();
    let list: Vec<_> = (0..4).map(|nonce| pay(1, nonce, 2, ONE)).collect();
    for transaction in [&list[1], &list[0], &list[2], &list[3]] {
        ledger.submit(transaction.bytes().clone()).unwrap();
    }
    let view = ledger.view();
    assert_eq!((view.waiting(), view.next_nonce(&id(1)), view.nonce(&id(1))), (4, Nonce(4), Some(Nonce(0))));
    let first = ledger.propose(Height(1), &[], payload(&list[..2]).len());
    assert_eq!(first, payload_on(view.height_and_root().1, b"", &list[..2]));
    let first = block(1, first);
    let second = ledger.propose(Height(2), from_ref(&first), ROOM);
    ledger.verify(Height(2), from_ref(&first), &second).unwrap();
    assert_eq!((view.height(), view.balance(&id(2))), (Height(0), Amount::cpc(100)), "nothing of it is seen");
    let root = ledger.finalised(&first);
    assert_eq!(second, payload_on(root, b"", &list[2..]));
    assert_eq!(view.waiting(), 2);
    ledger.finalised(&block(2, second));
    assert_eq!((view.waiting(), view.balance(&id(2))), (0, Amount::cpc(104)));
    let idle = ledger.propose(Height(3), &[], ROOM);
    assert_eq!(idle, payload_on(view.height_and_root().1, b"", &[]));
    assert!(ledger.is_idle(&idle) && !ledger.is_idle(&payload(&list)));
    assert_eq!(ledger.propose(Height(3), &[], idle.len() - 1), Bytes::new(), "no room for the head");
}

#[test]
fn an_expired_transaction_is_neither_taken_nor_proposed_nor_executed() {
    let mut ledger = ledger();
    let mut draft = draft(0, Transfer::KIND, Transfer { to: id(2), amount: ONE }.encode());
    draft.expires = Height(2);
    let transaction = draft.sign(&key(1)).unwrap();
    ledger.admit(transaction.bytes().clone()).unwrap();
    let proposed = |ledger: &mut Ledger, height| ledger.propose(Height(height), &[], ROOM);
    let (second, third) = (proposed(&mut ledger, 2), proposed(&mut ledger, 3));
    assert!(!ledger.is_idle(&second) && ledger.is_idle(&third));
    run(&mut ledger, &[]);
    run(&mut ledger, &[]);
    assert_eq!(ledger.view().waiting(), 0);
    let expired = TransactionError::Expired { expires: Height(2), height: Height(3) };
    assert_eq!(ledger.admit(transaction.bytes().clone()), Err(expired.clone().into()));
    ledger.finalised(&block(3, payload(from_ref(&transaction))));
    assert_eq!(outcome(&ledger, &transaction), Outcome::Refused(expired.into()));
}

#[test]
fn a_failing_module_leaves_no_trace() {
    let steps = |steps: &[u8]| Bytes::copy_from_slice(steps);
    // Everything a module can do, and then an error.
    let failing = signed(1, 0, "till", steps(&[HOLD, WRITE, EMIT, SEND + 5 * STEPS, FAIL]));
    let plain = signed(1, 0, "till", steps(&[FAIL]));
    let impeached = |transaction| {
        let mut block = block(1, payload(&[transaction]));
        block.impeached = true;
        block
    };
    let (mut a, mut b) = (ledger(), ledger());
    assert_eq!(a.finalised(&impeached(failing.clone())), b.finalised(&impeached(plain)));
    assert_eq!(outcome(&a, &failing), Outcome::Failed(ModuleError::refused("told to fail")));
    let view = a.view();
    assert_eq!(view.balance(&id(1)), Amount::cpc(100));
    assert_eq!(view.held("till", &[0]), Amount::ZERO);
    assert_eq!(view.nonce(&id(5)), None);
    assert_eq!(till_entries(&view), []);
    assert_eq!(view.events(None, Cursor::default(), 10).unwrap().events, []);
}

/// Changes what it can, then panics: in a transaction, and at the end of each block.
struct Panics;

impl Module for Panics {
    fn kind(&self) -> &'static str {
        "panics"
    }

    fn execute(&self, context: &mut Context<'_>, call: &Call<'_>) -> Result<(), ModuleError> {
        context.hold(call, b"vault", ONE)?;
        context.put(b"key", b"value")?;
        panic!("as it was told")
    }

    fn end_of_block(&self, context: &mut Context<'_>) -> Result<(), ModuleError> {
        context.put(b"key", b"value")?;
        panic!("as it was told")
    }
}

#[test]
fn a_module_that_panics_has_failed_and_the_chain_goes_on() {
    let mut ledger = Ledger::builder(chain(), genesis()).module(Panics).build().unwrap();
    let view = ledger.view();
    let panicking = signed(1, 0, "panics", Bytes::new());
    ledger.finalised(&block(1, payload(&[panicking.clone(), pay(1, 1, 2, ONE)])));
    assert!(matches!(outcome(&ledger, &panicking), Outcome::Failed(_)));
    assert_eq!((view.held("panics", b"vault"), view.get("panics", b"key")), (Amount::ZERO, None));
    assert_eq!((view.balance(&id(2)), view.height()), (Amount::cpc(101), Height(1)));
}

#[test]
fn a_vault_pays_out_what_it_holds_and_no_more() {
    let mut ledger = ledger();
    let view = ledger.view();
    // 4 CPC into vault 0, then 1 CPC of it to account 0 and 7 to account 0.
    run(&mut ledger, &[signed(1, 0, "till", vec![HOLD + 3 * STEPS])]);
    assert_eq!((view.held("till", &[0]), view.balance(&id(1))), (Amount::cpc(4), Amount::cpc(96)));
    let (some, more) = (signed(2, 0, "till", vec![RELEASE]), signed(2, 1, "till", vec![RELEASE + 6 * STEPS]));
    run(&mut ledger, &[some, more.clone()]);
    assert_eq!((view.held("till", &[0]), view.balance(&id(0))), (Amount::cpc(3), ONE));
    let lacking = ModuleError::InsufficientFunds { needed: Amount::cpc(7), available: Amount::cpc(3) };
    assert_eq!(outcome(&ledger, &more), Outcome::Failed(lacking));
    assert_eq!(view.supply(), Amount::cpc(350));
}

#[test]
fn money_shifts_between_vaults() {
    let mut ledger = ledger();
    let view = ledger.view();
    // 3 CPC into vault 2, all of it on to vault 0; 12 CPC from vault 2, where nothing is left; 1 from vault 0 to itself.
    let step = |step: u8, with: u8| step + with * STEPS;
    let list = [step(HOLD, 2), step(SHIFT, 2), step(SHIFT, 11)];
    run(&mut ledger, &[signed(1, 0, "till", vec![list[0]])]);
    assert_eq!(view.held("till", &[2]), Amount::cpc(3));
    let whole = signed(1, 1, "till", vec![list[1]]);
    run(&mut ledger, from_ref(&whole));
    assert_eq!(outcome(&ledger, &whole), Outcome::Applied);
    assert_eq!([0, 1, 2].map(|vault| view.held("till", &[vault])), [3, 0, 0].map(Amount::cpc));
    let lacking = signed(1, 2, "till", vec![list[2]]);
    run(&mut ledger, &[lacking.clone(), signed(1, 3, "till", vec![step(SHIFT, 0)])]);
    let none = ModuleError::InsufficientFunds { needed: Amount::cpc(12), available: Amount::ZERO };
    assert_eq!(outcome(&ledger, &lacking), Outcome::Failed(none));
    assert_eq!([0, 1, 2].map(|vault| view.held("till", &[vault])), [3, 0, 0].map(Amount::cpc));
}

#[test]
fn the_end_of_a_block_pays_until_the_vault_is_empty() {
    let mut ledger = ledger();
    let view = ledger.view();
    for height in 1..=60u64 {
        let mut block = block(height, Bytes::new());
        block.impeached = height % 6 == 0;
        ledger.finalised(&block);
    }
    assert_eq!(view.balance(&cpchain_crypto::PublicKey([9; 32])), Amount::cpc(50));
    assert_eq!((view.held("till", b"prize"), view.supply()), (Amount::ZERO, Amount::cpc(350)));
    assert_eq!(view.get("till", b"last").unwrap(), 59u64.to_be_bytes().as_slice());
    // Height 61 cannot pay, so its note is gone as well.
    let mut last = block(61, Bytes::new());
    last.impeached = false;
    let before = view.height_and_root().1;
    assert_eq!(ledger.finalised(&last), before);
    assert_eq!(view.get("till", b"last").unwrap(), 59u64.to_be_bytes().as_slice());
}

#[test]
fn a_reader_sees_each_event_once() {
    let mut ledger = ledger();
    let view = ledger.view();
    let tell = signed(1, 0, "till", vec![EMIT, EMIT + STEPS, EMIT + 2 * STEPS]);
    run(&mut ledger, from_ref(&tell));
    ledger.finalised(&block(2, Bytes::new()));
    run(&mut ledger, &[signed(1, 1, "till", vec![EMIT + 3 * STEPS])]);

    let all = view.events(None, Cursor::default(), usize::MAX).unwrap();
    let data: Vec<&[u8]> = all.events.iter().map(|event| event.data.as_ref()).collect();
    assert_eq!(data, [&[0][..], &[1], &[2], b"prize", &[3], b"prize"]);
    let first = Event { height: Height(1), index: 0, kind: "till", transaction: Some(tell.id()), data: vec![0].into() };
    assert_eq!(all.events[0], first);
    assert_eq!(all.next, Cursor { height: Height(4), index: 0 });

    for page_size in 1..7 {
        let (mut cursor, mut events) = (Cursor::default(), Vec::new());
        for _ in 0..all.events.len() {
            let page = view.events(Some("till"), cursor, page_size).unwrap();
            events.extend(page.events);
            cursor = page.next;
        }
        assert_eq!(events, all.events);
    }
    assert_eq!(view.events(Some("other"), Cursor::default(), 9).unwrap().events, []);

    run(&mut ledger, &[signed(1, 2, "till", vec![EMIT + 4 * STEPS])]);
    assert_eq!(view.events(None, all.next, 9).unwrap().events.len(), 2);
}

#[test]
fn what_is_not_kept_is_said() {
    let mut ledger = Ledger::builder(chain(), genesis()).module(Till).retain(2).build().unwrap();
    let view = ledger.view();
    for nonce in 0..5 {
        run(&mut ledger, &[signed(1, nonce, "till", vec![EMIT])]);
        let kept = view.events(None, Cursor::default(), 99);
        match nonce {
            0 | 1 => assert_eq!(kept.unwrap().events.len(), 2 * (nonce as usize + 1)),
            _ => assert_eq!(kept, Err(EventsPruned { oldest: Height(nonce) })),
        }
    }
    assert_eq!(view.events(None, Cursor { height: Height(4), index: 0 }, 99).unwrap().events.len(), 4);
}

#[test]
fn a_replaced_receipt_is_kept_as_long_as_its_own_block() {
    let mut ledger = Ledger::builder(chain(), genesis()).retain(2).build().unwrap();
    let (first, second) = (pay(1, 0, 2, ONE), pay(1, 1, 2, ONE));
    run(&mut ledger, from_ref(&second));
    run(&mut ledger, &[first, second.clone()]);
    run(&mut ledger, &[]);
    assert_eq!(ledger.view().receipt(&second.id()).unwrap().height, Height(2));
    run(&mut ledger, &[]);
    assert_eq!(ledger.view().receipt(&second.id()), None);
}

#[test]
fn a_block_out_of_order_is_not_executed() {
    let mut ledger = ledger();
    let root = run(&mut ledger, &[pay(1, 0, 2, ONE)]);
    for height in [0, 1, 3] {
        assert_eq!(ledger.finalised(&block(height, payload(&[pay(2, 0, 1, ONE)]))), root);
    }
    assert_eq!(ledger.last_height(), Height(1));
}

#[test]
fn genesis_fills_accounts_vaults_and_spaces() {
    let genesis = genesis().entry("till", b"k", b"v".as_slice());
    let view = Ledger::builder(genesis.chain_id("test"), genesis).build().unwrap().view();
    assert_eq!(view.get("till", b"k").unwrap(), b"v".as_slice());
    assert_eq!((view.held("till", b"prize"), view.balance(&id(3))), (Amount::cpc(50), Amount::cpc(100)));
    assert_eq!(view.get("other", b"k"), None);
}

/// Writes something that is too large, and hides the error.
struct Greedy;

impl Module for Greedy {
    fn kind(&self) -> &'static str {
        "greedy"
    }

    fn execute(&self, context: &mut Context<'_>, _: &Call<'_>) -> Result<(), ModuleError> {
        let bound = |result| assert!(matches!(result, Err(ModuleError::Bound { .. })));
        bound(context.put(b"k", vec![0; MAX_VALUE_BYTES + 1]));
        bound(context.put(&[0; 257], b""));
        bound(context.emit(vec![0; MAX_VALUE_BYTES + 1]));
        for _ in 0..1024 {
            context.emit(b"".as_slice())?;
        }
        bound(context.emit(b"".as_slice()));
        context.put(b"k", vec![0; MAX_VALUE_BYTES])?;
        Err(ModuleError::refused("enough"))
    }
}

#[test]
fn keys_values_and_events_are_bounded() {
    let mut ledger = Ledger::builder(chain(), genesis()).module(Greedy).build().unwrap();
    let transaction = signed(1, 0, "greedy", b"".as_slice());
    run(&mut ledger, from_ref(&transaction));
    assert_eq!(outcome(&ledger, &transaction), Outcome::Failed(ModuleError::refused("enough")));
}

#[test]
fn a_wrong_genesis_or_set_of_modules_is_refused() {
    let build = |genesis: Genesis| Ledger::builder(ChainId(Digest::ZERO), genesis).build().map(drop);
    let rich = Genesis::new().account(id(1), Amount(u128::MAX));
    assert_eq!(build(rich.clone()), Ok(()));
    assert_eq!(build(rich.account(id(2), Amount(1))), Err(GenesisError::TooMuch));
    assert_eq!(build(Genesis::new().vault("A", b"", ONE)), Err(GenesisError::BadKind("A".into())));
    assert_eq!(build(Genesis::new().vault("a", &[0; 257], ONE)), Err(GenesisError::LongKey));
    assert_eq!(build(Genesis::new().entry("a", &[0; 257], vec![])), Err(GenesisError::LongKey));
    assert_eq!(build(Genesis::new().entry("a b", b"", vec![])), Err(GenesisError::BadKind("a b".into())));
    assert_eq!(build(Genesis::new().entry("a", b"", vec![0; MAX_VALUE_BYTES + 1])), Err(GenesisError::LongValue));
    let twice = Ledger::builder(chain(), genesis()).module(Till).module(Till).build().map(drop);
    assert_eq!(twice, Err(GenesisError::DuplicateKind("till".into())));
}

#[test]
fn a_full_pool_says_so() {
    let limits = PoolLimits { transactions: 1, ..PoolLimits::default() };
    let mut ledger = Ledger::builder(chain(), genesis()).pool(limits).build().unwrap();
    ledger.admit(pay(1, 0, 2, ONE).bytes().clone()).unwrap();
    assert_eq!(ledger.admit(pay(2, 0, 1, ONE).bytes().clone()), Err(SubmitError::Full));
    let error = ledger.submit(pay(2, 0, 1, ONE).bytes().clone()).unwrap_err();
    assert!(error.0.contains("full"), "{error}");
}

#[test]
fn many_at_once_are_answered_as_one_by_one() {
    let spoil = |transaction: Transaction| {
        let mut bytes = transaction.bytes().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        Bytes::from(bytes)
    };
    let good = |from, nonce| pay(from, nonce, 2, ONE).bytes().clone();
    let all_good = vec![good(1, 0), good(1, 1), good(3, 0)];
    let mixed = vec![
        good(1, 0),
        spoil(pay(1, 1, 2, ONE)),
        good(1, 0),
        good(1, 1),
        "nonsense".into(),
        good(9, 0),
        pay(1, 0, 3, ONE).bytes().clone(),
        good(3, 1),
        good(3, 200),
    ];
    for list in [Vec::new(), all_good, mixed] {
        let (mut one, mut all) = (ledger(), ledger());
        let singly: Vec<_> = list.iter().map(|transaction| one.admit(transaction.clone())).collect();
        assert_eq!(all.admit_all(list), singly);
        assert_eq!(all.propose(Height(1), &[], ROOM), one.propose(Height(1), &[], ROOM));
    }
}
