//! The host of the three tables, and the owner's way to it.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use cpchain_crypto::{
    Signer as _, SigningKey,
    search::{
        aggregate::AggregateServer,
        keyword::{KeywordServer, Shard},
        plan::Engine,
        scan::ScanServer,
        store::HostStore,
    },
};
use cpchain_otp::{
    Client, NodeConfig, NodeHandle, NodeParts, ProxyNode,
    access::{MemoryGrants, MemoryRegistry},
    backend::MemoryBackend,
};

use super::Owner;
use crate::{
    adapters::SearchService,
    share::{During as _, ShareError},
};

/// Bytes of buckets, and blocks, that the host takes.
const MAX_BYTES: u64 = 1 << 30;
const MAX_BLOCKS: u32 = 1 << 10;
/// Intervals that the host takes.
const MAX_INTERVALS: u32 = 1 << 12;
/// The longest update: all postings of the keyword table.
const MAX_CALL: usize = 512 << 20;

/// A node with the tables on disk, and a client of it.
pub(super) struct Host {
    node: NodeHandle,
    client: Client,
}

impl Host {
    pub(super) async fn start(state: &Path, owner: &Owner) -> Result<Self, ShareError> {
        let (seed, of_host) = (owner.seed("owner"), owner.seed("host"));
        let key = SigningKey::from_seed(&seed).public_key();
        let (keyword, scan, totals) = (owner.keyword.table(), owner.scan.table(), owner.totals.table());
        let [in_keyword, in_scan, in_totals] =
            ["host-keyword", "host-scan", "host-totals"].map(|folder| state.join(folder));
        let opened = tokio::task::spawn_blocking(move || {
            let keyword = HostStore::open(in_keyword, KeywordServer::new(keyword, Shard::WHOLE, MAX_BYTES))?;
            let scan = HostStore::open(in_scan, ScanServer::new(scan, MAX_BLOCKS))?;
            let totals = HostStore::open(in_totals, AggregateServer::new(totals, MAX_INTERVALS))?;
            Ok::<_, cpchain_crypto::search::store::StoreError>((keyword, scan, totals))
        });
        let (keyword, scan, totals) =
            opened.await.during("opening the host's tables")?.during("opening the host's tables")?;
        let parts = NodeParts::new(
            Arc::new(MemoryBackend::new()),
            Arc::new(MemoryRegistry::new()),
            Arc::new(MemoryGrants::new()),
        )
        .service(Arc::new(SearchService::new(key, keyword).named(service(Engine::Keyword))))
        .service(Arc::new(SearchService::new(key, scan).named(service(Engine::Scan))))
        .service(Arc::new(SearchService::new(key, totals).named(service(Engine::Aggregate))));
        let config = NodeConfig { max_call: MAX_CALL, ..NodeConfig::default() };
        let node = ProxyNode::start(config, &of_host, parts).await.during("starting the host")?;
        let client = Client::connect(&node.address(), &seed).await.during("reaching the host")?;
        Ok(Self { node, client })
    }

    /// Sends an update of a table.
    pub(super) async fn update(&self, engine: Engine, update: &[u8]) -> Result<(), ShareError> {
        let request = SearchService::request(SearchService::UPDATE, update);
        self.client.call(service(engine), request).await.during("sending the index to its host")?;
        Ok(())
    }

    /// Asks.
    pub(super) async fn query(&self, engine: Engine, query: &[u8]) -> Result<Bytes, ShareError> {
        let request = SearchService::request(SearchService::QUERY, query);
        self.client.call(service(engine), request).await.during("asking the host")
    }

    pub(super) async fn stop(self) {
        self.node.stop().await;
    }
}

const fn service(engine: Engine) -> &'static str {
    match engine {
        Engine::Keyword => "private-search/keyword",
        Engine::Aggregate => "private-search/totals",
        _ => "private-search/scan",
    }
}
