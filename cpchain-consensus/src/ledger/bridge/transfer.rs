//! Money and entries that cross.
//!
//! | key in the module's space | value |
//! | --- | --- |
//! | `q`, chain | how many transfers were sent there (8) |
//! | `s`, chain, sequence | a transfer: account (32), amount (16) |
//! | `r`, chain | how many transfers from there have arrived (8) |
//! | `m`, chain, length of kind (1), kind, key | a copy: the block that it was proved by (8), 0 or 1, the value |
//! | vault: `v`, chain | what was sent there and has not come back |

use bytes::Bytes;

use super::{
    super::{
        amount::Amount,
        module::{Call, Context, ModuleError},
        transaction::AccountId,
    },
    module::{Bridge, refuse},
    peer::{self, Peer},
};
use crate::{
    ChainId, Height,
    proof::{StateKey, StateProof},
};

/// The vault of another chain.
pub(super) fn vault(chain: &ChainId) -> Vec<u8> {
    [b"v".as_slice(), &chain.0.0].concat()
}

pub(super) fn sent_key(chain: &ChainId) -> Vec<u8> {
    [b"q".as_slice(), &chain.0.0].concat()
}

pub(super) fn arrived_key(chain: &ChainId) -> Vec<u8> {
    [b"r".as_slice(), &chain.0.0].concat()
}

pub(super) fn transfer_key(to: &ChainId, sequence: u64) -> Vec<u8> {
    [b"s".as_slice(), &to.0.0, &sequence.to_be_bytes()].concat()
}

pub(super) fn copy_key(from: &ChainId, kind: &str, key: &[u8]) -> Vec<u8> {
    // A kind has at most 32 bytes; a longer name is nobody's, and 255 no length of one.
    [b"m".as_slice(), &from.0.0, &[kind.len().min(255) as u8], kind.as_bytes(), key].concat()
}

/// A counter of the module's space.
pub(super) fn count(value: Option<Bytes>) -> u64 {
    value.and_then(|bytes| bytes.as_ref().try_into().ok()).map_or(0, u64::from_be_bytes)
}

fn record(to: &AccountId, amount: Amount) -> Vec<u8> {
    [to.0.as_slice(), &amount.to_bytes()].concat()
}

pub(super) fn send(
    context: &mut Context<'_>,
    call: &Call<'_>,
    chain: &ChainId,
    to: &AccountId,
    amount: Amount,
) -> Result<(), ModuleError> {
    Peer::open(context, chain)?;
    if amount == Amount::ZERO {
        return Err(refuse("a transfer of nothing"));
    }
    let sequence = count(context.get(&sent_key(chain)));
    context.hold(call, &vault(chain), amount)?;
    context.put(&transfer_key(chain, sequence), record(to, amount))?;
    context.put(&sent_key(chain), sequence.saturating_add(1).to_be_bytes())
}

/// What a `Receive` says.
pub(super) struct Arrival<'a> {
    pub(super) chain: &'a ChainId,
    pub(super) block: Height,
    pub(super) sequence: u64,
    pub(super) to: &'a AccountId,
    pub(super) amount: Amount,
    pub(super) proof: &'a StateProof,
}

pub(super) fn receive(context: &mut Context<'_>, arrival: &Arrival<'_>) -> Result<(), ModuleError> {
    let Arrival { chain, block, sequence, to, amount, proof } = *arrival;
    Peer::open(context, chain)?;
    let next = count(context.get(&arrived_key(chain)));
    if sequence != next {
        return Err(ModuleError::refused(format!("transfer {sequence} where {next} is next")));
    }
    // The key names this chain: what was sent to another one is proved under another key.
    let key = StateKey::entry(Bridge::KIND, &transfer_key(&context.chain_id(), sequence));
    peer::proved(context, chain, block, &key, Some(&record(to, amount)), proof)?;
    context.put(&arrived_key(chain), next.saturating_add(1).to_be_bytes())?;
    context.release(&vault(chain), to, amount)
}

/// What a `Carry` says.
pub(super) struct Copy<'a> {
    pub(super) chain: &'a ChainId,
    pub(super) block: Height,
    pub(super) kind: &'a str,
    pub(super) key: &'a [u8],
    pub(super) value: Option<&'a [u8]>,
    pub(super) proof: &'a StateProof,
}

pub(super) fn carry(context: &mut Context<'_>, copy: &Copy<'_>) -> Result<(), ModuleError> {
    let Copy { chain, block, kind, key, value, proof } = *copy;
    Peer::open(context, chain)?;
    peer::proved(context, chain, block, &StateKey::entry(kind, key), value, proof)?;
    let here = copy_key(chain, kind, key);
    if context.get(&here).is_some_and(|old| old.get(..8) >= Some(&block.0.to_be_bytes())) {
        return Err(refuse("the copy here is as new"));
    }
    let head = [&block.0.to_be_bytes()[..], &[u8::from(value.is_some())]].concat();
    context.put(&here, [head.as_slice(), value.unwrap_or_default()].concat())
}
