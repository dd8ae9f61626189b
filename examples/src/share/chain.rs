//! The chain: validators, candidates and followers running LBFT 2.0, each with its own log, links and ledger.

use std::{path::Path, sync::Arc, time::Duration};

use cpchain_consensus::{
    Height,
    lbft::Committee,
    ledger::{
        Amount, Genesis, Ledger, LedgerBuilder, LedgerView,
        dpor::{Dpor, DporView},
    },
    network::{Libp2pConfig, Libp2pNetwork},
    node::{Node, NodeConfig, NodeHandle},
    storage::RedbStorage,
};
use cpchain_crypto::{PublicKey, Signer, SigningKey};
use cpchain_market::escrow::Rules;

use super::{
    actors::Actors,
    candidates::{self, FUNDS},
    error::{During, ShareError},
    options::Options,
};
use crate::adapters::chain::with_market;

/// A node of the chain and the ledger that it keeps.
pub(crate) struct ChainNode {
    /// The running node.
    pub(crate) node: NodeHandle,
    /// Its ledger.
    pub(crate) view: LedgerView,
    /// Its elections.
    pub(crate) dpor: DporView,
}

/// How fast the chain goes, and how many of its blocks an order may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tempo {
    /// Between two blocks when transactions wait.
    pub(crate) busy: Duration,
    /// Between two blocks when none waits.
    pub(crate) idle: Duration,
    /// For a proposer; longer than `idle`.
    pub(crate) timeout: Duration,
    /// Of the escrow.
    pub(crate) rules: Rules,
}

impl Default for Tempo {
    fn default() -> Self {
        let [busy, idle, timeout] = [50, 150, 1500].map(Duration::from_millis);
        Self { busy, idle, timeout, rules: Rules::default() }
    }
}

/// All nodes of the chain.
pub(crate) struct Chain {
    /// Who votes, and proposes in the first terms.
    pub(crate) committee: Committee,
    /// Validators.
    pub(crate) validators: Vec<ChainNode>,
    /// Candidates that run; a silent one campaigns and is not here.
    pub(crate) candidates: Vec<ChainNode>,
    /// The keys of all candidates.
    pub(crate) standing: Vec<SigningKey>,
    /// One for each market.
    pub(crate) followers: Vec<ChainNode>,
}

impl Chain {
    /// Starts the chain with the money of `funded`, and waits for its first final block.
    pub(crate) async fn start(
        options: &Options,
        tempo: &Tempo,
        actors: &Actors,
        funded: &[PublicKey],
        followers: usize,
        dir: &Path,
    ) -> Result<Self, ShareError> {
        let keys = |role: &str, count: usize| (0..count).map(|i| actors.key(role, i)).collect::<Vec<_>>();
        let validators = keys("validator", options.validators.into());
        let candidates = keys("candidate", options.proposers.into());
        let followers = keys("follower", followers);
        let public = |keys: &[SigningKey]| keys.iter().map(Signer::public_key).collect::<Vec<_>>();

        let settings = candidates::settings(&public(&validators), actors, candidates.len())?;
        let genesis = funded.iter().fold(Genesis::new(), |genesis, key| genesis.account(*key, Amount::cpc(1_000_000)));
        let genesis = public(&candidates).iter().fold(genesis, |genesis, key| genesis.account(*key, FUNDS));
        let genesis = settings.found(genesis);
        let id = genesis.chain_id("share");
        let first = settings.first_proposers().to_vec();
        let committee = Committee::new(id, cpchain_consensus::Term(0), public(&validators), first)
            .and_then(|committee| committee.until(Height(settings.term_heights())))
            .during("making the committee")?;
        let loud = candidates.len().saturating_sub(options.silent_proposers.into());

        let running = validators.iter().chain(candidates.iter().take(loud)).chain(&followers);
        let mut networks = Vec::new();
        for key in running {
            let listen = "/ip4/127.0.0.1/tcp/0".parse().during("reading a loopback address")?;
            let config = Libp2pConfig::new(id, listen);
            let network = Libp2pNetwork::start(key, config).await.during("listening for the chain")?;
            networks.push((key, network));
        }
        let addresses: Vec<_> = networks.iter().map(|(key, net)| (key.public_key(), net.address().clone())).collect();
        let mut nodes = Vec::new();
        for (index, (key, mut network)) in networks.into_iter().enumerate() {
            for (peer, address) in &addresses {
                if *peer != key.public_key() {
                    network.add_peer(*peer, address.clone()).during("linking the nodes of the chain")?;
                }
            }
            let beacon = candidates::beacon(actors, &key.public_key());
            let application = Dpor::build(settings.clone(), ledger(id, genesis.clone(), tempo.rules), Some(beacon));
            let application = application.during("making the genesis")?;
            let (view, dpor) = (application.ledger_view(), application.view());
            let storage =
                RedbStorage::open(dir.join(format!("node-{index}.redb"))).during("opening the log of a node")?;
            let node = Node::start(
                config(&committee, tempo),
                Arc::new(key.clone()),
                Box::new(application),
                Box::new(storage),
                Box::new(network),
            );
            nodes.push(ChainNode { node: node.during("starting a node of the chain")?, view, dpor });
        }
        let followers = nodes.split_off(validators.len() + loud);
        let running = nodes.split_off(validators.len());
        let chain = Self { committee, validators: nodes, candidates: running, standing: candidates, followers };
        for follower in &chain.followers {
            let first = follower.node.wait_final(Height(1));
            let first = tokio::time::timeout(Duration::from_secs(60), first).await;
            first.during("waiting for the first final block")?.during("waiting for the first final block")?;
        }
        Ok(chain)
    }

    /// Stops this many validators, the last ones first.
    pub(crate) async fn stop_validators(&mut self, count: usize) {
        let keep = self.validators.len().saturating_sub(count);
        for stopped in self.validators.drain(keep..) {
            stopped.node.stop().await;
        }
    }

    /// Stops all nodes.
    pub(crate) async fn stop(self) {
        let nodes = self.validators.into_iter().chain(self.candidates).chain(self.followers);
        futures::future::join_all(nodes.map(|node| async move { node.node.stop().await })).await;
    }
}

fn ledger(id: cpchain_consensus::ChainId, genesis: Genesis, rules: Rules) -> LedgerBuilder {
    with_market(Ledger::builder(id, genesis), rules)
}

fn config(committee: &Committee, tempo: &Tempo) -> NodeConfig {
    NodeConfig {
        timeout: tempo.timeout,
        retry_interval: Duration::from_millis(300),
        block_interval: tempo.busy,
        idle_block_interval: tempo.idle,
        ..NodeConfig::new(committee.clone())
    }
}
