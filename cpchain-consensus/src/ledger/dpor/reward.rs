//! Pays the proposer of each final block.

use super::super::{
    amount::Amount,
    module::{Call, Context, Module, ModuleError},
};
use crate::{dpor::reward::maintenance_between, ids::Height};

/// The module: no transactions, only what is due at the end of a block. It pays from one vault, which genesis fills
/// ([`Settings::found`](super::Settings::found)), so it makes no money; when the vault is empty it pays nothing.
#[derive(Debug, Clone, Copy)]
pub struct Rewards {
    /// Heights of the schedule that a height of the chain stands for: one, but in the test of five years.
    span: u64,
}

impl Default for Rewards {
    fn default() -> Self {
        Self { span: 1 }
    }
}

impl Rewards {
    /// The name of its space.
    pub const KIND: &str = "reward";
    /// The vault that it pays from.
    pub const VAULT: &[u8] = b"maintenance";
}

impl Module for Rewards {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn execute(&self, _: &mut Context<'_>, _: &Call<'_>) -> Result<(), ModuleError> {
        Err(ModuleError::refused("rewards are paid, not asked for"))
    }

    fn end_of_block(&self, context: &mut Context<'_>) -> Result<(), ModuleError> {
        if context.is_impeached() {
            return Ok(());
        }
        let last = context.height().0.saturating_mul(self.span);
        let first = last.saturating_sub(self.span).saturating_add(1);
        let due = Amount(maintenance_between(Height(first), Height(last))).min(context.held(Self::VAULT));
        let proposer = context.proposer();
        context.release(Self::VAULT, &proposer, due)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use cpchain_crypto::{Digest, PublicKey};

    use super::*;
    use crate::{
        Application, FinalBlock,
        dpor::reward::ALL_REWARDS,
        ledger::{Genesis, Ledger},
    };

    const BILLION: Amount = Amount::cpc(1_000_000_000);

    /// All years on a ledger whose heights stand for 20,160 heights each; the rewards of impeached ones stay in the vault. What was
    /// paid, and what is left.
    fn five_years(impeached: impl Fn(u64) -> bool) -> (Amount, Amount) {
        let holder = PublicKey([1; 32]);
        let there = BILLION.checked_sub(Amount(ALL_REWARDS)).unwrap();
        let genesis = Genesis::new().account(holder, there).vault(Rewards::KIND, Rewards::VAULT, Amount(ALL_REWARDS));
        let ledger = Ledger::builder(genesis.chain_id("years"), genesis).module(Rewards { span: 20_160 }).retain(1);
        let mut ledger = ledger.build().unwrap();
        let view = ledger.view();
        let mut missed = Amount::ZERO;
        for height in 1..=15_785_280u64.div_ceil(20_160) + 5 {
            let impeached = impeached(height);
            let (first, last) = (Height((height - 1) * 20_160 + 1), Height(height * 20_160));
            if impeached {
                missed = missed.checked_add(Amount(maintenance_between(first, last))).unwrap();
            }
            let (digest, parent) = (Digest::content(&height.to_be_bytes()), Digest::ZERO);
            let proposer = PublicKey([2 + (height % 7) as u8; 32]);
            let payload = Bytes::new();
            ledger.finalised(&FinalBlock { height: Height(height), digest, parent, proposer, impeached, payload });
            assert_eq!(view.supply(), BILLION, "height {height}");
        }
        let paid = Amount::checked_sum((2..9).map(|seed| view.balance(&PublicKey([seed; 32])))).unwrap();
        assert_eq!(paid.checked_add(missed), Some(Amount(ALL_REWARDS)));
        (paid, view.held(Rewards::KIND, Rewards::VAULT))
    }

    #[test]
    fn five_years_of_rewards_empty_the_vault_and_make_nothing() {
        assert_eq!(five_years(|_| false), (Amount(ALL_REWARDS), Amount::ZERO));
        let (paid, left) = five_years(|height| height % 5 == 0);
        assert_eq!(paid.checked_add(left), Some(Amount(ALL_REWARDS)));
        assert!(left > Amount::ZERO);
    }
}
