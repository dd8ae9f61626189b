//! The chain: validators, candidates and followers running LBFT 2.0, each with its own log, links and ledger.

use std::{path::Path, sync::Arc, time::Duration};

use cpchain_consensus::{
    Height,
    lbft::Committee,
    ledger::{LedgerView, dpor::DporView},
    network::{Libp2pConfig, Libp2pNetwork},
    node::{Node, NodeHandle},
    storage::RedbStorage,
};
use cpchain_crypto::{PublicKey, Signer, SigningKey, vrf::VrfSecretKey};
use cpchain_market::escrow::Rules;

use super::{
    actors::Actors,
    candidates,
    error::{During, ShareError},
    founding::Founding,
    options::Options,
};

/// A node of the chain and the ledger that it keeps.
pub(crate) struct ChainNode {
    /// The running node.
    pub(crate) node: NodeHandle,
    /// Its ledger.
    pub(crate) view: LedgerView,
    /// Its elections.
    pub(crate) dpor: DporView,
}

impl ChainNode {
    fn start(
        founding: &Founding,
        key: &SigningKey,
        beacon: Option<VrfSecretKey>,
        network: Libp2pNetwork,
        log: &Path,
    ) -> Result<Self, ShareError> {
        let application = founding.application(beacon)?;
        let (view, dpor) = (application.ledger_view(), application.view());
        let storage = RedbStorage::open(log).during("opening the log of a node")?;
        let node = Node::start(
            founding.config(&founding.committee()?),
            Arc::new(key.clone()),
            Box::new(application),
            Box::new(storage),
            Box::new(network),
        );
        Ok(Self { node: node.during("starting a node of the chain")?, view, dpor })
    }

    /// Follows a chain whose nodes answer at these addresses: checks every certificate and executes every block itself. Its files are in
    /// `dir`.
    pub(crate) async fn follow(
        founding: &Founding,
        key: &SigningKey,
        peers: &[(PublicKey, String)],
        dir: &Path,
    ) -> Result<Self, ShareError> {
        let mut network = links(founding, key).await?;
        for (peer, address) in peers {
            let address = address.parse().during("reading the address of a node")?;
            network.add_peer(*peer, address).during("linking with the chain")?;
        }
        let node = Self::start(founding, key, None, network, &dir.join("chain.redb"))?;
        node.first_block().await?;
        node.caught_up(&founding.tempo).await?;
        Ok(node)
    }

    async fn first_block(&self) -> Result<(), ShareError> {
        let first = tokio::time::timeout(Duration::from_secs(60), self.node.wait_final(Height(1))).await;
        first.during("waiting for the first final block")?.map(drop).during("waiting for the first final block")
    }

    /// Waits until blocks come one by one: for a while something became final, and nothing was known that is missing.
    async fn caught_up(&self, tempo: &Tempo) -> Result<(), ShareError> {
        let steady = async {
            loop {
                let (before, mut status) = (self.view.height(), self.node.watch());
                status.mark_unchanged();
                let behind = status.wait_for(|status| status.catching_up || status.ended.is_some());
                let quiet = tokio::time::timeout(tempo.idle * 2, behind).await.is_err();
                if quiet && self.view.height() > before {
                    return;
                }
                tokio::time::sleep(tempo.busy).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(120), steady).await.during("catching up with the chain")
    }
}

/// Between two asks for what is missing.
pub(super) const RETRY: Duration = Duration::from_millis(300);

/// How fast the chain goes, and how many of its blocks an order may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// What it began with.
    pub(crate) founding: Founding,
    /// Where its nodes answer.
    pub(crate) peers: Vec<(PublicKey, String)>,
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
    /// Starts the chain with the money of `funded`, and waits for its first final block. Its nodes answer those of `guests` who come.
    pub(crate) async fn start(
        options: &Options,
        tempo: &Tempo,
        actors: &Actors,
        funded: &[PublicKey],
        followers: usize,
        guests: &[PublicKey],
        dir: &Path,
    ) -> Result<Self, ShareError> {
        let keys = |role: &str, count: usize| (0..count).map(|i| actors.key(role, i)).collect::<Vec<_>>();
        let validators = keys("validator", options.validators.into());
        let candidates = keys("candidate", options.proposers.into());
        let followers = keys("follower", followers);
        let public = |keys: &[SigningKey]| keys.iter().map(Signer::public_key).collect::<Vec<_>>();
        let beacon = |key: &PublicKey| candidates::beacon(actors, key);
        let founding = Founding {
            validators: public(&validators).into_iter().map(|key| (key, beacon(&key).public_key())).collect(),
            candidates: public(&candidates),
            funded: funded.to_vec(),
            tempo: *tempo,
        };
        let committee = founding.committee()?;
        let loud = candidates.len().saturating_sub(options.silent_proposers.into());

        let running = validators.iter().chain(candidates.iter().take(loud)).chain(&followers);
        let mut networks = Vec::new();
        for key in running {
            networks.push((key, links(&founding, key).await?));
        }
        let addresses: Vec<_> = networks.iter().map(|(key, net)| (key.public_key(), net.address().clone())).collect();
        let mut nodes = Vec::new();
        for (index, (key, mut network)) in networks.into_iter().enumerate() {
            for (peer, address) in &addresses {
                if *peer != key.public_key() {
                    network.add_peer(*peer, address.clone()).during("linking the nodes of the chain")?;
                }
            }
            for guest in guests {
                network.expect_peer(*guest).during("linking the nodes of the chain")?;
            }
            let log = dir.join(format!("node-{index}.redb"));
            nodes.push(ChainNode::start(&founding, key, Some(beacon(&key.public_key())), network, &log)?);
        }
        let followers = nodes.split_off(validators.len() + loud);
        let running = nodes.split_off(validators.len());
        let peers = addresses.into_iter().map(|(key, address)| (key, address.to_string())).collect();
        let (validators, standing) = (nodes, candidates);
        let chain = Self { founding, peers, committee, validators, candidates: running, standing, followers };
        for follower in &chain.followers {
            follower.first_block().await?;
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

/// Links of a node, on loopback.
async fn links(founding: &Founding, key: &SigningKey) -> Result<Libp2pNetwork, ShareError> {
    let listen = "/ip4/127.0.0.1/tcp/0".parse().during("reading a loopback address")?;
    let config = Libp2pConfig::new(founding.chain_id()?, listen);
    Libp2pNetwork::start(key, config).await.during("listening for the chain")
}
