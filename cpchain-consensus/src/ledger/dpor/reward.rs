//! Pays the proposer of each final block.

use super::super::{
    amount::Amount,
    module::{Call, Context, Module, ModuleError},
};
use crate::dpor::reward::maintenance;

/// The module: no transactions, only what is due at the end of a block. It pays from one vault, which genesis fills
/// ([`Settings::found`](super::Settings::found)), so it makes no money; when the vault is empty it pays nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rewards;

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
        let due = Amount(maintenance(context.height())).min(context.held(Self::VAULT));
        let proposer = context.proposer();
        context.release(Self::VAULT, &proposer, due)
    }
}
