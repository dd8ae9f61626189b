//! Peers that send rubbish, stall, or ask for too much: cut off, while everybody else is served.

use std::time::{Duration, Instant};

use cpchain_storage::{
    ChunkId,
    network::{ChunkTransport, Dht, NetworkConfig, NodeHandle, PeerLimits, RecordKind, SignedRecord},
};

use crate::{
    net::{Net, bytes, config, key, lease, now_ms},
    peer::{Peer, STALL},
};

fn frame(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_le_bytes(), body].concat()
}

/// A request of one field that holds one field of bytes for each item.
fn give(records: &[Vec<u8>]) -> Vec<u8> {
    fn field(tag: u8, bytes: &[u8]) -> Vec<u8> {
        let (low, high) = ((bytes.len() & 0x7f) as u8 | 0x80, (bytes.len() >> 7) as u8);
        [&[tag << 3 | 2, low, high], bytes].concat()
    }
    frame(&field(8, &records.iter().flat_map(|record| field(1, record)).collect::<Vec<_>>()))
}

fn record(n: u8) -> SignedRecord {
    SignedRecord::sign(&key(5), RecordKind::ManifestHead, &[n], 1, now_ms() + 3_600_000, vec![n; 50]).unwrap()
}

async fn is_served(net: &Net, node: &NodeHandle) {
    let light = net.light(9).await;
    let shard = bytes(1, 100);
    let receipts = light.put(node.id(), std::slice::from_ref(&shard), lease()).await.unwrap();
    assert_eq!(light.get(node.id(), receipts[0].shard()).await.unwrap(), Some(shard));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_sends_rubbish_is_cut_off() {
    let net = Net::start(1).await;
    let node = &net.nodes[0];
    let mut peer = Peer::new(node.address().unwrap());
    let mut answered = 0;
    while peer.send(frame(b"\xff\xff")).await.is_some() {
        answered += 1;
    }
    assert!((19..=20).contains(&answered), "{answered} malformed frames were answered");
    // It may not come back, and what it sends well now is not heard either.
    assert_eq!(peer.send(frame(&[0x1a, 34, 0x0a, 32].into_iter().chain([7; 32]).collect::<Vec<_>>())).await, None);
    assert_eq!(node.stats().await.unwrap().bans, 1);
    is_served(&net, node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn false_records_cost_a_peer_its_connection() {
    let net = Net::start(1).await;
    let node = &net.nodes[0];
    let mut peer = Peer::new(node.address().unwrap());
    let good: Vec<_> = (0..3).map(|n| record(n).to_bytes().to_vec()).collect();
    // Answer, field 9 (give), field 1: three times true.
    assert_eq!(peer.send(give(&good)).await.as_deref(), Some(&[7, 0, 0, 0, 0x4a, 5, 0x0a, 3, 1, 1, 1][..]));
    let forged = |n| {
        let mut bytes = record(n).to_bytes().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        bytes
    };
    let _ = peer.send(give(&(10..40).map(forged).collect::<Vec<_>>())).await;
    assert_eq!(peer.send(give(&good)).await, None);
    let stats = node.stats().await.unwrap();
    assert_eq!((stats.bans, stats.records), (1, 3));
    assert_eq!(node.get_record(record(1).key()).await.unwrap().unwrap().to_bytes(), good[1]);
    is_served(&net, node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_loris_is_cut_off() {
    let net = Net::start(1).await;
    let node = &net.nodes[0];
    let mut peer = Peer::new(node.address().unwrap());
    // A thousand bytes announced, three sent, and then a few a second.
    let begin = Instant::now();
    assert_eq!(peer.send([STALL, &[0xe8, 3, 0, 0, 1, 2, 3]].concat()).await, None);
    assert!(begin.elapsed() < Duration::from_secs(5), "the stream was held for {:?}", begin.elapsed());
    is_served(&net, node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_on_one_stream_are_answered_in_order() {
    let net = Net::start(1).await;
    let node = &net.nodes[0];
    let light = net.light(1).await;
    let shard = bytes(1, 100);
    let id = light.put(node.id(), std::slice::from_ref(&shard), lease()).await.unwrap()[0].shard();
    let has = |id: ChunkId| frame(&[&[0x1a, 34, 0x0a, 32], id.as_bytes().as_slice()].concat());
    let get = frame(&[&[0x12, 34, 0x0a, 32], id.as_bytes().as_slice()].concat());
    let mut peer = Peer::new(node.address().unwrap());
    let answers = peer.send([has(id), get, has(ChunkId::of(b"none"))].concat()).await.unwrap();
    let yes = frame(&[0x1a, 3, 0x0a, 1, 1]);
    let bytes = frame(&[&[0x12, 102, 0x0a, 100], shard.as_ref()].concat());
    let no = frame(&[0x1a, 3, 0x0a, 1, 0]);
    assert_eq!(answers, [yes, bytes, no].concat());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_peer_cannot_take_the_node_from_others() {
    let peer = PeerLimits { requests_per_second: 20, ..PeerLimits::default() };
    let net = Net::of(1, NetworkConfig { peer, ..config() }).await;
    let node = net.nodes[0].id();
    let (greedy, modest) = (net.light(1).await, net.light(2).await);
    let shards: Vec<_> = (0..40).map(|n| ChunkId::of(&[n])).collect();
    // Far more than a second's worth, at once.
    let flood = {
        let greedy = greedy.clone();
        tokio::spawn(async move {
            let asks = (0..64).map(|_| greedy.has(node, &shards));
            futures::future::join_all(asks).await
        })
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begin = Instant::now();
    // It has to wait itself, and nobody else has to.
    let late = async {
        greedy.has(node, &[ChunkId::of(b"x")]).await.unwrap();
        begin.elapsed()
    };
    let others = async {
        for _ in 0..10 {
            modest.has(node, &[ChunkId::of(b"x")]).await.unwrap();
        }
        begin.elapsed()
    };
    let (late, others) = tokio::join!(late, others);
    flood.abort();
    assert!(others < late, "others waited {others:?}, the greedy one {late:?}");
}
