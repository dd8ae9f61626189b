//! A main chain and a side chain as two running networks over loopback sockets: the engine, its driver and its logs on both sides, and between
//! them a courier that trusts nobody and whom nobody trusts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use cpchain_consensus::{
    ChainId, Height, Term,
    lbft::{Committee, Kind},
    ledger::{
        Amount, Genesis, Ledger, LedgerView, TransactionDraft,
        bridge::{Bridge, BridgeCall, BridgeView},
    },
    network::{Libp2pConfig, Libp2pNetwork},
    node::{Node, NodeConfig, NodeHandle},
    proof::HeadProof,
    storage::RedbStorage,
};
use cpchain_crypto::{Digest, PublicKey, Signer, SigningKey};

const LONG: Duration = Duration::from_secs(60);

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn id(seed: u8) -> PublicKey {
    key(seed).public_key()
}

/// A network of validators that are proposers too.
struct Net {
    id: ChainId,
    committee: Committee,
    nodes: Vec<NodeHandle>,
    view: LedgerView,
    bridge: BridgeView,
}

impl Net {
    async fn start(id: ChainId, genesis: &Genesis, seeds: std::ops::Range<u8>, folder: &std::path::Path) -> Self {
        let keys: Vec<_> = seeds.clone().map(key).collect();
        let public: Vec<_> = keys.iter().map(Signer::public_key).collect();
        let committee = Committee::new(id, Term(0), public.clone(), public).unwrap();
        let mut networks = Vec::new();
        for key in &keys {
            let listen = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
            networks.push(Libp2pNetwork::start(key, Libp2pConfig::new(id, listen)).await.unwrap());
        }
        let addresses: Vec<_> = networks.iter().map(|network| network.address().clone()).collect();
        let (mut nodes, mut view) = (Vec::new(), None);
        for (index, (key, mut network)) in keys.iter().zip(networks).enumerate() {
            for (other, address) in
                keys.iter().zip(&addresses).filter(|(other, _)| other.public_key() != key.public_key())
            {
                network.add_peer(other.public_key(), address.clone()).unwrap();
            }
            let ledger = Ledger::builder(id, genesis.clone()).module(Bridge::new(Amount::cpc(10))).build().unwrap();
            view.get_or_insert(ledger.view());
            let log = RedbStorage::open(folder.join(format!("{}-{index}.redb", seeds.start))).unwrap();
            let config = NodeConfig {
                block_interval: Duration::from_millis(20),
                idle_block_interval: Duration::from_millis(200),
                retry_interval: Duration::from_millis(200),
                ..NodeConfig::new(committee.clone())
            };
            let key = Arc::new(key.clone());
            nodes.push(Node::start(config, key, Box::new(ledger), Box::new(log), Box::new(network)).unwrap());
        }
        let view = view.unwrap();
        Self { id, committee, nodes, bridge: BridgeView::new(view.clone()), view }
    }

    /// Has a transaction ordered, and waits until it is executed.
    async fn call(&self, seed: u8, call: &BridgeCall) {
        let (nonce, payload) = (self.view.next_nonce(&id(seed)), call.encode());
        let draft =
            TransactionDraft { chain: self.id, nonce, expires: Height(100_000), kind: Bridge::KIND.into(), payload };
        let transaction = draft.sign(&key(seed)).unwrap();
        self.nodes[0].submit(transaction.bytes().clone()).await.unwrap();
        let done = async {
            loop {
                if let Some(receipt) = self.view.receipt(&transaction.id()) {
                    return assert!(receipt.is_applied(), "{receipt:?}");
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(LONG, done).await.unwrap();
    }

    /// What a courier asks any node of this chain for: headers after `known`, with the certificate that makes the last one final.
    async fn news(&self, known: Height, block: Height, head: HeadProof) -> BridgeCall {
        let (mut headers, mut height): (Vec<Bytes>, _) = (Vec::new(), known.next());
        let collect = async {
            loop {
                self.nodes[0].wait_final(height).await.unwrap();
                let entry = self.nodes[0].block(height).await.unwrap().unwrap();
                headers.extend(entry.sealed.map(|sealed| sealed.encoded_header().clone()));
                let commit = entry.certificate.filter(|certificate| certificate.kind == Kind::Commit);
                if let Some(certificate) = commit.filter(|_| height >= block) {
                    return certificate;
                }
                height = height.next();
            }
        };
        let certificate = tokio::time::timeout(LONG, collect).await.unwrap();
        BridgeCall::Advance { chain: self.id, headers, certificate, head: Some(head) }
    }
}

/// Sends on one chain, carries the proof, receives on the other.
async fn cross(from: &Net, to: &Net, seed: u8, amount: Amount) {
    let sequence = from.bridge.sent(&to.id);
    from.call(seed, &BridgeCall::Send { chain: to.id, to: id(seed), amount }).await;
    let sent = from.view.height();
    let place = BridgeView::transfer_key(&to.id, sequence);
    // The block above the transfer names the state with it.
    let answer = loop {
        let answer = from.view.prove_certified(&place);
        if let Some(answer) = answer.filter(|answer| answer.block > sent) {
            break answer;
        }
        from.nodes[0].wait_final(from.view.height().next()).await.unwrap();
    };
    let known = to.bridge.tip(&from.id).unwrap().0;
    to.call(3, &from.news(known, answer.block, answer.head).await).await;
    // Blocks with the same payload name the same state; the anchor is the newest of them.
    let (block, _) = *to.bridge.anchors(&from.id).last().unwrap();
    let proof = answer.proof;
    to.call(3, &BridgeCall::Receive { chain: from.id, block, sequence, to: id(seed), amount, proof }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_crosses_between_two_running_networks() {
    let folder = tempfile::tempdir().unwrap();
    let genesis = (1..=3).fold(Genesis::new(), |genesis, seed| genesis.account(id(seed), Amount::cpc(100)));
    let main = Net::start(genesis.chain_id("main"), &genesis, 101..105, folder.path()).await;
    let genesis = (1..=3).fold(Genesis::new(), |genesis, seed| genesis.account(id(seed), Amount::ZERO));
    let genesis = Bridge::found(genesis, &main.committee, (Height(0), Digest::ZERO), Amount::cpc(1_000));
    let side = Net::start(genesis.chain_id("side"), &genesis, 111..115, folder.path()).await;

    let committee = Box::new(side.committee.clone());
    main.call(1, &BridgeCall::Register { committee, deposit: Amount::cpc(10) }).await;
    cross(&main, &side, 2, Amount::cpc(40)).await;
    assert_eq!((main.view.balance(&id(2)), side.view.balance(&id(2))), (Amount::cpc(60), Amount::cpc(40)));
    cross(&side, &main, 2, Amount::cpc(15)).await;
    assert_eq!((main.view.balance(&id(2)), side.view.balance(&id(2))), (Amount::cpc(75), Amount::cpc(25)));
    assert_eq!(main.bridge.held(&side.id), Amount::cpc(25));
    assert_eq!(side.bridge.held(&main.id), Amount::cpc(975));
    for node in main.nodes.iter().chain(&side.nodes) {
        assert_eq!(node.status().fault, None);
        node.stop().await;
    }
}
