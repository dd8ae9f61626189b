//! What was wrong with the original escrow contract and with what stood around it, each defect as a test that this one does not have it.
//!
//! | defect of the original | test |
//! | --- | --- |
//! | the deduction from a proxy's deposit was computed and thrown away: other people's money paid | `deposits_are_deducted_from_the_one_who_pays` |
//! | no way out of a dispute if no proxy acted | `a_dispute_needs_nobody_but_its_proof` |
//! | either proxy judged, and could judge again | `nobody_votes_and_a_verdict_stands` |
//! | proxies served without a deposit | `no_proxy_without_stake_is_drawn` |
//! | the range of a rating was computed and not required | `a_score_out_of_range_is_refused` |
//! | the average rating dropped the running sum | `an_average_is_of_all_ratings` |
//! | who placed an order could rate and comment, whatever came of it; a placed order counted as a sale | `placed_orders_are_no_sales_and_give_no_say` |
//! | the older version kept the seller's deposit when the buyer confirmed | `a_sellers_deposit_comes_back_when_it_sold` |
//! | no exit after the deadline once the seller had confirmed or the proxy had fetched | `every_state_has_an_exit_by_time_alone` |
//! | half a price below two fees made a settlement impossible | `fees_above_the_price_settle` |
//! | a verdict that nobody was bad paid nobody | `every_end_pays_out_all_that_was_locked` |
//! | a delivery was claimed with a constant for its hash | `a_delivery_is_verified_before_it_counts` |
//! | one key in every order opened all sales | `a_grant_opens_the_bought_intervals_and_no_other` |
//! | a stream was one payment without metering and without an end | `a_stream_is_metered_and_ends` |
//! | a central tracker listed the proxies, the wallet chose, the same one twice | `the_chain_and_nobody_else_picks_the_proxies` |
//! | anybody overwrote a proxy's address, whose record named its own key | `a_proxy_is_its_key`; the record itself: `only_the_named_signer_signs_and_another_kind_is_refused` in `cpchain-otp` |
//! | a title belonged to who registered it first | `equal_titles_are_different_listings` |

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeMap;

use cpchain_crypto::{Digest, Signer};
use cpchain_market::{
    Amount, Cursor, Height,
    book::{
        ChainRecord, Fact, FactKey, Placed, Ratings, TradeEnd, TradeRecord,
        rule::{self, Refusal, View},
    },
    escrow::{Ask, Context, EscrowError, Event, Order, State, StreamEvent, StreamOrder, StreamState, StreamTerms},
    listing::{Action, Listing, ListingError, ListingId, Operation, Rating, SignedOperation, rule::Skip},
};
use support::{ledger::Ledger, run::*, *};

/// The original computed the deduction from a proxy's deposit, threw it away, and paid from other people's money.
#[test]
fn deposits_are_deducted_from_the_one_who_pays() {
    let mut run = Run::granted(&Goods::new(Cheat::No));
    run.tick(150);
    let paid: i128 = run.order.slots().iter().map(|slot| run.ledger.gain(slot.proxy())).sum();
    assert_eq!(-paid, PRICE_I + run.ledger.burnt as i128);
}

/// The original had no way out of a dispute in which no proxy acted.
#[test]
fn a_dispute_needs_nobody_but_its_proof() {
    let goods = Goods::new(Cheat::OtherContent);
    let mut run = Run::delivered(&goods);
    assert!(run.complain(bad_leaf(&goods)).is_final());
}

/// In the original a proxy could serve without a deposit.
#[test]
fn no_proxy_without_stake_is_drawn() {
    let order = offered(&Goods::new(Cheat::No)).order;
    let mut poor = candidates();
    poor.iter_mut().for_each(|candidate| candidate.free_stake = Amount::ZERO);
    let context =
        Context { height: Height(110), sender: seller(), randomness: Digest::ZERO, candidates: &poor, rules: &RULES };
    assert!(matches!(order.apply(&accept(), &context, &Toy), Err(EscrowError::TooFewProxies { found: 0, .. })));
}

/// In the original half a price below two fees made a settlement impossible.
#[test]
fn fees_above_the_price_settle() {
    let goods = Goods::new(Cheat::No);
    let mut terms = terms(&goods);
    terms.fee = Amount(50_000);
    let step = with(buyer(), 100, |context| Order::offer(terms, &signed(), context)).unwrap();
    for posting in 0..=3 {
        let mut run = Run { order: step.order.clone(), ledger: Ledger::default() };
        run.ledger.perform(&step.effects);
        let accepted = apply(&run.order, seller(), 110, &Event::Accept { bond: Amount(250_000) }).unwrap();
        run.step(accepted);
        let granted = apply(&run.order, seller(), 120, &grant(&run.order)).unwrap();
        run.step(granted);
        for slot in 0..posting {
            let posted = post(&run.order, slot, 121).unwrap();
            run.step(posted);
        }
        let end = run.tick(10_000);
        assert_eq!(end, if posting == 3 { State::Settled } else { State::Refunded });
        for slot in &run.order.slots()[..posting] {
            assert_eq!(run.ledger.gain(slot.proxy()), 50_000);
        }
        assert_eq!(run.ledger.gain(seller()), PRICE_I);
    }
}

/// In the original the wallet named the proxy itself, the same one twice.
#[test]
fn the_chain_and_nobody_else_picks_the_proxies() {
    let goods = Goods::new(Cheat::No);
    let order = offered(&goods).order;
    let draws: std::collections::BTreeSet<Vec<_>> = (101..140)
        .map(|height| {
            let accepted = apply(&order, seller(), height, &accept()).unwrap().order;
            let drawn: Vec<_> = accepted.slots().iter().map(|slot| slot.proxy()).collect();
            assert_eq!(drawn.iter().collect::<std::collections::BTreeSet<_>>().len(), 5);
            drawn
        })
        .collect();
    assert!(draws.len() > 30, "the draw does not follow the chain's randomness");
}

/// In the original a confirmed order of the older contract kept the seller's deposit.
#[test]
fn a_sellers_deposit_comes_back_when_it_sold() {
    let mut run = Run::delivered(&Goods::new(Cheat::No));
    let step = apply(&run.order, buyer(), 130, &Event::Confirm).unwrap();
    assert_eq!(run.step(step), State::Settled);
    assert_eq!(run.ledger.gain(seller()), PRICE_I);
}

/// In the original an order whose seller or proxy stopped after the confirmation had no exit.
#[test]
fn every_state_has_an_exit_by_time_alone() {
    let goods = Goods::new(Cheat::No);
    let runs = [Run::offered(&goods), Run::accepted(&goods), Run::granted(&goods), Run::delivered(&goods)];
    let ends = [State::Cancelled, State::SellerFault, State::Refunded, State::Settled];
    for (mut run, end) in runs.into_iter().zip(ends) {
        assert_eq!(run.tick(10_000), end);
        assert!(run.order.locked().is_empty());
    }
}

/// In the original a verdict of "neither bad" paid nobody, and the money stayed in the contract.
#[test]
fn every_end_pays_out_all_that_was_locked() {
    let goods = Goods::new(Cheat::No);
    for complains in [true, false] {
        let mut run = Run::delivered(&goods);
        if complains {
            run.complain(bad_leaf(&goods));
        } else {
            run.tick(10_000);
        }
        assert!(run.ledger.held.values().all(|held| *held == 0));
    }
}

/// In the original either proxy judged, and could judge again.
#[test]
fn nobody_votes_and_a_verdict_stands() {
    let goods = Goods::new(Cheat::OtherContent);
    let mut run = Run::delivered(&goods);
    let complaint = Event::Complain(Box::new(bad_leaf(&goods)));
    for slot in run.order.slots() {
        assert_eq!(apply(&run.order, slot.proxy(), 130, &complaint), Err(EscrowError::NotYours("buyer")));
    }
    assert_eq!(run.complain(bad_leaf(&goods)), State::SellerFault);
    assert_eq!(apply(&run.order, buyer(), 131, &complaint), Err(EscrowError::Ended(State::SellerFault)));
}

/// In the original a delivery was claimed with a constant in the place of a hash, and nobody could tell.
#[test]
fn a_delivery_is_verified_before_it_counts() {
    let order = granted(&Goods::new(Cheat::No));
    let claim = Event::Fragments(vec![b"delivered".to_vec()]);
    assert!(matches!(apply(&order, order.slots()[0].proxy(), 121, &claim), Err(EscrowError::Fragment { .. })));
}

/// In the original the key of one sale opened all: the wallet's one RSA key stood in each order, and one AES key in each sale.
#[test]
fn a_grant_opens_the_bought_intervals_and_no_other() {
    let order = delivered(&Goods::new(Cheat::No));
    let opened: Vec<_> = order.nodes().iter().map(|node| node.node.intervals()).collect();
    assert_eq!(opened.len(), 1);
    assert_eq!((opened[0].0.0, opened[0].1.0), (2, 3));
}

/// The books of a market in memory.
#[derive(Default)]
struct Books {
    entries: BTreeMap<ListingId, Placed>,
    facts: BTreeMap<FactKey, Fact>,
}

impl View for Books {
    type Error = std::convert::Infallible;

    fn entry(&self, id: ListingId) -> Result<Option<Placed>, Self::Error> {
        Ok(self.entries.get(&id).cloned())
    }

    fn fact(&self, key: FactKey) -> Result<Option<Fact>, Self::Error> {
        Ok(self.facts.get(&key).cloned())
    }
}

impl Books {
    fn add(&mut self, operation: SignedOperation) -> Result<(), Skip> {
        match rule::operation(operation, Cursor::START, self) {
            Ok(changes) => {
                self.entries.extend(changes.entry.map(|entry| (entry.operation.listing_id(), entry)));
                self.facts.extend(changes.facts);
                Ok(())
            }
            Err(Refusal::Skip(skip)) => Err(skip),
            Err(Refusal::Unknown(never)) => match never {},
        }
    }

    fn ended(&mut self, run: &Run) {
        let record = ChainRecord::Trade(TradeRecord::of(&run.order, &run.ledger.effects).unwrap());
        self.facts.extend(rule::record(&record, Cursor::START, self).unwrap().facts);
    }

    fn ratings(&self) -> Ratings {
        match self.facts.get(&FactKey::Standing(signed().listing_id())) {
            Some(Fact::Standing(standing)) => standing.ratings,
            _ => Ratings::default(),
        }
    }

    fn sold(&self) -> u64 {
        match self.facts.get(&FactKey::Standing(signed().listing_id())) {
            Some(Fact::Standing(standing)) => standing.sold,
            _ => 0,
        }
    }
}

fn rating(order: &Order, score: u8) -> Result<SignedOperation, ListingError> {
    let action = Action::Rate(Rating { order: order.id(), score, text: String::new() });
    Operation { seller: buyer(), sequence: 0, action }.sign(&key(1))
}

/// An order that differs from others by its nonce, confirmed.
fn sold(nonce: u64) -> Run {
    let goods = Goods::new(Cheat::No);
    let mut terms = terms(&goods);
    terms.nonce = nonce;
    let step = with(buyer(), 100, |context| Order::offer(terms, &signed(), context)).unwrap();
    let mut run = Run { order: step.order, ledger: Ledger::default() };
    run.ledger.perform(&step.effects);
    let accepted = apply(&run.order, seller(), 110, &accept()).unwrap();
    run.step(accepted);
    let granted = apply(&run.order, seller(), 120, &grant(&run.order)).unwrap();
    run.step(granted);
    for slot in 0..3 {
        let posted = post(&run.order, slot, 125).unwrap();
        run.step(posted);
    }
    let confirmed = apply(&run.order, buyer(), 130, &Event::Confirm).unwrap();
    run.step(confirmed);
    run
}

/// The original compared the score with its range and went on whatever came out.
#[test]
fn a_score_out_of_range_is_refused() {
    let run = sold(0);
    for score in [0, 6, 11, 255] {
        assert_eq!(rating(&run.order, score), Err(ListingError::Score(score)));
    }
    assert!((1..=5).all(|score| rating(&run.order, score).is_ok()));
}

/// The original's new average was made of the last rating and the count.
#[test]
fn an_average_is_of_all_ratings() {
    let mut books = Books::default();
    books.add(signed()).unwrap();
    for (nonce, score) in (0..).zip([5, 4, 1, 1]) {
        let run = sold(nonce);
        books.ended(&run);
        books.add(rating(&run.order, score).unwrap()).unwrap();
    }
    assert_eq!(books.ratings(), Ratings { count: 4, sum: 11 });
    assert_eq!(books.ratings().mean_hundredths(), Some(275));
}

/// The original counted orders as they were placed, and let whoever placed one comment on the goods.
#[test]
fn placed_orders_are_no_sales_and_give_no_say() {
    let goods = Goods::new(Cheat::No);
    let mut books = Books::default();
    books.add(signed()).unwrap();
    let mut cancelled = Run::offered(&goods);
    assert_eq!(books.add(rating(&cancelled.order, 1).unwrap()), Err(Skip::NoTrade));
    cancelled.tick(10_000);
    books.ended(&cancelled);
    assert_eq!(books.add(rating(&cancelled.order, 1).unwrap()), Err(Skip::NotSold));
    assert_eq!((books.sold(), books.ratings()), (0, Ratings::default()));
    let run = sold(7);
    books.ended(&run);
    assert_eq!(books.sold(), 1);
    assert!(matches!(
        books.facts.get(&FactKey::Trade(run.order.id())),
        Some(Fact::Trade(trade)) if trade.record.end == TradeEnd::Settled
    ));
}

/// In the original one payment bought a subscription that nobody measured and nothing ended.
#[test]
fn a_stream_is_metered_and_ends() {
    let terms = StreamTerms {
        listing: signed().listing_id(),
        revision: signed().id(),
        first: 0,
        count: 4,
        price: Amount(500),
        fee: FEE,
        bond: Amount(500),
        threshold: 1,
        proxies: 2,
        nonce: 0,
    };
    let step = with(buyer(), 100, |context| StreamOrder::offer(terms, &signed(), context)).unwrap();
    let mut order = step.order;
    let mut next = |sender, event: &StreamEvent| {
        order = with(sender, 110, |context| order.apply(event, context, &Toy)).unwrap().order;
        order.clone()
    };
    next(seller(), &StreamEvent::Order(accept()));
    let root = Goods::new(Cheat::No).root();
    let ask = Ask { buyer_key: vec![1], manifest: Digest([6; 32]), leaf_root: root, leaf_count: 8 };
    for paid in 0..3 {
        let asked = next(buyer(), &StreamEvent::Ask(ask.clone()));
        assert_eq!(asked.settled(), paid, "each interval is paid when the next is asked for");
        let granted = next(seller(), &StreamEvent::Order(grant(asked.interval().unwrap())));
        let fragments = bundle(granted.interval().unwrap(), 0);
        next(granted.drawn()[0], &StreamEvent::Order(Event::Fragments(fragments)));
    }
    let ended = next(buyer(), &StreamEvent::Stop);
    assert_eq!((ended.state(), ended.settled()), (StreamState::Stopped, 3));
}

/// In the original a proxy's address was believed if it was signed by the key that stood beside it, whosever key that was.
#[test]
fn a_proxy_is_its_key() {
    let order = granted(&Goods::new(Cheat::No));
    // Somebody else has all that a drawn proxy has, but for its key.
    let event = Event::Fragments(bundle(&order, 0));
    for other in [stranger(70), buyer(), seller()] {
        assert_eq!(apply(&order, other, 121, &event), Err(EscrowError::NotYours("drawn proxies")));
    }
    assert!(apply(&order, order.slots()[0].proxy(), 121, &event).is_ok());
}

/// In the original's registry a title was taken by the first who registered it.
#[test]
fn equal_titles_are_different_listings() {
    let mut books = Books::default();
    books.add(signed()).unwrap();
    for (who, created_ms) in [(2, 2), (3, 1), (3, 2)] {
        let action = Action::Publish(Listing { created_ms, ..listing() });
        let seller = key(who).public_key();
        books.add(Operation { seller, sequence: 0, action }.sign(&key(who)).unwrap()).unwrap();
    }
    assert_eq!(books.entries.len(), 4);
    assert!(books.entries.values().all(|entry| entry.operation.content().unwrap().title == listing().title));
}
