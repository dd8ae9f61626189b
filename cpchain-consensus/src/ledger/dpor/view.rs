//! Reading elections from other tasks.

use std::{fmt, sync::Arc};

use cpchain_crypto::{Digest, PublicKey};

use super::{
    super::{
        governance::{GovernanceView, Parameter},
        module::MAX_SCAN,
        transaction::AccountId,
        view::LedgerView,
    },
    activity,
    campaign::{Campaigns, candidates, recent},
    elections,
    rnode::{self, RNodes},
    settings::Settings,
};
use crate::{
    dpor::{
        reputation::{Record, Scores, scores},
        seed::Seed,
    },
    ids::{Height, Term},
};

/// What [`DporView::standing`] says of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Who it is.
    pub account: AccountId,
    /// What the ledger holds about it.
    pub record: Record,
    /// How that ranks among the candidates.
    pub scores: Scores,
}

/// A handle for reading a [`Dpor`](super::Dpor): cheap to clone, usable from any task.
#[derive(Clone)]
pub struct DporView {
    ledger: LedgerView,
    settings: Arc<Settings>,
}

impl DporView {
    pub(super) fn new(ledger: LedgerView, settings: Arc<Settings>) -> Self {
        Self { ledger, settings }
    }

    /// What the chain agrees on.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The term of the next block.
    pub fn term(&self) -> Term {
        self.settings.term(self.ledger.height().next())
    }

    /// The proposers of a term, in the order of their turns, if they are elected and not forgotten: three terms ahead, sixteen back.
    pub fn proposers(&self, term: Term) -> Option<Vec<PublicKey>> {
        let value = self.ledger.get(Campaigns::KIND, &elections::committee(term))?;
        Some(elections::seated(&self.settings, Some(&value)).into_iter().map(|(account, _)| account).collect())
    }

    /// The seed of the last term that ended.
    pub fn seed(&self) -> Seed {
        elections::previous(self.ledger.get(Campaigns::KIND, elections::SEED).as_deref())
    }

    /// The height at which an RNode made its deposit; `None` for others.
    pub fn rnode_since(&self, account: &AccountId) -> Option<Height> {
        let value = self.ledger.get(RNodes::KIND, &rnode::member(account))?;
        elections::number(&value).map(Height)
    }

    /// The last term at whose end an account stands for election, by its last claim; `None` if it never claimed.
    pub fn claimed_until(&self, account: &AccountId) -> Option<Term> {
        let value = self.ledger.get(Campaigns::KIND, &Campaigns::last_claim(account))?;
        elections::number(&value).map(Term)
    }

    /// The last term that an account was elected for; `None` if it never was.
    pub fn seated_until(&self, account: &AccountId) -> Option<Term> {
        let value = self.ledger.get(Campaigns::KIND, &elections::seat(account))?;
        elections::number(&value).map(Term)
    }

    /// What stands for a recent final block in the proofs of a [`Claim`](super::Claim).
    pub fn recent_block(&self, height: Height) -> Option<Digest> {
        Digest::from_slice(&self.ledger.get(Campaigns::KIND, &recent(height))?)
    }

    /// Zero bits that the CPU proof and the memory proof of a claim need now: those of the settings, or as voted.
    pub fn difficulty(&self) -> (u32, u32) {
        let (cpu, memory) = self.settings.difficulty();
        let votes = GovernanceView::new(self.ledger.clone());
        let voted =
            |parameter, first| votes.parameter(parameter).and_then(|value| u32::try_from(value).ok()).unwrap_or(first);
        (voted(Parameter::CpuBits, cpu), voted(Parameter::MemoryBits, memory))
    }

    /// The newest final block that a proof may be over: the last one that was not impeached.
    pub fn last_recent_block(&self) -> Option<(Height, Digest)> {
        let height = self.ledger.height().0;
        let oldest = height.saturating_sub(Campaigns::RECENT);
        (oldest..=height).rev().find_map(|height| Some((Height(height), self.recent_block(Height(height))?)))
    }

    /// The candidates of the election at the end of a term, and how each would rank now. Walks over all of them.
    pub fn standing(&self, term: Term) -> Vec<Standing> {
        let mut accounts = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.ledger.scan(Campaigns::KIND, &candidates(term), after.as_deref(), MAX_SCAN);
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            accounts.extend(page.iter().filter_map(|(key, _)| key.last_chunk().map(|bytes| PublicKey(*bytes))));
        }
        let get = |kind: &str, key: &[u8]| self.ledger.get(kind, key);
        accounts.retain(|account| elections::may_be_elected(get, term, account));
        let records: Vec<_> = accounts.iter().map(|account| self.record(account)).collect();
        let all = accounts.into_iter().zip(records.iter().copied()).zip(scores(&records));
        all.map(|((account, record), scores)| Standing { account, record, scores }).collect()
    }

    /// What the ledger holds about an account.
    pub fn record(&self, account: &AccountId) -> Record {
        let get = |kind: &str, key: &[u8]| self.ledger.get(kind, key);
        activity::record(get, &self.settings.reporters, account, self.ledger.balance(account))
    }
}

impl fmt::Debug for DporView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DporView").field("term", &self.term()).finish_non_exhaustive()
    }
}
