//! `node run`: one node, from its folder, until it is told to stop.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use cpchain_consensus::{
    ledger::{
        GenesisError, LedgerBuilder, LedgerView, SubmitError,
        dpor::{Dpor, DporView, economy::EconomyView},
    },
    network::{Libp2pConfig, Libp2pNetwork, NetworkError},
    node::{Node, NodeError, NodeHandle},
    storage::{RedbStorage, StorageError},
};
use cpchain_crypto::vrf::VrfSecretKey;
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time::MissedTickBehavior};

use crate::{
    campaign::{Campaigning, Claimant},
    config::{ConfigError, NodeFile, key},
    genesis::GenesisFile,
    keys::{self, KeyError},
    outbox::{Outbox, OutboxError},
    rpc::{Rpc, http},
};

/// How often accepted transactions are put into the pool when it has room.
const FILL: Duration = Duration::from_millis(250);
/// After how many such times all of them are spread again.
const SPREAD_AGAIN: u32 = 12;
/// Transactions that are looked at in one go; the node waits meanwhile.
const BATCH: usize = 500;

const NO_BEACON: &str = "candidate.campaign needs the beacon key that the claims name: bring back beacon.key, make a new one with \
                         `node keys new --beacon`, or turn candidate.campaign off";

/// Why a node does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// A file.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The genesis.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// The links.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The log.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The outbox.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// The consensus driver.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The RPC address.
    #[error("cannot listen on {0} for RPC: {1}; is the port taken?")]
    Rpc(SocketAddr, #[source] std::io::Error),
}

/// A running node with its RPC.
pub struct Service {
    node: NodeHandle,
    view: LedgerView,
    dpor: DporView,
    rpc: SocketAddr,
    outbox: Outbox,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Service {
    /// Starts the node in this folder on the current tokio runtime.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn start(dir: &Path) -> Result<Self, ServiceError> {
        Self::start_with(dir, |ledger| ledger).await
    }

    /// Starts a node whose ledger has more kinds of transactions. All nodes of a network must have the same ones.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn start_with(
        dir: &Path,
        more: impl FnOnce(LedgerBuilder) -> LedgerBuilder,
    ) -> Result<Self, ServiceError> {
        let file = NodeFile::read(dir)?;
        let genesis = GenesisFile::read(&file.genesis)?;
        let committee = genesis.committee()?;
        let signer = Arc::new(keys::read(&file.key)?);
        let beacon = keys::read_beacon(&file.beacon)?;
        let beacon_key = beacon.as_ref().map(VrfSecretKey::public_key);
        if file.candidate.campaign && beacon.is_none() {
            return Err(ConfigError::Value(NO_BEACON).into());
        }
        // The port first: what is taken shows before anything is opened.
        let listener = TcpListener::bind(file.rpc.listen).await.map_err(|e| ServiceError::Rpc(file.rpc.listen, e))?;
        let rpc_address = listener.local_addr().map_err(|e| ServiceError::Rpc(file.rpc.listen, e))?;

        let application = genesis.application_with(beacon, more)?;
        let (view, dpor) = (application.ledger_view(), application.view());
        let storage = RedbStorage::open(&file.log)?;
        let outbox = Outbox::open(&file.outbox)?;
        let mut network = Libp2pNetwork::start(signer.as_ref(), links(&file, committee.chain())?).await?;
        for peer in file.network.peers.iter().filter(|peer| peer.address.is_none()) {
            network.expect_peer(key(&peer.key)?)?;
        }
        let control = network.control();
        let node = Node::start(
            file.timing.node_config(committee),
            signer.clone(),
            Box::new(application),
            Box::new(storage),
            Box::new(network),
        )?;

        let (stop, stopped) = watch::channel(false);
        let (state, campaigning) = watch::channel(Campaigning::Off);
        let rpc = Rpc {
            node: node.clone(),
            view: view.clone(),
            dpor: dpor.clone(),
            economy: EconomyView::new(view.clone(), genesis.economy()?),
            beacon: beacon_key,
            campaigning,
            outbox: outbox.clone(),
            network: control,
            admin: file.rpc.admin,
        };
        let mut tasks = JoinSet::new();
        if let Some(beacon) = beacon_key.filter(|_| file.candidate.campaign) {
            let claimant = Claimant { rpc: rpc.clone(), key: signer, beacon, terms: file.candidate.terms, state };
            tasks.spawn(claimant.run(stopped.clone()));
        }
        tasks.spawn(http::serve(listener, rpc, file.rpc.max_connections, stopped.clone()));
        tasks.spawn(spread(node.clone(), view.clone(), outbox.clone(), stopped));
        Ok(Self { node, view, dpor, rpc: rpc_address, outbox, stop, tasks })
    }

    /// Where it answers.
    pub const fn rpc(&self) -> SocketAddr {
        self.rpc
    }

    /// The node itself.
    pub const fn node(&self) -> &NodeHandle {
        &self.node
    }

    /// Its ledger.
    pub const fn view(&self) -> &LedgerView {
        &self.view
    }

    /// Its elections.
    pub const fn dpor(&self) -> &DporView {
        &self.dpor
    }

    /// Waits until the node ends without [`stop`](Self::stop): its log or its network failed, or its driver panicked, which
    /// is [`NodeError::Stopped`]. None of them is a good end.
    pub async fn ended(&self) -> NodeError {
        let mut status = self.node.watch();
        let ended = status.wait_for(|status| status.ended.is_some()).await;
        ended.ok().and_then(|status| status.ended.clone()).unwrap_or(NodeError::Stopped)
    }

    /// Ends everything; the files are closed when it returns.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        self.node.stop().await;
        while self.tasks.join_next().await.is_some() {}
        self.outbox.close().await;
    }
}

fn links(file: &NodeFile, chain: cpchain_consensus::ChainId) -> Result<Libp2pConfig, ConfigError> {
    let wrong = |text: &str| ConfigError::Address(text.to_owned());
    let listen = file.network.listen.parse().map_err(|_| wrong(&file.network.listen))?;
    let mut config = Libp2pConfig::new(chain, listen);
    config.version = file.network.protocol;
    config.trusted = file.network.trusted.iter().map(|text| key(text)).collect::<Result<_, _>>()?;
    for peer in &file.network.peers {
        if let Some(address) = &peer.address {
            config.peers.push((key(&peer.key)?, address.parse().map_err(|_| wrong(address))?));
        }
    }
    Ok(config)
}

/// Accepted transactions are put into the pool and spread again until something has come of them.
async fn spread(node: NodeHandle, view: LedgerView, outbox: Outbox, mut stop: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(FILL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for round in 0_u32.. {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let again = round.is_multiple_of(SPREAD_AGAIN);
        let waiting = outbox.sweep(&view).await;
        for batch in waiting.chunks(BATCH) {
            let copies: Vec<_> = batch.iter().map(|transaction| transaction.bytes().clone()).collect();
            let admit = move |dpor: &mut Dpor| -> Vec<_> {
                // What the pool has no room for, or whose predecessor is not here yet, waits for the next time.
                let admitted = |bytes: &Bytes| match dpor.admit(bytes.clone()) {
                    Ok(_) => true,
                    Err(SubmitError::Known(_)) => again,
                    Err(_) => false,
                };
                copies.into_iter().filter(admitted).collect()
            };
            let Ok(ready) = node.with_application(admit).await else { return };
            for bytes in ready {
                if node.spread(bytes).await.is_err() {
                    return;
                }
            }
        }
    }
}
