//! LBFT 2.0: agree on blocks with a bipartite committee, impeach proposers that fail, keep the ledger.
//!
//! | you want to | take |
//! | --- | --- |
//! | run a node | [`node::Node::start`], [`node::NodeHandle`] (feature `network`) |
//! | order transactions of your own | implement [`Application`] |
//! | accounts, transfers and modules, ready to run | [`ledger`] |
//! | rank candidates and elect the proposers of a term | [`dpor`] |
//! | check that something is final, without running a node | [`lbft::LightClient`], [`lbft::verify_final_headers`] |
//! | check what the state holds, without a state | [`proof`] |
//! | witness and reward relaying between gateways | [`relay`] |
//! | start a node in the middle of a chain | [`lbft::Snapshot`] |
//! | a whole network with faults in virtual time, from one seed | `sim` (feature) |
//! | the protocol alone, in another runtime | [`lbft::Lbft`] |
//!
//! # What an integrator may put in place of ours
//! | trait | promises | ours |
//! | --- | --- | --- |
//! | [`Application`] | fills, judges and executes blocks; deterministic | [`ledger::Ledger`] |
//! | [`storage::Storage`] | a batch is durable when it says so | [`storage::RedbStorage`], [`storage::MemoryStorage`] |
//! | [`network::Network`] | best effort, authenticated, bounded | [`network::Libp2pNetwork`]: TCP, noise, yamux, gossipsub |
//! | [`Signer`] | signs with the node's key | [`cpchain_crypto::SigningKey`] |
//!
//! A node is a validator, a proposer or a follower by the membership of its key in the [`lbft::Committee`]. How it
//! decides, why that is safe, and where it leaves the white paper, is in [`lbft`].
//!
#![cfg_attr(
    all(feature = "network", feature = "redb"),
    doc = r#"
```
use std::{sync::Arc, time::Duration};
use bytes::Bytes;
use cpchain_consensus::{
    Ancestors, Application, ChainId, FinalBlock, Height, InvalidPayload, Term,
    lbft::Committee, network::{Libp2pConfig, Libp2pNetwork}, node::{Node, NodeConfig}, storage::RedbStorage,
};
use cpchain_crypto::{Digest, Signer, SigningKey};

/// Orders notes; a real application checks signatures and keeps a state.
#[derive(Default)]
struct Notes { pool: Vec<Bytes>, last: Height }

impl Application for Notes {
    fn submit(&mut self, note: Bytes) -> Result<(), InvalidPayload> {
        self.pool.push(note);
        Ok(())
    }
    fn propose(&mut self, _: Height, _: Ancestors<'_>, _: usize) -> Bytes {
        self.pool.first().cloned().unwrap_or_default()
    }
    fn verify(&mut self, _: Height, _: Ancestors<'_>, _: &Bytes) -> Result<(), InvalidPayload> {
        Ok(())
    }
    fn finalised(&mut self, block: &FinalBlock) -> Digest {
        self.pool.retain(|note| *note != block.payload);
        self.last = block.height;
        block.digest
    }
    fn last_height(&self) -> Height {
        self.last
    }
}

# tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
let key = SigningKey::from_seed(&[7; 32]);
let me = vec![key.public_key()];
let committee = Committee::new(ChainId::new("solo", b""), Term(0), me.clone(), me)?;
let folder = tempfile::tempdir()?;
let storage = RedbStorage::open(folder.path().join("log.redb"))?;
let listen = "/ip4/127.0.0.1/tcp/0".parse()?;
let network = Libp2pNetwork::start(&key, Libp2pConfig::new(committee.chain(), listen)).await?;

let config = NodeConfig::new(committee);
let application = Box::new(Notes::default());
let node = Node::start(config, Arc::new(key), application, Box::new(storage), Box::new(network))?;
let mut finals = node.subscribe();
node.submit("hello".into()).await?;
let block = loop {
    let entry = finals.next().await.ok_or("the node stopped")?;
    if !entry.block.payload.is_empty() { break entry }
};
assert_eq!(&block.block.payload[..], b"hello");
node.stop().await;
# Ok::<(), Box<dyn std::error::Error>>(())
# }).map_err(|e| e.to_string())?;
# Ok::<(), Box<dyn std::error::Error>>(())
```
"#
)]
//!
//! # Features
//! | feature | adds | default |
//! | --- | --- | --- |
//! | `std` | a core that may move between threads, std errors; all below need it | yes |
//! | `ledger` | the default application | yes |
//! | `redb` | the durable log in one redb file | yes |
//! | `suite` | what every [`storage::Storage`] must do, as checks to run | |
//! | `network` | the tokio driver and the libp2p network | yes |
//! | `sim` | the simulator: networks of cores in virtual time, Byzantine members, invariants | no |
//!
//! Without them the crate is `no_std` with `alloc`: the protocol core, the checks of a light client, and the traits.

#![cfg_attr(not(any(feature = "std", test)), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

extern crate alloc;

#[cfg(all(doctest, feature = "sim"))]
#[doc = include_str!("../README.md")]
struct Readme;

mod application;
pub mod dpor;
mod ids;
pub mod lbft;
#[cfg(feature = "ledger")]
pub mod ledger;
#[cfg(feature = "model")]
pub mod model;
#[cfg(feature = "network")]
pub mod network;
#[cfg(feature = "network")]
pub mod node;
pub mod proof;
pub mod relay;
#[cfg(feature = "sim")]
pub mod sim;
pub mod storage;

pub use {
    application::{Ancestors, Application, FinalBlock, InvalidPayload, Outdated},
    ids::{ChainId, Height, Term},
};

pub use cpchain_crypto::Signer;
