//! The ledger with elections, as the engine sees it.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use cpchain_crypto::{
    Digest, PublicKey,
    vrf::{VrfProof, VrfSecretKey},
};

use super::{
    super::{
        application::{self, Ledger, LedgerBuilder},
        genesis::GenesisError,
        governance::{self, Governance},
        pool::SubmitError,
        transaction::TransactionId,
        view::LedgerView,
    },
    campaign::Campaigns,
    elections,
    reward::Rewards,
    rnode::RNodes,
    settings::Settings,
    view::DporView,
};
use crate::{
    Ancestors, Application, FinalBlock, Height, InvalidPayload, Outdated, dpor::seed, ids::Term, lbft::Committee,
};

/// A [`Ledger`] whose proposers are elected: each block carries its proposer's beacon, and each term has the committee that the
/// ledger names.
///
/// ```
/// use cpchain_consensus::{
///     Application, ChainId, Height, Term,
///     dpor::election::{Election, Seats},
///     ledger::{Amount, Genesis, Ledger, dpor::{Dpor, Settings}},
///     lbft::Committee,
/// };
/// use cpchain_crypto::{PublicKey, vrf::VrfSecretKey};
///
/// let default = (PublicKey([1; 32]), VrfSecretKey::from_seed(&[1; 32]));
/// let election = Election::new(Seats::of(1)?, vec![default.0])?;
/// let settings = Settings::new(election, vec![default.1.public_key()])?;
/// let genesis = settings.found(Genesis::new().account(PublicKey([2; 32]), Amount::cpc(10)));
/// let chain = genesis.chain_id("example");
/// let mut dpor = Dpor::build(settings.clone(), Ledger::builder(chain, genesis), Some(default.1))?;
///
/// // What the engine does with it:
/// let first = Committee::new(chain, Term(0), vec![PublicKey([3; 32])], settings.first_proposers().to_vec())?
///     .until(Height(settings.term_heights()))?;
/// let payload = dpor.propose(Height(1), &[], 1 << 20);
/// dpor.verify(Height(1), &[], &payload)?;
/// assert!(dpor.verify(Height(2), &[], &payload).is_err(), "the beacon is of one height");
/// assert_eq!(first.last(), Some(Height(3)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Dpor {
    ledger: Ledger,
    view: LedgerView,
    settings: Arc<Settings>,
    key: Option<VrfSecretKey>,
    software: u32,
}

/// The version of the rules that this crate executes, as claims and updates count it.
pub const SOFTWARE: u32 = 1;

impl Dpor {
    /// Adds the modules to a ledger. `key` makes the beacons of this node; without it the node can follow and validate. The genesis is
    /// one that [`Settings::found`] made.
    ///
    /// # Errors
    /// [`GenesisError`].
    pub fn build(settings: Settings, ledger: LedgerBuilder, key: Option<VrfSecretKey>) -> Result<Self, GenesisError> {
        let settings = Arc::new(settings);
        let ledger =
            ledger.module(Campaigns(settings.clone())).module(RNodes(settings.clone())).module(Rewards::default());
        let ledger = match settings.governance() {
            Some(votes) => ledger.module(Governance::new(votes.clone(), settings.clone())),
            None => ledger,
        };
        let ledger = ledger.build()?;
        Ok(Self { view: ledger.view(), ledger, settings, key, software: SOFTWARE })
    }

    /// Takes itself for software of this version instead of [`SOFTWARE`]: for those whose own modules have versions.
    #[must_use]
    pub fn with_software(self, version: u32) -> Self {
        Self { software: version, ..self }
    }

    /// A handle for reading accounts, receipts and modules.
    pub fn ledger_view(&self) -> LedgerView {
        self.view.clone()
    }

    /// A handle for reading committees, candidates and reputations.
    pub fn view(&self) -> DporView {
        DporView::new(self.view.clone(), self.settings.clone())
    }

    /// Takes a transaction into the pool: [`Application::submit`] with a typed reason.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub fn admit(&mut self, transaction: Bytes) -> Result<TransactionId, SubmitError> {
        self.ledger.admit(transaction)
    }

    /// The beacon that the block at a height must carry: checks it.
    fn check_beacon(&self, height: Height, beacon: &VrfProof) -> Result<(), InvalidPayload> {
        let refuse = |reason: &str| InvalidPayload(reason.to_owned());
        let term = self.settings.term(height);
        // The seed and the keys of a term stand from its first height on.
        if term != self.settings.term(self.view.height().next()) {
            return Err(refuse("a block of another term than the present one"));
        }
        let (seated, previous) = self.term(term);
        let turn = height.0.saturating_sub(1) % seated.len().max(1) as u64;
        let (_, key) = usize::try_from(turn).ok().and_then(|turn| seated.get(turn)).ok_or_else(|| refuse("no turn"))?;
        seed::verify(key, self.view.chain_id(), previous, height, beacon)
            .map(drop)
            .map_err(|_| refuse("the beacon is not that of the proposer"))
    }

    /// Who proposes in the present term, and the seed that its beacons are made of.
    fn term(&self, term: Term) -> (elections::Seated, seed::Seed) {
        let get = |key: &[u8]| self.view.get(Campaigns::KIND, key);
        let seated = elections::seated(&self.settings, get(&elections::committee(term)).as_deref());
        (seated, elections::previous(get(elections::SEED).as_deref()))
    }
}

impl Application for Dpor {
    fn submit(&mut self, transaction: Bytes) -> Result<(), InvalidPayload> {
        self.ledger.submit(transaction)
    }

    fn submit_all(&mut self, transactions: Vec<Bytes>) -> Vec<Result<(), InvalidPayload>> {
        self.ledger.submit_all(transactions)
    }

    /// The ledger's payload with the beacon of this node; nothing without a key or room, which no validator takes for a block.
    fn propose(&mut self, height: Height, ancestors: Ancestors<'_>, max_bytes: usize) -> Bytes {
        let Some(key) = &self.key else { return Bytes::new() };
        let (_, previous) = self.term(self.settings.term(height));
        let beacon = seed::prove(key, self.view.chain_id(), previous, height);
        self.ledger.fill(height, ancestors, max_bytes, Some(beacon))
    }

    /// What the ledger asks of a payload, and that the beacon is the one that the proposer of this height makes.
    fn verify(&mut self, height: Height, ancestors: Ancestors<'_>, payload: &Bytes) -> Result<(), InvalidPayload> {
        let (head, transactions) = application::read(payload)?;
        let beacon = head.beacon.ok_or_else(|| InvalidPayload("no beacon".to_owned()))?;
        self.check_beacon(height, &beacon)?;
        self.ledger.judge(height, ancestors, &head, &transactions)
    }

    /// A head alone is no work.
    fn is_idle(&self, payload: &Bytes) -> bool {
        self.ledger.is_idle(payload)
    }

    fn finalised(&mut self, block: &FinalBlock) -> Digest {
        self.ledger.finalised(block)
    }

    /// The proposers that the ledger elected for the next term, and the validators of this one, or those that they voted for.
    fn next_committee(&mut self, ended: &Committee) -> Committee {
        let seated = self.term(ended.term().next()).0;
        let proposers = seated.into_iter().map(|(account, _)| account).collect();
        let heights = self.settings.term_heights();
        let members = governance::members(|kind, key| self.view.get(kind, key), ended.term().next());
        let validators = members.map_or_else(|| ended.validators().to_vec(), |members| members.validators);
        ended.next(validators, proposers, Some(heights)).unwrap_or_else(|error| {
            tracing::error!(%error, "the elected committee cannot serve; the last one stays");
            ended.again()
        })
    }

    /// Those who are elected for this term or one of the next three.
    fn is_next(&self, key: &PublicKey) -> bool {
        let last = self.view.get(Campaigns::KIND, &elections::seat(key)).as_deref().and_then(elections::number);
        last.is_some_and(|last| last >= self.settings.term(self.view.height().next()).0)
    }

    fn last_height(&self) -> Height {
        self.ledger.last_height()
    }

    fn outdated(&self) -> Option<Outdated> {
        governance::outdated(|kind, key| self.view.get(kind, key), self.software)
    }
}

impl fmt::Debug for Dpor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dpor").field("ledger", &self.ledger).finish_non_exhaustive()
    }
}
