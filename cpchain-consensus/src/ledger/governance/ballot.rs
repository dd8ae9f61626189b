//! Opening, casting and counting. No step walks over those who could vote: the votes of economy nodes are added up as they are cast, and
//! the validators, at most 256, are counted one by one.

use super::{
    super::{
        dpor::{economy, elections},
        module::{Call, Context, ModuleError},
        transaction::AccountId,
    },
    Governance,
    action::{Action, Electorate},
    effect,
    module::{Due, PUBLIC, due_key, has_room},
    proposal::{Proposal, ProposalId, Status, read_vote, vote_bytes},
    settings::GovernanceSettings,
    validators::{Members, members},
};
use crate::ids::Height;

const COUNT: &[u8] = b"n";

fn refuse(reason: &str) -> ModuleError {
    ModuleError::refused(reason)
}

pub(super) fn proposal_key(id: ProposalId) -> Vec<u8> {
    [b"p".as_slice(), &id.0.to_be_bytes()].concat()
}

pub(super) fn vote_key(id: ProposalId, account: &AccountId) -> Vec<u8> {
    [b"v".as_slice(), &id.0.to_be_bytes(), &account.0].concat()
}

fn lock_key(account: &AccountId) -> Vec<u8> {
    [b"l".as_slice(), &account.0].concat()
}

/// The last height at which an account's economy deposit stays where it is, because a vote counts it.
pub(in crate::ledger) fn locked_until(
    get: impl Fn(&str, &[u8]) -> Option<bytes::Bytes>,
    account: &AccountId,
) -> Option<Height> {
    elections::number(&get(Governance::KIND, &lock_key(account))?).map(Height)
}

pub(super) fn proposal(context: &Context<'_>, id: ProposalId) -> Option<Proposal> {
    Proposal::from_slice(&context.get(&proposal_key(id))?)
}

fn present(module: &Governance, context: &Context<'_>) -> Members {
    let term = module.dpor.term(context.height());
    members(|kind, key| context.read(kind, key), term).unwrap_or_default()
}

/// What an account's vote weighs; nothing if it has none.
fn weight(of: Electorate, context: &Context<'_>, present: &Members, account: &AccountId) -> Option<u128> {
    match of {
        Electorate::Validators => present.validators.contains(account).then_some(1),
        Electorate::Economy => economy::earning(|kind, key| context.read(kind, key), account).map(|amount| amount.0),
    }
}

fn electorate_of(electorate: Electorate) -> ModuleError {
    refuse(match electorate {
        Electorate::Validators => "only a validator in office proposes and votes on validators",
        Electorate::Economy => "only an economy node proposes and votes on this: deposit in the economy pool first",
    })
}

/// Puts an action to the vote.
pub(super) fn open(
    module: &Governance,
    context: &mut Context<'_>,
    call: &Call<'_>,
    action: Action,
    until: Height,
) -> Result<(), ModuleError> {
    let settings = &module.own;
    let (account, present) = (call.sender(), present(module, context));
    let electorate = action.electorate();
    weight(electorate, context, &present, &account).ok_or_else(|| electorate_of(electorate))?;
    let last = context.height().0.saturating_add(settings.longest);
    if until <= context.height() || until.0 > last {
        return Err(ModuleError::refused(format!("a vote ends after this height and up to height {last}")));
    }
    effect::may_happen(settings, context, &action, until)?;
    if !has_room(context, until) {
        return Err(refuse("many votes end with this height: take another one"));
    }
    let id = ProposalId(context.get(COUNT).as_deref().and_then(elections::number).unwrap_or(0));
    let deposit = settings.deposit;
    context.put(COUNT, id.0.saturating_add(1).to_be_bytes())?;
    context.hold(call, &proposal_key(id), deposit)?;
    context.put(&due_key(until, Due::Vote, id), [])?;
    write(context, id, Proposal { by: account, deposit, until, status: Status::Open, yes: 0, no: 0, action })
}

/// Takes a vote, or another one of the same account: the last one counts.
pub(super) fn vote(
    module: &Governance,
    context: &mut Context<'_>,
    call: &Call<'_>,
    id: ProposalId,
    approve: bool,
) -> Result<(), ModuleError> {
    let account = call.sender();
    let mut proposal = proposal(context, id).ok_or_else(|| refuse("there is no such proposal"))?;
    if proposal.status != Status::Open || context.height() > proposal.until {
        return Err(refuse("the vote has ended"));
    }
    let (electorate, present) = (proposal.action.electorate(), present(module, context));
    let weight = weight(electorate, context, &present, &account).ok_or_else(|| electorate_of(electorate))?;
    let key = vote_key(id, &account);
    if let Some((before, weight)) = context.get(&key).and_then(|value| read_vote(&value)) {
        let side = if before { &mut proposal.yes } else { &mut proposal.no };
        *side = side.saturating_sub(weight);
    }
    let side = if approve { &mut proposal.yes } else { &mut proposal.no };
    *side = side.checked_add(weight).ok_or_else(|| refuse("too much"))?;
    context.put(&key, vote_bytes(approve, weight))?;
    match electorate {
        Electorate::Economy => {
            // It stays where it is as long as it counts; other votes may need it longer.
            let lock = lock_key(&account);
            let before = context.get(&lock).as_deref().and_then(elections::number).unwrap_or(0);
            context.put(&lock, before.max(proposal.until.0).to_be_bytes())?;
        }
        Electorate::Validators => {
            count_validators(context, &present, id, &mut proposal);
            if is_two_thirds(proposal.yes, &present) {
                context.remove(&due_key(proposal.until, Due::Vote, id));
                return close(module, context, id, proposal, Status::Passed);
            }
        }
    }
    write(context, id, proposal)
}

/// The vote ends with this height.
pub(super) fn end(module: &Governance, context: &mut Context<'_>, id: ProposalId) -> Result<(), ModuleError> {
    let Some(mut proposal) = proposal(context, id).filter(|proposal| proposal.status == Status::Open) else {
        return Ok(());
    };
    let status = match proposal.action.electorate() {
        Electorate::Economy => {
            let total = economy::all_earning(|kind, key| context.read(kind, key));
            judge(&module.own, proposal.yes, proposal.no, total.0)
        }
        Electorate::Validators => {
            let present = present(module, context);
            count_validators(context, &present, id, &mut proposal);
            match proposal {
                Proposal { yes, .. } if is_two_thirds(yes, &present) => Status::Passed,
                Proposal { yes, no, .. } if is_two_thirds(yes.saturating_add(no), &present) => Status::Rejected,
                _ => Status::Lapsed,
            }
        }
    };
    close(module, context, id, proposal, status)
}

/// What becomes of a vote of economy nodes of which `total` could have been cast.
pub(super) fn judge(settings: &GovernanceSettings, yes: u128, no: u128, total: u128) -> Status {
    let cast = yes.saturating_add(no);
    // Amounts are below 2^100, so that none of the products saturates.
    let took_part = cast > 0 && cast.saturating_mul(1_000) >= total.saturating_mul(settings.quorum.into());
    let approved = yes.saturating_mul(1_000) > cast.saturating_mul(settings.approval.into());
    match (took_part, approved) {
        (false, _) => Status::Lapsed,
        (true, false) => Status::Rejected,
        (true, true) => Status::Passed,
    }
}

/// More than two thirds of the validators.
fn is_two_thirds(votes: u128, present: &Members) -> bool {
    votes.saturating_mul(3) > 2 * present.validators.len() as u128
}

/// Votes of validators that have left since do not count.
fn count_validators(context: &Context<'_>, present: &Members, id: ProposalId, proposal: &mut Proposal) {
    (proposal.yes, proposal.no) = (0, 0);
    for key in &present.validators {
        match context.get(&vote_key(id, key)).and_then(|value| read_vote(&value)) {
            Some((true, _)) => proposal.yes += 1,
            Some((false, _)) => proposal.no += 1,
            None => {}
        }
    }
}

/// The deposit goes back, unless too few took part.
fn close(
    module: &Governance,
    context: &mut Context<'_>,
    id: ProposalId,
    mut proposal: Proposal,
    status: Status,
) -> Result<(), ModuleError> {
    let vault = proposal_key(id);
    if status == Status::Lapsed {
        context.shift(&vault, PUBLIC, proposal.deposit)?;
    } else {
        context.release(&vault, &proposal.by, proposal.deposit)?;
    }
    proposal.status = status;
    let present = present(module, context);
    if status == Status::Passed && !effect::happen(context, id, &proposal.action, &present)? {
        proposal.status = Status::Void;
    }
    context.emit([[proposal.status as u8].as_slice(), &id.0.to_be_bytes()].concat())?;
    write(context, id, proposal)
}

fn write(context: &mut Context<'_>, id: ProposalId, proposal: Proposal) -> Result<(), ModuleError> {
    context.put(&proposal_key(id), proposal.to_bytes())
}
