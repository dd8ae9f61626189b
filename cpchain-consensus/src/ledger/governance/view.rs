//! Reading votes and penalties from other tasks.

use std::fmt;

use bytes::Bytes;

use super::{
    super::{amount::Amount, module::MAX_SCAN, transaction::AccountId, view::LedgerView},
    Governance,
    action::Parameter,
    ballot::{locked_until, proposal_key, vote_key},
    effect,
    module::PUBLIC,
    proposal::{Proposal, ProposalId, read_vote},
    validators::{Members, members},
};
use crate::{
    dpor::reputation::Reputation,
    ids::{Height, Term},
};

/// A handle for reading a [`Governance`]: cheap to clone, usable from any task.
#[derive(Clone)]
pub struct GovernanceView(LedgerView);

impl GovernanceView {
    /// The votes of a ledger.
    pub const fn new(ledger: LedgerView) -> Self {
        Self(ledger)
    }

    fn get(&self) -> impl Fn(&str, &[u8]) -> Option<Bytes> + '_ {
        |kind, key| self.0.get(kind, key)
    }

    /// A proposal, whether it is open or not.
    pub fn proposal(&self, id: ProposalId) -> Option<Proposal> {
        Proposal::from_slice(&self.0.get(Governance::KIND, &proposal_key(id))?)
    }

    /// Proposals in the order of their numbers, from the one after `after`, at most `limit` of them and 1,024.
    pub fn proposals(&self, after: Option<ProposalId>, limit: usize) -> Vec<(ProposalId, Proposal)> {
        let after = after.map(proposal_key);
        let page = self.0.scan(Governance::KIND, b"p", after.as_deref(), limit.min(MAX_SCAN));
        let read = |(key, value): (Vec<u8>, Bytes)| {
            let id = u64::from_be_bytes(*key.last_chunk()?);
            Some((ProposalId(id), Proposal::from_slice(&value)?))
        };
        page.into_iter().filter_map(read).collect()
    }

    /// What an account voted, and with which weight.
    pub fn vote(&self, id: ProposalId, account: &AccountId) -> Option<(bool, u128)> {
        read_vote(&self.0.get(Governance::KIND, &vote_key(id, account))?)
    }

    /// The last height at which an account's economy deposit stays because a vote counts it.
    pub fn locked_until(&self, account: &AccountId) -> Option<Height> {
        locked_until(self.get(), account)
    }

    /// A parameter as voted; `None` if it is as at first.
    pub fn parameter(&self, parameter: Parameter) -> Option<u128> {
        // No parameter reaches this value.
        Some(effect::parameter(self.get(), parameter, u128::MAX)).filter(|value| *value != u128::MAX)
    }

    /// The version that claims need since a height by soft updates, and the one that blocks need by hard ones.
    pub fn updates(&self) -> [Option<(u32, Height)>; 2] {
        effect::updates(self.get())
    }

    /// The least reputation of an industry node; `None` for others.
    pub fn industry(&self, account: &AccountId) -> Option<Reputation> {
        effect::industry(self.get(), account)
    }

    /// The last term at whose end an account may not be elected; `None` if it never offended.
    pub fn barred(&self, account: &AccountId) -> Option<Term> {
        effect::barred(self.get(), account)
    }

    /// The members of a term that is kept.
    pub fn members(&self, term: Term) -> Option<Members> {
        members(self.get(), term)
    }

    /// What was forfeited, and not spent since.
    pub fn public_vault(&self) -> Amount {
        self.0.held(Governance::KIND, PUBLIC)
    }
}

impl fmt::Debug for GovernanceView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GovernanceView").finish_non_exhaustive()
    }
}
