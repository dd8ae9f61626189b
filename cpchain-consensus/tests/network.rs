//! Whole nodes over real sockets on the loopback, with redb logs in a temporary folder.
#![cfg(all(feature = "network", feature = "redb"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use cpchain_consensus::{
    Ancestors, Application, ChainId, FinalBlock, Height, InvalidPayload, Outdated, Term,
    lbft::{Committee, Kind, Role, SignatureCache, verify_final_headers},
    network::{Libp2pConfig, Libp2pNetwork},
    node::{Node, NodeConfig, NodeError, NodeHandle, SubmitError},
    storage::{RedbStorage, Storage as _, StorageError},
};
use cpchain_crypto::{Digest, Domain, PublicKey, Signer, SigningKey};
use tokio::time::timeout;

const STATE: Domain = Domain::new("cpchain/test/state/v1");
const LONG: Duration = Duration::from_secs(60);

/// A list of words: a payload is words with their lengths in front; `bad` is illicit.
#[derive(Default)]
struct Words {
    pool: Vec<Bytes>,
    all: Vec<Bytes>,
    state: Digest,
    last: Height,
}

fn words(payload: &[u8]) -> Vec<Bytes> {
    payload.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).map(Bytes::copy_from_slice).collect()
}

impl Application for Words {
    fn submit(&mut self, word: Bytes) -> Result<(), InvalidPayload> {
        if word.is_empty() || word.contains(&b' ') || self.all.contains(&word) || self.pool.contains(&word) {
            return Err(InvalidPayload("one new word, please".into()));
        }
        self.pool.push(word);
        Ok(())
    }

    fn propose(&mut self, _: Height, ancestors: Ancestors<'_>, _: usize) -> Bytes {
        let waiting: Vec<_> = ancestors.iter().flat_map(|block| words(&block.payload)).collect();
        let fresh: Vec<_> = self.pool.iter().filter(|word| !waiting.contains(word)).map(|word| word.to_vec()).collect();
        fresh.join(&b' ').into()
    }

    fn verify(&mut self, _: Height, ancestors: Ancestors<'_>, payload: &Bytes) -> Result<(), InvalidPayload> {
        let before: Vec<_> = ancestors.iter().flat_map(|block| words(&block.payload)).collect();
        let again = words(payload).into_iter().any(|word| before.contains(&word) || self.all.contains(&word));
        if again { Err(InvalidPayload("a word came twice".into())) } else { Ok(()) }
    }

    fn finalised(&mut self, block: &FinalBlock) -> Digest {
        assert_eq!(block.height, self.last.next());
        self.last = block.height;
        let new = words(&block.payload);
        self.pool.retain(|word| !new.contains(word));
        self.all.extend(new);
        self.state = Digest::of(STATE, &[&self.state.0, &block.digest.0, &block.payload]);
        self.state
    }

    fn last_height(&self) -> Height {
        self.last
    }
}

/// Four validators, four proposers, two followers.
struct Net {
    folder: tempfile::TempDir,
    keys: Vec<SigningKey>,
    committee: Committee,
    nodes: BTreeMap<usize, NodeHandle>,
    addresses: BTreeMap<usize, libp2p::Multiaddr>,
}

impl Net {
    async fn start(seed: u8, absent: &[usize]) -> Self {
        Self::start_terms(seed, absent, None).await
    }

    /// The first term ends at this height; the same members serve all terms.
    async fn start_terms(seed: u8, absent: &[usize], last: Option<Height>) -> Self {
        let keys: Vec<_> = (0..10).map(|i| SigningKey::from_seed(&[seed + i; 32])).collect();
        let public: Vec<PublicKey> = keys.iter().map(Signer::public_key).collect();
        let chain = ChainId::new("network test", &[seed]);
        let committee = Committee::new(chain, Term(0), public[..4].to_vec(), public[4..8].to_vec()).unwrap();
        let committee = last.map_or(committee.clone(), |last| committee.until(last).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let mut net = Self { folder, keys, committee, nodes: BTreeMap::new(), addresses: BTreeMap::new() };
        for node in (0..10).filter(|node| !absent.contains(node)) {
            net.join(node).await;
        }
        net
    }

    fn path(&self, node: usize) -> PathBuf {
        self.folder.path().join(format!("{node}.redb"))
    }

    /// Starts a node that knows those which were started before it.
    async fn join(&mut self, node: usize) {
        let peers = self.addresses.iter().filter(|(other, _)| **other != node);
        let peers = peers.map(|(other, address)| (self.keys[*other].public_key(), address.clone())).collect();
        let listen = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
        let config = Libp2pConfig { peers, ..Libp2pConfig::new(self.committee.chain(), listen) };
        let mut network = Libp2pNetwork::start(&self.keys[node], config).await.unwrap();
        // Those that come later dial; here only the way back is told.
        for key in &self.keys {
            network.expect_peer(key.public_key()).unwrap();
        }
        self.addresses.insert(node, network.address().clone());
        let storage = RedbStorage::open(self.path(node)).unwrap();
        let mut config = NodeConfig::new(self.committee.clone());
        config.timeout = Duration::from_millis(1500);
        config.block_interval = Duration::from_millis(50);
        config.idle_block_interval = Duration::from_millis(300);
        config.retry_interval = Duration::from_millis(300);
        let key = Arc::new(self.keys[node].clone());
        let application = Box::new(Words::default());
        let handle = Node::start(config, key, application, Box::new(storage), Box::new(network)).unwrap();
        self.nodes.insert(node, handle);
    }

    async fn stop(&mut self, node: usize) {
        let handle = self.nodes.remove(&node).unwrap();
        timeout(LONG, handle.stop()).await.unwrap();
    }

    async fn all_reach(&self, height: Height) {
        for (node, handle) in &self.nodes {
            let reached = timeout(LONG, handle.wait_final(height)).await;
            reached.unwrap_or_else(|_| panic!("node {node} stays at {:?}", handle.status())).unwrap();
        }
    }

    /// Waits until every node has executed this word.
    async fn all_have(&self, word: &'static str) {
        for (node, handle) in &self.nodes {
            let has = async {
                while !handle.with_application(move |app: &mut Words| app.all.iter().any(|w| w == word)).await.unwrap()
                {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            timeout(LONG, has).await.unwrap_or_else(|_| panic!("node {node} lacks {word}: {:?}", handle.status()));
        }
    }

    /// Equal blocks, each provable, on every node up to the lowest final height.
    async fn agree(&self) -> Vec<FinalBlock> {
        let lowest = self.nodes.values().map(|node| node.status().final_height).min().unwrap();
        let cache = SignatureCache::new(1000);
        let mut blocks = Vec::new();
        for height in 1..=lowest.0 {
            let mut first: Option<FinalBlock> = None;
            for handle in self.nodes.values() {
                let entry = handle.block(Height(height)).await.unwrap().unwrap();
                if let Some(certificate) = &entry.certificate {
                    certificate.verify(&self.committee, &cache).unwrap();
                }
                let block = first.get_or_insert_with(|| entry.block.clone());
                assert_eq!(*block, entry.block, "height {height}");
            }
            blocks.extend(first);
        }
        blocks
    }

    /// Stops all nodes; gives the folder of their logs.
    async fn end(mut self) -> tempfile::TempDir {
        for node in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.stop(node).await;
        }
        self.folder
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn normal_case_restart_and_catching_up() {
    let mut net = Net::start(10, &[]).await;
    let roles = [0, 4, 8].map(|node| net.nodes[&node].status().role);
    assert_eq!(roles, [Role::Validator, Role::Proposer, Role::Follower]);
    let mut follower = net.nodes[&8].subscribe();
    net.all_reach(Height(3)).await;

    // A follower submits; every node executes, once.
    net.nodes[&9].submit(Bytes::from_static(b"hello")).await.unwrap();
    let again = net.nodes[&9].submit(Bytes::from_static(b"hello")).await;
    assert!(matches!(again, Err(SubmitError::Refused(_))), "{again:?}");
    let long = net.nodes[&9].submit(Bytes::from(vec![b'x'; 1 << 20])).await;
    assert_eq!(long, Err(SubmitError::TooLong(1 << 20)));
    net.all_have("hello").await;

    // A proposer that serves its own clients: the answers are in their order, and what it took is ordered.
    let list = ["one".into(), vec![b'x'; 1 << 20].into(), "hello".into(), "two".into()].into();
    let answers = net.nodes[&4].submit_here(list).await.unwrap();
    assert!(
        matches!(answers[..], [Ok(()), Err(SubmitError::TooLong(_)), Err(SubmitError::Refused(_)), Ok(())]),
        "{answers:?}"
    );
    net.all_have("one").await;
    net.all_have("two").await;
    let other = net.nodes[&0].with_application(|_: &mut OtherApplication| ()).await;
    assert_eq!(other, Err(NodeError::OtherApplication));

    // A subscription has no gap, and a light client believes what a follower stored.
    for height in 1..=3 {
        let entry = timeout(LONG, follower.next()).await.unwrap().unwrap();
        assert_eq!(entry.block.height, Height(height));
    }
    let tip = net.nodes[&8].status().final_height;
    let entry = net.nodes[&8].block(tip).await.unwrap().unwrap();
    let headers = [entry.sealed.unwrap().encoded_header().clone()];
    let proved =
        verify_final_headers(&headers, &entry.certificate.unwrap(), &net.committee, &SignatureCache::new(10)).unwrap();
    assert_eq!(proved[0].1.height, tip);

    // A validator stops: its file is free, the others go on, and it comes back from its log.
    net.stop(1).await;
    let held = RedbStorage::open(net.path(1)).unwrap();
    assert!(matches!(RedbStorage::open(net.path(1)), Err(StorageError::Io(_))));
    drop(held);
    let before = net.nodes[&0].status().final_height;
    net.nodes[&0].submit(Bytes::from_static(b"three")).await.unwrap();
    net.all_have("three").await;
    net.all_reach(Height(before.0 + 3)).await;
    net.join(1).await;
    net.all_have("three").await;
    net.all_reach(Height(net.nodes[&0].status().final_height.0 + 3)).await;

    let blocks = net.agree().await;
    let ordered: Vec<_> = blocks.iter().flat_map(|block| words(&block.payload)).collect();
    assert_eq!(ordered, ["hello", "one", "two", "three"]);
    assert!(net.nodes.values().all(|node| node.status().fault.is_none() && node.status().evidence.is_none()));
    // A stopped node says so to everyone who holds it.
    let handle = net.nodes[&8].clone();
    net.end().await;
    while timeout(LONG, follower.next()).await.unwrap().is_some() {}
    assert_eq!(handle.status().ended, Some(NodeError::Stopped));
    assert_eq!(handle.submit(Bytes::from_static(b"late")).await, Err(SubmitError::Stopped));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_proposer_is_impeached() {
    // Proposer 5 has the heights 2, 6, 10, …; validator 3 is away as well, so every vote of the others is needed.
    let net = Net::start(40, &[5, 3]).await;
    net.nodes[&8].submit(Bytes::from_static(b"anyway")).await.unwrap();
    net.all_reach(Height(7)).await;
    net.all_have("anyway").await;
    let blocks = net.agree().await;
    let silent = net.keys[5].public_key();
    for block in &blocks {
        if block.proposer == silent {
            assert!(block.impeached && block.payload.is_empty(), "height {}", block.height);
        }
    }
    assert!(blocks.iter().filter(|block| block.impeached).count() >= 2);
    assert!(net.nodes[&0].status().impeached >= 2);
    net.end().await;
}

/// Nodes pass on who follows: the proof is nobody's fault.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terms_are_handed_over() {
    let net = Net::start_terms(70, &[], Some(Height(3))).await;
    net.all_reach(Height(10)).await;
    for handle in net.nodes.values() {
        let (counters, status) = (handle.counters(), handle.status());
        assert_eq!((counters.malformed, counters.blamed, status.fault), (0, 0, None));
        assert!(status.term >= Term(3), "{:?}", status.term);
    }
    let path = net.path(0);
    let folder = net.end().await;
    let proof = RedbStorage::open(path).unwrap().handover(Term(0)).unwrap().unwrap();
    assert_eq!((proof.kind, proof.height), (Kind::Handover, Height(3)));
    drop(folder);
}

/// After three blocks the chain has rules that this application does not know.
struct Old(Words);

const NEW_RULES: Outdated = Outdated { runs: 1, needs: 2, from: Height(4) };

impl Application for Old {
    fn submit(&mut self, word: Bytes) -> Result<(), InvalidPayload> {
        self.0.submit(word)
    }

    fn propose(&mut self, height: Height, ancestors: Ancestors<'_>, room: usize) -> Bytes {
        self.0.propose(height, ancestors, room)
    }

    fn verify(&mut self, at: Height, ancestors: Ancestors<'_>, payload: &Bytes) -> Result<(), InvalidPayload> {
        self.0.verify(at, ancestors, payload)
    }

    fn finalised(&mut self, block: &FinalBlock) -> Digest {
        assert!(block.height < NEW_RULES.from, "no block is executed by the wrong rules");
        self.0.finalised(block)
    }

    fn last_height(&self) -> Height {
        self.0.last_height()
    }

    fn outdated(&self) -> Option<Outdated> {
        (self.last_height().next() >= NEW_RULES.from).then_some(NEW_RULES)
    }
}

/// It stops with the reason, and does not start again either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outdated_node_stops_at_the_new_rules() {
    let key = SigningKey::from_seed(&[90; 32]);
    let me = vec![key.public_key()];
    let committee = Committee::new(ChainId::new("alone", b""), Term(0), me.clone(), me).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let start = async || {
        let storage = RedbStorage::open(folder.path().join("log.redb")).unwrap();
        let listen = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
        let network = Libp2pNetwork::start(&key, Libp2pConfig::new(committee.chain(), listen)).await.unwrap();
        let config =
            NodeConfig { idle_block_interval: Duration::from_millis(100), ..NodeConfig::new(committee.clone()) };
        Node::start(
            config,
            Arc::new(key.clone()),
            Box::new(Old(Words::default())),
            Box::new(storage),
            Box::new(network),
        )
    };
    let node = start().await.unwrap();
    let mut watch = node.watch();
    let ended = timeout(LONG, watch.wait_for(|status| status.ended.is_some())).await.unwrap().unwrap().clone();
    assert_eq!(ended.ended, Some(NodeError::Outdated(NEW_RULES)));
    assert!(ended.final_height >= Height(3));
    assert_eq!(start().await.map(drop), Err(NodeError::Outdated(NEW_RULES)));
}

/// A type that no node runs.
struct OtherApplication;

impl Application for OtherApplication {
    fn submit(&mut self, _: Bytes) -> Result<(), InvalidPayload> {
        Ok(())
    }

    fn propose(&mut self, _: Height, _: Ancestors<'_>, _: usize) -> Bytes {
        Bytes::new()
    }

    fn verify(&mut self, _: Height, _: Ancestors<'_>, _: &Bytes) -> Result<(), InvalidPayload> {
        Ok(())
    }

    fn finalised(&mut self, _: &FinalBlock) -> Digest {
        Digest::ZERO
    }

    fn last_height(&self) -> Height {
        Height::GENESIS
    }
}
