//! A follower that catches up over a real link from one honest peer: what the test and the measurement share.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use cpchain_consensus::{
    Ancestors, Application, ChainId, FinalBlock, Height, InvalidPayload, Term,
    lbft::{Committee, Config, Input, Lbft, MAX_PULL, Message, Output, Pull, Restored, SignatureCache},
    network::{Libp2pConfig, Libp2pNetwork, Network, Offence, Receipt, Received, Topic, Verdict},
    node::{Node, NodeConfig},
    storage::{MemoryStorage, RedbStorage, Storage as _},
};
use cpchain_crypto::{Digest, PublicKey, Signer as _, SigningKey};

/// Counts heights and orders nothing.
#[derive(Default)]
struct Empty(Height);

impl Application for Empty {
    fn submit(&mut self, _: Bytes) -> Result<(), InvalidPayload> {
        Ok(())
    }

    fn propose(&mut self, _: Height, _: Ancestors<'_>, _: usize) -> Bytes {
        Bytes::new()
    }

    fn verify(&mut self, _: Height, _: Ancestors<'_>, _: &Bytes) -> Result<(), InvalidPayload> {
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
                Output::Persist { records, sync } => {
                    storage.append(&records, sync).unwrap();
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
        if let Output::Persist { records, sync } = output {
            storage.append(&records, sync).unwrap();
        }
    }
    storage
}

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Ranges, each proved by one certificate.
    Ranges,
    /// Heights alone, so that the certificate of every block is checked.
    Certificates,
}

/// A link on which pulls of ranges become pulls of the heights in them.
struct Link {
    inner: Libp2pNetwork,
    way: Way,
    /// The last height that was asked for.
    asked: u64,
}

#[async_trait]
impl Network for Link {
    fn send(&mut self, to: &PublicKey, message: Bytes) {
        let range = match Message::decode(message.clone()) {
            Ok(Message::Pull(Pull { range: Some(from), .. })) if self.way == Way::Certificates => from.0,
            _ => return self.inner.send(to, message),
        };
        if range > self.asked {
            self.asked = range + MAX_PULL as u64 - 1;
            let heights = (range..=self.asked).map(Height).collect();
            self.inner.send(to, Message::Pull(Pull { heights, ..Pull::default() }).encode());
        }
    }

    fn gossip(&mut self, topic: Topic, message: Bytes) {
        self.inner.gossip(topic, message);
    }

    fn judge(&mut self, receipt: Receipt, verdict: Verdict) {
        self.inner.judge(receipt, verdict);
    }

    fn members(&mut self, members: &[PublicKey]) {
        self.inner.members(members);
    }

    fn report(&mut self, peer: &PublicKey, offence: Offence) {
        self.inner.report(peer, offence);
    }

    async fn next(&mut self) -> Option<Received> {
        self.inner.next().await
    }

    async fn stop(&mut self) {
        self.inner.stop().await;
    }
}

/// How it went.
pub(crate) struct Outcome {
    /// From the first block to the last of those that were missing, in seconds.
    pub(crate) seconds: f64,
    /// From the start of the follower until it was where the chain, which went on, was.
    pub(crate) head: f64,
}

/// Lets a new follower with a log on disk catch up with a running node.
pub(crate) async fn catch_up(blocks: u64, payload: usize, way: Way) -> Outcome {
    let storage = chain(blocks, payload);
    let (key, committee) = committee();
    let public = key.public_key();
    let follower = SigningKey::from_seed(&[2; 32]);
    let mut config = Libp2pConfig::new(committee.chain(), "/ip4/127.0.0.1/tcp/0".parse().unwrap());
    let mut network = Libp2pNetwork::start(&key, config.clone()).await.unwrap();
    network.expect_peer(follower.public_key()).unwrap();
    config.peers = vec![(public, network.address().clone())];
    let mut settings = NodeConfig::new(committee);
    settings.idle_block_interval = Duration::from_millis(100);
    let (application, network) = (Box::new(Empty::default()), Box::new(network));
    let server = Node::start(settings.clone(), Arc::new(key), application, Box::new(storage), network).unwrap();
    server.wait_final(Height(blocks + 1)).await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let log = Box::new(RedbStorage::open(folder.path().join("log.redb")).unwrap());
    let inner = Libp2pNetwork::start(&follower, config).await.unwrap();
    let network = Box::new(Link { inner, way, asked: 0 });
    let begin = Instant::now();
    let node = Node::start(settings, Arc::new(follower), Box::new(Empty::default()), log, network).unwrap();
    node.wait_final(Height(1)).await.unwrap();
    let first = Instant::now();
    tokio::time::timeout(Duration::from_secs(300), node.wait_final(Height(blocks))).await.unwrap().unwrap();
    let seconds = first.elapsed().as_secs_f64();
    let head = server.status().final_height;
    node.wait_final(head).await.unwrap();
    let head = begin.elapsed().as_secs_f64();
    node.stop().await;
    server.stop().await;
    Outcome { seconds, head }
}
