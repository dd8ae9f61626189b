//! What accounts do in the market moves their reputation, and with it the next election: vouchers, sales and witnessed trades
//! of the adapters' modules, on the ledger with elections.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod escrow_world;

use cpchain_consensus::{
    Term,
    dpor::{
        election::{Election, Seats},
        reputation::{Record, scores},
    },
    ledger::{
        Amount, Genesis, Outcome,
        dpor::{Dpor, DporView, Settings},
    },
};
use cpchain_crypto::{Digest, Domain, PublicKey, Signer, SigningKey, vrf::VrfSecretKey};
use cpchain_examples::adapters::chain::{EscrowModule, StakeCommand, VoucherModule};
use cpchain_market::escrow::{Event, State};
use cpchain_storage::Voucher;
use escrow_world::{Escrow, World, key};

/// Six proposers a term, of which two are default proposers; terms of six heights.
const DEFAULTS: std::ops::Range<u8> = 101..107;
/// The seller, the proxies, and two accounts that do nothing.
const CANDIDATES: [u8; 6] = [2, 10, 11, 12, 20, 21];
const TERMS: u64 = 20;
const VOUCHER: Domain = Domain::new("cpchain/storage/voucher/v1");

fn id(seed: u8) -> PublicKey {
    key(seed).public_key()
}

fn settings() -> Settings {
    let vrf = |seed: u8| VrfSecretKey::from_seed(&[seed; 32]).public_key();
    let election = Election::new(Seats::of(6).unwrap(), DEFAULTS.map(id).collect()).unwrap();
    let settings = Settings::new(election, DEFAULTS.map(vrf).collect()).unwrap().with_rounds(1).unwrap();
    settings.with_reporter(EscrowModule::<()>::KIND).with_reporter(VoucherModule::KIND)
}

fn market() -> (World, DporView) {
    let settings = settings();
    let genesis = settings.found(Genesis::new());
    let genesis = CANDIDATES.iter().fold(genesis, |genesis, seed| {
        let beacons = VrfSecretKey::from_seed(&[*seed; 32]).public_key();
        settings.seat(genesis, id(*seed), beacons, TERMS)
    });
    let genesis = [20, 21].iter().fold(genesis, |genesis, seed| genesis.account(id(*seed), Amount::cpc(1000)));
    let mut view = None;
    let key = VrfSecretKey::from_seed(&[101; 32]);
    let world = World::on(genesis, |ledger| {
        let dpor = Dpor::build(settings, ledger.module(VoucherModule), Some(key)).unwrap();
        view = Some(dpor.view());
        (dpor.ledger_view(), Box::new(dpor))
    });
    (world, view.unwrap())
}

/// A voucher as `storage.proto` has it, of an upload that nobody fetches.
#[derive(Clone, PartialEq, prost::Message)]
struct Body {
    #[prost(uint32, tag = "1")]
    version: u32,
    #[prost(bytes = "vec", tag = "2")]
    owner: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    stream: Vec<u8>,
    #[prost(uint64, tag = "4")]
    upload: u64,
    #[prost(bytes = "vec", tag = "5")]
    manifest: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    block_root: Vec<u8>,
    #[prost(bytes = "vec", tag = "7")]
    leaf_root: Vec<u8>,
    #[prost(uint32, tag = "8")]
    leaf_count: u32,
    #[prost(bytes = "vec", tag = "9")]
    previous: Vec<u8>,
    #[prost(uint32, tag = "10")]
    access: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Signed {
    #[prost(bytes = "vec", tag = "1")]
    body: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    signature: Vec<u8>,
}

/// The next voucher of an owner's stream. Somebody else pays for it.
fn publish(world: &mut World, owner: &SigningKey, upload: u64, previous: Digest) -> Digest {
    let digest = |byte| vec![byte; 32];
    let body = Body {
        version: 1,
        owner: owner.public_key().0.to_vec(),
        stream: digest(7),
        upload,
        manifest: digest(1),
        block_root: digest(2),
        leaf_root: digest(3),
        leaf_count: 1,
        previous: previous.0.to_vec(),
        access: 1,
    };
    let body = prost::Message::encode_to_vec(&body);
    let signature = owner.sign(VOUCHER, &body).0.to_vec();
    let voucher = Voucher::decode(prost::Message::encode_to_vec(&Signed { body, signature })).unwrap();
    let payer = world.buyer.clone();
    world.must(&payer, VoucherModule::KIND, voucher.bytes().clone());
    voucher.hash()
}

/// A sale to its end, posted by the proxies in the first two slots; gives them.
fn sell(world: &mut World) -> [u8; 2] {
    let id = world.accepted();
    world.grant(id, |_, bundle| bundle);
    let posted = [0, 1].map(|place| {
        assert_eq!(world.post(id, place), Outcome::Applied);
        let proxy = world.order(id).slots()[place].proxy();
        (10..13).find(|seed| key(*seed).public_key() == proxy).unwrap()
    });
    let buyer = world.buyer.clone();
    assert_eq!(world.event(&buyer, id, Event::Confirm), Outcome::Applied);
    assert_eq!(world.order(id).state(), State::Settled);
    posted
}

fn points(view: &DporView, seed: u8) -> (u64, u64) {
    let record = view.record(&id(seed));
    (record.proxy_points(), record.data_points())
}

#[test]
fn vouchers_sales_and_witnessed_trades_move_the_next_election() {
    let (mut world, view) = market();
    // The market has registered its proxies by their stakes, which have since left their balances.
    for seed in CANDIDATES {
        assert_eq!(points(&view, seed), (if (10..13).contains(&seed) { 10 } else { 0 }, 0), "{seed}");
    }

    // A voucher: 3 points of DC for its owner.
    let owner = key(20);
    let first = publish(&mut world, &owner, 0, Digest::ZERO);
    assert_eq!(points(&view, 20), (0, 3));
    // A sale: 5 points of DC for the seller; 5 of PR for the proxies that brought it about, and none for the third.
    let posted = sell(&mut world);
    assert_eq!(points(&view, 2), (0, 5));
    for proxy in 10..13 {
        assert_eq!(points(&view, proxy), (if posted.contains(&proxy) { 15 } else { 10 }, 0), "{proxy}");
    }
    assert_eq!([points(&view, 21), points(&view, 1)], [(0, 0); 2], "who did nothing, and the buyer");

    // Vouchers count up to 30 points.
    let mut last = first;
    for upload in 1..12 {
        last = publish(&mut world, &owner, upload, last);
        assert_eq!(points(&view, 20), (0, (3 * (upload + 1)).min(30)));
    }
    // The dimensions of the next election follow: the best in PR, and in DC, has 100.
    let term = view.term();
    let standing = view.standing(term);
    let of = |seed| standing.iter().find(|standing| standing.account == id(seed)).unwrap().scores;
    assert_eq!(standing.len(), CANDIDATES.len());
    assert_eq!((of(posted[0]).proxy, of(20).data), (100, 100));
    assert_eq!(of(2).data, 5 * 100 / 6, "second of six");
    assert_eq!((of(21).proxy, of(21).data), (50, 66), "with the others that have no points");
    // Without the reports all would be alike in both.
    let silent: Vec<_> = standing
        .iter()
        .map(|standing| Record { is_proxy: false, trades: 0, vouchers: 0, sales: 0, ..standing.record })
        .collect();
    assert!(scores(&silent).iter().all(|scores| (scores.proxy, scores.data) == (100, 100)));

    // At the end of the term the election draws by these weights, and by no others.
    while !view.settings().is_last(world.view.height()) {
        let before = view.standing(term);
        world.block();
        if view.settings().is_last(world.view.height()) {
            let weigh = |records: Vec<Record>| {
                let scores = scores(&records);
                before.iter().zip(scores).map(|(one, scores)| (one.account, scores.reputation())).collect::<Vec<_>>()
            };
            let after: Vec<_> = before.iter().map(|standing| view.record(&standing.account)).collect();
            let election = Election::new(Seats::of(6).unwrap(), DEFAULTS.map(id).collect()).unwrap();
            let drawn = election.hold(&weigh(after), &view.seed().0);
            assert_eq!(view.proposers(Term(term.0 + 3)), Some(drawn));
        }
    }

    // Who takes its stake back is no proxy any more; what it did comes back with the stake.
    let proxy = key(posted[0]);
    world.must(&proxy, Escrow::KIND, StakeCommand::Withdraw(Amount::cpc(100)).to_payload());
    assert_eq!(points(&view, posted[0]).0, 0);
    world.must(&proxy, Escrow::KIND, StakeCommand::Deposit(Amount(1)).to_payload());
    assert_eq!(points(&view, posted[0]).0, 15);
}
