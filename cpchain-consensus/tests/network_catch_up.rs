//! How fast a follower catches up over a real link, from one honest peer. Figures, not verdicts, so it runs by hand:
//! `cargo test --release -p cpchain-consensus --test network_catch_up -- --ignored --nocapture`
#![cfg(all(feature = "network", feature = "redb"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cpchain_consensus::{
    AncestorPayloads, Application, ChainId, FinalBlock, Height, InvalidPayload, Term,
    lbft::{Committee, Config, Input, Lbft, Output, Restored, SignatureCache},
    network::{Libp2pConfig, Libp2pNetwork},
    node::{Node, NodeConfig},
    storage::{MemoryStorage, RedbStorage, Storage as _},
};
use cpchain_crypto::{Digest, Signer as _, SigningKey};

/// Counts heights and orders nothing.
#[derive(Default)]
struct Empty(Height);

impl Application for Empty {
    fn submit(&mut self, _: Bytes) -> Result<(), InvalidPayload> {
        Ok(())
    }

    fn propose(&mut self, _: Height, _: AncestorPayloads<'_>, _: usize) -> Bytes {
        Bytes::new()
    }

    fn verify(&mut self, _: Height, _: AncestorPayloads<'_>, _: &Bytes) -> Result<(), InvalidPayload> {
        Ok(())
    }

    fn finalised(&mut self, block: &FinalBlock) -> Digest {
        self.0 = block.height;
        block.digest
    }

    fn last_height(&self) -> Height {
        self.0
    }
}

fn committee() -> (SigningKey, Committee) {
    let key = SigningKey::from_seed(&[1; 32]);
    let me = vec![key.public_key()];
    (key, Committee::new(ChainId::new("catch up", b""), Term(0), me.clone(), me).unwrap())
}

/// A chain of so many blocks, made by the core of a committee of one.
fn chain(blocks: u64, payload: usize) -> MemoryStorage {
    let (key, committee) = committee();
    let config = Config { committee, timeout: Duration::from_secs(1), timeout_cap: Duration::from_secs(60) };
    let cache = Arc::new(SignatureCache::new(1000));
    let (mut core, mut outputs) = Lbft::new(config, Arc::new(key), cache, Restored::default());
    let mut storage = MemoryStorage::default();
    while core.final_height().0 < blocks {
        let mut next = Vec::new();
        for output in outputs {
            let answer = match output {
                Output::Persist { records, .. } => {
                    storage.append(&records, false).unwrap();
                    continue;
                }
                Output::MayPropose { height } => Input::Propose { height },
                Output::BuildPayload { height, .. } => {
                    Input::Payload { height, payload: vec![height.0 as u8; payload].into() }
                }
                Output::Verify { digest, .. } => Input::Verified { digest, verdict: Ok(()) },
                _ => continue,
            };
            next.extend(core.step(answer));
        }
        outputs = next;
    }
    for output in outputs {
        if let Output::Persist { records, .. } = output {
            storage.append(&records, false).unwrap();
        }
    }
    storage
}

/// Blocks and MB in a second, and how long it took until the follower was where the chain, which went on, was.
async fn catch_up(blocks: u64, payload: usize) {
    let storage = chain(blocks, payload);
    let (key, committee) = committee();
    let public = key.public_key();
    let listen = || "/ip4/127.0.0.1/tcp/0".parse().unwrap();
    let follower = SigningKey::from_seed(&[2; 32]);
    let mut config = Libp2pConfig::new(committee.chain(), listen());
    let mut network = Libp2pNetwork::start(&key, config.clone()).await.unwrap();
    network.expect_peer(follower.public_key()).unwrap();
    config.peers = vec![(public, network.address().clone())];
    let mut settings = NodeConfig::new(committee.clone());
    settings.idle_block_interval = Duration::from_millis(100);
    let server =
        Node::start(settings.clone(), Arc::new(key), Box::new(Empty::default()), Box::new(storage), Box::new(network));
    let server = server.unwrap();
    server.wait_final(Height(blocks + 1)).await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let log = RedbStorage::open(folder.path().join("log.redb")).unwrap();
    let network = Libp2pNetwork::start(&follower, config).await.unwrap();
    let begin = Instant::now();
    let node = Node::start(settings, Arc::new(follower), Box::new(Empty::default()), Box::new(log), Box::new(network))
        .unwrap();
    node.wait_final(Height(1)).await.unwrap();
    let first = Instant::now();
    tokio::time::timeout(Duration::from_secs(300), node.wait_final(Height(blocks))).await.unwrap().unwrap();
    let took = first.elapsed().as_secs_f64();
    let head = server.status().final_height;
    node.wait_final(head).await.unwrap();
    println!(
        "{blocks} blocks of {payload} bytes: {:.0} blocks/s, {:.1} MB/s; at the head of the running chain {:.2} s after its start",
        blocks as f64 / took,
        (blocks as usize * payload) as f64 / took / 1e6,
        begin.elapsed().as_secs_f64()
    );
    node.stop().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn small_and_full_blocks() {
    catch_up(10_000, 0).await;
    catch_up(10_000, 200).await;
    catch_up(400, 1 << 20).await;
}

/// The same path, small, so that it is known to work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_catches_up_over_a_link() {
    catch_up(600, 100).await;
}
