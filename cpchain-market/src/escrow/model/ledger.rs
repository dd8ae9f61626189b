//! Double-entry books of the explored order.

use std::collections::BTreeMap;

use cpchain_crypto::PublicKey;

use super::super::{Effect, Purpose, Reason};
use crate::units::Amount;

#[derive(Debug, Clone, Default, Hash, PartialEq, Eq)]
pub(in crate::escrow) struct Books {
    /// What each party has gained or lost on its free balance.
    free: BTreeMap<PublicKey, i128>,
    held: BTreeMap<(PublicKey, Purpose), u128>,
    burnt: u128,
    /// More was spent than was held.
    pub(in crate::escrow) overdrawn: bool,
    /// To whom the price went, and how much.
    pub(in crate::escrow) price: Vec<(PublicKey, u128)>,
}

impl Books {
    pub(in crate::escrow) fn perform(&mut self, effects: &[Effect]) {
        for effect in effects {
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
                        self.price.push((to, amount.0));
                    }
                }
                Effect::Slash { party, purpose, amount } => {
                    self.take(party, purpose, amount);
                    self.burnt += amount.0;
                }
                Effect::Reputation { .. } => {}
            }
        }
        self.held.retain(|_, amount| *amount > 0);
    }

    fn take(&mut self, party: PublicKey, purpose: Purpose, amount: Amount) {
        let held = self.held.entry((party, purpose)).or_default();
        self.overdrawn |= *held < amount.0;
        *held = held.saturating_sub(amount.0);
    }

    pub(in crate::escrow) fn gain(&self, party: PublicKey) -> i128 {
        self.free.get(&party).copied().unwrap_or(0)
    }

    /// Money in = money out, and what the order says is locked is what is held.
    pub(in crate::escrow) fn balance(&self, parts: Vec<(PublicKey, Purpose, Amount)>) -> bool {
        let mut locked: BTreeMap<(PublicKey, Purpose), u128> = BTreeMap::new();
        for (party, purpose, amount) in parts {
            *locked.entry((party, purpose)).or_default() += amount.0;
        }
        locked.retain(|_, amount| *amount > 0);
        let total = self.free.values().sum::<i128>() + (self.held.values().sum::<u128>() + self.burnt) as i128;
        !self.overdrawn && total == 0 && self.held == locked
    }
}
