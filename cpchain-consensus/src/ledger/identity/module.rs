//! How records come onto the ledger.
//!
//! | key in the module's space | value |
//! | --- | --- |
//! | `k`, identity | [`KeyStanding`] |
//! | `r`, identity, sequence | the key record |
//! | `u`, identity, key | nothing: the key spoke before |
//! | `n`, controller, gateway | number of the last delegation |
//! | `g`, controller, gateway, number | the delegation |
//! | `w`, controller, gateway, number | the withdrawal that ends delegations up to that number |
//! | `d`, device, controller, gateway, number | nothing: that delegation names the device |
//!
//! Identities by their 32 bytes, numbers big-endian.

use bytes::Bytes;
use cpchain_crypto::{
    Did,
    identity::{
        KeyRecord,
        delegation::{Delegation, DeviceId, SignedWithdrawal, Withdrawal},
    },
};

use super::{
    super::module::{Call, Context, Module, ModuleError},
    KeyStanding,
};

/// The module: takes key records, delegations and withdrawals.
#[derive(Debug, Clone, Copy, Default)]
pub struct Identities;

impl Identities {
    /// The kind of its transactions, and the name of its space.
    pub const KIND: &str = KeyStanding::KIND;
}

/// A record by its bytes.
enum Record<'a> {
    Keys(Box<KeyRecord>),
    Delegation(Delegation<'a>),
    Withdrawal(Withdrawal),
}

fn read(payload: &[u8]) -> Result<Record<'_>, ModuleError> {
    if let Ok(record) = KeyRecord::from_bytes(payload) {
        return Ok(Record::Keys(Box::new(record)));
    }
    if let Ok(withdrawal) = Withdrawal::claimed(payload) {
        return Ok(Record::Withdrawal(withdrawal));
    }
    let malformed = |_| ModuleError::refused("neither a key record nor a delegation nor a withdrawal");
    Delegation::parse(payload).map(Record::Delegation).map_err(malformed)
}

impl Module for Identities {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn check(&self, payload: &Bytes) -> Result<(), ModuleError> {
        read(payload).map(drop)
    }

    fn execute(&self, context: &mut Context<'_>, call: &Call<'_>) -> Result<(), ModuleError> {
        let payload = call.payload();
        match read(payload)? {
            Record::Keys(record) => take_keys(context, &record, payload)?,
            Record::Delegation(delegation) => take_delegation(context, &delegation, payload)?,
            Record::Withdrawal(withdrawal) => take_withdrawal(context, &withdrawal, payload)?,
        }
        context.emit(payload.clone())
    }
}

fn take_keys(context: &mut Context<'_>, record: &KeyRecord, bytes: &Bytes) -> Result<(), ModuleError> {
    let identity = record.identity();
    let standing = standing(context, identity)?;
    let key = standing.speaker().map_err(ModuleError::refused)?.key();
    let next = standing.sequence().saturating_add(1);
    if record.sequence() != next {
        return Err(ModuleError::refused(format!("record {} where {next} is next", record.sequence())));
    }
    if record.spoke() != key {
        return Err(ModuleError::refused("the record is not by the key that speaks for the identity"));
    }
    if record.since_ms() <= standing.since_ms() {
        return Err(ModuleError::refused("the record's time is not later than that of the record before"));
    }
    if let Some(new) = record.speaks() {
        let used = [b"u".as_slice(), &identity.public_key().0, &new.0].concat();
        if new == identity.public_key() || context.get(&used).is_some() {
            return Err(ModuleError::refused("the new key spoke before: a key never comes back"));
        }
        context.put(&used, [])?;
    }
    record.verify().map_err(ModuleError::refused)?;
    let after = KeyStanding::after(identity, record.speaks(), next, record.since_ms(), context.height());
    context.put(&KeyStanding::state_key(&identity), after.to_bytes())?;
    context.put(&record_key(&identity, next), bytes)
}

fn take_delegation(context: &mut Context<'_>, delegation: &Delegation<'_>, bytes: &Bytes) -> Result<(), ModuleError> {
    let (controller, gateway, number) = (delegation.controller(), delegation.gateway(), delegation.sequence());
    let pair = pair(&controller, &gateway);
    let counter = [b"n".as_slice(), &pair].concat();
    if context.get(&counter).is_some_and(|last| number.to_be_bytes().as_slice() <= &last[..]) {
        return Err(ModuleError::refused("the number of the delegation is not above those before it"));
    }
    let speaker = standing(context, controller)?.speaker().map_err(ModuleError::refused)?;
    delegation.verify_grant(&speaker).map_err(ModuleError::refused)?;
    context.put(&counter, number.to_be_bytes())?;
    for device in delegation.devices() {
        context.put(&[device_prefix(&device).as_slice(), &pair, &number.to_be_bytes()].concat(), [])?;
    }
    context.put(&numbered(b'g', &controller, &gateway, number), bytes)
}

fn take_withdrawal(context: &mut Context<'_>, withdrawal: &Withdrawal, bytes: &Bytes) -> Result<(), ModuleError> {
    let Withdrawal { controller, gateway, through, .. } = *withdrawal;
    let before = [b"w".as_slice(), &pair(&controller, &gateway)].concat();
    let from = numbered(b'w', &controller, &gateway, through);
    let ended = context.get(&from).is_some() || !context.scan(&before, Some(&from), 1).is_empty();
    if ended {
        return Err(ModuleError::refused("an earlier withdrawal ends as much"));
    }
    let speaker = standing(context, controller)?.speaker().map_err(ModuleError::refused)?;
    SignedWithdrawal::open(bytes, &speaker).map_err(ModuleError::refused)?;
    context.put(&from, bytes)
}

fn standing(context: &Context<'_>, identity: Did) -> Result<KeyStanding, ModuleError> {
    let value = context.get(&KeyStanding::state_key(&identity));
    KeyStanding::read(identity, value.as_deref()).map_err(ModuleError::refused)
}

fn pair(controller: &Did, gateway: &Did) -> [u8; 64] {
    let mut out = [0; 64];
    let (first, second) = out.split_at_mut(32);
    first.copy_from_slice(&controller.public_key().0);
    second.copy_from_slice(&gateway.public_key().0);
    out
}

pub(super) fn record_key(identity: &Did, sequence: u64) -> Vec<u8> {
    [b"r".as_slice(), &identity.public_key().0, &sequence.to_be_bytes()].concat()
}

pub(super) fn numbered(area: u8, controller: &Did, gateway: &Did, number: u64) -> Vec<u8> {
    [[area].as_slice(), &pair(controller, gateway), &number.to_be_bytes()].concat()
}

pub(super) fn device_prefix(device: &DeviceId) -> Vec<u8> {
    [b"d".as_slice(), &device.0.0].concat()
}
