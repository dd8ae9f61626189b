//! The links under attack, over real sockets: rubbish, floods, strangers, other versions.
#![cfg(all(feature = "network", feature = "redb"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    future::Future,
    io::Read as _,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cpchain_consensus::{
    Ancestors, Application, ChainId, FinalBlock, Height, InvalidPayload, Term,
    lbft::{Committee, Kind, MAX_MESSAGE, MAX_PULL, Message, Pull, Vote},
    network::{
        Libp2pConfig, Libp2pNetwork, Limits, Multiaddr, Network, NetworkControl, PROTOCOL_VERSION, Rate, Received,
        Topic, Verdict, WhiteList, WhiteListRules,
    },
    node::{Node, NodeConfig, NodeHandle},
    storage::RedbStorage,
};
use cpchain_crypto::{Digest, PublicKey, Signature, Signer, SigningKey};

const LONG: Duration = Duration::from_secs(60);
/// The seed of a follower that every node of a [`Chain`] was told about.
const KNOWN: u8 = 60;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn chain() -> ChainId {
    ChainId::new("guard test", b"")
}

fn local() -> Multiaddr {
    "/ip4/127.0.0.1/tcp/0".parse().unwrap()
}

fn config() -> Libp2pConfig {
    Libp2pConfig::new(chain(), local())
}

async fn start(seed: u8, config: Libp2pConfig) -> Libp2pNetwork {
    Libp2pNetwork::start(&key(seed), config).await.unwrap()
}

/// A network that dials another one.
async fn dialler(seed: u8, other: &Libp2pNetwork, to: u8, config: Libp2pConfig) -> Libp2pNetwork {
    let peers = vec![(key(to).public_key(), other.address().clone())];
    start(seed, Libp2pConfig { peers, ..config }).await
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < LONG, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.expect("in time")
}

/// Sends until it arrives; the first messages may be lost while the link is made.
async fn gets_through(from: &mut Libp2pNetwork, to: u8, reader: &mut Libp2pNetwork) {
    let begin = Instant::now();
    loop {
        from.send(&key(to).public_key(), Bytes::from_static(b"hello"));
        if let Ok(Some(Received::Direct { bytes, .. })) =
            tokio::time::timeout(Duration::from_millis(200), reader.next()).await
        {
            assert_eq!(&bytes[..], b"hello");
            return;
        }
        assert!(begin.elapsed() < LONG, "nothing arrives");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_version_is_refused() {
    let mut old = start(1, config()).await;
    let newer = Libp2pConfig { version: PROTOCOL_VERSION + 1, ..config() };
    let mut new = dialler(2, &old, 1, newer).await;
    let control = new.control();
    let begin = Instant::now();
    while control.stats().incompatible == 0 {
        new.send(&key(1).public_key(), Bytes::from_static(b"hello"));
        assert!(begin.elapsed() < LONG, "the other version is not noticed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    until("the link is closed", || control.stats().connected == 0).await;
    let nothing = tokio::time::timeout(Duration::from_millis(300), old.next()).await;
    assert!(nothing.is_err(), "nothing was heard: {nothing:?}");
    // One of the same version gets through meanwhile.
    let mut same = dialler(3, &old, 1, config()).await;
    gets_through(&mut same, 1, &mut old).await;
    for network in [&mut old, &mut new, &mut same] {
        network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn known_peers_have_their_places() {
    let limits = Limits { strangers: 2, ..Limits::default() };
    let mut node = start(1, Libp2pConfig { limits, ..config() }).await;
    node.expect_peer(key(9).public_key()).unwrap();
    let control = node.control();
    let mut strangers = Vec::new();
    for seed in 2..7 {
        strangers.push(dialler(seed, &node, 1, config()).await);
    }
    until("strangers take their places", || control.stats().connected == 2 && control.stats().refused >= 3).await;
    let mut known = dialler(9, &node, 1, config()).await;
    gets_through(&mut known, 1, &mut node).await;
    assert_eq!(control.stats().connected, 3);
    assert!(node.reaches(&key(9).public_key()));
    assert!(!node.reaches(&key(2).public_key()), "there is no way to a stranger");
    for network in strangers.iter_mut().chain([&mut node, &mut known]) {
        network.stop().await;
    }
}

/// Connections that never say anything lose their places soon, and one address cannot take them all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_connections_keep_nobody_out() {
    let limits = Limits { pending_per_address: 4, ..Limits::default() };
    let mut node = start(1, Libp2pConfig { limits, ..config() }).await;
    node.expect_peer(key(9).public_key()).unwrap();
    let control = node.control();
    let port = node.address().to_string().rsplit('/').next().unwrap().parse::<u16>().unwrap();
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(std::net::TcpStream::connect(("127.0.0.1", port)).unwrap());
    }
    until("those over the bound are refused", || control.stats().refused >= 6).await;
    assert_eq!(control.stats().refused, 6);
    // The other four are given up.
    let begin = Instant::now();
    for socket in &mut silent {
        socket.set_read_timeout(Some(LONG)).unwrap();
        // Closed or reset, it ends.
        let _ = socket.read_to_end(&mut Vec::new());
    }
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    let mut known = dialler(9, &node, 1, config()).await;
    gets_through(&mut known, 1, &mut node).await;
    for network in [&mut node, &mut known] {
        network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_away_is_dialled_again() {
    let mut first = start(1, config()).await;
    let mut other = dialler(2, &first, 1, config()).await;
    gets_through(&mut other, 1, &mut first).await;
    let address = first.address().clone();
    first.stop().await;
    drop(first);
    let control = other.control();
    until("the link breaks", || control.stats().connected == 0).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut again = start(1, Libp2pConfig { listen: address, ..config() }).await;
    gets_through(&mut other, 1, &mut again).await;
    for network in [&mut other, &mut again] {
        network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_slowed_down_to_its_rate() {
    let limits = Limits { stranger: Rate { messages: 20, bytes: 1 << 20 }, ..Limits::default() };
    let mut node = start(1, Libp2pConfig { limits, ..config() }).await;
    let mut stranger = dialler(2, &node, 1, config()).await;
    gets_through(&mut stranger, 1, &mut node).await;
    let begin = Instant::now();
    let mut heard = 0;
    while begin.elapsed() < Duration::from_secs(3) {
        for _ in 0..50 {
            stranger.send(&key(1).public_key(), Bytes::from_static(b"again"));
        }
        while tokio::time::timeout(Duration::from_millis(5), node.next()).await.is_ok() {
            heard += 1;
        }
    }
    let most = 40 + 20 * (begin.elapsed().as_secs() + 1);
    assert!(heard > 20 && heard <= most, "{heard} of at most {most}");
    stranger.stop().await;
    node.stop().await;
}

/// A list that grows; nothing is illicit.
#[derive(Default)]
struct Empty {
    last: Height,
    large: bool,
}

impl Application for Empty {
    fn submit(&mut self, _: Bytes) -> Result<(), InvalidPayload> {
        Ok(())
    }

    fn propose(&mut self, height: Height, _: Ancestors<'_>, max_bytes: usize) -> Bytes {
        if self.large { vec![height.0 as u8; max_bytes].into() } else { Bytes::new() }
    }

    fn verify(&mut self, _: Height, _: Ancestors<'_>, _: &Bytes) -> Result<(), InvalidPayload> {
        Ok(())
    }

    fn finalised(&mut self, block: &FinalBlock) -> Digest {
        self.last = block.height;
        block.digest
    }

    fn last_height(&self) -> Height {
        self.last
    }
}

/// Nodes that know each other; each validates and proposes.
struct Chain {
    nodes: Vec<(NodeHandle, NetworkControl, Multiaddr)>,
    _folder: tempfile::TempDir,
}

impl Chain {
    async fn start(count: u8, limits: Limits, large: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys: Vec<_> = (100..100 + count).map(key).collect();
        let public: Vec<_> = keys.iter().map(Signer::public_key).collect();
        let committee = Committee::new(chain(), Term(0), public.clone(), public).unwrap();
        let mut networks = Vec::new();
        for key in &keys {
            let config = Libp2pConfig { limits, ..config() };
            networks.push(Libp2pNetwork::start(key, config).await.unwrap());
        }
        let addresses: Vec<_> = networks.iter().map(|network| network.address().clone()).collect();
        let mut nodes = Vec::new();
        for (index, mut network) in networks.into_iter().enumerate() {
            for (other, address) in addresses.iter().enumerate().filter(|(other, _)| *other != index) {
                network.add_peer(keys[other].public_key(), address.clone()).unwrap();
            }
            network.expect_peer(key(KNOWN).public_key()).unwrap();
            let mut config = NodeConfig::new(committee.clone());
            config.timeout = Duration::from_millis(1500);
            config.block_interval = Duration::from_millis(50);
            config.idle_block_interval = Duration::from_millis(200);
            config.retry_interval = Duration::from_millis(300);
            let storage = RedbStorage::open(folder.path().join(format!("{index}.redb"))).unwrap();
            let control = network.control();
            let application = Box::new(Empty { large, ..Empty::default() });
            let key = Arc::new(keys[index].clone());
            let node = Node::start(config, key, application, Box::new(storage), Box::new(network)).unwrap();
            nodes.push((node, control, addresses[index].clone()));
        }
        let chain = Self { nodes, _folder: folder };
        for (node, ..) in &chain.nodes {
            within(node.wait_final(Height(2))).await.unwrap();
        }
        chain
    }

    fn key(&self, node: usize) -> PublicKey {
        self.nodes[node].0.key()
    }

    async fn stranger(&self, seed: u8) -> Libp2pNetwork {
        let peers = vec![(self.key(0), self.nodes[0].2.clone())];
        start(seed, Libp2pConfig { peers, ..config() }).await
    }

    async fn end(self) {
        for (node, ..) in &self.nodes {
            within(node.stop()).await;
        }
    }
}

/// A well-formed vote that its validator never signed.
fn forged(height: u64, nonce: u64) -> Bytes {
    let mut digest = [1; 32];
    digest[..8].copy_from_slice(&nonce.to_be_bytes());
    let vote = Vote {
        term: Term(0),
        kind: Kind::Prepare,
        height: Height(height),
        digest: Digest(digest),
        signer: 1,
        signature: Signature([7; 64]),
    };
    Message::Vote(vote).encode()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rubbish_is_banned() {
    let chain = Chain::start(1, Limits::default(), false).await;
    let (node, control, _) = &chain.nodes[0];
    let mut bad = chain.stranger(2).await;
    let begin = Instant::now();
    while control.stats().banned == 0 {
        bad.send(&chain.key(0), Bytes::from_static(b"\xff\xff\xff rubbish"));
        assert!(begin.elapsed() < LONG, "rubbish goes on: {:?}", control.stats());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    until("its link is closed", || control.stats().connected == 0).await;
    let refused = control.stats().refused;
    until("it is refused when it comes back", || control.stats().refused > refused).await;
    assert!(node.counters().malformed >= 10);

    // Votes that nobody signed are as bad, gossip that is no certificate too.
    let mut forger = chain.stranger(3).await;
    let mut gossiper = chain.stranger(4).await;
    let mut nonce = 0;
    let begin = Instant::now();
    while control.stats().banned < 3 {
        nonce += 1;
        forger.send(&chain.key(0), forged(node.status().height.0, nonce));
        gossiper.gossip(Topic::Validate, forged(1, nonce));
        assert!(begin.elapsed() < LONG, "{:?} {:?}", control.stats(), node.counters());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for network in [&mut bad, &mut forger, &mut gossiper] {
        network.stop().await;
    }
    chain.end().await;
}

/// Gossip travels on only if it is judged good: a certificate that is news, a transaction within the size limit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gossip_travels_by_verdict() {
    let mut middle = start(1, config()).await;
    let mut left = dialler(2, &middle, 1, config()).await;
    let mut right = dialler(3, &middle, 1, config()).await;
    let control = middle.control();
    until("both are linked", || control.stats().connected == 2).await;
    // The mesh forms at a heartbeat.
    let mut passed = Vec::new();
    for round in 0_u8..40 {
        let (good, bad) = (Bytes::from(vec![1, round]), Bytes::from(vec![2, round]));
        left.gossip(Topic::Transactions, good);
        left.gossip(Topic::Transactions, bad);
        for _ in 0..2 {
            if let Ok(Some(Received::Gossip { bytes, receipt, .. })) =
                tokio::time::timeout(Duration::from_millis(200), middle.next()).await
            {
                middle.judge(receipt, if bytes[0] == 1 { Verdict::Accept } else { Verdict::Ignore });
            }
        }
        while let Ok(Some(Received::Gossip { bytes, receipt, .. })) =
            tokio::time::timeout(Duration::from_millis(100), right.next()).await
        {
            right.judge(receipt, Verdict::Accept);
            passed.push(bytes[0]);
        }
        if passed.len() >= 5 {
            break;
        }
    }
    assert!(passed.len() >= 5, "what was accepted travels on: {passed:?}");
    assert!(passed.iter().all(|kind| *kind == 1), "what was ignored does not: {passed:?}");
    for network in [&mut left, &mut middle, &mut right] {
        network.stop().await;
    }
}

/// One PULL is answered with a bounded number of bytes, however many full blocks it asks for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_bounded() {
    let chain = Chain::start(1, Limits::default(), true).await;
    let (node, ..) = &chain.nodes[0];
    within(node.wait_final(Height(12))).await.unwrap();
    let heights = (1..=MAX_PULL as u64).map(Height).collect();
    let pull = Message::Pull(Pull { heights, ..Pull::default() }).encode();
    // Only who the node was told about is answered.
    for (seed, known) in [(5, false), (KNOWN, true)] {
        let mut asker = chain.stranger(seed).await;
        until("the asker is linked", || chain.nodes[0].1.stats().connected == 1).await;
        let mut bytes = 0;
        let begin = Instant::now();
        asker.send(&chain.key(0), pull.clone());
        while begin.elapsed() < Duration::from_secs(3) {
            match tokio::time::timeout(Duration::from_millis(500), asker.next()).await {
                Ok(Some(Received::Direct { bytes: answer, .. })) => bytes += answer.len(),
                Ok(Some(Received::Gossip { .. })) => {}
                _ if bytes == 0 && known => asker.send(&chain.key(0), pull.clone()),
                _ => break,
            }
        }
        let most = if known { (4 << 20) + MAX_MESSAGE } else { 0 };
        assert!(bytes <= most && (bytes > 2 << 20) == known, "{bytes} bytes of at most {most}");
        asker.stop().await;
        until("the asker is gone", || chain.nodes[0].1.stats().connected == 0).await;
    }
    chain.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flooded_node_keeps_finalising() {
    let rules = WhiteListRules {
        overload: Duration::from_secs(1),
        calm: Duration::from_secs(60),
        longest: Duration::from_secs(600),
        connections: 10,
    };
    let limits = Limits { strangers: 32, white_list: rules, ..Limits::default() };
    let chain = Chain::start(4, limits, false).await;
    let (node, control, _) = &chain.nodes[0];
    let before = node.status().final_height;
    let mut floods = Vec::new();
    for seed in 1..=16 {
        let mut flooder = chain.stranger(seed).await;
        let (to, handle) = (chain.key(0), node.clone());
        floods.push(tokio::spawn(async move {
            for nonce in 0_u64.. {
                // A good key that floods with what costs a verification; transactions that nobody can judge.
                flooder.send(&to, forged(handle.status().height.0, u64::from(seed) << 32 | nonce));
                flooder.gossip(Topic::Transactions, Bytes::from(format!("{seed} {nonce}").repeat(100)));
                if nonce % 32 == 0 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }));
    }
    until("the white list turns on", || control.stats().white_list).await;
    until("only members are linked", || control.stats().connected == 3).await;
    let refused = control.stats().refused;
    within(node.wait_final(Height(before.0 + 10))).await.unwrap();
    until("strangers are refused at the door", || control.stats().refused > refused).await;
    assert_eq!(control.stats().connected, 3);
    for (other, ..) in &chain.nodes {
        within(other.wait_final(Height(before.0 + 10))).await.unwrap();
        assert_eq!(other.status().impeached, 0, "no honest proposer was impeached under the flood");
    }
    for flood in floods {
        flood.abort();
    }
    // By hand.
    control.set_white_list(WhiteList::Off);
    assert!(!control.stats().white_list);
    let mut stranger = chain.stranger(50).await;
    until("a stranger is let in again", || control.stats().connected > 3).await;
    control.set_white_list(WhiteList::On);
    until("and shown the door", || control.stats().connected == 3).await;
    stranger.stop().await;
    chain.end().await;
}
