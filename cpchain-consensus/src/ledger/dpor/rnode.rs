//! The pool of the RNodes' deposits.
//!
//! | in the module's space | value |
//! | --- | --- |
//! | `m`, account | the height of the deposit, 8 bytes, big-endian |
//! | vault: account | the deposit |

use std::sync::Arc;

use bytes::Bytes;

use super::{
    super::{
        amount::Amount,
        governance::{self, Parameter},
        module::{Call, Context, Module, ModuleError},
        transaction::AccountId,
    },
    elections,
    settings::Settings,
};

const VERSION: u8 = 1;
const JOIN: u8 = 1;
const LEAVE: u8 = 2;

/// Payload of the kind [`RNodes::KIND`]: version 1; 1 and the amount (16 bytes, big-endian) to join, or 2 to leave.
///
/// ```
/// use cpchain_consensus::ledger::{Amount, dpor::PoolCall};
/// let call = PoolCall::Join(Amount::cpc(200_000));
/// assert_eq!(PoolCall::decode(&call.encode()), Some(call));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolCall {
    /// Becomes an RNode with this deposit.
    Join(Amount),
    /// Takes the deposit back and is no RNode any more.
    Leave,
}

impl PoolCall {
    /// The payload of a transaction.
    pub fn encode(&self) -> Bytes {
        match self {
            Self::Join(amount) => [[VERSION, JOIN].as_slice(), &amount.to_bytes()].concat().into(),
            Self::Leave => Bytes::from_static(&[VERSION, LEAVE]),
        }
    }

    /// Reads a payload; `None` for anything else.
    pub fn decode(payload: &[u8]) -> Option<Self> {
        match payload.split_first_chunk()? {
            ([VERSION, JOIN], amount) => Amount::from_slice(amount).map(Self::Join),
            ([VERSION, LEAVE], []) => Some(Self::Leave),
            _ => None,
        }
    }
}

/// The module: takes deposits and gives them back.
#[derive(Debug, Clone)]
pub struct RNodes(pub(super) Arc<Settings>);

impl RNodes {
    /// The kind of its transactions, and the name of its space.
    pub const KIND: &str = "rnode";
}

/// The key of a member.
pub(super) fn member(account: &AccountId) -> Vec<u8> {
    [b"m".as_slice(), &account.0].concat()
}

/// The least deposit now.
fn least(settings: &Settings, context: &Context<'_>) -> Amount {
    let get = |kind: &str, key: &[u8]| context.read(kind, key);
    Amount(governance::parameter(get, Parameter::RNodeDeposit, settings.deposit().0))
}

/// Only an RNode stands for election, and what is left of its deposit must be what is asked now.
pub(super) fn check_deposit(
    settings: &Settings,
    context: &Context<'_>,
    account: &AccountId,
) -> Result<(), ModuleError> {
    if context.read(RNodes::KIND, &member(account)).is_none() {
        return Err(ModuleError::refused("only an RNode may claim: deposit first"));
    }
    let (least, held) = (least(settings, context), context.held_by(RNodes::KIND, &account.0));
    if held < least {
        return Err(ModuleError::refused(format!(
            "a claim needs a deposit of {least} CPC, {held} are left: leave, and deposit again"
        )));
    }
    Ok(())
}

fn read(payload: &[u8]) -> Result<PoolCall, ModuleError> {
    PoolCall::decode(payload).ok_or_else(|| ModuleError::refused("neither a deposit nor a withdrawal"))
}

impl Module for RNodes {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn check(&self, payload: &Bytes) -> Result<(), ModuleError> {
        read(payload).map(drop)
    }

    fn execute(&self, context: &mut Context<'_>, call: &Call<'_>) -> Result<(), ModuleError> {
        match read(call.payload())? {
            PoolCall::Join(amount) => self.join(context, call, amount),
            PoolCall::Leave => self.leave(context, call),
        }
    }
}

impl RNodes {
    fn join(&self, context: &mut Context<'_>, call: &Call<'_>, amount: Amount) -> Result<(), ModuleError> {
        let key = member(&call.sender());
        if context.get(&key).is_some() {
            return Err(ModuleError::refused("an RNode already: it deposits once"));
        }
        let least = least(&self.0, context);
        if amount < least {
            return Err(ModuleError::refused(format!("a deposit is at least {least} CPC")));
        }
        context.hold(call, &call.sender().0, amount)?;
        let since = context.height().0.to_be_bytes();
        context.put(&key, since)
    }

    fn leave(&self, context: &mut Context<'_>, call: &Call<'_>) -> Result<(), ModuleError> {
        let account = call.sender();
        let key = member(&account);
        let since = context.get(&key).as_deref().and_then(elections::number);
        let since = since.ok_or_else(|| ModuleError::refused("not an RNode"))?;
        let free = since.saturating_add(self.0.lock());
        if context.height().0 < free {
            return Err(ModuleError::refused(format!("the deposit is locked before height {free}")));
        }
        let seat = context.read(super::Campaigns::KIND, &elections::seat(&account));
        if let Some(last) = seat.as_deref().and_then(elections::number)
            && last >= self.0.term(context.height()).0
        {
            return Err(ModuleError::refused(format!("elected up to term {last}: the deposit stays until it ends")));
        }
        context.remove(&key);
        let all = context.held(&account.0);
        context.release(&account.0, &account, all)
    }
}
