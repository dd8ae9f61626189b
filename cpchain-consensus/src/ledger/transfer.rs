//! The built-in kind: money from the sender to another account.

use bytes::Bytes;
use prost::Message;

use super::{
    amount::Amount,
    module::{Call, Context, Module, ModuleError},
    transaction::AccountId,
    wire,
};

/// Payload of the kind [`Transfer::KIND`].
///
/// ```
/// use cpchain_consensus::ledger::{Amount, Transfer};
/// use cpchain_crypto::PublicKey;
/// let transfer = Transfer { to: PublicKey([7; 32]), amount: Amount::cpc(5) };
/// assert_eq!(Transfer::decode(&transfer.encode()), Some(transfer));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// Who receives it.
    pub to: AccountId,
    /// How much; not zero.
    pub amount: Amount,
}

impl Transfer {
    /// The name of the kind.
    pub const KIND: &str = "transfer";

    /// The payload of a transaction.
    pub fn encode(&self) -> Bytes {
        let amount = Bytes::copy_from_slice(&self.amount.to_bytes());
        wire::Transfer { to: Bytes::copy_from_slice(&self.to.0), amount }.encode_to_vec().into()
    }

    /// Reads a payload; `None` if it is not the one encoding of a transfer.
    pub fn decode(payload: &Bytes) -> Option<Self> {
        let message: wire::Transfer = wire::decode_canonical(payload)?;
        Some(Self { to: AccountId::from_slice(&message.to)?, amount: Amount::from_slice(&message.amount)? })
    }
}

/// Executes [`Transfer`]s. Every ledger has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transfers;

impl Transfers {
    fn read(payload: &Bytes) -> Result<Transfer, ModuleError> {
        let transfer = Transfer::decode(payload).ok_or_else(|| ModuleError::refused("malformed transfer"))?;
        if transfer.amount == Amount::ZERO {
            return Err(ModuleError::refused("a transfer of nothing"));
        }
        Ok(transfer)
    }
}

impl Module for Transfers {
    fn kind(&self) -> &'static str {
        Transfer::KIND
    }

    fn check(&self, payload: &Bytes) -> Result<(), ModuleError> {
        Self::read(payload).map(drop)
    }

    fn execute(&self, context: &mut Context<'_>, call: &Call<'_>) -> Result<(), ModuleError> {
        let transfer = Self::read(call.payload())?;
        context.transfer(call, &transfer.to, transfer.amount)
    }
}
