//! Trades, ratings, histories, what is wanted, and previews, as every market books them.

#![cfg(feature = "catalog")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use cpchain_crypto::{Digest, PublicKey, Signer};
use cpchain_market::{
    Amount, Height, MemoryLog,
    book::{Account, ChainRecord, Fact, FactKey, PreviewStatus, Ratings, Side, TradeEnd, TradeRecord},
    catalog::{Catalog as _, Query, TantivyCatalog},
    escrow::OrderId,
    listing::{
        Action, Answer, Listing, ListingError, ListingId, Offered, OpenedLeaf, Operation, PREVIEW_LEAVES, PreviewError,
        PreviewOffer, PreviewOpening, Rating, SignedOperation, Unit, Wanted, rule::Skip,
    },
    sync::Follower,
};
use proptest::prelude::*;
use support::{Cheat, Goods, key, listing, signed};

fn by(who: u8, sequence: u64, action: Action) -> SignedOperation {
    Operation { seller: key(who).public_key(), sequence, action }.sign(&key(who)).unwrap()
}

fn public(who: u8) -> PublicKey {
    key(who).public_key()
}

fn order(i: u8) -> OrderId {
    OrderId(Digest([i; 32]))
}

/// An order of buyer 1 with seller 2 over the listing of the other tests.
fn trade(i: u8, end: TradeEnd) -> TradeRecord {
    let sold = end == TradeEnd::Settled;
    TradeRecord {
        order: order(i),
        listing: signed().listing_id(),
        buyer: public(1),
        seller: public(2),
        end,
        intervals: if sold { 2 } else { 0 },
        paid: Amount(if sold { 1000 } else { 0 }),
        false_complaint: false,
    }
}

fn rate(who: u8, i: u8, score: u8) -> SignedOperation {
    by(who, 0, Action::Rate(Rating { order: order(i), score, text: "as described".into() }))
}

fn wish(until: u64) -> Wanted {
    Wanted {
        title: "Tide tables of Brest".into(),
        description: "Every quarter of an hour".into(),
        tags: vec!["sea".into()],
        category: "climate".into(),
        max_price: Amount(600),
        unit: Unit::Interval,
        period_ms: 900_000,
        until: Height(until),
        created_ms: 5,
    }
}

struct Market {
    log: MemoryLog,
    catalog: TantivyCatalog,
    _dir: tempfile::TempDir,
}

impl Market {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { log: MemoryLog::default(), catalog: TantivyCatalog::open(dir.path()).unwrap(), _dir: dir }
    }

    /// One block of these operations; what was skipped.
    fn block(&mut self, operations: &[&SignedOperation]) -> Vec<Skip> {
        operations.iter().for_each(|operation| self.log.append_unchecked(operation.as_bytes().to_vec()));
        self.log.seal_block();
        let mut skipped = Vec::new();
        loop {
            let progress = Follower::default().step(&self.log, &mut self.catalog).unwrap();
            skipped.extend(progress.skipped.into_iter().map(|(_, skip)| skip));
            if progress.caught_up {
                return skipped;
            }
        }
    }

    fn ended(&mut self, record: TradeRecord) -> Vec<Skip> {
        self.log.record(&ChainRecord::Trade(record));
        self.block(&[])
    }
}

#[test]
fn only_the_buyer_of_a_settled_order_rates_it_and_once() {
    let mut market = Market::new();
    market.block(&[&signed()]);
    assert_eq!(market.block(&[&rate(1, 1, 5)]), [Skip::NoTrade]);
    assert_eq!(market.ended(trade(1, TradeEnd::Settled)), []);
    assert_eq!(market.ended(trade(2, TradeEnd::Refunded)), []);
    for (stranger, score) in [(2, 5), (3, 1)] {
        assert_eq!(market.block(&[&rate(stranger, 1, score)]), [Skip::NotBuyer]);
    }
    assert_eq!(market.block(&[&rate(1, 2, 1)]), [Skip::NotSold]);
    // Twice in one block, and again later.
    assert_eq!(market.block(&[&rate(1, 1, 4), &rate(1, 1, 1)]), [Skip::Rated]);
    assert_eq!(market.block(&[&rate(1, 1, 5)]), [Skip::Rated]);
    let standing = market.catalog.standing(signed().listing_id()).unwrap();
    assert_eq!((standing.ratings, standing.sold), (Ratings { count: 1, sum: 4 }, 1));
    for score in [0, 6, 255] {
        let rating = Rating { order: order(1), score, text: String::new() };
        let operation = Operation { seller: public(1), sequence: 0, action: Action::Rate(rating) };
        assert_eq!(operation.sign(&key(1)), Err(ListingError::Score(score)));
    }
    let long = Rating { order: order(1), score: 1, text: "x".repeat(1025) };
    let long = Operation { seller: public(1), sequence: 0, action: Action::Rate(long) };
    assert_eq!(long.sign(&key(1)), Err(ListingError::TooLong { field: "text" }));
}

#[test]
fn a_mean_is_of_all_ratings() {
    let mut market = Market::new();
    market.block(&[&signed()]);
    let scores = [5, 1, 4, 4, 2, 5, 5];
    for (i, score) in (1..).zip(scores) {
        assert_eq!(market.ended(trade(i, TradeEnd::Settled)), []);
        assert_eq!(market.block(&[&rate(1, i, score)]), []);
    }
    let ratings = market.catalog.standing(signed().listing_id()).unwrap().ratings;
    assert_eq!(ratings, Ratings { count: 7, sum: 26 });
    assert_eq!(ratings.mean_hundredths(), Some(371));
    assert_eq!(market.catalog.account(public(2)).unwrap().ratings, ratings);
}

#[test]
fn better_rated_listings_come_first() {
    let mut market = Market::new();
    let twins: Vec<_> =
        (0..6u64).map(|i| by(2, 0, Action::Publish(Listing { created_ms: 100 + i, ..listing() }))).collect();
    market.block(&twins.iter().collect::<Vec<_>>());
    let found = |market: &Market| market.catalog.search(&Query::new("seattle weather").limit(1)).unwrap()[0].id;
    let unrated = found(&market);
    let other = twins.iter().map(SignedOperation::listing_id).rfind(|id| *id != unrated).unwrap();
    market.ended(TradeRecord { listing: other, ..trade(1, TradeEnd::Settled) });
    market.block(&[&rate(1, 1, 5)]);
    assert_eq!(found(&market), other);
    for i in 2..4 {
        market.ended(TradeRecord { listing: other, ..trade(i, TradeEnd::Settled) });
        market.block(&[&rate(1, i, 1)]);
    }
    assert_ne!(found(&market), other, "two bad ones outweigh a good one");
}

#[test]
fn histories_follow_the_chains_records() {
    let mut market = Market::new();
    market.block(&[&signed()]);
    let ends = [TradeEnd::Settled, TradeEnd::SellerFault, TradeEnd::Cancelled, TradeEnd::Settled, TradeEnd::Refunded];
    for (i, end) in (1..).zip(ends) {
        assert_eq!(market.ended(TradeRecord { false_complaint: i == 4, ..trade(i, end) }), []);
    }
    // The same order does not end twice.
    assert_eq!(market.ended(trade(1, TradeEnd::Refunded)), [Skip::Record]);
    market.block(&[&rate(1, 4, 2)]);
    let side = Side { settled: 2, faults: 1, lapsed: 2 };
    let seller = Account { selling: side, ratings: Ratings { count: 1, sum: 2 }, ..Account::default() };
    let buyer = Account { buying: side, false_complaints: 1, ..Account::default() };
    assert_eq!(market.catalog.account(public(2)).unwrap(), seller);
    assert_eq!(market.catalog.account(public(1)).unwrap(), buyer);
    assert_eq!(market.catalog.account(public(3)).unwrap(), Account::default());
    for party in [1, 2] {
        let all = market.catalog.history(public(party), None, 100).unwrap();
        assert_eq!(all.iter().map(|trade| trade.record.end).collect::<Vec<_>>(), ends);
        assert_eq!(all[3].rating().unwrap().score, 2);
        // Page by page it is the same.
        let first = market.catalog.history(public(party), None, 2).unwrap();
        let rest = market.catalog.history(public(party), first.last(), 100).unwrap();
        assert_eq!([first, rest].concat(), all);
    }
    assert!(market.catalog.history(public(3), None, 10).unwrap().is_empty());
    // No party writes in the chain's name: the same bytes as somebody's operation are none.
    market.log.append_unchecked(ChainRecord::Trade(trade(9, TradeEnd::SellerFault)).to_bytes());
    assert!(matches!(market.block(&[])[..], [Skip::Invalid(_)]));
    assert_eq!(market.catalog.account(public(2)).unwrap(), seller);
}

#[test]
fn what_is_wanted_is_found_apart_until_it_is_over() {
    let mut market = Market::new();
    let (wanted, forever) = (by(1, 0, Action::Want(wish(5))), by(4, 0, Action::Want(wish(u64::MAX))));
    assert_eq!(market.block(&[&signed(), &wanted, &forever]), []);
    let find = |market: &Market, query: Query| {
        let mut ids: Vec<_> = market.catalog.search(&query).unwrap().into_iter().map(|hit| hit.id).collect();
        ids.sort_unstable();
        ids
    };
    let both = |a: &SignedOperation, b: &SignedOperation| {
        let mut both = vec![a.listing_id(), b.listing_id()];
        both.sort_unstable();
        both
    };
    for query in [
        Query::new("tides in brest"),
        Query::new(""),
        Query::new("").category("climate"),
        Query::new("tidse"),
        Query::new("").price(Amount(600)..=Amount(600)),
        Query::new("brest").period_ms(900_000..=900_000),
    ] {
        assert_eq!(find(&market, query.clone().wanted()), both(&wanted, &forever), "{query:?}");
        assert!(!find(&market, query).contains(&wanted.listing_id()));
    }
    assert_eq!(find(&market, Query::new("")), [signed().listing_id()]);
    assert_eq!(find(&market, Query::new("").wanted().seller(public(1))), [wanted.listing_id()]);
    assert!(find(&market, Query::new("seattle").wanted()).is_empty());
    // Block 5 is the first in which it is over.
    market.block(&[]);
    market.block(&[]);
    assert_eq!(find(&market, Query::new("brest").wanted()), both(&wanted, &forever));
    market.block(&[]);
    assert_eq!(find(&market, Query::new("brest").wanted()), [forever.listing_id()]);
    // Its author takes it back, nobody else, and for good.
    let back = |who| by(who, 1, Action::Withdraw { listing: forever.listing_id() });
    let update = by(4, 1, Action::Update { listing: forever.listing_id(), content: listing() });
    assert_eq!(market.block(&[&back(2), &update, &back(4), &back(4)]), [Skip::NotSeller, Skip::Kind, Skip::Withdrawn]);
    assert!(find(&market, Query::new("brest").wanted()).is_empty());
}

#[test]
fn answers_follow_the_rule() {
    let mut market = Market::new();
    let wanted = by(1, 0, Action::Want(wish(6)));
    market.block(&[&signed(), &wanted]);
    let answer = |who, sequence, offered, price| {
        let answer = Answer { wanted: wanted.listing_id(), offered, price: Amount(price), note: "mine".into() };
        by(who, sequence, Action::Answer(answer))
    };
    let object = || Offered::Object { manifest: Digest([4; 32]), uri: "otp:1/brest".into() };
    let listed = || Offered::Listing(signed().listing_id());
    let refused = market.block(&[&answer(1, 0, object(), 1), &answer(2, 0, object(), 601), &answer(3, 0, listed(), 1)]);
    assert!(matches!(refused[..], [Skip::Answer(_), Skip::Answer(_), Skip::Answer(_)]), "{refused:?}");
    let to_a_listing = Answer { wanted: signed().listing_id(), offered: object(), price: Amount(1), note: "".into() };
    let to_nothing = Answer { wanted: ListingId(Digest::ZERO), ..to_a_listing.clone() };
    let wrong = [by(3, 0, Action::Answer(to_a_listing)), by(3, 0, Action::Answer(to_nothing))];
    assert_eq!(market.block(&[&wrong[0], &wrong[1]]), [Skip::Kind, Skip::Unknown]);
    let (first, second) = (answer(2, 0, listed(), 600), answer(3, 7, object(), 0));
    assert_eq!(market.block(&[&first, &second, &answer(3, 7, object(), 1)]), [Skip::Stale { given: 7, current: 7 }]);
    let better = answer(3, 8, object(), 2);
    assert_eq!(market.block(&[&better]), []);
    let mut answers: Vec<_> =
        market.catalog.answers(wanted.listing_id(), 10).unwrap().into_iter().map(|entry| entry.operation).collect();
    answers.sort_by_key(|answer| answer.operation().sequence);
    assert_eq!(answers, [first, better]);
    // Block 6: over.
    assert_eq!(market.block(&[&answer(5, 0, object(), 2)]), [Skip::Expired(Height(6))]);
    let other = by(1, 0, Action::Want(wish(100)));
    let gone = by(1, 1, Action::Withdraw { listing: other.listing_id() });
    let late = Answer { wanted: other.listing_id(), offered: object(), price: Amount(1), note: String::new() };
    assert_eq!(market.block(&[&other, &gone, &by(5, 0, Action::Answer(late))]), [Skip::Withdrawn]);
}

/// The listing's goods, committed to, and its opening once the leaves are drawn.
fn offer(goods: &Goods, root: Digest) -> SignedOperation {
    let offer = PreviewOffer {
        listing: signed().listing_id(),
        manifest: Digest([6; 32]),
        leaf_root: root,
        leaf_count: goods.leaves.len() as u64,
        leaves: PREVIEW_LEAVES,
    };
    by(2, 0, Action::OfferPreview(offer))
}

fn opening(goods: &Goods, places: &[u64]) -> SignedOperation {
    let leaves = places
        .iter()
        .map(|place| OpenedLeaf { evidence: goods.leaf(*place as usize), secrets: Goods::secrets_of(*place as usize) });
    let opening =
        PreviewOpening { listing: signed().listing_id(), manifest: Digest([6; 32]), leaves: leaves.collect() };
    by(2, 0, Action::OpenPreview(opening))
}

#[test]
fn previews_are_drawn_once_and_opened_as_drawn() {
    let (mut market, goods) = (Market::new(), Goods::new(Cheat::No));
    market.block(&[&signed()]);
    let id = signed().listing_id();
    assert!(market.catalog.preview(id).unwrap().is_none());
    assert_eq!(market.block(&[&opening(&goods, &[0, 1, 2, 3])]), [Skip::NoPreview]);
    assert_eq!(market.block(&[&offer(&goods, goods.root())]), []);
    assert_eq!(market.catalog.preview(id).unwrap().unwrap().status(), PreviewStatus::Offered);
    // The block after it draws; an opening in that same block can only guess.
    assert_eq!(market.block(&[]), []);
    let preview = market.catalog.preview(id).unwrap().unwrap();
    assert_eq!(preview.status(), PreviewStatus::Unopened(Height(4)));
    let drawn = preview.leaves();
    assert_eq!(drawn.len(), 4);
    // Neither the same nor another root is drawn for this manifest again.
    assert_eq!(
        market.block(&[&offer(&goods, goods.root()), &offer(&goods, Digest([1; 32]))]),
        [Skip::Drawn, Skip::Drawn]
    );
    market.log.record(&ChainRecord::Draw(cpchain_market::book::PreviewDraw {
        seller: public(2),
        manifest: Digest([6; 32]),
        randomness: Digest([1; 32]),
    }));
    assert_eq!(market.block(&[]), [Skip::Drawn]);
    assert_eq!(market.catalog.preview(id).unwrap().unwrap().leaves(), drawn);
    // Others than the drawn, fewer, in another order, by another seller.
    let others: Vec<u64> = (0..8).filter(|place| !drawn.contains(place)).collect();
    let turned: Vec<u64> = drawn.iter().rev().copied().collect();
    for wrong in [others.as_slice(), &drawn[..3], &turned] {
        let wrong = market.block(&[&opening(&goods, wrong)]);
        assert_eq!(wrong, [Skip::Preview(PreviewError::OtherLeaves)]);
    }
    let foreign = by(3, 0, opening(&goods, &drawn).operation().action.clone());
    assert_eq!(market.block(&[&foreign]), [Skip::NoPreview]);
    assert_eq!(market.block(&[&opening(&goods, &drawn)]), []);
    let preview = market.catalog.preview(id).unwrap().unwrap();
    assert_eq!(preview.status(), PreviewStatus::Open);
    let (randomness, _) = preview.drawn.unwrap();
    let shown = preview.opening().unwrap().open(preview.offer().unwrap(), listing().stream, &public(2), randomness);
    assert_eq!(shown.unwrap()[0], Goods::plain(drawn[0] as usize));
    assert_eq!(market.block(&[&opening(&goods, &drawn)]), [Skip::NoPreview]);
}

/// One drawn leaf in two is bad: the seller cannot open it, and its catalogue row says so for ever.
#[test]
fn a_leaf_that_is_not_as_committed_cannot_be_opened() {
    for cheat in [Cheat::OtherContent, Cheat::OtherKey, Cheat::OtherSalt, Cheat::Garbage] {
        let (mut market, goods) = (Market::new(), Goods::new(cheat));
        market.block(&[&signed()]);
        market.block(&[&offer(&goods, goods.root())]);
        market.block(&[]);
        let preview = market.catalog.preview(signed().listing_id()).unwrap().unwrap();
        let all = PreviewOffer { leaves: 4, ..*preview.offer().unwrap() };
        let randomness = (0u32..)
            .map(|i| Digest::content(&i.to_le_bytes()))
            .find(|randomness| cpchain_market::listing::draw_leaves(&all, &public(2), *randomness).contains(&5));
        let randomness = randomness.unwrap();
        let drawn = cpchain_market::listing::draw_leaves(&all, &public(2), randomness);
        let signed = opening(&goods, &drawn);
        let Action::OpenPreview(opening) = &signed.operation().action else { panic!("no opening") };
        let refused = opening.open(&all, listing().stream, &public(2), randomness).unwrap_err();
        // Key and salt that were never committed to travel as another commitment, which is under no root.
        assert!(matches!(refused, PreviewError::NotAsCommitted(5) | PreviewError::NotCommitted(5)), "{cheat:?}");
        // A leaf of another stream proves nothing either.
        let honest = Goods::new(Cheat::No);
        let signed = self::opening(&honest, &drawn);
        let Action::OpenPreview(opening) = &signed.operation().action else { panic!("no opening") };
        assert!(opening.open(&all, listing().stream, &public(2), randomness).is_err());
        assert!(opening.open(&all, Digest([1; 32]), &public(2), randomness).is_err());
    }
}

/// Random bytes, committed to in good order and sold as weather: everybody sees them.
#[test]
fn junk_is_seen_in_a_preview() {
    let (mut market, goods) = (Market::new(), Goods::new(Cheat::No));
    market.block(&[&signed()]);
    market.block(&[&offer(&goods, goods.root())]);
    market.block(&[]);
    let drawn = market.catalog.preview(signed().listing_id()).unwrap().unwrap().leaves();
    market.block(&[&opening(&goods, &drawn)]);
    let preview = market.catalog.preview(signed().listing_id()).unwrap().unwrap();
    let (randomness, _) = preview.drawn.unwrap();
    let leaves = preview.opening().unwrap();
    let plain = leaves.open(preview.offer().unwrap(), listing().stream, &public(2), randomness).unwrap();
    let text = |bytes: &Vec<u8>| bytes.iter().all(|b| b.is_ascii_graphic() || *b == b' ' || *b == b'\n');
    assert!(plain.iter().all(|leaf| !text(leaf)), "these goods are no readings in text, and it shows");
}

#[test]
fn golden_records_and_rows() {
    let trade = trade(1, TradeEnd::Settled);
    let record = ChainRecord::Trade(trade);
    let row = cpchain_market::book::Trade { record: trade, at: cpchain_market::Cursor::START, rated: None };
    let rating = cpchain_market::catalog::Entry { operation: rate(1, 1, 5), at: cpchain_market::Cursor::START.next() };
    let rated = cpchain_market::book::Trade { rated: Some(rating), ..row.clone() };
    let bytes = [
        record.to_bytes(),
        Fact::Trade(Box::new(row)).to_bytes(),
        Fact::Trade(Box::new(rated)).to_bytes(),
        by(1, 0, Action::Want(wish(9))).as_bytes().to_vec(),
        rate(1, 1, 5).as_bytes().to_vec(),
        offer(&Goods::new(Cheat::No), Digest([1; 32])).as_bytes().to_vec(),
        opening(&Goods::new(Cheat::No), &[0, 5]).as_bytes().to_vec(),
    ];
    let found: Vec<_> = bytes.iter().map(|bytes| Digest::content(bytes).to_string()).collect();
    assert_eq!(found.join("\n"), include_str!("../testdata/book.hex").trim());
}

#[test]
fn rows_round_trip_and_sort_as_their_keys_do() {
    let (mut market, goods) = (Market::new(), Goods::new(Cheat::No));
    let wanted = by(1, 0, Action::Want(wish(60)));
    let object = Offered::Object { manifest: Digest([4; 32]), uri: String::new() };
    let answer = Answer { wanted: wanted.listing_id(), offered: object, price: Amount(1), note: String::new() };
    market.block(&[&signed(), &wanted, &by(2, 0, Action::Answer(answer)), &offer(&goods, goods.root())]);
    market.ended(trade(1, TradeEnd::Settled));
    let drawn = market.catalog.preview(signed().listing_id()).unwrap().unwrap().leaves();
    market.block(&[&rate(1, 1, 5), &opening(&goods, &drawn)]);
    let rows = market.catalog.facts(&[], None, 100).unwrap();
    assert_eq!(rows.len(), 8, "an answer, two accounts and two lines of history, a preview, a standing and a trade");
    for (key, fact) in &rows {
        assert_eq!(FactKey::from_bytes(&key.to_bytes()).as_ref(), Ok(key));
        assert_eq!(Fact::from_bytes(key, &fact.to_bytes()).as_ref(), Ok(fact));
        assert_eq!(market.catalog.fact(*key).unwrap().as_ref(), Some(fact));
    }
    assert!(rows.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].0.to_bytes() < pair[1].0.to_bytes()));
}

proptest! {
    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), tag in 0u8..8) {
        let _ = ChainRecord::from_bytes(&bytes);
        let framed = [&[1], bytes.as_slice()].concat();
        let _ = ChainRecord::from_bytes(&framed);
        let key = [&[b"achpstxy"[usize::from(tag)]], bytes.as_slice()].concat();
        let _ = FactKey::from_bytes(&key);
        let digest = Digest([1; 32]);
        let keys = [
            FactKey::Answer(ListingId(digest), PublicKey([1; 32])),
            FactKey::Account(PublicKey([1; 32])),
            FactKey::Preview(PublicKey([1; 32]), digest),
            FactKey::Standing(ListingId(digest)),
            FactKey::Trade(OrderId(digest)),
        ];
        for key in keys {
            let _ = Fact::from_bytes(&key, &bytes);
        }
    }
}
