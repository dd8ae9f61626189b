//! The ledger's module: pays ways from what their origins paid in.
//!
//! | in the module's space | value |
//! | --- | --- |
//! | vault: origin | what it paid in |
//! | `n`, origin | the height of its notice, 8 bytes |
//! | `p`, envelope | nothing: it is paid |
//! | `e`, height, envelope | nothing: when that may be forgotten |
//!
//! Heights are 8 bytes, big-endian.

use bytes::Bytes;
use cpchain_crypto::{Digest, PublicKey};

use super::Carriage;
use crate::{
    ids::Height,
    ledger::{Amount, Call, Context, Module, ModuleError},
};

/// Most ways of one transaction.
pub const MAX_BATCH: usize = 16;
/// Heights between an origin's notice and the end of its money here. Who relays takes envelopes that expire within these, of
/// origins that gave no notice and have enough, and settles in time.
pub const NOTICE: u64 = 1_000;

const VERSION: u8 = 1;
const FUND: u8 = 1;
const GIVE_NOTICE: u8 = 2;
const WITHDRAW: u8 = 3;
const SETTLE: u8 = 4;
/// Paid envelopes that are forgotten in one block, once they have expired.
const SWEEP: usize = 256;

/// Payload of the kind [`Relays::KIND`]: version 1; then 1, origin (32) and amount (16); or 2; or 3; or 4 and the ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayCall {
    /// Pays in for an origin, which may be another.
    Fund(PublicKey, Amount),
    /// The sender will take out what it paid in, [`NOTICE`] heights from now.
    GiveNotice,
    /// Takes out all that is there.
    Withdraw,
    /// Pays ways: [`RelayCall::settle`].
    Settle(Bytes),
}

impl RelayCall {
    /// At most [`MAX_BATCH`] ways in one transaction.
    pub fn settle<'a>(ways: impl IntoIterator<Item = &'a Carriage>) -> Self {
        Self::Settle(ways.into_iter().flat_map(Carriage::to_bytes).collect())
    }

    /// The payload of a transaction.
    pub fn encode(&self) -> Bytes {
        match self {
            Self::Fund(origin, amount) => [[VERSION, FUND].as_slice(), &origin.0, &amount.to_bytes()].concat().into(),
            Self::GiveNotice => Bytes::from_static(&[VERSION, GIVE_NOTICE]),
            Self::Withdraw => Bytes::from_static(&[VERSION, WITHDRAW]),
            Self::Settle(ways) => [[VERSION, SETTLE].as_slice(), ways].concat().into(),
        }
    }

    /// Reads a payload; `None` for anything else. Ways are read when they are paid.
    pub fn decode(payload: &Bytes) -> Option<Self> {
        match payload.split_first_chunk()? {
            ([VERSION, FUND], rest) => {
                let (origin, amount) = rest.split_first_chunk()?;
                Amount::from_slice(amount).map(|amount| Self::Fund(PublicKey(*origin), amount))
            }
            ([VERSION, GIVE_NOTICE], []) => Some(Self::GiveNotice),
            ([VERSION, WITHDRAW], []) => Some(Self::Withdraw),
            ([VERSION, SETTLE], _) => Some(Self::Settle(payload.slice(2..))),
            _ => None,
        }
    }
}

/// The module.
#[derive(Debug, Clone, Copy, Default)]
pub struct Relays;

impl Relays {
    /// The kind of its transactions, and the name of its space.
    pub const KIND: &str = "relay";

    /// The state key under which a paid envelope stands until it has expired.
    pub fn paid_key(envelope: &Digest) -> Vec<u8> {
        [b"p".as_slice(), &envelope.0].concat()
    }

    fn notice_key(origin: &PublicKey) -> Vec<u8> {
        [b"n".as_slice(), &origin.0].concat()
    }
}

impl Module for Relays {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn check(&self, payload: &Bytes) -> Result<(), ModuleError> {
        read(payload).map(drop)
    }

    fn execute(&self, context: &mut Context<'_>, call: &Call<'_>) -> Result<(), ModuleError> {
        let sender = call.sender();
        match read(call.payload())? {
            RelayCall::Fund(origin, amount) => context.hold(call, &origin.0, amount),
            RelayCall::GiveNotice => context.put(&Self::notice_key(&sender), context.height().0.to_be_bytes()),
            RelayCall::Withdraw => {
                let key = Self::notice_key(&sender);
                let given = context.get(&key).and_then(|bytes| bytes.as_ref().try_into().ok()).map(u64::from_be_bytes);
                let given = given.ok_or_else(|| ModuleError::refused("give notice first"))?;
                if context.height().0 <= given.saturating_add(NOTICE) {
                    return Err(ModuleError::refused(format!("the notice ends {NOTICE} heights after it was given")));
                }
                context.remove(&key);
                let held = context.held(&sender.0);
                context.release(&sender.0, &sender, held)
            }
            RelayCall::Settle(ways) => settle(context, &ways),
        }
    }

    /// Forgets what can no longer be asked for.
    fn end_of_block(&self, context: &mut Context<'_>) -> Result<(), ModuleError> {
        for (key, _) in context.scan(b"e", None, SWEEP) {
            let expired = key.get(1..9).and_then(|height| height.try_into().ok()).map(u64::from_be_bytes);
            if expired.is_some_and(|height| height >= context.height().0) {
                break;
            }
            if let Some(envelope) = key.get(9..).and_then(Digest::from_slice) {
                context.remove(&Self::paid_key(&envelope));
            }
            context.remove(&key);
        }
        Ok(())
    }
}

fn read(payload: &Bytes) -> Result<RelayCall, ModuleError> {
    RelayCall::decode(payload).ok_or_else(|| ModuleError::refused("malformed call of the relay module"))
}

/// Pays all ways that can be paid; those that were paid, have expired or have no money behind them are passed over, so that one of
/// them does not hold up a batch.
fn settle(context: &mut Context<'_>, mut ways: &[u8]) -> Result<(), ModuleError> {
    let mut paid = 0_usize;
    for _ in 0..MAX_BATCH {
        if ways.is_empty() {
            break;
        }
        let (way, rest) = Carriage::split(context.chain_id(), ways).map_err(ModuleError::refused)?;
        paid += usize::from(pay(context, &way)?);
        ways = rest;
    }
    if !ways.is_empty() {
        return Err(ModuleError::Bound { what: "the number of ways", bound: MAX_BATCH });
    }
    if paid == 0 {
        return Err(ModuleError::refused("nothing to pay: all of it is paid, has expired or has no money behind it"));
    }
    Ok(())
}

fn pay(context: &mut Context<'_>, way: &Carriage) -> Result<bool, ModuleError> {
    let (envelope, id) = (way.envelope(), way.envelope().id());
    let (key, origin) = (Relays::paid_key(&id), envelope.origin());
    let due = envelope.expires >= context.height() && context.get(&key).is_none();
    if !due || context.held(&origin.0) < Amount(envelope.reward) {
        return Ok(false);
    }
    context.put(&key, [])?;
    context.put(&expiry_key(envelope.expires, &id), [])?;
    for (relay, share) in way.shares() {
        context.release(&origin.0, &relay, Amount(share))?;
    }
    Ok(true)
}

fn expiry_key(height: Height, envelope: &Digest) -> Vec<u8> {
    [b"e".as_slice(), &height.0.to_be_bytes(), &envelope.0].concat()
}
