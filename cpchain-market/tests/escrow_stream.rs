//! Stream orders, row by row of the table in the documentation of the escrow, with what each party has in the end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use cpchain_crypto::{Digest, PublicKey};
use cpchain_market::{
    Amount, Height,
    book::{TradeEnd, TradeRecord},
    escrow::{
        Ask, Command, Complaint, EscrowError, Event, OrderId, Outcome, PostedFragment, StreamEvent, StreamOrder,
        StreamState, StreamStep, StreamTerms, TermsError,
    },
};
use proptest::prelude::*;
use support::{ledger::Ledger, *};

const INTERVAL: i128 = 500;
const FEE_I: i128 = FEE.0 as i128;
/// What an interval costs the buyer when three proxies of five post.
const SPENT: i128 = INTERVAL + 3 * FEE_I;

/// Intervals 2 and 3, one after the other, 3 of 5.
fn terms() -> StreamTerms {
    StreamTerms {
        listing: signed().listing_id(),
        revision: signed().id(),
        first: 2,
        count: 2,
        price: Amount(500),
        fee: FEE,
        bond: Amount(500),
        threshold: 3,
        proxies: 5,
        nonce: 0,
    }
}

/// A stream order on a ledger that checks every unit after every step.
struct Run {
    goods: Goods,
    order: StreamOrder,
    ledger: Ledger,
    height: u64,
}

impl Run {
    fn offered(cheat: Cheat) -> Self {
        let step = with(buyer(), 100, |context| StreamOrder::offer(terms(), &signed(), context)).unwrap();
        let mut ledger = Ledger::default();
        ledger.perform(&step.effects);
        Self { goods: Goods::new(cheat), order: step.order, ledger, height: 100 }
    }

    fn open(cheat: Cheat) -> Self {
        let mut run = Self::offered(cheat);
        assert_eq!(run.order_event(seller(), accept()), Ok(StreamState::Open));
        run
    }

    /// The next interval is asked for and delivered.
    fn deliver(&mut self) {
        assert_eq!(self.ask(), Ok(StreamState::Asked));
        let event = grant(self.order.interval().unwrap());
        assert_eq!(self.order_event(seller(), event), Ok(StreamState::Granted));
        for slot in 0..3 {
            self.post(slot);
        }
        assert_eq!(self.order.state(), StreamState::Delivered);
    }

    fn post(&mut self, slot: usize) {
        let interval = self.order.interval().unwrap();
        let (proxy, fragments) = (self.order.drawn()[slot], bundle(interval, slot));
        self.order_event(proxy, Event::Fragments(fragments)).unwrap();
    }

    fn ask(&mut self) -> Result<StreamState, EscrowError> {
        let ask = Ask {
            buyer_key: Toy::public(BUYER_SECRET),
            manifest: Digest([6; 32]),
            leaf_root: self.goods.root(),
            leaf_count: self.goods.leaves.len() as u64,
        };
        self.event(buyer(), StreamEvent::Ask(ask))
    }

    fn order_event(&mut self, sender: PublicKey, event: Event) -> Result<StreamState, EscrowError> {
        self.event(sender, StreamEvent::Order(event))
    }

    fn event(&mut self, sender: PublicKey, event: StreamEvent) -> Result<StreamState, EscrowError> {
        self.height += 1;
        let step = with(sender, self.height, |context| self.order.apply(&event, context, &Toy))?;
        Ok(self.took(step))
    }

    fn tick(&mut self) -> StreamState {
        self.height = self.order.deadline().unwrap().0;
        assert_eq!(self.order.tick(Height(self.height - 1), &RULES), None);
        let late = self.order.apply(&StreamEvent::Stop, &late_context(self.height), &Toy);
        assert_eq!(late, Err(EscrowError::TooLate(Height(self.height))));
        let step = self.order.tick(Height(self.height), &RULES).unwrap();
        self.took(step)
    }

    fn took(&mut self, step: StreamStep) -> StreamState {
        self.order = StreamOrder::from_bytes(&step.order.to_bytes()).unwrap();
        assert_eq!(self.order, step.order);
        self.ledger.perform(&step.effects);
        self.ledger.assert_holds(self.order.locked());
        let record = TradeRecord::of_stream(&self.order, &step.effects);
        assert_eq!(record.is_some(), self.order.state().is_final());
        self.order.state()
    }

    fn gains(&self) -> (i128, i128) {
        (self.ledger.gain(buyer()), self.ledger.gain(seller()))
    }

    fn bad_leaf(&self, of: u32) -> Event {
        let leaf = self.goods.evidence(2);
        Event::Complain(Box::new(Complaint::BadLeaf { leaf, secrets: Goods::leaf_secrets(of) }))
    }
}

fn late_context(height: u64) -> cpchain_market::escrow::Context<'static> {
    let (height, randomness) = (Height(height), Digest::ZERO);
    cpchain_market::escrow::Context { height, sender: buyer(), randomness, candidates: &[], rules: &RULES }
}

#[test]
fn asking_for_the_next_interval_settles_the_one_before() {
    let mut run = Run::open(Cheat::No);
    run.deliver();
    assert_eq!((run.order.settled(), run.order.next_interval(), run.ledger.gain(seller())), (0, 2, -100));
    run.deliver();
    assert_eq!((run.order.settled(), run.order.next_interval()), (1, 3));
    assert_eq!(run.ledger.gain(seller()), INTERVAL - 100, "its bond is still locked");
    assert_eq!(run.ask(), Err(EscrowError::Terms(TermsError::Range)), "two were bought");
    assert_eq!(run.order_event(buyer(), Event::Confirm), Ok(StreamState::Stopped));
    assert_eq!(run.gains(), (-2 * SPENT, 2 * INTERVAL));
    assert_eq!(run.order.drawn().iter().map(|proxy| run.ledger.gain(*proxy)).sum::<i128>(), 6 * FEE_I);
    let record = TradeRecord::of_stream(&run.order, &[]).unwrap();
    assert_eq!((record.end, record.intervals, record.paid), (TradeEnd::Settled, 2, Amount(1000)));
    // The end tells once that it was sold, however many intervals there were.
    let said = |outcome| {
        let is = |e: &&cpchain_market::escrow::Effect| matches!(e, cpchain_market::escrow::Effect::Reputation { outcome: o, .. } if *o == outcome);
        run.ledger.effects.iter().filter(is).count()
    };
    assert_eq!([Outcome::Sold, Outcome::Bought, Outcome::Delivered].map(said), [1, 1, 6]);
}

#[test]
fn either_side_stops_between_intervals_and_all_that_is_unspent_comes_back() {
    for stopping in [buyer(), seller()] {
        let mut run = Run::open(Cheat::No);
        assert_eq!(run.event(stopping, StreamEvent::Stop), Ok(StreamState::Stopped));
        assert_eq!(run.gains(), (0, 0));
        assert_eq!(TradeRecord::of_stream(&run.order, &[]).unwrap().end, TradeEnd::Cancelled);

        let mut run = Run::open(Cheat::No);
        run.deliver();
        assert_eq!(run.order_event(buyer(), Event::Confirm), Ok(StreamState::Open));
        assert_eq!(run.event(stopping, StreamEvent::Stop), Ok(StreamState::Stopped));
        assert_eq!(run.gains(), (-SPENT, INTERVAL));

        // The seller does not stand by a root that the buyer made up: it stops, and loses nothing.
        let mut run = Run::open(Cheat::No);
        run.deliver();
        assert_eq!(run.ask(), Ok(StreamState::Asked));
        assert_eq!(run.event(stopping, StreamEvent::Stop), Ok(StreamState::Stopped));
        assert_eq!(run.gains(), (-SPENT, INTERVAL));
    }
    let mut run = Run::open(Cheat::No);
    assert_eq!(run.event(proxy(0), StreamEvent::Stop), Err(EscrowError::NotYours("buyer")));
}

#[test]
fn a_delivered_interval_is_paid_when_its_buyer_stops() {
    let mut run = Run::open(Cheat::No);
    run.deliver();
    assert_eq!(run.event(seller(), StreamEvent::Stop), Err(EscrowError::NotYours("buyer")));
    assert_eq!(run.event(buyer(), StreamEvent::Stop), Ok(StreamState::Stopped));
    assert_eq!(run.gains(), (-SPENT, INTERVAL));
    let mut run = Run::open(Cheat::No);
    assert_eq!(run.ask(), Ok(StreamState::Asked));
    let event = grant(run.order.interval().unwrap());
    run.order_event(seller(), event).unwrap();
    for party in [buyer(), seller()] {
        assert_eq!(run.event(party, StreamEvent::Stop), Err(EscrowError::StreamState(StreamState::Granted)));
    }
}

#[test]
fn time_alone_ends_a_stream_in_every_state() {
    let mut run = Run::offered(Cheat::No);
    assert_eq!((run.tick(), run.gains()), (StreamState::Stopped, (0, 0)));
    let mut run = Run::open(Cheat::No);
    assert_eq!((run.tick(), run.gains()), (StreamState::Stopped, (0, 0)));
    run = Run::open(Cheat::No);
    run.ask().unwrap();
    assert_eq!((run.tick(), run.gains()), (StreamState::Stopped, (0, 0)));
    // Delivered: paid, then open, then over.
    run = Run::open(Cheat::No);
    run.deliver();
    assert_eq!(run.tick(), StreamState::Open);
    assert_eq!((run.tick(), run.gains()), (StreamState::Stopped, (-SPENT, INTERVAL)));
}

#[test]
fn silent_proxies_pay_for_the_interval_that_they_failed() {
    let mut run = Run::open(Cheat::No);
    run.deliver();
    run.ask().unwrap();
    let event = grant(run.order.interval().unwrap());
    run.order_event(seller(), event).unwrap();
    run.post(0);
    run.post(1);
    assert_eq!(run.tick(), StreamState::Refunded);
    // The first interval stays paid; for the second the seller is paid by the silent ones.
    assert_eq!(run.gains(), (-SPENT, 2 * INTERVAL));
    let silent: i128 = (2..5).map(|slot| -run.ledger.gain(run.order.drawn()[slot])).sum();
    assert!(2 * (silent + FEE_I) >= 3 * INTERVAL, "{silent}");
    for slot in 0..2 {
        assert_eq!(run.ledger.gain(run.order.drawn()[slot]), 2 * FEE_I);
    }
}

#[test]
fn a_bad_interval_ends_the_stream_and_costs_its_seller() {
    let mut run = Run::open(Cheat::OtherContent);
    run.deliver();
    let complaint = run.bad_leaf(2);
    assert_eq!(run.order_event(seller(), complaint.clone()), Err(EscrowError::NotYours("buyer")));
    assert_eq!(run.order_event(buyer(), complaint), Ok(StreamState::SellerFault));
    // A bond of 100, less three fees: four fifths to the buyer.
    assert_eq!(run.gains(), (63, -100));
    assert!(run.ledger.price_paid.is_empty());
    // The bad interval is the second: the first stays paid.
    let mut run = Run::offered(Cheat::OtherContent);
    let early = StreamTerms { first: 1, ..terms() };
    let step = with(buyer(), 100, |context| StreamOrder::offer(early, &signed(), context)).unwrap();
    run.ledger = Ledger::default();
    run.ledger.perform(&step.effects);
    run.order = step.order;
    run.order_event(seller(), accept()).unwrap();
    run.deliver();
    run.deliver();
    let fragments = (0..3)
        .map(|slot| PostedFragment {
            proxy: run.order.drawn()[slot],
            bytes: bundle(run.order.interval().unwrap(), slot)[0].clone(),
        })
        .collect();
    let leaf = Some(run.goods.evidence(2));
    let complaint = Complaint::BadKey { secret: BUYER_SECRET.to_vec(), node: 0, fragments, leaf };
    assert_eq!(run.order_event(buyer(), Event::Complain(Box::new(complaint))), Ok(StreamState::SellerFault));
    assert_eq!(run.gains(), (63 - SPENT, INTERVAL - 100));
    assert_eq!(TradeRecord::of_stream(&run.order, &[]).unwrap().intervals, 1);
}

#[test]
fn a_false_complaint_costs_the_bond_and_ends_the_stream() {
    let mut run = Run::open(Cheat::No);
    run.deliver();
    let lie = run.bad_leaf(3);
    assert_eq!(run.order_event(buyer(), lie), Ok(StreamState::Stopped));
    assert_eq!(run.gains(), (-SPENT - 500, INTERVAL + 500));
    assert_eq!(run.order.settled(), 1);
}

#[test]
fn an_interval_is_bought_with_its_own_key_and_opens_no_other() {
    let mut run = Run::open(Cheat::No);
    run.deliver();
    let nodes: Vec<_> = run.order.interval().unwrap().nodes().iter().map(|node| node.node.intervals()).collect();
    assert_eq!(nodes.iter().map(|(from, to)| (from.0, to.0)).collect::<Vec<_>>(), [(2, 2)]);
    let empty = Ask { buyer_key: vec![], manifest: Digest::ZERO, leaf_root: Digest::ZERO, leaf_count: 1 };
    let mut run = Run::open(Cheat::No);
    assert_eq!(run.event(buyer(), StreamEvent::Ask(empty)), Err(EscrowError::Terms(TermsError::Key)));
    assert_eq!(run.event(seller(), StreamEvent::Stop), Ok(StreamState::Stopped));
    assert_eq!(run.ask(), Err(EscrowError::StreamEnded(StreamState::Stopped)));
}

#[test]
fn offers_that_cannot_stand_are_refused() {
    let refused = |change: &dyn Fn(&mut StreamTerms)| {
        let mut terms = terms();
        change(&mut terms);
        match with(buyer(), 100, |context| StreamOrder::offer(terms, &signed(), context)).unwrap_err() {
            EscrowError::Terms(error) => error,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(&|t| t.price = Amount(499)), TermsError::BelowListing { asked: Amount(500) });
    assert_eq!(refused(&|t| t.bond = Amount(499)), TermsError::Bond);
    assert_eq!(refused(&|t| t.count = 0), TermsError::Range);
    assert_eq!(refused(&|t| t.first = u32::MAX), TermsError::Range);
    assert_eq!(refused(&|t| t.threshold = 0), TermsError::Threshold { most: 16 });
    assert_eq!(refused(&|t| t.proxies = 9), TermsError::Threshold { most: 8 });
    assert_eq!(refused(&|t| (t.price, t.bond) = (Amount::LIMIT, Amount::LIMIT)), TermsError::Amount);
}

#[test]
fn golden_stream_order_and_commands() {
    let mut run = Run::open(Cheat::No);
    run.deliver();
    let stop = Command::Stream { order: OrderId(Digest([1; 32])), event: StreamEvent::Stop };
    let ask = Ask { buyer_key: vec![1], manifest: Digest([2; 32]), leaf_root: Digest([3; 32]), leaf_count: 4 };
    let ask = Command::Stream { order: OrderId(Digest([1; 32])), event: StreamEvent::Ask(ask) };
    let bytes = [run.order.to_bytes(), Command::OfferStream(terms()).to_bytes(), ask.to_bytes(), stop.to_bytes()];
    let digests: Vec<_> = bytes.iter().map(|bytes| Digest::content(bytes).to_string()).collect();
    assert_eq!(digests.join("\n"), include_str!("../testdata/stream.hex").trim());
    for command in [Command::OfferStream(terms()), ask, stop] {
        assert_eq!(Command::from_bytes(&command.to_bytes()).unwrap(), command);
    }
}

proptest! {
    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = StreamOrder::from_bytes(&bytes);
        let framed = [&[1], bytes.as_slice()].concat();
        let _ = StreamOrder::from_bytes(&framed);
    }

    #[test]
    fn any_flipped_bit_gives_an_order_that_runs_or_an_error(at: prop::sample::Index, bit in 0u8..8) {
        let mut run = Run::open(Cheat::No);
        run.deliver();
        let mut bytes = run.order.to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(changed) = StreamOrder::from_bytes(&bytes) {
            for event in [StreamEvent::Stop, StreamEvent::Order(Event::Confirm)] {
                let _ = with(buyer(), 120, |context| changed.apply(&event, context, &Toy));
            }
            let _ = changed.tick(Height(10_000), &RULES);
        }
    }
}
