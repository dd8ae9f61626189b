//! A main chain and side chains of gateways, each a light client of the other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bridge_common;
mod ledger_common;

use bridge_common::{DEPOSIT, MAIN, Net, RESERVE, SIDE, anchor, certificate, cross, pair, register};
use bytes::Bytes;
use cpchain_consensus::{
    ChainId, Height,
    dpor::generator::Generator,
    lbft::Kind,
    ledger::{
        Amount, Genesis,
        bridge::{Bridge, BridgeCall, KEPT_ROOTS, MAX_HEADERS, PeerStatus},
    },
    proof::StateKey,
};
use cpchain_crypto::Digest;
use ledger_common::{REMOVE, STEPS, WRITE, id};
use proptest::prelude::*;

fn advance(call: BridgeCall, change: impl FnOnce(&mut Vec<Bytes>)) -> BridgeCall {
    let BridgeCall::Advance { chain, mut headers, certificate, .. } = call else { unreachable!() };
    change(&mut headers);
    BridgeCall::Advance { chain, headers, certificate, head: None }
}

#[test]
fn forged_and_reordered_headers_are_refused() {
    let (mut main, mut side) = pair();
    (0..4).for_each(|_| side.step());
    let good = side.news(Height(0));
    let BridgeCall::Advance { chain, headers, certificate: signed, head } = good.clone() else { unreachable!() };

    let changes: [fn(&mut Vec<Bytes>); 5] = [
        |headers| headers.reverse(),
        |headers| headers.swap(0, 1),
        |headers| drop(headers.remove(1)),
        |headers| drop(headers.remove(0)),
        |headers| headers.truncate(3),
    ];
    for change in changes {
        assert!(main.call(3, &advance(good.clone(), change)).is_err());
    }
    // A certificate by strangers; by three who are two; of PREPAREs; of another height; of another chain's committee.
    let digest = signed.digest;
    let by = |seeds: &[u8], kind| certificate(&side.committee, seeds, kind, Height(4), digest);
    let forged = [
        by(&MAIN, Kind::Commit),
        by(&SIDE[..2], Kind::Commit),
        by(&SIDE, Kind::Prepare),
        certificate(&side.committee, &SIDE, Kind::Commit, Height(3), digest),
        certificate(&main.committee, &SIDE, Kind::Commit, Height(4), digest),
    ];
    for certificate in forged {
        let call = BridgeCall::Advance { chain, headers: headers.clone(), certificate, head: None };
        assert!(main.call(3, &call).is_err());
    }
    // Headers of one chain as those of another; the head of another chain's payload.
    let (mut other, certificate) = (Net::side(&main, "other", None), signed.clone());
    register(&mut main, &other).unwrap();
    let call = BridgeCall::Advance { chain: other.id, headers: headers.clone(), certificate, head: None };
    assert!(main.call(3, &call).is_err());
    let written = other.sign(1, "till", vec![WRITE].into());
    other.run(&written).unwrap();
    (0..3).for_each(|_| other.step());
    let BridgeCall::Advance { head: foreign, .. } = other.news(Height(0)) else { unreachable!() };
    assert_ne!(foreign, head);
    let call = BridgeCall::Advance { chain, headers, certificate: signed, head: foreign };
    assert!(main.call(3, &call).is_err());

    assert_eq!(main.bridge.tip(&side.id), Some((Height(0), Digest::ZERO)), "nothing of all that was taken");
    main.call(3, &good).unwrap();
    assert!(main.call(3, &good).is_err(), "again");
    assert_eq!(main.bridge.tip(&side.id).unwrap().0, Height(4));
    assert_eq!(main.bridge.anchors(&side.id).len(), 1);
    // Bit by bit, with the new headers alone.
    for height in 5..8 {
        anchor(&mut side, &mut main);
        assert_eq!(main.bridge.tip(&side.id).unwrap().0, Height(height));
    }
}

#[test]
fn the_bridge_follows_terms() {
    let mut main = Net::main();
    let mut side = Net::side(&main, "side", Some(3));
    register(&mut main, &side).unwrap();
    let next: Vec<u8> = (121..126).collect();
    (0..2).for_each(|_| side.step());
    let news = side.news(Height(0));
    main.call(3, &news).unwrap();
    side.step();
    let news = side.news(Height(2));
    let early = side.hand_over(&next, Some(2));
    assert!(main.call(3, &early).is_err(), "the term has not ended here");
    main.call(3, &news).unwrap();
    // The old committee can say nothing any more, and only its quorum names the next one.
    let BridgeCall::NextTerm { committee, .. } = early.clone() else { unreachable!() };
    let by_itself = certificate(&committee, &next, Kind::Handover, Height(3), committee.digest());
    assert!(main.call(3, &BridgeCall::NextTerm { committee, handover: by_itself }).is_err());
    main.call(3, &early).unwrap();
    assert!(main.call(3, &early).is_err(), "again");
    assert_eq!(main.bridge.committee(&side.id).as_ref(), Some(&side.committee));
}

#[test]
fn work_is_bounded() {
    let (mut main, mut side) = pair();
    side.step();
    let BridgeCall::Advance { chain, headers, certificate, .. } = side.news(Height(0)) else { unreachable!() };
    let many = vec![headers[0].clone(); MAX_HEADERS + 1];
    let call = BridgeCall::Advance { chain, headers: many, certificate, head: None };
    assert_eq!(BridgeCall::decode(&call.encode()), None);
    let transaction = main.sign(3, Bridge::KIND, call.encode());
    assert!(main.run(&transaction).is_err());
    // As many as a transaction takes come in one step.
    (1..MAX_HEADERS).for_each(|_| side.step());
    let news = side.news(Height(0));
    main.call(3, &news).unwrap();
    assert_eq!(main.bridge.tip(&side.id).unwrap().0, Height(MAX_HEADERS as u64));
}

#[test]
fn old_roots_are_refused() {
    let (mut main, mut side) = pair();
    main.call(1, &BridgeCall::Send { chain: side.id, to: id(2), amount: Amount::cpc(5) }).unwrap();
    anchor(&mut main, &mut side);
    let receive = main.receive(side.id, 0, id(2), Amount::cpc(5));
    for _ in 0..KEPT_ROOTS {
        anchor(&mut main, &mut side);
    }
    assert_eq!(side.bridge.anchors(&main.id).len(), KEPT_ROOTS);
    assert!(side.call(3, &receive).unwrap_err().contains("newer"));
    // A new proof of the same transfer serves.
    let receive = main.receive(side.id, 0, id(2), Amount::cpc(5));
    side.call(3, &receive).unwrap();
    assert_eq!(side.view.balance(&id(2)), Amount::cpc(5));
}

#[test]
fn a_transfer_arrives_once_and_in_order() {
    let (mut main, mut side) = pair();
    for (to, amount) in [(1, 10), (2, 20)] {
        main.call(1, &BridgeCall::Send { chain: side.id, to: id(to), amount: Amount::cpc(amount) }).unwrap();
    }
    anchor(&mut main, &mut side);
    let first = main.receive(side.id, 0, id(1), Amount::cpc(10));
    let second = main.receive(side.id, 1, id(2), Amount::cpc(20));
    assert!(side.call(3, &second).unwrap_err().contains("0 is next"), "reordered");
    // Another receiver, amount or number than was sent.
    for wrong in [
        main.receive(side.id, 0, id(3), Amount::cpc(10)),
        main.receive(side.id, 0, id(1), Amount::cpc(11)),
        main.receive(side.id, 2, id(2), Amount::cpc(20)),
    ] {
        assert!(side.call(3, &wrong).is_err());
    }
    side.call(3, &first).unwrap();
    assert!(side.call(3, &first).unwrap_err().contains("1 is next"), "a replay");
    side.call(3, &second).unwrap();
    let third = main.receive(side.id, 2, id(2), Amount::cpc(20));
    assert!(side.call(3, &third).is_err(), "it was never sent");
    assert_eq!([1, 2].map(|seed| side.view.balance(&id(seed))), [Amount::cpc(10), Amount::cpc(20)]);
    assert_eq!(side.bridge.held(&main.id), Amount::cpc(970));

    // And back.
    cross(&mut side, &mut main, 2, 3, Amount::cpc(15));
    assert_eq!(main.view.balance(&id(3)), Amount::cpc(115));
    assert_eq!(main.bridge.held(&side.id), Amount::cpc(15));
    // Nobody sends what it has not, or nothing.
    for amount in [Amount::cpc(6), Amount::ZERO] {
        assert!(side.call(2, &BridgeCall::Send { chain: main.id, to: id(2), amount }).is_err());
    }
    assert!(main.call(1, &BridgeCall::Send { chain: main.id, to: id(2), amount: Amount::cpc(1) }).is_err());
}

#[test]
fn transfers_to_other_chains_are_refused() {
    let (mut main, mut side) = pair();
    let mut other = Net::side(&main, "other", None);
    register(&mut main, &other).unwrap();
    assert!(register(&mut main, &other).is_err(), "known already");
    main.call(1, &BridgeCall::Send { chain: side.id, to: id(2), amount: Amount::cpc(5) }).unwrap();
    main.step();
    let receive = main.receive(side.id, 0, id(2), Amount::cpc(5));
    let news = main.news(Height(0));
    for net in [&mut side, &mut other] {
        net.call(3, &news).unwrap();
    }
    assert!(other.call(3, &receive).is_err(), "sent to another chain");
    side.call(3, &receive).unwrap();
    // A transaction of one chain on another is refused by its id.
    let foreign = side.sign(2, Bridge::KIND, receive.encode());
    assert!(other.run(&foreign).is_err());
    // A chain that nobody registered.
    let stranger = ChainId::new("stranger", b"");
    assert!(main.call(1, &BridgeCall::Send { chain: stranger, to: id(2), amount: Amount::cpc(5) }).is_err());
}

/// Money goes back and forth at random.
#[test]
fn money_is_conserved_on_both_chains() {
    let (mut main, mut side) = pair();
    let supplies = (main.view.supply(), side.view.supply());
    let circulating = |side: &Net, main: &Net| RESERVE.checked_sub(side.bridge.held(&main.id)).unwrap();
    let mut draw = Generator::new(&[7; 32]);
    for _ in 0..24 {
        let (sender, receiver) = (1 + draw.below(3) as u8, 1 + draw.below(3) as u8);
        let out = draw.below(2) == 0;
        let (from, to) = if out { (&mut main, &mut side) } else { (&mut side, &mut main) };
        let balance = from.view.balance(&id(sender));
        let amount = Amount(balance.0 / (2 + u128::from(draw.below(5))));
        if amount != Amount::ZERO {
            cross(from, to, sender, receiver, amount);
        }
        assert_eq!(circulating(&side, &main), main.bridge.held(&side.id));
    }
    assert_eq!((main.view.supply(), side.view.supply()), supplies);
    assert!(main.bridge.held(&side.id) > Amount::ZERO && side.bridge.sent(&main.id) > 0);
}

#[test]
fn a_corrupt_committee_takes_at_most_what_is_locked_for_it() {
    let (mut main, side) = pair();
    let mut other = Net::side(&main, "other", None);
    register(&mut main, &other).unwrap();
    cross(&mut main, &mut other, 2, 2, Amount::cpc(40));
    main.call(1, &BridgeCall::Send { chain: side.id, to: id(1), amount: Amount::cpc(30) }).unwrap();

    // All gateways of the side chain certify a state that they invented: 5,000 CPC in one hand.
    let invented = Bridge::found(Genesis::new(), &main.committee, (Height(0), Digest::ZERO), RESERVE);
    let invented = invented.account(id(3), Amount::cpc(5_000));
    let mut corrupt = Net::new(side.id, &invented, Amount::ZERO, &SIDE, None);
    for amount in [31, 30, 1] {
        corrupt.call(3, &BridgeCall::Send { chain: main.id, to: id(3), amount: Amount::cpc(amount) }).unwrap();
    }
    let before = main.view.supply();
    anchor(&mut corrupt, &mut main);
    let receive = |sequence, amount| corrupt.receive(main.id, sequence, id(3), Amount::cpc(amount));
    assert!(main.call(3, &receive(0, 31)).unwrap_err().contains("InsufficientFunds"));
    // Another history, in which the first transfer is smaller, takes what is there and nothing more.
    let mut second = Net::new(side.id, &invented, Amount::ZERO, &SIDE, None);
    for amount in [30, 1] {
        second.call(3, &BridgeCall::Send { chain: main.id, to: id(3), amount: Amount::cpc(amount) }).unwrap();
    }
    let (mut fresh, _) = (Net::main(), ());
    register(&mut fresh, &side).unwrap();
    register(&mut fresh, &other).unwrap();
    cross_only_out(&mut fresh, &other, 40);
    cross_only_out(&mut fresh, &side, 30);
    anchor(&mut second, &mut fresh);
    let receive = |sequence, amount| second.receive(fresh.id, sequence, id(3), Amount::cpc(amount));
    let (first, last) = (receive(0, 30), receive(1, 1));
    fresh.call(3, &first).unwrap();
    assert!(fresh.call(3, &last).unwrap_err().contains("InsufficientFunds"));
    assert_eq!(fresh.view.balance(&id(3)), Amount::cpc(130));
    for net in [&main, &fresh] {
        assert_eq!(net.bridge.held(&other.id), Amount::cpc(40), "what is locked for others stays");
    }
    assert_eq!((main.view.supply(), fresh.view.supply()), (before, before));
}

fn cross_only_out(main: &mut Net, side: &Net, amount: u64) {
    main.call(2, &BridgeCall::Send { chain: side.id, to: id(2), amount: Amount::cpc(amount) }).unwrap();
}

#[test]
fn two_certificates_of_one_height_end_the_side_chain() {
    let (mut main, mut side) = pair();
    cross(&mut main, &mut side, 1, 1, Amount::cpc(10));
    let (chain, height) = (side.id, Height(9));
    let of = |kind, height, digest: u8| certificate(&side.committee, &SIDE, kind, height, Digest([digest; 32]));
    let report = |first, second| BridgeCall::Report { chain, first, second };
    let commit = |height, digest| of(Kind::Commit, height, digest);
    for honest in [
        report(commit(height, 1), commit(height, 1)),
        report(commit(height, 1), commit(Height(8), 2)),
        report(commit(height, 1), of(Kind::Prepare, height, 2)),
        report(of(Kind::Prepare, height, 1), of(Kind::Prepare, height, 2)),
        report(commit(height, 1), certificate(&side.committee, &MAIN, Kind::Commit, height, Digest([2; 32]))),
    ] {
        assert!(main.call(2, &honest).is_err());
    }
    let before = (main.view.balance(&id(2)), main.view.supply());
    main.call(2, &report(commit(height, 1), commit(height, 2))).unwrap();
    assert_eq!(main.view.balance(&id(2)), before.0.checked_add(Amount(DEPOSIT.0 / 2)).unwrap());
    assert_eq!(main.view.held(Bridge::KIND, Bridge::LOST), Amount(DEPOSIT.0 / 2));
    assert_eq!((main.bridge.status(&chain), main.view.supply()), (Some(PeerStatus::Ended), before.1));
    // It is not heard any more, and nothing that was locked leaves.
    side.call(1, &BridgeCall::Send { chain: main.id, to: id(1), amount: Amount::cpc(1) }).unwrap();
    let news = side.news(Height(0));
    assert!(main.call(3, &news).unwrap_err().contains("at an end"));
    assert!(main.call(1, &BridgeCall::Close { chain }).is_err());
    assert!(main.call(1, &BridgeCall::Send { chain, to: id(1), amount: Amount::cpc(1) }).is_err());
    assert_eq!(main.bridge.held(&chain), Amount::cpc(10));
}

#[test]
fn a_deposit_returns_when_nothing_is_locked() {
    let (mut main, mut side) = pair();
    let low = BridgeCall::Register {
        committee: Box::new(Net::side(&main, "cheap", None).committee),
        deposit: Amount::cpc(19),
    };
    assert!(main.call(2, &low).is_err(), "below the deposit");
    cross(&mut main, &mut side, 2, 2, Amount::cpc(10));
    let close = BridgeCall::Close { chain: side.id };
    assert!(main.call(1, &close).unwrap_err().contains("locked"));
    cross(&mut side, &mut main, 2, 2, Amount::cpc(10));
    assert!(main.call(2, &close).is_err(), "not by another");
    main.call(1, &close).unwrap();
    assert_eq!([1, 2].map(|seed| main.view.balance(&id(seed))), [Amount::cpc(100); 2]);
    assert!(register(&mut main, &side).is_err(), "closed for ever: its transfers could come again");
}

#[test]
fn vouchers_cross_both_ways() {
    let (mut main, mut side) = pair();
    let (key, other) = (3_u8, 4_u8);
    let carry = |from: &Net, key: u8, value: Option<u8>| {
        let answer = from.view.prove_certified(&StateKey::entry("till", &[key])).unwrap();
        BridgeCall::Carry {
            chain: from.id,
            block: answer.block,
            kind: "till".into(),
            key: Bytes::copy_from_slice(&[key]),
            value: value.map(|value| Bytes::copy_from_slice(&[value])),
            proof: answer.proof,
        }
    };
    for out in [true, false] {
        let (from, to) = if out { (&mut main, &mut side) } else { (&mut side, &mut main) };
        let written = from.sign(1, "till", vec![WRITE + STEPS * key].into());
        from.run(&written).unwrap();
        anchor(from, to);
        let first = carry(from, key, Some(0));
        for wrong in [carry(from, key, Some(1)), carry(from, key, None), carry(from, other, Some(0))] {
            assert!(to.call(3, &wrong).is_err());
        }
        to.call(3, &first).unwrap();
        to.call(3, &carry(from, other, None)).unwrap();
        assert!(to.call(3, &first).unwrap_err().contains("as new"));
        let (at, value) = to.bridge.copy(&from.id, "till", &[key]).unwrap();
        assert_eq!((at, value.as_deref()), (from.height(), Some(&[0][..])));
        assert_eq!(to.bridge.copy(&from.id, "till", &[other]), Some((from.height(), None)));
        // It was taken back there; the old proof does not bring it back here.
        let removed = from.sign(1, "till", vec![REMOVE + STEPS * key].into());
        from.run(&removed).unwrap();
        anchor(from, to);
        to.call(3, &carry(from, key, None)).unwrap();
        assert!(to.call(3, &first).unwrap_err().contains("as new"));
        assert_eq!(to.bridge.copy(&from.id, "till", &[key]), Some((from.height(), None)));
    }
}

fn samples() -> Vec<BridgeCall> {
    let (main, mut side) = pair();
    let mut terms = Net::side(&main, "terms", Some(2));
    side.step();
    let answer = side.view.prove_certified(&StateKey::entry("till", b"k")).unwrap();
    let commit = |digest: u8| certificate(&side.committee, &SIDE, Kind::Commit, Height(9), Digest([digest; 32]));
    let (chain, block, proof) = (side.id, answer.block, answer.proof);
    let carry =
        |value| BridgeCall::Carry { chain, block, kind: "till".into(), key: "k".into(), value, proof: proof.clone() };
    vec![
        BridgeCall::Register { committee: Box::new(side.committee.clone()), deposit: DEPOSIT },
        side.news(Height(0)),
        advance(side.news(Height(0)), |_| {}),
        terms.hand_over(&MAIN, None),
        BridgeCall::Send { chain, to: id(1), amount: Amount::cpc(7) },
        side.receive(main.id, 0, id(1), Amount::cpc(7)),
        carry(None),
        carry(Some("value".into())),
        BridgeCall::Report { chain, first: commit(1), second: commit(2) },
        BridgeCall::Close { chain },
    ]
}

#[test]
fn calls_round_trip_and_their_bytes_are_golden() {
    let mut text = String::new();
    for call in samples() {
        let bytes = call.encode();
        assert_eq!(BridgeCall::decode(&bytes).as_ref(), Some(&call));
        for length in 0..bytes.len() {
            assert_eq!(BridgeCall::decode(&bytes.slice(..length)), None, "{call:?}");
        }
        assert_eq!(BridgeCall::decode(&[&bytes[..], &[0]].concat().into()), None);
        text += &format!("{} {}\n", bytes.len(), Digest::content(&bytes));
    }
    assert_eq!(text, include_str!("../testdata/bridge_calls.txt"));
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400), call in 0u8..10, headed: bool) {
        let payload: Bytes = if headed { [&[1, call][..], &bytes].concat() } else { bytes }.into();
        if let Some(call) = BridgeCall::decode(&payload) {
            prop_assert_eq!(call.encode(), payload);
        }
    }
}
