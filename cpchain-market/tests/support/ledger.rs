//! A ledger that performs effects and notices every unit that is not accounted for.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use cpchain_crypto::PublicKey;
use cpchain_market::{
    Amount,
    escrow::{Effect, Order, Purpose, Reason},
};

#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// What each party has gained or lost on its free balance.
    pub free: BTreeMap<PublicKey, i128>,
    pub held: BTreeMap<(PublicKey, Purpose), u128>,
    pub burnt: u128,
    pub price_paid: Vec<(PublicKey, u128)>,
    pub effects: Vec<Effect>,
}

impl Ledger {
    pub fn perform(&mut self, effects: &[Effect]) {
        for effect in effects {
            self.effects.push(*effect);
            match *effect {
                Effect::Hold { party, purpose, amount } => {
                    *self.free.entry(party).or_default() -= amount.0 as i128;
                    *self.held.entry((party, purpose)).or_default() += amount.0;
                }
                Effect::Release { party, purpose, amount } => {
                    self.take(party, purpose, amount);
                    *self.free.entry(party).or_default() += amount.0 as i128;
                }
                Effect::Transfer { from, purpose, to, amount, reason } => {
                    self.take(from, purpose, amount);
                    *self.free.entry(to).or_default() += amount.0 as i128;
                    if reason == Reason::Price {
                        self.price_paid.push((to, amount.0));
                    }
                }
                Effect::Slash { party, purpose, amount } => {
                    self.take(party, purpose, amount);
                    self.burnt += amount.0;
                }
                Effect::Reputation { .. } => {}
            }
        }
    }

    fn take(&mut self, party: PublicKey, purpose: Purpose, amount: Amount) {
        let held = self.held.get_mut(&(party, purpose)).expect("pays only from what it holds");
        *held = held.checked_sub(amount.0).expect("never pays more than it holds");
    }

    /// Money in = money out, and what the order says is locked is what is held.
    pub fn assert_consistent(&self, order: &Order) {
        self.assert_holds(order.locked());
    }

    /// Money in = money out, and exactly these sums are held.
    pub fn assert_holds(&self, parts: Vec<(PublicKey, Purpose, Amount)>) {
        let free: i128 = self.free.values().sum();
        let held: u128 = self.held.values().sum();
        assert_eq!(free + held as i128 + self.burnt as i128, 0, "money appeared or vanished");
        let mut locked: BTreeMap<(PublicKey, Purpose), u128> = BTreeMap::new();
        for (party, purpose, amount) in parts {
            *locked.entry((party, purpose)).or_default() += amount.0;
        }
        let mut held = self.held.clone();
        held.retain(|_, amount| *amount > 0);
        locked.retain(|_, amount| *amount > 0);
        assert_eq!(held, locked);
    }

    pub fn gain(&self, party: PublicKey) -> i128 {
        self.free.get(&party).copied().unwrap_or(0)
    }
}
