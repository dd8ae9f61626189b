//! A chain with elections, an economy pool that is always raising, and votes; driven as the engine drives it.

// Each test program uses its part.
#![allow(dead_code)]

use bytes::Bytes;
use cpchain_consensus::{
    Application, FinalBlock, Height, Term,
    dpor::{
        election::{Election, Seats},
        season::Schedule,
        seed,
    },
    ledger::{
        Amount, Genesis, Ledger, LedgerView, Nonce, Outcome, Transaction, TransactionDraft,
        dpor::{
            Campaigns, Claim, Dpor, DporView, PoolCall, RNodes, Settings,
            admission::{Work, find},
            economy::{Economy, EconomyCall, EconomySettings, EconomyView},
        },
        governance::{Action, Governance, GovernanceCall, GovernanceSettings, GovernanceView, Proposal, ProposalId},
    },
};
use cpchain_crypto::{
    Digest, PublicKey,
    vrf::{VrfProof, VrfSecretKey},
};

use crate::ledger_common::{self, id, key};

pub(crate) const TERM: u64 = 6;
pub(crate) const LOCK: u64 = 8;
/// The longest vote.
pub(crate) const LONGEST: u64 = 30;
pub(crate) const NOTICE: u64 = 3;
pub(crate) const BAR: u64 = 2;
pub(crate) const ARCHIVE: u64 = 4;
/// The first validators, and those who may come.
pub(crate) const VALIDATORS: [u8; 4] = [201, 202, 203, 204];

pub(crate) fn vrf(account: &PublicKey) -> VrfSecretKey {
    VrfSecretKey::from_seed(&account.0)
}

pub(crate) fn votes() -> GovernanceSettings {
    GovernanceSettings {
        deposit: Amount::cpc(10),
        longest: LONGEST,
        notice: NOTICE,
        fee: Amount::cpc(5),
        bar: BAR,
        impeachments: 2,
        archive: ARCHIVE,
        ..GovernanceSettings::new(VALIDATORS.map(id).to_vec()).unwrap()
    }
}

/// Six proposers a term, of which two are default proposers; the default proposers are 101 to 106.
pub(crate) fn settings() -> Settings {
    let defaults: Vec<_> = (101..107).map(id).collect();
    let keys = defaults.iter().map(|account| vrf(account).public_key()).collect();
    let election = Election::new(Seats::of(6).unwrap(), defaults).unwrap();
    let settings = Settings::new(election, keys).unwrap().with_rounds(1).unwrap().with_version(1);
    settings.with_deposit(Amount::cpc(100), LOCK).with_difficulty(2, 0).with_governance(votes()).unwrap()
}

pub(crate) fn economy() -> EconomySettings {
    EconomySettings { schedule: Schedule::new(1 << 20, 1, 1), minimum: Amount::cpc(20), bonus: Amount::cpc(1) }
}

/// Accounts 1 to 6 and the validators with 1,000 CPC each; those in `seats` begin as RNodes that stand for two terms.
pub(crate) fn genesis(seats: &[u8]) -> Genesis {
    let everyone = (1..=6).chain(VALIDATORS).chain([205, 206]);
    let genesis = everyone.fold(Genesis::new(), |g, i| g.account(id(i), Amount::cpc(1_000)));
    let genesis = economy().found(settings().found(genesis), Amount::ZERO);
    seats.iter().fold(genesis, |g, i| settings().seat(g, id(*i), vrf(&id(*i)).public_key(), 2))
}

pub(crate) struct Chain {
    pub(crate) dpor: Dpor,
    pub(crate) view: DporView,
    pub(crate) ledger: LedgerView,
    pub(crate) votes: GovernanceView,
    pub(crate) economy: EconomyView,
}

impl Chain {
    pub(crate) fn new(seats: &[u8]) -> Self {
        let genesis = genesis(seats);
        let builder = Ledger::builder(genesis.chain_id("votes"), genesis).module(Economy::new(economy()));
        let dpor = Dpor::build(settings(), builder, None).unwrap();
        let ledger = dpor.ledger_view();
        Self {
            view: dpor.view(),
            votes: GovernanceView::new(ledger.clone()),
            economy: EconomyView::new(ledger.clone(), economy()),
            ledger,
            dpor,
        }
    }

    pub(crate) fn next(&self) -> Height {
        self.ledger.height().next()
    }

    pub(crate) fn term(&self) -> Term {
        self.view.term()
    }

    pub(crate) fn proposer(&self) -> PublicKey {
        let proposers = self.view.proposers(self.term()).unwrap_or_else(|| settings().first_proposers().to_vec());
        proposers[(self.next().0 - 1) as usize % 6]
    }

    fn beacon(&self) -> VrfProof {
        seed::prove(&vrf(&self.proposer()), self.ledger.chain_id(), self.view.seed(), self.next())
    }

    fn block(&self, payload: Bytes) -> FinalBlock {
        let digest = Digest::content(&[payload.as_ref(), &self.next().0.to_be_bytes()].concat());
        let impeached = payload.is_empty();
        FinalBlock { height: self.next(), digest, parent: Digest::ZERO, proposer: self.proposer(), impeached, payload }
    }

    pub(crate) fn run(&mut self, transactions: &[Transaction]) -> Digest {
        let root = self.ledger.height_and_root().1;
        let block = self.block(ledger_common::payload_on(root, &self.beacon().0, transactions));
        self.dpor.finalised(&block)
    }

    pub(crate) fn impeach(&mut self) -> Digest {
        let block = self.block(Bytes::new());
        self.dpor.finalised(&block)
    }

    pub(crate) fn run_to(&mut self, height: u64) {
        while self.next().0 <= height {
            self.run(&[]);
        }
    }

    pub(crate) fn sign(&self, from: u8, kind: &str, payload: Bytes) -> Transaction {
        let draft = TransactionDraft {
            chain: self.ledger.chain_id(),
            nonce: self.ledger.nonce(&id(from)).unwrap_or(Nonce(0)),
            expires: Height(10_000),
            kind: kind.into(),
            payload,
        };
        draft.sign(&key(from)).unwrap()
    }

    /// One transaction in one block, and why it failed.
    pub(crate) fn call(&mut self, from: u8, kind: &str, payload: Bytes) -> Result<(), String> {
        let transaction = self.sign(from, kind, payload);
        self.run(std::slice::from_ref(&transaction));
        match self.ledger.receipt(&transaction.id()).unwrap().outcome {
            Outcome::Applied => Ok(()),
            Outcome::Failed(error) => Err(error.to_string()),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn put(&mut self, from: u8, cpc: u64) -> Result<(), String> {
        self.call(from, Economy::KIND, EconomyCall::Deposit(Amount::cpc(cpc)).encode())
    }

    pub(crate) fn take(&mut self, from: u8, cpc: u64) -> Result<(), String> {
        self.call(from, Economy::KIND, EconomyCall::Withdraw(Amount::cpc(cpc)).encode())
    }

    pub(crate) fn pool(&mut self, from: u8, call: PoolCall) -> Result<(), String> {
        self.call(from, RNodes::KIND, call.encode())
    }

    /// Puts something to a vote of `heights` blocks after the one that has the proposal.
    pub(crate) fn propose(&mut self, from: u8, action: Action, heights: u64) -> Result<ProposalId, String> {
        let id = self.votes.proposals(None, usize::MAX).last().map_or(ProposalId(0), |(id, _)| ProposalId(id.0 + 1));
        let until = Height(self.next().0 + heights);
        self.call(from, Governance::KIND, GovernanceCall::Propose { action, until }.encode()).map(|()| id)
    }

    pub(crate) fn vote(&mut self, from: u8, proposal: ProposalId, approve: bool) -> Result<(), String> {
        self.call(from, Governance::KIND, GovernanceCall::Vote { proposal, approve }.encode())
    }

    pub(crate) fn proposal(&self, id: ProposalId) -> Proposal {
        self.votes.proposal(id).unwrap()
    }

    /// A vote of account 1, which has most of what can be cast, up to its end.
    pub(crate) fn pass(&mut self, action: Action) -> ProposalId {
        let id = self.propose(1, action, 2).unwrap();
        self.vote(1, id, true).unwrap();
        self.run_to(self.proposal(id).until.0);
        id
    }

    /// A claim with proofs over the last block.
    pub(crate) fn claim(&self, from: u8, bits: (u32, u32)) -> Claim {
        let (account, height) = (id(from), self.ledger.height());
        let block = self.view.recent_block(height).unwrap();
        let nonce = |work, bits| find(work, &account, &block, bits, 0..u64::MAX).unwrap();
        Claim {
            terms: 1,
            software: 1,
            key: vrf(&account).public_key(),
            cpu: (nonce(Work::Cpu, bits.0), height),
            memory: (nonce(Work::Memory, bits.1), height),
        }
    }

    pub(crate) fn stand(&mut self, from: u8, claim: Claim) -> Result<(), String> {
        self.call(from, Campaigns::KIND, claim.encode())
    }
}
