//! What passed proposals do, and how the other modules learn of it.

use bytes::Bytes;

use super::{
    super::{
        dpor::elections,
        module::{Context, ModuleError},
        transaction::AccountId,
    },
    Governance,
    action::{Action, Parameter},
    module::{Due, PUBLIC, due_key, has_room},
    proposal::ProposalId,
    settings::GovernanceSettings,
    validators::{self, Members},
};
use crate::{
    application::Outdated,
    dpor::reputation::{FLOOR, Reputation},
    ids::{Height, Term},
};

const MOST: u32 = 10_000;

fn parameter_key(parameter: Parameter) -> Vec<u8> {
    vec![b'c', parameter as u8]
}

fn update_key(due: u8) -> Vec<u8> {
    vec![b'u', due]
}

fn industry_key(account: &AccountId) -> Vec<u8> {
    [b"i".as_slice(), &account.0].concat()
}

pub(super) fn bar_key(account: &AccountId) -> Vec<u8> {
    [b"b".as_slice(), &account.0].concat()
}

/// Can it be put to a vote that ends with this height?
pub(super) fn may_happen(
    settings: &GovernanceSettings,
    context: &Context<'_>,
    action: &Action,
    until: Height,
) -> Result<(), ModuleError> {
    let reason = match action {
        Action::Set(parameter, value) if !parameter.allows(*value) => "the value is out of the parameter's bounds",
        Action::AdmitIndustry { weight, .. } if !(FLOOR.0..=MOST).contains(weight) => "a weight is 1000 to 10000",
        Action::SoftUpdate { from, .. } | Action::HardUpdate { from, .. } => {
            let first = until.0.saturating_add(settings.notice.max(2));
            if from.0 < first {
                return Err(ModuleError::refused(format!("an update counts from height {first} on, or later")));
            }
            if has_room(context, Height(from.0 - 1)) {
                return Ok(());
            }
            "much is due with this height: take another one"
        }
        _ => return Ok(()),
    };
    Err(ModuleError::refused(reason))
}

/// Does it, or has it done later; `false` if it cannot be done any more.
pub(super) fn happen(
    context: &mut Context<'_>,
    id: ProposalId,
    action: &Action,
    present: &Members,
) -> Result<bool, ModuleError> {
    match action {
        Action::Set(parameter, value) => context.put(&parameter_key(*parameter), value.to_be_bytes())?,
        Action::SoftUpdate { version, from } => schedule(context, Due::SoftUpdate, id, *version, *from)?,
        Action::HardUpdate { version, from } => schedule(context, Due::HardUpdate, id, *version, *from)?,
        Action::AdmitIndustry { account, weight } => context.put(&industry_key(account), weight.to_be_bytes())?,
        Action::RemoveIndustry(account) => {
            let known = context.get(&industry_key(account)).is_some();
            context.remove(&industry_key(account));
            return Ok(known);
        }
        Action::Spend { to, amount } => {
            if context.held(PUBLIC) < *amount {
                return Ok(false);
            }
            context.release(PUBLIC, to, *amount)?;
        }
        Action::AddValidator(key) => return validators::come(context, present, key),
        Action::RemoveValidator(key) => return validators::leave(context, present, key),
    }
    Ok(true)
}

fn schedule(
    context: &mut Context<'_>,
    due: Due,
    id: ProposalId,
    version: u32,
    from: Height,
) -> Result<(), ModuleError> {
    context.put(&due_key(Height(from.0.saturating_sub(1)), due, id), version.to_be_bytes())
}

/// An update counts from the next height on. A version never goes back.
pub(super) fn come_into_force(context: &mut Context<'_>, due: u8, id: ProposalId) -> Result<(), ModuleError> {
    let height = context.height();
    let key = [super::module::queue(height).as_slice(), &[due], &id.0.to_be_bytes()].concat();
    let version = context.get(&key).and_then(|value| Some(u32::from_be_bytes(value.as_ref().try_into().ok()?)));
    let before = update(|kind, key| context.read(kind, key), due).map_or(0, |(version, _)| version);
    match version.filter(|version| *version > before) {
        Some(version) => {
            let value = [version.to_be_bytes().as_slice(), &height.next().0.to_be_bytes()].concat();
            context.put(&update_key(due), value)
        }
        None => Ok(()),
    }
}

/// The version that an update asks for, and the first height at which it does.
fn update(get: impl Fn(&str, &[u8]) -> Option<Bytes>, due: u8) -> Option<(u32, Height)> {
    let value = get(Governance::KIND, &update_key(due))?;
    let (version, from) = value.split_first_chunk()?;
    Some((u32::from_be_bytes(*version), Height(elections::number(from)?)))
}

/// The soft update that counts, then the hard one.
pub(super) fn updates(get: impl Fn(&str, &[u8]) -> Option<Bytes>) -> [Option<(u32, Height)>; 2] {
    [update(&get, Due::SoftUpdate as u8), update(&get, Due::HardUpdate as u8)]
}

/// The oldest software that may claim now.
pub(in crate::ledger) fn oldest(get: impl Fn(&str, &[u8]) -> Option<Bytes>, first: u32) -> u32 {
    updates(get).into_iter().flatten().map(|(version, _)| version).fold(first, u32::max)
}

/// Why software of this version may not execute the next block, if so.
pub(in crate::ledger) fn outdated(get: impl Fn(&str, &[u8]) -> Option<Bytes>, runs: u32) -> Option<Outdated> {
    let (needs, from) = update(get, Due::HardUpdate as u8)?;
    (needs > runs).then_some(Outdated { runs, needs, from })
}

/// A number of the chain, as voted, or as it was at first.
pub(in crate::ledger) fn parameter(
    get: impl Fn(&str, &[u8]) -> Option<Bytes>,
    parameter: Parameter,
    first: u128,
) -> u128 {
    let value = get(Governance::KIND, &parameter_key(parameter));
    value.and_then(|value| Some(u128::from_be_bytes(value.as_ref().try_into().ok()?))).unwrap_or(first)
}

/// The least reputation of an industry node, before impeachments; `None` for others.
pub(in crate::ledger) fn industry(
    get: impl Fn(&str, &[u8]) -> Option<Bytes>,
    account: &AccountId,
) -> Option<Reputation> {
    let value = get(Governance::KIND, &industry_key(account))?;
    Some(Reputation(u32::from_be_bytes(value.as_ref().try_into().ok()?)))
}

/// The last term at whose end an account may not be elected; `None` if it never offended.
pub(in crate::ledger) fn barred(get: impl Fn(&str, &[u8]) -> Option<Bytes>, account: &AccountId) -> Option<Term> {
    elections::number(&get(Governance::KIND, &bar_key(account))?).map(Term)
}
