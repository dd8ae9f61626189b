//! `genesis.toml`: the chain before its first block, the same on all its nodes.

use std::{collections::BTreeMap, path::Path};

use cpchain_consensus::{
    Height, Term,
    dpor::{
        election::{Election, Seats},
        season::Schedule,
    },
    lbft::Committee,
    ledger::{
        Amount, Genesis, Ledger, LedgerBuilder,
        dpor::{
            Dpor, Settings,
            economy::{Economy, EconomySettings},
        },
        governance::GovernanceSettings,
        identity::Identities,
    },
};
use cpchain_crypto::{
    PublicKey,
    vrf::{VrfPublicKey, VrfSecretKey},
};
use serde::{Deserialize, Serialize};

use crate::{
    config::{ConfigError, key, read, write},
    service::ServiceError,
};

/// Who votes, who proposes first, who stands for election, and what everybody has. The id of the chain commits to all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisFile {
    /// The name of the chain.
    pub chain: String,
    /// Keys of the validators, in the order of their places.
    pub validators: Vec<String>,
    /// The default proposers, in the order of their turns: they have the first terms, and the seats that no candidate takes.
    pub proposers: Vec<ProposerTable>,
    /// RNodes that stand for the first elections.
    #[serde(default)]
    pub candidates: Vec<ProposerTable>,
    /// How proposers are elected.
    #[serde(default)]
    pub dpor: DporTable,
    /// The pool whose deposits earn.
    #[serde(default)]
    pub economy: EconomyTable,
    /// CPC of each account.
    pub accounts: BTreeMap<String, String>,
}

/// `[[proposers]]` and `[[candidates]]`: one who may propose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposerTable {
    /// The key of its node: 64 hexadecimal digits.
    pub key: String,
    /// The public key of its `beacon.key`: 64 hexadecimal digits.
    pub beacon: String,
}

/// `[dpor]`: see [`Settings`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DporTable {
    /// Proposers of a term: 1 to 4, or a multiple of 3, and at most as many as there are default proposers.
    pub seats: usize,
    /// How often each has its turn in a term.
    pub rounds: u32,
    /// The least deposit of an RNode, in CPC.
    pub deposit: String,
    /// Heights for which it is locked.
    pub lock: u64,
    /// Zero bits of a claim's CPU proof.
    pub cpu_bits: u32,
    /// Zero bits of its memory proof.
    pub memory_bits: u32,
    /// The oldest software that may claim.
    pub software: u32,
}

impl Default for DporTable {
    /// The values of the white paper.
    fn default() -> Self {
        Self { seats: 12, rounds: 3, deposit: "200000".into(), lock: 600, cpu_bits: 12, memory_bits: 6, software: 0 }
    }
}

/// `[economy]`: see [`EconomySettings`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EconomyTable {
    /// Heights in which deposits are taken and given back.
    pub raising: u32,
    /// Heights in which they are locked.
    pub locked: u32,
    /// Heights in which interest is taken.
    pub settling: u32,
    /// The least deposit that earns, in CPC.
    pub minimum: String,
    /// What a season pays, in CPC, as long as the fund has it.
    pub bonus: String,
    /// What the chain begins with for bonuses, in CPC.
    pub fund: String,
}

impl Default for EconomyTable {
    /// The values of the white paper: seasons of 90 days at blocks of 10 s, and bonuses for five years.
    fn default() -> Self {
        let [raising, locked, settling] = Schedule::default().phases().map(|heights| heights as u32);
        let (minimum, bonus, fund) = ("20000".into(), "1250000".into(), "25000000".into());
        Self { raising, locked, settling, minimum, bonus, fund }
    }
}

fn amount(text: &str) -> Result<Amount, ConfigError> {
    text.parse().map_err(|_| ConfigError::Amount(text.to_owned()))
}

impl ProposerTable {
    fn read(&self) -> Result<(PublicKey, VrfPublicKey), ConfigError> {
        Ok((key(&self.key)?, VrfPublicKey(key(&self.beacon)?.0)))
    }
}

impl GenesisFile {
    /// Reads the file.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        read(path)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn write(&self, path: &Path) -> Result<(), ConfigError> {
        write(path, self)
    }

    fn validators(&self) -> Result<Vec<PublicKey>, ConfigError> {
        self.validators.iter().map(|text| key(text)).collect()
    }

    /// How proposers are elected, and what is voted on.
    ///
    /// # Errors
    /// [`ConfigError`] for a key or an amount that is none, or settings that cannot work.
    pub fn settings(&self) -> Result<Settings, ConfigError> {
        let table = &self.dpor;
        let proposers = self.proposers.iter().map(ProposerTable::read).collect::<Result<Vec<_>, _>>()?;
        let (defaults, beacons) = proposers.into_iter().unzip();
        let election = Election::new(Seats::of(table.seats)?, defaults)?;
        let settings = Settings::new(election, beacons)?.with_rounds(table.rounds)?;
        let settings = settings.with_deposit(amount(&table.deposit)?, table.lock).with_version(table.software);
        let settings = settings.with_difficulty(table.cpu_bits, table.memory_bits);
        Ok(settings.with_governance(GovernanceSettings::new(self.validators()?)?)?)
    }

    /// The pool whose deposits earn.
    ///
    /// # Errors
    /// [`ConfigError`] for an amount that is none.
    pub fn economy(&self) -> Result<EconomySettings, ConfigError> {
        let table = &self.economy;
        let schedule = Schedule::new(table.raising, table.locked, table.settling);
        Ok(EconomySettings { schedule, minimum: amount(&table.minimum)?, bonus: amount(&table.bonus)? })
    }

    /// The ledger before the first block.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn genesis(&self) -> Result<Genesis, ConfigError> {
        let settings = self.settings()?;
        let genesis = settings.found(Genesis::new());
        let genesis = self.economy()?.found(genesis, amount(&self.economy.fund)?);
        let genesis = self.accounts.iter().try_fold(genesis, |genesis, (account, balance)| {
            Ok::<_, ConfigError>(genesis.account(key(account)?, amount(balance)?))
        })?;
        self.candidates.iter().try_fold(genesis, |genesis, candidate| {
            let (account, beacon) = candidate.read()?;
            Ok(settings.seat(genesis, account, beacon, FIRST_CLAIM))
        })
    }

    /// Who votes and who proposes in the first term.
    ///
    /// # Errors
    /// [`ConfigError`], also for a committee that cannot work.
    pub fn committee(&self) -> Result<Committee, ConfigError> {
        let validators = self.validators()?;
        let (chain, settings) = (self.genesis()?.chain_id(&self.chain), self.settings()?);
        let first = Committee::new(chain, Term(0), validators, settings.first_proposers().to_vec())?;
        Ok(first.until(Height(settings.term_heights()))?)
    }

    /// The ledger at genesis, of a node that makes beacons with this key.
    ///
    /// # Errors
    /// [`ServiceError::Config`], [`ServiceError::Genesis`].
    pub fn application(&self, beacon: Option<VrfSecretKey>) -> Result<Dpor, ServiceError> {
        self.application_with(beacon, |ledger| ledger)
    }

    /// [`application`](Self::application) with more kinds of transactions. All nodes of a network must have the same ones.
    ///
    /// # Errors
    /// As `application`.
    pub fn application_with(
        &self,
        beacon: Option<VrfSecretKey>,
        more: impl FnOnce(LedgerBuilder) -> LedgerBuilder,
    ) -> Result<Dpor, ServiceError> {
        let genesis = self.genesis()?;
        let ledger = Ledger::builder(genesis.chain_id(&self.chain), genesis);
        let ledger = more(ledger.module(Economy::new(self.economy()?)).module(Identities));
        Ok(Dpor::build(self.settings()?, ledger, beacon)?)
    }
}

/// Terms that the candidates of the genesis stand for; then their nodes renew it.
const FIRST_CLAIM: u64 = 3;

#[cfg(test)]
mod tests {
    use cpchain_consensus::{dpor::election::ElectionError, ledger::dpor::SettingsError};

    use super::*;

    fn file() -> GenesisFile {
        let proposer = |seed: u8| ProposerTable {
            key: hex::encode([seed; 32]),
            beacon: hex::encode(VrfSecretKey::from_seed(&[seed; 32]).public_key().0),
        };
        GenesisFile {
            chain: "x".into(),
            validators: vec!["22".repeat(32)],
            proposers: vec![proposer(1), proposer(2)],
            candidates: vec![proposer(3)],
            dpor: DporTable { seats: 2, ..DporTable::default() },
            economy: EconomyTable::default(),
            accounts: BTreeMap::from([("33".repeat(32), "10.5".into())]),
        }
    }

    #[test]
    fn a_chain_round_trips_and_its_id_commits_to_how_it_elects() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("genesis.toml");
        file().write(&path).unwrap();
        let read = GenesisFile::read(&path).unwrap();
        assert_eq!(read, file());
        let committee = read.committee().unwrap();
        assert_eq!((committee.proposers().len(), committee.last()), (2, Some(Height(6))));
        assert_eq!(read.application(None).unwrap().ledger_view().chain_id(), committee.chain());
        let other = |change: fn(&mut GenesisFile)| {
            let mut file = file();
            change(&mut file);
            file.committee().unwrap().chain()
        };
        assert_ne!(other(|f| f.dpor.memory_bits = 7), committee.chain());
        assert_ne!(other(|f| f.economy.minimum = "1".into()), committee.chain());
        assert_ne!(other(|f| f.candidates.clear()), committee.chain());
    }

    #[test]
    fn a_chain_that_cannot_work_is_refused() {
        let wrong = |change: fn(&mut GenesisFile)| {
            let mut file = file();
            change(&mut file);
            file.committee().unwrap_err()
        };
        assert!(matches!(wrong(|f| f.dpor.seats = 5), ConfigError::Election(ElectionError::Seats)));
        assert!(matches!(wrong(|f| f.dpor.seats = 3), ConfigError::Election(ElectionError::Defaults)));
        assert!(matches!(wrong(|f| f.dpor.rounds = 0), ConfigError::Settings(SettingsError::Rounds)));
        assert!(matches!(
            wrong(|f| f.proposers[0].beacon = "ff".repeat(32)),
            ConfigError::Settings(SettingsError::Keys)
        ));
        assert!(matches!(wrong(|f| f.validators.clear()), ConfigError::Governance(_)));
        assert!(matches!(wrong(|f| f.economy.bonus = "much".into()), ConfigError::Amount(_)));
        assert!(matches!(wrong(|f| f.candidates[0].key = "3".into()), ConfigError::Key(_)));
    }
}
