//! Who gets what when an order ends. Each function spends exactly what is locked.

use std::collections::VecDeque;

use cpchain_crypto::PublicKey;

use super::{
    event::{Effect, Outcome, Purpose, Reason},
    order::{Order, Slot},
};
use crate::units::Amount;

/// Collects effects and leaves out those that move nothing.
#[derive(Default)]
struct Payout(Vec<Effect>);

impl Payout {
    fn release(&mut self, party: PublicKey, purpose: Purpose, amount: Amount) {
        if amount > Amount::ZERO {
            self.0.push(Effect::Release { party, purpose, amount });
        }
    }

    fn pay(&mut self, from: PublicKey, purpose: Purpose, to: PublicKey, amount: Amount, reason: Reason) {
        if amount > Amount::ZERO {
            self.0.push(Effect::Transfer { from, purpose, to, amount, reason });
        }
    }

    fn slash(&mut self, party: PublicKey, purpose: Purpose, amount: Amount) {
        if amount > Amount::ZERO {
            self.0.push(Effect::Slash { party, purpose, amount });
        }
    }

    fn say(&mut self, party: PublicKey, outcome: Outcome) {
        self.0.push(Effect::Reputation { party, outcome });
    }

    fn buyer_back(&mut self, order: &Order) {
        self.release(order.buyer, Purpose::Payment, order.terms.locked().unwrap_or_default());
    }

    fn stakes_back<'a>(&mut self, order: &Order, slots: impl Iterator<Item = &'a Slot>) {
        slots.for_each(|slot| self.release(slot.proxy, Purpose::Stake, order.stake));
    }
}

fn posting(order: &Order) -> impl Iterator<Item = &Slot> {
    order.slots.iter().filter(|slot| slot.has_posted())
}

/// Everything back to the buyer; nobody else has locked anything.
pub(super) fn cancelled(order: &Order) -> Vec<Effect> {
    let mut out = Payout::default();
    out.buyer_back(order);
    out.0
}

/// The silent proxies pay: posting proxies their fee, the seller up to the price; the rest of their stakes burns.
pub(super) fn refunded(order: &Order) -> Vec<Effect> {
    let mut out = Payout::default();
    out.buyer_back(order);
    out.release(order.seller, Purpose::Bond, order.seller_bond);
    out.stakes_back(order, posting(order));
    let mut pool: VecDeque<_> =
        order.slots.iter().filter(|slot| !slot.has_posted()).map(|slot| (slot.proxy, order.stake)).collect();
    let mut draw = |out: &mut Payout, to: PublicKey, mut due: Amount, reason| {
        while due > Amount::ZERO {
            let Some((from, left)) = pool.front_mut() else { break };
            let part = due.min(*left);
            out.pay(*from, Purpose::Stake, to, part, reason);
            *left = left.saturating_sub(part);
            due = due.saturating_sub(part);
            if *left == Amount::ZERO {
                pool.pop_front();
            }
        }
    };
    for slot in posting(order) {
        draw(&mut out, slot.proxy, order.terms.fee, Reason::Fee);
    }
    draw(&mut out, order.seller, order.terms.price, Reason::Damages);
    for (proxy, left) in pool {
        out.slash(proxy, Purpose::Stake, left);
    }
    for slot in &order.slots {
        out.say(slot.proxy, if slot.has_posted() { Outcome::Delivered } else { Outcome::Silent });
    }
    out.0
}

/// The seller is paid; a complaint that did not hold costs the buyer its bond.
pub(super) fn settled(order: &Order, false_complaint: bool) -> Vec<Effect> {
    let mut out = Payout::default();
    let terms = &order.terms;
    out.pay(order.buyer, Purpose::Payment, order.seller, terms.price, Reason::Price);
    let mut unspent = terms.fees().unwrap_or_default();
    for slot in posting(order) {
        out.pay(order.buyer, Purpose::Payment, slot.proxy, terms.fee, Reason::Fee);
        unspent = unspent.saturating_sub(terms.fee);
    }
    out.release(order.buyer, Purpose::Payment, unspent);
    if false_complaint {
        out.pay(order.buyer, Purpose::Payment, order.seller, terms.bond, Reason::Damages);
    } else {
        out.release(order.buyer, Purpose::Payment, terms.bond);
    }
    out.release(order.seller, Purpose::Bond, order.seller_bond);
    out.stakes_back(order, order.slots.iter());
    out.say(order.seller, Outcome::Sold);
    out.say(order.buyer, if false_complaint { Outcome::FalseComplaint } else { Outcome::Bought });
    posting(order).for_each(|slot| out.say(slot.proxy, Outcome::Delivered));
    out.0
}

/// The buyer gets everything back, and the seller's bond pays those who worked or were harmed.
pub(super) fn seller_fault(order: &Order) -> Vec<Effect> {
    let mut out = Payout::default();
    out.buyer_back(order);
    let mut rest = order.seller_bond;
    for slot in posting(order) {
        let fee = order.terms.fee.min(rest);
        out.pay(order.seller, Purpose::Bond, slot.proxy, fee, Reason::Fee);
        rest = rest.saturating_sub(fee);
    }
    let burnt = Amount(rest.0.div_ceil(5));
    out.pay(order.seller, Purpose::Bond, order.buyer, rest.saturating_sub(burnt), Reason::Damages);
    out.slash(order.seller, Purpose::Bond, burnt);
    out.stakes_back(order, order.slots.iter());
    out.say(order.seller, Outcome::Faulted);
    posting(order).for_each(|slot| out.say(slot.proxy, Outcome::Delivered));
    out.0
}

/// An interval of a stream is paid; the stream's bonds and stakes stay where they are.
pub(super) fn interval_settled(order: &Order) -> Vec<Effect> {
    let mut out = Payout::default();
    let terms = &order.terms;
    out.pay(order.buyer, Purpose::Payment, order.seller, terms.price, Reason::Price);
    let mut unspent = terms.fees().unwrap_or_default();
    for slot in posting(order) {
        out.pay(order.buyer, Purpose::Payment, slot.proxy, terms.fee, Reason::Fee);
        unspent = unspent.saturating_sub(terms.fee);
    }
    out.release(order.buyer, Purpose::Payment, unspent);
    posting(order).for_each(|slot| out.say(slot.proxy, Outcome::Delivered));
    out.0
}

/// What the end of a stream of which an interval was sold says: once, however many were. The seller is left out where it is at fault.
pub(super) fn sold(buyer: PublicKey, seller: PublicKey, well: bool) -> Vec<Effect> {
    let mut out = Payout::default();
    if well {
        out.say(seller, Outcome::Sold);
    }
    out.say(buyer, Outcome::Bought);
    out.0
}
