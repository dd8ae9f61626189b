//! A market with everything around it, on loopback, in one process: validators and candidates, storage hosts, proxies, sellers with real
//! sealed data, and buyers whose orders stand in every state that a visitor can look at.
//!
//! The parts are those of [`share`](crate::share); nothing is played. Blocks come slowly, so that a person can follow.

mod goods;
mod orders;

use std::{path::Path, sync::Arc, time::Duration};

use clap::Parser as _;
use cpchain_consensus::{ledger::LedgerView, ledger::dpor::DporView, node::NodeHandle};
use cpchain_crypto::{PublicKey, Signer, SigningKey};
use cpchain_market::escrow::Rules;
use cpchain_otp::records::ProxyId;
use cpchain_storage::{StreamId, client::StorageClient, network};
use tokio::task::JoinHandle;

use crate::{
    adapters::ChainClient,
    share::{
        Options, PROXIES, ShareError,
        actors::Actors,
        candidates::Campaign,
        chain::{Chain, Tempo},
        error::During,
        hosts::Hosts,
        options::default_input,
        progress::Progress,
        proxies::Proxy,
        publish_descriptors,
        seller::{STREAM, Seller},
        source::Source,
    },
    terminals::{NetworkFile, node_key, write_key},
};

/// Orders wait long enough for a person.
const RULES: Rules = Rules { accept_blocks: 3_600, grant_blocks: 20, fragment_blocks: 60, dispute_blocks: 3_600 };
const TEMPO: Tempo = Tempo {
    busy: Duration::from_millis(200),
    idle: Duration::from_millis(1_000),
    timeout: Duration::from_millis(2_500),
    rules: RULES,
};

/// A running network with a market's worth of data on it.
pub struct Demo {
    chain: Chain,
    campaign: Campaign,
    hosts: Hosts,
    proxies: Vec<Proxy>,
    agents: Vec<JoinHandle<()>>,
    operator: ChainClient,
    storage: StorageClient<network::NodeHandle>,
    dpor: DporView,
    visitor: SigningKey,
}

impl Demo {
    /// Starts the network, its files in `dir`. `told` hears what is being done.
    ///
    /// # Errors
    /// [`ShareError`].
    pub async fn start(dir: &Path, told: impl Fn(&str)) -> Result<Self, ShareError> {
        let options = options()?;
        let actors = Actors::new(None).during("making keys")?;
        let branches = [actors.clone(), actors.branch("second seller")];
        let keys = branches.each_ref().map(|branch| branch.key("seller", 0));
        let streams = keys.each_ref().map(|key| StreamId::new(key.public_key().into(), STREAM));
        let streams = streams.into_iter().collect::<Result<Vec<_>, _>>().during("naming a stream")?;

        told("starting the chain");
        let operator = actors.key("market", 0);
        let visitor = actors.key("visitor", 0);
        let terminals = [0, 1].map(|terminal| actors.key("terminal", terminal));
        let guests = terminals.each_ref().map(|key| node_key(&key.to_seed()).public_key());
        let mut funded: Vec<PublicKey> = (0..PROXIES).map(|i| actors.key("proxy", i).public_key()).collect();
        funded.extend((0..orders::BUYERS).map(|i| actors.key("buyer", i).public_key()));
        funded.extend(keys.iter().chain(&terminals).chain([&operator, &visitor]).map(Signer::public_key));
        let chain = Chain::start(&options, &TEMPO, &actors, &funded, 1, &guests, dir).await?;
        let campaign = Campaign::start(&chain, &actors)?;
        let follower = chain.followers.first().during("looking for the follower")?;
        let account = |key: SigningKey| ChainClient::new(key, follower.node.clone(), follower.view.clone());

        told("starting storage hosts and proxies");
        let hosts = Hosts::start(options.storage_nodes.into(), &actors, dir).await?;
        let mut proxies = Vec::new();
        for index in 0..PROXIES {
            proxies.push(Proxy::start(index, &actors, &hosts, follower, dir).await?);
        }
        let storage = hosts.client(&actors.secret("market storage client", 0)).await?;
        publish_descriptors(&proxies, &actors, &storage).await?;
        let offered: Vec<_> = proxies.iter().map(|p| (ProxyId::from(p.key()), p.key(), p.node.address())).collect();

        told("sealing and storing the data of two sellers");
        let inputs = goods::inputs(dir)?;
        let mut sold = Vec::new();
        for ((branch, stream), input) in branches.iter().zip(&streams).zip(inputs) {
            let client = account(branch.key("seller", 0));
            let own = hosts.client(&branch.secret("seller storage client", 0)).await?;
            let seller = Arc::new(Seller::new(client, stream.clone(), own, branch));
            let options = Options { input, ..options.clone() };
            let source = Source::read(&options)?;
            let dir = dir.join(format!("seller-{}", sold.len()));
            let uploads = seller.seal(&source, &options, &dir).await?;
            let uploaded = Arc::new(seller.upload(&uploads, &hosts.nodes, &Progress::silent()).await?);
            sold.push(goods::Sold { seller, source, uploaded });
        }
        let operator = account(operator);
        told("listing it");
        let listed = goods::list(&sold, &offered, &operator, &actors).await?;

        told("placing orders");
        let agents = goods::serve(&sold);
        let buyers = orders::Buyers { actors: &actors, hosts: &hosts, account: &account };
        orders::place(&buyers, &sold, &listed).await?;
        let dpor = follower.dpor.clone();
        let keys: Vec<_> = proxies.iter().map(Proxy::key).collect();
        NetworkFile::of(&chain, &hosts, &keys).write(&dir.join("network.json"))?;
        for (name, key) in ["seller.key", "buyer.key"].iter().zip(&terminals) {
            write_key(&dir.join(name), key)?;
        }
        Ok(Self { chain, campaign, hosts, proxies, agents, operator, storage, dpor, visitor })
    }

    /// The account from which the market's operator pays for publications, at a node that follows the chain.
    pub const fn operator(&self) -> &ChainClient {
        &self.operator
    }

    /// That node.
    pub fn node(&self) -> &NodeHandle {
        self.operator.node()
    }

    /// Its ledger.
    pub fn view(&self) -> &LedgerView {
        self.operator.view()
    }

    /// Its elections.
    pub const fn dpor(&self) -> &DporView {
        &self.dpor
    }

    /// A client of the storage network.
    pub const fn storage(&self) -> &StorageClient<network::NodeHandle> {
        &self.storage
    }

    /// A key with a million CPC, for whoever visits.
    pub const fn visitor(&self) -> &SigningKey {
        &self.visitor
    }

    /// Stops everything.
    pub async fn stop(self) {
        self.agents.iter().for_each(JoinHandle::abort);
        self.campaign.stop().await;
        futures::future::join_all(self.proxies.into_iter().map(Proxy::stop)).await;
        self.hosts.stop().await;
        self.chain.stop().await;
    }
}

fn options() -> Result<Options, ShareError> {
    let given = ["demo", "--validators", "4", "--proposers", "4", "--silent-proposers", "1", "--storage-nodes", "12"];
    let options = Options::try_parse_from(given).during("setting up the network")?;
    Ok(Options { input: default_input(), ..options })
}
