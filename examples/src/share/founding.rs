//! What all nodes of a chain agree on before its first block. It is public: who has it can follow the chain.

use cpchain_consensus::{
    ChainId, Height, Term,
    lbft::Committee,
    ledger::{
        Amount, Genesis, Ledger,
        dpor::{Dpor, Settings},
    },
    node::NodeConfig,
};
use cpchain_crypto::{
    PublicKey,
    vrf::{VrfPublicKey, VrfSecretKey},
};

use super::{
    candidates::{self, FUNDS},
    chain::{RETRY, Tempo},
    error::{During, ShareError},
};
use crate::adapters::chain::with_market;

/// CPC of each account at genesis.
const ENDOWMENT: Amount = Amount::cpc(1_000_000);

/// The chain before its first block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Founding {
    /// Who votes, and proposes in the first terms, each with the key of its beacons.
    pub(crate) validators: Vec<(PublicKey, VrfPublicKey)>,
    /// Who may stand for election from the first block on.
    pub(crate) candidates: Vec<PublicKey>,
    /// Who else has money.
    pub(crate) funded: Vec<PublicKey>,
    /// How fast it goes, and the rules of its escrow.
    pub(crate) tempo: Tempo,
}

impl Founding {
    fn settings(&self) -> Result<Settings, ShareError> {
        let (validators, beacons) = self.validators.iter().copied().unzip();
        candidates::settings(validators, beacons, self.candidates.len())
    }

    fn genesis(&self) -> Result<(ChainId, Genesis, Settings), ShareError> {
        let settings = self.settings()?;
        let genesis = self.funded.iter().fold(Genesis::new(), |genesis, key| genesis.account(*key, ENDOWMENT));
        let genesis = self.candidates.iter().fold(genesis, |genesis, key| genesis.account(*key, FUNDS));
        let genesis = settings.found(genesis);
        Ok((genesis.chain_id("share"), genesis, settings))
    }

    /// The chain's id, which commits to all of this but the tempo.
    pub(crate) fn chain_id(&self) -> Result<ChainId, ShareError> {
        Ok(self.genesis()?.0)
    }

    /// Who votes and who proposes in the first term.
    pub(crate) fn committee(&self) -> Result<Committee, ShareError> {
        let (id, _, settings) = self.genesis()?;
        let validators = self.validators.iter().map(|(key, _)| *key).collect();
        let first = settings.first_proposers().to_vec();
        Committee::new(id, Term(0), validators, first)
            .and_then(|committee| committee.until(Height(settings.term_heights())))
            .during("making the committee")
    }

    /// The ledger at genesis, of a node that makes beacons with this key.
    pub(crate) fn application(&self, beacon: Option<VrfSecretKey>) -> Result<Dpor, ShareError> {
        let (id, genesis, settings) = self.genesis()?;
        let ledger = with_market(Ledger::builder(id, genesis), self.tempo.rules);
        Dpor::build(settings, ledger, beacon).during("making the genesis")
    }

    /// How a node runs.
    pub(crate) fn config(&self, committee: &Committee) -> NodeConfig {
        NodeConfig {
            timeout: self.tempo.timeout,
            retry_interval: RETRY,
            block_interval: self.tempo.busy,
            idle_block_interval: self.tempo.idle,
            ..NodeConfig::new(committee.clone())
        }
    }
}
