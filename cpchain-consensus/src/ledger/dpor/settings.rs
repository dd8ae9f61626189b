//! What all nodes of a chain agree on before its first block.

use cpchain_crypto::{Digest, Domain, PublicKey, vrf::VrfPublicKey};

use super::{
    super::{
        amount::Amount,
        genesis::Genesis,
        governance::{GovernanceError, GovernanceSettings},
    },
    campaign::Campaigns,
    reward::Rewards,
    rnode::{self, RNodes},
};
use crate::{
    dpor::{
        election::{Election, Seats},
        reward::ALL_REWARDS,
    },
    ids::{Height, Term},
};

const SETTINGS: Domain = Domain::new("cpchain/consensus/dpor-settings/v1");

/// Terms between the election and the term that it is for.
pub(super) const AHEAD: u64 = 3;

/// Why settings are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The default proposers and their keys do not pair up, or one of the keys is none.
    #[error("each default proposer needs one usable key of the verifiable random function")]
    Keys,
    /// A term without a height.
    #[error("a term needs at least one round")]
    Rounds,
}

/// The settings of DPoR, with the values of the white paper unless they are changed.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(super) election: Election,
    pub(super) default_keys: Vec<VrfPublicKey>,
    rounds: u64,
    deposit: Amount,
    lock: u64,
    version: u32,
    cpu_bits: u32,
    memory_bits: u32,
    pub(super) reporters: Vec<String>,
    pub(super) governance: Option<GovernanceSettings>,
}

impl Settings {
    /// Elections of this kind; `keys` are those of the default proposers, in their order. A term has 3 rounds, a deposit 200,000 CPC,
    /// the lock 600 heights (100 minutes at 10 s), the difficulties are 12 and 6 bits, all software is supported.
    ///
    /// # Errors
    /// [`SettingsError::Keys`].
    pub fn new(election: Election, keys: Vec<VrfPublicKey>) -> Result<Self, SettingsError> {
        if keys.len() != election.defaults().len() || !keys.iter().all(VrfPublicKey::is_valid) {
            return Err(SettingsError::Keys);
        }
        Ok(Self {
            election,
            default_keys: keys,
            rounds: 3,
            deposit: Amount::cpc(200_000),
            lock: 600,
            version: 0,
            cpu_bits: 12,
            memory_bits: 6,
            reporters: Vec::new(),
            governance: None,
        })
    }

    /// How often each proposer of a term has its turn.
    ///
    /// # Errors
    /// [`SettingsError::Rounds`] for 0.
    pub fn with_rounds(self, rounds: u32) -> Result<Self, SettingsError> {
        if rounds == 0 { Err(SettingsError::Rounds) } else { Ok(Self { rounds: rounds.into(), ..self }) }
    }

    /// The least deposit of an RNode, and for how many heights it is locked.
    #[must_use]
    pub fn with_deposit(self, deposit: Amount, lock: u64) -> Self {
        Self { deposit, lock, ..self }
    }

    /// The oldest software that may claim.
    #[must_use]
    pub fn with_version(self, version: u32) -> Self {
        Self { version, ..self }
    }

    /// How many zero bits the proofs of a claim begin with.
    #[must_use]
    pub fn with_difficulty(self, cpu_bits: u32, memory_bits: u32) -> Self {
        Self { cpu_bits, memory_bits, ..self }
    }

    /// A module that keeps a [`Report`](super::Report) of accounts, for the dimensions PR and DC. The chain's id commits to it.
    #[must_use]
    pub fn with_reporter(mut self, kind: &str) -> Self {
        self.reporters.push(kind.to_owned());
        self
    }

    /// Votes and penalties: see [`governance`](crate::ledger::governance). Without them nothing of this changes on a running chain.
    ///
    /// # Errors
    /// [`GovernanceError::Range`].
    pub fn with_governance(self, settings: GovernanceSettings) -> Result<Self, GovernanceError> {
        settings.check()?;
        Ok(Self { governance: Some(settings), ..self })
    }

    /// The settings of votes and penalties, on a chain that has them.
    pub const fn governance(&self) -> Option<&GovernanceSettings> {
        self.governance.as_ref()
    }

    /// The least deposit.
    pub const fn deposit(&self) -> Amount {
        self.deposit
    }

    /// Heights for which a deposit is locked.
    pub const fn lock(&self) -> u64 {
        self.lock
    }

    /// The oldest software that may claim.
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// Zero bits of the CPU proof and of the memory proof.
    pub const fn difficulty(&self) -> (u32, u32) {
        (self.cpu_bits, self.memory_bits)
    }

    /// Heights of a term.
    pub fn term_heights(&self) -> u64 {
        self.election.seats().total() as u64 * self.rounds
    }

    /// The term of a height.
    pub fn term(&self, height: Height) -> Term {
        Term(height.0.saturating_sub(1) / self.term_heights())
    }

    /// Is it the last height of its term?
    pub fn is_last(&self, height: Height) -> bool {
        height.0 > 0 && height.0.is_multiple_of(self.term_heights())
    }

    /// The seats of a committee.
    pub const fn seats(&self) -> Seats {
        self.election.seats()
    }

    /// The default proposers, in their order.
    pub fn default_proposers(&self) -> &[PublicKey] {
        self.election.defaults()
    }

    /// The proposers of the first terms.
    pub fn first_proposers(&self) -> &[PublicKey] {
        let defaults = self.election.defaults();
        defaults.get(..self.election.seats().total()).unwrap_or(defaults)
    }

    /// The genesis of a chain with these settings: its id commits to them, and the vault of rewards is full.
    #[must_use]
    pub fn found(&self, genesis: Genesis) -> Genesis {
        let genesis = genesis.vault(Rewards::KIND, Rewards::VAULT, Amount(ALL_REWARDS)).entry(
            Campaigns::KIND,
            b"settings",
            self.digest().0.to_vec(),
        );
        self.governance.iter().fold(genesis, |genesis, votes| votes.found(genesis, self.first_proposers()))
    }

    /// An RNode that the chain begins with: its deposit, and its claims for the elections of the first `terms` terms.
    #[must_use]
    pub fn seat(&self, genesis: Genesis, account: PublicKey, key: VrfPublicKey, terms: u64) -> Genesis {
        let genesis = genesis
            .vault(RNodes::KIND, &account.0, self.deposit)
            .entry(RNodes::KIND, &rnode::member(&account), 0u64.to_be_bytes().to_vec())
            .entry(Campaigns::KIND, &Campaigns::last_claim(&account), terms.saturating_sub(1).to_be_bytes().to_vec());
        (0..terms).fold(genesis, |genesis, term| {
            genesis.entry(Campaigns::KIND, &Campaigns::candidate(Term(term), &account), key.0.to_vec())
        })
    }

    /// Names all of it.
    fn digest(&self) -> Digest {
        let seats = self.election.seats();
        let numbers = [seats.lower(), seats.upper(), seats.defaults()].map(|n| n as u64);
        let rest = [self.rounds, self.lock, self.version.into(), self.cpu_bits.into(), self.memory_bits.into()];
        let numbers: Vec<u8> = numbers.into_iter().chain(rest).flat_map(u64::to_be_bytes).collect();
        let defaults: Vec<u8> = self.election.defaults().iter().flat_map(|key| key.0).collect();
        let keys: Vec<u8> = self.default_keys.iter().flat_map(|key| key.0).collect();
        let deposit = self.deposit.to_bytes();
        let mut parts = vec![numbers.as_slice(), &defaults, &keys, &deposit];
        parts.extend(self.reporters.iter().map(String::as_bytes));
        Digest::of(SETTINGS, &parts)
    }

    /// The key with which a default proposer makes its beacons.
    pub(super) fn default_key(&self, account: &PublicKey) -> Option<VrfPublicKey> {
        let place = self.election.defaults().iter().position(|key| key == account)?;
        self.default_keys.get(place).copied()
    }
}
