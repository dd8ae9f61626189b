//! What follows from proven contradictions and from impeachments.

use super::{
    super::{
        amount::Amount,
        dpor::{RNodes, activity},
        module::{Call, Context, ModuleError},
        transaction::AccountId,
    },
    Governance,
    effect::{bar_key, barred},
    module::PUBLIC,
    validators::{Members, leave, members},
};
use crate::lbft::{Evidence, Kind};

const OFFENCE: u8 = b'o';
/// First byte of the event of an offence; the key follows.
const TOLD: u8 = 0x10;
/// First byte of the event of evidence that proves nothing; its sender follows.
const FALSE: u8 = 0x11;

/// One penalty for a key at a height, however many proofs there are.
pub(super) fn offence_key(evidence: &Evidence) -> Vec<u8> {
    let (said, _) = &evidence.first;
    let numbers = [said.term.0.to_be_bytes(), said.height.0.to_be_bytes()].concat();
    [&[OFFENCE], evidence.key.0.as_slice(), &numbers].concat()
}

/// Takes evidence. What is asked first costs nothing; a proof that does not hold costs its sender the fee, so it counts as executed.
pub(super) fn accuse(
    module: &Governance,
    context: &mut Context<'_>,
    call: &Call<'_>,
    evidence: &Evidence,
) -> Result<(), ModuleError> {
    let (said, _) = &evidence.first;
    let then = members(|kind, key| context.read(kind, key), said.term);
    let then = then.ok_or_else(|| ModuleError::refused("the members of this term are not kept, or not known yet"))?;
    let offence = offence_key(evidence);
    if context.get(&offence).is_some() {
        return Err(ModuleError::refused("this was told before"));
    }
    let account = call.sender();
    context.hold(call, PUBLIC, module.own.fee)?;
    if said.chain != context.chain_id() || !spoke(&then, evidence) || !evidence.verify() {
        return context.emit([&[FALSE], account.0.as_slice()].concat());
    }
    context.release(PUBLIC, &account, module.own.fee)?;
    context.put(&offence, [])?;
    let key = evidence.key;
    cut(module, context, &key)?;
    bar(module, context, &key)?;
    let now = module.dpor.term(context.height());
    if let Some(present) = members(|kind, key| context.read(kind, key), now) {
        leave(context, &present, &key)?;
    }
    context.emit([&[TOLD], key.0.as_slice()].concat())
}

/// Was it the signer's part in that term to say such things?
fn spoke(then: &Members, evidence: &Evidence) -> bool {
    let kinds = [evidence.first.0.kind, evidence.second.0.kind];
    let voices = if kinds == [Kind::Seal; 2] { &then.proposers } else { &then.validators };
    voices.contains(&evidence.key)
}

/// Takes a part of an RNode's deposit.
fn cut(module: &Governance, context: &mut Context<'_>, key: &AccountId) -> Result<(), ModuleError> {
    let held = context.held_by(RNodes::KIND, &key.0);
    let part = held.0 / 1_000 * u128::from(module.own.cut) + held.0 % 1_000 * u128::from(module.own.cut) / 1_000;
    context.seize(RNodes::KIND, &key.0, PUBLIC, Amount(part).min(held))
}

/// No election at the end of this term and of the next ones.
fn bar(module: &Governance, context: &mut Context<'_>, account: &AccountId) -> Result<(), ModuleError> {
    let last = module.dpor.term(context.height()).0.saturating_add(module.own.bar);
    let before = barred(|kind, key| context.read(kind, key), account).map_or(0, |term| term.0);
    context.put(&bar_key(account), before.max(last).to_be_bytes())
}

/// At the end of an impeached height: who fails again and again is barred.
pub(super) fn impeached(module: &Governance, context: &mut Context<'_>) -> Result<(), ModuleError> {
    let most = module.own.impeachments;
    if !context.is_impeached() || most == 0 {
        return Ok(());
    }
    let proposer = context.proposer();
    if activity::impeached(|kind, key| context.read(kind, key), &proposer) >= most {
        bar(module, context, &proposer)?;
    }
    Ok(())
}
