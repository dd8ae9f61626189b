//! An order's life on a ledger that checks every unit.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use cpchain_market::{
    Height,
    escrow::{Complaint, Effect, Event, Order, Outcome, PostedFragment, State, Step},
};

use super::{ledger::Ledger, *};

/// Replays an order's life on a ledger that checks every unit.
pub struct Run {
    pub order: Order,
    pub ledger: Ledger,
}

impl Run {
    pub fn offered(goods: &Goods) -> Self {
        let Step { order, effects } = offered(goods);
        let mut ledger = Ledger::default();
        ledger.perform(&effects);
        ledger.assert_consistent(&order);
        Self { order, ledger }
    }

    pub fn step(&mut self, step: Step) -> State {
        self.order = Order::from_bytes(&step.order.to_bytes()).unwrap();
        assert_eq!(self.order, step.order);
        self.ledger.perform(&step.effects);
        self.ledger.assert_consistent(&self.order);
        self.order.state()
    }

    pub fn accepted(goods: &Goods) -> Self {
        let mut run = Self::offered(goods);
        let step = apply(&run.order, seller(), 110, &accept()).unwrap();
        assert_eq!(run.step(step), State::Accepted);
        run
    }

    pub fn granted(goods: &Goods) -> Self {
        let mut run = Self::accepted(goods);
        let step = apply(&run.order, seller(), 120, &grant(&run.order)).unwrap();
        assert_eq!(run.step(step), State::Granted);
        run
    }

    pub fn delivered(goods: &Goods) -> Self {
        let mut run = Self::granted(goods);
        for slot in 0..3 {
            assert_eq!(run.order.state(), State::Granted);
            let step = post(&run.order, slot, 125).unwrap();
            run.step(step);
        }
        assert_eq!(run.order.state(), State::Delivered);
        run
    }

    pub fn tick(&mut self, height: u64) -> State {
        let step = self.order.tick(Height(height)).unwrap();
        self.step(step)
    }

    pub fn complain(&mut self, complaint: Complaint) -> State {
        let event = Event::Complain(Box::new(complaint));
        let step = apply(&self.order, buyer(), 130, &event).unwrap();
        self.step(step)
    }

    pub fn said(&self, wanted: Outcome) -> usize {
        let is = |effect: &&Effect| matches!(effect, Effect::Reputation { outcome, .. } if *outcome == wanted);
        self.ledger.effects.iter().filter(is).count()
    }

    pub fn bad_key(&self, goods: &Goods) -> Complaint {
        let fragments = (0..3)
            .map(|i| PostedFragment { proxy: self.order.slots()[i].proxy(), bytes: bundle(&self.order, i)[0].clone() })
            .collect();
        Complaint::BadKey { secret: BUYER_SECRET.to_vec(), node: 0, fragments, leaf: Some(goods.evidence(2)) }
    }
}

pub fn bad_leaf(goods: &Goods) -> Complaint {
    Complaint::BadLeaf { leaf: goods.evidence(2), secrets: Goods::leaf_secrets(2) }
}

pub const PRICE_I: i128 = PRICE.0 as i128;
pub const FEE_I: i128 = FEE.0 as i128;
/// (1.5 price + 2 fees) / 3, rounded up.
pub const STAKE: i128 = 505;
